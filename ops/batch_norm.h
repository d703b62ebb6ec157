/* What batch normalization and its gradient share. */
#ifndef MORU_OPS_BATCH_NORM_H
#define MORU_OPS_BATCH_NORM_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

typedef struct moru_batch_norm_attrs {
    int64_t axis; /* of the channels, from the front */
    int64_t has_gamma, has_beta;
    double epsilon;
    int64_t relu;         /* set by compiling: y = relu(y) */
    int64_t has_residual; /* set by compiling, with given statistics: the last input is added to y before */
} moru_batch_norm_attrs;

/* Checks input x and the [channels] inputs first..n_inputs-1; *channels may be open. */
moru_status moru_batch_norm_check(const moru_infer *in, int x, int first, int64_t *channels);
/* All axes of x but the channels': their number. */
int moru_batch_norm_axes(const moru_node *x, int64_t axis, int *axes);
/* A value [channels] shaped so that it broadcasts along the axis of x. */
moru_node *moru_batch_norm_spread(moru_node *value, const moru_node *x, int64_t axis);
void moru_batch_norm_print(const void *attrs, char *text, size_t size);

#endif
