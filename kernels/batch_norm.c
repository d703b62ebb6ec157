/* Batch normalization of x[rows,channels,inner] over rows and inner, channel by channel.
 *
  * x is cut into chunks whose size depends on the shape alone. Each chunk's mean and sum of squared deviations are
  * found in two passes while it lies in the first-level cache; the chunks are joined in double and in order. Channels
  * that come last (inner = 1) are vectors side by side, and when there are few of them, several rows are taken as one
  * wide one. */
#include "kernels/vecmath.h"

#define CHUNK_ROWS 128    /* wide rows */
#define WIDE 128          /* numbers in a wide row of few channels; columns worked on at a time */
#define CHUNK_INNER 16384 /* elements of a channel's plane */

typedef struct plan {
    int64_t rows, channels, inner;
    int64_t group;     /* rows in a wide one */
    int64_t chunks;    /* of whole wide rows, or all pieces of planes */
    int64_t left_over; /* rows too few for a wide one, a chunk of their own */
    int64_t pieces;    /* of a plane */
    int64_t blocks;    /* of channels in a chunk, worked on apart */
} plan;

static plan plan_of(int64_t rows, int64_t channels, int64_t inner)
{
    plan p = {rows, channels, inner, 1, 0, 0, 1, 0};
    if (rows == 0 || channels == 0 || inner == 0)
        return p;
    if (inner == 1) {
        p.group = channels <= WIDE / 2 ? WIDE / channels : 1;
        p.chunks = (rows / p.group + CHUNK_ROWS - 1) / CHUNK_ROWS;
        p.left_over = rows % p.group;
        p.blocks = (channels + WIDE - 1) / WIDE;
    } else {
        p.pieces = (inner + CHUNK_INNER - 1) / CHUNK_INNER;
        p.chunks = rows * p.pieces;
        p.blocks = channels;
    }
    return p;
}

static int64_t all_chunks(const plan *p)
{
    return p->chunks + (p->left_over > 0);
}

/* A chunk of a channels-last tensor: n rows of `group` times the channels. */
typedef struct chunk { int64_t start, n, group; } chunk;

static chunk chunk_of(const plan *p, int64_t k)
{
    if (k == p->chunks)
        return (chunk){p->rows - p->left_over, p->left_over, 1};
    int64_t wide = p->rows / p->group, first = k * CHUNK_ROWS;
    return (chunk){first * p->group, wide - first < CHUNK_ROWS ? wide - first : CHUNK_ROWS, p->group};
}

/* Elements that chunk k holds of each channel. */
static int64_t chunk_count(const plan *p, int64_t k)
{
    if (p->inner == 1) {
        chunk c = chunk_of(p, k);
        return c.n * c.group;
    }
    int64_t start = k % p->pieces * CHUNK_INNER;
    return p->inner - start < CHUNK_INNER ? p->inner - start : CHUNK_INNER;
}

/* Two sums of every chunk and channel: first[chunks][channels], second after it. */
size_t MORU_KERNEL(batch_norm_workspace)(int64_t rows, int64_t channels, int64_t inner, int threads)
{
    (void)threads;
    plan p = plan_of(rows, channels, inner);
    return 2 * sizeof(double) * (size_t)all_chunks(&p) * (size_t)channels;
}

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

/* The body for j = 0, ... in strips of 4 vectors, then of one, the last one of fewer lanes. */
#define FOR_STRIPS(strip, width, ...)                                   \
    do {                                                                \
        int64_t j = 0;                                                  \
        for (; (width) - j >= 4 * LANES; j += 4 * LANES)                \
            strip(4, LANES, j, __VA_ARGS__);                            \
        for (; (width) - j >= LANES; j += LANES)                        \
            strip(1, LANES, j, __VA_ARGS__);                            \
        if (j < (width))                                                \
            strip(1, (width) - j, j, __VA_ARGS__);                      \
    } while (0)

/* Mean and sum of squared deviations of each column of x[n,stride]. The mean is means + shifts, the latter being what
 * the first pass lost to rounding. */
