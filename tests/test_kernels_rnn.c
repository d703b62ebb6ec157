/* Recurrent kernels of every instruction set against plain loops in double. */
#include "kernel_test.h"

static const int thread_counts[] = {1, 2, 3, 8};

typedef struct { int64_t n, t, in, units; } sizes;
static const sizes all_sizes[] = {
    {1, 1, 1, 1},  {1, 5, 3, 7},    {2, 3, 5, 16},  {3, 4, 1, 33},   {0, 3, 2, 5},   {4, 0, 3, 6},    {8, 3, 17, 40},
    {9, 6, 10, 9}, {13, 7, 20, 64}, {1, 20, 40, 70}, {7, 9, 30, 50}, {33, 5, 24, 48}, {5, 3, 2, 130}, {40, 13, 64, 96},
    {1, 3, 600, 9}, {12, 2, 3, 200}};
#define N_SIZES ((int)(sizeof all_sizes / sizeof all_sizes[0]))

static size_t bytes(int64_t n)
{
    return (size_t)n * sizeof(moru_real);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static int64_t position(const moru_rnn *g, int64_t s)
{
    return g->backwards ? g->t - 1 - s : s;
}

static bool masked(const moru_rnn *g, const moru_real *mask, int64_t r, int64_t s)
{
    return mask && mask[r * g->t + position(g, s)] == 0;
}

/* What y of a masked step is of h. */
static double shown(const moru_rnn *g, const moru_real *mask, bool zero_output, int64_t r, int64_t s)
{
    while (!zero_output && s > 0 && masked(g, mask, r, s))
        s--;
    return !masked(g, mask, r, s);
}

/* Of every third step or so; of some rows all. */
static guarded mask_new(uint64_t *state, int64_t n, int64_t t)
{
    guarded mask = guarded_random(state, n * t);
    for (int64_t i = 0; i < n * t; i++)
        ((moru_real *)mask.data)[i] = i / t % 5 != 3 && ((moru_real *)mask.data)[i] < (moru_real)0.3;
    return mask;
}

/* Weights small enough that errors don't grow from step to step. */
static guarded weights(uint64_t *state, int64_t rows, int64_t columns)
{
    guarded w = guarded_random(state, rows * columns);
    for (int64_t i = 0; i < rows * columns; i++)
        ((moru_real *)w.data)[i] *= (moru_real)(1 / sqrt((double)rows + 1));
    return w;
}

/* Every output on the stack of one run, and what it should be. */
enum { Y, LAST_H, LAST_C, GATES, CELLS, BEFORE, DZ, DH0, DC0, OUTPUTS };
static const char *const names[OUTPUTS] = {"y", "last_h", "last_c", "gates", "cells", "before", "dgates", "dh0", "dc0"};

static void output_sizes(const moru_rnn *g, int gates, int64_t *size)
{
    int64_t steps = g->n * g->t * g->units, state = g->n * g->units;
    int64_t all[OUTPUTS] = {steps, state, state, gates * steps, steps, steps, gates * steps, state, state};
    memcpy(size, all, sizeof all);
}

/* z[u 4] = x W + h R + b of one sequence and step */
static void naive_gates(const moru_rnn *g, const moru_lstm_args *a, const moru_real *x, const double *h, double *z)
{
    int64_t columns = 4 * g->units;
    for (int64_t j = 0; j < columns; j++) {
        z[j] = a->bias ? a->bias[j] : 0;
        for (int64_t k = 0; k < g->in; k++)
            z[j] += (double)x[k] * a->kernel[k * columns + j];
        for (int64_t k = 0; k < g->units; k++)
            z[j] += h[k] * a->recurrent[k * columns + j];
        z[j] = j / g->units == 2 ? tanh(z[j]) : sigmoid(z[j]);
    }
}

static void naive_lstm(const moru_rnn *g, const moru_lstm_args *a, double **out)
{
    int64_t u = g->units;
    double *h = malloc((size_t)u * sizeof *h), *c = malloc((size_t)u * sizeof *c);
    double *z = malloc((size_t)u * 4 * sizeof *z);
    for (int64_t r = 0; r < g->n; r++) {
        for (int64_t j = 0; j < u; j++) {
            h[j] = a->h0 ? a->h0[r * u + j] : 0;
            c[j] = a->c0 ? a->c0[r * u + j] : 0;
        }
        for (int64_t s = 0; s < g->t; s++) {
            int64_t at = r * g->t + position(g, s);
            bool skip = masked(g, a->mask, r, s);
            naive_gates(g, a, a->x + at * g->in, h, z);
            if (skip)
                memset(z, 0, (size_t)u * 4 * sizeof *z);
            for (int64_t j = 0; j < u; j++) {
                out[BEFORE][at * u + j] = h[j];
                out[CELLS][at * u + j] = c[j];
                if (skip)
                    out[Y][(r * g->t + s) * u + j] = h[j] * shown(g, a->mask, a->zero_output, r, s);
                if (skip)
                    continue;
                c[j] = z[u + j] * c[j] + z[j] * z[2 * u + j];
                h[j] = z[3 * u + j] * tanh(c[j]);
                out[CELLS][at * u + j] = c[j];
                out[Y][(r * g->t + s) * u + j] = h[j];
            }
            memcpy(out[GATES] + at * 4 * u, z, (size_t)u * 4 * sizeof *z);
        }
        memcpy(out[LAST_H] + r * u, h, (size_t)u * sizeof *h);
        memcpy(out[LAST_C] + r * u, c, (size_t)u * sizeof *c);
    }
    free(h);
    free(c);
    free(z);
}

static void naive_lstm_grad(const moru_rnn *g, const moru_lstm_grad_args *a, double **out)
{
    int64_t u = g->units;
    for (int64_t r = 0; r < g->n; r++) {
        double *dh = out[DH0] + r * u, *dc = out[DC0] + r * u;
        for (int64_t j = 0; j < u; j++) {
            dh[j] = a->dh ? a->dh[r * u + j] : 0;
            dc[j] = a->dc ? a->dc[r * u + j] : 0;
        }
        for (int64_t s = g->t - 1; s >= 0; s--) {
            int64_t at = r * g->t + position(g, s), before = r * g->t + position(g, s - 1);
            const double *z = out[GATES] + at * 4 * u;
            double *dz = out[DZ] + at * 4 * u, show = shown(g, a->mask, a->zero_output, r, s);
            if (masked(g, a->mask, r, s)) {
                for (int64_t j = 0; j < u; j++)
                    dh[j] += a->dy ? show * a->dy[(r * g->t + s) * u + j] : 0;
                continue;
            }
            for (int64_t j = 0; j < u; j++) {
                double i = z[j], f = z[u + j], q = z[2 * u + j], o = z[3 * u + j], t = tanh(out[CELLS][at * u + j]);
                double last = s > 0 ? out[CELLS][before * u + j] : a->c0 ? a->c0[r * u + j] : 0;
                dh[j] += a->dy ? a->dy[(r * g->t + s) * u + j] : 0;
                dc[j] += dh[j] * o * (1 - t * t);
                dz[j] = dc[j] * q * i * (1 - i);
                dz[u + j] = dc[j] * last * f * (1 - f);
                dz[2 * u + j] = dc[j] * i * (1 - q * q);
                dz[3 * u + j] = dh[j] * t * o * (1 - o);
                dc[j] *= f;
            }
            for (int64_t k = 0; k < u; k++) {
                dh[k] = 0;
                for (int64_t j = 0; j < 4 * u; j++)
                    dh[k] += dz[j] * a->recurrent[k * 4 * u + j];
            }
        }
    }
}

/* Inputs: x, kernel, recurrent, bias, h0, c0, dy, dh, dc, mask; bit 10: zero_output */
enum { INPUTS = 10 };

/* bits of `given`: which optional inputs there are; of `wanted`: which optional outputs. */
static void run_lstm(const moru_kernels *k, const moru_rnn *g, guarded *in, unsigned given, unsigned wanted,
                     int threads, bool in_place, moru_real **result)
{
    int64_t size[OUTPUTS];
    guarded out[OUTPUTS], forward = guarded_workspace(k->lstm_workspace(g)),
                          backward = guarded_workspace(k->lstm_grad_workspace(g));
    output_sizes(g, 4, size);
    for (int i = 0; i < OUTPUTS; i++)
        out[i] = guarded_new(bytes(size[i]));
#define IN(i) (given >> (i) & 1 ? in[i].data : NULL)
#define OUT(i) (wanted >> (i) & 1 ? out[i].data : NULL)
    moru_lstm_args a = {in[0].data, in[1].data, in[2].data, IN(3),      IN(4),      IN(5),
                        OUT(Y),     OUT(LAST_H), OUT(LAST_C), OUT(GATES), OUT(CELLS), OUT(BEFORE),
                        IN(9),      given >> 10 & 1};
    k->lstm(g, &a, forward.data, threads);
    for (int i = 0; i < DZ; i++)
        memcpy(result[i], out[i].data, bytes(size[i]));
    if (wanted >> DZ & 1) {
        moru_lstm_grad_args b = {out[GATES].data, out[CELLS].data, in[2].data, IN(5), IN(6), IN(7), IN(8),
                                 in_place ? out[GATES].data : out[DZ].data, OUT(DH0), OUT(DC0), IN(9), a.zero_output};
        k->lstm_grad(g, &b, backward.data, threads);
        memcpy(result[DZ], b.dgates, bytes(size[DZ]));
        memcpy(result[DH0], out[DH0].data, bytes(size[DH0]));
        memcpy(result[DC0], out[DC0].data, bytes(size[DC0]));
    }
#undef IN
#undef OUT
    for (int i = 0; i < OUTPUTS; i++)
        guarded_free(&out[i]);
    guarded_free(&forward);
    guarded_free(&backward);
}

static void check_lstm(const moru_kernels *k, sizes s, bool backwards, unsigned given, unsigned wanted, uint64_t *state)
{
    moru_rnn g = {s.n, s.t, s.in, s.units, backwards};
    int64_t size[OUTPUTS], u = s.units;
    guarded in[INPUTS] = {guarded_random(state, s.n * s.t * s.in), weights(state, s.in, 4 * u),
                          weights(state, u, 4 * u), guarded_random(state, 4 * u), guarded_random(state, s.n * u),
                          guarded_random(state, s.n * u), guarded_random(state, s.n * s.t * u),
                          guarded_random(state, s.n * u), guarded_random(state, s.n * u),
                          mask_new(state, s.n, s.t)};
    double *want[OUTPUTS];
    moru_real *got[OUTPUTS], *again[OUTPUTS];
    output_sizes(&g, 4, size);
    for (int i = 0; i < OUTPUTS; i++) {
        want[i] = calloc((size_t)size[i] + 1, sizeof **want);
        got[i] = calloc((size_t)size[i] + 1, sizeof **got);
        again[i] = calloc((size_t)size[i] + 1, sizeof **again);
    }
#define IN(i) (given >> (i) & 1 ? in[i].data : NULL)
    moru_lstm_args a = {.x = in[0].data, .kernel = in[1].data, .recurrent = in[2].data, .bias = IN(3), .h0 = IN(4),
                        .c0 = IN(5), .mask = IN(9), .zero_output = given >> 10 & 1};
    moru_lstm_grad_args b = {.recurrent = in[2].data, .c0 = IN(5), .dy = IN(6), .dh = IN(7), .dc = IN(8),
                              .mask = IN(9), .zero_output = given >> 10 & 1};
#undef IN
    naive_lstm(&g, &a, want);
    naive_lstm_grad(&g, &b, want);
    run_lstm(k, &g, in, given, wanted, 1, false, got);
    for (int i = 0; i < OUTPUTS; i++)
        for (int64_t j = 0; j < size[i] && wanted >> i & 1; j++)
            check_close(got[i][j], want[i][j], 2 + sqrt((double)(s.in + u)), names[i], j);
    for (int t = 1; t < (k == moru_kernels_at(0) ? 4 : 2); t++) {
        run_lstm(k, &g, in, given, wanted, thread_counts[t], t % 2, again);
        for (int i = 0; i < OUTPUTS; i++)
            if (wanted >> i & 1)
                ck_assert_msg(!memcmp(got[i], again[i], bytes(size[i])), "%s: %s differs with %d threads", k->isa,
                              names[i], thread_counts[t]);
    }
    for (int i = 0; i < OUTPUTS; i++) {
        free(want[i]);
        free(got[i]);
        free(again[i]);
    }
    for (int i = 0; i < INPUTS; i++)
        guarded_free(&in[i]);
}

START_TEST(lstm)
{
    uint64_t state = 17;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int backwards = 0; backwards < 2; backwards++) {
            check_lstm(moru_kernels_at(k), all_sizes[_i], backwards, 0x1ff, ~0u, &state);
            check_lstm(moru_kernels_at(k), all_sizes[_i], backwards, 0x3ff, ~0u, &state);
            check_lstm(moru_kernels_at(k), all_sizes[_i], backwards, 0x7ff, ~0u, &state);
            check_lstm(moru_kernels_at(k), all_sizes[_i], backwards, 1u << 6, ~0u & ~(1u << DH0), &state);
            check_lstm(moru_kernels_at(k), all_sizes[_i], backwards, 1u << 3 | 1u << 5, 1u << Y, &state);
            check_lstm(moru_kernels_at(k), all_sizes[_i], backwards, 1u << 4, 1u << LAST_H, &state);
        }
}
END_TEST

