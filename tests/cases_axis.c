/* Gradient check of ops that work along an axis. What n holds stands at each builder. */
#include "tests/gradcheck.h"

#define BUILD(op) static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)

/* n: height, width, interpolation, antialias */
BUILD(resize)
{
    (void)graph;
    return moru_resize2d(x[0], c->n[0], c->n[1], (moru_interpolation)c->n[2], c->n[3] != 0);
}

/* n: rows, columns, interpolation */
BUILD(upsample)
{
    (void)graph;
    return moru_upsample2d(x[0], c->n[0], c->n[1], (moru_interpolation)c->n[2]);
}

/* n: height, width */
BUILD(adaptive_avg)
{
    (void)graph;
    return moru_adaptive_avg_pool2d(x[0], c->n[0], c->n[1]);
}

/* n: three before, three after, mode */
BUILD(pad_with)
{
    (void)graph;
    return moru_pad_with(x[0], &c->n[0], &c->n[3], (moru_pad_mode)c->n[6]);
}

/* n: times, axis */
BUILD(repeat)
{
    (void)graph;
    return moru_repeat(x[0], c->n[0], (int)c->n[1]);
}

/* n: axis */
BUILD(take_along)
{
    (void)graph;
    return moru_take_along_axis(x[0], x[1], (int)c->n[0]);
}

BUILD(scatter_add)
{
    (void)graph;
    return moru_scatter_add(x[0], x[1], x[2], (int)c->n[0]);
}

/* n: axis, whether descending */
BUILD(sorted)
{
    (void)graph;
    return moru_sort(x[0], (int)c->n[0], c->n[1] != 0);
}

/* n: k, axis */
BUILD(largest)
{
    (void)graph;
    return moru_top_k(x[0], c->n[0], (int)c->n[1], NULL);
}

/* n: axis, whether reverse */
BUILD(sums)
{
    (void)graph;
    return moru_cumsum(x[0], (int)c->n[0], c->n[1] != 0);
}

BUILD(products)
{
    (void)graph;
    return moru_cumprod(x[0], (int)c->n[0], c->n[1] != 0);
}

/* n: which part, diagonal */
BUILD(part)
{
    (void)graph;
    return c->n[0] == 0 ? moru_tril(x[0], c->n[1]) : c->n[0] == 1 ? moru_triu(x[0], c->n[1]) :
           c->n[0] == 2 ? moru_diagonal(x[0], c->n[1]) : moru_diag(x[0]);
}

/* n: groups */
BUILD(group_norm)
{
    (void)graph;
    return moru_group_norm(x[0], x[1], x[2], c->n[0], 1e-3);
}

/* n: height, width */
BUILD(adaptive_max)
{
    (void)graph;
    return moru_adaptive_max_pool2d(x[0], c->n[0], c->n[1]);
}

