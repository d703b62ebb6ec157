/* Pooling over windows of NHWC images; vectors run along the channels. The taps of a window that lie in the
 * padding don't count as values; an average may count them in its divisor. The first maximum of a window, row by
 * row, is its winner. */
#include <math.h>
#include "kernels/tile.h"

#define CHANNEL_VECTORS 4 /* channels that overlapping gradients are dealt out by */

/* The taps of a window that are inside the image */
typedef struct window {
    int64_t y, x; /* of the first */
    int64_t rows, columns;
} window;

static void clip(int64_t start, int64_t taps, int64_t size, int64_t *first, int64_t *count)
{
    int64_t end = min(start + taps, size);
    *first = max(start, 0);
    *count = max(end - *first, 0);
}

static window find_window(const moru_pool2d *g, int64_t oy, int64_t ox)
{
    window w;
    clip(oy * g->sh - g->top, g->kh, g->h, &w.y, &w.rows);
    clip(ox * g->sw - g->left, g->kw, g->w, &w.x, &w.columns);
    return w;
}

static bool is_quad(const window *w)
{
    return w->rows == 2 && w->columns == 2;
}

/* The larger one; NaN stays */
KERNEL_INLINE vec larger(vec v, vec most)
{
    return vec_select((v > most) | (v != v), v, most);
}

/* y[0..c) of one window; x is its first tap inside */
KERNEL_INLINE void max_window(const moru_real *x, int64_t rows, int64_t columns, int64_t row_step, int64_t c,
                              moru_real *y)
{
    for (int64_t k = 0; k < c; k += LANES) {
        int64_t n = min(LANES, c - k);
        vec most = vec_set(-(moru_real)INFINITY);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++)
                most = larger(vec_load_part(x + i * row_step + j * c + k, n), most);
        vec_store_part(y + k, most, n);
    }
}

void MORU_KERNEL(max_pool2d)(const moru_pool2d *g, const moru_real *x, moru_real *y, int threads)
{
    int64_t rows = g->n * g->oh, row_step = g->w * g->c;
    threads = kernel_threads(rows * g->ow * g->c * g->kh * g->kw, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++) {
        const moru_real *image = x + r / g->oh * g->h * row_step;
        moru_real *out = y + r * g->ow * g->c;
        for (int64_t ox = 0; ox < g->ow; ox++, out += g->c) {
            window w = find_window(g, r % g->oh, ox);
            const moru_real *from = image + w.y * row_step + w.x * g->c;
            if (is_quad(&w))
                max_window(from, 2, 2, row_step, g->c, out);
            else
                max_window(from, w.rows, w.columns, row_step, g->c, out);
        }
    });
}

/* Channels [c0, c1) of one window: dx (+)= dy at the winner */
KERNEL_INLINE void max_window_grad(const moru_real *x, int64_t rows, int64_t columns, int64_t row_step, int64_t c,
                                   int64_t c0, int64_t c1, const moru_real *y, const moru_real *dy, moru_real *dx,
                                   bool accumulate)
{
    for (int64_t k = c0; k < c1; k += LANES) {
        int64_t n = min(LANES, c1 - k);
        vec most = vec_load_part(y + k, n), rest = vec_load_part(dy + k, n);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                int64_t at = i * row_step + j * c + k;
                ivec loses = vec_load_part(x + at, n) < most;
                vec won = vec_select(loses, vec_zero(), rest);
                rest = vec_select(loses, rest, vec_zero());
                vec_store_part(dx + at, accumulate ? vec_load_part(dx + at, n) + won : won, n);
            }
    }
}

/* Windows side by side that never leave the image: every pixel has at most one. */
static bool is_tiling(const moru_pool2d *g)
{
    return g->kh == g->sh && g->kw == g->sw && g->top == 0 && g->left == 0 && g->oh * g->sh <= g->h &&
           g->ow * g->sw <= g->w;
}

/* Output row r: all that lies below it in dx, up to the next one's windows or the image's end */
static void max_tiling_row(const moru_pool2d *g, const moru_real *dy, const moru_real *x, const moru_real *y,
                           moru_real *dx, int64_t r)
{
    int64_t row_step = g->w * g->c, oy = r % g->oh, top = (r / g->oh * g->h + oy * g->sh) * row_step;
    for (int64_t ox = 0; ox < g->ow; ox++) {
        int64_t at = top + ox * g->sw * g->c, out = (r * g->ow + ox) * g->c;
        if (g->kh == 2 && g->kw == 2)
            max_window_grad(x + at, 2, 2, row_step, g->c, 0, g->c, y + out, dy + out, dx + at, false);
        else
            max_window_grad(x + at, g->kh, g->kw, row_step, g->c, 0, g->c, y + out, dy + out, dx + at, false);
    }
    int64_t covered = g->ow * g->sw * g->c;
    for (int64_t i = 0; i < g->kh; i++)
        memset(dx + top + i * row_step + covered, 0, (size_t)(row_step - covered) * sizeof(moru_real));
    if (oy == g->oh - 1)
        memset(dx + top + g->kh * row_step, 0, (size_t)((g->h - g->oh * g->sh) * row_step) * sizeof(moru_real));
}

/* A block of channels of one image, windows overlapping in any way */
static void max_overlapping(const moru_pool2d *g, const moru_real *dy, const moru_real *x, const moru_real *y,
                            moru_real *dx, int64_t image, int64_t c0, int64_t c1)
{
    int64_t row_step = g->w * g->c;
    for (int64_t p = image * g->h * g->w; p < (image + 1) * g->h * g->w; p++)
        memset(dx + p * g->c + c0, 0, (size_t)(c1 - c0) * sizeof(moru_real));
    for (int64_t oy = 0; oy < g->oh; oy++)
        for (int64_t ox = 0; ox < g->ow; ox++) {
            window w = find_window(g, oy, ox);
            int64_t at = (image * g->h + w.y) * row_step + w.x * g->c, out = ((image * g->oh + oy) * g->ow + ox) * g->c;
            max_window_grad(x + at, w.rows, w.columns, row_step, g->c, c0, c1, y + out, dy + out, dx + at, true);
        }
}

