/* What builders of elementwise ops, reductions, softmax and losses refuse, with status and sentence; what they make of
 * open sizes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <moru.h>
#include <moru/op.h>

static moru_graph *graph;

static void setup(void)
{
    graph = moru_graph_new();
}

static void teardown(void)
{
    moru_graph_free(graph);
}

static moru_node *real(moru_shape shape)
{
    return moru_placeholder(graph, NULL, MORU_REAL, shape);
}

static moru_node *integer(moru_shape shape)
{
    return moru_placeholder(graph, NULL, MORU_INT32, shape);
}

/* The graph has failed with this status and all these words. */
static void refused(moru_node *y, moru_status status, const char *a, const char *b, const char *c)
{
    const char *error = moru_graph_error(graph);
    ck_assert_msg(moru_graph_status(graph) == status, "status %s, \"%s\"", moru_status_name(moru_graph_status(graph)),
                  error);
    ck_assert_msg(strstr(error, a) && strstr(error, b) && strstr(error, c), "\"%s\" lacks \"%s\", \"%s\" or \"%s\"",
                  error, a, b, c);
    ck_assert_ptr_nonnull(y);
    /* what is built on it is inert and keeps the first error */
    ck_assert_ptr_eq(moru_exp(y), y);
    ck_assert_str_eq(moru_graph_error(graph), error);
}

#define RENEW() (teardown(), setup())

typedef moru_node *unary(moru_node *x);
typedef moru_node *binary(moru_node *a, moru_node *b);

static unary *const unaries[] = {
    moru_neg, moru_abs, moru_sign, moru_floor, moru_ceil, moru_round, moru_exp, moru_expm1, moru_log, moru_log1p,
    moru_log2, moru_sqrt, moru_rsqrt, moru_square, moru_reciprocal, moru_sin, moru_cos, moru_tan, moru_atan,
    moru_sinh, moru_cosh, moru_tanh, moru_erf, moru_is_nan, moru_logical_not, moru_relu, moru_relu6, moru_selu,
    moru_gelu, moru_gelu_tanh, moru_sigmoid, moru_log_sigmoid, moru_hard_sigmoid, moru_hard_silu, moru_silu,
    moru_mish, moru_softplus, moru_softsign,
};

START_TEST(unary_ops_want_real_values)
{
    refused(unaries[_i](integer(MORU_SHAPE(2, 3))), MORU_ERR_SHAPE, "[2,3]", "int32", "real value");
}
END_TEST

START_TEST(unary_ops_keep_shapes)
{
    int64_t n = moru_symbol(graph, "n");
    moru_node *y = unaries[_i](real(MORU_SHAPE(n, 3)));
    ck_assert_msg(moru_graph_status(graph) == MORU_OK, "%s", moru_graph_error(graph));
    ck_assert(moru_shape_equal(moru_node_shape(y), &MORU_SHAPE(n, 3)));
    ck_assert_int_eq(moru_node_shape(unaries[_i](real(MORU_SCALAR_SHAPE)))->rank, 0);
    ck_assert_ptr_null(unaries[_i](NULL));
}
END_TEST

static binary *const arithmetic[] = {
    moru_add, moru_sub, moru_mul, moru_div, moru_pow, moru_maximum, moru_minimum, moru_atan2, moru_squared_difference,
    moru_logical_and, moru_logical_or,
};
static binary *const comparisons[] = {
    moru_equal, moru_not_equal, moru_less, moru_less_equal, moru_greater, moru_greater_equal,
};

static void broadcasts(binary *f, moru_shape a, moru_shape b, moru_shape y)
{
    moru_node *node = f(real(a), real(b));
    ck_assert_msg(moru_graph_status(graph) == MORU_OK, "%s", moru_graph_error(graph));
    ck_assert(moru_shape_equal(moru_node_shape(node), &y));
}

