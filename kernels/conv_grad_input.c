/* dx[n,iy,ix,c] = sum over the taps with iy + top = oy sh + ky dh (x alike) of dy[n,oy,ox,f] w[ky,kx,c,f].
 *
 * Rows iy that agree in (iy + top) mod sh use the same taps, a regular few of the kernel, and consecutive ones of
 * them use consecutive oy: each of the sh sw phases is a convolution of dy by those taps, reversed, without
 * stride. Weights are transposed into scratch memory, [taps][filters][c] for each phase and group. */
#include "kernels/conv.h"
#include "kernels/winograd.h"

/* One axis of a phase: pixels `first`, `first` + stride, ...; taps tap, tap + tap_step, ... < size; the last tap
 * of pixel `first` reads y0, the one before it y0 + apart. */
typedef struct axis {
    int64_t first, count, tap, tap_step, taps, y0, apart;
} axis;

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static axis phase_axis(int64_t phase, int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t before)
{
    axis a = {0};
    a.first = ((phase - before) % stride + stride) % stride;
    a.count = a.first < size ? (size - a.first + stride - 1) / stride : 0;
    int64_t divisor = common_divisor(stride, dilation);
    a.tap_step = stride / divisor;
    a.apart = dilation / divisor;
    while (a.tap < min(kernel, a.tap_step) && (phase - a.tap * dilation) % stride != 0)
        a.tap++;
    if (a.tap >= min(kernel, a.tap_step))
        return a;
    a.taps = (kernel - a.tap + a.tap_step - 1) / a.tap_step;
    int64_t last = a.tap + (a.taps - 1) * a.tap_step;
    a.y0 = (a.first + before - last * dilation) / stride; /* divides exactly */
    return a;
}

/* The axes of a phase */
typedef struct phase { axis z, y, x; } phase;

static int64_t phase_count(const moru_conv2d *g)
{
    return g->sh * g->sw * (g->volume ? g->sd : 1);
}

static phase find_phase(const moru_conv2d *g, int64_t i)
{
    phase p = {.z = {.count = 1, .tap_step = 1, .taps = 1}};
    if (g->volume)
        p.z = phase_axis(i / (g->sh * g->sw), g->d, g->kd, g->sd, g->dd, g->front);
    p.y = phase_axis(i / g->sw % g->sh, g->h, g->kh, g->sh, g->dh, g->top);
    p.x = phase_axis(i % g->sw, g->w, g->kw, g->sw, g->dw, g->left);
    return p;
}

static conv_walk phase_walk(const moru_conv2d *g, const phase *p)
{
    const axis *z = &p->z, *y = &p->y, *x = &p->x;
    return (conv_walk){
        .images = g->n * z->count, .h = g->oh, .w = g->ow, .channels = g->filters, .grid_h = y->count,
        .grid_w = x->count, .step_y = 1, .step_x = 1, .y0 = y->y0, .x0 = x->y0, .taps_y = y->taps, .taps_x = x->taps,
        .apart_y = y->apart, .apart_x = x->apart, .depth = g->filters / g->groups, .volume = g->volume, .d = g->od, .grid_d = z->count,
        .step_z = 1, .z0 = z->y0, .taps_z = z->taps, .apart_z = z->apart,
    };
}

/* Transposed weights of a group: rows of c / groups numbers, rounded up to whole vectors */
static int64_t transposed_ld(const moru_conv2d *g)
{
    return tile_vectors(g->c / g->groups) * LANES;
}

static size_t transposed_bytes(const moru_conv2d *g)
{
    int64_t taps = g->kh * g->kw * (g->volume ? g->kd : 1);
    return round_up((size_t)(taps * g->filters * transposed_ld(g)) * sizeof(moru_real));
}

/* out[group][taps reversed][f][c] of one phase */
static void transpose_taps(const moru_conv2d *g, const phase *p, const moru_real *weight, moru_real *out)
{
    const axis *z = &p->z, *y = &p->y, *x = &p->x;
    int64_t depth = g->c / g->groups, f = g->filters / g->groups, ld = transposed_ld(g);
    for (int64_t group = 0; group < g->groups; group++)
        for (int64_t k = z->taps - 1; k >= 0; k--)
            for (int64_t i = y->taps - 1; i >= 0; i--)
                for (int64_t j = x->taps - 1; j >= 0; j--, out += f * ld) {
                    int64_t row = (z->tap + k * z->tap_step) * g->kh + y->tap + i * y->tap_step;
                    int64_t tap = row * g->kw + x->tap + j * x->tap_step;
                    MORU_KERNEL(transpose)(weight + tap * depth * g->filters + group * f, g->filters, depth, f, out,
                                           ld);
                }
}

