/* Layers with noise: its statistics, what it is a function of, and that inference has none. What layers of
 * normalization, activation, merging and encoding refuse; that their numbers are Keras's is shown by fixtures. */
#include "core/status.h"
#include "tests/format_test.h"
#include "tests/one_layer.h"

enum { N = 64, T = 20, C = 32, SIZE = N * T * C };
static moru_real x[SIZE];
#define BATCH MORU_SHAPE(N, T, C)

static moru_real *noisy(moru_layer *layer)
{
    return trained_output(layer, BATCH, x, 1, 2, 3, NULL);
}

static void moments(const moru_real *y, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < SIZE; i++)
        sum += (double)y[i];
    *mean = sum / SIZE;
    for (int i = 0; i < SIZE; i++)
        squares += ((double)y[i] - *mean) * ((double)y[i] - *mean);
    *deviation = sqrt(squares / SIZE);
}

static void fill(double value)
{
    for (int i = 0; i < SIZE; i++)
        x[i] = (moru_real)value;
}

START_TEST(test_statistics)
{
    double mean, deviation;
    fill(2);
    moru_real *y = noisy(moru_gaussian_noise(.stddev = 0.3));
    moments(y, &mean, &deviation);
    ck_assert(fabs(mean - 2) < 0.01 && fabs(deviation - 0.3) < 0.01);
    free(y);
    y = noisy(moru_gaussian_dropout(.rate = 0.2));
    moments(y, &mean, &deviation);
    ck_assert(fabs(mean - 2) < 0.02 && fabs(deviation - 2 * 0.5) < 0.02);
    free(y);
    moru_random r = {1, 2, 0};
    for (int i = 0; i < SIZE; i++)
        x[i] = (moru_real)moru_random_normal(&r);
    y = noisy(moru_alpha_dropout(.rate = 0.3));
    moments(y, &mean, &deviation);
    ck_assert(fabs(mean) < 0.02 && fabs(deviation - 1) < 0.02);
    free(y);
    y = noisy(moru_dropout(.rate = 1));
    moments(y, &mean, &deviation);
    ck_assert(mean == 0 && deviation == 0);
    free(y);
}
END_TEST

/* Along axes of 1 in noise_shape all have one fate, which differs along the others. */
static void check_noise_shape(moru_layer *layer, bool by_step, bool by_channel, double kept)
{
    int dropped = 0, changes = 0;
    fill(1);
    moru_real *y = noisy(layer);
    for (int i = 0; i < SIZE; i++) {
        int n = i / (T * C), t = i / C % T, c = i % C;
        moru_real first = y[(n * T + (by_step ? t : 0)) * C + (by_channel ? c : 0)];
        ck_assert(y[i] == 0 || fabs((double)y[i] - kept) < 1e-6);
        ck_assert(y[i] == first);
        dropped += y[i] == 0;
        changes += i > 0 && y[i] != y[i - 1];
    }
    ck_assert(dropped > SIZE / 8 && dropped < SIZE / 2 && changes > N / 8);
    free(y);
}

START_TEST(test_shapes_of_noise)
{
    check_noise_shape(moru_dropout(.rate = 0.25), true, true, 1 / 0.75);
    check_noise_shape(moru_dropout(.rate = 0.25, .noise_shape = MORU_SHAPE(-1, 1, C)), false, true, 1 / 0.75);
    check_noise_shape(moru_dropout(.rate = 0.25, .noise_shape = MORU_SHAPE(N, T, 1)), true, false, 1 / 0.75);
    check_noise_shape(moru_dropout(.rate = 0.25, .noise_shape = MORU_SHAPE(-1, 1, 1)), false, false, 1 / 0.75);
    check_noise_shape(moru_spatial_dropout1d(.rate = 0.25), false, true, 1 / 0.75);
}
END_TEST

