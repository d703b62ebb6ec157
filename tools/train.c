/* moru train: trains a model of the zoo or from a file. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/checkpoint.h"
#include "tools/history_file.h"
#include "tools/pictures.h"
#include "tools/progress.h"

typedef struct training {
    const settings *s;
    source src;
    int epochs, initial_epoch;
    int64_t batch, steps_per_epoch;
    double split;               /* share held back for validation; 0: none */
    moru_history *history;
    progress bar;
    checkpoint point;
} training;

static int64_t size_of(const moru_dataset *data)
{
    moru_dataset_info info;
    moru_dataset_describe(data, &info);
    return info.size;
}

/* --validation, or the zoo's own, or the test part that belongs to the training data. */
static moru_status open_validation(training *t)
{
    const settings *s = t->s;
    char spec[4096] = "", *end;
    if (s->validation) {
        double share = strtod(s->validation, &end);
        if (end != s->validation && *end == '\0') {
            if (!(share > 0 && share < 1))
                return moru_op_error(MORU_ERR_ARGUMENT, "--validation: the share %s isn't between 0 and 1", s->validation);
            t->split = share;
            return MORU_OK;
        }
        return moru_dataset_open(&t->src.validation, s->validation);
    }
    if (!s->data && t->src.zoo && t->src.zoo->validation)
        return moru_dataset_open(&t->src.validation, t->src.zoo->validation);
    if (s->data && strcmp(s->data, "fashion-mnist:train") == 0)
        strcpy(spec, "fashion-mnist:test");
    else if (s->data && (strcmp(s->data, "fashion-mnist") == 0 || strncmp(s->data, "mnist:", 6) == 0)) {
        size_t length = strlen(s->data);
        if (length > 5 && strcmp(s->data + length - 5, ":test") == 0)
            return MORU_OK;
        if (length > 6 && strcmp(s->data + length - 6, ":train") == 0)
            length -= 6;
        snprintf(spec, sizeof spec, "%.*s:test", (int)(length < 4000 ? length : 4000), s->data);
    }
    return *spec ? moru_dataset_open(&t->src.validation, spec) : MORU_OK;
}

static void plan_run(training *t)
{
    const settings *s = t->s;
    const zoo_model *zoo = t->src.zoo;
    t->epochs = s->epochs >= 0 ? (int)s->epochs : zoo ? zoo->epochs : 1;
    t->batch = s->batch > 0 ? s->batch : zoo ? zoo->batch_size : 32;
    int64_t samples = size_of(t->src.data);
    if (t->split > 0)
        samples = (int64_t)((double)samples * (1 - t->split));
    t->steps_per_epoch = (samples + t->batch - 1) / t->batch;
    if (s->steps > 0 && s->steps < t->steps_per_epoch)
        t->steps_per_epoch = s->steps;
}

static moru_status check_save(const char *path)
{
    size_t n = strlen(path);
    if ((n > 6 && strcmp(path + n - 6, ".keras") == 0) || (n > 11 && strcmp(path + n - 11, ".weights.h5") == 0))
        return MORU_OK;
    return moru_op_error(MORU_ERR_ARGUMENT, "%s: --save writes a .keras or a .weights.h5 file", path);
}

static moru_status prepare(training *t)
{
    const settings *s = t->s;
    moru_status status = s->save ? check_save(s->save) : MORU_OK;
    if (status == MORU_OK && s->resume && !s->checkpoint)
        status = moru_op_error(MORU_ERR_ARGUMENT, "--resume: it needs --checkpoint DIR");
    if (status == MORU_OK)
        status = source_open(&t->src, s, true);
    if (status == MORU_OK)
        status = open_validation(t);
    if (status != MORU_OK)
        return status;
    plan_run(t);
    status = source_compile(&t->src, s, t->epochs * t->steps_per_epoch);
    if (status == MORU_OK && s->checkpoint)
        status = checkpoint_open(&t->point, &t->src, s, t->batch, t->steps_per_epoch, &t->initial_epoch);
    if (status == MORU_OK && !(t->history = moru_history_new()))
        status = MORU_ERR_MEMORY;
    if (status == MORU_OK && t->initial_epoch > 0 && s->log)
        status = history_read(t->history, s->log, t->initial_epoch);
    return status;
}

