/* The product of a few rows of A with a panel of B, all in registers: what GEMM and convolution are made of. */
#ifndef MORU_TILE_H
#define MORU_TILE_H

#include "kernels/kernel.h"

/* Widest panel in vectors, and the most rows for a panel of 1, 2, 3, 4 vectors. The rows' pointers are what runs out
 * first: six of them, B, the index and its step and end fill the general registers. */
#if MORU_VECTOR_BYTES == 64
#define TILE_VECTORS 4
#define TILE_ROWS_TABLE {10, 10, 8, 6}
#else
#define TILE_VECTORS 2
#define TILE_ROWS_TABLE {8, 6}
#endif
#define TILE_MAX_ROWS 10
#define LINE ((int64_t)(64 / sizeof(moru_real))) /* of a cache */
#define TILE_COLUMNS (TILE_VECTORS * LANES)

/* c[r][0..columns) = act(start + sum_k a[r][k] b[k][0..columns)). Each row of A has its own start; k walks in
 * `runs` runs of `length` numbers that lie `step` apart, run s beginning at a[r] + offsets[s]. Rows of B lie ldb
 * apart and follow each other over all runs, or those of run s begin at b + b_offsets[s]. start is c itself
 * (accumulate), bias or 0. */
typedef struct tile {
    const moru_real *a[TILE_MAX_ROWS];
    moru_real *c[TILE_MAX_ROWS];
    int64_t step;
    const int64_t *offsets;
    int64_t runs, length;
    const moru_real *b;
    const int64_t *b_offsets; /* or NULL */
    int64_t ldb;
    const moru_real *bias;
    int64_t columns;
    int64_t tail;             /* length of the last run, where it isn't `length`; or 0 */
    int64_t ahead, ahead_row; /* at a run's beginning lines this far in front of it (+ r ahead_row) are prefetched;
                               * ahead 0: nothing */
    bool accumulate, relu;
} tile;

void MORU_KERNEL(tile)(const tile *t, int64_t rows);

/* out[j][i] = x[i][j] for i < rows, j < columns. Rows of out are filled up to a multiple of LANES, so ldo must
 * have the room. */
void MORU_KERNEL(transpose)(const moru_real *x, int64_t ldx, int64_t rows, int64_t columns, moru_real *out,
                            int64_t ldo);

KERNEL_INLINE int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

KERNEL_INLINE int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Pieces of scratch memory begin on multiples of 64 bytes. */
KERNEL_INLINE size_t round_up(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* A number of threads for so many multiply-adds. */
KERNEL_INLINE int product_threads(int64_t macs, int threads)
{
    return macs < MORU_PARALLEL_MACS || threads < 1 ? 1 : threads;
}

/* Columns are dealt out to panels in whole vectors, as evenly as it goes. */
KERNEL_INLINE int64_t tile_vectors(int64_t columns)
{
    return (columns + LANES - 1) / LANES;
}

KERNEL_INLINE int64_t tile_panels(int64_t columns)
{
    return (tile_vectors(columns) + TILE_VECTORS - 1) / TILE_VECTORS;
}

/* First column of panel p; that of the panel after the last one is `columns`. */
KERNEL_INLINE int64_t tile_panel_start(int64_t columns, int64_t panels, int64_t p)
{
    int64_t start = tile_vectors(columns) * p / panels * LANES;
    return start < columns ? start : columns;
}

/* Most rows of a tile for any panel of so many columns. */
KERNEL_INLINE int64_t tile_rows(int64_t columns)
{
    static const int rows[TILE_VECTORS] = TILE_ROWS_TABLE;
    int64_t panels = tile_panels(columns);
    return rows[(tile_vectors(columns) + panels - 1) / panels - 1];
}

/* act() on the rows of a finished tile, for what isn't done in its registers; rows without gaps are one stretch */
KERNEL_INLINE void tile_activate(const tile *t, int64_t rows, int activation, const double *params)
{
    moru_unary_fn *f = MORU_KERNEL(table).unary[activation - 1];
    for (int64_t r = 0, end; r < rows; r = end) {
        for (end = r + 1; end < rows && t->c[end] == t->c[end - 1] + t->columns;)
            end++;
        f(t->c[r], t->c[r], (end - r) * t->columns, params);
    }
}

#define ACTIVATION_RELU (1 + (int)MORU_UNARY_relu)

#endif
