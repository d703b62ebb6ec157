/* Losses of classes; t is the target, p the prediction. Predictions that a sigmoid or softmax has made are undone:
 * their logits lose no digits. */
#include <math.h>

#include "train/losses.h"
#include <moru/ops.h>

#define RULE(name_) \
    static moru_node *name_(const moru_loss_options *o, moru_node *t, moru_node *p, const char *name, moru_node **mask)

/* ---- hinges ---- */

/* max(1 - t p, 0); targets that are all 0 or 1 become -1 and 1 */
RULE(hinge)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    moru_node *labels = pair.target;
    (void)o, (void)mask;
    moru_node *binary = moru_logical_or(moru_equal(labels, moru_scalar(t->graph, 0)),
                                        moru_equal(labels, moru_scalar(t->graph, 1)));
    moru_node *signs = moru_add_scalar(moru_mul_scalar(labels, 2), -1);
    labels = moru_where(moru_min(binary, NULL, 0, false), signs, labels);
    return moru_clip(moru_add_scalar(moru_neg(moru_mul(labels, pair.prediction)), 1), 0, INFINITY);
}

RULE(squared_hinge)
{
    return moru_square(hinge(o, t, p, name, mask));
}

/* max(max((1 - t) p) - sum t p + 1, 0) */
RULE(categorical_hinge)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    moru_node *others = moru_mul(moru_add_scalar(moru_neg(pair.target), 1), pair.prediction);
    moru_node *own = moru_sum(moru_mul(pair.target, pair.prediction), (int[]){-1}, 1, false);
    moru_node *margin = moru_add_scalar(moru_sub(moru_max(others, (int[]){-1}, 1, false), own), 1);
    return moru_clip(margin, 0, INFINITY);
}

/* ---- yes or no ---- */

static moru_node *smoothed(const moru_loss_options *o, moru_node *target, double classes)
{
    if (o->label_smoothing == 0)
        return target;
    return moru_add_scalar(moru_mul_scalar(target, 1 - o->label_smoothing), o->label_smoothing / classes);
}

/* a (1 - t) where t is 0 to 1: the other answer */
static moru_node *other(moru_node *x)
{
    return moru_add_scalar(moru_neg(x), 1);
}

/* -(t log p + (1 - t) log(1 - p)), p clipped */
static moru_node *binary_from_probabilities(moru_node *target, moru_node *p)
{
    moru_node *q = moru_clip(p, MORU_EPSILON, 1 - MORU_EPSILON);
    return moru_neg(moru_add(moru_mul(target, moru_log(q)), moru_mul(other(target), moru_log(other(q)))));
}

/* The mean over an axis; for the last one the caller takes it. */
static moru_node *over_axis(const moru_loss_options *o, moru_node *elements, const char *name)
{
    return moru_node_failed(elements) ? elements : moru_axis_last(elements, o->axis, name);
}

/* From logits z: max(z, 0) - z t + log(1 + exp(-|z|)) */
RULE(binary_crossentropy)
{
    moru_node *logits = moru_logits_of(p, "sigmoid");
    if (!logits && o->from_logits)
        logits = p;
    moru_pair pair = moru_pair_equal(t, logits ? logits : p, name);
    moru_node *target = smoothed(o, pair.target, 2);
    (void)mask;
    return over_axis(o, logits ? moru_sigmoid_cross_entropy(pair.prediction, target)
                               : binary_from_probabilities(target, pair.prediction), name);
}

/* (1 - p_t)^gamma times the crossentropy, p_t = t p + (1 - t)(1 - p); balanced: times t alpha + (1 - t)(1 - alpha) */
RULE(binary_focal_crossentropy)
{
    moru_node *logits = o->from_logits ? p : moru_logits_of(p, "sigmoid");
    moru_pair pair = moru_pair_equal(t, logits ? logits : p, name);
    moru_node *target = smoothed(o, pair.target, 2), *q = logits ? moru_sigmoid(pair.prediction) : pair.prediction;
    (void)mask;
    moru_node *loss = logits ? moru_sigmoid_cross_entropy(pair.prediction, target)
                             : binary_from_probabilities(target, q);
    moru_node *right = moru_add(moru_mul(target, q), moru_mul(other(target), other(q)));
    loss = moru_mul(moru_pow_scalar(other(right), o->gamma), loss);
    if (o->apply_class_balancing)
        loss = moru_mul(moru_add(moru_mul_scalar(target, o->alpha), moru_mul_scalar(other(target), 1 - o->alpha)),
                        loss);
    return over_axis(o, loss, name);
}

