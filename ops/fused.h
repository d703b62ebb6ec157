/* A chain of elementwise calls that runs as one. */
#ifndef MORU_OPS_FUSED_H
#define MORU_OPS_FUSED_H

#include <moru/op.h>

enum { MORU_FUSED_STEPS = 16, MORU_FUSED_INPUTS = 8 };

/* Operand numbers: below the number of inputs an input, else input count + the step that made it. */
typedef struct moru_fused_step {
    int16_t unary, binary;     /* 1 + kernel index; exactly one is nonzero */
    int16_t a, b;              /* operands */
    double params[3];
} moru_fused_step;

typedef struct moru_fused_attrs {
    int32_t n_steps;           /* the last step makes the output */
    int32_t reserved;          /* so that equal chains have equal bytes */
    moru_fused_step steps[MORU_FUSED_STEPS];
} moru_fused_attrs;

extern const moru_op_def moru_op_fused;

#endif
