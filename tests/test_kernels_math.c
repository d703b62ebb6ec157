/* Elementwise kernels of every instruction set: accuracy over all of float, special values, kinks, tails. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"

#define BLOCK 4096

static double reference_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))) + (isnan(x) ? x : 0); }

#ifndef MORU_DOUBLE
/* Error in units of the last place of the true value, which is rounded to infinity where a correct result is. */
static double ulps(moru_real y, double truth)
{
    if (isnan(truth) || isnan(y))
        return isnan(truth) && isnan(y) ? 0 : 1e9;
    if (fabs(truth) >= 0x1.ffffffp127)
        return isinf(y) ? ((y > 0) == (truth > 0) ? 0 : 1e9) : fabs(fabs(y) - 0x1p128) / 0x1p104;
    if (isinf(y))
        return fabs(truth) > 0x1.fffff8p127 ? 1 : 1e9;
    int exponent = ilogb(truth);
    double ulp = truth == 0 || exponent < -126 ? 0x1p-149 : ldexp(1, exponent - 23);
    return fabs(y - truth) / ulp;
}

static double reference_rsqrt(double x) { return 1 / sqrt(x); }
static double reference_square(double x) { return x * x; }
static double reference_reciprocal(double x) { return 1 / x; }
static double reference_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double reference_log_sigmoid(double x) { return -reference_softplus(-x); }
static double reference_softsign(double x) { return x / (1 + fabs(x)); }

typedef struct {
    const char *name;
    int kernel;
    double (*f)(double);
    double bound;      /* ulp */
    double low, high;  /* where the bound holds */
} accuracy;

static const accuracy cases[] = {
    {"exp", MORU_UNARY_exp, exp, 2, -INFINITY, INFINITY},
    {"log", MORU_UNARY_log, log, 2, -INFINITY, INFINITY},
    {"tanh", MORU_UNARY_tanh, tanh, 2, -INFINITY, INFINITY},
    {"erf", MORU_UNARY_erf, erf, 2, -INFINITY, INFINITY},
    {"sigmoid", MORU_UNARY_sigmoid, reference_sigmoid, 2, -INFINITY, INFINITY},
    {"expm1", MORU_UNARY_expm1, expm1, 3, -INFINITY, INFINITY},
    {"log1p", MORU_UNARY_log1p, log1p, 2, -INFINITY, INFINITY},
    {"log2", MORU_UNARY_log2, log2, 2, -INFINITY, INFINITY},
    {"sqrt", MORU_UNARY_sqrt, sqrt, 0.51, -INFINITY, INFINITY},
    {"rsqrt", MORU_UNARY_rsqrt, reference_rsqrt, 1.6, -INFINITY, INFINITY},
    {"square", MORU_UNARY_square, reference_square, 0.51, -INFINITY, INFINITY},
    {"reciprocal", MORU_UNARY_reciprocal, reference_reciprocal, 0.51, -INFINITY, INFINITY},
    {"sin", MORU_UNARY_sin, sin, 2, -3.1, 3.1},
    {"cos", MORU_UNARY_cos, cos, 2, -1.5, 1.5},
    {"sin far", MORU_UNARY_sin, sin, 1, 3000, INFINITY},
    {"cos far", MORU_UNARY_cos, cos, 1, 3000, INFINITY},
    {"tan", MORU_UNARY_tan, tan, 1.5, -INFINITY, INFINITY},
    {"atan", MORU_UNARY_atan, atan, 1.5, -INFINITY, INFINITY},
    {"sinh", MORU_UNARY_sinh, sinh, 3, -INFINITY, INFINITY},
    {"cosh", MORU_UNARY_cosh, cosh, 3, -INFINITY, INFINITY},
    {"exp2", MORU_UNARY_exp2, exp2, 1, -INFINITY, INFINITY},
    {"log10", MORU_UNARY_log10, log10, 3, -INFINITY, INFINITY},
    {"cbrt", MORU_UNARY_cbrt, cbrt, 1.5, -INFINITY, INFINITY},
    {"asin", MORU_UNARY_asin, asin, 1.5, -INFINITY, INFINITY},
    {"acos", MORU_UNARY_acos, acos, 1.5, -INFINITY, INFINITY},
    {"asinh", MORU_UNARY_asinh, asinh, 3, -INFINITY, INFINITY},
    {"acosh", MORU_UNARY_acosh, acosh, 3, -INFINITY, INFINITY},
    {"atanh", MORU_UNARY_atanh, atanh, 3, -INFINITY, INFINITY},
    {"erfc", MORU_UNARY_erfc, erfc, 4, -INFINITY, INFINITY},
    {"trunc", MORU_UNARY_trunc, trunc, 0, -INFINITY, INFINITY},
    {"floor", MORU_UNARY_floor, floor, 0, -INFINITY, INFINITY},
    {"ceil", MORU_UNARY_ceil, ceil, 0, -INFINITY, INFINITY},
    {"round", MORU_UNARY_round, rint, 0, -INFINITY, INFINITY},
    {"softplus", MORU_UNARY_softplus, reference_softplus, 3, -INFINITY, INFINITY},
    {"log_sigmoid", MORU_UNARY_log_sigmoid, reference_log_sigmoid, 3, -INFINITY, INFINITY},
    {"softsign", MORU_UNARY_softsign, reference_softsign, 1.6, -INFINITY, INFINITY},
};
#define N_CASES ((int)(sizeof cases / sizeof cases[0]))

