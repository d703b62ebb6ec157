/* ConvLSTM: an LSTM whose products are convolutions. */
#include <string.h>

#include "core/status.h"
#include "layers/recurrent.h"

#define GATES 4
enum { I, F, C, O };
enum { KERNEL, RECURRENT, BIAS };

#define CONV_LSTM_FIELDS(type, rank) \
    MORU_RNN_FIELDS(type), \
    MORU_FIELD(type, filters, MORU_FIELD_INT), MORU_FIELD_ARRAY(type, kernel_size, rank), \
    MORU_FIELD_ARRAY(type, strides, rank), MORU_FIELD(type, padding, MORU_FIELD_TEXT), \
    MORU_FIELD(type, data_format, MORU_FIELD_TEXT), MORU_FIELD_ARRAY(type, dilation_rate, rank), \
    MORU_FIELD_OBJECT(type, activation, "activation"), MORU_FIELD_OBJECT(type, recurrent_activation, "activation"), \
    MORU_FIELD(type, use_bias, MORU_FIELD_BOOL), MORU_FIELD_OBJECT(type, kernel_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, recurrent_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, bias_initializer, "initializer"), MORU_FIELD(type, unit_forget_bias, MORU_FIELD_BOOL), \
    MORU_FIELD_OBJECT(type, kernel_regularizer, "regularizer"), \
    MORU_FIELD_OBJECT(type, recurrent_regularizer, "regularizer"), \
    MORU_FIELD_OBJECT(type, bias_regularizer, "regularizer"), MORU_FIELD(type, dropout, MORU_FIELD_REAL), \
    MORU_FIELD(type, recurrent_dropout, MORU_FIELD_REAL), \
    MORU_FIELD_DROPPED("seed") /* of the dropout: numbers come from the training's seed */

static const moru_conv_lstm2d_options defaults = {MORU_CONV_LSTM2D_DEFAULTS};
static const moru_conv_lstm1d_options defaults1d = {MORU_CONV_LSTM1D_DEFAULTS};
static const moru_field fields[] = {CONV_LSTM_FIELDS(moru_conv_lstm2d_options, 2)};
static const moru_field fields1d[] = {CONV_LSTM_FIELDS(moru_conv_lstm1d_options, 1)};

/* Of the cell: one dimension is two, the second of size 1. */
typedef struct options { moru_conv_lstm2d_options of2d; int rank; } options;

/* ---- the cell ---- */

static moru_status check_options(const moru_layer *layer, const moru_conv_lstm2d_options *o)
{
    moru_padding padding;
    MORU_TRY(moru_layer_positive(layer, "filters", &o->filters, 1));
    MORU_TRY(moru_layer_positive(layer, "kernel_size", o->kernel_size, 2));
    MORU_TRY(moru_layer_positive(layer, "strides", o->strides, 2));
    MORU_TRY(moru_layer_positive(layer, "dilation_rate", o->dilation_rate, 2));
    MORU_TRY(moru_layer_padding(layer, o->padding, &padding));
    MORU_TRY(moru_layer_channels_last(layer, o->data_format));
    for (int k = 0; k < 4; k++)
        if (o->strides[k / 2] > 1 && o->dilation_rate[k % 2] > 1)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "strides above 1 don't go with a dilation_rate above 1");
    if (!(o->dropout >= 0 && o->dropout < 1 && o->recurrent_dropout >= 0 && o->recurrent_dropout < 1))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "dropout and recurrent_dropout must lie in [0, 1)");
    return o->filters <= INT64_MAX / GATES ? MORU_OK
           : moru_layer_error(layer, MORU_ERR_MEMORY, "%lld filters", (long long)o->filters);
}

static const moru_conv_lstm2d_options *options_of(const moru_layer *cell)
{
    return &((const options *)cell->options)->of2d;
}

static int rank_of(const moru_layer *cell)
{
    return ((const options *)cell->options)->rank;
}

static moru_shape kernel_shape(const moru_layer *cell, int64_t channels)
{
    const moru_conv_lstm2d_options *o = options_of(cell);
    int64_t all = GATES * o->filters;
    return rank_of(cell) == 1 ? MORU_SHAPE(o->kernel_size[0], channels, all)
                              : MORU_SHAPE(o->kernel_size[0], o->kernel_size[1], channels, all);
}

