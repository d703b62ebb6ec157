/* RMSNormalization: y = x/sqrt(mean(x^2) + epsilon) scale. UnitNormalization: y = x/|x|. */
#include <math.h>

#include "core/status.h"
#include "layers/axes.h"

static const moru_rms_normalization_options rms_defaults = {MORU_RMS_NORMALIZATION_DEFAULTS};
static const moru_field rms_fields[] = {
    MORU_FIELD(moru_rms_normalization_options, axis, MORU_FIELD_SIZES),
    MORU_FIELD(moru_rms_normalization_options, epsilon, MORU_FIELD_REAL),
};

static moru_status build_rms(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_rms_normalization_options *o = layer->options;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    moru_axes axes;
    (void)dtypes, (void)n;
    if (!(o->epsilon >= 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "epsilon must not be negative, as %g is", o->epsilon);
    MORU_TRY(moru_layer_axes(layer, &o->axis, &inputs[0], true, &axes));
    moru_shape scale = moru_axes_sizes(&axes, &inputs[0]), whole;
    if (moru_broadcast_shapes(&inputs[0], &scale, &whole) != MORU_OK || !moru_shape_equal(&whole, &inputs[0]))
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its scale %s doesn't fit the last axes of its input %s",
                                moru_shape_print(&scale, a, sizeof a), moru_shape_print(&inputs[0], b, sizeof b));
    return moru_layer_add_weight(layer, "scale", scale, "ones", NULL, true);
}

static moru_node *call_rms(const moru_layer_call *c)
{
    const moru_rms_normalization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    int axes[MORU_MAX_RANK];
    for (int i = 0; i < o->axis.rank; i++)
        axes[i] = (int)o->axis.dims[i];
    moru_node *mean = moru_mean(moru_square(x), axes, o->axis.rank, true);
    return moru_mul(moru_mul(x, moru_rsqrt(moru_add_scalar(mean, o->epsilon))), moru_layer_weight(c, 0));
}

const moru_layer_class moru_rms_normalization_class = {
    .class_name = "RMSNormalization", .module = "keras.layers", .size = sizeof(moru_rms_normalization_options),
    .defaults = &rms_defaults, .fields = rms_fields, .n_fields = 2, .min_inputs = 1, .max_inputs = 1,
    .build = build_rms, .call = call_rms,
};

moru_layer *moru_rms_normalization_new(const moru_rms_normalization_options *options)
{
    return moru_layer_new(&moru_rms_normalization_class, options);
}

/* ---- UnitNormalization ---- */

static const moru_unit_normalization_options unit_defaults = {MORU_UNIT_NORMALIZATION_DEFAULTS};
static const moru_field unit_fields[] = {MORU_FIELD(moru_unit_normalization_options, axis, MORU_FIELD_SIZES)};

static moru_status build_unit(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_unit_normalization_options *o = layer->options;
    moru_axes axes;
    (void)dtypes, (void)n;
    return moru_layer_axes(layer, &o->axis, &inputs[0], false, &axes);
}

moru_node *moru_divide_by_length(moru_node *x, const int *axes, int n, double least)
{
    /* bounded before the root, so that the gradient of a length of 0 is 0 */
    moru_node *square = moru_clip(moru_sum(moru_square(x), axes, n, true), least * least, INFINITY);
    return moru_mul(x, moru_rsqrt(square));
}

static moru_node *call_unit(const moru_layer_call *c)
{
    const moru_unit_normalization_options *o = c->layer->options;
    int axes[MORU_MAX_RANK];
    for (int i = 0; i < o->axis.rank; i++)
        axes[i] = (int)o->axis.dims[i];
    return moru_divide_by_length(moru_as_real(c->inputs[0]), axes, o->axis.rank, 1e-12);
}

const moru_layer_class moru_unit_normalization_class = {
    .class_name = "UnitNormalization", .module = "keras.layers", .size = sizeof(moru_unit_normalization_options),
    .defaults = &unit_defaults, .fields = unit_fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_PASSES, .build = build_unit, .call = call_unit,
};

moru_layer *moru_unit_normalization_new(const moru_unit_normalization_options *options)
{
    return moru_layer_new(&moru_unit_normalization_class, options);
}
