/* Reductions over any set of axes. */
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"

/* ---- attributes ---- */

moru_reduce_attrs moru_reduce_attrs_of(const int *axes, int n, bool keepdims)
{
    moru_reduce_attrs attrs = {.n = n == 0 && !axes ? -1 : n, .keepdims = keepdims};
    if (n < 0 || n > MORU_MAX_RANK || (n > 0 && !axes))
        attrs.n = MORU_MAX_RANK + 1;
    for (int k = 0; axes && attrs.n <= MORU_MAX_RANK && k < n; k++)
        attrs.axes[k] = axes[k];
    return attrs;
}

uint32_t moru_reduced_axes(const moru_reduce_attrs *attrs, int rank)
{
    uint32_t mask = attrs->n < 0 ? (1u << rank) - 1 : 0;
    for (int k = 0; k < attrs->n; k++)
        mask |= 1u << moru_axis_of(attrs->axes[k], rank);
    return mask;
}

moru_status moru_infer_axes(const moru_infer *in, uint32_t *mask)
{
    const moru_reduce_attrs *attrs = in->attrs;
    char text[MORU_SHAPE_TEXT];
    int axis, rank = in->shapes[0].rank;
    if (attrs->n > MORU_MAX_RANK)
        return moru_op_error(MORU_ERR_ARGUMENT, "the list of axes makes no sense");
    *mask = 0;
    for (int k = 0; k < attrs->n; k++) {
        MORU_TRY(moru_infer_axis(in, attrs->axes[k], &axis));
        if (*mask >> axis & 1)
            return moru_op_error(MORU_ERR_ARGUMENT, "axis %d of %s is given twice", axis,
                                 moru_shape_print(&in->shapes[0], text, sizeof text));
        *mask |= 1u << axis;
    }
    *mask = moru_reduced_axes(attrs, rank);
    return MORU_OK;
}

moru_node *moru_restore_axes(moru_node *reduced, const moru_reduce_attrs *attrs, int rank)
{
    uint32_t mask = moru_reduced_axes(attrs, rank);
    for (int k = 0; k < rank && !attrs->keepdims; k++)
        if (mask >> k & 1)
            reduced = moru_expand_dims(reduced, k);
    return reduced;
}

void moru_print_axes(const void *pointer, char *text, size_t size)
{
    const moru_reduce_attrs *attrs = pointer;
    int used = snprintf(text, size, "axes=");
    if (attrs->n < 0)
        used += snprintf(text + used, size - (size_t)used, "all");
    for (int k = 0; k < attrs->n && (size_t)used < size; k++)
        used += snprintf(text + used, size - (size_t)used, k ? ",%d" : "%d", (int)attrs->axes[k]);
    if (attrs->keepdims && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, ",keepdims");
}

static moru_status infer_reduce(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_reduce_attrs *attrs = in->attrs;
    uint32_t mask;
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_infer_axes(in, &mask));
    dtypes[0] = MORU_REAL;
    shapes[0].rank = 0;
    for (int k = 0; k < in->shapes[0].rank; k++)
        if (!(mask >> k & 1) || attrs->keepdims)
            shapes[0].dims[shapes[0].rank++] = mask >> k & 1 ? 1 : in->shapes[0].dims[k];
    return MORU_OK;
}

/* There is no largest among no elements. */
static moru_status infer_extreme(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    char text[MORU_SHAPE_TEXT];
    MORU_TRY(infer_reduce(in, shapes, dtypes));
    uint32_t mask = moru_reduced_axes(in->attrs, in->shapes[0].rank);
    for (int k = 0; k < in->shapes[0].rank; k++)
        if ((mask >> k & 1) && in->shapes[0].dims[k] == 0)
            return moru_op_error(MORU_ERR_SHAPE, "axis %d of %s holds nothing to choose from", k,
                                 moru_shape_print(&in->shapes[0], text, sizeof text));
    return MORU_OK;
}

/* ---- running: neighbouring axes that share their fate are one group; each reduced group is one kernel call ---- */

typedef struct groups {
    int n;
    int64_t sizes[MORU_MAX_RANK];
    bool reduced[MORU_MAX_RANK];
} groups;

