/* Adafactor: weights of two and more axes keep the means r and c of g^2 over their last and their last but one axis,
 * from which v = r c/mean r comes; others keep v itself. u = g/sqrt v;
 * w -= max(epsilon_2, rms w) rate u/max(1, rms u/threshold). */
#include <math.h>

#include "train/optimizer.h"
#include <moru/ops.h>

enum { ROWS, COLUMNS, VELOCITY };

/* Keras keeps two numbers it doesn't use where there is no matrix. */
static int slots(const void *options, const moru_weight *weight, moru_slot slots[MORU_MAX_SLOTS])
{
    const moru_shape *shape = moru_tensor_shape(weight->tensor);
    (void)options;
    slots[ROWS] = (moru_slot){.name = "r", .own_shape = true};
    slots[COLUMNS] = (moru_slot){.name = "c", .own_shape = true};
    slots[VELOCITY] = (moru_slot){.name = "velocity"};
    if (shape->rank >= 2) {
        slots[ROWS].shape = slots[COLUMNS].shape = *shape;
        slots[ROWS].shape.rank = slots[COLUMNS].shape.rank = shape->rank - 1;
        slots[COLUMNS].shape.dims[shape->rank - 2] = shape->dims[shape->rank - 1];
    }
    return 3;
}

static moru_node *rms(moru_node *x)
{
    return moru_sqrt(moru_mean_all(moru_square(x)));
}

static moru_node *mean_over(moru_node *x, int axis, bool keepdims)
{
    return moru_mean(x, &axis, 1, keepdims);
}

/* beta old + (1 - beta) value */
static moru_node *mixed(moru_node *old, moru_node *value, moru_node *beta)
{
    return moru_add(moru_mul(old, beta), moru_mul(value, moru_one_less(beta)));
}

static void step(const moru_stepping *s, moru_node **made)
{
    const moru_adafactor_options *o = s->options;
    moru_node *w = moru_decayed(s), *limit = moru_rsqrt(s->step);
    moru_node *rate = moru_mul(moru_clip(rms(w), o->epsilon_2, INFINITY), moru_minimum(s->lr, limit));
    moru_node *square = moru_add_scalar(moru_square(s->grad), o->epsilon_1);
    moru_node *beta = moru_one_less(moru_pow_scalar(s->step, o->beta_2_decay));
    if (w->shape.rank >= 2) {
        made[1 + ROWS] = mixed(s->slots[ROWS], mean_over(square, -1, false), beta);
        made[1 + COLUMNS] = mixed(s->slots[COLUMNS], mean_over(square, -2, false), beta);
        moru_node *rows = moru_div(made[1 + ROWS], mean_over(made[1 + ROWS], -1, true));
        made[1 + VELOCITY] = moru_mul(moru_expand_dims(rows, -1), moru_expand_dims(made[1 + COLUMNS], -2));
    } else {
        made[1 + VELOCITY] = mixed(s->slots[VELOCITY], square, beta);
    }
    moru_node *update = moru_div(s->grad, moru_sqrt(made[1 + VELOCITY]));
    moru_node *size = moru_clip(moru_mul_scalar(rms(update), 1 / o->clip_threshold), 1, INFINITY);
    made[0] = moru_sub(w, moru_mul(moru_div(update, size), rate));
}

static moru_status check(const void *options, const char *where)
{
    const moru_adafactor_options *o = options;
    MORU_TRY(moru_option_within(o->epsilon_1, 0, INFINITY, "epsilon_1", where));
    MORU_TRY(moru_option_within(o->epsilon_2, 0, INFINITY, "epsilon_2", where));
    if (!(o->clip_threshold > 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: clip_threshold must be positive, not %g", where, o->clip_threshold);
    return moru_option_within(o->beta_2_decay, -INFINITY, 0, "beta_2_decay", where);
}

static const moru_adafactor_options defaults = {MORU_ADAFACTOR_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_adafactor_options, learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_adafactor_options, beta_2_decay, MORU_FIELD_REAL),
    MORU_FIELD(moru_adafactor_options, epsilon_1, MORU_FIELD_REAL),
    MORU_FIELD(moru_adafactor_options, epsilon_2, MORU_FIELD_REAL),
    MORU_FIELD(moru_adafactor_options, clip_threshold, MORU_FIELD_REAL),
    MORU_FIELD(moru_adafactor_options, relative_step, MORU_FIELD_BOOL),
    MORU_FIELD(moru_adafactor_options, weight_decay, MORU_FIELD_REAL),
    MORU_OPTIMIZER_COMMON_FIELDS(moru_adafactor_options),
};
static const moru_optimizer_rule rule = {.slots = slots, .step = step, .check = check};
MORU_OPTIMIZER(adafactor, "Adafactor", "adafactor", moru_adafactor_options, defaults, fields, rule)
