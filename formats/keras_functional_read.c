/* Functional models from a Keras configuration. */
#include "formats/keras.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ENTRIES = 20000, MAX_ARGUMENTS = 64, MAX_OUTPUTS = 64 };

/* What a call is applied to: output `output` of call `call` of an entry, or a fixed value. */
typedef struct argument {
    const char *name;       /* of one given by name; NULL: by place */
    int entry;              /* -1: the value */
    int call, output;
    json_t *value;
} argument;

typedef struct use {
    argument *arguments;    /* those by place first */
    int n, placed;
    int training;           /* as in moru_inputs */
    moru_node **results;
    int n_results;
} use;

/* One object of "layers". */
typedef struct entry {
    const char *name;
    moru_layer *layer;      /* the caller's until it is applied; NULL for an operation */
    bool applied;
    const moru_keras_operation *operation;
    double parameter;
    use *uses;
    int n_uses, done;
} entry;

typedef struct reader {
    moru_arena arena;
    const char *where, *path;
    entry *entries;
    int n;
    json_t *numbers;        /* name -> place in entries */
    json_t *converted;      /* entries put in Keras 3's way */
    json_t *one;            /* the number, for an input that is true */
    moru_model *model;
    bool keras2;            /* calls are lists */
    moru_listing *faults;
} reader;

static moru_status broken(const reader *r, const char *name, const char *what)
{
    return moru_fail(MORU_ERR_FORMAT, "%s: layer \"%.80s\": %s", r->where, name, what);
}

static moru_status no_memory(const reader *r)
{
    return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", r->where);
}

/* "WHERE: what", where being the entry's path. */
static void fault(reader *r, const entry *e, const char *what, const char *name)
{
    char place[MORU_KERAS_PATH];
    moru_keras_path(r->path, e->name, place);
    moru_listing_add(r->faults, MORU_ERR_UNSUPPORTED, "%s: %s%.40s", place, what, name);
}

/* ---- parsing calls ---- */

/* ["layer", call, output] of Keras 3 and the beginning of ["layer", call, output, {...}] of Keras 2. */
static moru_status parse_history(const reader *r, const char *name, json_t *history, argument *a)
{
    const char *layer = json_string_value(json_array_get(history, 0));
    json_t *call = json_array_get(history, 1), *output = json_array_get(history, 2);
    json_t *number = layer ? json_object_get(r->numbers, layer) : NULL;
    if (!layer || !json_is_integer(call) || !json_is_integer(output))
        return broken(r, name, "an input that isn't [layer, call, output]");
    if (!number)
        return moru_fail(MORU_ERR_FORMAT, "%s: layer \"%.80s\": its input \"%.80s\" doesn't exist", r->where, name,
                         layer);
    if (json_integer_value(output) < 0 || json_integer_value(output) >= MAX_OUTPUTS ||
        json_integer_value(call) < 0 || json_integer_value(call) > MAX_ENTRIES)
        return broken(r, name, "an input that no call gives");
    *a = (argument){.entry = (int)json_integer_value(number), .call = (int)json_integer_value(call),
                    .output = (int)json_integer_value(output)};
    return MORU_OK;
}

/* Keras's functional models have a call of their own before all others, which is counted in the lists of inputs and
 * outputs; in Keras 2 in calls, and for sequential models, too. */
static int call_of(const reader *r, const argument *a, bool end)
{
    const moru_layer *layer = r->entries[a->entry].layer;
    bool counted = r->keras2 ? layer && layer->nested : end && layer && layer->class_ == &moru_functional_class;
    return counted && a->call > 0 ? a->call - 1 : a->call;
}

/* Where a value of a call comes from: {"class_name": "__keras_tensor__"} or Keras 2's ["layer", call, output]. */
static json_t *history_of(json_t *value)
{
    const char *class_name = moru_keras_class_name(value);
    if (class_name && strcmp(class_name, "__keras_tensor__") == 0)
        return json_object_get(json_object_get(value, "config"), "keras_history");
    bool keras2 = json_is_string(json_array_get(value, 0)) && json_is_integer(json_array_get(value, 1)) &&
                  json_is_integer(json_array_get(value, 2));
    return keras2 ? value : NULL;
}

