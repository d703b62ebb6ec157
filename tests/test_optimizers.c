/* Optimizers: steps by their formulas, three steps that Keras made, configurations. */
#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>
#include "formats/hdf5.h"
#include "train/training.h"

/* ---- one weight, by the formulas ---- */

enum { STEPS = 3 };

/* y = w x, loss (w x - t)^2 with x = 1: the gradient is 2 (w - t). w starts at 0, t is 1. */
static moru_model *one_weight(moru_optimizer *optimizer)
{
    moru_model *m = moru_sequential("one", moru_input(1), moru_dense(.units = 1, .use_bias = false,
                                                                     .kernel_initializer = "zeros"));
    ck_assert_msg(moru_model_status(m) == MORU_OK, "%s", moru_model_error(m));
    ck_assert_msg(moru_compile(m, .optimizer = optimizer, .loss = "mse") == MORU_OK, "%s", moru_last_error());
    return m;
}

static moru_real *weight_of(moru_model *m)
{
    return moru_tensor_data(moru_layer_weight_at(moru_model_layer(m, "dense"), 0, NULL));
}

static void check_steps(moru_optimizer *optimizer, const double want[STEPS], const char *what)
{
    moru_model *m = one_weight(optimizer);
    moru_tensor *one = moru_tensor_from(MORU_REAL, MORU_SHAPE(1, 1), &(moru_real){1});
    for (int k = 0; k < STEPS; k++) {
        ck_assert_msg(moru_train_on_batch(m, &one, &one, NULL) == MORU_OK, "%s", moru_last_error());
        ck_assert_msg(fabs((double)*weight_of(m) - want[k]) < 2e-6, "%s, step %d: %.8g, should be %.8g", what, k + 1,
                      (double)*weight_of(m), want[k]);
    }
    moru_tensor_free(one);
    moru_model_free(m);
}

START_TEST(test_sgd)
{
    double w[STEPS], x = 0, v = 0;
    for (int k = 0; k < STEPS; k++)
        w[k] = x -= 0.1 * 2 * (x - 1);
    check_steps(moru_sgd(.learning_rate = 0.1), w, "sgd");
    x = 0;
    for (int k = 0; k < STEPS; k++) {
        v = 0.9 * v - 0.1 * 2 * (x - 1);
        w[k] = x += v;
    }
    check_steps(moru_sgd(.learning_rate = 0.1, .momentum = 0.9), w, "momentum");
    x = v = 0;
    for (int k = 0; k < STEPS; k++) {
        double g = 2 * (x - 1);
        v = 0.9 * v - 0.1 * g;
        w[k] = x += 0.9 * v - 0.1 * g;
    }
    check_steps(moru_sgd(.learning_rate = 0.1, .momentum = 0.9, .nesterov = true), w, "nesterov");
    x = 0;
    for (int k = 0; k < STEPS; k++) {
        double g = 2 * (x - 1);
        x -= 0.1 * 0.5 * x;
        w[k] = x -= 0.1 * g;
    }
    check_steps(moru_sgd(.learning_rate = 0.1, .weight_decay = 0.5), w, "weight decay");
}
END_TEST

static void adam_steps(double lr, double decay, double w[STEPS])
{
    double x = 0, m = 0, v = 0;
    for (int k = 0; k < STEPS; k++) {
        double g = 2 * (x - 1);
        x -= lr * decay * x;
        m += 0.1 * (g - m);
        v += 0.001 * (g * g - v);
        w[k] = x -= lr * sqrt(1 - pow(0.999, k + 1)) / (1 - pow(0.9, k + 1)) * m / (sqrt(v) + 1e-7);
    }
}

START_TEST(test_adam)
{
    double w[STEPS];
    adam_steps(0.1, 0, w);
    check_steps(moru_adam(.learning_rate = 0.1), w, "adam");
    adam_steps(0.1, 0.004, w);
    check_steps(moru_adamw(.learning_rate = 0.1), w, "adamw");
}
END_TEST

