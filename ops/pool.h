/* What pooling and its gradients share. */
#ifndef MORU_OPS_POOL_H
#define MORU_OPS_POOL_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

typedef struct moru_pool2d_op_attrs {
    int64_t size[2], strides[2], padding, pads[4], count_padding;
} moru_pool2d_op_attrs;

/* Geometry for x [n,h,w,c]; open sizes stay negative, oh and ow being -1. */
moru_status moru_pool2d_geometry(const moru_pool2d_op_attrs *attrs, const moru_shape *x, moru_pool2d *geometry);
/* The same for run(), where nothing can be wrong. */
moru_pool2d moru_pool2d_of(const void *attrs, const moru_shape *x);
void moru_pool2d_print(const void *attrs, char *text, size_t size);

#endif
