/* c = act(op(a) op(b) + bias).
 *
 * Row-major operands are multiplied where they lie: the tile walks rows of a (or columns, if a is transposed)
 * through pointers and rows of b with their stride. Copied, one block at a time into scratch memory of the thread,
 * are only a transposed b, a b whose long rows would be walked often, and a transposed a with a long sum whose rows
 * fall into the same sets of a cache. Other long walks prefetch their way. The tiles of all problems of a batch are
 * numbered in one row, and each thread gets an equal stretch of it. Every element of c is one chain of additions over
 * k, whatever the tile, so threads can't change it. The exception, long sums for few results (gradients of weights),
 * is cut into parts by size alone, added in order. A few rows against a transposed b, and single columns, are dot
 * products along k. */
#include "kernels/tile.h"

#define K_BLOCK 1024               /* rows of a panel of b that stay in the L2 cache */
#define K_BLOCK_PACKED 512
#define A_BYTES (512 * 1024)       /* rows of a walked again and again for each panel */
#define A_BYTES_PACKED (512 * 1024)
#define MAX_PACKED_ROWS 512        /* of a transposed a: long stretches of its rows are what prefetchers follow */
#define MAX_DOT_ROWS 4             /* of a, that cost less as dot products than packing a transposed b */
#define K_BLOCK_WALKED 128         /* of a transposed a that isn't packed */
#define MIN_RUN 6                  /* of a walk that prefetches */
#define MIN_REUSE 128              /* rows of a that are worth packing a panel of b */
#define MIN_REPACKED_ROWS 256      /* rows of a between two packings of the same panel, at least */
#define PREFETCH_ROWS 16           /* of b, ahead of the one that is packed */
#define SPLIT_LENGTH 2048           /* k of one part of a sum that is cut */
#define SPLIT_MAX 16
#define SPLIT_RESULT 65536         /* elements of the result, at most */

/* How the work is laid out; depends on sizes alone. */
typedef struct layout {
    int64_t panels, rows;    /* of columns; most of a tile */
    int64_t tiles, chunk;    /* over m; those of a chunk, walked per panel */
    int64_t shorter, longer; /* rows of the shorter tiles; how many have one more */
    int64_t block, blocks;   /* of k */
    bool pack_a, pack_b, walk_a; /* walk_a: a transposed a is long and read where it lies */
    size_t a_bytes, b_bytes; /* scratch memory of a thread */
} layout;

/* Rows a multiple of 4096 bytes apart all fall into the same few sets of a cache. */
static bool b_is_awkward(const moru_gemm *g)
{
    if (g->trans_b)
        return true;
    bool same_sets = g->ldb * (int64_t)sizeof(moru_real) % 4096 == 0;
    return g->ldb > TILE_COLUMNS && g->k >= 64 && g->m >= (same_sets ? MIN_REUSE / 4 : MIN_REUSE);
}

/* Of the packed columns of a tile: whole vectors are stored, so the last row needs room behind it. */
static int64_t packed_size(const layout *l, int64_t length)
{
    return length * l->rows + LANES;
}

