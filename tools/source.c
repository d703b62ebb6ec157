/* Where a command's model and data come from. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/source.h"

static bool is_file(const char *name)
{
    return strchr(name, '/') || strchr(name, '.');
}

static void stem(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : path);
    char *dot = strchr(out, '.');
    if (dot && dot != out)
        *dot = '\0';
}

static moru_status open_zoo(source *src, const settings *s)
{
    moru_dataset_info info;
    snprintf(src->name, sizeof src->name, "%s", src->zoo->name);
    moru_status status = moru_dataset_open(&src->data, s->data ? s->data : src->zoo->data);
    if (status != MORU_OK)
        return status;
    moru_dataset_describe(src->data, &info);
    src->model = src->zoo->build(&info);
    if (!src->model)
        return MORU_ERR_SHAPE;
    return moru_model_initialize(src->model, (uint64_t)s->seed);
}

static moru_status open_file(source *src, const settings *s, bool needs_data)
{
    stem(s->model, src->name, sizeof src->name);
    moru_status status = moru_load(&src->model, s->model);
    if (status == MORU_OK && !s->data && needs_data)
        status = moru_op_error(MORU_ERR_ARGUMENT, "--data: a model from a file needs it");
    if (status == MORU_OK && s->data)
        status = moru_dataset_open(&src->data, s->data);
    return status;
}

static moru_status unknown(const char *name)
{
    char names[512] = "";
    for (int k = 0; zoo_at(k); k++) {
        strncat(names, k ? ", " : "", sizeof names - strlen(names) - 1);
        strncat(names, zoo_at(k)->name, sizeof names - strlen(names) - 1);
    }
    return moru_op_error(MORU_ERR_ARGUMENT, "%s: neither a model file nor one of the zoo: %s", name, names);
}

moru_status source_open(source *src, const settings *s, bool needs_data)
{
    *src = (source){.zoo = zoo_find(s->model)};
    moru_status status = src->zoo ? open_zoo(src, s) : is_file(s->model) ? open_file(src, s, needs_data) : unknown(s->model);
    if (status == MORU_OK)
        status = moru_model_status(src->model) == MORU_OK
                     ? MORU_OK
                     : moru_op_error(moru_model_status(src->model), "%s", moru_model_error(src->model));
    if (status != MORU_OK)
        source_close(src);
    return status;
}

void source_close(source *src)
{
    moru_model_free(src->model);
    moru_dataset_free(src->data);
    moru_dataset_free(src->validation);
    *src = (source){0};
}

/* ---- compiling ---- */

static moru_status set_rate(moru_optimizer *optimizer, const source *src, const settings *s, int64_t steps)
{
    char schedule[256];
    if (s->schedule)
        return moru_optimizer_set_schedule(optimizer, s->schedule);
    if (!isnan(s->lr)) {
        moru_optimizer_set_learning_rate(optimizer, s->lr);
        return MORU_OK;
    }
    if (!src->zoo || !src->zoo->schedule || s->optimizer)
        return MORU_OK;
    const char *place = strstr(src->zoo->schedule, "%lld"); /* stands for the steps of the run */
    if (place)
        snprintf(schedule, sizeof schedule, "%.*s%" PRId64 "%s", (int)(place - src->zoo->schedule), src->zoo->schedule,
                 steps > 0 ? steps : 1, place + 4);
    else
        snprintf(schedule, sizeof schedule, "%s", src->zoo->schedule);
    return moru_optimizer_set_schedule(optimizer, schedule);
}

