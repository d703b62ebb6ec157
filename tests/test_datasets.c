/* Data sets: arrays, slices, one's own, HDF5 files, built-in tables, opening by name. */
#include "dataset_test.h"

static moru_dataset *d;
static moru_dataset_info info;

static void opened(moru_status status)
{
    ck_assert_msg(status == MORU_OK, "%s", moru_last_error());
    moru_dataset_describe(d, &info);
}

static void done(void)
{
    moru_dataset_free(d);
    d = NULL;
}

/* ---- arrays, slices, one's own ---- */

START_TEST(test_arrays)
{
    moru_real x[6] = {1, 2, 3, 4, 5, 6}, got[4];
    int32_t y[3] = {7, 8, 9}, label[2];
    moru_tensor *a = moru_tensor_from(MORU_REAL, MORU_SHAPE(3, 2), x);
    moru_tensor *b = moru_tensor_from(MORU_INT32, MORU_SHAPE(3), y);
    const moru_tensor *inputs[] = {a, b}, *targets[] = {b};
    opened(moru_dataset_from_tensors(&d, inputs, 2, targets, 1));
    moru_tensor_free(a); /* copied */
    moru_tensor_free(b);
    ck_assert(info.size == 3 && info.n_inputs == 2 && info.n_targets == 1 && info.input_dtypes[1] == MORU_INT32);
    ck_assert(moru_shape_equal(&info.input_shapes[0], &MORU_SHAPE(2)) && info.target_shapes[0].rank == 0);
    int32_t other[2];
    OK(moru_dataset_read(d, (int64_t[]){2, 0}, 2, (void *[]){got, other}, (void *[]){label}));
    ck_assert(got[0] == 5 && got[1] == 6 && got[2] == 1 && got[3] == 2);
    ck_assert(label[0] == 9 && label[1] == 7 && other[0] == 9);
    moru_status status = moru_dataset_read(d, (int64_t[]){0, 3}, 2, (void *[]){got, other}, (void *[]){label});
    ck_assert_int_eq(status, MORU_ERR_RANGE);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "sample 3 isn't one of its 3"));
    ck_assert_int_eq(moru_dataset_read(d, (int64_t[]){-1}, 1, (void *[]){got, other}, (void *[]){label}),
                     MORU_ERR_RANGE);
    ck_assert_int_eq(moru_dataset_read(d, (int64_t[]){0}, -1, (void *[]){got, other}, (void *[]){label}),
                     MORU_ERR_ARGUMENT);
    done();
    moru_dataset_free(NULL);
}
END_TEST

START_TEST(test_arrays_refused)
{
    moru_tensor *three = moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 2));
    moru_tensor *four = moru_tensor_new(MORU_REAL, MORU_SHAPE(4));
    moru_tensor *scalar = moru_tensor_new(MORU_REAL, MORU_SCALAR_SHAPE);
    const moru_tensor *list[MORU_MAX_FEATURES + 1] = {three, four, three};
    FAILS(d, moru_dataset_from_tensors(&d, list, 2, NULL, 0), MORU_ERR_SHAPE, "shape [4] beside others of 3 samples");
    FAILS(d, moru_dataset_from_tensors(&d, list, 1, list, 2), MORU_ERR_SHAPE, "shape [4] beside others of 3 samples");
    FAILS(d, moru_dataset_from_tensors(&d, list, 0, list, 1), MORU_ERR_ARGUMENT, "0 inputs and 1 targets");
    FAILS(d, moru_dataset_from_tensors(&d, list, MORU_MAX_FEATURES + 1, NULL, 0), MORU_ERR_ARGUMENT, "65 inputs");
    FAILS(d, moru_dataset_from_tensors(&d, list, 1, NULL, -1), MORU_ERR_ARGUMENT, "-1 targets");
    list[1] = scalar;
    FAILS(d, moru_dataset_from_tensors(&d, list, 2, NULL, 0), MORU_ERR_SHAPE, "first axis that counts samples");
    list[1] = NULL;
    FAILS(d, moru_dataset_from_tensors(&d, list, 2, NULL, 0), MORU_ERR_SHAPE, "first axis that counts samples");
    moru_tensor_free(three);
    moru_tensor_free(four);
    moru_tensor_free(scalar);
}
END_TEST

/* Sample k is k and -k. freed counts. */
static moru_status read_numbers(const void *self, const int64_t *rows, int64_t n, void *const *inputs,
                                void *const *targets)
{
    (void)self;
    for (int64_t i = 0; i < n; i++) {
        ((moru_real *)inputs[0])[i] = (moru_real)rows[i];
        ((int32_t *)targets[0])[i] = -(int32_t)rows[i];
    }
    return MORU_OK;
}

static void count_free(void *self)
{
    ++*(int *)self;
}

static const moru_dataset_class number_class = {read_numbers, count_free};

