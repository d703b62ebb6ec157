/* The gradient of the input for a few channels under many filters.
 *
 * A vector of channels would be mostly empty, so taps are columns as well: each pixel of dy times the weights as
 * [filters][kh kw c] gives what it adds to all the pixels it reaches. These rows are turned to lie along the pixels,
 * [tap and channel][ox] with zeros around, and a row of dx is the sum of a few of them, shifted: of each phase of
 * the stride its own. */
#include "kernels/conv.h"

#define MOST_BYTES (512 * 1024) /* of an image's products: they stay in the L2 cache */
#define MOST_TAPS 16            /* along an axis */
#define MOST_STRIDE 4
#define MOST_SIZE 16384         /* of an image, its padding, dilation: products of two fit into 32 bits */
#define MIN_FILTERS 12          /* turning a row costs about as much as so many filters */

typedef struct plan {
    int64_t columns, ld;       /* taps and channels, in whole vectors */
    int64_t left, pitch;       /* zeros before the pixels of a row; from a row to the next */
    int64_t phase_width;       /* pixels of a row of dx in one phase, in whole vectors */
    size_t weight_bytes, product_bytes, rows_bytes, sums_bytes;
} plan;

static int64_t round_lanes(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* The ox that a tap adds to pixel ix from, if (ix + left - kx dw) divides */
static int64_t offset_of(const moru_conv2d *g, int64_t ix, int64_t kx)
{
    return (ix + g->left - kx * g->dw) / g->sw;
}

static plan make_plan(const moru_conv2d *g)
{
    plan p = {.columns = g->kh * g->kw * g->c};
    p.ld = round_lanes(p.columns);
    p.phase_width = round_lanes((g->w + g->sw - 1) / g->sw);
    p.left = max(-offset_of(g, 0, g->kw - 1), 0);
    p.pitch = p.left + max(round_lanes(g->ow), offset_of(g, g->sw - 1, 0) + p.phase_width);
    p.weight_bytes = round_up((size_t)(g->filters * p.ld) * sizeof(moru_real));
    p.product_bytes = round_up((size_t)(round_lanes(g->ow) * p.ld) * sizeof(moru_real));
    p.rows_bytes = round_up((size_t)((g->oh * p.columns + LANES) * p.pitch) * sizeof(moru_real));
    p.sums_bytes = round_up((size_t)(g->c * p.phase_width) * sizeof(moru_real));
    return p;
}

bool MORU_KERNEL(conv_narrow_fits)(const moru_conv2d *g)
{
    if (g->volume || g->groups != 1 || g->c < 1 || 4 * g->c > LANES || g->filters < MIN_FILTERS || g->kh * g->kw < 2 ||
        g->n * g->oh * g->ow * g->h * g->w == 0 || g->kh > MOST_TAPS || g->kw > MOST_TAPS || g->sw > MOST_STRIDE ||
        max(max(g->ow, g->h), max(g->w, max(g->top, g->left))) > MOST_SIZE || max(max(g->dh, g->dw), g->sh) > MOST_SIZE)
        return false;
    plan p = make_plan(g);
    return p.rows_bytes / MOST_BYTES == 0 && 2 * p.columns > p.ld;
}

static size_t thread_bytes(const plan *p)
{
    return p->product_bytes + p->rows_bytes + p->sums_bytes;
}

size_t MORU_KERNEL(conv_narrow_workspace)(const moru_conv2d *g, int threads)
{
    plan p = make_plan(g);
    return p.weight_bytes + (size_t)max(threads, 1) * thread_bytes(&p);
}

/* products[ox][columns] of a row of dy */
static void multiply_row(const moru_conv2d *g, const plan *p, const moru_real *dy, const moru_real *weight,
                         moru_real *products)
{
    int64_t panels = tile_panels(p->columns), most = tile_rows(p->columns), tiles = (g->ow + most - 1) / most;
    int64_t zero = 0;
    for (int64_t panel = 0; panel < panels; panel++) {
        int64_t column = tile_panel_start(p->columns, panels, panel);
        tile t = {
            .step = 1, .offsets = &zero, .runs = 1, .length = g->filters, .b = weight + column, .ldb = p->ld,
            .columns = tile_panel_start(p->columns, panels, panel + 1) - column,
        };
        for (int64_t i = 0; i < tiles; i++) {
            int64_t first = g->ow * i / tiles, count = g->ow * (i + 1) / tiles - first;
            for (int64_t r = 0; r < count; r++) {
                t.a[r] = dy + (first + r) * g->filters;
                t.c[r] = products + (first + r) * p->ld + column;
            }
            MORU_KERNEL(tile)(&t, count);
        }
    }
}

/* Taps along one axis that reach a pixel: where their numbers lie, from the first pixel of a row of products */
typedef struct reach {
    int64_t count, at[MOST_TAPS];
} reach;

/* All kx for pixels ix, ix + sw, ... */
static void reach_across(const moru_conv2d *g, const plan *p, int64_t ix, reach *out)
{
    out->count = 0;
    for (int64_t kx = 0; kx < g->kw; kx++)
        if ((ix + g->left - kx * g->dw) % g->sw == 0)
            out->at[out->count++] = kx * g->c * p->pitch + p->left + offset_of(g, ix, kx);
}

/* All ky for row iy */
static void reach_down(const moru_conv2d *g, const plan *p, int64_t iy, reach *out)
{
    out->count = 0;
    for (int64_t ky = 0; ky < g->kh; ky++) {
        int32_t y = (int32_t)(iy + g->top - ky * g->dh), sh = (int32_t)g->sh; /* divides faster */
        if (y >= 0 && y % sh == 0 && y / sh < g->oh)
            out->at[out->count++] = (y / sh * p->columns + ky * g->kw * g->c) * p->pitch;
    }
}

/* One phase of a row of dx, channel after channel */
static void sum_phase(const moru_conv2d *g, const plan *p, const moru_real *rows, const moru_real *bias,
                      const reach *down, const reach *across, moru_real *sums)
{
    for (int64_t c = 0; c < g->c; c++, rows += p->pitch)
        for (int64_t j = 0; j < p->phase_width; j += LANES, sums += LANES) {
            vec sum = bias ? vec_set(bias[c]) : vec_zero();
            for (int64_t ky = 0; ky < down->count; ky++)
                for (int64_t kx = 0; kx < across->count; kx++)
                    sum += vec_load(rows + down->at[ky] + across->at[kx] + j);
            vec_store(sums, sum);
        }
}

/* Row iy of dx */
static void sum_row(const moru_conv2d *g, const plan *p, const reach *across, const moru_real *rows,
                    const moru_real *bias, int64_t iy, moru_real *sums, moru_real *dx)
{
    reach down;
    reach_down(g, p, iy, &down);
    for (int64_t phase = 0; phase < min(g->sw, g->w); phase++) {
        sum_phase(g, p, rows, bias, &down, &across[phase], sums);
        for (int64_t c = 0; c < g->c; c++)
            for (int64_t ix = phase, j = 0; ix < g->w; ix += g->sw, j++)
                dx[ix * g->c + c] = sums[c * p->phase_width + j];
    }
}

static void run_image(const moru_conv2d *g, const plan *p, const reach *across, const moru_real *dy,
                      const moru_real *weight, const moru_real *bias, moru_real *dx, char *scratch)
{
    moru_real *products = (moru_real *)scratch, *rows = (moru_real *)(scratch + p->product_bytes);
    moru_real *sums = (moru_real *)(scratch + p->product_bytes + p->rows_bytes);
    for (int64_t oy = 0; oy < g->oh; oy++) {
        multiply_row(g, p, dy + oy * g->ow * g->filters, weight, products);
        /* in whole squares: what is turned too much are zeros, over which the next row goes */
        MORU_KERNEL(transpose)(products, p->ld, round_lanes(g->ow), p->ld,
                               rows + oy * p->columns * p->pitch + p->left, p->pitch);
    }
    for (int64_t iy = 0; iy < g->h; iy++)
        sum_row(g, p, across, rows, bias, iy, sums, dx + iy * g->w * g->c);
}

void MORU_KERNEL(conv_narrow)(const moru_conv2d *g, const moru_real *dy, const moru_real *weight, const moru_real *bias,
                              int activation, const double *params, moru_real *dx, void *workspace, int threads)
{
    plan p = make_plan(g);
    reach across[MOST_STRIDE];
    for (int64_t phase = 0; phase < g->sw; phase++)
        reach_across(g, &p, phase, &across[phase]);
    moru_real *turned = workspace;
    MORU_KERNEL(transpose)(weight, g->filters, p.columns, g->filters, turned, p.ld);
    int parts = (int)min(product_threads(g->n * g->oh * g->ow * p.columns * g->filters, threads), g->n);
    PARALLEL(parts, for (int k = 0; k < parts; k++) {
        char *scratch = (char *)workspace + p.weight_bytes + (size_t)k * thread_bytes(&p);
        memset(scratch, 0, p.product_bytes + p.rows_bytes); /* what lies around the numbers stays zero */
        for (int64_t i = g->n * k / parts; i < g->n * (k + 1) / parts; i++) {
            moru_real *out = dx + i * g->h * g->w * g->c;
            run_image(g, &p, across, dy + i * g->oh * g->ow * g->filters, turned, bias, out, scratch);
            if (activation)
                MORU_KERNEL(table).unary[activation - 1](out, out, g->h * g->w * g->c, params);
        }
    });
}
