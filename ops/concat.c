/* Joining along an axis, and one part of the joined whole (the gradient). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

typedef struct concat_attrs {
    int64_t axis;
    int64_t part; /* of concat_grad: which one is wanted */
} concat_attrs;

/* Shape of the inputs first..n-1 joined. */
static moru_status joined_shape(const moru_infer *in, int first, moru_shape *y, int *axis)
{
    const concat_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[first];
    if (attrs->axis < -x->rank || attrs->axis >= x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "axis %" PRId64 " is outside the %d axes of %s", attrs->axis, x->rank,
                             MORU_TEXT(x));
    *axis = moru_axis_of(attrs->axis, x->rank);
    *y = *x;
    for (int k = first + 1; k < in->n_inputs; k++) {
        const moru_shape *other = &in->shapes[k];
        bool fits = other->rank == x->rank;
        for (int i = 0; fits && i < x->rank; i++) {
            fits = i == *axis || moru_rule_fits(other->dims[i], y->dims[i]);
            if (i != *axis)
                y->dims[i] = moru_rule_merge(y->dims[i], other->dims[i]);
        }
        if (!fits)
            return moru_op_error(MORU_ERR_SHAPE, "%s and %s (part %d) can't be joined along axis %d", MORU_TEXT(x),
                                 MORU_TEXT(other), k - first, *axis);
        int64_t *size = &y->dims[*axis], more = other->dims[*axis];
        if (*size < 0 || more < 0)
            *size = -1;
        else if (!moru_add_ok(*size, more, size))
            return moru_op_error(MORU_ERR_MEMORY, "the sizes along axis %d add up to more than can be counted", *axis);
    }
    if (y->dims[*axis] == -1)
        y->dims[*axis] = moru_infer_symbol(in);
    return MORU_OK;
}

static moru_status infer_concat(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int axis;
    for (int k = 1; k < in->n_inputs; k++)
        MORU_TRY(moru_rule_dtype(in, k, in->dtypes[0]));
    dtypes[0] = in->dtypes[0];
    return joined_shape(in, 0, &shapes[0], &axis);
}

