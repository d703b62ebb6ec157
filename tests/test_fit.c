/* Training: convergence, the same bits again, resuming, what stops it, and what is wrong with data. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <moru.h>
#include "core/tensor.h"
#include "train/callbacks.h"
#include "train/training.h"

#define OK(call) ck_assert_msg((call) == MORU_OK, "%s", moru_last_error())
#define FAILS(call, code, text) do { \
        ck_assert_int_eq((call), (code)); \
        ck_assert_msg(strstr(moru_last_error(), (text)) != NULL, "%s", moru_last_error()); \
    } while (0)

/* ---- data ---- */

static moru_dataset *dataset(moru_tensor *x, moru_tensor *t)
{
    moru_dataset *data = NULL;
    const moru_tensor *xs[] = {x}, *ts[] = {t};
    OK(moru_dataset_from_tensors(&data, xs, 1, ts, 1));
    moru_tensor_free(x);
    moru_tensor_free(t);
    return data;
}

static moru_tensor *normal(uint64_t stream, moru_shape shape)
{
    moru_tensor *t = moru_tensor_new(MORU_REAL, shape);
    moru_random r = {5, stream, 0};
    for (int64_t i = 0; i < t->size; i++)
        ((moru_real *)t->data)[i] = (moru_real)moru_random_normal(&r);
    return t;
}

enum { CLASSES = 3 };

static moru_tensor *labels(int64_t n)
{
    moru_tensor *t = moru_tensor_new(MORU_INT32, MORU_SHAPE(n));
    moru_random r = {6, 1, 0};
    for (int64_t i = 0; i < n; i++)
        ((int32_t *)t->data)[i] = (int32_t)moru_random_below(&r, CLASSES);
    return t;
}

/* y = 10 x */
static moru_dataset *study_time(void)
{
    return dataset(moru_tensor_from(MORU_REAL, MORU_SHAPE(4, 1), (moru_real[]){9, 8, 4, 2}),
                   moru_tensor_from(MORU_REAL, MORU_SHAPE(4), (moru_real[]){90, 80, 40, 20}));
}

static moru_dataset *pictures(int64_t n)
{
    return dataset(normal(1, MORU_SHAPE(n, 8, 8, 2)), labels(n));
}

/* ---- models ---- */

static moru_model *line(moru_optimizer *optimizer)
{
    moru_model *m = moru_sequential("line", moru_input(1), moru_dense(.units = 1));
    OK(moru_compile(m, .optimizer = optimizer, .loss = "mse", .metrics = {"mae"}));
    return m;
}

/* Everything that has a state or randomness of its own. */
static moru_model *network(void)
{
    moru_model *m = moru_sequential("network", moru_input(8, 8, 2),
        moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .padding = "same", .activation = "relu"),
        moru_batch_normalization(), moru_max_pooling2d(), moru_flatten(), moru_dropout(.rate = 0.25),
        moru_dense(.units = 16, .activation = "tanh", .kernel_regularizer = "l2(0.001)"),
        moru_dense(.units = CLASSES, .activation = "softmax"));
    ck_assert_msg(moru_model_status(m) == MORU_OK, "%s", moru_model_error(m));
    OK(moru_model_initialize(m, 3));
    OK(moru_compile(m, .optimizer = moru_adam(.learning_rate_schedule = "exponential_decay(0.01, 5, 0.9)"),
                    .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}));
    return m;
}

/* The first number of weight k of the layer "dense". */
static moru_real *weight(moru_model *m, int k)
{
    return moru_tensor_data(moru_layer_weight_at(moru_model_layer(m, "dense"), k, NULL));
}

static int weights_of(moru_model *m, moru_tensor **all)
{
    int n = 0;
    for (int i = 0; i < m->n_layers; i++)
        for (int k = 0; k < m->layers[i]->n_weights; k++)
            all[n++] = m->layers[i]->weights[k].tensor;
    return n;
}

static bool same_bits(moru_model *a, moru_model *b)
{
    moru_tensor *wa[64], *wb[64];
    int n = weights_of(a, wa);
    ck_assert_int_eq(n, weights_of(b, wb));
    for (int i = 0; i < n; i++)
        if (memcmp(wa[i]->data, wb[i]->data, (size_t)wa[i]->size * moru_dtype_size(wa[i]->dtype)) != 0)
            return false;
    for (int i = 0; i < a->training->n_slots; i++)
        if (memcmp(a->training->slots[i]->data, b->training->slots[i]->data,
                   (size_t)a->training->slots[i]->size * sizeof(moru_real)) != 0)
            return false;
    return true;
}

static bool all_finite(moru_model *m)
{
    moru_tensor *w[64];
    bool finite = true;
    for (int i = 0, n = weights_of(m, w); i < n; i++)
        for (int64_t k = 0; k < w[i]->size; k++)
            finite &= isfinite(((moru_real *)w[i]->data)[k]);
    return finite;
}

/* ---- training ---- */

