/* Steps of one's own: the same as moru_fit()'s where both can, several models, the order of things, and mistakes. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>
#include "core/tensor.h"

#define OK(call) ck_assert_msg((call) == MORU_OK, "%s", moru_last_error())
#define FAILS(call, code, text) do { \
        ck_assert_int_eq((call), (code)); \
        ck_assert_msg(strstr(moru_last_error(), (text)) != NULL, "%s", moru_last_error()); \
    } while (0)

enum { N = 6 };

static moru_tensor *normal(uint64_t stream, moru_shape shape)
{
    moru_tensor *t = moru_tensor_new(MORU_REAL, shape);
    moru_random r = {5, stream, 0};
    for (int64_t i = 0; i < t->size; i++)
        ((moru_real *)t->data)[i] = (moru_real)moru_random_normal(&r);
    return t;
}

static moru_model *network(void)
{
    return moru_sequential("network", moru_input(5, 4, 2),
        moru_conv2d(.filters = 3, .kernel_size = {3, 3}, .padding = "same", .kernel_regularizer = "l2(0.01)"),
        moru_batch_normalization(), moru_activation(.activation = "tanh"), moru_flatten(),
        moru_dense(.units = 2, .bias_regularizer = "l1(0.01)"));
}

static void same_weights(moru_model *a, moru_model *b)
{
    ck_assert_int_eq(moru_model_layer_count(a), moru_model_layer_count(b));
    for (int i = 0; i < moru_model_layer_count(a); i++) {
        moru_layer *x = moru_model_layer_at(a, i), *y = moru_model_layer_at(b, i);
        for (int k = 0; k < moru_layer_weight_count(x); k++) {
            const moru_tensor *u = moru_layer_weight_at(x, k, NULL), *v = moru_layer_weight_at(y, k, NULL);
            ck_assert_msg(memcmp(u->data, v->data, (size_t)u->size * sizeof(moru_real)) == 0, "%s %d",
                          moru_layer_name(x), k);
        }
    }
}

/* A step as moru_fit() makes it: the same bits, weights, moving statistics and loss. */
START_TEST(as_fit)
{
    moru_model *a = network(), *b = network();
    moru_tensor *x = normal(1, MORU_SHAPE(N, 5, 4, 2)), *t = normal(2, MORU_SHAPE(N, 2));
    OK(moru_compile(a, .optimizer = moru_adam(.learning_rate = 0.01, .clipvalue = 0.1), .loss = "mse"));

    moru_train_step *s = moru_train_step_new();
    moru_graph *g = moru_train_step_graph(s);
    moru_node *in = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(N, 5, 4, 2)), *y;
    moru_node *target = moru_placeholder(g, "t", MORU_REAL, MORU_SHAPE(N, 2));
    OK(moru_train_step_call(s, b, &in, &y, true));
    moru_node *loss = moru_mean_squared_error(target, y);
    OK(moru_train_step_minimize(s, loss, &b, 1, moru_adam(.learning_rate = 0.01, .clipvalue = 0.1)));
    OK(moru_train_step_compile(s, .inputs = (moru_node *[]){in, target}, .n_inputs = 2, .outputs = &loss, .n_outputs = 1));
    for (int i = 0; i < 5; i++) {
        OK(moru_train_on_batch(a, &x, &t, NULL));
        OK(moru_train_step_run(s, (const void *[]){x->data, t->data}));
        same_weights(a, b);
    }
    ck_assert_int_eq(moru_train_step_iterations(s), 5);
    ck_assert(isfinite(*(const moru_real *)moru_tensor_const_data(moru_train_step_output(s, 0))));
    ck_assert_ptr_nonnull(moru_train_step_program(s));
    ck_assert_ptr_null(moru_train_step_output(s, 1));
    moru_train_step_free(s);
    moru_model_free(a);
    moru_model_free(b);
    moru_tensor_free(x);
    moru_tensor_free(t);
}
END_TEST

/* w <- w - lr dloss/dw, twice in one step: the second sees what the first left. loss = (w x)^2 with x = 1. */
START_TEST(minimized_twice)
{
    moru_model *m = moru_sequential("m", moru_input(1), moru_dense(.units = 1, .use_bias = false, .kernel_initializer = "ones"));
    moru_train_step *s = moru_train_step_new();
    moru_node *x = moru_placeholder(moru_train_step_graph(s), "x", MORU_REAL, MORU_SHAPE(1, 1)), *y, *losses[2];
    for (int k = 0; k < 2; k++) {
        OK(moru_train_step_call(s, m, &x, &y, true));
        losses[k] = moru_sum_all(moru_square(y));
        OK(moru_train_step_minimize(s, losses[k], &m, 1, moru_sgd(.learning_rate = 0.25)));
    }
    OK(moru_train_step_compile(s, .inputs = &x, .n_inputs = 1, .outputs = losses, .n_outputs = 2));
    const moru_real one = 1;
    moru_real w = 1;
    for (int i = 0; i < 3; i++) {
        OK(moru_train_step_run(s, (const void *[]){&one}));
        for (int k = 0; k < 2; k++) {
            ck_assert_float_eq_tol(*(const moru_real *)moru_tensor_const_data(moru_train_step_output(s, k)), w * w, 1e-7);
            w -= (moru_real)0.25 * 2 * w;
        }
        ck_assert_float_eq_tol(*(moru_real *)moru_layer_weight_at(moru_model_layer_at(m, 1), 0, NULL)->data, w, 1e-7);
    }
    moru_train_step_free(s);
    moru_model_free(m);
}
END_TEST

