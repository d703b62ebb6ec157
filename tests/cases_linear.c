/* Gradient check of matrix products. n[0], n[1]: transpose a, b; n[2]: activation fused. */
#include "kernels/kernels.h"
#include "ops/matmul.h"
#include "ops/op_table.h"
#include "tests/gradcheck.h"

static moru_node *build_matmul(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    return moru_matmul_t(x[0], c->n[0], x[1], c->n[1]);
}

/* What the fusing pass makes one call of. */
static moru_node *build_dense(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_node *y = moru_add(build_matmul(graph, x, c), x[2]);
    return c->n[2] ? moru_tanh(y) : moru_leaky_relu(y, 0.3);
}

/* A call that has a bias and an activation from the start. */
static moru_node *build_fused(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_matmul_attrs attrs = {.transpose_a = (int32_t)c->n[0], .transpose_b = (int32_t)c->n[1]};
    int n = c->in[2].high > c->in[2].low ? 3 : 2;
    attrs.epilogue.has_bias = n == 3;
    attrs.epilogue.activation = c->n[2] ? 1 + MORU_UNARY_elu : 0;
    attrs.epilogue.params[0] = 1.3;
    return moru_apply_op(graph, &moru_op_matmul, x, n, &attrs);
}

#define MATMUL(name_, ...) {.name = name_, .binary = moru_matmul, .in = {__VA_ARGS__}}
#define MATMUL_T(name_, ta, tb, ...) {.name = name_, .build = build_matmul, .n = {ta, tb}, .in = {__VA_ARGS__}}
#define TAIL(name_, build_, ta, tb, activation, ...) \
    {.name = name_, .build = build_, .n = {ta, tb, activation}, .in = {__VA_ARGS__}}
#define R(...) GC_REAL(-1, 1, __VA_ARGS__)

const gradcheck_case gradcheck_cases_linear[] = {
    MATMUL("matmul/matrices", R(3, 5), R(5, 7)),
    MATMUL("matmul/one element", R(1, 1), R(1, 1)),
    MATMUL("matmul/one row", R(1, 9), R(9, 2)),
    MATMUL("matmul/inner size 1", R(4, 1), R(1, 3)),
    MATMUL("matmul/inner size 0", R(2, 0), R(0, 3)),
    MATMUL("matmul/no rows", R(0, 3), R(3, 2)),
    MATMUL("matmul/no columns", R(2, 3), R(3, 0)),
    MATMUL_T("matmul/at", 1, 0, R(5, 3), R(5, 7)),
    MATMUL_T("matmul/bt", 0, 1, R(3, 5), R(7, 5)),
    MATMUL_T("matmul/at bt", 1, 1, R(5, 3), R(7, 5)),
    MATMUL("matmul/vector matrix", R(5), R(5, 3)),
    MATMUL("matmul/matrix vector", R(3, 5), R(5)),
    MATMUL("matmul/vectors", R(5), R(5)),
    MATMUL_T("matmul/vector, bt", 0, 1, R(5), R(3, 5)),
    MATMUL_T("matmul/at, vector", 1, 0, R(5, 3), R(5)),
    MATMUL("matmul/vector, batch", R(4), R(3, 4, 2)),
    MATMUL("matmul/batch, vector", R(3, 2, 4), R(4)),
    MATMUL_T("matmul/batch at, vector", 1, 0, R(3, 4, 2), R(4)),
    MATMUL_T("matmul/vector, batch bt", 0, 1, R(4), R(3, 2, 4)),
    MATMUL("matmul/batches", R(2, 3, 4), R(2, 4, 3)),
    MATMUL_T("matmul/batches, at bt", 1, 1, R(2, 4, 3), R(2, 3, 4)),
    MATMUL("matmul/batch, matrix", R(2, 3, 4), R(4, 3)),
    MATMUL_T("matmul/batch, matrix bt", 0, 1, R(2, 3, 4), R(3, 4)),
    MATMUL_T("matmul/batch at, matrix", 1, 0, R(2, 4, 3), R(4, 2)),
    MATMUL("matmul/batch, matrix, inner size 0", R(2, 3, 0), R(0, 2)),
    MATMUL("matmul/matrix, batch", R(3, 4), R(2, 4, 3)),
    MATMUL_T("matmul/row, batch bt", 0, 1, R(1, 4), R(3, 2, 4)),
    MATMUL("matmul/batch axes repeated on both sides", R(2, 1, 2, 3), R(1, 3, 3, 2)),
    MATMUL("matmul/batch axes repeated in between", R(2, 3, 2, 2, 1), R(2, 1, 2, 1, 2)),
    MATMUL("matmul/batch of more axes", R(3, 2, 2), R(2, 1, 2, 2)),
    MATMUL("matmul/empty batch", R(0, 2, 3), R(3, 2)),
    MATMUL("matmul/eight axes", R(1, 2, 1, 1, 2, 1, 2, 2), R(2, 1, 1, 2, 1, 1, 2, 1)),
    TAIL("dense/leaky_relu", build_dense, 0, 0, 0, R(3, 4), R(4, 5), R(5)),
    TAIL("dense/tanh", build_dense, 0, 1, 1, R(2, 3, 4), R(5, 4), R(5)),
    TAIL("dense/vector on the right", build_dense, 0, 0, 1, R(3, 4), R(4), R(3)),
    TAIL("dense/vector on the left", build_dense, 0, 0, 1, R(4), R(4, 3), R(3)),
    TAIL("dense/batch, vector on the right", build_dense, 0, 0, 1, R(2, 3, 4), R(4), R(3)),
    TAIL("dense/batch at, vector on the right", build_dense, 1, 0, 1, R(2, 4, 3), R(4), R(3)),
    TAIL("dense/inner size 0", build_dense, 0, 0, 1, R(3, 0), R(0, 2), R(2)),
    TAIL("matmul/bias and activation", build_fused, 0, 1, 1, R(3, 4), R(5, 4), R(5)),
    TAIL("matmul/bias", build_fused, 1, 0, 0, R(4, 3), R(4, 5), R(5)),
    TAIL("matmul/activation", build_fused, 0, 0, 1, R(3, 4), R(4, 5)),
    {.name = NULL},
};
