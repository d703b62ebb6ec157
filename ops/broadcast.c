#include <inttypes.h>
#include <string.h>
#include "kernels/kernels.h"
#include "ops/broadcast.h"

/* Elements a piece has at most, unless it is one row: small enough for the first-level cache with three operands. */
enum { PIECE = 2048 };

/* The size from the back of a shape; 1 where it has no such dimension. */
static int64_t size_from_back(const moru_shape *shape, int k)
{
    return k < shape->rank ? shape->dims[shape->rank - 1 - k] : 1;
}

/* An open size meets another one in trust: the concrete sizes are checked again when the program is compiled. */
moru_status moru_broadcast_shapes(const moru_shape *a, const moru_shape *b, moru_shape *out)
{
    char ta[MORU_SHAPE_TEXT], tb[MORU_SHAPE_TEXT];
    moru_shape shape = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int k = 0; k < shape.rank; k++) {
        int64_t da = size_from_back(a, k), db = size_from_back(b, k);
        if (da >= 0 && db >= 0 && da != db && da != 1 && db != 1)
            return moru_op_error(MORU_ERR_SHAPE, "%s and %s: sizes %" PRId64 " and %" PRId64 " don't broadcast",
                                 moru_shape_print(a, ta, sizeof ta), moru_shape_print(b, tb, sizeof tb), da, db);
        shape.dims[shape.rank - 1 - k] = da == 1 || (da < 0 && db > 1) ? db : da;
    }
    *out = shape;
    return MORU_OK;
}

/* Whether every input walks dimension k, of the given size, as the continuation of the row gathered so far. */
static bool continues(const moru_broadcast *plan, const int64_t *row_strides, const int64_t *strides)
{
    for (int i = 0; i < plan->n_inputs; i++)
        if (strides[i] != row_strides[i] * plan->inner)
            return false;
    return true;
}

void moru_broadcast_plan(moru_broadcast *plan, const moru_shape *out, const moru_view *const *in, int n_inputs)
{
    int64_t reach[MORU_BROADCAST_INPUTS], strides[MORU_BROADCAST_INPUTS];
    int64_t group[MORU_MAX_RANK][MORU_BROADCAST_INPUTS]; /* strides of the dimensions kept, innermost first */
    int64_t sizes[MORU_MAX_RANK];
    int kept = 0;
    for (int i = 0; i < n_inputs; i++)
        reach[i] = 1;
    *plan = (moru_broadcast){.n_inputs = n_inputs, .rows = 1, .inner = 1};
    for (int k = 0; k < out->rank; k++) {
        int64_t size = size_from_back(out, k);
        for (int i = 0; i < n_inputs; i++) {
            int64_t own = size_from_back(&in[i]->shape, k);
            strides[i] = own == size ? reach[i] : 0;
            reach[i] *= own;
        }
        if (size == 1)
            continue;
        if (kept > 0) {
            plan->inner = sizes[kept - 1];
            if (continues(plan, group[kept - 1], strides)) {
                sizes[kept - 1] *= size;
                continue;
            }
        }
        sizes[kept] = size;
        memcpy(group[kept++], strides, sizeof strides);
    }
    plan->inner = kept > 0 ? sizes[0] : 1;
    plan->rank = kept > 0 ? kept - 1 : 0;
    for (int i = 0; i < n_inputs; i++)
        plan->inner_strides[i] = kept > 0 ? (int)group[0][i] : 1;
    for (int k = 0; k < plan->rank; k++) {
        plan->dims[k] = sizes[kept - 1 - k];
        plan->rows *= plan->dims[k];
        for (int i = 0; i < n_inputs; i++)
            plan->strides[i][k] = group[kept - 1 - k][i];
    }
}

/* Where row number `row` starts. */
static void seek(const moru_broadcast *plan, int64_t row, int64_t *index, int64_t *in)
{
    memset(in, 0, (size_t)plan->n_inputs * sizeof *in);
    for (int k = plan->rank - 1; k >= 0; k--) {
        index[k] = row % plan->dims[k];
        row /= plan->dims[k];
        for (int i = 0; i < plan->n_inputs; i++)
            in[i] += index[k] * plan->strides[i][k];
    }
}

/* On to the next row. */
static void advance(const moru_broadcast *plan, int64_t *index, int64_t *in)
{
    for (int k = plan->rank - 1; k >= 0; k--) {
        for (int i = 0; i < plan->n_inputs; i++)
            in[i] += plan->strides[i][k];
        if (++index[k] < plan->dims[k])
            return;
        for (int i = 0; i < plan->n_inputs; i++)
            in[i] -= plan->dims[k] * plan->strides[i][k];
        index[k] = 0;
    }
}

static void long_row_piece(const moru_broadcast *plan, int64_t piece, int64_t pieces, moru_broadcast_fn *fn,
                           const void *context)
{
    int64_t index[MORU_MAX_RANK], in[MORU_BROADCAST_INPUTS];
    int64_t row = piece / pieces, start = piece % pieces * PIECE;
    int64_t n = plan->inner - start < PIECE ? plan->inner - start : PIECE;
    seek(plan, row, index, in);
    for (int i = 0; i < plan->n_inputs; i++)
        in[i] += start * plan->inner_strides[i];
    fn(context, row * plan->inner + start, in, n);
}

static void short_rows_piece(const moru_broadcast *plan, int64_t piece, int64_t rows, moru_broadcast_fn *fn,
                             const void *context)
{
    int64_t index[MORU_MAX_RANK], in[MORU_BROADCAST_INPUTS];
    int64_t row = piece * rows, end = row + rows < plan->rows ? row + rows : plan->rows;
    for (seek(plan, row, index, in); row < end; row++, advance(plan, index, in))
        fn(context, row * plan->inner, in, plan->inner);
}

void moru_broadcast_for(const moru_broadcast *plan, int cost, int threads, moru_broadcast_fn *fn, const void *context)
{
    if (plan->rows <= 0 || plan->inner <= 0)
        return;
    bool long_rows = plan->inner >= PIECE;
    int64_t per = long_rows ? (plan->inner + PIECE - 1) / PIECE : PIECE / plan->inner;
    int64_t pieces = long_rows ? plan->rows * per : (plan->rows + per - 1) / per;
    if (threads > 1 && pieces > 1 && plan->rows * plan->inner >= MORU_PARALLEL_MIN / cost) {
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static)
#endif
        for (int64_t piece = 0; piece < pieces; piece++)
            (long_rows ? long_row_piece : short_rows_piece)(plan, piece, per, fn, context);
        return;
    }
    for (int64_t piece = 0; piece < pieces; piece++)
        (long_rows ? long_row_piece : short_rows_piece)(plan, piece, per, fn, context);
}
