/* Building graphs: shapes, symbols, the sticky first error, ops of one's own, gradients. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>

static void assert_shape(const moru_node *node, moru_shape want)
{
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    ck_assert_msg(moru_shape_equal(moru_node_shape(node), &want), "%s, not %s",
                  moru_shape_print(moru_node_shape(node), a, sizeof a), moru_shape_print(&want, b, sizeof b));
}

START_TEST(test_first_error_stays)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(32, 784));
    moru_node *w = moru_variable(g, "w", MORU_SHAPE(512, 10));
    moru_graph_push_name(g, "dense_1");
    moru_node *bad = moru_matmul(x, w);
    moru_graph_pop_name(g);
    ck_assert_int_eq(moru_graph_status(g), MORU_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(moru_graph_error(g), "matmul \"dense_1\""));
    ck_assert_ptr_nonnull(strstr(moru_graph_error(g), "784"));
    char first[512];
    strcpy(first, moru_graph_error(g));
    moru_node *more = moru_relu(moru_add(bad, x));
    ck_assert_ptr_eq(more, bad); /* inert */
    moru_reshape(x, (int64_t[]){5}, 1);
    ck_assert_str_eq(moru_graph_error(g), first);
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = &more, .n_outputs = 1}), MORU_ERR_SHAPE);
    ck_assert_str_eq(moru_last_error(), first);
    ck_assert_ptr_null(p);
    moru_node *grad;
    ck_assert_int_eq(moru_gradients(more, &w, 1, &grad), MORU_ERR_SHAPE);
    moru_graph_free(g);
}
END_TEST

START_TEST(test_missing_and_foreign_operands)
{
    moru_graph *g = moru_graph_new(), *h = moru_graph_new();
    moru_node *x = moru_scalar(g, 1), *y = moru_scalar(h, 2);
    ck_assert_ptr_null(moru_relu(NULL));
    moru_add(x, y);
    ck_assert_int_eq(moru_graph_status(g), MORU_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(moru_graph_error(g), "another graph"));
    ck_assert_int_eq(moru_graph_status(h), MORU_OK);
    moru_add(NULL, y);
    ck_assert_int_eq(moru_graph_status(h), MORU_ERR_ARGUMENT);
    moru_graph_free(g);
    moru_graph_free(h);
    moru_graph_free(NULL);
}
END_TEST

START_TEST(test_symbols)
{
    moru_graph *g = moru_graph_new();
    int64_t batch = moru_symbol(g, "batch"), time = moru_symbol(g, "time");
    ck_assert_int_lt(batch, -1);
    ck_assert_int_ne(batch, time);
    ck_assert_int_eq(moru_symbol(g, "batch"), batch);
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(batch, 28, 28, 1));
    assert_shape(moru_flatten_from(x, 1), MORU_SHAPE(batch, 784));
    moru_node *b = moru_variable(g, "b", MORU_SHAPE(28, 1));
    assert_shape(moru_add(x, b), MORU_SHAPE(batch, 28, 28, 1));
    moru_placeholder(g, "bad", MORU_REAL, MORU_SHAPE(-1, 3));
    ck_assert_int_eq(moru_graph_status(g), MORU_ERR_SHAPE);
    moru_graph_free(g);
}
END_TEST

START_TEST(test_sizes_are_checked_again_at_compile)
{
    moru_graph *g = moru_graph_new();
    moru_node *in[2] = {moru_placeholder(g, "a", MORU_REAL, MORU_SHAPE(moru_symbol(g, "m"), 3)),
                        moru_placeholder(g, "b", MORU_REAL, MORU_SHAPE(moru_symbol(g, "n"), 3))};
    moru_node *sum = moru_add(in[0], in[1]);
    ck_assert_int_eq(moru_graph_status(g), MORU_OK);
    moru_shape good[2] = {MORU_SHAPE(4, 3), MORU_SHAPE(4, 3)}, ones[2] = {MORU_SHAPE(4, 3), MORU_SHAPE(1, 3)};
    moru_shape bad[2] = {MORU_SHAPE(4, 3), MORU_SHAPE(5, 3)}, rank[2] = {MORU_SHAPE(4, 3), MORU_SHAPE(4, 3, 1)};
    moru_program_options o = {.inputs = in, .input_shapes = good, .n_inputs = 2, .outputs = &sum, .n_outputs = 1};
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &o), MORU_OK);
    moru_program_free(p);
    o.input_shapes = ones;
    ck_assert_int_eq(moru_program_new(&p, &o), MORU_OK);
    moru_program_free(p);
    o.input_shapes = bad;
    ck_assert_int_eq(moru_program_new(&p, &o), MORU_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "[5,3]"));
    o.input_shapes = rank;
    ck_assert_int_eq(moru_program_new(&p, &o), MORU_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "\"b\""));
    ck_assert_int_eq(moru_graph_status(g), MORU_OK); /* the graph itself is as good as before */
    moru_graph_free(g);
}
END_TEST

