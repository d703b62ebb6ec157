/* Indices as rows of zeros with a single one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/shape_rules.h"

typedef struct one_hot_attrs {
    int64_t depth;
} one_hot_attrs;

static moru_status infer_one_hot(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const one_hot_attrs *attrs = in->attrs;
    const moru_shape *x = &in->shapes[0];
    MORU_TRY(moru_rule_dtype(in, 0, MORU_INT32));
    if (attrs->depth < 0)
        return moru_op_error(MORU_ERR_ARGUMENT, "a depth of %" PRId64 " for %s", attrs->depth, MORU_TEXT(x));
    if (x->rank == MORU_MAX_RANK)
        return moru_op_error(MORU_ERR_SHAPE, "%s has %d axes, the most there can be", MORU_TEXT(x), MORU_MAX_RANK);
    shapes[0] = *x;
    shapes[0].dims[shapes[0].rank++] = attrs->depth;
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

/* Integers carry no gradient. */
static void vjp_one_hot(const moru_vjp *v)
{
    (void)v;
}

static moru_status run_one_hot(const moru_run *run)
{
    const one_hot_attrs *attrs = run->attrs;
    const moru_view *indices = run->in[0], *y = run->out[0];
    const int32_t *index = indices->data;
    moru_real *rows = y->data;
    MORU_TRY(moru_run_check_indices(indices, attrs->depth));
    if (y->size > 0)
        memset(rows, 0, (size_t)y->size * sizeof *rows);
    for (int64_t i = 0; i < indices->size; i++)
        rows[i * attrs->depth + index[i]] = 1;
    return MORU_OK;
}

static void print_one_hot(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "depth=%" PRId64, ((const one_hot_attrs *)attrs)->depth);
}

const moru_op_def moru_op_one_hot = {
    .name = "one_hot", .formula = "y[.., k] = 1 if k = index[..], else 0", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .attr_size = sizeof(one_hot_attrs), .infer = infer_one_hot, .vjp = vjp_one_hot,
    .run = run_one_hot, .print = print_one_hot,
};

moru_node *moru_one_hot(moru_node *indices, int64_t depth)
{
    return moru_call_1(&moru_op_one_hot, indices, &(one_hot_attrs){depth});
}
