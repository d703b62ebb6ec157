/* Layers: defaults, shapes, parameters, bad options, in models made of them. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru/model.h>
#include <moru/program.h>
#include <moru/train.h>

#include "core/status.h"
#include "layers/model.h"
#include "tests/layer_test.h"

#define VECTOR MORU_SHAPE(7)
#define PICTURE MORU_SHAPE(11, 9, 6)

START_TEST(test_dense)
{
    assert_layer(VECTOR, moru_dense(.units = 5), MORU_SHAPE(5), 40);
    assert_layer(VECTOR, moru_dense(.units = 5, .use_bias = false, .activation = "softmax"), MORU_SHAPE(5), 35);
    assert_layer(PICTURE, moru_dense(.units = 2), MORU_SHAPE(11, 9, 2), 14);
    assert_refused(VECTOR, moru_dense(), MORU_ERR_ARGUMENT, "units must be positive, not 0");
    assert_refused(VECTOR, moru_dense(.units = -3), MORU_ERR_ARGUMENT, "units");
    assert_refused(VECTOR, moru_dense(.units = 1, .activation = "rellu"), MORU_ERR_UNSUPPORTED, "\"rellu\"");
    assert_refused(VECTOR, moru_dense(.units = 1, .kernel_initializer = "he"), MORU_ERR_UNSUPPORTED,
                   "kernel_initializer");
    assert_refused(VECTOR, moru_dense(.units = 1, .bias_regularizer = "l3"), MORU_ERR_UNSUPPORTED, "bias_regularizer");
    assert_refused(VECTOR, moru_dense(.units = 1, .kernel_regularizer = "l2(-1)"), MORU_ERR_ARGUMENT, "at least 0");
    assert_refused(VECTOR, moru_dense(.units = 1, .bias_initializer = "orthogonal"), MORU_ERR_SHAPE, "bias");
    assert_refused(VECTOR, moru_dense(.units = 1, .kernel_initializer = NULL), MORU_ERR_ARGUMENT, "kernel_initializer");
    assert_refused(MORU_SHAPE(3, -1), moru_dense(.units = 1), MORU_ERR_SHAPE, "known size");
    assert_refused(MORU_SCALAR_SHAPE, moru_dense(.units = 1), MORU_ERR_SHAPE, "two or more");
    assert_refused(VECTOR, moru_dense(.units = INT64_MAX), MORU_ERR_MEMORY, "kernel");
}
END_TEST

START_TEST(test_conv2d_transpose)
{
    assert_layer(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 2}), MORU_SHAPE(13, 10, 4),
                 3 * 2 * 6 * 4 + 4);
    assert_layer(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 2}, .strides = {2, 3}, .use_bias = false),
                 MORU_SHAPE(23, 27, 4), 3 * 2 * 6 * 4);
    assert_layer(PICTURE, moru_conv2d_transpose(.filters = 1, .kernel_size = {4, 4}, .strides = {2, 3}, .padding = "same"),
                 MORU_SHAPE(22, 27, 1), 4 * 4 * 6 + 1);
    assert_layer(PICTURE, moru_conv2d_transpose(.filters = 1, .kernel_size = {3, 4}, .strides = {2, 2}, .padding = "same",
                                                .output_padding = {1, 0}), MORU_SHAPE(22, 16, 1), 3 * 4 * 6 + 1);
    assert_layer(PICTURE, moru_conv2d_transpose(.filters = 1, .kernel_size = {1, 1}, .strides = {3, 2}, .padding = "same",
                                                .output_padding = {2, 0}), MORU_SHAPE(33, 17, 1), 7);
    assert_layer(PICTURE, moru_conv2d_transpose(.filters = 1, .kernel_size = {3, 3}, .strides = {2, 2},
                                                .output_padding = {1, 0}), MORU_SHAPE(24, 19, 1), 9 * 6 + 1);
    assert_layer(PICTURE, moru_conv2d_transpose(.filters = 1, .kernel_size = {3, 3}, .dilation_rate = {2, 3},
                                                .activation = "tanh"), MORU_SHAPE(15, 15, 1), 9 * 6 + 1);
    assert_refused(PICTURE, moru_conv2d_transpose(.kernel_size = {3, 3}), MORU_ERR_ARGUMENT, "filters");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4), MORU_ERR_ARGUMENT, "kernel_size");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}, .strides = {0, 1}),
                   MORU_ERR_ARGUMENT, "strides");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}, .dilation_rate = {1, 0}),
                   MORU_ERR_ARGUMENT, "dilation_rate");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}, .strides = {2, 1},
                                                  .dilation_rate = {1, 2}), MORU_ERR_ARGUMENT, "strides and dilation");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}, .output_padding = {0, 1}),
                   MORU_ERR_ARGUMENT, "output_padding");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}, .strides = {2, 2},
                                                  .output_padding = {-1, 1}), MORU_ERR_ARGUMENT, "output_padding");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}, .padding = "full"),
                   MORU_ERR_ARGUMENT, "padding");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}, .data_format = "channels"),
                   MORU_ERR_ARGUMENT, "\"channels\"");
    assert_refused(VECTOR, moru_conv2d_transpose(.filters = 4, .kernel_size = {3, 3}), MORU_ERR_SHAPE,
                   "4 dimensions, not [?,7]");
    assert_refused(PICTURE, moru_conv2d_transpose(.filters = 4, .kernel_size = {INT64_MAX, 3}), MORU_ERR_ARGUMENT,
                   "too large");
}
END_TEST

START_TEST(test_recurrent)
{
    moru_shape steps = MORU_SHAPE(5, 3), any = MORU_SHAPE(-1, 3);
    assert_layer(steps, moru_lstm(.units = 4), MORU_SHAPE(4), 3 * 16 + 4 * 16 + 16);
    assert_layer(steps, moru_lstm(.units = 4, .return_sequences = true, .use_bias = false), MORU_SHAPE(5, 4), 112);
    assert_layer(steps, moru_lstm(.units = 2, .activation = "relu", .recurrent_activation = "hard_sigmoid",
                                  .return_sequences = true, .go_backwards = true), MORU_SHAPE(5, 2), 24 + 16 + 8);
    assert_layer(any, moru_lstm(.units = 4), MORU_SHAPE(4), 128);
    assert_layer(steps, moru_gru(.units = 4), MORU_SHAPE(4), 3 * 12 + 4 * 12 + 24);
    assert_layer(steps, moru_gru(.units = 4, .reset_after = false, .return_sequences = true), MORU_SHAPE(5, 4), 96);
    assert_layer(steps, moru_gru(.units = 4, .reset_after = false, .activation = NULL), MORU_SHAPE(4), 96);
    assert_refused(steps, moru_lstm(), MORU_ERR_ARGUMENT, "units");
    assert_refused(steps, moru_gru(.units = -1), MORU_ERR_ARGUMENT, "units");
    assert_refused(steps, moru_lstm(.units = INT64_MAX), MORU_ERR_MEMORY, "units");
    assert_refused(steps, moru_gru(.units = 2, .return_state = true), MORU_ERR_ARGUMENT, "it has 2 outputs");
    assert_refused(steps, moru_lstm(.units = 2, .stateful = true), MORU_ERR_ARGUMENT, "fixed batch size");
    assert_refused(steps, moru_lstm(.units = 2, .recurrent_dropout = 1), MORU_ERR_ARGUMENT, "recurrent_dropout");
    assert_refused(steps, moru_gru(.units = 2, .dropout = 1), MORU_ERR_ARGUMENT, "dropout");
    assert_refused(steps, moru_lstm(.units = 2, .activation = "nope"), MORU_ERR_UNSUPPORTED, "activation");
    assert_refused(any, moru_gru(.units = 2, .activation = "relu"), MORU_ERR_UNSUPPORTED, "known number of steps");
    assert_refused(VECTOR, moru_lstm(.units = 2), MORU_ERR_SHAPE, "3 dimensions");
    assert_refused(MORU_SHAPE(5, -1), moru_gru(.units = 2), MORU_ERR_SHAPE, "features");
}
END_TEST

/* The forget gate's bias begins as 1. */
START_TEST(test_unit_forget_bias)
{
    for (int unit = 0; unit < 2; unit++) {
        moru_model *model = moru_sequential("m", moru_input(2, 3),
                                            moru_lstm(.units = 3, .unit_forget_bias = unit != 0));
        moru_layer *layer = moru_model_layer(model, "lstm");
        ck_assert_int_eq(moru_model_initialize(model, 4), MORU_OK);
        const moru_real *bias = moru_tensor_data(moru_layer_weight_at(layer, 2, NULL));
        for (int k = 0; k < 12; k++)
            ck_assert_double_eq((double)bias[k], unit && k >= 3 && k < 6);
        moru_model_free(model);
    }
}
END_TEST

