/* Values of ops against examples worked out by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>

static moru_graph *g;

static void setup(void)
{
    g = moru_graph_new();
}

static void teardown(void)
{
    moru_graph_free(g);
}

#define REALS(shape, ...) moru_constant(g, MORU_REAL, shape, (moru_real[]){__VA_ARGS__})
#define INTS(shape, ...) moru_constant(g, MORU_INT32, shape, (int32_t[]){__VA_ARGS__})
#define S(...) MORU_SHAPE(__VA_ARGS__)
#define COUNT(type, ...) ((int64_t)(sizeof((type[]){__VA_ARGS__}) / sizeof(type)))

/* A program that computes y; the caller frees it. */
static moru_program *computed(moru_node *y, uint64_t step)
{
    moru_program *program = NULL;
    ck_assert_msg(moru_graph_status(g) == MORU_OK, "%s", moru_graph_error(g));
    moru_program_options options = {.outputs = &y, .n_outputs = 1, .threads = 2, .seed = 7};
    ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s", moru_last_error());
    moru_program_set_step(program, step);
    ck_assert_msg(moru_program_run(program) == MORU_OK, "%s", moru_last_error());
    return program;
}

static void expect(moru_node *y, moru_shape shape, const moru_real *want, const int32_t *want_int, int64_t n, int line)
{
    char text[MORU_SHAPE_TEXT];
    moru_program *program = computed(y, 0);
    const moru_tensor *got = moru_program_output(program, 0);
    ck_assert_msg(moru_shape_equal(moru_tensor_shape(got), &shape), "line %d: shape %s", line,
                  moru_shape_print(moru_tensor_shape(got), text, sizeof text));
    ck_assert_int_eq(moru_tensor_size(got), n);
    ck_assert_int_eq(moru_tensor_dtype(got), want ? MORU_REAL : MORU_INT32);
    for (int64_t i = 0; i < n; i++) {
        double value = want ? (double)((const moru_real *)moru_tensor_const_data(got))[i]
                            : (double)((const int32_t *)moru_tensor_const_data(got))[i];
        double wish = want ? (double)want[i] : (double)want_int[i];
        ck_assert_msg(fabs(value - wish) <= 1e-5 * (1 + fabs(wish)), "line %d: element %d is %.8g, not %.8g", line,
                      (int)i,
                      value, wish);
    }
    moru_program_free(program);
}

#define EXPECT(y, shape, ...) \
    expect(y, shape, (moru_real[]){__VA_ARGS__}, NULL, COUNT(moru_real, __VA_ARGS__), __LINE__)
#define EXPECT_INTS(y, shape, ...) \
    expect(y, shape, NULL, (int32_t[]){__VA_ARGS__}, COUNT(int32_t, __VA_ARGS__), __LINE__)
#define EXPECT_EMPTY(y, shape) expect(y, shape, (moru_real[1]){0}, NULL, 0, __LINE__)

/* ---- shapes ---- */

