/* The walk over a source image that forward convolution and the gradient of the input share.
 *
 * Nothing is padded for it: the grid falls apart into rectangles whose pixels see the same taps, an inner one that sees
 * all and those along the borders, and each is walked with the taps it sees. */
#include "kernels/conv.h"

#define BUFFER_BYTES (160 * 1024) /* a copied block stays in the L2 cache beside a panel of weights */
#define MIN_TASKS 16              /* pieces that few images are cut into */
#define MIN_PIXELS 48             /* of a piece */
#define SOURCE_BYTES (384 * 1024) /* under a block: walked again for each panel of weights */

static int64_t span(int64_t grid, int64_t step, int64_t taps, int64_t apart)
{
    return (grid - 1) * step + (taps - 1) * apart + 1;
}

/* Grid rows of an image, or of a piece of it where images are few */
static int64_t rows_of_piece(const conv_walk *w)
{
    if (w->images >= MIN_TASKS)
        return w->grid_h;
    int64_t pieces = (MIN_TASKS + w->images - 1) / max(w->images, 1);
    return max((w->grid_h + pieces - 1) / pieces, (MIN_PIXELS + w->grid_w - 1) / w->grid_w);
}

conv_blocks MORU_KERNEL(conv_blocks)(const conv_walk *w, bool copy)
{
    conv_blocks b = {0};
    b.width = span(w->grid_w, w->step_x, w->taps_x, w->apart_x);
    int64_t height = span(w->grid_h, w->step_y, w->taps_y, w->apart_y);
    bool empty = w->taps_y == 0 || w->taps_x == 0 || w->depth == 0;
    b.copied = !empty && (copy || w->y0 < 0 || w->x0 < 0 || w->y0 + height > w->h || w->x0 + b.width > w->w);
    int64_t rows = rows_of_piece(w);
    if (b.copied) {
        int64_t row_bytes = b.width * w->channels * (int64_t)sizeof(moru_real);
        int64_t fit = (BUFFER_BYTES / row_bytes - (w->taps_y - 1) * w->apart_y) / w->step_y;
        rows = min(rows, max(fit, 4));
    }
    rows = min(rows, w->grid_h);
    b.blocks = (w->grid_h + rows - 1) / rows;
    b.rows = (w->grid_h + b.blocks - 1) / b.blocks;
    b.source_rows = span(b.rows, w->step_y, w->taps_y, w->apart_y);
    if (b.copied)
        b.buffer_bytes = round_up((size_t)(b.source_rows * b.width * w->channels) * sizeof(moru_real));
    return b;
}

/* `rows` source rows from row y and column x0 on, `width` pixels each, zeros outside the image */
static void copy_bordered(const conv_walk *w, const moru_real *image, int64_t y, int64_t rows, int64_t width,
                          moru_real *out)
{
    int64_t c = w->channels;
    int64_t left = min(max(-w->x0, 0), width), end = max(min(w->w - w->x0, width), left);
    for (int64_t r = y; r < y + rows; r++, out += width * c) {
        if (r < 0 || r >= w->h) {
            memset(out, 0, (size_t)(width * c) * sizeof(moru_real));
            continue;
        }
        memset(out, 0, (size_t)(left * c) * sizeof(moru_real));
        memcpy(out + left * c, image + (r * w->w + w->x0 + left) * c, (size_t)((end - left) * c) * sizeof(moru_real));
        memset(out + end * c, 0, (size_t)((width - end) * c) * sizeof(moru_real));
    }
}

const moru_real *MORU_KERNEL(conv_source)(const conv_walk *w, const conv_blocks *b, const moru_real *image,
                                          int64_t first, int64_t rows, moru_real *buffer, int64_t *width)
{
    int64_t y = first * w->step_y + w->y0;
    if (!b->copied) {
        *width = w->w;
        return image + (y * w->w + w->x0) * w->channels;
    }
    *width = b->width;
    copy_bordered(w, image, y, span(rows, w->step_y, w->taps_y, w->apart_y), b->width, buffer);
    return buffer;
}

/* How a product is laid out; depends on sizes alone. */
typedef struct plan {
    int64_t rows, blocks;  /* grid rows of a block, blocks of an image */
    bool whole_rows;       /* of a patch: the taps of a row follow each other in memory */
    int64_t most_runs;
    size_t offsets_bytes;  /* of a thread: where a patch's runs begin in the source, and in b */
} plan;

