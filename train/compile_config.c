/* compile_config: what a model was compiled with, as Keras's files say it. */
#include <stdlib.h>
#include <string.h>

#include "train/training.h"

/* ---- writing ---- */

static json_t *spec_to_json(const char *spec)
{
    return !spec ? json_null() : spec[0] == '{' ? json_loads(spec, 0, NULL) : json_string(spec);
}

static json_t *losses_to_json(const moru_training *t)
{
    if (t->one_loss)
        return spec_to_json(t->losses[0].spec);
    json_t *list = json_array();
    for (int k = 0; k < t->n_outputs; k++)
        json_array_append_new(list, spec_to_json(t->losses[k].spec));
    return list;
}

static json_t *weights_to_json(const moru_training *t)
{
    bool plain = true;
    for (int k = 0; k < t->n_outputs; k++)
        plain &= t->loss_weights[k] == 1;
    if (plain)
        return json_null();
    if (t->n_outputs == 1)
        return json_real(t->loss_weights[0]);
    json_t *list = json_array();
    for (int k = 0; k < t->n_outputs; k++)
        json_array_append_new(list, json_real(t->loss_weights[k]));
    return list;
}

/* One list for one output; a list of lists, as Keras wants it, for several. */
static json_t *metrics_to_json(const moru_training *t, bool weighted)
{
    bool any = false;
    json_t *lists = json_array();
    for (int k = 0; k < t->n_outputs; k++) {
        json_t *list = json_array();
        for (int i = 0; i < t->n_metrics; i++) {
            const moru_watched *m = &t->metrics[i];
            if (m->output != k || m->weighted != weighted)
                continue;
            any = true;
            json_array_append_new(list, spec_to_json(m->metric.spec));
        }
        json_array_append_new(lists, list);
    }
    json_t *result = !any ? json_null() : json_incref(t->n_outputs == 1 ? json_array_get(lists, 0) : lists);
    json_decref(lists);
    return result;
}

json_t *moru_compile_config_to_json(moru_model *model)
{
    const moru_training *t = model->training;
    if (!t || !t->optimizer)
        return NULL;
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:b,s:i,s:b}", "optimizer", moru_optimizer_to_json(t->optimizer),
                     "loss", losses_to_json(t), "loss_weights", weights_to_json(t), "metrics",
                     metrics_to_json(t, false), "weighted_metrics", metrics_to_json(t, true), "run_eagerly", 0,
                     "steps_per_execution", 1, "jit_compile", 0);
}

/* ---- reading ---- */

typedef struct reading {
    moru_arena arena;
    const moru_model *model;
    const char *where;
    moru_compile_options options;
} reading;

/* A name as it is, an object as its JSON text. */
static moru_status spec_of(reading *r, json_t *value, const char *what, const char **spec)
{
    char *text = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    const char *name = text ? text : json_string_value(value);
    if (!name)
        return moru_fail(MORU_ERR_FORMAT, "%s: compile_config: %s is neither a name nor an object", r->where, what);
    *spec = moru_arena_strdup(&r->arena, name);
    free(text);
    return *spec ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", r->where);
}

/* Item of output k, in a list or in an object by the outputs' names. */
static json_t *item_of(const reading *r, json_t *value, int k)
{
    if (json_is_array(value))
        return json_array_get(value, (size_t)k);
    return json_object_get(value, moru_output_name(r->model, k));
}

static bool is_collection(json_t *value)
{
    return json_is_array(value) || (json_is_object(value) && !json_object_get(value, "class_name"));
}

static moru_status read_losses(reading *r, json_t *loss)
{
    if (!is_collection(loss))
        return spec_of(r, loss, "loss", &r->options.loss);
    if (json_is_array(loss) && (int)json_array_size(loss) != r->model->n_outputs)
        return moru_fail(MORU_ERR_FORMAT, "%s: compile_config: %d losses for %d outputs", r->where,
                         (int)json_array_size(loss), r->model->n_outputs);
    for (int k = 0; k < r->model->n_outputs && k < MORU_MAX_OUTPUTS; k++) {
        json_t *item = item_of(r, loss, k);
        while (is_collection(item) && json_array_size(item) == 1)
            item = json_array_get(item, 0);
        if (json_is_null(item))
            r->options.losses[k] = "none";
        else
            MORU_TRY(spec_of(r, item, "loss", &r->options.losses[k]));
    }
    return MORU_OK;
}

