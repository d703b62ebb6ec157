/* Gradient of attention through y. Inputs: dy, q, k, v, lse, [mask]. Outputs: dq, dk, dv. */
#include <math.h>

#include "core/status.h"
#include "ops/attention.h"
#include "ops/shape_rules.h"

static moru_status infer_attention_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    moru_shape y, lse;
    MORU_TRY(moru_attention_check(in, 1, 5, &y, &lse));
    if (!moru_rule_same(&in->shapes[0], &y) || !moru_rule_same(&in->shapes[4], &lse))
        return moru_op_error(MORU_ERR_SHAPE, "a gradient %s and sums %s of results %s and %s",
                             MORU_TEXT(&in->shapes[0]), MORU_TEXT(&in->shapes[4]), MORU_TEXT(&y), MORU_TEXT(&lse));
    for (int i = 0; i < 3; i++) {
        shapes[i] = in->shapes[1 + i];
        dtypes[i] = MORU_REAL;
    }
    return MORU_OK;
}

/* The formula in other ops, lse being an input like the rest. */
static void vjp_attention_grad(const moru_vjp *v)
{
    const moru_attention_attrs *attrs = v->attrs;
    moru_node *dy = moru_attention_swap(v->inputs[0]), *q = moru_attention_swap(v->inputs[1]), *ys[3];
    moru_node *k = moru_attention_swap(v->inputs[2]), *values = moru_attention_swap(v->inputs[3]), *kept;
    moru_node *scores = moru_attention_scores(attrs, q, k, attrs->has_mask ? v->inputs[5] : NULL, &kept);
    moru_node *lse = moru_expand_dims(v->inputs[4], -1), *blind = NULL;
    if (kept) { /* of a blind query lse is +inf, which must not get into the gradients of what isn't kept */
        blind = moru_greater(lse, moru_scalar(v->graph, 1e30));
        scores = moru_where(kept, moru_sub(scores, moru_where(blind, moru_zeros_like(lse), lse)),
                            moru_scalar(v->graph, -INFINITY));
    }
    moru_node *p = moru_exp(kept ? scores : moru_sub(scores, lse));
    moru_node *dp = moru_matmul_t(dy, false, values, true);
    int last = -1;
    moru_node *shared = moru_sum(moru_mul(p, dp), &last, 1, true);
    moru_node *ds = moru_mul_scalar(moru_mul(p, moru_sub(dp, shared)), attrs->scale);
    ys[0] = moru_attention_swap(moru_matmul(ds, k));
    ys[1] = moru_attention_swap(moru_matmul_t(ds, true, q, false));
    ys[2] = moru_attention_swap(moru_matmul_t(moru_attention_weights(attrs, p, blind), true, dy, false));
    moru_vjp_through(v, ys);
}

static size_t workspace_attention_grad(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_attention g = moru_attention_sizes(in->attrs, &in->shapes[1], &in->shapes[2], &in->shapes[3], NULL);
    (void)out;
    return moru_kernels_select()->attention_grad_workspace(&g, threads);
}

static moru_status run_attention_grad(const moru_run *run)
{
    const moru_attention_attrs *attrs = run->attrs;
    const moru_view *mask = attrs->has_mask ? run->in[5] : NULL;
    moru_attention g = moru_attention_sizes(attrs, &run->in[1]->shape, &run->in[2]->shape, &run->in[3]->shape,
                                            mask ? &mask->shape : NULL);
    run->kernels->attention_grad(&g, run->in[0]->data, run->in[1]->data, run->in[2]->data, run->in[3]->data,
                                 mask ? mask->data : NULL, run->in[4]->data, run->out[0]->data, run->out[1]->data,
                                 run->out[2]->data, run->workspace, run->threads);
    return MORU_OK;
}

/* The scores again, and two products for each of the two forward. */
static double flops_attention_grad(const moru_infer *in, const moru_shape *out)
{
    const moru_attention_attrs *attrs = in->attrs;
    (void)out;
    return 2.5 * moru_attention_flops(&in->shapes[1], &in->shapes[2], &in->shapes[3], attrs->causal);
}

const moru_op_def moru_op_attention_grad = {
    .name = "attention_grad",
    .formula = "dq = scale ds k, dk = scale ds^T q, dv = p^T dy, ds = p (dp - sum(p dp)), dp = dy v^T, "
               "p = exp(scale q k^T + mask - lse)",
    .min_inputs = 5, .max_inputs = 6, .n_outputs = 3, .attr_size = sizeof(moru_attention_attrs),
    .infer = infer_attention_grad, .vjp = vjp_attention_grad, .workspace = workspace_attention_grad,
    .run = run_attention_grad, .print = moru_attention_print, .flops = flops_attention_grad,
};
