/* Building graphs: calls, values, the sticky first error. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "core/status.h"
#include "core/tensor.h"
#include "ops/op_table.h"

/* A pointer array with room for one more: itself or a larger one; NULL (and the old one untouched) without memory. */
static void *grown(void *array, int32_t count, int32_t *capacity)
{
    if (count < *capacity)
        return array;
    if (*capacity > INT32_MAX / 2)
        return NULL;
    int32_t wanted = *capacity ? 2 * *capacity : 64;
    void *fresh = realloc(array, (size_t)wanted * sizeof(void *));
    if (fresh)
        *capacity = wanted;
    return fresh;
}

#define GROW(array, count, capacity)                          \
    ({                                                        \
        void *grown_ = grown((array), (count), &(capacity));  \
        if (grown_)                                           \
            (array) = grown_;                                 \
        grown_ != NULL;                                       \
    })

moru_graph *moru_graph_new(void)
{
    moru_graph *graph = calloc(1, sizeof *graph);
    if (graph)
        graph->inert = moru_arena_alloc(&graph->arena, sizeof *graph->inert);
    if (!graph || !graph->inert) {
        free(graph);
        moru_fail(MORU_ERR_MEMORY, "no memory for a graph");
        return NULL;
    }
    graph->inert->graph = graph;
    graph->inert->id = -1;
    return graph;
}

void moru_graph_free(moru_graph *graph)
{
    if (!graph)
        return;
    for (int32_t i = 0; i < graph->n_owned; i++)
        moru_tensor_free(graph->owned[i]);
    free(graph->owned);
    free(graph->nodes);
    free(graph->calls);
    free(graph->symbols);
    free(graph->registered);
    moru_arena_free(&graph->arena);
    free(graph);
}

moru_status moru_graph_status(const moru_graph *graph)
{
    return graph->status;
}

const char *moru_graph_error(const moru_graph *graph)
{
    return graph->error;
}

moru_node *moru_graph_fail(moru_graph *graph, moru_status status, const char *format, ...)
{
    if (graph->status == MORU_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(graph->error, sizeof graph->error, format, args);
        va_end(args);
        graph->status = status;
        moru_fail(status, "%s", graph->error);
    }
    return graph->inert;
}

static moru_node *out_of_memory(moru_graph *graph)
{
    return moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for the graph");
}

bool moru_node_failed(const moru_node *node)
{
    return !node || node == node->graph->inert;
}

moru_graph *moru_graph_of(moru_node *const *nodes, int n)
{
    for (int i = 0; i < n; i++)
        if (nodes[i])
            return nodes[i]->graph;
    return NULL;
}

int64_t moru_symbol(moru_graph *graph, const char *name)
{
    for (int32_t k = 0; name && k < graph->n_symbols; k++)
        if (graph->symbols[k] && strcmp(graph->symbols[k], name) == 0)
            return -(int64_t)(k + 2);
    char *copy = name ? moru_arena_strdup(&graph->arena, name) : NULL;
    if ((name && !copy) || !GROW(graph->symbols, graph->n_symbols, graph->cap_symbols)) {
        out_of_memory(graph);
        return -2;
    }
    graph->symbols[graph->n_symbols] = copy;
    return -(int64_t)(graph->n_symbols++ + 2);
}

int64_t moru_infer_symbol(const moru_infer *in)
{
    return moru_symbol(in->graph, NULL);
}

/* ---- names ---- */

void moru_graph_push_name(moru_graph *graph, const char *name)
{
    size_t used = strlen(graph->scope), room = sizeof graph->scope - used;
    int depth = graph->n_scopes++;
    if (depth >= (int)(sizeof graph->scope_ends / sizeof *graph->scope_ends)) {
        moru_graph_fail(graph, MORU_ERR_ARGUMENT, "more than %d nested name scopes", depth);
        return;
    }
    graph->scope_ends[depth] = (int16_t)used;
    int n = snprintf(graph->scope + used, room, used ? "/%s" : "%s", name ? name : "");
    if (n < 0 || (size_t)n >= room)
        moru_graph_fail(graph, MORU_ERR_ARGUMENT, "the name scope \"%s\" is too long", graph->scope);
}

void moru_graph_pop_name(moru_graph *graph)
{
    if (graph->n_scopes < 1)
        moru_graph_fail(graph, MORU_ERR_STATE, "a name scope was popped that wasn't pushed");
    else if (--graph->n_scopes < (int)(sizeof graph->scope_ends / sizeof *graph->scope_ends))
        graph->scope[graph->scope_ends[graph->n_scopes]] = '\0';
}

