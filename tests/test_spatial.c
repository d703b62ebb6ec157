/* Layers over sequences, pictures and volumes: defaults, shapes, parameters, bad options, small values. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru/program.h>
#include <moru/train.h>

#include "core/status.h"
#include "layers/spatial.h"
#include "tests/layer_test.h"

#define LINE MORU_SHAPE(10, 6)
#define PICTURE MORU_SHAPE(11, 9, 6)
#define VOLUME MORU_SHAPE(7, 6, 5, 4)
#define FIRST .data_format = "channels_first"

START_TEST(test_conv1d)
{
    assert_layer(LINE, moru_conv1d(.filters = 4, .kernel_size = {3}), MORU_SHAPE(8, 4), 3 * 6 * 4 + 4);
    assert_layer(LINE, moru_conv1d(.filters = 4, .kernel_size = {3}, .strides = {3}, .padding = "same",
                                   .use_bias = false), MORU_SHAPE(4, 4), 72);
    assert_layer(LINE, moru_conv1d(.filters = 6, .kernel_size = {4}, .dilation_rate = {5}, .padding = "causal",
                                   .groups = 3), MORU_SHAPE(10, 6), 4 * 2 * 6 + 6);
    assert_layer(LINE, moru_conv1d(.filters = 4, .kernel_size = {3}, .activation = "softmax", FIRST), MORU_SHAPE(4, 4),
                 3 * 10 * 4 + 4);
    assert_layer(MORU_SHAPE(-1, 6), moru_conv1d(.filters = 4, .kernel_size = {3}, .padding = "causal"),
                 MORU_SHAPE(-1, 4), 76);
    assert_refused(LINE, moru_conv1d(.kernel_size = {3}), MORU_ERR_ARGUMENT, "filters");
    assert_refused(LINE, moru_conv1d(.filters = 3), MORU_ERR_ARGUMENT, "kernel_size");
    assert_refused(LINE, moru_conv1d(.filters = 3, .kernel_size = {2}, .strides = {0}), MORU_ERR_ARGUMENT, "strides");
    assert_refused(LINE, moru_conv1d(.filters = 3, .kernel_size = {2}, .padding = "full"), MORU_ERR_ARGUMENT, "full");
    assert_refused(LINE, moru_conv1d(.filters = 3, .kernel_size = {2}, .groups = 2), MORU_ERR_ARGUMENT, "3 filters");
    assert_refused(LINE, moru_conv1d(.filters = 4, .kernel_size = {2}, .groups = 4), MORU_ERR_SHAPE, "6 channels");
    assert_refused(LINE, moru_conv1d(.filters = 4, .kernel_size = {INT64_MAX}), MORU_ERR_ARGUMENT, "too large");
    assert_refused(LINE, moru_conv1d(.filters = 4, .kernel_size = {11}), MORU_ERR_SHAPE, "");
    assert_refused(PICTURE, moru_conv1d(.filters = 4, .kernel_size = {2}), MORU_ERR_SHAPE, "3 dimensions");
    assert_refused(MORU_SHAPE(6, -1), moru_conv1d(.filters = 4, .kernel_size = {2}), MORU_ERR_SHAPE, "channels");
    assert_refused(LINE, moru_conv1d(.filters = 4, .kernel_size = {2}, .data_format = "last"), MORU_ERR_ARGUMENT,
                   "\"last\"");
}
END_TEST

START_TEST(test_conv3d)
{
    assert_layer(VOLUME, moru_conv3d(.filters = 3, .kernel_size = {3, 2, 1}), MORU_SHAPE(5, 5, 5, 3), 6 * 4 * 3 + 3);
    assert_layer(VOLUME, moru_conv3d(.filters = 2, .kernel_size = {3, 3, 3}, .strides = {2, 1, 3}, .padding = "same",
                                     .groups = 2), MORU_SHAPE(4, 6, 2, 2), 27 * 2 * 2 + 2);
    assert_layer(VOLUME, moru_conv3d(.filters = 2, .kernel_size = {2, 2, 2}, .dilation_rate = {3, 2, 1}, FIRST),
                 MORU_SHAPE(2, 3, 3, 3), 8 * 7 * 2 + 2);
    assert_layer(MORU_SHAPE(-1, -1, -1, 4), moru_conv3d(.filters = 2, .kernel_size = {2, 2, 2}, .padding = "same"),
                 MORU_SHAPE(-1, -1, -1, 2), 66);
    assert_refused(VOLUME, moru_conv3d(.filters = 2, .kernel_size = {2, 2, 0}), MORU_ERR_ARGUMENT, "kernel_size");
    assert_refused(VOLUME, moru_conv3d(.filters = 2, .kernel_size = {2, 2, 2}, .padding = "causal"), MORU_ERR_ARGUMENT,
                   "causal");
    assert_refused(VOLUME, moru_conv3d(.filters = 2, .kernel_size = {8, 2, 2}), MORU_ERR_SHAPE, "depth");
    assert_refused(PICTURE, moru_conv3d(.filters = 2, .kernel_size = {2, 2, 2}), MORU_ERR_SHAPE, "5 dimensions");
}
END_TEST

START_TEST(test_transposed)
{
    assert_layer(LINE, moru_conv1d_transpose(.filters = 4, .kernel_size = {3}, .strides = {2}), MORU_SHAPE(21, 4),
                 3 * 4 * 6 + 4);
    assert_layer(LINE, moru_conv1d_transpose(.filters = 4, .kernel_size = {2}, .strides = {3}), MORU_SHAPE(30, 4), 52);
    assert_layer(LINE, moru_conv1d_transpose(.filters = 4, .kernel_size = {4}, .strides = {3}, .padding = "same",
                                             .output_padding = {2}), MORU_SHAPE(29, 4), 100);
    assert_layer(VOLUME, moru_conv3d_transpose(.filters = 2, .kernel_size = {3, 1, 2}, .strides = {2, 1, 2},
                                               .padding = "same"), MORU_SHAPE(14, 6, 10, 2), 6 * 2 * 4 + 2);
    assert_layer(VOLUME, moru_conv3d_transpose(.filters = 2, .kernel_size = {3, 2, 2}, .dilation_rate = {1, 2, 3},
                                               FIRST, .use_bias = false), MORU_SHAPE(2, 8, 7, 7), 12 * 2 * 7);
    assert_refused(LINE, moru_conv1d_transpose(.filters = 4, .kernel_size = {3}, .output_padding = {1}),
                   MORU_ERR_ARGUMENT, "output_padding");
    assert_refused(LINE, moru_conv1d_transpose(.filters = 4, .kernel_size = {3}, .padding = "causal"),
                   MORU_ERR_ARGUMENT, "causal");
    assert_refused(VOLUME, moru_conv3d_transpose(.filters = 4, .kernel_size = {3, 3, 3}, .strides = {2, 1, 1},
                                                 .dilation_rate = {1, 1, 2}),
                   MORU_ERR_ARGUMENT, "strides and dilation");
    assert_refused(VOLUME, moru_conv3d_transpose(.filters = 4, .kernel_size = {3, 3, 3}, .strides = {2, 2, 2},
                                                 .output_padding = {0, -1, 0}), MORU_ERR_ARGUMENT, "output_padding");
}
END_TEST

START_TEST(test_by_channels)
{
    assert_layer(LINE, moru_depthwise_conv1d(.kernel_size = {3}), MORU_SHAPE(8, 6), 3 * 6 + 6);
    assert_layer(PICTURE, moru_depthwise_conv2d(.kernel_size = {3, 2}, .depth_multiplier = 3, .padding = "same",
                                                .strides = {2, 2}), MORU_SHAPE(6, 5, 18), 6 * 18 + 18);
    assert_layer(PICTURE, moru_depthwise_conv2d(.kernel_size = {3, 3}, .use_bias = false, FIRST), MORU_SHAPE(11, 7, 4),
                 99);
    assert_layer(LINE, moru_separable_conv1d(.filters = 5, .kernel_size = {3}, .depth_multiplier = 2),
                 MORU_SHAPE(8, 5), 3 * 12 + 12 * 5 + 5);
    assert_layer(PICTURE, moru_separable_conv2d(.filters = 4, .kernel_size = {3, 3}, .dilation_rate = {2, 2}, FIRST),
                 MORU_SHAPE(4, 5, 2), 9 * 11 + 11 * 4 + 4);
    assert_refused(LINE, moru_depthwise_conv1d(.kernel_size = {3}, .padding = "causal"), MORU_ERR_ARGUMENT, "causal");
    assert_refused(LINE, moru_depthwise_conv1d(.kernel_size = {3}, .depth_multiplier = 0), MORU_ERR_ARGUMENT,
                   "depth_multiplier");
    assert_refused(PICTURE, moru_separable_conv2d(.kernel_size = {3, 3}), MORU_ERR_ARGUMENT, "filters");
    assert_refused(PICTURE, moru_separable_conv2d(.filters = 1, .kernel_size = {3, 3}, .depth_multiplier = INT64_MAX),
                   MORU_ERR_MEMORY, "depth_multiplier");
    assert_refused(PICTURE, moru_separable_conv2d(.filters = 1, .kernel_size = {3, 3}, .padding = "causal"),
                   MORU_ERR_ARGUMENT, "causal");
}
END_TEST

START_TEST(test_pooling)
{
    assert_layer(LINE, moru_max_pooling1d(), MORU_SHAPE(5, 6), 0);
    assert_layer(LINE, moru_average_pooling1d(.pool_size = {3}, .strides = {2}, .padding = "same"),
                 MORU_SHAPE(5, 6), 0);
    assert_layer(LINE, moru_max_pooling1d(.pool_size = {4}, FIRST), MORU_SHAPE(10, 1), 0);
    assert_layer(VOLUME, moru_max_pooling3d(), MORU_SHAPE(3, 3, 2, 4), 0);
    assert_layer(VOLUME, moru_average_pooling3d(.pool_size = {3, 2, 4}, .strides = {1, 3, 2}, .padding = "same"),
                 MORU_SHAPE(7, 2, 3, 4), 0);
    assert_layer(VOLUME, moru_average_pooling3d(FIRST), MORU_SHAPE(7, 3, 2, 2), 0);
    assert_layer(LINE, moru_global_max_pooling1d(), MORU_SHAPE(6), 0);
    assert_layer(LINE, moru_global_average_pooling1d(.keepdims = true, FIRST), MORU_SHAPE(10, 1), 0);
    assert_layer(VOLUME, moru_global_average_pooling3d(), MORU_SHAPE(4), 0);
    assert_layer(VOLUME, moru_global_max_pooling3d(.keepdims = true, FIRST), MORU_SHAPE(7, 1, 1, 1), 0);
    assert_layer(LINE, moru_adaptive_max_pooling1d(.output_size = {3}), MORU_SHAPE(3, 6), 0);
    assert_layer(PICTURE, moru_adaptive_average_pooling2d(.output_size = {1, 20}), MORU_SHAPE(1, 20, 6), 0);
    assert_layer(VOLUME, moru_adaptive_max_pooling3d(.output_size = {2, 6, 3}, FIRST), MORU_SHAPE(7, 2, 6, 3), 0);
    assert_refused(LINE, moru_max_pooling1d(.pool_size = {0}), MORU_ERR_ARGUMENT, "pool_size");
    assert_refused(LINE, moru_max_pooling1d(.pool_size = {11}), MORU_ERR_SHAPE, "");
    assert_refused(LINE, moru_average_pooling1d(.padding = "causal"), MORU_ERR_ARGUMENT, "causal");
    assert_refused(PICTURE, moru_max_pooling3d(), MORU_ERR_SHAPE, "5 dimensions");
    assert_refused(MORU_SHAPE(7, -1, 5, 4), moru_max_pooling3d(), MORU_ERR_SHAPE, "sizes of its input must be known");
    assert_refused(PICTURE, moru_adaptive_max_pooling2d(), MORU_ERR_ARGUMENT, "output_size");
    assert_refused(MORU_SHAPE(-1, 4), moru_adaptive_max_pooling1d(.output_size = {2}), MORU_ERR_SHAPE, "known");
    assert_refused(LINE, moru_adaptive_max_pooling1d(.output_size = {INT64_MAX}), MORU_ERR_ARGUMENT, "too large");
}
END_TEST

START_TEST(test_reshaping)
{
    assert_layer(LINE, moru_up_sampling1d(.size = 3), MORU_SHAPE(30, 6), 0);
    assert_layer(MORU_SHAPE(-1, 6), moru_up_sampling1d(), MORU_SHAPE(-1, 6), 0);
    assert_layer(PICTURE, moru_up_sampling2d(.size = {2, 3}), MORU_SHAPE(22, 27, 6), 0);
    assert_layer(PICTURE, moru_up_sampling2d(.size = {2, 3}, FIRST), MORU_SHAPE(11, 18, 18), 0);
    assert_layer(VOLUME, moru_up_sampling3d(.size = {1, 2, 1}), MORU_SHAPE(7, 12, 5, 4), 0);
    assert_layer(VOLUME, moru_up_sampling3d(.size = {1, 1, 1}), VOLUME, 0);
    assert_layer(LINE, moru_zero_padding1d(.padding = {1, 3}), MORU_SHAPE(14, 6), 0);
    assert_layer(VOLUME, moru_zero_padding3d(.padding = {1, 0, 2, 0, 0, 3}, FIRST), MORU_SHAPE(7, 7, 7, 7), 0);
    assert_layer(LINE, moru_cropping1d(.cropping = {0, 3}), MORU_SHAPE(7, 6), 0);
    assert_layer(PICTURE, moru_cropping2d(), PICTURE, 0);
    assert_layer(PICTURE, moru_cropping2d(.cropping = {1, 0, 2, 3}, FIRST), MORU_SHAPE(11, 8, 1), 0);
    assert_layer(VOLUME, moru_cropping3d(), MORU_SHAPE(5, 4, 3, 4), 0);
    assert_layer(VOLUME, moru_permute(.dims = MORU_SHAPE(4, 1, 3, 2)), MORU_SHAPE(4, 7, 5, 6), 0);
    assert_layer(MORU_SHAPE(5), moru_repeat_vector(.n = 3), MORU_SHAPE(3, 5), 0);
    assert_layer(PICTURE, moru_up_sampling2d(.size = {1, 2}, .interpolation = "Bilinear", FIRST),
                 MORU_SHAPE(11, 9, 12), 0);
    assert_layer(PICTURE, moru_resizing(.height = 4, .width = 20), MORU_SHAPE(4, 20, 6), 0);
    assert_layer(PICTURE, moru_resizing(.height = 11, .width = 9), PICTURE, 0);
    assert_layer(MORU_SHAPE(-1, -1, 3), moru_resizing(.height = 5, .width = 6, .interpolation = "nearest"),
                 MORU_SHAPE(5, 6, 3), 0);
    assert_layer(PICTURE, moru_resizing(.height = 7, .width = 3, .crop_to_aspect_ratio = true, FIRST),
                 MORU_SHAPE(11, 7, 3), 0);
    assert_refused(PICTURE, moru_resizing(.height = 7), MORU_ERR_ARGUMENT, "width must be positive, not 0");
    assert_refused(PICTURE, moru_resizing(.height = 7, .width = INT64_MAX), MORU_ERR_ARGUMENT, "too large");
    assert_refused(PICTURE, moru_resizing(.height = 7, .width = 7, .interpolation = "area"), MORU_ERR_UNSUPPORTED,
                   "\"area\"");
    assert_refused(PICTURE, moru_resizing(.height = 7, .width = 7, .fill_mode = "reflect"), MORU_ERR_ARGUMENT,
                   "\"reflect\"");
    assert_refused(PICTURE, moru_resizing(.height = 7, .width = 7, .fill_value = NAN), MORU_ERR_ARGUMENT, "fill_value");
    assert_refused(PICTURE, moru_resizing(.height = 7, .width = 7, .crop_to_aspect_ratio = true,
                                          .pad_to_aspect_ratio = true), MORU_ERR_ARGUMENT, "both");
    assert_refused(MORU_SHAPE(-1, 4, 3), moru_resizing(.height = 7, .width = 7, .pad_to_aspect_ratio = true),
                   MORU_ERR_SHAPE, "known");
    assert_refused(LINE, moru_up_sampling1d(.size = 0), MORU_ERR_ARGUMENT, "size");
    assert_refused(LINE, moru_up_sampling1d(.size = INT64_MAX), MORU_ERR_MEMORY, "");
    assert_refused(PICTURE, moru_up_sampling2d(.interpolation = "cubical"), MORU_ERR_UNSUPPORTED, "cubical");
    assert_refused(LINE, moru_zero_padding1d(.padding = {1, -1}), MORU_ERR_ARGUMENT, "padding");
    assert_refused(LINE, moru_cropping1d(.cropping = {5, 5}), MORU_ERR_SHAPE, "leaves nothing");
    assert_refused(PICTURE, moru_cropping2d(.cropping = {0, 0, -1, 0}), MORU_ERR_ARGUMENT, "cropping");
    assert_refused(LINE, moru_permute(.dims = MORU_SHAPE(1, 1)), MORU_ERR_ARGUMENT, "[1,1]");
    assert_refused(LINE, moru_permute(.dims = MORU_SHAPE(1)), MORU_ERR_SHAPE, "2 dimensions");
    assert_refused(LINE, moru_permute(), MORU_ERR_ARGUMENT, "dims");
    assert_refused(LINE, moru_repeat_vector(.n = 3), MORU_ERR_SHAPE, "2 dimensions");
    assert_refused(MORU_SHAPE(5), moru_repeat_vector(), MORU_ERR_ARGUMENT, "n must be positive");
}
END_TEST

/* ---- values that no fixture has ---- */

