#include "formats/bundle.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ITEMS = 1 << 20 };

moru_status moru_bundle_new(moru_bundle **bundle, const char *path)
{
    moru_bundle *b = calloc(1, sizeof *b);
    if (b)
        b->path = strdup(path);
    if (!b || !b->path) {
        free(b);
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", path);
    }
    b->fd = -1;
    *bundle = b;
    return MORU_OK;
}

void moru_bundle_free(moru_bundle *b)
{
    if (!b)
        return;
    if (b->close)
        b->close(b);
    if (b->fd >= 0)
        close(b->fd);
    for (int64_t k = 0; k < b->n; k++) {
        free(b->items[k].name);
        free(b->items[k].place);
    }
    free(b->items);
    free(b->path);
    free(b);
}

moru_status moru_bundle_add(moru_bundle *b, const char *name, const moru_shape *shape, moru_bundle_item **item)
{
    if (b->n == b->capacity) {
        int64_t more = b->capacity ? 2 * b->capacity : 64;
        moru_bundle_item *fresh = more > MOST_ITEMS ? NULL : realloc(b->items, (size_t)more * sizeof *fresh);
        if (!fresh)
            return moru_fail(MORU_ERR_MEMORY, "%s: too many arrays", b->path);
        b->items = fresh;
        b->capacity = more;
    }
    moru_bundle_item *i = &b->items[b->n];
    *i = (moru_bundle_item){.name = strdup(name), .type = "", .shape = *shape, .user = -1, .size = 1};
    if (!i->name)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", b->path);
    b->n++;
    *item = i;
    for (int k = 0; k < shape->rank; k++)
        if (shape->dims[k] == 0)
            i->size = 0;
    for (int k = 0; k < shape->rank && i->size; k++)
        if (!moru_mul_ok(i->size, shape->dims[k], &i->size))
            return moru_fail(MORU_ERR_FORMAT, "%s: \"%s\" has sizes that overflow", b->path, name);
    return MORU_OK;
}

/* "layers.2" comes before "layers.10". */
int moru_natural_order(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            a += strspn(a, "0");
            b += strspn(b, "0");
            size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
            int order = n != m ? (n < m ? -1 : 1) : strncmp(a, b, n);
            if (order != 0)
                return order;
            a += n;
            b += m;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return *a ? 1 : *b ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    const char *one = ((const moru_bundle_item *)a)->name, *two = ((const moru_bundle_item *)b)->name;
    int order = moru_natural_order(one, two);
    return order ? order : strcmp(one, two);
}

void moru_bundle_sort(moru_bundle *b)
{
    if (b->n > 1)
        qsort(b->items, (size_t)b->n, sizeof *b->items, by_name);
}

moru_bundle_item *moru_bundle_find(const moru_bundle *b, const char *name)
{
    const moru_bundle_item key = {.name = (char *)name};
    return b->n ? bsearch(&key, b->items, (size_t)b->n, sizeof *b->items, by_name) : NULL;
}

moru_status moru_bundle_read(const moru_bundle *b, const moru_bundle_item *item, moru_dtype dtype, void *data)
{
    return item->size == 0 ? MORU_OK : b->read(b, item, dtype, data);
}

bool moru_bundle_is_integer(const moru_bundle_item *item)
{
    return item->kind >= MORU_RAW_I64;
}

moru_status moru_bundle_open(moru_bundle **bundle, const char *path)
{
    char head[8] = "";
    *bundle = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return moru_fail(MORU_ERR_IO, "%s: cannot be opened", path);
    bool any = pread(fd, head, 8, 0) == 8;
    close(fd);
    if (any && memcmp(head, "PK", 2) == 0)
        return moru_npz_open(bundle, path);
    if (any && memcmp(head, "\223NUMPY", 6) == 0)
        return moru_npy_open(bundle, path);
    return any && memcmp(head, "\211HDF\r\n\032\n", 8) == 0 ? moru_statedict_open(bundle, path)
                                                          : moru_safetensors_open(bundle, path);
}

/* ---- element types ---- */

int moru_raw_size(moru_raw raw)
{
    static const int sizes[MORU_RAW_KINDS] = {8, 4, 2, 2, 1, 1, 8, 4, 2, 1, 8, 4, 2, 1, 1};
    return sizes[raw];
}

static uint64_t number(const uint8_t *bytes, int n)
{
    uint64_t value = 0;
    for (int k = n - 1; k >= 0; k--)
        value = value << 8 | bytes[k];
    return value;
}

/* A floating number of few bits: exponent of so many, the rest a fraction. */
static double small_float(uint64_t bits, int exponent_bits, int fraction_bits, bool has_infinity)
{
    int exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
    int fraction = (int)(bits & ((UINT64_C(1) << fraction_bits) - 1)), last = (1 << exponent_bits) - 1;
    double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1 : 1;
    if (exponent == last && has_infinity)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == last && fraction == (1 << fraction_bits) - 1) /* float8_e4m3fn has this one NaN */
        return NAN;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

static double one_real(moru_raw raw, const uint8_t *p)
{
    uint64_t bits = number(p, moru_raw_size(raw));
    uint32_t low = (uint32_t)bits;
    double wide;
    float narrow;
    switch (raw) {
    case MORU_RAW_F64:
        memcpy(&wide, &bits, sizeof wide);
        return wide;
    case MORU_RAW_BF16:
        low <<= 16; /* fall through */
    case MORU_RAW_F32:
        memcpy(&narrow, &low, sizeof narrow);
        return narrow;
    case MORU_RAW_F16:
        return small_float(bits, 5, 10, true);
    case MORU_RAW_F8_E4M3:
        return small_float(bits, 4, 3, false);
    case MORU_RAW_F8_E5M2:
        return small_float(bits, 5, 2, true);
    case MORU_RAW_I64:
        return (double)(int64_t)bits;
    case MORU_RAW_I32:
        return (int32_t)low;
    case MORU_RAW_I16:
        return (int16_t)low;
    case MORU_RAW_I8:
        return (int8_t)low;
    case MORU_RAW_BOOL:
        return bits != 0;
    default:
        return (double)bits;
    }
}

void moru_raw_to_real(moru_raw raw, const uint8_t *bytes, int64_t n, moru_real *data)
{
    int size = moru_raw_size(raw);
    for (int64_t k = 0; k < n; k++)
        data[k] = (moru_real)one_real(raw, bytes + k * size);
}

bool moru_raw_to_int32(moru_raw raw, const uint8_t *bytes, int64_t n, int32_t *data)
{
    int size = moru_raw_size(raw);
    for (int64_t k = 0; k < n; k++) {
        double value = one_real(raw, bytes + k * size); /* int64 beyond 2^53 are out of range rounded, too */
        if (!(value >= INT32_MIN && value <= INT32_MAX))
            return false;
        data[k] = (int32_t)value;
    }
    return true;
}

moru_status moru_raw_convert(const moru_bundle *b, const moru_bundle_item *item, const uint8_t *bytes, int64_t first,
                             int64_t n, moru_dtype dtype, void *data)
{
    if (dtype == MORU_REAL)
        moru_raw_to_real((moru_raw)item->kind, bytes, n, (moru_real *)data + first);
    else if (!moru_bundle_is_integer(item))
        return moru_fail(MORU_ERR_SHAPE, "%s: \"%s\" holds floating numbers where integers are needed", b->path,
                         item->name);
    else if (!moru_raw_to_int32((moru_raw)item->kind, bytes, n, (int32_t *)data + first))
        return moru_fail(MORU_ERR_RANGE, "%s: \"%s\" holds integers of more than 32 bits", b->path, item->name);
    return MORU_OK;
}
