/* Padding with a constant, and cutting it off again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

typedef struct pad_attrs {
    int64_t before[MORU_MAX_RANK], after[MORU_MAX_RANK];
    double value;
} pad_attrs;

static moru_status infer_pad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const pad_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    shapes[0] = *x;
    dtypes[0] = in->dtypes[0];
    /* written so that NaN fails too */
    if (in->dtypes[0] == MORU_INT32
        && !(attrs->value >= INT32_MIN && attrs->value <= INT32_MAX && attrs->value == (double)(int32_t)attrs->value))
        return moru_op_error(MORU_ERR_ARGUMENT, "%s is int32 and can't be padded with %g", MORU_TEXT(x), attrs->value);
    for (int i = 0; i < x->rank; i++) {
        int64_t before = attrs->before[i], after = attrs->after[i], *size = &shapes[0].dims[i];
        if (before < 0 || after < 0)
            return moru_op_error(MORU_ERR_ARGUMENT, "axis %d of %s can't be padded by %" PRId64 " and %" PRId64, i,
                                 MORU_TEXT(x), before, after);
        if (before == 0 && after == 0)
            continue;
        if (*size < 0)
            *size = moru_infer_symbol(in);
        else if (!moru_add_ok(*size, before, size) || !moru_add_ok(*size, after, size))
            return moru_op_error(MORU_ERR_MEMORY,
                                 "axis %d of %s padded by %" PRId64 " and %" PRId64 " can't be counted", i,
                                 MORU_TEXT(x), before, after);
    }
    return MORU_OK;
}

/* Inputs: dy, x (shape only). */
static moru_status infer_pad_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const pad_attrs *attrs = in->attrs;
    const moru_shape *dy = &in->shapes[0], *x = &in->shapes[1];
    bool fits = dy->rank == x->rank;
    for (int i = 0; fits && i < x->rank; i++)
        fits = dy->dims[i] < 0 || x->dims[i] < 0 || dy->dims[i] - attrs->before[i] - attrs->after[i] == x->dims[i];
    if (!fits)
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of a padded %s", MORU_TEXT(dy), MORU_TEXT(x));
    shapes[0] = *x;
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void vjp_pad(const moru_vjp *v)
{
    pad_attrs attrs = *(const pad_attrs *)v->attrs;
    attrs.value = 0;
    v->dx[0] = moru_call_2(&moru_op_pad_grad, v->dy[0], v->inputs[0], &attrs);
}

static void vjp_pad_grad(const moru_vjp *v)
{
    v->dx[0] = moru_call_1(&moru_op_pad, v->dy[0], v->attrs);
}

static void fill(const moru_view *y, double value)
{
    if (y->dtype == MORU_INT32) {
        int32_t *data = y->data, number = (int32_t)value;
        for (int64_t i = 0; i < y->size; i++)
            data[i] = number;
    } else {
        moru_real *data = y->data, number = (moru_real)value;
        for (int64_t i = 0; i < y->size; i++)
            data[i] = number;
    }
}

static moru_status run_pad(const moru_run *run)
{
    const pad_attrs *attrs = run->attrs;
    const moru_view *x = run->in[0], *y = run->out[0];
    int64_t strides[MORU_MAX_RANK], index[MORU_MAX_RANK] = {0}, offset = 0;
    size_t bytes = moru_dtype_size(y->dtype);
    int last = x->shape.rank - 1;
    fill(y, attrs->value);
    if (x->size == 0)
        return MORU_OK;
    moru_run_strides(&y->shape, strides);
    for (int i = 0; i <= last; i++)
        offset += attrs->before[i] * strides[i];
    int64_t run_length = last < 0 ? 1 : x->shape.dims[last];
    const char *from = x->data;
    for (int64_t left = x->size / run_length; left > 0; left--) {
        memcpy((char *)y->data + (size_t)offset * bytes, from, (size_t)run_length * bytes);
        from += (size_t)run_length * bytes;
        for (int i = last - 1; i >= 0; i--) { /* next row of x */
            offset += strides[i];
            if (++index[i] < x->shape.dims[i])
                break;
            offset -= index[i] * strides[i];
            index[i] = 0;
        }
    }
    return MORU_OK;
}

static moru_status run_pad_grad(const moru_run *run)
{
    const pad_attrs *attrs = run->attrs;
    const moru_view *dy = run->in[0], *dx = run->out[0];
    size_t bytes = moru_dtype_size(dx->dtype);
    int64_t strides[MORU_MAX_RANK], offset = 0;
    if (dx->size == 0)
        return MORU_OK;
    moru_run_strides(&dy->shape, strides);
    for (int i = 0; i < dx->shape.rank; i++)
        offset += attrs->before[i] * strides[i];
    run->kernels->copy_strided(dx->shape.rank, dx->shape.dims, strides, bytes,
                               (const char *)dy->data + (size_t)offset * bytes, dx->data, run->threads);
    return MORU_OK;
}

static void print_pad(const void *attrs_, char *text, size_t size)
{
    const pad_attrs *attrs = attrs_;
    int rank = MORU_MAX_RANK; /* trailing axes without padding aren't told from absent ones */
    while (rank > 0 && attrs->before[rank - 1] == 0 && attrs->after[rank - 1] == 0)
        rank--;
    size_t used = (size_t)snprintf(text, size, "value=%g pads=", attrs->value);
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64 "+%" PRId64, i ? "," : "", attrs->before[i],
                                 attrs->after[i]);
}

const moru_op_def moru_op_pad = {
    .name = "pad", .formula = "y[before + i] = x[i], value elsewhere", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
    .attr_size = sizeof(pad_attrs), .infer = infer_pad, .vjp = vjp_pad, .run = run_pad, .print = print_pad,
};

const moru_op_def moru_op_pad_grad = {
    .name = "pad_grad", .formula = "dx[i] = dy[before + i]", .min_inputs = 2, .max_inputs = 2, .n_outputs = 1,
    .attr_size = sizeof(pad_attrs), .shape_only = 2, .infer = infer_pad_grad, .vjp = vjp_pad_grad,
    .run = run_pad_grad, .print = print_pad,
};

moru_node *moru_pad(moru_node *x, const int64_t *before, const int64_t *after, double value)
{
    pad_attrs attrs = {.value = value};
    if (!x)
        return NULL;
    if (!before || !after)
        return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "pad: the widths are missing");
    memcpy(attrs.before, before, (size_t)x->shape.rank * sizeof *before);
    memcpy(attrs.after, after, (size_t)x->shape.rank * sizeof *after);
    return moru_call_1(&moru_op_pad, x, &attrs);
}
