/* Which of PyTorch's modules is which layer. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/file.h"
#include "formats/torch.h"

enum { MAX_MAPPING = 16 << 20, NAME = 512 };

/* ---- layers ---- */

static json_t *mapping_of(const moru_torch_layers *layers, const char *path)
{
    return json_object_get(layers->mapping, path);
}

const char *moru_torch_mapped(const moru_torch_layers *layers, const moru_torch_layer *layer)
{
    json_t *entry = mapping_of(layers, layer->path);
    return json_string_value(json_is_object(entry) ? json_object_get(entry, "module") : entry);
}

static bool flattens(const moru_torch_layers *layers, const char *path)
{
    const char *order = json_string_value(json_object_get(mapping_of(layers, path), "flatten"));
    return !order || strcmp(order, "channels_last") != 0;
}

/* A weight named on its own: "path/kernel": "tensor", or {"tensor": name, "transpose": [axes]}, that the parameter
 * transposed so is the weight. */
static bool add_weight(moru_torch_rule *rule, const moru_layer *layer, int k, json_t *entry)
{
    const moru_shape *s = moru_tensor_shape(layer->weights[k].tensor);
    const char *name = json_string_value(json_is_object(entry) ? json_object_get(entry, "tensor") : entry);
    json_t *axes = json_object_get(entry, "transpose");
    if (!name || rule->n == MORU_TORCH_PARTS || s->rank > MORU_TORCH_AXES || strlen(name) >= sizeof rule->parts[0].name)
        return false;
    moru_torch_part *part = &rule->parts[rule->n++];
    *part = (moru_torch_part){.weight = k, .axes = s->rank ? s->rank : 1, .sizes = {1}, .here = {1}, .there = {1}};
    snprintf(part->name, sizeof part->name, "%s", name);
    part->shape = (moru_shape){.rank = s->rank};
    bool used[MORU_TORCH_AXES] = {false};
    for (int i = 0; i < s->rank; i++) {
        json_t *value = json_array_get(axes, (size_t)i);
        int64_t axis = json_is_array(axes) ? json_is_integer(value) ? json_integer_value(value) : -1 : i;
        if (axis < 0 || axis >= s->rank || used[axis])
            return false;
        used[axis] = true;
        part->there[i] = axis; /* for now */
        part->shape.dims[axis] = s->dims[i];
        part->sizes[i] = s->dims[i];
    }
    for (int64_t here = 1, i = s->rank - 1; i >= 0; here *= s->dims[i], i--)
        part->here[i] = here;
    int64_t there[MORU_TORCH_AXES] = {0};
    for (int64_t stride = 1, i = s->rank - 1; i >= 0; stride *= part->shape.dims[i], i--)
        there[i] = stride;
    for (int i = 0; i < s->rank; i++)
        part->there[i] = there[part->there[i]];
    return true;
}

/* Whether the mapping names a layer's weights one by one. */
static bool read_weights(const moru_torch_layers *layers, moru_torch_layer *l, moru_listing *faults)
{
    char path[2 * MORU_KERAS_PATH];
    int named = 0;
    l->rule.n = 0;
    for (int k = 0; k < l->layer->n_weights; k++) {
        snprintf(path, sizeof path, "%s/%.200s", l->path, l->layer->weights[k].name);
        json_t *entry = mapping_of(layers, path);
        named += entry != NULL;
        if (entry && !add_weight(&l->rule, l->layer, k, entry))
            moru_listing_add(faults, MORU_ERR_FORMAT, "the mapping of \"%s\" isn't a name, or {\"tensor\": name, "
                             "\"transpose\": [each axis once]}", path);
    }
    if (named > 0 && named < l->layer->n_weights)
        moru_listing_add(faults, MORU_ERR_ARGUMENT, "the mapping names %d of the %d weights of \"%s\"", named,
                         l->layer->n_weights, l->path);
    return named > 0;
}

