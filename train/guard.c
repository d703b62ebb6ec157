/* require_finite: what keeps parameters from a NaN. The learning rate goes through it, so that every optimizer step
 * comes after the check of the loss. */
#include <math.h>
#include <string.h>

#include "train/step.h"

static moru_status infer(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    if (in->shapes[1].rank != 0)
        return moru_op_error(MORU_ERR_SHAPE, "the second operand must be a scalar");
    shapes[0] = in->shapes[0];
    dtypes[0] = in->dtypes[0];
    return MORU_OK;
}

static moru_status run(const moru_run *run)
{
    const moru_view *x = run->in[0], *y = run->out[0];
    if (!isfinite(*(const moru_real *)run->in[1]->data))
        return moru_op_error(MORU_ERR_NUMERIC, "the loss is %g", (double)*(const moru_real *)run->in[1]->data);
    if (x->size > 0 && x->data != y->data)
        memcpy(y->data, x->data, (size_t)x->size * moru_dtype_size(x->dtype));
    return MORU_OK;
}

/* Not in place: y's storage may be a variable's, which must not change before the check. */
static const moru_op_def require_finite = {
    .name = "require_finite", .formula = "y = x; an error unless s is finite", .min_inputs = 2, .max_inputs = 2,
    .n_outputs = 1, .flags = MORU_OP_NO_GRADIENT, .infer = infer, .run = run,
};

moru_node *moru_require_finite(moru_node *x, moru_node *scalar)
{
    return moru_apply_op(x->graph, &require_finite, (moru_node *[]){x, scalar}, 2, NULL);
}
