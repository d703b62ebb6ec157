/* NumPy's .npy and .npz: a header {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } and the data; a zip archive
 * of such. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "formats/archive.h"
#include "formats/bundle.h"
#include "formats/file.h"

enum { PIECE = 1 << 20, MAX_HEADER = 65536, MAX_MEMBERS = 100000, BIG_ENDIAN_DATA = 1, FORTRAN = 2 };

static const char *const types[MORU_RAW_KINDS] = {"float64", "float32", "float16", "bfloat16", "float8_e4m3",
    "float8_e5m2", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"};

/* Bytes in a row, of a file or of a member of an archive. */
typedef struct stream {
    FILE *file;
    zip_file_t *member;
    int64_t size;
} stream;

static bool next(stream *s, void *data, int64_t n)
{
    if (s->file)
        return fread(data, 1, (size_t)n, s->file) == (size_t)n;
    return zip_fread(s->member, data, (zip_uint64_t)n) == n;
}

static void close_stream(stream *s)
{
    if (s->file)
        fclose(s->file);
    if (s->member)
        zip_fclose(s->member);
}

static moru_status open_stream(const moru_bundle *b, const char *member, stream *s)
{
    zip_stat_t info;
    *s = (stream){0};
    if (!b->inside) {
        s->file = fopen(b->path, "rb");
        s->size = b->bytes;
        return s->file ? MORU_OK : moru_fail(MORU_ERR_IO, "%s: cannot be opened", b->path);
    }
    if (zip_stat(b->inside, member, 0, &info) != 0 || !(info.valid & ZIP_STAT_SIZE) || info.size > INT64_MAX)
        return moru_fail(MORU_ERR_FORMAT, "%s: member \"%.200s\" cannot be read", b->path, member);
    s->size = (int64_t)info.size;
    s->member = zip_fopen_index(b->inside, info.index, 0);
    return s->member ? MORU_OK : moru_fail(MORU_ERR_FORMAT, "%s: member \"%.200s\" is damaged", b->path, member);
}

/* ---- headers ---- */

static moru_status damaged(const moru_bundle *b, const char *name, const char *what)
{
    return moru_fail(MORU_ERR_FORMAT, "%s: \"%.200s\" %s", b->path, name, what);
}

