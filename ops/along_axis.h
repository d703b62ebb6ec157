/* Ops that give values along an axis and where they were: sort, cummax. Their attributes begin with the axis. */
#ifndef MORU_OPS_ALONG_AXIS_H
#define MORU_OPS_ALONG_AXIS_H

#include "ops/op_table.h"

typedef struct moru_along_attrs {
    int64_t axis;
} moru_along_attrs;

/* Outputs: real values and int32 places, of x's shape. */
moru_status moru_infer_values_and_places(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes);
/* What was chosen goes back to where it came from. */
void moru_vjp_to_places(const moru_vjp *v);

#endif
