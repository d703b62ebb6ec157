/* Convolution of images and of volumes. */
#include "ops/conv.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/epilogue.h"
#include "ops/shape_rules.h"
#include "ops/window.h"

const moru_conv_ops *moru_conv_ops_for(const moru_node *x)
{
    static const moru_conv_ops images = {&moru_op_conv2d, &moru_op_conv2d_grad_input, &moru_op_conv2d_grad_weight,
                                         &moru_op_conv2d_transpose};
    static const moru_conv_ops volumes = {&moru_op_conv3d, &moru_op_conv3d_grad_input, &moru_op_conv3d_grad_weight,
                                          &moru_op_conv3d_transpose};
    return x->shape.rank == 5 ? &volumes : &images;
}

moru_conv_op_attrs moru_conv_attrs_of(int axes, const int64_t *strides, const int64_t *dilation, int64_t groups,
                                      moru_padding padding, const int64_t *pads)
{
    moru_conv_op_attrs attrs = {.groups = groups ? groups : 1, .padding = padding};
    for (int i = 0; i < axes; i++) {
        attrs.strides[i] = strides[i] ? strides[i] : 1;
        attrs.dilation[i] = dilation[i] ? dilation[i] : 1;
    }
    if (padding == MORU_EXPLICIT)
        memcpy(attrs.pads, pads, 2 * (size_t)axes * sizeof *pads);
    return attrs;
}

/* ---- geometry ---- */

static moru_status check_channels(const moru_shape *x, const moru_shape *weight, int64_t groups)
{
    int64_t c = x->dims[x->rank - 1], each = weight->dims[x->rank - 2], filters = weight->dims[x->rank - 1];
    if (groups < 1)
        return moru_op_error(MORU_ERR_ARGUMENT, "%" PRId64 " groups", groups);
    if ((c >= 0 && c % groups != 0) || (filters >= 0 && filters % groups != 0))
        return moru_op_error(MORU_ERR_SHAPE, "%s with weight %s: %" PRId64 " channels and %" PRId64 " filters don't "
                             "split into %" PRId64 " groups", MORU_TEXT(x), MORU_TEXT(weight), c, filters, groups);
    if (c >= 0 && each >= 0 && c / groups != each)
        return moru_op_error(MORU_ERR_SHAPE, "%s with weight %s: the input has %" PRId64 " channels in %" PRId64
                             " groups, the weight is for %" PRId64 " in each", MORU_TEXT(x), MORU_TEXT(weight), c,
                             groups, each);
    return MORU_OK;
}

moru_status moru_conv_geometry(const moru_conv_op_attrs *a, const moru_shape *x, const moru_shape *weight,
                               moru_conv2d *g)
{
    int rows = x->rank - 4, columns = rows + 1; /* among the axes; volumes have planes before */
    moru_padding padding = (moru_padding)a->padding;
    MORU_TRY(check_channels(x, weight, a->groups));
    *g = (moru_conv2d){.n = x->dims[0], .h = x->dims[rows + 1], .w = x->dims[columns + 1], .c = x->dims[x->rank - 1],
                       .kh = weight->dims[rows], .kw = weight->dims[columns], .filters = weight->dims[x->rank - 1],
                       .sh = a->strides[rows], .sw = a->strides[columns], .dh = a->dilation[rows],
                       .dw = a->dilation[columns], .groups = a->groups, .method = (int)a->method};
    if (rows > 0) {
        g->volume = true;
        g->d = x->dims[1], g->kd = weight->dims[0], g->sd = a->strides[0], g->dd = a->dilation[0];
        moru_window planes = {g->kd, g->sd, g->dd, padding, a->pads[0], a->pads[1]};
        MORU_TRY(moru_window_count(&planes, "depth", g->d, &g->od, &g->front));
    }
    moru_window down = {g->kh, g->sh, g->dh, padding, a->pads[2 * rows], a->pads[2 * rows + 1]};
    moru_window across = {g->kw, g->sw, g->dw, padding, a->pads[2 * columns], a->pads[2 * columns + 1]};
    MORU_TRY(moru_window_count(&down, "height", g->h, &g->oh, &g->top));
    return moru_window_count(&across, "width", g->w, &g->ow, &g->left);
}

