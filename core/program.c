/* Programs: compiling by passes, then running a flat list of prepared calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/compile.h"
#include "core/program.h"
#include "core/status.h"

/* ---- compiling ---- */

static moru_status check_options(const moru_program_options *o)
{
    const moru_graph *graph = NULL;
    struct { moru_node *const *nodes; int n; const char *what; } lists[] = {
        {o->outputs, o->n_outputs, "output"}, {o->inputs, o->n_inputs, "input"},
        {o->update_variables, o->n_updates, "updated variable"}, {o->update_values, o->n_updates, "update value"}};
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (int i = 0; i < lists[l].n; i++) {
            const moru_node *node = lists[l].nodes[i];
            if (!node)
                return moru_fail(MORU_ERR_ARGUMENT, "program: %s %d is missing", lists[l].what, i);
            if (node->graph->status != MORU_OK)
                return moru_fail(node->graph->status, "%s", node->graph->error);
            if (graph && node->graph != graph)
                return moru_fail(MORU_ERR_ARGUMENT, "program: %s %d belongs to another graph", lists[l].what, i);
            graph = node->graph;
        }
    if (o->n_outputs <= 0 && o->n_updates <= 0)
        return moru_fail(MORU_ERR_ARGUMENT, "program: it has no outputs and no updates");
    for (int i = 0; i < o->n_inputs; i++)
        if (o->inputs[i]->call->op != &moru_op_placeholder)
            return moru_fail(MORU_ERR_ARGUMENT, "program: input %d, \"%s\", isn't a placeholder", i,
                             moru_node_name(o->inputs[i]));
    for (int i = 0; i < o->n_inputs; i++)
        for (int j = 0; j < i; j++)
            if (o->inputs[i] == o->inputs[j])
                return moru_fail(MORU_ERR_ARGUMENT, "program: inputs %d and %d are both \"%s\"", j, i,
                                 moru_node_name(o->inputs[i]));
    return MORU_OK;
}

/* Values that live in storage the program doesn't own are copied: outputs must keep, and updates must not see each other. */
static moru_status own_results(moru_compilation *c, moru_node **results, int n)
{
    for (int i = 0; i < n; i++) {
        const moru_node *source = results[i];
        while ((source->call->op->flags & MORU_OP_ALIAS) && source->output == 0)
            source = source->call->inputs[0];
        if (!moru_op_is_leaf(source->call->op))
            continue;
        results[i] = moru_graph_call(c->graph, &moru_op_copy, &results[i], 1, NULL, 0);
        if (moru_node_failed(results[i]))
            return moru_fail(c->graph->status, "%s", c->graph->error);
    }
    return MORU_OK;
}

static moru_status run_passes(moru_compilation *c)
{
    uint32_t without = c->options->without;
    MORU_TRY(moru_pass_lower(c));
    if (without & MORU_PASS_WINOGRAD)
        moru_pass_direct(c);
    if (!(without & MORU_PASS_SHARE))
        MORU_TRY(moru_pass_share(c));
    if (!(without & MORU_PASS_FOLD))
        MORU_TRY(moru_pass_fold(c));
    if (!(without & MORU_PASS_FUSE)) {
        MORU_TRY(moru_pass_commute(c));
        MORU_TRY(moru_pass_normalize(c));
        MORU_TRY(moru_pass_fuse(c));
    }
    MORU_TRY(own_results(c, c->outputs, c->n_outputs));
    MORU_TRY(own_results(c, c->update_values, c->n_updates));
    MORU_TRY(moru_pass_order(c));
    return moru_pass_plan(c);
}

static int default_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static moru_node **node_list(moru_arena *arena, int n)
{
    return moru_arena_alloc(arena, (size_t)(n > 0 ? n : 1) * sizeof(moru_node *));
}

static moru_status compile(moru_program *p, const moru_program_options *options)
{
    moru_compilation *c = &p->c;
    *c = (moru_compilation){.options = options, .graph = moru_graph_new(), .n_inputs = options->n_inputs,
                            .n_outputs = options->n_outputs, .n_updates = options->n_updates};
    if (!c->graph)
        return MORU_ERR_MEMORY;
    c->threads = options->threads > 0 ? options->threads : default_threads();
    c->inputs = node_list(&c->graph->arena, c->n_inputs);
    c->outputs = node_list(&c->graph->arena, c->n_outputs);
    c->update_variables = node_list(&c->graph->arena, c->n_updates);
    c->update_values = node_list(&c->graph->arena, c->n_updates);
    if (!c->inputs || !c->outputs || !c->update_variables || !c->update_values)
        return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    return run_passes(c);
}

