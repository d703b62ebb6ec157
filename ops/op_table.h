/* The built-in ops, from the one list in ops.def, and what builders share. */
#ifndef MORU_OPS_OP_TABLE_H
#define MORU_OPS_OP_TABLE_H

#include <moru/op.h>
#include <moru/ops.h>
#include "core/graph.h"

#define MORU_OP(name) extern const moru_op_def moru_op_##name;
#include "ops/ops.def"

/* The built-in op of that name; NULL if there is none. */
const moru_op_def *moru_op_find(const char *name);

/* Whether a transposition undoes the one before it; of the attributes of both. */
bool moru_transposes_back(const void *attrs, const void *before);

/* Calls of ops with one, two and three operands, in the graph of the first that has one. */
moru_node *moru_call_1(const moru_op_def *op, moru_node *x, const void *attrs);
moru_node *moru_call_2(const moru_op_def *op, moru_node *a, moru_node *b, const void *attrs);
moru_node *moru_call_3(const moru_op_def *op, moru_node *a, moru_node *b, moru_node *c, const void *attrs);

/* For infer(): fails with a sentence unless every input is real. */
moru_status moru_infer_all_real(const moru_infer *in);
/* For infer(): axis counted from the front, after checking it against the rank of input 0. */
moru_status moru_infer_axis(const moru_infer *in, int64_t axis, int *normal);
/* axis counted from the front; of run() and vjp(), where infer() has checked it. */
static inline int moru_axis_of(int64_t axis, int rank) { return (int)(axis < 0 ? axis + rank : axis); }
/* Splits a concrete shape around an axis into [outer, size, inner]. */
typedef struct moru_around { int64_t outer, size, inner; } moru_around;
moru_around moru_around_axis(const moru_shape *shape, int axis);

#endif
