/* x[key]: whole numbers, slices, ... and None, as in NumPy. */
#include <string.h>

#include "layers/operations/operation.h"

typedef struct get_item_options {
    MORU_LAYER_OPTIONS
    const char *key;
} get_item_options;
static const get_item_options defaults = {MORU_LAYER_DEFAULTS};
static const char *const inputs[] = {"x", "key", NULL};
static const moru_field arguments[] = {MORU_FIELD(get_item_options, key, MORU_FIELD_JSON)};

static bool is_class(json_t *item, const char *name)
{
    const char *class_name = json_string_value(json_object_get(item, "class_name"));
    return class_name && strcmp(class_name, name) == 0;
}

static int64_t bound(json_t *config, const char *name, int64_t missing)
{
    json_t *value = json_object_get(config, name);
    return json_is_integer(value) ? json_integer_value(value) : missing;
}

/* x[..., start:stop:step, ...] */
static moru_node *take_slice(const moru_layer_call *c, moru_node *x, int axis, json_t *config)
{
    int64_t step = bound(config, "step", 1), stop = bound(config, "stop", MORU_SLICE_END);
    int64_t start = bound(config, "start", step < 0 ? -1 : 0);
    if (start == 0 && stop == MORU_SLICE_END && step == 1)
        return x;
    if (axis == 0)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "it takes some samples of the batch");
    return moru_slice(x, axis, start, stop, step);
}

/* x[..., i, ...] */
static moru_node *take_one(const moru_layer_call *c, moru_node *x, int axis, int64_t i)
{
    if (axis == 0)
        return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "it takes one sample of the batch");
    int64_t size = x->shape.dims[axis];
    if (size >= 0 && (i >= size || i < -size))
        return moru_operation_error(c, MORU_ERR_SHAPE, "element %lld of %lld", (long long)i, (long long)size);
    return moru_squeeze(moru_slice(x, axis, i, i == -1 ? MORU_SLICE_END : i + 1, 1), axis);
}

/* How many axes of x the items take. */
static int count_axes(json_t *items)
{
    int n = 0;
    for (size_t k = 0; k < json_array_size(items); k++) {
        json_t *item = json_array_get(items, k);
        n += json_is_integer(item) || is_class(item, "__slice__");
    }
    return n;
}

static moru_node *take(const moru_layer_call *c, moru_node *x, json_t *items)
{
    int rest = x->shape.rank - count_axes(items), axis = 0, from = 0; /* axes of the result, and of x */
    if (rest < 0)
        return moru_operation_error(c, MORU_ERR_SHAPE, "a value of %d dimensions has too few for it", x->shape.rank);
    for (size_t k = 0; k < json_array_size(items) && !moru_node_failed(x); k++) {
        json_t *item = json_array_get(items, k);
        if (json_is_null(item)) {
            x = moru_expand_dims(x, axis++);
        } else if (is_class(item, "__ellipsis__")) {
            axis += rest;
            from += rest;
            rest = 0;
        } else if (is_class(item, "__slice__")) {
            x = take_slice(c, x, from == 0 ? 0 : axis, json_object_get(item, "config"));
            axis++;
            from++;
        } else if (json_is_integer(item)) {
            x = take_one(c, x, from == 0 ? 0 : axis, json_integer_value(item));
            from++;
        } else {
            return moru_operation_error(c, MORU_ERR_UNSUPPORTED, "an index that is neither a number nor a slice");
        }
    }
    return x;
}

static moru_node *call(const moru_layer_call *c)
{
    const get_item_options *o = c->layer->options;
    json_t *key = o->key ? json_loads(o->key, JSON_DECODE_ANY, NULL) : NULL;
    json_t *items = json_is_array(key) ? json_incref(key) : key ? json_pack("[O]", key) : json_array();
    moru_node *x = c->inputs[0];
    moru_node *y = moru_node_failed(x) ? x : take(c, x, items);
    json_decref(items);
    json_decref(key);
    return y;
}

MORU_OPERATION(get_item, "GetItem", "numpy", get_item_options, defaults, call,
    .input_names = inputs, .arguments = arguments, .n_arguments = 1);
