/* RandomFlip, RandomRotation, RandomZoom, RandomTranslation: in training each picture is mirrored, turned, stretched or
 * moved by numbers of its own. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "core/status.h"
#include "layers/preprocessing.h"
#include "ops/random_stream.h"

/* ---- shared by layers of pictures ---- */

bool moru_is_channels_first(const char *data_format)
{
    return data_format && strcasecmp(data_format, "channels_first") == 0;
}

moru_status moru_pictures_check(const moru_layer *layer, const char *data_format, const moru_shape *x, bool known)
{
    char text[MORU_SHAPE_TEXT];
    bool first = moru_is_channels_first(data_format);
    if (!first)
        MORU_TRY(moru_layer_channels_last(layer, data_format));
    MORU_TRY(moru_layer_rank(layer, x, 4));
    if (known && (x->dims[first ? 2 : 1] < 0 || x->dims[first ? 3 : 2] < 0))
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the height and width of its input %s must be known",
                                moru_shape_print(x, text, sizeof text));
    return MORU_OK;
}

moru_status moru_bounds_check(const moru_layer *layer, const char *option, const double *bounds, double least,
                              double most)
{
    double low = fmin(bounds[0], bounds[1]), high = fmax(bounds[0], bounds[1]);
    if (isfinite(bounds[0]) && isfinite(bounds[1]) && low >= least && high <= most)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s must be two numbers from %g to %g, not %g and %g", option,
                            least, most, bounds[0], bounds[1]);
}

moru_node *moru_sample_uniform(const moru_layer_call *c, moru_node *x, const double *bounds, int64_t seed, int k)
{
    moru_node *frame = moru_flatten_from(moru_sample_frame(x), 1);
    return moru_random_uniform_from(frame, fmin(bounds[0], bounds[1]), fmax(bounds[0], bounds[1]),
                                    moru_layer_stream(c, seed, k));
}

moru_node *moru_over_picture(moru_node *x)
{
    return moru_expand_dims(moru_expand_dims(x, -1), -1);
}

/* ---- RandomFlip ---- */

static const moru_random_flip_options flip_defaults = {MORU_RANDOM_FLIP_DEFAULTS};
static const moru_field flip_fields[] = {
    MORU_FIELD(moru_random_flip_options, mode, MORU_FIELD_TEXT),
    MORU_FIELD(moru_random_flip_options, seed, MORU_FIELD_OPTIONAL_INT),
    MORU_FIELD(moru_random_flip_options, data_format, MORU_FIELD_TEXT),
};

static bool flips(const moru_random_flip_options *o, const char *way)
{
    return o->mode && (strcmp(o->mode, way) == 0 || strcmp(o->mode, "horizontal_and_vertical") == 0);
}

static moru_status build_flip(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_random_flip_options *o = layer->options;
    (void)dtypes, (void)n;
    if (!flips(o, "horizontal") && !flips(o, "vertical"))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "mode must be \"horizontal\", \"vertical\" or "
                                "\"horizontal_and_vertical\", not \"%.40s\"", o->mode ? o->mode : "");
    return moru_pictures_check(layer, o->data_format, &inputs[0], false);
}

/* One number decides about both ways. */
static moru_node *call_flip(const moru_layer_call *c)
{
    const moru_random_flip_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]), *y = x;
    int height = moru_is_channels_first(o->data_format) ? 2 : 1;
    if (!moru_layer_is_noisy(c))
        return x;
    moru_node *chance = moru_sample_uniform(c, x, (const double[]){0, 1}, o->seed, 0);
    moru_node *flip = moru_over_picture(moru_less_equal(chance, moru_scalar(c->graph, 0.5)));
    if (flips(o, "horizontal"))
        y = moru_where(flip, moru_slice(y, height + 1, -1, MORU_SLICE_END, -1), y);
    if (flips(o, "vertical"))
        y = moru_where(flip, moru_slice(y, height, -1, MORU_SLICE_END, -1), y);
    return y;
}

const moru_layer_class moru_random_flip_class = {
    .class_name = "RandomFlip", .module = "keras.layers", .size = sizeof(moru_random_flip_options),
    .defaults = &flip_defaults, .fields = flip_fields, .n_fields = 3, .min_inputs = 1, .max_inputs = 1,
    .build = build_flip, .call = call_flip,
};

moru_layer *moru_random_flip_new(const moru_random_flip_options *options)
{
    return moru_layer_new(&moru_random_flip_class, options);
}

/* ---- transforms ---- */

