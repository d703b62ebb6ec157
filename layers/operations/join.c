/* Values put together and taken apart: keras.ops.concatenate, stack, split, take. */
#include <string.h>

#include "layers/operations/operation.h"

typedef struct join_options {
    MORU_LAYER_OPTIONS
    int64_t axis;
} join_options;
static const join_options join_defaults = {MORU_LAYER_DEFAULTS};

enum { MAX_PARTS = 64 };

static moru_node *join(const moru_layer_call *c, int axis, moru_node *(*function)(moru_node *const *, int, int))
{
    moru_node *xs[MAX_PARTS];
    bool real = false;
    if (c->n_inputs > MAX_PARTS)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "more than %d values", MAX_PARTS);
    for (int k = 0; k < c->n_inputs; k++)
        real = real || moru_node_failed(c->inputs[k]) || c->inputs[k]->dtype == MORU_REAL;
    for (int k = 0; k < c->n_inputs; k++)
        xs[k] = real ? moru_as_real(c->inputs[k]) : c->inputs[k];
    return function(xs, c->n_inputs, axis);
}

static moru_node *concatenate(const moru_layer_call *c)
{
    return join(c, (int)((const join_options *)c->layer->options)->axis, moru_concat);
}

static moru_node *stack(const moru_layer_call *c)
{
    return join(c, (int)((const join_options *)c->layer->options)->axis, moru_stack);
}

/* Along the second axis; vectors along their only one. */
static moru_node *hstack(const moru_layer_call *c)
{
    bool vectors = c->n_inputs > 0 && !moru_node_failed(c->inputs[0]) && c->inputs[0]->shape.rank == 1;
    return join(c, vectors ? 0 : 1, moru_concat);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the members that most operations share */
#define JOIN(id, name, function) \
    MORU_OPERATION(id, name, "numpy", join_options, join_defaults, function, .max_inputs = -1, \
        MORU_FIELDS(MORU_FIELD(join_options, axis, MORU_FIELD_INT)))
JOIN(concatenate, "Concatenate", concatenate);
JOIN(stack, "Stack", stack);
MORU_OPERATION(hstack, "Hstack", "numpy", moru_bare_options, moru_bare_defaults, hstack, .max_inputs = -1);
#pragma GCC diagnostic pop

/* ---- split ---- */

typedef struct split_options {
    MORU_LAYER_OPTIONS
    const char *indices_or_sections;
    int64_t axis;
} split_options;
static const split_options split_defaults = {MORU_LAYER_DEFAULTS, .indices_or_sections = "1"};

/* Bounds of the parts; the count of parts, 0 if the option is no number and no list of numbers. */
static int find_parts(const char *option, int64_t size, int64_t bounds[MAX_PARTS + 1])
{
    json_t *value = option ? json_loads(option, JSON_DECODE_ANY, NULL) : NULL;
    bool equal = json_is_integer(value);
    int64_t n = equal ? json_integer_value(value) : (int64_t)json_array_size(value) + 1;
    bool ok = n >= 1 && n <= MAX_PARTS && (equal || json_is_array(value));
    for (int64_t k = 1; k < n && ok; k++) {
        ok = equal || json_is_integer(json_array_get(value, (size_t)k - 1));
        bounds[k] = equal ? size / n * k : json_integer_value(json_array_get(value, (size_t)k - 1));
    }
    bounds[0] = 0;
    json_decref(value);
    if (ok)
        bounds[n] = MORU_SLICE_END;
    return ok ? (int)n : 0;
}

static int count_parts(const moru_layer *layer)
{
    const split_options *o = layer->options;
    int64_t bounds[MAX_PARTS + 1];
    int n = find_parts(o->indices_or_sections, 0, bounds);
    return n > 0 ? n : 1;
}

static moru_node *split(const moru_layer_call *c)
{
    const split_options *o = c->layer->options;
    int64_t bounds[MAX_PARTS + 1];
    moru_node *x = c->inputs[0];
    int axis;
    if (moru_node_failed(x) || moru_layer_axis(c->layer, o->axis, x->shape.rank, &axis) != MORU_OK)
        return moru_operation_error(c, MORU_ERR_SHAPE, "axis %lld doesn't exist", (long long)o->axis);
    int64_t size = x->shape.dims[axis];
    int n = find_parts(o->indices_or_sections, size < 0 ? 0 : size, bounds);
    if (n == 0)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "indices_or_sections must be an integer or a short list of "
                                    "them");
    bool equal = o->indices_or_sections[0] != '[';
    if (equal && (size < 0 || size % n != 0))
        return moru_operation_error(c, MORU_ERR_SHAPE, "%lld elements in %d equal parts", (long long)size, n);
    for (int k = 0; k < n; k++)
        c->outputs[k] = moru_slice(x, axis, bounds[k], bounds[k + 1], 1);
    return c->outputs[0];
}

MORU_OPERATION(split, "Split", "numpy", split_options, split_defaults, split, .output_count = count_parts,
    MORU_FIELDS(MORU_FIELD(split_options, indices_or_sections, MORU_FIELD_JSON),
                MORU_FIELD(split_options, axis, MORU_FIELD_INT)));

/* ---- take ---- */

typedef struct take_options {
    MORU_LAYER_OPTIONS
    const char *axis;
} take_options;
static const take_options take_defaults = {MORU_LAYER_DEFAULTS};
static const char *const take_inputs[] = {"x", "indices", NULL};

static moru_node *take(const moru_layer_call *c)
{
    const take_options *o = c->layer->options;
    moru_node *x = c->inputs[0], *indices = c->inputs[1];
    moru_numbers axis;
    if (moru_node_failed(x) || moru_node_failed(indices) || !moru_operation_axes(c, o->axis, x->shape.rank, &axis))
        return c->graph->inert;
    if (axis.n != 1)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "it needs an axis");
    return moru_gather(x, indices->dtype == MORU_INT32 ? indices : moru_cast(indices, MORU_INT32),
                       (int)axis.values[0]);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the members that most operations share */
MORU_OPERATION(take, "Take", "numpy", take_options, take_defaults, take, .input_names = take_inputs, .min_inputs = 2,
    .max_inputs = 2, MORU_FIELDS(MORU_FIELD(take_options, axis, MORU_FIELD_JSON)));
#pragma GCC diagnostic pop