KERNEL_INLINE void moments_strip(const int V, int64_t lanes, int64_t j, const moru_real *x, int64_t n, int64_t stride,
                                 moru_real *means, moru_real *shifts, moru_real *squares)
{
    vec mean[4], sum[4], square[4];
    for (int v = 0; v < V; v++)
        mean[v] = sum[v] = square[v] = vec_zero();
    for (int64_t r = 0; r < n; r++)
        for (int v = 0; v < V; v++)
            mean[v] += load(x + r * stride + j + v * LANES, lanes);
    for (int v = 0; v < V; v++)
        mean[v] /= (moru_real)n;
    for (int64_t r = 0; r < n; r++)
        for (int v = 0; v < V; v++) {
            vec d = load(x + r * stride + j + v * LANES, lanes) - mean[v];
            sum[v] += d;
            square[v] += d * d;
        }
    for (int v = 0; v < V; v++) {
        vec shift = sum[v] / (moru_real)n;
        store(means + j + v * LANES, mean[v], lanes);
        store(shifts + j + v * LANES, shift, lanes);
        store(squares + j + v * LANES, square[v] - sum[v] * shift, lanes);
    }
}

/* Columns of a block that begins at `column`: all of a wide row, or WIDE channels. */
static int64_t columns_of(const plan *p, const chunk *c, int64_t column)
{
    int64_t width = c->group * p->channels;
    return width - column < WIDE ? width - column : WIDE;
}

static void moments_of_block(const plan *p, int64_t k, int64_t column, const moru_real *x, double *means,
                             double *squares)
{
    chunk c = chunk_of(p, k);
    int64_t width = c.group * p->channels;
    moru_real mean[WIDE], shift[WIDE], square[WIDE];
    int64_t columns = columns_of(p, &c, column), channels = columns / c.group;
    FOR_STRIPS(moments_strip, columns, x + c.start * p->channels + column, c.n, width, mean, shift, square);
    for (int64_t i = 0; i < channels; i++) {
        double m = 0, s = 0;
        for (int64_t g = 0; g < c.group; g++)
            m += (double)mean[g * channels + i] + shift[g * channels + i];
        m /= (double)c.group;
        for (int64_t g = 0; g < c.group; g++) {
            double d = (double)mean[g * channels + i] + shift[g * channels + i] - m;
            s += square[g * channels + i] + (double)c.n * d * d;
        }
        means[column + i] = m;
        squares[column + i] = s;
    }
}

/* The same of a run of n numbers of one channel, lane by lane. */
static void moments_of_run(const moru_real *x, int64_t n, double *mean, double *square)
{
    vec sum = vec_zero(), squares = vec_zero(), rest = vec_zero();
    for (int64_t i = 0; i < n; i += LANES)
        sum += load(x + i, n - i < LANES ? n - i : LANES);
    moru_real center = vec_fold_sum(sum)[0] / (moru_real)n;
    for (int64_t i = 0; i < n; i += LANES) {
        vec d = (n - i < LANES ? vec_load_filled(x + i, n - i, vec_set(center)) : vec_load(x + i)) - center;
        rest += d;
        squares += d * d;
    }
    double total = vec_fold_sum(rest)[0];
    *mean = center + total / (double)n;
    *square = vec_fold_sum(squares)[0] - total * total / (double)n;
}

/* Where chunk k of channel c begins when the channels come before `inner`. */
static int64_t run_start(const plan *p, int64_t k, int64_t c)
{
    return (k / p->pieces * p->channels + c) * p->inner + k % p->pieces * CHUNK_INNER;
}

