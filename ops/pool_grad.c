/* Gradients of pooling, and what their own gradients need. */
#include <stdio.h>

#include "core/status.h"
#include "ops/pool.h"
#include "ops/shape_rules.h"

/* Inputs `small` are to be of the shape that pooling x gives. */
static moru_status check_pooled(const moru_infer *in, int x, const int *small, int n_small)
{
    moru_pool2d g;
    for (int k = 0; k < in->n_inputs; k++)
        MORU_TRY(moru_rule_rank(in, k, 4, "four axes"));
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_pool2d_geometry(in->attrs, &in->shapes[x], &g));
    moru_shape y = MORU_SHAPE(g.n, g.oh, g.ow, g.c);
    for (int k = 0; k < n_small; k++)
        if (!moru_rule_same(&in->shapes[small[k]], &y))
            return moru_op_error(MORU_ERR_SHAPE, "input %d is %s, pooling %s gives %s", small[k],
                                 MORU_TEXT(&in->shapes[small[k]]), MORU_TEXT(&in->shapes[x]), MORU_TEXT(&y));
    return MORU_OK;
}

/* ---- of the largest: dy, x, y ---- */

static moru_status infer_max_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[1];
    dtypes[0] = MORU_REAL;
    return check_pooled(in, 1, (const int[]){0, 2}, 2);
}

/* Where the largest lies doesn't change with x, but at the kinks. */
static void vjp_max_grad(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_3(&moru_op_max_pool2d_pick, v->dy[0], v->inputs[1], v->inputs[2], v->attrs);
}

static moru_status run_max_grad(const moru_run *run)
{
    moru_pool2d g = moru_pool2d_of(run->attrs, &run->in[1]->shape);
    run->kernels->max_pool2d_grad(&g, run->in[0]->data, run->in[1]->data, run->in[2]->data, run->out[0]->data,
                                  run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_max_pool2d_grad = {
    .name = "max_pool2d_grad", .formula = "dx[n,h,w,c] = sum of dy over the windows whose first largest x is at h,w",
    .min_inputs = 3, .max_inputs = 3, .n_outputs = 1, .attr_size = sizeof(moru_pool2d_op_attrs),
    .infer = infer_max_grad, .vjp = vjp_max_grad, .run = run_max_grad, .print = moru_pool2d_print,
};

/* ---- what lies where the largest is: ddx, x, y ---- */

static moru_status infer_pick(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[2];
    dtypes[0] = MORU_REAL;
    MORU_TRY(check_pooled(in, 1, (const int[]){2}, 1));
    if (!moru_rule_same(&in->shapes[0], &in->shapes[1]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is to be picked from as %s is", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&in->shapes[1]));
    return MORU_OK;
}

static void vjp_pick(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_3(&moru_op_max_pool2d_grad, v->dy[0], v->inputs[1], v->inputs[2], v->attrs);
}

static moru_status run_pick(const moru_run *run)
{
    moru_pool2d g = moru_pool2d_of(run->attrs, &run->in[1]->shape);
    run->kernels->max_pool2d_pick(&g, run->in[0]->data, run->in[1]->data, run->in[2]->data, run->out[0]->data,
                                  run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_max_pool2d_pick = {
    .name = "max_pool2d_pick", .formula = "y[n,i,j,c] = ddx where the window's first largest x is", .min_inputs = 3,
    .max_inputs = 3, .n_outputs = 1, .attr_size = sizeof(moru_pool2d_op_attrs), .infer = infer_pick, .vjp = vjp_pick,
    .run = run_pick, .print = moru_pool2d_print,
};

/* ---- of the mean: dy, x (shape only) ---- */

static moru_status infer_avg_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[1];
    dtypes[0] = MORU_REAL;
    return check_pooled(in, 1, (const int[]){0}, 1);
}

static void vjp_avg_grad(const moru_vjp *v)
{
    v->dx[0] = moru_call_1(&moru_op_avg_pool2d, v->dy[0], v->attrs);
}

static moru_status run_avg_grad(const moru_run *run)
{
    moru_pool2d g = moru_pool2d_of(run->attrs, &run->in[1]->shape);
    run->kernels->avg_pool2d_grad(&g, run->in[0]->data, run->out[0]->data, run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_avg_pool2d_grad = {
    .name = "avg_pool2d_grad", .formula = "dx[n,h,w,c] = sum of dy / cells over the windows that hold h,w",
    .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, .attr_size = sizeof(moru_pool2d_op_attrs), .shape_only = 2,
    .infer = infer_avg_grad, .vjp = vjp_avg_grad, .run = run_avg_grad, .print = moru_pool2d_print,
};
