/* Derivatives of a product over axes that are right with any number of zeros among the factors: products of all but one
 * factor and all but two, by running products from both ends. */
#include "core/status.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

/* The elements one product runs over: element j is at base + offset(j). */
typedef struct walk {
    int n_kept, n_reduced;
    int64_t kept[MORU_MAX_RANK], kept_strides[MORU_MAX_RANK], reduced[MORU_MAX_RANK], reduced_strides[MORU_MAX_RANK];
    int64_t products, factors;
} walk;

static walk walk_over(const moru_shape *shape, uint32_t mask)
{
    walk w = {.products = 1, .factors = 1};
    int64_t stride = 1;
    for (int k = shape->rank - 1; k >= 0; k--) { /* innermost first */
        if (mask >> k & 1) {
            w.reduced[w.n_reduced] = shape->dims[k];
            w.reduced_strides[w.n_reduced++] = stride;
            w.factors *= shape->dims[k];
        } else {
            w.kept[w.n_kept] = shape->dims[k];
            w.kept_strides[w.n_kept++] = stride;
            w.products *= shape->dims[k];
        }
        stride *= shape->dims[k];
    }
    return w;
}

static int64_t offset(int n, const int64_t *sizes, const int64_t *strides, int64_t index)
{
    int64_t at = 0;
    for (int k = 0; k < n; k++) {
        at += index % sizes[k] * strides[k];
        index /= sizes[k];
    }
    return at;
}

static int64_t factor_at(const walk *w, int64_t product, int64_t j)
{
    return offset(w->n_kept, w->kept, w->kept_strides, product)
           + offset(w->n_reduced, w->reduced, w->reduced_strides, j);
}

static moru_status run_exclusive_prod(const moru_run *run)
{
    const moru_shape *shape = &run->in[0]->shape;
    walk w = walk_over(shape, moru_reduced_axes(run->attrs, shape->rank));
    const moru_real *x = run->in[0]->data;
    moru_real *y = run->out[0]->data;
    for (int64_t p = 0; p < w.products; p++) {
        moru_real before = 1, after = 1;
        for (int64_t j = 0; j < w.factors; j++) {
            int64_t at = factor_at(&w, p, j);
            y[at] = before;
            before *= x[at];
        }
        for (int64_t j = w.factors - 1; j >= 0; j--) {
            int64_t at = factor_at(&w, p, j);
            y[at] *= after;
            after *= x[at];
        }
    }
    return MORU_OK;
}

static moru_status infer_same_as_first(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    uint32_t mask;
    MORU_TRY(moru_infer_all_real(in));
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return moru_infer_axes(in, &mask);
}

/* The matrix of second derivatives is symmetric, so the gradient is that matrix times dy. */
static void vjp_exclusive_prod(const moru_vjp *v)
{
    v->dx[0] = moru_call_2(&moru_op_prod_hessian, VJP_DY, VJP_A, v->attrs);
}

const moru_op_def moru_op_exclusive_prod = {
    .name = "exclusive_prod", .formula = "y_i = product of x_j over axes, j != i", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .attr_size = sizeof(moru_reduce_attrs), .infer = infer_same_as_first, .vjp = vjp_exclusive_prod,
    .run = run_exclusive_prod, .print = moru_print_axes,
};

/* The derivative of the above at x in direction a: running products carry their derivative with them. */
static moru_status run_prod_hessian(const moru_run *run)
{
    const moru_shape *shape = &run->in[1]->shape;
    walk w = walk_over(shape, moru_reduced_axes(run->attrs, shape->rank));
    const moru_real *a = run->in[0]->data, *x = run->in[1]->data;
    moru_real *y = run->out[0]->data, *befores = run->workspace;
    for (int64_t p = 0; p < w.products; p++) {
        moru_real before = 1, dbefore = 0, after = 1, dafter = 0;
        for (int64_t j = 0; j < w.factors; j++) {
            int64_t at = factor_at(&w, p, j);
            befores[at] = before;
            y[at] = dbefore;
            dbefore = dbefore * x[at] + before * a[at];
            before *= x[at];
        }
        for (int64_t j = w.factors - 1; j >= 0; j--) {
            int64_t at = factor_at(&w, p, j);
            y[at] = y[at] * after + befores[at] * dafter;
            dafter = dafter * x[at] + after * a[at];
            after *= x[at];
        }
    }
    return MORU_OK;
}

static moru_status infer_prod_hessian(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    uint32_t mask;
    MORU_TRY(moru_infer_same(in, shapes, dtypes));
    return moru_infer_axes(in, &mask);
}

static size_t workspace_prod_hessian(const moru_infer *in, const moru_shape *out, int threads)
{
    (void)in;
    (void)threads;
    size_t n = 1;
    for (int k = 0; k < out->rank; k++)
        n *= (size_t)out->dims[k];
    return n * sizeof(moru_real);
}

/* Third derivatives, of y_i = P/x_i (sum_j a_j/x_j - a_i/x_i) with P the whole product: for factors other than 0. */
static void vjp_prod_hessian(const moru_vjp *v)
{
    moru_reduce_attrs kept = *(const moru_reduce_attrs *)v->attrs;
    kept.keepdims = true;
    moru_node *a = v->inputs[0], *x = v->inputs[1];
    if (!v->wanted[1]) {
        v->dx[0] = moru_call_2(&moru_op_prod_hessian, VJP_DY, x, v->attrs);
        return;
    }
    moru_node *ratio = moru_div(a, x);
    moru_node *others = moru_sub(moru_call_1(&moru_op_sum, ratio, &kept), ratio);
    moru_node *y = moru_mul(moru_div(moru_call_1(&moru_op_prod, x, &kept), x), others);
    moru_vjp_through(v, &y);
}

const moru_op_def moru_op_prod_hessian = {
    .name = "prod_hessian", .formula = "y_i = sum over j != i of a_j (product of x_k over axes, k != i, k != j)",
    .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, .attr_size = sizeof(moru_reduce_attrs),
    .infer = infer_prod_hessian, .vjp = vjp_prod_hessian, .workspace = workspace_prod_hessian, .run = run_prod_hessian,
    .print = moru_print_axes,
};
