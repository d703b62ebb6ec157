/* Winograd convolution and, with rotated weights, the gradient of its input.
 *
 * The weights are transformed once, [group of columns][36][channels][columns of it]. Then each thread takes blocks of
 * tiles that stay in its L2 cache: source transform V [36][tiles][channels], 36 products M [36][tiles][columns] a group
 * of columns at a time, transform of M into the output. Sums run over the channels of one tile, so neither blocks nor
 * threads change them. */
#include "kernels/winograd.h"

#define BLOCK_BYTES (320 * 1024) /* of V and M of a block, about: weights want their part of the cache */
#define MIN_BLOCK 24             /* tiles that the transformed weights are read for, at least */
#define MAX_BLOCK 96
#define MIN_TASKS 8              /* pieces that few tiles are cut into */
#define MIN_TILES 6              /* of a piece */

typedef struct plan {
    int64_t depth, groups;        /* channels in whole vectors; groups of columns */
    int64_t block, blocks;        /* most tiles of a block; blocks */
    int64_t splits;               /* pieces of the groups, where there are few blocks */
    int64_t u_stride, v_stride, m_stride; /* from point to point */
    size_t rotated_bytes, u_bytes, v_bytes, m_bytes; /* v, m: of a thread */
} plan;

static plan make_plan(const winograd *w, bool rotated)
{
    plan p = {.depth = tile_vectors(w->channels) * LANES};
    int64_t size = (int64_t)sizeof(moru_real), width = min(tile_vectors(w->columns) * LANES, WINOGRAD_GROUP);
    int64_t rows = tile_rows(width), tile_bytes = WINOGRAD_POINTS * (p.depth + width) * size;
    p.groups = (w->columns + WINOGRAD_GROUP - 1) / WINOGRAD_GROUP;
    p.block = min(max(BLOCK_BYTES / tile_bytes, MIN_BLOCK), MAX_BLOCK) / rows * rows;
    p.block = min(p.block, max((w->tiles + MIN_TASKS - 1) / MIN_TASKS, MIN_TILES));
    p.blocks = (w->tiles + p.block - 1) / p.block;
    p.block = (w->tiles + p.blocks - 1) / p.blocks;
    p.splits = min((MIN_TASKS + p.blocks - 1) / p.blocks, p.groups);
    p.u_stride = winograd_stride(w->channels * width);
    p.v_stride = winograd_stride(p.block * p.depth);
    p.m_stride = winograd_stride(p.block * width);
    if (rotated)
        p.rotated_bytes = round_up((size_t)(9 * w->channels * tile_vectors(w->columns) * LANES * size));
    p.u_bytes = round_up((size_t)(p.groups * WINOGRAD_POINTS * p.u_stride * size));
    p.v_bytes = round_up((size_t)(WINOGRAD_POINTS * p.v_stride * size));
    p.m_bytes = round_up((size_t)(WINOGRAD_POINTS * p.m_stride * size));
    return p;
}

/* Columns of a group in whole vectors */
static int64_t group_width(const winograd *w, int64_t group)
{
    return min(tile_vectors(w->columns - group * WINOGRAD_GROUP) * LANES, WINOGRAD_GROUP);
}

/* The transformed weights of channel `channel` */
static void transform_weights(const winograd *w, const plan *p, const moru_real *weight, int64_t ld, bool rotated,
                              int64_t channel, moru_real *u)
{
    int64_t apart = w->channels * ld;
    weight += channel * ld + (rotated ? 8 * apart : 0);
    for (int64_t k = 0; k < p->groups; k++) {
        int64_t column = k * WINOGRAD_GROUP;
        MORU_KERNEL(winograd_weights)(weight + column, rotated ? -apart : apart, min(w->columns - column,
                                      WINOGRAD_GROUP), u + k * WINOGRAD_POINTS * p->u_stride + channel *
                                      group_width(w, k), p->u_stride);
    }
}

