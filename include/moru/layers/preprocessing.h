/** @file
 * Layers that prepare data inside of a model: numbers normalized, put into bins, encoded; pictures augmented and
 * cropped. Rescaling is in layers.h.
 *
 * Pictures are [n, h, w, c], or [n, c, h, w] with data_format "channels_first". Layers named random do so in training
 * only, and are the identity at inference; each picture of a batch is treated by itself, except by RandomCrop. What
 * they draw is a function of the model's seed, the layer's seed (if it has one, else its place in the model), the step
 * and the picture's place in the batch. A random factor is drawn evenly from two bounds: Keras's single number f is
 * {-f, f}.
 */
#ifndef MORU_LAYERS_PREPROCESSING_H
#define MORU_LAYERS_PREPROCESSING_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** y = (x - mean)/max(sqrt(variance), 1e-7), or with invert y = mean + x max(sqrt(variance), 1e-7). mean and
 *  variance are given, or variables of the kept axes' sizes: mean, variance, count (not used), all not trainable, to
 *  be set by moru_layer_weight_at() or read from a file. */
typedef struct moru_normalization_options {
    MORU_LAYER_OPTIONS
    moru_shape axis;           /**< axes, not sizes, that have statistics of their own; rank 0: one number for all */
    const char *mean, *variance; /**< JSON: "0.5", "[0.4, 0.5, 0.6]"; both or none (NULL) */
    bool invert;
} moru_normalization_options;
#define MORU_NORMALIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .axis = {1, {-1}}
#define moru_normalization(...) \
    MORU_WITH_DEFAULTS(moru_normalization_new, moru_normalization_options, MORU_NORMALIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_normalization_new(const moru_normalization_options *options);

/** Which bin a number is in: how many of the (ascending) boundaries are not above it, as int32. Other output_modes
 *  encode that as moru_category_encoding() does, with one more token than there are boundaries. No gradient, no
 *  variables. */
typedef struct moru_discretization_options {
    MORU_LAYER_OPTIONS
    const char *bin_boundaries; /**< JSON: "[0, 1.5, 3]" */
    int64_t num_bins;          /**< ::MORU_NO_SEED; Keras's number of bins to be found: kept for files only */
    double epsilon;            /**< of the search for bins: kept for files only */
    const char *output_mode;   /**< "int", "one_hot", "multi_hot", "count" */
} moru_discretization_options;
#define MORU_DISCRETIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .num_bins = INT64_MIN, .epsilon = 0.01, .output_mode = "int"
#define moru_discretization(...) \
    MORU_WITH_DEFAULTS(moru_discretization_new, moru_discretization_options, MORU_DISCRETIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_discretization_new(const moru_discretization_options *options);

/** Tokens 0 to num_tokens - 1, others count as none. "one_hot": each becomes num_tokens numbers, 1 at its own place,
 *  on a new last axis, or on the last one if that has size 1. "multi_hot" and "count": [n, k] tokens become [n,
 *  num_tokens], whether each is there or how often; an input [n, k] by the name count_weights says what each counts.
 *  No gradient but for count_weights, no variables. */
typedef struct moru_category_encoding_options {
    MORU_LAYER_OPTIONS
    int64_t num_tokens;
    const char *output_mode;   /**< "one_hot", "multi_hot", "count" */
} moru_category_encoding_options;
#define MORU_CATEGORY_ENCODING_DEFAULTS MORU_LAYER_DEFAULTS, .output_mode = "multi_hot"
#define moru_category_encoding(...) MORU_WITH_DEFAULTS(moru_category_encoding_new, moru_category_encoding_options, \
    MORU_CATEGORY_ENCODING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_category_encoding_new(const moru_category_encoding_options *options);

/** Every second picture, by chance, mirrored; with "horizontal_and_vertical" both ways or not at all, as Keras does. */
typedef struct moru_random_flip_options {
    MORU_LAYER_OPTIONS
    const char *mode;          /**< "horizontal", "vertical", "horizontal_and_vertical" */
    int64_t seed;
    const char *data_format;
} moru_random_flip_options;
#define MORU_RANDOM_FLIP_DEFAULTS MORU_LAYER_DEFAULTS, .mode = "horizontal_and_vertical", .seed = MORU_NO_SEED, \
    .data_format = "channels_last"
#define moru_random_flip(...) \
    MORU_WITH_DEFAULTS(moru_random_flip_new, moru_random_flip_options, MORU_RANDOM_FLIP_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_random_flip_new(const moru_random_flip_options *options);

/** Pictures turned around their centre, as moru_affine_transform() reads them. Height and width must be known. */
typedef struct moru_random_rotation_options {
    MORU_LAYER_OPTIONS
    double factor[2];          /**< of a full turn */
    const char *fill_mode;     /**< "reflect", "wrap", "constant", "nearest" */
    const char *interpolation; /**< "bilinear", "nearest" */
    int64_t seed;
    double fill_value;
    const char *data_format;
} moru_random_rotation_options;
#define MORU_RANDOM_ROTATION_DEFAULTS MORU_LAYER_DEFAULTS, .fill_mode = "reflect", .interpolation = "bilinear", \
    .seed = MORU_NO_SEED, .data_format = "channels_last"
#define moru_random_rotation(...) MORU_WITH_DEFAULTS(moru_random_rotation_new, moru_random_rotation_options, \
    MORU_RANDOM_ROTATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_random_rotation_new(const moru_random_rotation_options *options);

/** Pictures whose parts come from 1 + factor times as far from the centre: positive factors make them smaller. */
typedef struct moru_random_zoom_options {
    MORU_LAYER_OPTIONS
    double height_factor[2];   /**< in (-1, 1] */
    double width_factor[2];    /**< NAN, NAN: the same as for the height */
    const char *fill_mode, *interpolation;
    int64_t seed;
    double fill_value;
    const char *data_format;
} moru_random_zoom_options;
#define MORU_RANDOM_ZOOM_DEFAULTS MORU_LAYER_DEFAULTS, .width_factor = {__builtin_nan(""), __builtin_nan("")}, \
    .fill_mode = "reflect", .interpolation = "bilinear", .seed = MORU_NO_SEED, .data_format = "channels_last"
#define moru_random_zoom(...) \
    MORU_WITH_DEFAULTS(moru_random_zoom_new, moru_random_zoom_options, MORU_RANDOM_ZOOM_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_random_zoom_new(const moru_random_zoom_options *options);

/** Pictures moved down and to the right by shares of their size. */
typedef struct moru_random_translation_options {
    MORU_LAYER_OPTIONS
    double height_factor[2], width_factor[2]; /**< in [-1, 1] */
    const char *fill_mode, *interpolation;
    int64_t seed;
    double fill_value;
    const char *data_format;
} moru_random_translation_options;
#define MORU_RANDOM_TRANSLATION_DEFAULTS MORU_LAYER_DEFAULTS, .fill_mode = "reflect", .interpolation = "bilinear", \
    .seed = MORU_NO_SEED, .data_format = "channels_last"
#define moru_random_translation(...) MORU_WITH_DEFAULTS(moru_random_translation_new, moru_random_translation_options, \
    MORU_RANDOM_TRANSLATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_random_translation_new(const moru_random_translation_options *options);

/** RandomContrast: (x - mean) f + mean, mean of the picture's channel, f in [1 - factor[0], 1 + factor[1]]; Keras's
 *  single number f is {0, f}. RandomBrightness: x + d (value_range[1] - value_range[0]), d in factor. Both then cut
 *  off what is outside of value_range. */
typedef struct moru_random_color_options {
    MORU_LAYER_OPTIONS
    double factor[2];
    double value_range[2];
    int64_t seed;
    const char *data_format;
} moru_random_color_options;
#define MORU_RANDOM_COLOR_DEFAULTS MORU_LAYER_DEFAULTS, .value_range = {0, 255}, .seed = MORU_NO_SEED, \
    .data_format = "channels_last"
#define moru_random_contrast(...) \
    MORU_WITH_DEFAULTS(moru_random_contrast_new, moru_random_color_options, MORU_RANDOM_COLOR_DEFAULTS, __VA_ARGS__)
#define moru_random_brightness(...) \
    MORU_WITH_DEFAULTS(moru_random_brightness_new, moru_random_color_options, MORU_RANDOM_COLOR_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_random_contrast_new(const moru_random_color_options *options);
MORU_API moru_layer *moru_random_brightness_new(const moru_random_color_options *options);

/** CenterCrop: height times width pixels out of the middle, always; of smaller pictures the largest part of that
 *  aspect, resized. RandomCrop: in training a part of that size, the same for all pictures of a batch (or, where a
 *  picture isn't larger, resized), and at inference, as in Keras, the whole picture. Sizes of pictures must be
 *  known. */
typedef struct moru_crop_options {
    MORU_LAYER_OPTIONS
    int64_t height, width;
    int64_t seed;              /**< CenterCrop has none */
    const char *data_format;
} moru_crop_options;
#define MORU_CROP_DEFAULTS MORU_LAYER_DEFAULTS, .seed = MORU_NO_SEED, .data_format = "channels_last"
#define moru_center_crop(...) \
    MORU_WITH_DEFAULTS(moru_center_crop_new, moru_crop_options, MORU_CROP_DEFAULTS, __VA_ARGS__)
#define moru_random_crop(...) \
    MORU_WITH_DEFAULTS(moru_random_crop_new, moru_crop_options, MORU_CROP_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_center_crop_new(const moru_crop_options *options);
MORU_API moru_layer *moru_random_crop_new(const moru_crop_options *options);

#ifdef __cplusplus
}
#endif
#endif
