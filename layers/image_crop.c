/* CenterCrop and RandomCrop: a part of each picture, resized where the picture is smaller than it should be. */
#include <math.h>
#include <stdlib.h>

#include "core/status.h"
#include "layers/preprocessing.h"
#include "ops/random_stream.h"

static const moru_crop_options defaults = {MORU_CROP_DEFAULTS};
static const moru_field fields[] = { /* those of CenterCrop leave out the last */
    MORU_FIELD(moru_crop_options, height, MORU_FIELD_INT),
    MORU_FIELD(moru_crop_options, width, MORU_FIELD_INT),
    MORU_FIELD(moru_crop_options, data_format, MORU_FIELD_TEXT),
    MORU_FIELD(moru_crop_options, seed, MORU_FIELD_OPTIONAL_INT),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_crop_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "height", &o->height, 1));
    MORU_TRY(moru_layer_positive(layer, "width", &o->width, 1));
    return moru_pictures_check(layer, o->data_format, &inputs[0], true);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The sides of the largest part that has the aspect of the wanted one. */
static void aspect_part(const moru_crop_options *o, int64_t height, int64_t width, int64_t *part_height,
                        int64_t *part_width)
{
    *part_height = least(height, (int64_t)((double)width * (double)o->height / (double)o->width));
    *part_width = least(width, (int64_t)((double)height * (double)o->width / (double)o->height));
    *part_height = *part_height < 1 ? 1 : *part_height;
    *part_width = *part_width < 1 ? 1 : *part_width;
}

/* One axis resized, bilinear: each element of the output lies between two of the input. */
static moru_node *resize(const moru_layer_call *c, moru_node *x, int axis, int64_t size)
{
    const moru_shape *shape = moru_node_failed(x) ? NULL : moru_node_shape(x);
    if (!shape || shape->dims[axis] == size)
        return x;
    int64_t before = shape->dims[axis], dims[MORU_MAX_RANK];
    int32_t *low = malloc((size_t)size * 2 * sizeof *low), *high = low ? low + size : NULL;
    moru_real *share = malloc((size_t)size * sizeof *share);
    moru_node *y = NULL;
    for (int i = 0; i < shape->rank; i++)
        dims[i] = i == axis ? size : 1;
    for (int64_t i = 0; low && share && i < size; i++) {
        float place = ((float)i + 0.5f) * ((float)before / (float)size) - 0.5f, floor = floorf(place);
        low[i] = (int32_t)(floor < 0 ? 0 : floor);
        high[i] = (int32_t)least((int64_t)ceilf(place), before - 1);
        share[i] = place - floor;
    }
    if (low && share) {
        moru_node *a = moru_gather(x, moru_constant(c->graph, MORU_INT32, MORU_SHAPE(size), low), axis);
        moru_node *b = moru_gather(x, moru_constant(c->graph, MORU_INT32, MORU_SHAPE(size), high), axis);
        moru_node *weight = moru_constant(c->graph, MORU_REAL, MORU_SHAPE(size), share);
        y = moru_add(a, moru_mul(moru_sub(b, a), moru_reshape(weight, dims, shape->rank)));
    } else {
        y = moru_graph_fail(c->graph, MORU_ERR_MEMORY, "no memory to resize");
    }
    free(low);
    free(share);
    return y;
}

static moru_node *resize_both(const moru_layer_call *c, moru_node *x, int axis)
{
    const moru_crop_options *o = c->layer->options;
    return resize(c, resize(c, x, axis, o->height), axis + 1, o->width);
}

/* The largest part in the middle that has the wanted aspect; resized. */
static moru_node *fit_middle(const moru_layer_call *c, moru_node *x, int axis)
{
    const moru_crop_options *o = c->layer->options;
    int64_t height = moru_node_shape(x)->dims[axis], width = moru_node_shape(x)->dims[axis + 1], h, w;
    aspect_part(o, height, width, &h, &w);
    int64_t top = (height - h) / 2, left = (width - w) / 2;
    x = moru_slice(moru_slice(x, axis, top, top + h, 1), axis + 1, left, left + w, 1);
    return resize_both(c, x, axis);
}

static moru_node *call_center(const moru_layer_call *c)
{
    const moru_crop_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    int axis = moru_is_channels_first(o->data_format) ? 2 : 1;
    if (moru_node_failed(x))
        return x;
    int64_t down = moru_node_shape(x)->dims[axis] - o->height, right = moru_node_shape(x)->dims[axis + 1] - o->width;
    if (down < 0 || right < 0)
        return fit_middle(c, x, axis);
    x = moru_slice(x, axis, down / 2, down / 2 + o->height, 1);
    return moru_slice(x, axis + 1, right / 2, right / 2 + o->width, 1);
}

/* `size` elements along the axis from a random one on; from the middle without noise. */
static moru_node *random_part(const moru_layer_call *c, moru_node *x, int axis, int64_t size, int k)
{
    const moru_crop_options *o = c->layer->options;
    int64_t spare = moru_node_shape(x)->dims[axis] - size;
    if (!moru_layer_is_noisy(c))
        return moru_slice(x, axis, spare / 2, spare / 2 + size, 1);
    moru_node *u = moru_random_uniform_from(moru_scalar(c->graph, 0), 0, (double)spare + 1,
                                            moru_layer_stream(c, o->seed, k));
    moru_node *start = moru_clip(moru_floor(u), 0, (double)spare); /* rounding may reach the upper bound */
    moru_real *steps = malloc((size_t)size * sizeof *steps);
    if (!steps)
        return moru_graph_fail(c->graph, MORU_ERR_MEMORY, "no memory to crop");
    for (int64_t i = 0; i < size; i++)
        steps[i] = (moru_real)i;
    moru_node *places = moru_add(moru_constant(c->graph, MORU_REAL, MORU_SHAPE(size), steps), start);
    free(steps);
    return moru_gather(x, moru_cast(places, MORU_INT32), axis);
}

/* Pictures that aren't larger both ways are cut where they are, from where their part of the aspect would begin. */
static moru_node *call_random(const moru_layer_call *c)
{
    const moru_crop_options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    int axis = moru_is_channels_first(o->data_format) ? 2 : 1;
    if (!c->training || moru_node_failed(x))
        return x;
    int64_t height = moru_node_shape(x)->dims[axis], width = moru_node_shape(x)->dims[axis + 1], h, w;
    if (height > o->height && width > o->width)
        return random_part(c, random_part(c, x, axis, o->height, 0), axis + 1, o->width, 1);
    aspect_part(o, height, width, &h, &w);
    int64_t top = (height - h) / 2, left = (width - w) / 2;
    x = moru_slice(x, axis, top, least(top + o->height, height), 1);
    x = moru_slice(x, axis + 1, left, least(left + o->width, width), 1);
    return resize_both(c, x, axis);
}

#define CROP(id, name, n) \
    const moru_layer_class moru_##id##_crop_class = { \
        .class_name = (name), .module = "keras.layers", .size = sizeof(moru_crop_options), .defaults = &defaults, \
        .fields = fields, .n_fields = (n), .min_inputs = 1, .max_inputs = 1, .build = build, .call = call_##id}; \
    moru_layer *moru_##id##_crop_new(const moru_crop_options *options) \
    { \
        return moru_layer_new(&moru_##id##_crop_class, options); \
    }
CROP(center, "CenterCrop", 3)
CROP(random, "RandomCrop", 4)
