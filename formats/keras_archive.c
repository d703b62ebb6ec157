/* .keras: a zip archive of metadata.json, config.json and model.weights.h5, stored without compression. */
#include "formats/keras.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zip.h>
#include "formats/archive.h"
#include "formats/file.h"

enum { MAX_JSON = 256 << 20, MAX_MEMBERS = 4096, MAX_IN_MEMORY = 4 << 20, PIECE = 1 << 20 };
#define KERAS_VERSION "3.15.1"
#define WEIGHTS "model.weights.h5"

/* ---- writing ---- */

static moru_status zip_failed(zip_t *archive, const char *path)
{
    return moru_fail(MORU_ERR_IO, "%s: the archive can't be written: %s", path, zip_strerror(archive));
}

static moru_status add_member(zip_t *archive, const char *path, const char *name, const void *data, int64_t size)
{
    zip_source_t *source = zip_source_buffer(archive, data, (zip_uint64_t)size, 0);
    zip_int64_t index = source ? zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) {
        zip_source_free(source);
        return zip_failed(archive, path);
    }
    if (zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0)
        return zip_failed(archive, path);
    return MORU_OK;
}

/* What zip_close() left in the buffer. */
static moru_status take_buffer(zip_source_t *buffer, const char *path, void **data, int64_t *size)
{
    zip_stat_t info;
    if (zip_source_stat(buffer, &info) != 0 || !(info.valid & ZIP_STAT_SIZE) || zip_source_open(buffer) != 0)
        return moru_fail(MORU_ERR_IO, "%s: the archive can't be written", path);
    char *bytes = malloc(info.size + 1);
    bool ok = bytes && zip_source_read(buffer, bytes, info.size) == (zip_int64_t)info.size;
    zip_source_close(buffer);
    if (!ok) {
        free(bytes);
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for the archive", path);
    }
    *data = bytes;
    *size = (int64_t)info.size;
    return MORU_OK;
}

moru_status moru_archive_write(const char *path, const moru_archive_member *members, int n)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *buffer = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *archive = buffer ? zip_open_from_source(buffer, ZIP_TRUNCATE, &error) : NULL;
    if (!archive) {
        zip_source_free(buffer);
        zip_error_fini(&error);
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for the archive", path);
    }
    zip_source_keep(buffer);
    moru_status status = MORU_OK;
    for (int k = 0; k < n && status == MORU_OK; k++)
        status = add_member(archive, path, members[k].name, members[k].data, members[k].size);
    if (status == MORU_OK && zip_close(archive) != 0)
        status = zip_failed(archive, path);
    if (status != MORU_OK)
        zip_discard(archive);
    void *data = NULL;
    int64_t size = 0;
    if (status == MORU_OK)
        status = take_buffer(buffer, path, &data, &size);
    zip_source_free(buffer);
    zip_error_fini(&error);
    if (status == MORU_OK)
        status = moru_file_write(path, data, size);
    free(data);
    return status;
}

static char *metadata_text(void)
{
    char date[64];
    time_t now = time(NULL);
    struct tm calendar;
    if (!localtime_r(&now, &calendar) || strftime(date, sizeof date, "%Y-%m-%d@%H:%M:%S", &calendar) == 0)
        memcpy(date, "1970-01-01@00:00:00", 20);
    json_t *metadata = json_pack("{s:s,s:s}", "keras_version", KERAS_VERSION, "date_saved", date);
    char *text = json_dumps(metadata, 0);
    json_decref(metadata);
    return text;
}

moru_status moru_keras_archive_write(moru_model *model, const char *path)
{
    json_t *root = NULL;
    void *weights = NULL;
    int64_t size = 0;
    MORU_TRY(moru_keras_config_write(model, &root));
    char *config = json_dumps(root, JSON_ENSURE_ASCII), *metadata = metadata_text();
    json_decref(root);
    moru_status status = config && metadata ? moru_keras_weights_write(model, path, &weights, &size)
                                            : moru_fail(MORU_ERR_MEMORY, "%s: out of memory", path);
    if (status == MORU_OK) {
        moru_archive_member members[] = {{"metadata.json", metadata, (int64_t)strlen(metadata)},
                            {"config.json", config, (int64_t)strlen(config)}, {WEIGHTS, weights, size}};
        status = moru_archive_write(path, members, 3);
    }
    free(config);
    free(metadata);
    free(weights);
    return status;
}

