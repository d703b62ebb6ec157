/* The value itself, with and without its gradient. */
#include "ops/shape_rules.h"

static moru_status infer_same(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[0];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void vjp_stop_gradient(const moru_vjp *v)
{
    (void)v; /* dx stays unset: zero */
}

static void vjp_identity(const moru_vjp *v)
{
    v->dx[0] = v->dy[0];
}

const moru_op_def moru_op_stop_gradient = {
    .name = "stop_gradient", .formula = "y = x, dx = 0", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
    .flags = MORU_OP_ALIAS | MORU_OP_RESIZE, .in_place = 1, .infer = infer_same, .vjp = vjp_stop_gradient,
    .run = moru_run_alias,
};

const moru_op_def moru_op_identity = {
    .name = "identity", .formula = "y = x", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
    .flags = MORU_OP_ALIAS | MORU_OP_RESIZE,
    .in_place = 1, .infer = infer_same, .vjp = vjp_identity, .run = moru_run_alias,
};

moru_node *moru_stop_gradient(moru_node *x)
{
    return moru_call_1(&moru_op_stop_gradient, x, NULL);
}

moru_node *moru_identity(moru_node *x)
{
    return moru_call_1(&moru_op_identity, x, NULL);
}