START_TEST(test_rmsprop_and_adagrad)
{
    double w[STEPS], x = 0, v = 0, m = 0, a = 0;
    for (int k = 0; k < STEPS; k++) {
        double g = 2 * (x - 1);
        v = 0.9 * v + 0.1 * g * g;
        w[k] = x -= 0.1 * g / sqrt(v + 1e-7);
    }
    check_steps(moru_rmsprop(.learning_rate = 0.1), w, "rmsprop");
    x = v = 0;
    for (int k = 0; k < STEPS; k++) {
        double g = 2 * (x - 1);
        v = 0.9 * v + 0.1 * g * g;
        a = 0.9 * a + 0.1 * g;
        m = 0.5 * m + 0.1 * g / sqrt(v - a * a + 1e-7);
        w[k] = x -= m;
    }
    check_steps(moru_rmsprop(.learning_rate = 0.1, .momentum = 0.5, .centered = true), w, "centered rmsprop");
    x = 0;
    a = 0.1;
    for (int k = 0; k < STEPS; k++) {
        double g = 2 * (x - 1);
        a += g * g;
        w[k] = x -= 0.1 * g / sqrt(a + 1e-7);
    }
    check_steps(moru_adagrad(.learning_rate = 0.1), w, "adagrad");
}
END_TEST

START_TEST(test_schedule_free)
{
    double w[STEPS], y = 0, z = 0, x = 0, v = 0;
    for (int k = 0; k < STEPS; k++) {
        double g = 2 * (y - 1), lr = 0.1 * (k + 1 < 2 ? 0.5 : 1);
        v += 0.001 * (g * g - v);
        z -= lr * g / (sqrt(v / (1 - pow(0.999, k + 1))) + 1e-8);
        x += (z - x) / (k + 1);
        w[k] = y = 0.1 * z + 0.9 * x;
    }
    check_steps(moru_schedule_free_adamw(.learning_rate = 0.1, .warmup_steps = 2), w, "schedule-free AdamW");
}
END_TEST

START_TEST(test_weight_decay_can_leave_weights_out)
{
    double w[STEPS], x = 0;
    for (int k = 0; k < STEPS; k++)
        w[k] = x -= 0.1 * 2 * (x - 1);
    check_steps(moru_sgd(.learning_rate = 0.1, .weight_decay = 0.5, .exclude_from_weight_decay = "bias|kern"), w,
                "no decay");
    moru_model *m = one_weight(moru_sgd(.weight_decay = 0.5, .exclude_from_weight_decay = "bias"));
    ck_assert_ptr_nonnull(m);
    moru_model_free(m);
}
END_TEST

START_TEST(test_schedule_and_clipping)
{
    double w[STEPS], x = 0;
    for (int k = 0; k < STEPS; k++)
        w[k] = x -= 0.2 * pow(0.5, k) * 2 * (x - 1);
    check_steps(moru_sgd(.learning_rate_schedule = "exponential_decay(0.2, 1, 0.5)"), w, "schedule");
    for (int k = 0; k < STEPS; k++)
        w[k] = 0.01 * (k + 1);
    check_steps(moru_sgd(.learning_rate = 0.1, .clipnorm = 0.1), w, "clipnorm");
    check_steps(moru_sgd(.learning_rate = 0.1, .clipvalue = 0.1), w, "clipvalue");
    check_steps(moru_sgd(.learning_rate = 0.1, .global_clipnorm = 0.1), w, "global_clipnorm");
}
END_TEST

START_TEST(test_learning_rate_can_be_set)
{
    moru_model *m = one_weight(moru_sgd(.learning_rate = 0.1));
    moru_optimizer *o = moru_model_optimizer(m);
    moru_tensor *one = moru_tensor_from(MORU_REAL, MORU_SHAPE(1, 1), &(moru_real){1});
    moru_optimizer_set_learning_rate(o, 0.25);
    ck_assert_int_eq(moru_train_on_batch(m, &one, &one, NULL), MORU_OK);
    ck_assert_double_eq_tol((double)*weight_of(m), 0.5, 1e-6);
    ck_assert_int_eq(moru_optimizer_set_schedule(o, "piecewise_constant_decay([0], [9, 0.5])"), MORU_OK);
    ck_assert_double_eq_tol(moru_optimizer_learning_rate(o, 0), 9, 1e-6);
    ck_assert_int_eq(moru_train_on_batch(m, &one, &one, NULL), MORU_OK);
    ck_assert_double_eq_tol((double)*weight_of(m), 1, 1e-6);
    ck_assert_int_ne(moru_optimizer_set_schedule(o, "no_schedule"), MORU_OK);
    moru_tensor_free(one);
    moru_model_free(m);
}
END_TEST

/* ---- configurations ---- */

static char *to_text(const moru_optimizer *o)
{
    json_t *json = moru_optimizer_to_json(o);
    ck_assert_ptr_nonnull(json);
    char *text = json_dumps(json, JSON_SORT_KEYS);
    json_decref(json);
    return text;
}

