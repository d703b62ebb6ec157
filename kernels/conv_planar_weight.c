/* The gradient of the weights of a few filters: dw[k][f] = sum over pixels of x[pixel, tap and channel k]
 * dy[pixel, f]. Vectors run along the pixels of a row, in the channels of x and of dy apart; each weight sums into
 * a vector of its own, whose lanes are added at the end. Images are dealt out to parts by size alone, with sums of
 * their own, added in order. */
#include "kernels/conv.h"

#define PARTS 32

/* Rows of dw held in registers at once for so many columns */
#if MORU_VECTOR_BYTES == 64
#define ROWS(columns) ((columns) <= 2 ? 8 : (columns) <= 4 ? 6 : (columns) <= 6 ? 4 : 3)
#else
#define ROWS(columns) ((columns) <= 2 ? 4 : (columns) == 3 ? 3 : 2)
#endif
#define MOST_ROWS 8

typedef struct plan {
    const conv_walk *walk;
    conv_blocks bands;
    int64_t columns, k, tiles, per_row; /* rows of dw; tiles over them; vectors of pixels in a row */
    int64_t units, parts;
    size_t planes_bytes, dy_bytes, sums_bytes; /* of a thread */
    size_t partial_bytes;
} plan;

static plan make_plan(const conv_walk *w, int64_t columns)
{
    plan p = {.walk = w, .bands = MORU_KERNEL(conv_blocks)(w, true), .columns = columns};
    p.k = w->taps_y * w->taps_x * w->depth;
    p.tiles = (p.k + ROWS(columns) - 1) / ROWS(columns);
    p.per_row = tile_vectors(w->grid_w);
    p.units = w->images * p.bands.blocks;
    p.parts = min(p.units, PARTS);
    p.planes_bytes = MORU_KERNEL(conv_planes_bytes)(w, &p.bands);
    p.dy_bytes = round_up((size_t)(p.bands.rows * p.per_row * columns * LANES) * sizeof(moru_real));
    p.sums_bytes = (size_t)(p.tiles * ROWS(columns) * columns) * MORU_VECTOR_BYTES;
    p.partial_bytes = round_up((size_t)(p.parts * p.k * columns) * sizeof(moru_real));
    return p;
}

/* Adds the pixels of `rows` rows to the vectors of a tile's weights. x: of each row of dw, its first pixel in the
 * planes */
KERNEL_INLINE void run_rows(const plan *p, const moru_real *const *x, const moru_real *dy, int64_t rows,
                            moru_real *sums, const int columns)
{
    const int height = ROWS(columns);
    vec acc[MOST_ROWS][8], d[8];
    const moru_real *a[MOST_ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < height; r++) {
        a[r] = x[r];
#pragma GCC unroll 8
        for (int f = 0; f < columns; f++)
            acc[r][f] = vec_load(sums + (r * columns + f) * LANES);
    }
    int64_t row_step = p->walk->step_y * p->bands.width;
    for (int64_t y = 0; y < rows; y++)
        for (int64_t i = y * row_step, end = i + p->per_row * LANES; i < end; i += LANES, dy += columns * LANES) {
#pragma GCC unroll 8
            for (int f = 0; f < columns; f++)
                d[f] = vec_load(dy + f * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < height; r++) {
                vec v = vec_load(a[r] + i);
#pragma GCC unroll 8
                for (int f = 0; f < columns; f++)
                    acc[r][f] += v * d[f];
            }
        }
#pragma GCC unroll 8
    for (int r = 0; r < height; r++)
#pragma GCC unroll 8
        for (int f = 0; f < columns; f++)
            vec_store(sums + (r * columns + f) * LANES, acc[r][f]);
}

typedef void rows_fn(const plan *p, const moru_real *const *x, const moru_real *dy, int64_t rows, moru_real *sums);

#define COLUMNS(n) \
    static void rows_##n(const plan *p, const moru_real *const *x, const moru_real *dy, int64_t rows, moru_real *sums) \
    { \
        run_rows(p, x, dy, rows, sums, n); \
    }
COLUMNS(1)
#if PLANAR_COLUMNS >= 2
COLUMNS(2)
#endif
#if PLANAR_COLUMNS >= 4
COLUMNS(3)
COLUMNS(4)
#endif
#if PLANAR_COLUMNS >= 8
COLUMNS(5)
COLUMNS(6)
COLUMNS(7)
COLUMNS(8)
#endif

