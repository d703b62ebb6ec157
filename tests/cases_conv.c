/* Gradient check of convolution and pooling. n: strides, dilation, groups, padding, and explicit pads as the digits
 * top bottom left right. Of pooling: size, strides, padding, pads, counting. */
#include "kernels/kernels.h"
#include "ops/conv.h"
#include "ops/pool.h"
#include "tests/gradcheck.h"

static void pads_of(int64_t digits, int64_t *pads)
{
    for (int i = 3; i >= 0; i--, digits /= 10)
        pads[i] = digits % 10;
}

static moru_node *build_conv2d(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    moru_conv2d_attrs attrs = {.strides = {c->n[0], c->n[1]}, .dilation = {c->n[2], c->n[3]}, .groups = c->n[4],
                               .padding = (moru_padding)c->n[5]};
    pads_of(c->n[6], attrs.pads);
    return moru_conv2d_op(x[0], x[1], &attrs);
}

/* What the fusing pass makes one call of. */
static moru_node *build_layer(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    return moru_tanh(moru_add(build_conv2d(graph, x, c), x[2]));
}

/* A call that has a bias and an activation from the start. */
static moru_node *build_fused(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_conv_op_attrs attrs = {.strides = {c->n[0], c->n[1]}, .dilation = {c->n[2], c->n[3]}, .groups = c->n[4],
                                .padding = c->n[5]};
    attrs.epilogue.has_bias = 1;
    attrs.epilogue.activation = 1 + MORU_UNARY_leaky_relu;
    attrs.epilogue.params[0] = 0.2;
    return moru_apply_op(graph, &moru_op_conv2d, x, 3, &attrs);
}

static moru_node *build_transpose(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    (void)graph;
    moru_conv2d_transpose_attrs attrs = {.strides = {c->n[0], c->n[1]}, .dilation = {c->n[2], c->n[3]},
                                         .groups = c->n[4], .output_padding = {c->n[5] / 10, c->n[5] % 10}};
    pads_of(c->n[6], attrs.pads);
    return moru_conv2d_transpose_op(x[0], x[1], &attrs);
}

/* What the fusing pass makes one call of. */
static moru_node *build_transpose_layer(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    return moru_tanh(moru_add(build_transpose(graph, x, c), x[2]));
}

/* By Winograd also where that is slower. n: bias and activation, padding, pads. */
static moru_node *build_winograd(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_conv_op_attrs attrs = {.strides = {1, 1}, .dilation = {1, 1}, .groups = 1, .padding = c->n[1],
                                .method = MORU_CONV_WINOGRAD};
    pads_of(c->n[2], attrs.pads);
    attrs.epilogue.has_bias = c->n[0] != 0;
    attrs.epilogue.activation = c->n[0] ? 1 + MORU_UNARY_tanh : 0;
    return moru_apply_op(graph, &moru_op_conv2d, x, c->n[0] ? 3 : 2, &attrs);
}

#define POOL(function) \
    static moru_node *build_##function(moru_graph *graph, moru_node *const *x, const gradcheck_case *c) \
    { \
        (void)graph; \
        moru_pool2d_attrs attrs = {.size = {c->n[0], c->n[1]}, .strides = {c->n[2], c->n[3]}, \
                                   .padding = (moru_padding)c->n[4], .count_padding = (int32_t)c->n[6]}; \
        pads_of(c->n[5], attrs.pads); \
        return moru_##function(x[0], &attrs); \
    }
POOL(max_pool2d)
POOL(avg_pool2d)

