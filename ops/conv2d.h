/* What convolution and its two gradients share. */
#ifndef MORU_OPS_CONV2D_H
#define MORU_OPS_CONV2D_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

/* Attributes of all three; the gradients have no epilogue. */
typedef struct moru_conv2d_op_attrs {
    int64_t strides[2], dilation[2], groups, padding, pads[4];
    int64_t method;       /* MORU_CONV_BY_COST ... */
    moru_epilogue epilogue;
} moru_conv2d_op_attrs;

/* Geometry for x [n,h,w,c] and weight [kh,kw,c/groups,filters]; open sizes stay negative, oh and ow being -1. */
moru_status moru_conv2d_geometry(const moru_conv2d_op_attrs *attrs, const moru_shape *x, const moru_shape *weight,
                                 moru_conv2d *geometry);
/* The same for run(), where nothing can be wrong. */
moru_conv2d moru_conv2d_of(const void *attrs, const moru_shape *x, const moru_shape *weight);
double moru_conv2d_flops(const moru_conv2d *geometry);
void moru_conv2d_print(const void *attrs, char *text, size_t size);

#endif
