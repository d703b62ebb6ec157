/* ResNet-20 for pictures of 32x32: He, Zhang, Ren and Sun, 2016; the shortcut to more channels is a 1x1 convolution. */
#include "bench/bench.h"

static moru_node *conv(moru_node *x, int64_t filters, int64_t size, int64_t stride)
{
    return moru_apply(moru_conv2d(.filters = filters, .kernel_size = {size, size}, .strides = {stride, stride},
                                  .padding = "same", .use_bias = false), x);
}

static moru_node *norm(moru_node *x)
{
    return moru_apply(moru_batch_normalization(), x);
}

static moru_node *relu(moru_node *x)
{
    return moru_apply(moru_activation(.activation = "relu"), x);
}

static moru_node *block(moru_node *x, int64_t filters, int64_t stride)
{
    moru_node *y = relu(norm(conv(x, filters, 3, stride)));
    y = norm(conv(y, filters, 3, 1));
    moru_node *shortcut = stride > 1 ? conv(x, filters, 1, stride) : x;
    return relu(moru_apply_n(moru_add_layer(), (moru_node *[]){y, shortcut}, 2));
}

static moru_model *resnet20(void)
{
    moru_model *model = moru_functional("resnet20");
    moru_node *x = moru_model_input(model, "x", (const int64_t[]){32, 32, 3}, 3);
    x = relu(norm(conv(x, 16, 3, 1)));
    for (int stage = 0; stage < 3; stage++)
        for (int k = 0; k < 3; k++)
            x = block(x, 16 << stage, stage > 0 && k == 0 ? 2 : 1);
    x = moru_apply(moru_global_average_pooling2d(), x);
    x = moru_apply(moru_dense(.units = 10), x);
    moru_model_outputs(model, &x, 1);
    return model;
}

const bench_workload bench_resnet20 = {"resnet20", BENCH_CROSS_ENTROPY, {resnet20}, NULL};
