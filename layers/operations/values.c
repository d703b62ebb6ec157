/* Elementwise keras.ops that are made of several ops, or have options. */
#include <float.h>
#include <math.h>

#include "layers/operations/operation.h"
#include "ops/activation_made.h"

static const char *const pair[] = {"x1", "x2", NULL};

#define BARE(id, name, module, expression) \
    static moru_node *id(const moru_layer_call *c) \
    { \
        moru_node *x = moru_as_real(c->inputs[0]); \
        return (expression); \
    } \
    MORU_OPERATION(id, name, module, moru_bare_options, moru_bare_defaults, id, .n_fields = 0)
BARE(sparse_plus, "SparsePlus", "nn", moru_sparse_plus(x));
BARE(sparse_sigmoid, "SparseSigmoid", "nn", moru_sparse_sigmoid(x));
BARE(hard_tanh, "HardTanh", "nn", moru_hard_tanh(x));
BARE(tanh_shrink, "TanhShrink", "nn", moru_tanh_shrink(x));
BARE(deg2rad, "Deg2rad", "numpy", moru_mul_scalar(x, M_PI / 180));
BARE(rad2deg, "Rad2deg", "numpy", moru_mul_scalar(x, 180 / M_PI));

/* ---- with one number, under the name that Keras gives it ---- */

typedef struct number_options {
    MORU_LAYER_OPTIONS
    double value;
} number_options;

#define NUMBER(id, name, option, default_, function) \
    static const number_options id##_defaults = {MORU_LAYER_DEFAULTS, .value = (default_)}; \
    static moru_node *id(const moru_layer_call *c) \
    { \
        return function(moru_as_real(c->inputs[0]), ((const number_options *)c->layer->options)->value); \
    } \
    MORU_OPERATION(id, name, "nn", number_options, id##_defaults, id, \
        MORU_FIELDS(MORU_FIELD_NAMED(number_options, value, MORU_FIELD_REAL, option)))
NUMBER(celu, "Celu", "alpha", 1, moru_celu);
NUMBER(soft_shrink, "SoftShrink", "threshold", 0.5, moru_soft_shrink);
NUMBER(hard_shrink, "HardShrink", "threshold", 0.5, moru_hard_shrink);
NUMBER(squareplus, "Squareplus", "b", 4, moru_squareplus);

typedef struct whole_options {
    MORU_LAYER_OPTIONS
    int64_t value;
} whole_options;
static const whole_options last_defaults = {MORU_LAYER_DEFAULTS, .value = -1}, none_defaults = {MORU_LAYER_DEFAULTS};

#define WHOLE(id, name, module, option, defaults, expression) \
    static moru_node *call_##id(const moru_layer_call *c) \
    { \
        moru_node *x = moru_as_real(c->inputs[0]); \
        int64_t value = ((const whole_options *)c->layer->options)->value; \
        return (expression); \
    } \
    MORU_OPERATION(id, name, module, whole_options, defaults, call_##id, \
        MORU_FIELDS(MORU_FIELD_NAMED(whole_options, value, MORU_FIELD_INT, option)))

static moru_node *round_to(moru_node *x, int64_t decimals)
{
    double factor = pow(10, (double)decimals);
    return decimals == 0 ? moru_round(x) : moru_mul_scalar(moru_round(moru_mul_scalar(x, factor)), 1 / factor);
}

WHOLE(glu, "Glu", "nn", "axis", last_defaults, moru_glu(x, (int)value));
WHOLE(sparsemax, "Sparsemax", "nn", "axis", last_defaults, moru_sparsemax_by(x, (int)value, true));
WHOLE(round, "Round", "numpy", "decimals", none_defaults, round_to(x, value));

/* ---- with several ---- */

typedef struct threshold_options {
    MORU_LAYER_OPTIONS
    double threshold, default_value;
} threshold_options;
static const threshold_options threshold_defaults = {MORU_LAYER_DEFAULTS};

static moru_node *threshold(const moru_layer_call *c)
{
    const threshold_options *o = c->layer->options;
    return moru_threshold(moru_as_real(c->inputs[0]), o->threshold, o->default_value);
}
MORU_OPERATION(threshold, "Threshold", "nn", threshold_options, threshold_defaults, threshold,
    MORU_FIELDS(MORU_FIELD(threshold_options, threshold, MORU_FIELD_REAL),
                MORU_FIELD(threshold_options, default_value, MORU_FIELD_REAL)));

typedef struct nan_options {
    MORU_LAYER_OPTIONS
    double nan, posinf, neginf;
} nan_options;
static const nan_options nan_defaults = {MORU_LAYER_DEFAULTS, .posinf = __builtin_nan(""), .neginf = __builtin_nan("")};

/* null: the largest number there is, and the least */
static moru_node *nan_to_num(const moru_layer_call *c)
{
    const nan_options *o = c->layer->options;
    const double most = sizeof(moru_real) == sizeof(float) ? FLT_MAX : DBL_MAX;
    return moru_nan_to_num(moru_as_real(c->inputs[0]), o->nan, isnan(o->posinf) ? most : o->posinf,
                           isnan(o->neginf) ? -most : o->neginf);
}
MORU_OPERATION(nan_to_num, "NanToNum", "numpy", nan_options, nan_defaults, nan_to_num,
    MORU_FIELDS(MORU_FIELD(nan_options, nan, MORU_FIELD_REAL), MORU_FIELD(nan_options, posinf, MORU_FIELD_REAL),
                MORU_FIELD(nan_options, neginf, MORU_FIELD_REAL)));

/* ---- of two values ---- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the members that most operations share */
#define TWO(id, name, function) \
    static moru_node *id(const moru_layer_call *c) \
    { \
        return function(moru_as_real(c->inputs[0]), moru_as_real(c->inputs[1])); \
    } \
    MORU_OPERATION(id, name, "numpy", moru_bare_options, moru_bare_defaults, id, .input_names = pair, .min_inputs = 2, \
        .max_inputs = 2)
TWO(logaddexp2, "Logaddexp2", moru_logaddexp2);
TWO(divide_no_nan, "DivideNoNan", moru_divide_no_nan);
TWO(heaviside, "Heaviside", moru_heaviside);
#pragma GCC diagnostic pop
