/* Training steps of one's own: calls of models and optimizer steps in one graph, in the order they are written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "train/step.h"
#include <moru/ops.h>
#include <moru/train_step.h>

/* One moru_train_step_minimize(): its optimizer, and the slots it keeps for each weight. */
typedef struct stage {
    moru_optimizer *optimizer;
    moru_tensor **slots;
    int n_slots;
    moru_node *loss, *lr, *count;  /* lr, count: placeholders */
    moru_node *shared;             /* new value of the optimizer's shared slot */
    moru_real learning_rate, step; /* bound */
} stage;

/* A regularization loss, and whose it is. */
typedef struct penalty { const moru_model *model; moru_node *loss; } penalty;

struct moru_train_step {
    moru_graph *graph;
    moru_trace trace;              /* without losses: those are penalties */
    stage **stages;
    int n_stages;
    penalty *penalties;
    int n_penalties, n_calls;
    moru_program *program;
    int n_inputs;
    int64_t iteration;
};

moru_train_step *moru_train_step_new(void)
{
    moru_train_step *s = calloc(1, sizeof *s);
    if (s && (s->graph = moru_graph_new()))
        return s;
    free(s);
    moru_fail(MORU_ERR_MEMORY, "no memory for a training step");
    return NULL;
}

static void stage_free(stage *g)
{
    for (int k = 0; k < g->n_slots; k++)
        moru_tensor_free(g->slots[k]);
    free(g->slots);
    moru_optimizer_free(g->optimizer);
    free(g);
}

void moru_train_step_free(moru_train_step *s)
{
    if (!s)
        return;
    moru_program_free(s->program);
    moru_trace_free(&s->trace);
    moru_graph_free(s->graph); /* its variables lie over the slots */
    for (int k = 0; k < s->n_stages; k++)
        stage_free(s->stages[k]);
    free(s->stages);
    free(s->penalties);
    free(s);
}

moru_graph *moru_train_step_graph(moru_train_step *s)
{
    return s->graph;
}

static moru_status check(const moru_train_step *s, const char *what)
{
    if (!s)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the step is NULL", what);
    if (s->program)
        return moru_fail(MORU_ERR_STATE, "%s: the step is compiled already", what);
    if (moru_graph_status(s->graph) != MORU_OK)
        return moru_fail(moru_graph_status(s->graph), "%s", moru_graph_error(s->graph));
    return MORU_OK;
}

/* ---- calling models ---- */

static bool was_called(const moru_train_step *s, const moru_model *model)
{
    for (int i = 0; i < s->n_penalties; i++)
        if (s->penalties[i].model == model)
            return true;
    return false;
}

/* What the trace has collected for this call belongs to the model, once for all its calls. */
static moru_status keep_penalties(moru_train_step *s, const moru_model *model)
{
    int n = s->trace.n_losses;
    s->trace.n_losses = 0;
    if (was_called(s, model))
        return MORU_OK;
    penalty *fresh = realloc(s->penalties, (size_t)(s->n_penalties + n + 1) * sizeof *fresh);
    if (!fresh)
        return moru_fail(MORU_ERR_MEMORY, "no memory for the losses of a model");
    s->penalties = fresh;
    s->penalties[s->n_penalties++] = (penalty){model, NULL}; /* marks the call of a model without any */
    for (int i = 0; i < n; i++)
        s->penalties[s->n_penalties++] = (penalty){model, s->trace.losses[i]};
    return MORU_OK;
}

moru_status moru_train_step_call(moru_train_step *s, moru_model *model, moru_node *const *inputs, moru_node **outputs,
                                 bool training)
{
    MORU_TRY(check(s, "call"));
    if (!model || !inputs || !outputs)
        return moru_fail(MORU_ERR_ARGUMENT, "call: the model, its inputs or outputs are NULL");
    for (int i = 0; i < model->n_inputs; i++)
        if (!inputs[i] || inputs[i]->graph != s->graph)
            return moru_fail(MORU_ERR_ARGUMENT, "call: input %d of the model \"%s\" is no value of the step's graph", i,
                             moru_model_name(model));
    char name[160];
    if (was_called(s, model)) /* random numbers go by the name */
        snprintf(name, sizeof name, "%.128s_%d", moru_model_name(model), s->n_calls);
    else
        snprintf(name, sizeof name, "%.128s", moru_model_name(model));
    s->n_calls++;
    s->trace.training = training;
    moru_graph_push_name(s->graph, name);
    moru_status status = moru_model_trace(model, s->graph, inputs, outputs, &s->trace);
    moru_graph_pop_name(s->graph);
    return status == MORU_OK ? keep_penalties(s, model) : status;
}

