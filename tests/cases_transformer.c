/* Gradient check of layer normalization and attention. */
#include "tests/gradcheck.h"

#define BUILD(op) static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)

/* n: axes, gamma, beta, which outputs count (bits: y, mean, rstd); p[0]: epsilon */
BUILD(layer_norm)
{
    (void)graph;
    moru_node *gamma = c->n[1] ? x[1] : NULL, *beta = c->n[2] ? x[1 + c->n[1]] : NULL, *total = NULL;
    moru_node *y = moru_layer_norm(x[0], gamma, beta, (int)c->n[0], c->p[0]);
    if (c->n[3] == 1)
        return y;
    if (c->n[3] & 1)
        total = moru_sum_all(moru_mul(y, moru_square(y)));
    if (c->n[3] & 2)
        total = total ? moru_mul(total, moru_sum_all(moru_node_output(y, 1))) : moru_node_output(y, 1);
    if (c->n[3] & 4)
        total = total ? moru_add(total, moru_sum_all(moru_node_output(y, 2))) : moru_node_output(y, 2);
    return total;
}

/* x: q, k, v, [mask]; n: mask, causal, which outputs count (bits: y, lse); p[0]: scale */
BUILD(attention)
{
    (void)graph;
    moru_node *y = moru_attention_op(x[0], x[1], x[2], c->n[0] ? x[3] : NULL, c->p[0], c->n[1]);
    moru_node *lse = moru_node_output(y, 1);
    return c->n[2] == 1 ? y : c->n[2] == 2 ? lse : moru_mul(moru_sum_all(moru_square(y)), moru_sum_all(lse));
}

/* x: q, k, v, numbers of which those above p[1] keep their keys; n: zero for blind queries, causal, outputs; p[0]:
 * scale */
BUILD(attention_kept)
{
    moru_node *kept = moru_greater(x[3], moru_scalar(graph, c->p[1]));
    moru_node *y = moru_attention_kept_op(x[0], x[1], x[2], kept, c->p[0], c->n[1], c->n[0]);
    moru_node *lse = moru_node_output(y, 1);
    return c->n[2] == 1 ? y : c->n[2] == 2 ? lse : moru_mul(moru_sum_all(moru_square(y)), moru_sum_all(lse));
}

