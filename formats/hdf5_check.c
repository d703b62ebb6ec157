/* Groups of HDF5's older format carry no checksums, and the HDF5 library trusts their heaps of names: a wrong size or a
 * name without an end leads it out of its memory. So they are walked through before the library sees the file. The newer
 * format (superblock 2 and later, object headers "OHDR") has checksums, which the library verifies. */
#include "formats/hdf5_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYMBOL_TABLE = 0x11, CONTINUATION = 0x10, MAX_HEAP = 64 << 20, SOFT_LINK = 2, MAX_LEVEL = 32 };
#define UNDEFINED UINT64_MAX

typedef struct walk {
    int fd;                  /* -1: the bytes lie in memory */
    const uint8_t *bytes;
    uint64_t size, base;     /* of the file; addresses count from base */
    uint64_t *headers;       /* object headers, seen and waiting */
    int64_t n, done, capacity;
    int64_t visits;          /* of anything: more than the file has room for is a loop */
    uint8_t *heap;           /* names of the group at hand */
    uint64_t heap_size;
} walk;

static uint64_t number(const uint8_t *bytes, int n)
{
    uint64_t value = 0;
    for (int k = n - 1; k >= 0; k--)
        value = value << 8 | bytes[k];
    return value;
}

static bool get(walk *w, uint64_t address, void *buffer, uint64_t n)
{
    if (address > w->size || w->base > w->size - address || n > w->size - w->base - address)
        return false;
    uint64_t at = w->base + address;
    if (w->fd < 0)
        memcpy(buffer, w->bytes + at, n);
    return w->fd < 0 || pread(w->fd, buffer, n, (off_t)at) == (ssize_t)n;
}

/* Nothing is smaller than 8 bytes, so that a file of no loops has no more than size/8 things. */
static bool visit(walk *w)
{
    return (uint64_t)++w->visits <= w->size / 8 + 16;
}

static bool add_header(walk *w, uint64_t address)
{
    for (int64_t k = w->n; k-- > 0 && k >= w->n - 64;) /* only saves time; visit() stops loops */
        if (w->headers[k] == address)
            return true;
    if (w->n == w->capacity) {
        int64_t more = w->capacity ? 2 * w->capacity : 64;
        uint64_t *fresh = realloc(w->headers, (size_t)more * sizeof *fresh);
        if (!fresh)
            return false;
        w->headers = fresh;
        w->capacity = more;
    }
    w->headers[w->n++] = address;
    return true;
}

/* ---- local heaps ---- */

/* The list of free blocks, {next, size} each, must stay inside and come to an end. */
static bool check_free_list(const walk *w, uint64_t first)
{
    uint64_t steps = 0;
    while (first != 1) { /* "no more" */
        if (first > w->heap_size || w->heap_size - first < 16 || ++steps > w->heap_size / 16)
            return false;
        if (number(w->heap + first + 8, 8) > w->heap_size - first)
            return false;
        first = number(w->heap + first, 8);
    }
    return true;
}

static bool load_heap(walk *w, uint64_t address)
{
    uint8_t head[32];
    free(w->heap);
    w->heap = NULL;
    if (!visit(w) || !get(w, address, head, sizeof head) || memcmp(head, "HEAP", 4) != 0 || head[4] != 0)
        return false;
    w->heap_size = number(head + 8, 8);
    if (w->heap_size > MAX_HEAP || w->heap_size > w->size || !(w->heap = malloc(w->heap_size + 1)))
        return false;
    return get(w, number(head + 24, 8), w->heap, w->heap_size) && check_free_list(w, number(head + 16, 8));
}

/* A name must end inside its heap. */
static bool check_name(const walk *w, uint64_t offset)
{
    return offset < w->heap_size && memchr(w->heap + offset, 0, w->heap_size - offset);
}

/* ---- trees of names ---- */