START_TEST(test_shared_tensor_is_one_variable)
{
    moru_graph *g = moru_graph_new();
    moru_tensor *t = moru_tensor_new(MORU_REAL, MORU_SHAPE(3));
    moru_node *a = moru_variable_from(g, "w", t), *b = moru_variable_from(g, "again", t);
    ck_assert_ptr_eq(a, b);
    ck_assert_ptr_eq(moru_node_tensor(a), t);
    moru_graph_free(g);
    moru_tensor_free(t);
}
END_TEST

/* An op of a user's: y = 3x, with a gradient; and one without, that says so. */
static moru_status triple_infer(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[0];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static void triple_vjp(const moru_vjp *v)
{
    v->dx[0] = moru_apply_named(v->graph, "triple", &v->dy[0], 1, NULL);
}

static moru_status triple_run(const moru_run *run)
{
    const moru_real *x = run->in[0]->data;
    moru_real *y = run->out[0]->data;
    for (int64_t i = 0; i < run->in[0]->size; i++)
        y[i] = 3 * x[i];
    return MORU_OK;
}

static const moru_op_def triple = {.name = "triple", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
                                   .infer = triple_infer, .vjp = triple_vjp, .run = triple_run};
static const moru_op_def blocked = {.name = "blocked", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
                                    .flags = MORU_OP_NO_GRADIENT, .infer = triple_infer, .run = triple_run};

static double run_scalar(moru_node *output)
{
    moru_program *p;
    ck_assert_msg(moru_program_new(&p, &(moru_program_options){.outputs = &output, .n_outputs = 1, .threads = 1}) == MORU_OK,
                  "%s", moru_last_error());
    ck_assert_int_eq(moru_program_run(p), MORU_OK);
    double value = *(const moru_real *)moru_tensor_const_data(moru_program_output(p, 0));
    moru_program_free(p);
    return value;
}

START_TEST(test_registered_op)
{
    moru_graph *g = moru_graph_new();
    ck_assert_int_eq(moru_register_op(g, &triple), MORU_OK);
    ck_assert_int_eq(moru_register_op(g, &triple), MORU_ERR_ARGUMENT); /* taken */
    moru_op_def bad = triple;
    bad.name = "matmul";
    ck_assert_int_eq(moru_register_op(g, &bad), MORU_ERR_ARGUMENT);
    bad.name = "third_state";
    bad.vjp = NULL;
    ck_assert_int_eq(moru_register_op(g, &bad), MORU_ERR_ARGUMENT);
    bad.flags = MORU_OP_NO_GRADIENT;
    bad.run = NULL;
    ck_assert_int_eq(moru_register_op(g, &bad), MORU_ERR_ARGUMENT);
    moru_node *x = moru_variable(g, "x", MORU_SCALAR_SHAPE), *grad, *second;
    *(moru_real *)moru_tensor_data(moru_node_tensor(x)) = 2;
    moru_node *y = moru_square(moru_apply_named(g, "triple", &x, 1, NULL)); /* 9x^2 */
    ck_assert_int_eq(moru_gradients(y, &x, 1, &grad), MORU_OK);
    ck_assert_int_eq(moru_gradients(grad, &x, 1, &second), MORU_OK);
    ck_assert_double_eq_tol(run_scalar(y), 36, 1e-5);
    ck_assert_double_eq_tol(run_scalar(grad), 36, 1e-5);
    ck_assert_double_eq_tol(run_scalar(second), 18, 1e-5);
    moru_apply_named(g, "no_such_op", &x, 1, NULL);
    ck_assert_ptr_nonnull(strstr(moru_graph_error(g), "no_such_op"));
    moru_graph_free(g);
}
END_TEST

START_TEST(test_missing_gradient_names_op_and_node)
{
    moru_graph *g = moru_graph_new();
    ck_assert_int_eq(moru_register_op(g, &blocked), MORU_OK);
    moru_node *x = moru_variable(g, "x", MORU_SHAPE(3)), *grad;
    moru_graph_push_name(g, "my_layer");
    moru_node *y = moru_sum_all(moru_apply_named(g, "blocked", &x, 1, NULL));
    moru_graph_pop_name(g);
    ck_assert_int_eq(moru_gradients(y, &x, 1, &grad), MORU_ERR_GRADIENT);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "blocked"));
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "my_layer"));
    moru_graph_free(g);
}
END_TEST

