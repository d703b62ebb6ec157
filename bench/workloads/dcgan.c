/* DCGAN for pictures of 28x28: Radford, Metz and Chintala, 2016. A step trains the discriminator on real and made
 * pictures, then the generator against it. */
#include "bench/bench.h"

static moru_model *generator(void)
{
    return moru_sequential("generator",
        moru_input(100),
        moru_dense(.units = 7 * 7 * 128),
        moru_batch_normalization(),
        moru_activation(.activation = "relu"),
        moru_reshape_layer(.target_shape = MORU_SHAPE(7, 7, 128)),
        moru_conv2d_transpose(.filters = 64, .kernel_size = {4, 4}, .strides = {2, 2}, .padding = "same"),
        moru_batch_normalization(),
        moru_activation(.activation = "relu"),
        moru_conv2d_transpose(.filters = 1, .kernel_size = {4, 4}, .strides = {2, 2}, .padding = "same",
                              .activation = "tanh"));
}

static moru_model *discriminator(void)
{
    return moru_sequential("discriminator",
        moru_input(28, 28, 1),
        moru_conv2d(.filters = 64, .kernel_size = {4, 4}, .strides = {2, 2}, .padding = "same"),
        moru_leaky_relu_layer(.negative_slope = 0.2),
        moru_conv2d(.filters = 128, .kernel_size = {4, 4}, .strides = {2, 2}, .padding = "same"),
        moru_batch_normalization(),
        moru_leaky_relu_layer(.negative_slope = 0.2),
        moru_flatten(),
        moru_dense(.units = 1));
}

/* -log sigmoid(logits) or, for made pictures, -log(1 - sigmoid(logits)), in the mean. */
static moru_node *entropy(moru_node *logits, bool real)
{
    moru_node *target = real ? moru_ones_like(logits) : moru_zeros_like(logits);
    return moru_mean_all(moru_sigmoid_cross_entropy(logits, target));
}

static moru_status step(bench_run *run)
{
    moru_model *g = run->models[0], *d = run->models[1];
    moru_train_step *s = run->step = moru_train_step_new();
    if (!s)
        return MORU_ERR_MEMORY;
    moru_graph *graph = moru_train_step_graph(s);
    moru_node *z = moru_placeholder(graph, "z", MORU_REAL, *moru_tensor_shape(run->x));
    moru_node *real = moru_placeholder(graph, "real", MORU_REAL, *moru_tensor_shape(run->y));
    moru_node *fake, *of_fake, *on_real, *on_fake, *judged;
    moru_train_step_call(s, g, &z, &fake, true);
    of_fake = moru_stop_gradient(fake);
    moru_train_step_call(s, d, &real, &on_real, true);
    moru_train_step_call(s, d, &of_fake, &on_fake, true);
    moru_node *loss_d = moru_add(entropy(on_real, true), entropy(on_fake, false));
    moru_train_step_minimize(s, loss_d, &d, 1, moru_adam(.learning_rate = 1e-3));
    moru_train_step_call(s, d, &fake, &judged, true);
    moru_node *loss_g = entropy(judged, true);
    moru_train_step_minimize(s, loss_g, &g, 1, moru_adam(.learning_rate = 1e-3));
    run->n_losses = 2;
    return moru_train_step_compile(s, .inputs = (moru_node *[]){z, real}, .n_inputs = 2,
                                   .outputs = (moru_node *[]){loss_d, loss_g}, .n_outputs = 2);
}

const bench_workload bench_dcgan = {"dcgan", NULL, {generator, discriminator}, step};
