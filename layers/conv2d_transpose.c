/* Conv2DTranspose: y[n, i s + u d - p, j s + v d - p, f] sums x[n,i,j,c] kernel[u,v,f,c], + bias[f], then activation. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_conv2d_transpose_options defaults = {MORU_CONV2D_TRANSPOSE_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_conv2d_transpose_options, filters, MORU_FIELD_INT),
    MORU_FIELD_ARRAY(moru_conv2d_transpose_options, kernel_size, 2),
    MORU_FIELD_ARRAY(moru_conv2d_transpose_options, strides, 2),
    MORU_FIELD(moru_conv2d_transpose_options, padding, MORU_FIELD_TEXT),
    {.name = "output_padding", .kind = MORU_FIELD_OPTIONAL_INTS, .count = 2,
     .offset = offsetof(moru_conv2d_transpose_options, output_padding)},
    MORU_FIELD(moru_conv2d_transpose_options, data_format, MORU_FIELD_TEXT),
    MORU_FIELD_ARRAY(moru_conv2d_transpose_options, dilation_rate, 2),
    MORU_FIELD_OBJECT(moru_conv2d_transpose_options, activation, "activation"),
    MORU_FIELD(moru_conv2d_transpose_options, use_bias, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(moru_conv2d_transpose_options, kernel_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_conv2d_transpose_options, bias_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_conv2d_transpose_options, kernel_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_conv2d_transpose_options, bias_regularizer, "regularizer"),
};

/* Keras's None; one of two can't be it. */
static bool is_open(const moru_conv2d_transpose_options *o)
{
    return o->output_padding[0] == -1 && o->output_padding[1] == -1;
}

static moru_status check_options(const moru_layer *layer, const moru_conv2d_transpose_options *o)
{
    moru_padding padding;
    MORU_TRY(moru_layer_positive(layer, "filters", &o->filters, 1));
    MORU_TRY(moru_layer_positive(layer, "kernel_size", o->kernel_size, 2));
    MORU_TRY(moru_layer_positive(layer, "strides", o->strides, 2));
    MORU_TRY(moru_layer_positive(layer, "dilation_rate", o->dilation_rate, 2));
    MORU_TRY(moru_layer_padding(layer, o->padding, &padding));
    MORU_TRY(moru_layer_channels_last(layer, o->data_format));
    bool strides = o->strides[0] > 1 || o->strides[1] > 1;
    if (strides && (o->dilation_rate[0] > 1 || o->dilation_rate[1] > 1))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "strides and dilation_rate can't both be above 1");
    for (int i = 0; i < 2; i++) {
        if (!is_open(o) && (o->output_padding[i] < 0 || o->output_padding[i] >= o->strides[i]))
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "output_padding must be at least 0 and less than strides, "
                                    "not %lld", (long long)o->output_padding[i]);
        if (o->kernel_size[i] > INT32_MAX || o->dilation_rate[i] > INT32_MAX || o->strides[i] > INT32_MAX)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "kernel_size, strides or dilation_rate is too large");
    }
    return MORU_OK;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_conv2d_transpose_options *o = layer->options;
    int64_t channels = inputs[0].dims[3];
    (void)dtypes, (void)n;
    MORU_TRY(check_options(layer, o));
    MORU_TRY(moru_layer_rank(layer, &inputs[0], 4));
    if (channels < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the number of channels of its input must be known");
    MORU_TRY(moru_layer_add_weight(layer, "kernel",
                                   MORU_SHAPE(o->kernel_size[0], o->kernel_size[1], o->filters, channels),
                                   o->kernel_initializer, o->kernel_regularizer, true));
    if (o->use_bias)
        MORU_TRY(moru_layer_add_weight(layer, "bias", MORU_SHAPE(o->filters), o->bias_initializer, o->bias_regularizer,
                                       true));
    return MORU_OK;
}

/* What is cut off or added along an axis, so that the size is what Keras says: beyond (h - 1) stride + k that is
 * `more`, which may be negative; of what is cut off the larger half comes after. */
static void cut_axis(const moru_conv2d_transpose_options *o, int i, bool same, moru_conv2d_transpose_attrs *attrs)
{
    int64_t k = (o->kernel_size[i] - 1) * o->dilation_rate[i] + 1, stride = o->strides[i], more;
    if (same)
        more = is_open(o) ? stride - k : k % 2 + o->output_padding[i] - k;
    else
        more = is_open(o) ? (stride > k ? stride - k : 0) : o->output_padding[i];
    attrs->output_padding[i] = more > 0 ? more : 0;
    attrs->pads[2 * i] = more < 0 ? -more / 2 : 0;
    attrs->pads[2 * i + 1] = more < 0 ? -more - attrs->pads[2 * i] : 0;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_conv2d_transpose_options *o = c->layer->options;
    moru_conv2d_transpose_attrs attrs = {.strides = {o->strides[0], o->strides[1]},
                                         .dilation = {o->dilation_rate[0], o->dilation_rate[1]}};
    moru_padding padding;
    moru_layer_padding(c->layer, o->padding, &padding);
    cut_axis(o, 0, padding == MORU_SAME, &attrs);
    cut_axis(o, 1, padding == MORU_SAME, &attrs);
    moru_node *y = moru_conv2d_transpose_op(c->inputs[0], moru_layer_weight(c, 0), &attrs);
    if (o->use_bias)
        y = moru_add(y, moru_layer_weight(c, 1));
    return moru_activate(y, o->activation);
}

const moru_layer_class moru_conv2d_transpose_class = {
    .class_name = "Conv2DTranspose", .module = "keras.layers", .size = sizeof(moru_conv2d_transpose_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .build = build, .call = call,
};

moru_layer *moru_conv2d_transpose_new(const moru_conv2d_transpose_options *options)
{
    return moru_layer_new(&moru_conv2d_transpose_class, options);
}
