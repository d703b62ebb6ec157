/* What moru_compile() makes of a model: optimizer with its state, losses, metrics, and the programs of its steps. */
#ifndef MORU_TRAIN_TRAINING_H
#define MORU_TRAIN_TRAINING_H

#include <moru/train.h>
#include "layers/model.h"
#include "train/losses.h"
#include "train/metrics.h"
#include "train/optimizer.h"

enum { MORU_MAX_STEPS = 8 };  /* compiled programs kept */

struct moru_step;             /* train/step.h */

/* A parameter that the optimizer steps. Its slots are training->slots[slot[i]]. */
typedef struct moru_trained {
    moru_weight *weight;
    int n_slots, slot[MORU_MAX_SLOTS];
    int average, accumulated;           /* of use_ema, gradient_accumulation_steps; -1: none */
} moru_trained;

/* A metric of an output. */
typedef struct moru_watched { moru_metric metric; int output; bool weighted; } moru_watched;

typedef struct moru_training {
    moru_arena arena;
    moru_model *model;
    moru_optimizer *optimizer;          /* NULL: not compiled; programs for predict() are kept here all the same */
    int64_t iteration;                  /* optimizer steps done; saved and restored with the slots */

    moru_trained *trained;              /* trainable when the model was compiled, in Keras's order */
    int n_trained;
    moru_tensor **slots;                /* n_slots of them, owned, in the order in which Keras's files number them */
    int n_slots;
    int shared_slot;                    /* a scalar of all weights; -1: none */

    int n_outputs;
    moru_loss losses[MORU_MAX_OUTPUTS];
    double loss_weights[MORU_MAX_OUTPUTS];
    bool one_loss;                      /* given once for all outputs */
    moru_watched metrics[MORU_MAX_LOGS / 2]; /* in the order of the logs: unweighted ones by output, then weighted ones */
    int n_metrics;
    const char *log_names[MORU_MAX_LOGS]; /* "loss", [each output's loss], metrics; then the same with "val_" */
    int n_logs;                         /* without the "val_" ones */

    struct moru_step *steps[MORU_MAX_STEPS];
    uint64_t seed;                      /* of the last fit, for moru_train_on_batch() */
} moru_training;

/* The model's training, made if it has none yet; NULL when out of memory. */
moru_training *moru_training_of(moru_model *model);
/* The compiled model's training, or MORU_ERR_STATE. */
moru_status moru_training_get(moru_model *model, const char *what, moru_training **training);
void moru_training_free(moru_training *training);
/* With use_ema, at the end of a fit: the weights become their averages. */
void moru_training_finish(moru_training *training);
/* Whether an output has a metric that is updated from arrays. */
bool moru_training_watches(const moru_training *training, int output);
/* The metric whose value log_names[k] names, without "val_" or with; NULL: a loss. */
const moru_metric *moru_logged_metric(const moru_training *training, int k);
/* Name of output k: of the layer that makes it. */
const char *moru_output_name(const moru_model *model, int k);

/* Keras's compile_config: new reference, NULL when out of memory or not compiled. */
json_t *moru_compile_config_to_json(moru_model *model);
/* Compiles a model as a Keras file's compile_config says. Slots are zeros until they are loaded. */
moru_status moru_compile_config_from_json(moru_model *model, json_t *config, const char *where);

#endif
