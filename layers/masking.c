/* Masking: steps all of whose features are mask_value don't count. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_masking_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_masking_options, mask_value, MORU_FIELD_REAL)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    (void)dtypes, (void)n;
    return inputs[0].rank > 1 ? MORU_OK : moru_layer_rank(layer, &inputs[0], 3);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_masking_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    moru_node *value = moru_add_scalar(moru_zeros_like(x), o->mask_value);
    moru_node *counts = moru_max(moru_not_equal(x, value), (int[]){-1}, 1, true);
    moru_node *y = moru_where(counts, x, moru_zeros_like(x));
    if (!moru_node_failed(y))
        y->mask = moru_squeeze(counts, -1);
    return y;
}

const moru_layer_class moru_masking_class = {
    .class_name = "Masking", .module = "keras.layers", .size = sizeof(moru_masking_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_MADE, .build = build, .call = call,
};

moru_layer *moru_masking_new(const moru_masking_options *options)
{
    return moru_layer_new(&moru_masking_class, options);
}
