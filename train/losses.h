/* Losses: Keras's classes and formulas. */
#ifndef MORU_TRAIN_LOSSES_H
#define MORU_TRAIN_LOSSES_H

#include "core/config.h"
#include "core/graph.h"

typedef struct moru_loss {
    const moru_class *class_;
    void *options;
    const char *spec;      /* as it was given, name(arguments) turned into JSON */
} moru_loss;

/* A target and a prediction brought to one rank: a last axis of size 1 that only one has comes or goes, as in Keras. */
typedef struct moru_pair { moru_node *target, *prediction; } moru_pair;

/* Everything lies in arena. */
moru_status moru_loss_parse(moru_arena *arena, const char *spec, const char *where, moru_loss *loss);
/* Losses before the reduction: all axes but the last. Mismatched shapes fail the graph. */
moru_node *moru_loss_values(const moru_loss *loss, moru_node *target, moru_node *prediction);
/* The scalar loss. */
moru_node *moru_loss_apply(const moru_loss *loss, moru_node *target, moru_node *prediction);
/* Whether targets are class numbers. */
bool moru_loss_is_sparse(const moru_loss *loss);
/* Number of classes that a label of a sparse loss may name, given the prediction's shape. */
int64_t moru_loss_classes(const moru_loss *loss, const moru_shape *prediction);

/* The input of the softmax (over the last axis) or sigmoid that made the value; NULL if neither did. */
moru_node *moru_logits_of(moru_node *prediction, const char *activation);
moru_pair moru_pair_ranks(moru_node *target, moru_node *prediction);
/* As moru_pair_ranks(), but both real and of equal shape: fails the graph otherwise, as `op`. */
moru_pair moru_pair_equal(moru_node *target, moru_node *prediction, const char *op);
/* Class numbers of the prediction's shape less its last axis. */
moru_node *moru_pair_labels(moru_node *target, moru_node *prediction, const char *op);
/* Mean over the last axis. */
moru_node *moru_mean_last(moru_node *x);

#endif
