/* Layers in general: options, weights, messages, the table of classes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <moru/random.h>

#include "core/status.h"
#include "layers/model.h"

/* ---- classes ---- */

static const moru_layer_class *const classes[] = {
#define MORU_LAYER_CLASS(name) &name,
#include "layers/layers.def"
#undef MORU_LAYER_CLASS
};

const moru_layer_class *moru_layer_class_at(int k)
{
    return k >= 0 && (size_t)k < sizeof classes / sizeof *classes ? classes[k] : NULL;
}

static const moru_layer_class *find(const char *class_name, bool operation)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (classes[i]->is_operation == operation &&
            (strcmp(classes[i]->class_name, class_name) == 0 ||
             (classes[i]->source_name && strcmp(classes[i]->source_name, class_name) == 0)))
            return classes[i];
    return NULL;
}

const char *moru_layer_source_name(const moru_layer *layer)
{
    return layer->class_->source_name ? layer->class_->source_name : layer->class_->class_name;
}

const moru_layer_class *moru_layer_class_find(const char *class_name)
{
    return find(class_name, false);
}

const moru_layer_class *moru_operation_class_find(const char *class_name)
{
    return find(class_name, true);
}

const moru_class *const *moru_family(const char *family, int *n)
{
    const struct {
        const char *name;
        const moru_class *const *classes;
        int n;
    } families[] = {{"initializer", moru_initializer_classes, moru_initializer_count},
                    {"regularizer", moru_regularizer_classes, moru_regularizer_count},
                    {"activation", moru_activation_classes, moru_activation_count},
                    {"constraint", moru_constraint_classes, moru_constraint_count}};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].name, family) == 0) {
            *n = families[i].n;
            return families[i].classes;
        }
    return NULL;
}

/* ---- making and freeing ---- */

/* Specs are checked now and kept in a form that can be written into a file. */
static moru_status normalize_specs(moru_layer *layer)
{
    for (int i = 0; i < layer->class_->n_fields; i++) {
        const moru_field *field = &layer->class_->fields[i];
        int n;
        if (field->kind != MORU_FIELD_SPEC)
            continue;
        const char **spec = (const char **)(void *)((char *)layer->options + field->offset);
        const moru_class *const *family = moru_family(field->family, &n);
        MORU_TRY(moru_spec_normalize(&layer->arena, *spec, family, n, field->name, spec));
    }
    return MORU_OK;
}

/* The layers among the options belong to this one from now on, whatever happens. */
static moru_status adopt_children(moru_layer *layer, const void *options)
{
    moru_status status = MORU_OK;
    for (int i = 0; i < layer->class_->n_fields; i++) {
        const moru_field *field = &layer->class_->fields[i];
        const void *place = (const char *)options + field->offset;
        if (field->kind != MORU_FIELD_LAYER && field->kind != MORU_FIELD_LAYERS)
            continue;
        moru_layers one = {.n = 1};
        if (field->kind == MORU_FIELD_LAYER)
            memcpy(&one.layers[0], place, sizeof one.layers[0]);
        const moru_layers *all = field->kind == MORU_FIELD_LAYERS ? place : &one;
        for (int k = 0; k < all->n && k < MORU_MAX_INNER_LAYERS; k++) {
            moru_status added = all->layers[k] ? moru_layer_add_child(layer, all->layers[k]) : MORU_OK;
            status = status == MORU_OK ? added : status;
        }
    }
    return status;
}

moru_layer *moru_layer_new(const moru_layer_class *class_, const void *options)
{
    struct common { MORU_LAYER_OPTIONS } common;
    moru_layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        goto no_memory;
    layer->class_ = class_;
    layer->status = adopt_children(layer, options);
    memcpy(&common, options, sizeof common);
    layer->trainable = common.trainable;
    layer->options = moru_options_copy(&layer->arena, class_->fields, class_->n_fields, class_->size, options);
    layer->name = common.name ? moru_arena_strdup(&layer->arena, common.name) : NULL;
    if (!layer->options || (common.name && !layer->name))
        goto no_memory;
    memcpy(layer->options, &layer->name, sizeof layer->name);
    if (layer->status == MORU_OK)
        layer->status = normalize_specs(layer);
    if (layer->status != MORU_OK)
        snprintf(layer->error, sizeof layer->error, "%s", moru_last_error());
    return layer;
no_memory:
    moru_fail(MORU_ERR_MEMORY, "no memory for a %s layer", class_->class_name);
    moru_layer_free_one(layer);
    return NULL;
}

