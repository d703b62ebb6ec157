/* Metrics that are means over samples; t is the target, p the prediction. */
#include <math.h>

#include "layers/layer.h"
#include "train/metrics.h"
#include <moru/ops.h>

#define RULE(name_)                                                                                               \
    static moru_node *name_(const moru_metric_options *o, moru_node *t, moru_node *p, const char *name,           \
                            moru_node **mask)

/* Softmax keeps the order, so that it need not be computed to rank classes. */
static moru_node *scores(moru_node *p)
{
    moru_node *logits = moru_logits_of(p, "softmax");
    return logits ? logits : p;
}

/* ---- accuracies ---- */

RULE(accuracy)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    return moru_equal(pair.target, pair.prediction);
}

/* t == (p > threshold) */
RULE(binary_accuracy)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)mask;
    return moru_equal(pair.target, moru_greater(pair.prediction, moru_scalar(t->graph, o->threshold)));
}

/* argmax t == argmax p */
RULE(categorical_accuracy)
{
    moru_pair pair = moru_pair_equal(t, scores(p), name);
    (void)o, (void)mask;
    return moru_equal(moru_argmax(pair.target, -1), moru_argmax(pair.prediction, -1));
}

/* t == argmax p */
RULE(sparse_categorical_accuracy)
{
    (void)o, (void)mask;
    return moru_equal(moru_pair_labels(t, p, name), moru_argmax(scores(p), -1));
}

/* Fewer than k classes have a score above that of the label's class. */
static moru_node *in_top_k(moru_node *labels, moru_node *p, int64_t k)
{
    int64_t classes = moru_last_size(p);
    moru_node *own = moru_sum(moru_mul(p, moru_one_hot(labels, classes)), (int[]){-1}, 1, true);
    moru_node *above = moru_sum(moru_greater(p, own), (int[]){-1}, 1, false);
    return moru_less(above, moru_scalar(p->graph, (double)k));
}

RULE(top_k_categorical_accuracy)
{
    moru_pair pair = moru_pair_equal(t, scores(p), name);
    (void)mask;
    return in_top_k(moru_argmax(pair.target, -1), pair.prediction, o->k);
}

RULE(sparse_top_k_categorical_accuracy)
{
    moru_node *labels = moru_pair_labels(t, p, name);
    (void)mask;
    if (moru_node_failed(labels) || !o->from_sorted_ids)
        return moru_node_failed(labels) ? labels : in_top_k(labels, scores(p), o->k);
    moru_node *ids = moru_slice(p, -1, 0, o->k, 1);
    moru_node *equal = moru_equal(moru_expand_dims(moru_cast(labels, MORU_REAL), -1), ids);
    return moru_max(equal, (int[]){-1}, 1, false);
}

/* ---- errors ---- */

/* (t - p)^2; the root is taken at the end, of the mean over all samples */
RULE(root_mean_squared_error)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    return moru_squared_difference(pair.prediction, pair.target);
}

RULE(mean)
{
    (void)o, (void)p, (void)name, (void)mask;
    return t->dtype == MORU_REAL ? t : moru_cast(t, MORU_REAL);
}

/* x - mean x, along the last axis */
static moru_node *centred(moru_node *x)
{
    return moru_sub(x, moru_mean(x, (int[]){-1}, 1, true));
}

static moru_node *variance(moru_node *x)
{
    return moru_variance(x, (int[]){-1}, 1, true, 0);
}

static moru_pair along(const moru_metric_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    pair.target = moru_axis_last(pair.target, o->axis, name);
    pair.prediction = moru_axis_last(pair.prediction, o->axis, name);
    return pair;
}

RULE(pearson_correlation)
{
    moru_pair pair = along(o, t, p, name);
    (void)mask;
    moru_node *a = centred(pair.target), *b = centred(pair.prediction);
    a = moru_div(a, moru_sqrt(variance(a)));
    b = moru_div(b, moru_sqrt(variance(b)));
    return moru_mean_last(moru_mul(a, b));
}