static moru_dataset_info number_info(int64_t size)
{
    moru_dataset_info i = {.name = "numbers", .size = size, .n_inputs = 1, .n_targets = 1};
    i.target_dtypes[0] = MORU_INT32;
    return i;
}

START_TEST(test_own)
{
    int freed = 0;
    moru_dataset_info want = number_info(1000);
    d = moru_dataset_custom(&number_class, &freed, &want);
    ck_assert_ptr_nonnull(d);
    moru_real x;
    int32_t y;
    read_row(d, 999, &x, &y);
    ck_assert(x == 999 && y == -999);
    done();
    ck_assert_int_eq(freed, 1);
    want.size = -1;
    ck_assert_ptr_null(moru_dataset_custom(&number_class, &freed, &want));
    want = number_info(1);
    want.n_inputs = 0;
    ck_assert_ptr_null(moru_dataset_custom(&number_class, &freed, &want));
    want.n_inputs = MORU_MAX_FEATURES + 1;
    ck_assert_ptr_null(moru_dataset_custom(&number_class, &freed, &want));
    want = number_info(1);
    want.input_shapes[0] = MORU_SHAPE(INT64_MAX / 2, 8);
    ck_assert_ptr_null(moru_dataset_custom(&number_class, &freed, &want));
    want.input_shapes[0] = MORU_SHAPE(-3);
    ck_assert_ptr_null(moru_dataset_custom(&number_class, &freed, &want));
    want = number_info(1);
    ck_assert_ptr_null(moru_dataset_custom(NULL, &freed, &want));
    ck_assert_ptr_null(moru_dataset_custom(&(moru_dataset_class){NULL, NULL}, &freed, &want));
    ck_assert_ptr_null(moru_dataset_custom(&number_class, &freed, NULL));
    ck_assert_int_eq(freed, 1); /* what fails leaves self to the caller */
}
END_TEST

START_TEST(test_slices)
{
    enum { SOME = 700 };
    int freed = 0;
    moru_dataset_info want = number_info(1000);
    moru_dataset *base = moru_dataset_custom(&number_class, &freed, &want), *slice;
    OK(moru_dataset_slice(&slice, base, 100, 900));
    opened(moru_dataset_slice(&d, slice, 50, 50 + SOME));
    ck_assert_int_eq(info.size, SOME);
    static int64_t rows[SOME];
    static moru_real x[SOME];
    static int32_t y[SOME];
    for (int i = 0; i < SOME; i++)
        rows[i] = SOME - 1 - i;
    OK(moru_dataset_read(d, rows, SOME, (void *[]){x}, (void *[]){y}));
    for (int i = 0; i < SOME; i++)
        ck_assert(x[i] == (moru_real)(150 + SOME - 1 - i) && y[i] == -(150 + SOME - 1 - i));
    ck_assert_int_eq(moru_dataset_read(d, (int64_t[]){SOME}, 1, (void *[]){x}, (void *[]){y}), MORU_ERR_RANGE);
    done();
    opened(moru_dataset_slice(&d, base, 7, 7));
    ck_assert_int_eq(info.size, 0);
    done();
    FAILS(d, moru_dataset_slice(&d, base, -1, 5), MORU_ERR_RANGE, "samples -1 to 5 of 1000");
    FAILS(d, moru_dataset_slice(&d, base, 6, 5), MORU_ERR_RANGE, "samples 6 to 5 of 1000");
    FAILS(d, moru_dataset_slice(&d, base, 6, 1001), MORU_ERR_RANGE, "samples 6 to 1001 of 1000");
    moru_dataset_free(slice);
    ck_assert_int_eq(freed, 0);
    moru_dataset_free(base);
    ck_assert_int_eq(freed, 1);
}
END_TEST

/* ---- HDF5 ---- */

static moru_status open_h5(const moru_h5_item *items, int n)
{
    char spec[256];
    OK(moru_h5_write(in_folder("t.h5"), items, n));
    snprintf(spec, sizeof spec, "h5:%s", in_folder("t.h5"));
    moru_status status = moru_dataset_open(&d, spec);
    if (status == MORU_OK)
        moru_dataset_describe(d, &info);
    return status;
}

