/* Ftrl: n' = n + g^2; p = -learning_rate_power; z += g + 2 l2_shrinkage w - (n'^p - n^p)/lr w;
 * w = (clip(z, -l1, l1) - z)/(n'^p/lr + 2 l2 + beta/lr). */
#include <math.h>

#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_ftrl_options *o = options;
    (void)weight;
    slots[0] = (moru_slot){.name = "accumulator", .initial = o->initial_accumulator_value};
    slots[1] = (moru_slot){.name = "linear"};
    return 2;
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_ftrl_options *o = s->options;
    moru_node *w = moru_decayed(s), *grad = s->grad;
    made[1] = moru_add(s->slots[0], moru_square(s->grad));
    moru_node *before = moru_pow_scalar(s->slots[0], -o->learning_rate_power);
    moru_node *after = moru_pow_scalar(made[1], -o->learning_rate_power);
    if (o->l2_shrinkage_regularization_strength > 0)
        grad = moru_add(grad, moru_mul_scalar(w, 2 * o->l2_shrinkage_regularization_strength));
    made[2] = moru_add(s->slots[1], moru_sub(grad, moru_mul(moru_div(moru_sub(after, before), s->lr), w)));
    moru_node *quadratic = moru_add_scalar(moru_div(moru_add_scalar(after, o->beta), s->lr),
                                           2 * o->l2_regularization_strength);
    moru_node *clipped = moru_clip(made[2], -o->l1_regularization_strength, o->l1_regularization_strength);
    made[0] = moru_div(moru_sub(clipped, made[2]), quadratic);
}

static moru_status check(const void *options, const char *where)
{
    const moru_ftrl_options *o = options;
    const double strengths[] = {o->initial_accumulator_value, o->l1_regularization_strength,
                                o->l2_regularization_strength, o->l2_shrinkage_regularization_strength, o->beta};
    static const char *const names[] = {"initial_accumulator_value", "l1_regularization_strength",
                                        "l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta"};
    for (int k = 0; k < 5; k++)
        MORU_TRY(moru_option_within(strengths[k], 0, INFINITY, names[k], where));
    return moru_option_within(o->learning_rate_power, -INFINITY, 0, "learning_rate_power", where);
}

static const moru_ftrl_options defaults = {MORU_FTRL_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_ftrl_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_ftrl_options, learning_rate_power, MORU_FIELD_REAL),
    MORU_FIELD(moru_ftrl_options, initial_accumulator_value, MORU_FIELD_REAL),
    MORU_FIELD(moru_ftrl_options, l1_regularization_strength, MORU_FIELD_REAL),
    MORU_FIELD(moru_ftrl_options, l2_regularization_strength, MORU_FIELD_REAL),
    MORU_FIELD(moru_ftrl_options, l2_shrinkage_regularization_strength, MORU_FIELD_REAL),
    MORU_FIELD(moru_ftrl_options, beta, MORU_FIELD_REAL),
    MORU_FIELD(moru_ftrl_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_ftrl_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(ftrl, "Ftrl", "ftrl", moru_ftrl_options, defaults, fields, rule)
