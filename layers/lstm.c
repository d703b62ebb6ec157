/* LSTM: c = f c + i act(z_c), h = o act(c), i, f, o = recurrent_act(z), z = x kernel + h recurrent_kernel + bias. */
#include "core/status.h"
#include "layers/recurrent.h"

#define GATES 4

static const moru_lstm_options defaults = {MORU_LSTM_DEFAULTS};
static const moru_field fields[] = {
    MORU_RECURRENT_FIELDS(moru_lstm_options),
    MORU_FIELD(moru_lstm_options, unit_forget_bias, MORU_FIELD_BOOL),
};

static const char *const names[] = {"lstm_cell/kernel", "lstm_cell/recurrent_kernel", "lstm_cell/bias"};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_lstm_options *o = layer->options;
    moru_recurrent common = MORU_RECURRENT_OF(o);
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "units", &o->units, 1));
    if (o->units > INT64_MAX / GATES)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "%lld units", (long long)o->units);
    MORU_TRY(moru_recurrent_build(layer, &common, &inputs[0], names, GATES, MORU_SHAPE(GATES * o->units)));
    if (o->use_bias && o->unit_forget_bias)
        layer->weights[2].ones_from = layer->weights[2].ones = o->units;
    return MORU_OK;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_lstm_options *o = c->layer->options;
    moru_recurrent common = MORU_RECURRENT_OF(o);
    moru_node *x = moru_recurrent_input(c, &common), *kernel = moru_layer_weight(c, 0);
    moru_node *recurrent = moru_layer_weight(c, 1), *bias = o->use_bias ? moru_layer_weight(c, 2) : NULL;
    int which = o->return_sequences ? MORU_LSTM_Y : MORU_LSTM_H;
    if (moru_recurrent_is_plain(&common))
        return moru_node_output(moru_lstm_op(x, kernel, recurrent, bias, NULL, NULL, o->go_backwards), which);
    moru_node *ys[MORU_LSTM_OUTPUTS];
    moru_rnn_activations activations = moru_recurrent_activations(&common);
    moru_lstm_expression(x, kernel, recurrent, bias, NULL, NULL, o->go_backwards, &activations, ys);
    return ys[which] ? ys[which] : moru_identity(x); /* inert: the graph has failed */
}

const moru_layer_class moru_lstm_class = {
    .class_name = "LSTM", .module = "keras.layers", .size = sizeof(moru_lstm_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .build = build, .call = call,
};

moru_layer *moru_lstm_new(const moru_lstm_options *options)
{
    return moru_layer_new(&moru_lstm_class, options);
}
