/* Data against the model: shapes before training, values before they can do harm. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "datasets/dataset.h"
#include "kernels/kernels.h"
#include "train/check.h"

/* ---- shapes ---- */

/* Shapes of one sample and of a model's value: equal, but for open sizes and one last axis of size 1. */
static bool sample_fits(const moru_shape *sample, const moru_shape *wanted)
{
    int rank = sample->rank, want = wanted->rank - 1;
    const int64_t *sizes = wanted->dims + 1;
    if (rank == want + 1 && sample->dims[rank - 1] == 1)
        rank--;
    else if (want == rank + 1 && sizes[want - 1] == 1)
        want--;
    for (int i = 0; i < rank && rank == want; i++)
        if (sizes[i] >= 0 && sizes[i] != sample->dims[i])
            return false;
    return rank == want;
}

/* The model's own shape with a sample's sizes in the place of open ones. */
static moru_shape filled(const moru_shape *wanted, const moru_shape *sample)
{
    moru_shape shape = *wanted;
    for (int i = 1; i < shape.rank; i++)
        if (shape.dims[i] < 0)
            shape.dims[i] = sample->dims[i - 1];
    shape.dims[0] = 0;
    return shape;
}

/* "[28,28,1]": a model's shape without the batch. */
static const char *print_sample(const moru_shape *wanted, char *text, size_t size)
{
    moru_shape shape = {.rank = wanted->rank - 1};
    memcpy(shape.dims, wanted->dims + 1, (size_t)shape.rank * sizeof *shape.dims);
    return moru_shape_print(&shape, text, size);
}

static moru_status check_input(const moru_model *model, int k, const moru_shape *sample, moru_dtype dtype,
                               const char *where)
{
    const moru_node *input = model->inputs[k];
    char want[MORU_SHAPE_TEXT], got[MORU_SHAPE_TEXT];
    if (sample_fits(sample, &input->shape) && dtype == input->dtype)
        return MORU_OK;
    return moru_fail(MORU_ERR_SHAPE, "%s: input %d is %s %s a sample, the model's \"%s\" wants %s %s", where, k,
                     moru_dtype_name(dtype), moru_shape_print(sample, got, sizeof got), moru_node_name(input),
                     moru_dtype_name(input->dtype), print_sample(&input->shape, want, sizeof want));
}

static moru_status check_counts(const moru_model *model, int n_inputs, int n_targets, int n_weights,
                                const char *where)
{
    if (model->n_inputs > MORU_MAX_FEATURES || model->n_outputs > MORU_MAX_FEATURES)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: the model has more than %d inputs or outputs", where,
                         MORU_MAX_FEATURES);
    if (n_inputs != model->n_inputs)
        return moru_fail(MORU_ERR_SHAPE, "%s: %d inputs a sample, the model has %d", where, n_inputs, model->n_inputs);
    if (n_weights < 0 || (n_weights > 1 && n_weights != model->n_outputs) || n_weights > MORU_MAX_FEATURES)
        return moru_fail(MORU_ERR_SHAPE, "%s: %d weights a sample, for %d outputs", where, n_weights, model->n_outputs);
    if (n_targets >= 0 && n_targets != model->n_outputs)
        return moru_fail(MORU_ERR_SHAPE, "%s: %d targets a sample, the model has %d outputs", where, n_targets,
                         model->n_outputs);
    return MORU_OK;
}

moru_status moru_check_dataset(const moru_training *training, const moru_dataset *data, moru_step_key *key)
{
    const moru_model *model = training->model;
    moru_dataset_info info;
    if (!data)
        return moru_fail(MORU_ERR_ARGUMENT, "the data set is NULL");
    moru_dataset_describe(data, &info);
    const char *where = info.name ? info.name : "data";
    if (info.size < 1)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: it holds no samples", where);
    MORU_TRY(check_counts(model, info.n_inputs, info.n_targets - info.n_weights, info.n_weights, where));
    key->n_inputs = info.n_inputs;
    key->n_targets = info.n_targets - info.n_weights;
    key->n_weights = info.n_weights;
    for (int k = 0; k < info.n_inputs; k++) {
        MORU_TRY(check_input(model, k, &info.input_shapes[k], info.input_dtypes[k], where));
        key->inputs[k] = filled(&model->inputs[k]->shape, &info.input_shapes[k]);
    }
    for (int k = 0; k < info.n_targets; k++) {
        const moru_shape *sample = &info.target_shapes[k];
        if (sample->rank + 1 > MORU_MAX_RANK)
            return moru_fail(MORU_ERR_SHAPE, "%s: target %d has too many dimensions", where, k);
        moru_shape shape = {.rank = sample->rank + 1};
        memcpy(shape.dims + 1, sample->dims, (size_t)sample->rank * sizeof *sample->dims);
        bool weight = k >= key->n_targets;
        *(weight ? &key->weights[k - key->n_targets] : &key->targets[k]) = shape;
        *(weight ? &key->weight_dtypes[k - key->n_targets] : &key->target_dtypes[k]) = info.target_dtypes[k];
    }
    return MORU_OK;
}

