/* Ops that core itself needs: the leaves of a graph, and a copy. */
#include <string.h>

#include "core/graph.h"
#include "core/leaf.h"
#include "core/status.h"

static moru_status infer_leaf(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    (void)in;
    (void)shapes;
    (void)dtypes;
    return moru_op_error(MORU_ERR_ARGUMENT, "leaves are made by moru_placeholder(), moru_constant() and moru_variable()");
}

static void vjp_leaf(const moru_vjp *v)
{
    (void)v;
}

static moru_status run_leaf(const moru_run *run)
{
    (void)run;
    return MORU_OK;
}

#define LEAF(op, text) \
    const moru_op_def moru_op_##op = {.name = #op, .formula = text, .n_outputs = 1, .infer = infer_leaf, .vjp = vjp_leaf, .run = run_leaf}
LEAF(placeholder, "given anew at each run");
LEAF(constant, "fixed");
LEAF(variable, "kept across runs");

static moru_status infer_copy(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[0];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void vjp_copy(const moru_vjp *v)
{
    v->dx[0] = v->dy[0];
}

static moru_status run_copy(const moru_run *run)
{
    if (run->out[0]->data != run->in[0]->data && run->in[0]->size > 0)
        memcpy(run->out[0]->data, run->in[0]->data, (size_t)run->in[0]->size * moru_dtype_size(run->in[0]->dtype));
    return MORU_OK;
}

const moru_op_def moru_op_copy = {
    .name = "copy", .formula = "y = x, in storage of its own",
    .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
    .infer = infer_copy, .vjp = vjp_copy, .run = run_copy,
};
