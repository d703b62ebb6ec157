/* Pictures under transforms, beside TensorFlow's (tests/make_affine_fixture.py), on every instruction set; layers that
 * augment pictures: their numbers where nothing is left to chance, chance where it is, and what they refuse. */
#include "kernels/kernels.h"
#include "tests/format_test.h"
#include "tests/one_layer.h"

static const char *fixture(void)
{
    static char path[1100];
    snprintf(path, sizeof path, "%s/tests/data/affine_transform.h5", getenv("srcdir") ? getenv("srcdir") : ".");
    return path;
}

static void assert_near(const moru_real *y, const moru_real *want, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)y[i] - (double)want[i]) < 2e-5, "%s: element %lld is %g, not %g", what, (long long)i,
                      (double)y[i], (double)want[i]);
}

/* ---- the op ---- */

static void check_transform(const moru_kernels *k, const char *group, const char *interpolation, int mode)
{
    static const char *const modes[] = {"constant", "reflect", "wrap", "nearest"};
    moru_tensor *x, *transform, *want;
    char name[100];
    OK(moru_h5_read(&x, fixture(), "x", MORU_REAL));
    OK(moru_h5_read(&transform, fixture(), "transform", MORU_REAL));
    snprintf(name, sizeof name, "%s/%s/%s", group, interpolation, modes[mode]);
    OK(moru_h5_read(&want, fixture(), name, MORU_REAL));
    const moru_shape *s = moru_tensor_shape(x);
    moru_affine g = {.n = s->dims[0], .h = s->dims[1], .w = s->dims[2], .c = s->dims[3], .fill_mode = mode,
                     .shared = strcmp(group, "shared") == 0, .bilinear = strcmp(interpolation, "bilinear") == 0,
                     .fill = 0.25};
    int64_t n = moru_tensor_size(x);
    moru_real *y = malloc((size_t)n * sizeof *y);
    k->affine(&g, moru_tensor_data(x), moru_tensor_data(transform), y, 2);
    assert_near(y, moru_tensor_data(want), n, name);
    free(y);
    moru_tensor_free(x);
    moru_tensor_free(transform);
    moru_tensor_free(want);
}

START_TEST(test_transforms_give_what_keras_gives)
{
    for (int k = 0; moru_kernels_at(k); k++)
        for (int mode = 0; mode < 4; mode++) {
            check_transform(moru_kernels_at(k), "y", "nearest", mode);
            check_transform(moru_kernels_at(k), "y", "bilinear", mode);
            check_transform(moru_kernels_at(k), "shared", "bilinear", mode);
            check_transform(moru_kernels_at(k), "shared", "nearest", mode);
        }
}
END_TEST

/* <y, dy> = <x, dx> where nothing is filled in; the same bits for any number of threads. */
START_TEST(test_gradient_is_the_adjoint)
{
    enum { N = 6, H = 21, W = 17, C = 5, SIZE = N * H * W * C };
    static moru_real x[SIZE], y[SIZE], dy[SIZE], dx[SIZE], again[SIZE], transform[N * 8];
    fill_evenly(x, SIZE, 1);
    fill_evenly(dy, SIZE, 2);
    fill_evenly(transform, N * 8, 3);
    for (int n = 0; n < N; n++) {
        transform[8 * n] += 1;
        transform[8 * n + 6] *= (moru_real)0.01;
        transform[8 * n + 7] *= (moru_real)0.01;
    }
    for (int k = 0; moru_kernels_at(k); k++)
        for (int mode = 0; mode < 8; mode++) {
            moru_affine g = {.n = N, .h = H, .w = W, .c = C, .bilinear = mode / 4, .fill_mode = mode % 4};
            const moru_kernels *f = moru_kernels_at(k);
            f->affine(&g, x, transform, y, 1);
            f->affine(&g, x, transform, again, 3);
            ck_assert_mem_eq(y, again, sizeof y);
            f->affine_grad(&g, dy, transform, dx, 1);
            f->affine_grad(&g, dy, transform, again, 3);
            ck_assert_mem_eq(dx, again, sizeof dx);
            double forward = 0, backward = 0;
            for (int i = 0; i < SIZE; i++) {
                forward += (double)y[i] * (double)dy[i];
                backward += (double)x[i] * (double)dx[i];
            }
            ck_assert_msg(fabs(forward - backward) < 1e-3, "%s mode %d: %g and %g", f->isa, mode, forward, backward);
        }
}
END_TEST

