/* Values of elementwise ops, reductions and losses: at kinks and limits, under broadcasting and over any axes against
 * plain
 * loops, empty, and the same bits for any number of threads. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>

static moru_graph *graph;

static void setup(void)
{
    graph = moru_graph_new();
}

static void teardown(void)
{
    moru_graph_free(graph);
}

/* An assertion in a long loop: ck_assert() reports each time it is passed. */
#define CHECK(condition, ...) \
    do { \
        if (!(condition)) \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)
#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))
#define REALS(shape, ...) moru_constant(graph, MORU_REAL, shape, (moru_real[]){__VA_ARGS__})

/* The values of n outputs, computed on `threads` threads; the caller frees the program. */
static moru_program *computed(moru_node *const *ys, int n, int threads)
{
    moru_program *program = NULL;
    moru_program_options options = {.outputs = ys, .n_outputs = n, .threads = threads,
                                    .without = MORU_PASS_FOLD}; /* so that constants are computed with at run time */
    ck_assert_msg(moru_graph_status(graph) == MORU_OK, "%s", moru_graph_error(graph));
    ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s", moru_last_error());
    ck_assert_msg(moru_program_run(program) == MORU_OK, "%s", moru_last_error());
    return program;
}

static const moru_real *values(const moru_program *program, int k)
{
    return moru_tensor_const_data(moru_program_output(program, k));
}

static bool close_to(double x, double y)
{
    return x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= 2e-6 * (1 + fabs(y));
}

#define EXPECT(y, ...) \
    do { \
        const double wanted_[] = {__VA_ARGS__}; \
        moru_node *node_ = (y); \
        moru_program *program_ = computed(&node_, 1, 2); \
        ck_assert_int_eq(moru_tensor_size(moru_program_output(program_, 0)), COUNT(wanted_)); \
        for (int i_ = 0; i_ < COUNT(wanted_); i_++) \
            ck_assert_msg(close_to(values(program_, 0)[i_], wanted_[i_]), "line %d, element %d: %.9g, not %.9g", \
                          __LINE__, i_, (double)values(program_, 0)[i_], wanted_[i_]); \
        moru_program_free(program_); \
    } while (0)

static moru_node *gradient(moru_node *y, moru_node *x)
{
    moru_node *grad = NULL;
    ck_assert_msg(moru_gradients(y, &x, 1, &grad) == MORU_OK, "%s", moru_last_error());
    return grad;
}

/* ---- single points: value and slope, as defined where the function has a kink ---- */