START_TEST(test_channels_are_dropped_as_a_whole)
{
    enum { S = 6 };
    moru_real ones[8 * S * S * S];
    for (int i = 0; i < 8 * S * S * S; i++)
        ones[i] = 1;
    moru_real *y = trained_output(moru_spatial_dropout2d(.rate = 0.5), MORU_SHAPE(4, S, S, S), ones, 1, 1, 3, NULL);
    for (int i = 0; i < 4 * S * S * S; i++)
        ck_assert(y[i] == y[i / (S * S * S) * S * S * S + i % S]);
    free(y);
    y = trained_output(moru_spatial_dropout2d(.rate = 0.5, .data_format = "channels_first"), MORU_SHAPE(4, S, S, S),
                       ones, 1, 1, 3, NULL);
    for (int i = 0; i < 4 * S * S * S; i++)
        ck_assert(y[i] == y[i / (S * S) * S * S]);
    free(y);
    y = trained_output(moru_spatial_dropout3d(.rate = 0.5), MORU_SHAPE(8, S, S, 2, S / 2), ones, 1, 1, 3, NULL);
    int dropped = 0;
    for (int i = 0; i < 8 * S * S * S; i++) {
        ck_assert(y[i] == y[i / (S * S * S) * S * S * S + i % (S / 2)]);
        dropped += y[i] == 0;
    }
    ck_assert(dropped > 0 && dropped < 8 * S * S * S);
    free(y);
}
END_TEST

static moru_layer *noise(int k, int64_t seed)
{
    switch (k) {
    case 0: return moru_dropout(.rate = 0.5, .seed = seed);
    case 1: return moru_gaussian_noise(.stddev = 0.5, .seed = seed);
    case 2: return moru_gaussian_dropout(.rate = 0.5, .seed = seed);
    case 3: return moru_alpha_dropout(.rate = 0.5, .seed = seed);
    default: return moru_spatial_dropout1d(.rate = 0.5, .seed = seed);
    }
}

/* A layer's seed decides instead of its place; the model's seed and the step count as well. */
START_TEST(test_seeds)
{
    fill_evenly(x, SIZE, 3);
    moru_real *y = noisy(noise(_i, 4)), *same = noisy(noise(_i, 4)), *other = noisy(noise(_i, 5));
    moru_real *place = noisy(noise(_i, MORU_NO_SEED)), *step = trained_output(noise(_i, 4), BATCH, x, 2, 1, 3, NULL);
    moru_real *model = trained_output(noise(_i, 4), BATCH, x, 1, 1, 4, NULL);
    ck_assert(memcmp(y, same, sizeof x) == 0);
    ck_assert(memcmp(y, other, sizeof x) && memcmp(y, place, sizeof x) && memcmp(y, step, sizeof x) &&
              memcmp(y, model, sizeof x) && memcmp(y, x, sizeof x));
    free(y), free(same), free(other), free(place), free(step), free(model);
}
END_TEST

START_TEST(test_inference_has_none)
{
    moru_model *m = moru_sequential("m", moru_input(C), moru_gaussian_noise(.stddev = 1),
                                    moru_gaussian_dropout(.rate = 0.5),
                                    moru_alpha_dropout(.rate = 0.5), moru_dropout(.rate = 0.5), moru_identity_layer(),
                                    moru_activity_regularization(.l1 = 1));
    moru_tensor *in = random_tensor(3, MORU_SHAPE(5, C)), *out = NULL;
    OK(moru_predict(m, &in, &out, 0, 0));
    assert_same_bits(in, out);
    moru_tensor_free(in);
    moru_tensor_free(out);
    moru_model_free(m);
}
END_TEST

/* (l1 sum |x| + l2 sum x^2)/n beside the loss. */
START_TEST(test_activity_regularization)
{
    moru_model *m = moru_sequential("m", moru_input(2), moru_dense(.units = 2, .kernel_initializer = "ones"),
                                    moru_activity_regularization(.l1 = 0.5, .l2 = 0.25));
    moru_real values[] = {1, 2, -1, -3, 0, 0, 0.5, 0.5};
    moru_tensor *in = moru_tensor_new(MORU_REAL, MORU_SHAPE(4, 2));
    moru_tensor *target = moru_tensor_new(MORU_REAL, MORU_SHAPE(4, 2));
    memcpy(moru_tensor_data(in), values, sizeof values);
    double sum = 0, square = 0, loss;
    for (int i = 0; i < 4; i++) {
        double y = (double)values[2 * i] + (double)values[2 * i + 1];
        sum += 2 * fabs(y);
        square += 2 * y * y;
    }
    OK(moru_compile(m, .optimizer = moru_sgd(.learning_rate = 0), .loss = "mean_squared_error"));
    OK(moru_train_on_batch(m, &in, &target, &loss));
    ck_assert_double_eq_tol(loss, square / 8 + (0.5 * sum + 0.25 * square) / 4, 1e-5);
    moru_tensor_free(in);
    moru_tensor_free(target);
    moru_model_free(m);
}
END_TEST