static layout gemm_layout(const moru_gemm *g)
{
    layout l = {0};
    l.panels = tile_panels(g->n);
    l.rows = tile_rows(g->n);
    l.tiles = (g->m + l.rows - 1) / l.rows;
    l.shorter = g->m / l.tiles;
    l.longer = g->m % l.tiles;
    bool long_a = g->trans_a && g->k > K_BLOCK_PACKED && g->k * g->m * (int64_t)sizeof(moru_real) > 2 * A_BYTES;
    l.pack_a = long_a && g->lda * (int64_t)sizeof(moru_real) % 512 == 0;
    l.walk_a = long_a && !l.pack_a;
    l.pack_b = b_is_awkward(g);
    int64_t block = l.walk_a ? K_BLOCK_WALKED : l.pack_a || l.pack_b ? K_BLOCK_PACKED : K_BLOCK;
    if (l.pack_a)
        block = min(block, A_BYTES_PACKED / (int64_t)sizeof(moru_real) / min(g->m, MAX_PACKED_ROWS));
    l.blocks = max((g->k + block - 1) / block, 1);
    l.block = (g->k + l.blocks - 1) / l.blocks;
    int64_t depth = max(long_a ? l.block : g->k, 1) * (int64_t)sizeof(moru_real);
    int64_t chunk_rows = (l.pack_a ? A_BYTES_PACKED : A_BYTES) / depth;
    if (l.pack_b)
        chunk_rows = max(chunk_rows, MIN_REPACKED_ROWS);
    if (l.pack_a) /* threads share chunks out before panels, each of which would pack the same columns again */
        chunk_rows = min(chunk_rows, max((g->m + 1) / 2, MIN_REPACKED_ROWS));
    l.chunk = max(min(chunk_rows / l.rows, l.tiles), 1);
    if (l.pack_a)
        l.a_bytes = round_up((size_t)(l.chunk * packed_size(&l, l.block)) * sizeof(moru_real));
    if (l.pack_b)
        l.b_bytes = round_up((size_t)(l.block * TILE_COLUMNS) * sizeof(moru_real));
    return l;
}

/* First row of tile i: the first `longer` tiles have one row more. */
static int64_t tile_start(const layout *l, int64_t i)
{
    return i * l->shorter + min(i, l->longer);
}

/* A panel of b, rows k .. k + length: out[k][TILE_COLUMNS] */
static void pack_panel(const moru_gemm *g, const moru_real *b, int64_t column, int64_t columns, int64_t k,
                       int64_t length, moru_real *out)
{
    if (g->trans_b) {
        MORU_KERNEL(transpose)(b + column * g->ldb + k, g->ldb, columns, length, out, TILE_COLUMNS);
        return;
    }
    b += k * g->ldb + column;
    for (int64_t i = 0; i < length; i++, b += g->ldb, out += TILE_COLUMNS)
        for (int64_t j = 0; j < columns; j += LANES) {
            __builtin_prefetch(b + min(PREFETCH_ROWS, length - 1 - i) * g->ldb + j); /* far rows lie on other pages */
            vec_store(out + j, vec_load_part(b + j, min(LANES, columns - j)));
        }
}

/* A stretch of tiles of one chunk: of panels panel, panel + 1, ... */
typedef struct stretch {
    int64_t entry, chunk_first, count; /* batch entry; first tile of the chunk, tiles in it */
    int64_t from, to;                  /* in the chunk's row of tiles, panel after panel */
    moru_real *a_pack, *b_pack;
} stretch;

typedef moru_real half __attribute__((vector_size(MORU_VECTOR_BYTES / 2), aligned(sizeof(moru_real)), may_alias));

/* Rows of a tile that half a vector holds are stored as one: whole ones would each overlap the next two. */
KERNEL_INLINE void store_rows(moru_real *to, const moru_real *a, int64_t rows, int64_t readable)
{
    if (rows <= LANES / 2 && readable >= LANES / 2) {
        *(half *)to = *(const half *)a;
        return;
    }
    for (; rows > 0; rows -= LANES, readable -= LANES, a += LANES, to += LANES)
        vec_store(to, readable >= LANES ? vec_load(a) : vec_load_part(a, readable));
}

/* Tiles [first, last) of the chunk, rows k .. k + length of a transposed a: [tile][k][rows of a tile]. Each row's
 * vectors run over into the next row's place, which is written after them. */
static void pack_columns(const moru_gemm *g, const layout *l, const stretch *s, int64_t first, int64_t last, int64_t k,
                         int64_t length)
{
    int64_t start = tile_start(l, s->chunk_first + first), size = packed_size(l, length);
    const moru_real *row = g->a + s->entry * g->stride_a + k * g->lda, *a = row + start, *end = row + g->m;
    moru_real *out = s->a_pack + first * size;
    for (int64_t i = 0; i < length; i++, a += g->lda, end += g->lda, out += l->rows) {
        const moru_real *from = a;
        moru_real *to = out;
        for (int64_t j = s->chunk_first + first; j < s->chunk_first + last; j++, to += size) {
            int64_t rows = l->shorter + (j < l->longer);
            store_rows(to, from, rows, end - from);
            from += rows;
        }
    }
}

