/* Layers of attention through the public interface: what they refuse, masks by name, several outputs, layers inside. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru/formats.h>
#include <moru/model.h>
#include <moru/ops.h>
#include <moru/train.h>

#include "core/status.h"
#include "layers/model.h"

#define OK(call) ck_assert_msg((call) == MORU_OK, "%s", moru_last_error())
#define S(...) MORU_SHAPE(__VA_ARGS__)

/* The layer applied to inputs of these shapes, after the first n_placed by names; what the model says. */
static void refused(moru_layer *layer, int n_placed, const char *names[4], const moru_shape shapes[4], const char *part)
{
    moru_model *model = moru_functional("m");
    moru_node *x[4], *y[2];
    int n = 0;
    for (; n < 4 && shapes[n].rank; n++)
        x[n] = moru_model_input(model, NULL, shapes[n].dims, shapes[n].rank);
    const char *all[4] = {NULL};
    for (int k = n_placed; k < n; k++)
        all[k] = names[k - n_placed];
    moru_apply_inputs(layer, &(moru_inputs){.values = x, .names = all, .n = n}, y, 2);
    ck_assert_int_ne(moru_model_status(model), MORU_OK);
    ck_assert_msg(strstr(moru_model_error(model), part) != NULL, "\"%s\" isn't in: %s", part, moru_model_error(model));
    moru_model_free(model);
}

#define REFUSED(layer, part, ...) refused(layer, 2, (const char *[4]){NULL}, (const moru_shape[4]){__VA_ARGS__}, part)
#define REFUSED_NAMED(layer, name, part, ...) \
    refused(layer, 2, (const char *[4]){name}, (const moru_shape[4]){__VA_ARGS__}, part)
#define MHA(...) moru_multi_head_attention(.num_heads = 2, .key_dim = 3, __VA_ARGS__)
#define GQA(...) \
    moru_grouped_query_attention(.head_dim = 3, .num_query_heads = 4, .num_key_value_heads = 2, __VA_ARGS__)

START_TEST(test_refusals)
{
    REFUSED(MHA(.sliding_window = -1), "sliding_window", S(4, 3), S(4, 3));
    REFUSED(MHA(.output_shape = S(2, 0)), "output_shape", S(4, 3), S(4, 3));
    REFUSED(MHA(.attention_axes = S(0)), "attention_axes", S(4, 3), S(4, 3));
    REFUSED(MHA(.attention_axes = S(1, 1)), "attention_axes", S(4, 2, 3), S(4, 2, 3));
    REFUSED(MHA(.attention_axes = S(5)), "axis 5", S(4, 2, 3), S(4, 2, 3));
    REFUSED(MHA(.use_causal_mask = true), "use_causal_mask with attention over several axes", S(4, 2, 3), S(4, 2, 3));
    REFUSED(MHA(.use_causal_mask = true, .attention_axes = S(2)), "use_causal_mask along", S(4, 2, 3), S(4, 2, 3));
    REFUSED_NAMED(MHA(.use_bias = true), "attention_mask", "[?,1,5,4]", S(4, 3), S(4, 3), S(5, 4));
    REFUSED_NAMED(MHA(.use_bias = true), "attention_mask", "an attention mask of 5 dimensions", S(4, 3), S(4, 3),
                  S(1, 1, 4, 4));
    REFUSED_NAMED(MHA(.use_bias = true), "mask", "no input \"mask\"", S(4, 3), S(4, 3), S(4));
    REFUSED_NAMED(MHA(.use_bias = true), "value_mask", "masks of its inputs", S(4, 2, 3), S(4, 2, 3), S(4, 2));
    REFUSED(moru_grouped_query_attention(.head_dim = 2, .num_query_heads = 3, .num_key_value_heads = 2), "multiple",
            S(4, 3), S(4, 3));
    REFUSED(GQA(.head_dim = 0), "head_dim", S(4, 3), S(4, 3));
    REFUSED(GQA(.use_gate = true), "3 dimensions", S(4, 2, 3), S(4, 2, 3));
    REFUSED(moru_attention(.score_mode = "cosine"), "score_mode", S(4, 3), S(4, 3));
    REFUSED(moru_attention(.dropout = 1), "dropout", S(4, 3), S(4, 3));
    REFUSED(moru_attention(), "[n, t, dim]", S(4, 3), S(3));
    REFUSED(moru_attention(), "fit together", S(4, 3), S(4, 2), S(4, 2));
    REFUSED(moru_additive_attention(), "last size", S(4, -1), S(4, 3));
    const char *none[4] = {NULL}, *mask[4] = {"mask"};
    refused(moru_softmax_layer(.axis = S(1, 3)), 1, none, (const moru_shape[4]){S(4, 3)}, "axis 3");
    refused(moru_softmax_layer(), 1, mask, (const moru_shape[4]){S(4, 3), S(2, 4, 3)}, "more dimensions");
    refused(moru_softmax_layer(), 1, mask, (const moru_shape[4]){S(4, 3), S(4)}, "broadcast_like");
    refused(moru_spectral_normalization(.layer = NULL), 1, none, (const moru_shape[4]){S(4)}, "missing");
    refused(moru_spectral_normalization(.layer = moru_flatten()), 1, none, (const moru_shape[4]){S(4)}, "kernel");
    refused(moru_spectral_normalization(.layer = moru_dense(.units = 2), .power_iterations = 0), 1, none,
            (const moru_shape[4]){S(4)}, "power_iterations");
    refused(moru_reversible_embedding(.input_dim = 0, .output_dim = 1), 1, none, (const moru_shape[4]){S(4)},
            "input_dim");
    refused(moru_reversible_embedding(.input_dim = 3, .output_dim = 1, .logit_soft_cap = -1), 1, none,
            (const moru_shape[4]){S(4)}, "logit_soft_cap");
}
END_TEST

