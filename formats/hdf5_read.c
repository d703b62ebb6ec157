#include "formats/hdf5_inside.h"

#include <stdlib.h>
#include <string.h>

/* Filters other than these would load plugins. */
static bool known_filters(hid_t creation)
{
    int n = H5Pget_nfilters(creation);
    for (int k = 0; k < n; k++) {
        unsigned flags, configuration;
        size_t values = 0;
        H5Z_filter_t filter = H5Pget_filter2(creation, (unsigned)k, &flags, &values, NULL, 0, NULL, &configuration);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            return false;
    }
    return n >= 0;
}

/* Whether the file can hold that many bytes: deflate shrinks 1032 times at most. */
static bool plausible(const moru_hdf5 *file, int64_t count, size_t size)
{
    int64_t bytes, most;
    return moru_mul_ok(count, (int64_t)size, &bytes) && moru_mul_ok(file->bytes, 1040, &most) &&
           bytes <= most + (1 << 20);
}

static moru_status check_layout(moru_hdf5 *file, const char *path, hid_t set, int rank, size_t size)
{
    HANDLE creation = H5Dget_create_plist(set);
    if (creation < 0)
        return moru_hdf5_damaged(file, path, "cannot be read: damaged");
    H5D_layout_t layout = H5Pget_layout(creation);
    if (layout == H5D_VIRTUAL || H5Pget_external_count(creation) != 0)
        return moru_hdf5_refused(file, path, "lies in another file, which is not followed");
    if (!known_filters(creation))
        return moru_hdf5_refused(file, path, "has a filter other than deflate, shuffle and fletcher32");
    if (layout == H5D_CHUNKED) {
        hsize_t chunk[MORU_MAX_RANK];
        int64_t count = 1;
        if (H5Pget_chunk(creation, MORU_MAX_RANK, chunk) != rank)
            return moru_hdf5_damaged(file, path, "has damaged chunk sizes");
        for (int k = 0; k < rank; k++)
            if (chunk[k] > INT64_MAX || !moru_mul_ok(count, (int64_t)chunk[k], &count))
                return moru_hdf5_damaged(file, path, "has damaged chunk sizes");
        if (!plausible(file, count, size))
            return moru_hdf5_damaged(file, path, "has chunks larger than the file can hold");
    }
    return MORU_OK;
}

static bool is_bfloat16(const moru_hdf5 *file, hid_t set, hid_t type)
{
    if (H5Tget_class(type) != H5T_OPAQUE || H5Tget_size(type) != 2 || H5Aexists(set, "dtype") <= 0)
        return false;
    char *text = moru_hdf5_attribute_text(file, set, "dtype");
    bool is = text && strcmp(text, "bfloat16") == 0;
    free(text);
    return is;
}

typedef struct opened {
    hid_t set;          /* the caller's HANDLE */
    moru_hdf5_type type;
    bool bfloat16;
    moru_shape shape;
    int64_t count;
} opened;

static moru_status read_shape(moru_hdf5 *file, const char *path, hid_t space, size_t size, opened *o)
{
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hsize_t dims[H5S_MAX_RANK];
    if (rank > MORU_MAX_RANK)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: \"%s\" has %d dimensions, more than %d", file->name, path, rank,
                         MORU_MAX_RANK);
    H5S_class_t kind = space < 0 ? H5S_NO_CLASS : H5Sget_simple_extent_type(space);
    if (rank < 0 || (kind != H5S_SIMPLE && kind != H5S_SCALAR) || H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        return moru_hdf5_damaged(file, path, "has no sizes");
    o->shape = (moru_shape){.rank = rank};
    o->count = 1;
    bool empty = false;
    for (int k = 0; k < rank; k++)
        empty |= dims[k] == 0;
    for (int k = 0; k < rank; k++) {
        if (dims[k] > INT64_MAX || (!empty && !moru_mul_ok(o->count, (int64_t)dims[k], &o->count)))
            return moru_hdf5_damaged(file, path, "has sizes that overflow");
        o->shape.dims[k] = (int64_t)dims[k];
    }
    if (empty)
        o->count = 0;
    if (!plausible(file, o->count, size))
        return moru_hdf5_damaged(file, path, "claims more data than the file can hold");
    return MORU_OK;
}

