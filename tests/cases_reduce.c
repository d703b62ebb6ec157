/* Gradient check of reductions, softmax and losses. n[0] is how many axes c->n[1..] holds (-1: all), n[6] is keepdims,
 * n[7] ddof. */
#include "ops/op_table.h"
#include "tests/gradcheck.h"

/* The axes of a case; returns how many. */
static int axes_of(const gradcheck_case *c, int *axes, const int **list)
{
    int n = c->n[0] < 0 ? 0 : (int)c->n[0];
    for (int k = 0; k < n; k++)
        axes[k] = (int)c->n[1 + k];
    *list = c->n[0] < 0 ? NULL : axes;
    return n;
}

#define REDUCTION(op) \
    static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c) \
    { \
        (void)graph; \
        int axes[8], n; \
        const int *list; \
        n = axes_of(c, axes, &list); \
        return moru_##op(x[0], list, n, c->n[6]); \
    }
REDUCTION(sum)
REDUCTION(mean)
REDUCTION(max)
REDUCTION(min)
REDUCTION(prod)
REDUCTION(logsumexp)

static moru_node *build_variance(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    int axes[8];
    const int *list;
    int n = axes_of(c, axes, &list);
    return moru_variance(x[0], list, n, c->n[6], (int)c->n[7]);
}

static moru_node *build_sum_to(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    (void)c;
    return moru_sum_to(x[0], x[1]);
}

static moru_node *build_softmax(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_softmax(x[0], (int)c->n[0]);
}

static moru_node *build_log_softmax(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_log_softmax(x[0], (int)c->n[0]);
}

static moru_node *build_argmax(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_cast(moru_argmax(x[0], (int)c->n[0]), MORU_REAL);
}

static moru_node *build_argmin(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_cast(moru_argmin(x[0], (int)c->n[0]), MORU_REAL);
}

/* The products of all but one factor, as an op of its own: its gradient's gradient is checked, too. */
static moru_node *build_exclusive_prod(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    int axes[8], n;
    const int *list;
    n = axes_of(c, axes, &list);
    moru_node *h = moru_mul(x[0], x[0]);
    moru_node *grad = NULL;
    moru_gradients(moru_prod(h, list, n, false), &h, 1, &grad);
    return grad;
}

static moru_node *squared_error(moru_node *a, moru_node *b)
{
    return moru_mean_squared_error(a, b);
}

#define AXES(k, ...) .n = {k, __VA_ARGS__}
#define KEPT(k, a, b) .n = {k, a, b, 0, 0, 0, 1}

