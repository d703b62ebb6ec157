/* LSTM over sequences. Inputs: x, kernel, recurrent_kernel, [bias], [h0, c0], [mask]. */
#include <stdlib.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/rnn.h"

#define GATES 4

static moru_status infer_lstm(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_lstm_attrs *attrs = in->attrs;
    int64_t units;
    int at = 3;
    MORU_TRY(moru_rnn_check(in, GATES, &units));
    if (in->n_inputs != 3 + (attrs->has_bias != 0) + 2 * (attrs->has_state != 0) + (attrs->has_mask != 0))
        return moru_op_error(MORU_ERR_ARGUMENT, "%d inputs don't fit its attributes", in->n_inputs);
    if (attrs->has_bias) {
        const moru_shape *bias = &in->shapes[at++];
        if (bias->rank != 1 || bias->dims[0] != GATES * units)
            return moru_op_error(MORU_ERR_SHAPE, "a bias %s for %d gates of %lld units", MORU_TEXT(bias), GATES,
                                 (long long)units);
    }
    for (; at < in->n_inputs - (attrs->has_mask != 0); at++)
        MORU_TRY(moru_rnn_check_state(in, at, units));
    if (attrs->has_mask)
        MORU_TRY(moru_rnn_check_mask(in, at));
    int64_t n = in->shapes[0].dims[0], t = in->shapes[0].dims[1];
    for (int k = 0; k < MORU_LSTM_OUTPUTS; k++) {
        shapes[k] = MORU_SHAPE(n, t, units);
        dtypes[k] = MORU_REAL;
    }
    shapes[MORU_LSTM_H] = shapes[MORU_LSTM_C] = MORU_SHAPE(n, units);
    shapes[MORU_LSTM_GATES] = MORU_SHAPE(n, t, GATES * units);
    return MORU_OK;
}

/* Inputs by their meaning. */
static moru_rnn_inputs inputs_of(const moru_vjp *v)
{
    const moru_lstm_attrs *a = v->attrs;
    moru_node *const *in = v->inputs, *const *state = in + 3 + (a->has_bias != 0);
    return (moru_rnn_inputs){.x = in[0], .kernel = in[1], .recurrent = in[2], .bias = a->has_bias ? in[3] : NULL,
                             .h0 = a->has_state ? state[0] : NULL, .c0 = a->has_state ? state[1] : NULL,
                             .mask = a->has_mask ? in[v->n_inputs - 1] : NULL, .backwards = a->backwards,
                             .zero_output = a->zero_output};
}