/* Inputs: dy and the parts (shape only). */
static moru_status infer_concat_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const concat_attrs *attrs = in->attrs;
    moru_shape whole;
    int axis;
    MORU_TRY(joined_shape(in, 1, &whole, &axis));
    if (!moru_rule_same(&whole, &in->shapes[0]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of the joined %s", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&whole));
    if (attrs->part < 0 || attrs->part >= in->n_inputs - 1)
        return moru_op_error(MORU_ERR_ARGUMENT, "part %" PRId64 " of %d", attrs->part, in->n_inputs - 1);
    shapes[0] = in->shapes[1 + attrs->part];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void vjp_concat(const moru_vjp *v)
{
    concat_attrs attrs = *(const concat_attrs *)v->attrs;
    moru_node **in = malloc((size_t)(v->n_inputs + 1) * sizeof *in);
    if (!in) {
        moru_graph_fail(v->graph, MORU_ERR_MEMORY, "no memory for the gradient of concat");
        return;
    }
    in[0] = v->dy[0];
    memcpy(in + 1, v->inputs, (size_t)v->n_inputs * sizeof *in);
    for (int k = 0; k < v->n_inputs; k++) {
        attrs.part = k;
        if (v->wanted[k])
            v->dx[k] = moru_apply_op(v->graph, &moru_op_concat_grad, in, v->n_inputs + 1, &attrs);
    }
    free(in);
}

/* Zeros where the other parts were. */
static void vjp_concat_grad(const moru_vjp *v)
{
    const concat_attrs *attrs = v->attrs;
    int n = v->n_inputs - 1;
    moru_node **parts = malloc((size_t)n * sizeof *parts);
    if (!parts) {
        moru_graph_fail(v->graph, MORU_ERR_MEMORY, "no memory for the gradient of concat_grad");
        return;
    }
    for (int k = 0; k < n; k++)
        parts[k] = k == attrs->part ? v->dy[0] : moru_zeros_like(v->inputs[1 + k]);
    v->dx[0] = moru_concat(parts, n, (int)attrs->axis);
    free(parts);
}

static moru_status run_concat(const moru_run *run)
{
    const concat_attrs *attrs = run->attrs;
    const moru_view *y = run->out[0];
    int axis = moru_axis_of(attrs->axis, y->shape.rank);
    moru_around whole = moru_around_axis(&y->shape, axis);
    size_t bytes = moru_dtype_size(y->dtype), whole_row = (size_t)(whole.size * whole.inner) * bytes, offset = 0;
    if (y->size == 0)
        return MORU_OK;
    for (int k = 0; k < run->n_inputs; k++) {
        size_t row = (size_t)(run->in[k]->shape.dims[axis] * whole.inner) * bytes;
        const char *from = run->in[k]->data;
        for (int64_t o = 0; o < whole.outer && row > 0; o++)
            memcpy((char *)y->data + (size_t)o * whole_row + offset, from + (size_t)o * row, row);
        offset += row;
    }
    return MORU_OK;
}

static moru_status run_concat_grad(const moru_run *run)
{
    const concat_attrs *attrs = run->attrs;
    const moru_view *dy = run->in[0], *dx = run->out[0];
    int axis = moru_axis_of(attrs->axis, dy->shape.rank);
    moru_around part = moru_around_axis(&dx->shape, axis);
    int64_t before = 0, whole = dy->shape.dims[axis];
    if (dx->size == 0)
        return MORU_OK;
    for (int k = 0; k < attrs->part; k++)
        before += run->in[1 + k]->shape.dims[axis];
    const int64_t dims[] = {part.outer, part.size * part.inner}, strides[] = {whole * part.inner, 1};
    size_t bytes = moru_dtype_size(dx->dtype);
    run->kernels->copy_strided(2, dims, strides, bytes, (const char *)dy->data + (size_t)(before * part.inner) * bytes,
                               dx->data, run->threads);
    return MORU_OK;
}

static void print_concat(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "axis=%" PRId64, ((const concat_attrs *)attrs)->axis);
}

static void print_concat_grad(const void *attrs_, char *text, size_t size)
{
    const concat_attrs *attrs = attrs_;
    snprintf(text, size, "axis=%" PRId64 " part=%" PRId64, attrs->axis, attrs->part);
}

const moru_op_def moru_op_concat = {
    .name = "concat", .formula = "y = x0, x1, ... behind one another along axis", .min_inputs = 1, .max_inputs = -1,
    .n_outputs = 1, .attr_size = sizeof(concat_attrs), .infer = infer_concat, .vjp = vjp_concat, .run = run_concat,
    .print = print_concat,
};

const moru_op_def moru_op_concat_grad = {
    .name = "concat_grad", .formula = "dx = the part of dy that came from x", .min_inputs = 2, .max_inputs = -1,
    .n_outputs = 1, .attr_size = sizeof(concat_attrs), .shape_only = ~1u, .infer = infer_concat_grad,
    .vjp = vjp_concat_grad, .run = run_concat_grad, .print = print_concat_grad,
};

moru_node *moru_concat(moru_node *const *xs, int n, int axis)
{
    if (n < 1 || !xs) {
        moru_fail(MORU_ERR_ARGUMENT, "concat: nothing to join");
        return NULL;
    }
    return moru_apply_op(moru_graph_of(xs, n), &moru_op_concat, xs, n, &(concat_attrs){.axis = axis});
}

moru_node *moru_stack(moru_node *const *xs, int n, int axis)
{
    moru_graph *graph = xs ? moru_graph_of(xs, n) : NULL;
    if (n < 1 || !graph) {
        moru_fail(MORU_ERR_ARGUMENT, "stack: nothing to join");
        return NULL;
    }
    moru_node **wide = malloc((size_t)n * sizeof *wide);
    if (!wide)
        return moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for a stack of %d values", n);
    for (int k = 0; k < n; k++) {
        if (!moru_node_failed(xs[k]) && !moru_node_failed(xs[0]) && !moru_rule_same(&xs[0]->shape, &xs[k]->shape))
            moru_graph_fail(graph, MORU_ERR_SHAPE, "stack: %s and %s (part %d) are of different shapes",
                            MORU_TEXT(&xs[0]->shape), MORU_TEXT(&xs[k]->shape), k);
        wide[k] = moru_expand_dims(xs[k], axis);
    }
    moru_node *y = moru_apply_op(graph, &moru_op_concat, wide, n, &(concat_attrs){.axis = axis});
    free(wide);
    return y;
}
