/* For tests: what one layer makes of one input as in training. */
#ifndef MORU_TESTS_ONE_LAYER_H
#define MORU_TESTS_ONE_LAYER_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>

/* The output of step number `step` (from 1) in memory of the caller's to free. Takes the layer over. size may be NULL. */
static inline moru_real *trained_output(moru_layer *layer, moru_shape batch, const moru_real *x, int step, int threads,
                                        uint64_t seed, moru_shape *shape)
{
    moru_shape sample = {.rank = batch.rank - 1};
    memcpy(sample.dims, batch.dims + 1, sizeof(int64_t) * (size_t)sample.rank);
    moru_model *model = moru_sequential("m", moru_input_layer(sample, MORU_REAL, NULL), layer);
    ck_assert_msg(moru_model_status(model) == MORU_OK, "%s", moru_model_error(model));
    moru_train_step *s = moru_train_step_new();
    moru_node *in = moru_placeholder(moru_train_step_graph(s), "x", MORU_REAL, batch), *out;
    ck_assert_int_eq(moru_train_step_call(s, model, &in, &out, true), MORU_OK);
    out = moru_identity(out);
    moru_status status = moru_train_step_compile(s, .inputs = &in, .n_inputs = 1, .outputs = &out, .n_outputs = 1,
                                                 .threads = threads, .seed = seed);
    ck_assert_msg(status == MORU_OK, "%s", moru_last_error());
    for (int k = 0; k < step; k++)
        ck_assert_msg(moru_train_step_run(s, (const void *[]){x}) == MORU_OK, "%s", moru_last_error());
    const moru_tensor *y = moru_train_step_output(s, 0);
    size_t bytes = (size_t)moru_tensor_size(y) * sizeof(moru_real);
    moru_real *copy = malloc(bytes + 1);
    memcpy(copy, moru_tensor_const_data(y), bytes);
    if (shape)
        *shape = *moru_tensor_shape(y);
    moru_train_step_free(s);
    moru_model_free(model);
    return copy;
}

/* Numbers in [-1, 1), the same for the same seed. */
static inline void fill_evenly(moru_real *x, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        x[i] = (moru_real)((double)(seed >> 33) / (double)(1u << 30) - 1);
    }
}

#endif