START_TEST(test_json_there_and_back)
{
    moru_optimizer *made[] = {
        moru_sgd(.momentum = 0.9, .nesterov = true, .clipnorm = 2), moru_adam(.learning_rate = 0.02, .epsilon = 1e-5),
        moru_adamw(.name = "mine"), moru_rmsprop(.centered = true, .rho = 0.8), moru_adagrad(.clipvalue = 0.5),
        moru_adam(.learning_rate_schedule = "cosine_decay(0.1, 100, warmup_target=0.2, warmup_steps=5)"),
        moru_sgd(.learning_rate_schedule = "piecewise_constant_decay([1, 2], [1, 0.5, 0.25])"),
        moru_adam(.amsgrad = true, .use_ema = true, .ema_overwrite_frequency = 3), moru_adamax(.beta_1 = 0.5),
        moru_nadam(.gradient_accumulation_steps = 4), moru_adadelta(.rho = 0.5), moru_ftrl(.beta = 0.5),
        moru_lion(.loss_scale_factor = 8), moru_lamb(.epsilon = 1e-3), moru_adafactor(.relative_step = false),
        moru_muon(.exclude_layers = "[\"head\", \"a|b\"]", .ns_steps = 2),
        moru_schedule_free_adamw(.warmup_steps = 9)};
    for (size_t k = 0; k < sizeof made / sizeof *made; k++) {
        ck_assert_msg(made[k]->status == MORU_OK, "%s", made[k]->error);
        char *text = to_text(made[k]), *again;
        moru_optimizer *read;
        ck_assert_msg(moru_optimizer_from(&read, text) == MORU_OK, "%s: %s", text, moru_last_error());
        again = to_text(read);
        ck_assert_str_eq(text, again);
        for (int64_t t = 0; t < 4; t++)
            ck_assert(moru_optimizer_learning_rate(made[k], t) == moru_optimizer_learning_rate(read, t));
        free(text);
        free(again);
        moru_optimizer_free(made[k]);
        moru_optimizer_free(read);
    }
}
END_TEST

START_TEST(test_json_of_keras)
{
    moru_optimizer *o;
    ck_assert_msg(moru_optimizer_from(&o, "{\"module\": \"keras.optimizers\", \"class_name\": \"Adam\", \"config\": "
                                          "{\"name\": "
        "\"adam\", \"learning_rate\": 0.25, \"weight_decay\": null, \"clipnorm\": null, \"use_ema\": false, "
        "\"ema_momentum\": 0.99, "
        "\"ema_overwrite_frequency\": null, \"loss_scale_factor\": null, \"gradient_accumulation_steps\": null, "
        "\"beta_1\": 0.8, \"amsgrad\": false}, \"registered_name\": null}") == MORU_OK, "%s", moru_last_error());
    const moru_adam_options *adam = o->options;
    ck_assert(adam->beta_1 == 0.8 && adam->beta_2 == 0.999 && adam->weight_decay == 0);
    ck_assert(moru_optimizer_learning_rate(o, 0) == 0.25);
    char *text = to_text(o);
    ck_assert_msg(strstr(text, "\"weight_decay\": null") && strstr(text, "\"clipnorm\": null"), "%s", text);
    free(text);
    moru_optimizer_free(o);
    ck_assert_msg(moru_optimizer_from(&o, "{\"class_name\": \"Custom>SGD\", \"config\": {\"lr\": 0.5, \"decay\": 0.0, "
                                      "\"momentum\": 0.5}}") == MORU_OK, "%s", moru_last_error());
    ck_assert(moru_optimizer_learning_rate(o, 0) == 0.5);
    moru_optimizer_free(o);
    ck_assert_int_eq(moru_optimizer_from(&o, "{\"class_name\": \"Adam\", \"config\": {\"maximize\": true, \"foreach\": "
                                             "true}}"), MORU_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(moru_last_error(), "maximize") && strstr(moru_last_error(), "foreach"), "%s",
                  moru_last_error());
    ck_assert_int_eq(moru_optimizer_from(&o, "{\"class_name\": \"LossScaleOptimizer\", \"config\": {}}"),
                     MORU_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(moru_last_error(), "LossScaleOptimizer"), "%s", moru_last_error());
    ck_assert_ptr_null(o);
}
END_TEST

