/* Keras 3's files: the parts of a .keras archive. */
#ifndef MORU_FORMATS_KERAS_H
#define MORU_FORMATS_KERAS_H

#include <jansson.h>
#include <moru/formats.h>
#include "formats/hdf5.h"
#include "layers/model.h"

/* ---- one sentence about many faults ---- */

enum { MORU_LISTING_TEXT = 3000 };
typedef struct moru_listing {
    char text[MORU_LISTING_TEXT];
    size_t used;
    int count, shown;
    moru_status status;     /* of the first */
} moru_listing;
void moru_listing_add(moru_listing *listing, moru_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* MORU_OK if it is empty; otherwise fails with "WHERE: WHAT: first; second; and 12 more". what NULL: by the status. */
moru_status moru_listing_fail(const moru_listing *listing, const char *where, const char *what);

/* ---- config.json ---- */

/* The configuration, with compile_config if the model is compiled: new reference. */
moru_status moru_keras_config_write(moru_model *model, json_t **config);
/* A model whose weights are zeros, to be read. Without compile, compile_config is passed over. where starts messages. */
moru_status moru_keras_config_read(moru_model **model, json_t *config, bool compile, const char *where);
/* One that may stand in another: path names its place there ("" for the outermost). What isn't supported goes to
 * faults with its whole path, and *model is NULL then, with MORU_OK. */
moru_status moru_keras_model_read(moru_model **model, json_t *config, const char *path, moru_listing *faults,
                                  const char *where);
moru_status moru_keras_model_write(const moru_model *model, json_t **object);

enum { MORU_KERAS_PATH = 256 };
/* "path/name", of a layer inside path; path "": the name alone. */
void moru_keras_path(const char *path, const char *name, char out[MORU_KERAS_PATH]);
/* One layer of a configuration: a layer of the caller's. Faults go to the listing, and the layer is NULL then. */
moru_layer *moru_keras_layer_read(json_t *object, const char *path, moru_listing *faults);
/* A layer's object; NULL when out of memory. */
json_t *moru_keras_layer_write(const moru_layer *layer);
/* The functional form's layers, inputs and outputs, from and into its "config". */
moru_status moru_keras_functional_read(moru_model **model, json_t *config, const char *path, moru_listing *faults,
                                       const char *where);
moru_status moru_keras_functional_write(const moru_model *model, json_t *config);
/* Marks a call whose argument "training" counts here. Keras 3 passes over this member of a call, and over the argument,
 * in whose place fit() and predict() put their own. */
#define MORU_KERAS_FIXED_MODE "moru_fixed_mode"
/* A number, a list of numbers, or {"class_name": "__numpy__", ...} among the arguments of a call. */
bool moru_keras_is_constant(json_t *value);
moru_node *moru_keras_constant_read(moru_graph *graph, json_t *value);
json_t *moru_keras_constant_write(const moru_tensor *tensor);
/* Whether an object is one of keras.ops. */
bool moru_keras_is_operation(json_t *object);
/* {"class_name": ..., ...} or NULL */
const char *moru_keras_class_name(json_t *object);

/* Operations on values that aren't layers: `x + y`, keras.ops.relu(x). */
typedef struct moru_keras_operation {
    const char *class_name, *module, *op;
    int n_inputs;
    const char *parameter;       /* its one number, as Keras calls it; NULL: none */
    double value;                /* its default */
    moru_node *(*one)(moru_node *x);
    moru_node *(*one_with)(moru_node *x, double value);
    moru_node *(*two)(moru_node *a, moru_node *b);
} moru_keras_operation;
const moru_keras_operation *moru_keras_operation_of_class(const char *class_name);
const moru_keras_operation *moru_keras_operation_of_op(const char *op);

/* The activation of Keras 2 that Keras 3 has no name for: read, and not written. */
#define MORU_KERAS2_HARD_SIGMOID "keras2_hard_sigmoid"
/* Keras 2's TFOpLambda and SlicingOpLambda. */
bool moru_keras2_is_operation(json_t *object);
bool moru_keras2_knows_operation(json_t *object);
/* One as an entry of Keras 3's: new reference; NULL where there is no such operation. */
json_t *moru_keras2_operation(json_t *object);

/* ---- model.weights.h5 ---- */

moru_status moru_keras_weights_write(moru_model *model, const char *where, void **data, int64_t *size);
/* All or nothing. options NULL: everything must fit. resume: the model is being loaded (on failure it may be left
 * half), and the optimizer's state must fit, too; otherwise one that doesn't is passed over, as Keras does. */
moru_status moru_keras_weights_read(moru_model *model, moru_hdf5 *file, const moru_weights_options *options,
                                    bool resume, const char *where);

/* What an optimizer's state has beside slots, on its way into a training. */
typedef struct moru_keras_state {
    bool has_iteration, has_rate;
    int64_t iteration;
    moru_real rate;
} moru_keras_state;
moru_status moru_keras_read_iteration(moru_keras_state *state, moru_hdf5 *file, const char *path, const char *where);
moru_status moru_keras_read_rate(moru_keras_state *state, moru_hdf5 *file, const char *path);
struct moru_training;
void moru_keras_commit_state(const moru_keras_state *state, struct moru_training *training);

/* ---- .keras ---- */

moru_status moru_keras_archive_write(moru_model *model, const char *path);
moru_status moru_keras_archive_read(moru_model **model, const char *path, bool compile);
moru_status moru_keras_archive_read_weights(moru_model *model, const char *path, const moru_weights_options *options);

/* ---- older .h5 ---- */

/* Whether an open file is of this form; *whole: it holds the model, too. */
moru_status moru_keras_h5_is(moru_hdf5 *file, bool *is, bool *whole);
moru_status moru_keras_h5_read(moru_model **model, moru_hdf5 *file, bool compile, const char *where);
moru_status moru_keras_h5_read_weights(moru_model *model, moru_hdf5 *file, const moru_weights_options *options,
                                       const char *where);
/* whole: with the configuration and the optimizer's state. */
moru_status moru_keras_h5_write(moru_model *model, bool whole, const char *where, void **data, int64_t *size);
/* A configuration that Keras 2 wrote, as Keras 3 would have. */
void moru_keras2_config(json_t *config);
/* Keras's training_config as compile_config: new reference; NULL when out of memory. */
json_t *moru_keras_training_config(json_t *config);

#endif
