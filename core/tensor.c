/* Shapes and tensors. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/status.h"
#include "core/tensor.h"

#define HUGE_PAGE ((size_t)2 << 20)

moru_status moru_shape_size(const moru_shape *shape, int64_t *size)
{
    char text[MORU_SHAPE_TEXT];
    int64_t product = 1;
    if (shape->rank < 0 || shape->rank > MORU_MAX_RANK)
        return moru_fail(MORU_ERR_SHAPE, "a shape has 0 to %d dimensions, not %d", MORU_MAX_RANK, (int)shape->rank);
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0)
            return moru_fail(MORU_ERR_SHAPE, "the shape %s has an open size",
                             moru_shape_print(shape, text, sizeof text));
        if (shape->dims[i] == 0)
            product = 0; /* and stays so, however large the others are */
    }
    for (int i = 0; i < shape->rank; i++)
        if (product > 0 && !moru_mul_ok(product, shape->dims[i], &product))
            return moru_fail(MORU_ERR_MEMORY, "the shape %s has more elements than can be counted",
                             moru_shape_print(shape, text, sizeof text));
    *size = product;
    return MORU_OK;
}

bool moru_shape_equal(const moru_shape *a, const moru_shape *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

char *moru_shape_print(const moru_shape *shape, char *text, size_t size)
{
    size_t used = 0;
    if (size == 0)
        return text;
    text[0] = '\0';
    for (int i = -1; i < shape->rank && i < MORU_MAX_RANK; i++) { /* a rank may come unchecked from a caller */
        int n;
        if (i < 0)
            n = snprintf(text, size, "[");
        else if (shape->dims[i] < 0)
            n = snprintf(text + used, size - used, i ? ",?" : "?");
        else
            n = snprintf(text + used, size - used, i ? ",%" PRId64 : "%" PRId64, shape->dims[i]);
        used += (size_t)n;
        if (used + 2 > size)
            return text;
    }
    text[used] = ']';
    text[used + 1] = '\0';
    return text;
}

size_t moru_dtype_size(moru_dtype dtype)
{
    return dtype == MORU_INT32 ? sizeof(int32_t) : sizeof(moru_real);
}

const char *moru_dtype_name(moru_dtype dtype)
{
    return dtype == MORU_INT32 ? "int32" : sizeof(moru_real) == sizeof(float) ? "float32" : "float64";
}

moru_status moru_tensor_bytes(moru_dtype dtype, const moru_shape *shape, int64_t *size, int64_t *bytes)
{
    MORU_TRY(moru_shape_size(shape, size));
    if (!moru_mul_ok(*size, (int64_t)moru_dtype_size(dtype), bytes) || *bytes > INT64_MAX - 4096) {
        char text[MORU_SHAPE_TEXT];
        return moru_fail(MORU_ERR_MEMORY, "a tensor of shape %s is too large",
                         moru_shape_print(shape, text, sizeof text));
    }
    return MORU_OK;
}

/* Rows of a large matrix lie on pages of their own: with pages of 2 MB the processor finds them faster. */
static void *huge_alloc(size_t size)
{
#ifdef MADV_HUGEPAGE
    void *memory;
    if (posix_memalign(&memory, HUGE_PAGE, size) != 0)
        return NULL;
    (void)madvise(memory, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* advice: may be ignored */
    return memory;
#else
    return aligned_alloc(MORU_ALIGNMENT, size);
#endif
}

void *moru_aligned_alloc(int64_t bytes)
{
    if (bytes < 0 || (uint64_t)bytes > SIZE_MAX - 2 * MORU_ALIGNMENT)
        return NULL;
    size_t size = ((size_t)bytes + MORU_ALIGNMENT - 1) / MORU_ALIGNMENT * MORU_ALIGNMENT;
    if (size == 0)
        size = MORU_ALIGNMENT;
    void *memory = size >= 2 * HUGE_PAGE ? huge_alloc(size) : aligned_alloc(MORU_ALIGNMENT, size);
    if (memory)
        memset(memory, 0, size);
    return memory;
}

moru_tensor *moru_tensor_new(moru_dtype dtype, moru_shape shape)
{
    int64_t size, bytes;
    if (moru_tensor_bytes(dtype, &shape, &size, &bytes) != MORU_OK)
        return NULL;
    moru_tensor *tensor = calloc(1, sizeof *tensor);
    void *data = moru_aligned_alloc(bytes);
    if (!tensor || !data) {
        char text[MORU_SHAPE_TEXT];
        free(tensor);
        free(data);
        moru_fail(MORU_ERR_MEMORY, "no memory for a tensor of shape %s", moru_shape_print(&shape, text, sizeof text));
        return NULL;
    }
    *tensor = (moru_tensor){.dtype = dtype, .shape = shape, .size = size, .data = data, .owned = true};
    return tensor;
}

moru_tensor *moru_tensor_from(moru_dtype dtype, moru_shape shape, const void *data)
{
    moru_tensor *tensor = moru_tensor_new(dtype, shape);
    if (tensor && tensor->size > 0)
        memcpy(tensor->data, data, (size_t)tensor->size * moru_dtype_size(dtype));
    return tensor;
}

void moru_tensor_free(moru_tensor *tensor)
{
    if (!tensor)
        return;
    if (tensor->owned)
        free(tensor->data);
    free(tensor);
}

moru_dtype moru_tensor_dtype(const moru_tensor *tensor)
{
    return tensor->dtype;
}

const moru_shape *moru_tensor_shape(const moru_tensor *tensor)
{
    return &tensor->shape;
}

int64_t moru_tensor_size(const moru_tensor *tensor)
{
    return tensor->size;
}

void *moru_tensor_data(moru_tensor *tensor)
{
    return tensor->data;
}

const void *moru_tensor_const_data(const moru_tensor *tensor)
{
    return tensor->data;
}
