/* Whether an array holds neither NaN nor infinity: no exponent has all its bits set. */
#include "kernels/kernel.h"

#define PIECE 8192

#ifdef MORU_DOUBLE
#define EXPONENT INT64_C(0x7ff0000000000000)
#else
#define EXPONENT INT32_C(0x7f800000)
#endif

static bool piece_finite(const moru_real *x, int64_t n)
{
    ivec bad = {0}, exponent = ivec_set(EXPONENT);
    moru_lane_int any = 0;
    for (int64_t i = 0; i < n; i += LANES) {
        vec v = n - i < LANES ? vec_load_part(x + i, n - i) : vec_load(x + i);
        bad |= ((ivec)v & exponent) == exponent;
    }
    for (int64_t i = 0; i < LANES; i++)
        any |= bad[i];
    return any == 0;
}

bool MORU_KERNEL(all_finite)(const moru_real *x, int64_t n, int threads)
{
    bool finite = true;
    PARALLEL(kernel_threads(n, threads), for (int64_t start = 0; start < n; start += PIECE)
        if (!piece_finite(x + start, n - start < PIECE ? n - start : PIECE))
            __atomic_store_n(&finite, false, __ATOMIC_RELAXED));
    return finite;
}
