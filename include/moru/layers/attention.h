/** @file
 * Layers of attention besides MultiHeadAttention, which is in layers.h.
 *
 * **Masks** go by name (moru_apply_inputs()) and aren't 0 where something counts; those that come with the inputs, as from an
 * Embedding with mask_zero, count where none is named.
 */
#ifndef MORU_LAYERS_ATTENTION_PUBLIC_H
#define MORU_LAYERS_ATTENTION_PUBLIC_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** MultiHeadAttention in which num_query_heads/num_key_value_heads heads of the query share one head of key and value; Ainslie et
 *  al., 2023. Keras's name is GroupQueryAttention. Applied to {query, value} or {query, value, key}, each [n, length, width], and
 *  named attention_mask, query_mask, value_mask, key_mask as there. Outputs: [n, t, width], and with return_attention_scores the
 *  probabilities [n, num_query_heads, t, s]. Variables: query/kernel [width, num_query_heads, head_dim], key/kernel and value/kernel
 *  [width, num_key_value_heads, head_dim], with use_gate gate/kernel as query/kernel, attention_output/kernel [num_query_heads,
 *  head_dim, width], and biases. A wrong option or shape is reported by the model. */
typedef struct moru_grouped_query_attention_options {
    MORU_LAYER_OPTIONS
    int64_t head_dim, num_query_heads, num_key_value_heads;
    double dropout;                /**< of the probabilities, in training; 0 <= dropout < 1 */
    bool use_bias;
    bool use_gate;                 /**< the heads' results times sigmoid of a projection of the query */
    int64_t sliding_window;        /**< query i sees keys i - w + 1 to i + w - 1 only; 0: all */
    bool return_attention_scores, use_causal_mask; /**< Keras's arguments of a call: written with the calls */
    const char *kernel_initializer, *bias_initializer;
    const char *kernel_regularizer, *bias_regularizer;
} moru_grouped_query_attention_options;
#define MORU_GROUPED_QUERY_ATTENTION_DEFAULTS MORU_LAYER_DEFAULTS, .use_bias = true, .kernel_initializer = "glorot_uniform", \
    .bias_initializer = "zeros"
#define moru_grouped_query_attention(...) \
    MORU_WITH_DEFAULTS(moru_grouped_query_attention_new, moru_grouped_query_attention_options, MORU_GROUPED_QUERY_ATTENTION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_grouped_query_attention_new(const moru_grouped_query_attention_options *options);

/** Options that Attention and AdditiveAttention share. */
#define MORU_ATTENTION_OPTIONS MORU_LAYER_OPTIONS bool use_scale; double dropout; bool return_attention_scores, use_causal_mask;

/** Attention without projections: y = softmax(scores) v for {query [n, t, dim], value [n, s, ..]} or {query, value, key [n, s, dim]};
 *  Luong et al., 2015. Scores are q k^T, times the variable scale with use_scale; or, with score_mode "concat",
 *  concat_score_weight sum(tanh(scale (q + k))). Named "mask": the query's [n, t], where y is 0, and the value's [n, s] or
 *  [n, t, s], which takes 10^9 off the scores. return_attention_scores: a second output, softmax(scores) [n, t, s].
 *  dropout in [0, 1) drops probabilities in training. A wrong option or shape is reported by the model. */
typedef struct moru_attention_options {
    MORU_ATTENTION_OPTIONS
    const char *score_mode;        /**< "dot" or "concat" */
} moru_attention_options;
#define MORU_ATTENTION_DEFAULTS MORU_LAYER_DEFAULTS, .score_mode = "dot"
#define moru_attention(...) \
    MORU_WITH_DEFAULTS(moru_attention_new, moru_attention_options, MORU_ATTENTION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_attention_new(const moru_attention_options *options);

/** The same with scores sum(scale tanh(q + k)), scale [dim] being a variable if use_scale; Bahdanau et al., 2015. */
typedef struct moru_additive_attention_options { MORU_ATTENTION_OPTIONS } moru_additive_attention_options;
#define MORU_ADDITIVE_ATTENTION_DEFAULTS MORU_LAYER_DEFAULTS, .use_scale = true
#define moru_additive_attention(...) \
    MORU_WITH_DEFAULTS(moru_additive_attention_new, moru_additive_attention_options, MORU_ADDITIVE_ATTENTION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_additive_attention_new(const moru_additive_attention_options *options);

/** An Embedding that also goes back: [n, ..., output_dim] to [n, ..., input_dim] by x embeddings^T, or, without tie_weights, by a
 *  variable reverse_embeddings [output_dim, input_dim]. A use goes back if it has an input named "reverse", whatever the value
 *  (moru_apply_inputs(), moru_scalar()); Keras writes reverse=True. Press and Wolf, 2016. */
typedef struct moru_reversible_embedding_options {
    MORU_LAYER_OPTIONS
    int64_t input_dim, output_dim;
    bool tie_weights, mask_zero;
    const char *embeddings_initializer, *embeddings_regularizer;
    const char *reverse_dtype;     /**< kept for files: all is computed in float32 */
    double logit_soft_cap;         /**< logits become cap tanh(logits/cap); NAN: as they are */
} moru_reversible_embedding_options;
#define MORU_REVERSIBLE_EMBEDDING_DEFAULTS MORU_LAYER_DEFAULTS, .tie_weights = true, .embeddings_initializer = "uniform", \
    .logit_soft_cap = __builtin_nan("")
#define moru_reversible_embedding(...) \
    MORU_WITH_DEFAULTS(moru_reversible_embedding_new, moru_reversible_embedding_options, MORU_REVERSIBLE_EMBEDDING_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_reversible_embedding_new(const moru_reversible_embedding_options *options);

/** Divides the kernel (or the embeddings) of the layer inside, in place and before each use in training, by its spectral norm as
 *  power_iterations steps of the power iteration estimate it: v = u W^T/|u W^T|, u = v W/|v W|, W = W/(v W u^T); Miyato et al., 2018. u is
 *  the variable vector_u [1, last size of the kernel], which isn't trained. The layer inside belongs to this one. */
typedef struct moru_spectral_normalization_options {
    MORU_LAYER_OPTIONS
    moru_layer *layer;             /**< with a variable kernel or embeddings, as Dense, Conv2D, Embedding */
    int64_t power_iterations;
} moru_spectral_normalization_options;
#define MORU_SPECTRAL_NORMALIZATION_DEFAULTS MORU_LAYER_DEFAULTS, .power_iterations = 1
#define moru_spectral_normalization(...) \
    MORU_WITH_DEFAULTS(moru_spectral_normalization_new, moru_spectral_normalization_options, MORU_SPECTRAL_NORMALIZATION_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_spectral_normalization_new(const moru_spectral_normalization_options *options);

#ifdef __cplusplus
}
#endif
#endif
