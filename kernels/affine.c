/* Pictures transformed: pixel (i, j) of the output is read at a place of the input between pixels.
 *
 * The taps of a pixel are found once and serve all channels. One thread has a picture's whole gradient, so that sums
 * are in the order of the output's pixels; forward, threads share rows. */
#include <math.h>
#include "kernels/kernel.h"

/* Up to four pixels of the input; at -1 the fill value is read. */
typedef struct taps { int n; int64_t at[4]; moru_real weight[4]; } taps;

#define FAR ((moru_real)1e15) /* no place: beyond what indices and the fill modes' arithmetic can hold */

static moru_real floor_of(moru_real v)
{
    return (moru_real)floor((double)v);
}

static moru_real clamp(moru_real v, int64_t size)
{
    moru_real last = (moru_real)(size - 1);
    return v < 0 ? 0 : v > last ? last : v;
}

/* [dcba|abcd|dcba] */
static moru_real reflect(moru_real v, int64_t size)
{
    moru_real period = (moru_real)(2 * size);
    if (size <= 1)
        return 0;
    if (v < 0) {
        if (v < period)
            v = period * (moru_real)(int64_t)(-v / period) + v;
        v = v < (moru_real)-size ? v + period : -v - 1;
    } else if (v > (moru_real)(size - 1)) {
        v -= period * (moru_real)(int64_t)(v / period);
        if (v >= (moru_real)size)
            v = period - v - 1;
    }
    return clamp(v, size);
}

/* [abcd|abcd|abcd], TensorFlow's way: places between the last pixel and the first go to one of them. */
static moru_real wrap(moru_real v, int64_t size)
{
    moru_real all = (moru_real)size, last = (moru_real)(size - 1);
    if (size <= 1)
        return 0;
    if (v < 0)
        v += all * (moru_real)((int64_t)(-v / last) + 1);
    else if (v > last)
        v -= all * (moru_real)(int64_t)(v / last);
    return clamp(v, size);
}

static moru_real fill_place(int mode, moru_real v, int64_t size)
{
    switch (mode) {
    case MORU_AFFINE_REFLECT: return reflect(v, size);
    case MORU_AFFINE_WRAP: return wrap(v, size);
    case MORU_AFFINE_NEAREST: return clamp(v, size);
    default: return v;
    }
}

static int64_t pixel(const moru_affine *g, int64_t y, int64_t x)
{
    return y >= 0 && y < g->h && x >= 0 && x < g->w ? y * g->w + x : -1;
}

static taps find_taps(const moru_affine *g, const moru_real *t, int64_t i, int64_t j)
{
    moru_real ox = (moru_real)j, oy = (moru_real)i, k = t[6] * ox + t[7] * oy + 1;
    moru_real x = (t[0] * ox + t[1] * oy + t[2]) / k, y = (t[3] * ox + t[4] * oy + t[5]) / k;
    taps out = {.n = 1, .at = {-1}, .weight = {1}};
    if (k == 0 || !(x > -FAR && x < FAR && y > -FAR && y < FAR))
        return out;
    x = fill_place(g->fill_mode, x, g->w);
    y = fill_place(g->fill_mode, y, g->h);
    if (!g->bilinear) {
        out.at[0] = pixel(g, (int64_t)round((double)y), (int64_t)round((double)x));
        return out;
    }
    moru_real left = floor_of(x), top = floor_of(y), right = left + 1, bottom = top + 1;
    out.n = 4;
    for (int s = 0; s < 4; s++) {
        out.at[s] = pixel(g, (int64_t)top + s / 2, (int64_t)left + s % 2);
        out.weight[s] = (s / 2 ? y - top : bottom - y) * (s % 2 ? x - left : right - x);
    }
    return out;
}

static void read_row(const moru_affine *g, const moru_real *x, const moru_real *t, int64_t i, moru_real *y)
{
    for (int64_t j = 0; j < g->w; j++, y += g->c) {
        taps p = find_taps(g, t, i, j);
        for (int64_t c = 0; c < g->c; c++) {
            moru_real sum = 0;
            for (int s = 0; s < p.n; s++)
                sum += p.weight[s] * (p.at[s] < 0 ? (moru_real)g->fill : x[p.at[s] * g->c + c]);
            y[c] = sum;
        }
    }
}

/* Places and weights cost about as much as this many numbers. */
#define TAP_COST 16

void MORU_KERNEL(affine)(const moru_affine *g, const moru_real *x, const moru_real *transform, moru_real *y,
                         int threads)
{
    int64_t image = g->h * g->w * g->c;
    threads = kernel_threads(g->n * g->h * g->w * (g->c * 4 + TAP_COST), threads);
    PARALLEL(threads, for (int64_t r = 0; r < g->n * g->h; r++) {
        int64_t n = r / g->h;
        read_row(g, x + n * image, transform + (g->shared ? 0 : 8 * n), r % g->h, y + r * g->w * g->c);
    });
}

static void scatter_image(const moru_affine *g, const moru_real *dy, const moru_real *t, moru_real *dx)
{
    memset(dx, 0, (size_t)(g->h * g->w * g->c) * sizeof *dx);
    for (int64_t i = 0; i < g->h; i++)
        for (int64_t j = 0; j < g->w; j++, dy += g->c) {
            taps p = find_taps(g, t, i, j);
            for (int s = 0; s < p.n; s++)
                for (int64_t c = 0; p.at[s] >= 0 && c < g->c; c++)
                    dx[p.at[s] * g->c + c] += p.weight[s] * dy[c];
        }
}

void MORU_KERNEL(affine_grad)(const moru_affine *g, const moru_real *dy, const moru_real *transform, moru_real *dx,
                              int threads)
{
    int64_t image = g->h * g->w * g->c;
    threads = kernel_threads(g->n * g->h * g->w * (g->c * 4 + TAP_COST), threads);
    PARALLEL(threads, for (int64_t n = 0; n < g->n; n++)
        scatter_image(g, dy + n * image, transform + (g->shared ? 0 : 8 * n), dx + n * image));
}
