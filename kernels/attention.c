/* Scaled dot product attention, y = softmax(scale q k^T + mask) v, for every batch entry and head.
 *
 * Heads are read where they lie, [n,t,heads,dim], through the tile's row pointers; only k (and v, for the gradient) is
 * transposed, a panel of columns at a time. A task is a block of queries of one head (in the gradient: one head, so
 * that no two tasks add to the same dk): its scores stay in scratch memory, and of a causal head those above the
 * diagonal are never computed. The gradient computes the scores anew from lse, the logarithm of each row's sum.
 *
 * With a mask that says which keys are kept (g->keep), keys behind the last one kept aren't looked at. A query that keeps
 * none is blind: its lse is +inf, so that the gradient finds its probabilities to be 0, and y is 0 or the mean of v. */
#include "kernels/tile.h"
#include "kernels/vecmath.h"

#define QUERIES 64 /* of a block */

/* One head of one entry of the batch, as matrices. */
typedef struct head {
    int64_t ldq, ldv, ldm;   /* between rows of q and k, of v, of the mask */
    const moru_real *q, *k, *v, *mask;
    int64_t row;             /* place of its first query in lse */
} head;

KERNEL_INLINE int64_t visible(const moru_attention *g, int64_t query)
{
    return g->causal ? min(query + 1, g->s) : g->s;
}

/* Between rows of scores: no multiple of a cache's way. */
static int64_t score_stride(const moru_attention *g)
{
    return (g->s + LANES - 1) / LANES * LANES + LANES;
}

static head head_of(const moru_attention *g, const moru_real *q, const moru_real *k, const moru_real *v,
                    const moru_real *mask, int64_t number)
{
    int64_t n = number / g->heads, h = number % g->heads;
    head o = {.ldq = g->heads * g->dim, .ldv = g->heads * g->value_dim, .ldm = g->mask_t, .row = number * g->t};
    o.q = q + n * g->t * o.ldq + h * g->dim;
    o.k = k + n * g->s * o.ldq + h * g->dim;
    o.v = v + n * g->s * o.ldv + h * g->value_dim;
    o.mask = mask ? mask + n * g->mask_n + h * g->mask_h : NULL;
    return o;
}

/* ---- products ---- */

/* out[i][j] = sum_d a[i][d] b[j][d] for queries first..first + rows and the keys each of them sees, at least */
static void products(const moru_attention *g, const moru_real *a, int64_t lda, const moru_real *b, int64_t ldb,
                     int64_t depth, int64_t first, int64_t rows, moru_real *panel, moru_real *out, int64_t ldo)
{
    int64_t columns = visible(g, first + rows - 1), zero = 0;
    for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        int64_t width = min(TILE_COLUMNS, columns - j), step = tile_rows(width);
        MORU_KERNEL(transpose)(b + j * ldb, ldb, width, depth, panel, TILE_COLUMNS);
        for (int64_t i = g->causal ? max(j - first, 0) : 0; i < rows; i += step) {
            int64_t count = min(step, rows - i);
            tile t = {.step = 1, .offsets = &zero, .runs = 1, .length = depth, .b = panel, .ldb = TILE_COLUMNS,
                      .columns = min(width, visible(g, first + i + count - 1) - j)};
            for (int64_t r = 0; r < count; r++) {
                t.a[r] = a + (i + r) * lda;
                t.c[r] = out + (i + r) * ldo + j;
            }
            MORU_KERNEL(tile)(&t, count);
        }
    }
}

/* c[i][0..width) = sum_j p[i][j] b[j][0..width) over the keys j that query first + i sees; p is 0 up to the last key
 * that any of them sees */
static void weighted_rows(const moru_attention *g, const moru_real *p, int64_t ldp, const moru_real *b, int64_t ldb,
                          int64_t width, int64_t first, int64_t rows, moru_real *c, int64_t ldc)
{
    int64_t panels = tile_panels(width), step = panels ? tile_rows(width) : 1, zero = 0;
    for (int64_t k = 0; k < panels; k++) {
        int64_t column = tile_panel_start(width, panels, k);
        for (int64_t i = 0; i < rows; i += step) {
            int64_t count = min(step, rows - i);
            tile t = {.step = 1, .offsets = &zero, .runs = 1, .length = visible(g, first + i + count - 1),
                      .b = b + column, .ldb = ldb, .columns = tile_panel_start(width, panels, k + 1) - column};
            for (int64_t r = 0; r < count; r++) {
                t.a[r] = p + (i + r) * ldp;
                t.c[r] = c + (i + r) * ldc + column;
            }
            MORU_KERNEL(tile)(&t, count);
        }
    }
}

