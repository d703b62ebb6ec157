/* Keras's order of a functional model's layers: by decreasing depth, then by the place in a depth-first walk from
 * the outputs. Depth is the longest way to an output, counted in uses of layers and in ops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/leaf.h"
#include "core/status.h"
#include "layers/model.h"

/* A node of Keras's graph: unit i < n_applications is a use of a layer, the rest are the graph's calls outside of
 * layers. An operation is a layer, or such a call: operation j < n_owned is model->layers[j]. */
typedef struct unit {
    moru_node *const *inputs;
    int n_inputs, next;        /* next input to walk to */
    int operation;
    int depth;
    bool seen;
} unit;

typedef struct walk {
    const moru_model *model;
    int n_units, n_operations, n_layers;
    unit *units;
    int *unit_of_call;
    int *finished, n_finished; /* units, inputs before what uses them */
    int *path, n_path;         /* the walk's stack */
    int *number, *depth;       /* of operations; number -1: not reached */
    int n_numbered;
} walk;

static void free_walk(walk *w)
{
    free(w->units);
    free(w->unit_of_call);
    free(w->finished);
    free(w->path);
    free(w->number);
    free(w->depth);
}

/* -1 for leaves other than inputs, which Keras doesn't count as operations. */
static int unit_of(const walk *w, const moru_node *value)
{
    return w->unit_of_call[value->call->id];
}

static moru_status make_units(walk *w)
{
    const moru_model *model = w->model;
    int calls = model->graph->n_calls, uses = model->n_applications;
    w->n_layers = model->n_owned;
    size_t units = (size_t)uses + (size_t)calls + 1, operations = (size_t)w->n_layers + (size_t)calls + 1;
    w->units = calloc(units, sizeof *w->units);
    w->unit_of_call = malloc(units * sizeof *w->unit_of_call);
    w->finished = malloc(units * sizeof *w->finished);
    w->path = malloc(units * sizeof *w->path);
    w->number = malloc(operations * sizeof *w->number);
    w->depth = calloc(operations, sizeof *w->depth);
    if (!w->units || !w->unit_of_call || !w->finished || !w->path || !w->number || !w->depth)
        return moru_fail(MORU_ERR_MEMORY, "model \"%s\": no memory", model->name);
    for (size_t i = 0; i < operations; i++)
        w->number[i] = -1;
    for (int c = 0; c < calls; c++) {
        const moru_call *call = model->graph->calls[c];
        bool leaf = moru_op_is_leaf(call->op);
        w->unit_of_call[c] = leaf ? -1 : uses + c;
        w->units[uses + c] = (unit){.inputs = call->inputs, .n_inputs = call->n_inputs, .operation = w->n_layers + c};
    }
    for (int a = 0; a < uses; a++) {
        const moru_application *use = &model->applications[a];
        int layer = 0;
        while (model->layers[layer] != use->layer)
            layer++;
        w->units[a] = (unit){.inputs = use->inputs, .n_inputs = use->n_inputs, .operation = layer};
        for (int c = use->first_call; c < use->last_call; c++)
            if (model->graph->calls[c]->op != &moru_op_variable)
                w->unit_of_call[c] = a;
    }
    return MORU_OK;
}

static void enter(walk *w, int u)
{
    if (u < 0 || w->units[u].seen)
        return;
    w->units[u].seen = true;
    if (w->number[w->units[u].operation] < 0)
        w->number[w->units[u].operation] = w->n_numbered++;
    w->path[w->n_path++] = u;
}

static void walk_from(walk *w, const moru_node *output)
{
    enter(w, unit_of(w, output));
    while (w->n_path > 0) {
        int u = w->path[w->n_path - 1];
        unit *current = &w->units[u];
        if (current->next < current->n_inputs) {
            enter(w, unit_of(w, current->inputs[current->next++]));
        } else {
            w->finished[w->n_finished++] = u;
            w->n_path--;
        }
    }
}

/* A shared layer lies as deep as its deepest use met so far, and what feeds it deeper still. */
static void find_depths(walk *w)
{
    for (int i = w->n_finished - 1; i >= 0; i--) {
        unit *u = &w->units[w->finished[i]];
        int *depth = &w->depth[u->operation];
        if (u->depth > *depth)
            *depth = u->depth;
        for (int k = 0; k < u->n_inputs; k++) {
            int from = unit_of(w, u->inputs[k]);
            if (from >= 0 && w->units[from].depth < *depth + 1)
                w->units[from].depth = *depth + 1;
        }
    }
}

/* Inputs that lead nowhere stay in the model, before all others of depth 0. */
static bool is_reached(const walk *w, int layer)
{
    return w->number[layer] >= 0 || w->model->layers[layer]->class_ == &moru_input_class;
}

static bool comes_before(const walk *w, int a, int b)
{
    return w->depth[a] != w->depth[b] ? w->depth[a] > w->depth[b] : w->number[a] < w->number[b];
}

static moru_status sort_layers(walk *w, moru_model *model)
{
    int *sorted = w->path, n = 0; /* the stack is free now */
    for (int i = 0; i < w->n_layers; i++) {
        if (!is_reached(w, i) || (model->sequential && i == 0) || model->layers[i]->class_->is_operation)
            continue;
        int place = n++;
        for (; place > 0 && !model->sequential && comes_before(w, i, sorted[place - 1]); place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = i;
    }
    model->order = moru_arena_alloc(&model->arena, (size_t)(n + 1) * sizeof *model->order);
    if (!model->order)
        return moru_fail(MORU_ERR_MEMORY, "model \"%s\": no memory", model->name);
    for (int i = 0; i < n; i++)
        model->order[i] = model->layers[sorted[i]];
    model->n_order = n;
    return MORU_OK;
}

/* Layers that lead to an output go to the front, uses that don't are forgotten. */
static void drop_unused(walk *w, moru_model *model)
{
    int n = 0, used = 0;
    for (int a = 0; a < model->n_applications; a++)
        if (w->units[a].seen || model->applications[a].layer->class_ == &moru_input_class)
            model->applications[n++] = model->applications[a];
    model->n_applications = n;
    for (int i = 0; i < w->n_layers; i++) {
        if (!is_reached(w, i))
            continue;
        moru_layer *layer = model->layers[i];
        memmove(model->layers + used + 1, model->layers + used, (size_t)(i - used) * sizeof *model->layers);
        model->layers[used++] = layer;
    }
    model->n_layers = used;
}

void moru_layer_group(moru_layer *const *order, int k, char *group, size_t size)
{
    char base[128];
    int like = 0;
    moru_snake(moru_layer_source_name(order[k]), base, sizeof base);
    for (int i = 0; i < k; i++)
        like += strcmp(moru_layer_source_name(order[i]), moru_layer_source_name(order[k])) == 0;
    snprintf(group, size, like ? "%s_%d" : "%s", base, like);
}

moru_status moru_model_find_order(moru_model *model)
{
    walk w = {.model = model};
    moru_status status = make_units(&w);
    if (status == MORU_OK) {
        for (int i = 0; i < model->n_outputs; i++)
            walk_from(&w, model->outputs[i]);
        find_depths(&w);
        status = sort_layers(&w, model);
    }
    if (status == MORU_OK)
        drop_unused(&w, model);
    free_walk(&w);
    return status;
}
