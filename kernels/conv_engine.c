/* The walk over a source image that forward convolution and the gradient of the input share. */
#include "kernels/conv.h"

#define BUFFER_BYTES (160 * 1024) /* a copied block stays in the L2 cache beside a panel of weights */
#define MIN_TASKS 16              /* pieces that few images are cut into */
#define MIN_PIXELS 48             /* of a piece */

static int64_t span(int64_t grid, int64_t step, int64_t taps, int64_t apart)
{
    return (grid - 1) * step + (taps - 1) * apart + 1;
}

conv_blocks MORU_KERNEL(conv_blocks)(const conv_walk *w, bool copy)
{
    conv_blocks b = {0};
    b.width = span(w->grid_w, w->step_x, w->taps_x, w->apart_x);
    int64_t height = span(w->grid_h, w->step_y, w->taps_y, w->apart_y);
    bool empty = w->taps_y == 0 || w->taps_x == 0 || w->depth == 0;
    b.copied = !empty && (copy || w->y0 < 0 || w->x0 < 0 || w->y0 + height > w->h || w->x0 + b.width > w->w);
    int64_t rows = w->grid_h;
    if (w->images < MIN_TASKS) {
        int64_t pieces = (MIN_TASKS + w->images - 1) / max(w->images, 1);
        rows = max((rows + pieces - 1) / pieces, (MIN_PIXELS + w->grid_w - 1) / w->grid_w);
    }
    if (b.copied) {
        int64_t row_bytes = b.width * w->channels * (int64_t)sizeof(moru_real);
        int64_t fit = (BUFFER_BYTES / row_bytes - (w->taps_y - 1) * w->apart_y) / w->step_y;
        rows = min(rows, max(fit, 4));
    }
    rows = min(rows, w->grid_h);
    b.blocks = (w->grid_h + rows - 1) / rows;
    b.rows = (w->grid_h + b.blocks - 1) / b.blocks;
    b.source_rows = span(b.rows, w->step_y, w->taps_y, w->apart_y);
    bool whole_rows = w->apart_x == 1 && w->depth == w->channels;
    b.runs = empty ? 0 : w->taps_y * (whole_rows ? 1 : w->taps_x);
    b.length = w->depth * (whole_rows ? w->taps_x : 1);
    if (b.copied)
        b.buffer_bytes = round_up((size_t)(b.source_rows * b.width * w->channels) * sizeof(moru_real));
    b.offsets_bytes = round_up((size_t)b.runs * sizeof(int64_t));
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
        if (b->runs == 0)
            return image;
        return image + (y * w->w + w->x0) * w->channels;
    }
    *width = b->width;
    copy_bordered(w, image, y, span(rows, w->step_y, w->taps_y, w->apart_y), b->width, buffer);
    return buffer;
}

/* Runs of a patch, from its first pixel */
static void fill_offsets(const conv_walk *w, const conv_blocks *b, int64_t *offsets)
{
    int64_t width = b->copied ? b->width : w->w, per_row = b->runs ? b->runs / w->taps_y : 0;
    for (int64_t ty = 0; ty < w->taps_y; ty++)
        for (int64_t tx = 0; tx < per_row; tx++)
            offsets[ty * per_row + tx] = (ty * w->apart_y * width + tx * w->apart_x) * w->channels;
}

/* What a block's tiles share */
typedef struct block {
    const moru_real *source;
    int64_t width; /* of the source in pixels */
    moru_real *out;
    int64_t first, rows;
} block;

/* All tiles of one panel of one group; t is filled in but for its rows and taps. */
static void run_panel(const conv_product *p, const conv_blocks *b, const block *k, const int64_t *offsets,
                      int64_t group, tile *t)
{
    const conv_walk *w = &p->walk;
    int64_t pixels = k->rows * w->grid_w, most = tile_rows(p->columns), tiles = (pixels + most - 1) / most;
    const moru_real *row = k->source + group * w->depth, *weights = t->b;
    moru_real *out = k->out;
    int64_t y = k->first, x = 0, x_step = w->step_x * w->channels, per_row = b->runs ? b->runs / w->taps_y : 0;
    for (int64_t i = 0, at = 0; i < tiles; i++) {
        int64_t end = pixels * (i + 1) / tiles, count = end - at, top = y, bottom = y, first, last;
        for (int64_t r = 0; r < count; r++, at++) {
            t->a[r] = row + x * x_step;
            t->c[r] = out + x * p->out_pixel;
            bottom = y;
            if (++x == w->grid_w) {
                x = 0;
                y++;
                row += w->step_y * k->width * w->channels;
                out += p->out_row;
            }
        }
        conv_live_taps(w, top, bottom, &first, &last);
        t->offsets = offsets + first * per_row;
        t->runs = (last - first) * per_row;
        t->b = weights + first * w->taps_x * w->depth * p->ldb;
        MORU_KERNEL(tile)(t, count);
        if (p->activation && !t->relu)
            tile_activate(t, count, p->activation, p->params);
    }
}

static void run_block(const conv_product *p, const conv_blocks *b, const int64_t *offsets, int64_t task,
                      moru_real *buffer)
{
    const conv_walk *w = &p->walk;
    int64_t image = task / b->blocks;
    block k = {.first = task % b->blocks * b->rows};
    k.rows = min(b->rows, w->grid_h - k.first);
    if (k.rows <= 0)
        return;
    k.source = MORU_KERNEL(conv_source)(w, b, p->x + image * w->h * w->w * w->channels, k.first, k.rows, buffer,
                                        &k.width);
    int64_t panels = tile_panels(p->columns);
    for (int64_t group = 0; group < p->groups; group++)
        for (int64_t panel = 0; panel < panels; panel++) {
            int64_t column = tile_panel_start(p->columns, panels, panel), at = group * p->columns + column;
            tile t = {
                .step = 1, .length = b->length, .b = p->b + group * p->b_group + column, .ldb = p->ldb,
                .bias = p->bias ? p->bias + at : NULL,
                .columns = tile_panel_start(p->columns, panels, panel + 1) - column,
                .relu = p->activation == ACTIVATION_RELU,
            };
            k.out = p->out + image * p->out_image + k.first * p->out_row + at;
            run_panel(p, b, &k, offsets, group, &t);
        }
}

size_t MORU_KERNEL(conv_product_workspace)(const conv_walk *w, int64_t groups, int64_t columns, int threads)
{
    if (w->images * w->grid_h * w->grid_w == 0)
        return 0;
    if (MORU_KERNEL(conv_planar_fits)(w, groups, columns))
        return MORU_KERNEL(conv_planar_workspace)(w, threads);
    conv_blocks b = MORU_KERNEL(conv_blocks)(w, false);
    return b.offsets_bytes + (size_t)max(threads, 1) * b.buffer_bytes;
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
    conv_blocks b = MORU_KERNEL(conv_blocks)(w, false);
    int64_t *offsets = workspace;
    fill_offsets(w, &b, offsets);
    char *buffers = (char *)workspace + b.offsets_bytes;
    int64_t tasks = w->images * b.blocks, patch = w->taps_y * w->taps_x * w->depth;
    int parts = (int)min(kernel_threads(pixels * p->groups * p->columns * (patch + 1), threads), tasks);
#pragma omp parallel for num_threads(parts) schedule(static) if (parts > 1)
    for (int k = 0; k < parts; k++)
        for (int64_t task = tasks * k / parts; task < tasks * (k + 1) / parts; task++)
            run_block(p, &b, offsets, task, (moru_real *)(buffers + k * b.buffer_bytes));
}