static void statistics(const plan *p, const moru_real *x, moru_real *mean, moru_real *variance, double *workspace,
                       int threads)
{
    int64_t chunks = all_chunks(p), channels = p->channels;
    double *means = workspace, *squares = workspace + chunks * channels;
    (void)threads;
    PARALLEL(threads, for (int64_t job = 0; job < chunks * p->blocks; job++) {
        int64_t k = job / p->blocks, b = job % p->blocks, at = k * channels;
        if (p->inner == 1)
            moments_of_block(p, k, b * WIDE, x, means + at, squares + at);
        else
            moments_of_run(x + run_start(p, k, b), chunk_count(p, k), &means[at + b], &squares[at + b]);
    });
    double count = (double)p->rows * (double)p->inner;
    PARALLEL(threads, for (int64_t c = 0; c < channels; c++) {
        double m = 0, s = 0;
        for (int64_t k = 0; k < chunks; k++)
            m += (double)chunk_count(p, k) * means[k * channels + c];
        m /= count;
        for (int64_t k = 0; k < chunks; k++) {
            double d = means[k * channels + c] - m;
            s += squares[k * channels + c] + (double)chunk_count(p, k) * d * d;
        }
        mean[c] = (moru_real)m;
        variance[c] = (moru_real)(s / count);
    });
}

/* y = (x - mean) scale + shift, dx = (dy - b - (x - mean) c) a: what a column needs. */
typedef struct coefficients { moru_real mean[WIDE], a[WIDE], b[WIDE], c[WIDE], beta[WIDE]; } coefficients;
typedef struct parameters {
    const moru_real *gamma, *beta, *mean, *variance, *dgamma, *dbeta;
    const moru_real *residual; /* added to y */
    bool relu;                 /* of y; in a gradient dy counts where y is positive */
    double epsilon, count;
} parameters;

static moru_real inverse_deviation(const parameters *q, int64_t channel)
{
    return R(1) / LIBM(sqrt)(q->variance[channel] + (moru_real)q->epsilon);
}

static void apply_coefficients(const parameters *q, int64_t channel, int64_t i, coefficients *k)
{
    k->mean[i] = q->mean[channel];
    k->a[i] = inverse_deviation(q, channel) * (q->gamma ? q->gamma[channel] : R(1));
    k->b[i] = q->beta ? q->beta[channel] : R(0);
}

static void grad_coefficients(const parameters *q, int64_t channel, int64_t i, coefficients *k)
{
    moru_real inverse = inverse_deviation(q, channel);
    k->mean[i] = q->mean[channel];
    k->a[i] = inverse * (q->gamma ? q->gamma[channel] : R(1));
    k->b[i] = q->dbeta[channel] / (moru_real)q->count;
    k->c[i] = inverse * (q->dgamma[channel] / (moru_real)q->count);
    k->beta[i] = q->beta ? q->beta[channel] : R(0);
}

/* One place, so that a gradient's mask is that of y to the last bit */
KERNEL_INLINE vec normalized(vec x, vec mean, vec a, vec b)
{
    return (x - mean) * a + b;
}

KERNEL_INLINE vec masked(vec d, vec y)
{
    return vec_where(y > R(0), d);
}

/* residual: NULL, or as y */
KERNEL_INLINE void apply_rows(const int V, int64_t lanes, int64_t j, const moru_real *x, const moru_real *residual,
                              const bool relu, int64_t n, int64_t stride, const coefficients *k, moru_real *out)
{
    vec mean[4], a[4], b[4];
    for (int v = 0; v < V; v++) {
        mean[v] = vec_load(k->mean + j + v * LANES);
        a[v] = vec_load(k->a + j + v * LANES);
        b[v] = vec_load(k->b + j + v * LANES);
    }
    for (int64_t r = 0; r < n; r++)
        for (int v = 0; v < V; v++) {
            int64_t at = r * stride + j + v * LANES;
            vec y = normalized(load(x + at, lanes), mean[v], a[v], b[v]);
            if (residual)
                y += load(residual + at, lanes);
            if (relu)
                y = vec_where(~(y <= R(0)), y);
            store(out + at, y, lanes);
        }
}

