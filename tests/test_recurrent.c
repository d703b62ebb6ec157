/* Recurrent layers: states from batch to batch, dropout, what is refused; tests/test_keras.c has their values. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru/formats.h>
#include <moru/model.h>
#include <moru/train.h>

#include "core/status.h"
#include "layers/model.h"

#define OK(call) ck_assert_msg((call) == MORU_OK, "%s", moru_last_error())

static const char *data_file(const char *name)
{
    static char path[1200];
    const char *source = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/data/%s", source ? source : ".", name);
    return path;
}

static moru_tensor *read_tensor(const char *name)
{
    moru_tensor *tensor = NULL;
    OK(moru_h5_read(&tensor, data_file("rnn_stateful.batches.h5"), name, MORU_REAL));
    return tensor;
}

static double difference(const moru_tensor *a, const moru_tensor *b)
{
    const moru_real *x = moru_tensor_const_data(a), *y = moru_tensor_const_data(b);
    double worst = 0;
    ck_assert_int_eq(moru_tensor_size(a), moru_tensor_size(b));
    for (int64_t k = 0; k < moru_tensor_size(a); k++)
        worst = fmax(worst, fabs((double)(x[k] - y[k])));
    return worst;
}

static moru_tensor *predict(moru_model *model, moru_tensor *x)
{
    moru_tensor *y = NULL;
    OK(moru_predict(model, &x, &y, 4, 1));
    return y;
}

/* Half of a tensor. */
static moru_tensor *half(const moru_tensor *whole, int which)
{
    moru_shape shape = *moru_tensor_shape(whole);
    int64_t size = moru_tensor_size(whole) / 2;
    shape.dims[0] /= 2;
    moru_tensor *part = moru_tensor_new(MORU_REAL, shape);
    memcpy(moru_tensor_data(part), (const moru_real *)moru_tensor_const_data(whole) + which * size,
           (size_t)size * sizeof(moru_real));
    return part;
}

START_TEST(test_stateful)
{
    moru_model *model;
    OK(moru_load(&model, data_file("rnn_stateful.keras")));
    moru_tensor *x = read_tensor("x"), *y = read_tensor("y"), *after = read_tensor("after");
    moru_tensor *target = read_tensor("target"), *losses = read_tensor("losses");
    moru_tensor *first = predict(model, x), *second = predict(model, x);
    ck_assert_double_lt(difference(first, y), 1e-5);
    ck_assert_double_gt(difference(second, y), 1e-3);
    moru_model_reset_states(model);
    moru_tensor *third = predict(model, x);
    ck_assert_double_eq(difference(third, first), 0);
    moru_model_reset_states(model);
    moru_tensor_free(first), moru_tensor_free(second), moru_tensor_free(third);
    OK(moru_compile(model, .optimizer = moru_sgd(.learning_rate = 0.1), .loss = "mse"));
    for (int k = 0; k < 2; k++) {
        moru_tensor *a = half(x, k), *b = half(target, k);
        double loss;
        OK(moru_train_on_batch(model, &a, &b, &loss));
        ck_assert_double_eq_tol(loss, (double)((moru_real *)moru_tensor_data(losses))[k], 1e-5);
        moru_tensor_free(a), moru_tensor_free(b);
    }
    moru_tensor *last = predict(model, x);
    ck_assert_double_lt(difference(last, after), 1e-5);
    moru_tensor *three = moru_tensor_new(MORU_REAL, MORU_SHAPE(3, 5, 3)), *none = NULL;
    ck_assert_int_ne(moru_predict(model, &three, &none, 3, 1), MORU_OK);
    moru_tensor_free(three), moru_tensor_free(last), moru_tensor_free(x), moru_tensor_free(y);
    moru_tensor_free(after), moru_tensor_free(target), moru_tensor_free(losses);
    moru_model_free(model);
}
END_TEST

/* States have no place among the weights, but evaluation goes on from them as well. */
START_TEST(test_states_are_no_weights)
{
    moru_model *model = moru_functional("m");
    moru_node *x = moru_model_input_from(model, moru_input_batch(2, 3, 2));
    moru_node *y = moru_apply(moru_lstm(.units = 3, .stateful = true), x);
    OK(moru_model_outputs(model, &y, 1));
    ck_assert_int_eq(moru_layer_weight_count(moru_model_layer(model, "lstm")), 3);
    ck_assert_int_eq(moru_model_parameter_count(model, false), 2 * 12 + 3 * 12 + 12);
    moru_model_free(model);
}
END_TEST

