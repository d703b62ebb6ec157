/* moru_evaluate(): means of loss and metrics over a data set. */
#include <math.h>
#include <string.h>

#include "core/tensor.h"
#include "train/check.h"
#include "train/epoch.h"

/* The arrays that metrics look at. */
static moru_metric_data metric_data(const moru_step *step, const moru_step_data *data, const moru_watched *m)
{
    const moru_step_key *key = &step->key;
    const moru_tensor *p = moru_program_output(step->program, step->prediction_outputs[m->output]);
    moru_metric_data d = {.t_shape = key->targets[m->output], .t_dtype = key->target_dtypes[m->output],
                          .t = data->targets[m->output], .p_shape = p->shape, .p = p->data};
    int k = key->n_weights == 1 ? 0 : m->output;
    if (m->weighted && key->n_weights > 0) {
        d.w_shape = key->weights[k];
        d.w_dtype = key->weight_dtypes[k];
        d.w = data->weights[k];
    }
    return d;
}

static moru_status add_metric(moru_metric_state *state, const moru_step *step, const moru_step_data *data,
                              const moru_watched *m, int output)
{
    bool mean = moru_metric_is_mean(&m->metric);
    moru_metric_data d = {.w = NULL};
    if (!mean)
        d = metric_data(step, data, m);
    if (!state->sums)
        MORU_TRY(moru_metric_begin(&m->metric, &d, state));
    if (mean) {
        const moru_real *sums = moru_tensor_const_data(moru_program_output(step->program, output));
        state->sums[0] += (double)sums[0];
        state->sums[1] += (double)sums[1];
    } else {
        moru_metric_update(&m->metric, &d, state);
    }
    return MORU_OK;
}

moru_status moru_sums_add(moru_sums *sums, const moru_training *training, const moru_step *step,
                          const moru_step_data *data)
{
    int64_t samples = step->key.inputs[0].dims[0];
    for (int k = 0; k < step->n_losses; k++)
        sums->losses[k] += moru_step_value(step, k) * (double)samples;
    for (int k = 0; k < training->n_metrics; k++)
        MORU_TRY(add_metric(&sums->states[k], step, data, &training->metrics[k], step->metric_outputs[k]));
    sums->samples += samples;
    return MORU_OK;
}

void moru_sums_free(moru_sums *sums)
{
    for (int k = 0; k < MORU_MAX_LOGS / 2; k++)
        moru_metric_state_free(&sums->states[k]);
}

void moru_sums_log(moru_sums *sums, const moru_training *training, int first, moru_logs *logs)
{
    int n_losses = training->n_logs - training->n_metrics;
    for (int k = 0; k < training->n_logs && logs->n < MORU_MAX_LOGS; k++) {
        double value = (double)NAN;
        if (sums->samples > 0 && k < n_losses)
            value = sums->losses[k] / (double)sums->samples;
        else if (sums->samples > 0)
            value = moru_metric_value(&training->metrics[k - n_losses].metric, &sums->states[k - n_losses]);
        logs->names[logs->n] = training->log_names[first + k];
        logs->values[logs->n++] = value;
    }
}

void moru_step_data_of(const moru_step_key *key, const moru_batch *batch, moru_step_data *data)
{
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        data->inputs[k] = batch->inputs[k];
        data->targets[k] = batch->targets[k];
        data->weights[k] = k < key->n_weights ? batch->targets[key->n_targets + k] : NULL;
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
        moru_step_data_of(key, &batch, &given);
        MORU_TRY(moru_step_get(t, key, &step));
        moru_status status = moru_step_run(t, step, &given);
        if (status == MORU_ERR_RANGE || (status == MORU_OK && !isfinite(moru_step_value(step, 0))))
            MORU_TRY(moru_check_values(t, data, key, &batch)); /* a bad value in the data is the better message */
        MORU_TRY(status);
        MORU_TRY(moru_sums_add(sums, t, step, &given));
    }
}

moru_status moru_evaluate_into(moru_training *training, const moru_dataset *data, int64_t batch_size, int threads,
                               int first, moru_logs *logs)
{
    moru_step_key key = {.kind = MORU_STEP_EVALUATE, .threads = threads};
    moru_sums sums = {.samples = 0};
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
    moru_sums_free(&sums);
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
