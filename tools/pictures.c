/* Pictures of samples. */
#include <stdlib.h>
#include <string.h>

#include "tools/pictures.h"

enum { COLUMNS = 8, ROWS = 5, MOST = COLUMNS * ROWS };

/* The first pictures of a data set, with their labels. */
static moru_status first_samples(const moru_dataset *data, const moru_dataset_info *info, moru_tensor **images, int32_t *labels,
                                 int *n)
{
    int64_t rows[MOST];
    *n = info->size < MOST ? (int)info->size : MOST;
    moru_shape shape = {4, {*n, info->input_shapes[0].dims[0], info->input_shapes[0].dims[1], info->input_shapes[0].dims[2]}};
    *images = moru_tensor_new(MORU_REAL, shape);
    if (!*images)
        return MORU_ERR_MEMORY;
    for (int i = 0; i < *n; i++)
        rows[i] = i;
    return moru_dataset_read(data, rows, *n, (void *[]){moru_tensor_data(*images)}, (void *[]){labels});
}

static const char *class_name(const moru_dataset_info *info, int32_t label, char *text, size_t size)
{
    if (info->class_names && label >= 0 && label < info->n_classes)
        return info->class_names[label];
    snprintf(text, size, "%d", (int)label);
    return text;
}

static moru_status wants_pictures(const moru_dataset_info *info)
{
    if (info->images && info->n_inputs == 1 && info->n_targets == 1 && info->target_dtypes[0] == MORU_INT32
        && info->target_shapes[0].rank == 0)
        return MORU_OK;
    return moru_op_error(MORU_ERR_UNSUPPORTED, "%s: it holds no pictures with one class each", info->name);
}

static moru_status draw(const moru_dataset *data, moru_model *model, const char *title, const char *path)
{
    moru_dataset_info info;
    moru_tensor *images = NULL, *scores = NULL;
    int32_t labels[MOST];
    char captions[MOST][96];
    const char *lines[MOST];
    bool wrong[MOST] = {false};
    int n = 0;
    moru_dataset_describe(data, &info);
    moru_status status = wants_pictures(&info);
    if (status == MORU_OK)
        status = first_samples(data, &info, &images, labels, &n);
    if (status == MORU_OK && model)
        status = moru_predict(model, &images, &scores, MOST, 0);
    for (int i = 0; i < n && status == MORU_OK; i++) {
        char a[16], b[16];
        const char *truth = class_name(&info, labels[i], a, sizeof a);
        snprintf(captions[i], sizeof captions[i], "%s", truth);
        if (scores) {
            int64_t classes = moru_tensor_size(scores) / n;
            const moru_real *row = (const moru_real *)moru_tensor_const_data(scores) + i * classes;
            int32_t best = 0;
            for (int32_t c = 1; c < classes; c++)
                if (row[c] > row[best])
                    best = c;
            wrong[i] = best != labels[i];
            if (wrong[i])
                snprintf(captions[i], sizeof captions[i], "%s, is %s", class_name(&info, best, b, sizeof b), truth);
        }
        lines[i] = captions[i];
    }
    if (status == MORU_OK)
        status = moru_plot_images(images, lines, model ? wrong : NULL, COLUMNS, title, path);
    moru_tensor_free(images);
    moru_tensor_free(scores);
    return status;
}

moru_status picture_predictions(moru_model *model, const moru_dataset *data, const char *title, const char *path)
{
    return draw(data, model, title, path);
}

moru_status picture_samples(const moru_dataset *data, const char *path)
{
    moru_dataset_info info;
    moru_dataset_describe(data, &info);
    return draw(data, NULL, info.name, path);
}
