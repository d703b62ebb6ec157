/* Making a model's graph again, for training or on other inputs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/leaf.h"
#include "core/status.h"
#include "layers/model.h"

/* ---- what layers leave in a trace ---- */

void moru_trace_free(moru_trace *trace)
{
    free(trace->update_variables);
    free(trace->update_values);
    free(trace->update_bases);
    free(trace->state_variables);
    free(trace->state_values);
    free(trace->losses);
    trace->update_variables = trace->update_values = trace->update_bases = trace->losses = NULL;
    trace->state_variables = trace->state_values = NULL;
    trace->n_updates = trace->cap_updates = trace->n_losses = trace->cap_losses = 0;
    trace->n_states = trace->cap_states = 0;
}

/* Room for one more; false without memory, the array untouched. */
static bool grow(moru_node ***array, int count, int capacity)
{
    if (count < capacity)
        return true;
    moru_node **fresh = realloc(*array, (size_t)(capacity ? 2 * capacity : 16) * sizeof *fresh);
    if (fresh)
        *array = fresh;
    return fresh != NULL;
}

/* New values of variables; and, unless bases is NULL, what each was before gradients were kept over changes. */
typedef struct list { moru_node ***variables, ***values, ***bases; int *n, *capacity; } list;

static list updates_of(moru_trace *trace)
{
    return (list){&trace->update_variables, &trace->update_values, &trace->update_bases, &trace->n_updates,
                  &trace->cap_updates};
}

static list states_of(moru_trace *trace)
{
    return (list){&trace->state_variables, &trace->state_values, NULL, &trace->n_states, &trace->cap_states};
}

static int find(moru_node *const *variables, int n, const moru_node *variable)
{
    int i = 0;
    while (i < n && variables[i] != variable)
        i++;
    return i;
}

static void assign(list l, moru_node *variable, moru_node *value, moru_node *base)
{
    int i = find(*l.variables, *l.n, variable);
    if (i == *l.n) {
        if (!grow(l.variables, i, *l.capacity) || !grow(l.values, i, *l.capacity) ||
            (l.bases && !grow(l.bases, i, *l.capacity))) {
            moru_graph_fail(variable->graph, MORU_ERR_MEMORY, "no memory for the updates of a step");
            return;
        }
        if (i == *l.capacity)
            *l.capacity = *l.capacity ? 2 * *l.capacity : 16;
        (*l.variables)[i] = variable;
        ++*l.n;
    }
    (*l.values)[i] = value;
    if (l.bases)
        (*l.bases)[i] = base;
}

moru_node *moru_trace_value(const moru_trace *trace, moru_node *variable)
{
    int i = find(trace->update_variables, trace->n_updates, variable);
    return i < trace->n_updates ? trace->update_values[i] : variable;
}

moru_node *moru_trace_base(const moru_trace *trace, moru_node *variable)
{
    int i = find(trace->update_variables, trace->n_updates, variable);
    return i < trace->n_updates ? trace->update_bases[i] : variable;
}

static void set_update(moru_trace *trace, moru_node *variable, moru_node *value, moru_node *base)
{
    assign(updates_of(trace), variable, value, base);
}

void moru_trace_update(moru_trace *trace, moru_node *variable, moru_node *value)
{
    value = moru_stop_gradient(value);
    set_update(trace, variable, value, value);
}

moru_node *moru_trace_state(const moru_trace *trace, moru_node *variable)
{
    int i = find(trace->state_variables, trace->n_states, variable);
    return i < trace->n_states ? trace->state_values[i] : variable;
}

void moru_trace_keep_state(moru_trace *trace, moru_node *variable, moru_node *value)
{
    assign(states_of(trace), variable, moru_stop_gradient(value), NULL);
}

static moru_node *variable_of(const moru_layer_call *call, int k)
{
    const moru_weight *weight = &call->layer->weights[k];
    return moru_variable_from(call->graph, weight->path ? weight->path : weight->name, weight->tensor);
}

moru_node *moru_layer_weight(const moru_layer_call *call, int k)
{
    return moru_trace_value(call->trace, variable_of(call, k));
}

void moru_layer_update(const moru_layer_call *call, int k, moru_node *value)
{
    moru_trace_update(call->trace, variable_of(call, k), value);
}

/* value + (old - old): the number is value's, the gradient goes to what was before. */
void moru_layer_assign(const moru_layer_call *call, int k, moru_node *value)
{
    moru_node *variable = variable_of(call, k), *old = moru_trace_value(call->trace, variable);
    moru_node *passed = moru_add(moru_stop_gradient(value), moru_sub(old, moru_stop_gradient(old)));
    set_update(call->trace, variable, passed, moru_trace_base(call->trace, variable));
}

