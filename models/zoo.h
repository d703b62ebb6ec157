/* The zoo: one file a model, written with the public interface only. */
#ifndef MORU_MODELS_ZOO_H
#define MORU_MODELS_ZOO_H

#include <stdio.h>
#include <moru.h>

/* What a lesson may want to know about the run it ends. */
typedef struct zoo_run {
    moru_model *model;
    const moru_dataset *data;       /* what it was trained on */
    int epochs;
    uint64_t seed;
    FILE *out;                      /* figures for people and scripts */
} zoo_run;

typedef struct zoo_model {
    const char *name;
    const char *summary;            /* one line */
    const char *reaches;            /* result and time on two cores */
    const char *data, *validation;  /* default sources; validation may be NULL */
    int64_t parameters;             /* with the default data */
    int epochs;
    int64_t batch_size;
    const char *optimizer, *schedule, *loss; /* specs; schedule may be NULL; STEPS in it: the run's steps */
    const char *metrics[4];
    /* A model for data like this; NULL with moru_last_error() if it doesn't fit. */
    moru_model *(*build)(const moru_dataset_info *data);
    /* Prints what was learnt; NULL: nothing beyond loss and metrics. */
    moru_status (*lesson)(const zoo_run *run);
} zoo_model;

extern const zoo_model zoo_linear_regression, zoo_multiple_regression, zoo_perceptron, zoo_xor_mlp,
    zoo_softmax_regression, zoo_mlp, zoo_lenet, zoo_cnn;

/* Model k of the zoo; NULL past the end. */
const zoo_model *zoo_at(int k);
const zoo_model *zoo_find(const char *name);

/* Helpers of models. */
/* True for one input of images [height, width, channels] and class labels; otherwise sets the message. */
bool zoo_wants_images(const char *name, const moru_dataset_info *data);
/* True for one input of `features` numbers (0: any number) and one number as target; otherwise sets the message. */
bool zoo_wants_table(const char *name, const moru_dataset_info *data, int64_t features);
/* Predictions of a model with one output for one sample. */
moru_status zoo_predict(moru_model *model, const moru_real *sample, int64_t features, moru_real *output);

#endif