typedef struct pair { moru_model *g, *d; } pair;

static pair new_pair(void)
{
    pair p = {moru_sequential("g", moru_input(3), moru_dense(.units = 8), moru_batch_normalization(),
                              moru_activation(.activation = "relu"), moru_dense(.units = 4, .activation = "tanh")),
              moru_sequential("d", moru_input(4), moru_dense(.units = 8), moru_activation(.activation = "leaky_relu"), moru_dense(.units = 1))};
    OK(moru_model_initialize(p.g, 1));
    OK(moru_model_initialize(p.d, 2));
    return p;
}

static void free_pair(pair *p)
{
    moru_model_free(p->g);
    moru_model_free(p->d);
}

static moru_node *adversarial(moru_node *logits, bool real)
{
    moru_node *target = real ? moru_ones_like(logits) : moru_zeros_like(logits);
    return moru_mean_all(moru_sigmoid_cross_entropy(logits, target));
}

static moru_node *discriminator_loss(moru_train_step *s, pair *p, moru_node *real, moru_node *fake)
{
    moru_node *d_real, *d_fake;
    OK(moru_train_step_call(s, p->d, &real, &d_real, true));
    OK(moru_train_step_call(s, p->d, &fake, &d_fake, true));
    return moru_add(adversarial(d_real, true), adversarial(d_fake, false));
}

static moru_node *generator_loss(moru_train_step *s, pair *p, moru_node *fake)
{
    moru_node *judged;
    OK(moru_train_step_call(s, p->d, &fake, &judged, true));
    return adversarial(judged, true);
}

/* Two networks against each other: one step for both is what two steps, one after the other, are, but that the
 * second of those would make its fakes anew (with the same weights, so they are the same). */
START_TEST(adversaries)
{
    pair one = new_pair(), two = new_pair();
    moru_tensor *x = normal(3, MORU_SHAPE(N, 4)), *z = normal(4, MORU_SHAPE(N, 3));
    moru_train_step *both = moru_train_step_new(), *first = moru_train_step_new(), *second = moru_train_step_new();
    moru_train_step *steps[] = {both, first, second};
    for (int k = 0; k < 3; k++) {
        pair *p = k == 0 ? &one : &two;
        moru_graph *g = moru_train_step_graph(steps[k]);
        moru_node *real = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(N, 4)), *fake, *losses[2];
        moru_node *noise = moru_placeholder(g, "z", MORU_REAL, MORU_SHAPE(N, 3));
        int n = 0;
        OK(moru_train_step_call(steps[k], p->g, &noise, &fake, true));
        if (k != 2) {
            losses[n++] = discriminator_loss(steps[k], p, real, fake);
            OK(moru_train_step_minimize(steps[k], losses[0], &p->d, 1, moru_adam(.learning_rate = 0.01)));
        }
        if (k != 1) {
            losses[n++] = generator_loss(steps[k], p, fake);
            OK(moru_train_step_minimize(steps[k], losses[n - 1], &p->g, 1, moru_adam(.learning_rate = 0.02)));
        }
        OK(moru_train_step_compile(steps[k], .inputs = (moru_node *[]){real, noise}, .n_inputs = 2, .outputs = losses,
                                   .n_outputs = n));
    }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++)
            OK(moru_train_step_run(steps[k], (const void *[]){x->data, z->data}));
    same_weights(one.d, two.d);
    for (int k = 0; k < 4; k++) /* kernels and biases; the moving statistics of `two` moved twice */
        for (int i = 1; i < 5; i += 3)
            for (int w = 0; w < moru_layer_weight_count(moru_model_layer_at(one.g, i)); w++) {
                const moru_tensor *u = moru_layer_weight_at(moru_model_layer_at(one.g, i), w, NULL);
                const moru_tensor *v = moru_layer_weight_at(moru_model_layer_at(two.g, i), w, NULL);
                ck_assert(memcmp(u->data, v->data, (size_t)u->size * sizeof(moru_real)) == 0);
            }
    for (int k = 0; k < 3; k++)
        moru_train_step_free(steps[k]);
    free_pair(&one);
    free_pair(&two);
    moru_tensor_free(x);
    moru_tensor_free(z);
}
END_TEST

