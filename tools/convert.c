/* moru convert: models and weights from one format into another. */
#include <string.h>
#include <strings.h>

#include "tools/output.h"
#include "tools/source.h"

static bool ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

static moru_status read(const settings *s, moru_model **model)
{
    const char *path = s->architecture ? s->architecture : s->model;
    moru_status status = s->uncompiled || s->architecture ? moru_load_uncompiled(model, path) : moru_load(model, path);
    return status == MORU_OK && s->architecture ? source_load_weights(*model, s->model, s) : status;
}

static moru_status write(const settings *s, moru_model *model)
{
    bool torch = ends_in(s->output, ".safetensors");
    if (torch || s->weights_only)
        return moru_save_weights(model, s->output, torch ? s->mapping : NULL);
    return moru_save(model, s->output);
}

static moru_status check(const settings *s)
{
    static const char *const known[] = {".keras", ".h5", ".safetensors"};
    bool whole = ends_in(s->output, ".keras"), ok = false;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        ok |= ends_in(s->output, known[k]);
    if (!ok)
        return moru_op_error(MORU_ERR_ARGUMENT, "OUT: \"%s\" ends in none of .keras, .h5, .weights.h5, .safetensors",
                             s->output);
    if (whole && s->weights_only)
        return moru_op_error(MORU_ERR_ARGUMENT, "--weights-only: a .keras file holds a whole model");
    return output_check_file(s->output);
}

static int run(const settings *s)
{
    moru_model *model = NULL;
    moru_status status = check(s);
    if (status == MORU_OK)
        status = read(s, &model);
    if (status == MORU_OK)
        status = write(s, model);
    moru_model_free(model);
    return status == MORU_OK ? DONE : fail_last();
}

const command command_convert = {
    .name = "convert", .argument = "IN", .second = "OUT", .summary = "a model or weights from one format into another",
    .details =
        "Names decide what is written: .keras, .h5 (the older form of a whole model, or with --weights-only of weights),\n"
        ".weights.h5, .safetensors. What IN is shows inside it: those, or an HDF5 file of a PyTorch state_dict.\n"
        "Weights alone need the model: --model FILE. PyTorch's modules are found by the layers' names, or as the only\n"
        "ones that fit, or as --mapping says: {\"dense\": \"fc1\", \"dense/kernel\": {\"tensor\": \"w\", \"transpose\": [1, 0]}}.\n"
        "Layouts are converted: kernels, gates, packed projections, and features flattened from pictures.",
    .options = (const char *const[]){"model", "by-name", "partial", "skip-mismatch", "mapping", "weights-only",
                                     "uncompiled", NULL},
    .run = run,
};
