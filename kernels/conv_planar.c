/* Convolution with a few output channels: vectors run along the pixels of a row, the weights are the scalars. The
 * source is copied with its channels apart, [c][rows][width], so that the neighbours of a pixel lie side by side;
 * the results, one vector per output channel, are zipped together again on their way out. */
#include "kernels/conv.h"

/* Vectors of pixels held at once for so many output channels */
#if MORU_VECTOR_BYTES == 64
#define VECTORS(columns) ((columns) <= 2 ? 8 : (columns) <= 4 ? 6 : (columns) <= 6 ? 2 : 3)
#else
#define VECTORS(columns) ((columns) <= 2 ? 4 : 3)
#endif
#define MOST_VECTORS 8

bool MORU_KERNEL(conv_planar_fits)(const conv_walk *w, int64_t groups, int64_t columns)
{
    if (w->volume || groups != 1 || w->step_x != 1 || columns < 1 || columns > PLANAR_COLUMNS ||
        w->taps_y * w->taps_x * w->depth == 0)
        return false;
    /* lanes in use: columns of a vector against pixels of a row's vectors */
    return 4 * w->grid_w * tile_vectors(columns) > 5 * columns * tile_vectors(w->grid_w);
}

/* The room after a plane takes what whole vectors write and read past its end. */
int64_t MORU_KERNEL(conv_plane_size)(const conv_blocks *b)
{
    return b->source_rows * b->width + LANES;
}

size_t MORU_KERNEL(conv_planes_bytes)(const conv_walk *w, const conv_blocks *b)
{
    return round_up((size_t)(MORU_KERNEL(conv_plane_size)(b) * w->channels) * sizeof(moru_real));
}

static size_t taps_bytes(const conv_walk *w)
{
    return round_up((size_t)(w->taps_y * w->taps_x * w->depth) * sizeof(int64_t));
}

size_t MORU_KERNEL(conv_planar_workspace)(const conv_walk *w, int threads)
{
    conv_blocks b = MORU_KERNEL(conv_blocks)(w, true);
    return taps_bytes(w) + (size_t)max(threads, 1) * MORU_KERNEL(conv_planes_bytes)(w, &b);
}

/* Where c numbers of each pixel lie: lane j of a dense vector in one with `wide` places a pixel, and the other way */
#define DENSE(c, wide, j) ((j) / (c) * (wide) + (j) % (c))
#define SPREAD(c, wide, j) ((j) / (wide) * (c) + ((j) % (wide) < (c) ? (j) % (wide) : (c) - 1))
#define EACH(f, c, wide) \
    {f(c, wide, 0), f(c, wide, 1), f(c, wide, 2), f(c, wide, 3), f(c, wide, 4), f(c, wide, 5), f(c, wide, 6), \
     f(c, wide, 7), f(c, wide, 8), f(c, wide, 9), f(c, wide, 10), f(c, wide, 11), f(c, wide, 12), f(c, wide, 13), \
     f(c, wide, 14), f(c, wide, 15)}
#define EACH_CHANNELS(f) \
    {EACH(f, 1, 1), EACH(f, 2, 2), EACH(f, 3, 4), EACH(f, 4, 4), EACH(f, 5, 8), EACH(f, 6, 8), EACH(f, 7, 8), \
     EACH(f, 8, 8)}
static const moru_lane_int dense_lanes[8][16] = EACH_CHANNELS(DENSE), spread_lanes[8][16] = EACH_CHANNELS(SPREAD);

KERNEL_INLINE ivec load_lanes(const moru_lane_int *lanes)
{
    ivec v;
    memcpy(&v, lanes, sizeof v);
    return v;
}