/* Every 2039th float of the 2^32, NaNs and infinities among them: 2.1 million. */
static void check_accuracy(const moru_kernels *kernels, const accuracy *c)
{
    static moru_real x[BLOCK], y[BLOCK];
    double worst = 0, at = 0;
    uint64_t bits = 0;
    while (bits < UINT64_C(0x100000000)) {
        int n = 0;
        for (; n < BLOCK && bits < UINT64_C(0x100000000); n++, bits += 2039) {
            uint32_t b = (uint32_t)bits;
            float value;
            memcpy(&value, &b, sizeof value);
            x[n] = value;
        }
        kernels->unary[c->kernel](y, x, n, NULL);
        for (int i = 0; i < n; i++) {
            if (x[i] < c->low || x[i] > c->high)
                continue;
            double e = ulps(y[i], c->f(x[i]));
            if (e > worst) {
                worst = e;
                at = x[i];
            }
        }
    }
    if (getenv("MORU_VERBOSE"))
        printf("%-12s %-12s %.3f ulp at %.9g\n", kernels->isa, c->name, worst, at);
    ck_assert_msg(worst <= c->bound, "%s %s: %.3f ulp at %.9g (%a), allowed %g", kernels->isa, c->name, worst, at, at,
                  c->bound);
}

START_TEST(accuracy_of_all_floats)
{
    for (int k = 0; moru_kernels_at(k); k++)
        check_accuracy(moru_kernels_at(k), &cases[_i]);
}
END_TEST

#endif

/* x, expected: exact, signs of zeros included. */
static void check_values(int kernel, const double *p, int n, const double (*pairs)[2])
{
    for (int k = 0; moru_kernels_at(k); k++) {
        const moru_kernels *kernels = moru_kernels_at(k);
        for (int i = 0; i < n; i++) {
            moru_real x = (moru_real)pairs[i][0], y, want = (moru_real)pairs[i][1];
            kernels->unary[kernel](&y, &x, 1, p);
            ck_assert_msg(isnan(want) ? isnan(y) : y == want && signbit(y) == signbit(want),
                          "%s: unary kernel %d of %g gives %g, not %g", kernels->isa, kernel, (double)x, (double)y,
                          (double)want);
        }
    }
}
#define VALUES(kernel, p, ...)                                                   \
    do {                                                                         \
        const double pairs_[][2] = {__VA_ARGS__};                                \
        check_values(kernel, p, (int)(sizeof pairs_ / sizeof pairs_[0]), pairs_); \
    } while (0)

