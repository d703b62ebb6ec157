/* Identity: y = x. ActivityRegularization: y = x, with a loss for its size. */
#include <math.h>

#include "core/status.h"
#include "layers/model.h"

static const moru_identity_options defaults = {MORU_LAYER_DEFAULTS};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    (void)layer, (void)inputs, (void)dtypes, (void)n;
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c)
{
    return c->inputs[0];
}

const moru_layer_class moru_identity_class = {
    .class_name = "Identity", .module = "keras.layers", .size = sizeof(moru_identity_options), .defaults = &defaults,
    .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_identity_new(const moru_identity_options *options)
{
    return moru_layer_new(&moru_identity_class, options);
}

/* ---- ActivityRegularization ---- */

static const moru_activity_regularization_options activity_defaults = {MORU_LAYER_DEFAULTS};
static const moru_field activity_fields[] = {
    MORU_FIELD(moru_activity_regularization_options, l1, MORU_FIELD_REAL),
    MORU_FIELD(moru_activity_regularization_options, l2, MORU_FIELD_REAL),
};

static moru_status build_activity(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_activity_regularization_options *o = layer->options;
    (void)dtypes, (void)n;
    if (!(o->l1 >= 0 && o->l2 >= 0 && isfinite(o->l1 + o->l2)))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "l1 and l2 must be numbers of at least 0, not %g and %g",
                                o->l1, o->l2);
    if (inputs[0].rank < 1)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its input has no dimensions");
    return MORU_OK;
}

/* The mean over the samples of what x sums up to in each. */
static moru_node *mean_of_sums(moru_node *x)
{
    return moru_mean_all(moru_sum(moru_flatten_from(moru_expand_dims(x, -1), 1), (const int[]){1}, 1, false));
}

static moru_node *call_activity(const moru_layer_call *c)
{
    const moru_activity_regularization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (o->l1 > 0)
        moru_trace_loss(c->trace, c->graph, moru_mul_scalar(mean_of_sums(moru_abs(x)), o->l1));
    if (o->l2 > 0)
        moru_trace_loss(c->trace, c->graph, moru_mul_scalar(mean_of_sums(moru_square(x)), o->l2));
    return c->inputs[0];
}

const moru_layer_class moru_activity_regularization_class = {
    .class_name = "ActivityRegularization", .module = "keras.layers",
    .size = sizeof(moru_activity_regularization_options), .defaults = &activity_defaults, .fields = activity_fields,
    .n_fields = 2, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build_activity,
    .call = call_activity,
};

moru_layer *moru_activity_regularization_new(const moru_activity_regularization_options *options)
{
    return moru_layer_new(&moru_activity_regularization_class, options);
}
