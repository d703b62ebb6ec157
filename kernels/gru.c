/* GRU over whole sequences. A step: z, r = sigmoid(x W + h R + b), and with reset_after n = tanh(x W_h + b_h +
 * r (h R_h + b'_h)), otherwise n = tanh(x W_h + b_h + (r h) R_h); h = z h + (1 - z) n.
 *
 * As in the LSTM, the products x W of several steps are computed together, into slots of four vectors a group: the part
 * of n from x, z, r, and the part of n from h. A step is one
 * phase, or two where r h must be whole before its product. */
#include "kernels/rnn.h"
#include "kernels/vecmath.h"

#define GATES 3
#define SLOT (4 * LANES)
enum { FROM_X, Z, R_, FROM_H };

static const int input_order[GATES] = {2, 0, 1}, state_order[GATES] = {0, 1, 2}, candidate_order[1] = {2};

typedef struct gru {
    const moru_rnn *g;
    const moru_gru_args *a;
    int64_t groups, stride, chunk;
    moru_real *kernel, *recurrent;  /* panels; with reset_after false those of z and r, and behind them those of h */
    moru_real *bias, *state_bias;   /* [group][GATES LANES]: of the input product, and of that with h */
    moru_real *slots;               /* [group][step of the chunk][n][SLOT] */
    moru_real *h[2], *reset;        /* [n][stride]: h before and after a step by turns; r h */
    int64_t *first;                 /* [n]: each row's first step that isn't masked */
} gru;

static size_t lay_out(gru *l, const moru_rnn *g, char *memory)
{
    size_t used = 0;
    l->g = g;
    l->groups = rnn_groups(g->units);
    l->stride = rnn_stride(g->units);
    int64_t panel = GATES * LANES, step = max(g->n * l->groups * SLOT * (int64_t)sizeof(moru_real), 1);
    l->chunk = max(min(max(RNN_SLOT_BYTES / step, 4), g->t), 1);
    l->kernel = rnn_take(memory, &used, l->groups * g->in * panel);
    l->recurrent = rnn_take(memory, &used, l->groups * g->units * panel);
    l->bias = rnn_take(memory, &used, l->groups * panel);
    l->state_bias = rnn_take(memory, &used, l->groups * panel);
    l->slots = rnn_take(memory, &used, l->groups * l->chunk * g->n * SLOT);
    for (int k = 0; k < 2; k++)
        l->h[k] = rnn_take(memory, &used, g->n * l->stride);
    l->reset = rnn_take(memory, &used, g->n * l->stride);
    l->first = rnn_take_rows(memory, &used, g->n);
    return used;
}

/* Panels of R_h where they are apart. */
static moru_real *candidate_panel(const gru *l, int64_t group)
{
    return l->recurrent + (l->groups * 2 + group) * l->g->units * LANES;
}

/* The biases of z and r for x and h are added up. */
static void pack_bias(const gru *l, int64_t group)
{
    moru_real *bias = l->bias + group * GATES * LANES, *state = l->state_bias + group * GATES * LANES;
    int64_t units = l->g->units;
    for (int64_t i = 0; i < GATES * LANES; i++)
        bias[i] = state[i] = 0;
    if (!l->a->bias)
        return;
    MORU_KERNEL(rnn_pack)(l->a->bias, 1, units, GATES, input_order, GATES, group, bias);
    if (!l->a->reset_after)
        return;
    MORU_KERNEL(rnn_pack)(l->a->bias + GATES * units, 1, units, GATES, input_order, GATES, group, state);
    for (int64_t i = LANES; i < GATES * LANES; i++)
        bias[i] += state[i];
}

static void pack(const gru *l, int64_t group)
{
    const moru_rnn *g = l->g;
    const moru_real *recurrent = l->a->recurrent;
    int gates = l->a->reset_after ? GATES : 2;
    MORU_KERNEL(rnn_pack)(l->a->kernel, g->in, g->units, GATES, input_order, GATES, group,
                          l->kernel + group * g->in * GATES * LANES);
    MORU_KERNEL(rnn_pack)(recurrent, g->units, g->units, GATES, state_order, gates, group,
                          l->recurrent + group * g->units * gates * LANES);
    if (!l->a->reset_after)
        MORU_KERNEL(rnn_pack)(recurrent, g->units, g->units, GATES, candidate_order, 1, group,
                              candidate_panel(l, group));
    pack_bias(l, group);
}

static moru_real *slot(const gru *l, int64_t group, int64_t step, int64_t row)
{
    return l->slots + ((group * l->chunk + step % l->chunk) * l->g->n + row) * SLOT;
}

