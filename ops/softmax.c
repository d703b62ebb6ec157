/* Softmax and its logarithm along one axis. */
#include <stdio.h>
#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/elementwise.h"

typedef struct softmax_attrs { int32_t axis; } softmax_attrs;

#define AXIS(attrs) (((const softmax_attrs *)(attrs))->axis)

static moru_status infer_softmax(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int axis;
    MORU_TRY(moru_infer_unary(in, shapes, dtypes));
    return moru_infer_axis(in, AXIS(in->attrs), &axis);
}

static moru_status infer_softmax_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int axis;
    MORU_TRY(moru_infer_same(in, shapes, dtypes));
    return moru_infer_axis(in, AXIS(in->attrs), &axis);
}

static int threads_for(const moru_run *run)
{
    return run->out[0]->size >= MORU_PARALLEL_MIN / MORU_COSTLY ? run->threads : 1;
}

static moru_status run_forward(const moru_run *run, bool log)
{
    const moru_shape *shape = &run->in[0]->shape;
    moru_around a = moru_around_axis(shape, moru_axis_of(AXIS(run->attrs), shape->rank));
    run->kernels->softmax(log, run->in[0]->data, a.outer, a.size, a.inner, run->out[0]->data, threads_for(run));
    return MORU_OK;
}

static moru_status run_backward(const moru_run *run, bool log)
{
    const moru_shape *shape = &run->in[0]->shape;
    moru_around a = moru_around_axis(shape, moru_axis_of(AXIS(run->attrs), shape->rank));
    run->kernels->softmax_grad(log, run->in[0]->data, run->in[1]->data, a.outer, a.size, a.inner, run->out[0]->data,
                               threads_for(run));
    return MORU_OK;
}

static void print_axis(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "axis=%d", (int)AXIS(attrs));
}

/* The sum along the axis, kept as a size of 1. */
static moru_node *sum_along(const moru_vjp *v, moru_node *x)
{
    int axis = AXIS(v->attrs);
    return moru_sum(x, &axis, 1, true);
}

#define SOFTMAX(op, log, formula_forward, formula_backward) \
    static moru_status run_##op(const moru_run *run) \
    { \
        return run_forward(run, log); \
    } \
    static moru_status run_##op##_grad(const moru_run *run) \
    { \
        return run_backward(run, log); \
    } \
    static void vjp_##op(const moru_vjp *v) \
    { \
        v->dx[0] = moru_call_2(&moru_op_##op##_grad, VJP_DY, VJP_Y, v->attrs); \
    } \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = formula_forward, .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, \
        .attr_size = sizeof(softmax_attrs), .in_place = 1, .infer = infer_softmax, .vjp = vjp_##op, .run = run_##op, \
        .print = print_axis}; \
    const moru_op_def moru_op_##op##_grad = { \
        .name = #op "_grad", .formula = formula_backward, .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, \
        .attr_size = sizeof(softmax_attrs), .in_place = 3, .infer = infer_softmax_grad, \
        .vjp = vjp_##op##_grad, .run = run_##op##_grad, .print = print_axis}; \
    moru_node *moru_##op(moru_node *x, int axis) \
    { \
        return moru_call_1(&moru_op_##op, x, &(softmax_attrs){axis}); \
    }

/* The Jacobian diag(y) - y y^T is symmetric; that of y -> dx, with s = sum(dy y), gives g (dy - s) - dy sum(g y). */
static void vjp_softmax_grad(const moru_vjp *v)
{
    moru_node *g = VJP_DY, *dy = VJP_A, *y = VJP_B;
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_softmax_grad, g, y, v->attrs);
    if (v->wanted[1]) {
        moru_node *centred = moru_sub(dy, sum_along(v, moru_mul(dy, y)));
        v->dx[1] = moru_sub(moru_mul(g, centred), moru_mul(dy, sum_along(v, moru_mul(g, y))));
    }
}
SOFTMAX(softmax, false, "y = e^x / sum e^x along axis", "dx = y (dy - sum(dy y))")

/* dx = dy - e^y sum(dy): for dy, g - sum(g e^y); for y, -g e^y sum(dy). */
static void vjp_log_softmax_grad(const moru_vjp *v)
{
    moru_node *g = VJP_DY, *dy = VJP_A, *weighted = moru_mul(g, moru_exp(VJP_B));
    if (v->wanted[0])
        v->dx[0] = moru_sub(g, sum_along(v, weighted));
    if (v->wanted[1])
        v->dx[1] = moru_neg(moru_mul(weighted, sum_along(v, dy)));
}
SOFTMAX(log_softmax, true, "y = x - log sum e^x along axis", "dx = dy - e^y sum(dy)")
