/* XOR by two layers: the smallest problem that needs a hidden layer.
 *
 *     h = tanh(x W1 + b1)          four hidden neurons bend the plane
 *     y = sigmoid(h W2 + b2)       so that a line can cut it
 *
 * Backpropagation (Rumelhart, Hinton and Williams, 1986) carries the loss's slope through both layers by the chain
 * rule. */
#include "models/zoo.h"

static moru_model *build(const moru_dataset_info *data)
{
    if (!zoo_wants_table("xor-mlp", data, 2))
        return NULL;
    return moru_sequential("xor-mlp",
        moru_input(2),
        moru_dense(.units = 4, .activation = "tanh", .name = "hidden"),
        moru_dense(.units = 1, .activation = "sigmoid", .name = "output"));
}

static moru_status lesson(const zoo_run *run)
{
    moru_dataset_info info;
    moru_dataset_describe(run->data, &info);
    for (int64_t row = 0; row < info.size && row < 16; row++) {
        moru_real x[2], target, y;
        moru_status status = moru_dataset_read(run->data, &row, 1, (void *[]){x}, (void *[]){&target});
        if (status == MORU_OK)
            status = zoo_predict(run->model, x, 2, &y);
        if (status != MORU_OK)
            return status;
        fprintf(run->out, "%g %g -> %.3f (is %g)\n", (double)x[0], (double)x[1], (double)y, (double)target);
    }
    return MORU_OK;
}

const zoo_model zoo_xor_mlp = {
    .name = "xor-mlp",
    .summary = "two layers learn XOR",
    .reaches = "4 of 4 rows in a second",
    .data = "xor",
    .parameters = 17,
    .epochs = 500, .batch_size = 4,
    .optimizer = "adam(0.05)",
    .loss = "binary_crossentropy",
    .metrics = {"accuracy"},
    .build = build, .lesson = lesson,
};
