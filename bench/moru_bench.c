/* moru_bench: the protocol of peers/peer.py, spoken by Moru. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/bench.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static moru_status steps(bench_run *run, int n)
{
    moru_status status = MORU_OK;
    for (int k = 0; status == MORU_OK && k < n; k++)
        status = bench_step(run);
    return status;
}

static void answer(moru_status status)
{
    if (status != MORU_OK)
        printf("error %s", bench_message());
    putchar('\n');
    fflush(stdout);
}

/* Mean |y|, root mean y^2, largest y. */
static void print_norms(const moru_tensor *t)
{
    const moru_real *y = moru_tensor_const_data(t);
    const int64_t n = moru_tensor_size(t);
    double sum = 0, squares = 0, largest = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        sum += fabs((double)y[i]);
        squares += (double)y[i] * (double)y[i];
        largest = fmax(largest, (double)y[i]);
    }
    printf("%.9g %.9g %.9g", sum / (double)n, sqrt(squares / (double)n), largest);
}

static moru_status check(bench_run *run, int n)
{
    moru_status status = MORU_OK;
    if (!run->training) {
        if ((status = bench_step(run)) == MORU_OK)
            print_norms(moru_program_output(run->program, 0));
        return status;
    }
    char text[1024] = "";
    for (int i = 0; i < n && (status = bench_step(run)) == MORU_OK; i++)
        for (int k = 0; k < run->n_losses; k++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.9g ", run->losses[k]);
    if (status == MORU_OK)
        fputs(text, stdout);
    return status;
}

/* Steps shorter than SAMPLE are timed several at once. */
static moru_status measure(bench_run *run, double seconds)
{
    enum { MOST = 100000, FEWEST = 3 };
    static double times[MOST];
    const double SAMPLE = 1e-3;
    moru_status status = steps(run, 1);
    int group = 1, n = 0;
    for (int k = 0; k < 2 && status == MORU_OK; k++) {
        double start = now();
        status = steps(run, group);
        double each = fmax((now() - start) / group, 1e-7);
        group = SAMPLE / each > 1 ? (int)(SAMPLE / each) : 1;
    }
    const double stop = now() + seconds;
    while (status == MORU_OK && n < MOST && (n < FEWEST || now() < stop)) {
        double start = now();
        status = steps(run, group);
        times[n++] = (now() - start) / group * 1e6;
    }
    for (int i = 0; i < n && status == MORU_OK; i++)
        printf("%.3f ", times[i]);
    return status;
}

static void load(bench_run *run, const char *line)
{
    char name[64], mode[16], path[4096];
    int64_t batch;
    bench_free(run);
    if (sscanf(line, "load %63s %15s %" SCNd64 " %4095[^\n]", name, mode, &batch, path) != 4) {
        answer(bench_fail("load NAME train|infer BATCH FILE"));
        return;
    }
    moru_status status = bench_load(run, name, strcmp(mode, "train") == 0, batch, path);
    if (status == MORU_OK)
        fputs(run->workload ? "ok" : "none", stdout);
    answer(status);
    if (status != MORU_OK)
        bench_free(run);
}

static long peak_rss(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return usage.ru_maxrss / 1024;
#else
    return usage.ru_maxrss;
#endif
}

int main(void)
{
    static bench_run run;
    char line[8192], word[16];
    while (fgets(line, sizeof line, stdin) && sscanf(line, "%15s", word) == 1 && strcmp(word, "quit") != 0) {
        double number = 0;
        sscanf(line, "%*s %lf", &number);
        if (strcmp(word, "load") == 0) {
            load(&run, line);
        } else if (strcmp(word, "rss") == 0) {
            printf("%ld", peak_rss());
            answer(MORU_OK);
        } else if (!run.workload) {
            answer(bench_fail("nothing is loaded"));
        } else if (strcmp(word, "check") == 0) {
            answer(check(&run, (int)number));
        } else if (strcmp(word, "time") == 0) {
            answer(measure(&run, number));
        } else {
            answer(bench_fail("what is %s?", word));
        }
    }
    bench_free(&run);
    return 0;
}