/* What comes after the sum */
typedef struct tail {
    const moru_real *bias;
    int activation;
    const double *params;
} tail;

static void run_phase(const moru_conv2d *g, const phase *at, const moru_real *dy, const moru_real *weight,
                      const tail *t, moru_real *dx, void *workspace, int threads)
{
    moru_real *transposed = workspace;
    const axis *z = &at->z, *y = &at->y, *x = &at->x;
    int64_t image = g->h * g->w * g->c;
    transpose_taps(g, at, weight, transposed);
    conv_product p = {
        .walk = phase_walk(g, at), .x = dy, .groups = g->groups, .columns = g->c / g->groups, .b = transposed,
        .ldb = transposed_ld(g), .b_group = z->taps * y->taps * x->taps * (g->filters / g->groups) * transposed_ld(g),
        .bias = t->bias, .activation = t->activation, .params = t->params,
        .out = dx + z->first * image + (y->first * g->w + x->first) * g->c,
        .out_image = g->volume ? g->sd * image : image, .out_volume = g->d * image,
        .out_row = g->sh * g->w * g->c, .out_pixel = g->sw * g->c,
    };
    MORU_KERNEL(conv_product)(&p, (char *)workspace + transposed_bytes(g), threads);
}

static void run_phases(const moru_conv2d *g, const moru_real *dy, const moru_real *weight, const tail *t,
                       moru_real *dx, void *workspace, int threads)
{
    for (int64_t i = 0; i < phase_count(g); i++) {
        phase p = find_phase(g, i);
        run_phase(g, &p, dy, weight, t, dx, workspace, threads);
    }
}

size_t MORU_KERNEL(conv2d_grad_input_workspace)(const moru_conv2d *g, int threads)
{
    winograd tiles = MORU_KERNEL(winograd_grad_input_tiles)(g);
    if (conv_is_depthwise(g))
        return 0;
    if (MORU_KERNEL(winograd_fits)(g, &tiles))
        return MORU_KERNEL(winograd_workspace)(&tiles, true, threads);
    if (MORU_KERNEL(conv_narrow_fits)(g))
        return MORU_KERNEL(conv_narrow_workspace)(g, threads);
    size_t most = 0;
    for (int64_t i = 0; i < phase_count(g); i++) {
        phase p = find_phase(g, i);
        conv_walk w = phase_walk(g, &p);
        size_t bytes = MORU_KERNEL(conv_product_workspace)(&w, g->groups, g->c / g->groups, threads);
        most = bytes > most ? bytes : most;
    }
    return transposed_bytes(g) + most;
}

void MORU_KERNEL(conv2d_grad_input)(const moru_conv2d *g, const moru_real *dy, const moru_real *weight, moru_real *dx,
                                    void *workspace, int threads)
{
    if (conv_is_depthwise(g))
        MORU_KERNEL(depthwise_grad_input)(g, dy, weight, dx, threads);
    else
        MORU_KERNEL(conv2d_transpose)(g, dy, weight, NULL, 0, NULL, dx, workspace, threads);
}

/* The tail as passes of its own */
static void finish_pixels(const tail *t, int64_t pixels, int64_t c, moru_real *y)
{
    moru_binary_fn *add = MORU_KERNEL(table).binary[MORU_BINARY_add];
    for (int64_t i = 0; t->bias && i < pixels; i++)
        add(y + i * c, y + i * c, 1, t->bias, 1, c, NULL);
    if (t->activation)
        MORU_KERNEL(table).unary[t->activation - 1](y, y, pixels * c, t->params);
}

void MORU_KERNEL(conv2d_transpose)(const moru_conv2d *g, const moru_real *x, const moru_real *weight,
                                   const moru_real *bias, int activation, const double *params, moru_real *y,
                                   void *workspace, int threads)
{
    tail t = {bias, activation, params};
    winograd tiles = MORU_KERNEL(winograd_grad_input_tiles)(g);
    if (conv_is_depthwise(g)) {
        MORU_KERNEL(depthwise_grad_input)(g, x, weight, y, threads);
        finish_pixels(&t, g->n * g->h * g->w, g->c, y);
    } else if (MORU_KERNEL(winograd_fits)(g, &tiles)) {
        MORU_KERNEL(winograd_product)(&tiles, x, weight, true, bias, activation, params, y, workspace, threads);
    } else if (MORU_KERNEL(conv_narrow_fits)(g)) {
        MORU_KERNEL(conv_narrow)(g, x, weight, bias, activation, params, y, workspace, threads);
    } else {
        run_phases(g, x, weight, &t, y, workspace, threads);
    }
}