START_TEST(test_conv2d)
{
    assert_layer(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 2}), MORU_SHAPE(9, 8, 4), 3 * 2 * 6 * 4 + 4);
    assert_layer(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 2}, .strides = {2, 2}, .padding = "same",
                                      .use_bias = false), MORU_SHAPE(6, 5, 4), 144);
    assert_layer(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .dilation_rate = {2, 3},
                                      .activation = "relu"),
                 MORU_SHAPE(7, 3, 4), 220);
    assert_layer(PICTURE, moru_conv2d(.filters = 9, .kernel_size = {1, 1}, .groups = 3), MORU_SHAPE(11, 9, 9), 27);
    assert_refused(PICTURE, moru_conv2d(.kernel_size = {3, 3}), MORU_ERR_ARGUMENT, "filters");
    assert_refused(PICTURE, moru_conv2d(.filters = 4), MORU_ERR_ARGUMENT, "kernel_size");
    assert_refused(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .strides = {0, 1}), MORU_ERR_ARGUMENT,
                   "strides");
    assert_refused(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .dilation_rate = {1, -1}),
                   MORU_ERR_ARGUMENT, "dilation_rate");
    assert_refused(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .padding = "full"), MORU_ERR_ARGUMENT,
                   "\"full\"");
    assert_refused(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .data_format = "NCHW"),
                   MORU_ERR_ARGUMENT, "data_format");
    assert_layer(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 2}, .data_format = "channels_first"),
                 MORU_SHAPE(4, 7, 5), 3 * 2 * 11 * 4 + 4);
    assert_refused(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .groups = 3), MORU_ERR_ARGUMENT,
                   "4 filters");
    assert_refused(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .groups = 4), MORU_ERR_SHAPE,
                   "6 channels");
    assert_refused(VECTOR, moru_conv2d(.filters = 4, .kernel_size = {3, 3}), MORU_ERR_SHAPE, "4 dimensions, not [?,7]");
    assert_refused(PICTURE, moru_conv2d(.filters = 4, .kernel_size = {12, 3}), MORU_ERR_SHAPE, "");
}
END_TEST

