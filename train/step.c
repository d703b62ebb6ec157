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
    int n = model->n_inputs + key->n_targets;
    for (int k = 0; k < key->n_weights; k++) {
        char name[32];
        moru_shape shape = key->weights[k];
        shape.dims[0] = batch;
        snprintf(name, sizeof name, key->n_weights > 1 ? "sample_weight%d" : "sample_weight", k);
        nodes[n + k] = moru_placeholder(graph, name, key->weight_dtypes[k], shape);
    }
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

moru_node *moru_step_weights(const moru_step_key *key, moru_node *const *placeholders, int k)
{
    moru_node *const *weights = placeholders + key->n_inputs + key->n_targets;
    return key->n_weights == 0 ? NULL : weights[key->n_weights == 1 ? 0 : k];
}

moru_node *moru_step_loss(const moru_step_key *key, moru_node *const *placeholders, moru_node *const *outputs, int n,
                          const moru_loss *losses, const double *weights, moru_node **values)
{
    moru_node *total = NULL;
    for (int k = 0; k < n; k++) {
        if (!losses[k].class_)
            continue;
        moru_node *value = moru_loss_apply(&losses[k], placeholders[key->n_inputs + k], outputs[k],
                                           moru_step_weights(key, placeholders, k));
        if (values)
            values[k] = value;
        if (weights && weights[k] != 1)
            value = moru_mul_scalar(value, weights[k]);
        total = total ? moru_add(total, value) : value;
    }
    return total;
}

moru_node *moru_step_mean(moru_node *loss)
{
    return moru_node_failed(loss) || loss->shape.rank == 0 ? loss : moru_mean_all(loss);
}

/* Loss, and the losses of several outputs. A loss without a reduction is averaged in logs, and summed up to be
 * minimized. */
static void build_losses(const moru_training *t, moru_step *step, moru_node *const *outputs, const moru_trace *trace)
{
    moru_node *each[MORU_MAX_OUTPUTS];
    moru_graph_push_name(step->graph, "loss");
    moru_node *loss = moru_step_loss(&step->key, step->placeholders, outputs, t->n_outputs, t->losses, t->loss_weights,
                                     each);
    for (int i = 0; i < trace->n_losses; i++)
        loss = moru_add(loss, trace->losses[i]);
    step->outputs[step->n_outputs++] = moru_step_mean(loss);
    for (int k = 0; t->n_outputs > 1 && k < t->n_outputs; k++)
        if (t->losses[k].class_)
            step->outputs[step->n_outputs++] = moru_step_mean(each[k]);
    step->n_losses = step->n_outputs;
    step->minimized = moru_node_failed(loss) || loss->shape.rank == 0 ? loss : moru_sum_all(loss);
    moru_graph_pop_name(step->graph);
}

static void build_values(const moru_training *t, moru_step *step, moru_node *const *outputs, const moru_trace *trace)
{
    moru_node *const *targets = step->placeholders + step->key.n_inputs;
    build_losses(t, step, outputs, trace);
    moru_graph_push_name(step->graph, "metrics");
    for (int i = 0; i < t->n_metrics; i++) {
        const moru_watched *m = &t->metrics[i];
        step->metric_outputs[i] = -1;
        if (!moru_metric_is_mean(&m->metric))
            continue;
        moru_node *weights = m->weighted ? moru_step_weights(&step->key, step->placeholders, m->output) : NULL;
        step->metric_outputs[i] = step->n_outputs;
        step->outputs[step->n_outputs++] = moru_metric_mean(&m->metric, targets[m->output], outputs[m->output],
                                                            weights);
    }
    moru_graph_pop_name(step->graph);
    for (int k = 0; k < t->n_outputs; k++) {
        step->prediction_outputs[k] = moru_training_watches(t, k) ? step->n_outputs : -1;
        if (step->prediction_outputs[k] >= 0)
            step->outputs[step->n_outputs++] = outputs[k];
    }
}

/* ---- program ---- */

static moru_status compile_step(moru_step *step, const moru_updates *u)
{
    return moru_program_new(&step->program, &(moru_program_options){
        .inputs = step->placeholders, .input_shapes = step->shapes, .n_inputs = step->n_placeholders,
        .outputs = step->outputs, .n_outputs = step->n_outputs,
        .update_variables = u->variables, .update_values = u->values, .n_updates = u->n,
        .threads = step->key.threads, .seed = step->key.seed, .without = step->key.without});
}

