/* LayerNormalization: y = (x - mean)/sqrt(variance + epsilon) gamma + beta, sample by sample over the last axes. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_layer_normalization_options defaults = {MORU_LAYER_NORMALIZATION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_layer_normalization_options, axis, MORU_FIELD_SIZES),
    MORU_FIELD(moru_layer_normalization_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_layer_normalization_options, center, MORU_FIELD_BOOL),
    MORU_FIELD(moru_layer_normalization_options, scale, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, beta_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, gamma_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, beta_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_layer_normalization_options, gamma_regularizer, "regularizer"),
};

/* The sizes of the axes, which have to be the input's last ones in any order. */
static moru_status find_axes(const moru_layer *layer, const moru_shape *x, moru_shape *sizes)
{
    const moru_layer_normalization_options *o = layer->options;
    char text[MORU_SHAPE_TEXT];
    unsigned seen = 0;
    if (o->axis.rank < 1 || o->axis.rank > MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "axis names no axis");
    for (int i = 0; i < o->axis.rank; i++) {
        int axis;
        MORU_TRY(moru_layer_axis(layer, o->axis.dims[i], x->rank, &axis));
        if (axis < x->rank - o->axis.rank || (seen & 1u << axis))
            return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "only the last axes of %s can be normalized over, "
                                    "which axis %lld isn't among", moru_shape_print(x, text, sizeof text),
                                    (long long)o->axis.dims[i]);
        seen |= 1u << axis;
    }
    *sizes = (moru_shape){.rank = o->axis.rank};
    for (int i = 0; i < sizes->rank; i++) {
        int axis = x->rank - sizes->rank + i;
        sizes->dims[i] = x->dims[axis];
        if (axis == 0 || sizes->dims[i] < 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the size of axis %d of its input %s must be known", axis,
                                    moru_shape_print(x, text, sizeof text));
    }
    return MORU_OK;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_layer_normalization_options *o = layer->options;
    moru_shape sizes;
    (void)dtypes, (void)n;
    if (!(o->epsilon >= 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "epsilon must not be negative, as %g is", o->epsilon);
    MORU_TRY(find_axes(layer, &inputs[0], &sizes));
    if (o->scale)
        MORU_TRY(moru_layer_add_weight(layer, "gamma", sizes, o->gamma_initializer, o->gamma_regularizer, true));
    return o->center ? moru_layer_add_weight(layer, "beta", sizes, o->beta_initializer, o->beta_regularizer, true)
                     : MORU_OK;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_layer_normalization_options *o = c->layer->options;
    moru_node *gamma = o->scale ? moru_layer_weight(c, 0) : NULL;
    moru_node *beta = o->center ? moru_layer_weight(c, o->scale ? 1 : 0) : NULL;
    return moru_layer_norm(moru_as_real(c->inputs[0]), gamma, beta, o->axis.rank, o->epsilon);
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
