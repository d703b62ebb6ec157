/* Building, keeping and running steps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "kernels/kernels.h"
#include "train/step.h"
#include <moru/ops.h>
#include <moru/program.h>

/* ---- graph ---- */

/* The graph gets the model's symbols first and in order, so that sizes in attributes of copied ops mean the same. */
moru_status moru_step_placeholders(const moru_model *model, moru_graph *graph, const moru_step_key *key,
                                   moru_node **nodes)
{
    int64_t batch = model->inputs[0]->shape.dims[0];
    for (int k = 0; k < model->graph->n_symbols; k++)
        moru_symbol(graph, model->graph->symbols[k]);
    for (int k = 0; k < model->n_inputs; k++)
        nodes[k] = moru_placeholder(graph, moru_node_name(model->inputs[k]), model->inputs[k]->dtype,
                                    model->inputs[k]->shape);
    for (int k = 0; k < key->n_targets; k++) {
        char name[32];
        moru_shape shape = key->targets[k];
        shape.dims[0] = batch;
        snprintf(name, sizeof name, key->n_targets > 1 ? "target%d" : "target", k);
        nodes[model->n_inputs + k] = moru_placeholder(graph, name, key->target_dtypes[k], shape);
    }
    moru_status status = moru_graph_status(graph);
    return status == MORU_OK ? status : moru_fail(status, "%s", moru_graph_error(graph));
}

moru_node *moru_step_loss(moru_node *const *outputs, moru_node *const *targets, int n, const moru_loss *losses,
                          const double *weights, moru_node **values)
{
    moru_node *total = NULL;
    for (int k = 0; k < n; k++) {
        moru_node *value = moru_loss_apply(&losses[k], targets[k], outputs[k]);
        if (values)
            values[k] = value;
        if (weights && weights[k] != 1)
            value = moru_mul_scalar(value, weights[k]);
        total = total ? moru_add(total, value) : value;
    }
    return total;
}

typedef struct updates { moru_node **variables, **values; int n; } updates;

static void add_update(updates *u, moru_node *variable, moru_node *value)
{
    u->variables[u->n] = variable;
    u->values[u->n++] = value;
}

/* Parameters the graph doesn't read have no gradient and stay as they are, as in Keras. */
static int used_parameters(const moru_training *t, moru_graph *graph, moru_node **params, int *which)
{
    int n = 0;
    int32_t n_calls = graph->n_calls;
    for (int i = 0; i < t->n_trained; i++) {
        moru_node *param = moru_variable_from(graph, t->trained[i].weight->path, t->trained[i].weight->tensor);
        if (moru_node_failed(param) || param->call->id >= n_calls)
            continue;
        which[n] = i;
        params[n++] = param;
    }
    return n;
}

static void step_parameter(const moru_training *t, const moru_trained *trained, moru_node *param, moru_node *grad,
                           moru_node *lr, moru_node *count, updates *u)
{
    moru_node *slots[MORU_MAX_SLOTS] = {NULL};
    moru_graph_push_name(param->graph, trained->weight->path);
    for (int k = 0; k < t->n_slots_each; k++)
        slots[k] = moru_variable_from(param->graph, "slot", t->slots[trained->slot[k]]);
    moru_node *stepped = moru_optimizer_rule_of(t->optimizer)->step(t->optimizer->options, param, grad, slots, lr,
                                                                    count);
    moru_graph_pop_name(param->graph);
    if (moru_node_failed(stepped))
        return;
    add_update(u, param, stepped);
    for (int k = 0; k < t->n_slots_each; k++)
        add_update(u, slots[k], moru_node_output(stepped, 1 + k));
}

/* Gradients, clipping and the optimizer's steps; moving statistics of the trace. */
static moru_status build_updates(const moru_training *t, moru_step *step, const moru_trace *trace, updates *u)
{
    moru_graph *graph = step->graph;
    moru_node *loss = step->outputs[0];
    int n_given = step->key.n_inputs + step->key.n_targets, capacity = t->n_trained ? t->n_trained : 1;
    moru_node *lr = moru_placeholder(graph, "learning_rate", MORU_REAL, MORU_SCALAR_SHAPE);
    moru_node *count = moru_placeholder(graph, "step", MORU_REAL, MORU_SCALAR_SHAPE);
    step->placeholders[n_given] = lr;
    step->placeholders[n_given + 1] = count;
    step->n_placeholders = n_given + 2;
    moru_node **params = calloc((size_t)capacity * 2, sizeof *params);
    int *which = calloc((size_t)capacity, sizeof *which);
    moru_status status = params && which ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory for the training step");
    if (status == MORU_OK) {
        moru_node **grads = params + capacity;
        int n = used_parameters(t, graph, params, which);
        if (n > 0)
            status = moru_gradients(loss, params, n, grads);
        if (!step->key.unguarded)
            lr = moru_require_finite(lr, loss);
        if (status == MORU_OK)
            moru_optimizer_clip(t->optimizer, grads, n);
        for (int i = 0; status == MORU_OK && i < n; i++)
            step_parameter(t, &t->trained[which[i]], params[i], grads[i], lr, count, u);
        for (int i = 0; i < trace->n_updates; i++) {
            moru_node *value = trace->update_values[i];
            add_update(u, trace->update_variables[i], step->key.unguarded ? value : moru_require_finite(value, loss));
        }
    }
    free(params);
    free(which);
    return status;
}