static bool check_leaf(walk *w, uint64_t address)
{
    uint8_t head[8], entry[40];
    if (!visit(w) || !get(w, address, head, sizeof head) || memcmp(head, "SNOD", 4) != 0)
        return false;
    uint64_t count = number(head + 6, 2);
    for (uint64_t k = 0; k < count; k++) {
        if (!get(w, address + 8 + 40 * k, entry, sizeof entry) || !check_name(w, number(entry, 8)))
            return false;
        if (number(entry + 16, 4) == SOFT_LINK) { /* it is refused when somebody goes there */
            if (!check_name(w, number(entry + 24, 4)))
                return false;
        } else if (!add_header(w, number(entry + 8, 8))) {
            return false;
        }
    }
    return true;
}

static bool check_tree(walk *w, uint64_t address, int above)
{
    uint8_t head[24], pair[24];
    if (!visit(w) || !get(w, address, head, sizeof head) || memcmp(head, "TREE", 4) != 0 || head[4] != 0)
        return false;
    int level = head[5];
    uint64_t count = number(head + 6, 2);
    if (level >= above)
        return false;
    for (uint64_t k = 0; k < count; k++) { /* key, child, next key */
        if (!get(w, address + 24 + 16 * k, pair, sizeof pair) || !check_name(w, number(pair, 8)) ||
            !check_name(w, number(pair + 16, 8)))
            return false;
        uint64_t child = number(pair + 8, 8);
        if (level > 0 ? !check_tree(w, child, level) : !check_leaf(w, child))
            return false;
    }
    return true;
}

/* ---- object headers ---- */

static bool check_messages(walk *w, uint64_t address, uint64_t size, int depth)
{
    uint8_t message[24];
    for (uint64_t at = 0; at + 8 <= size;) {
        if (!visit(w) || !get(w, address + at, message, 8))
            return false;
        uint64_t type = number(message, 2), length = number(message + 2, 2);
        if (length > size - at - 8)
            return false;
        if (type == SYMBOL_TABLE || type == CONTINUATION) {
            if (length < 16 || !get(w, address + at, message, 24))
                return false;
            uint64_t first = number(message + 8, 8), second = number(message + 16, 8);
            if (type == CONTINUATION && (depth > 64 || !check_messages(w, first, second, depth + 1)))
                return false;
            if (type == SYMBOL_TABLE && (!load_heap(w, second) || !check_tree(w, first, MAX_LEVEL)))
                return false;
        }
        at += 8 + length;
    }
    return true;
}

static bool check_header(walk *w, uint64_t address)
{
    uint8_t head[16];
    if (!visit(w) || !get(w, address, head, sizeof head))
        return false;
    if (memcmp(head, "OHDR", 4) == 0)
        return true;
    return head[0] == 1 && check_messages(w, address + 16, number(head + 8, 4), 0);
}

/* ---- the file ---- */

/* The superblock lies at 0, 512, 1024, ... */
static bool find_superblock(walk *w, uint8_t *head, uint64_t size)
{
    for (uint64_t at = 0; at < w->size; at = at ? at * 2 : 512)
        if (get(w, at, head, size) && memcmp(head, "\211HDF\r\n\032\n", 8) == 0)
            return true;
    return false;
}

static bool check_file(walk *w)
{
    uint8_t head[100];
    if (!find_superblock(w, head, sizeof head))
        return false;
    if (head[8] >= 2)
        return true;
    int more = head[8] == 1 ? 4 : 0; /* version 1 has two numbers more */
    if (head[13] != 8 || head[14] != 8)
        return false; /* addresses of 8 bytes are all that is ever written */
    w->base = number(head + 24 + more, 8);
    if (w->base > w->size)
        return false;
    const uint8_t *root = head + 56 + more;
    if (!add_header(w, number(root + 8, 8)))
        return false;
    while (w->done < w->n)
        if (!check_header(w, w->headers[w->done++]))
            return false;
    return true;
}

bool moru_hdf5_check(int fd, const void *bytes, int64_t size)
{
    walk w = {.fd = fd, .bytes = bytes, .size = (uint64_t)size};
    bool ok = size > 0 && check_file(&w);
    free(w.headers);
    free(w.heap);
    return ok;
}
