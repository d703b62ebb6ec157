/* What group normalization of channels last and the layer, of any axis, share. */
#ifndef MORU_OPS_GROUP_NORM_H
#define MORU_OPS_GROUP_NORM_H

#include <moru/ops.h>

/* (x - mean)/sqrt(variance + epsilon) by groups of neighbours along axis (not the first), whose size is known and a
 * multiple of groups; x has fewer than the most axes. */
moru_node *moru_normalize_groups(moru_node *x, int axis, int64_t groups, double epsilon);

#endif
