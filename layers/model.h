/* A model's inside. The model's own graph is its inference graph; a training graph is made by tracing it again. */
#ifndef MORU_LAYERS_MODEL_H
#define MORU_LAYERS_MODEL_H

#include <moru/model.h>
#include "layers/layer.h"

/* One use of a layer: the calls [first_call, last_call) of the model's graph. An input layer's has no inputs. Uses
 * that don't lead to an output are dropped when the outputs are set. */
typedef struct moru_application {
    moru_layer *layer;
    moru_node **inputs, **outputs;
    const char **names;        /* of inputs that go by a name: NULL for the others */
    int n_inputs, n_outputs;
    int training;              /* as in moru_inputs */
    int32_t first_call, last_call;
} moru_application;

struct moru_training;          /* train/: what moru_compile() made */

struct moru_model {
    moru_arena arena;
    char *name;
    bool sequential;
    moru_graph *graph;         /* graph->owner is this model */
    moru_layer **layers;       /* owned; in the order they were added, input layers included */
    int n_layers, cap_layers;
    int n_owned;               /* layers after these n_layers don't lead to an output, and are no part of the model */
    moru_layer **order;        /* Keras's, n_order of them; set with the outputs */
    int n_order;
    bool complete;             /* the outputs are set */
    moru_application *applications;
    int n_applications, cap_applications;
    moru_node **inputs, **outputs;
    int n_inputs, n_outputs, cap_inputs;
    const char **input_keys, **output_keys; /* of a Keras model that takes or gives a dictionary, sorted; else NULL */
    uint64_t seed;
    uint32_t without;          /* MORU_PASS_* that its programs leave out */
    moru_trace trace;          /* of the inference graph: unused updates */
    struct moru_training *training;
    void (*free_training)(struct moru_training *training);
    moru_status status;
    char error[1024];
};

/* Replays the model into graph: inputs[i] stand for the model's inputs, outputs receive the results. Updates and
 * losses go to trace (moru_trace_free() it). Layers are called with trace->training, raw ops are copied. */
moru_status moru_model_trace(const moru_model *model, moru_graph *graph, moru_node *const *inputs, moru_node **outputs,
                             moru_trace *trace);
void moru_trace_free(moru_trace *trace);
/* What a variable is by now: its last update, or itself. */
moru_node *moru_trace_value(const moru_trace *trace, moru_node *variable);
/* What the variable's gradient is taken by: itself, or what the last update made of it. */
moru_node *moru_trace_base(const moru_trace *trace, moru_node *variable);
/* Assigns: no gradient goes through, as through a variable of Keras's. */
void moru_trace_update(moru_trace *trace, moru_node *variable, moru_node *value);
/* The same for what a layer keeps from batch to batch. */
moru_node *moru_trace_state(const moru_trace *trace, moru_node *variable);
void moru_trace_keep_state(moru_trace *trace, moru_node *variable, moru_node *value);

/* One more loss beside the outputs: a scalar, or NULL. */
void moru_trace_loss(moru_trace *trace, moru_graph *graph, moru_node *loss);

/* One more loss beside the outputs: a scalar, or NULL. */
void moru_trace_loss(moru_trace *trace, moru_graph *graph, moru_node *loss);

/* Layers as Keras orders them in `model.layers` (for weights files): without the input layer in a Sequential model;
 * a functional one's order is by depth. Fills order (n_layers at most) and returns the count. */
int moru_model_keras_order(const moru_model *model, moru_layer **order);

/* With trainable: the trainable weights of trainable layers; else all others. In Keras's order of layers; at most
 * capacity of them into weights (which may be NULL if that is 0). Returns how many there are. */
int moru_model_weights(const moru_model *model, bool trainable, moru_weight **weights, int capacity);

/* An empty model; NULL when out of memory. */
moru_model *moru_model_new(const char *name, bool sequential);
/* Keeps the model's first error, which is the thread's last one; everything built from now on is inert. */
moru_status moru_model_fail(moru_model *model, moru_status status);
/* Takes the layer over and names it. */
moru_status moru_model_adopt(moru_model *model, moru_layer *layer);
moru_status moru_model_name_layer(moru_model *model, moru_layer *layer);
/* Takes an InputLayer over; returns its value. */
moru_node *moru_model_add_input(moru_model *model, moru_layer *layer);
/* One use of a layer the model has: builds, initializes and calls it. NULL after a failure, which the model keeps. */
const moru_application *moru_model_apply(moru_model *model, moru_layer *layer, const moru_inputs *in);
/* As moru_model_trace(), of a model inside another: regularization losses are left to the outermost. */
moru_status moru_model_trace_nested(const moru_model *model, moru_graph *graph, moru_node *const *inputs,
                                    moru_node **outputs, moru_trace *trace);
/* The group of layer k of an order in files of weights: snake(class), numbered among its like. */
void moru_layer_group(moru_layer *const *order, int k, char *group, size_t size);
/* Finds Keras's order, and with it the layers and uses that lead to the outputs. */
moru_status moru_model_find_order(moru_model *model);

#endif
