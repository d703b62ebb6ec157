/* The functional form of a Keras configuration: layers and operations with the calls that connect them. */
#include "formats/keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops/elementwise.h"

/* What Keras calls a value: an output of a layer's or operation's call number `call`. */
typedef struct origin {
    const char *name;
    int call, output;
    bool functional;         /* of a functional model, whose first call Keras counts from 1 in the list of outputs */
} origin;

typedef struct writer {
    const moru_model *model;
    moru_arena arena;
    int *application;        /* of a node: 1 + number of the application it comes from */
    bool *needed;
    origin *origins;
    json_t *layers;          /* the result */
    json_t *entries;         /* name -> the same objects */
    moru_listing faults;
} writer;

static moru_status no_memory(const writer *w)
{
    return moru_fail(MORU_ERR_MEMORY, "model \"%s\": no memory for its configuration", w->model->name);
}

/* ---- which values lead to the outputs ---- */

static int inputs_of(const writer *w, const moru_node *node, moru_node *const **inputs)
{
    int a = w->application[node->id];
    if (a > 0) {
        *inputs = w->model->applications[a - 1].inputs;
        return w->model->applications[a - 1].n_inputs;
    }
    *inputs = node->call->inputs;
    return node->call->n_inputs;
}

static moru_status find_needed(writer *w)
{
    const moru_model *m = w->model;
    int n = m->graph->n_nodes, depth = 0;
    const moru_node **stack = moru_arena_alloc(&w->arena, ((size_t)n + 1) * sizeof *stack);
    if (!stack)
        return no_memory(w);
    for (int k = 0; k < m->n_applications; k++)
        for (int i = 0; i < m->applications[k].n_outputs; i++)
            w->application[m->applications[k].outputs[i]->id] = k + 1;
    for (int k = 0; k < m->n_outputs; k++) /* a value is stacked at most once */
        if (!w->needed[m->outputs[k]->id]) {
            w->needed[m->outputs[k]->id] = true;
            stack[depth++] = m->outputs[k];
        }
    for (int k = 0; k < m->n_inputs; k++)
        if (!w->needed[m->inputs[k]->id]) {
            w->needed[m->inputs[k]->id] = true;
            stack[depth++] = m->inputs[k];
        }
    while (depth > 0) {
        moru_node *const *inputs;
        int count = inputs_of(w, stack[--depth], &inputs);
        for (int k = 0; k < count; k++)
            if (!w->needed[inputs[k]->id]) {
                w->needed[inputs[k]->id] = true;
                stack[depth++] = inputs[k];
            }
    }
    return MORU_OK;
}

/* ---- arguments ---- */

static json_t *tensor_to_json(const writer *w, const moru_node *node)
{
    const origin *o = &w->origins[node->id];
    json_t *shape = json_array();
    for (int k = 0; k < node->shape.rank; k++)
        json_array_append_new(shape, node->shape.dims[k] < 0 ? json_null() : json_integer(node->shape.dims[k]));
    return json_pack("{s:s,s:{s:o,s:s,s:[s,i,i]}}", "class_name", "__keras_tensor__", "config", "shape", shape, "dtype",
                     node->dtype == MORU_REAL ? "float32" : "int32", "keras_history", o->name, o->call, o->output);
}

static bool is_constant(const writer *w, const moru_node *node)
{
    return w->application[node->id] == 0 && node->call->tensor && strcmp(node->call->op->name, "constant") == 0;
}

static json_t *argument_to_json(const writer *w, const moru_node *node)
{
    if (is_constant(w, node))
        return moru_keras_constant_write(node->call->tensor);
    if (w->application[node->id] == 0 && node->call->tensor)
        return json_null(); /* found and reported with its own call */
    return tensor_to_json(w, node);
}

/* Items of a list, which it takes over, as a dictionary. */
static json_t *with_keys(json_t *list, const char *const *keys)
{
    json_t *object = json_object();
    for (size_t k = 0; k < json_array_size(list); k++)
        json_object_set(object, keys[k], json_array_get(list, k));
    json_decref(list);
    return object;
}

/* Inputs by place, as Keras's function takes them: one by one, or as a list. */
static json_t *arguments_of_layer(const writer *w, const moru_application *use)
{
    const moru_layer *layer = use->layer;
    json_t *args = json_array();
    for (int k = 0; k < use->n_inputs && !use->names[k]; k++)
        json_array_append_new(args, argument_to_json(w, use->inputs[k]));
    bool one_list = layer->nested ? layer->nested->n_inputs > 1 || layer->nested->input_keys :
                    !layer->class_->input_names && layer->class_->max_inputs != 1;
    if (layer->nested && layer->nested->input_keys)
        args = with_keys(args, layer->nested->input_keys);
    return one_list ? json_pack("[o]", args) : args;
}

