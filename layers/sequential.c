/* Layers in a row. */
#include <stdlib.h>

#include "core/status.h"
#include "layers/model.h"

/* Takes over every layer there is, before anything can go wrong. */
static moru_status adopt_all(moru_model *model, moru_layer *const *layers, int n)
{
    moru_status first = MORU_OK;
    for (int i = 0; i < n; i++) {
        moru_status status = MORU_OK;
        if (!layers[i])
            status = moru_fail(MORU_ERR_ARGUMENT, "Sequential \"%s\": layer %d is missing: it couldn't be made",
                               model->name, i);
        else if (layers[i]->model)
            status = moru_layer_error(layers[i], MORU_ERR_ARGUMENT, layers[i]->model == model
                                      ? "it stands twice in the model \"%s\""
                                      : "it belongs to the model \"%s\" already",
                                      layers[i]->model->name);
        else if ((status = moru_model_adopt(model, layers[i])) != MORU_OK)
            moru_layer_free_one(layers[i]);
        if (status != MORU_OK && first == MORU_OK)
            first = moru_model_fail(model, status);
    }
    return first;
}

/* Names the user gave come first, so that none is taken by a layer without one. */
static moru_status name_all(moru_model *model)
{
    for (int given = 1; given >= 0; given--)
        for (int i = 0; i < model->n_layers; i++)
            if ((model->layers[i]->name != NULL) == given)
                MORU_TRY(moru_model_name_layer(model, model->layers[i]));
    return MORU_OK;
}

static moru_node *apply(moru_model *model, moru_layer *layer, moru_node *x)
{
    const moru_application *use = moru_model_apply(model, layer, &(moru_inputs){.values = &x, .n = 1});
    if (use && use->n_outputs > 1)
        moru_model_fail(model, moru_layer_error(layer, MORU_ERR_ARGUMENT, "it has %d outputs, and layers in a row pass on "
                                                "one", use->n_outputs));
    return use ? use->outputs[0] : model->graph->inert;
}

static moru_status build(moru_model *model)
{
    if (model->n_layers == 0 || model->layers[0]->class_ != &moru_input_class)
        return moru_fail(MORU_ERR_ARGUMENT, "Sequential \"%s\": the first layer must be an input layer, such as "
                         "moru_input(28, 28, 1)", model->name);
    MORU_TRY(name_all(model));
    moru_node *x = moru_model_add_input(model, model->layers[0]);
    for (int i = 1; i < model->n_layers && model->status == MORU_OK; i++)
        x = apply(model, model->layers[i], x);
    return model->status != MORU_OK ? model->status : moru_model_outputs(model, &x, 1);
}

moru_model *moru_sequential_from(const char *name, moru_layer *const *layers, int n)
{
    moru_model *model = moru_model_new(name, true);
    if (!model) {
        for (int i = 0; i < n; i++)
            moru_layer_free(layers[i]);
        return NULL;
    }
    if (adopt_all(model, layers, n) == MORU_OK && model->status == MORU_OK) {
        moru_status status = build(model);
        if (status != MORU_OK)
            moru_model_fail(model, status);
    }
    return model;
}
