/* Group normalization (Wu and He, 2018) and adaptive largest values, made of other ops. */
#include "core/status.h"
#include "ops/shape_rules.h"

moru_node *moru_group_norm(moru_node *x, moru_node *gamma, moru_node *beta, int64_t groups, double epsilon)
{
    if (moru_node_failed(x))
        return x;
    int rank = x->shape.rank, axes[MORU_MAX_RANK], n = 0;
    int64_t channels = rank >= 2 ? x->shape.dims[rank - 1] : -1;
    if (rank < 2 || rank >= MORU_MAX_RANK || channels < 0 || groups < 1 || channels % groups != 0)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "group_norm: %s has no channels in %lld equal groups",
                               MORU_TEXT(&x->shape), (long long)groups);
    moru_shape split = x->shape;
    split.dims[rank - 1] = groups;
    split.dims[split.rank++] = channels / groups;
    for (int k = 1; k < split.rank; k++)
        if (k != rank - 1)
            axes[n++] = k;
    moru_node *parts = moru_reshape(x, split.dims, split.rank);
    moru_node *centred = moru_sub(parts, moru_mean(parts, axes, n, true));
    moru_node *variance = moru_mean(moru_square(centred), axes, n, true);
    moru_node *y = moru_reshape_like(moru_mul(centred, moru_rsqrt(moru_add_scalar(variance, epsilon))), x);
    y = gamma ? moru_mul(y, gamma) : y;
    return beta ? moru_add(y, beta) : y;
}

/* The largest values along an axis of n uneven windows. */
static moru_node *largest(moru_node *x, int axis, int64_t n)
{
    moru_node *parts[512];
    int64_t size = moru_node_failed(x) ? -1 : x->shape.dims[axis];
    if (size <= 0 || n < 1 || n > 512)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "adaptive_max_pool2d: an axis of size %lld can't get %lld",
                               (long long)size, (long long)n);
    for (int64_t i = 0; i < n; i++)
        parts[i] = moru_max(moru_slice(x, axis, i * size / n, ((i + 1) * size + n - 1) / n, 1), &axis, 1, true);
    return n == 1 ? parts[0] : moru_concat(parts, (int)n, axis);
}

moru_node *moru_adaptive_max_pool2d(moru_node *x, int64_t height, int64_t width)
{
    if (moru_node_failed(x))
        return x;
    if (x->shape.rank != 4)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "adaptive_max_pool2d: %s isn't [n,h,w,c]",
                               MORU_TEXT(&x->shape));
    return largest(largest(x, 1, height), 2, width);
}
