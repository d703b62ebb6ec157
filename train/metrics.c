/* Metrics, of targets t and predictions p. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/metrics.h"
#include <moru/ops.h>

typedef struct metric_options {
    const char *name;
    double threshold;
    int64_t k;
} metric_options;

typedef moru_node *metric_fn(const metric_options *o, moru_node *t, moru_node *p, const char *name);
typedef struct metric_rule { metric_fn *apply; } metric_rule;

/* Softmax keeps the order, so that it need not be computed to rank classes. */
static moru_node *scores(moru_node *p)
{
    moru_node *logits = moru_logits_of(p, "softmax");
    return logits ? logits : p;
}

static moru_node *one_if_equal(moru_node *a, moru_node *b)
{
    return moru_mean_all(moru_equal(a, b));
}

/* t == (p > threshold) */
static moru_node *binary_accuracy(const metric_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    return one_if_equal(pair.target, moru_greater(pair.prediction, moru_scalar(t->graph, o->threshold)));
}

/* argmax t == argmax p */
static moru_node *categorical_accuracy(const metric_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, scores(p), name);
    (void)o;
    return one_if_equal(moru_argmax(pair.target, -1), moru_argmax(pair.prediction, -1));
}

/* t == argmax p */
static moru_node *sparse_categorical_accuracy(const metric_options *o, moru_node *t, moru_node *p, const char *name)
{
    (void)o;
    return one_if_equal(moru_pair_labels(t, p, name), moru_argmax(scores(p), -1));
}

/* Fewer than k classes have a score above that of the label's class. */
static moru_node *in_top_k(moru_node *labels, moru_node *p, int64_t k)
{
    int64_t classes = p->shape.dims[p->shape.rank - 1];
    moru_node *own = moru_sum(moru_mul(p, moru_one_hot(labels, classes)), (int[]){-1}, 1, true);
    moru_node *above = moru_sum(moru_greater(p, own), (int[]){-1}, 1, false);
    return moru_mean_all(moru_less(above, moru_scalar(p->graph, (double)k)));
}

static moru_node *top_k_categorical_accuracy(const metric_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, scores(p), name);
    return in_top_k(moru_argmax(pair.target, -1), pair.prediction, o->k);
}

static moru_node *sparse_top_k_categorical_accuracy(const metric_options *o, moru_node *t, moru_node *p,
                                                    const char *name)
{
    return in_top_k(moru_pair_labels(t, p, name), scores(p), o->k);
}

/* (t - p)^2; the root is taken at the end, of the mean over all samples */
static moru_node *root_mean_squared_error(const metric_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o;
    return moru_mean_all(moru_squared_difference(pair.prediction, pair.target));
}

static const metric_options defaults = {.threshold = 0.5, .k = 5};
static const moru_field plain_fields[] = {MORU_FIELD(metric_options, name, MORU_FIELD_TEXT)};
static const moru_field binary_fields[] = {MORU_FIELD(metric_options, threshold, MORU_FIELD_REAL),
                                           MORU_FIELD(metric_options, name, MORU_FIELD_TEXT)};
static const moru_field top_k_fields[] = {MORU_FIELD(metric_options, k, MORU_FIELD_INT),
                                          MORU_FIELD(metric_options, name, MORU_FIELD_TEXT)};

#define METRIC(function, class_text, fields)                                                                \
    static const metric_rule function##_rule = {function};                                                  \
    static const moru_class function##_class = {class_text, #function, "keras.metrics", sizeof(metric_options),\
                                                &defaults, fields, sizeof fields / sizeof *fields, &function##_rule};
METRIC(binary_accuracy, "BinaryAccuracy", binary_fields)
METRIC(categorical_accuracy, "CategoricalAccuracy", plain_fields)
METRIC(sparse_categorical_accuracy, "SparseCategoricalAccuracy", plain_fields)
METRIC(top_k_categorical_accuracy, "TopKCategoricalAccuracy", top_k_fields)
METRIC(sparse_top_k_categorical_accuracy, "SparseTopKCategoricalAccuracy", top_k_fields)
METRIC(root_mean_squared_error, "RootMeanSquaredError", plain_fields)

static const moru_class *const classes[] = {
    &binary_accuracy_class, &categorical_accuracy_class, &sparse_categorical_accuracy_class,
    &top_k_categorical_accuracy_class, &sparse_top_k_categorical_accuracy_class, &root_mean_squared_error_class};
enum { N_CLASSES = sizeof classes / sizeof *classes };

static bool is_accuracy(const char *spec)
{
    return strcmp(spec, "accuracy") == 0 || strcmp(spec, "acc") == 0;
}