/* All outputs; NULL without memory or if the number of steps isn't known. */
static void expression(const moru_rnn_inputs *in, moru_node *ys[MORU_LSTM_OUTPUTS])
{
    enum { H, GATE, CELL, BEFORE, LISTS };
    moru_node *x = in->x, *recurrent = in->recurrent;
    int64_t t = moru_rnn_steps(x), units = moru_node_failed(recurrent) ? 0 : recurrent->shape.dims[0];
    moru_rnn_masking masking = {.mask = in->mask, .zero_output = in->zero_output};
    moru_node *z = moru_matmul(x, in->kernel);
    if (in->bias)
        z = moru_add(z, in->bias);
    moru_node **lists = t < 0 ? NULL : calloc((size_t)(LISTS * t + 1), sizeof *lists);
    for (int k = 0; k < MORU_LSTM_OUTPUTS; k++)
        ys[k] = NULL;
    if (!lists) {
        if (t >= 0 && !moru_node_failed(x))
            moru_graph_fail(x->graph, MORU_ERR_MEMORY, "no memory");
        return;
    }
    moru_node *h = in->h0 ? in->h0 : moru_rnn_zero_state(z, units);
    moru_node *c = in->c0 ? in->c0 : moru_rnn_zero_state(z, units);
    for (int64_t s = 0; s < t; s++) {
        int64_t p = in->backwards ? t - 1 - s : s;
        moru_node *a = moru_add(moru_rnn_at(z, p), moru_matmul(h, recurrent)), *gates[GATES];
        moru_rnn_mask_step(&masking, s, p);
        for (int k = 0; k < GATES; k++) {
            gates[k] = moru_rnn_gate(a, k, units);
            gates[k] = k == 2 ? moru_tanh(gates[k]) : moru_sigmoid(gates[k]);
        }
        lists[BEFORE * t + p] = h;
        c = moru_rnn_keep(&masking, moru_add(moru_mul(gates[1], c), moru_mul(gates[0], gates[2])), c);
        h = moru_rnn_keep(&masking, moru_mul(gates[3], moru_tanh(c)), h);
        lists[H * t + s] = moru_rnn_shown(&masking, h);
        lists[GATE * t + p] = moru_rnn_unmasked(&masking, moru_concat(gates, GATES, -1));
        lists[CELL * t + p] = c;
    }
    ys[MORU_LSTM_Y] = moru_rnn_stack(lists + H * t, t, z, units);
    ys[MORU_LSTM_H] = h;
    ys[MORU_LSTM_C] = c;
    ys[MORU_LSTM_GATES] = moru_rnn_stack(lists + GATE * t, t, z, GATES * units);
    ys[MORU_LSTM_CELLS] = moru_rnn_stack(lists + CELL * t, t, z, units);
    ys[MORU_LSTM_BEFORE] = moru_rnn_stack(lists + BEFORE * t, t, z, units);
    free(lists);
}

static void vjp_through_expression(const moru_vjp *v)
{
    const moru_rnn_inputs in = inputs_of(v);
    moru_node *ys[MORU_LSTM_OUTPUTS];
    expression(&in, ys);
    if (ys[0])
        moru_vjp_through(v, ys);
}

static void vjp_lstm(const moru_vjp *v)
{
    const moru_lstm_attrs *attrs = v->attrs;
    if (v->dy[MORU_LSTM_GATES] || v->dy[MORU_LSTM_CELLS] || v->dy[MORU_LSTM_BEFORE]) {
        vjp_through_expression(v);
        return;
    }
    int state = 3 + attrs->has_bias, n = 3;
    moru_lstm_grad_attrs grad = {.has_state = attrs->has_state, .has_dy = v->dy[0] != NULL, .has_dh = v->dy[1] != NULL,
                                 .has_dc = v->dy[2] != NULL, .has_mask = attrs->has_mask,
                                 .zero_output = attrs->zero_output, .backwards = attrs->backwards};
    moru_node *in[8] = {v->outputs[MORU_LSTM_GATES], v->outputs[MORU_LSTM_CELLS], v->inputs[2]};
    if (attrs->has_state)
        in[n++] = v->inputs[state + 1];
    for (int k = 0; k < 3; k++)
        if (v->dy[k])
            in[n++] = v->dy[k];
    if (attrs->has_mask)
        in[n++] = v->inputs[v->n_inputs - 1];
    moru_node *dz = moru_apply_op(v->graph, &moru_op_lstm_grad, in, n, &grad);
    if (moru_node_failed(dz))
        return;
    moru_rnn_input_gradients(v, dz);
    if (v->wanted[2])
        v->dx[2] = moru_rnn_weight_gradient(v->outputs[MORU_LSTM_BEFORE], dz);
    if (attrs->has_bias && v->wanted[3])
        v->dx[3] = moru_rnn_bias_gradient(dz);
    for (int k = 0; k < 2 && attrs->has_state; k++)
        if (v->wanted[state + k])
            v->dx[state + k] = moru_node_output(dz, 1 + k);
}

static moru_rnn geometry(const moru_shape *x, const moru_shape *recurrent, bool backwards)
{
    return (moru_rnn){x->dims[0], x->dims[1], x->dims[2], recurrent->dims[0], backwards};
}

