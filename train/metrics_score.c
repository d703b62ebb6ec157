/* Metrics of sums by class: F scores, intersections over unions, the coefficient of determination. */
#include <math.h>
#include <string.h>

#include "train/metrics.h"

static moru_status wrong_shape(const char *where, const char *wanted)
{
    return moru_fail(MORU_ERR_SHAPE, "%s: %s", where, wanted);
}

static double target_at(const moru_metric_data *d, int64_t i)
{
    return moru_metric_element(d->t_dtype, d->t, i);
}

/* ---- F scores ---- */

enum { TRUE_POSITIVES, FALSE_POSITIVES, FALSE_NEGATIVES, POSITIVES };

static bool is_micro(const moru_metric *m)
{
    return m->options->average && strcmp(m->options->average, "micro") == 0;
}

static moru_status f_check(moru_arena *arena, moru_metric *m, const char *where)
{
    const moru_metric_options *o = m->options;
    const char *average = o->average;
    (void)arena;
    if (average && strcmp(average, "micro") != 0 && strcmp(average, "macro") != 0 && strcmp(average, "weighted") != 0)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: average must be micro, macro, weighted or null, not %.40s", where,
                         average);
    if (!(o->beta > 0) || (!isnan(o->threshold) && !(o->threshold > 0 && o->threshold <= 1)))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: beta must be positive, and threshold lie in (0, 1]", where);
    return MORU_OK;
}

static moru_status f_shape(const moru_metric *m, const moru_metric_data *d, const char *where, moru_metric_state *s)
{
    if (d->p_shape.rank != 2 || d->t_shape.rank != 2 || d->t_shape.dims[1] != d->p_shape.dims[1])
        return wrong_shape(where, "targets and outputs of two dimensions, samples and classes, are wanted");
    s->rows = 4;
    s->columns = is_micro(m) ? 1 : d->p_shape.dims[1];
    return MORU_OK;
}

static void f_update(const moru_metric *m, const moru_metric_data *d, moru_metric_state *s)
{
    int64_t n = d->p_shape.dims[0], classes = d->p_shape.dims[1];
    double threshold = m->options->threshold;
    for (int64_t i = 0; i < n; i++) {
        const moru_real *row = d->p + i * classes;
        double most = -INFINITY, weight = moru_metric_weight(d, i * classes);
        for (int64_t k = 0; k < classes; k++)
            most = fmax(most, (double)row[k]);
        for (int64_t k = 0; k < classes; k++) {
            bool chosen = isnan(threshold) ? (double)row[k] >= most && fabs((double)row[k]) > 1e-9
                                           : row[k] > (moru_real)threshold;
            double t = target_at(d, i * classes + k), *sums = s->sums + (s->columns > 1 ? k : 0);
            sums[TRUE_POSITIVES * s->columns] += weight * (chosen ? t : 0);
            sums[FALSE_POSITIVES * s->columns] += weight * (chosen ? 1 - t : 0);
            sums[FALSE_NEGATIVES * s->columns] += weight * (chosen ? 0 : t);
            sums[POSITIVES * s->columns] += weight * t;
        }
    }
}

static double f_score(const moru_metric *m, moru_metric_state *s, int64_t k)
{
    const double *sums = s->sums + k;
    double tp = sums[TRUE_POSITIVES * s->columns], squared = m->options->beta * m->options->beta;
    double precision = tp / (tp + sums[FALSE_POSITIVES * s->columns] + MORU_EPSILON);
    double recall = tp / (tp + sums[FALSE_NEGATIVES * s->columns] + MORU_EPSILON);
    return precision * recall / (squared * precision + recall + MORU_EPSILON) * (1 + squared);
}

static int64_t f_results(const moru_metric *m, moru_metric_state *s, double *out, int64_t capacity)
{
    const char *average = m->options->average;
    bool weighted = average && strcmp(average, "weighted") == 0;
    double sum = 0, positives = 0;
    for (int64_t k = 0; k < s->columns; k++)
        positives += s->sums[POSITIVES * s->columns + k];
    for (int64_t k = 0; k < s->columns; k++) {
        double score = f_score(m, s, k), share = s->sums[POSITIVES * s->columns + k] / (positives + MORU_EPSILON);
        sum += weighted ? score * share : score / (double)s->columns;
        if (!average && k < capacity)
            out[k] = score;
    }
    if (average && capacity > 0)
        out[0] = sum;
    return average ? 1 : s->columns;
}

