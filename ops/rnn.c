#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/status.h"
#include "ops/rnn.h"

moru_status moru_rnn_check(const moru_infer *in, int gates, int64_t *units)
{
    const moru_shape *x = &in->shapes[0], *kernel = &in->shapes[1], *recurrent = &in->shapes[2];
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_rule_rank(in, 0, 3, "[n,t,in]"));
    MORU_TRY(moru_rule_rank(in, 1, 2, "a kernel [in,gates units]"));
    MORU_TRY(moru_rule_rank(in, 2, 2, "a recurrent kernel [units,gates units]"));
    *units = recurrent->dims[0];
    if (*units < 1 || *units > INT64_MAX / gates || recurrent->dims[1] != *units * gates)
        return moru_op_error(MORU_ERR_SHAPE, "a recurrent kernel %s for %d gates", MORU_TEXT(recurrent), gates);
    if (kernel->dims[1] != *units * gates || !moru_rule_fits(kernel->dims[0], x->dims[2]))
        return moru_op_error(MORU_ERR_SHAPE, "a kernel %s for %s and %d gates of %" PRId64 " units", MORU_TEXT(kernel),
                             MORU_TEXT(x), gates, *units);
    return MORU_OK;
}

moru_status moru_rnn_check_state(const moru_infer *in, int k, int64_t units)
{
    const moru_shape *state = &in->shapes[k];
    if (state->rank != 2 || state->dims[1] != units || !moru_rule_fits(state->dims[0], in->shapes[0].dims[0]))
        return moru_op_error(MORU_ERR_SHAPE, "input %d is %s, which is no state of %" PRId64 " units for %s", k,
                             MORU_TEXT(state), units, MORU_TEXT(&in->shapes[0]));
    return MORU_OK;
}

moru_status moru_rnn_check_mask(const moru_infer *in, int k)
{
    const moru_shape *mask = &in->shapes[k], *x = &in->shapes[0];
    if (mask->rank != 2 || !moru_rule_fits(mask->dims[0], x->dims[0]) || !moru_rule_fits(mask->dims[1], x->dims[1]))
        return moru_op_error(MORU_ERR_SHAPE, "input %d is %s, which is no mask for %s", k, MORU_TEXT(mask),
                             MORU_TEXT(x));
    return MORU_OK;
}

void moru_rnn_mask_step(moru_rnn_masking *m, int64_t s, int64_t p)
{
    if (!m->mask)
        return;
    moru_node *column = moru_slice(m->mask, 1, p, p + 1, 1);
    m->now = moru_not_equal(column, moru_zeros_like(column));
    m->seen = m->zero_output || s == 0 ? m->now : moru_logical_or(m->seen, m->now);
}

moru_node *moru_rnn_keep(const moru_rnn_masking *m, moru_node *after, moru_node *before)
{
    return m->mask ? moru_where(m->now, after, before) : after;
}

moru_node *moru_rnn_unmasked(const moru_rnn_masking *m, moru_node *x)
{
    return m->mask ? moru_where(m->now, x, moru_zeros_like(x)) : x;
}

moru_node *moru_rnn_shown(const moru_rnn_masking *m, moru_node *h)
{
    return m->mask ? moru_where(m->seen, h, moru_zeros_like(h)) : h;
}

void moru_rnn_find_seen(moru_rnn_masking *m, int64_t t, bool backwards, moru_node **seen)
{
    for (int64_t s = 0; s < t; s++) {
        moru_rnn_mask_step(m, s, backwards ? t - 1 - s : s);
        seen[s] = m->seen;
    }
}

moru_node *moru_rnn_at(moru_node *x, int64_t p)
{
    return moru_squeeze(moru_slice(x, 1, p, p + 1, 1), 1);
}

moru_node *moru_rnn_gates(moru_node *z, int first, int last, int64_t units)
{
    return moru_slice(z, -1, first * units, last * units, 1);
}

moru_node *moru_rnn_gate(moru_node *z, int k, int64_t units)
{
    return moru_rnn_gates(z, k, k + 1, units);
}

moru_node *moru_rnn_sigmoid_slope(moru_node *a)
{
    return moru_mul(a, moru_add_scalar(moru_neg(a), 1));
}

moru_node *moru_rnn_tanh_slope(moru_node *a)
{
    return moru_add_scalar(moru_neg(moru_square(a)), 1);
}

moru_node *moru_rnn_zero_state(moru_node *z, int64_t units)
{
    return moru_zeros_like(moru_sum(moru_rnn_gate(z, 0, units), (int[]){1}, 1, false));
}

moru_node *moru_rnn_stack(moru_node *const *steps, int64_t t, moru_node *z, int64_t width)
{
    return t > 0 ? moru_stack(steps, (int)t, 1) : moru_zeros_like(moru_slice(z, -1, 0, width, 1));
}

int64_t moru_rnn_steps(moru_node *x)
{
    if (moru_node_failed(x))
        return -1;
    if (x->shape.dims[1] >= 0 && x->shape.dims[1] <= INT32_MAX)
        return x->shape.dims[1];
    moru_graph_fail(x->graph, MORU_ERR_UNSUPPORTED,
                    "a recurrence step by step (for activations other than the default ones, or the gradient of a "
                    "gradient) needs a known number of steps, not %s", MORU_TEXT(&x->shape));
    return -1;
}

moru_node *moru_rnn_rows(moru_node *x)
{
    int64_t dims[] = {-1, moru_node_failed(x) ? 1 : x->shape.dims[x->shape.rank - 1]};
    return moru_reshape(x, dims, 2);
}

moru_node *moru_rnn_weight_gradient(moru_node *a, moru_node *b)
{
    return moru_matmul_t(moru_rnn_rows(a), true, moru_rnn_rows(b), false);
}

moru_node *moru_rnn_bias_gradient(moru_node *dz)
{
    return moru_sum(dz, (int[]){0, 1}, 2, false);
}

void moru_rnn_input_gradients(const moru_vjp *v, moru_node *dz)
{
    moru_node *x = v->inputs[0];
    if (v->wanted[0])
        v->dx[0] = moru_matmul_t(dz, false, v->inputs[1], true);
    if (v->wanted[1] && x->shape.dims[2] != 0)
        v->dx[1] = moru_rnn_weight_gradient(x, dz);
}

void moru_rnn_print(bool backwards, bool has_mask, bool zero_output, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", backwards ? "backwards" : "", backwards && has_mask ? " " : "",
             !has_mask ? "" : zero_output ? "masked with zeros" : "masked");
}
