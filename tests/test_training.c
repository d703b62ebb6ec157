/* Compiled models of Keras's trained further here, as Keras does: tests/make_training_fixtures.py. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <moru.h>
#include "formats/hdf5.h"
#include "train/training.h"

#define OK(status) ck_assert_msg((status) == MORU_OK, "%s", moru_last_error())

static const char *const names[] = {"bounded", "averaged", "branches", "masked", "functions", "scaled"};

static void path_of(const char *name, const char *ending, char path[1024])
{
    const char *source = getenv("srcdir");
    snprintf(path, 1024, "%s/tests/data/training/%s%s", source ? source : ".", name, ending);
}

static moru_tensor *array(moru_hdf5 *file, const char *path)
{
    moru_hdf5_kind kind;
    moru_hdf5_type type;
    moru_shape shape;
    OK(moru_hdf5_find(file, path, &kind));
    if (kind != MORU_HDF5_DATASET)
        return NULL;
    OK(moru_hdf5_describe(file, path, &type, &shape));
    bool whole = type == MORU_HDF5_INT64;
    moru_tensor *tensor = moru_tensor_new(whole ? MORU_INT32 : MORU_REAL, shape);
    OK(moru_hdf5_read(file, path, whole ? MORU_HDF5_INT32 : MORU_HDF5_REAL, moru_tensor_data(tensor),
                      moru_tensor_size(tensor)));
    return tensor;
}

/* "x", or "x0", "x1" ...; returns how many. */
static int read_all(moru_hdf5 *file, const char *name, moru_tensor **tensors)
{
    char path[32];
    int n = 0;
    if ((tensors[0] = array(file, name)))
        return 1;
    do
        snprintf(path, sizeof path, "%s%d", name, n);
    while ((tensors[n] = array(file, path)) && ++n < MORU_MAX_FEATURES);
    return n;
}

typedef struct fixture {
    moru_hdf5 *file;
    moru_tensor *x[MORU_MAX_FEATURES], *t[MORU_MAX_FEATURES], *w[MORU_MAX_FEATURES];
    int nx, nt, nw;
} fixture;

static fixture open_fixture(const char *name)
{
    char path[1024];
    fixture f = {NULL};
    path_of(name, ".h5", path);
    OK(moru_hdf5_open(&f.file, path));
    f.nx = read_all(f.file, "x", f.x);
    f.nt = read_all(f.file, "target", f.t);
    f.nw = read_all(f.file, "weights", f.w);
    return f;
}

static void close_fixture(fixture *f)
{
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        moru_tensor_free(k < f->nx ? f->x[k] : NULL);
        moru_tensor_free(k < f->nt ? f->t[k] : NULL);
        moru_tensor_free(k < f->nw ? f->w[k] : NULL);
    }
    moru_hdf5_close(f->file);
}

static void train(const char *name, moru_model *model, const fixture *f)
{
    moru_tensor *losses = array(f->file, "loss");
    const moru_real *want = moru_tensor_const_data(losses);
    for (int64_t k = 0; k < moru_tensor_size(losses); k++) {
        double loss;
        OK(moru_train_on_batch_weighted(model, f->x, f->t, f->w, f->nw, &loss));
        ck_assert_msg(fabs(loss - (double)want[k]) <= 2e-5 * fmax(1, fabs((double)want[k])), 
                      "%s, step %d: %.8g, not %.8g", name, (int)k, loss, (double)want[k]);
    }
    moru_tensor_free(losses);
}

static void check_weights(const char *name, const moru_model *model, moru_hdf5 *file)
{
    for (int trained = 0; trained < 2; trained++) {
        moru_weight *weights[32];
        int n = moru_model_weights(model, trained, weights, 32);
        for (int i = 0; i < n; i++) {
            char path[300];
            snprintf(path, sizeof path, "weight/%s", weights[i]->path);
            moru_tensor *want = array(file, path);
            ck_assert_msg(want != NULL, "%s: no %s", name, path);
            const moru_real *a = moru_tensor_const_data(weights[i]->tensor), *b = moru_tensor_const_data(want);
            for (int64_t k = 0; k < moru_tensor_size(want); k++)
                ck_assert_msg(fabs((double)a[k] - (double)b[k]) <= 2e-5 * fmax(1, fabs((double)b[k])),
                              "%s: %s[%d] is %.8g, not %.8g", name, path, (int)k, (double)a[k], (double)b[k]);
            moru_tensor_free(want);
        }
    }
}

