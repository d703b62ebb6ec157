/* Transposed convolution, of images and of volumes: what the gradient of a convolution's input computes, as an op with
 * a bias and an activation. The convolution it belongs to leads from this op's output back to its input. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "ops/conv.h"
#include "ops/epilogue.h"
#include "ops/shape_rules.h"
#include "ops/window.h"

typedef struct attributes {
    moru_conv_op_attrs conv; /* padding is explicit */
    int64_t output_padding[3];
} attributes;

static moru_status check_channels(const moru_shape *x, const moru_shape *weight, int64_t groups, int64_t *filters)
{
    int64_t each = weight->dims[x->rank - 2], channels = weight->dims[x->rank - 1], given = x->dims[x->rank - 1];
    *filters = -1;
    if (groups < 1 || groups > INT32_MAX)
        return moru_op_error(MORU_ERR_ARGUMENT, "%" PRId64 " groups", groups);
    if (!moru_rule_fits(given, channels))
        return moru_op_error(MORU_ERR_SHAPE, "%s with weight %s: the input has %" PRId64 " channels, the weight is for "
                             "%" PRId64, MORU_TEXT(x), MORU_TEXT(weight), given, channels);
    if (channels >= 0 && channels % groups != 0)
        return moru_op_error(MORU_ERR_SHAPE, "weight %s: %" PRId64 " channels don't split into %" PRId64 " groups",
                             MORU_TEXT(weight), channels, groups);
    if (each >= 0 && __builtin_mul_overflow(each, groups, filters))
        return moru_op_error(MORU_ERR_MEMORY, "%" PRId64 " groups of %" PRId64 " filters", groups, each);
    return MORU_OK;
}

static moru_status infer(const moru_infer *in, int rank, const char *layout, const char *weights, moru_shape *shapes,
                         moru_dtype *dtypes)
{
    static const char *const names[] = {"depth", "height", "width"};
    const attributes *a = in->attrs;
    const moru_conv_op_attrs *c = &a->conv;
    int64_t filters;
    MORU_TRY(moru_rule_rank(in, 0, rank, layout));
    MORU_TRY(moru_rule_rank(in, 1, rank, weights));
    MORU_TRY(moru_infer_all_real(in));
    const moru_shape *x = &in->shapes[0], *weight = &in->shapes[1];
    MORU_TRY(check_channels(x, weight, c->groups, &filters));
    shapes[0] = *x;
    for (int i = 0; i < rank - 2; i++) {
        moru_window w = {weight->dims[i], c->strides[i], c->dilation[i], MORU_EXPLICIT, c->pads[2 * i],
                         c->pads[2 * i + 1]};
        MORU_TRY(moru_window_spread(&w, names[i + 5 - rank], x->dims[i + 1], a->output_padding[i],
                                    &shapes[0].dims[i + 1]));
        if (shapes[0].dims[i + 1] < 0)
            shapes[0].dims[i + 1] = moru_infer_symbol(in);
    }
    shapes[0].dims[rank - 1] = filters < 0 ? moru_infer_symbol(in) : filters;
    dtypes[0] = MORU_REAL;
    return moru_epilogue_check(in, &c->epilogue, 2, filters);
}

static moru_status infer_conv2d_transpose(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    return infer(in, 4, "[n,h,w,c]", "a weight [kh,kw,filters/groups,c]", shapes, dtypes);
}

static moru_status infer_conv3d_transpose(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    return infer(in, 5, "[n,d,h,w,c]", "a weight [kd,kh,kw,filters/groups,c]", shapes, dtypes);
}

static void vjp(const moru_vjp *v)
{
    attributes plain = *(const attributes *)v->attrs;
    moru_epilogue epilogue = plain.conv.epilogue;
    moru_node *x = v->inputs[0], *weight = v->inputs[1];
    const moru_conv_ops *ops = moru_conv_ops_for(x);
    memset(&plain.conv.epilogue, 0, sizeof plain.conv.epilogue);
    if (moru_conv_vjp_epilogue(v, ops->transpose, &epilogue, &plain))
        return;
    if (v->wanted[0])
        v->dx[0] = moru_call_2(ops->forward, v->dy[0], weight, &plain.conv);
    if (v->wanted[1])
        v->dx[1] = moru_call_3(ops->grad_weight, x, v->dy[0], weight, &plain.conv);
}

