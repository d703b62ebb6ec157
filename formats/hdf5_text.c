/* Attributes of HDF5 files that hold texts: lists of names. */
#include "formats/hdf5_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 1 << 20, MAX_CHUNKS = 4096, HEADER_LIMIT = 64512 /* Keras's limit of one attribute */ };

typedef struct list {
    char **texts;
    int64_t n, capacity;
} list;

void moru_hdf5_free_texts(char **texts, int64_t count)
{
    for (int64_t k = 0; k < count; k++)
        free(texts[k]);
    free(texts);
}

/* ---- reading ---- */

static bool add(list *l, const char *text, size_t length)
{
    if (l->n == l->capacity) {
        int64_t more = l->capacity ? 2 * l->capacity : 16;
        char **fresh = more > MAX_TEXTS ? NULL : realloc(l->texts, (size_t)more * sizeof *fresh);
        if (!fresh)
            return false;
        l->texts = fresh;
        l->capacity = more;
    }
    l->texts[l->n] = strndup(text, length);
    return l->texts[l->n++] != NULL;
}

/* Texts of one length: padded with zeros, or behind a zero with anything, or with blanks. */
static bool add_fixed(list *l, const moru_hdf5 *file, hid_t attribute, hid_t type, int64_t n)
{
    int64_t size = (int64_t)H5Tget_size(type), all;
    if (size <= 0 || !moru_mul_ok(size, n, &all) || all > file->bytes)
        return false;
    char *bytes = malloc((size_t)all + 1);
    bool ok = bytes && H5Aread(attribute, type, bytes) >= 0;
    for (int64_t k = 0; k < n && ok; k++) {
        const char *text = bytes + k * size;
        size_t length = strnlen(text, (size_t)size);
        while (H5Tget_strpad(type) == H5T_STR_SPACEPAD && length > 0 && text[length - 1] == ' ')
            length--;
        ok = add(l, text, length);
    }
    free(bytes);
    return ok;
}

static bool add_variable(list *l, hid_t attribute, hid_t type, hid_t space, int64_t n)
{
    char **inside = calloc((size_t)n + 1, sizeof *inside);
    bool ok = inside && H5Aread(attribute, type, inside) >= 0;
    for (int64_t k = 0; k < n && ok; k++)
        ok = add(l, inside[k] ? inside[k] : "", inside[k] ? strlen(inside[k]) : 0);
    if (inside)
        H5Dvlen_reclaim(type, space, H5P_DEFAULT, inside);
    free(inside);
    return ok;
}

static bool add_attribute(list *l, const moru_hdf5 *file, hid_t object, const char *name)
{
    HANDLE attribute = H5Aopen(object, name, H5P_DEFAULT);
    HANDLE space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    HANDLE type = attribute >= 0 ? H5Aget_type(attribute) : -1;
    hssize_t n = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    if (n < 0 || type < 0 || n > MAX_TEXTS)
        return false;
    if (n == 0)
        return true; /* of any type */
    if (H5Tget_class(type) != H5T_STRING)
        return false;
    if (H5Tis_variable_str(type) > 0)
        return !file->hidden && n * 16 <= file->bytes && add_variable(l, attribute, type, space, n);
    return add_fixed(l, file, attribute, type, n);
}

static bool add_all(list *l, const moru_hdf5 *file, hid_t object, const char *name, bool *found)
{
    char chunk[128];
    *found = H5Aexists(object, name) > 0;
    if (*found)
        return add_attribute(l, file, object, name);
    for (int k = 0; k < MAX_CHUNKS; k++) {
        snprintf(chunk, sizeof chunk, "%.100s%d", name, k);
        if (H5Aexists(object, chunk) <= 0)
            return true;
        *found = true;
        if (!add_attribute(l, file, object, chunk))
            return false;
    }
    return false;
}

