/* c = act(op(a) op(b) + bias).
 *
 * Row-major operands are multiplied where they lie: the tile walks rows of a (or columns, if a is transposed) through
 * pointers and rows of b with their stride. Only a transposed b is copied, one panel and one block of k at a time, into
 * scratch memory of the thread. The tiles of all problems of a batch are numbered in one row, and each thread gets an equal
 * stretch of it. Every element of c is one chain of additions over k, whatever the tile, so threads can't change it. The
 * exception, long sums for few results (gradients of weights), is cut into parts by size alone, added in order. */
#include "kernels/tile.h"

#define K_BLOCK 1024                /* rows of a panel of b that stay in the L2 cache */
#define K_BLOCK_PACKED 512
#define A_BYTES (512 * 1024)        /* rows of a walked again and again for each panel */
#define MIN_REPACKED_ROWS 256       /* rows of a between two packings of the same panel, at least */
#define SPLIT_LENGTH 2048           /* k of one part of a sum that is cut */
#define SPLIT_MAX 16

/* How the work is laid out; depends on sizes alone. */
typedef struct layout {
    int64_t panels, rows, tiles, chunk; /* column panels; rows per tile; tiles over m, and those of a chunk walked per panel */
    int64_t block, blocks;              /* of k */
} layout;

static layout gemm_layout(const moru_gemm *g)
{
    layout l;
    l.panels = tile_panels(g->n);
    l.rows = tile_rows(g->n);
    l.tiles = (g->m + l.rows - 1) / l.rows;
    int64_t chunk_rows = A_BYTES / (int64_t)sizeof(moru_real) / max(g->k, 1);
    if (g->trans_b)
        chunk_rows = max(chunk_rows, MIN_REPACKED_ROWS);
    l.chunk = max(min(chunk_rows / l.rows, l.tiles), 1);
    int64_t block = g->trans_a || g->trans_b ? K_BLOCK_PACKED : K_BLOCK;
    l.blocks = max((g->k + block - 1) / block, 1);
    l.block = (g->k + l.blocks - 1) / l.blocks;
    return l;
}

/* Tiles [first, last) of m against panel `panel`, all of k. */
static void run_panel(const moru_gemm *g, const layout *l, int64_t entry, int64_t panel, int64_t first, int64_t last,
                      moru_real *pack)
{
    const moru_real *a = g->a + entry * g->stride_a, *b = g->b + entry * g->stride_b;
    moru_real *c = g->c + entry * g->stride_c;
    int64_t column = tile_panel_start(g->n, l->panels, panel);
    int64_t zero = 0;
    tile t = {
        .step = g->trans_a ? g->lda : 1, .offsets = &zero, .runs = 1, .bias = g->bias ? g->bias + column : NULL,
        .columns = tile_panel_start(g->n, l->panels, panel + 1) - column,
    };
    int64_t row_step = g->trans_a ? 1 : g->lda;
    for (int64_t block = 0; block < l->blocks; block++) {
        int64_t k = block * l->block;
        t.length = min(l->block, g->k - k);
        if (g->trans_b) {
            MORU_KERNEL(transpose)(b + column * g->ldb + k, g->ldb, t.columns, t.length, pack, TILE_COLUMNS);
            t.b = pack;
            t.ldb = TILE_COLUMNS;
        } else {
            t.b = b + k * g->ldb + column;
            t.ldb = g->ldb;
        }
        t.accumulate = block > 0;
        bool end = block == l->blocks - 1;
        t.relu = end && g->activation == ACTIVATION_RELU;
        for (int64_t i = first; i < last; i++) {
            int64_t row = g->m * i / l->tiles, rows = g->m * (i + 1) / l->tiles - row;
            for (int64_t r = 0; r < rows; r++) {
                t.a[r] = a + (row + r) * row_step + k * t.step;
                t.c[r] = c + (row + r) * g->ldc + column;
            }
            MORU_KERNEL(tile)(&t, rows);
            if (end && g->activation && !t.relu)
                tile_activate(&t, rows, g->activation, g->params);
        }
    }
}

/* Tiles [unit, end) of the row of all: batch entry, chunk of m, panel, tile. */
static void run_units(const moru_gemm *g, const layout *l, int64_t unit, int64_t end, moru_real *pack)
{
    while (unit < end) {
        int64_t in_entry = unit % (l->panels * l->tiles), chunk = in_entry / (l->panels * l->chunk);
        int64_t first = chunk * l->chunk, count = min(l->chunk, l->tiles - first);
        int64_t in_chunk = in_entry - first * l->panels, panel = in_chunk / count, i = in_chunk % count;
        int64_t stop = min(count, i + end - unit);
        run_panel(g, l, unit / (l->panels * l->tiles), panel, first + i, first + stop, pack);
        unit += stop - i;
    }
}

static int gemm_threads(const moru_gemm *g, int threads)
{
    return g->m * g->n * g->batch < MORU_PARALLEL_MIN / max(g->k, 1) ? 1 : (int)max(threads, 1);
}

static size_t pack_bytes(const moru_gemm *g)
{
    return g->trans_b ? round_up((size_t)(gemm_layout(g).block * TILE_COLUMNS) * sizeof(moru_real)) : 0;
}

static void run_all(const moru_gemm *g, void *workspace, int threads)
{
    layout l = gemm_layout(g);
    int64_t units = g->batch * l.panels * l.tiles;
    size_t bytes = pack_bytes(g);
    int parts = (int)max(min(gemm_threads(g, threads), units), 1);
#pragma omp parallel for num_threads(parts) schedule(static) if (parts > 1)
    for (int p = 0; p < parts; p++)
        run_units(g, &l, units * p / parts, units * (p + 1) / parts, (moru_real *)((char *)workspace + p * bytes));
}

