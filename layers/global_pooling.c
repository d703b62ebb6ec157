/* GlobalMaxPooling1D .. 3D and GlobalAveragePooling1D .. 3D: the largest, or the mean, of each channel; sizes of 1 stay
 * with keepdims. */
#include "core/status.h"
#include "layers/spatial.h"

typedef struct pooling {
    int rank;
    bool largest, keepdims;
    const char *data_format;
} pooling;

static moru_status build(moru_layer *layer, const pooling *v, const moru_shape *input)
{
    return moru_spatial_check(layer, v->data_format, input, v->rank);
}

/* Of the steps that count alone; [n,t] to [n,t,1], or [n,1,t]. */
static moru_node *masked_mean(moru_node *x, moru_node *mask, int axis, bool keepdims)
{
    moru_node *counts = moru_as_real(moru_expand_dims(mask, axis == 1 ? 2 : 1));
    moru_node *kept = moru_where(counts, x, moru_zeros_like(x));
    return moru_div(moru_sum(kept, &axis, 1, keepdims), moru_sum(counts, &axis, 1, keepdims));
}

static moru_node *call(const moru_layer_call *c, const pooling *v)
{
    int first = moru_spatial_axis(v->data_format), axes[] = {first, first + 1, first + 2};
    moru_node *x = c->inputs[0], *mask = v->rank == 1 && !v->largest ? moru_layer_mask(c, 0) : NULL;
    if (v->largest)
        return moru_max(x, axes, v->rank, v->keepdims);
    if (mask)
        return masked_mean(moru_as_real(x), mask, first, v->keepdims);
    return moru_mean(moru_as_real(x), axes, v->rank, v->keepdims);
}

#define OPTIONS(rank, ...) \
    static const moru_global_pooling##rank##d_options defaults_##rank = {__VA_ARGS__}; \
    static const moru_field fields_##rank[] = { \
        MORU_FIELD(moru_global_pooling##rank##d_options, data_format, MORU_FIELD_TEXT), \
        MORU_FIELD(moru_global_pooling##rank##d_options, keepdims, MORU_FIELD_BOOL), \
    };
OPTIONS(1, MORU_GLOBAL_POOLING1D_DEFAULTS)
OPTIONS(2, MORU_GLOBAL_POOLING2D_DEFAULTS)
OPTIONS(3, MORU_GLOBAL_POOLING3D_DEFAULTS)

static const char *const mask_input[] = {"mask", NULL};

#define POOLING(id, name, rank_, largest_, ...) \
    static pooling id##_view(const moru_layer *layer) \
    { \
        const moru_global_pooling##rank_##d_options *o = layer->options; \
        return (pooling){.rank = (rank_), .largest = (largest_), .keepdims = o->keepdims, \
                         .data_format = o->data_format}; \
    } \
    MORU_FAMILY_CLASS(id, name, pooling, moru_global_pooling##rank_##d_options, defaults_##rank_, fields_##rank_, \
                      __VA_ARGS__)

POOLING(global_max_pooling1d, "GlobalMaxPooling1D", 1, true)
POOLING(global_max_pooling2d, "GlobalMaxPooling2D", 2, true)
POOLING(global_max_pooling3d, "GlobalMaxPooling3D", 3, true)
POOLING(global_average_pooling1d, "GlobalAveragePooling1D", 1, false, .named_inputs = mask_input)
POOLING(global_average_pooling2d, "GlobalAveragePooling2D", 2, false)
POOLING(global_average_pooling3d, "GlobalAveragePooling3D", 3, false)
