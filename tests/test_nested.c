/* Models as layers, several outputs, inputs by name, the mode of a call, masks that travel along. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <moru/formats.h>
#include <moru/model.h>
#include <moru/train.h>

#include "core/status.h"
#include "layers/model.h"

static moru_node *vector_input(moru_model *model, const char *name, int64_t size)
{
    return moru_model_input(model, name, &size, 1);
}

/* Two inputs of 3 and 2; outputs of 4 and 5. */
static moru_model *two_by_two(void)
{
    moru_model *model = moru_functional("inner");
    moru_node *a = vector_input(model, "a", 3), *b = vector_input(model, "b", 2);
    moru_node *both = moru_apply_n(moru_concatenate(), (moru_node *[]){a, b}, 2);
    moru_node *outputs[] = {moru_apply(moru_dense(.units = 4), both),
                            moru_apply(moru_dense(.units = 5, .activation = "tanh"), both)};
    ck_assert_int_eq(moru_model_outputs(model, outputs, 2), MORU_OK);
    return model;
}

START_TEST(test_outputs_and_shared_weights)
{
    moru_model *model = moru_functional("outer");
    moru_node *x[] = {vector_input(model, "x", 3), vector_input(model, "y", 2)}, *once[3], *again[2];
    moru_layer *inner = moru_model_layer_of(two_by_two());
    ck_assert_int_eq(moru_apply_inputs(inner, &(moru_inputs){.values = x, .n = 2}, once, 3), 2);
    moru_node *z[] = {moru_apply(moru_dense(.units = 3), once[0]), moru_apply(moru_dense(.units = 2), once[1])};
    ck_assert_int_eq(moru_apply_inputs(inner, &(moru_inputs){.values = z, .n = 2}, again, 2), 2);
    ck_assert(once[2] == x[0]->graph->inert);
    ck_assert_int_eq(moru_model_outputs(model, again, 2), MORU_OK);
    ck_assert_int_eq(moru_model_output_at(model, 1)->shape.dims[1], 5);
    /* 5 inputs to 4 and 5 units once, and what leads back to 3 and 2 */
    ck_assert_int_eq(moru_model_parameter_count(model, true), 6 * 9 + 5 * 3 + 6 * 2);
    ck_assert_str_eq(inner->weights[0].path, "dense/kernel");
    ck_assert_str_eq(inner->weights[0].group, "layers/dense");
    moru_layer_set_trainable(inner, false);
    ck_assert_int_eq(moru_model_parameter_count(model, true), 5 * 3 + 6 * 2);
    moru_model_free(model);
}
END_TEST

/* In a file, and back. */
START_TEST(test_weights_travel)
{
    moru_model *model = moru_functional("outer"), *read;
    moru_node *x[] = {vector_input(model, "x", 3), vector_input(model, "y", 2)}, *y[2];
    moru_apply_inputs(moru_model_layer_of(two_by_two()), &(moru_inputs){.values = x, .n = 2}, y, 2);
    ck_assert_int_eq(moru_model_outputs(model, y, 2), MORU_OK);
    ck_assert_int_eq(moru_model_initialize(model, 7), MORU_OK);
    char *json = moru_model_to_json(model);
    ck_assert_ptr_nonnull(json);
    ck_assert_int_eq(moru_model_from_json(&read, json, NULL), MORU_OK);
    ck_assert_int_eq(moru_model_initialize(read, 7), MORU_OK);
    moru_layer *a = moru_model_layer(model, "inner"), *b = moru_model_layer(read, "inner");
    ck_assert_int_eq(moru_layer_weight_count(a), 4);
    for (int k = 0; k < 4; k++) {
        const moru_tensor *s = moru_layer_weight_at(a, k, NULL), *t = moru_layer_weight_at(b, k, NULL);
        ck_assert_mem_eq(moru_tensor_const_data(s), moru_tensor_const_data(t),
                         (size_t)moru_tensor_size(s) * sizeof(moru_real));
    }
    free(json);
    moru_model_free(model);
    moru_model_free(read);
}
END_TEST

