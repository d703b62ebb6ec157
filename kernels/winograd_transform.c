/* The transforms, vectors running along the channels. Each is a transform of columns, then one of rows. */
#include "kernels/winograd.h"

#define ROOT_HALF ((moru_real)0.70710678118654752440)
#define ROOT_TWO ((moru_real)1.41421356237309504880)
#define STRIP 8 /* tiles whose source columns are transformed together: neighbours share two of six */
#define STRIP_PIXELS (STRIP * WINOGRAD_OUT + 2)

/* B': 6 to 6 */
KERNEL_INLINE void source_points(const vec d[6], vec v[6])
{
    const vec half = vec_set((moru_real)0.5), root_half = vec_set(ROOT_HALF), root_two = vec_set(ROOT_TWO);
    vec even = d[4] - (d[2] + d[2]), odd = root_half * (d[3] - (d[1] + d[1]));
    vec even_2 = d[4] - half * d[2], odd_2 = root_two * (d[3] - half * d[1]);
    v[0] = (d[0] + d[4]) - vec_set((moru_real)2.5) * d[2];
    v[1] = even + odd;
    v[2] = even - odd;
    v[3] = even_2 + odd_2;
    v[4] = even_2 - odd_2;
    v[5] = (d[1] + d[5]) - vec_set((moru_real)2.5) * d[3];
}

/* A': 6 to 4 */
KERNEL_INLINE void gather_points(const vec m[6], vec y[4])
{
    const vec half = vec_set((moru_real)0.5), two = vec_set(2);
    vec even = m[1] + m[2], even_2 = m[3] + m[4];
    vec odd = vec_set(ROOT_HALF) * (m[1] - m[2]), odd_2 = vec_set(ROOT_TWO) * (m[3] - m[4]);
    y[0] = m[0] + even + even_2;
    y[1] = odd + odd_2;
    y[2] = half * even + two * even_2;
    y[3] = m[5] + half * odd + two * odd_2;
}

/* A: 4 to 6 */
KERNEL_INLINE void spread_points(const vec y[4], vec d[6])
{
    const vec half = vec_set((moru_real)0.5), two = vec_set(2);
    vec even = y[0] + half * y[2], odd = vec_set(ROOT_HALF) * (y[1] + half * y[3]);
    vec even_2 = y[0] + two * y[2], odd_2 = vec_set(ROOT_TWO) * (y[1] + two * y[3]);
    d[0] = y[0];
    d[1] = even + odd;
    d[2] = even - odd;
    d[3] = even_2 + odd_2;
    d[4] = even_2 - odd_2;
    d[5] = y[3];
}

/* G: 3 to 6 */
KERNEL_INLINE void weight_points(const vec g[3], vec u[6])
{
    const vec third = vec_set((moru_real)(1.0 / 3)), sixth = vec_set((moru_real)(1.0 / 6));
    vec even = -(third + third) * g[0] - third * g[2], odd = vec_set(-2 * ROOT_HALF / 3) * g[1];
    vec even_2 = sixth * g[0] + third * g[2], odd_2 = vec_set(ROOT_TWO / 6) * g[1];
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = even_2 + odd_2;
    u[4] = even_2 - odd_2;
    u[5] = g[2];
}

/* G': 6 to 3 */
KERNEL_INLINE void weight_grad_points(const vec u[6], vec g[3])
{
    const vec third = vec_set((moru_real)(1.0 / 3)), sixth = vec_set((moru_real)(1.0 / 6));
    vec even = u[1] + u[2], even_2 = u[3] + u[4];
    g[0] = u[0] - (third + third) * even + sixth * even_2;
    g[1] = vec_set(ROOT_TWO / 6) * (u[3] - u[4]) - vec_set(2 * ROOT_HALF / 3) * (u[1] - u[2]);
    g[2] = u[5] + third * (even_2 - even);
}

KERNEL_INLINE vec load_lanes(const moru_real *p, int64_t lanes, bool whole)
{
    return whole ? vec_load(p) : vec_load_part(p, lanes);
}

/* ---- source ---- */

/* The source under a strip of tiles of one row */
typedef struct strip {
    const moru_real *row[WINOGRAD_IN]; /* column 0 of the strip, or NULL outside the image */
    int64_t columns, first, end;       /* in all; those inside the image */
    int64_t tiles;
} strip;

static strip strip_at(const winograd *w, const moru_real *x, int64_t tile, int64_t most)
{
    winograd_place at = winograd_place_of(w, tile);
    strip s = {.tiles = min(min(most, w->tiles_x - at.x / WINOGRAD_OUT), STRIP)};
    int64_t y = at.y + w->y0, left = at.x + w->x0;
    s.columns = s.tiles * WINOGRAD_OUT + 2;
    s.first = min(max(-left, 0), s.columns);
    s.end = max(min(w->w - left, s.columns), s.first);
    for (int64_t r = 0; r < WINOGRAD_IN; r++)
        if (y + r >= 0 && y + r < w->h)
            s.row[r] = x + ((at.image * w->h + y + r) * w->w + left) * w->channels;
    return s;
}

