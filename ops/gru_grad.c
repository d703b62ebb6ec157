/* The way back through a GRU's steps. Inputs: gates, inner, before (as gru gives them), recurrent_kernel, and the
 * gradients of gru's outputs that have one, [dy], [dh]; [mask]. Outputs: the gradient of x kernel + b
 * [n,t,3 units], that of h recurrent_kernel + b' (without reset_after the same), dh0. */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/rnn.h"

#define GATES 3
enum { DZ, DSTATE, DH0, OUTPUTS };

static moru_status infer_gru_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const moru_gru_grad_attrs *attrs = in->attrs;
    const moru_shape *gates = &in->shapes[0], *recurrent = &in->shapes[3];
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_rule_rank(in, 0, 3, "[n,t,3 units]"));
    MORU_TRY(moru_rule_rank(in, 3, 2, "a recurrent kernel [units,3 units]"));
    int64_t units = recurrent->dims[0], n = gates->dims[0], t = gates->dims[1];
    if (units < 1 || units > INT64_MAX / GATES || recurrent->dims[1] != GATES * units
        || gates->dims[2] != GATES * units)
        return moru_op_error(MORU_ERR_SHAPE, "gates %s of a recurrent kernel %s", MORU_TEXT(gates),
                             MORU_TEXT(recurrent));
    if (in->n_inputs != 4 + (attrs->has_dy != 0) + (attrs->has_dh != 0) + (attrs->has_mask != 0))
        return moru_op_error(MORU_ERR_ARGUMENT, "%d inputs don't fit its attributes", in->n_inputs);
    for (int k = 1; k < in->n_inputs; k++) {
        if (k < 3 || (k == 4 && attrs->has_dy)) {
            if (!moru_rule_same(&in->shapes[k], &MORU_SHAPE(n, t, units)))
                return moru_op_error(MORU_ERR_SHAPE, "input %d, %s, doesn't fit gates %s", k, MORU_TEXT(&in->shapes[k]),
                                     MORU_TEXT(gates));
        } else if (attrs->has_mask && k == in->n_inputs - 1) {
            MORU_TRY(moru_rnn_check_mask(in, k));
        } else if (k > 3) {
            MORU_TRY(moru_rnn_check_state(in, k, units));
        }
    }
    shapes[DZ] = shapes[DSTATE] = *gates;
    shapes[DH0] = MORU_SHAPE(n, units);
    dtypes[DZ] = dtypes[DSTATE] = dtypes[DH0] = MORU_REAL;
    return MORU_OK;
}

/* What one step looks at. */
typedef struct back_step { moru_node *z, *r, *n, *inner, *before, *recurrent, *dh; } back_step;

/* Fills the gradients of both sums, and returns that of the h before the step. */
static moru_node *step_back(const back_step *s, bool reset_after, moru_node **dz_out, moru_node **dstate_out)
{
    int64_t units = s->recurrent->shape.dims[0];
    moru_node *rest = moru_add_scalar(moru_neg(s->z), 1);
    moru_node *dn = moru_mul(moru_mul(s->dh, rest), moru_rnn_tanh_slope(s->n));
    moru_node *dz = moru_mul(moru_mul(s->dh, moru_sub(s->before, s->n)), moru_rnn_sigmoid_slope(s->z));
    moru_node *dh = moru_mul(s->dh, s->z), *slope = moru_rnn_sigmoid_slope(s->r);
    if (reset_after) {
        moru_node *dr = moru_mul(moru_mul(dn, s->inner), slope);
        *dz_out = moru_concat((moru_node *[]){dz, dr, dn}, GATES, -1);
        *dstate_out = moru_concat((moru_node *[]){dz, dr, moru_mul(dn, s->r)}, GATES, -1);
        return moru_add(dh, moru_matmul_t(*dstate_out, false, s->recurrent, true));
    }
    moru_node *q = moru_matmul_t(dn, false, moru_rnn_gate(s->recurrent, 2, units), true);
    moru_node *dr = moru_mul(moru_mul(q, s->before), slope);
    moru_node *two = moru_concat((moru_node *[]){dz, dr}, 2, -1);
    *dz_out = *dstate_out = moru_concat((moru_node *[]){two, dn}, 2, -1);
    dh = moru_add(dh, moru_mul(q, s->r));
    return moru_add(dh, moru_matmul_t(two, false, moru_rnn_gates(s->recurrent, 0, 2, units), true));
}

