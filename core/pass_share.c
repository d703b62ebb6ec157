/* Share: calls of the same op on the same values with the same attributes become one; resizes to the shape that is already
 * there become their input, transpositions there and back what was before both. Random ops are functions of their
 * attributes within a step, so they may be shared too. */
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"
#include "ops/op_table.h"

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    return hash;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static size_t tensor_bytes(const moru_tensor *tensor)
{
    return (size_t)tensor->size * moru_dtype_size(tensor->dtype);
}

static uint64_t hash_call(const moru_call *call)
{
    uint64_t hash = mix(0, (uintptr_t)call->op);
    if (call->op == &moru_op_constant)
        return hash_bytes(hash, call->tensor->data, tensor_bytes(call->tensor));
    for (int i = 0; i < call->n_inputs; i++)
        hash = mix(hash, (uint64_t)call->inputs[i]->id);
    return hash_bytes(hash, call->attrs, call->attr_size);
}

static bool equal_calls(const moru_call *a, const moru_call *b)
{
    if (a->op != b->op || a->n_inputs != b->n_inputs || a->attr_size != b->attr_size
        || !moru_shape_equal(&a->outputs[0]->shape, &b->outputs[0]->shape)
        || a->outputs[0]->dtype != b->outputs[0]->dtype)
        return false;
    if (a->op == &moru_op_placeholder || a->op == &moru_op_variable)
        return false; /* unlike names, unlike storage */
    if (a->op == &moru_op_constant)
        return memcmp(a->tensor->data, b->tensor->data, tensor_bytes(a->tensor)) == 0;
    for (int i = 0; i < a->n_inputs; i++)
        if (a->inputs[i] != b->inputs[i])
            return false;
    return a->attr_size == 0 || memcmp(a->attrs, b->attrs, a->attr_size) == 0;
}

static void sort_operands(moru_call *call)
{
    if ((call->op->flags & MORU_OP_COMMUTES) && call->n_inputs == 2 && call->inputs[0]->id > call->inputs[1]->id
        && moru_shape_equal(&call->inputs[0]->shape, &call->inputs[1]->shape)) {
        moru_node *first = call->inputs[0];
        call->inputs[0] = call->inputs[1];
        call->inputs[1] = first;
    }
}

/* What the call's value is already; NULL: it is new. */
static moru_node *already_there(const moru_call *call)
{
    moru_node *x = call->n_inputs > 0 ? call->inputs[0] : NULL;
    if ((call->op->flags & MORU_OP_RESIZE) && call->outputs[0]->dtype == x->dtype &&
        moru_shape_equal(&call->outputs[0]->shape, &x->shape))
        return x;
    if (call->op == &moru_op_transpose && x->call->op == &moru_op_transpose &&
        moru_transposes_back(call->attrs, x->call->attrs))
        return x->call->inputs[0];
    return NULL;
}

moru_status moru_pass_share(moru_compilation *c)
{
    moru_graph *graph = c->graph;
    size_t slots = 16;
    while (slots < 2 * (size_t)graph->n_calls)
        slots *= 2;
    moru_call **table = calloc(slots, sizeof *table);
    moru_node **map = calloc((size_t)graph->n_nodes + 1, sizeof *map);
    if (!table || !map) {
        free(table);
        free(map);
        return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    }
    for (int32_t id = 0; id < graph->n_calls; id++) {
        moru_call *call = graph->calls[id];
        for (int i = 0; i < call->n_inputs; i++)
            if (map[call->inputs[i]->id])
                call->inputs[i] = map[call->inputs[i]->id];
        moru_node *same = already_there(call);
        if (same) {
            map[call->outputs[0]->id] = same;
            continue;
        }
        sort_operands(call);
        size_t slot = hash_call(call) & (slots - 1);
        while (table[slot] && !equal_calls(table[slot], call))
            slot = (slot + 1) & (slots - 1);
        if (!table[slot])
            table[slot] = call;
        else
            for (int k = 0; k < call->n_outputs; k++)
                map[call->outputs[k]->id] = table[slot]->outputs[k];
    }
    moru_compilation_replace(c, map);
    free(table);
    free(map);
    return MORU_OK;
}
