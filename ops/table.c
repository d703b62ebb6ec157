#include <string.h>
#include "ops/op_table.h"

static const moru_op_def *const table[] = {
#define MORU_OP(name) &moru_op_##name,
#include "ops/ops.def"
};

const moru_op_def *moru_op_at(int k)
{
    return k >= 0 && (size_t)k < sizeof table / sizeof *table ? table[k] : NULL;
}

const moru_op_def *moru_op_find(const char *name)
{
    for (size_t k = 0; name && k < sizeof table / sizeof *table; k++)
        if (strcmp(table[k]->name, name) == 0)
            return table[k];
    return NULL;
}

moru_node *moru_call_1(const moru_op_def *op, moru_node *x, const void *attrs)
{
    return moru_apply_op(moru_graph_of(&x, 1), op, &x, 1, attrs);
}

moru_node *moru_call_2(const moru_op_def *op, moru_node *a, moru_node *b, const void *attrs)
{
    moru_node *inputs[] = {a, b};
    return moru_apply_op(moru_graph_of(inputs, 2), op, inputs, 2, attrs);
}

moru_node *moru_call_3(const moru_op_def *op, moru_node *a, moru_node *b, moru_node *c, const void *attrs)
{
    moru_node *inputs[] = {a, b, c};
    return moru_apply_op(moru_graph_of(inputs, 3), op, inputs, 3, attrs);
}

moru_status moru_infer_all_real(const moru_infer *in)
{
    char text[MORU_SHAPE_TEXT];
    for (int i = 0; i < in->n_inputs; i++)
        if (in->dtypes[i] != MORU_REAL)
            return moru_op_error(MORU_ERR_SHAPE,
                                 "input %d, %s, is %s where a real value belongs (moru_cast() makes one)",
                                 i, moru_shape_print(&in->shapes[i], text, sizeof text),
                                 moru_dtype_name(in->dtypes[i]));
    return MORU_OK;
}

moru_status moru_infer_axis(const moru_infer *in, int64_t axis, int *normal)
{
    char text[MORU_SHAPE_TEXT];
    int rank = in->shapes[0].rank;
    if (axis < -rank || axis >= rank)
        return moru_op_error(MORU_ERR_SHAPE, "axis %lld is outside the %d axes of %s", (long long)axis, rank,
                             moru_shape_print(&in->shapes[0], text, sizeof text));
    *normal = moru_axis_of(axis, rank);
    return MORU_OK;
}

moru_around moru_around_axis(const moru_shape *shape, int axis)
{
    moru_around a = {1, shape->dims[axis], 1};
    for (int k = 0; k < axis; k++)
        a.outer *= shape->dims[k];
    for (int k = axis + 1; k < shape->rank; k++)
        a.inner *= shape->dims[k];
    return a;
}
