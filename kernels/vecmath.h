/* Elementary functions on vectors of moru_real.
 *
 * In float: range reduction and a minimax polynomial, the same instructions for every lane, exceptional lanes mended by
 * masks. exp, log, tanh, erf and sigmoid are within 2 ulp everywhere, denormals included. What is rarely used in a
 * network asks the C library lane by lane. In double (for tests, where accuracy is all) everything does. */
#ifndef MORU_VECMATH_H
#define MORU_VECMATH_H

#include <math.h>
#include "kernels/kernel.h"

/* A constant of the element type: keeps float arithmetic in float. */
#define R(c) ((moru_real)(c))

#ifdef MORU_DOUBLE
#define LIBM(f) f
#define REAL_SIGN INT64_MIN
#else
#define LIBM(name) name##f
#define REAL_SIGN INT32_MIN
#endif

#define VEC_LANEWISE(name, function)            \
    KERNEL_INLINE vec vec_##name(vec x)         \
    {                                           \
        for (int64_t i = 0; i < LANES; i++)     \
            x[i] = LIBM(function)(x[i]);        \
        return x;                               \
    }

KERNEL_INLINE vec vec_abs(vec x)
{
    return (vec)((ivec)x & ~ivec_set(REAL_SIGN));
}

/* |x| with the sign of s */
KERNEL_INLINE vec vec_copysign(vec x, vec s)
{
    return (vec)(((ivec)x & ~ivec_set(REAL_SIGN)) | ((ivec)s & ivec_set(REAL_SIGN)));
}

/* mask ? 1 : 0 */
KERNEL_INLINE vec vec_truth(ivec mask)
{
    return (vec)(mask & (ivec)vec_set(1));
}

/* mask ? x : 0 */
KERNEL_INLINE vec vec_where(ivec mask, vec x)
{
    return (vec)(mask & (ivec)x);
}

KERNEL_INLINE bool vec_any(ivec mask)
{
    moru_lane_int any = 0;
    for (int64_t i = 0; i < LANES; i++)
        any |= mask[i];
    return any != 0;
}

/* 0, 1, 2, ... */
KERNEL_INLINE ivec vec_lane_numbers(void)
{
    ivec v = {0};
    for (int64_t i = 0; i < LANES; i++)
        v[i] = (moru_lane_int)i;
    return v;
}

/* The first n lanes from memory, `filler` after them. */
KERNEL_INLINE vec vec_load_filled(const moru_real *p, int64_t n, vec filler)
{
    return vec_select(vec_lane_numbers() < (moru_lane_int)n, vec_load_part(p, n), filler);
}

/* Combines all lanes, halves with halves; every lane of the result holds it. */
#define VEC_FOLD(v, a, b, expression)                                                   \
    for (moru_lane_int half_ = (moru_lane_int)LANES / 2; half_ > 0; half_ /= 2) {       \
        vec a = v, b = __builtin_shuffle(v, vec_lane_numbers() ^ half_);                \
        v = (expression);                                                               \
    }

KERNEL_INLINE vec vec_fold_sum(vec v)
{
    VEC_FOLD(v, a, b, a + b)
    return v;
}

/* NaN may be lost */
KERNEL_INLINE vec vec_fold_max(vec v)
{
    VEC_FOLD(v, a, b, vec_max(a, b))
    return v;
}

/* The greater one; NaN where either is NaN. */
KERNEL_INLINE vec vec_maximum(vec a, vec b)
{
    return vec_select((a > b) | (a != a), a, b);
}

KERNEL_INLINE vec vec_minimum(vec a, vec b)
{
    return vec_select((a < b) | (a != a), a, b);
}

KERNEL_INLINE vec vec_sqrt(vec x)
{
#if MORU_VECTOR_BYTES == 64 && !defined(MORU_DOUBLE)
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif MORU_VECTOR_BYTES == 32 && !defined(MORU_DOUBLE)
    return (vec)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__) && MORU_VECTOR_BYTES == 16 && !defined(MORU_DOUBLE)
    return (vec)_mm_sqrt_ps((__m128)x);
#else
    for (int64_t i = 0; i < LANES; i++)
        x[i] = LIBM(sqrt)(x[i]);
    return x;
#endif
}

