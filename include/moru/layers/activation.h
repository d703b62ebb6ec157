/** @file
 * Activations with weights. Those without are in layers.h.
 */
#ifndef MORU_LAYERS_ACTIVATION_H
#define MORU_LAYERS_ACTIVATION_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** y = x > 0 ? x : alpha x; He et al., 2015. Variable: alpha, of the input's shape without the batch, 1 along
 *  shared_axes. Sizes of the other axes must be known. */
typedef struct moru_prelu_options {
    MORU_LAYER_OPTIONS
    const char *alpha_initializer, *alpha_regularizer;
    moru_shape shared_axes;    /**< axes, counted from 1, the first after the batch; none: rank 0 */
} moru_prelu_options;
#define MORU_PRELU_DEFAULTS MORU_LAYER_DEFAULTS, .alpha_initializer = "zeros"
#define moru_prelu(...) MORU_WITH_DEFAULTS(moru_prelu_new, moru_prelu_options, MORU_PRELU_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_prelu_new(const moru_prelu_options *options);

#ifdef __cplusplus
}
#endif
#endif
