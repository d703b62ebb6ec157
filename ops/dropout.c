/* Dropout. The mask is a function of seed, stream, step and index alone, so the gradient makes it again. */
#include <inttypes.h>
#include <stdio.h>

#include <moru/random.h>
#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/random_stream.h"
#include "ops/shape_rules.h"

typedef struct dropout_attrs {
    double rate;
    uint64_t stream;
} dropout_attrs;

uint64_t moru_call_stream(const moru_graph *graph)
{
    char name[sizeof graph->scope + 16];
    snprintf(name, sizeof name, "%s#%d", graph->scope, (int)graph->n_calls);
    return moru_random_stream(name);
}

static moru_status infer_dropout(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const dropout_attrs *attrs = in->attrs;
    MORU_TRY(moru_infer_all_real(in));
    if (!(attrs->rate >= 0 && attrs->rate < 1))
        return moru_op_error(MORU_ERR_ARGUMENT, "a rate of %g is outside 0 <= rate < 1", attrs->rate);
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_dropout(const moru_vjp *v)
{
    v->dx[0] = moru_call_1(&moru_op_dropout, v->dy[0], v->attrs);
}

static moru_status run_dropout(const moru_run *run)
{
    const dropout_attrs *attrs = run->attrs;
    run->kernels->dropout(run->in[0]->data, run->out[0]->size, attrs->rate, run->seed, attrs->stream, run->step,
                          run->out[0]->data, run->threads);
    return MORU_OK;
}

static void print_dropout(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "rate=%g", ((const dropout_attrs *)attrs)->rate);
}

const moru_op_def moru_op_dropout = {
    .name = "dropout", .formula = "y = x keep/(1 - rate), keep being 0 with probability rate, else 1", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 1, .flags = MORU_OP_RANDOM, .attr_size = sizeof(dropout_attrs), .in_place = 1,
    .infer = infer_dropout, .vjp = vjp_dropout, .run = run_dropout, .print = print_dropout,
};

moru_node *moru_dropout_from(moru_node *x, double rate, uint64_t stream)
{
    return moru_call_1(&moru_op_dropout, x, &(dropout_attrs){rate, stream});
}

moru_node *moru_dropout_op(moru_node *x, double rate)
{
    return moru_dropout_from(x, rate, x ? moru_call_stream(x->graph) : 0);
}