/* A walk in runs of a few numbers, so that what comes next can be prefetched little by little */
static void cut_runs(tile *t, int64_t run, int64_t *offsets)
{
    t->runs = (t->length + run - 1) / run;
    t->tail = t->length - (t->runs - 1) * run;
    t->length = run;
    t->offsets = offsets;
    t->ahead_row = t->step == 1 ? 0 : t->step - 1;
    for (int64_t i = 0; i < t->runs; i++)
        offsets[i] = i * run * t->step;
}

/* Tiles [first, last) of the chunk against one panel, one block of k */
static void run_panel(const moru_gemm *g, const layout *l, const stretch *s, int64_t panel, int64_t first, int64_t last,
                      int64_t block)
{
    const moru_real *a = g->a + s->entry * g->stride_a, *b = g->b + s->entry * g->stride_b;
    moru_real *c = g->c + s->entry * g->stride_c;
    int64_t column = tile_panel_start(g->n, l->panels, panel), k = block * l->block, length = min(l->block, g->k - k);
    int64_t row_step = g->trans_a ? 1 : g->lda, zero = 0;
    bool end = block == l->blocks - 1;
    tile t = {
        .step = g->trans_a ? g->lda : 1, .offsets = &zero, .runs = 1, .length = length, .b = b + k * g->ldb + column,
        .ldb = g->ldb, .bias = g->bias ? g->bias + column : NULL,
        .columns = tile_panel_start(g->n, l->panels, panel + 1) - column, .accumulate = block > 0,
        .relu = end && g->activation == ACTIVATION_RELU,
    };
    a += k * t.step;
    if (l->pack_b) {
        pack_panel(g, b, column, t.columns, k, length, s->b_pack);
        t.b = s->b_pack;
        t.ldb = TILE_COLUMNS;
    }
    if (l->pack_a)
        t.step = l->rows;
    int64_t offsets[K_BLOCK / MIN_RUN + 1], run = 0;
    if (l->walk_a && k + length < g->k && (panel == 0 || panel == s->from / s->count))
        run = l->rows;
    else if (!g->trans_a && l->panels == 1 && length > LINE)
        run = LINE;
    if (run)
        cut_runs(&t, run, offsets);
    for (int64_t i = first; i < last; i++) {
        int64_t row = tile_start(l, s->chunk_first + i), rows = tile_start(l, s->chunk_first + i + 1) - row;
        for (int64_t r = 0; r < rows; r++) {
            t.a[r] = l->pack_a ? s->a_pack + i * packed_size(l, length) + r : a + (row + r) * row_step;
            t.c[r] = c + (row + r) * g->ldc + column;
        }
        if (l->walk_a) /* a line of each row of the next block */
            t.ahead = run ? length * g->lda : 0;
        else           /* those of the next tile */
            t.ahead = run && i + 1 < last ? rows * g->lda : 0;
        MORU_KERNEL(tile)(&t, rows);
        if (end && g->activation && !t.relu)
            tile_activate(&t, rows, g->activation, g->params);
    }
}

static void run_stretch(const moru_gemm *g, const layout *l, const stretch *s)
{
    int64_t panel_first = s->from / s->count, panel_last = (s->to - 1) / s->count;
    for (int64_t block = 0; block < l->blocks; block++) {
        int64_t k = block * l->block;
        if (l->pack_a)
            pack_columns(g, l, s, panel_first == panel_last ? s->from % s->count : 0,
                         panel_first == panel_last ? (s->to - 1) % s->count + 1 : s->count, k, min(l->block, g->k - k));
        for (int64_t panel = panel_first; panel <= panel_last; panel++)
            run_panel(g, l, s, panel, panel == panel_first ? s->from % s->count : 0,
                      panel == panel_last ? (s->to - 1) % s->count + 1 : s->count, block);
    }
}