/* ---- minimizing ---- */

static moru_node *with_penalties(const moru_train_step *s, moru_node *loss, const moru_model *model)
{
    for (int i = 0; i < s->n_penalties; i++)
        if (s->penalties[i].model == model && s->penalties[i].loss)
            loss = moru_add(loss, s->penalties[i].loss);
    return loss;
}

/* The trainable weights of all models that the step has called. */
static int list_weights(moru_model *const *models, int n_models, moru_weight **weights, int capacity)
{
    int n = 0;
    for (int i = 0; i < n_models; i++) {
        int here = moru_model_weights(models[i], true, NULL, 0);
        if (weights)
            moru_model_weights(models[i], true, weights + n, capacity - n);
        n += here;
    }
    return n;
}

static moru_node *slot(stage *g, moru_graph *graph, const moru_slot *rule, const moru_weight *weight)
{
    moru_tensor *tensor = moru_slot_new(rule, weight);
    if (!tensor)
        return moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for the optimizer's state");
    g->slots[g->n_slots++] = tensor;
    return moru_variable_from(graph, "slot", tensor);
}

static void step_weight(moru_train_step *s, stage *g, moru_node *lr, const moru_weight *weight, moru_node *grad)
{
    moru_slot rules[MORU_MAX_SLOTS];
    moru_node *slots[MORU_MAX_SLOTS] = {NULL}, *made[1 + MORU_MAX_SLOTS];
    int n = moru_optimizer_rule_of(g->optimizer)->slots(g->optimizer->options, weight, rules);
    moru_graph_push_name(s->graph, weight->path);
    for (int k = 0; k < n; k++)
        slots[k] = slot(g, s->graph, &rules[k], weight);
    moru_node *variable = moru_variable_from(s->graph, weight->path, weight->tensor);
    moru_stepping stepping = {.param = moru_trace_value(&s->trace, variable), .grad = grad, .slots = slots,
                              .shared = g->shared, .lr = lr, .step = g->count};
    moru_optimizer_step(g->optimizer, weight, &stepping, made);
    if (weight->constraint)
        made[0] = moru_constrain(weight->constraint, made[0]);
    moru_graph_pop_name(s->graph);
    if (moru_node_failed(made[0]))
        return;
    moru_trace_update(&s->trace, variable, made[0]);
    for (int k = 0; k < n; k++)
        if (made[1 + k])
            moru_trace_update(&s->trace, slots[k], made[1 + k]);
}

/* The scalar that all weights share. */
static void step_shared(moru_train_step *s, stage *g)
{
    const moru_optimizer_rule *rule = moru_optimizer_rule_of(g->optimizer);
    const moru_slot shared = {.name = "shared", .initial = rule->shared, .own_shape = true};
    if (!rule->share)
        return;
    moru_node *old = slot(g, s->graph, &shared, NULL);
    moru_node *one = moru_require_finite(moru_scalar(s->graph, 1), g->loss);
    g->shared = rule->share(g->optimizer->options, moru_mul(old, one), g->count);
    moru_trace_update(&s->trace, old, g->shared);
}

/* Values of the weights that the graph reads; others have no gradient and stay as they are, as in Keras. */
static int used_weights(moru_train_step *s, moru_weight **weights, int n, moru_node **params)
{
    int used = 0;
    int32_t n_calls = s->graph->n_calls;
    for (int i = 0; i < n; i++) {
        moru_node *variable = moru_variable_from(s->graph, weights[i]->path, weights[i]->tensor);
        if (moru_node_failed(variable) || variable->call->id >= n_calls)
            continue;
        weights[used] = weights[i];
        params[used++] = moru_trace_base(&s->trace, variable);
    }
    return used;
}

