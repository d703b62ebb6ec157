/* Reshape: the same elements under another shape, the batch aside. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_reshape_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_reshape_options, target_shape, MORU_FIELD_SIZES)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_shape *target = &((const moru_reshape_options *)layer->options)->target_shape, *x = &inputs[0];
    char from[MORU_SHAPE_TEXT], to[MORU_SHAPE_TEXT];
    int64_t wanted = 1, given = 1;
    int open = 0;
    bool known = true, fits = true;
    (void)dtypes, (void)n;
    if (target->rank < 0 || target->rank >= MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "target_shape has too many dimensions");
    for (int i = 0; i < target->rank; i++) {
        open += target->dims[i] < 0;
        fits = fits && target->dims[i] >= -1 && (target->dims[i] < 0 || moru_mul_ok(wanted, target->dims[i], &wanted));
    }
    for (int i = 1; i < x->rank; i++) {
        known = known && x->dims[i] >= 0;
        fits = fits && (x->dims[i] < 0 || moru_mul_ok(given, x->dims[i], &given));
    }
    if (fits && known)
        fits = open ? wanted > 0 && given % wanted == 0 : given == wanted;
    if (fits && open <= 1)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_SHAPE, "an input of shape %s doesn't fit target_shape %s",
                            moru_shape_print(x, from, sizeof from), moru_shape_print(target, to, sizeof to));
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_shape *target = &((const moru_reshape_options *)c->layer->options)->target_shape;
    const moru_shape *x = moru_node_shape(c->inputs[0]);
    int64_t dims[MORU_MAX_RANK] = {x->dims[0]}, rest = 1;
    bool known = true;
    for (int i = 1; i < x->rank; i++) {
        known = known && x->dims[i] >= 0;
        rest *= x->dims[i] < 0 ? 1 : x->dims[i];
    }
    for (int i = 0; i < target->rank; i++) {
        dims[i + 1] = target->dims[i];
        if (target->dims[i] > 0)
            rest /= target->dims[i];
    }
    for (int i = 1; known && i <= target->rank; i++)
        if (dims[i] < 0)
            dims[i] = rest; /* worked out here, since an open batch size leaves no second one to the op */
    return moru_reshape(c->inputs[0], dims, target->rank + 1);
}

const moru_layer_class moru_reshape_class = {
    .class_name = "Reshape", .module = "keras.layers", .size = sizeof(moru_reshape_options), .defaults = &defaults,
    .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1, .build = build, .call = call,
};

moru_layer *moru_reshape_new(const moru_reshape_options *options)
{
    return moru_layer_new(&moru_reshape_class, options);
}
