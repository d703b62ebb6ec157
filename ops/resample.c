/* An axis of another size whose elements are weighted sums of neighbours: resizing, repetition, padding by reflection,
 * adaptive means. Linear, so that each of the two ops is the other's gradient. */
#include <inttypes.h>
#include <stdio.h>

#include "core/status.h"
#include "ops/resample.h"
#include "ops/shape_rules.h"

static const char *const kinds[] = {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "adaptive", "reflect",
                                    "symmetric", "edge", "wrap"};
#define KINDS ((int64_t)(sizeof kinds / sizeof *kinds))

/* ---- shape ---- */

static moru_status check_padding(const moru_resample_attrs *a, int axis, const moru_shape *x)
{
    int64_t size = x->dims[axis], mode = a->kind - MORU_RESAMPLE_PAD;
    int64_t most = mode == MORU_PAD_REFLECT ? size - 1 : mode == MORU_PAD_EDGE && size > 0 ? INT64_MAX : size;
    if (a->before < 0 || a->after < 0)
        return moru_op_error(MORU_ERR_ARGUMENT, "axis %d of %s can't be padded by %" PRId64 " and %" PRId64, axis,
                             MORU_TEXT(x), a->before, a->after);
    if (size >= 0 && (a->before > most || a->after > most))
        return moru_op_error(MORU_ERR_SHAPE, "axis %d of %s is too short to be padded by %" PRId64 " and %" PRId64
                             " (%s)", axis, MORU_TEXT(x), a->before, a->after, kinds[a->kind]);
    return MORU_OK;
}

/* The size of the resampled axis; negative where it is open. */
static moru_status resampled(const moru_resample_attrs *a, int axis, const moru_shape *x, int64_t *size)
{
    int64_t from = x->dims[axis];
    bool counted = true;
    if (a->kind < 0 || a->kind >= KINDS)
        return moru_op_error(MORU_ERR_ARGUMENT, "no such way of interpolation or padding: %" PRId64, a->kind);
    if (a->kind >= MORU_RESAMPLE_PAD) {
        MORU_TRY(check_padding(a, axis, x));
        *size = from;
        if (from >= 0)
            counted = moru_add_ok(from, a->before, size) && moru_add_ok(*size, a->after, size);
        else if (a->before > 0 || a->after > 0)
            *size = -1;
    } else if (a->size < 0 || (a->size == 0 && a->factor < 1)) {
        return moru_op_error(MORU_ERR_ARGUMENT, "axis %d of %s can't get the size %" PRId64, axis, MORU_TEXT(x),
                             a->size ? a->size : a->factor);
    } else if (a->size == 0) {
        *size = from;
        if (from >= 0)
            counted = moru_mul_ok(from, a->factor, size);
        else if (a->factor > 1)
            *size = -1;
    } else {
        *size = a->size;
        if (from == 0)
            return moru_op_error(MORU_ERR_SHAPE, "axis %d of %s is empty: nothing to make %" PRId64 " of", axis,
                                 MORU_TEXT(x), a->size);
    }
    return counted ? MORU_OK : moru_op_error(MORU_ERR_MEMORY, "axis %d of %s would get more elements than can be "
                                             "counted", axis, MORU_TEXT(x));
}

static moru_status infer_resample(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_resample_attrs *a = in->attrs;
    int axis;
    int64_t size;
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_infer_axis(in, a->axis, &axis));
    MORU_TRY(resampled(a, axis, &in->shapes[0], &size));
    shapes[0] = in->shapes[0];
    shapes[0].dims[axis] = size == -1 ? moru_infer_symbol(in) : size;
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