static bool holds_tensors(json_t *value)
{
    bool found = history_of(value) != NULL;
    for (size_t k = 0; k < json_array_size(value) && !found; k++)
        found = history_of(json_array_get(value, k)) != NULL;
    return found;
}

/* The arguments of one call while they are read. */
typedef struct parsed {
    argument placed[MAX_ARGUMENTS], named[MAX_ARGUMENTS];
    bool given[MAX_ARGUMENTS];  /* which of placed */
    int n_placed, n_named;      /* places up to the last one given */
    json_t *options;            /* name -> value */
    int training;
} parsed;

static moru_status add_placed(const reader *r, const entry *e, int place, json_t *value, parsed *p)
{
    if (place >= MAX_ARGUMENTS)
        return broken(r, e->name, "too many inputs");
    if (p->given[place])
        return broken(r, e->name, "the same input twice");
    p->given[place] = true;
    if (place >= p->n_placed)
        p->n_placed = place + 1;
    if (!history_of(value)) {
        p->placed[place] = (argument){.entry = -1, .value = value};
        return MORU_OK;
    }
    return parse_history(r, e->name, history_of(value), &p->placed[place]);
}

/* A tensor, or a list of them, among which nothing may stand for some: those after it have their number in the name. */
static moru_status add_named(reader *r, const entry *e, const char *name, json_t *value, parsed *p)
{
    bool one = history_of(value) != NULL, gap = false;
    size_t n = one ? 1 : json_array_size(value);
    for (size_t k = 0; k < n; k++) {
        json_t *item = one ? value : json_array_get(value, k);
        char numbered[96];
        gap = gap || json_is_null(item);
        if (json_is_null(item))
            continue;
        if (!history_of(item)) {
            fault(r, e, "a list of tensors and other things as argument ", name);
            return MORU_OK;
        }
        if (p->n_named == MAX_ARGUMENTS)
            return broken(r, e->name, "too many inputs");
        snprintf(numbered, sizeof numbered, gap ? "%.80s:%d" : "%.80s", name, (int)k);
        argument *a = &p->named[p->n_named++];
        MORU_TRY(parse_history(r, e->name, history_of(item), a));
        if (!(a->name = moru_arena_strdup(&r->arena, numbered)))
            return no_memory(r);
    }
    return MORU_OK;
}

static int place_in(const char *const *names, const char *name)
{
    for (int k = 0; names && names[k]; k++)
        if (strcmp(names[k], name) == 0)
            return k;
    return -1;
}

static bool is_option(const entry *e, const char *name)
{
    for (int k = 0; e->layer && k < e->layer->class_->n_arguments; k++)
        if (strcmp(e->layer->class_->arguments[k].name, name) == 0)
            return true;
    return false;
}

/* null, or a list or dictionary of nothing else: the masks of inputs that have none. */
static bool says_nothing(json_t *value)
{
    bool nothing = json_is_array(value) || json_is_null(value) || json_is_object(value);
    const char *key;
    json_t *item;
    json_object_foreach(value, key, item)
        nothing = nothing && json_is_null(item);
    for (size_t k = 0; k < json_array_size(value) && nothing; k++)
        nothing = json_is_null(json_array_get(value, k));
    return nothing;
}

