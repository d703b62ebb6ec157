/* Images and labels in idx files, plain and gzip, and damage to them. */
#include <zlib.h>

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

enum { N = 5, HEIGHT = 3, WIDTH = 2, IMAGE_BYTES = 16 + N * HEIGHT * WIDTH, LABEL_BYTES = 8 + N };
static unsigned char images[IMAGE_BYTES], labels[LABEL_BYTES];

static void big_endian(unsigned char *to, uint32_t value)
{
    for (int k = 0; k < 4; k++)
        to[k] = (unsigned char)(value >> (24 - 8 * k));
}

static void make_idx(void)
{
    const uint32_t sizes[] = {0x803, N, HEIGHT, WIDTH};
    for (int k = 0; k < 4; k++)
        big_endian(images + 4 * k, sizes[k]);
    big_endian(labels, 0x801);
    big_endian(labels + 4, N);
    for (int k = 16; k < IMAGE_BYTES; k++)
        images[k] = (unsigned char)(k * 37);
    for (int k = 0; k < N; k++)
        labels[8 + k] = (unsigned char)(9 - 2 * k);
}

static const char *write_gzip(const char *name, const void *data, size_t size)
{
    const char *path = in_folder(name);
    gzFile file = gzopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, data, (unsigned)size), (int)size);
    ck_assert_int_eq(gzclose(file), Z_OK);
    return path;
}

static size_t read_back(const char *path, unsigned char *data, size_t size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(data, 1, size, file);
    fclose(file);
    return n;
}

static void check_idx(void)
{
    ck_assert_int_eq(info.size, N);
    ck_assert(moru_shape_equal(&info.input_shapes[0], &MORU_SHAPE(HEIGHT, WIDTH, 1)));
    ck_assert_int_eq(info.target_shapes[0].rank, 0);
    ck_assert_int_eq(info.target_dtypes[0], MORU_INT32);
    ck_assert_int_eq(info.n_classes, 10);
    ck_assert(info.images);
    for (int row = 0; row < N; row++) {
        moru_real x[HEIGHT * WIDTH];
        int32_t y;
        read_row(d, row, x, &y);
        ck_assert_int_eq(y, 9 - 2 * row);
        for (int k = 0; k < HEIGHT * WIDTH; k++)
            ck_assert(fabs((double)x[k] - images[16 + row * HEIGHT * WIDTH + k] / 255.0) < 1e-6);
    }
    done();
}

START_TEST(test_idx)
{
    make_idx();
    opened(moru_dataset_idx(&d, write_file("i", images, sizeof images), write_file("l", labels, sizeof labels)));
    ck_assert_ptr_null(info.class_names);
    check_idx();
    opened(moru_dataset_idx(&d, write_gzip("i.gz", images, sizeof images), write_gzip("l.gz", labels, sizeof labels)));
    check_idx();
    /* A folder of them by name, one plain, one gzip. */
    char spec[256];
    write_gzip("train-images-idx3-ubyte.gz", images, sizeof images);
    write_file("train-labels-idx1-ubyte", labels, sizeof labels);
    snprintf(spec, sizeof spec, "mnist:%s", folder);
    opened(moru_dataset_open(&d, spec));
    ck_assert_str_eq(info.name, "mnist:train");
    ck_assert_str_eq(info.class_names[9], "9");
    check_idx();
    snprintf(spec, sizeof spec, "mnist:%s:train", folder);
    opened(moru_dataset_open(&d, spec));
    check_idx();
    snprintf(spec, sizeof spec, "mnist:%s:test", folder);
    FAILS(d, moru_dataset_open(&d, spec), MORU_ERR_IO, "t10k-images-idx3-ubyte: No such file");
    /* No images at all is a data set of size 0. */
    big_endian(images + 4, 0);
    big_endian(labels + 4, 0);
    opened(moru_dataset_idx(&d, write_file("i0", images, 16), write_file("l0", labels, 8)));
    ck_assert_int_eq(info.size, 0);
    done();
}
END_TEST

START_TEST(test_idx_refused)
{
    make_idx();
    const char *i = in_folder("i"), *l = in_folder("l");
    write_file("l", labels, sizeof labels);
    for (size_t n = 0; n < sizeof images; n++) {
        write_file("i", images, n);
        FAILS(d, moru_dataset_idx(&d, i, l), MORU_ERR_FORMAT, i);
    }
    write_file("i", images, sizeof images);
    for (size_t n = 0; n < sizeof labels; n++) {
        write_file("l", labels, n);
        FAILS(d, moru_dataset_idx(&d, i, l), MORU_ERR_FORMAT, l);
    }
    FAILS(d, moru_dataset_idx(&d, i, i), MORU_ERR_FORMAT, "i: not an idx file of labels: it begins with 0x00000803");
    FAILS(d, moru_dataset_idx(&d, in_folder("none"), l), MORU_ERR_IO, "none: No such file");
    FAILS(d, moru_dataset_idx(&d, folder, l), MORU_ERR_IO, "directory");
    unsigned char longer[sizeof labels + 1] = {0};
    memcpy(longer, labels, sizeof labels);
    write_file("l", longer, sizeof longer);
    FAILS(d, moru_dataset_idx(&d, i, l), MORU_ERR_FORMAT, "l: goes on after the 5 bytes");
    big_endian(longer + 4, N + 1);
    write_file("l", longer, sizeof longer);
    FAILS(d, moru_dataset_idx(&d, i, l), MORU_ERR_FORMAT, "i holds 5 images, ");
    labels[8 + 3] = 10;
    write_file("l", labels, sizeof labels);
    FAILS(d, moru_dataset_idx_classes(&d, "x", i, l, 10, NULL), MORU_ERR_RANGE,
          "l: label 10 at position 3 is outside 0..9");
    opened(moru_dataset_idx(&d, i, l)); /* classes are what there is */
    ck_assert_int_eq(info.n_classes, 11);
    done();
    /* Headers that promise what no memory holds. */
    for (int k = 1; k < 4; k++) {
        big_endian(images + 4 * k, UINT32_MAX);
        write_file("i", images, sizeof images);
        FAILS(d, moru_dataset_idx(&d, i, l), MORU_ERR_FORMAT, "i: ");
    }
    big_endian(images + 8, 0);
    big_endian(images + 12, 2);
    write_file("i", images, sizeof images);
    FAILS(d, moru_dataset_idx(&d, i, l), MORU_ERR_FORMAT, "images of 0 x 2 pixels");
}
END_TEST

