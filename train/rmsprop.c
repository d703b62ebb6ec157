/* RMSprop: v = rho v + (1 - rho) g^2; w -= lr g/sqrt(v + epsilon). Centered: a = rho a + (1 - rho) g, and v - a^2
 * stands in the root. With momentum: m = mu m + the increment; w -= m. */
#include "train/optimizer.h"
#include <moru/ops.h>

static int slots(const void *options, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_rmsprop_options *o = options;
    int n = 0;
    slots[n++] = (moru_slot){"velocity", 0};
    if (o->momentum > 0)
        slots[n++] = (moru_slot){"momentum", 0};
    if (o->centered)
        slots[n++] = (moru_slot){"average_gradient", 0};
    return n;
}

static moru_node *step(const void *options, moru_node *param, moru_node *grad, moru_node *const *slots, moru_node *lr,
                       moru_node *step)
{
    const moru_rmsprop_options *o = options;
    (void)step;
    moru_node *momentum = o->momentum > 0 ? slots[1] : NULL;
    moru_node *average = o->centered ? slots[momentum ? 2 : 1] : NULL;
    return moru_rmsprop_step(param, grad, slots[0], momentum, average, lr, o->rho, o->momentum, o->epsilon,
                             o->weight_decay);
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
static const moru_optimizer_rule rule = {.interleaved = false, .slots = slots, .step = step, .check = check};
const moru_class moru_rmsprop_class = {"RMSprop", "rmsprop", "keras.optimizers", sizeof(moru_rmsprop_options),
                                       &defaults, fields, sizeof fields / sizeof *fields, &rule};

moru_optimizer *moru_rmsprop_new(const moru_rmsprop_options *options)
{
    return moru_optimizer_new(&moru_rmsprop_class, options ? options : &defaults);
}
