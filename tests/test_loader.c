/* The loader: order, batches, ends, errors of the thread that reads ahead. */
#include <stdatomic.h>
#include <time.h>

#include "dataset_test.h"

/* Sample k is (k, -k) with target 10 k. Reading sample bad fails; every read takes nap microseconds. */
typedef struct numbers {
    int64_t bad;
    long nap;
    atomic_int reads;
} numbers;

static moru_status read_numbers(const void *self, const int64_t *rows, int64_t n, void *const *inputs,
                                void *const *targets)
{
    numbers *s = (numbers *)(uintptr_t)self;
    atomic_fetch_add(&s->reads, 1);
    if (s->nap)
        nanosleep(&(struct timespec){.tv_nsec = 1000 * s->nap}, NULL);
    for (int64_t i = 0; i < n; i++) {
        if (rows[i] == s->bad)
            return moru_dataset_open(&(moru_dataset *){NULL}, "csv:/nowhere"); /* any failure with a sentence */
        ((moru_real *)inputs[0])[2 * i] = (moru_real)rows[i];
        ((moru_real *)inputs[0])[2 * i + 1] = -(moru_real)rows[i];
        ((int32_t *)targets[0])[i] = 10 * (int32_t)rows[i];
    }
    return MORU_OK;
}

static numbers source;

static moru_dataset *make(int64_t size, int64_t bad, long nap)
{
    static const moru_dataset_class class_ = {read_numbers, NULL};
    moru_dataset_info info = {.name = "numbers", .size = size, .n_inputs = 1, .n_targets = 1};
    info.input_shapes[0] = MORU_SHAPE(2);
    info.target_dtypes[0] = MORU_INT32;
    source.bad = bad;
    source.nap = nap;
    atomic_store(&source.reads, 0);
    moru_dataset *d = moru_dataset_custom(&class_, &source, &info);
    ck_assert_ptr_nonnull(d);
    return d;
}

/* Reads to the end; the samples' numbers in the order they came, and the batches' number. */
static int64_t drain(moru_loader *loader, int64_t *order, int64_t *batches)
{
    int64_t n = 0;
    moru_batch batch;
    *batches = 0;
    for (;; ++*batches) {
        OK(moru_loader_next(loader, &batch));
        if (batch.size == 0)
            return n;
        const moru_real *x = batch.inputs[0];
        for (int64_t i = 0; i < batch.size; i++, n++) {
            order[n] = (int64_t)x[2 * i];
            ck_assert(x[2 * i + 1] == -x[2 * i] && ((int32_t *)batch.targets[0])[i] == 10 * order[n]);
        }
    }
}

static int64_t drain_new(const moru_dataset *d, const moru_loader_options *options, int64_t *order, int64_t *batches)
{
    moru_loader *loader;
    OK(moru_loader_new(&loader, d, options));
    int64_t n = drain(loader, order, batches);
    moru_loader_free(loader);
    return n;
}

START_TEST(test_in_order)
{
    enum { SIZE = 103 };
    int64_t order[SIZE], batches;
    moru_dataset *d = make(SIZE, -1, 0);
    ck_assert_int_eq(drain_new(d, &(moru_loader_options){.batch_size = 10}, order, &batches), SIZE);
    ck_assert_int_eq(batches, 11);
    for (int64_t i = 0; i < SIZE; i++)
        ck_assert_int_eq(order[i], i);
    ck_assert_int_eq(drain_new(d, &(moru_loader_options){.batch_size = 10, .drop_last = true}, order, &batches), 100);
    ck_assert_int_eq(batches, 10);
    ck_assert_int_eq(drain_new(d, &(moru_loader_options){.batch_size = SIZE}, order, &batches), SIZE);
    ck_assert_int_eq(batches, 1);
    ck_assert_int_eq(drain_new(d, &(moru_loader_options){.batch_size = INT64_MAX}, order, &batches), SIZE);
    ck_assert_int_eq(batches, 1);
    moru_loader_options all_or_nothing = {.batch_size = SIZE + 1, .drop_last = true};
    ck_assert_int_eq(drain_new(d, &all_or_nothing, order, &batches), 0);
    ck_assert_int_eq(drain_new(d, &(moru_loader_options){.batch_size = 1}, order, &batches), SIZE);
    ck_assert_int_eq(batches, SIZE);
    moru_dataset_free(d);
}
END_TEST