START_TEST(test_faults)
{
    moru_model *model = moru_functional("outer");
    moru_node *x = vector_input(model, "x", 3), *y;
    ck_assert_int_eq(moru_apply_inputs(moru_model_layer_of(two_by_two()), &(moru_inputs){.values = &x, .n = 1}, &y, 1), 0);
    ck_assert_ptr_nonnull(strstr(moru_model_error(model), "it takes 2 inputs, not 1"));
    moru_model_free(model);
    model = moru_functional("outer");
    x = vector_input(model, "x", 3);
    moru_node *wrong[] = {x, x};
    ck_assert_int_eq(moru_apply_inputs(moru_model_layer_of(two_by_two()), &(moru_inputs){.values = wrong, .n = 2}, &y, 1),
                     0);
    ck_assert_msg(strstr(moru_model_error(model), "its input 1 is [") != NULL, "%s", moru_model_error(model));
    moru_model_free(model);
    model = moru_functional("outer");
    x = vector_input(model, "x", 3);
    moru_node *values[] = {x, x};
    const char *names[] = {NULL, "mosk"};
    moru_apply_inputs(moru_dense(.units = 1), &(moru_inputs){.values = values, .names = names, .n = 2}, &y, 1);
    ck_assert_ptr_nonnull(strstr(moru_model_error(model), "it takes no input \"mosk\""));
    moru_model_free(model);
    moru_layer *incomplete = moru_model_layer_of(moru_functional("empty"));
    model = moru_functional("outer");
    moru_apply(incomplete, vector_input(model, "x", 3));
    ck_assert_msg(strstr(moru_model_error(model), "aren't set yet") != NULL, "%s", moru_model_error(model));
    moru_model_free(model);
    ck_assert_ptr_null(moru_model_layer_of(NULL));
    moru_layer_free(moru_model_layer_of(two_by_two()));
}
END_TEST

/* dropout(x, training=True) drops out even at inference; training=False never does. */
START_TEST(test_mode_of_a_call)
{
    moru_model *model = moru_functional("modes");
    moru_node *x = vector_input(model, "x", 64), *outputs[3];
    for (int k = 0; k < 3; k++)
        moru_apply_inputs(moru_dropout(.rate = 0.5), &(moru_inputs){.values = &x, .n = 1, .training = k - 1},
                          &outputs[k], 1);
    ck_assert_int_eq(moru_model_outputs(model, outputs, 3), MORU_OK);
    moru_tensor *in = moru_tensor_new(MORU_REAL, MORU_SHAPE(2, 64)), *out[3] = {0};
    for (int k = 0; k < 128; k++)
        ((moru_real *)moru_tensor_data(in))[k] = 1;
    char *json = moru_model_to_json(model);
    moru_model_free(model);
    ck_assert_int_eq(moru_model_from_json(&model, json, NULL), MORU_OK);
    free(json);
    ck_assert_int_eq(moru_predict(model, &in, out, 2, 1), MORU_OK);
    for (int k = 0; k < 3; k++) {
        int zeros = 0;
        for (int i = 0; i < 128; i++)
            zeros += ((const moru_real *)moru_tensor_const_data(out[k]))[i] == 0;
        ck_assert_int_eq(zeros > 0, k == 2);
        moru_tensor_free(out[k]);
    }
    moru_tensor_free(in);
    moru_model_free(model);
}
END_TEST

START_TEST(test_masks_travel)
{
    moru_model *model = moru_functional("masks");
    int64_t t = 5;
    moru_node *tokens = moru_model_input_int(model, "tokens", &t, 1), *dense_input = moru_model_input(model, "x", &t, 1);
    moru_node *a = moru_apply(moru_embedding(.input_dim = 9, .output_dim = 3, .mask_zero = true), tokens);
    moru_node *b = moru_apply(moru_dense(.units = 3), a);
    moru_node *c = moru_apply_n(moru_add_layer(), (moru_node *[]){a, b}, 2);
    ck_assert_ptr_nonnull(a->mask);
    ck_assert_int_eq(a->mask->shape.rank, 2);
    ck_assert_ptr_eq(b->mask, a->mask);
    ck_assert_ptr_nonnull(c->mask);
    moru_node *d = moru_apply(moru_reshape_layer(.target_shape = MORU_SHAPE(5, 3)), c);
    ck_assert_ptr_null(d->mask);
    ck_assert_ptr_null(moru_apply_n(moru_add_layer(), (moru_node *[]){a, d}, 2)->mask);
    ck_assert_ptr_null(moru_apply(moru_dense(.units = 1), dense_input)->mask);
    moru_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nested");
    TCase *tests = tcase_create("nested");
    tcase_add_test(tests, test_outputs_and_shared_weights);
    tcase_add_test(tests, test_weights_travel);
    tcase_add_test(tests, test_faults);
    tcase_add_test(tests, test_mode_of_a_call);
    tcase_add_test(tests, test_masks_travel);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
