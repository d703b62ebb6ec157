/* Checkpoints. The model's file holds weights, optimizer state and the count of steps; with the seed and the batch size they
 * decide everything that follows: data order and dropout are functions of seed and step. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/checkpoint.h"

static moru_status on_epoch_end(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    (void)logs;
    (void)stop;
    return moru_save(model, ((const checkpoint *)self)->path);
}

static moru_status write_run(const char *path, const settings *s, int64_t batch)
{
    char beside[4200];
    snprintf(beside, sizeof beside, "%s.new", path);
    json_t *json = json_pack("{s:I, s:I}", "seed", (json_int_t)s->seed, "batch", (json_int_t)batch);
    bool done = json && json_dump_file(json, beside, JSON_INDENT(2)) == 0 && rename(beside, path) == 0;
    json_decref(json);
    return done ? MORU_OK : moru_op_error(MORU_ERR_IO, "%s: %s", path, strerror(errno));
}

static moru_status check_run(const char *path, const settings *s, int64_t batch)
{
    json_error_t error;
    json_int_t seed = -1, size = -1;
    json_t *json = json_load_file(path, 0, &error);
    int bad = !json || json_unpack(json, "{s:I, s:I}", "seed", &seed, "batch", &size) != 0;
    json_decref(json);
    if (bad)
        return moru_op_error(MORU_ERR_FORMAT, "%s: not a run's settings%s%s", path, json ? "" : ": ", json ? "" : error.text);
    if (seed != s->seed || size != batch)
        return moru_op_error(MORU_ERR_ARGUMENT, "%s: the run has seed %" JSON_INTEGER_FORMAT " and batch %" JSON_INTEGER_FORMAT
                             ", now they are %" PRId64 " and %" PRId64, path, seed, size, s->seed, batch);
    return MORU_OK;
}

static moru_status take_up(checkpoint *c, source *src, int64_t steps_per_epoch, int *initial_epoch)
{
    moru_model *model;
    moru_status status = moru_load(&model, c->path);
    if (status != MORU_OK)
        return status;
    if (!moru_model_optimizer(model)) {
        moru_model_free(model);
        return moru_op_error(MORU_ERR_FORMAT, "%s: it holds no state of an optimizer", c->path);
    }
    int64_t done = moru_model_iterations(model);
    if (steps_per_epoch < 1 || done % steps_per_epoch != 0) {
        moru_model_free(model);
        return moru_op_error(MORU_ERR_ARGUMENT, "%s: %" PRId64 " steps are done, which is no whole number of epochs of %" PRId64
                             ": the data or --steps differ", c->path, done, steps_per_epoch);
    }
    moru_model_free(src->model);
    src->model = model;
    *initial_epoch = (int)(done / steps_per_epoch);
    return MORU_OK;
}

moru_status checkpoint_open(checkpoint *c, source *src, const settings *s, int64_t batch, int64_t steps_per_epoch,
                            int *initial_epoch)
{
    char run[4096];
    *c = (checkpoint){0};
    if (strlen(s->checkpoint) > sizeof run - 64)
        return moru_op_error(MORU_ERR_ARGUMENT, "--checkpoint: the directory's name is too long");
    if (mkdir(s->checkpoint, 0777) != 0 && errno != EEXIST)
        return moru_op_error(MORU_ERR_IO, "%s: %s", s->checkpoint, strerror(errno));
    snprintf(c->path, sizeof c->path, "%s/checkpoint.keras", s->checkpoint);
    snprintf(run, sizeof run, "%s/run.json", s->checkpoint);
    c->callback = (moru_callback){.self = c, .on_epoch_end = on_epoch_end};
    bool there = access(c->path, F_OK) == 0;
    if (there && !s->resume)
        return moru_op_error(MORU_ERR_ARGUMENT, "%s: there is a checkpoint already: --resume goes on from it", c->path);
    if (!there)
        return write_run(run, s, batch);
    moru_status status = check_run(run, s, batch);
    return status == MORU_OK ? take_up(c, src, steps_per_epoch, initial_epoch) : status;
}
