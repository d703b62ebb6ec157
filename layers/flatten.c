/* Flatten: all axes but the batch become one, row by row: [n,h,w,c] to [n, h w c]. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_flatten_options defaults = {MORU_FLATTEN_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_flatten_options, data_format, MORU_FIELD_TEXT)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_flatten_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    return moru_layer_channels_last(layer, o->data_format);
}

static moru_node *call(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
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
