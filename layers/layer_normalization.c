/* LayerNormalization: y = (x - mean)/sqrt(variance + epsilon) gamma + beta, over some axes of each
 * sample; others than the last ones are brought there and back. */
#include "core/status.h"
#include "layers/axes.h"

static const moru_layer_normalization_options defaults = {MORU_LAYER_NORMALIZATION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_layer_normalization_options, axis, MORU_FIELD_SIZES),
    MORU_FIELD(moru_layer_normalization_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_layer_normalization_options, center, MORU_FIELD_BOOL),
    MORU_FIELD(moru_layer_normalization_options, scale, MORU_FIELD_BOOL),
    MORU_FIELD(moru_layer_normalization_options, rms_scaling, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, beta_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, gamma_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, beta_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, gamma_regularizer, "regularizer"),
};

/* With rms_scaling there is always a gamma and never a beta. */
static bool has_gamma(const moru_layer_normalization_options *o)
{
    return o->scale || o->rms_scaling;
}

static bool has_beta(const moru_layer_normalization_options *o)
{
    return o->center && !o->rms_scaling;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_layer_normalization_options *o = layer->options;
    moru_axes axes;
    (void)dtypes, (void)n;
    if (!(o->epsilon >= 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "epsilon must not be negative, as %g is", o->epsilon);
    MORU_TRY(moru_layer_axes(layer, &o->axis, &inputs[0], true, &axes));
    moru_shape sizes = moru_axes_sizes(&axes, &inputs[0]);
    if (has_gamma(o))
        MORU_TRY(moru_layer_add_weight(layer, "gamma", sizes, o->gamma_initializer, o->gamma_regularizer, true));
    return has_beta(o) ? moru_layer_add_weight(layer, "beta", sizes, o->beta_initializer, o->beta_regularizer, true)
                       : MORU_OK;
}

/* x/sqrt(variance + epsilon): the mean stays. */
static moru_node *scale_by_deviation(const moru_layer_call *c, const moru_axes *axes, moru_node *x)
{
    const moru_layer_normalization_options *o = c->layer->options;
    moru_node *variance = moru_variance(x, axes->sorted, axes->n, true, 0);
    moru_node *y = moru_mul(x, moru_rsqrt(moru_add_scalar(variance, o->epsilon)));
    return moru_mul(y, moru_axes_spread(axes, moru_layer_weight(c, 0), x));
}

/* A weight under the sizes of the axes in ascending order. */
static moru_node *weight_of(const moru_layer_call *c, int k, const moru_axes *axes, const moru_shape *x)
{
    int64_t sizes[MORU_MAX_RANK];
    for (int i = 0; i < axes->n; i++)
        sizes[i] = x->dims[axes->sorted[i]];
    return moru_reshape(moru_layer_weight(c, k), sizes, axes->n);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_layer_normalization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    const moru_shape *shape = moru_node_shape(x);
    int order[MORU_MAX_RANK], back[MORU_MAX_RANK];
    moru_axes axes;
    if (moru_node_failed(x) || moru_layer_axes(c->layer, &o->axis, shape, true, &axes) != MORU_OK)
        return moru_graph_fail(c->graph, MORU_ERR_SHAPE, "%s", moru_last_error());
    if (o->rms_scaling)
        return scale_by_deviation(c, &axes, x);
    moru_node *gamma = o->scale ? weight_of(c, 0, &axes, shape) : NULL;
    moru_node *beta = o->center ? weight_of(c, o->scale ? 1 : 0, &axes, shape) : NULL;
    if (axes.last)
        return moru_layer_norm(x, gamma, beta, axes.n, o->epsilon);
    moru_axes_to_end(&axes, shape->rank, order, back);
    return moru_transpose(moru_layer_norm(moru_transpose(x, order), gamma, beta, axes.n, o->epsilon), back);
}

const moru_layer_class moru_layer_normalization_class = {
    .class_name = "LayerNormalization", .module = "keras.layers", .size = sizeof(moru_layer_normalization_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_layer_normalization_new(const moru_layer_normalization_options *options)
{
    return moru_layer_new(&moru_layer_normalization_class, options);
}
