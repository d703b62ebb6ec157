/* Inputs and targets of a model from an HDF5 file. */
#include <stdlib.h>
#include <string.h>

#include "tools/inputs.h"

/* Whether the file can be opened at all, so that a missing one isn't reported as a missing data set. */
static moru_status check_file(const char *path)
{
    char *text = NULL;
    moru_status status = moru_h5_attribute(&text, path, "/", "loss");
    free(text);
    return status;
}

/* The name of array k of n in the file: BASE when it is the only one, or BASEk, or its own. */
static moru_status find(const char *path, const char *base, int k, int n, const char *own, char *name, size_t size)
{
    snprintf(name, size, "%s", base);
    if (n == 1 && moru_h5_has(path, name))
        return MORU_OK;
    snprintf(name, size, "%s%d", base, k);
    if (moru_h5_has(path, name))
        return MORU_OK;
    if (own && moru_h5_has(path, own)) {
        snprintf(name, size, "%s", own);
        return MORU_OK;
    }
    char number[16] = "";
    if (n > 1)
        snprintf(number, sizeof number, "%d", k);
    return moru_op_error(MORU_ERR_FORMAT, "%s: there is no data set \"%s%s\"%s%s%s", path, base, number,
                         own ? " and no \"" : "", own ? own : "", own ? "\"" : "");
}

moru_status inputs_read(const moru_model *model, const char *path, moru_tensor *inputs[MORU_MAX_OUTPUTS])
{
    char name[256];
    int n = moru_model_input_count(model);
    moru_status status = check_file(path);
    if (n > MORU_MAX_OUTPUTS)
        return moru_op_error(MORU_ERR_UNSUPPORTED, "%s: the model has more than %d inputs", moru_model_name(model),
                             MORU_MAX_OUTPUTS);
    for (int k = 0; k < n && status == MORU_OK; k++) {
        const moru_node *node = moru_model_input_at(model, k);
        status = find(path, "x", k, n, moru_node_name(node), name, sizeof name);
        if (status == MORU_OK)
            status = moru_h5_read(&inputs[k], path, name, moru_node_dtype(node));
    }
    return status;
}

moru_status targets_read(const moru_model *model, const char *path, moru_tensor *targets[MORU_MAX_OUTPUTS])
{
    char name[256];
    int n = moru_model_output_count(model);
    moru_status status = MORU_OK;
    if (n > MORU_MAX_OUTPUTS)
        return moru_op_error(MORU_ERR_UNSUPPORTED, "%s: the model has more than %d outputs", moru_model_name(model),
                             MORU_MAX_OUTPUTS);
    for (int k = 0; k < n && status == MORU_OK; k++) {
        status = find(path, "target", k, n, NULL, name, sizeof name);
        if (status == MORU_OK)
            status = moru_h5_read(&targets[k], path, name, MORU_INT32); /* floats stay floats */
    }
    return status;
}

moru_status inputs_refused(moru_status status, const char *path)
{
    const char *sentence = moru_last_error();
    if (status != MORU_ERR_SHAPE && status != MORU_ERR_ARGUMENT)
        return status;
    return moru_op_error(status, "%s: %s", path, sentence + (strncmp(sentence, "data: ", 6) == 0 ? 6 : 0));
}

void tensors_free(moru_tensor *tensors[MORU_MAX_OUTPUTS])
{
    for (int k = 0; k < MORU_MAX_OUTPUTS; k++)
        moru_tensor_free(tensors[k]);
}
