/** @file
 * Recurrent layers, their cells, and layers that wrap others: Keras's names, defaults, order and shapes of variables.
 *
 * Recurrent layers take x [n, t, in] and give the last output [n, units], or with return_sequences that of every step,
 * [n, t, units]; with return_state the last states come after it as outputs of their own (moru_apply_inputs()). States to begin
 * with are inputs by the name "initial_state", as many as the cell has. A mask [n, t], which comes with x or by the name "mask",
 * is 0 where a step doesn't count: there the state stays, and the output is that of the step before (zeros before the first) or,
 * with zero_output_for_mask, zeros. Where states are given only a mask given by name counts, as in Keras 3.
 *
 * LSTM and GRU with the usual activations run in one fused op, and so does SimpleRNN with tanh where t isn't known. Others,
 * recurrent_dropout in training, and moru_rnn() of several cells run step by step in plain ops, which is slower and needs a
 * known t. What doesn't fit is refused when the layer is applied: MORU_ERR_ARGUMENT for bad options, MORU_ERR_SHAPE for inputs of
 * another rank or of unknown features. Options are copied.
 */
#ifndef MORU_LAYERS_RECURRENT_H
#define MORU_LAYERS_RECURRENT_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Options that all recurrent layers have. */
#define MORU_RNN_OPTIONS \
    bool return_sequences, return_state; \
    bool go_backwards;         /**< from the last step to the first; outputs are in that order, too */ \
    bool stateful;             /**< a batch begins with the states that the one before has left; needs an input of a fixed \
                                *   batch size: moru_input_batch(). moru_model_reset_states() makes them zeros */ \
    bool unroll;               /**< has no effect */ \
    bool zero_output_for_mask;

/** Options that a cell shares with the layer made of it. */
#define MORU_RECURRENT_OPTIONS \
    int64_t units; \
    const char *activation; \
    bool use_bias; \
    const char *kernel_initializer, *recurrent_initializer, *bias_initializer; \
    const char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer; \
    double dropout;            /**< of the input, in training: the same features at all steps of a sequence */ \
    double recurrent_dropout;  /**< the same of the state; gates then have masks of their own */
#define MORU_RECURRENT_DEFAULTS MORU_LAYER_DEFAULTS, .activation = "tanh", .use_bias = true, \
    .kernel_initializer = "glorot_uniform", .recurrent_initializer = "orthogonal", .bias_initializer = "zeros"
#define MORU_LSTM_CELL_OPTIONS \
    const char *recurrent_activation; \
    bool unit_forget_bias;     /**< bias of gate f begins as 1 */
#define MORU_GRU_CELL_OPTIONS \
    const char *recurrent_activation; \
    bool reset_after;          /**< the reset gate weighs h after its product with the weights */

/** h = activation(x kernel + h recurrent_kernel + bias).
 *  Variables: kernel [in, units], recurrent_kernel [units, units], bias [units]. */
