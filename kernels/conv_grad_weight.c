/* dw[ky,kx,c,f] = sum over n, oy, ox of x[n, oy sh - top + ky dh, ox sw - left + kx dw, c] dy[n,oy,ox,f].
 *
 * A product with one row per weight of a filter, (ky, kx, c), whose long sum runs over the output pixels: a row
 * starts at its tap and channel and steps from pixel to pixel of the source; the right side is dy as it lies. The
 * images, or bands of rows of a large one, are dealt out in units that keep a panel of dy in the L2 cache; units
 * to parts with a partial sum each, as many as the size of dw makes cheap; and a part's tiles to several tasks
 * where parts are few.
 *
 * Padding: a tile of rows of one tap sums over the pixels for which the tap is inside the image. Where channels are
 * too few for that, rows of several taps share a tile and the source is copied with its border. Of volumes all go
 * tap by tap. */
#include "kernels/conv.h"
#include "kernels/winograd.h"

#define UNIT_PIXELS 512                 /* output pixels of a unit, about: the length of a sum in registers */
#define UNIT_BYTES (256 * 1024)         /* of the copied source of a unit, at most (but one band) */
#define PARTIAL_BYTES (4 * 1024 * 1024) /* of all partial sums together, about */
#define TASKS 32                        /* pieces of the whole */
#define MIN_DEPTH 8                     /* channels of a tap that get tiles of their own */

typedef struct plan {
    conv_walk walk;
    conv_blocks bands;
    int64_t images, units;     /* images of a unit (1 where they are cut into bands), units in all */
    int64_t parts, groups_of_tiles, taps;
    int64_t k, columns, size;  /* rows and columns of a group's dw, elements of dw */
    bool by_taps;              /* a tile's rows are channels of one tap */
    int64_t tiles;             /* over the rows of dw */
    size_t offsets_bytes, partial_bytes, buffer_bytes;
} plan;

static conv_walk weight_walk(const moru_conv2d *g)
{
    return (conv_walk){
        .images = g->volume ? g->n * g->od : g->n, .h = g->h, .w = g->w, .channels = g->c, .grid_h = g->oh,
        .grid_w = g->ow, .step_y = g->sh, .step_x = g->sw, .y0 = -g->top, .x0 = -g->left, .taps_y = g->kh,
        .taps_x = g->kw, .apart_y = g->dh, .apart_x = g->dw, .depth = g->c / g->groups,
        .volume = g->volume, .d = g->d, .grid_d = g->od, .step_z = g->sd, .z0 = -g->front, .taps_z = g->kd,
        .apart_z = g->dd,
    };
}

static plan make_plan(const moru_conv2d *g)
{
    plan p = {0};
    p.walk = weight_walk(g);
    p.bands = MORU_KERNEL(conv_blocks)(&p.walk, false);
    p.by_taps = g->volume || (p.bands.copied && p.walk.depth >= MIN_DEPTH);
    p.images = 1;
    if (p.bands.blocks == 1) {
        p.images = max(UNIT_PIXELS / (g->oh * g->ow), 1);
        if (p.bands.copied && !p.by_taps)
            p.images = min(p.images, max(UNIT_BYTES / (int64_t)p.bands.buffer_bytes, 1));
        p.images = min(p.images, p.walk.images);
    }
    p.units = (p.walk.images + p.images - 1) / p.images * p.bands.blocks;
    p.taps = conv_taps_z(&p.walk) * g->kh * g->kw;
    p.k = p.taps * p.walk.depth;
    p.columns = g->filters / g->groups;
    p.size = p.k * g->filters;
    int64_t dw_bytes = max(p.size * (int64_t)sizeof(moru_real), 1);
    p.parts = max(min(min(PARTIAL_BYTES / dw_bytes, TASKS), p.units), 1);
    int64_t most = tile_rows(p.columns);
    p.tiles = p.by_taps ? p.taps * ((p.walk.depth + most - 1) / most) : (p.k + most - 1) / most;
    p.groups_of_tiles = min((TASKS + p.parts - 1) / p.parts, p.tiles);
    p.offsets_bytes = round_up((size_t)(p.images * p.bands.rows) * sizeof(int64_t));
    p.partial_bytes = p.parts == 1 ? 0 : round_up((size_t)(p.parts * p.size) * sizeof(moru_real));
    p.buffer_bytes = p.by_taps ? 2 * p.offsets_bytes : (size_t)p.images * p.bands.buffer_bytes;
    return p;
}