/* Columns of the strip, transformed: out[column][6] */
KERNEL_INLINE void transform_columns(const strip *s, int64_t channel, int64_t channels, vec *out, bool inside,
                                     int64_t lanes, bool whole)
{
    for (int64_t j = 0; j < s->first; j++)
        for (int k = 0; k < WINOGRAD_IN; k++)
            out[j * WINOGRAD_IN + k] = vec_zero();
    for (int64_t j = s->first; j < s->end; j++) {
        vec d[WINOGRAD_IN];
#pragma GCC unroll 6
        for (int r = 0; r < WINOGRAD_IN; r++)
            d[r] = inside || s->row[r] ? load_lanes(s->row[r] + j * channels + channel, lanes, whole) : vec_zero();
        source_points(d, out + j * WINOGRAD_IN);
    }
    for (int64_t j = s->end; j < s->columns; j++)
        for (int k = 0; k < WINOGRAD_IN; k++)
            out[j * WINOGRAD_IN + k] = vec_zero();
}

static void transform_rows(const vec *columns, int64_t tiles, moru_real *out, int64_t ld, int64_t stride)
{
    for (int64_t i = 0; i < tiles; i++, columns += WINOGRAD_OUT * WINOGRAD_IN, out += ld) {
        moru_real *row = out;
#pragma GCC unroll 1
        for (int k = 0; k < WINOGRAD_IN; k++, row += WINOGRAD_IN * stride) {
            vec d[WINOGRAD_IN], v[WINOGRAD_IN];
#pragma GCC unroll 6
            for (int j = 0; j < WINOGRAD_IN; j++)
                d[j] = columns[j * WINOGRAD_IN + k];
            source_points(d, v);
#pragma GCC unroll 6
            for (int j = 0; j < WINOGRAD_IN; j++)
                vec_store(row + j * stride, v[j]);
        }
    }
}

void MORU_KERNEL(winograd_source)(const winograd *w, const moru_real *x, int64_t first, int64_t count, moru_real *out,
                                  int64_t ld, int64_t stride)
{
    vec columns[STRIP_PIXELS * WINOGRAD_IN];
    for (int64_t i = 0; i < count;) {
        strip s = strip_at(w, x, first + i, count - i);
        bool inside = true;
        for (int r = 0; r < WINOGRAD_IN; r++)
            inside = inside && s.row[r];
        for (int64_t c = 0; c < w->channels; c += LANES) {
            int64_t lanes = w->channels - c;
            if (lanes < LANES)
                transform_columns(&s, c, w->channels, columns, false, lanes, false);
            else if (inside)
                transform_columns(&s, c, w->channels, columns, true, LANES, true);
            else
                transform_columns(&s, c, w->channels, columns, false, LANES, true);
            transform_rows(columns, s.tiles, out + i * ld + c, ld, stride);
        }
        i += s.tiles;
    }
}

/* ---- output ---- */

/* Pixels of a tile inside the output */
KERNEL_INLINE int64_t inside(int64_t size, int64_t at)
{
    return min(size - at, WINOGRAD_OUT);
}

/* One vector of a tile; whole: all pixels and lanes are stored. */
KERNEL_INLINE void gather_vector(const winograd *w, const moru_real *m, int64_t stride, vec bias, bool relu,
                                 moru_real *out, int64_t rows, int64_t columns, int64_t lanes, bool whole)
{
    vec half[WINOGRAD_OUT][WINOGRAD_IN]; /* half way: columns of points done */
#pragma GCC unroll 1
    for (int j = 0; j < WINOGRAD_IN; j++, m += stride) {
        vec d[WINOGRAD_IN], y[WINOGRAD_OUT];
#pragma GCC unroll 6
        for (int k = 0; k < WINOGRAD_IN; k++)
            d[k] = vec_load(m + k * WINOGRAD_IN * stride);
        gather_points(d, y);
#pragma GCC unroll 4
        for (int r = 0; r < WINOGRAD_OUT; r++)
            half[r][j] = y[r];
    }
    int64_t height = whole ? WINOGRAD_OUT : rows, pixel = w->columns, row = w->out_w * pixel;
#pragma GCC unroll 1
    for (int64_t r = 0; r < height; r++, out += row) {
        vec y[WINOGRAD_OUT];
        gather_points(half[r], y);
#pragma GCC unroll 4
        for (int j = 0; j < WINOGRAD_OUT; j++) {
            if (whole)
                __builtin_prefetch(out + (WINOGRAD_OUT + j) * pixel, 1);
            y[j] += bias;
            if (relu)
                y[j] = vec_max(vec_zero(), y[j]);
            if (whole)
                vec_store(out + j * pixel, y[j]);
            else if (j < columns)
                vec_store_part(out + j * pixel, y[j], lanes);
        }
    }
}

