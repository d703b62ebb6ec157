/** @file
 * Optimizers and learning-rate schedules: Keras's classes, options, defaults and formulas.
 *
 * In formulas w is a weight, g its gradient (after gradient accumulation and clipping), lr the learning rate, t the
 * number of the step from 1. With weight_decay every step begins with w -= lr weight_decay w.
 */
#ifndef MORU_TRAIN_OPTIMIZERS_H
#define MORU_TRAIN_OPTIMIZERS_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Optimizers
 * A constructor's result belongs to the caller until moru_compile() takes it. NULL only when out of memory: wrong options are
 * reported by moru_compile(). @{ */
typedef struct moru_optimizer moru_optimizer;

/** What every optimizer has.
 *  - learning_rate_schedule, if given, is a spec ("cosine_decay(initial_learning_rate=0.1, decay_steps=1000)") and takes
 *    the place of learning_rate.
 *  - weight_decay is decoupled; exclude_from_weight_decay, an extended regular expression, names weights without it
 *    ("bias|gamma"). Keras's files don't hold it.
 *  - clipnorm limits each gradient's norm, clipvalue each element, global_clipnorm the norm of all gradients together; only
 *    one can be set. 0: none.
 *  - loss_scale_factor (0: none) multiplies the loss before gradients are taken and divides the gradients.
 *  - use_ema keeps averages a = ema_momentum a + (1 - ema_momentum) w of all trained weights, which begin as the weights
 *    after the first step. Every ema_overwrite_frequency steps (0: never), and at the end of moru_fit(), the weights become
 *    their averages.
 *  - gradient_accumulation_steps (0: none, else at least 2): only every so many batches is there a step, with the
 *    mean of their gradients. */
#define MORU_OPTIMIZER_OPTIONS \
    const char *name;                   \
    double learning_rate;               \
    const char *learning_rate_schedule; \
    double weight_decay;                \
    const char *exclude_from_weight_decay; \
    double clipnorm, clipvalue, global_clipnorm; \
    double loss_scale_factor;           \
    bool use_ema;                       \
    double ema_momentum;                \
    int64_t ema_overwrite_frequency, gradient_accumulation_steps;
#define MORU_OPTIMIZER_DEFAULTS .ema_momentum = 0.99

/** w -= lr g. With momentum: v = momentum v - lr g; w += v, or, nesterov, w += momentum v - lr g. */
typedef struct moru_sgd_options { MORU_OPTIMIZER_OPTIONS double momentum; bool nesterov; } moru_sgd_options;
/** m += (1 - beta_1)(g - m); v += (1 - beta_2)(g^2 - v); w -= lr sqrt(1 - beta_2^t)/(1 - beta_1^t) m/(sqrt(v) + epsilon); amsgrad: with
 *  the largest v so far. Kingma, Ba, 2014; Reddi et al., 2018. */
typedef struct moru_adam_options { MORU_OPTIMIZER_OPTIONS double beta_1, beta_2, epsilon; bool amsgrad; } moru_adam_options;
/** m as Adam's; u = max(beta_2 u, |g|); w -= lr/(1 - beta_1^t) m/(u + epsilon). Kingma, Ba, 2014. */
typedef struct moru_adamax_options { MORU_OPTIMIZER_OPTIONS double beta_1, beta_2, epsilon; } moru_adamax_options;
/** Adam with Nesterov's momentum; Dozat, 2016. m, v as Adam's; u_t = beta_1 (1 - 0.96^t/2), U_t their product up to t;
 *  w -= lr (u_{t+1} m/(1 - U_{t+1}) + (1 - u_t) g/(1 - U_t))/(sqrt(v/(1 - beta_2^t)) + epsilon). */
typedef struct moru_nadam_options { MORU_OPTIMIZER_OPTIONS double beta_1, beta_2, epsilon; } moru_nadam_options;
/** v = rho v + (1 - rho) g^2; w -= lr g/sqrt(v + epsilon); centered: v less the square of a = rho a + (1 - rho) g; with
 *  momentum m = momentum m + step is what w loses. */
typedef struct moru_rmsprop_options { MORU_OPTIMIZER_OPTIONS double rho, momentum, epsilon; bool centered; } moru_rmsprop_options;
/** a += g^2; w -= lr g/sqrt(a + epsilon). Duchi et al., 2011. */
typedef struct moru_adagrad_options { MORU_OPTIMIZER_OPTIONS double initial_accumulator_value, epsilon; } moru_adagrad_options;
/** a = rho a + (1 - rho) g^2; d = -sqrt((x + epsilon)/(a + epsilon)) g; x = rho x + (1 - rho) d^2; w += lr d. Zeiler, 2012. */
typedef struct moru_adadelta_options { MORU_OPTIMIZER_OPTIONS double rho, epsilon; } moru_adadelta_options;
/** n' = n + g^2; p = -learning_rate_power; z += g + 2 l2_shrinkage w - (n'^p - n^p)/lr w;
 *  w = (clip(z, -l1, l1) - z)/(n'^p/lr + 2 l2 + beta/lr). McMahan et al., 2013. */
typedef struct moru_ftrl_options {
    MORU_OPTIMIZER_OPTIONS
    double learning_rate_power, initial_accumulator_value, l1_regularization_strength, l2_regularization_strength;
    double l2_shrinkage_regularization_strength, beta;
} moru_ftrl_options;
/** w -= lr sign(beta_1 m + (1 - beta_1) g); m = beta_2 m + (1 - beta_2) g. Chen et al., 2023. */
typedef struct moru_lion_options { MORU_OPTIMIZER_OPTIONS double beta_1, beta_2; } moru_lion_options;
/** Adam's step r (without epsilon's share in the bias correction), scaled: w -= lr |w|/|r| r. You et al., 2019. */
typedef struct moru_lamb_options { MORU_OPTIMIZER_OPTIONS double beta_1, beta_2, epsilon; } moru_lamb_options;
/** Matrices: m = momentum m + g; w -= lr rms_rate sqrt(longest side) O(g + momentum m), or O(m) without nesterov, where O makes a
 *  matrix nearly orthogonal by ns_steps steps of x = a x + (b x x^T + c (x x^T)^2) x from x/|x|. All else, embeddings
 *  (exclude_embeddings) and weights whose paths match a regular expression of the JSON list exclude_layers ("[\"head\"]"):
 *  Adam with a rate of lr adam_lr_ratio and adam_weight_decay. rms_rate 0: no factor. Jordan et al., 2024. */
typedef struct moru_muon_options {
    MORU_OPTIMIZER_OPTIONS
    double adam_beta_1, adam_beta_2, adam_weight_decay, epsilon;
    const char *exclude_layers;
    bool exclude_embeddings;
    double muon_a, muon_b, muon_c, adam_lr_ratio, momentum;
    int64_t ns_steps;
    bool nesterov;
    double rms_rate;
} moru_muon_options;
/** Second moments of matrices kept by their rows' and columns' means; Shazeer, Stern, 2018. relative_step: rates are at most
 *  1/sqrt(t). */
typedef struct moru_adafactor_options {
    MORU_OPTIMIZER_OPTIONS
    double beta_2_decay, epsilon_1, epsilon_2, clip_threshold;
    bool relative_step;
} moru_adafactor_options;
/** v as Adam's; z -= lr g/(sqrt(v/(1 - beta_2^t)) + epsilon); x the mean of all z; w = (1 - beta_1) z + beta_1 x. The rate
 *  grows from 0 for warmup_steps. Defazio et al., 2024. */
typedef struct moru_schedule_free_adamw_options {
    MORU_OPTIMIZER_OPTIONS
    double beta_1, beta_2, epsilon;
    int64_t warmup_steps;
} moru_schedule_free_adamw_options;

#define MORU_SGD_DEFAULTS MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.01
#define moru_sgd(...) MORU_WITH_DEFAULTS(moru_sgd_new, moru_sgd_options, MORU_SGD_DEFAULTS, __VA_ARGS__)
#define MORU_ADAM_DEFAULTS MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-7
#define moru_adam(...) MORU_WITH_DEFAULTS(moru_adam_new, moru_adam_options, MORU_ADAM_DEFAULTS, __VA_ARGS__)
#define MORU_ADAMW_DEFAULTS MORU_ADAM_DEFAULTS, .weight_decay = 0.004
#define moru_adamw(...) MORU_WITH_DEFAULTS(moru_adamw_new, moru_adam_options, MORU_ADAMW_DEFAULTS, __VA_ARGS__)
#define MORU_ADAMAX_DEFAULTS MORU_ADAM_DEFAULTS
#define moru_adamax(...) MORU_WITH_DEFAULTS(moru_adamax_new, moru_adamax_options, MORU_ADAMAX_DEFAULTS, __VA_ARGS__)
#define MORU_NADAM_DEFAULTS MORU_ADAM_DEFAULTS
#define moru_nadam(...) MORU_WITH_DEFAULTS(moru_nadam_new, moru_nadam_options, MORU_NADAM_DEFAULTS, __VA_ARGS__)
#define MORU_RMSPROP_DEFAULTS MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .rho = 0.9, .epsilon = 1e-7
#define moru_rmsprop(...) MORU_WITH_DEFAULTS(moru_rmsprop_new, moru_rmsprop_options, MORU_RMSPROP_DEFAULTS, __VA_ARGS__)
#define MORU_ADAGRAD_DEFAULTS \
    MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .initial_accumulator_value = 0.1, .epsilon = 1e-7
#define moru_adagrad(...) MORU_WITH_DEFAULTS(moru_adagrad_new, moru_adagrad_options, MORU_ADAGRAD_DEFAULTS, __VA_ARGS__)
#define MORU_ADADELTA_DEFAULTS MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .rho = 0.95, .epsilon = 1e-7
#define moru_adadelta(...) MORU_WITH_DEFAULTS(moru_adadelta_new, moru_adadelta_options, MORU_ADADELTA_DEFAULTS, __VA_ARGS__)
#define MORU_FTRL_DEFAULTS \
    MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .learning_rate_power = -0.5, .initial_accumulator_value = 0.1
#define moru_ftrl(...) MORU_WITH_DEFAULTS(moru_ftrl_new, moru_ftrl_options, MORU_FTRL_DEFAULTS, __VA_ARGS__)
#define MORU_LION_DEFAULTS MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.99
#define moru_lion(...) MORU_WITH_DEFAULTS(moru_lion_new, moru_lion_options, MORU_LION_DEFAULTS, __VA_ARGS__)
#define MORU_LAMB_DEFAULTS MORU_ADAM_DEFAULTS
#define moru_lamb(...) MORU_WITH_DEFAULTS(moru_lamb_new, moru_lamb_options, MORU_LAMB_DEFAULTS, __VA_ARGS__)
#define MORU_MUON_DEFAULTS                                                                                            \
    MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .weight_decay = 0.004, .adam_beta_1 = 0.9, .adam_beta_2 = 0.999, \
        .adam_weight_decay = 0.004, .epsilon = 1e-7, .exclude_embeddings = true, .muon_a = 3.4445, .muon_b = -4.7750, \
        .muon_c = 2.0315, .adam_lr_ratio = 1, .momentum = 0.95, .ns_steps = 5, .nesterov = true, .rms_rate = 0.2
#define moru_muon(...) MORU_WITH_DEFAULTS(moru_muon_new, moru_muon_options, MORU_MUON_DEFAULTS, __VA_ARGS__)
#define MORU_ADAFACTOR_DEFAULTS                                                                                       \
    MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.001, .beta_2_decay = -0.8, .epsilon_1 = 1e-30, .epsilon_2 = 1e-3,     \
        .clip_threshold = 1, .relative_step = true
#define moru_adafactor(...) \
    MORU_WITH_DEFAULTS(moru_adafactor_new, moru_adafactor_options, MORU_ADAFACTOR_DEFAULTS, __VA_ARGS__)
#define MORU_SCHEDULE_FREE_ADAMW_DEFAULTS \
    MORU_OPTIMIZER_DEFAULTS, .learning_rate = 0.0025, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8
#define moru_schedule_free_adamw(...)                                                    \
    MORU_WITH_DEFAULTS(moru_schedule_free_adamw_new, moru_schedule_free_adamw_options,   \
                       MORU_SCHEDULE_FREE_ADAMW_DEFAULTS, __VA_ARGS__)
MORU_API moru_optimizer *moru_sgd_new(const moru_sgd_options *options);
MORU_API moru_optimizer *moru_adam_new(const moru_adam_options *options);
MORU_API moru_optimizer *moru_adamw_new(const moru_adam_options *options);
MORU_API moru_optimizer *moru_adamax_new(const moru_adamax_options *options);
MORU_API moru_optimizer *moru_nadam_new(const moru_nadam_options *options);
MORU_API moru_optimizer *moru_rmsprop_new(const moru_rmsprop_options *options);
MORU_API moru_optimizer *moru_adagrad_new(const moru_adagrad_options *options);
MORU_API moru_optimizer *moru_adadelta_new(const moru_adadelta_options *options);
MORU_API moru_optimizer *moru_ftrl_new(const moru_ftrl_options *options);
MORU_API moru_optimizer *moru_lion_new(const moru_lion_options *options);
MORU_API moru_optimizer *moru_lamb_new(const moru_lamb_options *options);
MORU_API moru_optimizer *moru_muon_new(const moru_muon_options *options);
MORU_API moru_optimizer *moru_adafactor_new(const moru_adafactor_options *options);
MORU_API moru_optimizer *moru_schedule_free_adamw_new(const moru_schedule_free_adamw_options *options);
/** From a spec: "adam", "sgd(0.1, momentum=0.9)", or a Keras JSON object. */
MORU_API moru_status moru_optimizer_from(moru_optimizer **optimizer, const char *spec);
MORU_API void moru_optimizer_free(moru_optimizer *optimizer);
MORU_API double moru_optimizer_learning_rate(const moru_optimizer *optimizer, int64_t iteration);
/** Replaces rate and schedule by a fixed rate. */
MORU_API void moru_optimizer_set_learning_rate(moru_optimizer *optimizer, double rate);
MORU_API moru_status moru_optimizer_set_schedule(moru_optimizer *optimizer, const char *spec);
/** Value of a schedule spec at an iteration (counted from 0). */
MORU_API moru_status moru_schedule_value(const char *spec, int64_t iteration, double *value);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
