/* Recurrent layers: cells, and the loop over steps that runs them. */
#ifndef MORU_LAYERS_RECURRENT_INSIDE_H
#define MORU_LAYERS_RECURRENT_INSIDE_H

#include "layers/layer.h"
#include "ops/rnn.h"

enum { MORU_CELL_GATES = 4, MORU_CELL_STATES = 2, MORU_MAX_STATES = MORU_CELL_STATES * MORU_MAX_INNER_LAYERS };

/* A cell at work in one call of its layer: its weights, and masks of dropout, which are the same at all steps. */
typedef struct moru_cell {
    moru_layer_call call;          /* of the cell */
    moru_node *kernel, *recurrent, *bias;
    moru_node *input_dropout[MORU_CELL_GATES], *state_dropout[MORU_CELL_GATES]; /* none, one, or one a gate */
    struct moru_cell *inner;       /* of StackedRNNCells */
} moru_cell;

/* A loop over steps. */
typedef struct moru_loop {
    moru_node *x;                  /* [n,t,..] */
    moru_node *mask;               /* [n,t], or NULL */
    bool backwards, zero_output, sequences;
    int n_states;
    moru_node *states[MORU_MAX_STATES]; /* those before (NULL: all zeros), then those after */
    moru_node *y;                  /* result: of all steps or of the last one */
} moru_loop;

typedef struct moru_cell_class {
    /* Shapes of the states without the batch, once the cell is built (before, `shapes` is NULL); returns how many. */
    int (*states)(const moru_layer *cell, moru_shape *shapes);
    /* Fills weights and masks of dropout; x [n,..] is one step's input. */
    bool (*begin)(moru_cell *cell, moru_node *x);
    /* What of a step doesn't depend on states; x [n,..], or with `sequence` [n,t,..] for all steps. */
    moru_node *(*project)(const moru_cell *cell, moru_node *x, bool sequence);
    /* One step: from project()'s value and the states the output; the states become the new ones. */
    moru_node *(*step)(const moru_cell *cell, moru_node *z, moru_node **states);
    /* The whole loop at once; false where it can't. NULL: never. */
    bool (*fused)(const moru_cell *cell, moru_loop *loop);
} moru_cell_class;

/* ---- cells with kernel, recurrent_kernel and bias: SimpleRNN, LSTM, GRU ---- */

/* The options they have in common. */
typedef struct moru_recurrent {
    int64_t units;
    const char *activation, *recurrent_activation;
    bool use_bias;
    const char *kernel_initializer, *recurrent_initializer, *bias_initializer;
    const char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer;
    double dropout, recurrent_dropout;
} moru_recurrent;

/* From options with, or without a recurrent_activation. */
#define MORU_RECURRENT_COMMON(o) \
    .units = (o)->units, .activation = (o)->activation, .use_bias = (o)->use_bias, \
    .kernel_initializer = (o)->kernel_initializer, .recurrent_initializer = (o)->recurrent_initializer, \
    .bias_initializer = (o)->bias_initializer, .kernel_regularizer = (o)->kernel_regularizer, \
    .recurrent_regularizer = (o)->recurrent_regularizer, .bias_regularizer = (o)->bias_regularizer, \
    .dropout = (o)->dropout, .recurrent_dropout = (o)->recurrent_dropout

#define MORU_RECURRENT_FIELDS(type) \
    MORU_FIELD(type, units, MORU_FIELD_INT), MORU_FIELD_OBJECT(type, activation, "activation"), \
    MORU_FIELD(type, use_bias, MORU_FIELD_BOOL), MORU_FIELD_OBJECT(type, kernel_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, recurrent_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, bias_initializer, "initializer"), \
    MORU_FIELD_OBJECT(type, kernel_regularizer, "regularizer"), \
    MORU_FIELD_OBJECT(type, recurrent_regularizer, "regularizer"), \
    MORU_FIELD_OBJECT(type, bias_regularizer, "regularizer"), MORU_FIELD(type, dropout, MORU_FIELD_REAL), \
    MORU_FIELD(type, recurrent_dropout, MORU_FIELD_REAL), \
    MORU_FIELD_DROPPED("seed"),                 /* of the dropout: numbers come from the training's seed */ \
    MORU_FIELD_DROPPED("implementation")        /* Keras 2: one of two ways to the same numbers */

