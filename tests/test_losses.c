/* Losses and metrics: values and gradients as Keras 3 with TensorFlow gives them. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>
#include "train/metrics.h"

enum { MAX = 8 };

typedef struct loss_case {
    const char *spec, *activation;   /* activation: applied to the prediction first */
    moru_dtype target_dtype;
    moru_shape target_shape;
    double target[MAX];
    moru_shape shape;
    double prediction[MAX];
    double loss, gradient[MAX];
} loss_case;

static const loss_case cases[] = {
    {"mean_squared_error", "", MORU_REAL,
     MORU_SHAPE(2, 3), {1, -1, 0.5, 0.2, 0.1, -0.9},
     MORU_SHAPE(2, 3), {0.5, -1.25, 2, 3.5, 0.1, -0.7},
     2.24875, {-0.16666667, -0.083333336, 0.5, 1.1, -0, 0.06666666}},
    {"MSE", "", MORU_REAL,
     MORU_SHAPE(4), {0, 1, 1, 1},
     MORU_SHAPE(4, 1), {0.2, 0.9, 0, 1},
     0.2625, {0.1, -0.050000012, -0.5, -0}},
    {"mse(reduction=sum)", "", MORU_REAL,
     MORU_SHAPE(2, 3), {1, -1, 0.5, 0.2, 0.1, -0.9},
     MORU_SHAPE(2, 3), {0.5, -1.25, 2, 3.5, 0.1, -0.7},
     4.4975, {-0.33333334, -0.16666667, 1, 2.2, -0, 0.13333333}},
    {"mae", "", MORU_REAL,
     MORU_SHAPE(2, 3), {1, -1, 0.5, 0.2, 0.1, -0.9},
     MORU_SHAPE(2, 3), {0.5, -1.25, 2, 3.5, 0.1, -0.7},
     0.9583333, {-0.16666667, -0.16666667, 0.16666667, 0.16666667, -0, 0.16666667}},
    {"huber", "", MORU_REAL,
     MORU_SHAPE(2, 3), {1, -1, 0.5, 0.2, 0.1, -0.9},
     MORU_SHAPE(2, 3), {0.5, -1.25, 2, 3.5, 0.1, -0.7},
     0.66270834, {-0.083333336, -0.041666668, 0.16666667, 0.16666667, 0, 0.03333333}},
    {"huber(delta=0.5)", "", MORU_REAL,
     MORU_SHAPE(2, 3), {1, -1, 0.5, 0.2, 0.1, -0.9},
     MORU_SHAPE(2, 3), {0.5, -1.25, 2, 3.5, 0.1, -0.7},
     0.3877083, {-0.083333336, -0.041666668, 0.083333336, 0.083333336, 0, 0.03333333}},
    {"log_cosh", "", MORU_REAL,
     MORU_SHAPE(2, 3), {1, -1, 0.5, 0.2, 0.1, -0.9},
     MORU_SHAPE(2, 3), {0.5, -1.25, 2, 3.5, 0.1, -0.7},
     0.6057608, {-0.07701953, -0.04081978, 0.15085804, 0.16621383, 0, 0.032895893}},
    {"poisson", "", MORU_REAL,
     MORU_SHAPE(2, 3), {1, 0, 2, 4, 0, 1},
     MORU_SHAPE(2, 3), {0.5, 1.25, 2, 3.5, 0.1, 0.7},
     0.4504126, {-0.16666658, 0.16666667, 0, -0.023809537, 0.16666667, -0.07142854}},
    {"kl_divergence", "", MORU_REAL,
     MORU_SHAPE(2, 3), {0.2, 0.5, 0.3, 0.1, 0.8, 0.1},
     MORU_SHAPE(2, 3), {0.2, 0.3, 0.6, 0.7, 0.1, 0.1},
     0.7582154, {-0.5, -0.8333333, -0.25, -0.071428575, -4, -0.5}},
    {"KLDivergence(reduction=sum)", "", MORU_REAL,
     MORU_SHAPE(2, 3), {0.2, 0.5, 0.3, 0.1, 0.8, 0.1},
     MORU_SHAPE(2, 3), {0.2, 0.3, 0.6, 0.7, 0.1, 0.1},
     1.5164309, {-1, -1.6666666, -0.5, -0.14285715, -8, -1}},
    {"hinge", "", MORU_REAL,
     MORU_SHAPE(2, 2), {1, 0, 0, 1},
     MORU_SHAPE(2, 2), {0.5, -1.5, 0.3, 2},
     0.45, {-0.25, 0, 0.25, -0}},
    {"hinge", "", MORU_REAL,
     MORU_SHAPE(2, 2), {1, -1, -1, 1},
     MORU_SHAPE(2, 2), {0.5, -1.5, 0.3, 2},
     0.45, {-0.25, 0, 0.25, -0}},
    {"binary_crossentropy", "", MORU_REAL,
     MORU_SHAPE(4, 1), {0, 1, 1, 1},
     MORU_SHAPE(4, 1), {0.2, 0.9, 0, 1},
     4.11165, {0.3125, -0.2777778, 0, 0}},
    {"binary_crossentropy(label_smoothing=0.2)", "", MORU_REAL,
     MORU_SHAPE(4, 1), {0, 1, 1, 1},
     MORU_SHAPE(4, 1), {0.2, 0.9, 0.3, 0.6},
     0.58936775, {0.15625, -1.6391277e-07, -0.71428573, -0.3125}},
    {"binary_crossentropy(from_logits=true)", "", MORU_REAL,
     MORU_SHAPE(4, 1), {0, 1, 1, 1},
     MORU_SHAPE(4, 1), {-2, 40, -40, 0.5},
     10.15025, {0.029800728, -1.0620885e-18, -0.25, -0.09438517}},
    {"bce", "sigmoid", MORU_REAL,
     MORU_SHAPE(4), {0, 1, 1, 1},
     MORU_SHAPE(4, 1), {-2, 40, -40, 0.5},
     10.15025, {0.029800728, -1.0620885e-18, -0.25, -0.09438517}},
    {"categorical_crossentropy", "", MORU_REAL,
     MORU_SHAPE(2, 3), {0, 1, 0, 1, 0, 0},
     MORU_SHAPE(2, 3), {0.2, 0.3, 0.6, 0.7, 0.1, 0.1},
     0.7752987, {0.45454544, -1.212121, 0.45454544, -0.15873021, 0.5555555, 0.5555555}},
    {"categorical_crossentropy(from_logits=true, label_smoothing=0.1)", "", MORU_REAL,
     MORU_SHAPE(2, 3), {0, 1, 0, 1, 0, 0},
     MORU_SHAPE(2, 3), {2, -1, 0.3, -0.4, 12, -30},
     8.019512, {0.38902253, -0.4464686, 0.057446063, -0.4666646, 0.48333123, -0.016666668}},
    {"categorical_crossentropy", "softmax", MORU_REAL,
     MORU_SHAPE(2, 3), {0, 1, 0, 1, 0, 0},
     MORU_SHAPE(2, 3), {2, -1, 0.3, -0.4, 12, -30},
     7.804512, {0.4056892, -0.47980192, 0.07411273, -0.49999794, 0.4999979, 2.874749e-19}},
    {"{\"class_name\": \"CategoricalCrossentropy\", \"config\": {\"name\": \"c\", \"reduction\": \"sum\", "
     "\"from_logits\": true, \"axis\": -1}}", "", MORU_REAL,
     MORU_SHAPE(2, 3), {0, 1, 0, 1, 0, 0},
     MORU_SHAPE(2, 3), {2, -1, 0.3, -0.4, 12, -30},
     15.609024, {0.8113784, -0.95960385, 0.14822546, -0.9999959, 0.9999958, 5.749498e-19}},
    {"sparse_categorical_crossentropy", "", MORU_INT32,
     MORU_SHAPE(2), {1, 0},
     MORU_SHAPE(2, 3), {0.2, 0.3, 0.6, 0.7, 0.1, 0.1},
     0.77529866, {0.45454544, -1.2121212, 0.45454547, -0.1587301, 0.5555556, 0.5555556}},
    {"sparse_categorical_crossentropy", "softmax", MORU_INT32,
     MORU_SHAPE(2, 1), {1, 0},
     MORU_SHAPE(2, 3), {2, -1, 0.3, -0.4, 12, -30},
     7.804512, {0.4056892, -0.47980192, 0.07411273, -0.49999794, 0.4999979, 2.874749e-19}},
    {"SparseCategoricalCrossentropy(true)", "", MORU_INT32,
     MORU_SHAPE(2), {1, 0},
     MORU_SHAPE(2, 3), {2, -1, 0.3, -0.4, 12, -30},
     7.804512, {0.4056892, -0.47980192, 0.07411273, -0.49999794, 0.4999979, 2.874749e-19}},
    {"SparseCategoricalCrossentropy(from_logits=true)", "", MORU_INT32,
     MORU_SHAPE(1, 2), {1, 0},
     MORU_SHAPE(1, 2, 2), {2, -1, 0.3, 0.4},
     1.896492, {0.47628707, -0.47628707, -0.2624896, 0.2624896}},
};

