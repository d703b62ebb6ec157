/* ZeroPadding1D .. 3D: zeros around sequences, pictures, volumes. */
#include "core/status.h"
#include "layers/spatial.h"

typedef struct padding {
    int rank;
    const int64_t *padding;    /* before and after each axis */
    const char *data_format;
} padding;

static moru_status build(moru_layer *layer, const padding *v, const moru_shape *input)
{
    for (int i = 0; i < 2 * v->rank; i++)
        if (v->padding[i] < 0)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "padding must not be negative, as %lld is",
                                    (long long)v->padding[i]);
    return moru_spatial_check(layer, v->data_format, input, v->rank);
}

static moru_node *call(const moru_layer_call *c, const padding *v)
{
    int first = moru_spatial_axis(v->data_format);
    int64_t before[MORU_MAX_RANK] = {0}, after[MORU_MAX_RANK] = {0};
    for (int i = 0; i < v->rank; i++) {
        before[first + i] = v->padding[2 * i];
        after[first + i] = v->padding[2 * i + 1];
    }
    return moru_pad(c->inputs[0], before, after, 0);
}

#define PADDING(id, name, rank_, ...) \
    static const moru_##id##_options id##_defaults = {__VA_ARGS__}; \
    static const moru_field id##_fields[] = { \
        MORU_FIELD_ARRAY(moru_##id##_options, padding, 2 * (rank_)), \
        MORU_FIELD(moru_##id##_options, data_format, MORU_FIELD_TEXT), \
    }; \
    static padding id##_view(const moru_layer *layer) \
    { \
        const moru_##id##_options *o = layer->options; \
        return (padding){.rank = (rank_), .padding = o->padding, .data_format = o->data_format}; \
    } \
    MORU_FAMILY_CLASS(id, name, padding, moru_##id##_options, id##_defaults, id##_fields)

PADDING(zero_padding1d, "ZeroPadding1D", 1, MORU_ZERO_PADDING1D_DEFAULTS)
PADDING(zero_padding2d, "ZeroPadding2D", 2, MORU_ZERO_PADDING2D_DEFAULTS)
PADDING(zero_padding3d, "ZeroPadding3D", 3, MORU_ZERO_PADDING3D_DEFAULTS)
