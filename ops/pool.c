/* Largest value and mean of windows that slide over height and width. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/pool.h"
#include "ops/shape_rules.h"
#include "ops/window.h"

/* Every window has to hold a cell of the input, or there is nothing to take the largest or the mean of. */
static moru_status check_pads(const moru_pool2d_op_attrs *a, const moru_pool2d *g)
{
    if (a->padding != MORU_EXPLICIT)
        return MORU_OK;
    if (a->pads[0] >= g->kh || a->pads[1] >= g->kh || a->pads[2] >= g->kw || a->pads[3] >= g->kw)
        return moru_op_error(MORU_ERR_ARGUMENT,
                             "windows of %" PRId64 ",%" PRId64 " would lie in the padding alone: %" PRId64
                             "+%" PRId64 ",%" PRId64 "+%" PRId64, g->kh, g->kw, a->pads[0], a->pads[1], a->pads[2],
                             a->pads[3]);
    if ((g->h == 0 && g->oh > 0) || (g->w == 0 && g->ow > 0))
        return moru_op_error(MORU_ERR_SHAPE, "an image of %" PRId64 ",%" PRId64 " has nothing to pool", g->h, g->w);
    return MORU_OK;
}

moru_status moru_pool2d_geometry(const moru_pool2d_op_attrs *a, const moru_shape *x, moru_pool2d *g)
{
    *g = (moru_pool2d){.n = x->dims[0], .h = x->dims[1], .w = x->dims[2], .c = x->dims[3], .kh = a->size[0],
                       .kw = a->size[1], .sh = a->strides[0], .sw = a->strides[1], .count_padding = a->count_padding};
    moru_padding padding = (moru_padding)a->padding;
    moru_window rows = {g->kh, g->sh, 1, padding, a->pads[0], a->pads[1]};
    moru_window columns = {g->kw, g->sw, 1, padding, a->pads[2], a->pads[3]};
    if (g->kh < 1 || g->kw < 1)
        return moru_op_error(MORU_ERR_ARGUMENT, "windows of %" PRId64 ",%" PRId64, g->kh, g->kw);
    MORU_TRY(moru_window_count(&rows, "height", g->h, &g->oh, &g->top));
    MORU_TRY(moru_window_count(&columns, "width", g->w, &g->ow, &g->left));
    return check_pads(a, g);
}

moru_pool2d moru_pool2d_of(const void *attrs, const moru_shape *x)
{
    moru_pool2d g = {0};
    (void)moru_pool2d_geometry(attrs, x, &g); /* went well when the program was compiled */
    return g;
}

void moru_pool2d_print(const void *attrs_, char *text, size_t size)
{
    const moru_pool2d_op_attrs *a = attrs_;
    char padding[96];
    moru_window_print((moru_padding)a->padding, a->pads, padding, sizeof padding);
    snprintf(text, size, "size=%" PRId64 ",%" PRId64 " strides=%" PRId64 ",%" PRId64 " padding=%s%s", a->size[0],
             a->size[1], a->strides[0], a->strides[1], padding, a->count_padding ? " count_padding" : "");
}

static moru_status infer_pool(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    moru_pool2d g;
    MORU_TRY(moru_rule_rank(in, 0, 4, "[n,h,w,c]"));
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_pool2d_geometry(in->attrs, &in->shapes[0], &g));
    shapes[0] = MORU_SHAPE(g.n, g.oh == -1 ? moru_infer_symbol(in) : g.oh, g.ow == -1 ? moru_infer_symbol(in) : g.ow,
                           g.c);
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static double flops_pool(const moru_infer *in, const moru_shape *out)
{
    const moru_pool2d_op_attrs *a = in->attrs;
    double flops = (double)a->size[0] * (double)a->size[1];
    for (int i = 0; i < out->rank; i++)
        flops *= (double)out->dims[i];
    return flops;
}

static void vjp_max_pool2d(const moru_vjp *v)
{
    v->dx[0] = moru_call_3(&moru_op_max_pool2d_grad, v->dy[0], v->inputs[0], v->outputs[0], v->attrs);
}

static moru_status run_max_pool2d(const moru_run *run)
{
    moru_pool2d g = moru_pool2d_of(run->attrs, &run->in[0]->shape);
    run->kernels->max_pool2d(&g, run->in[0]->data, run->out[0]->data, run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_max_pool2d = {
    .name = "max_pool2d", .formula = "y[n,i,j,c] = largest x[n, i s + k - p, j s + l - p, c]", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 1, .attr_size = sizeof(moru_pool2d_op_attrs), .infer = infer_pool,
    .vjp = vjp_max_pool2d, .run = run_max_pool2d, .print = moru_pool2d_print, .flops = flops_pool,
};

static void vjp_avg_pool2d(const moru_vjp *v)
{
    v->dx[0] = moru_call_2(&moru_op_avg_pool2d_grad, v->dy[0], v->inputs[0], v->attrs);
}

static moru_status run_avg_pool2d(const moru_run *run)
{
    moru_pool2d g = moru_pool2d_of(run->attrs, &run->in[0]->shape);
    run->kernels->avg_pool2d(&g, run->in[0]->data, run->out[0]->data, run->threads);
    return MORU_OK;
}

const moru_op_def moru_op_avg_pool2d = {
    .name = "avg_pool2d", .formula = "y[n,i,j,c] = mean of x[n, i s + k - p, j s + l - p, c]", .min_inputs = 1,
    .max_inputs = 1, .n_outputs = 1, .attr_size = sizeof(moru_pool2d_op_attrs), .infer = infer_pool,
    .vjp = vjp_avg_pool2d, .run = run_avg_pool2d, .print = moru_pool2d_print, .flops = flops_pool,
};

static moru_node *pool(const moru_op_def *op, moru_node *x, const moru_pool2d_attrs *given)
{
    moru_pool2d_op_attrs attrs = {0};
    if (given) {
        attrs.padding = given->padding;
        attrs.count_padding = op == &moru_op_avg_pool2d && given->count_padding;
        for (int i = 0; i < 2; i++) {
            attrs.size[i] = given->size[i];
            attrs.strides[i] = given->strides[i] ? given->strides[i] : given->size[i];
        }
        if (given->padding == MORU_EXPLICIT)
            memcpy(attrs.pads, given->pads, sizeof attrs.pads);
    }
    return moru_call_1(op, x, &attrs);
}

moru_node *moru_max_pool2d(moru_node *x, const moru_pool2d_attrs *attrs)
{
    return pool(&moru_op_max_pool2d, x, attrs);
}

moru_node *moru_avg_pool2d(moru_node *x, const moru_pool2d_attrs *attrs)
{
    return pool(&moru_op_avg_pool2d, x, attrs);
}
