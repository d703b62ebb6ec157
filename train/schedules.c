/* Learning-rate schedules. Step t counts from 0. All arithmetic is in float, in Keras's order of operations. */
#include <math.h>
#include <string.h>

#include "train/schedules.h"
#include <moru/train.h>

typedef float schedule_fn(const void *options, float t);

typedef struct schedule_rule {
    schedule_fn *at;
    moru_status (*check)(const void *options, const char *where);
} schedule_rule;

static const float pi = 3.14159265358979f;

static moru_status check_steps(double steps, const char *name, const char *where)
{
    if (steps > 0 && isfinite(steps))
        return MORU_OK;
    return moru_fail(MORU_ERR_ARGUMENT, "%s: %s must be positive, not %g", where, name, steps);
}

/* exponential: a r^(t/n); inverse time: a / (1 + r t/n); staircase: floor(t/n) */
typedef struct decay_options {
    double initial_learning_rate, decay_steps, decay_rate;
    bool staircase;
} decay_options;

static float stairs(const decay_options *o, float t)
{
    float p = t / (float)o->decay_steps;
    return o->staircase ? floorf(p) : p;
}

static float exponential(const void *options, float t)
{
    const decay_options *o = options;
    return (float)o->initial_learning_rate * powf((float)o->decay_rate, stairs(o, t));
}

static float inverse_time(const void *options, float t)
{
    const decay_options *o = options;
    return (float)o->initial_learning_rate / (1.0f + (float)o->decay_rate * stairs(o, t));
}

static moru_status check_decay(const void *options, const char *where)
{
    return check_steps(((const decay_options *)options)->decay_steps, "decay_steps", where);
}

