/* Functional models from a Keras configuration. */
#include "formats/keras.h"

#include <math.h>
#include <string.h>

enum { MAX_ENTRIES = 20000, MAX_ARGUMENTS = 64 };

/* What a call is applied to: output 0 of call `call` of an entry, or a number. */
typedef struct argument {
    int entry;              /* -1: the number */
    int call;
    double number;
} argument;

typedef struct use {
    argument *arguments;
    int n;
} use;

/* One object of "layers". */
typedef struct entry {
    const char *name;
    moru_layer *layer;      /* the caller's until it is applied; NULL for an operation */
    bool applied;
    const moru_keras_operation *operation;
    double parameter;
    use *uses;
    moru_node **results;
    int n_uses, done;
} entry;

typedef struct reader {
    moru_arena arena;
    const char *where;
    entry *entries;
    int n;
    json_t *numbers;        /* name -> place in entries */
    moru_model *model;
    moru_listing faults;
} reader;

static moru_status broken(const reader *r, const char *name, const char *what)
{
    return moru_fail(MORU_ERR_FORMAT, "%s: layer \"%.80s\": %s", r->where, name, what);
}

static moru_status no_memory(const reader *r)
{
    return moru_fail(MORU_ERR_MEMORY, "%s: out of memory", r->where);
}

/* ---- parsing calls ---- */

/* ["layer", call, 0] of Keras 3 and the beginning of ["layer", call, 0, {...}] of Keras 2. */
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
    if (json_integer_value(output) != 0 || json_integer_value(call) < 0 || json_integer_value(call) > MAX_ENTRIES)
        return broken(r, name, "an input that no call gives");
    *a = (argument){.entry = (int)json_integer_value(number), .call = (int)json_integer_value(call)};
    return MORU_OK;
}

static bool is_tensor(json_t *object)
{
    const char *class_name = moru_keras_class_name(object);
    return class_name && strcmp(class_name, "__keras_tensor__") == 0;
}

/* Tensors and numbers of Keras 3's "args", lists among them flattened; anything else is reported. */
static moru_status parse_argument(reader *r, const entry *e, json_t *value, int depth, use *u)
{
    if (json_is_array(value) && depth < 2) {
        for (size_t k = 0; k < json_array_size(value); k++)
            MORU_TRY(parse_argument(r, e, json_array_get(value, k), depth + 1, u));
        return MORU_OK;
    }
    if (json_is_null(value))
        return MORU_OK;
    if (!is_tensor(value) && !(e->operation && json_is_number(value))) {
        moru_listing_add(&r->faults, MORU_ERR_UNSUPPORTED, "%.80s: an argument that isn't a tensor", e->name);
        return MORU_OK;
    }
    if (u->n == MAX_ARGUMENTS)
        return broken(r, e->name, "too many inputs");
    argument *a = &u->arguments[u->n++];
    if (json_is_number(value)) {
        *a = (argument){.entry = -1, .number = json_number_value(value)};
        return MORU_OK;
    }
    return parse_history(r, e->name, json_object_get(json_object_get(value, "config"), "keras_history"), a);
}

/* Place of an input that goes by this name; -1: none does. */
static int input_of_name(const entry *e, const char *name)
{
    const char *const *names = e->layer ? e->layer->class_->input_names : NULL;
    for (int k = 0; names && names[k]; k++)
        if (strcmp(names[k], name) == 0)
            return k;
    return -1;
}

/* Inputs given by name after those by place: mha(x, value=x). */
static moru_status parse_named_inputs(const reader *r, const entry *e, json_t *named, use *u)
{
    const char *const *names = e->layer ? e->layer->class_->input_names : NULL;
    for (int k = u->n; names && k < MAX_ARGUMENTS && names[k]; k++) {
        json_t *value = json_object_get(named, names[k]);
        if (json_is_array(value))
            MORU_TRY(parse_history(r, e->name, value, &u->arguments[u->n]));
        else if (is_tensor(value))
            MORU_TRY(parse_history(r, e->name, json_object_get(json_object_get(value, "config"), "keras_history"),
                                   &u->arguments[u->n]));
        else
            return MORU_OK;
        u->n++;
    }
    return MORU_OK;
}

/* Arguments that are options here. All calls of a layer have to agree about them. */
static void read_options(reader *r, const entry *e, json_t *named, bool first)
{
    const moru_layer_class *class_ = e->layer->class_;
    json_t *given = moru_fields_write(class_->arguments, class_->n_arguments, class_->defaults);
    json_t *known = moru_fields_write(class_->arguments, class_->n_arguments, e->layer->options);
    for (int k = 0; k < class_->n_arguments; k++) {
        const char *name = class_->arguments[k].name;
        json_t *value = json_object_get(named, name);
        if (value && !json_is_null(value))
            json_object_set(given, name, value);
        if (!first && !json_equal(json_object_get(given, name), json_object_get(known, name)))
            moru_listing_add(&r->faults, MORU_ERR_UNSUPPORTED, "%.80s: calls with different arguments %.40s", e->name,
                             name);
    }
    moru_status status = first ? moru_fields_read(&r->arena, class_->arguments, class_->n_arguments, given,
                                                  e->layer->options, e->name, NULL) : MORU_OK;
    if (status != MORU_OK)
        moru_listing_add(&r->faults, status, "%s", moru_last_error());
    json_decref(given);
    json_decref(known);
}

