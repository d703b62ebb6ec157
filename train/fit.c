/* moru_fit(): epochs of training steps, with validation and callbacks. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "train/check.h"
#include "train/epoch.h"

typedef struct fitting {
    moru_model *model;
    moru_training *training;
    const moru_fit_options *options;
    const moru_dataset *data, *validation;
    moru_dataset *parts[2];       /* of validation_split; owned */
    moru_loader *loader;
    moru_step_key key;
    int epochs;
    int64_t batch_size, steps;    /* of an epoch */
    moru_real *weights;           /* of a batch's samples, by their classes; owned */
    moru_sums sums;
    bool partial;                 /* an epoch doesn't see all of the data */
    moru_logs logs;
    bool stop;
} fitting;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- callbacks ---- */

enum event { TRAIN_BEGIN, BATCH_END, EPOCH_END, TRAIN_END };

static moru_status call_back(fitting *f, enum event event)
{
    for (int k = 0; k < MORU_MAX_CALLBACKS; k++) {
        const moru_callback *c = f->options->callbacks[k];
        moru_status status = MORU_OK;
        if (!c)
            continue;
        if (event == TRAIN_BEGIN && c->on_train_begin)
            status = c->on_train_begin(c->self, f->model);
        else if (event == BATCH_END && c->on_batch_end)
            status = c->on_batch_end(c->self, f->model, &f->logs, &f->stop);
        else if (event == EPOCH_END && c->on_epoch_end)
            status = c->on_epoch_end(c->self, f->model, &f->logs, &f->stop);
        else if (event == TRAIN_END && c->on_train_end)
            status = c->on_train_end(c->self, f->model);
        MORU_TRY(status);
    }
    return MORU_OK;
}

/* ---- beginning ---- */

/* The first floor(n (1 - split)) samples train, as in Keras. */
static moru_status split(fitting *f, double share)
{
    moru_dataset_info info;
    if (f->options->validation)
        return moru_fail(MORU_ERR_ARGUMENT, "fit: validation and validation_split are both given");
    moru_dataset_describe(f->data, &info);
    int64_t at = share > 0 && share < 1 ? (int64_t)floor((double)info.size * (1 - share)) : 0;
    if (at < 1 || at >= info.size)
        return moru_fail(MORU_ERR_ARGUMENT, "fit: a validation_split of %g leaves nothing to train or to validate on, "
                                            "of %lld samples", share, (long long)info.size);
    MORU_TRY(moru_dataset_slice(&f->parts[0], f->data, 0, at));
    MORU_TRY(moru_dataset_slice(&f->parts[1], f->data, at, info.size));
    f->data = f->parts[0];
    f->validation = f->parts[1];
    return MORU_OK;
}

/* Every sample's weight is that of its class. */
static moru_status begin_class_weights(fitting *f)
{
    const moru_fit_options *o = f->options;
    if (!o->class_weights)
        return MORU_OK;
    if (f->training->n_outputs > 1 || f->key.n_weights > 0)
        return moru_fail(MORU_ERR_ARGUMENT, "fit: class_weights are for models of one output and data without weights");
    for (int k = 0; k < o->n_class_weights; k++)
        if (!isfinite(o->class_weights[k]))
            return moru_fail(MORU_ERR_ARGUMENT, "fit: class_weights: that of class %d isn't a number", k);
    f->weights = calloc((size_t)f->batch_size, sizeof *f->weights);
    if (!f->weights)
        return moru_fail(MORU_ERR_MEMORY, "no memory for class weights");
    f->key.n_weights = 1;
    f->key.weights[0] = (moru_shape){.rank = 1};
    f->key.weight_dtypes[0] = MORU_REAL;
    return MORU_OK;
}

/* Targets are class numbers, or have the greatest number at their class. */
static void weigh_classes(const fitting *f, const moru_batch *batch)
{
    const moru_shape *shape = &f->key.targets[0];
    int64_t each = moru_metric_size(shape) / (batch->size > 0 ? batch->size : 1);
    int64_t last = shape->rank > 1 ? shape->dims[shape->rank - 1] : 1;
    for (int64_t i = 0; i < batch->size; i++) {
        int64_t class_ = 0;
        for (int64_t k = 1; last > 1 && k < last; k++)
            if (moru_metric_element(f->key.target_dtypes[0], batch->targets[0], i * each + k)
                > moru_metric_element(f->key.target_dtypes[0], batch->targets[0], i * each + class_))
                class_ = k;
        double label = moru_metric_element(f->key.target_dtypes[0], batch->targets[0], i * each);
        if (last == 1)
            class_ = fabs(label) < 1e9 ? (int64_t)nearbyint(label) : -1;
        bool has = class_ >= 0 && class_ < f->options->n_class_weights;
        f->weights[i] = has ? (moru_real)f->options->class_weights[class_] : 1;
    }
}