static bool add_layer(moru_torch_layers *layers, moru_layer *layer, const char *path, moru_listing *faults)
{
    moru_torch_layer *fresh = realloc(layers->layers, (size_t)(layers->n + 1) * sizeof *fresh);
    const char *why;
    if (!fresh)
        return false;
    layers->layers = fresh;
    moru_torch_layer *l = &fresh[layers->n++];
    memset(l, 0, sizeof *l);
    l->layer = layer;
    snprintf(l->path, sizeof l->path, "%s", path);
    if (read_weights(layers, l, faults))
        return (l->module = strdup("")) != NULL;
    if (!moru_torch_rule_of(layer, flattens(layers, path), &l->rule, &why))
        moru_listing_add(faults, MORU_ERR_UNSUPPORTED, "%s \"%s\": %s", layer->class_->class_name, path, why);
    return true;
}

static bool add_layers(moru_torch_layers *layers, moru_layer *const *order, int n, const char *path,
                       moru_listing *faults)
{
    char place[MORU_KERAS_PATH];
    for (int k = 0; k < n; k++) {
        moru_layer *layer = order[k];
        if (layer->n_weights == 0)
            continue;
        moru_keras_path(path, layer->name, place);
        bool wraps = strcmp(layer->class_->class_name, "TimeDistributed") == 0 && layer->n_children == 1;
        if (wraps && !layer->children[0]->nested)
            layer = layer->children[0];
        if (layer->nested ? !add_layers(layers, layer->nested->order, layer->nested->n_order, place, faults)
                          : !add_layer(layers, layer, place, faults))
            return false;
    }
    return true;
}

/* Keys that name no layer and no weight of one. */
static void check_mapping(const moru_torch_layers *layers, moru_listing *faults)
{
    const char *key;
    json_t *value;
    json_object_foreach(layers->mapping, key, value) {
        bool known = false;
        for (int k = 0; k < layers->n && !known; k++) {
            size_t n = strlen(layers->layers[k].path);
            known = strncmp(key, layers->layers[k].path, n) == 0 && !key[n];
            for (int w = 0; w < layers->layers[k].layer->n_weights && !known; w++)
                known = strncmp(key, layers->layers[k].path, n) == 0 && key[n] == '/' &&
                        strcmp(key + n + 1, layers->layers[k].layer->weights[w].name) == 0;
        }
        if (!known)
            moru_listing_add(faults, MORU_ERR_ARGUMENT, "the mapping's \"%.100s\" is no layer with weights", key);
    }
}

moru_status moru_torch_list(const moru_model *model, const char *mapping, moru_torch_layers *layers,
                            moru_listing *faults)
{
    void *text;
    int64_t size;
    json_error_t error;
    *layers = (moru_torch_layers){.layers = NULL};
    if (mapping) {
        MORU_TRY(moru_file_read(mapping, MAX_MAPPING, &text, &size));
        layers->mapping = json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, &error);
        free(text);
        if (!json_is_object(layers->mapping))
            return moru_fail(MORU_ERR_FORMAT, "%s:%d: it must be a JSON object: %s", mapping,
                             layers->mapping ? 1 : error.line, layers->mapping ? "it isn't" : error.text);
    }
    size_t most = (size_t)(model->n_layers > model->n_order ? model->n_layers : model->n_order) + 1;
    moru_layer **order = malloc(most * sizeof *order);
    bool ok = order && add_layers(layers, order, moru_model_keras_order(model, order), "", faults);
    free(order);
    if (!ok)
        return moru_fail(MORU_ERR_MEMORY, "model \"%s\": out of memory", model->name);
    check_mapping(layers, faults);
    return MORU_OK;
}

void moru_torch_layers_free(moru_torch_layers *layers)
{
    for (int k = 0; k < layers->n; k++)
        free(layers->layers[k].module);
    free(layers->layers);
    json_decref(layers->mapping);
}

/* ---- modules ---- */

/* "weight_ih_l2_reverse": the number of the layer in a stack of them; -1: it is another name. */
static int stacked(const char *name, size_t *at, size_t *end)
{
    static const char *const bases[] = {"weight_ih_l", "weight_hh_l", "bias_ih_l", "bias_hh_l"};
    for (size_t k = 0; k < sizeof bases / sizeof *bases; k++) {
        size_t n = strlen(bases[k]);
        if (strncmp(name, bases[k], n) != 0)
            continue;
        size_t digits = strspn(name + n, "0123456789");
        if (digits == 0 || digits > 4 || (name[n + digits] && strcmp(name + n + digits, "_reverse") != 0))
            return -1;
        *at = n;
        *end = n + digits;
        return atoi(name + n);
    }
    return -1;
}

