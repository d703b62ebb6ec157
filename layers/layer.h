/* What a layer is. One file per layer: options, weights, call. */
#ifndef MORU_LAYERS_LAYER_H
#define MORU_LAYERS_LAYER_H

#include <moru/layers.h>
#include <moru/ops.h>
#include "core/config.h"
#include "core/graph.h"

/* A parsed regularizer: factors of sum |w|, sum w^2, and of the cosines between rows or columns. */
typedef struct moru_regularizer { double l1, l2, orthogonal; bool columns; } moru_regularizer;

/* An option that isn't one of the class's fields: "kernel_constraint", "activity_regularizer". */
typedef struct moru_extra { const char *name, *spec; struct moru_extra *next; } moru_extra;

typedef struct moru_weight {
    const char *name;          /* "kernel" */
    char *path;                /* Keras's: "model/dense/kernel" (Sequential) or "dense/kernel"; set by the model */
    const char *group;         /* of a weight that Keras keeps in a layer inside: its group in files; NULL: none */
    const char *also;          /* another group that has it as well, "" being the layer's own; NULL: none */
    moru_tensor *tensor;
    bool trainable;            /* as made: moving statistics are not. The layer's own flag counts besides */
    const char *initializer, *regularizer; /* specs; regularizer may be NULL */
    moru_regularizer penalty;  /* the regularizer, parsed */
    const char *constraint;    /* spec of what holds after each step; NULL: nothing */
    double fan_in, fan_out;    /* for its initializer; 0: by its shape */
    int64_t ones_from, ones;   /* after initialization these many elements from there on are 1 (LSTM's forget bias) */
    moru_layer *owner;         /* the layer inside this one that has the weight as its weight number owner_index and */
    int owner_index;           /* owns the tensor; NULL: this layer itself */
} moru_weight;

/* Collects what a model's graph produces beside its outputs. */
typedef struct moru_trace {
    bool training;
    bool noiseless;            /* dropout lets everything through: results are functions of the batch alone */
    uint64_t seed;
    moru_node **update_variables, **update_values; /* moving statistics; in steps of one's own, all weights stepped */
    moru_node **update_bases;  /* what gradients of the values are taken by: moru_layer_assign() leaves them */
    int n_updates, cap_updates;
    moru_node **state_variables, **state_values;   /* what a stateful layer leaves to the next batch, in inference too */
    int n_states, cap_states;
    moru_node **losses;                            /* regularization: scalars */
    int n_losses, cap_losses;
} moru_trace;

/* One use of a layer in a graph. */
typedef struct moru_layer_call {
    moru_layer *layer;
    moru_graph *graph;
    moru_trace *trace;
    bool training;             /* the layer's: false for a BatchNormalization that is frozen */
    moru_node *const *inputs;  /* those given by place */
    int n_inputs;
    const moru_inputs *all;    /* those, and after them the ones given by name: moru_layer_argument() */
    moru_node **outputs;       /* of a layer with several: call() fills outputs[1..] */
} moru_layer_call;

/* What becomes of the inputs' masks. */
typedef enum moru_mask_rule {
    MORU_MASK_STOPS,           /* the output has none */
    MORU_MASK_PASSES,          /* outputs have that of the first input */
    MORU_MASK_ANY,             /* where any of the inputs is there, if all have masks; else none */
    MORU_MASK_MADE             /* call() sets the outputs' masks */
} moru_mask_rule;

typedef struct moru_layer_class {
    const char *class_name;    /* "Dense" */
    const char *source_name;   /* of the class in Keras's source, where that is another: names and groups come from it */
    const char *module;        /* "keras.layers" */
    size_t size;               /* of the options struct, which begins with MORU_LAYER_OPTIONS */
    const void *defaults;
    const moru_field *fields;  /* without name, trainable, dtype */
    int n_fields;
    const moru_field *arguments;   /* options that Keras takes as arguments of a call */
    int n_arguments;
    const char *const *input_names; /* of inputs that Keras takes one by one, ended by NULL; NULL: it takes a list */
    const char *const *named_inputs; /* that may come by name besides: "mask", "initial_state"; ended by NULL, or NULL */
    int min_inputs, max_inputs;    /* by place; max_inputs < 0: any number */
    moru_mask_rule masks;
    bool is_operation;         /* of Keras's ops: no layer for `model.layers` and files of weights */
    bool bare;                 /* its constructor in Keras knows no "trainable" */
    bool regularizes;          /* call() sees to activity_regularizer itself */
    bool frozen_infers;        /* a layer that isn't trainable runs as for inference */
    const struct moru_cell_class *cell; /* how a cell makes a step; NULL: it is no cell (layers/recurrent.h) */
    /* Checks options and makes the weights for input shapes with a symbolic batch size. Run again for every further
     * use: the weights must turn out the same. */
    moru_status (*build)(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n);
    int (*output_count)(const moru_layer *layer); /* NULL: one. Asked after build() */
    /* Appends the layer's nodes; returns the first output (a failed node is an error). */
    moru_node *(*call)(const moru_layer_call *call);
} moru_layer_class;

