/** @file
 * Normalization of groups, by the root mean square, and to unit length. BatchNormalization and LayerNormalization are
 * in layers.h, Normalization by given statistics in preprocessing.h.
 */
#ifndef MORU_LAYERS_NORMALIZATION_H
#define MORU_LAYERS_NORMALIZATION_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** y = (x - mean)/sqrt(variance + epsilon) gamma + beta; mean and (biased) variance are those of each sample's
 *  groups: of c/groups channels next to each other and all positions; Wu and He, 2018. groups -1: as many as
 *  channels. A groups that doesn't divide the channels is an error. Variables of c numbers: [gamma if scale], [beta
 *  if center]. */
typedef struct moru_group_normalization_options {
    MORU_LAYER_OPTIONS
    int64_t groups;
    int64_t axis;              /**< the channels */
    double epsilon;
    bool center, scale;
    const char *beta_initializer, *gamma_initializer;
    const char *beta_regularizer, *gamma_regularizer;
} moru_group_normalization_options;
#define MORU_GROUP_NORMALIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .groups = 32, .axis = -1, .epsilon = 1e-3, \
    .center = true, .scale = true, .beta_initializer = "zeros", .gamma_initializer = "ones"
#define moru_group_normalization(...) MORU_WITH_DEFAULTS(moru_group_normalization_new, \
    moru_group_normalization_options, MORU_GROUP_NORMALIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_group_normalization_new(const moru_group_normalization_options *options);

/** y = x/sqrt(mean(x^2) + epsilon) scale, the mean over the axes in axis; Zhang and Sennrich, 2019. Variable: scale, of
 *  those axes' sizes, which Keras multiplies with the last axes of x whatever axis says. */
typedef struct moru_rms_normalization_options {
    MORU_LAYER_OPTIONS
    moru_shape axis;           /**< axes, not sizes: MORU_SHAPE(-2, -1) */
    double epsilon;
} moru_rms_normalization_options;
#define MORU_RMS_NORMALIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .axis = {1, {-1}}, .epsilon = 1e-6
#define moru_rms_normalization(...) MORU_WITH_DEFAULTS(moru_rms_normalization_new, moru_rms_normalization_options, \
    MORU_RMS_NORMALIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_rms_normalization_new(const moru_rms_normalization_options *options);

/** y = x/|x|, |x| being the square root of sum(x^2) over the axes in axis, at least 1e-12. No variables. */
typedef struct moru_unit_normalization_options {
    MORU_LAYER_OPTIONS
    moru_shape axis;           /**< axes, not sizes */
} moru_unit_normalization_options;
#define MORU_UNIT_NORMALIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .axis = {1, {-1}}
#define moru_unit_normalization(...) MORU_WITH_DEFAULTS(moru_unit_normalization_new, moru_unit_normalization_options, \
    MORU_UNIT_NORMALIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_unit_normalization_new(const moru_unit_normalization_options *options);

#ifdef __cplusplus
}
#endif
#endif