typedef struct moru_simple_rnn_options {
    MORU_LAYER_OPTIONS
    MORU_RECURRENT_OPTIONS
    MORU_RNN_OPTIONS
} moru_simple_rnn_options;
#define MORU_SIMPLE_RNN_DEFAULTS MORU_RECURRENT_DEFAULTS
#define moru_simple_rnn(...) \
    MORU_WITH_DEFAULTS(moru_simple_rnn_new, moru_simple_rnn_options, MORU_SIMPLE_RNN_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_simple_rnn_new(const moru_simple_rnn_options *options);

/** Long short-term memory; Hochreiter and Schmidhuber, 1997. The formula is that of moru_lstm_op(); activation serves c,
 *  recurrent_activation the gates. States: h, c. Variables, gates i, f, c, o side by side: kernel [in, 4 units],
 *  recurrent_kernel [units, 4 units], bias [4 units]. */
typedef struct moru_lstm_options {
    MORU_LAYER_OPTIONS
    MORU_RECURRENT_OPTIONS
    MORU_LSTM_CELL_OPTIONS
    MORU_RNN_OPTIONS
} moru_lstm_options;
#define MORU_LSTM_DEFAULTS MORU_RECURRENT_DEFAULTS, .recurrent_activation = "sigmoid", .unit_forget_bias = true
#define moru_lstm(...) MORU_WITH_DEFAULTS(moru_lstm_new, moru_lstm_options, MORU_LSTM_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_lstm_new(const moru_lstm_options *options);

/** Gated recurrent unit; Cho et al., 2014. The formula is that of moru_gru_op(). State: h.
 *  Variables, gates z, r, h side by side: kernel [in, 3 units], recurrent_kernel [units, 3 units], bias [2, 3 units]
 *  with reset_after (of x and of h), else [3 units]. */
typedef struct moru_gru_options {
    MORU_LAYER_OPTIONS
    MORU_RECURRENT_OPTIONS
    MORU_GRU_CELL_OPTIONS
    MORU_RNN_OPTIONS
} moru_gru_options;
#define MORU_GRU_DEFAULTS MORU_RECURRENT_DEFAULTS, .recurrent_activation = "sigmoid", .reset_after = true
#define moru_gru(...) MORU_WITH_DEFAULTS(moru_gru_new, moru_gru_options, MORU_GRU_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_gru_new(const moru_gru_options *options);

/** What one step does, for moru_rnn() and moru_stacked_rnn_cells(). Variables are those of the layers above. By itself a cell is
 *  applied to x [n, in] and its states, by the name "states", and gives {output, its new states}. */
typedef struct moru_simple_rnn_cell_options { MORU_LAYER_OPTIONS MORU_RECURRENT_OPTIONS } moru_simple_rnn_cell_options;
typedef struct moru_lstm_cell_options {
    MORU_LAYER_OPTIONS
    MORU_RECURRENT_OPTIONS
    MORU_LSTM_CELL_OPTIONS
} moru_lstm_cell_options;
typedef struct moru_gru_cell_options {
    MORU_LAYER_OPTIONS
    MORU_RECURRENT_OPTIONS
    MORU_GRU_CELL_OPTIONS
} moru_gru_cell_options;
#define moru_simple_rnn_cell(...) \
    MORU_WITH_DEFAULTS(moru_simple_rnn_cell_new, moru_simple_rnn_cell_options, MORU_SIMPLE_RNN_DEFAULTS, __VA_ARGS__)
#define moru_lstm_cell(...) MORU_WITH_DEFAULTS(moru_lstm_cell_new, moru_lstm_cell_options, MORU_LSTM_DEFAULTS, __VA_ARGS__)
#define moru_gru_cell(...) MORU_WITH_DEFAULTS(moru_gru_cell_new, moru_gru_cell_options, MORU_GRU_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_simple_rnn_cell_new(const moru_simple_rnn_cell_options *options);
MORU_API moru_layer *moru_lstm_cell_new(const moru_lstm_cell_options *options);
MORU_API moru_layer *moru_gru_cell_new(const moru_gru_cell_options *options);

/** Cells as one: each is applied to the output of the one before. Its states are theirs, in order. */
typedef struct moru_stacked_rnn_cells_options {
    MORU_LAYER_OPTIONS
    moru_layers cells;         /**< {2, {moru_lstm_cell(.units = 8), moru_gru_cell(.units = 4)}}; they belong to this layer */
} moru_stacked_rnn_cells_options;
#define moru_stacked_rnn_cells(...) \
    MORU_WITH_DEFAULTS(moru_stacked_rnn_cells_new, moru_stacked_rnn_cells_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_stacked_rnn_cells_new(const moru_stacked_rnn_cells_options *options);

/** A cell over sequences. Variables: the cell's. */
typedef struct moru_rnn_options {
    MORU_LAYER_OPTIONS
    moru_layer *cell;          /**< belongs to this layer */
    MORU_RNN_OPTIONS
} moru_rnn_options;
#define moru_rnn(...) MORU_WITH_DEFAULTS(moru_rnn_new, moru_rnn_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_rnn_new(const moru_rnn_options *options);

/** A recurrent layer in both directions. With return_sequences the backward outputs are turned back before both are merged; masked
 *  steps are zeros then. States, given and returned, are those of the forward layer, then those of the backward layer.
 *  Variables: those of the forward layer, those of the backward layer. */
typedef struct moru_bidirectional_options {
    MORU_LAYER_OPTIONS
    moru_layer *layer;         /**< belongs to this layer, and so does */
    moru_layer *backward_layer; /**< NULL: one with the options of `layer`, backwards */
    const char *merge_mode;    /**< "concat", "sum", "mul", "ave"; NULL: two outputs */
} moru_bidirectional_options;
#define MORU_BIDIRECTIONAL_DEFAULTS MORU_LAYER_DEFAULTS, .merge_mode = "concat"
#define moru_bidirectional(...) \
    MORU_WITH_DEFAULTS(moru_bidirectional_new, moru_bidirectional_options, MORU_BIDIRECTIONAL_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_bidirectional_new(const moru_bidirectional_options *options);

/** A layer at every step: [n, t, ...] gives [n, t, ...]. Layers that keep statistics of their batches, as BatchNormalization does,
 *  see one step at a time in training, and need a known t there. Variables: the layer's. */
typedef struct moru_time_distributed_options {
    MORU_LAYER_OPTIONS
    moru_layer *layer;         /**< of one input and one output; belongs to this layer */
} moru_time_distributed_options;
#define moru_time_distributed(...) \
    MORU_WITH_DEFAULTS(moru_time_distributed_new, moru_time_distributed_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_time_distributed_new(const moru_time_distributed_options *options);

/** [n, t, in]: steps all of whose features are mask_value are masked for what follows, and zeros. */
typedef struct moru_masking_options { MORU_LAYER_OPTIONS double mask_value; } moru_masking_options;
#define moru_masking(...) MORU_WITH_DEFAULTS(moru_masking_new, moru_masking_options, MORU_LAYER_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_masking_new(const moru_masking_options *options);

/** Options of ConvLSTM layers. */
#define MORU_CONV_LSTM_OPTIONS \
    int64_t filters; \
    const char *padding;       /**< "valid" or "same" */ \
    const char *data_format;   /**< "channels_last" */ \
    const char *activation, *recurrent_activation; \
    bool use_bias; \
    const char *kernel_initializer, *recurrent_initializer, *bias_initializer; \
    bool unit_forget_bias; \
    const char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer; \
    double dropout, recurrent_dropout; /**< each gate has masks of its own, the same for all steps */ \
    MORU_RNN_OPTIONS
#define MORU_CONV_LSTM_DEFAULTS MORU_LAYER_DEFAULTS, .padding = "valid", .data_format = "channels_last", \
    .activation = "tanh", .recurrent_activation = "sigmoid", .use_bias = true, .kernel_initializer = "glorot_uniform", \
    .recurrent_initializer = "orthogonal", .bias_initializer = "zeros", .unit_forget_bias = true

/** An LSTM whose products are convolutions; Shi et al., 2015. x [n, t, h, w, c] gives [n, h', w', filters], or with
 *  return_sequences [n, t, h', w', filters]; the sizes h', w' are those of the convolution of x, that of the state pads as
 *  "same". Variables, gates i, f, c, o side by side: kernel [kh, kw, c, 4 filters], recurrent_kernel [kh, kw, filters, 4 filters],
 *  bias [4 filters]. */
typedef struct moru_conv_lstm2d_options {
    MORU_LAYER_OPTIONS
    MORU_CONV_LSTM_OPTIONS
    int64_t kernel_size[2], strides[2], dilation_rate[2];
} moru_conv_lstm2d_options;
#define MORU_CONV_LSTM2D_DEFAULTS MORU_CONV_LSTM_DEFAULTS, .strides = {1, 1}, .dilation_rate = {1, 1}
#define moru_conv_lstm2d(...) \
    MORU_WITH_DEFAULTS(moru_conv_lstm2d_new, moru_conv_lstm2d_options, MORU_CONV_LSTM2D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv_lstm2d_new(const moru_conv_lstm2d_options *options);

/** The same of one dimension: x [n, t, w, c], kernel [k, c, 4 filters], recurrent_kernel [k, filters, 4 filters]. */
typedef struct moru_conv_lstm1d_options {
    MORU_LAYER_OPTIONS
    MORU_CONV_LSTM_OPTIONS
    int64_t kernel_size[1], strides[1], dilation_rate[1];
} moru_conv_lstm1d_options;
#define MORU_CONV_LSTM1D_DEFAULTS MORU_CONV_LSTM_DEFAULTS, .strides = {1}, .dilation_rate = {1}
#define moru_conv_lstm1d(...) \
    MORU_WITH_DEFAULTS(moru_conv_lstm1d_new, moru_conv_lstm1d_options, MORU_CONV_LSTM1D_DEFAULTS, __VA_ARGS__)
MORU_API moru_layer *moru_conv_lstm1d_new(const moru_conv_lstm1d_options *options);

#ifdef __cplusplus
}
#endif
#endif