/* `wide` is c, rounded up to a power of 2: the pixels of a vector are spread to that distance, the vectors unzipped. */
KERNEL_INLINE void part_few(const moru_real *x, int64_t n, int64_t c, const int wide, moru_real *out, int64_t plane,
                            int64_t apart)
{
    const ivec even = EVEN, odd = ODD, spread = load_lanes(spread_lanes[c - 1]);
    const int64_t pixels = LANES / wide;
    for (int64_t i = 0; i < n; i += LANES, out += apart) {
        vec v[8], t[8];
#pragma GCC unroll 8
        for (int f = 0; f < wide; f++) {
            int64_t there = max(min(pixels, n - i - f * pixels), 0);
            v[f] = __builtin_shuffle(vec_load_part(x + (i + f * pixels) * c, there * c), spread);
        }
#pragma GCC unroll 3
        for (int round = 1; round < wide; round *= 2) {
#pragma GCC unroll 4
            for (int f = 0; f < wide / 2; f++) {
                t[f] = __builtin_shuffle(v[2 * f], v[2 * f + 1], even);
                t[f + wide / 2] = __builtin_shuffle(v[2 * f], v[2 * f + 1], odd);
            }
#pragma GCC unroll 8
            for (int f = 0; f < wide; f++)
                v[f] = t[f];
        }
#pragma GCC unroll 8
        for (int f = 0; f < wide; f++)
            if (f < c)
                vec_store(out + f * plane, v[f]);
    }
}

void MORU_KERNEL(part_channels)(const moru_real *x, int64_t n, int64_t c, moru_real *out, int64_t plane, int64_t apart)
{
    if (c == 1)
        part_few(x, n, c, 1, out, plane, apart);
#if PLANAR_COLUMNS >= 2
    else if (c == 2)
        part_few(x, n, c, 2, out, plane, apart);
#endif
#if PLANAR_COLUMNS >= 4
    else if (c <= 4)
        part_few(x, n, c, 4, out, plane, apart);
#endif
#if PLANAR_COLUMNS >= 8
    else
        part_few(x, n, c, 8, out, plane, apart);
#endif
}

KERNEL_INLINE void clear(moru_real *p, int64_t n)
{
    for (; n > 0; n -= LANES, p += LANES)
        vec_store_part(p, vec_zero(), min(n, LANES));
}

static void copy_row(const moru_real *x, int64_t n, int64_t c, moru_real *out, int64_t plane)
{
    if (c == 1)
        memcpy(out, x, (size_t)n * sizeof(moru_real));
    else if (c <= PLANAR_COLUMNS)
        MORU_KERNEL(part_channels)(x, n, c, out, plane, LANES);
    else
        MORU_KERNEL(transpose)(x, c, n, c, out, plane);
}

void MORU_KERNEL(conv_copy_planes)(const conv_walk *w, const conv_blocks *b, const moru_real *image, int64_t y,
                                   int64_t rows, moru_real *planes)
{
    int64_t plane = MORU_KERNEL(conv_plane_size)(b), width = b->width;
    int64_t left = min(max(-w->x0, 0), width), end = max(min(w->w - w->x0, width), left);
    for (int64_t k = 0; k < w->channels; k++)
        clear(planes + k * plane + rows * width, plane - rows * width);
    for (int64_t r = y; r < y + rows; r++, planes += width) {
        bool inside = r >= 0 && r < w->h;
        if (inside)
            copy_row(image + (r * w->w + w->x0 + left) * w->channels, end - left, w->channels, planes + left, plane);
        for (int64_t k = 0; k < w->channels; k++) {
            moru_real *row = planes + k * plane;
            clear(row, inside ? left : width);
            if (inside)
                clear(row + end, width - end);
        }
    }
}

/* Vectors of pixels: where their patches begin and where their results go */
typedef struct pixels {
    const moru_real *from[MOST_VECTORS];
    moru_real *to[MOST_VECTORS];
    int64_t count[MOST_VECTORS]; /* pixels that are there */
    int64_t first, end;          /* rows of b that count */
} pixels;

