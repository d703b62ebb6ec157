/* 2-D convolution. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv2d.h"
#include "ops/epilogue.h"
#include "ops/shape_rules.h"
#include "ops/window.h"

moru_status moru_conv2d_geometry(const moru_conv2d_op_attrs *a, const moru_shape *x, const moru_shape *weight,
                                 moru_conv2d *g)
{
    int64_t n = x->dims[0], c = x->dims[3], each = weight->dims[2], filters = weight->dims[3];
    if (a->groups < 1)
        return moru_op_error(MORU_ERR_ARGUMENT, "%" PRId64 " groups", a->groups);
    if ((c >= 0 && c % a->groups != 0) || (filters >= 0 && filters % a->groups != 0))
        return moru_op_error(MORU_ERR_SHAPE,
                             "%s with weight %s: %" PRId64 " channels and %" PRId64 " filters don't split "
                             "into %" PRId64 " groups", MORU_TEXT(x), MORU_TEXT(weight), c, filters, a->groups);
    if (c >= 0 && each >= 0 && c / a->groups != each)
        return moru_op_error(MORU_ERR_SHAPE, "%s with weight %s: the input has %" PRId64 " channels in %" PRId64
                             " groups, the weight is for %" PRId64 " in each", MORU_TEXT(x), MORU_TEXT(weight), c,
                             a->groups,
                             each);
    *g = (moru_conv2d){.n = n, .h = x->dims[1], .w = x->dims[2], .c = c, .kh = weight->dims[0], .kw = weight->dims[1],
                       .filters = filters, .sh = a->strides[0], .sw = a->strides[1], .dh = a->dilation[0],
                       .dw = a->dilation[1], .groups = a->groups, .method = (int)a->method};
    moru_padding padding = (moru_padding)a->padding;
    moru_window rows = {g->kh, g->sh, g->dh, padding, a->pads[0], a->pads[1]};
    moru_window columns = {g->kw, g->sw, g->dw, padding, a->pads[2], a->pads[3]};
    MORU_TRY(moru_window_count(&rows, "height", g->h, &g->oh, &g->top));
    return moru_window_count(&columns, "width", g->w, &g->ow, &g->left);
}

moru_conv2d moru_conv2d_of(const void *attrs, const moru_shape *x, const moru_shape *weight)
{
    moru_conv2d g = {0};
    (void)moru_conv2d_geometry(attrs, x, weight, &g); /* went well when the program was compiled */
    return g;
}

double moru_conv2d_flops(const moru_conv2d *g)
{
    return 2.0 * (double)g->n * (double)g->oh * (double)g->ow * (double)g->filters * (double)g->kh * (double)g->kw
           * (double)(g->c / g->groups) * (g->volume ? (double)g->od * (double)g->kd : 1);
}

void moru_conv2d_print(const void *attrs_, char *text, size_t size)
{
    const moru_conv2d_op_attrs *a = attrs_;
    char padding[96];
    moru_window_print((moru_padding)a->padding, a->pads, padding, sizeof padding);
    int used = snprintf(text, size, "strides=%" PRId64 ",%" PRId64 " padding=%s", a->strides[0], a->strides[1],
                        padding);
    if ((a->dilation[0] != 1 || a->dilation[1] != 1) && (size_t)used < size)
        used += snprintf(text + used, size - (size_t)used, " dilation=%" PRId64 ",%" PRId64, a->dilation[0],
                         a->dilation[1]);
    if (a->groups != 1 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " groups=%" PRId64, a->groups);
    moru_epilogue_print(&a->epilogue, text, size);
}

