/* Reverse mode: walks the calls between xs and ys backwards and lets each op's vjp append ordinary nodes. */
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "core/status.h"
#include <moru/ops.h>

typedef struct backward {
    moru_graph *graph;
    int32_t n_nodes;       /* when the walk began: what vjps append is not walked */
    bool *reached;         /* node depends on some x */
    moru_node **dy;        /* gradient gathered so far, by node id */
    moru_node **inputs_dx; /* scratch, as long as the longest input list */
    bool *wanted;
    bool stop;             /* xs are leaves of the walk, even one that was computed from another */
} backward;

/* Whether gradients end at node. */
static bool stops_at(const backward *b, moru_node *const *xs, int n, const moru_node *node)
{
    for (int i = 0; b->stop && i < n; i++)
        if (xs[i] == node)
            return true;
    return false;
}

/* Marks the values through which xs reach something. Integers carry no gradient. */
static void mark_reached(backward *b, moru_node *const *xs, int n)
{
    for (int i = 0; i < n; i++)
        b->reached[xs[i]->id] = true;
    for (int32_t id = 0; id < b->n_nodes; id++) {
        moru_node *node = b->graph->nodes[id];
        for (int i = 0; !b->reached[id] && i < node->call->n_inputs; i++)
            if (b->reached[node->call->inputs[i]->id] && !moru_op_bit(node->call->op->shape_only, i))
                b->reached[id] = true;
        if (node->dtype != MORU_REAL)
            b->reached[id] = false;
    }
}

static void accumulate(backward *b, moru_node *node, moru_node *dx)
{
    if (dx->dtype == MORU_REAL && !moru_shape_equal(&dx->shape, &node->shape))
        dx = moru_sum_to(dx, node);
    moru_node *sum = b->dy[node->id];
    b->dy[node->id] = sum ? moru_add(sum, dx) : dx;
}

static moru_status step_back(backward *b, moru_call *call, moru_node *const *xs, int n_xs)
{
    moru_node *dys[16] = {NULL};
    bool any_dy = false, any_wanted = false;
    for (int k = 0; k < call->n_outputs; k++)
        if (!stops_at(b, xs, n_xs, call->outputs[k])) {
            dys[k] = b->dy[call->outputs[k]->id];
            any_dy |= dys[k] != NULL;
        }
    for (int i = 0; i < call->n_inputs; i++) {
        b->inputs_dx[i] = NULL;
        b->wanted[i] = b->reached[call->inputs[i]->id] && !moru_op_bit(call->op->shape_only, i);
        any_wanted |= b->wanted[i];
    }
    if (!any_dy || !any_wanted)
        return MORU_OK;
    if (!call->op->vjp) {
        moru_graph_fail(b->graph, MORU_ERR_GRADIENT, "op %s has no gradient, and node \"%s\" lies on the way of one",
                        call->op->name, call->name);
        return MORU_ERR_GRADIENT;
    }
    char scope[sizeof b->graph->scope]; /* gradient nodes bear the name of what they differentiate */
    memcpy(scope, b->graph->scope, sizeof scope);
    strncpy(b->graph->scope, call->name, sizeof scope - 1);
    moru_vjp v = {b->graph, call->attrs, call->n_inputs, call->n_outputs, call->inputs, call->outputs, dys, b->wanted,
                  b->inputs_dx};
    call->op->vjp(&v);
    for (int i = 0; i < call->n_inputs; i++)
        if (b->wanted[i] && b->inputs_dx[i])
            accumulate(b, call->inputs[i], b->inputs_dx[i]);
    memcpy(b->graph->scope, scope, sizeof scope);
    return b->graph->status;
}

static moru_status check_arguments(moru_graph *graph, moru_node *const *nodes, int n, const char *what)
{
    for (int i = 0; i < n; i++) {
        if (!nodes[i] || nodes[i]->graph != graph)
            return moru_fail(MORU_ERR_ARGUMENT, "gradients: %s %d is missing or belongs to another graph", what, i);
        if (moru_node_failed(nodes[i]))
            return moru_fail(graph->status, "%s", graph->error);
    }
    return MORU_OK;
}

