/* From real to int32 and back. */
#include <math.h>
#include <stdio.h>

#include "core/status.h"
#include "ops/shape_rules.h"

typedef struct cast_attrs {
    int64_t dtype;
} cast_attrs;

static moru_status infer_cast(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const cast_attrs *attrs = in->attrs;
    if (attrs->dtype != MORU_REAL && attrs->dtype != MORU_INT32)
        return moru_op_error(MORU_ERR_ARGUMENT, "there is no data type %d", (int)attrs->dtype);
    shapes[0] = in->shapes[0];
    dtypes[0] = (moru_dtype)attrs->dtype;
    return MORU_OK;
}

/* The driver asks only for real to real, which is a copy: integers carry no gradient. */
static void vjp_cast(const moru_vjp *v)
{
    v->dx[0] = v->dy[0];
}

/* C leaves what doesn't fit undefined: NaN becomes 0, the rest the nearest integer there is. */
static int32_t truncated(double x)
{
    if (isnan(x))
        return 0;
    return x <= INT32_MIN ? INT32_MIN : x >= INT32_MAX ? INT32_MAX : (int32_t)x;
}

static moru_status run_cast(const moru_run *run)
{
    const moru_view *x = run->in[0], *y = run->out[0];
    if (x->dtype == y->dtype)
        return moru_run_alias(run);
    for (int64_t i = 0; i < y->size; i++) {
        if (y->dtype == MORU_INT32)
            ((int32_t *)y->data)[i] = truncated(((const moru_real *)x->data)[i]);
        else
            ((moru_real *)y->data)[i] = (moru_real)((const int32_t *)x->data)[i];
    }
    return MORU_OK;
}

static void print_cast(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "to=%s", moru_dtype_name((moru_dtype)((const cast_attrs *)attrs)->dtype));
}

const moru_op_def moru_op_cast = {
    .name = "cast", .formula = "y = x, to int32 truncated toward zero", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1,
    .attr_size = sizeof(cast_attrs), .infer = infer_cast, .vjp = vjp_cast, .run = run_cast, .print = print_cast,
};

moru_node *moru_cast(moru_node *x, moru_dtype dtype)
{
    return moru_call_1(&moru_op_cast, x, &(cast_attrs){dtype});
}
