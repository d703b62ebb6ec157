/* The polynomials of vecmath.h. Coefficients are minimax fits made for these forms. */
#ifndef MORU_VECMATH_FLOAT_H
#define MORU_VECMATH_FLOAT_H

#define LN2_HIGH 0.693359375f /* 9 bits, so that n LN2_HIGH is exact */
#define LN2_LOW (-2.12194440e-4f)
/* Adding this rounds |x| < 2^22 to an integer, which the low bits of the sum then hold. */
#define ROUNDER 12582912.0f

/* Bits of floats as numbers; lanes that will be masked may wrap around. */
typedef uint32_t bits __attribute__((vector_size(MORU_VECTOR_BYTES)));

/* x = n ln 2 + r, |r| <= ln 2 / 2; returns e^r - 1 - r. */
KERNEL_INLINE vec vec_exp_reduce(vec x, vec *n, vec *r)
{
    *n = (x * 1.44269504088896340736f + ROUNDER) - ROUNDER;
    *r = x - *n * LN2_HIGH - *n * LN2_LOW;
    vec q = 1.381455980e-3f * *r + 8.368735566e-3f;
    q = q * *r + 4.166838986e-2f;
    q = q * *r + 1.666652048e-1f;
    q = q * *r + 4.999999344e-1f;
    return q * (*r * *r);
}

/* The integers that n holds, |n| < 2^22. */
KERNEL_INLINE ivec vec_to_integers(vec n)
{
    return (ivec)((bits)(n + ROUNDER) - (bits)vec_set(ROUNDER));
}

/* 2^n for -126 <= n <= 127 */
KERNEL_INLINE vec vec_power_of_2(ivec n)
{
    return (vec)(((bits)n + 127u) << 23);
}

/* p 2^n, 0 where x, whose exp this is, lies below the logarithm of half the least denormal: so e^-inf doesn't cost the
 * processor an underflow. 2^n is two factors, as n leaves the exponents' range at both ends. */
KERNEL_INLINE vec vec_exp_scale(vec p, vec n, vec x)
{
    const float least = -103.97208f;
#if MORU_VECTOR_BYTES == 64
    __mmask16 keep = _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(least), _CMP_NLT_UQ);
    return (vec)_mm512_maskz_scalef_ps(keep, (__m512)p, (__m512)n);
#else
    ivec k = vec_to_integers(n), half = k >> 1;
    vec second = (vec)(~(x < least) & (ivec)vec_power_of_2(k - half));
    return p * vec_power_of_2(half) * second;
#endif
}

/* *rounding is about what the last sum lost, as a fraction of the result. */
KERNEL_INLINE vec vec_exp_rounding(vec x, vec *rounding)
{
    vec n, r, clamped = vec_max(vec_set(-104.0f), vec_min(vec_set(89.0f), x));
    vec s = vec_exp_reduce(clamped, &n, &r) + r, p = 1.0f + s;
    *rounding = (s - (p - 1.0f)) * (2.0f - p);
    return vec_exp_scale(p, n, x);
}

KERNEL_INLINE vec vec_exp(vec x)
{
    vec rounding;
    return vec_exp_rounding(x, &rounding);
}

/* 2^n (((1 - 2^-n) + (e^r - 1 - r)) + r) */
KERNEL_INLINE vec vec_expm1(vec x)
{
    vec n, r, clamped = vec_max(vec_set(-30.0f), vec_min(vec_set(89.0f), x));
    vec p = vec_exp_reduce(clamped, &n, &r) + r;
    ivec k = vec_to_integers(n), bounded = (k & (k < 126)) | (126 & ~(k < 126)), half = k >> 1;
    p = (1.0f - vec_power_of_2((ivec)-(bits)bounded)) + p;
    vec y = p * vec_power_of_2(half) * vec_power_of_2(k - half);
    return vec_select(vec_abs(x) < 1e-8f, x, y); /* keeps the sign of 0 */
}

/* x = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt 2), for x > 0, finite and not denormal; returns log(1 + f) - f. */
KERNEL_INLINE vec vec_log_reduce(vec x, vec *e, vec *f)
{
    ivec exponent = (ivec)((bits)x - 0x3f3504f3u) >> 23;
    *f = (vec)((bits)x - ((bits)exponent << 23)) - 1.0f;
    *e = __builtin_convertvector(exponent, vec);
    vec g = *f, z = g * g;
    vec q = -7.634497758e-2f * g + 1.276157754e-1f;
    q = q * g - 1.316018216e-1f;
    q = q * g + 1.420175792e-1f;
    q = q * g - 1.662335736e-1f;
    q = q * g + 2.000122688e-1f;
    q = q * g - 2.500082103e-1f;
    q = q * g + 3.333333171e-1f;
    return q * g * z - 0.5f * z;
}

KERNEL_INLINE vec vec_log_reduce_all(vec x, vec *e, vec *f)
{
    ivec tiny = x < 1.17549435e-38f;
    vec y = vec_log_reduce(vec_select(tiny, x * 8388608.0f, x), e, f);
    *e -= vec_where(tiny, vec_set(23));
    return y;
}

/* log's values at 0, below, at infinity and NaN */
KERNEL_INLINE vec vec_log_ends(vec x, vec y)
{
    y = vec_select(x < INFINITY, y, x); /* infinity, NaN */
    y = vec_select(x == 0.0f, vec_set(-INFINITY), y);
    return vec_select(x < 0.0f, vec_set(NAN), y);
}

