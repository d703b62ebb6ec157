/* Fuse: a bias and an activation move into the matmul or convolution before them; chains of elementwise calls become one
 * call, whose intermediate values never leave the first-level cache. Only values used once are swallowed. */
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"
#include "ops/fused.h"

static const moru_epilogue *epilogue_of(const moru_call *call)
{
    return (const moru_epilogue *)((const char *)call->attrs + call->op->epilogue - 1);
}

/* Makes call a copy of producer, with one more input if extra is given. */
static bool become(moru_graph *graph, moru_call *call, const moru_call *producer, moru_node *extra, moru_epilogue epilogue)
{
    int n = producer->n_inputs + (extra != NULL);
    moru_node **inputs = moru_arena_alloc(&graph->arena, (size_t)n * sizeof *inputs);
    char *attrs = moru_arena_alloc(&graph->arena, producer->attr_size);
    if (!inputs || !attrs)
        return false;
    memcpy(inputs, producer->inputs, (size_t)producer->n_inputs * sizeof *inputs);
    if (extra)
        inputs[n - 1] = extra;
    memcpy(attrs, producer->attrs, producer->attr_size);
    memcpy(attrs + producer->op->epilogue - 1, &epilogue, sizeof epilogue);
    call->op = producer->op;
    call->inputs = inputs;
    call->n_inputs = n;
    call->attrs = attrs;
    call->attr_size = producer->attr_size;
    call->name = producer->name;
    return true;
}

/* A producer whose epilogue may take on more: used only here, with the shape of the consumer's output. */
static const moru_call *open_producer(const moru_call *call, int operand, const int32_t *uses)
{
    const moru_node *value = call->inputs[operand];
    const moru_call *producer = value->call;
    return producer->op->epilogue && uses[value->id] == 1 && !epilogue_of(producer)->activation
                   && moru_shape_equal(&value->shape, &call->outputs[0]->shape)
               ? producer
               : NULL;
}

/* add(producer, bias[channels]) */
static void absorb_bias(moru_graph *graph, moru_call *call, const int32_t *uses)
{
    for (int side = 0; side < 2; side++) {
        const moru_call *producer = open_producer(call, side, uses);
        moru_node *bias = call->inputs[1 - side];
        if (!producer || epilogue_of(producer)->has_bias || producer->n_inputs != producer->op->min_inputs)
            continue;
        const moru_shape *shape = &call->outputs[0]->shape;
        if (shape->rank < 1 || bias->shape.rank != 1 || bias->shape.dims[0] != shape->dims[shape->rank - 1]
            || bias->shape.dims[0] < 1 || bias->dtype != MORU_REAL)
            continue;
        moru_epilogue epilogue = *epilogue_of(producer);
        epilogue.has_bias = 1;
        become(graph, call, producer, bias, epilogue);
        return;
    }
}

static void absorb_activation(moru_graph *graph, moru_call *call, const int32_t *uses)
{
    const moru_call *producer = open_producer(call, 0, uses);
    if (!producer)
        return;
    moru_epilogue epilogue = *epilogue_of(producer);
    epilogue.activation = call->op->activation;
    if (call->attr_size >= sizeof epilogue.params)
        memcpy(epilogue.params, call->attrs, sizeof epilogue.params);
    become(graph, call, producer, NULL, epilogue);
}

/* ---- chains ---- */

static bool chainable(const moru_call *call)
{
    if (call->op == &moru_op_fused)
        return true;
    if (!(call->op->flags & MORU_OP_ELEMENTWISE) || !(call->op->unary_kernel || call->op->binary_kernel)
        || call->outputs[0]->dtype != MORU_REAL)
        return false;
    for (int i = 0; i < call->n_inputs; i++)
        if (call->inputs[i]->dtype != MORU_REAL)
            return false;
    return true;
}

typedef struct chain {
    moru_fused_attrs attrs;
    moru_node *inputs[MORU_FUSED_INPUTS];
    int n_inputs;
    bool full;
} chain;

/* Operand codes while a chain grows: inputs are 0.., steps are STEP + k. */
enum { STEP = 1000 };

static int chain_input(chain *ch, moru_node *node)
{
    for (int i = 0; i < ch->n_inputs; i++)
        if (ch->inputs[i] == node)
            return i;
    if (ch->n_inputs == MORU_FUSED_INPUTS) {
        ch->full = true;
        return 0;
    }
    ch->inputs[ch->n_inputs] = node;
    return ch->n_inputs++;
}

