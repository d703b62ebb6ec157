/* HDF5's older format carries no checksums, and the HDF5 library trusts it: a wrong size of a heap, a name without an
 * end, an address beyond the file lead it out of its memory. So everything it follows is walked through before the
 * library sees the file. The newer format (superblock 2 and later, object headers "OHDR") has checksums, which the
 * library verifies, but for the heaps of texts: headers are walked through for their sake. */
#include "formats/hdf5_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINK_INFO = 0x02, LINK = 0x06, EXTERNAL_FILES = 0x07, LAYOUT = 0x08, ATTRIBUTE = 0x0c, SHARED_TABLE = 0x0f,
       CONTINUATION = 0x10, SYMBOL_TABLE = 0x11, ATTRIBUTE_INFO = 0x15 }; /* messages of object headers */
enum { GROUP_LINK = 1, SOFT_LINK = 2 }; /* what a group's entry remembers of its object */
enum { MAX_HEAP = 64 << 20, MAX_LEVEL = 32, MAX_DEPTH = 64, MAX_DIMENSIONS = 32, MAX_MESSAGE = 65536 };
#define UNDEFINED UINT64_MAX

typedef struct walk {
    int fd;                  /* -1: the bytes lie in memory */
    const uint8_t *bytes;
    uint64_t size, base;     /* of the file; addresses count from base */
    uint64_t *headers;       /* object headers, seen and waiting */
    int64_t n, done, capacity;
    int64_t visits;          /* of anything: more than the file has room for is a loop */
    bool hidden;             /* there are things in heaps of the newer format, which aren't walked through */
    uint8_t *heap;           /* names of the group at hand */
    uint64_t heap_size;
    uint64_t globals;        /* address of the collection of texts at hand; 0: none */
    uint64_t *lengths;       /* of its objects, by number; UNDEFINED: there is none */
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
    if (address > w->size - w->base || n > w->size - w->base - address)
        return false;
    uint64_t at = w->base + address;
    if (w->fd < 0)
        memcpy(buffer, w->bytes + at, n);
    return w->fd < 0 || pread(w->fd, buffer, n, (off_t)at) == (ssize_t)n;
}

static bool inside(const walk *w, uint64_t address, uint64_t n)
{
    return address <= w->size - w->base && n <= w->size - w->base - address;
}

