/* Elementwise functions of one value. */
#include <math.h>
#include <stdio.h>
#include "ops/elementwise.h"

#define UNARY(op, text, weight, gradient) \
    MORU_UNARY_OP(op, text, weight, gradient); \
    moru_node *moru_##op(moru_node *x) \
    { \
        return moru_call_1(&moru_op_##op, x, NULL); \
    }

/* A vjp that is one expression. */
#define VJP(op, expression) \
    static void vjp_##op(const moru_vjp *v) \
    { \
        v->dx[0] = (expression); \
    }

VJP(neg, moru_neg(VJP_DY))
UNARY(neg, "y = -x", MORU_CHEAP, vjp_neg)

VJP(abs, moru_mul(VJP_DY, moru_sign(VJP_A)))
UNARY(abs, "y = |x|; gradient 0 at 0", MORU_CHEAP, vjp_abs)

UNARY(sign, "y = -1, 0 or 1 as x is", MORU_CHEAP, moru_vjp_none)
UNARY(floor, "y = largest whole number <= x", MORU_CHEAP, moru_vjp_none)
UNARY(ceil, "y = least whole number >= x", MORU_CHEAP, moru_vjp_none)
UNARY(round, "y = nearest whole number, halves to even", MORU_CHEAP, moru_vjp_none)
UNARY(trunc, "y = x less what is behind the point", MORU_CHEAP, moru_vjp_none)
UNARY(is_nan, "y = x is not a number", MORU_CHEAP, moru_vjp_none)
UNARY(is_finite, "y = x is a number and not infinite", MORU_CHEAP, moru_vjp_none)
UNARY(is_inf, "y = x is infinite", MORU_CHEAP, moru_vjp_none)
UNARY(logical_not, "y = x == 0", MORU_CHEAP, moru_vjp_none)

VJP(exp, moru_mul(VJP_DY, VJP_Y))
UNARY(exp, "y = e^x", MORU_COSTLY, vjp_exp)

VJP(expm1, moru_mul(VJP_DY, moru_add_scalar(VJP_Y, 1)))
UNARY(expm1, "y = e^x - 1", MORU_COSTLY, vjp_expm1)

VJP(log, moru_div(VJP_DY, VJP_A))
UNARY(log, "y = log x", MORU_COSTLY, vjp_log)

VJP(log1p, moru_div(VJP_DY, moru_add_scalar(VJP_A, 1)))
UNARY(log1p, "y = log(1 + x)", MORU_COSTLY, vjp_log1p)

VJP(log2, moru_div(VJP_DY, moru_mul_scalar(VJP_A, M_LN2)))
UNARY(log2, "y = log x / log 2", MORU_COSTLY, vjp_log2)

VJP(sqrt, moru_div(moru_mul_scalar(VJP_DY, 0.5), VJP_Y))
UNARY(sqrt, "y = x^(1/2)", MORU_CHEAP, vjp_sqrt)

VJP(rsqrt, moru_mul(moru_mul_scalar(VJP_DY, -0.5), moru_mul(VJP_Y, moru_square(VJP_Y))))
UNARY(rsqrt, "y = x^(-1/2)", MORU_CHEAP, vjp_rsqrt)

VJP(square, moru_mul(moru_mul_scalar(VJP_DY, 2), VJP_A))
UNARY(square, "y = x^2", MORU_CHEAP, vjp_square)

VJP(reciprocal, moru_neg(moru_mul(VJP_DY, moru_square(VJP_Y))))
UNARY(reciprocal, "y = 1 / x", MORU_CHEAP, vjp_reciprocal)

VJP(sin, moru_mul(VJP_DY, moru_cos(VJP_A)))
UNARY(sin, "y = sin x", MORU_COSTLY, vjp_sin)

VJP(cos, moru_neg(moru_mul(VJP_DY, moru_sin(VJP_A))))
UNARY(cos, "y = cos x", MORU_COSTLY, vjp_cos)

VJP(tan, moru_mul(VJP_DY, moru_add_scalar(moru_square(VJP_Y), 1)))
UNARY(tan, "y = tan x", MORU_COSTLY, vjp_tan)

VJP(atan, moru_div(VJP_DY, moru_add_scalar(moru_square(VJP_A), 1)))
UNARY(atan, "y = arctan x", MORU_COSTLY, vjp_atan)

VJP(sinh, moru_mul(VJP_DY, moru_cosh(VJP_A)))
UNARY(sinh, "y = (e^x - e^-x) / 2", MORU_COSTLY, vjp_sinh)

VJP(cosh, moru_mul(VJP_DY, moru_sinh(VJP_A)))
UNARY(cosh, "y = (e^x + e^-x) / 2", MORU_COSTLY, vjp_cosh)

/* d erf(x)/dx = 2/sqrt(pi) e^(-x^2) */
VJP(erf, moru_mul(moru_mul_scalar(VJP_DY, M_2_SQRTPI), moru_exp(moru_neg(moru_square(VJP_A)))))
UNARY(erf, "y = erf x", MORU_COSTLY, vjp_erf)

/* ---- rarer ones ---- */

/* 1 - x^2 without the loss near 1, and x^2 - 1 likewise. */
static moru_node *one_less_square(moru_node *x)
{
    return moru_mul(moru_add_scalar(moru_neg(x), 1), moru_add_scalar(x, 1));
}

static moru_node *square_less_one(moru_node *x)
{
    return moru_mul(moru_add_scalar(x, -1), moru_add_scalar(x, 1));
}

VJP(exp2, moru_mul(moru_mul_scalar(VJP_DY, M_LN2), VJP_Y))
UNARY(exp2, "y = 2^x", MORU_COSTLY, vjp_exp2)

VJP(log10, moru_div(VJP_DY, moru_mul_scalar(VJP_A, M_LN10)))
UNARY(log10, "y = log x / log 10", MORU_COSTLY, vjp_log10)

VJP(cbrt, moru_div(VJP_DY, moru_mul_scalar(moru_square(VJP_Y), 3)))
UNARY(cbrt, "y = x^(1/3), of negative x too", MORU_COSTLY, vjp_cbrt)

VJP(asin, moru_mul(VJP_DY, moru_rsqrt(one_less_square(VJP_A))))
UNARY(asin, "y = arcsin x", MORU_COSTLY, vjp_asin)

VJP(acos, moru_neg(moru_mul(VJP_DY, moru_rsqrt(one_less_square(VJP_A)))))
UNARY(acos, "y = arccos x", MORU_COSTLY, vjp_acos)

VJP(asinh, moru_mul(VJP_DY, moru_rsqrt(moru_add_scalar(moru_square(VJP_A), 1))))
UNARY(asinh, "y = log(x + sqrt(x^2 + 1))", MORU_COSTLY, vjp_asinh)

VJP(acosh, moru_mul(VJP_DY, moru_rsqrt(square_less_one(VJP_A))))
UNARY(acosh, "y = log(x + sqrt(x^2 - 1))", MORU_COSTLY, vjp_acosh)

VJP(atanh, moru_div(VJP_DY, one_less_square(VJP_A)))
UNARY(atanh, "y = log((1 + x) / (1 - x)) / 2", MORU_COSTLY, vjp_atanh)

VJP(erfc, moru_mul(moru_mul_scalar(VJP_DY, -M_2_SQRTPI), moru_exp(moru_neg(moru_square(VJP_A)))))
UNARY(erfc, "y = 1 - erf x", MORU_COSTLY, vjp_erfc)

VJP(erfinv, moru_mul(moru_mul_scalar(VJP_DY, 1 / M_2_SQRTPI), moru_exp(moru_square(VJP_Y))))
UNARY(erfinv, "y with erf y = x", MORU_COSTLY, vjp_erfinv)

VJP(sinc, moru_call_2(&moru_op_sinc_grad, VJP_DY, VJP_A, NULL))
UNARY(sinc, "y = sin(pi x) / (pi x), 1 at 0", MORU_COSTLY, vjp_sinc)

/* sinc'' = -pi^2 sinc - 2 sinc'/x, -pi^2/3 at 0 */
static void vjp_sinc_grad(const moru_vjp *v)
{
    moru_node *one = moru_scalar(v->graph, 1), *x = VJP_B;
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_sinc_grad, VJP_DY, x, NULL);
    if (!v->wanted[1])
        return;
    moru_node *zero = moru_equal(x, moru_scalar(v->graph, 0)), *slope = moru_call_2(&moru_op_sinc_grad, VJP_A, x, NULL);
    moru_node *bent = moru_mul(moru_mul_scalar(VJP_A, -M_PI * M_PI), moru_where(zero, moru_scalar(v->graph, 1.0 / 3),
                                                                                moru_sinc(x)));
    moru_node *rest = moru_div(moru_mul_scalar(slope, -2), moru_where(zero, one, x));
    v->dx[1] = moru_mul(VJP_DY, moru_add(bent, rest));
}
MORU_BINARY_OP(sinc_grad, "dx = dy (cos(pi x) - sinc x) / x", MORU_COSTLY, vjp_sinc_grad, .infer = moru_infer_same,
               .flags = MORU_OP_ELEMENTWISE);

