/* Losses, of targets t and predictions p: parsing, shapes, weights and reductions. The formulas are in losses_*.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/losses.h"
#include <moru/ops.h>
#include <moru/train.h>

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

int64_t moru_last_size(const moru_node *x)
{
    return x->shape.rank > 0 ? x->shape.dims[x->shape.rank - 1] : 0;
}

moru_pair moru_pair_ranks(moru_node *target, moru_node *prediction)
{
    int t = target->shape.rank, p = prediction->shape.rank;
    moru_pair pair = {target, prediction};
    if (t == p + 1 && moru_last_size(target) == 1) {
        if (p == 1)
            pair.prediction = moru_expand_dims(prediction, -1);
        else
            pair.target = moru_squeeze(target, -1);
    } else if (p == t + 1 && moru_last_size(prediction) == 1) {
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
    if (labels->shape.rank == prediction->shape.rank && moru_last_size(labels) == 1)
        labels = moru_squeeze(labels, -1);
    if (labels->shape.rank != prediction->shape.rank - 1
        || !sizes_fit(&labels->shape, &prediction->shape, labels->shape.rank))
        fail_pair(target, prediction, op, "one class number is wanted for each of the output's rows");
    return labels->dtype == MORU_INT32 ? labels : moru_cast(labels, MORU_INT32);
}

moru_pair moru_pair_weights(moru_node *values, moru_node *weights)
{
    moru_pair pair = moru_pair_ranks(values, weights);
    while (pair.prediction->shape.rank < pair.target->shape.rank && !moru_node_failed(pair.prediction))
        pair.prediction = moru_expand_dims(pair.prediction, -1);
    return pair;
}

moru_node *moru_mean_last(moru_node *x)
{
    return moru_mean(x, (int[]){-1}, 1, false);
}

moru_node *moru_axis_last(moru_node *x, int64_t axis, const char *op)
{
    int order[MORU_MAX_RANK], rank = x->shape.rank, n = 0;
    int64_t place = axis < 0 ? axis + rank : axis;
    if (place < 0 || place >= rank)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "%s: values of %d dimensions have no axis %lld", op, rank,
                               (long long)axis);
    if (place == rank - 1)
        return x;
    for (int i = 0; i < rank; i++)
        if (i != place)
            order[n++] = i;
    order[n] = (int)place;
    return moru_transpose(x, order);
}

int moru_axes_of(const char *text, moru_node *x, int axes[MORU_MAX_RANK], const char *op)
{
    json_t *json = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    int rank = x->shape.rank, n = json_is_array(json) ? (int)json_array_size(json) : json ? 1 : rank;
    bool good = n <= rank;
    for (int i = 0; good && i < n; i++) {
        json_t *item = json_is_array(json) ? json_array_get(json, (size_t)i) : json;
        axes[i] = json ? (int)json_integer_value(item) : i;
        good = (!json || json_is_integer(item)) && axes[i] >= -rank && axes[i] < rank;
    }
    json_decref(json);
    if (!good)
        moru_graph_fail(x->graph, MORU_ERR_SHAPE, "%s: axis %s isn't one of %d dimensions", op, text ? text : "null",
                        rank);
    return good ? n : -1;
}

moru_node *moru_div_or_zero(moru_node *a, moru_node *b)
{
    moru_node *zero = moru_scalar(b->graph, 0), *none = moru_equal(b, zero);
    return moru_where(none, zero, moru_div(a, moru_where(none, moru_scalar(b->graph, 1), b)));
}

/* ---- parsing ---- */

const moru_loss_options moru_loss_defaults = {.remove_diagonal = true, .delta = 1, .alpha = 0.25, .beta = 0.5,
                                              .gamma = 2, .margin = 0.4, .q = 0.5, .axis = -1, .ignore_class = MORU_NO_INT,
                                              .reduction = "sum_over_batch_size"};

