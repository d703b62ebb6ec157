/* What a layer is. One file per layer: options, weights, call. */
#ifndef MORU_LAYERS_LAYER_H
#define MORU_LAYERS_LAYER_H

#include <moru/layers.h>
#include <moru/ops.h>
#include "core/config.h"
#include "core/graph.h"

typedef struct moru_weight {
    const char *name;          /* "kernel" */
    char *path;                /* Keras's variable path: "model/dense/kernel" (Sequential) or "dense/kernel"; set by the model */
    moru_tensor *tensor;
    bool trainable;            /* as made: moving statistics are not. The layer's own flag counts besides */
    const char *initializer, *regularizer, *constraint; /* specs or NULL */
    double l1, l2;             /* of the regularizer, parsed */
} moru_weight;

/* Collects what a model's graph produces beside its outputs. */
typedef struct moru_trace {
    bool training;
    uint64_t seed;
    moru_node **update_variables, **update_values; /* moving statistics */
    int n_updates, cap_updates;
    moru_node **losses;                            /* regularization: scalars */
    int n_losses, cap_losses;
} moru_trace;

/* One use of a layer in a graph. */
typedef struct moru_layer_call {
    moru_layer *layer;
    moru_graph *graph;
    moru_trace *trace;
    bool training;             /* the layer's: false for a BatchNormalization that is frozen */
    moru_node *const *inputs;
    int n_inputs;
} moru_layer_call;

typedef struct moru_layer_class {
    const char *class_name;    /* "Dense" */
    const char *module;        /* "keras.layers" */
    size_t size;               /* of the options struct, which begins with MORU_LAYER_OPTIONS */
    const void *defaults;
    const moru_field *fields;  /* without name, trainable, dtype */
    int n_fields;
    int min_inputs, max_inputs;
    /* Checks options and makes the weights for input shapes with a symbolic batch size. */
    moru_status (*build)(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n);
    /* Appends the layer's nodes; returns the output (a failed node is an error). */
    moru_node *(*call)(const moru_layer_call *call);
} moru_layer_class;

struct moru_layer {
    const moru_layer_class *class_;
    moru_arena arena;
    char *name;                /* NULL until the model gives one */
    bool trainable;
    void *options;
    moru_weight *weights;
    int n_weights, cap_weights;
    bool built;
    moru_shape *input_shapes;  /* as built */
    int n_inputs;
    moru_status status;        /* of the constructor: reported by the model */
    char error[512];
};

moru_layer *moru_layer_new(const moru_layer_class *class_, const void *options);
void moru_layer_free_one(moru_layer *layer);
/* Adds a weight of zeros, to be initialized by the model's seed; returns its index or -1. */
int moru_layer_add_weight(moru_layer *layer, const char *name, moru_shape shape, const char *initializer,
                          const char *regularizer, const char *constraint, bool trainable);
/* The weight's node in the call's graph. */
moru_node *moru_layer_weight(const moru_layer_call *call, int k);
/* At the end of a training step weight k becomes value. */
void moru_layer_update(const moru_layer_call *call, int k, moru_node *value);
/* Applies an activation spec (NULL: none). */
moru_node *moru_activate(moru_node *x, const char *activation);
/* Sets the message "CLASS "name": ..." and returns status. */
moru_status moru_layer_error(const moru_layer *layer, moru_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* All layer classes: layers/layers.def. */
const moru_layer_class *moru_layer_class_at(int k);
const moru_layer_class *moru_layer_class_find(const char *class_name);

/* Initializers (layers/initializers.c): fills the tensor from (seed, stream). fan sizes follow Keras's rule. */
moru_status moru_initialize(const char *spec, moru_tensor *tensor, uint64_t seed, uint64_t stream);

#endif
