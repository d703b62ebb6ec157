/* Discretization and CategoryEncoding: numbers as bins, tokens as zeros and ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "layers/preprocessing.h"

/* ---- numbers in JSON ---- */

/* Counts the numbers of a value of this depth and checks that its lists are of one length each; -1: they aren't. */
static int64_t measure(json_t *value, moru_shape *shape, int depth)
{
    if (json_is_number(value))
        return depth == shape->rank ? 1 : -1;
    int64_t n = (int64_t)json_array_size(value), total = 0;
    if (!json_is_array(value) || depth >= shape->rank || n != shape->dims[depth])
        return -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t part = measure(json_array_get(value, (size_t)i), shape, depth + 1);
        if (part < 0)
            return -1;
        total += part;
    }
    return total;
}

static moru_real *copy(json_t *value, moru_real *out)
{
    if (json_is_number(value)) {
        *out = (moru_real)json_number_value(value);
        return out + 1;
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        out = copy(json_array_get(value, i), out);
    return out;
}

moru_status moru_layer_numbers(const moru_layer *layer, const char *option, const char *json, moru_real **values,
                               moru_shape *shape)
{
    json_t *value = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL, *inner = value;
    *shape = (moru_shape){.rank = 0};
    *values = NULL;
    while (json_is_array(inner) && shape->rank < MORU_MAX_RANK) {
        shape->dims[shape->rank++] = (int64_t)json_array_size(inner);
        inner = json_array_get(inner, 0);
    }
    int64_t n = value ? measure(value, shape, 0) : -1;
    moru_status status = MORU_OK;
    if (n < 1)
        status = moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s must be a number or lists of them, not %.60s", option,
                                  json ? json : "null");
    else if (!(*values = malloc((size_t)n * sizeof **values)))
        status = moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for %s", option);
    else
        copy(value, *values);
    json_decref(value);
    return status;
}

/* ---- encodings ---- */

moru_status moru_encode_check(const moru_layer *layer, const char *mode, const moru_shape *tokens)
{
    char text[MORU_SHAPE_TEXT];
    bool one = mode && strcmp(mode, "one_hot") == 0;
    if (!mode || (!one && strcmp(mode, "multi_hot") != 0 && strcmp(mode, "count") != 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "there is no output_mode \"%.40s\"", mode ? mode : "");
    if (tokens->rank >= MORU_MAX_RANK || (!one && tokens->rank < 2))
        return moru_layer_error(layer, MORU_ERR_SHAPE, "output_mode \"%s\" doesn't go with its input %s", mode,
                                moru_shape_print(tokens, text, sizeof text));
    return MORU_OK;
}

/* 0, 1 ... n - 1 */
static moru_node *count_up(moru_graph *graph, int64_t n)
{
    moru_real *values = malloc((size_t)n * sizeof *values);
    if (!values)
        return moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for %lld tokens", (long long)n);
    for (int64_t i = 0; i < n; i++)
        values[i] = (moru_real)i;
    moru_node *node = moru_constant(graph, MORU_REAL, MORU_SHAPE(n), values);
    free(values);
    return node;
}

moru_node *moru_encode_tokens(moru_node *tokens, moru_node *weights, int64_t depth, const char *mode)
{
    if (moru_node_failed(tokens))
        return tokens;
    const moru_shape *shape = moru_node_shape(tokens);
    bool one = strcmp(mode, "one_hot") == 0;
    if (one && shape->rank > 1 && shape->dims[shape->rank - 1] == 1)
        tokens = moru_squeeze(tokens, -1);
    moru_node *whole = moru_cast(moru_cast(tokens, MORU_INT32), MORU_REAL);
    moru_node *hot = moru_equal(moru_expand_dims(whole, -1), count_up(moru_node_graph(tokens), depth));
    if (one)
        return hot;
    if (weights)
        hot = moru_mul(hot, moru_expand_dims(moru_as_real(weights), -1));
    moru_node *count = moru_sum(hot, (const int[]){1}, 1, false);
    return strcmp(mode, "count") == 0 ? count : moru_clip(count, 0, 1);
}

/* ---- CategoryEncoding ---- */

static const moru_category_encoding_options category_defaults = {MORU_CATEGORY_ENCODING_DEFAULTS};
static const moru_field category_fields[] = {
    MORU_FIELD(moru_category_encoding_options, num_tokens, MORU_FIELD_INT),
    MORU_FIELD(moru_category_encoding_options, output_mode, MORU_FIELD_TEXT),
};
static const char *const category_inputs[] = {"count_weights", NULL};

static moru_status build_category(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_category_encoding_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "num_tokens", &o->num_tokens, 1));
    if (o->num_tokens > 1 << 24)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "num_tokens above 16777216 isn't supported");
    return moru_encode_check(layer, o->output_mode, &inputs[0]);
}

