/* Strided copies: transposes, slices, broadcasts, reversals. Sizes of 1 go and neighbouring axes that lie as one are
 * joined; then runs are copied where the innermost axis is contiguous, tiles are transposed where another one is. */
#include "kernels/kernel.h"

#define PIECE 16384 /* elements of a piece of work */
#define TILE 16

/* Axes of the result, outermost first, with x's strides in elements. */
typedef struct layout {
    int rank;
    int64_t dims[MORU_MAX_RANK], strides[MORU_MAX_RANK];
} layout;

static layout simplified(int rank, const int64_t *dims, const int64_t *strides)
{
    layout l = {0};
    for (int k = 0; k < rank; k++) {
        if (dims[k] == 1)
            continue;
        if (l.rank > 0 && l.strides[l.rank - 1] == dims[k] * strides[k]) {
            l.dims[l.rank - 1] *= dims[k];
            l.strides[l.rank - 1] = strides[k];
        } else {
            l.dims[l.rank] = dims[k];
            l.strides[l.rank++] = strides[k];
        }
    }
    if (l.rank == 0) {
        l.dims[0] = 1;
        l.strides[0] = 1;
        l.rank = 1;
    }
    return l;
}

/* One row of the result. */
KERNEL_INLINE void copy_row(size_t bytes, const char *x, int64_t stride, int64_t n, char *y)
{
    if (stride == 1 && n * (int64_t)bytes > 64) {
        memcpy(y, x, (size_t)n * bytes);
    } else if (bytes == 4) {
        for (int64_t i = 0; i < n; i++)
            memcpy(y + 4 * i, x + 4 * i * stride, 4);
    } else {
        for (int64_t i = 0; i < n; i++)
            memcpy(y + 8 * i, x + 8 * i * stride, 8);
    }
}

/* Rows [first, last) of the result, counted over all axes but the innermost; columns [from, to) of each. */
static void copy_rows(const layout *l, size_t bytes, const char *x, char *y, int64_t first, int64_t last, int64_t from,
                      int64_t to)
{
    int inner = l->rank - 1;
    int64_t index[MORU_MAX_RANK] = {0}, at = from * l->strides[inner], rest = first, size = l->dims[inner];
    for (int k = inner - 1; k >= 0; k--) {
        index[k] = rest % l->dims[k];
        rest /= l->dims[k];
        at += index[k] * l->strides[k];
    }
    for (int64_t row = first; row < last; row++) {
        copy_row(bytes, x + at * (int64_t)bytes, l->strides[inner], to - from,
                 y + (row * size + from) * (int64_t)bytes);
        for (int k = inner - 1; k >= 0; k--) {
            at += l->strides[k];
            if (++index[k] < l->dims[k])
                break;
            at -= index[k] * l->strides[k];
            index[k] = 0;
        }
    }
}

typedef uint32_t four __attribute__((vector_size(16)));
typedef uint32_t four_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

/* y[i][j] = x[j][i] for 4 by 4 */
KERNEL_INLINE void transpose_4(const uint32_t *x, int64_t x_stride, uint32_t *y, int64_t y_stride)
{
    const four low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, left = {0, 1, 4, 5}, right = {2, 3, 6, 7};
    four a = *(const four_unaligned *)x, b = *(const four_unaligned *)(x + x_stride);
    four c = *(const four_unaligned *)(x + 2 * x_stride), d = *(const four_unaligned *)(x + 3 * x_stride);
    four ab_low = __builtin_shuffle(a, b, low), ab_high = __builtin_shuffle(a, b, high);
    four cd_low = __builtin_shuffle(c, d, low), cd_high = __builtin_shuffle(c, d, high);
    *(four_unaligned *)y = __builtin_shuffle(ab_low, cd_low, left);
    *(four_unaligned *)(y + y_stride) = __builtin_shuffle(ab_low, cd_low, right);
    *(four_unaligned *)(y + 2 * y_stride) = __builtin_shuffle(ab_high, cd_high, left);
    *(four_unaligned *)(y + 3 * y_stride) = __builtin_shuffle(ab_high, cd_high, right);
}

