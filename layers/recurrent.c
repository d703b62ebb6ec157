#include <string.h>

#include "core/status.h"
#include "layers/recurrent.h"

static moru_status check_options(const moru_layer *layer, const moru_recurrent *o)
{
    MORU_TRY(moru_layer_positive(layer, "units", &o->units, 1));
    if (o->return_state)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "return_state isn't supported");
    if (o->stateful)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "stateful isn't supported");
    if (o->recurrent_dropout != 0)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "recurrent_dropout isn't supported");
    if (!(o->dropout >= 0 && o->dropout < 1))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "dropout must lie in [0, 1), not %g", o->dropout);
    return MORU_OK;
}

static moru_status add_weight(moru_layer *layer, int k, const char *name, moru_shape shape, const char *initializer,
                              const char *regularizer)
{
    MORU_TRY(moru_layer_add_weight(layer, name, shape, initializer, regularizer, true));
    layer->weights[k].group = "cell";
    return MORU_OK;
}

moru_status moru_recurrent_build(moru_layer *layer, const moru_recurrent *o, const moru_shape *x,
                                 const char *const *names, int gates, moru_shape bias)
{
    MORU_TRY(check_options(layer, o));
    MORU_TRY(moru_layer_rank(layer, x, 3));
    if (x->dims[2] < 0)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "the number of features of its input must be known");
    if (!moru_recurrent_is_plain(o) && x->dims[1] < 0)
        return moru_layer_error(layer, MORU_ERR_UNSUPPORTED,
                                "activations other than tanh and sigmoid need a known number of steps");
    MORU_TRY(add_weight(layer, 0, names[0], MORU_SHAPE(x->dims[2], gates * o->units), o->kernel_initializer,
                        o->kernel_regularizer));
    MORU_TRY(add_weight(layer, 1, names[1], MORU_SHAPE(o->units, gates * o->units),
                        o->recurrent_initializer, o->recurrent_regularizer));
    return o->use_bias ? add_weight(layer, 2, names[2], bias, o->bias_initializer, o->bias_regularizer) : MORU_OK;
}

moru_node *moru_recurrent_input(const moru_layer_call *call, const moru_recurrent *o)
{
    moru_node *x = moru_as_real(call->inputs[0]);
    if (!call->training || call->trace->noiseless || o->dropout == 0)
        return x;
    moru_node *ones = moru_ones_like(moru_sum(x, (int[]){1}, 1, true)); /* [n,1,in]: one draw for all steps */
    return moru_mul(x, moru_dropout_op(ones, o->dropout));
}

static bool is(const char *spec, const char *name)
{
    return spec && strcmp(spec, name) == 0;
}

bool moru_recurrent_is_plain(const moru_recurrent *o)
{
    return is(o->activation, "tanh") && is(o->recurrent_activation, "sigmoid");
}

static moru_node *apply(moru_node *x, int which, const void *context)
{
    const moru_recurrent *o = context;
    return moru_activate(x, which == 0 ? o->activation : o->recurrent_activation);
}

moru_rnn_activations moru_recurrent_activations(const moru_recurrent *o)
{
    return (moru_rnn_activations){apply, o};
}
