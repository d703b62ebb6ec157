/* Sums and products of all elements up to each along an axis. */
#include <inttypes.h>
#include <stdio.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

typedef struct cumulative_attrs {
    int64_t axis, reverse;
} cumulative_attrs;

static moru_status infer_cumulative(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    int axis;
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_infer_axis(in, ((const cumulative_attrs *)in->attrs)->axis, &axis));
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_cumsum(const moru_vjp *v)
{
    cumulative_attrs attrs = *(const cumulative_attrs *)v->attrs;
    attrs.reverse = !attrs.reverse;
    v->dx[0] = moru_call_1(&moru_op_cumsum, v->dy[0], &attrs);
}

/* Row r of inner elements after row r - step; lines lie beside each other, so that they are summed side by side. */
static void walk(const moru_real *x, moru_real *y, const moru_around *a, int64_t reverse, bool product)
{
    int64_t step = reverse ? -a->inner : a->inner, row = reverse ? (a->size - 1) * a->inner : 0;
    for (int64_t k = 0; k < a->size; k++, row += step)
        for (int64_t i = 0; i < a->inner; i++) {
            moru_real before = k ? y[row - step + i] : product;
            y[row + i] = product ? before * x[row + i] : before + x[row + i];
        }
}

static moru_status run_cumulative(const moru_run *run, bool product)
{
    const cumulative_attrs *attrs = run->attrs;
    const moru_view *x = run->in[0];
    moru_around a = moru_around_axis(&x->shape, moru_axis_of(attrs->axis, x->shape.rank));
    int threads = x->size >= MORU_PARALLEL_MIN ? run->threads : 1;
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int64_t o = 0; o < a.outer; o++)
        walk((const moru_real *)x->data + o * a.size * a.inner, (moru_real *)run->out[0]->data + o * a.size * a.inner,
             &a, attrs->reverse, product);
    return MORU_OK;
}

static moru_status run_cumsum(const moru_run *run)
{
    return run_cumulative(run, false);
}

static void print_cumulative(const void *attrs, char *text, size_t size)
{
    const cumulative_attrs *a = attrs;
    snprintf(text, size, "axis=%" PRId64 "%s", a->axis, a->reverse ? " reverse" : "");
}

const moru_op_def moru_op_cumsum = {
    .name = "cumsum", .formula = "y[k] = sum of x[i] over i <= k (i >= k: reverse)", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .attr_size = sizeof(cumulative_attrs), .infer = infer_cumulative, .vjp = vjp_cumsum,
    .run = run_cumsum, .print = print_cumulative,
};

moru_node *moru_cumsum(moru_node *x, int axis, bool reverse)
{
    return moru_call_1(&moru_op_cumsum, x, &(cumulative_attrs){axis, reverse});
}

/* ---- products ---- */

/* dx[i] = sum over k >= i of dy[k] times the product of all x[j], j <= k, but x[i]: exact for zeros, too. */
static void vjp_cumprod(const moru_vjp *v)
{
    v->dx[0] = moru_call_2(&moru_op_cumprod_grad, v->inputs[0], v->dy[0], v->attrs);
}

static moru_status run_cumprod(const moru_run *run)
{
    return run_cumulative(run, true);
}

static moru_status infer_cumprod_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    if (!moru_rule_same(&in->shapes[0], &in->shapes[1]))
        return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of %s", MORU_TEXT(&in->shapes[1]),
                             MORU_TEXT(&in->shapes[0]));
    return infer_cumulative(in, shapes, dtypes);
}

/* One element's sum: the product without it runs on from element to element. */
static moru_real without(const moru_real *x, const moru_real *dy, int64_t size, int64_t step, int64_t i)
{
    moru_real product = 1, sum = 0;
    for (int64_t k = 0; k < i; k++)
        product *= x[k * step];
    for (int64_t k = i; k < size; k++) {
        product *= k > i ? x[k * step] : 1;
        sum += dy[k * step] * product;
    }
    return sum;
}

static moru_status run_cumprod_grad(const moru_run *run)
{
    const cumulative_attrs *attrs = run->attrs;
    const moru_view *x = run->in[0];
    moru_around a = moru_around_axis(&x->shape, moru_axis_of(attrs->axis, x->shape.rank));
    int threads = x->size >= MORU_PARALLEL_MIN / 8 ? run->threads : 1;
    int64_t first = attrs->reverse ? (a.size - 1) * a.inner : 0, step = attrs->reverse ? -a.inner : a.inner;
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int64_t line = 0; line < a.outer * a.inner; line++) {
        int64_t place = line / a.inner * a.size * a.inner + line % a.inner + first;
        const moru_real *from = (const moru_real *)x->data + place, *dy = (const moru_real *)run->in[1]->data + place;
        for (int64_t i = 0; i < a.size; i++)
            ((moru_real *)run->out[0]->data + place)[i * step] = without(from, dy, a.size, step, i);
    }
    return MORU_OK;
}

const moru_op_def moru_op_cumprod = {
    .name = "cumprod", .formula = "y[k] = product of x[i] over i <= k (i >= k: reverse)", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 1, .attr_size = sizeof(cumulative_attrs), .infer = infer_cumulative,
    .vjp = vjp_cumprod, .run = run_cumprod, .print = print_cumulative,
};
const moru_op_def moru_op_cumprod_grad = {
    .name = "cumprod_grad", .formula = "dx[i] = sum over k >= i of dy[k] product of x[j], j <= k, j != i",
    .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, .flags = MORU_OP_NO_GRADIENT,
    .attr_size = sizeof(cumulative_attrs), .infer = infer_cumprod_grad, .run = run_cumprod_grad,
    .print = print_cumulative,
};

moru_node *moru_cumprod(moru_node *x, int axis, bool reverse)
{
    return moru_call_1(&moru_op_cumprod, x, &(cumulative_attrs){axis, reverse});
}