/* x W + b of steps first .. first + count - 1 that aren't masked; where the part from h begins. */
static void input_products(const gru *l, const rnn_part *p, int64_t first, int64_t count)
{
    const moru_rnn *g = l->g;
    int64_t rows = 0, most = tile_rows(GATES * LANES);
    for (int64_t s = 0; s < count; s++)
        rows += rnn_active(g, l->a->mask, p, first + s);
    int64_t tiles = (rows + most - 1) / most;
    for (int64_t group = p->first_group; group < p->last_group; group++) {
        int64_t at = 0; /* rows and their steps, masked or not */
        for (int64_t i = 0; i < tiles; i++) {
            int64_t size = rows * (i + 1) / tiles - rows * i / tiles;
            vec from_h = vec_load(l->state_bias + group * GATES * LANES);
            tile t = {0};
            for (int64_t k = 0; k < size; k++, at++) {
                while (rnn_masked(g, l->a->mask, p->first_row + at / count, first + at % count))
                    at++;
                int64_t row = p->first_row + at / count, step = first + at % count;
                t.a[k] = l->a->x + (row * g->t + rnn_position(g, step)) * g->in;
                t.c[k] = slot(l, group, step, row);
                vec_store(t.c[k] + FROM_H * LANES, from_h);
            }
            MORU_KERNEL(rnn_product)(&t, size, l->kernel + group * g->in * GATES * LANES, g->in, GATES,
                                     l->bias + group * GATES * LANES, false);
        }
    }
}

/* Slots from vector `first` on, `vectors` of them, += state times a panel, for all rows of the part that aren't
 * masked. */
static void state_product(const gru *l, const rnn_part *p, int64_t group, int64_t step, const moru_real *state,
                          const moru_real *panel, int first, int vectors)
{
    int64_t rows = rnn_active(l->g, l->a->mask, p, step), most = tile_rows(vectors * LANES), row = p->first_row;
    int64_t tiles = (rows + most - 1) / most;
    for (int64_t i = 0; i < tiles; i++) {
        int64_t size = rows * (i + 1) / tiles - rows * i / tiles;
        tile t = {0};
        for (int64_t k = 0; k < size; k++, row++) {
            row = rnn_next_row(l->g, l->a->mask, row, step);
            t.a[k] = state + row * l->stride;
            t.c[k] = slot(l, group, step, row) + first * LANES;
        }
        MORU_KERNEL(rnn_product)(&t, size, panel, l->g->units, vectors, NULL, true);
    }
}

static void save(const gru *l, int64_t group, int64_t step, int64_t row, vec z, vec r, vec n, vec inner, vec before)
{
    const moru_gru_args *a = l->a;
    int64_t units = l->g->units, width = rnn_width(units, group);
    int64_t place = row * l->g->t + rnn_position(l->g, step);
    if (a->gates) {
        moru_real *gates = a->gates + place * GATES * units + group * LANES;
        rnn_store(gates, z, width);
        rnn_store(gates + units, r, width);
        rnn_store(gates + 2 * units, n, width);
    }
    if (a->inner)
        rnn_store(a->inner + place * units + group * LANES, inner, width);
    if (a->before)
        rnn_store(a->before + place * units + group * LANES, before, width);
}

/* A masked step: h stays. */
static void carry(const gru *l, int64_t group, int64_t step, int64_t row)
{
    const moru_gru_args *a = l->a;
    int64_t units = l->g->units, at = row * l->stride + group * LANES;
    vec h = vec_load(l->h[step % 2] + at), zero = vec_zero();
    vec_store(l->h[(step + 1) % 2] + at, h);
    if (a->y)
        rnn_store(a->y + (row * l->g->t + step) * units + group * LANES,
                  rnn_is_zero(a->zero_output, l->first, row, step) ? zero : h, rnn_width(units, group));
    if (a->gates || a->inner || a->before)
        save(l, group, step, row, zero, zero, zero, zero, h);
}

