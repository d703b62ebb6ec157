/* Functions that networks rarely use, number by number: those of the C library, and some that it lacks. Float results
 * are those of double, rounded, where the work is here. */
#ifndef MORU_SPECIAL_H
#define MORU_SPECIAL_H

#include "kernels/vecmath.h"

VEC_LANEWISE(exp2, exp2)
VEC_LANEWISE(log10, log10)
VEC_LANEWISE(cbrt, cbrt)
VEC_LANEWISE(asin, asin)
VEC_LANEWISE(acos, acos)
VEC_LANEWISE(asinh, asinh)
VEC_LANEWISE(acosh, acosh)
VEC_LANEWISE(atanh, atanh)
VEC_LANEWISE(erfc, erfc)

#define VEC_EACH(name, function)                       \
    KERNEL_INLINE vec vec_##name(vec x)                \
    {                                                  \
        for (int64_t i = 0; i < LANES; i++)            \
            x[i] = (moru_real)function((double)x[i]);  \
        return x;                                      \
    }
#define VEC_EACH_PAIR(name, function)                  \
    KERNEL_INLINE vec vec_##name(vec a, vec b)         \
    {                                                  \
        for (int64_t i = 0; i < LANES; i++)            \
            a[i] = function(a[i], b[i]);               \
        return a;                                      \
    }

/* A first guess, good to 1e-6 up to the largest float below 1 (Giles, 2010); beyond, by the asymptote of erfc. */
static inline double special_erfinv_guess(double x, double w)
{
    static const double near[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                                  -0.00125372503, -0.00417768164, 0.246640727, 1.50140941};
    static const double far[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                                 -0.0076224613, 0.00943887047, 1.00167406, 2.83297682};
    if (w > 16)
        return copysign(sqrt(w + M_LN2 - 0.5 * log(M_PI * w)), x);
    const double *c = w < 5 ? near : far;
    double p = 0, z = w < 5 ? w - 2.5 : sqrt(w) - 3;
    for (int k = 0; k < 9; k++)
        p = p * z + c[k];
    return p * x;
}

/* Two of Halley's steps; 1 - |x| instead of x where that is the more exact one. */
static inline double special_erfinv(double x)
{
    double size = fabs(x);
    if (!(size < 1))
        return size == 1 ? copysign(INFINITY, x) : NAN;
    if (x == 0)
        return x;
    double y = fabs(special_erfinv_guess(x, -log((1 - x) * (1 + x))));
    for (int k = 0; k < 2; k++) {
        double off = size > 0.5 ? (1 - size) - erfc(y) : erf(y) - size;
        double step = off / (M_2_SQRTPI * exp(-y * y));
        y -= step / (1 + y * step);
    }
    return copysign(y, x);
}

/* pi x, less whole turns */
static inline double special_turn(double x)
{
    return M_PI * (x - 2 * rint(x / 2));
}

static inline double special_sinc(double x)
{
    return x == 0 ? 1 : sin(special_turn(x)) / (M_PI * x);
}

/* (cos(pi x) - sinc(x))/x, near 0 by its series: the difference would leave nothing. */
static inline double special_sinc_slope(double x)
{
    if (fabs(x) >= 0.5)
        return (cos(special_turn(x)) - special_sinc(x)) / x;
    double t = M_PI * M_PI * x * x, term = -1.0 / 3, sum = 0;
    for (int n = 1; n <= 12; n++) { /* term: (-1)^n 2n t^(n-1)/(2n + 1)! */
        sum += term;
        term *= -t / (2.0 * n * (2 * n + 3));
    }
    return M_PI * M_PI * x * sum;
}

/* As NumPy, with which x = floor_divide b + mod; b = 0 gives NaN, and floor_divide what a/b is. */
static inline moru_real special_mod(moru_real a, moru_real b)
{
    moru_real r = LIBM(fmod)(a, b);
    if (r == 0)
        return LIBM(copysign)(0, b);
    return (r < 0) != (b < 0) ? r + b : r;
}

static inline moru_real special_floor_divide(moru_real a, moru_real b)
{
    if (b == 0)
        return a / b;
    moru_real r = LIBM(fmod)(a, b), q = (a - r) / b - (r != 0 && (r < 0) != (b < 0));
    moru_real whole = LIBM(floor)(q);
    return q - whole > R(0.5) ? whole + 1 : whole;
}

VEC_EACH(erfinv, special_erfinv)
VEC_EACH(sinc, special_sinc)
VEC_EACH(sinc_slope, special_sinc_slope)
VEC_EACH_PAIR(mod, special_mod)
VEC_EACH_PAIR(floor_divide, special_floor_divide)
VEC_EACH_PAIR(fmod, LIBM(fmod))
VEC_EACH_PAIR(hypot, LIBM(hypot))

#endif
