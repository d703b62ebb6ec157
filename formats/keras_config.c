/* config.json: models as Keras configurations. */
#include <moru/formats.h>

#include <stdlib.h>
#include <string.h>
#include "formats/keras.h"
#include "train/training.h"

enum { MAX_LAYERS = 20000 };

/* ---- writing ---- */

static moru_status no_memory(const moru_model *model)
{
    return moru_fail(MORU_ERR_MEMORY, "model \"%s\": no memory for its configuration", model->name);
}

static moru_status write_sequential(const moru_model *model, json_t *config)
{
    json_t *layers = json_array(), *shape = json_array();
    for (int k = 0; k < model->n_layers; k++)
        if (json_array_append_new(layers, moru_keras_layer_write(model->layers[k])) != 0) {
            json_decref(layers);
            json_decref(shape);
            return no_memory(model);
        }
    const moru_shape *input = &model->inputs[0]->shape;
    for (int k = 0; k < input->rank; k++)
        json_array_append_new(shape, input->dims[k] < 0 ? json_null() : json_integer(input->dims[k]));
    bool ok = json_object_set_new(config, "dtype", json_string("float32")) == 0;
    ok = json_object_set_new(config, "layers", layers) == 0 && ok;
    return json_object_set_new(config, "build_input_shape", shape) == 0 && ok ? MORU_OK : no_memory(model);
}

static json_t *model_object(const moru_model *model, json_t *config)
{
    bool sequential = model->sequential;
    return json_pack("{s:s,s:s,s:o,s:s?}", "module", sequential ? "keras" : "keras.src.models.functional", "class_name",
                     sequential ? "Sequential" : "Functional", "config", config, "registered_name",
                     sequential ? NULL : "Functional");
}

moru_status moru_keras_model_write(const moru_model *model, json_t **object)
{
    json_t *config = json_pack("{s:s,s:b}", "name", model->name, "trainable", 1);
    *object = NULL;
    if (!config)
        return no_memory(model);
    moru_status status = model->sequential ? write_sequential(model, config) : moru_keras_functional_write(model, config);
    if (status == MORU_OK)
        *object = model_object(model, config);
    else
        json_decref(config);
    return status == MORU_OK && !*object ? no_memory(model) : status;
}

static bool has_old_activation(const moru_layer *layer)
{
    for (int k = 0; k < layer->class_->n_fields; k++) {
        const moru_field *field = &layer->class_->fields[k];
        const char *spec = NULL;
        if (field->kind == MORU_FIELD_SPEC)
            memcpy(&spec, (const char *)layer->options + field->offset, sizeof spec);
        if (spec && strcmp(spec, MORU_KERAS2_HARD_SIGMOID) == 0)
            return true;
    }
    return false;
}

/* Keras 3 would read these as another function, or not at all. */
static void find_old_activations(const moru_layer *layer, const char *path, moru_listing *faults)
{
    char place[MORU_KERAS_PATH];
    moru_keras_path(path, moru_layer_name(layer), place);
    if (has_old_activation(layer)) {
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s: hard_sigmoid of Keras 2, which Keras 3 has no name for", place);
        return; /* what it has inside has been told */
    }
    for (int k = 0; k < layer->n_children; k++)
        find_old_activations(layer->children[k], place, faults);
    for (int k = 0; layer->nested && k < layer->nested->n_layers; k++)
        find_old_activations(layer->nested->layers[k], place, faults);
}

moru_status moru_keras_config_write(moru_model *model, json_t **root)
{
    *root = NULL;
    if (moru_model_status(model) != MORU_OK)
        return moru_fail(moru_model_status(model), "%s", moru_model_error(model));
    if (!model->complete)
        return moru_fail(MORU_ERR_STATE, "model \"%s\": its outputs aren't set yet", model->name);
    json_t *object;
    moru_listing faults = {.count = 0};
    for (int k = 0; k < model->n_layers; k++)
        find_old_activations(model->layers[k], "", &faults);
    MORU_TRY(moru_listing_fail(&faults, model->name, "can't be written"));
    MORU_TRY(moru_keras_model_write(model, &object));
    json_t *compiled = moru_model_optimizer(model) ? moru_compile_config_to_json(model) : NULL;
    if (moru_model_optimizer(model) && json_object_set_new(object, "compile_config", compiled) != 0) {
        json_decref(object);
        return no_memory(model);
    }
    *root = object;
    return MORU_OK;
}

char *moru_model_to_json(moru_model *model)
{
    json_t *root = NULL;
    if (!model) {
        moru_fail(MORU_ERR_ARGUMENT, "moru_model_to_json: the model is NULL");
        return NULL;
    }
    if (moru_keras_config_write(model, &root) != MORU_OK)
        return NULL;
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (!text)
        no_memory(model);
    return text;
}

/* ---- reading ---- */

static const char *place_of(json_t *object, size_t k, const char *path, char place[MORU_KERAS_PATH])
{
    const char *name = json_string_value(json_object_get(json_object_get(object, "config"), "name"));
    char number[32];
    snprintf(number, sizeof number, "layer %zu", k);
    moru_keras_path(path, name ? name : number, place);
    return place;
}

