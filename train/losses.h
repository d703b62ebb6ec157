/* Losses: Keras's classes and formulas. */
#ifndef MORU_TRAIN_LOSSES_H
#define MORU_TRAIN_LOSSES_H

#include "core/config.h"
#include "core/graph.h"

#define MORU_EPSILON 1e-7 /* keras.config.epsilon() */

/* Options of all classes; each has fields for its own. */
typedef struct moru_loss_options {
    bool from_logits, apply_class_balancing, remove_diagonal;
    double label_smoothing, delta, alpha, beta, gamma, margin, q;
    int64_t axis, ignore_class;
    const char *axes;           /* of sums: JSON, an axis or a list of them; NULL: all */
    const char *reduction;      /* NULL: none */
} moru_loss_options;

/* What the elements of a loss still need before they are one number a sample. */
typedef enum moru_last_axis { MORU_LAST_MEAN, MORU_LAST_SUM, MORU_LAST_GONE } moru_last_axis;

/* The function table of a class. */
typedef struct moru_loss_rule {
    /* A rule that leaves some of its values out sets *mask. */
    moru_node *(*elements)(const moru_loss_options *o, moru_node *t, moru_node *p, const char *name, moru_node **mask);
    moru_last_axis last;
    bool sparse;                /* targets are class numbers */
} moru_loss_rule;

typedef struct moru_loss {
    const moru_class *class_;   /* NULL: none for this output */
    void *options;
    const char *spec;           /* as it was given, name(arguments) turned into JSON */
} moru_loss;

/* A target and a prediction brought to one rank: a last axis of size 1 that only one has comes or goes, as in Keras. */
typedef struct moru_pair { moru_node *target, *prediction; } moru_pair;

/* Everything lies in arena. */
moru_status moru_loss_parse(moru_arena *arena, const char *spec, const char *where, moru_loss *loss);
/* For checks of options: names of the loss's own. */
moru_status moru_loss_check(const moru_loss_options *options, const char *where);
/* Losses before the reduction: all axes but the last. Mismatched shapes fail the graph. mask may be NULL. */
moru_node *moru_loss_values(const moru_loss *loss, moru_node *target, moru_node *prediction, moru_node **mask);
/* The loss, a scalar but for the reduction "none", weighted by the weights (or NULL) of samples or steps and by the
 * prediction's mask. */
moru_node *moru_loss_apply(const moru_loss *loss, moru_node *target, moru_node *prediction, moru_node *weights);
/* Whether targets are class numbers. */
bool moru_loss_is_sparse(const moru_loss *loss);
/* Number of classes that a label of a sparse loss may name, given the prediction's shape; 0: any. */
int64_t moru_loss_classes(const moru_loss *loss, const moru_shape *prediction);

/* The input of the softmax (over the last axis) or sigmoid that made the value; NULL if neither did. */
moru_node *moru_logits_of(moru_node *prediction, const char *activation);
moru_pair moru_pair_ranks(moru_node *target, moru_node *prediction);
/* As moru_pair_ranks(), but both real and of equal shape: fails the graph otherwise, as `op`. */
moru_pair moru_pair_equal(moru_node *target, moru_node *prediction, const char *op);
/* Class numbers of the prediction's shape less its last axis. */
moru_node *moru_pair_labels(moru_node *target, moru_node *prediction, const char *op);
/* Values and their weights, brought to shapes that multiply: weights of samples count for all steps of them. */
moru_pair moru_pair_weights(moru_node *values, moru_node *weights);
/* a/b; 0 where b is 0. Scalars. */
moru_node *moru_div_or_zero(moru_node *a, moru_node *b);
/* Mean over the last axis. */
moru_node *moru_mean_last(moru_node *x);
/* x with the axis moved to the end; axis may count from the end. */
moru_node *moru_axis_last(moru_node *x, int64_t axis, const char *op);
/* Axes of a JSON text, an axis or a list; NULL: all of x's. Returns how many; -1 after a failure of the graph. */
int moru_axes_of(const char *text, moru_node *x, int axes[MORU_MAX_RANK], const char *op);
int64_t moru_last_size(const moru_node *x);

extern const moru_loss_options moru_loss_defaults;
extern const moru_class moru_squared_error_class, moru_absolute_error_class, moru_percentage_error_class,
    moru_logarithmic_error_class, moru_cosine_similarity_class, moru_huber_class, moru_log_cosh_class,
    moru_poisson_class, moru_kl_divergence_class;
extern const moru_class moru_hinge_class, moru_squared_hinge_class, moru_categorical_hinge_class,
    moru_binary_crossentropy_class, moru_binary_focal_crossentropy_class, moru_categorical_crossentropy_class,
    moru_categorical_focal_crossentropy_class, moru_sparse_categorical_crossentropy_class, moru_crossentropy_class,
    moru_generalized_crossentropy_class, moru_ctc_class;
extern const moru_class moru_dice_class, moru_tversky_class, moru_circle_class;

/* Rows of tables of fields. */
#define MORU_LOSS_FIELD(member, kind) MORU_FIELD(moru_loss_options, member, kind)
#define MORU_LOSS_REDUCTION MORU_LOSS_FIELD(reduction, MORU_FIELD_TEXT)
/* A class moru_ID_class with the rule `id`, from the static array id##_fields. */
#define MORU_LOSS(id, class_text, alias_text, fields_, defaults_, last_axis, is_sparse)                         \
    static const moru_loss_rule id##_rule = {id, last_axis, is_sparse};                                         \
    const moru_class moru_##id##_class = {                                                                      \
        class_text, alias_text, "keras.losses", sizeof(moru_loss_options), &(defaults_), fields_,               \
        sizeof fields_ / sizeof *fields_, &id##_rule};

#endif
