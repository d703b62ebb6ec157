/* The leaves of a graph, and a copy. */
#ifndef MORU_CORE_LEAF_H
#define MORU_CORE_LEAF_H

#include <moru/op.h>

extern const moru_op_def moru_op_placeholder, moru_op_constant, moru_op_variable, moru_op_copy;

static inline bool moru_op_is_leaf(const moru_op_def *op)
{
    return op == &moru_op_placeholder || op == &moru_op_constant || op == &moru_op_variable;
}

#endif
