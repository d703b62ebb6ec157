/* What the operations share: options, messages, types. */
#include "layers/operations/operation.h"

#include <stdarg.h>
#include <stdio.h>

const moru_bare_options moru_bare_defaults = {MORU_LAYER_DEFAULTS};

moru_node *moru_operation_error(const moru_layer_call *call, moru_status status, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return moru_graph_fail(call->graph, status, "%s: %s", moru_layer_name(call->layer), text);
}

static bool read_numbers(json_t *value, moru_numbers *out)
{
    const int most = (int)(sizeof out->values / sizeof *out->values);
    *out = (moru_numbers){.given = !json_is_null(value), .one = json_is_integer(value)};
    if (out->one)
        out->values[out->n++] = json_integer_value(value);
    if (out->one || !out->given)
        return true;
    if (!json_is_array(value) || json_array_size(value) > (size_t)most)
        return false;
    for (size_t k = 0; k < json_array_size(value); k++) {
        json_t *item = json_array_get(value, k);
        if (!json_is_integer(item) && !json_is_null(item))
            return false;
        out->values[out->n++] = json_is_null(item) ? -1 : json_integer_value(item); /* an open size of a shape */
    }
    return true;
}

bool moru_operation_numbers(const moru_layer_call *call, const char *name, const char *json, moru_numbers *out)
{
    json_t *value = json ? json_loads(json, JSON_DECODE_ANY, NULL) : json_null();
    bool ok = value && read_numbers(value, out);
    json_decref(value);
    if (!ok)
        moru_operation_error(call, MORU_ERR_UNSUPPORTED, "%s must be an integer or a short list of them, not %.80s",
                             name, json ? json : "null");
    return ok;
}

bool moru_operation_axes(const moru_layer_call *call, const char *json, int rank, moru_numbers *out)
{
    if (!moru_operation_numbers(call, "axis", json, out))
        return false;
    for (int k = 0; k < out->n; k++) {
        int64_t axis = out->values[k];
        if (axis < -rank || axis >= rank) {
            moru_operation_error(call, MORU_ERR_SHAPE, "axis %lld doesn't exist in a value of %d dimensions",
                                 (long long)axis, rank);
            return false;
        }
        out->values[k] = axis < 0 ? axis + rank : axis;
    }
    return true;
}

void moru_operation_alike(moru_node **a, moru_node **b)
{
    if (!moru_node_failed(*a) && !moru_node_failed(*b) && (*a)->dtype != (*b)->dtype) {
        *a = moru_as_real(*a);
        *b = moru_as_real(*b);
    }
}

moru_status moru_operation_build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    (void)layer, (void)inputs, (void)dtypes, (void)n;
    return MORU_OK; /* the ops look at shapes themselves */
}
