/* Matrix product of vectors, matrices and batches of matrices, as numpy.matmul. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/epilogue.h"
#include "ops/matmul.h"
#include "ops/shape_rules.h"

/* An operand as a matrix: a vector is a row. */
typedef struct operand {
    bool transposed;
    int batch_rank;
    const int64_t *batch;    /* sizes */
    int64_t rows, columns;   /* as stored */
} operand;

/* One kernel call for each index of the outer batch axes. */
typedef struct plan {
    moru_gemm gemm;
    int outer;
    int64_t dims[MORU_MAX_RANK], a[MORU_MAX_RANK], b[MORU_MAX_RANK], c[MORU_MAX_RANK]; /* sizes and strides */
} plan;

/* ---- shape ---- */

static moru_shape batch_of(const moru_shape *x)
{
    moru_shape batch = *x;
    batch.rank = x->rank > 2 ? x->rank - 2 : 0;
    return batch;
}

static moru_status infer_matmul(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_matmul_attrs *attrs = in->attrs;
    const moru_shape *a = &in->shapes[0], *b = &in->shapes[1];
    const char *mark_a = attrs->transpose_a ? "^T" : "", *mark_b = attrs->transpose_b ? "^T" : "";
    MORU_TRY(moru_infer_all_real(in));
    if (a->rank == 0 || b->rank == 0 || (a->rank == 1 && attrs->transpose_a) || (b->rank == 1 && attrs->transpose_b))
        return moru_op_error(MORU_ERR_SHAPE, "%s%s x %s%s: %s", MORU_TEXT(a), mark_a, MORU_TEXT(b), mark_b,
                             a->rank && b->rank ? "a vector can't be transposed" : "a scalar is no matrix");
    int64_t m = a->rank == 1 ? 1 : a->dims[a->rank - 2 + (attrs->transpose_a != 0)];
    int64_t n = b->rank == 1 ? 1 : b->dims[b->rank - 1 - (attrs->transpose_b != 0)];
    int64_t inner_a = a->rank == 1 ? a->dims[0] : a->dims[a->rank - 1 - (attrs->transpose_a != 0)];
    int64_t inner_b = b->rank == 1 ? b->dims[0] : b->dims[b->rank - 2 + (attrs->transpose_b != 0)];
    if (!moru_rule_fits(inner_a, inner_b))
        return moru_op_error(MORU_ERR_SHAPE, "%s%s x %s%s: inner sizes %" PRId64 " and %" PRId64 " differ",
                             MORU_TEXT(a),
                             mark_a, MORU_TEXT(b), mark_b, inner_a, inner_b);
    moru_shape batch_a = batch_of(a), batch_b = batch_of(b), *y = &shapes[0];
    if (moru_broadcast_shapes(&batch_a, &batch_b, y) != MORU_OK)
        return moru_op_error(MORU_ERR_SHAPE, "%s%s x %s%s: the batches %s and %s don't broadcast", MORU_TEXT(a), mark_a,
                             MORU_TEXT(b), mark_b, MORU_TEXT(&batch_a), MORU_TEXT(&batch_b));
    if (a->rank > 1)
        y->dims[y->rank++] = m;
    if (b->rank > 1)
        y->dims[y->rank++] = n;
    dtypes[0] = MORU_REAL;
    return moru_epilogue_check(in, &attrs->epilogue, 2, y->rank > 0 ? y->dims[y->rank - 1] : 1);
}

/* ---- gradient ---- */

/* A row [1,k] of a vector on the left, a column [k,1] of one on the right. */
static moru_node *as_matrix(moru_node *x, int axis)
{
    return x->shape.rank == 1 ? moru_expand_dims(x, axis) : x;
}

/* For a matrix b that a whole batch of a was multiplied with: one product instead of a batch of them to be added. */
static moru_node *grad_b_of_batch(moru_node *a, moru_node *dy, bool transpose_b)
{
    int64_t a_dims[] = {-1, a->shape.dims[a->shape.rank - 1]}, dy_dims[] = {-1, dy->shape.dims[dy->shape.rank - 1]};
    moru_node *rows = moru_reshape(a, a_dims, 2), *dy_rows = moru_reshape(dy, dy_dims, 2);
    return transpose_b ? moru_matmul_t(dy_rows, true, rows, false) : moru_matmul_t(rows, true, dy_rows, false);
}