START_TEST(test_linear_regression)
{
    moru_dataset *data = study_time();
    moru_model *m = line(moru_sgd(.learning_rate = 0.01, .momentum = 0.9));
    moru_history *history = moru_history_new();
    OK(moru_fit(m, data, .epochs = 600, .batch_size = 4, .history = history));
    double w = (double)*weight(m, 0);
    double b = (double)*weight(m, 1);
    ck_assert_msg(fabs(w - 10) < 0.01 && fabs(b) < 0.05, "w = %g, b = %g", w, b);
    ck_assert_int_eq(moru_history_count(history), 600);
    const moru_logs *first = moru_history_at(history, 0), *last = moru_history_at(history, 599);
    ck_assert(last->epoch == 599 && last->epochs == 600 && last->step == 1 && last->iteration == 600);
    ck_assert(moru_logs_get(last, "loss") < 1e-3 && moru_logs_get(first, "mae") > 1);
    ck_assert(isnan(moru_logs_get(last, "val_loss")) && last->n == 2);
    ck_assert_ptr_null(moru_history_at(history, 600));
    moru_model_free(m); /* the history keeps the names */
    ck_assert_str_eq(moru_history_at(history, 7)->names[1], "mae");
    moru_history_free(history);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_shuffling_by_seed)
{
    moru_dataset *data = pictures(50);
    moru_model *m[4] = {network(), network(), network(), network()};
    OK(moru_fit(m[0], data, .epochs = 2, .batch_size = 16, .seed = 1));
    OK(moru_fit(m[1], data, .epochs = 2, .batch_size = 16, .seed = 1));
    OK(moru_fit(m[2], data, .epochs = 2, .batch_size = 16, .seed = 2));
    OK(moru_fit(m[3], data, .epochs = 2, .batch_size = 16, .seed = 1, .no_shuffle = true));
    ck_assert(same_bits(m[0], m[1]));
    ck_assert(!same_bits(m[0], m[2]) && !same_bits(m[0], m[3]));
    for (int k = 0; k < 4; k++)
        moru_model_free(m[k]);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_same_bits_for_any_number_of_threads)
{
    static const int threads[] = {1, 2, 3, 8};
    moru_dataset *data = pictures(100);
    moru_model *m[4];
    for (int k = 0; k < 4; k++) {
        m[k] = network();
        OK(moru_fit(m[k], data, .epochs = 2, .batch_size = 32, .seed = 9, .threads = threads[k]));
        ck_assert_msg(same_bits(m[0], m[k]), "%d threads", threads[k]);
    }
    for (int k = 0; k < 4; k++)
        moru_model_free(m[k]);
    moru_dataset_free(data);
}
END_TEST

/* What a checkpoint holds: weights, slots, the count of steps. */
static void copy_state(moru_model *to, moru_model *from)
{
    moru_tensor *a[64], *b[64];
    int n = weights_of(to, a);
    weights_of(from, b);
    for (int i = 0; i < n; i++)
        memcpy(a[i]->data, b[i]->data, (size_t)a[i]->size * sizeof(moru_real));
    for (int i = 0; i < to->training->n_slots; i++)
        memcpy(to->training->slots[i]->data, from->training->slots[i]->data,
               (size_t)to->training->slots[i]->size * sizeof(moru_real));
    to->training->iteration = from->training->iteration;
}

