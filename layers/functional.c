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

/* Values given by place come first. */
static int placed(const moru_inputs *in)
{
    int n = 0;
    while (n < in->n && !(in->names && in->names[n]))
        n++;
    return n;
}

int moru_layer_output_count(const moru_layer *layer)
{
    return layer->class_->output_count ? layer->class_->output_count(layer) : 1;
}

moru_node *moru_layer_argument(const moru_layer_call *call, const char *name, int k)
{
    const moru_inputs *in = call->all;
    int next = 0;
    for (int i = call->n_inputs; i < in->n; i++) {
        const char *number = strchr(in->names[i], ':');
        size_t length = number ? (size_t)(number - in->names[i]) : strlen(in->names[i]);
        if (strncmp(in->names[i], name, length) != 0 || name[length])
            continue;
        next = number ? atoi(number + 1) : next;
        if (next++ == k)
            return in->values[i];
    }
    return NULL;
}

moru_node *moru_layer_mask(const moru_layer_call *call, int k)
{
    moru_node *given = moru_layer_argument(call, "mask", k);
    return given ? given : call->inputs[k]->mask;
}

static bool is_input(const moru_inputs *in, const moru_node *y)
{
    for (int i = 0; i < in->n; i++)
        if (y == in->values[i])
            return true;
    return false;
}

static moru_node *any_mask(const moru_layer_call *call)
{
    moru_node *mask = call->inputs[0]->mask;
    for (int k = 1; k < call->n_inputs && mask; k++)
        mask = call->inputs[k]->mask ? moru_logical_or(mask, call->inputs[k]->mask) : NULL;
    return mask;
}

/* Every use has values of its own, with masks of their own. */
static void finish_outputs(const moru_layer_call *call, int n)
{
    moru_mask_rule rule = call->n_inputs > 0 ? call->layer->class_->masks : MORU_MASK_STOPS;
    moru_node *passed = rule == MORU_MASK_PASSES ? moru_layer_mask(call, 0) :
                        rule == MORU_MASK_ANY ? any_mask(call) : NULL;
    for (int k = 0; k < n && !moru_node_failed(call->outputs[k]); k++) {
        moru_node *mask = call->outputs[k]->mask;
        if (is_input(call->all, call->outputs[k]))
            call->outputs[k] = moru_identity(call->outputs[k]);
        if (!moru_node_failed(call->outputs[k]))
            call->outputs[k]->mask = rule == MORU_MASK_MADE ? mask : passed;
    }
}

moru_node *moru_layer_run(moru_layer *layer, moru_graph *graph, moru_trace *trace, const moru_inputs *in,
                          moru_node **outputs)
{
    bool frozen = layer->class_->frozen_infers && !layer->trainable;
    int n = moru_layer_output_count(layer);
    moru_node *one = NULL, **ys = outputs ? outputs : &one;
    if (n != 1 && !outputs)
        return moru_graph_fail(graph, MORU_ERR_ARGUMENT, "%s \"%s\" has %d outputs", layer->class_->class_name,
                               moru_layer_name(layer), n);
    for (int k = 0; k < n; k++)
        ys[k] = graph->inert;
    bool model_trains = trace->training;
    if (in->training)
        trace->training = in->training > 0;
    moru_layer_call call = {.layer = layer, .graph = graph, .trace = trace, .training = trace->training && !frozen,
                            .inputs = in->values, .n_inputs = placed(in), .all = in, .outputs = ys};
    moru_graph_push_name(graph, moru_layer_name(layer));
    moru_node *y = layer->class_->call(&call);
    ys[0] = y;
    finish_outputs(&call, n);
    if (!layer->class_->regularizes)
        moru_layer_regularize(&call, ys, n);
    moru_graph_pop_name(graph);
    trace->training = model_trains;
    return ys[0];
}

moru_node *moru_layer_run_child(const moru_layer_call *call, moru_layer *child, const moru_inputs *in,
                                moru_node **outputs)
{
    for (int i = 0; i < in->n; i++)
        if (moru_node_failed(in->values[i])) {
            for (int k = 0; outputs && k < moru_layer_output_count(child); k++)
                outputs[k] = call->graph->inert;
            return call->graph->inert;
        }
    return moru_layer_run(child, call->graph, call->trace, in, outputs);
}

