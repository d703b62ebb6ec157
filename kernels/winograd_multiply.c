/* The products of the points: short sums over the channels of many tiles, all operands in scratch memory. Beside the
 * tile of GEMM this one has whole vectors and even strides only, and so no pointers to set up for each few rows. */
#include "kernels/winograd.h"

/* c[r][..] = sum over k of a[r][k] b[k][..] */
KERNEL_INLINE void run(const moru_real *a, int64_t lda, const moru_real *b, int64_t ld, int64_t length, moru_real *c,
                       int rows, int vectors)
{
    vec acc[TILE_MAX_ROWS][TILE_VECTORS], v[TILE_VECTORS];
#pragma GCC unroll 10
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++)
            acc[r][j] = vec_zero();
    for (const moru_real *end = a + length; a != end; a++, b += ld) {
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++)
            v[j] = vec_load(b + j * LANES);
#pragma GCC unroll 10
        for (int r = 0; r < rows; r++) {
            vec x = vec_set(a[r * lda]);
#pragma GCC unroll 4
            for (int j = 0; j < vectors; j++)
                acc[r][j] += x * v[j];
        }
    }
#pragma GCC unroll 10
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++)
            vec_store(c + r * ld + j * LANES, acc[r][j]);
}

typedef void rows_fn(const moru_real *a, int64_t lda, const moru_real *b, int64_t ld, int64_t length, moru_real *c);

#define ROWS(rows, vectors) \
    static void run_##rows##x##vectors(const moru_real *a, int64_t lda, const moru_real *b, int64_t ld, \
                                       int64_t length, moru_real *c) \
    { \
        run(a, lda, b, ld, length, c, rows, vectors); \
    }
#define ROWS_6(vectors) \
    ROWS(1, vectors) ROWS(2, vectors) ROWS(3, vectors) ROWS(4, vectors) ROWS(5, vectors) ROWS(6, vectors)
#define NAMES_6(vectors) \
    run_1x##vectors, run_2x##vectors, run_3x##vectors, run_4x##vectors, run_5x##vectors, run_6x##vectors
#define ROWS_8(vectors) ROWS_6(vectors) ROWS(7, vectors) ROWS(8, vectors)
#define NAMES_8(vectors) NAMES_6(vectors), run_7x##vectors, run_8x##vectors
#define ROWS_10(vectors) ROWS_8(vectors) ROWS(9, vectors) ROWS(10, vectors)
#define NAMES_10(vectors) NAMES_8(vectors), run_9x##vectors, run_10x##vectors

#if MORU_VECTOR_BYTES == 64
ROWS_10(1)
ROWS_10(2)
ROWS_8(3)
ROWS_6(4)
static rows_fn *const by_size[TILE_VECTORS][TILE_MAX_ROWS] = {{NAMES_10(1)}, {NAMES_10(2)}, {NAMES_8(3)}, {NAMES_6(4)}};
#else
ROWS_8(1)
ROWS_6(2)
static rows_fn *const by_size[TILE_VECTORS][TILE_MAX_ROWS] = {{NAMES_8(1)}, {NAMES_6(2)}};
#endif

void MORU_KERNEL(winograd_multiply)(const moru_real *v, int64_t depth, const moru_real *u, int64_t width,
                                    int64_t length, int64_t count, moru_real *m)
{
    static const int most[TILE_VECTORS] = TILE_ROWS_TABLE;
    int64_t panels = tile_panels(width);
    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t column = tile_panel_start(width, panels, panel);
        int64_t vectors = (tile_panel_start(width, panels, panel + 1) - column) / LANES;
        int64_t tiles = (count + most[vectors - 1] - 1) / most[vectors - 1];
        for (int64_t i = 0; i < tiles; i++) {
            int64_t row = count * i / tiles, rows = count * (i + 1) / tiles - row;
            by_size[vectors - 1][rows - 1](v + row * depth, depth, u + column, width, length, m + row * width + column);
        }
    }
}