START_TEST(test_reshape)
{
    moru_node *x = REALS(S(2, 3), 1, 2, 3, 4, 5, 6), *k = INTS(S(2, 2), 1, 2, 3, 4);
    EXPECT(moru_reshape(x, (int64_t[]){3, -1}, 2), S(3, 2), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_reshape_like(x, REALS(S(6), 0, 0, 0, 0, 0, 0)), S(6), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_flatten_from(x, 0), S(6), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_flatten_from(x, 2), S(2, 3, 1), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_expand_dims(x, 1), S(2, 1, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_squeeze(moru_expand_dims(x, -1), -1), S(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT_INTS(moru_reshape(k, (int64_t[]){4}, 1), S(4), 1, 2, 3, 4);
    EXPECT(moru_flatten_from(moru_scalar(g, 7), 0), S(1), 7);
}
END_TEST

START_TEST(test_transpose)
{
    moru_node *x = REALS(S(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_transpose(x, NULL), S(3, 2), 1, 4, 2, 5, 3, 6);
    EXPECT(moru_transpose(REALS(S(1, 2, 3), 1, 2, 3, 4, 5, 6), (int[]){2, 0, 1}), S(3, 1, 2), 1, 4, 2, 5, 3, 6);
    EXPECT_INTS(moru_transpose(INTS(S(2, 2), 1, 2, 3, 4), NULL), S(2, 2), 1, 3, 2, 4);
    EXPECT(moru_transpose(moru_scalar(g, 3), NULL), MORU_SCALAR_SHAPE, 3);
}
END_TEST

START_TEST(test_broadcast)
{
    EXPECT(moru_broadcast_to(REALS(S(2, 1), 1, 2), (int64_t[]){2, 2, 2}, 3), S(2, 2, 2), 1, 1, 2, 2, 1, 1, 2, 2);
    EXPECT(moru_broadcast_like(moru_scalar(g, 4), REALS(S(3), 0, 0, 0)), S(3), 4, 4, 4);
    EXPECT_INTS(moru_broadcast_to(INTS(S(2), 1, 2), (int64_t[]){2, 2}, 2), S(2, 2), 1, 2, 1, 2);
    EXPECT_EMPTY(moru_broadcast_to(REALS(S(1, 2), 1, 2), (int64_t[]){0, 2}, 2), S(0, 2));
}
END_TEST

START_TEST(test_slice)
{
    moru_node *x = REALS(S(2, 4), 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT(moru_slice(x, 1, 1, 3, 1), S(2, 2), 2, 3, 6, 7);
    EXPECT(moru_slice(x, 1, 0, MORU_SLICE_END, 2), S(2, 2), 1, 3, 5, 7);
    EXPECT(moru_slice(x, 0, -1, MORU_SLICE_END, 1), S(1, 4), 5, 6, 7, 8);
    EXPECT(moru_slice(x, -1, MORU_SLICE_END, MORU_SLICE_END, -1), S(2, 4), 4, 3, 2, 1, 8, 7, 6, 5);
    EXPECT(moru_slice(x, 1, 3, 0, -2), S(2, 2), 4, 2, 8, 6);
    EXPECT(moru_slice(x, 1, -3, -1, 1), S(2, 2), 2, 3, 6, 7);
    EXPECT_EMPTY(moru_slice(x, 1, 3, 3, 1), S(2, 0));
    EXPECT_EMPTY(moru_slice(x, 1, 9, MORU_SLICE_END, 1), S(2, 0));
    EXPECT(moru_slice(x, 1, INT64_MIN, INT64_MAX, INT64_MAX), S(2, 1), 1, 5);
    EXPECT_INTS(moru_slice(INTS(S(4), 1, 2, 3, 4), 0, 1, 3, 1), S(2), 2, 3);
}
END_TEST

START_TEST(test_pad)
{
    moru_node *x = REALS(S(2, 2), 1, 2, 3, 4);
    EXPECT(moru_pad(x, (int64_t[]){1, 0}, (int64_t[]){0, 1}, 9), S(3, 3), 9, 9, 9, 1, 2, 9, 3, 4, 9);
    EXPECT_INTS(moru_pad(INTS(S(1), 5), (int64_t[]){1}, (int64_t[]){1}, -3), S(3), -3, 5, -3);
    EXPECT(moru_pad(moru_scalar(g, 2), (int64_t[]){0}, (int64_t[]){0}, 1), MORU_SCALAR_SHAPE, 2);
    EXPECT(moru_pad(moru_slice(x, 0, 0, 0, 1), (int64_t[]){1, 0}, (int64_t[]){0, 0}, 5), S(1, 2), 5, 5);
    EXPECT(moru_pad(REALS(S(1, 2, 1), 1, 2), (int64_t[]){0, 1, 1}, (int64_t[]){1, 0, 0}, 0), S(2, 3, 2), 0, 0, 0, 1, 0,
           2, 0,
           0, 0, 0, 0, 0);
}
END_TEST

START_TEST(test_concat)
{
    moru_node *a = REALS(S(2, 1), 1, 2), *b = REALS(S(2, 2), 3, 4, 5, 6), *c = REALS(S(2, 1), 7, 8);
    EXPECT(moru_concat((moru_node *[]){a, b, c}, 3, 1), S(2, 4), 1, 3, 4, 7, 2, 5, 6, 8);
    EXPECT(moru_concat((moru_node *[]){a, c}, 2, 0), S(4, 1), 1, 2, 7, 8);
    EXPECT(moru_stack((moru_node *[]){a, c}, 2, 0), S(2, 2, 1), 1, 2, 7, 8);
    EXPECT(moru_stack((moru_node *[]){a, c}, 2, -1), S(2, 1, 2), 1, 7, 2, 8);
    EXPECT_INTS(moru_concat((moru_node *[]){INTS(S(1), 1), INTS(S(2), 2, 3)}, 2, 0), S(3), 1, 2, 3);
}
END_TEST

/* ---- indices ---- */

START_TEST(test_gather)
{
    moru_node *x = REALS(S(3, 2), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_gather(x, INTS(S(4), 2, 0, 0, 1), 0), S(4, 2), 5, 6, 1, 2, 1, 2, 3, 4);
    EXPECT(moru_gather(x, INTS(S(1, 3), 1, 0, 1), 1), S(3, 1, 3), 2, 1, 2, 4, 3, 4, 6, 5, 6);
    EXPECT(moru_gather(x, INTS(MORU_SCALAR_SHAPE, 1), 0), S(2), 3, 4);
    EXPECT_INTS(moru_gather(INTS(S(2, 2), 1, 2, 3, 4), INTS(S(1), 1), 1), S(2, 1), 2, 4);
    EXPECT(moru_embedding_op(x, INTS(S(2, 1), 2, 1)), S(2, 1, 2), 5, 6, 3, 4);
}
END_TEST

START_TEST(test_gather_adds_up)
{
    moru_node *x = REALS(S(3, 2), 1, 2, 3, 4, 5, 6), *grad;
    moru_node *y = moru_gather(x, INTS(S(3), 2, 0, 2), 0);
    moru_node *weighted = moru_mul(y, REALS(S(3, 2), 1, 2, 3, 4, 5, 6));
    ck_assert_int_eq(moru_gradients(weighted, &x, 1, &grad), MORU_OK);
    EXPECT(grad, S(3, 2), 3, 4, 0, 0, 6, 8);
}
END_TEST

START_TEST(test_one_hot)
{
    EXPECT(moru_one_hot(INTS(S(2), 2, 0), 3), S(2, 3), 0, 0, 1, 1, 0, 0);
    EXPECT(moru_one_hot(INTS(MORU_SCALAR_SHAPE, 1), 2), S(2), 0, 1);
    EXPECT_EMPTY(moru_one_hot(moru_constant(g, MORU_INT32, S(0), ""), 0), S(0, 0));
}
END_TEST

/* A bad index is found when the program runs, wherever the indices come from. */
static void expect_range_error(moru_node *y, moru_node *indices, const int32_t *data, const char *message)
{
    moru_program *program = NULL;
    moru_program_options options = {.inputs = &indices, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
    ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s", moru_last_error());
    ck_assert_int_eq(moru_program_bind(program, 0, data), MORU_OK);
    ck_assert_int_eq(moru_program_run(program), MORU_ERR_RANGE);
    ck_assert_msg(strstr(moru_last_error(), message), "%s", moru_last_error());
    ck_assert_msg(strstr(moru_last_error(), "tokens"), "%s", moru_last_error());
    moru_program_free(program);
}

START_TEST(test_bad_indices)
{
    moru_node *x = moru_variable(g, "table", S(10, 2)), *grad;
    moru_node *indices = moru_placeholder(g, "indices", MORU_INT32, S(5));
    const int32_t high[] = {0, 1, 9, 12, 99}, low[] = {0, -1, 3, 4, 5};
    moru_graph_push_name(g, "tokens");
    expect_range_error(moru_gather(x, indices, 0), indices, high, "index 12 at position 3 is outside 0..9");
    expect_range_error(moru_gather(x, indices, 0), indices, low, "index -1 at position 1 is outside 0..9");
    expect_range_error(moru_gather(x, indices, 1), indices, high, "index 9 at position 2 is outside 0..1");
    expect_range_error(moru_embedding_op(x, indices), indices, low, "index -1 at position 1 is outside 0..9");
    expect_range_error(moru_one_hot(indices, 12), indices, high, "index 12 at position 3 is outside 0..11");
    expect_range_error(moru_one_hot(indices, 0), indices, high, "nothing to choose from");
    moru_node *y = moru_embedding_op(x, indices);
    ck_assert_int_eq(moru_gradients(y, &x, 1, &grad), MORU_OK);
    expect_range_error(grad, indices, high, "index 12 at position 3 is outside 0..9");
    moru_graph_pop_name(g);
}
END_TEST

START_TEST(test_cast)
{
    moru_node *x = REALS(S(6), 1.9f, -1.9f, 0.5f, NAN, 1e20f, -INFINITY);
    EXPECT_INTS(moru_cast(x, MORU_INT32), S(6), 1, -1, 0, 0, INT32_MAX, INT32_MIN);
    EXPECT(moru_cast(INTS(S(2), 3, -4), MORU_REAL), S(2), 3, -4);
    EXPECT_INTS(moru_cast(INTS(S(2), 3, -4), MORU_INT32), S(2), 3, -4);
    EXPECT(moru_ones_like(x), S(6), 1, 1, 1, 1, 1, 1);
    EXPECT(moru_zeros_like(x), S(6), 0, 0, 0, 0, 0, 0);
    EXPECT_INTS(moru_ones_like(INTS(S(2), 8, 9)), S(2), 1, 1);
}
END_TEST

START_TEST(test_stop_gradient)
{
    moru_node *x = REALS(S(2), 3, 4), *grad;
    EXPECT(moru_stop_gradient(x), S(2), 3, 4);
    EXPECT(moru_identity(x), S(2), 3, 4);
    ck_assert_int_eq(moru_gradients(moru_mul(x, moru_stop_gradient(x)), &x, 1, &grad), MORU_OK);
    EXPECT(grad, S(2), 3, 4); /* not 6, 8 */
}
END_TEST

/* ---- products, windows ---- */

START_TEST(test_matmul)
{
    moru_node *a = REALS(S(2, 3), 1, 2, 3, 4, 5, 6), *b = REALS(S(3, 2), 1, 0, 2, 1, 0, 3);
    moru_node *v = REALS(S(3), 1, 2, 3), *w = REALS(S(2), 1, -1);
    EXPECT(moru_matmul(a, b), S(2, 2), 5, 11, 14, 23);
    EXPECT(moru_matmul_t(b, true, a, true), S(2, 2), 5, 14, 11, 23);
    EXPECT(moru_matmul(a, v), S(2), 14, 32);
    EXPECT(moru_matmul(w, a), S(3), -3, -3, -3);
    EXPECT(moru_matmul(v, v), MORU_SCALAR_SHAPE, 14);
    EXPECT(moru_matmul(moru_reshape(a, (int64_t[]){2, 1, 3}, 3), b), S(2, 1, 2), 5, 11, 14, 23);
    EXPECT(moru_matmul(moru_reshape(a, (int64_t[]){2, 1, 3}, 3), v), S(2, 1), 14, 32);
    /* [2,1,1,2] x [2,2,1]: batches 2,1 and 2 make 2,2 */
    EXPECT(moru_matmul(REALS(S(2, 1, 1, 2), 1, 2, 3, 4), REALS(S(2, 2, 1), 1, 1, 0, 2)), S(2, 2, 1, 1), 3, 4, 7, 8);
    EXPECT(moru_matmul(moru_zeros_like(moru_slice(a, 1, 0, 0, 1)), moru_slice(b, 0, 0, 0, 1)), S(2, 2), 0, 0, 0, 0);
}
END_TEST

START_TEST(test_conv2d_transpose)
{
    moru_node *x = REALS(S(1, 2, 2, 1), 1, 2, 3, 4), *w = REALS(S(2, 2, 1, 1), 1, 10, 100, 1000);
    EXPECT(moru_conv2d_transpose_op(x, w, NULL), S(1, 3, 3, 1), 1, 12, 20, 103, 1234, 2040, 300, 3400, 4000);
    moru_conv2d_transpose_attrs strides = {.strides = {1, 3}, .output_padding = {0, 1}, .pads = {1, 0, 1, 0}};
    EXPECT(moru_conv2d_transpose_op(x, w, &strides), S(1, 2, 5, 1), 1030, 0, 204, 2040, 0, 3000, 0, 400, 4000, 0);
}
END_TEST

START_TEST(test_conv2d)
{
    moru_node *x = REALS(S(1, 3, 3, 1), 1, 2, 3, 4, 5, 6, 7, 8, 9), *w = REALS(S(2, 2, 1, 1), 1, 0, 0, -1);
    EXPECT(moru_conv2d_op(x, w, NULL), S(1, 2, 2, 1), -4, -4, -4, -4);
    moru_conv2d_attrs same = {.padding = MORU_SAME}; /* a row and a column of zeros after */
    EXPECT(moru_conv2d_op(x, w, &same), S(1, 3, 3, 1), -4, -4, 3, -4, -4, 6, 7, 8, 9);
    moru_conv2d_attrs strides = {.strides = {2, 2}, .padding = MORU_SAME};
    EXPECT(moru_conv2d_op(x, w, &strides), S(1, 2, 2, 1), -4, 3, 7, 9);
    moru_conv2d_attrs before = {.padding = MORU_EXPLICIT, .pads = {1, 0, 1, 0}};
    EXPECT(moru_conv2d_op(x, w, &before), S(1, 3, 3, 1), -1, -2, -3, -4, -4, -4, -7, -4, -4);
    moru_conv2d_attrs dilation = {.dilation = {2, 2}};
    EXPECT(moru_conv2d_op(x, w, &dilation), S(1, 1, 1, 1), -8);
    moru_conv2d_attrs groups = {.groups = 2};
    EXPECT(moru_conv2d_op(REALS(S(1, 1, 2, 2), 1, 2, 3, 4), REALS(S(1, 1, 1, 2), 10, 100), &groups), S(1, 1, 2, 2), 10,
           200,
           30, 400);
    EXPECT(moru_conv2d_op(REALS(S(1, 1, 1, 2), 3, 5), REALS(S(1, 1, 2, 2), 1, 2, 3, 4), NULL), S(1, 1, 1, 2), 18, 26);
}
END_TEST

START_TEST(test_pooling)
{
    moru_node *x = REALS(S(1, 3, 3, 1), 1, 2, 3, 4, 5, 6, 7, 8, 9), *grad;
    moru_pool2d_attrs halves = {.size = {2, 2}}, same = {.size = {2, 2}, .padding = MORU_SAME};
    moru_pool2d_attrs counting = same, slide = {.size = {2, 2}, .strides = {1, 1}};
    counting.count_padding = 1;
    EXPECT(moru_max_pool2d(x, &halves), S(1, 1, 1, 1), 5);
    EXPECT(moru_max_pool2d(x, &same), S(1, 2, 2, 1), 5, 6, 8, 9);
    EXPECT(moru_max_pool2d(moru_neg(x), &same), S(1, 2, 2, 1), -1, -3, -7, -9);
    EXPECT(moru_max_pool2d(x, &slide), S(1, 2, 2, 1), 5, 6, 8, 9);
    EXPECT(moru_avg_pool2d(x, &halves), S(1, 1, 1, 1), 3);
    EXPECT(moru_avg_pool2d(x, &same), S(1, 2, 2, 1), 3, 4.5f, 7.5f, 9);
    EXPECT(moru_avg_pool2d(x, &counting), S(1, 2, 2, 1), 3, 2.25f, 3.75f, 2.25f);
    moru_node *flat = moru_ones_like(x); /* equal cells: the first one gets the gradient */
    ck_assert_int_eq(moru_gradients(moru_max_pool2d(flat, &slide), &flat, 1, &grad), MORU_OK);
    EXPECT(grad, S(1, 3, 3, 1), 1, 1, 0, 1, 1, 0, 0, 0, 0);
}
END_TEST

START_TEST(test_layer_norm)
{
    moru_node *x = REALS(S(2, 4), 1, 2, 3, 6, 0, 0, 0, 0), *gamma = REALS(S(4), 2, 2, 2, 4);
    moru_node *beta = REALS(S(4), 1, 1, 1, 0);
    moru_node *y = moru_layer_norm(x, gamma, beta, 1, 0.5); /* first row: mean 3, variance 3.5, deviation 2 */
    EXPECT(y, S(2, 4), -1, 0, 1, 6, 1, 1, 1, 0);
    EXPECT(moru_node_output(y, 1), S(2), 3, 0);
    EXPECT(moru_node_output(y, 2), S(2), 0.5f, (float)(1 / sqrt(0.5)));
    EXPECT(moru_layer_norm(x, NULL, NULL, 1, 0.5), S(2, 4), -1, -0.5f, 0, 1.5f, 0, 0, 0, 0);
    moru_node *all = moru_layer_norm(REALS(S(2, 2), 1, 2, 3, 6), NULL, NULL, 2, 0.5);
    EXPECT(all, S(2, 2), -1, -0.5f, 0, 1.5f);
}
END_TEST

START_TEST(test_attention)
{
    /* weights e^0 : e^(log 3) = 1 : 3 */
    moru_node *q = REALS(S(1, 2, 1, 1), 1, 1), *k = REALS(S(1, 2, 1, 1), 0, (float)(2 * log(3)));
    moru_node *v = REALS(S(1, 2, 1, 2), 4, 0, 8, 4), *mask = REALS(S(2), 0, -INFINITY);
    moru_node *y = moru_attention_op(q, k, v, NULL, 0.5, false);
    EXPECT(y, S(1, 2, 1, 2), 7, 3, 7, 3);
    EXPECT(moru_node_output(y, 1), S(1, 1, 2), (float)log(4), (float)log(4));
    EXPECT(moru_attention_op(q, k, v, NULL, 0.5, true), S(1, 2, 1, 2), 4, 0, 7, 3);
    EXPECT(moru_attention_op(q, k, v, mask, 0.5, false), S(1, 2, 1, 2), 4, 0, 4, 0);
    moru_node *kept = REALS(S(2, 2), 0, 5, 0, 0);
    EXPECT(moru_attention_kept_op(q, k, v, kept, 0.5, false, false), S(1, 2, 1, 2), 8, 4, 6, 2);
    EXPECT(moru_attention_kept_op(q, k, v, kept, 0.5, true, false), S(1, 2, 1, 2), 6, 2, 6, 2);
    EXPECT(moru_attention_kept_op(q, k, v, kept, 0.5, true, true), S(1, 2, 1, 2), 0, 0, 0, 0);
    y = moru_attention_kept_op(q, k, v, kept, 0.5, false, true);
    EXPECT(moru_clip(moru_node_output(y, 1), 0, 99), S(1, 1, 2), (float)log(3), 99);
    EXPECT(moru_band_mask(REALS(S(3, 4), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 1, 1, 0), S(3, 4), 1, 2, 0, 0, 5, 6, 7, 0,
           0, 10, 11, 12);
    EXPECT(moru_causal_mask(REALS(S(2, 3), 1, 2, 3, 4, 5, 6), 9), S(2, 3), 1, 9, 9, 4, 5, 9);
}
END_TEST

START_TEST(test_batch_norm)
{
    moru_node *x = REALS(S(4, 1), 1, 2, 3, 6), *gamma = REALS(S(1), 2), *beta = REALS(S(1), 1);
    moru_node *y = moru_batch_norm(x, gamma, beta, -1, 0.5); /* mean 3, variance 3.5, deviation 2 */
    EXPECT(y, S(4, 1), -1, 0, 1, 4);
    EXPECT(moru_node_output(y, 1), S(1), 3);
    EXPECT(moru_node_output(y, 2), S(1), 3.5f);
    EXPECT(moru_batch_norm(x, NULL, NULL, 1, 0.5), S(4, 1), -1, -0.5f, 0, 1.5f);
    /* channels first: rows and the last axis are averaged over */
    moru_node *images = REALS(S(1, 2, 3), 1, 2, 3, 10, 20, 60);
    moru_node *z = moru_batch_norm(images, NULL, NULL, 1, 0);
    EXPECT(moru_node_output(z, 1), S(2), 2, 30);
    EXPECT(moru_node_output(z, 2), S(2), 2.0f / 3, 1400.0f / 3);
    EXPECT(moru_batch_norm_inference(x, gamma, beta, REALS(S(1), 2), REALS(S(1), 3.5f), -1, 0.5), S(4, 1), 0, 1, 2, 5);
    EXPECT(moru_batch_norm_inference(x, NULL, beta, REALS(S(1), 2), REALS(S(1), 3.5f), -1, 0.5), S(4, 1), 0.5f, 1,
           1.5f, 3);
}
END_TEST

/* ---- random numbers ---- */

enum { MANY = 200000 };

static moru_real *kept(moru_node *y, uint64_t step)
{
    moru_program *program = computed(y, step);
    const moru_tensor *tensor = moru_program_output(program, 0);
    size_t bytes = (size_t)moru_tensor_size(tensor) * sizeof(moru_real);
    moru_real *copy = malloc(bytes);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, moru_tensor_const_data(tensor), bytes);
    moru_program_free(program);
    return copy;
}

static int64_t differing(const moru_real *a, const moru_real *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < MANY; i++)
        n += a[i] != b[i];
    return n;
}

START_TEST(test_dropout)
{
    const double rate = 0.3;
    moru_node *x = moru_broadcast_to(moru_scalar(g, 2), (int64_t[]){MANY}, 1), *grad;
    moru_node *y = moru_dropout_op(x, rate), *other = moru_dropout_op(x, rate);
    moru_real *a = kept(y, 1), *again = kept(y, 1), *next = kept(y, 2), *b = kept(other, 1);
    int64_t n = 0;
    for (int64_t i = 0; i < MANY; i++) {
        n += a[i] != 0;
        if (a[i] != 0)
            ck_assert_double_eq_tol((double)a[i], 2 / (1 - rate), 1e-5);
    }
    double chance = rate * (1 - rate), deviation = 5 * sqrt(chance * MANY);
    ck_assert_double_le(fabs((double)n - (1 - rate) * MANY), deviation);
    ck_assert_int_eq(differing(a, again), 0);
    /* independent masks differ where one keeps and the other drops */
    ck_assert_double_le(fabs((double)differing(a, next) - 2 * chance * MANY), deviation);
    ck_assert_double_le(fabs((double)differing(a, b) - 2 * chance * MANY), deviation);
    ck_assert_int_eq(moru_gradients(y, &x, 1, &grad), MORU_OK);
    moru_real *mask = kept(grad, 1); /* the same mask, for a gradient of ones */
    for (int64_t i = 0; i < MANY; i++)
        ck_assert_double_eq_tol((double)mask[i] * 2, (double)a[i], 1e-5);
    free(a), free(again), free(next), free(b), free(mask);
    EXPECT(moru_dropout_op(REALS(S(3), 1, 2, 3), 0), S(3), 1, 2, 3);
}
END_TEST

/* The same model traced again draws the same numbers; another place in it draws others. */
START_TEST(test_streams)
{
    moru_real *first = NULL;
    for (int trace = 0; trace < 2; trace++) {
        teardown();
        setup();
        moru_graph_push_name(g, "noise");
        moru_node *u = moru_random_uniform_op(g, S(MANY), 0, 1), *v = moru_random_uniform_op(g, S(MANY), 0, 1);
        moru_graph_pop_name(g);
        moru_real *a = kept(u, 5), *b = kept(v, 5);
        ck_assert_int_gt(differing(a, b), MANY / 2);
        if (first)
            ck_assert_int_eq(differing(a, first), 0);
        free(first);
        free(b);
        first = a;
    }
    free(first);
}
END_TEST

START_TEST(test_random_numbers)
{
    moru_node *shape = moru_broadcast_to(moru_scalar(g, 0), (int64_t[]){MANY}, 1);
    moru_real *u = kept(moru_random_uniform_op(g, S(MANY), -1, 3), 0);
    moru_real *z = kept(moru_random_normal_like(shape, 2, 0.5), 0), *z2 = kept(moru_random_normal_op(g, S(MANY), 2,
                                                                               0.5), 0);
    double mean_u = 0, mean_z = 0, square_z = 0;
    for (int64_t i = 0; i < MANY; i++) {
        ck_assert(u[i] >= -1 && u[i] < 3);
        mean_u += (double)u[i] / MANY;
        mean_z += (double)z[i] / MANY;
        square_z += ((double)z[i] - 2) * ((double)z[i] - 2) / MANY;
    }
    ck_assert_double_eq_tol(mean_u, 1, 0.02);
    ck_assert_double_eq_tol(mean_z, 2, 0.01);
    ck_assert_double_eq_tol(sqrt(square_z), 0.5, 0.01);
    ck_assert_int_gt(differing(z, z2), MANY / 2);
    free(u), free(z), free(z2);
}
END_TEST

/* ---- optimizers: one step each, by the formulas of Keras ---- */

#define SLOT(k) moru_node_output(y, k)

START_TEST(test_sgd)
{
    moru_node *w = REALS(S(2), 1, 2), *dw = REALS(S(2), 10, -10), *m = REALS(S(2), 1, 0), *lr = moru_scalar(g, 0.1);
    EXPECT(moru_sgd_step(w, dw, NULL, lr, 0, false, 0), S(2), 0, 3);
    moru_node *y = moru_sgd_step(w, dw, m, lr, 0.5, false, 0);
    EXPECT(y, S(2), 0.5f, 3);
    EXPECT(SLOT(1), S(2), -0.5f, 1);
    y = moru_sgd_step(w, dw, m, lr, 0.5, true, 0);
    EXPECT(y, S(2), -0.25f, 3.5f);
    EXPECT(SLOT(1), S(2), -0.5f, 1);
}
END_TEST

START_TEST(test_adam)
{
    moru_node *w = REALS(S(2), 1, 2), *dw = REALS(S(2), 4, -4), *zero = moru_zeros_like(w), *lr = moru_scalar(g, 0.1);
    moru_node *y = moru_adam_step(w, dw, zero, zero, lr, moru_scalar(g, 1), 0.9, 0.99, 1e-7, 0);
    EXPECT(y, S(2), 0.9f, 2.1f); /* the first step is as long as the learning rate */
    EXPECT(SLOT(1), S(2), 0.4f, -0.4f);
    EXPECT(SLOT(2), S(2), 0.16f, 0.16f);
}
END_TEST

START_TEST(test_rmsprop_and_adagrad)
{
    moru_node *w = REALS(S(1), 1), *dw = REALS(S(1), 2), *zero = REALS(S(1), 0), *lr = moru_scalar(g, 0.1);
    moru_node *y = moru_rmsprop_step(w, dw, zero, NULL, NULL, lr, 0.75, 0, 0, 0); /* v = 1 */
    EXPECT(y, S(1), 0.8f);
    EXPECT(SLOT(1), S(1), 1);
    y = moru_rmsprop_step(w, dw, zero, REALS(S(1), 1), NULL, lr, 0.75, 0.5, 0, 0);
    EXPECT(y, S(1), 0.3f);
    EXPECT(SLOT(2), S(1), 0.7f);
    y = moru_rmsprop_step(w, dw, zero, NULL, zero, lr, 0.75, 0, 0, 0); /* a = 0.5, v - a^2 = 0.75 */
    EXPECT(y, S(1), 1 - 0.2f / 0.8660254f);
    EXPECT(SLOT(2), S(1), 0.5f);
    y = moru_rmsprop_step(w, dw, zero, REALS(S(1), 1), zero, lr, 0.75, 0.5, 0, 0);
    EXPECT(y, S(1), 0.5f - 0.2f / 0.8660254f);
    EXPECT(SLOT(3), S(1), 0.5f);
    y = moru_adagrad_step(w, dw, REALS(S(1), 5), lr, 7, 0); /* a = 9 */
    EXPECT(y, S(1), 0.95f);
    EXPECT(SLOT(1), S(1), 9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops_values");
    TCase *tests = tcase_create("values");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_reshape);
    tcase_add_test(tests, test_transpose);
    tcase_add_test(tests, test_broadcast);
    tcase_add_test(tests, test_slice);
    tcase_add_test(tests, test_pad);
    tcase_add_test(tests, test_concat);
    tcase_add_test(tests, test_gather);
    tcase_add_test(tests, test_gather_adds_up);
    tcase_add_test(tests, test_one_hot);
    tcase_add_test(tests, test_bad_indices);
    tcase_add_test(tests, test_cast);
    tcase_add_test(tests, test_stop_gradient);
    tcase_add_test(tests, test_matmul);
    tcase_add_test(tests, test_conv2d);
    tcase_add_test(tests, test_conv2d_transpose);
    tcase_add_test(tests, test_pooling);
    tcase_add_test(tests, test_batch_norm);
    tcase_add_test(tests, test_layer_norm);
    tcase_add_test(tests, test_attention);
    tcase_add_test(tests, test_dropout);
    tcase_add_test(tests, test_streams);
    tcase_add_test(tests, test_random_numbers);
    tcase_add_test(tests, test_sgd);
    tcase_add_test(tests, test_adam);
    tcase_add_test(tests, test_rmsprop_and_adagrad);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int wrong = srunner_ntests_failed(runner);
    srunner_free(runner);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