KERNEL_INLINE void apply_strip(const int V, int64_t lanes, int64_t j, const moru_real *x, const moru_real *residual,
                               bool relu, int64_t n, int64_t stride, const coefficients *k, moru_real *y)
{
    if (residual && relu)
        apply_rows(V, lanes, j, x, residual, true, n, stride, k, y);
    else if (residual)
        apply_rows(V, lanes, j, x, residual, false, n, stride, k, y);
    else if (relu)
        apply_rows(V, lanes, j, x, NULL, true, n, stride, k, y);
    else
        apply_rows(V, lanes, j, x, NULL, false, n, stride, k, y);
}

KERNEL_INLINE void grad_rows(const int V, int64_t lanes, int64_t j, const moru_real *dy, const moru_real *x,
                             const bool relu, int64_t n, int64_t stride, const coefficients *k, moru_real *dx)
{
    vec mean[4], a[4], b[4], c[4], beta[4];
    for (int v = 0; v < V; v++) {
        mean[v] = vec_load(k->mean + j + v * LANES);
        a[v] = vec_load(k->a + j + v * LANES);
        b[v] = vec_load(k->b + j + v * LANES);
        c[v] = vec_load(k->c + j + v * LANES);
        beta[v] = vec_load(k->beta + j + v * LANES);
    }
    for (int64_t r = 0; r < n; r++)
        for (int v = 0; v < V; v++) {
            int64_t at = r * stride + j + v * LANES;
            vec in = load(x + at, lanes), d = load(dy + at, lanes);
            if (relu)
                d = masked(d, normalized(in, mean[v], a[v], beta[v]));
            d = d - b[v] - (in - mean[v]) * c[v];
            store(dx + at, d * a[v], lanes);
        }
}

KERNEL_INLINE void grad_strip(const int V, int64_t lanes, int64_t j, const moru_real *dy, const moru_real *x, bool relu,
                              int64_t n, int64_t stride, const coefficients *k, moru_real *dx)
{
    if (relu)
        grad_rows(V, lanes, j, dy, x, true, n, stride, k, dx);
    else
        grad_rows(V, lanes, j, dy, x, false, n, stride, k, dx);
}

/* Sums of dy and dy (x - mean) of each column. */
KERNEL_INLINE void products_rows(const int V, int64_t lanes, int64_t j, const moru_real *dy, const moru_real *x,
                                 const bool relu, int64_t n, int64_t stride, const coefficients *k, moru_real *sums,
                                 moru_real *products)
{
    vec mean[4], a[4], beta[4], sum[4], product[4];
    for (int v = 0; v < V; v++) {
        mean[v] = vec_load(k->mean + j + v * LANES);
        a[v] = vec_load(k->a + j + v * LANES);
        beta[v] = vec_load(k->beta + j + v * LANES);
        sum[v] = product[v] = vec_zero();
    }
    for (int64_t r = 0; r < n; r++)
        for (int v = 0; v < V; v++) {
            int64_t at = r * stride + j + v * LANES;
            vec in = load(x + at, lanes), d = load(dy + at, lanes);
            if (relu)
                d = masked(d, normalized(in, mean[v], a[v], beta[v]));
            sum[v] += d;
            product[v] += d * (in - mean[v]);
        }
    for (int v = 0; v < V; v++) {
        store(sums + j + v * LANES, sum[v], lanes);
        store(products + j + v * LANES, product[v], lanes);
    }
}

KERNEL_INLINE void products_strip(const int V, int64_t lanes, int64_t j, const moru_real *dy, const moru_real *x,
                                  bool relu, int64_t n, int64_t stride, const coefficients *k, moru_real *sums,
                                  moru_real *products)
{
    if (relu)
        products_rows(V, lanes, j, dy, x, true, n, stride, k, sums, products);
    else
        products_rows(V, lanes, j, dy, x, false, n, stride, k, sums, products);
}

static void spread(coefficients *k, int64_t channels, int64_t columns)
{
    for (int64_t i = channels; i < columns; i++) {
        k->mean[i] = k->mean[i - channels];
        k->a[i] = k->a[i - channels];
        k->b[i] = k->b[i - channels];
        k->c[i] = k->c[i - channels];
        k->beta[i] = k->beta[i - channels];
    }
}

