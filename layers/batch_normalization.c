/* BatchNormalization: y = (x - mean)/sqrt(variance + epsilon) gamma + beta, by channel; in training with the batch's
 * own statistics, without what a mask leaves out, which also move the kept ones: moving = momentum moving +
 * (1 - momentum) batch. */
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

static const char *const named_inputs[] = {"mask", NULL};

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

/* Moments of what the mask, of x's shape without the last axis, leaves; 1e-7 keeps Keras from dividing by 0. */
static void masked_moments(moru_node *x, moru_node *mask, int axis, moru_node **mean, moru_node **variance)
{
    const moru_shape *shape = moru_node_shape(x);
    int axes[MORU_MAX_RANK], n = 0;
    int64_t row[] = {shape->dims[axis]};
    for (int i = 0; i < shape->rank; i++)
        if (i != axis)
            axes[n++] = i;
    moru_node *weights = moru_broadcast_like(moru_expand_dims(mask, -1), x), *zero = moru_zeros_like(x);
    moru_node *count = moru_add_scalar(moru_sum(weights, axes, n, true), 1e-7);
    *mean = moru_div(moru_sum(moru_where(weights, x, zero), axes, n, true), count);
    moru_node *difference = moru_where(weights, moru_sub(x, *mean), zero);
    *variance = moru_reshape(moru_div(moru_sum(moru_square(difference), axes, n, true), count), row, 1);
    *mean = moru_reshape(*mean, row, 1);
}

static moru_node *train(const moru_layer_call *c, moru_node *x, moru_node *gamma, moru_node *beta, int axis, int k)
{
    const moru_batch_normalization_options *o = c->layer->options;
    moru_node *mask = moru_layer_mask(c, 0), *mean, *variance, *y;
    if (mask && moru_node_shape(mask)->rank != moru_node_shape(x)->rank - 1)
        return moru_graph_fail(c->graph, MORU_ERR_SHAPE, "a mask of %d dimensions for an input of %d",
                               moru_node_shape(mask)->rank, moru_node_shape(x)->rank);
    if (mask) {
        masked_moments(x, moru_as_real(mask), axis, &mean, &variance);
        y = moru_batch_norm_inference(x, gamma, beta, mean, variance, axis, o->epsilon);
    } else {
        y = moru_batch_norm(x, gamma, beta, axis, o->epsilon);
        mean = moru_node_output(y, 1);
        variance = moru_node_output(y, 2);
    }
    move(c, k, o->momentum, mean);
    move(c, k + 1, o->momentum, variance);
    return y;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_batch_normalization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    int rank = moru_node_shape(x)->rank, axis = (int)(o->axis < 0 ? o->axis + rank : o->axis), k = 0;
    moru_node *gamma = o->scale ? moru_layer_weight(c, k++) : NULL;
    moru_node *beta = o->center ? moru_layer_weight(c, k++) : NULL;
    if (c->training && !moru_node_failed(x))
        return train(c, x, gamma, beta, axis, k);
    return moru_batch_norm_inference(x, gamma, beta, moru_layer_weight(c, k), moru_layer_weight(c, k + 1), axis,
                                     o->epsilon);
}

const moru_layer_class moru_batch_normalization_class = {
    .class_name = "BatchNormalization", .module = "keras.layers", .size = sizeof(moru_batch_normalization_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .named_inputs = named_inputs, .frozen_infers = true,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_batch_normalization_new(const moru_batch_normalization_options *options)
{
    return moru_layer_new(&moru_batch_normalization_class, options);
}
