/* Early stopping: ends the training when a value hasn't become better for some epochs. */
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "layers/model.h"
#include "train/callbacks.h"

typedef struct early_stopping {
    moru_early_stopping_options options;
    moru_monitor monitor, start;      /* start: as before the first epoch */
    moru_status status;               /* of the options, reported when the training begins */
    int wait;
    moru_tensor **best;               /* copies of all weights, layer by layer */
    int n_best;
    bool kept;
} early_stopping;

static int count_weights(const moru_model *model)
{
    int n = 0;
    for (int i = 0; i < model->n_layers; i++)
        n += model->layers[i]->n_weights;
    return n;
}

/* Copies weights to best, or best to weights. */
static void copy_weights(const moru_model *model, moru_tensor **best, bool restore)
{
    int n = 0;
    for (int i = 0; i < model->n_layers; i++)
        for (int k = 0; k < model->layers[i]->n_weights; k++, n++) {
            moru_tensor *weight = model->layers[i]->weights[k].tensor;
            size_t bytes = (size_t)weight->size * moru_dtype_size(weight->dtype);
            if (bytes > 0)
                memcpy(restore ? weight->data : best[n]->data, restore ? best[n]->data : weight->data, bytes);
        }
}

static void free_best(early_stopping *e)
{
    for (int k = 0; k < e->n_best; k++)
        moru_tensor_free(e->best[k]);
    free(e->best);
    e->best = NULL;
    e->n_best = 0;
    e->kept = false;
}

static moru_status make_best(early_stopping *e, const moru_model *model)
{
    free_best(e);
    e->best = calloc((size_t)count_weights(model) + 1, sizeof *e->best);
    if (!e->best)
        return moru_fail(MORU_ERR_MEMORY, "early stopping: no memory for the best weights");
    for (int i = 0; i < model->n_layers; i++)
        for (int k = 0; k < model->layers[i]->n_weights; k++) {
            const moru_tensor *weight = model->layers[i]->weights[k].tensor;
            moru_tensor *copy = moru_tensor_new(weight->dtype, weight->shape);
            if (!copy)
                return MORU_ERR_MEMORY;
            e->best[e->n_best++] = copy;
        }
    return MORU_OK;
}

static moru_status on_train_begin(void *self, moru_model *model)
{
    early_stopping *e = self;
    if (e->status != MORU_OK)
        return moru_fail(e->status, "early stopping: its options are wrong: monitor must name a logged value, mode be "
                                    "auto, min or max");
    e->monitor = e->start;
    moru_monitor_begin(&e->monitor, model);
    e->wait = 0;
    return e->options.restore_best_weights ? make_best(e, model) : MORU_OK;
}

static moru_status on_epoch_end(void *self, moru_model *model, const moru_logs *logs, bool *stop)
{
    early_stopping *e = self;
    double value = 0;
    MORU_TRY(moru_monitor_value(&e->monitor, logs, "early stopping", &value));
    bool better = moru_monitor_improves(&e->monitor, value);
    if (e->options.restore_best_weights && (better || !e->kept)) {
        copy_weights(model, e->best, false);
        e->kept = true;
    }
    e->wait = better ? 0 : e->wait + 1;
    if (!better && e->wait >= e->options.patience && logs->epoch > 0)
        *stop = true;
    return MORU_OK;
}

static moru_status on_train_end(void *self, moru_model *model)
{
    early_stopping *e = self;
    if (e->kept)
        copy_weights(model, e->best, true);
    free_best(e);
    return MORU_OK;
}

static void free_self(void *self)
{
    free_best(self);
    free(self);
}

moru_callback *moru_early_stopping_new(const moru_early_stopping_options *options)
{
    static const moru_early_stopping_options defaults = {MORU_EARLY_STOPPING_DEFAULTS};
    early_stopping *e = calloc(1, sizeof *e);
    moru_callback *c = calloc(1, sizeof *c);
    if (!e || !c) {
        free(e);
        free(c);
        moru_fail(MORU_ERR_MEMORY, "no memory for early stopping");
        return NULL;
    }
    e->options = options ? *options : defaults;
    e->status = moru_monitor_init(&e->start, e->options.monitor, e->options.mode, e->options.min_delta,
                                  "early stopping");
    *c = (moru_callback){.self = e, .on_train_begin = on_train_begin, .on_epoch_end = on_epoch_end,
                         .on_train_end = on_train_end, .free = free_self};
    return c;
}