/* ---- GRU: gates z, r, n; INNER in the place of CELLS, DSTATE in that of LAST_C ---- */

static void naive_gru(const moru_rnn *g, const moru_gru_args *a, double **out)
{
    int64_t u = g->units, w = 3 * u;
    double *h = malloc((size_t)u * sizeof *h), *z = malloc((size_t)w * sizeof *z), *q = malloc((size_t)u * sizeof *q);
    for (int64_t r = 0; r < g->n; r++) {
        for (int64_t j = 0; j < u; j++)
            h[j] = a->h0 ? a->h0[r * u + j] : 0;
        for (int64_t s = 0; s < g->t; s++) {
            int64_t at = r * g->t + position(g, s);
            for (int64_t j = 0; j < u; j++)
                out[Y][(r * g->t + s) * u + j] = h[j] * shown(g, a->mask, a->zero_output, r, s);
            if (masked(g, a->mask, r, s)) {
                memcpy(out[BEFORE] + at * u, h, (size_t)u * sizeof *h);
                continue;
            }
            for (int64_t j = 0; j < w; j++) {
                bool candidate = j >= 2 * u;
                double state = a->bias && a->reset_after ? a->bias[w + j] : 0;
                z[j] = a->bias ? a->bias[j] : 0;
                for (int64_t k = 0; k < g->in; k++)
                    z[j] += (double)a->x[at * g->in + k] * a->kernel[k * w + j];
                for (int64_t k = 0; k < u; k++)
                    state += h[k] * a->recurrent[k * w + j] * (candidate && !a->reset_after ? z[u + k] : 1);
                if (candidate)
                    q[j - 2 * u] = a->reset_after ? state : z[j - u] * h[j - 2 * u];
                z[j] = candidate ? tanh(z[j] + (a->reset_after ? z[j - u] : 1) * state) : sigmoid(z[j] + state);
            }
            for (int64_t j = 0; j < u; j++) {
                out[BEFORE][at * u + j] = h[j];
                out[CELLS][at * u + j] = q[j];
                h[j] = z[j] * h[j] + (1 - z[j]) * z[2 * u + j];
                out[Y][(r * g->t + s) * u + j] = h[j];
            }
            memcpy(out[GATES] + at * w, z, (size_t)w * sizeof *z);
        }
        memcpy(out[LAST_H] + r * u, h, (size_t)u * sizeof *h);
    }
    free(h);
    free(z);
    free(q);
}

