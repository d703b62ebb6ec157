/* NumPy broadcasting at run time: a plan of rows along which each input has stride 0 or 1, as the kernels want it. */
#ifndef MORU_OPS_BROADCAST_H
#define MORU_OPS_BROADCAST_H

#include <moru/op.h>

enum { MORU_BROADCAST_INPUTS = 16 };

/* Adjacent dimensions that all inputs walk in one stride are merged; the innermost one left is the row. */
typedef struct moru_broadcast {
    int n_inputs;
    int rank;                      /* of the dimensions outside of the row */
    int64_t dims[MORU_MAX_RANK];
    int64_t strides[MORU_BROADCAST_INPUTS][MORU_MAX_RANK];
    int64_t rows, inner;
    int inner_strides[MORU_BROADCAST_INPUTS];
} moru_broadcast;

/* A piece of n elements: where it starts in the output and in each input, in elements. */
typedef void moru_broadcast_fn(const void *context, int64_t out, const int64_t *in, int64_t n);

/* The plan for inputs of these concrete shapes, which broadcast to out. */
void moru_broadcast_plan(moru_broadcast *plan, const moru_shape *out, const moru_view *const *in, int n_inputs);
/* Calls fn for all pieces, on up to `threads` threads if there is enough to do. Pieces depend on the plan alone.
 * cost: elementary operations an element. */
void moru_broadcast_for(const moru_broadcast *plan, int cost, int threads, moru_broadcast_fn *fn, const void *context);

#endif
