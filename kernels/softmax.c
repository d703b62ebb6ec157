/* softmax(x)_i = exp(x_i - max x)/sum_j exp(x_j - max x), and its logarithm, along the middle of [outer,size,inner]. */
#include "kernels/softmax_row.h"

#define EXP_COST 4 /* elementary operations that an exp counts as */

KERNEL_INLINE vec load(const moru_real *p, int64_t lanes)
{
    return lanes == LANES ? vec_load(p) : vec_load_part(p, lanes);
}

KERNEL_INLINE void store(moru_real *p, vec v, int64_t lanes)
{
    if (lanes == LANES)
        vec_store(p, v);
    else
        vec_store_part(p, v, lanes);
}

static void softmax_row(bool log, const moru_real *x, int64_t n, moru_real *y)
{
    vec max = row_max(x, n);
    if (log) {
        vec shift = vec_log(row_exp_sum(x, n, max, NULL));
        ROW_MAP(y, x, n, v, (v - max) - shift)
    } else if (n <= LANES) {
        vec e = vec_exp(vec_load_part(x, n) - max);
        e = vec_where(vec_lane_numbers() < (moru_lane_int)n, e);
        vec_store_part(y, e * (R(1) / vec_fold_sum(e)), n);
    } else {
        vec scale = R(1) / row_exp_sum(x, n, max, y);
        ROW_MAP(y, y, n, e, e * scale)
    }
}

/* `lanes` columns side by side */
static void softmax_columns(bool log, const moru_real *x, int64_t size, int64_t inner, int64_t lanes, moru_real *y)
{
    vec max = vec_set(R(-INFINITY)), total = vec_zero();
    for (int64_t r = 0; r < size; r++)
        max = vec_max(load(x + r * inner, lanes), max);
    for (int64_t r = 0; r < size; r += 64) {
        vec block = vec_zero();
        for (int64_t k = r; k < size && k < r + 64; k++) {
            vec e = vec_exp(load(x + k * inner, lanes) - max);
            block += e;
            if (!log)
                store(y + k * inner, e, lanes);
        }
        total += block;
    }
    vec scale = R(1) / total, shift = log ? vec_log(total) : vec_zero();
    for (int64_t r = 0; r < size; r++) {
        vec v = load(log ? x + r * inner : y + r * inner, lanes);
        store(y + r * inner, log ? (v - max) - shift : v * scale, lanes);
    }
}

void MORU_KERNEL(softmax)(bool log, const moru_real *x, int64_t outer, int64_t size, int64_t inner, moru_real *y,
                          int threads)
{
    if (outer == 0 || size == 0 || inner == 0)
        return;
    int64_t strips = inner / LANES + (inner % LANES != 0);
    threads = kernel_threads(EXP_COST * outer * size * inner, threads);
    PARALLEL(threads, for (int64_t k = 0; k < outer * strips; k++) {
        int64_t j = k % strips * LANES, at = k / strips * size * inner + j;
        if (inner == 1)
            softmax_row(log, x + at, size, y + at);
        else
            softmax_columns(log, x + at, size, inner, inner - j < LANES ? inner - j : LANES, y + at);
    });
}

/* softmax: dx = y (dy - sum(dy y)); log: dx = dy - exp(y) sum(dy) */
KERNEL_INLINE vec slope(bool log, vec dy, vec y, vec total)
{
    return log ? dy - vec_exp(y) * total : y * (dy - total);
}

static void gradient_row(bool log, const moru_real *dy, const moru_real *y, int64_t n, moru_real *dx)
{
    vec total = vec_zero();
    for (int64_t i = 0; i < n;) {
        vec block = vec_zero();
        for (int k = 0; k < 64 && i < n; k++, i += LANES) {
            int64_t lanes = n - i < LANES ? n - i : LANES;
            vec d = load(dy + i, lanes);
            block += log ? d : d * load(y + i, lanes);
        }
        total += block;
    }
    total = vec_fold_sum(total);
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t lanes = n - i < LANES ? n - i : LANES;
        store(dx + i, slope(log, load(dy + i, lanes), load(y + i, lanes), total), lanes);
    }
}

static void gradient_columns(bool log, const moru_real *dy, const moru_real *y, int64_t size, int64_t inner,
                             int64_t lanes, moru_real *dx)
{
    vec total = vec_zero();
    for (int64_t r = 0; r < size; r += 64) {
        vec block = vec_zero();
        for (int64_t k = r; k < size && k < r + 64; k++) {
            vec d = load(dy + k * inner, lanes);
            block += log ? d : d * load(y + k * inner, lanes);
        }
        total += block;
    }
    for (int64_t r = 0; r < size * inner; r += inner)
        store(dx + r, slope(log, load(dy + r, lanes), load(y + r, lanes), total), lanes);
}

void MORU_KERNEL(softmax_grad)(bool log, const moru_real *dy, const moru_real *y, int64_t outer, int64_t size,
                               int64_t inner, moru_real *dx, int threads)
{
    if (outer == 0 || size == 0 || inner == 0)
        return;
    int64_t strips = inner / LANES + (inner % LANES != 0);
    threads = kernel_threads((log ? EXP_COST : 1) * outer * size * inner, threads);
    PARALLEL(threads, for (int64_t k = 0; k < outer * strips; k++) {
        int64_t j = k % strips * LANES, at = k / strips * size * inner + j;
        if (inner == 1)
            gradient_row(log, dy + at, y + at, size, dx + at);
        else
            gradient_columns(log, dy + at, y + at, size, inner, inner - j < LANES ? inner - j : LANES, dx + at);
    });
}
