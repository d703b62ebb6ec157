/* Lower: copies what outputs and updates need into a private graph, with the real sizes in the place of symbols. Every
 * shape rule runs again, so what could not be checked while sizes were open is checked here. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"

typedef struct lowering {
    moru_compilation *c;
    const moru_graph *from;
    moru_node **map;      /* by node id of from */
    int64_t *sizes;       /* of each symbol; -1: not known */
    int64_t bytes;        /* of all values, so that no sum of later passes overflows */
} lowering;

/* Learns the sizes of symbols from the shape given for input k. */
static moru_status bind_symbols(lowering *l, int k, const moru_shape *given)
{
    const moru_node *node = l->c->options->inputs[k];
    char want[MORU_SHAPE_TEXT], got[MORU_SHAPE_TEXT];
    moru_shape_print(&node->shape, want, sizeof want);
    moru_shape_print(given, got, sizeof got);
    if (given->rank != node->shape.rank)
        return moru_fail(MORU_ERR_SHAPE, "input \"%s\": the shape is %s, %s was given", moru_node_name(node), want, got);
    for (int i = 0; i < given->rank; i++) {
        int64_t size = node->shape.dims[i];
        if (given->dims[i] < 0)
            return moru_fail(MORU_ERR_SHAPE, "input \"%s\": the shape %s given has open sizes", moru_node_name(node), got);
        if (size < 0) {
            int64_t *known = &l->sizes[-size - 2];
            if (*known >= 0 && *known != given->dims[i])
                return moru_fail(MORU_ERR_SHAPE, "input \"%s\": shape %s, but size %d is %" PRId64 " elsewhere",
                                 moru_node_name(node), got, i, *known);
            *known = given->dims[i];
        } else if (size != given->dims[i]) {
            return moru_fail(MORU_ERR_SHAPE, "input \"%s\": the shape is %s, %s was given", moru_node_name(node), want, got);
        }
    }
    return MORU_OK;
}

static moru_status concrete_shape(const lowering *l, const moru_node *node, moru_shape *shape)
{
    *shape = node->shape;
    for (int i = 0; i < shape->rank; i++)
        if (shape->dims[i] < 0) {
            shape->dims[i] = l->sizes[-shape->dims[i] - 2];
            if (shape->dims[i] < 0) {
                char text[MORU_SHAPE_TEXT];
                return moru_fail(MORU_ERR_SHAPE, "%s \"%s\": the shape %s has an open size that no input decides",
                                 node->call->op->name, node->call->name,
                                 moru_shape_print(&node->shape, text, sizeof text));
            }
        }
    return MORU_OK;
}

/* Adds the bytes of a value; all together have to stay far below what can be counted. */
static moru_status count_bytes(lowering *l, const moru_node *node)
{
    int64_t size, bytes;
    MORU_TRY(moru_tensor_bytes(node->dtype, &node->shape, &size, &bytes));
    if (!moru_add_ok(l->bytes, bytes, &l->bytes) || l->bytes > INT64_MAX / 8)
        return moru_fail(MORU_ERR_MEMORY, "%s \"%s\": the program's values are more bytes than can be counted",
                         node->call->op->name, node->call->name);
    return MORU_OK;
}

static moru_status lower_leaf(lowering *l, const moru_call *call)
{
    moru_node *node = call->outputs[0], *copy;
    moru_shape shape;
    MORU_TRY(concrete_shape(l, node, &shape));
    if (call->op == &moru_op_placeholder) {
        copy = moru_placeholder(l->c->graph, call->name, node->dtype, shape);
        int k = 0;
        while (k < l->c->n_inputs && l->c->options->inputs[k] != node)
            k++;
        if (k == l->c->n_inputs)
            return moru_fail(MORU_ERR_ARGUMENT, "placeholder \"%s\" is needed, but isn't among the program's inputs",
                             call->name);
        l->c->inputs[k] = copy;
    } else if (call->op == &moru_op_variable) {
        copy = moru_variable_from(l->c->graph, call->name, call->tensor);
    } else {
        copy = moru_constant(l->c->graph, node->dtype, shape, call->tensor->data);
    }
    l->map[node->id] = copy;
    return moru_node_failed(copy) ? MORU_OK : count_bytes(l, copy); /* a failure is kept in the graph */
}

