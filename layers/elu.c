/* ELU: x >= 0 ? x : alpha (exp(x) - 1). */
#include <math.h>

#include "core/status.h"
#include "layers/layer.h"

static const moru_elu_options defaults = {MORU_ELU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_elu_options, alpha, MORU_FIELD_REAL)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_elu_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    return isfinite(o->alpha) ? MORU_OK : moru_layer_error(layer, MORU_ERR_ARGUMENT, "alpha must be a number");
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_elu_options *o = c->layer->options;
    return moru_elu(moru_as_real(c->inputs[0]), o->alpha);
}

const moru_layer_class moru_elu_class = {
    .class_name = "ELU", .module = "keras.layers", .size = sizeof(moru_elu_options), .defaults = &defaults,
    .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_elu_new(const moru_elu_options *options)
{
    return moru_layer_new(&moru_elu_class, options);
}
