/* What layers over sequences, pictures and volumes share. */
#include <strings.h>

#include "core/status.h"
#include "layers/spatial.h"

bool moru_channels_first(const char *data_format)
{
    return data_format && strcasecmp(data_format, "channels_first") == 0;
}

int moru_spatial_axis(const char *data_format)
{
    return moru_channels_first(data_format) ? 2 : 1;
}

moru_status moru_spatial_check(const moru_layer *layer, const char *data_format, const moru_shape *input, int rank)
{
    if (data_format && strcasecmp(data_format, "channels_last") != 0 && !moru_channels_first(data_format))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "data_format must be \"channels_last\" or "
                                "\"channels_first\", not \"%.40s\"", data_format);
    return moru_layer_rank(layer, input, rank + 2);
}

moru_status moru_spatial_channels(const moru_layer *layer, const char *data_format, const moru_shape *input, int rank,
                                  int64_t *channels)
{
    MORU_TRY(moru_spatial_check(layer, data_format, input, rank));
    *channels = input->dims[moru_channels_first(data_format) ? 1 : rank + 1];
    if (*channels < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the number of channels of its input must be known");
    return MORU_OK;
}

moru_node *moru_channels_to_last(moru_node *x, const char *data_format)
{
    int order[MORU_MAX_RANK] = {0}, rank = moru_node_failed(x) ? 0 : x->shape.rank;
    if (rank < 3 || !moru_channels_first(data_format))
        return x;
    for (int i = 1; i < rank; i++)
        order[i] = i < rank - 1 ? i + 1 : 1;
    return moru_transpose(x, order);
}

moru_node *moru_channels_back(moru_node *y, const char *data_format)
{
    int order[MORU_MAX_RANK] = {0}, rank = moru_node_failed(y) ? 0 : y->shape.rank;
    if (rank < 3 || !moru_channels_first(data_format))
        return y;
    for (int i = 1; i < rank; i++)
        order[i] = i == 1 ? rank - 1 : i - 1;
    return moru_transpose(y, order);
}

moru_status moru_spatial_interpolation(const moru_layer *layer, const char *name, moru_interpolation *out)
{
    static const char *const names[] = {"nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"};
    static const moru_interpolation kinds[] = {MORU_NEAREST, MORU_BILINEAR, MORU_BICUBIC, MORU_LANCZOS3, MORU_LANCZOS5};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) {
            *out = kinds[i];
            return MORU_OK;
        }
    return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "interpolation must be \"nearest\", \"bilinear\", "
                            "\"bicubic\", \"lanczos3\" or \"lanczos5\", not \"%.40s\"", name ? name : "");
}

moru_node *moru_axes_merged(moru_node *x, int axis)
{
    int64_t dims[MORU_MAX_RANK];
    if (moru_node_failed(x))
        return x;
    const moru_shape *shape = &x->shape;
    int64_t a = shape->dims[axis], b = shape->dims[axis + 1], both = -1;
    if (a >= 0 && b >= 0 && __builtin_mul_overflow(a, b, &both))
        return moru_graph_fail(x->graph, MORU_ERR_MEMORY, "more elements than can be counted");
    for (int i = 0; i < shape->rank - 1; i++)
        dims[i] = i == axis ? both : shape->dims[i + (i > axis)];
    return moru_reshape(x, dims, shape->rank - 1);
}

moru_node *moru_axes_split(moru_node *y, moru_node *x, int axis)
{
    int64_t dims[MORU_MAX_RANK];
    if (moru_node_failed(x) || moru_node_failed(y))
        return moru_node_failed(x) ? x : y;
    for (int i = 0; i < y->shape.rank + 1; i++)
        dims[i] = i == axis || i == axis + 1 ? x->shape.dims[i] : y->shape.dims[i - (i > axis)];
    return moru_reshape(y, dims, y->shape.rank + 1);
}

moru_node *moru_repeat_elements(moru_node *x, int axis, int64_t times)
{
    if (moru_node_failed(x) || times == 1)
        return x;
    int rank = x->shape.rank;
    int64_t dims[MORU_MAX_RANK];
    moru_node *apart = moru_expand_dims(x, axis + 1);
    if (moru_node_failed(apart))
        return apart;
    for (int i = 0; i <= rank; i++)
        dims[i] = apart->shape.dims[i];
    dims[axis + 1] = times;
    moru_node *wide = moru_broadcast_to(apart, dims, rank + 1);
    for (int i = 0; i < rank; i++)
        dims[i] = x->shape.dims[i];
    if (dims[axis] < 0)
        dims[axis] = -1;
    else if (__builtin_mul_overflow(dims[axis], times, &dims[axis]))
        return moru_graph_fail(x->graph, MORU_ERR_MEMORY, "%lld elements, each %lld times, are more than can be "
                               "counted", (long long)x->shape.dims[axis], (long long)times);
    return moru_reshape(wide, dims, rank);
}
