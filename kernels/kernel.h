/* For the kernels' own sources: names per instruction set and vectors of moru_real.
 *
 * Every source in this folder but select.c is compiled once per instruction set with -DMORU_ISA=generic, v2, v3 or v4
 * and that set's flags. MORU_KERNEL(name) is moru_<isa>_<name>. The vector width follows from the flags: a vector wider
 * than the machine's is split by the compiler into code a dozen times slower, so it is never fixed. */
#ifndef MORU_KERNEL_H
#define MORU_KERNEL_H

#include <string.h>
#include "kernels/kernels.h"
#ifdef __SSE2__
#include <immintrin.h>
#endif

#ifndef MORU_ISA
#define MORU_ISA generic
#endif
#define MORU_KERNEL_PASTE(isa, name) moru_##isa##_##name
#define MORU_KERNEL_EXPAND(isa, name) MORU_KERNEL_PASTE(isa, name)
#define MORU_KERNEL(name) MORU_KERNEL_EXPAND(MORU_ISA, name)

#if defined(__AVX512F__)
#define MORU_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define MORU_VECTOR_BYTES 32
#else
#define MORU_VECTOR_BYTES 16
#endif

/* Every function of the table except the elementwise ones. */
#define MORU_KERNEL_LIST(K) \
    K(gemm_workspace) K(gemm) \
    K(conv2d_workspace) K(conv2d) K(conv2d_grad_input_workspace) K(conv2d_grad_input) \
    K(conv2d_transpose) \
    K(conv2d_grad_weight_workspace) K(conv2d_grad_weight) \
    K(max_pool2d) K(max_pool2d_grad) K(max_pool2d_pick) K(avg_pool2d) K(avg_pool2d_grad) \
    K(reduce_workspace) K(reduce) K(arg_reduce) \
    K(softmax) K(softmax_grad) K(sparse_cross_entropy) K(sparse_cross_entropy_grad) \
    K(batch_norm_workspace) K(batch_norm_moments) K(batch_norm_apply) K(batch_norm_grad) \
    K(layer_norm) K(layer_norm_grad_workspace) K(layer_norm_grad) \
    K(attention_workspace) K(attention) K(attention_grad_workspace) K(attention_grad) \
    K(affine) K(affine_grad) K(copy_strided) K(dropout) K(random_uniform) K(random_normal) K(gather_rows) K(scatter_rows) \
    K(lstm_workspace) K(lstm) K(lstm_grad_workspace) K(lstm_grad) \
    K(gru_workspace) K(gru) K(gru_grad_workspace) K(gru_grad) \
    K(resample) K(resample_grad) \
    K(sgd) K(adam) K(rmsprop) K(adagrad) K(all_finite)

/* Prototypes: MORU_KERNEL(gemm) ..., MORU_KERNEL(unary_exp) ..., MORU_KERNEL(binary_add) ... */
#define MORU_KERNEL_PROTOTYPE(name) __typeof__(*((moru_kernels *)0)->name) MORU_KERNEL(name);
MORU_KERNEL_LIST(MORU_KERNEL_PROTOTYPE)
#undef MORU_KERNEL_PROTOTYPE
#define MORU_UNARY(name) moru_unary_fn MORU_KERNEL(unary_##name);
#define MORU_BINARY(name) moru_binary_fn MORU_KERNEL(binary_##name);
#include "kernels/elementwise.def"

extern const moru_kernels MORU_KERNEL(table);

#ifdef MORU_DOUBLE
typedef int64_t moru_lane_int;
#else
typedef int32_t moru_lane_int;
#endif
#define LANES ((int64_t)(MORU_VECTOR_BYTES / sizeof(moru_real)))

typedef moru_real vec __attribute__((vector_size(MORU_VECTOR_BYTES)));
typedef moru_lane_int ivec __attribute__((vector_size(MORU_VECTOR_BYTES))); /* also what comparisons of vec give */
typedef moru_real vec_unaligned __attribute__((vector_size(MORU_VECTOR_BYTES), aligned(sizeof(moru_real)), may_alias));

#define KERNEL_INLINE static inline __attribute__((always_inline, unused))

KERNEL_INLINE vec vec_load(const moru_real *p)
{
    return *(const vec_unaligned *)p;
}

KERNEL_INLINE void vec_store(moru_real *p, vec v)
{
    *(vec_unaligned *)p = v;
}

KERNEL_INLINE vec vec_set(moru_real x)
{
    return x - (vec){0};
}

KERNEL_INLINE ivec ivec_set(moru_lane_int x)
{
    return x - (ivec){0};
}

KERNEL_INLINE vec vec_zero(void)
{
    return (vec){0};
}

/* mask ? a : b, mask being all ones or all zeros per lane */
KERNEL_INLINE vec vec_select(ivec mask, vec a, vec b)
{
    return (vec)((mask & (ivec)a) | (~mask & (ivec)b));
}

/* a > b ? a : b per lane: b where either is NaN */
KERNEL_INLINE vec vec_max(vec a, vec b)
{
#if MORU_VECTOR_BYTES == 64 && defined(MORU_DOUBLE)
    return (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif MORU_VECTOR_BYTES == 64
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif MORU_VECTOR_BYTES == 32 && defined(MORU_DOUBLE)
    return (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif MORU_VECTOR_BYTES == 32
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__) && defined(MORU_DOUBLE)
    return (vec)_mm_max_pd((__m128d)a, (__m128d)b);
#elif defined(__SSE2__)
    return (vec)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vec_select(a > b, a, b);
#endif
}

/* a < b ? a : b per lane: b where either is NaN */
KERNEL_INLINE vec vec_min(vec a, vec b)
{
#if MORU_VECTOR_BYTES == 64 && defined(MORU_DOUBLE)
    return (vec)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif MORU_VECTOR_BYTES == 64
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif MORU_VECTOR_BYTES == 32 && defined(MORU_DOUBLE)
    return (vec)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif MORU_VECTOR_BYTES == 32
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__) && defined(MORU_DOUBLE)
    return (vec)_mm_min_pd((__m128d)a, (__m128d)b);
#elif defined(__SSE2__)
    return (vec)_mm_min_ps((__m128)a, (__m128)b);
#else
    return vec_select(a < b, a, b);
#endif
}