/* ---- one of several ---- */

/* Targets and predictions, smoothed, with the classes last. */
static moru_pair classes_last(const moru_loss_options *o, moru_node *t, moru_node *p, const char *name)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    int64_t classes = moru_last_size(pair.prediction);
    if (o->label_smoothing > 0 && classes < 1)
        moru_graph_fail(t->graph, MORU_ERR_SHAPE, "%s: label_smoothing needs a known number of classes", name);
    pair.target = smoothed(o, pair.target, (double)classes);
    pair.target = moru_axis_last(pair.target, o->axis, name);
    pair.prediction = moru_axis_last(pair.prediction, o->axis, name);
    return pair;
}

static bool is_last(const moru_loss_options *o, const moru_node *p)
{
    return o->axis == -1 || o->axis == p->shape.rank - 1;
}

/* p/sum p, clipped */
static moru_node *shares(moru_node *p)
{
    moru_node *q = moru_div(p, moru_sum(p, (int[]){-1}, 1, true));
    return moru_clip(q, MORU_EPSILON, 1 - MORU_EPSILON);
}

/* From logits: -sum t log softmax(z); from probabilities: -sum t log(p/sum p) */
RULE(categorical_crossentropy)
{
    moru_node *logits = is_last(o, p) ? moru_logits_of(p, "softmax") : NULL;
    if (!logits && o->from_logits)
        logits = p;
    moru_pair pair = classes_last(o, t, logits ? logits : p, name);
    (void)mask;
    if (moru_graph_status(t->graph) != MORU_OK)
        return pair.target;
    if (logits)
        return moru_cross_entropy(pair.prediction, pair.target);
    return moru_neg(moru_sum(moru_mul(pair.target, moru_log(shares(pair.prediction))), (int[]){-1}, 1, false));
}

/* -sum alpha (1 - q)^gamma t log q, q = p/sum p */
RULE(categorical_focal_crossentropy)
{
    moru_pair pair = classes_last(o, t, p, name);
    (void)mask;
    if (moru_graph_status(t->graph) != MORU_OK)
        return pair.target;
    moru_node *q = shares(o->from_logits ? moru_softmax(pair.prediction, -1) : pair.prediction);
    moru_node *factor = moru_mul_scalar(moru_pow_scalar(other(q), o->gamma), -o->alpha);
    return moru_sum(moru_mul(factor, moru_mul(pair.target, moru_log(q))), (int[]){-1}, 1, false);
}

/* Logits whose softmax the probabilities are. */
static moru_node *logits_from(moru_node *p)
{
    return moru_log(moru_clip(p, MORU_EPSILON, 1 - MORU_EPSILON));
}

/* Values of the labels that aren't to be ignored; the others are 0, and masked. */
static moru_node *sparse_but_for(const moru_loss_options *o, moru_node *labels, moru_node *p, moru_node **mask)
{
    moru_node *numbers = moru_cast(labels, MORU_REAL), *zero = moru_scalar(p->graph, 0);
    moru_node *valid = moru_not_equal(numbers, moru_scalar(p->graph, (double)o->ignore_class));
    labels = moru_cast(moru_where(valid, numbers, zero), MORU_INT32);
    p = moru_where(moru_expand_dims(valid, -1), p, zero);
    *mask = valid;
    return moru_where(valid, moru_sparse_cross_entropy(o->from_logits ? p : logits_from(p), labels), zero);
}

/* From logits: -log softmax(z)[label]; from probabilities: the same with z = log(p), clipped */
RULE(sparse_categorical_crossentropy)
{
    if (!is_last(o, p))
        return moru_graph_fail(t->graph, MORU_ERR_UNSUPPORTED, "%s: axis must be the last one, not %lld", name,
                               (long long)o->axis);
    moru_node *labels = moru_pair_labels(t, p, name);
    if (moru_node_failed(labels))
        return labels;
    if (o->ignore_class != MORU_NO_INT)
        return sparse_but_for(o, labels, p, mask);
    moru_node *logits = moru_logits_of(p, "softmax");
    if (!logits)
        logits = o->from_logits ? p : logits_from(p);
    return moru_sparse_cross_entropy(logits, labels);
}

/* (1 - p[label]^q)/q */
RULE(generalized_crossentropy)
{
    moru_node *labels = moru_pair_labels(t, p, name);
    int64_t classes = moru_last_size(p);
    (void)mask;
    if (classes < 1)
        return moru_graph_fail(t->graph, MORU_ERR_SHAPE, "%s: it needs a known number of classes", name);
    moru_node *own = moru_sum(moru_mul(p, moru_one_hot(labels, classes)), (int[]){-1}, 1, false);
    return moru_mul_scalar(other(moru_pow_scalar(own, o->q)), 1 / o->q);
}

