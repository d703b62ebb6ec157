/* Binary arithmetic with broadcasting. The driver sums the gradient of a broadcast operand to its shape. */
#include "ops/elementwise.h"

#define ARITHMETIC(op, text, weight, gradient, more) \
    MORU_BINARY_OP(op, text, weight, gradient, .infer = moru_infer_binary, .flags = MORU_OP_ELEMENTWISE | (more)); \
    moru_node *moru_##op(moru_node *a, moru_node *b) \
    { \
        return moru_call_2(&moru_op_##op, a, b, NULL); \
    }

static void vjp_add(const moru_vjp *v)
{
    v->dx[0] = VJP_DY;
    v->dx[1] = VJP_DY;
}
ARITHMETIC(add, "y = a + b", MORU_CHEAP, vjp_add, MORU_OP_COMMUTES | MORU_OP_ADD)

static void vjp_sub(const moru_vjp *v)
{
    v->dx[0] = VJP_DY;
    if (v->wanted[1])
        v->dx[1] = moru_neg(VJP_DY);
}
ARITHMETIC(sub, "y = a - b", MORU_CHEAP, vjp_sub, 0)

static void vjp_mul(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_mul(VJP_DY, VJP_B);
    if (v->wanted[1])
        v->dx[1] = moru_mul(VJP_DY, VJP_A);
}
ARITHMETIC(mul, "y = a b", MORU_CHEAP, vjp_mul, MORU_OP_COMMUTES)

static void vjp_div(const moru_vjp *v)
{
    moru_node *da = moru_div(VJP_DY, VJP_B);
    v->dx[0] = da;
    if (v->wanted[1])
        v->dx[1] = moru_neg(moru_mul(da, VJP_Y));
}
ARITHMETIC(div, "y = a / b", MORU_CHEAP, vjp_div, 0)

/* da = dy b a^(b-1), which is 0 for b = 0 even at a = 0; db = dy y log(a), which is 0 for a = 0 and b > 0. */
static void vjp_pow(const moru_vjp *v)
{
    if (v->wanted[0]) {
        moru_node *one = moru_scalar(v->graph, 1), *zero = moru_equal(VJP_B, moru_scalar(v->graph, 0));
        moru_node *exponent = moru_sub(moru_where(zero, one, VJP_B), one);
        v->dx[0] = moru_mul(VJP_DY, moru_mul(VJP_B, moru_pow(VJP_A, exponent)));
    }
    if (v->wanted[1]) {
        moru_node *zero = moru_equal(VJP_A, moru_scalar(v->graph, 0));
        moru_node *base = moru_where(zero, moru_scalar(v->graph, 1), VJP_A);
        v->dx[1] = moru_mul(moru_mul(VJP_DY, VJP_Y), moru_log(base));
    }
}
ARITHMETIC(pow, "y = a^b", MORU_COSTLY, vjp_pow, 0)

/* Each operand's share: 1 where it is the one chosen, 1/2 where both are equal. */
static void vjp_extreme(const moru_vjp *v, moru_node *beats, moru_node *equals)
{
    moru_node *share = moru_mul_scalar(moru_add(beats, equals), 0.5);
    moru_node *da = moru_mul(VJP_DY, share);
    v->dx[0] = da;
    if (v->wanted[1])
        v->dx[1] = moru_sub(VJP_DY, da);
}

static void vjp_maximum(const moru_vjp *v)
{
    vjp_extreme(v, moru_greater(VJP_A, VJP_B), moru_greater_equal(VJP_A, VJP_B));
}
ARITHMETIC(maximum, "y = max(a, b)", MORU_CHEAP, vjp_maximum, MORU_OP_COMMUTES)

static void vjp_minimum(const moru_vjp *v)
{
    vjp_extreme(v, moru_less(VJP_A, VJP_B), moru_less_equal(VJP_A, VJP_B));
}
ARITHMETIC(minimum, "y = min(a, b)", MORU_CHEAP, vjp_minimum, MORU_OP_COMMUTES)

static void vjp_atan2(const moru_vjp *v)
{
    moru_node *factor = moru_div(VJP_DY, moru_add(moru_square(VJP_A), moru_square(VJP_B)));
    v->dx[0] = moru_mul(factor, VJP_B);
    if (v->wanted[1])
        v->dx[1] = moru_neg(moru_mul(factor, VJP_A));
}
ARITHMETIC(atan2, "y = angle of the point (b, a)", MORU_COSTLY, vjp_atan2, 0)

static void vjp_squared_difference(const moru_vjp *v)
{
    moru_node *da = moru_mul(moru_mul_scalar(VJP_DY, 2), moru_sub(VJP_A, VJP_B));
    v->dx[0] = da;
    if (v->wanted[1])
        v->dx[1] = moru_neg(da);
}
ARITHMETIC(squared_difference, "y = (a - b)^2", MORU_CHEAP, vjp_squared_difference, MORU_OP_COMMUTES)

/* ---- rarer ones ---- */

ARITHMETIC(floor_divide, "y = largest whole number <= a / b", MORU_COSTLY, moru_vjp_none, 0)

/* Between the jumps a - b n, n a constant. */
static void vjp_mod(const moru_vjp *v)
{
    v->dx[0] = VJP_DY;
    if (v->wanted[1])
        v->dx[1] = moru_neg(moru_mul(VJP_DY, moru_floor_divide(VJP_A, VJP_B)));
}
ARITHMETIC(mod, "y = a - b floor(a / b)", MORU_COSTLY, vjp_mod, 0)

static void vjp_fmod(const moru_vjp *v)
{
    v->dx[0] = VJP_DY;
    if (v->wanted[1]) {
        moru_node *times = moru_floor_divide(moru_abs(VJP_A), moru_abs(VJP_B));
        v->dx[1] = moru_neg(moru_mul(moru_mul(VJP_DY, times), moru_mul(moru_sign(VJP_A), moru_sign(VJP_B))));
    }
}
ARITHMETIC(fmod, "y = a - b trunc(a / b)", MORU_COSTLY, vjp_fmod, 0)

/* 0 at (0, 0) */
static void vjp_hypot(const moru_vjp *v)
{
    moru_node *zero = moru_equal(VJP_Y, moru_scalar(v->graph, 0));
    moru_node *factor = moru_div(VJP_DY, moru_where(zero, moru_scalar(v->graph, 1), VJP_Y));
    v->dx[0] = moru_mul(factor, VJP_A);
    if (v->wanted[1])
        v->dx[1] = moru_mul(factor, VJP_B);
}
ARITHMETIC(hypot, "y = sqrt(a^2 + b^2)", MORU_COSTLY, vjp_hypot, MORU_OP_COMMUTES)

/* The share of a is sigmoid(a - b); equal infinities share by halves. */
static void vjp_logaddexp(const moru_vjp *v)
{
    moru_node *lead = moru_where(moru_equal(VJP_A, VJP_B), moru_scalar(v->graph, 0), moru_sub(VJP_A, VJP_B));
    if (v->wanted[0])
        v->dx[0] = moru_mul(VJP_DY, moru_sigmoid(lead));
    if (v->wanted[1])
        v->dx[1] = moru_mul(VJP_DY, moru_sigmoid(moru_neg(lead)));
}
ARITHMETIC(logaddexp, "y = log(e^a + e^b)", MORU_COSTLY, vjp_logaddexp, MORU_OP_COMMUTES)