/* The first n lanes (0 <= n <= LANES) from memory, zeros after them; nothing past them is touched. */
KERNEL_INLINE vec vec_load_part(const moru_real *p, int64_t n)
{
#if MORU_VECTOR_BYTES == 64 && defined(MORU_DOUBLE)
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#elif MORU_VECTOR_BYTES == 64
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif MORU_VECTOR_BYTES == 32 && defined(MORU_DOUBLE)
    return (vec)_mm256_maskload_pd(p, (__m256i)((ivec){0, 1, 2, 3} < ivec_set(n)));
#elif MORU_VECTOR_BYTES == 32
    return (vec)_mm256_maskload_ps(p, (__m256i)((ivec){0, 1, 2, 3, 4, 5, 6, 7} < ivec_set((int32_t)n)));
#elif defined(MORU_DOUBLE)
    return (vec){n > 0 ? p[0] : 0, n > 1 ? p[1] : 0};
#else
    return (vec){n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0};
#endif
}

KERNEL_INLINE void vec_store_part(moru_real *p, vec v, int64_t n)
{
#if MORU_VECTOR_BYTES == 64 && defined(MORU_DOUBLE)
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
#elif MORU_VECTOR_BYTES == 64
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif MORU_VECTOR_BYTES == 32 && defined(MORU_DOUBLE)
    _mm256_maskstore_pd(p, (__m256i)((ivec){0, 1, 2, 3} < ivec_set(n)), (__m256d)v);
#elif MORU_VECTOR_BYTES == 32
    _mm256_maskstore_ps(p, (__m256i)((ivec){0, 1, 2, 3, 4, 5, 6, 7} < ivec_set((int32_t)n)), (__m256)v);
#else
    for (int64_t i = 0; i < n; i++)
        p[i] = v[i];
#endif
}

/* ZIP: a0 b0 a1 b1 ... of the lower and of the upper halves; EVEN, ODD: the other way, a0 a2 ... b0 b2 ... */
#if MORU_VECTOR_BYTES == 64 && !defined(MORU_DOUBLE)
#define ZIP_LOW {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23}
#define ZIP_HIGH {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31}
#define EVEN {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30}
#define ODD {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31}
#elif (MORU_VECTOR_BYTES == 32 && !defined(MORU_DOUBLE)) || MORU_VECTOR_BYTES == 64
#define ZIP_LOW {0, 8, 1, 9, 2, 10, 3, 11}
#define ZIP_HIGH {4, 12, 5, 13, 6, 14, 7, 15}
#define EVEN {0, 2, 4, 6, 8, 10, 12, 14}
#define ODD {1, 3, 5, 7, 9, 11, 13, 15}
#elif !defined(MORU_DOUBLE) || MORU_VECTOR_BYTES == 32
#define ZIP_LOW {0, 4, 1, 5}
#define ZIP_HIGH {2, 6, 3, 7}
#define EVEN {0, 2, 4, 6}
#define ODD {1, 3, 5, 7}
#else
#define ZIP_LOW {0, 2}
#define ZIP_HIGH {1, 3}
#define EVEN {0, 2}
#define ODD {1, 3}
#endif

/* The LANES x LANES matrix in v[], transposed: log2(LANES) rounds of shuffling the first half of the rows into the
 * second. */
KERNEL_INLINE void vec_transpose(vec v[])
{
    const ivec low = ZIP_LOW, high = ZIP_HIGH;
    vec t[MORU_VECTOR_BYTES / sizeof(moru_real)];
#pragma GCC unroll 4
    for (int64_t round = 1; round < LANES; round *= 2) {
#pragma GCC unroll 8
        for (int64_t i = 0; i < LANES / 2; i++) {
            t[2 * i] = __builtin_shuffle(v[i], v[i + LANES / 2], low);
            t[2 * i + 1] = __builtin_shuffle(v[i], v[i + LANES / 2], high);
        }
#pragma GCC unroll 16
        for (int64_t i = 0; i < LANES; i++)
            v[i] = t[i];
    }
}

/* Sum of the lanes, halves onto halves: the same order everywhere. */
KERNEL_INLINE moru_real vec_sum(vec v)
{
    moru_real t[MORU_VECTOR_BYTES / sizeof(moru_real)];
    vec_store(t, v);
    for (int64_t half = LANES / 2; half > 0; half /= 2)
        for (int64_t i = 0; i < half; i++)
            t[i] += t[i + half];
    return t[0];
}

/* PARALLEL(workers, for (...) ...): the loop's rounds are dealt out to `workers` threads in equal stretches. One
 * worker doesn't go through OpenMP at all, whose team of one costs more than a small kernel (0.25 us). */
#define PARALLEL(workers, ...) \
    do { \
        const int workers_ = (workers); \
        if (workers_ > 1) { \
            _Pragma("omp parallel for num_threads(workers_) schedule(static)") \
            __VA_ARGS__; \
        } else { \
            __VA_ARGS__; \
        } \
    } while (0)

/* A number of threads for `work` elementary operations. */
KERNEL_INLINE int kernel_threads(int64_t work, int threads)
{
    return work < MORU_PARALLEL_MIN || threads < 1 ? 1 : threads;
}

#endif
