/* Matrices with one number above the diagonal: what a query must not see of the keys after its own place. */
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/shape_rules.h"

typedef struct causal_mask_attrs {
    double fill;
} causal_mask_attrs;

static moru_status infer_causal_mask(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(moru_infer_all_real(in));
    if (in->shapes[0].rank < 2)
        return moru_op_error(MORU_ERR_SHAPE, "%s holds no matrices", MORU_TEXT(&in->shapes[0]));
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_causal_mask(const moru_vjp *v)
{
    v->dx[0] = moru_causal_mask(v->dy[0], 0);
}

static moru_status run_causal_mask(const moru_run *run)
{
    const moru_view *x = run->in[0], *y = run->out[0];
    int64_t rows = x->shape.dims[x->shape.rank - 2], width = x->shape.dims[x->shape.rank - 1];
    moru_real fill = (moru_real)((const causal_mask_attrs *)run->attrs)->fill;
    for (int64_t r = 0; x->size > 0 && r < x->size / width; r++) {
        const moru_real *from = (const moru_real *)x->data + r * width;
        moru_real *to = (moru_real *)y->data + r * width;
        int64_t seen = r % rows + 1 < width ? r % rows + 1 : width;
        memmove(to, from, (size_t)seen * sizeof *to);
        for (int64_t i = seen; i < width; i++)
            to[i] = fill;
    }
    return MORU_OK;
}

static void print_causal_mask(const void *attrs, char *text, size_t size)
{
    snprintf(text, size, "fill=%g", ((const causal_mask_attrs *)attrs)->fill);
}

const moru_op_def moru_op_causal_mask = {
    .name = "causal_mask", .formula = "y[.., i, j] = x[.., i, j] if j <= i, else fill", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 1, .attr_size = sizeof(causal_mask_attrs), .in_place = 1,
    .infer = infer_causal_mask, .vjp = vjp_causal_mask, .run = run_causal_mask, .print = print_causal_mask,
};

moru_node *moru_causal_mask(moru_node *x, double fill)
{
    return moru_call_1(&moru_op_causal_mask, x, &(causal_mask_attrs){fill});
}
