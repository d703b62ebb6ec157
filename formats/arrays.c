#include <moru/formats.h>

#include <stdlib.h>
#include "formats/file.h"
#include "formats/hdf5.h"

static moru_status read_array(moru_hdf5 *file, const char *name, moru_dtype dtype, moru_tensor **tensor)
{
    moru_hdf5_type type;
    moru_shape shape;
    MORU_TRY(moru_hdf5_describe(file, name, &type, &shape));
    if (type == MORU_HDF5_REAL)
        dtype = MORU_REAL;
    moru_tensor *t = moru_tensor_new(dtype, shape);
    if (!t)
        return moru_fail_in(MORU_ERR_MEMORY, name);
    moru_status status = moru_hdf5_read(file, name, dtype == MORU_REAL ? MORU_HDF5_REAL : MORU_HDF5_INT32,
                                        moru_tensor_data(t), moru_tensor_size(t));
    if (status != MORU_OK) {
        moru_tensor_free(t);
        return status;
    }
    *tensor = t;
    return MORU_OK;
}

moru_status moru_h5_read(moru_tensor **tensor, const char *path, const char *name, moru_dtype dtype)
{
    if (!tensor || !path || !name)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_h5_read: an argument is NULL");
    *tensor = NULL;
    moru_hdf5 *file = NULL;
    MORU_TRY(moru_hdf5_open(&file, path));
    moru_status status = read_array(file, name, dtype, tensor);
    moru_hdf5_close(file);
    return status;
}

bool moru_h5_has(const char *path, const char *name)
{
    moru_hdf5 *file = NULL;
    moru_hdf5_kind kind = MORU_HDF5_MISSING;
    if (!path || !name || moru_hdf5_open(&file, path) != MORU_OK)
        return false;
    if (moru_hdf5_find(file, name, &kind) != MORU_OK)
        kind = MORU_HDF5_MISSING;
    moru_hdf5_close(file);
    return kind == MORU_HDF5_DATASET;
}

moru_status moru_h5_attribute(char **text, const char *path, const char *name, const char *attribute)
{
    if (!text || !path || !name || !attribute)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_h5_attribute: an argument is NULL");
    *text = NULL;
    moru_hdf5 *file = NULL;
    MORU_TRY(moru_hdf5_open(&file, path));
    moru_status status = moru_hdf5_text(file, name, attribute, text);
    moru_hdf5_close(file);
    return status;
}

static moru_status write_arrays(moru_hdf5 *file, const moru_h5_item *items, int n, const char *path)
{
    for (int k = 0; k < n; k++) {
        if (!items[k].name || !items[k].tensor)
            return moru_fail(MORU_ERR_ARGUMENT, "%s: array %d has no name or no tensor", path, k);
        const moru_tensor *tensor = items[k].tensor;
        moru_hdf5_type type = moru_tensor_dtype(tensor) == MORU_REAL ? MORU_HDF5_REAL : MORU_HDF5_INT32;
        MORU_TRY(moru_hdf5_write(file, items[k].name, type, moru_tensor_shape(tensor), moru_tensor_const_data(tensor)));
    }
    return MORU_OK;
}

moru_status moru_h5_write(const char *path, const moru_h5_item *items, int n)
{
    if (!path || n < 0 || (n && !items))
        return moru_fail(MORU_ERR_ARGUMENT, "moru_h5_write: an argument is NULL or negative");
    moru_hdf5 *file = NULL;
    MORU_TRY(moru_hdf5_create(&file, path));
    void *data = NULL;
    int64_t size = 0;
    moru_status status = write_arrays(file, items, n, path);
    if (status == MORU_OK)
        status = moru_hdf5_image(file, &data, &size);
    moru_hdf5_close(file);
    if (status == MORU_OK)
        status = moru_file_write(path, data, size);
    free(data);
    return status;
}