/* ---- reading ---- */

typedef struct archive {
    zip_t *zip;
    const char *path;
    int64_t bytes;
} archive;

static moru_status open_archive(archive *a, const char *path)
{
    struct stat info;
    int error = 0;
    *a = (archive){.path = path};
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return moru_fail(MORU_ERR_IO, "%s: cannot be opened, or is no regular file", path);
    a->bytes = info.st_size;
    a->zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    if (!a->zip)
        return moru_fail(error == ZIP_ER_OPEN || error == ZIP_ER_READ ? MORU_ERR_IO : MORU_ERR_FORMAT,
                         "%s: not a zip archive, or a damaged one", path);
    if (zip_get_num_entries(a->zip, 0) > MAX_MEMBERS) {
        zip_discard(a->zip);
        return moru_fail(MORU_ERR_FORMAT, "%s: has more members than a model needs", path);
    }
    return MORU_OK;
}

static moru_status find_member(const archive *a, const char *name, int64_t limit, zip_stat_t *info)
{
    zip_stat_init(info);
    if (zip_stat(a->zip, name, 0, info) != 0 || !(info->valid & ZIP_STAT_SIZE))
        return moru_fail(MORU_ERR_FORMAT, "%s: has no member \"%s\"", a->path, name);
    int64_t most; /* deflate shrinks 1032 times at most */
    if (!moru_mul_ok(a->bytes, 1040, &most) || most > limit)
        most = limit;
    if (info->size > (zip_uint64_t)most)
        return moru_fail(MORU_ERR_FORMAT, "%s: member \"%s\" claims %llu bytes, which is too much", a->path, name,
                         (unsigned long long)info->size);
    return MORU_OK;
}

static moru_status damaged(const archive *a, const char *name)
{
    return moru_fail(MORU_ERR_FORMAT, "%s: member \"%s\" is damaged", a->path, name);
}

/* A member as a whole, with a zero byte behind it; reading to the end checks its CRC. */
static moru_status read_member(const archive *a, const char *name, int64_t limit, char **data, int64_t *size)
{
    zip_stat_t info;
    *data = NULL;
    MORU_TRY(find_member(a, name, limit, &info));
    zip_file_t *file = zip_fopen_index(a->zip, info.index, 0);
    char *bytes = file ? malloc(info.size + 1) : NULL;
    char beyond; /* the CRC is only checked when the end is seen */
    bool ok = bytes && zip_fread(file, bytes, info.size) == (zip_int64_t)info.size && zip_fread(file, &beyond, 1) == 0;
    if (file && zip_fclose(file) != 0)
        ok = false;
    if (!ok) {
        free(bytes);
        return damaged(a, name);
    }
    bytes[info.size] = 0;
    *data = bytes;
    *size = (int64_t)info.size;
    return MORU_OK;
}

/* Keras 2 wrote this form, too, from 2.12 on. A file that doesn't say who wrote it is taken for Keras 3's. */
static bool is_keras2(const archive *a)
{
    char *text;
    int64_t size;
    if (read_member(a, "metadata.json", 1 << 20, &text, &size) != MORU_OK)
        return false;
    json_t *metadata = json_loadb(text, (size_t)size, 0, NULL);
    const char *version = json_string_value(json_object_get(metadata, "keras_version"));
    bool is = version && version[0] >= '1' && version[0] <= '2' && version[1] == '.';
    json_decref(metadata);
    free(text);
    return is;
}

