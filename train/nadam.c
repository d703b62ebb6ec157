/* Nadam: Adam with Nesterov's momentum; u_t = b1 (1 - 0.96^t/2), U their product so far, which is one number for all
 * weights; w -= lr (u_{t+1} m/(1 - U u_{t+1}) + (1 - u_t) g/(1 - U))/(sqrt(v/(1 - b2^t)) + epsilon). */
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

/* u at a step */
static moru_node *momentum_at(const moru_nadam_options *o, moru_node *step)
{
    return moru_mul_scalar(moru_one_less(moru_mul_scalar(moru_power_of(0.96, step), 0.5)), o->beta_1);
}

static moru_node *share(const void *options, moru_node *old, moru_node *step)
{
    return moru_mul(old, momentum_at(options, step));
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_nadam_options *o = s->options;
    moru_node *now = momentum_at(o, s->step), *next = momentum_at(o, moru_add_scalar(s->step, 1));
    moru_node *of_mean = moru_div(next, moru_one_less(moru_mul(s->shared, next)));
    moru_node *of_grad = moru_div(moru_one_less(now), moru_one_less(s->shared));
    made[1] = moru_toward(s->slots[0], s->grad, 1 - o->beta_1);
    made[2] = moru_toward(s->slots[1], moru_square(s->grad), 1 - o->beta_2);
    moru_node *mean = moru_add(moru_mul(made[1], of_mean), moru_mul(s->grad, of_grad));
    moru_node *square = moru_div(made[2], moru_one_less(moru_power_of(o->beta_2, s->step)));
    made[0] = moru_sub(moru_decayed(s), moru_div(moru_mul(mean, s->lr),
                                                 moru_add_scalar(moru_sqrt(square), o->epsilon)));
}

static moru_status check(const void *options, const char *where)
{
    const moru_nadam_options *o = options;
    return moru_betas_check(o->beta_1, o->beta_2, o->epsilon, where);
}

static const moru_nadam_options defaults = {MORU_NADAM_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_nadam_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_nadam_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_nadam_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_nadam_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_nadam_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_nadam_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check, .share = share, .shared = 1};
MORU_OPTIMIZER(nadam, "Nadam", "nadam", moru_nadam_options, defaults, fields, rule)
