/* Attention and AdditiveAttention: scores of queries and keys as they are, by a product or by tanh of sums. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "layers/attention.h"

typedef struct common_options { MORU_ATTENTION_OPTIONS } common_options;

static const moru_attention_options defaults = {MORU_ATTENTION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_attention_options, use_scale, MORU_FIELD_BOOL),
    MORU_FIELD(moru_attention_options, dropout, MORU_FIELD_REAL),
    MORU_FIELD(moru_attention_options, score_mode, MORU_FIELD_TEXT),
    MORU_FIELD_DROPPED("seed"), /* the model's seed counts */
};
static const moru_additive_attention_options additive_defaults = {MORU_ADDITIVE_ATTENTION_DEFAULTS};
static const moru_field additive_fields[] = {
    MORU_FIELD(common_options, use_scale, MORU_FIELD_BOOL),
    MORU_FIELD(common_options, dropout, MORU_FIELD_REAL),
    MORU_FIELD_DROPPED("seed"),
};
static const moru_field arguments[] = {
    MORU_FIELD(common_options, return_attention_scores, MORU_FIELD_BOOL),
    MORU_FIELD(common_options, use_causal_mask, MORU_FIELD_BOOL),
};
static const char *const named_inputs[] = {"mask", NULL};

/* ---- building ---- */

static moru_status check(const moru_layer *layer, const moru_shape *inputs, int n)
{
    const common_options *o = layer->options;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    if (!(o->dropout >= 0 && o->dropout < 1))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "dropout must lie in [0, 1), not %g", o->dropout);
    for (int i = 0; i < n; i++)
        if (inputs[i].rank < 3 || inputs[i].rank >= MORU_MAX_RANK || inputs[i].rank != inputs[0].rank)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "it takes inputs [n, t, dim], not %s and %s",
                                    moru_shape_print(&inputs[0], a, sizeof a),
                                    moru_shape_print(&inputs[i], b, sizeof b));
    return MORU_OK;
}