/* How pixels are read; the same members in three structs of options. */
typedef struct reading {
    const char *fill_mode, *interpolation, *data_format;
    double fill_value;
} reading;
#define READING(o) ((reading){(o)->fill_mode, (o)->interpolation, (o)->data_format, (o)->fill_value})

static int find(const char *name, const char *const *names)
{
    for (int i = 0; name && names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}

static const char *const fill_modes[] = {"constant", "reflect", "wrap", "nearest", NULL}; /* as moru_fill_mode */
static const char *const interpolations[] = {"nearest", "bilinear", NULL};

static moru_status check_reading(const moru_layer *layer, reading r, const moru_shape *x)
{
    if (find(r.fill_mode, fill_modes) < 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "there is no fill_mode \"%.40s\"",
                                r.fill_mode ? r.fill_mode : "");
    if (find(r.interpolation, interpolations) < 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "there is no interpolation \"%.40s\"",
                                r.interpolation ? r.interpolation : "");
    if (!isfinite(r.fill_value))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "fill_value must be a number");
    return moru_pictures_check(layer, r.data_format, x, true);
}

static double size_of(moru_node *x, reading r, int axis)
{
    return (double)moru_node_shape(x)->dims[axis + (moru_is_channels_first(r.data_format) ? 2 : 1)];
}

/* Pictures under the transforms a matrix [n,2] rows + offset: both numbers of a picture decide about all eight. */
static moru_node *transform(const moru_layer_call *c, moru_node *x, moru_node *a, moru_node *b, reading r,
                            const double rows[2][8], const double offset[8])
{
    moru_real matrix[16], row[8];
    for (int i = 0; i < 8; i++) {
        matrix[i] = (moru_real)rows[0][i];
        matrix[8 + i] = (moru_real)rows[1][i];
        row[i] = (moru_real)offset[i];
    }
    moru_node *both[] = {a, b};
    moru_node *t = moru_add(moru_matmul(moru_concat(both, 2, 1), moru_constant(c->graph, MORU_REAL, MORU_SHAPE(2, 8),
                                                                               matrix)),
                            moru_constant(c->graph, MORU_REAL, MORU_SHAPE(8), row));
    bool first = moru_is_channels_first(r.data_format);
    if (first)
        x = moru_transpose(x, (const int[]){0, 2, 3, 1});
    moru_node *y = moru_affine_transform(x, t, find(r.interpolation, interpolations) == 1,
                                         (moru_fill_mode)find(r.fill_mode, fill_modes), r.fill_value);
    return first ? moru_transpose(y, (const int[]){0, 3, 1, 2}) : y;
}

#define READING_FIELDS(type) \
    MORU_FIELD(type, fill_mode, MORU_FIELD_TEXT), \
    MORU_FIELD(type, interpolation, MORU_FIELD_TEXT), \
    MORU_FIELD(type, seed, MORU_FIELD_OPTIONAL_INT), \
    MORU_FIELD(type, fill_value, MORU_FIELD_REAL), \
    MORU_FIELD(type, data_format, MORU_FIELD_TEXT)
