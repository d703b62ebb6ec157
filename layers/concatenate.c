/* Concatenate: inputs one after another along an axis. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_concatenate_options defaults = {MORU_CONCATENATE_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_concatenate_options, axis, MORU_FIELD_INT)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_concatenate_options *o = layer->options;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    int axis;
    MORU_TRY(moru_layer_axis(layer, o->axis, inputs[0].rank, &axis));
    if (axis == 0)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "axis 0, the batch, isn't supported");
    for (int i = 1; i < n; i++) {
        bool fits = inputs[i].rank == inputs[0].rank && dtypes[i] == dtypes[0];
        for (int k = 0; fits && k < inputs[0].rank; k++)
            fits = k == axis || inputs[i].dims[k] == inputs[0].dims[k];
        if (!fits)
            return moru_layer_error(layer, MORU_ERR_SHAPE,
                                    "%s inputs of shape %s and %s ones of shape %s can't be joined along "
                                    "axis %d", moru_dtype_name(dtypes[0]), moru_shape_print(&inputs[0], a, sizeof a),
                                    moru_dtype_name(dtypes[i]), moru_shape_print(&inputs[i], b, sizeof b), axis);
    }
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_concatenate_options *o = c->layer->options;
    return c->n_inputs == 1 ? c->inputs[0] : moru_concat(c->inputs, c->n_inputs, (int)o->axis);
}

const moru_layer_class moru_concatenate_class = {
    .class_name = "Concatenate", .module = "keras.layers", .size = sizeof(moru_concatenate_options),
    .defaults = &defaults, .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = -1,
    .build = build, .call = call,
};

moru_layer *moru_concatenate_new(const moru_concatenate_options *options)
{
    return moru_layer_new(&moru_concatenate_class, options);
}
