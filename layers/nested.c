/* A model as a layer of another one. */
#include <string.h>

#include "core/status.h"
#include "layers/model.h"

typedef struct nested_options { MORU_LAYER_OPTIONS } nested_options;
static const nested_options defaults = {MORU_LAYER_DEFAULTS};
static const char *const named_inputs[] = {"mask", NULL};

static bool fits(const moru_shape *given, const moru_shape *wanted)
{
    bool same = given->rank == wanted->rank;
    for (int k = 0; same && k < given->rank; k++)
        same = given->dims[k] == wanted->dims[k] || given->dims[k] < 0 || wanted->dims[k] < 0;
    return same;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    moru_model *inner = layer->nested;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT], group[192] = "layers/";
    (void)dtypes;
    if (n != inner->n_inputs)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "it takes %d inputs, not %d", inner->n_inputs, n);
    for (int k = 0; k < n; k++)
        if (!fits(&inputs[k], &inner->inputs[k]->shape))
            return moru_layer_error(layer, MORU_ERR_SHAPE, "its input %d is %s, not %s", k,
                                    moru_shape_print(&inner->inputs[k]->shape, a, sizeof a),
                                    moru_shape_print(&inputs[k], b, sizeof b));
    for (int k = 0; k < inner->n_order; k++) {
        moru_layer_group(inner->order, k, group + 7, sizeof group - 7);
        const char *kept = moru_arena_strdup(&layer->arena, group);
        if (!kept)
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
        MORU_TRY(moru_layer_borrow_weights(layer, inner->order[k], kept, inner->order[k]->name));
    }
    return MORU_OK;
}

static int output_count(const moru_layer *layer)
{
    return layer->nested->n_outputs;
}

static moru_node *call(const moru_layer_call *c)
{
    moru_node **inputs = moru_arena_alloc(&c->graph->arena, (size_t)(c->n_inputs + 1) * sizeof *inputs);
    if (!inputs)
        return moru_graph_fail(c->graph, MORU_ERR_MEMORY, "no memory for the inputs of \"%s\"", c->layer->name);
    for (int k = 0; k < c->n_inputs; k++) {
        moru_node *mask = moru_layer_mask(c, k);
        inputs[k] = c->inputs[k];
        if (mask != c->inputs[k]->mask && !moru_node_failed(inputs[k] = moru_identity(c->inputs[k])))
            inputs[k]->mask = mask;
    }
    moru_status status = moru_model_trace_nested(c->layer->nested, c->graph, inputs, c->outputs, c->trace);
    return status == MORU_OK ? c->outputs[0] : c->graph->inert;
}

#define NESTED(id, name, module_) \
    const moru_layer_class moru_##id##_class = { \
        .class_name = (name), .module = (module_), .size = sizeof(nested_options), .defaults = &defaults, \
        .named_inputs = named_inputs, .max_inputs = -1, .masks = MORU_MASK_MADE, .build = build, \
        .output_count = output_count, .call = call}

NESTED(sequential, "Sequential", "keras");
NESTED(functional, "Functional", "keras.src.models.functional");

moru_layer *moru_model_layer_of(moru_model *model)
{
    const nested_options options = {.name = model ? model->name : NULL, .trainable = true};
    if (!model) {
        moru_fail(MORU_ERR_ARGUMENT, "moru_model_layer_of: the model is NULL");
        return NULL;
    }
    moru_layer *layer = moru_layer_new(model->sequential ? &moru_sequential_class : &moru_functional_class, &options);
    if (!layer) {
        moru_model_free(model);
        return NULL;
    }
    layer->nested = model;
    if (model->training && model->free_training)
        model->free_training(model->training);
    model->training = NULL;
    layer->status = moru_model_status(model);
    if (layer->status != MORU_OK)
        snprintf(layer->error, sizeof layer->error, "%s", moru_model_error(model));
    else if (!model->complete)
        layer->status = moru_layer_error(layer, MORU_ERR_STATE, "its outputs aren't set yet");
    if (layer->status != MORU_OK && !layer->error[0])
        snprintf(layer->error, sizeof layer->error, "the outputs of the model inside aren't set yet");
    return layer;
}