static moru_status run_backward(backward *b, moru_node *const *ys, moru_node *const *dys, int n_ys, moru_node *const *xs,
                                int n_xs, moru_node **grads)
{
    int32_t n_calls = b->graph->n_calls;
    mark_reached(b, xs, n_xs);
    for (int k = 0; k < n_ys; k++) {
        if (!ys[k] || ys[k]->dtype != MORU_REAL)
            continue;
        moru_node *dy = dys && dys[k] ? dys[k] : moru_ones_like(ys[k]);
        accumulate(b, ys[k], dy);
    }
    for (int32_t id = n_calls - 1; id >= 0; id--) /* ids are in topological order */
        MORU_TRY(step_back(b, b->graph->calls[id], xs, n_xs));
    for (int i = 0; i < n_xs; i++)
        grads[i] = b->dy[xs[i]->id] ? b->dy[xs[i]->id] : moru_zeros_like(xs[i]);
    return b->graph->status == MORU_OK ? MORU_OK : moru_fail(b->graph->status, "%s", b->graph->error);
}

static moru_status gradients(moru_node *const *ys, moru_node *const *dys, int n_ys, moru_node *const *xs, int n_xs,
                             bool stop, moru_node **grads)
{
    moru_graph *graph = moru_graph_of(ys, n_ys);
    if (!graph)
        return moru_fail(MORU_ERR_ARGUMENT, "gradients: there is nothing to differentiate");
    if (graph->status != MORU_OK)
        return moru_fail(graph->status, "%s", graph->error);
    for (int k = 0; k < n_ys; k++) {
        if (ys[k])
            MORU_TRY(check_arguments(graph, &ys[k], 1, "value"));
        if (ys[k] && dys && dys[k])
            MORU_TRY(check_arguments(graph, &dys[k], 1, "weight of value"));
    }
    MORU_TRY(check_arguments(graph, xs, n_xs, "variable"));
    for (int i = 0; i < n_xs; i++)
        if (xs[i]->dtype != MORU_REAL)
            return moru_fail(MORU_ERR_GRADIENT, "gradients: \"%s\" holds integers", moru_node_name(xs[i]));
    int widest = 1;
    for (int32_t i = 0; i < graph->n_calls; i++)
        if (graph->calls[i]->n_inputs > widest)
            widest = graph->calls[i]->n_inputs;
    backward b = {.graph = graph, .n_nodes = graph->n_nodes, .stop = stop,
                  .reached = calloc((size_t)graph->n_nodes + 1, sizeof(bool)),
                  .dy = calloc((size_t)graph->n_nodes + 1, sizeof(moru_node *)),
                  .inputs_dx = calloc((size_t)widest, sizeof(moru_node *)),
                  .wanted = calloc((size_t)widest, sizeof(bool))};
    moru_status status = b.reached && b.dy && b.inputs_dx && b.wanted
                             ? run_backward(&b, ys, dys, n_ys, xs, n_xs, grads)
                             : moru_fail(MORU_ERR_MEMORY, "no memory for gradients");
    free(b.reached);
    free(b.dy);
    free(b.inputs_dx);
    free(b.wanted);
    return status;
}

moru_status moru_gradients_of(moru_node *const *ys, moru_node *const *dys, int n_ys, moru_node *const *xs, int n_xs,
                              moru_node **grads)
{
    return gradients(ys, dys, n_ys, xs, n_xs, false, grads);
}

moru_status moru_gradients(moru_node *y, moru_node *const *xs, int n, moru_node **grads)
{
    return gradients(&y, NULL, 1, xs, n, false, grads);
}

void moru_vjp_through(const moru_vjp *v, moru_node *const *ys)
{
    moru_node *xs[16] = {NULL}, *dys[16], *grads[16];
    int place[16], n = 0;
    for (int k = 0; k < v->n_outputs; k++)
        dys[k] = v->dy[k];
    moru_node *used[16];
    for (int k = 0; k < v->n_outputs; k++)
        used[k] = v->dy[k] ? ys[k] : NULL;
    for (int i = 0; i < v->n_inputs; i++) {
        bool again = false; /* a value's gradient is that of all its places in ys: one place gets it */
        for (int j = 0; j < n; j++)
            again |= xs[j] == v->inputs[i];
        if (v->inputs[i]->dtype != MORU_REAL || again)
            continue;
        if (n == 16) {
            moru_graph_fail(v->graph, MORU_ERR_UNSUPPORTED, "a gradient through an expression of more than 16 inputs");
            return;
        }
        place[n] = i; /* all are targets, so that the walk stops at each */
        xs[n++] = v->inputs[i];
    }
    moru_status status = gradients(used, dys, v->n_outputs, xs, n, true, grads);
    if (status != MORU_OK) {
        moru_graph_fail(v->graph, status, "%s", moru_last_error());
        return;
    }
    for (int i = 0; i < n; i++)
        if (v->wanted[place[i]])
            v->dx[place[i]] = grads[i];
}