static const moru_class *const classes[] = {
    &moru_squared_error_class, &moru_absolute_error_class, &moru_percentage_error_class, &moru_logarithmic_error_class,
    &moru_cosine_similarity_class, &moru_huber_class, &moru_log_cosh_class, &moru_poisson_class,
    &moru_kl_divergence_class, &moru_hinge_class, &moru_squared_hinge_class, &moru_categorical_hinge_class,
    &moru_binary_crossentropy_class, &moru_binary_focal_crossentropy_class, &moru_categorical_crossentropy_class,
    &moru_categorical_focal_crossentropy_class, &moru_sparse_categorical_crossentropy_class, &moru_crossentropy_class,
    &moru_generalized_crossentropy_class, &moru_ctc_class, &moru_dice_class, &moru_tversky_class, &moru_circle_class};
enum { N_CLASSES = sizeof classes / sizeof *classes };

/* Keras's short names, alone or before arguments, written out. */
static const char *long_name(moru_arena *arena, const char *spec)
{
    static const char *const names[][2] = {
        {"mse", "mean_squared_error"}, {"MSE", "mean_squared_error"}, {"mae", "mean_absolute_error"},
        {"MAE", "mean_absolute_error"}, {"mape", "mean_absolute_percentage_error"},
        {"MAPE", "mean_absolute_percentage_error"}, {"msle", "mean_squared_logarithmic_error"},
        {"MSLE", "mean_squared_logarithmic_error"}, {"bce", "binary_crossentropy"}, {"BCE", "binary_crossentropy"},
        {"kld", "kl_divergence"}, {"KLD", "kl_divergence"}, {"kullback_leibler_divergence", "kl_divergence"},
        {"logcosh", "log_cosh"}, {"ce", "crossentropy"}};
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

moru_status moru_loss_check(const moru_loss_options *o, const char *where)
{
    if (!(o->label_smoothing >= 0 && o->label_smoothing <= 1))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: label_smoothing must lie in [0, 1], not be %g", where,
                         o->label_smoothing);
    if (!(o->delta > 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: delta must be positive, not %g", where, o->delta);
    if (!(o->q > 0 && o->q < 1))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: q must lie in (0, 1), not be %g", where, o->q);
    if (!isfinite(o->alpha) || !isfinite(o->beta) || !isfinite(o->gamma) || !isfinite(o->margin))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: alpha, beta, gamma and margin must be numbers", where);
    return MORU_OK;
}

static moru_status check_reduction(const char *reduction, const char *where)
{
    static const char *const known[] = {"sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (!reduction || strcmp(reduction, known[k]) == 0)
            return MORU_OK;
    return moru_fail(MORU_ERR_ARGUMENT, "%s: reduction must be sum_over_batch_size, mean, mean_with_sample_weight, sum "
                     "or none, not %.60s", where, reduction);
}

moru_status moru_loss_parse(moru_arena *arena, const char *spec, const char *where, moru_loss *loss)
{
    if (!spec)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the loss is missing", where);
    if (!(spec = moru_spec_unwrap(arena, spec, "LossFunctionWrapper", NULL, NULL)) || !(spec = long_name(arena, spec)))
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    MORU_TRY(moru_spec_parse(arena, spec, classes, N_CLASSES, where, &loss->class_, &loss->options));
    const moru_loss_options *o = loss->options;
    MORU_TRY(check_reduction(o->reduction, where));
    MORU_TRY(moru_loss_check(o, where));
    MORU_TRY(moru_spec_normalize(arena, spec, classes, N_CLASSES, where, &spec));
    loss->spec = moru_arena_strdup(arena, spec);
    return loss->spec ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
}

bool moru_loss_is_sparse(const moru_loss *loss)
{
    return loss->class_ && ((const moru_loss_rule *)loss->class_->functions)->sparse;
}

int64_t moru_loss_classes(const moru_loss *loss, const moru_shape *prediction)
{
    const moru_loss_options *o = loss->options;
    return moru_loss_is_sparse(loss) && o->ignore_class == MORU_NO_INT && prediction->rank > 0
         ? prediction->dims[prediction->rank - 1] : 0;
}

/* ---- values ---- */

static moru_node *reduce_last(moru_node *elements, moru_last_axis last)
{
    if (last == MORU_LAST_GONE)
        return elements;
    return last == MORU_LAST_MEAN ? moru_mean_last(elements) : moru_sum(elements, (int[]){-1}, 1, false);
}

moru_node *moru_loss_values(const moru_loss *loss, moru_node *target, moru_node *prediction, moru_node **mask)
{
    const moru_loss_rule *rule = loss->class_->functions;
    moru_node *own = NULL;
    if (moru_node_failed(target) || moru_node_failed(prediction))
        return moru_node_failed(target) ? target : prediction;
    moru_node *elements = rule->elements(loss->options, target, prediction, loss->class_->alias, mask ? mask : &own);
    return moru_node_failed(elements) ? elements : reduce_last(elements, rule->last);
}

/* The mask as weights: where values are averaged, those that count are as many as all. */
static moru_node *mask_weights(moru_node *mask, bool mean)
{
    if (mask->dtype != MORU_REAL)
        mask = moru_cast(mask, MORU_REAL);
    if (!mean)
        return mask;
    moru_node *share = moru_mean_all(mask); /* valid/total */
    return moru_mul(mask, moru_div_or_zero(moru_scalar(mask->graph, 1), share));
}

static moru_node *merge_masks(moru_node *a, moru_node *b)
{
    return a && b ? moru_logical_and(a, b) : a ? a : b;
}

static moru_node *reduce(moru_node *values, moru_node *weights, const char *reduction)
{
    if (!reduction || strcmp(reduction, "none") == 0)
        return values;
    if (strcmp(reduction, "sum") == 0)
        return moru_sum_all(values);
    if (weights && strcmp(reduction, "mean_with_sample_weight") == 0)
        return moru_div_or_zero(moru_sum_all(values), moru_sum_all(weights));
    return moru_mean_all(values);
}

static moru_node *weigh(moru_node *values, moru_node *weights, moru_node *mask, const char *reduction)
{
    bool mean = reduction && (strcmp(reduction, "mean") == 0 || strcmp(reduction, "sum_over_batch_size") == 0);
    if (weights && weights->dtype != MORU_REAL)
        weights = moru_cast(weights, MORU_REAL);
    if (mask) {
        moru_node *from_mask = mask_weights(mask, mean);
        moru_pair pair = {weights, from_mask};
        if (weights) {
            pair = moru_pair_weights(from_mask, weights);
            weights = moru_mul(pair.target, pair.prediction);
        } else {
            weights = from_mask;
        }
    }
    if (!weights || moru_node_failed(weights))
        return weights ? weights : reduce(values, NULL, reduction);
    bool by_sample = weights->shape.rank < values->shape.rank; /* then each weight counts for several values */
    moru_pair pair = moru_pair_weights(values, weights);
    if (by_sample && pair.prediction->shape.rank == pair.target->shape.rank)
        pair.prediction = moru_broadcast_like(pair.prediction, pair.target);
    return reduce(moru_mul(pair.target, pair.prediction), pair.prediction, reduction);
}

moru_node *moru_loss_apply(const moru_loss *loss, moru_node *target, moru_node *prediction, moru_node *weights)
{
    const moru_loss_rule *rule = loss->class_->functions;
    const moru_loss_options *o = loss->options;
    moru_node *mask = NULL;
    if (moru_node_failed(target) || moru_node_failed(prediction))
        return moru_node_failed(target) ? target : prediction;
    moru_node *elements = rule->elements(o, target, prediction, loss->class_->alias, &mask);
    if (moru_node_failed(elements))
        return elements;
    bool mean = o->reduction && strncmp(o->reduction, "sum", 4) != 0 && strcmp(o->reduction, "none") != 0;
    mask = merge_masks(prediction->mask, mask);
    if (mean && !mask && !weights && rule->last == MORU_LAST_MEAN) /* a mean of means of equal size */
        return moru_mean_all(elements);
    return weigh(reduce_last(elements, rule->last), weights, mask, o->reduction);
}

moru_node *moru_loss_of(const char *spec, moru_node *target, moru_node *prediction, moru_node *weights)
{
    moru_arena arena = {NULL};
    moru_loss loss;
    if (moru_node_failed(target) || moru_node_failed(prediction))
        return moru_node_failed(target) ? target : prediction;
    moru_status status = moru_loss_parse(&arena, spec, "loss", &loss);
    moru_node *value = status == MORU_OK ? moru_loss_apply(&loss, target, prediction, weights)
                                         : moru_graph_fail(prediction->graph, status, "%s", moru_last_error());
    moru_arena_free(&arena);
    return value;
}
