/* Initializers: ranges, moments and structure of what they draw; independence of order. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru/model.h>

#include "core/status.h"
#include "layers/layer.h"

static moru_tensor *drawn(const char *spec, moru_shape shape, uint64_t seed, uint64_t stream)
{
    moru_tensor *tensor = moru_tensor_new(MORU_REAL, shape);
    moru_status status = moru_initialize(spec, tensor, seed, stream);
    ck_assert_msg(status == MORU_OK, "%s: %s", spec, moru_last_error());
    return tensor;
}

typedef struct moments { double mean, deviation, low, high; } moments;

static moments measure(const char *spec, moru_shape shape)
{
    moru_tensor *tensor = drawn(spec, shape, 7, 11);
    const moru_real *x = moru_tensor_const_data(tensor);
    double n = (double)moru_tensor_size(tensor), sum = 0, squares = 0;
    moments m = {.low = INFINITY, .high = -INFINITY};
    for (int64_t i = 0; i < moru_tensor_size(tensor); i++) {
        sum += x[i];
        squares += (double)x[i] * x[i];
        m.low = fmin(m.low, x[i]);
        m.high = fmax(m.high, x[i]);
    }
    m.mean = sum / n;
    m.deviation = sqrt(squares / n - m.mean * m.mean);
    moru_tensor_free(tensor);
    return m;
}

/* 40,000 numbers: the deviation's own error is below 1 %, the mean's below 2 % of the deviation. */
static void assert_moments(const char *spec, moru_shape shape, double mean, double deviation, double limit)
{
    moments m = measure(spec, shape);
    ck_assert_msg(fabs(m.mean - mean) < 0.02 * deviation, "%s: mean %g, not %g", spec, m.mean, mean);
    ck_assert_msg(fabs(m.deviation / deviation - 1) < 0.015, "%s: deviation %g, not %g", spec, m.deviation, deviation);
    ck_assert_msg(m.low >= mean - limit * 1.000001 && m.high <= mean + limit * 1.000001, "%s: %g to %g", spec, m.low,
                  m.high);
    if (isfinite(limit))
        ck_assert_msg(m.low < mean - 0.97 * limit && m.high > mean + 0.97 * limit, "%s: %g to %g", spec, m.low, m.high);
}