/* What only gradients of gradients hold, as a value of its own: x[1] where each window's largest x[0] is. */
static moru_node *build_pick(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)
{
    moru_pool2d_op_attrs attrs = {.size = {c->n[0], c->n[1]}, .strides = {c->n[2], c->n[3]}, .padding = c->n[4]};
    moru_node *in[] = {x[1], x[0], build_max_pool2d(graph, x, c)};
    return moru_apply_named(graph, "max_pool2d_pick", in, 3, &attrs);
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define CONV(name_, x, w, ...) {.name = "conv2d/" name_, .build = build_conv2d, .n = {__VA_ARGS__}, .in = {x, w}}
#define TRANSPOSE(name_, x, w, ...) \
    {.name = "conv2d_transpose/" name_, .build = build_transpose, .n = {__VA_ARGS__}, .in = {x, w}}
#define TAIL(name_, build_, x, w, b, ...) {.name = name_, .build = build_, .n = {__VA_ARGS__}, .in = {x, w, b}}
#define WINOGRAD(name_, x, w, ...) \
    {.name = "winograd/" name_, .build = build_winograd, .n = {0, __VA_ARGS__}, .in = {x, w}}
#define MAX(name_, x, ...) \
    {.name = "max_pool2d/" name_, .build = build_max_pool2d, .n = {__VA_ARGS__}, .in = {x}, .flags = GRADCHECK_DISTINCT}
#define AVG(name_, x, ...) {.name = "avg_pool2d/" name_, .build = build_avg_pool2d, .n = {__VA_ARGS__}, .in = {x}}

const gradcheck_case gradcheck_cases_conv[] = {
    CONV("defaults", R(2, 4, 5, 2), R(3, 3, 2, 3), 0),
    CONV("one by one", R(1, 3, 2, 3), R(1, 1, 3, 2), 1, 1),
    CONV("one by one, strides", R(1, 4, 5, 2), R(1, 1, 2, 2), 2, 3),
    CONV("one pixel", R(1, 1, 1, 1), R(1, 1, 1, 1), 1, 1),
    CONV("the whole image", R(2, 3, 4, 2), R(3, 4, 2, 3), 1, 1),
    CONV("even kernel", R(1, 4, 5, 1), R(2, 4, 1, 2), 1, 1),
    CONV("strides", R(1, 6, 7, 2), R(3, 2, 2, 2), 2, 3),
    CONV("strides beyond the kernel", R(1, 7, 6, 1), R(2, 1, 1, 2), 3, 2),
    CONV("dilation", R(1, 6, 7, 1), R(2, 3, 1, 2), 1, 1, 3, 2),
    CONV("strides and dilation", R(1, 7, 7, 1), R(2, 3, 1, 2), 2, 2, 2, 3),
    CONV("same", R(1, 4, 5, 2), R(3, 3, 2, 2), 1, 1, 1, 1, 1, MORU_SAME),
    CONV("same, even kernel", R(1, 4, 5, 1), R(2, 4, 1, 2), 1, 1, 1, 1, 1, MORU_SAME),
    CONV("same, strides", R(1, 5, 6, 1), R(3, 5, 1, 2), 2, 3, 1, 1, 1, MORU_SAME),
    CONV("same, strides beyond the kernel", R(1, 5, 7, 1), R(1, 2, 1, 2), 3, 4, 1, 1, 1, MORU_SAME),
    CONV("same, dilation", R(1, 4, 5, 1), R(3, 2, 1, 2), 1, 1, 2, 3, 1, MORU_SAME),
    CONV("same, kernel beyond the image", R(1, 2, 3, 1), R(5, 7, 1, 2), 1, 1, 1, 1, 1, MORU_SAME),
    CONV("explicit", R(1, 3, 4, 2), R(3, 2, 2, 2), 1, 1, 1, 1, 1, MORU_EXPLICIT, 1203),
    CONV("explicit, strides and dilation", R(1, 4, 4, 1), R(2, 3, 1, 2), 2, 3, 2, 1, 1, MORU_EXPLICIT, 2130),
    CONV("explicit, wider than the kernel", R(1, 2, 2, 1), R(2, 2, 1, 1), 1, 1, 1, 1, 1, MORU_EXPLICIT, 3003),
    CONV("groups", R(1, 4, 4, 4), R(3, 2, 2, 6), 1, 1, 1, 1, 2, MORU_SAME),
    CONV("groups, strides and dilation", R(1, 6, 5, 6), R(2, 2, 2, 3), 2, 1, 2, 2, 3),
    CONV("depthwise", R(1, 4, 5, 3), R(3, 3, 1, 3), 1, 1, 1, 1, 3, MORU_SAME),
    CONV("depthwise, two filters each", R(2, 4, 3, 2), R(2, 3, 1, 4), 1, 2, 1, 1, 2),
    CONV("one by one, groups", R(1, 2, 3, 4), R(1, 1, 2, 2), 1, 1, 1, 1, 2),
    CONV("no images", R(0, 4, 4, 2), R(3, 3, 2, 2), 1, 1),
    CONV("no filters", R(1, 4, 4, 2), R(3, 3, 2, 0), 1, 1),
    CONV("no channels", R(1, 4, 4, 0), R(3, 3, 0, 2), 1, 1),
    CONV("no rows, same", R(1, 0, 4, 2), R(3, 3, 2, 2), 1, 1, 1, 1, 1, MORU_SAME),
    TAIL("conv2d layer", build_layer, R(2, 4, 4, 2), R(3, 3, 2, 3), R(3), 1, 1, 1, 1, 1, MORU_SAME),
    TAIL("conv2d/bias and activation", build_fused, R(1, 4, 5, 2), R(2, 3, 2, 3), R(3), 1, 2, 1, 1, 1),
    TRANSPOSE("defaults", R(2, 3, 4, 2), R(3, 2, 3, 2), 0),
    TRANSPOSE("one pixel", R(1, 1, 1, 1), R(1, 1, 1, 1), 1, 1),
    TRANSPOSE("strides", R(1, 3, 2, 2), R(4, 3, 2, 2), 2, 3),
    TRANSPOSE("strides beyond the kernel, output padding", R(1, 2, 3, 2), R(2, 1, 1, 2), 3, 4, 1, 1, 1, 23),
    TRANSPOSE("cut", R(1, 3, 3, 2), R(4, 5, 1, 2), 2, 2, 1, 1, 1, 1, 1212),
    TRANSPOSE("dilation", R(1, 3, 2, 2), R(2, 3, 2, 2), 1, 1, 2, 3, 1, 0, 101),
    TRANSPOSE("groups, dilation, strides", R(1, 2, 3, 4), R(2, 2, 3, 4), 2, 1, 1, 2, 2, 10),
    TRANSPOSE("depthwise", R(1, 3, 2, 3), R(3, 2, 1, 3), 2, 1, 1, 1, 3),
    TRANSPOSE("no images", R(0, 3, 2, 2), R(3, 2, 3, 2), 2, 2),
    TAIL("conv2d_transpose layer", build_transpose_layer, R(2, 3, 3, 2), R(4, 4, 3, 2), R(3), 2, 2, 1, 1, 1, 0, 1111),
    WINOGRAD("one tile", R(1, 6, 6, 1), R(3, 3, 1, 2), 0),
    WINOGRAD("one pixel", R(2, 1, 1, 2), R(3, 3, 2, 1), MORU_SAME),
    WINOGRAD("same, odd sizes", R(2, 5, 7, 2), R(3, 3, 2, 3), MORU_SAME),
    WINOGRAD("explicit", R(1, 3, 4, 2), R(3, 3, 2, 2), MORU_EXPLICIT, 1203),
    WINOGRAD("explicit, wider than the kernel", R(1, 2, 2, 1), R(3, 3, 1, 1), MORU_EXPLICIT, 4035),
    TAIL("winograd/bias and activation", build_winograd, R(1, 5, 4, 2), R(3, 3, 2, 3), R(3), 1, MORU_SAME),

    MAX("halves", R(2, 4, 6, 2), 2, 2),
    MAX("rest left over", R(1, 5, 7, 1), 2, 3),
    MAX("overlapping", R(1, 5, 6, 2), 3, 2, 2, 1),
    MAX("gaps", R(1, 7, 5, 1), 2, 1, 3, 2),
    MAX("same", R(1, 5, 6, 1), 3, 2, 2, 3, MORU_SAME),
    MAX("same, stride 1", R(1, 4, 3, 2), 3, 3, 1, 1, MORU_SAME),
    MAX("explicit", R(1, 4, 5, 1), 3, 3, 2, 2, MORU_EXPLICIT, 1202),
    MAX("one cell", R(1, 3, 3, 2), 1, 1, 2, 2),
    MAX("whole image", R(2, 3, 4, 3), 3, 4),
    {.name = "max_pool2d_pick", .build = build_pick, .n = {3, 2, 2, 1, MORU_SAME}, .in = {R(1, 5, 4, 2), R(1, 5, 4, 2)},
     .flags = GRADCHECK_DISTINCT},
    MAX("no images", R(0, 4, 4, 1), 2, 2),

    AVG("halves", R(2, 4, 6, 2), 2, 2),
    AVG("rest left over", R(1, 5, 7, 1), 2, 3),
    AVG("overlapping", R(1, 5, 6, 2), 3, 2, 2, 1),
    AVG("gaps", R(1, 7, 5, 1), 2, 1, 3, 2),
    AVG("same", R(1, 5, 6, 1), 3, 2, 2, 3, MORU_SAME),
    AVG("same, stride 1", R(1, 4, 3, 2), 3, 3, 1, 1, MORU_SAME),
    AVG("same, padding counts", R(1, 4, 3, 2), 3, 3, 1, 1, MORU_SAME, 0, 1),
    AVG("explicit", R(1, 4, 5, 1), 3, 3, 2, 2, MORU_EXPLICIT, 1202),
    AVG("explicit, padding counts", R(1, 4, 5, 1), 3, 3, 2, 2, MORU_EXPLICIT, 1202, 1),
    AVG("whole image", R(2, 3, 4, 3), 3, 4),
    AVG("no channels", R(1, 4, 4, 0), 2, 2),
    {.name = NULL},
};
