/* The gradient of the weights by Winograd.
 *
 * Chunks of tiles: all threads transform source and dy, V [36][tiles][channels] and D [36][tiles][columns], then share
 * out the 36 products V' D, which go on summing into dU [36][channels][columns] from chunk to chunk. Chunks are cut by
 * size alone and follow each other, so every sum has one order. At the end dw = G' dU G. */
#include "kernels/winograd.h"

#define CHUNK_BYTES (1536 * 1024) /* of V and D, about: they pass through the caches */
#define MIN_CHUNK 64
#define MAX_CHUNK 512
#define PIECE 8 /* tiles transformed at once */

typedef struct plan {
    int64_t depth, width;    /* channels and columns in whole vectors */
    int64_t chunk, chunks;
    int64_t panels, row_tiles, rows; /* of a product */
    int64_t v_stride, d_stride, u_stride;
    size_t v_bytes, d_bytes, u_bytes;
} plan;

static plan make_plan(const winograd *w)
{
    plan p = {.depth = tile_vectors(w->channels) * LANES, .width = tile_vectors(w->columns) * LANES};
    int64_t size = (int64_t)sizeof(moru_real), tile_bytes = WINOGRAD_POINTS * (p.depth + p.width) * size;
    p.chunk = min(min(max(CHUNK_BYTES / tile_bytes, MIN_CHUNK), MAX_CHUNK), w->tiles);
    p.chunks = (w->tiles + p.chunk - 1) / p.chunk;
    p.chunk = (w->tiles + p.chunks - 1) / p.chunks;
    p.panels = tile_panels(p.width);
    p.rows = tile_rows(p.width);
    p.row_tiles = (w->channels + p.rows - 1) / p.rows;
    p.v_stride = winograd_stride(p.chunk * p.depth);
    p.d_stride = winograd_stride(p.chunk * p.width);
    p.u_stride = winograd_stride(w->channels * p.width);
    p.v_bytes = round_up((size_t)(WINOGRAD_POINTS * p.v_stride * size));
    p.d_bytes = round_up((size_t)(WINOGRAD_POINTS * p.d_stride * size));
    p.u_bytes = round_up((size_t)(WINOGRAD_POINTS * p.u_stride * size));
    return p;
}

/* dU (+)= V' D of one point and panel. A chunk sums from zero: one chain through all tiles would round several times
 * worse. */
static void multiply(const winograd *w, const plan *p, const moru_real *v, const moru_real *d, int64_t count,
                     int64_t task, bool accumulate, moru_real *u)
{
    static const int64_t zero = 0;
    int64_t point = task / p->panels, panel = task % p->panels;
    int64_t column = tile_panel_start(p->width, p->panels, panel);
    tile t = {
        .step = p->depth, .offsets = &zero, .runs = 1, .length = count, .b = d + point * p->d_stride + column,
        .ldb = p->width, .columns = tile_panel_start(p->width, p->panels, panel + 1) - column,
    };
    moru_real sums[TILE_MAX_ROWS * TILE_COLUMNS] __attribute__((aligned(64)));
    v += point * p->v_stride;
    u += point * p->u_stride + column;
    for (int64_t i = 0, row = 0; i < p->row_tiles; i++) {
        int64_t end = w->channels * (i + 1) / p->row_tiles, rows = end - row;
        for (int64_t r = 0; r < rows; r++, row++) {
            t.a[r] = v + row;
            t.c[r] = accumulate ? sums + r * TILE_COLUMNS : u + row * p->width;
        }
        MORU_KERNEL(tile)(&t, rows);
        for (int64_t r = 0; accumulate && r < rows; r++)
            for (int64_t j = 0; j < t.columns; j += LANES) {
                moru_real *to = u + (row - rows + r) * p->width + j;
                vec_store(to, vec_load(to) + vec_load(t.c[r] + j));
            }
    }
}

size_t MORU_KERNEL(winograd_weight_workspace)(const winograd *w, int threads)
{
    plan p = make_plan(w);
    (void)threads;
    return p.v_bytes + p.d_bytes + p.u_bytes;
}

void MORU_KERNEL(winograd_weight)(const winograd *w, const moru_real *dy, const moru_real *x, moru_real *dw,
                                  void *workspace, int threads)
{
    plan p = make_plan(w);
    moru_real *v = workspace, *d = (moru_real *)((char *)v + p.v_bytes), *u = (moru_real *)((char *)d + p.d_bytes);
    int64_t products = WINOGRAD_POINTS * p.panels;
    int workers = kernel_threads(w->tiles * WINOGRAD_POINTS * w->channels * w->columns, threads);
    (void)workers; /* without OpenMP */
#pragma omp parallel num_threads(workers) if (workers > 1)
    {
        for (int64_t chunk = 0; chunk < p.chunks; chunk++) {
            int64_t first = w->tiles * chunk / p.chunks, count = w->tiles * (chunk + 1) / p.chunks - first;
#pragma omp for schedule(static)
            for (int64_t i = 0; i < count; i += PIECE) {
                int64_t some = min(count - i, PIECE);
                MORU_KERNEL(winograd_source)(w, x, first + i, some, v + i * p.depth, p.depth, p.v_stride);
                MORU_KERNEL(winograd_spread)(w, dy, first + i, some, d + i * p.width, p.width, p.d_stride);
            }
#pragma omp for schedule(static)
            for (int64_t task = 0; task < products; task++)
                multiply(w, &p, v, d, count, task, chunk > 0, u);
        }
#pragma omp for schedule(static)
        for (int64_t c = 0; c < w->channels; c++)
            MORU_KERNEL(winograd_weights_grad)(u + c * p.width, p.u_stride, w->columns, dw + c * w->columns,
                                               w->channels * w->columns);
    }
}