static moru_status read_weights(reading *r, json_t *weights)
{
    for (int k = 0; k < r->model->n_outputs && k < MORU_MAX_OUTPUTS; k++) {
        json_t *weight = json_is_number(weights) ? weights : item_of(r, weights, k);
        r->options.loss_weights[k] = json_number_value(weight);
        if (json_is_number(weight) && json_number_value(weight) == 0)
            r->options.loss_weights[k] = MORU_NO_LOSS_WEIGHT;
    }
    return MORU_OK;
}

enum { MAX_DEPTH = 4 };

static int count(json_t *metrics, int depth)
{
    size_t i;
    const char *key;
    json_t *item;
    int n = 0;
    if (!is_collection(metrics) || depth > MAX_DEPTH)
        return metrics && !json_is_null(metrics);
    json_array_foreach(metrics, i, item)
        n += count(item, depth + 1);
    if (json_is_object(metrics))
        json_object_foreach(metrics, key, item)
            n += count(item, depth + 1);
    return n;
}

/* All that is inside, in order; returns how many specs there are then. */
static moru_status flatten(reading *r, json_t *metrics, int depth, const char **specs, int *n)
{
    size_t i;
    const char *key;
    json_t *item;
    if (!metrics || json_is_null(metrics))
        return MORU_OK;
    if (!is_collection(metrics) || depth > MAX_DEPTH)
        return spec_of(r, metrics, "a metric", &specs[(*n)++]);
    json_array_foreach(metrics, i, item)
        MORU_TRY(flatten(r, item, depth + 1, specs, n));
    if (json_is_object(metrics))
        json_object_foreach(metrics, key, item)
            MORU_TRY(flatten(r, item, depth + 1, specs, n));
    return MORU_OK;
}

static moru_status read_list(reading *r, json_t *metrics, const char *const **list)
{
    int n = 0;
    const char **specs = moru_arena_alloc(&r->arena, ((size_t)count(metrics, 0) + 1) * sizeof *specs);
    if (!specs)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", r->where);
    MORU_TRY(flatten(r, metrics, 0, specs, &n));
    specs[n] = NULL;
    *list = specs;
    return MORU_OK;
}

/* Everything is the one output's; of several outputs each has an item in a list or in an object by their names. */
static moru_status read_metrics(reading *r, json_t *metrics, const char *const **lists, const char *what)
{
    int n = r->model->n_outputs;
    if (!metrics || json_is_null(metrics) || n == 1)
        return read_list(r, metrics, &lists[0]);
    if (json_is_array(metrics) && json_array_size(metrics) == 1 && is_collection(json_array_get(metrics, 0)))
        metrics = json_array_get(metrics, 0);
    if (json_is_array(metrics) && (int)json_array_size(metrics) != n)
        return moru_fail(MORU_ERR_FORMAT, "%s: compile_config: %s has %d items, the model %d outputs", r->where, what,
                         (int)json_array_size(metrics), n);
    for (int k = 0; k < n && k < MORU_MAX_OUTPUTS; k++)
        MORU_TRY(read_list(r, item_of(r, metrics, k), &lists[k]));
    return MORU_OK;
}

static moru_status read_config(reading *r, json_t *config)
{
    json_t *optimizer = json_object_get(config, "optimizer");
    MORU_TRY(read_losses(r, json_object_get(config, "loss")));
    MORU_TRY(read_weights(r, json_object_get(config, "loss_weights")));
    MORU_TRY(read_metrics(r, json_object_get(config, "metrics"), r->options.output_metrics, "metrics"));
    MORU_TRY(read_metrics(r, json_object_get(config, "weighted_metrics"), r->options.output_weighted_metrics,
                          "weighted_metrics"));
    if (optimizer && !json_is_null(optimizer))
        MORU_TRY(moru_optimizer_from_json(&r->options.optimizer, optimizer, r->where));
    return MORU_OK;
}

moru_status moru_compile_config_from_json(moru_model *model, json_t *config, const char *where)
{
    reading r = {.model = model, .where = where};
    moru_status status = read_config(&r, config);
    if (status == MORU_OK && (status = moru_compile_with(model, &r.options)) != MORU_OK)
        moru_fail_in(status, where);
    else if (status != MORU_OK)
        moru_optimizer_free(r.options.optimizer);
    moru_arena_free(&r.arena);
    return status;
}
