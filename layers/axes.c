/* Axes among a layer's options. */
#include "layers/axes.h"

#include "core/status.h"

static void sort(int64_t *values, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && values[k - 1] > values[k]; k--) {
            int64_t value = values[k];
            values[k] = values[k - 1];
            values[k - 1] = value;
        }
}

moru_status moru_layer_axes(const moru_layer *layer, const moru_shape *axis, const moru_shape *x, bool known,
                            moru_axes *out)
{
    char text[MORU_SHAPE_TEXT];
    int64_t given[MORU_MAX_RANK] = {0}, sorted[MORU_MAX_RANK] = {0};
    *out = (moru_axes){.n = axis->rank, .last = true};
    if (axis->rank < 1 || axis->rank > MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "axis names no axis");
    for (int i = 0; i < axis->rank; i++)
        given[i] = axis->dims[i];
    sort(given, axis->rank);
    for (int i = 0; i < axis->rank; i++) {
        MORU_TRY(moru_layer_axis(layer, given[i], x->rank, &out->as_given[i]));
        sorted[i] = out->as_given[i];
    }
    sort(sorted, axis->rank);
    for (int i = 0; i < axis->rank; i++) {
        int a = out->sorted[i] = (int)sorted[i];
        out->last = out->last && a == x->rank - axis->rank + i;
        if (i > 0 && a == out->sorted[i - 1])
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "axis names axis %d of its input twice", a);
        if (known && (a == 0 || x->dims[a] < 0))
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the size of axis %d of its input %s must be known", a,
                                    moru_shape_print(x, text, sizeof text));
    }
    return MORU_OK;
}

moru_shape moru_axes_sizes(const moru_axes *axes, const moru_shape *x)
{
    moru_shape shape = {.rank = axes->n};
    for (int i = 0; i < axes->n; i++)
        shape.dims[i] = x->dims[axes->as_given[i]];
    return shape;
}

moru_node *moru_axes_spread(const moru_axes *axes, moru_node *weight, moru_node *x)
{
    const moru_shape *shape = moru_node_shape(x);
    int64_t dims[MORU_MAX_RANK];
    for (int i = 0; i < shape->rank; i++)
        dims[i] = 1;
    for (int i = 0; i < axes->n; i++)
        dims[axes->sorted[i]] = shape->dims[axes->sorted[i]];
    return moru_reshape(weight, dims, shape->rank);
}

void moru_axes_to_end(const moru_axes *axes, int rank, int *order, int *back)
{
    int n = 0;
    for (int i = 0, k = 0; i < rank; i++) {
        if (k < axes->n && axes->sorted[k] == i)
            k++;
        else
            order[n++] = i;
    }
    for (int k = 0; k < axes->n; k++)
        order[n++] = axes->sorted[k];
    for (int i = 0; i < rank; i++)
        back[order[i]] = i;
}
