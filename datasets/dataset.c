/* Data sets: the object, arrays in memory, slices. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/tensor.h"
#include "datasets/dataset.h"

static moru_status sample_bytes(moru_dtype dtype, const moru_shape *shape, int64_t *bytes)
{
    int64_t size;
    return moru_tensor_bytes(dtype, shape, &size, bytes);
}

static moru_status check_info(moru_dataset *d)
{
    const moru_dataset_info *info = &d->info;
    if (info->size < 0 || info->n_inputs < 1 || info->n_inputs > MORU_MAX_FEATURES || info->n_targets < 0
        || info->n_targets > MORU_MAX_FEATURES || info->n_weights < 0 || info->n_weights > info->n_targets)
        return moru_fail(MORU_ERR_ARGUMENT, "data set: %" PRId64 " samples of %d inputs and %d targets make no sense",
                         info->size, info->n_inputs, info->n_targets);
    for (int k = 0; k < info->n_inputs; k++)
        MORU_TRY(sample_bytes(info->input_dtypes[k], &info->input_shapes[k], &d->input_bytes[k]));
    for (int k = 0; k < info->n_targets; k++)
        MORU_TRY(sample_bytes(info->target_dtypes[k], &info->target_shapes[k], &d->target_bytes[k]));
    return MORU_OK;
}

moru_dataset *moru_dataset_custom(const moru_dataset_class *class_, void *self, const moru_dataset_info *info)
{
    if (!class_ || !class_->read || !info) {
        moru_fail(MORU_ERR_ARGUMENT, "data set: it needs a function that reads and a description");
        return NULL;
    }
    moru_dataset *d = calloc(1, sizeof *d);
    if (!d) {
        moru_fail(MORU_ERR_MEMORY, "no memory for a data set");
        return NULL;
    }
    *d = (moru_dataset){.class_ = class_, .self = self, .info = *info};
    if (check_info(d) != MORU_OK) {
        free(d);
        return NULL;
    }
    return d;
}

void moru_dataset_free(moru_dataset *d)
{
    if (!d)
        return;
    if (d->class_->free)
        d->class_->free(d->self);
    free(d);
}

void moru_dataset_describe(const moru_dataset *d, moru_dataset_info *info)
{
    *info = d->info;
}

moru_status moru_dataset_read(const moru_dataset *d, const int64_t *rows, int64_t n, void *const *inputs,
                              void *const *targets)
{
    if (n < 0)
        return moru_fail(MORU_ERR_ARGUMENT, "data set: %" PRId64 " samples can't be read", n);
    for (int64_t i = 0; i < n; i++)
        if (rows[i] < 0 || rows[i] >= d->info.size)
            return moru_fail(MORU_ERR_RANGE, "data set: sample %" PRId64 " isn't one of its %" PRId64, rows[i],
                             d->info.size);
    return d->class_->read(d->self, rows, n, inputs, targets);
}

/* ---- arrays ---- */

typedef struct arrays {
    char *name;
    int n_inputs, n_targets;
    moru_tensor *inputs[MORU_MAX_FEATURES], *targets[MORU_MAX_FEATURES];
    int64_t input_bytes[MORU_MAX_FEATURES], target_bytes[MORU_MAX_FEATURES];
} arrays;

static void copy_rows(const moru_tensor *from, int64_t bytes, const int64_t *rows, int64_t n, char *to)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * bytes, (const char *)from->data + rows[i] * bytes, (size_t)bytes);
}

static moru_status read_arrays(const void *self, const int64_t *rows, int64_t n, void *const *inputs,
                               void *const *targets)
{
    const arrays *a = self;
    for (int k = 0; k < a->n_inputs; k++)
        copy_rows(a->inputs[k], a->input_bytes[k], rows, n, inputs[k]);
    for (int k = 0; k < a->n_targets; k++)
        copy_rows(a->targets[k], a->target_bytes[k], rows, n, targets[k]);
    return MORU_OK;
}

static void free_arrays(void *self)
{
    arrays *a = self;
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        moru_tensor_free(a->inputs[k]);
        moru_tensor_free(a->targets[k]);
    }
    free(a->name);
    free(a);
}

