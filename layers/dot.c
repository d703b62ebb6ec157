/* Dot: the sum of products of two inputs over an axis of each, sample by sample. */
#include "core/status.h"
#include "layers/axes.h"

static const moru_dot_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD_ARRAY(moru_dot_options, axes, 2),
    MORU_FIELD(moru_dot_options, normalize, MORU_FIELD_BOOL),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_dot_options *o = layer->options;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    int axes[2];
    (void)dtypes;
    for (int i = 0; i < n; i++) {
        MORU_TRY(moru_layer_axis(layer, o->axes[i], inputs[i].rank, &axes[i]));
        if (axes[i] == 0)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "it can't sum over axis 0, the batch");
    }
    if (inputs[0].rank + inputs[1].rank - 3 > MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its inputs have too many dimensions");
    if (inputs[0].dims[axes[0]] != inputs[1].dims[axes[1]] && inputs[0].dims[axes[0]] >= 0 &&
        inputs[1].dims[axes[1]] >= 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "axis %d of %s and axis %d of %s differ in size", axes[0],
                                moru_shape_print(&inputs[0], a, sizeof a), axes[1],
                                moru_shape_print(&inputs[1], b, sizeof b));
    return MORU_OK;
}

/* x as [n, the other axes as one, axis]; their sizes are appended to sizes. */
static moru_node *as_matrices(moru_node *x, int axis, int64_t *sizes, int *n)
{
    const moru_shape *shape = moru_node_shape(x);
    int order[MORU_MAX_RANK], k = 0;
    for (int i = 0; i < shape->rank; i++)
        if (i != axis) {
            order[k++] = i;
            if (i > 0)
                sizes[(*n)++] = shape->dims[i];
        }
    order[k] = axis;
    x = moru_transpose(x, order);
    if (shape->rank == 3)
        return x;
    const int64_t matrices[] = {shape->dims[0], shape->rank == 2 ? 1 : -1, shape->dims[axis]};
    return moru_reshape(x, matrices, 3);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_dot_options *o = c->layer->options;
    moru_node *xs[2];
    int64_t sizes[2 * MORU_MAX_RANK];
    int n = 1;
    for (int i = 0; i < 2; i++) {
        moru_node *x = moru_as_real(c->inputs[i]);
        if (moru_node_failed(x))
            return x;
        int rank = moru_node_shape(x)->rank, axis = (int)(o->axes[i] < 0 ? o->axes[i] + rank : o->axes[i]);
        if (o->normalize)
            x = moru_divide_by_length(x, &axis, 1, 1e-7);
        sizes[0] = moru_node_shape(x)->dims[0];
        xs[i] = as_matrices(x, axis, sizes, &n);
    }
    if (n == 1)
        sizes[n++] = 1;
    return moru_reshape(moru_matmul_t(xs[0], false, xs[1], true), sizes, n);
}

const moru_layer_class moru_dot_class = {
    .class_name = "Dot", .module = "keras.layers", .size = sizeof(moru_dot_options), .defaults = &defaults,
    .fields = fields, .n_fields = 2, .min_inputs = 2, .max_inputs = 2, .build = build, .call = call,
};

moru_layer *moru_dot_new(const moru_dot_options *options)
{
    return moru_layer_new(&moru_dot_class, options);
}
