/* Losses per sample. */
#include <inttypes.h>
#include <stdio.h>
#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/elementwise.h"
#include "ops/shape_rules.h"

/* ---- cross entropy with integer labels: loss = -log softmax(z)[label] ---- */

/* Logits and labels at inputs z and z + 1: labels have the logits' shape less its last axis. */
static moru_status check_labels(const moru_infer *in, int z)
{
    char tz[MORU_SHAPE_TEXT], tl[MORU_SHAPE_TEXT];
    const moru_shape *logits = &in->shapes[z], *labels = &in->shapes[z + 1];
    moru_shape_print(logits, tz, sizeof tz);
    moru_shape_print(labels, tl, sizeof tl);
    if (in->dtypes[z] != MORU_REAL || in->dtypes[z + 1] != MORU_INT32)
        return moru_op_error(MORU_ERR_SHAPE, "logits %s %s and labels %s %s: logits have to be real, labels int32",
                             moru_dtype_name(in->dtypes[z]), tz, moru_dtype_name(in->dtypes[z + 1]), tl);
    bool fit = logits->rank == labels->rank + 1;
    for (int k = 0; fit && k < labels->rank; k++)
        fit = logits->dims[k] == labels->dims[k] || logits->dims[k] < 0 || labels->dims[k] < 0;
    if (!fit)
        return moru_op_error(MORU_ERR_SHAPE,
                             "logits %s and labels %s: labels need the logits' shape less its last axis",
                             tz, tl);
    return MORU_OK;
}

/* Rows of logits, after a check that every label names a class. */
static moru_status check_range(const moru_view *logits, const moru_view *labels, int64_t *classes)
{
    const int32_t *label = labels->data;
    *classes = logits->shape.dims[logits->shape.rank - 1];
    for (int64_t i = 0; i < labels->size; i++)
        if (label[i] < 0 || label[i] >= *classes)
            return moru_op_error(MORU_ERR_RANGE, "label %" PRId32 " at position %" PRId64 " is outside 0..%" PRId64,
                                 label[i], i, *classes - 1);
    return MORU_OK;
}

static int threads_for(const moru_view *logits, int threads)
{
    return logits->size >= MORU_PARALLEL_MIN / MORU_COSTLY ? threads : 1;
}