/* act() on the output of tiles [first, first + count) where all columns are done; a row of a tile is contiguous */
static void activate(const winograd *w, int64_t first, int64_t count, int64_t column, int64_t columns, int activation,
                     const double *params, moru_real *out)
{
    moru_unary_fn *f = MORU_KERNEL(table).unary[activation - 1];
    for (int64_t i = first; i < first + count; i++) {
        winograd_place at = winograd_place_of(w, i);
        int64_t width = min(w->out_w - at.x, WINOGRAD_OUT);
        for (int64_t y = at.y; y < min(at.y + WINOGRAD_OUT, w->out_h); y++) {
            moru_real *row = out + ((at.image * w->out_h + y) * w->out_w + at.x) * w->columns + column;
            if (columns == w->columns)
                f(row, row, width * columns, params);
            else
                for (int64_t x = 0; x < width; x++, row += w->columns)
                    f(row, row, columns, params);
        }
    }
}

typedef struct product {
    const winograd *w;
    const plan *p;
    const moru_real *x, *u, *bias;
    int activation;
    const double *params;
    moru_real *out;
} product;

static void run_task(const product *q, int64_t task, moru_real *v, moru_real *m)
{
    const winograd *w = q->w;
    const plan *p = q->p;
    int64_t block = task / p->splits, split = task % p->splits;
    int64_t first = w->tiles * block / p->blocks, count = w->tiles * (block + 1) / p->blocks - first;
    int64_t from = p->groups * split / p->splits, to = p->groups * (split + 1) / p->splits;
    bool relu = q->activation == ACTIVATION_RELU;
    MORU_KERNEL(winograd_source)(w, q->x, first, count, v, p->depth, p->v_stride);
    for (int64_t k = from; k < to; k++) {
        int64_t column = k * WINOGRAD_GROUP, width = group_width(w, k);
        const moru_real *u = q->u + k * WINOGRAD_POINTS * p->u_stride;
        for (int64_t i = 0; i < WINOGRAD_POINTS; i++)
            MORU_KERNEL(winograd_multiply)(v + i * p->v_stride, p->depth, u + i * p->u_stride, width, w->channels, count,
                                           m + i * p->m_stride);
        MORU_KERNEL(winograd_gather)(w, m, width, p->m_stride, first, count, column,
                                     min(w->columns - column, WINOGRAD_GROUP), q->bias, relu, q->out);
    }
    int64_t start = from * WINOGRAD_GROUP, end = min(to * WINOGRAD_GROUP, w->columns);
    if (q->activation && !relu)
        activate(w, first, count, start, end - start, q->activation, q->params, q->out);
}

size_t MORU_KERNEL(winograd_workspace)(const winograd *w, bool rotated, int threads)
{
    plan p = make_plan(w, rotated);
    return p.rotated_bytes + p.u_bytes + (size_t)max(threads, 1) * (p.v_bytes + p.m_bytes);
}

void MORU_KERNEL(winograd_product)(const winograd *w, const moru_real *x, const moru_real *weight, bool rotated,
                                   const moru_real *bias, int activation, const double *params, moru_real *out,
                                   void *workspace, int threads)
{
    plan p = make_plan(w, rotated);
    moru_real *turned = workspace, *u = (moru_real *)((char *)workspace + p.rotated_bytes);
    char *scratch = (char *)u + p.u_bytes;
    int64_t ld = rotated ? tile_vectors(w->columns) * LANES : w->columns, tasks = p.blocks * p.splits;
    const moru_real *from = rotated ? turned : weight;
    product q = {w, &p, x, u, bias, activation, params, out};
    int workers = kernel_threads(w->tiles * WINOGRAD_POINTS * w->channels * w->columns, threads);
#pragma omp parallel num_threads(workers) if (workers > 1)
    {
        if (rotated) {
#pragma omp for schedule(static)
            for (int64_t tap = 0; tap < 9; tap++)
                MORU_KERNEL(transpose)(weight + tap * w->channels * w->columns, w->channels, w->columns, w->channels,
                                       turned + tap * w->channels * ld, ld);
        }
#pragma omp for schedule(static)
        for (int64_t c = 0; c < w->channels; c++)
            transform_weights(w, &p, from, ld, rotated, c, u);
#pragma omp for schedule(static)
        for (int k = 0; k < workers; k++)
            for (int64_t task = tasks * k / workers; task < tasks * (k + 1) / workers; task++) {
                moru_real *v = (moru_real *)(scratch + (size_t)k * (p.v_bytes + p.m_bytes));
                run_task(&q, task, v, (moru_real *)((char *)v + p.v_bytes));
            }
    }
}
