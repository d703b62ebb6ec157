/* Models: making, freeing, looking at them; their layers' names; their weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "layers/model.h"

/* ---- making, freeing, errors ---- */

moru_model *moru_model_new(const char *name, bool sequential)
{
    moru_model *model = calloc(1, sizeof *model);
    if (!model)
        goto no_memory;
    model->sequential = sequential;
    model->graph = moru_graph_new();
    model->name = moru_arena_strdup(&model->arena, name && name[0] ? name : sequential ? "sequential" : "functional");
    if (!model->graph || !model->name)
        goto no_memory;
    model->graph->owner = model;
    if (strchr(model->name, '/'))
        moru_model_fail(model, moru_fail(MORU_ERR_ARGUMENT, "model \"%s\": a name can't hold a \"/\"", model->name));
    return model;
no_memory:
    moru_fail(MORU_ERR_MEMORY, "no memory for a model");
    moru_model_free(model);
    return NULL;
}

void moru_model_free(moru_model *model)
{
    if (!model)
        return;
    if (model->training && model->free_training)
        model->free_training(model->training);
    moru_trace_free(&model->trace);
    for (int i = 0; i < model->n_owned; i++)
        moru_layer_free_one(model->layers[i]);
    free(model->layers);
    free(model->applications);
    free(model->inputs);
    moru_graph_free(model->graph);
    moru_arena_free(&model->arena);
    free(model);
}

moru_status moru_model_fail(moru_model *model, moru_status status)
{
    if (model->status == MORU_OK) {
        model->status = status;
        snprintf(model->error, sizeof model->error, "%s", moru_last_error());
        moru_graph_fail(model->graph, status, "%s", model->error);
    }
    return status;
}

/* An op of the user's may have failed without any layer having been told. */
moru_status moru_model_status(const moru_model *model)
{
    return model->status != MORU_OK ? model->status : moru_graph_status(model->graph);
}

const char *moru_model_error(const moru_model *model)
{
    return model->status != MORU_OK ? model->error : moru_graph_error(model->graph);
}

const char *moru_model_name(const moru_model *model)
{
    return model->name;
}

/* ---- layers and their names ---- */

static bool name_taken(const moru_model *model, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (model->layers[i]->name && strcmp(model->layers[i]->name, name) == 0)
            return true;
    return false;
}

enum { LONGEST_NAME = 200 };

/* snake(class), then snake(class)_1, ... */
moru_status moru_model_name_layer(moru_model *model, moru_layer *layer)
{
    char base[128], name[160];
    if (layer->name) {
        if (!layer->name[0] || strchr(layer->name, '/') || strlen(layer->name) > LONGEST_NAME)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "a layer's name has 1 to %d characters and no \"/\"",
                                    LONGEST_NAME);
        int before = 0;
        while (model->layers[before] != layer)
            before++;
        if (name_taken(model, before, layer->name))
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "the model \"%s\" has a layer of that name already",
                                    model->name);
        return MORU_OK;
    }
    moru_snake(moru_layer_source_name(layer), base, sizeof base);
    snprintf(name, sizeof name, "%s", base);
    for (int k = 1; name_taken(model, model->n_owned, name); k++)
        snprintf(name, sizeof name, "%s_%d", base, k);
    layer->name = moru_arena_strdup(&layer->arena, name);
    return layer->name ? MORU_OK : moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its name");
}

moru_status moru_model_adopt(moru_model *model, moru_layer *layer)
{
    if (model->n_owned == model->cap_layers) {
        int more = model->cap_layers ? 2 * model->cap_layers : 16;
        moru_layer **fresh = realloc(model->layers, (size_t)more * sizeof *fresh);
        if (!fresh)
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to put it into a model");
        model->layers = fresh;
        model->cap_layers = more;
    }
    model->layers[model->n_owned++] = layer;
    model->n_layers = model->n_owned;
    layer->model = model;
    return MORU_OK;
}

