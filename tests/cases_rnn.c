/* Gradient check of recurrent ops. */
#include "ops/rnn.h"
#include "tests/gradcheck.h"

#define BUILD(op) static moru_node *build_##op(moru_graph *graph, moru_node *const *x, const gradcheck_case *c)

/* 0 where a step of a sequence doesn't count: its first, some in the middle, all. */
static moru_node *mask_for(moru_node *x)
{
    moru_real values[64];
    int64_t n = x->shape.dims[0], t = x->shape.dims[1];
    for (int64_t k = 0; k < n * t; k++)
        values[k] = k / t % 3 != 2 && (k + k / t) % 3 != 0;
    return moru_constant(x->graph, MORU_REAL, MORU_SHAPE(n, t), values);
}

/* n: bias, state, backwards, which outputs count (bits), -, mask (1; 2: zero outputs).
 * Inputs: x, kernel, recurrent kernel, [bias], [h0, c0]. */
BUILD(lstm)
{
    (void)graph;
    moru_node *bias = c->n[0] ? x[3] : NULL;
    moru_node *h0 = c->n[1] ? x[3 + c->n[0]] : NULL, *c0 = c->n[1] ? x[4 + c->n[0]] : NULL;
    moru_node *y = moru_lstm_of(&(moru_rnn_inputs){
        .x = x[0], .kernel = x[1], .recurrent = x[2], .bias = bias, .h0 = h0, .c0 = c0,
        .mask = c->n[5] ? mask_for(x[0]) : NULL, .backwards = c->n[2] != 0, .zero_output = c->n[5] == 2});
    moru_node *total = NULL;
    for (int k = 0; k < 6; k++)
        if (c->n[3] >> k & 1) {
            moru_node *part = moru_node_output(y, k);
            if (c->n[3] == 1 << k)
                return part;
            part = moru_sum_all(moru_mul(part, moru_add_scalar(part, k + 1)));
            total = total ? moru_add(total, part) : part;
        }
    return total;
}

/* n: bias, state, backwards, outputs, reset_after, mask. Inputs: x, kernel, recurrent kernel, [bias], [h0]. */
BUILD(gru)
{
    (void)graph;
    moru_node *y = moru_gru_of(&(moru_rnn_inputs){
        .x = x[0], .kernel = x[1], .recurrent = x[2], .bias = c->n[0] ? x[3] : NULL,
        .h0 = c->n[1] ? x[3 + c->n[0]] : NULL, .mask = c->n[5] ? mask_for(x[0]) : NULL, .reset_after = c->n[4] != 0,
        .backwards = c->n[2] != 0, .zero_output = c->n[5] == 2});
    moru_node *total = NULL;
    for (int k = 0; k < 5; k++)
        if (c->n[3] >> k & 1) {
            moru_node *part = moru_node_output(y, k);
            if (c->n[3] == 1 << k)
                return part;
            part = moru_sum_all(moru_mul(part, moru_add_scalar(part, k + 1)));
            total = total ? moru_add(total, part) : part;
        }
    return total;
}

#define R(...) GC_REAL(-1, 1, __VA_ARGS__)
#define W(...) GC_REAL(-0.8, 0.8, __VA_ARGS__)
#define LSTM(name_, backwards, outputs, n_, t, in_, u) \
    {.name = "lstm/" name_, .build = build_lstm, .n = {1, 0, backwards, outputs}, \
     .in = {R(n_, t, in_), W(in_, 4 * u), W(u, 4 * u), W(4 * u)}}
#define LSTM_STATE(name_, backwards, outputs, n_, t, in_, u) \
    {.name = "lstm/" name_, .build = build_lstm, .n = {1, 1, backwards, outputs}, \
     .in = {R(n_, t, in_), W(in_, 4 * u), W(u, 4 * u), W(4 * u), W(n_, u), W(n_, u)}}
#define GRU(name_, state, backwards, outputs, n_, t, in_, u) \
    {.name = "gru/" name_, .build = build_gru, .n = {1, state, backwards, outputs, 1}, \
     .in = {R(n_, t, in_), W(in_, 3 * u), W(u, 3 * u), W(2, 3 * u), {.shape = MORU_SHAPE(n_, u), .high = state}}}
#define GRU_BEFORE(name_, state, backwards, outputs, n_, t, in_, u) \
    {.name = "gru/reset before/" name_, .build = build_gru, .n = {1, state, backwards, outputs, 0}, \
     .in = {R(n_, t, in_), W(in_, 3 * u), W(u, 3 * u), W(3 * u), {.shape = MORU_SHAPE(n_, u), .high = state}}}

#define LSTM_MASK(name_, state, backwards, mask, outputs, n_, t, in_, u) \
    {.name = "lstm/mask" name_, .build = build_lstm, .n = {1, state, backwards, outputs, 0, mask}, \
     .in = {R(n_, t, in_), W(in_, 4 * u), W(u, 4 * u), W(4 * u), {.shape = MORU_SHAPE(n_, u), .high = state}, \
            {.shape = MORU_SHAPE(n_, u), .high = state}}}
