/** @file
 * Products of two values, and of one with a kernel, over axes of choice. Add, Multiply, Concatenate and the like are
 * in layers.h.
 */
#ifndef MORU_LAYERS_MERGING_H
#define MORU_LAYERS_MERGING_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Of two inputs (moru_apply_n()) a and b, sample by sample: the sum of a b over axes[0] of a and axes[1] of b. What
 *  is left of a's axes comes first, then what is left of b's; two vectors give [n, 1]. No variables. */
typedef struct moru_dot_options {
    MORU_LAYER_OPTIONS
    int64_t axes[2];           /**< not the batch; negative ones count from the end */
    bool normalize;            /**< a and b have length 1 along those axes before: cosines */
} moru_dot_options;
#define moru_dot(...) MORU_WITH_DEFAULTS(moru_dot_new, moru_dot_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_dot_new(const moru_dot_options *options);

/** y = activation(einsum(equation, x, kernel) + bias). Equations are "ab,bc->ac", with the input's leading axes left
 *  out as "...b,bc->...c", or its trailing ones as "ab...,bc->ac...". No letter may stand twice in one term.
 *  Variables: kernel, of the second term's sizes, and bias if bias_axes are given. */
typedef struct moru_einsum_dense_options {
    MORU_LAYER_OPTIONS
    const char *equation;
    moru_shape output_shape;   /**< without the batch and the axes of "..."; -1: as the input has it */
    const char *activation;
    const char *bias_axes;     /**< letters of the output that the bias has axes for; NULL: no bias */
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_einsum_dense_options;
#define MORU_EINSUM_DENSE_DEFAULTS MORU_LAYER_DEFAULTS, .kernel_initializer = "glorot_uniform", \
    .bias_initializer = "zeros"
#define moru_einsum_dense(...) \
    MORU_WITH_DEFAULTS(moru_einsum_dense_new, moru_einsum_dense_options, MORU_EINSUM_DENSE_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_einsum_dense_new(const moru_einsum_dense_options *options);

#ifdef __cplusplus
}
#endif
#endif