void MORU_KERNEL(winograd_gather)(const winograd *w, const moru_real *m, int64_t ld, int64_t stride, int64_t first,
                                  int64_t count, int64_t column, int64_t columns, const moru_real *bias, bool relu,
                                  moru_real *out)
{
    for (int64_t i = 0; i < count; i++, m += ld) {
        winograd_place at = winograd_place_of(w, first + i);
        int64_t height = inside(w->out_h, at.y), width = inside(w->out_w, at.x);
        moru_real *pixel = out + ((at.image * w->out_h + at.y) * w->out_w + at.x) * w->columns + column;
        for (int64_t c = 0; c < columns; c += LANES) {
            int64_t lanes = min(columns - c, LANES);
            vec start = bias ? vec_load_part(bias + column + c, lanes) : vec_zero();
            if (height == WINOGRAD_OUT && width == WINOGRAD_OUT && lanes == LANES)
                gather_vector(w, m + c, stride, start, relu, pixel + c, height, width, lanes, true);
            else
                gather_vector(w, m + c, stride, start, relu, pixel + c, height, width, lanes, false);
        }
    }
}

/* ---- gradient of the output ---- */

KERNEL_INLINE void spread_vector(const winograd *w, const moru_real *dy, int64_t rows, int64_t columns, int64_t lanes,
                                 bool whole, moru_real *out, int64_t stride)
{
    vec half[WINOGRAD_OUT][WINOGRAD_IN];
    int64_t row = w->out_w * w->columns;
#pragma GCC unroll 4
    for (int j = 0; j < WINOGRAD_OUT; j++) {
        vec y[WINOGRAD_OUT];
#pragma GCC unroll 4
        for (int r = 0; r < WINOGRAD_OUT; r++) {
            const moru_real *pixel = dy + r * row + j * w->columns;
            y[r] = whole ? vec_load(pixel) : r < rows && j < columns ? vec_load_part(pixel, lanes) : vec_zero();
        }
        spread_points(y, half[j]);
    }
#pragma GCC unroll 1
    for (int k = 0; k < WINOGRAD_IN; k++, out += WINOGRAD_IN * stride) {
        vec y[WINOGRAD_OUT], d[WINOGRAD_IN];
#pragma GCC unroll 4
        for (int j = 0; j < WINOGRAD_OUT; j++)
            y[j] = half[j][k];
        spread_points(y, d);
#pragma GCC unroll 6
        for (int j = 0; j < WINOGRAD_IN; j++)
            vec_store(out + j * stride, d[j]);
    }
}

void MORU_KERNEL(winograd_spread)(const winograd *w, const moru_real *dy, int64_t first, int64_t count, moru_real *out,
                                  int64_t ld, int64_t stride)
{
    for (int64_t i = 0; i < count; i++, out += ld) {
        winograd_place at = winograd_place_of(w, first + i);
        int64_t height = inside(w->out_h, at.y), width = inside(w->out_w, at.x);
        const moru_real *pixel = dy + ((at.image * w->out_h + at.y) * w->out_w + at.x) * w->columns;
        for (int64_t c = 0; c < w->columns; c += LANES) {
            int64_t lanes = min(w->columns - c, LANES);
            if (height == WINOGRAD_OUT && width == WINOGRAD_OUT && lanes == LANES)
                spread_vector(w, pixel + c, height, width, lanes, true, out + c, stride);
            else
                spread_vector(w, pixel + c, height, width, lanes, false, out + c, stride);
        }
    }
}

/* ---- weights ---- */

void MORU_KERNEL(winograd_weights)(const moru_real *weight, int64_t apart, int64_t columns, moru_real *out,
                                   int64_t stride)
{
    for (int64_t c = 0; c < columns; c += LANES) {
        int64_t lanes = min(columns - c, LANES);
        vec half[3][WINOGRAD_IN];
        for (int j = 0; j < 3; j++) {
            vec g[3];
            for (int r = 0; r < 3; r++)
                g[r] = vec_load_part(weight + (r * 3 + j) * apart + c, lanes);
            weight_points(g, half[j]);
        }
        for (int k = 0; k < WINOGRAD_IN; k++) {
            vec g[3], u[WINOGRAD_IN];
            for (int j = 0; j < 3; j++)
                g[j] = half[j][k];
            weight_points(g, u);
            for (int j = 0; j < WINOGRAD_IN; j++)
                vec_store(out + (k * WINOGRAD_IN + j) * stride + c, u[j]);
        }
    }
}

void MORU_KERNEL(winograd_weights_grad)(const moru_real *u, int64_t stride, int64_t columns, moru_real *dw,
                                        int64_t apart)
{
    for (int64_t c = 0; c < columns; c += LANES) {
        int64_t lanes = min(columns - c, LANES);
        vec half[WINOGRAD_IN][3];
        for (int j = 0; j < WINOGRAD_IN; j++) {
            vec d[WINOGRAD_IN];
            for (int k = 0; k < WINOGRAD_IN; k++)
                d[k] = vec_load(u + (k * WINOGRAD_IN + j) * stride + c);
            weight_grad_points(d, half[j]);
        }
        for (int r = 0; r < 3; r++) {
            vec d[WINOGRAD_IN], g[3];
            for (int j = 0; j < WINOGRAD_IN; j++)
                d[j] = half[j][r];
            weight_grad_points(d, g);
            for (int j = 0; j < 3; j++)
                vec_store_part(dw + (r * 3 + j) * apart + c, g[j], lanes);
        }
    }
}
