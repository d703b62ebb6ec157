/* Pooling to a given size, made of pooling with windows of two sizes. */
#include <stdlib.h>

#include "core/status.h"
#include "ops/adaptive_pool.h"
#include "ops/shape_rules.h"

/* Windows of a size, at every `stride`-th place along an axis, with what is behind it made one. */
static moru_node *windows(moru_node *x, bool largest, int64_t size, int64_t stride)
{
    moru_pool2d_attrs attrs = {.size = {size, 1}, .strides = {stride, 1}};
    return largest ? moru_max_pool2d(x, &attrs) : moru_avg_pool2d(x, &attrs);
}

/* Which window i is: of size `small` at its place, or one larger, which come after the small ones. */
static moru_node *window_indices(moru_graph *graph, int64_t size, int64_t wanted, int64_t small)
{
    int32_t *indices = malloc((size_t)wanted * sizeof *indices);
    if (!indices)
        return moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for %lld windows", (long long)wanted);
    for (int64_t i = 0; i < wanted; i++) {
        int64_t start = i * size / wanted, end = ((i + 1) * size + wanted - 1) / wanted;
        indices[i] = (int32_t)(end - start > small ? start + size - small + 1 : start);
    }
    moru_node *node = moru_constant(graph, MORU_INT32, MORU_SHAPE(wanted), indices);
    free(indices);
    return node;
}

/* Along axis 1 of [n, size, rest, c] */
static moru_node *pool_axis(moru_node *x, bool largest, int64_t size, int64_t wanted)
{
    int64_t small = (size + wanted - 1) / wanted;
    if (size % wanted == 0)
        return windows(x, largest, small, small);
    moru_node *all = windows(x, largest, small, 1);
    if (small < size) {
        moru_node *both[] = {all, windows(x, largest, small + 1, 1)};
        all = moru_concat(both, 2, 1);
    }
    return moru_node_failed(all) ? all : moru_gather(all, window_indices(all->graph, size, wanted, small), 1);
}

moru_node *moru_adaptive_pool(moru_node *x, bool largest, int axis, int64_t wanted)
{
    if (moru_node_failed(x) || x->shape.dims[axis] == wanted)
        return x;
    const moru_shape *shape = &x->shape;
    int64_t rest = 1, before = axis == 1 ? shape->dims[0] : -1, dims[MORU_MAX_RANK];
    for (int i = axis + 1; i < shape->rank - 1; i++)
        if (__builtin_mul_overflow(rest, shape->dims[i], &rest))
            return moru_graph_fail(x->graph, MORU_ERR_MEMORY, "more elements than can be counted");
    const int64_t flat[] = {before, shape->dims[axis], rest, shape->dims[shape->rank - 1]};
    for (int i = 0; i < shape->rank; i++)
        dims[i] = i == axis ? wanted : shape->dims[i];
    moru_node *y = pool_axis(moru_reshape(x, flat, 4), largest, shape->dims[axis], wanted);
    return moru_reshape(y, dims, shape->rank);
}

moru_node *moru_adaptive_max_pool2d(moru_node *x, int64_t height, int64_t width)
{
    const int64_t wanted[] = {height, width};
    if (moru_node_failed(x))
        return x;
    if (x->shape.rank != 4)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "adaptive_max_pool2d: %s isn't [n,h,w,c]",
                               MORU_TEXT(&x->shape));
    for (int i = 0; i < 2; i++)
        if (x->shape.dims[i + 1] <= 0 || x->shape.dims[i + 1] > INT32_MAX || wanted[i] < 1 || wanted[i] > 512)
            return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "adaptive_max_pool2d: an axis of size %lld can't get %lld",
                                   (long long)x->shape.dims[i + 1], (long long)wanted[i]);
    return moru_adaptive_pool(moru_adaptive_pool(x, true, 1, height), true, 2, width);
}
