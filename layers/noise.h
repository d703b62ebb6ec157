/* Random numbers of layers. */
#ifndef MORU_LAYERS_NOISE_H
#define MORU_LAYERS_NOISE_H

#include "layers/layer.h"

/* The stream of a call's random numbers number k, by the layer's seed (MORU_NO_SEED: by the call's place). */
uint64_t moru_layer_stream(const moru_layer_call *call, int64_t seed, int k);
/* Whether random numbers are drawn at all. */
bool moru_layer_is_noisy(const moru_layer_call *call);
/* x with a size of 1 along the axes where noise_shape (rank 0: none) has a 1: what noise is drawn for. */
moru_node *moru_noise_frame(moru_node *x, const moru_shape *noise_shape);
/* x with one element of each sample: [n, 1, ...]. */
moru_node *moru_sample_frame(moru_node *x);
/* noise_shape has a 1 or the input's size for each of its axes. */
moru_status moru_noise_shape_check(const moru_layer *layer, const moru_shape *noise_shape, const moru_shape *x);
moru_status moru_rate_check(const moru_layer *layer, double rate, bool one_too);

#endif
