/* What convolutions of one, two and three dimensions and of all kinds share. */
#include <string.h>
#include <strings.h>

#include "core/status.h"
#include "layers/convolution.h"

static bool is_causal(const moru_convolution *v)
{
    return v->rank == 1 && v->padding && strcasecmp(v->padding, "causal") == 0;
}

moru_status moru_convolution_check(const moru_layer *layer, const moru_convolution *v, const moru_shape *input,
                                   int64_t *channels)
{
    moru_padding padding;
    MORU_TRY(moru_layer_positive(layer, "kernel_size", v->kernel_size, v->rank));
    MORU_TRY(moru_layer_positive(layer, "strides", v->strides, v->rank));
    MORU_TRY(moru_layer_positive(layer, "dilation_rate", v->dilation_rate, v->rank));
    for (int i = 0; i < v->rank; i++)
        if (v->kernel_size[i] > INT32_MAX || v->dilation_rate[i] > INT32_MAX || v->strides[i] > INT32_MAX)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "kernel_size, strides or dilation_rate is too large");
    if (!is_causal(v))
        MORU_TRY(moru_layer_padding(layer, v->padding, &padding));
    return moru_spatial_channels(layer, v->data_format, input, v->rank, channels);
}

moru_status moru_convolution_weight(moru_layer *layer, const moru_convolution *v, const char *name, bool pointwise,
                                    int64_t in, int64_t out, const char *initializer, const char *regularizer)
{
    moru_shape shape = {.rank = v->rank + 2};
    for (int i = 0; i < v->rank; i++)
        shape.dims[i] = pointwise ? 1 : v->kernel_size[i];
    shape.dims[v->rank] = in;
    shape.dims[v->rank + 1] = out;
    return moru_layer_add_weight(layer, name, shape, initializer, regularizer, true);
}

moru_node *moru_convolution_input(const moru_layer_call *c, const moru_convolution *v)
{
    moru_node *x = moru_channels_to_last(moru_as_real(c->inputs[0]), v->data_format);
    return v->rank == 1 ? moru_expand_dims(x, 1) : x;
}

moru_node *moru_convolution_kernel(moru_node *weight, const moru_convolution *v)
{
    return v->rank == 1 ? moru_expand_dims(weight, 0) : weight;
}

/* Padding was checked in build(). */
static moru_padding padding_of(const moru_convolution *v)
{
    return is_causal(v) ? MORU_EXPLICIT : strcasecmp(v->padding, "same") == 0 ? MORU_SAME : MORU_VALID;
}

moru_node *moru_convolve(moru_node *x, moru_node *weight, const moru_convolution *v, int64_t groups)
{
    if (v->rank == 3) {
        moru_conv3d_attrs attrs = {.groups = groups, .padding = padding_of(v)};
        memcpy(attrs.strides, v->strides, sizeof attrs.strides);
        memcpy(attrs.dilation, v->dilation_rate, sizeof attrs.dilation);
        return moru_conv3d_op(x, weight, &attrs);
    }
    moru_conv2d_attrs attrs = {.strides = {1, 1}, .dilation = {1, 1}, .groups = groups, .padding = padding_of(v)};
    for (int i = 0; i < v->rank; i++) {
        attrs.strides[2 - v->rank + i] = v->strides[i];
        attrs.dilation[2 - v->rank + i] = v->dilation_rate[i];
    }
    if (is_causal(v))
        attrs.pads[2] = (v->kernel_size[0] - 1) * v->dilation_rate[0];
    return moru_conv2d_op(x, weight, &attrs);
}

/* Output channel c multiplier + k is channel c under filter k: with channels repeated there is one filter for each. */
moru_node *moru_convolve_depthwise(moru_node *x, moru_node *weight, const moru_convolution *v)
{
    moru_node *wide = moru_convolution_kernel(weight, v);
    if (moru_node_failed(x) || moru_node_failed(wide))
        return moru_node_failed(x) ? x : wide;
    const int64_t *w = wide->shape.dims;
    const int64_t dims[] = {w[0], w[1], 1, w[2] * w[3]};
    return moru_convolve(moru_repeat_elements(x, 3, w[3]), moru_reshape(wide, dims, 4), v, w[2] * w[3]);
}

/* Activations that don't look at axes, so that they may come before a change of layout, where they cost nothing. */
static bool is_elementwise(const char *activation)
{
    static const char *const names[] = {"relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "sigmoid", "tanh", "silu",
                                        "swish", "mish", "softplus", "softsign", "hard_sigmoid", "hard_silu",
                                        "hard_swish", "exponential", "linear"};
    for (size_t i = 0; activation && i < sizeof names / sizeof *names; i++)
        if (strcmp(activation, names[i]) == 0)
            return true;
    return !activation;
}

moru_node *moru_convolution_output(moru_node *y, moru_node *bias, const moru_convolution *v)
{
    bool before = is_elementwise(v->activation);
    if (bias)
        y = moru_add(y, bias);
    if (before)
        y = moru_activate(y, v->activation);
    if (v->rank == 1)
        y = moru_squeeze(y, 1);
    y = moru_channels_back(y, v->data_format);
    return before ? y : moru_activate(y, v->activation);
}
