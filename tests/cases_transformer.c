/* Gradient check of layer normalization and attention. */
#include "tests/gradcheck.h"

#define BUILD(op) static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)

/* n: axes, gamma, beta, which outputs count (bits: y, mean, rstd); p[0]: epsilon */
BUILD(layer_norm)
{
    (void)graph;
    moru_node *gamma = c->n[1] ? x[1] : NULL, *beta = c->n[2] ? x[1 + c->n[1]] : NULL, *total = NULL;
    moru_node *y = moru_layer_norm(x[0], gamma, beta, (int)c->n[0], c->p[0]);
    if (c->n[3] == 1)
        return y;
    if (c->n[3] & 1)
        total = moru_sum_all(moru_mul(y, moru_square(y)));
    if (c->n[3] & 2)
        total = total ? moru_mul(total, moru_sum_all(moru_node_output(y, 1))) : moru_node_output(y, 1);
    if (c->n[3] & 4)
        total = total ? moru_add(total, moru_sum_all(moru_node_output(y, 2))) : moru_node_output(y, 2);
    return total;
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define NORM(name_, axes, gamma, beta, outputs, ...) \
    {.name = name_, .build = build_layer_norm, .n = {axes, gamma, beta, outputs}, .p = {1e-2}, .in = {__VA_ARGS__}}

const gradcheck_case gradcheck_cases_transformer[] = {
    NORM("layer_norm", 1, 1, 1, 1, R(4, 5), R(5), R(5)),
    NORM("layer_norm/sequence", 1, 1, 1, 1, R(2, 3, 7), R(7), R(7)),
    NORM("layer_norm/two axes", 2, 1, 1, 1, R(3, 2, 3), R(2, 3), R(2, 3)),
    NORM("layer_norm/all axes", 2, 1, 1, 1, R(3, 4), R(3, 4), R(3, 4)),
    NORM("layer_norm/plain", 1, 0, 0, 1, R(4, 5)),
    NORM("layer_norm/gamma", 1, 1, 0, 1, R(4, 5), R(5)),
    NORM("layer_norm/beta", 1, 0, 1, 1, R(4, 5), R(5)),
    NORM("layer_norm/mean", 1, 1, 1, 2, R(4, 3), R(3), R(3)),
    NORM("layer_norm/rstd", 2, 1, 1, 4, R(3, 2, 3), R(2, 3), R(2, 3)),
    NORM("layer_norm/all outputs", 1, 1, 1, 7, R(3, 5), R(5), R(5)),
    NORM("layer_norm/one number", 1, 1, 1, 1, R(4, 1), R(1), R(1)),
    NORM("layer_norm/many rows", 1, 1, 1, 1, R(40, 3), R(3), R(3)),
    NORM("layer_norm/no rows", 1, 1, 1, 1, R(0, 3), R(3), R(3)),
    NORM("layer_norm/no width", 1, 1, 1, 1, R(3, 0), R(0), R(0)),
    {.name = NULL},
};
