/* ReLU: x >= threshold ? min(x, max_value) : negative_slope (x - threshold). */
#include "core/status.h"
#include "layers/layer.h"

static const moru_relu_options defaults = {MORU_RELU_LAYER_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_relu_options, max_value, MORU_FIELD_REAL),
    MORU_FIELD(moru_relu_options, negative_slope, MORU_FIELD_REAL),
    MORU_FIELD(moru_relu_options, threshold, MORU_FIELD_REAL),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_relu_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    if (o->max_value < 0 || !(o->negative_slope >= 0) || !(o->threshold >= 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT,
                                "max_value %g, negative_slope %g and threshold %g must not be "
                                "negative", o->max_value, o->negative_slope, o->threshold);
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_relu_options *o = c->layer->options;
    return moru_relu_of(moru_as_real(c->inputs[0]), o->negative_slope, o->max_value, o->threshold);
}

const moru_layer_class moru_relu_class = {
    .class_name = "ReLU", .module = "keras.layers", .size = sizeof(moru_relu_options), .defaults = &defaults,
    .fields = fields, .n_fields = 3, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_relu_new(const moru_relu_options *options)
{
    return moru_layer_new(&moru_relu_class, options);
}