static moru_status build_cell(moru_layer *cell, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_conv_lstm2d_options *o = options_of(cell);
    const moru_shape *x = &inputs[0];
    char text[MORU_SHAPE_TEXT];
    (void)dtypes, (void)n;
    MORU_TRY(check_options(cell, o));
    MORU_TRY(moru_layer_rank(cell, x, rank_of(cell) + 2));
    for (int k = 1; k < x->rank; k++)
        if (x->dims[k] < 1)
            return moru_layer_error(cell, MORU_ERR_SHAPE, "the sizes and channels of its input %s must be known",
                                    moru_shape_print(x, text, sizeof text));
    MORU_TRY(moru_layer_add_weight(cell, "kernel", kernel_shape(cell, x->dims[x->rank - 1]), o->kernel_initializer,
                                   o->kernel_regularizer, true));
    MORU_TRY(moru_layer_add_weight(cell, "recurrent_kernel", kernel_shape(cell, o->filters), o->recurrent_initializer,
                                   o->recurrent_regularizer, true));
    if (!o->use_bias)
        return MORU_OK;
    MORU_TRY(moru_layer_add_weight(cell, "bias", MORU_SHAPE(GATES * o->filters), o->bias_initializer,
                                   o->bias_regularizer, true));
    if (o->unit_forget_bias)
        cell->weights[BIAS].ones_from = cell->weights[BIAS].ones = o->filters;
    return MORU_OK;
}

static int states(const moru_layer *cell, moru_shape *shapes)
{
    const moru_conv_lstm2d_options *o = options_of(cell);
    if (!shapes)
        return 2;
    shapes[0].rank = rank_of(cell) + 1;
    for (int k = 0; k < rank_of(cell); k++) {
        int64_t size = cell->input_shapes[0].dims[1 + k], reach = (o->kernel_size[k] - 1) * o->dilation_rate[k] + 1;
        bool same = o->padding[0] == 's' || o->padding[0] == 'S';
        shapes[0].dims[k] = same ? (size + o->strides[k] - 1) / o->strides[k] : (size - reach) / o->strides[k] + 1;
    }
    shapes[0].dims[rank_of(cell)] = o->filters;
    shapes[1] = shapes[0];
    return 2;
}

static bool begin(moru_cell *cell, moru_node *x)
{
    const moru_layer_call *call = &cell->call;
    const moru_conv_lstm2d_options *o = options_of(call->layer);
    bool drops = call->training && !call->trace->noiseless;
    moru_shape shapes[2];
    states(call->layer, shapes);
    cell->kernel = moru_layer_weight(call, KERNEL);
    cell->recurrent = moru_layer_weight(call, RECURRENT);
    cell->bias = o->use_bias ? moru_layer_weight(call, BIAS) : NULL;
    for (int k = 0; k < GATES && drops; k++) {
        if (o->dropout > 0)
            cell->input_dropout[k] = moru_cell_dropout(x, o->dropout);
        if (o->recurrent_dropout > 0)
            cell->state_dropout[k] = moru_cell_dropout(moru_cell_zeros(x, &shapes[0]), o->recurrent_dropout);
    }
    return true;
}

static moru_node *convolve(moru_node *x, moru_node *kernel, int rank, const moru_conv2d_attrs *attrs)
{
    if (rank == 2)
        return moru_conv2d_op(x, kernel, attrs);
    return moru_squeeze(moru_conv2d_op(moru_expand_dims(x, 2), moru_expand_dims(kernel, 1), attrs), 2);
}

/* All gates, or with masks of dropout gate by gate. */
static moru_node *product(moru_node *x, moru_node *kernel, moru_node *const *masks, const moru_layer *cell,
                          const moru_conv2d_attrs *attrs)
{
    moru_node *parts[GATES];
    if (!masks[0])
        return convolve(x, kernel, rank_of(cell), attrs);
    for (int k = 0; k < GATES; k++)
        parts[k] = convolve(moru_mul(x, masks[k]), moru_rnn_gate(kernel, k, options_of(cell)->filters), rank_of(cell),
                            attrs);
    return moru_concat(parts, GATES, -1);
}

/* [n,t,..] as [n t,..] and back. */
static moru_node *project(const moru_cell *cell, moru_node *x, bool sequence)
{
    const moru_conv_lstm2d_options *o = options_of(cell->call.layer);
    moru_node *masks[GATES] = {NULL};
    moru_conv2d_attrs attrs = {.strides = {o->strides[0], o->strides[1]},
                               .dilation = {o->dilation_rate[0], o->dilation_rate[1]}, .groups = 1};
    moru_layer_padding(cell->call.layer, o->padding, &attrs.padding);
    for (int k = 0; k < GATES && cell->input_dropout[k]; k++) {
        masks[k] = cell->input_dropout[k];
        if (sequence)
            masks[k] = moru_flatten_time(moru_broadcast_like(moru_expand_dims(masks[k], 1), x));
    }
    moru_node *z = product(sequence ? moru_flatten_time(x) : x, cell->kernel, masks, cell->call.layer, &attrs);
    if (cell->bias)
        z = moru_add(z, cell->bias);
    return sequence ? moru_unfold_time(z, x) : z;
}