static const struct {
    moru_node *(*f)(moru_node *x);
    double x, y, slope;
} points[] = {
    {moru_relu, 0, 0, 0}, {moru_relu, -1, 0, 0}, {moru_relu, 2, 2, 1}, {moru_relu, INFINITY, INFINITY, 1},
    {moru_relu6, 0, 0, 0}, {moru_relu6, 6, 6, 0}, {moru_relu6, 7, 6, 0}, {moru_relu6, 5, 5, 1},
    {moru_abs, 0, 0, 0}, {moru_abs, -3, 3, -1}, {moru_sign, 0, 0, 0}, {moru_sign, -2, -1, 0},
    {moru_round, 0.5, 0, 0}, {moru_round, 1.5, 2, 0}, {moru_round, 2.5, 2, 0}, {moru_round, -0.5, 0, 0},
    {moru_round, -2.5, -2, 0}, {moru_floor, -1.5, -2, 0}, {moru_ceil, -1.5, -1, 0},
    {moru_is_nan, NAN, 1, 0}, {moru_is_nan, INFINITY, 0, 0}, {moru_logical_not, 0, 1, 0}, {moru_logical_not, -2, 0, 0},
    {moru_exp, 0, 1, 1}, {moru_exp, -INFINITY, 0, 0}, {moru_exp, 1000, INFINITY, INFINITY},
    {moru_log, 1, 0, 1}, {moru_log, 0, -INFINITY, INFINITY}, {moru_log, -1, NAN, -1}, {moru_log2, 8, 3, 0.180336880},
    {moru_expm1, 1e-6, 1e-6, 1}, {moru_log1p, 1e-6, 1e-6, 1}, {moru_log1p, -1, -INFINITY, INFINITY},
    {moru_sqrt, 4, 2, 0.25}, {moru_sqrt, 0, 0, INFINITY}, {moru_rsqrt, 4, 0.5, -0.0625},
    {moru_rsqrt, 0, INFINITY, -INFINITY},
    {moru_square, -3, 9, -6}, {moru_reciprocal, -2, -0.5, -0.25}, {moru_sin, 0, 0, 1}, {moru_cos, 0, 1, 0},
    {moru_tan, 0, 0, 1}, {moru_atan, 0, 0, 1}, {moru_atan, INFINITY, M_PI_2, 0}, {moru_sinh, 0, 0, 1},
    {moru_cosh, 0, 1, 0}, {moru_tanh, 0, 0, 1}, {moru_tanh, 50, 1, 0}, {moru_erf, 0, 0, M_2_SQRTPI},
    {moru_erf, 9, 1, 0},
    {moru_sigmoid, 0, 0.5, 0.25}, {moru_sigmoid, -200, 0, 0}, {moru_sigmoid, 200, 1, 0},
    {moru_log_sigmoid, 0, -M_LN2, 0.5}, {moru_log_sigmoid, -200, -200, 1}, {moru_log_sigmoid, 200, 0, 0},
    {moru_softplus, 0, M_LN2, 0.5}, {moru_softplus, 200, 200, 1}, {moru_softplus, -200, 0, 0},
    {moru_hard_sigmoid, -3, 0, 0}, {moru_hard_sigmoid, 3, 1, 0}, {moru_hard_sigmoid, 0, 0.5, 1.0 / 6},
    {moru_hard_silu, -3, 0, 0}, {moru_hard_silu, 3, 3, 1}, {moru_hard_silu, 0, 0, 0.5}, {moru_hard_silu, 4, 4, 1},
    {moru_silu, 0, 0, 0.5}, {moru_silu, 100, 100, 1}, {moru_mish, 0, 0, 0.6}, {moru_mish, 100, 100, 1},
    {moru_gelu, 0, 0, 0.5}, {moru_gelu, 20, 20, 1}, {moru_gelu, -20, 0, 0}, {moru_gelu_tanh, 0, 0, 0.5},
    {moru_selu, 1, 1.05070099, 1.05070099}, {moru_selu, -200, -1.75809934, 0}, {moru_softsign, 0, 0, 1},
    {moru_softsign, -1, -0.5, 0.25},
};

START_TEST(single_points)
{
    moru_node *x = REALS(MORU_SHAPE(1), (moru_real)points[_i].x), *y = points[_i].f(x);
    EXPECT(y, points[_i].y);
    EXPECT(gradient(y, x), points[_i].slope);
}
END_TEST

START_TEST(with_numbers)
{
    moru_node *x = REALS(MORU_SHAPE(5), -2, -1, 0, 1, 2);
    EXPECT(moru_clip(x, -1, 1), -1, -1, 0, 1, 1);
    EXPECT(gradient(moru_clip(x, -1, 1), x), 0, 1, 1, 1, 0);
    EXPECT(moru_clip(x, -INFINITY, 0), -2, -1, 0, 0, 0);
    EXPECT(moru_leaky_relu(x, 0.1), -0.2, -0.1, 0, 1, 2);
    EXPECT(gradient(moru_leaky_relu(x, 0.1), x), 0.1, 0.1, 0.1, 1, 1);
    EXPECT(moru_relu_general(x, 0.5, 1.5, 0), -1, -0.5, 0, 1, 1.5);
    EXPECT(moru_relu_general(x, 0.5, INFINITY, -1), -0.5, -1, 0, 1, 2);
    EXPECT(moru_elu(x, 2), 2 * expm1(-2), 2 * expm1(-1), 0, 1, 2);
    EXPECT(moru_pow_scalar(x, 3), -8, -1, 0, 1, 8);
    EXPECT(gradient(moru_pow_scalar(x, 1), x), 1, 1, 1, 1, 1);
    EXPECT(gradient(moru_pow_scalar(x, 0), x), 0, 0, 0, 0, 0);
    EXPECT(gradient(moru_pow_scalar(x, 2), x), -4, -2, 0, 2, 4);
}
END_TEST

/* ---- binary ---- */