/* Describes the samples of one tensor. */
static moru_status samples_of(const moru_tensor *tensor, int64_t *size, moru_shape *shape, moru_dtype *dtype,
                              int64_t *bytes)
{
    char text[MORU_SHAPE_TEXT];
    if (!tensor || tensor->shape.rank < 1)
        return moru_fail(MORU_ERR_SHAPE, "an array needs a first axis that counts samples");
    if (*size >= 0 && tensor->shape.dims[0] != *size)
        return moru_fail(MORU_ERR_SHAPE, "an array of shape %s beside others of %" PRId64 " samples",
                         moru_shape_print(&tensor->shape, text, sizeof text), *size);
    *size = tensor->shape.dims[0];
    *dtype = tensor->dtype;
    shape->rank = tensor->shape.rank - 1;
    memcpy(shape->dims, tensor->shape.dims + 1, (size_t)shape->rank * sizeof *shape->dims);
    return sample_bytes(*dtype, shape, bytes);
}

/* Everything but the tensors themselves. */
static moru_status describe_arrays(arrays *a, const char *name, moru_dataset_info *info,
                                   const moru_tensor *const *inputs, int n_inputs,
                                   const moru_tensor *const *targets, int n_targets)
{
    if (n_inputs < 1 || n_inputs > MORU_MAX_FEATURES || n_targets < 0 || n_targets > MORU_MAX_FEATURES)
        return moru_fail(MORU_ERR_ARGUMENT, "%d inputs and %d targets; 1 to %d and 0 to %d are possible", n_inputs,
                         n_targets, MORU_MAX_FEATURES, MORU_MAX_FEATURES);
    if (!(a->name = strdup(name)))
        return moru_fail(MORU_ERR_MEMORY, "no memory for a data set");
    a->n_inputs = n_inputs;
    a->n_targets = n_targets;
    info->name = a->name;
    info->size = -1;
    info->n_inputs = n_inputs;
    info->n_targets = n_targets;
    for (int k = 0; k < n_inputs; k++)
        MORU_TRY(samples_of(inputs[k], &info->size, &info->input_shapes[k], &info->input_dtypes[k],
                            &a->input_bytes[k]));
    for (int k = 0; k < n_targets; k++)
        MORU_TRY(samples_of(targets[k], &info->size, &info->target_shapes[k], &info->target_dtypes[k],
                            &a->target_bytes[k]));
    return MORU_OK;
}

static moru_status copy_tensor(const moru_tensor *from, moru_tensor **to)
{
    *to = moru_tensor_from(from->dtype, from->shape, from->data);
    return *to ? MORU_OK : MORU_ERR_MEMORY;
}

static const moru_dataset_class array_class = {read_arrays, free_arrays};

moru_status moru_dataset_from_weighted_tensors(moru_dataset **dataset, const moru_tensor *const *inputs, int n_inputs,
                                               const moru_tensor *const *targets, int n_targets,
                                               const moru_tensor *const *weights, int n_weights)
{
    const moru_tensor *all[MORU_MAX_FEATURES];
    int n = n_targets + n_weights;
    *dataset = NULL;
    if (n_targets < 0 || n_weights < 0 || n_targets > MORU_MAX_FEATURES || n > MORU_MAX_FEATURES)
        return moru_fail(MORU_ERR_ARGUMENT, "data set: %d targets and %d weights; %d in all are possible", n_targets,
                         n_weights, MORU_MAX_FEATURES);
    for (int k = 0; k < n; k++)
        all[k] = k < n_targets ? targets[k] : weights[k - n_targets];
    arrays *a = calloc(1, sizeof *a);
    if (!a)
        return moru_fail(MORU_ERR_MEMORY, "no memory for a data set");
    moru_dataset_info info = {.n_weights = n_weights};
    moru_status status = describe_arrays(a, "arrays", &info, inputs, n_inputs, all, n);
    if (status != MORU_OK)
        moru_fail_in(status, "data set");
    for (int k = 0; k < n_inputs && status == MORU_OK; k++)
        status = copy_tensor(inputs[k], &a->inputs[k]);
    for (int k = 0; k < n && status == MORU_OK; k++)
        status = copy_tensor(all[k], &a->targets[k]);
    if (status == MORU_OK && !(*dataset = moru_dataset_custom(&array_class, a, &info)))
        status = MORU_ERR_MEMORY;
    if (status != MORU_OK)
        free_arrays(a);
    return status;
}