START_TEST(special_values)
{
    const double inf = INFINITY;
    VALUES(MORU_UNARY_exp, NULL, {0, 1}, {-0.0, 1}, {inf, inf}, {-inf, 0}, {NAN, NAN}, {1000, inf}, {-1000, 0});
    VALUES(MORU_UNARY_expm1, NULL, {0, 0}, {-0.0, -0.0}, {inf, inf}, {-inf, -1}, {NAN, NAN}, {1e-12, expm1(1e-12)});
    VALUES(MORU_UNARY_log, NULL, {1, 0}, {0, -inf}, {-0.0, -inf}, {-1, NAN}, {-inf, NAN}, {inf, inf}, {NAN, NAN});
    VALUES(MORU_UNARY_log1p, NULL, {0, 0}, {-0.0, -0.0}, {-1, -inf}, {-2, NAN}, {inf, inf}, {NAN, NAN}, {-inf, NAN});
    VALUES(MORU_UNARY_log2, NULL, {1, 0}, {0, -inf}, {-1, NAN}, {inf, inf}, {NAN, NAN}, {8, 3}, {0x1p-100, -100});
    VALUES(MORU_UNARY_tanh, NULL, {0, 0}, {-0.0, -0.0}, {inf, 1}, {-inf, -1}, {NAN, NAN}, {50, 1});
    VALUES(MORU_UNARY_erf, NULL, {0, 0}, {-0.0, -0.0}, {inf, 1}, {-inf, -1}, {NAN, NAN}, {-50, -1});
    VALUES(MORU_UNARY_sigmoid, NULL, {0, 0.5}, {inf, 1}, {-inf, 0}, {NAN, NAN});
    VALUES(MORU_UNARY_softplus, NULL, {inf, inf}, {-inf, 0}, {NAN, NAN}, {1000, 1000});
    VALUES(MORU_UNARY_log_sigmoid, NULL, {inf, -0.0}, {-inf, -inf}, {NAN, NAN}, {-1000, -1000});
    VALUES(MORU_UNARY_sin, NULL, {0, 0}, {-0.0, -0.0}, {inf, NAN}, {NAN, NAN});
    VALUES(MORU_UNARY_cos, NULL, {0, 1}, {inf, NAN}, {NAN, NAN});
    VALUES(MORU_UNARY_sqrt, NULL, {4, 2}, {0, 0}, {-0.0, -0.0}, {-1, NAN}, {inf, inf}, {NAN, NAN});
    VALUES(MORU_UNARY_sign, NULL, {-3, -1}, {0, 0}, {2, 1}, {-inf, -1}, {NAN, NAN});
    VALUES(MORU_UNARY_abs, NULL, {-3, 3}, {-0.0, 0}, {-inf, inf}, {NAN, NAN});
    VALUES(MORU_UNARY_neg, NULL, {-3, 3}, {0, -0.0}, {inf, -inf});
    VALUES(MORU_UNARY_round, NULL, {0.5, 0}, {1.5, 2}, {2.5, 2}, {-0.5, -0.0}, {-1.5, -2}, {inf, inf}, {NAN, NAN},
           {1e30, 1e30});
    VALUES(MORU_UNARY_floor, NULL, {-0.5, -1}, {2.5, 2}, {1e30, 1e30}, {-inf, -inf});
    VALUES(MORU_UNARY_ceil, NULL, {-0.5, -0.0}, {2.5, 3}, {1e30, 1e30}, {-inf, -inf});
    VALUES(MORU_UNARY_is_nan, NULL, {NAN, 1}, {0, 0}, {inf, 0});
    VALUES(MORU_UNARY_logical_not, NULL, {0, 1}, {-0.0, 1}, {3, 0}, {NAN, 0});
    VALUES(MORU_UNARY_trunc, NULL, {-2.5, -2}, {2.5, 2}, {-0.5, -0.0}, {1e30, 1e30}, {-inf, -inf}, {NAN, NAN});
    VALUES(MORU_UNARY_is_finite, NULL, {NAN, 0}, {0, 1}, {inf, 0}, {-inf, 0}, {1e30, 1});
    VALUES(MORU_UNARY_is_inf, NULL, {NAN, 0}, {0, 0}, {inf, 1}, {-inf, 1}, {1e30, 0});
    VALUES(MORU_UNARY_asin, NULL, {0, 0}, {-0.0, -0.0}, {2, NAN}, {NAN, NAN});
    VALUES(MORU_UNARY_acosh, NULL, {1, 0}, {0.5, NAN}, {inf, inf}, {NAN, NAN});
    VALUES(MORU_UNARY_atanh, NULL, {0, 0}, {1, inf}, {-1, -inf}, {2, NAN}, {NAN, NAN});
    VALUES(MORU_UNARY_exp2, NULL, {3, 8}, {-1, 0.5}, {inf, inf}, {-inf, 0}, {NAN, NAN});
    VALUES(MORU_UNARY_cbrt, NULL, {-8, -2}, {27, 3}, {0, 0}, {-inf, -inf}, {NAN, NAN});
    VALUES(MORU_UNARY_erfinv, NULL, {0, 0}, {-0.0, -0.0}, {1, inf}, {-1, -inf}, {1.5, NAN}, {NAN, NAN}, {inf, NAN});
    VALUES(MORU_UNARY_sinc, NULL, {0, 1}, {-0.0, 1}, {inf, NAN}, {NAN, NAN});
    VALUES(MORU_UNARY_relu, NULL, {-1, 0}, {0, 0}, {2, 2}, {inf, inf}, {-inf, 0}, {NAN, NAN});
    VALUES(MORU_UNARY_relu6, NULL, {-1, 0}, {3, 3}, {7, 6}, {inf, 6}, {NAN, NAN});
    VALUES(MORU_UNARY_gelu, NULL, {0, 0}, {20, 20}, {inf, inf}, {NAN, NAN});
    VALUES(MORU_UNARY_gelu_tanh, NULL, {0, 0}, {20, 20}, {NAN, NAN});
    VALUES(MORU_UNARY_silu, NULL, {0, 0}, {100, 100}, {inf, inf}, {NAN, NAN});
    VALUES(MORU_UNARY_mish, NULL, {0, 0}, {100, 100}, {inf, inf}, {NAN, NAN});
    VALUES(MORU_UNARY_hard_sigmoid, NULL, {0, 0.5}, {3, 1}, {-3, 0}, {-9, 0}, {9, 1}, {NAN, NAN});
    VALUES(MORU_UNARY_hard_silu, NULL, {3, 3}, {0, 0}, {9, 9}, {NAN, NAN});
    VALUES(MORU_UNARY_selu, NULL, {0, 0}, {NAN, NAN});
    VALUES(MORU_UNARY_softsign, NULL, {1, 0.5}, {-1, -0.5}, {0, 0}, {NAN, NAN});
}
END_TEST

