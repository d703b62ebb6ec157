/* Arrays in an HDF5 file, or in NumPy's .npz, as a data set: "x" or "x0", "x1", ..., and "target" or "target0", ... */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "core/tensor.h"
#include "datasets/dataset.h"
#include "formats/hdf5.h"
#include <moru/formats.h>

typedef struct arrays {
    moru_hdf5 *file;             /* NULL: an .npz */
    const char *path;
    int n_inputs, n_targets;
    moru_tensor *inputs[MORU_MAX_FEATURES], *targets[MORU_MAX_FEATURES];
} arrays;

static moru_status check_finite(const arrays *a, const char *name, const moru_tensor *tensor)
{
    const moru_real *x = tensor->data;
    int64_t per_sample = tensor->shape.rank > 0 && tensor->shape.dims[0] > 0 ? tensor->size / tensor->shape.dims[0] : 1;
    for (int64_t i = 0; i < tensor->size; i++)
        if (!isfinite(x[i]))
            return moru_fail(MORU_ERR_NUMERIC, "%s: data set \"%s\": %s in sample %" PRId64 ", at position %" PRId64
                             " of it", a->path, name, isnan(x[i]) ? "a NaN" : "an infinity", i / per_sample,
                             i % per_sample);
    return MORU_OK;
}

static moru_status read_array(const arrays *a, const char *name, moru_tensor **tensor)
{
    moru_hdf5_type type;
    moru_shape shape;
    if (!a->file) {
        MORU_TRY(moru_h5_read(tensor, a->path, name, MORU_INT32)); /* floats stay floats */
        return (*tensor)->dtype == MORU_REAL ? check_finite(a, name, *tensor) : MORU_OK;
    }
    MORU_TRY(moru_hdf5_describe(a->file, name, &type, &shape));
    const moru_dtype dtype = type == MORU_HDF5_REAL ? MORU_REAL : MORU_INT32;
    if (!(*tensor = moru_tensor_new(dtype, shape)))
        return moru_fail_in(MORU_ERR_MEMORY, a->path);
    type = dtype == MORU_REAL ? MORU_HDF5_REAL : MORU_HDF5_INT32;
    MORU_TRY(moru_hdf5_read(a->file, name, type, (*tensor)->data, (*tensor)->size));
    return dtype == MORU_REAL ? check_finite(a, name, *tensor) : MORU_OK;
}

static moru_status find_array(const arrays *a, const char *name, moru_hdf5_kind *kind)
{
    if (a->file)
        return moru_hdf5_find(a->file, name, kind);
    *kind = moru_h5_has(a->path, name) ? MORU_HDF5_DATASET : MORU_HDF5_MISSING;
    return MORU_OK;
}

/* NAME alone, or NAME0, NAME1, ... */
static moru_status read_arrays(const arrays *a, const char *name, moru_tensor **tensors, int *n)
{
    moru_hdf5_kind kind;
    char numbered[32];
    MORU_TRY(find_array(a, name, &kind));
    if (kind == MORU_HDF5_DATASET) {
        *n = 1;
        return read_array(a, name, &tensors[0]);
    }
    for (int k = 0;; k++) {
        snprintf(numbered, sizeof numbered, "%s%d", name, k);
        MORU_TRY(find_array(a, numbered, &kind));
        if (kind != MORU_HDF5_DATASET && k == 0)
            return moru_fail(MORU_ERR_FORMAT, "%s: it has no data set \"%s\" or \"%s\"", a->path, name, numbered);
        if (kind != MORU_HDF5_DATASET)
            return MORU_OK;
        if (k == MORU_MAX_FEATURES)
            return moru_fail(MORU_ERR_UNSUPPORTED, "%s: more than %d data sets \"%s\"", a->path, MORU_MAX_FEATURES,
                             name);
        MORU_TRY(read_array(a, numbered, &tensors[k]));
        *n = k + 1;
    }
}

/* Number of classes, if the only target is one integer from 0 up for each sample; else 0. */
static int classes(const arrays *a)
{
    const moru_tensor *t = a->targets[0];
    if (a->n_targets != 1 || t->dtype != MORU_INT32 || t->shape.rank < 1 || t->size != t->shape.dims[0])
        return 0;
    int32_t most = -1;
    for (int64_t i = 0; i < t->size; i++) {
        int32_t label = ((const int32_t *)t->data)[i];
        if (label < 0 || label == INT32_MAX)
            return 0;
        most = label > most ? label : most;
    }
    return (int)(most + 1);
}

/* Whether the first input holds pictures: [n,h,w,1 or 3], everything in 0..1. */
static bool pictures(const arrays *a)
{
    const moru_tensor *t = a->inputs[0];
    if (t->dtype != MORU_REAL || t->shape.rank != 4 || (t->shape.dims[3] != 1 && t->shape.dims[3] != 3))
        return false;
    const moru_real *x = t->data;
    for (int64_t i = 0; i < t->size; i++)
        if (x[i] < 0 || x[i] > 1)
            return false;
    return true;
}

static moru_status check_npz(const char *path)
{
    char *text;
    MORU_TRY(moru_h5_attribute(&text, path, "/", "none"));
    free(text);
    return MORU_OK;
}

static moru_status open_arrays(moru_dataset **dataset, const char *path, bool npz)
{
    arrays a = {.path = path};
    *dataset = NULL;
    MORU_TRY(npz ? check_npz(path) : moru_hdf5_open(&a.file, path));
    moru_status status = read_arrays(&a, "x", a.inputs, &a.n_inputs);
    if (status == MORU_OK)
        status = read_arrays(&a, "target", a.targets, &a.n_targets);
    moru_hdf5_close(a.file);
    if (status == MORU_OK) {
        moru_dataset_info more = {.n_classes = classes(&a), .images = pictures(&a)};
        status = moru_dataset_take(dataset, path, a.inputs, a.n_inputs, a.targets, a.n_targets, &more);
    }
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        moru_tensor_free(a.inputs[k]);
        moru_tensor_free(a.targets[k]);
    }
    return status;
}

moru_status moru_dataset_h5(moru_dataset **dataset, const char *path)
{
    return open_arrays(dataset, path, false);
}

moru_status moru_dataset_npz(moru_dataset **dataset, const char *path)
{
    return open_arrays(dataset, path, true);
}
