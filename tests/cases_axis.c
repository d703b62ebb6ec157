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
    {.name = NULL},
};