START_TEST(test_places_far_outside)
{
    const moru_real x[] = {1, 2, 3, 4};
    const moru_real far[] = {0, 0, (moru_real)1e30, 0, 0, (moru_real)-1e18, 0, 0}, none[] = {1, 0, 0, 0, 1, 0, 0, -1};
    const moru_real nan[] = {(moru_real)NAN, 0, 0, 0, 1, 0, 0, 0};
    moru_real y[4];
    for (int mode = 0; mode < 8; mode++) {
        moru_affine g = {.n = 1, .h = 2, .w = 2, .c = 1, .bilinear = mode / 4, .fill_mode = mode % 4, .fill = 7};
        moru_kernels_select()->affine(&g, x, far, y, 1);
        ck_assert(y[0] == 7 && y[3] == 7);
        moru_kernels_select()->affine(&g, x, nan, y, 1);
        ck_assert(y[0] == 7 && y[3] == 7);
        moru_kernels_select()->affine(&g, x, none, y, 1); /* the denominator is 0 in the second row */
        ck_assert(y[0] == 1 && y[1] == 2 && y[2] == 7 && y[3] == 7);
    }
}
END_TEST

static void op_refused(moru_shape x, moru_shape transform, int mode, const char *part)
{
    moru_graph *g = moru_graph_new();
    moru_affine_transform(moru_placeholder(g, "x", MORU_REAL, x), moru_placeholder(g, "t", MORU_REAL, transform), true,
                          (moru_fill_mode)mode, 0);
    ck_assert_msg(strstr(moru_graph_error(g), part), "\"%s\"", moru_graph_error(g));
    moru_graph_free(g);
}

START_TEST(test_shapes_that_do_not_fit)
{
    op_refused(MORU_SHAPE(2, 3, 3), MORU_SHAPE(2, 8), 0, "[n,h,w,c]");
    op_refused(MORU_SHAPE(2, 3, 3, 1), MORU_SHAPE(8), 0, "[n,8]");
    op_refused(MORU_SHAPE(2, 3, 3, 1), MORU_SHAPE(2, 6), 0, "[2,6]");
    op_refused(MORU_SHAPE(2, 3, 3, 1), MORU_SHAPE(3, 8), 0, "[3,8]");
    op_refused(MORU_SHAPE(2, 3, 3, 1), MORU_SHAPE(1, 8), 4, "fill mode 4");
}
END_TEST

/* ---- layers without chance ---- */

static void check_layer(const char *name, moru_layer *layer)
{
    moru_tensor *x, *want;
    char path[64];
    OK(moru_h5_read(&x, fixture(), "x", MORU_REAL));
    snprintf(path, sizeof path, "layers/%s", name);
    OK(moru_h5_read(&want, fixture(), path, MORU_REAL));
    moru_real *y = trained_output(layer, *moru_tensor_shape(x), moru_tensor_data(x), 1, 1, 5, NULL);
    assert_near(y, moru_tensor_data(want), moru_tensor_size(want), name);
    free(y);
    moru_tensor_free(x);
    moru_tensor_free(want);
}

START_TEST(test_layers_give_what_keras_gives)
{
    check_layer("rotation", moru_random_rotation(.factor = {0.2, 0.2}));
    check_layer("rotation_nearest", moru_random_rotation(.factor = {-0.3, -0.3}, .interpolation = "nearest",
                                                         .fill_mode = "constant", .fill_value = 2));
    check_layer("zoom", moru_random_zoom(.height_factor = {0.3, 0.3}, .width_factor = {-0.2, -0.2},
                                         .fill_mode = "wrap"));
    check_layer("zoom_one", moru_random_zoom(.height_factor = {-0.4, -0.4}, .fill_mode = "constant"));
    check_layer("translation", moru_random_translation(.height_factor = {0.3, 0.3}, .width_factor = {-0.25, -0.25},
                                                       .fill_mode = "nearest"));
    check_layer("brightness", moru_random_brightness(.factor = {0.2, 0.2}, .value_range = {-1, 2}));
}
END_TEST

/* ---- chance ---- */

enum { N = 16, H = 6, W = 7, C = 2, IMAGE = H * W * C };

static moru_layer *random_layer(int k, int64_t seed, bool first)
{
    const char *format = first ? "channels_first" : "channels_last";
    switch (k) {
    case 0: return moru_random_flip(.seed = seed, .data_format = format);
    case 1: return moru_random_rotation(.factor = {-0.3, 0.3}, .seed = seed, .data_format = format);
    case 2: return moru_random_zoom(.height_factor = {-0.3, 0.3}, .width_factor = {-0.2, 0.4}, .seed = seed,
                                    .data_format = format);
    case 3: return moru_random_translation(.height_factor = {-0.3, 0.3}, .width_factor = {-0.2, 0.4}, .seed = seed,
                                           .data_format = format);
    case 4: return moru_random_contrast(.factor = {0.1, 0.9}, .value_range = {-2, 2}, .seed = seed,
                                        .data_format = format);
    case 5: return moru_random_brightness(.factor = {-0.4, 0.4}, .value_range = {-1, 1}, .seed = seed,
                                          .data_format = format);
    default: return moru_random_crop(.height = 3, .width = 4, .seed = seed, .data_format = format);
    }
}