/* Loss, the losses of several outputs, metrics; scalars, in the order of the logs' names. */
static void build_values(const moru_training *t, moru_step *step, moru_node *const *outputs, const moru_trace *trace)
{
    moru_node *const *targets = step->placeholders + step->key.n_inputs;
    moru_node *each[MORU_MAX_OUTPUTS];
    int n = 0;
    moru_graph_push_name(step->graph, "loss");
    moru_node *loss = moru_step_loss(outputs, targets, t->n_outputs, t->losses, t->loss_weights, each);
    for (int i = 0; i < trace->n_losses; i++)
        loss = moru_add(loss, trace->losses[i]);
    moru_graph_pop_name(step->graph);
    step->outputs[n++] = loss;
    for (int k = 0; t->n_outputs > 1 && k < t->n_outputs; k++)
        step->outputs[n++] = each[k];
    moru_graph_push_name(step->graph, "metrics");
    for (int k = 0; k < t->n_outputs; k++)
        for (int i = 0; i < t->n_metrics; i++)
            step->outputs[n++] = moru_metric_apply(&t->metrics[i], targets[k], outputs[k]);
    moru_graph_pop_name(step->graph);
    step->n_outputs = n;
}

/* ---- program ---- */

static moru_status compile_step(moru_step *step, const updates *u)
{
    return moru_program_new(&step->program, &(moru_program_options){
        .inputs = step->placeholders, .input_shapes = step->shapes, .n_inputs = step->n_placeholders,
        .outputs = step->outputs, .n_outputs = step->n_outputs,
        .update_variables = u->variables, .update_values = u->values, .n_updates = u->n,
        .threads = step->key.threads, .seed = step->key.seed, .without = step->key.without});
}

static void set_shapes(moru_step *step)
{
    const moru_step_key *key = &step->key;
    for (int k = 0; k < key->n_inputs; k++)
        step->shapes[k] = key->inputs[k];
    for (int k = 0; k < key->n_targets; k++)
        step->shapes[key->n_inputs + k] = key->targets[k];
    step->n_placeholders = key->n_inputs + key->n_targets;
}

static moru_status build_predict(const moru_training *t, moru_step *step)
{
    const moru_model *model = t->model;
    for (int k = 0; k < model->n_inputs; k++)
        step->placeholders[k] = model->inputs[k];
    for (int k = 0; k < model->n_outputs; k++)
        step->outputs[k] = model->outputs[k];
    step->n_outputs = model->n_outputs;
    return compile_step(step, &(updates){NULL});
}

static moru_status build_rest(const moru_training *t, moru_step *step, moru_node **outputs, moru_trace *trace)
{
    const moru_model *model = t->model;
    MORU_TRY(moru_step_placeholders(model, step->graph, &step->key, step->placeholders));
    MORU_TRY(moru_model_trace(model, step->graph, step->placeholders, outputs, trace));
    build_values(t, step, outputs, trace);
    if (step->key.kind == MORU_STEP_EVALUATE)
        return compile_step(step, &(updates){NULL});
    int capacity = t->n_trained * (1 + t->n_slots_each) + trace->n_updates + 1;
    updates u = {calloc((size_t)capacity, sizeof *u.variables), calloc((size_t)capacity, sizeof *u.values), 0};
    moru_status status = u.variables && u.values ? MORU_OK
                                                 : moru_fail(MORU_ERR_MEMORY, "no memory for the training step");
    if (status == MORU_OK && moru_graph_status(step->graph) == MORU_OK)
        status = build_updates(t, step, trace, &u);
    if (status == MORU_OK)
        status = compile_step(step, &u);
    free(u.variables);
    free(u.values);
    return status;
}

static moru_status build(const moru_training *t, moru_step *step)
{
    set_shapes(step);
    if (step->key.kind == MORU_STEP_PREDICT)
        return build_predict(t, step);
    moru_trace trace = {.training = step->key.kind == MORU_STEP_TRAIN, .seed = step->key.seed};
    moru_node **outputs = calloc((size_t)t->model->n_outputs, sizeof *outputs);
    step->graph = moru_graph_new();
    moru_status status = outputs && step->graph ? build_rest(t, step, outputs, &trace)
                                                : moru_fail(MORU_ERR_MEMORY, "no memory for the step's graph");
    if (step->graph && moru_graph_status(step->graph) != MORU_OK)
        status = moru_fail(moru_graph_status(step->graph), "%s", moru_graph_error(step->graph));
    moru_trace_free(&trace);
    free(outputs);
    return status;
}

/* ---- keeping ---- */

static bool same_shapes(const moru_shape *a, const moru_shape *b, int n)
{
    for (int k = 0; k < n; k++)
        if (!moru_shape_equal(&a[k], &b[k]))
            return false;
    return true;
}