struct moru_layer {
    const moru_layer_class *class_;
    moru_arena arena;
    char *name;                /* NULL until the model gives one */
    bool trainable;
    const char *dtype;         /* Keras's policy, for files; NULL: float32. All is computed in float32 */
    void *options;
    moru_weight *weights;
    int n_weights, cap_weights;    /* its own, and those of the layers inside: moru_layer_borrow_weights() */
    moru_extra *extras;        /* options besides the class's fields */
    moru_layer **children;     /* layers inside, owned: those among the options, and what build() adds */
    int n_children;
    struct moru_model *nested; /* owned: this layer is a model */
    moru_tensor **states;      /* owned: what it keeps from batch to batch; no weights, not in files */
    int n_states;
    bool built;
    bool raw;                  /* weights begin as zeros: they are being read from a file */
    moru_shape *input_shapes;  /* as built */
    int n_inputs;
    struct moru_model *model;  /* the owner; NULL: the caller, or the layer around it */
    moru_layer *parent;        /* the layer around it */
    moru_status status;        /* of the constructor: reported by the model */
    char error[512];
};

moru_layer *moru_layer_new(const moru_layer_class *class_, const void *options);
void moru_layer_free_one(moru_layer *layer);
/* Adds a weight of zeros, to be initialized by the model's seed; weights are numbered in the order they are added.
 * If it is there already its shape must be the same. */
moru_status moru_layer_add_weight(moru_layer *layer, const char *name, moru_shape shape, const char *initializer,
                                  const char *regularizer, bool trainable);
/* Takes over a layer that works inside this one (in build(): once, if layer->built is still false). */
moru_status moru_layer_add_child(moru_layer *layer, moru_layer *child);
/* The same with a layer just made: NULL is out of memory. */
moru_status moru_layer_adopt_new(moru_layer *layer, moru_layer *child);
/* A new layer of the same options, those inside it too. NULL without memory, or for a model (moru_last_error()). */
moru_layer *moru_layer_clone(const moru_layer *layer);
/* Builds a layer inside for these inputs, and appends its weights to this layer's: in files below `group`, a group of
 * this layer's, and by names that begin with prefix (NULL: as they are called inside). */
moru_status moru_layer_build_child(moru_layer *layer, moru_layer *child, const moru_shape *inputs,
                                   const moru_dtype *dtypes, int n, const char *group, const char *prefix);
moru_status moru_layer_borrow_weights(moru_layer *layer, moru_layer *child, const char *group, const char *prefix);
/* Whether weight k is trained: it, its layer, and the layers between them are trainable. */
bool moru_layer_trains(const moru_layer *layer, int k);
/* Input number k of those given by this name; NULL: there is none. */
moru_node *moru_layer_argument(const moru_layer_call *call, const char *name, int k);
/* Mask of input k: number k of those given as "mask", or what came with it; NULL: none. */
moru_node *moru_layer_mask(const moru_layer_call *call, int k);
int moru_layer_output_count(const moru_layer *layer);
/* Calls a layer under its name in any graph. outputs: as many as it has; may be NULL for one. Returns the first. */
moru_node *moru_layer_run(moru_layer *layer, moru_graph *graph, moru_trace *trace, const moru_inputs *in,
                          moru_node **outputs);
/* Calls a layer inside this one. */
moru_node *moru_layer_run_child(const moru_layer_call *call, moru_layer *child, const moru_inputs *in,
                                moru_node **outputs);
/* Weight k in the call's graph, as what came before in this trace leaves it. */
moru_node *moru_layer_weight(const moru_layer_call *call, int k);
/* At the end of a training step weight k becomes value. */
void moru_layer_update(const moru_layer_call *call, int k, moru_node *value);
/* Weight k becomes value from here on, in this call and in those that come later, and for good at the end of the step. Its
 * gradient is that of all values it has had. */
