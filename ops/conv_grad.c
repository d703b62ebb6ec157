/* The two gradients of convolution, of images and of volumes. The three are linear in each operand, so their own
 * gradients are one another. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "core/status.h"
#include "ops/conv.h"
#include "ops/shape_rules.h"

/* dy has to be what a convolution of x with weight gives, all of `rank` axes. */
static moru_status check_dy(const moru_infer *in, int rank, const moru_shape *x, const moru_shape *weight)
{
    const moru_shape *dy = &in->shapes[0];
    moru_conv2d g;
    for (int k = 0; k < 3; k++)
        MORU_TRY(moru_rule_rank(in, k, rank, rank == 4 ? "four axes" : "five axes"));
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_conv_geometry(in->attrs, x, weight, &g));
    moru_shape y = g.volume ? MORU_SHAPE(g.n, g.od, g.oh, g.ow, g.filters) : MORU_SHAPE(g.n, g.oh, g.ow, g.filters);
    if (!moru_rule_same(dy, &y))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of the convolution of %s with %s", MORU_TEXT(dy),
                             MORU_TEXT(x), MORU_TEXT(weight));
    return MORU_OK;
}

/* ---- with respect to the input: dy, weight, x (shape only) ---- */

static moru_status infer_grad_input(const moru_infer *in, int rank, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[2];
    dtypes[0] = MORU_REAL;
    return check_dy(in, rank, &in->shapes[2], &in->shapes[1]);
}

static void vjp_grad_input(const moru_vjp *v)
{
    moru_node *dy = v->inputs[0], *weight = v->inputs[1], *ddx = v->dy[0];
    const moru_conv_ops *ops = moru_conv_ops_for(weight);
    if (v->wanted[0])
        v->dx[0] = moru_call_2(ops->forward, ddx, weight, v->attrs);
    if (v->wanted[1])
        v->dx[1] = moru_call_3(ops->grad_weight, dy, ddx, weight, v->attrs);
}

static size_t workspace_grad_input(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_conv2d g = moru_conv_of(in->attrs, &in->shapes[2], &in->shapes[1]);
    (void)out;
    return moru_kernels_select()->conv2d_grad_input_workspace(&g, threads);
}

static moru_status run_grad_input(const moru_run *run)
{
    moru_conv2d g = moru_conv_of(run->attrs, &run->in[2]->shape, &run->in[1]->shape);
    run->kernels->conv2d_grad_input(&g, run->in[0]->data, run->in[1]->data, run->out[0]->data, run->workspace,
                                    run->threads);
    return MORU_OK;
}

static double flops_grad_input(const moru_infer *in, const moru_shape *out)
{
    moru_conv2d g = moru_conv_of(in->attrs, &in->shapes[2], &in->shapes[1]);
    (void)out;
    return moru_conv_flops(&g);
}

/* ---- with respect to the weight: dy, x, weight (shape only) ---- */

static moru_status infer_grad_weight(const moru_infer *in, int rank, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[2];
    dtypes[0] = MORU_REAL;
    return check_dy(in, rank, &in->shapes[1], &in->shapes[2]);
}

static void vjp_grad_weight(const moru_vjp *v)
{
    moru_node *dy = v->inputs[0], *x = v->inputs[1], *ddw = v->dy[0];
    const moru_conv_ops *ops = moru_conv_ops_for(x);
    if (v->wanted[0])
        v->dx[0] = moru_call_2(ops->forward, x, ddw, v->attrs);
    if (v->wanted[1])
        v->dx[1] = moru_call_3(ops->grad_input, dy, ddw, x, v->attrs);
}

static size_t workspace_grad_weight(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_conv2d g = moru_conv_of(in->attrs, &in->shapes[1], &in->shapes[2]);
    (void)out;
    return moru_kernels_select()->conv2d_grad_weight_workspace(&g, threads);
}

static moru_status run_grad_weight(const moru_run *run)
{
    moru_conv2d g = moru_conv_of(run->attrs, &run->in[1]->shape, &run->in[2]->shape);
    run->kernels->conv2d_grad_weight(&g, run->in[0]->data, run->in[1]->data, run->out[0]->data, run->workspace,
                                     run->threads);
    return MORU_OK;
}

static double flops_grad_weight(const moru_infer *in, const moru_shape *out)
{
    moru_conv2d g = moru_conv_of(in->attrs, &in->shapes[1], &in->shapes[2]);
    (void)out;
    return moru_conv_flops(&g);
}

/* ---- the ops ---- */

#define GRADIENT(conv, rank, which, text) \
    static moru_status infer_##conv##_##which(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes) \
    { \
        return infer_##which(in, rank, shapes, dtypes); \
    } \
    const moru_op_def moru_op_##conv##_##which = { \
        .name = #conv "_" #which, .formula = text, .min_inputs = 3, .max_inputs = 3, .n_outputs = 1, \
        .attr_size = sizeof(moru_conv_op_attrs), .shape_only = 4, \
        .method = 1 + offsetof(moru_conv_op_attrs, method), .infer = infer_##conv##_##which, .vjp = vjp_##which, \
        .workspace = workspace_##which, .run = run_##which, .print = moru_##conv##_print, .flops = flops_##which};

GRADIENT(conv2d, 4, grad_input,
         "dx[n,h,w,c] = sum of dy[n,i,j,f] weight[k,l,c,f] over h = i s + k d - p, w = j s + l d - p, and f")
GRADIENT(conv2d, 4, grad_weight,
         "dweight[k,l,c,f] = sum over n,i,j of x[n, i s + k d - p, j s + l d - p, c] dy[n,i,j,f]")
GRADIENT(conv3d, 5, grad_input,
         "dx[n,d,h,w,c] = sum of dy[n,i,j,k,f] weight[o,l,m,c,f] over the taps that fall on d,h,w, and f")
GRADIENT(conv3d, 5, grad_weight,
         "dweight[o,l,m,c,f] = sum over n,i,j,k of x[n, i s + o d - p, j s + l d - p, k s + m d - p, c] dy[n,i,j,k,f]")
