/* Loader: a second thread reads batches ahead into a ring of buffers. Nothing is allocated per batch. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru/random.h>
#include "core/status.h"
#include "core/tensor.h"
#include "datasets/dataset.h"

enum { RING = 3 }; /* one in use, one ready, one being read */

struct moru_loader {
    const moru_dataset *dataset;
    moru_loader_options options;
    int64_t *order;
    int64_t n_batches;
    moru_batch ring[RING];
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* under mutex: */
    int64_t produced, consumed; /* batches of this epoch; the one in use counts as not consumed */
    bool stop;
    moru_status status;
    char error[1024];
};

static int64_t batch_size_of(const moru_loader *l, int64_t batch)
{
    int64_t left = l->dataset->info.size - batch * l->options.batch_size;
    return left < l->options.batch_size ? left : l->options.batch_size;
}

static void *produce(void *argument)
{
    moru_loader *l = argument;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop && l->status == MORU_OK && l->produced < l->n_batches) {
        if (l->produced - l->consumed >= RING) {
            pthread_cond_wait(&l->changed, &l->mutex);
            continue;
        }
        moru_batch *batch = &l->ring[l->produced % RING];
        int64_t first = l->produced * l->options.batch_size;
        batch->size = batch_size_of(l, l->produced);
        pthread_mutex_unlock(&l->mutex);
        moru_status status = moru_dataset_read(l->dataset, l->order + first, batch->size, batch->inputs,
                                               batch->targets);
        pthread_mutex_lock(&l->mutex);
        if (status == MORU_OK) {
            l->produced++;
        } else { /* the message belongs to this thread: carried over */
            l->status = status;
            snprintf(l->error, sizeof l->error, "%s", moru_last_error());
        }
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static void stop(moru_loader *l)
{
    if (!l->running)
        return;
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    l->running = false;
}

static void put_in_order(moru_loader *l)
{
    char name[64];
    if (!l->options.shuffle) {
        for (int64_t i = 0; i < l->dataset->info.size; i++)
            l->order[i] = i;
        return;
    }
    snprintf(name, sizeof name, "shuffle/%" PRId64, l->options.epoch);
    moru_random random = {l->options.seed, moru_random_stream(name), 0};
    moru_random_permutation(&random, l->order, l->dataset->info.size);
}

moru_status moru_loader_start(moru_loader *l, int64_t epoch)
{
    stop(l);
    l->options.epoch = epoch;
    put_in_order(l);
    l->produced = l->consumed = 0;
    l->stop = false;
    l->status = MORU_OK;
    if (pthread_create(&l->thread, NULL, produce, l) != 0) {
        snprintf(l->error, sizeof l->error, "data set: no thread to read ahead could be started");
        return moru_fail(l->status = MORU_ERR_MEMORY, "%s", l->error);
    }
    l->running = true;
    return MORU_OK;
}

static moru_status allocate(moru_loader *l)
{
    const moru_dataset *d = l->dataset;
    int64_t bytes, rows = l->options.batch_size < d->info.size ? l->options.batch_size : d->info.size;
    if (!moru_mul_ok(d->info.size, (int64_t)sizeof *l->order, &bytes) || !(l->order = malloc((size_t)bytes + 1)))
        return moru_fail(MORU_ERR_MEMORY, "no memory for the order of %" PRId64 " samples", d->info.size);
    for (int r = 0; r < RING; r++) {
        void **buffers[2] = {l->ring[r].inputs, l->ring[r].targets};
        const int64_t *sizes[2] = {d->input_bytes, d->target_bytes};
        int counts[2] = {d->info.n_inputs, d->info.n_targets};
        for (int side = 0; side < 2; side++)
            for (int k = 0; k < counts[side]; k++)
                if (!moru_mul_ok(sizes[side][k], rows, &bytes) || !(buffers[side][k] = moru_aligned_alloc(bytes)))
                    return moru_fail(MORU_ERR_MEMORY, "no memory for batches of %" PRId64 " samples", rows);
    }
    return MORU_OK;
}

moru_status moru_loader_new(moru_loader **loader, const moru_dataset *dataset, const moru_loader_options *options)
{
    *loader = NULL;
    if (!dataset || !options)
        return moru_fail(MORU_ERR_ARGUMENT, "data loader: an argument is NULL");
    if (options->batch_size < 1)
        return moru_fail(MORU_ERR_ARGUMENT, "a batch of %" PRId64 " samples isn't possible", options->batch_size);
    moru_loader *l = calloc(1, sizeof *l);
    if (!l)
        return moru_fail(MORU_ERR_MEMORY, "no memory for a data loader");
    l->dataset = dataset;
    l->options = *options;
    l->n_batches = dataset->info.size / options->batch_size
                   + (!options->drop_last && dataset->info.size % options->batch_size != 0);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, NULL);
    moru_status status = allocate(l);
    if (status == MORU_OK)
        status = moru_loader_start(l, options->epoch);
    if (status == MORU_OK)
        *loader = l;
    else
        moru_loader_free(l);
    return status;
}

moru_status moru_loader_next(moru_loader *l, moru_batch *batch)
{
    moru_status status = MORU_OK;
    *batch = (moru_batch){0};
    pthread_mutex_lock(&l->mutex);
    /* The batch handed out last is free again. */
    if (l->produced > l->consumed && l->ring[l->consumed % RING].size < 0) {
        l->consumed++;
        pthread_cond_broadcast(&l->changed);
    }
    while (l->produced == l->consumed && l->status == MORU_OK && l->consumed < l->n_batches)
        pthread_cond_wait(&l->changed, &l->mutex);
    if (l->produced > l->consumed) {
        *batch = l->ring[l->consumed % RING];
        l->ring[l->consumed % RING].size = -1; /* handed out */
    } else if (l->status != MORU_OK) {
        status = moru_fail(l->status, "%s", l->error);
    }
    pthread_mutex_unlock(&l->mutex);
    return status;
}

void moru_loader_free(moru_loader *l)
{
    if (!l)
        return;
    stop(l);
    for (int r = 0; r < RING; r++)
        for (int k = 0; k < MORU_MAX_FEATURES; k++) {
            free(l->ring[r].inputs[k]);
            free(l->ring[r].targets[k]);
        }
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->changed);
    free(l->order);
    free(l);
}
