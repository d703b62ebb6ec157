/* Runs the gradient check over the whole op table, and checks that the check catches wrong gradients. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/gradcheck.h"

static gradcheck_coverage coverage;

static const gradcheck_case *const tables[] = {
    gradcheck_cases_elementwise, gradcheck_cases_reduce, gradcheck_cases_shape,
    gradcheck_cases_linear, gradcheck_cases_conv, gradcheck_cases_norm,
    gradcheck_cases_transformer, gradcheck_cases_rnn, gradcheck_cases_axis,
    gradcheck_cases_conv3d, gradcheck_cases_made,
};

START_TEST(cases_of_a_table)
{
    char message[1024];
    int wrong = 0;
    for (const gradcheck_case *c = tables[_i]; c->name; c++)
        if (!gradcheck_run(c, &coverage, message, sizeof message)) {
            fprintf(stderr, "%s\n", message);
            wrong++;
        }
    ck_assert_msg(wrong == 0, "%d cases are wrong; the messages above say which", wrong);
}
END_TEST

/* Last: every op of the table has been checked by some case. */
START_TEST(every_op_is_covered)
{
    char names[4096];
    int missing = gradcheck_missing(&coverage, names, sizeof names);
    ck_assert_msg(missing == 0, "%d ops without a gradient check: %s", missing, names);
}
END_TEST

/* ---- the check itself ---- */

