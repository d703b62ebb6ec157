#include "kernels/tile.h"

/* AVX-512 masks a load for nothing, so there the last vector always counts as ragged. */
#define WHOLE_COLUMNS_MATTER (MORU_VECTOR_BYTES != 64)

KERNEL_INLINE void load_columns(vec *v, const moru_real *p, int vectors, int64_t last, bool ragged)
{
#pragma GCC unroll 4
    for (int j = 0; j < vectors; j++)
        v[j] = ragged && j == vectors - 1 ? vec_load_part(p + j * LANES, last) : vec_load(p + j * LANES);
}

KERNEL_INLINE void run_tile(const tile *t, int rows, int vectors, bool ragged)
{
    vec acc[TILE_MAX_ROWS][TILE_VECTORS], b[TILE_VECTORS];
    const moru_real *a[TILE_MAX_ROWS];
    int64_t last = t->columns - (vectors - 1) * LANES;

    if (t->bias && !t->accumulate)
        load_columns(b, t->bias, vectors, last, ragged);
    else
        for (int j = 0; j < vectors; j++)
            b[j] = vec_zero();
#pragma GCC unroll 10
    for (int r = 0; r < rows; r++) {
        a[r] = t->a[r];
        if (t->accumulate)
            load_columns(acc[r], t->c[r], vectors, last, ragged);
        else
#pragma GCC unroll 4
            for (int j = 0; j < vectors; j++)
                acc[r][j] = b[j];
    }
    const moru_real *pb = t->b;
    int64_t ldb = t->ldb, step = t->step;
    for (int64_t s = 0; s < t->runs; s++) {
        int64_t i = t->offsets[s], end = i + (t->tail && s == t->runs - 1 ? t->tail : t->length) * step;
        if (t->b_offsets)
            pb = t->b + t->b_offsets[s];
        if (t->ahead)
#pragma GCC unroll 10
            for (int r = 0; r < rows; r++)
                __builtin_prefetch(a[r] + i + t->ahead + r * t->ahead_row);
        for (; i != end; i += step, pb += ldb) {
            load_columns(b, pb, vectors, last, ragged);
#pragma GCC unroll 10
            for (int r = 0; r < rows; r++) {
                vec x = vec_set(a[r][i]);
#pragma GCC unroll 4
                for (int j = 0; j < vectors; j++)
                    acc[r][j] += x * b[j];
            }
        }
    }
    if (t->relu) {
#pragma GCC unroll 10
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int j = 0; j < vectors; j++)
                acc[r][j] = vec_max(vec_zero(), acc[r][j]);
    }
#pragma GCC unroll 10
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) {
            if (ragged && j == vectors - 1)
                vec_store_part(t->c[r] + j * LANES, acc[r][j], last);
            else
                vec_store(t->c[r] + j * LANES, acc[r][j]);
        }
    }
}

typedef void tile_fn(const tile *t);

#if WHOLE_COLUMNS_MATTER
#define TILE(rows, vectors) \
    static void tile_##rows##x##vectors(const tile *t) \
    { \
        if (t->columns == vectors * LANES) \
            run_tile(t, rows, vectors, false); \
        else \
            run_tile(t, rows, vectors, true); \
    }
#else
#define TILE(rows, vectors) \
    static void tile_##rows##x##vectors(const tile *t) \
    { \
        run_tile(t, rows, vectors, true); \
    }
#endif

#define TILES_6(vectors) \
    TILE(1, vectors) TILE(2, vectors) TILE(3, vectors) TILE(4, vectors) TILE(5, vectors) TILE(6, vectors)
#define NAMES_6(vectors) \
    tile_1x##vectors, tile_2x##vectors, tile_3x##vectors, tile_4x##vectors, tile_5x##vectors, tile_6x##vectors
#define TILES_8(vectors) TILES_6(vectors) TILE(7, vectors) TILE(8, vectors)
#define NAMES_8(vectors) NAMES_6(vectors), tile_7x##vectors, tile_8x##vectors
#define TILES_10(vectors) TILES_8(vectors) TILE(9, vectors) TILE(10, vectors)
#define NAMES_10(vectors) NAMES_8(vectors), tile_9x##vectors, tile_10x##vectors

#if MORU_VECTOR_BYTES == 64
TILES_10(1)
TILES_10(2)
TILES_8(3)
TILES_6(4)
static tile_fn *const tiles[TILE_VECTORS][TILE_MAX_ROWS] = {{NAMES_10(1)}, {NAMES_10(2)}, {NAMES_8(3)}, {NAMES_6(4)}};
#else
TILES_8(1)
TILES_6(2)
static tile_fn *const tiles[TILE_VECTORS][TILE_MAX_ROWS] = {{NAMES_8(1)}, {NAMES_6(2)}};
#endif

void MORU_KERNEL(tile)(const tile *t, int64_t rows)
{
    tiles[tile_vectors(t->columns) - 1][rows - 1](t);
}

void MORU_KERNEL(transpose)(const moru_real *x, int64_t ldx, int64_t rows, int64_t columns, moru_real *out, int64_t ldo)
{
    for (int64_t i = 0; i < rows; i += LANES)
        for (int64_t j = 0; j < columns; j += LANES) {
            int64_t height = min(LANES, rows - i), width = min(LANES, columns - j);
            vec v[MORU_VECTOR_BYTES / sizeof(moru_real)];
            if (height == LANES && width == LANES) {
#pragma GCC unroll 16
                for (int64_t r = 0; r < LANES; r++)
                    v[r] = vec_load(x + (i + r) * ldx + j);
                vec_transpose(v);
#pragma GCC unroll 16
                for (int64_t r = 0; r < LANES; r++)
                    vec_store(out + (j + r) * ldo + i, v[r]);
            } else {
                for (int64_t r = 0; r < LANES; r++)
                    v[r] = r < height ? vec_load_part(x + (i + r) * ldx + j, width) : vec_zero();
                vec_transpose(v);
                for (int64_t r = 0; r < width; r++)
                    vec_store(out + (j + r) * ldo + i, v[r]);
            }
        }
}
