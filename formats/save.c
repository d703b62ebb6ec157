/* Writing models and weights: the name decides the format. */
#include <moru/formats.h>

#include <stdlib.h>
#include <string.h>
#include "formats/file.h"
#include "formats/keras.h"
#include "formats/torch.h"

static moru_status write_weights(moru_model *model, const char *path)
{
    void *data = NULL;
    int64_t size = 0;
    MORU_TRY(moru_keras_weights_write(model, path, &data, &size));
    moru_status status = moru_file_write(path, data, size);
    free(data);
    return status;
}

static moru_status write_h5(moru_model *model, bool whole, const char *path)
{
    void *data = NULL;
    int64_t size = 0;
    MORU_TRY(moru_keras_h5_write(model, whole, path, &data, &size));
    moru_status status = moru_file_write(path, data, size);
    free(data);
    return status;
}

moru_status moru_save(moru_model *model, const char *path)
{
    if (!model || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_save: an argument is NULL");
    if (moru_file_has_suffix(path, ".keras"))
        return moru_keras_archive_write(model, path);
    if (moru_file_has_suffix(path, ".weights.h5"))
        return write_weights(model, path);
    if (moru_file_has_suffix(path, ".h5"))
        return write_h5(model, true, path);
    if (moru_file_has_suffix(path, ".safetensors"))
        return moru_torch_write(model, path, NULL);
    return moru_fail(MORU_ERR_ARGUMENT, "%s: the name of a model's file ends in .keras, .h5, .weights.h5 or .safetensors",
                     path);
}

moru_status moru_save_weights(moru_model *model, const char *path, const char *mapping)
{
    if (!model || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_save_weights: an argument is NULL");
    if (moru_file_has_suffix(path, ".safetensors"))
        return moru_torch_write(model, path, mapping);
    if (mapping)
        return moru_fail(MORU_ERR_ARGUMENT, "%s: only the names in .safetensors files can be mapped", path);
    if (moru_file_has_suffix(path, ".weights.h5"))
        return write_weights(model, path);
    if (moru_file_has_suffix(path, ".h5"))
        return write_h5(model, false, path);
    return moru_fail(MORU_ERR_ARGUMENT, "%s: the name of a file of weights ends in .weights.h5, .h5 or .safetensors", path);
}