/* c[j][0..width) (+)= sum_i p[i][j] b[i][0..width) for keys from <= j < to, over the queries that see them */
static void weighted_columns(const moru_attention *g, const moru_real *p, int64_t ldp, const moru_real *b, int64_t ldb,
                             int64_t width, int64_t first, int64_t rows, int64_t from, int64_t to, bool accumulate,
                             moru_real *c, int64_t ldc)
{
    int64_t panels = tile_panels(width), step = panels ? tile_rows(width) : 1, zero = 0;
    for (int64_t k = 0; k < panels; k++) {
        int64_t column = tile_panel_start(width, panels, k);
        for (int64_t j = from; j < to; j += step) {
            int64_t count = min(step, to - j), blind = g->causal ? max(j - first, 0) : 0;
            tile t = {.step = ldp, .offsets = &zero, .runs = 1, .length = rows - blind,
                      .b = b + blind * ldb + column, .ldb = ldb, .accumulate = accumulate,
                      .columns = tile_panel_start(width, panels, k + 1) - column};
            for (int64_t r = 0; r < count; r++) {
                t.a[r] = p + blind * ldp + j + r;
                t.c[r] = c + (j + r) * ldc + column;
            }
            MORU_KERNEL(tile)(&t, count);
        }
    }
}

/* ---- keys that are kept ---- */

/* How many keys a mask leaves to look at for these queries: up to the last one that any of them keeps. */
static int64_t kept_keys(const moru_attention *g, const head *h, int64_t first, int64_t rows)
{
    int64_t kept = 0;
    if (!h->mask || g->keep == MORU_KEEP_ADDED)
        return g->s;
    for (int64_t r = first; r < (g->mask_t ? first + rows : first + 1); r++) {
        int64_t last = g->s;
        while (last > kept && h->mask[r * h->ldm + last - 1] == 0)
            last--;
        kept = max(kept, last);
    }
    return kept;
}

/* Blind queries of a block get 0, or the mean of all values. */
static void fill_blind(const moru_attention *g, const head *h, const bool *blind, int64_t rows, moru_real *y)
{
    const moru_real *mean = NULL;
    for (int64_t r = 0; r < rows; r++, y += h->ldv) {
        if (!blind[r])
            continue;
        for (int64_t i = 0; i < g->value_dim; i++)
            y[i] = mean ? mean[i] : 0;
        if (mean || g->keep == MORU_KEEP_OR_ZERO)
            continue;
        for (int64_t j = 0; j < g->s; j++)
            for (int64_t i = 0; i < g->value_dim; i++)
                y[i] += h->v[j * h->ldv + i];
        for (int64_t i = 0; i < g->value_dim && g->s > 0; i++)
            y[i] /= (moru_real)g->s;
        mean = y;
    }
}

/* ---- rows of scores ---- */

KERNEL_INLINE vec load(const moru_real *p, int64_t lanes)
{
    return lanes == LANES ? vec_load(p) : vec_load_part(p, lanes);
}

KERNEL_INLINE void store(moru_real *p, vec v, int64_t lanes)
{
    if (lanes == LANES)
        vec_store(p, v);
    else
        vec_store_part(p, v, lanes);
}

/* Rows of scores side by side, so that one's sums are made while another's wait: row r begins at x + r ld, its mask at
 * mask + r ldm, and its query sees n[r] <= width keys. Whole vectors are read and written: rows have the room. */
#define GROUP 4
enum { NO_MASK, ADDED, KEPT }; /* the mask's kind */
typedef struct group {
    moru_real *x;
    const moru_real *mask;
    moru_real scale;
    int64_t ld, ldm, width, n[GROUP];
} group;

KERNEL_INLINE vec mask_at(const group *o, int r, int64_t i)
{
    return load(o->mask + r * o->ldm + i, min(o->width - i, LANES));
}

KERNEL_INLINE vec logits(const group *o, const int kind, int r, int64_t i)
{
    vec v = vec_load(o->x + r * o->ld + i) * o->scale;
    return kind == ADDED ? v + mask_at(o, r, i) : v;
}

/* The lanes of vector i that row r's query sees. */
KERNEL_INLINE ivec seen_lanes(const group *o, int r, int64_t i)
{
    return vec_lane_numbers() < ivec_set((moru_lane_int)min(max(o->n[r] - i, 0), LANES));
}

/* Those whose keys are kept. */
KERNEL_INLINE ivec kept_lanes(const group *o, const int kind, int r, int64_t i)
{
    ivec seen = seen_lanes(o, r, i);
    return kind == KEPT ? seen & (mask_at(o, r, i) != vec_zero()) : seen;
}