/* What follows 'KEY': in the header; NULL: it isn't there. */
static const char *value_of(const char *header, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static bool parse_type(const char *text, int *kind, bool *big)
{
    static const struct { const char *name; moru_raw raw; } types[] = {
        {"f8'", MORU_RAW_F64}, {"f4'", MORU_RAW_F32}, {"f2'", MORU_RAW_F16}, {"i8'", MORU_RAW_I64},
        {"i4'", MORU_RAW_I32}, {"i2'", MORU_RAW_I16}, {"i1'", MORU_RAW_I8}, {"u8'", MORU_RAW_U64},
        {"u4'", MORU_RAW_U32}, {"u2'", MORU_RAW_U16}, {"u1'", MORU_RAW_U8}, {"b1'", MORU_RAW_BOOL}};
    if (text[0] != '\'' || !text[1] || !strchr("<>|=", text[1]))
        return false;
    *big = text[1] == '>';
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        if (strncmp(text + 2, types[k].name, 3) == 0) {
            *kind = (int)types[k].raw;
            return true;
        }
    return false;
}

static bool parse_shape(const char *text, moru_shape *shape)
{
    *shape = (moru_shape){.rank = 0};
    if (*text++ != '(')
        return false;
    for (;;) {
        text += strspn(text, " ");
        if (*text == ')')
            return true;
        char *end;
        if (*text < '0' || *text > '9' || shape->rank == MORU_MAX_RANK)
            return false;
        long long size = strtoll(text, &end, 10);
        if (size < 0 || size == INT64_MAX)
            return false;
        shape->dims[shape->rank++] = size;
        text = end + (*end == 'L'); /* of Python 2 */
        text += strspn(text, " ");
        if (*text == ',')
            text++;
        else if (*text != ')')
            return false;
    }
}

/* Reads the header; the stream then stands at the data. */
static moru_status read_header(const moru_bundle *b, const char *name, stream *s, char **header, int64_t *length)
{
    uint8_t head[12];
    *header = NULL;
    if (!next(s, head, 8) || memcmp(head, "\223NUMPY", 6) != 0 || head[6] < 1 || head[6] > 3)
        return damaged(b, name, "is no .npy");
    int digits = head[6] == 1 ? 2 : 4;
    if (!next(s, head + 8, digits))
        return damaged(b, name, "is cut off");
    int64_t n = 0;
    for (int k = digits - 1; k >= 0; k--)
        n = n << 8 | head[8 + k];
    char *text = n <= MAX_HEADER ? malloc((size_t)n + 1) : NULL;
    if (!text || !next(s, text, n)) {
        free(text);
        return damaged(b, name, "has a damaged header");
    }
    text[n] = 0;
    *header = text;
    *length = 8 + digits + n;
    return MORU_OK;
}

static moru_status parse_header(moru_bundle *b, const char *name, const char *place, const char *header, int64_t bytes)
{
    const char *type = value_of(header, "descr"), *order = value_of(header, "fortran_order");
    const char *sizes = value_of(header, "shape");
    int kind = 0;
    bool big;
    moru_shape shape;
    moru_bundle_item *item;
    int64_t wanted;
    if (!type || !order || !sizes || (strncmp(order, "True", 4) != 0 && strncmp(order, "False", 5) != 0))
        return damaged(b, name, "has a damaged header");
    if (!parse_type(type, &kind, &big))
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: \"%.100s\": not supported: dtype %.*s", b->path, name,
                         (int)strcspn(type, ",}"), type);
    if (!parse_shape(sizes, &shape))
        return damaged(b, name, "has a damaged shape, or too many dimensions");
    MORU_TRY(moru_bundle_add(b, name, &shape, &item));
    item->kind = kind;
    item->type = types[kind];
    item->from = (big ? BIG_ENDIAN_DATA : 0) | (order[0] == 'T' ? FORTRAN : 0);
    if (place && !(item->place = strdup(place)))
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", b->path);
    if (!moru_mul_ok(item->size, moru_raw_size((moru_raw)kind), &wanted) || wanted != bytes)
        return damaged(b, name, "has a shape that its data don't fit");
    return MORU_OK;
}

static moru_status add_item(moru_bundle *b, const char *name, const char *place)
{
    stream s;
    char *header = NULL;
    int64_t length = 0;
    moru_status status = open_stream(b, place, &s);
    if (status == MORU_OK)
        status = read_header(b, name, &s, &header, &length);
    if (status == MORU_OK)
        status = parse_header(b, name, place, header, s.size - length);
    free(header);
    close_stream(&s);
    return status;
}

/* ---- data ---- */

static void swap(uint8_t *bytes, int64_t n, int size)
{
    for (int64_t k = 0; k < n; k++)
        for (int i = 0; i < size / 2; i++) {
            uint8_t *a = &bytes[k * size + i], *z = &bytes[k * size + size - 1 - i], kept = *a;
            *a = *z;
            *z = kept;
        }
}

/* From the first size running fastest to the last one. Elements of either type are of 4 bytes or 8. */
static moru_status turn(const moru_bundle *b, const moru_bundle_item *item, size_t width, char *data)
{
    const moru_shape *s = &item->shape;
    char *from = malloc((size_t)item->size * width + 1);
    int64_t at[MORU_MAX_RANK] = {0};
    if (!from)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", b->path);
    memcpy(from, data, (size_t)item->size * width);
    for (int64_t k = 0; k < item->size; k++) {
        int64_t place = 0;
        for (int i = s->rank - 1; i >= 0; i--)
            place = place * s->dims[i] + at[i];
        memcpy(data + (size_t)k * width, from + (size_t)place * width, width);
        for (int i = s->rank - 1; i >= 0 && ++at[i] == s->dims[i]; i--)
            at[i] = 0;
    }
    free(from);
    return MORU_OK;
}

