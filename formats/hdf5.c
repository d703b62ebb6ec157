#include "formats/hdf5_inside.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The HDF5 library's state is one for the process: a lock, and its error printing switched off while we are inside. */
static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

void moru_hdf5_enter(moru_hdf5_guard *guard)
{
    pthread_mutex_lock(&library);
    H5open();
    if (H5Eget_auto2(H5E_DEFAULT, &guard->print, &guard->data) < 0)
        guard->print = NULL;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void moru_hdf5_leave(moru_hdf5_guard *guard)
{
    H5Eset_auto2(H5E_DEFAULT, guard->print, guard->data);
    H5Eclear2(H5E_DEFAULT);
    pthread_mutex_unlock(&library);
}

void moru_hdf5_release(hid_t *id)
{
    if (*id > 0)
        H5Idec_ref(*id);
}

moru_status moru_hdf5_damaged(const moru_hdf5 *file, const char *path, const char *what)
{
    return moru_fail(MORU_ERR_FORMAT, "%s: \"%s\" %s", file->name, path, what);
}

moru_status moru_hdf5_refused(const moru_hdf5 *file, const char *path, const char *what)
{
    return moru_fail(MORU_ERR_UNSUPPORTED, "%s: \"%s\" %s", file->name, path, what);
}

/* ---- files ---- */

static moru_status new_file(moru_hdf5 **file, const char *name, int64_t bytes)
{
    moru_hdf5 *f = calloc(1, sizeof *f);
    if (f)
        f->name = strdup(name);
    if (!f || !f->name) {
        free(f);
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", name);
    }
    f->id = -1;
    f->bytes = bytes;
    *file = f;
    return MORU_OK;
}

static moru_status open_with(moru_hdf5 *f, const char *path, hid_t access)
{
    f->id = H5Fopen(path, H5F_ACC_RDONLY, access);
    return f->id >= 0 ? MORU_OK : moru_fail(MORU_ERR_FORMAT, "%s: not an HDF5 file, or a damaged one", f->name);
}

moru_status moru_hdf5_open(moru_hdf5 **file, const char *path)
{
    return moru_hdf5_open_as(file, path, path);
}

moru_status moru_hdf5_open_as(moru_hdf5 **file, const char *path, const char *name)
{
    *file = NULL;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return moru_fail(MORU_ERR_IO, "%s: cannot be opened", name);
    bool hidden = false, regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    bool sound = regular && moru_hdf5_check(fd, NULL, info.st_size, &hidden);
    close(fd);
    if (!regular)
        return moru_fail(MORU_ERR_IO, "%s: is not a regular file", name);
    if (!sound)
        return moru_fail(MORU_ERR_FORMAT, "%s: not an HDF5 file, or a damaged one", name);
    moru_hdf5 *f = NULL;
    MORU_TRY(new_file(&f, name, info.st_size));
    f->hidden = hidden;
    moru_status status;
    {
        INSIDE;
        HANDLE access = H5Pcreate(H5P_FILE_ACCESS);
        status = open_with(f, path, access);
    }
    if (status != MORU_OK) {
        moru_hdf5_close(f);
        return status;
    }
    *file = f;
    return MORU_OK;
}

moru_status moru_hdf5_open_image(moru_hdf5 **file, const void *data, int64_t size, const char *name)
{
    *file = NULL;
    moru_hdf5 *f = NULL;
    bool hidden = false;
    if (!moru_hdf5_check(-1, data, size, &hidden))
        return moru_fail(MORU_ERR_FORMAT, "%s: not an HDF5 file, or a damaged one", name);
    MORU_TRY(new_file(&f, name, size));
    f->hidden = hidden;
    moru_status status;
    {
        INSIDE;
        HANDLE access = H5Pcreate(H5P_FILE_ACCESS);
        if (H5Pset_fapl_core(access, 1 << 16, false) < 0 ||
            H5Pset_file_image(access, (void *)data, (size_t)size) < 0)
            status = moru_fail(MORU_ERR_MEMORY, "%s: no memory for the HDF5 file", name);
        else
            status = open_with(f, "moru-image", access);
    }
    if (status != MORU_OK) {
        moru_hdf5_close(f);
        return status;
    }
    *file = f;
    return MORU_OK;
}

moru_status moru_hdf5_create(moru_hdf5 **file, const char *name)
{
    *file = NULL;
    moru_hdf5 *f = NULL;
    MORU_TRY(new_file(&f, name, 0));
    {
        INSIDE;
        HANDLE access = H5Pcreate(H5P_FILE_ACCESS);
        if (H5Pset_fapl_core(access, 1 << 20, false) >= 0)
            f->id = H5Fcreate("moru-image", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    }
    if (f->id < 0) {
        moru_hdf5_close(f);
        return moru_fail(MORU_ERR_MEMORY, "%s: no HDF5 file could be made in memory", name);
    }
    *file = f;
    return MORU_OK;
}

moru_status moru_hdf5_image(moru_hdf5 *file, void **data, int64_t *size)
{
    *data = NULL;
    INSIDE;
    ssize_t n = H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? -1 : H5Fget_file_image(file->id, NULL, 0);
    void *bytes = n > 0 ? malloc((size_t)n) : NULL;
    if (!bytes || H5Fget_file_image(file->id, bytes, (size_t)n) != n) {
        free(bytes);
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for the HDF5 file", file->name);
    }
    *data = bytes;
    *size = n;
    return MORU_OK;
}

void moru_hdf5_close(moru_hdf5 *file)
{
    if (!file)
        return;
    if (file->id >= 0) {
        INSIDE;
        H5Fclose(file->id);
    }
    free(file->name);
    free(file);
}

/* ---- names ---- */

/* Looks at every link on the way, so that a path never leads out of the file. */
static moru_status find(moru_hdf5 *file, const char *path, moru_hdf5_kind *kind)
{
    *kind = MORU_HDF5_GROUP;
    char *prefix = strdup(path);
    if (!prefix)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", file->name);
    moru_status status = MORU_OK;
    for (size_t end = 0; status == MORU_OK && path[end];) {
        while (path[end] == '/')
            end++;
        if (!path[end])
            break;
        if (*kind != MORU_HDF5_GROUP) {
            *kind = MORU_HDF5_MISSING;
            break;
        }
        end += strcspn(path + end, "/");
        memcpy(prefix, path, end);
        prefix[end] = 0;
        htri_t exists = H5Lexists(file->id, prefix, H5P_DEFAULT);
        H5L_info_t link;
        H5O_info_t object;
        if (exists == 0) {
            *kind = MORU_HDF5_MISSING;
            break;
        }
        if (exists < 0 || H5Lget_info(file->id, prefix, &link, H5P_DEFAULT) < 0)
            status = moru_hdf5_damaged(file, prefix, "cannot be read: damaged");
        else if (link.type != H5L_TYPE_HARD)
            status = moru_hdf5_refused(file, prefix, "is a soft or external link, which is not followed");
        else if (H5Oget_info_by_name2(file->id, prefix, &object, H5O_INFO_BASIC, H5P_DEFAULT) < 0)
            status = moru_hdf5_damaged(file, prefix, "cannot be read: damaged");
        else if (object.type == H5O_TYPE_GROUP || object.type == H5O_TYPE_DATASET)
            *kind = object.type == H5O_TYPE_GROUP ? MORU_HDF5_GROUP : MORU_HDF5_DATASET;
        else
            status = moru_hdf5_refused(file, prefix, "is neither a group nor a data set");
    }
    free(prefix);
    return status;
}

moru_status moru_hdf5_find(moru_hdf5 *file, const char *path, moru_hdf5_kind *kind)
{
    INSIDE;
    return find(file, path, kind);
}

moru_status moru_hdf5_expect(moru_hdf5 *file, const char *path, moru_hdf5_kind kind)
{
    moru_hdf5_kind found;
    MORU_TRY(find(file, path, &found));
    if (found == MORU_HDF5_MISSING)
        return moru_hdf5_damaged(file, path, "is missing");
    if (found != kind)
        return moru_hdf5_damaged(file, path, kind == MORU_HDF5_GROUP ? "is not a group" : "is not a data set");
    return MORU_OK;
}

static moru_status open_group(moru_hdf5 *file, const char *path, hid_t *group)
{
    MORU_TRY(moru_hdf5_expect(file, path, MORU_HDF5_GROUP));
    *group = H5Gopen2(file->id, *path ? path : "/", H5P_DEFAULT);
    return *group >= 0 ? MORU_OK : moru_hdf5_damaged(file, path, "cannot be read: damaged");
}

moru_status moru_hdf5_count(moru_hdf5 *file, const char *path, int64_t *count)
{
    INSIDE;
    HANDLE group = -1;
    MORU_TRY(open_group(file, path, &group));
    H5G_info_t info;
    if (H5Gget_info(group, &info) < 0 || info.nlinks > (hsize_t)file->bytes)
        return moru_hdf5_damaged(file, path, "cannot be listed: damaged");
    *count = (int64_t)info.nlinks;
    return MORU_OK;
}

/* Stops the iteration at its first. */
static herr_t copy_name(hid_t group, const char *name, const H5L_info_t *info, void *copy)
{
    (void)group, (void)info;
    *(char **)copy = strdup(name);
    return 1;
}

moru_status moru_hdf5_name_at(moru_hdf5 *file, const char *path, int64_t k, char **name)
{
    *name = NULL;
    INSIDE;
    HANDLE group = -1;
    MORU_TRY(open_group(file, path, &group));
    /* H5Lget_name_by_idx() and sorted listings release tables they never filled when a group is damaged. */
    hsize_t index = (hsize_t)k;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, &index, copy_name, name) < 0)
        return moru_hdf5_damaged(file, path, "cannot be listed: damaged");
    return *name ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: out of memory", file->name);
}

