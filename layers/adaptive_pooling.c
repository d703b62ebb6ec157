/* AdaptiveMaxPooling1D .. 3D and AdaptiveAveragePooling1D .. 3D: output_size windows, floor(i h / o) to
 * ceil((i + 1) h / o), cover each axis. The maximum of a box is that along one axis after the other; so is the mean. */
#include "core/status.h"
#include "layers/spatial.h"
#include "ops/adaptive_pool.h"

typedef struct pooling {
    int rank;
    bool largest;
    const int64_t *output_size;
    const char *data_format;
} pooling;

static moru_status build(moru_layer *layer, const pooling *v, const moru_shape *input)
{
    MORU_TRY(moru_layer_positive(layer, "output_size", v->output_size, v->rank));
    MORU_TRY(moru_spatial_check(layer, v->data_format, input, v->rank));
    for (int i = 0; i < v->rank; i++) {
        int64_t size = input->dims[moru_spatial_axis(v->data_format) + i];
        if (size < 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the sizes of its input must be known");
        if (size > INT32_MAX || v->output_size[i] > INT32_MAX)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "output_size or the size of its input is too large");
    }
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c, const pooling *v)
{
    moru_node *x = moru_channels_to_last(moru_as_real(c->inputs[0]), v->data_format);
    for (int i = 0; i < v->rank; i++)
        x = moru_adaptive_pool(x, v->largest, i + 1, v->output_size[i]);
    return moru_channels_back(x, v->data_format);
}

#define OPTIONS(rank, ...) \
    static const moru_adaptive_pooling##rank##d_options defaults_##rank = {__VA_ARGS__}; \
    static const moru_field fields_##rank[] = { \
        MORU_FIELD_ARRAY(moru_adaptive_pooling##rank##d_options, output_size, rank), \
        MORU_FIELD(moru_adaptive_pooling##rank##d_options, data_format, MORU_FIELD_TEXT), \
    };
OPTIONS(1, MORU_ADAPTIVE_POOLING_DEFAULTS)
OPTIONS(2, MORU_ADAPTIVE_POOLING_DEFAULTS)
OPTIONS(3, MORU_ADAPTIVE_POOLING_DEFAULTS)

#define POOLING(id, name, rank_, largest_) \
    static pooling id##_view(const moru_layer *layer) \
    { \
        const moru_adaptive_pooling##rank_##d_options *o = layer->options; \
        return (pooling){.rank = (rank_), .largest = (largest_), .output_size = o->output_size, \
                         .data_format = o->data_format}; \
    } \
    MORU_FAMILY_CLASS(id, name, pooling, moru_adaptive_pooling##rank_##d_options, defaults_##rank_, fields_##rank_)

POOLING(adaptive_max_pooling1d, "AdaptiveMaxPooling1D", 1, true)
POOLING(adaptive_max_pooling2d, "AdaptiveMaxPooling2D", 2, true)
POOLING(adaptive_max_pooling3d, "AdaptiveMaxPooling3D", 3, true)
POOLING(adaptive_average_pooling1d, "AdaptiveAveragePooling1D", 1, false)
POOLING(adaptive_average_pooling2d, "AdaptiveAveragePooling2D", 2, false)
POOLING(adaptive_average_pooling3d, "AdaptiveAveragePooling3D", 3, false)