static void assert_values(moru_layer *layer, moru_shape input, int64_t n, const moru_real *wanted, int64_t count)
{
    moru_model *model = model_of(input, MORU_REAL, layer);
    moru_shape shape = {.rank = input.rank + 1, .dims = {n}};
    memcpy(shape.dims + 1, input.dims, sizeof(int64_t) * (size_t)input.rank);
    moru_tensor *x = moru_tensor_new(MORU_REAL, shape), *y = NULL;
    ck_assert_msg(moru_model_status(model) == MORU_OK, "%s", moru_model_error(model));
    for (int64_t i = 0; i < moru_tensor_size(x); i++)
        ((moru_real *)moru_tensor_data(x))[i] = (moru_real)((i * 7) % 11);
    ck_assert_msg(moru_predict(model, &x, &y, 0, 0) == MORU_OK, "%s", moru_last_error());
    ck_assert_int_eq(moru_tensor_size(y), count);
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(fabs((double)(((const moru_real *)moru_tensor_const_data(y))[i] - wanted[i])) < 1e-6,
                      "%lld: %g, not %g", (long long)i, (double)((const moru_real *)moru_tensor_const_data(y))[i],
                      (double)wanted[i]);
    moru_tensor_free(x);
    moru_tensor_free(y);
    moru_model_free(model);
}