static void evaluate(const char *name, moru_model *model, const fixture *f)
{
    char *text;
    const char *key;
    json_t *value;
    moru_dataset *data;
    moru_logs logs;
    OK(moru_hdf5_text(f->file, "/", "logs", &text));
    json_t *want = json_loads(text, 0, NULL);
    OK(moru_dataset_from_weighted_tensors(&data, (const moru_tensor *const *)f->x, f->nx,
                                          (const moru_tensor *const *)f->t, f->nt, (const moru_tensor *const *)f->w,
                                          f->nw));
    OK(moru_evaluate(model, data, &logs, .batch_size = f->nt == 1 ? 4 : 3));
    ck_assert_int_eq(logs.n, (int)json_object_size(want));
    json_object_foreach(want, key, value) {
        double got = moru_logs_get(&logs, key), wanted = json_number_value(value);
        ck_assert_msg(fabs(got - wanted) <= 5e-5 * fmax(1, fabs(wanted)), "%s: %s is %.8g, not %.8g", name, key, got,
                      wanted);
    }
    moru_dataset_free(data);
    json_decref(want);
    free(text);
}

/* As it was loaded, and as it comes back from a file written here. */
static void follow(const char *name, bool saved)
{
    char path[1024];
    moru_model *model;
    fixture f = open_fixture(name);
    path_of(name, ".keras", path);
    OK(moru_load(&model, path));
    if (saved) {
        snprintf(path, sizeof path, "/tmp/moru_training_%ld.keras", (long)getpid());
        OK(moru_save(model, path));
        moru_model_free(model);
        OK(moru_load(&model, path));
        unlink(path);
    }
    train(name, model, &f);
    check_weights(name, model, f.file);
    evaluate(name, model, &f);
    moru_model_free(model);
    close_fixture(&f);
}

START_TEST(test_keras)
{
    follow(names[_i / 2], _i % 2);
}
END_TEST

/* A row counts once, twice or not at all; classes and samples weigh the same. */
START_TEST(test_class_weights)
{
    const int32_t labels[6] = {0, 1, 2, 1, 0, 2};
    const double classes[2] = {2, 0.5};
    moru_real x[18], w[6];
    for (int i = 0; i < 18; i++)
        x[i] = (moru_real)sin(3.0 * i);
    for (int i = 0; i < 6; i++)
        w[i] = (moru_real)(labels[i] < 2 ? classes[labels[i]] : 1);
    moru_tensor *xs = moru_tensor_from(MORU_REAL, MORU_SHAPE(6, 3), x);
    moru_tensor *ts = moru_tensor_from(MORU_INT32, MORU_SHAPE(6), labels);
    moru_tensor *ws = moru_tensor_from(MORU_REAL, MORU_SHAPE(6), w);
    double losses[2];
    for (int k = 0; k < 2; k++) {
        moru_model *model = moru_sequential("m", moru_input(3), moru_dense(.units = 3, .activation = "softmax"));
        moru_dataset *data;
        moru_history *history = moru_history_new();
        OK(moru_compile(model, .optimizer = moru_sgd(.learning_rate = 0.1), .loss = "sparse_categorical_crossentropy"));
        OK(moru_dataset_from_weighted_tensors(&data, (const moru_tensor *const[]){xs}, 1,
                                              (const moru_tensor *const[]){ts}, 1, (const moru_tensor *const[]){ws}, k));
        moru_fit_options o = {.epochs = 3, .batch_size = 4, .history = history};
        if (k == 0) {
            o.class_weights = classes;
            o.n_class_weights = 2;
        }
        OK(moru_fit_with(model, data, &o));
        losses[k] = moru_logs_get(moru_history_at(history, 2), "loss");
        if (k == 1) {
            o.class_weights = classes;
            ck_assert_int_eq(moru_fit_with(model, data, &o), MORU_ERR_ARGUMENT);
        }
        moru_history_free(history);
        moru_dataset_free(data);
        moru_model_free(model);
    }
    ck_assert_double_eq(losses[0], losses[1]);
    moru_tensor_free(xs);
    moru_tensor_free(ts);
    moru_tensor_free(ws);
}
END_TEST