/* ---- preparing ---- */

static void *buffer_data(const moru_program *p, int32_t b)
{
    const moru_buffer *buffer = &p->c.buffers[b];
    return buffer->fixed ? buffer->fixed : buffer->input ? NULL : (char *)p->arena + buffer->offset;
}

static moru_status prepare_views(moru_program *p)
{
    const moru_graph *graph = p->c.graph;
    p->views = calloc((size_t)graph->n_nodes + 1, sizeof *p->views);
    if (!p->views)
        return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        const moru_node *node = graph->nodes[i];
        int64_t bytes;
        if (p->c.buffer_of[i] < 0)
            continue;
        p->views[i] = (moru_view){buffer_data(p, p->c.buffer_of[i]), 0, node->dtype, node->shape};
        MORU_TRY(moru_tensor_bytes(node->dtype, &node->shape, &p->views[i].size, &bytes));
    }
    return MORU_OK;
}

/* Lists the values that lie in each input's storage: the input and its aliases. */
static moru_status prepare_inputs(moru_program *p)
{
    const moru_compilation *c = &p->c;
    p->bound_from = calloc((size_t)c->n_inputs + 2, sizeof *p->bound_from);
    p->bound = malloc(((size_t)c->graph->n_nodes + 1) * sizeof *p->bound);
    if (!p->bound_from || !p->bound)
        return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    int32_t used = 0;
    for (int k = 0; k < c->n_inputs; k++) {
        p->bound_from[k] = used;
        for (int32_t i = 0; i < c->graph->n_nodes; i++)
            if (c->buffer_of[i] >= 0 && c->buffers[c->buffer_of[i]].input == k + 1)
                p->bound[used++] = i;
    }
    p->bound_from[c->n_inputs] = used;
    return MORU_OK;
}

static moru_status prepare_calls(moru_program *p)
{
    const moru_compilation *c = &p->c;
    size_t n_views = 0, used = 0;
    for (int32_t t = 0; t < c->n_order; t++)
        n_views += (size_t)c->order[t]->n_inputs + (size_t)c->order[t]->n_outputs;
    p->runs = calloc((size_t)c->n_order + 1, sizeof *p->runs);
    p->operands = calloc(n_views + 1, sizeof *p->operands);
    p->seconds = calloc((size_t)c->n_order + 1, sizeof *p->seconds);
    if (!p->runs || !p->operands || !p->seconds)
        return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    const struct moru_kernels *kernels = moru_kernels_select();
    for (int32_t t = 0; t < c->n_order; t++) {
        const moru_call *call = c->order[t];
        moru_run *run = &p->runs[t];
        *run = (moru_run){.attrs = call->attrs, .n_inputs = call->n_inputs, .n_outputs = call->n_outputs,
                          .threads = c->threads, .kernels = kernels, .seed = c->options->seed};
        run->in = p->operands + used;
        for (int i = 0; i < call->n_inputs; i++)
            p->operands[used++] = &p->views[call->inputs[i]->id];
        run->out = p->operands + used;
        for (int k = 0; k < call->n_outputs; k++)
            p->operands[used++] = &p->views[call->outputs[k]->id];
        if (c->workspace[t] >= 0)
            run->workspace = buffer_data(p, (int32_t)c->workspace[t]);
    }
    return MORU_OK;
}

static moru_status prepare_results(moru_program *p)
{
    const moru_compilation *c = &p->c;
    p->outputs = calloc((size_t)c->n_outputs + 1, sizeof *p->outputs);
    p->copies = calloc((size_t)c->n_updates + 1, sizeof *p->copies);
    if (!p->outputs || !p->copies)
        return moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    for (int k = 0; k < c->n_outputs; k++) {
        const moru_view *view = &p->views[c->outputs[k]->id];
        p->outputs[k] = (moru_tensor){view->dtype, view->shape, view->size, view->data, false};
    }
    for (int u = 0; u < c->n_updates; u++) {
        const moru_view *to = &p->views[c->update_variables[u]->id], *from = &p->views[c->update_values[u]->id];
        if (to->data != from->data)
            p->copies[p->n_copies++] = (moru_program_copy){to->data, from->data,
                                                           (size_t)to->size * moru_dtype_size(to->dtype)};
    }
    return MORU_OK;
}

