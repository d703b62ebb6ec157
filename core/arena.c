#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

enum { BLOCK_SIZE = 16384, ALIGNMENT = 16 };

struct moru_arena_block {
    struct moru_arena_block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

void *moru_arena_alloc(moru_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct moru_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct moru_arena_block *fresh = calloc(1, sizeof *fresh + room);
        if (!fresh)
            return NULL;
        fresh->size = room;
        if (block && size > BLOCK_SIZE) { /* a big one of its own must not close the block in use */
            fresh->next = block->next;
            block->next = fresh;
        } else {
            fresh->next = block;
            arena->blocks = fresh;
        }
        block = fresh;
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

char *moru_arena_strdup(moru_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = moru_arena_alloc(arena, size);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

void moru_arena_free(moru_arena *arena)
{
    struct moru_arena_block *block = arena->blocks;
    while (block) {
        struct moru_arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
}
