/* What optimizer steps share. Their inputs are the parameter, its slots, the gradient and scalars; output k is the new
 * value of input k and may lie over it. */
#ifndef MORU_OPS_OPTIMIZER_H
#define MORU_OPS_OPTIMIZER_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

/* Shape rule of a step with `outputs` outputs: so many inputs, and the gradient after them, of one shape; scalars. */
moru_status moru_infer_step(const moru_infer *in, int outputs, moru_shape *shapes, moru_dtype *dtypes);
/* Scalar input k of a run. */
double moru_step_scalar(const moru_run *run, int k);

/* Definition of a step and its shape rule. */
#define MORU_STEP_OP(op, text, inputs, outputs, attributes, function, printer) \
    static moru_status infer_##op(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes) \
    { \
        return moru_infer_step(in, outputs, shapes, dtypes); \
    } \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = inputs, .max_inputs = inputs, .n_outputs = outputs, \
        .flags = MORU_OP_NO_GRADIENT, .attr_size = sizeof(attributes), .in_place_pairs = outputs, .infer = infer_##op, \
        .run = function, .print = printer}

#endif
