/* Progress of training on standard error. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/progress.h"

static void print_values(const moru_logs *logs)
{
    for (int i = 0; i < logs->n; i++)
        fprintf(stderr, "  %s %.4f", logs->names[i], logs->values[i]);
}

static moru_status on_batch_end(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    enum { WIDTH = 24 };
    progress *p = self;
    (void)model;
    (void)stop;
    if (logs->step > 1 && logs->step < logs->steps && logs->seconds - p->drawn < 0.1)
        return MORU_OK;
    p->drawn = logs->step < logs->steps ? logs->seconds : -1;
    int filled = logs->steps > 0 ? (int)(WIDTH * logs->step / logs->steps) : 0;
    fprintf(stderr, "\r\033[Kepoch %d/%d  [", logs->epoch + 1, logs->epochs);
    for (int i = 0; i < WIDTH; i++)
        fputc(i < filled ? '=' : i == filled ? '>' : ' ', stderr);
    fprintf(stderr, "] %" PRId64 "/%" PRId64 "  %.0f s", logs->step, logs->steps, logs->seconds);
    print_values(logs);
    fflush(stderr);
    return MORU_OK;
}

/* Many epochs of nothing (four points) are shown now and then. */
static bool worth_a_line(const moru_logs *logs)
{
    int every = logs->epochs > 100 ? logs->epochs / 20 : 1;
    return (logs->epoch + 1) % every == 0 || logs->epoch + 1 == logs->epochs;
}

static moru_status on_epoch_end(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    const progress *p = self;
    (void)model;
    (void)stop;
    if (!worth_a_line(logs))
        return MORU_OK;
    fprintf(stderr, "%sepoch %d/%d  %.1f s", p->terminal ? "\r\033[K" : "", logs->epoch + 1, logs->epochs, logs->seconds);
    print_values(logs);
    fputc('\n', stderr);
    return MORU_OK;
}

moru_callback *progress_start(progress *p)
{
    *p = (progress){.terminal = isatty(STDERR_FILENO) == 1};
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
