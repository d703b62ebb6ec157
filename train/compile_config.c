/* compile_config: what a model was compiled with, as Keras's files say it. */
#include <stdlib.h>
#include <string.h>

#include "train/training.h"

/* ---- writing ---- */

static json_t *spec_to_json(const char *spec)
{
    return spec[0] == '{' ? json_loads(spec, 0, NULL) : json_string(spec);
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
static json_t *metrics_to_json(const moru_training *t)
{
    if (t->n_metrics == 0)
        return json_null();
    json_t *list = json_array();
    for (int i = 0; i < t->n_metrics; i++)
        json_array_append_new(list, spec_to_json(t->metrics[i].spec));
    if (t->n_outputs == 1)
        return list;
    json_t *lists = json_array();
    for (int k = 0; k < t->n_outputs; k++)
        json_array_append(lists, list);
    json_decref(list);
    return lists;
}

json_t *moru_compile_config_to_json(moru_model *model)
{
    const moru_training *t = model->training;
    if (!t || !t->optimizer)
        return NULL;
    return json_pack("{s:o,s:o,s:o,s:o,s:n,s:b,s:i,s:b}", "optimizer", moru_optimizer_to_json(t->optimizer),
                     "loss", losses_to_json(t), "loss_weights", weights_to_json(t), "metrics", metrics_to_json(t),
                     "weighted_metrics", "run_eagerly", 0, "steps_per_execution", 1, "jit_compile", 0);
}

/* ---- reading ---- */

typedef struct reading {
    moru_arena arena;
    const moru_model *model;
    const char *where;
    moru_compile_options options;
    int n_metrics;
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
    for (int k = 0; k < r->model->n_outputs && k < MORU_MAX_OUTPUTS; k++)
        MORU_TRY(spec_of(r, item_of(r, loss, k), "loss", &r->options.losses[k]));
    return MORU_OK;
}

static moru_status read_weights(reading *r, json_t *weights)
{
    for (int k = 0; k < r->model->n_outputs && k < MORU_MAX_OUTPUTS; k++) {
        json_t *weight = json_is_number(weights) ? weights : item_of(r, weights, k);
        r->options.loss_weights[k] = json_number_value(weight);
        if (json_is_number(weight) && json_number_value(weight) == 0) /* to moru_compile() 0 means none is given */
            return moru_fail(MORU_ERR_UNSUPPORTED, "%s: compile_config: a loss weight of 0, that of output \"%s\", "
                             "isn't supported", r->where, moru_output_name(r->model, k));
    }
    return MORU_OK;
}

/* Lists may be nested, one for each output: every metric counts once. */
static moru_status read_metrics(reading *r, json_t *metrics, int depth)
{
    size_t i;
    const char *key, *spec;
    json_t *item;
    if (json_is_null(metrics) || !metrics)
        return MORU_OK;
    if (is_collection(metrics) && depth < 4) {
        json_array_foreach(metrics, i, item)
            MORU_TRY(read_metrics(r, item, depth + 1));
        if (json_is_object(metrics))
            json_object_foreach(metrics, key, item)
                MORU_TRY(read_metrics(r, item, depth + 1));
        return MORU_OK;
    }
    MORU_TRY(spec_of(r, metrics, "a metric", &spec));
    for (int k = 0; k < r->n_metrics; k++)
        if (strcmp(r->options.metrics[k], spec) == 0)
            return MORU_OK;
    if (r->n_metrics == MORU_MAX_METRICS)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: compile_config: more than %d metrics", r->where, MORU_MAX_METRICS);
    r->options.metrics[r->n_metrics++] = spec;
    return MORU_OK;
}

static moru_status read_config(reading *r, json_t *config)
{
    json_t *optimizer = json_object_get(config, "optimizer");
    MORU_TRY(read_losses(r, json_object_get(config, "loss")));
    MORU_TRY(read_weights(r, json_object_get(config, "loss_weights")));
    MORU_TRY(read_metrics(r, json_object_get(config, "metrics"), 0));
    MORU_TRY(read_metrics(r, json_object_get(config, "weighted_metrics"), 0));
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
