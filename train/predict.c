/* moru_predict(): inference in batches. */
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "train/check.h"

static size_t sample_bytes(moru_dtype dtype, const moru_shape *shape)
{
    size_t bytes = moru_dtype_size(dtype);
    for (int i = 1; i < shape->rank; i++)
        bytes *= (size_t)shape->dims[i];
    return bytes;
}

/* Copies a batch's results to their place; the first batch shows how large they all are. */
static moru_status keep(const moru_step *step, int n_outputs, int64_t done, int64_t n, moru_tensor **outputs)
{
    for (int k = 0; k < n_outputs; k++) {
        const moru_tensor *out = moru_program_output(step->program, k);
        if (!outputs[k]) {
            moru_shape shape = out->shape;
            if (shape.rank < 1 || shape.dims[0] != step->key.inputs[0].dims[0])
                return moru_fail(MORU_ERR_UNSUPPORTED, "predict: output %d isn't one row a sample", k);
            shape.dims[0] = n;
            outputs[k] = moru_tensor_new(out->dtype, shape);
            if (!outputs[k])
                return MORU_ERR_MEMORY;
        }
        size_t each = sample_bytes(out->dtype, &out->shape);
        if (out->size > 0)
            memcpy((char *)outputs[k]->data + (size_t)done * each, out->data,
                   (size_t)out->size * moru_dtype_size(out->dtype));
    }
    return MORU_OK;
}

static moru_status run_batches(moru_training *t, moru_step_key *key, const moru_step_data *all, int64_t n,
                               int64_t batch, moru_tensor **outputs)
{
    int64_t done = 0;
    do { /* once even for no samples, which tells the outputs' shapes */
        moru_step *step;
        moru_step_data data = *all;
        int64_t size = n - done < batch ? n - done : batch;
        moru_step_set_batch(key, size);
        for (int k = 0; k < key->n_inputs; k++)
            data.inputs[k] = (const char *)all->inputs[k]
                + (size_t)done * sample_bytes(t->model->inputs[k]->dtype, &key->inputs[k]);
        MORU_TRY(moru_step_get(t, key, &step));
        MORU_TRY(moru_step_run(t, step, &data));
        MORU_TRY(keep(step, t->model->n_outputs, done, n, outputs));
        done += size;
    } while (done < n);
    return MORU_OK;
}

moru_status moru_predict(moru_model *model, moru_tensor *const *inputs, moru_tensor **outputs, int64_t batch_size,
                         int threads)
{
    moru_step_key key = {.kind = MORU_STEP_PREDICT, .threads = threads};
    moru_step_data data;
    if (!model || !outputs)
        return moru_fail(MORU_ERR_ARGUMENT, "predict: the model or the outputs are NULL");
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    if (batch_size < 0)
        return moru_fail(MORU_ERR_ARGUMENT, "predict: the batch size must be positive, not %lld",
                         (long long)batch_size);
    if (model->n_outputs < 1)
        return moru_fail(MORU_ERR_STATE, "predict: the model \"%s\" has no outputs", moru_model_name(model));
    MORU_TRY(moru_check_tensors(model, inputs, NULL, -1, NULL, 0, &key, &data));
    moru_training *t = moru_training_of(model);
    if (!t)
        return MORU_ERR_MEMORY;
    for (int k = 0; k < model->n_outputs; k++)
        outputs[k] = NULL;
    moru_status status = run_batches(t, &key, &data, key.inputs[0].dims[0], batch_size ? batch_size : 32, outputs);
    for (int k = 0; status != MORU_OK && k < model->n_outputs; k++) {
        moru_tensor_free(outputs[k]);
        outputs[k] = NULL;
    }
    return status;
}