/* y[i][j] = x[j][i] for a tile; strides in elements */
static void transpose_tile(size_t bytes, const char *x, int64_t x_stride, char *y, int64_t y_stride, int64_t ni,
                           int64_t nj)
{
    int64_t whole_i = bytes == 4 ? ni / 4 * 4 : 0, whole_j = bytes == 4 ? nj / 4 * 4 : 0;
    for (int64_t i = 0; i < whole_i; i += 4)
        for (int64_t j = 0; j < whole_j; j += 4)
            transpose_4((const uint32_t *)x + j * x_stride + i, x_stride, (uint32_t *)y + i * y_stride + j, y_stride);
    for (int64_t i = 0; i < ni; i++)
        for (int64_t j = i < whole_i ? whole_j : 0; j < nj; j++)
            memcpy(y + (i * y_stride + j) * (int64_t)bytes, x + (j * x_stride + i) * (int64_t)bytes, bytes);
}

/* Axis t of x is contiguous, the innermost one of y is not in x: job = (all other axes, TILE rows along t). */
static void transpose_axes(const layout *l, int t, size_t bytes, const char *x, char *y, int64_t job)
{
    int inner = l->rank - 1;
    int64_t tiles = (l->dims[t] + TILE - 1) / TILE, i = job % tiles * TILE, rest = job / tiles;
    int64_t y_strides[MORU_MAX_RANK];
    y_strides[inner] = 1;
    for (int k = inner - 1; k >= 0; k--)
        y_strides[k] = y_strides[k + 1] * l->dims[k + 1];
    for (int k = inner - 1; k >= 0; k--)
        if (k != t) {
            x += rest % l->dims[k] * l->strides[k] * (int64_t)bytes;
            y += rest % l->dims[k] * y_strides[k] * (int64_t)bytes;
            rest /= l->dims[k];
        }
    int64_t ni = l->dims[t] - i < TILE ? l->dims[t] - i : TILE, n = l->dims[inner];
    for (int64_t j = 0; j < n; j += TILE)
        transpose_tile(bytes, x + (j * l->strides[inner] + i) * (int64_t)bytes, l->strides[inner],
                       y + (i * y_strides[t] + j) * (int64_t)bytes, y_strides[t], ni, n - j < TILE ? n - j : TILE);
}

void MORU_KERNEL(copy_strided)(int rank, const int64_t *dims, const int64_t *strides, size_t bytes, const void *x,
                               void *y, int threads)
{
    int64_t size = 1;
    for (int k = 0; k < rank; k++)
        size *= dims[k];
    if (size == 0)
        return;
    layout l = simplified(rank, dims, strides);
    int inner = l.rank - 1, contiguous = inner;
    for (int k = 0; k < inner; k++)
        if (l.strides[k] == 1 && l.dims[k] >= 4 && l.strides[inner] != 1 && l.dims[inner] >= 4)
            contiguous = k;
    threads = kernel_threads(size, threads);
    if (contiguous != inner) {
        int64_t jobs = size / l.dims[inner] / l.dims[contiguous] * ((l.dims[contiguous] + TILE - 1) / TILE);
        PARALLEL(threads, for (int64_t job = 0; job < jobs; job++)
            transpose_axes(&l, contiguous, bytes, x, y, job));
        return;
    }
    int64_t n = l.dims[inner], rows = size / n, per_job = n < PIECE ? PIECE / n : 1, pieces = (n + PIECE - 1) / PIECE;
    int64_t jobs = (rows + per_job - 1) / per_job * pieces;
    PARALLEL(threads, for (int64_t job = 0; job < jobs; job++) {
        int64_t first = job / pieces * per_job, last = rows - first < per_job ? rows : first + per_job;
        int64_t from = job % pieces * PIECE, to = n - from < PIECE ? n : from + PIECE;
        copy_rows(&l, bytes, x, y, first, last, from, to);
    });
}
