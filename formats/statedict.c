/* HDF5 files of a state_dict: data sets by the names of PyTorch's parameters, in groups or not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/bundle.h"
#include "formats/hdf5.h"

enum { MAX_DEPTH = 16, MAX_NAME = 1024, MAX_VISITS = 100000 };

static moru_status read_item(const moru_bundle *b, const moru_bundle_item *item, moru_dtype dtype,
                             void *data)
{
    return moru_hdf5_read(b->inside, item->place ? item->place : item->name,
                          dtype == MORU_REAL ? MORU_HDF5_REAL : MORU_HDF5_INT32, data, item->size);
}

static void close_file(moru_bundle *b)
{
    moru_hdf5_close(b->inside);
}

static moru_status add_group(moru_bundle *b, const char *group, int depth)
{
    int64_t n;
    MORU_TRY(moru_hdf5_count(b->inside, group, &n));
    if (depth > MAX_DEPTH || (b->base += n) > MAX_VISITS) /* groups may hold each other */
        return moru_fail(MORU_ERR_FORMAT, "%s: too many groups lie in each other", b->path);
    for (int64_t k = 0; k < n; k++) {
        char *name, path[MAX_NAME];
        moru_hdf5_kind kind;
        moru_hdf5_type type;
        moru_shape shape;
        moru_bundle_item *item;
        MORU_TRY(moru_hdf5_name_at(b->inside, group, k, &name));
        int length = snprintf(path, sizeof path, "%s%s%s", group, *group ? "/" : "", name);
        free(name);
        if (length >= MAX_NAME)
            return moru_fail(MORU_ERR_FORMAT, "%s: a name in \"%.100s\" is too long", b->path, group);
        MORU_TRY(moru_hdf5_find(b->inside, path, &kind));
        if (kind == MORU_HDF5_GROUP) {
            MORU_TRY(add_group(b, path, depth + 1));
            continue;
        }
        MORU_TRY(moru_hdf5_describe(b->inside, path, &type, &shape));
        MORU_TRY(moru_bundle_add(b, path, &shape, &item));
        item->kind = type == MORU_HDF5_REAL ? MORU_RAW_F32 : MORU_RAW_I64;
        item->type = type == MORU_HDF5_REAL ? "real" : "integer";
        if (strchr(path, '/')) { /* groups stand for modules */
            if (!(item->place = strdup(path)))
                return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", b->path);
            for (char *c = item->name; *c; c++)
                *c = *c == '/' ? '.' : *c;
        }
    }
    return MORU_OK;
}

moru_status moru_statedict_open(moru_bundle **bundle, const char *path)
{
    moru_bundle *b;
    moru_hdf5 *file;
    *bundle = NULL;
    MORU_TRY(moru_hdf5_open(&file, path));
    moru_status status = moru_bundle_new(&b, path);
    if (status != MORU_OK) {
        moru_hdf5_close(file);
        return status;
    }
    b->inside = file;
    b->read = read_item;
    b->close = close_file;
    status = add_group(b, "", 0);
    if (status != MORU_OK) {
        moru_bundle_free(b);
        return status;
    }
    moru_bundle_sort(b);
    *bundle = b;
    return MORU_OK;
}
