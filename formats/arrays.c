/* Arrays for programs: in HDF5 files, and in NumPy's, which are looked at in the same way. */
#include <moru/formats.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "formats/bundle.h"
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

/* ---- NumPy's files ---- */

static bool is_numpy(const char *path)
{
    char head[6] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is = fd >= 0 && read(fd, head, sizeof head) == sizeof head &&
              (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0 || memcmp(head, "\223NUMPY", 6) == 0);
    if (fd >= 0)
        close(fd);
    return is;
}

/* The one array of a .npy goes by any name it may be wanted under. */
static moru_bundle_item *find_numpy(const moru_bundle *bundle, const char *name)
{
    bool alone = bundle->n == 1 && !bundle->items[0].place;
    if (alone && (strcmp(name, "x") == 0 || strcmp(name, "target") == 0))
        return &bundle->items[0];
    return moru_bundle_find(bundle, name);
}

static moru_status read_numpy(moru_bundle *bundle, const char *name, moru_dtype dtype, moru_tensor **tensor)
{
    const moru_bundle_item *item = find_numpy(bundle, name);
    if (!item)
        return moru_fail(MORU_ERR_FORMAT, "%s: \"%s\" is missing", bundle->path, name);
    moru_tensor *t = moru_tensor_new(moru_bundle_is_integer(item) ? dtype : MORU_REAL, item->shape);
    if (!t)
        return moru_fail_in(MORU_ERR_MEMORY, name);
    moru_status status = moru_bundle_read(bundle, item, moru_tensor_dtype(t), moru_tensor_data(t));
    if (status != MORU_OK)
        moru_tensor_free(t);
    else
        *tensor = t;
    return status;
}

static moru_status write_numpy(const char *path, const moru_h5_item *items, int n)
{
    moru_named *named = calloc((size_t)n + 1, sizeof *named);
    moru_status status = named ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: out of memory", path);
    for (int k = 0; k < n && status == MORU_OK; k++) {
        named[k] = (moru_named){items[k].name, items[k].tensor};
        if (!items[k].name || !items[k].tensor)
            status = moru_fail(MORU_ERR_ARGUMENT, "%s: array %d has no name or no tensor", path, k);
    }
    if (status == MORU_OK)
        status = moru_npz_write(path, named, n);
    free(named);
    return status;
}

/* ---- either ---- */

moru_status moru_h5_read(moru_tensor **tensor, const char *path, const char *name, moru_dtype dtype)
{
    if (!tensor || !path || !name)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_h5_read: an argument is NULL");
    *tensor = NULL;
    if (is_numpy(path)) {
        moru_bundle *bundle;
        MORU_TRY(moru_bundle_open(&bundle, path));
        moru_status status = read_numpy(bundle, name, dtype, tensor);
        moru_bundle_free(bundle);
        return status;
    }
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
    if (!path || !name)
        return false;
    if (is_numpy(path)) {
        moru_bundle *bundle;
        bool has = moru_bundle_open(&bundle, path) == MORU_OK && find_numpy(bundle, name);
        moru_bundle_free(bundle);
        return has;
    }
    if (moru_hdf5_open(&file, path) != MORU_OK)
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
    if (is_numpy(path)) { /* has none; but it must be sound */
        moru_bundle *bundle;
        moru_status status = moru_bundle_open(&bundle, path);
        moru_bundle_free(bundle);
        return status;
    }
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
    if (moru_file_has_suffix(path, ".npz") || moru_file_has_suffix(path, ".npy"))
        return write_numpy(path, items, n);
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

moru_status moru_arrays_list(const char *path, void (*visit)(void *user, const moru_array_info *array), void *user)
{
    moru_bundle *bundle;
    if (!path || !visit)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_arrays_list: an argument is NULL");
    MORU_TRY(moru_bundle_open(&bundle, path));
    for (int64_t k = 0; k < bundle->n; k++) {
        const moru_bundle_item *item = &bundle->items[k];
        bool grouped = item->place && !moru_file_has_suffix(item->place, ".npy");
        visit(user, &(moru_array_info){grouped ? item->place : item->name, item->type, item->shape});
    }
    moru_bundle_free(bundle);
    return MORU_OK;
}
