/* Named arrays of a file, of whatever format: what PyTorch calls a state_dict. */
#ifndef MORU_FORMATS_BUNDLE_H
#define MORU_FORMATS_BUNDLE_H

#include <stdint.h>

#include <moru/tensor.h>
#include "core/status.h"

typedef struct moru_bundle moru_bundle;
typedef struct moru_bundle_item {
    char *name;
    char *place;           /* where it lies, if that isn't its name; owned */
    const char *type;      /* as the format calls it */
    moru_shape shape;
    int64_t size;          /* elements */
    int64_t from;          /* the format's own */
    int kind;
    int64_t user;          /* the caller's; -1 at first */
} moru_bundle_item;

struct moru_bundle {
    char *path;
    moru_bundle_item *items; /* sorted by name, numbers in names by their value */
    int64_t n, capacity;
    moru_status (*read)(const moru_bundle *bundle, const moru_bundle_item *item, moru_dtype dtype, void *data);
    void (*close)(moru_bundle *bundle);
    void *inside;            /* other sources: an HDF5 file, an archive */
    int fd;
    int64_t base, bytes;
};

/* By what the file begins with: .npz, .npy, data sets of an HDF5 file, or else .safetensors. */
moru_status moru_bundle_open(moru_bundle **bundle, const char *path);
moru_status moru_safetensors_open(moru_bundle **bundle, const char *path);
moru_status moru_statedict_open(moru_bundle **bundle, const char *path);
/* NumPy's: .npz, or a .npy, whose one item is called as the file without ".npy". */
moru_status moru_npz_open(moru_bundle **bundle, const char *path);
moru_status moru_npy_open(moru_bundle **bundle, const char *path);
void moru_bundle_free(moru_bundle *bundle);
/* All of an item: as floating numbers, or integers as int32, which is MORU_ERR_RANGE if one doesn't fit. */
moru_status moru_bundle_read(const moru_bundle *bundle, const moru_bundle_item *item, moru_dtype dtype, void *data);
bool moru_bundle_is_integer(const moru_bundle_item *item);
moru_bundle_item *moru_bundle_find(const moru_bundle *bundle, const char *name);

/* For the formats. */
moru_status moru_bundle_new(moru_bundle **bundle, const char *path);
moru_status moru_bundle_add(moru_bundle *bundle, const char *name, const moru_shape *shape, moru_bundle_item **item);
void moru_bundle_sort(moru_bundle *bundle);
int moru_natural_order(const char *a, const char *b);
/* Element types as they lie in files, little-endian: into floating numbers. */
typedef enum moru_raw { MORU_RAW_F64, MORU_RAW_F32, MORU_RAW_F16, MORU_RAW_BF16, MORU_RAW_F8_E4M3, MORU_RAW_F8_E5M2,
                        MORU_RAW_I64, MORU_RAW_I32, MORU_RAW_I16, MORU_RAW_I8, MORU_RAW_U64, MORU_RAW_U32,
                        MORU_RAW_U16, MORU_RAW_U8, MORU_RAW_BOOL, MORU_RAW_KINDS } moru_raw;
int moru_raw_size(moru_raw raw);
void moru_raw_to_real(moru_raw raw, const uint8_t *bytes, int64_t n, moru_real *data);
/* False if one is no int32. */
bool moru_raw_to_int32(moru_raw raw, const uint8_t *bytes, int64_t n, int32_t *data);
/* Either; first is the number of the first of them in its array, for the message. */
moru_status moru_raw_convert(const moru_bundle *bundle, const moru_bundle_item *item, const uint8_t *bytes,
                             int64_t first, int64_t n, moru_dtype dtype, void *data);

/* Writes n float tensors. */
typedef struct moru_named { const char *name; const moru_tensor *tensor; } moru_named;
moru_status moru_safetensors_write(const char *path, const moru_named *tensors, int n);
/* .npz, or for one tensor .npy, by the name. */
moru_status moru_npz_write(const char *path, const moru_named *tensors, int n);

#endif
