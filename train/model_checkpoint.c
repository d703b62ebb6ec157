/* Checkpoints: saves the model after every epoch, or after those that made it better. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/callbacks.h"
#include <moru/formats.h>

typedef struct checkpoint {
    moru_monitor monitor;
    bool best_only;
    moru_status status;      /* of the options, reported when the training begins */
    moru_status (*save)(moru_model *model, const char *path);
    char path[];
} checkpoint;

/* The best stands across calls of fit, as in Keras: an interrupted run goes on against its own best file. */
static moru_status on_train_begin(void *self, moru_model *model)
{
    checkpoint *c = self;
    if (c->status != MORU_OK)
        return moru_fail(c->status, "checkpoint: its options are wrong: it needs a path, and mode must be auto, min "
                                    "or max");
    moru_monitor_begin(&c->monitor, model);
    return MORU_OK;
}

static moru_status on_epoch_end(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    checkpoint *c = self;
    (void)stop;
    if (c->best_only) {
        double value = 0;
        MORU_TRY(moru_monitor_value(&c->monitor, logs, "checkpoint", &value));
        if (!moru_monitor_improves(&c->monitor, value))
            return MORU_OK;
    }
    return c->save(model, c->path);
}

moru_callback *moru_model_checkpoint_with(const moru_model_checkpoint_options *options,
                                          moru_status (*save)(moru_model *model, const char *path))
{
    const char *path = options && options->path ? options->path : "";
    checkpoint *c = calloc(1, sizeof *c + strlen(path) + 1);
    moru_callback *callback = calloc(1, sizeof *callback);
    if (!c || !callback) {
        free(c);
        free(callback);
        moru_fail(MORU_ERR_MEMORY, "no memory for a checkpoint");
        return NULL;
    }
    strcpy(c->path, path);
    c->save = save;
    c->best_only = options && options->save_best_only;
    c->status = path[0] ? MORU_OK : MORU_ERR_ARGUMENT;
    if (path[0] && c->best_only)
        c->status = moru_monitor_init(&c->monitor, options->monitor, options->mode, 0, "checkpoint");
    *callback = (moru_callback){.self = c, .on_train_begin = on_train_begin, .on_epoch_end = on_epoch_end,
                                .free = free};
    return callback;
}

moru_callback *moru_model_checkpoint_new(const moru_model_checkpoint_options *options)
{
    return moru_model_checkpoint_with(options, moru_save);
}