static bool same_key(const moru_step_key *a, const moru_step_key *b)
{
    return a->kind == b->kind && a->threads == b->threads && a->seed == b->seed && a->unguarded == b->unguarded
        && a->without == b->without && a->n_inputs == b->n_inputs && a->n_targets == b->n_targets
        && same_shapes(a->inputs, b->inputs, a->n_inputs)
        && same_shapes(a->targets, b->targets, a->n_targets)
        && memcmp(a->target_dtypes, b->target_dtypes, (size_t)a->n_targets * sizeof *a->target_dtypes) == 0;
}

void moru_step_free(moru_step *step)
{
    if (!step)
        return;
    moru_program_free(step->program);
    moru_graph_free(step->graph);
    free(step);
}

/* The most recently used step stands first. */
static void put_first(moru_training *t, int k)
{
    moru_step *step = t->steps[k];
    memmove(t->steps + 1, t->steps, (size_t)k * sizeof *t->steps);
    t->steps[0] = step;
}

moru_status moru_step_get(moru_training *training, const moru_step_key *wanted, moru_step **step)
{
    moru_step_key key = *wanted;
    key.without = training->model->without;
    for (int k = 0; k < MORU_MAX_STEPS && training->steps[k]; k++)
        if (same_key(&training->steps[k]->key, &key)) {
            put_first(training, k);
            *step = training->steps[0];
            return MORU_OK;
        }
    moru_step *made = calloc(1, sizeof *made);
    if (!made)
        return moru_fail(MORU_ERR_MEMORY, "no memory for a step");
    made->key = key;
    moru_status status = build(training, made);
    if (status != MORU_OK) {
        moru_step_free(made);
        return status;
    }
    moru_step_free(training->steps[MORU_MAX_STEPS - 1]);
    training->steps[MORU_MAX_STEPS - 1] = made;
    put_first(training, MORU_MAX_STEPS - 1);
    *step = made;
    return MORU_OK;
}

void moru_step_set_batch(moru_step_key *key, int64_t batch)
{
    for (int k = 0; k < key->n_inputs; k++)
        key->inputs[k].dims[0] = batch;
    for (int k = 0; k < key->n_targets; k++)
        key->targets[k].dims[0] = batch;
}

/* ---- running ---- */

static moru_status bind(moru_step *step, moru_program *program, const moru_step_data *data, int n)
{
    int n_inputs = step->key.n_inputs, n_given = n_inputs + step->key.n_targets;
    for (int k = 0; k < n; k++) {
        const void *given = k < n_inputs ? data->inputs[k] : k < n_given ? data->targets[k - n_inputs]
                          : k == n_given ? &step->learning_rate : &step->count;
        MORU_TRY(moru_program_bind(program, k, given));
    }
    return MORU_OK;
}

static moru_status check_weights(const moru_training *t)
{
    const moru_kernels *kernels = moru_kernels_select();
    for (int i = 0; i < t->n_trained; i++) {
        const moru_tensor *w = t->trained[i].weight->tensor;
        if (!kernels->all_finite(w->data, w->size, 1))
            return moru_fail(MORU_ERR_NUMERIC, "the weight \"%s\" isn't finite after %lld steps",
                             t->trained[i].weight->path, (long long)t->iteration);
    }
    return MORU_OK;
}

/* The same forward pass once more, unfused and with a look at every value, names the node where it went wrong. */
static moru_status explain(const moru_training *t, moru_step *step, const moru_step_data *data)
{
    moru_program *program = NULL;
    int n = step->key.n_inputs + step->key.n_targets;
    MORU_TRY(check_weights(t));
    moru_status status = moru_program_new(&program, &(moru_program_options){
        .inputs = step->placeholders, .input_shapes = step->shapes, .n_inputs = n,
        .outputs = step->outputs, .n_outputs = 1,
        .threads = step->key.threads, .seed = step->key.seed, .check_finite = true,
        .without = MORU_PASS_FUSE | step->key.without});
    if (status == MORU_OK)
        status = bind(step, program, data, n);
    if (status == MORU_OK) {
        moru_program_set_step(program, (uint64_t)t->iteration);
        status = moru_program_run(program);
    }
    moru_program_free(program);
    return status;
}

moru_status moru_step_run(moru_training *training, moru_step *step, const moru_step_data *data)
{
    bool train = step->key.kind == MORU_STEP_TRAIN;
    if (train) {
        step->learning_rate = (moru_real)moru_optimizer_learning_rate(training->optimizer, training->iteration);
        step->count = (moru_real)(training->iteration + 1);
    }
    MORU_TRY(bind(step, step->program, data, step->n_placeholders));
    moru_program_set_step(step->program, (uint64_t)training->iteration);
    moru_status status = moru_program_run(step->program);
    if (train && status == MORU_ERR_NUMERIC) {
        char message[600];
        snprintf(message, sizeof message, "%s", moru_last_error());
        status = explain(training, step, data);
        return status == MORU_OK ? moru_fail(MORU_ERR_NUMERIC, "%s", message) : status;
    }
    training->iteration += train && status == MORU_OK;
    return status;
}

double moru_step_value(const moru_step *step, int k)
{
    return (double)*(const moru_real *)moru_tensor_const_data(moru_program_output(step->program, k));
}