/* The initializer counts the kernel's axes of the output as units and the summed ones as inputs. */
START_TEST(test_fans_of_einsum)
{
    moru_model *m = moru_sequential("m", moru_input(5, 30), moru_einsum_dense(.equation = "abc,cde->abde",
                                    .output_shape = MORU_SHAPE(-1, 4, 10)));
    OK(moru_model_initialize(m, 1));
    const moru_tensor *kernel = moru_layer_weight_at(moru_model_layer_at(m, 1), 0, NULL);
    double largest = 0, limit = sqrt(6.0 / (30 + 40));
    for (int64_t i = 0; i < moru_tensor_size(kernel); i++)
        largest = fmax(largest, fabs((double)((const moru_real *)moru_tensor_const_data(kernel))[i]));
    ck_assert(largest <= limit && largest > 0.95 * limit);
    moru_model_free(m);
}
END_TEST

/* ---- refusals ---- */

static void refused(moru_layer *layer, moru_shape sample, const char *part)
{
    moru_model *model = moru_sequential("m", moru_input_layer(sample, MORU_REAL, NULL), layer);
    ck_assert_msg(moru_model_status(model) != MORU_OK && strstr(moru_model_error(model), part), "\"%s\" isn't in: %s",
                  part, moru_model_error(model));
    moru_model_free(model);
}

static void refused_two(moru_layer *layer, moru_shape a, moru_shape b, const char *part)
{
    moru_model *m = moru_functional("m");
    moru_node *xs[] = {moru_model_input(m, "a", a.dims, a.rank), moru_model_input(m, "b", b.dims, b.rank)};
    moru_apply_n(layer, xs, 2);
    ck_assert_msg(strstr(moru_model_error(m), part), "\"%s\" isn't in: %s", part, moru_model_error(m));
    moru_model_free(m);
}

#define S MORU_SHAPE(4, 6)

START_TEST(test_normalization_refuses)
{
    refused(moru_layer_normalization(.axis = MORU_SHAPE(0)), S, "the size of axis 0");
    refused(moru_layer_normalization(.axis = MORU_SHAPE(3)), S, "axis 3");
    refused(moru_layer_normalization(.axis = MORU_SHAPE(1, -2)), S, "axis 1 of its input twice");
    refused(moru_layer_normalization(.axis = {.rank = 0}), S, "no axis");
    refused(moru_layer_normalization(.axis = MORU_SHAPE(1)), MORU_SHAPE(-1, 6), "must be known");
    refused(moru_group_normalization(.groups = 4), S, "6 channels can't be shared out to 4 groups");
    refused(moru_group_normalization(), S, "32 groups");
    refused(moru_group_normalization(.groups = 0), S, "groups");
    refused(moru_group_normalization(.groups = 2, .axis = 0), S, "axis 0");
    refused(moru_group_normalization(.groups = 2, .epsilon = -1), S, "epsilon");
    refused(moru_rms_normalization(.axis = MORU_SHAPE(1)), S, "scale [4] doesn't fit the last axes");
    refused(moru_rms_normalization(.epsilon = NAN), S, "epsilon");
    refused(moru_unit_normalization(.axis = MORU_SHAPE(5)), S, "axis 5");
    refused(moru_normalization(.mean = "1"), S, "both be given");
    refused(moru_normalization(.mean = "one", .variance = "1"), S, "mean must be a number");
    refused(moru_normalization(.mean = "[[1, 2], [3]]", .variance = "1", .axis = MORU_SHAPE(1, 2)), S, "mean must be");
    refused(moru_normalization(.mean = "[1, 2]", .variance = "[1, 2]"), S, "doesn't fit");
    refused(moru_normalization(.mean = "0", .variance = "[[1], [1]]"), S, "variance");
    refused(moru_normalization(.axis = MORU_SHAPE(1)), MORU_SHAPE(-1, 6), "must be known");
    refused(moru_rescaling(.scales = {2, {1, 2}}), S, "2 numbers of scale or offset for 6 channels");
    refused(moru_rescaling(.offsets = {1, {NAN}}), S, "must be numbers");
}
END_TEST

