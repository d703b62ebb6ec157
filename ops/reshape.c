/* The same elements under another shape. In place these cost nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/shape_rules.h"

/* Size k is dims[k] if that is known, else the size of axis from[k] - 1 of x, else (from[k] = 0) worked out. */
typedef struct reshape_attrs {
    int64_t rank;
    int64_t dims[MORU_MAX_RANK];
    int64_t from[MORU_MAX_RANK];
} reshape_attrs;

typedef struct axis_attrs {
    int64_t axis;
} axis_attrs;

/* A number of elements: known times a product of symbolic sizes. */
typedef struct count {
    int64_t known;
    int n_open;
    int64_t open[MORU_MAX_RANK];
} count;

static moru_status count_elements(const moru_shape *shape, int skip, count *out)
{
    moru_shape known = {0};
    out->n_open = 0;
    for (int i = 0; i < shape->rank; i++) {
        if (i == skip)
            continue;
        if (shape->dims[i] < 0)
            out->open[out->n_open++] = shape->dims[i];
        else
            known.dims[known.rank++] = shape->dims[i];
    }
    return moru_rule_product(&known, 0, known.rank, &out->known);
}

/* Takes away the symbols both have. */
static void cancel(count *a, count *b)
{
    for (int i = 0; i < a->n_open; i++) {
        for (int j = 0; j < b->n_open; j++) {
            if (a->open[i] != b->open[j])
                continue;
            a->open[i--] = a->open[--a->n_open];
            b->open[j] = b->open[--b->n_open];
            break;
        }
    }
}

/* Checks that y holds as many elements as x, as far as that is known; hole: the axis of y to be worked out, or -1. */
static moru_status match_sizes(const moru_infer *in, moru_shape *y, int hole)
{
    const moru_shape *x = &in->shapes[0];
    count a, b;
    MORU_TRY(count_elements(x, -1, &a));
    MORU_TRY(count_elements(y, hole, &b));
    cancel(&a, &b);
    bool known = a.n_open == 0 && b.n_open == 0;
    if (hole < 0) {
        if (known && a.known != b.known)
            return moru_op_error(MORU_ERR_SHAPE, "%s can't become %s: %" PRId64 " elements are not %" PRId64,
                                 MORU_TEXT(x),
                                 MORU_TEXT(y), a.known, b.known);
        return MORU_OK;
    }
    int64_t symbol = y->dims[hole];
    y->dims[hole] = -1;
    if (b.n_open == 0 && b.known == 0)
        return moru_op_error(MORU_ERR_SHAPE, "%s can't become %s: beside a size of 0 the open size can't be worked out",
                             MORU_TEXT(x), MORU_TEXT(y));
    if (known && a.known % b.known != 0)
        return moru_op_error(MORU_ERR_SHAPE, "%s can't become %s: %" PRId64 " elements are no multiple of %" PRId64,
                             MORU_TEXT(x), MORU_TEXT(y), a.known, b.known);
    if (known)
        y->dims[hole] = a.known / b.known;
    else if (a.n_open == 1 && b.n_open == 0 && a.known == b.known)
        y->dims[hole] = a.open[0];
    else
        y->dims[hole] = symbol < -1 ? symbol : moru_infer_symbol(in);
    return MORU_OK;
}

static moru_status infer_reshape(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const reshape_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    moru_shape *y = &shapes[0];
    int hole = -1;
    *y = (moru_shape){.rank = (int32_t)attrs->rank};
    for (int i = 0; i < y->rank; i++) {
        int64_t from = attrs->from[i];
        y->dims[i] = attrs->dims[i];
        if (from > 0 && from <= x->rank) {
            y->dims[i] = x->dims[from - 1];
        } else if (y->dims[i] < 0) {
            if (hole >= 0)
                return moru_op_error(MORU_ERR_SHAPE, "%s: only one size can be worked out, not those of axes %d and %d",
                                     MORU_TEXT(x), hole, i);
            hole = i;
        }
    }
    dtypes[0] = in->dtypes[0];
    return match_sizes(in, y, hole);
}

static moru_status infer_reshape_like(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[1];
    dtypes[0] = in->dtypes[0];
    return match_sizes(in, &shapes[0], -1);
}

