/* Losses, their gradients and metrics against what Keras 3 makes of them: tests/make_loss_fixtures.py. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>
#include "formats/hdf5.h"
#include "train/metrics.h"

#define OK(status) ck_assert_msg((status) == MORU_OK, "%s", moru_last_error())

typedef struct cases {
    moru_real *data;
    json_t *list;
} cases;

static cases open_cases(const char *name)
{
    char path[1024], *text;
    const char *source = getenv("srcdir");
    moru_hdf5 *file;
    moru_hdf5_type type;
    moru_shape shape;
    cases c;
    snprintf(path, sizeof path, "%s/tests/data/%s", source ? source : ".", name);
    OK(moru_hdf5_open(&file, path));
    OK(moru_hdf5_describe(file, "data", &type, &shape));
    ck_assert_ptr_nonnull(c.data = calloc((size_t)shape.dims[0], sizeof *c.data));
    OK(moru_hdf5_read(file, "data", MORU_HDF5_REAL, c.data, shape.dims[0]));
    OK(moru_hdf5_text(file, "/", "cases", &text));
    ck_assert_ptr_nonnull(c.list = json_loads(text, 0, NULL));
    free(text);
    moru_hdf5_close(file);
    return c;
}

static void close_cases(cases *c)
{
    free(c->data);
    json_decref(c->list);
}

/* An array of a case; NULL: it has none of that name. The caller's. */
static moru_tensor *array(const cases *c, json_t *item, const char *name)
{
    json_t *place = json_object_get(json_object_get(item, "arrays"), name), *dims = json_array_get(place, 1);
    if (!place)
        return NULL;
    moru_shape shape = {.rank = (int32_t)json_array_size(dims)};
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = json_integer_value(json_array_get(dims, (size_t)i));
    const moru_real *data = c->data + json_integer_value(json_array_get(place, 0));
    moru_tensor *tensor = moru_tensor_new(json_is_true(json_array_get(place, 2)) ? MORU_INT32 : MORU_REAL, shape);
    ck_assert_ptr_nonnull(tensor);
    for (int64_t i = 0; i < moru_tensor_size(tensor); i++) {
        if (moru_tensor_dtype(tensor) == MORU_INT32)
            ((int32_t *)moru_tensor_data(tensor))[i] = (int32_t)data[i];
        else
            ((moru_real *)moru_tensor_data(tensor))[i] = data[i];
    }
    return tensor;
}

static void check_close(const moru_tensor *got, const moru_tensor *want, const char *what, const char *spec)
{
    const moru_real *a = moru_tensor_const_data(got), *b = moru_tensor_const_data(want);
    double largest = 1e-3;
    ck_assert_msg(moru_tensor_size(got) == moru_tensor_size(want), "%s of %s", what, spec);
    for (int64_t i = 0; i < moru_tensor_size(want); i++)
        largest = fmax(largest, fabs((double)b[i]));
    for (int64_t i = 0; i < moru_tensor_size(want); i++)
        ck_assert_msg(fabs((double)a[i] - (double)b[i]) <= 1e-5 * largest, "%s of %s at %lld: %.9g, should be %.9g",
                      what, spec, (long long)i, (double)a[i], (double)b[i]);
}

/* ---- losses ---- */

enum { TARGET, PREDICTION, WEIGHTS, MASK, N_GIVEN };

static void check_loss(const cases *c, json_t *item)
{
    static const char *const names[] = {"target", "prediction", "weights", "mask"};
    char *spec = json_dumps(json_object_get(item, "spec"), JSON_COMPACT);
    const char *activation = json_string_value(json_object_get(item, "activation"));
    moru_arena arena = {NULL};
    moru_graph *graph = moru_graph_new();
    moru_tensor *given[N_GIVEN];
    moru_node *nodes[N_GIVEN] = {NULL}, *inputs[N_GIVEN], *outputs[2];
    moru_loss loss;
    moru_program *program;
    int n = 0;
    OK(moru_loss_parse(&arena, spec, "test", &loss));
    for (int k = 0; k < N_GIVEN; k++)
        if ((given[k] = array(c, item, names[k])))
            nodes[k] = inputs[n++] = moru_placeholder(graph, names[k], moru_tensor_dtype(given[k]),
                                                      *moru_tensor_shape(given[k]));
    moru_node *y = moru_identity(nodes[PREDICTION]);
    if (activation[0])
        y = strcmp(activation, "softmax") == 0 ? moru_softmax(y, -1) : moru_sigmoid(y);
    y->mask = nodes[MASK];
    outputs[0] = moru_loss_apply(&loss, nodes[TARGET], y, nodes[WEIGHTS]);
    ck_assert_msg(moru_graph_status(graph) == MORU_OK, "%s: %s", spec, moru_graph_error(graph));
    moru_node *total = outputs[0]->shape.rank > 0 ? moru_sum_all(outputs[0]) : outputs[0];
    OK(moru_gradients(total, &nodes[PREDICTION], 1, &outputs[1]));
    OK(moru_program_new(&program, &(moru_program_options){.inputs = inputs, .n_inputs = n, .outputs = outputs,
                                                          .n_outputs = 2}));
    n = 0;
    for (int k = 0; k < N_GIVEN; k++)
        if (given[k])
            OK(moru_program_bind(program, n++, moru_tensor_data(given[k])));
    OK(moru_program_run(program));
    moru_tensor *value = array(c, item, "loss"), *gradient = array(c, item, "gradient");
    check_close(moru_program_output(program, 0), value, "the loss", spec);
    check_close(moru_program_output(program, 1), gradient, "the gradient", spec);
    for (int k = 0; k < N_GIVEN; k++)
        moru_tensor_free(given[k]);
    moru_tensor_free(value);
    moru_tensor_free(gradient);
    moru_program_free(program);
    moru_graph_free(graph);
    moru_arena_free(&arena);
    free(spec);
}

