/* Winograd's F(4x4, 3x3): 4x4 pixels of a 3x3 convolution from 6x6 of the source by 36 products instead of 144.
 *
 *     Y = A' [(G g G') o (B' d B)] A                    y = conv(d, g), per channel; the products sum over channels
 *     dg = G' [(B' d B) o (A dY A')] G                  the gradient of the weights, from the same transforms
 *
 * The transforms evaluate polynomials at 0, +-1/sqrt(2), +-sqrt(2) and infinity. Compared with the usual 0, +-1, +-2
 * that costs no more operations and halves the error, since no power of a point is far from 1. */
#ifndef MORU_WINOGRAD_H
#define MORU_WINOGRAD_H

#include "kernels/tile.h"

#define WINOGRAD_OUT 4     /* pixels of a tile, each way */
#define WINOGRAD_IN 6      /* pixels of the source under it */
#define WINOGRAD_POINTS 36 /* products of a tile, one per pair of points */
#define WINOGRAD_GROUP 64  /* columns whose products are held at once */

/* Tiles over out [images,out_h,out_w,columns]; pixel (i, j) of it reads source pixels (i + y0 + 0..2, j + x0 + 0..2),
 * those outside being 0. Tiles are numbered image by image, row by row. */
typedef struct winograd {
    int64_t images, h, w, channels, y0, x0; /* source, NHWC */
    int64_t out_h, out_w, columns;
    int64_t tiles_y, tiles_x, tiles;
} winograd;

winograd MORU_KERNEL(winograd_forward_tiles)(const moru_conv2d *g);
winograd MORU_KERNEL(winograd_grad_input_tiles)(const moru_conv2d *g);

/* Whether a direction with these tiles is to go this way: possible, and by its sizes alone the faster one. */
bool MORU_KERNEL(winograd_fits)(const moru_conv2d *g, const winograd *w);

/* out(image,i,j) = act(bias + convolution): with the weights [3][3][channels][columns] as they lie, or with the
 * rotated ones of [3][3][columns][channels] */
size_t MORU_KERNEL(winograd_workspace)(const winograd *w, bool rotated, int threads);
void MORU_KERNEL(winograd_product)(const winograd *w, const moru_real *x, const moru_real *weight, bool rotated,
                                   const moru_real *bias, int activation, const double *params, moru_real *out,
                                   void *workspace, int threads);
/* dw[3][3][channels][columns] */
size_t MORU_KERNEL(winograd_weight_workspace)(const winograd *w, int threads);
void MORU_KERNEL(winograd_weight)(const winograd *w, const moru_real *dy, const moru_real *x, moru_real *dw,
                                  void *workspace, int threads);

/* ---- transforms; point k of pixel or tile i of an array [points][tiles][ld] lies at k stride + i ld ---- */

/* B' d B of the source under `count` tiles from tile `first` on: channels in whole vectors, zeros filled in */
void MORU_KERNEL(winograd_source)(const winograd *w, const moru_real *x, int64_t first, int64_t count, moru_real *out,
                                  int64_t ld, int64_t stride);
/* A dY A' of such tiles of dy: columns in whole vectors, zeros filled in */
void MORU_KERNEL(winograd_spread)(const winograd *w, const moru_real *dy, int64_t first, int64_t count, moru_real *out,
                                  int64_t ld, int64_t stride);
/* A' m A of such tiles: columns [column, column + columns) of out = that + bias, or what is positive of it (relu) */
void MORU_KERNEL(winograd_gather)(const winograd *w, const moru_real *m, int64_t ld, int64_t stride, int64_t first,
                                  int64_t count, int64_t column, int64_t columns, const moru_real *bias, bool relu,
                                  moru_real *out);
/* G g G' of a row of `columns` weights; tap t is at weight + t apart, which may be negative. Whole vectors of out. */
void MORU_KERNEL(winograd_weights)(const moru_real *weight, int64_t apart, int64_t columns, moru_real *out,
                                   int64_t stride);
/* G' u G, the gradient of such a row */
void MORU_KERNEL(winograd_weights_grad)(const moru_real *u, int64_t stride, int64_t columns, moru_real *dw,
                                        int64_t apart);

/* m[count][width] = v[count][depth] u[length][width]; depth and width are whole vectors, length <= depth */
void MORU_KERNEL(winograd_multiply)(const moru_real *v, int64_t depth, const moru_real *u, int64_t width,
                                    int64_t length, int64_t count, moru_real *m);

/* Elements rounded up to an odd number of cache lines: arrays that far apart don't meet in the same sets of a cache. */
KERNEL_INLINE int64_t winograd_stride(int64_t elements)
{
    int64_t line = 64 / (int64_t)sizeof(moru_real);
    return (((elements + line - 1) / line) | 1) * line;
}

/* Where a tile lies */
typedef struct winograd_place {
    int64_t image, y, x; /* its first output pixel */
} winograd_place;

KERNEL_INLINE winograd_place winograd_place_of(const winograd *w, int64_t tile)
{
    int64_t row = tile / w->tiles_x;
    return (winograd_place){row / w->tiles_y, row % w->tiles_y * WINOGRAD_OUT, tile % w->tiles_x * WINOGRAD_OUT};
}

#endif