static moru_status step_weights(moru_train_step *s, stage *g, moru_weight **weights, int n, moru_node **params)
{
    moru_node **grads = params + n;
    double scale = moru_optimizer_common(g->optimizer)->loss_scale_factor;
    n = used_weights(s, weights, n, params);
    if (n > 0)
        MORU_TRY(moru_gradients(scale > 0 ? moru_mul_scalar(g->loss, scale) : g->loss, params, n, grads));
    for (int i = 0; scale > 0 && i < n; i++)
        grads[i] = moru_mul_scalar(grads[i], 1 / scale);
    step_shared(s, g);
    moru_node *lr = moru_require_finite(g->lr, g->loss);
    moru_optimizer_clip(g->optimizer, grads, n);
    for (int i = 0; i < n; i++)
        step_weight(s, g, lr, weights[i], grads[i]);
    return moru_graph_status(s->graph) == MORU_OK ? MORU_OK
                                                  : moru_fail(moru_graph_status(s->graph), "%s",
                                                              moru_graph_error(s->graph));
}

static moru_status add_stage(moru_train_step *s, moru_optimizer *optimizer, stage **made)
{
    stage **fresh = realloc(s->stages, (size_t)(s->n_stages + 1) * sizeof *fresh), *g = NULL;
    if (fresh)
        s->stages = fresh;
    if (!fresh || !(g = calloc(1, sizeof *g))) {
        moru_optimizer_free(optimizer);
        return moru_fail(MORU_ERR_MEMORY, "no memory for a training step");
    }
    g->optimizer = optimizer;
    s->stages[s->n_stages++] = *made = g;
    if (optimizer->status != MORU_OK)
        return moru_fail(optimizer->status, "%s", optimizer->error);
    const moru_optimizer_options *o = moru_optimizer_common(optimizer);
    if (o->use_ema || o->gradient_accumulation_steps > 0)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: use_ema and gradient_accumulation_steps aren't supported in steps of "
                         "one's own", optimizer->class_->class_name);
    return MORU_OK;
}

static moru_status minimize(moru_train_step *s, stage *g, moru_node *loss, moru_model *const *models, int n_models)
{
    int n = list_weights(models, n_models, NULL, 0);
    g->loss = loss;
    for (int i = 0; i < n_models; i++)
        g->loss = with_penalties(s, g->loss, models[i]);
    g->lr = moru_placeholder(s->graph, "learning_rate", MORU_REAL, MORU_SCALAR_SHAPE);
    g->count = moru_placeholder(s->graph, "step", MORU_REAL, MORU_SCALAR_SHAPE);
    g->slots = calloc((size_t)n * MORU_MAX_SLOTS + 2, sizeof *g->slots);
    moru_weight **weights = calloc((size_t)n + 1, sizeof *weights);
    moru_node **params = calloc((size_t)n * 2 + 1, sizeof *params);
    moru_status status = MORU_ERR_MEMORY;
    if (g->slots && weights && params) {
        list_weights(models, n_models, weights, n);
        status = step_weights(s, g, weights, n, params);
    } else {
        moru_fail(status, "no memory for a training step");
    }
    free(weights);
    free(params);
    return status;
}

moru_status moru_train_step_minimize(moru_train_step *s, moru_node *loss, moru_model *const *models, int n,
                                     moru_optimizer *optimizer)
{
    stage *g = NULL;
    moru_status status = !optimizer ? moru_fail(MORU_ERR_ARGUMENT, "minimize: the optimizer is NULL") : check(s, "minimize");
    if (status == MORU_OK && (!loss || loss->graph != s->graph || (n > 0 && !models)))
        status = moru_fail(MORU_ERR_ARGUMENT, "minimize: the loss is no value of the step's graph, or the models are NULL");
    if (status == MORU_OK && loss->shape.rank != 0)
        status = moru_fail(MORU_ERR_SHAPE, "minimize: the loss must be a scalar");
    for (int i = 0; status == MORU_OK && i < n; i++)
        if (!models[i] || !was_called(s, models[i]))
            status = moru_fail(MORU_ERR_ARGUMENT, "minimize: model %d wasn't called in this step", i);
    if (status != MORU_OK) {
        moru_optimizer_free(optimizer);
        return status;
    }
    MORU_TRY(add_stage(s, optimizer, &g));
    return minimize(s, g, loss, models, n);
}

