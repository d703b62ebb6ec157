/* Writes the older .h5 of Keras, in the form of Keras 3: see keras_h5_read.c. */
#include "formats/keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "train/training.h"

enum { PATH = 1024 };
#define KERAS_VERSION "3.15.1"

typedef struct writer {
    moru_hdf5 *file;
    const char *where, *root;    /* "model_weights" or "/" */
} writer;

static moru_status no_memory(const writer *w)
{
    return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", w->where);
}

/* Path of something below the root. */
static moru_status join(const writer *w, char path[PATH], const char *group, const char *name)
{
    bool top = strcmp(w->root, "/") == 0;
    int n = snprintf(path, PATH, "%s%s%s%s%s", top ? "" : w->root, top ? "" : "/", group, *name ? "/" : "", name);
    return n < PATH ? MORU_OK : moru_fail(MORU_ERR_ARGUMENT, "%s: a name is too long: \"%.100s...\"", w->where, path);
}

/* ---- weights ---- */

static bool is_taken(char *const *names, int n, const char *name)
{
    for (int k = 0; k < n; k++)
        if (strcmp(names[k], name) == 0)
            return true;
    return false;
}

/* Paths of variables; of two that are the same one gets a number, as nobody reads them but as names. */
static char *name_of(const moru_weight *weight, char *const *names, int n)
{
    char name[PATH];
    snprintf(name, sizeof name, "%s", weight->path ? weight->path : weight->name);
    for (int k = 1; is_taken(names, n, name); k++)
        snprintf(name, sizeof name, "%.900s_%d", weight->path ? weight->path : weight->name, k);
    return strdup(name);
}

/* Trained weights come first. */
static moru_status write_weights(const writer *w, const moru_layer *layer, char **names)
{
    char group[PATH], path[PATH];
    int n = 0;
    MORU_TRY(join(w, group, layer->name, ""));
    MORU_TRY(moru_hdf5_make_group(w->file, group, NULL));
    for (int trained = 1; trained >= 0; trained--)
        for (int k = 0; k < layer->n_weights; k++) {
            const moru_tensor *tensor = layer->weights[k].tensor;
            if (moru_layer_trains(layer, k) != (trained == 1))
                continue;
            if (!(names[n] = name_of(&layer->weights[k], names, n)))
                return no_memory(w);
            MORU_TRY(join(w, path, layer->name, names[n++]));
            MORU_TRY(moru_hdf5_write(w->file, path, MORU_HDF5_REAL, moru_tensor_shape(tensor),
                                     moru_tensor_const_data(tensor)));
        }
    return moru_hdf5_write_texts(w->file, group, "weight_names", (const char *const *)names, n);
}

static moru_status write_layer(const writer *w, const moru_layer *layer)
{
    char **names = calloc((size_t)layer->n_weights + 1, sizeof *names);
    moru_status status = names ? write_weights(w, layer, names) : no_memory(w);
    moru_hdf5_free_texts(names, names ? layer->n_weights : 0);
    return status;
}

static moru_status write_layers(const writer *w, const moru_model *model)
{
    size_t most = (size_t)(model->n_layers > model->n_order ? model->n_layers : model->n_order) + 1;
    moru_layer **layers = malloc(most * sizeof *layers);
    const char **names = malloc(most * sizeof *names);
    moru_status status = layers && names ? MORU_OK : no_memory(w);
    int n = status == MORU_OK ? moru_model_keras_order(model, layers) : 0;
    for (int k = 0; k < n; k++)
        names[k] = layers[k]->name;
    if (status == MORU_OK)
        status = moru_hdf5_write_texts(w->file, w->root, "layer_names", names, n);
    for (int k = 0; k < n && status == MORU_OK; k++)
        status = write_layer(w, layers[k]);
    free(layers);
    free(names);
    if (status == MORU_OK)
        status = moru_hdf5_write_text(w->file, w->root, "backend", "tensorflow", false);
    return status == MORU_OK ? moru_hdf5_write_text(w->file, w->root, "keras_version", KERAS_VERSION, false) : status;
}

static moru_status write_top_level(const writer *w)
{
    char path[PATH];
    MORU_TRY(join(w, path, "top_level_model_weights", ""));
    MORU_TRY(moru_hdf5_make_group(w->file, path, NULL));
    return moru_hdf5_write_texts(w->file, path, "weight_names", NULL, 0);
}

/* ---- the optimizer's state ---- */

/* Keras's names of slots hold the variables' paths; here their numbers do. */
static moru_status write_state(const writer *w, const moru_training *t, char **names)
{
    const moru_optimizer *o = t->optimizer;
    char class_name[64], name[128], path[PATH];
    bool rated = !o->schedule;
    int n = t->n_slots + 1 + rated;
    moru_snake(o->class_->class_name, class_name, sizeof class_name);
    moru_real rate = (moru_real)moru_optimizer_learning_rate(o, t->iteration);
    for (int k = 0; k < n; k++) {
        if (k < 1 + rated)
            snprintf(name, sizeof name, "%s/%s", class_name, k == 0 ? "iteration" : "learning_rate");
        else
            snprintf(name, sizeof name, "%s/slot_%d", class_name, k - 1 - rated);
        const moru_tensor *slot = k < 1 + rated ? NULL : t->slots[k - 1 - rated];
        if (!(names[k] = strdup(name)))
            return no_memory(w);
        snprintf(path, sizeof path, "optimizer_weights/%s", name);
        MORU_TRY(moru_hdf5_write(w->file, path, k == 0 ? MORU_HDF5_INT64 : MORU_HDF5_REAL,
                                 slot ? moru_tensor_shape(slot) : &MORU_SCALAR_SHAPE,
                                 slot ? moru_tensor_const_data(slot) : k == 0 ? (const void *)&t->iteration : &rate));
    }
    return moru_hdf5_write_texts(w->file, "optimizer_weights", "weight_names", (const char *const *)names, n);
}

