/* Which convolutions go by Winograd. */
#include "kernels/winograd.h"

static winograd with_tiles(winograd w)
{
    w.tiles_y = (w.out_h + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
    w.tiles_x = (w.out_w + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
    w.tiles = w.images * w.tiles_y * w.tiles_x;
    return w;
}

winograd MORU_KERNEL(winograd_forward_tiles)(const moru_conv2d *g)
{
    return with_tiles((winograd){
        .images = g->n, .h = g->h, .w = g->w, .channels = g->c, .y0 = -g->top, .x0 = -g->left, .out_h = g->oh,
        .out_w = g->ow, .columns = g->filters,
    });
}

winograd MORU_KERNEL(winograd_grad_input_tiles)(const moru_conv2d *g)
{
    return with_tiles((winograd){
        .images = g->n, .h = g->oh, .w = g->ow, .channels = g->filters, .y0 = g->top - 2, .x0 = g->left - 2,
        .out_h = g->h, .out_w = g->w, .columns = g->c,
    });
}

static bool is_possible(const moru_conv2d *g)
{
    bool plain = g->kh == 3 && g->kw == 3 && g->sh == 1 && g->sw == 1 && g->dh == 1 && g->dw == 1 && g->groups == 1 && !g->volume;
    bool empty = g->n * g->h * g->w * g->c == 0 || g->oh * g->ow * g->filters == 0;
    return plain && !empty && g->method != MORU_CONV_DIRECT;
}

/* Rows of taps that the direct way doesn't skip, over all rows of an image */
static int64_t live_rows(const winograd *w)
{
    int64_t live = 0;
    for (int64_t tap = 0; tap < 3; tap++) /* rows i with 0 <= i + y0 + tap < h */
        live += max(min(w->out_h, w->h - w->y0 - tap) - max(0, -w->y0 - tap), 0);
    return live;
}

/* Costs in products of a channel and a column, the unit in which a register tile runs at the processor's peak:
 *   direct    a product for each tap
 *   Winograd  36 products a tile; its transforms and the memory between, by POINT_COST for each of 36 points of each
 *             channel and column; and the transformed weights, once, by WEIGHT_COST for each
 * The constants fit measured times of 1 to 128 images of 2x2 to 56x56 pixels, 4 to 512 channels, all three directions,
 * with vectors of 16, 8 and 4 numbers: within 25 %, and where they are wrong it is to Winograd's disadvantage. Maps of
 * one or two pixels, fewer than 8 channels, and few tiles of many channels stay direct. F(2x2, 3x3) would need fewer
 * products than F(4x4, 3x3) for those maps only, where it doesn't beat the direct way either. */
#define POINT_COST 10
#define WEIGHT_COST 6
#define WEIGHT_COST_MEMORY 25           /* beyond the caches */
#define WEIGHT_CACHE (4 * 1024 * 1024)

static bool is_faster(const winograd *w)
{
    double c = (double)w->channels, depth = (double)(tile_vectors(w->channels) * LANES);
    double width = (double)(tile_vectors(w->columns) * LANES), weights = WINOGRAD_POINTS * c * width;
    double direct = (double)w->images * (double)live_rows(w) * 3 * (double)w->out_w * c * width;
    double each = weights * sizeof(moru_real) > WEIGHT_CACHE ? WEIGHT_COST_MEMORY : WEIGHT_COST;
    double tile = WINOGRAD_POINTS * (c * width + POINT_COST * (depth + width));
    return direct > 1.05 * ((double)w->tiles * tile + each * weights);
}

bool MORU_KERNEL(winograd_fits)(const moru_conv2d *g, const winograd *w)
{
    return is_possible(g) && (g->method == MORU_CONV_WINOGRAD || is_faster(w));
}
