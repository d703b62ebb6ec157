/* GRU: h = z h + (1 - z) act(..), z and the reset gate r = recurrent_act(x kernel + h recurrent_kernel + bias). */
#include "core/status.h"
#include "layers/recurrent.h"

#define GATES 3
enum { Z, R, H };

static const moru_gru_cell_options cell_defaults = {MORU_GRU_DEFAULTS};
static const moru_field cell_fields[] = {
    MORU_RECURRENT_FIELDS(moru_gru_cell_options),
    MORU_FIELD_OBJECT(moru_gru_cell_options, recurrent_activation, "activation"),
    MORU_FIELD(moru_gru_cell_options, reset_after, MORU_FIELD_BOOL),
};

static moru_recurrent common_of(const moru_layer *cell)
{
    const moru_gru_cell_options *o = cell->options;
    return (moru_recurrent){MORU_RECURRENT_COMMON(o), .recurrent_activation = o->recurrent_activation};
}

static moru_status build_cell(moru_layer *cell, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_gru_cell_options *o = cell->options;
    const moru_recurrent common = common_of(cell);
    (void)dtypes, (void)n;
    int64_t all = o->units > 0 && o->units <= INT64_MAX / GATES ? GATES * o->units : 1;
    return moru_cell_build(cell, &common, &inputs[0], GATES, o->reset_after ? MORU_SHAPE(2, all) : MORU_SHAPE(all));
}

static int states(const moru_layer *cell, moru_shape *shapes)
{
    if (shapes)
        shapes[0] = MORU_SHAPE(common_of(cell).units);
    return 1;
}

static bool begin(moru_cell *cell, moru_node *x)
{
    const moru_recurrent o = common_of(cell->call.layer);
    return moru_cell_begin(cell, &o, x, GATES, o.recurrent_dropout > 0);
}

/* With reset_after: 0 that of x, 1 that of h. */
static moru_node *bias_of(const moru_cell *cell, int which)
{
    const moru_gru_cell_options *o = cell->call.layer->options;
    if (!o->use_bias || (which == 1 && !o->reset_after))
        return NULL;
    return o->reset_after ? moru_squeeze(moru_slice(cell->bias, 0, which, which + 1, 1), 0) : cell->bias;
}

static moru_node *project(const moru_cell *cell, moru_node *x, bool sequence)
{
    return moru_cell_project(cell, x, sequence, bias_of(cell, 0));
}

/* What of h goes into the candidate. */
static moru_node *candidate(const moru_cell *cell, moru_node *from_h, moru_node *r, moru_node *h)
{
    const moru_gru_cell_options *o = cell->call.layer->options;
    if (o->reset_after)
        return moru_mul(r, moru_rnn_gate(from_h, H, o->units));
    if (!cell->state_dropout[H])
        return moru_matmul(moru_mul(r, h), moru_rnn_gate(cell->recurrent, H, o->units));
    return moru_cell_recur(cell, moru_mul(r, h), H, GATES);
}

static moru_node *step(const moru_cell *cell, moru_node *z, moru_node **states)
{
    const moru_gru_cell_options *o = cell->call.layer->options;
    moru_node *h = states[0], *from_h = moru_cell_recur(cell, h, 0, o->reset_after ? GATES : 2), *gates[2];
    moru_node *bias = bias_of(cell, 1);
    if (bias)
        from_h = moru_add(from_h, bias);
    for (int k = 0; k < 2; k++)
        gates[k] = moru_activate(moru_add(moru_rnn_gate(z, k, o->units), moru_rnn_gate(from_h, k, o->units)),
                                 o->recurrent_activation);
    moru_node *n = moru_add(moru_rnn_gate(z, H, o->units), candidate(cell, from_h, gates[R], h));
    n = moru_activate(n, o->activation);
    moru_node *rest = moru_add_scalar(moru_neg(gates[Z]), 1);
    return states[0] = moru_add(moru_mul(gates[Z], h), moru_mul(rest, n));
}

static bool fused(const moru_cell *cell, moru_loop *loop)
{
    const moru_gru_cell_options *o = cell->call.layer->options;
    bool zeros = !loop->states[0];
    if (!moru_cell_is(o->activation, "tanh") || !moru_cell_is(o->recurrent_activation, "sigmoid")
        || cell->state_dropout[0])
        return false;
    moru_node *y = moru_gru_of(&(moru_rnn_inputs){
        .x = moru_cell_dropped(cell, loop->x), .kernel = cell->kernel, .recurrent = cell->recurrent, .bias = cell->bias,
        .h0 = loop->states[0], .mask = loop->mask, .reset_after = o->reset_after, .backwards = loop->backwards,
        .zero_output = loop->zero_output && loop->sequences});
    loop->states[0] = moru_node_output(y, MORU_GRU_H);
    loop->y = loop->sequences ? y : moru_loop_last(loop, loop->states[0], zeros);
    return true;
}

static const moru_cell_class cell_class = {.states = states, .begin = begin, .project = project, .step = step,
                                           .fused = fused};

const moru_layer_class moru_gru_cell_class = {
    .class_name = "GRUCell", .module = "keras.layers", .size = sizeof(moru_gru_cell_options),
    .defaults = &cell_defaults, .fields = cell_fields, .n_fields = sizeof cell_fields / sizeof *cell_fields,
    .min_inputs = 1, .max_inputs = 1, .cell = &cell_class, .build = build_cell,
    .input_names = moru_cell_input_names,
    .named_inputs = moru_cell_named_inputs, .output_count = moru_cell_output_count, .call = moru_cell_call,
};

/* ---- the layer ---- */

static const moru_gru_options defaults = {MORU_GRU_DEFAULTS};
static const moru_field fields[] = {
    MORU_RNN_FIELDS(moru_gru_options),
    MORU_RECURRENT_FIELDS(moru_gru_options),
    MORU_FIELD_OBJECT(moru_gru_options, recurrent_activation, "activation"),
    MORU_FIELD(moru_gru_options, reset_after, MORU_FIELD_BOOL),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_gru_options *o = layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    const moru_gru_cell_options cell = {.name = NULL, .trainable = true, MORU_RECURRENT_COMMON(o),
                                        .recurrent_activation = o->recurrent_activation,
                                        .reset_after = o->reset_after};
    if (layer->n_children == 0)
        MORU_TRY(moru_layer_adopt_new(layer, moru_gru_cell_new(&cell)));
    MORU_TRY(moru_layer_rank(layer, &inputs[0], 3));
    return moru_rnn_build(layer, layer->children[0], &flags, inputs, dtypes, n);
}

static int output_count(const moru_layer *layer)
{
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF((const moru_gru_options *)layer->options);
    return moru_rnn_output_count(layer->children[0], &flags);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF((const moru_gru_options *)c->layer->options);
    return moru_rnn_call(c, c->layer->children[0], &flags);
}

const moru_layer_class moru_gru_class = {
    .class_name = "GRU", .module = "keras.layers", .size = sizeof(moru_gru_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .input_names = moru_rnn_input_names,
    .named_inputs = moru_rnn_named_inputs,
    .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build, .output_count = output_count,
    .call = call,
};

moru_layer *moru_gru_cell_new(const moru_gru_cell_options *options)
{
    return moru_layer_new(&moru_gru_cell_class, options);
}

moru_layer *moru_gru_new(const moru_gru_options *options)
{
    return moru_layer_new(&moru_gru_class, options);
}
