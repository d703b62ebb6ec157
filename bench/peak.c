/* peak [SECONDS]: multiply-adds on registers alone, on one thread and on all; GFlop/s, the best of short
 * runs. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#if defined __AVX512F__
enum { BYTES = 64, CHAINS = 24 };
#elif defined __AVX__
enum { BYTES = 32, CHAINS = 12 };
#else
enum { BYTES = 16, CHAINS = 12 };
#endif
enum { LANES = BYTES / 4, TURNS = 200000 };
typedef float vec __attribute__((vector_size(BYTES)));

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float chains(float a, float b)
{
    vec x[CHAINS], m = {0}, n = {0}, sum = {0};
    for (int i = 0; i < LANES; i++)
        m[i] = a, n[i] = b;
#pragma GCC unroll 32
    for (int k = 0; k < CHAINS; k++)
        x[k] = n * (float)k;
    for (int t = 0; t < TURNS; t++)
#pragma GCC unroll 32
        for (int k = 0; k < CHAINS; k++)
            x[k] = x[k] * m + n;
#pragma GCC unroll 32
    for (int k = 0; k < CHAINS; k++)
        sum += x[k];
    return sum[0];
}

static double gflops(int threads)
{
    volatile float sink = 0;
    float total = 0;
    double start = now();
#pragma omp parallel num_threads(threads) reduction(+:total)
    total += chains(0.999f, 1e-3f);
    sink = total;
    (void)sink;
    return 2.0 * CHAINS * LANES * TURNS * threads / (now() - start) * 1e-9;
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 1;
    int most = 1;
#ifdef _OPENMP
    most = omp_get_max_threads();
#endif
    double one = 0, all = 0;
    for (double stop = now() + seconds; now() < stop;) {
        double a = gflops(1), b = gflops(most);
        one = a > one ? a : one;
        all = b > all ? b : all;
    }
    printf("%.1f %.1f\n", one, all);
    return 0;
}
