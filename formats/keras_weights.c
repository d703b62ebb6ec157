/* .weights.h5: weights under /layers, the optimizer's state under /optimizer. */
#include "formats/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "train/training.h"

enum { PATH = 320 };

/* A layer and the group it has in a file: snake(class), numbered by position among its like. */
typedef struct place {
    moru_layer *layer;
    char group[160];
} place;

static int find_places(const moru_model *model, place **places)
{
    int n = model->n_layers > model->n_order ? model->n_layers : model->n_order;
    moru_layer **order = malloc(((size_t)n + 1) * sizeof *order);
    place *p = calloc((size_t)n + 1, sizeof *p);
    if (!order || !p) {
        free(order);
        free(p);
        return -1;
    }
    n = moru_model_keras_order(model, order);
    for (int k = 0; k < n; k++) {
        p[k].layer = order[k];
        moru_layer_group(order, k, p[k].group, sizeof p[k].group);
    }
    free(order);
    *places = p;
    return n;
}

/* Whether the group ("": the layer's own) has the weight, by itself or besides another one. */
static bool in_group(const moru_weight *weight, const char *group)
{
    return strcmp(weight->group ? weight->group : "", group) == 0 || (weight->also && strcmp(weight->also, group) == 0);
}

/* A group that holds weight k, into path, and the weight's number in it. Ends 16 bytes before path's end. */
static int number_in_group(const char *layers, const place *p, int k, const char *group, char path[PATH])
{
    int number = 0;
    snprintf(path, PATH - 16, "%s/%s/%s%svars", layers, p->group, group, group[0] ? "/" : "");
    for (int i = 0; i < k; i++)
        number += in_group(&p->layer->weights[i], group);
    return number;
}

static int group_of_weight(const char *layers, const place *p, int k, char path[PATH])
{
    const char *group = p->layer->weights[k].group;
    return number_in_group(layers, p, k, group ? group : "", path);
}

/* ---- writing ---- */

static moru_status write_layer(moru_hdf5 *file, const place *p)
{
    char path[PATH];
    snprintf(path, sizeof path, "layers/%s/vars", p->group);
    MORU_TRY(moru_hdf5_make_group(file, path, p->layer->name));
    for (int k = 0; k < p->layer->n_weights; k++) {
        const moru_tensor *tensor = p->layer->weights[k].tensor;
        const char *name = p->layer->weights[k].name;
        int number = group_of_weight("layers", p, k, path);
        if (number == 0 && p->layer->weights[k].group) { /* the layer inside is "query" of "query/kernel" */
            char inner[64];
            snprintf(inner, sizeof inner, "%.*s", (int)strcspn(name, "/"), name);
            MORU_TRY(moru_hdf5_make_group(file, path, inner));
        }
        snprintf(path + strlen(path), 16, "/%d", number);
        MORU_TRY(moru_hdf5_write(file, path, MORU_HDF5_REAL, moru_tensor_shape(tensor),
                                 moru_tensor_const_data(tensor)));
        if (!p->layer->weights[k].also)
            continue;
        number = number_in_group("layers", p, k, p->layer->weights[k].also, path);
        snprintf(path + strlen(path), 16, "/%d", number);
        MORU_TRY(moru_hdf5_write(file, path, MORU_HDF5_REAL, moru_tensor_shape(tensor),
                                 moru_tensor_const_data(tensor)));
    }
    return MORU_OK;
}

/* vars/0 is the iteration, vars/1 the rate unless a schedule gives it, then the slots. */
static moru_status write_optimizer(moru_hdf5 *file, const moru_training *t)
{
    const moru_optimizer *o = t->optimizer;
    const char *given = moru_optimizer_common(o)->name;
    char name[64], path[PATH];
    int n = 0;
    moru_snake(o->class_->class_name, name, sizeof name);
    MORU_TRY(moru_hdf5_make_group(file, "optimizer/vars", given ? given : name));
    snprintf(path, sizeof path, "optimizer/vars/%d", n++);
    MORU_TRY(moru_hdf5_write(file, path, MORU_HDF5_INT64, &MORU_SCALAR_SHAPE, &t->iteration));
    if (!o->schedule) {
        moru_real rate = (moru_real)moru_optimizer_learning_rate(o, t->iteration);
        snprintf(path, sizeof path, "optimizer/vars/%d", n++);
        MORU_TRY(moru_hdf5_write(file, path, MORU_HDF5_REAL, &MORU_SCALAR_SHAPE, &rate));
    }
    for (int k = 0; k < t->n_slots; k++) {
        snprintf(path, sizeof path, "optimizer/vars/%d", n++);
        MORU_TRY(moru_hdf5_write(file, path, MORU_HDF5_REAL, moru_tensor_shape(t->slots[k]),
                                 moru_tensor_const_data(t->slots[k])));
    }
    return MORU_OK;
}

