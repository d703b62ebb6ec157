/* Elementwise functions made of other ops, which fusion joins. */
#include <math.h>

#include "ops/op_table.h"

#define NUMBER(x, value) moru_scalar((x)->graph, (value))

moru_node *moru_heaviside(moru_node *x, moru_node *at_zero)
{
    if (moru_node_failed(x))
        return x;
    moru_node *zero = NUMBER(x, 0);
    return moru_where(moru_equal(x, zero), at_zero, moru_where(moru_is_nan(x), x, moru_greater(x, zero)));
}

moru_node *moru_nan_to_num(moru_node *x, double nan, double posinf, double neginf)
{
    if (moru_node_failed(x))
        return x;
    moru_node *low = moru_equal(x, NUMBER(x, -INFINITY)), *high = moru_equal(x, NUMBER(x, INFINITY));
    x = moru_where(moru_is_nan(x), NUMBER(x, nan), x);
    return moru_where(high, NUMBER(x, posinf), moru_where(low, NUMBER(x, neginf), x));
}

/* Infinities are close to themselves only. */
moru_node *moru_is_close(moru_node *a, moru_node *b, double rtol, double atol, bool equal_nan)
{
    if (moru_node_failed(a) || moru_node_failed(b))
        return moru_node_failed(a) ? a : b;
    moru_node *bound = moru_add_scalar(moru_mul_scalar(moru_abs(b), rtol), atol);
    moru_node *near = moru_logical_and(moru_less_equal(moru_abs(moru_sub(a, b)), bound), moru_is_finite(b));
    moru_node *close = moru_logical_or(near, moru_equal(a, b));
    return equal_nan ? moru_logical_or(close, moru_logical_and(moru_is_nan(a), moru_is_nan(b))) : close;
}

moru_node *moru_divide_no_nan(moru_node *a, moru_node *b)
{
    if (moru_node_failed(b))
        return b;
    moru_node *zero = moru_equal(b, NUMBER(b, 0));
    return moru_where(zero, NUMBER(b, 0), moru_div(a, moru_where(zero, NUMBER(b, 1), b)));
}

moru_node *moru_logaddexp2(moru_node *a, moru_node *b)
{
    return moru_mul_scalar(moru_logaddexp(moru_mul_scalar(a, M_LN2), moru_mul_scalar(b, M_LN2)), 1 / M_LN2);
}
