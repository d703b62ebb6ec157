/* Order: chooses the order of the needed calls. Two orders are tried, as built and greedily by bytes; the one whose live set
 * peaks lower wins. A call that makes a variable's new value comes after all readers of the old one where possible, so
 * that it can write straight into the variable. */
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"

typedef struct ordering {
    moru_compilation *c;
    bool *needed;          /* by call id */
    int32_t *uses;         /* by node id: readers left, outputs included */
    int32_t *waits;        /* by call id: distinct inputs and earlier readers not yet run */
    int32_t *heads;        /* by call id: first edge of its list */
    struct edge { int32_t to, next; } *edges;
    int32_t n_edges, cap_edges;
    int64_t *bytes;        /* by node id */
} ordering;

static bool add_edge(ordering *o, int32_t from, int32_t to)
{
    if (o->n_edges == o->cap_edges) {
        int32_t wanted = o->cap_edges ? 2 * o->cap_edges : 256;
        struct edge *fresh = realloc(o->edges, (size_t)wanted * sizeof *fresh);
        if (!fresh)
            return false;
        o->edges = fresh;
        o->cap_edges = wanted;
    }
    o->edges[o->n_edges] = (struct edge){to, o->heads[from]};
    o->heads[from] = o->n_edges++;
    o->waits[to]++;
    return true;
}

/* A call all of whose outputs only become new values of variables: nothing can depend on it. */
static bool only_updates(const ordering *o, const moru_call *call)
{
    for (int k = 0; k < call->n_outputs; k++) {
        int32_t updates = 0;
        for (int i = 0; i < o->c->n_updates; i++)
            updates += o->c->update_values[i] == call->outputs[k];
        if (o->uses[call->outputs[k]->id] != updates)
            return false;
    }
    return !moru_op_is_leaf(call->op);
}

static bool add_edges(ordering *o)
{
    const moru_graph *graph = o->c->graph;
    for (int32_t id = 0; id < graph->n_calls; id++)
        for (int i = 0; o->needed[id] && i < graph->calls[id]->n_inputs; i++)
            if (!add_edge(o, graph->calls[id]->inputs[i]->call->id, id))
                return false;
    for (int u = 0; u < o->c->n_updates; u++) {
        const moru_call *writer = o->c->update_values[u]->call;
        const moru_node *variable = o->c->update_variables[u];
        if (!only_updates(o, writer))
            continue;
        for (int32_t id = 0; id < graph->n_calls; id++)
            for (int i = 0; o->needed[id] && id != writer->id && i < graph->calls[id]->n_inputs; i++)
                if (graph->calls[id]->inputs[i] == variable && !only_updates(o, graph->calls[id])
                    && !add_edge(o, id, writer->id))
                    return false;
    }
    return true;
}

/* Bytes the live set grows by when call runs now (negative: shrinks). */
static int64_t growth(const ordering *o, const moru_call *call, const int32_t *left)
{
    int64_t sum = 0;
    for (int k = 0; k < call->n_outputs; k++)
        sum += o->bytes[call->outputs[k]->id];
    for (int i = 0; i < call->n_inputs; i++) {
        int32_t id = call->inputs[i]->id, again = 0;
        bool first = true;
        for (int j = 0; j < call->n_inputs; j++)
            if (call->inputs[j]->id == id) {
                again++;
                first &= j >= i;
            }
        if (first && left[id] == again && !moru_op_is_leaf(call->inputs[i]->call->op))
            sum -= o->bytes[id];
    }
    return sum;
}