/* Where the output rows of a unit begin in its source */
static void fill_offsets(const plan *p, int64_t *offsets)
{
    const conv_walk *w = &p->walk;
    int64_t width = p->bands.copied ? p->bands.width : w->w;
    int64_t image = p->bands.copied ? (int64_t)(p->bands.buffer_bytes / sizeof(moru_real)) : w->h * w->w * w->channels;
    for (int64_t i = 0; i < p->images; i++)
        for (int64_t r = 0; r < p->bands.rows; r++)
            offsets[i * p->bands.rows + r] = i * image + r * w->step_y * width * w->channels;
}

typedef struct unit {
    const moru_real *source, *dy;
    int64_t width, runs; /* source width in pixels; output rows */
} unit;

static unit find_unit(const plan *p, int64_t index, const moru_real *x, const moru_real *dy, int64_t filters,
                      moru_real *buffer)
{
    const conv_walk *w = &p->walk;
    int64_t image = index / p->bands.blocks * p->images, first = index % p->bands.blocks * p->bands.rows;
    int64_t images = min(p->images, w->images - image), rows = min(p->bands.rows, w->grid_h - first);
    int64_t image_size = w->h * w->w * w->channels;
    unit u = {.runs = max(images * rows, 0), .dy = dy + (image * w->grid_h + first) * w->grid_w * filters};
    if (rows <= 0)
        return u;
    u.source = MORU_KERNEL(conv_source)(w, &p->bands, x + image * image_size, first, rows, buffer, &u.width);
    for (int64_t i = 1; p->bands.copied && i < images; i++)
        MORU_KERNEL(conv_source)(w, &p->bands, x + (image + i) * image_size, first, rows,
                                 (moru_real *)((char *)buffer + i * p->bands.buffer_bytes), &u.width);
    return u;
}

/* Tiles [first, last) of all groups and panels: dw (+)= source dy of one unit */
static void run_unit(const moru_conv2d *g, const plan *p, const unit *u, const int64_t *offsets, int64_t first,
                     int64_t last, bool accumulate, moru_real *dw)
{
    const conv_walk *w = &p->walk;
    int64_t tiles = p->tiles, panels = tile_panels(p->columns);
    for (int64_t group = 0; group < g->groups; group++)
        for (int64_t panel = 0; panel < panels; panel++) {
            int64_t column = tile_panel_start(p->columns, panels, panel), at = group * p->columns + column;
            tile t = {
                .step = w->step_x * w->channels, .offsets = offsets, .runs = u->runs, .length = w->grid_w,
                .b = u->dy + at,
                .ldb = g->filters, .columns = tile_panel_start(p->columns, panels, panel + 1) - column,
                .accumulate = accumulate,
            };
            for (int64_t i = first; i < last; i++) {
                int64_t row = p->k * i / tiles, count = p->k * (i + 1) / tiles - row;
                for (int64_t r = 0; r < count; r++) {
                    int64_t tap = (row + r) / w->depth, channel = (row + r) % w->depth;
                    int64_t y = tap / w->taps_x * w->apart_y, x = tap % w->taps_x * w->apart_x;
                    t.a[r] = u->source + (y * u->width + x) * w->channels + group * w->depth + channel;
                    t.c[r] = dw + (row + r) * g->filters + at;
                }
                MORU_KERNEL(tile)(&t, count);
            }
        }
}

/* The image of x that tap tz of image `grid` of dy falls on; -1: none. */
static int64_t find_image(const conv_walk *w, int64_t grid, int64_t tz)
{
    if (!w->volume)
        return grid;
    int64_t z = grid % w->grid_d * w->step_z + w->z0 + tz * w->apart_z;
    return z >= 0 && z < w->d ? grid / w->grid_d * w->d + z : -1;
}

