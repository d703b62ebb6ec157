/* The older .h5 of Keras: a group for each layer, named as the layer, and the names of its weights in an attribute. A whole
 * model has the same below /model_weights, and its configuration in an attribute of the root. */
#include "formats/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "train/training.h"

enum { PATH = 4096 };

/* A group of the file. */
typedef struct entry {
    char *layer, **weights;
    int64_t n;
    moru_layer *match;
} entry;

typedef struct reader {
    moru_intake in;
    moru_hdf5 *file;
    const char *where, *root;  /* "model_weights/" or "" */
    entry *entries;            /* those with weights */
    int64_t n;
    moru_keras_state optimizer;
} reader;

moru_status moru_keras_h5_is(moru_hdf5 *file, bool *is, bool *whole)
{
    char *config = NULL, **names = NULL;
    int64_t n = 0;
    moru_hdf5_kind kind;
    *is = *whole = false;
    MORU_TRY(moru_hdf5_text(file, "/", "model_config", &config));
    *is = *whole = config != NULL;
    free(config);
    if (!*is)
        MORU_TRY(moru_hdf5_texts(file, "/", "layer_names", &names, &n, is));
    moru_hdf5_free_texts(names, n);
    if (*is)
        return MORU_OK;
    MORU_TRY(moru_hdf5_find(file, "model_weights", &kind));
    *is = kind == MORU_HDF5_GROUP;
    return MORU_OK;
}

/* ---- names ---- */

/* Keras 2 adds the output's number to a variable's name. */
static size_t length_of(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon && strspn(colon + 1, "0123456789") == strlen(colon + 1) ? (size_t)(colon - name) : strlen(name);
}

static bool ends_in(const char *name, size_t n, const char *tail, size_t m)
{
    return n >= m && strncmp(name + n - m, tail, m) == 0 && (n == m || name[n - m - 1] == '/');
}

/* Whether both name the same variable: the path of one may begin with the models around. */
static bool same_variable(const char *path, const char *name)
{
    size_t n = strlen(path), m = length_of(name);
    return ends_in(path, n, name, m) || ends_in(name, m, path, n);
}

/* State of random layers, which isn't weights here. */
static bool is_state(const char *name)
{
    return strstr(name, "StateVar") || strstr(name, "seed_generator_state");
}

static moru_status read_entry(reader *r, const char *layer, entry *e)
{
    char path[PATH];
    bool found;
    int64_t n = 0;
    if (snprintf(path, sizeof path, "%s%s", r->root, layer) >= PATH)
        return moru_fail(MORU_ERR_FORMAT, "%s: a layer's name is too long: \"%.60s...\"", r->where, layer);
    MORU_TRY(moru_hdf5_texts(r->file, path, "weight_names", &e->weights, &e->n, &found));
    if (!found)
        return moru_fail(MORU_ERR_FORMAT, "%s: \"%.200s\" has no attribute \"weight_names\"", r->where, path);
    for (int64_t k = 0; k < e->n; k++) {
        if (is_state(e->weights[k]))
            free(e->weights[k]);
        else
            e->weights[n++] = e->weights[k];
    }
    e->n = n;
    e->layer = strdup(layer);
    return e->layer ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: out of memory", r->where);
}

/* Layers without weights aren't looked at. */
static moru_status add_entry(reader *r, const char *layer)
{
    entry *e = &r->entries[r->n++];
    moru_status status = read_entry(r, layer, e);
    if (status == MORU_OK && e->n == 0) {
        free(e->layer);
        moru_hdf5_free_texts(e->weights, e->n);
        *e = (entry){0};
        r->n--;
    }
    return status;
}

