/* What describes many elements by few, made of other ops: any, all, norms, standard deviation, quantiles, traces. */
#include <math.h>

#include "core/status.h"
#include "ops/shape_rules.h"

static moru_node *nonzero(moru_node *x)
{
    return moru_not_equal(x, moru_zeros_like(x));
}

moru_node *moru_count_nonzero(moru_node *x, const int *axes, int n, bool keepdims)
{
    return moru_node_failed(x) ? x : moru_sum(nonzero(x), axes, n, keepdims);
}

/* By sums, which nothing has, too: nothing of nothing is true, and all of nothing. */
moru_node *moru_any(moru_node *x, const int *axes, int n, bool keepdims)
{
    if (moru_node_failed(x))
        return x;
    return moru_greater(moru_sum(nonzero(x), axes, n, keepdims), moru_scalar(x->graph, 0));
}

moru_node *moru_all(moru_node *x, const int *axes, int n, bool keepdims)
{
    if (moru_node_failed(x))
        return x;
    return moru_equal(moru_sum(moru_equal(x, moru_zeros_like(x)), axes, n, keepdims), moru_scalar(x->graph, 0));
}

/* x^(1/p) with a gradient of 0 instead of infinity at 0. NaN stays. */
static moru_node *root(moru_node *x, double p)
{
    if (moru_node_failed(x))
        return x;
    moru_node *zero = moru_equal(x, moru_scalar(x->graph, 0)), *safe = moru_where(zero, moru_scalar(x->graph, 1), x);
    return moru_where(zero, moru_scalar(x->graph, 0), p == 2 ? moru_sqrt(safe) : moru_pow_scalar(safe, 1 / p));
}

moru_node *moru_std(moru_node *x, const int *axes, int n, bool keepdims, int ddof)
{
    return root(moru_variance(x, axes, n, keepdims, ddof), 2);
}

moru_node *moru_norm(moru_node *x, double order, const int *axes, int n, bool keepdims)
{
    if (moru_node_failed(x))
        return x;
    if (isnan(order))
        return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "norm: the order is not a number");
    if (isinf(order))
        return (order > 0 ? moru_max : moru_min)(moru_abs(x), axes, n, keepdims);
    if (order == 0)
        return moru_count_nonzero(x, axes, n, keepdims);
    if (order == 1)
        return moru_sum(moru_abs(x), axes, n, keepdims);
    moru_node *powers = order == 2 ? moru_square(x) : moru_pow_scalar(moru_abs(x), order);
    return root(moru_sum(powers, axes, n, keepdims), order);
}

/* Between the elements beside place q (size - 1) of the sorted ones. */
moru_node *moru_quantile(moru_node *x, double q, int axis, bool keepdims)
{
    if (moru_node_failed(x))
        return x;
    int rank = x->shape.rank, place = axis >= -rank && axis < rank ? moru_axis_of(axis, rank) : -1;
    int64_t size = place >= 0 ? x->shape.dims[place] : 0;
    if (!(q >= 0 && q <= 1) || size < 1)
        return moru_graph_fail(x->graph, size < 1 ? MORU_ERR_SHAPE : MORU_ERR_ARGUMENT,
                               "quantile: %g of axis %d of %s: it must be between 0 and 1, and the size known "
                               "and not 0", q, axis, MORU_TEXT(&x->shape));
    double at = q * (double)(size - 1), rest = at - floor(at);
    int64_t low = (int64_t)at;
    moru_node *sorted = moru_sort(x, place, false), *y = moru_slice(sorted, place, low, low + 1, 1);
    if (rest > 0)
        y = moru_add(moru_mul_scalar(y, 1 - rest),
                     moru_mul_scalar(moru_slice(sorted, place, low + 1, low + 2, 1), rest));
    return keepdims ? y : moru_squeeze(y, place);
}

moru_node *moru_median(moru_node *x, int axis, bool keepdims)
{
    return moru_quantile(x, 0.5, axis, keepdims);
}

moru_node *moru_trace_op(moru_node *x, int64_t k)
{
    int last = -1;
    return moru_sum(moru_diagonal(x, k), &last, 1, false);
}
