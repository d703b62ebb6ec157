/* What MultiHeadAttention and GroupQueryAttention do: query, key and value projected to heads, attention by head, the
 * heads projected to the output. */
#include <math.h>

#include "core/status.h"
#include "layers/attention.h"

const char *const moru_heads_inputs[] = {"query", "value", "key", NULL};
const char *const moru_heads_named[] = {"query_mask", "value_mask", "key_mask", "attention_mask", NULL};

enum { QUERY, KEY, GATE, VALUE, OUTPUT };

/* Number of a projection's kernel among the weights. */
static int place_of(const moru_heads *o, int which)
{
    return (which - (which > GATE && !o->use_gate)) * (o->use_bias ? 2 : 1);
}

/* Fan sizes as of the product that the projection is: Keras makes it an EinsumDense. Two axes are heads and their
 * size, the last ones or, of the output's kernel, the first ones. */
static void set_fans(moru_weight *kernel, const moru_shape *shape, bool output)
{
    kernel->fan_in = kernel->fan_out = 1;
    for (int i = 0; i < shape->rank; i++)
        *((output ? i < 2 : i < shape->rank - 2) ? &kernel->fan_in : &kernel->fan_out) *= (double)shape->dims[i];
}

static moru_status add_projection(moru_layer *layer, const moru_heads *o, int which, moru_shape kernel, moru_shape bias)
{
    static const char *const names[][4] = {
        {"query/kernel", "query/bias", "query_dense", "_query_dense"},
        {"key/kernel", "key/bias", "key_dense", "_key_dense"},
        {"gate/kernel", "gate/bias", "_gate_dense", "_gate_dense"},
        {"value/kernel", "value/bias", "value_dense", "_value_dense"},
        {"attention_output/kernel", "attention_output/bias", "output_dense", "_output_dense"}};
    int k = place_of(o, which);
    MORU_TRY(moru_layer_add_weight(layer, names[which][0], kernel, o->kernel_initializer, o->kernel_regularizer, true));
    layer->weights[k].group = names[which][2 + o->grouped];
    set_fans(&layer->weights[k], &kernel, which == OUTPUT);
    if (!o->use_bias)
        return MORU_OK;
    MORU_TRY(moru_layer_add_weight(layer, names[which][1], bias, o->bias_initializer, o->bias_regularizer, true));
    layer->weights[k + 1].group = names[which][2 + o->grouped];
    return MORU_OK;
}

static moru_shape joined(moru_shape a, moru_shape b)
{
    for (int i = 0; i < b.rank && a.rank < MORU_MAX_RANK; i++)
        a.dims[a.rank++] = b.dims[i];
    return a;
}

static moru_status find_axes(const moru_layer *layer, const moru_heads *o, int rank, int axes[MORU_MAX_RANK], int *n)
{
    *n = o->axes.rank ? o->axes.rank : rank - 2;
    for (int i = 0; i < *n; i++) {
        int64_t axis = o->axes.rank ? o->axes.dims[i] : i + 1;
        MORU_TRY(moru_layer_axis(layer, axis, rank, &axes[i]));
        bool again = false;
        for (int k = 0; k < i; k++)
            again = again || axes[k] == axes[i];
        if (axes[i] == 0 || axes[i] == rank - 1 || again)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "attention_axes are others than the first and the last, "
                                    "each once, not %lld", (long long)axis);
    }
    return MORU_OK;
}

static moru_status check_options(const moru_layer *layer, const moru_heads *o)
{
    MORU_TRY(moru_layer_positive(layer, o->grouped ? "num_query_heads" : "num_heads", &o->heads, 1));
    MORU_TRY(moru_layer_positive(layer, "num_key_value_heads", &o->kv_heads, 1));
    MORU_TRY(moru_layer_positive(layer, o->grouped ? "head_dim" : "key_dim", &o->key_dim, 1));
    MORU_TRY(moru_layer_positive(layer, "output_shape", o->output_shape.dims, o->output_shape.rank));
    if (o->value_dim < 0 || o->window < 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s must be positive, not %lld",
                                o->window < 0 ? "sliding_window" : "value_dim",
                                (long long)(o->window < 0 ? o->window : o->value_dim));
    if (o->heads % o->kv_heads)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "num_query_heads must be a multiple of num_key_value_heads");
    if (!(o->dropout >= 0 && o->dropout < 1))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "dropout must lie in [0, 1), not %g", o->dropout);
    int64_t all, sizes = 1;
    bool fits = moru_mul_ok(o->heads, o->key_dim > o->value_dim ? o->key_dim : o->value_dim, &all);
    for (int i = 0; i < o->output_shape.rank; i++)
        fits = fits && moru_mul_ok(sizes, o->output_shape.dims[i], &sizes);
    return fits ? MORU_OK : moru_layer_error(layer, MORU_ERR_ARGUMENT, "its heads or its output_shape are too large");
}