START_TEST(test_pooling)
{
    assert_layer(PICTURE, moru_max_pooling2d(), MORU_SHAPE(5, 4, 6), 0);
    assert_layer(PICTURE, moru_average_pooling2d(.pool_size = {3, 2}, .strides = {1, 2}, .padding = "same"),
                 MORU_SHAPE(11, 5, 6), 0);
    assert_layer(PICTURE, moru_global_max_pooling2d(), MORU_SHAPE(6), 0);
    assert_layer(PICTURE, moru_global_average_pooling2d(.keepdims = true), MORU_SHAPE(1, 1, 6), 0);
    assert_refused(PICTURE, moru_max_pooling2d(.pool_size = {0, 2}), MORU_ERR_ARGUMENT, "pool_size");
    assert_refused(PICTURE, moru_max_pooling2d(.strides = {-1, 2}), MORU_ERR_ARGUMENT, "strides");
    assert_refused(PICTURE, moru_average_pooling2d(.padding = "causal"), MORU_ERR_ARGUMENT, "causal");
    assert_layer(PICTURE, moru_average_pooling2d(.data_format = "channels_first"), MORU_SHAPE(11, 4, 3), 0);
    assert_layer(PICTURE, moru_global_max_pooling2d(.data_format = "channels_first"), MORU_SHAPE(11), 0);
    assert_refused(PICTURE, moru_average_pooling2d(.data_format = "first"), MORU_ERR_ARGUMENT, "data_format");
    assert_refused(PICTURE, moru_global_max_pooling2d(.data_format = "first"), MORU_ERR_ARGUMENT, "data_format");
    assert_refused(VECTOR, moru_max_pooling2d(), MORU_ERR_SHAPE, "4 dimensions");
    assert_refused(VECTOR, moru_global_average_pooling2d(), MORU_ERR_SHAPE, "4 dimensions");
}
END_TEST

START_TEST(test_batch_normalization)
{
    assert_layer(PICTURE, moru_batch_normalization(), PICTURE, 24);
    assert_layer(PICTURE, moru_batch_normalization(.axis = 1, .scale = false), PICTURE, 33);
    assert_layer(VECTOR, moru_batch_normalization(.center = false, .scale = false), VECTOR, 14);
    assert_refused(VECTOR, moru_batch_normalization(.momentum = 1.5), MORU_ERR_ARGUMENT, "momentum");
    assert_refused(VECTOR, moru_batch_normalization(.epsilon = -1), MORU_ERR_ARGUMENT, "epsilon");
    assert_refused(VECTOR, moru_batch_normalization(.axis = 2), MORU_ERR_SHAPE, "axis 2");
    assert_refused(VECTOR, moru_batch_normalization(.axis = 0), MORU_ERR_SHAPE, "axis 0");
    assert_refused(MORU_SHAPE(-1), moru_batch_normalization(), MORU_ERR_SHAPE, "axis 1");
}
END_TEST

