/* Models as graphs: inputs, layers applied to values, outputs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "layers/model.h"

moru_model *moru_functional(const char *name)
{
    return moru_model_new(name, false);
}

/* ---- one use of a layer ---- */

moru_node *moru_layer_run(moru_layer *layer, moru_graph *graph, moru_trace *trace, moru_node *const *xs, int n)
{
    bool frozen = layer->class_->frozen_infers && !layer->trainable;
    moru_layer_call call = {.layer = layer, .graph = graph, .trace = trace, .training = trace->training && !frozen,
                            .inputs = xs, .n_inputs = n};
    moru_graph_push_name(graph, layer->name);
    moru_node *y = layer->class_->call(&call);
    for (int i = 0; i < n; i++)
        if (y == xs[i]) { /* every use has a value of its own */
            y = moru_identity(y);
            break;
        }
    moru_graph_pop_name(graph);
    return y;
}

/* Paths as Keras gives them, and numbers from the model's seed, for the weights that build() has added. */
static moru_status finish_weights(moru_model *model, moru_layer *layer)
{
    for (int k = 0; k < layer->n_weights; k++) {
        moru_weight *w = &layer->weights[k];
        size_t size = strlen(model->name) + strlen(layer->name) + strlen(w->name) + 3;
        if (w->path)
            continue;
        w->path = moru_arena_alloc(&layer->arena, size);
        if (!w->path)
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its weights");
        if (model->sequential)
            snprintf(w->path, size, "%s/%s/%s", model->name, layer->name, w->name);
        else
            snprintf(w->path, size, "%s/%s", layer->name, w->name);
        moru_status status = moru_weight_initialize(w, model->seed);
        if (status != MORU_OK)
            return moru_layer_error(layer, status, "%s: %s", w->name, moru_last_error());
    }
    return MORU_OK;
}

static moru_status build_layer(moru_model *model, moru_layer *layer, moru_node *const *xs, int n)
{
    const moru_layer_class *class_ = layer->class_;
    if (layer->status != MORU_OK)
        return moru_layer_error(layer, layer->status, "%s", layer->error);
    if (n < class_->min_inputs || (class_->max_inputs >= 0 && n > class_->max_inputs))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "it takes %d input%s%s, not %d", class_->min_inputs,
                                class_->min_inputs == 1 ? "" : "s", class_->max_inputs < 0 ? " or more" : "", n);
    moru_shape *shapes = moru_arena_alloc(&layer->arena, (size_t)(n + 1) * sizeof *shapes);
    moru_dtype *dtypes = moru_arena_alloc(&layer->arena, (size_t)(n + 1) * sizeof *dtypes);
    if (!shapes || !dtypes)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
    for (int i = 0; i < n; i++) {
        shapes[i] = xs[i]->shape;
        dtypes[i] = xs[i]->dtype;
    }
    MORU_TRY(class_->build(layer, shapes, dtypes, n));
    if (!layer->built) {
        layer->input_shapes = shapes;
        layer->n_inputs = n;
        layer->built = true;
    }
    return finish_weights(model, layer);
}

static moru_status record(moru_model *model, moru_layer *layer, moru_node *const *xs, int n, moru_node *y,
                          int32_t first)
{
    if (model->n_applications == model->cap_applications) {
        int more = model->cap_applications ? 2 * model->cap_applications : 16;
        moru_application *fresh = realloc(model->applications, (size_t)more * sizeof *fresh);
        if (!fresh)
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to apply it");
        model->applications = fresh;
        model->cap_applications = more;
    }
    moru_node **inputs = moru_arena_alloc(&model->arena, (size_t)(n + 1) * sizeof *inputs);
    if (!inputs)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to apply it");
    for (int i = 0; i < n; i++)
        inputs[i] = xs[i];
    model->applications[model->n_applications++] = (moru_application){layer, inputs, y, n, first,
                                                                      model->graph->n_calls};
    return MORU_OK;
}

moru_node *moru_model_apply(moru_model *model, moru_layer *layer, moru_node *const *xs, int n)
{
    moru_graph *graph = model->graph;
    moru_status status = build_layer(model, layer, xs, n);
    if (status == MORU_OK) {
        int32_t first = graph->n_calls;
        moru_node *y = moru_layer_run(layer, graph, &model->trace, xs, n);
        if (moru_node_failed(y))
            status = moru_layer_error(layer, graph->status, "%s", graph->error);
        else
            status = record(model, layer, xs, n, y, first);
        if (status == MORU_OK)
            return y;
    }
    moru_model_fail(model, status);
    return graph->inert;
}

/* ---- inputs ---- */

moru_node *moru_model_add_input(moru_model *model, moru_layer *layer)
{
    moru_status status = layer->model ? MORU_OK : moru_model_adopt(model, layer);
    if (status != MORU_OK)
        moru_layer_free_one(layer);
    else
        status = moru_model_name_layer(model, layer);
    moru_node **fresh = realloc(model->inputs, (size_t)(model->n_inputs + 1) * sizeof *fresh);
    if (!fresh)
        status = moru_fail(MORU_ERR_MEMORY, "model \"%s\": no memory for an input", model->name);
    else
        model->inputs = fresh;
    if (status == MORU_OK && model->complete)
        status = moru_layer_error(layer, MORU_ERR_STATE, "the outputs of the model \"%s\" are set already",
                                  model->name);
    if (status != MORU_OK) {
        moru_model_fail(model, status);
        return model->graph->inert;
    }
    moru_node *x = moru_model_apply(model, layer, NULL, 0);
    if (!moru_node_failed(x))
        model->inputs[model->n_inputs++] = x;
    return x;
}

