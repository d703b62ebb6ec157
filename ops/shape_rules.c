/* What the shape rules of several ops share. */
#include <inttypes.h>
#include <string.h>

#include "core/status.h"
#include "ops/shape_rules.h"

moru_status moru_rule_dtype(const moru_infer *in, int k, moru_dtype dtype)
{
    if (in->dtypes[k] != dtype)
        return moru_op_error(MORU_ERR_SHAPE, "input %d, %s, is %s where %s is wanted", k, MORU_TEXT(&in->shapes[k]),
                             moru_dtype_name(in->dtypes[k]), moru_dtype_name(dtype));
    return MORU_OK;
}

moru_status moru_rule_rank(const moru_infer *in, int k, int rank, const char *layout)
{
    if (in->shapes[k].rank != rank)
        return moru_op_error(MORU_ERR_SHAPE, "input %d is %s where %s is wanted", k, MORU_TEXT(&in->shapes[k]),
                             layout);
    return MORU_OK;
}

bool moru_rule_fits(int64_t a, int64_t b)
{
    return a == b || a < 0 || b < 0;
}

int64_t moru_rule_merge(int64_t a, int64_t b)
{
    return a < 0 && b >= 0 ? b : a;
}

bool moru_rule_same(const moru_shape *a, const moru_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (!moru_rule_fits(a->dims[i], b->dims[i]))
            return false;
    return true;
}

bool moru_shape_known(const moru_shape *shape)
{
    for (int i = 0; i < shape->rank; i++)
        if (shape->dims[i] < 0)
            return false;
    return true;
}

moru_status moru_rule_product(const moru_shape *shape, int first, int last, int64_t *product)
{
    bool fits = true, empty = false;
    *product = 1;
    for (int i = first; i < last; i++) {
        if (shape->dims[i] == 0)
            empty = true;
        else
            fits = fits && moru_mul_ok(*product, shape->dims[i], product);
    }
    if (empty)
        *product = 0;
    else if (!fits)
        return moru_op_error(MORU_ERR_MEMORY, "%s has more elements than can be counted", MORU_TEXT(shape));
    return MORU_OK;
}

void moru_run_strides(const moru_shape *shape, int64_t *strides)
{
    int64_t stride = 1;
    for (int i = shape->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= shape->dims[i];
    }
}

moru_status moru_run_alias(const moru_run *run)
{
    const moru_view *x = run->in[0], *y = run->out[0];
    if (y->data != x->data && y->size > 0)
        memcpy(y->data, x->data, (size_t)y->size * moru_dtype_size(y->dtype));
    return MORU_OK;
}

moru_status moru_run_check_indices(const moru_view *indices, int64_t size)
{
    const int32_t *index = indices->data;
    for (int64_t i = 0; i < indices->size; i++) {
        if (index[i] >= 0 && index[i] < size)
            continue;
        if (size == 0)
            return moru_op_error(MORU_ERR_RANGE,
                                 "index %" PRId32 " at position %" PRId64 ": there is nothing to choose from",
                                 index[i], i);
        return moru_op_error(MORU_ERR_RANGE, "index %" PRId32 " at position %" PRId64 " is outside 0..%" PRId64,
                             index[i], i, size - 1);
    }
    return MORU_OK;
}
