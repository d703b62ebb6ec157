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

#include "tools/profile.h"

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

/* with: a profile to add, or NULL */
static moru_status print_json(const settings *s, const batch *b, int64_t size, const timing *t, const profile *with)
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
    if (json && with && json_object_set_new(json, "profile", profile_json(with)) != 0) {
        json_decref(json);
        json = NULL;
    }
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
    printf("median %.4f ms, least %.4f ms, %.1f samples/s, %.2f GFlop/s, %" PRId64 " bytes planned (%.3f of the largest "
           "set alive)\n", median * 1e3, t->times[0] * 1e3, (double)size / median, info.flops / median * 1e-9,
           info.arena_bytes, info.lower_bound > 0 ? (double)info.arena_bytes / (double)info.lower_bound : 1);
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
    profile p = {.calls = NULL};
    if (status == MORU_OK && s->profile)
        status = profile_make(&p, src, b);
    if (status == MORU_OK && s->json)
        status = print_json(s, b, size, t, s->profile ? &p : NULL);
    else if (status == MORU_OK)
        print_text(s, b, size, t);
    if (status == MORU_OK && s->profile && !s->json)
        status = profile_print(&p);
    profile_free(&p);
    return status;
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
                                     "threads", "no-winograd", NULL},
    .run = run,
};
