/* What Keras 1 and 2 say otherwise in configurations, said as Keras 3 does. */
#include "formats/keras.h"

#include <stdlib.h>
#include <string.h>

static bool is(json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static const char *after_registration(const char *name)
{
    const char *mark = strncmp(name, "Custom>", 7) == 0 ? name + 7 : name;
    return strncmp(mark, "keras>", 6) == 0 ? mark + 6 : mark;
}

/* Options that said nothing then, or of which only one value says what Keras 3 does. */
static void drop_options(json_t *config)
{
    static const char *const always[] = {"ragged", "sparse", "input_length", "optional", "implementation"};
    static const char *const if_false[] = {"time_major", "renorm", "fused", "zero_output_for_mask_set"};
    static const char *const if_null[] = {"virtual_batch_size", "adjustment", "ragged_batch"};
    for (size_t k = 0; k < sizeof always / sizeof *always; k++)
        if (json_is_false(json_object_get(config, always[k])) || json_is_null(json_object_get(config, always[k])) ||
            k >= 2)
            json_object_del(config, always[k]);
    for (size_t k = 0; k < sizeof if_false / sizeof *if_false; k++)
        if (json_is_false(json_object_get(config, if_false[k])))
            json_object_del(config, if_false[k]);
    for (size_t k = 0; k < sizeof if_null / sizeof *if_null; k++)
        if (json_is_null(json_object_get(config, if_null[k])))
            json_object_del(config, if_null[k]);
}

/* The kernels of convolutions by depth have names of their own; what their base class says of "kernel" is of none. */
static void drop_kernel(json_t *config)
{
    static const char *const names[] = {"kernel_initializer", "kernel_regularizer", "kernel_constraint", "groups"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        json_object_del(config, names[k]);
}

/* Before Keras 3 it was clip(0.2 x + 0.5, 0, 1), now it is clip(x / 6 + 0.5, 0, 1). */
static void rename_hard_sigmoid(json_t *config)
{
    static const char *const names[] = {"activation", "recurrent_activation"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (is(json_object_get(config, names[k]), "hard_sigmoid"))
            json_object_set_new(config, names[k], json_string(MORU_KERAS2_HARD_SIGMOID));
}

/* {"class_name": "Policy", "config": {"name": "float32"}}; the field's reader knows plain names. */
static void rename_policy(json_t *config)
{
    json_t *dtype = json_object_get(config, "dtype"), *name = json_object_get(json_object_get(dtype, "config"), "name");
    const char *class_name = moru_keras_class_name(dtype);
    if (class_name && strstr(class_name, "Policy") && json_is_string(name))
        json_object_set(config, "dtype", name);
}

/* Functions between layers that Keras 3 has no operation for: named, so that a message can name them. */
static void name_function(json_t *object, json_t *config, const char *class_name)
{
    const char *name = json_string_value(json_object_get(config, "function"));
    if (!name || !moru_keras2_is_operation(object) || moru_keras2_knows_operation(object))
        return;
    json_object_set_new(object, "class_name", json_sprintf("%s (%s%.40s)", class_name,
                        strncmp(name, "__", 2) == 0 ? "tf." : "", name));
}

/* Names of layers had slashes; in Keras 3 they are what separates names. */
static json_t *without_slashes(json_t *name)
{
    char *copy = json_is_string(name) && strchr(json_string_value(name), '/') ? strdup(json_string_value(name)) : NULL;
    for (char *c = copy; c && *c; c++)
        *c = *c == '/' ? '_' : *c;
    json_t *fresh = copy ? json_string(copy) : NULL;
    free(copy);
    return fresh;
}

static void rename_member(json_t *object)
{
    json_t *fresh = without_slashes(json_object_get(object, "name"));
    if (fresh)
        json_object_set_new(object, "name", fresh);
}

/* In ["layer", call, output], wherever they stand in a list of calls. */
static void rename_calls(json_t *value)
{
    size_t k;
    json_t *item;
    const char *key;
    json_t *fresh = json_is_integer(json_array_get(value, 1)) ? without_slashes(json_array_get(value, 0)) : NULL;
    if (fresh)
        json_array_set_new(value, 0, fresh);
    json_array_foreach(value, k, item)
        rename_calls(item);
    if (json_is_object(value))
        json_object_foreach(value, key, item)
            rename_calls(item);
}

static void rewrite_object(json_t *object, const char *class_name)
{
    json_t *config = json_object_get(object, "config");
    const char *plain = after_registration(class_name);
    if (plain != class_name) {
        json_t *fresh = json_string(plain);
        json_object_set_new(object, "class_name", fresh);
        class_name = json_string_value(fresh);
    }
    if (!json_is_object(config))
        return;
    rename_policy(config);
    rename_member(object);
    rename_member(config);
    rename_calls(json_object_get(object, "inbound_nodes"));
    rename_calls(json_object_get(config, "input_layers"));
    rename_calls(json_object_get(config, "output_layers"));
    name_function(object, config, class_name);
    if (json_object_get(config, "name") && (json_object_get(config, "trainable") || json_object_get(config, "dtype"))) {
        drop_options(config);
        rename_hard_sigmoid(config);
    }
    class_name = moru_keras_class_name(object);
    if (strncmp(class_name, "DepthwiseConv", 13) == 0 || strncmp(class_name, "SeparableConv", 13) == 0)
        drop_kernel(config);
    if (strcmp(class_name, "GRU") == 0 && !json_object_get(config, "reset_after"))
        json_object_set_new(config, "reset_after", json_false()); /* the option is younger than the layer */
}

void moru_keras2_config(json_t *value)
{
    size_t k;
    json_t *item;
    const char *key, *class_name = moru_keras_class_name(value);
    json_array_foreach(value, k, item)
        moru_keras2_config(item);
    if (class_name)
        rewrite_object(value, class_name);
    json_object_foreach(value, key, item)
        if (strcmp(key, "inbound_nodes") != 0)
            moru_keras2_config(item);
}

/* ---- what it was compiled with ---- */

/* "MeanMetricWrapper" of a function goes by the function's name. */
static json_t *metric_of(json_t *metric)
{
    const char *class_name = moru_keras_class_name(metric);
    json_t *fn = json_object_get(json_object_get(metric, "config"), "fn");
    if (class_name && strcmp(class_name, "MeanMetricWrapper") == 0 && json_is_string(fn))
        return json_incref(fn);
    return NULL;
}

static void simplify_metrics(json_t *value)
{
    size_t k;
    json_t *item;
    const char *key;
    json_array_foreach(value, k, item) {
        json_t *simple = metric_of(item);
        if (simple)
            json_array_set_new(value, k, simple);
        else
            simplify_metrics(item);
    }
    if (json_is_object(value) && !moru_keras_class_name(value))
        json_object_foreach(value, key, item) {
            json_t *simple = metric_of(item);
            if (simple)
                json_object_set_new(value, key, simple);
            else
                simplify_metrics(item);
        }
}

/* "auto" was the mean over the batch everywhere but in custom loops. */
static void simplify_loss(json_t *value)
{
    size_t k;
    json_t *item, *config = json_object_get(value, "config");
    const char *key;
    json_array_foreach(value, k, item)
        simplify_loss(item);
    if (moru_keras_class_name(value) && json_is_object(config)) {
        json_object_del(config, "fn");
        if (is(json_object_get(config, "reduction"), "auto"))
            json_object_set_new(config, "reduction", json_string("sum_over_batch_size"));
    } else if (json_is_object(value)) {
        json_object_foreach(value, key, item)
            simplify_loss(item);
    }
}

static void simplify_optimizer(json_t *optimizer)
{
    json_t *config = json_object_get(optimizer, "config"), *rate = json_object_get(config, "lr");
    const char *class_name = moru_keras_class_name(optimizer);
    if (class_name && after_registration(class_name) != class_name)
        json_object_set_new(optimizer, "class_name", json_string(after_registration(class_name)));
    if (!json_is_object(config))
        return;
    if (rate && !json_object_get(config, "learning_rate"))
        json_object_set(config, "learning_rate", rate);
    json_object_del(config, "lr");
    json_object_del(config, "is_legacy_optimizer");
    json_object_del(config, "jit_compile");
    if (json_number_value(json_object_get(config, "decay")) == 0)
        json_object_del(config, "decay");
}

json_t *moru_keras_training_config(json_t *config)
{
    static const char *const kept[] = {"loss", "loss_weights", "metrics", "weighted_metrics"};
    json_t *compiled = json_object(), *optimizer = json_deep_copy(json_object_get(config, "optimizer_config"));
    for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) {
        json_t *value = json_deep_copy(json_object_get(config, kept[k]));
        json_object_set_new(compiled, kept[k], value ? value : json_null());
    }
    simplify_loss(json_object_get(compiled, "loss"));
    simplify_metrics(json_object_get(compiled, "metrics"));
    simplify_metrics(json_object_get(compiled, "weighted_metrics"));
    simplify_optimizer(optimizer);
    if (optimizer)
        json_object_set_new(compiled, "optimizer", optimizer);
    return compiled;
}
