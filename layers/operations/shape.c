/* The same elements in another shape or order: keras.ops.reshape, transpose, flip, pad, ... */
#include <stdlib.h>
#include <string.h>

#include "layers/operations/operation.h"

/* Options of one list of numbers, under the name that Keras gives it. */
typedef struct list_options {
    MORU_LAYER_OPTIONS
    const char *list;
} list_options;
static const list_options list_defaults = {MORU_LAYER_DEFAULTS};

#define OF_LIST(id, name, option, function) \
    MORU_OPERATION(id, name, "numpy", list_options, list_defaults, function, \
        MORU_FIELDS(MORU_FIELD_NAMED(list_options, list, MORU_FIELD_JSON, option)))

static bool numbers(const moru_layer_call *c, const char *name, moru_numbers *out)
{
    return moru_operation_numbers(c, name, ((const list_options *)c->layer->options)->list, out);
}

static bool axes(const moru_layer_call *c, int rank, moru_numbers *out)
{
    return moru_operation_axes(c, ((const list_options *)c->layer->options)->list, rank, out);
}

static moru_node *too_many(const moru_layer_call *c)
{
    return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "more than %d dimensions", MORU_MAX_RANK);
}

/* Sizes that are -1 in Keras because the batch is open stay that of the batch. */
static moru_node *reshape(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
    moru_numbers shape;
    int open = 0;
    if (moru_node_failed(x) || !numbers(c, "newshape", &shape))
        return c->graph->inert;
    if (shape.n > MORU_MAX_RANK)
        return too_many(c);
    for (int k = 0; k < shape.n; k++)
        open += shape.values[k] < 0;
    if (open > 1 && shape.values[0] < 0)
        shape.values[0] = x->shape.dims[0];
    return moru_reshape(x, shape.values, shape.n);
}
OF_LIST(reshape, "Reshape", "newshape", reshape);

static moru_node *ravel(const moru_layer_call *c)
{
    return moru_reshape(c->inputs[0], &(int64_t){-1}, 1);
}
MORU_OPERATION(ravel, "Ravel", "numpy", moru_bare_options, moru_bare_defaults, ravel, .n_fields = 0);

static moru_node *transpose(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
    int order[2 * MORU_MAX_RANK];
    moru_numbers list;
    if (moru_node_failed(x) || !axes(c, x->shape.rank, &list))
        return c->graph->inert;
    if (list.given && list.n != x->shape.rank)
        return moru_operation_error(c, MORU_ERR_SHAPE, "%d axes for %d dimensions", list.n, x->shape.rank);
    for (int k = 0; k < list.n; k++)
        order[k] = (int)list.values[k];
    return moru_transpose(x, list.given ? order : NULL);
}
OF_LIST(transpose, "Transpose", "axes", transpose);

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static moru_node *expand_dims(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
    moru_numbers list;
    if (moru_node_failed(x) || !numbers(c, "axis", &list))
        return c->graph->inert;
    if (x->shape.rank + list.n > MORU_MAX_RANK)
        return too_many(c);
    int rank = x->shape.rank + list.n;
    for (int k = 0; k < list.n; k++) {
        if (list.values[k] < -rank || list.values[k] >= rank)
            return moru_operation_error(c, MORU_ERR_SHAPE, "axis %lld of %d", (long long)list.values[k], rank);
        list.values[k] += list.values[k] < 0 ? rank : 0;
    }
    qsort(list.values, (size_t)list.n, sizeof list.values[0], ascending);
    for (int k = 0; k < list.n; k++)
        x = moru_expand_dims(x, (int)list.values[k]);
    return x;
}
OF_LIST(expand_dims, "ExpandDims", "axis", expand_dims);

/* Without an axis all of size 1 but that of the batch. */
static moru_node *squeeze(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
    moru_numbers list;
    if (moru_node_failed(x) || !axes(c, x->shape.rank, &list))
        return c->graph->inert;
    for (int axis = x->shape.rank - 1; axis > 0 && !list.given; axis--)
        if (x->shape.dims[axis] == 1)
            list.values[list.n++] = axis;
    qsort(list.values, (size_t)list.n, sizeof list.values[0], ascending);
    for (int k = list.n - 1; k >= 0; k--)
        x = moru_squeeze(x, (int)list.values[k]);
    return x;
}
OF_LIST(squeeze, "Squeeze", "axis", squeeze);

