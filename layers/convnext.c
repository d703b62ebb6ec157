/* Layers of their own that Keras's ConvNeXt networks have (keras.src.applications.convnext). */
#include <stdio.h>

#include "core/status.h"
#include "layers/noise.h"
#include "ops/random_stream.h"

/* ---- LayerScale: y = x gamma, channel by channel; Touvron et al., 2021 ---- */

typedef struct scale_options {
    MORU_LAYER_OPTIONS
    double init_values;
    int64_t projection_dim;
} scale_options;
static const scale_options scale_defaults = {MORU_LAYER_DEFAULTS, .init_values = 1e-6};
static const moru_field scale_fields[] = {
    MORU_FIELD(scale_options, init_values, MORU_FIELD_REAL),
    MORU_FIELD(scale_options, projection_dim, MORU_FIELD_INT),
};

static moru_status build_scale(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const scale_options *o = layer->options;
    char text[MORU_SHAPE_TEXT], constant[64];
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "projection_dim", &o->projection_dim, 1));
    if (inputs[0].rank < 2 || inputs[0].dims[inputs[0].rank - 1] != o->projection_dim)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its projection_dim is %lld and its input %s",
                                (long long)o->projection_dim, moru_shape_print(&inputs[0], text, sizeof text));
    snprintf(constant, sizeof constant, "constant(%.17g)", o->init_values);
    const char *initializer = layer->n_weights ? "zeros" : moru_arena_strdup(&layer->arena, constant);
    if (!initializer)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
    return moru_layer_add_weight(layer, "variable", MORU_SHAPE(o->projection_dim), initializer, NULL, true);
}

static moru_node *call_scale(const moru_layer_call *c)
{
    return moru_mul(moru_as_real(c->inputs[0]), moru_layer_weight(c, 0));
}

const moru_layer_class moru_layer_scale_class = {
    .class_name = "LayerScale", .module = "keras.src.applications.convnext", .size = sizeof(scale_options),
    .defaults = &scale_defaults, .fields = scale_fields, .n_fields = 2, .min_inputs = 1, .max_inputs = 1,
    .build = build_scale, .call = call_scale,
};

/* ---- StochasticDepth: in training a sample is kept whole, and grows by 1/(1 - rate), or is 0 ---- */

typedef struct depth_options {
    MORU_LAYER_OPTIONS
    double drop_path_rate;
} depth_options;
static const depth_options depth_defaults = {MORU_LAYER_DEFAULTS};
static const moru_field depth_fields[] = {MORU_FIELD(depth_options, drop_path_rate, MORU_FIELD_REAL)};

static moru_status build_depth(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    (void)inputs, (void)dtypes, (void)n;
    return moru_rate_check(layer, ((const depth_options *)layer->options)->drop_path_rate, false);
}

static moru_node *call_depth(const moru_layer_call *c)
{
    double rate = ((const depth_options *)c->layer->options)->drop_path_rate;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (!moru_layer_is_noisy(c) || rate == 0)
        return x;
    moru_node *kept = moru_dropout_from(moru_ones_like(moru_sample_frame(x)), rate,
                                        moru_layer_stream(c, MORU_NO_SEED, 0));
    return moru_mul(x, kept);
}

const moru_layer_class moru_stochastic_depth_class = {
    .class_name = "StochasticDepth", .module = "keras.src.applications.convnext", .size = sizeof(depth_options),
    .defaults = &depth_defaults, .fields = depth_fields, .n_fields = 1, .min_inputs = 1, .max_inputs = 1,
    .build = build_depth, .call = call_depth,
};
