/* Models: names, paths, sharing, order, errors; tracing for training and inference. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru/model.h>
#include <moru/program.h>

#include "core/status.h"
#include "layers/model.h"

static void assert_ok(const moru_model *model)
{
    ck_assert_msg(moru_model_status(model) == MORU_OK, "%s", moru_model_error(model));
}

/* The model must have failed so, and goes. */
static void assert_failed(moru_model *model, moru_status status, const char *part)
{
    ck_assert_msg(moru_model_status(model) == status, "%d: %s", moru_model_status(model), moru_model_error(model));
    ck_assert_msg(strstr(moru_model_error(model), part) != NULL, "\"%s\" isn't in: %s", part, moru_model_error(model));
    moru_model_free(model);
}

static void assert_names(moru_model *model, const char *names)
{
    char all[512] = "";
    for (int i = 0; i < moru_model_layer_count(model); i++) {
        strcat(all, i ? " " : "");
        strcat(all, moru_layer_name(moru_model_layer_at(model, i)));
    }
    ck_assert_str_eq(all, names);
}

static void assert_order(const moru_model *model, const char *names)
{
    char all[512] = "";
    moru_layer *order[64];
    int n = moru_model_keras_order(model, order);
    for (int i = 0; i < n; i++) {
        strcat(all, i ? " " : "");
        strcat(all, moru_layer_name(order[i]));
    }
    ck_assert_str_eq(all, names);
}

static moru_node *input(moru_model *model, const char *name, int64_t size)
{
    return moru_model_input(model, name, &size, 1);
}

/* ---- sequential ---- */

START_TEST(test_sequential_names_and_paths)
{
    moru_model *m = moru_sequential("digits", moru_input(28, 28, 1), moru_conv2d(.filters = 2, .kernel_size = {3, 3}),
                                    moru_conv2d(.filters = 2, .kernel_size = {3, 3}, .name = "conv2d_1"),
                                    moru_relu_layer(),
                                    moru_conv2d(.filters = 2, .kernel_size = {3, 3}), moru_max_pooling2d(),
                                    moru_flatten(),
                                    moru_dense(.units = 10), moru_dense(.units = 10, .activation = "softmax"));
    assert_ok(m);
    assert_names(m, "input_layer conv2d conv2d_1 re_lu conv2d_2 max_pooling2d flatten dense dense_1");
    assert_order(m, "conv2d conv2d_1 re_lu conv2d_2 max_pooling2d flatten dense dense_1");
    ck_assert_str_eq(moru_model_layer(m, "dense_1")->weights[0].path, "digits/dense_1/kernel");
    ck_assert_ptr_null(moru_model_layer(m, "dense_2"));
    ck_assert_str_eq(moru_model_name(m), "digits");
    ck_assert_int_eq(moru_model_input_count(m), 1);
    ck_assert_int_eq(moru_model_output_count(m), 1);
    ck_assert_int_eq(moru_node_shape(moru_model_output_at(m, 0))->dims[1], 10);
    ck_assert_ptr_null(moru_model_output_at(m, 1));
    ck_assert_ptr_null(moru_model_input_at(m, -1));
    moru_summary_row row;
    ck_assert(moru_model_summary_at(m, 0, &row));
    ck_assert(row.output.rank == 4 && row.output.dims[0] == -1 && row.output.dims[1] == 28 && row.parameters == 0);
    ck_assert(moru_model_summary_at(m, 1, &row));
    ck_assert_str_eq(row.class_name, "Conv2D");
    ck_assert(row.output.dims[1] == 26 && row.parameters == 20 && row.trainable);
    ck_assert(!moru_model_summary_at(m, 9, &row));
    moru_model_free(m);
    m = moru_sequential(NULL, moru_input(2), moru_dense(.units = 1));
    ck_assert_str_eq(m->layers[1]->weights[0].path, "sequential/dense/kernel");
    moru_model_free(m);
    moru_model_free(NULL);
}
END_TEST

