/* Weighted sums of neighbours along one axis, and their transpose: resizing, padding by reflection, adaptive means. */
#include "kernels/kernel.h"

#define BLOCK 1024 /* columns that gradients are dealt out by */

/* y[0..n) = sum over k of w[k] x[k inner + 0..n) */
KERNEL_INLINE void weighted(const moru_real *x, int64_t inner, const moru_real *w, int64_t count, int64_t n,
                            moru_real *y)
{
    for (int64_t c = 0; c < n; c += LANES) {
        int64_t part = n - c < LANES ? n - c : LANES;
        vec sum = vec_zero();
        for (int64_t k = 0; k < count; k++)
            sum += w[k] * vec_load_part(x + k * inner + c, part);
        vec_store_part(y + c, sum, part);
    }
}

/* The same where there are too few columns for vectors. */
KERNEL_INLINE void weighted_few(const moru_real *x, int64_t inner, const moru_real *w, int64_t count, moru_real *y)
{
    for (int64_t c = 0; c < inner; c++) {
        moru_real sum = 0;
        for (int64_t k = 0; k < count; k++)
            sum += w[k] * x[k * inner + c];
        y[c] = sum;
    }
}

void MORU_KERNEL(resample)(const moru_taps *t, const moru_real *x, int64_t outer, int64_t size, int64_t inner,
                           moru_real *y, int threads)
{
    int64_t rows = outer * t->n;
    threads = kernel_threads(rows * inner * t->width, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++) {
        int64_t i = r % t->n, count = t->count[i];
        const moru_real *w = t->weights + i * t->width, *from = x + (r / t->n * size + t->first[i]) * inner;
        if (count == 1 && w[0] == 1)
            memcpy(y + r * inner, from, (size_t)inner * sizeof *y);
        else if (inner < LANES / 2)
            weighted_few(from, inner, w, count, y + r * inner);
        else
            weighted(from, inner, w, count, inner, y + r * inner);
    });
}

/* Columns [c0, c1) of one of `outer`: each sum is one thread's, in order of i. */
static void resample_grad_part(const moru_taps *t, const moru_real *dy, int64_t size, int64_t inner, int64_t c0,
                               int64_t c1, moru_real *dx)
{
    for (int64_t j = 0; j < size; j++)
        memset(dx + j * inner + c0, 0, (size_t)(c1 - c0) * sizeof *dx);
    for (int64_t i = 0; i < t->n; i++)
        for (int64_t k = 0; k < t->count[i]; k++) {
            moru_real w = t->weights[i * t->width + k];
            const moru_real *from = dy + i * inner;
            moru_real *to = dx + (t->first[i] + k) * inner;
            for (int64_t c = c0; c < c1; c++)
                to[c] += w * from[c];
        }
}

void MORU_KERNEL(resample_grad)(const moru_taps *t, const moru_real *dy, int64_t outer, int64_t size, int64_t inner,
                                moru_real *dx, int threads)
{
    int64_t blocks = (inner + BLOCK - 1) / BLOCK, tasks = outer * blocks;
    threads = kernel_threads(outer * (t->n * t->width + size) * inner, threads);
    PARALLEL(threads, for (int64_t task = 0; task < tasks; task++) {
        int64_t o = task / blocks, c0 = task % blocks * BLOCK, c1 = c0 + BLOCK < inner ? c0 + BLOCK : inner;
        resample_grad_part(t, dy + o * t->n * inner, size, inner, c0, c1, dx + o * size * inner);
    });
}
