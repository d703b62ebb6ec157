/* Comparisons, logic, choice, types and bounds: keras.ops.where, cast, clip, x > y. */
#include <math.h>
#include <string.h>

#include "layers/operations/operation.h"

static const char *const pair[] = {"x1", "x2", NULL};

static moru_node *compare(const moru_layer_call *c, moru_node *(*function)(moru_node *a, moru_node *b))
{
    moru_node *a = c->inputs[0], *b = c->inputs[1];
    moru_operation_alike(&a, &b);
    return function(a, b);
}

static moru_node *combine(const moru_layer_call *c, moru_node *(*function)(moru_node *a, moru_node *b))
{
    return function(moru_as_real(c->inputs[0]), moru_as_real(c->inputs[1]));
}

static moru_node *equal(const moru_layer_call *c) { return compare(c, moru_equal); }
static moru_node *not_equal(const moru_layer_call *c) { return compare(c, moru_not_equal); }
static moru_node *less(const moru_layer_call *c) { return compare(c, moru_less); }
static moru_node *less_equal(const moru_layer_call *c) { return compare(c, moru_less_equal); }
static moru_node *greater(const moru_layer_call *c) { return compare(c, moru_greater); }
static moru_node *greater_equal(const moru_layer_call *c) { return compare(c, moru_greater_equal); }
static moru_node *logical_and(const moru_layer_call *c) { return combine(c, moru_logical_and); }
static moru_node *logical_or(const moru_layer_call *c) { return combine(c, moru_logical_or); }
static moru_node *logical_not(const moru_layer_call *c) { return moru_logical_not(moru_as_real(c->inputs[0])); }

#define COMPARISON(id, name) \
    MORU_OPERATION(id, name, "numpy", moru_bare_options, moru_bare_defaults, id, \
        .input_names = pair, .min_inputs = 2, .max_inputs = 2)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the members that most operations share */
COMPARISON(equal, "Equal");
COMPARISON(not_equal, "NotEqual");
COMPARISON(less, "Less");
COMPARISON(less_equal, "LessEqual");
COMPARISON(greater, "Greater");
COMPARISON(greater_equal, "GreaterEqual");
COMPARISON(logical_and, "LogicalAnd");
COMPARISON(logical_or, "LogicalOr");

static const char *const choice[] = {"condition", "x1", "x2", NULL};

static moru_node *where(const moru_layer_call *c)
{
    moru_node *a = c->inputs[1], *b = c->inputs[2];
    moru_operation_alike(&a, &b);
    return moru_where(moru_as_real(c->inputs[0]), a, b);
}

MORU_OPERATION(where, "Where", "numpy", moru_bare_options, moru_bare_defaults, where, .input_names = choice,
    .min_inputs = 3, .max_inputs = 3);
#pragma GCC diagnostic pop
MORU_OPERATION(logical_not, "LogicalNot", "numpy", moru_bare_options, moru_bare_defaults, logical_not, .n_fields = 0);

/* ---- types ---- */

typedef struct cast_options {
    MORU_LAYER_OPTIONS
    const char *dtype;
} cast_options;
static const cast_options cast_defaults = {MORU_LAYER_DEFAULTS, .dtype = "float32"};

/* Real numbers have one width here, and integers too; true and false are 1 and 0. */
static moru_node *as_type(const moru_layer_call *c, moru_node *x, const char *dtype)
{
    if (strstr(dtype, "float"))
        return moru_as_real(x);
    if (strcmp(dtype, "bool") == 0)
        return moru_not_equal(x, moru_zeros_like(x));
    if (strstr(dtype, "int"))
        return moru_node_failed(x) || x->dtype == MORU_INT32 ? x : moru_cast(x, MORU_INT32);
    return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "dtype \"%.40s\"", dtype);
}

static moru_node *cast(const moru_layer_call *c)
{
    const cast_options *o = c->layer->options;
    return as_type(c, c->inputs[0], o->dtype ? o->dtype : "float32");
}

MORU_OPERATION(cast, "Cast", "core", cast_options, cast_defaults, cast,
    MORU_FIELDS(MORU_FIELD(cast_options, dtype, MORU_FIELD_TEXT)));

static moru_node *same(const moru_layer_call *c) { return c->inputs[0]; }
static moru_node *stop(const moru_layer_call *c) { return moru_stop_gradient(c->inputs[0]); }
MORU_OPERATION(copy, "Copy", "numpy", moru_bare_options, moru_bare_defaults, same, .n_fields = 0);
MORU_OPERATION(stop_gradient, "StopGradient", "core", moru_bare_options, moru_bare_defaults, stop, .n_fields = 0);

/* Without a dtype that of the input. */
static const cast_options like_defaults = {MORU_LAYER_DEFAULTS, .dtype = NULL};

static moru_node *like(const moru_layer_call *c, moru_node *value)
{
    const cast_options *o = c->layer->options;
    return o->dtype ? as_type(c, value, o->dtype) : value;
}

static moru_node *zeros(const moru_layer_call *c) { return like(c, moru_zeros_like(c->inputs[0])); }
static moru_node *ones(const moru_layer_call *c) { return like(c, moru_ones_like(c->inputs[0])); }
MORU_OPERATION(zeros_like, "ZerosLike", "numpy", cast_options, like_defaults, zeros,
    MORU_FIELDS(MORU_FIELD(cast_options, dtype, MORU_FIELD_TEXT)));
MORU_OPERATION(ones_like, "OnesLike", "numpy", cast_options, like_defaults, ones,
    MORU_FIELDS(MORU_FIELD(cast_options, dtype, MORU_FIELD_TEXT)));

/* ---- bounds ---- */

typedef struct clip_options {
    MORU_LAYER_OPTIONS
    double x_min, x_max;
} clip_options;
static const clip_options clip_defaults = {MORU_LAYER_DEFAULTS, .x_min = NAN, .x_max = NAN};

static moru_node *clip(const moru_layer_call *c)
{
    const clip_options *o = c->layer->options;
    return moru_clip(moru_as_real(c->inputs[0]), isnan(o->x_min) ? -INFINITY : o->x_min,
                     isnan(o->x_max) ? INFINITY : o->x_max);
}

MORU_OPERATION(clip, "Clip", "numpy", clip_options, clip_defaults, clip,
    MORU_FIELDS(MORU_FIELD(clip_options, x_min, MORU_FIELD_REAL), MORU_FIELD(clip_options, x_max, MORU_FIELD_REAL)));
