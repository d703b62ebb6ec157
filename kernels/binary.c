/* Elementwise functions of two arrays, either of which may be one number. See elementwise.def for the list. */
#include "kernels/special.h"

typedef void vectors_fn(moru_real *y, const moru_real *a, int sa, const moru_real *b, int sb, int64_t n,
                        const double *p);

KERNEL_INLINE void load_rest(moru_real *t, const moru_real *x, int stride, int64_t n, int64_t rest)
{
    vec_store(t, stride ? vec_load_part(x + n - rest, rest) : vec_set(x[0]));
}

/* As in unary.c: the rest goes through the same code as whole vectors. */
KERNEL_INLINE void apply(vectors_fn *f, moru_real *y, const moru_real *a, int sa, const moru_real *b, int sb, int64_t n,
                         const double *p)
{
    int64_t rest = n % LANES;
    if (n > rest)
        f(y, a, sa, b, sb, n - rest, p);
    if (rest > 0) {
        moru_real ta[MORU_VECTOR_BYTES / sizeof(moru_real)], tb[MORU_VECTOR_BYTES / sizeof(moru_real)];
        load_rest(ta, a, sa, n, rest);
        load_rest(tb, b, sb, n, rest);
        f(ta, ta, sa, tb, sb, LANES, p);
        vec_store_part(y + n - rest, vec_load(ta), rest);
    }
}

#define NO_PARAMS (void)p;
#define ONE_PARAM vec p0 = vec_set((moru_real)p[0]);
#define TWO_PARAMS ONE_PARAM vec p1 = vec_set((moru_real)p[1]);
#define THREE_PARAMS TWO_PARAMS vec p2 = vec_set((moru_real)p[2]);

#define BINARY_P(name, params, expression)                                                                            \
    static __attribute__((noipa)) void name##_vectors(moru_real *y_, const moru_real *a_, int sa, const moru_real *b_, \
                                                      int sb, int64_t n, const double *p)                             \
    {                                                                                                                 \
        params                                                                                                        \
        vec first = vec_set(a_[0]), second = vec_set(b_[0]);                                                          \
        for (int64_t i = 0; i < n; i += LANES) {                                                                      \
            vec a = sa ? vec_load(a_ + i) : first, b = sb ? vec_load(b_ + i) : second;                                \
            vec_store(y_ + i, (expression));                                                                          \
        }                                                                                                             \
    }                                                                                                                 \
    void MORU_KERNEL(binary_##name)(moru_real *y, const moru_real *a, int sa, const moru_real *b, int sb, int64_t n,  \
                                    const double *p)                                                                  \
    {                                                                                                                 \
        apply(name##_vectors, y, a, sa, b, sb, n, p);                                                                 \
    }
#define BINARY(name, expression) BINARY_P(name, NO_PARAMS, expression)

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a * b)
BINARY(div, a / b)
BINARY(pow, vec_pow(a, b))
BINARY(maximum, vec_maximum(a, b))
BINARY(minimum, vec_minimum(a, b))
BINARY(atan2, vec_atan2(a, b))
BINARY(squared_difference, (a - b) * (a - b))
BINARY(equal, vec_truth(a == b))
BINARY(not_equal, vec_truth(a != b))
BINARY(less, vec_truth(a < b))
BINARY(less_equal, vec_truth(a <= b))
BINARY(greater, vec_truth(a > b))
BINARY(greater_equal, vec_truth(a >= b))
BINARY(logical_and, vec_truth((a != R(0)) & (b != R(0))))
BINARY(logical_or, vec_truth((a != R(0)) | (b != R(0))))
BINARY(logical_xor, vec_truth((a != R(0)) ^ (b != R(0))))
BINARY(floor_divide, vec_floor_divide(a, b))
BINARY(mod, vec_mod(a, b))
BINARY(fmod, vec_fmod(a, b))
BINARY(hypot, vec_hypot(a, b))
/* The greater one and log(1 + exp(-distance)); the distance of equal infinities is 0. */
BINARY(logaddexp, vec_maximum(a, b) + vec_log1p_inner(vec_exp(vec_select(a == b, vec_zero(), -vec_abs(a - b)))))
/* max(a, 0) - a b + log1p(exp(-|a|)) */
BINARY(sigmoid_cross_entropy, vec_select(a < R(0), vec_zero(), a) - a * b + vec_log1p_inner(vec_exp(-vec_abs(a))))

