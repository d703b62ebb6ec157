/* Metrics of true and false positives and negatives at thresholds.
 *
 * A sum for each number of thresholds that a prediction lies above: what was counted at a threshold is the sum over all
 * greater numbers. The first rows hold the weights of what is true and of what isn't, the others results of them;
 * labels of their own have columns of their own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/metrics.h"

#define NOT_IN_TOP_K (-1e10) /* as in Keras */

enum { YES, NO, TP, FP, TN, FN, N_ROWS }; /* of a state */

/* ---- options ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* As numpy.allclose(thresholds, grid, atol=epsilon). */
static bool lie_evenly(const double *thresholds, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double wanted = (double)i / (double)(n - 1);
        if (fabs(thresholds[i] - wanted) > MORU_EPSILON + 1e-5 * wanted)
            return false;
    }
    return n >= 3;
}

/* Sorts the thresholds, and remembers where each was. */
static moru_status sort(moru_arena *arena, moru_metric *m, const char *where)
{
    moru_list given = m->thresholds;
    m->places.n = given.n;
    m->places.values = moru_arena_alloc(arena, ((size_t)given.n + 1) * sizeof *given.values);
    m->thresholds.values = moru_arena_alloc(arena, ((size_t)given.n + 1) * sizeof *given.values);
    if (!m->places.values || !m->thresholds.values)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    memcpy(m->thresholds.values, given.values, (size_t)given.n * sizeof *given.values);
    qsort(m->thresholds.values, (size_t)given.n, sizeof *given.values, compare);
    for (int64_t i = 0; i < given.n; i++)
        for (int64_t k = 0; k < given.n; k++)
            if (m->thresholds.values[k] == given.values[i])
                m->places.values[i] = (double)k;
    return MORU_OK;
}

static moru_status check_within(const moru_list *thresholds, const char *where)
{
    for (int64_t i = 0; i < thresholds->n; i++)
        if (!(thresholds->values[i] >= 0 && thresholds->values[i] <= 1))
            return moru_fail(MORU_ERR_ARGUMENT, "%s: thresholds must lie in [0, 1], not be %g", where,
                             thresholds->values[i]);
    return MORU_OK;
}

/* One by one as given; by default 0.5, or with top_k all that are among the k. */
static moru_status check_thresholds(moru_arena *arena, moru_metric *m, const char *where)
{
    const moru_metric_options *o = m->options;
    MORU_TRY(moru_metric_list(arena, o->thresholds, where, &m->thresholds));
    MORU_TRY(check_within(&m->thresholds, where));
    if (m->thresholds.n == 0) {
        m->thresholds.n = 1;
        m->thresholds.values[0] = o->top_k != MORU_NO_INT ? NOT_IN_TOP_K : 0.5;
    }
    m->even = lie_evenly(m->thresholds.values, m->thresholds.n);
    if (o->top_k != MORU_NO_INT && o->top_k < 1)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: top_k must be positive", where);
    return sort(arena, m, where);
}

/* n thresholds from 0 to 1; with ends outside, those at the ends lie epsilon outside. */
static moru_status make_grid(moru_arena *arena, moru_metric *m, int64_t n, double outside, const char *where)
{
    m->thresholds.n = n;
    m->thresholds.values = moru_arena_alloc(arena, ((size_t)n + 1) * sizeof *m->thresholds.values);
    if (!m->thresholds.values)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory", where);
    for (int64_t i = 0; i < n; i++)
        m->thresholds.values[i] = n > 1 ? (double)i / (double)(n - 1) : 0.5;
    if (n > 1) {
        m->thresholds.values[0] -= outside;
        m->thresholds.values[n - 1] += outside;
    }
    m->even = n > 1;
    return MORU_OK;
}

enum { MAX_THRESHOLDS = 1 << 20 };

static moru_status check_at(moru_arena *arena, moru_metric *m, const char *where)
{
    const moru_metric_options *o = m->options;
    if (o->num_thresholds < 1 || o->num_thresholds > MAX_THRESHOLDS)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: num_thresholds must be positive, not %lld", where,
                         (long long)o->num_thresholds);
    if (!(o->value >= 0 && o->value <= 1))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the value to hold must lie in [0, 1], not be %g", where, o->value);
    MORU_TRY(make_grid(arena, m, o->num_thresholds, 0, where));
    return sort(arena, m, where);
}

