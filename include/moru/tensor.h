/** @file
 * Data types, shapes and tensors. Tensors are dense, row-major and 64-byte aligned.
 */
#ifndef MORU_TENSOR_H
#define MORU_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <moru/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The library computes in float; the same sources built with MORU_DOUBLE (for tests only) compute in double. */
#ifdef MORU_DOUBLE
typedef double moru_real;
#else
typedef float moru_real;
#endif

typedef enum moru_dtype {
    MORU_REAL = 0, /**< ::moru_real: float; comparisons give 0 and 1 in it */
    MORU_INT32 = 1 /**< indices and labels */
} moru_dtype;

#define MORU_MAX_RANK 8

/** Sizes of a tensor, outermost first. A negative size stands for a symbolic dimension (moru_symbol()). */
typedef struct moru_shape {
    int32_t rank;                 /**< 0 (scalar) to ::MORU_MAX_RANK */
    int64_t dims[MORU_MAX_RANK];
} moru_shape;

/** MORU_SHAPE(32, 784): a shape literal. */
#define MORU_SHAPE(...) \
    ((moru_shape){(int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
/** The shape of a scalar. */
#define MORU_SCALAR_SHAPE ((moru_shape){0, {0}})

/** Number of elements into *size; MORU_ERR_SHAPE if a dimension is symbolic, MORU_ERR_MEMORY on overflow. */
MORU_API moru_status moru_shape_size(const moru_shape *shape, int64_t *size);
MORU_API bool moru_shape_equal(const moru_shape *a, const moru_shape *b);
/** Writes "[32,784]" into text (always terminated) and returns text. */
MORU_API char *moru_shape_print(const moru_shape *shape, char *text, size_t size);
/** A short list of numbers among options. */
enum { MORU_MAX_REALS = 64 };
typedef struct moru_reals { int n; double values[MORU_MAX_REALS]; } moru_reals;

#define MORU_SHAPE_TEXT 192 /**< bytes that hold any printed shape */

MORU_API size_t moru_dtype_size(moru_dtype dtype);
MORU_API const char *moru_dtype_name(moru_dtype dtype);

typedef struct moru_tensor moru_tensor;

/** A tensor of zeros, owned by the caller; NULL (and moru_last_error()) when it can't be had. */
MORU_API moru_tensor *moru_tensor_new(moru_dtype dtype, moru_shape shape);
/** As moru_tensor_new(), filled with a copy of data (row-major, as many elements as the shape holds). */
MORU_API moru_tensor *moru_tensor_from(moru_dtype dtype, moru_shape shape, const void *data);
MORU_API void moru_tensor_free(moru_tensor *tensor);
MORU_API moru_dtype moru_tensor_dtype(const moru_tensor *tensor);
MORU_API const moru_shape *moru_tensor_shape(const moru_tensor *tensor);
MORU_API int64_t moru_tensor_size(const moru_tensor *tensor); /**< elements */
MORU_API void *moru_tensor_data(moru_tensor *tensor);
MORU_API const void *moru_tensor_const_data(const moru_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
