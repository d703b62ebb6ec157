/* A tensor's inside. */
#ifndef MORU_CORE_TENSOR_H
#define MORU_CORE_TENSOR_H

#include <moru/tensor.h>

enum { MORU_ALIGNMENT = 64 };

struct moru_tensor {
    moru_dtype dtype;
    moru_shape shape;
    int64_t size;
    void *data;
    bool owned;   /* data is freed with the tensor */
};

/* Bytes of a tensor, checked. */
moru_status moru_tensor_bytes(moru_dtype dtype, const moru_shape *shape, int64_t *size, int64_t *bytes);
/* MORU_ALIGNMENT-aligned, zeroed memory for free(); NULL when out of memory. */
void *moru_aligned_alloc(int64_t bytes);

#endif
