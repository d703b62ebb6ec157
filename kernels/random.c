/* Random numbers: Philox 4x32-10 (Salmon et al. 2011), key = seed, counter = (element / 4, stream ^ step), lane =
 * element % 4. Any piece of the sequence can be made by itself. */
#include "kernels/vecmath.h"

#define BATCH 256  /* elements made at a time, the last batch too */
#define PIECE 4096 /* elements of a piece of work */

#define BLOCKS ((int64_t)(MORU_VECTOR_BYTES / sizeof(uint64_t)))
typedef uint64_t uvec __attribute__((vector_size(MORU_VECTOR_BYTES)));

/* Product of the low halves. */
KERNEL_INLINE uvec multiply_low(uvec a, uint32_t constant)
{
    uvec b = (uint64_t)constant - (uvec){0};
#if MORU_VECTOR_BYTES == 64
    return (uvec)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif MORU_VECTOR_BYTES == 32
    return (uvec)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (uvec)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & UINT32_MAX) * b;
#endif
}

/* Blocks [block, block + BATCH / 4): 4 numbers each. The words are low halves of 64-bit lanes; what the upper halves
 * hold doesn't matter until the end. */
static void philox(uint64_t block, uint64_t seed, uint64_t stream, uint32_t *bits)
{
    uvec number = {0}, even = {0}, odd = {0};
    for (int64_t i = 0; i < BLOCKS; i++) {
        number[i] = block + (uint64_t)i;
        even[i] = (uint64_t)(i % 2 ? i / 2 + BLOCKS : i / 2);
        odd[i] = even[i] + (uint64_t)BLOCKS / 2;
    }
    for (int64_t i = 0; i < BATCH / 4; i += BLOCKS, number += (uint64_t)BLOCKS) {
        uvec c0 = number, c1 = number >> 32, c2 = (stream & UINT32_MAX) - (uvec){0}, c3 = (stream >> 32) - (uvec){0};
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int round = 0; round < 10; round++) {
            uvec p0 = multiply_low(c0, 0xD2511F53u), p1 = multiply_low(c2, 0xCD9E8D57u);
            c0 = (p1 >> 32) ^ c1 ^ k0;
            c1 = p1;
            c2 = (p0 >> 32) ^ c3 ^ k1;
            c3 = p0;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        uvec first = (c0 & UINT32_MAX) | (c1 << 32), second = (c2 & UINT32_MAX) | (c3 << 32);
#else
        uvec first = (c0 << 32) | (c1 & UINT32_MAX), second = (c2 << 32) | (c3 & UINT32_MAX);
#endif
        uvec out[2] = {__builtin_shuffle(first, second, even), __builtin_shuffle(first, second, odd)};
        memcpy(bits + 4 * i, out, sizeof out);
    }
}

/* y[start, start + n) of a sequence, n <= BATCH and start a multiple of BATCH. */
typedef struct sequence { uint64_t seed, stream; double a, b; } sequence;
typedef void batch_fn(const sequence *s, const uint32_t *bits, const moru_real *x, moru_real *y);

/* Batches are always made whole, so that an element never depends on how many are wanted. */
static void make(batch_fn *f, const sequence *s, const moru_real *x, int64_t n, moru_real *y, int threads)
{
    threads = kernel_threads(4 * n, threads);
    PARALLEL(threads, for (int64_t piece = 0; piece < n; piece += PIECE) {
        int64_t end = n - piece < PIECE ? n : piece + PIECE;
        for (int64_t i = piece; i < end; i += BATCH) {
            uint32_t bits[BATCH];
            philox((uint64_t)i / 4, s->seed, s->stream, bits);
            if (end - i >= BATCH) {
                f(s, bits, x ? x + i : NULL, y + i);
            } else {
                moru_real in[BATCH] = {0}, out[BATCH];
                size_t bytes = (size_t)(end - i) * sizeof *y;
                if (x)
                    memcpy(in, x + i, bytes);
                f(s, bits, in, out);
                memcpy(y + i, out, bytes);
            }
        }
    });
}

/* a: scale, b: the least bits that keep */
static void dropout_batch(const sequence *s, const uint32_t *bits, const moru_real *x, moru_real *y)
{
    moru_real scale = (moru_real)s->a;
    uint32_t least = (uint32_t)s->b;
    for (int64_t i = 0; i < BATCH; i++) {
        moru_real kept = x[i] * scale;
        y[i] = bits[i] >= least ? kept : 0;
    }
}

/* low + (high - low) u, u in [0, 1); a: low, b: high. Rounding up to high isn't let through. */
static void uniform_batch(const sequence *s, const uint32_t *bits, const moru_real *x, moru_real *y)
{
    moru_real low = (moru_real)s->a, high = (moru_real)s->b, width = high - low;
    moru_real top = high > low ? LIBM(nextafter)(high, low) : high;
    (void)x;
    for (int64_t i = 0; i < BATCH; i++) {
#ifdef MORU_DOUBLE
        moru_real v = low + width * (bits[i] * 0x1p-32);
#else
        moru_real v = low + width * ((float)(int32_t)(bits[i] >> 8) * 0x1p-24f);
#endif
        y[i] = v < top ? v : top;
    }
}

/* Box-Muller: element i of a batch and the one half a batch after it are the cosine and the sine of a pair.
 * a: mean, b: standard deviation. */
static void normal_batch(const sequence *s, const uint32_t *bits, const moru_real *x, moru_real *y)
{
    moru_real u[BATCH];
    (void)x;
    for (int64_t i = 0; i < BATCH; i++)
        u[i] = (moru_real)bits[i] * R(0x1p-32) + R(0x1p-33);
    for (int64_t i = 0; i < BATCH / 2; i += LANES) {
        vec radius = vec_sqrt(R(-2) * vec_log(vec_load(u + i))) * (moru_real)s->b;
        vec angle = vec_load(u + BATCH / 2 + i) * R(6.28318530717958647692);
        vec_store(y + i, radius * vec_cos(angle) + (moru_real)s->a);
        vec_store(y + BATCH / 2 + i, radius * vec_sin(angle) + (moru_real)s->a);
    }
}

void MORU_KERNEL(dropout)(const moru_real *x, int64_t n, double rate, uint64_t seed, uint64_t stream, uint64_t step,
                          moru_real *y, int threads)
{
    double least = ceil(rate * 0x1p32);
    sequence s = {seed, stream ^ step, 1 / (1 - rate), least < UINT32_MAX ? least : UINT32_MAX};
    make(dropout_batch, &s, x, n, y, threads);
}

void MORU_KERNEL(random_uniform)(int64_t n, double low, double high, uint64_t seed, uint64_t stream, uint64_t step,
                                 moru_real *y, int threads)
{
    sequence s = {seed, stream ^ step, low, high};
    make(uniform_batch, &s, NULL, n, y, threads);
}

void MORU_KERNEL(random_normal)(int64_t n, double mean, double stddev, uint64_t seed, uint64_t stream, uint64_t step,
                                moru_real *y, int threads)
{
    sequence s = {seed, stream ^ step, mean, stddev};
    make(normal_batch, &s, NULL, n, y, threads);
}