static moru_status check_tensor(const moru_tensor *tensor, const char *what, int k, int64_t *batch)
{
    if (!tensor)
        return moru_fail(MORU_ERR_ARGUMENT, "%s %d is missing", what, k);
    if (tensor->shape.rank < 1)
        return moru_fail(MORU_ERR_SHAPE, "%s %d is a scalar; its first axis must count samples", what, k);
    if (*batch < 0)
        *batch = tensor->shape.dims[0];
    if (tensor->shape.dims[0] != *batch)
        return moru_fail(MORU_ERR_SHAPE, "%s %d holds %" PRId64 " samples, others %" PRId64, what, k,
                         tensor->shape.dims[0], *batch);
    return MORU_OK;
}

moru_status moru_check_tensors(const moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets,
                               int n_targets, moru_tensor *const *weights, int n_weights, moru_step_key *key,
                               moru_step_data *data)
{
    int64_t batch = -1;
    if (!inputs || (n_targets > 0 && !targets) || (n_weights > 0 && !weights))
        return moru_fail(MORU_ERR_ARGUMENT, "the inputs or targets are NULL");
    MORU_TRY(check_counts(model, model->n_inputs, n_targets, n_weights, "data"));
    key->n_inputs = model->n_inputs;
    key->n_targets = n_targets > 0 ? n_targets : 0;
    key->n_weights = n_weights;
    for (int k = 0; k < key->n_inputs; k++) {
        MORU_TRY(check_tensor(inputs[k], "input", k, &batch));
        moru_shape sample = {.rank = inputs[k]->shape.rank - 1};
        memcpy(sample.dims, inputs[k]->shape.dims + 1, (size_t)sample.rank * sizeof *sample.dims);
        MORU_TRY(check_input(model, k, &sample, inputs[k]->dtype, "data"));
        key->inputs[k] = filled(&model->inputs[k]->shape, &sample);
        data->inputs[k] = inputs[k]->data;
    }
    for (int k = 0; k < key->n_targets; k++) {
        MORU_TRY(check_tensor(targets[k], "target", k, &batch));
        key->targets[k] = targets[k]->shape;
        key->target_dtypes[k] = targets[k]->dtype;
        data->targets[k] = targets[k]->data;
    }
    for (int k = 0; k < n_weights; k++) {
        MORU_TRY(check_tensor(weights[k], "weight", k, &batch));
        key->weights[k] = weights[k]->shape;
        key->weight_dtypes[k] = weights[k]->dtype;
        data->weights[k] = weights[k]->data;
    }
    moru_step_set_batch(key, batch);
    return MORU_OK;
}

/* ---- values ---- */

typedef struct fault {
    bool target, label;
    int feature;
    int64_t sample;     /* within the batch */
    double value;
} fault;

static int64_t sample_size(const moru_shape *shape)
{
    int64_t size = 1;
    for (int i = 1; i < shape->rank; i++)
        size *= shape->dims[i];
    return size;
}

static double element(moru_dtype dtype, const void *data, int64_t i)
{
    return dtype == MORU_INT32 ? (double)((const int32_t *)data)[i] : (double)((const moru_real *)data)[i];
}

/* Finds the first element that isn't finite or, classes > 0, isn't a label. */
static bool find_fault(moru_dtype dtype, const void *data, int64_t n, int64_t per_sample, int64_t classes, fault *f)
{
    if (classes <= 0 && (dtype != MORU_REAL || moru_kernels_select()->all_finite(data, n * per_sample, 1)))
        return false;
    for (int64_t i = 0; i < n * per_sample; i++) {
        double value = element(dtype, data, i);
        if (isfinite(value) && (classes <= 0 || (value >= 0 && value < (double)classes)))
            continue;
        f->label = classes > 0 && isfinite(value);
        f->sample = per_sample > 0 ? i / per_sample : 0;
        f->value = value;
        return true;
    }
    return false;
}