static void check_binary(binary *f)
{
    int64_t n = moru_symbol(graph, "n"), m = moru_symbol(graph, "m");
    broadcasts(f, MORU_SHAPE(3, 4), MORU_SHAPE(4), MORU_SHAPE(3, 4));
    broadcasts(f, MORU_SHAPE(3, 1), MORU_SHAPE(1, 4), MORU_SHAPE(3, 4));
    broadcasts(f, MORU_SCALAR_SHAPE, MORU_SHAPE(2), MORU_SHAPE(2));
    broadcasts(f, MORU_SHAPE(0, 3), MORU_SHAPE(1, 3), MORU_SHAPE(0, 3));
    broadcasts(f, MORU_SHAPE(n, 3), MORU_SHAPE(3), MORU_SHAPE(n, 3));
    broadcasts(f, MORU_SHAPE(n, 1), MORU_SHAPE(1, m), MORU_SHAPE(n, m));
    broadcasts(f, MORU_SHAPE(n, 3), MORU_SHAPE(n, 1), MORU_SHAPE(n, 3));
    broadcasts(f, MORU_SHAPE(n), MORU_SHAPE(5), MORU_SHAPE(5));
    refused(f(real(MORU_SHAPE(2, 3)), real(MORU_SHAPE(2, 5))), MORU_ERR_SHAPE, "[2,3] and [2,5]", "sizes 3 and 5",
            "broadcast");
    RENEW();
    refused(f(real(MORU_SHAPE(0)), real(MORU_SHAPE(2))), MORU_ERR_SHAPE, "[0] and [2]", "sizes 0 and 2", "");
    RENEW();
    refused(f(real(MORU_SHAPE(2)), NULL), MORU_ERR_ARGUMENT, "operand 1", "missing", "");
    RENEW();
    refused(f(NULL, real(MORU_SHAPE(2))), MORU_ERR_ARGUMENT, "operand 0", "missing", "");
    RENEW();
    moru_graph *other = moru_graph_new();
    moru_node *stranger = moru_placeholder(other, NULL, MORU_REAL, MORU_SHAPE(2));
    refused(f(real(MORU_SHAPE(2)), stranger), MORU_ERR_ARGUMENT, "operand 1", "another graph", "");
    moru_graph_free(other);
    ck_assert_ptr_null(f(NULL, NULL));
}

START_TEST(arithmetic_shapes)
{
    check_binary(arithmetic[_i]);
    RENEW();
    refused(arithmetic[_i](real(MORU_SHAPE(2)), integer(MORU_SHAPE(2))), MORU_ERR_SHAPE, "[2]", "int32", "input 1");
}
END_TEST

START_TEST(comparison_shapes)
{
    check_binary(comparisons[_i]);
    RENEW();
    moru_node *y = comparisons[_i](integer(MORU_SHAPE(2, 1)), integer(MORU_SHAPE(3)));
    ck_assert_int_eq(moru_node_dtype(y), MORU_REAL);
    ck_assert(moru_shape_equal(moru_node_shape(y), &MORU_SHAPE(2, 3)));
    refused(comparisons[_i](real(MORU_SHAPE(2)), integer(MORU_SHAPE(3))), MORU_ERR_SHAPE, "float32 [2]", "int32 [3]",
            "one type");
}
END_TEST

START_TEST(where_shapes)
{
    moru_node *y = moru_where(real(MORU_SHAPE(4)), real(MORU_SHAPE(2, 1, 1)), real(MORU_SHAPE(3, 1)));
    ck_assert(moru_shape_equal(moru_node_shape(y), &MORU_SHAPE(2, 3, 4)));
    refused(moru_where(real(MORU_SHAPE(5)), real(MORU_SHAPE(2, 1)), real(MORU_SHAPE(4))), MORU_ERR_SHAPE,
            "[5] and [2,4]", "where", "5 and 4");
    RENEW();
    refused(moru_where(integer(MORU_SHAPE(5)), real(MORU_SHAPE(5)), real(MORU_SHAPE(5))), MORU_ERR_SHAPE, "input 0",
            "int32", "");
    RENEW();
    refused(moru_where(real(MORU_SHAPE(5)), NULL, real(MORU_SHAPE(5))), MORU_ERR_ARGUMENT, "operand 1", "missing", "");
}
END_TEST

START_TEST(ops_with_numbers)
{
    refused(moru_clip(real(MORU_SHAPE(2)), 1, -1), MORU_ERR_ARGUMENT, "clip", "1", "-1");
    RENEW();
    refused(moru_clip(real(MORU_SHAPE(2)), 0, 0.0 / 0.0), MORU_ERR_ARGUMENT, "clip", "nan", "");
    RENEW();
    refused(moru_add_scalar(integer(MORU_SHAPE(2)), 1), MORU_ERR_SHAPE, "add_scalar", "int32", "[2]");
    RENEW();
    refused(moru_mul_scalar(integer(MORU_SHAPE(2)), 1), MORU_ERR_SHAPE, "mul_scalar", "int32", "[2]");
    RENEW();
    refused(moru_pow_scalar(integer(MORU_SHAPE(2)), 1), MORU_ERR_SHAPE, "pow_scalar", "int32", "[2]");
    RENEW();
    refused(moru_leaky_relu(integer(MORU_SHAPE(2)), 1), MORU_ERR_SHAPE, "leaky_relu", "int32", "[2]");
    RENEW();
    refused(moru_elu(integer(MORU_SHAPE(2)), 1), MORU_ERR_SHAPE, "elu", "int32", "[2]");
    RENEW();
    refused(moru_relu_general(integer(MORU_SHAPE(2)), 0, 1, 0), MORU_ERR_SHAPE, "relu_general", "int32", "[2]");
}
END_TEST

