/* Language models of characters: 65 of them, 64 at a time, the next one predicted at each place. */
#include "bench/bench.h"

static moru_layer *lstm_layer(int64_t units)
{
    return moru_lstm(.units = units, .return_sequences = true);
}

static moru_model *lstm(void)
{
    return moru_sequential("lstm",
        moru_input_int(64),
        moru_embedding(.input_dim = 65, .output_dim = 128),
        lstm_layer(128),
        lstm_layer(128),
        moru_dense(.units = 65));
}

static moru_model *lstm512(void)
{
    return moru_sequential("lstm512",
        moru_input_int(64),
        moru_embedding(.input_dim = 65, .output_dim = 512),
        lstm_layer(512),
        moru_dense(.units = 65));
}

const bench_workload bench_lstm = {"lstm", BENCH_CROSS_ENTROPY, {lstm}, NULL};
const bench_workload bench_lstm512 = {"lstm512", BENCH_CROSS_ENTROPY, {lstm512}, NULL};

static moru_layer *gru_layer(int64_t units)
{
    return moru_gru(.units = units, .return_sequences = true);
}

static moru_model *gru(void)
{
    return moru_sequential("gru",
        moru_input_int(64),
        moru_embedding(.input_dim = 65, .output_dim = 128),
        gru_layer(128),
        gru_layer(128),
        moru_dense(.units = 65));
}

const bench_workload bench_gru = {"gru", BENCH_CROSS_ENTROPY, {gru}, NULL};