/* ---- compiling and running ---- */

static moru_status guard_model(moru_train_step *s, const moru_model *model, moru_node *losses)
{
    int n = moru_model_weights(model, false, NULL, 0);
    moru_weight **weights = calloc((size_t)n + 1, sizeof *weights);
    if (!weights)
        return moru_fail(MORU_ERR_MEMORY, "no memory for a training step");
    moru_model_weights(model, false, weights, n);
    for (int i = 0; i < n; i++) {
        moru_node *variable = moru_variable_from(s->graph, weights[i]->path, weights[i]->tensor);
        moru_node *value = moru_trace_value(&s->trace, variable);
        if (value != variable)
            moru_trace_update(&s->trace, variable, moru_require_finite(value, losses));
    }
    free(weights);
    return MORU_OK;
}

/* Moving statistics don't take a NaN in either. */
static moru_status guard_statistics(moru_train_step *s)
{
    moru_node *losses = NULL;
    for (int k = 0; k < s->n_stages; k++)
        losses = losses ? moru_add(losses, s->stages[k]->loss) : s->stages[k]->loss;
    for (int i = 0; losses && i < s->n_penalties; i++)
        if (!s->penalties[i].loss)
            MORU_TRY(guard_model(s, s->penalties[i].model, losses));
    return MORU_OK;
}

static moru_status compile(moru_train_step *s, const moru_train_step_options *o, moru_node **inputs)
{
    int n = 0;
    for (int k = 0; k < o->n_inputs; k++)
        inputs[n++] = o->inputs[k];
    for (int k = 0; k < s->n_stages; k++) {
        inputs[n++] = s->stages[k]->lr;
        inputs[n++] = s->stages[k]->count;
    }
    MORU_TRY(guard_statistics(s));
    s->n_inputs = o->n_inputs;
    return moru_program_new(&s->program, &(moru_program_options){
        .inputs = inputs, .n_inputs = n, .outputs = o->outputs, .n_outputs = o->n_outputs,
        .update_variables = s->trace.update_variables, .update_values = s->trace.update_values,
        .n_updates = s->trace.n_updates, .threads = o->threads, .seed = o->seed, .without = o->without});
}

moru_status moru_train_step_compile_with(moru_train_step *s, const moru_train_step_options *options)
{
    MORU_TRY(check(s, "compile"));
    if (!options || options->n_inputs < 0 || (options->n_inputs > 0 && !options->inputs))
        return moru_fail(MORU_ERR_ARGUMENT, "compile: the step's inputs are missing");
    moru_node **inputs = calloc((size_t)options->n_inputs + 2 * (size_t)s->n_stages + 1, sizeof *inputs);
    moru_status status = inputs ? compile(s, options, inputs) : moru_fail(MORU_ERR_MEMORY, "no memory for a training step");
    free(inputs);
    return status;
}

moru_status moru_train_step_run(moru_train_step *s, const void *const *data)
{
    if (!s || !s->program)
        return moru_fail(MORU_ERR_STATE, "run: the step isn't compiled; moru_train_step_compile() comes first");
    for (int k = 0; k < s->n_inputs; k++)
        MORU_TRY(moru_program_bind(s->program, k, data[k]));
    for (int k = 0; k < s->n_stages; k++) {
        stage *g = s->stages[k];
        g->learning_rate = (moru_real)moru_optimizer_learning_rate(g->optimizer, s->iteration);
        g->step = (moru_real)(s->iteration + 1);
        MORU_TRY(moru_program_bind(s->program, s->n_inputs + 2 * k, &g->learning_rate));
        MORU_TRY(moru_program_bind(s->program, s->n_inputs + 2 * k + 1, &g->step));
    }
    moru_program_set_step(s->program, (uint64_t)s->iteration);
    MORU_TRY(moru_program_run(s->program));
    s->iteration++;
    return MORU_OK;
}

const moru_tensor *moru_train_step_output(const moru_train_step *s, int k)
{
    return s && s->program ? moru_program_output(s->program, k) : NULL;
}

int64_t moru_train_step_iterations(const moru_train_step *s)
{
    return s ? s->iteration : 0;
}

moru_program *moru_train_step_program(moru_train_step *s)
{
    return s ? s->program : NULL;
}