START_TEST(test_layer_normalization)
{
    assert_layer(PICTURE, moru_layer_normalization(), PICTURE, 12);
    assert_layer(PICTURE, moru_layer_normalization(.axis = MORU_SHAPE(2, -1)), PICTURE, 108);
    assert_layer(PICTURE, moru_layer_normalization(.axis = MORU_SHAPE(3, 1, 2), .center = false), PICTURE, 594);
    assert_layer(VECTOR, moru_layer_normalization(.scale = false), VECTOR, 7);
    assert_layer(VECTOR, moru_layer_normalization(.scale = false, .center = false), VECTOR, 0);
    assert_layer(MORU_SHAPE(-1, 3), moru_layer_normalization(), MORU_SHAPE(-1, 3), 6);
    assert_layer(PICTURE, moru_layer_normalization(.axis = MORU_SHAPE(1)), PICTURE, 22);
    assert_layer(PICTURE, moru_layer_normalization(.rms_scaling = true), PICTURE, 6);
    assert_refused(PICTURE, moru_layer_normalization(.axis = MORU_SHAPE(3, -1)), MORU_ERR_ARGUMENT, "axis 3 of its input twice");
    assert_refused(PICTURE, moru_layer_normalization(.axis = MORU_SHAPE(4)), MORU_ERR_SHAPE, "axis 4");
    assert_refused(VECTOR, moru_layer_normalization(.axis = MORU_SHAPE(0, 1)), MORU_ERR_SHAPE, "axis 0");
    assert_refused(VECTOR, moru_layer_normalization(.axis = {0}), MORU_ERR_ARGUMENT, "axis");
    assert_refused(VECTOR, moru_layer_normalization(.epsilon = -1), MORU_ERR_ARGUMENT, "epsilon");
    assert_refused(MORU_SHAPE(-1), moru_layer_normalization(), MORU_ERR_SHAPE, "axis 1");
}
END_TEST

/* Applies the layer to inputs of these shapes; the ones given by a rank of 0 are left out. */
static moru_model *attention_of(moru_layer *layer, moru_shape query, moru_shape value, moru_shape key)
{
    const moru_shape shapes[] = {query, value, key};
    moru_model *model = moru_functional("m");
    moru_node *x[3];
    int n = 0;
    for (int k = 0; k < 3; k++)
        if (shapes[k].rank)
            x[n++] = moru_model_input(model, NULL, shapes[k].dims, shapes[k].rank);
    moru_node *y = moru_apply_n(layer, x, n);
    moru_model_outputs(model, &y, 1);
    return model;
}

static void attention_refused(moru_layer *layer, moru_shape query, moru_shape value, moru_shape key,
                              moru_status status, const char *part)
{
    moru_model *model = attention_of(layer, query, value, key);
    ck_assert_msg(moru_model_status(model) == status, "%d: %s", moru_model_status(model), moru_model_error(model));
    ck_assert_msg(strstr(moru_model_error(model), part) != NULL, "\"%s\" isn't in: %s", part, moru_model_error(model));
    moru_model_free(model);
}

START_TEST(test_multi_head_attention)
{
    const moru_shape q = MORU_SHAPE(5, 6), v = MORU_SHAPE(4, 3), none = MORU_SCALAR_SHAPE;
    moru_model *model = attention_of(moru_multi_head_attention(.num_heads = 2, .key_dim = 4, .value_dim = 7), q, v,
                                     MORU_SHAPE(4, 9));
    ck_assert_msg(moru_model_status(model) == MORU_OK, "%s", moru_model_error(model));
    ck_assert_int_eq(moru_model_parameter_count(model, true), 6 * 8 + 8 + 9 * 8 + 8 + 3 * 14 + 14 + 14 * 6 + 6);
    moru_summary_row row;
    ck_assert(moru_model_summary_at(model, 3, &row));
    const moru_shape want = MORU_SHAPE(-1, 5, 6);
    ck_assert(moru_shape_equal(&row.output, &want));
    const char *name;
    moru_layer_weight_at(moru_model_layer(model, "multi_head_attention"), 6, &name);
    ck_assert_str_eq(name, "attention_output/kernel");
    moru_model_free(model);
    attention_refused(moru_multi_head_attention(.key_dim = 4), q, q, none, MORU_ERR_ARGUMENT, "num_heads");
    attention_refused(moru_multi_head_attention(.num_heads = 1), q, q, none, MORU_ERR_ARGUMENT, "key_dim");
    attention_refused(moru_multi_head_attention(.num_heads = 1, .key_dim = 2, .value_dim = -1), q, q, none,
                      MORU_ERR_ARGUMENT, "value_dim");
    attention_refused(moru_multi_head_attention(.num_heads = 1, .key_dim = 2, .dropout = 1), q, q, none,
                      MORU_ERR_ARGUMENT, "dropout");
    attention_refused(moru_multi_head_attention(.num_heads = 1, .key_dim = 2, .attention_axes = MORU_SHAPE(1, 2)), q, q,
                      none, MORU_ERR_ARGUMENT, "attention_axes");
    attention_refused(moru_multi_head_attention(.num_heads = INT64_MAX, .key_dim = 2), q, q, none, MORU_ERR_ARGUMENT,
                      "too large");
    attention_refused(moru_multi_head_attention(.num_heads = 1, .key_dim = 2), q, none, none, MORU_ERR_ARGUMENT,
                      "2 inputs");
    attention_refused(moru_multi_head_attention(.num_heads = 1, .key_dim = 2), q, PICTURE, none, MORU_ERR_SHAPE,
                      "3 dimensions");
    attention_refused(moru_multi_head_attention(.num_heads = 1, .key_dim = 2), q, MORU_SHAPE(4, -1), none,
                      MORU_ERR_SHAPE, "value");
    attention_refused(moru_multi_head_attention(.num_heads = 1, .key_dim = 2), q, v, MORU_SHAPE(3, 3), MORU_ERR_SHAPE,
                      "differ in length");
}
END_TEST

