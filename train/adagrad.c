/* Adagrad: a += g^2; w -= lr g/sqrt(a + epsilon). */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_adagrad_options *o = options;
    (void)weight;
    slots[0] = (moru_slot){.name = "accumulator", .initial = o->initial_accumulator_value};
    return 1;
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_adagrad_options *o = s->options;
    made[0] = moru_adagrad_step(s->param, s->grad, s->slots[0], s->lr, o->epsilon, s->weight_decay);
    made[1] = moru_node_output(made[0], 1);
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
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(adagrad, "Adagrad", "adagrad", moru_adagrad_options, defaults, fields, rule)