/* ---- intersections over unions ---- */

enum { MAX_CLASSES = 1 << 14 };

static moru_status iou_ids(moru_arena *arena, moru_metric *m, const char *where)
{
    const moru_metric_options *o = m->options;
    if (o->num_classes < 1 || o->num_classes > MAX_CLASSES)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: num_classes must lie in 1 to %d, not be %lld", where, MAX_CLASSES,
                         (long long)o->num_classes);
    MORU_TRY(moru_metric_list(arena, o->target_class_ids, where, &m->ids));
    for (int64_t i = 0; i < m->ids.n; i++)
        if (!(m->ids.values[i] >= 0 && m->ids.values[i] < (double)o->num_classes))
            return moru_fail(MORU_ERR_ARGUMENT, "%s: the target class %g isn't one of %lld", where, m->ids.values[i],
                             (long long)o->num_classes);
    return MORU_OK;
}

static moru_status iou_check(moru_arena *arena, moru_metric *m, const char *where)
{
    MORU_TRY(iou_ids(arena, m, where));
    return m->ids.n > 0 ? MORU_OK : moru_fail(MORU_ERR_ARGUMENT, "%s: target_class_ids are missing", where);
}

/* Class numbers along an axis, or given as they are. */
typedef struct labels { int64_t outer, classes, inner; } labels;

static bool labels_of(const moru_shape *shape, bool sparse, int64_t axis, labels *l)
{
    int64_t place = axis < 0 ? axis + shape->rank : axis;
    *l = (labels){moru_metric_size(shape), 1, 1};
    if (sparse)
        return true;
    if (place < 0 || place >= shape->rank)
        return false;
    *l = (labels){1, shape->dims[place], 1};
    for (int i = 0; i < shape->rank; i++) {
        l->outer *= i < place ? shape->dims[i] : 1;
        l->inner *= i > place ? shape->dims[i] : 1;
    }
    return true;
}

static int64_t label_at(moru_dtype dtype, const void *data, const labels *l, bool sparse, int64_t i)
{
    const int64_t first = i / l->inner * l->classes * l->inner + i % l->inner;
    int64_t best = 0;
    if (sparse)
        return (int64_t)moru_metric_element(dtype, data, i);
    for (int64_t k = 1; k < l->classes; k++)
        if (moru_metric_element(dtype, data, first + k * l->inner)
            > moru_metric_element(dtype, data, first + best * l->inner))
            best = k;
    return best;
}

static moru_status iou_shape(const moru_metric *m, const moru_metric_data *d, const char *where, moru_metric_state *s)
{
    const moru_metric_options *o = m->options;
    labels t, p;
    if (!labels_of(&d->t_shape, o->sparse_y_true, o->axis, &t) || !labels_of(&d->p_shape, o->sparse_y_pred, o->axis, &p)
        || t.outer * t.inner != p.outer * p.inner)
        return wrong_shape(where, "as many target classes as predicted ones are wanted");
    if (d->w && moru_metric_size(&d->w_shape) != t.outer * t.inner)
        return wrong_shape(where, "one weight a target class is wanted");
    s->rows = s->columns = o->num_classes;
    return MORU_OK;
}

/* The state is the confusion matrix: targets in rows. Whole numbers, weights too, unless dtype is floating. */
static void iou_update(const moru_metric *m, const moru_metric_data *d, moru_metric_state *s)
{
    const moru_metric_options *o = m->options;
    bool binary = !isnan(o->threshold), whole = !o->dtype || !strstr(o->dtype, "float");
    labels t, p;
    labels_of(&d->t_shape, o->sparse_y_true, o->axis, &t);
    labels_of(&d->p_shape, o->sparse_y_pred, o->axis, &p);
    for (int64_t i = 0; i < t.outer * t.inner; i++) {
        int64_t from = label_at(d->t_dtype, d->t, &t, o->sparse_y_true, i);
        int64_t to = binary ? d->p[i] >= (moru_real)o->threshold : label_at(MORU_REAL, d->p, &p, o->sparse_y_pred, i);
        double weight = d->w ? moru_metric_element(d->w_dtype, d->w, i) : 1;
        if (from < 0 || from >= s->rows || to < 0 || to >= s->rows || from == o->ignore_class)
            continue;
        s->sums[from * s->columns + to] += whole ? trunc(weight) : weight;
    }
}