START_TEST(test_constants)
{
    static const struct { const char *spec; double value; } cases[] = {
        {"zeros", 0}, {"Zeros", 0}, {"ones", 1}, {"constant(2.5)", 2.5}, {"constant(value=-1)", -1}, {"constant", 0},
        {"{\"class_name\":\"Constant\",\"config\":{\"value\":0.5}}", 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        moru_tensor *tensor = drawn(cases[i].spec, MORU_SHAPE(3, 2), 0, 0);
        for (int k = 0; k < 6; k++)
            ck_assert(((moru_real *)moru_tensor_data(tensor))[k] == (moru_real)cases[i].value);
        moru_tensor_free(tensor);
    }
}
END_TEST

START_TEST(test_uniform_and_normal)
{
    moru_shape shape = MORU_SHAPE(200, 200);
    assert_moments("random_uniform", shape, 0, 0.05 / sqrt(3), 0.05);
    assert_moments("uniform", shape, 0, 0.05 / sqrt(3), 0.05);
    assert_moments("random_uniform(minval=1, maxval=3)", shape, 2, 1 / sqrt(3), 1);
    assert_moments("random_normal", shape, 0, 0.05, INFINITY);
    assert_moments("random_normal(mean=1, stddev=0.5)", shape, 1, 0.5, INFINITY);
    assert_moments("truncated_normal", shape, 0, 0.05 * .87962566103423978, 0.1);
}
END_TEST

START_TEST(test_variance_scaling)
{
    moru_shape matrix = MORU_SHAPE(400, 100), kernel = MORU_SHAPE(3, 5, 40, 80); /* fans 600 and 1200 */
    assert_moments("glorot_uniform", matrix, 0, sqrt(2.0 / 500), sqrt(6.0 / 500));
    assert_moments("glorot_uniform", kernel, 0, sqrt(2.0 / 1800), sqrt(6.0 / 1800));
    assert_moments("glorot_normal", matrix, 0, sqrt(2.0 / 500), 2 * sqrt(2.0 / 500) / .87962566103423978);
    assert_moments("he_uniform", matrix, 0, sqrt(2.0 / 400), sqrt(6.0 / 400));
    assert_moments("he_normal", kernel, 0, sqrt(2.0 / 600), 2 * sqrt(2.0 / 600) / .87962566103423978);
    assert_moments("lecun_uniform", matrix, 0, sqrt(1.0 / 400), sqrt(3.0 / 400));
    assert_moments("lecun_normal", kernel, 0, sqrt(1.0 / 600), 2 * sqrt(1.0 / 600) / .87962566103423978);
    assert_moments("variance_scaling(3, fan_out, uniform)", kernel, 0, sqrt(3.0 / 1200), sqrt(9.0 / 1200));
    assert_moments("variance_scaling(distribution=untruncated_normal)", matrix, 0, sqrt(1.0 / 400), INFINITY);
    assert_moments("glorot_uniform", MORU_SHAPE(40000), 0, sqrt(1.0 / 40000), sqrt(3.0 / 40000));
}
END_TEST

/* Rows, or columns if there are fewer of those, are of length gain and orthogonal. */
static void assert_orthogonal(const char *spec, moru_shape shape, double gain)
{
    moru_tensor *tensor = drawn(spec, shape, 3, 4);
    const moru_real *x = moru_tensor_const_data(tensor);
    int64_t columns = shape.dims[shape.rank - 1], rows = moru_tensor_size(tensor) / columns;
    bool wide = rows < columns;
    int64_t count = wide ? rows : columns, length = wide ? columns : rows;
    for (int64_t a = 0; a < count; a++)
        for (int64_t b = 0; b <= a; b++) {
            double dot = 0;
            for (int64_t i = 0; i < length; i++)
                dot += (double)(wide ? x[a * columns + i] : x[i * columns + a]) *
                       (double)(wide ? x[b * columns + i] : x[i * columns + b]);
            ck_assert_msg(fabs(dot - (a == b ? gain * gain : 0)) < 1e-5, "%s: (%d,%d) %g", spec, (int)a, (int)b, dot);
        }
    moru_tensor_free(tensor);
}

START_TEST(test_orthogonal_and_identity)
{
    assert_orthogonal("orthogonal", MORU_SHAPE(40, 40), 1);
    assert_orthogonal("orthogonal(gain=2)", MORU_SHAPE(7, 30), 2);
    assert_orthogonal("Orthogonal", MORU_SHAPE(3, 3, 8, 5), 1);
    moru_tensor *tensor = drawn("identity(2)", MORU_SHAPE(3, 4), 0, 0);
    for (int i = 0; i < 12; i++)
        ck_assert(((moru_real *)moru_tensor_data(tensor))[i] == (i / 4 == i % 4 ? 2 : 0));
    moru_tensor_free(tensor);
}
END_TEST

START_TEST(test_bad_specs)
{
    static const struct { const char *spec; moru_shape shape; const char *part; } cases[] = {
        {"he", {2, {2, 2}}, "\"he\""}, {"orthogonal", {1, {4}}, "two or more"}, {"identity", {3, {2, 2, 2}},
                                                                                 "matrices"},
        {"variance_scaling(0)", {2, {2, 2}}, "positive scale"}, {"variance_scaling(mode=fan)", {2, {2, 2}}, "fan_in"},
        {"variance_scaling(distribution=cauchy)", {2, {2, 2}}, "cauchy"}, {"zeros(1)", {1, {2}}, "too many"},
        {"{\"class_name\":\"GlorotUniform\",\"config\":{\"input_axes\":[0]}}", {2, {2, 2}}, "input_axes"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        moru_tensor *tensor = moru_tensor_new(MORU_REAL, cases[i].shape);
        ck_assert_msg(moru_initialize(cases[i].spec, tensor, 0, 0) != MORU_OK, "%s", cases[i].spec);
        ck_assert_msg(strstr(moru_last_error(), cases[i].part) != NULL, "%s", moru_last_error());
        moru_tensor_free(tensor);
    }
}
END_TEST

static bool same(const moru_tensor *a, const moru_tensor *b)
{
    return memcmp(moru_tensor_const_data(a), moru_tensor_const_data(b),
                  (size_t)moru_tensor_size(a) * sizeof(moru_real)) == 0;
}

START_TEST(test_seeds_and_streams)
{
    moru_tensor *a = drawn("he_normal", MORU_SHAPE(20, 20), 1, 2), *b = drawn("he_normal", MORU_SHAPE(20, 20), 1, 2);
    moru_tensor *c = drawn("he_normal", MORU_SHAPE(20, 20), 2, 2), *d = drawn("he_normal", MORU_SHAPE(20, 20), 1, 3);
    ck_assert(same(a, b));
    ck_assert(!same(a, c));
    ck_assert(!same(a, d));
    moru_tensor_free(a);
    moru_tensor_free(b);
    moru_tensor_free(c);
    moru_tensor_free(d);
}
END_TEST

static moru_model *two_layers(bool first_first)
{
    moru_model *m = moru_functional("m");
    moru_node *x = moru_model_input(m, "x", (int64_t[]){4}, 1), *outputs[2];
    for (int i = 0; i < 2; i++) {
        bool first = (i == 0) == first_first;
        outputs[i] = moru_apply(moru_dense(.units = 5, .name = first ? "first" : "second"), x);
    }
    ck_assert_int_eq(moru_model_outputs(m, outputs, 2), MORU_OK);
    return m;
}

/* Weights follow from the model's seed and their own names. */
START_TEST(test_order_of_layers_does_not_matter)
{
    moru_model *a = two_layers(true), *b = two_layers(false);
    moru_tensor *first = moru_layer_weight_at(moru_model_layer(a, "first"), 0, NULL);
    moru_tensor *second = moru_layer_weight_at(moru_model_layer(a, "second"), 0, NULL);
    moru_tensor *again = moru_layer_weight_at(moru_model_layer(b, "first"), 0, NULL);
    ck_assert(same(first, again));
    ck_assert(!same(first, second));
    moru_tensor *before = moru_tensor_from(MORU_REAL, *moru_tensor_shape(first), moru_tensor_const_data(first));
    ck_assert_int_eq(moru_model_initialize(a, 5), MORU_OK);
    ck_assert(!same(first, before));
    ck_assert_int_eq(moru_model_initialize(b, 5), MORU_OK);
    ck_assert(same(first, again));
    ck_assert_int_eq(moru_model_initialize(a, 0), MORU_OK);
    ck_assert(same(first, before));
    moru_tensor_free(before);
    moru_model_free(a);
    moru_model_free(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("initializers");
    TCase *tests = tcase_create("initializers");
    tcase_add_test(tests, test_constants);
    tcase_add_test(tests, test_uniform_and_normal);
    tcase_add_test(tests, test_variance_scaling);
    tcase_add_test(tests, test_orthogonal_and_identity);
    tcase_add_test(tests, test_bad_specs);
    tcase_add_test(tests, test_seeds_and_streams);
    tcase_add_test(tests, test_order_of_layers_does_not_matter);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