/* 2 (t - mean p)(p - mean p)/(var t + var p + (mean t - mean p)^2 + epsilon), as Keras has it */
RULE(concordance_correlation)
{
    moru_pair pair = along(o, t, p, name);
    (void)mask;
    moru_node *t_mean = moru_mean(pair.target, (int[]){-1}, 1, true);
    moru_node *p_mean = moru_mean(pair.prediction, (int[]){-1}, 1, true);
    moru_node *covariance = moru_mul(moru_sub(pair.target, p_mean), moru_sub(pair.prediction, p_mean));
    moru_node *norm = moru_add(moru_add(variance(pair.target), variance(pair.prediction)),
                               moru_squared_difference(t_mean, p_mean));
    return moru_mean_last(moru_div(moru_mul_scalar(covariance, 2), moru_add_scalar(norm, MORU_EPSILON)));
}

RULE(cosine_similarity)
{
    const moru_loss_options along_axis = {.axis = o->loss.axis};
    const moru_loss_rule *rule = moru_cosine_similarity_class.functions;
    return moru_neg(rule->elements(&along_axis, t, p, name, mask));
}

/* ---- losses ---- */

static moru_node *of_loss(const moru_class *class_, const moru_metric_options *o, moru_node *t, moru_node *p,
                          moru_node **mask)
{
    moru_loss loss = {.class_ = class_, .options = (void *)(uintptr_t)&o->loss};
    return moru_loss_values(&loss, t, p, mask);
}

#define OF_LOSS(id) RULE(id) { (void)name; return of_loss(&moru_##id##_class, o, t, p, mask); }
OF_LOSS(squared_error)
OF_LOSS(absolute_error)
OF_LOSS(percentage_error)
OF_LOSS(logarithmic_error)
OF_LOSS(log_cosh)
OF_LOSS(hinge)
OF_LOSS(squared_hinge)
OF_LOSS(categorical_hinge)
OF_LOSS(kl_divergence)
OF_LOSS(poisson)
OF_LOSS(binary_crossentropy)
OF_LOSS(categorical_crossentropy)
OF_LOSS(sparse_categorical_crossentropy)

/* ---- classes ---- */

static moru_status check_k(moru_arena *arena, moru_metric *m, const char *where)
{
    (void)arena;
    return m->options->k >= 1 ? MORU_OK : moru_fail(MORU_ERR_ARGUMENT, "%s: k must be positive", where);
}

static const moru_field plain[] = {MORU_METRIC_NAME};
static const moru_field binary[] = {MORU_METRIC_NAME, MORU_METRIC_FIELD(threshold, MORU_FIELD_REAL)};
static const moru_field top_k[] = {MORU_METRIC_FIELD(k, MORU_FIELD_INT), MORU_METRIC_NAME};
static const moru_field sparse_top_k[] = {MORU_METRIC_FIELD(k, MORU_FIELD_INT), MORU_METRIC_NAME,
                                          MORU_METRIC_FIELD(from_sorted_ids, MORU_FIELD_BOOL)};
static const moru_field axis[] = {MORU_METRIC_NAME, MORU_METRIC_FIELD(axis, MORU_FIELD_INT)};
#define OF_LOSS_FIELD(member, kind) MORU_FIELD_NAMED(moru_metric_options, loss.member, kind, #member)
static const moru_field loss_axis[] = {MORU_METRIC_NAME, OF_LOSS_FIELD(axis, MORU_FIELD_INT)};
static const moru_field yes_or_no[] = {MORU_METRIC_NAME, OF_LOSS_FIELD(from_logits, MORU_FIELD_BOOL),
                                       OF_LOSS_FIELD(label_smoothing, MORU_FIELD_REAL)};
static const moru_field one_of[] = {MORU_METRIC_NAME, OF_LOSS_FIELD(from_logits, MORU_FIELD_BOOL),
                                    OF_LOSS_FIELD(label_smoothing, MORU_FIELD_REAL),
                                    OF_LOSS_FIELD(axis, MORU_FIELD_INT)};
static const moru_field sparse[] = {MORU_METRIC_NAME, OF_LOSS_FIELD(from_logits, MORU_FIELD_BOOL),
                                    OF_LOSS_FIELD(ignore_class, MORU_FIELD_OPTIONAL_INT),
                                    OF_LOSS_FIELD(axis, MORU_FIELD_INT)};