static moru_node *add_input(moru_model *model, const char *name, const int64_t *dims, int rank, moru_dtype dtype)
{
    moru_shape shape = {.rank = rank};
    if (!model)
        return NULL;
    if (rank < 0 || rank >= MORU_MAX_RANK || (rank > 0 && !dims)) {
        moru_model_fail(model, moru_fail(MORU_ERR_SHAPE, "model \"%s\": an input has 0 to %d dimensions, not %d",
                                         model->name, MORU_MAX_RANK - 1, rank));
        return model->graph->inert;
    }
    for (int i = 0; i < rank; i++)
        shape.dims[i] = dims[i];
    moru_layer *layer = moru_input_layer(shape, dtype, name);
    if (layer)
        return moru_model_add_input(model, layer);
    moru_model_fail(model, MORU_ERR_MEMORY);
    return model->graph->inert;
}

moru_node *moru_model_input(moru_model *model, const char *name, const int64_t *dims, int rank)
{
    return add_input(model, name, dims, rank, MORU_REAL);
}

moru_node *moru_model_input_int(moru_model *model, const char *name, const int64_t *dims, int rank)
{
    return add_input(model, name, dims, rank, MORU_INT32);
}

/* ---- layers ---- */

/* What is wrong with applying layer, which may be new, to xs. */
static moru_status check_use(const moru_model *model, const moru_layer *layer, moru_node *const *xs, int n)
{
    if (!layer)
        return moru_fail(MORU_ERR_ARGUMENT, "model \"%s\": a layer is missing: it couldn't be made", model->name);
    if (layer->model && layer->model != model)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "it belongs to the model \"%s\" and can't be used in \"%s\"",
                                layer->model->name, model->name);
    if (layer->class_ == &moru_input_class)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "an input layer can't be applied");
    if (model->complete)
        return moru_layer_error(layer, MORU_ERR_STATE, "the outputs of the model \"%s\" are set already", model->name);
    for (int i = 0; i < n; i++) {
        if (!xs[i])
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its input %d is missing", i);
        if (xs[i]->graph != model->graph)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its inputs belong to different models");
    }
    return MORU_OK;
}

moru_node *moru_apply_n(moru_layer *layer, moru_node *const *xs, int n)
{
    moru_graph *graph = moru_graph_of(xs, n);
    moru_model *model = graph ? graph->owner : NULL;
    const char *class_name = layer ? layer->class_->class_name : "a layer";
    if (!graph) {
        moru_fail(MORU_ERR_ARGUMENT, "%s: it is applied to nothing", class_name);
        return NULL;
    }
    if (!model)
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT,
                               "%s: layers are applied to values of a model (moru_model_input())",
                               class_name);
    moru_status status = MORU_OK;
    if (layer && !layer->model) {
        status = moru_model_adopt(model, layer);
        if (status != MORU_OK) {
            moru_layer_free_one(layer);
            moru_model_fail(model, status);
            return graph->inert;
        }
        status = moru_model_name_layer(model, layer);
    }
    if (status == MORU_OK)
        status = check_use(model, layer, xs, n);
    if (status != MORU_OK) {
        moru_model_fail(model, status);
        return graph->inert;
    }
    for (int i = 0; i < n; i++)
        if (moru_node_failed(xs[i]))
            return graph->inert;
    return moru_model_status(model) == MORU_OK ? moru_model_apply(model, layer, xs, n) : graph->inert;
}

moru_node *moru_apply(moru_layer *layer, moru_node *x)
{
    return moru_apply_n(layer, &x, 1);
}

/* ---- outputs ---- */

static moru_status set_outputs(moru_model *model, moru_node *const *outputs, int n)
{
    if (model->complete)
        return moru_fail(MORU_ERR_STATE, "model \"%s\": its outputs are set already", model->name);
    if (n < 1 || !outputs)
        return moru_fail(MORU_ERR_ARGUMENT, "model \"%s\": it needs an output", model->name);
    for (int i = 0; i < n; i++)
        if (!outputs[i] || outputs[i]->graph != model->graph)
            return moru_fail(MORU_ERR_ARGUMENT, "model \"%s\": output %d is no value of this model", model->name, i);
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    model->outputs = moru_arena_alloc(&model->arena, (size_t)n * sizeof *model->outputs);
    if (!model->outputs)
        return moru_fail(MORU_ERR_MEMORY, "model \"%s\": no memory", model->name);
    for (int i = 0; i < n; i++)
        model->outputs[i] = outputs[i];
    model->n_outputs = n;
    return moru_model_find_order(model);
}

moru_status moru_model_outputs(moru_model *model, moru_node *const *outputs, int n)
{
    if (!model)
        return moru_fail(MORU_ERR_ARGUMENT, "outputs: the model is NULL");
    moru_status status = set_outputs(model, outputs, n);
    if (status != MORU_OK)
        return moru_model_fail(model, status);
    model->complete = true;
    return MORU_OK;
}
