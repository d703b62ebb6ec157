/* Gradient check of functions made of other ops, and of cumulative extremes. What n holds stands at each builder. */
#include <math.h>
#include "tests/gradcheck.h"

#define BUILD(op, expression) \
    static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c) \
    { \
        (void)graph, (void)x, (void)c; \
        return (expression); \
    }
#define AXIS(k) ((int)c->n[k])

BUILD(cummax, moru_cummax(x[0], AXIS(0), NULL))
BUILD(cummin, moru_cummin(x[0], AXIS(0), NULL))
BUILD(flip, moru_flip(x[0], (int[]){AXIS(0), AXIS(1)}, 2))
BUILD(roll, moru_roll(x[0], c->n[0], AXIS(1)))
BUILD(tile, moru_tile(x[0], c->n, 3))
BUILD(diff, moru_diff(x[0], AXIS(0), AXIS(1)))
BUILD(moveaxis, moru_moveaxis(x[0], AXIS(0), AXIS(1)))
BUILD(swapaxes, moru_swapaxes(x[0], AXIS(0), AXIS(1)))
BUILD(trace, moru_trace_op(x[0], c->n[0]))
BUILD(norm, moru_norm(x[0], c->p[0], (int[]){1}, 1, c->n[0] != 0))
BUILD(std, moru_std(x[0], (int[]){1}, 1, false, AXIS(0)))
BUILD(quantile, moru_quantile(x[0], c->p[0], AXIS(0), c->n[1] != 0))
BUILD(outer, moru_outer(x[0], x[1]))
BUILD(inner, moru_inner(x[0], x[1]))
BUILD(cross, moru_cross(x[0], x[1], AXIS(0)))
BUILD(tensordot, moru_tensordot(x[0], x[1], (int[]){1, 2}, (int[]){2, 0}, 2))
BUILD(logaddexp2, moru_logaddexp2(x[0], x[1]))
BUILD(divide_no_nan, moru_divide_no_nan(x[0], x[1]))
BUILD(nan_to_num, moru_nan_to_num(x[0], 1, 2, 3))
BUILD(heaviside, moru_mul(x[0], moru_heaviside(x[0], x[1])))
BUILD(any, moru_mul(x[0], moru_any(x[0], (int[]){1}, 1, true)))
BUILD(all, moru_mul(x[0], moru_all(x[0], (int[]){1}, 1, true)))
BUILD(celu, moru_celu(x[0], c->p[0]))
BUILD(soft_shrink, moru_soft_shrink(x[0], c->p[0]))
BUILD(hard_shrink, moru_hard_shrink(x[0], c->p[0]))
BUILD(squareplus, moru_squareplus(x[0], c->p[0]))
BUILD(threshold, moru_threshold(x[0], c->p[0], c->p[1]))
BUILD(glu, moru_glu(x[0], AXIS(0)))
BUILD(sparsemax, moru_sparsemax(x[0], AXIS(0)))

/* The second part and the first one. */
BUILD(split, moru_mul(moru_split(x[0], 3, AXIS(0), (moru_node *[3]){NULL}), moru_slice(x[0], AXIS(0), 1, 2, 1)))