START_TEST(test_sequential_errors)
{
    assert_failed(moru_sequential("s", moru_dense(.units = 1)), MORU_ERR_ARGUMENT, "Sequential \"s\": the first layer");
    assert_failed(moru_sequential_from("s", NULL, 0), MORU_ERR_ARGUMENT, "input layer");
    assert_failed(moru_sequential("s", moru_input(2), NULL, moru_dense(.units = 1)), MORU_ERR_ARGUMENT,
                  "layer 1 is missing");
    assert_failed(moru_sequential("s", NULL), MORU_ERR_ARGUMENT, "missing");
    assert_failed(moru_sequential("s/t", moru_input(2)), MORU_ERR_ARGUMENT, "\"s/t\"");
    assert_failed(moru_sequential("s", moru_input(2), moru_input(2)), MORU_ERR_ARGUMENT, "takes 0 inputs");
    assert_failed(moru_sequential("s", moru_input(2), moru_dense(.units = 1, .name = "a"),
                                  moru_relu_layer(.name = "a")),
                  MORU_ERR_ARGUMENT, "ReLU \"a\": the model \"s\" has a layer of that name");
    assert_failed(moru_sequential("s", moru_input(2), moru_dense(.units = 1, .name = "a/b")), MORU_ERR_ARGUMENT, "a/b");
    assert_failed(moru_sequential("s", moru_input(2), moru_dense(.units = 1, .name = "")), MORU_ERR_ARGUMENT, "name");
    assert_failed(moru_sequential("s", moru_input(1, 2, 3, 4, 5, 6, 7, 8), moru_flatten()), MORU_ERR_SHAPE,
                  "InputLayer");
    assert_failed(moru_sequential("s", moru_input(2), moru_dense(.units = 0), moru_dense(.units = -1)),
                  MORU_ERR_ARGUMENT, "Dense \"dense\": units must be positive, not 0");
    moru_layer *layer = moru_dense(.units = 2);
    assert_failed(moru_sequential("s", moru_input(2), layer, layer), MORU_ERR_ARGUMENT, "twice");
    layer = moru_dense(.units = 2);
    moru_model *first = moru_sequential("first", moru_input(2), layer);
    assert_ok(first);
    assert_failed(moru_sequential("second", moru_input(2), layer), MORU_ERR_ARGUMENT, "belongs to the model \"first\"");
    moru_layer_free(layer); /* is the model's: nothing happens */
    ck_assert_int_eq(moru_model_initialize(first, 1), MORU_OK);
    moru_model_free(first);
}
END_TEST

/* ---- functional ---- */

START_TEST(test_functional_names_and_sharing)
{
    moru_model *m = moru_functional("f");
    moru_node *a = input(m, "a", 3), *b = input(m, NULL, 3);
    moru_layer *shared = moru_dense(.units = 2);
    moru_node *x = moru_apply(shared, a), *y = moru_apply(shared, b), *z = moru_apply(moru_dense(.units = 2), a);
    moru_node *sum = moru_apply_n(moru_add_layer(), (moru_node *[]){x, y, z}, 3);
    ck_assert_int_eq(moru_model_outputs(m, &sum, 1), MORU_OK);
    assert_ok(m);
    assert_names(m, "a input_layer dense dense_1 add");
    assert_order(m, "a input_layer dense dense_1 add");
    ck_assert_str_eq(shared->weights[0].path, "dense/kernel");
    ck_assert_int_eq(moru_model_parameter_count(m, true), 16);
    ck_assert_int_eq(m->n_applications, 6);
    moru_model_free(m);
}
END_TEST