/* An argument by its name, however it was given. */
static moru_status add_argument(reader *r, const entry *e, const char *name, json_t *value, parsed *p)
{
    const moru_layer_class *class_ = e->layer ? e->layer->class_ : NULL;
    int place = class_ ? place_in(class_->input_names, name) : -1;
    if (says_nothing(value) && !is_option(e, name))
        return MORU_OK;
    if (class_ && strcmp(name, "training") == 0 && json_is_boolean(value)) {
        p->training = json_is_true(value) ? 1 : -1;
        return MORU_OK;
    }
    if (place >= 0 && (history_of(value) || (moru_keras_is_constant(value) && !is_option(e, name))))
        return add_placed(r, e, place, value, p);
    if (class_ && place_in(class_->named_inputs, name) >= 0 && (json_is_true(value) || json_number_value(value) != 0)) {
        if (p->n_named == MAX_ARGUMENTS)
            return broken(r, e->name, "too many inputs");
        p->named[p->n_named++] = (argument){.name = moru_arena_strdup(&r->arena, name), .entry = -1, .value = r->one};
        return p->named[p->n_named - 1].name ? MORU_OK : no_memory(r);
    }
    if (class_ && place_in(class_->named_inputs, name) >= 0 && holds_tensors(value))
        return add_named(r, e, name, value, p);
    if (is_option(e, name) && !holds_tensors(value))
        return json_object_set(p->options, name, value) == 0 ? MORU_OK : no_memory(r);
    if (!json_is_false(value))
        fault(r, e, "argument ", name);
    return MORU_OK;
}

/* Name of the argument at a place after the inputs a layer takes: Keras's order of a call's arguments. */
static const char *name_at(const entry *e, int place)
{
    const moru_layer_class *class_ = e->layer->class_;
    int inputs = class_->input_names ? 0 : 1;
    for (; class_->input_names && class_->input_names[inputs]; inputs++)
        if (inputs == place)
            return class_->input_names[place];
    for (int k = 0; class_->named_inputs && class_->named_inputs[k]; k++)
        if (inputs + k == place)
            return class_->named_inputs[k];
    return NULL;
}

/* The keys of a dictionary in the order in which Keras goes through it. */
static const char **sorted_keys(moru_arena *arena, json_t *object)
{
    const char **keys = moru_arena_alloc(arena, (json_object_size(object) + 1) * sizeof *keys), *key;
    json_t *value;
    int n = 0;
    json_object_foreach(object, key, value) {
        int place = n++;
        if (!keys)
            return NULL;
        for (; place > 0 && strcmp(keys[place - 1], key) > 0; place--)
            keys[place] = keys[place - 1];
        if (!(keys[place] = moru_arena_strdup(arena, key)))
            return NULL;
    }
    return keys;
}

/* The inputs of a layer that takes a list, or of an operation. */
static moru_status add_listed(reader *r, const entry *e, json_t *value, int depth, parsed *p)
{
    bool fixed = moru_keras_is_constant(value) && (depth > 0 || e->operation || json_is_object(value));
    bool dictionary = json_is_object(value) && !json_object_get(value, "class_name");
    if (dictionary && depth < 2) {
        const char **keys = sorted_keys(&r->arena, value);
        for (size_t k = 0; k < json_object_size(value); k++)
            MORU_TRY(keys ? add_listed(r, e, json_object_get(value, keys[k]), depth + 1, p) : no_memory(r));
        return MORU_OK;
    }
    if (!fixed && !history_of(value) && json_is_array(value) && depth < 2) {
        for (size_t k = 0; k < json_array_size(value); k++)
            MORU_TRY(add_listed(r, e, json_array_get(value, k), depth + 1, p));
        return MORU_OK;
    }
    if (json_is_null(value))
        return MORU_OK;
    if (history_of(value) || fixed)
        return add_placed(r, e, p->n_placed, value, p);
    fault(r, e, "an argument that isn't a tensor", "");
    return MORU_OK;
}

/* Keras 3's "args". */
static moru_status parse_args(reader *r, const entry *e, json_t *args, parsed *p)
{
    for (size_t k = 0; k < json_array_size(args); k++) {
        json_t *value = json_array_get(args, k);
        const char *name = e->layer ? name_at(e, (int)k) : NULL;
        bool listed = !e->layer || (k == 0 && !e->layer->class_->input_names);
        if (!listed && !name && !json_is_null(value))
            fault(r, e, "an argument more than it takes", "");
        else if (!listed && name)
            MORU_TRY(add_argument(r, e, name, value, p));
        else if (listed)
            MORU_TRY(add_listed(r, e, value, 0, p));
    }
    return MORU_OK;
}