/* Weights after a few steps with this dropout of the probabilities. */
static int train_attention(double dropout, moru_real *weights)
{
    moru_model *model = attention_of(moru_multi_head_attention(.num_heads = 2, .key_dim = 3, .dropout = dropout,
                                                               .use_causal_mask = true),
                                     MORU_SHAPE(4, 6), MORU_SHAPE(5, 6), MORU_SCALAR_SHAPE);
    moru_tensor *x[] = {moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 4, 6)),
                        moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 5, 6))};
    moru_tensor *y = moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 4, 6));
    int count = 0;
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < moru_tensor_size(x[k]); i++)
            ((moru_real *)moru_tensor_data(x[k]))[i] = (moru_real)sin((double)(7 * i + k));
    ck_assert_int_eq(moru_compile(model, .optimizer = moru_sgd(.learning_rate = 0.5), .loss = "mean_squared_error"),
                     MORU_OK);
    for (int step = 0; step < 3; step++)
        ck_assert_int_eq(moru_train_on_batch(model, x, &y, NULL), MORU_OK);
    moru_layer *layer = moru_model_layer(model, "multi_head_attention");
    for (int k = 0; k < moru_layer_weight_count(layer); k++) {
        const moru_tensor *weight = moru_layer_weight_at(layer, k, NULL);
        memcpy(weights + count, moru_tensor_const_data(weight), (size_t)moru_tensor_size(weight) * sizeof *weights);
        count += (int)moru_tensor_size(weight);
    }
    moru_tensor_free(x[0]);
    moru_tensor_free(x[1]);
    moru_tensor_free(y);
    moru_model_free(model);
    return count;
}

/* With a rate that drops nothing the way through dropout gives what the direct one does; a real one doesn't. */
START_TEST(test_attention_with_dropout)
{
    enum { COUNT = 4 * 36 + 3 * 6 + 6 };
    moru_real direct[COUNT], nothing[COUNT], half[COUNT], apart = 0;
    ck_assert_int_eq(train_attention(0, direct), COUNT);
    ck_assert_int_eq(train_attention(1e-12, nothing), COUNT);
    ck_assert_int_eq(train_attention(0.5, half), COUNT);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_msg(fabs((double)(direct[i] - nothing[i])) < 1e-6, "weight %d: %g, not %g", i, (double)nothing[i],
                      (double)direct[i]);
        apart = fmaxf((float)apart, fabsf((float)(direct[i] - half[i])));
    }
    ck_assert_msg(apart > 1e-3, "dropout changes nothing: %g", (double)apart);
}
END_TEST