/* ---- text attributes ---- */

static char *fixed_text(hid_t attribute, hid_t type)
{
    size_t size = H5Tget_size(type);
    char *text = size && size < INT_MAX ? calloc(1, size + 1) : NULL;
    if (text && H5Aread(attribute, type, text) < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static char *variable_text(hid_t attribute, hid_t type)
{
    char *inside = NULL;
    HANDLE space = H5Aget_space(attribute);
    if (space < 0 || H5Aread(attribute, type, &inside) < 0 || !inside)
        return NULL;
    char *text = strdup(inside);
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, &inside);
    return text;
}

/* One string, of either form HDF5 has. The memory's type is the file's, as it refuses to convert character sets. */
char *moru_hdf5_attribute_text(const moru_hdf5 *file, hid_t object, const char *name)
{
    HANDLE attribute = H5Aopen(object, name, H5P_DEFAULT);
    HANDLE space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    HANDLE type = attribute >= 0 ? H5Aget_type(attribute) : -1;
    if (space < 0 || type < 0 || H5Sget_simple_extent_npoints(space) != 1 || H5Tget_class(type) != H5T_STRING)
        return NULL;
    if (H5Tis_variable_str(type) > 0)
        return file->hidden ? NULL : variable_text(attribute, type);
    return fixed_text(attribute, type);
}

moru_status moru_hdf5_text(moru_hdf5 *file, const char *path, const char *attribute, char **text)
{
    *text = NULL;
    INSIDE;
    moru_hdf5_kind kind;
    MORU_TRY(find(file, path, &kind));
    if (kind == MORU_HDF5_MISSING)
        return moru_hdf5_damaged(file, path, "is missing");
    HANDLE object = H5Oopen(file->id, *path ? path : "/", H5P_DEFAULT);
    if (object < 0)
        return moru_hdf5_damaged(file, path, "cannot be read: damaged");
    if (H5Aexists(object, attribute) <= 0)
        return MORU_OK;
    *text = moru_hdf5_attribute_text(file, object, attribute);
    if (!*text)
        return moru_fail(MORU_ERR_FORMAT, "%s: attribute \"%s\" of \"%s\" is not a string that can be read", file->name,
                         attribute, path);
    return MORU_OK;
}

/* ---- writing ---- */

/* Links whose groups on the way are made. Only names that need it are marked as UTF-8: marks make a group of the newer
 * kind, which older programs can't read. */
static hid_t link_properties(const char *path)
{
    bool ascii = true;
    for (const char *c = path; *c; c++)
        ascii &= (unsigned char)*c < 128;
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    H5Pset_char_encoding(links, ascii ? H5T_CSET_ASCII : H5T_CSET_UTF8);
    return links;
}

static moru_status not_written(const moru_hdf5 *file, const char *path)
{
    return moru_fail(MORU_ERR_IO, "%s: \"%s\" cannot be written", file->name, path);
}

moru_status moru_hdf5_write(moru_hdf5 *file, const char *path, moru_hdf5_type type, const moru_shape *shape,
                            const void *data)
{
    INSIDE;
    hsize_t dims[MORU_MAX_RANK];
    bool empty = false;
    for (int k = 0; k < shape->rank; k++) {
        dims[k] = (hsize_t)shape->dims[k];
        empty |= shape->dims[k] == 0;
    }
    hid_t on_file = type == MORU_HDF5_REAL ? REAL_FILE : type == MORU_HDF5_INT32 ? H5T_STD_I32LE : H5T_STD_I64LE;
    hid_t native = type == MORU_HDF5_REAL ? REAL_NATIVE : type == MORU_HDF5_INT32 ? H5T_NATIVE_INT32 : H5T_NATIVE_INT64;
    HANDLE links = link_properties(path);
    HANDLE creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(creation, false); /* the same data give the same bytes */
    HANDLE space = shape->rank ? H5Screate_simple(shape->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    HANDLE set = H5Dcreate2(file->id, path, on_file, space, links, creation, H5P_DEFAULT);
    if (set < 0 || (!empty && H5Dwrite(set, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0))
        return not_written(file, path);
    return MORU_OK;
}

static bool write_name(hid_t object, const char *name)
{
    HANDLE type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    HANDLE space = H5Screate(H5S_SCALAR);
    HANDLE attribute = H5Acreate2(object, "name", type, space, H5P_DEFAULT, H5P_DEFAULT);
    return attribute >= 0 && H5Awrite(attribute, type, &name) >= 0;
}

moru_status moru_hdf5_make_group(moru_hdf5 *file, const char *path, const char *name)
{
    INSIDE;
    HANDLE links = link_properties(path);
    HANDLE creation = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(creation, false);
    HANDLE group = H5Gcreate2(file->id, path, links, creation, H5P_DEFAULT);
    if (group < 0 || (name && !write_name(group, name)))
        return not_written(file, path);
    return MORU_OK;
}
