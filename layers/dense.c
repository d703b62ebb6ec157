/* Dense: y = activation(x kernel + bias), over the last axis. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_dense_options defaults = {MORU_DENSE_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_dense_options, units, MORU_FIELD_INT),
    MORU_FIELD_OBJECT(moru_dense_options, activation, "activation"),
    MORU_FIELD(moru_dense_options, use_bias, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(moru_dense_options, kernel_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_dense_options, bias_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_dense_options, kernel_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_dense_options, bias_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_dense_options, activity_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_dense_options, kernel_constraint, "constraint"),
    MORU_FIELD_OBJECT(moru_dense_options, bias_constraint, "constraint"),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_dense_options *o = layer->options;
    const moru_shape *x = &inputs[0];
    char text[MORU_SHAPE_TEXT];
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "units", &o->units, 1));
    if (x->rank < 2 || x->dims[x->rank - 1] < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE,
                                "it takes inputs of two or more dimensions, the last of a known size, "
                                "not %s", moru_shape_print(x, text, sizeof text));
    MORU_TRY(moru_layer_add_weight(layer, "kernel", MORU_SHAPE(x->dims[x->rank - 1], o->units), o->kernel_initializer,
                                   o->kernel_regularizer, true));
    if (o->use_bias)
        MORU_TRY(moru_layer_add_weight(layer, "bias", MORU_SHAPE(o->units), o->bias_initializer, o->bias_regularizer,
                                       true));
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_dense_options *o = c->layer->options;
    moru_node *y = moru_matmul(moru_as_real(c->inputs[0]), moru_layer_weight(c, 0));
    if (o->use_bias)
        y = moru_add(y, moru_layer_weight(c, 1));
    return moru_activate(y, o->activation);
}

const moru_layer_class moru_dense_class = {
    .class_name = "Dense", .module = "keras.layers", .size = sizeof(moru_dense_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_dense_new(const moru_dense_options *options)
{
    return moru_layer_new(&moru_dense_class, options);
}