/* Sets t to walk the output pixels of unit `index` for which a tap is inside the image. */
static void walk_tap(const plan *p, int64_t index, int64_t tap, int64_t filters, int64_t *offsets, tile *t)
{
    const conv_walk *w = &p->walk;
    int64_t image = index / p->bands.blocks * p->images, first = index % p->bands.blocks * p->bands.rows;
    int64_t images = min(p->images, w->images - image), rows = max(min(p->bands.rows, w->grid_h - first), 0);
    int64_t y0 = w->y0 + tap / w->taps_x % w->taps_y * w->apart_y, x0 = w->x0 + tap % w->taps_x * w->apart_x;
    int64_t oy, oy_end, ox, ox_end, n = 0, *b_offsets = offsets + p->images * p->bands.rows;
    conv_inside(y0 + first * w->step_y, w->step_y, rows, w->h, &oy, &oy_end);
    conv_inside(x0, w->step_x, w->grid_w, w->w, &ox, &ox_end);
    for (int64_t i = image; i < image + images && ox < ox_end; i++) {
        int64_t from = find_image(w, i, tap / (w->taps_y * w->taps_x));
        for (int64_t y = first + oy; y < first + oy_end && from >= 0; y++, n++) {
            offsets[n] = ((from * w->h + y * w->step_y + y0) * w->w + ox * w->step_x + x0) * w->channels;
            b_offsets[n] = ((i * w->grid_h + y) * w->grid_w + ox) * filters;
        }
    }
    t->offsets = offsets;
    t->b_offsets = b_offsets;
    t->runs = n;
    t->length = ox_end - ox;
}

/* As run_unit(), of unit `index`, tap by tap */
static void run_taps(const moru_conv2d *g, const plan *p, int64_t index, const moru_real *dy, const moru_real *x,
                     int64_t *offsets, int64_t first, int64_t last, bool accumulate, moru_real *dw)
{
    const conv_walk *w = &p->walk;
    int64_t panels = tile_panels(p->columns), each = p->tiles / p->taps;
    for (int64_t group = 0; group < g->groups; group++)
        for (int64_t panel = 0; panel < panels; panel++) {
            int64_t column = tile_panel_start(p->columns, panels, panel), at = group * p->columns + column;
            tile t = {
                .step = w->step_x * w->channels, .b = dy + at, .ldb = g->filters,
                .columns = tile_panel_start(p->columns, panels, panel + 1) - column, .accumulate = accumulate,
            };
            for (int64_t i = first; i < last; i++) {
                int64_t tap = i / each, channel = w->depth * (i % each) / each;
                int64_t count = w->depth * (i % each + 1) / each - channel;
                if (i == first || i % each == 0)
                    walk_tap(p, index, tap, g->filters, offsets, &t);
                for (int64_t r = 0; r < count; r++) {
                    t.a[r] = x + group * w->depth + channel + r;
                    t.c[r] = dw + (tap * w->depth + channel + r) * g->filters + at;
                }
                MORU_KERNEL(tile)(&t, count);
            }
        }
}

static void run_task(const moru_conv2d *g, const plan *p, int64_t task, const moru_real *dy, const moru_real *x,
                     const int64_t *offsets, moru_real *buffer, moru_real *partial)
{
    int64_t part = task / p->groups_of_tiles, piece = task % p->groups_of_tiles;
    int64_t first_tile = p->tiles * piece / p->groups_of_tiles, end_tile = p->tiles * (piece + 1) / p->groups_of_tiles;
    int64_t first = p->units * part / p->parts, end = p->units * (part + 1) / p->parts;
    for (int64_t i = first; i < end; i++) {
        if (p->by_taps) {
            run_taps(g, p, i, dy, x, (int64_t *)(void *)buffer, first_tile, end_tile, i > first,
                     partial + part * p->size);
            continue;
        }
        unit u = find_unit(p, i, x, dy, g->filters, buffer);
        run_unit(g, p, &u, offsets, first_tile, end_tile, i > first, partial + part * p->size);
    }
}

