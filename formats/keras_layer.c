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

bool moru_keras_is_operation(json_t *object)
{
    const char *module = json_string_value(json_object_get(object, "module"));
    return module && (strncmp(module, "keras.src.ops", 13) == 0 || strncmp(module, "keras.ops", 9) == 0);
}

void moru_keras_path(const char *path, const char *name, char out[MORU_KERAS_PATH])
{
    snprintf(out, MORU_KERAS_PATH, path[0] ? "%.120s/%.120s" : "%s%.120s", path, name);
}

/* Name of a dtype or DTypePolicy; NULL: none is given. */
static const char *policy_of(json_t *config)
{
    json_t *dtype = json_object_get(config, "dtype");
    return json_string_value(json_is_object(dtype) ? json_object_get(json_object_get(dtype, "config"), "name") : dtype);
}

/* What Keras computes in fewer bits is computed in float here, and its variables are kept so; the policy stays in the
 * configuration. Quantized layers are something else. */
static bool is_float_policy(const char *policy)
{
    static const char *const known[] = {"float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (strcmp(policy, known[k]) == 0)
            return true;
    return false;
}

/* Cast's option of this name isn't the layer's own type. */
static bool takes_dtype(const moru_layer_class *class_)
{
    for (int k = 0; k < class_->n_fields; k++)
        if (strcmp(class_->fields[k].name, "dtype") == 0)
            return true;
    return false;
}

/* Keras 2 lets any first layer give the model's input shape; the model's reader looks at it. */
static json_t *without_input_shape(json_t *config, const moru_layer_class *class_)
{
    json_t *copy = json_copy(config);
    if (class_ != &moru_input_class) {
        json_object_del(copy, "batch_input_shape");
        json_object_del(copy, "batch_shape");
        json_object_del(copy, "input_dtype");
        if (policy_of(config) && is_float_policy(policy_of(config)) && !takes_dtype(class_))
            json_object_del(copy, "dtype");
    }
    return copy;
}

/* ---- layers inside a layer ---- */

static bool holds_layers(const moru_field *field)
{
    return field->kind == MORU_FIELD_LAYER || field->kind == MORU_FIELD_LAYERS;
}

static void read_child(json_t *object, const char *path, const char *option, moru_layers *children,
                       moru_listing *faults)
{
    char place[MORU_KERAS_PATH];
    const char *name = json_string_value(json_object_get(json_object_get(object, "config"), "name"));
    if (json_is_null(object) || !object)
        return;
    moru_keras_path(path, name ? name : option, place);
    moru_layer *child = moru_keras_layer_read(object, place, faults);
    if (child && children->n == MORU_MAX_INNER_LAYERS) {
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s: more than %d layers inside", path, MORU_MAX_INNER_LAYERS);
        moru_layer_free(child);
    } else if (child) {
        children->layers[children->n++] = child;
    }
}

/* Into options; what has been read belongs to them even if there are faults. */
static void read_children(const moru_layer_class *class_, json_t *config, char *options, const char *path,
                          moru_listing *faults)
{
    for (int i = 0; i < class_->n_fields; i++) {
        const moru_field *field = &class_->fields[i];
        json_t *value = json_object_get(config, field->name);
        moru_layers children = {.n = 0};
        if (!holds_layers(field))
            continue;
        if (field->kind == MORU_FIELD_LAYER || !json_is_array(value))
            read_child(value, path, field->name, &children, faults);
        else
            for (size_t k = 0; k < json_array_size(value); k++)
                read_child(json_array_get(value, k), path, field->name, &children, faults);
        if (field->kind == MORU_FIELD_LAYER)
            memcpy(options + field->offset, &children.layers[0], sizeof children.layers[0]);
        else
            memcpy(options + field->offset, &children, sizeof children);
    }
}

static moru_layers children_of(const moru_field *field, const void *options)
{
    moru_layers children = {.n = 0};
    const char *place = (const char *)options + field->offset;
    if (field->kind == MORU_FIELD_LAYERS) {
        memcpy(&children, place, sizeof children);
    } else {
        memcpy(&children.layers[0], place, sizeof children.layers[0]);
        children.n = children.layers[0] != NULL;
    }
    return children;
}

static void free_children(const moru_layer_class *class_, const void *options)
{
    for (int i = 0; i < class_->n_fields; i++) {
        moru_layers children = {.n = 0};
        if (holds_layers(&class_->fields[i]))
            children = children_of(&class_->fields[i], options);
        for (int k = 0; k < children.n; k++)
            moru_layer_free(children.layers[k]);
    }
}

static moru_status write_children(const moru_layer *layer, json_t *config)
{
    for (int i = 0; i < layer->class_->n_fields; i++) {
        const moru_field *field = &layer->class_->fields[i];
        if (!holds_layers(field))
            continue;
        moru_layers children = children_of(field, layer->options);
        json_t *list = json_array();
        for (int k = 0; k < children.n; k++)
            if (json_array_append_new(list, moru_keras_layer_write(children.layers[k])) != 0) {
                json_decref(list);
                return moru_last_error()[0] ? MORU_ERR_UNSUPPORTED : MORU_ERR_MEMORY;
            }
        json_t *first = json_incref(json_array_get(list, 0));
        bool one = field->kind == MORU_FIELD_LAYER;
        json_object_set_new(config, field->name, one ? first ? first : json_null() : json_incref(list));
        if (!one)
            json_decref(first);
        json_decref(list);
    }
    return MORU_OK;
}

/* Constraints, and the regularizer of the outputs, of a class that has no fields for them. */
static json_t *take_extras(json_t *unknown, json_t *config)
{
    json_t *extras = json_object();
    for (size_t k = 0; extras && k < json_array_size(unknown);) {
        const char *name = json_string_value(json_array_get(unknown, k)), *cut = strstr(name, "_constraint");
        bool known = strcmp(name, "activity_regularizer") == 0 || (cut && strcmp(cut, "_constraint") == 0);
        if (known && json_object_set(extras, name, json_object_get(config, name)) == 0)
            json_array_remove(unknown, k);
        else
            k++;
    }
    return extras;
}

static moru_layer *make(const moru_layer_class *class_, json_t *config, const char *path, moru_listing *faults)
{
    moru_arena arena = {0};
    struct common { MORU_LAYER_OPTIONS } common = {.trainable = true};
    json_t *unknown = json_array(), *own = without_input_shape(config, class_);
    json_t *extras = NULL;
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
    extras = take_extras(unknown, own);
    for (size_t k = 0; k < json_array_size(unknown); k++)
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s: option %.60s of %s", path,
                         json_string_value(json_array_get(unknown, k)), class_->class_name);
    read_children(class_, own, options, path, faults);
    if (faults->count > before) {
        free_children(class_, options);
        goto done;
    }
    json_t *trainable = json_object_get(config, "trainable");
    common.name = json_string_value(json_object_get(config, "name"));
    common.trainable = !json_is_false(trainable);
    memcpy(options, &common.name, sizeof common.name); /* one by one: a class's own option may lie in the padding */
    memcpy(options + offsetof(struct common, trainable), &common.trainable, sizeof common.trainable);
    layer = moru_layer_new(class_, options);
    if (layer && layer->status == MORU_OK && (status = moru_layer_read_extras(layer, extras)) != MORU_OK) {
        layer->status = status;
        snprintf(layer->error, sizeof layer->error, "%s", moru_last_error());
    }
    if (!layer || layer->status != MORU_OK) {
        moru_listing_add(faults, layer ? layer->status : MORU_ERR_MEMORY, "%s: %s", path,
                         layer ? layer->error : "out of memory");
        if (layer)
            moru_layer_free_one(layer);
        layer = NULL;
    } else {
        layer->raw = true;
    }
    const char *policy = policy_of(config);
    if (layer && policy && strcmp(policy, "float32") != 0 && !takes_dtype(class_))
        layer->dtype = moru_arena_strdup(&layer->arena, policy);
done:
    json_decref(extras);
    json_decref(unknown);
    json_decref(own);
    moru_arena_free(&arena);
    return layer;
}

