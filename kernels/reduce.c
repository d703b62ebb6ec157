/* y[outer,inner] = reduction of x[outer,reduced,inner] over the middle.
 *
  * The middle is cut into chunks whose size depends on the shape alone; each gives a partial result in the workspace,
  * and these are reduced in the same way. Within a chunk sums run in two levels, blocks of 32 terms a lane and the sum
  * of blocks, so that rounding grows with the square root of the square root of the length. */
#include "kernels/vecmath.h"

#define CHUNK_TERMS 32768 /* elements of x a chunk has at least */
#define BLOCK 32          /* terms of the lower level */
#define COLUMNS 4096      /* of a piece of work */
#define GROUPED 128       /* numbers that rows shorter than half of it are grouped to */

#define SUM(a, b) ((a) + (b))
#define PROD(a, b) ((a) * (b))
/* b counts when it is NaN, and a NaN in a stays */
#define MAX_VEC(a, b) vec_select((b > a) | (b != b), b, a)
#define MIN_VEC(a, b) vec_select((b < a) | (b != b), b, a)
#define MAX_REAL(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define MIN_REAL(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))

typedef struct reducer {
    /* the reduction of n numbers */
    moru_real (*row)(const moru_real *x, int64_t n);
    /* y[width] from x[rows,width], rows being `stride` apart */
    void (*columns)(const moru_real *x, int64_t rows, int64_t stride, int64_t width, moru_real *y);
} reducer;

/* One strip of V vectors, the last one of which may have few lanes. */
#define STRIP(V, LOAD, STORE, VEC_OP, identity)                         \
    do {                                                                \
        vec total[V];                                                   \
        for (int v = 0; v < V; v++)                                     \
            total[v] = vec_set(identity);                               \
        for (int64_t r = 0; r < rows; r += BLOCK) {                     \
            int64_t end = rows - r < BLOCK ? rows : r + BLOCK;          \
            vec block[V];                                               \
            for (int v = 0; v < V; v++)                                 \
                block[v] = vec_set(identity);                           \
            for (int64_t i = r; i < end; i++)                           \
                for (int v = 0; v < V; v++) {                           \
                    vec term = LOAD(x + i * stride + j + v * LANES);    \
                    block[v] = VEC_OP(block[v], term);                  \
                }                                                       \
            for (int v = 0; v < V; v++)                                 \
                total[v] = VEC_OP(total[v], block[v]);                  \
        }                                                               \
        for (int v = 0; v < V; v++)                                     \
            STORE(y + j + v * LANES, total[v]);                         \
    } while (0)
#define LOAD_REST(p) vec_load_part(p, width - j)
#define STORE_REST(p, v) vec_store_part(p, v, width - j)

#define REDUCER(name, VEC_OP, REAL_OP, identity)                                                                       \
    static moru_real name##_row(const moru_real *x, int64_t n)                                                         \
    {                                                                                                                  \
        moru_real y = identity;                                                                                        \
        if (n < LANES) {                                                                                               \
            for (int64_t i = 0; i < n; i++)                                                                            \
                y = REAL_OP(y, x[i]);                                                                                  \
            return y;                                                                                                  \
        }                                                                                                              \
        vec total = vec_set(identity);                                                                                 \
        int64_t i = 0;                                                                                                 \
        while (n - i >= 4 * LANES) {                                                                                   \
            vec block[4];                                                                                              \
            for (int v = 0; v < 4; v++)                                                                                \
                block[v] = vec_load(x + i + v * LANES);                                                                \
            i += 4 * LANES;                                                                                            \
            for (int k = 1; k < BLOCK / 4 && n - i >= 4 * LANES; k++, i += 4 * LANES)                                  \
                for (int v = 0; v < 4; v++) {                                                                          \
                    vec term = vec_load(x + i + v * LANES);                                                            \
                    block[v] = VEC_OP(block[v], term);                                                                 \
                }                                                                                                      \
            block[0] = VEC_OP(block[0], block[1]);                                                                     \
            block[2] = VEC_OP(block[2], block[3]);                                                                     \
            block[0] = VEC_OP(block[0], block[2]);                                                                     \
            total = VEC_OP(total, block[0]);                                                                           \
        }                                                                                                              \
        for (; i < n; i += LANES) {                                                                                    \
            vec term = n - i >= LANES ? vec_load(x + i) : vec_load_filled(x + i, n - i, vec_set(identity));            \
            total = VEC_OP(total, term);                                                                               \
        }                                                                                                              \
        VEC_FOLD(total, a, b, VEC_OP(a, b))                                                                            \
        return total[0];                                                                                               \
    }                                                                                                                  \
    static void name##_strips(const moru_real *x, int64_t rows, int64_t stride, int64_t width, moru_real *y)           \
    {                                                                                                                  \
        int64_t j = 0;                                                                                                 \
        for (; width - j >= 4 * LANES; j += 4 * LANES)                                                                 \
            STRIP(4, vec_load, vec_store, VEC_OP, identity);                                                           \
        for (; width - j >= LANES; j += LANES)                                                                         \
            STRIP(1, vec_load, vec_store, VEC_OP, identity);                                                           \
        if (j < width)                                                                                                 \
            STRIP(1, LOAD_REST, STORE_REST, VEC_OP, identity);                                                         \
    }                                                                                                                  \
    /* Short rows that lie one after the other: `group` of them are one long row. */                                   \
    static void name##_columns(const moru_real *x, int64_t rows, int64_t stride, int64_t width, moru_real *y)          \
    {                                                                                                                  \
        int64_t group = stride == width ? GROUPED / width : 1;                                                         \
        if (group < 2 || rows < 4 * group) {                                                                           \
            name##_strips(x, rows, stride, width, y);                                                                  \
            return;                                                                                                    \
        }                                                                                                              \
        moru_real t[GROUPED];                                                                                          \
        int64_t grouped = rows / group * group;                                                                        \
        name##_strips(x, rows / group, group * width, group * width, t);                                               \
        for (int64_t j = 0; j < width; j++) {                                                                          \
            double total = (double)identity;                                                                           \
            for (int64_t g = 0; g < group; g++)                                                                        \
                total = REAL_OP(total, t[g * width + j]);                                                              \
            for (int64_t r = grouped; r < rows; r++)                                                                   \
                total = REAL_OP(total, x[r * width + j]);                                                              \
            y[j] = (moru_real)total;                                                                                   \
        }                                                                                                              \
    }

