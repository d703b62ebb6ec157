/* Elements chosen by an index for each of them, along an axis: torch.gather, numpy.take_along_axis; and the sum of
 * elements into such places, which is its gradient: torch.scatter_add. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/along_axis.h"
#include "ops/shape_rules.h"

typedef moru_along_attrs along_attrs;

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

/* Where the line begins that row number `row` of the indices, all axes but the given one, has in x. */
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

/* Takes elements of x where the indices are, or puts values there. Rows of indices have lines of their own in x, so
 * that they can be worked on side by side. */
static void walk(const lines *l, const moru_view *index, const moru_real *from, moru_real *to, bool put, int threads)
{
    const int32_t *i = index->data;
    threads = index->size >= MORU_PARALLEL_MIN ? threads : 1;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int64_t row = 0; row < l->rows; row++) {
        int64_t a = line_of(&index->shape, l->x_strides, l->axis, row);
        int64_t b = line_of(&index->shape, l->i_strides, l->axis, row);
        for (int64_t k = 0; k < l->length; k++) {
            int64_t near = b + k * l->step_i, far = a + i[near] * l->step_x;
            if (put)
                to[far] += from[near];
            else
                to[near] = from[far];
        }
    }
}

static moru_status run_take(const moru_run *run)
{
    const moru_view *x = run->in[0], *index = run->in[1];
    lines l = lines_of(&x->shape, index, ((const along_attrs *)run->attrs)->axis);
    MORU_TRY(moru_run_check_indices(index, x->shape.dims[l.axis]));
    walk(&l, index, x->data, run->out[0]->data, false, run->threads);
    return MORU_OK;
}

static moru_status run_put(const moru_run *run)
{
    const moru_view *values = run->in[0], *index = run->in[1], *out = run->out[0];
    lines l = lines_of(&out->shape, index, ((const along_attrs *)run->attrs)->axis);
    MORU_TRY(moru_run_check_indices(index, out->shape.dims[l.axis]));
    if (out->size > 0)
        memset(out->data, 0, (size_t)out->size * sizeof(moru_real));
    walk(&l, index, values->data, out->data, true, run->threads);
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

/* ---- for ops that tell where their values were ---- */

moru_status moru_infer_values_and_places(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int axis;
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_infer_axis(in, ((const along_attrs *)in->attrs)->axis, &axis));
    if (in->shapes[0].dims[axis] > INT32_MAX)
        return moru_op_error(MORU_ERR_SHAPE, "axis %d of %s holds more elements than int32 counts", axis,
                             MORU_TEXT(&in->shapes[0]));
    shapes[0] = shapes[1] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    dtypes[1] = MORU_INT32;
    return MORU_OK;
}

void moru_vjp_to_places(const moru_vjp *v)
{
    if (v->dy[0])
        v->dx[0] = moru_call_3(&moru_op_put_along_axis, v->dy[0], v->outputs[1], v->inputs[0], v->attrs);
}