static bool is_one_of(const char *text, const char *const *names)
{
    for (; text && *names; names++)
        if (strcmp(text, *names) == 0)
            return true;
    return false;
}

static moru_status check_auc(moru_arena *arena, moru_metric *m, const char *where)
{
    static const char *const curves[] = {"ROC", "roc", "PR", "pr", "PRGAIN", "prgain", NULL};
    static const char *const sums[] = {"interpolation", "Interpolation", "majoring", "Majoring", "minoring", "Minoring",
                                       NULL};
    const moru_metric_options *o = m->options;
    moru_list given;
    if (!is_one_of(o->curve, curves) || !is_one_of(o->summation_method, sums))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: curve must be ROC, PR or PRGAIN, and summation_method interpolation, "
                         "majoring or minoring", where);
    if (o->num_thresholds < 2 || o->num_thresholds > MAX_THRESHOLDS)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: num_thresholds must be at least 2, not %lld", where,
                         (long long)o->num_thresholds);
    MORU_TRY(moru_metric_list(arena, o->label_weights, where, &m->label_weights));
    MORU_TRY(moru_metric_list(arena, o->thresholds, where, &given));
    MORU_TRY(check_within(&given, where));
    if (given.n == 0) {
        MORU_TRY(make_grid(arena, m, o->num_thresholds, MORU_EPSILON, where));
        return sort(arena, m, where);
    }
    MORU_TRY(make_grid(arena, m, given.n + 2, 0, where));
    memcpy(m->thresholds.values + 1, given.values, (size_t)given.n * sizeof *given.values);
    qsort(m->thresholds.values, (size_t)m->thresholds.n, sizeof *given.values, compare);
    m->even = lie_evenly(m->thresholds.values, m->thresholds.n);
    m->thresholds.values[0] = -MORU_EPSILON;
    m->thresholds.values[given.n + 1] = 1 + MORU_EPSILON;
    return sort(arena, m, where);
}

/* ---- counting ---- */

static int64_t last_of(const moru_shape *shape)
{
    return shape->rank > 1 ? shape->dims[shape->rank - 1] : 1;
}

static moru_status shape(const moru_metric *m, const moru_metric_data *d, const char *where, moru_metric_state *s)
{
    const moru_metric_options *o = m->options;
    int64_t labels = last_of(&d->p_shape), t = moru_metric_size(&d->t_shape), p = moru_metric_size(&d->p_shape);
    if (t != p)
        return moru_fail(MORU_ERR_SHAPE, "%s: %lld targets for %lld predictions", where, (long long)t, (long long)p);
    if (o->class_id != MORU_NO_INT && (d->p_shape.rank < 2 || o->class_id < 0 || o->class_id >= labels))
        return moru_fail(MORU_ERR_SHAPE, "%s: class_id %lld isn't one of the output's last axis", where,
                         (long long)o->class_id);
    if (o->top_k != MORU_NO_INT && o->top_k > labels)
        return moru_fail(MORU_ERR_SHAPE, "%s: top_k %lld is more than the output's last axis", where,
                         (long long)o->top_k);
    if (o->multi_label && (d->p_shape.rank != 2 || (o->num_labels != MORU_NO_INT && o->num_labels != labels)))
        return moru_fail(MORU_ERR_SHAPE, "%s: multi_label wants outputs of two dimensions, the second num_labels",
                         where);
    if (m->label_weights.n > 0 && m->label_weights.n != labels)
        return moru_fail(MORU_ERR_SHAPE, "%s: %lld label_weights for %lld labels", where, (long long)m->label_weights.n,
                         (long long)labels);
    s->rows = N_ROWS;
    s->columns = (m->thresholds.n + 1) * (o->multi_label ? labels : 1);
    return MORU_OK;
}

