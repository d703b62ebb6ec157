/* Conv2D: y[n,i,j,f] = activation(sum_{u,v,c} x[n, i s + u d, j s + v d, c] kernel[u,v,c,f] + bias[f]). */
#include "core/status.h"
#include "layers/layer.h"

static const moru_conv2d_options defaults = {MORU_CONV2D_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_conv2d_options, filters, MORU_FIELD_INT),
    MORU_FIELD_ARRAY(moru_conv2d_options, kernel_size, 2),
    MORU_FIELD_ARRAY(moru_conv2d_options, strides, 2),
    MORU_FIELD(moru_conv2d_options, padding, MORU_FIELD_TEXT),
    MORU_FIELD(moru_conv2d_options, data_format, MORU_FIELD_TEXT),
    MORU_FIELD_ARRAY(moru_conv2d_options, dilation_rate, 2),
    MORU_FIELD(moru_conv2d_options, groups, MORU_FIELD_INT),
    MORU_FIELD_OBJECT(moru_conv2d_options, activation, "activation"),
    MORU_FIELD(moru_conv2d_options, use_bias, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(moru_conv2d_options, kernel_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_conv2d_options, bias_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_conv2d_options, kernel_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_conv2d_options, bias_regularizer, "regularizer"),
};

static moru_status check_options(const moru_layer *layer, const moru_conv2d_options *o)
{
    moru_padding padding;
    MORU_TRY(moru_layer_positive(layer, "filters", &o->filters, 1));
    MORU_TRY(moru_layer_positive(layer, "kernel_size", o->kernel_size, 2));
    MORU_TRY(moru_layer_positive(layer, "strides", o->strides, 2));
    MORU_TRY(moru_layer_positive(layer, "dilation_rate", o->dilation_rate, 2));
    MORU_TRY(moru_layer_positive(layer, "groups", &o->groups, 1));
    MORU_TRY(moru_layer_padding(layer, o->padding, &padding));
    MORU_TRY(moru_layer_channels_last(layer, o->data_format));
    if (o->filters % o->groups != 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%lld filters can't be shared out to %lld groups",
                                (long long)o->filters, (long long)o->groups);
    return MORU_OK;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_conv2d_options *o = layer->options;
    int64_t channels = inputs[0].dims[3];
    (void)dtypes, (void)n;
    MORU_TRY(check_options(layer, o));
    MORU_TRY(moru_layer_rank(layer, &inputs[0], 4));
    if (channels < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the number of channels of its input must be known");
    if (channels % o->groups != 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "%lld channels can't be shared out to %lld groups",
                                (long long)channels, (long long)o->groups);
    MORU_TRY(moru_layer_add_weight(layer, "kernel",
                                   MORU_SHAPE(o->kernel_size[0], o->kernel_size[1], channels / o->groups, o->filters),
                                   o->kernel_initializer, o->kernel_regularizer, true));
    if (o->use_bias)
        MORU_TRY(moru_layer_add_weight(layer, "bias", MORU_SHAPE(o->filters), o->bias_initializer, o->bias_regularizer,
                                       true));
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_conv2d_options *o = c->layer->options;
    moru_conv2d_attrs attrs = {.strides = {o->strides[0], o->strides[1]},
                               .dilation = {o->dilation_rate[0], o->dilation_rate[1]}, .groups = o->groups};
    moru_layer_padding(c->layer, o->padding, &attrs.padding);
    moru_node *y = moru_conv2d_op(c->inputs[0], moru_layer_weight(c, 0), &attrs);
    if (o->use_bias)
        y = moru_add(y, moru_layer_weight(c, 1));
    return moru_activate(y, o->activation);
}

const moru_layer_class moru_conv2d_class = {
    .class_name = "Conv2D", .module = "keras.layers", .size = sizeof(moru_conv2d_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .build = build, .call = call,
};

moru_layer *moru_conv2d_new(const moru_conv2d_options *options)
{
    return moru_layer_new(&moru_conv2d_class, options);
}
