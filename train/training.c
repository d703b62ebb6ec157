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

void moru_training_finish(moru_training *training)
{
    for (int i = 0; training->iteration > 0 && i < training->n_trained; i++) {
        const moru_trained *trained = &training->trained[i];
        moru_tensor *weight = trained->weight->tensor;
        if (trained->average >= 0)
            memcpy(moru_tensor_data(weight), moru_tensor_const_data(training->slots[trained->average]),
                   (size_t)moru_tensor_size(weight) * sizeof(moru_real));
    }
}

moru_optimizer *moru_model_optimizer(moru_model *model)
{
    return model && model->training ? model->training->optimizer : NULL;
}

const moru_metric *moru_logged_metric(const moru_training *training, int k)
{
    int n_losses = training->n_logs - training->n_metrics, place = k % training->n_logs;
    return place < n_losses ? NULL : &training->metrics[place - n_losses].metric;
}

bool moru_training_watches(const moru_training *training, int output)
{
    for (int k = 0; k < training->n_metrics; k++)
        if (training->metrics[k].output == output && !moru_metric_is_mean(&training->metrics[k].metric))
            return true;
    return false;
}

const char *moru_output_name(const moru_model *model, int k)
{
    if (model->output_keys)
        return model->output_keys[k];
    for (int i = 0; i < model->n_applications; i++)
        for (int j = 0; j < model->applications[i].n_outputs; j++)
            if (model->applications[i].outputs[j] == model->outputs[k])
                return model->applications[i].layer->name;
    return moru_node_name(model->outputs[k]);
}