/* x becomes exp(scale x + mask - max), 0 where it isn't seen; max and sum of each row. */
KERNEL_INLINE void exponentiate(const group *o, const int kind, const int rows, moru_real *most, moru_real *sum)
{
    vec top[GROUP], total[GROUP];
    for (int r = 0; r < rows; r++) {
        top[r] = vec_set(R(-INFINITY));
        total[r] = vec_zero();
    }
    for (int64_t i = 0; i < o->width; i += LANES)
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            vec v = vec_select(kept_lanes(o, kind, r, i), logits(o, kind, r, i), vec_set(R(-INFINITY)));
            vec_store(o->x + r * o->ld + i, v);
            top[r] = vec_max(v, top[r]);
        }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        top[r] = vec_fold_max(top[r]);
        most[r] = top[r][0];
        if (kind == KEPT) /* -inf - -inf would be no number */
            top[r] = vec_select(top[r] == R(-INFINITY), vec_zero(), top[r]);
    }
    for (int64_t i = 0; i < o->width;) {
        vec block[GROUP] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        for (int k = 0; k < 64 && i < o->width; k++, i += LANES)
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                moru_real *x = o->x + r * o->ld + i;
                vec e = vec_where(seen_lanes(o, r, i), vec_exp(vec_load(x) - top[r]));
                vec_store(x, e);
                block[r] += e;
            }
        for (int r = 0; r < rows; r++)
            total[r] += block[r];
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        sum[r] = vec_fold_sum(total[r])[0];
}

/* x becomes the probabilities p = exp(scale x + mask - lse), and dp at dx, their gradient, that of q k^T:
 * scale p (dp - sum(p dp)). Both are 0 where a key isn't seen. */
KERNEL_INLINE void differentiate(const group *o, const int kind, const int rows, const moru_real *lse, moru_real *dx)
{
    vec total[GROUP];
    for (int r = 0; r < rows; r++)
        total[r] = vec_zero();
    for (int64_t i = 0; i < o->width;) {
        vec block[GROUP] = {vec_zero(), vec_zero(), vec_zero(), vec_zero()};
        for (int k = 0; k < 64 && i < o->width; k++, i += LANES)
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                ivec seen = kept_lanes(o, kind, r, i);
                vec p = vec_where(seen, vec_exp(logits(o, kind, r, i) - lse[r]));
                vec_store(o->x + r * o->ld + i, p);
                block[r] += p * vec_where(seen, vec_load(dx + r * o->ld + i));
            }
        for (int r = 0; r < rows; r++)
            total[r] += block[r];
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        total[r] = vec_fold_sum(total[r]);
    for (int64_t i = 0; i < o->width; i += LANES)
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            moru_real *d = dx + r * o->ld + i;
            vec p = vec_load(o->x + r * o->ld + i), dp = vec_where(seen_lanes(o, r, i), vec_load(d));
            vec_store(d, (dp - total[r]) * p * o->scale);
        }
}

/* Queries first + r .. of a block whose scores begin at x; how many there are in the group. */
static int64_t make_group(const moru_attention *g, const head *h, int64_t first, int64_t r, int64_t rows, moru_real *x,
                          int64_t ld, group *o)
{
    int64_t count = rows - r < GROUP ? 1 : GROUP;
    *o = (group){.x = x + r * ld, .mask = h->mask ? h->mask + (first + r) * h->ldm : NULL, .ld = ld, .ldm = h->ldm,
                 .scale = (moru_real)g->scale, .width = visible(g, first + r + count - 1)};
    for (int64_t k = 0; k < count; k++)
        o->n[k] = visible(g, first + r + k);
    return count;
}

/* With the mask's kind and the number of rows as constants. */
static void exponentiate_group(const group *o, int kind, int64_t rows, moru_real *most, moru_real *sum)
{
    if (rows == GROUP)
        kind == NO_MASK ? exponentiate(o, NO_MASK, GROUP, most, sum) :
        kind == ADDED ? exponentiate(o, ADDED, GROUP, most, sum) : exponentiate(o, KEPT, GROUP, most, sum);
    else
        kind == NO_MASK ? exponentiate(o, NO_MASK, 1, most, sum) :
        kind == ADDED ? exponentiate(o, ADDED, 1, most, sum) : exponentiate(o, KEPT, 1, most, sum);
}