/* A module is "name", or "name:2" for the third of the layers that are stacked in it. */
static int number_in_stack(const char *module, size_t *length)
{
    const char *colon = strrchr(module, ':');
    bool has = colon && colon[1] && strspn(colon + 1, "0123456789") == strlen(colon + 1) && strlen(colon) < 6;
    *length = has ? (size_t)(colon - module) : strlen(module);
    return has ? atoi(colon + 1) : 0;
}

moru_bundle_item *moru_torch_find(const moru_bundle *bundle, const char *module, const char *name)
{
    char full[NAME];
    size_t length, at, end;
    int number = number_in_stack(module, &length);
    const char *dot = length ? "." : "";
    if (number > 0 && stacked(name, &at, &end) >= 0)
        snprintf(full, sizeof full, "%.*s%s%.*s%d%s", (int)length, module, dot, (int)at, name, number, name + end);
    else
        snprintf(full, sizeof full, "%.*s%s%s", (int)length, module, dot, name);
    return moru_bundle_find(bundle, full);
}

/* Counters aren't weights. */
static bool is_counter(const char *name)
{
    const char *tail = "num_batches_tracked";
    size_t n = strlen(name), m = strlen(tail);
    return n >= m && strcmp(name + n - m, tail) == 0;
}

static bool belongs(const char *name, const char *module)
{
    size_t length, at, end;
    int number = number_in_stack(module, &length);
    if (is_counter(name) || (length && (strncmp(name, module, length) != 0 || name[length] != '.')))
        return false;
    name += length ? length + 1 : 0;
    int layer = stacked(name, &at, &end);
    return layer < 0 ? number == 0 : layer == number;
}

/* The parameter's name in its module, and the module's own length, may take two words. */
static size_t module_length(const char *name)
{
    static const char *const two[] = {".out_proj.weight", ".out_proj.bias", ".depthwise.weight", ".pointwise.weight",
                                      ".pointwise.bias"};
    size_t n = strlen(name);
    for (size_t k = 0; k < sizeof two / sizeof *two; k++) {
        size_t m = strlen(two[k]);
        if (n > m && strcmp(name + n - m, two[k]) == 0)
            return n - m;
    }
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

typedef struct module {
    char name[NAME];
    int64_t parameters;  /* that belong to it */
    bool used;
} module;

typedef struct modules {
    module *list;
    int n, capacity;
} modules;

static bool add_module(modules *m, const char *name)
{
    for (int k = m->n - 1; k >= 0 && k >= m->n - 64; k--)
        if (strcmp(m->list[k].name, name) == 0)
            return true;
    if (m->n == m->capacity) {
        int more = m->capacity ? 2 * m->capacity : 64;
        module *fresh = realloc(m->list, (size_t)more * sizeof *fresh);
        if (!fresh)
            return false;
        m->list = fresh;
        m->capacity = more;
    }
    module *fresh = &m->list[m->n++];
    fresh->used = false;
    fresh->parameters = 0;
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    return true;
}

static int by_name(const void *a, const void *b)
{
    const char *one = ((const module *)a)->name, *two = ((const module *)b)->name;
    int order = moru_natural_order(one, two);
    return order ? order : strcmp(one, two);
}

static bool list_modules(modules *m, const moru_bundle *bundle)
{
    for (int64_t k = 0; k < bundle->n; k++) {
        const char *name = bundle->items[k].name;
        char text[NAME];
        size_t length = module_length(name), at, end;
        int number = stacked(name + length + (length > 0), &at, &end);
        if (length >= NAME - 16 || is_counter(name))
            continue;
        snprintf(text, sizeof text, number > 0 ? "%.*s:%d" : "%.*s", (int)length, name, number);
        if (!add_module(m, text))
            return false;
    }
    if (m->n > 1)
        qsort(m->list, (size_t)m->n, sizeof *m->list, by_name);
    int kept = m->n > 0;
    for (int k = 1; k < m->n; k++)
        if (strcmp(m->list[k].name, m->list[kept - 1].name) != 0)
            m->list[kept++] = m->list[k];
    m->n = kept;
    for (int k = 0; k < m->n; k++)
        for (int64_t i = 0; i < bundle->n; i++)
            m->list[k].parameters += belongs(bundle->items[i].name, m->list[k].name);
    return true;
}

/* ---- matching ---- */

static bool is_first(const moru_torch_rule *rule, int k)
{
    for (int i = 0; i < k; i++)
        if (strcmp(rule->parts[i].name, rule->parts[k].name) == 0)
            return false;
    return true;
}

/* All parameters of the rule are there in these shapes, and no others. */
static bool fits(const moru_torch_layer *l, const module *m, const moru_bundle *bundle)
{
    int64_t different = 0;
    for (int k = 0; k < l->rule.n; k++) {
        const moru_bundle_item *item = moru_torch_find(bundle, m->name, l->rule.parts[k].name);
        if (!item || !moru_shape_equal(&item->shape, &l->rule.parts[k].shape))
            return false;
        different += is_first(&l->rule, k);
    }
    return l->rule.n > 0 && different == m->parameters;
}

/* '/', '.' and '_' are one: "encoder_0" is "encoder.0". */
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        bool one = strchr("/._", *a) != NULL, two = strchr("/._", *b) != NULL;
        if (one != two || (!one && *a != *b))
            return false;
    }
    return *a == *b;
}

