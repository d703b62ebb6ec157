/* Losses, of targets t and predictions p. Each is given by its elements and what becomes of the last axis. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/losses.h"
#include <moru/ops.h>

#define EPSILON 1e-7 /* keras.config.epsilon() */

typedef struct loss_options {
    bool from_logits;
    double label_smoothing, delta;
    int64_t axis;
    const char *reduction;
} loss_options;

typedef enum last_axis { LAST_MEAN, LAST_SUM, LAST_GONE } last_axis;

typedef struct loss_rule {
    moru_node *(*elements)(const loss_options *o, moru_node *t, moru_node *p, const char *name);
    last_axis last;
    bool sparse;
} loss_rule;

/* ---- shapes ---- */

moru_node *moru_logits_of(moru_node *prediction, const char *activation)
{
    if (moru_node_failed(prediction) || strcmp(prediction->call->op->name, activation) != 0)
        return NULL;
    moru_node *logits = prediction->call->inputs[0];
    char text[64] = "", last[32];
    if (prediction->call->op->print)
        prediction->call->op->print(prediction->call->attrs, text, sizeof text);
    snprintf(last, sizeof last, "axis=%d", (int)logits->shape.rank - 1);
    return text[0] == '\0' || strcmp(text, last) == 0 || strcmp(text, "axis=-1") == 0 ? logits : NULL;
}

static int64_t last_size(const moru_node *x)
{
    return x->shape.rank > 0 ? x->shape.dims[x->shape.rank - 1] : 0;
}

moru_pair moru_pair_ranks(moru_node *target, moru_node *prediction)
{
    int t = target->shape.rank, p = prediction->shape.rank;
    moru_pair pair = {target, prediction};
    if (t == p + 1 && last_size(target) == 1) {
        if (p == 1)
            pair.prediction = moru_expand_dims(prediction, -1);
        else
            pair.target = moru_squeeze(target, -1);
    } else if (p == t + 1 && last_size(prediction) == 1) {
        if (t == 1)
            pair.target = moru_expand_dims(target, -1);
        else
            pair.prediction = moru_squeeze(prediction, -1);
    }
    return pair;
}

/* Open sizes fit every size until the program is compiled. */
static bool sizes_fit(const moru_shape *a, const moru_shape *b, int rank)
{
    for (int i = 0; i < rank; i++)
        if (a->dims[i] >= 0 && b->dims[i] >= 0 && a->dims[i] != b->dims[i])
            return false;
    return true;
}

static void fail_pair(moru_node *target, moru_node *prediction, const char *op, const char *wanted)
{
    char t[MORU_SHAPE_TEXT], p[MORU_SHAPE_TEXT];
    moru_graph_fail(target->graph, MORU_ERR_SHAPE, "%s: the targets' shape %s doesn't fit the output's %s: %s", op,
                    moru_shape_print(&target->shape, t, sizeof t),
                    moru_shape_print(&prediction->shape, p, sizeof p), wanted);
}

moru_pair moru_pair_equal(moru_node *target, moru_node *prediction, const char *op)
{
    moru_pair pair = moru_pair_ranks(target, prediction);
    if (pair.target->shape.rank != pair.prediction->shape.rank
        || !sizes_fit(&pair.target->shape, &pair.prediction->shape, pair.target->shape.rank))
        fail_pair(target, prediction, op, "they must be equal");
    if (pair.target->dtype != MORU_REAL)
        pair.target = moru_cast(pair.target, MORU_REAL);
    return pair;
}

moru_node *moru_pair_labels(moru_node *target, moru_node *prediction, const char *op)
{
    moru_node *labels = target;
    if (labels->shape.rank == prediction->shape.rank && last_size(labels) == 1)
        labels = moru_squeeze(labels, -1);
    if (labels->shape.rank != prediction->shape.rank - 1
        || !sizes_fit(&labels->shape, &prediction->shape, labels->shape.rank))
        fail_pair(target, prediction, op, "one class number is wanted for each of the output's rows");
    return labels->dtype == MORU_INT32 ? labels : moru_cast(labels, MORU_INT32);
}

