/* GroupQueryAttention: options of heads.c's attention, where several heads of queries share one of keys and values. */
#include "core/status.h"
#include "layers/attention.h"

typedef moru_grouped_query_attention_options options;
static const options defaults = {MORU_GROUPED_QUERY_ATTENTION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(options, head_dim, MORU_FIELD_INT),
    MORU_FIELD(options, num_query_heads, MORU_FIELD_INT),
    MORU_FIELD(options, num_key_value_heads, MORU_FIELD_INT),
    MORU_FIELD(options, dropout, MORU_FIELD_REAL),
    MORU_FIELD(options, use_bias, MORU_FIELD_BOOL),
    MORU_FIELD(options, use_gate, MORU_FIELD_BOOL),
    MORU_FIELD(options, sliding_window, MORU_FIELD_COUNT),
    MORU_FIELD_OBJECT(options, kernel_initializer, "initializer"),
    MORU_FIELD_OBJECT(options, bias_initializer, "initializer"),
    MORU_FIELD_OBJECT(options, kernel_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(options, bias_regularizer, "regularizer"),
    MORU_FIELD_DROPPED("flash_attention"), /* another way to the same numbers */
    MORU_FIELD_DROPPED("seed"), /* of the dropout: the model's seed counts */
};
static const moru_field arguments[] = {
    MORU_FIELD(options, return_attention_scores, MORU_FIELD_BOOL),
    MORU_FIELD(options, use_causal_mask, MORU_FIELD_BOOL),
};

static moru_heads heads_of(const moru_layer *layer)
{
    const options *o = layer->options;
    return (moru_heads){.heads = o->num_query_heads, .kv_heads = o->num_key_value_heads, .key_dim = o->head_dim,
                        .value_dim = o->head_dim, .window = o->sliding_window, .dropout = o->dropout,
                        .use_bias = o->use_bias, .use_gate = o->use_gate, .causal = o->use_causal_mask,
                        .returns_scores = o->return_attention_scores, .grouped = true,
                        .kernel_initializer = o->kernel_initializer, .bias_initializer = o->bias_initializer,
                        .kernel_regularizer = o->kernel_regularizer, .bias_regularizer = o->bias_regularizer};
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_heads o = heads_of(layer);
    (void)dtypes;
    return moru_heads_build(layer, &o, inputs, n);
}

static int output_count(const moru_layer *layer)
{
    return 1 + ((const options *)layer->options)->return_attention_scores;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_heads o = heads_of(c->layer);
    return moru_heads_call(c, &o);
}

const moru_layer_class moru_grouped_query_attention_class = {
    .class_name = "GroupQueryAttention", .source_name = "GroupedQueryAttention", .module = "keras.layers",
    .size = sizeof(options), .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields,
    .arguments = arguments, .n_arguments = sizeof arguments / sizeof *arguments, .input_names = moru_heads_inputs,
    .named_inputs = moru_heads_named, .min_inputs = 2, .max_inputs = 3, .masks = MORU_MASK_MADE, .regularizes = true,
    .build = build, .output_count = output_count, .call = call,
};

moru_layer *moru_grouped_query_attention_new(const moru_grouped_query_attention_options *options)
{
    return moru_layer_new(&moru_grouped_query_attention_class, options);
}
