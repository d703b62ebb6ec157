/* keras.ops along an axis or in matrices: sort, cumsum, take_along_axis, tril, diagonal, cross, einsum, ... */
#include <string.h>

#include "layers/operations/operation.h"

static const char *const pair[] = {"x1", "x2", NULL};

typedef struct axis_options {
    MORU_LAYER_OPTIONS
    int64_t axis;
    const char *dtype;
} axis_options;
static const axis_options last_defaults = {MORU_LAYER_DEFAULTS, .axis = -1};
static const axis_options no_defaults = {MORU_LAYER_DEFAULTS, .axis = MORU_NO_INT};

#define OF_AXIS(id, name, defaults, function, ...) \
    MORU_OPERATION(id, name, "numpy", axis_options, defaults, function, \
        MORU_FIELDS(MORU_FIELD(axis_options, axis, MORU_FIELD_OPTIONAL_INT), ##__VA_ARGS__))

/* The value as real numbers and the axis; without one, the value as one line. */
static moru_node *line_of(const moru_layer_call *c, int *axis)
{
    int64_t option = ((const axis_options *)c->layer->options)->axis;
    moru_node *x = moru_as_real(c->inputs[0]);
    *axis = option == MORU_NO_INT ? 0 : option < INT32_MIN || option > INT32_MAX ? MORU_MAX_RANK : (int)option;
    return option == MORU_NO_INT ? moru_reshape(x, &(int64_t){-1}, 1) : x;
}

/* Real numbers as integers again if that is what the input was. */
static moru_node *as_input(const moru_layer_call *c, moru_node *y)
{
    bool integers = !moru_node_failed(c->inputs[0]) && c->inputs[0]->dtype == MORU_INT32;
    return integers && !moru_node_failed(y) ? moru_cast(y, MORU_INT32) : y;
}

static moru_node *sort(const moru_layer_call *c)
{
    int axis;
    moru_node *x = line_of(c, &axis);
    return as_input(c, moru_sort(x, axis, false));
}
OF_AXIS(sort, "Sort", last_defaults, sort);

static moru_node *argsort(const moru_layer_call *c)
{
    int axis;
    moru_node *x = line_of(c, &axis);
    return moru_argsort(x, axis, false);
}
OF_AXIS(argsort, "Argsort", last_defaults, argsort);

static moru_node *cumulate(const moru_layer_call *c, moru_node *(*function)(moru_node *x, int axis, bool reverse))
{
    const axis_options *o = c->layer->options;
    int axis;
    moru_node *x = line_of(c, &axis), *y = function(x, axis, false);
    return o->dtype && strstr(o->dtype, "float") ? y : as_input(c, y);
}

static moru_node *cumsum(const moru_layer_call *c) { return cumulate(c, moru_cumsum); }
static moru_node *cumprod(const moru_layer_call *c) { return cumulate(c, moru_cumprod); }
OF_AXIS(cumsum, "Cumsum", no_defaults, cumsum, MORU_FIELD(axis_options, dtype, MORU_FIELD_TEXT));
OF_AXIS(cumprod, "Cumprod", no_defaults, cumprod, MORU_FIELD(axis_options, dtype, MORU_FIELD_TEXT));

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the members that most operations share */
static const char *const take_inputs[] = {"x", "indices", NULL};

static moru_node *take_along_axis(const moru_layer_call *c)
{
    int axis;
    moru_node *x = line_of(c, &axis), *indices = c->inputs[1];
    if (moru_node_failed(x) || moru_node_failed(indices))
        return c->graph->inert;
    if (indices->dtype != MORU_INT32)
        indices = moru_cast(indices, MORU_INT32);
    return as_input(c, moru_take_along_axis(x, indices, axis));
}
MORU_OPERATION(take_along_axis, "TakeAlongAxis", "numpy", axis_options, no_defaults, take_along_axis,
    .input_names = take_inputs, .min_inputs = 2, .max_inputs = 2,
    MORU_FIELDS(MORU_FIELD(axis_options, axis, MORU_FIELD_OPTIONAL_INT)));

/* ---- top_k ---- */

typedef struct top_options {
    MORU_LAYER_OPTIONS
    int64_t k;
    bool sorted;
} top_options;
static const top_options top_defaults = {MORU_LAYER_DEFAULTS, .k = 1, .sorted = true};

static int two_outputs(const moru_layer *layer)
{
    (void)layer;
    return 2;
}

static moru_node *top_k(const moru_layer_call *c)
{
    const top_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]), *places;
    if (moru_node_failed(x))
        return x;
    int64_t size = x->shape.rank > 0 ? x->shape.dims[x->shape.rank - 1] : 0;
    if (o->k < 0 || (size >= 0 && o->k > size))
        return moru_operation_error(c, MORU_ERR_SHAPE, "the %lld largest of %lld", (long long)o->k, (long long)size);
    moru_node *y = moru_top_k(x, o->k, -1, &places);
    c->outputs[1] = places;
    return c->outputs[0] = as_input(c, y);
}
MORU_OPERATION(top_k, "TopK", "math", top_options, top_defaults, top_k, .output_count = two_outputs,
    MORU_FIELDS(MORU_FIELD(top_options, k, MORU_FIELD_INT), MORU_FIELD(top_options, sorted, MORU_FIELD_BOOL)));

