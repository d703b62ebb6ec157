/* Convolution as a product that is never laid out: the patch under an output pixel is a few runs of contiguous
 * numbers, and the tile walks them where they lie. All three directions of a convolution are walks over a source
 * image. */
#ifndef MORU_CONV_H
#define MORU_CONV_H

#include "kernels/tile.h"

/* Point (i, j) of a grid reads the source pixels (i step_y + y0 + ty apart_y, j step_x + x0 + tx apart_x) for all taps
 * ty < taps_y, tx < taps_x; those outside are 0. */
typedef struct conv_walk {
    int64_t images, h, w, channels; /* source, NHWC */
    int64_t grid_h, grid_w, step_y, step_x;
    int64_t y0, x0, taps_y, taps_x, apart_y, apart_x;
    int64_t depth;                  /* channels of a group */
    bool volume;                    /* sources are volumes of d images, and `images` counts the grids, grid_d of each */
    int64_t d, grid_d, step_z, z0, taps_z, apart_z;
} conv_walk;

KERNEL_INLINE int64_t conv_taps_z(const conv_walk *w)
{
    return w->volume ? w->taps_z : 1;
}

/* Of taps at start, start + apart, ... those in [*first, *end) are inside [0, size). */
KERNEL_INLINE void conv_inside(int64_t start, int64_t apart, int64_t taps, int64_t size, int64_t *first, int64_t *end)
{
    *first = start < 0 ? min((-start + apart - 1) / apart, taps) : 0;
    *end = start + (taps - 1) * apart < size ? taps : start < size ? min((size - start + apart - 1) / apart, taps) : 0;
    *end = max(*first, *end);
}

/* The taps ty in [*first, *end); the others are outside the image for all of the grid rows `top` to `bottom` */
KERNEL_INLINE void conv_live_taps(const conv_walk *w, int64_t top, int64_t bottom, int64_t *first, int64_t *end)
{
    int64_t rest;
    conv_inside(bottom * w->step_y + w->y0, w->apart_y, w->taps_y, w->h, first, &rest);
    conv_inside(top * w->step_y + w->y0, w->apart_y, w->taps_y, w->h, &rest, end);
    *end = max(*first, *end);
}

/* A block of grid rows, whose source rows are copied with their border of zeros where the walk leaves the image. */
typedef struct conv_blocks {
    int64_t rows, blocks;          /* grid rows of a block, blocks of an image */
    bool copied;
    int64_t source_rows, width;    /* of a copy, in pixels */
    size_t buffer_bytes;
} conv_blocks;

/* copy: whether or not there is a border */
conv_blocks MORU_KERNEL(conv_blocks)(const conv_walk *w, bool copy);

/* The source under grid rows [first, first + rows) of an image: its pixel (0, 0) and its width. */
const moru_real *MORU_KERNEL(conv_source)(const conv_walk *w, const conv_blocks *b, const moru_real *image,
                                          int64_t first, int64_t rows, moru_real *buffer, int64_t *width);

/* out(image, i, j)[0..columns) = act(bias + sum over taps and depth of source times b), for all groups: group k reads
 * channels from k depth on, b + k b_group and bias + k columns, and writes at out + k columns. */
typedef struct conv_product {
    conv_walk walk;
    const moru_real *x;
    int64_t groups, columns;
    const moru_real *b;            /* [taps_y taps_x depth] rows, ldb apart */
    int64_t ldb, b_group;
    const moru_real *bias;
    int activation;
    const double *params;
    moru_real *out;
    int64_t out_image, out_row, out_pixel; /* elements from one to the next */
    int64_t out_volume;
} conv_product;

size_t MORU_KERNEL(conv_product_workspace)(const conv_walk *w, int64_t groups, int64_t columns, int threads);
void MORU_KERNEL(conv_product)(const conv_product *p, void *workspace, int threads);

/* The same for a few columns, another way: the source's channels apart, [c][rows][width], pixels as vectors. */
#ifdef MORU_DOUBLE
#define PLANAR_COLUMNS (MORU_VECTOR_BYTES / 16) /* at most */
#else
#define PLANAR_COLUMNS (MORU_VECTOR_BYTES / 8)
#endif
bool MORU_KERNEL(conv_planar_fits)(const conv_walk *w, int64_t groups, int64_t columns);
int64_t MORU_KERNEL(conv_plane_size)(const conv_blocks *b);
size_t MORU_KERNEL(conv_planes_bytes)(const conv_walk *w, const conv_blocks *b);
/* `rows` source rows from row y on */
void MORU_KERNEL(conv_copy_planes)(const conv_walk *w, const conv_blocks *b, const moru_real *image, int64_t y,
                                   int64_t rows, moru_real *planes);
/* n pixels of c <= PLANAR_COLUMNS channels as vectors: vector i of channel k goes to out + i apart + k plane, the last
 * one filled up with zeros */
void MORU_KERNEL(part_channels)(const moru_real *x, int64_t n, int64_t c, moru_real *out, int64_t plane, int64_t apart);
size_t MORU_KERNEL(conv_planar_workspace)(const conv_walk *w, int threads);
void MORU_KERNEL(conv_planar)(const conv_product *p, void *workspace, int threads);
size_t MORU_KERNEL(conv_planar_weight_workspace)(const conv_walk *w, int64_t columns, int threads);
/* dw[taps_y taps_x depth][columns] */
void MORU_KERNEL(conv_planar_weight)(const conv_walk *w, int64_t columns, const moru_real *dy, const moru_real *x,
                                     moru_real *dw, void *workspace, int threads);

/* The gradient of the input for a few channels: a product with all taps and channels as columns, whose results are
 * summed where they fall. */
bool MORU_KERNEL(conv_narrow_fits)(const moru_conv2d *g);
size_t MORU_KERNEL(conv_narrow_workspace)(const moru_conv2d *g, int threads);
void MORU_KERNEL(conv_narrow)(const moru_conv2d *g, const moru_real *dy, const moru_real *weight, const moru_real *bias,
                              int activation, const double *params, moru_real *dx, void *workspace, int threads);

/* Weights of one filter per channel: vectors along the channels instead of products. */
KERNEL_INLINE bool conv_is_depthwise(const moru_conv2d *g)
{
    return g->groups > 1 && g->groups == g->c && g->filters == g->c && !g->volume;
}

void MORU_KERNEL(depthwise)(const moru_conv2d *g, const moru_real *x, const moru_real *weight, const moru_real *bias,
                            int activation, const double *params, moru_real *y, int threads);
void MORU_KERNEL(depthwise_grad_input)(const moru_conv2d *g, const moru_real *dy, const moru_real *weight,
                                       moru_real *dx, int threads);
size_t MORU_KERNEL(depthwise_grad_weight_workspace)(const moru_conv2d *g);
void MORU_KERNEL(depthwise_grad_weight)(const moru_conv2d *g, const moru_real *dy, const moru_real *x,
                                        moru_real *dweight, void *workspace, int threads);

/* out = sum of `parts` arrays of n numbers that follow each other, in their order */
void MORU_KERNEL(sum_parts)(const moru_real *partial, int64_t parts, int64_t n, moru_real *out, int threads);

#endif