void moru_conv_flatten(moru_conv2d *g)
{
    if (!g->volume || g->kd != 1 || g->sd != 1 || g->front != 0 || g->od != g->d)
        return;
    g->n *= g->d;
    g->volume = false;
}

moru_conv2d moru_conv_of(const void *attrs, const moru_shape *x, const moru_shape *weight)
{
    moru_conv2d g = {0};
    (void)moru_conv_geometry(attrs, x, weight, &g); /* went well when the program was compiled */
    moru_conv_flatten(&g);
    return g;
}

double moru_conv_flops(const moru_conv2d *g)
{
    return 2.0 * (double)g->n * (double)g->oh * (double)g->ow * (double)g->filters * (double)g->kh * (double)g->kw
           * (double)(g->c / g->groups) * (g->volume ? (double)g->od * (double)g->kd : 1);
}

/* ---- what is told of one ---- */

/* "2,2" */
static void print_list(const int64_t *values, int n, char text[96])
{
    int used = 0;
    for (int i = 0; i < n; i++)
        used += snprintf(text + used, 96 - (size_t)used, "%s%" PRId64, i ? "," : "", values[i]);
}

static void print_pads(const moru_conv_op_attrs *a, int axes, char text[192])
{
    int used = 0;
    snprintf(text, 192, "%s", a->padding == MORU_SAME ? "same" : "valid");
    for (int i = 0; i < axes && a->padding == MORU_EXPLICIT; i++)
        used += snprintf(text + used, 192 - (size_t)used, "%s%" PRId64 "+%" PRId64, i ? "," : "", a->pads[2 * i],
                         a->pads[2 * i + 1]);
}

static void print(const moru_conv_op_attrs *a, int axes, char *text, size_t size)
{
    char strides[96], pads[192], dilation[96];
    bool dilated = false;
    print_list(a->strides, axes, strides);
    print_list(a->dilation, axes, dilation);
    print_pads(a, axes, pads);
    for (int i = 0; i < axes; i++)
        dilated = dilated || a->dilation[i] != 1;
    int used = snprintf(text, size, "strides=%s padding=%s%s%s", strides, pads, dilated ? " dilation=" : "",
                        dilated ? dilation : "");
    if (a->groups != 1 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, " groups=%" PRId64, a->groups);
    moru_epilogue_print(&a->epilogue, text, size);
}

void moru_conv2d_print(const void *attrs, char *text, size_t size)
{
    print(attrs, 2, text, size);
}

void moru_conv3d_print(const void *attrs, char *text, size_t size)
{
    print(attrs, 3, text, size);
}

/* ---- the ops ---- */

static moru_status infer(const moru_infer *in, int rank, const char *layout, const char *weights, moru_shape *shapes,
                         moru_dtype *dtypes)
{
    const moru_conv_op_attrs *attrs = in->attrs;
    moru_conv2d g;
    MORU_TRY(moru_rule_rank(in, 0, rank, layout));
    MORU_TRY(moru_rule_rank(in, 1, rank, weights));
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_conv_geometry(attrs, &in->shapes[0], &in->shapes[1], &g));
    shapes[0] = g.volume ? MORU_SHAPE(g.n, g.od, g.oh, g.ow, g.filters) : MORU_SHAPE(g.n, g.oh, g.ow, g.filters);
    for (int i = 1; i < rank - 1; i++)
        if (shapes[0].dims[i] == -1)
            shapes[0].dims[i] = moru_infer_symbol(in);
    dtypes[0] = MORU_REAL;
    return moru_epilogue_check(in, &attrs->epilogue, 2, g.filters);
}

static moru_status infer_conv2d(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    return infer(in, 4, "[n,h,w,c]", "a weight [kh,kw,c/groups,filters]", shapes, dtypes);
}

static moru_status infer_conv3d(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    return infer(in, 5, "[n,d,h,w,c]", "a weight [kd,kh,kw,c/groups,filters]", shapes, dtypes);
}

