/* Scaled dot product attention: q, k, v, [mask] to y and the logarithms of the softmax's sums. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/status.h"
#include "ops/attention.h"
#include "ops/shape_rules.h"

/* The mask's axes are counted from the last; those it lacks are repeated. */
static moru_status check_mask(const moru_infer *in, int k, const moru_shape *scores)
{
    const moru_shape *mask = &in->shapes[k];
    bool fits = mask->rank >= 1 && mask->rank <= 4 && moru_rule_fits(mask->dims[mask->rank - 1], scores->dims[3]);
    for (int i = 2; i <= mask->rank && fits; i++) {
        int64_t size = mask->dims[mask->rank - i];
        fits = size == 1 || moru_rule_fits(size, scores->dims[4 - i]);
    }
    return fits ? MORU_OK
                : moru_op_error(MORU_ERR_SHAPE, "the mask %s doesn't broadcast to the scores %s", MORU_TEXT(mask),
                                MORU_TEXT(scores));
}

moru_status moru_attention_check(const moru_infer *in, int first, int mask, moru_shape *y, moru_shape *lse)
{
    const moru_attention_attrs *attrs = in->attrs;
    const moru_shape *q = &in->shapes[first], *k = &in->shapes[first + 1], *v = &in->shapes[first + 2];
    MORU_TRY(moru_infer_all_real(in));
    for (int i = first; i < first + 3; i++)
        MORU_TRY(moru_rule_rank(in, i, 4, "[n,t,heads,dim]"));
    bool fit = moru_rule_fits(k->dims[1], v->dims[1]) && moru_rule_fits(q->dims[3], k->dims[3]);
    for (int i = 0; i < 4; i += 2)
        fit = fit && moru_rule_fits(q->dims[i], k->dims[i]) && moru_rule_fits(q->dims[i], v->dims[i]);
    if (!fit)
        return moru_op_error(MORU_ERR_SHAPE, "queries %s, keys %s and values %s don't fit together", MORU_TEXT(q),
                             MORU_TEXT(k), MORU_TEXT(v));
    if (!isfinite(attrs->scale))
        return moru_op_error(MORU_ERR_ARGUMENT, "a scale of %g", attrs->scale);
    int64_t n = moru_rule_merge(moru_rule_merge(q->dims[0], k->dims[0]), v->dims[0]);
    int64_t heads = moru_rule_merge(moru_rule_merge(q->dims[2], k->dims[2]), v->dims[2]);
    *y = MORU_SHAPE(n, q->dims[1], heads, v->dims[3]);
    *lse = MORU_SHAPE(n, heads, q->dims[1]);
    moru_shape scores = MORU_SHAPE(n, heads, q->dims[1], moru_rule_merge(k->dims[1], v->dims[1]));
    return attrs->has_mask ? check_mask(in, mask, &scores) : MORU_OK;
}

moru_attention moru_attention_sizes(const moru_attention_attrs *attrs, const moru_shape *q, const moru_shape *k,
                                    const moru_shape *v, const moru_shape *mask)
{
    moru_attention g = {.n = q->dims[0], .t = q->dims[1], .heads = q->dims[2], .dim = q->dims[3], .s = k->dims[1],
                        .value_dim = v->dims[3], .scale = attrs->scale, .causal = attrs->causal,
                        .keep = (moru_keep)attrs->keep};
    int64_t *strides[] = {NULL, &g.mask_t, &g.mask_h, &g.mask_n}, stride = 1;
    for (int i = 1; mask && i <= mask->rank; i++) {
        int64_t size = mask->dims[mask->rank - i];
        if (i > 1)
            *strides[i - 1] = size == 1 ? 0 : stride;
        stride *= size;
    }
    return g;
}

moru_node *moru_attention_swap(moru_node *x)
{
    return moru_transpose(x, (const int[]){0, 2, 1, 3});
}

moru_node *moru_attention_scores(const moru_attention_attrs *attrs, moru_node *q, moru_node *k, moru_node *mask,
                                 moru_node **kept)
{
    moru_node *scores = moru_mul_scalar(moru_matmul_t(q, false, k, true), attrs->scale);
    *kept = NULL;
    if (mask && attrs->keep == MORU_KEEP_ADDED)
        scores = moru_add(scores, mask);
    if (!mask || attrs->keep == MORU_KEEP_ADDED)
        return attrs->causal ? moru_causal_mask(scores, -INFINITY) : scores;
    *kept = moru_broadcast_like(moru_not_equal(mask, moru_zeros_like(mask)), scores);
    if (attrs->causal)
        *kept = moru_causal_mask(*kept, 0);
    return scores;
}

moru_node *moru_attention_weights(const moru_attention_attrs *attrs, moru_node *p, moru_node *blind)
{
    if (!blind || attrs->keep != MORU_KEEP_OR_MEAN)
        return p;
    return moru_add(p, moru_mul(blind, moru_softmax(moru_zeros_like(p), -1)));
}

void moru_attention_print(const void *attrs_, char *text, size_t size)
{
    const moru_attention_attrs *attrs = attrs_;
    snprintf(text, size, "scale=%g%s%s", attrs->scale, attrs->causal ? " causal" : "",
             attrs->keep == MORU_KEEP_OR_MEAN ? " kept or mean" : attrs->keep == MORU_KEEP_OR_ZERO ? " kept" : "");
}