static moru_status read_config(const archive *a, bool compile, moru_model **model)
{
    char *text;
    int64_t size;
    json_error_t error;
    MORU_TRY(read_member(a, "config.json", MAX_JSON, &text, &size));
    json_t *root = json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!root)
        return moru_fail(MORU_ERR_FORMAT, "%s: config.json:%d: %s", a->path, error.line, error.text);
    if (is_keras2(a))
        moru_keras2_config(root);
    moru_status status = moru_keras_config_read(model, root, compile, a->path);
    json_decref(root);
    return status;
}

/* ---- weights ---- */

/* A new file, for its owner alone. */
static int open_temporary(char path[1024])
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, 1024, "%.900s/moru-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkstemp(path);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static bool write_piece(int fd, const char *data, int64_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, (size_t)n);
        if (done <= 0)
            return false;
        data += done;
        n -= done;
    }
    return true;
}

static moru_status copy_member(const archive *a, const char *name, zip_file_t *from, int64_t size, int to)
{
    char *piece = malloc(PIECE);
    int64_t all = 0;
    zip_int64_t n;
    bool written = true;
    while (piece && (n = zip_fread(from, piece, PIECE)) > 0 && written && all <= size) {
        written = write_piece(to, piece, n);
        all += n;
    }
    bool memory = piece != NULL;
    free(piece);
    if (!memory || !written)
        return moru_fail(memory ? MORU_ERR_IO : MORU_ERR_MEMORY, "%s: no room for \"%s\" in the directory for temporary "
                         "files ($TMPDIR)", a->path, name);
    return n == 0 && all == size ? MORU_OK : damaged(a, name); /* at the end the CRC has been checked */
}

/* Large weights aren't held in memory beside the model's: they go through a file, from which the HDF5 library reads
 * what it is asked for. */
static moru_status open_copy(const archive *a, const zip_stat_t *info, moru_hdf5 **file)
{
    char path[1024];
    int fd = open_temporary(path);
    if (fd < 0)
        return moru_fail(MORU_ERR_IO, "%s: no file can be made in the directory for temporary files ($TMPDIR)", a->path);
    zip_file_t *member = zip_fopen_index(a->zip, info->index, 0);
    moru_status status = member ? copy_member(a, WEIGHTS, member, (int64_t)info->size, fd) : damaged(a, WEIGHTS);
    if (member && zip_fclose(member) != 0 && status == MORU_OK)
        status = damaged(a, WEIGHTS);
    if (status == MORU_OK)
        status = moru_hdf5_open_as(file, path, a->path);
    close(fd);
    unlink(path); /* an open file is there as long as it is open */
    return status;
}

static moru_status open_weights(const archive *a, moru_hdf5 **file, char **data)
{
    zip_stat_t info;
    int64_t size;
    *data = NULL;
    MORU_TRY(find_member(a, WEIGHTS, INT64_MAX, &info));
    if (info.size > MAX_IN_MEMORY)
        return open_copy(a, &info, file);
    MORU_TRY(read_member(a, WEIGHTS, INT64_MAX, data, &size));
    return moru_hdf5_open_image(file, *data, size, a->path);
}

static moru_status read_weights(const archive *a, moru_model *model, const moru_weights_options *options, bool resume)
{
    char *data;
    moru_hdf5 *file = NULL;
    moru_status status = open_weights(a, &file, &data);
    if (status == MORU_OK)
        status = moru_keras_weights_read(model, file, options, resume, a->path);
    moru_hdf5_close(file);
    free(data);
    return status;
}

moru_status moru_keras_archive_read(moru_model **model, const char *path, bool compile)
{
    archive a;
    MORU_TRY(open_archive(&a, path));
    moru_status status = read_config(&a, compile, model);
    if (status == MORU_OK)
        status = read_weights(&a, *model, NULL, true);
    zip_discard(a.zip);
    if (status != MORU_OK) {
        moru_model_free(*model);
        *model = NULL;
    }
    return status;
}

moru_status moru_keras_archive_read_weights(moru_model *model, const char *path, const moru_weights_options *options)
{
    archive a;
    MORU_TRY(open_archive(&a, path));
    moru_status status = read_weights(&a, model, options, false);
    zip_discard(a.zip);
    return status;
}