START_TEST(test_noise_and_activations_refuse)
{
    refused(moru_gaussian_noise(.stddev = 1.5), S, "stddev must lie in [0, 1]");
    refused(moru_gaussian_dropout(.rate = 1), S, "rate must lie in [0, 1)");
    refused(moru_alpha_dropout(.rate = NAN), S, "rate");
    refused(moru_alpha_dropout(.noise_shape = MORU_SHAPE(-1, 1)), S, "noise_shape [?,1] doesn't fit");
    refused(moru_dropout(.noise_shape = MORU_SHAPE(-1, 3, 1)), S, "noise_shape");
    refused(moru_dropout(.noise_shape = MORU_SHAPE(-1, 0, 1)), S, "noise_shape");
    refused(moru_spatial_dropout1d(), MORU_SHAPE(4, 6, 2), "3 dimensions");
    refused(moru_spatial_dropout1d(.data_format = "channels_first"), S, "channels_first");
    refused(moru_spatial_dropout2d(.rate = 2), MORU_SHAPE(4, 6, 2), "rate");
    refused(moru_spatial_dropout3d(), S, "5 dimensions");
    refused(moru_activity_regularization(.l1 = -1), S, "l1 and l2");
    refused(moru_prelu(.shared_axes = MORU_SHAPE(3)), S, "shared_axes has 3");
    refused(moru_prelu(.shared_axes = MORU_SHAPE(0)), S, "shared_axes has 0");
    refused(moru_prelu(), MORU_SHAPE(-1, 6), "axis 1");
    refused(moru_softmax_layer(.axis = MORU_SHAPE(1, 1)), S, "twice");
}
END_TEST

START_TEST(test_products_and_encodings_refuse)
{
    refused_two(moru_dot(.axes = {1, 2}), S, S, "axis 1 of [?,4,6] and axis 2 of [?,4,6] differ");
    refused_two(moru_dot(.axes = {0, 1}), S, S, "the batch");
    refused_two(moru_dot(.axes = {4, 1}), S, S, "axis 4");
    refused(moru_einsum_dense(.output_shape = MORU_SHAPE(3)), S, "the equation must be");
    refused(moru_einsum_dense(.equation = "abc,cd", .output_shape = MORU_SHAPE(3)), S, "the equation must be");
    refused(moru_einsum_dense(.equation = "aab,bc->ac", .output_shape = MORU_SHAPE(3)), S, "the equation must be");
    refused(moru_einsum_dense(.equation = "...ab,bc->ac...", .output_shape = MORU_SHAPE(3)), S, "the equation must be");
    refused(moru_einsum_dense(.equation = "ab,bc->ac", .output_shape = MORU_SHAPE(3)), S, "3 dimensions doesn't fit");
    refused(moru_einsum_dense(.equation = "abc,cd->abd", .output_shape = MORU_SHAPE(3)), S, "output_shape has 1 sizes");
    refused(moru_einsum_dense(.equation = "abc,cd->abd", .output_shape = MORU_SHAPE(5, 3)), S,
            "axis b is 4 in the input");
    refused(moru_einsum_dense(.equation = "abc,cd->abe", .output_shape = MORU_SHAPE(4, 3)), S, "axis e of the output");
    refused(moru_einsum_dense(.equation = "abc,cde->abd", .output_shape = MORU_SHAPE(4, 3)), S, "axis e isn't known");
    refused(moru_einsum_dense(.equation = "abc,cd->abd", .output_shape = MORU_SHAPE(4, 3), .bias_axes = "c"), S,
            "axis c of the bias");
    refused(moru_discretization(), S, "no bin_boundaries");
    refused(moru_discretization(.bin_boundaries = "[2, 1]"), S, "ascending");
    refused(moru_discretization(.bin_boundaries = "[]"), S, "bin_boundaries");
    refused(moru_discretization(.bin_boundaries = "[1]", .output_mode = "binary"), S, "\"binary\"");
    refused(moru_category_encoding(), S, "num_tokens");
    refused(moru_category_encoding(.num_tokens = 3, .output_mode = "int"), S, "\"int\"");
    refused(moru_category_encoding(.num_tokens = 1 << 25), S, "16777216");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("noise");
    TCase *tests = tcase_create("noise");
    tcase_add_test(tests, test_statistics);
    tcase_add_test(tests, test_shapes_of_noise);
    tcase_add_test(tests, test_channels_are_dropped_as_a_whole);
    tcase_add_loop_test(tests, test_seeds, 0, 5);
    tcase_add_test(tests, test_inference_has_none);
    tcase_add_test(tests, test_activity_regularization);
    tcase_add_test(tests, test_fans_of_einsum);
    tcase_add_test(tests, test_normalization_refuses);
    tcase_add_test(tests, test_noise_and_activations_refuse);
    tcase_add_test(tests, test_products_and_encodings_refuse);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
