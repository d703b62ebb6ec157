/* What convolution of volumes and its two gradients share. */
#ifndef MORU_OPS_CONV3D_H
#define MORU_OPS_CONV3D_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

/* Attributes of all three; the gradients have no epilogue. */
typedef struct moru_conv3d_op_attrs {
    int64_t strides[3], dilation[3], groups, padding, pads[6];
    int64_t method;       /* MORU_CONV_BY_COST ... */
    moru_epilogue epilogue;
} moru_conv3d_op_attrs;

/* Geometry for x [n,d,h,w,c] and weight [kd,kh,kw,c/groups,filters]; open sizes stay negative, od, oh, ow being -1. */
moru_status moru_conv3d_geometry(const moru_conv3d_op_attrs *attrs, const moru_shape *x, const moru_shape *weight,
                                 moru_conv2d *geometry);
/* The same for run(), where nothing can be wrong. */
moru_conv2d moru_conv3d_of(const void *attrs, const moru_shape *x, const moru_shape *weight);
/* Volumes that are convolved image by image, as images. */
void moru_conv3d_flatten(moru_conv2d *geometry);
void moru_conv3d_print(const void *attrs, char *text, size_t size);

#endif
