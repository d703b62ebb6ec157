/* MaxPooling2D and AveragePooling2D: the largest, or the mean, of each window. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_pooling2d_options defaults = {MORU_POOLING2D_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD_ARRAY(moru_pooling2d_options, pool_size, 2),
    MORU_FIELD_ARRAY(moru_pooling2d_options, strides, 2),
    MORU_FIELD(moru_pooling2d_options, padding, MORU_FIELD_TEXT),
    MORU_FIELD(moru_pooling2d_options, data_format, MORU_FIELD_TEXT),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    moru_pooling2d_options *o = layer->options;
    moru_padding padding;
    (void)dtypes, (void)n;
    for (int i = 0; i < 2; i++)
        if (o->strides[i] == 0)
            o->strides[i] = o->pool_size[i];
    MORU_TRY(moru_layer_positive(layer, "pool_size", o->pool_size, 2));
    MORU_TRY(moru_layer_positive(layer, "strides", o->strides, 2));
    MORU_TRY(moru_layer_padding(layer, o->padding, &padding));
    MORU_TRY(moru_layer_channels_last(layer, o->data_format));
    return moru_layer_rank(layer, &inputs[0], 4);
}

static moru_pool2d_attrs attributes(const moru_layer *layer)
{
    const moru_pooling2d_options *o = layer->options;
    moru_pool2d_attrs attrs = {.size = {o->pool_size[0], o->pool_size[1]}, .strides = {o->strides[0], o->strides[1]}};
    moru_layer_padding(layer, o->padding, &attrs.padding);
    return attrs;
}

static moru_node *call_max(const moru_layer_call *c)
{
    moru_pool2d_attrs attrs = attributes(c->layer);
    return moru_max_pool2d(c->inputs[0], &attrs);
}

/* Padded cells don't count. */
static moru_node *call_average(const moru_layer_call *c)
{
    moru_pool2d_attrs attrs = attributes(c->layer);
    return moru_avg_pool2d(c->inputs[0], &attrs);
}

#define POOLING(name, call_) \
    {.class_name = (name), .module = "keras.layers", .size = sizeof(moru_pooling2d_options), .defaults = &defaults, \
     .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1, .build = build, \
     .call = (call_)}

const moru_layer_class moru_max_pooling2d_class = POOLING("MaxPooling2D", call_max);
const moru_layer_class moru_average_pooling2d_class = POOLING("AveragePooling2D", call_average);

moru_layer *moru_max_pooling2d_new(const moru_pooling2d_options *options)
{
    return moru_layer_new(&moru_max_pooling2d_class, options);
}

moru_layer *moru_average_pooling2d_new(const moru_pooling2d_options *options)
{
    return moru_layer_new(&moru_average_pooling2d_class, options);
}