static groups group_axes(const moru_shape *shape, uint32_t mask)
{
    groups g = {0};
    for (int k = 0; k < shape->rank; k++) {
        bool reduced = mask >> k & 1;
        if (shape->dims[k] == 1)
            continue;
        if (g.n > 0 && g.reduced[g.n - 1] == reduced) {
            g.sizes[g.n - 1] *= shape->dims[k];
        } else {
            g.sizes[g.n] = shape->dims[k];
            g.reduced[g.n++] = reduced;
        }
    }
    return g;
}

/* One kernel call: group k of g, and what remains after it. */
typedef struct stage { int64_t outer, reduced, inner; } stage;

/* The innermost group still to be reduced, marked as done; false when none is left. */
static bool next_stage(groups *g, stage *s)
{
    int k = g->n - 1;
    while (k >= 0 && !g->reduced[k])
        k--;
    if (k < 0)
        return false;
    *s = (stage){1, g->sizes[k], 1};
    for (int i = 0; i < k; i++)
        s->outer *= g->sizes[i];
    for (int i = k + 1; i < g->n; i++)
        s->inner *= g->sizes[i];
    g->sizes[k] = 1;
    g->reduced[k] = false;
    return true;
}

static size_t aligned(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* Bytes for the kernels, and for results between stages, in two places by turns. */
typedef struct scratch { size_t kernel, first, second; } scratch;

static scratch scratch_for(const moru_kernels *kernels, moru_reduce_kind kind, groups g, int threads)
{
    scratch need = {0};
    stage s;
    size_t result = 0;
    for (int k = 0; next_stage(&g, &s); k++) {
        size_t bytes = aligned(kernels->reduce_workspace(kind, s.outer, s.reduced, s.inner, threads));
        need.kernel = bytes > need.kernel ? bytes : need.kernel;
        size_t *place = k % 2 ? &need.first : &need.second; /* of the stage before: empty groups let results grow */
        *place = result > *place ? result : *place;
        result = aligned((size_t)(s.outer * s.inner) * sizeof(moru_real));
    }
    return need;
}

static size_t reduce_workspace(moru_reduce_kind kind, const moru_shape *shape, uint32_t mask, int threads)
{
    scratch need = scratch_for(moru_kernels_select(), kind, group_axes(shape, mask), threads);
    return need.kernel + need.first + need.second;
}

static moru_status reduce(const moru_run *run, moru_reduce_kind kind, uint32_t mask)
{
    groups g = group_axes(&run->in[0]->shape, mask), left = g;
    scratch need = scratch_for(run->kernels, kind, g, run->threads);
    char *places[2] = {(char *)run->workspace + need.kernel, (char *)run->workspace + need.kernel + need.first};
    const moru_real *x = run->in[0]->data;
    stage s, following;
    if (!next_stage(&left, &s)) {
        if (run->out[0]->size > 0)
            memcpy(run->out[0]->data, x, (size_t)run->out[0]->size * sizeof(moru_real));
        return MORU_OK;
    }
    for (int k = 0;; k++, s = following) {
        bool last = !next_stage(&left, &following);
        int threads = s.outer * s.reduced * s.inner >= MORU_PARALLEL_MIN ? run->threads : 1;
        moru_real *y = last ? run->out[0]->data : (moru_real *)(void *)places[k % 2];
        run->kernels->reduce(kind, x, s.outer, s.reduced, s.inner, y, run->workspace, threads);
        if (last)
            return MORU_OK;
        x = y;
    }
}

static double reduce_flops(const moru_infer *in, const moru_shape *out)
{
    (void)out;
    double n = 1;
    for (int k = 0; k < in->shapes[0].rank; k++)
        n *= (double)in->shapes[0].dims[k];
    return n;
}

/* ---- gradients ---- */

#define ATTRS ((const moru_reduce_attrs *)v->attrs)
#define RESTORED(value) moru_restore_axes((value), ATTRS, moru_node_shape(v->inputs[0])->rank)

static void vjp_sum(const moru_vjp *v)
{
    v->dx[0] = moru_broadcast_like(RESTORED(VJP_DY), v->inputs[0]);
}

/* x divided by the number of elements the axes of `of` hold, less ddof; an open size is counted when it is known. */
static moru_node *divide_by_count(moru_node *x, moru_node *of, const moru_reduce_attrs *attrs)
{
    const moru_shape *shape = moru_node_shape(of);
    uint32_t mask = moru_reduced_axes(attrs, shape->rank);
    double count = 1;
    for (int k = 0; k < shape->rank; k++) {
        if ((mask >> k & 1) && shape->dims[k] < 0)
            return moru_div(x, moru_call_1(&moru_op_axes_count, of, attrs));
        if (mask >> k & 1)
            count *= (double)shape->dims[k];
    }
    count = count > attrs->ddof ? count - attrs->ddof : 0;
    return moru_mul_scalar(x, 1 / count);
}

static void vjp_mean(const moru_vjp *v)
{
    v->dx[0] = moru_broadcast_like(divide_by_count(RESTORED(VJP_DY), v->inputs[0], ATTRS), v->inputs[0]);
}

/* Equal extremes share dy evenly. */
static void vjp_extreme(const moru_vjp *v)
{
    moru_reduce_attrs kept = *ATTRS;
    kept.keepdims = true;
    moru_node *chosen = moru_equal(v->inputs[0], RESTORED(VJP_Y));
    moru_node *share = moru_div(RESTORED(VJP_DY), moru_call_1(&moru_op_sum, chosen, &kept));
    v->dx[0] = moru_mul(chosen, share);
}

/* The product of all others is right with zeros among them, where y/x isn't. */
static void vjp_prod(const moru_vjp *v)
{
    v->dx[0] = moru_mul(moru_call_1(&moru_op_exclusive_prod, v->inputs[0], v->attrs), RESTORED(VJP_DY));
}

#define REDUCTION(op, text, kind, rule, gradient) \
    static size_t workspace_##op(const moru_infer *in, const moru_shape *out, int threads) \
    { \
        (void)out; \
        return reduce_workspace(kind, &in->shapes[0], moru_reduced_axes(in->attrs, in->shapes[0].rank), threads); \
    } \
    static moru_status run_##op(const moru_run *run) \
    { \
        return reduce(run, kind, moru_reduced_axes(run->attrs, run->in[0]->shape.rank)); \
    } \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = 1, .max_inputs = 1, .n_outputs = 1, \
        .attr_size = sizeof(moru_reduce_attrs), .infer = rule, .vjp = gradient, .workspace = workspace_##op, \
        .run = run_##op, .print = moru_print_axes, .flops = reduce_flops}; \
    moru_node *moru_##op(moru_node *x, const int *axes, int n, bool keepdims) \
    { \
        moru_reduce_attrs attrs = moru_reduce_attrs_of(axes, n, keepdims); \
        return moru_call_1(&moru_op_##op, x, &attrs); \
    }

REDUCTION(sum, "y = sum of x over axes", MORU_REDUCE_SUM, infer_reduce, vjp_sum)
REDUCTION(mean, "y = mean of x over axes", MORU_REDUCE_MEAN, infer_reduce, vjp_mean)
REDUCTION(max, "y = largest x over axes", MORU_REDUCE_MAX, infer_extreme, vjp_extreme)
REDUCTION(min, "y = least x over axes", MORU_REDUCE_MIN, infer_extreme, vjp_extreme)
REDUCTION(prod, "y = product of x over axes", MORU_REDUCE_PROD, infer_reduce, vjp_prod)

/* ---- made of the above ---- */

/* sum (x - mean)^2 / (N - ddof) */
moru_node *moru_variance(moru_node *x, const int *axes, int n, bool keepdims, int ddof)
{
    moru_node *deviation = moru_squared_difference(x, moru_mean(x, axes, n, true));
    if (ddof == 0)
        return moru_mean(deviation, axes, n, keepdims);
    moru_reduce_attrs attrs = moru_reduce_attrs_of(axes, n, keepdims);
    attrs.ddof = ddof;
    moru_node *sum = moru_sum(deviation, axes, n, keepdims);
    return moru_node_failed(sum) ? sum : divide_by_count(sum, x, &attrs);
}

/* m + log sum e^(x - m), m being the largest x: no power overflows. Bounding m keeps infinities from becoming NaN. */
moru_node *moru_logsumexp(moru_node *x, const int *axes, int n, bool keepdims)
{
    const double bound = sizeof(moru_real) == sizeof(float) ? FLT_MAX : DBL_MAX;
    moru_node *m = moru_stop_gradient(moru_clip(moru_max(x, axes, n, true), -bound, bound));
    moru_node *sum = moru_sum(moru_exp(moru_sub(x, m)), axes, n, keepdims);
    return moru_add(moru_log(sum), moru_reshape_like(m, sum));
}

/* ---- sum_to ---- */

/* Axes of x, counted from its front, that summing to `like` removes or leaves as 1. */
static uint32_t surplus_axes(const moru_shape *x, const moru_shape *like)
{
    uint32_t mask = 0;
    int lead = x->rank - like->rank;
    for (int k = 0; k < x->rank; k++)
        if (k < lead || (like->dims[k - lead] == 1 && x->dims[k] != 1))
            mask |= 1u << k;
    return mask;
}

static moru_status infer_sum_to(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    char tx[MORU_SHAPE_TEXT], tl[MORU_SHAPE_TEXT];
    const moru_shape *x = &in->shapes[0], *like = &in->shapes[1];
    if (in->dtypes[0] != MORU_REAL)
        return moru_infer_all_real(in);
    int lead = x->rank - like->rank;
    bool fits = lead >= 0;
    for (int k = 0; fits && k < like->rank; k++)
        fits = like->dims[k] == x->dims[k + lead] || like->dims[k] == 1 || like->dims[k] < 0 || x->dims[k + lead] < 0;
    if (!fits)
        return moru_op_error(MORU_ERR_SHAPE, "%s can't be summed to %s", moru_shape_print(x, tx, sizeof tx),
                             moru_shape_print(like, tl, sizeof tl));
    shapes[0] = *like;
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static void vjp_sum_to(const moru_vjp *v)
{
    v->dx[0] = moru_broadcast_like(VJP_DY, v->inputs[0]);
}

static size_t workspace_sum_to(const moru_infer *in, const moru_shape *out, int threads)
{
    return reduce_workspace(MORU_REDUCE_SUM, &in->shapes[0], surplus_axes(&in->shapes[0], out), threads);
}

static moru_status run_sum_to(const moru_run *run)
{
    return reduce(run, MORU_REDUCE_SUM, surplus_axes(&run->in[0]->shape, &run->out[0]->shape));
}

const moru_op_def moru_op_sum_to = {
    .name = "sum_to", .formula = "y = x summed over the axes along which the other input would be broadcast",
    .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, .flags = MORU_OP_RESIZE, .shape_only = 2,
    .infer = infer_sum_to, .vjp = vjp_sum_to, .workspace = workspace_sum_to, .run = run_sum_to, .flops = reduce_flops,
};

moru_node *moru_sum_to(moru_node *x, moru_node *like)
{
    return moru_call_2(&moru_op_sum_to, x, like, NULL);
}

/* ---- axes_count ---- */

static moru_status infer_axes_count(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    uint32_t mask;
    shapes[0] = MORU_SCALAR_SHAPE;
    dtypes[0] = MORU_REAL;
    return moru_infer_axes(in, &mask);
}

static moru_status run_axes_count(const moru_run *run)
{
    const moru_reduce_attrs *attrs = run->attrs;
    const moru_shape *shape = &run->in[0]->shape;
    uint32_t mask = moru_reduced_axes(attrs, shape->rank);
    double count = 1;
    for (int k = 0; k < shape->rank; k++)
        if (mask >> k & 1)
            count *= (double)shape->dims[k];
    *(moru_real *)run->out[0]->data = (moru_real)(count > attrs->ddof ? count - attrs->ddof : 0);
    return MORU_OK;
}

const moru_op_def moru_op_axes_count = {
    .name = "axes_count", .formula = "y = number of elements along axes, less ddof", .min_inputs = 1, .max_inputs = 1,
    .n_outputs = 1, .attr_size = sizeof(moru_reduce_attrs), .shape_only = 1, .infer = infer_axes_count,
    .vjp = moru_vjp_none, .run = run_axes_count, .print = moru_print_axes,
};
