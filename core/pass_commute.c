/* Commute: what follows the gradient of max pooling goes before it, where tensors are a quarter of the size. Each dy goes
 * to one place, where x has the value of y:
 *   act_grad(max_pool2d_grad(dy, x, y), x) = max_pool2d_grad(act_grad(dy, y), x, y), act_grad being linear in dy and
 *   made from the activation's result, which x is;
 *   the sums of max_pool2d_grad(dy, x, y) over all but the channels are those of dy: the gradient of a bias. */
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"
#include "ops/op_table.h"

static bool masks_by_result(const moru_op_def *op)
{
    return op == &moru_op_relu_grad || op == &moru_op_tanh_grad || op == &moru_op_sigmoid_grad;
}

/* call becomes the gradient of pooling, and the call that was this one the mask. */
static bool exchange(moru_graph *graph, moru_call *call, moru_call *pool)
{
    moru_node **inputs = moru_arena_alloc(&graph->arena, 3 * sizeof *inputs);
    moru_node **masked = moru_arena_alloc(&graph->arena, 2 * sizeof *masked);
    if (!inputs || !masked)
        return false;
    moru_node *dy = pool->inputs[0], *x = pool->inputs[1], *y = pool->inputs[2];
    const moru_call old = *call;
    memcpy(inputs, (moru_node *[]){pool->outputs[0], x, y}, 3 * sizeof *inputs);
    memcpy(masked, (moru_node *[]){dy, y}, 2 * sizeof *masked);
    call->op = pool->op;
    call->inputs = inputs;
    call->n_inputs = 3;
    call->attrs = pool->attrs;
    call->attr_size = pool->attr_size;
    pool->op = old.op;
    pool->inputs = masked;
    pool->n_inputs = 2;
    pool->attrs = old.attrs;
    pool->attr_size = old.attr_size;
    pool->outputs[0]->shape = y->shape;
    const char *name = call->name;
    call->name = pool->name;
    pool->name = name;
    return true;
}

moru_status moru_pass_commute(moru_compilation *c)
{
    int32_t *uses = moru_compilation_uses(c);
    bool fits = uses != NULL;
    for (int32_t id = 0; fits && id < c->graph->n_calls; id++) {
        moru_call *call = c->graph->calls[id];
        moru_call *pool = call->n_inputs > 0 ? call->inputs[0]->call : NULL;
        if (!pool || pool->op != &moru_op_max_pool2d_grad)
            continue;
        if (masks_by_result(call->op) && call->inputs[1] == pool->inputs[1] && uses[call->inputs[0]->id] == 1) {
            fits = exchange(c->graph, call, pool);
        } else if (call->op == &moru_op_sum_to && call->outputs[0]->shape.rank == 1) {
            moru_node **inputs = moru_arena_alloc(&c->graph->arena, 2 * sizeof *inputs);
            if ((fits = inputs != NULL)) {
                inputs[0] = pool->inputs[0];
                inputs[1] = call->inputs[1];
                call->inputs = inputs;
            }
        }
    }
    free(uses);
    return fits ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
}
