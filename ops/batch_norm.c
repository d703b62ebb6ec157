/* Batch normalization with the statistics of the batch, and with given ones. */
#include <inttypes.h>
#include <stdio.h>

#include "core/status.h"
#include "ops/batch_norm.h"
#include "ops/shape_rules.h"

moru_status moru_batch_norm_check(const moru_infer *in, int k, int first, int64_t *channels)
{
    const moru_batch_norm_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[k];
    MORU_TRY(moru_infer_all_real(in));
    if (x->rank < 2 || attrs->axis < 0 || attrs->axis >= x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "%s has no axis %" PRId64 " of channels beside others", MORU_TEXT(x),
                             attrs->axis);
    if (!(attrs->epsilon >= 0))
        return moru_op_error(MORU_ERR_ARGUMENT, "an epsilon of %g", attrs->epsilon);
    *channels = x->dims[attrs->axis];
    for (int i = first; i < in->n_inputs; i++) {
        const moru_shape *shape = &in->shapes[i];
        if (shape->rank != 1 || !moru_rule_fits(shape->dims[0], *channels))
            return moru_op_error(MORU_ERR_SHAPE, "input %d is %s for the channels along axis %" PRId64 " of %s", i,
                                 MORU_TEXT(shape), attrs->axis, MORU_TEXT(x));
    }
    return MORU_OK;
}

int moru_batch_norm_axes(const moru_node *x, int64_t axis, int *axes)
{
    int n = 0;
    for (int i = 0; i < x->shape.rank; i++)
        if (i != axis)
            axes[n++] = i;
    return n;
}

moru_node *moru_batch_norm_spread(moru_node *value, const moru_node *x, int64_t axis)
{
    int64_t dims[MORU_MAX_RANK] = {x->shape.dims[axis], 1, 1, 1, 1, 1, 1, 1};
    int rank = x->shape.rank - (int)axis;
    return rank == 1 ? value : moru_reshape(value, dims, rank);
}

void moru_batch_norm_print(const void *attrs_, char *text, size_t size)
{
    const moru_batch_norm_attrs *attrs = attrs_;
    snprintf(text, size, "axis=%" PRId64 " epsilon=%g%s%s", attrs->axis, attrs->epsilon,
             attrs->has_residual ? " +residual" : "", attrs->relu ? " relu" : "");
}

/* gamma and beta among the inputs, those absent NULL. */
static const moru_real *gamma_of(const moru_run *run, const moru_batch_norm_attrs *attrs)
{
    return attrs->has_gamma ? run->in[1]->data : NULL;
}

static const moru_real *beta_of(const moru_run *run, const moru_batch_norm_attrs *attrs)
{
    return attrs->has_beta ? run->in[1 + attrs->has_gamma]->data : NULL;
}

/* ---- with the statistics of the batch: x, [gamma], [beta] ---- */

static moru_status infer_batch_norm(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int64_t channels;
    MORU_TRY(moru_batch_norm_check(in, 0, 1, &channels));
    shapes[0] = in->shapes[0];
    shapes[1] = shapes[2] = MORU_SHAPE(channels);
    dtypes[0] = dtypes[1] = dtypes[2] = MORU_REAL;
    return MORU_OK;
}

/* Mean and variance of x in other ops; returns x - mean. */
static moru_node *expand_moments(moru_node *x, int64_t axis, moru_node *moments[2])
{
    int axes[MORU_MAX_RANK], n = moru_batch_norm_axes(x, axis, axes);
    moments[0] = moru_mean(x, axes, n, false);
    moru_node *centered = moru_sub(x, moru_batch_norm_spread(moments[0], x, axis));
    moments[1] = moru_mean(moru_square(centered), axes, n, false);
    return centered;
}

/* The formula in other ops, for a gradient that comes through mean and variance too. */
static void vjp_through_statistics(const moru_vjp *v, const moru_batch_norm_attrs *attrs)
{
    moru_node *x = v->inputs[0], *ys[3];
    moru_node *centered = expand_moments(x, attrs->axis, ys + 1);
    moru_node *scale = moru_rsqrt(moru_add_scalar(ys[2], attrs->epsilon));
    if (attrs->has_gamma)
        scale = moru_mul(scale, v->inputs[1]);
    ys[0] = moru_mul(centered, moru_batch_norm_spread(scale, x, attrs->axis));
    if (attrs->has_beta)
        ys[0] = moru_add(ys[0], moru_batch_norm_spread(v->inputs[1 + attrs->has_gamma], x, attrs->axis));
    moru_vjp_through(v, ys);
}