static bool equal(const moru_real *a, const moru_real *b, int64_t n)
{
    return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* Equal pictures come out different, each step anew, by the seeds alone, with the same bits for any number of
 * threads. */
START_TEST(test_chance)
{
    moru_real x[N * IMAGE];
    moru_shape batch = MORU_SHAPE(N, H, W, C), shape;
    fill_evenly(x, IMAGE, 4);
    for (int n = 1; n < N; n++)
        memcpy(x + n * IMAGE, x, IMAGE * sizeof *x);
    moru_real *y = trained_output(random_layer(_i, MORU_NO_SEED, false), batch, x, 1, 1, 5, &shape);
    moru_real *threads = trained_output(random_layer(_i, MORU_NO_SEED, false), batch, x, 1, 3, 5, NULL);
    moru_real *step = trained_output(random_layer(_i, MORU_NO_SEED, false), batch, x, 2, 1, 5, NULL);
    moru_real *other = trained_output(random_layer(_i, MORU_NO_SEED, false), batch, x, 1, 1, 6, NULL);
    moru_real *seed = trained_output(random_layer(_i, 77, false), batch, x, 1, 1, 5, NULL);
    moru_real *same = trained_output(random_layer(_i, 77, false), batch, x, 1, 1, 5, NULL);
    int64_t size = shape.dims[1] * shape.dims[2] * C;
    ck_assert(equal(y, threads, N * size) && equal(seed, same, N * size));
    if (_i < 6) {
        ck_assert(!equal(y, step, N * size) && !equal(y, other, N * size) && !equal(y, seed, N * size));
        int changes = 0;
        for (int n = 1; n < N; n++)
            changes += !equal(y + (n - 1) * size, y + n * size, size);
        ck_assert_int_gt(changes, _i == 0 ? 2 : N - 2);
    } else {
        ck_assert(shape.dims[1] == 3 && shape.dims[2] == 4);
        for (int n = 1; n < N; n++) /* one place for the batch, as in Keras */
            ck_assert(equal(y, y + n * size, size));
    }
    free(y), free(threads), free(step), free(other), free(seed), free(same);
}
END_TEST

/* Channels first is the same with the axes exchanged. */
START_TEST(test_channels_first)
{
    moru_real x[N * IMAGE], turned[N * IMAGE];
    moru_shape shape;
    fill_evenly(x, N * IMAGE, 8);
    for (int n = 0; n < N; n++)
        for (int p = 0; p < H * W; p++)
            for (int c = 0; c < C; c++)
                turned[n * IMAGE + c * H * W + p] = x[n * IMAGE + p * C + c];
    moru_real *y = trained_output(random_layer(_i, 3, false), MORU_SHAPE(N, H, W, C), x, 1, 1, 5, &shape);
    moru_real *z = trained_output(random_layer(_i, 3, true), MORU_SHAPE(N, C, H, W), turned, 1, 1, 5, NULL);
    int64_t pixels = shape.dims[1] * shape.dims[2];
    for (int n = 0; n < N; n++)
        for (int64_t p = 0; p < pixels; p++)
            for (int c = 0; c < C; c++)
                ck_assert(fabs((double)y[(n * pixels + p) * C + c] - (double)z[(n * C + c) * pixels + p]) < 1e-5);
    free(y), free(z);
}
END_TEST

/* Each picture is itself or its mirror image. */
START_TEST(test_flips)
{
    static const char *const modes[] = {"horizontal", "vertical", "horizontal_and_vertical"};
    moru_real x[N * IMAGE];
    fill_evenly(x, N * IMAGE, 9);
    moru_real *y = trained_output(moru_random_flip(.mode = modes[_i]), MORU_SHAPE(N, H, W, C), x, 1, 1, 2, NULL);
    int kept = 0, mirrored = 0;
    for (int n = 0; n < N; n++) {
        moru_real want[IMAGE];
        for (int p = 0; p < H * W; p++) {
            int row = _i == 0 ? p / W : H - 1 - p / W, column = _i == 1 ? p % W : W - 1 - p % W;
            memcpy(want + p * C, x + n * IMAGE + (row * W + column) * C, C * sizeof *x);
        }
        kept += equal(y + n * IMAGE, x + n * IMAGE, IMAGE);
        mirrored += equal(y + n * IMAGE, want, IMAGE);
    }
    ck_assert_int_eq(kept + mirrored, N);
    ck_assert(kept > 2 && mirrored > 2);
    free(y);
}
END_TEST

/* Differences to the mean grow by one factor of the picture's; nothing leaves the range. */
START_TEST(test_contrast)
{
    moru_real x[N * IMAGE];
    fill_evenly(x, N * IMAGE, 10);
    moru_real *y = trained_output(moru_random_contrast(.factor = {0.3, 0.9}, .value_range = {-3, 3}),
                                  MORU_SHAPE(N, H, W, C), x, 1, 1, 2, NULL);
    for (int n = 0; n < N; n++) {
        double mean[C] = {0}, factor = 0;
        for (int i = 0; i < IMAGE; i++)
            mean[i % C] += (double)x[n * IMAGE + i] / (H * W);
        for (int i = 0; i < IMAGE; i++) {
            double from = (double)x[n * IMAGE + i] - mean[i % C], to = (double)y[n * IMAGE + i] - mean[i % C];
            factor = i == 0 ? to / from : factor;
            ck_assert_msg(fabs(to - factor * from) < 1e-4, "%d: %g times %g is %g", i, factor, from, to);
        }
        ck_assert(factor > 0.7 - 1e-4 && factor < 1.9 + 1e-4);
    }
    free(y);
}
END_TEST

START_TEST(test_crops_are_parts)
{
    moru_real x[H * W];
    for (int i = 0; i < H * W; i++)
        x[i] = (moru_real)i;
    bool seen[H * W] = {false};
    for (uint64_t seed = 0; seed < 120; seed++) {
        moru_real *y = trained_output(moru_random_crop(.height = 4, .width = 3), MORU_SHAPE(1, H, W, 1), x, 1, 1,
                                      seed, NULL);
        int corner = (int)y[0];
        seen[corner] = true;
        ck_assert(corner / W <= H - 4 && corner % W <= W - 3);
        for (int i = 0; i < 12; i++)
            ck_assert_int_eq((int)y[i], corner + i / 3 * W + i % 3);
        free(y);
    }
    for (int i = 0; i < H * W; i++)
        ck_assert(seen[i] == (i / W <= H - 4 && i % W <= W - 3));
}
END_TEST

static void refused(moru_layer *layer, moru_shape sample, const char *part)
{
    moru_model *model = moru_sequential("m", moru_input_layer(sample, MORU_REAL, NULL), layer);
    ck_assert_msg(strstr(moru_model_error(model), part), "\"%s\" isn't in: %s", part, moru_model_error(model));
    moru_model_free(model);
}

START_TEST(test_what_is_refused)
{
    moru_shape picture = MORU_SHAPE(5, 6, 2), open = MORU_SHAPE(-1, 6, 2);
    refused(moru_random_flip(.mode = "both"), picture, "\"both\"");
    refused(moru_random_flip(), MORU_SHAPE(5, 6), "4 dimensions");
    refused(moru_random_flip(.data_format = "channels_middle"), picture, "channels_middle");
    refused(moru_random_rotation(.factor = {0, 1.5}), picture, "factor must be two numbers from -1 to 1");
    refused(moru_random_rotation(.factor = {NAN, 1}), picture, "factor");
    refused(moru_random_rotation(.fill_mode = "mirror"), picture, "fill_mode \"mirror\"");
    refused(moru_random_rotation(.interpolation = "bicubic"), picture, "interpolation \"bicubic\"");
    refused(moru_random_rotation(.fill_value = INFINITY), picture, "fill_value");
    refused(moru_random_rotation(), open, "height and width");
    refused(moru_random_zoom(.height_factor = {-1, 0}), picture, "height_factor must be above -1");
    refused(moru_random_zoom(.width_factor = {0, 2}), picture, "width_factor");
    refused(moru_random_translation(.height_factor = {-2, 0}), picture, "height_factor");
    refused(moru_random_translation(.width_factor = {0, 2}), picture, "width_factor");
    refused(moru_random_contrast(.factor = {-0.2, 0.5}), picture, "factor");
    refused(moru_random_contrast(.value_range = {1, 0}), picture, "value_range");
    refused(moru_random_brightness(.factor = {0, 3}), picture, "factor");
    refused(moru_random_brightness(.value_range = {NAN, 0}), picture, "value_range");
    refused(moru_random_crop(.height = 2), picture, "width must be positive");
    refused(moru_center_crop(.height = 0, .width = 2), picture, "height must be positive");
    refused(moru_center_crop(.height = 2, .width = 2), open, "height and width");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("augmentation");
    TCase *tests = tcase_create("augmentation");
    tcase_add_test(tests, test_transforms_give_what_keras_gives);
    tcase_add_test(tests, test_gradient_is_the_adjoint);
    tcase_add_test(tests, test_places_far_outside);
    tcase_add_test(tests, test_shapes_that_do_not_fit);
    tcase_add_test(tests, test_layers_give_what_keras_gives);
    tcase_add_loop_test(tests, test_chance, 0, 7);
    tcase_add_loop_test(tests, test_channels_first, 0, 7);
    tcase_add_loop_test(tests, test_flips, 0, 3);
    tcase_add_test(tests, test_contrast);
    tcase_add_test(tests, test_crops_are_parts);
    tcase_add_test(tests, test_what_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