/* ---- tanh, with a fused gradient ---- */

VJP(tanh, moru_call_2(&moru_op_tanh_grad, VJP_DY, VJP_Y, NULL))
MORU_UNARY_OP(tanh, "y = tanh x", MORU_COSTLY, vjp_tanh, .activation = 1 + MORU_UNARY_tanh);

moru_node *moru_tanh(moru_node *x)
{
    return moru_call_1(&moru_op_tanh, x, NULL);
}

static void vjp_tanh_grad(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_tanh_grad, VJP_DY, VJP_B, NULL);
    if (v->wanted[1])
        v->dx[1] = moru_mul(moru_mul_scalar(VJP_DY, -2), moru_mul(VJP_A, VJP_B));
}
MORU_BINARY_OP(tanh_grad, "dx = dy (1 - y^2)", MORU_CHEAP, vjp_tanh_grad, .infer = moru_infer_same,
               .flags = MORU_OP_ELEMENTWISE);

/* ---- with numbers ---- */

#define PARAM(k) (((const moru_elementwise_attrs *)v->attrs)->p[k])

static void print_value(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "%g", ((const moru_elementwise_attrs *)attrs)->p[0]);
}

VJP(add_scalar, VJP_DY)
MORU_UNARY_OP(add_scalar, "y = x + value", MORU_CHEAP, vjp_add_scalar, .attr_size = sizeof(moru_elementwise_attrs),
              .print = print_value);