START_TEST(test_losses)
{
    cases c = open_cases("losses.h5");
    size_t i;
    json_t *item;
    ck_assert_uint_gt(json_array_size(c.list), 75);
    json_array_foreach(c.list, i, item)
        check_loss(&c, item);
    close_cases(&c);
}
END_TEST

/* What is written says the same as what was read, to Keras's constructors too. */
START_TEST(test_configurations)
{
    static const char *const files[] = {"losses.h5", "metrics.h5"};
    for (int k = 0; k < 2; k++) {
        cases c = open_cases(files[k]);
        size_t i;
        json_t *item;
        json_array_foreach(c.list, i, item) {
            json_t *given = json_object_get(item, "spec"), *config = json_object_get(given, "config"), *value;
            char *spec = json_dumps(given, JSON_COMPACT);
            const char *written, *name;
            moru_arena arena = {NULL};
            moru_loss loss;
            moru_metric metric;
            OK(k == 0 ? moru_loss_parse(&arena, spec, "test", &loss)
                      : moru_metric_parse(&arena, spec, "test", &metric));
            written = k == 0 ? loss.spec : metric.spec;
            json_t *again = json_loads(written, 0, NULL), *kept = json_object_get(again, "config");
            ck_assert_msg(json_is_object(again), "%s", written);
            json_object_foreach(config, name, value) {
                bool dropped = strcmp(name, "fn") == 0 || (k == 0 && strcmp(name, "name") == 0)
                            || (strcmp(name, "dtype") == 0 && !json_object_get(kept, name));
                json_t *has = json_object_get(kept, name);
                bool same = json_equal(has, value) || (json_is_number(has) && json_is_number(value)
                                                       && json_number_value(has) == json_number_value(value));
                ck_assert_msg(dropped || same, "%s of %s: %s", name, spec, written);
            }
            json_decref(again);
            moru_arena_free(&arena);
            free(spec);
        }
        close_cases(&c);
    }
}
END_TEST

/* ---- metrics ---- */

/* One batch of a metric that is a mean: its two sums. */
static void add_mean(const moru_metric *metric, moru_tensor *const *given, moru_metric_state *state)
{
    moru_graph *graph = moru_graph_new();
    moru_node *nodes[3] = {NULL};
    moru_program *program;
    int n = given[2] ? 3 : 2;
    for (int k = 0; k < n; k++)
        nodes[k] = moru_placeholder(graph, "x", moru_tensor_dtype(given[k]), *moru_tensor_shape(given[k]));
    moru_node *sums = moru_metric_mean(metric, nodes[0], nodes[1], nodes[2]);
    ck_assert_msg(moru_graph_status(graph) == MORU_OK, "%s: %s", metric->spec, moru_graph_error(graph));
    OK(moru_program_new(&program, &(moru_program_options){.inputs = nodes, .n_inputs = n, .outputs = &sums,
                                                          .n_outputs = 1}));
    for (int k = 0; k < n; k++)
        OK(moru_program_bind(program, k, moru_tensor_data(given[k])));
    OK(moru_program_run(program));
    const moru_real *x = moru_tensor_const_data(moru_program_output(program, 0));
    state->sums[0] += (double)x[0];
    state->sums[1] += (double)x[1];
    moru_program_free(program);
    moru_graph_free(graph);
}

static void add_batch(const cases *c, json_t *item, int k, const moru_metric *metric, moru_metric_state *state)
{
    static const char *const names[] = {"target", "prediction", "weights"};
    moru_tensor *given[3];
    moru_metric_data d = {.w = NULL};
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%d", names[i], k);
        given[i] = array(c, item, name);
    }
    d.t_shape = *moru_tensor_shape(given[0]);
    d.t_dtype = moru_tensor_dtype(given[0]);
    d.t = moru_tensor_data(given[0]);
    d.p_shape = *moru_tensor_shape(given[1]);
    d.p = moru_tensor_data(given[1]);
    if (given[2]) {
        d.w_shape = *moru_tensor_shape(given[2]);
        d.w = moru_tensor_data(given[2]);
    }
    if (!state->sums)
        OK(moru_metric_begin(metric, &d, state));
    if (moru_metric_is_mean(metric))
        add_mean(metric, given, state);
    else
        moru_metric_update(metric, &d, state);
    for (int i = 0; i < 3; i++)
        moru_tensor_free(given[i]);
}