moru_node *moru_mean_last(moru_node *x)
{
    return moru_mean(x, (int[]){-1}, 1, false);
}

/* ---- regression ---- */

/* (t - p)^2 */
static moru_node *squared_error(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o;
    return moru_squared_difference(pair.prediction, pair.target);
}

/* |t - p| */
static moru_node *absolute_error(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o;
    return moru_abs(moru_sub(pair.prediction, pair.target));
}

/* e^2/2 where |e| <= delta, elsewhere delta |e| - delta^2/2; e = p - t */
static moru_node *huber(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    moru_node *error = moru_sub(pair.prediction, pair.target), *size = moru_abs(error);
    moru_node *near = moru_mul_scalar(moru_square(error), 0.5);
    moru_node *far = moru_add_scalar(moru_mul_scalar(size, o->delta), -0.5 * o->delta * o->delta);
    return moru_where(moru_less_equal(size, moru_scalar(t->graph, o->delta)), near, far);
}

/* log cosh e = e + softplus(-2 e) - log 2 */
static moru_node *log_cosh(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    moru_node *error = moru_sub(pair.prediction, pair.target);
    (void)o;
    return moru_add_scalar(moru_add(error, moru_softplus(moru_mul_scalar(error, -2))), -log(2.0));
}

/* p - t log(p + epsilon) */
static moru_node *poisson(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o;
    return moru_sub(pair.prediction, moru_mul(pair.target, moru_log(moru_add_scalar(pair.prediction, EPSILON))));
}

/* ---- classification ---- */

/* max(1 - t p, 0); targets that are all 0 or 1 become -1 and 1 */
static moru_node *hinge(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    moru_node *labels = pair.target;
    (void)o;
    moru_node *binary = moru_logical_or(moru_equal(labels, moru_scalar(t->graph, 0)),
                                        moru_equal(labels, moru_scalar(t->graph, 1)));
    moru_node *signs = moru_add_scalar(moru_mul_scalar(labels, 2), -1);
    labels = moru_where(moru_min(binary, NULL, 0, false), signs, labels);
    return moru_clip(moru_add_scalar(moru_neg(moru_mul(labels, pair.prediction)), 1), 0, INFINITY);
}

/* t log(t/p), both clipped to [epsilon, 1] */
static moru_node *kl_divergence(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    moru_node *target = moru_clip(pair.target, EPSILON, 1), *prediction = moru_clip(pair.prediction, EPSILON, 1);
    (void)o;
    return moru_mul(target, moru_log(moru_div(target, prediction)));
}

/* From logits z: max(z, 0) - z t + log(1 + exp(-|z|)); from probabilities: -(t log p + (1 - t) log(1 - p)), clipped */
static moru_node *binary_crossentropy(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_node *logits = moru_logits_of(p, "sigmoid");
    if (!logits && o->from_logits)
        logits = p;
    moru_pair pair = moru_pair_equal(t, logits ? logits : p, name);
    moru_node *target = pair.target;
    if (o->label_smoothing > 0)
        target = moru_add_scalar(moru_mul_scalar(target, 1 - o->label_smoothing), 0.5 * o->label_smoothing);
    if (logits)
        return moru_sigmoid_cross_entropy(pair.prediction, target);
    moru_node *q = moru_clip(pair.prediction, EPSILON, 1 - EPSILON);
    moru_node *yes = moru_mul(target, moru_log(q));
    moru_node *no = moru_mul(moru_add_scalar(moru_neg(target), 1), moru_log(moru_add_scalar(moru_neg(q), 1)));
    return moru_neg(moru_add(yes, no));
}

