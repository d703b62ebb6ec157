/* What recurrent layers share. */
#ifndef MORU_LAYERS_RECURRENT_H
#define MORU_LAYERS_RECURRENT_H

#include "layers/layer.h"
#include "ops/rnn.h"

/* The options they have in common. */
typedef struct moru_recurrent {
    int64_t units;
    const char *activation, *recurrent_activation;
    bool use_bias;
    const char *kernel_initializer, *recurrent_initializer, *bias_initializer;
    const char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer;
    double dropout, recurrent_dropout;
    bool return_sequences, return_state, stateful;
} moru_recurrent;

#define MORU_RECURRENT_OF(o) \
    {.units = (o)->units, .activation = (o)->activation, .recurrent_activation = (o)->recurrent_activation, \
     .use_bias = (o)->use_bias, .kernel_initializer = (o)->kernel_initializer, \
     .recurrent_initializer = (o)->recurrent_initializer, .bias_initializer = (o)->bias_initializer, \
     .kernel_regularizer = (o)->kernel_regularizer, .recurrent_regularizer = (o)->recurrent_regularizer, \
     .bias_regularizer = (o)->bias_regularizer, .dropout = (o)->dropout, .recurrent_dropout = (o)->recurrent_dropout, \
     .return_sequences = (o)->return_sequences, .return_state = (o)->return_state, .stateful = (o)->stateful}

#define MORU_RECURRENT_FIELDS(type) \
    MORU_FIELD(type, return_sequences, MORU_FIELD_BOOL), MORU_FIELD(type, return_state, MORU_FIELD_BOOL), \
    MORU_FIELD(type, go_backwards, MORU_FIELD_BOOL), MORU_FIELD(type, stateful, MORU_FIELD_BOOL), \
    MORU_FIELD(type, unroll, MORU_FIELD_BOOL), MORU_FIELD(type, units, MORU_FIELD_INT), \
    MORU_FIELD_OBJECT(type, activation, "activation"), MORU_FIELD_OBJECT(type, recurrent_activation, "activation"), \
    MORU_FIELD(type, use_bias, MORU_FIELD_BOOL), MORU_FIELD_OBJECT(type, kernel_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, recurrent_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, bias_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, kernel_regularizer, "regularizer"), \
    MORU_FIELD_OBJECT(type, recurrent_regularizer, "regularizer"), \
    MORU_FIELD_OBJECT(type, bias_regularizer, "regularizer"), MORU_FIELD(type, dropout, MORU_FIELD_REAL), \
    MORU_FIELD(type, recurrent_dropout, MORU_FIELD_REAL), MORU_FIELD_DROPPED("seed"), \
    MORU_FIELD_DROPPED("zero_output_for_mask"), /* there are no masks */ \
    MORU_FIELD_DROPPED("implementation")        /* Keras 2: one of two ways to the same numbers */

/* Checks options and the input [n,t,in], and makes the weights, gates side by side:
 * kernel, recurrent kernel, bias by these names, which last ("lstm_cell/kernel": Keras keeps them in a part). */
moru_status moru_recurrent_build(moru_layer *layer, const moru_recurrent *o, const moru_shape *x,
                                 const char *const *names, int gates, moru_shape bias);
/* The input as real numbers, in training with dropout. */
moru_node *moru_recurrent_input(const moru_layer_call *call, const moru_recurrent *o);
/* Whether the activations are those that the ops have built in, and those of a layer for an expression. */
bool moru_recurrent_is_plain(const moru_recurrent *o);
moru_rnn_activations moru_recurrent_activations(const moru_recurrent *o);

#endif