static moru_status parse_kwargs(reader *r, const entry *e, json_t *named, parsed *p)
{
    const char *name;
    json_t *value;
    json_object_foreach(named, name, value) {
        /* functions that Keras calls through operations may get their inputs by these names only */
        if (!e->layer && history_of(value))
            MORU_TRY(add_placed(r, e, p->n_placed, value, p));
        else
            MORU_TRY(add_argument(r, e, name, value, p));
    }
    return MORU_OK;
}

/* Keras 2: [["layer", call, output, {named}], ...], without the outer list for one. */
static moru_status parse_keras2(reader *r, const entry *e, json_t *call, parsed *p)
{
    bool one = json_is_string(json_array_get(call, 0));
    for (size_t k = 0; k < (one ? 1 : json_array_size(call)); k++) {
        json_t *item = one ? call : json_array_get(call, k);
        if (!history_of(item))
            return broken(r, e->name, "an input that isn't [layer, call, output]");
        MORU_TRY(add_placed(r, e, p->n_placed, item, p));
        MORU_TRY(parse_kwargs(r, e, json_array_get(item, 3), p));
    }
    return MORU_OK;
}

/* Arguments that are options here. All calls of a layer have to agree about them. */
static void read_options(reader *r, const entry *e, json_t *named, bool first)
{
    const moru_layer_class *class_ = e->layer->class_;
    json_t *given = moru_fields_write(class_->arguments, class_->n_arguments, class_->defaults);
    json_t *known = moru_fields_write(class_->arguments, class_->n_arguments, e->layer->options);
    json_object_update(given, named);
    for (int k = 0; k < class_->n_arguments && !first; k++) {
        const char *name = class_->arguments[k].name;
        if (!json_equal(json_object_get(given, name), json_object_get(known, name)))
            fault(r, e, "calls with different arguments ", name);
    }
    moru_status status = first ? moru_fields_read(&e->layer->arena, class_->arguments, class_->n_arguments, given,
                                                  e->layer->options, e->name, NULL) : MORU_OK;
    if (status != MORU_OK)
        moru_listing_add(r->faults, status, "%s", moru_last_error());
    json_decref(given);
    json_decref(known);
}

static moru_status keep_use(reader *r, const entry *e, const parsed *p, use *u)
{
    *u = (use){.n = p->n_placed + p->n_named, .placed = p->n_placed, .training = p->training};
    u->arguments = moru_arena_alloc(&r->arena, ((size_t)u->n + 1) * sizeof *u->arguments);
    if (!u->arguments)
        return no_memory(r);
    for (int k = 0; k < p->n_placed; k++) {
        if (!p->given[k])
            return broken(r, e->name, "a later input without an earlier one");
        u->arguments[k] = p->placed[k];
    }
    memcpy(u->arguments + p->n_placed, p->named, (size_t)p->n_named * sizeof *p->named);
    if (e->operation && u->n != e->operation->n_inputs)
        return broken(r, e->name, "a wrong number of arguments");
    return MORU_OK;
}

static moru_status parse_use(reader *r, const entry *e, json_t *call, use *u)
{
    parsed p = {.options = json_object()};
    moru_status status = p.options ? MORU_OK : no_memory(r);
    if (status == MORU_OK && json_is_array(call))
        status = parse_keras2(r, e, call, &p);
    else if (status == MORU_OK && json_is_object(call))
        status = parse_args(r, e, json_object_get(call, "args"), &p);
    else if (status == MORU_OK)
        status = broken(r, e->name, "a call that is neither an object nor an array");
    if (status == MORU_OK && json_is_object(call)) {
        status = parse_kwargs(r, e, json_object_get(call, "kwargs"), &p);
        /* Keras 3 records training=..., and overrides it with the model's mode; in Keras 2 it counts */
        if (!json_is_true(json_object_get(call, MORU_KERAS_FIXED_MODE)))
            p.training = 0;
    }
    if (status == MORU_OK && e->layer && e->layer->class_->n_arguments > 0)
        read_options(r, e, p.options, u == e->uses);
    json_decref(p.options);
    return status == MORU_OK ? keep_use(r, e, &p, u) : status;
}