START_TEST(parameters)
{
    const double inf = INFINITY, p[3] = {0.5, 3, 1}, unbounded[2] = {-INFINITY, INFINITY};
    VALUES(MORU_UNARY_add_scalar, p, {1, 1.5});
    VALUES(MORU_UNARY_mul_scalar, p, {3, 1.5});
    VALUES(MORU_UNARY_clip, p, {0, 0.5}, {4, 3}, {2, 2}, {NAN, NAN}, {inf, 3}, {-inf, 0.5});
    VALUES(MORU_UNARY_clip, unbounded, {-inf, -inf}, {1, 1}, {inf, inf});
    VALUES(MORU_UNARY_leaky_relu, p, {-2, -1}, {3, 3}, {0, 0}, {NAN, NAN});
    VALUES(MORU_UNARY_relu_general, p, {1, 1}, {0, -0.5}, {2, 2}, {5, 3}, {-1, -1}, {NAN, NAN});
    VALUES(MORU_UNARY_elu, p, {2, 2}, {-inf, -0.5}, {0, 0}, {NAN, NAN});
    const double exponents[] = {2, 3, 0.5, -1, 0, 1, -0.5, 2.5, -2};
    const double values[] = {0, -0.0, 1, -1, 2, 0.25, -3, 9, inf, -inf, NAN};
    for (size_t e = 0; e < sizeof exponents / sizeof exponents[0]; e++)
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
            VALUES(MORU_UNARY_pow_scalar, &exponents[e], {values[i], (moru_real)pow(values[i], exponents[e])});
}
END_TEST