START_TEST(test_gradients_that_are_zero_or_stopped)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_variable(g, "x", MORU_SCALAR_SHAPE), *unused = moru_variable(g, "u", MORU_SHAPE(2, 3));
    *(moru_real *)moru_tensor_data(moru_node_tensor(x)) = 3;
    moru_node *y = moru_mul(x, moru_stop_gradient(moru_square(x))); /* gradient x^2, not 3x^2 */
    moru_node *xs[2] = {x, unused}, *grads[2];
    ck_assert_int_eq(moru_gradients(y, xs, 2, grads), MORU_OK);
    ck_assert_double_eq_tol(run_scalar(grads[0]), 9, 1e-5);
    assert_shape(grads[1], MORU_SHAPE(2, 3));
    ck_assert_double_eq(run_scalar(moru_sum_all(moru_abs(grads[1]))), 0);
    moru_graph_free(g);
}
END_TEST

START_TEST(test_gradient_of_one_target_through_another)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_variable(g, "x", MORU_SCALAR_SHAPE);
    *(moru_real *)moru_tensor_data(moru_node_tensor(x)) = 5;
    moru_node *h = moru_square(x), *y = moru_mul_scalar(h, 2), *xs[2] = {x, h}, *grads[2];
    ck_assert_int_eq(moru_gradients(y, xs, 2, grads), MORU_OK);
    ck_assert_double_eq_tol(run_scalar(grads[0]), 20, 1e-4);
    ck_assert_double_eq_tol(run_scalar(grads[1]), 2, 1e-6);
    moru_graph_free(g);
}
END_TEST

START_TEST(test_repeated_gradients)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_variable(g, "x", MORU_SCALAR_SHAPE), *y = moru_exp(moru_sin(x)), *grad = y;
    double at = 0.7;
    *(moru_real *)moru_tensor_data(moru_node_tensor(x)) = (moru_real)at;
    double s = sin(at), c = cos(at), e = exp(s);
    double want[4] = {e, e * c, e * (c * c - s), e * (c * c * c - 3 * s * c - c)};
    for (int order = 0; order < 4; order++) {
        ck_assert_double_eq_tol(run_scalar(grad), want[order], 2e-5);
        ck_assert_int_eq(moru_gradients(grad, &x, 1, &grad), MORU_OK);
    }
    moru_graph_free(g);
}
END_TEST

START_TEST(test_bad_gradient_arguments)
{
    moru_graph *g = moru_graph_new(), *h = moru_graph_new();
    moru_node *x = moru_variable(g, "x", MORU_SCALAR_SHAPE), *other = moru_variable(h, "o", MORU_SCALAR_SHAPE), *grad;
    moru_node *index = moru_placeholder(g, "i", MORU_INT32, MORU_SHAPE(2));
    ck_assert_int_eq(moru_gradients(x, &other, 1, &grad), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_gradients(NULL, &x, 1, &grad), MORU_ERR_ARGUMENT);
    moru_node *none = NULL;
    ck_assert_int_eq(moru_gradients(x, &none, 1, &grad), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_gradients(x, &index, 1, &grad), MORU_ERR_GRADIENT);
    moru_graph_free(g);
    moru_graph_free(h);
}
END_TEST

START_TEST(test_dot)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_variable(g, "a \"quoted\" name", MORU_SHAPE(3)), *y = moru_relu(x);
    char *text = moru_graph_dot(&y, 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "digraph"));
    ck_assert_ptr_nonnull(strstr(text, "a \\\"quoted\\\" name"));
    ck_assert_ptr_nonnull(strstr(text, "->"));
    free(text);
    moru_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tcase = tcase_create("graph");
    tcase_add_test(tcase, test_first_error_stays);
    tcase_add_test(tcase, test_missing_and_foreign_operands);
    tcase_add_test(tcase, test_symbols);
    tcase_add_test(tcase, test_sizes_are_checked_again_at_compile);
    tcase_add_test(tcase, test_shared_tensor_is_one_variable);
    tcase_add_test(tcase, test_registered_op);
    tcase_add_test(tcase, test_missing_gradient_names_op_and_node);
    tcase_add_test(tcase, test_gradients_that_are_zero_or_stopped);
    tcase_add_test(tcase, test_gradient_of_one_target_through_another);
    tcase_add_test(tcase, test_repeated_gradients);
    tcase_add_test(tcase, test_bad_gradient_arguments);
    tcase_add_test(tcase, test_dot);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