static const char *call_name(moru_graph *graph, const char *op)
{
    char text[64];
    if (graph->scope[0]) {
        if (graph->n_calls > 0 && strcmp(graph->calls[graph->n_calls - 1]->name, graph->scope) == 0)
            return graph->calls[graph->n_calls - 1]->name;
        return moru_arena_strdup(&graph->arena, graph->scope);
    }
    snprintf(text, sizeof text, "%.40s_%d", op, (int)graph->n_calls);
    return moru_arena_strdup(&graph->arena, text);
}

/* ---- calls ---- */

/* Appends a call whose output shapes are known. */
static moru_node *append(moru_graph *graph, const moru_op_def *op, const char *name, moru_node *const *inputs, int n,
                         const void *attrs, size_t attr_size, const moru_shape *shapes, const moru_dtype *dtypes)
{
    moru_arena *arena = &graph->arena;
    moru_call *call = moru_arena_alloc(arena, sizeof *call);
    if (!call || !name || !GROW(graph->calls, graph->n_calls, graph->cap_calls))
        return out_of_memory(graph);
    *call = (moru_call){.op = op, .id = graph->n_calls, .n_inputs = n, .n_outputs = op->n_outputs, .name = name,
                        .attr_size = attr_size};
    call->inputs = moru_arena_alloc(arena, (size_t)n * sizeof(moru_node *));
    call->outputs = moru_arena_alloc(arena, (size_t)op->n_outputs * sizeof(moru_node *));
    call->attrs = moru_arena_alloc(arena, attr_size);
    if (!call->inputs || !call->outputs || !call->attrs)
        return out_of_memory(graph);
    if (n > 0)
        memcpy(call->inputs, inputs, (size_t)n * sizeof *inputs);
    if (attrs && attr_size > 0)
        memcpy(call->attrs, attrs, attr_size);
    for (int k = 0; k < op->n_outputs; k++) {
        moru_node *node = moru_arena_alloc(arena, sizeof *node);
        if (!node || !GROW(graph->nodes, graph->n_nodes, graph->cap_nodes))
            return out_of_memory(graph);
        *node = (moru_node){.graph = graph, .call = call, .id = graph->n_nodes, .output = k, .dtype = dtypes[k],
                            .shape = shapes[k]};
        graph->nodes[graph->n_nodes++] = node;
        call->outputs[k] = node;
    }
    graph->calls[graph->n_calls++] = call;
    return call->outputs[0];
}

/* NULL if the operands are fit to be used, else what the builder returns. */
static moru_node *check_operands(moru_graph *graph, const moru_op_def *op, moru_node *const *inputs, int n)
{
    if (graph->status != MORU_OK)
        return graph->inert;
    for (int i = 0; i < n; i++) {
        if (!inputs[i])
            return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "%s: operand %d is missing", op->name, i);
        if (inputs[i]->graph != graph)
            return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "%s: operand %d belongs to another graph", op->name, i);
        if (moru_node_failed(inputs[i]))
            return graph->inert;
    }
    if (n < op->min_inputs || (op->max_inputs >= 0 && n > op->max_inputs))
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "%s: got %d operands, takes %d%s", op->name, n, op->min_inputs,
                               op->max_inputs < 0 ? " or more" : op->max_inputs > op->min_inputs ? " at least" : "");
    return NULL;
}

enum { FEW = 16, MAX_OUTPUTS = 16 };