/* null keeps a size. */
static moru_node *broadcast_to(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
    moru_numbers shape;
    if (moru_node_failed(x) || !numbers(c, "shape", &shape))
        return c->graph->inert;
    if (shape.n > MORU_MAX_RANK)
        return too_many(c);
    for (int k = 0; k < shape.n; k++) {
        int from = k - (shape.n - x->shape.rank);
        if (shape.values[k] < 0 && from >= 0)
            shape.values[k] = x->shape.dims[from];
    }
    return moru_broadcast_to(x, shape.values, shape.n);
}
OF_LIST(broadcast_to, "BroadcastTo", "shape", broadcast_to);

static moru_node *flip(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
    moru_numbers list;
    int along[2 * MORU_MAX_RANK];
    if (moru_node_failed(x) || !axes(c, x->shape.rank, &list))
        return c->graph->inert;
    for (int k = 0; k < list.n; k++)
        along[k] = (int)list.values[k];
    return moru_flip(x, list.given ? along : NULL, list.n);
}
OF_LIST(flip, "Flip", "axis", flip);

static moru_node *tile(const moru_layer_call *c)
{
    moru_node *x = c->inputs[0];
    moru_numbers list;
    if (moru_node_failed(x) || !numbers(c, "repeats", &list))
        return c->graph->inert;
    if (list.n > MORU_MAX_RANK)
        return too_many(c);
    for (int k = 0; k < list.n; k++)
        if (list.values[k] < 1 || list.values[k] > 256)
            return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "%lld copies along an axis", (long long)list.values[k]);
    return moru_tile(x, list.values, list.n);
}
OF_LIST(tile, "Tile", "repeats", tile);

/* ---- two axes ---- */

typedef struct axes_options {
    MORU_LAYER_OPTIONS
    const char *from, *to;
} axes_options;
static const axes_options axes_defaults = {MORU_LAYER_DEFAULTS, .from = "0", .to = "0"};

#define OF_AXES(id, name, option, other, function) \
    MORU_OPERATION(id, name, "numpy", axes_options, axes_defaults, function, \
        MORU_FIELDS(MORU_FIELD_NAMED(axes_options, from, MORU_FIELD_JSON, option), \
                    MORU_FIELD_NAMED(axes_options, to, MORU_FIELD_JSON, other)))

static bool both_axes(const moru_layer_call *c, moru_numbers *from, moru_numbers *to)
{
    const axes_options *o = c->layer->options;
    const moru_node *x = c->inputs[0];
    if (moru_node_failed(x) || !moru_operation_axes(c, o->from, x->shape.rank, from) ||
        !moru_operation_axes(c, o->to, x->shape.rank, to))
        return false;
    if (from->n == to->n)
        return true;
    moru_operation_error(c, MORU_ERR_ARGUMENT, "%d axes to %d places", from->n, to->n);
    return false;
}

static moru_node *swapaxes(const moru_layer_call *c)
{
    moru_numbers from, to;
    moru_node *x = c->inputs[0];
    if (!both_axes(c, &from, &to))
        return c->graph->inert;
    for (int k = 0; k < from.n; k++)
        x = moru_swapaxes(x, (int)from.values[k], (int)to.values[k]);
    return x;
}
OF_AXES(swapaxes, "Swapaxes", "axis1", "axis2", swapaxes);

static bool stands_in(const moru_numbers *list, int64_t value)
{
    for (int k = 0; k < list->n; k++)
        if (list->values[k] == value)
            return true;
    return false;
}

static moru_node *moveaxis(const moru_layer_call *c)
{
    moru_numbers from, to;
    int order[MORU_MAX_RANK], next = 0;
    if (!both_axes(c, &from, &to))
        return c->graph->inert;
    for (int k = 0; k < from.n; k++)
        order[to.values[k]] = (int)from.values[k];
    for (int k = 0; k < c->inputs[0]->shape.rank; k++) {
        if (stands_in(&to, k))
            continue;
        while (stands_in(&from, next))
            next++;
        order[k] = next++;
    }
    return moru_transpose(c->inputs[0], order);
}
OF_AXES(moveaxis, "Moveaxis", "source", "destination", moveaxis);

/* x[i - shift] along an axis */
static moru_node *roll(const moru_layer_call *c)
{
    const axes_options *o = c->layer->options;
    moru_numbers shift, along;
    moru_node *x = c->inputs[0];
    if (moru_node_failed(x) || !moru_operation_numbers(c, "shift", o->from, &shift) ||
        !moru_operation_axes(c, o->to, x->shape.rank, &along))
        return c->graph->inert;
    if (shift.n != along.n || along.n == 0)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "%d shifts along %d axes", shift.n, along.n);
    for (int k = 0; k < along.n; k++)
        x = moru_roll(x, shift.values[k], (int)along.values[k]);
    return x;
}
OF_AXES(roll, "Roll", "shift", "axis", roll);