#define TRANSFORMER(id, name, n) \
    const moru_layer_class moru_##id##_class = { \
        .class_name = (name), .module = "keras.layers", .size = sizeof(moru_##id##_options), \
        .defaults = &id##_defaults, .fields = id##_fields, .n_fields = (n), .min_inputs = 1, .max_inputs = 1, \
        .build = build_##id, .call = call_##id}; \
    moru_layer *moru_##id##_new(const moru_##id##_options *options) \
    { \
        return moru_layer_new(&moru_##id##_class, options); \
    }

/* ---- RandomRotation ---- */

static const moru_random_rotation_options random_rotation_defaults = {MORU_RANDOM_ROTATION_DEFAULTS};
static const moru_field random_rotation_fields[] = {
    MORU_FIELD(moru_random_rotation_options, factor, MORU_FIELD_RANGE),
    READING_FIELDS(moru_random_rotation_options),
};

static moru_status build_random_rotation(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_random_rotation_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_bounds_check(layer, "factor", o->factor, -1, 1));
    return check_reading(layer, READING(o), &inputs[0]);
}

/* The centre (cx, cy) stays: a = cos, -sin, cx - cx cos + cy sin; b = sin, cos, cy - cx sin - cy cos. */
static moru_node *call_random_rotation(const moru_layer_call *c)
{
    const moru_random_rotation_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (!moru_layer_is_noisy(c) || moru_node_failed(x))
        return x;
    double cx = 0.5 * (size_of(x, READING(o), 1) - 1), cy = 0.5 * (size_of(x, READING(o), 0) - 1);
    const double turns[] = {o->factor[0] * 2 * M_PI, o->factor[1] * 2 * M_PI};
    const double rows[2][8] = {{1, 0, -cx, 0, 1, -cy, 0, 0}, {0, -1, cy, 1, 0, -cx, 0, 0}};
    const double offset[8] = {0, 0, cx, 0, 0, cy, 0, 0};
    moru_node *angle = moru_sample_uniform(c, x, turns, o->seed, 0);
    return transform(c, x, moru_cos(angle), moru_sin(angle), READING(o), rows, offset);
}

TRANSFORMER(random_rotation, "RandomRotation", 6)

/* ---- RandomZoom ---- */

static const moru_random_zoom_options random_zoom_defaults = {MORU_RANDOM_ZOOM_DEFAULTS};
static const moru_field random_zoom_fields[] = {
    MORU_FIELD(moru_random_zoom_options, height_factor, MORU_FIELD_RANGE),
    MORU_FIELD(moru_random_zoom_options, width_factor, MORU_FIELD_RANGE),
    READING_FIELDS(moru_random_zoom_options),
};

static moru_status check_zoom(const moru_layer *layer, const char *option, const double *factor)
{
    MORU_TRY(moru_bounds_check(layer, option, factor, -1, 1));
    if (factor[0] > -1 && factor[1] > -1)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s must be above -1", option);
}

static moru_status build_random_zoom(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_random_zoom_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(check_zoom(layer, "height_factor", o->height_factor));
    if (!isnan(o->width_factor[0]))
        MORU_TRY(check_zoom(layer, "width_factor", o->width_factor));
    return check_reading(layer, READING(o), &inputs[0]);
}

static moru_node *call_random_zoom(const moru_layer_call *c)
{
    const moru_random_zoom_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (!moru_layer_is_noisy(c) || moru_node_failed(x))
        return x;
    double cx = 0.5 * (size_of(x, READING(o), 1) - 1), cy = 0.5 * (size_of(x, READING(o), 0) - 1);
    const double heights[] = {1 + o->height_factor[0], 1 + o->height_factor[1]};
    const double widths[] = {1 + o->width_factor[0], 1 + o->width_factor[1]};
    const double rows[2][8] = {{1, 0, -cx, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 1, -cy, 0, 0}};
    const double offset[8] = {0, 0, cx, 0, 0, cy, 0, 0};
    moru_node *height = moru_sample_uniform(c, x, heights, o->seed, 0);
    moru_node *width = isnan(o->width_factor[0]) ? height : moru_sample_uniform(c, x, widths, o->seed, 1);
    return transform(c, x, width, height, READING(o), rows, offset);
}

TRANSFORMER(random_zoom, "RandomZoom", 7)

/* ---- RandomTranslation ---- */

static const moru_random_translation_options random_translation_defaults = {MORU_RANDOM_TRANSLATION_DEFAULTS};
static const moru_field random_translation_fields[] = {
    MORU_FIELD(moru_random_translation_options, height_factor, MORU_FIELD_RANGE),
    MORU_FIELD(moru_random_translation_options, width_factor, MORU_FIELD_RANGE),
    READING_FIELDS(moru_random_translation_options),
};

static moru_status build_random_translation(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes,
                                            int n)
{
    const moru_random_translation_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_bounds_check(layer, "height_factor", o->height_factor, -1, 1));
    MORU_TRY(moru_bounds_check(layer, "width_factor", o->width_factor, -1, 1));
    return check_reading(layer, READING(o), &inputs[0]);
}

static moru_node *call_random_translation(const moru_layer_call *c)
{
    const moru_random_translation_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    if (!moru_layer_is_noisy(c) || moru_node_failed(x))
        return x;
    double height = size_of(x, READING(o), 0), width = size_of(x, READING(o), 1);
    const double downs[] = {o->height_factor[0] * height, o->height_factor[1] * height};
    const double rights[] = {o->width_factor[0] * width, o->width_factor[1] * width};
    const double rows[2][8] = {{0, 0, -1, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, -1, 0, 0}};
    const double offset[8] = {1, 0, 0, 0, 1, 0, 0, 0};
    moru_node *down = moru_sample_uniform(c, x, downs, o->seed, 0);
    moru_node *right = moru_sample_uniform(c, x, rights, o->seed, 1);
    return transform(c, x, right, down, READING(o), rows, offset);
}

TRANSFORMER(random_translation, "RandomTranslation", 7)
