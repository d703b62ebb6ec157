/* moru train: trains a model of the zoo or from a file. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/checkpoint.h"
#include "tools/history_file.h"
#include "tools/output.h"
#include "tools/pictures.h"
#include "tools/progress.h"

typedef struct training {
    const settings *s;
    source src;
    bool pictures;              /* the data are images of classes */
    int epochs, initial_epoch;
    int64_t batch, steps_per_epoch;
    double split;               /* share held back for validation; 0: none */
    moru_history *history;
    moru_callback keep;         /* writes what is kept after each epoch */
    progress bar;
    checkpoint point;
} training;

/* ---- before ---- */

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* Looked at before anything is computed: where the results go. */
static moru_status check_outputs(const settings *s)
{
    moru_status status = MORU_OK;
    if (s->resume && !s->checkpoint)
        return moru_op_error(MORU_ERR_ARGUMENT, "--resume: it needs --checkpoint DIR");
    if (s->save && !ends_in(s->save, ".keras") && !ends_in(s->save, ".weights.h5"))
        return moru_op_error(MORU_ERR_ARGUMENT, "--save: \"%s\" doesn't end in .keras or .weights.h5", s->save);
    if (s->save)
        status = output_check_file(s->save);
    if (status == MORU_OK && s->checkpoint)
        status = output_check_directory(s->checkpoint);
    if (status == MORU_OK && s->log)
        status = output_check_directory(s->log);
    return status;
}

/* MODEL.history.png and the like, in the directory of --log or here. */
static moru_status picture_path(const training *t, const char *what, char path[PATH_MAX])
{
    const char *log = t->s->log ? t->s->log : "";
    if (snprintf(path, PATH_MAX, "%s%s%s.%s.png", log, *log ? "/" : "", t->src.name, what) >= PATH_MAX)
        return moru_op_error(MORU_ERR_IO, "%s: its name is too long", log);
    return MORU_OK;
}

/* --validation, or the zoo's own, or the test part that belongs to the training data. */
static moru_status open_validation(training *t)
{
    const settings *s = t->s;
    char spec[PATH_MAX], *end;
    if (s->validation) {
        double share = strtod(s->validation, &end);
        if (*end)
            return source_open_data(&t->src.validation, s->validation, "--validation");
        t->split = share;
        return share > 0 && share < 1 ? MORU_OK
               : moru_op_error(MORU_ERR_ARGUMENT, "--validation: the share %s isn't between 0 and 1", s->validation);
    }
    if (!s->data && t->src.zoo && t->src.zoo->validation)
        return source_open_data(&t->src.validation, t->src.zoo->validation, "--validation");
    if (!s->data || (strncmp(s->data, "fashion-mnist", 13) != 0 && strncmp(s->data, "mnist:", 6) != 0)
        || ends_in(s->data, ":test"))
        return MORU_OK;
    size_t length = strlen(s->data) - (ends_in(s->data, ":train") ? strlen(":train") : 0);
    snprintf(spec, sizeof spec, "%.*s:test", (int)length, s->data);
    return source_open_data(&t->src.validation, spec, "--data");
}

static void plan(training *t)
{
    const settings *s = t->s;
    const zoo_model *zoo = t->src.zoo;
    moru_dataset_info info;
    moru_dataset_describe(t->src.data, &info);
    t->pictures = info.images && info.n_inputs == 1 && info.n_targets == 1 && info.n_classes > 0;
    t->epochs = s->epochs >= 0 ? (int)s->epochs : zoo ? zoo->epochs : 1;
    t->batch = s->batch > 0 ? s->batch : zoo ? zoo->batch_size : 32;
    int64_t samples = t->split > 0 ? (int64_t)((double)info.size * (1 - t->split)) : info.size;
    t->steps_per_epoch = (samples + t->batch - 1) / t->batch;
    if (s->steps > 0 && s->steps < t->steps_per_epoch)
        t->steps_per_epoch = s->steps;
    if (t->steps_per_epoch < 1)
        t->steps_per_epoch = 1;
}

/* A zoo model's schedule runs over its own number of epochs, or more if asked for: so a run can be cut short, and its
 * checkpoint be carried on, without a bit of difference. */
static int64_t schedule_steps(const training *t)
{
    int own = t->src.zoo ? t->src.zoo->epochs : 0;
    return (t->epochs > own ? t->epochs : own) * t->steps_per_epoch;
}

static moru_status prepare(training *t)
{
    const settings *s = t->s;
    char path[PATH_MAX];
    const bool bare = s->loss && s->optimizer; /* then what a file was compiled with doesn't matter */
    moru_status status = check_outputs(s);
    if (status == MORU_OK)
        status = source_open(&t->src, s, SOURCE_DATA | (bare ? 0 : SOURCE_COMPILED));
    if (status == MORU_OK)
        status = open_validation(t);
    if (status != MORU_OK)
        return status;
    plan(t);
    if (t->pictures && !s->log && (status = picture_path(t, "history", path)) == MORU_OK)
        status = output_check_file(path);
    if (status == MORU_OK)
        status = source_compile(&t->src, s, schedule_steps(t));
    if (status == MORU_OK && s->checkpoint)
        status = checkpoint_open(&t->point, &t->src, s, t->batch, t->steps_per_epoch, &t->initial_epoch);
    if (status == MORU_OK && t->initial_epoch > 0) /* of another number of epochs, perhaps */
        status = source_set_rate(&t->src, s, schedule_steps(t));
    if (status == MORU_OK && !(t->history = moru_history_new()))
        status = MORU_ERR_MEMORY;
    if (status == MORU_OK && t->initial_epoch > 0 && s->log)
        status = history_read(t->history, s->log, t->initial_epoch);
    return status;
}