#if !defined(MORU_DOUBLE) && (MORU_VECTOR_BYTES > 16 || defined(__SSE4_1__))
#if MORU_VECTOR_BYTES == 64
#define VEC_ROUND(x, mode) ((vec)_mm512_roundscale_ps((__m512)(x), (mode) | _MM_FROUND_NO_EXC))
#elif MORU_VECTOR_BYTES == 32
#define VEC_ROUND(x, mode) ((vec)_mm256_round_ps((__m256)(x), (mode) | _MM_FROUND_NO_EXC))
#else
#define VEC_ROUND(x, mode) ((vec)_mm_round_ps((__m128)(x), (mode) | _MM_FROUND_NO_EXC))
#endif
KERNEL_INLINE vec vec_floor(vec x)
{
    return VEC_ROUND(x, _MM_FROUND_TO_NEG_INF);
}

KERNEL_INLINE vec vec_ceil(vec x)
{
    return VEC_ROUND(x, _MM_FROUND_TO_POS_INF);
}

KERNEL_INLINE vec vec_rint(vec x)
{
    return VEC_ROUND(x, _MM_FROUND_TO_NEAREST_INT);
}
#else
VEC_LANEWISE(floor, floor)
VEC_LANEWISE(ceil, ceil)
VEC_LANEWISE(rint, rint)
#endif

VEC_LANEWISE(tan, tan)
VEC_LANEWISE(atan, atan)
VEC_LANEWISE(sinh, sinh)
VEC_LANEWISE(cosh, cosh)

KERNEL_INLINE vec vec_pow(vec x, vec y)
{
    for (int64_t i = 0; i < LANES; i++)
        x[i] = LIBM(pow)(x[i], y[i]);
    return x;
}

KERNEL_INLINE vec vec_atan2(vec y, vec x)
{
    for (int64_t i = 0; i < LANES; i++)
        y[i] = LIBM(atan2)(y[i], x[i]);
    return y;
}

#ifdef MORU_DOUBLE
VEC_LANEWISE(exp, exp)
VEC_LANEWISE(exp_refined, exp)
VEC_LANEWISE(expm1, expm1)
VEC_LANEWISE(log, log)
VEC_LANEWISE(log1p, log1p)
VEC_LANEWISE(log1p_inner, log1p)
VEC_LANEWISE(log2, log2)
VEC_LANEWISE(tanh, tanh)
VEC_LANEWISE(erf, erf)
VEC_LANEWISE(sin, sin)
VEC_LANEWISE(cos, cos)

KERNEL_INLINE vec vec_sigmoid(vec x)
{
    vec z = vec_exp(-vec_abs(x));
    return vec_select(x < R(0), z, vec_set(1)) / (R(1) + z);
}
#else
#include "kernels/vecmath_float.h"
#endif

/* s = 1/(1 + exp(-x)) and 1 - s, neither by cancellation: with z = exp(-|x|) they are 1/(1 + z) and z/(1 + z). */
KERNEL_INLINE vec vec_sigmoid_pair(vec x, vec *complement)
{
    vec z = vec_exp(-vec_abs(x)), d = R(1) + z;
    vec large = R(1) / d, small = z / d;
    *complement = vec_select(x < R(0), large, small);
    return vec_select(x < R(0), small, large);
}

/* log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)) */
KERNEL_INLINE vec vec_softplus(vec x)
{
    return vec_select(x < R(0), vec_zero(), x) + vec_log1p_inner(vec_exp(-vec_abs(x)));
}

/* tanh(softplus(x)) = n/(n + 2), n = e^x (e^x + 2); *complement = 2/(n + 2) is 1 less that. */
KERNEL_INLINE vec vec_tanh_softplus(vec x, vec *complement)
{
    vec e = vec_exp(vec_min(vec_set(R(20)), x)); /* beyond, 1 to the last bit */
    vec n = e * (e + R(2)), d = n + R(2);
    *complement = R(2) / d;
    return n / d;
}

/* The normal distribution function, (1 + erf(x/sqrt 2))/2. */
KERNEL_INLINE vec vec_normal_cdf(vec x)
{
    return R(0.5) + R(0.5) * vec_erf(x * R(0.70710678118654752440));
}

#endif