static moru_node *step(const moru_cell *cell, moru_node *z, moru_node **states)
{
    const moru_conv_lstm2d_options *o = options_of(cell->call.layer);
    static const moru_conv2d_attrs attrs = {.strides = {1, 1}, .dilation = {1, 1}, .groups = 1, .padding = MORU_SAME};
    moru_node *gates[GATES];
    z = moru_add(z, product(states[0], cell->recurrent, cell->state_dropout, cell->call.layer, &attrs));
    for (int k = 0; k < GATES; k++)
        gates[k] = moru_activate(moru_rnn_gate(z, k, o->filters), k == C ? o->activation : o->recurrent_activation);
    states[1] = moru_add(moru_mul(gates[F], states[1]), moru_mul(gates[I], gates[C]));
    return states[0] = moru_mul(gates[O], moru_activate(states[1], o->activation));
}

static const moru_cell_class cell_class = {.states = states, .begin = begin, .project = project, .step = step};

static const options cell_defaults = {{MORU_CONV_LSTM2D_DEFAULTS}, 2};

/* Keras's has no public name, either. */
static const moru_layer_class conv_lstm_cell_class = {
    .class_name = "ConvLSTMCell", .module = "keras.layers", .size = sizeof(options), .defaults = &cell_defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .input_names = moru_cell_input_names,
    .named_inputs = moru_cell_named_inputs, .cell = &cell_class, .build = build_cell,
    .output_count = moru_cell_output_count, .call = moru_cell_call,
};

/* ---- the layers ---- */

static moru_status build_layer(moru_layer *layer, const options *cell, const moru_rnn_flags *flags,
                               const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    if (layer->n_children == 0)
        MORU_TRY(moru_layer_adopt_new(layer, moru_layer_new(&conv_lstm_cell_class, cell)));
    MORU_TRY(moru_layer_rank(layer, &inputs[0], cell->rank + 3));
    return moru_rnn_build(layer, layer->children[0], flags, inputs, dtypes, n);
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_conv_lstm2d_options *o = layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    options cell = {*o, 2};
    cell.of2d.name = NULL;
    return build_layer(layer, &cell, &flags, inputs, dtypes, n);
}

static moru_status build1d(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_conv_lstm1d_options *o = layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    options cell = {{.trainable = true, .filters = o->filters, .padding = o->padding, .data_format = o->data_format,
                     .activation = o->activation, .recurrent_activation = o->recurrent_activation,
                     .use_bias = o->use_bias, .kernel_initializer = o->kernel_initializer,
                     .recurrent_initializer = o->recurrent_initializer, .bias_initializer = o->bias_initializer,
                     .unit_forget_bias = o->unit_forget_bias, .kernel_regularizer = o->kernel_regularizer,
                     .recurrent_regularizer = o->recurrent_regularizer, .bias_regularizer = o->bias_regularizer,
                     .dropout = o->dropout, .recurrent_dropout = o->recurrent_dropout,
                     .kernel_size = {o->kernel_size[0], 1}, .strides = {o->strides[0], 1},
                     .dilation_rate = {o->dilation_rate[0], 1}}, 1};
    return build_layer(layer, &cell, &flags, inputs, dtypes, n);
}

static moru_rnn_flags flags_of(const moru_layer *layer)
{
    const moru_conv_lstm2d_options *o2 = layer->options;
    const moru_conv_lstm1d_options *o1 = layer->options;
    if (layer->class_ == &moru_conv_lstm1d_class)
        return (moru_rnn_flags)MORU_RNN_FLAGS_OF(o1);
    return (moru_rnn_flags)MORU_RNN_FLAGS_OF(o2);
}

static int output_count(const moru_layer *layer)
{
    const moru_rnn_flags flags = flags_of(layer);
    return moru_rnn_output_count(layer->children[0], &flags);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_rnn_flags flags = flags_of(c->layer);
    return moru_rnn_call(c, c->layer->children[0], &flags);
}

const moru_layer_class moru_conv_lstm2d_class = {
    .class_name = "ConvLSTM2D", .module = "keras.layers", .size = sizeof(moru_conv_lstm2d_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields,
    .input_names = moru_rnn_input_names,
    .named_inputs = moru_rnn_named_inputs, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build,
    .output_count = output_count, .call = call,
};

const moru_layer_class moru_conv_lstm1d_class = {
    .class_name = "ConvLSTM1D", .module = "keras.layers", .size = sizeof(moru_conv_lstm1d_options),
    .defaults = &defaults1d, .fields = fields1d, .n_fields = sizeof fields1d / sizeof *fields1d,
    .input_names = moru_rnn_input_names,
    .named_inputs = moru_rnn_named_inputs, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build1d,
    .output_count = output_count, .call = call,
};

moru_layer *moru_conv_lstm2d_new(const moru_conv_lstm2d_options *options)
{
    return moru_layer_new(&moru_conv_lstm2d_class, options);
}

moru_layer *moru_conv_lstm1d_new(const moru_conv_lstm1d_options *options)
{
    return moru_layer_new(&moru_conv_lstm1d_class, options);
}
