/* Attributes of matmul. */
#ifndef MORU_OPS_MATMUL_H
#define MORU_OPS_MATMUL_H

#include <moru/op.h>

typedef struct moru_matmul_attrs {
    int32_t transpose_a, transpose_b; /* the last two axes are exchanged first */
    moru_epilogue epilogue;
} moru_matmul_attrs;

#endif