static void vjp_batch_norm(const moru_vjp *v)
{
    const moru_batch_norm_attrs *attrs = v->attrs;
    if (v->dy[1] || v->dy[2]) {
        vjp_through_statistics(v, attrs);
        return;
    }
    moru_node *in[] = {v->dy[0], v->inputs[0], v->outputs[1], v->outputs[2], attrs->has_gamma ? v->inputs[1] : NULL};
    moru_node *dx = moru_apply_op(v->graph, &moru_op_batch_norm_grad, in, 4 + (int)attrs->has_gamma, attrs);
    v->dx[0] = dx;
    if (attrs->has_gamma)
        v->dx[1] = moru_node_output(dx, 1);
    if (attrs->has_beta)
        v->dx[1 + attrs->has_gamma] = moru_node_output(dx, 2);
}

static size_t workspace_batch_norm(const moru_infer *in, const moru_shape *out, int threads)
{
    const moru_batch_norm_attrs *attrs = in->attrs;
    moru_around x = moru_around_axis(&in->shapes[0], (int)attrs->axis);
    (void)out;
    return moru_kernels_select()->batch_norm_workspace(x.outer, x.size, x.inner, threads);
}

static moru_status run_batch_norm(const moru_run *run)
{
    const moru_batch_norm_attrs *attrs = run->attrs;
    moru_around x = moru_around_axis(&run->in[0]->shape, (int)attrs->axis);
    moru_real *mean = run->out[1]->data, *variance = run->out[2]->data;
    run->kernels->batch_norm_moments(run->in[0]->data, x.outer, x.size, x.inner, mean, variance, run->workspace,
                                     run->threads);
    run->kernels->batch_norm_apply(run->in[0]->data, NULL, gamma_of(run, attrs), beta_of(run, attrs), mean, variance,
                                   x.outer, x.size, x.inner, attrs->epsilon, false, run->out[0]->data, run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_batch_norm = {
    .name = "batch_norm", .formula = "y = (x - mean)/sqrt(variance + epsilon) gamma + beta, each by channel",
    .min_inputs = 1, .max_inputs = 3, .n_outputs = 3, .attr_size = sizeof(moru_batch_norm_attrs), .in_place = 1,
    .infer = infer_batch_norm, .vjp = vjp_batch_norm, .workspace = workspace_batch_norm, .run = run_batch_norm,
    .print = moru_batch_norm_print,
};

/* ---- its statistics alone: x ---- */

static moru_status infer_moments(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int64_t channels;
    MORU_TRY(moru_batch_norm_check(in, 0, 1, &channels));
    shapes[0] = shapes[1] = MORU_SHAPE(channels);
    dtypes[0] = dtypes[1] = MORU_REAL;
    return MORU_OK;
}

static void vjp_moments(const moru_vjp *v)
{
    moru_node *ys[2];
    expand_moments(v->inputs[0], ((const moru_batch_norm_attrs *)v->attrs)->axis, ys);
    moru_vjp_through(v, ys);
}

static moru_status run_moments(const moru_run *run)
{
    const moru_batch_norm_attrs *attrs = run->attrs;
    moru_around x = moru_around_axis(&run->in[0]->shape, (int)attrs->axis);
    run->kernels->batch_norm_moments(run->in[0]->data, x.outer, x.size, x.inner, run->out[0]->data, run->out[1]->data,
                                     run->workspace, run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_batch_norm_moments = {
    .name = "batch_norm_moments", .formula = "mean and variance of x, each by channel", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 2, .attr_size = sizeof(moru_batch_norm_attrs), .infer = infer_moments,
    .vjp = vjp_moments, .workspace = workspace_batch_norm, .run = run_moments, .print = moru_batch_norm_print,
};

/* ---- with given statistics: x, [gamma], [beta], mean, variance, [residual] ---- */

static moru_status infer_inference(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_batch_norm_attrs *attrs = in->attrs;
    int64_t channels;
    int wanted = 3 + (int)(attrs->has_gamma + attrs->has_beta + attrs->has_residual);
    if (in->n_inputs != wanted)
        return moru_op_error(MORU_ERR_ARGUMENT, "%d inputs do not match the attributes, which speak of %d",
                             in->n_inputs, wanted);
    moru_infer without = *in;
    without.n_inputs -= (int)attrs->has_residual;
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_batch_norm_check(&without, 0, 1, &channels));
    if (attrs->has_residual && !moru_rule_same(&in->shapes[wanted - 1], &in->shapes[0]))
        return moru_op_error(MORU_ERR_SHAPE, "%s can't be added to the normalized %s",
                             MORU_TEXT(&in->shapes[wanted - 1]), MORU_TEXT(&in->shapes[0]));
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_inference(const moru_vjp *v)
{
    const moru_batch_norm_attrs *attrs = v->attrs;
    int statistics = 1 + (int)(attrs->has_gamma + attrs->has_beta);
    moru_node *x = v->inputs[0], *mean = v->inputs[statistics], *variance = v->inputs[statistics + 1];
    moru_node *scale = moru_rsqrt(moru_add_scalar(variance, attrs->epsilon));
    if (attrs->has_gamma)
        scale = moru_mul(scale, v->inputs[1]);
    moru_node *centered = moru_sub(x, moru_batch_norm_spread(mean, x, attrs->axis));
    moru_node *y = moru_mul(centered, moru_batch_norm_spread(scale, x, attrs->axis));
    if (attrs->has_beta)
        y = moru_add(y, moru_batch_norm_spread(v->inputs[1 + attrs->has_gamma], x, attrs->axis));
    if (attrs->has_residual)
        y = moru_add(y, v->inputs[statistics + 2]);
    if (attrs->relu)
        y = moru_relu(y);
    moru_vjp_through(v, &y);
}

static moru_status run_inference(const moru_run *run)
{
    const moru_batch_norm_attrs *attrs = run->attrs;
    moru_around x = moru_around_axis(&run->in[0]->shape, (int)attrs->axis);
    const moru_view *const *statistics = run->in + 1 + attrs->has_gamma + attrs->has_beta;
    run->kernels->batch_norm_apply(run->in[0]->data, attrs->has_residual ? statistics[2]->data : NULL,
                                   gamma_of(run, attrs), beta_of(run, attrs), statistics[0]->data, statistics[1]->data,
                                   x.outer, x.size, x.inner, attrs->epsilon, attrs->relu, run->out[0]->data,
                                   run->threads);
    return MORU_OK;
}

/* y may lie over any operand of its size: each part of y is written after what it is made from was read. */
const moru_op_def moru_op_batch_norm_inference = {
    .name = "batch_norm_inference",
    .formula = "y = (x - mean)/sqrt(variance + epsilon) gamma + beta with given mean and variance", .min_inputs = 3,
    .max_inputs = 6, .n_outputs = 1, .attr_size = sizeof(moru_batch_norm_attrs), .in_place = 0x3f,
    .infer = infer_inference, .vjp = vjp_inference, .run = run_inference, .print = moru_batch_norm_print,
};

static moru_node *normalize(const moru_op_def *op, moru_node *x, moru_node *gamma, moru_node *beta, moru_node *mean,
                            moru_node *variance, int axis, double epsilon)
{
    moru_batch_norm_attrs attrs = {.has_gamma = gamma != NULL, .has_beta = beta != NULL, .epsilon = epsilon};
    moru_node *in[5] = {x};
    int n = 1;
    attrs.axis = moru_node_failed(x) ? axis : moru_axis_of(axis, x->shape.rank);
    if (gamma)
        in[n++] = gamma;
    if (beta)
        in[n++] = beta;
    if (op == &moru_op_batch_norm_inference) {
        in[n++] = mean;
        in[n++] = variance;
    }
    return moru_apply_op(moru_graph_of(in, n), op, in, n, &attrs);
}

moru_node *moru_batch_norm(moru_node *x, moru_node *gamma, moru_node *beta, int axis, double epsilon)
{
    return normalize(&moru_op_batch_norm, x, gamma, beta, NULL, NULL, axis, epsilon);
}

moru_node *moru_batch_norm_inference(moru_node *x, moru_node *gamma, moru_node *beta, moru_node *mean,
                                     moru_node *variance, int axis, double epsilon)
{
    return normalize(&moru_op_batch_norm_inference, x, gamma, beta, mean, variance, axis, epsilon);
}
