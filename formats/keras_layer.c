/* One layer's object in a Keras configuration. */
#include "formats/keras.h"

#include <stdlib.h>
#include <string.h>

const char *moru_keras_class_name(json_t *object)
{
    return json_string_value(json_object_get(object, "class_name"));
}

/* A class of the user's own, of a module of their own, may share a name with one of Keras's. */
static bool is_keras(json_t *object)
{
    const char *module = json_string_value(json_object_get(object, "module"));
    const char *registered = json_string_value(json_object_get(object, "registered_name"));
    return (!module || strncmp(module, "keras", 5) == 0 || strncmp(module, "tf_keras", 8) == 0) &&
           (!registered || !strchr(registered, '>') || strncmp(registered, "keras", 5) == 0);
}

/* Options that change what a layer computes and that every class has or may have. */
static void check_common(json_t *config, const char *path, moru_listing *faults)
{
    const char *format = json_string_value(json_object_get(config, "data_format"));
    if (format && strcmp(format, "channels_last") != 0)
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s: data_format \"%.40s\"", path, format);
}

/* Keras 2 lets any first layer give the model's input shape; the model's reader looks at it. */
static json_t *without_input_shape(json_t *config, const moru_layer_class *class_)
{
    json_t *copy = json_copy(config);
    if (class_ != &moru_input_class) {
        json_object_del(copy, "batch_input_shape");
        json_object_del(copy, "batch_shape");
        json_object_del(copy, "input_dtype");
    }
    return copy;
}

static moru_layer *make(const moru_layer_class *class_, json_t *config, const char *path, moru_listing *faults)
{
    moru_arena arena = {0};
    struct common { MORU_LAYER_OPTIONS } common = {.trainable = true};
    json_t *unknown = json_array(), *own = without_input_shape(config, class_);
    moru_layer *layer = NULL;
    char *options = moru_arena_alloc(&arena, class_->size);
    int before = faults->count;
    if (!unknown || !own || !options) {
        moru_listing_add(faults, MORU_ERR_MEMORY, "%s: out of memory", path);
        goto done;
    }
    memcpy(options, class_->defaults, class_->size);
    moru_status status = moru_fields_read(&arena, class_->fields, class_->n_fields, own, options, path, unknown);
    if (status != MORU_OK)
        moru_listing_add(faults, status, "%s", moru_last_error());
    for (size_t k = 0; k < json_array_size(unknown); k++)
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s: option %.60s of %s", path,
                         json_string_value(json_array_get(unknown, k)), class_->class_name);
    if (faults->count > before)
        goto done;
    json_t *trainable = json_object_get(config, "trainable");
    common.name = json_string_value(json_object_get(config, "name"));
    common.trainable = !json_is_false(trainable);
    memcpy(options, &common.name, sizeof common.name); /* one by one: a class's own option may lie in the padding */
    memcpy(options + offsetof(struct common, trainable), &common.trainable, sizeof common.trainable);
    layer = moru_layer_new(class_, options);
    if (!layer || layer->status != MORU_OK) {
        moru_listing_add(faults, layer ? layer->status : MORU_ERR_MEMORY, "%s: %s", path,
                         layer ? layer->error : "out of memory");
        if (layer)
            moru_layer_free_one(layer);
        layer = NULL;
    }
done:
    json_decref(unknown);
    json_decref(own);
    moru_arena_free(&arena);
    return layer;
}

moru_layer *moru_keras_layer_read(json_t *object, const char *path, moru_listing *faults)
{
    const char *class_name = moru_keras_class_name(object);
    json_t *config = json_object_get(object, "config");
    int before = faults->count;
    if (!class_name || !json_is_object(config)) {
        moru_listing_add(faults, MORU_ERR_FORMAT, "%s: has no class_name or no config", path);
        return NULL;
    }
    const moru_layer_class *class_ = is_keras(object) ? moru_layer_class_find(class_name) : NULL;
    if (!class_) {
        bool nested = json_object_get(config, "layers") != NULL;
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s: %s %.60s", path, nested ? "nested model" : "layer",
                         class_name);
        return NULL;
    }
    check_common(config, path, faults);
    return faults->count == before ? make(class_, config, path, faults) : NULL;
}

json_t *moru_keras_layer_write(const moru_layer *layer)
{
    const moru_layer_class *class_ = layer->class_;
    json_t *config = moru_fields_write(class_->fields, class_->n_fields, layer->options);
    if (!config)
        return NULL;
    json_t *head = json_pack("{s:s,s:b}", "name", layer->name, "trainable", layer->trainable ? 1 : 0);
    if (!head || (class_ != &moru_input_class && json_object_set_new(head, "dtype", json_string("float32")) != 0) ||
        json_object_update(head, config) != 0) {
        json_decref(head);
        json_decref(config);
        return NULL;
    }
    json_decref(config);
    if (class_ == &moru_input_class)
        json_object_del(head, "trainable"); /* Keras's InputLayer knows no such argument */
    return json_pack("{s:s,s:s,s:o,s:n}", "module", class_->module, "class_name", class_->class_name, "config", head,
                     "registered_name");
}
