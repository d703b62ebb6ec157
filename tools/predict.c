/* moru predict: outputs of a model for inputs from a file. */
#include "tools/inputs.h"
#include "tools/output.h"
#include "tools/source.h"

static moru_status write(const moru_model *model, moru_tensor *const *outputs, const char *path)
{
    moru_h5_item items[MORU_MAX_OUTPUTS];
    char names[MORU_MAX_OUTPUTS][16];
    int n = moru_model_output_count(model);
    for (int k = 0; k < n; k++) {
        snprintf(names[k], sizeof names[k], n == 1 ? "y" : "y%d", k);
        items[k] = (moru_h5_item){names[k], outputs[k]};
    }
    return moru_h5_write(path, items, n);
}

static moru_status predict(source *src, const settings *s, moru_tensor **inputs, moru_tensor **outputs)
{
    moru_status status = output_check_file(s->output);
    if (status == MORU_OK)
        status = source_open(src, s, SOURCE_MODEL);
    if (status == MORU_OK && moru_model_output_count(src->model) > MORU_MAX_OUTPUTS)
        status = moru_op_error(MORU_ERR_UNSUPPORTED, "%s: it has more than %d outputs", s->model, MORU_MAX_OUTPUTS);
    if (status == MORU_OK)
        status = inputs_read(src->model, s->input, inputs);
    if (status != MORU_OK)
        return status;
    status = moru_predict(src->model, inputs, outputs, s->batch > 0 ? s->batch : 32, 0);
    return status == MORU_OK ? write(src->model, outputs, s->output) : inputs_refused(status, s->input);
}

static int run(const settings *s)
{
    source src = {0};
    moru_tensor *inputs[MORU_MAX_OUTPUTS] = {NULL}, *outputs[MORU_MAX_OUTPUTS] = {NULL};
    int result = predict(&src, s, inputs, outputs) == MORU_OK ? DONE : fail_last();
    tensors_free(inputs);
    tensors_free(outputs);
    source_close(&src);
    return result;
}

const command command_predict = {
    .name = "predict", .argument = "MODEL", .summary = "outputs of a model for inputs from a file",
    .details = "Reads x (or x0, x1, ..., or the inputs' own names) and writes y (or y0, y1, ...), float32.",
    .options = (const char *const[]){"input", "output", "weights", "by-name", "partial", "skip-mismatch", "mapping", "batch", "threads", "no-winograd", NULL},
    .needed = (const char *const[]){"input", "output", NULL}, .run = run,
};