void MORU_KERNEL(max_pool2d_grad)(const moru_pool2d *g, const moru_real *dy, const moru_real *x, const moru_real *y,
                                  moru_real *dx, int threads)
{
    if (g->oh * g->ow == 0) {
        memset(dx, 0, (size_t)(g->n * g->h * g->w * g->c) * sizeof(moru_real));
        return;
    }
    threads = kernel_threads(g->n * g->oh * g->ow * g->c * g->kh * g->kw, threads);
    if (is_tiling(g)) {
        int64_t rows = g->n * g->oh;
        PARALLEL(threads, for (int64_t r = 0; r < rows; r++)
            max_tiling_row(g, dy, x, y, dx, r));
        return;
    }
    int64_t width = CHANNEL_VECTORS * LANES, blocks = (g->c + width - 1) / width, tasks = g->n * blocks;
    PARALLEL(threads, for (int64_t t = 0; t < tasks; t++)
        max_overlapping(g, dy, x, y, dx, t / blocks, t % blocks * width, min(g->c, (t % blocks + 1) * width)));
}

void MORU_KERNEL(max_pool2d_pick)(const moru_pool2d *g, const moru_real *ddx, const moru_real *x, const moru_real *y,
                                  moru_real *out, int threads)
{
    int64_t rows = g->n * g->oh, row_step = g->w * g->c;
    threads = kernel_threads(rows * g->ow * g->c * g->kh * g->kw, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++)
        for (int64_t ox = 0; ox < g->ow; ox++) {
            window w = find_window(g, r % g->oh, ox);
            int64_t first = (r / g->oh * g->h + w.y) * row_step + w.x * g->c, to = (r * g->ow + ox) * g->c;
            for (int64_t k = 0; k < g->c; k += LANES) {
                int64_t n = min(LANES, g->c - k);
                vec most = vec_load_part(y + to + k, n), sum = vec_zero();
                ivec open = ivec_set(-1);
                for (int64_t i = 0; i < w.rows; i++)
                    for (int64_t j = 0; j < w.columns; j++) {
                        int64_t at = first + i * row_step + j * g->c + k;
                        ivec loses = vec_load_part(x + at, n) < most;
                        sum = vec_select(open & ~loses, vec_load_part(ddx + at, n), sum);
                        open &= loses;
                    }
                vec_store_part(out + to + k, sum, n);
            }
        });
}

static moru_real share(const moru_pool2d *g, const window *w)
{
    int64_t count = g->count_padding ? g->kh * g->kw : w->rows * w->columns;
    return count ? 1 / (moru_real)count : 0;
}

void MORU_KERNEL(avg_pool2d)(const moru_pool2d *g, const moru_real *x, moru_real *y, int threads)
{
    int64_t rows = g->n * g->oh, row_step = g->w * g->c;
    threads = kernel_threads(rows * g->ow * g->c * g->kh * g->kw, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++)
        for (int64_t ox = 0; ox < g->ow; ox++) {
            window w = find_window(g, r % g->oh, ox);
            const moru_real *from = x + (r / g->oh * g->h + w.y) * row_step + w.x * g->c;
            moru_real *out = y + (r * g->ow + ox) * g->c;
            vec scale = vec_set(share(g, &w));
            for (int64_t k = 0; k < g->c; k += LANES) {
                int64_t n = min(LANES, g->c - k);
                vec sum = vec_zero();
                for (int64_t i = 0; i < w.rows; i++)
                    for (int64_t j = 0; j < w.columns; j++)
                        sum += vec_load_part(from + i * row_step + j * g->c + k, n);
                vec_store_part(out + k, sum * scale, n);
            }
        });
}

/* dx of one row gets dy of output row oy. */
static void avg_grad_row(const moru_pool2d *g, const moru_real *dy, int64_t oy, moru_real *dx)
{
    for (int64_t ox = 0; ox < g->ow; ox++, dy += g->c) {
        window w = find_window(g, oy, ox);
        vec scale = vec_set(share(g, &w));
        for (int64_t k = 0; k < g->c; k += LANES) {
            int64_t n = min(LANES, g->c - k);
            vec part = vec_load_part(dy + k, n) * scale;
            for (int64_t j = w.x; j < w.x + w.columns; j++)
                vec_store_part(dx + j * g->c + k, vec_load_part(dx + j * g->c + k, n) + part, n);
        }
    }
}

void MORU_KERNEL(avg_pool2d_grad)(const moru_pool2d *g, const moru_real *dy, moru_real *dx, int threads)
{
    int64_t rows = g->n * g->h, row_step = g->w * g->c;
    threads = kernel_threads(rows * row_step + g->n * g->oh * g->ow * g->c * g->kh * g->kw, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++) {
        moru_real *to = dx + r * row_step;
        memset(to, 0, (size_t)row_step * sizeof(moru_real));
        /* output rows whose windows hold this one: oy sh <= y < oy sh + kh */
        int64_t y = r % g->h + g->top;
        int64_t first = y >= g->kh ? (y - g->kh) / g->sh + 1 : 0, end = min(y / g->sh + 1, g->oh);
        for (int64_t oy = first; oy < end; oy++)
            avg_grad_row(g, dy + (r / g->h * g->oh + oy) * g->ow * g->c, oy, to);
    });
}