/* From logits: -sum t log softmax(z); from probabilities: -sum t log(p/sum p), clipped */
static moru_node *categorical_crossentropy(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_node *logits = moru_logits_of(p, "softmax");
    if (!logits && o->from_logits)
        logits = p;
    moru_pair pair = moru_pair_equal(t, logits ? logits : p, name);
    moru_node *target = pair.target;
    int64_t classes = last_size(pair.prediction);
    if (o->label_smoothing > 0 && classes < 1)
        return moru_graph_fail(t->graph, MORU_ERR_SHAPE, "%s: label_smoothing needs a known number of classes", name);
    if (o->label_smoothing > 0)
        target = moru_add_scalar(moru_mul_scalar(target, 1 - o->label_smoothing), o->label_smoothing / (double)classes);
    if (logits)
        return moru_cross_entropy(pair.prediction, target);
    moru_node *q = moru_div(pair.prediction, moru_sum(pair.prediction, (int[]){-1}, 1, true));
    q = moru_log(moru_clip(q, EPSILON, 1 - EPSILON));
    return moru_neg(moru_sum(moru_mul(target, q), (int[]){-1}, 1, false));
}

/* From logits: -log softmax(z)[label]; from probabilities: the same with z = log(p), clipped */
static moru_node *sparse_categorical_crossentropy(const loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_node *logits = moru_logits_of(p, "softmax");
    if (!logits)
        logits = o->from_logits ? p : moru_log(moru_clip(p, EPSILON, 1 - EPSILON));
    return moru_sparse_cross_entropy(logits, moru_pair_labels(t, p, name));
}

/* ---- classes ---- */

static const loss_options defaults = {.delta = 1, .axis = -1, .reduction = "sum_over_batch_size"};
static const moru_field plain_fields[] = {MORU_FIELD(loss_options, reduction, MORU_FIELD_TEXT)};
static const moru_field huber_fields[] = {MORU_FIELD(loss_options, delta, MORU_FIELD_REAL),
                                          MORU_FIELD(loss_options, reduction, MORU_FIELD_TEXT)};
static const moru_field dense_fields[] = {MORU_FIELD(loss_options, from_logits, MORU_FIELD_BOOL),
                                          MORU_FIELD(loss_options, label_smoothing, MORU_FIELD_REAL),
                                          MORU_FIELD(loss_options, axis, MORU_FIELD_INT),
                                          MORU_FIELD(loss_options, reduction, MORU_FIELD_TEXT)};
static const moru_field sparse_fields[] = {MORU_FIELD(loss_options, from_logits, MORU_FIELD_BOOL),
                                           MORU_FIELD(loss_options, reduction, MORU_FIELD_TEXT),
                                           MORU_FIELD_DROPPED("axis")};

#define LOSS(function, class_text, alias_text, fields, last_axis, is_sparse)                                \
    static const loss_rule function##_rule = {function, last_axis, is_sparse};                              \
    static const moru_class function##_class = {class_text, alias_text, "keras.losses", sizeof(loss_options),\
                                                &defaults, fields, sizeof fields / sizeof *fields, &function##_rule};
LOSS(squared_error, "MeanSquaredError", "mean_squared_error", plain_fields, LAST_MEAN, false)
LOSS(absolute_error, "MeanAbsoluteError", "mean_absolute_error", plain_fields, LAST_MEAN, false)
LOSS(huber, "Huber", "huber", huber_fields, LAST_MEAN, false)
LOSS(log_cosh, "LogCosh", "log_cosh", plain_fields, LAST_MEAN, false)
LOSS(poisson, "Poisson", "poisson", plain_fields, LAST_MEAN, false)
LOSS(hinge, "Hinge", "hinge", plain_fields, LAST_MEAN, false)
LOSS(kl_divergence, "KLDivergence", "kl_divergence", plain_fields, LAST_SUM, false)
LOSS(binary_crossentropy, "BinaryCrossentropy", "binary_crossentropy", dense_fields, LAST_MEAN, false)
LOSS(categorical_crossentropy, "CategoricalCrossentropy", "categorical_crossentropy", dense_fields, LAST_GONE, false)
LOSS(sparse_categorical_crossentropy, "SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", sparse_fields,
     LAST_GONE, true)

static const moru_class *const classes[] = {
    &squared_error_class, &absolute_error_class, &huber_class, &log_cosh_class, &poisson_class, &hinge_class,
    &kl_divergence_class, &binary_crossentropy_class, &categorical_crossentropy_class,
    &sparse_categorical_crossentropy_class};

