/* moru bench: times whole steps. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "tools/source.h"

enum { MOST = 100000, FEWEST = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct timing { double *times; int n; } timing;

/* Steps for the given seconds, after some that warm up; each is timed by itself. */
static moru_status measure(source *src, batch *b, bool training, double seconds, timing *t)
{
    moru_program *program;
    moru_status status = moru_model_program(src->model, training, b->inputs, b->targets, &program);
    for (int warm = 0; status == MORU_OK && warm < 3; warm++)
        status = training ? moru_train_on_batch(src->model, b->inputs, b->targets, NULL) : moru_program_run(program);
    double stop = now() + seconds;
    for (t->n = 0; status == MORU_OK && t->n < MOST; t->n++) {
        double start = now();
        if (t->n >= FEWEST && start >= stop)
            break;
        status = training ? moru_train_on_batch(src->model, b->inputs, b->targets, NULL) : moru_program_run(program);
        t->times[t->n] = now() - start;
    }
    qsort(t->times, (size_t)t->n, sizeof *t->times, ascending);
    return status;
}

static int by_time(const void *a, const void *b)
{
    const moru_program_call *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static moru_status print_profile(source *src, batch *b, bool training)
{
    moru_program *program;
    moru_program_info info;
    moru_status status = moru_model_program(src->model, training, b->inputs, b->targets, &program);
    if (status != MORU_OK)
        return status;
    moru_program_describe(program, &info);
    moru_program_call *rows = calloc((size_t)info.calls + 1, sizeof *rows);
    if (!rows)
        return moru_op_error(MORU_ERR_MEMORY, "no memory for a profile");
    moru_program_profile(program, true);
    status = training ? moru_train_on_batch(src->model, b->inputs, b->targets, NULL) : moru_program_run(program);
    moru_program_profile(program, false);
    int n = 0;
    double sum = 0;
    for (; n < info.calls && moru_program_call_at(program, n, &rows[n]); n++)
        sum += rows[n].seconds;
    qsort(rows, (size_t)n, sizeof *rows, by_time);
    printf("%10s %6s %9s %9s  %s\n", "us", "%", "GF/s", "MB", "call");
    for (int i = 0; i < n && status == MORU_OK; i++) {
        char shape[MORU_SHAPE_TEXT];
        printf("%10.1f %6.1f %9.2f %9.3f  %s \"%s\" %s\n", rows[i].seconds * 1e6, 100 * rows[i].seconds / (sum > 0 ? sum : 1),
               rows[i].seconds > 0 ? rows[i].flops / rows[i].seconds * 1e-9 : 0, rows[i].bytes * 1e-6, rows[i].op, rows[i].name,
               moru_shape_print(&rows[i].shape, shape, sizeof shape));
    }
    free(rows);
    return status;
}

static int thread_count(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

static moru_status print_result(source *src, batch *b, const settings *s, bool training, int64_t size, const timing *t)
{
    moru_program *program;
    moru_program_info info;
    moru_status status = moru_model_program(src->model, training, b->inputs, b->targets, &program);
    if (status != MORU_OK)
        return status;
    moru_program_describe(program, &info);
    double median = t->times[t->n / 2], least = t->times[0];
    const char *form = s->json
        ? "{\"model\": \"%s\", \"batch\": %" PRId64 ", \"mode\": \"%s\", \"threads\": %d, \"steps\": %d, \"median_ms\": %.6f, "
          "\"min_ms\": %.6f, \"samples_per_s\": %.3f, \"gflops\": %.3f, \"planned_bytes\": %" PRId64 "}\n"
        : "model %s, batch %" PRId64 ", %s, %d threads, %d steps\nmedian %.4f ms, least %.4f ms, %.1f samples/s, %.2f GF/s, "
          "%" PRId64 " bytes planned\n";
    printf(form, src->name, size, training ? "train" : "infer", thread_count(), t->n, median * 1e3, least * 1e3,
           (double)size / median, info.flops / median * 1e-9, info.arena_bytes);
    return MORU_OK;
}

static moru_status bench(source *src, const settings *s, bool training, timing *t)
{
    batch b = {0};
    int64_t size = s->batch > 0 ? s->batch : src->zoo ? src->zoo->batch_size : 32;
    double seconds = isnan(s->seconds) ? 3 : s->seconds;
    moru_status status = source_open(src, s, training);
    if (status == MORU_OK && training)
        status = source_compile(src, s, 1000);
    if (status == MORU_OK && src->zoo && s->batch <= 0)
        size = src->zoo->batch_size;
    if (status == MORU_OK)
        status = make_batch(src->model, src->data, size, &b);
    if (status == MORU_OK)
        status = measure(src, &b, training, seconds, t);
    if (status == MORU_OK)
        status = print_result(src, &b, s, training, size, t);
    if (status == MORU_OK && s->profile && !s->json)
        status = print_profile(src, &b, training);
    free_batch(&b);
    return status;
}

static int run(const settings *s)
{
    source src = {0};
    timing t = {malloc(MOST * sizeof(double)), 0};
    const bool infer = s->mode && strcmp(s->mode, "infer") == 0;
    if (s->mode && !infer && strcmp(s->mode, "train") != 0) {
        fprintf(stderr, "moru: --mode: \"%s\" isn't train or infer\n", s->mode);
        free(t.times);
        return USAGE;
    }
    int result = t.times && bench(&src, s, !infer, &t) == MORU_OK ? DONE : fail_last();
    free(t.times);
    source_close(&src);
    return result;
}

const command command_bench = {
    .name = "bench", .argument = "MODEL", .summary = "time whole steps: forward, backward and optimizer, or inference",
    .options = (const char *const[]){"batch", "mode", "seconds", "json", "profile", "data", "loss", "optimizer", "threads", NULL},
    .run = run,
};