static moru_status read_data(const moru_bundle *b, const moru_bundle_item *item, stream *s, moru_dtype dtype,
                             void *data)
{
    int size = moru_raw_size((moru_raw)item->kind);
    uint8_t *bytes = malloc(PIECE);
    moru_status status = bytes ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: out of memory", b->path);
    for (int64_t k = 0; k < item->size && status == MORU_OK; k += PIECE / size) {
        int64_t n = item->size - k < PIECE / size ? item->size - k : PIECE / size;
        if (!next(s, bytes, n * size)) {
            status = damaged(b, item->name, "is damaged or cut off");
            break;
        }
        if (item->from & BIG_ENDIAN_DATA)
            swap(bytes, n, size);
        status = moru_raw_convert(b, item, bytes, k, n, dtype, data);
    }
    free(bytes);
    char beyond; /* the checksum is looked at when the end is seen */
    if (status == MORU_OK && s->member && zip_fread(s->member, &beyond, 1) != 0)
        status = damaged(b, item->name, "is damaged");
    if (status == MORU_OK && item->from & FORTRAN && item->shape.rank > 1)
        status = turn(b, item, moru_dtype_size(dtype), data);
    return status;
}

static moru_status read_item(const moru_bundle *b, const moru_bundle_item *item, moru_dtype dtype, void *data)
{
    stream s;
    char *header = NULL;
    int64_t length;
    moru_status status = open_stream(b, item->place, &s);
    if (status == MORU_OK)
        status = read_header(b, item->name, &s, &header, &length);
    if (status == MORU_OK)
        status = read_data(b, item, &s, dtype, data);
    free(header);
    close_stream(&s);
    return status;
}

/* ---- files ---- */

static void close_archive(moru_bundle *b)
{
    if (b->inside)
        zip_discard(b->inside);
}

static moru_status open_bundle(moru_bundle **b, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return moru_fail(MORU_ERR_IO, "%s: cannot be opened, or is no regular file", path);
    MORU_TRY(moru_bundle_new(b, path));
    (*b)->bytes = info.st_size;
    (*b)->read = read_item;
    (*b)->close = close_archive;
    return MORU_OK;
}

static moru_status finish(moru_bundle *b, moru_status status, moru_bundle **bundle)
{
    if (status != MORU_OK) {
        moru_bundle_free(b);
        return status;
    }
    moru_bundle_sort(b);
    *bundle = b;
    return MORU_OK;
}

moru_status moru_npy_open(moru_bundle **bundle, const char *path)
{
    moru_bundle *b;
    const char *slash = strrchr(path, '/');
    char name[256];
    *bundle = NULL;
    MORU_TRY(open_bundle(&b, path));
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    if (moru_file_has_suffix(name, ".npy"))
        name[strlen(name) - 4] = 0;
    return finish(b, add_item(b, name, NULL), bundle);
}

static moru_status add_members(moru_bundle *b)
{
    zip_int64_t n = zip_get_num_entries(b->inside, 0);
    if (n > MAX_MEMBERS)
        return moru_fail(MORU_ERR_FORMAT, "%s: has too many members", b->path);
    for (zip_int64_t k = 0; k < n; k++) {
        const char *place = zip_get_name(b->inside, (zip_uint64_t)k, 0);
        char name[512];
        if (!place || !moru_file_has_suffix(place, ".npy") || strlen(place) >= sizeof name)
            return moru_fail(MORU_ERR_FORMAT, "%s: member %lld, \"%.100s\", is no .npy", b->path, (long long)k,
                             place ? place : "");
        snprintf(name, sizeof name, "%.*s", (int)(strlen(place) - 4), place);
        MORU_TRY(add_item(b, name, place));
    }
    return MORU_OK;
}

