/* UpSampling1D .. 3D: each step, pixel or voxel `size` times along each axis; pictures also interpolated. */
#include "core/status.h"
#include "layers/spatial.h"

typedef struct sampling {
    int rank;
    const int64_t *size;
    const char *data_format, *interpolation;
} sampling;

static moru_status build(moru_layer *layer, const sampling *v, const moru_shape *input)
{
    MORU_TRY(moru_layer_positive(layer, "size", v->size, v->rank));
    moru_interpolation interpolation;
    if (v->rank == 2)
        MORU_TRY(moru_spatial_interpolation(layer, v->interpolation, &interpolation));
    return moru_spatial_check(layer, v->data_format, input, v->rank);
}

static moru_node *interpolated(const moru_layer_call *c, const sampling *v, moru_interpolation interpolation)
{
    moru_node *x = moru_channels_to_last(moru_as_real(c->inputs[0]), v->data_format);
    return moru_channels_back(moru_upsample2d(x, v->size[0], v->size[1], interpolation), v->data_format);
}

static moru_node *call(const moru_layer_call *c, const sampling *v)
{
    moru_node *y = c->inputs[0];
    moru_interpolation interpolation = MORU_NEAREST;
    if (v->rank == 2)
        moru_spatial_interpolation(c->layer, v->interpolation, &interpolation);
    if (interpolation != MORU_NEAREST)
        return interpolated(c, v, interpolation);
    for (int i = 0; i < v->rank; i++)
        y = moru_repeat_elements(y, moru_spatial_axis(v->data_format) + i, v->size[i]);
    return y == c->inputs[0] ? moru_identity(y) : y;
}

#define SAMPLING(id, name, rank_, size_, data_format_, interpolation_, ...) \
    static const moru_##id##_options id##_defaults = {__VA_ARGS__}; \
    static sampling id##_view(const moru_layer *layer) \
    { \
        const moru_##id##_options *o = layer->options; \
        return (sampling){.rank = (rank_), .size = (size_), .data_format = (data_format_), \
                          .interpolation = (interpolation_)}; \
    } \
    MORU_FAMILY_CLASS(id, name, sampling, moru_##id##_options, id##_defaults, id##_fields)

static const moru_field up_sampling1d_fields[] = {MORU_FIELD(moru_up_sampling1d_options, size, MORU_FIELD_INT)};
static const moru_field up_sampling2d_fields[] = {
    MORU_FIELD_ARRAY(moru_up_sampling2d_options, size, 2),
    MORU_FIELD(moru_up_sampling2d_options, data_format, MORU_FIELD_TEXT),
    MORU_FIELD(moru_up_sampling2d_options, interpolation, MORU_FIELD_TEXT),
};
static const moru_field up_sampling3d_fields[] = {
    MORU_FIELD_ARRAY(moru_up_sampling3d_options, size, 3),
    MORU_FIELD(moru_up_sampling3d_options, data_format, MORU_FIELD_TEXT),
};
SAMPLING(up_sampling1d, "UpSampling1D", 1, &o->size, NULL, NULL, MORU_UP_SAMPLING1D_DEFAULTS)
SAMPLING(up_sampling2d, "UpSampling2D", 2, o->size, o->data_format, o->interpolation, MORU_UP_SAMPLING2D_DEFAULTS)
SAMPLING(up_sampling3d, "UpSampling3D", 3, o->size, o->data_format, NULL, MORU_UP_SAMPLING3D_DEFAULTS)