static moru_status begin(fitting *f)
{
    const moru_fit_options *o = f->options;
    moru_dataset_info info;
    f->epochs = o->epochs ? o->epochs : 1;
    f->batch_size = o->batch_size ? o->batch_size : 32;
    if (f->epochs < 1 || o->initial_epoch < 0 || f->batch_size < 1 || o->steps_per_epoch < 0)
        return moru_fail(MORU_ERR_ARGUMENT, "fit: epochs (%d) and batch_size (%lld) must be positive, initial_epoch "
                                            "(%d) and steps_per_epoch (%lld) not negative", f->epochs,
                         (long long)f->batch_size, o->initial_epoch, (long long)o->steps_per_epoch);
    if (!f->data)
        return moru_fail(MORU_ERR_ARGUMENT, "fit: the data set is NULL");
    f->validation = o->validation;
    if (o->validation_split != 0)
        MORU_TRY(split(f, o->validation_split));
    f->key = (moru_step_key){.kind = MORU_STEP_TRAIN, .threads = o->threads, .seed = o->seed,
                             .unguarded = o->no_nan_check};
    MORU_TRY(moru_check_dataset(f->training, f->data, &f->key));
    MORU_TRY(begin_class_weights(f));
    if (f->validation)
        MORU_TRY(moru_check_dataset(f->training, f->validation, &(moru_step_key){.kind = MORU_STEP_EVALUATE}));
    moru_dataset_describe(f->data, &info);
    f->steps = info.size / f->batch_size + (info.size % f->batch_size != 0);
    f->partial = o->steps_per_epoch > 0 && o->steps_per_epoch < f->steps;
    if (f->partial)
        f->steps = o->steps_per_epoch;
    f->training->seed = o->seed;
    return moru_loader_new(&f->loader, f->data, &(moru_loader_options){
        .batch_size = f->batch_size, .shuffle = !o->no_shuffle, .seed = o->seed, .epoch = o->initial_epoch});
}

/* ---- epochs ---- */

static void start_logs(fitting *f, int epoch)
{
    f->logs = (moru_logs){.epoch = epoch, .epochs = f->epochs, .steps = f->steps, .iteration = f->training->iteration};
}

static void log_step(fitting *f, moru_sums *sums, double started)
{
    f->logs.step++;
    f->logs.iteration = f->training->iteration;
    f->logs.seconds = now() - started;
    f->logs.n = 0;
    moru_sums_log(sums, f->training, 0, &f->logs);
}

static moru_status in_place(const fitting *f, moru_status status)
{
    char where[80];
    if (status != MORU_ERR_NUMERIC && status != MORU_ERR_RANGE)
        return status;
    snprintf(where, sizeof where, "fit: step %lld of epoch %d", (long long)f->logs.step + 1, f->logs.epoch + 1);
    return moru_fail_in(status, where);
}

/* Every sample is looked at before it can spoil a weight: in the first epoch, if that sees all of them. */
static moru_status run_batch(fitting *f, const moru_batch *batch, moru_step_data *data, moru_step **step)
{
    bool fresh = f->partial || f->logs.epoch == f->options->initial_epoch;
    moru_step_set_batch(&f->key, batch->size);
    moru_step_data_of(&f->key, batch, data);
    if (f->weights) {
        weigh_classes(f, batch);
        data->weights[0] = f->weights;
    }
    if (fresh && !f->options->no_nan_check)
        MORU_TRY(moru_check_values(f->training, f->data, &f->key, batch));
    MORU_TRY(moru_step_get(f->training, &f->key, step));
    f->logs.learning_rate = moru_optimizer_learning_rate(f->training->optimizer, f->training->iteration);
    return moru_step_run(f->training, *step, data);
}

static moru_status run_epoch(fitting *f, int epoch)
{
    double started = now();
    moru_sums_free(&f->sums);
    f->sums = (moru_sums){.samples = 0};
    start_logs(f, epoch);
    if (epoch > f->options->initial_epoch)
        MORU_TRY(moru_loader_start(f->loader, epoch));
    while (f->logs.step < f->steps && !f->stop) {
        moru_batch batch;
        moru_step *step = NULL;
        MORU_TRY(moru_loader_next(f->loader, &batch));
        if (batch.size == 0)
            break;
        moru_step_data data;
        MORU_TRY(in_place(f, run_batch(f, &batch, &data, &step)));
        MORU_TRY(moru_sums_add(&f->sums, f->training, step, &data));
        log_step(f, &f->sums, started);
        MORU_TRY(call_back(f, BATCH_END));
    }
    if (f->validation)
        MORU_TRY(moru_evaluate_into(f->training, f->validation, f->batch_size, f->options->threads, f->training->n_logs,
                                    &f->logs));
    f->logs.seconds = now() - started;
    if (f->options->history)
        MORU_TRY(moru_history_append(f->options->history, &f->logs));
    return call_back(f, EPOCH_END);
}

static moru_status run(fitting *f)
{
    MORU_TRY(begin(f));
    MORU_TRY(call_back(f, TRAIN_BEGIN));
    for (int epoch = f->options->initial_epoch; epoch < f->epochs && !f->stop; epoch++)
        MORU_TRY(run_epoch(f, epoch));
    moru_training_finish(f->training);
    return call_back(f, TRAIN_END);
}

moru_status moru_fit_with(moru_model *model, const moru_dataset *data, const moru_fit_options *options)
{
    static const moru_fit_options none = {0};
    fitting f = {.model = model, .data = data, .options = options ? options : &none};
    MORU_TRY(moru_training_get(model, "fit", &f.training));
    moru_status status = run(&f);
    moru_sums_free(&f.sums);
    free(f.weights);
    moru_loader_free(f.loader);
    moru_dataset_free(f.parts[0]);
    moru_dataset_free(f.parts[1]);
    return status;
}

moru_status moru_train_on_batch_weighted(moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets,
                                         moru_tensor *const *weights, int n_weights, double *loss)
{
    moru_training *t;
    moru_step *step;
    moru_step_data data;
    MORU_TRY(moru_training_get(model, "train_on_batch", &t));
    moru_step_key key = {.kind = MORU_STEP_TRAIN, .seed = t->seed};
    MORU_TRY(moru_check_tensors(model, inputs, targets, model->n_outputs, weights, n_weights, &key, &data));
    MORU_TRY(moru_step_get(t, &key, &step));
    MORU_TRY(moru_step_run(t, step, &data));
    if (loss)
        *loss = moru_step_value(step, 0);
    return MORU_OK;
}

moru_status moru_train_on_batch(moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets,
                                double *loss)
{
    return moru_train_on_batch_weighted(model, inputs, targets, NULL, 0, loss);
}
