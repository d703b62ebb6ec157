/* What convolution of images and of volumes, its two gradients and its transposed form share. */
#ifndef MORU_OPS_CONV_H
#define MORU_OPS_CONV_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

/* Attributes of all, axis by axis: height, width; or depth, height, width. The gradients have no epilogue. */
typedef struct moru_conv_op_attrs {
    int64_t strides[3], dilation[3], groups, padding, pads[6];
    int64_t method;       /* MORU_CONV_BY_COST ... */
    moru_epilogue epilogue;
} moru_conv_op_attrs;

/* As builders are given them: `axes` numbers of each, strides and dilation of 0 being 1; pads may be NULL. */
moru_conv_op_attrs moru_conv_attrs_of(int axes, const int64_t *strides, const int64_t *dilation, int64_t groups,
                                      moru_padding padding, const int64_t *pads);
/* Geometry for x [n,h,w,c] and weight [kh,kw,c/groups,filters], or x [n,d,h,w,c] and weight [kd,kh,kw,..]; open sizes
 * stay negative, od, oh and ow being -1. */
moru_status moru_conv_geometry(const moru_conv_op_attrs *attrs, const moru_shape *x, const moru_shape *weight,
                               moru_conv2d *geometry);
/* The same for run(), where nothing can be wrong. Volumes that are convolved image by image become images. */
moru_conv2d moru_conv_of(const void *attrs, const moru_shape *x, const moru_shape *weight);
void moru_conv_flatten(moru_conv2d *geometry);
double moru_conv_flops(const moru_conv2d *geometry);
void moru_conv2d_print(const void *attrs, char *text, size_t size);
void moru_conv3d_print(const void *attrs, char *text, size_t size);
/* The gradient by way of the plain op, where an epilogue has been taken in; false: there is none. plain is the op's
 * attributes without it. */
bool moru_conv_vjp_epilogue(const moru_vjp *v, const moru_op_def *op, const moru_epilogue *epilogue, const void *plain);

/* The ops for x of four axes, or of five. */
typedef struct moru_conv_ops { const moru_op_def *forward, *grad_input, *grad_weight, *transpose; } moru_conv_ops;
const moru_conv_ops *moru_conv_ops_for(const moru_node *x);

#endif
