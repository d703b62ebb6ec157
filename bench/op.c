/* Single ops, as programs of one call or few: "op:KIND:PART:PARAMS", see ops.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

enum { MOST_OPERANDS = 5 };

typedef struct operands { moru_node *in[MOST_OPERANDS]; int n; } operands;

/* What a program of an op computes; without any if the graph failed. */
typedef struct results { moru_node *out[MOST_OPERANDS]; int n; } results;

/* The forward value (first < 0), or the gradients of operands first .. last under dy, the last operand. */
static results gradients(moru_node *y, operands *o, int first, int last)
{
    results r = {.out = {y}, .n = 1};
    if (first < 0)
        return r;
    r.n = last - first + 1;
    if (moru_gradients_of(&y, &o->in[o->n - 1], 1, o->in + first, r.n, r.out) != MORU_OK)
        r.n = 0;
    return r;
}

static moru_node *gemm(const char *part, operands *o)
{
    return moru_matmul_t(o->in[0], strcmp(part, "dw") == 0, o->in[1], strcmp(part, "dx") == 0);
}

/* x, kernel, recurrent kernel, bias, dy: all gradients, as in training. */
static results recurrent(const char *kind, bool forward, operands *o)
{
    moru_node **in = o->in;
    moru_node *y = strcmp(kind, "lstm") == 0 ? moru_lstm_op(in[0], in[1], in[2], in[3], NULL, NULL, false)
                                             : moru_gru_op(in[0], in[1], in[2], in[3], NULL, true, false);
    return gradients(y, o, forward ? -1 : 0, 3);
}

static results build(const char *kind, const char *part, int param, operands *o)
{
    const int of = strcmp(part, "fwd") == 0 ? -1 : strcmp(part, "dw") == 0 ? 1 : 0;
    if (strcmp(kind, "gemm") == 0)
        return (results){.out = {gemm(part, o)}, .n = 1};
    if (strcmp(kind, "conv") == 0) {
        moru_conv2d_attrs attrs = {.padding = MORU_EXPLICIT, .pads = {param, param, param, param}};
        return gradients(moru_conv2d_op(o->in[0], o->in[1], &attrs), o, of, of);
    }
    if (strcmp(kind, "pool") == 0)
        return gradients(moru_max_pool2d(o->in[0], &(moru_pool2d_attrs){.size = {param, param}}), o, of, of);
    if (strcmp(kind, "norm") == 0)
        return gradients(moru_batch_norm(o->in[0], o->in[1], o->in[2], -1, 1e-3), o, of, of);
    if (strcmp(kind, "lstm") == 0 || strcmp(kind, "gru") == 0)
        return recurrent(kind, of < 0, o);
    return gradients(moru_softmax(o->in[0], -1), o, of, of);
}

static moru_status compile(bench_run *run, operands *o, const results *r)
{
    if (r->n == 0 || moru_graph_status(run->graph) != MORU_OK)
        return bench_fail("%s", moru_graph_error(run->graph));
    moru_status status = moru_program_new(&run->op, &(moru_program_options){
        .inputs = o->in, .n_inputs = o->n, .outputs = r->out, .n_outputs = r->n});
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
    results r = build(kind, part, atoi(params), &o);
    return compile(run, &o, &r);
}