/* Of the convolution from y back to x. Sizes can't be counted from y: more than one of them gives the same x. */
static moru_conv2d geometry(const attributes *a, const moru_shape *x, const moru_shape *weight, const moru_shape *y)
{
    const moru_conv_op_attrs *c = &a->conv;
    int rows = x->rank - 4, columns = rows + 1;
    moru_conv2d g = {
        .n = y->dims[0], .h = y->dims[rows + 1], .w = y->dims[columns + 1], .c = y->dims[x->rank - 1],
        .kh = weight->dims[rows], .kw = weight->dims[columns], .filters = x->dims[x->rank - 1],
        .oh = x->dims[rows + 1], .ow = x->dims[columns + 1], .sh = c->strides[rows], .sw = c->strides[columns],
        .dh = c->dilation[rows], .dw = c->dilation[columns], .top = c->pads[2 * rows], .left = c->pads[2 * columns],
        .groups = c->groups, .method = (int)c->method,
    };
    if (rows > 0) {
        g.volume = true;
        g.d = y->dims[1], g.kd = weight->dims[0], g.od = x->dims[1], g.sd = c->strides[0], g.dd = c->dilation[0];
        g.front = c->pads[0];
    }
    moru_conv_flatten(&g);
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
    return moru_conv_flops(&g);
}

static void print_more(const attributes *a, int axes, char *text, size_t size)
{
    const int64_t *more = a->output_padding;
    size_t used = strlen(text);
    if (!more[0] && !more[1] && !more[2])
        return;
    for (int i = 0; i < axes && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, i ? "," : " output_padding=", more[i]);
}

static void print_conv2d_transpose(const void *attrs, char *text, size_t size)
{
    moru_conv2d_print(&((const attributes *)attrs)->conv, text, size);
    print_more(attrs, 2, text, size);
}

static void print_conv3d_transpose(const void *attrs, char *text, size_t size)
{
    moru_conv3d_print(&((const attributes *)attrs)->conv, text, size);
    print_more(attrs, 3, text, size);
}

/* That of images has no `method` that a pass could set. */
#define TRANSPOSE(op, method_, text) \
    const moru_op_def moru_op_##op = { \
        .name = #op, .formula = text, .min_inputs = 2, .max_inputs = 3, .n_outputs = 1, \
        .attr_size = sizeof(attributes), .epilogue = 1 + offsetof(attributes, conv.epilogue), .method = method_, \
        .infer = infer_##op, .vjp = vjp, .workspace = workspace, .run = run, .print = print_##op, .flops = flops}
TRANSPOSE(conv2d_transpose, 0,
          "y[n,h,w,f] = sum of x[n,i,j,c] weight[k,l,f,c] over h = i s + k d - p, w = j s + l d - p, and c");
TRANSPOSE(conv3d_transpose, 1 + offsetof(attributes, conv.method),
          "y[n,d,h,w,f] = sum of x[n,i,j,k,c] weight[o,l,m,f,c] over the taps that fall on d,h,w, and c");

static moru_node *build(const moru_op_def *op, moru_node *x, moru_node *weight, int axes, moru_conv_op_attrs conv,
                        const int64_t *output_padding)
{
    attributes attrs = {.conv = conv};
    memcpy(attrs.output_padding, output_padding, (size_t)axes * sizeof *output_padding);
    return moru_call_2(op, x, weight, &attrs);
}

moru_node *moru_conv2d_transpose_op(moru_node *x, moru_node *weight, const moru_conv2d_transpose_attrs *given)
{
    const moru_conv2d_transpose_attrs a = given ? *given : (moru_conv2d_transpose_attrs){.groups = 1};
    return build(&moru_op_conv2d_transpose, x, weight, 2,
                 moru_conv_attrs_of(2, a.strides, a.dilation, a.groups, MORU_EXPLICIT, a.pads), a.output_padding);
}

moru_node *moru_conv3d_transpose_op(moru_node *x, moru_node *weight, const moru_conv3d_transpose_attrs *given)
{
    const moru_conv3d_transpose_attrs a = given ? *given : (moru_conv3d_transpose_attrs){.groups = 1};
    return build(&moru_op_conv3d_transpose, x, weight, 3,
                 moru_conv_attrs_of(3, a.strides, a.dilation, a.groups, MORU_EXPLICIT, a.pads), a.output_padding);
}
