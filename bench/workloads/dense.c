/* Linear regression and multilayer perceptrons. */
#include "bench/bench.h"

static moru_model *linear(void)
{
    return moru_sequential("linear", moru_input(1), moru_dense(.units = 1));
}

static moru_model *mlp(void)
{
    return moru_sequential("mlp",
        moru_input(784),
        moru_dense(.units = 512, .activation = "relu"),
        moru_dense(.units = 512, .activation = "relu"),
        moru_dense(.units = 10));
}

static moru_model *mlp_small(void)
{
    return moru_sequential("mlp_small",
        moru_input(784),
        moru_dense(.units = 128, .activation = "relu"),
        moru_dense(.units = 10));
}

const bench_workload bench_linear = {"linear", "mean_squared_error", {linear}, NULL};
const bench_workload bench_mlp = {"mlp", BENCH_CROSS_ENTROPY, {mlp}, NULL};
const bench_workload bench_mlp_small = {"mlp_small", BENCH_CROSS_ENTROPY, {mlp_small}, NULL};