START_TEST(test_bad_options)
{
    static const char *const bad[] = {"", "nadamax", "sgd(momentum=2)", "sgd(-1)", "adam(beta_1=1)", "adam(epsilon=-1)",
                                      "{",
        "adam(clipnorm=1, clipvalue=1)", "sgd(weight_decay=-1)", "sgd(learning_rate=\"no_schedule\")", "rmsprop(rho=2)",
        "adagrad(initial_accumulator_value=-1)", "sgd(gradient_accumulation_steps=1)",
        "sgd(gradient_accumulation_steps=-2)", "sgd(use_ema=true, ema_momentum=2)",
        "sgd(use_ema=true, ema_overwrite_frequency=-1)", "sgd(loss_scale_factor=-1)", "ftrl(learning_rate_power=1)",
        "lion(beta_1=0)", "muon(exclude_layers=[1])", "muon(exclude_layers=[\"(\"])", "adafactor(clip_threshold=0)",
        "schedule_free_adamw(beta_1=0)", "adadelta(rho=2)", "nadam(beta_2=-1)", "lamb(epsilon=-1)",
        "{\"class_name\": \"SGD\", \"config\": {\"decay\": 0.1}}", "[]"};
    moru_optimizer *o;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        ck_assert_msg(moru_optimizer_from(&o, bad[k]) != MORU_OK, "\"%s\" was taken", bad[k]);
    ck_assert_int_eq(moru_optimizer_from(&o, NULL), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_optimizer_from(&o, "sgd(0.5, 0.25, true)"), MORU_OK);
    const moru_sgd_options *sgd = o->options;
    ck_assert(sgd->learning_rate == 0.5 && sgd->momentum == 0.25 && sgd->nesterov);
    moru_optimizer_free(o);
    moru_model *m = moru_sequential("one", moru_input(1), moru_dense(.units = 1));
    ck_assert_int_eq(moru_compile(m, .optimizer = moru_sgd(.learning_rate = -1), .loss = "mse"), MORU_ERR_ARGUMENT);
    ck_assert_ptr_null(moru_model_optimizer(m));
    moru_model_free(m);
}
END_TEST

/* ---- three steps of Keras ---- */

__attribute__((format(printf, 2, 3)))
static moru_tensor *read(const char *path, const char *format, ...)
{
    char what[128];
    moru_tensor *t = NULL;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    ck_assert_msg(moru_h5_read(&t, path, what, MORU_REAL) == MORU_OK, "%s", moru_last_error());
    return t;
}

static void check_tensor(const moru_tensor *got, const moru_tensor *want, const char *name, const char *what, int k)
{
    ck_assert_msg(moru_shape_equal(moru_tensor_shape(got), moru_tensor_shape(want)), "%s: %s %d", name, what, k);
    const moru_real *a = moru_tensor_const_data(got), *b = moru_tensor_const_data(want);
    for (int64_t i = 0; i < moru_tensor_size(want); i++)
        ck_assert_msg(fabs((double)(a[i] - b[i])) <= 1e-5, "%s: %s %d, element %d: %.8g, should be %.8g", name, what, k,
                      (int)i, (double)a[i], (double)b[i]);
}

/* Rows of step k of [steps, 6, n]. */
static moru_tensor *batch_of(const moru_tensor *all, int k)
{
    const moru_shape *s = moru_tensor_shape(all);
    int64_t n = s->dims[1] * s->dims[2];
    return moru_tensor_from(MORU_REAL, MORU_SHAPE(s->dims[1], s->dims[2]),
                            (const moru_real *)moru_tensor_const_data(all) + k * n);
}

static moru_optimizer *optimizer_of(const char *path, const char *name)
{
    char *class_name = NULL, *config = NULL, spec[4096];
    moru_optimizer *o;
    ck_assert_int_eq(moru_h5_attribute(&class_name, path, name, "class_name"), MORU_OK);
    ck_assert_int_eq(moru_h5_attribute(&config, path, name, "config"), MORU_OK);
    snprintf(spec, sizeof spec, "{\"class_name\": \"%s\", \"config\": %s}", class_name, config);
    ck_assert_msg(moru_optimizer_from(&o, spec) == MORU_OK, "%s: %s", name, moru_last_error());
    /* what is written says the same: every option that Keras wrote */
    json_t *written = moru_optimizer_to_json(o), *theirs = json_loads(config, 0, NULL), *value;
    const char *key;
    ck_assert_str_eq(json_string_value(json_object_get(written, "class_name")), class_name);
    json_object_foreach(theirs, key, value) {
        json_t *ours = json_object_get(json_object_get(written, "config"), key);
        if (strcmp(key, "learning_rate") == 0
            || (json_is_number(value) && json_number_value(value) == json_number_value(ours)))
            continue;
        bool empty = json_is_array(value) && json_array_size(value) == 0 && json_is_null(ours);
        ck_assert_msg(empty || json_equal(value, ours), "%s: %s is written otherwise", name, key);
    }
    json_decref(written);
    json_decref(theirs);
    free(class_name);
    free(config);
    return o;
}

