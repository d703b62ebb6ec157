/* Linear regression: a straight line through points.
 *
 * A pupil's score y grows with the hours x of study: (2, 20), (4, 40), (8, 80), (9, 90). The model is one neuron
 * without an activation,
 *
 *     prediction = w x + b
 *
 * and the loss is the mean of (prediction - y)^2. Gradient descent walks against the slope of the loss,
 *
 *     w <- w - learning_rate dloss/dw,      b <- b - learning_rate dloss/db,
 *
 * until w = 10 and b = 0: ten points for each hour. */
#include "models/zoo.h"

static moru_model *build(const moru_dataset_info *data)
{
    if (!zoo_wants_table("linear-regression", data, 1))
        return NULL;
    return moru_sequential("linear-regression",
        moru_input(1),
        moru_dense(.units = 1, .name = "line"));
}

/* Prints the line that was found. */
static moru_status lesson(const zoo_run *run)
{
    moru_layer *line = moru_model_layer(run->model, "line");
    double w = *(moru_real *)moru_tensor_data(moru_layer_weight_at(line, 0, NULL));
    double b = *(moru_real *)moru_tensor_data(moru_layer_weight_at(line, 1, NULL));
    if (b > -0.005 && b < 0)
        b = 0; /* not "-0.00" */
    fprintf(run->out, "w = %.2f, b = %.2f\n", w, b);
    fprintf(run->out, "the line is y = %.2fx %c %.2f\n", w, b < 0 ? '-' : '+', b < 0 ? -b : b);
    return MORU_OK;
}

const zoo_model zoo_linear_regression = {
    .name = "linear-regression",
    .summary = "a line through study times and scores",
    .reaches = "w = 10.00, b = 0.00 in a second",
    .data = "study-time",
    .parameters = 2,
    .epochs = 2000, .batch_size = 4,
    .optimizer = "sgd(0.02)",
    .loss = "mean_squared_error",
    .build = build, .lesson = lesson,
};
