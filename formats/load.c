/* Reading models and weights: what a file is shows in its first bytes. */
#include <moru/formats.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "formats/keras.h"
#include "formats/torch.h"

typedef enum kind { OTHER, ZIP, HDF5, SAFETENSORS } kind;

/* An HDF5 file may begin with a block of the user's own, of a length of 512, 1024, ... bytes. */
static kind kind_of(int fd, int64_t size)
{
    static const char hdf5[8] = "\211HDF\r\n\032\n";
    char head[8];
    if (pread(fd, head, 4, 0) == 4 && memcmp(head, "PK", 2) == 0)
        return ZIP;
    for (int64_t at = 0; at < size && at < 1 << 24; at = at ? at * 2 : 512)
        if (pread(fd, head, 8, at) == 8 && memcmp(head, hdf5, 8) == 0)
            return HDF5;
    /* the length of a header of less than 2^32 bytes, and its first character */
    bool header = pread(fd, head, 8, 0) == 8 && memcmp(head + 4, "\0\0\0", 4) == 0 && pread(fd, head, 1, 8) == 1;
    return header && head[0] == '{' ? SAFETENSORS : OTHER;
}

static moru_status find_kind(const char *path, kind *is)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return moru_fail(MORU_ERR_IO, "%s: cannot be opened", path);
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    *is = regular ? kind_of(fd, info.st_size) : OTHER;
    close(fd);
    if (!regular)
        return moru_fail(MORU_ERR_IO, "%s: is not a regular file", path);
    return *is != OTHER ? MORU_OK : moru_fail(MORU_ERR_FORMAT, "%s: is neither a .keras nor an HDF5 file, nor a "
                                                "safetensors one", path);
}

static moru_status load_hdf5(moru_model **model, const char *path, bool compile)
{
    moru_hdf5 *file;
    bool is, whole;
    MORU_TRY(moru_hdf5_open(&file, path));
    moru_status status = moru_keras_h5_is(file, &is, &whole);
    if (status == MORU_OK && !whole)
        status = moru_fail(MORU_ERR_UNSUPPORTED, "%s: holds weights, not a whole model; weights alone are read into a "
                           "model that exists", path);
    if (status == MORU_OK)
        status = moru_keras_h5_read(model, file, compile, path);
    moru_hdf5_close(file);
    return status;
}

static moru_status load(moru_model **model, const char *path, bool compile)
{
    kind is;
    if (!model || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_load: an argument is NULL");
    *model = NULL;
    MORU_TRY(find_kind(path, &is));
    if (is == ZIP)
        return moru_keras_archive_read(model, path, compile);
    if (is == SAFETENSORS)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: holds weights, not a whole model; weights alone are read into a "
                         "model that exists", path);
    return load_hdf5(model, path, compile);
}

moru_status moru_load(moru_model **model, const char *path)
{
    return load(model, path, true);
}

moru_status moru_load_uncompiled(moru_model **model, const char *path)
{
    return load(model, path, false);
}

static moru_status load_bundle(moru_model *model, const char *path, const moru_weights_options *options)
{
    moru_bundle *bundle;
    MORU_TRY(moru_bundle_open(&bundle, path));
    moru_status status = moru_torch_read(model, bundle, options);
    moru_bundle_free(bundle);
    return status;
}

/* Groups that only Keras's files have. */
static moru_status is_keras3(moru_hdf5 *file, bool *is)
{
    static const char *const names[] = {"layers", "_layer_checkpoint_dependencies", "vars"};
    *is = false;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        moru_hdf5_kind kind;
        MORU_TRY(moru_hdf5_find(file, names[k], &kind));
        *is |= kind == MORU_HDF5_GROUP;
    }
    return MORU_OK;
}

/* Data sets at the root, which Keras's files have none of. */
static moru_status is_statedict(moru_hdf5 *file, bool *is)
{
    int64_t n;
    *is = false;
    MORU_TRY(moru_hdf5_count(file, "", &n));
    for (int64_t k = 0; k < n && !*is; k++) {
        char *name;
        moru_hdf5_kind kind;
        MORU_TRY(moru_hdf5_name_at(file, "", k, &name));
        moru_status status = moru_hdf5_find(file, name, &kind);
        *is = status == MORU_OK && (kind == MORU_HDF5_DATASET || strchr(name, '.'));
        free(name);
        MORU_TRY(status);
    }
    return MORU_OK;
}

static moru_status load_hdf5_weights(moru_model *model, const char *path, const moru_weights_options *options)
{
    moru_hdf5 *file = NULL;
    bool legacy, whole, keras3 = false, statedict = false;
    MORU_TRY(moru_hdf5_open(&file, path));
    moru_status status = moru_keras_h5_is(file, &legacy, &whole);
    if (status == MORU_OK && !legacy && (status = is_keras3(file, &keras3)) == MORU_OK && !keras3)
        status = is_statedict(file, &statedict);
    if (status == MORU_OK && !statedict)
        status = legacy ? moru_keras_h5_read_weights(model, file, options, path)
                        : moru_keras_weights_read(model, file, options, false, path);
    moru_hdf5_close(file);
    return status == MORU_OK && statedict ? load_bundle(model, path, options) : status;
}

moru_status moru_load_weights_with(moru_model *model, const char *path, const moru_weights_options *options)
{
    kind is;
    if (!model || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_load_weights: an argument is NULL");
    MORU_TRY(find_kind(path, &is));
    if (is == ZIP)
        return moru_keras_archive_read_weights(model, path, options);
    return is == HDF5 ? load_hdf5_weights(model, path, options) : load_bundle(model, path, options);
}

moru_status moru_load_weights(moru_model *model, const char *path)
{
    return moru_load_weights_with(model, path, NULL);
}
