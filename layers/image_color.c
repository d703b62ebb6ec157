/* RandomContrast and RandomBrightness: in training each picture's values are spread or moved by a number of its own. */
#include <math.h>

#include "core/status.h"
#include "layers/preprocessing.h"

static const moru_random_color_options defaults = {MORU_RANDOM_COLOR_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_random_color_options, factor, MORU_FIELD_RANGE),
    MORU_FIELD(moru_random_color_options, value_range, MORU_FIELD_RANGE),
    MORU_FIELD(moru_random_color_options, seed, MORU_FIELD_OPTIONAL_INT),
    MORU_FIELD(moru_random_color_options, data_format, MORU_FIELD_TEXT),
};

static moru_status check_range(const moru_layer *layer, const moru_random_color_options *o, const moru_shape *x)
{
    if (!isfinite(o->value_range[0]) || !isfinite(o->value_range[1]))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "value_range must be two numbers");
    return moru_pictures_check(layer, o->data_format, x, false);
}

static moru_status build_contrast(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_random_color_options *o = layer->options;
    (void)dtypes, (void)n;
    if (o->factor[0] == -o->factor[1]) /* a single number in a configuration: Keras makes {0, f} of it */
        MORU_TRY(moru_bounds_check(layer, "factor", o->factor, -1, 1));
    else
        MORU_TRY(moru_bounds_check(layer, "factor", o->factor, 0, 1));
    if (o->value_range[0] > o->value_range[1])
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "value_range must be ascending");
    return check_range(layer, o, &inputs[0]);
}

static moru_status build_brightness(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_random_color_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_bounds_check(layer, "factor", o->factor, -1, 1));
    return check_range(layer, o, &inputs[0]);
}

static moru_node *clip(const moru_random_color_options *o, moru_node *x)
{
    return moru_clip(x, fmin(o->value_range[0], o->value_range[1]), fmax(o->value_range[0], o->value_range[1]));
}

static moru_node *call_contrast(const moru_layer_call *c)
{
    const moru_random_color_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    int height = moru_is_channels_first(o->data_format) ? 2 : 1;
    if (!moru_layer_is_noisy(c))
        return x;
    double lower = fmax(fmin(o->factor[0], o->factor[1]), 0), upper = fmax(o->factor[0], o->factor[1]);
    moru_node *factor = moru_sample_uniform(c, x, (const double[]){1 - lower, 1 + upper}, o->seed, 0);
    moru_node *mean = moru_mean(x, (const int[]){height, height + 1}, 2, true);
    return clip(o, moru_add(moru_mul(moru_sub(x, mean), moru_over_picture(factor)), mean));
}

static moru_node *call_brightness(const moru_layer_call *c)
{
    const moru_random_color_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (!moru_layer_is_noisy(c))
        return x;
    double width = fabs(o->value_range[1] - o->value_range[0]);
    moru_node *delta = moru_mul_scalar(moru_sample_uniform(c, x, o->factor, o->seed, 0), width);
    return clip(o, moru_add(x, moru_over_picture(delta)));
}

#define COLOR(id, name) \
    const moru_layer_class moru_random_##id##_class = { \
        .class_name = (name), .module = "keras.layers", .size = sizeof(moru_random_color_options), \
        .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, \
        .max_inputs = 1, .build = build_##id, .call = call_##id}; \
    moru_layer *moru_random_##id##_new(const moru_random_color_options *options) \
    { \
        return moru_layer_new(&moru_random_##id##_class, options); \
    }
COLOR(contrast, "RandomContrast")
COLOR(brightness, "RandomBrightness")