void moru_layer_free_one(moru_layer *layer)
{
    if (!layer)
        return;
    for (int k = 0; k < layer->n_weights; k++)
        if (!layer->weights[k].owner)
            moru_tensor_free(layer->weights[k].tensor);
    free(layer->weights);
    for (int k = 0; k < layer->n_children; k++)
        moru_layer_free_one(layer->children[k]);
    free(layer->children);
    moru_model_free(layer->nested);
    for (int k = 0; k < layer->n_states; k++)
        moru_tensor_free(layer->states[k]);
    free(layer->states);
    moru_arena_free(&layer->arena);
    free(layer);
}

void moru_layer_free(moru_layer *layer)
{
    if (layer && !layer->model && !layer->parent)
        moru_layer_free_one(layer);
}

/* ---- looking at layers ---- */

const char *moru_layer_name(const moru_layer *layer)
{
    return layer->name ? layer->name : "";
}

const char *moru_layer_class_name(const moru_layer *layer)
{
    return layer->class_->class_name;
}

void moru_layer_set_trainable(moru_layer *layer, bool trainable)
{
    layer->trainable = trainable;
    for (int k = 0; k < layer->n_children; k++)
        moru_layer_set_trainable(layer->children[k], trainable);
    for (int k = 0; layer->nested && k < layer->nested->n_layers; k++)
        moru_layer_set_trainable(layer->nested->layers[k], trainable);
}

void moru_layer_reset_states(moru_layer *layer)
{
    for (int k = 0; k < layer->n_states; k++)
        memset(moru_tensor_data(layer->states[k]), 0, (size_t)moru_tensor_size(layer->states[k]) * sizeof(moru_real));
    for (int k = 0; k < layer->n_children; k++)
        moru_layer_reset_states(layer->children[k]);
    if (layer->nested)
        moru_model_reset_states(layer->nested);
}

bool moru_layer_trainable(const moru_layer *layer)
{
    return layer->trainable;
}

int moru_layer_weight_count(const moru_layer *layer)
{
    return layer->n_weights;
}

moru_tensor *moru_layer_weight_at(moru_layer *layer, int k, const char **name)
{
    if (k < 0 || k >= layer->n_weights)
        return NULL;
    if (name)
        *name = layer->weights[k].name;
    return layer->weights[k].tensor;
}

moru_status moru_layer_error(const moru_layer *layer, moru_status status, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!layer->name)
        return moru_fail(status, "%s: %s", layer->class_->class_name, text);
    return moru_fail(status, "%s \"%s\": %s", layer->class_->class_name, layer->name, text);
}

/* ---- weights ---- */

static moru_status same_weight(const moru_layer *layer, const moru_weight *weight, const moru_shape *shape)
{
    char is[MORU_SHAPE_TEXT], wanted[MORU_SHAPE_TEXT];
    if (moru_shape_equal(moru_tensor_shape(weight->tensor), shape))
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_SHAPE, "its %s has the shape %s, this input would need %s", weight->name,
                            moru_shape_print(moru_tensor_shape(weight->tensor), is, sizeof is),
                            moru_shape_print(shape, wanted, sizeof wanted));
}

/* For one more weight. */
static moru_status make_room(moru_layer *layer)
{
    if (layer->n_weights < layer->cap_weights)
        return MORU_OK;
    int capacity = layer->cap_weights ? 2 * layer->cap_weights : 4;
    moru_weight *more = realloc(layer->weights, (size_t)capacity * sizeof *more);
    if (!more)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its weights");
    layer->weights = more;
    layer->cap_weights = capacity;
    return MORU_OK;
}

