/* Models and weights in Keras's files: what Keras wrote, what is written here, what doesn't fit. */
#include <glob.h>
#include "formats/keras.h"
#include "tests/format_test.h"

static const char *find_shared(void)
{
    const char *shared = getenv("MORU_SHARED");
    static char path[1024];
    snprintf(path, sizeof path, "%s/fixtures/dev", shared ? shared : "../shared");
    return path;
}

static const char *data_folder(void)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/tests/data", getenv("srcdir") ? getenv("srcdir") : ".");
    return path;
}

/* ---- models of Keras's against its own numbers ---- */

enum { MOST_FIXTURES = 200 };

typedef struct fixture {
    char model[1100], weights[1100], io[1100];
    moru_tensor *inputs[MORU_MAX_FEATURES], *outputs[MORU_MAX_FEATURES], *targets[MORU_MAX_FEATURES];
    int n_inputs, n_outputs;
} fixture;

/* name, or name0, name1, ... */
static int read_numbered(const char *path, const char *name, moru_tensor **tensors)
{
    char numbered[32];
    if (moru_h5_has(path, name)) {
        OK(moru_h5_read(&tensors[0], path, name, MORU_INT32));
        return 1;
    }
    for (int n = 0;; n++) {
        snprintf(numbered, sizeof numbered, "%s%d", name, n);
        if (!moru_h5_has(path, numbered))
            return n;
        OK(moru_h5_read(&tensors[n], path, numbered, MORU_INT32));
    }
}

static void open_fixture(fixture *f, const char *folder, const char *name)
{
    *f = (fixture){.n_inputs = 0};
    snprintf(f->model, sizeof f->model, "%s/%s.keras", folder, name);
    snprintf(f->weights, sizeof f->weights, "%s/%s.weights.h5", folder, name);
    snprintf(f->io, sizeof f->io, "%s/%s.io.h5", folder, name);
    f->n_inputs = read_numbered(f->io, "x", f->inputs);
    f->n_outputs = read_numbered(f->io, "y", f->outputs);
    ck_assert_int_eq(read_numbered(f->io, "target", f->targets), f->n_outputs);
}

static void close_fixture(fixture *f)
{
    for (int k = 0; k < MORU_MAX_FEATURES; k++) {
        moru_tensor_free(f->inputs[k]);
        moru_tensor_free(f->outputs[k]);
        moru_tensor_free(f->targets[k]);
    }
}

static double largest_of(const moru_tensor *t)
{
    const moru_real *x = moru_tensor_const_data(t);
    double largest = 0;
    for (int64_t k = 0; k < moru_tensor_size(t); k++)
        largest = fmax(largest, fabs((double)x[k]));
    return largest;
}

/* Relative to the largest element. */
static void assert_close(const moru_tensor *a, const moru_tensor *b, double tolerance, const char *what)
{
    char is[MORU_SHAPE_TEXT], wanted[MORU_SHAPE_TEXT];
    ck_assert_msg(moru_shape_equal(moru_tensor_shape(a), moru_tensor_shape(b)), "%s: %s, not %s", what,
                  moru_shape_print(moru_tensor_shape(a), is, sizeof is),
                  moru_shape_print(moru_tensor_shape(b), wanted, sizeof wanted));
    const moru_real *x = moru_tensor_const_data(a), *y = moru_tensor_const_data(b);
    double largest = fmax(1e-4, largest_of(b)), worst = 0;
    for (int64_t k = 0; k < moru_tensor_size(a); k++) {
        worst = fmax(worst, fabs((double)x[k] - (double)y[k]));
        ck_assert_msg(isfinite((double)x[k]), "%s: element %lld is %g", what, (long long)k, (double)x[k]);
    }
    ck_assert_msg(worst <= tolerance * largest, "%s: off by %g of %g", what, worst, largest);
}

static void check_predictions(moru_model *model, const fixture *f, const char *what)
{
    moru_tensor *outputs[MORU_MAX_FEATURES] = {NULL};
    OK(moru_predict(model, f->inputs, outputs, 0, 0));
    for (int k = 0; k < f->n_outputs; k++) {
        assert_close(outputs[k], f->outputs[k], 1e-5, what);
        moru_tensor_free(outputs[k]);
    }
}

enum { MOST = 512 }; /* variables of a model */

/* What is zero but for rounding (the gradient of a bias of keys) is so on both sides, beside the largest of all. */
static void assert_gradient(const moru_tensor *gradient, const moru_tensor *wanted, double largest, const char *what)
{
    enum { ROUNDING = 1000000 };
    double is = largest_of(gradient), reference = largest_of(wanted);
    if (is * ROUNDING < largest && reference * ROUNDING < largest && moru_tensor_size(gradient) == moru_tensor_size(wanted))
        return;
    assert_close(gradient, wanted, 1e-4, what);
}

