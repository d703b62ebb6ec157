/* Files of bytes, arrays in HDF5, pictures. */
#include <dirent.h>
#include <hdf5.h>
#include <sys/stat.h>

#include "tests/format_test.h"

#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

static int files_in_scratch(void)
{
    DIR *folder = opendir(scratch(""));
    int n = -2; /* . and .. */
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* ---- whole files ---- */

START_TEST(test_write_and_read)
{
    const char *path = scratch("bytes");
    void *data;
    int64_t size;
    OK(moru_file_write(path, "one\0two", 7));
    OK(moru_file_read(path, 100, &data, &size));
    ck_assert_int_eq(size, 7);
    ck_assert_mem_eq(data, "one\0two", 8); /* a zero follows */
    free(data);
    ck_assert_int_eq(files_in_scratch(), 1);
    FAILS(moru_file_read(path, 6, &data, &size), MORU_ERR_FORMAT, "7 bytes");
    ck_assert_ptr_null(data);
    FAILS(moru_file_read(scratch("nothing"), 6, &data, &size), MORU_ERR_IO, "nothing: cannot be opened: No such file");
    FAILS(moru_file_read("/tmp", 6, &data, &size), MORU_ERR_IO, "/tmp: is not a regular file");
    clean_scratch();
}
END_TEST

START_TEST(test_write_keeps_mode_and_links)
{
    struct stat info;
    const char *path = scratch("target"), *link = scratch("link");
    OK(moru_file_write(path, "old", 3));
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(symlink("target", link), 0);
    OK(moru_file_write(link, "newer", 5));
    ck_assert_int_eq(lstat(link, &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 07777, 0640);
    ck_assert_int_eq(info.st_size, 5);
    OK(moru_file_write("/dev/null", "gone", 4));
    ck_assert_int_eq(lstat("/dev/null", &info), 0);
    ck_assert(S_ISCHR(info.st_mode));
    clean_scratch();
}
END_TEST

START_TEST(test_failed_write_leaves_nothing)
{
    char path[300];
    scratch("");
    FAILS(moru_file_write("/tmp", "x", 1), MORU_ERR_IO, "/tmp: is a directory");
    snprintf(path, sizeof path, "%s/none/file", scratch(""));
    FAILS(moru_file_write(path, "x", 1), MORU_ERR_IO, "cannot be created");
    FAILS(moru_file_write("/dev/full", "x", 1), MORU_ERR_IO, "No space left");
    ck_assert_int_eq(files_in_scratch(), 0);
    clean_scratch();
}
END_TEST

START_TEST(test_suffix)
{
    ck_assert(moru_file_has_suffix("a.WEIGHTS.h5", ".weights.h5"));
    ck_assert(!moru_file_has_suffix("weights.h5", ".weights.h5"));
    ck_assert(!moru_file_has_suffix("h5", ".weights.h5"));
}
END_TEST

/* ---- arrays ---- */

START_TEST(test_arrays_round_trip)
{
    const char *path = scratch("arrays.h5");
    moru_tensor *real = random_tensor(1, MORU_SHAPE(2, 3, 4)), *scalar = random_tensor(2, MORU_SCALAR_SHAPE);
    moru_tensor *ints = moru_tensor_from(MORU_INT32, MORU_SHAPE(3), (int32_t[]){-5, 0, INT32_MAX});
    moru_tensor *empty = moru_tensor_new(MORU_REAL, MORU_SHAPE(0, 4)), *back = NULL;
    moru_h5_item items[] = {{"x", real}, {"deep/in/groups", scalar}, {"deep/in/ints", ints}, {"empty", empty}};
    OK(moru_h5_write(path, items, 4));
    for (int k = 0; k < 4; k++) {
        ck_assert(moru_h5_has(path, items[k].name));
        OK(moru_h5_read(&back, path, items[k].name, MORU_INT32));
        ck_assert_int_eq(moru_tensor_dtype(back), moru_tensor_dtype(items[k].tensor));
        assert_same_bits(back, items[k].tensor);
        moru_tensor_free(back);
    }
    OK(moru_h5_read(&back, path, "deep/in/ints", MORU_REAL));
    ck_assert_double_eq(((moru_real *)moru_tensor_data(back))[0], -5);
    moru_tensor_free(back);
    ck_assert(!moru_h5_has(path, "deep/in"));
    ck_assert(!moru_h5_has(path, "x/y"));
    FAILS(moru_h5_read(&back, path, "y", MORU_REAL), MORU_ERR_FORMAT, "arrays.h5: \"y\" is missing");
    ck_assert_ptr_null(back);
    FAILS(moru_h5_read(&back, path, "deep", MORU_REAL), MORU_ERR_FORMAT, "is not a data set");
    FAILS(moru_h5_read(&back, scratch("none.h5"), "x", MORU_REAL), MORU_ERR_IO, "none.h5: cannot be opened");
    FAILS(moru_h5_write(path, (moru_h5_item[]){{"x", real}, {"x", real}}, 2), MORU_ERR_IO, "\"x\" cannot be written");
    ck_assert(moru_h5_has(path, "deep/in/groups")); /* the file is the old one */
    moru_tensor_free(real), moru_tensor_free(scalar), moru_tensor_free(ints), moru_tensor_free(empty);
    clean_scratch();
}
END_TEST

/* One data set, as another program might write it. */
static void write_foreign(const char *path, hid_t on_file, hid_t native, const void *data, bool packed)
{
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, (hsize_t[]){4}, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    if (packed) {
        H5Pset_chunk(creation, 1, (hsize_t[]){3});
        H5Pset_shuffle(creation);
        H5Pset_deflate(creation, 6);
        H5Pset_fletcher32(creation);
    }
    hid_t set = H5Dcreate2(file, "x", on_file, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    ck_assert_int_ge(H5Dwrite(set, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), 0);
    H5Pclose(creation), H5Sclose(space), H5Dclose(set), H5Fclose(file);
}

START_TEST(test_types_are_converted)
{
    const char *path = scratch("foreign.h5");
    const double reals[] = {0.5, -2, 1024, 0.25};
    moru_tensor *t;
    hid_t half = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(half, 15, 10, 5, 0, 10);
    H5Tset_size(half, 2);
    H5Tset_ebias(half, 15);
    const hid_t types[] = {H5T_IEEE_F64BE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, half};
    for (int k = 0; k < 4; k++) {
        write_foreign(path, types[k], H5T_NATIVE_DOUBLE, reals, k < 2);
        OK(moru_h5_read(&t, path, "x", MORU_INT32));
        ck_assert_int_eq(moru_tensor_dtype(t), MORU_REAL);
        for (int i = 0; i < 4; i++)
            ck_assert_double_eq(((moru_real *)moru_tensor_data(t))[i], reals[i]);
        moru_tensor_free(t);
    }
    H5Tclose(half);
    const int64_t ints[] = {7, -1, 0, (int64_t)1 << 31};
    write_foreign(path, H5T_STD_I64BE, H5T_NATIVE_INT64, ints, true);
    FAILS(moru_h5_read(&t, path, "x", MORU_INT32), MORU_ERR_RANGE, "\"x\": element 3 is 2147483648");
    OK(moru_h5_read(&t, path, "x", MORU_REAL));
    moru_tensor_free(t);
    const uint64_t large[] = {1, 2, 3, UINT64_MAX};
    write_foreign(path, H5T_STD_U64LE, H5T_NATIVE_UINT64, large, false);
    FAILS(moru_h5_read(&t, path, "x", MORU_INT32), MORU_ERR_RANGE, "element 3");
    clean_scratch();
}
END_TEST

START_TEST(test_bfloat16)
{
    const char *path = scratch("bfloat16.h5");
    const uint16_t bits[] = {0x3f80, 0xc000, 0x4049, 0x0000}; /* 1, -2, 3.140625, 0 */
    moru_tensor *t;
    hid_t opaque = H5Tcreate(H5T_OPAQUE, 2);
    write_foreign(path, opaque, opaque, bits, false);
    FAILS(moru_h5_read(&t, path, "x", MORU_REAL), MORU_ERR_UNSUPPORTED, "neither floating numbers nor integers");
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), space = H5Screate(H5S_SCALAR), text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, H5T_VARIABLE);
    hid_t attribute = H5Acreate_by_name(file, "x", "dtype", text, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, text, &(const char *){"bfloat16"});
    H5Aclose(attribute), H5Tclose(text), H5Sclose(space), H5Fclose(file), H5Tclose(opaque);
    OK(moru_h5_read(&t, path, "x", MORU_REAL));
    const moru_real *values = moru_tensor_data(t);
    ck_assert(values[0] == 1 && values[1] == -2 && values[2] == (moru_real)3.140625 && values[3] == 0);
    moru_tensor_free(t);
    char *dtype;
    OK(moru_h5_attribute(&dtype, path, "x", "dtype"));
    ck_assert_str_eq(dtype, "bfloat16");
    free(dtype);
    OK(moru_h5_attribute(&dtype, path, "/", "loss"));
    ck_assert_ptr_null(dtype);
    clean_scratch();
}
END_TEST

START_TEST(test_nothing_outside_is_followed)
{
    const char *path = scratch("links.h5");
    moru_tensor *t;
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(1, (hsize_t[]){4}, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Lcreate_soft("/real", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("other.h5", "/x", file, "outside", H5P_DEFAULT, H5P_DEFAULT);
    H5Pset_external(creation, "raw.bin", 0, 16);
    H5Dclose(H5Dcreate2(file, "raw", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Pclose(creation);
    hsize_t huge[] = {(hsize_t)1 << 40};
    hid_t large = H5Screate_simple(1, huge, NULL);
    creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 1, (hsize_t[]){1024});
    H5Dclose(H5Dcreate2(file, "bomb", H5T_IEEE_F32LE, large, H5P_DEFAULT, creation, H5P_DEFAULT));
    hid_t text = H5Tcopy(H5T_C_S1);
    H5Dclose(H5Dcreate2(file, "text", text, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Pclose(creation), H5Sclose(large), H5Sclose(space), H5Tclose(text), H5Fclose(file);
    FAILS(moru_h5_read(&t, path, "soft", MORU_REAL), MORU_ERR_UNSUPPORTED, "\"soft\" is a soft or external link");
    FAILS(moru_h5_read(&t, path, "outside", MORU_REAL), MORU_ERR_UNSUPPORTED, "\"outside\" is a soft or external link");
    FAILS(moru_h5_read(&t, path, "raw", MORU_REAL), MORU_ERR_UNSUPPORTED, "lies in another file");
    FAILS(moru_h5_read(&t, path, "bomb", MORU_REAL), MORU_ERR_FORMAT, "more data than the file can hold");
    FAILS(moru_h5_read(&t, path, "text", MORU_REAL), MORU_ERR_UNSUPPORTED, "neither floating numbers");
    clean_scratch();
}
END_TEST

/* Without the sync of moru_file_write(), which takes its time. */
static void put(const char *path, const void *data, int64_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert(file && fwrite(data, 1, (size_t)size, file) == (size_t)size && fclose(file) == 0);
}

/* Every damage ends in a status or in numbers, never in a crash; whatever is read has the right size. */
START_TEST(test_damaged_arrays)
{
    const char *path = scratch("damaged.h5");
    moru_tensor *real = random_tensor(3, MORU_SHAPE(8, 9)), *t;
    moru_h5_item items[] = {{"x", real}, {"group/y", real}, {"group/z", real}};
    void *data;
    int64_t size;
    OK(moru_h5_write(path, items, 3));
    OK(moru_file_read(path, 1 << 20, &data, &size));
    for (int64_t n = 0; n < size; n += 1 + n / 16) {
        put(path, data, n);
        ck_assert_int_ne(moru_h5_read(&t, path, "x", MORU_REAL), MORU_OK);
    }
    for (uint64_t seed = 0; seed < 400; seed++) {
        moru_random r = {seed, 3, 0};
        uint8_t *copy = malloc((size_t)size);
        memcpy(copy, data, (size_t)size);
        for (int flips = 1 + (int)moru_random_below(&r, 6); flips > 0; flips--)
            copy[moru_random_below(&r, size)] ^= (uint8_t)(1 << moru_random_below(&r, 8));
        put(path, copy, size);
        free(copy);
        for (int k = 0; k < 3; k++)
            if (moru_h5_read(&t, path, items[k].name, MORU_REAL) == MORU_OK)
                moru_tensor_free(t);
    }
    free(data);
    moru_tensor_free(real);
    clean_scratch();
}
END_TEST

/* ---- pictures ---- */

static stbi_uc *decode(const char *path, int *width, int *height)
{
    int channels;
    stbi_uc *pixels = stbi_load(path, width, height, &channels, 3);
    ck_assert_msg(pixels != NULL, "%s", stbi_failure_reason());
    return pixels;
}

static int count_color(const stbi_uc *pixels, int n, int r, int g, int b)
{
    int count = 0;
    for (int k = 0; k < n; k++)
        count += pixels[3 * k] == r && pixels[3 * k + 1] == g && pixels[3 * k + 2] == b;
    return count;
}

START_TEST(test_plot_history)
{
    const char *path = scratch("history.png");
    moru_history *history = moru_history_new();
    FAILS(moru_plot_history(history, "none", path), MORU_ERR_ARGUMENT, "nothing to draw");
    for (int k = 0; k < 5; k++) {
        moru_logs logs = {.epoch = k, .epochs = 5, .n = 4, .names = {"loss", "accuracy", "val_loss", "val_accuracy"},
                          .values = {1.0 / (k + 1), 1 - 0.5 / (k + 1), k == 2 ? NAN : 1.1 / (k + 1), 0.8}};
        OK(moru_history_append(history, &logs));
        OK(moru_plot_history(history, "curves", path)); /* from one epoch on */
    }
    int width, height;
    stbi_uc *pixels = decode(path, &width, &height);
    ck_assert_int_eq(width, 1200);
    ck_assert_int_ge(count_color(pixels, width * height, 0x1f, 0x77, 0xb4), 500);
    ck_assert_int_ge(count_color(pixels, width * height, 0xe8, 0x71, 0x0a), 500);
    stbi_image_free(pixels);
    moru_history_free(history);
    clean_scratch();
}
END_TEST

START_TEST(test_plot_history_extremes)
{
    const double values[][3] = {{1e6, 1, 1e-6}, {0, 0, 0}, {NAN, NAN, NAN}, {-1e300, 0, 1e300}, {5, 5, 5},
                                {1, INFINITY, 2}};
    for (size_t c = 0; c < sizeof values / sizeof *values; c++) {
        moru_history *history = moru_history_new();
        for (int k = 0; k < 3; k++)
            OK(moru_history_append(history, &(moru_logs){.epoch = k, .n = 1, .names = {"loss"},
                                                         .values = {values[c][k]}}));
        OK(moru_plot_history(history, NULL, scratch("extreme.png")));
        moru_history_free(history);
    }
    clean_scratch();
}
END_TEST

START_TEST(test_plot_images)
{
    const char *path = scratch("images.png");
    moru_tensor *images = moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 4, 5, 3));
    moru_real *values = moru_tensor_data(images);
    for (int64_t k = 0; k < moru_tensor_size(images); k++)
        values[k] = k % 3 == 1 ? 1 : 0; /* green */
    values[0] = NAN;
    const char *captions[] = {"right", "a caption that is far too wide to stand below\nboot", NULL};
    OK(moru_plot_images(images, captions, (bool[]){false, true, false}, 2, "title \xc3\xa9", path));
    int width, height;
    stbi_uc *pixels = decode(path, &width, &height);
    ck_assert_int_ge(count_color(pixels, width * height, 0, 255, 0), 3 * 168 * 120);
    ck_assert_int_ge(count_color(pixels, width * height, 0xcc, 0x1f, 0x1a), 100);
    stbi_image_free(pixels);
    OK(moru_plot_images(images, NULL, NULL, 0, NULL, path));
    moru_tensor *two = moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 4, 5, 2));
    FAILS(moru_plot_images(two, NULL, NULL, 0, NULL, path), MORU_ERR_SHAPE, "[3,4,5,2]");
    moru_tensor_free(two);
    moru_tensor_free(images);
    clean_scratch();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("files");
    TCase *tests = tcase_create("files");
    tcase_add_test(tests, test_write_and_read);
    tcase_add_test(tests, test_write_keeps_mode_and_links);
    tcase_add_test(tests, test_failed_write_leaves_nothing);
    tcase_add_test(tests, test_suffix);
    tcase_add_test(tests, test_arrays_round_trip);
    tcase_add_test(tests, test_types_are_converted);
    tcase_add_test(tests, test_bfloat16);
    tcase_add_test(tests, test_nothing_outside_is_followed);
    tcase_add_test(tests, test_damaged_arrays);
    tcase_add_test(tests, test_plot_history);
    tcase_add_test(tests, test_plot_history_extremes);
    tcase_add_test(tests, test_plot_images);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