static moru_status write_all(moru_model *model, moru_hdf5 *file, const char *where)
{
    place *places = NULL;
    int n = find_places(model, &places);
    if (n < 0)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", where);
    moru_status status = moru_hdf5_make_group(file, "layers", NULL);
    for (int k = 0; k < n && status == MORU_OK; k++)
        status = write_layer(file, &places[k]);
    free(places);
    if (status == MORU_OK && moru_model_optimizer(model))
        status = write_optimizer(file, model->training);
    return status == MORU_OK ? moru_hdf5_make_group(file, "vars", model->name) : status;
}

moru_status moru_keras_weights_write(moru_model *model, const char *where, void **data, int64_t *size)
{
    moru_hdf5 *file = NULL;
    *data = NULL;
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    if (!model->complete)
        return moru_fail(MORU_ERR_STATE, "model \"%s\": its outputs aren't set yet", model->name);
    MORU_TRY(moru_hdf5_create(&file, where));
    moru_status status = write_all(model, file, where);
    if (status == MORU_OK)
        status = moru_hdf5_image(file, data, size);
    moru_hdf5_close(file);
    return status;
}

/* ---- reading ---- */

typedef struct reader {
    moru_intake in;
    moru_hdf5 *file;
    const char *where, *layers; /* the name of the group of layers */
    const char *state;          /* the group of the optimizer's variables */
    moru_keras_state optimizer;
} reader;

/* Whether the group at path holds `wanted` variables; without any it may be missing. */
static bool count_fits(reader *r, const moru_layer *layer, const char *path, int wanted)
{
    moru_hdf5_kind kind;
    int64_t count = 0;
    moru_status status = moru_hdf5_find(r->file, path, &kind);
    if (status == MORU_OK && kind == MORU_HDF5_MISSING && wanted == 0)
        return true;
    if (status == MORU_OK && kind == MORU_HDF5_MISSING && (r->in.options->partial || r->in.options->by_name)) {
        moru_intake_missing(&r->in, "\"%s\" is missing, with %d variables of %s \"%s\"", path, wanted,
                            layer->class_->class_name, layer->name);
        return false;
    }
    if (status == MORU_OK)
        status = moru_hdf5_count(r->file, path, &count);
    if (status != MORU_OK)
        moru_intake_fault(&r->in, status);
    else if (count != wanted)
        moru_intake_mismatch(&r->in, "\"%s\" holds %lld variables and %s \"%s\" has %d", path, (long long)count,
                             layer->class_->class_name, layer->name, wanted);
    return status == MORU_OK && count == wanted;
}

static void read_layer(reader *r, const place *p)
{
    const moru_layer *layer = p->layer;
    char path[PATH], what[160];
    int own = 0;
    bool fits = true;
    for (int k = 0; k < layer->n_weights; k++)
        own += in_group(&layer->weights[k], "");
    snprintf(path, sizeof path, "%s/%s/vars", r->layers, p->group);
    if (!count_fits(r, layer, path, own))
        return;
    for (int k = 0; k < layer->n_weights; k++) {
        int number = group_of_weight(r->layers, p, k, path);
        if (number == 0 && layer->weights[k].group) {
            int inside = 0;
            for (int i = k; i < layer->n_weights; i++)
                inside += in_group(&layer->weights[i], layer->weights[k].group);
            fits = count_fits(r, layer, path, inside);
        }
        snprintf(path + strlen(path), 16, "/%d", number);
        snprintf(what, sizeof what, "%s/%s", layer->name, layer->weights[k].name);
        if (fits)
            moru_intake_hdf5(&r->in, r->file, path, what, layer->weights[k].tensor);
    }
}