static void check_metric(const cases *c, json_t *item)
{
    char *spec = json_dumps(json_object_get(item, "spec"), JSON_COMPACT);
    moru_arena arena = {NULL};
    moru_metric metric;
    moru_metric_state state = {.sums = NULL};
    double values[16] = {0};
    OK(moru_metric_parse(&arena, spec, "test", &metric));
    ck_assert_str_eq(metric.name, json_string_value(json_object_get(item, "name")));
    for (int k = 0; k < 2; k++)
        add_batch(c, item, k, &metric, &state);
    moru_tensor *value = array(c, item, "value");
    const moru_real *want = moru_tensor_const_data(value);
    int64_t n = moru_metric_results(&metric, &state, values, 16);
    ck_assert_msg(n == moru_tensor_size(value), "%s: %lld results", spec, (long long)n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs(values[i] - (double)want[i]) <= 2e-6 + 1e-5 * fabs((double)want[i]),
                      "%s: %.9g, should be %.9g", spec, values[i], (double)want[i]);
    moru_tensor_free(value);
    moru_metric_state_free(&state);
    moru_arena_free(&arena);
    free(spec);
}

START_TEST(test_metrics)
{
    cases c = open_cases("metrics.h5");
    size_t i;
    json_t *item;
    ck_assert_uint_gt(json_array_size(c.list), 90);
    json_array_foreach(c.list, i, item)
        check_metric(&c, item);
    close_cases(&c);
}
END_TEST

START_TEST(test_wrong_options)
{
    static const char *const bad[] = {
        "auc(1)", "auc(curve=XYZ)", "auc(summation_method=none)", "precision(1.5)", "precision(top_k=0)",
        "sensitivity_at_specificity(1.5)", "precision_at_recall(0.5, num_thresholds=0)", "f1_score(other)",
        "f_beta_score(beta=0)", "f1_score(threshold=2)", "mean_io_u(0)", "io_u(3)", "r2_score(other)",
        "r2_score(num_regressors=-1)", "top_k_categorical_accuracy(0)", "no_such_metric",
        "mean_squared_error(delta=2)"};
    moru_arena arena = {NULL};
    moru_metric metric;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ck_assert_msg(moru_metric_parse(&arena, bad[k], "test", &metric) != MORU_OK, "\"%s\" was taken", bad[k]);
        ck_assert_msg(strncmp(moru_last_error(), "test: ", 6) == 0, "%s", moru_last_error());
    }
    moru_arena_free(&arena);
}
END_TEST

START_TEST(test_wrong_shapes)
{
    static const struct { const char *spec; moru_shape t, p, w; } bad[] = {
        {"auc", MORU_SHAPE(4), MORU_SHAPE(4, 2), {0}}, 
        {"precision(class_id=2)", MORU_SHAPE(4, 2), MORU_SHAPE(4, 2), {0}},
        {"precision(top_k=3)", MORU_SHAPE(4, 2), MORU_SHAPE(4, 2), {0}},
        {"f1_score", MORU_SHAPE(4), MORU_SHAPE(4, 2), {0}},
        {"auc(multi_label=true)", MORU_SHAPE(4), MORU_SHAPE(4), {0}}, {"r2_score", MORU_SHAPE(4), MORU_SHAPE(4), {0}},
        {"mean_io_u(3)", MORU_SHAPE(4), MORU_SHAPE(4, 3), {0}}, {"auc", MORU_SHAPE(4), MORU_SHAPE(4), MORU_SHAPE(3)}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        moru_arena arena = {NULL};
        moru_metric metric;
        moru_metric_state state;
        moru_metric_data d = {.t_shape = bad[k].t, .p_shape = bad[k].p, .w_shape = bad[k].w,
                              .w = bad[k].w.rank ? &metric : NULL};
        OK(moru_metric_parse(&arena, bad[k].spec, "test", &metric));
        ck_assert_msg(moru_metric_begin(&metric, &d, &state) == MORU_ERR_SHAPE, "%s", bad[k].spec);
        moru_arena_free(&arena);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loss_values");
    TCase *tests = tcase_create("loss_values");
    tcase_add_test(tests, test_losses);
    tcase_add_test(tests, test_configurations);
    tcase_add_test(tests, test_metrics);
    tcase_add_test(tests, test_wrong_options);
    tcase_add_test(tests, test_wrong_shapes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
