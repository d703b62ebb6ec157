/* Permute: the axes behind the batch in another order. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_permute_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_permute_options, dims, MORU_FIELD_SIZES)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_shape *axes = &((const moru_permute_options *)layer->options)->dims;
    char text[MORU_SHAPE_TEXT];
    unsigned seen = 0;
    (void)dtypes, (void)n;
    for (int i = 0; i < axes->rank && axes->rank < MORU_MAX_RANK; i++)
        if (axes->dims[i] >= 1 && axes->dims[i] <= axes->rank)
            seen |= 1u << axes->dims[i];
    if (axes->rank < 1 || axes->rank >= MORU_MAX_RANK || seen != (1u << (axes->rank + 1)) - 2)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "dims must hold each of 1, 2, ... once, not be %s",
                                moru_shape_print(axes, text, sizeof text));
    return moru_layer_rank(layer, &inputs[0], axes->rank + 1);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_shape *axes = &((const moru_permute_options *)c->layer->options)->dims;
    int order[MORU_MAX_RANK] = {0};
    for (int i = 0; i < axes->rank; i++)
        order[i + 1] = (int)axes->dims[i];
    return moru_transpose(c->inputs[0], order);
}

const moru_layer_class moru_permute_class = {
    .class_name = "Permute", .module = "keras.layers", .size = sizeof(moru_permute_options), .defaults = &defaults,
    .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1, .build = build, .call = call,
};

moru_layer *moru_permute_new(const moru_permute_options *options)
{
    return moru_layer_new(&moru_permute_class, options);
}