static moru_node *placeholder(moru_graph *graph, const char *name, moru_dtype dtype, moru_shape shape)
{
    shape.dims[0] = moru_symbol(graph, "batch");
    return moru_placeholder(graph, name, dtype, shape);
}

static void fill(moru_dtype dtype, void *data, const double *values)
{
    for (int i = 0; i < MAX; i++) {
        if (dtype == MORU_INT32)
            ((int32_t *)data)[i] = (int32_t)values[i];
        else
            ((moru_real *)data)[i] = (moru_real)values[i];
    }
}

/* Compiles outputs for the case's shapes and runs them. */
static moru_program *run(const loss_case *c, moru_node *t, moru_node *p, moru_node **outputs, int n)
{
    static char target[MAX * sizeof(double)], prediction[MAX * sizeof(double)];
    moru_program *program;
    fill(c->target_dtype, target, c->target);
    fill(MORU_REAL, prediction, c->prediction);
    moru_status status = moru_program_new(&program, &(moru_program_options){
        .inputs = (moru_node *[]){t, p}, .input_shapes = (moru_shape[]){c->target_shape, c->shape}, .n_inputs = 2,
        .outputs = outputs, .n_outputs = n});
    ck_assert_msg(status == MORU_OK, "%s: %s", c->spec, moru_last_error());
    moru_program_bind(program, 0, target);
    moru_program_bind(program, 1, prediction);
    ck_assert_msg(moru_program_run(program) == MORU_OK, "%s: %s", c->spec, moru_last_error());
    return program;
}

