/* Weights on their way from a file into a model: first everything is compared, and every fault listed; then all is read;
 * and only then does the model change. */
#ifndef MORU_FORMATS_INTAKE_H
#define MORU_FORMATS_INTAKE_H

#include <moru/formats.h>
#include "formats/keras.h"

typedef struct moru_intake moru_intake;
typedef struct moru_intake_item {
    moru_tensor *target, *value; /* value: what becomes of target */
    char *path;                  /* in the file */
    int64_t from;                /* the reader's own */
    const void *rule;
} moru_intake_item;

struct moru_intake {
    const char *where;
    const moru_weights_options *options; /* never NULL */
    bool fresh;                /* the model is thrown away if this fails: weights are read where they belong */
    moru_status (*read)(const moru_intake *in, const moru_intake_item *item, moru_real *data);
    void *source;              /* a moru_hdf5 unless read says otherwise */
    moru_intake_item *items;
    int n, capacity;
    moru_listing faults, skipped;
};

/* path is copied. The item stays valid till the next is added; NULL: out of memory, which is among the faults. */
moru_intake_item *moru_intake_add(moru_intake *in, moru_tensor *target, const char *path);
/* The thread's last error becomes one of the faults. */
void moru_intake_fault(moru_intake *in, moru_status status);
/* A fault, unless the caller asked for what doesn't fit, or what is missing, to be passed over. */
void moru_intake_mismatch(moru_intake *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
void moru_intake_missing(moru_intake *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A data set for a tensor: compares the shapes. */
void moru_intake_hdf5(moru_intake *in, moru_hdf5 *file, const char *path, const char *what, moru_tensor *target);
/* Fails if there are faults; else reads all. The model is as it was, unless it is fresh. */
moru_status moru_intake_run(moru_intake *in);
void moru_intake_commit(moru_intake *in); /* and tells the caller's options what was left out */
void moru_intake_free(moru_intake *in);
moru_status moru_intake_read_hdf5(const moru_intake *in, const moru_intake_item *item, moru_real *data);

extern const moru_weights_options moru_weights_strict;

#endif