START_TEST(test_h5)
{
    moru_real values[24];
    for (int k = 0; k < 24; k++)
        values[k] = (moru_real)k / 23;
    moru_tensor *x = moru_tensor_from(MORU_REAL, MORU_SHAPE(2, 4, 3, 1), values);
    moru_tensor *y = moru_tensor_from(MORU_INT32, MORU_SHAPE(2), (int32_t[]){4, 0});
    moru_tensor *z = moru_tensor_from(MORU_REAL, MORU_SHAPE(2, 3), values);
    OK(open_h5((moru_h5_item[]){{"x", x}, {"target", y}}, 2));
    ck_assert(info.size == 2 && info.n_inputs == 1 && info.n_targets == 1 && info.n_classes == 5 && info.images);
    ck_assert(moru_shape_equal(&info.input_shapes[0], &MORU_SHAPE(4, 3, 1)));
    ck_assert_ptr_nonnull(strstr(info.name, "t.h5"));
    moru_real got[12];
    int32_t label;
    read_row(d, 1, got, &label);
    ck_assert(label == 0 && fabs((double)got[0] - 12.0 / 23) < 1e-6);
    done();
    OK(open_h5((moru_h5_item[]){{"x0", z}, {"x1", y}, {"target0", z}, {"target1", x}}, 4));
    ck_assert(info.n_inputs == 2 && info.n_targets == 2 && info.n_classes == 0 && !info.images);
    ck_assert(info.input_dtypes[1] == MORU_INT32 && info.input_shapes[1].rank == 0);
    done();
    ((moru_real *)moru_tensor_data(x))[3] = (moru_real)1.5; /* no picture, then; nor are negative numbers classes */
    ((int32_t *)moru_tensor_data(y))[0] = -1;
    OK(open_h5((moru_h5_item[]){{"x", x}, {"target", y}}, 2));
    ck_assert(info.n_classes == 0 && !info.images);
    done();
    moru_tensor_free(x);
    moru_tensor_free(y);
    moru_tensor_free(z);
}
END_TEST

START_TEST(test_h5_refused)
{
    moru_tensor *x = moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 2)), *y = moru_tensor_new(MORU_INT32, MORU_SHAPE(4));
    moru_tensor *scalar = moru_tensor_new(MORU_REAL, MORU_SCALAR_SHAPE);
    FAILS(d, open_h5((moru_h5_item[]){{"x", x}}, 1), MORU_ERR_FORMAT, "no data set \"target\" or \"target0\"");
    FAILS(d, open_h5((moru_h5_item[]){{"x1", x}, {"target", x}}, 2), MORU_ERR_FORMAT, "no data set \"x\" or \"x0\"");
    FAILS(d, open_h5((moru_h5_item[]){{"x", x}, {"target", y}}, 2), MORU_ERR_SHAPE, "[4] beside others of 3 samples");
    FAILS(d, open_h5((moru_h5_item[]){{"x", scalar}, {"target", y}}, 2), MORU_ERR_SHAPE,
          "t.h5: an array needs a first axis");
    FAILS(d, open_h5((moru_h5_item[]){{"x", x}, {"target", scalar}}, 2), MORU_ERR_SHAPE,
          "t.h5: an array needs a first axis");
    ((moru_real *)moru_tensor_data(x))[3] = NAN;
    FAILS(d, open_h5((moru_h5_item[]){{"x", x}, {"target", x}}, 2), MORU_ERR_NUMERIC,
          "t.h5: data set \"x\": a NaN in sample 1, at position 1 of it");
    ((moru_real *)moru_tensor_data(x))[3] = INFINITY;
    FAILS(d, open_h5((moru_h5_item[]){{"x", x}, {"target", x}}, 2), MORU_ERR_NUMERIC, "an infinity in sample 1");
    FAILS(d, moru_dataset_open(&d, "h5:"), MORU_ERR_ARGUMENT, "it needs a file");
    FAILS(d, moru_dataset_open(&d, "h5:/nowhere/x.h5"), MORU_ERR_IO, "/nowhere/x.h5");
    ck_assert_int_ne(moru_dataset_h5(&d, write_file("bad.h5", "no HDF5 file", 12)), MORU_OK);
    ck_assert(!d && strstr(moru_last_error(), "bad.h5"));
    moru_tensor_free(x);
    moru_tensor_free(y);
    moru_tensor_free(scalar);
}
END_TEST

/* ---- by name ---- */

START_TEST(test_built_in)
{
    static const struct { const char *name; int columns, rows; double x0, target0, last; } tables[] = {
        {"study-time", 1, 4, 9, 90, 20}, {"study-and-sleep", 2, 4, 9, 90, 20}, {"and", 2, 4, 0, 0, 1},
        {"or", 2, 4, 0, 0, 1}, {"nand", 2, 4, 0, 1, 0}, {"xor", 2, 4, 0, 0, 0}};
    const int n = sizeof tables / sizeof *tables;
    for (int k = 0; k < n; k++) {
        opened(moru_dataset_open(&d, tables[k].name));
        ck_assert_str_eq(info.name, tables[k].name);
        ck_assert_str_eq(moru_dataset_builtin_name(k), tables[k].name);
        ck_assert_int_eq(info.size, tables[k].rows);
        ck_assert_int_eq(info.input_shapes[0].dims[0], tables[k].columns);
        moru_real x[2], y;
        read_row(d, 0, x, &y);
        ck_assert((double)x[0] == tables[k].x0 && (double)y == tables[k].target0);
        read_row(d, tables[k].rows - 1, x, &y);
        ck_assert((double)y == tables[k].last);
        for (int c = 0; c < tables[k].columns; c++)
            ck_assert_ptr_nonnull(info.input_names[c]);
        done();
    }
    ck_assert_ptr_null(moru_dataset_builtin_name(n));
    ck_assert_ptr_null(moru_dataset_builtin_name(-1));
    moru_real both[8], scores[4];
    opened(moru_dataset_open(&d, "study-and-sleep"));
    OK(moru_dataset_read(d, (int64_t[]){0, 1, 2, 3}, 4, (void *[]){both}, (void *[]){scores}));
    ck_assert_mem_eq(both, ((moru_real[]){9, 5, 8, 8, 4, 7, 2, 3}), sizeof both);
    ck_assert_mem_eq(scores, ((moru_real[]){90, 80, 40, 20}), sizeof scores);
    done();
}
END_TEST

