#include "formats/intake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const moru_weights_options moru_weights_strict = {.by_name = false};

moru_intake_item *moru_intake_add(moru_intake *in, moru_tensor *target, const char *path)
{
    if (in->n == in->capacity) {
        int more = in->capacity ? 2 * in->capacity : 32;
        moru_intake_item *fresh = realloc(in->items, (size_t)more * sizeof *fresh);
        if (fresh) {
            in->items = fresh;
            in->capacity = more;
        }
    }
    char *copy = in->n < in->capacity ? strdup(path) : NULL;
    if (!copy) {
        moru_listing_add(&in->faults, MORU_ERR_MEMORY, "out of memory");
        return NULL;
    }
    in->items[in->n] = (moru_intake_item){.target = target, .path = copy};
    return &in->items[in->n++];
}

void moru_intake_fault(moru_intake *in, moru_status status)
{
    const char *text = moru_last_error();
    size_t n = strlen(in->where);
    if (strncmp(text, in->where, n) == 0 && strncmp(text + n, ": ", 2) == 0)
        text += n + 2;
    moru_listing_add(&in->faults, status, "%s", text);
}

#define SAY(listing) do { \
        char text_[1024]; \
        va_list args_; \
        va_start(args_, format); \
        vsnprintf(text_, sizeof text_, format, args_); \
        va_end(args_); \
        moru_listing_add((listing), MORU_ERR_SHAPE, "%s", text_); \
    } while (0)

void moru_intake_mismatch(moru_intake *in, const char *format, ...)
{
    SAY(in->options->skip_mismatch ? &in->skipped : &in->faults);
}

void moru_intake_missing(moru_intake *in, const char *format, ...)
{
    SAY(in->options->partial || in->options->by_name ? &in->skipped : &in->faults);
}

void moru_intake_hdf5(moru_intake *in, moru_hdf5 *file, const char *path, const char *what, moru_tensor *target)
{
    moru_hdf5_type type;
    moru_shape shape;
    char here[MORU_SHAPE_TEXT], there[MORU_SHAPE_TEXT];
    moru_status status = moru_hdf5_describe(file, path, &type, &shape);
    if (status != MORU_OK)
        moru_intake_fault(in, status);
    else if (!moru_shape_equal(&shape, moru_tensor_shape(target)))
        moru_intake_mismatch(in, "\"%s\" is %s in the file and %s %s in the model", path,
                             moru_shape_print(&shape, there, sizeof there), what,
                             moru_shape_print(moru_tensor_shape(target), here, sizeof here));
    else
        moru_intake_add(in, target, path);
}

moru_status moru_intake_read_hdf5(const moru_intake *in, const moru_intake_item *item, moru_real *data)
{
    return moru_hdf5_read(in->source, item->path, MORU_HDF5_REAL, data, moru_tensor_size(item->target));
}

moru_status moru_intake_run(moru_intake *in)
{
    MORU_TRY(moru_listing_fail(&in->faults, in->where, "doesn't fit the model"));
    for (int k = 0; k < in->n; k++) {
        moru_intake_item *item = &in->items[k];
        moru_tensor *to = item->target;
        if (!in->fresh) {
            to = item->value = moru_tensor_new(MORU_REAL, *moru_tensor_shape(item->target));
            if (!to)
                return moru_fail_in(MORU_ERR_MEMORY, in->where);
        }
        MORU_TRY(in->read(in, item, moru_tensor_data(to)));
    }
    return MORU_OK;
}

void moru_intake_commit(moru_intake *in)
{
    for (int k = 0; k < in->n; k++)
        if (in->items[k].value)
            memcpy(moru_tensor_data(in->items[k].target), moru_tensor_const_data(in->items[k].value),
                   (size_t)moru_tensor_size(in->items[k].target) * sizeof(moru_real));
    if (in->options->skipped)
        *in->options->skipped = in->skipped.count ? strdup(in->skipped.text) : NULL;
    if (in->options->loaded)
        *in->options->loaded = in->n;
}

void moru_intake_free(moru_intake *in)
{
    for (int k = 0; k < in->n; k++) {
        moru_tensor_free(in->items[k].value);
        free(in->items[k].path);
    }
    free(in->items);
    in->items = NULL;
    in->n = in->capacity = 0;
}
