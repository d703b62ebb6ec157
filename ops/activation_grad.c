/* Gradients of activations: dx = dy f'(x), written with y where that is cheaper. Each is linear in dy, so its own
 * gradient for dy is itself; that for x comes from an equivalent expression. */
#include <math.h>
#include "ops/elementwise.h"

/* f' is constant between kinks: nothing flows to x. */
#define PIECEWISE(op, text, ...) \
    static void vjp_##op(const moru_vjp *v) \
    { \
        if (v->wanted[0]) \
            v->dx[0] = moru_call_2(&moru_op_##op, VJP_DY, VJP_B, v->attrs); \
    } \
    MORU_BINARY_OP(op, text, MORU_CHEAP, vjp_##op, .infer = moru_infer_same, .flags = MORU_OP_ELEMENTWISE, \
                   ##__VA_ARGS__);

/* Differentiated through expression(v, x), an equivalent of f'(x). */
#define SMOOTH(op, text, ...) \
    static void vjp_##op(const moru_vjp *v) \
    { \
        if (!v->wanted[1]) { \
            v->dx[0] = moru_call_2(&moru_op_##op, VJP_DY, VJP_B, v->attrs); \
            return; \
        } \
        moru_node *y = moru_mul(VJP_A, slope_##op(v, VJP_B)); \
        moru_vjp_through(v, &y); \
    } \
    MORU_BINARY_OP(op, text, MORU_COSTLY, vjp_##op, .infer = moru_infer_same, .flags = MORU_OP_ELEMENTWISE, \
                   ##__VA_ARGS__);

#define SLOPE(op) static moru_node *slope_##op(const moru_vjp *v, moru_node *x)
#define WITH_NUMBERS .attr_size = sizeof(moru_elementwise_attrs)
#define PARAM(k) (((const moru_elementwise_attrs *)v->attrs)->p[k])

PIECEWISE(relu_grad, "dx = y > 0 ? dy : 0")
PIECEWISE(relu6_grad, "dx = 0 < x < 6 ? dy : 0")
PIECEWISE(leaky_relu_grad, "dx = x > 0 ? dy : negative_slope dy", WITH_NUMBERS)
PIECEWISE(relu_general_grad, "dx = x < threshold ? negative_slope dy : x < max_value ? dy : 0", WITH_NUMBERS)
PIECEWISE(hard_sigmoid_grad, "dx = -3 < x < 3 ? dy/6 : 0")

SLOPE(elu_grad)
{
    moru_node *zero = moru_scalar(v->graph, 0), *low = moru_mul_scalar(moru_exp(moru_minimum(x, zero)), PARAM(0));
    return moru_where(moru_greater(x, zero), moru_scalar(v->graph, 1), low);
}
SMOOTH(elu_grad, "dx = x > 0 ? dy : alpha e^x dy", WITH_NUMBERS)

static const double selu_scale = 1.0507009873554804934193349852946, selu_alpha = 1.6732632423543772848170429916717;

SLOPE(selu_grad)
{
    moru_node *zero = moru_scalar(v->graph, 0);
    moru_node *low = moru_mul_scalar(moru_exp(moru_minimum(x, zero)), selu_scale * selu_alpha);
    return moru_where(moru_greater(x, zero), moru_scalar(v->graph, selu_scale), low);
}
SMOOTH(selu_grad, "dx = 1.0507 (x > 0 ? dy : 1.67326 e^x dy)")

/* Phi(x) + x phi(x), the normal distribution and its density */
SLOPE(gelu_grad)
{
    (void)v;
    moru_node *phi = moru_mul_scalar(moru_exp(moru_mul_scalar(moru_square(x), -0.5)), M_2_SQRTPI * M_SQRT1_2 / 2);
    moru_node *distribution = moru_add_scalar(moru_mul_scalar(moru_erf(moru_mul_scalar(x, M_SQRT1_2)), 0.5), 0.5);
    return moru_add(distribution, moru_mul(x, phi));
}
SMOOTH(gelu_grad, "dx = dy (Phi(x) + x phi(x))")

/* t = tanh(u), u = c (x + k x^3): (1 + t)/2 + x/2 (1 - t^2) u' */
SLOPE(gelu_tanh_grad)
{
    (void)v;
    const double c = M_2_SQRTPI * M_SQRT1_2, k = 0.044715;
    moru_node *squared = moru_square(x);
    moru_node *t = moru_tanh(moru_mul(moru_mul_scalar(x, c), moru_add_scalar(moru_mul_scalar(squared, k), 1)));
    moru_node *du = moru_add_scalar(moru_mul_scalar(squared, 3 * k * c), c);
    moru_node *tail = moru_mul(moru_mul(x, du), moru_add_scalar(moru_neg(moru_square(t)), 1));
    return moru_mul_scalar(moru_add(moru_add_scalar(t, 1), tail), 0.5);
}
SMOOTH(gelu_tanh_grad, "dx = dy ((1 + t)/2 + x/2 (1 - t^2) u'), t = tanh(u), u = sqrt(2/pi) (x + 0.044715 x^3)")

SLOPE(sigmoid_grad) /* x is y here */
{
    (void)v;
    return moru_sub(x, moru_square(x));
}
SMOOTH(sigmoid_grad, "dx = dy y (1 - y)")

/* s (1 + x (1 - s)), s = sigmoid(x) */
SLOPE(silu_grad)
{
    (void)v;
    moru_node *s = moru_sigmoid(x);
    return moru_mul(s, moru_add_scalar(moru_mul(x, moru_add_scalar(moru_neg(s), 1)), 1));
}
SMOOTH(silu_grad, "dx = dy s (1 + x (1 - s)), s = sigmoid(x)")

/* t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x)) */
SLOPE(mish_grad)
{
    (void)v;
    moru_node *t = moru_tanh(moru_softplus(x));
    moru_node *rest = moru_add_scalar(moru_neg(moru_square(t)), 1);
    return moru_add(t, moru_mul(moru_mul(x, rest), moru_sigmoid(x)));
}
SMOOTH(mish_grad, "dx = dy (t + x (1 - t^2) sigmoid(x)), t = tanh(softplus(x))")

/* 0 up to -3, 1 from 3 on, x/3 + 1/2 between */
SLOPE(hard_silu_grad)
{
    moru_node *three = moru_scalar(v->graph, 3);
    moru_node *inside = moru_less(moru_abs(x), three), *above = moru_greater_equal(x, three);
    return moru_where(inside, moru_add_scalar(moru_mul_scalar(x, 1.0 / 3), 0.5), above);
}
SMOOTH(hard_silu_grad, "dx = |x| < 3 ? dy (x/3 + 1/2) : x >= 3 ? dy : 0")

SLOPE(softplus_grad)
{
    (void)v;
    return moru_sigmoid(x);
}
SMOOTH(softplus_grad, "dx = dy sigmoid(x)")

SLOPE(softsign_grad)
{
    (void)v;
    return moru_reciprocal(moru_square(moru_add_scalar(moru_abs(x), 1)));
}
SMOOTH(softsign_grad, "dx = dy / (1 + |x|)^2")
