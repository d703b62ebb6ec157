/* Multiple regression: several causes, one effect.
 *
 * A pupil's score depends on the hours of study x1 and of sleep x2; the model has a weight for each,
 *
 *     prediction = w1 x1 + w2 x2 + b.
 *
 * With any table (`--data csv:FILE?target=COLUMN`) it has a weight for each column. The loss is that of linear
 * regression: only the shapes have grown. */
#include <inttypes.h>

#include "models/zoo.h"

static moru_model *build(const moru_dataset_info *data)
{
    if (!zoo_wants_table("multiple-regression", data, 0))
        return NULL;
    return moru_sequential("multiple-regression",
        moru_input(data->input_shapes[0].dims[0]),
        moru_dense(.units = 1, .name = "plane"));
}

/* Prints the weight of each column, and for small tables each prediction beside its target. */
static moru_status lesson(const zoo_run *run)
{
    moru_dataset_info info;
    moru_dataset_describe(run->data, &info);
    moru_layer *plane = moru_model_layer(run->model, "plane");
    const moru_real *w = moru_tensor_data(moru_layer_weight_at(plane, 0, NULL));
    const moru_real *b = moru_tensor_data(moru_layer_weight_at(plane, 1, NULL));
    int64_t features = info.input_shapes[0].dims[0];
    for (int64_t i = 0; i < features; i++)
        fprintf(run->out, "w%" PRId64 " = %.3f   (%s)\n", i + 1, (double)w[i],
                info.input_names ? info.input_names[i] : "?");
    fprintf(run->out, "b  = %.3f\n", (double)b[0]);
    for (int64_t row = 0; row < info.size && info.size <= 10 && features <= 8; row++) {
        moru_real x[8], target, prediction;
        moru_status status = moru_dataset_read(run->data, &row, 1, (void *[]){x}, (void *[]){&target});
        if (status == MORU_OK)
            status = zoo_predict(run->model, x, features, &prediction);
        if (status != MORU_OK)
            return status;
        for (int64_t i = 0; i < features; i++)
            fprintf(run->out, i ? ", %g" : "%g", (double)x[i]);
        fprintf(run->out, " -> %.2f (is %g)\n", (double)prediction, (double)target);
    }
    return MORU_OK;
}

const zoo_model zoo_multiple_regression = {
    .name = "multiple-regression",
    .summary = "study and sleep against scores, or any table of numbers",
    .reaches = "loss below 0.01 in a second",
    .data = "study-and-sleep",
    .parameters = 3,
    .epochs = 3000, .batch_size = 4,
    .optimizer = "adam(0.05)",
    .loss = "mean_squared_error",
    .metrics = {"mean_absolute_error"},
    .build = build, .lesson = lesson,
};
