/** @file
 * Layers that move, repeat, resize, add and take away elements; moru_flatten(), moru_reshape_layer() and
 * moru_zero_padding2d() are in layers.h. No variables.
 *
 * data_format is "channels_last" ([n, h, w, c]) or "channels_first" ([n, c, h, w]). Errors: MORU_ERR_ARGUMENT for bad
 * options, MORU_ERR_SHAPE for inputs of another rank or too small to crop. Options are copied.
 */
#ifndef MORU_LAYERS_RESHAPING_H
#define MORU_LAYERS_RESHAPING_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Each step of [n, t, c] `size` times: [n, t size, c]. */
typedef struct moru_up_sampling1d_options { MORU_LAYER_OPTIONS int64_t size; } moru_up_sampling1d_options;
#define MORU_UP_SAMPLING1D_DEFAULTS MORU_LAYER_DEFAULTS, .size = 2
#define moru_up_sampling1d(...) \
    MORU_WITH_DEFAULTS(moru_up_sampling1d_new, moru_up_sampling1d_options, MORU_UP_SAMPLING1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_up_sampling1d_new(const moru_up_sampling1d_options *options);

/** Pictures [n, h, w, c] at size[0] h times size[1] w pixels. */
typedef struct moru_up_sampling2d_options {
    MORU_LAYER_OPTIONS
    int64_t size[2];
    const char *data_format;
    const char *interpolation; /**< "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5": moru_upsample2d() */
} moru_up_sampling2d_options;
#define MORU_UP_SAMPLING2D_DEFAULTS MORU_LAYER_DEFAULTS, .size = {2, 2}, .data_format = "channels_last", \
    .interpolation = "nearest"
#define moru_up_sampling2d(...) \
    MORU_WITH_DEFAULTS(moru_up_sampling2d_new, moru_up_sampling2d_options, MORU_UP_SAMPLING2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_up_sampling2d_new(const moru_up_sampling2d_options *options);

/** Pictures [n, h, w, c] of any size as [n, height, width, c]; what interpolation and antialias are is told at
 *  moru_resize2d(). crop_to_aspect_ratio takes the largest part in the middle that has the new shape,
 *  pad_to_aspect_ratio puts a frame of fill_value around, instead of stretching the picture; both need its size to be known. */
typedef struct moru_resizing_options {
    MORU_LAYER_OPTIONS
    int64_t height, width;
    const char *interpolation; /**< "nearest", "bilinear", "bicubic", "lanczos3", "lanczos5" */
    bool crop_to_aspect_ratio, pad_to_aspect_ratio; /**< one at most */
    const char *fill_mode;     /**< "constant" */
    double fill_value;
    bool antialias;            /**< where the picture shrinks */
    const char *data_format;
} moru_resizing_options;
#define MORU_RESIZING_DEFAULTS MORU_LAYER_DEFAULTS, .interpolation = "bilinear", .fill_mode = "constant", \
    .data_format = "channels_last"
#define moru_resizing(...) \
    MORU_WITH_DEFAULTS(moru_resizing_new, moru_resizing_options, MORU_RESIZING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_resizing_new(const moru_resizing_options *options);

/** Volumes [n, d, h, w, c], each voxel size[0] x size[1] x size[2] times. */
typedef struct moru_up_sampling3d_options {
    MORU_LAYER_OPTIONS
    int64_t size[3];
    const char *data_format;
} moru_up_sampling3d_options;
#define MORU_UP_SAMPLING3D_DEFAULTS MORU_LAYER_DEFAULTS, .size = {2, 2, 2}, .data_format = "channels_last"
#define moru_up_sampling3d(...) \
    MORU_WITH_DEFAULTS(moru_up_sampling3d_new, moru_up_sampling3d_options, MORU_UP_SAMPLING3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_up_sampling3d_new(const moru_up_sampling3d_options *options);

/** Zeros before and after each sequence. */
typedef struct moru_zero_padding1d_options {
    MORU_LAYER_OPTIONS
    int64_t padding[2];        /**< before, after */
    const char *data_format;
} moru_zero_padding1d_options;
#define MORU_ZERO_PADDING1D_DEFAULTS MORU_LAYER_DEFAULTS, .padding = {1, 1}, .data_format = "channels_last"
#define moru_zero_padding1d(...) \
    MORU_WITH_DEFAULTS(moru_zero_padding1d_new, moru_zero_padding1d_options, MORU_ZERO_PADDING1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_zero_padding1d_new(const moru_zero_padding1d_options *options);

/** Zeros around each volume. */
typedef struct moru_zero_padding3d_options {
    MORU_LAYER_OPTIONS
    int64_t padding[6];        /**< before and after each axis */
    const char *data_format;
} moru_zero_padding3d_options;
#define MORU_ZERO_PADDING3D_DEFAULTS MORU_LAYER_DEFAULTS, .padding = {1, 1, 1, 1, 1, 1}, .data_format = "channels_last"
#define moru_zero_padding3d(...) \
    MORU_WITH_DEFAULTS(moru_zero_padding3d_new, moru_zero_padding3d_options, MORU_ZERO_PADDING3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_zero_padding3d_new(const moru_zero_padding3d_options *options);

/** Sequences [n, t, c] without their first and last steps. */
typedef struct moru_cropping1d_options { MORU_LAYER_OPTIONS int64_t cropping[2]; } moru_cropping1d_options;
#define MORU_CROPPING1D_DEFAULTS MORU_LAYER_DEFAULTS, .cropping = {1, 1}
#define moru_cropping1d(...) \
    MORU_WITH_DEFAULTS(moru_cropping1d_new, moru_cropping1d_options, MORU_CROPPING1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_cropping1d_new(const moru_cropping1d_options *options);

/** Pictures without what lies at their borders. */
typedef struct moru_cropping2d_options {
    MORU_LAYER_OPTIONS
    int64_t cropping[4];       /**< top, bottom, left, right */
    const char *data_format;
} moru_cropping2d_options;
#define MORU_CROPPING2D_DEFAULTS MORU_LAYER_DEFAULTS, .cropping = {0, 0, 0, 0}, .data_format = "channels_last"
#define moru_cropping2d(...) \
    MORU_WITH_DEFAULTS(moru_cropping2d_new, moru_cropping2d_options, MORU_CROPPING2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_cropping2d_new(const moru_cropping2d_options *options);

/** Volumes without what lies at their borders. */
typedef struct moru_cropping3d_options {
    MORU_LAYER_OPTIONS
    int64_t cropping[6];       /**< before and after each axis */
    const char *data_format;
} moru_cropping3d_options;
#define MORU_CROPPING3D_DEFAULTS MORU_LAYER_DEFAULTS, .cropping = {1, 1, 1, 1, 1, 1}, .data_format = "channels_last"
#define moru_cropping3d(...) \
    MORU_WITH_DEFAULTS(moru_cropping3d_new, moru_cropping3d_options, MORU_CROPPING3D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_cropping3d_new(const moru_cropping3d_options *options);

/** The axes behind the batch in another order: axis i of the output is axis dims[i] of the input, counted from 1. */
typedef struct moru_permute_options {
    MORU_LAYER_OPTIONS
    moru_shape dims;           /**< axes, not sizes: MORU_SHAPE(2, 1) */
} moru_permute_options;
#define moru_permute(...) MORU_WITH_DEFAULTS(moru_permute_new, moru_permute_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_permute_new(const moru_permute_options *options);

/** [n, c] gives [n, times, c], the same vector at every step; times is the option n. */
typedef struct moru_repeat_vector_options { MORU_LAYER_OPTIONS int64_t n; } moru_repeat_vector_options;
#define moru_repeat_vector(...) \
    MORU_WITH_DEFAULTS(moru_repeat_vector_new, moru_repeat_vector_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_repeat_vector_new(const moru_repeat_vector_options *options);

#ifdef __cplusplus
}
#endif
#endif
