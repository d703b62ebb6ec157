/** @file
 * Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A number is a pure function of (seed, stream, counter, index), so any piece of a sequence can be made by any
 * thread, and a resumed run continues exactly. There is no hidden state.
 */
#ifndef MORU_RANDOM_H
#define MORU_RANDOM_H

#include <stdint.h>
#include <moru/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moru_random {
    uint64_t seed;    /**< the run's seed */
    uint64_t stream;  /**< which use of randomness: a node, a layer, the shuffle of an epoch */
    uint64_t counter; /**< next index of the sequence; advanced by the functions below */
} moru_random;

MORU_API uint32_t moru_random_bits(moru_random *random);
/** Uniform in [0, 1), 53 bits. */
MORU_API double moru_random_uniform(moru_random *random);
/** Standard normal (Box-Muller). */
MORU_API double moru_random_normal(moru_random *random);
/** Uniform integer in [0, n), without bias; n > 0. */
MORU_API int64_t moru_random_below(moru_random *random, int64_t n);
/** Fisher-Yates permutation of 0..n-1 into order. */
MORU_API void moru_random_permutation(moru_random *random, int64_t *order, int64_t n);
/** Stream number of a name: 64-bit FNV-1a, so that streams don't depend on the order in which things are made. */
MORU_API uint64_t moru_random_stream(const char *name);

#ifdef __cplusplus
}
#endif
#endif
