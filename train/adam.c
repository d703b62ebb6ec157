/* Adam: m += (1 - b1)(g - m); v += (1 - b2)(g^2 - v); w -= lr sqrt(1 - b2^t)/(1 - b1^t) m/(sqrt(v) + epsilon), with t
 * from 1; amsgrad: with the largest v so far. AdamW is Adam that decays weights by default: w -= lr decay w before the
 * step. */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_adam_options *o = options;
    (void)weight;
    slots[0] = (moru_slot){.name = "momentum", .group = 0};
    slots[1] = (moru_slot){.name = "velocity", .group = 0};
    slots[2] = (moru_slot){.name = "velocity_hat", .group = 1};
    return o->amsgrad ? 3 : 2;
}

static void step_amsgrad(const moru_stepping *s, moru_node **made)
{
    const moru_adam_options *o = s->options;
    moru_node *rate = moru_div(moru_sqrt(moru_one_less(moru_power_of(o->beta_2, s->step))),
                               moru_one_less(moru_power_of(o->beta_1, s->step)));
    made[1] = moru_toward(s->slots[0], s->grad, 1 - o->beta_1);
    made[2] = moru_toward(s->slots[1], moru_square(s->grad), 1 - o->beta_2);
    made[3] = moru_maximum(s->slots[2], made[2]);
    made[0] = moru_sub(moru_decayed(s), moru_div(moru_mul(made[1], moru_mul(s->lr, rate)),
                                                 moru_add_scalar(moru_sqrt(made[3]), o->epsilon)));
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_adam_options *o = s->options;
    if (o->amsgrad) {
        step_amsgrad(s, made);
        return;
    }
    made[0] = moru_adam_step(s->param, s->grad, s->slots[0], s->slots[1], s->lr, s->step, o->beta_1, o->beta_2,
                             o->epsilon, s->weight_decay);
    made[1] = moru_node_output(made[0], 1);
    made[2] = moru_node_output(made[0], 2);
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
    MORU_FIELD(moru_adam_options, amsgrad, MORU_FIELD_BOOL),
    MORU_FIELD(moru_adam_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adam_options),
};
static const moru_field adamw_fields[] = {
    MORU_FIELD(moru_adam_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, weight_decay, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_adam_options, amsgrad, MORU_FIELD_BOOL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adam_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(adam, "Adam", "adam", moru_adam_options, adam_defaults, adam_fields, rule)
MORU_OPTIMIZER(adamw, "AdamW", "adamw", moru_adam_options, adamw_defaults, adamw_fields, rule)