void moru_step_shapes(const moru_step_key *key, moru_shape *shapes)
{
    memcpy(shapes, key->inputs, (size_t)key->n_inputs * sizeof *shapes);
    memcpy(shapes + key->n_inputs, key->targets, (size_t)key->n_targets * sizeof *shapes);
    memcpy(shapes + key->n_inputs + key->n_targets, key->weights, (size_t)key->n_weights * sizeof *shapes);
}

static void set_shapes(moru_step *step)
{
    moru_step_shapes(&step->key, step->shapes);
    step->n_placeholders = moru_step_given(&step->key);
}

static moru_status build_predict(const moru_training *t, moru_step *step)
{
    const moru_model *model = t->model;
    for (int k = 0; k < model->n_inputs; k++)
        step->placeholders[k] = model->inputs[k];
    for (int k = 0; k < model->n_outputs; k++)
        step->outputs[k] = model->outputs[k];
    step->n_outputs = model->n_outputs;
    const moru_trace *trace = &model->trace;
    return compile_step(step, &(moru_updates){trace->state_variables, trace->state_values, trace->n_states, 0});
}

static moru_status build_rest(const moru_training *t, moru_step *step, moru_node **outputs, moru_trace *trace)
{
    const moru_model *model = t->model;
    MORU_TRY(moru_step_placeholders(model, step->graph, &step->key, step->placeholders));
    MORU_TRY(moru_model_trace(model, step->graph, step->placeholders, outputs, trace));
    build_values(t, step, outputs, trace);
    if (step->key.kind == MORU_STEP_EVALUATE)
        return compile_step(step, &(moru_updates){trace->state_variables, trace->state_values, trace->n_states, 0});
    moru_updates u = {NULL};
    moru_status status = MORU_OK;
    if (moru_graph_status(step->graph) == MORU_OK)
        status = moru_step_updates(t, step, trace, &u);
    if (status == MORU_OK)
        status = compile_step(step, &u);
    moru_updates_free(&u);
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
        && a->without == b->without && a->phase == b->phase
        && a->n_inputs == b->n_inputs && a->n_targets == b->n_targets
        && same_shapes(a->inputs, b->inputs, a->n_inputs)
        && same_shapes(a->targets, b->targets, a->n_targets)
        && a->n_weights == b->n_weights && same_shapes(a->weights, b->weights, a->n_weights)
        && memcmp(a->weight_dtypes, b->weight_dtypes, (size_t)a->n_weights * sizeof *a->weight_dtypes) == 0
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

/* Counted from 0, steps of the optimizer: several iterations each where gradients are accumulated. */
static int64_t optimizer_step(const moru_training *t)
{
    int64_t each = moru_optimizer_common(t->optimizer)->gradient_accumulation_steps;
    return each > 0 ? t->iteration / each : t->iteration;
}

static int phase_of(const moru_training *t)
{
    const moru_optimizer_options *o = moru_optimizer_common(t->optimizer);
    int phase = 0;
    if (o->gradient_accumulation_steps > 0 && (t->iteration + 1) % o->gradient_accumulation_steps != 0)
        phase |= MORU_PHASE_GATHER;
    if (o->use_ema && o->ema_overwrite_frequency > 0 && (optimizer_step(t) + 1) % o->ema_overwrite_frequency == 0)
        phase |= MORU_PHASE_AVERAGES;
    return phase;
}

moru_status moru_step_get(moru_training *training, const moru_step_key *wanted, moru_step **step)
{
    moru_step_key key = *wanted;
    key.without = training->model->without;
    key.phase = key.kind == MORU_STEP_TRAIN ? phase_of(training) : 0;
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
    for (int k = 0; k < key->n_weights; k++)
        key->weights[k].dims[0] = batch;
}

/* ---- running ---- */

static moru_status bind(moru_step *step, moru_program *program, const moru_step_data *data, int n)
{
    int n_given = moru_step_given(&step->key);
    for (int k = 0; k < n; k++) {
        const void *given = k < n_given ? moru_step_datum(&step->key, data, k)
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
    int n = moru_step_given(&step->key);
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
        step->count = (moru_real)(optimizer_step(training) + 1);
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
