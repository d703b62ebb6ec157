/* moru_compile(): optimizer, losses and metrics for a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "train/step.h"

/* ---- losses and metrics ---- */

static moru_status parse_losses(moru_training *t, const moru_compile_options *options)
{
    bool each = false;
    for (int k = 0; k < MORU_MAX_OUTPUTS; k++)
        each |= options->losses[k] != NULL;
    if (!each && !options->loss)
        return moru_fail(MORU_ERR_ARGUMENT, "compile: the loss is missing");
    t->one_loss = !each;
    for (int k = 0; k < t->n_outputs; k++) {
        const char *spec = each ? options->losses[k] : options->loss;
        char where[160] = "loss";
        if (t->n_outputs > 1)
            snprintf(where, sizeof where, "loss of output \"%s\"", moru_output_name(t->model, k));
        double weight = options->loss_weights[k];
        t->loss_weights[k] = isnan(weight) ? 0 : weight != 0 ? weight : 1;
        if (!spec || strcmp(spec, "none") != 0)
            MORU_TRY(moru_loss_parse(&t->arena, spec, where, &t->losses[k]));
    }
    bool any = false;
    for (int k = 0; k < t->n_outputs; k++)
        any |= t->losses[k].class_ != NULL;
    if (!any)
        return moru_fail(MORU_ERR_ARGUMENT, "compile: no output has a loss");
    for (int k = t->n_outputs; k < MORU_MAX_OUTPUTS; k++)
        if (options->losses[k])
            return moru_fail(MORU_ERR_ARGUMENT, "compile: loss %d is given, but the model has %d outputs", k,
                             t->n_outputs);
    return MORU_OK;
}

static const char *add_name(moru_training *t, const char *output, const char *name)
{
    char text[400];
    snprintf(text, sizeof text, "%.180s%s%.200s", output ? output : "", output ? "_" : "", name);
    return moru_arena_strdup(&t->arena, text);
}

/* Whether one of the first n logs has the name. */
static bool is_taken(const moru_training *t, const char *name, int n)
{
    for (int k = 0; k < n; k++)
        if (strcmp(t->log_names[k], name) == 0)
            return true;
    return false;
}

/* A metric's name in logs, which no other has: as Keras makes it, from "weighted_NAME" and "NAME_1". */
static const char *metric_name(moru_training *t, const moru_watched *m, int n)
{
    const char *output = t->n_outputs > 1 ? moru_output_name(t->model, m->output) : NULL;
    char text[256];
    const char *name = add_name(t, output, m->metric.name);
    if (name && m->weighted && is_taken(t, name, n)) {
        snprintf(text, sizeof text, "weighted_%.200s", m->metric.name);
        name = add_name(t, output, text);
    }
    const char *first = name;
    for (int k = 1; name && is_taken(t, name, n); k++) {
        snprintf(text, sizeof text, "%.200s_%d", first, k);
        name = moru_arena_strdup(&t->arena, text);
    }
    return name;
}

/* Names as Keras gives them: of several outputs, each one's name stands before those of its loss and metrics. */
static moru_status name_logs(moru_training *t)
{
    int n = 0;
    t->log_names[n++] = add_name(t, NULL, "loss");
    for (int k = 0; t->n_outputs > 1 && k < t->n_outputs; k++)
        if (t->losses[k].class_ && n < MORU_MAX_LOGS / 2)
            t->log_names[n++] = add_name(t, moru_output_name(t->model, k), "loss");
    t->n_logs = n + t->n_metrics;
    if (2 * t->n_logs > MORU_MAX_LOGS)
        return moru_fail(MORU_ERR_ARGUMENT, "compile: %d metrics of %d outputs are more than the logs hold",
                         t->n_metrics, t->n_outputs);
    for (int k = 0; k < n; k++)
        if (!t->log_names[k])
            return moru_fail(MORU_ERR_MEMORY, "no memory to compile the model");
    for (int i = 0; i < t->n_metrics; i++, n++)
        if (!(t->log_names[n] = metric_name(t, &t->metrics[i], n)))
            return moru_fail(MORU_ERR_MEMORY, "no memory to compile the model");
    for (int k = 0; k < t->n_logs; k++)
        if (!(t->log_names[t->n_logs + k] = add_name(t, "val", t->log_names[k])))
            return moru_fail(MORU_ERR_MEMORY, "no memory to compile the model");
    return MORU_OK;
}

static moru_status add_metric(moru_training *t, const char *spec, int output, bool weighted)
{
    if (t->n_metrics == MORU_MAX_LOGS / 2)
        return moru_fail(MORU_ERR_ARGUMENT, "compile: more than %d metrics", MORU_MAX_LOGS / 2);
    moru_watched *m = &t->metrics[t->n_metrics++];
    m->output = output;
    m->weighted = weighted;
    return moru_metric_parse(&t->arena, spec, "metrics", &m->metric);
}

static moru_status parse_metrics(moru_training *t, const moru_compile_options *o)
{
    for (int weighted = 0; weighted < 2; weighted++)
        for (int k = 0; k < t->n_outputs; k++) {
            const char *const *all = weighted ? o->weighted_metrics : o->metrics;
            const char *const *own = weighted ? o->output_weighted_metrics[k] : o->output_metrics[k];
            for (int i = 0; i < MORU_MAX_METRICS && all[i]; i++)
                MORU_TRY(add_metric(t, all[i], k, weighted));
            for (int i = 0; own && own[i]; i++)
                MORU_TRY(add_metric(t, own[i], k, weighted));
        }
    return name_logs(t);
}

