/* Lion: w -= lr sign(b1 m + (1 - b1) g); m = b2 m + (1 - b2) g. */
#include <math.h>

#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    (void)options;
    (void)weight;
    slots[0] = (moru_slot){.name = "momentum"};
    return 1;
}

static moru_node *mixed(const moru_stepping *s, double beta)
{
    return moru_add(moru_mul_scalar(s->slots[0], beta), moru_mul_scalar(s->grad, 1 - beta));
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_lion_options *o = s->options;
    made[1] = mixed(s, o->beta_2);
    made[0] = moru_sub(moru_decayed(s), moru_mul(moru_sign(mixed(s, o->beta_1)), s->lr));
}

static moru_status check(const void *options, const char *where)
{
    const moru_lion_options *o = options;
    if (!(o->beta_1 > 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: beta_1 must lie in (0, 1], not be %g", where, o->beta_1);
    MORU_TRY(moru_option_within(o->beta_1, 0, 1, "beta_1", where));
    return moru_option_within(o->beta_2, 0, 1, "beta_2", where);
}

static const moru_lion_options defaults = {MORU_LION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_lion_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_lion_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_lion_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_lion_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_lion_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(lion, "Lion", "lion", moru_lion_options, defaults, fields, rule)
