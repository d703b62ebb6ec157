/* What recurrent ops share: attributes, checks, and the pieces of their expressions in other ops. */
#ifndef MORU_OPS_RNN_H
#define MORU_OPS_RNN_H

#include "ops/shape_rules.h"

/* mask [n,t] lies at the positions of x. Where it is 0 a sequence keeps its state, and y is that of the step before
 * (zeros before the first) or, with zero_output, zeros. It has no gradient. */

/* Inputs of lstm: x, kernel, recurrent_kernel, [bias], [h0, c0], [mask]. */
typedef struct moru_lstm_attrs { int32_t has_bias, has_state, has_mask, zero_output, backwards; } moru_lstm_attrs;
/* Inputs of lstm_grad: gates, cells, recurrent_kernel, [c0], [dy], [dh], [dc], [mask]. */
typedef struct moru_lstm_grad_attrs {
    int32_t has_state, has_dy, has_dh, has_dc, has_mask, zero_output, backwards;
} moru_lstm_grad_attrs;
/* Outputs of lstm; the last three are for the gradient: gates after their activations, cells, and h before the step. */
enum { MORU_LSTM_Y, MORU_LSTM_H, MORU_LSTM_C, MORU_LSTM_GATES, MORU_LSTM_CELLS, MORU_LSTM_BEFORE, MORU_LSTM_OUTPUTS };

/* Inputs of gru: x, kernel, recurrent_kernel, [bias], [h0], [mask]. */
typedef struct moru_gru_attrs {
    int32_t has_bias, has_state, has_mask, zero_output, reset_after, backwards;
} moru_gru_attrs;
/* Inputs of gru_grad: gates, inner, before, recurrent_kernel, [dy], [dh], [mask]. */
typedef struct moru_gru_grad_attrs {
    int32_t has_dy, has_dh, has_mask, zero_output, reset_after, backwards;
} moru_gru_grad_attrs;
/* Outputs of gru; the last three are for the gradient: gates after their activations, what of h goes into gate h, and
 * h before the step. */
enum { MORU_GRU_Y, MORU_GRU_H, MORU_GRU_GATES, MORU_GRU_INNER, MORU_GRU_BEFORE, MORU_GRU_OUTPUTS };

/* x [n,t,in], kernel [in,gates units], recurrent [units,gates units], inputs 0 to 2. */
moru_status moru_rnn_check(const moru_infer *in, int gates, int64_t *units);
/* Input k is a state [n,units] of the n sequences of input 0. */
moru_status moru_rnn_check_state(const moru_infer *in, int k, int64_t units);

/* What lstm and gru are applied to; bias, h0, c0 and mask may be NULL. */
typedef struct moru_rnn_inputs {
    moru_node *x, *kernel, *recurrent, *bias, *h0, *c0, *mask;
    bool reset_after, backwards, zero_output;
} moru_rnn_inputs;

moru_node *moru_lstm_of(const moru_rnn_inputs *in);
moru_node *moru_gru_of(const moru_rnn_inputs *in);

/* Input k is a mask [n,t] of input 0 [n,t,..]. */
moru_status moru_rnn_check_mask(const moru_infer *in, int k);

/* ---- expressions: the same as the op, step by step in other ops, for gradients of gradients. The number of steps
 * must be known: fails the graph otherwise. ---- */

/* A mask in an expression, step by step. */
typedef struct moru_rnn_masking {
    moru_node *mask;     /* NULL: none, and what follows passes values through */
    bool zero_output;
    moru_node *now;      /* [n,1] at the step */
    moru_node *seen;     /* [n,1]: whether y isn't zeros at the step */
} moru_rnn_masking;
/* Begins step s at position p. */
void moru_rnn_mask_step(moru_rnn_masking *m, int64_t s, int64_t p);
/* What a state becomes that was `before`. */
moru_node *moru_rnn_keep(const moru_rnn_masking *m, moru_node *after, moru_node *before);
/* x, or zeros where the step is masked. */
moru_node *moru_rnn_unmasked(const moru_rnn_masking *m, moru_node *x);
/* y of a state, or the part of dy that goes to it. */
moru_node *moru_rnn_shown(const moru_rnn_masking *m, moru_node *h);
/* For the way back: m->seen of all t steps. */
void moru_rnn_find_seen(moru_rnn_masking *m, int64_t t, bool backwards, moru_node **seen);

/* Position p of x [n,t,..], without the axis of time. */
moru_node *moru_rnn_at(moru_node *x, int64_t p);
/* Gate k of z [.., gates units]. */
moru_node *moru_rnn_gate(moru_node *z, int k, int64_t units);
/* Gates first .. last - 1. */
moru_node *moru_rnn_gates(moru_node *z, int first, int last, int64_t units);
/* a (1 - a) */
moru_node *moru_rnn_sigmoid_slope(moru_node *a);
/* 1 - a^2 */
moru_node *moru_rnn_tanh_slope(moru_node *a);
/* Zeros [n,units] for z [n,t,..]. */
moru_node *moru_rnn_zero_state(moru_node *z, int64_t units);
/* Values of all steps, in order, as [n,t,width]; z [n,t,..] tells the shape if there are none. */
moru_node *moru_rnn_stack(moru_node *const *steps, int64_t t, moru_node *z, int64_t width);
/* The number of steps of x, or -1 and a failed graph where it isn't known. */
int64_t moru_rnn_steps(moru_node *x);
/* [n,t,width] as rows. */
moru_node *moru_rnn_rows(moru_node *x);
/* From dz [n,t,gates units], the gradient of x kernel + bias, those of x and kernel. */
void moru_rnn_input_gradients(const moru_vjp *v, moru_node *dz);
/* a^T b over all sequences and steps: the gradient of a matrix that a was multiplied with. */
moru_node *moru_rnn_weight_gradient(moru_node *a, moru_node *b);
/* [gates units]: the sum over sequences and steps. */
moru_node *moru_rnn_bias_gradient(moru_node *dz);
/* "backwards masked" */
void moru_rnn_print(bool backwards, bool has_mask, bool zero_output, char *text, size_t size);

#endif
