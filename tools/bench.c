/* moru bench: times whole steps. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <jansson.h>

#include "tools/batch.h"

enum { MOST = 100000, FEWEST = 5, WARM = 3 };

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
static moru_status measure(source *src, batch *b, double seconds, timing *t)
{
    moru_status status = MORU_OK;
    for (int k = 0; status == MORU_OK && k < WARM; k++)
        status = batch_run(b, src);
    double stop = now() + seconds;
    for (t->n = 0; status == MORU_OK && t->n < MOST; t->n++) {
        double start = now();
        if (t->n >= FEWEST && start >= stop)
            break;
        status = batch_run(b, src);
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

static moru_status print_profile(source *src, batch *b)
{
    moru_program_info info;
    moru_program_describe(b->program, &info);
    moru_program_call *rows = calloc((size_t)info.calls + 1, sizeof *rows);
    if (!rows)
        return moru_op_error(MORU_ERR_MEMORY, "--profile: no memory");
    moru_program_profile(b->program, true);
    moru_status status = batch_run(b, src);
    moru_program_profile(b->program, false);
    int n = 0;
    double sum = 1e-12;
    for (; n < info.calls && moru_program_call_at(b->program, n, &rows[n]); n++)
        sum += rows[n].seconds;
    qsort(rows, (size_t)n, sizeof *rows, by_time);
    printf("%10s %6s %9s %9s  call\n", "us", "%", "GFlop/s", "MB");
    for (int i = 0; i < n && status == MORU_OK; i++) {
        const moru_program_call *r = &rows[i];
        char shape[MORU_SHAPE_TEXT];
        printf("%10.1f %6.1f %9.2f %9.3f  %s \"%s\" %s\n", r->seconds * 1e6, 100 * r->seconds / sum,
               r->seconds > 0 ? r->flops / r->seconds * 1e-9 : 0, r->bytes * 1e-6, r->op, r->name,
               moru_shape_print(&r->shape, shape, sizeof shape));
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

/* The name as JSON wants it: UTF-8, other bytes replaced. */
static json_t *json_name(const char *name)
{
    char plain[4096];
    json_t *json = json_string(name);
    if (json)
        return json;
    snprintf(plain, sizeof plain, "%s", name);
    for (char *c = plain; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return json_string(plain);
}

static moru_status print_json(const settings *s, const batch *b, int64_t size, const timing *t)
{
    moru_program_info info;
    moru_program_describe(b->program, &info);
    const double median = t->times[t->n / 2];
    json_t *json = json_pack("{s:o, s:I, s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:I}",
                             "model", json_name(s->model),
                             "batch", (json_int_t)size,
                             "mode", b->training ? "train" : "infer",
                             "threads", thread_count(),
                             "steps", t->n,
                             "median_ms", median * 1e3,
                             "min_ms", t->times[0] * 1e3,
                             "samples_per_s", (double)size / median,
                             "gflops", info.flops / median * 1e-9,
                             "planned_bytes", (json_int_t)info.arena_bytes);
    bool good = json && json_dumpf(json, stdout, JSON_REAL_PRECISION(7)) == 0;
    json_decref(json);
    putchar('\n');
    return good ? MORU_OK : moru_op_error(MORU_ERR_MEMORY, "--json: the result can't be written");
}

static void print_text(const settings *s, const batch *b, int64_t size, const timing *t)
{
    moru_program_info info;
    moru_program_describe(b->program, &info);
    const double median = t->times[t->n / 2];
    printf("%s, batch %" PRId64 ", %s, %d threads, %d steps\n", s->model, size, b->training ? "train" : "infer",
           thread_count(), t->n);
    printf("median %.4f ms, least %.4f ms, %.1f samples/s, %.2f GFlop/s, %" PRId64 " bytes planned\n", median * 1e3,
           t->times[0] * 1e3, (double)size / median, info.flops / median * 1e-9, info.arena_bytes);
}

static moru_status bench(source *src, const settings *s, batch *b, timing *t)
{
    const bool training = !s->mode || strcmp(s->mode, "train") == 0;
    moru_status status = source_open(src, s, training ? SOURCE_COMPILED : SOURCE_MODEL);
    if (status == MORU_OK && training)
        status = source_compile(src, s, 1000);
    int64_t size = s->batch > 0 ? s->batch : src->zoo ? src->zoo->batch_size : 32;
    if (status == MORU_OK)
        status = batch_make(b, src, size, training);
    if (status == MORU_OK)
        status = measure(src, b, isnan(s->seconds) ? 3 : s->seconds, t);
    if (status == MORU_OK && s->json)
        return print_json(s, b, size, t);
    if (status == MORU_OK)
        print_text(s, b, size, t);
    return status == MORU_OK && s->profile ? print_profile(src, b) : status;
}

static int run(const settings *s)
{
    source src = {0};
    batch b = {.program = NULL};
    if (s->mode && strcmp(s->mode, "train") != 0 && strcmp(s->mode, "infer") != 0)
        return usage("--mode: \"%s\" is neither train nor infer", s->mode);
    timing t = {calloc(MOST, sizeof(double)), 0};
    if (!t.times)
        moru_op_error(MORU_ERR_MEMORY, "bench: no memory");
    int result = t.times && bench(&src, s, &b, &t) == MORU_OK ? DONE : fail_last();
    free(t.times);
    batch_free(&b);
    source_close(&src);
    return result;
}

const command command_bench = {
    .name = "bench", .argument = "MODEL", .summary = "time whole steps: forward, backward and optimizer, or inference",
    .options = (const char *const[]){"batch", "mode", "seconds", "json", "profile", "data", "loss", "optimizer",
                                     "threads", NULL},
    .run = run,
};
