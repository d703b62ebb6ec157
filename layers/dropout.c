/* Dropout: in training each element is zeroed with probability rate, the rest grows by 1/(1 - rate). SpatialDropout1D,
 * 2D and 3D: whole channels are. */
#include <strings.h>

#include "core/status.h"
#include "layers/noise.h"
#include "ops/random_stream.h"

static const moru_dropout_options defaults = {MORU_DROPOUT_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_dropout_options, rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_dropout_options, noise_shape, MORU_FIELD_OPTIONAL_SHAPE),
    MORU_FIELD(moru_dropout_options, seed, MORU_FIELD_OPTIONAL_INT),
};

/* Along the axes where noise_shape is 1 all have one fate. */
static moru_node *drop(const moru_layer_call *c, double rate, const moru_shape *noise_shape, int64_t seed)
{
    moru_node *x = c->inputs[0];
    if (!moru_layer_is_noisy(c) || rate == 0)
        return x;
    x = moru_as_real(x);
    if (rate == 1)
        return moru_zeros_like(x);
    uint64_t stream = moru_layer_stream(c, seed, 0);
    if (noise_shape->rank == 0)
        return moru_dropout_from(x, rate, stream);
    return moru_mul(x, moru_dropout_from(moru_ones_like(moru_noise_frame(x, noise_shape)), rate, stream));
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_dropout_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_rate_check(layer, o->rate, true));
    return moru_noise_shape_check(layer, &o->noise_shape, &inputs[0]);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_dropout_options *o = c->layer->options;
    return drop(c, o->rate, &o->noise_shape, o->seed);
}

const moru_layer_class moru_dropout_class = {
    .class_name = "Dropout", .module = "keras.layers", .size = sizeof(moru_dropout_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_dropout_new(const moru_dropout_options *options)
{
    return moru_layer_new(&moru_dropout_class, options);
}

/* ---- channels ---- */

static const moru_spatial_dropout_options spatial_defaults = {MORU_SPATIAL_DROPOUT_DEFAULTS};
static const moru_field spatial_fields[] = { /* those of 1D leave out the last */
    MORU_FIELD(moru_spatial_dropout_options, rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_spatial_dropout_options, seed, MORU_FIELD_OPTIONAL_INT),
    MORU_FIELD(moru_spatial_dropout_options, data_format, MORU_FIELD_TEXT),
};

static bool is_channels_first(const moru_spatial_dropout_options *o)
{
    return o->data_format && strcasecmp(o->data_format, "channels_first") == 0;
}

static moru_status build_spatial(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_spatial_dropout_options *o = layer->options;
    int rank = layer->class_->class_name[sizeof "SpatialDropout" - 1] - '0' + 2;
    (void)dtypes, (void)n;
    MORU_TRY(moru_rate_check(layer, o->rate, true));
    if (rank == 3 || !is_channels_first(o))
        MORU_TRY(moru_layer_channels_last(layer, o->data_format));
    return moru_layer_rank(layer, &inputs[0], rank);
}

static moru_node *call_spatial(const moru_layer_call *c)
{
    const moru_spatial_dropout_options *o = c->layer->options;
    moru_shape noise = {.rank = moru_node_failed(c->inputs[0]) ? 0 : moru_node_shape(c->inputs[0])->rank};
    int channels = is_channels_first(o) ? 1 : noise.rank - 1;
    for (int i = 0; i < noise.rank; i++)
        noise.dims[i] = i == 0 || i == channels ? -1 : 1;
    return drop(c, o->rate, &noise, o->seed);
}

#define SPATIAL(n, count) \
    const moru_layer_class moru_spatial_dropout##n##d_class = { \
        .class_name = "SpatialDropout" #n "D", .module = "keras.layers", .size = sizeof(moru_spatial_dropout_options), \
        .defaults = &spatial_defaults, .fields = spatial_fields, .n_fields = (count), .min_inputs = 1, \
        .max_inputs = 1, .masks = MORU_MASK_PASSES, .bare = true, .build = build_spatial, .call = call_spatial}; \
    moru_layer *moru_spatial_dropout##n##d_new(const moru_spatial_dropout_options *options) \
    { \
        return moru_layer_new(&moru_spatial_dropout##n##d_class, options); \
    }
SPATIAL(1, 2)
SPATIAL(2, 3)
SPATIAL(3, 3)
