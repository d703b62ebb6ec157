/* The way back through an LSTM's steps: from the gradients of y and of the last states to those of the gates before
 * their activations, which sums over x and h then make into the gradients of everything else.
 *
 * dc += dh o (1 - tanh(c)^2); dz = {dc g i(1-i), dc c_before f(1-f), dc i (1-g^2), dh tanh(c) o(1-o)}; dc = dc f;
 * dh = dz R^T. The panels hold R^T: rows of gates, columns of units. */
#include "kernels/rnn.h"
#include "kernels/vecmath.h"

#define GATES 4

typedef struct lstm_grad {
    const moru_rnn *g;
    const moru_lstm_grad_args *a;
    int64_t groups, stride;
    int64_t gate_stride;      /* of dz */
    moru_real *recurrent;     /* panels [panel][GATES units][TILE_COLUMNS] */
    moru_real *dz;            /* [n][gate_stride], of one step */
    moru_real *dh, *dc;       /* [n][stride] */
    int64_t *first;           /* [n]: each row's first step that isn't masked */
} lstm_grad;

static size_t lay_out(lstm_grad *l, const moru_rnn *g, char *memory)
{
    size_t used = 0;
    l->g = g;
    l->groups = rnn_groups(g->units);
    l->stride = rnn_stride(g->units);
    l->gate_stride = rnn_stride(GATES * g->units);
    l->recurrent = rnn_take(memory, &used, rnn_back_panels(g->units) * TILE_COLUMNS * GATES * g->units);
    l->dz = rnn_take(memory, &used, g->n * l->gate_stride);
    l->dh = rnn_take(memory, &used, g->n * l->stride);
    l->dc = rnn_take(memory, &used, g->n * l->stride);
    l->first = rnn_take_rows(memory, &used, g->n);
    return used;
}

static void pack(const lstm_grad *l, int64_t panel)
{
    MORU_KERNEL(rnn_pack_transposed)(l->a->recurrent, l->g->units, GATES * l->g->units, panel, l->recurrent);
}

/* A masked step: dc and dh stay, dy is added where y was h. */
static void carry(const lstm_grad *l, int64_t group, int64_t step, int64_t row)
{
    const moru_lstm_grad_args *a = l->a;
    const moru_rnn *s = l->g;
    int64_t units = s->units, width = rnn_width(units, group), at = row * l->stride + group * LANES;
    moru_real *out = a->dgates + (row * s->t + rnn_position(s, step)) * GATES * units + group * LANES;
    if (a->dy && !rnn_is_zero(a->zero_output, l->first, row, step))
        vec_store(l->dh + at, vec_load(l->dh + at)
                                  + rnn_load(a->dy + (row * s->t + step) * units + group * LANES, width));
    for (int k = 0; k < GATES; k++)
        rnn_store(out + k * units, vec_zero(), width);
}

/* dz of one sequence and group; dh becomes free, dc that of the step before. */
KERNEL_INLINE void cell(const lstm_grad *l, int64_t group, int64_t step, int64_t row)
{
    const moru_lstm_grad_args *a = l->a;
    const moru_rnn *s = l->g;
    int64_t units = s->units, width = rnn_width(units, group), at = row * l->stride + group * LANES;
    int64_t column = group * LANES, place = row * s->t + rnn_position(s, step);
    const moru_real *gates = a->gates + place * GATES * units + column;
    if (rnn_masked(s, a->mask, row, step)) {
        carry(l, group, step, row);
        return;
    }
    vec i = rnn_load(gates, width), f = rnn_load(gates + units, width), g = rnn_load(gates + 2 * units, width);
    vec o = rnn_load(gates + 3 * units, width), t = vec_tanh(rnn_load(a->cells + place * units + column, width));
    vec before = vec_zero(), dh = vec_load(l->dh + at), dc = vec_load(l->dc + at);
    if (step > 0)
        before = rnn_load(a->cells + (row * s->t + rnn_position(s, step - 1)) * units + column, width);
    else if (a->c0)
        before = rnn_load(a->c0 + row * units + column, width);
    if (a->dy)
        dh += rnn_load(a->dy + (row * s->t + step) * units + column, width);
    dc += dh * o * (R(1) - t * t);
    vec dz[GATES] = {dc * g * (i * (R(1) - i)), dc * before * (f * (R(1) - f)), dc * i * (R(1) - g * g),
                     dh * t * (o * (R(1) - o))};
    vec_store(l->dc + at, dc * f);
    moru_real *local = l->dz + row * l->gate_stride + column, *out = a->dgates + place * GATES * units + column;
    for (int k = 0; k < GATES; k++, local += units, out += units) {
        rnn_store(local, dz[k], width);
        rnn_store(out, dz[k], width);
    }
}

