/* Zeros and ones of a value's shape. */
#include <string.h>

#include "ops/shape_rules.h"

static moru_status infer_like(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[0];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

/* Only the shape of x is read. */
static void vjp_like(const moru_vjp *v)
{
    (void)v;
}

static moru_status run_zeros_like(const moru_run *run)
{
    const moru_view *y = run->out[0];
    if (y->size > 0)
        memset(y->data, 0, (size_t)y->size * moru_dtype_size(y->dtype));
    return MORU_OK;
}

static moru_status run_ones_like(const moru_run *run)
{
    const moru_view *y = run->out[0];
    for (int64_t i = 0; i < y->size; i++) {
        if (y->dtype == MORU_INT32)
            ((int32_t *)y->data)[i] = 1;
        else
            ((moru_real *)y->data)[i] = 1;
    }
    return MORU_OK;
}

const moru_op_def moru_op_zeros_like = {
    .name = "zeros_like", .formula = "y = 0", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .shape_only = 1,
    .infer = infer_like, .vjp = vjp_like, .run = run_zeros_like,
};

const moru_op_def moru_op_ones_like = {
    .name = "ones_like", .formula = "y = 1", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .shape_only = 1,
    .infer = infer_like, .vjp = vjp_like, .run = run_ones_like,
};

moru_node *moru_zeros_like(moru_node *x)
{
    return moru_call_1(&moru_op_zeros_like, x, NULL);
}

moru_node *moru_ones_like(moru_node *x)
{
    return moru_call_1(&moru_op_ones_like, x, NULL);
}
