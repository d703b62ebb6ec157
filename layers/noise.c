/* GaussianNoise, GaussianDropout, AlphaDropout, and what random layers share. */
#include "layers/noise.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include <moru/random.h>

#include "core/status.h"
#include "ops/random_stream.h"

uint64_t moru_layer_stream(const moru_layer_call *c, int64_t seed, int k)
{
    char name[64];
    if (seed == MORU_NO_SEED)
        return moru_call_stream(c->graph);
    snprintf(name, sizeof name, "seed %" PRId64 " #%d", seed, k);
    return moru_random_stream(name);
}

bool moru_layer_is_noisy(const moru_layer_call *c)
{
    return c->training && !c->trace->noiseless;
}

moru_node *moru_noise_frame(moru_node *x, const moru_shape *noise_shape)
{
    for (int i = 0; i < noise_shape->rank; i++)
        if (noise_shape->dims[i] == 1)
            x = moru_slice(x, i, 0, 1, 1);
    return x;
}

moru_node *moru_sample_frame(moru_node *x)
{
    int rank = moru_node_failed(x) ? 0 : moru_node_shape(x)->rank;
    for (int i = 1; i < rank; i++)
        x = moru_slice(x, i, 0, 1, 1);
    return x;
}

moru_status moru_noise_shape_check(const moru_layer *layer, const moru_shape *noise_shape, const moru_shape *x)
{
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    bool fits = noise_shape->rank == 0 || noise_shape->rank == x->rank;
    for (int i = 0; fits && i < noise_shape->rank; i++) {
        int64_t size = noise_shape->dims[i];
        fits = size == -1 || size == 1 || (size > 1 && (x->dims[i] < 0 || size == x->dims[i]));
    }
    return fits ? MORU_OK : moru_layer_error(layer, MORU_ERR_SHAPE, "noise_shape %s doesn't fit its input %s",
                                             moru_shape_print(noise_shape, a, sizeof a),
                                             moru_shape_print(x, b, sizeof b));
}

moru_status moru_rate_check(const moru_layer *layer, double rate, bool one_too)
{
    if (rate >= 0 && (rate < 1 || (one_too && rate == 1)))
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "rate must lie in [0, 1%c, not %g", one_too ? ']' : ')', rate);
}

/* ---- GaussianNoise ---- */

static const moru_gaussian_noise_options noise_defaults = {MORU_GAUSSIAN_NOISE_DEFAULTS};
static const moru_field noise_fields[] = {
    MORU_FIELD(moru_gaussian_noise_options, stddev, MORU_FIELD_REAL),
    MORU_FIELD(moru_gaussian_noise_options, seed, MORU_FIELD_OPTIONAL_INT),
};

static moru_status build_noise(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_gaussian_noise_options *o = layer->options;
    (void)inputs, (void)dtypes, (void)n;
    if (o->stddev >= 0 && o->stddev <= 1)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "stddev must lie in [0, 1], not %g", o->stddev);
}

static moru_node *call_noise(const moru_layer_call *c)
{
    const moru_gaussian_noise_options *o = c->layer->options;
    moru_node *x = c->inputs[0];
    if (!moru_layer_is_noisy(c) || o->stddev == 0)
        return x;
    x = moru_as_real(x);
    return moru_add(x, moru_random_normal_from(x, 0, o->stddev, moru_layer_stream(c, o->seed, 0)));
}

#define ONE_INPUT .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_PASSES
const moru_layer_class moru_gaussian_noise_class = {
    .class_name = "GaussianNoise", .module = "keras.layers", .size = sizeof(moru_gaussian_noise_options),
    .defaults = &noise_defaults, .fields = noise_fields, .n_fields = 2, ONE_INPUT, .build = build_noise,
    .call = call_noise,
};

moru_layer *moru_gaussian_noise_new(const moru_gaussian_noise_options *options)
{
    return moru_layer_new(&moru_gaussian_noise_class, options);
}

/* ---- GaussianDropout ---- */

static const moru_gaussian_dropout_options gaussian_defaults = {MORU_GAUSSIAN_DROPOUT_DEFAULTS};
static const moru_field gaussian_fields[] = {
    MORU_FIELD(moru_gaussian_dropout_options, rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_gaussian_dropout_options, seed, MORU_FIELD_OPTIONAL_INT),
};

static moru_status build_gaussian(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    (void)inputs, (void)dtypes, (void)n;
    return moru_rate_check(layer, ((const moru_gaussian_dropout_options *)layer->options)->rate, false);
}

static moru_node *call_gaussian(const moru_layer_call *c)
{
    const moru_gaussian_dropout_options *o = c->layer->options;
    moru_node *x = c->inputs[0];
    if (!moru_layer_is_noisy(c) || o->rate == 0)
        return x;
    x = moru_as_real(x);
    double stddev = sqrt(o->rate / (1 - o->rate));
    return moru_mul(x, moru_random_normal_from(x, 1, stddev, moru_layer_stream(c, o->seed, 0)));
}

const moru_layer_class moru_gaussian_dropout_class = {
    .class_name = "GaussianDropout", .module = "keras.layers", .size = sizeof(moru_gaussian_dropout_options),
    .defaults = &gaussian_defaults, .fields = gaussian_fields, .n_fields = 2, ONE_INPUT, .build = build_gaussian,
    .call = call_gaussian,
};

moru_layer *moru_gaussian_dropout_new(const moru_gaussian_dropout_options *options)
{
    return moru_layer_new(&moru_gaussian_dropout_class, options);
}

/* ---- AlphaDropout ---- */

static const moru_alpha_dropout_options alpha_defaults = {MORU_ALPHA_DROPOUT_DEFAULTS};
static const moru_field alpha_fields[] = {
    MORU_FIELD(moru_alpha_dropout_options, rate, MORU_FIELD_REAL),
    MORU_FIELD(moru_alpha_dropout_options, noise_shape, MORU_FIELD_OPTIONAL_SHAPE),
    MORU_FIELD(moru_alpha_dropout_options, seed, MORU_FIELD_OPTIONAL_INT),
};

static moru_status build_alpha(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_alpha_dropout_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_rate_check(layer, o->rate, false));
    return moru_noise_shape_check(layer, &o->noise_shape, &inputs[0]);
}

static moru_node *call_alpha(const moru_layer_call *c)
{
    const moru_alpha_dropout_options *o = c->layer->options;
    const double dropped = -1.6732632423543772 * 1.0507009873554805; /* selu far below 0 */
    moru_node *x = c->inputs[0];
    if (!moru_layer_is_noisy(c) || o->rate == 0)
        return x;
    x = moru_as_real(x);
    double a = 1 / sqrt((1 - o->rate) * (1 + o->rate * dropped * dropped)), b = -a * dropped * o->rate;
    moru_node *u = moru_random_uniform_from(moru_noise_frame(x, &o->noise_shape), 0, 1,
                                            moru_layer_stream(c, o->seed, 0));
    moru_node *kept = moru_greater_equal(u, moru_scalar(c->graph, o->rate));
    return moru_add_scalar(moru_mul_scalar(moru_where(kept, x, moru_scalar(c->graph, dropped)), a), b);
}

const moru_layer_class moru_alpha_dropout_class = {
    .class_name = "AlphaDropout", .module = "keras.layers", .size = sizeof(moru_alpha_dropout_options),
    .defaults = &alpha_defaults, .fields = alpha_fields, .n_fields = 3, ONE_INPUT, .build = build_alpha,
    .call = call_alpha,
};

moru_layer *moru_alpha_dropout_new(const moru_alpha_dropout_options *options)
{
    return moru_layer_new(&moru_alpha_dropout_class, options);
}