static moru_status read_entries(reader *r)
{
    char **names = NULL;
    int64_t n = 0;
    bool found = false;
    moru_hdf5_kind kind = MORU_HDF5_MISSING;
    moru_status status = moru_hdf5_texts(r->file, "/", "layer_names", &names, &n, &found);
    r->root = "";
    if (status == MORU_OK && !found) {
        r->root = "model_weights/";
        status = moru_hdf5_texts(r->file, "model_weights", "layer_names", &names, &n, &found);
        if (status == MORU_OK && !found)
            status = moru_fail(MORU_ERR_FORMAT, "%s: \"model_weights\" has no attribute \"layer_names\"", r->where);
    }
    r->entries = status == MORU_OK ? calloc((size_t)n + 2, sizeof *r->entries) : NULL;
    if (status == MORU_OK && !r->entries)
        status = moru_fail(MORU_ERR_MEMORY, "%s: out of memory", r->where);
    for (int64_t k = 0; k < n && status == MORU_OK; k++)
        status = add_entry(r, names[k]);
    moru_hdf5_free_texts(names, n);
    char top[64];
    snprintf(top, sizeof top, "%stop_level_model_weights", r->root);
    if (status == MORU_OK)
        status = moru_hdf5_find(r->file, top, &kind);
    return status == MORU_OK && kind == MORU_HDF5_GROUP ? add_entry(r, "top_level_model_weights") : status;
}

/* ---- which layer is which ---- */

/* Slashes in Keras 2's names are underscores here. */
static bool same_name(const char *here, const char *there)
{
    while (*here && (*here == *there || (*here == '_' && *there == '/'))) {
        here++;
        there++;
    }
    return !*here && !*there;
}

static moru_layer *find_layer(moru_layer *const *layers, int n, const char *name)
{
    for (int k = 0; k < n; k++)
        if (same_name(layers[k]->name, name))
            return layers[k];
    return NULL;
}

static bool is_matched(const reader *r, const moru_layer *layer)
{
    for (int64_t k = 0; k < r->n; k++)
        if (r->entries[k].match == layer)
            return true;
    return false;
}

/* By their names if all have one in the model, as in a file of this very model; else by place, as Keras does. */
static void match_layers(reader *r, moru_layer *const *layers, int n)
{
    int64_t known = 0;
    for (int64_t k = 0; k < r->n; k++) {
        moru_layer *layer = find_layer(layers, n, r->entries[k].layer);
        if (layer && !is_matched(r, layer)) {
            r->entries[k].match = layer;
            known++;
        }
    }
    if (known < r->n && !r->in.options->by_name)
        for (int64_t k = 0; k < r->n; k++)
            r->entries[k].match = k < n ? layers[k] : NULL;
    if (!r->in.options->by_name && r->n != n)
        moru_intake_missing(&r->in, "the file has %lld layers with weights and the model %d", (long long)r->n, n);
    for (int64_t k = 0; k < r->n; k++)
        if (!r->entries[k].match)
            moru_intake_missing(&r->in, "layer \"%.100s\" is in the file only", r->entries[k].layer);
    for (int k = 0; k < n; k++)
        if (!is_matched(r, layers[k]))
            moru_intake_missing(&r->in, "layer \"%.100s\" is in the model only", layers[k]->name);
}

/* The order in which Keras keeps a layer's weights in these files: trained ones first. */
static void order_weights(const moru_layer *layer, int *order)
{
    int n = 0;
    for (int trained = 1; trained >= 0; trained--)
        for (int k = 0; k < layer->n_weights; k++)
            if (moru_layer_trains(layer, k) == (trained == 1))
                order[n++] = k;
}

/* Of a layer that holds others the order depends on what was trained when it was saved: names are surer. */
static bool order_by_names(const moru_layer *layer, const entry *e, int *order)
{
    for (int64_t i = 0; i < e->n; i++) {
        order[i] = -1;
        for (int k = 0; k < layer->n_weights; k++) {
            if (!layer->weights[k].path || !same_variable(layer->weights[k].path, e->weights[i]))
                continue;
            if (order[i] >= 0)
                return false;
            order[i] = k;
        }
        if (order[i] < 0)
            return false;
        for (int64_t j = 0; j < i; j++)
            if (order[j] == order[i])
                return false;
    }
    return true;
}

