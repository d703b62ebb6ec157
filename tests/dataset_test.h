/* What the tests of data sets share: a folder of their own, files in it, expected failures. */
#ifndef MORU_TESTS_DATASET_TEST_H
#define MORU_TESTS_DATASET_TEST_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <moru.h>
#include "datasets/dataset.h"

#define OK(call) ck_assert_msg((call) == MORU_OK, "%s", moru_last_error())
/* The call fails with this status, its sentence holds text, is one line, and there is no data set. */
#define FAILS(dataset, call, code, text) do { \
        moru_status status_ = (call); \
        ck_assert_msg(status_ == (code), "status %s: %s", moru_status_name(status_), moru_last_error()); \
        ck_assert_msg(strstr(moru_last_error(), (text)) != NULL, "\"%s\" isn't in: %s", (text), moru_last_error()); \
        ck_assert_ptr_null(strchr(moru_last_error(), '\n')); \
        ck_assert_ptr_null(dataset); \
    } while (0)

static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/moru-data-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* A path in the folder; static text, the same one for the same name. */
static inline const char *in_folder(const char *name)
{
    static char paths[32][128];
    char path[sizeof paths[0]];
    size_t k = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    while (paths[k][0] && strcmp(paths[k], path) != 0)
        ck_assert_uint_lt(++k, sizeof paths / sizeof paths[0]);
    return strcpy(paths[k], path);
}

static inline const char *write_file(const char *name, const void *data, size_t size)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

/* One sample of a data set with one input and one target. */
static inline void read_row(const moru_dataset *d, int64_t row, void *x, void *y)
{
    void *inputs[] = {x}, *targets[] = {y};
    OK(moru_dataset_read(d, &row, 1, inputs, targets));
}

/* For damage: the same numbers on every machine. */
static inline uint32_t next_number(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline int run_cases(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, make_folder, remove_folder);
    for (size_t k = 0; k < n; k++)
        tcase_add_test(tcase, tests[k]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