static moru_node *call_category(const moru_layer_call *c)
{
    const moru_category_encoding_options *o = c->layer->options;
    moru_node *weights = moru_layer_argument(c, "count_weights", 0);
    if (weights && strcmp(o->output_mode, "count") != 0)
        return moru_graph_fail(c->graph, MORU_ERR_ARGUMENT, "count_weights go with output_mode \"count\" only");
    return moru_encode_tokens(c->inputs[0], weights, o->num_tokens, o->output_mode);
}

const moru_layer_class moru_category_encoding_class = {
    .class_name = "CategoryEncoding", .module = "keras.layers", .size = sizeof(moru_category_encoding_options),
    .defaults = &category_defaults, .fields = category_fields, .n_fields = 2, .named_inputs = category_inputs,
    .min_inputs = 1, .max_inputs = 1, .build = build_category, .call = call_category,
};

moru_layer *moru_category_encoding_new(const moru_category_encoding_options *options)
{
    return moru_layer_new(&moru_category_encoding_class, options);
}

/* ---- Discretization ---- */

static const moru_discretization_options bin_defaults = {MORU_DISCRETIZATION_DEFAULTS};
static const moru_field bin_fields[] = {
    MORU_FIELD(moru_discretization_options, bin_boundaries, MORU_FIELD_JSON),
    MORU_FIELD(moru_discretization_options, num_bins, MORU_FIELD_OPTIONAL_INT),
    MORU_FIELD(moru_discretization_options, epsilon, MORU_FIELD_REAL),
    MORU_FIELD(moru_discretization_options, output_mode, MORU_FIELD_TEXT),
};

static bool gives_bins(const moru_discretization_options *o)
{
    return !o->output_mode || strcmp(o->output_mode, "int") == 0;
}

static moru_status build_bins(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_discretization_options *o = layer->options;
    moru_real *values;
    moru_shape shape;
    (void)dtypes, (void)n;
    if (!o->bin_boundaries)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "it has no bin_boundaries: to find them by adapt() is for "
                                "Keras");
    MORU_TRY(moru_layer_numbers(layer, "bin_boundaries", o->bin_boundaries, &values, &shape));
    bool ascending = shape.rank == 1;
    for (int64_t i = 1; ascending && i < shape.dims[0]; i++)
        ascending = values[i - 1] <= values[i];
    free(values);
    if (!ascending)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "bin_boundaries must be an ascending list");
    if (inputs[0].rank >= MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its input has too many dimensions");
    return gives_bins(o) ? MORU_OK : moru_encode_check(layer, o->output_mode, &inputs[0]);
}

static moru_node *call_bins(const moru_layer_call *c)
{
    const moru_discretization_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    moru_real *values;
    moru_shape shape;
    if (moru_layer_numbers(c->layer, "bin_boundaries", o->bin_boundaries, &values, &shape) != MORU_OK)
        return moru_graph_fail(c->graph, MORU_ERR_ARGUMENT, "%s", moru_last_error());
    moru_node *boundaries = moru_constant(c->graph, MORU_REAL, shape, values);
    free(values);
    /* not below rather than at least: NaN is in the last bin */
    moru_node *passed = moru_logical_not(moru_less(moru_expand_dims(x, -1), boundaries));
    moru_node *bins = moru_cast(moru_sum(passed, (const int[]){-1}, 1, false), MORU_INT32);
    return gives_bins(o) ? bins : moru_encode_tokens(bins, NULL, shape.dims[0] + 1, o->output_mode);
}

const moru_layer_class moru_discretization_class = {
    .class_name = "Discretization", .module = "keras.layers", .size = sizeof(moru_discretization_options),
    .defaults = &bin_defaults, .fields = bin_fields, .n_fields = 4, .min_inputs = 1, .max_inputs = 1, .bare = true,
    .build = build_bins, .call = call_bins,
};

moru_layer *moru_discretization_new(const moru_discretization_options *options)
{
    return moru_layer_new(&moru_discretization_class, options);
}
