/* Products of matrices, and one-hot rows: keras.ops.matmul, dot, one_hot, gelu. */
#include "layers/operations/operation.h"

static const char *const pair[] = {"x1", "x2", NULL};

static moru_node *matmul(const moru_layer_call *c)
{
    return moru_matmul(moru_as_real(c->inputs[0]), moru_as_real(c->inputs[1]));
}

/* numpy.dot: with a matrix or vector on the right it is matmul; sums over the last axis of x1 and the last but one of
 * x2 in general. */
static moru_node *dot(const moru_layer_call *c)
{
    moru_node *a = moru_as_real(c->inputs[0]), *b = moru_as_real(c->inputs[1]);
    if (moru_node_failed(a) || moru_node_failed(b))
        return c->graph->inert;
    if (a->shape.rank == 0 || b->shape.rank == 0)
        return moru_mul(a, b);
    if (b->shape.rank > 2)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "a second value of %d dimensions", b->shape.rank);
    return moru_matmul(a, b);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the members that most operations share */
MORU_OPERATION(matmul, "Matmul", "numpy", moru_bare_options, moru_bare_defaults, matmul,
    .input_names = pair, .min_inputs = 2, .max_inputs = 2);
MORU_OPERATION(dot, "Dot", "numpy", moru_bare_options, moru_bare_defaults, dot,
    .input_names = pair, .min_inputs = 2, .max_inputs = 2);
#pragma GCC diagnostic pop

/* ---- one_hot ---- */

typedef struct one_hot_options {
    MORU_LAYER_OPTIONS
    int64_t num_classes, axis;
} one_hot_options;
static const one_hot_options one_hot_defaults = {MORU_LAYER_DEFAULTS, .axis = -1};

static moru_node *one_hot(const moru_layer_call *c)
{
    const one_hot_options *o = c->layer->options;
    moru_node *x = c->inputs[0];
    if (moru_node_failed(x))
        return x;
    if (o->axis != -1 && o->axis != x->shape.rank)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "axis %lld: only the last one is", (long long)o->axis);
    return moru_one_hot(x->dtype == MORU_INT32 ? x : moru_cast(x, MORU_INT32), o->num_classes);
}

MORU_OPERATION(one_hot, "OneHot", "nn", one_hot_options, one_hot_defaults, one_hot,
    MORU_FIELDS(MORU_FIELD(one_hot_options, num_classes, MORU_FIELD_INT),
                MORU_FIELD(one_hot_options, axis, MORU_FIELD_INT)));

/* ---- gelu ---- */

typedef struct gelu_options {
    MORU_LAYER_OPTIONS
    bool approximate;
} gelu_options;
static const gelu_options gelu_defaults = {MORU_LAYER_DEFAULTS, .approximate = true};

static moru_node *gelu(const moru_layer_call *c)
{
    const gelu_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    return o->approximate ? moru_gelu_tanh(x) : moru_gelu(x);
}

MORU_OPERATION(gelu, "Gelu", "nn", gelu_options, gelu_defaults, gelu,
    MORU_FIELDS(MORU_FIELD(gelu_options, approximate, MORU_FIELD_BOOL)));
