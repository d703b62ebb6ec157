/* Elementwise functions of one array. See elementwise.def for the list. */
#include "kernels/special.h"

typedef void vectors_fn(moru_real *y, const moru_real *x, int64_t n, const double *p);

/* Whole vectors from memory, the rest as one padded vector through the same code: an element's value can't depend on
 * where a block of work starts. */
KERNEL_INLINE void apply(vectors_fn *f, moru_real *y, const moru_real *x, int64_t n, const double *p)
{
    int64_t rest = n % LANES;
    if (n > rest)
        f(y, x, n - rest, p);
    if (rest > 0) {
        moru_real t[MORU_VECTOR_BYTES / sizeof(moru_real)];
        vec_store(t, vec_load_part(x + n - rest, rest));
        f(t, t, LANES, p);
        vec_store_part(y + n - rest, vec_load(t), rest);
    }
}

#define NO_PARAMS (void)p;
#define ONE_PARAM vec p0 = vec_set((moru_real)p[0]);
#define TWO_PARAMS ONE_PARAM vec p1 = vec_set((moru_real)p[1]);
#define THREE_PARAMS TWO_PARAMS vec p2 = vec_set((moru_real)p[2]);

/* noipa: one copy of the loop for both calls */
#define VECTORS(name, params, expression)                                                                             \
    static __attribute__((noipa)) void name##_vectors(moru_real *y_, const moru_real *x_, int64_t n, const double *p) \
    {                                                                                                                 \
        params                                                                                                        \
        for (int64_t i = 0; i < n; i += LANES) {                                                                      \
            vec x = vec_load(x_ + i);                                                                                 \
            vec_store(y_ + i, (expression));                                                                          \
        }                                                                                                             \
    }
