/* A batch to time or to plan for: of the data, or made up. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/batch.h"

static moru_shape batched(moru_shape sample, int64_t size)
{
    memmove(sample.dims + 1, sample.dims, (MORU_MAX_RANK - 1) * sizeof *sample.dims);
    sample.dims[0] = size;
    sample.rank++;
    return sample;
}

static moru_status from_data(batch *b, const moru_dataset *data, int64_t size)
{
    moru_dataset_info info;
    void *inputs[MORU_MAX_FEATURES] = {NULL}, *targets[MORU_MAX_FEATURES] = {NULL};
    moru_dataset_describe(data, &info);
    for (int k = 0; k < info.n_inputs; k++) {
        if (!(b->inputs[k] = moru_tensor_new(info.input_dtypes[k], batched(info.input_shapes[k], size))))
            return MORU_ERR_MEMORY;
        inputs[k] = moru_tensor_data(b->inputs[k]);
    }
    for (int k = 0; k < info.n_targets; k++) {
        if (!(b->targets[k] = moru_tensor_new(info.target_dtypes[k], batched(info.target_shapes[k], size))))
            return MORU_ERR_MEMORY;
        targets[k] = moru_tensor_data(b->targets[k]);
    }
    if (info.size < 1)
        return moru_op_error(MORU_ERR_ARGUMENT, "%s: it holds no samples", info.name);
    int64_t *rows = malloc((size_t)size * sizeof *rows);
    if (!rows)
        return moru_op_error(MORU_ERR_MEMORY, "--batch: no memory for %" PRId64 " samples", size);
    for (int64_t i = 0; i < size; i++)
        rows[i] = i % info.size;
    moru_status status = moru_dataset_read(data, rows, size, inputs, targets);
    free(rows);
    return status;
}

/* Numbers in 0..1, or class and word numbers 0 and 1. */
static moru_tensor *made_up(moru_dtype dtype, moru_shape shape, int64_t size, uint64_t stream)
{
    enum { USUAL_LENGTH = 64 };
    moru_random r = {1, stream, 0};
    shape.dims[0] = size;
    for (int i = 1; i < shape.rank; i++)
        if (shape.dims[i] < 0)
            shape.dims[i] = USUAL_LENGTH; /* an open size */
    moru_tensor *t = moru_tensor_new(dtype, shape);
    for (int64_t i = 0; t && i < moru_tensor_size(t); i++)
        if (dtype == MORU_INT32)
            ((int32_t *)moru_tensor_data(t))[i] = (int32_t)moru_random_below(&r, 2);
        else
            ((moru_real *)moru_tensor_data(t))[i] = (moru_real)moru_random_uniform(&r);
    return t;
}

static moru_status make_up(batch *b, const moru_model *model, int64_t size)
{
    for (int k = 0; k < moru_model_input_count(model) && k < MORU_MAX_FEATURES; k++) {
        const moru_node *node = moru_model_input_at(model, k);
        if (!(b->inputs[k] = made_up(moru_node_dtype(node), *moru_node_shape(node), size, (uint64_t)k)))
            return MORU_ERR_MEMORY;
    }
    return MORU_OK;
}

/* Targets of the outputs' shapes, or classes: without their last axis. */
static moru_status make_up_targets(batch *b, const moru_model *model, int64_t size, bool classes)
{
    for (int k = 0; k < moru_model_output_count(model) && k < MORU_MAX_FEATURES; k++) {
        moru_shape shape = *moru_node_shape(moru_model_output_at(model, k));
        shape.rank -= classes && shape.rank > 1;
        moru_tensor_free(b->targets[k]);
        if (!(b->targets[k] = made_up(classes ? MORU_INT32 : MORU_REAL, shape, size, 100 + (uint64_t)k)))
            return MORU_ERR_MEMORY;
    }
    return MORU_OK;
}

/* The program reads the inputs where they lie; a training step binds its own. */
static moru_status plan_inference(batch *b, source *src)
{
    moru_status status = moru_model_program(src->model, false, b->inputs, NULL, &b->program);
    for (int k = 0; status == MORU_OK && k < moru_model_input_count(src->model); k++)
        status = moru_program_bind(b->program, k, moru_tensor_const_data(b->inputs[k]));
    return status;
}

moru_status batch_make(batch *b, source *src, int64_t size, bool training)
{
    *b = (batch){.training = training};
    moru_status status = src->data ? from_data(b, src->data, size) : make_up(b, src->model, size);
    if (status == MORU_OK && !training)
        return plan_inference(b, src);
    if (status == MORU_OK && src->data)
        return moru_model_program(src->model, true, b->inputs, b->targets, &b->program);
    for (int classes = 1; classes >= 0; classes--) { /* whichever the loss takes */
        if (status == MORU_OK || status == MORU_ERR_SHAPE)
            status = make_up_targets(b, src->model, size, classes);
        if (status == MORU_OK)
            status = moru_model_program(src->model, true, b->inputs, b->targets, &b->program);
        if (status == MORU_OK)
            break;
    }
    return status;
}

moru_status batch_run(batch *b, source *src)
{
    return b->training ? moru_train_on_batch(src->model, b->inputs, b->targets, NULL) : moru_program_run(b->program);
}

void batch_free(batch *b)
{
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        moru_tensor_free(b->inputs[k]);
        moru_tensor_free(b->targets[k]);
    }
    *b = (batch){0};
}