START_TEST(test_functional_errors)
{
    moru_model *m = moru_functional("m"), *other = moru_functional("other");
    moru_node *x = input(m, "x", 3), *far = input(other, "x", 3);
    moru_layer *layer = moru_dense(.units = 2);
    ck_assert(!moru_node_failed(moru_apply(layer, x)));
    ck_assert(moru_node_failed(moru_apply(layer, far)));
    assert_failed(other, MORU_ERR_ARGUMENT, "belongs to the model \"m\"");
    moru_apply(layer, moru_apply(layer, x));
    assert_failed(m, MORU_ERR_SHAPE, "Dense \"dense\": its kernel has the shape [3,2], this input would need [2,2]");

    m = moru_functional("m");
    other = moru_functional("other");
    moru_node *mixed[] = {input(m, "x", 3), input(other, "x", 3)};
    moru_apply_n(moru_add_layer(), mixed, 2);
    assert_failed(m, MORU_ERR_ARGUMENT, "different models");
    assert_ok(other);
    moru_node *nothing = NULL;
    ck_assert_int_eq(moru_model_outputs(other, &nothing, 1), MORU_ERR_ARGUMENT);
    assert_failed(other, MORU_ERR_ARGUMENT, "output 0");

    m = moru_functional("m");
    moru_apply(NULL, input(m, "x", 3));
    assert_failed(m, MORU_ERR_ARGUMENT, "a layer is missing");
    m = moru_functional("m");
    x = input(m, "x", 3);
    moru_apply_n(moru_add_layer(), (moru_node *[]){x, NULL}, 2);
    assert_failed(m, MORU_ERR_ARGUMENT, "input 1 is missing");
    m = moru_functional("m");
    input(m, "x", 3);
    input(m, "x", 3);
    assert_failed(m, MORU_ERR_ARGUMENT, "InputLayer \"x\"");
    m = moru_functional("m");
    moru_model_input(m, "x", NULL, 8);
    assert_failed(m, MORU_ERR_SHAPE, "dimensions");
    m = moru_functional("m");
    moru_model_outputs(m, NULL, 0);
    assert_failed(m, MORU_ERR_ARGUMENT, "needs an output");
    m = moru_functional("m");
    x = input(m, "x", 3);
    moru_model_outputs(m, &x, 1);
    assert_ok(m);
    moru_apply(moru_relu_layer(), x);
    assert_failed(m, MORU_ERR_STATE, "set already");
    m = moru_functional("m");
    x = input(m, "x", 3);
    moru_node *y = moru_matmul(x, moru_scalar(moru_node_graph(x), 1));
    y = moru_apply(moru_dense(.units = 2), y); /* belongs to the model all the same */
    ck_assert_int_ne(moru_model_outputs(m, &y, 1), MORU_OK);
    assert_failed(m, MORU_ERR_SHAPE, "matmul");

    moru_graph *bare = moru_graph_new();
    layer = moru_dense(.units = 2);
    moru_apply(layer, moru_placeholder(bare, "x", MORU_REAL, MORU_SHAPE(2, 3)));
    ck_assert_ptr_nonnull(strstr(moru_graph_error(bare), "values of a model"));
    ck_assert_ptr_null(moru_apply(layer, NULL));
    moru_layer_free(layer);
    moru_graph_free(bare);
    ck_assert_ptr_null(moru_model_input(NULL, "x", NULL, 0));
}
END_TEST

/* Layers that don't lead to an output are no part of the model, as in Keras. */
START_TEST(test_unused_layers)
{
    moru_model *m = moru_functional("m");
    moru_node *x = input(m, "x", 3), *idle = input(m, "idle", 3);
    moru_node *y = moru_apply(moru_dense(.units = 2, .name = "used"), x);
    moru_apply(moru_dense(.units = 5, .name = "unused"), y);
    moru_node *z = moru_apply(moru_relu_layer(.name = "last"), y);
    ck_assert_ptr_nonnull(idle);
    ck_assert_int_eq(moru_model_outputs(m, &z, 1), MORU_OK);
    assert_names(m, "x idle used last");
    assert_order(m, "x used idle last");
    ck_assert_ptr_null(moru_model_layer(m, "unused"));
    ck_assert_int_eq(moru_model_parameter_count(m, false), 8);
    moru_model_free(m);
}
END_TEST

/* What Keras gives for the same model. */
START_TEST(test_order_by_depth)
{
    moru_model *m = moru_functional("m");
    moru_node *x = input(m, "x", 4), *late = input(m, "late", 4);
    moru_node *a = moru_apply(moru_dense(.units = 4, .name = "a"), x);
    moru_node *b = moru_apply(moru_dense(.units = 4, .name = "b"), a);
    moru_node *c = moru_apply(moru_dense(.units = 4, .name = "c"), x);
    moru_node *d = moru_apply_n(moru_add_layer(.name = "d"), (moru_node *[]){c, b, late}, 3);
    moru_node *e = moru_apply(moru_relu_layer(.name = "e"), moru_add(d, a));
    moru_node *outputs[] = {c, e};
    ck_assert_int_eq(moru_model_outputs(m, outputs, 2), MORU_OK);
    assert_order(m, "x a c b late d e");
    moru_model_free(m);
}
END_TEST

