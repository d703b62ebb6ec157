/* The list of the zoo, in the order of a first course, and what its models share. */
#include <inttypes.h>
#include <string.h>

#include "models/zoo.h"

static const zoo_model *const zoo[] = {
    &zoo_linear_regression, &zoo_multiple_regression, &zoo_perceptron, &zoo_xor_mlp,
    &zoo_softmax_regression, &zoo_mlp, &zoo_lenet, &zoo_cnn,
};

const zoo_model *zoo_at(int k)
{
    return k >= 0 && k < (int)(sizeof zoo / sizeof *zoo) ? zoo[k] : NULL;
}

const zoo_model *zoo_find(const char *name)
{
    for (int k = 0; zoo_at(k); k++)
        if (strcmp(zoo_at(k)->name, name) == 0)
            return zoo_at(k);
    return NULL;
}

/* What data holds instead of what the model `name` takes. */
static bool refuse(const char *name, const char *takes, const moru_dataset_info *data)
{
    char shape[MORU_SHAPE_TEXT];
    moru_op_error(MORU_ERR_SHAPE, "%s: it takes %s; the samples of %s are %d input%s, the first of shape %s, %s", name,
                  takes, data->name, data->n_inputs, data->n_inputs == 1 ? "" : "s",
                  moru_shape_print(&data->input_shapes[0], shape, sizeof shape),
                  data->n_classes > 0 ? "in classes" : "without classes");
    return false;
}

bool zoo_wants_images(const char *name, const moru_dataset_info *data)
{
    if (data->n_inputs == 1 && data->input_shapes[0].rank == 3 && data->n_classes > 0)
        return true;
    return refuse(name, "images [height,width,channels] in classes", data);
}

bool zoo_wants_table(const char *name, const moru_dataset_info *data, int64_t features)
{
    const moru_shape *shape = &data->input_shapes[0];
    char takes[96] = "rows of numbers, each with a number as target";
    if (data->n_inputs == 1 && shape->rank == 1 && (features == 0 || shape->dims[0] == features) && data->n_targets == 1
        && data->target_dtypes[0] == MORU_REAL)
        return true;
    if (features > 0)
        snprintf(takes, sizeof takes, "rows of %" PRId64 " number%s, each with a number as target", features,
                 features == 1 ? "" : "s");
    return refuse(name, takes, data);
}

moru_status zoo_predict(moru_model *model, const moru_real *sample, int64_t features, moru_real *output)
{
    moru_tensor *x = moru_tensor_from(MORU_REAL, MORU_SHAPE(1, features), sample), *y = NULL;
    moru_status status = x ? moru_predict(model, &x, &y, 1, 1) : MORU_ERR_MEMORY;
    if (status == MORU_OK)
        memcpy(output, moru_tensor_const_data(y), (size_t)moru_tensor_size(y) * sizeof *output);
    moru_tensor_free(x);
    moru_tensor_free(y);
    return status;
}
