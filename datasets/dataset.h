/* A data set's inside, and the sources that make one. */
#ifndef MORU_DATASETS_DATASET_H
#define MORU_DATASETS_DATASET_H

#include <moru/dataset.h>

struct moru_dataset {
    const moru_dataset_class *class_;
    void *self;
    moru_dataset_info info;   /* strings belong to self */
    int64_t input_bytes[MORU_MAX_FEATURES], target_bytes[MORU_MAX_FEATURES]; /* of one sample */
};

/* "fashion-mnist", "mnist" with split "train" or "test" in a directory; classes are its 10 names. */
moru_status moru_dataset_mnist(moru_dataset **dataset, const char *name, const char *directory, const char *split,
                               const char *const *classes);
/* idx files whose labels are 0 .. n_classes - 1 (0: what the labels hold). class_names may be NULL; not copied. */
moru_status moru_dataset_idx_classes(moru_dataset **dataset, const char *name, const char *images, const char *labels,
                                     int n_classes, const char *const *class_names);
/* One of the small tables that are part of the library; MORU_ERR_ARGUMENT if there is none of that name. */
moru_status moru_dataset_builtin(moru_dataset **dataset, const char *name);
/* Names of the built-in tables, NULL past the end. */
const char *moru_dataset_builtin_name(int k);
/* The number that a sample of a slice has in the data set the slice was cut from; other data sets' own number. */
int64_t moru_dataset_row(const moru_dataset *dataset, int64_t row);
/* Over tensors, which it takes (and makes NULL in the caller's arrays) unless it fails. more: n_classes and images. */
moru_status moru_dataset_take(moru_dataset **dataset, const char *name, moru_tensor **inputs, int n_inputs,
                              moru_tensor **targets, int n_targets, const moru_dataset_info *more);
/* Data sets "x" (or "x0", "x1", ...) and "target" ("target0", ...) of an HDF5 file: floating ones as MORU_REAL,
 * integers as MORU_INT32; the first axis counts samples. A target of one integer from 0 up per sample is its class. */
moru_status moru_dataset_h5(moru_dataset **dataset, const char *path);
moru_status moru_dataset_npz(moru_dataset **dataset, const char *path);

#endif
