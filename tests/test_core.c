/* Status, shapes, tensors, arena, random numbers. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>
#include "core/arena.h"
#include "core/status.h"

START_TEST(test_status)
{
    ck_assert_int_eq(moru_fail(MORU_ERR_SHAPE, "%d and %d differ", 3, 4), MORU_ERR_SHAPE);
    ck_assert_str_eq(moru_last_error(), "3 and 4 differ");
    ck_assert_int_eq(moru_fail_in(MORU_ERR_SHAPE, "here"), MORU_ERR_SHAPE);
    ck_assert_str_eq(moru_last_error(), "here: 3 and 4 differ");
    ck_assert_str_eq(moru_status_name(MORU_OK), "ok");
    ck_assert_str_eq(moru_status_name((moru_status)99), "unknown");
    ck_assert_str_eq(moru_version(), MORU_VERSION);
}
END_TEST

static void *fail_elsewhere(void *argument)
{
    moru_fail(MORU_ERR_IO, "other thread");
    return argument;
}

START_TEST(test_status_threads)
{
    pthread_t thread;
    moru_fail(MORU_ERR_SHAPE, "mine");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_str_eq(moru_last_error(), "mine");
}
END_TEST

START_TEST(test_shapes)
{
    int64_t size;
    char text[MORU_SHAPE_TEXT], small[4];
    moru_shape open = {2, {-2, 784}}, huge = {3, {INT64_MAX / 2, 3, 5}}, empty = {3, {INT64_MAX / 2, 0, 5}};
    ck_assert_int_eq(moru_shape_size(&(moru_shape){3, {2, 3, 4}}, &size), MORU_OK);
    ck_assert_int_eq(size, 24);
    ck_assert_int_eq(moru_shape_size(&MORU_SCALAR_SHAPE, &size), MORU_OK);
    ck_assert_int_eq(size, 1);
    ck_assert_int_eq(moru_shape_size(&open, &size), MORU_ERR_SHAPE);
    ck_assert_int_eq(moru_shape_size(&huge, &size), MORU_ERR_MEMORY);
    ck_assert_int_eq(moru_shape_size(&empty, &size), MORU_OK);
    ck_assert_int_eq(size, 0);
    ck_assert_str_eq(moru_shape_print(&open, text, sizeof text), "[?,784]");
    ck_assert_str_eq(moru_shape_print(&MORU_SCALAR_SHAPE, text, sizeof text), "[]");
    ck_assert_uint_lt(strlen(moru_shape_print(&huge, small, sizeof small)), sizeof small);
    ck_assert(!moru_shape_equal(&open, &huge));
    ck_assert(moru_shape_equal(&open, &open));
}
END_TEST

START_TEST(test_tensors)
{
    float data[6] = {1, 2, 3, 4, 5, 6};
    moru_tensor *t = moru_tensor_from(MORU_REAL, MORU_SHAPE(2, 3), data);
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(moru_tensor_size(t), 6);
    ck_assert_mem_eq(moru_tensor_data(t), data, sizeof data);
    ck_assert_uint_eq((uintptr_t)moru_tensor_data(t) % 64, 0);
    moru_tensor_free(t);
    ck_assert_ptr_null(moru_tensor_new(MORU_REAL, MORU_SHAPE(INT64_MAX / 2, 4)));
    ck_assert_ptr_null(moru_tensor_new(MORU_REAL, MORU_SHAPE(-2, 4)));
    t = moru_tensor_new(MORU_INT32, MORU_SHAPE(0, 4));
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(moru_tensor_size(t), 0);
    moru_tensor_free(t);
    moru_tensor_free(NULL);
}
END_TEST

START_TEST(test_arena)
{
    moru_arena arena = {NULL};
    char *first = moru_arena_strdup(&arena, "first");
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)(i * 37 % 500) * (i % 100 == 0 ? 100 : 1);
        unsigned char *memory = moru_arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % 16, 0);
        for (size_t k = 0; k < size; k++)
            ck_assert_uint_eq(memory[k], 0);
        memset(memory, 0xaa, size);
    }
    ck_assert_str_eq(first, "first");
    ck_assert_ptr_null(moru_arena_alloc(&arena, SIZE_MAX - 8));
    moru_arena_free(&arena);
    ck_assert_ptr_null(arena.blocks);
}
END_TEST

/* Known answer of the reference implementation (Random123's kat_vectors, philox4x32-10). */
START_TEST(test_philox)
{
    static const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    moru_random r = {0, 0, 0};
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(moru_random_bits(&r), zero[i]);
}
END_TEST

START_TEST(test_random_statistics)
{
    moru_random r = {42, 7, 0};
    double sum = 0, squares = 0, normal = 0, normal_squares = 0;
    int counts[7] = {0};
    const int n = 200000;
    for (int i = 0; i < n; i++) {
        double u = moru_random_uniform(&r), z = moru_random_normal(&r);
        ck_assert(u >= 0 && u < 1);
        sum += u;
        squares += u * u;
        normal += z;
        normal_squares += z * z;
        counts[moru_random_below(&r, 7)]++;
    }
    ck_assert_double_eq_tol(sum / n, 0.5, 0.003);
    ck_assert_double_eq_tol(squares / n, 1 / 3.0, 0.003);
    ck_assert_double_eq_tol(normal / n, 0, 0.01);
    ck_assert_double_eq_tol(normal_squares / n, 1, 0.015);
    for (int i = 0; i < 7; i++)
        ck_assert_double_eq_tol(counts[i] / (double)n, 1 / 7.0, 0.004);
}
END_TEST

START_TEST(test_permutation)
{
    int64_t order[101], again[101];
    bool seen[101] = {false};
    moru_random a = {1, 2, 0}, b = {1, 2, 0};
    moru_random_permutation(&a, order, 101);
    moru_random_permutation(&b, again, 101);
    ck_assert_mem_eq(order, again, sizeof order);
    int in_place = 0;
    for (int i = 0; i < 101; i++) {
        ck_assert(order[i] >= 0 && order[i] < 101 && !seen[order[i]]);
        seen[order[i]] = true;
        in_place += order[i] == i;
    }
    ck_assert_int_lt(in_place, 20);
    ck_assert_uint_ne(moru_random_stream("dense/kernel"), moru_random_stream("dense/bias"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *tcase = tcase_create("core");
    tcase_add_test(tcase, test_status);
    tcase_add_test(tcase, test_status_threads);
    tcase_add_test(tcase, test_shapes);
    tcase_add_test(tcase, test_tensors);
    tcase_add_test(tcase, test_arena);
    tcase_add_test(tcase, test_philox);
    tcase_add_test(tcase, test_random_statistics);
    tcase_add_test(tcase, test_permutation);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