/* The layers inside know the paths of what they hold, too. */
static void tell_owner(const moru_weight *weight)
{
    while (weight->owner) {
        moru_weight *inside = &weight->owner->weights[weight->owner_index];
        inside->path = weight->path;
        weight = inside;
    }
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
        tell_owner(w);
        moru_status status = layer->raw ? MORU_OK : moru_weight_initialize(w, model->seed);
        if (status != MORU_OK)
            return moru_layer_error(layer, status, "%s: %s", w->name, moru_last_error());
    }
    return MORU_OK;
}

static bool takes_name(const moru_layer_class *class_, const char *name)
{
    size_t length = strcspn(name, ":");
    for (const char *const *known = class_->named_inputs; known && *known; known++)
        if (strncmp(*known, name, length) == 0 && !(*known)[length])
            return true;
    return false;
}

static moru_status check_inputs(const moru_layer *layer, const moru_inputs *in, int n)
{
    const moru_layer_class *class_ = layer->class_;
    if (n < class_->min_inputs || (class_->max_inputs >= 0 && n > class_->max_inputs))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "it takes %d input%s%s, not %d", class_->min_inputs,
                                class_->min_inputs == 1 ? "" : "s", class_->max_inputs < 0 ? " or more" : "", n);
    for (int i = n; i < in->n; i++)
        if (!in->names[i] || !takes_name(class_, in->names[i]))
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "it takes no input \"%.60s\"",
                                    in->names[i] ? in->names[i] : "");
    return MORU_OK;
}

static moru_status build_layer(moru_model *model, moru_layer *layer, const moru_inputs *in)
{
    int n = placed(in);
    if (layer->status != MORU_OK)
        return moru_layer_error(layer, layer->status, "%s", layer->error);
    MORU_TRY(check_inputs(layer, in, n));
    moru_shape *shapes = moru_arena_alloc(&layer->arena, (size_t)(n + 1) * sizeof *shapes);
    moru_dtype *dtypes = moru_arena_alloc(&layer->arena, (size_t)(n + 1) * sizeof *dtypes);
    if (!shapes || !dtypes)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
    for (int i = 0; i < n; i++) {
        shapes[i] = in->values[i]->shape;
        dtypes[i] = in->values[i]->dtype;
    }
    MORU_TRY(layer->class_->build(layer, shapes, dtypes, n));
    if (!layer->built) {
        layer->input_shapes = shapes;
        layer->n_inputs = n;
        layer->built = true;
    }
    return finish_weights(model, layer);
}

/* The use's copy of what it is applied to, in the model's arena. */
static bool copy_inputs(moru_model *model, moru_application *use, const moru_inputs *in)
{
    use->inputs = moru_arena_alloc(&model->arena, (size_t)(in->n + 1) * sizeof *use->inputs);
    use->names = moru_arena_alloc(&model->arena, (size_t)(in->n + 1) * sizeof *use->names);
    if (!use->inputs || !use->names)
        return false;
    use->n_inputs = in->n;
    for (int i = 0; i < in->n; i++) {
        const char *name = in->names ? in->names[i] : NULL;
        use->inputs[i] = in->values[i];
        use->names[i] = name ? moru_arena_strdup(&model->arena, name) : NULL;
        if (name && !use->names[i])
            return false;
    }
    return true;
}

/* A new last use, which isn't counted yet; NULL without memory. */
static moru_application *new_use(moru_model *model, moru_layer *layer, const moru_inputs *in)
{
    if (model->n_applications == model->cap_applications) {
        int more = model->cap_applications ? 2 * model->cap_applications : 16;
        moru_application *fresh = realloc(model->applications, (size_t)more * sizeof *fresh);
        if (!fresh)
            return NULL;
        model->applications = fresh;
        model->cap_applications = more;
    }
    moru_application *use = &model->applications[model->n_applications];
    *use = (moru_application){.layer = layer, .n_outputs = moru_layer_output_count(layer),
                              .training = in->training, .first_call = model->graph->n_calls};
    use->outputs = moru_arena_alloc(&model->arena, (size_t)(use->n_outputs + 1) * sizeof *use->outputs);
    return use->outputs && copy_inputs(model, use, in) ? use : NULL;
}