/* An address that may be unset. */
static bool may_follow(const walk *w, const uint8_t *bytes)
{
    uint64_t address = number(bytes, 8);
    return address == UNDEFINED || inside(w, address, 1);
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
        uint64_t kind = number(entry + 16, 4);
        if (kind == SOFT_LINK) { /* it is refused when somebody goes there */
            if (!check_name(w, number(entry + 24, 4)))
                return false;
            continue;
        }
        if (kind > GROUP_LINK || !add_header(w, number(entry + 8, 8)))
            return false;
        if (kind == GROUP_LINK && (!inside(w, number(entry + 24, 8), 24) || !inside(w, number(entry + 32, 8), 32)))
            return false;
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

/* ---- data ---- */

/* The tree of a data set's chunks: keys {size, filters, offsets...}, children between them. */
static bool check_chunks(walk *w, uint64_t address, int dimensions, int above)
{
    uint8_t head[24], key[8], child[8];
    uint64_t step = 16 + 8 * (uint64_t)dimensions;
    if (!visit(w) || !get(w, address, head, sizeof head) || memcmp(head, "TREE", 4) != 0 || head[4] != 1)
        return false;
    int level = head[5];
    uint64_t count = number(head + 6, 2);
    if (level >= above || !may_follow(w, head + 8) || !may_follow(w, head + 16))
        return false;
    for (uint64_t k = 0; k < count; k++) {
        uint64_t at = address + 24 + step * k;
        if (!get(w, at, key, 8) || !get(w, at + step - 8, child, 8))
            return false;
        uint64_t below = number(child, 8);
        if (level > 0 ? !check_chunks(w, below, dimensions, level) : !inside(w, below, number(key, 4)))
            return false;
    }
    return true;
}

static bool check_layout(walk *w, const uint8_t *m, uint64_t length)
{
    enum { COMPACT, CONTIGUOUS, CHUNKED, VIRTUAL };
    if (length < 2)
        return false;
    bool old = m[0] < 3; /* {version, dimensions, class, 5 unused}; then as below, {version, class} */
    uint64_t kind = old ? m[length > 2 ? 2 : 0] : m[1], at = old ? 8 : kind == CHUNKED ? 3 : 2;
    int dimensions = old ? m[1] : m[length > 2 ? 2 : 0];
    if (m[0] < 1 || m[0] > 4 || (m[0] == 4 && kind != VIRTUAL) || kind > VIRTUAL)
        return false;
    if (kind == COMPACT)
        return true;
    if (length < at + 8 || !may_follow(w, m + at))
        return false;
    uint64_t address = number(m + at, 8);
    if (address == UNDEFINED)
        return true;
    if (kind == CONTIGUOUS && !old)
        return length >= at + 16 && inside(w, address, number(m + at + 8, 8));
    return kind != CHUNKED || (dimensions > 0 && dimensions <= MAX_DIMENSIONS + 1 &&
                               check_chunks(w, address, dimensions, MAX_LEVEL));
}

/* Every object of a global heap collection is looked at, as the HDF5 library does when it loads it. Lists of names have
 * many texts in one collection, which is loaded once for them. */
static bool load_globals(walk *w, uint64_t address)
{
    uint8_t head[16], object[16];
    if (w->globals == address && address != 0)
        return true;
    w->globals = 0;
    if (!w->lengths && !(w->lengths = malloc(65536 * sizeof *w->lengths)))
        return false;
    if (!visit(w) || !get(w, address, head, sizeof head) || memcmp(head, "GCOL", 4) != 0 || head[4] != 1)
        return false;
    uint64_t size = number(head + 8, 8), n;
    if (size < 4096 || !inside(w, address, size)) /* the least that is ever written */
        return false;
    memset(w->lengths, 0xff, 65536 * sizeof *w->lengths);
    for (uint64_t at = 16; at + 16 <= size; at += 16 + (n + 7) / 8 * 8) {
        if (!visit(w) || !get(w, address + at, object, sizeof object))
            return false;
        n = number(object + 8, 8);
        if (number(object, 2) == 0) { /* the rest is free; its own head counts */
            if (n != size - at)
                return false;
            break;
        }
        if (n > size - at - 16)
            return false;
        w->lengths[number(object, 2)] = n; /* of two of one number the library takes the last */
    }
    w->globals = address;
    return true;
}

/* Object `index` of a global heap collection must be there, and be of length bytes. */
static bool check_global(walk *w, uint64_t address, uint64_t index, uint64_t length)
{
    return load_globals(w, address) && index > 0 && index < 65536 && w->lengths[index] == length;
}

/* Number of elements of a data space of n bytes: {version, rank, flags, ...}, sizes from byte 8 or, in version 2, 4. */
static bool count_elements(const uint8_t *m, uint64_t n, uint64_t *count)
{
    uint64_t at = n >= 4 && m[0] == 1 ? 8 : 4;
    *count = n >= 4 && m[0] == 2 && m[3] == 2 ? 0 : 1; /* 2: a space of nothing */
    if (n < at || m[0] < 1 || m[0] > 2 || m[1] > MAX_DIMENSIONS || n < at + 8 * (uint64_t)m[1])
        return false;
    for (int k = 0; k < m[1]; k++)
        if (__builtin_mul_overflow(*count, number(m + at + 8 * k, 8), count))
            return false;
    return true;
}

/* Texts and other things of variable length lie elsewhere: {length, address, index} each. */
static bool check_attribute(walk *w, const uint8_t *m, uint64_t length)
{
    enum { VARIABLE_LENGTH = 9 };
    if (length < 9 || m[0] < 1 || m[0] > 3)
        return false;
    uint64_t pad = m[0] == 1 ? 7 : 0, head = m[0] == 3 ? 9 : 8;
    uint64_t name = (number(m + 2, 2) + pad) & ~pad, type = (number(m + 4, 2) + pad) & ~pad;
    uint64_t space = (number(m + 6, 2) + pad) & ~pad, data = head + name + type + space;
    uint64_t count, bytes;
    if (name == 0 || type < 8 || data > length || !memchr(m + head, 0, name))
        return false;
    if (m[0] > 1 && m[1] != 0) /* its type or space lies elsewhere */
        return true;
    if (!count_elements(m + head + name + type, space, &count) ||
        __builtin_mul_overflow(count, number(m + head + name + 4, 4), &bytes) || bytes > length - data)
        return false;
    if ((m[head + name] & 15) != VARIABLE_LENGTH)
        return true;
    uint64_t element = type >= 16 ? number(m + head + name + 12, 4) : 0; /* size of what the sequence is of */
    if (element == 0)
        return false;
    for (uint64_t end = data + bytes; data + 16 <= end; data += 16)
        if (number(m + data + 4, 8) != 0 && /* 0: nothing there */
            !check_global(w, number(m + data + 4, 8), number(m + data + 12, 4), number(m + data, 4) * element))
            return false;
    return true;
}

/* ---- object headers ---- */

/* Where a message that is shared between objects lies. */
static bool check_shared(const walk *w, const uint8_t *m, uint64_t length)
{
    uint64_t at = length > 0 && m[0] == 1 ? 8 : 2;
    return length >= at + 8 && inside(w, number(m + at, 8), 8);
}

/* {version, flags, [kind], [order], [character set], length of the name, name, address}; the name's length takes 1, 2,
 * 4 or 8 bytes. */
static bool check_link(walk *w, const uint8_t *m, uint64_t length)
{
    enum { HAS_ORDER = 4, HAS_KIND = 8, HAS_CHARSET = 16, USERS_KINDS = 64 };
    if (length < 2 || m[0] != 1 || m[1] > 31)
        return false;
    uint64_t at = 2, digits = UINT64_C(1) << (m[1] & 3);
    int kind = m[1] & HAS_KIND && length > 2 ? m[2] : 0;
    at += (m[1] & HAS_KIND ? 1 : 0) + (m[1] & HAS_ORDER ? 8 : 0) + (m[1] & HAS_CHARSET ? 1 : 0);
    if (length < at + digits || (kind > 1 && kind < USERS_KINDS) || (m[1] & HAS_CHARSET && m[at - 1] > 1))
        return false;
    uint64_t name = number(m + at, (int)digits);
    at += digits;
    if (name == 0 || name > length - at)
        return false;
    at += name;
    if (kind != 0) /* soft and external ones are refused when somebody goes there */
        return length > at + 2 && number(m + at, 2) > 0 && number(m + at, 2) <= length - at - 2;
    return length >= at + 8 && inside(w, number(m + at, 8), 16) && add_header(w, number(m + at, 8));
}

/* Addresses in a row, after a head of n bytes. */
static bool check_addresses(const walk *w, const uint8_t *m, uint64_t length, uint64_t n, int count)
{
    for (int k = 0; k < count; k++)
        if (length < n + 8 * (uint64_t)(k + 1) || !may_follow(w, m + n + 8 * k))
            return false;
    return true;
}

static bool check_messages(walk *w, uint64_t address, uint64_t size, int depth);

static bool check_message(walk *w, int type, int flags, const uint8_t *m, uint64_t length, int depth)
{
    enum { SHARED = 2 };
    if (flags & SHARED)
        return check_shared(w, m, length);
    switch (type) {
    case SYMBOL_TABLE:
        return length >= 16 && load_heap(w, number(m + 8, 8)) && check_tree(w, number(m, 8), MAX_LEVEL);
    case CONTINUATION:
        return length >= 16 && depth < MAX_DEPTH && check_messages(w, number(m, 8), number(m + 8, 8), depth + 1);
    case LAYOUT:
        return check_layout(w, m, length);
    case LINK:
        return check_link(w, m, length);
    case ATTRIBUTE:
        return check_attribute(w, m, length);
    case LINK_INFO:
        w->hidden |= length >= 2 + 8 && number(m + (m[1] & 1 ? 10 : 2), 8) != UNDEFINED;
        return length >= 2 && check_addresses(w, m, length, m[1] & 1 ? 10 : 2, m[1] & 2 ? 3 : 2);
    case ATTRIBUTE_INFO:
        w->hidden |= length >= 4 + 8 && number(m + (m[1] & 1 ? 4 : 2), 8) != UNDEFINED;
        return length >= 2 && check_addresses(w, m, length, m[1] & 1 ? 4 : 2, m[1] & 2 ? 3 : 2);
    case EXTERNAL_FILES:
        return check_addresses(w, m, length, 8, 1);
    case SHARED_TABLE:
        return check_addresses(w, m, length, 1, 1);
    default:
        return true;
    }
}

static bool check_messages(walk *w, uint64_t address, uint64_t size, int depth)
{
    uint8_t head[8];
    bool ok = true;
    uint8_t *message = malloc(MAX_MESSAGE);
    for (uint64_t at = 0; ok && message && at + 8 <= size;) {
        ok = visit(w) && get(w, address + at, head, 8);
        uint64_t length = ok ? number(head + 2, 2) : 0;
        ok = ok && length <= size - at - 8 && get(w, address + at + 8, message, length) &&
             check_message(w, (int)number(head, 2), head[4], message, length, depth);
        at += 8 + length;
    }
    ok = ok && message;
    free(message);
    return ok;
}

/* Messages of the newer format: {type, length of 2 bytes, flags, [order]}. Checksums vouch for all but what they point
 * to. */
static bool check_new_messages(walk *w, uint64_t address, uint64_t size, uint64_t head_size, int depth)
{
    uint8_t head[8];
    bool ok = true;
    uint8_t *message = malloc(MAX_MESSAGE);
    for (uint64_t at = 0; ok && message && at + head_size <= size;) {
        ok = visit(w) && get(w, address + at, head, head_size);
        uint64_t length = ok ? number(head + 1, 2) : 0;
        ok = ok && length <= size - at - head_size && get(w, address + at + head_size, message, length);
        if (ok && head[0] == CONTINUATION) /* "OCHK", messages, checksum */
            ok = length >= 16 && depth < MAX_DEPTH && number(message + 8, 8) >= 8 &&
                 check_new_messages(w, number(message, 8) + 4, number(message + 8, 8) - 8, head_size, depth + 1);
        else if (ok && (head[0] == LINK || head[0] == ATTRIBUTE || head[0] == LINK_INFO || head[0] == ATTRIBUTE_INFO))
            ok = check_message(w, head[0], head[3], message, length, depth);
        at += head_size + length;
    }
    ok = ok && message;
    free(message);
    return ok;
}

/* {"OHDR", version, flags, [4 times], [2 limits], size of 1, 2, 4 or 8 bytes}, messages, checksum */
static bool check_new_header(walk *w, uint64_t address, const uint8_t *head)
{
    enum { HAS_ORDER = 4, HAS_LIMITS = 16, HAS_TIMES = 32 };
    uint8_t size[8];
    int flags = head[5];
    uint64_t at = 6 + (flags & HAS_TIMES ? 16 : 0) + (flags & HAS_LIMITS ? 4 : 0), digits = UINT64_C(1) << (flags & 3);
    if (!get(w, address + at, size, digits))
        return false;
    return check_new_messages(w, address + at + digits, number(size, (int)digits), flags & HAS_ORDER ? 6 : 4, 0);
}

static bool check_header(walk *w, uint64_t address)
{
    uint8_t head[16];
    if (!visit(w) || !get(w, address, head, sizeof head))
        return false;
    if (memcmp(head, "OHDR", 4) == 0)
        return check_new_header(w, address, head);
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

static bool check_headers(walk *w, uint64_t root)
{
    if (!add_header(w, root))
        return false;
    while (w->done < w->n)
        if (!check_header(w, w->headers[w->done++]))
            return false;
    return true;
}

static bool check_new_file(walk *w, const uint8_t *head)
{
    w->base = number(head + 12, 8);
    if (head[9] != 8 || head[10] != 8 || w->base > w->size) {
        w->base = 0;
        return false;
    }
    return check_headers(w, number(head + 36, 8));
}

static bool check_file(walk *w)
{
    uint8_t head[100];
    if (!find_superblock(w, head, sizeof head))
        return false;
    if (head[8] >= 2)
        return check_new_file(w, head);
    int more = head[8] == 1 ? 4 : 0; /* version 1 has two numbers more */
    if (head[13] != 8 || head[14] != 8)
        return false; /* addresses of 8 bytes are all that is ever written */
    w->base = number(head + 24 + more, 8);
    if (w->base > w->size) {
        w->base = 0;
        return false;
    }
    const uint8_t *root = head + 56 + more;
    if (!may_follow(w, head + 32 + more) || !may_follow(w, head + 48 + more))
        return false;
    uint64_t kind = number(root + 16, 4);
    if (kind > GROUP_LINK || (kind == GROUP_LINK && (!inside(w, number(root + 24, 8), 24) ||
                                                     !inside(w, number(root + 32, 8), 32))))
        return false;
    return check_headers(w, number(root + 8, 8));
}

bool moru_hdf5_check(int fd, const void *bytes, int64_t size, bool *hidden)
{
    walk w = {.fd = fd, .bytes = bytes, .size = (uint64_t)size};
    bool ok = size > 0 && check_file(&w);
    *hidden = w.hidden;
    free(w.headers);
    free(w.heap);
    free(w.lengths);
    return ok;
}
