/* What all optimizers share: construction, configuration, learning rate, clipping of gradients. */
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "train/optimizer.h"
#include <moru/ops.h>

static const moru_class *const classes[] = {
    &moru_sgd_class, &moru_adam_class, &moru_adamw_class, &moru_adamax_class, &moru_nadam_class, &moru_rmsprop_class,
    &moru_adagrad_class, &moru_adadelta_class, &moru_ftrl_class, &moru_lion_class, &moru_lamb_class, &moru_muon_class,
    &moru_adafactor_class, &moru_schedule_free_adamw_class};
enum { N_CLASSES = sizeof classes / sizeof *classes };

/* Keras writes "unset" as null, which is read as NAN. */
static void null_to_zero(double *option)
{
    if (isnan(*option))
        *option = 0;
}

moru_status moru_option_within(double value, double low, double high, const char *name, const char *where)
{
    if (value >= low && value <= high && !(isinf(high) && isinf(value)))
        return MORU_OK;
    if (isinf(high))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: %s must be a number of at least %g, not %g", where, name, low, value);
    if (isinf(low))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: %s must be a number of at most %g, not %g", where, name, high, value);
    return moru_fail(MORU_ERR_ARGUMENT, "%s: %s must lie in [%g, %g], not be %g", where, name, low, high, value);
}

moru_status moru_betas_check(double beta_1, double beta_2, double epsilon, const char *where)
{
    MORU_TRY(moru_option_within(beta_1, 0, 1, "beta_1", where));
    MORU_TRY(moru_option_within(beta_2, 0, 1, "beta_2", where));
    return moru_option_within(epsilon, 0, INFINITY, "epsilon", where);
}

static moru_status check_counts(moru_optimizer_options *o, const char *where)
{
    int64_t *const counts[] = {&o->ema_overwrite_frequency, &o->gradient_accumulation_steps};
    for (int k = 0; k < 2; k++)
        if (*counts[k] == MORU_NO_INT)
            *counts[k] = 0;
    if (o->ema_overwrite_frequency < 0)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: ema_overwrite_frequency must be at least 1, not %lld", where,
                         (long long)o->ema_overwrite_frequency);
    if (o->gradient_accumulation_steps != 0 && o->gradient_accumulation_steps < 2)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: gradient_accumulation_steps must be at least 2, not %lld", where,
                         (long long)o->gradient_accumulation_steps);
    return o->use_ema ? moru_option_within(o->ema_momentum, 0, 1, "ema_momentum", where) : MORU_OK;
}

static moru_status check_pattern(const char *pattern, const char *where)
{
    regex_t regex;
    if (!pattern)
        return MORU_OK;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: exclude_from_weight_decay isn't a regular expression: \"%.80s\"",
                         where, pattern);
    regfree(&regex);
    return MORU_OK;
}

static moru_status check_common(moru_optimizer_options *o, const char *where)
{
    null_to_zero(&o->weight_decay);
    null_to_zero(&o->clipnorm);
    null_to_zero(&o->clipvalue);
    null_to_zero(&o->global_clipnorm);
    null_to_zero(&o->loss_scale_factor);
    MORU_TRY(moru_option_within(o->learning_rate, 0, INFINITY, "learning_rate", where));
    MORU_TRY(moru_option_within(o->weight_decay, 0, INFINITY, "weight_decay", where));
    MORU_TRY(moru_option_within(o->clipnorm, 0, INFINITY, "clipnorm", where));
    MORU_TRY(moru_option_within(o->clipvalue, 0, INFINITY, "clipvalue", where));
    MORU_TRY(moru_option_within(o->global_clipnorm, 0, INFINITY, "global_clipnorm", where));
    MORU_TRY(moru_option_within(o->loss_scale_factor, 0, INFINITY, "loss_scale_factor", where));
    if ((o->clipnorm > 0) + (o->clipvalue > 0) + (o->global_clipnorm > 0) > 1)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: only one of clipnorm, clipvalue and global_clipnorm can be set",
                         where);
    MORU_TRY(check_pattern(o->exclude_from_weight_decay, where));
    return check_counts(o, where);
}

