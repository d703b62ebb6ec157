/* y[n,oy,ox,f] = act(bias[f] + sum over ky, kx, c of x[n, oy sh - top + ky dh, ox sw - left + kx dw, c]
 * w[ky,kx,c,f]). The weights are the product's right side as they lie: HWIO is [kh kw c][filters]. */
#include "kernels/conv.h"
#include "kernels/winograd.h"

static conv_walk forward_walk(const moru_conv2d *g)
{
    return (conv_walk){
        .images = g->volume ? g->n * g->od : g->n, .h = g->h, .w = g->w, .channels = g->c, .grid_h = g->oh,
        .grid_w = g->ow, .step_y = g->sh, .step_x = g->sw, .y0 = -g->top, .x0 = -g->left, .taps_y = g->kh,
        .taps_x = g->kw, .apart_y = g->dh, .apart_x = g->dw, .depth = g->c / g->groups,
        .volume = g->volume, .d = g->d, .grid_d = g->od, .step_z = g->sd, .z0 = -g->front, .taps_z = g->kd,
        .apart_z = g->dd,
    };
}

size_t MORU_KERNEL(conv2d_workspace)(const moru_conv2d *g, int threads)
{
    conv_walk w = forward_walk(g);
    winograd tiles = MORU_KERNEL(winograd_forward_tiles)(g);
    if (conv_is_depthwise(g))
        return 0;
    if (MORU_KERNEL(winograd_fits)(g, &tiles))
        return MORU_KERNEL(winograd_workspace)(&tiles, false, threads);
    return MORU_KERNEL(conv_product_workspace)(&w, g->groups, g->filters / g->groups, threads);
}

void MORU_KERNEL(conv2d)(const moru_conv2d *g, const moru_real *x, const moru_real *weight, const moru_real *bias,
                         int activation, const double *params, moru_real *y, void *workspace, int threads)
{
    if (conv_is_depthwise(g)) {
        MORU_KERNEL(depthwise)(g, x, weight, bias, activation, params, y, threads);
        return;
    }
    winograd tiles = MORU_KERNEL(winograd_forward_tiles)(g);
    if (MORU_KERNEL(winograd_fits)(g, &tiles)) {
        MORU_KERNEL(winograd_product)(&tiles, x, weight, false, bias, activation, params, y, workspace, threads);
        return;
    }
    conv_product p = {
        .walk = forward_walk(g), .x = x, .groups = g->groups, .columns = g->filters / g->groups, .b = weight,
        .ldb = g->filters, .b_group = g->filters / g->groups, .bias = bias, .activation = activation, .params = params,
        .out = y, .out_image = g->oh * g->ow * g->filters, .out_row = g->ow * g->filters, .out_pixel = g->filters,
        .out_volume = g->od * g->oh * g->ow * g->filters,
    };
    MORU_KERNEL(conv_product)(&p, workspace, threads);
}
