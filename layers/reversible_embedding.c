/* ReversibleEmbedding: Embedding, and back from rows to logits of tokens. */
#include <math.h>

#include "core/status.h"
#include "layers/layer.h"

typedef moru_reversible_embedding_options options;
static const options defaults = {MORU_REVERSIBLE_EMBEDDING_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(options, input_dim, MORU_FIELD_INT),
    MORU_FIELD(options, output_dim, MORU_FIELD_INT),
    MORU_FIELD(options, tie_weights, MORU_FIELD_BOOL),
    MORU_FIELD_OBJECT(options, embeddings_initializer, "initializer"),
    MORU_FIELD_OBJECT(options, embeddings_regularizer, "regularizer"),
    MORU_FIELD(options, mask_zero, MORU_FIELD_BOOL),
    MORU_FIELD(options, reverse_dtype, MORU_FIELD_TEXT),
    MORU_FIELD(options, logit_soft_cap, MORU_FIELD_REAL),
};
static const char *const named_inputs[] = {"reverse", NULL};

enum { EMBEDDINGS, REVERSE };

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "input_dim", &o->input_dim, 1));
    MORU_TRY(moru_layer_positive(layer, "output_dim", &o->output_dim, 1));
    if (inputs[0].rank >= MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its input has too many dimensions");
    if (!isnan(o->logit_soft_cap) && !(o->logit_soft_cap > 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "logit_soft_cap must be positive, not %g", o->logit_soft_cap);
    MORU_TRY(moru_layer_add_weight(layer, "embeddings", MORU_SHAPE(o->input_dim, o->output_dim),
                                   o->embeddings_initializer, o->embeddings_regularizer, true));
    return o->tie_weights ? MORU_OK
                          : moru_layer_add_weight(layer, "reverse_embeddings", MORU_SHAPE(o->output_dim, o->input_dim),
                                                  o->embeddings_initializer, NULL, true);
}

static moru_node *reverse(const moru_layer_call *c)
{
    const options *o = c->layer->options;
    moru_node *x = moru_as_real(c->inputs[0]);
    moru_node *y = o->tie_weights ? moru_matmul_t(x, false, moru_layer_weight(c, EMBEDDINGS), true)
                                  : moru_matmul(x, moru_layer_weight(c, REVERSE));
    if (isnan(o->logit_soft_cap))
        return y;
    return moru_mul_scalar(moru_tanh(moru_mul_scalar(y, 1 / o->logit_soft_cap)), o->logit_soft_cap);
}

static moru_node *call(const moru_layer_call *c)
{
    const options *o = c->layer->options;
    moru_node *x = c->inputs[0];
    if (moru_layer_argument(c, "reverse", 0))
        return reverse(c);
    if (moru_node_dtype(x) != MORU_INT32)
        x = moru_cast(x, MORU_INT32);
    moru_node *y = moru_embedding_op(moru_layer_weight(c, EMBEDDINGS), x);
    if (o->mask_zero && !moru_node_failed(y))
        y->mask = moru_not_equal(x, moru_zeros_like(x));
    return y;
}

const moru_layer_class moru_reversible_embedding_class = {
    .class_name = "ReversibleEmbedding", .module = "keras.layers", .size = sizeof(options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .named_inputs = named_inputs, .min_inputs = 1,
    .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build, .call = call,
};

moru_layer *moru_reversible_embedding_new(const moru_reversible_embedding_options *options)
{
    return moru_layer_new(&moru_reversible_embedding_class, options);
}