#define MORU_RNN_FIELDS(type) \
    MORU_FIELD(type, return_sequences, MORU_FIELD_BOOL), MORU_FIELD(type, return_state, MORU_FIELD_BOOL), \
    MORU_FIELD(type, go_backwards, MORU_FIELD_BOOL), MORU_FIELD(type, stateful, MORU_FIELD_BOOL), \
    MORU_FIELD(type, unroll, MORU_FIELD_BOOL), MORU_FIELD(type, zero_output_for_mask, MORU_FIELD_BOOL)

/* Checks options and the step's input [n,in], and makes the weights. */
moru_status moru_cell_build(moru_layer *cell, const moru_recurrent *o, const moru_shape *x, int gates,
                            moru_shape bias);
/* gate_masks: whether each gate has masks of its own. */
bool moru_cell_begin(moru_cell *cell, const moru_recurrent *o, moru_node *x, int gates, bool gate_masks);
/* x kernel + bias [..,gates units], x being dropped out. bias may be NULL. */
moru_node *moru_cell_project(const moru_cell *cell, moru_node *x, bool sequence, moru_node *bias);
/* h recurrent_kernel of gates first .. last - 1, h being dropped out. */
moru_node *moru_cell_recur(const moru_cell *cell, moru_node *h, int first, int last);
/* x in training as dropout leaves it at all steps; there is one mask, or none. */
moru_node *moru_cell_dropped(const moru_cell *cell, moru_node *x);
/* [n, shape..] of zeros for x [n,..]. */
moru_node *moru_cell_zeros(moru_node *x, const moru_shape *shape);
/* [n,t,..] as [n t,..], and the way back for the n and t of x. */
moru_node *moru_flatten_time(moru_node *x);
moru_node *moru_unfold_time(moru_node *y, moru_node *x);
/* One mask of dropout, like x. */
moru_node *moru_cell_dropout(moru_node *like, double rate);
/* Whether a spec is this plain name. */
bool moru_cell_is(const char *spec, const char *name);
/* y of the last step from h after it, as masks have it: the fused ops give h. */
moru_node *moru_loop_last(const moru_loop *loop, moru_node *h, bool began_with_zeros);

/* A cell's call(): x and "states" by name, outputs {output, states}. */
moru_node *moru_cell_call(const moru_layer_call *call);
int moru_cell_output_count(const moru_layer *cell);
extern const char *const moru_cell_input_names[], *const moru_cell_named_inputs[];
int moru_cell_state_count(const moru_layer *cell);
/* In place, on a cell and those inside it; false without memory. */
bool moru_cell_open(moru_cell *cell, const moru_layer_call *outer, moru_layer *layer, moru_node *x);

/* ---- layers that loop over steps ---- */

/* MORU_RNN_OPTIONS of any such layer. */
typedef struct moru_rnn_flags { MORU_RNN_OPTIONS } moru_rnn_flags;
#define MORU_RNN_FLAGS_OF(o) \
    {.return_sequences = (o)->return_sequences, .return_state = (o)->return_state, \
     .go_backwards = (o)->go_backwards, .stateful = (o)->stateful, .unroll = (o)->unroll, \
     .zero_output_for_mask = (o)->zero_output_for_mask}

/* Builds the cell inside for steps of x [n,t,..] below the group "cell", and the states of a stateful layer. */
moru_status moru_rnn_build(moru_layer *layer, moru_layer *cell, const moru_rnn_flags *flags, const moru_shape *inputs,
                           const moru_dtype *dtypes, int n);
moru_node *moru_rnn_call(const moru_layer_call *call, moru_layer *cell, const moru_rnn_flags *flags);
int moru_rnn_output_count(const moru_layer *cell, const moru_rnn_flags *flags);
extern const char *const moru_rnn_input_names[], *const moru_rnn_named_inputs[];

/* A recurrent layer by what others need to know of it: option of this name; NULL: it has none. */
bool *moru_layer_flag(moru_layer *layer, const char *name);

#endif
