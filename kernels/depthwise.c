/* Convolution with one filter per channel, y[n,oy,ox,c] = act(bias[c] + sum over ky, kx of x[n,iy,ix,c]
 * w[ky,kx,c]), and its gradients. Vectors run along the channels; taps outside the image are left out of the
 * loops. */
#include "kernels/conv.h"

#define PIXELS 4 /* that share the load of a weight */
#define PARTS 16 /* partial sums of the gradient of the weights */

/* The i in [first, end) for which start + i step is inside [0, size), of those below count. */
static void inside(int64_t start, int64_t step, int64_t count, int64_t size, int64_t *first, int64_t *end)
{
    *first = start < 0 ? (-start + step - 1) / step : 0;
    *end = start < size ? min(count, (size - start + step - 1) / step) : 0;
}

/* n channels of `count` pixels side by side, from the tap rows [ky0, ky1) and tap columns [kx0, kx1); x is the first
 * pixel's tap (0, 0). */
KERNEL_INLINE void forward_pixels(const moru_conv2d *g, const moru_real *x, const moru_real *weight,
                                  const moru_real *bias, const int64_t *ky, const int64_t *kx, int64_t n, bool whole,
                                  const int count, moru_real *y)
{
    int64_t c = g->c, next = g->sw * c;
    vec sums[PIXELS];
#pragma GCC unroll 4
    for (int p = 0; p < count; p++)
        sums[p] = bias ? vec_load_part(bias, n) : vec_zero();
    for (int64_t i = ky[0]; i < ky[1]; i++) {
        const moru_real *from = x + (i * g->dh * g->w + kx[0] * g->dw) * c, *w = weight + (i * g->kw + kx[0]) * c;
        for (int64_t j = kx[0]; j < kx[1]; j++, from += g->dw * c, w += c) {
            vec f = whole ? vec_load(w) : vec_load_part(w, n);
#pragma GCC unroll 4
            for (int p = 0; p < count; p++)
                sums[p] += f * (whole ? vec_load(from + p * next) : vec_load_part(from + p * next, n));
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < count; p++)
        vec_store_part(y + p * c, sums[p], n);
}

static void forward_row(const moru_conv2d *g, const moru_real *x, const moru_real *weight, const moru_real *bias,
                        moru_real *y, int64_t oy)
{
    int64_t c = g->c, iy = oy * g->sh - g->top, ky[2], kx[2], all[2] = {0, g->kw}, inner = 0, inner_end = 0;
    inside(iy, g->dh, g->kh, g->h, &ky[0], &ky[1]);
    /* pixels whose taps are all inside the row */
    int64_t reach = (g->kw - 1) * g->dw;
    inside(-g->left, g->sw, g->ow, max(g->w - reach, 0), &inner, &inner_end);
    for (int64_t k = 0; k < c; k += LANES) {
        int64_t n = min(LANES, c - k);
        const moru_real *from = x + iy * g->w * c + k, *w = weight + k, *b = bias ? bias + k : NULL;
        for (int64_t ox = 0; ox < g->ow;) {
            int64_t ix = ox * g->sw - g->left;
            moru_real *to = y + ox * c + k;
            if (ox >= inner && ox + PIXELS <= inner_end) {
                if (n == LANES)
                    forward_pixels(g, from + ix * c, w, b, ky, all, n, true, PIXELS, to);
                else
                    forward_pixels(g, from + ix * c, w, b, ky, all, n, false, PIXELS, to);
                ox += PIXELS;
            } else {
                inside(ix, g->dw, g->kw, g->w, &kx[0], &kx[1]);
                forward_pixels(g, from + ix * c, w, b, ky, kx, n, false, 1, to);
                ox++;
            }
        }
    }
}

void MORU_KERNEL(depthwise)(const moru_conv2d *g, const moru_real *x, const moru_real *weight, const moru_real *bias,
                            int activation, const double *params, moru_real *y, int threads)
{
    int64_t rows = g->n * g->oh;
    threads = kernel_threads(rows * g->ow * g->c * (g->kh * g->kw + 1), threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++) {
        moru_real *out = y + r * g->ow * g->c;
        forward_row(g, x + r / g->oh * g->h * g->w * g->c, weight, bias, out, r % g->oh);
        if (activation)
            MORU_KERNEL(table).unary[activation - 1](out, out, g->ow * g->c, params);
    });
}

