/* Writing models and weights: the name decides the format. */
#include <moru/formats.h>

#include <stdlib.h>
#include <string.h>
#include "formats/file.h"
#include "formats/keras.h"

moru_status moru_save(moru_model *model, const char *path)
{
    if (!model || !path)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_save: an argument is NULL");
    if (moru_file_has_suffix(path, ".keras"))
        return moru_keras_archive_write(model, path);
    if (!moru_file_has_suffix(path, ".weights.h5"))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: the name of a model's file ends in .keras or .weights.h5", path);
    void *data = NULL;
    int64_t size = 0;
    MORU_TRY(moru_keras_weights_write(model, path, &data, &size));
    moru_status status = moru_file_write(path, data, size);
    free(data);
    return status;
}
