/* Adam: m += (1 - b1)(g - m); v += (1 - b2)(g^2 - v); w -= lr sqrt(1 - b2^t)/(1 - b1^t) m/(sqrt(v) + epsilon), with t
 * from 1. AdamW is Adam that decays weights by default: w -= lr decay w before the step. */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, moru_slot slots[MORU_MAX_SLOTS])
{
    (void)options;
    slots[0] = (moru_slot){"momentum", 0};
    slots[1] = (moru_slot){"velocity", 0};
    return 2;
}

static moru_node *step(const void *options, moru_node *param, moru_node *grad, moru_node *const *slots, moru_node *lr,
                       moru_node *step)
{
    const moru_adam_options *o = options;
    return moru_adam_step(param, grad, slots[0], slots[1], lr, step, o->beta_1, o->beta_2, o->epsilon, o->weight_decay);
}

static moru_status check(const void *options, const char *where)
{
    const moru_adam_options *o = options;
    if (!(o->beta_1 >= 0 && o->beta_1 < 1) || !(o->beta_2 >= 0 && o->beta_2 < 1))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: beta_1 and beta_2 must lie in [0, 1), not be %g and %g", where,
                         o->beta_1, o->beta_2);
    if (!(o->epsilon >= 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: epsilon must not be negative", where);
    return MORU_OK;
}

static const moru_adam_options adam_defaults = {MORU_ADAM_DEFAULTS}, adamw_defaults = {MORU_ADAMW_DEFAULTS};
static const moru_field adam_fields[] = {
    MORU_FIELD(moru_adam_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adam_options),
};
static const moru_field adamw_fields[] = {
    MORU_FIELD(moru_adam_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, weight_decay, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, epsilon, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adam_options),
};
static const moru_optimizer_rule rule = {.interleaved = true, .slots = slots, .step = step, .check = check};
const moru_class moru_adam_class = {"Adam", "adam", "keras.optimizers", sizeof(moru_adam_options), &adam_defaults,
                                    adam_fields, sizeof adam_fields / sizeof *adam_fields, &rule};
const moru_class moru_adamw_class = {"AdamW", "adamw", "keras.optimizers", sizeof(moru_adam_options), &adamw_defaults,
                                     adamw_fields, sizeof adamw_fields / sizeof *adamw_fields, &rule};

moru_optimizer *moru_adam_new(const moru_adam_options *options)
{
    return moru_optimizer_new(&moru_adam_class, options ? options : &adam_defaults);
}

moru_optimizer *moru_adamw_new(const moru_adam_options *options)
{
    return moru_optimizer_new(&moru_adamw_class, options ? options : &adamw_defaults);
}
