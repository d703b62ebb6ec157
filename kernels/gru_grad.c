/* The way back through a GRU's steps. With dh the gradient of h after a step:
 * dn' = dh (1-z) (1-n^2), dz' = dh (h-n) z(1-z), dh = dh z, the primes marking what comes before the activations. Then
 * with reset_after dr' = dn' inner r(1-r), and dh += {dz', dr', dn' r} R^T; otherwise q = dn' R_h^T, dr' = q h r(1-r),
 * dh += q r + {dz', dr'} R_zr^T. */
#include "kernels/rnn.h"
#include "kernels/vecmath.h"

#define GATES 3

typedef struct gru_grad {
    const moru_rnn *g;
    const moru_gru_grad_args *a;
    int64_t groups, stride, gate_stride;
    moru_real *recurrent;     /* panels of R^T */
    moru_real *dz;            /* [n][gate_stride]: what is multiplied with R^T */
    moru_real *dh, *reset;    /* [n][stride]; reset: q */
    int64_t *first;           /* [n]: each row's first step that isn't masked */
} gru_grad;

static size_t lay_out(gru_grad *l, const moru_rnn *g, char *memory)
{
    size_t used = 0;
    l->g = g;
    l->groups = rnn_groups(g->units);
    l->stride = rnn_stride(g->units);
    l->gate_stride = rnn_stride(GATES * g->units);
    l->recurrent = rnn_take(memory, &used, rnn_back_panels(g->units) * TILE_COLUMNS * GATES * g->units);
    l->dz = rnn_take(memory, &used, g->n * l->gate_stride);
    l->dh = rnn_take(memory, &used, g->n * l->stride);
    l->reset = rnn_take(memory, &used, g->n * l->stride);
    l->first = rnn_take_rows(memory, &used, g->n);
    return used;
}

/* What one sequence and group looks at. */
typedef struct place {
    int64_t width, at; /* units that exist; place in states */
    const moru_real *gates, *before, *inner;
    moru_real *dz, *dgates, *dstate;
} place;

KERNEL_INLINE place place_of(const gru_grad *l, int64_t group, int64_t step, int64_t row)
{
    const moru_gru_grad_args *a = l->a;
    int64_t units = l->g->units, column = group * LANES, p = row * l->g->t + rnn_position(l->g, step);
    int64_t gates = p * GATES * units + column;
    return (place){rnn_width(units, group), row * l->stride + column, a->gates + gates, a->before + p * units + column,
                   a->inner + p * units + column, l->dz + row * l->gate_stride + column, a->dgates + gates,
                   a->reset_after && a->dstate ? a->dstate + gates : NULL};
}

/* A masked step: dh stays, dy is added where y was h. */
static void carry(const gru_grad *l, int64_t group, int64_t step, int64_t row)
{
    const moru_gru_grad_args *a = l->a;
    int64_t units = l->g->units;
    place p = place_of(l, group, step, row);
    if (a->dy && !rnn_is_zero(a->zero_output, l->first, row, step))
        vec_store(l->dh + p.at, vec_load(l->dh + p.at)
                                    + rnn_load(a->dy + (row * l->g->t + step) * units + group * LANES, p.width));
    for (int k = 0; k < GATES; k++) {
        rnn_store(p.dgates + k * units, vec_zero(), p.width);
        if (p.dstate)
            rnn_store(p.dstate + k * units, vec_zero(), p.width);
    }
}

/* dn', dz', dh z; with reset_after also dr'. */
KERNEL_INLINE void first_cell(const gru_grad *l, int64_t group, int64_t step, int64_t row)
{
    const moru_gru_grad_args *a = l->a;
    int64_t units = l->g->units;
    place p = place_of(l, group, step, row);
    vec z = rnn_load(p.gates, p.width), r = rnn_load(p.gates + units, p.width);
    vec n = rnn_load(p.gates + 2 * units, p.width), before = rnn_load(p.before, p.width), dh = vec_load(l->dh + p.at);
    if (a->dy)
        dh += rnn_load(a->dy + (row * l->g->t + step) * units + group * LANES, p.width);
    vec dn = dh * (R(1) - z) * (R(1) - n * n), dz = dh * (before - n) * (z * (R(1) - z));
    vec_store(l->dh + p.at, dh * z);
    rnn_store(p.dz, dz, p.width);
    rnn_store(p.dgates, dz, p.width);
    rnn_store(p.dgates + 2 * units, dn, p.width);
    if (!a->reset_after) {
        rnn_store(p.dz + 2 * units, dn, p.width);
        return;
    }
    vec dr = dn * rnn_load(p.inner, p.width) * (r * (R(1) - r)), dinner = dn * r;
    rnn_store(p.dz + units, dr, p.width);
    rnn_store(p.dz + 2 * units, dinner, p.width);
    rnn_store(p.dgates + units, dr, p.width);
    if (p.dstate) {
        rnn_store(p.dstate, dz, p.width);
        rnn_store(p.dstate + units, dr, p.width);
        rnn_store(p.dstate + 2 * units, dinner, p.width);
    }
}