/* ---- training ---- */

/* After each epoch: what an interrupted run leaves. Bad data is found within the first one and leaves nothing. */
static moru_status keep_epoch(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    const training *t = self;
    moru_status status = t->s->log ? output_make_directory(t->s->log) : MORU_OK;
    (void)logs;
    (void)stop;
    if (status == MORU_OK && t->s->log)
        status = history_write(t->history, t->s->log);
    if (status == MORU_OK && t->s->checkpoint)
        status = checkpoint_write(&t->point, model);
    return status;
}

static moru_status fit(training *t)
{
    const settings *s = t->s;
    moru_fit_options o = {.epochs = t->epochs, .initial_epoch = t->initial_epoch, .batch_size = t->batch,
                          .steps_per_epoch = s->steps > 0 ? t->steps_per_epoch : 0, .validation = t->src.validation,
                          .validation_split = t->split, .seed = (uint64_t)s->seed, .history = t->history};
    int n = 0;
    if (t->epochs <= t->initial_epoch)
        return MORU_OK;
    if (!s->quiet)
        o.callbacks[n++] = progress_start(&t->bar);
    t->keep = (moru_callback){.self = t, .on_epoch_end = keep_epoch};
    o.callbacks[n++] = &t->keep;
    moru_status status = moru_fit_with(t->src.model, t->src.data, &o);
    if (status != MORU_OK && !s->quiet)
        progress_clear(&t->bar);
    return status;
}

/* ---- after ---- */

/* Loss and metrics at the end: over the validation data, or else the training data. */
static moru_status report(training *t)
{
    moru_logs logs;
    moru_dataset_info info;
    moru_dataset *tail = NULL;
    const moru_dataset *data = t->src.validation ? t->src.validation : t->src.data;
    moru_status status = MORU_OK;
    if (t->split > 0) {
        moru_dataset_describe(data, &info);
        status = moru_dataset_slice(&tail, data, (int64_t)((double)info.size * (1 - t->split)), info.size);
        data = tail;
    }
    if (status == MORU_OK)
        status = moru_evaluate(t->src.model, data, &logs, .batch_size = t->batch);
    for (int i = 0; status == MORU_OK && i < logs.n; i++)
        printf("%s %.6g\n", logs.names[i], logs.values[i]);
    moru_dataset_free(tail);
    return status;
}

static void say_wrote(const training *t, const char *path)
{
    if (!t->s->quiet)
        fprintf(stderr, "wrote %s\n", path);
}

static moru_status write_pictures(training *t)
{
    char path[PATH_MAX];
    moru_status status = t->s->log ? output_make_directory(t->s->log) : MORU_OK;
    if (status == MORU_OK && moru_history_count(t->history) > 0) {
        status = picture_path(t, "history", path);
        if (status == MORU_OK)
            status = moru_plot_history(t->history, t->src.name, path);
        if (status == MORU_OK)
            say_wrote(t, path);
    }
    if (status != MORU_OK || !t->pictures)
        return status;
    const moru_dataset *data = t->src.validation ? t->src.validation : t->src.data;
    status = picture_path(t, "predictions", path);
    if (status == MORU_OK)
        status = picture_predictions(t->src.model, data, t->src.name, path);
    if (status == MORU_OK)
        say_wrote(t, path);
    return status;
}

static moru_status write_results(training *t)
{
    moru_status status = MORU_OK;
    if (t->s->save && (status = moru_save(t->src.model, t->s->save)) == MORU_OK)
        say_wrote(t, t->s->save);
    return status == MORU_OK && (t->pictures || t->s->log) ? write_pictures(t) : status;
}

static moru_status train(training *t)
{
    moru_status status = prepare(t);
    if (status == MORU_OK)
        status = fit(t);
    if (status == MORU_OK)
        status = report(t);
    if (status == MORU_OK && t->src.zoo && t->src.zoo->lesson)
        status = t->src.zoo->lesson(&(zoo_run){t->src.model, t->src.data, t->epochs, (uint64_t)t->s->seed, stdout});
    return status == MORU_OK ? write_results(t) : status;
}

static int run(const settings *s)
{
    training t = {.s = s};
    int result = train(&t) == MORU_OK ? DONE : fail_last();
    moru_history_free(t.history);
    checkpoint_close(&t.point);
    source_close(&t.src);
    return result;
}

const command command_train = {
    .name = "train", .argument = "MODEL", .summary = "train a model of the zoo, or a .keras file, on data",
    .details = "A model of the zoo has a default for each option (moru list); a compiled .keras file brings its own\n"
               "optimizer and loss. Loss and metrics go to standard output. On pictures it ends with\n"
               "MODEL.predictions.png and MODEL.history.png, in the directory of --log or here.",
    .options = (const char *const[]){"data", "validation", "epochs", "steps", "batch", "optimizer", "lr", "schedule",
                                     "loss", "metric", "weights", "by-name", "partial", "skip-mismatch", "mapping", "save", "checkpoint", "resume", "log", "seed",
                                     "threads", "no-winograd", "quiet", NULL},
    .run = run,
};