/* ---- reductions ---- */

typedef moru_node *reduction(moru_node *x, const int *axes, int n, bool keepdims);

static moru_node *variance(moru_node *x, const int *axes, int n, bool keepdims)
{
    return moru_variance(x, axes, n, keepdims, 1);
}

static reduction *const reductions[] = {
    moru_sum, moru_mean, moru_max, moru_min, moru_prod, moru_logsumexp, variance,
};

static void reduces(reduction *f, const int *axes, int n, bool keepdims, moru_shape y)
{
    moru_node *node = f(real(MORU_SHAPE(2, 3, 4)), axes, n, keepdims);
    ck_assert_msg(moru_graph_status(graph) == MORU_OK, "%s", moru_graph_error(graph));
    ck_assert(moru_shape_equal(moru_node_shape(node), &y));
}

START_TEST(reduction_shapes)
{
    reduction *f = reductions[_i];
    int64_t n = moru_symbol(graph, "n");
    reduces(f, NULL, 0, false, MORU_SCALAR_SHAPE);
    reduces(f, NULL, 0, true, MORU_SHAPE(1, 1, 1));
    reduces(f, (int[]){-1}, 1, false, MORU_SHAPE(2, 3));
    reduces(f, (int[]){0}, 1, true, MORU_SHAPE(1, 3, 4));
    reduces(f, (int[]){2, 0}, 2, false, MORU_SHAPE(3));
    reduces(f, (int[]){1}, 0, false, MORU_SHAPE(2, 3, 4));
    ck_assert(moru_shape_equal(moru_node_shape(f(real(MORU_SHAPE(n, 3)), (int[]){1}, 1, false)), &MORU_SHAPE(n)));
    ck_assert(moru_shape_equal(moru_node_shape(f(real(MORU_SHAPE(n, 3)), (int[]){0}, 1, false)), &MORU_SHAPE(3)));
    refused(f(real(MORU_SHAPE(2, 3)), (int[]){2}, 1, false), MORU_ERR_SHAPE, "axis 2", "2 axes", "[2,3]");
    RENEW();
    refused(f(real(MORU_SHAPE(2, 3)), (int[]){-3}, 1, false), MORU_ERR_SHAPE, "axis -3", "2 axes", "[2,3]");
    RENEW();
    refused(f(real(MORU_SCALAR_SHAPE), (int[]){0}, 1, false), MORU_ERR_SHAPE, "axis 0", "0 axes", "[]");
    RENEW();
    refused(f(real(MORU_SHAPE(2, 3)), (int[]){1, -1}, 2, false), MORU_ERR_ARGUMENT, "axis 1", "twice", "[2,3]");
    RENEW();
    refused(f(real(MORU_SHAPE(2, 3)), NULL, 2, false), MORU_ERR_ARGUMENT, "axes", "", "");
    RENEW();
    refused(f(real(MORU_SHAPE(2, 3)), (int[9]){0}, 9, false), MORU_ERR_ARGUMENT, "axes", "", "");
    RENEW();
    refused(f(real(MORU_SHAPE(2, 3)), (int[1]){0}, -1, false), MORU_ERR_ARGUMENT, "axes", "", "");
    RENEW();
    refused(f(integer(MORU_SHAPE(2, 3)), NULL, 0, false), MORU_ERR_SHAPE, "int32", "[2,3]", "");
    ck_assert_ptr_null(f(NULL, NULL, 0, false));
}
END_TEST

START_TEST(extremes_of_nothing)
{
    refused(moru_max(real(MORU_SHAPE(3, 0)), (int[]){1}, 1, false), MORU_ERR_SHAPE, "max", "axis 1 of [3,0]",
            "nothing");
    RENEW();
    refused(moru_min(real(MORU_SHAPE(3, 0)), NULL, 0, false), MORU_ERR_SHAPE, "min", "axis 1 of [3,0]", "nothing");
    RENEW();
    refused(moru_argmax(real(MORU_SHAPE(0)), 0), MORU_ERR_SHAPE, "argmax", "axis 0 of [0]", "nothing");
    RENEW();
    refused(moru_argmin(real(MORU_SHAPE(0)), 0), MORU_ERR_SHAPE, "argmin", "axis 0 of [0]", "nothing");
    RENEW();
    moru_node *y = moru_max(real(MORU_SHAPE(3, 0)), (int[]){0}, 1, false);
    ck_assert(moru_shape_equal(moru_node_shape(y), &MORU_SHAPE(0)));
}
END_TEST