moru_status moru_npz_open(moru_bundle **bundle, const char *path)
{
    moru_bundle *b;
    int error = 0;
    *bundle = NULL;
    MORU_TRY(open_bundle(&b, path));
    b->inside = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    moru_status status = b->inside ? add_members(b)
                                   : moru_fail(MORU_ERR_FORMAT, "%s: not a zip archive, or a damaged one", path);
    return finish(b, status, bundle);
}

/* ---- writing ---- */

/* Bytes of a .npy. */
static uint8_t *encode(const moru_tensor *tensor, int64_t *size)
{
    const moru_shape *shape = moru_tensor_shape(tensor);
    char sizes[256] = "", header[512];
    for (int k = 0; k < shape->rank; k++)
        snprintf(sizes + strlen(sizes), sizeof sizes - strlen(sizes), "%lld%s", (long long)shape->dims[k],
                 shape->rank == 1 ? "," : k + 1 < shape->rank ? ", " : "");
    int n = snprintf(header, sizeof header, "{'descr': '<%s', 'fortran_order': False, 'shape': (%s), }",
                     moru_tensor_dtype(tensor) == MORU_REAL ? "f4" : "i4", sizes);
    int length = (10 + n + 1 + 63) / 64 * 64 - 10; /* data begin at a multiple of 64 */
    int64_t count = moru_tensor_size(tensor);
    *size = 10 + length + 4 * count;
    uint8_t *bytes = malloc((size_t)*size);
    if (!bytes)
        return NULL;
    memcpy(bytes, "\223NUMPY\1\0", 8);
    bytes[8] = (uint8_t)length;
    bytes[9] = (uint8_t)(length >> 8);
    memset(bytes + 10, ' ', (size_t)length);
    memcpy(bytes + 10, header, (size_t)n);
    bytes[10 + length - 1] = '\n';
    for (int64_t k = 0; k < count; k++) {
        uint32_t bits;
        if (moru_tensor_dtype(tensor) == MORU_REAL) {
            float value = (float)((const moru_real *)moru_tensor_const_data(tensor))[k];
            memcpy(&bits, &value, sizeof bits);
        } else {
            bits = (uint32_t)((const int32_t *)moru_tensor_const_data(tensor))[k];
        }
        for (int i = 0; i < 4; i++)
            bytes[10 + length + 4 * k + i] = (uint8_t)(bits >> 8 * i);
    }
    return bytes;
}

static bool encode_member(const moru_named *named, moru_archive_member *member)
{
    size_t n = strlen(named->name) + 5;
    char *name = malloc(n);
    member->data = encode(named->tensor, &member->size);
    member->name = name;
    if (name)
        snprintf(name, n, "%s.npy", named->name);
    return name && member->data;
}

moru_status moru_npz_write(const char *path, const moru_named *tensors, int n)
{
    moru_archive_member *members = calloc((size_t)n + 1, sizeof *members);
    moru_status status = members ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: out of memory", path);
    bool one = moru_file_has_suffix(path, ".npy");
    if (status == MORU_OK && one && n != 1)
        status = moru_fail(MORU_ERR_ARGUMENT, "%s: a .npy holds one array, not %d; a .npz holds several", path, n);
    for (int k = 0; k < n && status == MORU_OK; k++)
        if (!encode_member(&tensors[k], &members[k]))
            status = moru_fail(MORU_ERR_MEMORY, "%s: out of memory", path);
    if (status == MORU_OK)
        status = one ? moru_file_write(path, members[0].data, members[0].size) : moru_archive_write(path, members, n);
    for (int k = 0; k < n && members; k++) {
        free((void *)members[k].name);
        free((void *)members[k].data);
    }
    free(members);
    return status;
}
