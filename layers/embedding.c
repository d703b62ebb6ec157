/* Embedding: y[..., j] = embeddings[x[...], j]. */
#include "core/status.h"
#include "layers/layer.h"

static const moru_embedding_options defaults = {MORU_EMBEDDING_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_embedding_options, input_dim, MORU_FIELD_INT),
    MORU_FIELD(moru_embedding_options, output_dim, MORU_FIELD_INT),
    MORU_FIELD_OBJECT(moru_embedding_options, embeddings_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_embedding_options, embeddings_regularizer, "regularizer"),
    MORU_FIELD(moru_embedding_options, mask_zero, MORU_FIELD_BOOL),
    MORU_FIELD_DROPPED("input_length"), /* Keras 2: only tells a shape */
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_embedding_options *o = layer->options;
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "input_dim", &o->input_dim, 1));
    MORU_TRY(moru_layer_positive(layer, "output_dim", &o->output_dim, 1));
    if (inputs[0].rank >= MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its input has too many dimensions");
    return moru_layer_add_weight(layer, "embeddings", MORU_SHAPE(o->input_dim, o->output_dim),
                                 o->embeddings_initializer, o->embeddings_regularizer, true);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_embedding_options *o = c->layer->options;
    moru_node *x = c->inputs[0];
    if (moru_node_dtype(x) != MORU_INT32)
        x = moru_cast(x, MORU_INT32);
    moru_node *y = moru_embedding_op(moru_layer_weight(c, 0), x);
    if (o->mask_zero && !moru_node_failed(y))
        y->mask = moru_not_equal(x, moru_zeros_like(x));
    return y;
}

const moru_layer_class moru_embedding_class = {
    .class_name = "Embedding", .module = "keras.layers", .size = sizeof(moru_embedding_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .masks = MORU_MASK_MADE, .build = build, .call = call,
};

moru_layer *moru_embedding_new(const moru_embedding_options *options)
{
    return moru_layer_new(&moru_embedding_class, options);
}
