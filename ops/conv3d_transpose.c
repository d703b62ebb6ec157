/* Transposed convolution of volumes: what the gradient of a convolution's input computes, as an op with a bias and an
 * activation. The convolution it belongs to leads from this op's output back to its input. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv2d.h"
#include "ops/conv3d.h"
#include "ops/epilogue.h"
#include "ops/shape_rules.h"
#include "ops/window.h"

typedef struct attributes {
    moru_conv3d_op_attrs conv; /* padding is explicit */
    int64_t output_padding[3];
} attributes;

static moru_status check_channels(const moru_shape *x, const moru_shape *weight, int64_t groups, int64_t *filters)
{
    int64_t each = weight->dims[3], channels = weight->dims[4];
    *filters = -1;
    if (groups < 1 || groups > INT32_MAX)
        return moru_op_error(MORU_ERR_ARGUMENT, "%" PRId64 " groups", groups);
    if (!moru_rule_fits(x->dims[4], channels))
        return moru_op_error(MORU_ERR_SHAPE, "%s with weight %s: the input has %" PRId64 " channels, the weight is for "
                             "%" PRId64, MORU_TEXT(x), MORU_TEXT(weight), x->dims[4], channels);
    if (channels >= 0 && channels % groups != 0)
        return moru_op_error(MORU_ERR_SHAPE, "weight %s: %" PRId64 " channels don't split into %" PRId64 " groups",
                             MORU_TEXT(weight), channels, groups);
    if (each >= 0 && __builtin_mul_overflow(each, groups, filters))
        return moru_op_error(MORU_ERR_MEMORY, "%" PRId64 " groups of %" PRId64 " filters", groups, each);
    return MORU_OK;
}

static moru_status infer(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    static const char *const names[] = {"depth", "height", "width"};
    const attributes *a = in->attrs;
    const moru_conv3d_op_attrs *c = &a->conv;
    int64_t filters;
    MORU_TRY(moru_rule_rank(in, 0, 5, "[n,d,h,w,c]"));
    MORU_TRY(moru_rule_rank(in, 1, 5, "a weight [kd,kh,kw,filters/groups,c]"));
    MORU_TRY(moru_infer_all_real(in));
    const moru_shape *x = &in->shapes[0], *weight = &in->shapes[1];
    MORU_TRY(check_channels(x, weight, c->groups, &filters));
    shapes[0] = MORU_SHAPE(x->dims[0], -1, -1, -1, filters < 0 ? moru_infer_symbol(in) : filters);
    for (int i = 0; i < 3; i++) {
        moru_window w = {weight->dims[i], c->strides[i], c->dilation[i], MORU_EXPLICIT, c->pads[2 * i],
                         c->pads[2 * i + 1]};
        MORU_TRY(moru_window_spread(&w, names[i], x->dims[i + 1], a->output_padding[i], &shapes[0].dims[i + 1]));
        if (shapes[0].dims[i + 1] < 0)
            shapes[0].dims[i + 1] = moru_infer_symbol(in);
    }
    dtypes[0] = MORU_REAL;
    return moru_epilogue_check(in, &c->epilogue, 2, filters);
}

static void vjp(const moru_vjp *v)
{
    attributes plain = *(const attributes *)v->attrs;
    moru_epilogue epilogue = plain.conv.epilogue;
    moru_node *x = v->inputs[0], *weight = v->inputs[1];
    memset(&plain.conv.epilogue, 0, sizeof plain.conv.epilogue);
    if (epilogue.has_bias || epilogue.activation) {
        moru_node *y = moru_call_2(&moru_op_conv3d_transpose, x, weight, &plain);
        y = moru_epilogue_expand(y, epilogue.has_bias ? v->inputs[2] : NULL, &epilogue);
        moru_vjp_through(v, &y);
        return;
    }
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_conv3d, v->dy[0], weight, &plain.conv);
    if (v->wanted[1])
        v->dx[1] = moru_call_3(&moru_op_conv3d_grad_weight, x, v->dy[0], weight, &plain.conv);
}