/* dstate takes the place of DC0, which is large enough for it. */
static void naive_gru_grad(const moru_rnn *g, const moru_gru_grad_args *a, double **out)
{
    int64_t u = g->units, w = 3 * u;
    for (int64_t r = 0; r < g->n; r++) {
        double *dh = out[DH0] + r * u;
        for (int64_t j = 0; j < u; j++)
            dh[j] = a->dh ? a->dh[r * u + j] : 0;
        for (int64_t s = g->t - 1; s >= 0; s--) {
            int64_t at = r * g->t + position(g, s);
            const double *z = out[GATES] + at * w, *h = out[BEFORE] + at * u, *inner = out[CELLS] + at * u;
            double *dz = out[DZ] + at * w, *ds = out[DC0] + at * w, show = shown(g, a->mask, a->zero_output, r, s);
            if (masked(g, a->mask, r, s)) {
                for (int64_t j = 0; j < u; j++)
                    dh[j] += a->dy ? show * a->dy[(r * g->t + s) * u + j] : 0;
                continue;
            }
            for (int64_t j = 0; j < u; j++) {
                double d = dh[j] + (a->dy ? a->dy[(r * g->t + s) * u + j] : 0), n = z[2 * u + j];
                dz[j] = ds[j] = d * (h[j] - n) * z[j] * (1 - z[j]);
                dz[2 * u + j] = ds[2 * u + j] = d * (1 - z[j]) * (1 - n * n);
                dh[j] = d * z[j];
            }
            for (int64_t j = 0; j < u; j++) {
                double reset = z[u + j], q = 0;
                for (int64_t k = 0; k < u; k++)
                    q += dz[2 * u + k] * a->recurrent[j * w + 2 * u + k];
                dz[u + j] = ds[u + j] = (a->reset_after ? dz[2 * u + j] * inner[j] : q * h[j]) * reset * (1 - reset);
                ds[2 * u + j] *= a->reset_after ? reset : 1;
                dh[j] += a->reset_after ? 0 : q * reset;
            }
            for (int64_t k = 0; k < u; k++)
                for (int64_t j = 0; j < (a->reset_after ? w : 2 * u); j++)
                    dh[k] += ds[j] * a->recurrent[k * w + j];
        }
    }
}