static bool is_place(const place *places, int n, const char *name)
{
    for (int k = 0; k < n; k++)
        if (strcmp(places[k].group, name) == 0)
            return true;
    return false;
}

/* Layers of the file that the model lacks, if they hold anything: then it is another model's file. */
static moru_status find_strangers(reader *r, const place *places, int n)
{
    int64_t count, variables;
    MORU_TRY(moru_hdf5_count(r->file, r->layers, &count));
    for (int64_t k = 0; k < count; k++) {
        char *name, path[PATH];
        moru_hdf5_kind kind;
        MORU_TRY(moru_hdf5_name_at(r->file, r->layers, k, &name));
        bool known = is_place(places, n, name);
        snprintf(path, sizeof path, "%s/%.200s/vars", r->layers, name);
        free(name);
        if (known)
            continue;
        MORU_TRY(moru_hdf5_find(r->file, path, &kind));
        if (kind != MORU_HDF5_GROUP)
            continue;
        MORU_TRY(moru_hdf5_count(r->file, path, &variables));
        if (variables > 0)
            moru_intake_missing(&r->in, "\"%s\" is in the file only", path);
    }
    return MORU_OK;
}

/* ---- the optimizer's state ---- */

static moru_status read_slots(reader *r, moru_training *t, int first)
{
    char path[PATH], what[64];
    for (int k = 0; k < t->n_slots; k++) {
        snprintf(path, sizeof path, "%s/%d", r->state, first + k);
        snprintf(what, sizeof what, "slot %d", k);
        moru_intake_hdf5(&r->in, r->file, path, what, t->slots[k]);
    }
    return MORU_OK;
}

moru_status moru_keras_read_iteration(moru_keras_state *state, moru_hdf5 *file, const char *path, const char *where)
{
    MORU_TRY(moru_hdf5_read(file, path, MORU_HDF5_INT64, &state->iteration, 1));
    if (state->iteration < 0)
        return moru_fail(MORU_ERR_RANGE, "%s: \"%.200s\": an iteration of %lld", where, path,
                         (long long)state->iteration);
    state->has_iteration = true;
    return MORU_OK;
}

moru_status moru_keras_read_rate(moru_keras_state *state, moru_hdf5 *file, const char *path)
{
    MORU_TRY(moru_hdf5_read(file, path, MORU_HDF5_REAL, &state->rate, 1));
    state->has_rate = true;
    return MORU_OK;
}

void moru_keras_commit_state(const moru_keras_state *state, moru_training *t)
{
    if (state->has_iteration)
        t->iteration = state->iteration;
    /* The configuration has the rate in full; the file's copy counts only if it was changed since. */
    if (state->has_rate && (moru_real)moru_optimizer_learning_rate(t->optimizer, 0) != state->rate)
        moru_optimizer_set_learning_rate(t->optimizer, (double)state->rate);
}

/* An optimizer that has made no step has no slots in the file. Keras 2 doesn't write the rate. */
static moru_status read_optimizer(reader *r, moru_training *t)
{
    moru_hdf5_kind kind;
    int64_t count;
    char path[PATH];
    r->state = "optimizer/inner_optimizer/vars"; /* of one that Keras's LossScaleOptimizer is around */
    MORU_TRY(moru_hdf5_find(r->file, r->state, &kind));
    if (kind != MORU_HDF5_GROUP)
        r->state = "optimizer/vars";
    MORU_TRY(moru_hdf5_find(r->file, r->state, &kind));
    if (kind != MORU_HDF5_GROUP)
        return MORU_OK;
    MORU_TRY(moru_hdf5_count(r->file, r->state, &count));
    bool scheduled = t->optimizer->schedule != NULL;
    moru_shape shape = {.rank = 1};
    moru_hdf5_type type;
    snprintf(path, sizeof path, "%s/1", r->state);
    if (count > 1)
        MORU_TRY(moru_hdf5_describe(r->file, path, &type, &shape));
    bool rate = !scheduled && shape.rank == 0; /* no slot is a scalar */
    if (count != 1 + rate && count != 1 + rate + t->n_slots)
        return moru_fail(MORU_ERR_SHAPE, "%s: \"%s\" holds %lld variables and the model's %s has %d",
                         r->where, r->state, (long long)count, t->optimizer->class_->class_name,
                         t->n_slots + (scheduled ? 1 : 2));
    snprintf(path, sizeof path, "%s/0", r->state);
    MORU_TRY(moru_keras_read_iteration(&r->optimizer, r->file, path, r->where));
    snprintf(path, sizeof path, "%s/1", r->state);
    if (rate)
        MORU_TRY(moru_keras_read_rate(&r->optimizer, r->file, path));
    return count > (rate ? 2 : 1) ? read_slots(r, t, rate ? 2 : 1) : MORU_OK;
}

