#include "formats/canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <stb/stb_easy_font.h>

enum { MAX_SIDE = 1 << 15, MAX_TEXT = 256, QUAD_BYTES = 64, QUADS = 70 * MAX_TEXT };

static void mix(moru_canvas *canvas, int x, int y, moru_color color, double share)
{
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height)
        return;
    uint8_t *pixel = canvas->pixels + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
    for (int c = 0; c < 3; c++) {
        double wanted = (color >> (16 - 8 * c)) & 0xff;
        pixel[c] = (uint8_t)(pixel[c] + (wanted - pixel[c]) * share + 0.5);
    }
}

moru_status moru_canvas_new(moru_canvas *canvas, int64_t width, int64_t height, moru_color background)
{
    *canvas = (moru_canvas){0};
    if (width <= 0 || height <= 0 || width > MAX_SIDE || height > MAX_SIDE)
        return moru_fail(MORU_ERR_ARGUMENT, "a picture of %lld x %lld pixels is too large", (long long)width,
                         (long long)height);
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);
    if (!pixels)
        return moru_fail(MORU_ERR_MEMORY, "no memory for a picture of %lld x %lld pixels", (long long)width,
                         (long long)height);
    *canvas = (moru_canvas){.width = (int)width, .height = (int)height, .pixels = pixels};
    moru_canvas_rectangle(canvas, 0, 0, (int)width, (int)height, background);
    return MORU_OK;
}

void moru_canvas_free(moru_canvas *canvas)
{
    free(canvas->pixels);
    *canvas = (moru_canvas){0};
}

void moru_canvas_rectangle(moru_canvas *canvas, int x, int y, int width, int height, moru_color color)
{
    for (int j = y < 0 ? 0 : y; j < y + height && j < canvas->height; j++)
        for (int i = x < 0 ? 0 : x; i < x + width && i < canvas->width; i++) {
            uint8_t *pixel = canvas->pixels + ((size_t)j * (size_t)canvas->width + (size_t)i) * 3;
            for (int c = 0; c < 3; c++)
                pixel[c] = (uint8_t)(color >> (16 - 8 * c));
        }
}

/* Each pixel gets colour by its centre's distance from the segment. */
void moru_canvas_line(moru_canvas *canvas, double x0, double y0, double x1, double y1, double thickness,
                      moru_color color)
{
    double reach = thickness / 2 + 1, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    if (!(isfinite(x0) && isfinite(y0) && isfinite(x1) && isfinite(y1)))
        return;
    int left = (int)fmax(0, floor(fmin(x0, x1) - reach)), top = (int)fmax(0, floor(fmin(y0, y1) - reach));
    int right = (int)fmin(canvas->width - 1, ceil(fmax(x0, x1) + reach));
    int bottom = (int)fmin(canvas->height - 1, ceil(fmax(y0, y1) + reach));
    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++) {
            double px = x + 0.5 - x0, py = y + 0.5 - y0;
            double t = length2 > 0 ? fmin(1, fmax(0, (px * dx + py * dy) / length2)) : 0;
            double cover = thickness / 2 + 0.5 - hypot(px - t * dx, py - t * dy);
            if (cover > 0)
                mix(canvas, x, y, color, fmin(1, cover));
        }
}

/* stb_easy_font takes a char * and knows ASCII only. */
static void printable(char *out, const char *text)
{
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c && n < MAX_TEXT - 1; c++)
        if ((*c & 0xc0) != 0x80)
            out[n++] = (char)(*c >= 32 && *c < 127 ? *c : '?');
    out[n] = 0;
}

int moru_canvas_text_width(const char *text, int scale)
{
    char ascii[MAX_TEXT];
    printable(ascii, text);
    return stb_easy_font_width(ascii) * scale;
}

typedef struct corner { float x, y, z; uint8_t color[4]; } corner;

void moru_canvas_text(moru_canvas *canvas, int x, int y, const char *text, int scale, double align, moru_color color)
{
    char ascii[MAX_TEXT];
    printable(ascii, text);
    corner *corners = malloc((size_t)QUADS * QUAD_BYTES);
    if (!corners)
        return; /* a picture without a label rather than no picture */
    int n = stb_easy_font_print(0, 0, ascii, NULL, corners, QUADS * QUAD_BYTES);
    x -= (int)lround(stb_easy_font_width(ascii) * scale * align);
    for (int k = 0; k < n; k++) {
        const corner *a = corners + 4 * k, *b = a + 2;
        int left = (int)lroundf(a->x) * scale, top = (int)lroundf(a->y) * scale;
        int right = (int)lroundf(b->x) * scale, bottom = (int)lroundf(b->y) * scale;
        moru_canvas_rectangle(canvas, x + left, y + top, right - left, bottom - top, color);
    }
    free(corners);
}

moru_status moru_canvas_save(const moru_canvas *canvas, const char *path)
{
    return moru_png_write(path, canvas->width, canvas->height, 3, canvas->pixels);
}
