/* Softmax: exp(x)/sum exp(x) along one axis or several; what a mask leaves out gets nothing. */
#include "core/status.h"
#include "layers/axes.h"

static const moru_softmax_options defaults = {MORU_SOFTMAX_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_softmax_options, axis, MORU_FIELD_SIZES)};
static const char *const named_inputs[] = {"mask", NULL};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_softmax_options *o = layer->options;
    moru_axes axes;
    (void)dtypes, (void)n;
    return moru_layer_axes(layer, &o->axis, &inputs[0], false, &axes);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_softmax_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]), *mask = moru_layer_mask(c, 0), *y;
    int axes[MORU_MAX_RANK];
    for (int i = 0; i < o->axis.rank; i++)
        axes[i] = (int)o->axis.dims[i];
    if (mask) {
        if (!moru_node_failed(mask) && !moru_node_failed(x) && mask->shape.rank > x->shape.rank)
            return moru_graph_fail(c->graph, MORU_ERR_SHAPE, "Softmax \"%s\": its mask has more dimensions than its "
                                   "input", c->layer->name);
        mask = moru_broadcast_like(moru_greater(moru_as_real(mask), moru_scalar(c->graph, 0.5)), x);
        x = moru_where(mask, x, moru_scalar(c->graph, -1e9)); /* Keras's number: a row without any is uniform before */
    }
    if (o->axis.rank == 1)
        y = moru_softmax(x, axes[0]);
    else
        y = moru_exp(moru_sub(x, moru_logsumexp(x, axes, o->axis.rank, true)));
    return mask ? moru_where(mask, y, moru_scalar(c->graph, 0)) : y;
}

const moru_layer_class moru_softmax_class = {
    .class_name = "Softmax", .module = "keras.layers", .size = sizeof(moru_softmax_options), .defaults = &defaults,
    .fields = fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1, .named_inputs = named_inputs,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_softmax_new(const moru_softmax_options *options)
{
    return moru_layer_new(&moru_softmax_class, options);
}