static plan make_plan(const conv_walk *w)
{
    plan p = {.whole_rows = w->apart_x == 1 && w->depth == w->channels};
    int64_t taps_z = conv_taps_z(w);
    int64_t row_bytes = max(w->w * w->channels * w->step_y * max(taps_z, 1) * (int64_t)sizeof(moru_real), 1);
    int64_t rows = min(min(rows_of_piece(w), max(SOURCE_BYTES / row_bytes, 4)), w->grid_h);
    p.blocks = (w->grid_h + rows - 1) / rows;
    p.rows = (w->grid_h + p.blocks - 1) / p.blocks;
    p.most_runs = taps_z * w->taps_y * (p.whole_rows ? 1 : w->taps_x);
    p.offsets_bytes = round_up((size_t)(2 * p.most_runs) * sizeof(int64_t));
    return p;
}

/* Grid pixels from (y, x) on that see the taps from (ty, tx) on, in each of taps_z images of the source */
typedef struct rectangle {
    int64_t y, x, height, width, ty, tx, taps_y, taps_x, taps_z;
} rectangle;

/* How many of the pixels start, start + step, ... see the same taps as the first, at most `most` */
static int64_t same_taps(int64_t start, int64_t step, int64_t apart, int64_t taps, int64_t size, int64_t most,
                         int64_t *tap, int64_t *seen)
{
    int64_t first, end, n = 1;
    conv_inside(start, apart, taps, size, tap, &end);
    *seen = end - *tap;
    for (; n < most; n++) {
        int64_t last = end;
        conv_inside(start + n * step, apart, taps, size, &first, &end);
        if (first != *tap || end != last)
            break;
    }
    return n;
}

/* Fills in the runs of a rectangle's patches, from their first tap in the source and in b: offsets, then those in b */
static int64_t fill_runs(const conv_product *p, const plan *l, const rectangle *q, int64_t *offsets, int64_t *b_offsets)
{
    const conv_walk *w = &p->walk;
    int64_t n = 0, across = l->whole_rows ? min(q->taps_x, 1) : q->taps_x;
    for (int64_t tz = 0; tz < q->taps_z; tz++)
        for (int64_t ty = 0; ty < q->taps_y; ty++)
            for (int64_t tx = 0; tx < across; tx++, n++) {
                offsets[n] = ((tz * w->apart_z * w->h + ty * w->apart_y) * w->w + tx * w->apart_x) * w->channels;
                b_offsets[n] = ((tz * w->taps_y + ty) * w->taps_x + tx) * w->depth * p->ldb;
            }
    return n;
}

/* All tiles of one panel of one group in a rectangle; t is filled in but for rows and runs, source and out are those
 * of the image and the first channel. */
static void run_rectangle(const conv_product *p, const plan *l, const rectangle *q, const moru_real *source,
                          moru_real *out, int64_t *offsets, tile t)
{
    const conv_walk *w = &p->walk;
    int64_t *b_offsets = offsets + l->most_runs;
    int64_t pixels = q->height * q->width, most = tile_rows(p->columns), tiles = (pixels + most - 1) / most;
    int64_t x = 0, x_step = w->step_x * w->channels;
    t.runs = fill_runs(p, l, q, offsets, b_offsets);
    t.offsets = offsets;
    t.b_offsets = b_offsets;
    t.length = w->depth * (l->whole_rows ? q->taps_x : 1);
    t.b += (q->ty * w->taps_x + q->tx) * w->depth * p->ldb;
    if (t.runs)
        source += ((q->y * w->step_y + w->y0 + q->ty * w->apart_y) * w->w + q->x * w->step_x + w->x0 +
                   q->tx * w->apart_x) * w->channels;
    out += q->y * p->out_row + q->x * p->out_pixel;
    /* rows that the next row of tiles sees first: no prefetcher finds them in time */
    int64_t ahead = q->taps_x && q->height > 1 ? q->taps_y * w->apart_y * w->w * w->channels : 0;
    for (int64_t i = 0, at = 0; i < tiles; i++) {
        int64_t end = pixels * (i + 1) / tiles, count = end - at;
        for (int64_t r = 0; r < count; r++, at++) {
            t.a[r] = source + x * x_step;
            t.c[r] = out + x * p->out_pixel;
            if (++x == q->width) {
                x = 0;
                source += w->step_y * w->w * w->channels;
                out += p->out_row;
            }
        }
        if (ahead)
            for (int64_t r = 0; r < count; r++)
                for (int64_t k = 0; k < x_step; k += LINE)
                    __builtin_prefetch(t.a[r] + ahead + k);
        MORU_KERNEL(tile)(&t, count);
        if (p->activation && !t.relu)
            tile_activate(&t, count, p->activation, p->params);
    }
}