/* How many thresholds a prediction lies above, in single precision as in Keras. */
static int64_t passed(const moru_metric *m, double p)
{
    const double *thresholds = m->thresholds.values;
    int64_t n = m->thresholds.n, low = 0, high = n;
    if (m->even) {
        float clipped = fminf(fmaxf((float)p, 0), 1), bucket = ceilf(clipped * (float)(n - 1));
        return thresholds[0] < 0 && bucket < 1 ? 1 : (int64_t)bucket;
    }
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if ((float)p > (float)thresholds[middle])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether fewer than k elements of the row go before it: greater ones, or equal ones that stand before. */
static bool in_top_k(const moru_real *row, int64_t n, int64_t i, int64_t k)
{
    int64_t before = 0;
    for (int64_t j = 0; j < n; j++)
        before += row[j] > row[i] || (row[j] == row[i] && j < i);
    return before < k;
}

static void update(const moru_metric *m, const moru_metric_data *d, moru_metric_state *s)
{
    const moru_metric_options *o = m->options;
    int64_t n = moru_metric_size(&d->p_shape), labels = last_of(&d->p_shape), slots = m->thresholds.n + 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t label = i % labels;
        double p = (double)d->p[i], weight = moru_metric_weight(d, i);
        if (o->class_id != MORU_NO_INT && label != o->class_id)
            continue;
        if (o->top_k != MORU_NO_INT && !in_top_k(d->p + (i - label), labels, label, o->top_k))
            p = NOT_IN_TOP_K;
        if (o->from_logits)
            p = 1 / (1 + exp(-p));
        if (m->label_weights.n > 0 && !o->multi_label)
            weight *= m->label_weights.values[label];
        int row = moru_metric_element(d->t_dtype, d->t, i) != 0 ? YES : NO;
        int64_t column = passed(m, p) + (o->multi_label ? label * slots : 0);
        s->sums[row * s->columns + column] += weight;
    }
}

/* ---- results ---- */

typedef struct counts { double tp, fp, tn, fn; } counts;

static double *row_of(const moru_metric *m, const moru_metric_state *s, int row, int64_t label)
{
    return s->sums + row * s->columns + label * (m->thresholds.n + 1);
}

/* What lies above each threshold, and what doesn't. */
static void count(const moru_metric *m, moru_metric_state *s, int from, int above, int below)
{
    int64_t n = m->thresholds.n, labels = s->columns / (n + 1);
    for (int64_t label = 0; label < labels; label++) {
        const double *slots = row_of(m, s, from, label);
        double *more = row_of(m, s, above, label), *less = row_of(m, s, below, label), sum = 0;
        for (int64_t i = 0; i < n; i++)
            less[i] = sum += slots[i];
        sum = 0;
        for (int64_t i = n - 1; i >= 0; i--)
            more[i] = sum += slots[i + 1];
    }
}

static void count_all(const moru_metric *m, moru_metric_state *s)
{
    count(m, s, YES, TP, FN);
    count(m, s, NO, FP, TN);
}

/* At threshold i, in ascending order, of one label. */
static counts counts_at(const moru_metric *m, const moru_metric_state *s, int64_t label, int64_t i)
{
    return (counts){row_of(m, s, TP, label)[i], row_of(m, s, FP, label)[i], row_of(m, s, TN, label)[i],
                    row_of(m, s, FN, label)[i]};
}

static double precision_of(counts c) { return moru_ratio(c.tp, c.tp + c.fp); }
static double recall_of(counts c) { return moru_ratio(c.tp, c.tp + c.fn); }
static double specificity_of(counts c) { return moru_ratio(c.tn, c.tn + c.fp); }
static double tp_of(counts c) { return c.tp; }
static double fp_of(counts c) { return c.fp; }
static double tn_of(counts c) { return c.tn; }
static double fn_of(counts c) { return c.fn; }

static int64_t at_each(const moru_metric *m, moru_metric_state *s, double (*of)(counts c), double *out,
                       int64_t capacity)
{
    count_all(m, s);
    for (int64_t i = 0; i < m->thresholds.n && i < capacity; i++)
        out[i] = of(counts_at(m, s, 0, (int64_t)m->places.values[i]));
    return m->thresholds.n;
}