static void check_gradients(moru_model *model, const fixture *f, bool training)
{
    const char *mode = training ? "training" : "inference", *paths[MOST];
    moru_tensor *gradients[MOST], *wanted;
    char name[256], *spec;
    double loss;
    int n = moru_model_gradient_count(model);
    ck_assert_int_lt(n, MOST);
    OK(moru_h5_attribute(&spec, f->io, "/", "loss"));
    ck_assert_ptr_nonnull(spec);
    OK(moru_model_gradients(model, f->inputs, f->targets, spec, training, &loss, gradients, paths));
    free(spec);
    snprintf(name, sizeof name, "%s/loss", mode);
    OK(moru_h5_read(&wanted, f->io, name, MORU_REAL));
    double value = *(moru_real *)moru_tensor_data(wanted);
    ck_assert_msg(fabs(loss - value) <= 1e-5 * fmax(1, fabs(value)), "%s: loss %g, not %g", f->model, loss, value);
    moru_tensor_free(wanted);
    double largest = 0;
    for (int k = 0; k < n; k++)
        largest = fmax(largest, largest_of(gradients[k]));
    for (int k = 0; k < n; k++) {
        snprintf(name, sizeof name, "%s/grad/%s", mode, paths[k]);
        for (int i = 0; i < k; i++)
            if (strcmp(paths[i], paths[k]) == 0)
                snprintf(name, sizeof name, "%s/grad/%s#%d", mode, paths[k], k);
        OK(moru_h5_read(&wanted, f->io, name, MORU_REAL));
        assert_gradient(gradients[k], wanted, largest, name);
        moru_tensor_free(wanted);
        moru_tensor_free(gradients[k]);
    }
}

static void without_dropout(moru_model *model)
{
    for (int k = 0; k < moru_model_layer_count(model); k++)
        if (strcmp(moru_layer_class_name(moru_model_layer_at(model, k)), "Dropout") == 0)
            ((moru_dropout_options *)moru_model_layer_at(model, k)->options)->rate = 0;
}

/* The older .h5, whole and weights alone; the file that Keras wrote in it, if there is one. */
static void check_older_forms(moru_model *model, const fixture *f, uint64_t bits)
{
    moru_model *again = NULL;
    char keras[1200];
    OK(moru_save(model, scratch("older.h5")));
    OK(moru_save_weights(model, scratch("weights.h5"), NULL));
    OK(moru_load(&again, scratch("older.h5")));
    ck_assert_uint_eq(fingerprint(again), bits);
    check_predictions(again, f, "older.h5");
    scramble(again, 7);
    OK(moru_load_weights(again, scratch("weights.h5")));
    ck_assert_uint_eq(fingerprint(again), bits);
    moru_model_free(again);
    snprintf(keras, sizeof keras, "%.*s.h5", (int)(strlen(f->model) - strlen(".keras")), f->model);
    if (access(keras, R_OK) != 0)
        return;
    OK(moru_load(&again, keras));
    ck_assert_uint_eq(fingerprint(again), bits);
    check_predictions(again, f, keras);
    moru_model_free(again);
}

/* Saves the model, reads it again, and finds every bit of it again. */
static void check_round_trip(moru_model *model, const fixture *f)
{
    moru_model *again = NULL;
    const char *path = scratch("again.keras"), *weights = scratch("again.weights.h5");
    uint64_t bits = fingerprint(model);
    OK(moru_save(model, path));
    OK(moru_save(model, weights));
    OK(moru_load(&again, path));
    ck_assert_uint_eq(fingerprint(again), bits);
    char *first = moru_model_to_json(model), *second = moru_model_to_json(again);
    ck_assert_str_eq(first, second);
    free(first), free(second);
    check_predictions(again, f, "saved");
    scramble(again, 5);
    OK(moru_load_weights(again, weights));
    ck_assert_uint_eq(fingerprint(again), bits);
    scramble(again, 6);
    OK(moru_load_weights(again, path));
    ck_assert_uint_eq(fingerprint(again), bits);
    check_older_forms(model, f, bits);
    if (moru_model_optimizer(model) && model->training->iteration > 0) { /* the next step is the same as well */
        double a, b;
        OK(moru_train_on_batch(model, f->inputs, f->targets, &a));
        OK(moru_train_on_batch(again, f->inputs, f->targets, &b));
        ck_assert_double_eq(a, b);
        ck_assert_uint_eq(fingerprint(again), fingerprint(model));
        ck_assert_uint_ne(fingerprint(again), bits);
    }
    moru_model_free(again);
}

