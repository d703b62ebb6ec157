/* AdaptiveMaxPooling1D .. 3D and AdaptiveAveragePooling1D .. 3D: output_size windows, floor(i h / o) to
 * ceil((i + 1) h / o), cover each axis. The maximum of a box is that along one axis after the other; so is the mean. */
#include <stdlib.h>

#include "core/status.h"
#include "layers/spatial.h"

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

/* Windows of a size, at every `stride`-th place along an axis, with what is behind it made one. */
static moru_node *windows(moru_node *x, bool largest, int64_t size, int64_t stride)
{
    moru_pool2d_attrs attrs = {.size = {size, 1}, .strides = {stride, 1}};
    return largest ? moru_max_pool2d(x, &attrs) : moru_avg_pool2d(x, &attrs);
}

/* Which window i is: of size `small` at its place, or one larger, which come after the small ones. */
static moru_node *window_indices(moru_graph *graph, int64_t size, int64_t wanted, int64_t small)
{
    int32_t *indices = malloc((size_t)wanted * sizeof *indices);
    if (!indices)
        return moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for %lld windows", (long long)wanted);
    for (int64_t i = 0; i < wanted; i++) {
        int64_t start = i * size / wanted, end = ((i + 1) * size + wanted - 1) / wanted;
        indices[i] = (int32_t)(end - start > small ? start + size - small + 1 : start);
    }
    moru_node *node = moru_constant(graph, MORU_INT32, MORU_SHAPE(wanted), indices);
    free(indices);
    return node;
}

/* Along axis 1 of [n, size, rest, c] */
static moru_node *pool_axis(moru_node *x, bool largest, int64_t size, int64_t wanted)
{
    int64_t small = (size + wanted - 1) / wanted;
    if (size % wanted == 0)
        return windows(x, largest, small, small);
    moru_node *all = windows(x, largest, small, 1);
    if (small < size) {
        moru_node *both[] = {all, windows(x, largest, small + 1, 1)};
        all = moru_concat(both, 2, 1);
    }
    return moru_node_failed(all) ? all : moru_gather(all, window_indices(all->graph, size, wanted, small), 1);
}

/* Axis `axis` of [n, .., c] */
static moru_node *pool(moru_node *x, bool largest, int axis, int64_t wanted)
{
    if (moru_node_failed(x) || x->shape.dims[axis] == wanted)
        return x;
    const moru_shape *shape = &x->shape;
    int64_t rest = 1, before = axis == 1 ? shape->dims[0] : -1, dims[MORU_MAX_RANK];
    for (int i = axis + 1; i < shape->rank - 1; i++)
        if (__builtin_mul_overflow(rest, shape->dims[i], &rest))
            return moru_graph_fail(x->graph, MORU_ERR_MEMORY, "more elements than can be counted");
    const int64_t flat[] = {before, shape->dims[axis], rest, shape->dims[shape->rank - 1]};
    for (int i = 0; i < shape->rank; i++)
        dims[i] = i == axis ? wanted : shape->dims[i];
    moru_node *y = pool_axis(moru_reshape(x, flat, 4), largest, shape->dims[axis], wanted);
    return moru_reshape(y, dims, shape->rank);
}

static moru_node *call(const moru_layer_call *c, const pooling *v)
{
    moru_node *x = moru_channels_to_last(moru_as_real(c->inputs[0]), v->data_format);
    for (int i = 0; i < v->rank; i++)
        x = pool(x, v->largest, i + 1, v->output_size[i]);
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