/* A loss of gradients: the slope of d at points between real and fake shall be 1 (WGAN-GP). It falls to zero. */
START_TEST(gradient_penalty)
{
    pair p = new_pair();
    moru_tensor *x = normal(3, MORU_SHAPE(N, 4));
    moru_train_step *s = moru_train_step_new();
    moru_node *at = moru_placeholder(moru_train_step_graph(s), "x", MORU_REAL, MORU_SHAPE(N, 4)), *y, *slope;
    OK(moru_train_step_call(s, p.d, &at, &y, true));
    OK(moru_gradients(y, &at, 1, &slope));
    moru_node *norm = moru_sqrt(moru_sum(moru_square(slope), (int[]){1}, 1, false));
    moru_node *loss = moru_mean_all(moru_square(moru_add_scalar(norm, -1)));
    OK(moru_train_step_minimize(s, loss, &p.d, 1, moru_adam(.learning_rate = 0.05)));
    OK(moru_train_step_compile(s, .inputs = &at, .n_inputs = 1, .outputs = &loss, .n_outputs = 1));
    moru_real first = 0, last = 0;
    for (int i = 0; i < 60; i++) {
        OK(moru_train_step_run(s, (const void *[]){x->data}));
        last = *(const moru_real *)moru_tensor_const_data(moru_train_step_output(s, 0));
        first = i == 0 ? last : first;
    }
    ck_assert_msg(last < 1e-3 && last < first, "%g to %g", (double)first, (double)last);
    moru_train_step_free(s);
    free_pair(&p);
    moru_tensor_free(x);
}
END_TEST

START_TEST(a_nan_changes_nothing)
{
    moru_model *a = network(), *b = network();
    moru_tensor *x = normal(1, MORU_SHAPE(N, 5, 4, 2));
    ((moru_real *)x->data)[7] = NAN;
    moru_train_step *s = moru_train_step_new();
    moru_node *in = moru_placeholder(moru_train_step_graph(s), "x", MORU_REAL, MORU_SHAPE(N, 5, 4, 2)), *y;
    OK(moru_train_step_call(s, a, &in, &y, true));
    moru_node *loss = moru_mean_all(moru_square(y));
    OK(moru_train_step_minimize(s, loss, &a, 1, moru_sgd()));
    OK(moru_train_step_compile(s, .inputs = &in, .n_inputs = 1, .outputs = &loss, .n_outputs = 1));
    FAILS(moru_train_step_run(s, (const void *[]){x->data}), MORU_ERR_NUMERIC, "loss is nan");
    same_weights(a, b);
    ck_assert_int_eq(moru_train_step_iterations(s), 0);
    moru_train_step_free(s);
    moru_model_free(a);
    moru_model_free(b);
    moru_tensor_free(x);
}
END_TEST

START_TEST(mistakes)
{
    moru_model *m = network(), *other = network();
    moru_train_step *s = moru_train_step_new();
    moru_graph *elsewhere = moru_graph_new();
    moru_node *x = moru_placeholder(moru_train_step_graph(s), "x", MORU_REAL, MORU_SHAPE(N, 5, 4, 2)), *y;
    moru_node *stranger = moru_placeholder(elsewhere, "x", MORU_REAL, MORU_SHAPE(N, 5, 4, 2));
    FAILS(moru_train_step_call(s, m, &stranger, &y, true), MORU_ERR_ARGUMENT, "input 0");
    FAILS(moru_train_step_call(s, NULL, &x, &y, true), MORU_ERR_ARGUMENT, "NULL");
    FAILS(moru_train_step_run(s, NULL), MORU_ERR_STATE, "compile");
    OK(moru_train_step_call(s, m, &x, &y, false));
    moru_node *loss = moru_mean_all(y);
    FAILS(moru_train_step_minimize(s, y, &m, 1, moru_sgd()), MORU_ERR_SHAPE, "scalar");
    FAILS(moru_train_step_minimize(s, loss, &other, 1, moru_sgd()), MORU_ERR_ARGUMENT, "model 0");
    FAILS(moru_train_step_minimize(s, loss, &m, 1, NULL), MORU_ERR_ARGUMENT, "optimizer");
    FAILS(moru_train_step_minimize(s, loss, &m, 1, moru_sgd(.learning_rate = -1)), MORU_ERR_ARGUMENT, "learning_rate");
    moru_train_step_free(s);
    s = moru_train_step_new();
    x = moru_placeholder(moru_train_step_graph(s), "x", MORU_REAL, MORU_SHAPE(N, 5, 4, 3));
    FAILS(moru_train_step_call(s, m, &x, &y, true), MORU_ERR_SHAPE, "channels");
    moru_train_step_free(s);
    moru_graph_free(elsewhere);
    moru_model_free(m);
    moru_model_free(other);
    moru_train_step_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_step");
    TCase *tests = tcase_create("steps");
    tcase_add_test(tests, as_fit);
    tcase_add_test(tests, minimized_twice);
    tcase_add_test(tests, adversaries);
    tcase_add_test(tests, gradient_penalty);
    tcase_add_test(tests, a_nan_changes_nothing);
    tcase_add_test(tests, mistakes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