static bool same(const int64_t *a, const int64_t *b, int64_t n)
{
    return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

START_TEST(test_shuffled)
{
    enum { SIZE = 1000 };
    static int64_t first[SIZE], again[SIZE], other[SIZE];
    static bool seen[SIZE];
    int64_t batches, in_place = 0;
    moru_dataset *d = make(SIZE, -1, 0);
    moru_loader_options options = {.batch_size = 32, .shuffle = true, .seed = 7, .epoch = 1};
    ck_assert_int_eq(drain_new(d, &options, first, &batches), SIZE);
    for (int64_t i = 0; i < SIZE; i++) {
        ck_assert(first[i] >= 0 && first[i] < SIZE && !seen[first[i]]); /* each once */
        seen[first[i]] = true;
        in_place += first[i] == i;
    }
    ck_assert_int_lt(in_place, 20);
    drain_new(d, &options, again, &batches);
    ck_assert(same(first, again, SIZE));
    options.batch_size = 7; /* the order isn't a matter of batches */
    drain_new(d, &options, again, &batches);
    ck_assert(same(first, again, SIZE));
    options.seed = 8;
    drain_new(d, &options, other, &batches);
    ck_assert(!same(first, other, SIZE));
    /* One loader over several epochs gives what a loader that begins at the epoch does. */
    options = (moru_loader_options){.batch_size = 32, .shuffle = true, .seed = 7, .epoch = 0};
    moru_loader *loader;
    OK(moru_loader_new(&loader, d, &options));
    drain(loader, other, &batches);
    ck_assert(!same(first, other, SIZE));
    OK(moru_loader_start(loader, 1));
    drain(loader, again, &batches);
    ck_assert(same(first, again, SIZE));
    OK(moru_loader_start(loader, 0));
    drain(loader, again, &batches);
    ck_assert(same(other, again, SIZE));
    moru_loader_free(loader);
    moru_dataset_free(d);
}
END_TEST

START_TEST(test_ends)
{
    int64_t order[8], batches;
    moru_batch batch;
    moru_loader *loader;
    moru_dataset *d = make(5, -1, 0), *none = make(0, -1, 0);
    OK(moru_loader_new(&loader, d, &(moru_loader_options){.batch_size = 2}));
    ck_assert_int_eq(drain(loader, order, &batches), 5);
    for (int k = 0; k < 3; k++) { /* and stays at the end */
        OK(moru_loader_next(loader, &batch));
        ck_assert_int_eq(batch.size, 0);
    }
    OK(moru_loader_start(loader, 1));
    ck_assert_int_eq(drain(loader, order, &batches), 5);
    moru_loader_free(loader);
    ck_assert_int_eq(drain_new(none, &(moru_loader_options){.batch_size = 2, .shuffle = true}, order, &batches), 0);
    loader = (void *)d;
    ck_assert_int_eq(moru_loader_new(&loader, d, &(moru_loader_options){.batch_size = 0}), MORU_ERR_ARGUMENT);
    ck_assert_ptr_null(loader);
    ck_assert_int_eq(moru_loader_new(&loader, d, &(moru_loader_options){.batch_size = -4}), MORU_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "-4 samples"));
    ck_assert_int_eq(moru_loader_new(&loader, NULL, &(moru_loader_options){.batch_size = 1}), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_loader_new(&loader, d, NULL), MORU_ERR_ARGUMENT);
    moru_loader_free(NULL);
    moru_dataset_free(d);
    moru_dataset_free(none);
}
END_TEST

