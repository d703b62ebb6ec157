/* moru gradients: loss and its gradients for every trainable variable. */
#include <stdlib.h>
#include <string.h>

#include "tools/inputs.h"
#include "tools/output.h"
#include "tools/source.h"

typedef struct work {
    source src;
    moru_tensor *inputs[MORU_MAX_OUTPUTS], *targets[MORU_MAX_OUTPUTS], **gradients;
    const char **paths;
    char **names;
    moru_h5_item *items;
    char *loss;                 /* the file's attribute */
    int n;
} work;

/* Layers of models inside a model may have the same names, and then their variables the same paths. */
static bool is_taken(const work *w, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(w->paths[k], w->paths[i]) == 0)
            return true;
    return false;
}

static moru_status write(const work *w, double loss, const char *path)
{
    moru_real number = (moru_real)loss;
    moru_tensor *scalar = moru_tensor_from(MORU_REAL, MORU_SCALAR_SHAPE, &number);
    moru_status status = scalar ? MORU_OK : MORU_ERR_MEMORY;
    for (int i = 0; i < w->n && status == MORU_OK; i++) {
        size_t size = strlen(w->paths[i]) + sizeof "gradients/#" + 12;
        if (!(w->names[i] = malloc(size)))
            status = moru_op_error(MORU_ERR_MEMORY, "%s: no memory", path);
        else if (is_taken(w, i))
            snprintf(w->names[i], size, "gradients/%s#%d", w->paths[i], i);
        else
            snprintf(w->names[i], size, "gradients/%s", w->paths[i]);
        w->items[i + 1] = (moru_h5_item){w->names[i], w->gradients[i]};
    }
    w->items[0] = (moru_h5_item){"loss", scalar};
    if (status == MORU_OK)
        status = moru_h5_write(path, w->items, w->n + 1);
    moru_tensor_free(scalar);
    return status;
}

/* The loss: --loss, or the file's attribute, or the model's own. */
static moru_status open_model(work *w, const settings *s)
{
    moru_status status = output_check_file(s->output);
    if (status == MORU_OK && !s->loss)
        status = moru_h5_attribute(&w->loss, s->input, "/", "loss");
    const bool own = !s->loss && !w->loss;
    if (status == MORU_OK)
        status = source_open(&w->src, s, own ? SOURCE_COMPILED : SOURCE_MODEL);
    if (status != MORU_OK || !own)
        return status;
    if (w->src.zoo)
        return source_compile(&w->src, s, 1);
    if (moru_model_optimizer(w->src.model))
        return MORU_OK;
    return moru_op_error(MORU_ERR_ARGUMENT, "--loss: it is needed, for neither %s nor %s brings one",
                         s->model, s->input);
}

static moru_status compute(work *w, const settings *s)
{
    double loss;
    moru_status status = open_model(w, s);
    if (status == MORU_OK)
        status = inputs_read(w->src.model, s->input, w->inputs);
    if (status == MORU_OK)
        status = targets_read(w->src.model, s->input, w->targets);
    if (status != MORU_OK)
        return status;
    w->n = moru_model_gradient_count(w->src.model);
    w->gradients = calloc((size_t)w->n + 1, sizeof *w->gradients);
    w->paths = calloc((size_t)w->n + 1, sizeof *w->paths);
    w->names = calloc((size_t)w->n + 1, sizeof *w->names);
    w->items = calloc((size_t)w->n + 1, sizeof *w->items);
    if (!w->gradients || !w->paths || !w->names || !w->items)
        return moru_op_error(MORU_ERR_MEMORY, "%s: no memory for %d gradients", s->model, w->n);
    status = moru_model_gradients(w->src.model, w->inputs, w->targets, s->loss ? s->loss : w->loss, s->training, &loss,
                                  w->gradients, w->paths);
    if (status != MORU_OK && s->loss && strncmp(moru_last_error(), "loss:", 5) == 0)
        return in_argument(status, "--loss");
    return status == MORU_OK ? write(w, loss, s->output) : inputs_refused(status, s->input);
}

static int run(const settings *s)
{
    work w = {0};
    int result = compute(&w, s) == MORU_OK ? DONE : fail_last();
    for (int i = 0; i < w.n; i++) {
        if (w.gradients)
            moru_tensor_free(w.gradients[i]);
        if (w.names)
            free(w.names[i]);
    }
    free(w.gradients);
    free(w.paths);
    free(w.names);
    free(w.items);
    free(w.loss);
    tensors_free(w.inputs);
    tensors_free(w.targets);
    source_close(&w.src);
    return result;
}

const command command_gradients = {
    .name = "gradients", .argument = "MODEL", .summary = "loss and gradients for every trainable variable",
    .details = "Reads inputs as predict does and target (or target0, ...). Without --loss the file's attribute loss\n"
               "counts, then the model's own. Writes loss and gradients/PATH, paths as Keras gives them.",
    .options = (const char *const[]){"input", "output", "loss", "training", "weights", "by-name", "partial", "skip-mismatch", "mapping", "threads", "no-winograd", NULL},
    .needed = (const char *const[]){"input", "output", NULL}, .run = run,
};
