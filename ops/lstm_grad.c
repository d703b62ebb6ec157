/* The way back through an LSTM's steps. Inputs: gates, cells (as lstm gives them), recurrent_kernel, [c0], and the
 * gradients of lstm's outputs that have one, [dy], [dh], [dc]; [mask]. Outputs: the gradient of the gates before their
 * activations [n,t,4 units], dh0, dc0. */
#include <stdlib.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/rnn.h"

#define GATES 4
enum { DZ, DH0, DC0, OUTPUTS };

/* Where the optional inputs are; 0: absent. */
typedef struct places { int c0, dy, dh, dc, mask; } places;

static places places_of(const moru_lstm_grad_attrs *attrs)
{
    places p = {0};
    int at = 3;
    if (attrs->has_state)
        p.c0 = at++;
    if (attrs->has_dy)
        p.dy = at++;
    if (attrs->has_dh)
        p.dh = at++;
    if (attrs->has_dc)
        p.dc = at++;
    if (attrs->has_mask)
        p.mask = at++;
    return p;
}

static moru_status infer_lstm_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_lstm_grad_attrs *attrs = in->attrs;
    const moru_shape *gates = &in->shapes[0], *cells = &in->shapes[1], *recurrent = &in->shapes[2];
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_rule_rank(in, 0, 3, "[n,t,4 units]"));
    MORU_TRY(moru_rule_rank(in, 2, 2, "a recurrent kernel [units,4 units]"));
    int64_t units = recurrent->dims[0], n = gates->dims[0], t = gates->dims[1];
    if (units < 1 || units > INT64_MAX / GATES || recurrent->dims[1] != GATES * units
        || gates->dims[2] != GATES * units)
        return moru_op_error(MORU_ERR_SHAPE, "gates %s of a recurrent kernel %s", MORU_TEXT(gates),
                             MORU_TEXT(recurrent));
    if (!moru_rule_same(cells, &MORU_SHAPE(n, t, units)))
        return moru_op_error(MORU_ERR_SHAPE, "cells %s for gates %s", MORU_TEXT(cells), MORU_TEXT(gates));
    if (in->n_inputs != 3 + (attrs->has_state != 0) + (attrs->has_dy != 0) + (attrs->has_dh != 0)
                            + (attrs->has_dc != 0) + (attrs->has_mask != 0))
        return moru_op_error(MORU_ERR_ARGUMENT, "%d inputs don't fit its attributes", in->n_inputs);
    for (int k = 3; k < in->n_inputs; k++) {
        if (k == places_of(attrs).mask)
            MORU_TRY(moru_rnn_check_mask(in, k));
        else if (k != places_of(attrs).dy)
            MORU_TRY(moru_rnn_check_state(in, k, units));
        else if (!moru_rule_same(&in->shapes[k], cells))
            return moru_op_error(MORU_ERR_SHAPE, "%s is no gradient of %s", MORU_TEXT(&in->shapes[k]),
                                 MORU_TEXT(cells));
    }
    shapes[DZ] = *gates;
    shapes[DH0] = shapes[DC0] = MORU_SHAPE(n, units);
    dtypes[DZ] = dtypes[DH0] = dtypes[DC0] = MORU_REAL;
    return MORU_OK;
}

