/* Activations. Their gradients are ops of their own, in activation_grad.c. */
#include <math.h>
#include <stdio.h>
#include "ops/elementwise.h"

/* An activation can be the tail of a matmul or convolution. Its gradient is op_grad(dy, x or y, attrs). */
#define ACTIVATION(op, text, weight, wants, ...) \
    static void vjp_##op(const moru_vjp *v) \
    { \
        v->dx[0] = moru_call_2(&moru_op_##op##_grad, VJP_DY, wants, v->attrs); \
    } \
    MORU_UNARY_OP(op, text, weight, vjp_##op, .activation = 1 + MORU_UNARY_##op, ##__VA_ARGS__);

#define PLAIN(op, text, weight, wants) \
    ACTIVATION(op, text, weight, wants) \
    moru_node *moru_##op(moru_node *x) \
    { \
        return moru_call_1(&moru_op_##op, x, NULL); \
    }

PLAIN(relu, "y = max(x, 0)", MORU_CHEAP, VJP_Y)
PLAIN(relu6, "y = min(max(x, 0), 6)", MORU_CHEAP, VJP_A)
PLAIN(selu, "y = 1.0507 (x > 0 ? x : 1.67326 (e^x - 1))", MORU_COSTLY, VJP_A)
PLAIN(gelu, "y = x/2 (1 + erf(x / sqrt 2))", MORU_COSTLY, VJP_A)
PLAIN(gelu_tanh, "y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))", MORU_COSTLY, VJP_A)
PLAIN(sigmoid, "y = 1 / (1 + e^-x)", MORU_COSTLY, VJP_Y)
PLAIN(hard_sigmoid, "y = min(max(x/6 + 1/2, 0), 1)", MORU_CHEAP, VJP_A)
PLAIN(hard_silu, "y = x min(max(x/6 + 1/2, 0), 1)", MORU_CHEAP, VJP_A)
PLAIN(silu, "y = x / (1 + e^-x)", MORU_COSTLY, VJP_A)
PLAIN(mish, "y = x tanh(log(1 + e^x))", MORU_COSTLY, VJP_A)
PLAIN(softplus, "y = log(1 + e^x)", MORU_COSTLY, VJP_A)
PLAIN(softsign, "y = x / (1 + |x|)", MORU_CHEAP, VJP_A)

static void vjp_log_sigmoid(const moru_vjp *v)
{
    v->dx[0] = moru_mul(VJP_DY, moru_sigmoid(moru_neg(VJP_A)));
}
MORU_UNARY_OP(log_sigmoid, "y = -log(1 + e^-x)", MORU_COSTLY, vjp_log_sigmoid,
              .activation = 1 + MORU_UNARY_log_sigmoid);

moru_node *moru_log_sigmoid(moru_node *x)
{
    return moru_call_1(&moru_op_log_sigmoid, x, NULL);
}

/* ---- with numbers ---- */

static void print_slope(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "negative_slope=%g", ((const moru_elementwise_attrs *)attrs)->p[0]);
}
ACTIVATION(leaky_relu, "y = x > 0 ? x : negative_slope x", MORU_CHEAP, VJP_A,
           .attr_size = sizeof(moru_elementwise_attrs), .print = print_slope)

moru_node *moru_leaky_relu(moru_node *x, double negative_slope)
{
    return moru_call_1(&moru_op_leaky_relu, x, &(moru_elementwise_attrs){{negative_slope}});
}

static void print_relu_general(const void *attrs, char *text, size_t size)
{
    const double *p = ((const moru_elementwise_attrs *)attrs)->p;
    snprintf(text, size, "negative_slope=%g,max_value=%g,threshold=%g", p[0], p[1], p[2]);
}
ACTIVATION(relu_general, "y = x >= threshold ? min(x, max_value) : negative_slope (x - threshold)", MORU_CHEAP, VJP_A,
           .attr_size = sizeof(moru_elementwise_attrs), .print = print_relu_general)

moru_node *moru_relu_general(moru_node *x, double negative_slope, double max_value, double threshold)
{
    return moru_call_1(&moru_op_relu_general, x, &(moru_elementwise_attrs){{negative_slope, max_value, threshold}});
}

static void print_alpha(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "alpha=%g", ((const moru_elementwise_attrs *)attrs)->p[0]);
}
ACTIVATION(elu, "y = x > 0 ? x : alpha (e^x - 1)", MORU_COSTLY, VJP_A, .attr_size = sizeof(moru_elementwise_attrs),
           .print = print_alpha)

moru_node *moru_elu(moru_node *x, double alpha)
{
    return moru_call_1(&moru_op_elu, x, &(moru_elementwise_attrs){{alpha}});
}
