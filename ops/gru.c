/* GRU over sequences. Inputs: x, kernel, recurrent_kernel, [bias], [h0], [mask]. */
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/rnn.h"

#define GATES 3

static moru_status infer_gru(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_gru_attrs *attrs = in->attrs;
    int64_t units;
    MORU_TRY(moru_rnn_check(in, GATES, &units));
    if (in->n_inputs != 3 + (attrs->has_bias != 0) + (attrs->has_state != 0) + (attrs->has_mask != 0))
        return moru_op_error(MORU_ERR_ARGUMENT, "%d inputs don't fit its attributes", in->n_inputs);
    moru_shape bias = attrs->reset_after ? MORU_SHAPE(2, GATES * units) : MORU_SHAPE(GATES * units);
    if (attrs->has_bias && !moru_rule_same(&in->shapes[3], &bias))
        return moru_op_error(MORU_ERR_SHAPE, "a bias %s where %s is wanted", MORU_TEXT(&in->shapes[3]),
                             MORU_TEXT(&bias));
    if (attrs->has_state)
        MORU_TRY(moru_rnn_check_state(in, 3 + (attrs->has_bias != 0), units));
    if (attrs->has_mask)
        MORU_TRY(moru_rnn_check_mask(in, in->n_inputs - 1));
    int64_t n = in->shapes[0].dims[0], t = in->shapes[0].dims[1];
    for (int k = 0; k < MORU_GRU_OUTPUTS; k++) {
        shapes[k] = MORU_SHAPE(n, t, units);
        dtypes[k] = MORU_REAL;
    }
    shapes[MORU_GRU_H] = MORU_SHAPE(n, units);
    shapes[MORU_GRU_GATES] = MORU_SHAPE(n, t, GATES * units);
    return MORU_OK;
}

/* One step: gates after their activations and `inner`; returns the new h. z: x kernel + b of the step. */
static moru_node *step(moru_node *z, moru_node *h, moru_node *recurrent, moru_node *state_bias, bool reset_after,
                       moru_node *gates[GATES], moru_node **inner)
{
    int64_t units = recurrent->shape.dims[0];
    moru_node *candidate = moru_rnn_gate(z, 2, units), *from_h;
    if (reset_after) {
        from_h = moru_matmul(h, recurrent);
        if (state_bias)
            from_h = moru_add(from_h, state_bias);
    } else {
        from_h = moru_matmul(h, moru_rnn_gates(recurrent, 0, 2, units));
    }
    for (int k = 0; k < 2; k++)
        gates[k] = moru_sigmoid(moru_add(moru_rnn_gate(z, k, units), moru_rnn_gate(from_h, k, units)));
    if (reset_after) {
        *inner = moru_rnn_gate(from_h, 2, units);
        candidate = moru_add(candidate, moru_mul(gates[1], *inner));
    } else {
        *inner = moru_mul(gates[1], h);
        candidate = moru_add(candidate, moru_matmul(*inner, moru_rnn_gate(recurrent, 2, units)));
    }
    gates[2] = moru_tanh(candidate);
    moru_node *rest = moru_add_scalar(moru_neg(gates[0]), 1);
    return moru_add(moru_mul(gates[0], h), moru_mul(rest, gates[2]));
}

/* Inputs by their meaning. */
static moru_rnn_inputs inputs_of(const moru_vjp *v)
{
    const moru_gru_attrs *a = v->attrs;
    moru_node *const *in = v->inputs;
    return (moru_rnn_inputs){.x = in[0], .kernel = in[1], .recurrent = in[2], .bias = a->has_bias ? in[3] : NULL,
                             .h0 = a->has_state ? in[3 + (a->has_bias != 0)] : NULL,
                             .mask = a->has_mask ? in[v->n_inputs - 1] : NULL, .reset_after = a->reset_after,
                             .backwards = a->backwards, .zero_output = a->zero_output};
}