START_TEST(test_resumed_run_equals_an_uninterrupted_one)
{
    moru_dataset *data = pictures(50);
    moru_model *whole = network(), *first = network(), *second = network();
    OK(moru_fit(whole, data, .epochs = 4, .batch_size = 16, .seed = 4));
    OK(moru_fit(first, data, .epochs = 2, .batch_size = 16, .seed = 4));
    ck_assert(!same_bits(whole, first));
    copy_state(second, first);
    OK(moru_fit(second, data, .epochs = 4, .initial_epoch = 2, .batch_size = 16, .seed = 4));
    ck_assert(same_bits(whole, second));
    ck_assert_int_eq(second->training->iteration, 16);
    moru_model_free(whole);
    moru_model_free(first);
    moru_model_free(second);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_resumed_from_a_file)
{
    char path[64];
    moru_dataset *data = pictures(50);
    moru_model *whole = network(), *first = network(), *second = NULL;
    snprintf(path, sizeof path, "test_fit_%ld.keras", (long)getpid());
    OK(moru_fit(whole, data, .epochs = 3, .batch_size = 16, .seed = 4));
    OK(moru_fit(first, data, .epochs = 2, .batch_size = 16, .seed = 4));
    OK(moru_save(first, path));
    OK(moru_load(&second, path));
    remove(path);
    ck_assert(same_bits(first, second));
    ck_assert_int_eq(second->training->iteration, 8);
    OK(moru_fit(second, data, .epochs = 3, .initial_epoch = 2, .batch_size = 16, .seed = 4));
    ck_assert(same_bits(whole, second));
    moru_model_free(whole);
    moru_model_free(first);
    moru_model_free(second);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_epoch_loss_is_the_mean_over_samples)
{
    moru_dataset *data = dataset(normal(2, MORU_SHAPE(5, 1)), normal(3, MORU_SHAPE(5, 1)));
    moru_model *m = line(moru_sgd(.learning_rate = 0));
    moru_history *history = moru_history_new();
    moru_logs logs;
    OK(moru_fit(m, data, .batch_size = 2, .history = history));
    OK(moru_evaluate(m, data, &logs, .batch_size = 3));
    ck_assert_double_eq_tol(moru_logs_get(moru_history_at(history, 0), "loss"), moru_logs_get(&logs, "loss"), 1e-6);
    ck_assert_double_eq_tol(moru_logs_get(moru_history_at(history, 0), "mae"), moru_logs_get(&logs, "mae"), 1e-6);
    ck_assert(moru_history_at(history, 0)->steps == 3);
    OK(moru_fit(m, data, .batch_size = 2, .steps_per_epoch = 2, .epochs = 3, .history = history));
    ck_assert(moru_history_at(history, 3)->step == 2 && m->training->iteration == 3 + 6);
    moru_history_free(history);
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_validation_split)
{
    moru_dataset *data = dataset(normal(2, MORU_SHAPE(10, 1)), normal(3, MORU_SHAPE(10, 1))), *held_back;
    moru_model *m = line(NULL);
    moru_history *history = moru_history_new();
    moru_logs logs;
    OK(moru_fit(m, data, .epochs = 2, .batch_size = 4, .validation_split = 0.25, .history = history));
    OK(moru_dataset_slice(&held_back, data, 7, 10));
    OK(moru_evaluate(m, held_back, &logs));
    const moru_logs *last = moru_history_at(history, 1);
    ck_assert_int_eq(last->steps, 2);
    ck_assert_int_eq(last->n, 4);
    ck_assert_str_eq(last->names[2], "val_loss");
    ck_assert_str_eq(last->names[3], "val_mae");
    ck_assert_double_eq_tol(moru_logs_get(last, "val_loss"), moru_logs_get(&logs, "loss"), 1e-6);
    FAILS(moru_fit(m, data, .validation_split = 1), MORU_ERR_ARGUMENT, "validation_split");
    FAILS(moru_fit(m, data, .validation_split = 0.95), MORU_ERR_ARGUMENT, "nothing");
    FAILS(moru_fit(m, data, .validation_split = 0.5, .validation = data), MORU_ERR_ARGUMENT, "both");
    moru_dataset_free(held_back);
    moru_history_free(history);
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_frozen_layers)
{
    moru_dataset *data = pictures(20);
    moru_model *m = network();
    moru_layer *conv = moru_model_layer(m, "conv2d"), *norm = moru_model_layer(m, "batch_normalization");
    moru_layer_set_trainable(conv, false);
    moru_layer_set_trainable(norm, false);
    OK(moru_compile(m, .optimizer = moru_adam(), .loss = "sparse_categorical_crossentropy"));
    ck_assert_int_eq(m->training->n_trained, 4);
    ck_assert_int_eq(m->training->n_slots, 8);
    moru_model *before = network();
    OK(moru_fit(m, data, .epochs = 2));
    for (int k = 0; k < 6; k++) {
        const char *layer = k < 2 ? "conv2d" : "batch_normalization";
        const moru_tensor *a = moru_layer_weight_at(moru_model_layer(m, layer), k < 2 ? k : k - 2, NULL);
        const moru_tensor *b = moru_layer_weight_at(moru_model_layer(before, layer), k < 2 ? k : k - 2, NULL);
        ck_assert_msg(memcmp(a->data, b->data, (size_t)a->size * sizeof(moru_real)) == 0, "weight %d of %s moved", k,
                      layer);
    }
    const moru_tensor *a = moru_layer_weight_at(moru_model_layer(m, "dense"), 0, NULL);
    const moru_tensor *b = moru_layer_weight_at(moru_model_layer(before, "dense"), 0, NULL);
    ck_assert(memcmp(a->data, b->data, (size_t)a->size * sizeof(moru_real)) != 0);
    moru_model_free(before);
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_moving_statistics_move)
{
    moru_dataset *data = pictures(32);
    moru_model *m = network();
    moru_layer *norm = moru_model_layer(m, "batch_normalization");
    OK(moru_fit(m, data, .batch_size = 32));
    const moru_real *mean = moru_tensor_const_data(moru_layer_weight_at(norm, 2, NULL));
    ck_assert(mean[0] > 0 && mean[0] < 0.1); /* of a relu: positive; one step of momentum 0.99 */
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_clipping_of_all_gradients)
{
    static const char *const specs[] = {"sgd(1, clipnorm=0.001)", "sgd(1, clipvalue=0.001)",
                                        "sgd(1, global_clipnorm=0.001)"};
    moru_dataset *data = study_time();
    for (int k = 0; k < 3; k++) {
        moru_optimizer *o;
        OK(moru_optimizer_from(&o, specs[k]));
        moru_model *m = line(o), *before = line(NULL);
        OK(moru_fit(m, data, .batch_size = 4));
        double squares = 0;
        for (int i = 0; i < 2; i++) {
            double d = (double)(*weight(m, i) - *weight(before, i));
            squares += d * d;
        }
        double want = k == 2 ? 0.001 : 0.001 * sqrt(2);
        ck_assert_msg(fabs(sqrt(squares) - want) < 1e-5, "%s: a step of %g", specs[k], sqrt(squares));
        moru_model_free(m);
        moru_model_free(before);
    }
    moru_dataset_free(data);
}
END_TEST