START_TEST(equal_operands_share)
{
    moru_node *a = REALS(MORU_SHAPE(3), 1, 2, 3), *b = REALS(MORU_SHAPE(3), 2, 2, 2);
    EXPECT(moru_maximum(a, b), 2, 2, 3);
    EXPECT(gradient(moru_maximum(a, b), a), 0, 0.5, 1);
    EXPECT(gradient(moru_maximum(a, b), b), 1, 0.5, 0);
    EXPECT(gradient(moru_minimum(a, b), a), 1, 0.5, 0);
    EXPECT(gradient(moru_minimum(a, b), b), 0, 0.5, 1);
}
END_TEST

START_TEST(powers_of_nothing)
{
    moru_node *a = REALS(MORU_SHAPE(4), 0, 0, 2, -2), *b = REALS(MORU_SHAPE(4), 0, 2, 0, 2);
    EXPECT(moru_pow(a, b), 1, 0, 1, 4);
    EXPECT(gradient(moru_pow(a, b), a), 0, 0, 0, -4);
    EXPECT(gradient(moru_pow(a, b), b), 0, 0, M_LN2, NAN);
}
END_TEST

START_TEST(comparisons)
{
    moru_node *a = REALS(MORU_SHAPE(4), 1, 2, 3, NAN), *b = REALS(MORU_SHAPE(4), 2, 2, 2, NAN);
    moru_node *i = moru_constant(graph, MORU_INT32, MORU_SHAPE(2, 1), (int32_t[]){16777217, -1});
    moru_node *j = moru_constant(graph, MORU_INT32, MORU_SHAPE(2), (int32_t[]){16777216, -1});
    EXPECT(moru_equal(a, b), 0, 1, 0, 0);
    EXPECT(moru_not_equal(a, b), 1, 0, 1, 1);
    EXPECT(moru_less(a, b), 1, 0, 0, 0);
    EXPECT(moru_less_equal(a, b), 1, 1, 0, 0);
    EXPECT(moru_greater(a, b), 0, 0, 1, 0);
    EXPECT(moru_greater_equal(a, b), 0, 1, 1, 0);
    EXPECT(moru_equal(i, j), 0, 0, 0, 1); /* float couldn't tell the first two apart */
    EXPECT(moru_not_equal(i, j), 1, 1, 1, 0);
    EXPECT(moru_less(i, j), 0, 0, 1, 0);
    EXPECT(moru_less_equal(i, j), 0, 0, 1, 1);
    EXPECT(moru_greater(i, j), 1, 1, 0, 0);
    EXPECT(moru_greater_equal(i, j), 1, 1, 0, 1);
    EXPECT(moru_logical_and(REALS(MORU_SHAPE(4), 0, 0, 2, -1), REALS(MORU_SHAPE(4), 0, 1, 0, 3)), 0, 0, 0, 1);
    EXPECT(moru_logical_or(REALS(MORU_SHAPE(4), 0, 0, 2, -1), REALS(MORU_SHAPE(4), 0, 1, 0, 3)), 0, 1, 1, 1);
}
END_TEST

START_TEST(where_takes_no_harm_from_the_other_side)
{
    moru_node *c = REALS(MORU_SHAPE(3), 0, 1, NAN), *a = REALS(MORU_SHAPE(3), NAN, 2, 3), *b = REALS(MORU_SHAPE(3), 4,
                                                                                                     NAN, 5);
    EXPECT(moru_where(c, a, b), 4, 2, 3);
    EXPECT(gradient(moru_where(c, a, b), a), 0, 1, 1);
    EXPECT(gradient(moru_where(c, a, b), b), 1, 0, 0);
}
END_TEST

/* ---- broadcasting against loops ---- */