/* ---- tracing ---- */

typedef struct traced {
    moru_graph *graph;
    moru_node *x, *y;
    moru_trace trace;
} traced;

static traced trace(const moru_model *model, bool training, moru_shape shape)
{
    traced t = {.graph = moru_graph_new(), .trace = {.training = training}};
    t.x = moru_placeholder(t.graph, "x", MORU_REAL, shape);
    moru_status status = moru_model_trace(model, t.graph, &t.x, &t.y, &t.trace);
    ck_assert_msg(status == MORU_OK, "%s", moru_last_error());
    return t;
}

static void free_traced(traced *t)
{
    moru_trace_free(&t->trace);
    moru_graph_free(t->graph);
}

static int count_ops(const moru_graph *graph, const char *op)
{
    int n = 0;
    for (int i = 0; i < graph->n_calls; i++)
        n += strcmp(graph->calls[i]->op->name, op) == 0;
    return n;
}

START_TEST(test_training_and_inference_differ)
{
    moru_model *m = moru_sequential("m", moru_input(4), moru_batch_normalization(), moru_dropout(.rate = 0.5),
                                    moru_dense(.units = 2));
    assert_ok(m);
    traced training = trace(m, true, MORU_SHAPE(5, 4)), inference = trace(m, false, MORU_SHAPE(5, 4));
    ck_assert_int_eq(count_ops(training.graph, "dropout"), 1);
    ck_assert_int_eq(training.trace.n_updates, 2);
    ck_assert_ptr_eq(moru_node_tensor(training.trace.update_variables[0]), m->layers[1]->weights[2].tensor);
    ck_assert_int_eq(count_ops(inference.graph, "dropout"), 0);
    ck_assert_int_eq(inference.trace.n_updates, 0);
    ck_assert_int_eq(count_ops(inference.graph, "variable"), 6);
    ck_assert_int_eq(moru_node_shape(training.y)->dims[0], 5);
    free_traced(&training);
    free_traced(&inference);
    moru_layer_set_trainable(m->layers[1], false);
    training = trace(m, true, MORU_SHAPE(5, 4));
    ck_assert_int_eq(training.trace.n_updates, 0); /* a frozen one keeps its statistics */
    ck_assert_int_eq(count_ops(training.graph, "dropout"), 1);
    free_traced(&training);
    moru_model_free(m);
}
END_TEST

START_TEST(test_raw_ops_are_copied)
{
    moru_model *m = moru_functional("m");
    moru_node *x = input(m, "x", 4);
    moru_graph *g = moru_node_graph(x);
    moru_graph_push_name(g, "mine");
    moru_node *y = moru_mul(moru_add(x, moru_scalar(g, 2)), x);
    moru_graph_pop_name(g);
    moru_relu(moru_placeholder(g, "unused", MORU_REAL, MORU_SHAPE(2)));
    y = moru_apply(moru_dropout(.rate = 0.5), y); /* is its input in inference, and still a use of its own */
    y = moru_exp(y);
    ck_assert_int_eq(moru_model_outputs(m, &y, 1), MORU_OK);
    traced t = trace(m, true, MORU_SHAPE(3, 4));
    ck_assert_int_eq(count_ops(t.graph, "mul"), 1);
    ck_assert_int_eq(count_ops(t.graph, "dropout"), 1);
    ck_assert_int_eq(count_ops(t.graph, "exp"), 1);
    ck_assert_int_eq(count_ops(t.graph, "relu"), 0);
    for (int i = 0; i < t.graph->n_calls; i++)
        if (strcmp(t.graph->calls[i]->op->name, "mul") == 0)
            ck_assert_str_eq(t.graph->calls[i]->name, "mine");
        else if (strcmp(t.graph->calls[i]->op->name, "dropout") == 0)
            ck_assert_str_eq(t.graph->calls[i]->name, "dropout");
    ck_assert_str_eq(t.graph->scope, "");
    free_traced(&t);
    moru_model_free(m);
}
END_TEST