/* ---- callbacks ---- */

static moru_status feed(moru_callback *c, moru_model *m, int epoch, const char *name, double value, bool *stop)
{
    moru_logs logs = {.epoch = epoch, .n = 1, .names = {name}, .values = {value}};
    *stop = false;
    return c->on_epoch_end(c->self, m, &logs, stop);
}

START_TEST(test_early_stopping)
{
    static const double losses[] = {5, 4, 3, 3.5, 2.95, 3.2, NAN, 2};
    static const bool stops[] = {false, false, false, false, false, true, true, false};
    moru_model *m = line(NULL);
    moru_real *w = weight(m, 0);
    moru_callback *c = moru_early_stopping(.patience = 3, .min_delta = 0.1, .restore_best_weights = true);
    bool stop;
    OK(c->on_train_begin(c->self, m));
    for (int k = 0; k < 8; k++) {
        *w = (moru_real)k;
        OK(feed(c, m, k, "val_loss", losses[k], &stop));
        ck_assert_msg(stop == stops[k], "epoch %d", k);
        if (k == 5)
            break;
    }
    OK(c->on_train_end(c->self, m));
    ck_assert(*w == 2); /* the best one was epoch 2: 2.95 isn't better by min_delta */
    moru_callback_free(c);
    OK(moru_compile(m, .loss = "mse", .metrics = {"accuracy", "binary_accuracy(name=right)"}));
    c = moru_early_stopping(.monitor = "right"); /* what it measures decides, not its name */
    OK(c->on_train_begin(c->self, m));
    OK(feed(c, m, 0, "right", 0.5, &stop));
    OK(feed(c, m, 1, "right", 0.6, &stop));
    ck_assert(!stop);
    moru_callback_free(c);
    c = moru_early_stopping(.monitor = "val_accuracy");
    OK(c->on_train_begin(c->self, m));
    OK(feed(c, m, 0, "val_accuracy", 0.5, &stop));
    OK(feed(c, m, 1, "val_accuracy", 0.6, &stop));
    ck_assert(!stop);
    OK(feed(c, m, 2, "val_accuracy", 0.6, &stop));
    ck_assert(stop);
    FAILS(feed(c, m, 3, "accuracy", 1, &stop), MORU_ERR_ARGUMENT,
          "\"val_accuracy\" isn't measured; there are accuracy");
    moru_callback_free(c);
    c = moru_early_stopping(.mode = "up");
    ck_assert_int_eq(c->on_train_begin(c->self, m), MORU_ERR_ARGUMENT);
    moru_callback_free(c);
    moru_model_free(m);
}
END_TEST

