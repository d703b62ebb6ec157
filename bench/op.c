/* Single ops, as programs of one call or few: "op:KIND:PART:PARAMS", see ops.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

enum { MOST_OPERANDS = 4 };

typedef struct operands { moru_node *in[MOST_OPERANDS]; int n; } operands;

/* The forward value, or the gradient of operand `of` (-1: none) under dy, the last operand. */
static moru_node *gradient(moru_node *y, operands *o, int of)
{
    moru_node *grad = NULL;
    if (of < 0)
        return y;
    return moru_gradients_of(&y, &o->in[o->n - 1], 1, &o->in[of], 1, &grad) == MORU_OK ? grad : NULL;
}

static moru_node *gemm(const char *part, operands *o)
{
    return moru_matmul_t(o->in[0], strcmp(part, "dw") == 0, o->in[1], strcmp(part, "dx") == 0);
}

static moru_node *build(const char *kind, const char *part, int param, operands *o)
{
    const int of = strcmp(part, "fwd") == 0 ? -1 : strcmp(part, "dw") == 0 ? 1 : 0;
    if (strcmp(kind, "gemm") == 0)
        return gemm(part, o);
    if (strcmp(kind, "conv") == 0) {
        moru_conv2d_attrs attrs = {.padding = MORU_EXPLICIT, .pads = {param, param, param, param}};
        return gradient(moru_conv2d_op(o->in[0], o->in[1], &attrs), o, of);
    }
    if (strcmp(kind, "pool") == 0)
        return gradient(moru_max_pool2d(o->in[0], &(moru_pool2d_attrs){.size = {param, param}}), o, of);
    if (strcmp(kind, "norm") == 0)
        return gradient(moru_batch_norm(o->in[0], o->in[1], o->in[2], -1, 1e-3), o, of);
    return gradient(moru_softmax(o->in[0], -1), o, of);
}

static moru_status compile(bench_run *run, operands *o, moru_node *y)
{
    if (!y || moru_graph_status(run->graph) != MORU_OK)
        return bench_fail("%s", moru_graph_error(run->graph));
    moru_status status = moru_program_new(&run->op, &(moru_program_options){
        .inputs = o->in, .n_inputs = o->n, .outputs = &y, .n_outputs = 1});
    for (int k = 0; status == MORU_OK && k < o->n; k++)
        status = moru_program_bind(run->op, k, moru_tensor_const_data(run->tensors[k]));
    run->program = run->op;
    return status;
}

moru_status bench_load_op(bench_run *run, const char *name)
{
    char kind[16], part[16], params[32] = "";
    operands o = {.n = run->n_tensors};
    if (sscanf(name, "op:%15[^:]:%15[^:]:%31s", kind, part, params) < 2 || o.n > MOST_OPERANDS)
        return bench_fail("%s: not an op", name);
    if (!(run->graph = moru_graph_new()))
        return MORU_ERR_MEMORY;
    for (int k = 0; k < o.n; k++) {
        const moru_tensor *t = run->tensors[k];
        o.in[k] = moru_placeholder(run->graph, "operand", moru_tensor_dtype(t), *moru_tensor_shape(t));
    }
    return compile(run, &o, build(kind, part, atoi(params), &o));
}
