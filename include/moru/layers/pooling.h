/** @file
 * Pooling over sequences, pictures and volumes; that of pictures with a window is in layers.h, too. No variables.
 *
 * data_format is "channels_last" ([n, h, w, c]) or "channels_first" ([n, c, h, w]). Errors: MORU_ERR_ARGUMENT for bad
 * options, MORU_ERR_SHAPE for inputs of another rank or smaller than a window. Options are copied.
 */
#ifndef MORU_LAYERS_POOLING_H
#define MORU_LAYERS_POOLING_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Largest or mean value of each pool_size window of steps of sequences [n, t, c]; sizes and padding as
 *  moru_max_pooling2d(). */
typedef struct moru_pooling1d_options {
    MORU_LAYER_OPTIONS
    int64_t pool_size[1];
    int64_t strides[1];        /**< 0: pool_size */
    const char *padding;       /**< "valid" or "same" */
    const char *data_format;
} moru_pooling1d_options;
#define MORU_POOLING1D_DEFAULTS MORU_LAYER_DEFAULTS, .pool_size = {2}, .padding = "valid", \
    .data_format = "channels_last"
#define moru_max_pooling1d(...) \
    MORU_WITH_DEFAULTS(moru_max_pooling1d_new, moru_pooling1d_options, MORU_POOLING1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_max_pooling1d_new(const moru_pooling1d_options *options);
#define moru_average_pooling1d(...) \
    MORU_WITH_DEFAULTS(moru_average_pooling1d_new, moru_pooling1d_options, MORU_POOLING1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_average_pooling1d_new(const moru_pooling1d_options *options);

/** Largest or mean value of each pool_size window of volumes [n, d, h, w, c], whose sizes must be known; sizes
 *  and padding as moru_max_pooling2d(). */
typedef struct moru_pooling3d_options {
    MORU_LAYER_OPTIONS
    int64_t pool_size[3];
    int64_t strides[3];        /**< 0: pool_size */
    const char *padding;       /**< "valid" or "same" */
    const char *data_format;
} moru_pooling3d_options;
#define MORU_POOLING3D_DEFAULTS MORU_LAYER_DEFAULTS, .pool_size = {2, 2, 2}, .padding = "valid", \
    .data_format = "channels_last"
#define moru_max_pooling3d(...) \
    MORU_WITH_DEFAULTS(moru_max_pooling3d_new, moru_pooling3d_options, MORU_POOLING3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_max_pooling3d_new(const moru_pooling3d_options *options);
#define moru_average_pooling3d(...) \
    MORU_WITH_DEFAULTS(moru_average_pooling3d_new, moru_pooling3d_options, MORU_POOLING3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_average_pooling3d_new(const moru_pooling3d_options *options);

/** Mean or maximum of each channel: [n, t, c] gives [n, c], or [n, 1, c] with keepdims. The mean takes the steps that a
 *  mask leaves, where there is one. */
typedef struct moru_global_pooling1d_options {
    MORU_LAYER_OPTIONS
    bool keepdims;
    const char *data_format;
} moru_global_pooling1d_options;
#define MORU_GLOBAL_POOLING1D_DEFAULTS MORU_LAYER_DEFAULTS, .data_format = "channels_last"
#define moru_global_max_pooling1d(...) \
    MORU_WITH_DEFAULTS(moru_global_max_pooling1d_new, moru_global_pooling1d_options, \
        MORU_GLOBAL_POOLING1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_global_max_pooling1d_new(const moru_global_pooling1d_options *options);
#define moru_global_average_pooling1d(...) \
    MORU_WITH_DEFAULTS(moru_global_average_pooling1d_new, moru_global_pooling1d_options, \
        MORU_GLOBAL_POOLING1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_global_average_pooling1d_new(const moru_global_pooling1d_options *options);

/** Mean or maximum of each channel: [n, d, h, w, c] gives [n, c], or [n, 1, 1, 1, c] with keepdims. */
typedef struct moru_global_pooling3d_options {
    MORU_LAYER_OPTIONS
    bool keepdims;
    const char *data_format;
} moru_global_pooling3d_options;
#define MORU_GLOBAL_POOLING3D_DEFAULTS MORU_LAYER_DEFAULTS, .data_format = "channels_last"
#define moru_global_max_pooling3d(...) \
    MORU_WITH_DEFAULTS(moru_global_max_pooling3d_new, moru_global_pooling3d_options, \
        MORU_GLOBAL_POOLING3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_global_max_pooling3d_new(const moru_global_pooling3d_options *options);
#define moru_global_average_pooling3d(...) \
    MORU_WITH_DEFAULTS(moru_global_average_pooling3d_new, moru_global_pooling3d_options, \
        MORU_GLOBAL_POOLING3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_global_average_pooling3d_new(const moru_global_pooling3d_options *options);

/** Largest or mean value of output_size windows that cover each axis: window i of o of an axis of h begins at
 *  floor(i h/o) and ends before ceil((i + 1) h/o). [n, h, w, c] gives [n, *output_size, c]. The input's sizes must
 *  be known. */
#define MORU_ADAPTIVE_POOLING_DEFAULTS MORU_LAYER_DEFAULTS, .data_format = "channels_last"
typedef struct moru_adaptive_pooling1d_options {
    MORU_LAYER_OPTIONS
    int64_t output_size[1];
    const char *data_format;
} moru_adaptive_pooling1d_options;
typedef struct moru_adaptive_pooling2d_options {
    MORU_LAYER_OPTIONS
    int64_t output_size[2];
    const char *data_format;
} moru_adaptive_pooling2d_options;
typedef struct moru_adaptive_pooling3d_options {
    MORU_LAYER_OPTIONS
    int64_t output_size[3];
    const char *data_format;
} moru_adaptive_pooling3d_options;
#define moru_adaptive_max_pooling1d(...) \
    MORU_WITH_DEFAULTS(moru_adaptive_max_pooling1d_new, moru_adaptive_pooling1d_options, \
        MORU_ADAPTIVE_POOLING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_adaptive_max_pooling1d_new(const moru_adaptive_pooling1d_options *options);
#define moru_adaptive_average_pooling1d(...) \
    MORU_WITH_DEFAULTS(moru_adaptive_average_pooling1d_new, moru_adaptive_pooling1d_options, \
        MORU_ADAPTIVE_POOLING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_adaptive_average_pooling1d_new(const moru_adaptive_pooling1d_options *options);
#define moru_adaptive_max_pooling2d(...) \
    MORU_WITH_DEFAULTS(moru_adaptive_max_pooling2d_new, moru_adaptive_pooling2d_options, \
        MORU_ADAPTIVE_POOLING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_adaptive_max_pooling2d_new(const moru_adaptive_pooling2d_options *options);
#define moru_adaptive_average_pooling2d(...) \
    MORU_WITH_DEFAULTS(moru_adaptive_average_pooling2d_new, moru_adaptive_pooling2d_options, \
        MORU_ADAPTIVE_POOLING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_adaptive_average_pooling2d_new(const moru_adaptive_pooling2d_options *options);
#define moru_adaptive_max_pooling3d(...) \
    MORU_WITH_DEFAULTS(moru_adaptive_max_pooling3d_new, moru_adaptive_pooling3d_options, \
        MORU_ADAPTIVE_POOLING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_adaptive_max_pooling3d_new(const moru_adaptive_pooling3d_options *options);
#define moru_adaptive_average_pooling3d(...) \
    MORU_WITH_DEFAULTS(moru_adaptive_average_pooling3d_new, moru_adaptive_pooling3d_options, \
        MORU_ADAPTIVE_POOLING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_adaptive_average_pooling3d_new(const moru_adaptive_pooling3d_options *options);

#ifdef __cplusplus
}
#endif
#endif
