#include "kernels/rnn.h"

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