static void check_close(double got, double want, const char *what, const char *spec)
{
    ck_assert_msg(fabs(got - want) <= 2e-6 + 2e-6 * fabs(want), "%s of %s: %.9g, should be %.9g", what, spec, got,
                  want);
}

START_TEST(test_values_and_gradients)
{
    const loss_case *c = &cases[_i];
    moru_arena arena = {NULL};
    moru_loss loss;
    ck_assert_msg(moru_loss_parse(&arena, c->spec, "test", &loss) == MORU_OK, "%s", moru_last_error());
    moru_graph *graph = moru_graph_new();
    moru_node *t = placeholder(graph, "t", c->target_dtype, c->target_shape);
    moru_node *p = placeholder(graph, "p", MORU_REAL, c->shape), *y = p, *outputs[2];
    if (strcmp(c->activation, "softmax") == 0)
        y = moru_softmax(p, -1);
    if (strcmp(c->activation, "sigmoid") == 0)
        y = moru_sigmoid(p);
    outputs[0] = moru_loss_apply(&loss, t, y, NULL);
    ck_assert_msg(moru_gradients(outputs[0], &p, 1, &outputs[1]) == MORU_OK, "%s: %s", c->spec, moru_last_error());
    moru_program *program = run(c, t, p, outputs, 2);
    const moru_real *value = moru_tensor_const_data(moru_program_output(program, 0));
    const moru_tensor *gradient = moru_program_output(program, 1);
    check_close((double)*value, c->loss, "the loss", c->spec);
    for (int64_t i = 0; i < moru_tensor_size(gradient); i++)
        check_close((double)((const moru_real *)moru_tensor_const_data(gradient))[i], c->gradient[i], "a gradient",
                    c->spec);
    moru_program_free(program);
    moru_graph_free(graph);
    moru_arena_free(&arena);
}
END_TEST

/* A softmax or sigmoid at the end is left out: its saturated values would lose the loss. */
START_TEST(test_logits_behind_activations)
{
    moru_graph *graph = moru_graph_new();
    moru_node *z = moru_placeholder(graph, "z", MORU_REAL, MORU_SHAPE(2, 3, 4));
    ck_assert_ptr_eq(moru_logits_of(moru_softmax(z, -1), "softmax"), z);
    ck_assert_ptr_eq(moru_logits_of(moru_softmax(z, 2), "softmax"), z);
    ck_assert_ptr_null(moru_logits_of(moru_softmax(z, 1), "softmax"));
    ck_assert_ptr_null(moru_logits_of(moru_softmax(z, -1), "sigmoid"));
    ck_assert_ptr_eq(moru_logits_of(moru_sigmoid(z), "sigmoid"), z);
    ck_assert_ptr_null(moru_logits_of(z, "softmax"));
    moru_graph_free(graph);
}
END_TEST