static void vjp_matmul(const moru_vjp *v)
{
    const moru_matmul_attrs *attrs = v->attrs;
    bool ta = attrs->transpose_a, tb = attrs->transpose_b;
    if (attrs->epilogue.has_bias || attrs->epilogue.activation) {
        moru_node *y = moru_matmul_t(v->inputs[0], ta, v->inputs[1], tb);
        y = moru_epilogue_expand(y, attrs->epilogue.has_bias ? v->inputs[2] : NULL, &attrs->epilogue);
        moru_vjp_through(v, &y);
        return;
    }
    bool row = v->inputs[0]->shape.rank == 1, column = v->inputs[1]->shape.rank == 1;
    moru_node *a = as_matrix(v->inputs[0], 0), *b = as_matrix(v->inputs[1], 1), *dy = v->dy[0];
    if (column)
        dy = moru_expand_dims(dy, -1);
    if (row)
        dy = moru_expand_dims(dy, -2);
    if (moru_node_failed(a) || moru_node_failed(b) || moru_node_failed(dy))
        return;
    if (v->wanted[0]) {
        moru_node *da = ta ? moru_matmul_t(b, tb, dy, true) : moru_matmul_t(dy, false, b, !tb);
        v->dx[0] = row ? moru_squeeze(da, -2) : da;
    }
    if (v->wanted[1]) {
        bool batch = a->shape.rank > 2 && b->shape.rank == 2 && !ta && a->shape.dims[a->shape.rank - 1] != 0
                     && dy->shape.dims[dy->shape.rank - 1] != 0;
        moru_node *db = batch ? grad_b_of_batch(a, dy, tb)
                        : tb  ? moru_matmul_t(dy, true, a, ta)
                              : moru_matmul_t(a, !ta, dy, false);
        v->dx[1] = column ? moru_squeeze(db, -1) : db;
    }
}

/* ---- execution ---- */

static operand operand_of(const moru_shape *shape, bool transposed)
{
    int rank = shape->rank;
    return (operand){.transposed = transposed, .batch_rank = rank > 2 ? rank - 2 : 0, .batch = shape->dims,
                     .rows = rank == 1 ? 1 : shape->dims[rank - 2], .columns = shape->dims[rank - 1]};
}

/* Stride of batch axis i, counted from the last; 0 where the operand is repeated. */
static int64_t batch_stride(const operand *x, int i)
{
    int64_t stride = x->rows * x->columns;
    if (i >= x->batch_rank || x->batch[x->batch_rank - 1 - i] == 1)
        return 0;
    for (int k = 0; k < i; k++)
        stride *= x->batch[x->batch_rank - 1 - k];
    return stride;
}

static int64_t batch_size(const operand *x, int i)
{
    return i < x->batch_rank ? x->batch[x->batch_rank - 1 - i] : 1;
}

/* Batch axes, outermost first, joined where the strides of a and b allow; c is dense. */
static void plan_batch(plan *p, const operand *a, const operand *b)
{
    int axes = a->batch_rank > b->batch_rank ? a->batch_rank : b->batch_rank;
    int64_t c_strides[MORU_MAX_RANK], stride = p->gemm.m * p->gemm.n;
    int n = 0;
    for (int i = 0; i < axes; i++) {
        int64_t size_a = batch_size(a, i), size_b = batch_size(b, i);
        c_strides[i] = stride;
        stride *= size_a == 1 ? size_b : size_a;
    }
    for (int i = axes - 1; i >= 0; i--) {
        int64_t size_a = batch_size(a, i), size = size_a == 1 ? batch_size(b, i) : size_a;
        int64_t sa = batch_stride(a, i), sb = batch_stride(b, i), sc = c_strides[i];
        if (size == 1)
            continue;
        if (n > 0 && p->a[n - 1] == size * sa && p->b[n - 1] == size * sb)
            size *= p->dims[--n];
        p->dims[n] = size;
        p->a[n] = sa;
        p->b[n] = sb;
        p->c[n++] = sc;
    }
    p->outer = n > 0 ? n - 1 : 0;
    p->gemm.batch = n > 0 ? p->dims[n - 1] : 1;
    p->gemm.stride_a = n > 0 ? p->a[n - 1] : 0;
    p->gemm.stride_b = n > 0 ? p->b[n - 1] : 0;
    p->gemm.stride_c = n > 0 ? p->c[n - 1] : 0;
}

/* A batch that shares one operand is a single larger product. */
static void fold_batch(plan *p, bool has_bias)
{
    moru_gemm *g = &p->gemm;
    if (g->batch == 1)
        return;
    if (g->stride_b == 0 && !g->trans_a && g->stride_a == g->m * g->k)
        g->m *= g->batch;
    else if (g->stride_a == 0 && g->m == 1 && g->trans_b && g->stride_b == g->n * g->k && !has_bias)
        g->ldc = g->n *= g->batch;
    else
        return;
    g->batch = 1;
}