moru_node *moru_graph_call(moru_graph *graph, const moru_op_def *op, moru_node *const *inputs, int n, const void *attrs,
                           size_t attr_size)
{
    if (!graph) {
        moru_fail(MORU_ERR_ARGUMENT, "%s: no operand belongs to a graph", op->name);
        return NULL;
    }
    moru_node *bad = check_operands(graph, op, inputs, n);
    if (bad)
        return bad;
    static const uint64_t none[32]; /* zeros for ops called without attributes */
    if (!attrs)
        attrs = attr_size <= sizeof none ? none : moru_arena_alloc(&graph->arena, attr_size);
    if (!attrs)
        return out_of_memory(graph);
    if (op->n_outputs < 1 || op->n_outputs > MAX_OUTPUTS)
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "%s: %d outputs, 1 to %d are possible", op->name,
                               op->n_outputs, MAX_OUTPUTS);
    moru_shape few_shapes[FEW], *in_shapes = few_shapes, out_shapes[MAX_OUTPUTS];
    moru_dtype few_dtypes[FEW], *in_dtypes = few_dtypes, out_dtypes[MAX_OUTPUTS];
    if (n > FEW) {
        in_shapes = moru_arena_alloc(&graph->arena, (size_t)n * sizeof *in_shapes);
        in_dtypes = moru_arena_alloc(&graph->arena, (size_t)n * sizeof *in_dtypes);
        if (!in_shapes || !in_dtypes)
            return out_of_memory(graph);
    }
    for (int i = 0; i < n; i++) {
        in_shapes[i] = inputs[i]->shape;
        in_dtypes[i] = inputs[i]->dtype;
    }
    const char *name = call_name(graph, op->name);
    if (!name)
        return out_of_memory(graph);
    moru_infer infer = {graph, attrs, n, in_shapes, in_dtypes};
    memset(out_shapes, 0, sizeof out_shapes);
    memset(out_dtypes, 0, sizeof out_dtypes);
    moru_status status = op->infer(&infer, out_shapes, out_dtypes);
    if (status != MORU_OK)
        return moru_graph_fail(graph, status, "%s \"%s\": %s", op->name, name, moru_last_error());
    return append(graph, op, name, inputs, n, attrs, attr_size, out_shapes, out_dtypes);
}

moru_node *moru_apply_op(moru_graph *graph, const moru_op_def *op, moru_node *const *inputs, int n, const void *attrs)
{
    return moru_graph_call(graph, op, inputs, n, attrs, op->attr_size);
}

/* ---- leaves ---- */

static moru_node *leaf(moru_graph *graph, const moru_op_def *op, const char *name, moru_dtype dtype, moru_shape shape,
                       moru_tensor *tensor)
{
    char text[64];
    if (!graph) { /* there was no memory for it */
        moru_fail(MORU_ERR_ARGUMENT, "%s \"%s\": there is no graph", op->name, name ? name : "");
        return NULL;
    }
    if (graph->status != MORU_OK)
        return graph->inert;
    if (shape.rank < 0 || shape.rank > MORU_MAX_RANK)
        return moru_graph_fail(graph, MORU_ERR_SHAPE, "%s \"%s\": %d dimensions, at most %d are possible", op->name,
                               name ? name : "", (int)shape.rank, MORU_MAX_RANK);
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] == -1 || shape.dims[i] < -(int64_t)graph->n_symbols - 1)
            return moru_graph_fail(graph, MORU_ERR_SHAPE, "%s \"%s\": size %d is negative; open sizes come from moru_symbol()",
                                   op->name, name ? name : "", i);
    if (!name) {
        snprintf(text, sizeof text, "%s_%d", op->name, (int)graph->n_calls);
        name = text;
    }
    moru_node *node = append(graph, op, moru_arena_strdup(&graph->arena, name), NULL, 0, NULL, 0, &shape, &dtype);
    if (!moru_node_failed(node))
        node->call->tensor = tensor;
    return node;
}

bool moru_graph_own(moru_graph *graph, moru_tensor *tensor)
{
    if (!GROW(graph->owned, graph->n_owned, graph->cap_owned))
        return false;
    graph->owned[graph->n_owned++] = tensor;
    return true;
}

moru_node *moru_placeholder(moru_graph *graph, const char *name, moru_dtype dtype, moru_shape shape)
{
    return leaf(graph, &moru_op_placeholder, name, dtype, shape, NULL);
}

/* A leaf over a tensor of the graph's own, of zeros or a copy of data. */
static moru_node *owned_leaf(moru_graph *graph, const moru_op_def *op, const char *name, moru_dtype dtype,
                             moru_shape shape, const void *data)
{
    int64_t size, bytes;
    if (!graph || graph->status != MORU_OK)
        return leaf(graph, op, name, dtype, shape, NULL);
    moru_status status = moru_tensor_bytes(dtype, &shape, &size, &bytes);
    moru_tensor *tensor = status != MORU_OK ? NULL : data ? moru_tensor_from(dtype, shape, data)
                                                          : moru_tensor_new(dtype, shape);
    if (!tensor)
        return moru_graph_fail(graph, status != MORU_OK ? status : MORU_ERR_MEMORY, "%s \"%s\": %s", op->name,
                               name ? name : "", moru_last_error());
    if (!moru_graph_own(graph, tensor)) {
        moru_tensor_free(tensor);
        return out_of_memory(graph);
    }
    return leaf(graph, op, name, dtype, shape, tensor);
}