moru_status moru_hdf5_texts(moru_hdf5 *file, const char *path, const char *name, char ***texts, int64_t *count,
                            bool *found)
{
    *texts = NULL;
    *count = 0;
    INSIDE;
    HANDLE object = -1;
    if (*path && strcmp(path, "/") != 0)
        MORU_TRY(moru_hdf5_expect(file, path, MORU_HDF5_GROUP));
    object = H5Oopen(file->id, *path ? path : "/", H5P_DEFAULT);
    if (object < 0)
        return moru_hdf5_damaged(file, path, "cannot be read: damaged");
    list l = {0};
    if (!add_all(&l, file, object, name, found)) {
        moru_hdf5_free_texts(l.texts, l.n);
        return moru_fail(MORU_ERR_FORMAT, "%s: attribute \"%s\" of \"%s\" is not a list of texts that can be read",
                         file->name, name, path);
    }
    *texts = l.texts;
    *count = l.n;
    return MORU_OK;
}

/* ---- writing ---- */

static moru_status not_written(const moru_hdf5 *file, const char *path, const char *name)
{
    return moru_fail(MORU_ERR_IO, "%s: attribute \"%s\" of \"%s\" cannot be written", file->name, name, path);
}

static bool write_attribute(hid_t object, const char *name, hid_t type, hid_t space, const void *data)
{
    HANDLE attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    return attribute >= 0 && (!data || H5Awrite(attribute, type, data) >= 0);
}

static hid_t text_type(size_t size, bool utf8)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, size);
    H5Tset_cset(type, utf8 ? H5T_CSET_UTF8 : H5T_CSET_ASCII);
    if (size != H5T_VARIABLE)
        H5Tset_strpad(type, H5T_STR_NULLPAD);
    return type;
}

moru_status moru_hdf5_write_text(moru_hdf5 *file, const char *path, const char *name, const char *text, bool utf8)
{
    INSIDE;
    HANDLE object = H5Oopen(file->id, path, H5P_DEFAULT);
    HANDLE type = text_type(H5T_VARIABLE, utf8);
    HANDLE space = H5Screate(H5S_SCALAR);
    return object >= 0 && write_attribute(object, name, type, space, &text) ? MORU_OK : not_written(file, path, name);
}

/* Texts [from, from + n) in fixed length. */
static bool write_chunk(hid_t object, const char *name, const char *const *texts, int64_t n, size_t length)
{
    hsize_t size = (hsize_t)n;
    char *bytes = calloc((size_t)n, length);
    HANDLE type = text_type(length, false);
    HANDLE space = H5Screate_simple(1, &size, NULL);
    for (int64_t k = 0; k < n && bytes; k++)
        memcpy(bytes + (size_t)k * length, texts[k], strlen(texts[k]));
    bool ok = bytes && write_attribute(object, name, type, space, bytes);
    free(bytes);
    return ok;
}

static bool write_chunks(hid_t object, const char *name, const char *const *texts, int64_t n, size_t length)
{
    int64_t chunks = 1, from = 0;
    char numbered[128];
    while ((n + chunks - 1) / chunks * (int64_t)length > HEADER_LIMIT && chunks < n)
        chunks++;
    for (int64_t k = 0; k < chunks; k++) {
        int64_t size = n / chunks + (k < n % chunks);
        snprintf(numbered, sizeof numbered, "%.100s%lld", name, (long long)k);
        if (!write_chunk(object, numbered, texts + from, size, length))
            return false;
        from += size;
    }
    return true;
}

moru_status moru_hdf5_write_texts(moru_hdf5 *file, const char *path, const char *name, const char *const *texts,
                                  int64_t n)
{
    INSIDE;
    HANDLE object = H5Oopen(file->id, path, H5P_DEFAULT);
    hsize_t size = (hsize_t)n;
    size_t longest = 1;
    for (int64_t k = 0; k < n; k++)
        longest = strlen(texts[k]) > longest ? strlen(texts[k]) : longest;
    bool ok = object >= 0 && longest <= HEADER_LIMIT;
    if (ok && n * (int64_t)longest > HEADER_LIMIT) {
        ok = write_chunks(object, name, texts, n, longest);
    } else if (ok) {
        HANDLE type = n ? text_type(H5T_VARIABLE, false) : H5Tcopy(H5T_IEEE_F64LE);
        HANDLE space = H5Screate_simple(1, &size, NULL);
        ok = write_attribute(object, name, type, space, n ? texts : NULL);
    }
    return ok ? MORU_OK : not_written(file, path, name);
}
