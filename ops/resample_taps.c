/* Which elements of an axis make which of the resampled one, with what weights. */
#include <math.h>

#include "ops/resample.h"

/* One sum under way. */
typedef struct sum {
    int64_t first, count;
    moru_real *weights;
} sum;

/* ---- interpolation ---- */

static double lanczos(double x, double radius)
{
    if (x >= radius)
        return 0;
    return x <= 1e-3 ? 1 : radius * sin(M_PI * x) * sin(M_PI * x / radius) / (M_PI * M_PI * x * x);
}

/* Keys, 1981, a = -1/2 */
static double cubic(double x)
{
    if (x >= 2)
        return 0;
    return x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : (1.5 * x - 2.5) * x * x + 1;
}

/* At a distance of x >= 0 from the middle. */
static double filter(int64_t kind, double x)
{
    switch (kind) {
    case MORU_BILINEAR:
        return x < 1 ? 1 - x : 0;
    case MORU_BICUBIC:
        return cubic(x);
    case MORU_LANCZOS3:
        return lanczos(x, 3);
    default:
        return lanczos(x, 5);
    }
}

static double radius(int64_t kind)
{
    return kind == MORU_BILINEAR ? 1 : kind == MORU_BICUBIC ? 2 : kind == MORU_LANCZOS3 ? 3 : 5;
}

/* How much wider than its radius the filter is. */
static double stretch(const moru_resample_attrs *a, int64_t from, int64_t to)
{
    double scale = (double)from / (double)to;
    return a->antialias && scale > 1 ? scale : 1;
}

/* Weights add up to 1 without those beyond the border. */
static void interpolate(const moru_resample_attrs *a, int64_t from, int64_t to, int64_t i, sum *s)
{
    double wide = stretch(a, from, to), reach = radius(a->kind) * wide;
    double middle = ((double)i + 0.5) * (double)from / (double)to, total = 0;
    int64_t first = (int64_t)fmax(ceil(middle - reach - 0.5), 0);
    int64_t last = (int64_t)fmin(floor(middle + reach - 0.5), (double)(from - 1)), skipped = 0;
    for (int64_t k = first; k <= last; k++) {
        double weight = filter(a->kind, fabs((double)k + 0.5 - middle) / wide);
        if (fabs(weight) < 1e-15) /* the rounding of a sine's zero: only in the way of NaN */
            weight = 0;
        if (weight == 0 && k == first + skipped) {
            skipped++;
            continue;
        }
        s->weights[k - first - skipped] = (moru_real)weight;
        s->count = weight != 0 ? k - first - skipped + 1 : s->count;
        total += weight;
    }
    s->first = first + skipped;
    for (int64_t k = 0; k < s->count; k++)
        s->weights[k] = (moru_real)((double)s->weights[k] / total);
}

/* ---- one element each ---- */

/* Where element i of the padded axis comes from; i counts from the first one of x. */
static int64_t source(int64_t mode, int64_t i, int64_t size)
{
    bool low = i < 0, high = i >= size;
    if (!low && !high)
        return i;
    switch (mode) {
    case MORU_PAD_REFLECT:
        return low ? -i : 2 * (size - 1) - i;
    case MORU_PAD_SYMMETRIC:
        return low ? -i - 1 : 2 * size - 1 - i;
    case MORU_PAD_EDGE:
        return low ? 0 : size - 1;
    default:
        return low ? i + size : i - size;
    }
}

/* floor(i a / b) and ceil(i a / b) for i <= b, without i a */
static int64_t scaled(int64_t i, int64_t a, int64_t b, bool up)
{
    int64_t rest = a % b * i; /* sizes of tensors are far below the root of 2^63 where this counts */
    return a / b * i + (rest + (up ? b - 1 : 0)) / b;
}

static void fill(const moru_resample_attrs *a, int64_t from, int64_t to, int64_t i, sum *s)
{
    s->count = 1;
    s->weights[0] = 1;
    if (a->kind == MORU_NEAREST) {
        s->first = scaled(2 * i + 1, from, 2 * to, false);
    } else if (a->kind == MORU_RESAMPLE_ADAPTIVE) {
        s->first = scaled(i, from, to, false);
        s->count = scaled(i + 1, from, to, true) - s->first;
        for (int64_t k = 0; k < s->count; k++)
            s->weights[k] = 1 / (moru_real)s->count;
    } else if (a->kind >= MORU_RESAMPLE_PAD) {
        s->first = source(a->kind - MORU_RESAMPLE_PAD, i - a->before, from);
    } else {
        s->count = 0;
        interpolate(a, from, to, i, s);
    }
}

/* ---- the table ---- */

int64_t moru_resample_width(const moru_resample_attrs *a, int64_t from, int64_t to)
{
    double width = 1;
    if (to > 0 && a->kind == MORU_RESAMPLE_ADAPTIVE)
        width = (double)from / (double)to + 2;
    else if (to > 0 && a->kind != MORU_NEAREST && a->kind < MORU_RESAMPLE_ADAPTIVE)
        width = 2 * ceil(radius(a->kind) * stretch(a, from, to)) + 1;
    return width < (double)from ? (int64_t)width : from > 0 ? from : 1;
}

size_t moru_resample_bytes(const moru_resample_attrs *a, int64_t from, int64_t to)
{
    return (size_t)to * (2 * sizeof(int64_t) + (size_t)moru_resample_width(a, from, to) * sizeof(moru_real));
}

moru_taps moru_resample_taps(const moru_resample_attrs *a, int64_t from, int64_t to, void *bytes)
{
    int64_t width = moru_resample_width(a, from, to), *first = bytes, *count = first + to;
    moru_real *weights = (moru_real *)(count + to);
    for (int64_t i = 0; i < to; i++) {
        sum s = {.weights = weights + i * width};
        fill(a, from, to, i, &s);
        first[i] = s.first;
        count[i] = s.count;
    }
    return (moru_taps){to, width, first, count, weights};
}