moru_status moru_layer_add_weight(moru_layer *layer, const char *name, moru_shape shape, const char *initializer,
                                  const char *regularizer, bool trainable)
{
    char text[MORU_SHAPE_TEXT];
    for (int k = 0; k < layer->n_weights; k++)
        if (strcmp(layer->weights[k].name, name) == 0)
            return same_weight(layer, &layer->weights[k], &shape);
    moru_weight weight = {.name = name, .trainable = trainable, .initializer = initializer, .regularizer = regularizer,
                          .owner = NULL};
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] <= 0)
            return moru_layer_error(layer, MORU_ERR_SHAPE, "its %s can't have the shape %s", name,
                                    moru_shape_print(&shape, text, sizeof text));
    if (!initializer)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s_initializer is missing", name);
    if (regularizer && moru_regularizer_parse(regularizer, name, &weight.penalty) != MORU_OK)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s", moru_last_error());
    if (weight.penalty.orthogonal > 0 && shape.rank != 2)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "%s: OrthogonalRegularizer is for matrices", name);
    weight.constraint = moru_layer_constraint(layer, name);
    if (weight.constraint && moru_constraint_check(weight.constraint, shape.rank, name) != MORU_OK)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s", moru_last_error());
    MORU_TRY(make_room(layer));
    weight.tensor = moru_tensor_new(MORU_REAL, shape);
    if (!weight.tensor)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "%s: %s", name, moru_last_error());
    layer->weights[layer->n_weights++] = weight;
    return MORU_OK;
}

bool moru_layer_trains(const moru_layer *layer, int k)
{
    while (layer) {
        const moru_weight *weight = &layer->weights[k];
        if (!layer->trainable || !weight->trainable)
            return false;
        layer = weight->owner;
        k = weight->owner_index;
    }
    return true;
}

/* ---- layers inside ---- */

moru_status moru_layer_add_child(moru_layer *layer, moru_layer *child)
{
    moru_layer **more = realloc(layer->children, (size_t)(layer->n_children + 1) * sizeof *more);
    if (more)
        layer->children = more;
    if (!more || child->model || child->parent) {
        moru_status status = more ? moru_layer_error(layer, MORU_ERR_ARGUMENT, "the layer \"%s\" for its inside is in "
                                                     "use already", moru_layer_name(child))
                                  : moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for the layer inside");
        moru_layer_free(child);
        return status;
    }
    child->parent = layer;
    layer->children[layer->n_children++] = child;
    return MORU_OK;
}

moru_status moru_layer_adopt_new(moru_layer *layer, moru_layer *child)
{
    return child ? moru_layer_add_child(layer, child)
                 : moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for the layer inside");
}

/* Where an options struct has the layers of a field; returns how many places. */
static int child_places(const moru_field *field, char *options, moru_layer ***places)
{
    if (field->kind == MORU_FIELD_LAYER) {
        *places = (moru_layer **)(void *)(options + field->offset);
        return 1;
    }
    if (field->kind != MORU_FIELD_LAYERS)
        return 0;
    moru_layers *several = (moru_layers *)(void *)(options + field->offset);
    *places = several->layers;
    return several->n;
}

/* Copies in the place of the layers among the options: all or none. */
static bool clone_children(const moru_layer_class *class_, char *options)
{
    moru_layer **places;
    bool all = true;
    for (int i = 0; i < class_->n_fields; i++)
        for (int k = child_places(&class_->fields[i], options, &places) - 1; k >= 0; k--)
            if (places[k]) {
                places[k] = moru_layer_clone(places[k]);
                all = all && places[k];
            }
    for (int i = 0; i < class_->n_fields && !all; i++)
        for (int k = child_places(&class_->fields[i], options, &places) - 1; k >= 0; k--)
            moru_layer_free(places[k]);
    return all;
}

moru_layer *moru_layer_clone(const moru_layer *layer)
{
    moru_arena arena = {0};
    const moru_layer_class *class_ = layer->class_;
    moru_layer *copy = NULL;
    if (layer->nested) {
        moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "a model can't be copied");
        return NULL;
    }
    char *options = moru_options_copy(&arena, class_->fields, class_->n_fields, class_->size, layer->options);
    if (!options)
        moru_fail(MORU_ERR_MEMORY, "no memory for a %s layer", class_->class_name);
    else if (clone_children(class_, options))
        copy = moru_layer_new(class_, options);
    moru_arena_free(&arena);
    if (copy)
        copy->trainable = layer->trainable;
    return copy;
}

/* "a/b", or the one that isn't NULL. */
static const char *join(moru_layer *layer, const char *a, const char *b)
{
    if (!a || !b)
        return a ? a : b;
    size_t size = strlen(a) + strlen(b) + 2;
    char *text = moru_arena_alloc(&layer->arena, size);
    if (text)
        snprintf(text, size, "%s/%s", a, b);
    return text;
}