/* n pixels of `columns` channels each from one vector per channel */
KERNEL_INLINE void store_pixels(const vec *sums, int columns, moru_real *out, int64_t out_pixel, int64_t n)
{
    if (columns == 1 && out_pixel == 1) {
        vec_store_part(out, sums[0], n);
        return;
    }
    const ivec low = ZIP_LOW, high = ZIP_HIGH;
    const int wide = columns <= 1 ? 1 : columns <= 2 ? 2 : columns <= 4 ? 4 : 8;
    vec v[8], t[8];
#pragma GCC unroll 8
    for (int f = 0; f < wide; f++)
        v[f] = f < columns ? sums[f] : vec_zero();
#pragma GCC unroll 3
    for (int round = 1; round < wide; round *= 2) {
#pragma GCC unroll 4
        for (int i = 0; i < wide / 2; i++) {
            t[2 * i] = __builtin_shuffle(v[i], v[i + wide / 2], low);
            t[2 * i + 1] = __builtin_shuffle(v[i], v[i + wide / 2], high);
        }
#pragma GCC unroll 8
        for (int i = 0; i < wide; i++)
            v[i] = t[i];
    }
    const int64_t there = LANES / wide; /* pixels of a vector */
    if (out_pixel == columns) {
        const ivec dense = load_lanes(dense_lanes[columns - 1]);
#pragma GCC unroll 8
        for (int i = 0; i < wide; i++) {
            vec packed = columns == wide ? v[i] : __builtin_shuffle(v[i], dense);
            int64_t rest = n - i * there;
            if (rest * columns >= LANES) /* what is too much, the next vector writes over */
                vec_store(out + i * there * columns, packed);
            else
                vec_store_part(out + i * there * columns, packed, max(min(rest, there), 0) * columns);
        }
        return;
    }
    moru_real zipped[8 * MORU_VECTOR_BYTES / sizeof(moru_real) + MORU_VECTOR_BYTES / sizeof(moru_real)];
#pragma GCC unroll 8
    for (int i = 0; i < wide; i++)
        vec_store(zipped + i * LANES, v[i]);
    for (int64_t i = 0; i < n; i++)
        vec_store_part(out + i * out_pixel, vec_load(zipped + i * wide), columns);
}

KERNEL_INLINE void run_pixels(const conv_product *p, const int64_t *taps, const pixels *at, const int columns)
{
    const int vectors = VECTORS(columns);
    vec sums[MOST_VECTORS][8], x[MOST_VECTORS];
    const moru_real *from[MOST_VECTORS], *b = p->b + at->first * p->ldb;
    int64_t ldb = p->ldb;
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
        from[j] = at->from[j];
#pragma GCC unroll 8
        for (int f = 0; f < columns; f++)
            sums[j][f] = p->bias ? vec_set(p->bias[f]) : vec_zero();
    }
    for (int64_t i = at->first; i < at->end; i++, b += ldb) {
        int64_t tap = taps[i];
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++)
            x[j] = vec_load(from[j] + tap);
#pragma GCC unroll 8
        for (int f = 0; f < columns; f++) {
            vec weight = vec_set(b[f]);
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++)
                sums[j][f] += x[j] * weight;
        }
    }
    bool relu = p->activation == ACTIVATION_RELU;
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
        if (relu)
#pragma GCC unroll 8
            for (int f = 0; f < columns; f++)
                sums[j][f] = vec_max(vec_zero(), sums[j][f]);
        store_pixels(sums[j], columns, at->to[j], p->out_pixel, at->count[j]);
    }
}

typedef void pixels_fn(const conv_product *p, const int64_t *taps, const pixels *at);

#define PIXELS(columns) \
    static void pixels_##columns(const conv_product *p, const int64_t *taps, const pixels *at) \
    { \
        run_pixels(p, taps, at, columns); \
    }
PIXELS(1)
#if PLANAR_COLUMNS >= 2
PIXELS(2)
#endif
#if PLANAR_COLUMNS >= 4
PIXELS(3)
PIXELS(4)
#endif
#if PLANAR_COLUMNS >= 8
PIXELS(5)
PIXELS(6)
PIXELS(7)
PIXELS(8)
#endif

