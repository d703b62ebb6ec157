/* Flatten: all axes but the batch become one, row by row, channels last: [n,h,w,c] to [n, h w c]. */
#include "core/status.h"
#include "layers/spatial.h"

static const moru_flatten_options defaults = {MORU_FLATTEN_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_flatten_options, data_format, MORU_FIELD_TEXT)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_flatten_options *o = layer->options;
    (void)dtypes, (void)n;
    return moru_spatial_check(layer, o->data_format, &inputs[0], inputs[0].rank - 2);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_flatten_options *o = c->layer->options;
    moru_node *x = moru_channels_to_last(c->inputs[0], o->data_format);
    if (moru_node_failed(x))
        return x;
    return moru_node_shape(x)->rank == 1 ? moru_expand_dims(x, 1) : moru_flatten_from(x, 1);
}

const moru_layer_class moru_flatten_class = {
    .class_name = "Flatten", .module = "keras.layers", .size = sizeof(moru_flatten_options), .defaults = &defaults,
    .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1, .build = build, .call = call,
};

moru_layer *moru_flatten_new(const moru_flatten_options *options)
{
    return moru_layer_new(&moru_flatten_class, options);
}
