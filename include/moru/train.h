/** @file
 * Training: compile, fit, evaluate, predict. Names, defaults and formulas are those of Keras 3.
 */
#ifndef MORU_TRAIN_H
#define MORU_TRAIN_H

#include <math.h>
#include <moru/dataset.h>
#include <moru/model.h>
#include <moru/program.h>
#include <moru/train/optimizers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Losses
 * By Keras's names, as specs: "mse", "huber(delta=0.5)", "BinaryCrossentropy(from_logits=true)", or a Keras JSON object; t is the
 * target, p the prediction, means are over the last axis. Options and their defaults are Keras's.
 * - mean_squared_error (t - p)^2, mean_absolute_error |t - p|, mean_absolute_percentage_error, mean_squared_logarithmic_error,
 *   huber, log_cosh, cosine_similarity (negative; axis), poisson, kl_divergence;
 * - binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy (from_logits,
 *   label_smoothing, axis), sparse_categorical_crossentropy (from_logits, ignore_class),
 *   categorical_generalized_cross_entropy, hinge, squared_hinge, categorical_hinge, ctc; crossentropy picks by shapes;
 * - dice, tversky (axis), circle.
 *
 * reduction: sum_over_batch_size and mean (the mean over all values), mean_with_sample_weight (over the sum of the weights),
 * sum, none (the sum is minimized and the mean logged). Weights multiply the values: of samples [n], or of steps [n, t].
 * Where the prediction has a mask, only steps that are there count. Predictions made by sigmoid or softmax are taken back to
 * their logits, as Keras does. @{ */
/** The loss as a node, weighted by weights (or NULL); a mistake in spec fails the graph. */
MORU_API moru_node *moru_loss_of(const char *spec, moru_node *target, moru_node *prediction, moru_node *weights);
/** @} */

/** @name Metrics
 * By Keras's names, as specs: "accuracy" (or "acc"), "top_k_categorical_accuracy(3)", "auc(curve=PR)", or a Keras JSON object.
 * Every class of keras.metrics: the accuracies, the losses above as means, RootMeanSquaredError, Pearson- and
 * ConcordanceCorrelation, R2Score; TruePositives and the like, Precision, Recall, SensitivityAtSpecificity and the like, AUC;
 * F1Score, FBetaScore; IoU, BinaryIoU, MeanIoU, OneHotIoU, OneHotMeanIoU; Mean, Sum. States are sums over all batches of an
 * epoch in double precision. Of a metric with several results (thresholds, classes) logs hold the mean. */

#define MORU_MAX_METRICS 8
#define MORU_MAX_OUTPUTS 64
/** A loss weight of 0. */
#define MORU_NO_LOSS_WEIGHT ((double)NAN)
typedef struct moru_compile_options {
    moru_optimizer *optimizer;              /**< taken over; NULL: rmsprop, as in Keras */
    const char *loss;                       /**< spec, for every output */
    const char *losses[MORU_MAX_OUTPUTS];   /**< one an output, instead of loss; "none": that output has none */
    double loss_weights[MORU_MAX_OUTPUTS];  /**< 0 means 1; ::MORU_NO_LOSS_WEIGHT: 0 */
    const char *metrics[MORU_MAX_METRICS];  /**< specs; "accuracy" picks the kind that fits loss and output, as Keras does */
    const char *weighted_metrics[MORU_MAX_METRICS];               /**< those that sample weights count for */
    const char *const *output_metrics[MORU_MAX_OUTPUTS];          /**< one output's, ended by NULL, besides metrics */
    const char *const *output_weighted_metrics[MORU_MAX_OUTPUTS];
} moru_compile_options;
#define moru_compile(model, ...) moru_compile_with((model), MORU_OPTIONS(moru_compile_options, __VA_ARGS__))
MORU_API moru_status moru_compile_with(moru_model *model, const moru_compile_options *options);
MORU_API moru_optimizer *moru_model_optimizer(moru_model *model); /**< NULL: not compiled */
/** Optimizer steps done since the model was compiled, those before it was saved and loaded included. */
MORU_API int64_t moru_model_iterations(const moru_model *model);

/** What is known after an epoch, or a batch, of training. */
#define MORU_MAX_LOGS 256
typedef struct moru_logs {
    int epoch, epochs;              /**< epoch counts from 0 */
    int64_t step, steps;            /**< within the epoch; step is done so far */
    int64_t iteration;              /**< optimizer steps in all */
    double seconds;                 /**< of this epoch so far */
    double learning_rate;
    int n;                          /**< names[i] ("loss", "accuracy", "val_loss", ...) has values[i] */
    const char *names[MORU_MAX_LOGS];
    double values[MORU_MAX_LOGS];
} moru_logs;
/** Value of a name; NAN if it isn't there. */
MORU_API double moru_logs_get(const moru_logs *logs, const char *name);

/** Epochs of a fit, one moru_logs each. */
typedef struct moru_history moru_history;
MORU_API moru_history *moru_history_new(void);
MORU_API void moru_history_free(moru_history *history);
MORU_API int moru_history_count(const moru_history *history);
MORU_API const moru_logs *moru_history_at(const moru_history *history, int epoch);
MORU_API moru_status moru_history_append(moru_history *history, const moru_logs *logs);

/** Called during fit. Any function may be NULL. A status other than MORU_OK ends fit with it; *stop ends it in good order. */
typedef struct moru_callback {
    void *self;
    moru_status (*on_train_begin)(void *self, moru_model *model);
    moru_status (*on_batch_end)(void *self, moru_model *model, const moru_logs *logs, bool *stop);
    moru_status (*on_epoch_end)(void *self, moru_model *model, const moru_logs *logs, bool *stop);
    moru_status (*on_train_end)(void *self, moru_model *model);
    void (*free)(void *self);       /**< called once by moru_callback_free() */
} moru_callback;
typedef struct moru_early_stopping_options {
    const char *monitor;            /**< "val_loss" */
    double min_delta;
    int patience;
    const char *mode;               /**< "auto", "min", "max" */
    bool restore_best_weights;
} moru_early_stopping_options;
#define MORU_EARLY_STOPPING_DEFAULTS .monitor = "val_loss", .mode = "auto"
#define moru_early_stopping(...) MORU_WITH_DEFAULTS(moru_early_stopping_new, moru_early_stopping_options, MORU_EARLY_STOPPING_DEFAULTS, __VA_ARGS__)
MORU_API moru_callback *moru_early_stopping_new(const moru_early_stopping_options *options);
typedef struct moru_model_checkpoint_options {
    const char *path;               /**< a .keras, or .weights.h5, file */
    const char *monitor;            /**< "val_loss" */
    const char *mode;
    bool save_best_only;
} moru_model_checkpoint_options;
#define MORU_MODEL_CHECKPOINT_DEFAULTS .monitor = "val_loss", .mode = "auto"
#define moru_model_checkpoint(...) MORU_WITH_DEFAULTS(moru_model_checkpoint_new, moru_model_checkpoint_options, MORU_MODEL_CHECKPOINT_DEFAULTS, __VA_ARGS__)
MORU_API moru_callback *moru_model_checkpoint_new(const moru_model_checkpoint_options *options);
MORU_API void moru_callback_free(moru_callback *callback);

#define MORU_MAX_CALLBACKS 8
typedef struct moru_fit_options {
    int epochs;                     /**< 0 means 1 */
    int initial_epoch;
    int64_t batch_size;             /**< 0 means 32 */
    int64_t steps_per_epoch;        /**< 0: all of the data */
    const double *class_weights;    /**< of the classes 0 to n_class_weights - 1, those after have 1; for models of one output,
                                         and data without weights of its own. They count in training, not in validation */
    int n_class_weights;
    const moru_dataset *validation;
    double validation_split;        /**< the last share of the data is held back, as in Keras */
    bool no_shuffle;
    uint64_t seed;                  /**< of shuffling and dropout */
    int threads;                    /**< 0: as OpenMP would choose */
    bool no_nan_check;              /**< otherwise a NaN loss is found within the epoch's step and its node named */
    moru_callback *callbacks[MORU_MAX_CALLBACKS]; /**< not taken over */
    moru_history *history;          /**< receives a row an epoch; may be NULL */
} moru_fit_options;
/** Trains. Results are the same bits for any number of threads, and for a run that was interrupted between epochs and
 *  continued with initial_epoch from a saved model. */
#define moru_fit(model, data, ...) moru_fit_with((model), (data), MORU_OPTIONS(moru_fit_options, __VA_ARGS__))
MORU_API moru_status moru_fit_with(moru_model *model, const moru_dataset *data, const moru_fit_options *options);

typedef struct moru_evaluate_options { int64_t batch_size; int threads; } moru_evaluate_options;
/** Loss and metrics over a data set, into logs. */
#define moru_evaluate(model, data, logs, ...) moru_evaluate_with((model), (data), (logs), MORU_OPTIONS(moru_evaluate_options, __VA_ARGS__))
MORU_API moru_status moru_evaluate_with(moru_model *model, const moru_dataset *data, moru_logs *logs,
                                        const moru_evaluate_options *options);
/** One optimizer step on given tensors (batch first); *loss may be NULL. */
MORU_API moru_status moru_train_on_batch(moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets, double *loss);
/** The same with n_weights weights, of samples [n] or of steps [n, t]: none, one for all outputs, or one an output. */
MORU_API moru_status moru_train_on_batch_weighted(moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets,
                                                  moru_tensor *const *weights, int n_weights, double *loss);
/** The program that moru_train_on_batch() (training) or moru_predict() runs for a batch of these shapes: for reports and
 *  profiles. It belongs to the model and is kept until the model is compiled anew or others have taken its place. */
MORU_API moru_status moru_model_program(moru_model *model, bool training, moru_tensor *const *inputs,
                                        moru_tensor *const *targets, moru_program **program);
/** Inference over n samples in batches: outputs[k] is a new tensor of the caller's. threads 0: as OpenMP would choose. */
MORU_API moru_status moru_predict(moru_model *model, moru_tensor *const *inputs, moru_tensor **outputs, int64_t batch_size,
                                  int threads);
/** Loss and its gradients for every trainable variable (moru_model_gradient_count() of them, in Keras's order): new tensors
 *  of the caller's in gradients, their variable paths (owned by the model) in paths. loss_spec NULL: the compiled loss. training: with
 *  batch statistics as in a training step, but with dropout switched off, so that the result depends on the batch alone. */
MORU_API int moru_model_gradient_count(const moru_model *model);
MORU_API moru_status moru_model_gradients(moru_model *model, moru_tensor *const *inputs, moru_tensor *const *targets,
                                          const char *loss_spec, bool training, double *loss, moru_tensor **gradients,
                                          const char **paths);

#ifdef __cplusplus
}
#endif
#endif