/* The greatest `wanted` where `held` is at least the option's value. */
static int64_t greatest(const moru_metric *m, moru_metric_state *s, double (*held)(counts c),
                        double (*wanted)(counts c), double *out, int64_t capacity)
{
    double most = 0;
    count_all(m, s);
    for (int64_t i = 0; i < m->thresholds.n; i++) {
        counts c = counts_at(m, s, 0, i);
        if ((float)held(c) >= (float)m->options->value)
            most = fmax(most, wanted(c));
    }
    if (capacity > 0)
        out[0] = most;
    return 1;
}

#define RESULTS(id) \
    static int64_t id(const moru_metric *m, moru_metric_state *s, double *out, int64_t capacity)
RESULTS(precision) { return at_each(m, s, precision_of, out, capacity); }
RESULTS(recall) { return at_each(m, s, recall_of, out, capacity); }
RESULTS(true_positives) { return at_each(m, s, tp_of, out, capacity); }
RESULTS(false_positives) { return at_each(m, s, fp_of, out, capacity); }
RESULTS(true_negatives) { return at_each(m, s, tn_of, out, capacity); }
RESULTS(false_negatives) { return at_each(m, s, fn_of, out, capacity); }
RESULTS(sensitivity_at_specificity) { return greatest(m, s, specificity_of, recall_of, out, capacity); }
RESULTS(specificity_at_sensitivity) { return greatest(m, s, recall_of, specificity_of, out, capacity); }
RESULTS(precision_at_recall) { return greatest(m, s, recall_of, precision_of, out, capacity); }
RESULTS(recall_at_precision) { return greatest(m, s, precision_of, recall_of, out, capacity); }

/* ---- the area under a curve ---- */

static bool begins_with(const char *text, const char *first, const char *other)
{
    return strcmp(text, first) == 0 || strcmp(text, other) == 0;
}

typedef struct point { double x, y; } point;

static point point_of(const moru_metric_options *o, counts c)
{
    if (begins_with(o->curve, "ROC", "roc"))
        return (point){moru_ratio(c.fp, c.fp + c.tn), recall_of(c)};
    if (begins_with(o->curve, "PR", "pr"))
        return (point){recall_of(c), precision_of(c)};
    double scale = moru_ratio(c.tp + c.fn, c.tn + c.fp); /* gains; Flach and Kull, 2015 */
    if (c.tp == 0)
        return (point){0, 1};
    return (point){fmax(1 - scale * moru_ratio(c.fn, c.tp), 0), 1 - scale * moru_ratio(c.fp, c.tp)};
}

/* A piece of the precision-recall curve, where true positives rise with all positives in a line; Davis and Goadrich,
 * 2006 */
static double interpolated(counts a, counts b)
{
    double dtp = a.tp - b.tp, p_a = a.tp + a.fp, p_b = b.tp + b.fp;
    double slope = moru_ratio(dtp, fmax(p_a - p_b, 0)), intercept = b.tp - slope * p_b;
    double ratio = p_a > 0 && p_b > 0 ? p_a / p_b : 1;
    return moru_ratio(slope * (dtp + intercept * log(ratio)), fmax(b.tp + b.fn, 0));
}

static double area_of(const moru_metric *m, moru_metric_state *s, int64_t label)
{
    const moru_metric_options *o = m->options;
    bool middle = begins_with(o->summation_method, "interpolation", "Interpolation");
    bool lower = begins_with(o->summation_method, "minoring", "Minoring");
    bool lines = middle && begins_with(o->curve, "PR", "pr");
    double area = 0;
    counts a = counts_at(m, s, label, 0);
    for (int64_t i = 1; i < m->thresholds.n; i++) {
        counts b = counts_at(m, s, label, i);
        point u = point_of(o, a), v = point_of(o, b);
        double height = middle ? (u.y + v.y) / 2 : lower ? fmin(u.y, v.y) : fmax(u.y, v.y);
        area += lines ? interpolated(a, b) : (u.x - v.x) * height;
        a = b;
    }
    return area;
}

