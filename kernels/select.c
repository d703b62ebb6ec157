/* Which table to use; compiled once, for any processor. */
#include <stdlib.h>
#include <string.h>
#include "config.h"
#include "kernels/kernels.h"

extern const moru_kernels moru_generic_table;
#if defined(MORU_HAVE_ISA_V2) && !defined(MORU_DOUBLE)
#define TABLE_V2
extern const moru_kernels moru_v2_table;
#endif
#if defined(MORU_HAVE_ISA_V3) && !defined(MORU_DOUBLE)
#define TABLE_V3
extern const moru_kernels moru_v3_table;
#endif
#if defined(MORU_HAVE_ISA_V4) && !defined(MORU_DOUBLE)
#define TABLE_V4
extern const moru_kernels moru_v4_table;
#endif

/* __builtin_cpu_supports() also asks whether the operating system saves the registers. */
#if defined(TABLE_V2) || defined(TABLE_V3) || defined(TABLE_V4)
static bool runs_v2(void)
{
    return __builtin_cpu_supports("sse3") && __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") &&
           __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
}
#endif

#if defined(TABLE_V3) || defined(TABLE_V4)
static bool runs_v3(void)
{
    return runs_v2() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
#endif

#ifdef TABLE_V4
static bool runs_v4(void)
{
    return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

const moru_kernels *moru_kernels_at(int k)
{
#ifdef TABLE_V4
    if (runs_v4() && k-- == 0)
        return &moru_v4_table;
#endif
#ifdef TABLE_V3
    if (runs_v3() && k-- == 0)
        return &moru_v3_table;
#endif
#ifdef TABLE_V2
    if (runs_v2() && k-- == 0)
        return &moru_v2_table;
#endif
    return k == 0 ? &moru_generic_table : NULL;
}

const moru_kernels *moru_kernels_select(void)
{
    const char *wish = getenv("MORU_ISA");
    if (wish)
        for (int k = 0; moru_kernels_at(k); k++)
            if (!strcmp(moru_kernels_at(k)->isa, wish))
                return moru_kernels_at(k);
    return moru_kernels_at(0);
}
