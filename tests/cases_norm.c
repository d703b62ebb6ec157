/* Gradient check of normalization and random ops; optimizer steps, which refuse. */
#include <string.h>

#include "ops/batch_norm.h"
#include "tests/gradcheck.h"

#define BUILD(op) static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)

/* n: axis, gamma, beta, which outputs count (bits: y, mean, variance); p[0]: epsilon */
BUILD(batch_norm)
{
    (void)graph;
    moru_node *gamma = c->n[1] ? x[1] : NULL, *beta = c->n[2] ? x[1 + c->n[1]] : NULL;
    moru_node *y = moru_batch_norm(x[0], gamma, beta, (int)c->n[0], c->p[0]);
    moru_node *mean = moru_node_output(y, 1), *variance = moru_node_output(y, 2), *total = NULL;
    if (c->n[3] == 1)
        return y;
    if (c->n[3] & 1)
        total = moru_sum_all(moru_mul(y, moru_square(y)));
    if (c->n[3] & 2)
        total = total ? moru_mul(total, moru_sum_all(mean)) : mean;
    if (c->n[3] & 4)
        total = total ? moru_add(total, moru_sum_all(variance)) : variance;
    return total;
}

/* n: axis, gamma, beta; then mean and variance follow */
BUILD(inference)
{
    (void)graph;
    moru_node *gamma = c->n[1] ? x[1] : NULL, *beta = c->n[2] ? x[1 + c->n[1]] : NULL;
    int64_t at = 1 + c->n[1] + c->n[2];
    return moru_batch_norm_inference(x[0], gamma, beta, x[at], x[at + 1], (int)c->n[0], c->p[0]);
}

static moru_batch_norm_attrs attrs_of(const gradcheck_case *c)
{
    return (moru_batch_norm_attrs){.axis = c->n[0], .has_gamma = c->n[1], .has_beta = c->n[2], .epsilon = c->p[0],
                                   .relu = 1, .has_residual = c->n[3]};
}

/* What only compiling makes; n: axis, gamma, beta, residual; x in the op's order */
BUILD(tail)
{
    moru_batch_norm_attrs attrs = attrs_of(c);
    return moru_apply_named(graph, "batch_norm_inference", x, (int)(3 + c->n[1] + c->n[2] + c->n[3]), &attrs);
}

/* x: dy, x, mean, variance, [gamma], [beta] */
BUILD(masked_grad)
{
    moru_batch_norm_attrs attrs = attrs_of(c);
    moru_node *dx = moru_apply_named(graph, "batch_norm_grad", x, (int)(4 + c->n[1] + c->n[2]), &attrs);
    moru_node *sums = moru_add(moru_node_output(dx, 1), moru_square(moru_node_output(dx, 2)));
    return moru_mul(dx, moru_sum_all(sums));
}

BUILD(moments)
{
    moru_batch_norm_attrs attrs = attrs_of(c);
    moru_node *mean = moru_apply_named(graph, "batch_norm_moments", x, 1, &attrs);
    return moru_mul(mean, moru_node_output(mean, 1));
}

/* p[0]: rate */
BUILD(dropout)
{
    (void)graph;
    return moru_square(moru_dropout_op(x[0], c->p[0]));
}

BUILD(noise)
{
    (void)c;
    moru_node *noise = moru_random_normal_op(graph, *moru_node_shape(x[0]), 1, 2);
    return moru_mul(moru_mul(x[0], noise), moru_random_uniform_like(x[0], -1, 1));
}