/* The formulas step by step in other ops. */
static void vjp_lstm_grad(const moru_vjp *v)
{
    const moru_lstm_grad_attrs *attrs = v->attrs;
    moru_node *gates = v->inputs[0], *cells = v->inputs[1], *recurrent = v->inputs[2];
    int64_t t = moru_rnn_steps(gates), units = recurrent->shape.dims[0];
    moru_node **steps = t < 0 ? NULL : calloc((size_t)(2 * t + 1), sizeof *steps), **seen = steps + (t < 0 ? 0 : t);
    places at = places_of(attrs);
    moru_rnn_masking masking = {.mask = at.mask ? v->inputs[at.mask] : NULL, .zero_output = attrs->zero_output};
    if (!steps) {
        if (t >= 0)
            moru_graph_fail(v->graph, MORU_ERR_MEMORY, "no memory");
        return;
    }
    moru_node *zero = moru_rnn_zero_state(gates, units);
    moru_node *dh = at.dh ? v->inputs[at.dh] : zero, *dc = at.dc ? v->inputs[at.dc] : zero;
    moru_node *c0 = at.c0 ? v->inputs[at.c0] : zero;
    moru_rnn_find_seen(&masking, t, attrs->backwards, seen);
    for (int64_t s = t - 1; s >= 0; s--) {
        int64_t p = attrs->backwards ? t - 1 - s : s, before_p = attrs->backwards ? p + 1 : p - 1;
        moru_node *a = moru_rnn_at(gates, p), *i = moru_rnn_gate(a, 0, units), *f = moru_rnn_gate(a, 1, units);
        moru_node *g = moru_rnn_gate(a, 2, units), *o = moru_rnn_gate(a, 3, units);
        moru_node *tanh_c = moru_tanh(moru_rnn_at(cells, p));
        moru_node *before = s > 0 ? moru_rnn_at(cells, before_p) : c0;
        moru_rnn_mask_step(&masking, s, p);
        masking.seen = seen[s];
        if (at.dy)
            dh = moru_add(dh, moru_rnn_shown(&masking, moru_rnn_at(v->inputs[at.dy], s)));
        moru_node *dc_after = dc, *dh_after = dh;
        dc = moru_add(dc, moru_mul(moru_mul(dh, o), moru_rnn_tanh_slope(tanh_c)));
        moru_node *dz[GATES] = {moru_mul(moru_mul(dc, g), moru_rnn_sigmoid_slope(i)),
                                moru_mul(moru_mul(dc, before), moru_rnn_sigmoid_slope(f)),
                                moru_mul(moru_mul(dc, i), moru_rnn_tanh_slope(g)),
                                moru_mul(moru_mul(dh, tanh_c), moru_rnn_sigmoid_slope(o))};
        steps[p] = moru_rnn_unmasked(&masking, moru_concat(dz, GATES, -1));
        dc = moru_rnn_keep(&masking, moru_mul(dc, f), dc_after);
        dh = moru_rnn_keep(&masking, moru_matmul_t(steps[p], false, recurrent, true), dh_after);
    }
    moru_node *ys[OUTPUTS] = {moru_rnn_stack(steps, t, gates, GATES * units), dh, dc};
    free(steps);
    moru_vjp_through(v, ys);
}

static moru_rnn geometry(const moru_shape *gates, bool backwards)
{
    return (moru_rnn){gates->dims[0], gates->dims[1], 0, gates->dims[2] / GATES, backwards};
}

static size_t workspace_lstm_grad(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_rnn g = geometry(&in->shapes[0], false);
    (void)out, (void)threads;
    return moru_kernels_select()->lstm_grad_workspace(&g);
}

static moru_status run_lstm_grad(const moru_run *run)
{
    const moru_lstm_grad_attrs *attrs = run->attrs;
    moru_rnn g = geometry(&run->in[0]->shape, attrs->backwards);
    places at = places_of(attrs);
    moru_lstm_grad_args a = {
        .gates = run->in[0]->data, .cells = run->in[1]->data, .recurrent = run->in[2]->data,
        .c0 = at.c0 ? run->in[at.c0]->data : NULL, .dy = at.dy ? run->in[at.dy]->data : NULL,
        .dh = at.dh ? run->in[at.dh]->data : NULL, .dc = at.dc ? run->in[at.dc]->data : NULL,
        .dgates = run->out[DZ]->data, .dh0 = run->out[DH0]->data, .dc0 = run->out[DC0]->data,
        .mask = at.mask ? run->in[at.mask]->data : NULL, .zero_output = attrs->zero_output};
    run->kernels->lstm_grad(&g, &a, run->workspace, run->threads);
    return MORU_OK;
}

static double flops_lstm_grad(const moru_infer *in, const moru_shape *out)
{
    const moru_shape *gates = &in->shapes[0];
    (void)out;
    return 2.0 * (double)gates->dims[0] * (double)gates->dims[1] * (double)gates->dims[2]
           * (double)in->shapes[2].dims[0];
}

static void print_lstm_grad(const void *attrs_, char *text, size_t size)
{
    const moru_lstm_grad_attrs *attrs = attrs_;
    moru_rnn_print(attrs->backwards, attrs->has_mask, attrs->zero_output, text, size);
}

const moru_op_def moru_op_lstm_grad = {
    .name = "lstm_grad",
    .formula = "dc = dc + dh o (1 - tanh(c)^2), dz = {dc g i(1-i), dc c_before f(1-f), dc i (1-g^2), "
               "dh tanh(c) o(1-o)}, dc = dc f, dh = dz recurrent_kernel^T step by step backwards",
    .min_inputs = 4, .max_inputs = 8, .n_outputs = OUTPUTS, .attr_size = sizeof(moru_lstm_grad_attrs), .in_place = 1,
    .optional_outputs = 1u << DH0 | 1u << DC0, .infer = infer_lstm_grad, .vjp = vjp_lstm_grad,
    .workspace = workspace_lstm_grad, .run = run_lstm_grad, .print = print_lstm_grad, .flops = flops_lstm_grad,
};
