/* PReLU: x > 0 ? x : alpha x, with a trained alpha. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_prelu_options defaults = {MORU_PRELU_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD_OBJECT(moru_prelu_options, alpha_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_prelu_options, alpha_regularizer, "regularizer"),
    MORU_FIELD(moru_prelu_options, shared_axes, MORU_FIELD_OPTIONAL_SHAPE),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_prelu_options *o = layer->options;
    const moru_shape *x = &inputs[0];
    moru_shape alpha = {.rank = x->rank - 1};
    char text[MORU_SHAPE_TEXT];
    (void)dtypes, (void)n;
    if (x->rank < 1)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its input has no dimensions");
    for (int i = 1; i < x->rank; i++)
        alpha.dims[i - 1] = x->dims[i];
    for (int i = 0; i < o->shared_axes.rank; i++) {
        if (o->shared_axes.dims[i] < 1 || o->shared_axes.dims[i] >= x->rank)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "shared_axes has %lld, which is none of the axes 1 to %d",
                                    (long long)o->shared_axes.dims[i], x->rank - 1);
        alpha.dims[o->shared_axes.dims[i] - 1] = 1;
    }
    for (int i = 0; i < alpha.rank; i++)
        if (alpha.dims[i] < 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the size of axis %d of its input %s must be known", i + 1,
                                    moru_shape_print(x, text, sizeof text));
    return moru_layer_add_weight(layer, "alpha", alpha, o->alpha_initializer, o->alpha_regularizer, true);
}

static moru_node *call(const moru_layer_call *c)
{
    moru_node *x = moru_as_real(c->inputs[0]);
    return moru_sub(moru_relu(x), moru_mul(moru_layer_weight(c, 0), moru_relu(moru_neg(x))));
}

const moru_layer_class moru_prelu_class = {
    .class_name = "PReLU", .module = "keras.layers", .size = sizeof(moru_prelu_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_prelu_new(const moru_prelu_options *options)
{
    return moru_layer_new(&moru_prelu_class, options);
}
