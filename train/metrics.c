/* Metrics: parsing, naming, states. The formulas are in metrics_*.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/tensor.h"
#include "train/metrics.h"
#include <moru/ops.h>

const moru_metric_options moru_metric_defaults = {
    .loss = {.delta = 1, .q = 0.5, .axis = -1, .ignore_class = MORU_NO_INT, .reduction = "sum_over_batch_size"},
    .k = 5, .threshold = 0.5, .top_k = MORU_NO_INT, .class_id = MORU_NO_INT, .num_thresholds = 200, .curve = "ROC",
    .summation_method = "interpolation", .num_labels = MORU_NO_INT, .beta = 1, .ignore_class = MORU_NO_INT, .axis = -1,
    .sparse_y_true = true, .sparse_y_pred = true, .class_aggregation = "uniform_average", .value = 0.5};

/* ---- for rules ---- */

int64_t moru_metric_size(const moru_shape *shape)
{
    int64_t size = 1;
    for (int i = 0; i < shape->rank; i++)
        size *= shape->dims[i];
    return size;
}

double moru_metric_element(moru_dtype dtype, const void *data, int64_t i)
{
    return dtype == MORU_INT32 ? (double)((const int32_t *)data)[i] : (double)((const moru_real *)data)[i];
}

double moru_metric_weight(const moru_metric_data *d, int64_t i)
{
    int64_t n = d->w ? moru_metric_size(&d->w_shape) : 0, all = moru_metric_size(&d->p_shape);
    return n > 0 ? moru_metric_element(d->w_dtype, d->w, i / (all / n > 0 ? all / n : 1)) : 1;
}

double moru_ratio(double a, double b)
{
    return b == 0 ? 0 : a / b;
}

moru_status moru_metric_list(moru_arena *arena, const char *text, const char *where, moru_list *list)
{
    json_t *whole = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL, *json = whole;
    if (json_is_object(json)) /* Keras's tensor */
        json = json_object_get(json_object_get(json, "config"), "value");
    size_t n = json_is_array(json) ? json_array_size(json) : json ? 1 : 0;
    moru_status status = MORU_OK;
    list->n = (int64_t)n;
    list->values = moru_arena_alloc(arena, (n + 1) * sizeof *list->values);
    for (size_t i = 0; list->values && i < n; i++) {
        json_t *item = json_is_array(json) ? json_array_get(json, i) : json;
        list->values[i] = json_number_value(item);
        if (!json_is_number(item))
            status = moru_fail(MORU_ERR_ARGUMENT, "%s: %.60s isn't a number or a list of numbers", where, text);
    }
    json_decref(whole);
    return list->values ? status : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}

/* ---- parsing ---- */

static bool is_accuracy(const char *spec)
{
    return strcasecmp(spec, "accuracy") == 0 || strcasecmp(spec, "acc") == 0;
}

static const struct family { const moru_class *const *classes; const int *n; } families[] = {
    {moru_mean_metric_classes, &moru_mean_metric_count}, {moru_confusion_metric_classes, &moru_confusion_metric_count},
    {moru_score_metric_classes, &moru_score_metric_count}};
enum { N_FAMILIES = sizeof families / sizeof *families };

/* Keras's short names of metrics. */
static const char *metric_name(const char *name)
{
    static const char *const names[][2] = {
        {"mse", "mean_squared_error"}, {"mae", "mean_absolute_error"}, {"mape", "mean_absolute_percentage_error"},
        {"msle", "mean_squared_logarithmic_error"}, {"bce", "binary_crossentropy"}};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (strcasecmp(name, names[k][0]) == 0)
            return names[k][1];
    return name;
}

static const moru_class *class_named(const char *name)
{
    name = metric_name(name);
    for (int f = 0; f < N_FAMILIES; f++)
        for (int k = 0; k < *families[f].n; k++) {
            const moru_class *c = families[f].classes[k];
            if (strcmp(name, c->class_name) == 0 || (c->alias && strcmp(name, c->alias) == 0))
                return c;
        }
    return NULL;
}

