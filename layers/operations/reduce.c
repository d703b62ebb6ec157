/* keras.ops.sum, mean, max, ... over axes. */
#include <math.h>
#include <string.h>

#include "layers/operations/operation.h"

typedef struct reduce_options {
    MORU_LAYER_OPTIONS
    const char *axis;
    bool keepdims;
} reduce_options;
static const reduce_options defaults = {MORU_LAYER_DEFAULTS};

typedef moru_node *reduction(moru_node *x, const int *axes, int n, bool keepdims);

static moru_node *reduce(const moru_layer_call *c, reduction *function, moru_node *x)
{
    const reduce_options *o = c->layer->options;
    moru_numbers list;
    int axes[2 * MORU_MAX_RANK];
    if (moru_node_failed(x) || !moru_operation_axes(c, o->axis, x->shape.rank, &list))
        return c->graph->inert;
    for (int k = 0; k < list.n; k++)
        axes[k] = (int)list.values[k];
    if (list.given && list.n == 0)
        return x;
    return function(x, list.given ? axes : NULL, list.n, o->keepdims);
}

static moru_node *variance(moru_node *x, const int *axes, int n, bool keepdims)
{
    return moru_variance(x, axes, n, keepdims, 0);
}

static moru_node *sum(const moru_layer_call *c) { return reduce(c, moru_sum, moru_as_real(c->inputs[0])); }
static moru_node *mean(const moru_layer_call *c) { return reduce(c, moru_mean, moru_as_real(c->inputs[0])); }
static moru_node *max(const moru_layer_call *c) { return reduce(c, moru_max, moru_as_real(c->inputs[0])); }
static moru_node *min(const moru_layer_call *c) { return reduce(c, moru_min, moru_as_real(c->inputs[0])); }
static moru_node *prod(const moru_layer_call *c) { return reduce(c, moru_prod, moru_as_real(c->inputs[0])); }
static moru_node *any(const moru_layer_call *c) { return reduce(c, moru_any, moru_as_real(c->inputs[0])); }
static moru_node *all(const moru_layer_call *c) { return reduce(c, moru_all, moru_as_real(c->inputs[0])); }
static moru_node *count(const moru_layer_call *c) { return reduce(c, moru_count_nonzero, moru_as_real(c->inputs[0])); }
static moru_node *var(const moru_layer_call *c) { return reduce(c, variance, moru_as_real(c->inputs[0])); }
static moru_node *std(const moru_layer_call *c) { return moru_sqrt(var(c)); }
static moru_node *logsumexp(const moru_layer_call *c) { return reduce(c, moru_logsumexp, moru_as_real(c->inputs[0])); }
static moru_node *ptp(const moru_layer_call *c) { return moru_sub(max(c), min(c)); }

#define REDUCTION(id, name, module, function) \
    MORU_OPERATION(id, name, module, reduce_options, defaults, function, \
        MORU_FIELDS(MORU_FIELD(reduce_options, axis, MORU_FIELD_JSON), \
                    MORU_FIELD(reduce_options, keepdims, MORU_FIELD_BOOL)))
REDUCTION(sum, "Sum", "numpy", sum);
REDUCTION(mean, "Mean", "numpy", mean);
REDUCTION(max, "Max", "numpy", max);
REDUCTION(amax, "Amax", "numpy", max);
REDUCTION(min, "Min", "numpy", min);
REDUCTION(amin, "Amin", "numpy", min);
REDUCTION(prod, "Prod", "numpy", prod);
REDUCTION(any, "Any", "numpy", any);
REDUCTION(all, "All", "numpy", all);
REDUCTION(std, "Std", "numpy", std);
REDUCTION(var, "Var", "numpy", var);
REDUCTION(ptp, "Ptp", "numpy", ptp);
REDUCTION(logsumexp, "Logsumexp", "math", logsumexp);
MORU_OPERATION(count_nonzero, "CountNonzero", "numpy", reduce_options, defaults, count,
    MORU_FIELDS(MORU_FIELD(reduce_options, axis, MORU_FIELD_JSON)));

/* ---- argmax ---- */

static moru_node *extreme(const moru_layer_call *c, moru_node *(*function)(moru_node *x, int axis))
{
    const reduce_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    moru_numbers axis;
    if (moru_node_failed(x) || !moru_operation_axes(c, o->axis, x->shape.rank, &axis))
        return c->graph->inert;
    if (axis.n != 1)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "it needs one axis");
    moru_node *y = function(x, (int)axis.values[0]);
    return o->keepdims ? moru_expand_dims(y, (int)axis.values[0]) : y;
}

static moru_node *argmax(const moru_layer_call *c) { return extreme(c, moru_argmax); }
static moru_node *argmin(const moru_layer_call *c) { return extreme(c, moru_argmin); }
REDUCTION(argmax, "Argmax", "numpy", argmax);
REDUCTION(argmin, "Argmin", "numpy", argmin);

/* ---- norm ---- */

typedef struct norm_options {
    MORU_LAYER_OPTIONS
    const char *axis;
    bool keepdims;
    const char *ord;
} norm_options;
static const norm_options norm_defaults = {MORU_LAYER_DEFAULTS};

/* Of vectors: along one axis, or of all elements. */
static moru_node *norm(const moru_layer_call *c)
{
    const norm_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    json_t *ord = o->ord ? json_loads(o->ord, JSON_DECODE_ANY, NULL) : NULL, *axis = NULL;
    double p = json_is_number(ord) ? json_number_value(ord) : 2;
    const char *name = json_string_value(ord);
    bool frobenius = name && strcmp(name, "fro") == 0, infinite = json_is_object(ord) || (name && !frobenius);
    if (o->axis)
        axis = json_loads(o->axis, JSON_DECODE_ANY, NULL);
    bool vector = !json_is_array(axis) || json_array_size(axis) == 1 || !ord || frobenius;
    json_decref(ord);
    json_decref(axis);
    if (infinite || !vector)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "ord %.40s with this axis isn't supported", o->ord);
    if (p == 0)
        return reduce(c, moru_count_nonzero, x);
    if (p == 1)
        return reduce(c, moru_sum, moru_abs(x));
    if (p == 2)
        return moru_sqrt(reduce(c, moru_sum, moru_square(x)));
    return moru_pow_scalar(reduce(c, moru_sum, moru_pow_scalar(moru_abs(x), p)), 1 / p);
}

MORU_OPERATION(norm, "Norm", "linalg", norm_options, norm_defaults, norm,
    MORU_FIELDS(MORU_FIELD(norm_options, ord, MORU_FIELD_JSON), MORU_FIELD(norm_options, axis, MORU_FIELD_JSON),
                MORU_FIELD(norm_options, keepdims, MORU_FIELD_BOOL)));
