/* BatchNormalization: y = (x - mean)/sqrt(variance + epsilon) gamma + beta, by channel; in training with the batch's
 * own statistics, which also move the kept ones: moving = momentum moving + (1 - momentum) batch. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_batch_normalization_options defaults = {MORU_BATCH_NORMALIZATION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_batch_normalization_options, axis, MORU_FIELD_INT),
    MORU_FIELD(moru_batch_normalization_options, momentum, MORU_FIELD_REAL),
    MORU_FIELD(moru_batch_normalization_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_batch_normalization_options, center, MORU_FIELD_BOOL),
    MORU_FIELD(moru_batch_normalization_options, scale, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(moru_batch_normalization_options, beta_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_batch_normalization_options, gamma_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_batch_normalization_options, moving_mean_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_batch_normalization_options, moving_variance_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_batch_normalization_options, beta_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_batch_normalization_options, gamma_regularizer, "regularizer"),
    MORU_FIELD_DROPPED("renorm_momentum"), /* renorm itself isn't known here, so that true is refused */
    MORU_FIELD_DROPPED("synchronized"),    /* means one device alone here */
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_batch_normalization_options *o = layer->options;
    char text[MORU_SHAPE_TEXT];
    int axis;
    (void)dtypes, (void)n;
    if (!(o->momentum >= 0 && o->momentum <= 1))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "momentum must lie in [0, 1], not %g", o->momentum);
    if (!(o->epsilon >= 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "epsilon must not be negative, as %g is", o->epsilon);
    MORU_TRY(moru_layer_axis(layer, o->axis, inputs[0].rank, &axis));
    moru_shape shape = MORU_SHAPE(inputs[0].dims[axis]);
    if (axis == 0 || shape.dims[0] < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the size of axis %d of its input %s must be known", axis,
                                moru_shape_print(&inputs[0], text, sizeof text));
    if (o->scale)
        MORU_TRY(moru_layer_add_weight(layer, "gamma", shape, o->gamma_initializer, o->gamma_regularizer, true));
    if (o->center)
        MORU_TRY(moru_layer_add_weight(layer, "beta", shape, o->beta_initializer, o->beta_regularizer, true));
    MORU_TRY(moru_layer_add_weight(layer, "moving_mean", shape, o->moving_mean_initializer, NULL, false));
    return moru_layer_add_weight(layer, "moving_variance", shape, o->moving_variance_initializer, NULL, false);
}

/* Weight k becomes momentum k + (1 - momentum) value. */
static void move(const moru_layer_call *c, int k, double momentum, moru_node *value)
{
    moru_node *kept = moru_mul_scalar(moru_layer_weight(c, k), momentum);
    moru_layer_update(c, k, moru_add(kept, moru_mul_scalar(value, 1 - momentum)));
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_batch_normalization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    int rank = moru_node_shape(x)->rank, axis = (int)(o->axis < 0 ? o->axis + rank : o->axis), k = 0;
    moru_node *gamma = o->scale ? moru_layer_weight(c, k++) : NULL;
    moru_node *beta = o->center ? moru_layer_weight(c, k++) : NULL;
    if (!c->training)
        return moru_batch_norm_inference(x, gamma, beta, moru_layer_weight(c, k), moru_layer_weight(c, k + 1), axis,
                                         o->epsilon);
    moru_node *y = moru_batch_norm(x, gamma, beta, axis, o->epsilon);
    move(c, k, o->momentum, moru_node_output(y, 1));
    move(c, k + 1, o->momentum, moru_node_output(y, 2));
    return y;
}

const moru_layer_class moru_batch_normalization_class = {
    .class_name = "BatchNormalization", .module = "keras.layers", .size = sizeof(moru_batch_normalization_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .frozen_infers = true, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_batch_normalization_new(const moru_batch_normalization_options *options)
{
    return moru_layer_new(&moru_batch_normalization_class, options);
}