/* Keeps the schedule in the options as the JSON text that files want. */
static moru_status set_schedule(moru_optimizer *o, const char *spec)
{
    moru_optimizer_options *options = o->options;
    moru_schedule *schedule;
    MORU_TRY(moru_schedule_parse(&o->arena, spec, o->class_->class_name, &schedule));
    json_t *json = moru_schedule_to_json(schedule);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    const char *kept = text ? moru_arena_strdup(&o->arena, text) : NULL;
    free(text);
    if (!kept)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for a schedule", o->class_->class_name);
    o->schedule = schedule;
    options->learning_rate_schedule = kept;
    return MORU_OK;
}

static moru_status finish(moru_optimizer *o)
{
    const char *where = o->class_->class_name;
    moru_optimizer_options *options = o->options;
    MORU_TRY(check_common(options, where));
    if (moru_optimizer_rule_of(o)->check)
        MORU_TRY(moru_optimizer_rule_of(o)->check(o->options, where));
    return options->learning_rate_schedule ? set_schedule(o, options->learning_rate_schedule) : MORU_OK;
}

/* exclude_from_weight_decay is no field of Keras's configuration. */
static void *copy_options(moru_arena *arena, const moru_class *class_, const void *options)
{
    moru_optimizer_options *copy = moru_options_copy(arena, class_->fields, class_->n_fields, class_->size, options);
    if (copy && copy->exclude_from_weight_decay
        && !(copy->exclude_from_weight_decay = moru_arena_strdup(arena, copy->exclude_from_weight_decay)))
        return NULL;
    return copy;
}

moru_optimizer *moru_optimizer_new(const moru_class *class_, const void *options)
{
    moru_optimizer *o = calloc(1, sizeof *o);
    if (o) {
        o->class_ = class_;
        o->options = copy_options(&o->arena, class_, options);
    }
    if (!o || !o->options) {
        moru_fail(MORU_ERR_MEMORY, "%s: no memory for an optimizer", class_->class_name);
        moru_optimizer_free(o);
        return NULL;
    }
    o->status = finish(o);
    if (o->status != MORU_OK)
        strncpy(o->error, moru_last_error(), sizeof o->error - 1);
    return o;
}

void moru_optimizer_free(moru_optimizer *optimizer)
{
    if (!optimizer)
        return;
    moru_arena_free(&optimizer->arena);
    free(optimizer);
}

double moru_optimizer_learning_rate(const moru_optimizer *optimizer, int64_t iteration)
{
    return optimizer->schedule ? moru_schedule_at(optimizer->schedule, iteration)
                               : moru_optimizer_common(optimizer)->learning_rate;
}

void moru_optimizer_set_learning_rate(moru_optimizer *optimizer, double rate)
{
    moru_optimizer_options *options = optimizer->options;
    options->learning_rate = rate;
    options->learning_rate_schedule = NULL;
    optimizer->schedule = NULL;
}

moru_status moru_optimizer_set_schedule(moru_optimizer *optimizer, const char *spec)
{
    if (!spec)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the schedule is NULL", optimizer->class_->class_name);
    return set_schedule(optimizer, spec);
}

/* ---- configuration ---- */

json_t *moru_optimizer_to_json(const moru_optimizer *optimizer)
{
    static const char *const unset[] = {"weight_decay", "clipnorm", "clipvalue", "global_clipnorm",
                                        "loss_scale_factor", "ema_overwrite_frequency",
                                        "gradient_accumulation_steps"};
    json_t *json = moru_class_to_json(optimizer->class_, optimizer->options), *config = json_object_get(json, "config");
    for (size_t k = 0; json && k < sizeof unset / sizeof *unset; k++)
        if (json_number_value(json_object_get(config, unset[k])) == 0)
            json_object_set_new(config, unset[k], json_null());
    if (json && !moru_optimizer_common(optimizer)->name) {
        char name[64];
        moru_snake(optimizer->class_->class_name, name, sizeof name);
        json_object_set_new(config, "name", json_string(name));
    }
    return json;
}