/* Names that differ in numbers only come in an order that is known. */
static bool same_but_for_numbers(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            a += strspn(a, "0123456789");
            b += strspn(b, "0123456789");
        } else if (*a++ != *b++) {
            return false;
        }
    }
    return !*a && !*b;
}

static void describe(const moru_torch_rule *rule, char *text, size_t size)
{
    char shape[MORU_SHAPE_TEXT];
    size_t used = 0;
    text[0] = 0;
    for (int k = 0; k < rule->n && used + 1 < size; k++)
        if (is_first(rule, k)) {
            int n = snprintf(text + used, size - used, "%s%.60s %s", used ? ", " : "", rule->parts[k].name,
                             moru_shape_print(&rule->parts[k].shape, shape, sizeof shape));
            used += n > 0 ? (size_t)n : 0;
        }
}

static void match_by_shape(moru_torch_layer *l, modules *m, const moru_bundle *bundle, moru_listing *faults)
{
    module *found = NULL;
    for (int k = 0; k < m->n; k++) {
        if (m->list[k].used || !fits(l, &m->list[k], bundle))
            continue;
        if (found && !same_but_for_numbers(found->name, m->list[k].name)) {
            moru_listing_add(faults, MORU_ERR_ARGUMENT, "layer \"%s\" could be \"%.80s\" or \"%.80s\": a mapping must "
                             "say which", l->path, found->name, m->list[k].name);
            return;
        }
        if (!found)
            found = &m->list[k];
    }
    if (found) {
        found->used = true;
        l->module = strdup(found->name);
    }
}

static void match_by_name(const moru_torch_layers *layers, moru_torch_layer *l, modules *m)
{
    const char *mapped = moru_torch_mapped(layers, l), *tail = strrchr(l->path, '/');
    for (int k = 0; k < m->n && !l->module && !mapped; k++)
        if (!m->list[k].used && (same_name(m->list[k].name, l->path) ||
                                 (tail && same_name(m->list[k].name, tail + 1)))) {
            m->list[k].used = true;
            l->module = strdup(m->list[k].name);
        }
    for (int k = 0; k < m->n && mapped; k++)
        m->list[k].used |= strcmp(m->list[k].name, mapped) == 0;
    if (mapped)
        l->module = strdup(mapped);
}

void moru_torch_match(moru_torch_layers *layers, moru_bundle *bundle, moru_listing *faults)
{
    modules m = {0};
    char text[600];
    if (!list_modules(&m, bundle))
        moru_listing_add(faults, MORU_ERR_MEMORY, "out of memory");
    for (int k = 0; k < layers->n; k++)
        if (!layers->layers[k].module)
            match_by_name(layers, &layers->layers[k], &m);
    for (int k = 0; k < layers->n; k++) {
        moru_torch_layer *l = &layers->layers[k];
        int before = faults->count;
        if (l->module || l->rule.n == 0)
            continue;
        match_by_shape(l, &m, bundle, faults);
        if (!l->module && faults->count == before) {
            describe(&l->rule, text, sizeof text);
            moru_listing_add(faults, MORU_ERR_SHAPE, "%s \"%s\" is in the model only: no module of %s is left",
                             l->layer->class_->class_name, l->path, text);
        }
    }
    free(m.list);
}
