/* What attention and its gradient share. */
#ifndef MORU_OPS_ATTENTION_H
#define MORU_OPS_ATTENTION_H

#include "kernels/kernels.h"
#include "ops/op_table.h"

typedef struct moru_attention_attrs {
    double scale;
    int64_t causal, has_mask;
    int64_t keep;            /* moru_keep: what the mask says */
} moru_attention_attrs;

/* Checks q, k, v at inputs first to first + 2, and the mask at input mask if there is one. Shapes of y and lse. */
moru_status moru_attention_check(const moru_infer *in, int first, int mask, moru_shape *y, moru_shape *lse);
/* For concrete shapes; mask may be NULL. */
moru_attention moru_attention_sizes(const moru_attention_attrs *attrs, const moru_shape *q, const moru_shape *k,
                                    const moru_shape *v, const moru_shape *mask);
/* [n,t,heads,dim] to [n,heads,t,dim], and back. */
moru_node *moru_attention_swap(moru_node *x);
/* scale q k^T + mask, [n,heads,t,s], q and k with their heads first; -inf above the diagonal if it is causal. A mask of
 * kept keys isn't in it, but kept, which is 1 where a key counts and NULL without such a mask. */
moru_node *moru_attention_scores(const moru_attention_attrs *attrs, moru_node *q, moru_node *k, moru_node *mask,
                                 moru_node **kept);
/* The weights of the values: p, and where a query is blind (1, [n,heads,t,1]) what the mask's kind says. */
moru_node *moru_attention_weights(const moru_attention_attrs *attrs, moru_node *p, moru_node *blind);
void moru_attention_print(const void *attrs, char *text, size_t size);
double moru_attention_flops(const moru_shape *q, const moru_shape *k, const moru_shape *v, bool causal);

#endif
