/* Functions made of other ops, and cumulative extremes: values worked out by hand, and what they refuse. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/ops_test.h"

static moru_node *matrix(void)
{
    return REALS(S(2, 3), 1, 2, 3, 4, 5, 6);
}

START_TEST(other_order)
{
    moru_node *x = matrix();
    int first = 0;
    EXPECT(moru_flip(x, NULL, 0), S(2, 3), 6, 5, 4, 3, 2, 1);
    EXPECT(moru_flip(x, &first, 1), S(2, 3), 4, 5, 6, 1, 2, 3);
    EXPECT_INTS(moru_flip(INTS(S(3), 1, 2, 3), NULL, 0), S(3), 3, 2, 1);
    EXPECT(moru_roll(x, 1, 1), S(2, 3), 3, 1, 2, 6, 4, 5);
    EXPECT(moru_roll(x, -4, -1), S(2, 3), 2, 3, 1, 5, 6, 4);
    EXPECT(moru_roll(x, 6, 1), S(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_roll(x, INT64_MIN, 1), S(2, 3), 3, 1, 2, 6, 4, 5);
    EXPECT_EMPTY(moru_roll(noise(S(0, 2)), 1, 0), S(0, 2));
    EXPECT(moru_moveaxis(REALS(S(1, 2, 3), 1, 2, 3, 4, 5, 6), 2, 0), S(3, 1, 2), 1, 4, 2, 5, 3, 6);
    EXPECT(moru_moveaxis(REALS(S(1, 2, 3), 1, 2, 3, 4, 5, 6), 0, -1), S(2, 3, 1), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_swapaxes(x, 0, -1), S(3, 2), 1, 4, 2, 5, 3, 6);
    REFUSED(moru_roll(real(S(3)), 1, 1), MORU_ERR_SHAPE, "roll|axis 1|[3]");
    REFUSED(moru_roll(real(S(moru_symbol(g, "n"))), 1, 0), MORU_ERR_SHAPE, "roll|no known size");
    REFUSED(moru_flip(real(S(3)), (int[]){2}, 1), MORU_ERR_SHAPE, "axis 2");
    REFUSED(moru_moveaxis(real(S(3)), 0, 1), MORU_ERR_SHAPE, "moveaxis|axis 1");
    REFUSED(moru_swapaxes(real(S(3)), -2, 0), MORU_ERR_SHAPE, "swapaxes|axis -2");
    ck_assert_ptr_null(moru_roll(NULL, 1, 0));
}
END_TEST

START_TEST(other_number)
{
    moru_node *x = matrix(), *parts[3];
    EXPECT(moru_tile(REALS(S(2), 1, 2), (int64_t[]){2, 2}, 2), S(2, 4), 1, 2, 1, 2, 1, 2, 1, 2);
    EXPECT(moru_tile(x, (int64_t[]){2}, 1), S(2, 6), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
    EXPECT_INTS(moru_tile(INTS(S(2), 1, 2), (int64_t[]){3}, 1), S(6), 1, 2, 1, 2, 1, 2);
    EXPECT_EMPTY(moru_tile(x, (int64_t[]){0}, 1), S(2, 0));
    EXPECT(moru_tile(x, NULL, 0), S(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_split(x, 3, 1, parts), S(2, 1), 1, 4);
    EXPECT(parts[2], S(2, 1), 3, 6);
    EXPECT(moru_unstack(x, 0, parts), S(3), 1, 2, 3);
    EXPECT(parts[1], S(3), 4, 5, 6);
    EXPECT(moru_diff(REALS(S(4), 1, 4, 9, 16), 1, 0), S(3), 3, 5, 7);
    EXPECT(moru_diff(REALS(S(4), 1, 4, 9, 16), 2, 0), S(2), 2, 2);
    REFUSED(moru_tile(real(S(3)), (int64_t[]){-1}, 1), MORU_ERR_ARGUMENT, "tile|-1 copies");
    REFUSED(moru_tile(real(S(3)), (int64_t[]){INT64_MAX}, 1), MORU_ERR_MEMORY, "tile|[3]");
    REFUSED(moru_tile(real(S(3)), NULL, 1), MORU_ERR_ARGUMENT, "tile");
    REFUSED(moru_split(real(S(3)), 2, 0, parts), MORU_ERR_SHAPE, "split|[3]|2 equal parts");
    REFUSED(moru_split(real(S(3)), 0, 0, parts), MORU_ERR_ARGUMENT, "0 parts");
    REFUSED(moru_split(real(S(3)), 1, 1, parts), MORU_ERR_SHAPE, "axis 1");
    REFUSED(moru_unstack(real(S(0)), 0, parts), MORU_ERR_SHAPE, "unstack");
    REFUSED(moru_diff(real(S(3)), -1, 0), MORU_ERR_ARGUMENT, "-1 times");
}
END_TEST

/* Tiles of a batch whose size is still open. */
START_TEST(open_tiles)
{
    moru_node *x = real(S(moru_symbol(g, "n"), 2)), *y = moru_tile(x, (int64_t[]){2, 2}, 2);
    moru_program *program = NULL;
    moru_shape shape = S(1, 2), tiled = S(2, 4);
    moru_program_options options = {.inputs = &x, .input_shapes = &shape, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
    ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s", moru_last_error());
    ck_assert(moru_shape_equal(moru_tensor_shape(moru_program_output(program, 0)), &tiled));
    moru_program_free(program);
}
END_TEST

START_TEST(extremes_so_far)
{
    moru_node *x = REALS(S(2, 4), 1, 3, 3, 2, 5, NAN, 7, 1), *places;
    EXPECT(moru_cummax(x, 1, &places), S(2, 4), 1, 3, 3, 3, 5, NAN, NAN, NAN);
    EXPECT_INTS(places, S(2, 4), 0, 1, 2, 2, 0, 1, 1, 1);
    EXPECT(moru_cummin(x, 0, &places), S(2, 4), 1, 3, 3, 2, 1, NAN, 3, 1);
    REFUSED(moru_cummax(real(S(2)), 1, NULL), MORU_ERR_SHAPE, "axis 1");
    REFUSED(moru_cummax(INTS(S(1), 1), 0, NULL), MORU_ERR_SHAPE, "int32");
    moru_node *wide = noise(S(40, 50, 60)), *y = moru_cummax(wide, 1, &places);
    same_bits(y);
    same_bits(places);
    same_bits(gradient(moru_square(y), wide));
}
END_TEST

START_TEST(measures)
{
    moru_node *x = REALS(S(2, 3), 0, 3, -4, 0, 0, 0);
    int last = 1;
    EXPECT(moru_norm(x, 2, &last, 1, false), S(2), 5, 0);
    EXPECT(moru_norm(x, 1, &last, 1, true), S(2, 1), 7, 0);
    EXPECT(moru_norm(x, 0, &last, 1, false), S(2), 2, 0);
    EXPECT(moru_norm(x, INFINITY, &last, 1, false), S(2), 4, 0);
    EXPECT(moru_norm(x, -INFINITY, NULL, 0, false), S(), 0);
    EXPECT(moru_norm(x, 3, &last, 1, false), S(2), cbrt(27 + 64), 0);
    EXPECT(gradient(moru_norm(x, 2, &last, 1, false), x), S(2, 3), 0, 0.6, -0.8, 0, 0, 0);
    double cube = pow(91, 2.0 / 3);
    EXPECT(gradient(moru_norm(x, 3, &last, 1, false), x), S(2, 3), 0, 9 / cube, -16 / cube, 0, 0, 0);
    EXPECT(moru_any(x, &last, 1, false), S(2), 1, 0);
    EXPECT(moru_all(x, &last, 1, false), S(2), 0, 0);
    EXPECT(moru_all(INTS(S(2, 2), 1, 2, 0, 1), &last, 1, true), S(2, 1), 1, 0);
    EXPECT(moru_any(noise(S(2, 0)), &last, 1, false), S(2), 0, 0);
    EXPECT(moru_all(noise(S(2, 0)), &last, 1, false), S(2), 1, 1);
    EXPECT(moru_any(REALS(S(2), NAN, 0), NULL, 0, false), S(), 1);
    EXPECT(moru_count_nonzero(x, NULL, 0, false), S(), 2);
    EXPECT(moru_std(x, &last, 1, false, 0), S(2), sqrt((1.0 / 9 + 100.0 / 9 + 121.0 / 9) / 3), 0);
    double d = 9 * sqrt(222.0 / 27);
    EXPECT(gradient(moru_std(x, &last, 1, false, 0), x), S(2, 3), 1 / d, 10 / d, -11 / d, 0, 0, 0);
    EXPECT(moru_median(REALS(S(2, 4), 4, 1, 3, 2, 8, 8, 8, 0), 1, false), S(2), 2.5, 8);
    EXPECT(moru_quantile(REALS(S(5), 5, 4, 3, 2, 1), 0.1, 0, true), S(1), 1.4);
    EXPECT(moru_quantile(REALS(S(3), 5, 4, 3), 1, 0, false), S(), 5);
    EXPECT(moru_trace_op(matrix(), 0), S(), 6);
    EXPECT(moru_trace_op(matrix(), 1), S(), 8);
    REFUSED(moru_norm(real(S(2)), NAN, NULL, 0, false), MORU_ERR_ARGUMENT, "norm");
    REFUSED(moru_quantile(real(S(2)), 1.5, 0, false), MORU_ERR_ARGUMENT, "quantile: 1.5");
    REFUSED(moru_quantile(real(S(2)), 0.5, 1, false), MORU_ERR_SHAPE, "axis 1 of [2]");
    REFUSED(moru_median(real(S(0)), 0, false), MORU_ERR_SHAPE, "[0]");
    REFUSED(moru_trace_op(real(S(2)), 0), MORU_ERR_SHAPE, "[2]");
}
END_TEST

START_TEST(products)
{
    moru_node *a = REALS(S(2), 2, 3), *x = REALS(S(3), 1, 2, 3), *y = REALS(S(3), 3, -1, 2);
    EXPECT(moru_outer(a, matrix()), S(2, 6), 2, 4, 6, 8, 10, 12, 3, 6, 9, 12, 15, 18);
    EXPECT(moru_cross(x, y, 0), S(3), 7, 7, -7);
    EXPECT(moru_cross(REALS(S(3, 1), 1, 2, 3), REALS(S(3, 1), 3, -1, 2), 0), S(3, 1), 7, 7, -7);
    EXPECT(moru_inner(x, y), S(), 7);
    EXPECT(moru_inner(matrix(), x), S(2), 14, 32);
    EXPECT(moru_inner(matrix(), moru_scalar(g, 2)), S(2, 3), 2, 4, 6, 8, 10, 12);
    EXPECT(moru_tensordot(matrix(), matrix(), (int[]){0, 1}, (int[]){0, 1}, 2), S(), 91);
    EXPECT(moru_tensordot(matrix(), matrix(), (int[]){1}, (int[]){-1}, 1), S(2, 2), 14, 32, 32, 77);
    EXPECT(moru_tensordot(a, x, NULL, NULL, 0), S(2, 3), 2, 4, 6, 3, 6, 9);
    REFUSED(moru_cross(real(S(3)), real(S(2)), 0), MORU_ERR_SHAPE, "cross|[2]");
    REFUSED(moru_cross(real(S(3)), real(S(3)), 1), MORU_ERR_SHAPE, "axis 1 of [3]");
    REFUSED(moru_tensordot(real(S(2, 3)), real(S(2, 3)), (int[]){0}, (int[]){1}, 1), MORU_ERR_SHAPE, "tensordot|[2,3]");
    REFUSED(moru_tensordot(real(S(2, 2)), real(S(2, 2)), (int[]){0, 0}, (int[]){0, 1}, 2), MORU_ERR_SHAPE, "once");
}
END_TEST

START_TEST(elementwise)
{
    moru_node *x = REALS(S(5), -1, 0, 2, NAN, INFINITY), *low = REALS(S(2), -INFINITY, 1);
    EXPECT(moru_heaviside(x, moru_scalar(g, 0.5)), S(5), 0, 0.5, 1, NAN, 1);
    EXPECT(moru_nan_to_num(x, 7, 8, 9), S(5), -1, 0, 2, 7, 8);
    EXPECT(moru_nan_to_num(low, 7, 8, 9), S(2), 9, 1);
    EXPECT(gradient(moru_nan_to_num(x, 7, 8, 9), x), S(5), 1, 1, 1, 0, 0);
    EXPECT(moru_divide_no_nan(REALS(S(3), 1, 0, 3), REALS(S(3), 0, 0, 2)), S(3), 0, 0, 1.5);
    EXPECT(moru_logaddexp2(REALS(S(2), 3, 0), REALS(S(2), 3, -INFINITY)), S(2), 4, 0);
    EXPECT(moru_is_close(x, REALS(S(5), -1.001, 0, 2.1, NAN, INFINITY), 1e-2, 0, false), S(5), 1, 1, 0, 0, 1);
    EXPECT(moru_is_close(x, REALS(S(5), INFINITY, 1e-3, 2, NAN, -INFINITY), 0, 1e-2, true), S(5), 0, 1, 1, 1, 0);
    EXPECT(moru_sparse_plus(REALS(S(4), -2, 0, 1, 3)), S(4), 0, 0.25, 1, 3);
    EXPECT(moru_sparse_sigmoid(REALS(S(4), -2, 0, 0.5, 3)), S(4), 0, 0.5, 0.75, 1);
    EXPECT(moru_hard_tanh(REALS(S(3), -2, 0.5, 3)), S(3), -1, 0.5, 1);
    EXPECT(moru_tanh_shrink(REALS(S(2), 0, 1)), S(2), 0, 1 - tanh(1));
    ck_assert_ptr_null(moru_heaviside(NULL, x));
    ck_assert_ptr_null(moru_divide_no_nan(x, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops made of others");
    TCase *tests = tcase_create("made");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, other_order);
    tcase_add_test(tests, other_number);
    tcase_add_test(tests, open_tiles);
    tcase_add_test(tests, extremes_so_far);
    tcase_add_test(tests, measures);
    tcase_add_test(tests, products);
    tcase_add_test(tests, elementwise);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