RESULTS(auc)
{
    double sum = 0, weights = 0;
    int64_t labels = s->columns / (m->thresholds.n + 1);
    count_all(m, s);
    for (int64_t k = 0; k < labels; k++) {
        double weight = m->options->multi_label && m->label_weights.n > 0 ? m->label_weights.values[k] : 1;
        sum += weight * area_of(m, s, k);
        weights += weight;
    }
    if (capacity > 0)
        out[0] = moru_ratio(sum, weights);
    return 1;
}

/* ---- classes ---- */

#define THRESHOLDS MORU_METRIC_FIELD(thresholds, MORU_FIELD_JSON)
#define CLASS_ID MORU_METRIC_FIELD(class_id, MORU_FIELD_OPTIONAL_INT)
static const moru_field at_thresholds[] = {THRESHOLDS, MORU_METRIC_NAME};
static const moru_field ranked[] = {THRESHOLDS, MORU_METRIC_FIELD(top_k, MORU_FIELD_OPTIONAL_INT), CLASS_ID,
                                    MORU_METRIC_NAME};
#define AT(what) static const moru_field at_##what[] = {                                                        \
    MORU_FIELD_NAMED(moru_metric_options, value, MORU_FIELD_REAL, #what),                                       \
    MORU_METRIC_FIELD(num_thresholds, MORU_FIELD_INT), CLASS_ID, MORU_METRIC_NAME};
AT(specificity)
AT(sensitivity)
AT(recall)
AT(precision)
static const moru_field auc_fields[] = {
    MORU_METRIC_FIELD(num_thresholds, MORU_FIELD_INT), MORU_METRIC_FIELD(curve, MORU_FIELD_TEXT),
    MORU_METRIC_FIELD(summation_method, MORU_FIELD_TEXT), MORU_METRIC_NAME, THRESHOLDS,
    MORU_METRIC_FIELD(multi_label, MORU_FIELD_BOOL), MORU_METRIC_FIELD(num_labels, MORU_FIELD_OPTIONAL_INT),
    MORU_METRIC_FIELD(label_weights, MORU_FIELD_JSON), MORU_METRIC_FIELD(from_logits, MORU_FIELD_BOOL)};

#define METRIC(id, class_text, alias_text, fields_, up_, check_)                                                      \
    static const moru_metric_rule id##_rule = {.shape = shape, .update = update, .results = id, .up = up_,            \
                                               .check = check_};                                                      \
    static const moru_class id##_class = {class_text, alias_text, "keras.metrics", sizeof(moru_metric_options),       \
                                          &moru_metric_defaults, fields_, sizeof fields_ / sizeof *fields_, &id##_rule};
METRIC(precision, "Precision", "precision", ranked, true, check_thresholds)
METRIC(recall, "Recall", "recall", ranked, true, check_thresholds)
METRIC(true_positives, "TruePositives", "true_positives", at_thresholds, false, check_thresholds)
METRIC(false_positives, "FalsePositives", "false_positives", at_thresholds, false, check_thresholds)
METRIC(true_negatives, "TrueNegatives", "true_negatives", at_thresholds, false, check_thresholds)
METRIC(false_negatives, "FalseNegatives", "false_negatives", at_thresholds, false, check_thresholds)
METRIC(sensitivity_at_specificity, "SensitivityAtSpecificity", "sensitivity_at_specificity", at_specificity, true,
       check_at)
METRIC(specificity_at_sensitivity, "SpecificityAtSensitivity", "specificity_at_sensitivity", at_sensitivity, true,
       check_at)
METRIC(precision_at_recall, "PrecisionAtRecall", "precision_at_recall", at_recall, true, check_at)
METRIC(recall_at_precision, "RecallAtPrecision", "recall_at_precision", at_precision, true, check_at)
METRIC(auc, "AUC", "auc", auc_fields, true, check_auc)

const moru_class *const moru_confusion_metric_classes[] = {
    &precision_class, &recall_class, &true_positives_class, &false_positives_class, &true_negatives_class,
    &false_negatives_class, &sensitivity_at_specificity_class, &specificity_at_sensitivity_class,
    &precision_at_recall_class, &recall_at_precision_class, &auc_class};
const int moru_confusion_metric_count = sizeof moru_confusion_metric_classes / sizeof *moru_confusion_metric_classes;