bool moru_conv_vjp_epilogue(const moru_vjp *v, const moru_op_def *op, const moru_epilogue *epilogue, const void *plain)
{
    if (!epilogue->has_bias && !epilogue->activation)
        return false;
    moru_node *y = moru_call_2(op, v->inputs[0], v->inputs[1], plain);
    y = moru_epilogue_expand(y, epilogue->has_bias ? v->inputs[2] : NULL, epilogue);
    moru_vjp_through(v, &y);
    return true;
}

static void vjp(const moru_vjp *v)
{
    moru_conv_op_attrs plain = *(const moru_conv_op_attrs *)v->attrs;
    moru_epilogue epilogue = plain.epilogue;
    moru_node *x = v->inputs[0], *weight = v->inputs[1];
    const moru_conv_ops *ops = moru_conv_ops_for(x);
    memset(&plain.epilogue, 0, sizeof plain.epilogue);
    if (moru_conv_vjp_epilogue(v, ops->forward, &epilogue, &plain))
        return;
    if (v->wanted[0])
        v->dx[0] = moru_call_3(ops->grad_input, v->dy[0], weight, x, &plain);
    if (v->wanted[1])
        v->dx[1] = moru_call_3(ops->grad_weight, v->dy[0], x, weight, &plain);
}

static size_t workspace(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_conv2d g = moru_conv_of(in->attrs, &in->shapes[0], &in->shapes[1]);
    (void)out;
    return moru_kernels_select()->conv2d_workspace(&g, threads);
}

static moru_status run_conv(const moru_run *run)
{
    const moru_conv_op_attrs *attrs = run->attrs;
    moru_conv2d g = moru_conv_of(attrs, &run->in[0]->shape, &run->in[1]->shape);
    run->kernels->conv2d(&g, run->in[0]->data, run->in[1]->data, attrs->epilogue.has_bias ? run->in[2]->data : NULL,
                         attrs->epilogue.activation, attrs->epilogue.params, run->out[0]->data, run->workspace,
                         run->threads);
    return MORU_OK;
}

static double flops(const moru_infer *in, const moru_shape *out)
{
    moru_conv2d g = moru_conv_of(in->attrs, &in->shapes[0], &in->shapes[1]);
    (void)out;
    return moru_conv_flops(&g);
}

#define CONV(op, text) \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = 2, .max_inputs = 3, .n_outputs = 1, \
        .attr_size = sizeof(moru_conv_op_attrs), .epilogue = 1 + offsetof(moru_conv_op_attrs, epilogue), \
        .method = 1 + offsetof(moru_conv_op_attrs, method), .infer = infer_##op, .vjp = vjp, \
        .workspace = workspace, .run = run_conv, .print = moru_##op##_print, .flops = flops}
CONV(conv2d, "y[n,i,j,f] = sum over k,l,c of x[n, i s + k d - p, j s + l d - p, c] weight[k,l,c,f]");
CONV(conv3d, "y[n,i,j,k,f] = sum over o,l,m,c of x[n, i s + o d - p, j s + l d - p, k s + m d - p, c] "
             "weight[o,l,m,c,f]");

moru_node *moru_conv2d_op(moru_node *x, moru_node *weight, const moru_conv2d_attrs *given)
{
    const moru_conv2d_attrs a = given ? *given : (moru_conv2d_attrs){.groups = 1};
    moru_conv_op_attrs attrs = moru_conv_attrs_of(2, a.strides, a.dilation, a.groups, a.padding, a.pads);
    return moru_call_2(&moru_op_conv2d, x, weight, &attrs);
}

moru_node *moru_conv3d_op(moru_node *x, moru_node *weight, const moru_conv3d_attrs *given)
{
    const moru_conv3d_attrs a = given ? *given : (moru_conv3d_attrs){.groups = 1};
    moru_conv_op_attrs attrs = moru_conv_attrs_of(3, a.strides, a.dilation, a.groups, a.padding, a.pads);
    return moru_call_2(&moru_op_conv3d, x, weight, &attrs);
}
