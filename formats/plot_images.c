/* A grid of enlarged images with captions. */
#include <moru/formats.h>

#include <math.h>
#include <string.h>
#include "formats/canvas.h"

enum { WANTED = 168, GAP = 16, CAPTION_LINE = 13, TITLE_HEIGHT = 48, MARGIN = 18 }; /* a caption's line at scale 1 */
enum { WHITE = 0xffffff, INK = 0x333333, WRONG = 0xcc1f1a, FRAME = 0xcccccc };

typedef struct grid {
    const moru_real *pixels;
    int64_t n, height, width, channels, columns, rows, scale;
    int cell_width, cell_height, caption_lines, caption_scale, top;
} grid;

static uint8_t level(moru_real value)
{
    return (uint8_t)(value > 0 ? value < 1 ? lround((double)value * 255) : 255 : 0); /* NaN is black */
}

static void draw_image(moru_canvas *canvas, const grid *g, int64_t k, int x0, int y0, moru_color frame)
{
    const moru_real *image = g->pixels + k * g->height * g->width * g->channels;
    int scale = (int)g->scale;
    moru_canvas_rectangle(canvas, x0 - 2, y0 - 2, (int)g->width * scale + 4, (int)g->height * scale + 4, frame);
    for (int64_t y = 0; y < g->height; y++)
        for (int64_t x = 0; x < g->width; x++) {
            const moru_real *pixel = image + (y * g->width + x) * g->channels;
            moru_color color = 0;
            for (int c = 0; c < 3; c++)
                color = color << 8 | level(pixel[g->channels == 3 ? c : 0]);
            moru_canvas_rectangle(canvas, x0 + (int)x * scale, y0 + (int)y * scale, scale, scale, color);
        }
}

static int line_count(const char *text)
{
    int n = 1;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Copies a line of text, as much as fits, and returns where the next one begins; NULL after the last. */
static const char *next_line(const char *text, char *line, size_t size)
{
    size_t length = strcspn(text, "\n"), n = length < size - 1 ? length : size - 1;
    memcpy(line, text, n);
    line[n] = 0;
    return text[length] ? text + length + 1 : NULL;
}

static bool fits(const char *text, int scale, int width)
{
    for (char line[64]; text;) {
        text = next_line(text, line, sizeof line);
        if (moru_canvas_text_width(line, scale) > width)
            return false;
    }
    return true;
}

/* Each line centred; one that is too wide is cut and ends in "..". */
static void draw_caption(moru_canvas *canvas, const grid *g, const char *text, int centre, int y, moru_color color)
{
    for (char line[64]; text; y += CAPTION_LINE * g->caption_scale) {
        text = next_line(text, line, sizeof line);
        for (size_t n = strlen(line); n > 2 && moru_canvas_text_width(line, g->caption_scale) > g->cell_width - 4;) {
            line[--n] = 0;
            line[n - 1] = line[n - 2] = '.';
        }
        moru_canvas_text(canvas, centre, y, line, g->caption_scale, 0.5, color);
    }
}

static void measure_captions(grid *g, const char *const *captions)
{
    g->cell_width = (int)(g->width * g->scale) + GAP;
    if (captions && g->cell_width < WANTED)
        g->cell_width = WANTED;
    g->caption_scale = 2;
    for (int64_t k = 0; captions && k < g->n; k++) {
        if (!captions[k])
            continue;
        if (line_count(captions[k]) > g->caption_lines)
            g->caption_lines = line_count(captions[k]);
        if (!fits(captions[k], 2, g->cell_width - 4))
            g->caption_scale = 1;
    }
}

static moru_status measure(grid *g, const moru_tensor *images, const char *const *captions, int columns,
                           const char *title, const char *path)
{
    const moru_shape *shape = moru_tensor_shape(images);
    char text[MORU_SHAPE_TEXT];
    if (moru_tensor_dtype(images) != MORU_REAL || shape->rank != 4 || (shape->dims[3] != 1 && shape->dims[3] != 3) ||
        moru_tensor_size(images) == 0)
        return moru_fail(MORU_ERR_SHAPE, "%s: images of shape %s: expected floating [n,height,width,1 or 3]", path,
                         moru_shape_print(shape, text, sizeof text));
    *g = (grid){.pixels = moru_tensor_const_data(images), .n = shape->dims[0], .height = shape->dims[1],
                .width = shape->dims[2], .channels = shape->dims[3]};
    if (g->n > 10000 || g->height > 4096 || g->width > 4096)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: images of shape %s are too large for one picture", path,
                         moru_shape_print(shape, text, sizeof text));
    int64_t side = g->width > g->height ? g->width : g->height;
    g->scale = side >= WANTED ? 1 : (WANTED + side - 1) / side;
    g->columns = columns > 0 ? columns : (int64_t)ceil(sqrt((double)g->n));
    if (g->columns > g->n)
        g->columns = g->n;
    g->rows = (g->n + g->columns - 1) / g->columns;
    measure_captions(g, captions);
    g->cell_height = (int)(g->height * g->scale) + GAP + g->caption_lines * g->caption_scale * CAPTION_LINE;
    g->top = title ? TITLE_HEIGHT : MARGIN;
    return MORU_OK;
}

moru_status moru_plot_images(const moru_tensor *images, const char *const *captions, const bool *wrong, int columns,
                             const char *title, const char *path)
{
    if (!images || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_plot_images: an argument is NULL");
    grid g = {0};
    MORU_TRY(measure(&g, images, captions, columns, title, path));
    int64_t width = g.columns * g.cell_width + 2 * MARGIN, title_width = title ? moru_canvas_text_width(title, 2) : 0;
    if (width < title_width + 2 * MARGIN)
        width = title_width + 2 * MARGIN;
    int left = (int)(width - g.columns * g.cell_width) / 2;
    moru_canvas canvas;
    MORU_TRY(moru_canvas_new(&canvas, width, g.top + g.rows * g.cell_height + MARGIN / 2, WHITE));
    if (title)
        moru_canvas_text(&canvas, canvas.width / 2, 14, title, 2, 0.5, INK);
    for (int64_t k = 0; k < g.n; k++) {
        int x = left + (int)(k % g.columns) * g.cell_width, y = g.top + (int)(k / g.columns) * g.cell_height;
        int image_width = (int)(g.width * g.scale), centre = x + g.cell_width / 2;
        bool bad = wrong && wrong[k];
        draw_image(&canvas, &g, k, centre - image_width / 2, y, bad ? WRONG : FRAME);
        if (captions && captions[k])
            draw_caption(&canvas, &g, captions[k], centre, y + (int)(g.height * g.scale) + 8, bad ? WRONG : INK);
    }
    moru_status status = moru_canvas_save(&canvas, path);
    moru_canvas_free(&canvas);
    return status;
}
