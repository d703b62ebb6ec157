/* Group normalization: Wu and He, 2018. */
#include "core/status.h"
#include "ops/group_norm.h"
#include "ops/shape_rules.h"

/* The axis becomes two, groups and what is in one; groups stand after the batch, all else at the end is normalized. */
static moru_node *normalize(moru_node *x, int axis, int64_t groups, double epsilon)
{
    const moru_shape *shape = moru_node_shape(x);
    int64_t split[MORU_MAX_RANK];
    int order[MORU_MAX_RANK], back[MORU_MAX_RANK], rank = shape->rank;
    for (int i = 0, k = 0; i < rank; i++) {
        if (i == axis)
            split[k++] = groups;
        split[k++] = i == axis ? shape->dims[i] / groups : shape->dims[i];
    }
    order[0] = 0;
    order[1] = axis;
    for (int i = 1, k = 2; i <= rank; i++)
        if (i != axis)
            order[k++] = i;
    for (int i = 0; i <= rank; i++)
        back[order[i]] = i;
    moru_node *y = moru_reshape(x, split, rank + 1);
    if (axis == 1)
        return moru_layer_norm(y, NULL, NULL, rank - 1, epsilon);
    return moru_transpose(moru_layer_norm(moru_transpose(y, order), NULL, NULL, rank - 1, epsilon), back);
}

moru_node *moru_normalize_groups(moru_node *x, int axis, int64_t groups, double epsilon)
{
    if (groups == 1)
        return moru_layer_norm(x, NULL, NULL, moru_node_shape(x)->rank - 1, epsilon);
    return moru_reshape_like(normalize(x, axis, groups, epsilon), x);
}

moru_node *moru_group_norm(moru_node *x, moru_node *gamma, moru_node *beta, int64_t groups, double epsilon)
{
    if (moru_node_failed(x))
        return x;
    int rank = x->shape.rank;
    int64_t channels = rank >= 2 ? x->shape.dims[rank - 1] : -1;
    if (rank < 2 || rank >= MORU_MAX_RANK || channels < 0 || groups < 1 || channels % groups != 0)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "group_norm: %s has no channels in %lld equal groups",
                               MORU_TEXT(&x->shape), (long long)groups);
    moru_node *y = moru_normalize_groups(x, rank - 1, groups, epsilon);
    y = gamma ? moru_mul(y, gamma) : y;
    return beta ? moru_add(y, beta) : y;
}
