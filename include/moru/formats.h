/** @file
 * Files: models and weights as Keras writes them, arrays, pictures. Files appear whole or not at all: they are written
 * beside, synced and renamed.
 */
#ifndef MORU_FORMATS_H
#define MORU_FORMATS_H

#include <moru/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Writes a model; the name decides: .keras (Keras 3; whole, with the optimizer's state if compiled), .h5 (the older
 *  whole form, which Keras 2 and 3 know), or weights alone: .weights.h5 (Keras 3), .safetensors (PyTorch's layouts). */
MORU_API moru_status moru_save(moru_model *model, const char *path);
/** Reads a .keras or .h5 file that holds a whole model. A compiled one comes back compiled, with its optimizer's state. */
MORU_API moru_status moru_load(moru_model **model, const char *path);
/** The same for inference only: what it was compiled with is left out, and need not be supported. */
MORU_API moru_status moru_load_uncompiled(moru_model **model, const char *path);
/** Reads weights into a model of the same structure from a .keras, .weights.h5 or .h5 file, whole or weights only, or
 *  PyTorch's from a .safetensors file or an HDF5 file of a state_dict. All or nothing: on any mismatch the model is
 *  left as it was and the message lists every one. */
MORU_API moru_status moru_load_weights(moru_model *model, const char *path);

/** How weights are matched with a model. Zeros: by place (PyTorch's by name, then by what fits), and all must fit. */
typedef struct moru_weights_options {
    bool by_name;        /**< Keras's files: layers are found by their names; those on one side only are left alone. */
    bool partial;        /**< What the file or the model lacks is left alone. */
    bool skip_mismatch;  /**< What has another shape, or layers with another number of weights, are left alone. */
    const char *mapping; /**< PyTorch's: file of a JSON object {"layer": "module", ...}; NULL: none. An object
                              {"module": "module", "flatten": "channels_last"} in place of a name says that rows of a
                              Dense after a Flatten are as here already. */
    char **skipped;      /**< Receives a list of what was left alone, or NULL; free() it. NULL: not wanted. */
    int *loaded;         /**< Receives the number of weights read. NULL: not wanted. */
} moru_weights_options;
/** moru_load_weights() with options (NULL: none). */
MORU_API moru_status moru_load_weights_with(moru_model *model, const char *path, const moru_weights_options *options);
/** Writes weights alone: .weights.h5, .h5 (the older form) or .safetensors, whose names come from the mapping's file
 *  (NULL: from the layers' names). */
MORU_API moru_status moru_save_weights(moru_model *model, const char *path, const char *mapping);
/** The model's Keras configuration (config.json) as text; free() it. */
MORU_API char *moru_model_to_json(moru_model *model);
MORU_API moru_status moru_model_from_json(moru_model **model, const char *json, const char *where);

/** @name Arrays in HDF5 files, and in NumPy's .npz and .npy
 *  Which one a file is shows in its first bytes; the name decides what is written. The array of a .npy is called as the
 *  file without ".npy", and goes by "x" and "target", too. @{ */
/** A data set as a new tensor of the caller's: floating types as ::MORU_REAL; integer types as dtype asks, range-checked. */
MORU_API moru_status moru_h5_read(moru_tensor **tensor, const char *path, const char *name, moru_dtype dtype);
MORU_API bool moru_h5_has(const char *path, const char *name);
/** A text attribute of a data set or group ("/": the root); free() it. NULL where there is none. */
MORU_API moru_status moru_h5_attribute(char **text, const char *path, const char *name, const char *attribute);
typedef struct moru_h5_item { const char *name; const moru_tensor *tensor; } moru_h5_item;
/** A new file with n data sets (groups in names are made). */
MORU_API moru_status moru_h5_write(const char *path, const moru_h5_item *items, int n);
/** One array of a file of weights or data: .h5, .safetensors, .npz, .npy. */
typedef struct moru_array_info { const char *name, *type; moru_shape shape; } moru_array_info;
/** Calls visit for each array, in the order of names; what it is given is valid till it returns. */
MORU_API moru_status moru_arrays_list(const char *path, void (*visit)(void *user, const moru_array_info *array), void *user);
/** @} */

/** @name Pictures @{ */
/** Loss and metrics by epoch, training and validation, as a PNG. */
MORU_API moru_status moru_plot_history(const moru_history *history, const char *title, const char *path);
/** n pictures [n,h,w,1 or 3] in 0..1 in a grid, each with a caption (captions may be NULL); wrong[i] marks a caption red. */
MORU_API moru_status moru_plot_images(const moru_tensor *images, const char *const *captions, const bool *wrong, int columns,
                                      const char *title, const char *path);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
