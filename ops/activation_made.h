#ifndef MORU_OPS_ACTIVATION_MADE_H
#define MORU_OPS_ACTIVATION_MADE_H

#include "ops/op_table.h"

/* moru_sparsemax(), or with `of_sums` what becomes of it if the sum of the support's cumulative sums is taken for that of
 * its elements. */
moru_node *moru_sparsemax_by(moru_node *x, int axis, bool of_sums);

#endif