static const struct { moru_shape a, b; } pairs[] = {
    {MORU_SHAPE(5), MORU_SHAPE(5)}, {MORU_SHAPE(3, 1, 4), MORU_SHAPE(2, 1)}, {{0, {0}}, MORU_SHAPE(7)},
    {MORU_SHAPE(2, 3, 4), MORU_SHAPE(4)}, {MORU_SHAPE(2, 3, 4), MORU_SHAPE(3, 1)},
    {MORU_SHAPE(2, 3, 4), MORU_SHAPE(2, 1, 1)}, {MORU_SHAPE(2, 1, 4), MORU_SHAPE(3, 1)},
    {MORU_SHAPE(2, 1, 2, 1, 2, 1, 2, 1), MORU_SHAPE(1, 3, 1, 3, 1, 3, 1, 3)},
    {MORU_SHAPE(1, 2, 1, 1, 3, 1, 1, 2), MORU_SHAPE(3, 2, 2)}, {MORU_SHAPE(2, 5000), MORU_SHAPE(5000)},
    {MORU_SHAPE(3, 4097), MORU_SHAPE(3, 1)}, {MORU_SHAPE(9000, 3), MORU_SHAPE(3)}, {MORU_SHAPE(70001), MORU_SHAPE(1)},
    {MORU_SHAPE(40, 50, 30), MORU_SHAPE(50, 1)}, {MORU_SHAPE(0, 3), MORU_SHAPE(3)},
    {MORU_SHAPE(2, 0), MORU_SHAPE(1, 1)}, {MORU_SHAPE(257, 129), MORU_SHAPE(257, 129)},
    {MORU_SHAPE(1, 33000), MORU_SHAPE(2, 1)},
};

static int64_t size_of(const moru_shape *shape)
{
    int64_t n = 0;
    ck_assert_int_eq(moru_shape_size(shape, &n), MORU_OK);
    return n;
}

static moru_node *varied(const moru_shape *shape, moru_real **data, int seed)
{
    int64_t n = size_of(shape);
    *data = malloc((size_t)(n + 1) * sizeof **data);
    for (int64_t k = 0; k < n; k++)
        (*data)[k] = (moru_real)((k * 7919 + seed * 104729) % 1009 - 504) / 100;
    return moru_constant(graph, MORU_REAL, *shape, *data);
}

/* Where output element k reads an operand. */
static int64_t reads(const moru_shape *out, const moru_shape *in, int64_t k)
{
    int64_t at = 0, stride = 1;
    for (int i = out->rank - 1, j = in->rank - 1; i >= 0; i--, j--) {
        int64_t index = k % out->dims[i];
        k /= out->dims[i];
        if (j >= 0) {
            at += (in->dims[j] == 1 ? 0 : index) * stride;
            stride *= in->dims[j];
        }
    }
    return at;
}

START_TEST(broadcasting)
{
    moru_real *a, *b;
    moru_node *x = varied(&pairs[_i].a, &a, 1), *y = varied(&pairs[_i].b, &b, 2);
    moru_node *ys[] = {moru_sub(x, y), moru_less(y, x), moru_where(moru_add_scalar(x, 0), y, moru_scalar(graph, 9))};
    moru_shape out = *moru_node_shape(ys[0]);
    for (int threads = 1; threads <= 8; threads = threads < 3 ? threads + 1 : threads + 5) {
        moru_program *program = computed(ys, COUNT(ys), threads);
        for (int64_t k = 0; k < size_of(&out); k++) {
            moru_real p = a[reads(&out, &pairs[_i].a, k)], q = b[reads(&out, &pairs[_i].b, k)];
            CHECK(values(program, 0)[k] == p - q, "sub, element %lld", (long long)k);
            CHECK(values(program, 1)[k] == (q < p), "less, element %lld", (long long)k);
            CHECK(values(program, 2)[k] == (p != 0 ? q : 9), "where, element %lld", (long long)k);
        }
        moru_program_free(program);
    }
    free(a);
    free(b);
}
END_TEST

/* ---- reductions against loops ---- */

static const moru_shape reduced_shapes[] = {
    MORU_SHAPE(3, 1, 4, 2, 5), MORU_SHAPE(2, 3, 4), MORU_SHAPE(7), {0, {0}}, MORU_SHAPE(2, 2, 2, 2, 2, 2, 2, 2),
    MORU_SHAPE(300, 400), MORU_SHAPE(3, 50000), MORU_SHAPE(50000, 3), MORU_SHAPE(2, 0, 3), MORU_SHAPE(0),
    MORU_SHAPE(2, 3, 0, 2, 3, 2),
};

/* Sum, largest and count of the elements whose kept indices are those of output element k. */
static void by_loop(const moru_shape *shape, unsigned mask, const moru_real *x, double *sum, double *product,
                    double *largest)
{
    int64_t n = size_of(shape);
    for (int64_t k = 0; k < n; k++) {
        int64_t rest = k, at = 0, stride = 1;
        for (int i = shape->rank - 1; i >= 0; i--) {
            int64_t index = rest % shape->dims[i];
            rest /= shape->dims[i];
            if (!(mask >> i & 1)) {
                at += index * stride;
                stride *= shape->dims[i];
            }
        }
        sum[at] += x[k];
        product[at] *= x[k];
        largest[at] = fmax(largest[at], x[k]);
    }
}