moru_node *moru_add_scalar(moru_node *x, double value)
{
    return moru_call_1(&moru_op_add_scalar, x, &(moru_elementwise_attrs){{value}});
}

VJP(mul_scalar, moru_mul_scalar(VJP_DY, PARAM(0)))
MORU_UNARY_OP(mul_scalar, "y = x value", MORU_CHEAP, vjp_mul_scalar, .attr_size = sizeof(moru_elementwise_attrs),
              .print = print_value);

moru_node *moru_mul_scalar(moru_node *x, double value)
{
    return moru_call_1(&moru_op_mul_scalar, x, &(moru_elementwise_attrs){{value}});
}

static void vjp_pow_scalar(const moru_vjp *v)
{
    double exponent = PARAM(0);
    if (exponent != 0) /* 0 x^-1 would be NaN at 0 */
        v->dx[0] = moru_mul(moru_mul_scalar(VJP_DY, exponent), moru_pow_scalar(VJP_A, exponent - 1));
}
MORU_UNARY_OP(pow_scalar, "y = x^exponent", MORU_COSTLY, vjp_pow_scalar, .attr_size = sizeof(moru_elementwise_attrs),
              .print = print_value);

moru_node *moru_pow_scalar(moru_node *x, double exponent)
{
    return moru_call_1(&moru_op_pow_scalar, x, &(moru_elementwise_attrs){{exponent}});
}

static moru_status infer_clip(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const double *p = ((const moru_elementwise_attrs *)in->attrs)->p;
    if (!(p[0] <= p[1]))
        return moru_op_error(MORU_ERR_ARGUMENT, "the low bound %g is not below the high bound %g", p[0], p[1]);
    return moru_infer_unary(in, shapes, dtypes);
}

static void print_clip(const void *attrs, char *text, size_t size)
{
    const double *p = ((const moru_elementwise_attrs *)attrs)->p;
    snprintf(text, size, "low=%g,high=%g", p[0], p[1]);
}

static moru_status run_clip(const moru_run *run)
{
    return moru_run_unary(run, MORU_UNARY_clip, MORU_CHEAP);
}

VJP(clip, moru_call_2(&moru_op_clip_grad, VJP_DY, VJP_A, v->attrs))

const moru_op_def moru_op_clip = {
    .name = "clip", .formula = "y = min(max(x, low), high)", .min_inputs = 1, .max_inputs = 1, .n_outputs = 1,
    .flags = MORU_OP_ELEMENTWISE, .attr_size = sizeof(moru_elementwise_attrs), .in_place = 1,
    .unary_kernel = 1 + MORU_UNARY_clip, .infer = infer_clip, .vjp = vjp_clip, .run = run_clip, .print = print_clip,
};

moru_node *moru_clip(moru_node *x, double low, double high)
{
    return moru_call_1(&moru_op_clip, x, &(moru_elementwise_attrs){{low, high}});
}

VJP(clip_grad, moru_call_2(&moru_op_clip_grad, VJP_DY, VJP_B, v->attrs))
MORU_BINARY_OP(clip_grad, "dx = low <= x <= high ? dy : 0", MORU_CHEAP, vjp_clip_grad, .infer = moru_infer_same,
               .flags = MORU_OP_ELEMENTWISE, .attr_size = sizeof(moru_elementwise_attrs), .print = print_clip);
