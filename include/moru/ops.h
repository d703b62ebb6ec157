/** @file
 * Builders: one function per op.
 *
 * All take and give values of one graph. Binary ops broadcast as NumPy does. Axes may be negative, counted from the end.
 * A NULL or failed operand gives a failed value; see graph.h for how errors are kept.
 * Image tensors are NHWC, convolution weights HWIO, as in Keras.
 */
#ifndef MORU_OPS_H
#define MORU_OPS_H

#include <stdint.h>
#include <moru/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Binary, elementwise with broadcasting
 * Comparisons and logical ops give 0 or 1 in ::MORU_REAL and have a gradient of zero. @{ */
MORU_API moru_node *moru_add(moru_node *a, moru_node *b);
MORU_API moru_node *moru_sub(moru_node *a, moru_node *b);
MORU_API moru_node *moru_mul(moru_node *a, moru_node *b);
MORU_API moru_node *moru_div(moru_node *a, moru_node *b);
MORU_API moru_node *moru_pow(moru_node *a, moru_node *b);
MORU_API moru_node *moru_maximum(moru_node *a, moru_node *b); /**< equal operands share the gradient by halves */
MORU_API moru_node *moru_minimum(moru_node *a, moru_node *b);
MORU_API moru_node *moru_atan2(moru_node *a, moru_node *b);
MORU_API moru_node *moru_squared_difference(moru_node *a, moru_node *b);
MORU_API moru_node *moru_floor_divide(moru_node *a, moru_node *b); /**< largest whole number <= a/b; gradient 0 */
MORU_API moru_node *moru_mod(moru_node *a, moru_node *b);  /**< a - b floor(a/b): NumPy's and PyTorch's remainder */
MORU_API moru_node *moru_fmod(moru_node *a, moru_node *b); /**< a - b trunc(a/b): C's; gradients of both: between jumps */
MORU_API moru_node *moru_hypot(moru_node *a, moru_node *b);
MORU_API moru_node *moru_logaddexp(moru_node *a, moru_node *b); /**< log(e^a + e^b), which doesn't overflow */
MORU_API moru_node *moru_equal(moru_node *a, moru_node *b);
MORU_API moru_node *moru_not_equal(moru_node *a, moru_node *b);
MORU_API moru_node *moru_less(moru_node *a, moru_node *b);
MORU_API moru_node *moru_less_equal(moru_node *a, moru_node *b);
MORU_API moru_node *moru_greater(moru_node *a, moru_node *b);
MORU_API moru_node *moru_greater_equal(moru_node *a, moru_node *b);
MORU_API moru_node *moru_logical_and(moru_node *a, moru_node *b);
MORU_API moru_node *moru_logical_or(moru_node *a, moru_node *b);
MORU_API moru_node *moru_logical_xor(moru_node *a, moru_node *b);
MORU_API moru_node *moru_logaddexp2(moru_node *a, moru_node *b); /**< log2(2^a + 2^b) */
MORU_API moru_node *moru_divide_no_nan(moru_node *a, moru_node *b); /**< a/b, 0 where b is 0 */
/** 0 below 0, 1 above, at_zero at 0. */
MORU_API moru_node *moru_heaviside(moru_node *x, moru_node *at_zero);
/** |a - b| <= atol + rtol |b|, or equal; equal_nan: NaN is close to NaN. */
MORU_API moru_node *moru_is_close(moru_node *a, moru_node *b, double rtol, double atol, bool equal_nan);
/** where(c != 0, a, b), all three broadcast. */
MORU_API moru_node *moru_where(moru_node *condition, moru_node *a, moru_node *b);
/** @} */

/** @name With a number @{ */
MORU_API moru_node *moru_add_scalar(moru_node *x, double value);
MORU_API moru_node *moru_mul_scalar(moru_node *x, double value);
MORU_API moru_node *moru_pow_scalar(moru_node *x, double exponent);
/** x with numbers in the place of NaN, infinity and -infinity. */
MORU_API moru_node *moru_nan_to_num(moru_node *x, double nan, double posinf, double neginf);
/** min(max(x, low), high); gradient 1 inside and at the bounds. Infinite bounds are allowed. */
MORU_API moru_node *moru_clip(moru_node *x, double low, double high);
/** @} */

/** @name Unary
 * sign, floor, ceil, round, trunc and the questions (is_nan, ...; 0 or 1) have a gradient of zero. @{ */
MORU_API moru_node *moru_neg(moru_node *x);
MORU_API moru_node *moru_abs(moru_node *x);
MORU_API moru_node *moru_sign(moru_node *x);
MORU_API moru_node *moru_floor(moru_node *x);
MORU_API moru_node *moru_ceil(moru_node *x);
MORU_API moru_node *moru_round(moru_node *x); /**< halves to even */
MORU_API moru_node *moru_trunc(moru_node *x);
MORU_API moru_node *moru_exp(moru_node *x);
MORU_API moru_node *moru_expm1(moru_node *x);
MORU_API moru_node *moru_log(moru_node *x);
MORU_API moru_node *moru_log1p(moru_node *x);
MORU_API moru_node *moru_log2(moru_node *x);
MORU_API moru_node *moru_sqrt(moru_node *x);
MORU_API moru_node *moru_rsqrt(moru_node *x);
MORU_API moru_node *moru_square(moru_node *x);
MORU_API moru_node *moru_reciprocal(moru_node *x);
MORU_API moru_node *moru_sin(moru_node *x);
MORU_API moru_node *moru_cos(moru_node *x);
MORU_API moru_node *moru_tan(moru_node *x);
MORU_API moru_node *moru_atan(moru_node *x);
MORU_API moru_node *moru_sinh(moru_node *x);
MORU_API moru_node *moru_cosh(moru_node *x);
MORU_API moru_node *moru_tanh(moru_node *x);
MORU_API moru_node *moru_erf(moru_node *x);
MORU_API moru_node *moru_exp2(moru_node *x);
MORU_API moru_node *moru_log10(moru_node *x);
MORU_API moru_node *moru_cbrt(moru_node *x);
MORU_API moru_node *moru_asin(moru_node *x);
MORU_API moru_node *moru_acos(moru_node *x);
MORU_API moru_node *moru_asinh(moru_node *x);
MORU_API moru_node *moru_acosh(moru_node *x);
MORU_API moru_node *moru_atanh(moru_node *x);
MORU_API moru_node *moru_erfc(moru_node *x);
MORU_API moru_node *moru_erfinv(moru_node *x); /**< y with erf(y) = x; infinite at -1 and 1, NaN beyond */
MORU_API moru_node *moru_sinc(moru_node *x); /**< sin(pi x)/(pi x), 1 at 0 */
MORU_API moru_node *moru_is_nan(moru_node *x);
MORU_API moru_node *moru_is_finite(moru_node *x);
MORU_API moru_node *moru_is_inf(moru_node *x);
MORU_API moru_node *moru_logical_not(moru_node *x);
/** @} */

/** @name Activations (defaults of Keras) @{ */
MORU_API moru_node *moru_relu(moru_node *x);
MORU_API moru_node *moru_relu6(moru_node *x);
MORU_API moru_node *moru_leaky_relu(moru_node *x, double negative_slope);
/** x >= threshold ? min(x, max_value) : negative_slope*(x - threshold); max_value may be INFINITY. */
MORU_API moru_node *moru_relu_general(moru_node *x, double negative_slope, double max_value, double threshold);
MORU_API moru_node *moru_elu(moru_node *x, double alpha);
MORU_API moru_node *moru_selu(moru_node *x);
MORU_API moru_node *moru_gelu(moru_node *x);      /**< x/2 (1 + erf(x/sqrt 2)) */
MORU_API moru_node *moru_gelu_tanh(moru_node *x); /**< the tanh approximation */
MORU_API moru_node *moru_sigmoid(moru_node *x);
MORU_API moru_node *moru_log_sigmoid(moru_node *x);
MORU_API moru_node *moru_hard_sigmoid(moru_node *x); /**< clip(x/6 + 1/2, 0, 1) */
MORU_API moru_node *moru_hard_silu(moru_node *x);    /**< x hard_sigmoid(x) */
MORU_API moru_node *moru_silu(moru_node *x);
MORU_API moru_node *moru_mish(moru_node *x);
MORU_API moru_node *moru_softplus(moru_node *x);
MORU_API moru_node *moru_softsign(moru_node *x);
/** alpha elu(x/alpha); sign(x) max(|x| - threshold, 0); x where |x| > threshold, else 0; (x + sqrt(x^2 + b))/2; x where
 *  x > threshold, else value; the first half along axis times the sigmoid of the second; the nearest point of the simplex. @{ */
MORU_API moru_node *moru_celu(moru_node *x, double alpha);
MORU_API moru_node *moru_soft_shrink(moru_node *x, double threshold);
MORU_API moru_node *moru_hard_shrink(moru_node *x, double threshold);
MORU_API moru_node *moru_squareplus(moru_node *x, double b);
MORU_API moru_node *moru_threshold(moru_node *x, double threshold, double value);
MORU_API moru_node *moru_glu(moru_node *x, int axis);
MORU_API moru_node *moru_sparsemax(moru_node *x, int axis);
/** @} */
MORU_API moru_node *moru_sparse_plus(moru_node *x);    /**< 0 up to -1, (x + 1)^2/4 up to 1, x from there on */
MORU_API moru_node *moru_sparse_sigmoid(moru_node *x); /**< its slope: clip(x/2 + 1/2, 0, 1) */
MORU_API moru_node *moru_hard_tanh(moru_node *x);      /**< clip(x, -1, 1) */
MORU_API moru_node *moru_tanh_shrink(moru_node *x);    /**< x - tanh x */
MORU_API moru_node *moru_softmax(moru_node *x, int axis);
MORU_API moru_node *moru_log_softmax(moru_node *x, int axis);
/** @} */

/** @name Reductions
 * Over the n axes given; n = 0 with axes NULL means all. keepdims leaves sizes of 1. An empty sum is 0, product 1, mean NaN;
 * max and min of nothing are errors. Equal extremes share the gradient evenly. @{ */
MORU_API moru_node *moru_sum(moru_node *x, const int *axes, int n, bool keepdims);
MORU_API moru_node *moru_mean(moru_node *x, const int *axes, int n, bool keepdims);
MORU_API moru_node *moru_max(moru_node *x, const int *axes, int n, bool keepdims);
MORU_API moru_node *moru_min(moru_node *x, const int *axes, int n, bool keepdims);
MORU_API moru_node *moru_prod(moru_node *x, const int *axes, int n, bool keepdims);
/** Variance with divisor N - ddof. */
MORU_API moru_node *moru_variance(moru_node *x, const int *axes, int n, bool keepdims, int ddof);
/** Its root; the gradient where all elements are equal is 0. */
MORU_API moru_node *moru_std(moru_node *x, const int *axes, int n, bool keepdims, int ddof);
MORU_API moru_node *moru_logsumexp(moru_node *x, const int *axes, int n, bool keepdims);
/** Norm of vectors, (sum |x|^order)^(1/order): INFINITY takes the largest |x|, -INFINITY the least, 0 counts those that
 *  aren't 0. The gradient of a norm that is 0 is 0. */
MORU_API moru_node *moru_norm(moru_node *x, double order, const int *axes, int n, bool keepdims);
/** Whether any, whether all, and how many are not 0, as real numbers, of real or int32 x; gradient 0. */
MORU_API moru_node *moru_any(moru_node *x, const int *axes, int n, bool keepdims);
MORU_API moru_node *moru_all(moru_node *x, const int *axes, int n, bool keepdims);
MORU_API moru_node *moru_count_nonzero(moru_node *x, const int *axes, int n, bool keepdims);
/** Along one axis of known size: what a share q of the elements doesn't exceed, between two of them in proportion
 *  (NumPy's "linear"); the median is that of 1/2. NaN counts as the largest. */
MORU_API moru_node *moru_quantile(moru_node *x, double q, int axis, bool keepdims);
MORU_API moru_node *moru_median(moru_node *x, int axis, bool keepdims);
/** Index of the first largest element along axis, ::MORU_INT32; no gradient. */
MORU_API moru_node *moru_argmax(moru_node *x, int axis);
MORU_API moru_node *moru_argmin(moru_node *x, int axis);
#define moru_sum_all(x) moru_sum((x), NULL, 0, false)
#define moru_mean_all(x) moru_mean((x), NULL, 0, false)
/** Sums x down to the shape of like (the reverse of broadcasting). */
MORU_API moru_node *moru_sum_to(moru_node *x, moru_node *like);
/** @} */

/** @name Shape @{ */
/** The same elements under n sizes; one may be -1 and is worked out. Symbolic sizes may stand in dims. */
MORU_API moru_node *moru_reshape(moru_node *x, const int64_t *dims, int n);
MORU_API moru_node *moru_reshape_like(moru_node *x, moru_node *like);
MORU_API moru_node *moru_flatten_from(moru_node *x, int axis); /**< axes from axis on become one */
/** Axis k of the result is axis order[k] of x; NULL reverses. */
MORU_API moru_node *moru_transpose(moru_node *x, const int *order);
MORU_API moru_node *moru_expand_dims(moru_node *x, int axis);
MORU_API moru_node *moru_squeeze(moru_node *x, int axis);
MORU_API moru_node *moru_broadcast_to(moru_node *x, const int64_t *dims, int n);
MORU_API moru_node *moru_broadcast_like(moru_node *x, moru_node *like);
#define MORU_SLICE_END INT64_MAX
/** x[start:stop:step] along one axis, as Python does it (negative starts count from the end); step may be negative.
 *  A stop of ::MORU_SLICE_END leaves none out: up to the last element, or down to the first. */
MORU_API moru_node *moru_slice(moru_node *x, int axis, int64_t start, int64_t stop, int64_t step);
/** Pads axis k by before[k] and after[k] (>= 0) with value; arrays of x's rank. */
MORU_API moru_node *moru_pad(moru_node *x, const int64_t *before, const int64_t *after, double value);
typedef enum moru_pad_mode {
    MORU_PAD_REFLECT,   /**< c b | a b c | b a: the last one isn't repeated; at most size - 1 */
    MORU_PAD_SYMMETRIC, /**< b a | a b c | c b: at most size */
    MORU_PAD_EDGE,      /**< a a | a b c | c c ("replicate") */
    MORU_PAD_WRAP       /**< b c | a b c | a b ("circular"): at most size */
} moru_pad_mode;
/** Pads axis k of a real x by before[k] and after[k] (>= 0) with its own values. */
MORU_API moru_node *moru_pad_with(moru_node *x, const int64_t *before, const int64_t *after, moru_pad_mode mode);
/** Each element along axis `times` (>= 1) times in a row. */
MORU_API moru_node *moru_repeat(moru_node *x, int64_t times, int axis);
MORU_API moru_node *moru_concat(moru_node *const *xs, int n, int axis);
MORU_API moru_node *moru_stack(moru_node *const *xs, int n, int axis);
/** x in n equal parts along an axis of known size: parts[0..n), the first of which is returned. */
MORU_API moru_node *moru_split(moru_node *x, int n, int axis, moru_node **parts);
/** x[0], x[1], ... along an axis of known size, which they don't have any more: as many parts as it is long. */
MORU_API moru_node *moru_unstack(moru_node *x, int axis, moru_node **parts);
/** x as often as repeats[0..n) tell, one after the other; fewer than x's axes are for the last ones, more make new ones. */
MORU_API moru_node *moru_tile(moru_node *x, const int64_t *repeats, int n);
/** The last element first, along n axes; NULL: all. */
MORU_API moru_node *moru_flip(moru_node *x, const int *axes, int n);
/** Each element shift places on along an axis of known size; those that leave it come in at the other end. */
MORU_API moru_node *moru_roll(moru_node *x, int64_t shift, int axis);
MORU_API moru_node *moru_swapaxes(moru_node *x, int a, int b);
MORU_API moru_node *moru_moveaxis(moru_node *x, int from, int to); /**< the other axes keep their order */
/** Slices of x along axis chosen by int32 indices of any shape, which replaces the axis. A bad index is MORU_ERR_RANGE. */
MORU_API moru_node *moru_gather(moru_node *x, moru_node *indices, int axis);
/** Of each line along axis the elements that indices (int32, as many axes as x, no longer elsewhere) name: PyTorch's
 *  gather, NumPy's take_along_axis. A bad index is MORU_ERR_RANGE. */
MORU_API moru_node *moru_take_along_axis(moru_node *x, moru_node *indices, int axis);
/** x with values, of the indices' shape, added where the indices name their places along axis. */
MORU_API moru_node *moru_scatter_add(moru_node *x, moru_node *indices, moru_node *values, int axis);
/** Lines along axis in order; equal elements keep theirs, NaN comes last. Outputs: values, int32 places in x. */
MORU_API moru_node *moru_sort(moru_node *x, int axis, bool descending);
MORU_API moru_node *moru_argsort(moru_node *x, int axis, bool descending); /**< int32; no gradient */
/** The k largest along axis, in descending order; their places into *indices unless that is NULL. */
MORU_API moru_node *moru_top_k(moru_node *x, int64_t k, int axis, moru_node **indices);
/** Sum or product of all elements up to each along axis (from each on: reverse). cumprod has one derivative only. */
MORU_API moru_node *moru_cumsum(moru_node *x, int axis, bool reverse);
MORU_API moru_node *moru_cumprod(moru_node *x, int axis, bool reverse);
/** Largest or least element up to each along axis, and where it is, the last of equal ones: int32, into *indices unless
 *  that is NULL. From the first NaN on all is NaN. */
MORU_API moru_node *moru_cummax(moru_node *x, int axis, moru_node **indices);
MORU_API moru_node *moru_cummin(moru_node *x, int axis, moru_node **indices);
/** x[1:] - x[:-1] along axis, so many times. */
MORU_API moru_node *moru_diff(moru_node *x, int times, int axis);
/** Of matrices, the last two axes: what lies on or below (tril), on or above (triu) diagonal k, counted to the right; the
 *  elements of diagonal k [..., n]; and [..., n, n] of zeros but for the diagonal x [..., n]. @{ */
MORU_API moru_node *moru_tril(moru_node *x, int64_t k);
MORU_API moru_node *moru_triu(moru_node *x, int64_t k);
MORU_API moru_node *moru_diagonal(moru_node *x, int64_t k);
MORU_API moru_node *moru_diag(moru_node *x);
MORU_API moru_node *moru_trace_op(moru_node *x, int64_t k); /**< sums of diagonals [...] */
/** @} */
/** 1 at the index, 0 elsewhere, along a new last axis of size depth; an index outside is MORU_ERR_RANGE. */
MORU_API moru_node *moru_one_hot(moru_node *indices, int64_t depth);
MORU_API moru_node *moru_cast(moru_node *x, moru_dtype dtype); /**< to int32 truncates toward zero; no gradient through int32 */
MORU_API moru_node *moru_zeros_like(moru_node *x);
MORU_API moru_node *moru_ones_like(moru_node *x);
/** x, with no gradient flowing back. */
MORU_API moru_node *moru_stop_gradient(moru_node *x);
MORU_API moru_node *moru_identity(moru_node *x);
/** @} */

/** @name Linear algebra @{ */
/** a b as numpy.matmul: vectors, matrices, batches with broadcasting. */
MORU_API moru_node *moru_matmul(moru_node *a, moru_node *b);
/** Einstein's sum of n values, "bij,bkj->bik", with "..." for axes without names; without "->" the result has the axes that
 *  occur once. An axis twice in one operand, and sizes of 1 that would broadcast, are errors. */
MORU_API moru_node *moru_einsum(const char *equation, moru_node *const *xs, int n);
/** a[i] b[j] of all elements. */
MORU_API moru_node *moru_outer(moru_node *a, moru_node *b);
/** Sums of products over n axes of each, of known sizes; first the other axes of a, then those of b. inner: over the last
 *  one. @{ */
MORU_API moru_node *moru_tensordot(moru_node *a, moru_node *b, const int *axes_a, const int *axes_b, int n);
MORU_API moru_node *moru_inner(moru_node *a, moru_node *b);
/** @} */
/** Vector product in three dimensions along axis, of size 3 in both. */
MORU_API moru_node *moru_cross(moru_node *a, moru_node *b, int axis);
/** As moru_matmul() with the last two axes of a or b exchanged first. */
MORU_API moru_node *moru_matmul_t(moru_node *a, bool transpose_a, moru_node *b, bool transpose_b);
/** @} */

/** @name Convolution and pooling; spatial pairs are {height, width} @{ */
typedef enum moru_padding { MORU_VALID = 0, MORU_SAME = 1, MORU_EXPLICIT = 2 } moru_padding;
typedef struct moru_conv2d_attrs {
    int64_t strides[2];   /**< 0 means 1 */
    int64_t dilation[2];  /**< 0 means 1 */
    int64_t groups;       /**< 0 means 1 */
    moru_padding padding;
    int64_t pads[4];      /**< top, bottom, left, right, for ::MORU_EXPLICIT */
} moru_conv2d_attrs;
/** x [n,h,w,c] with weight [kh,kw,c/groups,filters] gives [n,oh,ow,filters]. "Same" pads as TensorFlow does (more after). */
MORU_API moru_node *moru_conv2d_op(moru_node *x, moru_node *weight, const moru_conv2d_attrs *attrs);
typedef struct moru_conv2d_transpose_attrs {
    int64_t strides[2];        /**< 0 means 1 */
    int64_t dilation[2];       /**< 0 means 1 */
    int64_t groups;            /**< 0 means 1 */
    int64_t pads[4];           /**< what is cut off the result: top, bottom, left, right */
    int64_t output_padding[2]; /**< rows and columns more at the end, fewer than the stride */
} moru_conv2d_transpose_attrs;
/** Transposed convolution: x [n,h,w,c] with weight [kh,kw,filters/groups,c] gives y [n,oh,ow,filters],
 *  oh = (h - 1) stride + (kh - 1) dilation + 1 + output_padding - top - bottom, which is the gradient that a convolution of
 *  y with the same weight, strides and padding has for its input. Every size of x but n is at least 1. */
MORU_API moru_node *moru_conv2d_transpose_op(moru_node *x, moru_node *weight, const moru_conv2d_transpose_attrs *attrs);
typedef struct moru_conv3d_attrs {
    int64_t strides[3];   /**< 0 means 1; of depth, height, width */
    int64_t dilation[3];  /**< 0 means 1 */
    int64_t groups;       /**< 0 means 1 */
    moru_padding padding;
    int64_t pads[6];      /**< front, back, top, bottom, left, right, for ::MORU_EXPLICIT */
} moru_conv3d_attrs;
/** The same for volumes: x [n,d,h,w,c] with weight [kd,kh,kw,c/groups,filters] gives [n,od,oh,ow,filters]. */
MORU_API moru_node *moru_conv3d_op(moru_node *x, moru_node *weight, const moru_conv3d_attrs *attrs);
typedef struct moru_conv3d_transpose_attrs {
    int64_t strides[3];        /**< 0 means 1 */
    int64_t dilation[3];       /**< 0 means 1 */
    int64_t groups;            /**< 0 means 1 */
    int64_t pads[6];           /**< what is cut off the result: front, back, top, bottom, left, right */
    int64_t output_padding[3]; /**< more at the end, less than the stride */
} moru_conv3d_transpose_attrs;
/** x [n,d,h,w,c] with weight [kd,kh,kw,filters/groups,c]; as moru_conv2d_transpose_op(). */
MORU_API moru_node *moru_conv3d_transpose_op(moru_node *x, moru_node *weight, const moru_conv3d_transpose_attrs *attrs);
typedef struct moru_pool2d_attrs {
    int64_t size[2];
    int64_t strides[2];        /**< 0 means size */
    moru_padding padding;
    int64_t pads[4];
    int32_t count_padding;     /**< average: padded cells count in the divisor */
} moru_pool2d_attrs;
/** Padding counts as -inf; equal maxima: the first one gets the gradient. */
MORU_API moru_node *moru_max_pool2d(moru_node *x, const moru_pool2d_attrs *attrs);
MORU_API moru_node *moru_avg_pool2d(moru_node *x, const moru_pool2d_attrs *attrs);
/** @} */

/** @name Resizing and pooling to a given size
 * Of images [n,h,w,c]. Pixels are areas: the middle of output pixel i lies at (i + 1/2) size_in/size_out, and weights of
 * pixels beyond the border go to those within ("half-pixel", align_corners = False), as tf.image.resize() has it. @{ */
typedef enum moru_interpolation {
    MORU_NEAREST,  /**< the pixel that holds the place */
    MORU_BILINEAR, /**< triangle of radius 1 */
    MORU_BICUBIC,  /**< Keys' cubic of radius 2, a = -1/2 */
    MORU_LANCZOS3, MORU_LANCZOS5
} moru_interpolation;
/** x resized to [n,height,width,c]. antialias: where the image shrinks, the filter is as wide as an output pixel; doesn't
 *  count for ::MORU_NEAREST. An empty image can't be resized: ::MORU_ERR_SHAPE. */
MORU_API moru_node *moru_resize2d(moru_node *x, int64_t height, int64_t width, moru_interpolation interpolation,
                                  bool antialias);
/** Resized to whole multiples (>= 1) of its height and width, which may be symbolic. */
MORU_API moru_node *moru_upsample2d(moru_node *x, int64_t rows, int64_t columns, moru_interpolation interpolation);
/** The mean of window i of `height`, rows floor(i h/height) up to ceil((i + 1) h/height), and columns alike: windows of
 *  uneven sizes that overlap where they must. */
MORU_API moru_node *moru_adaptive_avg_pool2d(moru_node *x, int64_t height, int64_t width);
/** The largest value of the same windows; up to 512 a side. */
MORU_API moru_node *moru_adaptive_max_pool2d(moru_node *x, int64_t height, int64_t width);
/** @} */

/** @name Normalization, regularization @{ */
/** Batch normalization over all axes but axis (the last: -1), with batch statistics (biased variance).
 *  y = (x - mean)/sqrt(variance + epsilon) gamma + beta. Outputs: y, mean, variance. gamma and beta may be NULL. */
MORU_API moru_node *moru_batch_norm(moru_node *x, moru_node *gamma, moru_node *beta, int axis, double epsilon);
/** The same with given statistics. */
MORU_API moru_node *moru_batch_norm_inference(moru_node *x, moru_node *gamma, moru_node *beta, moru_node *mean,
                                              moru_node *variance, int axis, double epsilon);
/** Group normalization: x [n, ..., c] in groups of channels that lie side by side, each normalized with its mean and
 *  (biased) variance over all axes but n, y = (x - mean)/sqrt(variance + epsilon) gamma + beta; gamma and beta [c] may be
 *  NULL. groups = c is instance normalization. Wu and He, 2018. */
MORU_API moru_node *moru_group_norm(moru_node *x, moru_node *gamma, moru_node *beta, int64_t groups, double epsilon);
/** Layer normalization over the last axes (how many: axes), sample by sample and without running statistics; Ba et al., 2016:
 *  y = (x - mean) rstd gamma + beta, rstd = 1/sqrt(variance + epsilon), with the biased variance. gamma and beta have the shape
 *  of those axes, or are NULL. Outputs: y, and mean and rstd of the shape of the axes before. */
MORU_API moru_node *moru_layer_norm(moru_node *x, moru_node *gamma, moru_node *beta, int axes, double epsilon);
/** Zeroes each element with probability rate and scales the rest by 1/(1 - rate). 0 <= rate < 1. */
MORU_API moru_node *moru_dropout_op(moru_node *x, double rate);
/** Random numbers, new at each step: uniform in [low, high), normal. */
MORU_API moru_node *moru_random_uniform_op(moru_graph *graph, moru_shape shape, double low, double high);
MORU_API moru_node *moru_random_normal_op(moru_graph *graph, moru_shape shape, double mean, double stddev);
/** The same of a value's shape, for shapes with symbolic sizes. */
MORU_API moru_node *moru_random_uniform_like(moru_node *x, double low, double high);
MORU_API moru_node *moru_random_normal_like(moru_node *x, double mean, double stddev);
/** Rows of table [vocabulary, width] for int32 indices; an index outside is MORU_ERR_RANGE. */
MORU_API moru_node *moru_embedding_op(moru_node *table, moru_node *indices);
/** @} */

/** @name Pictures @{ */
/** What lies outside of a picture [abcd]. */
typedef enum moru_fill_mode {
    MORU_FILL_CONSTANT, /**< kkkk|abcd|kkkk */
    MORU_FILL_REFLECT,  /**< dcba|abcd|dcba */
    MORU_FILL_WRAP,     /**< abcd|abcd|abcd */
    MORU_FILL_NEAREST   /**< aaaa|abcd|dddd */
} moru_fill_mode;
/** Pictures x [n, h, w, c] under a projective transform each, or one for all: [n, 8] or [1, 8] numbers
 *  a0 a1 a2 b0 b1 b2 c0 c1. y[n, i, j] = x at column (a0 j + a1 i + a2)/k and row (b0 j + b1 i + b2)/k,
 *  k = c0 j + c1 i + 1: of the nearest pixel, or bilinear between four. As keras.ops.image.affine_transform() and
 *  TensorFlow's ImageProjectiveTransformV3; the gradient of x is the exact one, which TensorFlow's isn't. The transform
 *  itself has none: zero for the nearest pixel, else ::MORU_ERR_GRADIENT where it is asked for. */
MORU_API moru_node *moru_affine_transform(moru_node *x, moru_node *transform, bool bilinear, moru_fill_mode fill_mode,
                                          double fill);
/** @} */

/** @name Attention @{ */
/** Scaled dot product attention by head, y = softmax(scale q k^T + mask) v; Vaswani et al., 2017. q is [n, t, heads, dim],
 *  k [n, s, heads, dim], v [n, s, heads, value_dim]; y is [n, t, heads, value_dim]. causal: query i sees keys 0..i only.
 *  mask (or NULL) is added to the scores and broadcasts to [n, heads, t, s], the last size being s; a query whose every score is
 *  -inf gets NaN. Without keys y is 0. Outputs: y, and [n, heads, t] the logarithms of the sums in the softmax's denominators. */
MORU_API moru_node *moru_attention_op(moru_node *q, moru_node *k, moru_node *v, moru_node *mask, double scale, bool causal);
/** The same over the keys that kept, which broadcasts as mask does, holds a number other than 0 for. A query that keeps no key
 *  gets 0 (zero) or the mean of all values, which is what softmax gives where every score is the same large negative number, and
 *  has no part in the gradients of q and k; its logarithm is INFINITY. kept has a gradient of zero. Keys behind the last one kept
 *  cost nothing. */
MORU_API moru_node *moru_attention_kept_op(moru_node *q, moru_node *k, moru_node *v, moru_node *kept, double scale, bool causal,
                                           bool zero);
/** y[.., i, j] = x[.., i, j] where j <= i, fill above the diagonal. */
MORU_API moru_node *moru_causal_mask(moru_node *x, double fill);
/** y[.., i, j] = x[.., i, j] where i - below <= j <= i + above, fill elsewhere; a negative number: without a bound. */
MORU_API moru_node *moru_band_mask(moru_node *x, int64_t below, int64_t above, double fill);
/** @} */

/** @name Recurrence
 * Over x [n,t,in], with Keras's weights: gates side by side, kernel [in,gates units] and
 * recurrent_kernel [units,gates units]. h0 (and c0), [n,units], are the states before the first step; NULL: zeros. go_backwards: step s reads position
 * t - 1 - s. Outputs: y [n,t,units] in the order of the steps, then the last states [n,units]. @{ */
/** z = x kernel + h recurrent_kernel + bias; i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o); c = f c + i tanh(z_c);
 *  h = o tanh(c). Gates i, f, c, o. bias [4 units] may be NULL; h0 and c0 are given or NULL together.
 *  Outputs: y, last h, last c. */
MORU_API moru_node *moru_lstm_op(moru_node *x, moru_node *kernel, moru_node *recurrent_kernel, moru_node *bias,
                                 moru_node *h0, moru_node *c0, bool go_backwards);
/** z, r = sigmoid of x kernel + h recurrent_kernel + bias; n = tanh(x kernel_h + b_h + r (h recurrent_kernel_h + b'_h))
 *  with reset_after, where bias is [2,3 units] (b, b'), else tanh(x kernel_h + b_h + (r h) recurrent_kernel_h) and bias is
 *  [3 units]; h = z h + (1 - z) n. Gates z, r, h. bias and h0 may be NULL. Outputs: y, last h. */
MORU_API moru_node *moru_gru_op(moru_node *x, moru_node *kernel, moru_node *recurrent_kernel, moru_node *bias,
                                moru_node *h0, bool reset_after, bool go_backwards);
/** @} */

/** @name Losses per sample (no reduction), along the last axis @{ */
/** -log softmax(logits)[label]; labels int32 of logits' shape less its last axis. A label outside is MORU_ERR_RANGE. */
MORU_API moru_node *moru_sparse_cross_entropy(moru_node *logits, moru_node *labels);
/** Connectionist temporal classification; Graves et al., 2006: -log of the probability of all paths through logits [n,t,c] that
 *  become the labels when repetitions are merged and blanks (class 0) dropped. labels [n,l] int32: as many of the first as aren't
 *  0 count. Gives [n]; infinity where no path fits. A label outside is MORU_ERR_RANGE. No second derivative. */
MORU_API moru_node *moru_ctc_loss(moru_node *logits, moru_node *labels);
/** -sum target log softmax(logits). */
MORU_API moru_node *moru_cross_entropy(moru_node *logits, moru_node *target);
/** Elementwise max(z,0) - z t + log(1 + exp(-|z|)): binary cross entropy from logits, without the mean. */
MORU_API moru_node *moru_sigmoid_cross_entropy(moru_node *logits, moru_node *target);
/** mean((target - prediction)^2) over everything: a scalar. */
MORU_API moru_node *moru_mean_squared_error(moru_node *target, moru_node *prediction);
/** @} */

/** @name Optimizer steps
 * Each gives the new parameter as first output and the new slots after it, for the updates of a program. Scalars (the
 * learning rate, the 1-based step) are values, so that schedules need no new program. Formulas are those of Keras 3. @{ */
MORU_API moru_node *moru_sgd_step(moru_node *param, moru_node *grad, moru_node *momentum_slot, moru_node *lr,
                                  double momentum, bool nesterov, double weight_decay);
MORU_API moru_node *moru_adam_step(moru_node *param, moru_node *grad, moru_node *m, moru_node *v, moru_node *lr,
                                   moru_node *step, double beta_1, double beta_2, double epsilon, double weight_decay);
MORU_API moru_node *moru_rmsprop_step(moru_node *param, moru_node *grad, moru_node *velocity, moru_node *momentum_slot,
                                      moru_node *average_gradient, moru_node *lr, double rho, double momentum,
                                      double epsilon, double weight_decay);
MORU_API moru_node *moru_adagrad_step(moru_node *param, moru_node *grad, moru_node *accumulator, moru_node *lr,
                                      double epsilon, double weight_decay);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
