/* GRU: h = z h + (1 - z) act(..), z and the reset gate r = recurrent_act(x kernel + h recurrent_kernel + bias). */
#include "core/status.h"
#include "layers/recurrent.h"

#define GATES 3

static const moru_gru_options defaults = {MORU_GRU_DEFAULTS};
static const moru_field fields[] = {
    MORU_RECURRENT_FIELDS(moru_gru_options),
    MORU_FIELD(moru_gru_options, reset_after, MORU_FIELD_BOOL),
};

static const char *const names[] = {"gru_cell/kernel", "gru_cell/recurrent_kernel", "gru_cell/bias"};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_gru_options *o = layer->options;
    moru_recurrent common = MORU_RECURRENT_OF(o);
    (void)dtypes, (void)n;
    MORU_TRY(moru_layer_positive(layer, "units", &o->units, 1));
    if (o->units > INT64_MAX / GATES)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "%lld units", (long long)o->units);
    return moru_recurrent_build(layer, &common, &inputs[0], names, GATES,
                                o->reset_after ? MORU_SHAPE(2, GATES * o->units) : MORU_SHAPE(GATES * o->units));
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_gru_options *o = c->layer->options;
    moru_recurrent common = MORU_RECURRENT_OF(o);
    moru_node *x = moru_recurrent_input(c, &common), *kernel = moru_layer_weight(c, 0);
    moru_node *recurrent = moru_layer_weight(c, 1), *bias = o->use_bias ? moru_layer_weight(c, 2) : NULL;
    int which = o->return_sequences ? MORU_GRU_Y : MORU_GRU_H;
    if (moru_recurrent_is_plain(&common))
        return moru_node_output(moru_gru_op(x, kernel, recurrent, bias, NULL, o->reset_after, o->go_backwards), which);
    moru_node *ys[MORU_GRU_OUTPUTS];
    moru_rnn_activations activations = moru_recurrent_activations(&common);
    moru_gru_expression(x, kernel, recurrent, bias, NULL, o->reset_after, o->go_backwards, &activations, ys);
    return ys[which] ? ys[which] : moru_identity(x); /* inert: the graph has failed */
}

const moru_layer_class moru_gru_class = {
    .class_name = "GRU", .module = "keras.layers", .size = sizeof(moru_gru_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1, .max_inputs = 1,
    .build = build, .call = call,
};

moru_layer *moru_gru_new(const moru_gru_options *options)
{
    return moru_layer_new(&moru_gru_class, options);
}
