/* MultiHeadAttention: query, key and value projected to heads, attention by head, the heads projected to the output. */
#include <math.h>

#include "core/status.h"
#include "layers/layer.h"

static const moru_multi_head_attention_options defaults = {MORU_MULTI_HEAD_ATTENTION_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_multi_head_attention_options, num_heads, MORU_FIELD_INT),
    MORU_FIELD(moru_multi_head_attention_options, key_dim, MORU_FIELD_INT),
    MORU_FIELD(moru_multi_head_attention_options, value_dim, MORU_FIELD_INT),
    MORU_FIELD(moru_multi_head_attention_options, dropout, MORU_FIELD_REAL),
    MORU_FIELD(moru_multi_head_attention_options, use_bias, MORU_FIELD_BOOL),
    MORU_FIELD(moru_multi_head_attention_options, attention_axes, MORU_FIELD_SIZES),
    MORU_FIELD_OBJECT(moru_multi_head_attention_options, kernel_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_multi_head_attention_options, bias_initializer, "initializer"),
    MORU_FIELD_OBJECT(moru_multi_head_attention_options, kernel_regularizer, "regularizer"),
    MORU_FIELD_OBJECT(moru_multi_head_attention_options, bias_regularizer, "regularizer"),
    MORU_FIELD_DROPPED("seed"), /* of the dropout: the model's seed counts */
};
static const moru_field arguments[] = {
    MORU_FIELD(moru_multi_head_attention_options, use_causal_mask, MORU_FIELD_BOOL),
};
static const char *const input_names[] = {"query", "value", "key", NULL};

enum { QUERY, KEY, VALUE, OUTPUT };

static int64_t value_dim_of(const moru_multi_head_attention_options *o)
{
    return o->value_dim ? o->value_dim : o->key_dim;
}

static moru_status add_projection(moru_layer *layer, int which, moru_shape kernel, moru_shape bias)
{
    static const char *const names[][3] = {{"query/kernel", "query/bias", "query_dense"},
                                           {"key/kernel", "key/bias", "key_dense"},
                                           {"value/kernel", "value/bias", "value_dense"},
                                           {"attention_output/kernel", "attention_output/bias", "output_dense"}};
    const moru_multi_head_attention_options *o = layer->options;
    int k = which * (o->use_bias ? 2 : 1);
    MORU_TRY(moru_layer_add_weight(layer, names[which][0], kernel, o->kernel_initializer, o->kernel_regularizer, true));
    layer->weights[k].group = names[which][2];
    if (!o->use_bias)
        return MORU_OK;
    MORU_TRY(moru_layer_add_weight(layer, names[which][1], bias, o->bias_initializer, o->bias_regularizer, true));
    layer->weights[k + 1].group = names[which][2];
    return MORU_OK;
}

static moru_status check_options(const moru_layer *layer)
{
    const moru_multi_head_attention_options *o = layer->options;
    const moru_shape *axes = &o->attention_axes;
    MORU_TRY(moru_layer_positive(layer, "num_heads", &o->num_heads, 1));
    MORU_TRY(moru_layer_positive(layer, "key_dim", &o->key_dim, 1));
    if (o->value_dim < 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "value_dim must be positive, not %lld",
                                (long long)o->value_dim);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "dropout must lie in [0, 1), not %g", o->dropout);
    if (axes->rank != 1 || (axes->dims[0] != 1 && axes->dims[0] != -2))
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "attention_axes other than [1] aren't supported");
    int64_t widest = o->key_dim > value_dim_of(o) ? o->key_dim : value_dim_of(o), product;
    return moru_mul_ok(o->num_heads, widest, &product)
               ? MORU_OK : moru_layer_error(layer, MORU_ERR_ARGUMENT, "num_heads and key_dim are too large");
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_multi_head_attention_options *o = layer->options;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    (void)dtypes;
    MORU_TRY(check_options(layer));
    for (int i = 0; i < n; i++) {
        MORU_TRY(moru_layer_rank(layer, &inputs[i], 3));
        if (inputs[i].dims[2] < 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the last size of its %s %s must be known", input_names[i],
                                    moru_shape_print(&inputs[i], a, sizeof a));
    }
    const moru_shape *value = &inputs[1], *key = &inputs[n - 1];
    if (value->dims[1] >= 0 && key->dims[1] >= 0 && value->dims[1] != key->dims[1])
        return moru_layer_error(layer, MORU_ERR_SHAPE, "its value %s and key %s differ in length",
                                moru_shape_print(value, a, sizeof a), moru_shape_print(key, b, sizeof b));
    int64_t heads = o->num_heads, width = inputs[0].dims[2], value_dim = value_dim_of(o);
    moru_shape keys = MORU_SHAPE(heads, o->key_dim), values = MORU_SHAPE(heads, value_dim);
    MORU_TRY(add_projection(layer, QUERY, MORU_SHAPE(width, heads, o->key_dim), keys));
    MORU_TRY(add_projection(layer, KEY, MORU_SHAPE(key->dims[2], heads, o->key_dim), keys));
    MORU_TRY(add_projection(layer, VALUE, MORU_SHAPE(value->dims[2], heads, value_dim), values));
    return add_projection(layer, OUTPUT, MORU_SHAPE(heads, value_dim, width), MORU_SHAPE(width));
}

