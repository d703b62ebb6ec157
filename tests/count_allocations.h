/* Counts calls of malloc and its kin from the objects linked here: the program is linked with -Wl,--wrap of each. */
#ifndef MORU_TESTS_COUNT_ALLOCATIONS_H
#define MORU_TESTS_COUNT_ALLOCATIONS_H

#include <stdatomic.h>
#include <stddef.h>

static atomic_long allocations_counted;

static inline long count_allocations(void) { return atomic_load(&allocations_counted); }

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size) { allocations_counted++; return __real_malloc(size); }
void *__wrap_calloc(size_t n, size_t size) { allocations_counted++; return __real_calloc(n, size); }
void *__wrap_realloc(void *memory, size_t size) { allocations_counted++; return __real_realloc(memory, size); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) { allocations_counted++; return __real_aligned_alloc(alignment, size); }

#endif