void moru_trace_loss(moru_trace *trace, moru_graph *graph, moru_node *loss)
{
    if (!loss || moru_node_failed(loss))
        return;
    if (!grow(&trace->losses, trace->n_losses, trace->cap_losses)) {
        moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for the losses of a model");
        return;
    }
    if (trace->n_losses == trace->cap_losses)
        trace->cap_losses = trace->cap_losses ? 2 * trace->cap_losses : 16;
    trace->losses[trace->n_losses++] = loss;
}

static void add_loss(moru_graph *graph, moru_trace *trace, const moru_weight *weight)
{
    moru_node *w = moru_trace_value(trace, moru_variable_from(graph, weight->path, weight->tensor));
    moru_trace_loss(trace, graph, moru_regularization(&weight->penalty, w, false));
}

/* ---- replaying ---- */

typedef struct replay {
    const moru_model *model;
    moru_graph *graph;
    moru_trace *trace;
    moru_node **values;    /* by node id of the model's graph */
    int *use_of_call;      /* -1: outside of layers */
    bool *wanted_calls, *wanted_uses;
    moru_node **operands;
    int room;
} replay;

/* A layer's weight that is used outside of it as well is found by its tensor, and doesn't need the layer. */
static void want_inputs(replay *r, moru_node *const *inputs, int n)
{
    for (int i = 0; i < n; i++)
        if (inputs[i]->call->op != &moru_op_variable)
            r->wanted_calls[inputs[i]->call->id] = true;
}

/* Only what the outputs need is made again. */
static void find_wanted(replay *r)
{
    const moru_model *model = r->model;
    for (int c = 0; c < model->graph->n_calls; c++)
        r->use_of_call[c] = -1;
    for (int a = 0; a < model->n_applications; a++)
        for (int c = model->applications[a].first_call; c < model->applications[a].last_call; c++)
            r->use_of_call[c] = a;
    want_inputs(r, model->outputs, model->n_outputs);
    for (int c = model->graph->n_calls - 1; c >= 0; c--) {
        const moru_call *call = model->graph->calls[c];
        int a = r->use_of_call[c];
        if (!r->wanted_calls[c])
            continue;
        if (a < 0) {
            want_inputs(r, call->inputs, call->n_inputs);
        } else if (!r->wanted_uses[a]) {
            r->wanted_uses[a] = true;
            want_inputs(r, model->applications[a].inputs, model->applications[a].n_inputs);
        }
    }
}

/* The new graph's values for those of the model's; false if one is the inside of a layer. */
static bool map_operands(replay *r, moru_node *const *from, int n)
{
    if (n > r->room) {
        moru_node **fresh = realloc(r->operands, (size_t)n * sizeof *fresh);
        if (!fresh) {
            moru_graph_fail(r->graph, MORU_ERR_MEMORY, "no memory to trace a model");
            return false;
        }
        r->operands = fresh;
        r->room = n;
    }
    for (int i = 0; i < n; i++) {
        if (from[i]->call->op == &moru_op_variable)
            r->values[from[i]->id] = moru_trace_value(r->trace, moru_variable_from(r->graph, from[i]->call->name,
                                                                                   from[i]->call->tensor));
        r->operands[i] = r->values[from[i]->id];
        if (!r->operands[i]) {
            moru_graph_fail(r->graph, MORU_ERR_UNSUPPORTED,
                            "\"%s\": a value that isn't a layer's output can't be used outside "
                            "of the layer", moru_node_name(from[i]));
            return false;
        }
    }
    return true;
}

static void replay_use(replay *r, const moru_application *use)
{
    moru_node *one, **outputs = &one;
    if (!map_operands(r, use->inputs, use->n_inputs))
        return;
    if (use->n_outputs > 1 && !(outputs = malloc((size_t)use->n_outputs * sizeof *outputs))) {
        moru_graph_fail(r->graph, MORU_ERR_MEMORY, "no memory to trace a model");
        return;
    }
    const moru_inputs in = {.values = r->operands, .names = use->names, .n = use->n_inputs, .training = use->training};
    moru_layer_run(use->layer, r->graph, r->trace, &in, outputs);
    for (int k = 0; k < use->n_outputs; k++)
        r->values[use->outputs[k]->id] = outputs[k];
    if (outputs != &one)
        free(outputs);
}

