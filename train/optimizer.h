/* Optimizers: classes configured as in Keras; each makes the nodes of one parameter's step. */
#ifndef MORU_TRAIN_OPTIMIZER_H
#define MORU_TRAIN_OPTIMIZER_H

#include <moru/train.h>
#include "core/config.h"
#include "layers/layer.h"
#include "train/schedules.h"

enum { MORU_MAX_SLOTS = 3 };

/* What every options struct begins with. */
typedef struct moru_optimizer_options { MORU_OPTIMIZER_OPTIONS } moru_optimizer_options;

/* What an optimizer keeps for a weight. Files hold the slots of group 0 weight by weight, then those of group 1 ... */
typedef struct moru_slot {
    const char *name;
    double initial;
    int group;
    bool own_shape;     /* shape counts; otherwise it is the weight's */
    moru_shape shape;
} moru_slot;

/* One weight's step. */
typedef struct moru_stepping {
    const void *options;
    const moru_weight *weight;
    moru_node *param, *grad;
    moru_node *const *slots;
    moru_node *shared;          /* the new value of the rule's shared slot */
    moru_node *lr, *step;       /* scalars; steps count from 1 */
    double weight_decay;        /* 0 for an excluded weight */
    bool excluded;
} moru_stepping;

/* The function table of a class. */
typedef struct moru_optimizer_rule {
    /* Slots of a weight in the order of files; returns how many. */
    int (*slots)(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS]);
    /* made[0]: new value of the weight, made[1 + k]: of slot k; NULL: it stays as it is. */
    void (*step)(const moru_stepping *s, moru_node **made);
    moru_status (*check)(const void *options, const char *where);
    /* A scalar beside all slots: its initial value and what becomes of it in a step; NULL: none. */
    moru_node *(*share)(const void *options, moru_node *old, moru_node *step);
    double shared;
} moru_optimizer_rule;

struct moru_optimizer {
    moru_arena arena;
    const moru_class *class_;
    void *options;
    moru_schedule *schedule;   /* NULL: a fixed rate */
    moru_status status;        /* of the constructor: reported by moru_compile() */
    char error[512];
};

extern const moru_class moru_sgd_class, moru_adam_class, moru_adamw_class, moru_adamax_class, moru_nadam_class,
    moru_rmsprop_class, moru_adagrad_class, moru_adadelta_class, moru_ftrl_class, moru_lion_class, moru_lamb_class,
    moru_muon_class, moru_adafactor_class, moru_schedule_free_adamw_class;

/* For the constructors: copies options; NULL only when out of memory, other mistakes are kept in the optimizer. */
moru_optimizer *moru_optimizer_new(const moru_class *class_, const void *options);
static inline const moru_optimizer_rule *moru_optimizer_rule_of(const moru_optimizer *o)
{
    return o->class_->functions;
}

static inline const moru_optimizer_options *moru_optimizer_common(const moru_optimizer *o)
{
    return o->options;
}

/* The Keras object {"module","class_name","config","registered_name"}: new reference, NULL when out of memory. */
json_t *moru_optimizer_to_json(const moru_optimizer *optimizer);
/* From such an object, Keras 2's included, or from a string with a spec. Of a LossScaleOptimizer it is the one inside. */
moru_status moru_optimizer_from_json(moru_optimizer **optimizer, json_t *json, const char *where);

/* Clips n gradients in place as the options ask (Keras takes the first of clipnorm, global_clipnorm, clipvalue). */
void moru_optimizer_clip(const moru_optimizer *optimizer, moru_node **grads, int n);
/* The rule's step for one weight: fills in the rest of s, but for the nodes. */
void moru_optimizer_step(const moru_optimizer *optimizer, const moru_weight *weight, moru_stepping *s,
                         moru_node **made);
/* A slot's tensor at the beginning; NULL when out of memory. */
moru_tensor *moru_slot_new(const moru_slot *slot, const moru_weight *weight);
/* For checks: value lies in [low, high]; otherwise an error that names the option. */
moru_status moru_option_within(double value, double low, double high, const char *name, const char *where);
/* Those of Adam and its kin: both betas in [0, 1], epsilon at least 0. */
moru_status moru_betas_check(double beta_1, double beta_2, double epsilon, const char *where);

/* For rules: w - lr weight_decay w. */
moru_node *moru_decayed(const moru_stepping *s);
/* old + rate (value - old). */
moru_node *moru_toward(moru_node *old, moru_node *value, double rate);
/* b^step */
moru_node *moru_power_of(double b, moru_node *step);
/* 1 - x */
moru_node *moru_one_less(moru_node *x);

/* The end of every class's table of fields. A learning rate is a number or, by the second row, a schedule. */
#define MORU_OPTIMIZER_COMMON_FIELDS(type)                 \
    MORU_FIELD(type, clipnorm, MORU_FIELD_REAL),           \
    MORU_FIELD(type, clipvalue, MORU_FIELD_REAL),          \
    MORU_FIELD(type, global_clipnorm, MORU_FIELD_REAL),    \
    MORU_FIELD(type, name, MORU_FIELD_TEXT),               \
    {.name = "learning_rate", .kind = MORU_FIELD_SPEC,     \
     .offset = offsetof(type, learning_rate_schedule), .family = "schedule"}, \
    MORU_FIELD(type, use_ema, MORU_FIELD_BOOL),            \
    MORU_FIELD(type, ema_momentum, MORU_FIELD_REAL),       \
    MORU_FIELD(type, ema_overwrite_frequency, MORU_FIELD_OPTIONAL_INT),      \
    MORU_FIELD(type, loss_scale_factor, MORU_FIELD_REAL),  \
    MORU_FIELD(type, gradient_accumulation_steps, MORU_FIELD_OPTIONAL_INT),  \
    MORU_FIELD_DROPPED("jit_compile"),                     \
    MORU_FIELD_DROPPED("is_legacy_optimizer")

/* A class and its constructor. */
#define MORU_OPTIMIZER(id, class_text, alias_text, type, defaults_, fields_, rule_)                          \
    const moru_class moru_##id##_class = {class_text, alias_text, "keras.optimizers", sizeof(type), &defaults_,       \
                                          fields_, sizeof fields_ / sizeof *fields_, &rule_};                         \
    moru_optimizer *moru_##id##_new(const type *options)                                                              \
    {                                                                                                                 \
        return moru_optimizer_new(&moru_##id##_class, options ? options : &defaults_);                                \
    }

#endif
