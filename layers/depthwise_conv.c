/* DepthwiseConv1D, DepthwiseConv2D: each channel has depth_multiplier filters of its own,
 * y[n,i,j, c m + k] = activation(sum_{u,v} x[n, i s + u d, j s + v d, c] kernel[u,v,c,k] + bias[c m + k]). */
#include <strings.h>

#include "core/status.h"
#include "layers/convolution.h"

typedef struct conv {
    moru_convolution common;
    int64_t depth_multiplier;
    const char *depthwise_initializer, *bias_initializer, *depthwise_regularizer, *bias_regularizer;
} conv;

static moru_status build(moru_layer *layer, const conv *v, const moru_shape *input)
{
    int64_t channels, outputs;
    MORU_TRY(moru_layer_positive(layer, "depth_multiplier", &v->depth_multiplier, 1));
    if (v->common.padding && strcasecmp(v->common.padding, "causal") == 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "padding must be \"valid\" or \"same\", not \"causal\"");
    MORU_TRY(moru_convolution_check(layer, &v->common, input, &channels));
    if (__builtin_mul_overflow(channels, v->depth_multiplier, &outputs))
        return moru_layer_error(layer, MORU_ERR_MEMORY, "depth_multiplier is too large");
    MORU_TRY(moru_convolution_weight(layer, &v->common, "kernel", false, channels, v->depth_multiplier,
                                     v->depthwise_initializer, v->depthwise_regularizer));
    if (v->common.use_bias)
        MORU_TRY(moru_layer_add_weight(layer, "bias", MORU_SHAPE(outputs), v->bias_initializer, v->bias_regularizer,
                                       true));
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c, const conv *v)
{
    moru_node *y = moru_convolve_depthwise(moru_convolution_input(c, &v->common), moru_layer_weight(c, 0), &v->common);
    return moru_convolution_output(y, v->common.use_bias ? moru_layer_weight(c, 1) : NULL, &v->common);
}

/* The dropped ones are Keras 2's, which don't change anything there. */
#define CONV(id, name, rank, ...) \
    static const moru_##id##_options id##_defaults = {__VA_ARGS__}; \
    static const moru_field id##_fields[] = { \
        MORU_FIELD(moru_##id##_options, depth_multiplier, MORU_FIELD_INT), \
        MORU_CONVOLUTION_FIELDS(moru_##id##_options, rank), \
        MORU_FIELD_OBJECT(moru_##id##_options, depthwise_initializer, "initializer"), \
        MORU_FIELD_OBJECT(moru_##id##_options, depthwise_regularizer, "regularizer"), \
        MORU_FIELD_DROPPED("groups"), \
        MORU_FIELD_DROPPED("kernel_initializer"), \
    }; \
    static conv id##_view(const moru_layer *layer) \
    { \
        const moru_##id##_options *o = layer->options; \
        return (conv){.common = MORU_CONVOLUTION(o, rank), .depth_multiplier = o->depth_multiplier, \
                      .depthwise_initializer = o->depthwise_initializer, .bias_initializer = o->bias_initializer, \
                      .depthwise_regularizer = o->depthwise_regularizer, .bias_regularizer = o->bias_regularizer}; \
    } \
    MORU_FAMILY_CLASS(id, name, conv, moru_##id##_options, id##_defaults, id##_fields)

CONV(depthwise_conv1d, "DepthwiseConv1D", 1, MORU_DEPTHWISE_CONV1D_DEFAULTS)
CONV(depthwise_conv2d, "DepthwiseConv2D", 2, MORU_DEPTHWISE_CONV2D_DEFAULTS)