/* An op of the user's own, under the name it has in the model. */
static moru_node *replay_call(replay *r, const moru_call *call)
{
    moru_graph *graph = r->graph;
    char scope[sizeof graph->scope];
    if (call->op == &moru_op_placeholder)
        return moru_graph_fail(graph, MORU_ERR_UNSUPPORTED, "\"%s\": a model's inputs are made by moru_model_input()",
                               call->name);
    if (call->op == &moru_op_constant)
        return moru_constant(graph, call->outputs[0]->dtype, call->outputs[0]->shape,
                             moru_tensor_const_data(call->tensor));
    if (!map_operands(r, call->inputs, call->n_inputs))
        return graph->inert;
    memcpy(scope, graph->scope, sizeof scope);
    snprintf(graph->scope, sizeof graph->scope, "%s", call->name);
    moru_node *y = moru_graph_call(graph, call->op, r->operands, call->n_inputs, call->attrs, call->attr_size);
    memcpy(graph->scope, scope, sizeof scope);
    return y;
}

static void replay_all(replay *r)
{
    const moru_model *model = r->model;
    for (int c = 0; c < model->graph->n_calls && r->graph->status == MORU_OK; c++) {
        const moru_call *call = model->graph->calls[c];
        int a = r->use_of_call[c];
        if (a >= 0) {
            if (r->wanted_uses[a] && c == model->applications[a].first_call && model->applications[a].n_inputs > 0)
                replay_use(r, &model->applications[a]);
            continue;
        }
        if (!r->wanted_calls[c])
            continue;
        moru_node *y = replay_call(r, call);
        for (int k = 0; k < call->n_outputs; k++)
            r->values[call->outputs[k]->id] = moru_node_output(y, k);
    }
}

static moru_status trace_into(replay *r, moru_node *const *inputs, moru_node **outputs)
{
    const moru_model *model = r->model;
    find_wanted(r);
    for (int i = 0; i < model->n_inputs; i++)
        r->values[model->inputs[i]->id] = inputs[i];
    replay_all(r);
    if (r->graph->status == MORU_OK && map_operands(r, model->outputs, model->n_outputs))
        memcpy(outputs, r->operands, (size_t)model->n_outputs * sizeof *outputs);
    return r->graph->status == MORU_OK ? MORU_OK : moru_fail(r->graph->status, "%s", r->graph->error);
}

/* Regularization. */
static void add_losses(const moru_model *model, moru_graph *graph, moru_trace *trace)
{
    for (int i = 0; i < model->n_layers; i++)
        for (int k = 0; k < model->layers[i]->n_weights; k++)
            if (moru_layer_trains(model->layers[i], k))
                add_loss(graph, trace, &model->layers[i]->weights[k]);
}

moru_status moru_model_trace(const moru_model *model, moru_graph *graph, moru_node *const *inputs, moru_node **outputs,
                             moru_trace *trace)
{
    MORU_TRY(moru_model_trace_nested(model, graph, inputs, outputs, trace));
    add_losses(model, graph, trace);
    for (int k = 0; k < trace->n_states; k++) /* a step of training updates them with the rest */
        moru_trace_update(trace, trace->state_variables[k], trace->state_values[k]);
    return graph->status == MORU_OK ? MORU_OK : moru_fail(graph->status, "%s", graph->error);
}

moru_status moru_model_trace_nested(const moru_model *model, moru_graph *graph, moru_node *const *inputs,
                                    moru_node **outputs, moru_trace *trace)
{
    replay r = {.model = model, .graph = graph, .trace = trace};
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    if (!model->complete)
        return moru_fail(MORU_ERR_STATE, "model \"%s\": it has no outputs yet", model->name);
    size_t calls = (size_t)model->graph->n_calls + 1, uses = (size_t)model->n_applications + 1;
    r.values = calloc((size_t)model->graph->n_nodes + 1, sizeof *r.values);
    r.use_of_call = malloc(calls * sizeof *r.use_of_call);
    r.wanted_calls = calloc(calls, sizeof *r.wanted_calls);
    r.wanted_uses = calloc(uses, sizeof *r.wanted_uses);
    moru_status status = r.values && r.use_of_call && r.wanted_calls && r.wanted_uses
                       ? trace_into(&r, inputs, outputs) : moru_fail(MORU_ERR_MEMORY, "no memory to trace a model");
    free(r.values);
    free(r.use_of_call);
    free(r.wanted_calls);
    free(r.wanted_uses);
    free(r.operands);
    return status;
}
