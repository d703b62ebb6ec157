/* Bump allocation: many small things with one lifetime. */
#ifndef MORU_CORE_ARENA_H
#define MORU_CORE_ARENA_H

#include <stddef.h>

typedef struct moru_arena { struct moru_arena_block *blocks; } moru_arena;

/* Zeroed, 16-byte aligned; NULL when out of memory. */
void *moru_arena_alloc(moru_arena *arena, size_t size);
char *moru_arena_strdup(moru_arena *arena, const char *text);
void moru_arena_free(moru_arena *arena);

#endif
