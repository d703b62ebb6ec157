/* What recurrent kernels share.
 *
 * A *group* is LANES units. Weights are copied once a call into a panel for each group that holds the group's columns
 * of several gates side by side, so that one tile gives all gates of some units of some sequences, and what follows
 * the product finds them in the cache. The last group is filled up with zeros.
 *
 * Sequences don't depend on each other: a thread takes some through all steps, and no thread waits for another. Where
 * there are too few, threads take groups instead and meet after each step. Every number is the same chain of
 * additions either way. */
#ifndef MORU_RNN_H
#define MORU_RNN_H

#include "kernels/tile.h"

/* Fewer sequences than this aren't shared out. */
#define RNN_MIN_ROWS 8
/* Steps whose input products are computed at once: these many bytes of results. */
#define RNN_SLOT_BYTES (1024 * 1024)
/* Length of a sum after which the tile turns to the next rows: the panel's part stays in the cache. */
#define RNN_K_BLOCK 512

/* A part of the work: sequences first_row .. last_row - 1, groups first_group .. last_group - 1. */
typedef struct rnn_part {
    int64_t first_row, last_row, first_group, last_group;
} rnn_part;

KERNEL_INLINE int64_t rnn_groups(int64_t units)
{
    return (units + LANES - 1) / LANES;
}

/* Numbers in a row of states: whole groups, and some more so that rows don't meet in one set of a cache. */
KERNEL_INLINE int64_t rnn_stride(int64_t units)
{
    return (rnn_groups(units) + 1) * LANES;
}

KERNEL_INLINE bool rnn_by_groups(const moru_rnn *g)
{
    return g->n < RNN_MIN_ROWS;
}

/* How many parts for so many threads, and part p of them. */
KERNEL_INLINE int rnn_parts(const moru_rnn *g, int gates, int threads)
{
    int64_t row = 2 * gates * g->units * (g->in + g->units) + 1;
    if (g->n * g->t < MORU_PARALLEL_MIN / row + 1)
        return 1;
    return (int)max(min(threads, rnn_by_groups(g) ? rnn_groups(g->units) : g->n), 1);
}

KERNEL_INLINE rnn_part rnn_part_at(const moru_rnn *g, int parts, int p)
{
    int64_t groups = rnn_groups(g->units);
    if (rnn_by_groups(g))
        return (rnn_part){0, g->n, groups * p / parts, groups * (p + 1) / parts};
    return (rnn_part){g->n * p / parts, g->n * (p + 1) / parts, 0, groups};
}

/* Position in the sequence of step s. */
KERNEL_INLINE int64_t rnn_position(const moru_rnn *g, int64_t s)
{
    return g->backwards ? g->t - 1 - s : s;
}

/* ---- masks: NULL, or [n,t] at the positions of x ---- */

KERNEL_INLINE bool rnn_masked(const moru_rnn *g, const moru_real *mask, int64_t row, int64_t step)
{
    return mask && mask[row * g->t + rnn_position(g, step)] == 0;
}

/* The row itself, or the next one that isn't masked at the step; there is one. */
KERNEL_INLINE int64_t rnn_next_row(const moru_rnn *g, const moru_real *mask, int64_t row, int64_t step)
{
    while (rnn_masked(g, mask, row, step))
        row++;
    return row;
}

/* How many of the part's rows aren't masked at the step. */
KERNEL_INLINE int64_t rnn_active(const moru_rnn *g, const moru_real *mask, const rnn_part *p, int64_t step)
{
    int64_t active = p->last_row - p->first_row;
    for (int64_t row = p->first_row; mask && row < p->last_row; row++)
        active -= rnn_masked(g, mask, row, step);
    return active;
}

/* Whether y at a masked step is zeros, rather than h. first: each row's first step that isn't masked. */
KERNEL_INLINE bool rnn_is_zero(bool zero_output, const int64_t *first, int64_t row, int64_t step)
{
    return zero_output || step < first[row];
}

/* Units of a group that exist. */
KERNEL_INLINE int64_t rnn_width(int64_t units, int64_t group)
{
    return min(LANES, units - group * LANES);
}

KERNEL_INLINE void rnn_store(moru_real *p, vec v, int64_t width)
{
    if (width == LANES)
        vec_store(p, v);
    else
        vec_store_part(p, v, width);
}

KERNEL_INLINE vec rnn_load(const moru_real *p, int64_t width)
{
    return width == LANES ? vec_load(p) : vec_load_part(p, width);
}

/* The next piece of scratch memory; NULL while only sizes are asked. */
KERNEL_INLINE moru_real *rnn_take(char *memory, size_t *used, int64_t numbers)
{
    char *p = memory ? memory + *used : NULL;
    *used += round_up((size_t)numbers * sizeof(moru_real));
    return (moru_real *)p;
}

/* Room for a whole number a row. */
KERNEL_INLINE int64_t *rnn_take_rows(char *memory, size_t *used, int64_t rows)
{
    return (int64_t *)(void *)rnn_take(memory, used, rows * (int64_t)(sizeof(int64_t) / sizeof(moru_real)));
}

/* Fills first[n]: t where all of a row is masked. Without a mask nothing. */
void MORU_KERNEL(rnn_find_first)(const moru_rnn *g, const moru_real *mask, int64_t *first);
/* Columns of `gates` gates (their numbers in `order`) of one group of w [rows, all_gates units], side by side. */
void MORU_KERNEL(rnn_pack)(const moru_real *w, int64_t rows, int64_t units, int all_gates, const int *order, int gates,
                           int64_t group, moru_real *panel);
/* c[r][0 .. vectors LANES) = start + a[r][0 .. k) panel for so many rows, whose pointers are in t, which is zero else;
 * panel [k][vectors LANES]. start is c or 0 or bias. Changes t. */
void MORU_KERNEL(rnn_product)(tile *t, int64_t rows, const moru_real *panel, int64_t k, int vectors,
                              const moru_real *bias, bool accumulate);
/* R^T of recurrent [units,k], rows of gates and columns of units, in panels [panel][k][TILE_COLUMNS]: one of them. */
void MORU_KERNEL(rnn_pack_transposed)(const moru_real *recurrent, int64_t units, int64_t k, int64_t panel,
                                      moru_real *panels);
/* out[n][stride] = start + a[n][from .. to) times those rows of R^T, the columns of one panel; start is out or 0. Rows
 * that are masked at the step stay as they are. */
typedef struct rnn_back {
    const moru_rnn *g;
    const moru_real *mask;
    int64_t step;
    const moru_real *a, *panels;
    int64_t a_stride, k, from, to;
    moru_real *out;
    bool accumulate;
} rnn_back;
void MORU_KERNEL(rnn_back_product)(const rnn_back *b, const rnn_part *p, int64_t panel);
KERNEL_INLINE int64_t rnn_back_panels(int64_t units)
{
    return (units + TILE_COLUMNS - 1) / TILE_COLUMNS;
}

/* State [n][stride] from x [n,units] (NULL: zeros), and back. */
void MORU_KERNEL(rnn_load_state)(const moru_rnn *g, const rnn_part *p, const moru_real *x, moru_real *state);
void MORU_KERNEL(rnn_save_state)(const moru_rnn *g, const rnn_part *p, const moru_real *state, moru_real *x);

#endif