/* Inputs: dy, x (shape only). */
static moru_status infer_resample_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_resample_attrs *a = in->attrs;
    const moru_shape *x = &in->shapes[1];
    MORU_TRY(moru_rule_dtype(in, 0, MORU_REAL));
    if (a->axis < -x->rank || a->axis >= x->rank)
        return moru_op_error(MORU_ERR_SHAPE, "axis %" PRId64 " is outside the %d axes of %s", a->axis, x->rank,
                             MORU_TEXT(x));
    int axis = moru_axis_of(a->axis, x->rank);
    moru_shape y = *x;
    MORU_TRY(resampled(a, axis, x, &y.dims[axis]));
    if (!moru_rule_same(&y, &in->shapes[0]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of the resampled %s", MORU_TEXT(&in->shapes[0]),
                             MORU_TEXT(&y));
    shapes[0] = *x;
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

/* ---- gradient and execution ---- */

static void vjp_resample(const moru_vjp *v)
{
    v->dx[0] = moru_call_2(&moru_op_resample_grad, v->dy[0], v->inputs[0], v->attrs);
}

static void vjp_resample_grad(const moru_vjp *v)
{
    v->dx[0] = moru_call_1(&moru_op_resample, v->dy[0], v->attrs);
}

static size_t bytes_for(const moru_resample_attrs *a, const moru_shape *x, const moru_shape *y)
{
    int axis = moru_axis_of(a->axis, x->rank);
    return moru_resample_bytes(a, x->dims[axis], y->dims[axis]);
}

static size_t workspace_resample(const moru_infer *in, const moru_shape *out, int threads)
{
    (void)threads;
    return bytes_for(in->attrs, &in->shapes[0], out);
}

static size_t workspace_resample_grad(const moru_infer *in, const moru_shape *out, int threads)
{
    (void)threads;
    return bytes_for(in->attrs, out, &in->shapes[0]);
}

static moru_status run_either(const moru_run *run, bool backward)
{
    const moru_resample_attrs *a = run->attrs;
    const moru_view *x = backward ? run->out[0] : run->in[0], *y = backward ? run->in[0] : run->out[0];
    int axis = moru_axis_of(a->axis, x->shape.rank);
    moru_around around = moru_around_axis(&x->shape, axis);
    if (run->out[0]->size == 0)
        return MORU_OK;
    moru_taps taps = moru_resample_taps(a, around.size, y->shape.dims[axis], run->workspace);
    (backward ? run->kernels->resample_grad : run->kernels->resample)(&taps, run->in[0]->data, around.outer,
                                                                      around.size, around.inner, run->out[0]->data,
                                                                      run->threads);
    return MORU_OK;
}

static moru_status run_resample(const moru_run *run)
{
    return run_either(run, false);
}

static moru_status run_resample_grad(const moru_run *run)
{
    return run_either(run, true);
}

static void print_resample(const void *attrs, char *text, size_t size)
{
    const moru_resample_attrs *a = attrs;
    const char *kind = a->kind >= 0 && a->kind < KINDS ? kinds[a->kind] : "?";
    if (a->kind >= MORU_RESAMPLE_PAD)
        snprintf(text, size, "axis=%" PRId64 " %s %" PRId64 "+%" PRId64, a->axis, kind, a->before, a->after);
    else
        snprintf(text, size, "axis=%" PRId64 " %s%s %s%" PRId64, a->axis, kind, a->antialias ? " antialias" : "",
                 a->size ? "size=" : "factor=", a->size ? a->size : a->factor);
}

static double flops_resample(const moru_infer *in, const moru_shape *out)
{
    const moru_resample_attrs *a = in->attrs;
    int axis = moru_axis_of(a->axis, out->rank);
    double flops = 2.0 * (double)moru_resample_width(a, in->shapes[0].dims[axis], out->dims[axis]);
    for (int i = 0; i < out->rank; i++)
        flops *= (double)out->dims[i];
    return flops;
}

const moru_op_def moru_op_resample = {
    .name = "resample", .formula = "y[.., i, ..] = sum of weight[i, k] x[.., first[i] + k, ..]", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 1, .attr_size = sizeof(moru_resample_attrs), .infer = infer_resample,
    .vjp = vjp_resample, .workspace = workspace_resample, .run = run_resample, .print = print_resample,
    .flops = flops_resample,
};

const moru_op_def moru_op_resample_grad = {
    .name = "resample_grad", .formula = "dx[.., first[i] + k, ..] = sum of weight[i, k] dy[.., i, ..]", .min_inputs = 2,
    .max_inputs = 2, .n_outputs = 1, .attr_size = sizeof(moru_resample_attrs), .shape_only = 2,
    .infer = infer_resample_grad, .vjp = vjp_resample_grad, .workspace = workspace_resample_grad,
    .run = run_resample_grad, .print = print_resample,
};

/* ---- builders ---- */

/* NULL for [n,h,w,c], else what the builder returns. */
static moru_node *no_image(const char *op, moru_node *x)
{
    if (moru_node_failed(x) || x->shape.rank == 4)
        return NULL;
    return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "%s: %s where [n,h,w,c] is wanted", op, MORU_TEXT(&x->shape));
}

