/** @file
 * Models: layers put together, sequentially or as a graph with branches, several inputs and shared layers.
 */
#ifndef MORU_MODEL_H
#define MORU_MODEL_H

#include <moru/layers.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moru_model moru_model;

/** A model of layers in a row, the first an input layer. Owns the layers. Errors are kept in the model
 *  (moru_model_status()); NULL only when out of memory. Weights are initialized with seed 0; see moru_model_initialize(). */
#define moru_sequential(name, ...) \
    (__extension__({ moru_layer *const moru_layers_[] = {__VA_ARGS__};                                  \
        moru_sequential_from((name), moru_layers_, (int)(sizeof moru_layers_ / sizeof *moru_layers_)); }))
MORU_API moru_model *moru_sequential_from(const char *name, moru_layer *const *layers, int n);

/** A functional model: make inputs, apply layers and ops to them, then name the outputs. */
MORU_API moru_model *moru_functional(const char *name);
/** A value of shape [batch, dims...]; -1 in dims: any size. */
MORU_API moru_node *moru_model_input(moru_model *model, const char *name, const int64_t *dims, int rank);
MORU_API moru_node *moru_model_input_int(moru_model *model, const char *name, const int64_t *dims, int rank);
/** An input of any kind, such as moru_input_batch(32, 10, 8); the model takes the layer over. */
MORU_API moru_node *moru_model_input_from(moru_model *model, moru_layer *layer);
/** Puts the layer into the model of x (which owns it from now on) and applies it. A layer may be applied again: it is shared. */
MORU_API moru_node *moru_apply(moru_layer *layer, moru_node *x);
MORU_API moru_node *moru_apply_n(moru_layer *layer, moru_node *const *xs, int n);
/** With inputs by name, or several outputs: the first capacity of them go into outputs. Returns how many the layer has; 0
 *  after a failure, which the model keeps. */
MORU_API int moru_apply_inputs(moru_layer *layer, const moru_inputs *inputs, moru_node **outputs, int capacity);
/** A complete model as a layer of another model; the layer owns it. Its weights keep their paths. A model that is
 *  compiled loses its optimizer. */
MORU_API moru_layer *moru_model_layer_of(moru_model *model);
MORU_API moru_status moru_model_outputs(moru_model *model, moru_node *const *outputs, int n);

MORU_API void moru_model_free(moru_model *model);
/** Makes what stateful layers have kept of the last batch zeros, as before the first one. */
MORU_API void moru_model_reset_states(moru_model *model);
MORU_API moru_status moru_model_status(const moru_model *model);
MORU_API const char *moru_model_error(const moru_model *model);
MORU_API const char *moru_model_name(const moru_model *model);

/** Draws all weights anew from their initializers. The same seed gives the same weights. */
MORU_API moru_status moru_model_initialize(moru_model *model, uint64_t seed);

/** Compiler passes (MORU_PASS_*, <moru/program.h>) that the programs of this model leave out from now on, in training,
 *  evaluation, prediction and gradients. MORU_PASS_WINOGRAD is the one with a use: convolutions then round as plain sums
 *  do, and are slower. 0: none, as at the start. */
MORU_API void moru_model_leave_out(moru_model *model, uint32_t passes);

MORU_API int moru_model_layer_count(const moru_model *model);
MORU_API moru_layer *moru_model_layer_at(moru_model *model, int k);
MORU_API moru_layer *moru_model_layer(moru_model *model, const char *name); /**< NULL: no such layer */
MORU_API int moru_model_input_count(const moru_model *model);
MORU_API int moru_model_output_count(const moru_model *model);
MORU_API moru_node *moru_model_input_at(const moru_model *model, int k);
MORU_API moru_node *moru_model_output_at(const moru_model *model, int k);
MORU_API int64_t moru_model_parameter_count(const moru_model *model, bool trainable_only);

/** Row k of a summary: layers in order. output is the shape with -1 for the batch and other open sizes. */
typedef struct moru_summary_row { const char *name, *class_name; moru_shape output; int64_t parameters; bool trainable; } moru_summary_row;
MORU_API bool moru_model_summary_at(const moru_model *model, int k, moru_summary_row *row);

#ifdef __cplusplus
}
#endif
#endif