REDUCER(sum, SUM, SUM, 0)
REDUCER(prod, PROD, PROD, 1)
REDUCER(max, MAX_VEC, MAX_REAL, R(-INFINITY))
REDUCER(min, MIN_VEC, MIN_REAL, R(INFINITY))

static int64_t chunk_rows(int64_t inner)
{
    int64_t rows = inner > 0 ? CHUNK_TERMS / inner : CHUNK_TERMS;
    return rows > BLOCK ? rows : BLOCK;
}

static int64_t pieces(int64_t n, int64_t size)
{
    return n / size + (n % size != 0);
}

size_t MORU_KERNEL(reduce_workspace)(moru_reduce_kind kind, int64_t outer, int64_t reduced, int64_t inner, int threads)
{
    (void)kind;
    (void)threads;
    int64_t chunks = pieces(reduced, chunk_rows(inner));
    return chunks > 1 ? (size_t)outer * (size_t)chunks * (size_t)inner * sizeof(moru_real) : 0;
}

/* y[outer,inner] with `chunk` rows at a time: y[outer,chunks,inner] */
static void reduce_chunks(const reducer *f, const moru_real *x, int64_t outer, int64_t reduced, int64_t inner,
                          int64_t chunk, moru_real *y, int threads)
{
    int64_t chunks = pieces(reduced, chunk), strips = pieces(inner, COLUMNS), jobs = outer * chunks * strips;
    threads = kernel_threads(outer * reduced * inner, threads);
    (void)threads;
    PARALLEL(threads, for (int64_t job = 0; job < jobs; job++) {
        int64_t strip = job % strips, c = job / strips % chunks, o = job / strips / chunks;
        int64_t j = strip * COLUMNS, width = inner - j < COLUMNS ? inner - j : COLUMNS;
        int64_t r = c * chunk, rows = reduced - r < chunk ? reduced - r : chunk;
        const moru_real *from = x + (o * reduced + r) * inner + j;
        moru_real *to = y + (o * chunks + c) * inner + j;
        if (inner == 1)
            *to = f->row(from, rows);
        else
            f->columns(from, rows, inner, width, to);
    });
}

static void fill(moru_real *y, int64_t n, double value)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (moru_real)value;
}

void MORU_KERNEL(reduce)(moru_reduce_kind kind, const moru_real *x, int64_t outer, int64_t reduced, int64_t inner,
                         moru_real *y, void *workspace, int threads)
{
    static const reducer reducers[] = {
        [MORU_REDUCE_SUM] = {sum_row, sum_columns},  [MORU_REDUCE_MEAN] = {sum_row, sum_columns},
        [MORU_REDUCE_MAX] = {max_row, max_columns},  [MORU_REDUCE_MIN] = {min_row, min_columns},
        [MORU_REDUCE_PROD] = {prod_row, prod_columns}};
    static const double nothing[] = {
        [MORU_REDUCE_MEAN] = NAN, [MORU_REDUCE_MAX] = -INFINITY, [MORU_REDUCE_MIN] = INFINITY, [MORU_REDUCE_PROD] = 1};
    const reducer *f = &reducers[kind];
    int64_t chunk = chunk_rows(inner), chunks = pieces(reduced, chunk);
    if (outer == 0 || inner == 0)
        return;
    if (reduced == 0) {
        fill(y, outer * inner, nothing[kind]);
        return;
    }
    if (chunks == 1) {
        reduce_chunks(f, x, outer, reduced, inner, reduced, y, threads);
    } else {
        reduce_chunks(f, x, outer, reduced, inner, chunk, workspace, threads);
        reduce_chunks(f, workspace, outer, chunks, inner, chunks, y, threads);
    }
    if (kind == MORU_REDUCE_MEAN)
        for (int64_t i = 0; i < outer * inner; i++)
            y[i] /= (moru_real)reduced;
}

static int32_t arg_best(bool least, const moru_real *x, int64_t n, int64_t stride)
{
    int64_t at = 0;
    if (n == 0 || x[0] != x[0])
        return 0;
    moru_real best = x[0];
    for (int64_t i = 1; i < n; i++) {
        moru_real value = x[i * stride];
        if (value != value)
            return (int32_t)i;
        if (least ? value < best : value > best) {
            best = value;
            at = i;
        }
    }
    return (int32_t)at;
}

void MORU_KERNEL(arg_reduce)(bool least, const moru_real *x, int64_t outer, int64_t reduced, int64_t inner, int32_t *y,
                             int threads)
{
    threads = kernel_threads(outer * reduced * inner, threads);
    PARALLEL(threads, for (int64_t k = 0; k < outer * inner; k++)
        y[k] = arg_best(least, x + k / inner * reduced * inner + k % inner, reduced, inner));
}
