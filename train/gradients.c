/* moru_model_gradients(): a model's loss on one batch and what every trainable variable has to do with it. */
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "train/check.h"
#include <moru/program.h>

int moru_model_gradient_count(const moru_model *model)
{
    return model ? moru_model_weights(model, true, NULL, 0) : 0;
}

typedef struct work {
    moru_model *model;
    moru_arena arena;
    moru_graph *graph;
    moru_program *program;
    moru_step_key key;
    moru_step_data data;
    moru_trace trace;
    moru_node *placeholders[3 * MORU_MAX_FEATURES], *outputs[MORU_MAX_OUTPUTS];
    moru_weight **weights;
    moru_node **params, **results;   /* results: the loss, then gradients */
    int n;
} work;

/* The given loss for every output, without regularization; or the compiled losses, with it. */
static moru_status build_loss(work *w, const char *spec, moru_node **loss)
{
    moru_loss given[MORU_MAX_OUTPUTS];
    moru_training *t;
    if (spec) {
        MORU_TRY(moru_loss_parse(&w->arena, spec, "loss", &given[0]));
        for (int k = 1; k < w->model->n_outputs; k++)
            given[k] = given[0];
        *loss = moru_step_loss(&w->key, w->placeholders, w->outputs, w->model->n_outputs, given, NULL, NULL);
        return MORU_OK;
    }
    MORU_TRY(moru_training_get(w->model, "gradients", &t));
    *loss = moru_step_loss(&w->key, w->placeholders, w->outputs, w->model->n_outputs, t->losses, t->loss_weights, NULL);
    for (int i = 0; i < w->trace.n_losses; i++)
        *loss = moru_add(*loss, w->trace.losses[i]);
    return MORU_OK;
}

static moru_status build(work *w, const char *spec)
{
    MORU_TRY(moru_step_placeholders(w->model, w->graph, &w->key, w->placeholders));
    MORU_TRY(moru_model_trace(w->model, w->graph, w->placeholders, w->outputs, &w->trace));
    MORU_TRY(build_loss(w, spec, &w->results[0]));
    if (!moru_node_failed(w->results[0]) && w->results[0]->shape.rank > 0)
        return moru_fail(MORU_ERR_ARGUMENT, "gradients: a loss of reduction none isn't one number; sum has its "
                         "gradients");
    for (int i = 0; i < w->n; i++)
        w->params[i] = moru_variable_from(w->graph, w->weights[i]->path, w->weights[i]->tensor);
    if (moru_graph_status(w->graph) != MORU_OK)
        return moru_fail(moru_graph_status(w->graph), "%s", moru_graph_error(w->graph));
    return w->n > 0 ? moru_gradients(w->results[0], w->params, w->n, w->results + 1) : MORU_OK;
}

static moru_status run(work *w)
{
    int n = w->key.n_inputs + w->key.n_targets;
    moru_shape shapes[2 * MORU_MAX_FEATURES];
    memcpy(shapes, w->key.inputs, (size_t)w->key.n_inputs * sizeof *shapes);
    memcpy(shapes + w->key.n_inputs, w->key.targets, (size_t)w->key.n_targets * sizeof *shapes);
    MORU_TRY(moru_program_new(&w->program, &(moru_program_options){
        .inputs = w->placeholders, .input_shapes = shapes, .n_inputs = n,
        .outputs = w->results, .n_outputs = 1 + w->n, .without = w->model->without}));
    for (int k = 0; k < n; k++)
        MORU_TRY(moru_program_bind(w->program, k, k < w->key.n_inputs ? w->data.inputs[k]
                                                                     : w->data.targets[k - w->key.n_inputs]));
    return moru_program_run(w->program);
}

static moru_status copy_results(const work *w, double *loss, moru_tensor **gradients, const char **paths)
{
    if (loss)
        *loss = (double)*(const moru_real *)moru_program_output(w->program, 0)->data;
    for (int i = 0; i < w->n; i++) {
        const moru_tensor *result = moru_program_output(w->program, 1 + i);
        gradients[i] = moru_tensor_from(result->dtype, result->shape, result->data);
        if (!gradients[i])
            return MORU_ERR_MEMORY;
        if (paths)
            paths[i] = w->weights[i]->path;
    }
    return MORU_OK;
}

moru_status moru_model_gradients(moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets,
                                 const char *loss_spec, bool training, double *loss, moru_tensor **gradients,
                                 const char **paths)
{
    if (!model || !gradients)
        return moru_fail(MORU_ERR_ARGUMENT, "gradients: the model or the results are NULL");
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    work w = {.model = model, .trace = {.training = training, .noiseless = true}};
    MORU_TRY(moru_check_tensors(model, inputs, targets, model->n_outputs, NULL, 0, &w.key, &w.data));
    w.n = moru_model_weights(model, true, NULL, 0);
    w.graph = moru_graph_new();
    w.weights = calloc((size_t)w.n + 1, sizeof *w.weights);
    w.params = calloc((size_t)w.n + 1, sizeof *w.params);
    w.results = calloc((size_t)w.n + 1, sizeof *w.results);
    for (int i = 0; i < w.n; i++)
        gradients[i] = NULL;
    moru_status status = w.graph && w.weights && w.params && w.results
        ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory for the model's gradients");
    if (status == MORU_OK) {
        moru_model_weights(model, true, w.weights, w.n);
        status = build(&w, loss_spec);
    }
    if (status == MORU_OK)
        status = run(&w);
    if (status == MORU_OK)
        status = copy_results(&w, loss, gradients, paths);
    for (int i = 0; status != MORU_OK && i < w.n; i++) {
        moru_tensor_free(gradients[i]);
        gradients[i] = NULL;
    }
    moru_program_free(w.program);
    moru_trace_free(&w.trace);
    moru_graph_free(w.graph);
    moru_arena_free(&w.arena);
    free(w.weights);
    free(w.params);
    free(w.results);
    return status;
}
