/* LSTM: c = f c + i act(z_c), h = o act(c), i, f, o = recurrent_act(z), z = x kernel + h recurrent_kernel + bias. */
#include "core/status.h"
#include "layers/recurrent.h"

#define GATES 4
enum { I, F, C, O };

static const moru_lstm_cell_options cell_defaults = {MORU_LSTM_DEFAULTS};
static const moru_field cell_fields[] = {
    MORU_RECURRENT_FIELDS(moru_lstm_cell_options),
    MORU_FIELD_OBJECT(moru_lstm_cell_options, recurrent_activation, "activation"),
    MORU_FIELD(moru_lstm_cell_options, unit_forget_bias, MORU_FIELD_BOOL),
};

static moru_recurrent common_of(const moru_layer *cell)
{
    const moru_lstm_cell_options *o = cell->options;
    return (moru_recurrent){MORU_RECURRENT_COMMON(o), .recurrent_activation = o->recurrent_activation};
}

static moru_status build_cell(moru_layer *cell, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_lstm_cell_options *o = cell->options;
    const moru_recurrent common = common_of(cell);
    (void)dtypes, (void)n;
    int64_t all = o->units > 0 && o->units <= INT64_MAX / GATES ? GATES * o->units : 1;
    MORU_TRY(moru_cell_build(cell, &common, &inputs[0], GATES, MORU_SHAPE(all)));
    if (o->use_bias && o->unit_forget_bias)
        cell->weights[2].ones_from = cell->weights[2].ones = o->units;
    return MORU_OK;
}

static int states(const moru_layer *cell, moru_shape *shapes)
{
    if (shapes)
        shapes[0] = shapes[1] = MORU_SHAPE(common_of(cell).units);
    return 2;
}

static bool begin(moru_cell *cell, moru_node *x)
{
    const moru_recurrent o = common_of(cell->call.layer);
    return moru_cell_begin(cell, &o, x, GATES, o.recurrent_dropout > 0);
}

static moru_node *project(const moru_cell *cell, moru_node *x, bool sequence)
{
    return moru_cell_project(cell, x, sequence, cell->bias);
}

static moru_node *step(const moru_cell *cell, moru_node *z, moru_node **states)
{
    const moru_recurrent o = common_of(cell->call.layer);
    moru_node *gates[GATES];
    z = moru_add(z, moru_cell_recur(cell, states[0], 0, GATES));
    for (int k = 0; k < GATES; k++)
        gates[k] = moru_activate(moru_rnn_gate(z, k, o.units), k == C ? o.activation : o.recurrent_activation);
    states[1] = moru_add(moru_mul(gates[F], states[1]), moru_mul(gates[I], gates[C]));
    return states[0] = moru_mul(gates[O], moru_activate(states[1], o.activation));
}

static bool fused(const moru_cell *cell, moru_loop *loop)
{
    const moru_recurrent o = common_of(cell->call.layer);
    bool zeros = !loop->states[0];
    if (!moru_cell_is(o.activation, "tanh") || !moru_cell_is(o.recurrent_activation, "sigmoid")
        || cell->state_dropout[0])
        return false;
    moru_node *y = moru_lstm_of(&(moru_rnn_inputs){
        .x = moru_cell_dropped(cell, loop->x), .kernel = cell->kernel, .recurrent = cell->recurrent, .bias = cell->bias,
        .h0 = loop->states[0], .c0 = loop->states[1], .mask = loop->mask, .backwards = loop->backwards,
        .zero_output = loop->zero_output && loop->sequences});
    loop->states[0] = moru_node_output(y, MORU_LSTM_H);
    loop->states[1] = moru_node_output(y, MORU_LSTM_C);
    loop->y = loop->sequences ? y : moru_loop_last(loop, loop->states[0], zeros);
    return true;
}

static const moru_cell_class cell_class = {.states = states, .begin = begin, .project = project, .step = step,
                                           .fused = fused};

const moru_layer_class moru_lstm_cell_class = {
    .class_name = "LSTMCell", .module = "keras.layers", .size = sizeof(moru_lstm_cell_options),
    .defaults = &cell_defaults, .fields = cell_fields, .n_fields = sizeof cell_fields / sizeof *cell_fields,
    .min_inputs = 1, .max_inputs = 1, .cell = &cell_class, .build = build_cell,
    .input_names = moru_cell_input_names,
    .named_inputs = moru_cell_named_inputs, .output_count = moru_cell_output_count, .call = moru_cell_call,
};

/* ---- the layer ---- */

static const moru_lstm_options defaults = {MORU_LSTM_DEFAULTS};
static const moru_field fields[] = {
    MORU_RNN_FIELDS(moru_lstm_options),
    MORU_RECURRENT_FIELDS(moru_lstm_options),
    MORU_FIELD_OBJECT(moru_lstm_options, recurrent_activation, "activation"),
    MORU_FIELD(moru_lstm_options, unit_forget_bias, MORU_FIELD_BOOL),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_lstm_options *o = layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    const moru_lstm_cell_options cell = {.name = NULL, .trainable = true, MORU_RECURRENT_COMMON(o),
                                         .recurrent_activation = o->recurrent_activation,
                                         .unit_forget_bias = o->unit_forget_bias};
    if (layer->n_children == 0)
        MORU_TRY(moru_layer_adopt_new(layer, moru_lstm_cell_new(&cell)));
    MORU_TRY(moru_layer_rank(layer, &inputs[0], 3));
    return moru_rnn_build(layer, layer->children[0], &flags, inputs, dtypes, n);
}

static int output_count(const moru_layer *layer)
{
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF((const moru_lstm_options *)layer->options);
    return moru_rnn_output_count(layer->children[0], &flags);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF((const moru_lstm_options *)c->layer->options);
    return moru_rnn_call(c, c->layer->children[0], &flags);
}

const moru_layer_class moru_lstm_class = {
    .class_name = "LSTM", .module = "keras.layers", .size = sizeof(moru_lstm_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .input_names = moru_rnn_input_names,
    .named_inputs = moru_rnn_named_inputs,
    .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build, .output_count = output_count,
    .call = call,
};

moru_layer *moru_lstm_cell_new(const moru_lstm_cell_options *options)
{
    return moru_layer_new(&moru_lstm_cell_class, options);
}

moru_layer *moru_lstm_new(const moru_lstm_options *options)
{
    return moru_layer_new(&moru_lstm_class, options);
}
