/* .safetensors: length of a JSON header in 8 bytes, the header {"name": {"dtype", "shape", "data_offsets"}}, the data. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/bundle.h"
#include "formats/file.h"

enum { MAX_HEADER = 100 << 20, PIECE = 1 << 20 };

static const char *const types[MORU_RAW_KINDS] = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32",
                                                  "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"};

/* ---- reading ---- */

static bool read_at(int fd, void *data, int64_t size, int64_t at)
{
    while (size > 0) {
        ssize_t n = pread(fd, data, (size_t)size, (off_t)at);
        if (n <= 0)
            return false;
        data = (char *)data + n;
        size -= n;
        at += n;
    }
    return true;
}

static moru_status read_item(const moru_bundle *b, const moru_bundle_item *item, moru_dtype dtype,
                             void *data)
{
    int64_t size = moru_raw_size((moru_raw)item->kind), piece = PIECE / size;
    uint8_t *bytes = malloc(PIECE);
    if (!bytes)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", b->path);
    moru_status status = MORU_OK;
    for (int64_t k = 0; k < item->size && status == MORU_OK; k += piece) {
        int64_t n = item->size - k < piece ? item->size - k : piece;
        if (!read_at(b->fd, bytes, n * size, b->base + item->from + k * size))
            status = moru_fail(MORU_ERR_IO, "%s: \"%s\" cannot be read", b->path, item->name);
        else
            status = moru_raw_convert(b, item, bytes, k, n, dtype, data);
    }
    free(bytes);
    return status;
}

static moru_status damaged(const moru_bundle *b, const char *name, const char *what)
{
    return moru_fail(MORU_ERR_FORMAT, "%s: \"%.200s\" %s", b->path, name, what);
}

static moru_status read_shape(const moru_bundle *b, const char *name, json_t *list, moru_shape *shape)
{
    size_t n = json_array_size(list);
    *shape = (moru_shape){.rank = (int32_t)n};
    if (!json_is_array(list))
        return damaged(b, name, "has no shape");
    if (n > MORU_MAX_RANK)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: \"%.200s\" has %zu dimensions, more than %d", b->path, name, n,
                         MORU_MAX_RANK);
    for (size_t k = 0; k < n; k++) {
        json_t *size = json_array_get(list, k);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return damaged(b, name, "has a damaged shape");
        shape->dims[k] = json_integer_value(size);
    }
    return MORU_OK;
}

static moru_status add_item(moru_bundle *b, const char *name, json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "dtype"));
    json_t *offsets = json_object_get(object, "data_offsets"), *from = json_array_get(offsets, 0);
    json_t *end = json_array_get(offsets, 1);
    moru_shape shape;
    int kind = 0;
    int64_t bytes;
    moru_bundle_item *item;
    while (kind < MORU_RAW_KINDS && (!type || strcmp(types[kind], type) != 0))
        kind++;
    if (!type)
        return damaged(b, name, "has no dtype");
    if (kind == MORU_RAW_KINDS)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: \"%.200s\": not supported: dtype %.40s", b->path, name, type);
    MORU_TRY(read_shape(b, name, json_object_get(object, "shape"), &shape));
    if (!json_is_integer(from) || !json_is_integer(end) || json_array_size(offsets) != 2)
        return damaged(b, name, "has no data_offsets");
    MORU_TRY(moru_bundle_add(b, name, &shape, &item));
    item->kind = kind;
    item->type = types[kind];
    item->from = json_integer_value(from);
    if (!moru_mul_ok(item->size, moru_raw_size((moru_raw)kind), &bytes) || item->from < 0 ||
        item->from > b->bytes - b->base || json_integer_value(end) > b->bytes - b->base ||
        json_integer_value(end) - item->from != bytes)
        return damaged(b, name, "has data_offsets that don't fit its shape, or the file");
    return MORU_OK;
}

static int by_place(const void *a, const void *b)
{
    const moru_bundle_item *one = a, *two = b;
    int64_t first = one->from * 2 + (one->size > 0), second = two->from * 2 + (two->size > 0); /* empty ones first */
    return first < second ? -1 : first > second;
}

/* As the format wants it: data lie one after the other, all of them, and nothing else. */
static moru_status check_places(moru_bundle *b)
{
    int64_t at = 0;
    if (b->n > 1)
        qsort(b->items, (size_t)b->n, sizeof *b->items, by_place);
    for (int64_t k = 0; k < b->n; k++) {
        if (b->items[k].from != at)
            return damaged(b, b->items[k].name, "overlaps another array, or there is a hole before it");
        at += b->items[k].size * moru_raw_size((moru_raw)b->items[k].kind);
    }
    if (at != b->bytes - b->base)
        return moru_fail(MORU_ERR_FORMAT, "%s: it is cut off, or goes on after its arrays", b->path);
    return MORU_OK;
}

