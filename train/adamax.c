/* Adamax: m += (1 - b1)(g - m); u = max(b2 u, |g|); w -= lr/(1 - b1^t) m/(u + epsilon). */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    (void)options;
    (void)weight;
    slots[0] = (moru_slot){.name = "momentum"};
    slots[1] = (moru_slot){.name = "norm"};
    return 2;
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_adamax_options *o = s->options;
    moru_node *left = moru_one_less(moru_power_of(o->beta_1, s->step));
    made[1] = moru_toward(s->slots[0], s->grad, 1 - o->beta_1);
    made[2] = moru_maximum(moru_mul_scalar(s->slots[1], o->beta_2), moru_abs(s->grad));
    made[0] = moru_sub(moru_decayed(s), moru_div(moru_mul(made[1], moru_div(s->lr, left)),
                                                 moru_add_scalar(made[2], o->epsilon)));
}

static moru_status check(const void *options, const char *where)
{
    const moru_adamax_options *o = options;
    return moru_betas_check(o->beta_1, o->beta_2, o->epsilon, where);
}

static const moru_adamax_options defaults = {MORU_ADAMAX_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_adamax_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_adamax_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_adamax_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_adamax_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_adamax_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adamax_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(adamax, "Adamax", "adamax", moru_adamax_options, defaults, fields, rule)
