/* Resizing: pictures of any size to height x width, also cut or framed to their shape before. */
#include <math.h>
#include <strings.h>

#include "core/status.h"
#include "layers/spatial.h"

static const moru_resizing_options defaults = {MORU_RESIZING_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_resizing_options, height, MORU_FIELD_INT),
    MORU_FIELD(moru_resizing_options, width, MORU_FIELD_INT),
    MORU_FIELD(moru_resizing_options, interpolation, MORU_FIELD_TEXT),
    MORU_FIELD(moru_resizing_options, crop_to_aspect_ratio, MORU_FIELD_BOOL),
    MORU_FIELD(moru_resizing_options, pad_to_aspect_ratio, MORU_FIELD_BOOL),
    MORU_FIELD(moru_resizing_options, fill_mode, MORU_FIELD_TEXT),
    MORU_FIELD(moru_resizing_options, fill_value, MORU_FIELD_REAL),
    MORU_FIELD(moru_resizing_options, antialias, MORU_FIELD_BOOL),
    MORU_FIELD(moru_resizing_options, data_format, MORU_FIELD_TEXT),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_resizing_options *o = layer->options;
    moru_interpolation interpolation;
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "height", &o->height, 1));
    MORU_TRY(moru_layer_positive(layer, "width", &o->width, 1));
    if (o->height > INT32_MAX || o->width > INT32_MAX)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "height or width is too large");
    MORU_TRY(moru_spatial_interpolation(layer, o->interpolation, &interpolation));
    if (o->crop_to_aspect_ratio && o->pad_to_aspect_ratio)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "crop_to_aspect_ratio and pad_to_aspect_ratio can't both be");
    if (!o->fill_mode || strcasecmp(o->fill_mode, "constant") != 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "fill_mode must be \"constant\", not \"%.40s\"",
                                o->fill_mode ? o->fill_mode : "");
    if (!isfinite(o->fill_value))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "fill_value must be a number");
    MORU_TRY(moru_spatial_check(layer, o->data_format, &inputs[0], 2));
    int first = moru_spatial_axis(o->data_format);
    for (int i = first; i < first + 2 && (o->crop_to_aspect_ratio || o->pad_to_aspect_ratio); i++)
        if (inputs[0].dims[i] < 0 || inputs[0].dims[i] > INT32_MAX)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "to keep the aspect ratio the input's size must be known");
    return MORU_OK;
}

/* What is `other` long in a picture of the wanted shape; in float, as Keras rounds. */
static int64_t partner(int64_t other, int64_t wanted, int64_t wanted_other)
{
    return (int64_t)((float)(other * wanted) / (float)wanted_other);
}

/* The largest part of that shape, in the middle */
static moru_node *crop(moru_node *x, int64_t height, int64_t width)
{
    int64_t h = x->shape.dims[1], w = x->shape.dims[2];
    int64_t most_h = partner(w, height, width), most_w = partner(h, width, height);
    most_h = most_h < 1 ? 1 : most_h > h ? h : most_h;
    most_w = most_w < 1 ? 1 : most_w > w ? w : most_w;
    int64_t top = (h - most_h) / 2, left = (w - most_w) / 2;
    return moru_slice(moru_slice(x, 1, top, top + most_h, 1), 2, left, left + most_w, 1);
}

/* A frame that gives it that shape; as wide before as after, so that an odd one is missing, as in Keras */
static moru_node *frame(moru_node *x, int64_t height, int64_t width, double value)
{
    int64_t h = x->shape.dims[1], w = x->shape.dims[2];
    int64_t least_h = partner(w, height, width), least_w = partner(h, width, height);
    const int64_t around[4] = {0, least_h > h ? (least_h - h) / 2 : 0, least_w > w ? (least_w - w) / 2 : 0, 0};
    return moru_pad(x, around, around, value);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_resizing_options *o = c->layer->options;
    moru_interpolation interpolation = MORU_BILINEAR;
    moru_node *x = moru_channels_to_last(moru_as_real(c->inputs[0]), o->data_format);
    moru_spatial_interpolation(c->layer, o->interpolation, &interpolation);
    if (moru_node_failed(x))
        return x;
    if (o->crop_to_aspect_ratio)
        x = crop(x, o->height, o->width);
    else if (o->pad_to_aspect_ratio)
        x = frame(x, o->height, o->width, o->fill_value);
    x = moru_resize2d(x, o->height, o->width, interpolation, o->antialias);
    return moru_channels_back(x == c->inputs[0] ? moru_identity(x) : x, o->data_format);
}

const moru_layer_class moru_resizing_class = {
    .class_name = "Resizing", .module = "keras.layers", .size = sizeof(moru_resizing_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1, .build = build,
    .call = call,
};

moru_layer *moru_resizing_new(const moru_resizing_options *options)
{
    return moru_layer_new(&moru_resizing_class, options);
}