moru_status source_compile(source *src, const settings *s, int64_t steps)
{
    const bool compiled = moru_model_optimizer(src->model) != NULL;
    if (compiled && !s->optimizer && !s->loss && !s->n_metrics)
        return set_rate(moru_model_optimizer(src->model), src, s, steps);
    const char *loss = s->loss ? s->loss : src->zoo ? src->zoo->loss : NULL;
    const char *name = s->optimizer ? s->optimizer : src->zoo ? src->zoo->optimizer : "rmsprop";
    if (!loss)
        return moru_op_error(MORU_ERR_ARGUMENT, "--loss: %s", compiled
                             ? "a new optimizer or metric means compiling anew, which needs the loss, too"
                             : "the file's model isn't compiled, so it must be given");
    moru_compile_options o = {.loss = loss};
    if (s->n_metrics)
        memcpy(o.metrics, s->metrics, sizeof o.metrics);
    else if (src->zoo && !s->loss)
        memcpy(o.metrics, src->zoo->metrics, sizeof src->zoo->metrics);
    moru_status status = moru_optimizer_from(&o.optimizer, name);
    if (status == MORU_OK)
        status = set_rate(o.optimizer, src, s, steps);
    if (status != MORU_OK) {
        moru_optimizer_free(o.optimizer);
        return status;
    }
    return moru_compile_with(src->model, &o);
}

/* ---- a batch out of nothing ---- */

static moru_tensor *random_tensor(moru_dtype dtype, moru_shape shape, int64_t below, uint64_t stream)
{
    moru_tensor *t = moru_tensor_new(dtype, shape);
    moru_random r = {1, stream, 0};
    for (int64_t i = 0; t && i < moru_tensor_size(t); i++)
        if (dtype == MORU_INT32)
            ((int32_t *)moru_tensor_data(t))[i] = (int32_t)moru_random_below(&r, below > 0 ? below : 1);
        else
            ((moru_real *)moru_tensor_data(t))[i] = (moru_real)moru_random_uniform(&r);
    return t;
}

static moru_shape batched(moru_shape sample, int64_t size)
{
    for (int i = sample.rank; i > 0; i--)
        sample.dims[i] = sample.dims[i - 1];
    sample.dims[0] = size;
    sample.rank++;
    return sample;
}

/* With data its first samples, over and over; without, random numbers of the model's shapes. */
moru_status make_batch(moru_model *model, const moru_dataset *data, int64_t size, batch *b)
{
    *b = (batch){0};
    moru_dataset_info info;
    if (data) {
        moru_dataset_describe(data, &info);
        void *in[MORU_MAX_FEATURES] = {NULL}, *out[MORU_MAX_FEATURES] = {NULL};
        for (int k = 0; k < info.n_inputs; k++) {
            if (!(b->inputs[k] = moru_tensor_new(info.input_dtypes[k], batched(info.input_shapes[k], size))))
                return MORU_ERR_MEMORY;
            in[k] = moru_tensor_data(b->inputs[k]);
        }
        for (int k = 0; k < info.n_targets; k++) {
            if (!(b->targets[k] = moru_tensor_new(info.target_dtypes[k], batched(info.target_shapes[k], size))))
                return MORU_ERR_MEMORY;
            out[k] = moru_tensor_data(b->targets[k]);
        }
        int64_t *rows = malloc((size_t)size * sizeof *rows + 1);
        if (!rows)
            return moru_op_error(MORU_ERR_MEMORY, "no memory for a batch of %" PRId64 " samples", size);
        for (int64_t i = 0; i < size; i++)
            rows[i] = i % info.size;
        moru_status status = moru_dataset_read(data, rows, size, in, out);
        free(rows);
        return status;
    }
    for (int k = 0; k < moru_model_input_count(model) && k < MORU_MAX_FEATURES; k++) {
        const moru_node *node = moru_model_input_at(model, k);
        moru_shape shape = *moru_node_shape(node);
        shape.dims[0] = size;
        for (int i = 1; i < shape.rank; i++)
            if (shape.dims[i] < 0)
                shape.dims[i] = 64; /* an open size: a length people use */
        if (!(b->inputs[k] = random_tensor(moru_node_dtype(node), shape, 2, (uint64_t)k)))
            return MORU_ERR_MEMORY;
    }
    return MORU_OK;
}

void free_batch(batch *b)
{
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        moru_tensor_free(b->inputs[k]);
        moru_tensor_free(b->targets[k]);
    }
    *b = (batch){0};
}
