/* Products of vectors and tensors, made of other ops: outer, cross, inner, tensordot. */
#include <string.h>

#include "core/status.h"
#include "ops/shape_rules.h"

moru_node *moru_outer(moru_node *a, moru_node *b)
{
    return moru_mul(moru_reshape(a, (int64_t[]){-1, 1}, 2), moru_reshape(b, (int64_t[]){1, -1}, 2));
}

/* y[i] = a[i + 1] b[i + 2] - a[i + 2] b[i + 1], counted round in threes */
moru_node *moru_cross(moru_node *a, moru_node *b, int axis)
{
    if (moru_node_failed(a) || moru_node_failed(b))
        return moru_node_failed(a) ? a : b;
    const moru_node *both[] = {a, b};
    for (int k = 0; k < 2; k++) {
        int rank = both[k]->shape.rank;
        if (axis < -rank || axis >= rank || both[k]->shape.dims[moru_axis_of(axis, rank)] != 3)
            return moru_graph_fail(a->graph, MORU_ERR_SHAPE, "cross: axis %d of %s doesn't hold 3 elements", axis,
                                   MORU_TEXT(&both[k]->shape));
    }
    return moru_sub(moru_mul(moru_roll(a, -1, axis), moru_roll(b, -2, axis)),
                    moru_mul(moru_roll(a, -2, axis), moru_roll(b, -1, axis)));
}

/* ---- tensordot ---- */

/* A value as a matrix: its free axes on one side, those that are summed over on the other. */
typedef struct folded {
    moru_node *matrix;
    int64_t free[MORU_MAX_RANK];
    int n_free;
} folded;

static bool fold(moru_node *x, const int *axes, int n, bool sum_last, folded *out)
{
    int rank = x->shape.rank, order[MORU_MAX_RANK], summed[MORU_MAX_RANK];
    bool taken[MORU_MAX_RANK] = {false};
    int64_t rows = 1, sums = 1;
    bool fine = n >= 0 && n <= rank;
    for (int k = 0; k < n && fine; k++) {
        fine = axes[k] >= -rank && axes[k] < rank && !taken[moru_axis_of(axes[k], rank)];
        if (fine) {
            summed[k] = moru_axis_of(axes[k], rank);
            taken[summed[k]] = true;
            fine = x->shape.dims[summed[k]] >= 0 && moru_mul_ok(sums, x->shape.dims[summed[k]], &sums);
        }
    }
    if (!fine)
        return false;
    out->n_free = 0;
    for (int k = 0; k < rank; k++)
        if (!taken[k]) {
            order[(sum_last ? 0 : n) + out->n_free] = k;
            out->free[out->n_free++] = x->shape.dims[k];
            rows = rows < 0 || x->shape.dims[k] < 0 ? -1 : rows * x->shape.dims[k];
        }
    memcpy(order + (sum_last ? out->n_free : 0), summed, (size_t)n * sizeof *order);
    const int64_t dims[] = {sum_last ? rows : sums, sum_last ? sums : rows};
    out->matrix = moru_reshape(moru_transpose(x, order), dims, 2);
    return true;
}

moru_node *moru_tensordot(moru_node *a, moru_node *b, const int *axes_a, const int *axes_b, int n)
{
    if (moru_node_failed(a) || moru_node_failed(b))
        return moru_node_failed(a) ? a : b;
    folded x, y;
    bool fine = (n <= 0 || (axes_a && axes_b)) && fold(a, axes_a, n, true, &x) && fold(b, axes_b, n, false, &y);
    for (int k = 0; k < n && fine; k++)
        fine = a->shape.dims[moru_axis_of(axes_a[k], a->shape.rank)] ==
               b->shape.dims[moru_axis_of(axes_b[k], b->shape.rank)];
    if (!fine || x.n_free + y.n_free > MORU_MAX_RANK)
        return moru_graph_fail(a->graph, MORU_ERR_SHAPE, "tensordot: %s and %s over %d axes each: they must be there "
                               "once, of known and equal sizes, and leave at most %d", MORU_TEXT(&a->shape),
                               MORU_TEXT(&b->shape), n, MORU_MAX_RANK);
    int64_t dims[MORU_MAX_RANK];
    memcpy(dims, x.free, (size_t)x.n_free * sizeof *dims);
    memcpy(dims + x.n_free, y.free, (size_t)y.n_free * sizeof *dims);
    return moru_reshape(moru_matmul(x.matrix, y.matrix), dims, x.n_free + y.n_free);
}

moru_node *moru_inner(moru_node *a, moru_node *b)
{
    int last = -1;
    bool scalar = moru_node_failed(a) || moru_node_failed(b) || a->shape.rank == 0 || b->shape.rank == 0;
    return scalar ? moru_mul(a, b) : moru_tensordot(a, b, &last, &last, 1);
}