void MORU_KERNEL(sum_parts)(const moru_real *partial, int64_t parts, int64_t n, moru_real *out, int threads)
{
    int64_t blocks = (n + LANES - 1) / LANES;
    threads = kernel_threads(n * parts, threads);
    PARALLEL(threads, for (int64_t i = 0; i < blocks; i++) {
        int64_t at = i * LANES, count = min(LANES, n - at);
        vec sum = vec_load_part(partial + at, count);
        for (int64_t p = 1; p < parts; p++)
            sum += count == LANES ? vec_load(partial + p * n + at) : vec_load_part(partial + p * n + at, count);
        vec_store_part(out + at, sum, count);
    });
}

static bool is_empty(const moru_conv2d *g)
{
    return g->n * g->oh * g->ow * g->c * g->filters * (g->volume ? g->od : 1) == 0;
}

size_t MORU_KERNEL(conv2d_grad_weight_workspace)(const moru_conv2d *g, int threads)
{
    if (is_empty(g))
        return 0;
    if (conv_is_depthwise(g))
        return MORU_KERNEL(depthwise_grad_weight_workspace)(g);
    winograd tiles = MORU_KERNEL(winograd_forward_tiles)(g);
    if (MORU_KERNEL(winograd_fits)(g, &tiles))
        return MORU_KERNEL(winograd_weight_workspace)(&tiles, threads);
    conv_walk w = weight_walk(g);
    if (MORU_KERNEL(conv_planar_fits)(&w, g->groups, g->filters))
        return MORU_KERNEL(conv_planar_weight_workspace)(&w, g->filters, threads);
    plan p = make_plan(g);
    return p.offsets_bytes + p.partial_bytes + (size_t)max(threads, 1) * p.buffer_bytes;
}

void MORU_KERNEL(conv2d_grad_weight)(const moru_conv2d *g, const moru_real *dy, const moru_real *x, moru_real *dweight,
                                     void *workspace, int threads)
{
    if (is_empty(g)) {
        int64_t taps = g->kh * g->kw * (g->volume ? g->kd : 1);
        memset(dweight, 0, (size_t)(taps * (g->c / g->groups) * g->filters) * sizeof(moru_real));
        return;
    }
    if (conv_is_depthwise(g)) {
        MORU_KERNEL(depthwise_grad_weight)(g, dy, x, dweight, workspace, threads);
        return;
    }
    winograd tiles = MORU_KERNEL(winograd_forward_tiles)(g);
    if (MORU_KERNEL(winograd_fits)(g, &tiles)) {
        MORU_KERNEL(winograd_weight)(&tiles, dy, x, dweight, workspace, threads);
        return;
    }
    conv_walk w = weight_walk(g);
    if (MORU_KERNEL(conv_planar_fits)(&w, g->groups, g->filters)) {
        MORU_KERNEL(conv_planar_weight)(&w, g->filters, dy, x, dweight, workspace, threads);
        return;
    }
    plan p = make_plan(g);
    int64_t *offsets = workspace;
    fill_offsets(&p, offsets);
    moru_real *partial = p.parts == 1 ? dweight : (moru_real *)((char *)workspace + p.offsets_bytes);
    char *buffers = (char *)workspace + p.offsets_bytes + p.partial_bytes;
    int64_t tasks = p.parts * p.groups_of_tiles;
    threads = product_threads(w.images * g->oh * g->ow * p.size, threads);
    int workers = (int)min(threads, tasks);
    PARALLEL(workers, for (int k = 0; k < workers; k++)
        for (int64_t task = tasks * k / workers; task < tasks * (k + 1) / workers; task++)
            run_task(g, &p, task, dy, x, offsets, (moru_real *)(buffers + k * p.buffer_bytes), partial));
    if (p.parts > 1)
        MORU_KERNEL(sum_parts)(partial, p.parts, p.size, dweight, threads);
}
