/* Adadelta: a = rho a + (1 - rho) g^2; d = -sqrt((x + epsilon)/(a + epsilon)) g; x = rho x + (1 - rho) d^2;
 * w += lr d. */
#include <math.h>

#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    (void)options;
    (void)weight;
    slots[0] = (moru_slot){.name = "accumulated_grad"};
    slots[1] = (moru_slot){.name = "accumulated_delta_var"};
    return 2;
}

static moru_node *mixed(moru_node *old, moru_node *value, double rho)
{
    return moru_add(moru_mul_scalar(old, rho), moru_mul_scalar(moru_square(value), 1 - rho));
}

static moru_node *root(moru_node *x, double epsilon)
{
    return moru_sqrt(moru_add_scalar(x, epsilon));
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_adadelta_options *o = s->options;
    made[1] = mixed(s->slots[0], s->grad, o->rho);
    moru_node *delta = moru_div(moru_mul(root(s->slots[1], o->epsilon), s->grad), root(made[1], o->epsilon));
    made[2] = mixed(s->slots[1], delta, o->rho);
    made[0] = moru_sub(moru_decayed(s), moru_mul(delta, s->lr));
}

static moru_status check(const void *options, const char *where)
{
    const moru_adadelta_options *o = options;
    MORU_TRY(moru_option_within(o->rho, 0, 1, "rho", where));
    return moru_option_within(o->epsilon, 0, INFINITY, "epsilon", where);
}

static const moru_adadelta_options defaults = {MORU_ADADELTA_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_adadelta_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_adadelta_options, rho, MORU_FIELD_REAL),
    MORU_FIELD(moru_adadelta_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_adadelta_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adadelta_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(adadelta, "Adadelta", "adadelta", moru_adadelta_options, defaults, fields, rule)
