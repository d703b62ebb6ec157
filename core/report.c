/* What was planned, and how long it took: for people and scripts. */
#include <stdlib.h>

#include "core/program.h"

double moru_call_flops(const moru_call *call)
{
    int64_t size = 0;
    double flops = 0;
    if (!call->op->flops) {
        moru_shape_size(&call->outputs[0]->shape, &size);
        return (call->op->flags & MORU_OP_ALIAS) ? 0 : (double)size;
    }
    moru_shape *shapes = malloc((size_t)(call->n_inputs + 1) * sizeof *shapes), out[16];
    moru_dtype *dtypes = malloc((size_t)(call->n_inputs + 1) * sizeof *dtypes);
    if (shapes && dtypes) {
        moru_infer infer = moru_call_infer(call, shapes, dtypes);
        for (int k = 0; k < call->n_outputs; k++)
            out[k] = call->outputs[k]->shape;
        flops = call->op->flops(&infer, out);
    }
    free(shapes);
    free(dtypes);
    return flops;
}

static double tensor_bytes(const moru_node *node)
{
    int64_t size = 0;
    moru_shape_size(&node->shape, &size);
    return (double)size * (double)moru_dtype_size(node->dtype);
}

void moru_program_describe(const moru_program *p, moru_program_info *info)
{
    *info = (moru_program_info){.arena_bytes = p->c.arena_bytes, .lower_bound = p->c.lower_bound, .calls = p->c.n_order};
    for (int32_t i = 0; i < p->c.graph->n_calls; i++) {
        const moru_call *call = p->c.graph->calls[i];
        if (call->op == &moru_op_constant)
            info->constant_bytes += (int64_t)tensor_bytes(call->outputs[0]);
        else if (call->op == &moru_op_variable)
            info->variable_bytes += (int64_t)tensor_bytes(call->outputs[0]);
    }
    for (int32_t t = 0; t < p->c.n_order; t++)
        info->flops += moru_call_flops(p->c.order[t]);
}

bool moru_program_call_at(const moru_program *p, int k, moru_program_call *row)
{
    if (k < 0 || k >= p->c.n_order)
        return false;
    const moru_call *call = p->c.order[k];
    *row = (moru_program_call){.op = call->op->name, .name = call->name, .shape = call->outputs[0]->shape,
                               .seconds = p->seconds[k], .flops = moru_call_flops(call)};
    for (int i = 0; i < call->n_inputs; i++)
        if (!moru_op_bit(call->op->shape_only, i))
            row->bytes += tensor_bytes(call->inputs[i]);
    for (int i = 0; i < call->n_outputs; i++)
        row->bytes += tensor_bytes(call->outputs[i]);
    if (call->op->flags & MORU_OP_ALIAS)
        row->bytes = 0;
    return true;
}