/* a, b, expected */
static void check_binary_values(int kernel, const double *p, int n, const double (*triples)[3])
{
    for (int k = 0; moru_kernels_at(k); k++) {
        const moru_kernels *kernels = moru_kernels_at(k);
        for (int i = 0; i < n; i++) {
            moru_real a = (moru_real)triples[i][0], b = (moru_real)triples[i][1], y, want = (moru_real)triples[i][2];
            kernels->binary[kernel](&y, &a, 1, &b, 1, 1, p);
            ck_assert_msg(isnan(want) ? isnan(y) : y == want, "%s: binary kernel %d of (%g, %g) gives %g, not %g",
                          kernels->isa, kernel, (double)a, (double)b, (double)y, (double)want);
        }
    }
}
#define VALUES2(kernel, p, ...)                                                           \
    do {                                                                                  \
        const double triples_[][3] = {__VA_ARGS__};                                       \
        check_binary_values(kernel, p, (int)(sizeof triples_ / sizeof triples_[0]), triples_); \
    } while (0)

START_TEST(binary_values)
{
    const double inf = INFINITY;
    VALUES2(MORU_BINARY_add, NULL, {1, 2, 3});
    VALUES2(MORU_BINARY_sub, NULL, {1, 2, -1});
    VALUES2(MORU_BINARY_mul, NULL, {3, 2, 6});
    VALUES2(MORU_BINARY_div, NULL, {3, 2, 1.5}, {1, 0, INFINITY}, {0, 0, NAN});
    VALUES2(MORU_BINARY_pow, NULL, {3, 2, 9}, {2, -1, 0.5}, {-8, 3, -512}, {-1, 0.5, NAN}, {NAN, 0, 1});
    VALUES2(MORU_BINARY_maximum, NULL, {3, 2, 3}, {1, 2, 2}, {NAN, 2, NAN}, {2, NAN, NAN});
    VALUES2(MORU_BINARY_minimum, NULL, {3, 2, 2}, {1, 2, 1}, {NAN, 2, NAN}, {2, NAN, NAN});
    VALUES2(MORU_BINARY_atan2, NULL, {0, 1, 0}, {1, 1, (moru_real)atan2(1, 1)}, {-1, -1, (moru_real)atan2(-1, -1)});
    VALUES2(MORU_BINARY_squared_difference, NULL, {1, 4, 9});
    VALUES2(MORU_BINARY_equal, NULL, {1, 1, 1}, {1, 2, 0}, {NAN, NAN, 0});
    VALUES2(MORU_BINARY_not_equal, NULL, {1, 1, 0}, {1, 2, 1}, {NAN, NAN, 1});
    VALUES2(MORU_BINARY_less, NULL, {1, 1, 0}, {1, 2, 1}, {NAN, 1, 0});
    VALUES2(MORU_BINARY_less_equal, NULL, {1, 1, 1}, {3, 2, 0}, {NAN, 1, 0});
    VALUES2(MORU_BINARY_greater, NULL, {1, 1, 0}, {3, 2, 1}, {NAN, 1, 0});
    VALUES2(MORU_BINARY_greater_equal, NULL, {1, 1, 1}, {1, 2, 0}, {NAN, 1, 0});
    VALUES2(MORU_BINARY_logical_and, NULL, {1, 2, 1}, {0, 2, 0}, {2, 0, 0}, {0, 0, 0});
    VALUES2(MORU_BINARY_logical_or, NULL, {1, 2, 1}, {0, 2, 1}, {2, 0, 1}, {0, 0, 0});
    VALUES2(MORU_BINARY_logical_xor, NULL, {1, 2, 0}, {0, 2, 1}, {2, 0, 1}, {0, 0, 0});
    VALUES2(MORU_BINARY_floor_divide, NULL, {7, 2, 3}, {-7, 2, -4}, {7, -2, -4}, {-7, -2, 3}, {6, -3, -2}, {1, 0, inf},
            {-1, 0, -inf}, {0, 0, NAN}, {5, inf, 0}, {NAN, 1, NAN});
    VALUES2(MORU_BINARY_mod, NULL, {7, 2, 1}, {-7, 2, 1}, {7, -2, -1}, {-7, -2, -1}, {6, -3, 0}, {1, 0, NAN}, {5, inf, 5},
            {-5.5, 2, 0.5}, {NAN, 1, NAN}, {inf, 2, NAN});
    VALUES2(MORU_BINARY_fmod, NULL, {7, 2, 1}, {-7, 2, -1}, {7, -2, 1}, {-7, -2, -1}, {1, 0, NAN});
    VALUES2(MORU_BINARY_hypot, NULL, {3, 4, 5}, {-3, 4, 5}, {0, 0, 0}, {inf, NAN, inf}, {1e30, 0, (moru_real)1e30});
    VALUES2(MORU_BINARY_logaddexp, NULL, {1000, 0, 1000}, {-inf, -inf, -inf}, {inf, inf, inf}, {inf, -inf, inf},
            {-inf, 3, 3}, {0, 0, (moru_real)M_LN2}, {NAN, 0, NAN}, {0, NAN, NAN});
    VALUES2(MORU_BINARY_sigmoid_cross_entropy, NULL, {1000, 1, 0}, {-1000, 1, 1000}, {1000, 0, 1000}, {NAN, 0, NAN});
}
END_TEST

