/* A model's training state: making, freeing, and what it says about the model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/step.h"

moru_training *moru_training_of(moru_model *model)
{
    if (!model->training) {
        moru_training *t = calloc(1, sizeof *t);
        if (!t) {
            moru_fail(MORU_ERR_MEMORY, "no memory to compile the model");
            return NULL;
        }
        t->model = model;
        model->training = t;
        model->free_training = moru_training_free;
    }
    return model->training;
}

moru_status moru_training_get(moru_model *model, const char *what, moru_training **training)
{
    if (!model)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the model is NULL", what);
    if (!model->training || !model->training->optimizer)
        return moru_fail(MORU_ERR_STATE, "%s: the model \"%s\" isn't compiled; moru_compile() comes first", what,
                         moru_model_name(model));
    *training = model->training;
    return MORU_OK;
}

void moru_training_free(moru_training *training)
{
    if (!training)
        return;
    for (int k = 0; k < MORU_MAX_STEPS; k++)
        moru_step_free(training->steps[k]);
    for (int k = 0; k < training->n_slots; k++)
        moru_tensor_free(training->slots[k]);
    free(training->slots);
    free(training->trained);
    moru_optimizer_free(training->optimizer);
    moru_arena_free(&training->arena);
    free(training);
}

moru_optimizer *moru_model_optimizer(moru_model *model)
{
    return model && model->training ? model->training->optimizer : NULL;
}

int moru_trainable_weights(const moru_model *model, moru_weight **weights, int capacity)
{
    moru_layer **order = calloc((size_t)model->n_layers + 1, sizeof *order);
    int n = 0, n_layers = order ? moru_model_keras_order(model, order) : 0;
    for (int i = 0; i < n_layers; i++)
        for (int k = 0; order[i]->trainable && k < order[i]->n_weights; k++)
            if (order[i]->weights[k].trainable) {
                if (n < capacity)
                    weights[n] = &order[i]->weights[k];
                n++;
            }
    free(order);
    return n;
}

const char *moru_output_name(const moru_model *model, int k)
{
    for (int i = 0; i < model->n_applications; i++)
        if (model->applications[i].output == model->outputs[k])
            return model->applications[i].layer->name;
    return moru_node_name(model->outputs[k]);
}
