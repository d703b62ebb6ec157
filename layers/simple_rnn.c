/* SimpleRNN: h = activation(x kernel + h recurrent_kernel + bias). */
#include "core/status.h"
#include "layers/recurrent.h"

static const moru_simple_rnn_cell_options cell_defaults = {MORU_SIMPLE_RNN_DEFAULTS};
static const moru_field cell_fields[] = {MORU_RECURRENT_FIELDS(moru_simple_rnn_cell_options)};

static moru_recurrent common_of(const moru_layer *cell)
{
    const moru_simple_rnn_cell_options *o = cell->options;
    return (moru_recurrent){MORU_RECURRENT_COMMON(o)};
}

static moru_status build_cell(moru_layer *cell, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_recurrent o = common_of(cell);
    (void)dtypes, (void)n;
    return moru_cell_build(cell, &o, &inputs[0], 1, MORU_SHAPE(o.units));
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
    return moru_cell_begin(cell, &o, x, 1, false);
}

static moru_node *project(const moru_cell *cell, moru_node *x, bool sequence)
{
    return moru_cell_project(cell, x, sequence, cell->bias);
}

static moru_node *step(const moru_cell *cell, moru_node *z, moru_node **h)
{
    const moru_recurrent o = common_of(cell->call.layer);
    return h[0] = moru_activate(moru_add(z, moru_cell_recur(cell, h[0], 0, 1)), o.activation);
}

static moru_node *beside(moru_node *a, moru_node *b, moru_node *c)
{
    return moru_concat((moru_node *[]){a, b, c}, 3, -1);
}

/* Where the number of steps isn't known: a GRU whose gates are shut, z = sigmoid(-1000) = 0, r = sigmoid(1000) = 1. */
static bool fused(const moru_cell *cell, moru_loop *loop)
{
    enum { SHUT = 1000 };
    const moru_recurrent o = common_of(cell->call.layer);
    bool began_with_zeros = !loop->states[0];
    if (loop->x->shape.dims[1] >= 0 || !moru_cell_is(o.activation, "tanh") || cell->state_dropout[0])
        return false;
    moru_node *no_kernel = moru_zeros_like(cell->kernel), *no_recurrent = moru_zeros_like(cell->recurrent);
    moru_node *zeros = moru_slice(no_recurrent, 0, 0, 1, 1), *bias = zeros;
    if (cell->bias)
        bias = moru_expand_dims(cell->bias, 0);
    moru_node *rows[] = {beside(moru_add_scalar(zeros, -SHUT), moru_add_scalar(zeros, SHUT), bias),
                         beside(zeros, zeros, zeros)};
    moru_node *y = moru_gru_of(&(moru_rnn_inputs){
        .x = moru_cell_dropped(cell, loop->x), .kernel = beside(no_kernel, no_kernel, cell->kernel),
        .recurrent = beside(no_recurrent, no_recurrent, cell->recurrent), .bias = moru_concat(rows, 2, 0),
        .h0 = loop->states[0], .mask = loop->mask, .reset_after = true, .backwards = loop->backwards,
        .zero_output = loop->zero_output && loop->sequences});
    loop->states[0] = moru_node_output(y, MORU_GRU_H);
    loop->y = loop->sequences ? y : moru_loop_last(loop, loop->states[0], began_with_zeros);
    return true;
}

static const char *const cell_input_names[] = {"sequence", NULL};
static const moru_cell_class cell_class = {.states = states, .begin = begin, .project = project, .step = step,
                                           .fused = fused};

const moru_layer_class moru_simple_rnn_cell_class = {
    .class_name = "SimpleRNNCell", .module = "keras.layers", .size = sizeof(moru_simple_rnn_cell_options),
    .defaults = &cell_defaults, .fields = cell_fields, .n_fields = sizeof cell_fields / sizeof *cell_fields,
    .min_inputs = 1, .max_inputs = 1, .cell = &cell_class, .build = build_cell,
    .input_names = cell_input_names,
    .named_inputs = moru_cell_named_inputs, .output_count = moru_cell_output_count, .call = moru_cell_call,
};

/* ---- the layer ---- */

static const moru_simple_rnn_options defaults = {MORU_SIMPLE_RNN_DEFAULTS};
static const moru_field fields[] = {
    MORU_RNN_FIELDS(moru_simple_rnn_options),
    MORU_RECURRENT_FIELDS(moru_simple_rnn_options),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_simple_rnn_options *o = layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    const moru_simple_rnn_cell_options cell = {.name = NULL, .trainable = true, MORU_RECURRENT_COMMON(o)};
    if (layer->n_children == 0)
        MORU_TRY(moru_layer_adopt_new(layer, moru_simple_rnn_cell_new(&cell)));
    MORU_TRY(moru_layer_rank(layer, &inputs[0], 3));
    return moru_rnn_build(layer, layer->children[0], &flags, inputs, dtypes, n);
}

static int output_count(const moru_layer *layer)
{
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF((const moru_simple_rnn_options *)layer->options);
    return moru_rnn_output_count(layer->children[0], &flags);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF((const moru_simple_rnn_options *)c->layer->options);
    return moru_rnn_call(c, c->layer->children[0], &flags);
}

const moru_layer_class moru_simple_rnn_class = {
    .class_name = "SimpleRNN", .module = "keras.layers", .size = sizeof(moru_simple_rnn_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .input_names = moru_rnn_input_names,
    .named_inputs = moru_rnn_named_inputs,
    .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build, .output_count = output_count,
    .call = call,
};

moru_layer *moru_simple_rnn_cell_new(const moru_simple_rnn_cell_options *options)
{
    return moru_layer_new(&moru_simple_rnn_cell_class, options);
}

moru_layer *moru_simple_rnn_new(const moru_simple_rnn_options *options)
{
    return moru_layer_new(&moru_simple_rnn_class, options);
}
