/* What elementwise ops share: shape rule, running a kernel, and definitions as short as their formulas. */
#ifndef MORU_OPS_ELEMENTWISE_H
#define MORU_OPS_ELEMENTWISE_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

/* Attributes of every elementwise op that has numbers: those of its kernel, where fusion can read them. */
typedef struct moru_elementwise_attrs { double p[3]; } moru_elementwise_attrs;

enum { MORU_CHEAP = 1, MORU_COSTLY = 8 }; /* elementary operations an element, for the decision to use threads */

moru_status moru_infer_unary(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes);
moru_status moru_infer_binary(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes);
/* As moru_infer_binary(), without broadcasting: for gradients, dy and x. */
moru_status moru_infer_same(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes);
moru_status moru_run_unary(const moru_run *run, int kernel, int cost);
moru_status moru_run_binary(const moru_run *run, int kernel, int cost);
/* A gradient of zero. */
void moru_vjp_none(const moru_vjp *v);

/* Short names for vjp functions: first input, second input, output, gradient of the output. */
#define VJP_A (v->inputs[0])
#define VJP_B (v->inputs[1])
#define VJP_Y (v->outputs[0])
#define VJP_DY (v->dy[0])

/* Static function and definition of an op that is one unary kernel. More fields may follow the vjp. */
#define MORU_UNARY_OP(op, text, weight, gradient, ...) \
    static moru_status run_##op(const moru_run *run) \
    { \
        return moru_run_unary(run, MORU_UNARY_##op, weight); \
    } \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .flags = MORU_OP_ELEMENTWISE, \
        .in_place = 1, .unary_kernel = 1 + MORU_UNARY_##op, .infer = moru_infer_unary, .vjp = gradient, \
        .run = run_##op, ##__VA_ARGS__}

/* The same for a binary kernel. Fields after the vjp must hold .infer. */
#define MORU_BINARY_OP(op, text, weight, gradient, ...) \
    static moru_status run_##op(const moru_run *run) \
    { \
        return moru_run_binary(run, MORU_BINARY_##op, weight); \
    } \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, .in_place = 3, \
        .binary_kernel = 1 + MORU_BINARY_##op, .vjp = gradient, .run = run_##op, __VA_ARGS__}

#endif