#define METRIC(id, class_text, alias_text, fields_, ...)                                                              \
    static const moru_metric_rule id##_rule = {.elements = id, __VA_ARGS__};                                          \
    static const moru_class id##_class = {class_text, alias_text, "keras.metrics", sizeof(moru_metric_options),       \
                                          &moru_metric_defaults, fields_, sizeof fields_ / sizeof *fields_, &id##_rule};
METRIC(accuracy, "Accuracy", NULL, plain, .up = true, .name = "accuracy")
METRIC(binary_accuracy, "BinaryAccuracy", "binary_accuracy", binary, .up = true)
METRIC(categorical_accuracy, "CategoricalAccuracy", "categorical_accuracy", plain, .up = true)
METRIC(sparse_categorical_accuracy, "SparseCategoricalAccuracy", "sparse_categorical_accuracy", plain, .up = true)
METRIC(top_k_categorical_accuracy, "TopKCategoricalAccuracy", "top_k_categorical_accuracy", top_k, .up = true,
       .check = check_k)
METRIC(sparse_top_k_categorical_accuracy, "SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy",
       sparse_top_k, .up = true, .check = check_k)
METRIC(root_mean_squared_error, "RootMeanSquaredError", "root_mean_squared_error", plain, .kind = MORU_METRIC_ROOT)
METRIC(pearson_correlation, "PearsonCorrelation", "pearson_correlation", axis, .up = true)
METRIC(concordance_correlation, "ConcordanceCorrelation", "concordance_correlation", axis, .up = true)
METRIC(cosine_similarity, "CosineSimilarity", "cosine_similarity", loss_axis, .up = true)
METRIC(squared_error, "MeanSquaredError", "mean_squared_error", plain, .up = false)
METRIC(absolute_error, "MeanAbsoluteError", "mean_absolute_error", plain, .up = false)
METRIC(percentage_error, "MeanAbsolutePercentageError", "mean_absolute_percentage_error", plain, .up = false)
METRIC(logarithmic_error, "MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", plain, .up = false)
METRIC(log_cosh, "LogCoshError", "log_cosh_error", plain, .name = "logcosh")
METRIC(hinge, "Hinge", "hinge", plain, .up = false)
METRIC(squared_hinge, "SquaredHinge", "squared_hinge", plain, .up = false)
METRIC(categorical_hinge, "CategoricalHinge", "categorical_hinge", plain, .up = false)
METRIC(kl_divergence, "KLDivergence", "kl_divergence", plain, .up = false)
METRIC(poisson, "Poisson", "poisson", plain, .up = false)
METRIC(binary_crossentropy, "BinaryCrossentropy", "binary_crossentropy", yes_or_no, .up = false)
METRIC(categorical_crossentropy, "CategoricalCrossentropy", "categorical_crossentropy", one_of, .up = false)
METRIC(sparse_categorical_crossentropy, "SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", sparse,
       .up = false)
METRIC(mean, "Mean", "mean", plain, .kind = MORU_METRIC_PAIR)
static const moru_metric_rule sum_rule = {.elements = mean, .kind = MORU_METRIC_SUM};
static const moru_class sum_class = {"Sum", "sum", "keras.metrics", sizeof(moru_metric_options), &moru_metric_defaults,
                                     plain, 1, &sum_rule};

const moru_class *const moru_mean_metric_classes[] = {
    &accuracy_class, &binary_accuracy_class, &categorical_accuracy_class, &sparse_categorical_accuracy_class,
    &top_k_categorical_accuracy_class, &sparse_top_k_categorical_accuracy_class, &root_mean_squared_error_class,
    &pearson_correlation_class, &concordance_correlation_class, &cosine_similarity_class, &squared_error_class,
    &absolute_error_class, &percentage_error_class, &logarithmic_error_class, &log_cosh_class, &hinge_class,
    &squared_hinge_class, &categorical_hinge_class, &kl_divergence_class, &poisson_class, &binary_crossentropy_class,
    &categorical_crossentropy_class, &sparse_categorical_crossentropy_class, &mean_class, &sum_class};
const int moru_mean_metric_count = sizeof moru_mean_metric_classes / sizeof *moru_mean_metric_classes;