static moru_tensor *weight(moru_model *m, int i)
{
    return moru_layer_weight_at(moru_model_layer(m, i < 2 ? "dense" : "dense_1"), i % 2, NULL);
}

/* The model of the fixtures, with their weights at the beginning. */
static moru_model *model_of(const char *path, const char *name, int64_t inputs)
{
    moru_tensor *first[4];
    for (int i = 0; i < 4; i++)
        first[i] = read(path, "init/%d", i);
    moru_model *m = moru_sequential("optimizer_mlp", moru_input(inputs),
                                    moru_dense(.units = moru_tensor_size(first[1]), .activation = "tanh"),
                                    moru_dense(.units = moru_tensor_size(first[3])));
    ck_assert_msg(moru_compile(m, .optimizer = optimizer_of(path, name), .loss = "mse") == MORU_OK, "%s",
                  moru_last_error());
    for (int i = 0; i < 4; i++) {
        memcpy(moru_tensor_data(weight(m, i)), moru_tensor_data(first[i]),
               (size_t)moru_tensor_size(first[i]) * sizeof(moru_real));
        moru_tensor_free(first[i]);
    }
    return m;
}

static void train(moru_model *m, const moru_tensor *xs, const moru_tensor *ts, int k, double want, const char *name)
{
    moru_tensor *x = batch_of(xs, k), *t = batch_of(ts, k);
    double loss = 0;
    ck_assert_msg(moru_train_on_batch(m, &x, &t, &loss) == MORU_OK, "%s: %s", name, moru_last_error());
    ck_assert_msg(fabs(loss - want) <= 1e-5 * fabs(want), "%s: loss %d: %.8g, should be %.8g", name, k, loss, want);
    moru_tensor_free(x);
    moru_tensor_free(t);
}

static void follow(const char *path, const char *name, const moru_tensor *xs, const moru_tensor *ts)
{
    moru_model *m = model_of(path, name, moru_tensor_shape(xs)->dims[2]);
    moru_tensor *losses = read(path, "%s/loss", name);
    for (int k = 0; k < 3; k++) {
        train(m, xs, ts, k, (double)((moru_real *)moru_tensor_data(losses))[k], name);
        for (int i = 0; i < 4; i++) {
            moru_tensor *after = read(path, "%s/step%d/%d", name, k + 1, i);
            check_tensor(weight(m, i), after, name, "weight after step", k + 1);
            moru_tensor_free(after);
        }
    }
    moru_training *training = m->training;
    int first = training->optimizer->schedule ? 1 : 2; /* iteration, learning rate */
    ck_assert_int_eq(training->iteration, 3);
    for (int i = 0; i < training->n_slots; i++) {
        moru_tensor *state = read(path, "%s/state/%d", name, first + i);
        check_tensor(training->slots[i], state, name, "state", first + i);
        moru_tensor_free(state);
    }
    char beyond[128];
    snprintf(beyond, sizeof beyond, "%s/state/%d", name, first + training->n_slots);
    ck_assert_msg(!moru_h5_has(path, beyond), "%s: Keras keeps more state", name);
    moru_tensor_free(losses);
    moru_model_free(m);
}

static void check_values(const moru_tensor *got, const moru_real *want, const char *name, const char *what, int k)
{
    const moru_real *data = moru_tensor_const_data(got);
    for (int64_t i = 0; i < moru_tensor_size(got); i++)
        ck_assert_msg(fabs((double)(data[i] - want[i])) <= 1e-5 * fmax(1, fabs((double)want[i])),
                      "%s: %s %d, element %d: %.8g, should be %.8g", name, what, k, (int)i, (double)data[i],
                      (double)want[i]);
}