static moru_status infer_sparse(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(check_labels(in, 0));
    shapes[0] = in->shapes[1];
    for (int k = 0; k < shapes[0].rank; k++)
        if (shapes[0].dims[k] < 0)
            shapes[0].dims[k] = in->shapes[0].dims[k];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static moru_status run_sparse(const moru_run *run)
{
    int64_t classes;
    MORU_TRY(check_range(run->in[0], run->in[1], &classes));
    run->kernels->sparse_cross_entropy(run->in[0]->data, run->in[1]->data, run->in[1]->size, classes, run->out[0]->data,
                                       threads_for(run->in[0], run->threads));
    return MORU_OK;
}

static void vjp_sparse(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_3(&moru_op_sparse_cross_entropy_grad, VJP_DY, VJP_A, VJP_B, NULL);
}

const moru_op_def moru_op_sparse_cross_entropy = {
    .name = "sparse_cross_entropy", .formula = "y = log sum e^z - z[label]", .min_inputs = 2, .max_inputs = 2,
    .n_outputs = 1, .infer = infer_sparse, .vjp = vjp_sparse, .run = run_sparse,
};

moru_node *moru_sparse_cross_entropy(moru_node *logits, moru_node *labels)
{
    return moru_call_2(&moru_op_sparse_cross_entropy, logits, labels, NULL);
}

static moru_status infer_sparse_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    char td[MORU_SHAPE_TEXT], tl[MORU_SHAPE_TEXT];
    MORU_TRY(check_labels(in, 1));
    if (in->dtypes[0] != MORU_REAL || !moru_rule_same(&in->shapes[0], &in->shapes[2]))
        return moru_op_error(MORU_ERR_SHAPE, "dloss %s %s and labels %s: dloss has to be real, of the labels' shape",
                             moru_dtype_name(in->dtypes[0]), moru_shape_print(&in->shapes[0], td, sizeof td),
                             moru_shape_print(&in->shapes[2], tl, sizeof tl));
    shapes[0] = in->shapes[1];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static moru_status run_sparse_grad(const moru_run *run)
{
    int64_t classes;
    MORU_TRY(check_range(run->in[1], run->in[2], &classes));
    run->kernels->sparse_cross_entropy_grad(run->in[0]->data, run->in[1]->data, run->in[2]->data, run->in[2]->size,
                                            classes, run->out[0]->data, threads_for(run->in[1], run->threads));
    return MORU_OK;
}

/* With r = softmax(z) - onehot(label): for dloss, sum(g r); for z, dloss times the softmax's Jacobian applied to g. */
static void vjp_sparse_grad(const moru_vjp *v)
{
    moru_node *g = VJP_DY, *dloss = v->inputs[0], *z = v->inputs[1], *labels = v->inputs[2];
    int last = -1;
    if (v->wanted[0]) {
        moru_node *r = moru_call_3(&moru_op_sparse_cross_entropy_grad, moru_ones_like(dloss), z, labels, NULL);
        v->dx[0] = moru_sum(moru_mul(g, r), &last, 1, false);
    }
    if (v->wanted[1]) {
        moru_node *y = moru_softmax(z, -1), *weighted = moru_mul(g, moru_expand_dims(dloss, -1));
        v->dx[1] = moru_mul(y, moru_sub(weighted, moru_sum(moru_mul(weighted, y), &last, 1, true)));
    }
}

const moru_op_def moru_op_sparse_cross_entropy_grad = {
    .name = "sparse_cross_entropy_grad", .formula = "dz = dloss (softmax(z) - onehot(label))", .min_inputs = 3,
    .max_inputs = 3, .n_outputs = 1, .in_place = 2, .infer = infer_sparse_grad, .vjp = vjp_sparse_grad, .run = run_sparse_grad,
};

/* ---- binary cross entropy from logits ---- */

static moru_status infer_same_or_scalar(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    return in->shapes[1].rank == 0 ? moru_infer_binary(in, shapes, dtypes) : moru_infer_same(in, shapes, dtypes);
}

/* dz = dy (sigmoid(z) - t), dt = -dy z */
static void vjp_sigmoid_cross_entropy(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_mul(VJP_DY, moru_sub(moru_sigmoid(VJP_A), VJP_B));
    if (v->wanted[1])
        v->dx[1] = moru_neg(moru_mul(VJP_DY, VJP_A));
}
MORU_BINARY_OP(sigmoid_cross_entropy, "y = max(z, 0) - z t + log(1 + e^-|z|)", MORU_COSTLY, vjp_sigmoid_cross_entropy,
               .infer = infer_same_or_scalar, .flags = MORU_OP_ELEMENTWISE);

moru_node *moru_sigmoid_cross_entropy(moru_node *logits, moru_node *target)
{
    return moru_call_2(&moru_op_sigmoid_cross_entropy, logits, target, NULL);
}

/* ---- made of other ops ---- */

/* Broadcasting is no help in a loss: [n] against [n,1] would be n^2 numbers. NULL, or what the builder returns. */
static moru_node *differing(const char *loss, moru_node *a, moru_node *b)
{
    if (moru_node_failed(a) || moru_node_failed(b))
        return NULL; /* the ops that follow deal with it */
    moru_shape shape;
    moru_dtype dtypes[] = {moru_node_dtype(a), moru_node_dtype(b)}, dtype;
    moru_shape shapes[] = {*moru_node_shape(a), *moru_node_shape(b)};
    moru_graph *graph = moru_node_graph(a);
    moru_infer in = {.graph = graph, .n_inputs = 2, .shapes = shapes, .dtypes = dtypes};
    moru_status status = moru_infer_same(&in, &shape, &dtype);
    return status ? moru_graph_fail(graph, status, "%s: %s", loss, moru_last_error()) : NULL;
}

moru_node *moru_cross_entropy(moru_node *logits, moru_node *target)
{
    moru_node *bad = differing("cross_entropy", logits, target);
    int last = -1;
    return bad ? bad : moru_neg(moru_sum(moru_mul(target, moru_log_softmax(logits, -1)), &last, 1, false));
}

moru_node *moru_mean_squared_error(moru_node *target, moru_node *prediction)
{
    moru_node *bad = differing("mean_squared_error", target, prediction);
    return bad ? bad : moru_mean_all(moru_squared_difference(prediction, target));
}
