/* ZeroPadding2D: rows and columns of zeros around pictures. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_zero_padding2d_options defaults = {MORU_ZERO_PADDING2D_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD_ARRAY(moru_zero_padding2d_options, padding, 4),
    MORU_FIELD(moru_zero_padding2d_options, data_format, MORU_FIELD_TEXT),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_zero_padding2d_options *o = layer->options;
    (void)dtypes, (void)n;
    for (int i = 0; i < 4; i++)
        if (o->padding[i] < 0)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "padding must not be negative, as %lld is",
                                    (long long)o->padding[i]);
    MORU_TRY(moru_layer_channels_last(layer, o->data_format));
    return moru_layer_rank(layer, &inputs[0], 4);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_zero_padding2d_options *o = c->layer->options;
    const int64_t before[4] = {0, o->padding[0], o->padding[2], 0}, after[4] = {0, o->padding[1], o->padding[3], 0};
    return moru_pad(c->inputs[0], before, after, 0);
}

const moru_layer_class moru_zero_padding2d_class = {
    .class_name = "ZeroPadding2D", .module = "keras.layers", .size = sizeof(moru_zero_padding2d_options),
    .defaults = &defaults, .fields = fields, .n_fields = 2, .min_inputs = 1, .max_inputs = 1,
    .build = build, .call = call,
};

moru_layer *moru_zero_padding2d_new(const moru_zero_padding2d_options *options)
{
    return moru_layer_new(&moru_zero_padding2d_class, options);
}