START_TEST(gradients_at_kinks)
{
    const double p[3] = {0.5, 3, 1};
    VALUES2(MORU_BINARY_relu_grad, NULL, {7, 0, 0}, {7, 1, 7}, {7, -1, 0});
    VALUES2(MORU_BINARY_relu6_grad, NULL, {7, 0, 0}, {7, 6, 0}, {7, 3, 7}, {7, 8, 0}, {7, -1, 0});
    VALUES2(MORU_BINARY_leaky_relu_grad, p, {8, 0, 4}, {8, 1, 8}, {8, -1, 4});
    VALUES2(MORU_BINARY_relu_general_grad, p, {8, 1, 4}, {8, 2, 8}, {8, 3, 8}, {8, 4, 0}, {8, 0, 4});
    VALUES2(MORU_BINARY_clip_grad, p, {8, 0.5, 8}, {8, 3, 8}, {8, 4, 0}, {8, 0, 0}, {8, 1, 8});
    VALUES2(MORU_BINARY_elu_grad, p, {8, 1, 8}, {8, 0, 4}, {8, -INFINITY, 0});
    VALUES2(MORU_BINARY_hard_sigmoid_grad, NULL, {6, 3, 0}, {6, -3, 0}, {6, 4, 0}, {6, -4, 0}, {6, 0, 1});
    VALUES2(MORU_BINARY_hard_silu_grad, NULL, {6, 3, 6}, {6, -3, 0}, {6, 4, 6}, {6, -4, 0}, {6, 0, 3});
    VALUES2(MORU_BINARY_sigmoid_grad, NULL, {8, 0.5, 2}, {8, 1, 0}, {8, 0, 0});
    VALUES2(MORU_BINARY_tanh_grad, NULL, {8, 0.5, 6}, {8, 1, 0}, {8, 0, 8});
    VALUES2(MORU_BINARY_softsign_grad, NULL, {8, 1, 2}, {8, -1, 2}, {8, 0, 8});
}
END_TEST

