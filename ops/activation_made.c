/* Activations made of other ops; formulas of keras.activations. Fusion joins the elementwise ones. */
#include "ops/activation_made.h"

/* elu that is smooth for every alpha: Barron, 2017. */
moru_node *moru_celu(moru_node *x, double alpha)
{
    return alpha == 1 ? moru_elu(x, 1) : moru_mul_scalar(moru_elu(moru_mul_scalar(x, 1 / alpha), 1), alpha);
}

moru_node *moru_soft_shrink(moru_node *x, double threshold)
{
    return moru_sub(moru_relu(moru_add_scalar(x, -threshold)), moru_relu(moru_add_scalar(moru_neg(x), -threshold)));
}

moru_node *moru_hard_shrink(moru_node *x, double threshold)
{
    if (moru_node_failed(x))
        return x;
    return moru_mul(x, moru_greater(moru_abs(x), moru_scalar(x->graph, threshold)));
}

/* (x + sqrt(x^2 + b))/2 */
moru_node *moru_squareplus(moru_node *x, double b)
{
    return moru_mul_scalar(moru_add(x, moru_sqrt(moru_add_scalar(moru_square(x), b))), 0.5);
}

/* x > threshold ? x : value */
moru_node *moru_threshold(moru_node *x, double threshold, double value)
{
    if (moru_node_failed(x))
        return x;
    return moru_where(moru_greater(x, moru_scalar(x->graph, threshold)), x, moru_scalar(x->graph, value));
}

/* The first half along axis times the sigmoid of the second: Dauphin et al., 2016. */
moru_node *moru_glu(moru_node *x, int axis)
{
    if (moru_node_failed(x))
        return x;
    int rank = x->shape.rank, place = axis < 0 ? axis + rank : axis;
    int64_t size = place >= 0 && place < rank ? x->shape.dims[place] : -1;
    if (size < 0 || size % 2)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "glu: axis %d has no known even size", axis);
    return moru_mul(moru_slice(x, place, 0, size / 2, 1), moru_sigmoid(moru_slice(x, place, size / 2, size, 1)));
}

moru_node *moru_sparsemax_by(moru_node *x, int axis, bool of_sums)
{
    if (moru_node_failed(x))
        return x;
    int rank = x->shape.rank, place = axis < 0 ? axis + rank : axis;
    if (place < 0 || place >= rank)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "sparsemax: axis %d of %d", axis, rank);
    moru_node *z = moru_sort(x, place, true), *sums = moru_cumsum(z, place, false), *ones = moru_ones_like(z);
    moru_node *support = moru_greater(moru_add(ones, moru_mul(z, moru_cumsum(ones, place, false))), sums);
    moru_node *sum = moru_sum(moru_mul(of_sums ? sums : z, support), &place, 1, true);
    moru_node *count = moru_sum(support, &place, 1, true);
    return moru_relu(moru_sub(x, moru_div(moru_add_scalar(sum, -1), moru_stop_gradient(count))));
}

/* The nearest point of the simplex: Martins and Astudillo, 2016. */
moru_node *moru_sparsemax(moru_node *x, int axis)
{
    return moru_sparsemax_by(x, axis, false);
}

moru_node *moru_sparse_plus(moru_node *x)
{
    moru_node *inside = moru_clip(x, -1, 1);
    return moru_add(moru_mul_scalar(moru_square(moru_add_scalar(inside, 1)), 0.25), moru_relu(moru_add_scalar(x, -1)));
}

moru_node *moru_sparse_sigmoid(moru_node *x)
{
    return moru_clip(moru_add_scalar(moru_mul_scalar(x, 0.5), 0.5), 0, 1);
}

moru_node *moru_hard_tanh(moru_node *x)
{
    return moru_clip(x, -1, 1);
}

moru_node *moru_tanh_shrink(moru_node *x)
{
    return moru_sub(x, moru_tanh(x));
}
