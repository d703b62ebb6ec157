/* Progress of training on standard error. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/progress.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* A line that grows up to its room. */
typedef struct line { char text[512]; size_t length; } line;

static void append(line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->length, sizeof l->text - l->length, format, args);
    va_end(args);
    l->length += n > 0 ? (size_t)n : 0;
    if (l->length >= sizeof l->text)
        l->length = sizeof l->text - 1;
}

static void append_value(line *l, double value)
{
    append(l, value > -10 && value < 10 ? " %.4f" : " %.5g", value);
}

/* "loss 0.3123, val 0.3371  accuracy 0.8892, val 0.8812" */
static void append_values(line *l, const moru_logs *logs)
{
    for (int i = 0; i < logs->n; i++) {
        if (strncmp(logs->names[i], "val_", 4) == 0)
            continue;
        append(l, "  %s", logs->names[i]);
        append_value(l, logs->values[i]);
        for (int k = 0; k < logs->n; k++)
            if (strncmp(logs->names[k], "val_", 4) == 0 && strcmp(logs->names[k] + 4, logs->names[i]) == 0) {
                append(l, ", val");
                append_value(l, logs->values[k]);
            }
    }
}

/* "epoch 1/8 [====>     ] 120/469 12 s  loss 0.3123": the bar takes what room is left; without any the line is cut, for
 * one that wrapped couldn't be drawn over. */
static void draw_bar(const moru_logs *logs)
{
    enum { WIDEST = 30, NARROWEST = 8 };
    line head = {.length = 0}, tail = {.length = 0};
    int width = terminal_width();
    append(&head, "epoch %d/%d ", logs->epoch + 1, logs->epochs);
    append(&tail, "%" PRId64 "/%" PRId64 " %.0f s", logs->step, logs->steps, logs->seconds);
    append_values(&tail, logs);
    int room = width - 1 - (int)(head.length + tail.length + strlen("[] "));
    int bar = room > WIDEST ? WIDEST : room;
    int filled = bar > 0 && logs->steps > 0 ? (int)(bar * logs->step / logs->steps) : 0;
    if (bar >= NARROWEST) {
        append(&head, "[");
        for (int i = 0; i < bar; i++)
            append(&head, "%c", i < filled ? '=' : i == filled ? '>' : ' ');
        append(&head, "] ");
    }
    append(&head, "%s", tail.text);
    fprintf(stderr, "\r\033[K%.*s", width - 1, head.text);
    fflush(stderr);
}

static moru_status on_batch_end(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    progress *p = self;
    double time = now();
    (void)model;
    (void)stop;
    if (time - p->drawn < 0.1 && (logs->step < logs->steps || logs->seconds < 0.1))
        return MORU_OK;
    p->drawn = time;
    draw_bar(logs);
    return MORU_OK;
}

/* Many epochs of next to nothing (four points) are shown now and then. */
static bool worth_a_line(const moru_logs *logs)
{
    int every = logs->epochs > 100 ? logs->epochs / 20 : 1;
    return (logs->epoch + 1) % every == 0 || logs->epoch + 1 == logs->epochs;
}

static moru_status on_epoch_end(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    const progress *p = self;
    line l = {.length = 0};
    (void)model;
    (void)stop;
    if (!worth_a_line(logs))
        return MORU_OK;
    append(&l, "epoch %d/%d  %.1f s", logs->epoch + 1, logs->epochs, logs->seconds);
    append_values(&l, logs);
    fprintf(stderr, "%s%s\n", p->terminal ? "\r\033[K" : "", l.text);
    return MORU_OK;
}

moru_callback *progress_start(progress *p)
{
    *p = (progress){.terminal = isatty(STDERR_FILENO) == 1, .drawn = now()};
    p->callback = (moru_callback){.self = p, .on_epoch_end = on_epoch_end};
    if (p->terminal)
        p->callback.on_batch_end = on_batch_end;
    return &p->callback;
}

void progress_clear(const progress *p)
{
    if (p->terminal)
        fputs("\r\033[K", stderr);
}
