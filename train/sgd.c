/* SGD: w -= lr g. With momentum: v = mu v - lr g; w += v, or with Nesterov's, w += mu v - lr g. */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_sgd_options *o = options;
    (void)weight;
    slots[0] = (moru_slot){.name = "momentum"};
    return o->momentum != 0;
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_sgd_options *o = s->options;
    moru_node *stepped = moru_sgd_step(s->param, s->grad, o->momentum != 0 ? s->slots[0] : NULL, s->lr, o->momentum,
                                       o->nesterov, s->weight_decay);
    made[0] = stepped;
    if (o->momentum != 0)
        made[1] = moru_node_output(stepped, 1);
}

static moru_status check(const void *options, const char *where)
{
    const moru_sgd_options *o = options;
    if (o->momentum >= 0 && o->momentum <= 1)
        return MORU_OK;
    return moru_fail(MORU_ERR_ARGUMENT, "%s: momentum must lie in [0, 1], not be %g", where, o->momentum);
}

static const moru_sgd_options defaults = {MORU_SGD_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_sgd_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_sgd_options, momentum, MORU_FIELD_REAL),
    MORU_FIELD(moru_sgd_options, nesterov, MORU_FIELD_BOOL),
    MORU_FIELD(moru_sgd_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_sgd_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(sgd, "SGD", "sgd", moru_sgd_options, defaults, fields, rule)
