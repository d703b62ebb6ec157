/* PyTorch's recurrent layers in terms of this library's builders. */
#include <stdio.h>
#include <string.h>
#include "tests/torch_case.h"

static const int swap[] = {1, 0};

/* The weight of a layer and direction: "l0r_w_ih". */
static moru_node *weight(const torch_case *t, int layer, bool backwards, const char *name)
{
    char full[TORCH_NAME];
    snprintf(full, sizeof full, "l%d%s_%s", layer, backwards ? "r" : "", name);
    return torch_input(t, full);
}

/* Gates r, z, n of PyTorch as z, r, n, along the last axis. */
static moru_node *reorder(moru_node *x, int64_t hidden)
{
    moru_node *parts[] = {moru_slice(x, -1, hidden, 2 * hidden, 1), moru_slice(x, -1, 0, hidden, 1),
                          moru_slice(x, -1, 2 * hidden, 3 * hidden, 1)};
    return moru_concat(parts, 3, -1);
}

/* State number k of [layers directions, n, hidden]. */
static moru_node *state(moru_node *all, int k)
{
    return all ? moru_squeeze(moru_slice(all, 0, k, k + 1, 1), 0) : NULL;
}

static moru_node *lstm_direction(const torch_case *t, moru_node *x, int layer, bool backwards, moru_node *h,
                                 moru_node *c, moru_node **ends)
{
    moru_node *bias = moru_add(weight(t, layer, backwards, "b_ih"), weight(t, layer, backwards, "b_hh"));
    moru_node *y = moru_lstm_op(x, moru_transpose(weight(t, layer, backwards, "w_ih"), swap),
                                moru_transpose(weight(t, layer, backwards, "w_hh"), swap), bias, h, c, backwards);
    ends[0] = y->call->outputs[1];
    ends[1] = y->call->outputs[2];
    return y;
}

static moru_node *gru_direction(const torch_case *t, moru_node *x, int layer, bool backwards, moru_node *h,
                                moru_node **ends)
{
    int64_t hidden = (int64_t)torch_number(t, "hidden", 0);
    moru_node *biases[] = {reorder(weight(t, layer, backwards, "b_ih"), hidden),
                           reorder(weight(t, layer, backwards, "b_hh"), hidden)};
    moru_node *y = moru_gru_op(x, reorder(moru_transpose(weight(t, layer, backwards, "w_ih"), swap), hidden),
                               reorder(moru_transpose(weight(t, layer, backwards, "w_hh"), swap), hidden),
                               moru_stack(biases, 2, 0), h, true, backwards);
    ends[0] = y->call->outputs[1];
    return y;
}

/* Step by step, forwards only. */
static moru_node *tanh_direction(const torch_case *t, moru_node *x, int layer, moru_node *h, moru_node **ends)
{
    moru_node *steps[16];
    int n = (int)moru_node_shape(x)->dims[1];
    moru_node *bias = moru_add(weight(t, layer, false, "b_ih"), weight(t, layer, false, "b_hh"));
    for (int s = 0; s < n; s++) {
        moru_node *in = moru_squeeze(moru_slice(x, 1, s, s + 1, 1), 1);
        h = moru_tanh(moru_add(moru_add(moru_matmul_t(in, false, weight(t, layer, false, "w_ih"), true),
                                        moru_matmul_t(h, false, weight(t, layer, false, "w_hh"), true)), bias));
        steps[s] = h;
    }
    ends[0] = h;
    return moru_stack(steps, n, 1);
}

moru_node *torch_rnn(torch_case *t)
{
    int layers = (int)torch_number(t, "layers", 1), directions = torch_number(t, "bidirectional", 0) ? 2 : 1;
    bool lstm = strcmp(t->op, "lstm") == 0, gru = strcmp(t->op, "gru") == 0;
    moru_node *x = torch_input(t, "x"), *ends[2][8], *h0 = torch_input(t, "h0"), *c0 = torch_input(t, "c0");
    for (int layer = 0; layer < layers; layer++) {
        moru_node *ways[2];
        for (int d = 0; d < directions; d++) {
            int k = layer * directions + d;
            moru_node *own[2] = {NULL, NULL}, *h = state(h0, k), *c = state(c0, k);
            ways[d] = lstm ? lstm_direction(t, x, layer, d, h, c, own) :
                      gru ? gru_direction(t, x, layer, d, h, own) : tanh_direction(t, x, layer, h, own);
            if (d == 1) /* outputs of the way back are in the order it went */
                ways[d] = moru_slice(ways[d], 1, -1, MORU_SLICE_END, -1);
            ends[0][k] = own[0];
            ends[1][k] = own[1];
        }
        x = directions == 2 ? moru_concat(ways, 2, -1) : ways[0];
    }
    t->more[t->n_more++] = moru_stack(ends[0], layers * directions, 0);
    if (lstm)
        t->more[t->n_more++] = moru_stack(ends[1], layers * directions, 0);
    return x;
}