/* The gradient of products, which has none of its own. */
BUILD(products_twice)
{
    moru_node *y = moru_cumprod(x[0], 0, false), *dx = NULL;
    (void)graph, (void)c;
    return moru_gradients_of(&y, &y, 1, x, 1, &dx) == MORU_OK ? dx : NULL;
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define X1(op, name_, x, ...) {.name = name_, .build = build_##op, .n = {__VA_ARGS__}, .in = {x}}

const gradcheck_case gradcheck_cases_axis[] = {
    X1(resize, "resize/nearest", R(2, 3, 4, 2), 5, 3, MORU_NEAREST),
    X1(resize, "resize/bilinear", R(1, 3, 4, 2), 7, 3, MORU_BILINEAR),
    X1(resize, "resize/bilinear of one", R(1, 1, 3, 1), 4, 1, MORU_BILINEAR),
    X1(resize, "resize/bicubic", R(1, 3, 5, 1), 4, 9, MORU_BICUBIC),
    X1(resize, "resize/lanczos3", R(1, 5, 4, 1), 3, 6, MORU_LANCZOS3),
    X1(resize, "resize/lanczos5", R(1, 4, 7, 1), 6, 5, MORU_LANCZOS5),
    X1(resize, "resize/antialias", R(1, 7, 5, 2), 3, 2, MORU_BILINEAR, 1),
    X1(resize, "resize/same", R(1, 2, 3, 1), 2, 3, MORU_BICUBIC),
    X1(resize, "resize/no images", R(0, 2, 3, 1), 3, 4, MORU_BILINEAR),
    X1(upsample, "upsample/nearest", R(2, 2, 3, 2), 2, 3, MORU_NEAREST),
    X1(upsample, "upsample/bilinear", R(1, 2, 3, 2), 2, 2, MORU_BILINEAR),
    X1(adaptive_avg, "adaptive_avg", R(1, 7, 5, 2), 3, 2),
    X1(adaptive_avg, "adaptive_avg/more than there are", R(1, 2, 3, 2), 5, 3),
    X1(pad_with, "pad_with/reflect", R(2, 3, 4), 1, 2, 0, 0, 1, 3, MORU_PAD_REFLECT),
    X1(pad_with, "pad_with/symmetric", R(2, 1, 4), 2, 0, 1, 0, 1, 4, MORU_PAD_SYMMETRIC),
    X1(pad_with, "pad_with/edge", R(2, 1, 4), 5, 0, 1, 0, 3, 9, MORU_PAD_EDGE),
    X1(pad_with, "pad_with/wrap", R(2, 1, 4), 2, 0, 1, 1, 1, 4, MORU_PAD_WRAP),
    X1(repeat, "repeat", R(2, 3, 2), 3, -2),
    {.name = "take_along_axis/last", .build = build_take_along, .n = {-1}, .in = {R(3, 5), GC_INT(0, 5, 3, 4)}},
    {.name = "take_along_axis/first", .build = build_take_along, .n = {0}, .in = {R(4, 5, 2), GC_INT(0, 4, 7, 3, 2)}},
    {.name = "take_along_axis/none", .build = build_take_along, .n = {0}, .in = {R(4, 3), GC_INT(0, 4, 0, 3)}},
    {.name = "scatter_add/first", .build = build_scatter_add, .n = {0}, .in = {R(4, 5), GC_INT(0, 4, 3, 5), R(3, 5)}},
    {.name = "scatter_add/last", .build = build_scatter_add, .n = {1}, .in = {R(2, 1), GC_INT(0, 1, 2, 6), R(2, 6)}},
    {.name = "sort/last", .build = build_sorted, .n = {-1}, .in = {R(3, 7)}, .flags = GRADCHECK_DISTINCT},
    {.name = "sort/middle", .build = build_sorted, .n = {1, 1}, .in = {R(2, 5, 3)}, .flags = GRADCHECK_DISTINCT},
    X1(sorted, "sort/one", R(4, 1), 1, 0),
    X1(sorted, "sort/none", R(0, 3), 1, 0),
    {.name = "top_k", .build = build_largest, .n = {2, 1}, .in = {R(3, 6)}, .flags = GRADCHECK_DISTINCT},
    X1(sums, "cumsum", R(3, 4, 2), 1, 0),
    X1(sums, "cumsum/reverse", R(5), 0, 1),
    X1(sums, "cumsum/none", R(2, 0), 1, 0),
    /* its gradient has none of its own */
    {.name = "cumprod", .build = build_products, .n = {1, 0}, .in = {R(2, 4, 3)}, .flags = GRADCHECK_FIRST_ORDER},
    {.name = "cumprod/reverse", .build = build_products, .n = {0, 1}, .in = {R(5)}, .flags = GRADCHECK_FIRST_ORDER},
    {.name = "cumprod/twice", .build = build_products_twice, .in = {R(4)}, .no_gradient_op = "cumprod_grad",
     .flags = GRADCHECK_NO_GRADIENT},
    X1(part, "band/tril", R(2, 4, 5), 0, -1),
    X1(part, "band/triu", R(5, 3), 1, 1),
    X1(part, "diagonal", R(2, 4, 5), 2, 1),
    X1(part, "diagonal/below", R(4, 3), 2, -2),
    X1(part, "diag", R(2, 3), 3),
    {.name = "group_norm", .build = build_group_norm, .n = {2}, .in = {R(2, 3, 2, 4), R(4), R(4)}, .tolerance = 1e-5},
    {.name = "adaptive_max", .build = build_adaptive_max, .n = {3, 2}, .in = {R(1, 7, 5, 2)},
     .flags = GRADCHECK_DISTINCT},
    {.name = NULL},
};