/* Given up at any point: before the first batch, while one is being read, with all read. */
START_TEST(test_given_up)
{
    moru_dataset *d = make(64, -1, 300);
    for (int taken = 0; taken < 12; taken++) {
        moru_loader *loader;
        moru_batch batch;
        OK(moru_loader_new(&loader, d, &(moru_loader_options){.batch_size = 8, .shuffle = true, .seed = 3}));
        for (int k = 0; k < taken; k++)
            OK(moru_loader_next(loader, &batch));
        if (taken % 2) { /* or begun anew */
            OK(moru_loader_start(loader, 2));
            OK(moru_loader_next(loader, &batch));
            ck_assert_int_eq(batch.size, 8);
        }
        moru_loader_free(loader);
    }
    moru_dataset_free(d);
}
END_TEST

/* A batch stays as it is until the next one is asked for, however far the other thread could read ahead. */
START_TEST(test_batch_stays)
{
    enum { SIZE = 4096 };
    moru_dataset *d = make(SIZE, -1, 0);
    moru_loader *loader;
    moru_batch batch;
    OK(moru_loader_new(&loader, d, &(moru_loader_options){.batch_size = 4}));
    for (int64_t first = 0; first < SIZE; first += 4) {
        OK(moru_loader_next(loader, &batch));
        if (first % 512 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        ck_assert_int_le(atomic_load(&source.reads), first / 4 + 3);
        for (int64_t i = 0; i < 4; i++)
            ck_assert(((moru_real *)batch.inputs[0])[2 * i] == (moru_real)(first + i));
    }
    moru_loader_free(loader);
    moru_dataset_free(d);
}
END_TEST

START_TEST(test_errors_carried_over)
{
    moru_dataset *d = make(100, 57, 0);
    moru_loader *loader;
    moru_batch batch;
    int64_t order[100], batches;
    OK(moru_loader_new(&loader, d, &(moru_loader_options){.batch_size = 10}));
    for (int epoch = 0; epoch < 2; epoch++) {
        OK(moru_loader_start(loader, epoch));
        for (int k = 0; k < 5; k++) { /* what came before the damage is given out */
            OK(moru_loader_next(loader, &batch));
            ck_assert_int_eq(batch.size, 10);
        }
        for (int k = 0; k < 2; k++) { /* and the failure stays */
            moru_dataset_open(&(moru_dataset *){NULL}, "iris"); /* another sentence of this thread */
            ck_assert_int_eq(moru_loader_next(loader, &batch), MORU_ERR_IO);
            ck_assert_ptr_nonnull(strstr(moru_last_error(), "/nowhere: No such file"));
            ck_assert_int_eq(batch.size, 0);
        }
    }
    source.bad = -1; /* the thread has stopped */
    OK(moru_loader_start(loader, 3));
    ck_assert_int_eq(drain(loader, order, &batches), 100);
    moru_loader_free(loader);
    moru_dataset_free(d);
}
END_TEST

/* Two loaders over one data set, and one over a slice of it. */
START_TEST(test_side_by_side)
{
    moru_dataset *d = make(60, -1, 0), *part;
    moru_loader *a, *b, *c;
    moru_batch x, y, z;
    OK(moru_dataset_slice(&part, d, 20, 60));
    OK(moru_loader_new(&a, d, &(moru_loader_options){.batch_size = 4}));
    OK(moru_loader_new(&b, d, &(moru_loader_options){.batch_size = 4}));
    OK(moru_loader_new(&c, part, &(moru_loader_options){.batch_size = 4}));
    for (int64_t first = 0; first < 40; first += 4) {
        OK(moru_loader_next(a, &x));
        OK(moru_loader_next(b, &y));
        OK(moru_loader_next(c, &z));
        ck_assert(*(moru_real *)x.inputs[0] == (moru_real)first && *(moru_real *)y.inputs[0] == (moru_real)first);
        ck_assert(*(moru_real *)z.inputs[0] == (moru_real)(first + 20));
    }
    OK(moru_loader_next(c, &z));
    ck_assert_int_eq(z.size, 0);
    moru_loader_free(b);
    moru_loader_free(c);
    moru_loader_free(a);
    moru_dataset_free(part);
    moru_dataset_free(d);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_in_order, test_shuffled, test_ends, test_given_up, test_batch_stays,
                                  test_errors_carried_over, test_side_by_side};
    return run_cases("loader", tests, sizeof tests / sizeof *tests);
}