/* The class that a spec names, of Keras's metrics; NULL: none. */
static const moru_class *class_of(const char *spec)
{
    char name[80];
    if (spec[0] != '{') {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(spec, "("), spec);
        return class_named(name);
    }
    json_t *json = json_loads(spec, 0, NULL);
    const char *module = json_string_value(json_object_get(json, "module"));
    const char *class_name = json_string_value(json_object_get(json, "class_name"));
    bool loss = module && strcmp(module, "keras.losses") == 0;
    const moru_class *found = class_name && !loss ? class_named(class_name) : NULL;
    json_decref(json);
    return found;
}

/* What a mean of a function has: a name of its own, and the metric of that name or else the loss. */
typedef struct wrapped { moru_arena *arena; const char *name; } wrapped;

static void name_wrapped(void *context, json_t *object, json_t *name)
{
    wrapped *w = context;
    json_t *own = json_object_get(json_object_get(object, "config"), "name");
    const moru_class *metric = json_is_string(name) ? class_named(json_string_value(name)) : NULL;
    if (json_is_string(own))
        w->name = moru_arena_strdup(w->arena, json_string_value(own));
    json_object_set_new(object, "module", json_string(metric ? "keras.metrics" : "keras.losses"));
    if (metric)
        json_object_set_new(object, "class_name", json_string(metric->class_name));
}

static const moru_metric_rule *rule_of(const moru_metric *metric)
{
    return metric->class_ ? metric->class_->functions : NULL;
}

static moru_status parse_class(moru_arena *arena, const char *spec, const char *where, moru_metric *metric)
{
    const moru_class *const one = metric->class_;
    const char *plain = strchr(spec, '(') || spec[0] == '{' ? spec : one->class_name, *normal;
    void *options;
    MORU_TRY(moru_spec_parse(arena, plain, &one, 1, where, &metric->class_, &options));
    MORU_TRY(moru_spec_normalize(arena, plain, &one, 1, where, &normal));
    metric->options = options;
    MORU_TRY(moru_loss_check(&metric->options->loss, where));
    if (rule_of(metric)->check)
        MORU_TRY(rule_of(metric)->check(arena, metric, where));
    metric->spec = plain == spec ? normal : spec; /* names stay as they were written */
    metric->name = metric->options->name;
    if (!metric->name && plain != spec)
        metric->name = spec;
    if (!metric->name)
        metric->name = rule_of(metric)->name ? rule_of(metric)->name : one->alias;
    return MORU_OK;
}

/* {"fn": Keras's function of the loss, its arguments, the name that logs have}: an object that takes means over
 * samples, where a loss itself would give one number a batch. */
static json_t *wrapper_of(const moru_metric *metric)
{
    const moru_class *class_ = metric->loss.class_;
    json_t *config = moru_fields_write(class_->fields, class_->n_fields, metric->loss.options);
    json_object_del(config, "reduction");
    json_object_set_new(config, "name", json_string(metric->name));
    json_object_set_new(config, "dtype", json_string("float32"));
    json_object_set_new(config, "fn", json_pack("{s:s,s:s,s:s,s:s}", "module", "builtins", "class_name", "function",
                                                "config", class_->alias, "registered_name", "function"));
    return json_pack("{s:s,s:s,s:o,s:n}", "module", "keras.metrics", "class_name", "MeanMetricWrapper", "config",
                     config, "registered_name");
}

/* A loss that is none of Keras's metrics. */
static moru_status parse_loss(moru_arena *arena, const char *spec, const char *where, moru_metric *metric)
{
    MORU_TRY(moru_loss_parse(arena, spec, where, &metric->loss));
    json_t *given = spec[0] == '{' ? json_loads(spec, 0, NULL) : NULL;
    const char *own = json_string_value(json_object_get(json_object_get(given, "config"), "name"));
    metric->name = moru_arena_strdup(arena, own ? own : strpbrk(spec, "({") ? metric->loss.class_->alias : spec);
    json_decref(given);
    json_t *json = metric->name ? wrapper_of(metric) : NULL;
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    metric->spec = text ? moru_arena_strdup(arena, text) : NULL;
    free(text);
    json_decref(json);
    return metric->name && metric->spec ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}