static moru_status infer_conv2d(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_conv2d_op_attrs *attrs = in->attrs;
    moru_conv2d g;
    MORU_TRY(moru_rule_rank(in, 0, 4, "[n,h,w,c]"));
    MORU_TRY(moru_rule_rank(in, 1, 4, "a weight [kh,kw,c/groups,filters]"));
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_conv2d_geometry(attrs, &in->shapes[0], &in->shapes[1], &g));
    shapes[0] = MORU_SHAPE(g.n, g.oh == -1 ? moru_infer_symbol(in) : g.oh, g.ow == -1 ? moru_infer_symbol(in) : g.ow,
                           g.filters);
    dtypes[0] = MORU_REAL;
    return moru_epilogue_check(in, &attrs->epilogue, 2, g.filters);
}

static void vjp_conv2d(const moru_vjp *v)
{
    moru_conv2d_op_attrs plain = *(const moru_conv2d_op_attrs *)v->attrs;
    moru_epilogue epilogue = plain.epilogue;
    moru_node *x = v->inputs[0], *weight = v->inputs[1];
    memset(&plain.epilogue, 0, sizeof plain.epilogue);
    if (epilogue.has_bias || epilogue.activation) {
        moru_node *y = moru_call_2(&moru_op_conv2d, x, weight, &plain);
        y = moru_epilogue_expand(y, epilogue.has_bias ? v->inputs[2] : NULL, &epilogue);
        moru_vjp_through(v, &y);
        return;
    }
    if (v->wanted[0])
        v->dx[0] = moru_call_3(&moru_op_conv2d_grad_input, v->dy[0], weight, x, &plain);
    if (v->wanted[1])
        v->dx[1] = moru_call_3(&moru_op_conv2d_grad_weight, v->dy[0], x, weight, &plain);
}

static size_t workspace_conv2d(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_conv2d g = moru_conv2d_of(in->attrs, &in->shapes[0], &in->shapes[1]);
    (void)out;
    return moru_kernels_select()->conv2d_workspace(&g, threads);
}

static moru_status run_conv2d(const moru_run *run)
{
    const moru_conv2d_op_attrs *attrs = run->attrs;
    moru_conv2d g = moru_conv2d_of(attrs, &run->in[0]->shape, &run->in[1]->shape);
    run->kernels->conv2d(&g, run->in[0]->data, run->in[1]->data, attrs->epilogue.has_bias ? run->in[2]->data : NULL,
                         attrs->epilogue.activation, attrs->epilogue.params, run->out[0]->data, run->workspace,
                         run->threads);
    return MORU_OK;
}

static double flops_conv2d(const moru_infer *in, const moru_shape *out)
{
    moru_conv2d g = moru_conv2d_of(in->attrs, &in->shapes[0], &in->shapes[1]);
    (void)out;
    return moru_conv2d_flops(&g);
}

const moru_op_def moru_op_conv2d = {
    .name = "conv2d", .formula = "y[n,i,j,f] = sum over k,l,c of x[n, i s + k d - p, j s + l d - p, c] weight[k,l,c,f]",
    .min_inputs = 2, .max_inputs = 3, .n_outputs = 1, .attr_size = sizeof(moru_conv2d_op_attrs),
    .epilogue = 1 + offsetof(moru_conv2d_op_attrs, epilogue),
    .method = 1 + offsetof(moru_conv2d_op_attrs, method), .infer = infer_conv2d, .vjp = vjp_conv2d,
    .workspace = workspace_conv2d, .run = run_conv2d, .print = moru_conv2d_print, .flops = flops_conv2d,
};

moru_node *moru_conv2d_op(moru_node *x, moru_node *weight, const moru_conv2d_attrs *given)
{
    moru_conv2d_attrs a = {.groups = 1};
    if (given)
        a = *given;
    moru_conv2d_op_attrs attrs = {.groups = a.groups ? a.groups : 1, .padding = a.padding};
    for (int i = 0; i < 2; i++) {
        attrs.strides[i] = a.strides[i] ? a.strides[i] : 1;
        attrs.dilation[i] = a.dilation[i] ? a.dilation[i] : 1;
    }
    if (a.padding == MORU_EXPLICIT)
        memcpy(attrs.pads, a.pads, sizeof attrs.pads);
    return moru_call_2(&moru_op_conv2d, x, weight, &attrs);
}
