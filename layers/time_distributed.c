/* TimeDistributed: a layer at every step. */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "layers/model.h"
#include "layers/recurrent.h"

static const moru_time_distributed_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_time_distributed_options, layer, MORU_FIELD_LAYER)};
static const char *const named_inputs[] = {"mask", NULL};

static moru_layer *inner_of(const moru_layer *layer)
{
    return ((const moru_time_distributed_options *)layer->options)->layer;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    moru_layer *inner = inner_of(layer);
    moru_shape step = {.rank = inputs[0].rank - 1, .dims = {inputs[0].dims[0]}};
    char name[96];
    (void)n;
    if (!inner)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its layer is missing");
    if (inputs[0].rank < 3)
        return moru_layer_rank(layer, &inputs[0], 3);
    memcpy(step.dims + 1, inputs[0].dims + 2, (size_t)(step.rank - 1) * sizeof *step.dims);
    moru_snake(inner->class_->class_name, name, sizeof name);
    if (!inner->name)
        inner->name = moru_arena_strdup(&inner->arena, name);
    if (!inner->name)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
    MORU_TRY(moru_layer_build_child(layer, inner, &step, dtypes, 1, "layer", inner->nested ? NULL : inner->name));
    if (moru_layer_output_count(inner) != 1)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "a layer with %d outputs isn't supported",
                                moru_layer_output_count(inner));
    return MORU_OK;
}

/* Whether a layer keeps something of its batches: it must see one step after the other then. */
static bool remembers(const moru_layer *layer)
{
    for (int k = 0; k < layer->n_weights; k++)
        if (!layer->weights[k].owner && !layer->weights[k].trainable)
            return true;
    bool any = layer->n_states > 0;
    for (int k = 0; k < layer->n_children && !any; k++)
        any = remembers(layer->children[k]);
    for (int k = 0; layer->nested && k < layer->nested->n_layers && !any; k++)
        any = remembers(layer->nested->layers[k]);
    return any;
}

static moru_node *all_at_once(const moru_layer_call *c, moru_node *x, moru_node *mask)
{
    moru_node *folded = moru_flatten_time(x);
    if (mask && mask->shape.rank > 2 && !moru_node_failed(folded))
        folded->mask = moru_flatten_time(mask);
    const moru_inputs in = {.values = &folded, .n = 1};
    return moru_unfold_time(moru_layer_run_child(c, inner_of(c->layer), &in, NULL), x);
}

static moru_node *one_by_one(const moru_layer_call *c, moru_node *x, moru_node *mask)
{
    int64_t t = x->shape.dims[1];
    if (t < 1 || t > INT32_MAX)
        return moru_graph_fail(c->graph, MORU_ERR_UNSUPPORTED, "%s in training needs a known number of steps",
                               inner_of(c->layer)->class_->class_name);
    moru_node **ys = calloc((size_t)t, sizeof *ys), *y = c->graph->inert;
    if (!ys)
        return moru_graph_fail(c->graph, MORU_ERR_MEMORY, "no memory for the steps");
    for (int64_t p = 0; p < t && c->graph->status == MORU_OK; p++) {
        moru_node *at = moru_rnn_at(x, p);
        if (mask && !moru_node_failed(at))
            at->mask = moru_rnn_at(mask, p);
        ys[p] = moru_layer_run_child(c, inner_of(c->layer), &(moru_inputs){.values = &at, .n = 1}, NULL);
    }
    if (c->graph->status == MORU_OK)
        y = moru_stack(ys, (int)t, 1);
    free(ys);
    return y;
}

static moru_node *call(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0], *mask = moru_layer_mask(c, 0);
    return c->training && remembers(inner_of(c->layer)) ? one_by_one(c, x, mask) : all_at_once(c, x, mask);
}

const moru_layer_class moru_time_distributed_class = {
    .class_name = "TimeDistributed", .module = "keras.layers", .size = sizeof(moru_time_distributed_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .named_inputs = named_inputs,
    .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_time_distributed_new(const moru_time_distributed_options *options)
{
    return moru_layer_new(&moru_time_distributed_class, options);
}