static moru_status infer_like(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static moru_status run_cube(const moru_run *run)
{
    const double *x = run->in[0]->data;
    double *y = run->out[0]->data;
    for (int64_t i = 0; i < run->out[0]->size; i++)
        y[i] = x[i] * x[i] * x[i];
    return MORU_OK;
}

/* y = 3 x^2 for inputs x, dy: y dy */
static moru_status run_slope(const moru_run *run)
{
    const double *x = run->in[0]->data, *dy = run->in[1]->data;
    double *dx = run->out[0]->data;
    for (int64_t i = 0; i < run->out[0]->size; i++)
        dx[i] = 3 * x[i] * x[i] * dy[i];
    return MORU_OK;
}

static moru_node *slope(const moru_vjp *v)
{
    return moru_mul(v->dy[0], moru_mul_scalar(moru_square(v->inputs[0]), 3));
}

static void vjp_right(const moru_vjp *v)
{
    v->dx[0] = slope(v);
}

static void vjp_sign_flipped(const moru_vjp *v)
{
    v->dx[0] = moru_neg(slope(v));
}

static void vjp_doubled(const moru_vjp *v)
{
    v->dx[0] = moru_mul_scalar(slope(v), 2);
}

static void vjp_slightly_off(const moru_vjp *v)
{
    v->dx[0] = moru_mul_scalar(slope(v), 1.0001);
}

static void vjp_forgotten(const moru_vjp *v)
{
    (void)v;
}

static void vjp_without_dy(const moru_vjp *v)
{
    v->dx[0] = moru_mul_scalar(moru_square(v->inputs[0]), 3);
}

static void vjp_slope_without_x(const moru_vjp *v) /* only the part for dy: right at first order, wrong at second */
{
    v->dx[1] = moru_mul(v->dy[0], moru_mul_scalar(moru_square(v->inputs[0]), 3));
}

static const moru_op_def cube_slope = {
    .name = "cube_slope", .formula = "dx = 3 x^2 dy", .min_inputs = 2, .max_inputs = 2, .n_outputs = 1,
    .infer = infer_like, .vjp = vjp_slope_without_x, .run = run_slope,
};

static void vjp_fused(const moru_vjp *v)
{
    v->dx[0] = moru_apply_op(v->graph, &cube_slope, (moru_node *[]){v->inputs[0], v->dy[0]}, 2, NULL);
}

#define CUBE(gradient) \
    {.name = "cube", .formula = "y = x^3", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .infer = infer_like, \
     .vjp = gradient, .run = run_cube}
static const moru_op_def cubes[] = {
    CUBE(vjp_right), CUBE(vjp_sign_flipped), CUBE(vjp_doubled), CUBE(vjp_slightly_off), CUBE(vjp_forgotten),
    CUBE(vjp_without_dy), CUBE(vjp_fused),
};

static moru_node *build_cube(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    const moru_op_def *op = &cubes[c->n[0]];
    ck_assert_int_eq(moru_register_op(graph, op), MORU_OK);
    return moru_apply_named(graph, "cube", x, 1, NULL);
}

START_TEST(wrong_gradients_are_caught)
{
    static const char *const expected[] = {
        NULL, "cube/1: gradient for input 0", "cube/2: gradient for input 0", "cube/3: gradient for input 0",
        "cube/4: gradient for input 0", "cube/5: gradient for input 0", "cube/6: gradient of the gradient for input 0",
    };
    char name[16], message[1024];
    snprintf(name, sizeof name, "cube/%d", _i);
    gradcheck_case c = {.name = name, .build = build_cube, .in = {GC_REAL(-2, 2, 3, 4)}, .n = {_i}};
    bool passed = gradcheck_run(&c, NULL, message, sizeof message);
    if (!expected[_i])
        ck_assert_msg(passed, "a right gradient is refused: %s", message);
    else
        ck_assert_msg(!passed && strstr(message, expected[_i]), "not caught: %s", message);
}
END_TEST

static moru_node *build_refused(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    static const moru_op_def op = {
        .name = "opaque", .formula = "y = x^3", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
        .flags = MORU_OP_NO_GRADIENT, .infer = infer_like, .run = run_cube,
    };
    (void)c;
    ck_assert_int_eq(moru_register_op(graph, &op), MORU_OK);
    return moru_exp(moru_apply_named(graph, "opaque", x, 1, NULL));
}

/* An op without a gradient fails a case that wants one, with a sentence naming op and node. */
START_TEST(missing_gradients_are_named)
{
    char message[1024];
    gradcheck_case c = {.name = "opaque", .build = build_refused, .in = {GC_REAL(-1, 1, 3)}};
    ck_assert(!gradcheck_run(&c, NULL, message, sizeof message));
    ck_assert_msg(strstr(message, "op opaque has no gradient") && strstr(message, "\"opaque_"), "%s", message);
}
END_TEST

START_TEST(uncovered_ops_are_named)
{
    static gradcheck_coverage none;
    char names[8192], message[1024];
    int before = gradcheck_missing(&none, names, sizeof names);
    ck_assert_ptr_nonnull(strstr(names, "softplus_grad"));
    ck_assert_ptr_nonnull(strstr(names, "argmax (its refusal)"));
    gradcheck_case c = {.name = "softplus", .unary = moru_softplus, .in = {GC_REAL(-1, 1, 3)}};
    ck_assert_msg(gradcheck_run(&c, &none, message, sizeof message), "%s", message);
    ck_assert_int_lt(gradcheck_missing(&none, names, sizeof names), before);
    ck_assert_ptr_null(strstr(names, "softplus_grad"));
    /* one operand alone doesn't cover an op of two */
    gradcheck_case half = {.name = "half", .binary = moru_div, .in = {GC_REAL(-1, 1, 3), GC_FIXED(1, 2, 3)}};
    ck_assert_msg(gradcheck_run(&half, &none, message, sizeof message), "%s", message);
    gradcheck_missing(&none, names, sizeof names);
    ck_assert_ptr_nonnull(strstr(names, "div (input 1)"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *all = tcase_create("op table"), *itself = tcase_create("the check itself");
    tcase_set_timeout(all, 0);
    tcase_add_loop_test(all, cases_of_a_table, 0, (int)(sizeof tables / sizeof *tables));
    tcase_add_test(all, every_op_is_covered);
    tcase_add_loop_test(itself, wrong_gradients_are_caught, 0, (int)(sizeof cubes / sizeof *cubes));
    tcase_add_test(itself, missing_gradients_are_named);
    tcase_add_test(itself, uncovered_ops_are_named);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, itself);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* coverage is gathered across tests */
    srunner_run_all(runner, CK_NORMAL);
    int wrong = srunner_ntests_failed(runner);
    srunner_free(runner);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