static void check_reduction(const moru_shape *shape, unsigned mask)
{
    moru_real *data;
    int axes[8], n = 0;
    int64_t left = 1, count = 1;
    for (int k = 0; k < shape->rank; k++) {
        if (mask >> k & 1)
            axes[n++] = k;
        *(mask >> k & 1 ? &count : &left) *= shape->dims[k];
    }
    setup();
    moru_node *x = varied(shape, &data, 3);
    const int *list = n ? axes : (int[]){0};
    moru_node *ys[] = {moru_sum(x, list, n, false), moru_mean(x, list, n, true), moru_prod(x, list, n, false),
                       count > 0 ? moru_max(x, list, n, false) : moru_sum(x, list, n, false)};
    double *expected = malloc((size_t)(3 * left + 3) * sizeof *expected);
    for (int64_t k = 0; k < left; k++) {
        expected[k] = 0;
        expected[left + k] = 1;
        expected[2 * left + k] = -INFINITY;
    }
    by_loop(shape, mask, data, expected, expected + left, expected + 2 * left);
    for (int threads = 1; threads < 4; threads++) {
        moru_program *program = computed(ys, COUNT(ys), threads);
        for (int64_t k = 0; k < left; k++) {
            double sum = expected[k], scale = 1 + (double)count * 5;
            CHECK(fabs(values(program, 0)[k] - sum) <= 1e-6 * scale, "sum %lld", (long long)k);
            CHECK(count ? fabs(values(program, 1)[k] - sum / (double)count) <= 1e-5 : isnan(values(program, 1)[k]),
                  "mean %lld", (long long)k);
            if (count < 20) /* more of them overflow */
                CHECK(close_to(values(program, 2)[k], expected[left + k]), "product %lld", (long long)k);
            if (count > 0)
                CHECK(values(program, 3)[k] == expected[2 * left + k], "max %lld", (long long)k);
        }
        moru_program_free(program);
    }
    free(expected);
    free(data);
    teardown();
}

START_TEST(reductions)
{
    teardown();
    for (unsigned mask = 0; mask < 1u << reduced_shapes[_i].rank; mask++)
        check_reduction(&reduced_shapes[_i], mask);
    setup();
}
END_TEST

START_TEST(equal_extremes_share)
{
    moru_node *x = REALS(MORU_SHAPE(2, 4), 1, 3, 3, 2, 5, 5, 5, 0);
    EXPECT(gradient(moru_max(x, (int[]){1}, 1, false), x), 0, 0.5, 0.5, 0, 1. / 3, 1. / 3, 1. / 3, 0);
    EXPECT(gradient(moru_min(x, NULL, 0, false), x), 0, 0, 0, 0, 0, 0, 0, 1);
    EXPECT(gradient(moru_max(x, NULL, 0, true), x), 0, 0, 0, 0, 1. / 3, 1. / 3, 1. / 3, 0);
}
END_TEST

START_TEST(products_with_zeros)
{
    moru_node *x = REALS(MORU_SHAPE(3, 3), 2, 3, 4, 2, 0, 4, 0, 0, 4);
    moru_node *grad = gradient(moru_prod(x, (int[]){1}, 1, false), x);
    EXPECT(grad, 12, 8, 6, 0, 8, 0, 0, 0, 0);
    /* the matrices of second derivatives, times ones */
    EXPECT(gradient(grad, x), 7, 6, 5, 4, 6, 2, 4, 4, 0);
}
END_TEST

START_TEST(empty_sets)
{
    moru_node *x = moru_constant(graph, MORU_REAL, MORU_SHAPE(2, 0), NULL);
    EXPECT(moru_sum(x, (int[]){1}, 1, false), 0, 0);
    EXPECT(moru_prod(x, (int[]){1}, 1, false), 1, 1);
    EXPECT(moru_mean(x, (int[]){1}, 1, false), NAN, NAN);
    EXPECT(moru_sum_all(x), 0);
    EXPECT(moru_sum_to(x, moru_scalar(graph, 1)), 0);
    moru_node *y = moru_softmax(x, 1);
    moru_program *program = computed(&y, 1, 1);
    ck_assert(moru_shape_equal(moru_tensor_shape(moru_program_output(program, 0)), &MORU_SHAPE(2, 0)));
    moru_program_free(program);
}
END_TEST