/* Both dropouts draw once for all steps, in training only. */
START_TEST(test_dropout)
{
    static const char *const kinds[] = {"SimpleRNN", "LSTM", "GRU"};
    for (int k = 0; k < 6; k++) {
        moru_model *model = moru_functional("m");
        int64_t dims[] = {4, 3};
        moru_node *x = moru_model_input(model, "x", dims, 2), *y;
        double input = k % 2 ? 0.5 : 0, state = 0.5;
        moru_layer *layer = k < 2 ? moru_simple_rnn(.units = 8, .dropout = input, .recurrent_dropout = state)
                          : k < 4 ? moru_lstm(.units = 8, .dropout = input, .recurrent_dropout = state)
                                  : moru_gru(.units = 8, .dropout = input, .recurrent_dropout = state,
                                             .reset_after = k == 4);
        ck_assert_str_eq(moru_layer_class_name(layer), kinds[k / 2]);
        moru_apply_inputs(layer, &(moru_inputs){.values = &x, .n = 1, .training = 1}, &y, 1);
        OK(moru_model_outputs(model, &y, 1));
        OK(moru_model_initialize(model, 3));
        moru_tensor *in = moru_tensor_new(MORU_REAL, MORU_SHAPE(4, 4, 3));
        for (int i = 0; i < 48; i++)
            ((moru_real *)moru_tensor_data(in))[i] = 1;
        moru_tensor *out = predict(model, in);
        const moru_real *values = moru_tensor_const_data(out);
        double worst = 0;
        for (int i = 8; i < 32; i++)
            worst = fmax(worst, fabs((double)(values[i] - values[i % 8])));
        ck_assert_double_gt(worst, 1e-4); /* equal sequences, other masks */
        moru_tensor_free(in), moru_tensor_free(out);
        moru_model_free(model);
    }
}
END_TEST

static void assert_refused(moru_layer *layer, moru_status status, const char *part)
{
    moru_model *model = moru_functional("m");
    int64_t dims[] = {5, 3};
    moru_apply(layer, moru_model_input(model, "x", dims, 2));
    ck_assert_msg(strstr(moru_model_error(model), part) != NULL, "%s", moru_model_error(model));
    ck_assert_int_eq(moru_model_status(model), status);
    moru_model_free(model);
}

START_TEST(test_refused)
{
    assert_refused(moru_simple_rnn(), MORU_ERR_ARGUMENT, "units");
    assert_refused(moru_simple_rnn(.units = 2, .recurrent_dropout = -1), MORU_ERR_ARGUMENT, "recurrent_dropout");
    assert_refused(moru_rnn(), MORU_ERR_ARGUMENT, "its cell is missing");
    assert_refused(moru_rnn(.cell = moru_dense(.units = 2)), MORU_ERR_ARGUMENT, "its cell can't be a Dense");
    assert_refused(moru_rnn(.cell = moru_gru_cell(.units = 0)), MORU_ERR_ARGUMENT, "units");
    assert_refused(moru_rnn(.cell = moru_stacked_rnn_cells()), MORU_ERR_ARGUMENT, "1 to 32 cells");
    assert_refused(moru_rnn(.cell = moru_stacked_rnn_cells(.cells = {1, {moru_dense(.units = 1)}})), MORU_ERR_ARGUMENT,
                   "a cell can't be a Dense");
    assert_refused(moru_bidirectional(), MORU_ERR_ARGUMENT, "its layer is missing");
    assert_refused(moru_bidirectional(.layer = moru_dense(.units = 2)), MORU_ERR_ARGUMENT, "Dense isn't");
    assert_refused(moru_bidirectional(.layer = moru_gru(.units = 2), .merge_mode = "max"), MORU_ERR_ARGUMENT,
                   "merge_mode");
    assert_refused(moru_bidirectional(.layer = moru_gru(.units = 2), .backward_layer = moru_gru(.units = 2)),
                   MORU_ERR_ARGUMENT, "differ in go_backwards");
    assert_refused(moru_bidirectional(.layer = moru_gru(.units = 2), .backward_layer =
                                      moru_gru(.units = 2, .go_backwards = true, .return_sequences = true)),
                   MORU_ERR_ARGUMENT, "differ in return_sequences");
    assert_refused(moru_time_distributed(), MORU_ERR_ARGUMENT, "its layer is missing");
    assert_refused(moru_time_distributed(.layer = moru_bidirectional(.layer = moru_gru(.units = 2))), MORU_ERR_SHAPE,
                   "dimensions");
    assert_refused(moru_conv_lstm2d(.filters = 2, .kernel_size = {2, 2}), MORU_ERR_SHAPE, "5 dimensions");
    moru_model *model = moru_functional("m");
    int64_t dims[] = {5, 3}, units = 2;
    moru_node *x[] = {moru_model_input(model, "x", dims, 2), moru_model_input(model, "h", &units, 1)}, *y;
    const char *names[] = {NULL, "initial_state"};
    moru_apply_inputs(moru_lstm(.units = 2), &(moru_inputs){.values = x, .names = names, .n = 2}, &y, 1);
    ck_assert_msg(strstr(moru_model_error(model), "it has 2 states, and 1 are given") != NULL, "%s",
                  moru_model_error(model));
    moru_model_free(model);
}
END_TEST

