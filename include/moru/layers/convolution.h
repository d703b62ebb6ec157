/** @file
 * Convolutions over sequences, volumes, and by channels; moru_conv2d() and moru_conv2d_transpose() are in layers.h.
 * Names, defaults, order and shapes of variables are Keras's.
 *
 * Sizes: an axis of h becomes floor((h - k)/stride) + 1 with padding "valid" and ceil(h/stride) with "same", where
 * k = (kernel_size - 1) dilation_rate + 1 and the odd one of the padding comes after. What doesn't fit is refused when
 * the layer is applied: MORU_ERR_ARGUMENT for bad options, MORU_ERR_SHAPE for inputs of another rank, of unknown or
 * indivisible channels, or smaller than the kernel. Options are copied.
 *
 * data_format is "channels_last" ([n, h, w, c]) or "channels_first" ([n, c, h, w]); the latter is computed between two
 * transpositions.
 */
#ifndef MORU_LAYERS_CONVOLUTION_H
#define MORU_LAYERS_CONVOLUTION_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** 1-D convolution of [n, t, c]: y[n, i, f] = activation(sum_{u, c} x[n, i s + u d - p, c] kernel[u, c, f] + bias[f]).
 *  padding "valid", "same", or "causal": no step sees a later one, p = (kernel_size - 1) dilation_rate. Filters and
 *  channels are shared out to `groups`. Variables: kernel [k, c/groups, filters], bias [filters]. */
