/* MaxPooling1D .. 3D and AveragePooling1D .. 3D: the largest, or the mean, of each window. */
#include <string.h>
#include <strings.h>

#include "core/status.h"
#include "layers/spatial.h"

typedef struct pooling {
    int rank;
    bool largest;
    int64_t *pool_size, *strides;
    const char *padding, *data_format;
} pooling;

static moru_status build(moru_layer *layer, const pooling *v, const moru_shape *input)
{
    moru_padding padding;
    for (int i = 0; i < v->rank; i++)
        if (v->strides[i] == 0)
            v->strides[i] = v->pool_size[i];
    MORU_TRY(moru_layer_positive(layer, "pool_size", v->pool_size, v->rank));
    MORU_TRY(moru_layer_positive(layer, "strides", v->strides, v->rank));
    MORU_TRY(moru_layer_padding(layer, v->padding, &padding));
    MORU_TRY(moru_spatial_check(layer, v->data_format, input, v->rank));
    for (int i = 1; i <= 4 && v->rank == 3; i++)
        if (input->dims[i] < 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the sizes of its input must be known");
    return MORU_OK;
}

static moru_node *pool(moru_node *x, const pooling *v, const moru_pool2d_attrs *attrs)
{
    return v->largest ? moru_max_pool2d(x, attrs) : moru_avg_pool2d(x, attrs);
}

/* Padded cells don't count, so that of a window a box is left, and its mean is the mean along one axis of means. */
static moru_node *pool_volume(moru_node *x, const pooling *v, moru_padding padding)
{
    moru_pool2d_attrs planes = {.size = {v->pool_size[1], v->pool_size[2]}, .strides = {v->strides[1], v->strides[2]},
                                .padding = padding};
    moru_pool2d_attrs depth = {.size = {v->pool_size[0], 1}, .strides = {v->strides[0], 1}, .padding = padding};
    moru_node *y = moru_axes_merged(x, 2);              /* [n,d,h w,c] */
    y = moru_axes_split(pool(y, v, &depth), x, 2);      /* [n,od,h,w,c] */
    moru_node *images = moru_axes_merged(y, 0);         /* [n od,h,w,c] */
    return moru_axes_split(pool(images, v, &planes), y, 0);
}

static moru_node *call(const moru_layer_call *c, const pooling *v)
{
    moru_padding padding = strcasecmp(v->padding, "same") == 0 ? MORU_SAME : MORU_VALID;
    moru_node *x = moru_channels_to_last(c->inputs[0], v->data_format), *y;
    if (v->rank == 3) {
        y = pool_volume(x, v, padding);
    } else {
        moru_pool2d_attrs attrs = {.size = {1, 1}, .strides = {1, 1}, .padding = padding};
        for (int i = 0; i < v->rank; i++) {
            attrs.size[2 - v->rank + i] = v->pool_size[i];
            attrs.strides[2 - v->rank + i] = v->strides[i];
        }
        y = pool(v->rank == 1 ? moru_expand_dims(x, 1) : x, v, &attrs);
        y = v->rank == 1 ? moru_squeeze(y, 1) : y;
    }
    return moru_channels_back(y, v->data_format);
}

#define OPTIONS(rank, ...) \
    static const moru_pooling##rank##d_options defaults_##rank = {__VA_ARGS__}; \
    static const moru_field fields_##rank[] = { \
        MORU_FIELD_ARRAY(moru_pooling##rank##d_options, pool_size, rank), \
        MORU_FIELD_ARRAY(moru_pooling##rank##d_options, strides, rank), \
        MORU_FIELD(moru_pooling##rank##d_options, padding, MORU_FIELD_TEXT), \
        MORU_FIELD(moru_pooling##rank##d_options, data_format, MORU_FIELD_TEXT), \
    };
OPTIONS(1, MORU_POOLING1D_DEFAULTS)
OPTIONS(2, MORU_POOLING2D_DEFAULTS)
OPTIONS(3, MORU_POOLING3D_DEFAULTS)

#define POOLING(id, name, rank_, largest_) \
    static pooling id##_view(const moru_layer *layer) \
    { \
        moru_pooling##rank_##d_options *o = layer->options; \
        return (pooling){.rank = (rank_), .largest = (largest_), .pool_size = o->pool_size, .strides = o->strides, \
                         .padding = o->padding, .data_format = o->data_format}; \
    } \
    MORU_FAMILY_CLASS(id, name, pooling, moru_pooling##rank_##d_options, defaults_##rank_, fields_##rank_)

POOLING(max_pooling1d, "MaxPooling1D", 1, true)
POOLING(max_pooling2d, "MaxPooling2D", 2, true)
POOLING(max_pooling3d, "MaxPooling3D", 3, true)
POOLING(average_pooling1d, "AveragePooling1D", 1, false)
POOLING(average_pooling2d, "AveragePooling2D", 2, false)
POOLING(average_pooling3d, "AveragePooling3D", 3, false)