/* What the mask of a gradient needs: of y = (x - mean) a + beta */
static void mask_coefficients(const parameters *q, int64_t channel, int64_t i, coefficients *k)
{
    apply_coefficients(q, channel, i, k);
    k->beta[i] = k->b[i];
}

static void products_of_block(const plan *p, const parameters *q, int64_t k, int64_t column, const moru_real *dy,
                              const moru_real *x, double *sums, double *products)
{
    chunk c = chunk_of(p, k);
    coefficients f;
    int64_t width = c.group * p->channels, start = c.start * p->channels + column;
    moru_real sum[WIDE], product[WIDE];
    int64_t columns = columns_of(p, &c, column), channels = columns / c.group;
    memset(&f, 0, sizeof f);
    for (int64_t i = 0; i < channels; i++)
        mask_coefficients(q, column + i, i, &f);
    spread(&f, channels, columns);
    FOR_STRIPS(products_strip, columns, dy + start, x + start, q->relu, c.n, width, &f, sum, product);
    for (int64_t i = 0; i < channels; i++) {
        double s = 0, t = 0;
        for (int64_t g = 0; g < c.group; g++) {
            s += sum[g * channels + i];
            t += product[g * channels + i];
        }
        sums[column + i] = s;
        products[column + i] = t;
    }
}

/* The same of a run of n numbers of one channel, lane by lane. */
static void products_of_run(const parameters *q, int64_t channel, const moru_real *dy, const moru_real *x, int64_t n,
                            double *sum, double *product)
{
    coefficients f;
    mask_coefficients(q, channel, 0, &f);
    vec sums = vec_zero(), products = vec_zero(), mean = vec_set(f.mean[0]), a = vec_set(f.a[0]), b = vec_set(f.b[0]);
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t lanes = n - i < LANES ? n - i : LANES;
        vec d = load(dy + i, lanes), in = load(x + i, lanes);
        if (q->relu)
            d = masked(d, normalized(in, mean, a, b));
        sums += d;
        products += d * (in - mean);
    }
    *sum = vec_fold_sum(sums)[0];
    *product = vec_fold_sum(products)[0];
}

/* One pass over a block: y from x, or (dy given) dx from dy and x. */
static void map_block(const plan *p, const parameters *q, int64_t k, int64_t column, const moru_real *dy,
                      const moru_real *x, moru_real *out)
{
    coefficients f;
    chunk c = chunk_of(p, k);
    int64_t width = c.group * p->channels, columns = columns_of(p, &c, column), channels = columns / c.group;
    int64_t at = c.start * p->channels + column;
    memset(&f, 0, sizeof f);
    for (int64_t i = 0; i < channels; i++)
        (dy ? grad_coefficients : apply_coefficients)(q, column + i, i, &f);
    spread(&f, channels, columns);
    if (dy)
        FOR_STRIPS(grad_strip, columns, dy + at, x + at, q->relu, c.n, width, &f, out + at);
    else
        FOR_STRIPS(apply_strip, columns, x + at, q->residual ? q->residual + at : NULL, q->relu, c.n, width, &f,
                   out + at);
}

/* The same for a run of one channel, taken as rows of one vector. */
static void map_run(const plan *p, const parameters *q, int64_t k, int64_t channel, const moru_real *dy,
                    const moru_real *x, moru_real *out)
{
    coefficients f;
    int64_t start = run_start(p, k, channel), n = chunk_count(p, k), whole = n / LANES, rest = start + whole * LANES;
    memset(&f, 0, sizeof f);
    (dy ? grad_coefficients : apply_coefficients)(q, channel, 0, &f);
    vec_store(f.mean, vec_set(f.mean[0]));
    vec_store(f.a, vec_set(f.a[0]));
    vec_store(f.b, vec_set(f.b[0]));
    vec_store(f.c, vec_set(f.c[0]));
    vec_store(f.beta, vec_set(f.beta[0]));
    if (dy) {
        grad_strip(1, LANES, 0, dy + start, x + start, q->relu, whole, LANES, &f, out + start);
        if (n % LANES)
            grad_strip(1, n % LANES, 0, dy + rest, x + rest, q->relu, 1, LANES, &f, out + rest);
    } else {
        const moru_real *added = q->residual;
        apply_strip(1, LANES, 0, x + start, added ? added + start : NULL, q->relu, whole, LANES, &f, out + start);
        if (n % LANES)
            apply_strip(1, n % LANES, 0, x + rest, added ? added + rest : NULL, q->relu, 1, LANES, &f, out + rest);
    }
}

