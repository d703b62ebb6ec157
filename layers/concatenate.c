/* Concatenate: inputs one after another along an axis. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_concatenate_options defaults = {MORU_CONCATENATE_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_concatenate_options, axis, MORU_FIELD_INT)};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_concatenate_options *o = layer->options;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    int axis;
    (void)dtypes;
    MORU_TRY(moru_layer_axis(layer, o->axis, inputs[0].rank, &axis));
    if (axis == 0)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "axis 0, the batch, isn't supported");
    for (int i = 1; i < n; i++) {
        bool fits = inputs[i].rank == inputs[0].rank;
        for (int k = 0; fits && k < inputs[0].rank; k++)
            fits = k == axis || inputs[i].dims[k] == inputs[0].dims[k];
        if (!fits)
            return moru_layer_error(layer, MORU_ERR_SHAPE,
                                    "inputs of shape %s and %s can't be joined along axis %d",
                                    moru_shape_print(&inputs[0], a, sizeof a),
                                    moru_shape_print(&inputs[i], b, sizeof b), axis);
    }
    return MORU_OK;
}

enum { MAX_INPUTS = 256 };

/* Input k's mask for each element; of all elements if it has none. */
static moru_node *mask_of(moru_node *x)
{
    moru_node *mask = x->mask ? moru_as_real(x->mask) : NULL;
    if (!mask)
        return moru_ones_like(moru_as_real(x));
    if (moru_node_shape(mask)->rank < moru_node_shape(x)->rank)
        mask = moru_broadcast_like(moru_expand_dims(mask, -1), x);
    return mask;
}

/* An element counts if any does along the last axis. */
static moru_node *joined_mask(const moru_layer_call *c, int axis)
{
    moru_node *masks[MAX_INPUTS];
    bool masked = false;
    for (int i = 0; i < c->n_inputs; i++)
        masked = masked || c->inputs[i]->mask;
    if (!masked)
        return NULL;
    for (int i = 0; i < c->n_inputs; i++)
        masks[i] = mask_of(c->inputs[i]);
    return moru_max(moru_concat(masks, c->n_inputs, axis), (const int[]){-1}, 1, false);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_concatenate_options *o = c->layer->options;
    moru_node *xs[MAX_INPUTS];
    bool real = false;
    if (c->n_inputs > MAX_INPUTS)
        return moru_graph_fail(c->graph, MORU_ERR_UNSUPPORTED, "more than %d inputs", MAX_INPUTS);
    for (int i = 0; i < c->n_inputs; i++) {
        if (moru_node_failed(c->inputs[i]))
            return c->inputs[i];
        real = real || moru_node_dtype(c->inputs[i]) == MORU_REAL;
    }
    for (int i = 0; i < c->n_inputs; i++)
        xs[i] = real ? moru_as_real(c->inputs[i]) : c->inputs[i];
    moru_node *y = c->n_inputs == 1 ? moru_identity(xs[0]) : moru_concat(xs, c->n_inputs, (int)o->axis);
    if (!moru_node_failed(y))
        y->mask = joined_mask(c, (int)o->axis);
    return y;
}

const moru_layer_class moru_concatenate_class = {
    .class_name = "Concatenate", .module = "keras.layers", .size = sizeof(moru_concatenate_options),
    .defaults = &defaults, .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = -1,
    .masks = MORU_MASK_MADE, .build = build, .call = call,
};

moru_layer *moru_concatenate_new(const moru_concatenate_options *options)
{
    return moru_layer_new(&moru_concatenate_class, options);
}
