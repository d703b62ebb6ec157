/* Pictures of samples. */
#include "tools/pictures.h"

enum { COLUMNS = 8, ROWS = 5, MOST = COLUMNS * ROWS };

/* The first samples of a data set of pictures, each with its class. */
typedef struct samples {
    moru_dataset_info info;
    moru_tensor *images;
    int32_t labels[MOST];
    int n;
} samples;

static moru_status read_samples(samples *s, const moru_dataset *data)
{
    int64_t rows[MOST];
    moru_dataset_describe(data, &s->info);
    const moru_dataset_info *info = &s->info;
    if (!info->images || info->n_inputs != 1 || info->n_targets != 1 || info->target_dtypes[0] != MORU_INT32
        || info->target_shapes[0].rank != 0)
        return moru_op_error(MORU_ERR_UNSUPPORTED, "%s: it holds no pictures with one class each", info->name);
    const int64_t *size = info->input_shapes[0].dims;
    s->n = info->size < MOST ? (int)info->size : MOST;
    s->images = moru_tensor_new(MORU_REAL, MORU_SHAPE(s->n, size[0], size[1], size[2]));
    if (!s->images)
        return MORU_ERR_MEMORY;
    for (int i = 0; i < s->n; i++)
        rows[i] = i;
    return moru_dataset_read(data, rows, s->n, (void *[]){moru_tensor_data(s->images)}, (void *[]){s->labels});
}

static const char *class_name(const samples *s, int32_t label, char *text, size_t size)
{
    if (s->info.class_names && label >= 0 && label < s->info.n_classes)
        return s->info.class_names[label];
    snprintf(text, size, "%d", (int)label);
    return text;
}

static int32_t best_class(const moru_tensor *scores, int row, int rows)
{
    int64_t classes = moru_tensor_size(scores) / rows;
    const moru_real *score = (const moru_real *)moru_tensor_const_data(scores) + row * classes;
    int32_t best = 0;
    for (int32_t c = 1; c < classes; c++)
        if (score[c] > score[best])
            best = c;
    return best;
}

/* With scores the captions tell mistakes: "Shirt, is Coat". */
static moru_status plot(const samples *s, const moru_tensor *scores, const char *title, const char *path)
{
    char captions[MOST][96];
    const char *lines[MOST];
    bool wrong[MOST] = {false};
    for (int i = 0; i < s->n; i++) {
        char a[16], b[16];
        const char *truth = class_name(s, s->labels[i], a, sizeof a);
        int32_t best = scores ? best_class(scores, i, s->n) : s->labels[i];
        wrong[i] = best != s->labels[i];
        snprintf(captions[i], sizeof captions[i], "%s%s%s", wrong[i] ? class_name(s, best, b, sizeof b) : "",
                 wrong[i] ? ", is " : "", truth);
        lines[i] = captions[i];
    }
    return moru_plot_images(s->images, lines, scores ? wrong : NULL, COLUMNS, title, path);
}

static moru_status draw(const moru_dataset *data, moru_model *model, const char *title, const char *path)
{
    samples s = {.images = NULL};
    moru_tensor *scores = NULL;
    moru_status status = read_samples(&s, data);
    if (status == MORU_OK && model)
        status = moru_predict(model, &s.images, &scores, MOST, 0);
    if (status == MORU_OK)
        status = plot(&s, scores, title, path);
    moru_tensor_free(s.images);
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
