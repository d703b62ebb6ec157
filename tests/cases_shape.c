/* Gradient check of ops that move elements. What n holds stands at each builder. */
#include "tests/gradcheck.h"

#define BUILD(op) static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)

/* n[0]: how many sizes follow */
BUILD(reshape)
{
    (void)graph;
    return moru_reshape(x[0], &c->n[1], (int)c->n[0]);
}

BUILD(broadcast_to)
{
    (void)graph;
    return moru_broadcast_to(x[0], &c->n[1], (int)c->n[0]);
}

BUILD(reshape_like)
{
    (void)graph, (void)c;
    return moru_reshape_like(x[0], x[1]);
}

BUILD(broadcast_like)
{
    (void)graph, (void)c;
    return moru_broadcast_like(x[0], x[1]);
}

/* n[0]: axis */
BUILD(flatten_from)
{
    (void)graph;
    return moru_flatten_from(x[0], (int)c->n[0]);
}

BUILD(expand_dims)
{
    (void)graph;
    return moru_expand_dims(x[0], (int)c->n[0]);
}

BUILD(squeeze)
{
    (void)graph;
    return moru_squeeze(x[0], (int)c->n[0]);
}

/* n: order; n[0] = n[1] = 0: none given */
BUILD(transpose)
{
    (void)graph;
    int order[8];
    for (int i = 0; i < 8; i++)
        order[i] = (int)c->n[i];
    return moru_transpose(x[0], order[0] == 0 && order[1] == 0 ? NULL : order);
}

/* n: axis, start, stop, step */
BUILD(slice)
{
    (void)graph;
    return moru_slice(x[0], (int)c->n[0], c->n[1], c->n[2], c->n[3]);
}

/* n: four before, four after; p[0]: value */
BUILD(pad)
{
    (void)graph;
    return moru_pad(x[0], &c->n[0], &c->n[4], c->p[0]);
}

/* n: axis, how many */
BUILD(concat)
{
    (void)graph;
    return moru_concat(x, (int)c->n[1], (int)c->n[0]);
}

BUILD(stack)
{
    (void)graph;
    return moru_stack(x, (int)c->n[1], (int)c->n[0]);
}

/* n: axis */
BUILD(gather)
{
    (void)graph;
    return moru_gather(x[0], x[1], (int)c->n[0]);
}

/* n: depth; the product with x makes something to differentiate */
BUILD(one_hot)
{
    (void)graph;
    return moru_mul(x[0], moru_one_hot(x[1], c->n[0]));
}

static moru_node *cast_real(moru_node *x)
{
    return moru_cast(x, MORU_REAL);
}

/* Through integers no gradient flows: only the other factor's is left. */
static moru_node *through_integers(moru_node *x)
{
    return moru_mul(x, moru_cast(moru_cast(moru_mul_scalar(x, 10), MORU_INT32), MORU_REAL));
}

BUILD(from_integers)
{
    (void)graph, (void)c;
    return moru_mul(x[0], moru_cast(x[1], MORU_REAL));
}

static moru_node *like_ones(moru_node *x)
{
    return moru_mul(x, moru_add(moru_ones_like(x), moru_zeros_like(x)));
}

