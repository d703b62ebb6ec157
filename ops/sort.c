/* Lines along an axis in ascending or descending order, and where their elements were. Equal ones keep their order; NaN
 * comes last. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/along_axis.h"
#include "ops/shape_rules.h"

typedef struct sort_attrs {
    moru_along_attrs along;
    int64_t descending;
} sort_attrs;

typedef struct element {
    moru_real value;
    int32_t place;
} element;

static bool comes_before(const element *a, const element *b, bool descending)
{
    if (isnan(a->value) || isnan(b->value))
        return !isnan(a->value);
    return descending ? a->value > b->value : a->value < b->value;
}

/* Merges runs of doubling length, from one half of the space into the other; gives the half that is sorted. */
static element *merge_sort(element *a, element *b, int64_t n, bool descending)
{
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t start = 0; start < n; start += 2 * run) {
            int64_t middle = start + run < n ? start + run : n, end = middle + run < n ? middle + run : n;
            int64_t i = start, j = middle;
            for (int64_t k = start; k < end; k++) {
                bool right = i == middle || (j < end && comes_before(&a[j], &a[i], descending));
                b[k] = right ? a[j++] : a[i++];
            }
        }
        element *other = a;
        a = b;
        b = other;
    }
    return a;
}

static int64_t length_of(const moru_infer *in)
{
    const moru_shape *x = &in->shapes[0];
    return x->dims[moru_axis_of(((const sort_attrs *)in->attrs)->along.axis, x->rank)];
}

static size_t workspace_sort(const moru_infer *in, const moru_shape *out, int threads)
{
    int64_t bytes;
    (void)out;
    if (!moru_mul_ok(length_of(in), 2 * (int64_t)sizeof(element), &bytes) || !moru_mul_ok(bytes, threads, &bytes))
        return SIZE_MAX;
    return (size_t)bytes;
}

static void sort_line(const moru_real *x, int64_t size, int64_t step, bool descending, element *space, moru_real *y,
                      int32_t *index)
{
    for (int64_t k = 0; k < size; k++)
        space[k] = (element){x[k * step], (int32_t)k};
    element *sorted = merge_sort(space, space + size, size, descending);
    for (int64_t k = 0; k < size; k++) {
        y[k * step] = sorted[k].value;
        index[k * step] = sorted[k].place;
    }
}

/* Each thread has its own share of the lines and its own space; the order of a line depends on nothing else. */
static moru_status run_sort(const moru_run *run)
{
    const sort_attrs *a = run->attrs;
    const moru_view *x = run->in[0];
    moru_around around = moru_around_axis(&x->shape, moru_axis_of(a->along.axis, x->shape.rank));
    int64_t lines = around.outer * around.inner;
    int threads = x->size >= MORU_PARALLEL_MIN / 16 ? run->threads : 1;
    if (x->size == 0)
        return MORU_OK;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int share = 0; share < threads; share++) {
        element *space = (element *)run->workspace + 2 * around.size * share;
        for (int64_t line = lines * share / threads; line < lines * (share + 1) / threads; line++) {
            int64_t place = line / around.inner * around.size * around.inner + line % around.inner;
            sort_line((const moru_real *)x->data + place, around.size, around.inner, a->descending != 0, space,
                      (moru_real *)run->out[0]->data + place, (int32_t *)run->out[1]->data + place);
        }
    }
    return MORU_OK;
}

static void print_sort(const void *attrs, char *text, size_t size)
{
    const sort_attrs *a = attrs;
    snprintf(text, size, "axis=%" PRId64 "%s", a->along.axis, a->descending ? " descending" : "");
}

const moru_op_def moru_op_sort = {
    .name = "sort", .formula = "y = x in order along axis, index[k] = where y[k] was", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 2, .attr_size = sizeof(sort_attrs), .infer = moru_infer_values_and_places, .vjp = moru_vjp_to_places,
    .run = run_sort, .workspace = workspace_sort, .print = print_sort,
};

moru_node *moru_sort(moru_node *x, int axis, bool descending)
{
    return moru_call_1(&moru_op_sort, x, &(sort_attrs){{axis}, descending});
}

moru_node *moru_argsort(moru_node *x, int axis, bool descending)
{
    moru_node *y = moru_sort(x, axis, descending);
    return moru_node_failed(y) ? y : y->call->outputs[1];
}

moru_node *moru_top_k(moru_node *x, int64_t k, int axis, moru_node **indices)
{
    moru_node *y = moru_sort(x, axis, true);
    if (indices)
        *indices = moru_node_failed(y) ? y : moru_slice(y->call->outputs[1], axis, 0, k, 1);
    return moru_slice(y, axis, 0, k, 1);
}
