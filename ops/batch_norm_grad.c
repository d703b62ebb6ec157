/* Gradient of batch normalization through y. Inputs: dy, x, mean, variance, [gamma], and with a
 * relu on y [beta]. Outputs: dx, dgamma, dbeta. */
#include <stdio.h>

#include "core/status.h"
#include "ops/batch_norm.h"
#include "ops/shape_rules.h"

static moru_status infer_batch_norm_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int64_t channels;
    const moru_batch_norm_attrs *attrs = in->attrs;
    int wanted = 4 + (int)(attrs->has_gamma + (attrs->relu && attrs->has_beta));
    if (in->n_inputs != wanted)
        return moru_op_error(MORU_ERR_ARGUMENT, "%d inputs do not match the attributes, which speak of %d",
                             in->n_inputs, wanted);
    MORU_TRY(moru_batch_norm_check(in, 1, 2, &channels));
    if (!moru_rule_same(&in->shapes[0], &in->shapes[1]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of the normalized %s", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&in->shapes[1]));
    shapes[0] = in->shapes[1];
    shapes[1] = shapes[2] = MORU_SHAPE(channels);
    dtypes[0] = dtypes[1] = dtypes[2] = MORU_REAL;
    return MORU_OK;
}

/* The formula in other ops, mean and variance being inputs like the rest. */
static void vjp_batch_norm_grad(const moru_vjp *v)
{
    const moru_batch_norm_attrs *attrs = v->attrs;
    moru_node *dy = v->inputs[0], *x = v->inputs[1], *ys[3];
    int axes[MORU_MAX_RANK], n = moru_batch_norm_axes(x, attrs->axis, axes);
#define SPREAD(value) moru_batch_norm_spread((value), x, attrs->axis)
    moru_node *scale = moru_rsqrt(moru_add_scalar(v->inputs[3], attrs->epsilon));
    moru_node *normal = moru_mul(moru_sub(x, SPREAD(v->inputs[2])), SPREAD(scale));
    if (attrs->relu) {
        moru_node *y = attrs->has_gamma ? moru_mul(normal, SPREAD(v->inputs[4])) : normal;
        if (attrs->has_beta)
            y = moru_add(y, SPREAD(v->inputs[4 + attrs->has_gamma]));
        dy = moru_call_2(&moru_op_relu_grad, dy, y, NULL);
    }
    moru_node *product = moru_mul(dy, normal);
    ys[1] = moru_sum(product, axes, n, false);
    ys[2] = moru_sum(dy, axes, n, false);
    moru_node *shared = moru_add(SPREAD(moru_mean(dy, axes, n, false)),
                                 moru_mul(normal, SPREAD(moru_mean(product, axes, n, false))));
    if (attrs->has_gamma)
        scale = moru_mul(scale, v->inputs[4]);
    ys[0] = moru_mul(moru_sub(dy, shared), SPREAD(scale));
#undef SPREAD
    moru_vjp_through(v, ys);
}

static size_t workspace_batch_norm_grad(const moru_infer *in, const moru_shape *out, int threads)
{
    const moru_batch_norm_attrs *attrs = in->attrs;
    moru_around x = moru_around_axis(&in->shapes[1], (int)attrs->axis);
    (void)out;
    return moru_kernels_select()->batch_norm_workspace(x.outer, x.size, x.inner, threads);
}

static moru_status run_batch_norm_grad(const moru_run *run)
{
    const moru_batch_norm_attrs *attrs = run->attrs;
    moru_around x = moru_around_axis(&run->in[1]->shape, (int)attrs->axis);
    const moru_real *beta = attrs->relu && attrs->has_beta ? run->in[4 + attrs->has_gamma]->data : NULL;
    run->kernels->batch_norm_grad(run->in[0]->data, run->in[1]->data, attrs->has_gamma ? run->in[4]->data : NULL, beta,
                                  run->in[2]->data, run->in[3]->data, x.outer, x.size, x.inner, attrs->epsilon,
                                  attrs->relu, run->out[0]->data, run->out[1]->data, run->out[2]->data, run->workspace,
                                  run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_batch_norm_grad = {
    .name = "batch_norm_grad",
    .formula = "dx = gamma/sqrt(variance + epsilon) (dy - mean(dy) - n mean(dy n)), dgamma = sum(dy n), "
               "dbeta = sum(dy), n = (x - mean)/sqrt(variance + epsilon)",
    .min_inputs = 4, .max_inputs = 6, .n_outputs = 3, .attr_size = sizeof(moru_batch_norm_attrs), .in_place = 1,
    .infer = infer_batch_norm_grad, .vjp = vjp_batch_norm_grad, .workspace = workspace_batch_norm_grad,
    .run = run_batch_norm_grad, .print = moru_batch_norm_print,
};
