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
    bool plain = g->kh == 3 && g->kw == 3 && g->sh == 1 && g->sw == 1 && g->dh == 1 && g->dw == 1 && g->groups == 1;
    bool empty = g->n * g->h * g->w * g->c == 0 || g->oh * g->ow * g->filters == 0;
    return plain && !empty && g->method != MORU_CONV_DIRECT;
}

bool MORU_KERNEL(winograd_fits)(const moru_conv2d *g, const winograd *w)
{
    if (!is_possible(g) || g->method == MORU_CONV_WINOGRAD)
        return is_possible(g);
    return w->channels >= 16 && w->columns >= 16;
}

bool MORU_KERNEL(winograd_fits_weight)(const moru_conv2d *g, const winograd *w)
{
    return MORU_KERNEL(winograd_fits)(g, w);
}
