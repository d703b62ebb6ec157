/* What reductions share: their attributes and the axes they mean. */
#ifndef MORU_OPS_REDUCE_H
#define MORU_OPS_REDUCE_H

#include "ops/op_table.h"

typedef struct moru_reduce_attrs {
    int32_t n;                    /* axes given; -1: all */
    int32_t axes[MORU_MAX_RANK];  /* may be negative */
    int32_t keepdims;
    int32_t ddof;                 /* axes_count: subtracted from the count */
} moru_reduce_attrs;

/* The attributes a builder makes of its arguments; infer() finds what is wrong with them. */
moru_reduce_attrs moru_reduce_attrs_of(const int *axes, int n, bool keepdims);
/* For infer(): the set of reduced axes (bit k: axis k), checked. */
moru_status moru_infer_axes(const moru_infer *in, uint32_t *mask);
/* The same set where infer() has checked it. */
uint32_t moru_reduced_axes(const moru_reduce_attrs *attrs, int rank);
/* A value of the reduced shape with its lost axes put back as sizes of 1. */
moru_node *moru_restore_axes(moru_node *reduced, const moru_reduce_attrs *attrs, int rank);
void moru_print_axes(const void *attrs, char *text, size_t size);

#endif
