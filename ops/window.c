/* Windows that slide over height and width: convolution and pooling. */
#include <inttypes.h>
#include <stdio.h>

#include "core/status.h"
#include "ops/window.h"

enum { LIMIT = INT32_MAX }; /* of each number, so that products of two fit */

static moru_status check(const moru_window *w, const char *axis)
{
    if (w->size == 0 || w->size > LIMIT || w->stride < 1 || w->stride > LIMIT || w->dilation < 1 || w->dilation > LIMIT)
        return moru_op_error(MORU_ERR_ARGUMENT, "size %" PRId64 ", stride %" PRId64 " and dilation %" PRId64
                             " along the %s: each is at least 1", w->size, w->stride, w->dilation, axis);
    if (w->padding != MORU_VALID && w->padding != MORU_SAME && w->padding != MORU_EXPLICIT)
        return moru_op_error(MORU_ERR_ARGUMENT, "there is no padding %d", (int)w->padding);
    if (w->padding == MORU_EXPLICIT && (w->before < 0 || w->after < 0 || w->before > LIMIT || w->after > LIMIT))
        return moru_op_error(MORU_ERR_ARGUMENT, "the %s can't be padded by %" PRId64 " and %" PRId64, axis, w->before,
                             w->after);
    return MORU_OK;
}

moru_status moru_window_count(const moru_window *w, const char *axis, int64_t length, int64_t *count, int64_t *before)
{
    MORU_TRY(check(w, axis));
    if (length > INT64_MAX / 4)
        return moru_op_error(MORU_ERR_MEMORY, "a %s of %" PRId64 " is more than can be counted", axis, length);
    int64_t extent = (w->size - 1) * w->dilation + 1;
    *before = w->padding == MORU_EXPLICIT ? w->before : 0;
    if (length < 0 || w->size < 0) {
        *count = w->padding == MORU_SAME && w->stride == 1 ? length : -1;
        return MORU_OK;
    }
    if (w->padding == MORU_SAME) { /* the odd one of the padding comes after */
        *count = length / w->stride + (length % w->stride != 0);
        int64_t needed = *count > 0 ? (*count - 1) * w->stride + extent - length : 0;
        *before = needed > 0 ? needed / 2 : 0;
        return MORU_OK;
    }
    int64_t padded = length + *before + (w->padding == MORU_EXPLICIT ? w->after : 0);
    if (padded < extent)
        return moru_op_error(MORU_ERR_SHAPE, "a window of %" PRId64 " doesn't fit into the %s of %" PRId64, extent,
                             axis, padded);
    *count = (padded - extent) / w->stride + 1;
    return MORU_OK;
}

moru_status moru_window_spread(const moru_window *w, const char *axis, int64_t length, int64_t more, int64_t *out)
{
    int64_t kernel = w->size, stride = w->stride, dilation = w->dilation, before = w->before, after = w->after;
    if (kernel == 0 || kernel > LIMIT || stride < 1 || stride > LIMIT || dilation < 1 || dilation > LIMIT)
        return moru_op_error(MORU_ERR_ARGUMENT, "size %" PRId64 ", stride %" PRId64 " and dilation %" PRId64
                             " along the %s: each is at least 1", kernel, stride, dilation, axis);
    if (before < 0 || after < 0 || before > LIMIT || after > LIMIT)
        return moru_op_error(MORU_ERR_ARGUMENT, "%" PRId64 " and %" PRId64 " can't be cut off the %s", before, after,
                             axis);
    if (more < 0 || more >= stride)
        return moru_op_error(MORU_ERR_ARGUMENT, "an output padding of %" PRId64 " along the %s: it is at least 0 and "
                             "less than the stride, %" PRId64, more, axis, stride);
    *out = -1;
    if (length < 0 || kernel < 0)
        return MORU_OK;
    if (length > LIMIT)
        return moru_op_error(MORU_ERR_MEMORY, "a %s of %" PRId64 " is more than can be counted", axis, length);
    *out = (length - 1) * stride + (kernel - 1) * dilation + 1 + more - before - after;
    if (length == 0 || *out < 1)
        return moru_op_error(MORU_ERR_SHAPE, "nothing is left of the %s: %" PRId64 " pixels, of the result %" PRId64
                             " and %" PRId64 " are cut off", axis, length, before, after);
    return MORU_OK;
}

void moru_window_print(moru_padding padding, const int64_t *pads, char *text, size_t size)
{
    if (padding == MORU_EXPLICIT)
        snprintf(text, size, "%" PRId64 "+%" PRId64 ",%" PRId64 "+%" PRId64, pads[0], pads[1], pads[2], pads[3]);
    else
        snprintf(text, size, padding == MORU_SAME ? "same" : "valid");
}