static void read_layer(reader *r, const entry *e)
{
    const moru_layer *layer = e->match;
    char path[PATH], what[256];
    if (!layer)
        return;
    if (e->n != layer->n_weights) {
        moru_intake_mismatch(&r->in, "\"%s%.100s\" holds %lld weights and %s \"%s\" has %d", r->root, e->layer,
                             (long long)e->n, layer->class_->class_name, layer->name, layer->n_weights);
        return;
    }
    int *order = malloc(((size_t)layer->n_weights + 1) * sizeof *order);
    if (!order) {
        moru_listing_add(&r->in.faults, MORU_ERR_MEMORY, "out of memory");
        return;
    }
    if (!order_by_names(layer, e, order))
        order_weights(layer, order);
    for (int64_t k = 0; k < e->n; k++) {
        const moru_weight *weight = &layer->weights[order[k]];
        snprintf(what, sizeof what, "%.120s/%.120s", layer->name, weight->name);
        if (snprintf(path, sizeof path, "%s%s/%s", r->root, e->layer, e->weights[k]) >= PATH)
            moru_listing_add(&r->in.faults, MORU_ERR_FORMAT, "a weight of \"%.60s\" has a name that is too long", e->layer);
        else
            moru_intake_hdf5(&r->in, r->file, path, what, weight->tensor);
    }
    free(order);
}

static moru_status read_layers(reader *r, const moru_model *model)
{
    int most = model->n_layers > model->n_order ? model->n_layers : model->n_order, n = 0;
    moru_layer **layers = malloc(((size_t)most + 1) * sizeof *layers);
    if (!layers)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", r->where);
    most = moru_model_keras_order(model, layers);
    for (int k = 0; k < most; k++)
        if (layers[k]->n_weights > 0)
            layers[n++] = layers[k];
    match_layers(r, layers, n);
    free(layers);
    for (int64_t k = 0; k < r->n; k++)
        read_layer(r, &r->entries[k]);
    return MORU_OK;
}

static void close_reader(reader *r)
{
    for (int64_t k = 0; k < r->n && r->entries; k++) {
        free(r->entries[k].layer);
        moru_hdf5_free_texts(r->entries[k].weights, r->entries[k].n);
    }
    free(r->entries);
    moru_intake_free(&r->in);
}

moru_status moru_keras_h5_read_weights(moru_model *model, moru_hdf5 *file, const moru_weights_options *options,
                                       const char *where)
{
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    reader r = {.file = file, .where = where,
                .in = {.where = where, .options = options ? options : &moru_weights_strict,
                       .read = moru_intake_read_hdf5, .source = file}};
    moru_status status = read_entries(&r);
    if (status == MORU_OK)
        status = read_layers(&r, model);
    if (status == MORU_OK)
        status = moru_intake_run(&r.in);
    if (status == MORU_OK)
        moru_intake_commit(&r.in);
    close_reader(&r);
    return status;
}

/* ---- the optimizer's state ---- */

/* Until Keras 2.10 an optimizer's state was all first slots, then all second ones; names ended in the slot's. */
static bool is_grouped(const char *name)
{
    static const char *const slots[] = {"m", "v", "vhat", "momentum", "rms", "mg", "accumulator", "accum_grad",
                                        "accum_var", "linear"};
    size_t n = length_of(name);
    for (size_t k = 0; k < sizeof slots / sizeof *slots; k++)
        if (ends_in(name, n, slots[k], strlen(slots[k])))
            return true;
    return strstr(name, "/Variable") != NULL;
}

/* Slots of each weight, if all have as many; else 0. */
static int slots_each(const moru_training *t)
{
    int each = t->n_trained ? t->trained[0].n_slots : 0;
    for (int k = 0; k < t->n_trained; k++)
        each = t->trained[k].n_slots == each ? each : 0;
    return each;
}

static moru_tensor *slot_of(const moru_training *t, char **names, int64_t n, int64_t k)
{
    if (n != (int64_t)t->n_trained * slots_each(t) || !is_grouped(names[k]))
        return t->slots[k];
    return t->slots[t->trained[k % t->n_trained].slot[k / t->n_trained]];
}

static void state_path(const char *name, char path[PATH])
{
    snprintf(path, PATH, "optimizer_weights/%s", name);
}

