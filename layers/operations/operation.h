/* Keras's operations with options of their own as layers without weights: what x[:, 0], keras.ops.mean(x, axis=1) or
 * keras.ops.reshape(x, ...) become in a functional model. Elementwise ones without options are in
 * formats/keras_operation.c. Options are kept as the JSON that Keras writes, and looked at where they are used. */
#ifndef MORU_LAYERS_OPERATION_H
#define MORU_LAYERS_OPERATION_H

#include "layers/layer.h"

/* One list of numbers among the options of an operation. */
typedef struct moru_numbers {
    bool given;             /* false: null */
    bool one;               /* a number that isn't in a list */
    int n;
    int64_t values[2 * MORU_MAX_RANK];
} moru_numbers;

/* Integers from an option: a number, a list, or null. What it isn't is an error in the graph, and false. */
bool moru_operation_numbers(const moru_layer_call *call, const char *name, const char *json, moru_numbers *out);
/* The same as axes of values of this rank, counted from the front. */
bool moru_operation_axes(const moru_layer_call *call, const char *json, int rank, moru_numbers *out);
/* Fails in the graph: gives the failed node. */
moru_node *moru_operation_error(const moru_layer_call *call, moru_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Both as real numbers, or both as integers if both are. */
void moru_operation_alike(moru_node **a, moru_node **b);
moru_status moru_operation_build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n);

#define MORU_FIELDS(...) .fields = (const moru_field[]){__VA_ARGS__}, \
    .n_fields = (int)(sizeof((const moru_field[]){__VA_ARGS__}) / sizeof(moru_field))
/* MORU_OPERATION(id, "Mean", "numpy", options struct, defaults, call, other members) */
#define MORU_OPERATION(id, name, module_, type, defaults_, function, ...) \
    const moru_layer_class moru_##id##_operation = { \
        .class_name = (name), .module = "keras.src.ops." module_, .size = sizeof(type), .defaults = &(defaults_), \
        .min_inputs = 1, .max_inputs = 1, .is_operation = true, .build = moru_operation_build, .call = (function), \
        __VA_ARGS__}

/* Of operations without options. */
typedef struct moru_bare_options { MORU_LAYER_OPTIONS } moru_bare_options;
extern const moru_bare_options moru_bare_defaults;

#endif
