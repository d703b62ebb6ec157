/** @file
 * Training steps of one's own, for what moru_fit() can't do: models that are trained against each other, losses made of
 * gradients, several optimizers. A step is written down once, in the order in which it would be done by hand, and becomes
 * one program:
 *
 *     moru_train_step *s = moru_train_step_new();
 *     moru_graph *g = moru_train_step_graph(s);
 *     moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(64, 8)), *t = moru_placeholder(g, "t", MORU_REAL, MORU_SHAPE(64, 1));
 *     moru_node *y, *loss;
 *     moru_train_step_call(s, model, &x, &y, true);
 *     loss = moru_mean_squared_error(t, y);
 *     moru_train_step_minimize(s, loss, &model, 1, moru_adam(.learning_rate = 1e-3));
 *     moru_train_step_compile(s, .inputs = (moru_node *[]){x, t}, .n_inputs = 2, .outputs = &loss, .n_outputs = 1);
 *     moru_train_step_run(s, (const void *[]){x_data, t_data});
 *
 * A model that is called after it was minimized has its new weights already, as it would have line by line; no gradient
 * goes back through the step that made them.
 */
#ifndef MORU_TRAIN_STEP_H
#define MORU_TRAIN_STEP_H

#include <moru/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moru_train_step moru_train_step;

MORU_API moru_train_step *moru_train_step_new(void); /**< NULL when out of memory */
/** Frees the step, its graph, its optimizers and their slots; the models are the caller's. */
MORU_API void moru_train_step_free(moru_train_step *step);
/** Where the step's placeholders and losses are built. Owned by the step. */
MORU_API moru_graph *moru_train_step_graph(moru_train_step *step);

/** Applies a model to values of the step's graph. outputs receives moru_model_output_count() values. training: as in
 *  moru_fit(), with dropout and statistics of the batch, whose moving averages become updates of the step. The
 *  model must outlive the step. */
MORU_API moru_status moru_train_step_call(moru_train_step *step, moru_model *model, moru_node *const *inputs,
                                          moru_node **outputs, bool training);
/** Lowers a scalar loss (and the regularization losses of the models) by one optimizer step on the trainable weights
 *  of n models that it depends on; other models' weights stay. Takes the optimizer over, also when it fails. */
MORU_API moru_status moru_train_step_minimize(moru_train_step *step, moru_node *loss, moru_model *const *models, int n,
                                              moru_optimizer *optimizer);

typedef struct moru_train_step_options {
    moru_node *const *inputs;   /**< placeholders with concrete shapes, in the order of moru_train_step_run() */
    int n_inputs;
    moru_node *const *outputs;  /**< values to compute and keep: losses, samples */
    int n_outputs;
    int threads;                /**< 0: as OpenMP would choose */
    uint64_t seed;              /**< of dropout and the like */
    uint32_t without;           /**< compiler passes to leave out: MORU_PASS_* */
} moru_train_step_options;
/** Ends the description: nothing can be added afterwards. */
#define moru_train_step_compile(step, ...) moru_train_step_compile_with((step), MORU_OPTIONS(moru_train_step_options, __VA_ARGS__))
MORU_API moru_status moru_train_step_compile_with(moru_train_step *step, const moru_train_step_options *options);

/** One step on data[k] for input k. A loss that isn't finite is MORU_ERR_NUMERIC; its own weights and what comes later in
 *  the description keep their values then. */
MORU_API moru_status moru_train_step_run(moru_train_step *step, const void *const *data);
/** Output k: owned by the step, holds its value until the next run. */
MORU_API const moru_tensor *moru_train_step_output(const moru_train_step *step, int k);
MORU_API int64_t moru_train_step_iterations(const moru_train_step *step);
/** For reports and profiles; NULL before it is compiled. */
MORU_API moru_program *moru_train_step_program(moru_train_step *step);

#ifdef __cplusplus
}
#endif
#endif