START_TEST(test_shapes_that_do_not_fit)
{
    static const struct { const char *spec; moru_dtype dtype; moru_shape target, output; const char *says; } bad[] = {
        {"mse", MORU_REAL, MORU_SHAPE(4, 2), MORU_SHAPE(4, 3), "mean_squared_error: the targets' shape"},
        {"mse", MORU_REAL, MORU_SHAPE(4), MORU_SHAPE(4, 3), "they must be equal"},
        {"categorical_crossentropy", MORU_INT32, MORU_SHAPE(4), MORU_SHAPE(4, 3), "they must be equal"},
        {"sparse_categorical_crossentropy", MORU_REAL, MORU_SHAPE(4, 3), MORU_SHAPE(4, 3), "[4,3]"},
        {"sparse_categorical_crossentropy", MORU_INT32, MORU_SHAPE(4, 2), MORU_SHAPE(4, 3), "one class number"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        moru_arena arena = {NULL};
        moru_loss loss;
        moru_graph *graph = moru_graph_new();
        ck_assert_int_eq(moru_loss_parse(&arena, bad[k].spec, "test", &loss), MORU_OK);
        moru_loss_apply(&loss, moru_placeholder(graph, "t", bad[k].dtype, bad[k].target),
                        moru_placeholder(graph, "p", MORU_REAL, bad[k].output), NULL);
        ck_assert_int_eq(moru_graph_status(graph), MORU_ERR_SHAPE);
        ck_assert_msg(strstr(moru_graph_error(graph), bad[k].says) != NULL, "%s", moru_graph_error(graph));
        moru_graph_free(graph);
        moru_arena_free(&arena);
    }
}
END_TEST

START_TEST(test_specs)
{
    static const char *const bad[] = {"no_such_loss", "mse(delta=1)", "huber(delta=0)", "mse(reduction=some)", "",
        "binary_crossentropy(label_smoothing=2)", "{\"class_name\": 3}", "{", NULL};
    moru_arena arena = {NULL};
    moru_loss loss;
    for (int k = 0; bad[k]; k++) {
        ck_assert_msg(moru_loss_parse(&arena, bad[k], "test", &loss) != MORU_OK, "\"%s\" was taken", bad[k]);
        ck_assert(strncmp(moru_last_error(), "test: ", 6) == 0);
    }
    ck_assert_int_eq(moru_loss_parse(&arena, NULL, "test", &loss), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_loss_parse(&arena, "mse", "test", &loss), MORU_OK);
    ck_assert_str_eq(loss.spec, "mean_squared_error");
    ck_assert_int_eq(moru_loss_parse(&arena, "huber(delta=2)", "test", &loss), MORU_OK);
    ck_assert(loss.spec[0] == '{' && strstr(loss.spec, "\"Huber\""));
    moru_arena_free(&arena);
}
END_TEST

START_TEST(test_node)
{
    moru_graph *graph = moru_graph_new();
    moru_node *p = moru_placeholder(graph, "p", MORU_REAL, MORU_SHAPE(4, 2));
    ck_assert_int_eq(moru_node_shape(moru_loss_of("huber(0.5)", p, p, NULL))->rank, 0);
    ck_assert_int_eq(moru_node_shape(moru_loss_of("mse(reduction=none)", p, p, NULL))->rank, 1);
    ck_assert_int_eq(moru_graph_status(graph), MORU_OK);
    moru_loss_of("no_such_loss", p, p, NULL);
    ck_assert_int_eq(moru_graph_status(graph), MORU_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(moru_graph_error(graph), "no_such_loss"));
    moru_graph_free(graph);
}
END_TEST

static const loss_case metric_cases[] = {
    {"accuracy", "", MORU_INT32, MORU_SHAPE(4), {1, 0, 1, 1}, MORU_SHAPE(4, 2), {.1, .9, .8, .2, .7, .3, .4, .6}, 0.75,
     {0}},
    {"acc", "", MORU_INT32, MORU_SHAPE(4, 1), {1, 0, 1, 1}, MORU_SHAPE(4, 2), {.1, .9, .8, .2, .7, .3, .4, .6}, 0.75,
     {0}},
    {"accuracy", "", MORU_REAL, MORU_SHAPE(2, 3), {0, 1, 0, 1, 0, 0}, MORU_SHAPE(2, 3), {1, 2, 3, 3, 2, 1}, 0.5, {0}},
    {"accuracy", "", MORU_REAL, MORU_SHAPE(4, 1), {1, 0, 1, 1}, MORU_SHAPE(4, 1), {.5, .2, .9, .51}, 0.75, {0}},
    {"binary_accuracy(threshold=0.4)", "", MORU_REAL, MORU_SHAPE(4), {1, 0, 1, 1}, MORU_SHAPE(4, 1), {.5, .45, .9, .51},
     0.75, {0}},
    {"sparse_top_k_categorical_accuracy(k=2)", "", MORU_INT32, MORU_SHAPE(2), {2, 0}, MORU_SHAPE(2, 3),
     {.5, .1, .4, .1, .5, .4}, 0.5, {0}},
    {"top_k_categorical_accuracy(k=2)", "", MORU_REAL, MORU_SHAPE(2, 3), {0, 0, 1, 1, 0, 0}, MORU_SHAPE(2, 3),
     {.5, .1, .4, .1, .5, .4}, 0.5, {0}},
    {"mae", "", MORU_REAL, MORU_SHAPE(2), {1, 2}, MORU_SHAPE(2, 1), {1.5, 4}, 1.25, {0}},
    {"mean_squared_error", "", MORU_REAL, MORU_SHAPE(2), {1, 2}, MORU_SHAPE(2, 1), {1.5, 4}, 2.125, {0}},
    {"root_mean_squared_error", "", MORU_REAL, MORU_SHAPE(2, 1), {1, 2}, MORU_SHAPE(2, 1), {4, 6}, 3.5355339, {0}},
};

START_TEST(test_metrics)
{
    const loss_case *c = &metric_cases[_i];
    moru_arena arena = {NULL};
    moru_metric metric;
    ck_assert_msg(moru_metric_parse(&arena, c->spec, "test", &metric) == MORU_OK, "%s", moru_last_error());
    size_t n = strcspn(c->spec, "(");
    ck_assert(strncmp(metric.name, c->spec, n) == 0 && metric.name[n] == '\0');
    moru_graph *graph = moru_graph_new();
    moru_node *t = placeholder(graph, "t", c->target_dtype, c->target_shape);
    moru_node *p = placeholder(graph, "p", MORU_REAL, c->shape), *value = moru_metric_mean(&metric, t, p, NULL);
    moru_program *program = run(c, t, p, &value, 1);
    const moru_real *sums = moru_tensor_const_data(moru_program_output(program, 0));
    moru_metric_state state = {.rows = 1, .columns = 2, .sums = (double[]){(double)sums[0], (double)sums[1]}};
    check_close(moru_metric_value(&metric, &state), c->loss, "the value", c->spec);
    moru_program_free(program);
    moru_graph_free(graph);
    moru_arena_free(&arena);
}
END_TEST

START_TEST(test_metric_directions)
{
    static const struct { const char *spec, *name; bool up; } metrics[] = {
        {"accuracy", "accuracy", true}, {"acc", "acc", true}, {"top_k_categorical_accuracy(2, name=top2)", "top2", true},
        {"mae", "mae", false}, {"root_mean_squared_error", "root_mean_squared_error", false}, {"huber", "huber", false},
        {"{\"class_name\":\"MeanSquaredError\",\"config\":{\"name\":\"mine\"}}", "mine", false}};
    moru_arena arena = {NULL};
    moru_metric metric;
    for (size_t k = 0; k < sizeof metrics / sizeof *metrics; k++) {
        ck_assert_msg(moru_metric_parse(&arena, metrics[k].spec, "test", &metric) == MORU_OK, "%s", moru_last_error());
        ck_assert_str_eq(metric.name, metrics[k].name);
        ck_assert(moru_metric_goes_up(&metric) == metrics[k].up);
        moru_metric again;
        ck_assert_int_eq(moru_metric_parse(&arena, metric.spec, "test", &again), MORU_OK);
        ck_assert_str_eq(again.name, metrics[k].name);
    }
    /* none of Keras's metrics: written as the loss it is */
    ck_assert_int_eq(moru_metric_parse(&arena, "huber(0.5)", "test", &metric), MORU_OK);
    ck_assert(strstr(metric.spec, "MeanMetricWrapper") && strstr(metric.spec, "0.5"));
    ck_assert(strstr(metric.spec, "\"huber\""));
    ck_assert_int_eq(moru_metric_parse(&arena, "no_such_metric", "test", &metric), MORU_ERR_UNSUPPORTED);
    ck_assert_int_eq(moru_metric_parse(&arena, "top_k_categorical_accuracy(k=0)", "test", &metric), MORU_ERR_ARGUMENT);
    moru_arena_free(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("losses");
    TCase *tcase = tcase_create("losses");
    tcase_add_loop_test(tcase, test_values_and_gradients, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tcase, test_logits_behind_activations);
    tcase_add_test(tcase, test_shapes_that_do_not_fit);
    tcase_add_test(tcase, test_specs);
    tcase_add_test(tcase, test_node);
    tcase_add_loop_test(tcase, test_metrics, 0, sizeof metric_cases / sizeof *metric_cases);
    tcase_add_test(tcase, test_metric_directions);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