/* wanted: 1 all, 0 y only, 2 last h only. Inputs: x, kernel, recurrent, bias, h0, dy, dh, mask; bit 8: zero_output */
static void run_gru(const moru_kernels *k, const moru_rnn *g, bool reset_after, guarded *in, unsigned given, int wanted,
                    int threads, bool in_place, const int64_t *size, moru_real **result)
{
    guarded out[OUTPUTS], forward = guarded_workspace(k->gru_workspace(g)),
                          backward = guarded_workspace(k->gru_grad_workspace(g));
    for (int i = 0; i < OUTPUTS; i++)
        out[i] = guarded_new(bytes(size[i]));
#define IN(i) (given >> (i) & 1 ? in[i].data : NULL)
    moru_gru_args a = {in[0].data, in[1].data, in[2].data, IN(3), IN(4), reset_after, wanted != 2 ? out[Y].data : NULL,
                       wanted != 0 ? out[LAST_H].data : NULL, NULL, NULL, NULL, IN(7), given >> 8 & 1};
    if (wanted == 1) {
        a.gates = out[GATES].data;
        a.inner = out[CELLS].data;
        a.before = out[BEFORE].data;
    }
    k->gru(g, &a, forward.data, threads);
    for (int i = 0; i < DZ; i++)
        memcpy(result[i], out[i].data, bytes(size[i]));
    if (wanted == 1) {
        moru_gru_grad_args b = {a.gates, a.inner, a.before, in[2].data, IN(5), IN(6), reset_after,
                                in_place ? a.gates : out[DZ].data, out[DC0].data, out[DH0].data, IN(7),
                                a.zero_output};
        k->gru_grad(g, &b, backward.data, threads);
        memcpy(result[DZ], b.dgates, bytes(size[DZ]));
        memcpy(result[DH0], out[DH0].data, bytes(size[DH0]));
        memcpy(result[DC0], reset_after ? out[DC0].data : b.dgates, bytes(size[DC0]));
    }
#undef IN
    for (int i = 0; i < OUTPUTS; i++)
        guarded_free(&out[i]);
    guarded_free(&forward);
    guarded_free(&backward);
}