static void differentiate_group(const group *o, int kind, int64_t rows, const moru_real *lse, moru_real *dx)
{
    if (rows == GROUP)
        kind == NO_MASK ? differentiate(o, NO_MASK, GROUP, lse, dx) :
        kind == ADDED ? differentiate(o, ADDED, GROUP, lse, dx) : differentiate(o, KEPT, GROUP, lse, dx);
    else
        kind == NO_MASK ? differentiate(o, NO_MASK, 1, lse, dx) :
        kind == ADDED ? differentiate(o, ADDED, 1, lse, dx) : differentiate(o, KEPT, 1, lse, dx);
}

static int kind_of(const moru_attention *g, const head *h)
{
    return !h->mask ? NO_MASK : g->keep == MORU_KEEP_ADDED ? ADDED : KEPT;
}

static void clear(moru_real *x, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        x[i] = 0;
}

/* ---- forward ---- */

static void run_block(const moru_attention *all, const head *h, int64_t first, moru_real *y, moru_real *lse,
                      moru_real *scratch)
{
    int64_t rows = min(QUERIES, all->t - first), ld = score_stride(all);
    moru_attention kept = *all, *g = &kept;
    kept.s = kept_keys(all, h, first, rows);
    int64_t seen = visible(g, first + rows - 1);
    int kind = kind_of(all, h);
    bool blind[QUERIES], any_blind = false;
    moru_real *scores = scratch + g->dim * TILE_COLUMNS, most[QUERIES], sum[QUERIES], *begin = y;
    products(g, h->q + first * h->ldq, h->ldq, h->k, h->ldq, g->dim, first, rows, scratch, scores, ld);
    for (int64_t r = 0, count; r < rows; r += count) {
        group o;
        count = make_group(g, h, first, r, rows, scores, ld, &o);
        exponentiate_group(&o, kind, count, most + r, sum + r);
        for (int64_t k = r; k < r + count; k++)
            clear(scores + k * ld, o.width, seen);
    }
    weighted_rows(g, scores, ld, h->v, h->ldv, g->value_dim, first, rows, y, h->ldv);
    for (int64_t r = 0; r < rows; r++) {
        blind[r] = kind == KEPT && most[r] == R(-INFINITY);
        any_blind |= blind[r];
        if (blind[r]) {
            most[r] = R(INFINITY);
            sum[r] = 1;
        }
    }
    for (int64_t r = 0; r < rows; r += LANES) {
        int64_t lanes = min(rows - r, LANES);
        vec total = load(sum + r, lanes);
        store(lse + h->row + first + r, load(most + r, lanes) + vec_log(total), lanes);
        store(sum + r, R(1) / total, lanes);
    }
    for (int64_t r = 0; r < rows; r++, y += h->ldv)
        for (int64_t i = 0; i < g->value_dim; i += LANES) {
            int64_t lanes = min(g->value_dim - i, LANES);
            store(y + i, seen > 0 ? load(y + i, lanes) * sum[r] : vec_zero(), lanes);
        }
    if (any_blind)
        fill_blind(all, h, blind, rows, begin);
}

static size_t forward_bytes(const moru_attention *g)
{
    return round_up((size_t)(g->dim * TILE_COLUMNS + QUERIES * score_stride(g)) * sizeof(moru_real));
}

static int attention_threads(const moru_attention *g, int64_t tasks, int threads)
{
    int64_t work = g->n * g->heads * g->t * max(g->s, 1) * max(g->dim + g->value_dim, 1);
    return (int)max(min(kernel_threads(work, threads), tasks), 1);
}

size_t MORU_KERNEL(attention_workspace)(const moru_attention *g, int threads)
{
    return forward_bytes(g) * (size_t)max(threads, 1);
}

void MORU_KERNEL(attention)(const moru_attention *g, const moru_real *q, const moru_real *k, const moru_real *v,
                            const moru_real *mask, moru_real *y, moru_real *lse, void *workspace, int threads)
{
    int64_t blocks = (g->t + QUERIES - 1) / QUERIES, tasks = g->n * g->heads * blocks;
    size_t bytes = forward_bytes(g);
    int parts = attention_threads(g, tasks, threads);
    PARALLEL(parts, for (int p = 0; p < parts; p++)
        for (int64_t i = tasks * p / parts; i < tasks * (p + 1) / parts; i++) {
            int64_t number = i / blocks, first = i % blocks * QUERIES;
            head h = head_of(g, q, k, v, mask, number);
            int64_t row = number / g->heads * g->t + first;
            run_block(g, &h, first, y + row * h.ldv + number % g->heads * g->value_dim, lse,
                      (moru_real *)((char *)workspace + (size_t)p * bytes));
        });
}

/* ---- gradient ---- */

typedef struct gradients {
    const moru_real *dy;
    moru_real *dq, *dk, *dv;   /* of one head */
} gradients;