/* Gradients: a = dy, b = y or x. */
#define SELU_ALPHA R(1.6732632423543772848170429916717)
#define SELU_SCALE R(1.0507009873554804934193349852946)
#define SQRT_2_OVER_PI R(0.79788456080286535588)
#define INV_SQRT_2PI R(0.39894228040143267794)

BINARY(relu_grad, vec_where(b > R(0), a))
BINARY(relu6_grad, vec_where((b > R(0)) & (b < R(6)), a))
BINARY_P(leaky_relu_grad, ONE_PARAM, vec_select(b > R(0), a, p0 * a))
BINARY_P(relu_general_grad, THREE_PARAMS, vec_select(b > p2, vec_where(b <= p1, a), p0 * a))
BINARY_P(clip_grad, TWO_PARAMS, vec_where((b >= p0) & (b <= p1), a))
BINARY_P(elu_grad, ONE_PARAM, vec_select(b > R(0), a, a * (p0 * vec_exp(b))))
BINARY(selu_grad, a * (SELU_SCALE * vec_select(b > R(0), vec_set(1), SELU_ALPHA * vec_exp(b))))
BINARY(sinc_grad, a * vec_sinc_slope(b))
BINARY(sigmoid_grad, a * (b * (R(1) - b)))
BINARY(tanh_grad, a * (R(1) - b * b))
BINARY(hard_sigmoid_grad, vec_where((b > R(-3)) & (b < R(3)), a * R(1.0 / 6)))
BINARY(hard_silu_grad, vec_where(b > R(-3), a * vec_select(b < R(3), b * R(1.0 / 3) + R(0.5), vec_set(1))))
BINARY(softplus_grad, a * vec_sigmoid(b))

/* Phi(x) + x phi(x) */
KERNEL_INLINE vec gelu_slope(vec x)
{
    return vec_normal_cdf(x) + x * (INV_SQRT_2PI * vec_exp(R(-0.5) * (x * x)));
}
BINARY(gelu_grad, a * gelu_slope(b))

/* (1 + t)/2 + x (1 - t^2)/2 u', t = tanh u, u = sqrt(2/pi) (x + 0.044715 x^3) */
KERNEL_INLINE vec gelu_tanh_slope(vec x)
{
    vec z = x * x, t = vec_tanh(SQRT_2_OVER_PI * (x + R(0.044715) * (z * x)));
    vec du = SQRT_2_OVER_PI * (R(1) + R(3 * 0.044715) * z);
    return R(0.5) * (R(1) + t) + R(0.5) * x * ((R(1) - t * t) * du);
}
BINARY(gelu_tanh_grad, a * gelu_tanh_slope(b))

/* s + x s (1 - s) */
KERNEL_INLINE vec silu_slope(vec x)
{
    vec complement, s = vec_sigmoid_pair(x, &complement);
    return s * (R(1) + x * complement);
}
BINARY(silu_grad, a * silu_slope(b))

/* t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x)); with c = 1 - t, 1 - t^2 = c (2 - c) */
KERNEL_INLINE vec mish_slope(vec x)
{
    vec c, t = vec_tanh_softplus(x, &c);
    return t + x * (c * (R(2) - c)) * vec_sigmoid(x);
}
BINARY(mish_grad, a * mish_slope(b))

KERNEL_INLINE vec softsign_slope(vec x)
{
    vec d = R(1) + vec_abs(x);
    return R(1) / (d * d);
}
BINARY(softsign_grad, a * softsign_slope(b))
