/* LeNet-5: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998.
 *
 * Convolutions look at small windows with the same weights everywhere; pooling halves the picture; after two rounds of
 * both, fully connected layers decide. As is usual today: relu for the original's scaled tanh, max pooling for its
 * trainable averages, softmax for its radial basis functions. */
#include "models/zoo.h"

static moru_model *build(const moru_dataset_info *data)
{
    if (!zoo_wants_images("lenet", data))
        return NULL;
    const int64_t *size = data->input_shapes[0].dims;
    return moru_sequential("lenet",
        moru_input(size[0], size[1], size[2]),
        moru_conv2d(.filters = 6, .kernel_size = {5, 5}, .padding = "same", .activation = "relu"),
        moru_max_pooling2d(),
        moru_conv2d(.filters = 16, .kernel_size = {5, 5}, .activation = "relu"),
        moru_max_pooling2d(),
        moru_flatten(),
        moru_dense(.units = 120, .activation = "relu"),
        moru_dense(.units = 84, .activation = "relu"),
        moru_dense(.units = data->n_classes, .activation = "softmax"));
}

const zoo_model zoo_lenet = {
    .name = "lenet",
    .summary = "the first convolutional network that read cheques, here clothes or digits",
    .reaches = "accuracy 0.89 (digits: 0.985) in 5 epochs, half a minute",
    .data = "fashion-mnist:train", .validation = "fashion-mnist:test",
    .parameters = 61706,
    .epochs = 5, .batch_size = 64,
    .optimizer = "adam(0.002)", .schedule = "cosine_decay(0.002, STEPS)",
    .loss = "sparse_categorical_crossentropy",
    .metrics = {"accuracy"},
    .build = build,
};