static bool is_concat(const moru_layer *layer)
{
    const moru_attention_options *o = layer->options;
    return layer->class_ == &moru_attention_class && strcmp(o->score_mode, "concat") == 0;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_attention_options *o = layer->options;
    (void)dtypes;
    MORU_TRY(check(layer, inputs, n));
    if (!o->score_mode || (strcmp(o->score_mode, "dot") != 0 && strcmp(o->score_mode, "concat") != 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "score_mode must be \"dot\" or \"concat\", not \"%.40s\"",
                                o->score_mode ? o->score_mode : "");
    if (o->use_scale)
        MORU_TRY(moru_layer_add_weight(layer, "scale", MORU_SCALAR_SHAPE, "ones", NULL, true));
    return is_concat(layer) ? moru_layer_add_weight(layer, "concat_score_weight", MORU_SCALAR_SHAPE, "ones", NULL, true)
                            : MORU_OK;
}

static moru_status build_additive(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const common_options *o = layer->options;
    (void)dtypes;
    MORU_TRY(check(layer, inputs, n));
    int64_t width = inputs[0].dims[inputs[0].rank - 1];
    if (width < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the last size of its query must be known");
    return o->use_scale ? moru_layer_add_weight(layer, "scale", MORU_SHAPE(width), "glorot_uniform", NULL, true)
                        : MORU_OK;
}

static int output_count(const moru_layer *layer)
{
    return 1 + ((const common_options *)layer->options)->return_attention_scores;
}

/* ---- masks ---- */

/* One mask of the list that was given, or, without a list, what came with input k. */
static moru_node *mask_of(const moru_layer_call *c, int k)
{
    bool given = false;
    for (int i = 0; i < 3; i++)
        given = given || moru_layer_argument(c, "mask", i);
    moru_node *mask = given ? moru_layer_argument(c, "mask", k) : c->inputs[k]->mask;
    return mask ? moru_as_real(mask) : NULL;
}

/* Scores as they were where a key counts, and 10^9 less elsewhere: no zero, if all are so. */
static moru_node *mask_scores(const moru_layer_call *c, moru_node *scores, moru_node *key)
{
    const common_options *o = c->layer->options;
    int rank = scores->shape.rank;
    moru_node *value = mask_of(c, 1), *kept = value;
    if (value && !moru_node_failed(value) && (o->use_causal_mask || value->shape.rank == 2))
        kept = moru_expand_dims(value, -2);
    if (o->use_causal_mask) {
        moru_node *causal = moru_causal_mask(moru_ones_of_scores(c->inputs[0], key, rank - 2), 0);
        kept = moru_mask_and(kept, causal);
    }
    if (!kept)
        return scores;
    moru_node *zero = moru_scalar(c->graph, 0);
    return moru_add(scores, moru_where(kept, zero, moru_scalar(c->graph, -1e9)));
}

/* ---- scores ---- */

static moru_node *sums(moru_node *q, moru_node *k)
{
    return moru_add(moru_expand_dims(q, -2), moru_expand_dims(k, -3));
}

static moru_node *scores_of(const moru_layer_call *c, moru_node *q, moru_node *k)
{
    const common_options *o = c->layer->options;
    int last = -1;
    if (c->layer->class_ == &moru_additive_attention_class) {
        moru_node *x = moru_tanh(sums(q, k));
        return moru_sum(o->use_scale ? moru_mul(x, moru_layer_weight(c, 0)) : x, &last, 1, false);
    }
    if (!is_concat(c->layer)) {
        moru_node *x = moru_matmul_t(q, false, k, true);
        return o->use_scale ? moru_mul(x, moru_layer_weight(c, 0)) : x;
    }
    moru_node *x = sums(q, k);
    if (o->use_scale)
        x = moru_mul(x, moru_layer_weight(c, 0));
    return moru_mul(moru_sum(moru_tanh(x), &last, 1, false), moru_layer_weight(c, o->use_scale));
}

/* A product without masks goes by the op that keeps no scores. */
static moru_node *fused(const moru_layer_call *c, moru_node *q, moru_node *k, moru_node *v)
{
    const common_options *o = c->layer->options;
    if (o->use_scale)
        q = moru_mul(q, moru_layer_weight(c, 0));
    moru_node *y = moru_attention_op(moru_expand_dims(q, 2), moru_expand_dims(k, 2), moru_expand_dims(v, 2), NULL, 1,
                                     o->use_causal_mask);
    return moru_squeeze(y, 2);
}

static moru_node *call(const moru_layer_call *c)
{
    const common_options *o = c->layer->options;
    moru_node *q = moru_as_real(c->inputs[0]), *v = moru_as_real(c->inputs[1]), *y;
    moru_node *k = moru_as_real(c->inputs[c->n_inputs - 1]), *query_mask = mask_of(c, 0);
    bool noisy = c->training && !c->trace->noiseless && o->dropout > 0;
    bool additive = c->layer->class_ == &moru_additive_attention_class;
    if (!noisy && !o->return_attention_scores && !mask_of(c, 1) && !additive && !is_concat(c->layer) &&
        q->shape.rank == 3) {
        y = fused(c, q, k, v);
    } else {
        moru_node *scores = scores_of(c, q, k);
        if (moru_node_failed(scores))
            return scores;
        moru_node *p = moru_softmax(mask_scores(c, scores, k), -1);
        if (noisy)
            p = moru_dropout_op(p, o->dropout);
        if (o->return_attention_scores)
            c->outputs[1] = p;
        y = moru_matmul(p, v);
    }
    if (query_mask)
        y = moru_where(moru_expand_dims(query_mask, -1), y, moru_scalar(c->graph, 0));
    if (!moru_node_failed(y))
        y->mask = query_mask;
    return y;
}

#define ATTENTION_CLASS(id, name, options, given, table, build_) \
    const moru_layer_class moru_##id##_class = { \
        .class_name = (name), .module = "keras.layers", .size = sizeof(options), .defaults = &(given), \
        .fields = (table), .n_fields = sizeof(table) / sizeof *(table), .arguments = arguments, \
        .n_arguments = sizeof arguments / sizeof *arguments, .named_inputs = named_inputs, .min_inputs = 2, \
        .max_inputs = 3, .masks = MORU_MASK_MADE, .build = build_, .output_count = output_count, .call = call}

ATTENTION_CLASS(attention, "Attention", moru_attention_options, defaults, fields, build);
ATTENTION_CLASS(additive_attention, "AdditiveAttention", moru_additive_attention_options, additive_defaults,
                additive_fields, build_additive);

moru_layer *moru_attention_new(const moru_attention_options *options)
{
    return moru_layer_new(&moru_attention_class, options);
}

moru_layer *moru_additive_attention_new(const moru_additive_attention_options *options)
{
    return moru_layer_new(&moru_additive_attention_class, options);
}