/* ---- parsing entries ---- */

static void read_parameter(reader *r, entry *e, json_t *config)
{
    const char *wanted = e->operation->parameter;
    const char *name;
    json_t *value;
    e->parameter = e->operation->value;
    json_object_foreach(config, name, value) {
        if (wanted && strcmp(name, wanted) == 0 && fabs(json_number_value(value)) < 1e6 && json_is_number(value))
            e->parameter = json_number_value(value);
        else if (strcmp(name, "name") != 0 && strcmp(name, "dtype") != 0 && !json_is_null(value))
            fault(r, e, "option ", name);
    }
}

static moru_status parse_entry(reader *r, entry *e, json_t *object)
{
    const char *class_name = moru_keras_class_name(object);
    json_t *config = json_object_get(object, "config"), *calls = json_object_get(object, "inbound_nodes");
    char place[MORU_KERAS_PATH];
    moru_keras_path(r->path, e->name, place);
    if (!json_is_array(calls) || json_array_size(calls) > MAX_ENTRIES)
        return broken(r, e->name, "inbound_nodes is missing, or isn't an array");
    if (class_name && moru_keras_is_operation(object) && !moru_operation_class_find(class_name))
        e->operation = moru_keras_operation_of_class(class_name);
    if (e->operation)
        read_parameter(r, e, config);
    else
        e->layer = moru_keras_layer_read(object, place, r->faults);
    if (!e->operation && !e->layer)
        return MORU_OK; /* among the faults */
    e->n_uses = (int)json_array_size(calls);
    e->uses = moru_arena_alloc(&r->arena, ((size_t)e->n_uses + 1) * sizeof *e->uses);
    if (!e->uses)
        return no_memory(r);
    for (int k = 0; k < e->n_uses; k++)
        MORU_TRY(parse_use(r, e, json_array_get(calls, (size_t)k), &e->uses[k]));
    return MORU_OK;
}

/* Whether calls are written as lists. */
static bool is_keras2(json_t *layers)
{
    for (size_t k = 0; k < json_array_size(layers); k++)
        if (json_is_array(json_array_get(json_object_get(json_array_get(layers, k), "inbound_nodes"), 0)))
            return true;
    return false;
}

static moru_status parse_entries(reader *r, json_t *config)
{
    json_t *layers = json_object_get(config, "layers");
    size_t n = json_array_size(layers);
    if (n == 0 || n > MAX_ENTRIES)
        return moru_fail(MORU_ERR_FORMAT, "%s: the configuration has %zu layers", r->where, n);
    r->entries = moru_arena_alloc(&r->arena, n * sizeof *r->entries);
    if (!r->entries || !r->numbers)
        return no_memory(r);
    for (size_t k = 0; k < n; k++) {
        json_t *object = json_array_get(layers, k);
        const char *name = json_string_value(json_object_get(object, "name"));
        if (!name)
            name = json_string_value(json_object_get(json_object_get(object, "config"), "name"));
        if (!name)
            return moru_fail(MORU_ERR_FORMAT, "%s: layer %zu has no name", r->where, k);
        if (json_object_get(r->numbers, name))
            return broken(r, name, "the name stands twice");
        r->entries[k].name = name;
        if (json_object_set_new(r->numbers, name, json_integer((json_int_t)k)) != 0)
            return no_memory(r);
    }
    r->n = (int)n;
    r->keras2 = is_keras2(layers);
    for (size_t k = 0; k < n; k++) {
        json_t *object = json_array_get(layers, k);
        json_t *converted = moru_keras2_is_operation(object) ? moru_keras2_operation(object) : NULL;
        if (converted && json_array_append_new(r->converted, converted) != 0)
            return no_memory(r);
        MORU_TRY(parse_entry(r, &r->entries[k], converted ? converted : object));
    }
    return MORU_OK;
}