/* Each element so many times. */
static moru_node *repeat(const moru_layer_call *c)
{
    const axes_options *o = c->layer->options;
    moru_numbers times, along;
    moru_node *x = c->inputs[0], *xs[256];
    if (moru_node_failed(x) || !moru_operation_numbers(c, "repeats", o->from, &times) ||
        !moru_operation_axes(c, o->to, x->shape.rank, &along))
        return c->graph->inert;
    if (times.n != 1 || along.n != 1 || times.values[0] < 1 || times.values[0] > 256)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "it needs one axis and one number of repeats up to 256");
    int axis = (int)along.values[0], n = (int)times.values[0];
    moru_shape shape = x->shape;
    for (int k = 0; k < n; k++)
        xs[k] = x;
    shape.dims[axis] = shape.dims[axis] < 0 ? -1 : shape.dims[axis] * n;
    return moru_reshape(moru_stack(xs, n, axis + 1), shape.dims, shape.rank);
}
OF_AXES(repeat, "Repeat", "repeats", "axis", repeat);

/* ---- pad ---- */

typedef struct pad_options {
    MORU_LAYER_OPTIONS
    const char *pad_width, *mode;
    double constant_values;
} pad_options;
static const pad_options pad_defaults = {MORU_LAYER_DEFAULTS, .pad_width = "0", .mode = "constant",
                                         .constant_values = __builtin_nan("")};
static const char *const pad_inputs[] = {"x", "constant_values", NULL};
static const moru_field pad_arguments[] = {MORU_FIELD(pad_options, constant_values, MORU_FIELD_REAL)};

/* One number for all, one pair for all, or a pair for each axis. */
static bool read_widths(json_t *width, int rank, int64_t *before, int64_t *after)
{
    bool ok = true;
    for (int k = 0; k < rank && ok; k++) {
        json_t *own = json_is_array(json_array_get(width, 0)) ? json_array_get(width, (size_t)k) : width;
        json_t *a = json_is_array(own) ? json_array_get(own, 0) : own;
        json_t *b = json_is_array(own) ? json_array_get(own, json_array_size(own) - 1) : own;
        ok = json_is_integer(a) && json_is_integer(b);
        before[k] = ok ? json_integer_value(a) : 0;
        after[k] = ok ? json_integer_value(b) : 0;
    }
    return ok;
}

enum { CONSTANT = -1, NO_MODE = -2 };

/* A moru_pad_mode, or one of the above. */
static int pad_mode(const char *name)
{
    if (!name || strcmp(name, "constant") == 0)
        return name ? CONSTANT : NO_MODE;
    if (strcmp(name, "reflect") == 0)
        return MORU_PAD_REFLECT;
    return strcmp(name, "symmetric") == 0 ? MORU_PAD_SYMMETRIC : NO_MODE;
}

static moru_node *pad(const moru_layer_call *c)
{
    const pad_options *o = c->layer->options;
    moru_node *x = c->inputs[0];
    int64_t before[MORU_MAX_RANK], after[MORU_MAX_RANK];
    if (moru_node_failed(x))
        return x;
    int mode = pad_mode(o->mode);
    if (mode < CONSTANT)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "mode \"%.40s\"", o->mode ? o->mode : "");
    json_t *width = o->pad_width ? json_loads(o->pad_width, JSON_DECODE_ANY, NULL) : NULL;
    bool ok = read_widths(width, x->shape.rank, before, after);
    json_decref(width);
    if (!ok)
        return moru_operation_error(c, MORU_ERR_ARGUMENT, "a pad_width that isn't one of integers");
    if (mode != CONSTANT)
        return moru_pad_with(moru_as_real(x), before, after, (moru_pad_mode)mode);
    return moru_pad(x, before, after, __builtin_isnan(o->constant_values) ? 0 : o->constant_values);
}

MORU_OPERATION(pad, "Pad", "numpy", pad_options, pad_defaults, pad, .input_names = pad_inputs,
    .arguments = pad_arguments, .n_arguments = 1,
    MORU_FIELDS(MORU_FIELD(pad_options, pad_width, MORU_FIELD_JSON), MORU_FIELD(pad_options, mode, MORU_FIELD_TEXT)));
