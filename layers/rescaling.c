/* Rescaling: x scale + offset, with one number each or one for each channel. */
#include <math.h>

#include "core/status.h"
#include "layers/layer.h"

static const moru_rescaling_options defaults = {MORU_RESCALING_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_rescaling_options, scale, MORU_FIELD_REAL),
    MORU_FIELD_NAMED(moru_rescaling_options, scales, MORU_FIELD_REALS, "scale"),
    MORU_FIELD(moru_rescaling_options, offset, MORU_FIELD_REAL),
    MORU_FIELD_NAMED(moru_rescaling_options, offsets, MORU_FIELD_REALS, "offset"),
};

static moru_status check(const moru_layer *layer, const moru_reals *list, const moru_shape *x)
{
    int64_t last = x->rank > 0 ? x->dims[x->rank - 1] : 1;
    if (list->n < 0 || list->n > MORU_MAX_REALS)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "scale and offset are lists of up to %d numbers",
                                MORU_MAX_REALS);
    for (int i = 0; i < list->n; i++)
        if (!isfinite(list->values[i]))
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "scale and offset must be numbers");
    if (list->n > 1 && last >= 0 && last != list->n)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "%d numbers of scale or offset for %lld channels", list->n,
                                (long long)last);
    return MORU_OK;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_rescaling_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(check(layer, &o->scales, &inputs[0]));
    MORU_TRY(check(layer, &o->offsets, &inputs[0]));
    if (isfinite(o->scale) && isfinite(o->offset))
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "scale and offset must be numbers, not %g and %g", o->scale,
                            o->offset);
}

static moru_node *row(moru_graph *graph, const moru_reals *list)
{
    moru_real values[MORU_MAX_REALS];
    for (int i = 0; i < list->n; i++)
        values[i] = (moru_real)list->values[i];
    return moru_constant(graph, MORU_REAL, MORU_SHAPE(list->n), values);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_rescaling_options *o = c->layer->options;
    moru_node *y = moru_as_real(c->inputs[0]);
    y = o->scales.n > 0 ? moru_mul(y, row(c->graph, &o->scales)) : moru_mul_scalar(y, o->scale);
    if (o->offsets.n > 0)
        return moru_add(y, row(c->graph, &o->offsets));
    return o->offset != 0 ? moru_add_scalar(y, o->offset) : y;
}

const moru_layer_class moru_rescaling_class = {
    .class_name = "Rescaling", .module = "keras.layers", .size = sizeof(moru_rescaling_options), .defaults = &defaults,
    .fields = fields, .n_fields = 4, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_rescaling_new(const moru_rescaling_options *options)
{
    return moru_layer_new(&moru_rescaling_class, options);
}
