/* Gradient of layer normalization through y. Inputs: dy, x, mean, rstd, [gamma]. Outputs: dx, dgamma, dbeta. */
#include "core/status.h"
#include "ops/layer_norm.h"
#include "ops/shape_rules.h"

static moru_status infer_layer_norm_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_layer_norm_attrs *attrs = in->attrs;
    MORU_TRY(moru_layer_norm_check(in, 1, 4));
    if (!moru_rule_same(&in->shapes[0], &in->shapes[1]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of the normalized %s", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&in->shapes[1]));
    moru_shape outer = moru_layer_norm_outer(&in->shapes[1], attrs->axes);
    for (int i = 2; i < 4; i++)
        if (!moru_rule_same(&in->shapes[i], &outer))
            return moru_op_error(MORU_ERR_SHAPE, "input %d is %s and no statistic of each row of %s", i,
                                 MORU_TEXT(&in->shapes[i]), MORU_TEXT(&in->shapes[1]));
    shapes[0] = in->shapes[1];
    shapes[1] = shapes[2] = moru_layer_norm_inner(&in->shapes[1], attrs->axes);
    dtypes[0] = dtypes[1] = dtypes[2] = MORU_REAL;
    return MORU_OK;
}

/* The formula in other ops, mean and rstd being inputs like the rest. */
static void vjp_layer_norm_grad(const moru_vjp *v)
{
    const moru_layer_norm_attrs *attrs = v->attrs;
    moru_node *dy = v->inputs[0], *x = v->inputs[1], *ys[3];
    moru_node *mean = moru_layer_norm_spread(v->inputs[2], attrs->axes);
    moru_node *rstd = moru_layer_norm_spread(v->inputs[3], attrs->axes);
    moru_node *normal = moru_mul(moru_sub(x, mean), rstd), *d = attrs->has_gamma ? moru_mul(dy, v->inputs[4]) : dy;
    moru_node *shared = moru_add(moru_layer_norm_mean(d, attrs->axes),
                                 moru_mul(normal, moru_layer_norm_mean(moru_mul(d, normal), attrs->axes)));
    int outer[MORU_MAX_RANK], n = x->shape.rank - (int)attrs->axes;
    for (int i = 0; i < n; i++)
        outer[i] = i;
    ys[0] = moru_mul(moru_sub(d, shared), rstd);
    ys[1] = moru_sum(moru_mul(dy, normal), outer, n, false);
    ys[2] = moru_sum(dy, outer, n, false);
    moru_vjp_through(v, ys);
}

static size_t workspace_layer_norm_grad(const moru_infer *in, const moru_shape *out, int threads)
{
    const moru_layer_norm_attrs *attrs = in->attrs;
    int64_t rows, width;
    (void)out;
    moru_layer_norm_sizes(&in->shapes[1], attrs->axes, &rows, &width);
    return moru_kernels_select()->layer_norm_grad_workspace(rows, width, threads);
}

static moru_status run_layer_norm_grad(const moru_run *run)
{
    const moru_layer_norm_attrs *attrs = run->attrs;
    int64_t rows, width;
    moru_layer_norm_sizes(&run->in[1]->shape, attrs->axes, &rows, &width);
    run->kernels->layer_norm_grad(run->in[0]->data, run->in[1]->data, attrs->has_gamma ? run->in[4]->data : NULL,
                                  run->in[2]->data, run->in[3]->data, rows, width, run->out[0]->data,
                                  run->out[1]->data, run->out[2]->data, run->workspace, run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .formula = "dx = rstd (d - mean(d) - n mean(d n)), dgamma = sum(dy n), dbeta = sum(dy), d = dy gamma, "
               "n = (x - mean) rstd",
    .min_inputs = 4, .max_inputs = 5, .n_outputs = 3, .attr_size = sizeof(moru_layer_norm_attrs), .in_place = 3,
    .infer = infer_layer_norm_grad, .vjp = vjp_layer_norm_grad, .workspace = workspace_layer_norm_grad,
    .run = run_layer_norm_grad, .print = moru_layer_norm_print,
};