static rows_fn *const run_columns[PLANAR_COLUMNS] = {
    rows_1,
#if PLANAR_COLUMNS >= 2
    rows_2,
#endif
#if PLANAR_COLUMNS >= 4
    rows_3, rows_4,
#endif
#if PLANAR_COLUMNS >= 8
    rows_5, rows_6, rows_7, rows_8,
#endif
};

/* One band of an image */
static void run_unit(const plan *p, int64_t unit, const moru_real *dy, const moru_real *x, moru_real *planes,
                     moru_real *dy_vectors, moru_real *sums)
{
    const conv_walk *w = p->walk;
    int64_t image = unit / p->bands.blocks, first = unit % p->bands.blocks * p->bands.rows;
    int64_t rows = min(p->bands.rows, w->grid_h - first), vectors = p->per_row * p->columns * LANES;
    if (rows <= 0)
        return;
    MORU_KERNEL(conv_copy_planes)(w, &p->bands, x + image * w->h * w->w * w->channels, first * w->step_y + w->y0,
                                  (rows - 1) * w->step_y + (w->taps_y - 1) * w->apart_y + 1, planes);
    dy += (image * w->grid_h + first) * w->grid_w * p->columns;
    for (int64_t r = 0; r < rows; r++)
        MORU_KERNEL(part_channels)(dy + r * w->grid_w * p->columns, w->grid_w, p->columns, dy_vectors + r * vectors,
                                   LANES, p->columns * LANES);
    int64_t height = ROWS(p->columns), plane = MORU_KERNEL(conv_plane_size)(&p->bands);
    for (int64_t i = 0; i < p->tiles; i++) {
        const moru_real *from[MOST_ROWS];
        for (int64_t r = 0; r < height; r++) {
            /* rows past the end repeat the last one; nobody reads their sums */
            int64_t row = min(i * height + r, p->k - 1), tap = row / w->depth;
            from[r] = planes + row % w->depth * plane + tap / w->taps_x * w->apart_y * p->bands.width +
                      tap % w->taps_x * w->apart_x;
        }
        run_columns[p->columns - 1](p, from, dy_vectors, rows, sums + i * height * p->columns * LANES);
    }
}

size_t MORU_KERNEL(conv_planar_weight_workspace)(const conv_walk *w, int64_t columns, int threads)
{
    plan p = make_plan(w, columns);
    return p.partial_bytes + (size_t)max(threads, 1) * (p.planes_bytes + p.dy_bytes + p.sums_bytes);
}

static void run_part(const plan *p, int64_t part, const moru_real *dy, const moru_real *x, char *scratch,
                     moru_real *partial)
{
    moru_real *planes = (moru_real *)scratch, *dy_vectors = (moru_real *)(scratch + p->planes_bytes);
    moru_real *sums = (moru_real *)(scratch + p->planes_bytes + p->dy_bytes);
    memset(sums, 0, p->sums_bytes);
    for (int64_t unit = p->units * part / p->parts; unit < p->units * (part + 1) / p->parts; unit++)
        run_unit(p, unit, dy, x, planes, dy_vectors, sums);
    for (int64_t i = 0; i < p->k * p->columns; i++)
        partial[i] = vec_sum(vec_load(sums + i * LANES));
}

void MORU_KERNEL(conv_planar_weight)(const conv_walk *w, int64_t columns, const moru_real *dy, const moru_real *x,
                                     moru_real *dw, void *workspace, int threads)
{
    plan p = make_plan(w, columns);
    moru_real *partial = workspace;
    char *scratch = (char *)workspace + p.partial_bytes;
    int64_t size = p.k * columns;
    threads = product_threads(w->images * w->grid_h * w->grid_w * size, threads);
    int workers = (int)min(threads, p.parts);
    PARALLEL(workers, for (int i = 0; i < workers; i++)
        for (int64_t part = p.parts * i / workers; part < p.parts * (i + 1) / workers; part++)
            run_part(&p, part, dy, x, scratch + (size_t)i * (p.planes_bytes + p.dy_bytes + p.sums_bytes),
                     partial + part * size));
    MORU_KERNEL(sum_parts)(partial, p.parts, size, dw, threads);
}
