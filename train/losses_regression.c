/* Losses of numbers, and of distributions; t is the target, p the prediction. */
#include <math.h>

#include "layers/layer.h"
#include "train/losses.h"
#include <moru/ops.h>

#define RULE(name_) \
    static moru_node *name_(const moru_loss_options *o, moru_node *t, moru_node *p, const char *name, moru_node **mask)

/* (t - p)^2 */
RULE(squared_error)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    return moru_squared_difference(pair.prediction, pair.target);
}

/* |t - p| */
RULE(absolute_error)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    return moru_abs(moru_sub(pair.prediction, pair.target));
}

/* 100 |t - p|/max(|t|, epsilon) */
RULE(percentage_error)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    moru_node *size = moru_clip(moru_abs(pair.target), MORU_EPSILON, INFINITY);
    return moru_mul_scalar(moru_abs(moru_div(moru_sub(pair.target, pair.prediction), size)), 100);
}

/* log(max(x, epsilon) + 1) */
static moru_node *log_of(moru_node *x)
{
    return moru_log(moru_add_scalar(moru_clip(x, MORU_EPSILON, INFINITY), 1));
}

RULE(logarithmic_error)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    return moru_squared_difference(log_of(pair.prediction), log_of(pair.target));
}

/* -(t/|t|) (p/|p|), along the axis */
RULE(cosine_similarity)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)mask;
    moru_node *a = moru_axis_last(pair.target, o->axis, name), *b = moru_axis_last(pair.prediction, o->axis, name);
    if (moru_node_failed(a) || moru_node_failed(b))
        return moru_node_failed(a) ? a : b;
    const int last = -1;
    a = moru_unit_length(a, &last, 1);
    b = moru_unit_length(b, &last, 1);
    return moru_neg(moru_sum(moru_mul(a, b), &last, 1, false));
}

/* e^2/2 where |e| <= delta, elsewhere delta |e| - delta^2/2; e = p - t */
RULE(huber)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)mask;
    moru_node *error = moru_sub(pair.prediction, pair.target), *size = moru_abs(error);
    moru_node *near = moru_mul_scalar(moru_square(error), 0.5);
    moru_node *far = moru_add_scalar(moru_mul_scalar(size, o->delta), -0.5 * o->delta * o->delta);
    return moru_where(moru_less_equal(size, moru_scalar(t->graph, o->delta)), near, far);
}

/* log cosh e = e + softplus(-2 e) - log 2 */
RULE(log_cosh)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    moru_node *error = moru_sub(pair.prediction, pair.target);
    (void)o, (void)mask;
    return moru_add_scalar(moru_add(error, moru_softplus(moru_mul_scalar(error, -2))), -log(2.0));
}

/* p - t log(p + epsilon) */
RULE(poisson)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    (void)o, (void)mask;
    moru_node *logarithm = moru_log(moru_add_scalar(pair.prediction, MORU_EPSILON));
    return moru_sub(pair.prediction, moru_mul(pair.target, logarithm));
}

/* t log(t/p), both clipped to [epsilon, 1] */
RULE(kl_divergence)
{
    moru_pair pair = moru_pair_equal(t, p, name);
    moru_node *target = moru_clip(pair.target, MORU_EPSILON, 1);
    moru_node *prediction = moru_clip(pair.prediction, MORU_EPSILON, 1);
    (void)o, (void)mask;
    return moru_mul(target, moru_log(moru_div(target, prediction)));
}

static const moru_field plain[] = {MORU_LOSS_REDUCTION};
static const moru_field axis_fields[] = {MORU_LOSS_FIELD(axis, MORU_FIELD_INT), MORU_LOSS_REDUCTION};
static const moru_field delta_fields[] = {MORU_LOSS_FIELD(delta, MORU_FIELD_REAL), MORU_LOSS_REDUCTION};

#define PLAIN(id, class_text, alias, fields, last) \
    MORU_LOSS(id, class_text, alias, fields, moru_loss_defaults, last, false)
PLAIN(squared_error, "MeanSquaredError", "mean_squared_error", plain, MORU_LAST_MEAN)
PLAIN(absolute_error, "MeanAbsoluteError", "mean_absolute_error", plain, MORU_LAST_MEAN)
PLAIN(percentage_error, "MeanAbsolutePercentageError", "mean_absolute_percentage_error", plain, MORU_LAST_MEAN)
PLAIN(logarithmic_error, "MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", plain, MORU_LAST_MEAN)
PLAIN(cosine_similarity, "CosineSimilarity", "cosine_similarity", axis_fields, MORU_LAST_GONE)
PLAIN(huber, "Huber", "huber", delta_fields, MORU_LAST_MEAN)
PLAIN(log_cosh, "LogCosh", "log_cosh", plain, MORU_LAST_MEAN)
PLAIN(poisson, "Poisson", "poisson", plain, MORU_LAST_MEAN)
PLAIN(kl_divergence, "KLDivergence", "kl_divergence", plain, MORU_LAST_SUM)
