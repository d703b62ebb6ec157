/* Convolutional networks in a row. */
#include "bench/bench.h"

static moru_model *lenet(void)
{
    return moru_sequential("lenet",
        moru_input(28, 28, 1),
        moru_conv2d(.filters = 6, .kernel_size = {5, 5}, .padding = "same", .activation = "relu"),
        moru_max_pooling2d(),
        moru_conv2d(.filters = 16, .kernel_size = {5, 5}, .activation = "relu"),
        moru_max_pooling2d(),
        moru_flatten(),
        moru_dense(.units = 120, .activation = "relu"),
        moru_dense(.units = 84, .activation = "relu"),
        moru_dense(.units = 10));
}

static moru_model *cnn(void)
{
    return moru_sequential("cnn",
        moru_input(28, 28, 1),
        moru_conv2d(.filters = 32, .kernel_size = {3, 3}, .activation = "relu"),
        moru_max_pooling2d(),
        moru_conv2d(.filters = 64, .kernel_size = {3, 3}, .activation = "relu"),
        moru_max_pooling2d(),
        moru_flatten(),
        moru_dense(.units = 10));
}

static moru_layer *vgg_conv(int64_t filters)
{
    return moru_conv2d(.filters = filters, .kernel_size = {3, 3}, .padding = "same", .activation = "relu");
}

static moru_model *vgg(void)
{
    return moru_sequential("vgg",
        moru_input(32, 32, 3),
        vgg_conv(64), vgg_conv(64), moru_max_pooling2d(),
        vgg_conv(128), vgg_conv(128), moru_max_pooling2d(),
        moru_flatten(),
        moru_dense(.units = 10));
}

const bench_workload bench_lenet = {"lenet", BENCH_CROSS_ENTROPY, {lenet}, NULL};
const bench_workload bench_cnn = {"cnn", BENCH_CROSS_ENTROPY, {cnn}, NULL};
const bench_workload bench_vgg = {"vgg", BENCH_CROSS_ENTROPY, {vgg}, NULL};