/* Of the two products. A causal query sees the keys up to its own place. */
double moru_attention_flops(const moru_shape *q, const moru_shape *k, const moru_shape *v, bool causal)
{
    double t = (double)q->dims[1], s = (double)k->dims[1], pairs = t * s;
    if (causal)
        pairs = t <= s ? t * (t + 1) / 2 : s * (s + 1) / 2 + (t - s) * s;
    return 2 * pairs * (double)q->dims[0] * (double)q->dims[2] * (double)(q->dims[3] + v->dims[3]);
}

/* ---- the op ---- */

static moru_status infer_attention(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    dtypes[0] = dtypes[1] = MORU_REAL;
    return moru_attention_check(in, 0, 3, &shapes[0], &shapes[1]);
}

/* The formula in other ops, for a gradient that comes through lse, or of the mask. */
static void vjp_through_scores(const moru_vjp *v, const moru_attention_attrs *attrs)
{
    moru_node *q = moru_attention_swap(v->inputs[0]), *k = moru_attention_swap(v->inputs[1]), *ys[2], *kept;
    moru_node *scores = moru_attention_scores(attrs, q, k, attrs->has_mask ? v->inputs[3] : NULL, &kept);
    int last = -1;
    bool empty = v->inputs[1]->shape.dims[1] == 0;
    moru_node *low = moru_scalar(v->graph, -1e30), *blind = NULL;
    if (kept)
        scores = moru_where(kept, scores, low);
    moru_node *shift = empty ? moru_scalar(v->graph, 0) : moru_stop_gradient(moru_max(scores, &last, 1, true));
    moru_node *e = moru_exp(moru_sub(scores, shift));
    if (kept)
        e = moru_mul(e, kept);
    moru_node *sum = moru_sum(e, &last, 1, true);
    if (kept) {
        blind = moru_equal(sum, moru_scalar(v->graph, 0));
        sum = moru_add(sum, blind);
    }
    moru_node *lse = moru_add(moru_log(sum), shift), *p = moru_div(e, sum);
    p = moru_attention_weights(attrs, p, blind);
    ys[0] = moru_attention_swap(moru_matmul(p, moru_attention_swap(v->inputs[2])));
    ys[1] = moru_squeeze(kept ? moru_where(blind, moru_scalar(v->graph, INFINITY), lse) : lse, -1);
    moru_vjp_through(v, ys);
}

static void vjp_attention(const moru_vjp *v)
{
    const moru_attention_attrs *attrs = v->attrs;
    if (v->dy[1] || (attrs->has_mask && v->wanted[3] && attrs->keep == MORU_KEEP_ADDED)) {
        vjp_through_scores(v, attrs);
        return;
    }
    moru_node *in[] = {v->dy[0], v->inputs[0], v->inputs[1], v->inputs[2], v->outputs[1],
                       attrs->has_mask ? v->inputs[3] : NULL};
    moru_node *dx = moru_apply_op(v->graph, &moru_op_attention_grad, in, 5 + (int)attrs->has_mask, attrs);
    for (int i = 0; i < 3; i++)
        v->dx[i] = moru_node_output(dx, i);
}

static size_t workspace_attention(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_attention g = moru_attention_sizes(in->attrs, &in->shapes[0], &in->shapes[1], &in->shapes[2], NULL);
    (void)out;
    return moru_kernels_select()->attention_workspace(&g, threads);
}

static moru_status run_attention(const moru_run *run)
{
    const moru_attention_attrs *attrs = run->attrs;
    const moru_view *mask = attrs->has_mask ? run->in[3] : NULL;
    moru_attention g = moru_attention_sizes(attrs, &run->in[0]->shape, &run->in[1]->shape, &run->in[2]->shape,
                                            mask ? &mask->shape : NULL);
    run->kernels->attention(&g, run->in[0]->data, run->in[1]->data, run->in[2]->data, mask ? mask->data : NULL,
                            run->out[0]->data, run->out[1]->data, run->workspace, run->threads);
    return MORU_OK;
}

static double flops_attention(const moru_infer *in, const moru_shape *out)
{
    const moru_attention_attrs *attrs = in->attrs;
    (void)out;
    return moru_attention_flops(&in->shapes[0], &in->shapes[1], &in->shapes[2], attrs->causal);
}

const moru_op_def moru_op_attention = {
    .name = "attention",
    .formula = "y = softmax(scale q k^T + mask) v by head, or over the keys that a mask keeps; lse = log sum exp of "
               "its argument",
    .min_inputs = 3, .max_inputs = 4, .n_outputs = 2, .attr_size = sizeof(moru_attention_attrs),
    .infer = infer_attention, .vjp = vjp_attention, .workspace = workspace_attention, .run = run_attention,
    .print = moru_attention_print, .flops = flops_attention,
};

moru_node *moru_attention_op(moru_node *q, moru_node *k, moru_node *v, moru_node *mask, double scale, bool causal)
{
    moru_attention_attrs attrs = {.scale = scale, .causal = causal, .has_mask = mask != NULL};
    moru_node *in[4] = {q, k, v, mask};
    int n = 3 + (mask != NULL);
    return moru_apply_op(moru_graph_of(in, n), &moru_op_attention, in, n, &attrs);
}

moru_node *moru_attention_kept_op(moru_node *q, moru_node *k, moru_node *v, moru_node *kept, double scale, bool causal,
                                  bool zero)
{
    moru_attention_attrs attrs = {.scale = scale, .causal = causal, .has_mask = 1,
                                  .keep = zero ? MORU_KEEP_OR_ZERO : MORU_KEEP_OR_MEAN};
    moru_node *in[] = {q, k, v, kept};
    return moru_apply_op(moru_graph_of(in, 4), &moru_op_attention, in, 4, &attrs);
}