static int64_t iou_results(const moru_metric *m, moru_metric_state *s, double *out, int64_t capacity)
{
    double sum = 0, valid = 0;
    int64_t n = m->ids.n ? m->ids.n : s->rows;
    for (int64_t k = 0; k < n; k++) {
        int64_t id = m->ids.n ? (int64_t)m->ids.values[k] : k;
        double both = s->sums[id * s->columns + id], any = -both;
        for (int64_t i = 0; i < s->rows; i++)
            any += s->sums[id * s->columns + i] + s->sums[i * s->columns + id];
        sum += any > 1e-9 ? both / (any + MORU_EPSILON) : 0;
        valid += any > 1e-9;
    }
    if (capacity > 0)
        out[0] = sum / (valid + MORU_EPSILON);
    return 1;
}

/* ---- the coefficient of determination ---- */

enum { SUM, SQUARES, RESIDUALS, COUNT };

static moru_status r2_check(moru_arena *arena, moru_metric *m, const char *where)
{
    const char *how = m->options->class_aggregation;
    (void)arena;
    if (how && strcmp(how, "uniform_average") != 0 && strcmp(how, "variance_weighted_average") != 0)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: class_aggregation must be uniform_average, variance_weighted_average "
                         "or null, not %.40s", where, how);
    return m->options->num_regressors >= 0 ? MORU_OK
         : moru_fail(MORU_ERR_ARGUMENT, "%s: num_regressors must not be negative", where);
}

static moru_status r2_shape(const moru_metric *m, const moru_metric_data *d, const char *where, moru_metric_state *s)
{
    (void)m;
    if (d->p_shape.rank != 2 || moru_metric_size(&d->t_shape) != moru_metric_size(&d->p_shape))
        return wrong_shape(where, "targets and outputs of two dimensions, samples and numbers, are wanted");
    s->rows = 4;
    s->columns = d->p_shape.dims[1];
    return MORU_OK;
}

static void r2_update(const moru_metric *m, const moru_metric_data *d, moru_metric_state *s)
{
    int64_t n = moru_metric_size(&d->p_shape);
    (void)m;
    for (int64_t i = 0; i < n; i++) {
        double t = target_at(d, i), error = t - (double)d->p[i], weight = moru_metric_weight(d, i);
        double *sums = s->sums + i % s->columns;
        sums[SUM * s->columns] += weight * t;
        sums[SQUARES * s->columns] += weight * t * t;
        sums[RESIDUALS * s->columns] += weight * error * error;
        sums[COUNT * s->columns] += weight;
    }
    s->samples += n;
}

/* 1 - (1 - r) (n - 1)/(n - p - 1), where there are more samples than that needs */
static double adjusted(const moru_metric *m, moru_metric_state *s, double score)
{
    double n = (double)s->samples, p = (double)m->options->num_regressors;
    return p == 0 || p >= n - 1 ? score : 1 - (1 - score) * (n - 1) / (n - p - 1);
}

static int64_t r2_results(const moru_metric *m, moru_metric_state *s, double *out, int64_t capacity)
{
    const char *how = m->options->class_aggregation;
    bool by_variance = how && strcmp(how, "variance_weighted_average") == 0;
    double sum = 0, weights = 0;
    for (int64_t k = 0; k < s->columns; k++) {
        const double *sums = s->sums + k;
        double mean = sums[SUM * s->columns] / sums[COUNT * s->columns];
        double total = sums[SQUARES * s->columns] - sums[SUM * s->columns] * mean;
        double score = 1 - sums[RESIDUALS * s->columns] / total;
        score = isinf(score) ? 0 : score;
        sum += by_variance ? total * score : score;
        weights += by_variance ? total : 1;
        if (!how && k < capacity)
            out[k] = adjusted(m, s, score);
    }
    if (how && capacity > 0)
        out[0] = adjusted(m, s, sum / weights);
    return how ? 1 : s->columns;
}

/* ---- classes ---- */