/* Runs the schedule into order; greedy picks the least growth among the ready, else the least id. Returns the peak. */
static int64_t schedule(const ordering *o, bool greedy, moru_call **order, int32_t *n_order, int32_t *left, int32_t *waits,
                        int32_t *ready)
{
    const moru_graph *graph = o->c->graph;
    int64_t live = 0, peak = 0;
    int32_t n_ready = 0;
    memcpy(left, o->uses, ((size_t)graph->n_nodes + 1) * sizeof *left);
    memcpy(waits, o->waits, ((size_t)graph->n_calls + 1) * sizeof *waits);
    for (int32_t id = 0; id < graph->n_calls; id++)
        if (o->needed[id] && waits[id] == 0)
            ready[n_ready++] = id;
    *n_order = 0;
    while (n_ready > 0) {
        int32_t best = 0;
        int64_t best_growth = INT64_MAX;
        for (int32_t r = 0; r < n_ready; r++) {
            int64_t g = greedy ? growth(o, graph->calls[ready[r]], left) : 0;
            if (g < best_growth || (g == best_growth && ready[r] < ready[best])) {
                best = r;
                best_growth = g;
            }
        }
        moru_call *call = graph->calls[ready[best]];
        ready[best] = ready[--n_ready];
        int64_t outputs = 0;
        for (int k = 0; k < call->n_outputs; k++)
            outputs += o->bytes[call->outputs[k]->id];
        if (live + outputs > peak)
            peak = live + outputs;
        live += greedy ? best_growth : growth(o, call, left);
        for (int i = 0; i < call->n_inputs; i++)
            left[call->inputs[i]->id]--;
        if (!moru_op_is_leaf(call->op))
            order[(*n_order)++] = call;
        for (int32_t e = o->heads[call->id]; e >= 0; e = o->edges[e].next)
            if (--waits[o->edges[e].to] == 0)
                ready[n_ready++] = o->edges[e].to;
    }
    return peak;
}

static moru_status order_calls(ordering *o)
{
    moru_compilation *c = o->c;
    size_t n_calls = (size_t)c->graph->n_calls + 1, n_nodes = (size_t)c->graph->n_nodes + 1;
    int32_t *left = malloc(n_nodes * sizeof *left), *waits = malloc(n_calls * sizeof *waits);
    int32_t *ready = malloc(n_calls * sizeof *ready), n_greedy = 0;
    moru_call **greedy = malloc(n_calls * sizeof *greedy);
    c->order = malloc(n_calls * sizeof *c->order);
    bool done = left && waits && ready && greedy && c->order;
    if (done) {
        int64_t plain = schedule(o, false, c->order, &c->n_order, left, waits, ready);
        if (!(c->options->without & MORU_PASS_ORDER)
            && schedule(o, true, greedy, &n_greedy, left, waits, ready) < plain)
            memcpy(c->order, greedy, (size_t)n_greedy * sizeof *greedy);
    }
    free(left);
    free(waits);
    free(ready);
    free(greedy);
    return done ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
}

moru_status moru_pass_order(moru_compilation *c)
{
    const moru_graph *graph = c->graph;
    size_t n_calls = (size_t)graph->n_calls + 1, n_nodes = (size_t)graph->n_nodes + 1;
    ordering o = {.c = c, .needed = moru_compilation_needed(c), .uses = moru_compilation_uses(c),
                  .waits = calloc(n_calls, sizeof(int32_t)), .heads = malloc(n_calls * sizeof(int32_t)),
                  .bytes = calloc(n_nodes, sizeof(int64_t))};
    moru_status status = moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    if (o.needed && o.uses && o.waits && o.heads && o.bytes) {
        memset(o.heads, -1, n_calls * sizeof(int32_t));
        for (int32_t i = 0; i < graph->n_nodes; i++) {
            const moru_node *node = graph->nodes[i];
            int64_t size;
            bool leaf = moru_op_is_leaf(node->call->op);
            bool alias = (node->call->op->flags & MORU_OP_ALIAS) != 0;
            bool unread = o.uses[i] == 0 && moru_op_bit(node->call->op->optional_outputs, node->output);
            if (!leaf && !alias && !unread)
                moru_tensor_bytes(node->dtype, &node->shape, &size, &o.bytes[i]);
        }
        if (add_edges(&o))
            status = order_calls(&o);
    }
    free(o.needed);
    free(o.uses);
    free(o.waits);
    free(o.heads);
    free(o.edges);
    free(o.bytes);
    return status;
}