#define UNARY_P(name, params, expression)                                                                             \
    VECTORS(name, params, expression)                                                                                 \
    void MORU_KERNEL(unary_##name)(moru_real *y, const moru_real *x, int64_t n, const double *p)                      \
    {                                                                                                                 \
        apply(name##_vectors, y, x, n, p);                                                                            \
    }
#define UNARY(name, expression) UNARY_P(name, NO_PARAMS, expression)

#define SELU_ALPHA R(1.6732632423543772848170429916717)
#define SELU_SCALE R(1.0507009873554804934193349852946)
#define SQRT_2_OVER_PI R(0.79788456080286535588)

void MORU_KERNEL(unary_copy)(moru_real *y, const moru_real *x, int64_t n, const double *p)
{
    (void)p;
    if (n > 0 && y != x)
        memmove(y, x, (size_t)n * sizeof *y);
}

UNARY(neg, -x)
UNARY(abs, vec_abs(x))
/* NaN stays NaN */
UNARY(sign, vec_select(x == x, vec_truth(x > R(0)) - vec_truth(x < R(0)), x))
UNARY(floor, vec_floor(x))
UNARY(ceil, vec_ceil(x))
UNARY(round, vec_rint(x))
UNARY(exp, vec_exp(x))
UNARY(expm1, vec_expm1(x))
UNARY(log, vec_log(x))
UNARY(log1p, vec_log1p(x))
UNARY(log2, vec_log2(x))
UNARY(sqrt, vec_sqrt(x))
UNARY(rsqrt, R(1) / vec_sqrt(x))
UNARY(square, x * x)
UNARY(reciprocal, R(1) / x)
UNARY(sin, vec_sin(x))
UNARY(cos, vec_cos(x))
UNARY(tan, vec_tan(x))
UNARY(atan, vec_atan(x))
UNARY(sinh, vec_sinh(x))
UNARY(cosh, vec_cosh(x))
UNARY(tanh, vec_tanh(x))
UNARY(erf, vec_erf(x))
UNARY(trunc, vec_select(x < R(0), vec_ceil(x), vec_floor(x)))
UNARY(exp2, vec_exp2(x))
UNARY(log10, vec_log10(x))
UNARY(cbrt, vec_cbrt(x))
UNARY(asin, vec_asin(x))
UNARY(acos, vec_acos(x))
UNARY(asinh, vec_asinh(x))
UNARY(acosh, vec_acosh(x))
UNARY(atanh, vec_atanh(x))
UNARY(erfc, vec_erfc(x))
UNARY(erfinv, vec_erfinv(x))
UNARY(sinc, vec_sinc(x))
UNARY(is_nan, vec_truth(x != x))
UNARY(is_finite, vec_truth(vec_abs(x) < R(INFINITY)))
UNARY(is_inf, vec_truth(vec_abs(x) == R(INFINITY)))
UNARY(logical_not, vec_truth(x == R(0)))
UNARY_P(add_scalar, ONE_PARAM, x + p0)
UNARY_P(mul_scalar, ONE_PARAM, x * p0)
UNARY_P(clip, TWO_PARAMS, vec_select(x < p0, p0, vec_select(x > p1, p1, x)))

/* relus keep NaN, so that a diverging run shows */
UNARY(relu, vec_where(~(x <= R(0)), x))
UNARY(relu6, vec_where(~(x <= R(0)), vec_select(x > R(6), vec_set(6), x)))
UNARY_P(leaky_relu, ONE_PARAM, vec_select(x > R(0), x, p0 * x))
UNARY_P(relu_general, THREE_PARAMS, vec_select(x >= p2, vec_select(x > p1, p1, x), p0 * (x - p2)))
UNARY_P(elu, ONE_PARAM, vec_select(x > R(0), x, p0 * vec_expm1(x)))
UNARY(selu, SELU_SCALE * vec_select(x > R(0), x, SELU_ALPHA * vec_expm1(x)))
UNARY(gelu, x * vec_normal_cdf(x))
UNARY(gelu_tanh, R(0.5) * x * (R(1) + vec_tanh(SQRT_2_OVER_PI * (x + R(0.044715) * (x * x * x)))))
UNARY(sigmoid, vec_sigmoid(x))
UNARY(log_sigmoid, -vec_softplus(-x))
/* clip(x/6 + 1/2, 0, 1) */
KERNEL_INLINE vec hard_sigmoid(vec x)
{
    vec y = vec_select(x >= R(3), vec_set(1), x * R(1.0 / 6) + R(0.5));
    return vec_select(x <= R(-3), vec_zero(), y);
}
UNARY(hard_sigmoid, hard_sigmoid(x))
UNARY(hard_silu, x * hard_sigmoid(x))
UNARY(silu, x * vec_sigmoid(x))
UNARY(softplus, vec_softplus(x))
UNARY(softsign, x / (R(1) + vec_abs(x)))

KERNEL_INLINE vec mish(vec x)
{
    vec complement;
    return x * vec_tanh_softplus(x, &complement);
}
UNARY(mish, mish(x))

/* pow(x, 1/2) but for the rounding: 0 for -0, infinity for -infinity */
#define POW_HALF(x) vec_select((x) == R(-INFINITY), vec_set(INFINITY), vec_sqrt((x) + R(0)))
VECTORS(half_power, NO_PARAMS, POW_HALF(x))
VECTORS(cube, NO_PARAMS, x * x * x)
VECTORS(general_power, ONE_PARAM, vec_pow(x, p0))

/* The exponents that networks use go without pow, special values included. */
void MORU_KERNEL(unary_pow_scalar)(moru_real *y, const moru_real *x, int64_t n, const double *p)
{
    vectors_fn *f = general_power_vectors;
    if (p[0] == 2)
        f = square_vectors;
    else if (p[0] == 3)
        f = cube_vectors;
    else if (p[0] == 0.5)
        f = half_power_vectors;
    else if (p[0] == -1)
        f = reciprocal_vectors;
    apply(f, y, x, n, p);
}
