/* Normalization: (x - mean)/sqrt(variance), by statistics that are given or kept as weights. */
#include <math.h>
#include <stdlib.h>

#include "core/status.h"
#include "layers/axes.h"
#include "layers/preprocessing.h"

static const moru_normalization_options defaults = {MORU_NORMALIZATION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_normalization_options, axis, MORU_FIELD_SIZES),
    MORU_FIELD(moru_normalization_options, mean, MORU_FIELD_JSON),
    MORU_FIELD(moru_normalization_options, variance, MORU_FIELD_JSON),
    MORU_FIELD(moru_normalization_options, invert, MORU_FIELD_BOOL),
};

static moru_status find_axes(const moru_layer *layer, const moru_shape *x, moru_axes *axes)
{
    const moru_normalization_options *o = layer->options;
    *axes = (moru_axes){.n = 0};
    return o->axis.rank == 0 ? MORU_OK : moru_layer_axes(layer, &o->axis, x, true, axes);
}

/* Given numbers, and their shape beside x: their axes are the last of the kept ones. */
static moru_status given(const moru_layer *layer, const char *option, const char *json, const moru_shape *x,
                         moru_real **values, moru_shape *spread)
{
    moru_axes axes;
    moru_shape shape;
    char text[MORU_SHAPE_TEXT];
    MORU_TRY(find_axes(layer, x, &axes));
    MORU_TRY(moru_layer_numbers(layer, option, json, values, &shape));
    *spread = (moru_shape){.rank = x->rank};
    for (int i = 0; i < x->rank; i++)
        spread->dims[i] = 1;
    bool fits = shape.rank <= axes.n;
    for (int i = 1; fits && i <= shape.rank; i++) {
        int axis = axes.sorted[axes.n - i];
        spread->dims[axis] = shape.dims[shape.rank - i];
        fits = spread->dims[axis] == 1 || spread->dims[axis] == x->dims[axis];
    }
    if (fits)
        return MORU_OK;
    free(*values);
    return moru_layer_error(layer, MORU_ERR_SHAPE, "%s %.60s doesn't fit its input %s", option, json,
                            moru_shape_print(x, text, sizeof text));
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_normalization_options *o = layer->options;
    moru_axes axes;
    (void)dtypes, (void)n;
    MORU_TRY(find_axes(layer, &inputs[0], &axes));
    if (!o->mean != !o->variance)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "mean and variance must both be given, or none");
    if (o->mean) {
        moru_real *values;
        moru_shape spread;
        MORU_TRY(given(layer, "mean", o->mean, &inputs[0], &values, &spread));
        free(values);
        MORU_TRY(given(layer, "variance", o->variance, &inputs[0], &values, &spread));
        free(values);
        return MORU_OK;
    }
    moru_shape sizes = {.rank = axes.n};
    for (int i = 0; i < axes.n; i++)
        sizes.dims[i] = inputs[0].dims[axes.sorted[i]];
    MORU_TRY(moru_layer_add_weight(layer, "mean", sizes, "zeros", NULL, false));
    MORU_TRY(moru_layer_add_weight(layer, "variance", sizes, "ones", NULL, false));
    return moru_layer_add_weight(layer, "count", MORU_SCALAR_SHAPE, "zeros", NULL, false);
}

/* Statistic k, 0 the mean and 1 the variance, ready for arithmetic with x. */
static moru_node *statistic(const moru_layer_call *c, int k, moru_node *x)
{
    const moru_normalization_options *o = c->layer->options;
    moru_axes axes;
    moru_real *values;
    moru_shape spread;
    if (!o->mean) {
        if (find_axes(c->layer, moru_node_shape(x), &axes) != MORU_OK)
            return moru_graph_fail(c->graph, MORU_ERR_SHAPE, "%s", moru_last_error());
        return moru_axes_spread(&axes, moru_layer_weight(c, k), x);
    }
    if (given(c->layer, k ? "variance" : "mean", k ? o->variance : o->mean, moru_node_shape(x), &values,
              &spread) != MORU_OK)
        return moru_graph_fail(c->graph, MORU_ERR_SHAPE, "%s", moru_last_error());
    moru_node *node = moru_constant(c->graph, MORU_REAL, spread, values);
    free(values);
    return node;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_normalization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (moru_node_failed(x))
        return x;
    moru_node *mean = statistic(c, 0, x), *deviation = moru_clip(moru_sqrt(statistic(c, 1, x)), 1e-7, INFINITY);
    return o->invert ? moru_add(mean, moru_mul(x, deviation)) : moru_div(moru_sub(x, mean), deviation);
}

const moru_layer_class moru_normalization_class = {
    .class_name = "Normalization", .module = "keras.layers", .size = sizeof(moru_normalization_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_normalization_new(const moru_normalization_options *options)
{
    return moru_layer_new(&moru_normalization_class, options);
}