static moru_status read_header(moru_bundle *b)
{
    uint8_t head[8];
    uint64_t length = 0;
    json_error_t error;
    const char *name;
    json_t *object;
    if (b->bytes < 8 || !read_at(b->fd, head, 8, 0))
        return moru_fail(MORU_ERR_FORMAT, "%s: not a .safetensors file", b->path);
    for (int k = 7; k >= 0; k--)
        length = length << 8 | head[k];
    if (length > MAX_HEADER || (int64_t)length > b->bytes - 8 || length < 2)
        return moru_fail(MORU_ERR_FORMAT, "%s: not a .safetensors file, or a damaged one", b->path);
    char *text = malloc(length);
    if (!text || !read_at(b->fd, text, (int64_t)length, 8)) {
        free(text);
        return moru_fail(MORU_ERR_IO, "%s: cannot be read", b->path);
    }
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!json_is_object(root)) {
        json_decref(root);
        return moru_fail(MORU_ERR_FORMAT, "%s: its header isn't a JSON object: %s", b->path, error.text);
    }
    b->base = 8 + (int64_t)length;
    moru_status status = MORU_OK;
    json_object_foreach(root, name, object)
        if (status == MORU_OK && strcmp(name, "__metadata__") != 0)
            status = add_item(b, name, object);
    json_decref(root);
    return status == MORU_OK ? check_places(b) : status;
}

moru_status moru_safetensors_open(moru_bundle **bundle, const char *path)
{
    struct stat info;
    moru_bundle *b;
    *bundle = NULL;
    MORU_TRY(moru_bundle_new(&b, path));
    b->read = read_item;
    b->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    moru_status status = MORU_OK;
    if (b->fd < 0)
        status = moru_fail(MORU_ERR_IO, "%s: cannot be opened", path);
    else if (fstat(b->fd, &info) != 0 || !S_ISREG(info.st_mode))
        status = moru_fail(MORU_ERR_IO, "%s: is not a regular file", path);
    else
        b->bytes = info.st_size;
    if (status == MORU_OK)
        status = read_header(b);
    if (status != MORU_OK) {
        moru_bundle_free(b);
        return status;
    }
    moru_bundle_sort(b);
    *bundle = b;
    return MORU_OK;
}

/* ---- writing ---- */

static char *header_of(const moru_named *tensors, int n, size_t *length)
{
    json_t *root = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    int64_t at = 0;
    for (int k = 0; k < n && root; k++) {
        const moru_shape *shape = moru_tensor_shape(tensors[k].tensor);
        json_t *sizes = json_array();
        for (int i = 0; i < shape->rank; i++)
            json_array_append_new(sizes, json_integer(shape->dims[i]));
        int64_t end = at + 4 * moru_tensor_size(tensors[k].tensor);
        json_t *item = json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", sizes, "data_offsets", (json_int_t)at,
                                 (json_int_t)end);
        if (!item || json_object_set_new(root, tensors[k].name, item) != 0) {
            json_decref(root);
            return NULL;
        }
        at = end;
    }
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    size_t size = text ? strlen(text) : 0, padded = (size + 7) / 8 * 8; /* data begin at a multiple of 8 */
    char *fresh = text ? realloc(text, padded + 1) : NULL;
    if (!fresh) {
        free(text);
        return NULL;
    }
    memset(fresh + size, ' ', padded - size);
    *length = padded;
    return fresh;
}

static void put_floats(uint8_t *to, const moru_tensor *tensor)
{
    const moru_real *data = moru_tensor_const_data(tensor);
    for (int64_t k = 0; k < moru_tensor_size(tensor); k++) {
        float value = (float)data[k];
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        for (int i = 0; i < 4; i++)
            to[4 * k + i] = (uint8_t)(bits >> 8 * i);
    }
}

moru_status moru_safetensors_write(const char *path, const moru_named *tensors, int n)
{
    size_t length = 0, size = 0;
    char *header = header_of(tensors, n, &length);
    for (int k = 0; k < n; k++)
        size += 4 * (size_t)moru_tensor_size(tensors[k].tensor);
    uint8_t *bytes = header ? malloc(8 + length + size) : NULL;
    if (!bytes) {
        free(header);
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for the file", path);
    }
    for (int k = 0; k < 8; k++)
        bytes[k] = (uint8_t)((uint64_t)length >> 8 * k);
    memcpy(bytes + 8, header, length);
    uint8_t *to = bytes + 8 + length;
    for (int k = 0; k < n; k++) {
        put_floats(to, tensors[k].tensor);
        to += 4 * moru_tensor_size(tensors[k].tensor);
    }
    moru_status status = moru_file_write(path, bytes, (int64_t)(8 + length + size));
    free(header);
    free(bytes);
    return status;
}
