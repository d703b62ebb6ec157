/* Softmax regression: a picture is a list of pixels, and each class has a weight for every pixel.
 *
 *     logits = pixels W + b,      probability of class c = exp(logits_c) / sum_k exp(logits_k)
 *
 * The loss is -log of the probability given to the true class (cross entropy). No hidden layer: what it reaches is what
 * straight cuts through pixel space can do. */
#include "models/zoo.h"

static moru_model *build(const moru_dataset_info *data)
{
    if (!zoo_wants_images("softmax-regression", data))
        return NULL;
    const int64_t *size = data->input_shapes[0].dims;
    return moru_sequential("softmax-regression",
        moru_input(size[0], size[1], size[2]),
        moru_flatten(),
        moru_dense(.units = data->n_classes, .activation = "softmax"));
}

const zoo_model zoo_softmax_regression = {
    .name = "softmax-regression",
    .summary = "pictures of clothes by one layer of weights",
    .reaches = "accuracy 0.84 in 5 epochs, some seconds",
    .data = "fashion-mnist:train", .validation = "fashion-mnist:test",
    .parameters = 7850,
    .epochs = 5, .batch_size = 128,
    .optimizer = "adam(0.003)", .schedule = "cosine_decay(0.003, STEPS)",
    .loss = "sparse_categorical_crossentropy",
    .metrics = {"accuracy"},
    .build = build,
};