/* Tied weights: the kernel of a layer, used by an op outside of it. */
START_TEST(test_weight_outside_of_its_layer)
{
    moru_model *m = moru_functional("m");
    moru_node *x = input(m, "x", 4);
    moru_layer *dense = moru_dense(.units = 3, .use_bias = false);
    moru_node *y = moru_apply(dense, x);
    moru_node *kernel = moru_variable_from(moru_node_graph(x), "kernel", moru_layer_weight_at(dense, 0, NULL));
    y = moru_matmul_t(y, false, kernel, true);
    ck_assert_int_eq(moru_model_outputs(m, &y, 1), MORU_OK);
    traced t = trace(m, true, MORU_SHAPE(5, 4));
    ck_assert_int_eq(count_ops(t.graph, "variable"), 1);
    free_traced(&t);
    moru_model_free(m);
}
END_TEST

START_TEST(test_trace_errors)
{
    moru_model *m = moru_functional("m");
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(2, 3)), *y;
    moru_trace t = {0};
    ck_assert_int_eq(moru_model_trace(m, g, &x, &y, &t), MORU_ERR_STATE);
    moru_node *in = input(m, "x", 4), *out = moru_apply(moru_dense(.units = 2), in);
    ck_assert_int_eq(moru_model_outputs(m, &out, 1), MORU_OK);
    ck_assert_int_eq(moru_model_trace(m, g, &x, &y, &t), MORU_ERR_SHAPE); /* 3 is not 4 */
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "dense"));
    moru_trace_free(&t);
    moru_graph_free(g);
    moru_model_free(m);
    m = moru_functional("m");
    in = input(m, "x", 4);
    out = moru_add(in, moru_placeholder(moru_node_graph(in), "stray", MORU_REAL, MORU_SHAPE(4)));
    ck_assert_int_eq(moru_model_outputs(m, &out, 1), MORU_OK);
    g = moru_graph_new();
    x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(2, 4));
    ck_assert_int_eq(moru_model_trace(m, g, &x, &y, &t), MORU_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "\"stray\""));
    moru_graph_free(g);
    moru_model_free(m);
}
END_TEST

/* ---- numbers ---- */

static moru_program *compiled(traced *t, moru_node **outputs, int n)
{
    moru_program *program;
    moru_program_options options = {.inputs = &t->x, .n_inputs = 1, .outputs = outputs, .n_outputs = n,
                                    .update_variables = t->trace.update_variables,
                                    .update_values = t->trace.update_values, .n_updates = t->trace.n_updates};
    moru_status status = moru_program_new(&program, &options);
    ck_assert_msg(status == MORU_OK, "%s", moru_last_error());
    return program;
}

static double weight_value(const moru_layer *layer, int k, int i)
{
    return (double)((const moru_real *)moru_tensor_const_data(layer->weights[k].tensor))[i];
}

static void assert_near(double got, double want)
{
    ck_assert_msg(fabs(got - want) < 1e-5, "%.8g, not %.8g", got, want);
}

/* x = 1, 3, 8: mean 4, biased variance 26/3. */
START_TEST(test_moving_statistics)
{
    const moru_real x[] = {1, 3, 8};
    moru_model *m = moru_sequential("m", moru_input(1), moru_batch_normalization(.momentum = 0.9));
    traced t = trace(m, true, MORU_SHAPE(3, 1));
    moru_program *program = compiled(&t, &t.y, 1);
    ck_assert_int_eq(moru_program_bind(program, 0, x), MORU_OK);
    ck_assert_int_eq(moru_program_run(program), MORU_OK);
    const moru_real *y = moru_tensor_const_data(moru_program_output(program, 0));
    assert_near((double)y[2], 4 / sqrt(26.0 / 3 + 1e-3));
    assert_near(weight_value(m->layers[1], 2, 0), 0.4);
    assert_near(weight_value(m->layers[1], 3, 0), 0.9 + 2.6 / 3);
    moru_program_free(program);
    free_traced(&t);
    t = trace(m, false, MORU_SHAPE(3, 1));
    program = compiled(&t, &t.y, 1);
    ck_assert_int_eq(moru_program_bind(program, 0, x), MORU_OK);
    ck_assert_int_eq(moru_program_run(program), MORU_OK);
    y = moru_tensor_const_data(moru_program_output(program, 0));
    assert_near((double)y[0], (1 - 0.4) / sqrt(0.9 + 2.6 / 3 + 1e-3));
    moru_program_free(program);
    free_traced(&t);
    moru_model_free(m);
}
END_TEST

