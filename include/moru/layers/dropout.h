/** @file
 * Layers that do something in training only: noise and penalties. Dropout is in layers.h.
 *
 * Random numbers are functions of the model's seed, the layer's seed if it has one (else its place in the model),
 * the step and the element's index. None of these layers has variables; at inference all are the identity.
 */
#ifndef MORU_LAYERS_DROPOUT_H
#define MORU_LAYERS_DROPOUT_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Drops whole channels of sequences [n, t, c], pictures [n, h, w, c] and volumes [n, d, h, w, c]: each with
 *  probability rate, the others grow by 1/(1 - rate); Tompson et al., 2014. */
typedef struct moru_spatial_dropout_options {
    MORU_LAYER_OPTIONS
    double rate;               /**< in [0, 1] */
    int64_t seed;
    const char *data_format;   /**< "channels_last", or "channels_first": [n, c, ...]. 1D has channels last */
} moru_spatial_dropout_options;
#define MORU_SPATIAL_DROPOUT_DEFAULTS MORU_LAYER_DEFAULTS, .seed = MORU_NO_SEED, .data_format = "channels_last"
#define moru_spatial_dropout1d(...) MORU_WITH_DEFAULTS(moru_spatial_dropout1d_new, moru_spatial_dropout_options, \
    MORU_SPATIAL_DROPOUT_DEFAULTS, __VA_ARGS__)
#define moru_spatial_dropout2d(...) MORU_WITH_DEFAULTS(moru_spatial_dropout2d_new, moru_spatial_dropout_options, \
    MORU_SPATIAL_DROPOUT_DEFAULTS, __VA_ARGS__)
#define moru_spatial_dropout3d(...) MORU_WITH_DEFAULTS(moru_spatial_dropout3d_new, moru_spatial_dropout_options, \
    MORU_SPATIAL_DROPOUT_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_spatial_dropout1d_new(const moru_spatial_dropout_options *options);
MORU_API moru_layer *moru_spatial_dropout2d_new(const moru_spatial_dropout_options *options);
MORU_API moru_layer *moru_spatial_dropout3d_new(const moru_spatial_dropout_options *options);

/** x + e, e normal with mean 0 and deviation stddev. */
typedef struct moru_gaussian_noise_options {
    MORU_LAYER_OPTIONS
    double stddev;             /**< in [0, 1] */
    int64_t seed;
} moru_gaussian_noise_options;
#define MORU_GAUSSIAN_NOISE_DEFAULTS MORU_LAYER_DEFAULTS, .seed = MORU_NO_SEED
#define moru_gaussian_noise(...) MORU_WITH_DEFAULTS(moru_gaussian_noise_new, moru_gaussian_noise_options, \
    MORU_GAUSSIAN_NOISE_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_gaussian_noise_new(const moru_gaussian_noise_options *options);

/** x e, e normal with mean 1 and deviation sqrt(rate/(1 - rate)); Srivastava et al., 2014. */
typedef struct moru_gaussian_dropout_options {
    MORU_LAYER_OPTIONS
    double rate;               /**< in [0, 1) */
    int64_t seed;
} moru_gaussian_dropout_options;
#define MORU_GAUSSIAN_DROPOUT_DEFAULTS MORU_LAYER_DEFAULTS, .seed = MORU_NO_SEED
#define moru_gaussian_dropout(...) MORU_WITH_DEFAULTS(moru_gaussian_dropout_new, moru_gaussian_dropout_options, \
    MORU_GAUSSIAN_DROPOUT_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_gaussian_dropout_new(const moru_gaussian_dropout_options *options);

/** Dropout that keeps mean 0 and variance 1, to go with selu; Klambauer et al., 2017. With a' = -1.0507 1.6733:
 *  y = a (kept ? x : a') + b, a = 1/sqrt((1 - rate)(1 + rate a'^2)), b = -a a' rate. */
typedef struct moru_alpha_dropout_options {
    MORU_LAYER_OPTIONS
    double rate;               /**< in [0, 1) */
    moru_shape noise_shape;    /**< as in Dropout */
    int64_t seed;
} moru_alpha_dropout_options;
#define MORU_ALPHA_DROPOUT_DEFAULTS MORU_LAYER_DEFAULTS, .seed = MORU_NO_SEED
#define moru_alpha_dropout(...) MORU_WITH_DEFAULTS(moru_alpha_dropout_new, moru_alpha_dropout_options, \
    MORU_ALPHA_DROPOUT_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_alpha_dropout_new(const moru_alpha_dropout_options *options);

/** y = x, and (l1 sum |x| + l2 sum x^2)/n, n being the batch's size, joins the model's loss. */
typedef struct moru_activity_regularization_options {
    MORU_LAYER_OPTIONS
    double l1, l2;             /**< at least 0 */
} moru_activity_regularization_options;
#define moru_activity_regularization(...) MORU_WITH_DEFAULTS(moru_activity_regularization_new, \
    moru_activity_regularization_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_activity_regularization_new(const moru_activity_regularization_options *options);

/** y = x. */
typedef struct moru_identity_options { MORU_LAYER_OPTIONS } moru_identity_options;
#define moru_identity_layer(...) \
    MORU_WITH_DEFAULTS(moru_identity_new, moru_identity_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_identity_new(const moru_identity_options *options);

#ifdef __cplusplus
}
#endif
#endif
