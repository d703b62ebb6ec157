/* ScheduleFreeAdamW: v as Adam's; z -= lr g/(sqrt(v/(1 - b2^t)) + epsilon); x = (w - (1 - b1) z_before)/b1 is the mean of
 * all z, to which the new z is added with weight 1/t; w = (1 - b1) z + b1 x. The slot "momentum" is z, which begins as w. */
#include <math.h>

#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    (void)options;
    (void)weight;
    slots[0] = (moru_slot){.name = "momentum"};
    slots[1] = (moru_slot){.name = "velocity"};
    return 2;
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_schedule_free_adamw_options *o = s->options;
    moru_node *w = moru_decayed(s), *lr = s->lr, *first = moru_less_equal(s->step, moru_scalar(w->graph, 1));
    moru_node *before = moru_where(first, s->param, s->slots[0]), *weight = moru_reciprocal(s->step);
    if (o->warmup_steps > 0)
        lr = moru_mul(lr, moru_clip(moru_mul_scalar(s->step, 1 / (double)o->warmup_steps), 0, 1));
    made[2] = moru_toward(s->slots[1], moru_square(s->grad), 1 - o->beta_2);
    moru_node *square = moru_div(made[2], moru_one_less(moru_power_of(o->beta_2, s->step)));
    moru_node *fraction = moru_div(moru_mul(s->grad, lr), moru_add_scalar(moru_sqrt(square), o->epsilon));
    made[1] = moru_sub(before, fraction);
    moru_node *x = moru_mul_scalar(moru_sub(w, moru_mul_scalar(before, 1 - o->beta_1)), 1 / o->beta_1);
    x = moru_add(moru_mul(x, moru_one_less(weight)), moru_mul(made[1], weight));
    made[0] = moru_add(moru_mul_scalar(made[1], 1 - o->beta_1), moru_mul_scalar(x, o->beta_1));
}

static moru_status check(const void *options, const char *where)
{
    const moru_schedule_free_adamw_options *o = options;
    if (!(o->beta_1 > 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: beta_1 must lie in (0, 1], not be %g", where, o->beta_1);
    MORU_TRY(moru_option_within(o->beta_1, 0, 1, "beta_1", where));
    MORU_TRY(moru_option_within(o->beta_2, 0, 1, "beta_2", where));
    MORU_TRY(moru_option_within((double)o->warmup_steps, 0, INFINITY, "warmup_steps", where));
    return moru_option_within(o->epsilon, 0, INFINITY, "epsilon", where);
}

static const moru_schedule_free_adamw_options defaults = {MORU_SCHEDULE_FREE_ADAMW_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_schedule_free_adamw_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_schedule_free_adamw_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_schedule_free_adamw_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_schedule_free_adamw_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_schedule_free_adamw_options, warmup_steps, MORU_FIELD_INT),
    MORU_FIELD(moru_schedule_free_adamw_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_schedule_free_adamw_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(schedule_free_adamw, "ScheduleFreeAdamW", "schedule_free_adamw", moru_schedule_free_adamw_options,
               defaults, fields, rule)
