/* Slices chosen by indices, the scatter that is its gradient, and embedding. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

typedef struct gather_attrs {
    int64_t axis;
} gather_attrs;

/* x with the axis replaced by the axes of the indices. */
static moru_status gathered_shape(const moru_shape *x, const moru_shape *indices, int axis, moru_shape *y)
{
    if (x->rank - 1 + indices->rank > MORU_MAX_RANK)
        return moru_op_error(MORU_ERR_SHAPE, "indices %s in axis %d of %s give more than %d axes", MORU_TEXT(indices),
                             axis,
                             MORU_TEXT(x), MORU_MAX_RANK);
    *y = (moru_shape){0};
    for (int i = 0; i < axis; i++)
        y->dims[y->rank++] = x->dims[i];
    for (int i = 0; i < indices->rank; i++)
        y->dims[y->rank++] = indices->dims[i];
    for (int i = axis + 1; i < x->rank; i++)
        y->dims[y->rank++] = x->dims[i];
    return MORU_OK;
}

static moru_status infer_gather(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const gather_attrs *attrs = in->attrs;
    int axis;
    MORU_TRY(moru_infer_axis(in, attrs->axis, &axis));
    MORU_TRY(moru_rule_dtype(in, 1, MORU_INT32));
    dtypes[0] = in->dtypes[0];
    return gathered_shape(&in->shapes[0], &in->shapes[1], axis, &shapes[0]);
}

static moru_status infer_embedding(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(moru_rule_rank(in, 0, 2, "a table [vocabulary,width]"));
    MORU_TRY(moru_rule_dtype(in, 0, MORU_REAL));
    return infer_gather(in, shapes, dtypes);
}

/* Inputs: dy, indices, x (shape only). */
static moru_status infer_gather_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const gather_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[2];
    moru_shape y;
    if (attrs->axis < -x->rank || attrs->axis >= x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "axis %" PRId64 " is outside the %d axes of %s", attrs->axis, x->rank,
                             MORU_TEXT(x));
    MORU_TRY(moru_rule_dtype(in, 0, MORU_REAL));
    MORU_TRY(moru_rule_dtype(in, 1, MORU_INT32));
    MORU_TRY(gathered_shape(x, &in->shapes[1], moru_axis_of(attrs->axis, x->rank), &y));
    if (!moru_rule_same(&y, &in->shapes[0]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of the gathered %s", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&y));
    shapes[0] = *x;
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_gather(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_3(&moru_op_gather_grad, v->dy[0], v->inputs[1], v->inputs[0], v->attrs);
}

static void vjp_gather_grad(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_gather, v->dy[0], v->inputs[1], v->attrs);
}

static moru_status run_gather(const moru_run *run)
{
    const gather_attrs *attrs = run->attrs;
    const moru_view *x = run->in[0], *indices = run->in[1], *y = run->out[0];
    const int32_t *index = indices->data;
    moru_around around = moru_around_axis(&x->shape, moru_axis_of(attrs->axis, x->shape.rank));
    MORU_TRY(moru_run_check_indices(indices, around.size));
    if (y->size == 0)
        return MORU_OK;
    int64_t from = around.size * around.inner, to = indices->size * around.inner;
    for (int64_t o = 0; o < around.outer; o++) {
        if (x->dtype == MORU_REAL) {
            run->kernels->gather_rows((const moru_real *)x->data + o * from, around.inner, index, indices->size,
                                      (moru_real *)y->data + o * to, run->threads);
            continue;
        }
        const int32_t *table = (const int32_t *)x->data + o * from;
        int32_t *rows = (int32_t *)y->data + o * to;
        for (int64_t i = 0; i < indices->size; i++)
            memcpy(rows + i * around.inner, table + index[i] * around.inner, (size_t)around.inner * sizeof *rows);
    }
    return MORU_OK;
}

static moru_status run_gather_grad(const moru_run *run)
{
    const gather_attrs *attrs = run->attrs;
    const moru_view *dy = run->in[0], *indices = run->in[1], *dx = run->out[0];
    moru_around around = moru_around_axis(&dx->shape, moru_axis_of(attrs->axis, dx->shape.rank));
    MORU_TRY(moru_run_check_indices(indices, around.size));
    int64_t from = indices->size * around.inner, to = around.size * around.inner;
    for (int64_t o = 0; o < around.outer; o++)
        run->kernels->scatter_rows((const moru_real *)dy->data + o * from, around.inner, indices->data, indices->size,
                                   around.size, (moru_real *)dx->data + o * to, run->threads);
    return MORU_OK;
}

static void print_gather(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "axis=%" PRId64, ((const gather_attrs *)attrs)->axis);
}

const moru_op_def moru_op_gather = {
    .name = "gather", .formula = "y[.., i, ..] = x[.., index[i], ..]", .min_inputs = 2, .max_inputs = 2, .n_outputs = 1,
    .attr_size = sizeof(gather_attrs), .infer = infer_gather, .vjp = vjp_gather, .run = run_gather,
    .print = print_gather,
};

const moru_op_def moru_op_gather_grad = {
    .name = "gather_grad", .formula = "dx[.., k, ..] = sum of dy[.., i, ..] over index[i] = k", .min_inputs = 3,
    .max_inputs = 3, .n_outputs = 1, .attr_size = sizeof(gather_attrs), .shape_only = 4, .infer = infer_gather_grad,
    .vjp = vjp_gather_grad, .run = run_gather_grad, .print = print_gather,
};

/* Its attributes are those of gather along axis 0, so that both share the gradient. */
const moru_op_def moru_op_embedding = {
    .name = "embedding", .formula = "y[.., :] = table[index[..], :]", .min_inputs = 2, .max_inputs = 2, .n_outputs = 1,
    .attr_size = sizeof(gather_attrs), .infer = infer_embedding, .vjp = vjp_gather, .run = run_gather,
};

moru_node *moru_gather(moru_node *x, moru_node *indices, int axis)
{
    return moru_call_2(&moru_op_gather, x, indices, &(gather_attrs){axis});
}

moru_node *moru_embedding_op(moru_node *table, moru_node *indices)
{
    return moru_call_2(&moru_op_embedding, table, indices, &(gather_attrs){0});
}