/* Smooth functions: value against a double formula, gradient against the formula's central difference. */
static double smooth(int kernel, double x)
{
    switch (kernel) {
    case MORU_UNARY_gelu: return x / 2 * (1 + erf(x / sqrt(2)));
    case MORU_UNARY_gelu_tanh: return x / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case MORU_UNARY_silu: return x / (1 + exp(-x));
    case MORU_UNARY_mish: return x * tanh(log1p(exp(x)));
    case MORU_UNARY_softplus: return reference_softplus(x);
    case MORU_UNARY_softsign: return x / (1 + fabs(x));
    case MORU_UNARY_elu: return x > 0 ? x : 0.7 * expm1(x);
    case MORU_UNARY_selu: return 1.05070098735548049342 * (x > 0 ? x : 1.67326324235437728482 * expm1(x));
    case MORU_UNARY_hard_silu: return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    default: return fmin(fmax(x / 6 + 0.5, 0), 1);
    }
}

START_TEST(activations_and_gradients)
{
    static const int pairs[][2] = {
        {MORU_UNARY_gelu, MORU_BINARY_gelu_grad}, {MORU_UNARY_gelu_tanh, MORU_BINARY_gelu_tanh_grad},
        {MORU_UNARY_silu, MORU_BINARY_silu_grad}, {MORU_UNARY_mish, MORU_BINARY_mish_grad},
        {MORU_UNARY_softplus, MORU_BINARY_softplus_grad}, {MORU_UNARY_softsign, MORU_BINARY_softsign_grad},
        {MORU_UNARY_elu, MORU_BINARY_elu_grad}, {MORU_UNARY_selu, MORU_BINARY_selu_grad},
        {MORU_UNARY_hard_silu, MORU_BINARY_hard_silu_grad}, {MORU_UNARY_hard_sigmoid, MORU_BINARY_hard_sigmoid_grad}};
    const double p[3] = {0.7};
    for (int k = 0; moru_kernels_at(k); k++)
        for (size_t c = 0; c < sizeof pairs / sizeof pairs[0]; c++)
            for (double at = -40.0123; at < 40; at += 0.017) {
                moru_real x = (moru_real)at, y, dx, dy = 2;
                moru_kernels_at(k)->unary[pairs[c][0]](&y, &x, 1, p);
                moru_kernels_at(k)->binary[pairs[c][1]](&dx, &dy, 1, &x, 1, 1, p);
                double truth = smooth(pairs[c][0], x), h = 1e-5;
                double slope = (smooth(pairs[c][0], x + h) - smooth(pairs[c][0], x - h)) / (2 * h);
                ck_assert_msg(fabs(y - truth) <= 4e-7 * fmax(1, fabs(x)),
                              "%s: unary kernel %d of %g gives %.9g, not %.9g", moru_kernels_at(k)->isa, pairs[c][0],
                              (double)x, (double)y, truth);
                bool kink = fabs(fabs(x) - 3) < 2 * h || fabs(x) < 2 * h;
                ck_assert_msg(kink || fabs(dx - 2 * slope) <= 3e-6, "%s: binary kernel %d at %g gives %.9g, not %.9g",
                              moru_kernels_at(k)->isa, pairs[c][1], (double)x, (double)dx, 2 * slope);
            }
}
END_TEST

