/* Random numbers, new at each step. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/random_stream.h"
#include "ops/shape_rules.h"

/* The shape is that of the input if there is one. */
typedef struct random_attrs {
    int64_t rank, dims[MORU_MAX_RANK];
    double first, second; /* low and high, or mean and deviation */
    uint64_t stream;
} random_attrs;

static moru_status infer_random(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const random_attrs *attrs = in->attrs;
    if (!isfinite(attrs->first) || !isfinite(attrs->second))
        return moru_op_error(MORU_ERR_ARGUMENT, "the parameters %g and %g are not both finite", attrs->first,
                             attrs->second);
    dtypes[0] = MORU_REAL;
    if (in->n_inputs > 0) {
        shapes[0] = in->shapes[0];
        return MORU_OK;
    }
    shapes[0].rank = (int32_t)attrs->rank;
    memcpy(shapes[0].dims, attrs->dims, sizeof attrs->dims);
    if (!moru_shape_known(&shapes[0]))
        return moru_op_error(MORU_ERR_ARGUMENT,
                             "the shape %s has an open size; the _like variant takes it from a value",
                             MORU_TEXT(&shapes[0]));
    return MORU_OK;
}

/* Nothing flows into a shape. */
static void vjp_random(const moru_vjp *v)
{
    (void)v;
}

static moru_status run_uniform(const moru_run *run)
{
    const random_attrs *attrs = run->attrs;
    run->kernels->random_uniform(run->out[0]->size, attrs->first, attrs->second, run->seed, attrs->stream, run->step,
                                 run->out[0]->data, run->threads);
    return MORU_OK;
}

static moru_status run_normal(const moru_run *run)
{
    const random_attrs *attrs = run->attrs;
    run->kernels->random_normal(run->out[0]->size, attrs->first, attrs->second, run->seed, attrs->stream, run->step,
                                run->out[0]->data, run->threads);
    return MORU_OK;
}

static void print_uniform(const void *attrs_, char *text, size_t size)
{
    const random_attrs *attrs = attrs_;
    snprintf(text, size, "low=%g high=%g", attrs->first, attrs->second);
}

static void print_normal(const void *attrs_, char *text, size_t size)
{
    const random_attrs *attrs = attrs_;
    snprintf(text, size, "mean=%g stddev=%g", attrs->first, attrs->second);
}

const moru_op_def moru_op_random_uniform = {
    .name = "random_uniform", .formula = "y uniform in [low, high)", .min_inputs = 0, .max_inputs = 1, .n_outputs = 1,
    .flags = MORU_OP_RANDOM, .attr_size = sizeof(random_attrs), .shape_only = 1, .infer = infer_random,
    .vjp = vjp_random, .run = run_uniform, .print = print_uniform,
};

const moru_op_def moru_op_random_normal = {
    .name = "random_normal", .formula = "y normal with mean and stddev", .min_inputs = 0, .max_inputs = 1,
    .n_outputs = 1, .flags = MORU_OP_RANDOM, .attr_size = sizeof(random_attrs), .shape_only = 1,
    .infer = infer_random, .vjp = vjp_random, .run = run_normal, .print = print_normal,
};

static moru_node *fill(const moru_op_def *op, moru_graph *graph, const moru_shape *shape, moru_node *like, double first,
                       double second, const uint64_t *stream)
{
    random_attrs attrs = {.first = first, .second = second};
    if (!graph) {
        moru_fail(MORU_ERR_ARGUMENT, "%s: there is no graph", op->name);
        return NULL;
    }
    if (shape && (shape->rank < 0 || shape->rank > MORU_MAX_RANK))
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "%s: a shape has 0 to %d sizes, not %d", op->name,
                               MORU_MAX_RANK,
                               (int)shape->rank);
    if (shape) {
        attrs.rank = shape->rank;
        memcpy(attrs.dims, shape->dims, (size_t)shape->rank * sizeof attrs.dims[0]);
    }
    attrs.stream = stream ? *stream : moru_call_stream(graph);
    return moru_apply_op(graph, op, &like, like ? 1 : 0, &attrs);
}

moru_node *moru_random_uniform_op(moru_graph *graph, moru_shape shape, double low, double high)
{
    return fill(&moru_op_random_uniform, graph, &shape, NULL, low, high, NULL);
}

moru_node *moru_random_normal_op(moru_graph *graph, moru_shape shape, double mean, double stddev)
{
    return fill(&moru_op_random_normal, graph, &shape, NULL, mean, stddev, NULL);
}

moru_node *moru_random_uniform_like(moru_node *x, double low, double high)
{
    return fill(&moru_op_random_uniform, moru_node_graph(x), NULL, x, low, high, NULL);
}

moru_node *moru_random_normal_like(moru_node *x, double mean, double stddev)
{
    return fill(&moru_op_random_normal, moru_node_graph(x), NULL, x, mean, stddev, NULL);
}

moru_node *moru_random_uniform_from(moru_node *x, double low, double high, uint64_t stream)
{
    return fill(&moru_op_random_uniform, moru_node_graph(x), NULL, x, low, high, &stream);
}

moru_node *moru_random_normal_from(moru_node *x, double mean, double stddev, uint64_t stream)
{
    return fill(&moru_op_random_normal, moru_node_graph(x), NULL, x, mean, stddev, &stream);
}