/* x: parameter, gradient, slots; n: which slots of rmsprop; the op is c->no_gradient_op */
BUILD(step)
{
    moru_node *lr = moru_scalar(graph, 0.1);
    if (strncmp(c->no_gradient_op, "sgd", 3) == 0)
        return moru_sgd_step(x[0], x[1], c->n[0] ? x[2] : NULL, lr, 0.9, true, 0);
    if (strncmp(c->no_gradient_op, "adam", 4) == 0)
        return moru_adam_step(x[0], x[1], x[2], x[3], lr, moru_scalar(graph, 1), 0.9, 0.999, 1e-7, 0);
    if (strncmp(c->no_gradient_op, "adagrad", 7) == 0)
        return moru_adagrad_step(x[0], x[1], x[2], lr, 1e-7, 0);
    return moru_rmsprop_step(x[0], x[1], x[2], c->n[0] ? x[3] : NULL, c->n[1] ? x[4] : NULL, lr, 0.9, 0.9, 1e-7, 0);
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define NORM(name_, axis, gamma, beta, outputs, ...) \
    {.name = name_, .build = build_batch_norm, .n = {axis, gamma, beta, outputs}, .p = {1e-2}, .in = {__VA_ARGS__}}
#define INFERENCE(name_, axis, gamma, beta, ...) \
    {.name = name_, .build = build_inference, .n = {axis, gamma, beta}, .p = {1e-2}, .in = {__VA_ARGS__}}
#define MADE(name_, build_, axis, gamma, beta, residual, ...) \
    {.name = name_, .build = build_, .n = {axis, gamma, beta, residual}, .p = {1e-2}, .in = {__VA_ARGS__}}
#define SQUARES GC_REAL(0.2, 2, 3)
#define REFUSES(op, first, second) \
    {.name = op, .build = build_step, .n = {first, second}, .no_gradient_op = op, .flags = GRADCHECK_NO_GRADIENT, \
     .in = {R(3), R(3), R(3), R(3), R(3)}}

/* n: bilinear, fill mode; p[0]: fill */
static moru_node *build_affine(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_affine_transform(x[0], x[1], c->n[0] != 0, (moru_fill_mode)c->n[1], c->p[0]);
}

#define AFFINE(name_, bilinear, mode, ...) \
    {.name = name_, .build = build_affine, .n = {bilinear, mode}, .p = {0.5}, .in = {__VA_ARGS__}}

const gradcheck_case gradcheck_cases_norm[] = {
    NORM("batch_norm", -1, 1, 1, 1, R(6, 3), R(3), R(3)),
    NORM("batch_norm/images", 3, 1, 1, 1, R(2, 3, 2, 3), R(3), R(3)),
    NORM("batch_norm/first axis", 0, 1, 1, 1, R(3, 7), R(3), R(3)),
    NORM("batch_norm/channels first", 1, 1, 1, 1, R(2, 3, 2, 2), R(3), R(3)),
    NORM("batch_norm/plain", -1, 0, 0, 1, R(5, 4)),
    NORM("batch_norm/gamma", -1, 1, 0, 1, R(5, 4), R(4)),
    NORM("batch_norm/beta", 1, 0, 1, 1, R(3, 4, 2), R(4)),
    NORM("batch_norm/mean", -1, 1, 1, 2, R(5, 3), R(3), R(3)),
    NORM("batch_norm/variance", 1, 1, 1, 4, R(3, 2, 3), R(2), R(2)),
    NORM("batch_norm/all outputs", 1, 1, 1, 7, R(3, 2, 3), R(2), R(2)),
    NORM("batch_norm/one channel", -1, 1, 1, 1, R(5, 1), R(1), R(1)),
    NORM("batch_norm/no channels", -1, 1, 1, 1, R(5, 0), R(0), R(0)),
    INFERENCE("batch_norm_inference", -1, 1, 1, R(4, 3), R(3), R(3), R(3), GC_REAL(0.2, 2, 3)),
    INFERENCE("batch_norm_inference/channels first", 1, 1, 0, R(2, 3, 2), R(3), R(3), GC_REAL(0.2, 2, 3)),
    INFERENCE("batch_norm_inference/plain", -1, 0, 0, R(4, 3), R(3), GC_REAL(0.2, 2, 3)),
    INFERENCE("batch_norm_inference/empty batch", -1, 0, 1, R(0, 3), R(3), R(3), GC_REAL(0.2, 2, 3)),
    MADE("batch_norm_inference/relu", build_tail, 1, 1, 1, 0, R(4, 3), R(3), R(3), R(3), SQUARES),
    MADE("batch_norm_inference/residual", build_tail, 1, 1, 1, 1, R(4, 3), R(3), R(3), R(3), SQUARES, R(4, 3)),
    MADE("batch_norm_inference/plain residual", build_tail, 1, 0, 0, 1, R(2, 3, 3), R(3), SQUARES, R(2, 3, 3)),
    MADE("batch_norm_grad/relu", build_masked_grad, 1, 1, 1, 0, R(4, 3), R(4, 3), R(3), SQUARES, R(3), R(3)),
    MADE("batch_norm_grad/plain relu", build_masked_grad, 1, 0, 0, 0, R(2, 3, 3), R(2, 3, 3), R(3), SQUARES),
    MADE("batch_norm_moments", build_moments, 1, 0, 0, 0, R(6, 3)),
    MADE("batch_norm_moments/channels first", build_moments, 1, 0, 0, 0, R(2, 3, 4)),

    {.name = "dropout", .build = build_dropout, .p = {0.4}, .in = {R(5, 7)}},
    {.name = "dropout/rate 0", .build = build_dropout, .p = {0}, .in = {R(5, 2)}},
    {.name = "dropout/empty", .build = build_dropout, .p = {0.5}, .in = {R(0, 2)}},
    {.name = "random factors", .build = build_noise, .in = {R(3, 5)}},

    AFFINE("affine_transform", 1, MORU_FILL_CONSTANT, R(2, 3, 4, 2), GC_FIXED(-1, 1, 2, 8)),
    AFFINE("affine_transform/reflect", 1, MORU_FILL_REFLECT, R(2, 3, 4, 2), GC_FIXED(-3, 3, 2, 8)),
    AFFINE("affine_transform/wrap", 1, MORU_FILL_WRAP, R(1, 4, 3, 1), GC_FIXED(-3, 3, 1, 8)),
    AFFINE("affine_transform/nearest fill, shared", 1, MORU_FILL_NEAREST, R(2, 3, 3, 1), GC_FIXED(-2, 2, 1, 8)),
    /* a transform near 0 reads one pixel wherever it is: its gradient is 0 */
    AFFINE("affine_transform/nearest", 0, MORU_FILL_CONSTANT, R(2, 3, 4, 2), GC_REAL(-0.04, 0.04, 2, 8)),
    AFFINE("affine_transform/nearest, reflect", 0, MORU_FILL_REFLECT, R(1, 3, 4, 2), GC_FIXED(-3, 3, 1, 8)),
    AFFINE("affine_transform/one pixel", 1, MORU_FILL_REFLECT, R(2, 1, 1, 3), GC_FIXED(-3, 3, 2, 8)),
    AFFINE("affine_transform/empty", 1, MORU_FILL_WRAP, R(0, 2, 2, 1), GC_FIXED(-1, 1, 0, 8)),
    AFFINE("affine_transform/no pixels", 1, MORU_FILL_WRAP, R(2, 0, 2, 1), GC_FIXED(-1, 1, 2, 8)),
    {.name = "affine_transform/transform", .build = build_affine, .n = {1}, .in = {R(1, 3, 3, 1), R(1, 8)},
     .no_gradient_op = "affine_transform", .flags = GRADCHECK_NO_GRADIENT},

    REFUSES("sgd_step", 0, 0),
    REFUSES("sgd_momentum_step", 1, 0),
    REFUSES("adam_step", 0, 0),
    REFUSES("adagrad_step", 0, 0),
    REFUSES("rmsprop_step", 0, 0),
    REFUSES("rmsprop_momentum_step", 1, 0),
    REFUSES("rmsprop_centered_step", 0, 1),
    REFUSES("rmsprop_centered_momentum_step", 1, 1),
    {.name = NULL},
};
