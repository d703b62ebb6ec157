/* Conv1DTranspose, Conv2DTranspose, Conv3DTranspose: y[n, i s + u d - p, j s + v d - p, f] sums
 * x[n,i,j,c] kernel[u,v,f,c], + bias[f], then activation. */
#include <string.h>
#include <strings.h>

#include "core/status.h"
#include "layers/convolution.h"

typedef struct conv {
    moru_convolution common;
    const int64_t *output_padding;
    int64_t filters;
    const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer;
} conv;

/* Keras's None; one of several can't be it. */
static bool is_open(const conv *v)
{
    for (int i = 0; i < v->common.rank; i++)
        if (v->output_padding[i] != -1)
            return false;
    return true;
}

static moru_status check_options(const moru_layer *layer, const conv *v)
{
    const moru_convolution *common = &v->common;
    bool strides = false, dilated = false;
    MORU_TRY(moru_layer_positive(layer, "filters", &v->filters, 1));
    for (int i = 0; i < common->rank; i++) {
        strides = strides || common->strides[i] > 1;
        dilated = dilated || common->dilation_rate[i] > 1;
        if (!is_open(v) && common->strides[i] > 0 &&
            (v->output_padding[i] < 0 || v->output_padding[i] >= common->strides[i]))
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "output_padding must be at least 0 and less than "
                                    "strides, not %lld", (long long)v->output_padding[i]);
    }
    if (strides && dilated)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "strides and dilation_rate can't both be above 1");
    if (common->padding && strcasecmp(common->padding, "causal") == 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "padding must be \"valid\" or \"same\", not \"causal\"");
    return MORU_OK;
}

static moru_status build(moru_layer *layer, const conv *v, const moru_shape *input)
{
    int64_t channels;
    MORU_TRY(check_options(layer, v));
    MORU_TRY(moru_convolution_check(layer, &v->common, input, &channels));
    MORU_TRY(moru_convolution_weight(layer, &v->common, "kernel", false, v->filters, channels, v->kernel_initializer,
                                     v->kernel_regularizer));
    if (v->common.use_bias)
        MORU_TRY(moru_layer_add_weight(layer, "bias", MORU_SHAPE(v->filters), v->bias_initializer, v->bias_regularizer,
                                       true));
    return MORU_OK;
}

/* What is cut off or added along axis i, so that the size is what Keras says: beyond (h - 1) stride + k that is
 * `more`, which may be negative; of what is cut off the larger half comes after. */
static void cut_axis(const conv *v, int i, int64_t *pads, int64_t *output_padding)
{
    const moru_convolution *common = &v->common;
    int64_t k = (common->kernel_size[i] - 1) * common->dilation_rate[i] + 1, stride = common->strides[i], more;
    if (strcasecmp(common->padding, "same") == 0)
        more = is_open(v) ? stride - k : k % 2 + v->output_padding[i] - k;
    else
        more = is_open(v) ? (stride > k ? stride - k : 0) : v->output_padding[i];
    *output_padding = more > 0 ? more : 0;
    pads[0] = more < 0 ? -more / 2 : 0;
    pads[1] = more < 0 ? -more - pads[0] : 0;
}

static moru_node *transposed(moru_node *x, moru_node *kernel, const conv *v)
{
    const moru_convolution *common = &v->common;
    if (common->rank == 3) {
        moru_conv3d_transpose_attrs attrs = {.groups = 1};
        memcpy(attrs.strides, common->strides, sizeof attrs.strides);
        memcpy(attrs.dilation, common->dilation_rate, sizeof attrs.dilation);
        for (int i = 0; i < 3; i++)
            cut_axis(v, i, attrs.pads + 2 * i, &attrs.output_padding[i]);
        return moru_conv3d_transpose_op(x, kernel, &attrs);
    }
    moru_conv2d_transpose_attrs attrs = {.strides = {1, 1}, .dilation = {1, 1}};
    for (int i = 0; i < common->rank; i++) {
        int axis = 2 - common->rank + i;
        attrs.strides[axis] = common->strides[i];
        attrs.dilation[axis] = common->dilation_rate[i];
        cut_axis(v, i, attrs.pads + 2 * axis, &attrs.output_padding[axis]);
    }
    return moru_conv2d_transpose_op(x, kernel, &attrs);
}

static moru_node *call(const moru_layer_call *c, const conv *v)
{
    moru_node *kernel = moru_convolution_kernel(moru_layer_weight(c, 0), &v->common);
    moru_node *y = transposed(moru_convolution_input(c, &v->common), kernel, v);
    return moru_convolution_output(y, v->common.use_bias ? moru_layer_weight(c, 1) : NULL, &v->common);
}

/* Keras 2 writes groups, which it doesn't use. */
#define CONV(id, class_, rank, ...) \
    static const moru_##id##_options id##_defaults = {__VA_ARGS__}; \
    static const moru_field id##_fields[] = { \
        MORU_FIELD(moru_##id##_options, filters, MORU_FIELD_INT), \
        {.name = "output_padding", .kind = MORU_FIELD_OPTIONAL_INTS, .count = (rank), \
         .offset = offsetof(moru_##id##_options, output_padding)}, \
        MORU_CONVOLUTION_FIELDS(moru_##id##_options, rank), \
        MORU_FIELD_OBJECT(moru_##id##_options, kernel_initializer, "initializer"), \
        MORU_FIELD_OBJECT(moru_##id##_options, kernel_regularizer, "regularizer"), \
        MORU_FIELD_DROPPED("groups"), \
    }; \
    static conv id##_view(const moru_layer *layer) \
    { \
        const moru_##id##_options *o = layer->options; \
        return (conv){.common = MORU_CONVOLUTION(o, rank), .filters = o->filters, \
                      .output_padding = o->output_padding, .kernel_initializer = o->kernel_initializer, \
                      .bias_initializer = o->bias_initializer, .kernel_regularizer = o->kernel_regularizer, \
                      .bias_regularizer = o->bias_regularizer}; \
    } \
    MORU_FAMILY_CLASS(id, class_, conv, moru_##id##_options, id##_defaults, id##_fields)

CONV(conv1d_transpose, "Conv1DTranspose", 1, MORU_CONV1D_TRANSPOSE_DEFAULTS)
CONV(conv2d_transpose, "Conv2DTranspose", 2, MORU_CONV2D_TRANSPOSE_DEFAULTS)
CONV(conv3d_transpose, "Conv3DTranspose", 3, MORU_CONV3D_TRANSPOSE_DEFAULTS)