#define DTYPE MORU_METRIC_FIELD(dtype, MORU_FIELD_TEXT)
#define NUM_CLASSES MORU_METRIC_FIELD(num_classes, MORU_FIELD_INT)
#define IDS MORU_METRIC_FIELD(target_class_ids, MORU_FIELD_JSON)
#define IGNORE MORU_METRIC_FIELD(ignore_class, MORU_FIELD_OPTIONAL_INT)
#define SPARSE(what) MORU_METRIC_FIELD(sparse_y_##what, MORU_FIELD_BOOL)
#define AXIS MORU_METRIC_FIELD(axis, MORU_FIELD_INT)
#define AVERAGE MORU_METRIC_FIELD(average, MORU_FIELD_TEXT)
#define THRESHOLD MORU_METRIC_FIELD(threshold, MORU_FIELD_REAL)
static const moru_field f_beta[] = {AVERAGE, MORU_METRIC_FIELD(beta, MORU_FIELD_REAL), THRESHOLD, MORU_METRIC_NAME};
static const moru_field f1[] = {AVERAGE, THRESHOLD, MORU_METRIC_NAME};
static const moru_field iou[] = {NUM_CLASSES, IDS, MORU_METRIC_NAME, DTYPE, IGNORE, SPARSE(true), SPARSE(pred), AXIS};
static const moru_field mean_iou[] = {NUM_CLASSES, MORU_METRIC_NAME, DTYPE, IGNORE, SPARSE(true), SPARSE(pred), AXIS};
static const moru_field binary_iou[] = {IDS, THRESHOLD, MORU_METRIC_NAME, DTYPE};
static const moru_field one_hot[] = {NUM_CLASSES, IDS, MORU_METRIC_NAME, DTYPE, IGNORE, SPARSE(pred), AXIS};
static const moru_field mean_one_hot[] = {NUM_CLASSES, MORU_METRIC_NAME, DTYPE, IGNORE, SPARSE(pred), AXIS};
static const moru_field r2[] = {MORU_METRIC_FIELD(class_aggregation, MORU_FIELD_TEXT),
                                MORU_METRIC_FIELD(num_regressors, MORU_FIELD_INT), MORU_METRIC_NAME};

#define COMMON .loss = {.delta = 1, .q = 0.5, .axis = -1, .ignore_class = MORU_NO_INT}, .ignore_class = MORU_NO_INT, \
    .axis = -1
#define IOU COMMON, .dtype = "int64", .threshold = NAN
static const moru_metric_options f_defaults = {COMMON, .threshold = NAN, .beta = 1};
static const moru_metric_options r2_defaults = {COMMON, .class_aggregation = "uniform_average"};
static const moru_metric_options iou_defaults = {IOU, .sparse_y_true = true, .sparse_y_pred = true};
static const moru_metric_options one_hot_defaults = {IOU};
static const moru_metric_options binary_defaults = {COMMON, .dtype = "int64", .threshold = 0.5, .num_classes = 2,
    .target_class_ids = "[0, 1]", .sparse_y_true = true, .sparse_y_pred = true};

#define METRIC(id, rule, class_text, alias_text, fields_, defaults_, check_, name_)                                   \
    static const moru_metric_rule id##_rule = {.shape = rule##_shape, .update = rule##_update,                        \
        .results = rule##_results, .up = true, .check = check_, .name = name_};                                       \
    static const moru_class id##_class = {class_text, alias_text, "keras.metrics", sizeof(moru_metric_options),       \
                                          &defaults_, fields_, sizeof fields_ / sizeof *fields_, &id##_rule};
METRIC(f_beta, f, "FBetaScore", "f_beta_score", f_beta, f_defaults, f_check, "fbeta_score")
METRIC(f1, f, "F1Score", "f1_score", f1, f_defaults, f_check, NULL)
METRIC(iou, iou, "IoU", "io_u", iou, iou_defaults, iou_check, NULL)
METRIC(mean_iou, iou, "MeanIoU", "mean_io_u", mean_iou, iou_defaults, iou_ids, NULL)
METRIC(binary_iou, iou, "BinaryIoU", "binary_io_u", binary_iou, binary_defaults, iou_check, NULL)
METRIC(one_hot, iou, "OneHotIoU", "one_hot_io_u", one_hot, one_hot_defaults, iou_check, NULL)
METRIC(mean_one_hot, iou, "OneHotMeanIoU", "one_hot_mean_io_u", mean_one_hot, one_hot_defaults, iou_ids, NULL)
METRIC(r2, r2, "R2Score", "r2_score", r2, r2_defaults, r2_check, NULL)

const moru_class *const moru_score_metric_classes[] = {
    &f_beta_class, &f1_class, &iou_class, &mean_iou_class, &binary_iou_class, &one_hot_class, &mean_one_hot_class,
    &r2_class};
const int moru_score_metric_count = sizeof moru_score_metric_classes / sizeof *moru_score_metric_classes;
