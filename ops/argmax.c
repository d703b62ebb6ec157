/* Where along an axis the largest or least element is. */
#include <inttypes.h>
#include <stdio.h>
#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/op_table.h"

typedef struct arg_attrs { int32_t axis; } arg_attrs;

static moru_status infer_arg(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    char text[MORU_SHAPE_TEXT];
    int axis;
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_infer_axis(in, ((const arg_attrs *)in->attrs)->axis, &axis));
    int64_t size = in->shapes[0].dims[axis];
    if (size == 0 || size > INT32_MAX)
        return moru_op_error(MORU_ERR_SHAPE, "axis %d of %s holds %s", axis,
                             moru_shape_print(&in->shapes[0], text, sizeof text),
                             size ? "more elements than int32 counts" : "nothing to choose from");
    dtypes[0] = MORU_INT32;
    shapes[0].rank = 0;
    for (int k = 0; k < in->shapes[0].rank; k++)
        if (k != axis)
            shapes[0].dims[shapes[0].rank++] = in->shapes[0].dims[k];
    return MORU_OK;
}

static moru_status run_arg(const moru_run *run, bool least)
{
    const moru_shape *shape = &run->in[0]->shape;
    moru_around a = moru_around_axis(shape, moru_axis_of(((const arg_attrs *)run->attrs)->axis, shape->rank));
    int threads = run->in[0]->size >= MORU_PARALLEL_MIN ? run->threads : 1;
    run->kernels->arg_reduce(least, run->in[0]->data, a.outer, a.size, a.inner, run->out[0]->data, threads);
    return MORU_OK;
}

static void print_axis(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "axis=%d", (int)((const arg_attrs *)attrs)->axis);
}

#define ARG(op, least, text) \
    static moru_status run_##op(const moru_run *run) \
    { \
        return run_arg(run, least); \
    } \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .flags = MORU_OP_NO_GRADIENT, \
        .attr_size = sizeof(arg_attrs), .infer = infer_arg, .run = run_##op, .print = print_axis}; \
    moru_node *moru_##op(moru_node *x, int axis) \
    { \
        return moru_call_1(&moru_op_##op, x, &(arg_attrs){axis}); \
    }

ARG(argmax, false, "y = index of the first largest x along axis")
ARG(argmin, true, "y = index of the first least x along axis")