/* Appends the steps of call, whose operand i has code operands[i]; returns the code of its result. */
static int chain_append(chain *ch, const moru_call *call, const int *operands)
{
    moru_fused_step single = {0};
    const moru_fused_attrs *attrs = call->op == &moru_op_fused ? call->attrs : NULL;
    int n = attrs ? attrs->n_steps : 1, base = ch->attrs.n_steps;
    if (base + n > MORU_FUSED_STEPS) {
        ch->full = true;
        return 0;
    }
    if (!attrs) {
        single.unary = (int16_t)call->op->unary_kernel;
        single.binary = (int16_t)(single.unary ? 0 : call->op->binary_kernel);
        single.b = (int16_t)(call->n_inputs > 1);
        if (call->attr_size >= sizeof single.params)
            memcpy(single.params, call->attrs, sizeof single.params);
    }
    for (int k = 0; k < n; k++) {
        moru_fused_step step = attrs ? attrs->steps[k] : single;
        step.a = (int16_t)(step.a < call->n_inputs ? operands[step.a] : STEP + base + step.a - call->n_inputs);
        step.b = (int16_t)(step.b < call->n_inputs ? operands[step.b] : STEP + base + step.b - call->n_inputs);
        ch->attrs.steps[ch->attrs.n_steps++] = step;
    }
    return STEP + ch->attrs.n_steps - 1;
}

/* Swallows the chainable producers of call that are used only here. */
static void grow_chain(moru_graph *graph, moru_call *call, const int32_t *uses)
{
    chain ch = {0};
    int operands[MORU_FUSED_INPUTS];
    bool swallowed = false;
    if (call->n_inputs > MORU_FUSED_INPUTS)
        return;
    for (int i = 0; i < call->n_inputs; i++) {
        moru_node *value = call->inputs[i];
        chain before = ch;
        operands[i] = -1;
        if (uses[value->id] == 1 && chainable(value->call)
            && moru_shape_equal(&value->shape, &call->outputs[0]->shape)) {
            int inner[MORU_FUSED_INPUTS];
            for (int j = 0; j < value->call->n_inputs; j++)
                inner[j] = chain_input(&ch, value->call->inputs[j]);
            operands[i] = chain_append(&ch, value->call, inner);
            if (ch.full || ch.attrs.n_steps + (call->op == &moru_op_fused ? MORU_FUSED_STEPS : 1) > MORU_FUSED_STEPS) {
                ch = before;
                operands[i] = -1;
            } else {
                swallowed = true;
            }
        }
        if (operands[i] < 0)
            operands[i] = chain_input(&ch, value);
    }
    if (!swallowed || ch.full)
        return;
    chain_append(&ch, call, operands);
    if (ch.full)
        return;
    for (int k = 0; k < ch.attrs.n_steps; k++) { /* codes become operand numbers */
        moru_fused_step *step = &ch.attrs.steps[k];
        step->a = (int16_t)(step->a >= STEP ? step->a - STEP + ch.n_inputs : step->a);
        step->b = (int16_t)(step->unary ? 0 : step->b >= STEP ? step->b - STEP + ch.n_inputs : step->b);
    }
    moru_node **inputs = moru_arena_alloc(&graph->arena, (size_t)ch.n_inputs * sizeof *inputs);
    moru_fused_attrs *attrs = moru_arena_alloc(&graph->arena, sizeof *attrs);
    if (!inputs || !attrs)
        return;
    memcpy(inputs, ch.inputs, (size_t)ch.n_inputs * sizeof *inputs);
    *attrs = ch.attrs;
    call->op = &moru_op_fused;
    call->inputs = inputs;
    call->n_inputs = ch.n_inputs;
    call->attrs = attrs;
    call->attr_size = sizeof *attrs;
}

/* Runs visit over the needed calls in order, with use counts as they are before. */
static bool sweep(moru_compilation *c, void (*visit)(moru_graph *graph, moru_call *call, const int32_t *uses))
{
    int32_t *uses = moru_compilation_uses(c);
    bool *needed = moru_compilation_needed(c);
    bool done = uses && needed;
    for (int32_t id = 0; done && id < c->graph->n_calls; id++)
        if (needed[id])
            visit(c->graph, c->graph->calls[id], uses);
    free(uses);
    free(needed);
    return done;
}

static void visit_bias(moru_graph *graph, moru_call *call, const int32_t *uses)
{
    if ((call->op->flags & MORU_OP_ADD) && call->n_inputs == 2)
        absorb_bias(graph, call, uses);
}

static void visit_activation(moru_graph *graph, moru_call *call, const int32_t *uses)
{
    if (call->op->activation && call->n_inputs == 1)
        absorb_activation(graph, call, uses);
}

static void visit_chain(moru_graph *graph, moru_call *call, const int32_t *uses)
{
    if (chainable(call))
        grow_chain(graph, call, uses);
}

moru_status moru_pass_fuse(moru_compilation *c)
{
    if (!sweep(c, visit_bias) || !sweep(c, visit_activation) || !sweep(c, visit_chain))
        return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    return MORU_OK;
}
