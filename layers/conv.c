/* Conv1D, Conv2D, Conv3D: y[n,i,j,f] = activation(sum_{u,v,c} x[n, i s + u d, j s + v d, c] kernel[u,v,c,f] + bias[f]),
 * with as many axes i, j as there are dimensions. */
#include "core/status.h"
#include "layers/convolution.h"

/* The options that only these have. */
typedef struct conv {
    moru_convolution common;
    int64_t filters, groups;
    const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer;
} conv;

static moru_status build(moru_layer *layer, const conv *v, const moru_shape *input)
{
    int64_t channels;
    MORU_TRY(moru_layer_positive(layer, "filters", &v->filters, 1));
    MORU_TRY(moru_layer_positive(layer, "groups", &v->groups, 1));
    if (v->filters % v->groups != 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%lld filters can't be shared out to %lld groups",
                                (long long)v->filters, (long long)v->groups);
    MORU_TRY(moru_convolution_check(layer, &v->common, input, &channels));
    if (channels % v->groups != 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "%lld channels can't be shared out to %lld groups",
                                (long long)channels, (long long)v->groups);
    MORU_TRY(moru_convolution_weight(layer, &v->common, "kernel", false, channels / v->groups, v->filters,
                                     v->kernel_initializer, v->kernel_regularizer));
    if (v->common.use_bias)
        MORU_TRY(moru_layer_add_weight(layer, "bias", MORU_SHAPE(v->filters), v->bias_initializer, v->bias_regularizer,
                                       true));
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c, const conv *v)
{
    moru_node *kernel = moru_convolution_kernel(moru_layer_weight(c, 0), &v->common);
    moru_node *y = moru_convolve(moru_convolution_input(c, &v->common), kernel, &v->common, v->groups);
    return moru_convolution_output(y, v->common.use_bias ? moru_layer_weight(c, 1) : NULL, &v->common);
}

#define CONV(id, name, rank, ...) \
    static const moru_##id##_options id##_defaults = {__VA_ARGS__}; \
    static const moru_field id##_fields[] = { \
        MORU_FIELD(moru_##id##_options, filters, MORU_FIELD_INT), \
        MORU_FIELD(moru_##id##_options, groups, MORU_FIELD_INT), \
        MORU_CONVOLUTION_FIELDS(moru_##id##_options, rank), \
        MORU_FIELD_OBJECT(moru_##id##_options, kernel_initializer, "initializer"), \
        MORU_FIELD_OBJECT(moru_##id##_options, kernel_regularizer, "regularizer"), \
    }; \
    static conv id##_view(const moru_layer *layer) \
    { \
        const moru_##id##_options *o = layer->options; \
        return (conv){.common = MORU_CONVOLUTION(o, rank), .filters = o->filters, .groups = o->groups, \
                      .kernel_initializer = o->kernel_initializer, .bias_initializer = o->bias_initializer, \
                      .kernel_regularizer = o->kernel_regularizer, .bias_regularizer = o->bias_regularizer}; \
    } \
    MORU_FAMILY_CLASS(id, name, conv, moru_##id##_options, id##_defaults, id##_fields)

CONV(conv1d, "Conv1D", 1, MORU_CONV1D_DEFAULTS)
CONV(conv2d, "Conv2D", 2, MORU_CONV2D_DEFAULTS)
CONV(conv3d, "Conv3D", 3, MORU_CONV3D_DEFAULTS)