/* ---- ends ---- */

/* One triple, or a list or dictionary of them: into ends, a new array of *n. */
static moru_status parse_ends(reader *r, json_t *config, const char *key, argument **ends, int *n, const char ***keys)
{
    json_t *list = json_object_get(config, key);
    bool single = json_is_string(json_array_get(list, 0));
    size_t count = single ? 1 : json_is_object(list) ? json_object_size(list) : json_array_size(list);
    if (count == 0 || count > MAX_ENTRIES)
        return moru_fail(MORU_ERR_FORMAT, "%s: %s must be an array of [layer, call, output]", r->where, key);
    *ends = moru_arena_alloc(&r->arena, count * sizeof **ends);
    if (!*ends || (json_is_object(list) && !(*keys = sorted_keys(&r->model->arena, list))))
        return no_memory(r);
    for (size_t k = 0; k < count; k++)
        MORU_TRY(parse_history(r, key, single ? list : *keys ? json_object_get(list, (*keys)[k])
                                                             : json_array_get(list, k), &(*ends)[k]));
    *n = (int)count;
    return MORU_OK;
}

/* An input layer is called nowhere. */
static moru_status make_room_for_input(reader *r, entry *e)
{
    e->uses = moru_arena_alloc(&r->arena, sizeof *e->uses);
    if (!e->uses)
        return no_memory(r);
    *e->uses = (use){.results = moru_arena_alloc(&r->arena, sizeof *e->uses->results)};
    return e->uses->results ? MORU_OK : no_memory(r);
}

/* Inputs are made in the order of input_layers: that is the order of the model's inputs. */
static moru_status make_inputs(reader *r, json_t *config)
{
    argument *ends;
    int n;
    MORU_TRY(parse_ends(r, config, "input_layers", &ends, &n, &r->model->input_keys));
    for (int k = 0; k < n; k++) {
        entry *e = &r->entries[ends[k].entry];
        if (!e->layer || e->layer->class_ != &moru_input_class)
            return broken(r, e->name, "is named as an input and isn't an InputLayer");
        if (e->applied)
            return broken(r, e->name, "is named as an input twice");
        MORU_TRY(make_room_for_input(r, e));
        e->applied = true;
        e->uses[0].results[0] = moru_model_add_input(r->model, e->layer);
        e->uses[0].n_results = e->done = e->n_uses = 1;
    }
    for (int k = 0; k < r->n; k++)
        if (r->entries[k].layer && r->entries[k].layer->class_ == &moru_input_class && !r->entries[k].applied)
            return broken(r, r->entries[k].name, "is an InputLayer that input_layers doesn't name");
    return MORU_OK;
}

static moru_node *result_of(const reader *r, const argument *a, bool end)
{
    const entry *e = &r->entries[a->entry];
    int call = call_of(r, a, end);
    const use *u = call < e->done ? &e->uses[call] : NULL;
    return u && a->output < u->n_results ? u->results[a->output] : NULL;
}

static moru_status make_outputs(reader *r, json_t *config)
{
    argument *ends;
    int n;
    MORU_TRY(parse_ends(r, config, "output_layers", &ends, &n, &r->model->output_keys));
    moru_node **outputs = moru_arena_alloc(&r->arena, (size_t)n * sizeof *outputs);
    if (!outputs)
        return no_memory(r);
    for (int k = 0; k < n; k++)
        if (!(outputs[k] = result_of(r, &ends[k], true)))
            return broken(r, r->entries[ends[k].entry].name, "is named as an output and never called");
    moru_status status = moru_model_outputs(r->model, outputs, n);
    return status == MORU_OK ? status : moru_fail(status, "%s: %s", r->where, moru_model_error(r->model));
}

/* ---- calls ---- */

