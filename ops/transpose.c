/* Axes in another order. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

typedef struct transpose_attrs {
    int64_t rank;
    int64_t order[MORU_MAX_RANK];
} transpose_attrs;

static moru_status infer_transpose(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const transpose_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    unsigned seen = 0;
    if (attrs->rank != x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "an order of %" PRId64 " axes for %s", attrs->rank, MORU_TEXT(x));
    shapes[0].rank = x->rank;
    for (int i = 0; i < x->rank; i++) {
        int64_t axis = attrs->order[i];
        if (axis < 0 || axis >= x->rank || (seen & 1u << axis))
            return moru_op_error(MORU_ERR_ARGUMENT, "the order of the axes of %s names axis %" PRId64 " %s",
                                 MORU_TEXT(x), axis,
                                 axis < 0 || axis >= x->rank ? "which it hasn't" : "twice");
        seen |= 1u << axis;
        shapes[0].dims[i] = x->dims[axis];
    }
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void vjp_transpose(const moru_vjp *v)
{
    const transpose_attrs *attrs = v->attrs;
    int back[MORU_MAX_RANK] = {0};
    for (int i = 0; i < attrs->rank; i++)
        back[attrs->order[i]] = i;
    v->dx[0] = moru_transpose(v->dy[0], back);
}

static moru_status run_transpose(const moru_run *run)
{
    const transpose_attrs *attrs = run->attrs;
    const moru_view *x = run->in[0], *y = run->out[0];
    int64_t x_strides[MORU_MAX_RANK], strides[MORU_MAX_RANK];
    moru_run_strides(&x->shape, x_strides);
    for (int i = 0; i < y->shape.rank; i++)
        strides[i] = x_strides[attrs->order[i]];
    run->kernels->copy_strided(y->shape.rank, y->shape.dims, strides, moru_dtype_size(y->dtype), x->data, y->data,
                               run->threads);
    return MORU_OK;
}

static void print_transpose(const void *attrs_, char *text, size_t size)
{
    const transpose_attrs *attrs = attrs_;
    size_t used = (size_t)snprintf(text, size, "order=");
    for (int i = 0; i < attrs->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? ",%" PRId64 : "%" PRId64, attrs->order[i]);
}

bool moru_transposes_back(const void *attrs, const void *before)
{
    const transpose_attrs *a = attrs, *b = before;
    for (int i = 0; i < a->rank; i++)
        if (b->order[a->order[i]] != i)
            return false;
    return true;
}

const moru_op_def moru_op_transpose = {
    .name = "transpose", .formula = "y[i, j, ...] = x[axes in another order]", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .attr_size = sizeof(transpose_attrs), .infer = infer_transpose, .vjp = vjp_transpose,
    .run = run_transpose, .print = print_transpose,
};

moru_node *moru_transpose(moru_node *x, const int *order)
{
    transpose_attrs attrs = {0};
    if (!moru_node_failed(x)) {
        int rank = x->shape.rank;
        attrs.rank = rank;
        for (int i = 0; i < rank; i++)
            attrs.order[i] = order ? moru_axis_of(order[i], rank) : rank - 1 - i;
    }
    return moru_call_1(&moru_op_transpose, x, &attrs);
}