/* erf undoes erfinv; sinc and its slope against their formulas where these lose nothing, and the series beside them. */
START_TEST(inverse_erf_and_sinc)
{
    const double epsilon = sizeof(moru_real) == sizeof(float) ? FLT_EPSILON : 4 * DBL_EPSILON;
    for (int k = 0; moru_kernels_at(k); k++) {
        for (double at = -0.99999; at < 1; at += 0.00371) {
            moru_real x = (moru_real)at, y;
            moru_kernels_at(k)->unary[MORU_UNARY_erfinv](&y, &x, 1, NULL);
            double slope = M_2_SQRTPI * exp(-(double)y * y); /* of erf: the rounding of y counts by it */
            ck_assert_msg(fabs(erf(y) - x) <= epsilon * (fabs(x) + fabs(y) * slope),
                          "erfinv(%g) = %.9g, whose erf is %.9g", (double)x, (double)y, erf(y));
        }
        for (double at = -6.013; at < 6; at += 0.0171) {
            moru_real x = (moru_real)at, y, dx, one = 1;
            moru_kernels_at(k)->unary[MORU_UNARY_sinc](&y, &x, 1, NULL);
            moru_kernels_at(k)->binary[MORU_BINARY_sinc_grad](&dx, &one, 1, &x, 1, 1, NULL);
            double sinc = sin(M_PI * x) / (M_PI * x), slope = (cos(M_PI * x) - sinc) / x;
            ck_assert_msg(fabs(y - sinc) <= 2e-7 && fabs(dx - slope) <= 3e-7,
                          "%g: sinc %.9g, slope %.9g, not %.9g, %.9g", (double)x, (double)y, (double)dx, sinc, slope);
        }
        for (double at = 1e-12; at < 1e-2; at *= 3) {
            moru_real x = (moru_real)at, dx, one = 1;
            moru_kernels_at(k)->binary[MORU_BINARY_sinc_grad](&dx, &one, 1, &x, 1, 1, NULL);
            double t = M_PI * M_PI * x, slope = -t / 3 + t * t * x / 30;
            ck_assert_msg(fabs(dx - slope) <= 1e-6 * t, "slope of sinc at %g: %.9g, not %.9g", (double)x, (double)dx,
                          slope);
        }
    }
}
END_TEST

/* Any piece of an array gives the bits that the whole gives, and nothing outside is touched. */
START_TEST(pieces_and_canaries)
{
    enum { N = 131 };
    const double p[3] = {0.3, 1.7, 0.1};
    moru_real a[N], b[N], whole[N], piece[N + 2];
    for (int i = 0; i < N; i++) {
        a[i] = (moru_real)(0.01 + 3 * fabs(sin(i)));
        b[i] = (moru_real)(2 * cos(3 * i));
    }
    for (int k = 0; moru_kernels_at(k); k++)
        for (int f = 0; f < MORU_UNARY_COUNT + 3 * MORU_BINARY_COUNT; f++)
            for (int start = -1; start < 40; start++)
                for (int n = start < 0 ? N : 0; n <= (start < 0 ? N : 40); n += start < 7 ? 1 : 13) {
                    int g = f - MORU_UNARY_COUNT, sa = g / MORU_BINARY_COUNT != 1, sb = g / MORU_BINARY_COUNT != 2;
                    int from = start < 0 ? 0 : start;
                    moru_real *out = start < 0 ? whole : piece + 1;
                    piece[0] = piece[n < N ? n + 1 : 0] = -77;
                    if (g < 0)
                        moru_kernels_at(k)->unary[f](out, a + from, n, p);
                    else
                        moru_kernels_at(k)->binary[g % MORU_BINARY_COUNT](out, a + sa * from, sa, b + sb * from, sb, n, p);
                    if (start < 0)
                        continue;
                    ck_assert_msg(!memcmp(out, whole + from, (size_t)n * sizeof *out),
                                  "%s: kernel %d, piece %d+%d differs", moru_kernels_at(k)->isa, f, from, n);
                    ck_assert(piece[0] == -77 && piece[n + 1] == -77);
                }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels: math");
    TCase *tests = tcase_create("math");
    tcase_set_timeout(tests, 600);
#ifndef MORU_DOUBLE
    tcase_add_loop_test(tests, accuracy_of_all_floats, 0, N_CASES);
#endif
    tcase_add_test(tests, special_values);
    tcase_add_test(tests, parameters);
    tcase_add_test(tests, binary_values);
    tcase_add_test(tests, gradients_at_kinks);
    tcase_add_test(tests, activations_and_gradients);
    tcase_add_test(tests, inverse_erf_and_sinc);
    tcase_add_test(tests, pieces_and_canaries);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
