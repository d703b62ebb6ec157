/* What tests of ops by their values share: a graph for each test, constants, expectations, refusals. */
#ifndef MORU_TESTS_OPS_TEST_H
#define MORU_TESTS_OPS_TEST_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <moru.h>

#define OPS_TEST static __attribute__((unused))

static moru_graph *g;

OPS_TEST void setup(void)
{
    g = moru_graph_new();
}

OPS_TEST void teardown(void)
{
    moru_graph_free(g);
}

#define REALS(shape, ...) moru_constant(g, MORU_REAL, shape, (moru_real[]){__VA_ARGS__})
#define INTS(shape, ...) moru_constant(g, MORU_INT32, shape, (int32_t[]){__VA_ARGS__})
#define S(...) MORU_SHAPE(__VA_ARGS__)
#define COUNT(type, ...) ((int64_t)(sizeof((type[]){__VA_ARGS__}) / sizeof(type)))

OPS_TEST moru_node *real(moru_shape shape)
{
    return moru_placeholder(g, "x", MORU_REAL, shape);
}

/* A program that computes y; the caller frees it. */
OPS_TEST moru_program *computed(moru_node *y, int threads)
{
    moru_program *program = NULL;
    ck_assert_msg(moru_graph_status(g) == MORU_OK, "%s", moru_graph_error(g));
    moru_program_options options = {.outputs = &y, .n_outputs = 1, .threads = threads, .without = MORU_PASS_FOLD};
    ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s", moru_last_error());
    ck_assert_msg(moru_program_run(program) == MORU_OK, "%s", moru_last_error());
    return program;
}

OPS_TEST void expect(moru_node *y, moru_shape shape, const double *want, int64_t n, moru_dtype dtype, int line)
{
    char text[MORU_SHAPE_TEXT];
    moru_program *program = computed(y, 2);
    const moru_tensor *got = moru_program_output(program, 0);
    ck_assert_msg(moru_shape_equal(moru_tensor_shape(got), &shape), "line %d: shape %s", line,
                  moru_shape_print(moru_tensor_shape(got), text, sizeof text));
    ck_assert_int_eq(moru_tensor_size(got), n);
    ck_assert_int_eq(moru_tensor_dtype(got), dtype);
    for (int64_t i = 0; i < n; i++) {
        const void *data = moru_tensor_const_data(got);
        double value = dtype == MORU_REAL ? (double)((const moru_real *)data)[i] : ((const int32_t *)data)[i];
        bool same = value == want[i] || (isnan(value) && isnan(want[i])) ||
                    fabs(value - want[i]) <= 2e-6 * (1 + fabs(want[i]));
        ck_assert_msg(same, "line %d: element %d is %.8g, not %.8g", line, (int)i, value, want[i]);
    }
    moru_program_free(program);
}
#define EXPECT(y, shape, ...) \
    expect(y, shape, (double[]){__VA_ARGS__}, COUNT(double, __VA_ARGS__), MORU_REAL, __LINE__)
#define EXPECT_INTS(y, shape, ...) \
    expect(y, shape, (double[]){__VA_ARGS__}, COUNT(double, __VA_ARGS__), MORU_INT32, __LINE__)
#define EXPECT_EMPTY(y, shape) expect(y, shape, (double[1]){0}, 0, MORU_REAL, __LINE__)

/* y has failed as told, and the graph can be used for the next one. */
OPS_TEST void refused(moru_node *y, moru_status status, const char *words, int line)
{
    ck_assert_msg(moru_graph_status(g) == status, "line %d: status %s, \"%s\"", line,
                  moru_status_name(moru_graph_status(g)), moru_graph_error(g));
    for (const char *word = words; *word; word += strcspn(word, "|"), word += *word == '|') {
        char part[96];
        snprintf(part, sizeof part, "%.*s", (int)strcspn(word, "|"), word);
        ck_assert_msg(strstr(moru_graph_error(g), part), "line %d: \"%s\" lacks \"%s\"", line, moru_graph_error(g),
                      part);
    }
    ck_assert_ptr_eq(moru_identity(y), y); /* what is built on it is inert */
    teardown();
    setup();
}
#define REFUSED(y, status, words) refused((y), (status), (words), __LINE__)

OPS_TEST moru_node *gradient(moru_node *y, moru_node *x)
{
    moru_node *grad = NULL;
    ck_assert_msg(moru_gradients(y, &x, 1, &grad) == MORU_OK, "%s", moru_last_error());
    return grad;
}

/* The same bits on one thread and on five. */
OPS_TEST void same_bits(moru_node *y)
{
    moru_program *one = computed(y, 1), *five = computed(y, 5);
    const moru_tensor *a = moru_program_output(one, 0), *b = moru_program_output(five, 0);
    size_t bytes = (size_t)moru_tensor_size(a) * (moru_tensor_dtype(a) == MORU_REAL ? sizeof(moru_real) : 4);
    ck_assert(memcmp(moru_tensor_const_data(a), moru_tensor_const_data(b), bytes) == 0);
    moru_program_free(one);
    moru_program_free(five);
}

OPS_TEST moru_node *noise(moru_shape shape)
{
    return moru_random_normal_op(g, shape, 0, 1);
}

#endif
