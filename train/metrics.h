/* Metrics: Keras's names. A metric is a mean over samples, gathered batch by batch. */
#ifndef MORU_TRAIN_METRICS_H
#define MORU_TRAIN_METRICS_H

#include "train/losses.h"

typedef struct moru_metric {
    const char *name;           /* in logs: as the user wrote it, or the object's own name */
    const char *spec;           /* as it was given, name(arguments) turned into JSON */
    const moru_class *class_;   /* NULL: "accuracy", whose kind shapes decide, or a loss */
    void *options;
    moru_loss loss;             /* class_ NULL: the loss, if any */
} moru_metric;

/* Everything lies in arena. */
moru_status moru_metric_parse(moru_arena *arena, const char *spec, const char *where, moru_metric *metric);
/* The batch's mean: a scalar. */
moru_node *moru_metric_apply(const moru_metric *metric, moru_node *target, moru_node *prediction);
/* What is reported for a mean over all samples (the root, for a root mean square). */
double moru_metric_finish(const moru_metric *metric, double mean);
/* Whether a greater value is better. */
bool moru_metric_goes_up(const moru_metric *metric);

#endif