static plan make_plan(const moru_matmul_attrs *attrs, const moru_shape *a_shape, const moru_shape *b_shape)
{
    plan p = {0};
    operand a = operand_of(a_shape, attrs->transpose_a), b = operand_of(b_shape, attrs->transpose_b);
    if (b_shape->rank == 1) { /* y = a b as y^T = b^T a^T, so that the channels of y lie along a row */
        operand row = b;
        b = a;
        b.transposed = !a.transposed;
        a = row;
    }
    p.gemm = (moru_gemm){
        .m = a.transposed ? a.columns : a.rows, .k = a.transposed ? a.rows : a.columns,
        .n = b.transposed ? b.rows : b.columns, .lda = a.columns, .ldb = b.columns,
        .trans_a = a.transposed, .trans_b = b.transposed, .activation = attrs->epilogue.activation,
        .params = {attrs->epilogue.params[0], attrs->epilogue.params[1], attrs->epilogue.params[2]}};
    p.gemm.ldc = p.gemm.n;
    plan_batch(&p, &a, &b);
    fold_batch(&p, attrs->epilogue.has_bias);
    return p;
}

static size_t workspace_matmul(const moru_infer *in, const moru_shape *out, int threads)
{
    (void)out;
    plan p = make_plan(in->attrs, &in->shapes[0], &in->shapes[1]);
    return moru_kernels_select()->gemm_workspace(&p.gemm, threads);
}

static moru_status run_matmul(const moru_run *run)
{
    const moru_matmul_attrs *attrs = run->attrs;
    if (run->out[0]->size == 0)
        return MORU_OK;
    plan p = make_plan(attrs, &run->in[0]->shape, &run->in[1]->shape);
    int64_t index[MORU_MAX_RANK] = {0}, total = 1;
    bool swapped = run->in[1]->shape.rank == 1;
    const moru_real *a = run->in[swapped]->data, *b = run->in[!swapped]->data;
    moru_real *c = run->out[0]->data;
    p.gemm.bias = attrs->epilogue.has_bias ? run->in[2]->data : NULL;
    for (int i = 0; i < p.outer; i++)
        total *= p.dims[i];
    for (; total > 0; total--) {
        p.gemm.a = a;
        p.gemm.b = b;
        p.gemm.c = c;
        run->kernels->gemm(&p.gemm, run->workspace, run->threads);
        for (int i = p.outer - 1; i >= 0; i--) { /* next matrix */
            a += p.a[i];
            b += p.b[i];
            c += p.c[i];
            if (++index[i] < p.dims[i])
                break;
            a -= index[i] * p.a[i];
            b -= index[i] * p.b[i];
            c -= index[i] * p.c[i];
            index[i] = 0;
        }
    }
    return MORU_OK;
}

static double flops_matmul(const moru_infer *in, const moru_shape *out)
{
    const moru_matmul_attrs *attrs = in->attrs;
    const moru_shape *a = &in->shapes[0];
    double flops = 2.0 * (double)a->dims[a->rank - 1 - (attrs->transpose_a != 0)];
    for (int i = 0; i < out->rank; i++)
        flops *= (double)out->dims[i];
    return flops;
}

static void print_matmul(const void *attrs_, char *text, size_t size)
{
    const moru_matmul_attrs *attrs = attrs_;
    snprintf(text, size, "%s%s%s", attrs->transpose_a ? "transpose_a" : "",
             attrs->transpose_a && attrs->transpose_b ? " " : "", attrs->transpose_b ? "transpose_b" : "");
    moru_epilogue_print(&attrs->epilogue, text, size);
}

const moru_op_def moru_op_matmul = {
    .name = "matmul", .formula = "y[.., i, j] = sum over k of a[.., i, k] b[.., k, j]", .min_inputs = 2,
    .max_inputs = 3,
    .n_outputs = 1, .attr_size = sizeof(moru_matmul_attrs), .epilogue = 1 + offsetof(moru_matmul_attrs, epilogue),
    .infer = infer_matmul, .vjp = vjp_matmul, .workspace = workspace_matmul, .run = run_matmul, .print = print_matmul,
    .flops = flops_matmul,
};

moru_node *moru_matmul_t(moru_node *a, bool transpose_a, moru_node *b, bool transpose_b)
{
    moru_matmul_attrs attrs = {.transpose_a = transpose_a, .transpose_b = transpose_b};
    return moru_call_2(&moru_op_matmul, a, b, &attrs);
}

moru_node *moru_matmul(moru_node *a, moru_node *b)
{
    return moru_matmul_t(a, false, b, false);
}