static void check_fixture(const char *folder, const char *name)
{
    fixture f;
    moru_model *model = NULL;
    open_fixture(&f, folder, name);
    OK(moru_load(&model, f.model));
    ck_assert_str_eq(moru_model_name(model), name);
    check_predictions(model, &f, name);
    uint64_t bits = fingerprint(model);
    scramble(model, 4);
    ck_assert_uint_ne(fingerprint(model), bits);
    OK(moru_load_weights(model, f.weights));
    ck_assert_uint_eq(fingerprint(model), bits);
    without_dropout(model);
    check_gradients(model, &f, false);
    check_gradients(model, &f, true);
    moru_model_free(model);
    OK(moru_load_uncompiled(&model, f.model));
    ck_assert_ptr_null(moru_model_optimizer(model));
    moru_model_free(model);
    OK(moru_load(&model, f.model));
    check_round_trip(model, &f);
    moru_model_free(model);
    close_fixture(&f);
    clean_scratch();
}

/* The names of a folder's fixtures, sorted: NAME.keras with NAME.io.h5. */
static int find_fixtures(const char *folder, char (*names)[64])
{
    char pattern[1200];
    glob_t found;
    int n = 0;
    snprintf(pattern, sizeof pattern, "%s/*.io.h5", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t k = 0; k < found.gl_pathc && n < MOST_FIXTURES; k++) {
        char model[1300];
        const char *name = strrchr(found.gl_pathv[k], '/') + 1;
        snprintf(names[n], sizeof *names, "%.*s", (int)strcspn(name, "."), name);
        snprintf(model, sizeof model, "%s/%s.keras", folder, names[n]);
        n += access(model, R_OK) == 0;
    }
    globfree(&found);
    return n;
}

static char own[MOST_FIXTURES][64], shared_models[MOST_FIXTURES][64];

START_TEST(test_own_fixtures)
{
    check_fixture(data_folder(), own[_i]);
}
END_TEST

/* These have no targets, losses and gradients. */
static const char *const left_out[] = {"k2_cnn", "k2_mlp", "k2_rnn"};

static bool has_shared(void)
{
    if (access(find_shared(), R_OK) == 0)
        return true;
    printf("skipped: there is no %s\n", find_shared());
    return false;
}

START_TEST(test_shared_fixtures)
{
    for (size_t k = 0; k < sizeof left_out / sizeof *left_out; k++)
        if (strcmp(shared_models[_i], left_out[k]) == 0)
            return;
    check_fixture(find_shared(), shared_models[_i]);
}
END_TEST

START_TEST(test_optimizer_state_of_keras)
{
    moru_model *model;
    char path[1200];
    snprintf(path, sizeof path, "%s/small_sequential.keras", data_folder());
    OK(moru_load(&model, path));
    ck_assert_int_eq(model->training->iteration, 2);
    ck_assert_int_eq(model->training->n_slots, 12);
    for (int k = 0; k < 12; k++)
        ck_assert_msg(*(moru_real *)moru_tensor_data(model->training->slots[k]) != 0, "slot %d", k);
    ck_assert_double_eq_tol(moru_optimizer_learning_rate(moru_model_optimizer(model), 0), 0.01, 1e-8);
    moru_model_free(model);
}
END_TEST

/* These have no targets. */
static void check_keras2_fixture(const char *name)
{
    fixture f = {.n_inputs = 0};
    moru_model *model;
    char io[1200], path[1200];
    snprintf(io, sizeof io, "%s/%s.io.h5", find_shared(), name);
    snprintf(path, sizeof path, "%s/%s.keras", find_shared(), name);
    f.n_inputs = read_numbered(io, "x", f.inputs);
    f.n_outputs = read_numbered(io, "y", f.outputs);
    OK(moru_load(&model, path));
    check_predictions(model, &f, path);
    scramble(model, 3);
    snprintf(path, sizeof path, "%s/%s.weights.h5", find_shared(), name);
    OK(moru_load_weights(model, path));
    check_predictions(model, &f, path);
    moru_model_free(model);
    close_fixture(&f);
}