/* A model in a model. */
static moru_layer *read_nested(json_t *object, const char *path, moru_listing *faults)
{
    moru_model *model;
    int before = faults->count;
    moru_status status = moru_keras_model_read(&model, object, path, faults, path);
    if (status != MORU_OK && faults->count == before)
        moru_listing_add(faults, status, "%s", moru_last_error());
    if (status != MORU_OK || !model)
        return NULL;
    moru_layer *layer = moru_model_layer_of(model);
    if (!layer)
        moru_listing_add(faults, MORU_ERR_MEMORY, "%s: out of memory", path);
    else
        layer->trainable = !json_is_false(json_object_get(json_object_get(object, "config"), "trainable"));
    if (layer)
        layer->raw = true;
    return layer;
}

moru_layer *moru_keras_layer_read(json_t *object, const char *path, moru_listing *faults)
{
    const char *class_name = moru_keras_class_name(object);
    json_t *config = json_object_get(object, "config");
    if (json_object_get(config, "layers") && is_keras(object))
        return read_nested(object, path, faults);
    if (!class_name || !json_is_object(config)) {
        moru_listing_add(faults, MORU_ERR_FORMAT, "%s: has no class_name or no config", path);
        return NULL;
    }
    const moru_layer_class *class_ = !is_keras(object) ? NULL :
                                     moru_keras_is_operation(object) ? moru_operation_class_find(class_name) :
                                     moru_layer_class_find(class_name);
    if (!class_ || class_ == &moru_sequential_class || class_ == &moru_functional_class) {
        bool nested = class_ || json_object_get(config, "layers");
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s: %s %.60s", path, nested ? "nested model" : "layer",
                         class_name);
        return NULL;
    }
    return make(class_, config, path, faults);
}

json_t *moru_keras_layer_write(const moru_layer *layer)
{
    const moru_layer_class *class_ = layer->class_;
    if (layer->nested) {
        json_t *object;
        if (moru_keras_model_write(layer->nested, &object) == MORU_OK && !layer->trainable)
            json_object_set_new(json_object_get(object, "config"), "trainable", json_false());
        return object;
    }
    json_t *config = moru_fields_write(class_->fields, class_->n_fields, layer->options);
    if (!config || write_children(layer, config) != MORU_OK || moru_layer_write_extras(layer, config) != MORU_OK) {
        json_decref(config);
        return NULL;
    }
    json_t *head = json_pack("{s:s?,s:b}", "name", layer->name, "trainable", layer->trainable ? 1 : 0);
    bool own_type = class_ != &moru_input_class && !class_->is_operation && !takes_dtype(class_);
    if (!head || (own_type &&
         json_object_set_new(head, "dtype", json_string(layer->dtype ? layer->dtype : "float32")) != 0) ||
        json_object_update(head, config) != 0) {
        json_decref(head);
        json_decref(config);
        return NULL;
    }
    json_decref(config);
    if (class_ == &moru_input_class || class_->is_operation || class_->bare)
        json_object_del(head, "trainable"); /* Keras's InputLayer and operations know no such argument */
    return json_pack("{s:s,s:s,s:o,s:s?}", "module", class_->module, "class_name", class_->class_name, "config", head,
                     "registered_name", class_->is_operation ? class_->class_name : NULL);
}