/* The formulas step by step in other ops. */
static void vjp_gru_grad(const moru_vjp *v)
{
    const moru_gru_grad_attrs *attrs = v->attrs;
    moru_node *gates = v->inputs[0], *recurrent = v->inputs[3];
    int64_t t = moru_rnn_steps(gates), units = recurrent->shape.dims[0];
    moru_node **steps = t < 0 ? NULL : calloc((size_t)(3 * t + 1), sizeof *steps);
    moru_rnn_masking masking = {.mask = attrs->has_mask ? v->inputs[v->n_inputs - 1] : NULL,
                                .zero_output = attrs->zero_output};
    if (!steps) {
        if (t >= 0)
            moru_graph_fail(v->graph, MORU_ERR_MEMORY, "no memory");
        return;
    }
    moru_node *dh = attrs->has_dh ? v->inputs[4 + (attrs->has_dy != 0)] : moru_rnn_zero_state(gates, units);
    moru_rnn_find_seen(&masking, t, attrs->backwards, steps + 2 * t);
    for (int64_t s = t - 1; s >= 0; s--) {
        int64_t p = attrs->backwards ? t - 1 - s : s;
        moru_node *a = moru_rnn_at(gates, p);
        moru_rnn_mask_step(&masking, s, p);
        masking.seen = steps[2 * t + s];
        if (attrs->has_dy)
            dh = moru_add(dh, moru_rnn_shown(&masking, moru_rnn_at(v->inputs[4], s)));
        back_step b = {moru_rnn_gate(a, 0, units), moru_rnn_gate(a, 1, units), moru_rnn_gate(a, 2, units),
                       moru_rnn_at(v->inputs[1], p), moru_rnn_at(v->inputs[2], p), recurrent, dh};
        dh = moru_rnn_keep(&masking, step_back(&b, attrs->reset_after, &steps[p], &steps[t + p]), dh);
        steps[p] = moru_rnn_unmasked(&masking, steps[p]);
        steps[t + p] = moru_rnn_unmasked(&masking, steps[t + p]);
    }
    moru_node *ys[OUTPUTS] = {moru_rnn_stack(steps, t, gates, GATES * units),
                              moru_rnn_stack(steps + t, t, gates, GATES * units), dh};
    free(steps);
    moru_vjp_through(v, ys);
}

static moru_rnn geometry(const moru_shape *gates, bool backwards)
{
    return (moru_rnn){gates->dims[0], gates->dims[1], 0, gates->dims[2] / GATES, backwards};
}

static size_t workspace_gru_grad(const moru_infer *in, const moru_shape *out, int threads)
{
    moru_rnn g = geometry(&in->shapes[0], false);
    (void)out, (void)threads;
    return moru_kernels_select()->gru_grad_workspace(&g);
}

static moru_status run_gru_grad(const moru_run *run)
{
    const moru_gru_grad_attrs *attrs = run->attrs;
    moru_rnn g = geometry(&run->in[0]->shape, attrs->backwards);
    moru_gru_grad_args a = {
        .gates = run->in[0]->data, .inner = run->in[1]->data, .before = run->in[2]->data,
        .recurrent = run->in[3]->data, .dy = attrs->has_dy ? run->in[4]->data : NULL,
        .dh = attrs->has_dh ? run->in[4 + (attrs->has_dy != 0)]->data : NULL, .reset_after = attrs->reset_after,
        .dgates = run->out[DZ]->data, .dstate = run->out[DSTATE]->data, .dh0 = run->out[DH0]->data,
        .mask = attrs->has_mask ? run->in[run->n_inputs - 1]->data : NULL, .zero_output = attrs->zero_output};
    run->kernels->gru_grad(&g, &a, run->workspace, run->threads);
    if (!attrs->reset_after && a.dstate && run->out[DZ]->size > 0)
        memcpy(a.dstate, a.dgates, (size_t)run->out[DZ]->size * sizeof(moru_real));
    return MORU_OK;
}

static double flops_gru_grad(const moru_infer *in, const moru_shape *out)
{
    const moru_shape *gates = &in->shapes[0];
    (void)out;
    return 2.0 * (double)gates->dims[0] * (double)gates->dims[1] * (double)gates->dims[2]
           * (double)in->shapes[3].dims[0];
}

static void print_gru_grad(const void *attrs_, char *text, size_t size)
{
    const moru_gru_grad_attrs *attrs = attrs_;
    moru_rnn_print(attrs->backwards, attrs->has_mask, attrs->zero_output, text, size);
}

const moru_op_def moru_op_gru_grad = {
    .name = "gru_grad",
    .formula = "dn = dh (1-z) (1-n^2), dz = dh (h-n) z(1-z), dr = dn inner r(1-r), dh = dh z + {dz, dr, dn r} "
               "recurrent_kernel^T step by step backwards",
    .min_inputs = 5, .max_inputs = 7, .n_outputs = OUTPUTS, .attr_size = sizeof(moru_gru_grad_attrs), .in_place = 1,
    .optional_outputs = 1u << DSTATE | 1u << DH0, .infer = infer_gru_grad, .vjp = vjp_gru_grad,
    .workspace = workspace_gru_grad, .run = run_gru_grad, .print = print_gru_grad, .flops = flops_gru_grad,
};