/* Of the convolution from y back to x */
static moru_conv2d geometry(const attributes *a, const moru_shape *x, const moru_shape *weight, const moru_shape *y)
{
    const moru_conv3d_op_attrs *c = &a->conv;
    moru_conv2d g = {
        .n = y->dims[0], .h = y->dims[2], .w = y->dims[3], .c = y->dims[4], .kh = weight->dims[1],
        .kw = weight->dims[2], .filters = x->dims[4], .oh = x->dims[2], .ow = x->dims[3], .sh = c->strides[1],
        .sw = c->strides[2], .dh = c->dilation[1], .dw = c->dilation[2], .top = c->pads[2], .left = c->pads[4],
        .groups = c->groups, .method = (int)c->method, .volume = true, .d = y->dims[1], .kd = weight->dims[0],
        .od = x->dims[1], .sd = c->strides[0], .dd = c->dilation[0], .front = c->pads[0],
    };
    moru_conv3d_flatten(&g);
    return g;
}

static size_t workspace(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_conv2d g = geometry(in->attrs, &in->shapes[0], &in->shapes[1], out);
    return moru_kernels_select()->conv2d_grad_input_workspace(&g, threads);
}

static moru_status run(const moru_run *r)
{
    const attributes *a = r->attrs;
    const moru_epilogue *e = &a->conv.epilogue;
    moru_conv2d g = geometry(a, &r->in[0]->shape, &r->in[1]->shape, &r->out[0]->shape);
    r->kernels->conv2d_transpose(&g, r->in[0]->data, r->in[1]->data, e->has_bias ? r->in[2]->data : NULL, e->activation,
                                 e->params, r->out[0]->data, r->workspace, r->threads);
    return MORU_OK;
}

static double flops(const moru_infer *in, const moru_shape *out)
{
    moru_conv2d g = geometry(in->attrs, &in->shapes[0], &in->shapes[1], out);
    return moru_conv2d_flops(&g);
}

static void print(const void *attrs, char *text, size_t size)
{
    const attributes *a = attrs;
    const int64_t *more = a->output_padding;
    moru_conv3d_print(&a->conv, text, size);
    size_t used = strlen(text);
    if ((more[0] || more[1] || more[2]) && used < size)
        snprintf(text + used, size - used, " output_padding=%" PRId64 ",%" PRId64 ",%" PRId64, more[0], more[1],
                 more[2]);
}

const moru_op_def moru_op_conv3d_transpose = {
    .name = "conv3d_transpose",
    .formula = "y[n,d,h,w,f] = sum of x[n,i,j,k,c] weight[o,l,m,f,c] over the taps that fall on d,h,w, and c",
    .min_inputs = 2, .max_inputs = 3, .n_outputs = 1, .attr_size = sizeof(attributes),
    .epilogue = 1 + offsetof(attributes, conv.epilogue), .method = 1 + offsetof(attributes, conv.method),
    .infer = infer, .vjp = vjp, .workspace = workspace, .run = run, .print = print, .flops = flops,
};

moru_node *moru_conv3d_transpose_op(moru_node *x, moru_node *weight, const moru_conv3d_transpose_attrs *given)
{
    moru_conv3d_transpose_attrs a = {.groups = 1};
    if (given)
        a = *given;
    attributes attrs = {.conv = {.groups = a.groups ? a.groups : 1, .padding = MORU_EXPLICIT}};
    for (int i = 0; i < 3; i++) {
        attrs.conv.strides[i] = a.strides[i] ? a.strides[i] : 1;
        attrs.conv.dilation[i] = a.dilation[i] ? a.dilation[i] : 1;
        attrs.output_padding[i] = a.output_padding[i];
    }
    memcpy(attrs.conv.pads, a.pads, sizeof a.pads);
    return moru_call_2(&moru_op_conv3d_transpose, x, weight, &attrs);
}