/* Each of the mean's values gets its share of what a blind query gave. */
static void share_blind(const moru_attention *g, const head *h, const moru_real *lse, const gradients *o,
                        moru_real *share)
{
    bool any = false;
    if (kind_of(g, h) != KEPT || g->keep == MORU_KEEP_OR_ZERO)
        return;
    clear(share, 0, g->value_dim);
    for (int64_t r = 0; r < g->t; r++)
        if (lse[h->row + r] == R(INFINITY)) {
            any = true;
            for (int64_t i = 0; i < g->value_dim; i++)
                share[i] += o->dy[r * h->ldv + i];
        }
    for (int64_t j = 0; j < g->s && any; j++)
        for (int64_t i = 0; i < g->value_dim; i++)
            o->dv[j * h->ldv + i] += share[i] / (moru_real)g->s;
}

static void run_gradient(const moru_attention *all, const head *h, const moru_real *lse, const gradients *o,
                         moru_real *scratch)
{
    int64_t ld = score_stride(all), done = 0; /* keys that dk and dv have numbers for */
    moru_attention kept = *all, *g = &kept;
    kept.s = kept_keys(all, h, 0, all->t);
    moru_real *p = scratch + max(g->dim, g->value_dim) * TILE_COLUMNS, *dp = p + QUERIES * ld;
    int kind = kind_of(all, h);
    for (int64_t first = 0; first < g->t; first += QUERIES) {
        int64_t rows = min(QUERIES, g->t - first), seen = visible(g, first + rows - 1);
        const moru_real *q = h->q + first * h->ldq, *dy = o->dy + first * h->ldv;
        products(g, q, h->ldq, h->k, h->ldq, g->dim, first, rows, scratch, p, ld);
        products(g, dy, h->ldv, h->v, h->ldv, g->value_dim, first, rows, scratch, dp, ld);
        for (int64_t r = 0, count; r < rows; r += count) {
            group o;
            count = make_group(g, h, first, r, rows, p, ld, &o);
            differentiate_group(&o, kind, count, lse + h->row + first + r, dp + r * ld);
            for (int64_t k = r; k < r + count; k++) {
                clear(p + k * ld, o.width, seen);
                clear(dp + k * ld, o.width, seen);
            }
        }
        weighted_rows(g, dp, ld, h->k, h->ldq, g->dim, first, rows, o->dq + first * h->ldq, h->ldq);
        for (int fresh = 0; fresh < 2; fresh++) {
            int64_t from = fresh ? done : 0, to = fresh ? seen : done;
            weighted_columns(g, dp, ld, q, h->ldq, g->dim, first, rows, from, to, !fresh, o->dk, h->ldq);
            weighted_columns(g, p, ld, dy, h->ldv, g->value_dim, first, rows, from, to, !fresh, o->dv, h->ldv);
        }
        done = seen;
    }
    for (; done < all->s; done++) { /* keys that no query sees */
        clear(o->dk + done * h->ldq, 0, g->dim);
        clear(o->dv + done * h->ldv, 0, g->value_dim);
    }
    share_blind(all, h, lse, o, scratch); /* the panel has the room */
}

static size_t gradient_bytes(const moru_attention *g)
{
    int64_t count = max(g->dim, g->value_dim) * TILE_COLUMNS + 2 * QUERIES * score_stride(g);
    return round_up((size_t)count * sizeof(moru_real));
}

size_t MORU_KERNEL(attention_grad_workspace)(const moru_attention *g, int threads)
{
    return gradient_bytes(g) * (size_t)max(threads, 1);
}

void MORU_KERNEL(attention_grad)(const moru_attention *g, const moru_real *dy, const moru_real *q, const moru_real *k,
                                 const moru_real *v, const moru_real *mask, const moru_real *lse, moru_real *dq,
                                 moru_real *dk, moru_real *dv, void *workspace, int threads)
{
    int64_t tasks = g->n * g->heads;
    size_t bytes = gradient_bytes(g);
    int parts = attention_threads(g, tasks, threads);
    PARALLEL(parts, for (int p = 0; p < parts; p++)
        for (int64_t i = tasks * p / parts; i < tasks * (p + 1) / parts; i++) {
            head h = head_of(g, q, k, v, mask, i);
            int64_t n = i / g->heads, at = i % g->heads;
            gradients o = {dy + n * g->t * h.ldv + at * g->value_dim, dq + n * g->t * h.ldq + at * g->dim,
                           dk + n * g->s * h.ldq + at * g->dim, dv + n * g->s * h.ldv + at * g->value_dim};
            run_gradient(g, &h, lse, &o, (moru_real *)((char *)workspace + (size_t)p * bytes));
        });
}