static moru_node *build_unstack(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_node *parts[3];
    (void)graph;
    moru_unstack(x[0], AXIS(0), parts);
    return moru_mul(parts[2], moru_exp(parts[0]));
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define X1(op, name_, x, ...) {.name = name_, .build = build_##op, .n = {__VA_ARGS__}, .in = {x}}
#define DISTINCT(op, name_, x, ...) \
    {.name = name_, .build = build_##op, .n = {__VA_ARGS__}, .in = {x}, .flags = GRADCHECK_DISTINCT}
#define X2(op, name_, a, b, ...) {.name = name_, .build = build_##op, .n = {__VA_ARGS__}, .in = {a, b}}
#define P(op, name_, x, ...) {.name = name_, .build = build_##op, .p = {__VA_ARGS__}, .in = {x}}
#define KINKS(low_, high_, a, b) \
    {.shape = MORU_SHAPE(4, 9), .low = (low_), .high = (high_), .kinks = {a, b}, .n_kinks = 2}

const gradcheck_case gradcheck_cases_made[] = {
    DISTINCT(cummax, "cummax", R(2, 7, 3), 1),
    DISTINCT(cummin, "cummin/last", R(3, 6), -1),
    X1(cummax, "cummax/one", R(1, 4), 0),
    X1(cummax, "cummax/none", R(0, 4), 0),
    X1(flip, "flip", R(2, 3, 4), 0, -1),
    X1(roll, "roll", R(2, 5, 3), 2, 1),
    X1(roll, "roll/back, more than once round", R(5), -7, 0),
    X1(roll, "roll/none", R(0, 2), 1, 0),
    X1(tile, "tile", R(2, 3), 2, 1, 3),
    X1(tile, "tile/rank 8", R(1, 1, 1, 1, 1, 1, 2, 3), 1, 2, 2),
    X1(diff, "diff", R(2, 5), 2, 1),
    X1(moveaxis, "moveaxis", R(2, 3, 4), 0, -1),
    X1(swapaxes, "swapaxes", R(2, 3, 4), 0, 2),
    X1(trace, "trace", R(2, 4, 5), 1),
    X1(split, "split", R(2, 3), -1),
    X1(unstack, "unstack", R(2, 3, 2), 1),
    P(norm, "norm/2", R(3, 4), 2),
    P(norm, "norm/1", GC_KINK(-1, 1, 0, 3, 4), 1),
    P(norm, "norm/3", GC_KINK(-1, 1, 0, 3, 4), 3),
    {.name = "norm/largest", .build = build_norm, .p = {INFINITY}, .n = {1}, .in = {GC_REAL(0.1, 1, 3, 4)},
     .flags = GRADCHECK_DISTINCT},
    {.name = "norm/least", .build = build_norm, .p = {-INFINITY}, .in = {GC_REAL(-1, -0.1, 3, 4)},
     .flags = GRADCHECK_DISTINCT},
    X1(std, "std", R(3, 4), 1),
    {.name = "quantile", .build = build_quantile, .p = {0.3}, .n = {1}, .in = {R(3, 6)}, .flags = GRADCHECK_DISTINCT},
    {.name = "quantile/median", .build = build_quantile, .p = {0.5}, .n = {0, 1}, .in = {R(5, 2)},
     .flags = GRADCHECK_DISTINCT},
    X2(outer, "outer", R(3), R(2, 2)),
    X2(inner, "inner", R(2, 3), R(4, 3)),
    X2(cross, "cross", R(2, 3), R(3), -1),
    X2(tensordot, "tensordot", R(2, 3, 4), R(4, 5, 3)),
    X2(logaddexp2, "logaddexp2", R(3, 4), R(4)),
    X2(divide_no_nan, "divide_no_nan", R(3, 4), GC_REAL(0.5, 1, 4)),
    X1(nan_to_num, "nan_to_num", R(3, 2)),
    X2(heaviside, "heaviside", GC_KINK(-1, 1, 0, 3, 4), GC_FIXED(0, 1, 4)),
    X1(any, "any", R(3, 4)), X1(all, "all", R(3, 4)),
    P(celu, "celu", GC_KINK(-2, 2, 0, 4, 9), 1.4), P(celu, "celu/1", GC_KINK(-2, 2, 0, 4, 9), 1),
    P(soft_shrink, "soft_shrink", KINKS(-2, 2, -0.5, 0.5), 0.5),
    P(hard_shrink, "hard_shrink", KINKS(-2, 2, -0.5, 0.5), 0.5),
    P(squareplus, "squareplus", R(3, 4), 4), P(threshold, "threshold", GC_KINK(-1, 1, 0.2, 4, 9), 0.2, -3),
    X1(glu, "glu", R(3, 4), 0 - 1), {.name = "sparsemax", .build = build_sparsemax, .n = {1}, .in = {R(3, 4)}},
    {.name = "sparse_plus", .unary = moru_sparse_plus, .in = {KINKS(-3, 3, -1, 1)}},
    {.name = "sparse_sigmoid", .unary = moru_sparse_sigmoid, .in = {KINKS(-3, 3, -1, 1)}},
    {.name = "hard_tanh", .unary = moru_hard_tanh, .in = {KINKS(-3, 3, -1, 1)}},
    {.name = "tanh_shrink", .unary = moru_tanh_shrink, .in = {R(3, 4)}},
    {.name = NULL},
};