static moru_status apply(moru_model *model, moru_layer *layer, const moru_inputs *in)
{
    moru_graph *graph = model->graph;
    MORU_TRY(build_layer(model, layer, in));
    moru_application *use = new_use(model, layer, in);
    if (!use)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to apply it");
    moru_layer_run(layer, graph, &model->trace, in, use->outputs);
    for (int k = 0; k < use->n_outputs; k++)
        if (moru_node_failed(use->outputs[k]))
            return moru_layer_error(layer, graph->status, "%s", graph->error);
    use->last_call = graph->n_calls;
    model->n_applications++;
    return MORU_OK;
}

const moru_application *moru_model_apply(moru_model *model, moru_layer *layer, const moru_inputs *in)
{
    moru_status status = apply(model, layer, in);
    if (status == MORU_OK)
        return &model->applications[model->n_applications - 1];
    moru_model_fail(model, status);
    return NULL;
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
    const moru_application *use = moru_model_apply(model, layer, &(moru_inputs){.n = 0});
    if (!use)
        return model->graph->inert;
    return model->inputs[model->n_inputs++] = use->outputs[0];
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

moru_node *moru_model_input_from(moru_model *model, moru_layer *layer)
{
    if (model && layer && layer->class_ == &moru_input_class && !layer->model)
        return moru_model_add_input(model, layer);
    moru_layer_free(layer);
    if (!model)
        return NULL;
    moru_model_fail(model, moru_fail(MORU_ERR_ARGUMENT, "model \"%s\": an input is made by a new input layer",
                                     model->name));
    return model->graph->inert;
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

/* The layer's use in the model of the values; NULL after a failure. */
static const moru_application *apply_checked(moru_model *model, moru_layer *layer, const moru_inputs *in)
{
    moru_status status = MORU_OK;
    if (layer && !layer->model) {
        status = moru_model_adopt(model, layer);
        if (status != MORU_OK) {
            moru_layer_free_one(layer);
            moru_model_fail(model, status);
            return NULL;
        }
        status = moru_model_name_layer(model, layer);
    }
    if (status == MORU_OK)
        status = check_use(model, layer, in->values, in->n);
    if (status != MORU_OK) {
        moru_model_fail(model, status);
        return NULL;
    }
    for (int i = 0; i < in->n; i++)
        if (moru_node_failed(in->values[i]))
            return NULL;
    return moru_model_status(model) == MORU_OK ? moru_model_apply(model, layer, in) : NULL;
}

/* The model that the values belong to; NULL after a failure. */
static moru_model *model_of(const moru_layer *layer, const moru_inputs *in)
{
    moru_graph *graph = moru_graph_of(in->values, in->n);
    const char *class_name = layer ? layer->class_->class_name : "a layer";
    if (!graph)
        moru_fail(MORU_ERR_ARGUMENT, "%s: it is applied to nothing", class_name);
    else if (!graph->owner)
        moru_graph_fail(graph, MORU_ERR_ARGUMENT, "%s: layers are applied to values of a model (moru_model_input())",
                        class_name);
    return graph ? graph->owner : NULL;
}

int moru_apply_inputs(moru_layer *layer, const moru_inputs *in, moru_node **outputs, int capacity)
{
    moru_model *model = model_of(layer, in);
    const moru_application *use = model ? apply_checked(model, layer, in) : NULL;
    for (int k = 0; k < capacity; k++)
        outputs[k] = use && k < use->n_outputs ? use->outputs[k] : model ? model->graph->inert : NULL;
    return use ? use->n_outputs : 0;
}

moru_node *moru_apply_n(moru_layer *layer, moru_node *const *xs, int n)
{
    const moru_inputs in = {.values = xs, .n = n};
    moru_graph *graph = moru_graph_of(xs, n);
    moru_node *y = NULL;
    moru_apply_inputs(layer, &in, &y, 1);
    return y ? y : graph ? graph->inert : NULL;
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