/* Keras's short names, alone or before arguments, written out. */
static const char *long_name(moru_arena *arena, const char *spec)
{
    static const char *const names[][2] = {
        {"mse", "mean_squared_error"}, {"MSE", "mean_squared_error"}, {"mae", "mean_absolute_error"},
        {"MAE", "mean_absolute_error"}, {"bce", "binary_crossentropy"}, {"BCE", "binary_crossentropy"},
        {"kld", "kl_divergence"}, {"KLD", "kl_divergence"}, {"logcosh", "log_cosh"}};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t n = strlen(names[k][0]), size = strlen(names[k][1]) + strlen(spec) + 1;
        if (strncmp(spec, names[k][0], n) != 0 || (spec[n] != '\0' && spec[n] != '('))
            continue;
        char *text = moru_arena_alloc(arena, size);
        if (text)
            snprintf(text, size, "%s%s", names[k][1], spec + n);
        return text;
    }
    return spec;
}

static moru_status check(const loss_options *o, const char *where)
{
    static const char *const reductions[] = {"sum_over_batch_size", "mean", "mean_with_sample_weight", "sum"};
    bool known = false;
    for (int k = 0; k < 4; k++)
        known |= o->reduction && strcmp(o->reduction, reductions[k]) == 0;
    if (!known)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: reduction must be sum_over_batch_size, mean or sum, not %s", where,
                         o->reduction ? o->reduction : "null");
    if (!(o->label_smoothing >= 0 && o->label_smoothing <= 1))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: label_smoothing must lie in [0, 1], not be %g", where,
                         o->label_smoothing);
    if (!(o->delta > 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: delta must be positive, not %g", where, o->delta);
    if (o->axis != -1)
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: axis must be -1, not %lld", where, (long long)o->axis);
    return MORU_OK;
}

moru_status moru_loss_parse(moru_arena *arena, const char *spec, const char *where, moru_loss *loss)
{
    enum { N = sizeof classes / sizeof *classes };
    if (!spec)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the loss is missing", where);
    if (!(spec = long_name(arena, spec)))
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    MORU_TRY(moru_spec_parse(arena, spec, classes, N, where, &loss->class_, &loss->options));
    MORU_TRY(check(loss->options, where));
    MORU_TRY(moru_spec_normalize(arena, spec, classes, N, where, &spec));
    loss->spec = moru_arena_strdup(arena, spec);
    return loss->spec ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}

bool moru_loss_is_sparse(const moru_loss *loss)
{
    return ((const loss_rule *)loss->class_->functions)->sparse;
}

int64_t moru_loss_classes(const moru_loss *loss, const moru_shape *prediction)
{
    return moru_loss_is_sparse(loss) && prediction->rank > 0 ? prediction->dims[prediction->rank - 1] : 0;
}

moru_node *moru_loss_values(const moru_loss *loss, moru_node *target, moru_node *prediction)
{
    const loss_rule *rule = loss->class_->functions;
    if (moru_node_failed(target) || moru_node_failed(prediction))
        return moru_node_failed(target) ? target : prediction;
    moru_node *values = rule->elements(loss->options, target, prediction, loss->class_->alias);
    if (rule->last == LAST_GONE)
        return values;
    return rule->last == LAST_MEAN ? moru_mean_last(values) : moru_sum(values, (int[]){-1}, 1, false);
}

moru_node *moru_loss_apply(const moru_loss *loss, moru_node *target, moru_node *prediction)
{
    const loss_rule *rule = loss->class_->functions;
    const loss_options *o = loss->options;
    bool mean = strcmp(o->reduction, "sum") != 0;
    if (moru_node_failed(target) || moru_node_failed(prediction))
        return moru_node_failed(target) ? target : prediction;
    if (mean && rule->last == LAST_MEAN) /* a mean of means of equal size */
        return moru_mean_all(rule->elements(o, target, prediction, loss->class_->alias));
    moru_node *values = moru_loss_values(loss, target, prediction);
    return mean ? moru_mean_all(values) : moru_sum_all(values);
}
