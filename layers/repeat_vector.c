/* RepeatVector: [n, c] to [n, times, c], every step the same. */
#include "core/status.h"
#include "layers/spatial.h"

static const moru_repeat_vector_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_repeat_vector_options, n, MORU_FIELD_INT)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_repeat_vector_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "n", &o->n, 1));
    return moru_layer_rank(layer, &inputs[0], 2);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_repeat_vector_options *o = c->layer->options;
    return moru_repeat_elements(moru_expand_dims(c->inputs[0], 1), 1, o->n);
}

const moru_layer_class moru_repeat_vector_class = {
    .class_name = "RepeatVector", .module = "keras.layers", .size = sizeof(moru_repeat_vector_options),
    .defaults = &defaults, .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1, .build = build,
    .call = call,
};

moru_layer *moru_repeat_vector_new(const moru_repeat_vector_options *options)
{
    return moru_layer_new(&moru_repeat_vector_class, options);
}
