/* Matrices, the last two axes: bands about the diagonal with one number outside, as attention's masks are, and the
 * diagonal itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

#define FAR (INT64_C(1) << 50) /* no bound: farther than any size */

typedef struct band_attrs {
    double fill;
    int64_t lowest, highest; /* of column - row that stay */
} band_attrs;

static moru_status infer_band(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(moru_infer_all_real(in));
    if (in->shapes[0].rank < 2)
        return moru_op_error(MORU_ERR_SHAPE, "%s holds no matrices", MORU_TEXT(&in->shapes[0]));
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_band(const moru_vjp *v)
{
    band_attrs attrs = *(const band_attrs *)v->attrs;
    attrs.fill = 0;
    v->dx[0] = moru_call_1(&moru_op_band_mask, v->dy[0], &attrs);
}

static int64_t within(int64_t x, int64_t most)
{
    return x < 0 ? 0 : x > most ? most : x;
}

static moru_status run_band(const moru_run *run)
{
    const band_attrs *a = run->attrs;
    const moru_view *x = run->in[0];
    int64_t columns = x->shape.dims[x->shape.rank - 1], rows = x->shape.dims[x->shape.rank - 2];
    int64_t all = columns ? x->size / columns : 0;
    moru_real fill = (moru_real)a->fill;
    int threads = x->size >= MORU_PARALLEL_MIN ? run->threads : 1;
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int64_t r = 0; r < all; r++) {
        const moru_real *from = (const moru_real *)x->data + r * columns;
        moru_real *to = (moru_real *)run->out[0]->data + r * columns;
        int64_t begin = within(r % rows + a->lowest, columns), end = within(r % rows + a->highest + 1, columns);
        end = end < begin ? begin : end;
        for (int64_t j = 0; j < begin; j++)
            to[j] = fill;
        memmove(to + begin, from + begin, (size_t)(end - begin) * sizeof *to);
        for (int64_t j = end; j < columns; j++)
            to[j] = fill;
    }
    return MORU_OK;
}

static void print_band(const void *attrs, char *text, size_t size)
{
    const band_attrs *a = attrs;
    char lowest[32] = "", highest[32] = "";
    if (a->lowest > -FAR)
        snprintf(lowest, sizeof lowest, "%" PRId64, a->lowest);
    if (a->highest < FAR)
        snprintf(highest, sizeof highest, "%" PRId64, a->highest);
    snprintf(text, size, "%s..%s fill=%g", lowest, highest, a->fill);
}

const moru_op_def moru_op_band_mask = {
    .name = "band_mask", .formula = "y[.., i, j] = x[.., i, j] where lowest <= j - i <= highest, else fill",
    .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, .attr_size = sizeof(band_attrs), .infer = infer_band,
    .vjp = vjp_band, .run = run_band, .print = print_band, .in_place = 1,
};

static moru_node *band(moru_node *x, int64_t lowest, int64_t highest, double fill)
{
    return moru_call_1(&moru_op_band_mask, x, &(band_attrs){fill, lowest < -FAR ? -FAR : lowest,
                                                            highest > FAR ? FAR : highest});
}

moru_node *moru_band_mask(moru_node *x, int64_t below, int64_t above, double fill)
{
    return band(x, below < 0 ? -FAR : -below, above < 0 ? FAR : above, fill);
}

moru_node *moru_causal_mask(moru_node *x, double fill)
{
    return band(x, -FAR, 0, fill);
}

moru_node *moru_tril(moru_node *x, int64_t k)
{
    return band(x, -FAR, k < -FAR ? -FAR : k, 0);
}

moru_node *moru_triu(moru_node *x, int64_t k)
{
    return band(x, k > FAR ? FAR : k, FAR, 0);
}

/* Each element lies a row and a column, size + 1, after the one before in the matrix as one line. */
moru_node *moru_diagonal(moru_node *x, int64_t k)
{
    if (moru_node_failed(x))
        return x;
    int rank = x->shape.rank;
    int64_t rows = rank >= 2 ? x->shape.dims[rank - 2] : -1, columns = rank >= 2 ? x->shape.dims[rank - 1] : -1;
    if (rows < 0 || columns < 0)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "diagonal: %s holds no matrices of known size",
                               MORU_TEXT(&x->shape));
    int64_t down = k < 0 ? -k : 0, right = k > 0 ? k : 0;
    int64_t n = rows - down < columns - right ? rows - down : columns - right, first = down * columns + right;
    int64_t last = n > 0 ? first + (n - 1) * (columns + 1) + 1 : first;
    return moru_slice(moru_flatten_from(x, rank - 2), -1, n > 0 ? first : 0, n > 0 ? last : 0, columns + 1);
}

moru_node *moru_diag(moru_node *x)
{
    if (moru_node_failed(x))
        return x;
    if (x->shape.rank < 1 || x->shape.rank >= MORU_MAX_RANK)
        return moru_graph_fail(x->graph, MORU_ERR_SHAPE, "diag: %s can't be a diagonal", MORU_TEXT(&x->shape));
    moru_shape wide = x->shape;
    wide.dims[wide.rank++] = x->shape.dims[x->shape.rank - 1];
    return band(moru_broadcast_to(moru_expand_dims(x, -1), wide.dims, wide.rank), 0, 0, 0);
}