/* Grid rows [first, end) of one panel of one group */
static void run_panel(const conv_product *p, const plan *l, int64_t first, int64_t end, int64_t taps_z,
                      const moru_real *source, moru_real *out, int64_t *offsets, const tile *t)
{
    const conv_walk *w = &p->walk;
    rectangle q = {.taps_z = taps_z};
    for (q.y = first; q.y < end; q.y += q.height) {
        q.height = same_taps(q.y * w->step_y + w->y0, w->step_y, w->apart_y, w->taps_y, w->h, end - q.y, &q.ty,
                             &q.taps_y);
        for (q.x = 0; q.x < w->grid_w; q.x += q.width) {
            q.width = same_taps(q.x * w->step_x + w->x0, w->step_x, w->apart_x, w->taps_x, w->w, w->grid_w - q.x, &q.tx,
                                &q.taps_x);
            run_rectangle(p, l, &q, source, out, offsets, *t);
        }
    }
}

/* The images of the source that grid number `image` sees, `count` of them from tap *tap on; the index of the first. */
static int64_t find_images(const conv_walk *w, int64_t image, int64_t *tap, int64_t *count)
{
    *tap = 0;
    *count = 1;
    if (!w->volume)
        return image;
    int64_t start = image % w->grid_d * w->step_z + w->z0;
    conv_inside(start, w->apart_z, w->taps_z, w->d, tap, count);
    *count -= *tap;
    return *count > 0 ? image / w->grid_d * w->d + start + *tap * w->apart_z : 0;
}

static void run_block(const conv_product *p, const plan *l, int64_t task, int64_t *offsets)
{
    const conv_walk *w = &p->walk;
    int64_t image = task / l->blocks, first = task % l->blocks * l->rows, end = min(first + l->rows, w->grid_h);
    int64_t panels = tile_panels(p->columns), tap, taps_z, seen = find_images(w, image, &tap, &taps_z);
    const moru_real *b = p->b + tap * w->taps_y * w->taps_x * w->depth * p->ldb;
    moru_real *out = p->out + (w->volume ? image / w->grid_d * p->out_volume + image % w->grid_d * p->out_image
                                         : image * p->out_image);
    for (int64_t group = 0; group < p->groups; group++)
        for (int64_t panel = 0; panel < panels; panel++) {
            int64_t column = tile_panel_start(p->columns, panels, panel), at = group * p->columns + column;
            tile t = {
                .step = 1, .b = b + group * p->b_group + column, .ldb = p->ldb,
                .bias = p->bias ? p->bias + at : NULL,
                .columns = tile_panel_start(p->columns, panels, panel + 1) - column,
                .relu = p->activation == ACTIVATION_RELU,
            };
            run_panel(p, l, first, end, taps_z, p->x + seen * w->h * w->w * w->channels + group * w->depth, out + at,
                      offsets, &t);
        }
}

size_t MORU_KERNEL(conv_product_workspace)(const conv_walk *w, int64_t groups, int64_t columns, int threads)
{
    if (w->images * w->grid_h * w->grid_w == 0)
        return 0;
    if (MORU_KERNEL(conv_planar_fits)(w, groups, columns))
        return MORU_KERNEL(conv_planar_workspace)(w, threads);
    return (size_t)max(threads, 1) * make_plan(w).offsets_bytes;
}

void MORU_KERNEL(conv_product)(const conv_product *p, void *workspace, int threads)
{
    const conv_walk *w = &p->walk;
    int64_t pixels = w->images * w->grid_h * w->grid_w;
    if (pixels == 0 || p->columns == 0)
        return;
    if (MORU_KERNEL(conv_planar_fits)(w, p->groups, p->columns)) {
        MORU_KERNEL(conv_planar)(p, workspace, threads);
        return;
    }
    plan l = make_plan(w);
    int64_t tasks = w->images * l.blocks, patch = conv_taps_z(w) * w->taps_y * w->taps_x * w->depth;
    int parts = (int)min(product_threads(pixels * p->groups * p->columns * (patch + 1), threads), tasks);
    PARALLEL(parts, for (int k = 0; k < parts; k++)
        for (int64_t task = tasks * k / parts; task < tasks * (k + 1) / parts; task++)
            run_block(p, &l, task, (int64_t *)((char *)workspace + (size_t)k * l.offsets_bytes)));
}