/* ---- optimizer state ---- */

static moru_status add_slot(moru_training *t, const moru_slot *slot, const moru_weight *weight, int *place)
{
    moru_tensor *tensor = moru_slot_new(slot, weight);
    if (!tensor)
        return MORU_ERR_MEMORY;
    *place = t->n_slots;
    t->slots[t->n_slots++] = tensor;
    return MORU_OK;
}

/* The slots of the optimizer's own, group by group; whether there was one of this group. */
static moru_status add_group(moru_training *t, int group, bool *any)
{
    const moru_optimizer_rule *rule = moru_optimizer_rule_of(t->optimizer);
    *any = false;
    for (int i = 0; i < t->n_trained; i++) {
        moru_slot slots[MORU_MAX_SLOTS];
        moru_trained *trained = &t->trained[i];
        trained->n_slots = rule->slots(t->optimizer->options, trained->weight, slots);
        for (int k = 0; k < trained->n_slots; k++) {
            if (slots[k].group != group)
                continue;
            MORU_TRY(add_slot(t, &slots[k], trained->weight, &trained->slot[k]));
            *any = true;
        }
    }
    return MORU_OK;
}

/* In the order of Keras's optimizer.variables. */
static moru_status make_slots(moru_training *t)
{
    const moru_optimizer_rule *rule = moru_optimizer_rule_of(t->optimizer);
    const moru_optimizer_options *o = moru_optimizer_common(t->optimizer);
    const moru_slot plain = {.name = "average"};
    const moru_slot shared = {.name = "shared", .initial = rule->shared, .own_shape = true};
    bool any = true;
    t->shared_slot = -1;
    t->slots = calloc((size_t)t->n_trained * (MORU_MAX_SLOTS + 2) + 1, sizeof *t->slots);
    if (!t->slots)
        return moru_fail(MORU_ERR_MEMORY, "no memory for the optimizer's state");
    for (int i = 0; i < t->n_trained; i++)
        t->trained[i].average = t->trained[i].accumulated = -1;
    for (int i = 0; o->use_ema && i < t->n_trained; i++)
        MORU_TRY(add_slot(t, &plain, t->trained[i].weight, &t->trained[i].average));
    for (int i = 0; o->gradient_accumulation_steps > 0 && i < t->n_trained; i++)
        MORU_TRY(add_slot(t, &plain, t->trained[i].weight, &t->trained[i].accumulated));
    for (int group = 0; any; group++)
        MORU_TRY(add_group(t, group, &any));
    return rule->share ? add_slot(t, &shared, NULL, &t->shared_slot) : MORU_OK;
}

static moru_status list_trained(moru_training *t)
{
    int n = t->n_trained = moru_model_weights(t->model, true, NULL, 0);
    moru_weight **weights = calloc((size_t)n + 1, sizeof *weights);
    t->trained = calloc((size_t)n + 1, sizeof *t->trained);
    if (weights && t->trained) {
        moru_model_weights(t->model, true, weights, n);
        for (int i = 0; i < n; i++)
            t->trained[i].weight = weights[i];
    }
    free(weights);
    return weights && t->trained ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory to compile the model");
}

/* ---- compiling ---- */

static moru_status check_model(const moru_model *model)
{
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    if (model->n_outputs < 1)
        return moru_fail(MORU_ERR_STATE, "compile: the model \"%s\" has no outputs", moru_model_name(model));
    if (model->n_outputs > MORU_MAX_OUTPUTS)
        return moru_fail(MORU_ERR_UNSUPPORTED, "compile: the model has %d outputs, more than %d", model->n_outputs,
                         MORU_MAX_OUTPUTS);
    return MORU_OK;
}

static moru_status fill(moru_training *t, const moru_compile_options *options)
{
    t->n_outputs = t->model->n_outputs;
    if (t->optimizer->status != MORU_OK)
        return moru_fail(t->optimizer->status, "%s", t->optimizer->error);
    MORU_TRY(parse_losses(t, options));
    MORU_TRY(parse_metrics(t, options));
    MORU_TRY(list_trained(t));
    return make_slots(t);
}

moru_status moru_compile_with(moru_model *model, const moru_compile_options *options)
{
    static const moru_compile_options none = {NULL};
    options = options ? options : &none;
    moru_optimizer *optimizer = options->optimizer ? options->optimizer : moru_rmsprop_new(NULL);
    moru_training *t = NULL;
    moru_status status = !model ? moru_fail(MORU_ERR_ARGUMENT, "compile: the model is NULL")
                       : !optimizer ? MORU_ERR_MEMORY : check_model(model);
    if (model && optimizer && optimizer == moru_model_optimizer(model)) /* it goes with what it was compiled for */
        return moru_fail(MORU_ERR_ARGUMENT, "compile: the optimizer belongs to the model \"%s\" since it was compiled "
                         "before; a new one is needed", moru_model_name(model));
    if (status == MORU_OK && !(t = calloc(1, sizeof *t)))
        status = moru_fail(MORU_ERR_MEMORY, "no memory to compile the model");
    if (status != MORU_OK) {
        moru_optimizer_free(optimizer);
        return status;
    }
    t->model = model;
    t->optimizer = optimizer;
    status = fill(t, options);
    if (status != MORU_OK) {
        moru_training_free(t);
        return status;
    }
    moru_training_free(model->training);
    model->training = t;
    model->free_training = moru_training_free;
    return MORU_OK;
}