static moru_status fit(training *t)
{
    const settings *s = t->s;
    moru_fit_options o = {.epochs = t->epochs, .initial_epoch = t->initial_epoch, .batch_size = t->batch,
                          .steps_per_epoch = s->steps > 0 ? t->steps_per_epoch : 0, .validation = t->src.validation,
                          .validation_split = t->split, .seed = (uint64_t)s->seed, .history = t->history};
    int n = 0;
    if (!s->quiet)
        o.callbacks[n++] = progress_start(&t->bar);
    if (s->checkpoint)
        o.callbacks[n++] = &t->point.callback;
    if (t->epochs <= t->initial_epoch)
        return MORU_OK;
    moru_status status = moru_fit_with(t->src.model, t->src.data, &o);
    if (status != MORU_OK && !s->quiet)
        progress_clear(&t->bar);
    return status;
}

/* Loss and metrics at the end: over the validation data, or else the training data. */
static moru_status report(training *t)
{
    moru_logs logs;
    const moru_dataset *data = t->src.validation ? t->src.validation : t->src.data;
    moru_dataset *tail = NULL;
    moru_status status = MORU_OK;
    if (t->split > 0) {
        int64_t size = size_of(t->src.data);
        status = moru_dataset_slice(&tail, t->src.data, (int64_t)((double)size * (1 - t->split)), size);
        data = tail;
    }
    if (status == MORU_OK)
        status = moru_evaluate(t->src.model, data, &logs, .batch_size = t->batch);
    for (int i = 0; i < logs.n && status == MORU_OK; i++)
        printf("%s %.6g\n", logs.names[i], logs.values[i]);
    moru_dataset_free(tail);
    return status;
}

static void wrote(const training *t, const char *path)
{
    if (!t->s->quiet)
        fprintf(stderr, "wrote %s\n", path);
}

/* The model, the history, the pictures: all that stays of a run. */
static moru_status write_results(training *t)
{
    const settings *s = t->s;
    moru_dataset_info info;
    char path[4300];
    moru_status status = MORU_OK;
    if (s->log && mkdir(s->log, 0777) != 0 && errno != EEXIST)
        return moru_op_error(MORU_ERR_IO, "%s: %s", s->log, strerror(errno));
    if (s->save && (status = moru_save(t->src.model, s->save)) == MORU_OK)
        wrote(t, s->save);
    if (s->log && status == MORU_OK)
        status = history_write(t->history, s->log);
    moru_dataset_describe(t->src.data, &info);
    if (status == MORU_OK && (s->log || info.images) && moru_history_count(t->history) > 0) {
        snprintf(path, sizeof path, "%s%s%s.history.png", s->log ? s->log : "", s->log ? "/" : "", t->src.name);
        if ((status = moru_plot_history(t->history, t->src.name, path)) == MORU_OK)
            wrote(t, path);
    }
    if (status == MORU_OK && info.images && info.n_classes > 0) {
        snprintf(path, sizeof path, "%s%s%s.predictions.png", s->log ? s->log : "", s->log ? "/" : "", t->src.name);
        status = picture_predictions(t->src.model, t->src.validation ? t->src.validation : t->src.data, t->src.name, path);
        if (status == MORU_OK)
            wrote(t, path);
    }
    return status;
}

static moru_status train(training *t)
{
    moru_status status = prepare(t);
    if (status == MORU_OK)
        status = fit(t);
    if (status == MORU_OK)
        status = report(t);
    if (status == MORU_OK && t->src.zoo && t->src.zoo->lesson)
        status = t->src.zoo->lesson(&(zoo_run){t->src.model, t->src.data, t->epochs, (uint64_t)t->s->seed, 0, stdout});
    return status == MORU_OK ? write_results(t) : status;
}

static int run(const settings *s)
{
    training t = {.s = s};
    int result = train(&t) == MORU_OK ? DONE : fail_last();
    moru_history_free(t.history);
    source_close(&t.src);
    return result;
}

const command command_train = {
    .name = "train", .argument = "MODEL", .summary = "train a model of the zoo, or a .keras file, on data",
    .details = "A model of the zoo has a default for each option (moru list); a compiled .keras file brings its own\n"
               "optimizer and loss. Loss and metrics go to standard output. On pictures it ends with MODEL.predictions.png and\n"
               "MODEL.history.png, in the directory given by --log or here.",
    .options = (const char *const[]){"data", "validation", "epochs", "steps", "batch", "optimizer", "lr", "schedule", "loss",
                                     "metric", "save", "checkpoint", "resume", "log", "seed", "threads", "quiet", NULL},
    .run = run,
};
