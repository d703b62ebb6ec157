/* What a training step does to the weights: gradients, gathered over several steps or not, the optimizer's steps, averages
 * of weights. Nothing of it happens if the loss isn't finite. */
#include <stdlib.h>

#include "core/tensor.h"
#include "train/step.h"
#include <moru/ops.h>

/* A weight on its way through a step. */
typedef struct place {
    const moru_trained *trained;
    moru_node *variable, *grad;  /* grad NULL: the graph doesn't read the weight, which stays as it is, as in Keras */
    moru_node *now;              /* its value when the step comes: a layer may have changed it */
    moru_node *value;            /* what it becomes */
} place;

typedef struct work {
    const moru_training *t;
    const moru_optimizer_options *options;
    moru_step *step;
    moru_graph *graph;
    int32_t n_calls;             /* of the graph, before the update's */
    moru_node *lr, *count;
    moru_node *one;              /* 1, once the loss is known to be finite */
    moru_updates *updates;
    place *places;
} work;

static moru_status add_update(work *w, moru_node *variable, moru_node *value)
{
    moru_updates *u = w->updates;
    if (u->n == u->capacity) {
        int capacity = 2 * u->capacity + 16;
        moru_node **variables = realloc(u->variables, (size_t)capacity * sizeof *variables);
        if (variables)
            u->variables = variables;
        moru_node **values = variables ? realloc(u->values, (size_t)capacity * sizeof *values) : NULL;
        if (!values)
            return moru_fail(MORU_ERR_MEMORY, "no memory for the training step");
        u->values = values;
        u->capacity = capacity;
    }
    u->variables[u->n] = variable;
    u->values[u->n++] = value;
    return MORU_OK;
}

void moru_updates_free(moru_updates *updates)
{
    free(updates->variables);
    free(updates->values);
}

static moru_node *slot_of(const work *w, int slot)
{
    return moru_variable_from(w->graph, "slot", w->t->slots[slot]);
}

/* ---- gradients ---- */

/* Those of the weights that the graph reads. */
static moru_status take_gradients(work *w)
{
    int n = 0, n_trained = w->t->n_trained;
    double scale = w->options->loss_scale_factor;
    moru_node *loss = w->step->minimized;
    moru_node **params = calloc((size_t)n_trained * 2 + 1, sizeof *params), **grads = params + n_trained;
    int *which = calloc((size_t)n_trained + 1, sizeof *which);
    moru_status status = params && which ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory for the training step");
    for (int i = 0; status == MORU_OK && i < n_trained; i++) {
        moru_node *variable = w->places[i].variable;
        if (moru_node_failed(variable) || variable->call->id >= w->n_calls)
            continue;
        which[n] = i;
        params[n++] = variable;
    }
    if (status == MORU_OK && n > 0)
        status = moru_gradients(scale > 0 ? moru_mul_scalar(loss, scale) : loss, params, n, grads);
    for (int i = 0; status == MORU_OK && i < n; i++)
        w->places[which[i]].grad = scale > 0 ? moru_mul_scalar(grads[i], 1 / scale) : grads[i];
    free(params);
    free(which);
    return status;
}

/* Adds the gradients to what was gathered; at the end of a round their mean is what counts. */
static moru_status gather(work *w)
{
    bool ends = !(w->step->key.phase & MORU_PHASE_GATHER);
    for (int i = 0; i < w->t->n_trained; i++) {
        place *p = &w->places[i];
        moru_node *slot = slot_of(w, p->trained->accumulated);
        if (!p->grad)
            continue;
        moru_node *sum = moru_add(slot, p->grad);
        if (ends) {
            p->grad = moru_mul_scalar(sum, 1 / (double)w->options->gradient_accumulation_steps);
            MORU_TRY(add_update(w, slot, moru_broadcast_like(moru_add_scalar(w->one, -1), slot)));
        } else {
            MORU_TRY(add_update(w, slot, moru_mul(sum, w->one)));
        }
    }
    return MORU_OK;
}

static moru_status clip(work *w)
{
    int n = 0, k = 0;
    moru_node **grads = calloc((size_t)w->t->n_trained + 1, sizeof *grads);
    if (!grads)
        return moru_fail(MORU_ERR_MEMORY, "no memory for the training step");
    for (int i = 0; i < w->t->n_trained; i++)
        if (w->places[i].grad)
            grads[n++] = w->places[i].grad;
    moru_optimizer_clip(w->t->optimizer, grads, n);
    for (int i = 0; i < w->t->n_trained; i++)
        if (w->places[i].grad)
            w->places[i].grad = grads[k++];
    free(grads);
    return MORU_OK;
}

/* ---- steps ---- */

