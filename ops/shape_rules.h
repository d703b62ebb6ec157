/* What the shape rules of several ops share. A negative size is symbolic ("open"): it can't be checked before the
 * program is compiled, when infer() runs again on real sizes. */
#ifndef MORU_OPS_SHAPE_RULES_H
#define MORU_OPS_SHAPE_RULES_H

#include "ops/op_table.h"

/* "[2,3]", valid to the end of the enclosing block. */
#define MORU_TEXT(shape) moru_shape_print((shape), (char[MORU_SHAPE_TEXT]){0}, MORU_SHAPE_TEXT)

/* Input k has to be of the given dtype. */
moru_status moru_rule_dtype(const moru_infer *in, int k, moru_dtype dtype);
/* Input k has to be of the given rank; layout tells its axes ("[n,h,w,c]"). */
moru_status moru_rule_rank(const moru_infer *in, int k, int rank, const char *layout);
/* Two sizes that must be equal: may they be? And the better known of the two. */
bool moru_rule_fits(int64_t a, int64_t b);
int64_t moru_rule_merge(int64_t a, int64_t b);
/* Two shapes that must be equal: may they be? */
bool moru_rule_same(const moru_shape *a, const moru_shape *b);
bool moru_shape_known(const moru_shape *shape);
/* Product of the sizes of axes first..last-1; MORU_ERR_MEMORY on overflow. Sizes are concrete. */
moru_status moru_rule_product(const moru_shape *shape, int first, int last, int64_t *product);
/* Strides, in elements, of a dense tensor. */
void moru_run_strides(const moru_shape *shape, int64_t *strides);
/* Output 0 is input 0 under another shape. */
moru_status moru_run_alias(const moru_run *run);
/* Every index has to lie in 0..size-1. */
moru_status moru_run_check_indices(const moru_view *indices, int64_t size);

#endif