/* One more tensor of those that go by a name, "name" or "name:2" for the third of a list: several make a list. */
static void add_named_input(json_t *named, const char *name, json_t *tensor)
{
    const char *number = strchr(name, ':');
    char base[96];
    snprintf(base, sizeof base, "%.*s", number ? (int)(number - name) : 90, name);
    json_t *known = json_object_get(named, base);
    if (!known && !number) {
        json_object_set_new(named, base, tensor);
        return;
    }
    json_t *list = json_is_array(known) ? json_incref(known) : known ? json_pack("[O]", known) : json_array();
    for (int k = (int)json_array_size(list); number && k < atoi(number + 1); k++)
        json_array_append_new(list, json_null());
    json_array_append_new(list, tensor);
    json_object_set_new(named, base, list);
}

/* Inputs by name, options that are arguments of a call as far as they differ from the defaults, and the mode. */
static json_t *named_arguments(const writer *w, const moru_application *use)
{
    const moru_layer_class *class_ = use->layer->class_;
    json_t *named = moru_fields_write(class_->arguments, class_->n_arguments, use->layer->options);
    json_t *usual = moru_fields_write(class_->arguments, class_->n_arguments, class_->defaults);
    for (int k = 0; k < class_->n_arguments; k++) {
        const char *name = class_->arguments[k].name;
        if (json_equal(json_object_get(named, name), json_object_get(usual, name)))
            json_object_del(named, name);
    }
    json_decref(usual);
    for (int k = 0; k < use->n_inputs; k++)
        if (use->names[k])
            add_named_input(named, use->names[k], argument_to_json(w, use->inputs[k]));
    if (use->training)
        json_object_set_new(named, "training", json_boolean(use->training > 0));
    return named;
}

/* ---- entries ---- */

/* Takes arguments and named over. */
static moru_status add_call(writer *w, json_t *entry, json_t *arguments, json_t *named)
{
    json_t *nodes = json_object_get(entry, "inbound_nodes");
    json_t *call = json_pack("{s:o,s:o}", "args", arguments, "kwargs", named);
    if (json_object_get(named, "training"))
        json_object_set_new(call, MORU_KERAS_FIXED_MODE, json_true());
    return json_array_append_new(nodes, call) == 0 ? MORU_OK : no_memory(w);
}

/* An entry of its own for each layer and each operation; takes object over. */
static moru_status add_entry(writer *w, const char *name, json_t *object, json_t **entry)
{
    if (!object || json_object_set_new(object, "name", json_string(name)) != 0 ||
        json_object_set_new(object, "inbound_nodes", json_array()) != 0 ||
        json_array_append(w->layers, object) != 0 || json_object_set_new(w->entries, name, object) != 0)
        return no_memory(w);
    *entry = object;
    return MORU_OK;
}

static moru_status write_use(writer *w, const moru_application *use)
{
    const moru_layer *layer = use->layer;
    json_t *entry = json_object_get(w->entries, layer->name);
    if (!entry)
        MORU_TRY(add_entry(w, layer->name, moru_keras_layer_write(layer), &entry));
    int call = (int)json_array_size(json_object_get(entry, "inbound_nodes"));
    for (int k = 0; k < use->n_outputs; k++)
        w->origins[use->outputs[k]->id] = (origin){layer->name, call, k, layer->class_ == &moru_functional_class};
    return use->n_inputs > 0 ? add_call(w, entry, arguments_of_layer(w, use), named_arguments(w, use)) : MORU_OK;
}

/* A name no layer has: "add", "add_1", ... */
static const char *operation_name(writer *w, const char *class_name)
{
    char base[64], name[96];
    moru_snake(class_name, base, sizeof base);
    for (int k = 0;; k++) {
        snprintf(name, sizeof name, k ? "%s_%d" : "%s", base, k);
        bool taken = json_object_get(w->entries, name) != NULL;
        for (int i = 0; i < w->model->n_layers && !taken; i++)
            taken = strcmp(w->model->layers[i]->name, name) == 0;
        if (!taken)
            return moru_arena_strdup(&w->arena, name);
    }
}

/* x + 2 is one op here and the operation Add of x and 2 in Keras. */
static const char *binary_of_scalar_op(const char *op)
{
    return strcmp(op, "add_scalar") == 0 ? "add" : strcmp(op, "mul_scalar") == 0 ? "mul" :
           strcmp(op, "pow_scalar") == 0 ? "pow" : NULL;
}

/* The one number among an op's attributes. */
static double parameter_of(const moru_call *call)
{
    if (call->attr_size >= sizeof(moru_elementwise_attrs))
        return ((const moru_elementwise_attrs *)call->attrs)->p[0];
    return call->attr_size >= sizeof(int32_t) ? *(const int32_t *)call->attrs : 0;
}

