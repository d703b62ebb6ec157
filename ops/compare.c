/* Comparisons of two real or two int32 values, and logic on real ones (nonzero is true): 0 or 1, gradient zero. */
#include "ops/broadcast.h"
#include "ops/elementwise.h"

static moru_status infer_compare(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    char ta[MORU_SHAPE_TEXT], tb[MORU_SHAPE_TEXT];
    if (in->dtypes[0] != in->dtypes[1])
        return moru_op_error(MORU_ERR_SHAPE, "%s %s and %s %s: both have to be of one type (moru_cast() converts)",
                             moru_dtype_name(in->dtypes[0]), moru_shape_print(&in->shapes[0], ta, sizeof ta),
                             moru_dtype_name(in->dtypes[1]), moru_shape_print(&in->shapes[1], tb, sizeof tb));
    dtypes[0] = MORU_REAL;
    return moru_broadcast_shapes(&in->shapes[0], &in->shapes[1], &shapes[0]);
}

typedef struct integers {
    moru_real *y;
    const int32_t *a, *b;
    int sa, sb, kernel;
} integers;

static bool compare(int kernel, int32_t a, int32_t b)
{
    switch (kernel) {
    case MORU_BINARY_equal:
        return a == b;
    case MORU_BINARY_not_equal:
        return a != b;
    case MORU_BINARY_less:
        return a < b;
    case MORU_BINARY_less_equal:
        return a <= b;
    case MORU_BINARY_greater:
        return a > b;
    default:
        return a >= b;
    }
}

static void integer_piece(const void *pointer, int64_t out, const int64_t *in, int64_t n)
{
    const integers *c = pointer;
    for (int64_t i = 0; i < n; i++)
        c->y[out + i] = compare(c->kernel, c->a[in[0] + i * c->sa], c->b[in[1] + i * c->sb]);
}

static moru_status run_compare(const moru_run *run, int kernel)
{
    if (run->in[0]->dtype == MORU_REAL)
        return moru_run_binary(run, kernel, MORU_CHEAP);
    moru_broadcast plan;
    moru_broadcast_plan(&plan, &run->out[0]->shape, run->in, 2);
    integers c = {run->out[0]->data, run->in[0]->data, run->in[1]->data, plan.inner_strides[0], plan.inner_strides[1],
                  kernel};
    moru_broadcast_for(&plan, MORU_CHEAP, run->threads, integer_piece, &c);
    return MORU_OK;
}

#define BUILDER(op) \
    moru_node *moru_##op(moru_node *a, moru_node *b) \
    { \
        return moru_call_2(&moru_op_##op, a, b, NULL); \
    }

#define COMPARISON(op, text, more) \
    static moru_status run_##op(const moru_run *run) \
    { \
        return run_compare(run, MORU_BINARY_##op); \
    } \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, \
        .flags = MORU_OP_ELEMENTWISE | (more), .in_place = 3, \
        .binary_kernel = 1 + MORU_BINARY_##op, .infer = infer_compare, .vjp = moru_vjp_none, .run = run_##op}; \
    BUILDER(op)

COMPARISON(equal, "y = a == b", MORU_OP_COMMUTES)
COMPARISON(not_equal, "y = a != b", MORU_OP_COMMUTES)
COMPARISON(less, "y = a < b", 0)
COMPARISON(less_equal, "y = a <= b", 0)
COMPARISON(greater, "y = a > b", 0)
COMPARISON(greater_equal, "y = a >= b", 0)

#define LOGICAL(op, text) \
    MORU_BINARY_OP(op, text, MORU_CHEAP, moru_vjp_none, .infer = moru_infer_binary, \
                   .flags = MORU_OP_ELEMENTWISE | MORU_OP_COMMUTES); \
    BUILDER(op)

LOGICAL(logical_and, "y = a != 0 and b != 0")
LOGICAL(logical_or, "y = a != 0 or b != 0")
LOGICAL(logical_xor, "y = either a != 0 or b != 0")