/* Keras 2: "lr" for "learning_rate", "decay" (which only matters if it isn't 0), and no "name" for the class's own. */
static moru_status from_keras2(json_t *config, const char *where)
{
    json_t *rate = json_object_get(config, "lr"), *decay = json_object_get(config, "decay");
    if (rate && !json_object_get(config, "learning_rate"))
        json_object_set(config, "learning_rate", rate);
    json_object_del(config, "lr");
    if (decay && json_number_value(decay) != 0)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: the option decay isn't supported; InverseTimeDecay does the same",
                         where);
    json_object_del(config, "decay");
    return MORU_OK;
}

static moru_status read_config(moru_optimizer *o, json_t *config, const char *where)
{
    json_t *unknown = json_array();
    json_t *copy = json_is_object(config) ? json_copy(config) : json_object();
    moru_status status = MORU_ERR_MEMORY;
    if (unknown && copy)
        status = from_keras2(copy, where);
    if (status == MORU_OK)
        status = moru_fields_read(&o->arena, o->class_->fields, o->class_->n_fields, copy, o->options, where, unknown);
    if (status == MORU_OK && json_array_size(unknown) > 0) {
        char *names = json_dumps(unknown, JSON_COMPACT);
        status = moru_fail(MORU_ERR_UNSUPPORTED, "%s: these options aren't supported: %s", where, names ? names : "");
        free(names);
    }
    json_decref(copy);
    json_decref(unknown);
    return status == MORU_OK ? finish(o) : status;
}

/* "Custom>Adam" is how Keras 2 registers its own. */
static const moru_class *find_class(const char *name)
{
    const char *bare = name ? strrchr(name, '>') : NULL;
    for (int k = 0; name && k < N_CLASSES; k++)
        if (strcmp(bare ? bare + 1 : name, classes[k]->class_name) == 0)
            return classes[k];
    return NULL;
}

moru_status moru_optimizer_from_json(moru_optimizer **optimizer, json_t *json, const char *where)
{
    char place[160];
    *optimizer = NULL;
    if (json_is_string(json)) {
        moru_status status = moru_optimizer_from(optimizer, json_string_value(json));
        return status == MORU_OK ? status : moru_fail_in(status, where);
    }
    const char *name = json_string_value(json_object_get(json, "class_name"));
    json_t *inner = json_object_get(json_object_get(json, "config"), "inner_optimizer");
    if (name && inner && strcmp(name, "LossScaleOptimizer") == 0) /* for half precision, which is float here */
        return moru_optimizer_from_json(optimizer, inner, where);
    const moru_class *class_ = find_class(name);
    if (!class_)
        return moru_fail(name ? MORU_ERR_UNSUPPORTED : MORU_ERR_FORMAT, "%s: the optimizer %s isn't supported", where,
                         name ? name : "without a class_name");
    snprintf(place, sizeof place, "%s: %s", where, class_->class_name);
    moru_optimizer *o = moru_optimizer_new(class_, class_->defaults);
    if (!o)
        return MORU_ERR_MEMORY;
    moru_status status = read_config(o, json_object_get(json, "config"), place);
    if (status != MORU_OK)
        moru_optimizer_free(o);
    else
        *optimizer = o;
    return status;
}

moru_status moru_optimizer_from(moru_optimizer **optimizer, const char *spec)
{
    *optimizer = NULL;
    if (!spec)
        return moru_fail(MORU_ERR_ARGUMENT, "the optimizer's spec is NULL");
    if (spec[0] == '{') {
        json_error_t error;
        json_t *json = json_loads(spec, 0, &error);
        if (!json)
            return moru_fail(MORU_ERR_FORMAT, "optimizer: %s", error.text);
        moru_status status = moru_optimizer_from_json(optimizer, json, "optimizer");
        json_decref(json);
        return status;
    }
    moru_arena arena = {NULL};
    const moru_class *class_;
    void *options;
    moru_optimizer *o = NULL;
    moru_status status = moru_spec_parse(&arena, spec, classes, N_CLASSES, "optimizer", &class_, &options);
    if (status == MORU_OK && !(o = moru_optimizer_new(class_, options)))
        status = MORU_ERR_MEMORY;
    moru_arena_free(&arena);
    if (status == MORU_OK && o->status != MORU_OK) {
        status = moru_fail(o->status, "optimizer: %s", o->error);
        moru_optimizer_free(o);
        o = NULL;
    }
    *optimizer = o;
    return status;
}

