/* Softmax: exp(x)/sum exp(x) along an axis. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_softmax_options defaults = {MORU_SOFTMAX_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_softmax_options, axis, MORU_FIELD_INT)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_softmax_options *o = layer->options;
    int axis;
    (void)dtypes, (void)n;
    return moru_layer_axis(layer, o->axis, inputs[0].rank, &axis);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_softmax_options *o = c->layer->options;
    return moru_softmax(moru_as_real(c->inputs[0]), (int)o->axis);
}

const moru_layer_class moru_softmax_class = {
    .class_name = "Softmax", .module = "keras.layers", .size = sizeof(moru_softmax_options), .defaults = &defaults,
    .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_softmax_new(const moru_softmax_options *options)
{
    return moru_layer_new(&moru_softmax_class, options);
}
