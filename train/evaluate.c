/* moru_evaluate(): means of loss and metrics over a data set. */
#include <math.h>
#include <string.h>

#include "train/check.h"
#include "train/epoch.h"

void moru_sums_add(moru_sums *sums, const moru_step *step, int64_t samples)
{
    for (int k = 0; k < step->n_outputs; k++)
        sums->values[k] += moru_step_value(step, k) * (double)samples;
    sums->samples += samples;
}

void moru_sums_log(const moru_sums *sums, const moru_training *training, int first, moru_logs *logs)
{
    for (int k = 0; k < training->n_logs && logs->n < MORU_MAX_LOGS; k++) {
        double mean = sums->samples > 0 ? sums->values[k] / (double)sums->samples : (double)NAN;
        if (moru_logged_metric(training, k))
            mean = moru_metric_finish(moru_logged_metric(training, k), mean);
        logs->names[logs->n] = training->log_names[first + k];
        logs->values[logs->n++] = mean;
    }
}

void moru_step_data_of(const moru_batch *batch, moru_step_data *data)
{
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        data->inputs[k] = batch->inputs[k];
        data->targets[k] = batch->targets[k];
    }
}

static moru_status run_batches(moru_training *t, const moru_dataset *data, moru_step_key *key, moru_loader *loader,
                               moru_sums *sums)
{
    for (;;) {
        moru_batch batch;
        moru_step_data given;
        moru_step *step;
        MORU_TRY(moru_loader_next(loader, &batch));
        if (batch.size == 0)
            return MORU_OK;
        moru_step_set_batch(key, batch.size);
        moru_step_data_of(&batch, &given);
        MORU_TRY(moru_step_get(t, key, &step));
        moru_status status = moru_step_run(t, step, &given);
        if (status == MORU_ERR_RANGE || (status == MORU_OK && !isfinite(moru_step_value(step, 0))))
            MORU_TRY(moru_check_values(t, data, key, &batch)); /* a bad value in the data is the better message */
        MORU_TRY(status);
        moru_sums_add(sums, step, batch.size);
    }
}

moru_status moru_evaluate_into(moru_training *training, const moru_dataset *data, int64_t batch_size, int threads,
                               int first, moru_logs *logs)
{
    moru_step_key key = {.kind = MORU_STEP_EVALUATE, .threads = threads};
    moru_sums sums = {{0}, 0};
    moru_loader *loader = NULL;
    if (batch_size < 0)
        return moru_fail(MORU_ERR_ARGUMENT, "evaluate: the batch size must be positive, not %lld",
                         (long long)batch_size);
    MORU_TRY(moru_check_dataset(training, data, &key));
    MORU_TRY(moru_loader_new(&loader, data, &(moru_loader_options){.batch_size = batch_size ? batch_size : 32}));
    moru_status status = run_batches(training, data, &key, loader, &sums);
    moru_loader_free(loader);
    if (status == MORU_OK)
        moru_sums_log(&sums, training, first, logs);
    return status;
}

moru_status moru_evaluate_with(moru_model *model, const moru_dataset *data, moru_logs *logs,
                               const moru_evaluate_options *options)
{
    static const moru_evaluate_options none = {0};
    moru_training *t;
    options = options ? options : &none;
    MORU_TRY(moru_training_get(model, "evaluate", &t));
    if (!logs)
        return moru_fail(MORU_ERR_ARGUMENT, "evaluate: logs is NULL");
    memset(logs, 0, sizeof *logs);
    logs->iteration = t->iteration;
    logs->learning_rate = moru_optimizer_learning_rate(t->optimizer, t->iteration);
    return moru_evaluate_into(t, data, options->batch_size, options->threads, 0, logs);
}