/* Classes that hold code of Python's, or layers for preprocessing, are named. */
START_TEST(test_unknown_classes)
{
    static const char *const classes[] = {"Lambda", "Pipeline"};
    for (int k = 0; k < 2; k++) {
        char json[600];
        moru_model *model = NULL;
        snprintf(json, sizeof json, "{\"class_name\": \"Sequential\", \"module\": \"keras\", \"config\": {"
                 "\"name\": \"m\", \"layers\": [{\"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": "
                 "[null, 4]}}, {\"module\": \"keras.layers\", \"class_name\": \"%s\", \"config\": {\"name\": \"l\", "
                 "\"layers\": []}}]}}", classes[k]);
        ck_assert_int_eq(moru_model_from_json(&model, json, NULL), MORU_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(moru_last_error(), classes[k]) != NULL, "%s", moru_last_error());
    }
}
END_TEST

static moru_tensor *filled(moru_dtype dtype, moru_shape shape)
{
    moru_tensor *t = moru_tensor_new(dtype, shape);
    ck_assert_ptr_nonnull(t);
    for (int64_t i = 0; i < moru_tensor_size(t); i++) {
        if (dtype == MORU_INT32)
            ((int32_t *)moru_tensor_data(t))[i] = (int32_t)(i * 7 % 5) * (i % 3 != 0);
        else
            ((moru_real *)moru_tensor_data(t))[i] = (moru_real)sin((double)i);
    }
    return t;
}

/* The layer takes masks off its inputs, hands on the query's, and its probabilities are rows that sum to 1, or to 0. */
START_TEST(test_masks_and_scores)
{
    moru_model *model = moru_functional("m"), *again;
    int64_t t = 5, wide[] = {3, 4};
    moru_node *tokens = moru_model_input_int(model, "tokens", &t, 1);
    moru_node *other = moru_model_input(model, "other", wide, 2);
    moru_node *e = moru_apply(moru_embedding(.input_dim = 5, .output_dim = 4, .mask_zero = true), tokens), *y[2];
    moru_node *mask = e->mask, *values[] = {other, e};
    ck_assert_int_eq(moru_apply_inputs(MHA(.return_attention_scores = true, .name = "mha"),
                                       &(moru_inputs){.values = values, .n = 2}, y, 2), 2);
    ck_assert_ptr_null(e->mask);
    ck_assert_ptr_null(y[0]->mask);
    const char *names[] = {NULL, NULL, "query_mask"};
    moru_node *three[] = {e, e, mask}, *z;
    moru_apply_inputs(GQA(.name = "gqa"), &(moru_inputs){.values = three, .names = names, .n = 3}, &z, 1);
    moru_node *outputs[] = {y[0], y[1], z};
    OK(moru_model_outputs(model, outputs, 3));
    OK(moru_model_initialize(model, 3));
    char *json = moru_model_to_json(model);
    ck_assert_ptr_nonnull(strstr(json, "return_attention_scores"));
    ck_assert_ptr_nonnull(strstr(json, "GroupQueryAttention"));
    OK(moru_model_from_json(&again, json, NULL));
    free(json);
    OK(moru_model_initialize(again, 3));
    moru_tensor *in[] = {filled(MORU_INT32, S(2, 5)), filled(MORU_REAL, S(2, 3, 4))}, *a[3] = {0}, *b[3] = {0};
    for (int i = 5; i < 10; i++)
        ((int32_t *)moru_tensor_data(in[0]))[i] = 0; /* a sequence of padding alone */
    OK(moru_predict(model, in, a, 0, 1));
    OK(moru_predict(again, in, b, 0, 2));
    const moru_shape want = S(2, 2, 3, 5);
    ck_assert(moru_shape_equal(moru_tensor_shape(a[1]), &want));
    const moru_real *p = moru_tensor_const_data(a[1]);
    for (int row = 0; row < 12; row++) {
        double sum = 0;
        for (int i = 0; i < 5; i++)
            sum += (double)p[row * 5 + i];
        ck_assert_double_eq_tol(sum, row < 6 ? 1 : 0, 1e-6);
        ck_assert(p[row * 5] == 0); /* token 0 is 0 */
    }
    for (int k = 0; k < 3; k++) {
        ck_assert_mem_eq(moru_tensor_const_data(a[k]), moru_tensor_const_data(b[k]),
                         (size_t)moru_tensor_size(a[k]) * sizeof(moru_real));
        for (int64_t i = 0; i < moru_tensor_size(a[k]); i++)
            ck_assert(isfinite((double)((const moru_real *)moru_tensor_const_data(a[k]))[i]));
        moru_tensor_free(a[k]);
        moru_tensor_free(b[k]);
    }
    moru_tensor_free(in[0]);
    moru_tensor_free(in[1]);
    moru_model_free(model);
    moru_model_free(again);
}
END_TEST