static moru_status step_weight(work *w, place *p, moru_node *shared)
{
    moru_node *slots[MORU_MAX_SLOTS] = {NULL}, *made[1 + MORU_MAX_SLOTS];
    moru_stepping s = {.param = p->now, .grad = p->grad, .slots = slots, .shared = shared, .lr = w->lr,
                       .step = w->count};
    moru_graph_push_name(w->graph, p->trained->weight->path);
    for (int k = 0; k < p->trained->n_slots; k++)
        slots[k] = slot_of(w, p->trained->slot[k]);
    moru_optimizer_step(w->t->optimizer, p->trained->weight, &s, made);
    moru_graph_pop_name(w->graph);
    if (moru_node_failed(made[0]))
        return MORU_OK; /* the graph keeps the error */
    p->value = made[0];
    for (int k = 0; k < p->trained->n_slots; k++)
        if (made[1 + k])
            MORU_TRY(add_update(w, slots[k], made[1 + k]));
    return MORU_OK;
}

static moru_status step_weights(work *w)
{
    const moru_optimizer_rule *rule = moru_optimizer_rule_of(w->t->optimizer);
    moru_node *shared = NULL;
    if (rule->share) {
        moru_node *old = slot_of(w, w->t->shared_slot);
        shared = rule->share(w->options, moru_mul(old, w->one), w->count);
        MORU_TRY(add_update(w, old, shared));
    }
    for (int i = 0; i < w->t->n_trained; i++)
        if (w->places[i].grad)
            MORU_TRY(step_weight(w, &w->places[i], shared));
    return MORU_OK;
}

/* average = momentum average + (1 - momentum) value, in the first step the value; all trained weights have one. */
static moru_status average_weights(work *w)
{
    moru_node *later = moru_mul(moru_greater(w->count, moru_scalar(w->graph, 1)), w->one);
    moru_node *momentum = moru_mul_scalar(later, w->options->ema_momentum), *rest = moru_one_less(momentum);
    for (int i = 0; i < w->t->n_trained; i++) {
        place *p = &w->places[i];
        moru_node *slot = slot_of(w, p->trained->average), *value = p->value ? p->value : p->now;
        moru_node *average = moru_add(moru_mul(slot, momentum), moru_mul(value, rest));
        MORU_TRY(add_update(w, slot, average));
        if (w->step->key.phase & MORU_PHASE_AVERAGES)
            p->value = average;
    }
    return MORU_OK;
}

/* After every iteration, as in Keras, of weights that have a gradient. */
static void constrain(work *w)
{
    for (int i = 0; i < w->t->n_trained; i++) {
        place *p = &w->places[i];
        const char *constraint = p->trained->weight->constraint;
        if (p->grad && constraint)
            p->value = moru_constrain(constraint, p->value ? p->value : moru_mul(p->now, w->one));
    }
}

static bool is_stepped(const work *w, const moru_node *variable)
{
    for (int i = 0; i < w->t->n_trained; i++)
        if (w->places[i].variable == variable && w->places[i].value)
            return true;
    return false;
}

static moru_status build(work *w, const moru_trace *trace)
{
    moru_node *loss = w->step->outputs[0];
    bool guarded = !w->step->key.unguarded;
    MORU_TRY(take_gradients(w));
    w->one = moru_scalar(w->graph, 1);
    if (guarded) {
        w->lr = moru_require_finite(w->lr, loss);
        w->one = moru_require_finite(w->one, loss);
    }
    if (w->options->gradient_accumulation_steps > 0)
        MORU_TRY(gather(w));
    if (!(w->step->key.phase & MORU_PHASE_GATHER)) {
        MORU_TRY(clip(w));
        MORU_TRY(step_weights(w));
    }
    if (w->options->use_ema)
        MORU_TRY(average_weights(w));
    constrain(w);
    for (int i = 0; i < w->t->n_trained; i++)
        if (w->places[i].value)
            MORU_TRY(add_update(w, w->places[i].variable, w->places[i].value));
    for (int i = 0; i < trace->n_updates; i++) {
        moru_node *value = trace->update_values[i];
        if (is_stepped(w, trace->update_variables[i]))
            continue;
        MORU_TRY(add_update(w, trace->update_variables[i], guarded ? moru_require_finite(value, loss) : value));
    }
    return MORU_OK;
}

moru_status moru_step_updates(const moru_training *training, moru_step *step, const moru_trace *trace,
                              moru_updates *updates)
{
    int n_given = step->n_placeholders;
    work w = {.t = training, .options = moru_optimizer_common(training->optimizer), .step = step,
              .graph = step->graph, .updates = updates};
    w.lr = moru_placeholder(step->graph, "learning_rate", MORU_REAL, MORU_SCALAR_SHAPE);
    w.count = moru_placeholder(step->graph, "step", MORU_REAL, MORU_SCALAR_SHAPE);
    step->placeholders[n_given] = w.lr;
    step->placeholders[n_given + 1] = w.count;
    step->n_placeholders = n_given + 2;
    w.places = calloc((size_t)training->n_trained + 1, sizeof *w.places);
    if (!w.places)
        return moru_fail(MORU_ERR_MEMORY, "no memory for the training step");
    w.n_calls = step->graph->n_calls;
    for (int i = 0; i < training->n_trained; i++) {
        const moru_weight *weight = training->trained[i].weight;
        w.places[i].trained = &training->trained[i];
        w.places[i].variable = moru_variable_from(step->graph, weight->path, weight->tensor);
        w.places[i].now = moru_trace_value(trace, w.places[i].variable);
    }
    moru_status status = build(&w, trace);
    free(w.places);
    return status;
}
