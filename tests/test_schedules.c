/* Learning-rate schedules: small values by their formulas, and trajectories that Keras computed. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>
#include "formats/hdf5.h"

static void check_value(const char *spec, int64_t iteration, double want)
{
    double value = NAN;
    ck_assert_msg(moru_schedule_value(spec, iteration, &value) == MORU_OK, "%s: %s", spec, moru_last_error());
    ck_assert_msg(fabs(value - want) <= 1e-6 * fabs(want) + 1e-9, "%s at %lld: %.9g, should be %.9g", spec,
                  (long long)iteration, value, want);
}

START_TEST(test_formulas)
{
    check_value("exponential_decay(0.1, 10, 0.5)", 5, 0.1 * sqrt(0.5));
    check_value("exponential_decay(0.1, decay_steps=10, decay_rate=0.5, staircase=true)", 19, 0.05);
    check_value("inverse_time_decay(0.1, 10, 0.5)", 20, 0.05);
    check_value("inverse_time_decay(0.1, 10, 0.5, true)", 9, 0.1);
    check_value("polynomial_decay(0.1, 10, 0.01, 2)", 5, 0.09 * 0.25 + 0.01);
    check_value("polynomial_decay(0.1, 10)", 1000, 1e-4);
    check_value("polynomial_decay(0.1, 10, 0.01, cycle=true)", 15, 0.09 * 0.25 + 0.01);
    check_value("cosine_decay(initial_learning_rate=0.1, decay_steps=1000)", 500, 0.05);
    check_value("CosineDecay(0.1, 100, alpha=0.1)", 100, 0.01);
    check_value("cosine_decay(0, 100, warmup_target=0.2, warmup_steps=10)", 5, 0.1);
    check_value("cosine_decay(0, 100, warmup_target=0.2, warmup_steps=10)", 60, 0.1);
    check_value("cosine_decay_restarts(0.1, 10)", 10, 0.1);
    check_value("cosine_decay_restarts(0.1, 10, t_mul=1, m_mul=0.5)", 25, 0.1 * 0.25 * 0.5);
    check_value("piecewise_constant_decay([10, 25], [0.1, 0.05, 0.01])", 10, 0.1);
    check_value("piecewise_constant_decay([10, 25], [0.1, 0.05, 0.01])", 11, 0.05);
    check_value("piecewise_constant_decay([10, 25], [0.1, 0.05, 0.01])", 26, 0.01);
    check_value("{\"class_name\": \"InverseTimeDecay\", \"config\": {\"initial_learning_rate\": 1, \"decay_steps\": 1, "
                "\"decay_rate\": 1, \"staircase\": false, \"name\": \"InverseTimeDecay\"}}", 3, 0.25);
}
END_TEST

START_TEST(test_bad_specs)
{
    static const char *const bad[] = {"", "no_decay(1)", "cosine_decay", "cosine_decay(0.1)", "cosine_decay(0.1, 0)",
        "exponential_decay(0.1, -1, 0.5)", "exponential_decay(0.1, 10)", "polynomial_decay(0.1, 0)",
        "cosine_decay(0.1, 10, warmup_target=1, warmup_steps=-1)", "cosine_decay_restarts(0.1, 10, t_mul=0.5)",
        "piecewise_constant_decay([1, 2], [1, 2])", "piecewise_constant_decay([2, 1], [1, 2, 3])",
        "piecewise_constant_decay([], [1])", "piecewise_constant_decay(1, 2)", "{\"class_name\": \"CosineDecay\"}"};
    double value = 7;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        ck_assert_msg(moru_schedule_value(bad[k], 0, &value) != MORU_OK, "\"%s\" was taken", bad[k]);
    ck_assert_int_eq(moru_schedule_value(NULL, 0, &value), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_schedule_value("cosine_decay(1, 1)", -1, &value), MORU_ERR_ARGUMENT);
    ck_assert(value == 7);
}
END_TEST

static void compare(const char *path, const char *name, const moru_tensor *steps)
{
    char *class_name = NULL, *config = NULL, spec[2048];
    moru_tensor *values = NULL;
    ck_assert_int_eq(moru_h5_attribute(&class_name, path, name, "class_name"), MORU_OK);
    ck_assert_int_eq(moru_h5_attribute(&config, path, name, "config"), MORU_OK);
    ck_assert_int_eq(moru_h5_read(&values, path, name, MORU_REAL), MORU_OK);
    snprintf(spec, sizeof spec, "{\"class_name\": \"%s\", \"config\": %s}", class_name, config);
    for (int64_t i = 0; i < moru_tensor_size(steps); i++)
        check_value(spec, ((const int32_t *)moru_tensor_const_data(steps))[i],
                    (double)((const moru_real *)moru_tensor_const_data(values))[i]);
    moru_tensor_free(values);
    free(class_name);
    free(config);
}

/* Every schedule of the file. */
START_TEST(test_trajectories_of_keras)
{
    char path[1024];
    const char *shared = getenv("MORU_SHARED");
    moru_tensor *steps = NULL;
    moru_hdf5 *file = NULL;
    int64_t count = 0;
    snprintf(path, sizeof path, "%s/fixtures/dev/schedules.h5", shared ? shared : "../shared");
    if (!moru_h5_has(path, "steps")) {
        printf("schedules of Keras: skipped, there is no %s\n", path);
        return;
    }
    ck_assert_int_eq(moru_h5_read(&steps, path, "steps", MORU_INT32), MORU_OK);
    ck_assert_int_eq(moru_hdf5_open(&file, path), MORU_OK);
    ck_assert_int_eq(moru_hdf5_count(file, "/", &count), MORU_OK);
    for (int64_t k = 0; k < count; k++) {
        char *name;
        ck_assert_int_eq(moru_hdf5_name_at(file, "/", k, &name), MORU_OK);
        if (strcmp(name, "steps") != 0)
            compare(path, name, steps);
        free(name);
    }
    ck_assert_int_gt(count, 11);
    moru_hdf5_close(file);
    moru_tensor_free(steps);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedules");
    TCase *tcase = tcase_create("schedules");
    tcase_add_test(tcase, test_formulas);
    tcase_add_test(tcase, test_bad_specs);
    tcase_add_test(tcase, test_trajectories_of_keras);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
