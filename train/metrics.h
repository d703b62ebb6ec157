/* Metrics: Keras's classes and names. A metric adds up a state, batch by batch, and makes its results of that. */
#ifndef MORU_TRAIN_METRICS_H
#define MORU_TRAIN_METRICS_H

#include "train/losses.h"

/* Options of all classes; each has fields for its own. */
typedef struct moru_metric_options {
    const char *name, *dtype;
    moru_loss_options loss;
    int64_t k;                                       /* of top k */
    bool from_sorted_ids;
    double threshold;                                /* NAN: none */
    const char *thresholds;                          /* JSON: null, a number or a list */
    int64_t top_k, class_id;
    int64_t num_thresholds;
    double value;                                    /* a sensitivity, specificity, precision or recall */
    const char *curve, *summation_method;
    bool multi_label, from_logits;
    int64_t num_labels;
    const char *label_weights;                       /* JSON: null or a list */
    const char *average;
    double beta;
    int64_t num_classes, ignore_class, axis;
    const char *target_class_ids;                    /* JSON: a list */
    bool sparse_y_true, sparse_y_pred;
    const char *class_aggregation;
    int64_t num_regressors;
} moru_metric_options;

typedef struct moru_list { int64_t n; double *values; } moru_list;

typedef struct moru_metric {
    const char *name;           /* in logs: as the user wrote it, or the object's own name */
    const char *spec;           /* as it was given, name(arguments) turned into JSON */
    const moru_class *class_;   /* NULL: "accuracy", whose kind shapes decide, or a loss */
    const moru_metric_options *options;
    moru_loss loss;             /* class_ NULL: the loss, if any */
    moru_list thresholds;       /* in ascending order */
    moru_list places;           /* of the thresholds in the order in which they were given */
    moru_list label_weights, ids;
    bool even;                  /* thresholds lie at equal distances: Keras counts by rounding */
} moru_metric;

/* A batch: dense arrays. */
typedef struct moru_metric_data {
    moru_shape t_shape, p_shape, w_shape;
    moru_dtype t_dtype, w_dtype;
    const void *t, *w;          /* w NULL: no weights */
    const moru_real *p;
} moru_metric_data;

typedef struct moru_metric_state {
    int64_t rows, columns;
    double *sums;               /* [rows][columns]; owned */
    int64_t samples;            /* numbers in the targets seen */
} moru_metric_state;

/* The function table of a class: elements for a mean, or the rest. */
typedef struct moru_metric_rule {
    moru_node *(*elements)(const moru_metric_options *o, moru_node *t, moru_node *p, const char *name, moru_node **mask);
    /* Checks shapes; sets rows and columns. */
    moru_status (*shape)(const moru_metric *m, const moru_metric_data *d, const char *where, moru_metric_state *s);
    void (*update)(const moru_metric *m, const moru_metric_data *d, moru_metric_state *s);
    int64_t (*results)(const moru_metric *m, moru_metric_state *s, double *out, int64_t capacity);
    bool up;                    /* a greater value is better */
    const char *name;           /* the object's own; NULL: the class's alias */
    enum { MORU_METRIC_MASKED, MORU_METRIC_UNMASKED, MORU_METRIC_ROOT, MORU_METRIC_SUM, MORU_METRIC_PAIR } kind;
    moru_status (*check)(moru_arena *arena, moru_metric *m, const char *where);
} moru_metric_rule;

/* Everything lies in arena. */
moru_status moru_metric_parse(moru_arena *arena, const char *spec, const char *where, moru_metric *metric);
/* Whether the graph computes it, as moru_metric_mean(); else it is updated from arrays. */
bool moru_metric_is_mean(const moru_metric *metric);
/* What a batch adds to the two sums, total and count: a node [2]. weights may be NULL. */
moru_node *moru_metric_mean(const moru_metric *metric, moru_node *target, moru_node *prediction, moru_node *weights);
/* Makes a state of zeros. d: shapes and dtypes only. */
moru_status moru_metric_begin(const moru_metric *metric, const moru_metric_data *d, moru_metric_state *state);
void moru_metric_update(const moru_metric *metric, const moru_metric_data *d, moru_metric_state *state);
void moru_metric_state_free(moru_metric_state *state);
/* The results, at most capacity of them; returns how many there are. */
int64_t moru_metric_results(const moru_metric *metric, moru_metric_state *state, double *out, int64_t capacity);
/* One number: the mean of the results. */
double moru_metric_value(const moru_metric *metric, moru_metric_state *state);
/* Whether a greater value is better. */
bool moru_metric_goes_up(const moru_metric *metric);

/* For rules. */
int64_t moru_metric_size(const moru_shape *shape);
double moru_metric_element(moru_dtype dtype, const void *data, int64_t i);
/* Weight of element i of the prediction's: weights of samples count for all elements of them. */
double moru_metric_weight(const moru_metric_data *d, int64_t i);
double moru_ratio(double a, double b); /* 0 where b is 0 */
/* A JSON list, or one number, of numbers; text NULL: none. */
moru_status moru_metric_list(moru_arena *arena, const char *text, const char *where, moru_list *list);

extern const moru_metric_options moru_metric_defaults;
extern const moru_class *const moru_mean_metric_classes[], *const moru_confusion_metric_classes[],
    *const moru_score_metric_classes[];
extern const int moru_mean_metric_count, moru_confusion_metric_count, moru_score_metric_count;

#define MORU_METRIC_FIELD(member, kind) MORU_FIELD(moru_metric_options, member, kind)
#define MORU_METRIC_NAME MORU_METRIC_FIELD(name, MORU_FIELD_TEXT)

#endif