/* Every reduction over: all, one axis of each place, two apart, a kept axis, no axis, rank 0, 1 and 8, ones. */
#define EVERY(op, low, high, more) \
    {.name = #op "/all", .build = build_##op, AXES(-1, 0), .in = {GC_REAL(low, high, 3, 4)}, .flags = more}, \
    {.name = #op "/first", .build = build_##op, AXES(1, 0), .in = {GC_REAL(low, high, 3, 4)}, .flags = more}, \
    {.name = #op "/last", .build = build_##op, AXES(1, -1), .in = {GC_REAL(low, high, 3, 5)}, .flags = more}, \
    {.name = #op "/middle kept", .build = build_##op, KEPT(1, 1, 0), .in = {GC_REAL(low, high, 2, 3, 3)}, \
     .flags = more}, \
    {.name = #op "/apart", .build = build_##op, AXES(2, 2, 0), .in = {GC_REAL(low, high, 3, 2, 3)}, .flags = more}, \
    {.name = #op "/apart kept", .build = build_##op, KEPT(2, 0, -1), .in = {GC_REAL(low, high, 2, 3, 3)}, \
     .flags = more}, \
    {.name = #op "/no axis", .build = build_##op, AXES(0, 0), .in = {GC_REAL(low, high, 2, 3)}, .flags = more}, \
    {.name = #op "/rank 0", .build = build_##op, AXES(-1, 0), .in = {GC_SCALAR(low, high)}, .flags = more}, \
    {.name = #op "/rank 1", .build = build_##op, AXES(1, 0), .in = {GC_REAL(low, high, 7)}, .flags = more}, \
    {.name = #op "/rank 8", .build = build_##op, AXES(4, 0, 2, 4, 7), \
     .in = {GC_REAL(low, high, 2, 1, 2, 2, 1, 1, 2, 2)}, .flags = more}, \
    {.name = #op "/one", .build = build_##op, AXES(1, 1), .in = {GC_REAL(low, high, 3, 1)}, .flags = more}

static moru_node *build_ctc_grad(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_node *ones = moru_ones_like(moru_ctc_loss(x[0], x[1]));
    (void)c;
    return moru_apply_named(graph, "ctc_grad", (moru_node *[]){ones, x[0], x[1]}, 3, NULL);
}

const gradcheck_case gradcheck_cases_reduce[] = {
    EVERY(sum, -1, 1, 0),
    EVERY(mean, -1, 1, 0),
    EVERY(max, -2, 2, GRADCHECK_DISTINCT),
    EVERY(min, -2, 2, GRADCHECK_DISTINCT),
    EVERY(prod, 0.5, 1.5, 0),
    EVERY(variance, -2, 2, 0),
    EVERY(logsumexp, -3, 3, 0),
    {.name = "variance/ddof 1", .build = build_variance, .n = {1, 1, 0, 0, 0, 0, 0, 1}, .in = {GC_REAL(-2, 2, 3, 4)}},
    {.name = "sum/size 0", .build = build_sum, AXES(1, 0), .in = {GC_REAL(-1, 1, 0, 3)}},
    {.name = "sum/size 0 kept", .build = build_sum, AXES(1, 1), .in = {GC_REAL(-1, 1, 0, 3)}},
    {.name = "prod/size 0", .build = build_prod, AXES(1, 0), .in = {GC_REAL(-1, 1, 0, 3)}},
    {.name = "mean/size 0 kept", .build = build_mean, AXES(1, 1), .in = {GC_REAL(-1, 1, 0, 3)}},
    {.name = "max/size 0 kept", .build = build_max, AXES(1, 1), .in = {GC_REAL(-1, 1, 0, 3)}},
    {.name = "exclusive_prod", .build = build_exclusive_prod, AXES(2, 0, 2), .in = {GC_REAL(0.6, 1.4, 2, 2, 3)}},
    {.name = "sum_to/row", .build = build_sum_to, .in = {GC_REAL(-1, 1, 3, 4), GC_FIXED(-1, 1, 4)}},
    {.name = "sum_to/column", .build = build_sum_to, .in = {GC_REAL(-1, 1, 3, 4), GC_FIXED(-1, 1, 3, 1)}},
    {.name = "sum_to/apart", .build = build_sum_to, .in = {GC_REAL(-1, 1, 2, 3, 2, 2), GC_FIXED(-1, 1, 1, 2, 1)}},
    {.name = "sum_to/same", .build = build_sum_to, .in = {GC_REAL(-1, 1, 3, 4), GC_FIXED(-1, 1, 3, 4)}},
    {.name = "sum_to/scalar", .build = build_sum_to, .in = {GC_REAL(-1, 1, 3, 4), GC_SCALAR(-1, 1)}},
    {.name = "argmax", .build = build_argmax, .n = {1}, .flags = GRADCHECK_NO_GRADIENT, .no_gradient_op = "argmax",
     .in = {GC_REAL(-1, 1, 3, 4)}},
    {.name = "argmin", .build = build_argmin, .n = {0}, .flags = GRADCHECK_NO_GRADIENT, .no_gradient_op = "argmin",
     .in = {GC_REAL(-1, 1, 3, 4)}},
    {.name = "softmax/last", .build = build_softmax, .n = {-1}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "softmax/first", .build = build_softmax, .n = {0}, .in = {GC_REAL(-2, 2, 4, 3)}},
    {.name = "softmax/middle", .build = build_softmax, .n = {1}, .in = {GC_REAL(-2, 2, 2, 3, 2)}},
    {.name = "softmax/one", .build = build_softmax, .n = {1}, .in = {GC_REAL(-2, 2, 3, 1)}},
    {.name = "softmax/size 0", .build = build_softmax, .n = {1}, .in = {GC_REAL(-2, 2, 0, 3)}},
    {.name = "log_softmax/last", .build = build_log_softmax, .n = {-1}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "log_softmax/first", .build = build_log_softmax, .n = {0}, .in = {GC_REAL(-2, 2, 4, 3)}},
    {.name = "log_softmax/middle", .build = build_log_softmax, .n = {1}, .in = {GC_REAL(-2, 2, 2, 3, 2)}},
    {.name = "sparse_cross_entropy", .binary = moru_sparse_cross_entropy,
     .in = {GC_REAL(-2, 2, 4, 5), GC_INT(0, 5, 4)}},
    {.name = "sparse_cross_entropy/rank 3", .binary = moru_sparse_cross_entropy,
     .in = {GC_REAL(-2, 2, 2, 3, 4), GC_INT(0, 4, 2, 3)}},
    {.name = "sparse_cross_entropy/rank 1", .binary = moru_sparse_cross_entropy,
     .in = {GC_REAL(-2, 2, 6), {.dtype = MORU_INT32, .low = 0, .high = 6}}},
    {.name = "sparse_cross_entropy/size 0", .binary = moru_sparse_cross_entropy,
     .in = {GC_REAL(-2, 2, 0, 4), GC_INT(0, 4, 0)}},
    {.name = "ctc", .binary = moru_ctc_loss, .flags = GRADCHECK_FIRST_ORDER, /* ctc_grad has no gradient */
     .in = {GC_REAL(-2, 2, 3, 7, 4), GC_INT(1, 4, 3, 3)}},
    {.name = "ctc/shorter labels", .binary = moru_ctc_loss, .flags = GRADCHECK_FIRST_ORDER,
     .in = {GC_REAL(-2, 2, 4, 8, 3), GC_INT(0, 3, 4, 3)}},
    {.name = "ctc/one step", .binary = moru_ctc_loss, .flags = GRADCHECK_FIRST_ORDER,
     .in = {GC_REAL(-2, 2, 2, 1, 3), GC_INT(1, 3, 2, 1)}},
    {.name = "ctc/blanks only", .binary = moru_ctc_loss, .flags = GRADCHECK_FIRST_ORDER,
     .in = {GC_REAL(-2, 2, 2, 4, 3), GC_INT(0, 1, 2, 2)}},
    {.name = "ctc/size 0", .binary = moru_ctc_loss, .flags = GRADCHECK_FIRST_ORDER,
     .in = {GC_REAL(-2, 2, 0, 4, 3), GC_INT(0, 1, 0, 2)}},
    {.name = "ctc_grad", .build = build_ctc_grad, .flags = GRADCHECK_NO_GRADIENT, .no_gradient_op = "ctc_grad",
     .in = {GC_REAL(-2, 2, 2, 4, 3), GC_INT(1, 3, 2, 2)}},
    {.name = "cross_entropy", .binary = moru_cross_entropy, .in = {GC_REAL(-2, 2, 4, 5), GC_REAL(0, 1, 4, 5)}},
    {.name = "sigmoid_cross_entropy", .binary = moru_sigmoid_cross_entropy,
     .in = {GC_KINK(-3, 3, 0, 4, 5), GC_REAL(0, 1, 4, 5)}},
    {.name = "mean_squared_error", .binary = squared_error, .in = {GC_REAL(-2, 2, 4, 5), GC_REAL(-2, 2, 4, 5)}},
    {.name = NULL},
};
