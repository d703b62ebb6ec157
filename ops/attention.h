/* What attention and its gradient share. */
#ifndef MORU_OPS_ATTENTION_H
#define MORU_OPS_ATTENTION_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

typedef struct moru_attention_attrs {
    double scale;
    int64_t causal, has_mask;
} moru_attention_attrs;

/* Checks q, k, v at inputs first to first + 2, and the mask at input mask if there is one. Shapes of y and lse. */
moru_status moru_attention_check(const moru_infer *in, int first, int mask, moru_shape *y, moru_shape *lse);
/* For concrete shapes; mask may be NULL. */
moru_attention moru_attention_sizes(const moru_attention_attrs *attrs, const moru_shape *q, const moru_shape *k,
                                    const moru_shape *v, const moru_shape *mask);
/* [n,t,heads,dim] to [n,heads,t,dim], and back. */
moru_node *moru_attention_swap(moru_node *x);
/* scale q k^T + mask, [n,heads,t,s], q and k with their heads first; -inf above the diagonal if it is causal. */
moru_node *moru_attention_scores(const moru_attention_attrs *attrs, moru_node *q, moru_node *k, moru_node *mask);
void moru_attention_print(const void *attrs, char *text, size_t size);
double moru_attention_flops(const moru_shape *q, const moru_shape *k, const moru_shape *v, bool causal);

#endif