/* All outputs; NULL without memory or if the number of steps isn't known. */
static void expression(const moru_rnn_inputs *in, moru_node *ys[MORU_GRU_OUTPUTS])
{
    enum { H, GATE, INNER, BEFORE, LISTS };
    moru_node *x = in->x, *recurrent = in->recurrent, *bias = in->bias;
    int64_t t = moru_rnn_steps(x), units = moru_node_failed(recurrent) ? 0 : recurrent->shape.dims[0];
    moru_rnn_masking masking = {.mask = in->mask, .zero_output = in->zero_output};
    moru_node *z = moru_matmul(x, in->kernel), *state_bias = NULL;
    if (bias && in->reset_after) {
        state_bias = moru_squeeze(moru_slice(bias, 0, 1, 2, 1), 0);
        bias = moru_squeeze(moru_slice(bias, 0, 0, 1, 1), 0);
    }
    if (bias)
        z = moru_add(z, bias);
    moru_node **lists = t < 0 ? NULL : calloc((size_t)(LISTS * t + 1), sizeof *lists);
    for (int k = 0; k < MORU_GRU_OUTPUTS; k++)
        ys[k] = NULL;
    if (!lists) {
        if (t >= 0)
            moru_graph_fail(x->graph, MORU_ERR_MEMORY, "no memory");
        return;
    }
    moru_node *h = in->h0 ? in->h0 : moru_rnn_zero_state(z, units);
    for (int64_t s = 0; s < t && !moru_node_failed(z) && !moru_node_failed(recurrent); s++) {
        int64_t p = in->backwards ? t - 1 - s : s;
        moru_node *gates[GATES], *inner, *before = h;
        moru_rnn_mask_step(&masking, s, p);
        lists[BEFORE * t + p] = h;
        h = step(moru_rnn_at(z, p), h, recurrent, state_bias, in->reset_after, gates, &inner);
        h = moru_rnn_keep(&masking, h, before);
        lists[H * t + s] = moru_rnn_shown(&masking, h);
        lists[INNER * t + p] = moru_rnn_unmasked(&masking, inner);
        lists[GATE * t + p] = moru_rnn_unmasked(&masking, moru_concat(gates, GATES, -1));
    }
    ys[MORU_GRU_Y] = moru_rnn_stack(lists + H * t, t, z, units);
    ys[MORU_GRU_H] = h;
    ys[MORU_GRU_GATES] = moru_rnn_stack(lists + GATE * t, t, z, GATES * units);
    ys[MORU_GRU_INNER] = moru_rnn_stack(lists + INNER * t, t, z, units);
    ys[MORU_GRU_BEFORE] = moru_rnn_stack(lists + BEFORE * t, t, z, units);
    free(lists);
}

static void vjp_through_expression(const moru_vjp *v)
{
    const moru_rnn_inputs in = inputs_of(v);
    moru_node *ys[MORU_GRU_OUTPUTS];
    expression(&in, ys);
    if (ys[0])
        moru_vjp_through(v, ys);
}

/* dz, dstate: gradients of x kernel + b and of h recurrent_kernel + b'. */
static void weight_gradients(const moru_vjp *v, const moru_gru_attrs *attrs, moru_node *dz, moru_node *dstate)
{
    int64_t units = v->inputs[2]->shape.dims[0];
    moru_node *before = v->outputs[MORU_GRU_BEFORE];
    if (v->wanted[2] && attrs->reset_after) {
        v->dx[2] = moru_rnn_weight_gradient(before, dstate);
    } else if (v->wanted[2]) {
        moru_node *parts[] = {moru_rnn_weight_gradient(before, moru_rnn_gates(dz, 0, 2, units)),
                              moru_rnn_weight_gradient(v->outputs[MORU_GRU_INNER], moru_rnn_gate(dz, 2, units))};
        v->dx[2] = moru_concat(parts, 2, -1);
    }
    if (attrs->has_bias && v->wanted[3] && attrs->reset_after) {
        moru_node *rows[] = {moru_rnn_bias_gradient(dz), moru_rnn_bias_gradient(dstate)};
        v->dx[3] = moru_stack(rows, 2, 0);
    } else if (attrs->has_bias && v->wanted[3]) {
        v->dx[3] = moru_rnn_bias_gradient(dz);
    }
}

static void vjp_gru(const moru_vjp *v)
{
    const moru_gru_attrs *attrs = v->attrs;
    if (v->dy[MORU_GRU_GATES] || v->dy[MORU_GRU_INNER] || v->dy[MORU_GRU_BEFORE]) {
        vjp_through_expression(v);
        return;
    }
    moru_gru_grad_attrs grad = {.has_dy = v->dy[0] != NULL, .has_dh = v->dy[1] != NULL,
                                .has_mask = attrs->has_mask, .zero_output = attrs->zero_output,
                                .reset_after = attrs->reset_after, .backwards = attrs->backwards};
    int state = 3 + (attrs->has_bias != 0);
    moru_node *in[7] = {v->outputs[MORU_GRU_GATES], v->outputs[MORU_GRU_INNER], v->outputs[MORU_GRU_BEFORE],
                        v->inputs[2]};
    int n = 4;
    for (int k = 0; k < 2; k++)
        if (v->dy[k])
            in[n++] = v->dy[k];
    if (attrs->has_mask)
        in[n++] = v->inputs[v->n_inputs - 1];
    moru_node *dz = moru_apply_op(v->graph, &moru_op_gru_grad, in, n, &grad);
    if (moru_node_failed(dz))
        return;
    moru_rnn_input_gradients(v, dz);
    weight_gradients(v, attrs, dz, moru_node_output(dz, 1));
    if (attrs->has_state && v->wanted[state])
        v->dx[state] = moru_node_output(dz, 2);
}

