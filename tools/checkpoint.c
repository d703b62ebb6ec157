/* Checkpoints. The model's file holds weights, optimizer state and the count of steps; with the seed and the batch size
 * they decide everything that follows: data order and dropout are functions of seed and step. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/checkpoint.h"
#include "tools/output.h"

static json_t *text_or_null(const char *text)
{
    json_t *json = text ? json_string(text) : json_null();
    return json ? json : json_null(); /* a name that isn't UTF-8 */
}

/* What decides a run's numbers, and can't be read off the model's file. */
static json_t *describe(const settings *s, int64_t batch, int64_t steps_per_epoch)
{
    json_t *metrics = json_array();
    for (int k = 0; k < s->n_metrics; k++)
        json_array_append_new(metrics, text_or_null(s->metrics[k]));
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}",
                     "model", text_or_null(s->model),
                     "data", text_or_null(s->data),
                     "validation", text_or_null(s->validation),
                     "seed", (json_int_t)s->seed,
                     "batch", (json_int_t)batch,
                     "steps", (json_int_t)steps_per_epoch,
                     "optimizer", text_or_null(s->optimizer),
                     "lr", isnan(s->lr) ? json_null() : json_real(s->lr),
                     "schedule", text_or_null(s->schedule),
                     "loss", text_or_null(s->loss),
                     "metric", metrics);
}

static moru_status check_settings(const checkpoint *c)
{
    json_error_t error;
    const char *name;
    json_t *now, *then = json_load_file(c->run, 0, &error);
    if (!then)
        return moru_op_error(MORU_ERR_FORMAT, "%s: not a run's settings: %s", c->run, error.text);
    moru_status status = MORU_OK;
    json_object_foreach(c->settings, name, now) {
        if (json_equal(now, json_object_get(then, name)))
            continue;
        const size_t style = JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);
        char *a = json_dumps(json_object_get(then, name), style), *b = json_dumps(now, style);
        status = moru_op_error(MORU_ERR_ARGUMENT, "%s: the run to resume has %s %s, this one %s", c->run, name,
                               a ? a : "nothing", b ? b : "nothing");
        free(a);
        free(b);
        break;
    }
    json_decref(then);
    return status;
}

static moru_status take_up(const checkpoint *c, source *src, int64_t steps_per_epoch, int *initial_epoch)
{
    moru_model *model;
    moru_status status = moru_load(&model, c->model);
    if (status != MORU_OK)
        return status;
    moru_model_free(src->model);
    src->model = model;
    if (!moru_model_optimizer(model))
        return moru_op_error(MORU_ERR_FORMAT, "%s: it holds no optimizer", c->model);
    int64_t done = moru_model_iterations(model);
    *initial_epoch = (int)(done / steps_per_epoch);
    if (done % steps_per_epoch == 0)
        return MORU_OK;
    return moru_op_error(MORU_ERR_ARGUMENT, "%s: %" PRId64 " steps are done, no whole number of epochs of %" PRId64
                         ": the data differ", c->model, done, steps_per_epoch);
}

moru_status checkpoint_open(checkpoint *c, source *src, const settings *s, int64_t batch, int64_t steps_per_epoch,
                            int *initial_epoch)
{
    *c = (checkpoint){.directory = s->checkpoint, .settings = describe(s, batch, steps_per_epoch)};
    if (!c->settings)
        return moru_op_error(MORU_ERR_MEMORY, "--checkpoint: no memory");
    snprintf(c->model, sizeof c->model, "%s/checkpoint.keras", s->checkpoint);
    snprintf(c->run, sizeof c->run, "%s/run.json", s->checkpoint);
    if (access(c->model, F_OK) != 0)
        return MORU_OK;
    if (!s->resume)
        return moru_op_error(MORU_ERR_STATE, "%s: there is a checkpoint already; --resume goes on from it", c->model);
    moru_status status = check_settings(c);
    return status == MORU_OK ? take_up(c, src, steps_per_epoch, initial_epoch) : status;
}

moru_status checkpoint_write(const checkpoint *c, moru_model *model)
{
    char *text = json_dumps(c->settings, JSON_INDENT(2));
    if (!text)
        return moru_op_error(MORU_ERR_MEMORY, "%s: no memory", c->run);
    moru_status status = output_make_directory(c->directory);
    if (status == MORU_OK)
        status = output_write(c->run, text);
    free(text);
    return status == MORU_OK ? moru_save(model, c->model) : status;
}

void checkpoint_close(checkpoint *c)
{
    json_decref(c->settings);
    c->settings = NULL;
}
