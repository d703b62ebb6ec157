/* What the layers of attention share. */
#ifndef MORU_LAYERS_ATTENTION_H
#define MORU_LAYERS_ATTENTION_H

#include "layers/layer.h"

/* ---- masks: nodes that aren't 0 where something counts; NULL: everything does ---- */

/* The input given by name, or what came with input k (k < 0: nothing). */
moru_node *moru_named_mask(const moru_layer_call *c, const char *name, int k);
/* Both, either of which may be NULL. */
moru_node *moru_mask_and(moru_node *a, moru_node *b);
/* Ones [t, s] for queries [n, t, ..] and values [n, s, ..], attended to along their axes axis. */
moru_node *moru_ones_of_scores(moru_node *query, moru_node *value, int axis);
/* p where kept isn't 0, softmax of scores over what is kept; 0 for a query that keeps nothing. */
moru_node *moru_masked_softmax(moru_node *scores, moru_node *kept, const int *axes, int n);

/* ---- attention of projected heads ---- */

typedef struct moru_attend {
    const moru_layer_call *call;
    const int *axes;           /* of the inputs, attended over */
    int n_axes;
    double scale, dropout;
    bool causal;               /* one axis only */
    moru_node *kept;           /* [.., T.., S..], as Keras's attention_mask; may be NULL */
} moru_attend;

/* q [n, .., heads, dim] to k and v; scores, if not NULL: the probabilities [n, .., heads, T.., S..]. */
moru_node *moru_attend_heads(const moru_attend *a, moru_node *q, moru_node *k, moru_node *v, moru_node **scores);

/* ---- MultiHeadAttention and GroupQueryAttention ---- */

/* Both as one. */
typedef struct moru_heads {
    int64_t heads, kv_heads, key_dim, value_dim, window;
    double dropout;
    bool use_bias, use_gate, causal, returns_scores;
    bool grouped;              /* GroupQueryAttention: other groups in files, and masks that stay with the inputs */
    moru_shape output_shape;   /* rank 0: the queries' width */
    moru_shape axes;           /* rank 0: all but the first and the last */
    const char *kernel_initializer, *bias_initializer, *kernel_regularizer, *bias_regularizer;
} moru_heads;

moru_status moru_heads_build(moru_layer *layer, const moru_heads *o, const moru_shape *inputs, int n);
moru_node *moru_heads_call(const moru_layer_call *c, const moru_heads *o);
extern const char *const moru_heads_inputs[], *const moru_heads_named[]; /* names of inputs: by place, by name */

#endif
