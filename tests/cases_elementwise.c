/* Gradient check of elementwise ops. */
#include <math.h>
#include "ops/op_table.h"
#include "tests/gradcheck.h"

#define UNARY(name_, from, to) {.name = #name_, .unary = moru_##name_, .in = {GC_REAL(from, to, 3, 5)}}
#define KINKED(name_, from, to, ...) \
    {.name = #name_, .unary = moru_##name_, \
     .in = {{.shape = MORU_SHAPE(4, 9), .low = from, .high = to, .kinks = {__VA_ARGS__}, \
             .n_kinks = (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))}}}
#define BINARY(name_, low_a, high_a, low_b, high_b) \
    {.name = #name_, .binary = moru_##name_, .in = {GC_REAL(low_a, high_a, 3, 5), GC_REAL(low_b, high_b, 3, 5)}}
/* The second operand is broadcast over the first axis, then the first over the second's. */
#define BROADCAST(name_, low_a, high_a, low_b, high_b) \
    {.name = #name_ "/row", .binary = moru_##name_, .in = {GC_REAL(low_a, high_a, 3, 5), GC_REAL(low_b, high_b, 5)}}, \
    {.name = #name_ "/outer", .binary = moru_##name_, \
     .in = {GC_REAL(low_a, high_a, 3, 1, 4), GC_REAL(low_b, high_b, 2, 1)}}, \
    {.name = #name_ "/scalar", .binary = moru_##name_, .in = {GC_SCALAR(low_a, high_a), GC_REAL(low_b, high_b, 2, 3)}}
#define BUILT(name_, builder, ...) {.name = name_, .build = builder, .in = {__VA_ARGS__}}
#define STEP(name_) {.name = #name_, .unary = product_with_##name_, .in = {GC_KINK(-0.9, 0.9, 0, 3, 5)}}

/* Steps have no slope of their own: x step(x) shows that their gradient is a zero that does no harm. */
#define PRODUCT(name_) \
    static moru_node *product_with_##name_(moru_node *x) \
    { \
        return moru_mul(x, moru_##name_(x)); \
    }
PRODUCT(sign)
PRODUCT(floor)
PRODUCT(ceil)
PRODUCT(trunc)
PRODUCT(is_nan)
PRODUCT(is_finite)
PRODUCT(is_inf)
PRODUCT(logical_not)

static moru_node *product_with_round(moru_node *x)
{
    return moru_mul(x, moru_round(moru_mul_scalar(x, 1.1)));
}

#define COMPARED(name_) \
    static moru_node *product_with_##name_(moru_node *a, moru_node *b) \
    { \
        return moru_mul(moru_add(a, b), moru_##name_(a, b)); \
    }
COMPARED(equal)
COMPARED(not_equal)
COMPARED(less)
COMPARED(less_equal)
COMPARED(greater)
COMPARED(greater_equal)
COMPARED(logical_and)
COMPARED(logical_or)
COMPARED(logical_xor)
COMPARED(floor_divide)
#define COMPARISON(name_) \
    {.name = #name_, .binary = product_with_##name_, .flags = GRADCHECK_DISTINCT, \
     .in = {GC_REAL(-1, 1, 3, 5), GC_REAL(-1, 1, 5)}}

#define WITH_NUMBER(name_) \
    static moru_node *build_##name_(moru_graph *graph, moru_node *const *x, const gradcheck_case *c) \
    { \
        (void)graph; \
        return moru_##name_(x[0], c->p[0]); \
    }
WITH_NUMBER(add_scalar)
WITH_NUMBER(mul_scalar)
WITH_NUMBER(pow_scalar)
WITH_NUMBER(leaky_relu)
WITH_NUMBER(elu)

static moru_node *build_clip(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_clip(x[0], c->p[0], c->p[1]);
}

static moru_node *build_relu_general(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_relu_general(x[0], c->p[0], c->p[1], c->p[2]);
}

static moru_node *build_where(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    (void)c;
    return moru_where(moru_greater(x[0], moru_scalar(graph, 0)), x[1], x[2]);
}

/* The gradient of a value that uses one operand twice, and of a longer chain that fusion takes apart. */
static moru_node *build_twice(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    (void)c;
    return moru_add(moru_mul(x[0], x[0]), moru_div(x[0], moru_add_scalar(moru_square(x[0]), 1)));
}

static moru_node *build_chain(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    (void)c;
    moru_node *h = moru_tanh(moru_add(moru_mul(x[0], x[1]), x[2]));
    return moru_mul(moru_sigmoid(moru_sub(h, x[0])), moru_exp(moru_mul_scalar(moru_square(h), -1)));
}

static moru_node *build_variable(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)c;
    moru_node *w = moru_variable(graph, "w", MORU_SHAPE(3, 1));
    moru_real *data = moru_tensor_data(moru_node_tensor(w));
    for (int k = 0; k < 3; k++)
        data[k] = (moru_real)(0.5 + k);
    return moru_mul(moru_add(x[0], w), w);
}

const gradcheck_case gradcheck_cases_elementwise[] = {
    BINARY(add, -2, 2, -2, 2), BROADCAST(add, -2, 2, -2, 2),
    BINARY(sub, -2, 2, -2, 2), BROADCAST(sub, -2, 2, -2, 2),
    BINARY(mul, -2, 2, -2, 2), BROADCAST(mul, -2, 2, -2, 2),
    BINARY(div, -2, 2, 0.5, 2), BROADCAST(div, -2, 2, 0.5, 2),
    BINARY(pow, 0.3, 2, -2, 3), BROADCAST(pow, 0.3, 2, -2, 3),
    {.name = "maximum", .binary = moru_maximum, .flags = GRADCHECK_DISTINCT,
     .in = {GC_REAL(-2, 2, 3, 5), GC_REAL(-2, 2, 5)}},
    {.name = "minimum", .binary = moru_minimum, .flags = GRADCHECK_DISTINCT,
     .in = {GC_REAL(-2, 2, 3, 1), GC_REAL(-2, 2, 5)}},
    BINARY(atan2, -2, 2, 0.3, 2), BROADCAST(atan2, 0.3, 2, -2, 2),
    BINARY(hypot, -2, 2, 0.3, 2), BROADCAST(hypot, 0.3, 2, -2, 2), BINARY(logaddexp, -3, 3, -3, 3),
    BROADCAST(logaddexp, -3, 3, -3, 3), {.name = "floor_divide", .binary = product_with_floor_divide,
                                         .in = {GC_REAL(2.2, 2.8, 3, 5), GC_REAL(0.9, 1.1, 5)}},
    /* between the jumps */
    BINARY(mod, 2.2, 2.8, 0.9, 1.1), BROADCAST(mod, -2.8, -2.2, 0.9, 1.1), BINARY(fmod, 2.2, 2.8, 0.9, 1.1),
    BROADCAST(fmod, -2.8, -2.2, 0.9, 1.1),
    BINARY(squared_difference, -2, 2, -2, 2), BROADCAST(squared_difference, -2, 2, -2, 2),
    COMPARISON(equal), COMPARISON(not_equal), COMPARISON(less), COMPARISON(less_equal), COMPARISON(greater),
    COMPARISON(greater_equal), COMPARISON(logical_and), COMPARISON(logical_or), COMPARISON(logical_xor),
    BUILT("where", build_where, GC_KINK(-1, 1, 0, 3, 5), GC_REAL(-1, 1, 5), GC_REAL(-1, 1, 3, 1)),
    BUILT("where/scalars", build_where, GC_KINK(-1, 1, 0, 2, 3), GC_SCALAR(-1, 1), GC_SCALAR(-1, 1)),
    /* ranks 0 to 8, sizes 0 and 1, dimensions that can't be merged */
    {.name = "mul/rank 0", .binary = moru_mul, .in = {GC_SCALAR(-1, 1), GC_SCALAR(-1, 1)}},
    {.name = "mul/rank 8", .binary = moru_mul,
     .in = {GC_REAL(-1, 1, 2, 1, 2, 1, 1, 2, 1, 3), GC_REAL(-1, 1, 1, 2, 1, 1, 2, 1, 2, 1)}},
    {.name = "add/rank 8 and 3", .binary = moru_add,
     .in = {GC_REAL(-1, 1, 1, 2, 1, 1, 2, 2, 1, 3), GC_REAL(-1, 1, 2, 3, 1)}},
    {.name = "mul/size 0", .binary = moru_mul, .in = {GC_REAL(-1, 1, 0, 3), GC_REAL(-1, 1, 3)}},
    {.name = "mul/size 0 broadcast", .binary = moru_mul, .in = {GC_REAL(-1, 1, 2, 0, 1), GC_REAL(-1, 1, 1, 3)}},
    {.name = "div/ones", .binary = moru_div, .in = {GC_REAL(-1, 1, 1, 1, 1), GC_REAL(0.5, 1, 1, 1)}},
    {.name = "exp/size 0", .unary = moru_exp, .in = {GC_REAL(-1, 1, 4, 0)}},
    {.name = "exp/rank 0", .unary = moru_exp, .in = {GC_SCALAR(-1, 1)}},
    {.name = "exp/rank 8", .unary = moru_exp, .in = {GC_REAL(-1, 1, 1, 2, 1, 3, 1, 1, 2, 1)}},
    BUILT("twice", build_twice, GC_REAL(-2, 2, 7)),
    BUILT("chain", build_chain, GC_REAL(-1, 1, 3, 5), GC_REAL(-1, 1, 5), GC_REAL(-1, 1, 3, 1)),
    BUILT("variable", build_variable, GC_REAL(-1, 1, 3, 5)),

    UNARY(neg, -2, 2), KINKED(abs, -2, 2, 0), STEP(sign), STEP(floor), STEP(ceil), STEP(is_nan), STEP(logical_not),
    STEP(trunc), STEP(is_finite), STEP(is_inf),
    {.name = "round", .unary = product_with_round, .in = {{.shape = MORU_SHAPE(9), .low = -0.9, .high = 0.9,
                                                          .kinks = {0.5 / 1.1, -0.5 / 1.1}, .n_kinks = 2}}},
    UNARY(exp, -2, 2), UNARY(expm1, -2, 2), UNARY(log, 0.2, 4), UNARY(log1p, -0.7, 3), UNARY(log2, 0.2, 4),
    UNARY(sqrt, 0.2, 4), UNARY(rsqrt, 0.2, 4), UNARY(square, -2, 2), UNARY(reciprocal, 0.4, 3), UNARY(sin, -4, 4),
    UNARY(cos, -4, 4), UNARY(tan, -1.2, 1.2), UNARY(atan, -3, 3), UNARY(sinh, -2, 2), UNARY(cosh, -2, 2),
    UNARY(tanh, -3, 3), UNARY(erf, -2, 2), UNARY(exp2, -2, 2), UNARY(log10, 0.2, 4), UNARY(cbrt, 0.2, 4),
    UNARY(asin, -0.8, 0.8), UNARY(acos, -0.8, 0.8), UNARY(asinh, -3, 3), UNARY(acosh, 1.3, 4), UNARY(atanh, -0.8, 0.8),
    UNARY(erfc, -2, 2), UNARY(erfinv, -0.8, 0.8), UNARY(sinc, -3, 3),
    {.name = "sinc/at 0", .unary = moru_sinc, .in = {GC_REAL(-1e-5, 1e-5, 7)}},
    {.name = "cbrt/negative", .unary = moru_cbrt, .in = {GC_REAL(-4, -0.2, 7)}},
    {.name = "add_scalar", .build = build_add_scalar, .p = {1.5}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "mul_scalar", .build = build_mul_scalar, .p = {-1.5}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "pow_scalar/2.5", .build = build_pow_scalar, .p = {2.5}, .in = {GC_REAL(0.3, 2, 3, 5)}},
    {.name = "pow_scalar/-1.5", .build = build_pow_scalar, .p = {-1.5}, .in = {GC_REAL(0.3, 2, 3, 5)}},
    {.name = "pow_scalar/3", .build = build_pow_scalar, .p = {3}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "pow_scalar/2", .build = build_pow_scalar, .p = {2}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "pow_scalar/1", .build = build_pow_scalar, .p = {1}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "pow_scalar/0", .build = build_pow_scalar, .p = {0}, .in = {GC_REAL(-2, 2, 3, 5)}},
    {.name = "clip", .build = build_clip, .p = {-0.5, 0.8},
     .in = {{.shape = MORU_SHAPE(4, 5), .low = -2, .high = 2, .kinks = {-0.5, 0.8}, .n_kinks = 2}}},
    {.name = "clip/one side", .build = build_clip, .p = {-0.5, INFINITY}, .in = {GC_KINK(-2, 2, -0.5, 4, 5)}},

    KINKED(relu, -2, 2, 0), KINKED(relu6, -4, 10, 0, 6), KINKED(selu, -2, 2, 0), UNARY(gelu, -3, 3),
    UNARY(gelu_tanh, -3, 3), UNARY(sigmoid, -4, 4), UNARY(log_sigmoid, -4, 4), KINKED(hard_sigmoid, -5, 5, -3, 3),
    KINKED(hard_silu, -5, 5, -3, 3), UNARY(silu, -4, 4), UNARY(mish, -4, 4), UNARY(softplus, -4, 4),
    KINKED(softsign, -3, 3, 0),
    {.name = "leaky_relu", .build = build_leaky_relu, .p = {0.3}, .in = {GC_KINK(-2, 2, 0, 4, 9)}},
    {.name = "elu", .build = build_elu, .p = {1.3}, .in = {GC_KINK(-2, 2, 0, 4, 9)}},
    {.name = "relu_general", .build = build_relu_general, .p = {0.2, 1.5, 0.4},
     .in = {{.shape = MORU_SHAPE(4, 9), .low = -2, .high = 3, .kinks = {0.4, 1.5}, .n_kinks = 2}}},
    {.name = "relu_general/unbounded", .build = build_relu_general, .p = {0.1, INFINITY, -0.5},
     .in = {{.shape = MORU_SHAPE(4, 9), .low = -2, .high = 3, .kinks = {-0.5}, .n_kinks = 1}}},
    {.name = NULL},
};
