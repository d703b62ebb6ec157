/* What the tests of file formats share: a folder of their own, models with uneven weights, comparisons. */
#ifndef MORU_TESTS_FORMAT_TEST_H
#define MORU_TESTS_FORMAT_TEST_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <moru.h>
#include "core/status.h"
#include "formats/file.h"
#include "formats/hdf5.h"
#include "train/training.h"

#define OK(call) ck_assert_msg((call) == MORU_OK, "%s", moru_last_error())
#define FAILS(call, code, text) do { \
        moru_status status_ = (call); \
        ck_assert_msg(status_ == (code), "status %s: %s", moru_status_name(status_), moru_last_error()); \
        ck_assert_msg(strstr(moru_last_error(), (text)) != NULL, "\"%s\" isn't in: %s", (text), moru_last_error()); \
    } while (0)

static char scratch_folder[64];

/* A file in the test's own folder; the text is static, four at a time. */
static inline const char *scratch(const char *name)
{
    static char paths[4][256];
    static int next;
    if (!scratch_folder[0]) {
        strcpy(scratch_folder, "/tmp/moru-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(scratch_folder));
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

static inline void clean_scratch(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch(""));
    ck_assert_int_eq(system(command), 0);
    scratch_folder[0] = 0;
}

static inline moru_tensor *random_tensor(uint64_t stream, moru_shape shape)
{
    moru_tensor *t = moru_tensor_new(MORU_REAL, shape);
    ck_assert_ptr_nonnull(t);
    moru_random r = {7, stream, 0};
    for (int64_t k = 0; k < moru_tensor_size(t); k++)
        ((moru_real *)moru_tensor_data(t))[k] = (moru_real)moru_random_normal(&r);
    return t;
}

/* All weights, then all slots of the optimizer, bit by bit. */
static inline uint64_t fingerprint(const moru_model *model)
{
    uint64_t hash = 1469598103934665603u;
    const moru_tensor *tensors[256];
    int n = 0;
    for (int k = 0; k < model->n_layers; k++)
        for (int w = 0; w < model->layers[k]->n_weights; w++)
            tensors[n++] = model->layers[k]->weights[w].tensor;
    for (int k = 0; model->training && k < model->training->n_slots; k++)
        tensors[n++] = model->training->slots[k];
    for (int k = 0; k < n; k++) {
        const uint8_t *bytes = moru_tensor_const_data(tensors[k]);
        for (int64_t i = 0; i < moru_tensor_size(tensors[k]) * (int64_t)sizeof(moru_real); i++)
            hash = (hash ^ bytes[i]) * 1099511628211u;
    }
    return model->training ? hash + (uint64_t)model->training->iteration : hash;
}

/* Positive where they must be (variances), different everywhere. */
static inline void scramble(moru_model *model, uint64_t seed)
{
    moru_random r = {seed, 1, 0};
    for (int k = 0; k < model->n_layers; k++)
        for (int w = 0; w < model->layers[k]->n_weights; w++) {
            moru_tensor *t = model->layers[k]->weights[w].tensor;
            for (int64_t i = 0; i < moru_tensor_size(t); i++)
                ((moru_real *)moru_tensor_data(t))[i] = (moru_real)(0.2 + moru_random_uniform(&r));
        }
}

static inline void assert_same_bits(const moru_tensor *a, const moru_tensor *b)
{
    ck_assert(moru_shape_equal(moru_tensor_shape(a), moru_tensor_shape(b)));
    ck_assert_mem_eq(moru_tensor_const_data(a), moru_tensor_const_data(b),
                     (size_t)moru_tensor_size(a) * moru_dtype_size(moru_tensor_dtype(a)));
}

#endif