moru_status moru_metric_parse(moru_arena *arena, const char *spec, const char *where, moru_metric *metric)
{
    wrapped own = {.arena = arena};
    *metric = (moru_metric){NULL};
    if (!(spec = moru_spec_unwrap(arena, spec, "MeanMetricWrapper", name_wrapped, &own)))
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    moru_status status = MORU_OK;
    if (is_accuracy(spec)) {
        metric->name = metric->spec = spec;
    } else if ((metric->class_ = class_of(spec))) {
        status = parse_class(arena, spec, where, metric);
    } else if (parse_loss(arena, spec, where, metric) != MORU_OK) {
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: the metric \"%.80s\" isn't known, or not with these arguments: "
                         "it is accuracy, a class of Keras's metrics, or a loss", where, spec);
    }
    MORU_TRY(status);
    if (own.name)
        metric->name = own.name;
    metric->name = moru_arena_strdup(arena, metric->name);
    metric->spec = moru_arena_strdup(arena, metric->spec);
    return metric->name && metric->spec ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}

/* ---- means ---- */

bool moru_metric_is_mean(const moru_metric *metric)
{
    return !metric->class_ || rule_of(metric)->elements;
}

/* Keras's choice among the three accuracies. */
static const moru_class *accuracy_for(const moru_shape *t, const moru_shape *p)
{
    int64_t t_last = t->rank > 0 ? t->dims[t->rank - 1] : 0, p_last = p->rank > 0 ? p->dims[p->rank - 1] : 0;
    if (p_last == 1)
        return class_named("BinaryAccuracy");
    return class_named(t->rank < p->rank || (t_last == 1 && p_last > 1) ? "SparseCategoricalAccuracy"
                                                                        : "CategoricalAccuracy");
}

static moru_node *mean_over(moru_node *x, int first, int stop)
{
    int axes[MORU_MAX_RANK], n = 0;
    for (int i = first; i < stop; i++)
        axes[n++] = i;
    return n > 0 ? moru_mean(x, axes, n, false) : x;
}

static moru_node *both(moru_node *total, moru_node *count)
{
    return moru_stack((moru_node *[]){total, count}, 2, 0);
}

/* As Keras reduces values to samples: means of values that share a weight, then of weighted values. */
static moru_node *weighted_sums(moru_node *values, moru_node *weights, bool mean)
{
    moru_pair pair = moru_pair_ranks(values, weights);
    values = pair.target;
    weights = pair.prediction;
    if (moru_node_failed(values) || moru_node_failed(weights))
        return values;
    int rank = weights->shape.rank;
    if (mean)
        values = mean_over(values, rank, values->shape.rank);
    else
        weights = moru_pair_weights(values, weights).prediction;
    weights = moru_broadcast_like(weights, values);
    values = moru_mul(values, weights);
    if (mean) {
        weights = mean_over(weights, 1, weights->shape.rank);
        values = mean_over(values, 1, values->shape.rank);
    }
    return both(moru_sum_all(values), moru_sum_all(weights));
}

static moru_node *sums_of(moru_node *values, bool mean)
{
    if (moru_node_failed(values))
        return values;
    if (values->shape.rank == 0)
        return both(values, moru_scalar(values->graph, 1));
    if (mean)
        values = mean_over(values, 1, values->shape.rank);
    return both(moru_sum_all(values), moru_sum_all(moru_ones_like(values)));
}

static moru_node *as_weights(moru_node *mask)
{
    return mask->dtype == MORU_REAL ? mask : moru_cast(mask, MORU_REAL);
}

