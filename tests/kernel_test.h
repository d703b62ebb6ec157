/* For tests of kernels: random numbers, and buffers that end where a page without access begins. A read or write
 * past the end is a crash; what lies before the beginning is checked when the buffer goes. */
#ifndef MORU_KERNEL_TEST_H
#define MORU_KERNEL_TEST_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <check.h>
#include "kernels/kernels.h"

/* Check writes a line to a file for every assertion that holds; these tests look at millions of numbers. */
#undef ck_assert_msg
#define ck_assert_msg(expression, ...) do { if (!(expression)) ck_abort_msg(__VA_ARGS__); } while (0)

#define CANARY 0xa5

typedef struct guarded {
    unsigned char *map;
    size_t map_bytes, lead; /* bytes before the data */
    void *data;
} guarded;

/* Filled with not-a-number in any floating type. */
static inline guarded guarded_new(size_t bytes)
{
    guarded b;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + 64 + page - 1) / page * page;
    b.map_bytes = whole + page;
    b.map = mmap(NULL, b.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(b.map != MAP_FAILED);
    ck_assert(mprotect(b.map + whole, page, PROT_NONE) == 0);
    b.lead = whole - bytes;
    b.data = b.map + b.lead;
    memset(b.map, CANARY, b.lead);
    memset(b.data, 0xff, bytes);
    return b;
}

static inline void guarded_free(guarded *b)
{
    for (size_t i = 0; i < b->lead; i++)
        ck_assert_msg(b->map[i] == CANARY, "written %zu bytes before a buffer", b->lead - i);
    munmap(b->map, b->map_bytes);
}

/* Scratch memory must be aligned to 64 bytes, so its end is up to 63 bytes before the page. */
static inline guarded guarded_workspace(size_t bytes)
{
    return guarded_new((bytes + 63) / 64 * 64);
}

static inline uint32_t random_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* in [low, high] */
static inline int64_t random_int(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)(random_bits(state) % (uint32_t)(high - low + 1));
}

static inline double random_real(uint64_t *state)
{
    return random_bits(state) / 1073741824.0 - 1;
}

static inline guarded guarded_random(uint64_t *state, int64_t n)
{
    guarded b = guarded_new((size_t)n * sizeof(moru_real));
    for (int64_t i = 0; i < n; i++)
        ((moru_real *)b.data)[i] = (moru_real)random_real(state);
    return b;
}

#ifdef MORU_DOUBLE
#define KERNEL_TOLERANCE 1e-13
#else
#define KERNEL_TOLERANCE 2e-6
#endif

/* For one failing number among many: where, what and what was wanted. */
static inline void check_close(double got, double want, double scale, const char *what, int64_t index)
{
    ck_assert_msg(fabs(got - want) <= KERNEL_TOLERANCE * (scale + 1), "%s [%lld] = %.9g, should be %.9g", what,
                  (long long)index, got, want);
}

#endif
