#include "kernels/rnn.h"

void MORU_KERNEL(rnn_find_first)(const moru_rnn *g, const moru_real *mask, int64_t *first)
{
    for (int64_t row = 0; mask && row < g->n; row++)
        for (first[row] = 0; first[row] < g->t && rnn_masked(g, mask, row, first[row]);)
            first[row]++;
}

void MORU_KERNEL(rnn_pack)(const moru_real *w, int64_t rows, int64_t units, int all_gates, const int *order, int gates,
                           int64_t group, moru_real *panel)
{
    int64_t width = rnn_width(units, group);
    for (int64_t i = 0; i < rows; i++)
        for (int j = 0; j < gates; j++, panel += LANES)
            vec_store(panel, rnn_load(w + (i * all_gates + order[j]) * units + group * LANES, width));
}

void MORU_KERNEL(rnn_product)(tile *t, int64_t rows, const moru_real *panel, int64_t k, int vectors,
                              const moru_real *bias, bool accumulate)
{
    const int64_t zero = 0;
    t->step = 1;
    t->offsets = &zero;
    t->runs = 1;
    t->length = k;
    t->ldb = vectors * LANES;
    t->accumulate = accumulate;
    t->relu = false;
    for (int v = 0; v < vectors; v += TILE_VECTORS) {
        t->b = panel + v * LANES;
        t->bias = bias ? bias + v * LANES : NULL;
        t->columns = min(TILE_VECTORS, vectors - v) * LANES;
        MORU_KERNEL(tile)(t, rows);
        for (int64_t r = 0; r < rows; r++)
            t->c[r] += t->columns;
    }
}

void MORU_KERNEL(rnn_pack_transposed)(const moru_real *recurrent, int64_t units, int64_t k, int64_t panel,
                                      moru_real *panels)
{
    int64_t first = panel * TILE_COLUMNS; /* a column of R^T is a row of R */
    MORU_KERNEL(transpose)(recurrent + first * k, k, min(TILE_COLUMNS, units - first), k,
                           panels + panel * TILE_COLUMNS * k, TILE_COLUMNS);
}

void MORU_KERNEL(rnn_back_product)(const rnn_back *b, const rnn_part *p, int64_t panel)
{
    int64_t rows = rnn_active(b->g, b->mask, p, b->step), first = panel * TILE_COLUMNS, zero = 0;
    int64_t stride = rnn_stride(b->g->units), row;
    int64_t groups = min(TILE_VECTORS, rnn_groups(b->g->units) - panel * TILE_VECTORS);
    int64_t most = tile_rows(groups * LANES), tiles = (rows + most - 1) / most;
    tile t = {.step = 1, .offsets = &zero, .runs = 1, .ldb = TILE_COLUMNS, .columns = groups * LANES};
    for (int64_t from = b->from; from < b->to; from += RNN_K_BLOCK) {
        row = p->first_row;
        for (int64_t i = 0; i < tiles; i++) {
            int64_t size = rows * (i + 1) / tiles - rows * i / tiles;
            for (int64_t j = 0; j < size; j++, row++) {
                row = rnn_next_row(b->g, b->mask, row, b->step);
                t.a[j] = b->a + row * b->a_stride + from;
                t.c[j] = b->out + row * stride + first;
            }
            t.b = b->panels + (panel * b->k + from) * TILE_COLUMNS;
            t.length = min(RNN_K_BLOCK, b->to - from);
            t.accumulate = b->accumulate || from > b->from;
            MORU_KERNEL(tile)(&t, size);
        }
    }
}

void MORU_KERNEL(rnn_load_state)(const moru_rnn *g, const rnn_part *p, const moru_real *x, moru_real *state)
{
    int64_t stride = rnn_stride(g->units);
    for (int64_t r = p->first_row; r < p->last_row; r++)
        for (int64_t i = p->first_group; i < p->last_group; i++)
            vec_store(state + r * stride + i * LANES,
                      x ? rnn_load(x + r * g->units + i * LANES, rnn_width(g->units, i)) : vec_zero());
}

void MORU_KERNEL(rnn_save_state)(const moru_rnn *g, const rnn_part *p, const moru_real *state, moru_real *x)
{
    int64_t stride = rnn_stride(g->units);
    if (!x)
        return;
    for (int64_t r = p->first_row; r < p->last_row; r++)
        for (int64_t i = p->first_group; i < p->last_group; i++)
            rnn_store(x + r * g->units + i * LANES, vec_load(state + r * stride + i * LANES),
                      rnn_width(g->units, i));
}