/* Both weights and mask, or the one there is. */
static moru_node *merge(moru_node *weights, moru_node *mask)
{
    if (weights)
        weights = as_weights(weights);
    if (!mask || !weights)
        return weights ? weights : mask ? as_weights(mask) : NULL;
    moru_pair pair = moru_pair_weights(as_weights(mask), weights);
    return moru_mul(pair.target, pair.prediction);
}

moru_node *moru_metric_mean(const moru_metric *metric, moru_node *target, moru_node *prediction, moru_node *weights)
{
    moru_node *values, *own = NULL;
    int kind = MORU_METRIC_MASKED;
    if (moru_node_failed(target) || moru_node_failed(prediction))
        return moru_node_failed(target) ? target : prediction;
    if (metric->loss.class_) {
        values = moru_loss_values(&metric->loss, target, prediction, &own);
    } else {
        const moru_class *class_ = metric->class_ ? metric->class_ : accuracy_for(&target->shape, &prediction->shape);
        const moru_metric_rule *rule = class_->functions;
        values = rule->elements(metric->class_ ? metric->options : class_->defaults, target, prediction, metric->name,
                                &own);
        kind = rule->kind;
    }
    if (kind == MORU_METRIC_PAIR || kind == MORU_METRIC_SUM) /* Keras's Mean and Sum take the second value as weights */
        return weighted_sums(values, as_weights(prediction), kind == MORU_METRIC_PAIR);
    if (kind == MORU_METRIC_MASKED)
        weights = merge(weights, prediction->mask);
    if (weights)
        weights = merge(weights, own);
    return weights ? weighted_sums(values, weights, true) : sums_of(values, true);
}

/* ---- states ---- */

moru_status moru_metric_begin(const moru_metric *metric, const moru_metric_data *d, moru_metric_state *state)
{
    *state = (moru_metric_state){.rows = 1, .columns = 2};
    if (!moru_metric_is_mean(metric)) {
        int64_t n = moru_metric_size(&d->p_shape), weights = d->w ? moru_metric_size(&d->w_shape) : 0;
        if (weights > 0 && (n % weights != 0 || d->w_shape.dims[0] != d->p_shape.dims[0]))
            return moru_fail(MORU_ERR_SHAPE, "%s: %lld weights don't fit the output's %lld values", metric->name,
                             (long long)weights, (long long)n);
        MORU_TRY(rule_of(metric)->shape(metric, d, metric->name, state));
    }
    state->sums = calloc((size_t)state->rows * (size_t)state->columns + 1, sizeof *state->sums);
    return state->sums ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory for a metric", metric->name);
}

void moru_metric_update(const moru_metric *metric, const moru_metric_data *d, moru_metric_state *state)
{
    rule_of(metric)->update(metric, d, state);
}

void moru_metric_state_free(moru_metric_state *state)
{
    free(state->sums);
    state->sums = NULL;
}

int64_t moru_metric_results(const moru_metric *metric, moru_metric_state *state, double *out, int64_t capacity)
{
    const moru_metric_rule *rule = rule_of(metric);
    if (!moru_metric_is_mean(metric))
        return rule->results(metric, state, out, capacity);
    double value = rule && rule->kind == MORU_METRIC_SUM ? state->sums[0] : moru_ratio(state->sums[0], state->sums[1]);
    if (capacity > 0)
        out[0] = rule && rule->kind == MORU_METRIC_ROOT ? sqrt(value) : value;
    return 1;
}

double moru_metric_value(const moru_metric *metric, moru_metric_state *state)
{
    double few[16], sum = 0, *values = few, *many = NULL;
    int64_t n = moru_metric_results(metric, state, few, 16);
    if (n > 16) {
        if (!(many = malloc((size_t)n * sizeof *many)))
            return NAN;
        moru_metric_results(metric, state, values = many, n);
    }
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    free(many);
    return n > 0 ? sum / (double)n : (double)NAN;
}

bool moru_metric_goes_up(const moru_metric *metric)
{
    return !metric->loss.class_ && (!metric->class_ || rule_of(metric)->up);
}