/* By "name", "name(" or "class_name": "Name". */
static bool names_a_metric(const char *spec)
{
    for (int k = 0; k < N_CLASSES; k++) {
        const char *const names[] = {classes[k]->alias, classes[k]->class_name};
        for (int i = 0; i < 2; i++) {
            size_t n = strlen(names[i]);
            char quoted[80] = "\"";
            strcat(strcat(quoted, names[i]), "\"");
            if ((strncmp(spec, names[i], n) == 0 && (spec[n] == '\0' || spec[n] == '(')) || strstr(spec, quoted))
                return true;
        }
    }
    return false;
}

/* Keras calls a metric what it was called in compile(), or what the object calls itself. */
static const char *name_of(moru_arena *arena, const moru_metric *metric, const char *spec)
{
    const metric_options *o = metric->options;
    if (metric->class_ && o->name)
        return o->name;
    const moru_class *class_ = metric->class_ ? metric->class_ : metric->loss.class_;
    json_t *json = metric->class_ ? NULL : json_loads(spec, 0, NULL); /* a loss's fields hold no name */
    const char *own = json_string_value(json_object_get(json_object_get(json, "config"), "name"));
    const char *name = moru_arena_strdup(arena, own ? own : strpbrk(spec, "({") ? class_->alias : spec);
    json_decref(json);
    return name;
}

/* Names of losses that are none of Keras's metrics, and losses with arguments, are written as objects of that name. */
static const char *loss_spec(moru_arena *arena, const moru_metric *metric, const char *spec)
{
    static const char *const losses_only[] = {"huber", "log_cosh", "logcosh", "kld", "KLD"};
    bool object = strchr(spec, '(') != NULL;
    for (size_t k = 0; k < sizeof losses_only / sizeof *losses_only; k++)
        object |= strcmp(spec, losses_only[k]) == 0;
    if (!object)
        return moru_arena_strdup(arena, spec);
    json_t *json = moru_class_to_json(metric->loss.class_, metric->loss.options);
    char *text = NULL;
    if (json_object_set_new(json_object_get(json, "config"), "name", json_string(metric->name)) == 0)
        text = json_dumps(json, JSON_COMPACT);
    const char *kept = text ? moru_arena_strdup(arena, text) : NULL;
    free(text);
    json_decref(json);
    return kept;
}

moru_status moru_metric_parse(moru_arena *arena, const char *spec, const char *where, moru_metric *metric)
{
    *metric = (moru_metric){NULL};
    if (is_accuracy(spec)) {
        metric->name = metric->spec = moru_arena_strdup(arena, spec);
        return metric->name ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    }
    if (names_a_metric(spec)) {
        const char *normal;
        MORU_TRY(moru_spec_parse(arena, spec, classes, N_CLASSES, where, &metric->class_, &metric->options));
        MORU_TRY(moru_spec_normalize(arena, spec, classes, N_CLASSES, where, &normal));
        if (((metric_options *)metric->options)->k < 1)
            return moru_fail(MORU_ERR_ARGUMENT, "%s: k must be positive", where);
        metric->spec = moru_arena_strdup(arena, normal);
    } else if (moru_loss_parse(arena, spec, where, &metric->loss) == MORU_OK) {
        if (spec[0] == '{')
            metric->spec = metric->loss.spec;
    } else {
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: the metric \"%.80s\" isn't known: accuracy, binary_accuracy, "
                         "categorical_accuracy, sparse_categorical_accuracy, top_k_categorical_accuracy, "
                         "sparse_top_k_categorical_accuracy, root_mean_squared_error, or a loss", where, spec);
    }
    metric->name = name_of(arena, metric, spec);
    if (metric->name && !metric->spec)
        metric->spec = loss_spec(arena, metric, spec);
    return metric->name && metric->spec ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}

/* Keras's choice among the three accuracies. */
static metric_fn *accuracy_for(const moru_shape *t, const moru_shape *p)
{
    int64_t t_last = t->rank > 0 ? t->dims[t->rank - 1] : 0, p_last = p->rank > 0 ? p->dims[p->rank - 1] : 0;
    if (p_last == 1)
        return binary_accuracy;
    return t->rank < p->rank || (t_last == 1 && p_last > 1) ? sparse_categorical_accuracy : categorical_accuracy;
}

moru_node *moru_metric_apply(const moru_metric *metric, moru_node *target, moru_node *prediction)
{
    if (moru_node_failed(target) || moru_node_failed(prediction))
        return moru_node_failed(target) ? target : prediction;
    if (metric->loss.class_)
        return moru_mean_all(moru_loss_values(&metric->loss, target, prediction));
    if (!metric->class_)
        return accuracy_for(&target->shape, &prediction->shape)(&defaults, target, prediction, metric->name);
    const metric_rule *rule = metric->class_->functions;
    return rule->apply(metric->options, target, prediction, metric->name);
}

double moru_metric_finish(const moru_metric *metric, double mean)
{
    return metric->class_ == &root_mean_squared_error_class ? sqrt(mean) : mean;
}

bool moru_metric_goes_up(const moru_metric *metric)
{
    return !metric->loss.class_ && metric->class_ != &root_mean_squared_error_class;
}
