/* Sums of neighbours along one axis: attributes, and the table of weights. */
#ifndef MORU_OPS_RESAMPLE_H
#define MORU_OPS_RESAMPLE_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

/* The first ones are moru_interpolation, those from MORU_RESAMPLE_PAD on moru_pad_mode. */
enum { MORU_RESAMPLE_ADAPTIVE = MORU_LANCZOS5 + 1, MORU_RESAMPLE_PAD };

typedef struct moru_resample_attrs {
    int64_t axis, kind;
    int64_t size, factor;  /* the result's size; 0: factor times x's */
    int64_t antialias;
    int64_t before, after; /* padding */
} moru_resample_attrs;

/* The most elements of x that one of the result needs. */
int64_t moru_resample_width(const moru_resample_attrs *attrs, int64_t from, int64_t to);
/* Bytes for the table of an axis of `from` elements that becomes `to`, and the table in these bytes. */
size_t moru_resample_bytes(const moru_resample_attrs *attrs, int64_t from, int64_t to);
moru_taps moru_resample_taps(const moru_resample_attrs *attrs, int64_t from, int64_t to, void *bytes);

#endif