/* Without resume, a state that doesn't fit is forgotten. */
static void read_state(reader *r, moru_training *t, bool resume)
{
    int before = r->in.n;
    moru_listing faults = r->in.faults;
    moru_status status = read_optimizer(r, t);
    if (status != MORU_OK)
        moru_intake_fault(&r->in, status);
    if (r->in.faults.count == faults.count || resume)
        return;
    while (r->in.n > before)
        free(r->in.items[--r->in.n].path);
    r->in.faults = faults;
    r->optimizer = (moru_keras_state){.has_iteration = false};
}

/* ---- all of it ---- */

static moru_status find_layers(reader *r)
{
    static const char *const names[] = {"layers", "_layer_checkpoint_dependencies"}; /* Keras 2.12 */
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        moru_hdf5_kind kind;
        MORU_TRY(moru_hdf5_find(r->file, names[k], &kind));
        r->layers = names[k];
        if (kind == MORU_HDF5_GROUP)
            return MORU_OK;
    }
    return moru_fail(MORU_ERR_FORMAT, "%s: holds no group \"layers\": not a Keras weights file", r->where);
}

/* By name: groups are those whose attribute "name" is the layer's. Layers without one aren't in the file. */
static moru_status rename_places(reader *r, place *places, int n)
{
    int64_t count;
    MORU_TRY(moru_hdf5_count(r->file, r->layers, &count));
    for (int k = 0; k < n; k++)
        snprintf(places[k].group, sizeof places[k].group, "(%.150s)", places[k].layer->name); /* no name of Keras's */
    for (int64_t i = 0; i < count; i++) {
        char *group, *name = NULL, path[PATH];
        moru_hdf5_kind kind;
        MORU_TRY(moru_hdf5_name_at(r->file, r->layers, i, &group));
        snprintf(path, sizeof path, "%s/%.150s/vars", r->layers, group);
        moru_status status = moru_hdf5_find(r->file, path, &kind);
        if (status == MORU_OK && kind == MORU_HDF5_GROUP)
            status = moru_hdf5_text(r->file, path, "name", &name);
        for (int k = 0; k < n && name; k++)
            if (strcmp(places[k].layer->name, name) == 0)
                snprintf(places[k].group, sizeof places[k].group, "%.150s", group);
        free(group);
        free(name);
        MORU_TRY(status);
    }
    return MORU_OK;
}

static moru_status read_all(reader *r, moru_model *model, bool resume)
{
    place *places = NULL;
    const moru_weights_options *o = r->in.options;
    MORU_TRY(find_layers(r));
    int n = find_places(model, &places);
    if (n < 0)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", r->where);
    moru_status status = o->by_name ? rename_places(r, places, n) : MORU_OK;
    for (int k = 0; k < n && status == MORU_OK; k++)
        read_layer(r, &places[k]);
    if (status == MORU_OK)
        status = find_strangers(r, places, n);
    free(places);
    if (status != MORU_OK)
        moru_intake_fault(&r->in, status);
    if (moru_model_optimizer(model) && !o->by_name && !o->partial && !o->skip_mismatch)
        read_state(r, model->training, resume);
    return moru_intake_run(&r->in);
}

moru_status moru_keras_weights_read(moru_model *model, moru_hdf5 *file, const moru_weights_options *options,
                                    bool resume, const char *where)
{
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    reader r = {.file = file, .where = where,
                .in = {.where = where, .options = options ? options : &moru_weights_strict, .fresh = resume,
                       .read = moru_intake_read_hdf5, .source = file}};
    moru_status status = read_all(&r, model, resume);
    if (status == MORU_OK) {
        moru_intake_commit(&r.in);
        moru_keras_commit_state(&r.optimizer, model->training);
    }
    moru_intake_free(&r.in);
    return status;
}