static bool batch_has_fault(const moru_training *t, const moru_step_key *key, const moru_batch *batch, fault *f)
{
    for (f->feature = 0, f->target = false; f->feature < key->n_inputs; f->feature++)
        if (find_fault(t->model->inputs[f->feature]->dtype, batch->inputs[f->feature], batch->size,
                       sample_size(&key->inputs[f->feature]), 0, f))
            return true;
    for (f->feature = 0, f->target = true; f->feature < key->n_targets; f->feature++) {
        const moru_loss *loss = &t->losses[f->feature];
        int64_t classes = loss->class_ ? moru_loss_classes(loss, &t->model->outputs[f->feature]->shape) : 0;
        if (find_fault(key->target_dtypes[f->feature], batch->targets[f->feature], batch->size,
                       sample_size(&key->targets[f->feature]), classes, f))
            return true;
    }
    for (int k = 0; k < key->n_weights && batch->targets[key->n_targets + k]; k++, f->feature++)
        if (find_fault(key->weight_dtypes[k], batch->targets[key->n_targets + k], batch->size,
                       sample_size(&key->weights[k]), 0, f))
            return true;
    return false;
}

/* Shuffled batches don't say which samples they hold: reads the data set from its beginning. -1: not found again. */
static int64_t find_sample(const moru_training *t, const moru_dataset *data, const moru_step_key *key, fault *f)
{
    moru_dataset_info info;
    moru_batch batch = {.size = 1};
    int64_t row = 0, found = -1;
    bool memory = true;
    moru_dataset_describe(data, &info);
    for (int k = 0; k < key->n_inputs; k++)
        memory &= (batch.inputs[k] = calloc((size_t)sample_size(&key->inputs[k]) + 1, sizeof(double))) != NULL;
    for (int k = 0; k < key->n_targets; k++)
        memory &= (batch.targets[k] = calloc((size_t)sample_size(&key->targets[k]) + 1, sizeof(double))) != NULL;
    for (int k = 0; k < info.n_weights; k++)
        memory &= (batch.targets[key->n_targets + k] = calloc((size_t)sample_size(&key->weights[k]) + 1,
                                                              sizeof(double))) != NULL;
    for (; memory && row < info.size && found < 0; row++) {
        if (moru_dataset_read(data, &row, 1, batch.inputs, batch.targets) != MORU_OK)
            break;
        if (batch_has_fault(t, key, &batch, f))
            found = moru_dataset_row(data, row);
    }
    for (int k = 0; k < key->n_inputs; k++)
        free(batch.inputs[k]);
    for (int k = 0; k < key->n_targets + info.n_weights; k++)
        free(batch.targets[k]);
    return found;
}

moru_status moru_check_values(const moru_training *training, const moru_dataset *data, const moru_step_key *key,
                              const moru_batch *batch)
{
    fault f;
    if (!batch_has_fault(training, key, batch, &f))
        return MORU_OK;
    moru_dataset_info info;
    moru_dataset_describe(data, &info);
    const char *name = info.name ? info.name : "data";
    int64_t sample = find_sample(training, data, key, &f);
    char which[64] = "a sample";
    if (sample >= 0)
        snprintf(which, sizeof which, "sample %" PRId64, sample);
    if (f.label)
        return moru_fail(MORU_ERR_RANGE, "%s: %s has the label %.0f, the model's classes are 0 to %" PRId64, name,
                         which, f.value, moru_loss_classes(&training->losses[f.feature],
                                                    &training->model->outputs[f.feature]->shape) - 1);
    const char *what = isnan(f.value) ? "a NaN" : "an infinity";
    if (f.target && f.feature >= key->n_targets)
        return moru_fail(MORU_ERR_NUMERIC, "%s: weight %d of %s holds %s", name, f.feature - key->n_targets, which,
                         what);
    if (f.target)
        return moru_fail(MORU_ERR_NUMERIC, "%s: target %d of %s holds %s", name, f.feature, which, what);
    return moru_fail(MORU_ERR_NUMERIC, "%s: input \"%s\" of %s holds %s", name,
                     moru_node_name(training->model->inputs[f.feature]), which, what);
}