START_TEST(test_early_stopping_ends_fit)
{
    moru_dataset *data = study_time();
    moru_model *m = line(moru_sgd(.learning_rate = 0)); /* never gets better */
    moru_callback *c = moru_early_stopping(.monitor = "loss", .patience = 2);
    moru_history *history = moru_history_new();
    OK(moru_fit(m, data, .epochs = 50, .callbacks = {c}, .history = history));
    ck_assert_int_eq(moru_history_count(history), 3);
    moru_callback_free(c);
    c = moru_early_stopping();
    FAILS(moru_fit(m, data, .callbacks = {c}), MORU_ERR_ARGUMENT, "there are loss, mae");
    moru_callback_free(c);
    moru_history_free(history);
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

static int saved;
static moru_status save_nothing(moru_model *model, const char *path)
{
    ck_assert(model != NULL && strcmp(path, "best.keras") == 0);
    saved++;
    return MORU_OK;
}

START_TEST(test_model_checkpoint)
{
    static const double losses[] = {5, 6, 4, NAN, 4, 3};
    moru_model_checkpoint_options options = {.path = "best.keras", .monitor = "val_loss", .save_best_only = true};
    moru_model *m = line(NULL);
    bool stop;
    moru_callback *c = moru_model_checkpoint_with(&options, save_nothing);
    saved = 0;
    OK(c->on_train_begin(c->self, m));
    for (int k = 0; k < 6; k++)
        OK(feed(c, m, k, "val_loss", losses[k], &stop));
    ck_assert_int_eq(saved, 3);
    ck_assert_int_ne(feed(c, m, 6, "loss", 1, &stop), MORU_OK);
    moru_callback_free(c);
    options.save_best_only = false;
    c = moru_model_checkpoint_with(&options, save_nothing);
    OK(feed(c, m, 0, "loss", 1, &stop));
    OK(feed(c, m, 1, "loss", 2, &stop));
    ck_assert_int_eq(saved, 5);
    moru_callback_free(c);
    options.path = NULL;
    c = moru_model_checkpoint_with(&options, save_nothing);
    ck_assert_int_eq(c->on_train_begin(c->self, m), MORU_ERR_ARGUMENT);
    moru_callback_free(c);
    moru_model_free(m);
}
END_TEST

typedef struct counts { int begin, batches, epochs, end, stop_at, fail_at; } counts;

static moru_status count_begin(void *self, moru_model *model)
{
    (void)model;
    ((counts *)self)->begin++;
    return MORU_OK;
}

static moru_status count_batch(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    counts *c = self;
    (void)model;
    c->batches++;
    ck_assert(logs->step >= 1 && logs->step <= logs->steps && isfinite(moru_logs_get(logs, "loss")));
    *stop = c->batches == c->stop_at;
    return c->batches == c->fail_at ? moru_fail(MORU_ERR_IO, "enough") : MORU_OK;
}

static moru_status count_epoch(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    (void)model;
    (void)logs;
    (void)stop;
    ((counts *)self)->epochs++;
    return MORU_OK;
}

static moru_status count_end(void *self, moru_model *model)
{
    (void)model;
    ((counts *)self)->end++;
    return MORU_OK;
}

START_TEST(test_callbacks_are_called)
{
    moru_dataset *data = study_time();
    moru_model *m = line(NULL);
    counts c = {0};
    moru_callback callback = {.self = &c, .on_train_begin = count_begin, .on_batch_end = count_batch,
                              .on_epoch_end = count_epoch, .on_train_end = count_end};
    OK(moru_fit(m, data, .epochs = 3, .batch_size = 2, .callbacks = {&callback}));
    ck_assert(c.begin == 1 && c.batches == 6 && c.epochs == 3 && c.end == 1);
    c = (counts){.stop_at = 3};
    OK(moru_fit(m, data, .epochs = 3, .batch_size = 2, .callbacks = {&callback}));
    ck_assert(c.batches == 3 && c.epochs == 2 && c.end == 1);
    c = (counts){.fail_at = 2};
    FAILS(moru_fit(m, data, .epochs = 3, .batch_size = 2, .callbacks = {&callback}), MORU_ERR_IO, "enough");
    ck_assert(c.batches == 2 && c.end == 0);
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

/* ---- what goes wrong ---- */

static moru_dataset *spoiled_pictures(int64_t n, int64_t sample, moru_real value)
{
    moru_tensor *x = normal(1, MORU_SHAPE(n, 8, 8, 2));
    ((moru_real *)x->data)[sample * 128 + 77] = value;
    return dataset(x, labels(n));
}

START_TEST(test_nan_in_data)
{
    moru_dataset *data = spoiled_pictures(50, 37, NAN), *infinite = spoiled_pictures(50, 3, INFINITY);
    moru_dataset *good = pictures(50);
    moru_model *m = network();
    moru_history *history = moru_history_new();
    FAILS(moru_fit(m, data, .batch_size = 16, .history = history), MORU_ERR_NUMERIC, "of sample 37 holds a NaN");
    ck_assert_msg(strstr(moru_last_error(), moru_node_name(moru_model_input_at(m, 0))) != NULL, "%s",
                  moru_last_error());
    ck_assert(moru_history_count(history) == 0 && all_finite(m));
    FAILS(moru_fit(m, infinite, .batch_size = 16), MORU_ERR_NUMERIC, "of sample 3 holds an infinity");
    FAILS(moru_fit(m, good, .batch_size = 16, .validation = data), MORU_ERR_NUMERIC, "of sample 37 holds a NaN");
    moru_logs logs;
    FAILS(moru_evaluate(m, data, &logs), MORU_ERR_NUMERIC, "sample 37");
    moru_real t[4] = {90, 80, NAN, 20};
    moru_dataset *targets = dataset(moru_tensor_from(MORU_REAL, MORU_SHAPE(4, 1), (moru_real[]){9, 8, 4, 2}),
                                    moru_tensor_from(MORU_REAL, MORU_SHAPE(4), t));
    moru_model *l = line(NULL);
    FAILS(moru_fit(l, targets, .batch_size = 1), MORU_ERR_NUMERIC, "target 0 of sample 2 holds a NaN");
    moru_dataset_free(targets);
    moru_model_free(l);
    moru_history_free(history);
    moru_model_free(m);
    moru_dataset_free(data);
    moru_dataset_free(infinite);
    moru_dataset_free(good);
}
END_TEST

/* The parameters stay as they were before the step whose loss isn't finite, and the message names where it began. */
START_TEST(test_diverging_training_names_the_node)
{
    moru_dataset *data = study_time();
    moru_model *m = line(moru_sgd(.learning_rate = 1e12));
    FAILS(moru_fit(m, data, .epochs = 50, .batch_size = 4), MORU_ERR_NUMERIC, "holds a NaN or infinity");
    ck_assert_msg(strncmp(moru_last_error(), "fit: step 1 of epoch ", 21) == 0, "%s", moru_last_error());
    ck_assert_msg(strstr(moru_last_error(), "loss") || strstr(moru_last_error(), "dense"), "%s", moru_last_error());
    ck_assert(all_finite(m));
    moru_model_free(m);
    m = line(moru_sgd(.learning_rate = 1e12));
    OK(moru_fit(m, data, .epochs = 50, .batch_size = 4, .no_nan_check = true));
    ck_assert(!all_finite(m));
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_label_out_of_range)
{
    moru_tensor *t = labels(50);
    ((int32_t *)t->data)[41] = CLASSES;
    moru_dataset *data = dataset(normal(1, MORU_SHAPE(50, 8, 8, 2)), t);
    moru_model *m = network();
    moru_logs logs;
    FAILS(moru_fit(m, data), MORU_ERR_RANGE, "sample 41 has the label 3, the model's classes are 0 to 2");
    FAILS(moru_evaluate(m, data, &logs), MORU_ERR_RANGE, "sample 41 has the label 3");
    FAILS(moru_fit(m, data, .validation_split = 0.2), MORU_ERR_RANGE, "sample 41 has the label 3");
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

START_TEST(test_data_that_does_not_fit)
{
    moru_dataset *data = study_time(), *images = pictures(4), *ints, *wide;
    moru_model *m = line(NULL), *n = network();
    moru_logs logs;
    ints = dataset(labels(4), labels(4));
    wide = dataset(normal(1, MORU_SHAPE(4, 2)), normal(1, MORU_SHAPE(4, 1)));
    FAILS(moru_fit(n, data), MORU_ERR_SHAPE, "[8,8,2]");
    FAILS(moru_fit(m, images), MORU_ERR_SHAPE, "[8,8,2]");
    FAILS(moru_fit(m, wide), MORU_ERR_SHAPE, "[1]");
    FAILS(moru_fit(m, ints), MORU_ERR_SHAPE, "int32");
    FAILS(moru_fit(m, data, .validation = images), MORU_ERR_SHAPE, "[8,8,2]");
    FAILS(moru_fit(m, NULL), MORU_ERR_ARGUMENT, "NULL");
    FAILS(moru_fit(m, data, .batch_size = -1), MORU_ERR_ARGUMENT, "batch_size (-1)");
    FAILS(moru_fit(m, data, .epochs = -1), MORU_ERR_ARGUMENT, "epochs (-1)");
    FAILS(moru_evaluate(m, data, &logs, .batch_size = -3), MORU_ERR_ARGUMENT, "-3");
    FAILS(moru_evaluate(m, data, NULL), MORU_ERR_ARGUMENT, "NULL");
    moru_dataset *targets = dataset(normal(1, MORU_SHAPE(4, 1)), normal(1, MORU_SHAPE(4, 5)));
    FAILS(moru_fit(m, targets), MORU_ERR_SHAPE, "5]");
    moru_dataset_free(targets);
    moru_model_free(m);
    moru_model_free(n);
    moru_dataset_free(data);
    moru_dataset_free(images);
    moru_dataset_free(ints);
    moru_dataset_free(wide);
}
END_TEST

START_TEST(test_not_compiled)
{
    moru_dataset *data = study_time();
    moru_model *m = moru_sequential("line", moru_input(1), moru_dense(.units = 1));
    moru_logs logs;
    FAILS(moru_fit(m, data), MORU_ERR_STATE, "\"line\" isn't compiled");
    FAILS(moru_evaluate(m, data, &logs), MORU_ERR_STATE, "isn't compiled");
    FAILS(moru_fit(NULL, data), MORU_ERR_ARGUMENT, "NULL");
    FAILS(moru_compile(m), MORU_ERR_ARGUMENT, "loss is missing");
    FAILS(moru_compile(m, .loss = "no_such"), MORU_ERR_UNSUPPORTED, "no_such");
    FAILS(moru_compile(m, .loss = "mse", .metrics = {"no_such"}), MORU_ERR_UNSUPPORTED, "no_such");
    FAILS(moru_compile(m, .losses = {"mse", "mae"}), MORU_ERR_ARGUMENT, "1 outputs");
    FAILS(moru_compile(NULL, .loss = "mse"), MORU_ERR_ARGUMENT, "NULL");
    ck_assert_ptr_null(moru_model_optimizer(m));
    OK(moru_compile(m, .loss = "mse"));
    FAILS(moru_compile(m, .optimizer = moru_model_optimizer(m), .loss = "mae"), MORU_ERR_ARGUMENT, "belongs to the model");
    OK(moru_fit(m, data));
    FAILS(moru_fit(m, data, .validation_split = (double)NAN), MORU_ERR_ARGUMENT, "validation_split of nan");
    OK(moru_fit(m, data, .batch_size = INT64_MAX));
    moru_model_free(m);
    moru_dataset_free(data);
}
END_TEST

/* ---- inference ---- */

START_TEST(test_predict_in_batches)
{
    moru_model *m = network();
    moru_tensor *x = normal(4, MORU_SHAPE(10, 8, 8, 2)), *whole, *parts, *none, *wrong = normal(1, MORU_SHAPE(10, 4));
    moru_tensor *empty = moru_tensor_new(MORU_REAL, MORU_SHAPE(0, 8, 8, 2));
    OK(moru_predict(m, &x, &whole, 10, 1));
    OK(moru_predict(m, &x, &parts, 3, 2));
    ck_assert(moru_shape_equal(&whole->shape, &MORU_SHAPE(10, CLASSES)));
    ck_assert(moru_shape_equal(&whole->shape, &parts->shape));
    for (int64_t i = 0; i < whole->size; i++) {
        double a = (double)((moru_real *)whole->data)[i], b = (double)((moru_real *)parts->data)[i];
        ck_assert(fabs(a - b) < 1e-6 && a > 0 && a < 1);
    }
    OK(moru_predict(m, &empty, &none, 0, 0));
    ck_assert(moru_shape_equal(&none->shape, &MORU_SHAPE(0, CLASSES)));
    moru_tensor *bad = x;
    FAILS(moru_predict(m, &wrong, &bad, 0, 0), MORU_ERR_SHAPE, "[8,8,2]");
    FAILS(moru_predict(m, NULL, &bad, 0, 0), MORU_ERR_ARGUMENT, "NULL");
    FAILS(moru_predict(m, &x, &bad, -1, 0), MORU_ERR_ARGUMENT, "-1");
    moru_tensor_free(x);
    moru_tensor_free(whole);
    moru_tensor_free(parts);
    moru_tensor_free(none);
    moru_tensor_free(empty);
    moru_tensor_free(wrong);
    moru_model_free(m);
}
END_TEST

START_TEST(test_gradients)
{
    moru_model *m = moru_sequential("line", moru_input(1), moru_dense(.units = 1, .kernel_initializer = "ones"));
    moru_tensor *x = moru_tensor_from(MORU_REAL, MORU_SHAPE(2, 1), (moru_real[]){1, 2});
    moru_tensor *t = moru_tensor_from(MORU_REAL, MORU_SHAPE(2, 1), (moru_real[]){0, 0}), *g[2];
    const char *paths[2];
    double loss;
    ck_assert_int_eq(moru_model_gradient_count(m), 2);
    OK(moru_model_gradients(m, &x, &t, "mse", false, &loss, g, paths));
    ck_assert_double_eq_tol(loss, 2.5, 1e-6);
    ck_assert_double_eq_tol((double)*(moru_real *)g[0]->data, 5, 1e-6);
    ck_assert_double_eq_tol((double)*(moru_real *)g[1]->data, 3, 1e-6);
    ck_assert_str_eq(paths[0], "line/dense/kernel");
    moru_tensor_free(g[0]);
    moru_tensor_free(g[1]);
    FAILS(moru_model_gradients(m, &x, &t, NULL, true, &loss, g, paths), MORU_ERR_STATE, "isn't compiled");
    FAILS(moru_model_gradients(m, &x, &t, "no_such", true, &loss, g, paths), MORU_ERR_UNSUPPORTED, "no_such");
    ck_assert(g[0] == NULL && g[1] == NULL);
    moru_tensor_free(x);
    moru_tensor_free(t);
    moru_model_free(m);
}
END_TEST

/* ---- several outputs ---- */

static moru_model *two_outputs(void)
{
    moru_model *m = moru_functional("two");
    moru_node *x = moru_model_input(m, "x", (int64_t[]){3}, 1);
    moru_node *outputs[] = {moru_apply(moru_dense(.units = 2, .name = "a"), x),
                            moru_apply(moru_dense(.units = 1, .name = "b"), x)};
    OK(moru_model_outputs(m, outputs, 2));
    return m;
}

START_TEST(test_several_outputs)
{
    static const char *const names[] = {"loss", "a_loss", "b_loss", "a_mae", "b_mae"};
    moru_model *m = two_outputs();
    const moru_tensor *x = normal(1, MORU_SHAPE(6, 3)), *t[] = {normal(2, MORU_SHAPE(6, 2)),
                                                                normal(3, MORU_SHAPE(6, 1))};
    moru_dataset *data;
    moru_logs logs;
    OK(moru_dataset_from_tensors(&data, &x, 1, t, 2));
    OK(moru_compile(m, .losses = {"mse", "mae"}, .loss_weights = {0, 0.5}, .metrics = {"mae"}));
    OK(moru_evaluate(m, data, &logs));
    ck_assert_int_eq(logs.n, 5);
    for (int k = 0; k < 5; k++)
        ck_assert_str_eq(logs.names[k], names[k]);
    ck_assert_double_eq_tol(logs.values[0], logs.values[1] + 0.5 * logs.values[2], 1e-6);
    ck_assert_double_eq_tol(logs.values[2], logs.values[4], 1e-6);
    OK(moru_fit(m, data, .epochs = 2));
    FAILS(moru_compile(m, .losses = {"mse"}), MORU_ERR_ARGUMENT, "output \"b\"");
    for (int k = 0; k < 2; k++)
        moru_tensor_free((moru_tensor *)(uintptr_t)t[k]);
    moru_tensor_free((moru_tensor *)(uintptr_t)x);
    moru_dataset_free(data);
    moru_model_free(m);
}
END_TEST

START_TEST(test_compile_config)
{
    static const char *const configs[] = {
        "{\"optimizer\": \"adam\", \"loss\": \"mse\", \"metrics\": [\"mae\", [\"mae\"]], \"loss_weights\": [1.0, 0.5]}",
        "{\"optimizer\": {\"class_name\": \"SGD\", \"config\": {\"learning_rate\": 0.5}}, \"loss\": [\"mse\", "
        "{\"class_name\": \"Huber\", \"config\": {\"delta\": 2.0}}], \"loss_weights\": null, \"metrics\": null}",
        "{\"optimizer\": \"adam\", \"loss\": {\"b\": \"mae\", \"a\": \"mse\"}, \"metrics\": [[\"mae\"], [\"mae\"]]}"};
    for (int k = 0; k < 3; k++) {
        moru_model *m = two_outputs();
        json_t *config = json_loads(configs[k], 0, NULL), *written, *again;
        ck_assert_ptr_null(moru_compile_config_to_json(m));
        OK(moru_compile_config_from_json(m, config, "test"));
        written = moru_compile_config_to_json(m);
        OK(moru_compile_config_from_json(m, written, "test"));
        again = moru_compile_config_to_json(m);
        ck_assert(json_equal(written, again));
        ck_assert_int_eq(m->training->n_metrics, k == 1 ? 0 : 2);
        ck_assert(m->training->loss_weights[1] == (k == 0 ? 0.5 : 1));
        ck_assert_str_eq(m->training->losses[1].class_->class_name,
                         k == 0 ? "MeanSquaredError" : k == 1 ? "Huber" : "MeanAbsoluteError");
        json_decref(config);
        json_decref(written);
        json_decref(again);
        moru_model_free(m);
    }
    moru_model *half = two_outputs();
    json_t *given = json_loads("{\"loss\": [null, \"mse\"], \"loss_weights\": [1.0, 0.0], "
                               "\"weighted_metrics\": {\"b\": [\"mae\", \"auc\"]}}", 0, NULL);
    for (int k = 0; k < 2; k++) {
        OK(moru_compile_config_from_json(half, given, "test"));
        ck_assert_ptr_null(half->training->losses[0].class_);
        ck_assert(half->training->loss_weights[1] == 0 && half->training->n_metrics == 2);
        ck_assert(half->training->metrics[0].weighted && half->training->metrics[1].output == 1);
        ck_assert_int_eq(half->training->n_logs, 4);
        json_decref(given);
        given = moru_compile_config_to_json(half);
    }
    json_decref(given);
    moru_model_free(half);
    static const char *const bad[] = {"{}", "{\"loss\": 3}", "{\"loss\": [null, null]}", "{\"loss\": [\"mse\"]}",
                                      "{\"loss\": \"mse\", \"metrics\": [3]}",
                                      "{\"loss\": \"mse\", \"metrics\": [\"mae\"]}",
                                      "{\"loss\": \"mse\", \"optimizer\": {\"class_name\": \"LossScaleOptimizer\"}}", "[]"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        moru_model *m = two_outputs();
        json_t *config = json_loads(bad[k], 0, NULL);
        ck_assert_msg(moru_compile_config_from_json(m, config, "test.keras") != MORU_OK, "%s was taken", bad[k]);
        ck_assert_msg(strncmp(moru_last_error(), "test.keras: ", 12) == 0, "%s", moru_last_error());
        json_decref(config);
        moru_model_free(m);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fit");
    TCase *tcase = tcase_create("fit");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_linear_regression);
    tcase_add_test(tcase, test_shuffling_by_seed);
    tcase_add_test(tcase, test_same_bits_for_any_number_of_threads);
    tcase_add_test(tcase, test_resumed_run_equals_an_uninterrupted_one);
    tcase_add_test(tcase, test_resumed_from_a_file);
    tcase_add_test(tcase, test_epoch_loss_is_the_mean_over_samples);
    tcase_add_test(tcase, test_validation_split);
    tcase_add_test(tcase, test_frozen_layers);
    tcase_add_test(tcase, test_moving_statistics_move);
    tcase_add_test(tcase, test_clipping_of_all_gradients);
    tcase_add_test(tcase, test_early_stopping);
    tcase_add_test(tcase, test_early_stopping_ends_fit);
    tcase_add_test(tcase, test_model_checkpoint);
    tcase_add_test(tcase, test_callbacks_are_called);
    tcase_add_test(tcase, test_nan_in_data);
    tcase_add_test(tcase, test_diverging_training_names_the_node);
    tcase_add_test(tcase, test_label_out_of_range);
    tcase_add_test(tcase, test_data_that_does_not_fit);
    tcase_add_test(tcase, test_not_compiled);
    tcase_add_test(tcase, test_predict_in_batches);
    tcase_add_test(tcase, test_gradients);
    tcase_add_test(tcase, test_several_outputs);
    tcase_add_test(tcase, test_compile_config);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