static moru_status lower_call(lowering *l, const moru_call *call)
{
    moru_graph *graph = l->c->graph;
    if (moru_op_is_leaf(call->op))
        MORU_TRY(lower_leaf(l, call));
    else {
        moru_node **inputs = malloc((size_t)(call->n_inputs + 1) * sizeof *inputs);
        if (!inputs)
            return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
        for (int i = 0; i < call->n_inputs; i++)
            inputs[i] = l->map[call->inputs[i]->id];
        strncpy(graph->scope, call->name, sizeof graph->scope - 1);
        moru_node *first = moru_graph_call(graph, call->op, inputs, call->n_inputs, call->attrs, call->attr_size);
        graph->scope[0] = '\0';
        free(inputs);
        for (int k = 0; k < call->n_outputs && graph->status == MORU_OK; k++) {
            moru_node *copy = first->call->outputs[k];
            MORU_TRY(count_bytes(l, copy));
            l->map[call->outputs[k]->id] = copy;
        }
    }
    return graph->status == MORU_OK ? MORU_OK : moru_fail(graph->status, "%s", graph->error);
}

/* Marks the calls of the source graph that are needed, from the roots backwards. */
static bool *mark(const moru_graph *from, const moru_program_options *o)
{
    bool *needed = calloc((size_t)from->n_calls + 1, sizeof *needed);
    if (!needed)
        return NULL;
    for (int i = 0; i < o->n_outputs; i++)
        needed[o->outputs[i]->call->id] = true;
    for (int i = 0; i < o->n_updates; i++)
        needed[o->update_values[i]->call->id] = needed[o->update_variables[i]->call->id] = true;
    moru_mark_sources(from, needed);
    return needed;
}

static moru_status check_updates(const moru_compilation *c)
{
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    for (int i = 0; i < c->n_updates; i++) {
        const moru_node *variable = c->update_variables[i], *value = c->update_values[i];
        if (variable->call->op != &moru_op_variable)
            return moru_fail(MORU_ERR_ARGUMENT, "update %d: \"%s\" isn't a variable", i, variable->call->name);
        if (variable->dtype != value->dtype || !moru_shape_equal(&variable->shape, &value->shape))
            return moru_fail(MORU_ERR_SHAPE, "update of \"%s\": the variable is %s %s, the new value %s %s",
                             variable->call->name, moru_dtype_name(variable->dtype),
                             moru_shape_print(&variable->shape, a, sizeof a), moru_dtype_name(value->dtype),
                             moru_shape_print(&value->shape, b, sizeof b));
        for (int j = 0; j < i; j++)
            if (c->update_variables[j] == variable)
                return moru_fail(MORU_ERR_ARGUMENT, "variable \"%s\" is updated twice", variable->call->name);
    }
    return MORU_OK;
}

static moru_status lower(lowering *l, const bool *needed)
{
    moru_compilation *c = l->c;
    const moru_program_options *o = c->options;
    for (int k = 0; k < l->from->n_symbols; k++)
        l->sizes[k] = -1;
    for (int k = 0; k < o->n_inputs; k++)
        MORU_TRY(bind_symbols(l, k, o->input_shapes ? &o->input_shapes[k] : &o->inputs[k]->shape));
    for (int32_t id = 0; id < l->from->n_calls; id++)
        if (needed[id])
            MORU_TRY(lower_call(l, l->from->calls[id]));
    for (int i = 0; i < c->n_outputs; i++)
        c->outputs[i] = l->map[o->outputs[i]->id];
    for (int i = 0; i < c->n_updates; i++) {
        c->update_variables[i] = l->map[o->update_variables[i]->id];
        c->update_values[i] = l->map[o->update_values[i]->id];
    }
    return check_updates(c);
}

moru_status moru_pass_lower(moru_compilation *c)
{
    const moru_graph *from = c->n_outputs ? c->options->outputs[0]->graph : c->options->update_values[0]->graph;
    lowering l = {c, from, calloc((size_t)from->n_nodes + 1, sizeof(moru_node *)),
                  malloc(((size_t)from->n_symbols + 1) * sizeof(int64_t)), 0};
    bool *needed = mark(from, c->options);
    moru_status status = l.map && l.sizes && needed ? lower(&l, needed)
                                                    : moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    free(l.map);
    free(l.sizes);
    free(needed);
    return status;
}
