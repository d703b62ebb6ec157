/* A picture to draw on: rectangles, smooth lines, text. Whatever lies outside is cut off. */
#ifndef MORU_FORMATS_CANVAS_H
#define MORU_FORMATS_CANVAS_H

#include <stdint.h>
#include "core/status.h"

typedef struct moru_canvas {
    int width, height;
    uint8_t *pixels; /* rows of red, green, blue */
} moru_canvas;

typedef uint32_t moru_color; /* 0xRRGGBB */

moru_status moru_canvas_new(moru_canvas *canvas, int64_t width, int64_t height, moru_color background);
void moru_canvas_free(moru_canvas *canvas);
void moru_canvas_rectangle(moru_canvas *canvas, int x, int y, int width, int height, moru_color color);
/* A line of the given thickness with round ends, its edges smoothed; with both ends equal a disc. */
void moru_canvas_line(moru_canvas *canvas, double x0, double y0, double x1, double y1, double thickness,
                      moru_color color);
/* ASCII text; a line is 12*scale high. align 0: starts at x, 0.5: is centred on it, 1: ends at it. */
void moru_canvas_text(moru_canvas *canvas, int x, int y, const char *text, int scale, double align, moru_color color);
int moru_canvas_text_width(const char *text, int scale);
/* As a PNG file. */
moru_status moru_canvas_save(const moru_canvas *canvas, const char *path);

/* Rows of pixels of 1 (grey) or 3 (red, green, blue) bytes as a PNG file. */
moru_status moru_png_write(const char *path, int width, int height, int channels, const uint8_t *pixels);

#endif
