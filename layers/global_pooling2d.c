/* GlobalMaxPooling2D and GlobalAveragePooling2D: [n,h,w,c] to [n,c], or [n,1,1,c] with keepdims. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_global_pooling2d_options defaults = {MORU_GLOBAL_POOLING2D_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_global_pooling2d_options, data_format, MORU_FIELD_TEXT),
    MORU_FIELD(moru_global_pooling2d_options, keepdims, MORU_FIELD_BOOL),
};
static const int height_and_width[] = {1, 2};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_global_pooling2d_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_channels_last(layer, o->data_format));
    return moru_layer_rank(layer, &inputs[0], 4);
}

static moru_node *call_max(const moru_layer_call *c)
{
    const moru_global_pooling2d_options *o = c->layer->options;
    return moru_max(c->inputs[0], height_and_width, 2, o->keepdims);
}

static moru_node *call_average(const moru_layer_call *c)
{
    const moru_global_pooling2d_options *o = c->layer->options;
    return moru_mean(c->inputs[0], height_and_width, 2, o->keepdims);
}

#define POOLING(name, call_) \
    {.class_name = (name), .module = "keras.layers", .size = sizeof(moru_global_pooling2d_options), \
     .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, \
     .max_inputs = 1, .build = build, .call = (call_)}

const moru_layer_class moru_global_max_pooling2d_class = POOLING("GlobalMaxPooling2D", call_max);
const moru_layer_class moru_global_average_pooling2d_class = POOLING("GlobalAveragePooling2D", call_average);

moru_layer *moru_global_max_pooling2d_new(const moru_global_pooling2d_options *options)
{
    return moru_layer_new(&moru_global_max_pooling2d_class, options);
}

moru_layer *moru_global_average_pooling2d_new(const moru_global_pooling2d_options *options)
{
    return moru_layer_new(&moru_global_average_pooling2d_class, options);
}