/* From the gates of one sequence and group, before their activations, to h. */
KERNEL_INLINE void cell(const gru *l, int64_t group, int64_t step, int64_t row)
{
    const moru_gru_args *a = l->a;
    const moru_real *slots = slot(l, group, step, row);
    int64_t units = l->g->units, at = row * l->stride + group * LANES;
    if (rnn_masked(l->g, a->mask, row, step)) {
        carry(l, group, step, row);
        return;
    }
    vec before = vec_load(l->h[step % 2] + at), z = vec_sigmoid(vec_load(slots + Z * LANES));
    vec r, inner, n = vec_load(slots + FROM_X * LANES);
    if (a->reset_after) {
        r = vec_sigmoid(vec_load(slots + R_ * LANES));
        inner = vec_load(slots + FROM_H * LANES);
        n += r * inner;
    } else { /* the first phase has left r here */
        r = vec_load(slots + R_ * LANES);
        inner = vec_load(l->reset + at);
    }
    n = vec_tanh(n);
    vec h = z * before + (R(1) - z) * n;
    vec_store(l->h[(step + 1) % 2] + at, h);
    if (a->y)
        rnn_store(a->y + (row * l->g->t + step) * units + group * LANES, h, rnn_width(units, group));
    if (a->gates || a->inner || a->before)
        save(l, group, step, row, z, r, n, inner, before);
}

/* z and r before their activations, and r h, for reset_after = false. */
static void reset_phase(const gru *l, const rnn_part *p, int64_t step)
{
    const moru_real *h = l->h[step % 2];
    for (int64_t group = p->first_group; group < p->last_group; group++) {
        state_product(l, p, group, step, h, l->recurrent + group * l->g->units * 2 * LANES, Z, 2);
        for (int64_t row = p->first_row; row < p->last_row; row++) {
            if (rnn_masked(l->g, l->a->mask, row, step))
                continue;
            moru_real *place = slot(l, group, step, row) + R_ * LANES;
            int64_t at = row * l->stride + group * LANES;
            vec r = vec_sigmoid(vec_load(place));
            vec_store(place, r);
            vec_store(l->reset + at, r * vec_load(h + at));
        }
    }
}

/* All phases of a step but the last one need all groups of the one before. */
static int phases(const gru *l)
{
    return l->a->reset_after ? 1 : 2;
}

static void run_phase(const gru *l, const rnn_part *p, int64_t step, int phase)
{
    if (phase == 0 && step % l->chunk == 0)
        input_products(l, p, step, min(l->chunk, l->g->t - step));
    if (phase + 1 < phases(l)) {
        reset_phase(l, p, step);
        return;
    }
    for (int64_t group = p->first_group; group < p->last_group; group++) {
        if (l->a->reset_after)
            state_product(l, p, group, step, l->h[step % 2], l->recurrent + group * l->g->units * GATES * LANES, Z,
                          GATES);
        else
            state_product(l, p, group, step, l->reset, candidate_panel(l, group), FROM_X, 1);
        for (int64_t row = p->first_row; row < p->last_row; row++)
            cell(l, group, step, row);
    }
}

static void end(const gru *l, const rnn_part *p)
{
    MORU_KERNEL(rnn_save_state)(l->g, p, l->h[l->g->t % 2], l->a->last_h);
}

static void run_part(const gru *l, const rnn_part *p)
{
    MORU_KERNEL(rnn_load_state)(l->g, p, l->a->h0, l->h[0]);
    for (int64_t s = 0; s < l->g->t; s++)
        for (int phase = 0; phase < phases(l); phase++)
            run_phase(l, p, s, phase);
    end(l, p);
}

/* Each loop over the parts ends with all threads meeting. */
static void run_by_groups(const gru *l, int parts)
{
    const moru_rnn *g = l->g;
#pragma omp parallel num_threads(parts)
    {
#pragma omp for schedule(static)
        for (int p = 0; p < parts; p++) {
            rnn_part part = rnn_part_at(g, parts, p);
            for (int64_t group = part.first_group; group < part.last_group; group++)
                pack(l, group);
            MORU_KERNEL(rnn_load_state)(g, &part, l->a->h0, l->h[0]);
        }
        for (int64_t s = 0; s < g->t * phases(l); s++)
#pragma omp for schedule(static)
            for (int p = 0; p < parts; p++) {
                rnn_part part = rnn_part_at(g, parts, p);
                run_phase(l, &part, s / phases(l), (int)(s % phases(l)));
            }
#pragma omp for schedule(static)
        for (int p = 0; p < parts; p++) {
            rnn_part part = rnn_part_at(g, parts, p);
            end(l, &part);
        }
    }
}

size_t MORU_KERNEL(gru_workspace)(const moru_rnn *g)
{
    gru l;
    return lay_out(&l, g, NULL);
}

void MORU_KERNEL(gru)(const moru_rnn *g, const moru_gru_args *a, void *workspace, int threads)
{
    gru l = {.a = a};
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
        for (int64_t group = 0; group < l.groups; group++)
            pack(&l, group);
#pragma omp for schedule(static)
        for (int p = 0; p < parts; p++) {
            rnn_part part = rnn_part_at(g, parts, p);
            run_part(&l, &part);
        }
    }
}
