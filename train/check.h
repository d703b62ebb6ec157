/* Whether data fits a model. */
#ifndef MORU_TRAIN_CHECK_H
#define MORU_TRAIN_CHECK_H

#include "train/step.h"

/* Shapes and types of a data set's inputs and targets against the model's; fills the key's but for the batch size. */
moru_status moru_check_dataset(const moru_training *training, const moru_dataset *data, moru_step_key *key);
/* The same for tensors whose first axis is the batch; n_targets < 0: no targets wanted. Fills data, too. */
moru_status moru_check_tensors(const moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets,
                               int n_targets, moru_tensor *const *weights, int n_weights, moru_step_key *key,
                               moru_step_data *data);
/* Looks for NaN, infinity and labels out of range in a batch; says in which sample of the data set. */
moru_status moru_check_values(const moru_training *training, const moru_dataset *data, const moru_step_key *key,
                              const moru_batch *batch);

#endif
