/* LSTM over whole sequences. A step: z = x W + h R + b; i, f, o = sigmoid(z), g = tanh(z); c = f c + i g;
 * h = o tanh(c).
 *
 * The products x W of several steps are computed together, into slots that the steps then add h R to. */
#include "kernels/rnn.h"
#include "kernels/vecmath.h"

#define GATES 4

static const int gate_order[GATES] = {0, 1, 2, 3};

typedef struct lstm {
    const moru_rnn *g;
    const moru_lstm_args *a;
    int64_t groups, stride, chunk;      /* steps whose input products exist at a time */
    moru_real *kernel, *recurrent, *bias; /* panels */
    moru_real *slots;                   /* [group][step of the chunk][n][GATES LANES] */
    moru_real *h[2], *c;                /* [n][stride]: h before and after a step by turns */
    int64_t *first;                     /* [n]: each row's first step that isn't masked */
} lstm;

/* Lays out the scratch memory (NULL: none yet) and returns its size. */
static size_t lay_out(lstm *l, const moru_rnn *g, char *memory)
{
    size_t used = 0;
    l->g = g;
    l->groups = rnn_groups(g->units);
    l->stride = rnn_stride(g->units);
    int64_t panel = GATES * LANES, step = max(g->n * l->groups * panel * (int64_t)sizeof(moru_real), 1);
    l->chunk = max(min(max(RNN_SLOT_BYTES / step, 4), g->t), 1);
    l->kernel = rnn_take(memory, &used, l->groups * g->in * panel);
    l->recurrent = rnn_take(memory, &used, l->groups * g->units * panel);
    l->bias = rnn_take(memory, &used, l->groups * panel);
    l->slots = rnn_take(memory, &used, l->groups * l->chunk * g->n * panel);
    for (int k = 0; k < 2; k++)
        l->h[k] = rnn_take(memory, &used, g->n * l->stride);
    l->c = rnn_take(memory, &used, g->n * l->stride);
    l->first = rnn_take_rows(memory, &used, g->n);
    return used;
}

static void pack(const lstm *l, int64_t group)
{
    const moru_rnn *g = l->g;
    int64_t panel = GATES * LANES;
    MORU_KERNEL(rnn_pack)(l->a->kernel, g->in, g->units, GATES, gate_order, GATES, group,
                          l->kernel + group * g->in * panel);
    MORU_KERNEL(rnn_pack)(l->a->recurrent, g->units, g->units, GATES, gate_order, GATES, group,
                          l->recurrent + group * g->units * panel);
    if (l->a->bias)
        MORU_KERNEL(rnn_pack)(l->a->bias, 1, g->units, GATES, gate_order, GATES, group, l->bias + group * panel);
}

static moru_real *slot(const lstm *l, int64_t group, int64_t step, int64_t row)
{
    return l->slots + ((group * l->chunk + step % l->chunk) * l->g->n + row) * GATES * LANES;
}

/* x W + b of steps first .. first + count - 1 that aren't masked; consecutive rows of a tile are consecutive steps,
 * which lie together. */
static void input_products(const lstm *l, const rnn_part *p, int64_t first, int64_t count)
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
            tile t = {0};
            for (int64_t k = 0; k < size; k++, at++) {
                while (rnn_masked(g, l->a->mask, p->first_row + at / count, first + at % count))
                    at++;
                int64_t row = p->first_row + at / count, step = first + at % count;
                t.a[k] = l->a->x + (row * g->t + rnn_position(g, step)) * g->in;
                t.c[k] = slot(l, group, step, row);
            }
            MORU_KERNEL(rnn_product)(&t, size, l->kernel + group * g->in * GATES * LANES, g->in, GATES,
                                     l->a->bias ? l->bias + group * GATES * LANES : NULL, false);
        }
    }
}

static void save(const lstm *l, int64_t group, int64_t place, const vec gates[GATES], vec c)
{
    const moru_lstm_args *a = l->a;
    int64_t units = l->g->units, width = rnn_width(units, group);
    for (int k = 0; k < GATES && a->gates; k++)
        rnn_store(a->gates + (place * GATES + k) * units + group * LANES, gates[k], width);
    if (a->cells)
        rnn_store(a->cells + place * units + group * LANES, c, width);
}

/* A masked step: c and h stay. */
static void carry(const lstm *l, int64_t group, int64_t step, int64_t row, moru_real *h_after, bool train)
{
    const moru_lstm_args *a = l->a;
    int64_t units = l->g->units, at = row * l->stride + group * LANES;
    const vec zeros[GATES] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
    vec h = vec_load(l->h[step % 2] + at);
    vec_store(h_after + at, h);
    if (a->y)
        rnn_store(a->y + (row * l->g->t + step) * units + group * LANES,
                  rnn_is_zero(a->zero_output, l->first, row, step) ? vec_zero() : h, rnn_width(units, group));
    if (train)
        save(l, group, row * l->g->t + rnn_position(l->g, step), zeros, vec_load(l->c + at));
}