static moru_status check_inputs(const moru_layer *layer, const moru_heads *o, const moru_shape *inputs, int n)
{
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    const moru_shape *value = &inputs[1], *key = &inputs[n - 1];
    int rank = inputs[0].rank, axes[MORU_MAX_RANK], n_axes;
    if (rank < 3 || (o->grouped && rank != 3) || rank + 1 > MORU_MAX_RANK)
        MORU_TRY(moru_layer_rank(layer, &inputs[0], 3));
    for (int i = 0; i < n; i++) {
        MORU_TRY(moru_layer_rank(layer, &inputs[i], rank));
        if (inputs[i].dims[rank - 1] < 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "the last size of its %s %s must be known",
                                    moru_heads_inputs[i], moru_shape_print(&inputs[i], a, sizeof a));
    }
    for (int i = 1; i < rank - 1; i++)
        if (value->dims[i] >= 0 && key->dims[i] >= 0 && value->dims[i] != key->dims[i])
            return moru_layer_error(layer, MORU_ERR_SHAPE, "its value %s and key %s differ in length",
                                    moru_shape_print(value, a, sizeof a), moru_shape_print(key, b, sizeof b));
    MORU_TRY(find_axes(layer, o, rank, axes, &n_axes));
    if (n_axes > 1 && (o->causal || o->window))
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "%s with attention over several axes",
                                o->causal ? "use_causal_mask" : "sliding_window");
    /* Keras makes its masks of the sizes of axis 1 whatever the axis is */
    bool alike = axes[0] == 1 || (inputs[0].dims[1] == inputs[0].dims[axes[0]] &&
                                  value->dims[1] == value->dims[axes[0]]);
    if (!alike && (o->causal || o->window))
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "%s along another axis than the first",
                                o->causal ? "use_causal_mask" : "sliding_window");
    if (rank + n_axes > MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "scores of %d dimensions", rank + n_axes);
    return MORU_OK;
}

moru_status moru_heads_build(moru_layer *layer, const moru_heads *o, const moru_shape *inputs, int n)
{
    MORU_TRY(check_options(layer, o));
    MORU_TRY(check_inputs(layer, o, inputs, n));
    int last = inputs[0].rank - 1;
    int64_t width = inputs[0].dims[last], key = inputs[n - 1].dims[last], value = inputs[1].dims[last];
    moru_shape out = o->output_shape.rank ? o->output_shape : MORU_SHAPE(width);
    moru_shape queries = MORU_SHAPE(o->heads, o->key_dim), keys = MORU_SHAPE(o->kv_heads, o->key_dim);
    moru_shape values = MORU_SHAPE(o->kv_heads, o->value_dim), results = MORU_SHAPE(o->heads, o->value_dim);
    if (last + out.rank > MORU_MAX_RANK || 2 + out.rank > MORU_MAX_RANK)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "an output_shape of %d sizes", out.rank);
    MORU_TRY(add_projection(layer, o, QUERY, joined(MORU_SHAPE(width), queries), queries));
    MORU_TRY(add_projection(layer, o, KEY, joined(MORU_SHAPE(key), keys), keys));
    if (o->use_gate)
        MORU_TRY(add_projection(layer, o, GATE, joined(MORU_SHAPE(width), results), results));
    MORU_TRY(add_projection(layer, o, VALUE, joined(MORU_SHAPE(value), values), values));
    return add_projection(layer, o, OUTPUT, joined(results, out), out);
}

/* x [.., a..] by a kernel [a.., b..] plus bias [b..] to [.., b..]: as matrices. inner: how many axes a.. are. */
static moru_node *project(const moru_layer_call *c, const moru_heads *o, int which, moru_node *x, int inner)
{
    int k = place_of(o, which), n = 0;
    moru_node *kernel = moru_layer_weight(c, k);
    if (moru_node_failed(x) || moru_node_failed(kernel))
        return c->graph->inert;
    int64_t dims[MORU_MAX_RANK], matrix[] = {1, 1};
    moru_shape weight = kernel->shape;
    for (int i = 0; i < weight.rank; i++)
        matrix[i >= inner] *= weight.dims[i];
    for (; n < x->shape.rank - inner; n++)
        dims[n] = x->shape.dims[n];
    dims[n] = matrix[0];
    moru_node *y = moru_matmul(inner > 1 ? moru_reshape(x, dims, n + 1) : x, moru_reshape(kernel, matrix, 2));
    if (o->use_bias)
        y = moru_add(y, moru_reshape(moru_layer_weight(c, k + 1), &matrix[1], 1));
    for (int i = inner; i < weight.rank; i++)
        dims[n++] = weight.dims[i];
    y = weight.rank - inner > 1 ? moru_reshape(y, dims, n) : y;
    if (which == GATE)
        y = moru_sigmoid(y);
    moru_layer_regularize(c, &y, 1); /* Keras's layer hands the regularizer to each of its projections */
    return y;
}