KERNEL_INLINE vec vec_log(vec x)
{
    vec e, f, y = vec_log_reduce_all(x, &e, &f);
    return vec_log_ends(x, (f + (y + e * LN2_LOW)) + e * LN2_HIGH);
}

KERNEL_INLINE vec vec_log2(vec x)
{
    const float extra = 0.44269504088896340736f; /* log2(e) - 1 */
    vec e, f, y = vec_log_reduce_all(x, &e, &f);
    return vec_log_ends(x, (((y * extra + f * extra) + y) + f) + e);
}

/* log(1 + x) for -1 < x < infinity, or NaN: log(u) + c/u, where u + c = 1 + x exactly */
KERNEL_INLINE vec vec_log1p_inner(vec x)
{
    vec u = 1.0f + x, c = x - (u - 1.0f);
    vec e, f, y = vec_log_reduce(u, &e, &f);
    return (f + (y + (e * LN2_LOW + c / u))) + e * LN2_HIGH;
}

KERNEL_INLINE vec vec_log1p(vec x)
{
    return vec_select(vec_abs(x) < 1e-8f, x, vec_log_ends(1.0f + x, vec_log1p_inner(x)));
}

/* 1/(1 + z) or z/(1 + z), z = exp(-|x|). The rounding of z and of 1 + z together would be 2 ulp, so both are mended:
 * the quotient changes by the fraction rounding(z) - rounding(1 + z), for which 1/(1 + z) needn't be exact. */
KERNEL_INLINE vec vec_sigmoid(vec x)
{
    vec e, z = vec_exp_rounding(-vec_abs(x), &e), d = 1.0f + z;
    ivec negative = x < 0.0f;
    vec lost = ((z - (d - 1.0f)) + e * z) * (1.0f - z * (1.0f - 0.5f * z));
    vec y = vec_select(negative, z, vec_set(1)) / d;
    return y + y * (vec_where(negative, e) - lost);
}

/* odd polynomial below 0.625; 1 - 2/(e^2|x| + 1) above */
KERNEL_INLINE vec vec_tanh(vec x)
{
    vec a = vec_min(vec_set(10.0f), vec_abs(x)), z = a * a;
    vec q = -5.704987209e-3f * z + 2.063908744e-2f;
    q = q * z - 5.373971515e-2f;
    q = q * z + 1.333144220e-1f;
    q = q * z - 3.333328194e-1f;
    vec small = a + a * (z * q);
    vec large = 1.0f - 2.0f / (vec_exp(a + a) + 1.0f);
    return vec_copysign(vec_select(a < 0.625f, small, large), x);
}

/* x + x P(x^2) below 1; 1 - e^-g(|x|) above, g = -log(erfc) being almost a parabola */
KERNEL_INLINE vec vec_erf(vec x)
{
    vec a = vec_min(vec_set(4.0f), vec_abs(x)), z = a * a;
    vec q = 7.853875616e-5f * z - 8.010198303e-4f;
    q = q * z + 5.188328277e-3f;
    q = q * z - 2.685381229e-2f;
    q = q * z + 1.128358516e-1f;
    q = q * z - 3.761262583e-1f;
    q = q * z + 1.283791657e-1f;
    vec small = a + a * q;
    vec g = -1.863794070e-4f * a + 2.947660352e-3f;
    g = g * a - 2.183807196e-2f;
    g = g * a + 1.031067707e-1f;
    g = g * a + 6.381448148e-1f;
    g = g * a + 1.127089201f;
    g = g * a + 3.415205272e-4f;
    vec large = 1.0f - vec_exp(-g);
    return vec_copysign(vec_select(a < 1.0f, small, large), x);
}

/* sin(x + k pi/2) for |x| <= 2048 or so: x = n pi/2 + r, |r| <= pi/4, pi/2 in three parts the first two of which leave
 * n times them exact. */
KERNEL_INLINE vec vec_sine_quadrant(vec x, uint32_t k)
{
    vec t = x * 0.63661977236758134308f + ROUNDER;
    bits n = (bits)t - (bits)vec_set(ROUNDER) + k;
    t -= ROUNDER;
    vec r = x - t * 1.5703125f - t * 4.837512969970703125e-4f - t * 7.54978995489188216e-8f, z = r * r;
    vec s = -1.951511590e-4f * z + 8.332159553e-3f;
    s = s * z - 1.666665459e-1f;
    s = r + r * (z * s);
    vec c = 2.443296590e-5f * z - 1.388731461e-3f;
    c = c * z + 4.166664565e-2f;
    c = (1.0f - 0.5f * z) + z * z * c;
    vec y = vec_select((ivec)((n & 1u) != 0u), c, s);
    return (vec)((bits)y ^ ((n & 2u) << 30));
}

#define SINE_LIMIT 2048.0f

KERNEL_INLINE vec vec_sin(vec x)
{
    vec y = vec_sine_quadrant(x, 0);
    ivec far = ~(vec_abs(x) <= SINE_LIMIT);
    if (__builtin_expect(vec_any(far), 0))
        for (int64_t i = 0; i < LANES; i++)
            y[i] = far[i] ? sinf(x[i]) : y[i];
    return vec_select(x == 0.0f, x, y);
}

KERNEL_INLINE vec vec_cos(vec x)
{
    vec y = vec_sine_quadrant(x, 1);
    ivec far = ~(vec_abs(x) <= SINE_LIMIT);
    if (__builtin_expect(vec_any(far), 0))
        for (int64_t i = 0; i < LANES; i++)
            y[i] = far[i] ? cosf(x[i]) : y[i];
    return y;
}

#endif
