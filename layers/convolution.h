/* What convolutions of one, two and three dimensions and of all kinds share. A sequence is convolved as a picture of
 * height 1: its wide form. */
#ifndef MORU_LAYERS_CONVOLUTION_INSIDE_H
#define MORU_LAYERS_CONVOLUTION_INSIDE_H

#include "layers/spatial.h"

/* The options they have in common; arrays of `rank`. */
typedef struct moru_convolution {
    int rank;
    const int64_t *kernel_size, *strides, *dilation_rate;
    const char *padding, *data_format, *activation;
    bool use_bias;
} moru_convolution;

#define MORU_CONVOLUTION(o, rank_) \
    {.rank = (rank_), .kernel_size = (o)->kernel_size, .strides = (o)->strides, .dilation_rate = (o)->dilation_rate, \
     .padding = (o)->padding, .data_format = (o)->data_format, .activation = (o)->activation, .use_bias = (o)->use_bias}

/* Rows of a class's table of fields. */
#define MORU_CONVOLUTION_FIELDS(type, rank) \
    MORU_FIELD_ARRAY(type, kernel_size, rank), \
    MORU_FIELD_ARRAY(type, strides, rank), \
    MORU_FIELD(type, padding, MORU_FIELD_TEXT), \
    MORU_FIELD(type, data_format, MORU_FIELD_TEXT), \
    MORU_FIELD_ARRAY(type, dilation_rate, rank), \
    MORU_FIELD_OBJECT(type, activation, "activation"), \
    MORU_FIELD(type, use_bias, MORU_FIELD_BOOL), \
    MORU_FIELD_OBJECT(type, bias_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, bias_regularizer, "regularizer")

/* For build(): the options in common, and the input. */
moru_status moru_convolution_check(const moru_layer *layer, const moru_convolution *v, const moru_shape *input,
                                   int64_t *channels);
/* A weight [kernel_size .., in, out]. */
moru_status moru_convolution_weight(moru_layer *layer, const moru_convolution *v, const char *name, bool pointwise,
                                    int64_t in, int64_t out, const char *initializer, const char *regularizer);

/* The input as the ops take it: channels last, wide. */
moru_node *moru_convolution_input(const moru_layer_call *c, const moru_convolution *v);
/* A weight [kernel_size .., in, out] in its wide form. */
moru_node *moru_convolution_kernel(moru_node *weight, const moru_convolution *v);
/* Convolution of a wide x with a wide weight. */
moru_node *moru_convolve(moru_node *x, moru_node *weight, const moru_convolution *v, int64_t groups);
/* One filter, or `multiplier` ones, for each channel: weight [kernel_size .., c, multiplier] as it is stored. */
moru_node *moru_convolve_depthwise(moru_node *x, moru_node *weight, const moru_convolution *v);
/* With bias (NULL: none) and activation, in the layer's own form. */
moru_node *moru_convolution_output(moru_node *y, moru_node *bias, const moru_convolution *v);

#endif