static moru_status write_operation(writer *w, const moru_node *node)
{
    const moru_call *call = node->call;
    const char *binary = binary_of_scalar_op(call->op->name);
    const moru_keras_operation *operation = moru_keras_operation_of_op(binary ? binary : call->op->name);
    if (!operation || call->n_outputs != 1) {
        moru_listing_add(&w->faults, MORU_ERR_UNSUPPORTED, "%s \"%s\"", call->op->name, call->name ? call->name : "");
        w->origins[node->id].name = ""; /* so that what depends on it isn't reported as well */
        return MORU_OK;
    }
    const char *name = operation_name(w, operation->class_name);
    json_t *entry, *args = json_array();
    if (!name)
        return no_memory(w);
    json_t *config = json_pack("{s:s}", "name", name);
    if (operation->parameter && strcmp(operation->parameter, "axis") == 0)
        json_object_set_new(config, "axis", json_integer((json_int_t)parameter_of(call)));
    else if (operation->parameter)
        json_object_set_new(config, operation->parameter, json_real(parameter_of(call)));
    for (int k = 0; k < call->n_inputs; k++)
        json_array_append_new(args, argument_to_json(w, call->inputs[k]));
    if (binary)
        json_array_append_new(args, json_real(parameter_of(call)));
    MORU_TRY(add_entry(w, name, json_pack("{s:s,s:s,s:o,s:s}", "module", operation->module, "class_name",
                                          operation->class_name, "config", config, "registered_name",
                                          operation->class_name), &entry));
    w->origins[node->id] = (origin){.name = name};
    return add_call(w, entry, args, json_object());
}

/* Constants are written with what they are arguments of; other leaves can't be. */
static void check_leaf(writer *w, const moru_node *node)
{
    if (!is_constant(w, node))
        moru_listing_add(&w->faults, MORU_ERR_UNSUPPORTED, "%s \"%s\"", node->call->op->name,
                         node->call->name ? node->call->name : "");
}

/* ---- all of it ---- */

static moru_status write_entries(writer *w)
{
    const moru_graph *graph = w->model->graph;
    for (int id = 0; id < graph->n_nodes; id++) {
        const moru_node *node = graph->nodes[id];
        if (!w->needed[id])
            continue;
        if (w->application[id] > 0 && w->origins[id].name)
            continue; /* another output of a use that is written */
        if (w->application[id] > 0)
            MORU_TRY(write_use(w, &w->model->applications[w->application[id] - 1]));
        else if (node->call->tensor)
            check_leaf(w, node);
        else
            MORU_TRY(write_operation(w, node));
    }
    return moru_listing_fail(&w->faults, w->model->name, "a Keras configuration can't hold these operations");
}

/* One triple, or a list or dictionary of several. */
static json_t *ends_to_json(const writer *w, moru_node *const *nodes, int n, const char *const *keys)
{
    json_t *list = json_array();
    for (int k = 0; k < n; k++) {
        const origin *o = &w->origins[nodes[k]->id];
        json_array_append_new(list, json_pack("[s,i,i]", o->name, o->call + o->functional, o->output));
    }
    if (keys)
        return with_keys(list, keys);
    json_t *first = n == 1 ? json_incref(json_array_get(list, 0)) : NULL;
    if (!first)
        return list;
    json_decref(list);
    return first;
}

static moru_status write_all(writer *w, json_t *config)
{
    const moru_model *m = w->model;
    size_t n = (size_t)m->graph->n_nodes + 1;
    w->application = moru_arena_alloc(&w->arena, n * sizeof *w->application);
    w->needed = moru_arena_alloc(&w->arena, n * sizeof *w->needed);
    w->origins = moru_arena_alloc(&w->arena, n * sizeof *w->origins);
    if (!w->application || !w->needed || !w->origins || !w->layers || !w->entries)
        return no_memory(w);
    MORU_TRY(find_needed(w));
    MORU_TRY(write_entries(w));
    for (int k = 0; k < m->n_outputs; k++)
        if (!w->origins[m->outputs[k]->id].name)
            return moru_fail(MORU_ERR_UNSUPPORTED, "%s: a Keras configuration can't hold a constant as output %d",
                             m->name, k);
    if (json_object_set(config, "layers", w->layers) != 0 ||
        json_object_set_new(config, "input_layers", ends_to_json(w, m->inputs, m->n_inputs, m->input_keys)) != 0 ||
        json_object_set_new(config, "output_layers", ends_to_json(w, m->outputs, m->n_outputs, m->output_keys)) != 0)
        return no_memory(w);
    return MORU_OK;
}

moru_status moru_keras_functional_write(const moru_model *model, json_t *config)
{
    writer w = {.model = model, .layers = json_array(), .entries = json_object()};
    moru_status status = write_all(&w, config);
    json_decref(w.layers);
    json_decref(w.entries);
    moru_arena_free(&w.arena);
    return status;
}