void moru_model_reset_states(moru_model *model)
{
    for (int k = 0; k < model->n_layers; k++)
        moru_layer_reset_states(model->layers[k]);
}

int moru_model_layer_count(const moru_model *model)
{
    return model->n_layers;
}

moru_layer *moru_model_layer_at(moru_model *model, int k)
{
    return k >= 0 && k < model->n_layers ? model->layers[k] : NULL;
}

moru_layer *moru_model_layer(moru_model *model, const char *name)
{
    for (int i = 0; i < model->n_layers; i++)
        if (model->layers[i]->name && strcmp(model->layers[i]->name, name) == 0)
            return model->layers[i];
    return NULL;
}

int moru_model_input_count(const moru_model *model)
{
    return model->n_inputs;
}

int moru_model_output_count(const moru_model *model)
{
    return model->n_outputs;
}

moru_node *moru_model_input_at(const moru_model *model, int k)
{
    return k >= 0 && k < model->n_inputs ? model->inputs[k] : NULL;
}

moru_node *moru_model_output_at(const moru_model *model, int k)
{
    return k >= 0 && k < model->n_outputs ? model->outputs[k] : NULL;
}

/* ---- weights ---- */

void moru_model_leave_out(moru_model *model, uint32_t passes)
{
    if (model)
        model->without = passes;
}

moru_status moru_model_initialize(moru_model *model, uint64_t seed)
{
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    model->seed = seed;
    for (int i = 0; i < model->n_layers; i++)
        for (int k = 0; k < model->layers[i]->n_weights; k++) {
            moru_weight *w = &model->layers[i]->weights[k];
            moru_status status = moru_weight_initialize(w, seed);
            if (status != MORU_OK)
                return moru_layer_error(model->layers[i], status, "%s: %s", w->name, moru_last_error());
        }
    return MORU_OK;
}

int64_t moru_model_parameter_count(const moru_model *model, bool trainable_only)
{
    int64_t count = 0;
    for (int i = 0; i < model->n_layers; i++) {
        const moru_layer *layer = model->layers[i];
        for (int k = 0; k < layer->n_weights; k++)
            if (!trainable_only || moru_layer_trains(layer, k))
                count += moru_tensor_size(layer->weights[k].tensor);
    }
    return count;
}

int moru_model_keras_order(const moru_model *model, moru_layer **order)
{
    moru_layer **from = model->complete ? model->order : model->layers;
    int n = model->complete ? model->n_order : model->n_layers;
    for (int i = 0; i < n; i++)
        order[i] = from[i];
    return n;
}

int moru_model_weights(const moru_model *model, bool trainable, moru_weight **weights, int capacity)
{
    moru_layer **from = model->complete ? model->order : model->layers;
    int layers = model->complete ? model->n_order : model->n_layers, n = 0;
    for (int i = 0; i < layers; i++)
        for (int k = 0; k < from[i]->n_weights; k++) {
            moru_weight *w = &from[i]->weights[k];
            if (moru_layer_trains(from[i], k) != trainable)
                continue;
            if (n < capacity)
                weights[n] = w;
            n++;
        }
    return n;
}

bool moru_model_summary_at(const moru_model *model, int k, moru_summary_row *row)
{
    if (k < 0 || k >= model->n_layers)
        return false;
    const moru_layer *layer = model->layers[k];
    *row = (moru_summary_row){.name = moru_layer_name(layer), .class_name = layer->class_->class_name,
                              .trainable = layer->trainable};
    for (int i = model->n_applications - 1; i >= 0; i--) /* the first use counts */
        if (model->applications[i].layer == layer)
            row->output = model->applications[i].outputs[0]->shape;
    for (int i = 0; i < row->output.rank; i++)
        if (row->output.dims[i] < 0)
            row->output.dims[i] = -1;
    for (int i = 0; i < layer->n_weights; i++)
        row->parameters += moru_tensor_size(layer->weights[i].tensor);
    return true;
}