/* Back to tokens by the same weights; it is an input by name that says so, and it survives a configuration. */
START_TEST(test_reversible)
{
    moru_model *model = moru_functional("m"), *again;
    int64_t t = 3;
    moru_node *tokens = moru_model_input_int(model, "tokens", &t, 1);
    moru_layer *layer = moru_reversible_embedding(.input_dim = 6, .output_dim = 2);
    moru_node *x = moru_apply(layer, tokens), *values[] = {x, moru_scalar(x->graph, 1)}, *y;
    const char *names[] = {NULL, "reverse"};
    moru_apply_inputs(layer, &(moru_inputs){.values = values, .names = names, .n = 2}, &y, 1);
    OK(moru_model_outputs(model, &y, 1));
    const moru_shape want = S(-1, 3, 6);
    ck_assert(y->shape.dims[1] == want.dims[1] && y->shape.dims[2] == want.dims[2]);
    ck_assert_int_eq(moru_model_parameter_count(model, true), 12);
    char *json = moru_model_to_json(model), *second;
    OK(moru_model_from_json(&again, json, NULL));
    second = moru_model_to_json(again);
    ck_assert_str_eq(json, second);
    free(json);
    free(second);
    moru_model_free(model);
    moru_model_free(again);
}
END_TEST

/* Steps of rate 0: the power iteration alone makes the largest singular value of a matrix of two columns 1. */
START_TEST(test_spectral_norm)
{
    moru_model *model = moru_functional("m");
    int64_t size = 2;
    moru_node *x = moru_model_input(model, "x", &size, 1);
    moru_layer *layer = moru_spectral_normalization(.layer = moru_dense(.units = 2, .use_bias = false),
                                                    .power_iterations = 30);
    moru_node *y = moru_apply(layer, x);
    OK(moru_model_outputs(model, &y, 1));
    OK(moru_model_initialize(model, 5));
    OK(moru_compile(model, .optimizer = moru_sgd(.learning_rate = 0), .loss = "mse"));
    moru_tensor *in = filled(MORU_REAL, S(3, 2)), *target = filled(MORU_REAL, S(3, 2));
    double loss;
    OK(moru_train_on_batch(model, &in, &target, &loss));
    const char *name;
    const moru_real *w = moru_tensor_const_data(moru_layer_weight_at(layer, 0, &name));
    ck_assert_str_eq(name, "dense/kernel");
    double a = (double)w[0], b = (double)w[1], c = (double)w[2], d = (double)w[3], s = a * a + b * b + c * c + d * d;
    double determinant = a * d - b * c, largest = sqrt((s + sqrt(s * s - 4 * determinant * determinant)) / 2);
    ck_assert_double_eq_tol(largest, 1, 1e-4);
    moru_tensor_free(in);
    moru_tensor_free(target);
    moru_model_free(model);
}
END_TEST

/* Keras's numbers for the largest weight of a uniform initializer: sqrt(6/(fan_in + fan_out)) of the projections. */
START_TEST(test_initial_weights)
{
    static const double limits[] = {0.2165, 0.2165, 0.2165, 0.2165};
    moru_model *model = moru_functional("m");
    moru_node *x = moru_model_input(model, "x", (int64_t[]){5, 64}, 2);
    moru_layer *layer = moru_multi_head_attention(.num_heads = 4, .key_dim = 16, .use_bias = false);
    moru_apply_n(layer, (moru_node *[]){x, x}, 2);
    ck_assert_int_eq(moru_layer_weight_count(layer), 4);
    for (int k = 0; k < 4; k++) {
        const moru_tensor *weight = moru_layer_weight_at(layer, k, NULL);
        double largest = 0;
        for (int64_t i = 0; i < moru_tensor_size(weight); i++)
            largest = fmax(largest, fabs((double)((const moru_real *)moru_tensor_const_data(weight))[i]));
        ck_assert_double_le(largest, limits[k] + 1e-4);
        ck_assert_double_ge(largest, limits[k] - 1e-3);
    }
    moru_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attention");
    TCase *tests = tcase_create("attention");
    tcase_add_test(tests, test_refusals);
    tcase_add_test(tests, test_initial_weights);
    tcase_add_test(tests, test_unknown_classes);
    tcase_add_test(tests, test_masks_and_scores);
    tcase_add_test(tests, test_reversible);
    tcase_add_test(tests, test_spectral_norm);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