static moru_status prepare(moru_program *p)
{
    p->arena = moru_aligned_alloc(p->c.arena_bytes);
    if (!p->arena)
        return moru_fail(MORU_ERR_MEMORY, "no memory for the %lld bytes of a program's values", (long long)p->c.arena_bytes);
    MORU_TRY(prepare_views(p));
    MORU_TRY(prepare_inputs(p));
    MORU_TRY(prepare_calls(p));
    return prepare_results(p);
}

moru_status moru_program_new(moru_program **program, const moru_program_options *options)
{
    *program = NULL;
    MORU_TRY(check_options(options));
    moru_program *p = calloc(1, sizeof *p);
    if (!p)
        return moru_fail(MORU_ERR_MEMORY, "no memory for a program");
    moru_status status = compile(p, options);
    if (status == MORU_OK)
        status = prepare(p);
    if (status != MORU_OK) {
        moru_program_free(p);
        return status;
    }
    p->check_finite = options->check_finite;
    p->c.options = NULL; /* the caller's; its lists may go */
    *program = p;
    return MORU_OK;
}

void moru_program_free(moru_program *p)
{
    if (!p)
        return;
    free(p->c.order);
    free(p->c.buffers);
    free(p->c.buffer_of);
    free(p->c.workspace);
    moru_graph_free(p->c.graph);
    free(p->arena);
    free(p->views);
    free(p->bound);
    free(p->bound_from);
    free(p->runs);
    free(p->operands);
    free(p->outputs);
    free(p->copies);
    free(p->seconds);
    free(p);
}

/* ---- running ---- */

moru_status moru_program_bind(moru_program *p, int k, const void *data)
{
    if (k < 0 || k >= p->c.n_inputs)
        return moru_fail(MORU_ERR_ARGUMENT, "program: there is no input %d", k);
    for (int32_t i = p->bound_from[k]; i < p->bound_from[k + 1]; i++)
        p->views[p->bound[i]].data = (void *)(uintptr_t)data; /* inputs are const to every op */
    return MORU_OK;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static moru_status check_call(const moru_program *p, int32_t t)
{
    const moru_call *call = p->c.order[t];
    const moru_run *run = &p->runs[t];
    char text[MORU_SHAPE_TEXT];
    for (int k = 0; k < run->n_outputs; k++) {
        const moru_view *out = run->out[k];
        if (out->dtype == MORU_REAL && !run->kernels->all_finite(out->data, out->size, run->threads))
            return moru_fail(MORU_ERR_NUMERIC, "%s \"%s\": its result of shape %s holds a NaN or infinity", call->op->name,
                             call->name, moru_shape_print(&out->shape, text, sizeof text));
    }
    return MORU_OK;
}

static moru_status check_inputs(const moru_program *p)
{
    for (int k = 0; k < p->c.n_inputs; k++)
        if (p->c.inputs[k] && !p->views[p->c.inputs[k]->id].data && p->views[p->c.inputs[k]->id].size > 0)
            return moru_fail(MORU_ERR_STATE, "input \"%s\" has no data: moru_program_bind() gives it", p->c.inputs[k]->call->name);
    return MORU_OK;
}

moru_status moru_program_run(moru_program *p)
{
    MORU_TRY(check_inputs(p));
    for (int32_t t = 0; t < p->c.n_order; t++) {
        moru_run *run = &p->runs[t];
        run->step = p->step;
        double start = p->profile ? now() : 0;
        moru_status status = p->c.order[t]->op->run(run);
        if (status != MORU_OK) {
            char where[256];
            snprintf(where, sizeof where, "%s \"%s\"", p->c.order[t]->op->name, p->c.order[t]->name);
            return moru_fail_in(status, where);
        }
        if (p->profile)
            p->seconds[t] = now() - start;
        if (p->check_finite)
            MORU_TRY(check_call(p, t));
    }
    for (int i = 0; i < p->n_copies; i++)
        memcpy(p->copies[i].to, p->copies[i].from, p->copies[i].bytes);
    p->step++;
    return MORU_OK;
}

const moru_tensor *moru_program_output(const moru_program *p, int k)
{
    return k >= 0 && k < p->c.n_outputs ? &p->outputs[k] : NULL;
}

void moru_program_set_step(moru_program *p, uint64_t step)
{
    p->step = step;
}

uint64_t moru_program_step(const moru_program *p)
{
    return p->step;
}

void moru_program_profile(moru_program *p, bool on)
{
    p->profile = on;
}