/* Tiles [unit, end) of the row of all: batch entry, chunk of m, panel, tile. */
static void run_units(const moru_gemm *g, const layout *l, int64_t unit, int64_t end, char *scratch)
{
    stretch s = {.a_pack = (moru_real *)scratch, .b_pack = (moru_real *)(scratch + l->a_bytes)};
    while (unit < end) {
        int64_t in_entry = unit % (l->panels * l->tiles);
        s.entry = unit / (l->panels * l->tiles);
        s.chunk_first = in_entry / (l->panels * l->chunk) * l->chunk;
        s.count = min(l->chunk, l->tiles - s.chunk_first);
        s.from = in_entry - s.chunk_first * l->panels;
        s.to = min(s.count * l->panels, s.from + end - unit);
        run_stretch(g, l, &s);
        unit += s.to - s.from;
    }
}

static int gemm_threads(const moru_gemm *g, int threads)
{
    return g->m * g->n * g->batch < MORU_PARALLEL_MACS / max(g->k, 1) ? 1 : (int)max(threads, 1);
}

static size_t pack_bytes(const moru_gemm *g)
{
    layout l = gemm_layout(g);
    return l.a_bytes + l.b_bytes;
}

static void run_all(const moru_gemm *g, void *workspace, int threads)
{
    layout l = gemm_layout(g);
    int64_t units = g->batch * l.panels * l.tiles;
    int parts = (int)max(min(gemm_threads(g, threads), units), 1);
    PARALLEL(parts, for (int p = 0; p < parts; p++)
        run_units(g, &l, units * p / parts, units * (p + 1) / parts,
                  (char *)workspace + (size_t)p * (l.a_bytes + l.b_bytes)));
}

static moru_real dot(const moru_real *a, const moru_real *b, int64_t n)
{
    vec s[4] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    int64_t k = 0;
    for (; k + 4 * LANES <= n; k += 4 * LANES)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            s[j] += vec_load(a + k + j * LANES) * vec_load(b + k + j * LANES);
    for (; k < n; k += LANES)
        s[0] += vec_load_part(a + k, min(LANES, n - k)) * vec_load_part(b + k, min(LANES, n - k));
    return vec_sum((s[0] + s[1]) + (s[2] + s[3]));
}

/* A column c = a b is the dot products of a's rows: vectors along k, one row at a time. */
static void run_dots(const moru_gemm *g, int threads)
{
    int64_t rows = g->batch * g->m;
    moru_unary_fn *act = g->activation ? MORU_KERNEL(table).unary[g->activation - 1] : NULL;
    PARALLEL(threads, for (int64_t i = 0; i < rows; i++) {
        int64_t entry = i / g->m, row = i % g->m;
        moru_real *c = g->c + entry * g->stride_c + row * g->ldc, bias = g->bias ? *g->bias : 0;
        *c = dot(g->a + entry * g->stride_a + row * g->lda, g->b + entry * g->stride_b, g->k) + bias;
        if (act)
            act(c, c, 1, g->params);
    });
}

/* A few rows times a transposed b: a vector of dot products at a time, whose sums are turned to be added up. */
static bool is_few_rows(const moru_gemm *g)
{
    return g->trans_b && !g->trans_a && g->m <= MAX_DOT_ROWS && g->k >= LANES;
}

