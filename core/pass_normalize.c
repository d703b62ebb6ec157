/* Normalize: a relu and the residual added before it move into batch normalization's last pass over memory, and the
 * relu's mask into the gradient of batch normalization, which finds it from what it reads anyway:
 *   batch_norm_grad(relu_grad(dy, relu(y)), x), y = batch_norm(x)   one call
 *   relu(batch_norm(x) [+ residual])                                statistics, then y in one pass
 * Splitting batch normalization in two costs nothing: it reads x twice in any case. */
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"
#include "ops/batch_norm.h"

static bool normalizes(const moru_node *value)
{
    return (value->call->op == &moru_op_batch_norm || value->call->op == &moru_op_batch_norm_inference)
           && value->output == 0;
}

static const moru_batch_norm_attrs *attrs_of(const moru_call *call)
{
    return call->attrs;
}

/* Gives call an op with its inputs and attributes. */
static bool become(moru_graph *graph, moru_call *call, const moru_op_def *op, moru_node *const *inputs, int n,
                   const moru_batch_norm_attrs *attrs)
{
    moru_node **own = moru_arena_alloc(&graph->arena, (size_t)n * sizeof *own);
    moru_batch_norm_attrs *copy = moru_arena_alloc(&graph->arena, sizeof *copy);
    if (!own || !copy)
        return false;
    memcpy(own, inputs, (size_t)n * sizeof *own);
    *copy = *attrs;
    call->op = op;
    call->inputs = own;
    call->n_inputs = n;
    call->attrs = copy;
    call->attr_size = sizeof *copy;
    return true;
}

/* The mask that batch_norm_grad's dy went through is of relu(y), y being normalized from the same x. */
static bool take_mask(moru_graph *graph, moru_call *grad, const int32_t *uses)
{
    const moru_call *mask = grad->inputs[0]->call;
    if (mask->op != &moru_op_relu_grad || uses[grad->inputs[0]->id] != 1 || attrs_of(grad)->relu)
        return true;
    const moru_call *relu = mask->inputs[1]->call, *norm = relu->n_inputs == 1 ? relu->inputs[0]->call : NULL;
    if (relu->op != &moru_op_relu || norm->op != &moru_op_batch_norm || relu->inputs[0]->output != 0
        || grad->inputs[1] != norm->inputs[0] || grad->inputs[2] != norm->outputs[1]
        || grad->inputs[3] != norm->outputs[2])
        return true;
    moru_batch_norm_attrs attrs = *attrs_of(norm);
    moru_node *inputs[6];
    memcpy(inputs, grad->inputs, (size_t)grad->n_inputs * sizeof *inputs);
    inputs[0] = mask->inputs[0];
    if (attrs.has_beta)
        inputs[4 + attrs.has_gamma] = norm->inputs[1 + attrs.has_gamma];
    attrs.relu = 1;
    return become(graph, grad, grad->op, inputs, 4 + (int)(attrs.has_gamma + attrs.has_beta), &attrs);
}

/* batch_norm leaves y to another call. */
static void drop_y(moru_call *norm)
{
    norm->op = &moru_op_batch_norm_moments;
    norm->n_inputs = 1;
    norm->outputs++;
    norm->n_outputs = 2;
    norm->outputs[0]->output = 0;
    norm->outputs[1]->output = 1;
}

/* The value among those added that is normalized for this call alone; a later one is better: its inputs are as new. */
static int normalized_side(const moru_call *add, const int32_t *uses)
{
    int side = -1;
    for (int i = 0; i < 2; i++)
        if (normalizes(add->inputs[i]) && uses[add->inputs[i]->id] == 1 && !attrs_of(add->inputs[i]->call)->relu
            && !attrs_of(add->inputs[i]->call)->has_residual
            && (side < 0 || add->inputs[i]->call->id > add->inputs[side]->call->id))
            side = i;
    return side;
}

/* call, a relu, becomes the last pass of the normalization before it. */
static bool take_relu(moru_graph *graph, moru_call *call, const int32_t *uses)
{
    const moru_node *y = call->inputs[0];
    moru_node *residual = NULL;
    if (uses[y->id] != 1)
        return true;
    if (y->call->op == &moru_op_add && moru_shape_equal(&y->call->inputs[0]->shape, &y->call->inputs[1]->shape)) {
        int side = normalized_side(y->call, uses);
        if (side < 0)
            return true;
        residual = y->call->inputs[1 - side];
        y = y->call->inputs[side];
    } else if (!normalizes(y) || attrs_of(y->call)->relu || attrs_of(y->call)->has_residual) {
        return true;
    }
    moru_call *norm = y->call;
    moru_batch_norm_attrs attrs = *attrs_of(norm);
    moru_node *inputs[6];
    int n = norm->n_inputs;
    memcpy(inputs, norm->inputs, (size_t)n * sizeof *inputs);
    if (norm->op == &moru_op_batch_norm) {
        inputs[n++] = norm->outputs[1];
        inputs[n++] = norm->outputs[2];
    }
    if (residual)
        inputs[n++] = residual;
    attrs.relu = 1;
    attrs.has_residual = residual != NULL;
    if (!become(graph, call, &moru_op_batch_norm_inference, inputs, n, &attrs))
        return false;
    call->name = norm->name;
    if (norm->op == &moru_op_batch_norm)
        drop_y(norm);
    return true;
}

moru_status moru_pass_normalize(moru_compilation *c)
{
    int32_t *uses = moru_compilation_uses(c);
    bool *needed = moru_compilation_needed(c), fits = uses && needed;
    for (int32_t id = 0; fits && id < c->graph->n_calls; id++) /* before the relus are gone */
        if (needed[id] && c->graph->calls[id]->op == &moru_op_batch_norm_grad)
            fits = take_mask(c->graph, c->graph->calls[id], uses);
    for (int32_t id = 0; fits && id < c->graph->n_calls; id++)
        if (needed[id] && c->graph->calls[id]->op == &moru_op_relu)
            fits = take_relu(c->graph, c->graph->calls[id], uses);
    free(uses);
    free(needed);
    return fits ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
}
