/* Cropping1D .. 3D: sequences, pictures, volumes without what lies at their ends. */
#include "core/status.h"
#include "layers/spatial.h"

typedef struct cropping {
    int rank;
    const int64_t *cropping;   /* before and after each axis */
    const char *data_format;
} cropping;

static moru_status build(moru_layer *layer, const cropping *v, const moru_shape *input)
{
    MORU_TRY(moru_spatial_check(layer, v->data_format, input, v->rank));
    for (int i = 0; i < v->rank; i++) {
        int64_t before = v->cropping[2 * i], after = v->cropping[2 * i + 1];
        int64_t size = input->dims[moru_spatial_axis(v->data_format) + i];
        if (before < 0 || after < 0 || before > INT32_MAX || after > INT32_MAX)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "cropping must be at least 0 and not too large, not %lld",
                                    (long long)(before < 0 || before > INT32_MAX ? before : after));
        if (size >= 0 && before + after >= size)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "cropping by %lld and %lld leaves nothing of a size of %lld",
                                    (long long)before, (long long)after, (long long)size);
    }
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c, const cropping *v)
{
    moru_node *y = c->inputs[0];
    for (int i = 0; i < v->rank; i++) {
        int64_t before = v->cropping[2 * i], after = v->cropping[2 * i + 1];
        if (before > 0 || after > 0)
            y = moru_slice(y, moru_spatial_axis(v->data_format) + i, before, after > 0 ? -after : MORU_SLICE_END, 1);
    }
    return y == c->inputs[0] ? moru_identity(y) : y;
}

#define CROPPING(id, name, rank_, data_format_, ...) \
    static const moru_##id##_options id##_defaults = {__VA_ARGS__}; \
    static cropping id##_view(const moru_layer *layer) \
    { \
        const moru_##id##_options *o = layer->options; \
        return (cropping){.rank = (rank_), .cropping = o->cropping, .data_format = (data_format_)}; \
    } \
    MORU_FAMILY_CLASS(id, name, cropping, moru_##id##_options, id##_defaults, id##_fields)

static const moru_field cropping1d_fields[] = {MORU_FIELD_ARRAY(moru_cropping1d_options, cropping, 2)};
static const moru_field cropping2d_fields[] = {
    MORU_FIELD_ARRAY(moru_cropping2d_options, cropping, 4),
    MORU_FIELD(moru_cropping2d_options, data_format, MORU_FIELD_TEXT),
};
static const moru_field cropping3d_fields[] = {
    MORU_FIELD_ARRAY(moru_cropping3d_options, cropping, 6),
    MORU_FIELD(moru_cropping3d_options, data_format, MORU_FIELD_TEXT),
};
CROPPING(cropping1d, "Cropping1D", 1, NULL, MORU_CROPPING1D_DEFAULTS)
CROPPING(cropping2d, "Cropping2D", 2, o->data_format, MORU_CROPPING2D_DEFAULTS)
CROPPING(cropping3d, "Cropping3D", 3, o->data_format, MORU_CROPPING3D_DEFAULTS)