static pixels_fn *const run_columns[PLANAR_COLUMNS] = {
    pixels_1,
#if PLANAR_COLUMNS >= 2
    pixels_2,
#endif
#if PLANAR_COLUMNS >= 4
    pixels_3, pixels_4,
#endif
#if PLANAR_COLUMNS >= 8
    pixels_5, pixels_6, pixels_7, pixels_8,
#endif
};

/* Offsets of the taps in the planes, in the order of b's rows */
static void fill_taps(const conv_walk *w, const conv_blocks *b, int64_t *taps)
{
    for (int64_t ty = 0; ty < w->taps_y; ty++)
        for (int64_t tx = 0; tx < w->taps_x; tx++)
            for (int64_t c = 0; c < w->depth; c++)
                *taps++ = c * MORU_KERNEL(conv_plane_size)(b) + ty * w->apart_y * b->width + tx * w->apart_x;
}

static void activate_rows(const conv_product *p, moru_real *out, int64_t rows)
{
    moru_unary_fn *f = MORU_KERNEL(table).unary[p->activation - 1];
    int64_t w = p->walk.grid_w;
    bool dense = p->out_pixel == p->columns;
    for (; rows > 0; rows--, out += p->out_row)
        for (int64_t i = 0; i < (dense ? 1 : w); i++)
            f(out + i * p->out_pixel, out + i * p->out_pixel, dense ? w * p->columns : p->columns, p->params);
}

static void run_block(const conv_product *p, const conv_blocks *b, const int64_t *taps, int64_t task, moru_real *planes)
{
    const conv_walk *w = &p->walk;
    int64_t image = task / b->blocks, first = task % b->blocks * b->rows, rows = min(b->rows, w->grid_h - first);
    if (rows <= 0)
        return;
    MORU_KERNEL(conv_copy_planes)(w, b, p->x + image * w->h * w->w * w->channels, first * w->step_y + w->y0,
                (rows - 1) * w->step_y + (w->taps_y - 1) * w->apart_y + 1, planes);
    moru_real *out = p->out + image * p->out_image + first * p->out_row;
    int64_t per_row = tile_vectors(w->grid_w), vectors = rows * per_row;
    int64_t together = VECTORS(p->columns);
    for (int64_t v = 0; v < vectors; v += together) {
        pixels at;
        for (int64_t j = 0; j < together; j++) {
            /* those past the end repeat the last one and store nothing */
            int64_t index = min(v + j, vectors - 1), row = index / per_row, column = index % per_row * LANES;
            at.from[j] = planes + row * w->step_y * b->width + column;
            at.to[j] = out + row * p->out_row + column * p->out_pixel;
            at.count[j] = v + j < vectors ? min(LANES, w->grid_w - column) : 0;
        }
        conv_live_taps(w, first + v / per_row, first + (min(v + together, vectors) - 1) / per_row, &at.first, &at.end);
        at.first *= w->taps_x * w->depth;
        at.end *= w->taps_x * w->depth;
        run_columns[p->columns - 1](p, taps, &at);
    }
    if (p->activation && p->activation != ACTIVATION_RELU)
        activate_rows(p, out, rows);
}

void MORU_KERNEL(conv_planar)(const conv_product *p, void *workspace, int threads)
{
    const conv_walk *w = &p->walk;
    conv_blocks b = MORU_KERNEL(conv_blocks)(w, true);
    int64_t *taps = workspace;
    fill_taps(w, &b, taps);
    char *buffers = (char *)workspace + taps_bytes(w);
    size_t bytes = MORU_KERNEL(conv_planes_bytes)(w, &b);
    int64_t tasks = w->images * b.blocks, size = w->images * w->grid_h * w->grid_w * p->columns;
    int parts = (int)min(product_threads(size * (w->taps_y * w->taps_x * w->depth), threads), tasks);
    PARALLEL(parts, for (int part = 0; part < parts; part++)
        for (int64_t task = tasks * part / parts; task < tasks * (part + 1) / parts; task++)
            run_block(p, &b, taps, task, (moru_real *)(buffers + (size_t)part * bytes)));
}