/* From the gates of one sequence and group, before their activations, to c and h. */
KERNEL_INLINE void cell(const lstm *l, int64_t group, int64_t step, int64_t row, moru_real *h_after, bool train)
{
    const moru_lstm_args *a = l->a;
    const moru_real *z = slot(l, group, step, row);
    int64_t units = l->g->units, width = rnn_width(units, group), at = row * l->stride + group * LANES;
    if (rnn_masked(l->g, a->mask, row, step)) {
        carry(l, group, step, row, h_after, train);
        return;
    }
    vec i = vec_sigmoid(vec_load(z)), f = vec_sigmoid(vec_load(z + LANES));
    vec g = vec_tanh(vec_load(z + 2 * LANES)), o = vec_sigmoid(vec_load(z + 3 * LANES));
    vec c = f * vec_load(l->c + at) + i * g, h = o * vec_tanh(c);
    vec_store(l->c + at, c);
    vec_store(h_after + at, h);
    if (a->y)
        rnn_store(a->y + (row * l->g->t + step) * units + group * LANES, h, width);
    if (train)
        save(l, group, row * l->g->t + rnn_position(l->g, step), (const vec[GATES]){i, f, g, o}, c);
}

static void save_before(const lstm *l, const rnn_part *p, int64_t step, const moru_real *h)
{
    const moru_rnn *g = l->g;
    for (int64_t r = p->first_row; r < p->last_row; r++)
        for (int64_t i = p->first_group; i < p->last_group; i++)
            rnn_store(l->a->before + (r * g->t + rnn_position(g, step)) * g->units + i * LANES,
                      vec_load(h + r * l->stride + i * LANES), rnn_width(g->units, i));
}

/* One step; at the first of a chunk the input products of all its steps. */
static void run_step(const lstm *l, const rnn_part *p, int64_t step)
{
    const moru_rnn *g = l->g;
    const moru_real *h = l->h[step % 2];
    moru_real *h_after = l->h[(step + 1) % 2];
    bool train = l->a->gates || l->a->cells;
    int64_t rows = rnn_active(g, l->a->mask, p, step), most = tile_rows(GATES * LANES);
    int64_t tiles = (rows + most - 1) / most;
    if (step % l->chunk == 0)
        input_products(l, p, step, min(l->chunk, g->t - step));
    if (l->a->before)
        save_before(l, p, step, h);
    for (int64_t group = p->first_group; group < p->last_group; group++) {
        int64_t row = p->first_row, done = row;
        for (int64_t i = 0; i < tiles; i++) {
            int64_t size = rows * (i + 1) / tiles - rows * i / tiles;
            tile t = {0};
            for (int64_t k = 0; k < size; k++, row++) {
                row = rnn_next_row(g, l->a->mask, row, step);
                t.a[k] = h + row * l->stride;
                t.c[k] = slot(l, group, step, row);
            }
            MORU_KERNEL(rnn_product)(&t, size, l->recurrent + group * g->units * GATES * LANES, g->units, GATES, NULL,
                                     true);
            for (; done < row; done++)
                cell(l, group, step, done, h_after, train);
        }
        for (; done < p->last_row; done++)
            cell(l, group, step, done, h_after, train);
    }
}

static void begin(const lstm *l, const rnn_part *p)
{
    MORU_KERNEL(rnn_load_state)(l->g, p, l->a->h0, l->h[0]);
    MORU_KERNEL(rnn_load_state)(l->g, p, l->a->c0, l->c);
}

static void end(const lstm *l, const rnn_part *p)
{
    MORU_KERNEL(rnn_save_state)(l->g, p, l->h[l->g->t % 2], l->a->last_h);
    MORU_KERNEL(rnn_save_state)(l->g, p, l->c, l->a->last_c);
}

static void run_part(const lstm *l, const rnn_part *p)
{
    begin(l, p);
    for (int64_t s = 0; s < l->g->t; s++)
        run_step(l, p, s);
    end(l, p);
}

/* Each loop over the parts ends with all threads meeting. */
static void run_by_groups(const lstm *l, int parts)
{
    const moru_rnn *g = l->g;
#pragma omp parallel num_threads(parts)
    {
#pragma omp for schedule(static)
        for (int p = 0; p < parts; p++) {
            rnn_part part = rnn_part_at(g, parts, p);
            for (int64_t group = part.first_group; group < part.last_group; group++)
                pack(l, group);
            begin(l, &part);
        }
        for (int64_t s = 0; s < g->t; s++)
#pragma omp for schedule(static)
            for (int p = 0; p < parts; p++) {
                rnn_part part = rnn_part_at(g, parts, p);
                run_step(l, &part, s);
            }
#pragma omp for schedule(static)
        for (int p = 0; p < parts; p++) {
            rnn_part part = rnn_part_at(g, parts, p);
            end(l, &part);
        }
    }
}

size_t MORU_KERNEL(lstm_workspace)(const moru_rnn *g)
{
    lstm l;
    return lay_out(&l, g, NULL);
}

void MORU_KERNEL(lstm)(const moru_rnn *g, const moru_lstm_args *a, void *workspace, int threads)
{
    lstm l = {.a = a};
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
