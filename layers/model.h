/* A model's inside. The model's own graph is its inference graph; a training graph is made by tracing it again. */
#ifndef MORU_LAYERS_MODEL_H
#define MORU_LAYERS_MODEL_H

#include <moru/model.h>
#include "layers/layer.h"

/* One use of a layer: the calls [first_call, last_call) of the model's graph. */
typedef struct moru_application {
    moru_layer *layer;
    moru_node **inputs, *output;
    int n_inputs;
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
    moru_application *applications;
    int n_applications, cap_applications;
    moru_node **inputs, **outputs;
    int n_inputs, n_outputs, cap_inputs;
    uint64_t seed;
    moru_trace trace;          /* of the inference graph: unused updates */
    struct moru_training *training;
    void (*free_training)(struct moru_training *training);
    moru_status status;
    char error[1024];
};

/* Replays the model into graph: inputs[i] stand for the model's inputs, outputs receive the results. Updates and losses go
 * to trace (moru_trace_free() it). Layers are called with trace->training, raw ops are copied. */
moru_status moru_model_trace(const moru_model *model, moru_graph *graph, moru_node *const *inputs, moru_node **outputs,
                             moru_trace *trace);
void moru_trace_free(moru_trace *trace);

/* Layers as Keras orders them in `model.layers` (for weights files): without the input layer in a Sequential model; a functional
 * one's order is by depth. Fills order (n_layers at most) and returns the count. */
int moru_model_keras_order(const moru_model *model, moru_layer **order);

/* Trainable weights of trainable layers in model order, then the others: into weights; returns the count. */
int moru_model_weights(const moru_model *model, bool trainable, moru_weight **weights, int capacity);

#endif