static moru_status write_optimizer(const writer *w, const moru_training *t)
{
    int n = t->n_slots + 2;
    char **names = calloc((size_t)n, sizeof *names);
    moru_status status = names ? write_state(w, t, names) : no_memory(w);
    moru_hdf5_free_texts(names, names ? n : 0);
    return status;
}

/* ---- the configuration ---- */

/* Keras takes short names of losses for metrics when it reads this form, and finds none. */
static json_t *long_name(json_t *name)
{
    static const char *const names[][2] = {
        {"mse", "mean_squared_error"}, {"mae", "mean_absolute_error"}, {"mape", "mean_absolute_percentage_error"},
        {"msle", "mean_squared_logarithmic_error"}, {"kld", "kl_divergence"}, {"bce", "binary_crossentropy"}};
    for (size_t k = 0; json_is_string(name) && k < sizeof names / sizeof *names; k++)
        if (strcasecmp(json_string_value(name), names[k][0]) == 0)
            return json_string(names[k][1]);
    return NULL;
}

static void lengthen(json_t *value)
{
    size_t k;
    json_t *item;
    json_array_foreach(value, k, item) {
        json_t *name = long_name(item);
        if (name)
            json_array_set_new(value, k, name);
        else
            lengthen(item);
    }
}

static json_t *training_config(json_t *compiled)
{
    json_t *config = json_copy(compiled), *optimizer = json_object_get(compiled, "optimizer");
    static const char *const left_out[] = {"optimizer", "run_eagerly", "steps_per_execution", "jit_compile"};
    static const char *const named[] = {"loss", "metrics", "weighted_metrics"};
    json_object_set_new(config, "optimizer_config", json_pack("{s:O?,s:O?}", "class_name",
                        json_object_get(optimizer, "class_name"), "config", json_object_get(optimizer, "config")));
    for (size_t k = 0; k < sizeof left_out / sizeof *left_out; k++)
        json_object_del(config, left_out[k]);
    for (size_t k = 0; k < sizeof named / sizeof *named; k++) {
        json_t *name = long_name(json_object_get(config, named[k]));
        if (name)
            json_object_set_new(config, named[k], name);
        lengthen(json_object_get(config, named[k]));
    }
    return config;
}

static moru_status write_json(const writer *w, const char *attribute, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_ENSURE_ASCII) : NULL;
    moru_status status = text ? moru_hdf5_write_text(w->file, "/", attribute, text, false) : no_memory(w);
    free(text);
    return status;
}

static moru_status write_config(const writer *w, moru_model *model)
{
    json_t *root;
    MORU_TRY(moru_keras_config_write(model, &root));
    json_t *compiled = json_incref(json_object_get(root, "compile_config"));
    json_object_del(root, "compile_config");
    json_object_del(root, "module"); /* without these Keras reads it as this older form */
    json_object_del(root, "registered_name");
    moru_status status = write_json(w, "model_config", root);
    if (status == MORU_OK && compiled) {
        json_t *config = training_config(compiled);
        status = write_json(w, "training_config", config);
        json_decref(config);
    }
    json_decref(compiled);
    json_decref(root);
    return status;
}

/* ---- files ---- */

static moru_status write_whole(const writer *w, moru_model *model)
{
    MORU_TRY(moru_hdf5_write_text(w->file, "/", "backend", "tensorflow", true));
    MORU_TRY(moru_hdf5_write_text(w->file, "/", "keras_version", KERAS_VERSION, true));
    MORU_TRY(write_config(w, model));
    MORU_TRY(moru_hdf5_make_group(w->file, w->root, NULL));
    MORU_TRY(write_layers(w, model));
    MORU_TRY(write_top_level(w));
    return moru_model_optimizer(model) ? write_optimizer(w, model->training) : MORU_OK;
}

moru_status moru_keras_h5_write(moru_model *model, bool whole, const char *where, void **data, int64_t *size)
{
    writer w = {.where = where, .root = whole ? "model_weights" : "/"};
    *data = NULL;
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    if (!model->complete)
        return moru_fail(MORU_ERR_STATE, "model \"%s\": its outputs aren't set yet", model->name);
    MORU_TRY(moru_hdf5_create(&w.file, where));
    moru_status status = whole ? write_whole(&w, model) : write_layers(&w, model);
    if (status == MORU_OK && !whole)
        status = write_top_level(&w);
    if (status == MORU_OK)
        status = moru_hdf5_image(w.file, data, size);
    moru_hdf5_close(w.file);
    return status;
}
