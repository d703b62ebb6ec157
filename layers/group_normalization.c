/* GroupNormalization: y = (x - mean)/sqrt(variance + epsilon) gamma + beta, by groups of channels of each sample. */
#include "core/status.h"
#include "layers/layer.h"
#include "ops/group_norm.h"

static const moru_group_normalization_options defaults = {MORU_GROUP_NORMALIZATION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_group_normalization_options, groups, MORU_FIELD_INT),
    MORU_FIELD(moru_group_normalization_options, axis, MORU_FIELD_INT),
    MORU_FIELD(moru_group_normalization_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_group_normalization_options, center, MORU_FIELD_BOOL),
    MORU_FIELD(moru_group_normalization_options, scale, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(moru_group_normalization_options, beta_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_group_normalization_options, gamma_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_group_normalization_options, beta_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_group_normalization_options, gamma_regularizer, "regularizer"),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_group_normalization_options *o = layer->options;
    char text[MORU_SHAPE_TEXT];
    int axis;
    (void)dtypes, (void)n;
    if (o->groups != -1)
        MORU_TRY(moru_layer_positive(layer, "groups", &o->groups, 1));
    if (!(o->epsilon >= 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "epsilon must not be negative, as %g is", o->epsilon);
    MORU_TRY(moru_layer_axis(layer, o->axis, inputs[0].rank, &axis));
    int64_t channels = inputs[0].dims[axis];
    if (axis == 0 || channels < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the size of axis %d of its input %s must be known", axis,
                                moru_shape_print(&inputs[0], text, sizeof text));
    if (o->groups != -1 && (channels < o->groups || channels % o->groups != 0))
        return moru_layer_error(layer, MORU_ERR_SHAPE, "%lld channels can't be shared out to %lld groups",
                                (long long)channels, (long long)o->groups);
    if (inputs[0].rank >= MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its input has too many dimensions");
    if (o->scale)
        MORU_TRY(moru_layer_add_weight(layer, "gamma", MORU_SHAPE(channels), o->gamma_initializer,
                                       o->gamma_regularizer, true));
    return o->center ? moru_layer_add_weight(layer, "beta", MORU_SHAPE(channels), o->beta_initializer,
                                             o->beta_regularizer, true) : MORU_OK;
}

/* Weight k with its numbers along the axis. */
static moru_node *along(const moru_layer_call *c, int k, int axis, const moru_shape *x)
{
    int64_t dims[MORU_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == axis ? x->dims[i] : 1;
    return moru_reshape(moru_layer_weight(c, k), dims, x->rank);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_group_normalization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    const moru_shape *shape = moru_node_shape(x);
    if (moru_node_failed(x))
        return x;
    int axis = (int)(o->axis < 0 ? o->axis + shape->rank : o->axis);
    int64_t groups = o->groups == -1 ? shape->dims[axis] : o->groups;
    moru_node *y = moru_normalize_groups(x, axis, groups, o->epsilon);
    if (o->scale)
        y = moru_mul(y, along(c, 0, axis, shape));
    return o->center ? moru_add(y, along(c, o->scale ? 1 : 0, axis, shape)) : y;
}

const moru_layer_class moru_group_normalization_class = {
    .class_name = "GroupNormalization", .module = "keras.layers", .size = sizeof(moru_group_normalization_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_group_normalization_new(const moru_group_normalization_options *options)
{
    return moru_layer_new(&moru_group_normalization_class, options);
}
