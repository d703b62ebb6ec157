/* Rescaling: x scale + offset. */
#include <math.h>

#include "core/status.h"
#include "layers/layer.h"

static const moru_rescaling_options defaults = {MORU_RESCALING_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_rescaling_options, scale, MORU_FIELD_REAL),
    MORU_FIELD(moru_rescaling_options, offset, MORU_FIELD_REAL),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_rescaling_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    if (isfinite(o->scale) && isfinite(o->offset))
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "scale and offset must be numbers, not %g and %g", o->scale,
                            o->offset);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_rescaling_options *o = c->layer->options;
    moru_node *y = moru_mul_scalar(moru_as_real(c->inputs[0]), o->scale);
    return o->offset != 0 ? moru_add_scalar(y, o->offset) : y;
}

const moru_layer_class moru_rescaling_class = {
    .class_name = "Rescaling", .module = "keras.layers", .size = sizeof(moru_rescaling_options), .defaults = &defaults,
    .fields = fields, .n_fields = 2, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_rescaling_new(const moru_rescaling_options *options)
{
    return moru_layer_new(&moru_rescaling_class, options);
}