START_TEST(test_specs)
{
    static const char table[] = "a=1&;b?;y\n1;2;3\n4;5;6\n";
    char spec[256];
    write_file("what?.csv", table, sizeof table - 1);
    snprintf(spec, sizeof spec, "csv:%s?target=b%%3F&sep=;&raw=yes&numeric=y&ignore=a%%3D1%%26",
             in_folder("what?.csv"));
    opened(moru_dataset_open(&d, spec));
    moru_real x, y;
    read_row(d, 1, &x, &y);
    ck_assert(info.size == 2 && info.input_shapes[0].dims[0] == 1 && x == 6 && y == 5);
    done();
    write_file("t.csv", "1\t2\n3\t4\n", 8);
    snprintf(spec, sizeof spec, "csv:%s?sep=tab&header=no&raw=no", in_folder("t.csv"));
    opened(moru_dataset_open(&d, spec));
    ck_assert_int_eq(info.size, 2);
    done();
    static const struct { const char *spec; moru_status status; const char *message; } bad[] = {
        {"", MORU_ERR_ARGUMENT, "there is no data source \"\""},
        {"iris", MORU_ERR_ARGUMENT, "there are fashion-mnist[:test], mnist:DIR[:test], csv:FILE"},
        {"iris:x", MORU_ERR_ARGUMENT, "there is no data source \"iris\""},
        {"xor:train", MORU_ERR_ARGUMENT, "there is no data source \"xor\""},
        {"cifar10:/data", MORU_ERR_UNSUPPORTED, "no data source \"cifar10\"; there are fashion-mnist"},
        {"images:/data", MORU_ERR_UNSUPPORTED, "\"images\""}, {"text:/data", MORU_ERR_UNSUPPORTED, "\"text\""},
        {"wav:/data", MORU_ERR_UNSUPPORTED, "\"wav\""},
        {"fashion-mnist:all", MORU_ERR_ARGUMENT, "\"all\" isn't train or test"},
        {"mnist", MORU_ERR_ARGUMENT, "it needs a directory"},
        {"mnist::test", MORU_ERR_ARGUMENT, "it needs a directory"},
        {"mnist:/nowhere", MORU_ERR_IO, "/nowhere/train-images-idx3-ubyte: No such file"},
        {"csv:", MORU_ERR_ARGUMENT, "it needs a file"}, {"csv:?sep=;", MORU_ERR_ARGUMENT, "it needs a file"},
        {"csv:/nowhere", MORU_ERR_IO, "/nowhere: No such file"},
        {"csv:x?sep=ab", MORU_ERR_ARGUMENT, "a separator is one character"},
        {"csv:x?sep=", MORU_ERR_ARGUMENT, "a separator is one character"},
        {"csv:x?raw=1", MORU_ERR_ARGUMENT, "yes or no"}, {"csv:x?target", MORU_ERR_ARGUMENT, "\"target\" has no value"},
        {"csv:x?traget=y", MORU_ERR_ARGUMENT, "no option \"traget\"; there are target"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        FAILS(d, moru_dataset_open(&d, bad[k].spec), bad[k].status, bad[k].message);
    ck_assert_int_eq(moru_dataset_open(&d, NULL), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_dataset_open(NULL, "xor"), MORU_ERR_ARGUMENT);
    char *longest = malloc(70000);
    memset(longest, 'x', 69999);
    memcpy(longest, "mnist:", 6);
    longest[69999] = '\0';
    ck_assert_int_ne(moru_dataset_open(&d, longest), MORU_OK);
    memset(longest, 'x', 6);
    ck_assert_int_ne(moru_dataset_open(&d, longest), MORU_OK);
    free(longest);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_arrays, test_arrays_refused, test_own, test_slices, test_h5, test_h5_refused,
                                  test_built_in, test_specs};
    return run_cases("datasets", tests, sizeof tests / sizeof *tests);
}