START_TEST(test_shape_layers)
{
    assert_layer(PICTURE, moru_flatten(), MORU_SHAPE(594), 0);
    assert_layer(VECTOR, moru_flatten(), VECTOR, 0);
    assert_layer(MORU_SCALAR_SHAPE, moru_flatten(), MORU_SHAPE(1), 0);
    assert_layer(PICTURE, moru_flatten(.data_format = "channels_first"), MORU_SHAPE(594), 0);
    assert_refused(PICTURE, moru_flatten(.data_format = "first"), MORU_ERR_ARGUMENT, "data_format");
    assert_layer(PICTURE, moru_reshape_layer(.target_shape = MORU_SHAPE(9, 66)), MORU_SHAPE(9, 66), 0);
    assert_layer(PICTURE, moru_reshape_layer(.target_shape = MORU_SHAPE(6, -1, 3)), MORU_SHAPE(6, 33, 3), 0);
    assert_layer(MORU_SHAPE(1), moru_reshape_layer(.target_shape = MORU_SCALAR_SHAPE), MORU_SCALAR_SHAPE, 0);
    assert_refused(PICTURE, moru_reshape_layer(.target_shape = MORU_SHAPE(9, 67)), MORU_ERR_SHAPE,
                   "target_shape [9,67]");
    assert_refused(PICTURE, moru_reshape_layer(.target_shape = MORU_SHAPE(-1, 67)), MORU_ERR_SHAPE, "target_shape");
    assert_refused(PICTURE, moru_reshape_layer(.target_shape = MORU_SHAPE(-1, -1)), MORU_ERR_SHAPE, "target_shape");
    moru_reshape_options open = {.target_shape = MORU_SHAPE(6, -1)};
    json_t *written = moru_fields_write(moru_reshape_class.fields, moru_reshape_class.n_fields, &open);
    ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(written, "target_shape"), 1)), -1);
    json_decref(written);
    assert_refused(PICTURE, moru_reshape_layer(.target_shape = MORU_SHAPE(-2, 3)), MORU_ERR_SHAPE, "target_shape");
    assert_layer(PICTURE, moru_zero_padding2d(), MORU_SHAPE(13, 11, 6), 0);
    assert_layer(PICTURE, moru_zero_padding2d(.padding = {0, 1, 2, 3}), MORU_SHAPE(12, 14, 6), 0);
    assert_refused(PICTURE, moru_zero_padding2d(.padding = {0, -1, 2, 3}), MORU_ERR_ARGUMENT, "padding");
    assert_refused(VECTOR, moru_zero_padding2d(), MORU_ERR_SHAPE, "4 dimensions");
    assert_layer(PICTURE, moru_rescaling(.scale = 2), PICTURE, 0);
    assert_refused(PICTURE, moru_rescaling(.offset = NAN), MORU_ERR_ARGUMENT, "offset");
    assert_layer(VECTOR, moru_dropout(.rate = 0.5), VECTOR, 0);
    assert_layer(VECTOR, moru_dropout(.rate = 1), VECTOR, 0);
    assert_refused(VECTOR, moru_dropout(.rate = 1.5), MORU_ERR_ARGUMENT, "rate must lie in [0, 1], not 1.5");
    assert_refused(VECTOR, moru_dropout(.rate = NAN), MORU_ERR_ARGUMENT, "rate");
}
END_TEST

START_TEST(test_activations)
{
    static const char *const names[] = {
        "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "hard_sigmoid", "tanh", "softmax",
        "log_softmax", "softplus", "softsign", "silu", "swish", "mish", "exponential", "linear", "hard_silu",
        "hard_swish", "log_sigmoid",
        "leaky_relu(0.1)", "relu(max_value=3)", "elu(alpha=0.5)", "softmax(axis=1)",
        "{\"module\":\"keras.layers\",\"class_name\":\"LeakyReLU\",\"config\":{\"name\":\"l\",\"alpha\":0.1}}"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_layer(VECTOR, moru_activation(.activation = names[i]), VECTOR, 0);
        assert_layer(VECTOR, moru_dense(.units = 2, .activation = names[i]), MORU_SHAPE(2), 16);
    }
    assert_layer(VECTOR, moru_relu_layer(), VECTOR, 0);
    assert_layer(VECTOR, moru_relu_layer(.max_value = 6, .negative_slope = 0.1, .threshold = 1), VECTOR, 0);
    assert_layer(VECTOR, moru_leaky_relu_layer(), VECTOR, 0);
    assert_layer(VECTOR, moru_elu_layer(), VECTOR, 0);
    assert_layer(PICTURE, moru_softmax_layer(.axis = MORU_SHAPE(2)), PICTURE, 0);
    assert_refused(VECTOR, moru_activation(), MORU_ERR_ARGUMENT, "activation is missing");
    assert_refused(VECTOR, moru_activation(.activation = "softmin"), MORU_ERR_UNSUPPORTED, "softmin");
    assert_refused(VECTOR, moru_activation(.activation = "tanh(2)"), MORU_ERR_ARGUMENT, "too many");
    assert_refused(VECTOR, moru_relu_layer(.max_value = -1), MORU_ERR_ARGUMENT, "max_value");
    assert_refused(VECTOR, moru_relu_layer(.negative_slope = -1), MORU_ERR_ARGUMENT, "negative_slope");
    assert_refused(VECTOR, moru_relu_layer(.threshold = NAN), MORU_ERR_ARGUMENT, "threshold");
    assert_refused(VECTOR, moru_leaky_relu_layer(.negative_slope = -1), MORU_ERR_ARGUMENT, "negative_slope");
    assert_refused(VECTOR, moru_elu_layer(.alpha = NAN), MORU_ERR_ARGUMENT, "alpha");
    assert_refused(VECTOR, moru_softmax_layer(.axis = MORU_SHAPE(2)), MORU_ERR_SHAPE, "axis 2");
}
END_TEST