static size_t workspace_lstm(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_rnn g = geometry(&in->shapes[0], &in->shapes[2], false);
    (void)out, (void)threads;
    return moru_kernels_select()->lstm_workspace(&g);
}

static moru_status run_lstm(const moru_run *run)
{
    const moru_lstm_attrs *attrs = run->attrs;
    int state = 3 + attrs->has_bias;
    moru_rnn g = geometry(&run->in[0]->shape, &run->in[2]->shape, attrs->backwards);
    moru_lstm_args a = {
        .x = run->in[0]->data, .kernel = run->in[1]->data, .recurrent = run->in[2]->data,
        .bias = attrs->has_bias ? run->in[3]->data : NULL, .h0 = attrs->has_state ? run->in[state]->data : NULL,
        .c0 = attrs->has_state ? run->in[state + 1]->data : NULL, .y = run->out[MORU_LSTM_Y]->data,
        .last_h = run->out[MORU_LSTM_H]->data, .last_c = run->out[MORU_LSTM_C]->data,
        .gates = run->out[MORU_LSTM_GATES]->data, .cells = run->out[MORU_LSTM_CELLS]->data,
        .before = run->out[MORU_LSTM_BEFORE]->data, .mask = attrs->has_mask ? run->in[run->n_inputs - 1]->data : NULL,
        .zero_output = attrs->zero_output};
    run->kernels->lstm(&g, &a, run->workspace, run->threads);
    return MORU_OK;
}

static double flops_lstm(const moru_infer *in, const moru_shape *out)
{
    const moru_shape *x = &in->shapes[0], *recurrent = &in->shapes[2];
    (void)out;
    return 2.0 * (double)x->dims[0] * (double)x->dims[1] * (double)recurrent->dims[1]
           * (double)(x->dims[2] + recurrent->dims[0]);
}

static void print_lstm(const void *attrs_, char *text, size_t size)
{
    const moru_lstm_attrs *attrs = attrs_;
    moru_rnn_print(attrs->backwards, attrs->has_mask, attrs->zero_output, text, size);
}

const moru_op_def moru_op_lstm = {
    .name = "lstm",
    .formula = "c = sigmoid(z_f) c + sigmoid(z_i) tanh(z_c), h = sigmoid(z_o) tanh(c) step by step, "
               "z = x kernel + h recurrent_kernel + bias",
    .min_inputs = 3, .max_inputs = 7, .n_outputs = MORU_LSTM_OUTPUTS, .attr_size = sizeof(moru_lstm_attrs),
    .optional_outputs = (1u << MORU_LSTM_OUTPUTS) - 1, .infer = infer_lstm, .vjp = vjp_lstm,
    .workspace = workspace_lstm, .run = run_lstm, .print = print_lstm, .flops = flops_lstm,
};

moru_node *moru_lstm_of(const moru_rnn_inputs *given)
{
    bool has_state = given->h0 || given->c0;
    moru_lstm_attrs attrs = {.has_bias = given->bias != NULL, .has_state = has_state, .has_mask = given->mask != NULL,
                             .zero_output = given->mask && given->zero_output, .backwards = given->backwards};
    moru_node *in[7] = {given->x, given->kernel, given->recurrent};
    int n = 3;
    if (given->bias)
        in[n++] = given->bias;
    if (has_state) {
        in[n++] = given->h0;
        in[n++] = given->c0;
    }
    if (given->mask)
        in[n++] = given->mask;
    return moru_apply_op(moru_graph_of(in, n), &moru_op_lstm, in, n, &attrs);
}

moru_node *moru_lstm_op(moru_node *x, moru_node *kernel, moru_node *recurrent_kernel, moru_node *bias, moru_node *h0,
                        moru_node *c0, bool go_backwards)
{
    return moru_lstm_of(&(moru_rnn_inputs){.x = x, .kernel = kernel, .recurrent = recurrent_kernel, .bias = bias,
                                           .h0 = h0, .c0 = c0, .backwards = go_backwards});
}