START_TEST(variances)
{
    moru_node *x = REALS(MORU_SHAPE(2, 4), 1, 2, 3, 4, 0, 0, 4, 4);
    EXPECT(moru_variance(x, (int[]){1}, 1, false, 0), 1.25, 4);
    EXPECT(moru_variance(x, (int[]){1}, 1, true, 1), 5. / 3, 16. / 3);
    EXPECT(moru_variance(REALS(MORU_SHAPE(1), 3), NULL, 0, false, 1), NAN);
}
END_TEST

START_TEST(logsumexp_doesnt_overflow)
{
    moru_node *x = REALS(MORU_SHAPE(5, 2), 1000, 1000, -1000, -1000, -INFINITY, -INFINITY, INFINITY, 0, -INFINITY, 3);
    EXPECT(moru_logsumexp(x, (int[]){1}, 1, false), 1000 + M_LN2, -1000 + M_LN2, -INFINITY, INFINITY, 3);
    moru_node *z = REALS(MORU_SHAPE(2), 1000, 1000);
    EXPECT(gradient(moru_logsumexp(z, NULL, 0, false), z), 0.5, 0.5);
}
END_TEST

START_TEST(arguments_of_extremes)
{
    moru_node *x = REALS(MORU_SHAPE(2, 3), 1, 3, 3, 0, -1, -1);
    moru_node *ys[] = {moru_argmax(x, 1), moru_argmin(x, -1), moru_argmax(x, 0)};
    static const int32_t expected[] = {1, 0, 0, 1, 0, 0, 0};
    moru_program *program = computed(ys, COUNT(ys), 2);
    for (int k = 0, at = 0; k < COUNT(ys); k++) {
        const moru_tensor *y = moru_program_output(program, k);
        for (int64_t i = 0; i < moru_tensor_size(y); i++)
            ck_assert_int_eq(((const int32_t *)moru_tensor_const_data(y))[i], expected[at++]);
    }
    moru_program_free(program);
}
END_TEST

/* ---- open sizes ---- */

/* The number of elements that a mean divides by is known only when the program is compiled. */
START_TEST(gradient_of_a_mean_over_an_open_size)
{
    moru_node *x = moru_placeholder(graph, "x", MORU_REAL, MORU_SHAPE(moru_symbol(graph, "n"), 2)), *grad;
    moru_node *y = moru_add(moru_mean_all(moru_square(x)), moru_sum_all(moru_variance(x, (int[]){0}, 1, false, 1)));
    ck_assert_int_eq(moru_gradients(y, &x, 1, &grad), MORU_OK);
    for (int n = 2; n <= 4; n++) {
        moru_real data[] = {1, 2, 3, 4, 5, 6, 7, 8};
        moru_program *program = NULL;
        moru_program_options options = {.inputs = &x, .input_shapes = &MORU_SHAPE(n, 2), .n_inputs = 1,
                                        .outputs = &grad,
                                        .n_outputs = 1, .threads = 1};
        ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s", moru_last_error());
        ck_assert_int_eq(moru_program_bind(program, 0, data), MORU_OK);
        ck_assert_int_eq(moru_program_run(program), MORU_OK);
        for (int i = 0; i < 2 * n; i++) {
            double mean = i % 2 + n, wanted = 2 * data[i] / (2 * n) + 2 * (data[i] - mean) / (n - 1);
            ck_assert_msg(close_to(values(program, 0)[i], wanted), "%d rows, element %d: %g, not %g", n, i,
                          (double)values(program, 0)[i], wanted);
        }
        moru_program_free(program);
    }
}
END_TEST

/* ---- softmax and losses ---- */

START_TEST(softmax_of_large_numbers)
{
    moru_node *x = REALS(MORU_SHAPE(2, 2), 1000, 1000, -1000, 1000);
    EXPECT(moru_softmax(x, 1), 0.5, 0.5, 0, 1);
    EXPECT(moru_log_softmax(x, 1), -M_LN2, -M_LN2, -2000, 0);
    EXPECT(moru_softmax(x, 0), 1, 0.5, 0, 0.5);
}
END_TEST

