/* Optimizers: classes configured as in Keras; each makes the nodes of one parameter's step. */
#ifndef MORU_TRAIN_OPTIMIZER_H
#define MORU_TRAIN_OPTIMIZER_H

#include <moru/train.h>
#include "core/config.h"
#include "train/schedules.h"

enum { MORU_MAX_SLOTS = 3 };

/* What every options struct begins with. */
typedef struct moru_optimizer_options { MORU_OPTIMIZER_OPTIONS } moru_optimizer_options;

typedef struct moru_slot { const char *name; double initial; } moru_slot;

/* The function table of a class. */
typedef struct moru_optimizer_rule {
    bool interleaved;   /* files hold all slots of one parameter together; otherwise all of one name together */
    /* Slots of a parameter in Keras's order, which is also the order of the step op's outputs; returns how many. */
    int (*slots)(const void *options, moru_slot slots[MORU_MAX_SLOTS]);
    /* New value of param as first output, new slots after it. */
    moru_node *(*step)(const void *options, moru_node *param, moru_node *grad, moru_node *const *slots, moru_node *lr,
                       moru_node *step);
    moru_status (*check)(const void *options, const char *where);
} moru_optimizer_rule;

struct moru_optimizer {
    moru_arena arena;
    const moru_class *class_;
    void *options;
    moru_schedule *schedule;   /* NULL: a fixed rate */
    moru_status status;        /* of the constructor: reported by moru_compile() */
    char error[512];
};

extern const moru_class moru_sgd_class, moru_adam_class, moru_adamw_class, moru_rmsprop_class, moru_adagrad_class;

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
/* From such an object, Keras 2's included, or from a string with a spec. */
moru_status moru_optimizer_from_json(moru_optimizer **optimizer, json_t *json, const char *where);

/* Clips n gradients in place as the options ask (Keras takes the first of clipnorm, global_clipnorm, clipvalue). */
void moru_optimizer_clip(const moru_optimizer *optimizer, moru_node **grads, int n);

/* The end of every class's table of fields. A learning rate is a number or, by the second row, a schedule. */
#define MORU_OPTIMIZER_COMMON_FIELDS(type)                 \
    MORU_FIELD(type, clipnorm, MORU_FIELD_REAL),           \
    MORU_FIELD(type, clipvalue, MORU_FIELD_REAL),          \
    MORU_FIELD(type, global_clipnorm, MORU_FIELD_REAL),    \
    MORU_FIELD(type, name, MORU_FIELD_TEXT),               \
    {.name = "learning_rate", .kind = MORU_FIELD_SPEC,     \
     .offset = offsetof(type, learning_rate_schedule), .family = "schedule"}, \
    MORU_FIELD_DROPPED("ema_momentum"),                    \
    MORU_FIELD_DROPPED("jit_compile"),                     \
    MORU_FIELD_DROPPED("is_legacy_optimizer")

#endif