/* dh = dz R^T, columns of panel. */
static void back_product(const lstm_grad *l, const rnn_part *p, int64_t step, int64_t panel)
{
    int64_t k = GATES * l->g->units;
    rnn_back b = {.g = l->g, .mask = l->a->mask, .step = step, .a = l->dz, .panels = l->recurrent,
                  .a_stride = l->gate_stride, .k = k, .to = k, .out = l->dh};
    MORU_KERNEL(rnn_back_product)(&b, p, panel);
}

static void cells(const lstm_grad *l, const rnn_part *p, int64_t step)
{
    for (int64_t row = p->first_row; row < p->last_row; row++)
        for (int64_t group = p->first_group; group < p->last_group; group++)
            cell(l, group, step, row);
}

static void begin(const lstm_grad *l, const rnn_part *p)
{
    MORU_KERNEL(rnn_load_state)(l->g, p, l->a->dh, l->dh);
    MORU_KERNEL(rnn_load_state)(l->g, p, l->a->dc, l->dc);
}

static void end(const lstm_grad *l, const rnn_part *p)
{
    MORU_KERNEL(rnn_save_state)(l->g, p, l->dh, l->a->dh0);
    MORU_KERNEL(rnn_save_state)(l->g, p, l->dc, l->a->dc0);
}

/* The last product is that of the first step: nobody may have asked for the state before it. */
static bool product_needed(const lstm_grad *l, int64_t step)
{
    return step > 0 || l->a->dh0;
}

static void run_part(const lstm_grad *l, const rnn_part *p)
{
    int64_t panels = rnn_back_panels(l->g->units);
    begin(l, p);
    for (int64_t s = l->g->t - 1; s >= 0; s--) {
        cells(l, p, s);
        for (int64_t panel = 0; panel < panels && product_needed(l, s); panel++)
            back_product(l, p, s, panel);
    }
    end(l, p);
}

static void run_by_groups(const lstm_grad *l, int parts)
{
    const moru_rnn *g = l->g;
    rnn_part all = {0, g->n, 0, l->groups};
    int64_t panels = rnn_back_panels(l->g->units);
#pragma omp parallel num_threads(parts)
    {
#pragma omp for schedule(static)
        for (int64_t panel = 0; panel < panels; panel++)
            pack(l, panel);
#pragma omp single
        begin(l, &all);
        for (int64_t s = g->t - 1; s >= 0; s--) {
#pragma omp for schedule(static)
            for (int p = 0; p < parts; p++) {
                rnn_part part = rnn_part_at(g, parts, p);
                cells(l, &part, s);
            }
#pragma omp for schedule(static)
            for (int64_t panel = 0; panel < (product_needed(l, s) ? panels : 0); panel++)
                back_product(l, &all, s, panel);
        }
#pragma omp single
        end(l, &all);
    }
}

size_t MORU_KERNEL(lstm_grad_workspace)(const moru_rnn *g)
{
    lstm_grad l;
    return lay_out(&l, g, NULL);
}

void MORU_KERNEL(lstm_grad)(const moru_rnn *g, const moru_lstm_grad_args *a, void *workspace, int threads)
{
    lstm_grad l = {.a = a};
    int parts = rnn_parts(g, GATES, threads);
    lay_out(&l, g, workspace);
    MORU_KERNEL(rnn_find_first)(g, a->mask, l.first);
    if (parts > 1 && rnn_by_groups(g)) {
        run_by_groups(&l, parts);
        return;
    }
    int64_t panels = rnn_back_panels(g->units);
#pragma omp parallel num_threads(parts) if (parts > 1)
    {
#pragma omp for schedule(static)
        for (int64_t panel = 0; panel < panels; panel++)
            pack(&l, panel);
#pragma omp for schedule(static)
        for (int p = 0; p < parts; p++) {
            rnn_part part = rnn_part_at(g, parts, p);
            run_part(&l, &part);
        }
    }
}