/* The gradient is that of the constant factor alone, so x may stand in it only once. */
BUILD(stop_gradient)
{
    (void)graph, (void)c;
    return moru_mul(x[0], moru_stop_gradient(x[1]));
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define X1(op, name_, x, ...) {.name = name_, .build = build_##op, .n = {__VA_ARGS__}, .in = {x}}
#define X2(op, name_, a, b, ...) {.name = name_, .build = build_##op, .n = {__VA_ARGS__}, .in = {a, b}}
#define X3(op, name_, a, b, c, ...) {.name = name_, .build = build_##op, .n = {__VA_ARGS__}, .in = {a, b, c}}
#define END MORU_SLICE_END

const gradcheck_case gradcheck_cases_shape[] = {
    X1(reshape, "reshape", R(3, 4), 3, 2, 1, 6),
    X1(reshape, "reshape/worked out", R(2, 3, 4), 2, -1, 6),
    X1(reshape, "reshape/to a scalar", R(1, 1), 0),
    X1(reshape, "reshape/eight axes", R(6), 7, 1, 1, 3, 1, 2, 1, -1),
    X1(reshape, "reshape/empty", R(0, 3), 2, 5, 0),
    X2(reshape_like, "reshape_like", R(3, 4), GC_FIXED(-1, 1, 2, 6), 0),
    X1(flatten_from, "flatten_from", R(2, 3, 2), 1),
    X1(flatten_from, "flatten_from/all", R(2, 3), 0),
    X1(flatten_from, "flatten_from/one past the last", R(3), 1),
    X1(expand_dims, "expand_dims/first", R(3), 0),
    X1(expand_dims, "expand_dims/last", R(3, 2), -1),
    X1(squeeze, "squeeze", R(3, 1, 2), 1),
    X1(squeeze, "squeeze/last", R(3, 2, 1), -1),

    X1(transpose, "transpose", R(3, 5), 0),
    X1(transpose, "transpose/three axes", R(2, 3, 4), 1, 2, 0),
    X1(transpose, "transpose/from the end", R(2, 3, 4), -1, 0, 1),
    X1(transpose, "transpose/last stays", R(2, 3, 4), 1, 0, 2),
    X1(transpose, "transpose/eight axes", R(1, 2, 1, 2, 1, 3, 1, 2), 7, 5, 3, 1, 0, 2, 4, 6),
    X1(transpose, "transpose/empty", R(2, 0, 3), 2, 1, 0),

    X1(broadcast_to, "broadcast_to/new axes", R(3), 3, 2, 2, 3),
    X1(broadcast_to, "broadcast_to/axes of 1", R(3, 1, 2), 3, 3, 4, 2),
    X1(broadcast_to, "broadcast_to/both", R(1, 3, 1), 4, 2, 2, 3, 2),
    X1(broadcast_to, "broadcast_to/same", R(2, 3), 2, 2, 3),
    X1(broadcast_to, "broadcast_to/empty", R(1, 3), 2, 0, 3),
    {.name = "broadcast_to/scalar", .build = build_broadcast_to, .n = {2, 2, 3}, .in = {GC_SCALAR(-1, 1)}},
    X2(broadcast_like, "broadcast_like", R(3, 1), GC_FIXED(-1, 1, 2, 3, 4), 0),

    X1(slice, "slice", R(5, 3), 0, 1, 4, 1),
    X1(slice, "slice/step", R(2, 7), 1, 1, END, 3),
    X1(slice, "slice/downwards", R(2, 5, 2), 1, END, END, -1),
    X1(slice, "slice/downwards by two", R(6, 2), 0, -2, 0, -2),
    X1(slice, "slice/from the end", R(3, 5), -1, -2, END, 1),
    X1(slice, "slice/beyond the ends", R(4), 0, -9, 9, 1),
    X1(slice, "slice/nothing", R(4, 2), 0, 3, 2, 1),
    X1(slice, "slice/step beyond the size", R(3, 4), 1, 2, END, INT64_MAX),
    X1(slice, "slice/downwards, step beyond", R(3, 4), 1, 2, END, INT64_MIN),

    {.name = "pad", .build = build_pad, .p = {1.5}, .n = {1, 0, 0, 0, 0, 2}, .in = {R(2, 3)}},
    {.name = "pad/three axes", .build = build_pad, .n = {1, 2, 0, 0, 1, 0, 3}, .in = {R(2, 2, 3)}},
    {.name = "pad/one axis", .build = build_pad, .p = {-2}, .n = {2, 0, 0, 0, 1}, .in = {R(4)}},
    {.name = "pad/nothing", .build = build_pad, .in = {R(2, 3)}},
    {.name = "pad/empty", .build = build_pad, .p = {3}, .n = {1, 1, 0, 0, 1}, .in = {R(0, 2)}},
    {.name = "pad/scalar", .build = build_pad, .in = {GC_SCALAR(-1, 1)}},

    X3(concat, "concat/first axis", R(2, 3), R(1, 3), R(3, 3), 0, 3),
    X3(concat, "concat/last axis", R(2, 3), R(2, 1), R(2, 2), -1, 3),
    X3(concat, "concat/middle axis", R(2, 1, 3), R(2, 0, 3), R(2, 2, 3), 1, 3),
    X1(concat, "concat/one", R(2, 3), 0, 1),
    X3(stack, "stack/first axis", R(2, 3), R(2, 3), R(2, 3), 0, 3),
    X2(stack, "stack/last axis", R(2, 3), R(2, 3), -1, 2),

    X2(gather, "gather/rows", R(4, 3), GC_INT(0, 4, 5), 0),
    X2(gather, "gather/columns", R(3, 4), GC_INT(0, 4, 2, 3), 1),
    X2(gather, "gather/middle", R(2, 4, 3), GC_INT(0, 4, 3), -2),
    X2(gather, "gather/none", R(4, 3), GC_INT(0, 4, 0), 0),
    {.name = "gather/one", .build = build_gather, .in = {R(4, 3), {.dtype = MORU_INT32, .low = 0, .high = 4}}},
    {.name = "embedding", .binary = moru_embedding_op, .in = {R(5, 3), GC_INT(0, 5, 2, 4)}},
    X2(one_hot, "one_hot", R(2, 3, 4), GC_INT(0, 4, 2, 3), 4),

    {.name = "cast/to its own type", .unary = cast_real, .in = {R(3, 2)}},
    {.name = "cast/from integers", .build = build_from_integers, .in = {R(3, 2), GC_INT(-5, 5, 3, 2)}},
    {.name = "cast/through integers", .unary = through_integers, .in = {GC_REAL(0.31, 0.39, 3, 2)}},
    {.name = "ones_like, zeros_like", .unary = like_ones, .in = {R(3, 2)}},
    {.name = "identity", .unary = moru_identity, .in = {R(3, 2)}},
    {.name = "stop_gradient", .build = build_stop_gradient, .in = {R(3, 2), GC_FIXED(-1, 1, 3, 2)}},
    {.name = NULL},
};
