/* Elements chosen by an index for each of them, along an axis: torch.gather, numpy.take_along_axis; and the sum of
 * elements into such places, which is its gradient: torch.scatter_add. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

typedef struct along_attrs {
    int64_t axis;
} along_attrs;

/* Indices have as many axes as x, and are nowhere longer but along the axis. */
static moru_status check_along(const moru_infer *in, const moru_shape *x, const moru_shape *index, int64_t axis)
{
    MORU_TRY(moru_rule_dtype(in, 0, MORU_REAL));
    MORU_TRY(moru_rule_dtype(in, 1, MORU_INT32));
    if (axis < -x->rank || axis >= x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "axis %" PRId64 " is outside the %d axes of %s", axis, x->rank,
                             MORU_TEXT(x));
    bool fits = index->rank == x->rank;
    for (int k = 0; k < x->rank && fits; k++)
        fits = k == moru_axis_of(axis, x->rank) || x->dims[k] < 0 || index->dims[k] < 0 ||
               index->dims[k] <= x->dims[k];
    return fits ? MORU_OK : moru_op_error(MORU_ERR_SHAPE, "indices %s don't fit %s", MORU_TEXT(index), MORU_TEXT(x));
}

static moru_status infer_take(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(check_along(in, &in->shapes[0], &in->shapes[1], ((const along_attrs *)in->attrs)->axis));
    shapes[0] = in->shapes[1];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

/* Inputs: values, indices, like (shape only). */
static moru_status infer_put(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(check_along(in, &in->shapes[2], &in->shapes[1], ((const along_attrs *)in->attrs)->axis));
    if (!moru_rule_same(&in->shapes[0], &in->shapes[1]))
        return moru_op_error(MORU_ERR_SHAPE, "values %s and indices %s differ", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&in->shapes[1]));
    shapes[0] = in->shapes[2];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_take(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_3(&moru_op_put_along_axis, v->dy[0], v->inputs[1], v->inputs[0], v->attrs);
}

static void vjp_put(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_take_along_axis, v->dy[0], v->inputs[1], v->attrs);
}

/* Where the line begins that row number `row` of the indices, all axes but the given one, has in x; -1 past the last. */
static int64_t line_of(const moru_shape *index, const int64_t *strides, int axis, int64_t row)
{
    int64_t place = 0;
    for (int k = index->rank - 1; k >= 0; k--) {
        if (k == axis)
            continue;
        place += row % index->dims[k] * strides[k];
        row /= index->dims[k];
    }
    return place;
}

typedef struct lines {
    int axis;
    int64_t rows, length, step_x, step_i;
    int64_t x_strides[MORU_MAX_RANK], i_strides[MORU_MAX_RANK];
} lines;

static lines lines_of(const moru_shape *x, const moru_view *index, int64_t axis)
{
    lines l = {.axis = moru_axis_of(axis, x->rank)};
    moru_run_strides(x, l.x_strides);
    moru_run_strides(&index->shape, l.i_strides);
    l.length = index->shape.dims[l.axis];
    l.rows = l.length ? index->size / l.length : 0;
    l.step_x = l.x_strides[l.axis];
    l.step_i = l.i_strides[l.axis];
    return l;
}

static moru_status run_take(const moru_run *run)
{
    const moru_view *x = run->in[0], *index = run->in[1];
    const moru_real *from = x->data;
    const int32_t *i = index->data;
    moru_real *y = run->out[0]->data;
    lines l = lines_of(&x->shape, index, ((const along_attrs *)run->attrs)->axis);
    MORU_TRY(moru_run_check_indices(index, x->shape.dims[l.axis]));
    int threads = index->size >= MORU_PARALLEL_MIN ? run->threads : 1;
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int64_t row = 0; row < l.rows; row++) {
        int64_t a = line_of(&index->shape, l.x_strides, l.axis, row), b = line_of(&index->shape, l.i_strides, l.axis, row);
        for (int64_t k = 0; k < l.length; k++)
            y[b + k * l.step_i] = from[a + i[b + k * l.step_i] * l.step_x];
    }
    return MORU_OK;
}

/* Rows of indices have lines of their own in y, so that they can be worked on side by side. */
static moru_status run_put(const moru_run *run)
{
    const moru_view *values = run->in[0], *index = run->in[1], *out = run->out[0];
    const moru_real *from = values->data;
    const int32_t *i = index->data;
    moru_real *y = out->data;
    lines l = lines_of(&out->shape, index, ((const along_attrs *)run->attrs)->axis);
    MORU_TRY(moru_run_check_indices(index, out->shape.dims[l.axis]));
    if (out->size > 0)
        memset(y, 0, (size_t)out->size * sizeof *y);
    int threads = index->size >= MORU_PARALLEL_MIN ? run->threads : 1;
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int64_t row = 0; row < l.rows; row++) {
        int64_t a = line_of(&index->shape, l.x_strides, l.axis, row), b = line_of(&index->shape, l.i_strides, l.axis, row);
        for (int64_t k = 0; k < l.length; k++)
            y[a + i[b + k * l.step_i] * l.step_x] += from[b + k * l.step_i];
    }
    return MORU_OK;
}

static void print_along(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "axis=%" PRId64, ((const along_attrs *)attrs)->axis);
}

const moru_op_def moru_op_take_along_axis = {
    .name = "take_along_axis", .formula = "y[.., k, ..] = x[.., index[.., k, ..], ..]", .min_inputs = 2,
    .max_inputs = 2, .n_outputs = 1, .attr_size = sizeof(along_attrs), .infer = infer_take, .vjp = vjp_take,
    .run = run_take, .print = print_along,
};
const moru_op_def moru_op_put_along_axis = {
    .name = "put_along_axis", .formula = "y[.., i, ..] = sum of x[.., k, ..] over index[.., k, ..] = i",
    .min_inputs = 3, .max_inputs = 3, .n_outputs = 1, .attr_size = sizeof(along_attrs), .shape_only = 4,
    .infer = infer_put, .vjp = vjp_put, .run = run_put, .print = print_along,
};

moru_node *moru_take_along_axis(moru_node *x, moru_node *indices, int axis)
{
    return moru_call_2(&moru_op_take_along_axis, x, indices, &(along_attrs){axis});
}

moru_node *moru_scatter_add(moru_node *x, moru_node *indices, moru_node *values, int axis)
{
    return moru_add(x, moru_call_3(&moru_op_put_along_axis, values, indices, x, &(along_attrs){axis}));
}