static moru_status open_set(moru_hdf5 *file, const char *path, opened *o)
{
    MORU_TRY(moru_hdf5_expect(file, path, MORU_HDF5_DATASET));
    o->set = H5Dopen2(file->id, path, H5P_DEFAULT);
    if (o->set < 0)
        return moru_hdf5_damaged(file, path, "cannot be read: damaged");
    HANDLE type = H5Dget_type(o->set);
    HANDLE space = H5Dget_space(o->set);
    size_t size = type < 0 ? 0 : H5Tget_size(type);
    if (size == 0)
        return moru_hdf5_damaged(file, path, "has a damaged type");
    MORU_TRY(read_shape(file, path, space, size, o));
    MORU_TRY(check_layout(file, path, o->set, o->shape.rank, size));
    H5T_class_t class_ = H5Tget_class(type);
    o->bfloat16 = is_bfloat16(file, o->set, type);
    if (o->bfloat16 || (class_ == H5T_FLOAT && size <= 8))
        o->type = MORU_HDF5_REAL;
    else if (class_ == H5T_INTEGER && size <= 8)
        o->type = MORU_HDF5_INT64;
    else
        return moru_hdf5_refused(file, path, "holds neither floating numbers nor integers");
    return MORU_OK;
}

moru_status moru_hdf5_describe(moru_hdf5 *file, const char *path, moru_hdf5_type *type, moru_shape *shape)
{
    INSIDE;
    HANDLE set = -1;
    opened o = {.set = -1};
    moru_status status = open_set(file, path, &o);
    set = o.set;
    if (status == MORU_OK) {
        *type = o.type;
        *shape = o.shape;
    }
    return status;
}

static moru_status read_bfloat16(moru_hdf5 *file, const char *path, const opened *o, moru_real *data)
{
    uint8_t *bytes = malloc((size_t)o->count * 2 + 1);
    if (!bytes)
        return moru_fail(MORU_ERR_MEMORY, "%s: \"%s\": out of memory", file->name, path);
    HANDLE type = H5Dget_type(o->set);
    bool ok = H5Dread(o->set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0;
    for (int64_t k = 0; ok && k < o->count; k++) {
        uint32_t bits = (uint32_t)bytes[2 * k] << 16 | (uint32_t)bytes[2 * k + 1] << 24;
        float value;
        memcpy(&value, &bits, sizeof value);
        data[k] = value;
    }
    free(bytes);
    return ok ? MORU_OK : moru_hdf5_damaged(file, path, "cannot be read: damaged");
}

static moru_status read_int32(moru_hdf5 *file, const char *path, const opened *o, int32_t *data)
{
    int64_t *wide = malloc((size_t)o->count * sizeof *wide + 1);
    if (!wide)
        return moru_fail(MORU_ERR_MEMORY, "%s: \"%s\": out of memory", file->name, path);
    /* Numbers beyond int64 are clipped by HDF5, to something that is out of range here as well. */
    moru_status status = H5Dread(o->set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, wide) >= 0
                             ? MORU_OK : moru_hdf5_damaged(file, path, "cannot be read: damaged");
    for (int64_t k = 0; status == MORU_OK && k < o->count; k++) {
        if (wide[k] < INT32_MIN || wide[k] > INT32_MAX)
            status = moru_fail(MORU_ERR_RANGE, "%s: \"%s\": element %lld is %lld, which is no 32-bit integer",
                               file->name, path, (long long)k, (long long)wide[k]);
        else
            data[k] = (int32_t)wide[k];
    }
    free(wide);
    return status;
}

moru_status moru_hdf5_read(moru_hdf5 *file, const char *path, moru_hdf5_type type, void *data, int64_t count)
{
    INSIDE;
    HANDLE set = -1;
    opened o = {.set = -1};
    moru_status status = open_set(file, path, &o);
    set = o.set;
    if (status != MORU_OK)
        return status;
    if (o.count != count)
        return moru_fail(MORU_ERR_SHAPE, "%s: \"%s\" has %lld elements, not %lld", file->name, path, (long long)o.count,
                         (long long)count);
    if (type != MORU_HDF5_REAL && o.type == MORU_HDF5_REAL)
        return moru_fail(MORU_ERR_SHAPE, "%s: \"%s\" holds floating numbers where integers are needed", file->name,
                         path);
    if (count == 0)
        return MORU_OK;
    if (o.bfloat16)
        return read_bfloat16(file, path, &o, data);
    if (type == MORU_HDF5_INT32)
        return read_int32(file, path, &o, data);
    hid_t native = type == MORU_HDF5_REAL ? REAL_NATIVE : H5T_NATIVE_INT64;
    return H5Dread(set, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0
               ? MORU_OK : moru_hdf5_damaged(file, path, "cannot be read: damaged");
}