START_TEST(test_embedding)
{
    assert_layer(MORU_SHAPE(9), moru_embedding(.input_dim = 30, .output_dim = 4), MORU_SHAPE(9, 4), 120);
    assert_refused(VECTOR, moru_embedding(.output_dim = 4), MORU_ERR_ARGUMENT, "input_dim");
    assert_refused(VECTOR, moru_embedding(.input_dim = 4), MORU_ERR_ARGUMENT, "output_dim");
    moru_model *model = model_of(MORU_SHAPE(-1), MORU_INT32, moru_embedding(.input_dim = 5, .output_dim = 3));
    moru_summary_row row;
    ck_assert_msg(moru_model_status(model) == MORU_OK, "%s", moru_model_error(model));
    ck_assert(moru_model_summary_at(model, 1, &row) && row.output.rank == 3 && row.output.dims[1] == -1);
    moru_model_free(model);
}
END_TEST

/* ---- merging ---- */

static moru_status merged(moru_layer *layer, moru_shape a, moru_shape b, moru_shape *output, const char *part)
{
    moru_model *m = moru_functional("m");
    moru_node *xs[] = {moru_model_input(m, "a", a.dims, a.rank), moru_model_input(m, "b", b.dims, b.rank)};
    moru_node *y = moru_apply_n(layer, xs, 2);
    moru_model_outputs(m, &y, 1);
    moru_status status = moru_model_status(m);
    if (status == MORU_OK)
        *output = *moru_node_shape(y);
    else
        ck_assert_msg(part && strstr(moru_model_error(m), part), "%s", moru_model_error(m));
    moru_model_free(m);
    return status;
}

START_TEST(test_merging)
{
    moru_layer *layers[] = {moru_add_layer(), moru_multiply_layer(), moru_subtract_layer(), moru_average_layer(),
                            moru_maximum_layer(), moru_minimum_layer()};
    moru_layer *again[] = {moru_add_layer(), moru_multiply_layer(), moru_subtract_layer(), moru_average_layer(),
                           moru_maximum_layer(), moru_minimum_layer()};
    moru_shape out;
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(merged(layers[i], MORU_SHAPE(3, 4), MORU_SHAPE(1, 4), &out, NULL), MORU_OK);
        ck_assert(out.rank == 3 && out.dims[1] == 3 && out.dims[2] == 4);
        ck_assert_int_eq(merged(again[i], MORU_SHAPE(3, 4), MORU_SHAPE(2, 4), &out, "[?,3,4] and [?,2,4]"),
                         MORU_ERR_SHAPE);
    }
    ck_assert_int_eq(merged(moru_add_layer(), MORU_SHAPE(3, 4), MORU_SHAPE(4), &out, NULL), MORU_OK);
    ck_assert(out.rank == 3 && out.dims[1] == 3 && out.dims[2] == 4);
    ck_assert_int_eq(merged(moru_add_layer(), MORU_SHAPE(3, 4), MORU_SHAPE(3), &out, "fit together"), MORU_ERR_SHAPE);
    ck_assert_int_eq(merged(moru_concatenate(), MORU_SHAPE(3, 4), MORU_SHAPE(3, 5), &out, NULL), MORU_OK);
    ck_assert(out.dims[1] == 3 && out.dims[2] == 9);
    ck_assert_int_eq(merged(moru_concatenate(.axis = 1), MORU_SHAPE(3, 4), MORU_SHAPE(3, 5), &out, "axis 1"),
                     MORU_ERR_SHAPE);
    ck_assert_int_eq(merged(moru_concatenate(.axis = 0), MORU_SHAPE(3), MORU_SHAPE(3), &out, "batch"),
                     MORU_ERR_UNSUPPORTED);
    ck_assert_int_eq(merged(moru_concatenate(.axis = 3), MORU_SHAPE(3), MORU_SHAPE(3), &out, "axis 3"), MORU_ERR_SHAPE);
    ck_assert_int_eq(merged(moru_dense(.units = 1), MORU_SHAPE(3), MORU_SHAPE(3), &out, "takes 1 input, not 2"),
                     MORU_ERR_ARGUMENT);
    assert_layer(VECTOR, moru_concatenate(), VECTOR, 0);
    assert_layer(VECTOR, moru_add_layer(), VECTOR, 0);
    assert_refused(VECTOR, moru_subtract_layer(), MORU_ERR_ARGUMENT, "takes 2 inputs, not 1");
}
END_TEST

/* ---- defaults and tables ---- */

START_TEST(test_every_class_can_be_found_and_written)
{
    int n = 0;
    for (; moru_layer_class_at(n); n++) {
        const moru_layer_class *c = moru_layer_class_at(n);
        ck_assert_ptr_eq(c->is_operation ? moru_operation_class_find(c->class_name)
                                         : moru_layer_class_find(c->class_name), c);
        ck_assert(c->min_inputs >= 0 && c->build && c->call);
        json_t *json = moru_fields_write(c->fields, c->n_fields, c->defaults);
        moru_arena arena = {0};
        void *options = moru_options_copy(&arena, c->fields, c->n_fields, c->size, c->defaults);
        ck_assert_msg(json != NULL, "%s: %s", c->class_name, moru_last_error());
        moru_status status = moru_fields_read(&arena, c->fields, c->n_fields, json, options, c->class_name, NULL);
        ck_assert_msg(status == MORU_OK, "%s", moru_last_error());
        json_decref(json);
        moru_arena_free(&arena);
    }
    ck_assert_int_ge(n, 26);
    ck_assert_ptr_null(moru_layer_class_find("Nonsense"));
    ck_assert_ptr_null(moru_layer_class_at(-1));
}
END_TEST