/* dr' from q, for reset_after = false. The place of dr' still holds r if dgates is gates. */
KERNEL_INLINE void second_cell(const gru_grad *l, int64_t group, int64_t step, int64_t row)
{
    int64_t units = l->g->units;
    place p = place_of(l, group, step, row);
    vec r = rnn_load(p.gates + units, p.width), q = vec_load(l->reset + p.at);
    vec dr = q * rnn_load(p.before, p.width) * (r * (R(1) - r));
    vec_store(l->dh + p.at, vec_load(l->dh + p.at) + q * r);
    rnn_store(p.dz + units, dr, p.width);
    rnn_store(p.dgates + units, dr, p.width);
}

/* out = (or +=) gates first .. last - 1 of dz times R^T, columns of panel. */
static void back_product(const gru_grad *l, const rnn_part *p, int64_t step, int64_t panel, int first, int last,
                         moru_real *out, bool accumulate)
{
    int64_t units = l->g->units;
    rnn_back b = {.g = l->g, .mask = l->a->mask, .step = step, .a = l->dz, .panels = l->recurrent,
                  .a_stride = l->gate_stride, .k = GATES * units, .from = first * units, .to = last * units,
                  .out = out, .accumulate = accumulate};
    MORU_KERNEL(rnn_back_product)(&b, p, panel);
}

/* A step back is phases of two kinds by turns, of cells and of products. Each needs all of the one before. */
static int phases(const gru_grad *l)
{
    return l->a->reset_after ? 2 : 4;
}

static void run_cells(const gru_grad *l, const rnn_part *p, int64_t step, int phase)
{
    for (int64_t row = p->first_row; row < p->last_row; row++)
        for (int64_t group = p->first_group; group < p->last_group; group++) {
            bool masked = rnn_masked(l->g, l->a->mask, row, step);
            if (phase == 0 && masked)
                carry(l, group, step, row);
            else if (phase == 0)
                first_cell(l, group, step, row);
            else if (!masked)
                second_cell(l, group, step, row);
        }
}

static void run_product(const gru_grad *l, const rnn_part *p, int64_t step, int64_t panel, int phase)
{
    if (l->a->reset_after)
        back_product(l, p, step, panel, 0, GATES, l->dh, true);
    else if (phase == 1)
        back_product(l, p, step, panel, 2, GATES, l->reset, false);
    else
        back_product(l, p, step, panel, 0, 2, l->dh, true);
}

static void run_part(const gru_grad *l, const rnn_part *p)
{
    MORU_KERNEL(rnn_load_state)(l->g, p, l->a->dh, l->dh);
    for (int64_t s = l->g->t - 1; s >= 0; s--)
        for (int phase = 0; phase < phases(l); phase += 2) {
            run_cells(l, p, s, phase);
            for (int64_t panel = 0; panel < rnn_back_panels(l->g->units); panel++)
                run_product(l, p, s, panel, phase + 1);
        }
    MORU_KERNEL(rnn_save_state)(l->g, p, l->dh, l->a->dh0);
}

static void pack(const gru_grad *l, int64_t panel)
{
    MORU_KERNEL(rnn_pack_transposed)(l->a->recurrent, l->g->units, GATES * l->g->units, panel, l->recurrent);
}

static void run_by_groups(const gru_grad *l, int parts)
{
    const moru_rnn *g = l->g;
    rnn_part all = {0, g->n, 0, l->groups};
    int64_t panels = rnn_back_panels(g->units), n_phases = phases(l);
#pragma omp parallel num_threads(parts)
    {
#pragma omp for schedule(static)
        for (int64_t panel = 0; panel < panels; panel++)
            pack(l, panel);
#pragma omp single
        MORU_KERNEL(rnn_load_state)(g, &all, l->a->dh, l->dh);
        for (int64_t s = g->t * n_phases - 2; s >= 0; s -= 2) {
            int phase = (int)(n_phases - 2 - s % n_phases); /* the first pair of phases comes first */
#pragma omp for schedule(static)
            for (int p = 0; p < parts; p++) {
                rnn_part part = rnn_part_at(g, parts, p);
                run_cells(l, &part, s / n_phases, phase);
            }
#pragma omp for schedule(static)
            for (int64_t panel = 0; panel < panels; panel++)
                run_product(l, &all, s / n_phases, panel, phase + 1);
        }
#pragma omp single
        MORU_KERNEL(rnn_save_state)(g, &all, l->dh, l->a->dh0);
    }
}

size_t MORU_KERNEL(gru_grad_workspace)(const moru_rnn *g)
{
    gru_grad l;
    return lay_out(&l, g, NULL);
}

void MORU_KERNEL(gru_grad)(const moru_rnn *g, const moru_gru_grad_args *a, void *workspace, int threads)
{
    gru_grad l = {.a = a};
    int parts = rnn_parts(g, GATES, threads);
    lay_out(&l, g, workspace);
    MORU_KERNEL(rnn_find_first)(g, a->mask, l.first);
    if (parts > 1 && rnn_by_groups(g)) {
        run_by_groups(&l, parts);
        return;
    }
#pragma omp parallel num_threads(parts) if (parts > 1)
    {
#pragma omp for schedule(static)
        for (int64_t panel = 0; panel < rnn_back_panels(g->units); panel++)
            pack(&l, panel);
#pragma omp for schedule(static)
        for (int p = 0; p < parts; p++) {
            rnn_part part = rnn_part_at(g, parts, p);
            run_part(&l, &part);
        }
    }
}