/* Named arguments that say nothing (mask: null) may stand; others would change the result. */
static void check_named(reader *r, const entry *e, json_t *named, const use *u)
{
    const char *name;
    json_t *value;
    if (e->layer && e->layer->class_->n_arguments > 0)
        read_options(r, e, named, u == e->uses);
    json_object_foreach(named, name, value) {
        int input = input_of_name(e, name);
        bool known = input >= 0 && input < u->n;
        for (int k = 0; e->layer && k < e->layer->class_->n_arguments; k++)
            known = known || strcmp(e->layer->class_->arguments[k].name, name) == 0;
        if (!known && !json_is_null(value) && !json_is_false(value))
            moru_listing_add(&r->faults, MORU_ERR_UNSUPPORTED, "%.80s: argument %.40s", e->name, name);
    }
}

/* Keras 2: [["layer", call, output, {named}], ...], without the outer list for one. */
static moru_status parse_keras2(reader *r, const entry *e, json_t *call, use *u)
{
    if (json_is_string(json_array_get(call, 0))) {
        MORU_TRY(parse_history(r, e->name, call, &u->arguments[u->n++]));
        MORU_TRY(parse_named_inputs(r, e, json_array_get(call, 3), u));
        check_named(r, e, json_array_get(call, 3), u);
        return MORU_OK;
    }
    for (size_t k = 0; k < json_array_size(call); k++) {
        json_t *history = json_array_get(call, k);
        if (u->n == MAX_ARGUMENTS)
            return broken(r, e->name, "too many inputs");
        MORU_TRY(parse_history(r, e->name, history, &u->arguments[u->n++]));
        if (json_array_size(call) == 1)
            MORU_TRY(parse_named_inputs(r, e, json_array_get(history, 3), u));
        check_named(r, e, json_array_get(history, 3), u);
    }
    return MORU_OK;
}

static moru_status parse_use(reader *r, const entry *e, json_t *call, use *u)
{
    argument arguments[MAX_ARGUMENTS];
    *u = (use){.arguments = arguments};
    if (json_is_array(call)) {
        MORU_TRY(parse_keras2(r, e, call, u));
    } else if (json_is_object(call)) {
        MORU_TRY(parse_argument(r, e, json_object_get(call, "args"), 0, u));
        MORU_TRY(parse_named_inputs(r, e, json_object_get(call, "kwargs"), u));
        check_named(r, e, json_object_get(call, "kwargs"), u);
    } else {
        return broken(r, e->name, "a call that is neither an object nor an array");
    }
    u->arguments = moru_arena_alloc(&r->arena, ((size_t)u->n + 1) * sizeof *arguments);
    if (!u->arguments)
        return no_memory(r);
    memcpy(u->arguments, arguments, (size_t)u->n * sizeof *arguments);
    if (e->operation && u->n != e->operation->n_inputs)
        return broken(r, e->name, "a wrong number of arguments");
    return MORU_OK;
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
            moru_listing_add(&r->faults, MORU_ERR_UNSUPPORTED, "%.80s: option %.40s", e->name, name);
    }
}

static moru_status parse_entry(reader *r, entry *e, json_t *object)
{
    const char *module = json_string_value(json_object_get(object, "module"));
    const char *class_name = moru_keras_class_name(object);
    json_t *config = json_object_get(object, "config"), *calls = json_object_get(object, "inbound_nodes");
    if (!json_is_array(calls) || json_array_size(calls) > MAX_ENTRIES)
        return broken(r, e->name, "inbound_nodes is missing, or isn't an array");
    e->operation = class_name ? moru_keras_operation_of_class(module, class_name) : NULL;
    if (e->operation)
        read_parameter(r, e, config);
    else
        e->layer = moru_keras_layer_read(object, e->name, &r->faults);
    e->n_uses = (int)json_array_size(calls);
    e->uses = moru_arena_alloc(&r->arena, ((size_t)e->n_uses + 1) * sizeof *e->uses);
    e->results = moru_arena_alloc(&r->arena, ((size_t)e->n_uses + 1) * sizeof *e->results);
    if (!e->uses || !e->results)
        return no_memory(r);
    for (int k = 0; k < e->n_uses; k++)
        MORU_TRY(parse_use(r, e, json_array_get(calls, (size_t)k), &e->uses[k]));
    return MORU_OK;
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
    for (size_t k = 0; k < n; k++)
        MORU_TRY(parse_entry(r, &r->entries[k], json_array_get(layers, k)));
    return moru_listing_fail(&r->faults, r->where, NULL);
}