/* dx of row iy gets dy of output row oy through row ky of the kernel. */
static void grad_input_row(const moru_conv2d *g, const moru_real *dy, const moru_real *weight, moru_real *dx)
{
    int64_t c = g->c;
    for (int64_t kx = 0; kx < g->kw; kx++) {
        int64_t start = kx * g->dw - g->left, first, end;
        inside(start, g->sw, g->ow, g->w, &first, &end);
        const moru_real *w = weight + kx * c;
        for (int64_t ox = first; ox < end; ox++) {
            moru_real *to = dx + (start + ox * g->sw) * c;
            const moru_real *from = dy + ox * c;
            int64_t k = 0;
            for (; k + LANES <= c; k += LANES)
                vec_store(to + k, vec_load(to + k) + vec_load(from + k) * vec_load(w + k));
            if (k < c)
                vec_store_part(to + k, vec_load_part(to + k, c - k) +
                               vec_load_part(from + k, c - k) * vec_load_part(w + k, c - k), c - k);
        }
    }
}

void MORU_KERNEL(depthwise_grad_input)(const moru_conv2d *g, const moru_real *dy, const moru_real *weight,
                                       moru_real *dx, int threads)
{
    int64_t rows = g->n * g->h, dy_row = g->ow * g->c;
    threads = kernel_threads(g->n * g->oh * dy_row * g->kh * g->kw + rows * g->w * g->c, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++) {
        moru_real *out = dx + r * g->w * g->c;
        memset(out, 0, (size_t)(g->w * g->c) * sizeof(moru_real));
        for (int64_t ky = 0; ky < g->kh; ky++) {
            int64_t t = r % g->h + g->top - ky * g->dh;
            if (t >= 0 && t % g->sh == 0 && t / g->sh < g->oh)
                grad_input_row(g, dy + (r / g->h * g->oh + t / g->sh) * dy_row, weight + ky * g->kw * g->c, out);
        }
    });
}

/* dw[kx][c] += x dy of one row of each */
static void grad_weight_row(const moru_conv2d *g, const moru_real *dy, const moru_real *x, moru_real *dw)
{
    int64_t c = g->c;
    for (int64_t kx = 0; kx < g->kw; kx++) {
        int64_t start = kx * g->dw - g->left, first, end;
        inside(start, g->sw, g->ow, g->w, &first, &end);
        for (int64_t k = 0; k < c; k += LANES) {
            int64_t n = min(LANES, c - k), ox = first;
            const moru_real *a = x + start * c + k, *b = dy + k;
            vec s[2] = {vec_load_part(dw + kx * c + k, n), vec_zero()};
            if (n == LANES)
                for (; ox + 2 <= end; ox += 2) {
                    s[0] += vec_load(a + ox * g->sw * c) * vec_load(b + ox * c);
                    s[1] += vec_load(a + (ox + 1) * g->sw * c) * vec_load(b + (ox + 1) * c);
                }
            for (; ox < end; ox++)
                s[0] += vec_load_part(a + ox * g->sw * c, n) * vec_load_part(b + ox * c, n);
            vec_store_part(dw + kx * c + k, s[0] + s[1], n);
        }
    }
}

static int64_t grad_weight_parts(const moru_conv2d *g)
{
    return max(min(g->n * g->oh, PARTS), 1);
}

size_t MORU_KERNEL(depthwise_grad_weight_workspace)(const moru_conv2d *g)
{
    return (size_t)(grad_weight_parts(g) * g->kh * g->kw * g->c) * sizeof(moru_real);
}

void MORU_KERNEL(depthwise_grad_weight)(const moru_conv2d *g, const moru_real *dy, const moru_real *x,
                                        moru_real *dweight, void *workspace, int threads)
{
    int64_t rows = g->n * g->oh, parts = grad_weight_parts(g), size = g->kh * g->kw * g->c;
    threads = kernel_threads(rows * g->ow * size, threads);
    PARALLEL(threads, for (int64_t p = 0; p < parts; p++) {
        moru_real *dw = (moru_real *)workspace + p * size;
        memset(dw, 0, (size_t)size * sizeof(moru_real));
        for (int64_t r = rows * p / parts; r < rows * (p + 1) / parts; r++)
            for (int64_t ky = 0; ky < g->kh; ky++) {
                int64_t iy = r % g->oh * g->sh - g->top + ky * g->dh;
                if (iy >= 0 && iy < g->h)
                    grad_weight_row(g, dy + r * g->ow * g->c, x + (r / g->oh * g->h + iy) * g->w * g->c,
                                    dw + ky * g->kw * g->c);
            }
    });
    MORU_KERNEL(sum_parts)(workspace, parts, size, dweight, threads);
}
