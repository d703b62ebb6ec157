/* Adagrad: a += g^2; w -= lr g/sqrt(a + epsilon). */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_adagrad_options *o = options;
    slots[0] = (moru_slot){"accumulator", o->initial_accumulator_value};
    return 1;
}

static moru_node *step(const void *options, moru_node *param, moru_node *grad, moru_node *const *slots, moru_node *lr,
                       moru_node *step)
{
    const moru_adagrad_options *o = options;
    (void)step;
    return moru_adagrad_step(param, grad, slots[0], lr, o->epsilon, o->weight_decay);
}

static moru_status check(const void *options, const char *where)
{
    const moru_adagrad_options *o = options;
    if (o->initial_accumulator_value >= 0 && o->epsilon >= 0)
        return MORU_OK;
    return moru_fail(MORU_ERR_ARGUMENT, "%s: initial_accumulator_value and epsilon must not be negative", where);
}

static const moru_adagrad_options defaults = {MORU_ADAGRAD_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_adagrad_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_adagrad_options, initial_accumulator_value, MORU_FIELD_REAL),
    MORU_FIELD(moru_adagrad_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_adagrad_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adagrad_options),
};
static const moru_optimizer_rule rule = {.interleaved = true, .slots = slots, .step = step, .check = check};
const moru_class moru_adagrad_class = {"Adagrad", "adagrad", "keras.optimizers", sizeof(moru_adagrad_options),
                                       &defaults, fields, sizeof fields / sizeof *fields, &rule};

moru_optimizer *moru_adagrad_new(const moru_adagrad_options *options)
{
    return moru_optimizer_new(&moru_adagrad_class, options ? options : &defaults);
}
