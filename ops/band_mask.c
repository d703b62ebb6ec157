/* Matrices with one number outside a band: keys far from a query's own place, or after it, which it must not see. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/shape_rules.h"

typedef struct band_mask_attrs {
    double fill;
    int64_t below, above;    /* negative: no bound */
} band_mask_attrs;

static moru_status infer_band_mask(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(moru_infer_all_real(in));
    if (in->shapes[0].rank < 2)
        return moru_op_error(MORU_ERR_SHAPE, "%s holds no matrices", MORU_TEXT(&in->shapes[0]));
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_band_mask(const moru_vjp *v)
{
    const band_mask_attrs *attrs = v->attrs;
    v->dx[0] = moru_band_mask(v->dy[0], attrs->below, attrs->above, 0);
}

static int64_t at_most(int64_t x, int64_t bound)
{
    return x < bound ? x : bound;
}

static moru_status run_band_mask(const moru_run *run)
{
    const moru_view *x = run->in[0], *y = run->out[0];
    const band_mask_attrs *attrs = run->attrs;
    int64_t rows = x->shape.dims[x->shape.rank - 2], width = x->shape.dims[x->shape.rank - 1];
    moru_real fill = (moru_real)attrs->fill;
    for (int64_t r = 0; x->size > 0 && r < x->size / width; r++) {
        const moru_real *from = (const moru_real *)x->data + r * width;
        moru_real *to = (moru_real *)y->data + r * width;
        int64_t i = r % rows, begin = attrs->below < 0 || i <= attrs->below ? 0 : at_most(i - attrs->below, width);
        int64_t end = attrs->above < 0 || attrs->above >= width ? width : at_most(i + attrs->above + 1, width);
        for (int64_t j = 0; j < begin; j++)
            to[j] = fill;
        memmove(to + begin, from + begin, (size_t)(end - begin) * sizeof *to);
        for (int64_t j = end; j < width; j++)
            to[j] = fill;
    }
    return MORU_OK;
}

static void print_band_mask(const void *attrs_, char *text, size_t size)
{
    const band_mask_attrs *attrs = attrs_;
    snprintf(text, size, "below=%" PRId64 " above=%" PRId64 " fill=%g", attrs->below, attrs->above, attrs->fill);
}

const moru_op_def moru_op_band_mask = {
    .name = "band_mask", .formula = "y[.., i, j] = x[.., i, j] if i - below <= j <= i + above, else fill",
    .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .attr_size = sizeof(band_mask_attrs), .in_place = 1,
    .infer = infer_band_mask, .vjp = vjp_band_mask, .run = run_band_mask, .print = print_band_mask,
};

moru_node *moru_band_mask(moru_node *x, int64_t below, int64_t above, double fill)
{
    return moru_call_1(&moru_op_band_mask, x, &(band_mask_attrs){fill, below, above});
}

moru_node *moru_causal_mask(moru_node *x, double fill)
{
    return moru_band_mask(x, -1, 0, fill);
}
