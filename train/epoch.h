/* One pass over a data set: what fit and evaluate share. */
#ifndef MORU_TRAIN_EPOCH_H
#define MORU_TRAIN_EPOCH_H

#include "train/step.h"

/* Sums of values over the samples seen. */
typedef struct moru_sums { double values[MORU_MAX_LOGS]; int64_t samples; } moru_sums;

void moru_sums_add(moru_sums *sums, const moru_step *step, int64_t samples);
/* Appends the means to logs, under the names from log_names[first] on. */
void moru_sums_log(const moru_sums *sums, const moru_training *training, int first, moru_logs *logs);
void moru_step_data_of(const moru_batch *batch, moru_step_data *data);
/* Loss and metrics over a data set, appended to logs under the names from log_names[first] on. */
moru_status moru_evaluate_into(moru_training *training, const moru_dataset *data, int64_t batch_size, int threads,
                               int first, moru_logs *logs);

#endif