static void check_gru(const moru_kernels *k, sizes s, bool backwards, bool reset_after, unsigned given, int wanted,
                      uint64_t *state)
{
    moru_rnn g = {s.n, s.t, s.in, s.units, backwards};
    int64_t size[OUTPUTS], u = s.units;
    guarded in[8] = {guarded_random(state, s.n * s.t * s.in), weights(state, s.in, 3 * u), weights(state, u, 3 * u),
                     guarded_random(state, (reset_after ? 6 : 3) * u), guarded_random(state, s.n * u),
                     guarded_random(state, s.n * s.t * u), guarded_random(state, s.n * u),
                     mask_new(state, s.n, s.t)};
    double *want[OUTPUTS];
    moru_real *got[OUTPUTS], *again[OUTPUTS];
    output_sizes(&g, 3, size);
    size[DC0] = size[DZ];
    for (int i = 0; i < OUTPUTS; i++) {
        want[i] = calloc((size_t)size[i] + 1, sizeof **want);
        got[i] = calloc((size_t)size[i] + 1, sizeof **got);
        again[i] = calloc((size_t)size[i] + 1, sizeof **again);
    }
#define IN(i) (given >> (i) & 1 ? in[i].data : NULL)
    moru_gru_args a = {.x = in[0].data, .kernel = in[1].data, .recurrent = in[2].data, .bias = IN(3), .h0 = IN(4),
                       .reset_after = reset_after, .mask = IN(7), .zero_output = given >> 8 & 1};
    moru_gru_grad_args b = {.recurrent = in[2].data, .dy = IN(5), .dh = IN(6), .reset_after = reset_after,
                             .mask = IN(7), .zero_output = given >> 8 & 1};
#undef IN
    naive_gru(&g, &a, want);
    naive_gru_grad(&g, &b, want);
    run_gru(k, &g, reset_after, in, given, wanted, 1, false, size, got);
    for (int i = 0; i < OUTPUTS; i++)
        for (int64_t j = 0; j < size[i] && i != LAST_C; j++)
            if (wanted == 1 || i == (wanted == 0 ? Y : LAST_H))
                check_close(got[i][j], want[i][j], 2 + sqrt((double)(s.in + u)), names[i], j);
    for (int t = 1; t < (k == moru_kernels_at(0) ? 4 : 2); t++) {
        run_gru(k, &g, reset_after, in, given, wanted, thread_counts[t], t % 2, size, again);
        for (int i = 0; i < OUTPUTS; i++)
            if (i != LAST_C && (wanted == 1 || i == (wanted == 0 ? Y : LAST_H)))
                ck_assert_msg(!memcmp(got[i], again[i], bytes(size[i])), "%s: %s differs with %d threads", k->isa,
                              names[i], thread_counts[t]);
    }
    for (int i = 0; i < OUTPUTS; i++) {
        free(want[i]);
        free(got[i]);
        free(again[i]);
    }
    for (int i = 0; i < 8; i++)
        guarded_free(&in[i]);
}

START_TEST(gru)
{
    uint64_t state = 18;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int variant = 0; variant < 4; variant++) {
            check_gru(moru_kernels_at(k), all_sizes[_i], variant & 1, variant & 2, 0x7f, 1, &state);
            check_gru(moru_kernels_at(k), all_sizes[_i], variant & 1, variant & 2, 0xff, 1, &state);
            check_gru(moru_kernels_at(k), all_sizes[_i], variant & 1, variant & 2, 0x1ff, 1, &state);
            check_gru(moru_kernels_at(k), all_sizes[_i], variant & 1, variant & 2, 1u << 5, 1, &state);
            check_gru(moru_kernels_at(k), all_sizes[_i], variant & 1, variant & 2, 1u << 3, 0, &state);
            check_gru(moru_kernels_at(k), all_sizes[_i], variant & 1, variant & 2, 1u << 4, 2, &state);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels: recurrence");
    TCase *tests = tcase_create("recurrence");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, lstm, 0, N_SIZES);
    tcase_add_loop_test(tests, gru, 0, N_SIZES);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