moru_status moru_dataset_from_tensors(moru_dataset **dataset, const moru_tensor *const *inputs, int n_inputs,
                                      const moru_tensor *const *targets, int n_targets)
{
    return moru_dataset_from_weighted_tensors(dataset, inputs, n_inputs, targets, n_targets, NULL, 0);
}

moru_status moru_dataset_take(moru_dataset **dataset, const char *name, moru_tensor **inputs, int n_inputs,
                              moru_tensor **targets, int n_targets, const moru_dataset_info *more)
{
    *dataset = NULL;
    arrays *a = calloc(1, sizeof *a);
    if (!a)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for a data set", name);
    moru_dataset_info info = *more;
    moru_status status = describe_arrays(a, name, &info, (const moru_tensor *const *)inputs, n_inputs,
                                         (const moru_tensor *const *)targets, n_targets);
    if (status != MORU_OK)
        moru_fail_in(status, name);
    else if (!(*dataset = moru_dataset_custom(&array_class, a, &info)))
        status = MORU_ERR_MEMORY;
    if (status != MORU_OK) {
        free_arrays(a);
        return status;
    }
    for (int k = 0; k < n_inputs; k++) {
        a->inputs[k] = inputs[k];
        inputs[k] = NULL;
    }
    for (int k = 0; k < n_targets; k++) {
        a->targets[k] = targets[k];
        targets[k] = NULL;
    }
    return MORU_OK;
}

/* ---- slices ---- */

typedef struct slice {
    const moru_dataset *base;
    int64_t start;
} slice;

static moru_status read_slice(const void *self, const int64_t *rows, int64_t n, void *const *inputs,
                              void *const *targets)
{
    const slice *s = self;
    enum { CHUNK = 256 };
    int64_t moved[CHUNK];
    void *in[MORU_MAX_FEATURES] = {NULL}, *out[MORU_MAX_FEATURES] = {NULL};
    for (int64_t done = 0; done < n; done += CHUNK) {
        int64_t some = n - done < CHUNK ? n - done : CHUNK;
        for (int64_t i = 0; i < some; i++)
            moved[i] = rows[done + i] + s->start;
        for (int k = 0; k < s->base->info.n_inputs; k++)
            in[k] = (char *)inputs[k] + done * s->base->input_bytes[k];
        for (int k = 0; k < s->base->info.n_targets; k++)
            out[k] = (char *)targets[k] + done * s->base->target_bytes[k];
        MORU_TRY(s->base->class_->read(s->base->self, moved, some, in, out));
    }
    return MORU_OK;
}

static const moru_dataset_class slice_class = {read_slice, free};

int64_t moru_dataset_row(const moru_dataset *d, int64_t row)
{
    for (; d->class_ == &slice_class; d = ((const slice *)d->self)->base)
        row += ((const slice *)d->self)->start;
    return row;
}

moru_status moru_dataset_slice(moru_dataset **dataset, const moru_dataset *base, int64_t start, int64_t stop)
{
    *dataset = NULL;
    if (!base)
        return moru_fail(MORU_ERR_ARGUMENT, "data set: there is none to take a part of");
    if (start < 0 || stop < start || stop > base->info.size)
        return moru_fail(MORU_ERR_RANGE, "data set: samples %" PRId64 " to %" PRId64 " of %" PRId64, start, stop,
                         base->info.size);
    slice *s = malloc(sizeof *s);
    if (!s)
        return moru_fail(MORU_ERR_MEMORY, "no memory for a data set");
    *s = (slice){base, start};
    moru_dataset_info info = base->info;
    info.size = stop - start;
    *dataset = moru_dataset_custom(&slice_class, s, &info);
    if (!*dataset)
        free(s);
    return *dataset ? MORU_OK : MORU_ERR_MEMORY;
}
