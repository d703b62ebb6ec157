/* The largest or least of all elements up to each along an axis, and where it is: torch.cummax, torch.cummin. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/along_axis.h"
#include "ops/shape_rules.h"

typedef struct extreme_attrs {
    moru_along_attrs along;
    int64_t least;
} extreme_attrs;

/* Whether x takes the place of the one before: also an equal one; NaN for good. */
static bool takes_over(moru_real x, moru_real before, bool least)
{
    return isnan(x) || (!isnan(before) && (least ? x <= before : x >= before));
}

/* Lines lie beside each other: row k of inner elements after row k - 1. index may be NULL. */
static void walk(const moru_real *x, const moru_around *a, bool least, moru_real *y, int32_t *index)
{
    for (int64_t k = 0; k < a->size; k++)
        for (int64_t i = 0; i < a->inner; i++) {
            int64_t at = k * a->inner + i;
            bool taken = k == 0 || takes_over(x[at], y[at - a->inner], least);
            y[at] = taken ? x[at] : y[at - a->inner];
            if (index)
                index[at] = taken ? (int32_t)k : index[at - a->inner];
        }
}

static moru_status run_extreme(const moru_run *run)
{
    const extreme_attrs *attrs = run->attrs;
    const moru_view *x = run->in[0];
    moru_around a = moru_around_axis(&x->shape, moru_axis_of(attrs->along.axis, x->shape.rank));
    int64_t part = a.size * a.inner;
    int32_t *index = run->out[1]->data;
    int threads = x->size >= MORU_PARALLEL_MIN ? run->threads : 1;
    (void)threads;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
#endif
    for (int64_t o = 0; o < a.outer; o++)
        walk((const moru_real *)x->data + o * part, &a, attrs->least != 0, (moru_real *)run->out[0]->data + o * part,
             index ? index + o * part : NULL);
    return MORU_OK;
}

static void print_extreme(const void *attrs, char *text, size_t size)
{
    const extreme_attrs *a = attrs;
    snprintf(text, size, "axis=%" PRId64 "%s", a->along.axis, a->least ? " least" : "");
}

const moru_op_def moru_op_cumulative_extreme = {
    .name = "cumulative_extreme", .formula = "y[k] = largest (least) of x[i] over i <= k, index[k] its place",
    .min_inputs = 1, .max_inputs = 1, .n_outputs = 2, .optional_outputs = 2, .attr_size = sizeof(extreme_attrs),
    .infer = moru_infer_values_and_places, .vjp = moru_vjp_to_places, .run = run_extreme, .print = print_extreme,
};

static moru_node *build(moru_node *x, extreme_attrs attrs, moru_node **indices)
{
    moru_node *y = moru_call_1(&moru_op_cumulative_extreme, x, &attrs);
    if (indices)
        *indices = moru_node_failed(y) ? y : y->call->outputs[1];
    return y;
}

moru_node *moru_cummax(moru_node *x, int axis, moru_node **indices)
{
    return build(x, (extreme_attrs){{axis}, 0}, indices);
}

moru_node *moru_cummin(moru_node *x, int axis, moru_node **indices)
{
    return build(x, (extreme_attrs){{axis}, 1}, indices);
}