/* A gzip file cut anywhere is refused; with any bit changed, too, unless its contents are still the same. */
START_TEST(test_gzip_damaged)
{
    unsigned char packed[512];
    make_idx();
    write_file("l", labels, sizeof labels);
    size_t size = read_back(write_gzip("i.gz", images, sizeof images), packed, sizeof packed);
    const char *path = in_folder("i.gz"), *l = in_folder("l");
    for (size_t n = 0; n < size; n++) {
        write_file("i.gz", packed, n);
        FAILS(d, moru_dataset_idx(&d, path, l), MORU_ERR_FORMAT, path);
    }
    for (size_t at = 0; at < 8 * size; at++) {
        packed[at / 8] ^= (unsigned char)(1 << at % 8);
        write_file("i.gz", packed, size);
        if (moru_dataset_idx(&d, path, l) == MORU_OK) {
            moru_dataset_describe(d, &info);
            check_idx();
        } else {
            ck_assert(!d && strstr(moru_last_error(), path));
        }
        packed[at / 8] ^= (unsigned char)(1 << at % 8);
    }
}
END_TEST

START_TEST(test_idx_random_damage)
{
    uint32_t state = 99;
    unsigned char i[sizeof images], l[sizeof labels];
    for (int round = 0; round < 2000; round++) {
        make_idx();
        memcpy(i, images, sizeof i);
        memcpy(l, labels, sizeof l);
        for (uint32_t k = next_number(&state) % 4; k < 4; k++) {
            uint32_t at = next_number(&state) % (sizeof i + sizeof l);
            *(at < sizeof i ? &i[at] : &l[at - sizeof i]) ^= (unsigned char)(1u << next_number(&state) % 8);
        }
        const char *path = write_file("i", i, sizeof i), *label_path = write_file("l", l, sizeof l);
        if (moru_dataset_idx(&d, path, label_path) != MORU_OK) {
            ck_assert(!d && *moru_last_error());
            continue;
        }
        moru_dataset_describe(d, &info);
        ck_assert_int_eq(info.size * info.input_shapes[0].dims[0] * info.input_shapes[0].dims[1], N * HEIGHT * WIDTH);
        for (int64_t row = 0; row < info.size; row++) {
            moru_real x[N * HEIGHT * WIDTH];
            int32_t y;
            read_row(d, row, x, &y);
            ck_assert(y >= 0 && y < info.n_classes);
        }
        done();
    }
}
END_TEST

/* Where fashion-mnist is looked for. */
START_TEST(test_fashion)
{
    char command[256];
    make_idx();
    snprintf(command, sizeof command, "mkdir '%s/fashion-mnist'", folder);
    ck_assert_int_eq(system(command), 0);
    write_file("fashion-mnist/t10k-images-idx3-ubyte", images, sizeof images);
    write_gzip("fashion-mnist/t10k-labels-idx1-ubyte.gz", labels, sizeof labels);
    setenv("MORU_DATA", folder, 1);
    opened(moru_dataset_open(&d, "fashion-mnist:test"));
    ck_assert_str_eq(info.name, "fashion-mnist:test");
    ck_assert_str_eq(info.class_names[9], "Ankle boot");
    check_idx();
    FAILS(d, moru_dataset_open(&d, "fashion-mnist"), MORU_ERR_IO, "fashion-mnist/train-images-idx3-ubyte: No such");
    unsetenv("MORU_DATA");
    if (moru_dataset_open(&d, "fashion-mnist:test") != MORU_OK) {
        FAILS(d, moru_dataset_open(&d, "fashion-mnist:test"), MORU_ERR_IO, "dataset-fashion-mnist");
        printf("the pictures of fashion-mnist: skipped, %s\n", moru_last_error());
        return;
    }
    moru_dataset_describe(d, &info);
    ck_assert(info.size == 10000 && moru_shape_equal(&info.input_shapes[0], &MORU_SHAPE(28, 28, 1)));
    int64_t of_class[10] = {0};
    for (int64_t row = 0; row < info.size; row++) {
        moru_real x[28 * 28];
        int32_t y;
        read_row(d, row, x, &y);
        of_class[y]++;
    }
    for (int k = 0; k < 10; k++)
        ck_assert_int_eq(of_class[k], 1000);
    done();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_idx, test_idx_refused, test_gzip_damaged, test_idx_random_damage, test_fashion};
    return run_cases("idx", tests, sizeof tests / sizeof *tests);
}