/* A column c = a b is the dot products of a's rows: vectors along k, one row at a time. */
static void run_dots(const moru_gemm *g, int threads)
{
    int64_t rows = g->batch * g->m;
    moru_unary_fn *act = g->activation ? MORU_KERNEL(table).unary[g->activation - 1] : NULL;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < rows; i++) {
        const moru_real *a = g->a + i / g->m * g->stride_a + i % g->m * g->lda;
        const moru_real *b = g->b + i / g->m * g->stride_b;
        vec s[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        int64_t k = 0;
        for (; k + 4 * LANES <= g->k; k += 4 * LANES)
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++)
                s[j] += vec_load(a + k + j * LANES) * vec_load(b + k + j * LANES);
        for (; k < g->k; k += LANES)
            s[0] += vec_load_part(a + k, min(LANES, g->k - k)) * vec_load_part(b + k, min(LANES, g->k - k));
        moru_real *c = g->c + i / g->m * g->stride_c + i % g->m * g->ldc;
        *c = vec_sum((s[0] + s[1]) + (s[2] + s[3])) + (g->bias ? *g->bias : 0);
        if (act)
            act(c, c, 1, g->params);
    }
}

/* A sum over k long beside the result's size is cut into this many parts. */
static int64_t split_parts(const moru_gemm *g)
{
    if (g->batch != 1 || g->k < 2 * SPLIT_LENGTH || g->m * g->n > 4 * TILE_MAX_ROWS * TILE_COLUMNS)
        return 1;
    return min(g->k / SPLIT_LENGTH, SPLIT_MAX);
}

/* The parts are a batch of problems into scratch memory, and one shorter last one. */
static moru_gemm split_gemm(const moru_gemm *g, int64_t parts)
{
    moru_gemm s = *g;
    s.k = g->k / parts;
    s.batch = parts;
    s.stride_a = s.k * (g->trans_a ? g->lda : 1);
    s.stride_b = s.k * (g->trans_b ? 1 : g->ldb);
    s.ldc = g->n;
    s.stride_c = g->m * g->n;
    s.bias = NULL;
    s.activation = 0;
    return s;
}

static moru_gemm split_rest(const moru_gemm *s, const moru_gemm *g, int64_t parts)
{
    moru_gemm rest = *s;
    rest.k = g->k - parts * s->k;
    rest.batch = 1;
    rest.a += parts * s->stride_a;
    rest.b += parts * s->stride_b;
    return rest;
}

static void run_split(const moru_gemm *g, int64_t parts, void *workspace, int threads)
{
    moru_real *partial = workspace;
    size_t partial_bytes = round_up((size_t)((parts + 1) * g->m * g->n) * sizeof(moru_real));
    moru_gemm s = split_gemm(g, parts), rest = split_rest(&s, g, parts);
    s.c = partial;
    rest.c = partial + parts * s.stride_c;
    run_all(&s, (char *)workspace + partial_bytes, threads);
    run_all(&rest, (char *)workspace + partial_bytes, threads);
    moru_unary_fn *act = g->activation ? MORU_KERNEL(table).unary[g->activation - 1] : NULL;
    for (int64_t i = 0; i < g->m; i++) {
        moru_real *c = g->c + i * g->ldc;
        for (int64_t j = 0; j < g->n; j++) {
            moru_real sum = 0;
            for (int64_t p = 0; p <= parts; p++)
                sum += partial[p * s.stride_c + i * g->n + j];
            c[j] = sum + (g->bias ? g->bias[j] : 0);
        }
        if (act)
            act(c, c, g->n, g->params);
    }
}

/* A column of results under a transposed a is the row b^T a. */
static bool is_row_in_disguise(const moru_gemm *g)
{
    return g->n == 1 && g->trans_a && g->ldc == 1 && !g->bias;
}

static moru_gemm as_row(const moru_gemm *g)
{
    moru_gemm r = *g;
    r.m = 1;
    r.n = g->m;
    r.a = g->b;
    r.lda = g->ldb;
    r.trans_a = !g->trans_b;
    r.stride_a = g->stride_b;
    r.b = g->a;
    r.ldb = g->lda;
    r.trans_b = false;
    r.stride_b = g->stride_a;
    r.ldc = g->m;
    return r;
}

static bool is_dots(const moru_gemm *g)
{
    return g->n == 1 && !g->trans_a && (g->trans_b || g->ldb == 1);
}

size_t MORU_KERNEL(gemm_workspace)(const moru_gemm *g, int threads)
{
    if (g->m <= 0 || g->n <= 0 || g->batch <= 0 || is_dots(g))
        return 0;
    moru_gemm row;
    if (is_row_in_disguise(g)) {
        row = as_row(g);
        g = &row;
    }
    size_t packs = (size_t)max(threads, 1);
    int64_t parts = split_parts(g);
    if (parts == 1)
        return packs * pack_bytes(g);
    moru_gemm s = split_gemm(g, parts), rest = split_rest(&s, g, parts);
    return round_up((size_t)((parts + 1) * g->m * g->n) * sizeof(moru_real)) +
           packs * (size_t)max((int64_t)pack_bytes(&s), (int64_t)pack_bytes(&rest));
}

void MORU_KERNEL(gemm)(const moru_gemm *g, void *workspace, int threads)
{
    if (g->m <= 0 || g->n <= 0 || g->batch <= 0)
        return;
    if (is_dots(g)) {
        run_dots(g, gemm_threads(g, threads));
        return;
    }
    moru_gemm row;
    if (is_row_in_disguise(g)) {
        row = as_row(g);
        g = &row;
    }
    int64_t parts = split_parts(g);
    if (parts == 1)
        run_all(g, workspace, threads);
    else
        run_split(g, parts, workspace, threads);
}