START_TEST(test_wrong_weights)
{
    moru_model *model = moru_sequential("m", moru_input(3), moru_dense(.units = 2));
    moru_tensor *x = moru_tensor_new(MORU_REAL, MORU_SHAPE(4, 3)), *t = moru_tensor_new(MORU_REAL, MORU_SHAPE(4, 2));
    moru_tensor *w = moru_tensor_new(MORU_REAL, MORU_SHAPE(3)), *many[3] = {w, w, w};
    OK(moru_compile(model, .loss = "mse"));
    ck_assert_int_eq(moru_train_on_batch_weighted(model, &x, &t, &w, 1, NULL), MORU_ERR_SHAPE);
    ck_assert_int_eq(moru_train_on_batch_weighted(model, &x, &t, many, 3, NULL), MORU_ERR_SHAPE);
    ck_assert_int_eq(moru_train_on_batch_weighted(model, &x, &t, NULL, 1, NULL), MORU_ERR_ARGUMENT);
    moru_tensor_free(x);
    moru_tensor_free(t);
    moru_tensor_free(w);
    moru_model_free(model);
}
END_TEST

/* Options that layers have besides their fields. */
START_TEST(test_constraints)
{
    static const struct { const char *weight, *spec; moru_status status; } bad[] = {
        {"kernel", "no_such_norm", MORU_ERR_UNSUPPORTED}, {"kernel", "max_norm(2, axis=5)", MORU_ERR_ARGUMENT},
        {"kernel", "min_max_norm(2, 1)", MORU_ERR_ARGUMENT}, {"alpha", "non_neg", MORU_ERR_UNSUPPORTED}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        moru_layer *layer = moru_dense(.units = 2);
        moru_layer_set_constraint(layer, bad[k].weight, bad[k].spec);
        moru_model *model = moru_sequential("m", moru_input(3), layer);
        ck_assert_msg(moru_model_status(model) == bad[k].status, "%s %s: %s", bad[k].weight, bad[k].spec,
                      moru_model_error(model));
        moru_model_free(model);
    }
    moru_layer *embedding = moru_embedding(.input_dim = 3, .output_dim = 2);
    moru_layer_set_constraint(embedding, "embeddings", "unit_norm(axis=1)");
    moru_model *model = moru_sequential("m", moru_input_int(2), embedding, moru_flatten(),
                                        moru_dense(.units = 1, .kernel_constraint = "non_neg"));
    moru_tensor *x = moru_tensor_from(MORU_INT32, MORU_SHAPE(2, 2), (const int32_t[]){0, 1, 2, 2});
    moru_tensor *t = moru_tensor_from(MORU_REAL, MORU_SHAPE(2, 1), (const moru_real[]){-4, 3});
    OK(moru_compile(model, .loss = "mse", .optimizer = moru_sgd(.learning_rate = 0.1)));
    OK(moru_train_on_batch(model, &x, &t, NULL));
    const moru_real *e = moru_tensor_const_data(moru_layer_weight_at(moru_model_layer_at(model, 1), 0, NULL));
    const moru_real *w = moru_tensor_const_data(moru_layer_weight_at(moru_model_layer_at(model, 3), 0, NULL));
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol(hypot((double)e[2 * i], (double)e[2 * i + 1]), 1, 1e-5);
    for (int i = 0; i < 4; i++)
        ck_assert(w[i] >= 0);
    moru_tensor_free(x);
    moru_tensor_free(t);
    moru_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training");
    TCase *tests = tcase_create("training");
    tcase_add_loop_test(tests, test_keras, 0, 2 * (int)(sizeof names / sizeof *names));
    tcase_add_test(tests, test_class_weights);
    tcase_add_test(tests, test_wrong_weights);
    tcase_add_test(tests, test_constraints);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