/* Along one axis. */
static moru_node *softmax(moru_node *x, int axis)
{
    return moru_softmax(x, axis);
}

static moru_node *(*const along[])(moru_node *x, int axis) = {softmax, moru_log_softmax, moru_argmax, moru_argmin};

START_TEST(ops_along_an_axis)
{
    refused(along[_i](real(MORU_SHAPE(2, 3)), 2), MORU_ERR_SHAPE, "axis 2", "[2,3]", "2 axes");
    RENEW();
    refused(along[_i](real(MORU_SHAPE(2, 3)), -3), MORU_ERR_SHAPE, "axis -3", "[2,3]", "");
    RENEW();
    refused(along[_i](real(MORU_SCALAR_SHAPE), 0), MORU_ERR_SHAPE, "axis 0", "[]", "");
    RENEW();
    refused(along[_i](integer(MORU_SHAPE(2, 3)), 0), MORU_ERR_SHAPE, "int32", "[2,3]", "");
    ck_assert_ptr_null(along[_i](NULL, 0));
    RENEW();
    moru_node *y = along[_i](real(MORU_SHAPE(2, 3)), -2);
    ck_assert_int_eq(moru_node_dtype(y), _i < 2 ? MORU_REAL : MORU_INT32);
    ck_assert(moru_shape_equal(moru_node_shape(y), _i < 2 ? &MORU_SHAPE(2, 3) : &MORU_SHAPE(3)));
}
END_TEST

START_TEST(sum_to_shapes)
{
    moru_node *y = moru_sum_to(real(MORU_SHAPE(2, 3, 4)), real(MORU_SHAPE(3, 1)));
    ck_assert(moru_shape_equal(moru_node_shape(y), &MORU_SHAPE(3, 1)));
    ck_assert_int_eq(moru_node_shape(moru_sum_to(real(MORU_SHAPE(2)), integer(MORU_SCALAR_SHAPE)))->rank, 0);
    refused(moru_sum_to(real(MORU_SHAPE(2, 3)), real(MORU_SHAPE(2, 2))), MORU_ERR_SHAPE, "[2,3]", "[2,2]", "sum_to");
    RENEW();
    refused(moru_sum_to(real(MORU_SHAPE(3)), real(MORU_SHAPE(2, 3))), MORU_ERR_SHAPE, "[3]", "[2,3]", "sum_to");
    RENEW();
    refused(moru_sum_to(real(MORU_SHAPE(1)), real(MORU_SHAPE(3))), MORU_ERR_SHAPE, "[1]", "[3]", "sum_to");
}
END_TEST

/* ---- losses ---- */

START_TEST(ctc_shapes)
{
    int64_t n = moru_symbol(graph, "n");
    moru_node *y = moru_ctc_loss(real(MORU_SHAPE(n, 5, 3)), integer(MORU_SHAPE(n, 2)));
    ck_assert(moru_shape_equal(moru_node_shape(y), &MORU_SHAPE(n)));
    refused(moru_ctc_loss(real(MORU_SHAPE(4, 5)), integer(MORU_SHAPE(4, 2))), MORU_ERR_SHAPE, "[4,5]",
            "[n,t,c]", "ctc");
    RENEW();
    refused(moru_ctc_loss(real(MORU_SHAPE(4, 5, 3)), integer(MORU_SHAPE(4))), MORU_ERR_SHAPE, "[4]", "[n,l]", "ctc");
    RENEW();
    refused(moru_ctc_loss(real(MORU_SHAPE(4, 5, 3)), integer(MORU_SHAPE(3, 2))), MORU_ERR_SHAPE, "[4,5,3]",
            "[3,2]", "ctc");
    RENEW();
    refused(moru_ctc_loss(real(MORU_SHAPE(4, 5, 0)), integer(MORU_SHAPE(4, 2))), MORU_ERR_SHAPE, "[4,5,0]",
            "blank", "");
    RENEW();
    refused(moru_ctc_loss(real(MORU_SHAPE(4, 5, 3)), real(MORU_SHAPE(4, 2))), MORU_ERR_SHAPE, "float32",
            "int32", "ctc");
}
END_TEST