/* Files of Keras 2: the functional form of its calls is another, and so is the optimizer's state. */
START_TEST(test_keras2)
{
    static const char inner[] = "{\"class_name\": \"Functional\", \"config\": {\"name\": \"old\", \"layers\": ["
        "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": [null, 4], \"dtype\": \"float32\", "
        "\"sparse\": false, \"ragged\": false, \"name\": \"in\"}, \"name\": \"in\", \"inbound_nodes\": []},"
        "{\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", \"units\": 4, \"activation\": \"linear\"}, "
        "\"name\": \"d\", \"inbound_nodes\": [[[\"in\", 0, 0, {}]], [[\"d\", 0, 0, {}]]]},"
        "{\"class_name\": \"Add\", \"config\": {\"name\": \"sum\"}, \"name\": \"sum\", \"inbound_nodes\": "
        "[[[\"d\", 1, 0, {}], [\"in\", 0, 0, {}]]]}],"
        "\"input_layers\": [[\"in\", 0, 0]], \"output_layers\": [[\"sum\", 0, 0]]}}";
    moru_model *model;
    OK(moru_model_from_json(&model, inner, "keras 2"));
    ck_assert_int_eq(moru_model_layer_count(model), 3);
    ck_assert_int_eq(model->n_applications, 4);
    moru_model_free(model);
    for (int k = 0; k < 2 && has_shared(); k++)
        check_keras2_fixture(k == 0 ? "k2_mlp" : "k2_rnn");
}
END_TEST

/* A model of one MultiHeadAttention, its calls in Keras 2's form. */
static moru_status read_attention(moru_model **model, const char *calls)
{
    char json[1500];
    snprintf(json, sizeof json,
             "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": ["
             "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": [null, 5, 4], \"name\": \"x\"}, "
             "\"name\": \"x\", \"inbound_nodes\": []},"
             "{\"class_name\": \"MultiHeadAttention\", \"config\": {\"name\": \"a\", \"num_heads\": 2, \"key_dim\": 3, "
             "\"output_shape\": null, \"attention_axes\": [1]}, \"name\": \"a\", \"inbound_nodes\": [%s]}],"
             "\"input_layers\": [[\"x\", 0, 0]], \"output_layers\": [[\"a\", 0, 0]]}}", calls);
    return moru_model_from_json(model, json, "attention");
}

static bool writes(moru_model *model, const char *part)
{
    char *json = moru_model_to_json(model);
    ck_assert_ptr_nonnull(json);
    bool found = strstr(json, part) != NULL;
    free(json);
    return found;
}

START_TEST(test_arguments_of_calls)
{
    moru_model *model, *again;
    OK(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"x\", 0, 0], \"use_causal_mask\": true, "
                              "\"mask\": null}]]"));
    ck_assert_int_eq(model->applications[1].n_inputs, 2);
    ck_assert(writes(model, "use_causal_mask"));
    char *json = moru_model_to_json(model);
    OK(moru_model_from_json(&again, json, "again"));
    free(json);
    ck_assert(writes(again, "use_causal_mask"));
    moru_model_free(again);
    moru_model_free(model);
    OK(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"x\", 0, 0], \"key\": [\"x\", 0, 0]}]]"));
    ck_assert_int_eq(model->applications[1].n_inputs, 3);
    ck_assert(!writes(model, "use_causal_mask"));
    moru_model_free(model);
    FAILS(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"x\", 0, 0], \"use_causal_mask\": true}]], "
                                 "[[\"a\", 0, 0, {\"value\": [\"x\", 0, 0]}]]"),
          MORU_ERR_UNSUPPORTED, "a: calls with different arguments use_causal_mask");
    FAILS(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"x\", 0, 0], \"attention_mask\": [\"x\", 0, 0]}]]"),
          MORU_ERR_SHAPE, "[?,1,5,4]");
    FAILS(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"x\", 0, 0], \"attention_masks\": [\"x\", 0, 0]}]]"),
          MORU_ERR_UNSUPPORTED, "a: argument attention_masks");
    OK(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"x\", 0, 0], \"return_attention_scores\": true}]]"));
    ck_assert_int_eq(model->applications[1].n_outputs, 2);
    ck_assert(writes(model, "return_attention_scores"));
    moru_model_free(model);
    FAILS(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"x\", 0, 0], \"use_causal_mask\": \"no\"}]]"),
          MORU_ERR_FORMAT, "use_causal_mask");
    FAILS(read_attention(&model, "[[\"x\", 0, 0, {\"value\": [\"y\", 0, 0]}]]"), MORU_ERR_FORMAT, "\"y\"");
    FAILS(read_attention(&model, "[[\"x\", 0, 0, {}]]"), MORU_ERR_ARGUMENT, "2 inputs");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keras");
    TCase *tests = tcase_create("keras");
    tcase_add_loop_test(tests, test_own_fixtures, 0, find_fixtures(data_folder(), own));
    tcase_add_loop_test(tests, test_shared_fixtures, 0, has_shared() ? find_fixtures(find_shared(), shared_models) : 0);
    tcase_add_test(tests, test_optimizer_state_of_keras);
    tcase_add_test(tests, test_keras2);
    tcase_add_test(tests, test_arguments_of_calls);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
