/* Part of a tensor along one axis, and its gradient. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

typedef struct slice_attrs {
    int64_t axis, start, stop, step;
} slice_attrs;

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* What start:stop:step means for an axis of a known size: the first index and how many. */
static void resolve(const slice_attrs *a, int64_t size, int64_t *first, int64_t *count)
{
    bool down = a->step < 0;
    int64_t low = down ? -1 : 0, high = down ? size - 1 : size;
    int64_t start = a->start < 0 ? a->start + size : a->start; /* no overflow: the signs differ */
    int64_t stop = a->stop < 0 ? a->stop + size : a->stop;
    start = clamp(start, low, high);
    stop = a->stop == MORU_SLICE_END ? (down ? -1 : size) : clamp(stop, low, high);
    int64_t distance = down ? start - stop : stop - start;
    uint64_t stride = down ? -(uint64_t)a->step : (uint64_t)a->step;
    *first = start;
    *count = distance > 0 ? (int64_t)(((uint64_t)distance - 1) / stride) + 1 : 0;
}

static moru_status slice_shape(const moru_infer *in, const moru_shape *x, moru_shape *y)
{
    const slice_attrs *attrs = in->attrs;
    int axis = moru_axis_of(attrs->axis, x->rank);
    int64_t first;
    if (attrs->axis < -x->rank || attrs->axis >= x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "axis %" PRId64 " is outside the %d axes of %s", attrs->axis, x->rank,
                             MORU_TEXT(x));
    if (attrs->step == 0)
        return moru_op_error(MORU_ERR_ARGUMENT, "a step of 0 along axis %d of %s", axis, MORU_TEXT(x));
    *y = *x;
    if (x->dims[axis] >= 0)
        resolve(attrs, x->dims[axis], &first, &y->dims[axis]);
    else if (attrs->start != 0 || attrs->stop != MORU_SLICE_END || attrs->step != 1)
        y->dims[axis] = moru_infer_symbol(in);
    return MORU_OK;
}

static moru_status infer_slice(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    dtypes[0] = in->dtypes[0];
    return slice_shape(in, &in->shapes[0], &shapes[0]);
}

/* Inputs: dy, x (shape only). */
static moru_status infer_slice_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    moru_shape part;
    MORU_TRY(slice_shape(in, &in->shapes[1], &part));
    if (!moru_rule_same(&part, &in->shapes[0]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of the slice %s of %s", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&part), MORU_TEXT(&in->shapes[1]));
    shapes[0] = in->shapes[1];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void vjp_slice(const moru_vjp *v)
{
    v->dx[0] = moru_call_2(&moru_op_slice_grad, v->dy[0], v->inputs[0], v->attrs);
}

static void vjp_slice_grad(const moru_vjp *v)
{
    v->dx[0] = moru_call_1(&moru_op_slice, v->dy[0], v->attrs);
}

static moru_status run_slice(const moru_run *run)
{
    const slice_attrs *attrs = run->attrs;
    const moru_view *x = run->in[0], *y = run->out[0];
    moru_around around = moru_around_axis(&x->shape, moru_axis_of(attrs->axis, x->shape.rank));
    size_t bytes = moru_dtype_size(y->dtype);
    int64_t first, count;
    resolve(attrs, around.size, &first, &count);
    if (y->size == 0)
        return MORU_OK;
    /* a single element may come with a step that nothing could be addressed with */
    int64_t step = count > 1 ? attrs->step : 1;
    const int64_t dims[] = {around.outer, count, around.inner};
    const int64_t strides[] = {around.size * around.inner, step * around.inner, 1};
    run->kernels->copy_strided(3, dims, strides, bytes, (const char *)x->data + (size_t)(first * around.inner) * bytes,
                               y->data, run->threads);
    return MORU_OK;
}

static moru_status run_slice_grad(const moru_run *run)
{
    const slice_attrs *attrs = run->attrs;
    const moru_view *dy = run->in[0], *dx = run->out[0];
    moru_around around = moru_around_axis(&dx->shape, moru_axis_of(attrs->axis, dx->shape.rank));
    int64_t first, count;
    resolve(attrs, around.size, &first, &count);
    if (dx->size == 0)
        return MORU_OK;
    size_t row = (size_t)around.inner * moru_dtype_size(dx->dtype);
    const char *from = dy->data;
    memset(dx->data, 0, (size_t)dx->size * moru_dtype_size(dx->dtype));
    for (int64_t o = 0; o < around.outer; o++) {
        char *to = (char *)dx->data + (size_t)(o * around.size) * row;
        for (int64_t i = 0; i < count; i++, from += row)
            memcpy(to + (size_t)(first + i * attrs->step) * row, from, row);
    }
    return MORU_OK;
}

static void print_slice(const void *attrs_, char *text, size_t size)
{
    const slice_attrs *a = attrs_;
    char stop[24] = "";
    if (a->stop != MORU_SLICE_END)
        snprintf(stop, sizeof stop, "%" PRId64, a->stop);
    snprintf(text, size, "axis=%" PRId64 " %" PRId64 ":%s:%" PRId64, a->axis, a->start, stop, a->step);
}

const moru_op_def moru_op_slice = {
    .name = "slice", .formula = "y[.., i, ..] = x[.., start + i step, ..]", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .attr_size = sizeof(slice_attrs), .infer = infer_slice, .vjp = vjp_slice, .run = run_slice,
    .print = print_slice,
};

const moru_op_def moru_op_slice_grad = {
    .name = "slice_grad", .formula = "dx[.., start + i step, ..] = dy[.., i, ..], 0 elsewhere", .min_inputs = 2,
    .max_inputs = 2, .n_outputs = 1, .attr_size = sizeof(slice_attrs), .shape_only = 2, .infer = infer_slice_grad,
    .vjp = vjp_slice_grad, .run = run_slice_grad, .print = print_slice,
};

moru_node *moru_slice(moru_node *x, int axis, int64_t start, int64_t stop, int64_t step)
{
    return moru_call_1(&moru_op_slice, x, &(slice_attrs){axis, start, stop, step});
}