/* ---- differences, medians ---- */

typedef struct diff_options {
    MORU_LAYER_OPTIONS
    int64_t n, axis;
} diff_options;
static const diff_options diff_defaults = {MORU_LAYER_DEFAULTS, .n = 1, .axis = -1};
static const char *const diff_inputs[] = {"a", NULL};

static moru_node *diff(const moru_layer_call *c)
{
    const diff_options *o = c->layer->options;
    return as_input(c, moru_diff(moru_as_real(c->inputs[0]), (int)o->n, (int)o->axis));
}
MORU_OPERATION(diff, "Diff", "numpy", diff_options, diff_defaults, diff, .input_names = diff_inputs,
    MORU_FIELDS(MORU_FIELD(diff_options, n, MORU_FIELD_INT), MORU_FIELD(diff_options, axis, MORU_FIELD_INT)));

typedef struct median_options {
    MORU_LAYER_OPTIONS
    const char *axis;
    bool keepdims;
} median_options;
static const median_options median_defaults = {MORU_LAYER_DEFAULTS};

static moru_node *median(const moru_layer_call *c)
{
    const median_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    moru_numbers axes;
    if (moru_node_failed(x) || !moru_operation_axes(c, o->axis, x->shape.rank, &axes))
        return c->graph->inert;
    if (axes.n != 1)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "it needs one axis");
    return moru_median(x, (int)axes.values[0], o->keepdims);
}
MORU_OPERATION(median, "Median", "numpy", median_options, median_defaults, median,
    MORU_FIELDS(MORU_FIELD(median_options, axis, MORU_FIELD_JSON),
                MORU_FIELD(median_options, keepdims, MORU_FIELD_BOOL)));

/* ---- matrices ---- */

typedef struct matrix_options {
    MORU_LAYER_OPTIONS
    int64_t k, axis1, axis2;
} matrix_options;
static const matrix_options matrix_defaults = {MORU_LAYER_DEFAULTS, .axis1 = 0, .axis2 = 1};

#define MATRIX(id, name, expression, ...) \
    static moru_node *id(const moru_layer_call *c) \
    { \
        const matrix_options *o = c->layer->options; \
        moru_node *x = moru_as_real(c->inputs[0]); \
        return as_input(c, (expression)); \
    } \
    MORU_OPERATION(id, name, "numpy", matrix_options, matrix_defaults, id, MORU_FIELDS(__VA_ARGS__))
#define OFFSET MORU_FIELD_NAMED(matrix_options, k, MORU_FIELD_INT, "offset"), \
    MORU_FIELD(matrix_options, axis1, MORU_FIELD_INT), MORU_FIELD(matrix_options, axis2, MORU_FIELD_INT)

/* The two axes come last: NumPy's diagonals do. */
static moru_node *turned(const moru_layer_call *c, moru_node *x, const matrix_options *o)
{
    int order[MORU_MAX_RANK], n = 0, first, second;
    if (moru_node_failed(x) || moru_layer_axis(c->layer, o->axis1, x->shape.rank, &first) != MORU_OK ||
        moru_layer_axis(c->layer, o->axis2, x->shape.rank, &second) != MORU_OK || first == second)
        return moru_operation_error(c, MORU_ERR_SHAPE, "no matrices in axes %lld and %lld", (long long)o->axis1,
                                    (long long)o->axis2);
    for (int k = 0; k < x->shape.rank; k++)
        if (k != first && k != second)
            order[n++] = k;
    order[n++] = first;
    order[n] = second;
    return moru_transpose(x, order);
}

MATRIX(tril, "Tril", moru_tril(x, o->k), MORU_FIELD(matrix_options, k, MORU_FIELD_INT));
MATRIX(triu, "Triu", moru_triu(x, o->k), MORU_FIELD(matrix_options, k, MORU_FIELD_INT));
MATRIX(diagonal, "Diagonal", moru_diagonal(turned(c, x, o), o->k), OFFSET);
MATRIX(trace, "Trace", moru_trace_op(turned(c, x, o), o->k), OFFSET);

/* ---- products ---- */

static moru_node *outer(const moru_layer_call *c)
{
    return moru_outer(moru_as_real(c->inputs[0]), moru_as_real(c->inputs[1]));
}
MORU_OPERATION(outer, "Outer", "numpy", moru_bare_options, moru_bare_defaults, outer, .input_names = pair,
    .min_inputs = 2, .max_inputs = 2, .n_fields = 0);

static moru_node *inner(const moru_layer_call *c)
{
    return moru_inner(moru_as_real(c->inputs[0]), moru_as_real(c->inputs[1]));
}
MORU_OPERATION(inner, "Inner", "numpy", moru_bare_options, moru_bare_defaults, inner, .input_names = pair,
    .min_inputs = 2, .max_inputs = 2, .n_fields = 0);