/* Each head of [n, s, heads, dim] so often that all queries' heads have one. */
static moru_node *repeat_heads(const moru_heads *o, moru_node *x)
{
    int64_t times = o->heads / o->kv_heads;
    if (times == 1 || moru_node_failed(x))
        return x;
    int64_t all[] = {x->shape.dims[0], x->shape.dims[1], o->heads, x->shape.dims[3]}, repeated[] = {times, 1};
    moru_node *frame = moru_broadcast_to(moru_scalar(x->graph, 1), repeated, 2);
    return moru_reshape(moru_mul(moru_expand_dims(x, 3), frame), all, 4);
}

/* Everything that says which keys a query may see, but for a causal mask: [n, T, S] or what broadcasts to it. */
static moru_node *kept_of(const moru_layer_call *c, const moru_heads *o, const int *axes, int n_axes)
{
    /* Keras's MultiHeadAttention looks for the mask that came with the query only */
    moru_node *query = o->grouped ? moru_named_mask(c, "query_mask", 0) : c->inputs[0]->mask;
    moru_node *value = moru_named_mask(c, "value_mask", 1);
    moru_node *key = moru_named_mask(c, "key_mask", c->n_inputs > 2 ? 2 : -1);
    moru_node *kept = NULL, *given = moru_layer_argument(c, "attention_mask", 0);
    if (n_axes > 1 && (query || value || key))
        return moru_graph_fail(c->graph, MORU_ERR_UNSUPPORTED, "%s \"%s\": masks of its inputs with attention over "
                               "several axes", c->layer->class_->class_name, c->layer->name);
    kept = query ? moru_expand_dims(moru_as_real(query), -1) : NULL;
    kept = moru_mask_and(kept, value ? moru_expand_dims(value, -2) : NULL);
    kept = moru_mask_and(kept, key ? moru_expand_dims(key, -2) : NULL);
    if (o->window) {
        moru_node *ones = moru_ones_of_scores(c->inputs[0], c->inputs[1], axes[0]);
        kept = moru_mask_and(kept, moru_expand_dims(moru_band_mask(ones, o->window - 1, o->window - 1, 0), 0));
    }
    return moru_mask_and(given ? moru_as_real(given) : NULL, kept);
}

moru_node *moru_heads_call(const moru_layer_call *c, const moru_heads *o)
{
    int axes[MORU_MAX_RANK], n_axes;
    moru_node *query = moru_as_real(c->inputs[0]), *value = moru_as_real(c->inputs[1]), *mask = c->inputs[0]->mask;
    moru_node *key = moru_as_real(c->inputs[c->n_inputs - 1]);
    if (find_axes(c->layer, o, query->shape.rank, axes, &n_axes) != MORU_OK)
        return moru_graph_fail(c->graph, MORU_ERR_ARGUMENT, "%s", moru_last_error());
    moru_attend a = {.call = c, .axes = axes, .n_axes = n_axes, .scale = 1 / sqrt((double)o->key_dim),
                     .dropout = o->dropout, .causal = o->causal, .kept = kept_of(c, o, axes, n_axes)};
    moru_node *q = project(c, o, QUERY, query, 1);
    moru_node *k = repeat_heads(o, project(c, o, KEY, key, 1)), *v = repeat_heads(o, project(c, o, VALUE, value, 1));
    moru_node *y = moru_attend_heads(&a, q, k, v, o->returns_scores ? &c->outputs[1] : NULL);
    if (o->use_gate)
        y = moru_mul(y, project(c, o, GATE, query, 1));
    y = project(c, o, OUTPUT, y, 2);
    for (int i = 0; i < c->n_inputs && !o->grouped; i++)
        c->inputs[i]->mask = NULL; /* Keras's layer takes the masks off what it is applied to */
    if (!moru_node_failed(y))
        y->mask = mask;
    return y;
}