static moru_node *operate(const entry *e, moru_node *const *inputs)
{
    const moru_keras_operation *operation = e->operation;
    moru_node *a = moru_as_real(inputs[0]);
    return operation->two ? operation->two(a, moru_as_real(inputs[1])) :
           operation->one ? operation->one(a) : operation->one_with(a, e->parameter);
}

static moru_status keep_results(reader *r, use *u, moru_node *const *outputs, int n)
{
    u->results = moru_arena_alloc(&r->arena, ((size_t)n + 1) * sizeof *u->results);
    if (!u->results)
        return no_memory(r);
    memcpy(u->results, outputs, (size_t)n * sizeof *outputs);
    u->n_results = n;
    return MORU_OK;
}

/* *made is false while an input is missing. */
static moru_status apply(reader *r, entry *e, use *u, bool *made)
{
    moru_node *inputs[2 * MAX_ARGUMENTS], *outputs[MAX_OUTPUTS];
    const char *names[2 * MAX_ARGUMENTS];
    int n = 1;
    *made = u->placed > 0;
    for (int k = 0; k < u->n && *made; k++) {
        const argument *a = &u->arguments[k];
        if (a->entry >= 0 && call_of(r, a, false) < r->entries[a->entry].done && !result_of(r, a, false))
            return broken(r, e->name, "an input that no call gives");
        inputs[k] = a->entry < 0 ? moru_keras_constant_read(r->model->graph, a->value) : result_of(r, a, false);
        names[k] = a->name;
        *made = inputs[k] != NULL;
    }
    if (!*made)
        return MORU_OK;
    if (e->operation) {
        outputs[0] = operate(e, inputs);
    } else {
        const moru_inputs in = {.values = inputs, .names = names, .n = u->n, .training = u->training};
        e->applied = true;
        n = moru_apply_inputs(e->layer, &in, outputs, MAX_OUTPUTS);
    }
    if (moru_model_status(r->model) != MORU_OK)
        return moru_fail(moru_model_status(r->model), "%s: %s", r->where, moru_model_error(r->model));
    return keep_results(r, u, outputs, n < MAX_OUTPUTS ? n : MAX_OUTPUTS);
}

/* As far as it goes: the list is in no particular order. */
static moru_status apply_all(reader *r)
{
    bool progress = true;
    while (progress) {
        progress = false;
        for (int k = 0; k < r->n; k++) {
            entry *e = &r->entries[k];
            for (; e->done < e->n_uses; e->done++) {
                bool made;
                MORU_TRY(apply(r, e, &e->uses[e->done], &made));
                if (!made)
                    break;
                progress = true;
            }
        }
    }
    for (int k = 0; k < r->n; k++)
        if (r->entries[k].done < r->entries[k].n_uses)
            return broken(r, r->entries[k].name, "its inputs are never made: the calls form a loop");
    return MORU_OK;
}

static moru_status read_all(reader *r, json_t *config)
{
    int before = r->faults->count;
    MORU_TRY(parse_entries(r, config));
    if (r->faults->count > before)
        return MORU_OK;
    r->model = moru_functional(json_string_value(json_object_get(config, "name")));
    if (!r->model)
        return no_memory(r);
    MORU_TRY(make_inputs(r, config));
    MORU_TRY(apply_all(r));
    return make_outputs(r, config);
}

moru_status moru_keras_functional_read(moru_model **model, json_t *config, const char *path, moru_listing *faults,
                                       const char *where)
{
    reader r = {.where = where, .path = path, .faults = faults, .numbers = json_object(), .converted = json_array(),
                .one = json_real(1)};
    moru_status status = read_all(&r, config);
    for (int k = 0; k < r.n; k++)
        if (r.entries[k].layer && !r.entries[k].applied)
            moru_layer_free_one(r.entries[k].layer);
    json_decref(r.numbers);
    json_decref(r.converted);
    json_decref(r.one);
    moru_arena_free(&r.arena);
    if (status != MORU_OK) {
        moru_model_free(r.model);
        return status;
    }
    *model = r.model;
    return MORU_OK;
}
