/* Axes and elements in another order or number, made of other ops: flip, roll, tile, split, moveaxis, diff. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/status.h"
#include "ops/shape_rules.h"

/* axis counted from the front; -1 and a failed graph if x has no such axis. */
static int axis_of(const char *op, moru_node *x, int axis)
{
    int rank = x->shape.rank;
    if (axis >= -rank && axis < rank)
        return moru_axis_of(axis, rank);
    moru_graph_fail(x->graph, MORU_ERR_SHAPE, "%s: axis %d is outside the %d axes of %s", op, axis, rank,
                    MORU_TEXT(&x->shape));
    return -1;
}

static moru_node *inert(const moru_node *x)
{
    return x->graph->inert;
}

moru_node *moru_flip(moru_node *x, const int *axes, int n)
{
    if (moru_node_failed(x))
        return x;
    int rank = x->shape.rank;
    for (int k = 0; k < (axes ? n : rank); k++)
        x = moru_slice(x, axes ? axes[k] : k, -1, MORU_SLICE_END, -1);
    return x;
}

moru_node *moru_roll(moru_node *x, int64_t shift, int axis)
{
    if (moru_node_failed(x))
        return x;
    int place = axis_of("roll", x, axis);
    if (place < 0)
        return inert(x);
    int64_t size = x->shape.dims[place];
    if (size < 0)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "roll: axis %d of %s has no known size", place,
                               MORU_TEXT(&x->shape));
    int64_t first = size > 0 ? (size - shift % size) % size : 0; /* of x, which comes first */
    if (first == 0)
        return x;
    moru_node *parts[] = {moru_slice(x, place, first, MORU_SLICE_END, 1), moru_slice(x, place, 0, first, 1)};
    return moru_concat(parts, 2, place);
}

/* ---- tile ---- */

/* n copies one after the other, where sizes are open or there is no room for an axis more. */
static moru_node *copies(moru_node *x, int64_t n, int axis)
{
    moru_node **xs = n <= INT32_MAX ? malloc((size_t)n * sizeof *xs) : NULL;
    if (!xs)
        return moru_graph_fail(x->graph, MORU_ERR_MEMORY, "tile: no memory for %" PRId64 " copies", n);
    for (int64_t k = 0; k < n; k++)
        xs[k] = x;
    moru_node *y = moru_concat(xs, (int)n, axis);
    free(xs);
    return y;
}

static moru_node *tile_axis(moru_node *x, int64_t n, int axis)
{
    moru_shape wide = x->shape, flat = x->shape;
    if (n < 0)
        return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "tile: %" PRId64 " copies", n);
    if (n == 1)
        return x;
    if (n == 0)
        return moru_slice(x, axis, 0, 0, 1);
    if (!moru_shape_known(&x->shape) || x->shape.rank == MORU_MAX_RANK)
        return copies(x, n, axis);
    if (!moru_mul_ok(flat.dims[axis], n, &flat.dims[axis]))
        return moru_graph_fail(x->graph, MORU_ERR_MEMORY, "tile: %" PRId64 " copies of %s", n, MORU_TEXT(&x->shape));
    wide.rank++;
    for (int k = wide.rank - 1; k > axis; k--)
        wide.dims[k] = wide.dims[k - 1];
    wide.dims[axis] = n;
    return moru_reshape(moru_broadcast_to(moru_expand_dims(x, axis), wide.dims, wide.rank), flat.dims, flat.rank);
}

moru_node *moru_tile(moru_node *x, const int64_t *repeats, int n)
{
    if (moru_node_failed(x))
        return x;
    if (n < 0 || n > MORU_MAX_RANK || (n > 0 && !repeats))
        return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "tile: %d numbers of copies", n);
    while (!moru_node_failed(x) && x->shape.rank < n)
        x = moru_expand_dims(x, 0);
    for (int k = 0; k < n && !moru_node_failed(x); k++)
        x = tile_axis(x, repeats[k], x->shape.rank - n + k);
    return x;
}

/* ---- parts ---- */

moru_node *moru_split(moru_node *x, int n, int axis, moru_node **parts)
{
    if (moru_node_failed(x) || n < 1 || !parts)
        return moru_node_failed(x) ? x : moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "split: %d parts", n);
    int place = axis_of("split", x, axis);
    int64_t size = place >= 0 ? x->shape.dims[place] : 0;
    if (size < 0 || size % n != 0)
        moru_graph_fail(x->graph, MORU_ERR_SHAPE, "split: axis %d of %s doesn't fall into %d equal parts", place,
                        MORU_TEXT(&x->shape), n);
    bool fine = place >= 0 && size >= 0 && size % n == 0;
    for (int k = 0; k < n; k++)
        parts[k] = fine ? moru_slice(x, place, size / n * k, size / n * (k + 1), 1) : inert(x);
    return parts[0];
}

moru_node *moru_unstack(moru_node *x, int axis, moru_node **parts)
{
    int place = moru_node_failed(x) ? -1 : axis_of("unstack", x, axis);
    if (place < 0)
        return x ? inert(x) : NULL;
    int64_t size = x->shape.dims[place];
    if (size < 1 || size > INT32_MAX)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "unstack: axis %d of %s is empty or of no known size", place,
                               MORU_TEXT(&x->shape));
    moru_split(x, (int)size, place, parts);
    for (int64_t k = 0; k < size; k++)
        parts[k] = moru_squeeze(parts[k], place);
    return parts[0];
}

/* ---- axes ---- */

moru_node *moru_swapaxes(moru_node *x, int a, int b)
{
    if (moru_node_failed(x))
        return x;
    int order[MORU_MAX_RANK], first = axis_of("swapaxes", x, a), second = axis_of("swapaxes", x, b);
    if (first < 0 || second < 0)
        return inert(x);
    for (int k = 0; k < x->shape.rank; k++)
        order[k] = k == first ? second : k == second ? first : k;
    return moru_transpose(x, order);
}

moru_node *moru_moveaxis(moru_node *x, int from, int to)
{
    if (moru_node_failed(x))
        return x;
    int order[MORU_MAX_RANK], source = axis_of("moveaxis", x, from), place = axis_of("moveaxis", x, to);
    if (source < 0 || place < 0)
        return inert(x);
    for (int k = 0, next = 0; k < x->shape.rank; k++) {
        next += next == source;
        order[k] = k == place ? source : next++;
    }
    return moru_transpose(x, order);
}

moru_node *moru_diff(moru_node *x, int times, int axis)
{
    if (!moru_node_failed(x) && times < 0)
        return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "diff: %d times", times);
    for (int k = 0; k < times && !moru_node_failed(x); k++)
        x = moru_sub(moru_slice(x, axis, 1, MORU_SLICE_END, 1), moru_slice(x, axis, 0, -1, 1));
    return x;
}