static void map(const plan *p, const parameters *q, const moru_real *dy, const moru_real *x, moru_real *out,
                int threads)
{
    (void)threads;
    PARALLEL(threads, for (int64_t job = 0; job < all_chunks(p) * p->blocks; job++) {
        int64_t k = job / p->blocks, b = job % p->blocks;
        if (p->inner == 1)
            map_block(p, q, k, b * WIDE, dy, x, out);
        else
            map_run(p, q, k, b, dy, x, out);
    });
}

void MORU_KERNEL(batch_norm_apply)(const moru_real *x, const moru_real *residual, const moru_real *gamma,
                                   const moru_real *beta, const moru_real *mean, const moru_real *variance, int64_t rows,
                                   int64_t channels, int64_t inner, double epsilon, bool relu, moru_real *y, int threads)
{
    plan p = plan_of(rows, channels, inner);
    parameters q = {.gamma = gamma, .beta = beta, .mean = mean, .variance = variance, .residual = residual,
                    .relu = relu, .epsilon = epsilon};
    map(&p, &q, NULL, x, y, kernel_threads(rows * channels * inner, threads));
}

void MORU_KERNEL(batch_norm_moments)(const moru_real *x, int64_t rows, int64_t channels, int64_t inner, moru_real *mean,
                                     moru_real *variance, void *workspace, int threads)
{
    plan p = plan_of(rows, channels, inner);
    statistics(&p, x, mean, variance, workspace, kernel_threads(rows * channels * inner, threads));
}

/* dbeta = sum(dy), dgamma = sum(dy xhat), dx = gamma/deviation (dy - dbeta/N - xhat dgamma/N) */
void MORU_KERNEL(batch_norm_grad)(const moru_real *dy, const moru_real *x, const moru_real *gamma,
                                  const moru_real *beta, const moru_real *mean, const moru_real *variance, int64_t rows,
                                  int64_t channels, int64_t inner, double epsilon, bool relu, moru_real *dx,
                                  moru_real *dgamma, moru_real *dbeta, void *workspace, int threads)
{
    plan p = plan_of(rows, channels, inner);
    parameters q = {.gamma = gamma, .beta = beta, .mean = mean, .variance = variance, .dgamma = dgamma, .dbeta = dbeta,
                    .relu = relu, .epsilon = epsilon, .count = (double)rows * (double)inner};
    int64_t chunks = all_chunks(&p);
    double *sums = workspace, *products = sums + chunks * channels;
    threads = kernel_threads(rows * channels * inner, threads);
    PARALLEL(threads, for (int64_t job = 0; job < chunks * p.blocks; job++) {
        int64_t k = job / p.blocks, b = job % p.blocks, at = k * channels, start = run_start(&p, k, b);
        if (inner == 1)
            products_of_block(&p, &q, k, b * WIDE, dy, x, sums + at, products + at);
        else
            products_of_run(&q, b, dy + start, x + start, chunk_count(&p, k), &sums[at + b], &products[at + b]);
    });
    PARALLEL(threads, for (int64_t c = 0; c < channels; c++) {
        double sum = 0, product = 0;
        for (int64_t k = 0; k < chunks; k++) {
            sum += sums[k * channels + c];
            product += products[k * channels + c];
        }
        dbeta[c] = (moru_real)sum;
        dgamma[c] = (moru_real)(product * inverse_deviation(&q, c));
    });
    map(&p, &q, dy, x, dx, threads);
}
