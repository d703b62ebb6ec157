/* Layer normalization over the last axes. */
#include <inttypes.h>
#include <stdio.h>

#include "core/status.h"
#include "ops/layer_norm.h"
#include "ops/shape_rules.h"

moru_shape moru_layer_norm_outer(const moru_shape *x, int64_t axes)
{
    moru_shape shape = *x;
    shape.rank -= (int)axes;
    return shape;
}

moru_shape moru_layer_norm_inner(const moru_shape *x, int64_t axes)
{
    moru_shape shape = {.rank = (int)axes};
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = x->dims[x->rank - shape.rank + i];
    return shape;
}

moru_status moru_layer_norm_check(const moru_infer *in, int k, int first)
{
    const moru_layer_norm_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[k];
    MORU_TRY(moru_infer_all_real(in));
    if (attrs->axes < 1 || attrs->axes > x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "%s doesn't have the %" PRId64 " last axes to normalize over",
                             MORU_TEXT(x), attrs->axes);
    if (!(attrs->epsilon >= 0))
        return moru_op_error(MORU_ERR_ARGUMENT, "an epsilon of %g", attrs->epsilon);
    moru_shape inner = moru_layer_norm_inner(x, attrs->axes);
    for (int i = first; i < in->n_inputs; i++)
        if (!moru_rule_same(&in->shapes[i], &inner))
            return moru_op_error(MORU_ERR_SHAPE, "input %d is %s for the last axes %s of %s", i,
                                 MORU_TEXT(&in->shapes[i]), MORU_TEXT(&inner), MORU_TEXT(x));
    return MORU_OK;
}

void moru_layer_norm_sizes(const moru_shape *x, int64_t axes, int64_t *rows, int64_t *width)
{
    *rows = *width = 1;
    for (int i = 0; i < x->rank; i++)
        *(i < x->rank - (int)axes ? rows : width) *= x->dims[i];
}

moru_node *moru_layer_norm_mean(moru_node *x, int64_t axes)
{
    int last[MORU_MAX_RANK];
    for (int i = 0; i < (int)axes; i++)
        last[i] = -1 - i;
    return moru_mean(x, last, (int)axes, true);
}

moru_node *moru_layer_norm_spread(moru_node *value, int64_t axes)
{
    for (int64_t i = 0; i < axes; i++)
        value = moru_expand_dims(value, -1);
    return value;
}

void moru_layer_norm_print(const void *attrs_, char *text, size_t size)
{
    const moru_layer_norm_attrs *attrs = attrs_;
    snprintf(text, size, "axes=%" PRId64 " epsilon=%g", attrs->axes, attrs->epsilon);
}

/* x, [gamma], [beta] */
static moru_status infer_layer_norm(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_layer_norm_attrs *attrs = in->attrs;
    MORU_TRY(moru_layer_norm_check(in, 0, 1));
    shapes[0] = in->shapes[0];
    shapes[1] = shapes[2] = moru_layer_norm_outer(&in->shapes[0], attrs->axes);
    dtypes[0] = dtypes[1] = dtypes[2] = MORU_REAL;
    return MORU_OK;
}

/* The formula in other ops, for a gradient that comes through mean and rstd too. */
static void vjp_through_statistics(const moru_vjp *v, const moru_layer_norm_attrs *attrs)
{
    moru_node *x = v->inputs[0], *ys[3], *mean = moru_layer_norm_mean(x, attrs->axes);
    moru_node *centered = moru_sub(x, mean);
    moru_node *variance = moru_layer_norm_mean(moru_square(centered), attrs->axes);
    moru_node *rstd = moru_rsqrt(moru_add_scalar(variance, attrs->epsilon));
    ys[0] = moru_mul(centered, rstd);
    if (attrs->has_gamma)
        ys[0] = moru_mul(ys[0], v->inputs[1]);
    if (attrs->has_beta)
        ys[0] = moru_add(ys[0], v->inputs[1 + attrs->has_gamma]);
    ys[1] = mean;
    ys[2] = rstd;
    for (int64_t i = 0; i < attrs->axes; i++) {
        ys[1] = moru_squeeze(ys[1], -1);
        ys[2] = moru_squeeze(ys[2], -1);
    }
    moru_vjp_through(v, ys);
}

static void vjp_layer_norm(const moru_vjp *v)
{
    const moru_layer_norm_attrs *attrs = v->attrs;
    if (v->dy[1] || v->dy[2]) {
        vjp_through_statistics(v, attrs);
        return;
    }
    moru_node *in[] = {v->dy[0], v->inputs[0], v->outputs[1], v->outputs[2], attrs->has_gamma ? v->inputs[1] : NULL};
    moru_node *dx = moru_apply_op(v->graph, &moru_op_layer_norm_grad, in, 4 + (int)attrs->has_gamma, attrs);
    v->dx[0] = dx;
    if (attrs->has_gamma)
        v->dx[1] = moru_node_output(dx, 1);
    if (attrs->has_beta)
        v->dx[1 + attrs->has_gamma] = moru_node_output(dx, 2);
}

static moru_status run_layer_norm(const moru_run *run)
{
    const moru_layer_norm_attrs *attrs = run->attrs;
    int64_t rows, width;
    moru_layer_norm_sizes(&run->in[0]->shape, attrs->axes, &rows, &width);
    run->kernels->layer_norm(run->in[0]->data, attrs->has_gamma ? run->in[1]->data : NULL,
                             attrs->has_beta ? run->in[1 + attrs->has_gamma]->data : NULL, rows, width,
                             attrs->epsilon, run->out[0]->data, run->out[1]->data, run->out[2]->data, run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_layer_norm = {
    .name = "layer_norm", .formula = "y = (x - mean) rstd gamma + beta by row, rstd = 1/sqrt(variance + epsilon)",
    .min_inputs = 1, .max_inputs = 3, .n_outputs = 3, .attr_size = sizeof(moru_layer_norm_attrs), .in_place = 1,
    .infer = infer_layer_norm, .vjp = vjp_layer_norm, .run = run_layer_norm, .print = moru_layer_norm_print,
};

moru_node *moru_layer_norm(moru_node *x, moru_node *gamma, moru_node *beta, int axes, double epsilon)
{
    moru_layer_norm_attrs attrs = {
        .axes = axes, .has_gamma = gamma != NULL, .has_beta = beta != NULL, .epsilon = epsilon};
    moru_node *in[3] = {x};
    int n = 1;
    if (gamma)
        in[n++] = gamma;
    if (beta)
        in[n++] = beta;
    return moru_apply_op(moru_graph_of(in, n), &moru_op_layer_norm, in, n, &attrs);
}
