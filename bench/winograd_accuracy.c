/* What Winograd does to a trained network: ResNet-20 on Fashion-MNIST, with it and without, from the same seeds.
 *
 *     bench/winograd_accuracy [--epochs N] [--seeds N] [--steps N] [--batch N]
 *
 * Test accuracy and loss of each run, then the means. --steps cuts the epochs short, to try it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <moru.h>

typedef struct setup { int64_t epochs, seeds, steps, batch; } setup;

static moru_node *conv(moru_node *x, int64_t filters, int64_t size, int64_t stride)
{
    x = moru_apply(moru_conv2d(.filters = filters, .kernel_size = {size, size}, .strides = {stride, stride},
                               .padding = "same", .use_bias = false, .kernel_initializer = "he_normal"), x);
    return moru_apply(moru_batch_normalization(), x);
}

static moru_node *relu(moru_node *x)
{
    return moru_apply(moru_activation(.activation = "relu"), x);
}

static moru_node *block(moru_node *x, int64_t filters, int64_t stride, bool wider)
{
    moru_node *shortcut = wider ? conv(x, filters, 1, stride) : x;
    moru_node *y = conv(relu(conv(x, filters, 3, stride)), filters, 3, 1);
    return relu(moru_apply_n(moru_add_layer(), (moru_node *[]){y, shortcut}, 2));
}

static moru_model *resnet20(void)
{
    moru_model *model = moru_functional("resnet-20");
    moru_node *x = relu(conv(moru_model_input(model, "image", (int64_t[]){28, 28, 1}, 3), 16, 3, 1));
    for (int stage = 0; stage < 3; stage++)
        for (int k = 0; k < 3; k++)
            x = block(x, 16 << stage, stage && !k ? 2 : 1, stage && !k);
    x = moru_apply(moru_global_average_pooling2d(), x);
    x = moru_apply(moru_dense(.units = 10, .activation = "softmax"), x);
    moru_model_outputs(model, &x, 1);
    return model;
}

/* One run; the sentence of a failure goes to standard error. */
static bool run(const setup *s, const moru_dataset *train, const moru_dataset *test, uint64_t seed, uint32_t without,
                double *accuracy)
{
    moru_model *model = resnet20();
    moru_logs logs;
    moru_status status = moru_model_initialize(model, seed);
    moru_model_leave_out(model, without);
    if (status == MORU_OK)
        status = moru_compile(model, .optimizer = moru_adam(.learning_rate = 1e-3),
                              .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"});
    if (status == MORU_OK)
        status = moru_fit(model, train, .epochs = (int)s->epochs, .batch_size = s->batch, .steps_per_epoch = s->steps,
                          .seed = seed);
    if (status == MORU_OK)
        status = moru_evaluate(model, test, &logs, .batch_size = 500);
    moru_model_free(model);
    if (status != MORU_OK) {
        fprintf(stderr, "winograd_accuracy: %s\n", moru_last_error());
        return false;
    }
    *accuracy = logs.values[1];
    printf("seed %d  %-8s  loss %.4f  accuracy %.4f\n", (int)seed, without ? "direct" : "winograd", logs.values[0],
           logs.values[1]);
    fflush(stdout);
    return true;
}

static bool parse(int argc, char **argv, setup *s)
{
    static const char *const names[] = {"--epochs", "--seeds", "--steps", "--batch"};
    int64_t *const values[] = {&s->epochs, &s->seeds, &s->steps, &s->batch};
    for (int i = 1; i < argc; i += 2) {
        int k = 0;
        while (k < 4 && strcmp(argv[i], names[k]) != 0)
            k++;
        if (k == 4 || i + 1 == argc || atoll(argv[i + 1]) < 1)
            return false;
        *values[k] = atoll(argv[i + 1]);
    }
    return true;
}

int main(int argc, char **argv)
{
    setup s = {.epochs = 2, .seeds = 3, .batch = 128};
    moru_dataset *train = NULL, *test = NULL;
    if (!parse(argc, argv, &s)) {
        fprintf(stderr, "usage: winograd_accuracy [--epochs N] [--seeds N] [--steps N] [--batch N]\n");
        return 2;
    }
    bool fine = moru_dataset_open(&train, "fashion-mnist:train") == MORU_OK
        && moru_dataset_open(&test, "fashion-mnist:test") == MORU_OK;
    if (!fine)
        fprintf(stderr, "winograd_accuracy: %s\n", moru_last_error());
    double sums[2] = {0, 0};
    for (int64_t seed = 0; fine && seed < s.seeds; seed++)
        for (int k = 0; fine && k < 2; k++) {
            double accuracy = 0;
            fine = run(&s, train, test, (uint64_t)seed, k ? MORU_PASS_WINOGRAD : 0, &accuracy);
            sums[k] += accuracy;
        }
    if (fine)
        printf("mean of %d seeds: winograd %.4f, direct %.4f\n", (int)s.seeds, sums[0] / (double)s.seeds,
               sums[1] / (double)s.seeds);
    moru_dataset_free(train);
    moru_dataset_free(test);
    return fine ? 0 : 1;
}
