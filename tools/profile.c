/* Profiles: the median time of each call over several steps, since a single step shows more of the machine than of the
 * program. */
#include <stdlib.h>
#include <string.h>

#include "tools/profile.h"

enum { STEPS = 21 };
static const double ENOUGH = 2; /* seconds: what is slow needs fewer steps */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int slowest_first(const void *a, const void *b)
{
    const moru_program_call *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* times[n][STEPS]; *steps is how many were run */
static moru_status run_steps(source *src, batch *b, int n, double *times, int *steps)
{
    moru_program_call call;
    double total = 0;
    moru_status status = MORU_OK;
    moru_program_profile(b->program, true);
    for (*steps = 0; status == MORU_OK && *steps < STEPS && (*steps < 3 || total < ENOUGH); ++*steps) {
        status = batch_run(b, src);
        for (int k = 0; k < n && moru_program_call_at(b->program, k, &call); k++) {
            times[k * STEPS + *steps] = call.seconds;
            total += call.seconds;
        }
    }
    moru_program_profile(b->program, false);
    return status;
}

moru_status profile_make(profile *p, source *src, batch *b)
{
    moru_program_info info;
    moru_program_describe(b->program, &info);
    int steps;
    double *times = calloc((size_t)info.calls + 1, STEPS * sizeof *times);
    *p = (profile){.calls = calloc((size_t)info.calls + 1, sizeof *p->calls), .n = info.calls};
    if (!p->calls || !times) {
        free(times);
        return moru_op_error(MORU_ERR_MEMORY, "--profile: no memory");
    }
    moru_status status = run_steps(src, b, p->n, times, &steps);
    for (int k = 0; status == MORU_OK && k < p->n && moru_program_call_at(b->program, k, &p->calls[k]); k++) {
        qsort(times + k * STEPS, (size_t)steps, sizeof *times, ascending);
        p->calls[k].seconds = times[k * STEPS + steps / 2];
        p->seconds += p->calls[k].seconds;
    }
    free(times);
    qsort(p->calls, (size_t)p->n, sizeof *p->calls, slowest_first);
    return status;
}

void profile_free(profile *p)
{
    free(p->calls);
    *p = (profile){.calls = NULL};
}

static double rate(double amount, double seconds)
{
    return seconds > 0 ? amount / seconds * 1e-9 : 0;
}

static double share(const profile *p, double seconds)
{
    return p->seconds > 0 ? 100 * seconds / p->seconds : 0;
}

static void print_numbers(const profile *p, const moru_program_call *r)
{
    printf("%10.1f %6.1f %9.2f %9.3f %8.2f  ", r->seconds * 1e6, share(p, r->seconds), rate(r->flops, r->seconds),
           r->bytes * 1e-6, rate(r->bytes, r->seconds));
}

/* Adds a call to the kind of its op; a kind's count lies where a call's shape is. */
static int add_to_kind(moru_program_call *kinds, int n, const moru_program_call *r)
{
    int k = 0;
    while (k < n && strcmp(kinds[k].op, r->op) != 0)
        k++;
    kinds[k].op = r->op;
    kinds[k].shape.dims[0]++;
    kinds[k].seconds += r->seconds;
    kinds[k].flops += r->flops;
    kinds[k].bytes += r->bytes;
    return k == n ? n + 1 : n;
}

static void print_head(const char *what)
{
    printf("%10s %6s %9s %9s %8s  %s\n", "us", "%", "GFlop/s", "MB", "GB/s", what);
}

moru_status profile_print(const profile *p)
{
    moru_program_call *kinds = calloc((size_t)p->n + 1, sizeof *kinds), all = {.seconds = p->seconds};
    int n_kinds = 0;
    if (!kinds)
        return moru_op_error(MORU_ERR_MEMORY, "--profile: no memory");
    print_head("call");
    for (int i = 0; i < p->n; i++) {
        const moru_program_call *r = &p->calls[i];
        char shape[MORU_SHAPE_TEXT];
        print_numbers(p, r);
        printf("%s \"%s\" %s\n", r->op, r->name, moru_shape_print(&r->shape, shape, sizeof shape));
        n_kinds = add_to_kind(kinds, n_kinds, r);
        all.flops += r->flops;
        all.bytes += r->bytes;
    }
    qsort(kinds, (size_t)n_kinds, sizeof *kinds, slowest_first);
    print_head("op");
    for (int k = 0; k < n_kinds; k++) {
        print_numbers(p, &kinds[k]);
        printf("%s, %d calls\n", kinds[k].op, (int)kinds[k].shape.dims[0]);
    }
    print_numbers(p, &all);
    printf("total, %d calls\n", p->n);
    free(kinds);
    return MORU_OK;
}

json_t *profile_json(const profile *p)
{
    json_t *list = json_array();
    for (int i = 0; list && i < p->n; i++) {
        const moru_program_call *r = &p->calls[i];
        json_t *dims = json_array();
        for (int k = 0; k < r->shape.rank; k++)
            json_array_append_new(dims, json_integer(r->shape.dims[k]));
        json_t *name = json_string(r->name);
        json_t *row = json_pack("{s:s, s:o, s:o, s:f, s:f, s:f, s:f}", "op", r->op, "name",
                                name ? name : json_string("?"), "shape", dims, "us", r->seconds * 1e6, "share",
                                share(p, r->seconds) / 100, "gflops", rate(r->flops, r->seconds), "gbytes_per_s",
                                rate(r->bytes, r->seconds));
        if (!row || json_array_append_new(list, row) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