/* n: below, above; p[0]: fill */
BUILD(band_mask)
{
    (void)graph;
    return moru_square(moru_band_mask(x[0], c->n[0], c->n[1], c->p[0]));
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define NORM(name_, axes, gamma, beta, outputs, ...) \
    {.name = name_, .build = build_layer_norm, .n = {axes, gamma, beta, outputs}, .p = {1e-2}, .in = {__VA_ARGS__}}

#define ATTENTION(name_, mask, causal, outputs, ...) \
    {.name = name_, .build = build_attention, .n = {mask, causal, outputs}, .p = {0.7}, .in = {__VA_ARGS__}}

#define KEPT(name_, zero, causal, outputs, above, ...) \
    {.name = name_, .build = build_attention_kept, .n = {zero, causal, outputs}, .p = {0.7, above}, .in = {__VA_ARGS__}}
#define BAND(name_, below, above, fill, ...) \
    {.name = name_, .build = build_band_mask, .n = {below, above}, .p = {fill}, .in = {__VA_ARGS__}}

const gradcheck_case gradcheck_cases_transformer[] = {
    NORM("layer_norm", 1, 1, 1, 1, R(4, 5), R(5), R(5)),
    NORM("layer_norm/sequence", 1, 1, 1, 1, R(2, 3, 7), R(7), R(7)),
    NORM("layer_norm/two axes", 2, 1, 1, 1, R(3, 2, 3), R(2, 3), R(2, 3)),
    NORM("layer_norm/all axes", 2, 1, 1, 1, R(3, 4), R(3, 4), R(3, 4)),
    NORM("layer_norm/plain", 1, 0, 0, 1, R(4, 5)),
    NORM("layer_norm/gamma", 1, 1, 0, 1, R(4, 5), R(5)),
    NORM("layer_norm/beta", 1, 0, 1, 1, R(4, 5), R(5)),
    NORM("layer_norm/mean", 1, 1, 1, 2, R(4, 3), R(3), R(3)),
    NORM("layer_norm/rstd", 2, 1, 1, 4, R(3, 2, 3), R(2, 3), R(2, 3)),
    NORM("layer_norm/all outputs", 1, 1, 1, 7, R(3, 5), R(5), R(5)),
    NORM("layer_norm/one number", 1, 1, 1, 1, R(4, 1), R(1), R(1)),
    NORM("layer_norm/many rows", 1, 1, 1, 1, R(40, 3), R(3), R(3)),
    NORM("layer_norm/no rows", 1, 1, 1, 1, R(0, 3), R(3), R(3)),
    NORM("layer_norm/no width", 1, 1, 1, 1, R(3, 0), R(0), R(0)),

    ATTENTION("attention", 0, 0, 1, R(2, 3, 2, 4), R(2, 3, 2, 4), R(2, 3, 2, 4)),
    ATTENTION("attention/causal", 0, 1, 1, R(2, 5, 2, 3), R(2, 5, 2, 3), R(2, 5, 2, 3)),
    ATTENTION("attention/more keys", 0, 0, 1, R(1, 2, 3, 2), R(1, 5, 3, 2), R(1, 5, 3, 1)),
    ATTENTION("attention/fewer keys", 0, 0, 1, R(1, 4, 1, 3), R(1, 1, 1, 3), R(1, 1, 1, 5)),
    ATTENTION("attention/causal, more keys", 0, 1, 1, R(1, 2, 2, 2), R(1, 4, 2, 2), R(1, 4, 2, 3)),
    ATTENTION("attention/causal, fewer keys", 0, 1, 1, R(1, 5, 1, 2), R(1, 3, 1, 2), R(1, 3, 1, 2)),
    ATTENTION("attention/one query", 0, 1, 1, R(2, 1, 2, 3), R(2, 1, 2, 3), R(2, 1, 2, 3)),
    ATTENTION("attention/mask", 1, 0, 1, R(2, 2, 2, 3), R(2, 3, 2, 3), R(2, 3, 2, 3), R(2, 2, 2, 3)),
    ATTENTION("attention/mask of keys", 1, 1, 1, R(2, 3, 2, 2), R(2, 3, 2, 2), R(2, 3, 2, 2), R(2, 1, 1, 3)),
    ATTENTION("attention/one mask", 1, 0, 1, R(2, 2, 2, 2), R(2, 3, 2, 2), R(2, 3, 2, 2), R(2, 3)),
    ATTENTION("attention/fixed mask", 1, 1, 1, R(1, 3, 2, 2), R(1, 3, 2, 2), R(1, 3, 2, 2),
              GC_FIXED(-1, 1, 2, 1, 3)),
    ATTENTION("attention/lse", 0, 1, 2, R(1, 3, 2, 2), R(1, 3, 2, 2), R(1, 3, 2, 2)),
    ATTENTION("attention/both outputs", 1, 1, 3, R(1, 3, 1, 2), R(1, 3, 1, 2), R(1, 3, 1, 2), R(3, 3)),
    ATTENTION("attention/no keys", 0, 0, 1, R(1, 3, 1, 2), R(1, 0, 1, 2), R(1, 0, 1, 2)),
    ATTENTION("attention/no queries", 0, 1, 1, R(1, 0, 1, 2), R(1, 3, 1, 2), R(1, 3, 1, 2)),
    ATTENTION("attention/no batch", 0, 0, 1, R(0, 3, 1, 2), R(0, 3, 1, 2), R(0, 3, 1, 2)),
    ATTENTION("attention/no dimensions", 0, 0, 1, R(1, 2, 1, 0), R(1, 2, 1, 0), R(1, 2, 1, 3)),
    KEPT("attention/kept", 0, 0, 1, 0, R(2, 3, 2, 4), R(2, 5, 2, 4), R(2, 5, 2, 3), GC_FIXED(-1, 1, 2, 1, 3, 5)),
    KEPT("attention/kept, causal", 0, 1, 1, 0, R(2, 5, 2, 3), R(2, 5, 2, 3), R(2, 5, 2, 3), GC_FIXED(-1, 1, 5, 5)),
    KEPT("attention/kept or 0", 1, 1, 1, 0, R(2, 5, 2, 3), R(2, 5, 2, 3), R(2, 5, 2, 3), GC_FIXED(-1, 1, 5, 5)),
    KEPT("attention/kept keys", 0, 0, 1, 0, R(3, 2, 2, 2), R(3, 4, 2, 2), R(3, 4, 2, 2), GC_FIXED(-1, 1, 3, 1, 1, 4)),
    KEPT("attention/one key", 0, 0, 1, 0, R(2, 4, 2, 2), R(2, 1, 2, 2), R(2, 1, 2, 2), GC_FIXED(-1, 1, 2, 2, 4, 1)),
    KEPT("attention/none kept", 0, 1, 1, 2, R(2, 3, 1, 2), R(2, 3, 1, 2), R(2, 3, 1, 2), GC_FIXED(-1, 1, 3)),
    KEPT("attention/kept, lse", 0, 1, 2, -2, R(1, 3, 2, 2), R(1, 3, 2, 2), R(1, 3, 2, 2), GC_FIXED(-1, 1, 3, 3)),
    KEPT("attention/kept, both", 0, 0, 3, -0.7, R(1, 3, 2, 2), R(1, 6, 2, 2), R(1, 6, 2, 2), GC_FIXED(-1, 1, 3, 6)),
    KEPT("attention/kept of none", 0, 0, 1, 0, R(1, 3, 1, 2), R(1, 0, 1, 2), R(1, 0, 1, 2), GC_FIXED(-1, 1, 3, 0)),
    BAND("band_mask", 1, 0, 0.5, R(2, 3, 4)), BAND("band_mask/lower", -1, 0, 0, R(5, 2)),
    BAND("band_mask/upper", 0, -1, 0.2, R(3, 5)), BAND("band_mask/all", -1, -1, 0.2, R(3, 2)),
    BAND("band_mask/wide", 3, 2, 0.2, R(9, 4)), BAND("band_mask/empty", 1, 1, 0, R(3, 0)),
    {.name = NULL},
};
