/* Dropout: in training each element is zeroed with probability rate, the rest grows by 1/(1 - rate). */
#include "core/status.h"
#include "layers/layer.h"

static const moru_dropout_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_dropout_options, rate, MORU_FIELD_REAL),
    MORU_FIELD_DROPPED("seed"), /* numbers come from the training's seed */
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_dropout_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    if (o->rate >= 0 && o->rate < 1)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "rate must lie in [0, 1), not %g", o->rate);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_dropout_options *o = c->layer->options;
    if (!c->training || c->trace->noiseless || o->rate == 0)
        return c->inputs[0];
    return moru_dropout_op(moru_as_real(c->inputs[0]), o->rate);
}

const moru_layer_class moru_dropout_class = {
    .class_name = "Dropout", .module = "keras.layers", .size = sizeof(moru_dropout_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_dropout_new(const moru_dropout_options *options)
{
    return moru_layer_new(&moru_dropout_class, options);
}