static const decay_options decay_defaults = {.initial_learning_rate = NAN, .decay_steps = NAN, .decay_rate = NAN};
static const moru_field decay_fields[] = {
    MORU_FIELD(decay_options, initial_learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(decay_options, decay_steps, MORU_FIELD_REAL),
    MORU_FIELD(decay_options, decay_rate, MORU_FIELD_REAL),
    MORU_FIELD(decay_options, staircase, MORU_FIELD_BOOL),
};

/* polynomial: (a - e)(1 - t/n)^p + e with t <= n; cycle: n grows to the next multiple instead */
typedef struct polynomial_options {
    double initial_learning_rate, decay_steps, end_learning_rate, power;
    bool cycle;
} polynomial_options;

static float polynomial(const void *options, float t)
{
    const polynomial_options *o = options;
    float steps = (float)o->decay_steps, end = (float)o->end_learning_rate;
    if (o->cycle)
        steps *= t == 0 ? 1.0f : ceilf(t / steps);
    else
        t = fminf(t, steps);
    return ((float)o->initial_learning_rate - end) * powf(1.0f - t / steps, (float)o->power) + end;
}

static moru_status check_polynomial(const void *options, const char *where)
{
    return check_steps(((const polynomial_options *)options)->decay_steps, "decay_steps", where);
}

static const polynomial_options polynomial_defaults = {
    .initial_learning_rate = NAN, .decay_steps = NAN, .end_learning_rate = 1e-4, .power = 1};
static const moru_field polynomial_fields[] = {
    MORU_FIELD(polynomial_options, initial_learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(polynomial_options, decay_steps, MORU_FIELD_REAL),
    MORU_FIELD(polynomial_options, end_learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(polynomial_options, power, MORU_FIELD_REAL),
    MORU_FIELD(polynomial_options, cycle, MORU_FIELD_BOOL),
};

/* cosine: a ((1 - alpha) (1 + cos(pi t/n))/2 + alpha), t <= n; with warmup_target first a straight line to it */
typedef struct cosine_options {
    double initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps;
} cosine_options;

static float cosine(const void *options, float t)
{
    const cosine_options *o = options;
    float from = (float)o->initial_learning_rate, steps = (float)o->decay_steps, warmup = 0;
    if (!isnan(o->warmup_target)) {
        float target = (float)o->warmup_target;
        warmup = (float)o->warmup_steps;
        if (t < warmup)
            return (target - from) * (t / warmup) + from;
        from = target;
    }
    t = fminf(t, steps + warmup) - warmup;
    float decayed = 0.5f * (1.0f + cosf(pi * (t / steps)));
    return from * ((float)(1 - o->alpha) * decayed + (float)o->alpha);
}

static moru_status check_cosine(const void *options, const char *where)
{
    const cosine_options *o = options;
    if (!(o->warmup_steps >= 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: warmup_steps must not be negative", where);
    return check_steps(o->decay_steps, "decay_steps", where);
}

static const cosine_options cosine_defaults = {.initial_learning_rate = NAN, .decay_steps = NAN, .warmup_target = NAN};
static const moru_field cosine_fields[] = {
    MORU_FIELD(cosine_options, initial_learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(cosine_options, decay_steps, MORU_FIELD_REAL),
    MORU_FIELD(cosine_options, alpha, MORU_FIELD_REAL),
    MORU_FIELD(cosine_options, warmup_target, MORU_FIELD_REAL),
    MORU_FIELD(cosine_options, warmup_steps, MORU_FIELD_REAL),
};

/* cosine with restarts: period k is n t_mul^k steps long and starts at a m_mul^k */
typedef struct restarts_options {
    double initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha;
} restarts_options;

static float cosine_restarts(const void *options, float t)
{
    const restarts_options *o = options;
    float fraction = t / (float)o->first_decay_steps, t_mul = (float)o->t_mul, alpha = (float)o->alpha, restart;
    if (t_mul == 1.0f) {
        restart = floorf(fraction);
        fraction -= restart;
    } else {
        restart = floorf(logf(1.0f - fraction * (1.0f - t_mul)) / logf(t_mul));
        float before = (1.0f - powf(t_mul, restart)) / (1.0f - t_mul);
        fraction = (fraction - before) / powf(t_mul, restart);
    }
    float decayed = 0.5f * powf((float)o->m_mul, restart) * (1.0f + cosf(pi * fraction));
    return (float)o->initial_learning_rate * ((1.0f - alpha) * decayed + alpha);
}

static moru_status check_restarts(const void *options, const char *where)
{
    const restarts_options *o = options;
    if (!(o->t_mul >= 1))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: t_mul must be at least 1, not %g", where, o->t_mul);
    return check_steps(o->first_decay_steps, "first_decay_steps", where);
}

static const restarts_options restarts_defaults = {
    .initial_learning_rate = NAN, .first_decay_steps = NAN, .t_mul = 2, .m_mul = 1};
static const moru_field restarts_fields[] = {
    MORU_FIELD(restarts_options, initial_learning_rate, MORU_FIELD_REAL),
    MORU_FIELD(restarts_options, first_decay_steps, MORU_FIELD_REAL),
    MORU_FIELD(restarts_options, t_mul, MORU_FIELD_REAL),
    MORU_FIELD(restarts_options, m_mul, MORU_FIELD_REAL),
    MORU_FIELD(restarts_options, alpha, MORU_FIELD_REAL),
};

/* piecewise constant: values[k] for boundaries[k-1] < t <= boundaries[k] */
typedef struct piecewise_options { moru_reals boundaries, values; } piecewise_options;

static float piecewise(const void *options, float t)
{
    const piecewise_options *o = options;
    int k = 0;
    while (k < o->boundaries.n && (double)t > o->boundaries.values[k])
        k++;
    return (float)o->values.values[k];
}

static moru_status check_piecewise(const void *options, const char *where)
{
    const piecewise_options *o = options;
    if (o->boundaries.n < 1 || o->values.n != o->boundaries.n + 1)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: there must be one more of values (%d) than of boundaries (%d)", where,
                         o->values.n, o->boundaries.n);
    for (int k = 1; k < o->boundaries.n; k++)
        if (!(o->boundaries.values[k] > o->boundaries.values[k - 1]))
            return moru_fail(MORU_ERR_ARGUMENT, "%s: boundaries must increase", where);
    return MORU_OK;
}

static const piecewise_options piecewise_defaults = {{0}, {0}};
static const moru_field piecewise_fields[] = {
    MORU_FIELD(piecewise_options, boundaries, MORU_FIELD_REALS),
    MORU_FIELD(piecewise_options, values, MORU_FIELD_REALS),
};

#define SCHEDULE(id, class_text, alias_text, family, function, check_function)                              \
    static const schedule_rule id##_rule = {function, check_function};                                      \
    static const moru_class id##_class = {class_text, alias_text, "keras.optimizers.schedules",             \
                                          sizeof(family##_options), &family##_defaults, family##_fields,    \
                                          sizeof family##_fields / sizeof *family##_fields, &id##_rule};
SCHEDULE(exponential, "ExponentialDecay", "exponential_decay", decay, exponential, check_decay)
SCHEDULE(inverse_time, "InverseTimeDecay", "inverse_time_decay", decay, inverse_time, check_decay)
SCHEDULE(polynomial, "PolynomialDecay", "polynomial_decay", polynomial, polynomial, check_polynomial)
SCHEDULE(cosine, "CosineDecay", "cosine_decay", cosine, cosine, check_cosine)
SCHEDULE(restarts, "CosineDecayRestarts", "cosine_decay_restarts", restarts, cosine_restarts, check_restarts)
SCHEDULE(piecewise, "PiecewiseConstantDecay", "piecewise_constant_decay", piecewise, piecewise, check_piecewise)

static const moru_class *const classes[] = {&exponential_class, &inverse_time_class, &polynomial_class,
                                            &cosine_class, &restarts_class, &piecewise_class};

/* Every class's rate at step 0 is a number, unless an option that has no default was left out. */
moru_status moru_schedule_parse(moru_arena *arena, const char *spec, const char *where, moru_schedule **schedule)
{
    moru_schedule *s = moru_arena_alloc(arena, sizeof *s);
    if (!s)
        return moru_fail(MORU_ERR_MEMORY, "%s: no memory for a schedule", where);
    MORU_TRY(moru_spec_parse(arena, spec, classes, sizeof classes / sizeof *classes, where, &s->class_, &s->options));
    MORU_TRY(((const schedule_rule *)s->class_->functions)->check(s->options, where));
    if (!isfinite(moru_schedule_at(s, 1)))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: %s lacks an option or has one that isn't finite", where,
                         s->class_->class_name);
    *schedule = s;
    return MORU_OK;
}

double moru_schedule_at(const moru_schedule *schedule, int64_t iteration)
{
    return (double)((const schedule_rule *)schedule->class_->functions)->at(schedule->options, (float)iteration);
}

json_t *moru_schedule_to_json(const moru_schedule *schedule)
{
    return moru_class_to_json(schedule->class_, schedule->options);
}

moru_status moru_schedule_value(const char *spec, int64_t iteration, double *value)
{
    moru_arena arena = {NULL};
    moru_schedule *schedule;
    if (!spec || iteration < 0)
        return moru_fail(MORU_ERR_ARGUMENT, "a schedule needs a spec and an iteration that isn't negative");
    moru_status status = moru_schedule_parse(&arena, spec, "schedule", &schedule);
    if (status == MORU_OK)
        *value = moru_schedule_at(schedule, iteration);
    moru_arena_free(&arena);
    return status;
}
