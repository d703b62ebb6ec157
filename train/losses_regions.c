/* Losses of overlaps between regions, and of distances between embeddings; t is the target, p the prediction. */
#include <math.h>

#include "train/losses.h"
#include <moru/ops.h>

#define RULE(name_) \
    static moru_node *name_(const moru_loss_options *o, moru_node *t, moru_node *p, const char *name, moru_node **mask)

/* What is in both, in t, and in p. */
typedef struct overlap { moru_node *both, *t, *p; } overlap;

static bool measure(const moru_loss_options *o, moru_node *t, moru_node *p, const char *name, overlap *found)
{
    int axes[MORU_MAX_RANK];
    moru_pair pair = moru_pair_equal(t, p, name);
    if (moru_graph_status(t->graph) != MORU_OK)
        return false;
    int n = moru_axes_of(o->axes, pair.prediction, axes, name);
    if (n < 0)
        return false;
    found->both = moru_sum(moru_mul(pair.target, pair.prediction), axes, n, false);
    found->t = moru_sum(pair.target, axes, n, false);
    found->p = moru_sum(pair.prediction, axes, n, false);
    return true;
}

/* 1 - a/b */
static moru_node *one_less_ratio(moru_node *a, moru_node *b)
{
    return moru_add_scalar(moru_neg(moru_div(a, b)), 1);
}

/* 1 - 2 sum t p/(sum t + sum p + epsilon) */
RULE(dice)
{
    overlap v;
    (void)mask;
    if (!measure(o, t, p, name, &v))
        return t->graph->inert;
    return one_less_ratio(moru_mul_scalar(v.both, 2), moru_add_scalar(moru_add(v.t, v.p), MORU_EPSILON));
}

/* 1 - sum t p/(sum t p + alpha sum t (1 - p) + beta sum (1 - t) p + epsilon) */
RULE(tversky)
{
    overlap v;
    (void)mask;
    if (!measure(o, t, p, name, &v))
        return t->graph->inert;
    moru_node *missed = moru_mul_scalar(moru_sub(v.t, v.both), o->alpha);
    moru_node *wrong = moru_mul_scalar(moru_sub(v.p, v.both), o->beta);
    return one_less_ratio(v.both, moru_add_scalar(moru_add(v.both, moru_add(missed, wrong)), MORU_EPSILON));
}

/* 1 on the diagonal. */
static moru_node *identity_like(moru_node *x)
{
    moru_node *lower = moru_causal_mask(moru_ones_like(x), 0);
    return moru_mul(lower, moru_transpose(lower, NULL));
}

/* log sum exp of the chosen elements of each row; -1e9 if there is none: an exponential of 0 */
static moru_node *log_sum_of(moru_node *x, moru_node *chosen)
{
    return moru_logsumexp(moru_where(chosen, x, moru_scalar(x->graph, -1e9)), (int[]){1}, 1, false);
}

/* softplus(log sum exp over the same class + log sum exp over others) of the distances d = max(1 - p p^T, 0):
 * -gamma max(margin + d, 0)(margin - d) and gamma max(1 + margin - d, 0)(1 - margin - d); Sun et al., 2020 */
RULE(circle)
{
    moru_node *labels = t;
    if (labels->shape.rank == 2 && moru_last_size(labels) == 1)
        labels = moru_squeeze(labels, -1);
    if (labels->shape.rank != 1 || p->shape.rank != 2)
        return moru_graph_fail(t->graph, MORU_ERR_SHAPE, "%s: one class number and one embedding a sample are wanted",
                               name);
    labels = moru_cast(moru_cast(labels, MORU_INT32), MORU_REAL);
    moru_node *d = moru_clip(moru_add_scalar(moru_neg(moru_matmul_t(p, false, p, true)), 1), 0, INFINITY);
    moru_node *same = moru_equal(moru_expand_dims(labels, 1), moru_expand_dims(labels, 0));
    moru_node *others = moru_logical_not(same);
    if (o->remove_diagonal)
        same = moru_mul(same, moru_logical_not(identity_like(d)));
    moru_node *near = moru_clip(moru_add_scalar(d, o->margin), 0, INFINITY);
    moru_node *far = moru_clip(moru_add_scalar(moru_neg(d), 1 + o->margin), 0, INFINITY);
    near = moru_mul_scalar(moru_mul(near, moru_add_scalar(d, -o->margin)), o->gamma);
    far = moru_mul_scalar(moru_mul(far, moru_add_scalar(moru_neg(d), 1 - o->margin)), o->gamma);
    moru_node *loss = moru_softplus(moru_add(log_sum_of(near, same), log_sum_of(far, others)));
    *mask = moru_greater(loss, moru_scalar(t->graph, 0));
    return loss;
}

static const moru_loss_options tversky_defaults = {.alpha = 0.5, .beta = 0.5, .delta = 1, .q = 0.5, .axis = -1,
                                                   .ignore_class = MORU_NO_INT, .reduction = "sum_over_batch_size"};
static const moru_loss_options circle_defaults = {.gamma = 80, .margin = 0.4, .remove_diagonal = true, .delta = 1,
                                                  .q = 0.5, .axis = -1, .ignore_class = MORU_NO_INT,
                                                  .reduction = "sum_over_batch_size"};
#define AXES MORU_FIELD_NAMED(moru_loss_options, axes, MORU_FIELD_JSON, "axis")
static const moru_field dice_fields[] = {AXES, MORU_LOSS_REDUCTION};
static const moru_field tversky_fields[] = {MORU_LOSS_FIELD(alpha, MORU_FIELD_REAL),
                                            MORU_LOSS_FIELD(beta, MORU_FIELD_REAL), AXES, MORU_LOSS_REDUCTION};
static const moru_field circle_fields[] = {MORU_LOSS_FIELD(gamma, MORU_FIELD_REAL),
                                           MORU_LOSS_FIELD(margin, MORU_FIELD_REAL),
                                           MORU_LOSS_FIELD(remove_diagonal, MORU_FIELD_BOOL), MORU_LOSS_REDUCTION};
MORU_LOSS(dice, "Dice", "dice", dice_fields, moru_loss_defaults, MORU_LAST_GONE, false)
MORU_LOSS(tversky, "Tversky", "tversky", tversky_fields, tversky_defaults, MORU_LAST_GONE, false)
MORU_LOSS(circle, "Circle", "circle", circle_fields, circle_defaults, MORU_LAST_GONE, false)
