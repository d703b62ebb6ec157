/* What preprocessing layers share. */
#ifndef MORU_LAYERS_PREPROCESSING_INTERNAL_H
#define MORU_LAYERS_PREPROCESSING_INTERNAL_H

#include "layers/noise.h"

/* ---- numbers ---- */

/* Numbers of an option in JSON: one (rank 0), or lists of one length in each other. *values is the caller's to free. */
moru_status moru_layer_numbers(const moru_layer *layer, const char *option, const char *json, moru_real **values,
                               moru_shape *shape);
/* Tokens as output_mode wants them: one_hot, multi_hot, count. weights may be NULL. */
moru_node *moru_encode_tokens(moru_node *tokens, moru_node *weights, int64_t depth, const char *output_mode);
moru_status moru_encode_check(const moru_layer *layer, const char *output_mode, const moru_shape *tokens);

/* ---- pictures ---- */

bool moru_is_channels_first(const char *data_format);
/* Pictures [n,h,w,c] or [n,c,h,w]; known: with known heights and widths. */
moru_status moru_pictures_check(const moru_layer *layer, const char *data_format, const moru_shape *x, bool known);
/* Bounds in order, both numbers, and lower <= upper within [least, most]. */
moru_status moru_bounds_check(const moru_layer *layer, const char *option, const double *bounds, double least,
                              double most);
/* Number k of a call, for each sample: [n, 1], evenly from the bounds in whatever order. */
moru_node *moru_sample_uniform(const moru_layer_call *call, moru_node *x, const double *bounds, int64_t seed, int k);
/* [n, 1] as [n, 1, 1, 1]. */
moru_node *moru_over_picture(moru_node *x);

#endif