void moru_layer_assign(const moru_layer_call *call, int k, moru_node *value);
/* Applies an activation spec (NULL: none). */
moru_node *moru_activate(moru_node *x, const char *activation);
/* relu by Keras's options; max_value NAN: none. */
moru_node *moru_relu_of(moru_node *x, double negative_slope, double max_value, double threshold);
/* Sets the message "CLASS "name": ..." and returns status. */
moru_status moru_layer_error(const moru_layer *layer, moru_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For build(): checks that many layers need. */
moru_status moru_layer_channels_last(const moru_layer *layer, const char *data_format);
moru_status moru_layer_rank(const moru_layer *layer, const moru_shape *input, int rank);
moru_status moru_layer_axis(const moru_layer *layer, int64_t axis, int rank, int *out); /* negative ones from the end */
moru_status moru_layer_padding(const moru_layer *layer, const char *padding, moru_padding *out);
moru_status moru_layer_positive(const moru_layer *layer, const char *option, const int64_t *values, int n);
/* int32 as numbers; others as they are. */
moru_node *moru_as_real(moru_node *x);

/* InputLayer's options; public constructors take shapes without the batch. */
typedef struct moru_input_options { MORU_LAYER_OPTIONS moru_shape batch_shape; const char *dtype; } moru_input_options;
moru_status moru_input_dtype(const moru_layer *layer, moru_dtype *dtype);

/* The classes specs of a family ("initializer", "regularizer", "activation", "constraint") may name; NULL: no such family. */
const moru_class *const *moru_family(const char *family, int *n);
extern const moru_class *const moru_initializer_classes[], *const moru_regularizer_classes[],
    *const moru_activation_classes[], *const moru_constraint_classes[];
extern const int moru_initializer_count, moru_regularizer_count, moru_activation_count, moru_constraint_count;
moru_status moru_regularizer_parse(const char *spec, const char *where, moru_regularizer *out);
/* A scalar; NULL: all factors are 0. of_samples: x is a batch, whose mean over samples counts. */
moru_node *moru_regularization(const moru_regularizer *regularizer, moru_node *x, bool of_samples);
/* x min(1/|x|, 1e7), |x| along n axes. */
moru_node *moru_unit_length(moru_node *x, const int *axes, int n);
moru_status moru_constraint_check(const char *spec, int rank, const char *where);
/* What a constraint makes of a weight. */
moru_node *moru_constrain(const char *spec, moru_node *w);

/* Any layer may have "X_constraint" for a weight whose X_initializer it has, and "activity_regularizer", whether they
 * are among its fields (and in its options struct then) or not. Value; NULL: none. */
const char *moru_layer_extra(const moru_layer *layer, const char *name);
moru_status moru_layer_set_extra(moru_layer *layer, const char *name, const char *spec);
/* The constraint of a weight of this name, of this layer or of one around it. */
const char *moru_layer_constraint(const moru_layer *layer, const char *weight);
/* Appends the regularization of n values of a call to the trace. */
void moru_layer_regularize(const moru_layer_call *call, moru_node *const *values, int n);
/* From and into a configuration: members that are no fields. */
moru_status moru_layer_read_extras(moru_layer *layer, json_t *extras);
moru_status moru_layer_write_extras(const moru_layer *layer, json_t *config);

/* All layer classes: layers/layers.def. */
#define MORU_LAYER_CLASS(name) extern const moru_layer_class name;
#include "layers/layers.def"
#undef MORU_LAYER_CLASS
const moru_layer_class *moru_layer_class_at(int k);
const char *moru_layer_source_name(const moru_layer *layer);
const moru_layer_class *moru_layer_class_find(const char *class_name);
/* Among Keras's operations: "Concatenate" is a layer and an operation, too. */
const moru_layer_class *moru_operation_class_find(const char *class_name);

/* Fills the tensor from (seed, stream). Fan sizes follow Keras's rule. */
moru_status moru_initialize(const char *spec, moru_tensor *tensor, uint64_t seed, uint64_t stream);
/* With fan sizes that are given; 0: those of the rule. */
moru_status moru_initialize_fans(const char *spec, moru_tensor *tensor, uint64_t seed, uint64_t stream, double fan_in,
                                 double fan_out);
/* The weight as its layer begins, by its path and the model's seed. */
moru_status moru_weight_initialize(const moru_weight *weight, uint64_t seed);

#endif
