/* What several passes need. */
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"

static void replace_in(moru_node **list, int n, moru_node **map)
{
    for (int i = 0; i < n; i++)
        if (list[i] && map[list[i]->id])
            list[i] = map[list[i]->id];
}

void moru_compilation_replace(moru_compilation *c, moru_node **map)
{
    for (int32_t i = 0; i < c->graph->n_calls; i++)
        replace_in(c->graph->calls[i]->inputs, c->graph->calls[i]->n_inputs, map);
    replace_in(c->outputs, c->n_outputs, map);
    replace_in(c->update_values, c->n_updates, map);
}

void moru_mark_sources(const moru_graph *graph, bool *marked)
{
    for (int32_t id = graph->n_calls - 1; id >= 0; id--)
        for (int i = 0; marked[id] && i < graph->calls[id]->n_inputs; i++)
            marked[graph->calls[id]->inputs[i]->call->id] = true;
}

bool *moru_compilation_needed(const moru_compilation *c)
{
    bool *needed = calloc((size_t)c->graph->n_calls + 1, sizeof *needed);
    if (!needed)
        return NULL;
    for (int i = 0; i < c->n_outputs; i++)
        needed[c->outputs[i]->call->id] = true;
    for (int i = 0; i < c->n_updates; i++)
        needed[c->update_values[i]->call->id] = needed[c->update_variables[i]->call->id] = true;
    moru_mark_sources(c->graph, needed);
    return needed;
}

int32_t *moru_compilation_uses(const moru_compilation *c)
{
    bool *needed = moru_compilation_needed(c);
    int32_t *uses = calloc((size_t)c->graph->n_nodes + 1, sizeof *uses);
    if (needed && uses) {
        for (int32_t id = 0; id < c->graph->n_calls; id++)
            for (int i = 0; needed[id] && i < c->graph->calls[id]->n_inputs; i++)
                uses[c->graph->calls[id]->inputs[i]->id]++;
        for (int i = 0; i < c->n_outputs; i++)
            uses[c->outputs[i]->id]++;
        for (int i = 0; i < c->n_updates; i++)
            uses[c->update_values[i]->id]++;
    } else {
        free(uses);
        uses = NULL;
    }
    free(needed);
    return uses;
}

moru_infer moru_call_infer(const moru_call *call, moru_shape *shapes, moru_dtype *dtypes)
{
    for (int i = 0; i < call->n_inputs; i++) {
        shapes[i] = call->inputs[i]->shape;
        dtypes[i] = call->inputs[i]->dtype;
    }
    return (moru_infer){call->outputs[0]->graph, call->attrs, call->n_inputs, shapes, dtypes};
}

size_t moru_call_workspace(const moru_call *call, int threads)
{
    if (!call->op->workspace)
        return 0;
    moru_shape *shapes = malloc((size_t)(call->n_inputs + 1) * sizeof *shapes), out[16];
    moru_dtype *dtypes = malloc((size_t)(call->n_inputs + 1) * sizeof *dtypes);
    size_t bytes = SIZE_MAX;
    if (shapes && dtypes) {
        moru_infer infer = moru_call_infer(call, shapes, dtypes);
        for (int k = 0; k < call->n_outputs; k++)
            out[k] = call->outputs[k]->shape;
        bytes = call->op->workspace(&infer, out, threads);
    }
    free(shapes);
    free(dtypes);
    return bytes;
}
