/* Add, Multiply, Subtract, Average, Maximum, Minimum: inputs of one shape, element by element. Sizes of 1 stretch. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_merge_options defaults = {MORU_LAYER_DEFAULTS};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    moru_shape common = inputs[0];
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    for (int i = 1; i < n; i++) {
        if (dtypes[i] != dtypes[0])
            return moru_layer_error(layer, MORU_ERR_SHAPE, "its inputs are of different types, %s and %s",
                                    moru_dtype_name(dtypes[0]), moru_dtype_name(dtypes[i]));
        if (inputs[i].rank != common.rank || moru_broadcast_shapes(&common, &inputs[i], &common) != MORU_OK)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "inputs of shape %s and %s don't fit together",
                                    moru_shape_print(&inputs[0], a, sizeof a),
                                    moru_shape_print(&inputs[i], b, sizeof b));
    }
    return MORU_OK;
}

static moru_node *fold(const moru_layer_call *c, moru_node *(*op)(moru_node *, moru_node *))
{
    moru_node *y = c->inputs[0];
    for (int i = 1; i < c->n_inputs; i++)
        y = op(y, c->inputs[i]);
    return y;
}

static moru_node *call_add(const moru_layer_call *c)
{
    return fold(c, moru_add);
}

static moru_node *call_multiply(const moru_layer_call *c)
{
    return fold(c, moru_mul);
}

static moru_node *call_subtract(const moru_layer_call *c)
{
    return fold(c, moru_sub);
}

static moru_node *call_average(const moru_layer_call *c)
{
    return moru_mul_scalar(moru_as_real(fold(c, moru_add)), 1.0 / c->n_inputs);
}

static moru_node *call_maximum(const moru_layer_call *c)
{
    return fold(c, moru_maximum);
}

static moru_node *call_minimum(const moru_layer_call *c)
{
    return fold(c, moru_minimum);
}

#define MERGE(id, name, function, most) \
    const moru_layer_class moru_##id##_class = { \
        .class_name = (name), .module = "keras.layers", .size = sizeof(moru_merge_options), .defaults = &defaults, \
        .min_inputs = (most) < 0 ? 1 : (most), .max_inputs = (most), .masks = MORU_MASK_ANY, .build = build, .call = (function)}; \
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