/* ---- clipping ---- */

/* |g|: the root of the sum of squares */
static moru_node *sum_of_squares(moru_node *g)
{
    return moru_sum_all(moru_square(g));
}

/* g c / max(|g|, c) */
static moru_node *clip_norm(moru_node *g, double c)
{
    moru_node *limit = moru_clip(moru_sqrt(sum_of_squares(g)), c, INFINITY);
    return moru_div(moru_mul_scalar(g, c), limit);
}

/* All gradients times c min(1/|all|, 1/c); NaN stays NaN. */
static void clip_global_norm(moru_node **grads, int n, double c)
{
    moru_node *total = NULL;
    for (int i = 0; i < n; i++)
        total = total ? moru_add(total, sum_of_squares(grads[i])) : sum_of_squares(grads[i]);
    if (!total)
        return;
    moru_node *inverse = moru_reciprocal(moru_sqrt(total));
    moru_node *scale = moru_mul_scalar(moru_clip(inverse, 0, 1 / c), c);
    for (int i = 0; i < n; i++)
        grads[i] = moru_mul(grads[i], scale);
}

void moru_optimizer_clip(const moru_optimizer *optimizer, moru_node **grads, int n)
{
    const moru_optimizer_options *o = moru_optimizer_common(optimizer);
    if (o->global_clipnorm > 0)
        clip_global_norm(grads, n, o->global_clipnorm);
    for (int i = 0; i < n; i++) {
        if (o->clipnorm > 0)
            grads[i] = clip_norm(grads[i], o->clipnorm);
        else if (o->clipvalue > 0)
            grads[i] = moru_clip(grads[i], -o->clipvalue, o->clipvalue);
    }
}

/* ---- steps ---- */

moru_node *moru_decayed(const moru_stepping *s)
{
    if (s->weight_decay == 0)
        return s->param;
    return moru_sub(s->param, moru_mul(s->param, moru_mul_scalar(s->lr, s->weight_decay)));
}

moru_node *moru_toward(moru_node *old, moru_node *value, double rate)
{
    return moru_add(old, moru_mul_scalar(moru_sub(value, old), rate));
}

moru_node *moru_power_of(double b, moru_node *step)
{
    return moru_pow(moru_scalar(step->graph, b), step);
}

moru_node *moru_one_less(moru_node *x)
{
    return moru_add_scalar(moru_neg(x), 1);
}

static bool matches(const char *pattern, const char *name)
{
    regex_t regex;
    if (!pattern || regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool found = regexec(&regex, name, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

void moru_optimizer_step(const moru_optimizer *optimizer, const moru_weight *weight, moru_stepping *s,
                         moru_node **made)
{
    const moru_optimizer_options *o = moru_optimizer_common(optimizer);
    for (int k = 0; k <= MORU_MAX_SLOTS; k++)
        made[k] = NULL;
    s->options = o;
    s->weight = weight;
    s->excluded = matches(o->exclude_from_weight_decay, weight->name);
    s->weight_decay = s->excluded ? 0 : o->weight_decay;
    moru_optimizer_rule_of(optimizer)->step(s, made);
}

moru_tensor *moru_slot_new(const moru_slot *slot, const moru_weight *weight)
{
    moru_tensor *tensor = moru_tensor_new(MORU_REAL, slot->own_shape ? slot->shape
                                                                     : *moru_tensor_shape(weight->tensor));
    moru_real *data = tensor ? moru_tensor_data(tensor) : NULL;
    for (int64_t i = 0; data && slot->initial != 0 && i < moru_tensor_size(tensor); i++)
        data[i] = (moru_real)slot->initial;
    return tensor;
}
