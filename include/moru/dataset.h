/** @file
 * Data sets: numbered samples, each one or more inputs and targets.
 */
#ifndef MORU_DATASET_H
#define MORU_DATASET_H

#include <moru/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moru_dataset moru_dataset;

#define MORU_MAX_FEATURES 64
/** What a data set holds. Strings belong to the data set. */
typedef struct moru_dataset_info {
    const char *name;               /**< "fashion-mnist:train" */
    int64_t size;                   /**< samples */
    int n_inputs, n_targets;
    moru_shape input_shapes[MORU_MAX_FEATURES], target_shapes[MORU_MAX_FEATURES]; /**< of one sample */
    moru_dtype input_dtypes[MORU_MAX_FEATURES], target_dtypes[MORU_MAX_FEATURES];
    int n_weights;                  /**< so many of the targets, the last ones, are weights: none, one for all outputs of a model,
                                         or one an output. They weigh the losses of samples, or with a shape of steps */
    int n_classes;                  /**< 0: targets aren't classes */
    const char *const *class_names; /**< n_classes of them, or NULL */
    const char *const *input_names; /**< columns of a table, or NULL */
    bool images;                    /**< input 0 is [h,w,1] or [h,w,3] in 0..1 */
} moru_dataset_info;

/** The struct a data source of one's own fills in; see moru_dataset_custom(). */
typedef struct moru_dataset_class {
    /** Writes samples rows[0..n) one after the other into inputs[k] and targets[k]. Called by several threads. */
    moru_status (*read)(const void *self, const int64_t *rows, int64_t n, void *const *inputs, void *const *targets);
    void (*free)(void *self);
} moru_dataset_class;
/** NULL (and moru_last_error()) when info makes no sense or there is no memory; self stays the caller's then. info is
 *  copied, its strings must live as long as self. */
MORU_API moru_dataset *moru_dataset_custom(const moru_dataset_class *class_, void *self, const moru_dataset_info *info);

/** Opens a source: fashion-mnist[:train|:test], mnist:DIR[:train|:test], csv:FILE?target=COL&sep=;, h5:FILE, npz:FILE,
 *  study-time, study-and-sleep, and, or, nand, xor. */
MORU_API moru_status moru_dataset_open(moru_dataset **dataset, const char *spec);
/** Over arrays in memory: the first axis counts samples. Tensors are copied. */
MORU_API moru_status moru_dataset_from_tensors(moru_dataset **dataset, const moru_tensor *const *inputs, int n_inputs,
                                               const moru_tensor *const *targets, int n_targets);
/** The same with weights of samples [n], or of steps [n, t]: one for all outputs of a model, or one an output. */
MORU_API moru_status moru_dataset_from_weighted_tensors(moru_dataset **dataset, const moru_tensor *const *inputs, int n_inputs,
                                                        const moru_tensor *const *targets, int n_targets,
                                                        const moru_tensor *const *weights, int n_weights);
/** Samples [start, stop) of base, which must outlive the result. */
MORU_API moru_status moru_dataset_slice(moru_dataset **dataset, const moru_dataset *base, int64_t start, int64_t stop);
MORU_API void moru_dataset_free(moru_dataset *dataset);
MORU_API void moru_dataset_describe(const moru_dataset *dataset, moru_dataset_info *info);
MORU_API moru_status moru_dataset_read(const moru_dataset *dataset, const int64_t *rows, int64_t n, void *const *inputs,
                                       void *const *targets);
/** Images and labels in MNIST's format, plain or gzip. */
MORU_API moru_status moru_dataset_idx(moru_dataset **dataset, const char *images, const char *labels);
/** A table. Columns of numbers are standardised, others one-hot encoded; empty cells and "NA", "?" are missing: the mean, or a
 *  category of their own. The target is left as it is (a text target gives class numbers). */
typedef struct moru_csv_options {
    const char *target;             /**< column; NULL: the last one */
    char separator;                 /**< 0: , */
    bool no_header;
    bool raw;                       /**< don't standardise */
    const char *ignore;             /**< columns to leave out, separated by , */
    const char *numeric;            /**< columns that must be numbers (a text there is an error), separated by ,; NULL: by content */
} moru_csv_options;
MORU_API moru_status moru_dataset_csv(moru_dataset **dataset, const char *path, const moru_csv_options *options);

/** Batches, read ahead by a second thread. */
typedef struct moru_loader moru_loader;
typedef struct moru_loader_options {
    int64_t batch_size;
    bool shuffle, drop_last;
    uint64_t seed;
    int64_t epoch;                  /**< with seed, decides the order */
} moru_loader_options;
typedef struct moru_batch { int64_t size; void *inputs[MORU_MAX_FEATURES]; void *targets[MORU_MAX_FEATURES]; } moru_batch;
MORU_API moru_status moru_loader_new(moru_loader **loader, const moru_dataset *dataset, const moru_loader_options *options);
/** The next batch, owned by the loader and valid until the next call; size 0 at the end of the epoch. */
MORU_API moru_status moru_loader_next(moru_loader *loader, moru_batch *batch);
/** Begins an epoch anew. */
MORU_API moru_status moru_loader_start(moru_loader *loader, int64_t epoch);
MORU_API void moru_loader_free(moru_loader *loader);

#ifdef __cplusplus
}
#endif
#endif
