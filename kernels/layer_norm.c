/* Layer normalization: each row of x[rows,width] by its own mean and deviation.
 *
 * A row is read three times and lies in the first-level cache after the first. Sums run over blocks of vectors, so that
 * long rows keep their accuracy. The gradients of gamma and beta are sums over rows: rows are dealt out to chunks by
 * their number alone, and the chunks' sums are added in order. */
#include "kernels/tile.h"
#include "kernels/vecmath.h"

#define BLOCK 64      /* vectors added up before they join the total */
#define MAX_CHUNKS 32
#define MIN_ROWS 8    /* of a chunk */

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

/* The rest of a row is zeros where it is loaded; there `expression` has to be 0, too, or is made so. */
#define ROW_SUM(total, width, i, lanes, mend, expression)                           \
    vec total = vec_zero();                                                         \
    for (int64_t i = 0; i < (width);) {                                             \
        vec block_ = vec_zero();                                                    \
        int64_t end_ = min((width) / LANES * LANES, i + BLOCK * LANES);             \
        for (const int64_t lanes = LANES; i < end_; i += LANES)                     \
            block_ += (expression);                                                 \
        if (i + LANES > (width) && i < (width)) {                                   \
            const int64_t lanes = (width) - i;                                      \
            vec last_ = (expression);                                               \
            block_ += (mend) ? vec_where(vec_lane_numbers() < (moru_lane_int)lanes, last_) : last_; \
            i = (width);                                                            \
        }                                                                           \
        total += block_;                                                            \
    }                                                                               \
    total = vec_fold_sum(total);

static void normalize_row(const moru_real *x, const moru_real *gamma, const moru_real *beta, int64_t width,
                          double epsilon, moru_real *y, moru_real *mean, moru_real *rstd)
{
    ROW_SUM(sum, width, i, lanes, false, load(x + i, lanes))
    vec m = sum / (moru_real)width;
    ROW_SUM(squares, width, i, lanes, true, (load(x + i, lanes) - m) * (load(x + i, lanes) - m))
    vec r = R(1) / vec_sqrt(squares / (moru_real)width + (moru_real)epsilon);
    for (int64_t i = 0; i < width; i += LANES) {
        int64_t lanes = min(width - i, LANES);
        vec v = (load(x + i, lanes) - m) * r;
        if (gamma)
            v *= load(gamma + i, lanes);
        if (beta)
            v += load(beta + i, lanes);
        store(y + i, v, lanes);
    }
    *mean = m[0];
    *rstd = r[0];
}

void MORU_KERNEL(layer_norm)(const moru_real *x, const moru_real *gamma, const moru_real *beta, int64_t rows,
                             int64_t width, double epsilon, moru_real *y, moru_real *mean, moru_real *rstd, int threads)
{
    threads = kernel_threads(rows * width, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++)
        normalize_row(x + r * width, gamma, beta, width, epsilon, y + r * width, mean + r, rstd + r));
}

/* ---- gradient ---- */

static int64_t chunk_count(int64_t rows)
{
    return max(min(rows / MIN_ROWS, MAX_CHUNKS), 1);
}

size_t MORU_KERNEL(layer_norm_grad_workspace)(int64_t rows, int64_t width, int threads)
{
    (void)threads;
    return (size_t)(2 * chunk_count(rows) * width) * sizeof(moru_real);
}

/* dx of one row; its terms of dgamma and dbeta are added to sums[0..width) and sums[width..2 width). */
static void row_gradient(const moru_real *dy, const moru_real *x, const moru_real *gamma, moru_real mean,
                         moru_real rstd, int64_t width, moru_real *dx, moru_real *sums)
{
    vec sum = vec_zero(), product = vec_zero();
    for (int64_t i = 0; i < width;) {
        vec sum_block = vec_zero(), product_block = vec_zero();
        for (int k = 0; k < BLOCK && i < width; k++, i += LANES) {
            int64_t lanes = min(width - i, LANES);
            vec d = load(dy + i, lanes), normal = (load(x + i, lanes) - mean) * rstd, term = d * normal;
            store(sums + i, load(sums + i, lanes) + term, lanes);
            store(sums + width + i, load(sums + width + i, lanes) + d, lanes);
            vec g = gamma ? load(gamma + i, lanes) : vec_set(1);
            sum_block += d * g;
            product_block += term * g;
        }
        sum += sum_block;
        product += product_block;
    }
    vec a = vec_fold_sum(sum) / (moru_real)width, b = vec_fold_sum(product) / (moru_real)width;
    for (int64_t i = 0; i < width; i += LANES) {
        int64_t lanes = min(width - i, LANES);
        vec d = load(dy + i, lanes), normal = (load(x + i, lanes) - mean) * rstd;
        if (gamma)
            d *= load(gamma + i, lanes);
        store(dx + i, (d - a - normal * b) * rstd, lanes);
    }
}

/* dx = rstd (d - mean(d) - n mean(d n)), d = dy gamma, n = (x - mean) rstd; dgamma = sum(dy n), dbeta = sum(dy) */
void MORU_KERNEL(layer_norm_grad)(const moru_real *dy, const moru_real *x, const moru_real *gamma,
                                  const moru_real *mean, const moru_real *rstd, int64_t rows, int64_t width,
                                  moru_real *dx, moru_real *dgamma, moru_real *dbeta, void *workspace, int threads)
{
    int64_t chunks = chunk_count(rows);
    moru_real *sums = workspace;
    threads = kernel_threads(rows * width, threads);
    PARALLEL(threads, for (int64_t c = 0; c < chunks; c++) {
        moru_real *own = sums + 2 * c * width;
        for (int64_t i = 0; i < 2 * width; i++)
            own[i] = 0;
        for (int64_t r = rows * c / chunks; r < rows * (c + 1) / chunks; r++)
            row_gradient(dy + r * width, x + r * width, gamma, mean[r], rstd[r], width, dx + r * width, own);
    });
    for (int64_t i = 0; i < width; i += LANES) {
        int64_t lanes = min(width - i, LANES);
        vec product = vec_zero(), sum = vec_zero();
        for (int64_t c = 0; c < chunks; c++) {
            product += load(sums + 2 * c * width + i, lanes);
            sum += load(sums + (2 * c + 1) * width + i, lanes);
        }
        store(dgamma + i, product, lanes);
        store(dbeta + i, sum, lanes);
    }
}
