/* RMSprop: v = rho v + (1 - rho) g^2; w -= lr g/sqrt(v + epsilon). Centered: a = rho a + (1 - rho) g, and v - a^2
 * stands in the root. With momentum: m = mu m + the increment; w -= m. */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_rmsprop_options *o = options;
    int n = 0;
    (void)weight;
    slots[n++] = (moru_slot){.name = "velocity", .group = 0};
    if (o->momentum > 0)
        slots[n++] = (moru_slot){.name = "momentum", .group = 1};
    if (o->centered)
        slots[n++] = (moru_slot){.name = "average_gradient", .group = 2};
    return n;
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_rmsprop_options *o = s->options;
    moru_node *momentum = o->momentum > 0 ? s->slots[1] : NULL;
    moru_node *average = o->centered ? s->slots[momentum ? 2 : 1] : NULL;
    made[0] = moru_rmsprop_step(s->param, s->grad, s->slots[0], momentum, average, s->lr, o->rho, o->momentum,
                                o->epsilon, s->weight_decay);
    for (int k = 1; k <= 1 + (momentum != NULL) + (average != NULL); k++)
        made[k] = moru_node_output(made[0], k);
}

static moru_status check(const void *options, const char *where)
{
    const moru_rmsprop_options *o = options;
    if (!(o->rho >= 0 && o->rho <= 1) || !(o->momentum >= 0 && o->momentum <= 1) || !(o->epsilon >= 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: rho (%g) and momentum (%g) must lie in [0, 1], epsilon not be "
                                            "negative", where, o->rho, o->momentum);
    return MORU_OK;
}

static const moru_rmsprop_options defaults = {MORU_RMSPROP_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_rmsprop_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_rmsprop_options, rho, MORU_FIELD_REAL),
    MORU_FIELD(moru_rmsprop_options, momentum, MORU_FIELD_REAL),
    MORU_FIELD(moru_rmsprop_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_rmsprop_options, centered, MORU_FIELD_BOOL),
    MORU_FIELD(moru_rmsprop_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_rmsprop_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(rmsprop, "RMSprop", "rmsprop", moru_rmsprop_options, defaults, fields, rule)