/* `count` columns of one row of c from column j on */
static void dot_columns(const moru_gemm *g, const moru_real *a, const moru_real *b, int64_t count, moru_real *c)
{
    vec sums[MORU_VECTOR_BYTES / sizeof(moru_real)];
    for (int64_t half = 0; half < LANES; half += LANES / 2) {
        const moru_real *rows[MORU_VECTOR_BYTES / sizeof(moru_real) / 2];
        vec s[MORU_VECTOR_BYTES / sizeof(moru_real) / 2];
        int64_t k = 0;
#pragma GCC unroll 8
        for (int64_t j = 0; j < LANES / 2; j++) {
            rows[j] = b + min(half + j, count - 1) * g->ldb; /* those past the end repeat the last one */
            s[j] = vec_zero();
        }
        for (; k + LANES <= g->k; k += LANES) {
            vec x = vec_load(a + k);
#pragma GCC unroll 8
            for (int64_t j = 0; j < LANES / 2; j++)
                s[j] += x * vec_load(rows[j] + k);
        }
        if (k < g->k) {
            vec x = vec_load_part(a + k, g->k - k);
#pragma GCC unroll 8
            for (int64_t j = 0; j < LANES / 2; j++)
                s[j] += x * vec_load_part(rows[j] + k, g->k - k);
        }
#pragma GCC unroll 8
        for (int64_t j = 0; j < LANES / 2; j++)
            sums[half + j] = s[j];
    }
    vec_transpose(sums);
#pragma GCC unroll 4
    for (int64_t step = LANES / 2; step > 0; step /= 2)
#pragma GCC unroll 8
        for (int64_t j = 0; j < step; j++)
            sums[j] += sums[j + step];
    vec_store_part(c, sums[0], count);
}

static void run_few_rows(const moru_gemm *g, int threads)
{
    int64_t groups = (g->n + LANES - 1) / LANES, tasks = g->batch * groups;
    moru_unary_fn *act = g->activation ? MORU_KERNEL(table).unary[g->activation - 1] : NULL;
    PARALLEL(threads, for (int64_t task = 0; task < tasks; task++) {
        int64_t entry = task / groups, j = task % groups * LANES, count = min(LANES, g->n - j);
        const moru_real *a = g->a + entry * g->stride_a, *b = g->b + entry * g->stride_b + j * g->ldb;
        for (int64_t i = 0; i < g->m; i++) {
            moru_real *c = g->c + entry * g->stride_c + i * g->ldc + j;
            dot_columns(g, a + i * g->lda, b, count, c);
            if (g->bias)
                vec_store_part(c, vec_load_part(c, count) + vec_load_part(g->bias + j, count), count);
            if (act)
                act(c, c, count, g->params);
        }
    });
}

/* A sum over k long beside the result's size is cut into this many parts. */
static int64_t split_parts(const moru_gemm *g)
{
    if (g->batch != 1 || g->k < 2 * SPLIT_LENGTH || g->m > SPLIT_RESULT / max(g->n, 1))
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

/* c = act(sum of the parts, in their order + bias) */
static void add_parts(const moru_gemm *g, const moru_real *partial, int64_t parts, int threads)
{
    moru_unary_fn *act = g->activation ? MORU_KERNEL(table).unary[g->activation - 1] : NULL;
    PARALLEL(threads, for (int64_t i = 0; i < g->m; i++) {
        moru_real *c = g->c + i * g->ldc;
        for (int64_t j = 0; j < g->n; j += LANES) {
            int64_t count = min(LANES, g->n - j);
            vec sum = vec_load_part(partial + i * g->n + j, count);
            for (int64_t p = 1; p < parts; p++)
                sum += vec_load_part(partial + (p * g->m + i) * g->n + j, count);
            vec_store_part(c + j, g->bias ? sum + vec_load_part(g->bias + j, count) : sum, count);
        }
        if (act)
            act(c, c, g->n, g->params);
    });
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
    add_parts(g, partial, parts + 1, kernel_threads(g->m * g->n * parts, threads));
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
    if (is_few_rows(g))
        return 0;
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
    if (is_few_rows(g)) {
        run_few_rows(g, gemm_threads(g, threads));
        return;
    }
    int64_t parts = split_parts(g);
    if (parts == 1)
        run_all(g, workspace, threads);
    else
        run_split(g, parts, workspace, threads);
}