static moru_rnn geometry(const moru_shape *x, const moru_shape *recurrent, bool backwards)
{
    return (moru_rnn){x->dims[0], x->dims[1], x->dims[2], recurrent->dims[0], backwards};
}

static size_t workspace_gru(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_rnn g = geometry(&in->shapes[0], &in->shapes[2], false);
    (void)out, (void)threads;
    return moru_kernels_select()->gru_workspace(&g);
}

static moru_status run_gru(const moru_run *run)
{
    const moru_gru_attrs *attrs = run->attrs;
    moru_rnn g = geometry(&run->in[0]->shape, &run->in[2]->shape, attrs->backwards);
    moru_gru_args a = {
        .x = run->in[0]->data, .kernel = run->in[1]->data, .recurrent = run->in[2]->data,
        .bias = attrs->has_bias ? run->in[3]->data : NULL,
        .h0 = attrs->has_state ? run->in[3 + (attrs->has_bias != 0)]->data : NULL, .reset_after = attrs->reset_after,
        .y = run->out[MORU_GRU_Y]->data, .last_h = run->out[MORU_GRU_H]->data, .gates = run->out[MORU_GRU_GATES]->data,
        .inner = run->out[MORU_GRU_INNER]->data, .before = run->out[MORU_GRU_BEFORE]->data,
        .mask = attrs->has_mask ? run->in[run->n_inputs - 1]->data : NULL, .zero_output = attrs->zero_output};
    run->kernels->gru(&g, &a, run->workspace, run->threads);
    return MORU_OK;
}

static double flops_gru(const moru_infer *in, const moru_shape *out)
{
    const moru_shape *x = &in->shapes[0], *recurrent = &in->shapes[2];
    (void)out;
    return 2.0 * (double)x->dims[0] * (double)x->dims[1] * (double)recurrent->dims[1]
           * (double)(x->dims[2] + recurrent->dims[0]);
}

static void print_gru(const void *attrs_, char *text, size_t size)
{
    const moru_gru_attrs *attrs = attrs_;
    char rest[64];
    moru_rnn_print(attrs->backwards, attrs->has_mask, attrs->zero_output, rest, sizeof rest);
    snprintf(text, size, "%s%s%s", attrs->reset_after ? "reset_after" : "", attrs->reset_after && rest[0] ? " " : "",
             rest);
}

const moru_op_def moru_op_gru = {
    .name = "gru",
    .formula = "h = z h + (1 - z) tanh(x kernel_h + b_h + r (h recurrent_kernel_h + b'_h)) step by step, "
               "z, r = sigmoid(x kernel + h recurrent_kernel + b); without reset_after (r h) recurrent_kernel_h",
    .min_inputs = 3, .max_inputs = 6, .n_outputs = MORU_GRU_OUTPUTS, .attr_size = sizeof(moru_gru_attrs),
    .optional_outputs = (1u << MORU_GRU_OUTPUTS) - 1, .infer = infer_gru, .vjp = vjp_gru, .workspace = workspace_gru,
    .run = run_gru, .print = print_gru, .flops = flops_gru,
};

moru_node *moru_gru_of(const moru_rnn_inputs *given)
{
    moru_gru_attrs attrs = {.has_bias = given->bias != NULL, .has_state = given->h0 != NULL,
                            .has_mask = given->mask != NULL, .zero_output = given->mask && given->zero_output,
                            .reset_after = given->reset_after, .backwards = given->backwards};
    moru_node *in[6] = {given->x, given->kernel, given->recurrent};
    int n = 3;
    if (given->bias)
        in[n++] = given->bias;
    if (given->h0)
        in[n++] = given->h0;
    if (given->mask)
        in[n++] = given->mask;
    return moru_apply_op(moru_graph_of(in, n), &moru_op_gru, in, n, &attrs);
}

moru_node *moru_gru_op(moru_node *x, moru_node *kernel, moru_node *recurrent_kernel, moru_node *bias, moru_node *h0,
                       bool reset_after, bool go_backwards)
{
    return moru_gru_of(&(moru_rnn_inputs){.x = x, .kernel = kernel, .recurrent = recurrent_kernel, .bias = bias,
                                          .h0 = h0, .reset_after = reset_after, .backwards = go_backwards});
}
