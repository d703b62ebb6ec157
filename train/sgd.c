/* SGD: w -= lr g. With momentum: v = mu v - lr g; w += v, or with Nesterov's, w += mu v - lr g. */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_sgd_options *o = options;
    slots[0] = (moru_slot){"momentum", 0};
    return o->momentum != 0;
}

static moru_node *step(const void *options, moru_node *param, moru_node *grad, moru_node *const *slots, moru_node *lr,
                       moru_node *step)
{
    const moru_sgd_options *o = options;
    (void)step;
    return moru_sgd_step(param, grad, o->momentum != 0 ? slots[0] : NULL, lr, o->momentum, o->nesterov,
                         o->weight_decay);
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
static const moru_optimizer_rule rule = {.interleaved = true, .slots = slots, .step = step, .check = check};
const moru_class moru_sgd_class = {"SGD", "sgd", "keras.optimizers", sizeof(moru_sgd_options), &defaults, fields,
                                   sizeof fields / sizeof *fields, &rule};

moru_optimizer *moru_sgd_new(const moru_sgd_options *options)
{
    return moru_optimizer_new(&moru_sgd_class, options ? options : &defaults);
}