START_TEST(sparse_cross_entropy_shapes)
{
    int64_t n = moru_symbol(graph, "n");
    moru_node *y = moru_sparse_cross_entropy(real(MORU_SHAPE(n, 5)), integer(MORU_SHAPE(n)));
    ck_assert(moru_shape_equal(moru_node_shape(y), &MORU_SHAPE(n)));
    refused(moru_sparse_cross_entropy(real(MORU_SHAPE(4, 5)), integer(MORU_SHAPE(3))), MORU_ERR_SHAPE, "logits [4,5]",
            "labels [3]", "sparse_cross_entropy");
    RENEW();
    refused(moru_sparse_cross_entropy(real(MORU_SHAPE(4, 5)), integer(MORU_SHAPE(4, 1))), MORU_ERR_SHAPE, "[4,5]",
            "[4,1]", "");
    RENEW();
    refused(moru_sparse_cross_entropy(real(MORU_SHAPE(4, 5)), real(MORU_SHAPE(4))), MORU_ERR_SHAPE, "float32 [4,5]",
            "float32 [4]", "labels int32");
    RENEW();
    refused(moru_sparse_cross_entropy(real(MORU_SCALAR_SHAPE), integer(MORU_SCALAR_SHAPE)), MORU_ERR_SHAPE, "[]", "",
            "");
    RENEW();
    refused(moru_sparse_cross_entropy(real(MORU_SHAPE(4, 5)), NULL), MORU_ERR_ARGUMENT, "operand 1", "", "");
}
END_TEST

/* These don't broadcast: [n] against [n,1] is a mistake in a loss. */
static binary *const losses[] = {moru_cross_entropy, moru_sigmoid_cross_entropy, moru_mean_squared_error};

START_TEST(loss_shapes)
{
    static const char *const names[] = {"cross_entropy", "sigmoid_cross_entropy", "mean_squared_error"};
    int64_t n = moru_symbol(graph, "n");
    moru_node *y = losses[_i](real(MORU_SHAPE(n, 3)), real(MORU_SHAPE(n, 3)));
    ck_assert_msg(moru_graph_status(graph) == MORU_OK, "%s", moru_graph_error(graph));
    const moru_shape expected[] = {MORU_SHAPE(n), MORU_SHAPE(n, 3), MORU_SCALAR_SHAPE};
    ck_assert(moru_shape_equal(moru_node_shape(y), &expected[_i]));
    refused(losses[_i](real(MORU_SHAPE(4)), real(MORU_SHAPE(4, 1))), MORU_ERR_SHAPE, "[4] and [4,1]", names[_i],
            "differ");
    RENEW();
    refused(losses[_i](real(MORU_SHAPE(4, 3)), real(MORU_SHAPE(4, 1))), MORU_ERR_SHAPE, "[4,3] and [4,1]", names[_i],
            "");
    RENEW();
    refused(losses[_i](real(MORU_SHAPE(4, 3)), integer(MORU_SHAPE(4, 3))), MORU_ERR_SHAPE, "int32", "[4,3]", names[_i]);
    RENEW();
    refused(losses[_i](real(MORU_SHAPE(4, 3)), NULL), MORU_ERR_ARGUMENT, "missing", "", "");
    ck_assert_ptr_null(losses[_i](NULL, NULL));
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
    Suite *suite = suite_create("shapes of ops");
    TCase *cases = tcase_create("builders");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, unary_ops_want_real_values, 0, COUNT(unaries));
    tcase_add_loop_test(cases, unary_ops_keep_shapes, 0, COUNT(unaries));
    tcase_add_loop_test(cases, arithmetic_shapes, 0, COUNT(arithmetic));
    tcase_add_loop_test(cases, comparison_shapes, 0, COUNT(comparisons));
    tcase_add_test(cases, where_shapes);
    tcase_add_test(cases, ops_with_numbers);
    tcase_add_loop_test(cases, reduction_shapes, 0, COUNT(reductions));
    tcase_add_test(cases, extremes_of_nothing);
    tcase_add_loop_test(cases, ops_along_an_axis, 0, COUNT(along));
    tcase_add_test(cases, sum_to_shapes);
    tcase_add_test(cases, ctc_shapes);
    tcase_add_test(cases, sparse_cross_entropy_shapes);
    tcase_add_loop_test(cases, loss_shapes, 0, COUNT(losses));
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int wrong = srunner_ntests_failed(runner);
    srunner_free(runner);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