/* {iteration, [rate], slots...}; an optimizer that made no step may have no slots. */
static moru_status read_state(reader *r, moru_training *t, char **names, int64_t n)
{
    moru_hdf5_type type = MORU_HDF5_REAL;
    moru_shape shape;
    char path[PATH], what[32];
    int64_t first = 1;
    if (n == 0)
        return MORU_OK;
    state_path(names[0], path);
    MORU_TRY(moru_keras_read_iteration(&r->optimizer, r->file, path, r->where));
    if (n > 1) {
        state_path(names[1], path);
        MORU_TRY(moru_hdf5_describe(r->file, path, &type, &shape));
        if (shape.rank == 0 && !t->optimizer->schedule) {
            MORU_TRY(moru_keras_read_rate(&r->optimizer, r->file, path));
            first++;
        }
    }
    names += first;
    n -= first;
    if (n > t->n_slots && n == (int64_t)t->n_trained * (slots_each(t) + 1) && strstr(names[0], "/Variable"))
        n = t->n_slots; /* Keras 2.0 to 2.3: Adam without amsgrad has [0] in place of each vhat */
    if (n != 0 && n != t->n_slots)
        return moru_fail(MORU_ERR_SHAPE, "%s: \"optimizer_weights\" holds %lld slots and the model's %s has %d", r->where,
                         (long long)n, t->optimizer->class_->class_name, t->n_slots);
    for (int64_t k = 0; k < n; k++) {
        state_path(names[k], path);
        snprintf(what, sizeof what, "slot %lld", (long long)k);
        moru_intake_hdf5(&r->in, r->file, path, what, slot_of(t, names, n, k));
    }
    return MORU_OK;
}

static moru_status read_optimizer(reader *r, moru_training *t)
{
    moru_hdf5_kind kind;
    char **names = NULL;
    int64_t n = 0;
    bool found;
    MORU_TRY(moru_hdf5_find(r->file, "optimizer_weights", &kind));
    if (kind != MORU_HDF5_GROUP)
        return MORU_OK;
    MORU_TRY(moru_hdf5_texts(r->file, "optimizer_weights", "weight_names", &names, &n, &found));
    moru_status status = read_state(r, t, names, n);
    moru_hdf5_free_texts(names, n);
    return status;
}

/* ---- whole models ---- */

static moru_status read_json(reader *r, const char *attribute, json_t **json)
{
    char *text;
    json_error_t error;
    *json = NULL;
    MORU_TRY(moru_hdf5_text(r->file, "/", attribute, &text));
    if (!text)
        return MORU_OK;
    *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    free(text);
    return *json ? MORU_OK : moru_fail(MORU_ERR_FORMAT, "%s: %s:%d: %s", r->where, attribute, error.line, error.text);
}

/* Whether the file says that Keras 3 or later wrote it; the oldest say nothing. */
static moru_status is_keras3(reader *r, bool *is)
{
    char *version;
    MORU_TRY(moru_hdf5_text(r->file, "/", "keras_version", &version));
    *is = version && atoi(version) >= 3;
    free(version);
    return MORU_OK;
}

static moru_status read_config(reader *r, bool compile, moru_model **model)
{
    json_t *config, *training = NULL;
    bool keras3;
    MORU_TRY(is_keras3(r, &keras3));
    MORU_TRY(read_json(r, "model_config", &config));
    moru_status status = compile ? read_json(r, "training_config", &training) : MORU_OK;
    if (status == MORU_OK && training) {
        json_object_set_new(config, "compile_config", moru_keras_training_config(training));
        json_decref(training);
    }
    if (status == MORU_OK && !keras3)
        moru_keras2_config(config);
    if (status == MORU_OK)
        status = moru_keras_config_read(model, config, compile, r->where);
    json_decref(config);
    return status;
}

moru_status moru_keras_h5_read(moru_model **model, moru_hdf5 *file, bool compile, const char *where)
{
    reader r = {.file = file, .where = where,
                .in = {.where = where, .options = &moru_weights_strict, .fresh = true, .read = moru_intake_read_hdf5,
                       .source = file}};
    *model = NULL;
    MORU_TRY(read_config(&r, compile, model));
    moru_status status = read_entries(&r);
    if (status == MORU_OK)
        status = read_layers(&r, *model);
    if (status == MORU_OK && moru_model_optimizer(*model) && (status = read_optimizer(&r, (*model)->training)) != MORU_OK) {
        moru_intake_fault(&r.in, status);
        status = MORU_OK;
    }
    if (status == MORU_OK)
        status = moru_intake_run(&r.in);
    if (status == MORU_OK) {
        moru_intake_commit(&r.in);
        moru_keras_commit_state(&r.optimizer, (*model)->training);
    }
    close_reader(&r);
    if (status != MORU_OK) {
        moru_model_free(*model);
        *model = NULL;
    }
    return status;
}
