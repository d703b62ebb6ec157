/* Loss and metrics by epoch: one panel for each quantity, training and validation as two lines. */
#include <moru/formats.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "formats/canvas.h"

enum { PANEL_WIDTH = 600, PANEL_HEIGHT = 420, TITLE_HEIGHT = 44, MAX_PANELS = 6 };
enum { LEFT = 84, RIGHT = 24, TOP = 44, BOTTOM = 58 }; /* around a panel's plot */
enum { WHITE = 0xffffff, INK = 0x333333, FAINT = 0xe6e6e6, TRAINING = 0x1f77b4, VALIDATION = 0xe8710a };

/* One axis: values low..high lie on pixels from..to. */
typedef struct axis {
    double low, high, from, to, step;
    bool logarithmic;
} axis;

static double place(const axis *a, double value)
{
    double low = a->logarithmic ? log10(a->low) : a->low, high = a->logarithmic ? log10(a->high) : a->high;
    double v = a->logarithmic ? log10(value) : value;
    return a->from + (v - low) / (high - low) * (a->to - a->from);
}

/* 1, 2 or 5 times a power of ten, at least span/count. */
static double nice_step(double span, int count)
{
    double rough = span / count, power = pow(10, floor(log10(rough))), share = rough / power;
    return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

typedef struct range { double low, high; int n; } range;

static void widen(range *r, const moru_history *history, const char *name)
{
    for (int k = 0; k < moru_history_count(history); k++) {
        double v = moru_logs_get(moru_history_at(history, k), name);
        if (!isfinite(v))
            continue;
        r->low = r->n ? fmin(r->low, v) : v;
        r->high = r->n ? fmax(r->high, v) : v;
        r->n++;
    }
}

static axis value_axis(range r, double from, double to)
{
    if (r.n == 0)
        r = (range){0, 1, 1};
    axis a = {.low = r.low, .high = r.high, .from = from, .to = to};
    if (r.low > 0 && r.high / r.low > 1000) {
        a.logarithmic = true;
        a.low = pow(10, floor(log10(r.low)));
        a.high = pow(10, ceil(log10(r.high)));
        return a;
    }
    if (!(r.high - r.low > 1e-12 * fmax(fabs(r.low), fabs(r.high)))) {
        double margin = fmax(fabs(r.low) * 0.1, 1e-6);
        a.low = r.low - margin;
        a.high = r.high + margin;
    }
    a.step = nice_step(a.high - a.low, 6);
    a.low = floor(a.low / a.step) * a.step;
    a.high = ceil(a.high / a.step) * a.step;
    return a;
}

static void value_label(moru_canvas *canvas, const axis *a, int left, double value)
{
    int y = (int)lround(place(a, value));
    char text[48];
    if (a->logarithmic) {
        snprintf(text, sizeof text, "1e%ld", lround(log10(value)));
    } else {
        int decimals = (int)fmax(0, -floor(log10(a->step) + 1e-9));
        if (fabs(value) < a->step / 2)
            value = 0; /* not "-0" */
        if (decimals > 5 || fabs(value) >= 1e6)
            snprintf(text, sizeof text, "%.3g", value);
        else
            snprintf(text, sizeof text, "%.*f", decimals, value);
    }
    moru_canvas_text(canvas, left - 10, y - 8, text, 2, 1, INK);
}

static void draw_value_axis(moru_canvas *canvas, const axis *a, int left, int right)
{
    int count = a->logarithmic ? (int)lround(log10(a->high / a->low)) : (int)lround((a->high - a->low) / a->step);
    int every = 1 + count / 9;
    for (int k = 0; k <= count; k += every) {
        double value = a->logarithmic ? a->low * pow(10, k) : a->low + k * a->step;
        int y = (int)lround(place(a, value));
        moru_canvas_rectangle(canvas, left, y, right - left, 1, FAINT);
        value_label(canvas, a, left, value);
    }
}

static void draw_epoch_axis(moru_canvas *canvas, const axis *a, int top, int bottom)
{
    double step = fmax(1, nice_step(fmax(1, a->high - a->low), 10));
    for (double epoch = ceil(a->low / step) * step; epoch <= a->high; epoch += step) {
        int x = (int)lround(place(a, epoch));
        char text[32];
        snprintf(text, sizeof text, "%.0f", epoch);
        moru_canvas_rectangle(canvas, x, top, 1, bottom - top, FAINT);
        moru_canvas_rectangle(canvas, x, bottom, 1, 6, INK);
        moru_canvas_text(canvas, x, bottom + 10, text, 2, 0.5, INK);
    }
    moru_canvas_text(canvas, (int)((a->from + a->to) / 2), bottom + 34, "epoch", 2, 0.5, INK);
}

static void draw_curve(moru_canvas *canvas, const axis *x, const axis *y, const moru_history *history, const char *name,
                       moru_color color)
{
    double last_x = NAN, last_y = NAN;
    int n = moru_history_count(history);
    for (int k = 0; k < n; k++) {
        const moru_logs *logs = moru_history_at(history, k);
        double value = moru_logs_get(logs, name);
        if (!isfinite(value))
            continue; /* an epoch without validation doesn't break its line */
        double px = place(x, logs->epoch + 1) + 0.5, py = place(y, value) + 0.5;
        moru_canvas_line(canvas, last_x, last_y, px, py, 2.4, color);
        if (n <= 40)
            moru_canvas_line(canvas, px, py, px, py, 7, color);
        last_x = px;
        last_y = py;
    }
}

/* Right to left, so that the legend ends with the plot. */
static void draw_legend(moru_canvas *canvas, int right, int y, bool validation)
{
    static const char *const names[] = {"validation", "training"};
    static const moru_color colors[] = {VALIDATION, TRAINING};
    for (int k = validation ? 0 : 1; k < 2; k++) {
        right -= moru_canvas_text_width(names[k], 2);
        moru_canvas_text(canvas, right, y, names[k], 2, 0, INK);
        moru_canvas_line(canvas, right - 34, y + 8, right - 8, y + 8, 3, colors[k]);
        right -= 52;
    }
}

static void draw_panel(moru_canvas *canvas, int x0, int y0, const moru_history *history, const char *name)
{
    char validation[96];
    snprintf(validation, sizeof validation, "val_%s", name);
    int left = x0 + LEFT, right = x0 + PANEL_WIDTH - RIGHT, top = y0 + TOP, bottom = y0 + PANEL_HEIGHT - BOTTOM;
    range values = {0}, own = {0};
    widen(&values, history, name);
    widen(&values, history, validation);
    widen(&own, history, validation);

    int n = moru_history_count(history);
    double first = moru_history_at(history, 0)->epoch + 1, last = moru_history_at(history, n - 1)->epoch + 1;
    bool single = last <= first;
    axis x = {.low = single ? first - 1 : first, .high = single ? first + 1 : last, .from = left + 12,
              .to = right - 12};
    axis y = value_axis(values, bottom - 1, top);
    draw_epoch_axis(canvas, &x, top, bottom);
    draw_value_axis(canvas, &y, left, right);
    moru_canvas_rectangle(canvas, left, top, 1, bottom - top, INK);
    moru_canvas_rectangle(canvas, left, bottom, right - left, 1, INK);
    draw_curve(canvas, &x, &y, history, name, TRAINING);
    draw_curve(canvas, &x, &y, history, validation, VALIDATION);
    moru_canvas_text(canvas, left, y0 + 14, name, 2, 0, INK);
    draw_legend(canvas, right, y0 + 14, own.n > 0);
}

/* The quantities to show: those of the first epoch that aren't another's validation. */
static int panels_of(const moru_history *history, const char **names)
{
    const moru_logs *logs = moru_history_at(history, 0);
    int n = 0;
    for (int k = 0; k < logs->n && n < MAX_PANELS; k++)
        if (strncmp(logs->names[k], "val_", 4) != 0 && strcmp(logs->names[k], "learning_rate") != 0)
            names[n++] = logs->names[k];
    return n;
}

moru_status moru_plot_history(const moru_history *history, const char *title, const char *path)
{
    if (!history || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_plot_history: an argument is NULL");
    const char *names[MAX_PANELS];
    int n = moru_history_count(history) > 0 ? panels_of(history, names) : 0;
    if (n == 0)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the history holds nothing to draw", path);
    int columns = n > 1 ? 2 : 1, rows = (n + columns - 1) / columns;
    moru_canvas canvas;
    MORU_TRY(moru_canvas_new(&canvas, (int64_t)columns * PANEL_WIDTH, (int64_t)rows * PANEL_HEIGHT + TITLE_HEIGHT,
                             WHITE));
    if (title)
        moru_canvas_text(&canvas, canvas.width / 2, 14, title, 3, 0.5, INK);
    for (int k = 0; k < n; k++)
        draw_panel(&canvas, k % columns * PANEL_WIDTH, TITLE_HEIGHT + k / columns * PANEL_HEIGHT, history, names[k]);
    moru_status status = moru_canvas_save(&canvas, path);
    moru_canvas_free(&canvas);
    return status;
}