/* ---- ends ---- */

/* One triple or a list of them: into ends, a new array of *n. */
static moru_status parse_ends(reader *r, json_t *config, const char *key, argument **ends, int *n)
{
    json_t *list = json_object_get(config, key);
    bool single = json_is_string(json_array_get(list, 0));
    size_t count = single ? 1 : json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > MAX_ENTRIES)
        return moru_fail(json_is_object(list) ? MORU_ERR_UNSUPPORTED : MORU_ERR_FORMAT,
                         "%s: %s must be an array of [layer, call, output]", r->where, key);
    *ends = moru_arena_alloc(&r->arena, count * sizeof **ends);
    if (!*ends)
        return no_memory(r);
    for (size_t k = 0; k < count; k++)
        MORU_TRY(parse_history(r, key, single ? list : json_array_get(list, k), &(*ends)[k]));
    *n = (int)count;
    return MORU_OK;
}

/* Inputs are made in the order of input_layers: that is the order of the model's inputs. */
static moru_status make_inputs(reader *r, json_t *config)
{
    argument *ends;
    int n;
    MORU_TRY(parse_ends(r, config, "input_layers", &ends, &n));
    for (int k = 0; k < n; k++) {
        entry *e = &r->entries[ends[k].entry];
        if (!e->layer || e->layer->class_ != &moru_input_class)
            return broken(r, e->name, "is named as an input and isn't an InputLayer");
        if (e->applied)
            return broken(r, e->name, "is named as an input twice");
        e->applied = true;
        e->results[0] = moru_model_add_input(r->model, e->layer);
        e->done = e->n_uses = 1;
    }
    for (int k = 0; k < r->n; k++)
        if (r->entries[k].layer && r->entries[k].layer->class_ == &moru_input_class && !r->entries[k].applied)
            return broken(r, r->entries[k].name, "is an InputLayer that input_layers doesn't name");
    return MORU_OK;
}

static moru_node *result_of(const reader *r, const argument *a)
{
    const entry *e = &r->entries[a->entry];
    return a->call < e->done ? e->results[a->call] : NULL;
}

static moru_status make_outputs(reader *r, json_t *config)
{
    argument *ends;
    int n;
    MORU_TRY(parse_ends(r, config, "output_layers", &ends, &n));
    moru_node **outputs = moru_arena_alloc(&r->arena, (size_t)n * sizeof *outputs);
    if (!outputs)
        return no_memory(r);
    for (int k = 0; k < n; k++)
        if (!(outputs[k] = result_of(r, &ends[k])))
            return broken(r, r->entries[ends[k].entry].name, "is named as an output and never called");
    moru_status status = moru_model_outputs(r->model, outputs, n);
    return status == MORU_OK ? status : moru_fail(status, "%s: %s", r->where, moru_model_error(r->model));
}

/* ---- calls ---- */

/* NULL while an input is missing. */
static moru_node *apply(reader *r, entry *e, const use *u)
{
    moru_node *inputs[MAX_ARGUMENTS];
    for (int k = 0; k < u->n; k++) {
        inputs[k] = u->arguments[k].entry < 0 ? moru_scalar(r->model->graph, u->arguments[k].number)
                                              : result_of(r, &u->arguments[k]);
        if (!inputs[k])
            return NULL;
    }
    const moru_keras_operation *operation = e->operation;
    if (!operation) {
        e->applied = true;
        return moru_apply_n(e->layer, inputs, u->n);
    }
    return operation->two ? operation->two(inputs[0], inputs[1]) :
           operation->one ? operation->one(inputs[0]) : operation->one_with(inputs[0], e->parameter);
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
                moru_node *y = e->uses[e->done].n > 0 ? apply(r, e, &e->uses[e->done]) : NULL;
                if (!y)
                    break;
                e->results[e->done] = y;
                progress = true;
                if (moru_model_status(r->model) != MORU_OK)
                    return moru_fail(moru_model_status(r->model), "%s: %s", r->where, moru_model_error(r->model));
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
    MORU_TRY(parse_entries(r, config));
    r->model = moru_functional(json_string_value(json_object_get(config, "name")));
    if (!r->model)
        return no_memory(r);
    MORU_TRY(make_inputs(r, config));
    MORU_TRY(apply_all(r));
    return make_outputs(r, config);
}

moru_status moru_keras_functional_read(moru_model **model, json_t *config, const char *where)
{
    reader r = {.where = where, .numbers = json_object()};
    moru_status status = read_all(&r, config);
    for (int k = 0; k < r.n; k++)
        if (r.entries[k].layer && !r.entries[k].applied)
            moru_layer_free_one(r.entries[k].layer);
    json_decref(r.numbers);
    moru_arena_free(&r.arena);
    if (status != MORU_OK) {
        moru_model_free(r.model);
        return status;
    }
    *model = r.model;
    return MORU_OK;
}
