/* Pooling to a given size along one axis. */
#ifndef MORU_OPS_ADAPTIVE_POOL_H
#define MORU_OPS_ADAPTIVE_POOL_H

#include <moru/ops.h>

/* x [n, .., c] with `wanted` (at least 1) windows along axis, from floor(i size/wanted) to ceil((i + 1) size/wanted): the
 * largest element of each, or the mean. Sizes but n are known, and neither size nor wanted is beyond int32. */
moru_node *moru_adaptive_pool(moru_node *x, bool largest, int axis, int64_t wanted);

#endif
