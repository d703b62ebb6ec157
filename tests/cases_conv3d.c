/* Gradient check of convolutions of volumes. n: strides, dilation, output padding as three digits each, groups, padding,
 * pads as six digits. */
#include "kernels/kernels.h"
#include "ops/conv.h"
#include "tests/gradcheck.h"

static void digits_of(int64_t digits, int64_t *out, int n)
{
    for (int i = n - 1; i >= 0; i--, digits /= 10)
        out[i] = digits % 10;
}

static moru_node *build_conv3d(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    moru_conv3d_attrs attrs = {.groups = c->n[3], .padding = (moru_padding)c->n[4]};
    digits_of(c->n[0], attrs.strides, 3);
    digits_of(c->n[1], attrs.dilation, 3);
    digits_of(c->n[5], attrs.pads, 6);
    return moru_conv3d_op(x[0], x[1], &attrs);
}

static moru_node *build_transpose(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    moru_conv3d_transpose_attrs attrs = {.groups = c->n[3]};
    digits_of(c->n[0], attrs.strides, 3);
    digits_of(c->n[1], attrs.dilation, 3);
    digits_of(c->n[2], attrs.output_padding, 3);
    digits_of(c->n[5], attrs.pads, 6);
    return moru_conv3d_transpose_op(x[0], x[1], &attrs);
}

/* What the fusing pass makes one call of. */
static moru_node *build_layer(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    return moru_tanh(moru_add(build_conv3d(graph, x, c), x[2]));
}

static moru_node *build_transpose_layer(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    return moru_tanh(moru_add(build_transpose(graph, x, c), x[2]));
}

/* A call that has a bias and an activation from the start. */
static moru_node *build_fused(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_conv_op_attrs attrs = {.groups = 1, .padding = c->n[4]};
    digits_of(c->n[0], attrs.strides, 3);
    digits_of(c->n[1], attrs.dilation, 3);
    attrs.epilogue.has_bias = 1;
    attrs.epilogue.activation = 1 + MORU_UNARY_leaky_relu;
    attrs.epilogue.params[0] = 0.2;
    return moru_apply_op(graph, &moru_op_conv3d, x, 3, &attrs);
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define CONV(name_, x, w, ...) {.name = "conv3d/" name_, .build = build_conv3d, .n = {__VA_ARGS__}, .in = {x, w}}
#define TRANSPOSE(name_, x, w, ...) \
    {.name = "conv3d_transpose/" name_, .build = build_transpose, .n = {__VA_ARGS__}, .in = {x, w}}
#define TAIL(name_, build_, x, w, b, ...) {.name = name_, .build = build_, .n = {__VA_ARGS__}, .in = {x, w, b}}

const gradcheck_case gradcheck_cases_conv3d[] = {
    CONV("defaults", R(2, 3, 3, 4, 2), R(2, 2, 3, 2, 2), 0),
    CONV("one voxel", R(1, 1, 1, 1, 1), R(1, 1, 1, 1, 1), 111),
    CONV("the whole volume", R(2, 2, 3, 2, 1), R(2, 3, 2, 1, 2), 111),
    CONV("image by image", R(2, 2, 3, 4, 1), R(1, 2, 3, 1, 2), 111),
    CONV("image by image, strides", R(1, 3, 3, 4, 1), R(1, 2, 3, 1, 2), 212),
    CONV("along the depth", R(1, 4, 2, 2, 2), R(3, 1, 1, 2, 2), 111),
    CONV("strides", R(1, 4, 3, 5, 1), R(3, 2, 2, 1, 2), 213),
    CONV("strides beyond the kernel", R(1, 5, 3, 4, 1), R(2, 1, 1, 1, 1), 322),
    CONV("dilation", R(1, 4, 3, 4, 1), R(2, 2, 2, 1, 2), 111, 321),
    CONV("strides and dilation", R(1, 5, 4, 3, 1), R(2, 2, 2, 1, 1), 221, 321),
    CONV("same", R(1, 3, 2, 3, 2), R(3, 3, 2, 2, 1), 111, 111, 0, 1, MORU_SAME),
    CONV("same, strides", R(1, 4, 3, 3, 1), R(3, 2, 3, 1, 2), 232, 111, 0, 1, MORU_SAME),
    CONV("same, kernel beyond the volume", R(1, 2, 1, 2, 1), R(5, 3, 4, 1, 1), 111, 111, 0, 1, MORU_SAME),
    CONV("same, dilation", R(1, 3, 3, 2, 1), R(2, 2, 2, 1, 1), 111, 231, 0, 1, MORU_SAME),
    CONV("explicit", R(1, 2, 2, 3, 1), R(2, 2, 2, 1, 1), 111, 111, 0, 1, MORU_EXPLICIT, 120310),
    CONV("explicit, wider than the kernel", R(1, 1, 2, 1, 1), R(2, 2, 1, 1, 1), 111, 111, 0, 1, MORU_EXPLICIT, 300300),
    CONV("groups", R(1, 2, 3, 2, 4), R(2, 2, 2, 2, 2), 111, 111, 0, 2, MORU_SAME),
    CONV("by channels", R(1, 2, 3, 2, 3), R(2, 2, 2, 1, 3), 111, 111, 0, 3),
    CONV("no volumes", R(0, 2, 3, 2, 2), R(2, 2, 2, 2, 2), 111),
    CONV("no filters", R(1, 2, 3, 2, 2), R(2, 2, 2, 2, 0), 111),
    CONV("no channels", R(1, 2, 3, 2, 0), R(2, 2, 2, 0, 2), 111),
    CONV("no images, same", R(1, 0, 3, 2, 1), R(2, 2, 2, 1, 2), 111, 111, 0, 1, MORU_SAME),
    TAIL("conv3d layer", build_layer, R(1, 3, 3, 2, 2), R(2, 2, 2, 2, 3), R(3), 111, 111, 0, 1, MORU_SAME),
    TAIL("conv3d/bias and activation", build_fused, R(1, 3, 2, 3, 1), R(2, 1, 2, 1, 3), R(3), 121, 111),
    TRANSPOSE("defaults", R(2, 2, 2, 3, 1), R(2, 3, 2, 2, 1), 0),
    TRANSPOSE("one voxel", R(1, 1, 1, 1, 1), R(1, 1, 1, 1, 1), 111),
    TRANSPOSE("image by image", R(1, 2, 2, 3, 2), R(1, 3, 2, 1, 2), 111),
    TRANSPOSE("strides", R(1, 2, 2, 2, 1), R(3, 2, 3, 1, 1), 213),
    TRANSPOSE("strides beyond the kernel, output padding", R(1, 2, 2, 1, 1), R(1, 2, 1, 1, 1), 322, 111, 201),
    TRANSPOSE("cut", R(1, 2, 2, 2, 1), R(3, 3, 4, 1, 1), 222, 111, 0, 1, 0, 120112),
    TRANSPOSE("dilation", R(1, 2, 2, 2, 1), R(2, 2, 2, 1, 1), 111, 231, 0, 1, 0, 100100),
    TRANSPOSE("groups", R(1, 2, 1, 2, 4), R(2, 2, 1, 1, 4), 211, 111, 0, 2),
    TRANSPOSE("no volumes", R(0, 2, 1, 2, 1), R(2, 2, 1, 1, 1), 211),
    TAIL("conv3d_transpose layer", build_transpose_layer, R(1, 2, 2, 2, 2), R(3, 2, 3, 3, 2), R(3), 212, 111, 0, 1, 0,
         101001),
    {.name = NULL},
};