static moru_status infer_flatten_from(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const axis_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    int axis = x->rank;
    if (attrs->axis != x->rank || x->rank == MORU_MAX_RANK) /* one past the last appends an axis of size 1 */
        MORU_TRY(moru_infer_axis(in, attrs->axis, &axis));
    moru_shape rest = {.rank = x->rank - axis};
    count size;
    memcpy(rest.dims, x->dims + axis, (size_t)rest.rank * sizeof rest.dims[0]);
    MORU_TRY(count_elements(&rest, -1, &size));
    shapes[0] = *x;
    shapes[0].rank = axis + 1;
    if (size.n_open == 0)
        shapes[0].dims[axis] = size.known;
    else if (size.n_open == 1 && size.known == 1)
        shapes[0].dims[axis] = size.open[0];
    else
        shapes[0].dims[axis] = moru_infer_symbol(in);
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static moru_status infer_expand_dims(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const axis_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    int rank = x->rank + 1, axis = moru_axis_of(attrs->axis, rank);
    if (x->rank == MORU_MAX_RANK)
        return moru_op_error(MORU_ERR_SHAPE, "%s has %d axes, the most there can be", MORU_TEXT(x), MORU_MAX_RANK);
    if (attrs->axis < -rank || attrs->axis >= rank)
        return moru_op_error(MORU_ERR_SHAPE, "axis %" PRId64 " is outside the %d axes %s would have", attrs->axis, rank,
                             MORU_TEXT(x));
    shapes[0] = (moru_shape){.rank = rank};
    for (int i = 0; i < rank; i++)
        shapes[0].dims[i] = i == axis ? 1 : x->dims[i - (i > axis)];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static moru_status infer_squeeze(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const axis_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    int axis;
    MORU_TRY(moru_infer_axis(in, attrs->axis, &axis));
    if (!moru_rule_fits(x->dims[axis], 1))
        return moru_op_error(MORU_ERR_SHAPE, "axis %d of %s has the size %" PRId64 ", not 1", axis, MORU_TEXT(x),
                             x->dims[axis]);
    shapes[0] = (moru_shape){.rank = x->rank - 1};
    for (int i = 0; i < shapes[0].rank; i++)
        shapes[0].dims[i] = x->dims[i + (i >= axis)];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void vjp_reshape(const moru_vjp *v)
{
    v->dx[0] = moru_reshape_like(v->dy[0], v->inputs[0]);
}

static void print_reshape(const void *attrs_, char *text, size_t size)
{
    const reshape_attrs *attrs = attrs_;
    moru_shape shape = {.rank = (int32_t)attrs->rank};
    char dims[MORU_SHAPE_TEXT];
    memcpy(shape.dims, attrs->dims, sizeof shape.dims);
    snprintf(text, size, "shape=%s", moru_shape_print(&shape, dims, sizeof dims));
}

static void print_axis(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "axis=%" PRId64, ((const axis_attrs *)attrs)->axis);
}

const moru_op_def moru_op_reshape = {
    .name = "reshape", .formula = "y = x under another shape", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
    .flags = MORU_OP_ALIAS | MORU_OP_RESIZE, .attr_size = sizeof(reshape_attrs), .in_place = 1, .infer = infer_reshape,
    .vjp = vjp_reshape, .run = moru_run_alias, .print = print_reshape,
};

const moru_op_def moru_op_reshape_like = {
    .name = "reshape_like", .formula = "y = x under the shape of like", .min_inputs = 2, .max_inputs = 2,
    .n_outputs = 1,
    .flags = MORU_OP_ALIAS | MORU_OP_RESIZE, .in_place = 1, .shape_only = 2, .infer = infer_reshape_like,
    .vjp = vjp_reshape,
    .run = moru_run_alias,
};

const moru_op_def moru_op_flatten_from = {
    .name = "flatten_from", .formula = "y = x, axes from axis on made one", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .flags = MORU_OP_ALIAS | MORU_OP_RESIZE, .attr_size = sizeof(axis_attrs), .in_place = 1,
    .infer = infer_flatten_from, .vjp = vjp_reshape, .run = moru_run_alias, .print = print_axis,
};

const moru_op_def moru_op_expand_dims = {
    .name = "expand_dims", .formula = "y = x with an axis of size 1 put in", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .flags = MORU_OP_ALIAS | MORU_OP_RESIZE, .attr_size = sizeof(axis_attrs), .in_place = 1,
    .infer = infer_expand_dims, .vjp = vjp_reshape, .run = moru_run_alias, .print = print_axis,
};

const moru_op_def moru_op_squeeze = {
    .name = "squeeze", .formula = "y = x with an axis of size 1 taken out", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .flags = MORU_OP_ALIAS | MORU_OP_RESIZE, .attr_size = sizeof(axis_attrs), .in_place = 1,
    .infer = infer_squeeze,
    .vjp = vjp_reshape, .run = moru_run_alias, .print = print_axis,
};

/* The first axis of x with this symbol that no target axis has taken, plus 1; 0: none. */
static int64_t symbol_axis(const moru_shape *x, int64_t symbol, unsigned *taken)
{
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] == symbol && !(*taken & 1u << i)) {
            *taken |= 1u << i;
            return i + 1;
        }
    }
    return 0;
}

moru_node *moru_reshape(moru_node *x, const int64_t *dims, int n)
{
    moru_graph *graph = moru_graph_of(&x, 1);
    reshape_attrs attrs = {.rank = n};
    unsigned taken = 0;
    if (!graph)
        return NULL;
    if (n < 0 || n > MORU_MAX_RANK || (n > 0 && !dims))
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "reshape: a shape has 0 to %d sizes, not %d", MORU_MAX_RANK,
                               n);
    for (int i = 0; i < n; i++) {
        attrs.dims[i] = dims[i];
        if (dims[i] < -1 && !moru_node_failed(x))
            attrs.from[i] = symbol_axis(&x->shape, dims[i], &taken);
    }
    return moru_apply_op(graph, &moru_op_reshape, &x, 1, &attrs);
}

moru_node *moru_reshape_like(moru_node *x, moru_node *like)
{
    return moru_call_2(&moru_op_reshape_like, x, like, NULL);
}

moru_node *moru_flatten_from(moru_node *x, int axis)
{
    return moru_call_1(&moru_op_flatten_from, x, &(axis_attrs){axis});
}

moru_node *moru_expand_dims(moru_node *x, int axis)
{
    return moru_call_1(&moru_op_expand_dims, x, &(axis_attrs){axis});
}

moru_node *moru_squeeze(moru_node *x, int axis)
{
    return moru_call_1(&moru_op_squeeze, x, &(axis_attrs){axis});
}
