/* What layer normalization and its gradient share. */
#ifndef MORU_OPS_LAYER_NORM_H
#define MORU_OPS_LAYER_NORM_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

typedef struct moru_layer_norm_attrs {
    int64_t axes; /* how many of the last ones are normalized over */
    int64_t has_gamma, has_beta;
    double epsilon;
} moru_layer_norm_attrs;

/* Checks that input x has those axes, and that inputs first..n_inputs-1 have their shape. */
moru_status moru_layer_norm_check(const moru_infer *in, int x, int first);
/* The shape of the sizes before the normalized ones, and of these. */
moru_shape moru_layer_norm_outer(const moru_shape *x, int64_t axes);
moru_shape moru_layer_norm_inner(const moru_shape *x, int64_t axes);
/* Numbers of a concrete shape's axes as rows and their width. */
void moru_layer_norm_sizes(const moru_shape *x, int64_t axes, int64_t *rows, int64_t *width);
/* mean(x) over the normalized axes, which are kept as sizes of 1. */
moru_node *moru_layer_norm_mean(moru_node *x, int64_t axes);
/* A value of each row, with sizes of 1 for the normalized axes. */
moru_node *moru_layer_norm_spread(moru_node *value, int64_t axes);
void moru_layer_norm_print(const void *attrs, char *text, size_t size);

#endif