START_TEST(losses)
{
    moru_node *z = REALS(MORU_SHAPE(2, 2), 0, 0, 0, 1000), *t = REALS(MORU_SHAPE(2, 2), 0.5, 0.5, 1, 0);
    moru_node *labels = moru_constant(graph, MORU_INT32, MORU_SHAPE(2), (int32_t[]){1, 0});
    EXPECT(moru_sparse_cross_entropy(z, labels), M_LN2, 1000);
    EXPECT(gradient(moru_sparse_cross_entropy(z, labels), z), 0.5, -0.5, -1, 1);
    EXPECT(moru_cross_entropy(z, t), M_LN2, 1000);
    EXPECT(moru_sigmoid_cross_entropy(z, t), M_LN2, M_LN2, M_LN2, 1000);
    EXPECT(gradient(moru_sigmoid_cross_entropy(z, t), z), 0, 0, -0.5, 1);
    EXPECT(moru_sigmoid_cross_entropy(z, moru_scalar(graph, 1)), M_LN2, M_LN2, M_LN2, 0);
    EXPECT(moru_mean_squared_error(REALS(MORU_SHAPE(2), 1, 2), REALS(MORU_SHAPE(2), 2, 4)), 2.5);
}
END_TEST

START_TEST(labels_out_of_range)
{
    static const int32_t bad[] = {12, -1, 10, INT32_MAX, INT32_MIN};
    int32_t labels[] = {0, 9, 4, 2};
    moru_node *z = moru_placeholder(graph, "z", MORU_REAL, MORU_SHAPE(4, 10));
    moru_node *target = moru_placeholder(graph, "target", MORU_INT32, MORU_SHAPE(4));
    moru_graph_push_name(graph, "classifier");
    moru_node *y = moru_sparse_cross_entropy(z, target);
    moru_graph_pop_name(graph);
    moru_real logits[40] = {0};
    moru_program *program = NULL;
    moru_program_options options = {.inputs = (moru_node *[]){z, target}, .n_inputs = 2, .outputs = &y, .n_outputs = 1};
    ck_assert_int_eq(moru_program_new(&program, &options), MORU_OK);
    ck_assert_int_eq(moru_program_bind(program, 0, logits), MORU_OK);
    ck_assert_int_eq(moru_program_bind(program, 1, labels), MORU_OK);
    ck_assert_int_eq(moru_program_run(program), MORU_OK);
    labels[3] = bad[_i];
    ck_assert_int_eq(moru_program_run(program), MORU_ERR_RANGE);
    char words[64];
    snprintf(words, sizeof words, "label %d at position 3 is outside 0..9", (int)bad[_i]);
    ck_assert_msg(strstr(moru_last_error(), words) && strstr(moru_last_error(), "classifier"), "%s", moru_last_error());
    labels[3] = 0; /* and the program can be used on */
    ck_assert_int_eq(moru_program_run(program), MORU_OK);
    moru_program_free(program);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("values of elementwise ops, reductions and losses");
    TCase *cases = tcase_create("values");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, single_points, 0, COUNT(points));
    tcase_add_test(cases, with_numbers);
    tcase_add_test(cases, equal_operands_share);
    tcase_add_test(cases, powers_of_nothing);
    tcase_add_test(cases, comparisons);
    tcase_add_test(cases, where_takes_no_harm_from_the_other_side);
    tcase_add_loop_test(cases, broadcasting, 0, COUNT(pairs));
    tcase_add_loop_test(cases, reductions, 0, COUNT(reduced_shapes));
    tcase_add_test(cases, equal_extremes_share);
    tcase_add_test(cases, products_with_zeros);
    tcase_add_test(cases, empty_sets);
    tcase_add_test(cases, variances);
    tcase_add_test(cases, logsumexp_doesnt_overflow);
    tcase_add_test(cases, arguments_of_extremes);
    tcase_add_test(cases, gradient_of_a_mean_over_an_open_size);
    tcase_add_test(cases, softmax_of_large_numbers);
    tcase_add_test(cases, losses);
    tcase_add_loop_test(cases, labels_out_of_range, 0, 5);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int wrong = srunner_ntests_failed(runner);
    srunner_free(runner);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