moru_node *moru_constant(moru_graph *graph, moru_dtype dtype, moru_shape shape, const void *data)
{
    int64_t size;
    if (graph && !data && moru_shape_size(&shape, &size) == MORU_OK && size > 0)
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "constant: there is no data");
    return owned_leaf(graph, &moru_op_constant, NULL, dtype, shape, data);
}

moru_node *moru_scalar(moru_graph *graph, double value)
{
    moru_real number = (moru_real)value;
    return moru_constant(graph, MORU_REAL, MORU_SCALAR_SHAPE, &number);
}

moru_node *moru_variable(moru_graph *graph, const char *name, moru_shape shape)
{
    return owned_leaf(graph, &moru_op_variable, name, MORU_REAL, shape, NULL);
}

moru_node *moru_variable_from(moru_graph *graph, const char *name, moru_tensor *tensor)
{
    if (graph && !tensor)
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "variable \"%s\": no tensor", name ? name : "");
    for (int32_t i = 0; graph && i < graph->n_calls; i++) /* one value a tensor, so that gradients of shared weights add up */
        if (graph->calls[i]->op == &moru_op_variable && graph->calls[i]->tensor == tensor)
            return graph->calls[i]->outputs[0];
    return tensor ? leaf(graph, &moru_op_variable, name, tensor->dtype, tensor->shape, tensor) : NULL;
}

/* ---- looking at values ---- */

moru_tensor *moru_node_tensor(const moru_node *node)
{
    return moru_node_failed(node) ? NULL : node->call->tensor;
}

moru_graph *moru_node_graph(const moru_node *node)
{
    return node ? node->graph : NULL;
}

const moru_shape *moru_node_shape(const moru_node *node)
{
    return &node->shape;
}

moru_dtype moru_node_dtype(const moru_node *node)
{
    return node->dtype;
}

const char *moru_node_name(const moru_node *node)
{
    return moru_node_failed(node) ? "" : node->call->name;
}

moru_node *moru_node_output(moru_node *node, int k)
{
    if (moru_node_failed(node))
        return node;
    return k >= 0 && k < node->call->n_outputs ? node->call->outputs[k] : NULL;
}

/* ---- ops by name ---- */

static const moru_op_def *find_op(const moru_graph *graph, const char *name)
{
    for (int32_t i = 0; i < graph->n_registered; i++)
        if (strcmp(graph->registered[i]->name, name) == 0)
            return graph->registered[i];
    return moru_op_find(name);
}

moru_status moru_register_op(moru_graph *graph, const moru_op_def *op)
{
    if (!op || !op->name || !op->name[0])
        return moru_fail(MORU_ERR_ARGUMENT, "an op to register needs a name");
    if (find_op(graph, op->name))
        return moru_fail(MORU_ERR_ARGUMENT, "op \"%s\": the name is taken", op->name);
    if (!op->infer || !op->run)
        return moru_fail(MORU_ERR_ARGUMENT, "op \"%s\": it needs infer and run", op->name);
    if (!op->vjp == !(op->flags & MORU_OP_NO_GRADIENT))
        return moru_fail(MORU_ERR_ARGUMENT, "op \"%s\": it needs either a vjp or MORU_OP_NO_GRADIENT", op->name);
    if (op->n_outputs < 1 || op->n_outputs > MAX_OUTPUTS || op->min_inputs < 0
        || (op->max_inputs >= 0 && op->max_inputs < op->min_inputs)
        || ((op->flags & (MORU_OP_ALIAS | MORU_OP_RESIZE)) && op->min_inputs < 1))
        return moru_fail(MORU_ERR_ARGUMENT, "op \"%s\": the numbers of inputs and outputs make no sense", op->name);
    const moru_op_def **fresh = realloc(graph->registered, (size_t)(graph->n_registered + 1) * sizeof *fresh);
    if (!fresh)
        return moru_fail(MORU_ERR_MEMORY, "no memory to register op \"%s\"", op->name);
    graph->registered = fresh;
    graph->registered[graph->n_registered++] = op;
    return MORU_OK;
}

moru_node *moru_apply_named(moru_graph *graph, const char *op, moru_node *const *inputs, int n, const void *attrs)
{
    const moru_op_def *def = find_op(graph, op);
    if (!def)
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "there is no op \"%s\"", op);
    return moru_apply_op(graph, def, inputs, n, attrs);
}

moru_status moru_op_error(moru_status status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return moru_fail(status, "%s", text);
}