static bool has_tensor(const moru_layer *layer, const moru_tensor *tensor)
{
    for (int k = 0; k < layer->n_weights; k++)
        if (layer->weights[k].tensor == tensor)
            return true;
    return false;
}

moru_status moru_layer_borrow_weights(moru_layer *layer, moru_layer *child, const char *group, const char *prefix)
{
    for (int k = 0; k < child->n_weights; k++) {
        if (has_tensor(layer, child->weights[k].tensor))
            continue;
        MORU_TRY(make_room(layer));
        moru_weight *weight = &layer->weights[layer->n_weights];
        *weight = child->weights[k];
        weight->owner = child;
        weight->owner_index = k;
        weight->group = join(layer, group, child->weights[k].group);
        if (weight->also && group)
            weight->also = weight->also[0] ? join(layer, group, weight->also) : group;
        weight->name = join(layer, prefix, child->weights[k].name);
        if (!weight->name || (group && !weight->group) || (child->weights[k].also && !weight->also))
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its weights");
        layer->n_weights++;
    }
    return MORU_OK;
}

moru_status moru_layer_build_child(moru_layer *layer, moru_layer *child, const moru_shape *inputs,
                                   const moru_dtype *dtypes, int n, const char *group, const char *prefix)
{
    if (child->status != MORU_OK)
        return moru_layer_error(child, child->status, "%s", child->error);
    if (n < child->class_->min_inputs || (child->class_->max_inputs >= 0 && n > child->class_->max_inputs))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "the %s inside takes another number of inputs than %d",
                                child->class_->class_name, n);
    moru_status status = child->class_->build(child, inputs, dtypes, n);
    if (status != MORU_OK)
        return moru_layer_error(layer, status, "%s", moru_last_error());
    if (!child->built) {
        child->input_shapes = moru_arena_alloc(&child->arena, (size_t)(n + 1) * sizeof *inputs);
        if (!child->input_shapes)
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
        for (int i = 0; i < n; i++)
            child->input_shapes[i] = inputs[i];
        child->n_inputs = n;
        child->built = true;
    }
    return moru_layer_borrow_weights(layer, child, group, prefix);
}

/* ---- checks ---- */

moru_status moru_layer_channels_last(const moru_layer *layer, const char *data_format)
{
    if (!data_format || strcasecmp(data_format, "channels_last") == 0)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_UNSUPPORTED,
                            "data_format \"%.40s\" isn't supported, only \"channels_last\" is",
                            data_format);
}

moru_status moru_layer_rank(const moru_layer *layer, const moru_shape *input, int rank)
{
    char text[MORU_SHAPE_TEXT];
    if (input->rank == rank)
        return MORU_OK;
    return moru_layer_error(layer, MORU_ERR_SHAPE, "it takes an input of %d dimensions, not %s", rank,
                            moru_shape_print(input, text, sizeof text));
}

moru_status moru_layer_axis(const moru_layer *layer, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return moru_layer_error(layer, MORU_ERR_SHAPE, "axis %lld doesn't exist in an input of %d dimensions",
                                (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return MORU_OK;
}

moru_status moru_layer_padding(const moru_layer *layer, const char *padding, moru_padding *out)
{
    bool same = padding && strcasecmp(padding, "same") == 0;
    if (!padding || (!same && strcasecmp(padding, "valid") != 0))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "padding must be \"valid\" or \"same\", not \"%.40s\"",
                                padding ? padding : "");
    *out = same ? MORU_SAME : MORU_VALID;
    return MORU_OK;
}

moru_status moru_layer_positive(const moru_layer *layer, const char *option, const int64_t *values, int n)
{
    for (int i = 0; i < n; i++)
        if (values[i] <= 0)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "%s must be positive, not %lld", option,
                                    (long long)values[i]);
    return MORU_OK;
}

moru_node *moru_as_real(moru_node *x)
{
    return moru_node_failed(x) || x->dtype == MORU_REAL ? x : moru_cast(x, MORU_REAL);
}

moru_status moru_weight_initialize(const moru_weight *weight, uint64_t seed)
{
    MORU_TRY(moru_initialize_fans(weight->initializer, weight->tensor, seed, moru_random_stream(weight->path),
                                  weight->fan_in, weight->fan_out));
    moru_real *data = moru_tensor_data(weight->tensor);
    for (int64_t i = 0; i < weight->ones; i++)
        data[weight->ones_from + i] = 1;
    return MORU_OK;
}