static moru_node *along(moru_node *x, int axis, moru_resample_attrs attrs)
{
    attrs.axis = axis;
    if (!moru_node_failed(x) && attrs.kind != MORU_RESAMPLE_ADAPTIVE && attrs.size > 0 &&
        attrs.size == x->shape.dims[axis])
        return x;
    return moru_call_1(&moru_op_resample, x, &attrs);
}

/* First the axis that leaves less for the other one. */
static moru_node *along_both(moru_node *x, int64_t height, int64_t width, moru_resample_attrs attrs)
{
    moru_resample_attrs rows = attrs, columns = attrs;
    bool columns_first = !moru_node_failed(x) && x->shape.dims[1] > 0 && x->shape.dims[2] > 0 &&
                         (double)width * (double)x->shape.dims[1] < (double)height * (double)x->shape.dims[2];
    rows.size = height;
    columns.size = width;
    return columns_first ? along(along(x, 2, columns), 1, rows) : along(along(x, 1, rows), 2, columns);
}

moru_node *moru_resize2d(moru_node *x, int64_t height, int64_t width, moru_interpolation interpolation, bool antialias)
{
    moru_node *bad = no_image("resize2d", x);
    bool known = interpolation >= MORU_NEAREST && interpolation <= MORU_LANCZOS5;
    if (!bad && !known && x)
        bad = moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "resize2d: no interpolation %d", (int)interpolation);
    return bad ? bad : along_both(x, height, width, (moru_resample_attrs){.kind = interpolation,
                                                                          .antialias = antialias});
}

moru_node *moru_upsample2d(moru_node *x, int64_t rows, int64_t columns, moru_interpolation interpolation)
{
    moru_node *bad = no_image("upsample2d", x);
    bool known = interpolation >= MORU_NEAREST && interpolation <= MORU_LANCZOS5;
    if (!bad && !known && x)
        bad = moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "upsample2d: no interpolation %d", (int)interpolation);
    if (bad)
        return bad;
    moru_node *y = rows == 1 ? x : along(x, 1, (moru_resample_attrs){.kind = interpolation, .factor = rows});
    return columns == 1 ? y : along(y, 2, (moru_resample_attrs){.kind = interpolation, .factor = columns});
}

moru_node *moru_adaptive_avg_pool2d(moru_node *x, int64_t height, int64_t width)
{
    moru_node *bad = no_image("adaptive_avg_pool2d", x);
    return bad ? bad : along_both(x, height, width, (moru_resample_attrs){.kind = MORU_RESAMPLE_ADAPTIVE});
}

moru_node *moru_repeat(moru_node *x, int64_t times, int axis)
{
    return along(x, axis, (moru_resample_attrs){.kind = MORU_NEAREST, .factor = times});
}

moru_node *moru_pad_with(moru_node *x, const int64_t *before, const int64_t *after, moru_pad_mode mode)
{
    if (moru_node_failed(x))
        return x;
    if (!before || !after || mode < MORU_PAD_REFLECT || mode > MORU_PAD_WRAP)
        return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "pad_with: %s",
                               before && after ? "no such mode" : "the widths are missing");
    for (int k = 0, rank = x->shape.rank; k < rank; k++)
        if (before[k] != 0 || after[k] != 0)
            x = along(x, k, (moru_resample_attrs){.kind = MORU_RESAMPLE_PAD + mode, .before = before[k],
                                                  .after = after[k]});
    return x;
}