/* The state as tests/make_optimizer_fixtures.py packs it. */
static void check_state(const moru_training *t, const char *path, const char *name)
{
    char *text = NULL;
    ck_assert_int_eq(moru_h5_attribute(&text, path, name, "shapes"), MORU_OK);
    json_t *shapes = json_loads(text, 0, NULL);
    moru_tensor *state = read(path, "%s/state", name);
    const moru_real *at = moru_tensor_const_data(state);
    size_t first = t->optimizer->schedule ? 1 : 2;
    ck_assert_msg(json_array_size(shapes) == first + (size_t)t->n_slots, "%s: %d slots, Keras has %d variables", name,
                  t->n_slots, (int)json_array_size(shapes));
    ck_assert_msg((int64_t)at[0] == t->iteration, "%s: iteration", name);
    at += first;
    for (int i = 0; i < t->n_slots; i++) {
        json_t *shape = json_array_get(shapes, first + (size_t)i);
        const moru_shape *own = moru_tensor_shape(t->slots[i]);
        ck_assert_msg((size_t)own->rank == json_array_size(shape), "%s: rank of slot %d", name, i);
        for (int d = 0; d < own->rank; d++)
            ck_assert_msg(own->dims[d] == json_integer_value(json_array_get(shape, (size_t)d)), "%s: slot %d", name, i);
        check_values(t->slots[i], at, name, "slot", i);
        at += moru_tensor_size(t->slots[i]);
    }
    json_decref(shapes);
    free(text);
    moru_tensor_free(state);
}

static void follow_packed(const char *path, const char *name, const moru_tensor *xs, const moru_tensor *ts)
{
    moru_model *m = model_of(path, name, moru_tensor_shape(xs)->dims[2]);
    moru_tensor *losses = read(path, "%s/loss", name), *weights = read(path, "%s/weights", name);
    const moru_real *at = moru_tensor_const_data(weights);
    for (int k = 0; k < (int)moru_tensor_size(losses); k++) {
        train(m, xs, ts, k, (double)((moru_real *)moru_tensor_data(losses))[k], name);
        for (int i = 0; i < 4; i++) {
            check_values(weight(m, i), at, name, "weights after step", k + 1);
            at += moru_tensor_size(weight(m, i));
        }
    }
    check_state(m->training, path, name);
    moru_tensor_free(losses);
    moru_tensor_free(weights);
    moru_model_free(m);
}

/* Every setting of a file, whatever it is. */
static void follow_all(const char *path,
                       void (*one)(const char *, const char *, const moru_tensor *, const moru_tensor *),
                       int64_t at_least)
{
    static const char *const others[] = {"x", "target", "init"};
    moru_tensor *xs = read(path, "x"), *ts = read(path, "target");
    moru_hdf5 *file = NULL;
    int64_t count = 0, settings = 0;
    ck_assert_int_eq(moru_hdf5_open(&file, path), MORU_OK);
    ck_assert_int_eq(moru_hdf5_count(file, "/", &count), MORU_OK);
    for (int64_t k = 0; k < count; k++) {
        char *name;
        bool other = false;
        ck_assert_int_eq(moru_hdf5_name_at(file, "/", k, &name), MORU_OK);
        for (int i = 0; i < 3; i++)
            other |= strcmp(name, others[i]) == 0;
        if (!other)
            one(path, name, xs, ts);
        settings += !other;
        free(name);
    }
    ck_assert_int_ge(settings, at_least);
    moru_hdf5_close(file);
    moru_tensor_free(xs);
    moru_tensor_free(ts);
}

START_TEST(test_steps_of_keras)
{
    char path[1024];
    const char *shared = getenv("MORU_SHARED");
    snprintf(path, sizeof path, "%s/fixtures/dev/optimizers.h5", shared ? shared : "../shared");
    if (moru_h5_has(path, "x"))
        follow_all(path, follow, 21);
    else
        printf("optimizers of Keras: skipped, there is no %s\n", path);
}
END_TEST

START_TEST(test_more_steps_of_keras)
{
    char path[1024];
    const char *source = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/data/optimizers.h5", source ? source : ".");
    follow_all(path, follow_packed, 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizers");
    TCase *tcase = tcase_create("optimizers");
    tcase_add_test(tcase, test_sgd);
    tcase_add_test(tcase, test_adam);
    tcase_add_test(tcase, test_rmsprop_and_adagrad);
    tcase_add_test(tcase, test_schedule_free);
    tcase_add_test(tcase, test_weight_decay_can_leave_weights_out);
    tcase_add_test(tcase, test_schedule_and_clipping);
    tcase_add_test(tcase, test_learning_rate_can_be_set);
    tcase_add_test(tcase, test_json_there_and_back);
    tcase_add_test(tcase, test_json_of_keras);
    tcase_add_test(tcase, test_bad_options);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, test_steps_of_keras);
    tcase_add_test(tcase, test_more_steps_of_keras);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
