/* Perceptron: one neuron that decides.
 *
 *     prediction = sigmoid(w1 a + w2 b + bias),     1 if that is above 1/2
 *
 * The line w1 a + w2 b + bias = 0 cuts the plane in two. AND, OR and NAND lie on different sides of some line; XOR does
 * not, and no training can change that: Minsky and Papert, "Perceptrons", 1969. xor-mlp shows the way out. */
#include <string.h>

#include "models/zoo.h"

static moru_model *build(const moru_dataset_info *data)
{
    if (!zoo_wants_table("perceptron", data, 2))
        return NULL;
    return moru_sequential("perceptron",
        moru_input(2),
        moru_dense(.units = 1, .activation = "sigmoid", .name = "neuron"));
}

/* Prints the truth table of a trained neuron and how many rows are right. */
static moru_status show(FILE *out, const char *gate, moru_model *model, const moru_dataset *data)
{
    int right = 0;
    for (int64_t row = 0; row < 4; row++) {
        moru_real x[2], target, y;
        moru_status status = moru_dataset_read(data, &row, 1, (void *[]){x}, (void *[]){&target});
        if (status == MORU_OK)
            status = zoo_predict(model, x, 2, &y);
        if (status != MORU_OK)
            return status;
        right += (y > (moru_real)0.5) == (target > (moru_real)0.5);
        fprintf(out, "%-4s %g %g -> %.3f (is %g)\n", gate, (double)x[0], (double)x[1], (double)y, (double)target);
    }
    fprintf(out, "%-4s %d of 4 right%s\n", gate, right, right == 4 ? "" : ": no line separates it");
    return MORU_OK;
}

/* A fresh neuron learns another gate. */
static moru_status learn(const zoo_run *run, const char *gate)
{
    moru_dataset *data = NULL;
    moru_model *model = NULL;
    moru_dataset_info info;
    moru_status status = moru_dataset_open(&data, gate);
    if (status == MORU_OK) {
        moru_dataset_describe(data, &info);
        model = build(&info);
        status = model ? moru_model_initialize(model, run->seed) : MORU_ERR_MEMORY;
    }
    if (status == MORU_OK)
        status = moru_compile(model, .optimizer = moru_adam(.learning_rate = 0.1), .loss = "binary_crossentropy");
    if (status == MORU_OK)
        status = moru_fit(model, data, .epochs = run->epochs, .batch_size = 4, .seed = run->seed, .threads = 1);
    if (status == MORU_OK)
        status = show(run->out, gate, model, data);
    moru_model_free(model);
    moru_dataset_free(data);
    return status;
}

static moru_status lesson(const zoo_run *run)
{
    moru_dataset_info info;
    moru_dataset_describe(run->data, &info);
    moru_status status = info.size == 4 ? show(run->out, info.name, run->model, run->data) : MORU_OK;
    if (strcmp(info.name, "and") != 0)
        return status;
    static const char *const others[] = {"or", "nand", "xor"};
    for (int k = 0; k < 3 && status == MORU_OK; k++)
        status = learn(run, others[k]);
    return status;
}

const zoo_model zoo_perceptron = {
    .name = "perceptron",
    .summary = "one neuron learns AND, OR and NAND, and can't learn XOR",
    .reaches = "4 of 4 rows, XOR at most 3, in a second",
    .data = "and",
    .parameters = 3,
    .epochs = 500, .batch_size = 4,
    .optimizer = "adam(0.1)",
    .loss = "binary_crossentropy",
    .metrics = {"accuracy"},
    .build = build, .lesson = lesson,
};