static void assert_refused_pictures(moru_layer *layer, const char *part)
{
    moru_model *model = moru_functional("m");
    int64_t dims[] = {3, 5, 5, 2};
    moru_apply(layer, moru_model_input(model, "x", dims, 4));
    ck_assert_msg(strstr(moru_model_error(model), part) != NULL, "%s", moru_model_error(model));
    moru_model_free(model);
}

START_TEST(test_refused_pictures)
{
    assert_refused_pictures(moru_conv_lstm2d(.kernel_size = {2, 2}), "filters");
    assert_refused_pictures(moru_conv_lstm2d(.filters = 2), "kernel_size");
    assert_refused_pictures(moru_conv_lstm2d(.filters = 2, .kernel_size = {2, 2}, .padding = "causal"), "padding");
    assert_refused_pictures(moru_conv_lstm2d(.filters = 2, .kernel_size = {2, 2}, .data_format = "channels_first"),
                            "channels_first");
    assert_refused_pictures(moru_conv_lstm2d(.filters = 2, .kernel_size = {2, 2}, .strides = {2, 2},
                                             .dilation_rate = {2, 2}), "dilation_rate");
    assert_refused_pictures(moru_conv_lstm2d(.filters = 2, .kernel_size = {9, 9}), "ConvLSTM2D");
    assert_refused_pictures(moru_conv_lstm2d(.filters = 2, .kernel_size = {2, 2}, .dropout = 1), "dropout");
    assert_refused_pictures(moru_lstm(.units = 2), "3 dimensions");
}
END_TEST

/* A cell by itself is one step of its layer. */
START_TEST(test_cell_by_itself)
{
    moru_model *model = moru_functional("m");
    int64_t dims[] = {1, 3}, width = 3, units = 2;
    moru_node *x = moru_model_input(model, "x", dims, 2), *step = moru_model_input(model, "step", &width, 1);
    moru_node *h = moru_model_input(model, "h", &units, 1), *c = moru_model_input(model, "c", &units, 1);
    moru_node *ys[3], *all[3];
    const char *names[] = {NULL, "initial_state", "initial_state"};
    moru_layer *cell = moru_lstm_cell(.units = 2), *layer = moru_lstm(.units = 2, .return_state = true);
    const char *states[] = {NULL, "states", "states"};
    const moru_inputs one = {.values = (moru_node *[]){step, h, c}, .names = states, .n = 3};
    ck_assert_int_eq(moru_apply_inputs(cell, &one, ys, 3), 3);
    const moru_inputs given = {.values = (moru_node *[]){x, h, c}, .names = names, .n = 3};
    ck_assert_int_eq(moru_apply_inputs(layer, &given, all, 3), 3);
    moru_node *outputs[] = {ys[0], ys[1], ys[2], all[0], all[1], all[2]};
    OK(moru_model_outputs(model, outputs, 6));
    for (int k = 0; k < 3; k++)
        memcpy(moru_tensor_data(moru_layer_weight_at(layer, k, NULL)),
               moru_tensor_const_data(moru_layer_weight_at(cell, k, NULL)),
               (size_t)moru_tensor_size(moru_layer_weight_at(cell, k, NULL)) * sizeof(moru_real));
    moru_tensor *in[] = {moru_tensor_new(MORU_REAL, MORU_SHAPE(2, 1, 3)), moru_tensor_new(MORU_REAL, MORU_SHAPE(2, 3)),
                         moru_tensor_new(MORU_REAL, MORU_SHAPE(2, 2)), moru_tensor_new(MORU_REAL, MORU_SHAPE(2, 2))};
    moru_tensor *out[6] = {NULL};
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < moru_tensor_size(in[k]); i++)
            ((moru_real *)moru_tensor_data(in[k]))[i] = (moru_real)(0.1 * (i + 1 + 3 * (k / 2)));
    OK(moru_predict(model, in, out, 2, 1));
    for (int k = 0; k < 3; k++)
        ck_assert_double_lt(difference(out[k], out[3 + k]), 1e-6);
    for (int k = 0; k < 6; k++)
        moru_tensor_free(out[k]);
    for (int k = 0; k < 4; k++)
        moru_tensor_free(in[k]);
    moru_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recurrent");
    TCase *tests = tcase_create("recurrent");
    tcase_add_test(tests, test_stateful);
    tcase_add_test(tests, test_states_are_no_weights);
    tcase_add_test(tests, test_dropout);
    tcase_add_test(tests, test_refused);
    tcase_add_test(tests, test_refused_pictures);
    tcase_add_test(tests, test_cell_by_itself);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
