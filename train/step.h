/* Steps: programs that train on, evaluate or predict one batch of a given size. */
#ifndef MORU_STEP_H
#define MORU_STEP_H

#include "train/training.h"

typedef enum moru_step_kind { MORU_STEP_TRAIN, MORU_STEP_EVALUATE, MORU_STEP_PREDICT } moru_step_kind;

/* What some training steps do, and others don't. */
enum {
    MORU_PHASE_GATHER = 1,    /* gradients are accumulated only */
    MORU_PHASE_AVERAGES = 2   /* weights become their averages (ema_overwrite_frequency) */
};

/* Everything a compiled step depends on. Shapes begin with the batch. */
typedef struct moru_step_key {
    moru_step_kind kind;
    int threads;
    uint64_t seed;
    uint32_t without;          /* passes that the model leaves out; filled in by moru_step_get() */
    int phase;                 /* MORU_PHASE_* of the iteration; filled in by moru_step_get() */
    bool unguarded;            /* parameters are stepped even if the loss isn't finite */
    int n_inputs, n_targets, n_weights; /* weights: none, one for all outputs, or one an output */
    moru_shape inputs[MORU_MAX_FEATURES], targets[MORU_MAX_FEATURES], weights[MORU_MAX_FEATURES];
    moru_dtype target_dtypes[MORU_MAX_FEATURES], weight_dtypes[MORU_MAX_FEATURES];
} moru_step_key;

typedef struct moru_step {
    moru_step_key key;
    moru_graph *graph;         /* NULL when predicting: the model's own */
    moru_program *program;
    moru_node *placeholders[3 * MORU_MAX_FEATURES + 2]; /* inputs, targets, weights, [learning rate, step] */
    moru_shape shapes[3 * MORU_MAX_FEATURES + 2];
    int n_placeholders;
    moru_node *outputs[MORU_MAX_LOGS + MORU_MAX_OUTPUTS]; /* scalars: loss, [losses]; sums of metrics that are means;
                                                             predictions that other metrics need, or when predicting */
    int n_outputs, n_losses;
    int metric_outputs[MORU_MAX_LOGS], prediction_outputs[MORU_MAX_OUTPUTS]; /* places in outputs; -1: none */
    moru_node *minimized;              /* the loss as it is differentiated */
    moru_real learning_rate, count;    /* bound */
} moru_step;

/* The batch a step is given: dense arrays of the key's shapes. */
typedef struct moru_step_data {
    const void *inputs[MORU_MAX_FEATURES], *targets[MORU_MAX_FEATURES], *weights[MORU_MAX_FEATURES];
} moru_step_data;
/* Number of those given: inputs, targets, weights. */
static inline int moru_step_given(const moru_step_key *key) { return key->n_inputs + key->n_targets + key->n_weights; }
static inline const void *moru_step_datum(const moru_step_key *key, const moru_step_data *data, int k)
{
    int after = k - key->n_inputs - key->n_targets;
    return k < key->n_inputs ? data->inputs[k] : after < 0 ? data->targets[k - key->n_inputs] : data->weights[after];
}
/* Their shapes, one after the other. */
void moru_step_shapes(const moru_step_key *key, moru_shape *shapes);

/* The step for a key: compiled now, or kept from before. Owned by the training. */
moru_status moru_step_get(moru_training *training, const moru_step_key *wanted, moru_step **step);
void moru_step_free(moru_step *step);
/* Runs it. A training step sees the learning rate of training->iteration, and counts it on. If the loss isn't finite
 * nothing is changed, and MORU_ERR_NUMERIC names the node where it began. */
moru_status moru_step_run(moru_training *training, moru_step *step, const moru_step_data *data);
/* Value k of the last run. */
double moru_step_value(const moru_step *step, int k);
void moru_step_set_batch(moru_step_key *key, int64_t batch);

/* y = x if a scalar is finite; else the program ends with MORU_ERR_NUMERIC before anything that depends on y. */
moru_node *moru_require_finite(moru_node *x, moru_node *scalar);

/* New values of variables. */
typedef struct moru_updates { moru_node **variables, **values; int n, capacity; } moru_updates;
/* Appends the gradients of the step's loss and what becomes of weights, slots and the trace's variables. */
moru_status moru_step_updates(const moru_training *training, moru_step *step, const moru_trace *trace,
                              moru_updates *updates);
void moru_updates_free(moru_updates *updates);

/* Makes the model's inputs and n targets as placeholders of a new graph with the model's open sizes. */
moru_status moru_step_placeholders(const moru_model *model, moru_graph *graph, const moru_step_key *key,
                                   moru_node **nodes);
/* The placeholder of output k's sample weights; NULL: there are none. */
moru_node *moru_step_weights(const moru_step_key *key, moru_node *const *placeholders, int k);
/* Sum of the weighted losses of n outputs; each one's own goes to values (may be NULL). Values of a loss without
 * reduction aren't scalars. */
moru_node *moru_step_loss(const moru_step_key *key, moru_node *const *placeholders, moru_node *const *outputs, int n,
                          const moru_loss *losses, const double *weights, moru_node **values);
/* What logs say of a loss: its mean. */
moru_node *moru_step_mean(moru_node *loss);

#endif