/* x [n,t,width] to [n,t,heads,dim]: a product with the kernel as a matrix. */
static moru_node *project(const moru_layer_call *c, int which, moru_node *x, int64_t dim)
{
    const moru_multi_head_attention_options *o = c->layer->options;
    const moru_shape *shape = moru_node_shape(x);
    int k = which * (o->use_bias ? 2 : 1);
    int64_t all = o->num_heads * dim, matrix[] = {shape->dims[2], all}, row[] = {all};
    int64_t heads[] = {shape->dims[0], shape->dims[1], o->num_heads, dim};
    moru_node *y = moru_matmul(x, moru_reshape(moru_layer_weight(c, k), matrix, 2));
    if (o->use_bias)
        y = moru_add(y, moru_reshape(moru_layer_weight(c, k + 1), row, 1));
    return moru_reshape(y, heads, 4);
}

/* Attention whose probabilities are dropped out. */
static moru_node *attend_with_dropout(const moru_multi_head_attention_options *o, moru_node *q, moru_node *k,
                                      moru_node *v, double scale)
{
    const int swap[] = {0, 2, 1, 3};
    q = moru_transpose(moru_mul_scalar(q, scale), swap);
    moru_node *scores = moru_matmul_t(q, false, moru_transpose(k, swap), true);
    if (o->use_causal_mask)
        scores = moru_causal_mask(scores, -INFINITY);
    moru_node *p = moru_dropout_op(moru_softmax(scores, -1), o->dropout);
    return moru_transpose(moru_matmul(p, moru_transpose(v, swap)), swap);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_multi_head_attention_options *o = c->layer->options;
    int64_t value_dim = value_dim_of(o), heads = o->num_heads;
    double scale = 1 / sqrt((double)o->key_dim);
    moru_node *query = moru_as_real(c->inputs[0]), *value = moru_as_real(c->inputs[1]);
    moru_node *q = project(c, QUERY, query, o->key_dim);
    moru_node *k = project(c, KEY, moru_as_real(c->inputs[c->n_inputs - 1]), o->key_dim);
    moru_node *v = project(c, VALUE, value, value_dim), *y;
    if (c->training && !c->trace->noiseless && o->dropout > 0)
        y = attend_with_dropout(o, q, k, v, scale);
    else
        y = moru_attention_op(q, k, v, NULL, scale, o->use_causal_mask);
    const moru_shape *shape = moru_node_shape(query);
    int64_t rows[] = {shape->dims[0], shape->dims[1], heads * value_dim};
    int64_t matrix[] = {heads * value_dim, shape->dims[2]};
    int out = OUTPUT * (o->use_bias ? 2 : 1);
    y = moru_matmul(moru_reshape(y, rows, 3), moru_reshape(moru_layer_weight(c, out), matrix, 2));
    return o->use_bias ? moru_add(y, moru_layer_weight(c, out + 1)) : y;
}

const moru_layer_class moru_multi_head_attention_class = {
    .class_name = "MultiHeadAttention", .module = "keras.layers", .size = sizeof(moru_multi_head_attention_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .arguments = arguments,
    .n_arguments = sizeof arguments / sizeof *arguments, .input_names = input_names, .min_inputs = 2, .max_inputs = 3,
    .masks = MORU_MASK_PASSES, .build = build, .call = call,
};

moru_layer *moru_multi_head_attention_new(const moru_multi_head_attention_options *options)
{
    moru_multi_head_attention_options o = *options;
    o.value_dim = value_dim_of(options);
    return moru_layer_new(&moru_multi_head_attention_class, &o);
}
