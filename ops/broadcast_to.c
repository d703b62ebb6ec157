/* Repeating along axes of size 1 and new leading axes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

/* Size k is dims[k], or, for a symbolic one that x has too, the size of axis from[k] - 1 of x. */
typedef struct broadcast_to_attrs {
    int64_t rank;
    int64_t dims[MORU_MAX_RANK];
    int64_t from[MORU_MAX_RANK];
} broadcast_to_attrs;

static moru_status check_broadcast(const moru_shape *x, const moru_shape *y)
{
    bool fits = x->rank <= y->rank;
    for (int i = 1; fits && i <= x->rank; i++) {
        int64_t size = x->dims[x->rank - i];
        fits = size == 1 || moru_rule_fits(size, y->dims[y->rank - i]);
    }
    return fits ? MORU_OK : moru_op_error(MORU_ERR_SHAPE, "%s can't be repeated to %s", MORU_TEXT(x), MORU_TEXT(y));
}

static moru_status infer_broadcast_to(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const broadcast_to_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    shapes[0].rank = (int32_t)attrs->rank;
    for (int i = 0; i < attrs->rank; i++) {
        int64_t from = attrs->from[i];
        shapes[0].dims[i] = from > 0 && from <= x->rank ? x->dims[from - 1] : attrs->dims[i];
        if (attrs->dims[i] < 0 && from == 0)
            return moru_op_error(MORU_ERR_ARGUMENT, "size %d of the shape to repeat %s to is negative or open; "
                                 "broadcast_like takes it from a value", i, MORU_TEXT(x));
    }
    dtypes[0] = in->dtypes[0];
    return check_broadcast(x, &shapes[0]);
}

static moru_status infer_broadcast_like(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[1];
    dtypes[0] = in->dtypes[0];
    return check_broadcast(&in->shapes[0], &shapes[0]);
}

/* The driver sums it to the shape of x. */
static void vjp_broadcast(const moru_vjp *v)
{
    v->dx[0] = v->dy[0];
}

static moru_status run_broadcast(const moru_run *run)
{
    const moru_view *x = run->in[0], *y = run->out[0];
    int64_t x_strides[MORU_MAX_RANK], strides[MORU_MAX_RANK];
    int added = y->shape.rank - x->shape.rank;
    moru_run_strides(&x->shape, x_strides);
    for (int i = 0; i < y->shape.rank; i++)
        strides[i] = i < added || x->shape.dims[i - added] == 1 ? 0 : x_strides[i - added];
    run->kernels->copy_strided(y->shape.rank, y->shape.dims, strides, moru_dtype_size(y->dtype), x->data, y->data,
                               run->threads);
    return MORU_OK;
}

static void print_broadcast_to(const void *attrs_, char *text, size_t size)
{
    const broadcast_to_attrs *attrs = attrs_;
    moru_shape shape = {.rank = (int32_t)attrs->rank};
    memcpy(shape.dims, attrs->dims, sizeof shape.dims);
    snprintf(text, size, "shape=%s", MORU_TEXT(&shape));
}

const moru_op_def moru_op_broadcast_to = {
    .name = "broadcast_to", .formula = "y[.., i, j] = x[i or 0, j or 0]", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .flags = MORU_OP_RESIZE, .attr_size = sizeof(broadcast_to_attrs), .infer = infer_broadcast_to, .vjp = vjp_broadcast,
    .run = run_broadcast, .print = print_broadcast_to,
};

const moru_op_def moru_op_broadcast_like = {
    .name = "broadcast_like", .formula = "y[.., i, j] = x[i or 0, j or 0], of the shape of like", .min_inputs = 2,
    .max_inputs = 2, .n_outputs = 1, .flags = MORU_OP_RESIZE, .shape_only = 2, .infer = infer_broadcast_like, .vjp = vjp_broadcast,
    .run = run_broadcast,
};

moru_node *moru_broadcast_to(moru_node *x, const int64_t *dims, int n)
{
    broadcast_to_attrs attrs = {.rank = n};
    if (!x)
        return NULL;
    if (n < 0 || n > MORU_MAX_RANK || (n > 0 && !dims))
        return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "broadcast_to: a shape has 0 to %d sizes, not %d",
                               MORU_MAX_RANK, n);
    for (int i = 0; i < n; i++) {
        int axis = i - (n - x->shape.rank);
        attrs.dims[i] = dims[i];
        if (dims[i] < -1 && axis >= 0 && x->shape.dims[axis] == dims[i])
            attrs.from[i] = axis + 1;
    }
    return moru_call_1(&moru_op_broadcast_to, x, &attrs);
}

moru_node *moru_broadcast_like(moru_node *x, moru_node *like)
{
    return moru_call_2(&moru_op_broadcast_like, x, like, NULL);
}
