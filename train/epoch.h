/* One pass over a data set: what fit and evaluate share. */
#ifndef MORU_TRAIN_EPOCH_H
#define MORU_TRAIN_EPOCH_H

#include "train/step.h"

/* What a pass has seen: losses times samples, the states of metrics. */
typedef struct moru_sums {
    double losses[MORU_MAX_OUTPUTS + 1];
    moru_metric_state states[MORU_MAX_LOGS / 2]; /* sums NULL: nothing yet */
    int64_t samples;
} moru_sums;

/* Adds a step's values, after it has run on data. */
moru_status moru_sums_add(moru_sums *sums, const moru_training *training, const moru_step *step,
                          const moru_step_data *data);
void moru_sums_free(moru_sums *sums);
/* Appends losses and metrics to logs, under the names from log_names[first] on. */
void moru_sums_log(moru_sums *sums, const moru_training *training, int first, moru_logs *logs);
/* Weights lie behind a batch's targets. */
void moru_step_data_of(const moru_step_key *key, const moru_batch *batch, moru_step_data *data);
/* Loss and metrics over a data set, appended to logs under the names from log_names[first] on. */
moru_status moru_evaluate_into(moru_training *training, const moru_dataset *data, int64_t batch_size, int threads,
                               int first, moru_logs *logs);

#endif