/* Between layers with the channels first nothing is transposed there and back. */
START_TEST(test_transpositions_cancel)
{
    moru_graph *graph = moru_graph_new();
    moru_program *program;
    moru_program_call call;
    int n = 0;
    moru_node *x = moru_variable(graph, "x", MORU_SHAPE(2, 3, 4, 5));
    moru_node *y = moru_exp(moru_channels_to_last(x, "channels_first"));
    y = moru_sin(moru_channels_to_last(moru_channels_back(y, "channels_first"), "channels_first"));
    ck_assert_int_eq(moru_program_new(&program, MORU_OPTIONS(moru_program_options, .outputs = &y, .n_outputs = 1)),
                     MORU_OK);
    for (int k = 0; moru_program_call_at(program, k, &call); k++)
        n += strcmp(call.op, "transpose") == 0;
    ck_assert_int_eq(n, 1);
    moru_program_free(program);
    moru_graph_free(graph);
}
END_TEST

/* Windows as large as the axis, and more windows than steps, where windows overlap. */
START_TEST(test_adaptive_extremes)
{
    /* 0 7 3 10 6 */
    assert_values(moru_adaptive_average_pooling1d(.output_size = {1}), MORU_SHAPE(5, 1), 1, (moru_real[]){5.2f}, 1);
    assert_values(moru_adaptive_max_pooling1d(.output_size = {7}), MORU_SHAPE(5, 1), 1,
                  (moru_real[]){0, 7, 7, 3, 10, 10, 6}, 7);
    assert_values(moru_adaptive_max_pooling1d(.output_size = {4}), MORU_SHAPE(5, 1), 1, (moru_real[]){7, 7, 10, 10}, 4);
    assert_values(moru_adaptive_average_pooling1d(.output_size = {3}), MORU_SHAPE(1, 2), 1,
                  (moru_real[]){0, 7, 0, 7, 0, 7}, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spatial");
    TCase *tests = tcase_create("spatial");
    tcase_add_test(tests, test_conv1d);
    tcase_add_test(tests, test_conv3d);
    tcase_add_test(tests, test_transposed);
    tcase_add_test(tests, test_by_channels);
    tcase_add_test(tests, test_pooling);
    tcase_add_test(tests, test_reshaping);
    tcase_add_test(tests, test_transpositions_cancel);
    tcase_add_test(tests, test_adaptive_extremes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
