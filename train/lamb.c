/* Lamb: r = m/(1 - b1^t)/(sqrt(v/(1 - b2^t)) + epsilon) with Adam's m and v; w -= lr |w|/|r| r, the factor being 1 where
 * one of the norms is 0. */

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

static moru_node *norm(moru_node *x)
{
    return moru_sqrt(moru_sum_all(moru_square(x)));
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_lamb_options *o = s->options;
    moru_node *zero = moru_scalar(s->param->graph, 0), *one = moru_scalar(s->param->graph, 1), *w = moru_decayed(s);
    made[1] = moru_toward(s->slots[0], s->grad, 1 - o->beta_1);
    made[2] = moru_toward(s->slots[1], moru_square(s->grad), 1 - o->beta_2);
    moru_node *mean = moru_div(made[1], moru_one_less(moru_power_of(o->beta_1, s->step)));
    moru_node *square = moru_div(made[2], moru_one_less(moru_power_of(o->beta_2, s->step)));
    moru_node *update = moru_div(mean, moru_add_scalar(moru_sqrt(square), o->epsilon));
    moru_node *of_w = norm(w), *of_update = norm(update);
    moru_node *some = moru_logical_and(moru_greater(of_w, zero), moru_greater(of_update, zero));
    moru_node *ratio = moru_where(some, moru_div(of_w, moru_where(some, of_update, one)), one);
    made[0] = moru_sub(w, moru_mul(update, moru_mul(ratio, s->lr)));
}

static moru_status check(const void *options, const char *where)
{
    const moru_lamb_options *o = options;
    return moru_betas_check(o->beta_1, o->beta_2, o->epsilon, where);
}

static const moru_lamb_options defaults = {MORU_LAMB_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_lamb_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_lamb_options, beta_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_lamb_options, beta_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_lamb_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_lamb_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_lamb_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(lamb, "Lamb", "lamb", moru_lamb_options, defaults, fields, rule)
