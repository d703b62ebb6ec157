/* Where a command's model and data come from. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/source.h"

/* The part of a SPEC that is a file's or directory's name begins the sentences about it. */
static bool is_about_file(const char *sentence, const char *spec)
{
    const char *colon = strchr(spec, ':');
    size_t length = colon ? strcspn(colon + 1, "?") : 0;
    return length > 0 && strncmp(sentence, colon + 1, length) == 0;
}

moru_status source_open_data(moru_dataset **data, const char *spec, const char *argument)
{
    moru_status status = moru_dataset_open(data, spec);
    if ((status == MORU_ERR_ARGUMENT || status == MORU_ERR_UNSUPPORTED) && !is_about_file(moru_last_error(), spec))
        return in_argument(status, argument);
    return status;
}

static void stem(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(out, '.');
    if (dot && dot != out)
        *dot = '\0';
}

/* A zoo model's shapes come from its data; where nothing is computed on it, the smaller part does. */
static moru_status open_zoo(source *src, const settings *s, unsigned wants)
{
    moru_dataset_info info;
    const zoo_model *zoo = src->zoo;
    const char *usual = wants & SOURCE_DATA || !zoo->validation ? zoo->data : zoo->validation;
    snprintf(src->name, sizeof src->name, "%s", zoo->name);
    moru_status status = source_open_data(&src->data, s->data ? s->data : usual, "--data");
    if (status != MORU_OK)
        return status;
    moru_dataset_describe(src->data, &info);
    src->model = zoo->build(&info);
    return src->model ? moru_model_initialize(src->model, (uint64_t)s->seed) : MORU_ERR_SHAPE;
}

static moru_status open_file(source *src, const settings *s, unsigned wants)
{
    stem(s->model, src->name, sizeof src->name);
    moru_status status = wants & SOURCE_COMPILED ? moru_load(&src->model, s->model)
                                                 : moru_load_uncompiled(&src->model, s->model);
    if (status == MORU_OK && s->data)
        return source_open_data(&src->data, s->data, "--data");
    if (status == MORU_OK && wants & SOURCE_DATA)
        return moru_op_error(MORU_ERR_ARGUMENT, "--data: a model from a file needs it");
    return status;
}

static moru_status unknown(const char *name)
{
    char names[512] = "";
    for (int k = 0; zoo_at(k); k++) {
        strncat(names, k ? ", " : "", sizeof names - strlen(names) - 1);
        strncat(names, zoo_at(k)->name, sizeof names - strlen(names) - 1);
    }
    return moru_op_error(MORU_ERR_ARGUMENT, "MODEL: \"%s\" is neither a file nor one of the zoo: %s", name, names);
}

moru_status source_load_weights(moru_model *model, const char *path, const settings *s)
{
    char *skipped = NULL;
    const moru_weights_options options = {.by_name = s->by_name, .partial = s->partial,
        .skip_mismatch = s->skip_mismatch, .mapping = s->mapping, .skipped = &skipped};
    moru_status status = moru_load_weights_with(model, path, &options);
    if (status == MORU_OK && skipped && !s->quiet)
        fprintf(stderr, "%s: left alone: %s\n", path, skipped);
    free(skipped);
    return status;
}

moru_status source_open(source *src, const settings *s, unsigned wants)
{
    *src = (source){.zoo = zoo_find(s->model)};
    const bool file = strpbrk(s->model, "/.") || access(s->model, F_OK) == 0;
    moru_status status = src->zoo ? open_zoo(src, s, wants) : file ? open_file(src, s, wants) : unknown(s->model);
    if (status == MORU_OK && moru_model_status(src->model) != MORU_OK)
        status = moru_op_error(moru_model_status(src->model), "%s", moru_model_error(src->model));
    if (status == MORU_OK && s->no_winograd)
        moru_model_leave_out(src->model, MORU_PASS_WINOGRAD);
    if (status == MORU_OK && s->weights)
        status = source_load_weights(src->model, s->weights, s);
    return status;
}

void source_close(source *src)
{
    moru_model_free(src->model);
    moru_dataset_free(src->data);
    moru_dataset_free(src->validation);
    *src = (source){0};
}

/* ---- compiling ---- */

/* A zoo model's schedule, with the run's steps in the place of STEPS. */
static moru_status set_zoo_schedule(moru_optimizer *optimizer, const char *schedule, int64_t steps)
{
    char text[256];
    const char *place = strstr(schedule, "STEPS");
    if (!place)
        return moru_optimizer_set_schedule(optimizer, schedule);
    snprintf(text, sizeof text, "%.*s%" PRId64 "%s", (int)(place - schedule), schedule, steps > 0 ? steps : 1,
             place + strlen("STEPS"));
    return moru_optimizer_set_schedule(optimizer, text);
}

static moru_status set_rate(moru_optimizer *optimizer, const source *src, const settings *s, int64_t steps)
{
    if (s->schedule) {
        moru_status status = moru_optimizer_set_schedule(optimizer, s->schedule);
        return status == MORU_OK ? status : in_argument(status, "--schedule");
    }
    if (!isnan(s->lr))
        moru_optimizer_set_learning_rate(optimizer, s->lr);
    else if (src->zoo && src->zoo->schedule && !s->optimizer)
        return set_zoo_schedule(optimizer, src->zoo->schedule, steps);
    return MORU_OK;
}

moru_status source_set_rate(source *src, const settings *s, int64_t steps)
{
    return set_rate(moru_model_optimizer(src->model), src, s, steps);
}

/* What compiling says of a loss or metric from the command line belongs to its option. */
static moru_status compile(source *src, const settings *s, const moru_compile_options *o)
{
    moru_status status = moru_compile_with(src->model, o);
    if (status != MORU_OK && s->loss && strncmp(moru_last_error(), "loss", 4) == 0)
        return in_argument(status, "--loss");
    if (status != MORU_OK && s->n_metrics && strncmp(moru_last_error(), "metrics", 7) == 0)
        return in_argument(status, "--metric");
    return status;
}

moru_status source_compile(source *src, const settings *s, int64_t steps)
{
    const bool compiled = moru_model_optimizer(src->model) != NULL;
    if (compiled && !s->optimizer && !s->loss && !s->n_metrics)
        return source_set_rate(src, s, steps);
    const char *loss = s->loss ? s->loss : src->zoo ? src->zoo->loss : NULL;
    if (!loss)
        return moru_op_error(MORU_ERR_ARGUMENT, "--loss: %s", compiled
                             ? "with another optimizer or metric the model is compiled anew, which needs the loss, too"
                             : "the file's model isn't compiled, so it is needed");
    moru_compile_options o = {.loss = loss};
    if (s->n_metrics)
        memcpy(o.metrics, s->metrics, sizeof o.metrics);
    else if (src->zoo && !s->loss)
        memcpy(o.metrics, src->zoo->metrics, sizeof src->zoo->metrics);
    moru_status status = moru_optimizer_from(&o.optimizer, s->optimizer ? s->optimizer : src->zoo ? src->zoo->optimizer
                                                                                                  : "rmsprop");
    if (status != MORU_OK)
        return s->optimizer ? in_argument(status, "--optimizer") : status;
    status = set_rate(o.optimizer, src, s, steps);
    if (status != MORU_OK) {
        moru_optimizer_free(o.optimizer);
        return status;
    }
    return compile(src, s, &o);
}