typedef struct cross_options {
    MORU_LAYER_OPTIONS
    int64_t axisa, axisb, axisc, axis;
} cross_options;
static const cross_options cross_defaults = {MORU_LAYER_DEFAULTS, .axisa = -1, .axisb = -1, .axisc = -1,
                                             .axis = MORU_NO_INT};

/* The vectors' axes go last, are multiplied there, and the result's goes to its place. */
static moru_node *cross(const moru_layer_call *c)
{
    const cross_options *o = c->layer->options;
    bool one = o->axis != MORU_NO_INT;
    moru_node *a = moru_moveaxis(moru_as_real(c->inputs[0]), (int)(one ? o->axis : o->axisa), -1);
    moru_node *b = moru_moveaxis(moru_as_real(c->inputs[1]), (int)(one ? o->axis : o->axisb), -1);
    return moru_moveaxis(moru_cross(a, b, -1), -1, (int)(one ? o->axis : o->axisc));
}
MORU_OPERATION(cross, "Cross", "numpy", cross_options, cross_defaults, cross, .input_names = pair,
    .min_inputs = 2, .max_inputs = 2,
    MORU_FIELDS(MORU_FIELD(cross_options, axisa, MORU_FIELD_INT), MORU_FIELD(cross_options, axisb, MORU_FIELD_INT),
                MORU_FIELD(cross_options, axisc, MORU_FIELD_INT),
                MORU_FIELD(cross_options, axis, MORU_FIELD_OPTIONAL_INT)));

typedef struct text_options {
    MORU_LAYER_OPTIONS
    const char *text;
} text_options;
static const text_options dot_defaults = {MORU_LAYER_DEFAULTS, .text = "2"}, text_defaults = {MORU_LAYER_DEFAULTS};

/* A number: the last ones of x1 with the first ones of x2. Else two axes, or two lists of them. */
static int tensordot_axes(json_t *axes, int rank, int *a, int *b)
{
    json_t *first = json_array_get(axes, 0), *second = json_array_get(axes, 1);
    bool single = json_is_integer(first) && json_is_integer(second);
    int64_t n = json_is_integer(axes) ? json_integer_value(axes) : single ? 1 : (int64_t)json_array_size(first);
    if (n < 0 || n > MORU_MAX_RANK || (!json_is_integer(axes) && !single && (int64_t)json_array_size(second) != n))
        return -1;
    for (int k = 0; k < n; k++) {
        json_t *left = single ? first : json_array_get(first, (size_t)k);
        json_t *right = single ? second : json_array_get(second, (size_t)k);
        a[k] = json_is_integer(axes) ? rank - (int)n + k : (int)json_integer_value(left);
        b[k] = json_is_integer(axes) ? k : (int)json_integer_value(right);
    }
    return (int)n;
}

static moru_node *tensordot(const moru_layer_call *c)
{
    const text_options *o = c->layer->options;
    moru_node *a = moru_as_real(c->inputs[0]), *b = moru_as_real(c->inputs[1]);
    int axes_a[MORU_MAX_RANK], axes_b[MORU_MAX_RANK];
    if (moru_node_failed(a) || moru_node_failed(b))
        return c->graph->inert;
    json_t *axes = o->text ? json_loads(o->text, JSON_DECODE_ANY, NULL) : NULL;
    int n = tensordot_axes(axes, a->shape.rank, axes_a, axes_b);
    json_decref(axes);
    return n < 0 ? moru_operation_error(c, MORU_ERR_ARGUMENT, "axes %.80s", o->text ? o->text : "null")
                 : moru_tensordot(a, b, axes_a, axes_b, n);
}
MORU_OPERATION(tensordot, "Tensordot", "numpy", text_options, dot_defaults, tensordot, .input_names = pair,
    .min_inputs = 2, .max_inputs = 2, MORU_FIELDS(MORU_FIELD_NAMED(text_options, text, MORU_FIELD_JSON, "axes")));

enum { MAX_OPERANDS = 8 };

static moru_node *einsum(const moru_layer_call *c)
{
    const text_options *o = c->layer->options;
    moru_node *xs[MAX_OPERANDS];
    if (!o->text || c->n_inputs > MAX_OPERANDS)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "more than %d values, or no subscripts", MAX_OPERANDS);
    for (int k = 0; k < c->n_inputs; k++)
        xs[k] = moru_as_real(c->inputs[k]);
    return moru_einsum(o->text, xs, c->n_inputs);
}
static const char *const operands[] = {"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", NULL};
MORU_OPERATION(einsum, "Einsum", "numpy", text_options, text_defaults, einsum, .input_names = operands,
    .max_inputs = MAX_OPERANDS, MORU_FIELDS(MORU_FIELD_NAMED(text_options, text, MORU_FIELD_TEXT, "subscripts")));
#pragma GCC diagnostic pop