#define GRU_MASK(name_, after, backwards, mask, outputs, n_, t, in_, u, bias) \
    {.name = "gru/mask" name_, .build = build_gru, .n = {1, 1, backwards, outputs, after, mask}, \
     .in = {R(n_, t, in_), W(in_, 3 * u), W(u, 3 * u), bias, W(n_, u)}}

const gradcheck_case gradcheck_cases_rnn[] = {
    LSTM_MASK("", 1, 0, 1, 7, 3, 4, 2, 3),
    LSTM_MASK(", backwards", 1, 1, 1, 7, 4, 3, 2, 2),
    LSTM_MASK(", zeros", 1, 0, 2, 7, 3, 4, 2, 3),
    LSTM_MASK(", inner outputs", 1, 1, 1, 63, 3, 3, 2, 2),
    LSTM_MASK(", no steps", 1, 0, 1, 6, 2, 0, 2, 2),
    GRU_MASK("", 1, 0, 1, 3, 3, 4, 2, 3, W(2, 9)),
    GRU_MASK(", backwards", 1, 1, 1, 3, 4, 3, 2, 2, W(2, 6)),
    GRU_MASK(", zeros", 1, 0, 2, 3, 3, 4, 2, 3, W(2, 9)),
    GRU_MASK(", inner outputs", 1, 1, 1, 31, 3, 3, 2, 2, W(2, 6)),
    GRU_MASK(", reset before", 0, 0, 1, 3, 3, 4, 2, 3, W(9)),
    GRU_MASK(", reset before, backwards, zeros", 0, 1, 2, 3, 3, 4, 2, 3, W(9)),
    GRU_MASK(", reset before, inner outputs", 0, 1, 1, 31, 3, 3, 2, 2, W(6)),
    LSTM("sequence", 0, 1, 3, 4, 3, 5),
    LSTM("backwards", 1, 1, 2, 3, 3, 3),
    LSTM("last h", 0, 2, 2, 3, 2, 3),
    LSTM("last c", 1, 4, 2, 3, 2, 3),
    LSTM("one of each", 0, 1, 1, 1, 1, 1),
    LSTM("one step", 0, 3, 2, 1, 2, 3),
    LSTM("no steps", 0, 1, 2, 0, 2, 3),
    LSTM("no sequences", 0, 7, 0, 3, 2, 3),
    LSTM("many sequences", 0, 1, 9, 2, 1, 2),
    LSTM_STATE("state", 0, 7, 3, 3, 2, 3),
    LSTM_STATE("state, backwards", 1, 7, 2, 3, 2, 2),
    LSTM_STATE("state, no steps", 0, 6, 2, 0, 2, 3),
    LSTM_STATE("inner outputs", 1, 63, 2, 2, 2, 2),
    {.name = "lstm/no bias", .build = build_lstm, .n = {0, 1, 0, 1},
     .in = {R(2, 3, 2), W(2, 12), W(3, 12), W(2, 3), W(2, 3)}},
    GRU("sequence", 0, 0, 1, 3, 4, 3, 5),
    GRU("backwards", 0, 1, 1, 2, 3, 3, 3),
    GRU("last", 0, 0, 2, 2, 3, 2, 3),
    GRU("one of each", 0, 0, 1, 1, 1, 1, 1),
    GRU("no steps", 1, 0, 3, 2, 0, 2, 3),
    GRU("no sequences", 1, 0, 3, 0, 3, 2, 3),
    GRU("many sequences", 0, 0, 1, 9, 2, 1, 2),
    GRU("state", 1, 0, 3, 3, 3, 2, 3),
    GRU("state, backwards", 1, 1, 3, 2, 3, 2, 2),
    GRU("inner outputs", 1, 1, 31, 2, 2, 2, 2),
    GRU_BEFORE("sequence", 0, 0, 1, 3, 4, 3, 5),
    GRU_BEFORE("backwards", 0, 1, 1, 2, 3, 3, 3),
    GRU_BEFORE("last", 0, 0, 2, 2, 3, 2, 3),
    GRU_BEFORE("one of each", 0, 0, 1, 1, 1, 1, 1),
    GRU_BEFORE("no steps", 1, 0, 3, 2, 0, 2, 3),
    GRU_BEFORE("no sequences", 1, 0, 3, 0, 3, 2, 3),
    GRU_BEFORE("many sequences", 0, 0, 1, 9, 2, 1, 2),
    GRU_BEFORE("state", 1, 0, 3, 3, 3, 2, 3),
    GRU_BEFORE("state, backwards", 1, 1, 3, 2, 3, 2, 2),
    GRU_BEFORE("inner outputs", 1, 1, 31, 2, 2, 2, 2),
    {.name = "gru/no bias", .build = build_gru, .n = {0, 1, 0, 1, 1}, .in = {R(2, 3, 2), W(2, 9), W(3, 9), W(2, 3)}},
    {.name = "gru/reset before/no bias", .build = build_gru, .n = {0, 1, 0, 1, 0},
     .in = {R(2, 3, 2), W(2, 9), W(3, 9), W(2, 3)}},
    {.name = NULL},
};
