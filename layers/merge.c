/* Add, Multiply, Subtract, Average, Maximum, Minimum: element by element. Sizes of 1 stretch, and inputs of fewer
 * dimensions get sizes of 1 after the batch. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_merge_options defaults = {MORU_LAYER_DEFAULTS};

/* The shape with sizes of 1 after the batch, up to rank. */
static moru_shape spread(const moru_shape *shape, int rank)
{
    moru_shape out = {.rank = rank};
    for (int i = 0; i < rank; i++)
        out.dims[i] = 1;
    if (shape->rank > 0)
        out.dims[0] = shape->dims[0];
    for (int i = 1; i < shape->rank; i++)
        out.dims[rank - shape->rank + i] = shape->dims[i];
    return out;
}

static int highest_rank(const moru_shape *inputs, int n)
{
    int rank = 0;
    for (int i = 0; i < n; i++)
        rank = inputs[i].rank > rank ? inputs[i].rank : rank;
    return rank;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    int rank = highest_rank(inputs, n);
    moru_shape common = spread(&inputs[0], rank);
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    (void)dtypes;
    for (int i = 1; i < n; i++) {
        moru_shape own = spread(&inputs[i], rank);
        if (moru_broadcast_shapes(&common, &own, &common) != MORU_OK)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "inputs of shape %s and %s don't fit together",
                                    moru_shape_print(&inputs[0], a, sizeof a),
                                    moru_shape_print(&inputs[i], b, sizeof b));
    }
    return MORU_OK;
}

/* Input i as it takes part: real, of the common rank. */
static moru_node *operand(const moru_layer_call *c, int i)
{
    int rank = 0;
    for (int k = 0; k < c->n_inputs; k++) {
        if (moru_node_failed(c->inputs[k]))
            return c->inputs[k];
        const moru_shape *shape = moru_node_shape(c->inputs[k]);
        rank = shape->rank > rank ? shape->rank : rank;
    }
    moru_node *x = moru_as_real(c->inputs[i]);
    if (moru_node_shape(x)->rank == rank)
        return x;
    moru_shape shape = spread(moru_node_shape(x), rank);
    return moru_reshape(x, shape.dims, rank);
}

/* A mask, [n, t], beside its operand [n, t, ..]. */
static moru_node *mask_of(const moru_layer_call *c, int i)
{
    moru_node *mask = c->inputs[i]->mask;
    return mask ? moru_expand_dims(moru_as_real(mask), -1) : NULL;
}

static moru_node *fold(const moru_layer_call *c, moru_node *(*op)(moru_node *, moru_node *))
{
    moru_node *y = operand(c, 0);
    for (int i = 1; i < c->n_inputs; i++)
        y = op(y, operand(c, i));
    return y;
}

/* Where only one of two counts it is the result: the other is put in its place before. */
static moru_node *fold_masked(const moru_layer_call *c, moru_node *(*op)(moru_node *, moru_node *))
{
    moru_node *y = operand(c, 0), *kept = moru_node_failed(y) ? NULL : mask_of(c, 0);
    for (int i = 1; i < c->n_inputs && !moru_node_failed(y); i++) {
        moru_node *x = operand(c, i), *mask = mask_of(c, i);
        if (mask)
            x = moru_where(mask, x, y);
        if (kept)
            y = moru_where(kept, y, x);
        kept = mask && kept ? moru_logical_or(kept, mask) : NULL;
        y = op(y, x);
    }
    return y;
}

static moru_node *call_add(const moru_layer_call *c)
{
    return fold(c, moru_add);
}

/* What doesn't count is 1; the product is 0 where nothing counts. */
static moru_node *call_multiply(const moru_layer_call *c)
{
    moru_node *y = NULL, *any = NULL;
    bool all = true;
    for (int i = 0; i < c->n_inputs; i++) {
        moru_node *x = operand(c, i), *mask = moru_node_failed(x) ? NULL : mask_of(c, i);
        if (mask) {
            x = moru_where(mask, x, moru_ones_like(x));
            any = any ? moru_logical_or(any, mask) : mask;
        }
        all = all && mask;
        y = y ? moru_mul(y, x) : x;
    }
    return all ? moru_where(any, y, moru_zeros_like(y)) : y;
}

static moru_node *call_subtract(const moru_layer_call *c)
{
    return fold(c, moru_sub);
}

static moru_node *call_average(const moru_layer_call *c)
{
    return moru_mul_scalar(fold(c, moru_add), 1.0 / c->n_inputs);
}

static moru_node *call_maximum(const moru_layer_call *c)
{
    return fold_masked(c, moru_maximum);
}

static moru_node *call_minimum(const moru_layer_call *c)
{
    return fold_masked(c, moru_minimum);
}

#define MERGE(id, name, function, most) \
    const moru_layer_class moru_##id##_class = { \
        .class_name = (name), .module = "keras.layers", .size = sizeof(moru_merge_options), .defaults = &defaults, \
        .min_inputs = (most) < 0 ? 1 : (most), .max_inputs = (most), .masks = MORU_MASK_ANY, .build = build, \
        .call = (function)}; \
    moru_layer *moru_##id##_new(const moru_merge_options *options) \
    { \
        return moru_layer_new(&moru_##id##_class, options); \
    }

MERGE(add, "Add", call_add, -1)
MERGE(multiply, "Multiply", call_multiply, -1)
MERGE(subtract, "Subtract", call_subtract, 2)
MERGE(average, "Average", call_average, -1)
MERGE(maximum, "Maximum", call_maximum, -1)
MERGE(minimum, "Minimum", call_minimum, -1)
