/* The programs behind training and prediction, for reports and timing. */
#include "core/status.h"
#include "train/check.h"

moru_status moru_model_program(moru_model *model, bool training, moru_tensor *const *inputs,
                               moru_tensor *const *targets, moru_program **program)
{
    moru_step_key key = {.kind = training ? MORU_STEP_TRAIN : MORU_STEP_PREDICT};
    moru_step_data data;
    moru_step *step;
    *program = NULL;
    moru_training *t = moru_training_of(model);
    if (!t)
        return MORU_ERR_MEMORY;
    if (training) {
        MORU_TRY(moru_training_get(model, "model_program", &t));
        key.seed = t->seed;
    }
    MORU_TRY(moru_check_tensors(model, inputs, targets, training ? model->n_outputs : -1, NULL, 0, &key, &data));
    MORU_TRY(moru_step_get(t, &key, &step));
    *program = step->program;
    return MORU_OK;
}

int64_t moru_model_iterations(const moru_model *model)
{
    return model->training ? model->training->iteration : 0;
}
