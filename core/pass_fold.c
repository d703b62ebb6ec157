/* Fold: runs calls whose inputs are all constants (or of which only the shape counts) once, now. */
#include <stdlib.h>

#include "core/compile.h"
#include "core/status.h"
#include "kernels/kernels.h"

enum { FOLD_LIMIT = 65536, FOLD_INPUTS = 8 }; /* bytes a folded value may take: larger ones are cheaper to compute than to keep */

static bool foldable(const moru_call *call)
{
    if (moru_op_is_leaf(call->op) || (call->op->flags & MORU_OP_RANDOM) || call->n_outputs != 1
        || call->n_inputs > FOLD_INPUTS)
        return false;
    int64_t size, bytes;
    if (moru_tensor_bytes(call->outputs[0]->dtype, &call->outputs[0]->shape, &size, &bytes) != MORU_OK || bytes > FOLD_LIMIT)
        return false;
    for (int i = 0; i < call->n_inputs; i++)
        if (call->inputs[i]->call->op != &moru_op_constant && !moru_op_bit(call->op->shape_only, i))
            return false;
    return true;
}

/* Turns a foldable call into a constant, in its place. One that can't be computed stays: the program's run says why. */
static void fold(moru_graph *graph, moru_call *call)
{
    moru_view views[FOLD_INPUTS + 1];
    const moru_view *in[FOLD_INPUTS], *out[1] = {&views[FOLD_INPUTS]};
    for (int i = 0; i < call->n_inputs; i++) {
        moru_node *node = call->inputs[i];
        bool constant = node->call->op == &moru_op_constant;
        views[i] = (moru_view){constant ? node->call->tensor->data : NULL, 0, node->dtype, node->shape};
        if (moru_shape_size(&node->shape, &views[i].size) != MORU_OK)
            return;
        in[i] = &views[i];
    }
    moru_tensor *result = moru_tensor_new(call->outputs[0]->dtype, call->outputs[0]->shape);
    size_t scratch = moru_call_workspace(call, 1);
    void *workspace = scratch < SIZE_MAX / 4 ? moru_aligned_alloc((int64_t)scratch) : NULL;
    bool done = false;
    if (result && workspace) {
        views[FOLD_INPUTS] = (moru_view){result->data, result->size, result->dtype, result->shape};
        moru_run run = {.attrs = call->attrs, .n_inputs = call->n_inputs, .n_outputs = 1, .in = in, .out = out,
                        .workspace = workspace, .threads = 1, .kernels = moru_kernels_select()};
        done = call->op->run(&run) == MORU_OK && moru_graph_own(graph, result);
    }
    free(workspace);
    if (!done) {
        moru_tensor_free(result);
        return;
    }
    call->op = &moru_op_constant;
    call->tensor = result;
    call->n_inputs = 0;
    call->attr_size = 0;
}

moru_status moru_pass_fold(moru_compilation *c)
{
    for (int32_t id = 0; id < c->graph->n_calls; id++)
        if (foldable(c->graph->calls[id]))
            fold(c->graph, c->graph->calls[id]);
    return MORU_OK;
}
