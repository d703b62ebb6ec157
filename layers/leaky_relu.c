/* LeakyReLU: x >= 0 ? x : negative_slope x. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_leaky_relu_options defaults = {MORU_LEAKY_RELU_LAYER_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_leaky_relu_options, negative_slope, MORU_FIELD_REAL),
    /* Keras 2 */
    MORU_FIELD_NAMED(moru_leaky_relu_options, negative_slope, MORU_FIELD_REAL | MORU_FIELD_READ_ONLY, "alpha"),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_leaky_relu_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    if (o->negative_slope >= 0)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "negative_slope must not be negative, as %g is",
                            o->negative_slope);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_leaky_relu_options *o = c->layer->options;
    return moru_leaky_relu(moru_as_real(c->inputs[0]), o->negative_slope);
}

const moru_layer_class moru_leaky_relu_class = {
    .class_name = "LeakyReLU", .module = "keras.layers", .size = sizeof(moru_leaky_relu_options), .defaults = &defaults,
    .fields = fields, .n_fields = 2, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_leaky_relu_new(const moru_leaky_relu_options *options)
{
    return moru_layer_new(&moru_leaky_relu_class, options);
}