/* Logits [n,t,classes] and labels [n,l], filled up with 0, the blank. */
RULE(ctc)
{
    (void)o, (void)mask, (void)name;
    return moru_ctc_loss(p, t->dtype == MORU_INT32 ? t : moru_cast(t, MORU_INT32));
}

/* Keras's choice among the three by shapes. */
RULE(crossentropy)
{
    int64_t t_last = moru_last_size(t), p_last = moru_last_size(p);
    if (p_last == 1)
        return moru_mean_last(binary_crossentropy(o, t, p, name, mask));
    if (t->shape.rank < p->shape.rank || (t_last == 1 && p_last > 1))
        return sparse_categorical_crossentropy(o, t, p, name, mask);
    return categorical_crossentropy(o, t, p, name, mask);
}

static const moru_field plain[] = {MORU_LOSS_REDUCTION};
static const moru_field dense[] = {
    MORU_LOSS_FIELD(from_logits, MORU_FIELD_BOOL), MORU_LOSS_FIELD(label_smoothing, MORU_FIELD_REAL),
    MORU_LOSS_FIELD(axis, MORU_FIELD_INT), MORU_LOSS_REDUCTION};
static const moru_field binary_focal[] = {
    MORU_LOSS_FIELD(apply_class_balancing, MORU_FIELD_BOOL), MORU_LOSS_FIELD(alpha, MORU_FIELD_REAL),
    MORU_LOSS_FIELD(gamma, MORU_FIELD_REAL), MORU_LOSS_FIELD(from_logits, MORU_FIELD_BOOL),
    MORU_LOSS_FIELD(label_smoothing, MORU_FIELD_REAL), MORU_LOSS_FIELD(axis, MORU_FIELD_INT), MORU_LOSS_REDUCTION};
static const moru_field focal[] = {
    MORU_LOSS_FIELD(alpha, MORU_FIELD_REAL), MORU_LOSS_FIELD(gamma, MORU_FIELD_REAL),
    MORU_LOSS_FIELD(from_logits, MORU_FIELD_BOOL), MORU_LOSS_FIELD(label_smoothing, MORU_FIELD_REAL),
    MORU_LOSS_FIELD(axis, MORU_FIELD_INT), MORU_LOSS_REDUCTION};
static const moru_field sparse[] = {
    MORU_LOSS_FIELD(from_logits, MORU_FIELD_BOOL), MORU_LOSS_FIELD(ignore_class, MORU_FIELD_OPTIONAL_INT),
    MORU_LOSS_REDUCTION, MORU_LOSS_FIELD(axis, MORU_FIELD_INT)};
static const moru_field q_fields[] = {MORU_LOSS_FIELD(q, MORU_FIELD_REAL), MORU_LOSS_REDUCTION};

#define LOSS(id, class_text, alias, fields, last, is_sparse) \
    MORU_LOSS(id, class_text, alias, fields, moru_loss_defaults, last, is_sparse)
LOSS(hinge, "Hinge", "hinge", plain, MORU_LAST_MEAN, false)
LOSS(squared_hinge, "SquaredHinge", "squared_hinge", plain, MORU_LAST_MEAN, false)
LOSS(categorical_hinge, "CategoricalHinge", "categorical_hinge", plain, MORU_LAST_GONE, false)
LOSS(binary_crossentropy, "BinaryCrossentropy", "binary_crossentropy", dense, MORU_LAST_MEAN, false)
LOSS(binary_focal_crossentropy, "BinaryFocalCrossentropy", "binary_focal_crossentropy", binary_focal, MORU_LAST_MEAN,
     false)
LOSS(categorical_crossentropy, "CategoricalCrossentropy", "categorical_crossentropy", dense, MORU_LAST_GONE, false)
LOSS(categorical_focal_crossentropy, "CategoricalFocalCrossentropy", "categorical_focal_crossentropy", focal,
     MORU_LAST_GONE, false)
LOSS(sparse_categorical_crossentropy, "SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", sparse,
     MORU_LAST_GONE, true)
LOSS(generalized_crossentropy, "CategoricalGeneralizedCrossEntropy", "categorical_generalized_cross_entropy", q_fields,
     MORU_LAST_GONE, true)
LOSS(ctc, "CTC", "ctc", plain, MORU_LAST_GONE, false)
LOSS(crossentropy, "crossentropy", "crossentropy", plain, MORU_LAST_GONE, false)
