/* Axes among a layer's options: one, or several in any order. */
#ifndef MORU_LAYERS_AXES_H
#define MORU_LAYERS_AXES_H

#include "layers/layer.h"

typedef struct moru_axes {
    int n;
    int sorted[MORU_MAX_RANK];  /* counted from the front, ascending */
    int as_given[MORU_MAX_RANK]; /* the same, sorted as they were given, negative ones first: so Keras's weights lie */
    bool last;                  /* they are the last n */
} moru_axes;

/* Axes, each named once, of x; none (rank 0) is an error. known: their sizes must be known, and none be the batch. */
moru_status moru_layer_axes(const moru_layer *layer, const moru_shape *axis, const moru_shape *x, bool known,
                            moru_axes *out);
/* The sizes of the axes: the shape of a weight. */
moru_shape moru_axes_sizes(const moru_axes *axes, const moru_shape *x);
/* A weight of those sizes for arithmetic with x: 1 at the other axes. */
moru_node *moru_axes_spread(const moru_axes *axes, moru_node *weight, moru_node *x);
/* The order that brings the axes to the end, and the one back from there; for moru_transpose(). */
void moru_axes_to_end(const moru_axes *axes, int rank, int *order, int *back);
/* x/|x|, |x| along n axes being at least `least`. */
moru_node *moru_divide_by_length(moru_node *x, const int *axes, int n, double least);

#endif