typedef struct moru_conv1d_options {
    MORU_LAYER_OPTIONS
    int64_t filters;
    int64_t kernel_size[1], strides[1], dilation_rate[1];
    int64_t groups;
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_conv1d_options;
#define MORU_CONV1D_DEFAULTS MORU_LAYER_DEFAULTS, .strides = {1}, .dilation_rate = {1}, .groups = 1, \
    .padding = "valid", .data_format = "channels_last", .use_bias = true, .kernel_initializer = "glorot_uniform", \
    .bias_initializer = "zeros"
#define moru_conv1d(...) \
    MORU_WITH_DEFAULTS(moru_conv1d_new, moru_conv1d_options, MORU_CONV1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv1d_new(const moru_conv1d_options *options);

/** 3-D convolution of [n, d, h, w, c], as moru_conv2d() with one more axis. padding "valid" or "same".
 *  Variables: kernel [kd, kh, kw, c/groups, filters], bias [filters]. */
typedef struct moru_conv3d_options {
    MORU_LAYER_OPTIONS
    int64_t filters;
    int64_t kernel_size[3], strides[3], dilation_rate[3];
    int64_t groups;
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_conv3d_options;
#define MORU_CONV3D_DEFAULTS MORU_LAYER_DEFAULTS, .strides = {1, 1, 1}, .dilation_rate = {1, 1, 1}, .groups = 1, \
    .padding = "valid", .data_format = "channels_last", .use_bias = true, .kernel_initializer = "glorot_uniform", \
    .bias_initializer = "zeros"
#define moru_conv3d(...) \
    MORU_WITH_DEFAULTS(moru_conv3d_new, moru_conv3d_options, MORU_CONV3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv3d_new(const moru_conv3d_options *options);

/** Transposed 1-D convolution of [n, t, c]; sizes as moru_conv2d_transpose().
 *  Variables: kernel [k, filters, c], bias [filters]. */
typedef struct moru_conv1d_transpose_options {
    MORU_LAYER_OPTIONS
    int64_t filters;
    int64_t kernel_size[1], strides[1];
    int64_t dilation_rate[1];  /**< above 1 only where strides are 1 */
    int64_t output_padding[1]; /**< below strides; all -1: Keras's None */
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_conv1d_transpose_options;
#define MORU_CONV1D_TRANSPOSE_DEFAULTS MORU_LAYER_DEFAULTS, .strides = {1}, .dilation_rate = {1}, \
    .output_padding = {-1}, .padding = "valid", .data_format = "channels_last", .use_bias = true, \
    .kernel_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_conv1d_transpose(...) \
    MORU_WITH_DEFAULTS(moru_conv1d_transpose_new, moru_conv1d_transpose_options, \
        MORU_CONV1D_TRANSPOSE_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv1d_transpose_new(const moru_conv1d_transpose_options *options);

/** Transposed 3-D convolution of [n, d, h, w, c]; sizes as moru_conv2d_transpose().
 *  Variables: kernel [kd, kh, kw, filters, c], bias [filters]. */
typedef struct moru_conv3d_transpose_options {
    MORU_LAYER_OPTIONS
    int64_t filters;
    int64_t kernel_size[3], strides[3];
    int64_t dilation_rate[3];  /**< above 1 only where strides are 1 */
    int64_t output_padding[3]; /**< below strides; all -1: Keras's None */
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_conv3d_transpose_options;
#define MORU_CONV3D_TRANSPOSE_DEFAULTS MORU_LAYER_DEFAULTS, .strides = {1, 1, 1}, .dilation_rate = {1, 1, 1}, \
    .output_padding = {-1, -1, -1}, .padding = "valid", .data_format = "channels_last", .use_bias = true, \
    .kernel_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_conv3d_transpose(...) \
    MORU_WITH_DEFAULTS(moru_conv3d_transpose_new, moru_conv3d_transpose_options, \
        MORU_CONV3D_TRANSPOSE_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv3d_transpose_new(const moru_conv3d_transpose_options *options);

/** Convolution of [n, t, c] channel by channel: y[n, i, c m + k] = activation(sum_u x[n, i s + u d - p, c]
 *  kernel[u, c, k] + bias[c m + k]), m = depth_multiplier. Variables: kernel [k, c, m], bias [c m]. */
typedef struct moru_depthwise_conv1d_options {
    MORU_LAYER_OPTIONS
    int64_t depth_multiplier;
    int64_t kernel_size[1], strides[1], dilation_rate[1];
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *depthwise_initializer, *bias_initializer;
    const char *depthwise_regularizer, *bias_regularizer;
} moru_depthwise_conv1d_options;
#define MORU_DEPTHWISE_CONV1D_DEFAULTS MORU_LAYER_DEFAULTS, .depth_multiplier = 1, .strides = {1}, \
    .dilation_rate = {1}, .padding = "valid", .data_format = "channels_last", .use_bias = true, \
    .depthwise_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_depthwise_conv1d(...) \
    MORU_WITH_DEFAULTS(moru_depthwise_conv1d_new, moru_depthwise_conv1d_options, \
        MORU_DEPTHWISE_CONV1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_depthwise_conv1d_new(const moru_depthwise_conv1d_options *options);

/** The same of pictures [n, h, w, c]. Variables: kernel [kh, kw, c, m], bias [c m]. */
typedef struct moru_depthwise_conv2d_options {
    MORU_LAYER_OPTIONS
    int64_t depth_multiplier;
    int64_t kernel_size[2], strides[2], dilation_rate[2];
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *depthwise_initializer, *bias_initializer;
    const char *depthwise_regularizer, *bias_regularizer;
} moru_depthwise_conv2d_options;
#define MORU_DEPTHWISE_CONV2D_DEFAULTS MORU_LAYER_DEFAULTS, .depth_multiplier = 1, .strides = {1, 1}, \
    .dilation_rate = {1, 1}, .padding = "valid", .data_format = "channels_last", .use_bias = true, \
    .depthwise_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_depthwise_conv2d(...) \
    MORU_WITH_DEFAULTS(moru_depthwise_conv2d_new, moru_depthwise_conv2d_options, \
        MORU_DEPTHWISE_CONV2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_depthwise_conv2d_new(const moru_depthwise_conv2d_options *options);

/** A depthwise convolution of [n, t, c], then one of size 1 over all its c m channels, then bias and activation;
 *  Chollet, 2017.
 *  Variables: depthwise_kernel [k, c, m], pointwise_kernel [1, c m, filters], bias [filters]. */
typedef struct moru_separable_conv1d_options {
    MORU_LAYER_OPTIONS
    int64_t filters, depth_multiplier;
    int64_t kernel_size[1], strides[1], dilation_rate[1];
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *depthwise_initializer, *pointwise_initializer, *bias_initializer;
    const char *depthwise_regularizer, *pointwise_regularizer, *bias_regularizer;
} moru_separable_conv1d_options;
#define MORU_SEPARABLE_CONV1D_DEFAULTS MORU_LAYER_DEFAULTS, .depth_multiplier = 1, .strides = {1}, \
    .dilation_rate = {1}, .padding = "valid", .data_format = "channels_last", .use_bias = true, \
    .depthwise_initializer = "glorot_uniform", .pointwise_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_separable_conv1d(...) \
    MORU_WITH_DEFAULTS(moru_separable_conv1d_new, moru_separable_conv1d_options, \
        MORU_SEPARABLE_CONV1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_separable_conv1d_new(const moru_separable_conv1d_options *options);

/** The same of pictures [n, h, w, c].
 *  Variables: depthwise_kernel [kh, kw, c, m], pointwise_kernel [1, 1, c m, filters], bias [filters]. */
typedef struct moru_separable_conv2d_options {
    MORU_LAYER_OPTIONS
    int64_t filters, depth_multiplier;
    int64_t kernel_size[2], strides[2], dilation_rate[2];
    const char *padding, *data_format, *activation;
    bool use_bias;
    const char *depthwise_initializer, *pointwise_initializer, *bias_initializer;
    const char *depthwise_regularizer, *pointwise_regularizer, *bias_regularizer;
} moru_separable_conv2d_options;
#define MORU_SEPARABLE_CONV2D_DEFAULTS MORU_LAYER_DEFAULTS, .depth_multiplier = 1, .strides = {1, 1}, \
    .dilation_rate = {1, 1}, .padding = "valid", .data_format = "channels_last", .use_bias = true, \
    .depthwise_initializer = "glorot_uniform", .pointwise_initializer = "glorot_uniform", .bias_initializer = "zeros"
#define moru_separable_conv2d(...) \
    MORU_WITH_DEFAULTS(moru_separable_conv2d_new, moru_separable_conv2d_options, \
        MORU_SEPARABLE_CONV2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_separable_conv2d_new(const moru_separable_conv2d_options *options);

#ifdef __cplusplus
}
#endif
#endif