START_TEST(test_specs_are_kept_so_that_they_can_be_written)
{
    moru_layer *layer = moru_dense(.units = 2, .kernel_regularizer = "l2(0.5)", .activation = "leaky_relu(0.1)",
                                   .kernel_initializer = "random_normal(stddev=0.02)", .bias_initializer = "Zeros");
    json_t *json = moru_fields_write(layer->class_->fields, layer->class_->n_fields, layer->options);
    char *text = json_dumps(json, JSON_COMPACT);
    ck_assert_ptr_nonnull(strstr(text,
                                 "\"kernel_regularizer\":{\"module\":\"keras.regularizers\",\"class_name\":\"L2\","
                                       "\"config\":{\"l2\":0.5},\"registered_name\":null}"));
    ck_assert_ptr_nonnull(strstr(text, "\"class_name\":\"LeakyReLU\",\"config\":{\"negative_slope\":0.1"));
    ck_assert_ptr_nonnull(strstr(text, "\"stddev\":0.02"));
    ck_assert_ptr_nonnull(strstr(text, "\"bias_initializer\":\"Zeros\""));
    free(text);
    json_decref(json);
    moru_layer_free(layer);
    layer = moru_dense(.units = 2, .activation = "rellu", .name = "d");
    ck_assert_ptr_nonnull(layer);
    ck_assert_str_eq(moru_layer_name(layer), "d");
    moru_layer_free(layer);
    moru_layer_free(NULL);
}
END_TEST

START_TEST(test_weights_of_layers)
{
    static const char *const names[] = {"gamma", "beta", "moving_mean", "moving_variance"};
    moru_model *model = moru_sequential("net", moru_input(4), moru_batch_normalization(), moru_dense(.units = 3));
    moru_layer *norm = moru_model_layer_at(model, 1), *dense = moru_model_layer(model, "dense");
    const char *name;
    ck_assert_int_eq(moru_layer_weight_count(norm), 4);
    for (int k = 0; k < 4; k++) {
        moru_tensor *tensor = moru_layer_weight_at(norm, k, &name);
        ck_assert_str_eq(name, names[k]);
        ck_assert(((moru_real *)moru_tensor_data(tensor))[3] == (k == 0 || k == 3 ? 1 : 0));
    }
    ck_assert_ptr_null(moru_layer_weight_at(norm, 4, NULL));
    ck_assert_ptr_null(moru_layer_weight_at(norm, -1, NULL));
    ck_assert_str_eq(dense->weights[0].path, "net/dense/kernel");
    ck_assert_str_eq(dense->weights[1].path, "net/dense/bias");
    ck_assert_int_eq(moru_model_parameter_count(model, false), 16 + 15);
    ck_assert_int_eq(moru_model_parameter_count(model, true), 8 + 15);
    moru_layer_set_trainable(norm, false);
    ck_assert(!moru_layer_trainable(norm));
    ck_assert_int_eq(moru_model_parameter_count(model, true), 15);
    ck_assert_int_eq(moru_model_weights(model, true, NULL, 0), 2);
    moru_weight *weights[4];
    ck_assert_int_eq(moru_model_weights(model, false, weights, 4), 4);
    ck_assert_str_eq(weights[0]->name, "gamma");
    moru_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layers");
    TCase *tests = tcase_create("layers");
    tcase_add_test(tests, test_dense);
    tcase_add_test(tests, test_recurrent);
    tcase_add_test(tests, test_unit_forget_bias);
    tcase_add_test(tests, test_conv2d);
    tcase_add_test(tests, test_conv2d_transpose);
    tcase_add_test(tests, test_pooling);
    tcase_add_test(tests, test_batch_normalization);
    tcase_add_test(tests, test_layer_normalization);
    tcase_add_test(tests, test_multi_head_attention);
    tcase_add_test(tests, test_attention_with_dropout);
    tcase_add_test(tests, test_shape_layers);
    tcase_add_test(tests, test_activations);
    tcase_add_test(tests, test_embedding);
    tcase_add_test(tests, test_merging);
    tcase_add_test(tests, test_every_class_can_be_found_and_written);
    tcase_add_test(tests, test_specs_are_kept_so_that_they_can_be_written);
    tcase_add_test(tests, test_weights_of_layers);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