static bool is_input(json_t *object)
{
    const char *class_name = moru_keras_class_name(object);
    return class_name && strcmp(class_name, "InputLayer") == 0;
}

/* A Sequential model may leave its InputLayer out; the shape then stands in the first layer or beside the layers. */
static moru_layer *implied_input(json_t *root, json_t *first, moru_listing *faults)
{
    json_t *config = json_object_get(root, "config"), *own = json_object_get(first, "config");
    json_t *places[] = {json_object_get(own, "batch_input_shape"), json_object_get(own, "batch_shape"),
                        json_object_get(config, "build_input_shape"),
                        json_object_get(json_object_get(root, "build_config"), "input_shape")};
    const char *class_name = moru_keras_class_name(first);
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        if (!json_is_array(places[k]))
            continue;
        json_t *input = json_pack("{s:s,s:{s:O,s:s}}", "class_name", "InputLayer", "config", "batch_shape", places[k],
                                  "dtype", class_name && strcmp(class_name, "Embedding") == 0 ? "int32" : "float32");
        moru_layer *layer = moru_keras_layer_read(input, "input", faults);
        json_decref(input);
        return layer;
    }
    moru_listing_add(faults, MORU_ERR_FORMAT, "the input's shape is given nowhere");
    return NULL;
}

/* Fills layers with all that can be read; returns how many. */
static int read_layers(json_t *root, json_t *list, const char *path, moru_layer **layers, moru_listing *faults)
{
    int n = 0;
    char place[MORU_KERAS_PATH];
    for (size_t k = 0; k < json_array_size(list); k++) {
        json_t *object = json_array_get(list, k);
        if (k == 0 && !is_input(object) && (layers[n] = implied_input(root, object, faults)))
            n++;
        layers[n] = moru_keras_layer_read(object, place_of(object, k, path, place), faults);
        n += layers[n] != NULL;
    }
    return n;
}

static moru_status read_sequential(moru_model **model, json_t *root, const char *path, moru_listing *faults,
                                   const char *where)
{
    json_t *config = json_object_get(root, "config");
    json_t *list = json_is_array(config) ? config : json_object_get(config, "layers"); /* Keras 2.0: only the list */
    size_t count = json_array_size(list);
    if (count == 0 || count > MAX_LAYERS)
        return moru_fail(MORU_ERR_FORMAT, "%s: the configuration has %zu layers", where, count);
    moru_layer **layers = calloc(count + 2, sizeof *layers);
    if (!layers)
        return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", where);
    int before = faults->count, n = read_layers(root, list, path, layers, faults);
    if (faults->count > before) {
        for (int k = 0; k < n; k++)
            moru_layer_free_one(layers[k]);
        free(layers);
        return MORU_OK;
    }
    *model = moru_sequential_from(json_string_value(json_object_get(config, "name")), layers, n);
    free(layers);
    return *model ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "%s: out of memory", where);
}

moru_status moru_keras_model_read(moru_model **model, json_t *root, const char *path, moru_listing *faults,
                                  const char *where)
{
    const char *class_name = moru_keras_class_name(root);
    moru_model *m = NULL;
    *model = NULL;
    if (!class_name)
        return moru_fail(MORU_ERR_FORMAT, "%s: the configuration has no class_name", where);
    if (strcmp(class_name, "Sequential") == 0)
        MORU_TRY(read_sequential(&m, root, path, faults, where));
    else if (strcmp(class_name, "Functional") == 0 || strcmp(class_name, "Model") == 0)
        MORU_TRY(moru_keras_functional_read(&m, json_object_get(root, "config"), path, faults, where));
    else
        return moru_fail(MORU_ERR_UNSUPPORTED, "%s: not supported: a model of class %.60s", where, class_name);
    if (m && moru_model_status(m) != MORU_OK) {
        moru_status status = moru_fail(moru_model_status(m), "%s: %s", where, moru_model_error(m));
        moru_model_free(m);
        return status;
    }
    *model = m;
    return MORU_OK;
}

moru_status moru_keras_config_read(moru_model **model, json_t *root, bool compile, const char *where)
{
    json_t *compiled = json_object_get(root, "compile_config");
    moru_listing faults = {.count = 0};
    MORU_TRY(moru_keras_model_read(model, root, "", &faults, where));
    MORU_TRY(moru_listing_fail(&faults, where, NULL));
    if (!compile || json_object_size(compiled) == 0)
        return MORU_OK;
    moru_status status = moru_compile_config_from_json(*model, compiled, where);
    if (status != MORU_OK) {
        moru_model_free(*model);
        *model = NULL;
    }
    return status;
}

moru_status moru_model_from_json(moru_model **model, const char *json, const char *where)
{
    if (!model || !json)
        return moru_fail(MORU_ERR_ARGUMENT, "moru_model_from_json: an argument is NULL");
    *model = NULL;
    if (!where)
        where = "JSON";
    json_error_t error;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return moru_fail(MORU_ERR_FORMAT, "%s:%d: %s", where, error.line, error.text);
    moru_status status = moru_keras_config_read(model, root, true, where);
    json_decref(root);
    if (status == MORU_OK && (status = moru_model_initialize(*model, 0)) != MORU_OK) {
        moru_fail_in(status, where);
        moru_model_free(*model);
        *model = NULL;
    }
    return status;
}