/* A shared layer's second use moves what the first has left: Keras assigns twice. */
START_TEST(test_shared_moving_statistics)
{
    const moru_real x[] = {1, 3, 8};
    moru_model *m = moru_functional("m");
    moru_node *in = input(m, "x", 1);
    moru_layer *norm = moru_batch_normalization(.momentum = 0.5, .scale = false, .center = false);
    moru_node *first = moru_apply(norm, in), *second = moru_apply(norm, moru_add_scalar(in, 4));
    moru_node *out = moru_apply_n(moru_add_layer(), (moru_node *[]){first, second}, 2);
    ck_assert_int_eq(moru_model_outputs(m, &out, 1), MORU_OK);
    traced t = trace(m, true, MORU_SHAPE(3, 1));
    ck_assert_int_eq(t.trace.n_updates, 2);
    moru_program *program = compiled(&t, &t.y, 1);
    ck_assert_int_eq(moru_program_bind(program, 0, x), MORU_OK);
    ck_assert_int_eq(moru_program_run(program), MORU_OK);
    assert_near(weight_value(norm, 0, 0), 0.5 * (0.5 * 4) + 0.5 * 8);
    moru_program_free(program);
    free_traced(&t);
    moru_model_free(m);
}
END_TEST

START_TEST(test_regularization_losses)
{
    moru_model *m = moru_sequential("m", moru_input(2),
                                    moru_dense(.units = 2, .kernel_initializer = "constant(-3)",
                                               .bias_initializer = "ones",
                                               .kernel_regularizer = "l1_l2(0.5, 0.25)",
                                               .bias_regularizer = "l2(0.125)"),
                                    moru_dense(.units = 1, .kernel_initializer = "ones", .kernel_regularizer = "l2"));
    const moru_real x[] = {0, 0};
    traced t = trace(m, true, MORU_SHAPE(1, 2));
    ck_assert_int_eq(t.trace.n_losses, 3);
    moru_program *program = compiled(&t, t.trace.losses, 3);
    ck_assert_int_eq(moru_program_bind(program, 0, x), MORU_OK);
    ck_assert_int_eq(moru_program_run(program), MORU_OK);
    static const double want[] = {0.5 * 12 + 0.25 * 36, 0.125 * 2, 0.01 * 2};
    for (int i = 0; i < 3; i++)
        assert_near((double)*(const moru_real *)moru_tensor_const_data(moru_program_output(program, i)), want[i]);
    moru_program_free(program);
    free_traced(&t);
    moru_layer_set_trainable(m->layers[1], false);
    t = trace(m, true, MORU_SHAPE(1, 2));
    ck_assert_int_eq(t.trace.n_losses, 1);
    free_traced(&t);
    moru_model_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("models");
    TCase *tests = tcase_create("models");
    tcase_add_test(tests, test_sequential_names_and_paths);
    tcase_add_test(tests, test_sequential_errors);
    tcase_add_test(tests, test_functional_names_and_sharing);
    tcase_add_test(tests, test_functional_errors);
    tcase_add_test(tests, test_unused_layers);
    tcase_add_test(tests, test_order_by_depth);
    tcase_add_test(tests, test_training_and_inference_differ);
    tcase_add_test(tests, test_raw_ops_are_copied);
    tcase_add_test(tests, test_weight_outside_of_its_layer);
    tcase_add_test(tests, test_trace_errors);
    tcase_add_test(tests, test_moving_statistics);
    tcase_add_test(tests, test_shared_moving_statistics);
    tcase_add_test(tests, test_regularization_losses);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
