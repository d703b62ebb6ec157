/* Windows that slide over height and width: convolution and pooling. */
#ifndef MORU_OPS_WINDOW_H
#define MORU_OPS_WINDOW_H

#include "ops/op_table.h"

/* One axis of it. */
typedef struct moru_window {
    int64_t size, stride, dilation;
    moru_padding padding;
    int64_t before, after; /* for explicit padding */
} moru_window;

/* How many windows fit into `length`, and the padding before the first; axis names it in messages. Where length is
 * open the number is too: *count = length if that is known to be the same, else -1. */
moru_status moru_window_count(const moru_window *window, const char *axis, int64_t length, int64_t *count,
                              int64_t *before);
/* The reverse, of a transposed convolution: what `length` windows spread over, less the padding, and `more` at the end
 * (less than the stride); -1 where length or size is open. */
moru_status moru_window_spread(const moru_window *window, const char *axis, int64_t length, int64_t more, int64_t *out);
/* "valid", "same", or "top+bottom,left+right". */
void moru_window_print(moru_padding padding, const int64_t *pads, char *text, size_t size);

#endif
