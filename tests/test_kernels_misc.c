/* Copies, random numbers, rows by index, optimizers, finiteness: every instruction set against plain loops. */
#include "kernel_test.h"

static const int thread_counts[] = {1, 2, 3, 8};

/* All of them for the best instruction set, the first two for the others: the cutting of work is the same source. */
static int n_thread_counts(const moru_kernels *k)
{
    return k == moru_kernels_at(0) ? 4 : 2;
}

static size_t real_bytes(int64_t n)
{
    return (size_t)n * sizeof(moru_real);
}

/* ---- strided copies ---- */

static void naive_copy(int rank, const int64_t *dims, const int64_t *strides, size_t bytes, const char *x, char *y)
{
    int64_t size = 1;
    for (int k = 0; k < rank; k++)
        size *= dims[k];
    for (int64_t i = 0; i < size; i++) {
        int64_t at = 0, rest = i;
        for (int k = rank - 1; k >= 0; k--) {
            at += rest % dims[k] * strides[k];
            rest /= dims[k];
        }
        memcpy(y + i * (int64_t)bytes, x + at * (int64_t)bytes, bytes);
    }
}

/* x occupies exactly [low, high] of the elements that the strides reach. */
static void check_copy(const moru_kernels *k, int rank, const int64_t *dims, const int64_t *strides, size_t bytes)
{
    int64_t low = 0, high = 0, size = 1;
    for (int i = 0; i < rank; i++) {
        size *= dims[i];
        if (dims[i] > 0)
            *(strides[i] < 0 ? &low : &high) += (dims[i] - 1) * strides[i];
    }
    guarded x = guarded_new((size_t)(high - low + 1) * bytes), want = guarded_new((size_t)size * bytes);
    for (int64_t i = 0; i < (high - low + 1) * (int64_t)bytes / 4; i++)
        ((uint32_t *)x.data)[i] = (uint32_t)(i * 2654435761u);
    const char *origin = (char *)x.data - low * (int64_t)bytes;
    naive_copy(rank, dims, strides, bytes, origin, want.data);
    for (int t = 0; t < n_thread_counts(k); t++) {
        guarded y = guarded_new((size_t)size * bytes);
        k->copy_strided(rank, dims, strides, bytes, origin, y.data, thread_counts[t]);
        ck_assert_msg(!memcmp(y.data, want.data, (size_t)size * bytes),
                      "%s: copy of rank %d [%lld,%lld,%lld,...] is wrong", k->isa, rank, (long long)dims[0],
                      (long long)dims[1], (long long)dims[2]);
        guarded_free(&y);
    }
    guarded_free(&x);
    guarded_free(&want);
}

START_TEST(permutations)
{
    uint64_t state = 21 + (uint64_t)_i;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int trial = 0; trial < 60; trial++) {
            int rank = (int)random_int(&state, 1, 5), order[MORU_MAX_RANK];
            int64_t source[MORU_MAX_RANK], source_strides[MORU_MAX_RANK], size = 1;
            int64_t dims[MORU_MAX_RANK] = {0}, strides[MORU_MAX_RANK];
            for (int i = 0; i < rank; i++) {
                source[i] = random_int(&state, 0, 9) == 0 ? 1 : random_int(&state, 1, rank < 3 ? 150 : 19);
                order[i] = i;
            }
            for (int i = rank - 1; i > 0; i--) {
                int j = (int)random_int(&state, 0, i), swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
            for (int i = rank - 1; i >= 0; i--) {
                source_strides[i] = size;
                size *= source[i];
            }
            for (int i = 0; i < rank; i++) {
                dims[i] = source[order[i]];
                strides[i] = source_strides[order[i]];
                int64_t change = random_int(&state, 0, 12);
                if (change == 0)
                    strides[i] = 0; /* broadcast */
                else if (change == 1)
                    strides[i] = -strides[i]; /* reversed */
                else if (change == 2 && dims[i] > 2)
                    dims[i] -= 2; /* a slice */
                else if (change == 3)
                    dims[i] = 0;
            }
            check_copy(moru_kernels_at(k), rank, dims, strides, trial % 2 ? 8 : 4);
        }
}
END_TEST

START_TEST(large_copies)
{
    static const struct { int rank; int64_t dims[4], strides[4]; } cases[] = {
        {2, {301, 203}, {1, 301}},         {2, {256, 512}, {1, 256}},     {4, {3, 11, 13, 37}, {5291, 143, 1, 0}},
        {3, {5, 70, 33}, {2310, 1, 70}},   {1, {70000}, {1}},             {1, {70000}, {-3}},
        {2, {3, 40000}, {40000, 1}},       {2, {40000, 3}, {5, 1}},       {3, {2, 100, 200}, {1, 400, 2}},
        {4, {2, 16, 33, 40}, {21120, 40, 640, 1}}, {0, {0}, {0}}};
    for (int k = 0; moru_kernels_at(k); k++)
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
            for (size_t bytes = 4; bytes <= 8; bytes += 4)
                check_copy(moru_kernels_at(k), cases[c].rank, cases[c].dims, cases[c].strides, bytes);
}
END_TEST

/* ---- random numbers ---- */

/* One block of Philox 4x32-10, as in the paper. */
static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    memcpy(out, counter, 16);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        uint64_t p0 = (uint64_t)0xD2511F53u * out[0], p1 = (uint64_t)0xCD9E8D57u * out[2];
        uint32_t first = (uint32_t)(p1 >> 32) ^ out[1] ^ k0, third = (uint32_t)(p0 >> 32) ^ out[3] ^ k1;
        uint32_t next[4] = {first, (uint32_t)p1, third, (uint32_t)p0};
        memcpy(out, next, 16);
    }
}

/* Random123's known answers, and that uniform numbers are these bits. */
START_TEST(philox_known_answers)
{
    static const struct { uint32_t counter[4], key[2], out[4]; } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        philox(known[i].counter, known[i].key, out);
        ck_assert(!memcmp(out, known[i].out, sizeof out));
    }
    const uint64_t seed = 0x123456789abcdef0u, stream = 0xfedcba9876543210u, step = 0x1000000007u;
    for (int k = 0; moru_kernels_at(k); k++) {
        enum { N = 1003 };
        guarded y = guarded_new(real_bytes(N));
        moru_kernels_at(k)->random_uniform(N, 0, 1, seed, stream, step, y.data, 1);
        for (int i = 0; i < N; i++) {
            uint64_t mixed = stream ^ step;
            uint32_t counter[4] = {(uint32_t)i / 4, 0, (uint32_t)mixed, (uint32_t)(mixed >> 32)}, out[4];
            philox(counter, (uint32_t[]){(uint32_t)seed, (uint32_t)(seed >> 32)}, out);
            double want = sizeof(moru_real) == 8 ? out[i % 4] * 0x1p-32 : (out[i % 4] >> 8) * 0x1p-24;
            ck_assert_msg(((moru_real *)y.data)[i] == want, "%s: number %d", moru_kernels_at(k)->isa, i);
        }
        moru_kernels_at(k)->random_uniform(3, 0, 1, 0, 0, 0, y.data, 1);
        ck_assert(fabs(((moru_real *)y.data)[0] - 0x6627e8d5 * 0x1p-32) < 0x1p-24);
        guarded_free(&y);
    }
}
END_TEST

/* A prefix of a longer sequence, for any number of threads. */
START_TEST(sequences)
{
    enum { LONG = 50000 };
    guarded x = guarded_new(real_bytes(LONG)), all = guarded_new(real_bytes(LONG));
    for (int i = 0; i < LONG; i++)
        ((moru_real *)x.data)[i] = (moru_real)(i + 1);
    for (int k = 0; moru_kernels_at(k); k++)
        for (int kind = 0; kind < 3; kind++)
            for (int trial = 0; trial < 9; trial++) {
                const int64_t sizes[] = {LONG, 0, 1, 3, 255, 256, 257, 5001, LONG};
                int64_t n = sizes[trial];
                guarded y = guarded_new(real_bytes(n));
                const moru_kernels *f = moru_kernels_at(k);
                moru_real *out = trial == 0 ? all.data : y.data;
                int threads = thread_counts[trial % 4];
                if (kind == 0)
                    f->dropout(x.data, n, 0.3, 5, 6, 7, out, threads);
                else if (kind == 1)
                    f->random_uniform(n, -2, 3, 5, 6, 7, out, threads);
                else
                    f->random_normal(n, 1, 2, 5, 6, 7, out, threads);
                ck_assert(!memcmp(out, all.data, real_bytes(n)));
                guarded_free(&y);
            }
    guarded_free(&x);
    guarded_free(&all);
}
END_TEST

START_TEST(distributions)
{
    enum { N = 400000 };
    guarded x = guarded_new(real_bytes(N)), out = guarded_new(real_bytes(N));
    moru_real *y = out.data;
    for (int i = 0; i < N; i++)
        ((moru_real *)x.data)[i] = i % 2 ? NAN : 4;
    for (int k = 0; moru_kernels_at(k); k++) {
        const moru_kernels *f = moru_kernels_at(k);
        double sum = 0, square = 0, cube = 0, fourth = 0, pairs = 0;
        f->random_normal(N, 0, 1, 3, 1, 4, y, 2);
        for (int i = 0; i < N; i++) {
            double v = y[i];
            ck_assert(isfinite(v) && fabs(v) < 7);
            sum += v / N;
            square += v * v / N;
            cube += v * v * v / N;
            fourth += v * v * v * v / N;
            pairs += v * y[(i + 128) % N] / N;
        }
        ck_assert(fabs(sum) < 0.008 && fabs(square - 1) < 0.012 && fabs(cube) < 0.03 && fabs(fourth - 3) < 0.09);
        ck_assert(fabs(pairs) < 0.008);
        sum = square = 0;
        f->random_uniform(N, -1, 3, 3, 1, 4, y, 2);
        for (int i = 0; i < N; i++) {
            ck_assert(y[i] >= -1 && y[i] < 3);
            sum += y[i] / N;
            square += (y[i] - 1) * (y[i] - 1) / N;
        }
        ck_assert(fabs(sum - 1) < 0.01 && fabs(square - 16.0 / 12) < 0.01);
        f->random_uniform(N, 1, 1 + 1e-6, 3, 1, 4, y, 2);
        for (int i = 0; i < N; i++)
            ck_assert(y[i] >= 1 && y[i] < (moru_real)(1 + 1e-6));
        f->random_uniform(3, 5, 5, 3, 1, 4, y, 2);
        ck_assert(y[0] == 5 && y[2] == 5);
        int64_t kept = 0;
        f->dropout(x.data, N, 0.25, 3, 1, 4, y, 2);
        for (int i = 0; i < N; i++) {
            ck_assert(y[i] == 0 || (i % 2 ? isnan(y[i]) : fabs(y[i] - 4 / 0.75) < 1e-5));
            kept += y[i] != 0;
        }
        ck_assert(fabs((double)kept / N - 0.75) < 0.003);
        f->dropout(x.data, 2, 0, 3, 1, 4, y, 2);
        ck_assert(y[0] == 4);
    }
    guarded_free(&x);
    guarded_free(&out);
}
END_TEST

/* ---- rows by index ---- */

static void check_rows(const moru_kernels *k, int64_t rows, int64_t width, int64_t vocabulary, uint64_t *state)
{
    guarded table = guarded_random(state, vocabulary * width), dy = guarded_random(state, rows * width);
    guarded indices = guarded_new((size_t)rows * sizeof(int32_t)), want = guarded_new(real_bytes(vocabulary * width));
    int32_t *index = indices.data;
    moru_real *sums = want.data;
    memset(sums, 0, real_bytes(vocabulary * width));
    for (int64_t r = 0; r < rows; r++) {
        index[r] = (int32_t)random_int(state, 0, vocabulary - 1);
        for (int64_t j = 0; j < width; j++)
            sums[index[r] * width + j] += ((moru_real *)dy.data)[r * width + j];
    }
    for (int t = 0; t < n_thread_counts(k); t++) {
        guarded out = guarded_new(real_bytes(rows * width)), sum = guarded_new(real_bytes(vocabulary * width));
        k->gather_rows(table.data, width, index, rows, out.data, thread_counts[t]);
        k->scatter_rows(dy.data, width, index, rows, vocabulary, sum.data, thread_counts[t]);
        for (int64_t r = 0; r < rows; r++)
            ck_assert(!memcmp((moru_real *)out.data + r * width, (moru_real *)table.data + index[r] * width,
                              real_bytes(width)));
        ck_assert_msg(!memcmp(sum.data, sums, real_bytes(vocabulary * width)), "%s: scatter_rows with %d threads",
                      k->isa, thread_counts[t]);
        guarded_free(&out);
        guarded_free(&sum);
    }
    guarded_free(&table);
    guarded_free(&dy);
    guarded_free(&indices);
    guarded_free(&want);
}

START_TEST(rows_by_index)
{
    uint64_t state = 8;
    for (int k = 0; moru_kernels_at(k); k++) {
        check_rows(moru_kernels_at(k), 0, 5, 3, &state);
        check_rows(moru_kernels_at(k), 7, 1, 3, &state);
        check_rows(moru_kernels_at(k), 100, 17, 11, &state);
        check_rows(moru_kernels_at(k), 5000, 3, 90, &state);
        check_rows(moru_kernels_at(k), 900, 128, 50, &state);
        check_rows(moru_kernels_at(k), 3, 0, 5, &state);
    }
}
END_TEST

/* ---- optimizers ---- */

enum { SGD, SGD_MOMENTUM, SGD_NESTEROV, ADAM, RMSPROP, RMSPROP_MOMENTUM, RMSPROP_CENTERED, ADAGRAD, N_OPTIMIZERS };

/* Keras's formulas for one parameter; s: slots. */
static void keras_step(int kind, double *w, double g, double *s, double decay, double step)
{
    double lr = 0.01;
    *w -= lr * decay * *w;
    if (kind == SGD) {
        *w -= lr * g;
    } else if (kind == SGD_MOMENTUM || kind == SGD_NESTEROV) {
        s[0] = 0.9 * s[0] - lr * g;
        *w += kind == SGD_NESTEROV ? 0.9 * s[0] - lr * g : s[0];
    } else if (kind == ADAM) {
        s[0] += (g - s[0]) * (1 - 0.9);
        s[1] += (g * g - s[1]) * (1 - 0.999);
        *w -= lr * sqrt(1 - pow(0.999, step)) / (1 - pow(0.9, step)) * s[0] / (sqrt(s[1]) + 1e-7);
    } else if (kind == ADAGRAD) {
        s[0] += g * g;
        *w -= lr * g / sqrt(s[0] + 1e-7);
    } else {
        s[0] = 0.9 * s[0] + 0.1 * g * g;
        s[2] = 0.9 * s[2] + 0.1 * g;
        double increment = lr * g / sqrt(s[0] - (kind == RMSPROP_CENTERED ? s[2] * s[2] : 0) + 1e-7);
        s[1] = 0.8 * s[1] + increment;
        *w -= kind == RMSPROP ? increment : s[1];
    }
}

static void kernel_step(const moru_kernels *k, int kind, int64_t n, moru_real *w, const moru_real *g, moru_real **s,
                        double decay, double step, int threads)
{
    moru_adam_args adam = {0.01, 0.9, 0.999, 1e-7, decay, step};
    if (kind <= SGD_NESTEROV)
        k->sgd(n, w, g, kind == SGD ? NULL : s[0], 0.01, kind == SGD ? 0 : 0.9, kind == SGD_NESTEROV, decay, w,
               kind == SGD ? NULL : s[0], threads);
    else if (kind == ADAM)
        k->adam(n, w, g, s[0], s[1], &adam, w, s[0], s[1], threads);
    else if (kind == ADAGRAD)
        k->adagrad(n, w, g, s[0], 0.01, 1e-7, decay, w, s[0], threads);
    else
        k->rmsprop(n, w, g, s[0], kind == RMSPROP ? NULL : s[1], kind == RMSPROP_CENTERED ? s[2] : NULL, 0.01, 0.9,
                   kind == RMSPROP ? 0 : 0.8, 1e-7, decay, w, s[0], kind == RMSPROP ? NULL : s[1],
                   kind == RMSPROP_CENTERED ? s[2] : NULL, threads);
}

static void check_optimizer(const moru_kernels *k, int kind, int64_t n, double decay)
{
    guarded first[4];
    for (int t = 0; t < n_thread_counts(k); t++) {
        uint64_t state = 61;
        guarded buffers[4], grad = guarded_random(&state, n);
        moru_real *s[4], *g = grad.data;
        double *want = calloc((size_t)n * 4 + 1, sizeof *want);
        ck_assert_ptr_nonnull(want);
        for (int i = 0; i < 4; i++) {
            buffers[i] = guarded_random(&state, n);
            s[i] = buffers[i].data;
            for (int64_t j = 0; j < n; j++)
                want[4 * j + i] = s[i][j] = i == 3 ? s[i][j] : kind == ADAGRAD ? (moru_real)0.1 : 0;
        }
        for (int step = 1; step <= 10; step++) {
            for (int64_t j = 0; j < n; j++) {
                g[j] = (moru_real)(random_real(&state) * (j % 5));
                keras_step(kind, &want[4 * j + 3], g[j], &want[4 * j], decay, step);
            }
            kernel_step(k, kind, n, s[3], g, s, decay, step, thread_counts[t]);
        }
        for (int64_t j = 0; j < n; j++)
            ck_assert_msg(fabs(s[3][j] - want[4 * j + 3]) < (sizeof(moru_real) == 8 ? 1e-13 : 4e-6),
                          "%s: optimizer %d: w[%lld] = %.9g, should be %.9g", k->isa, kind, (long long)j,
                          (double)s[3][j], want[4 * j + 3]);
        for (int i = 0; i < 4; i++) {
            if (t == 0) {
                first[i] = buffers[i];
                continue;
            }
            ck_assert_msg(!memcmp(first[i].data, s[i], real_bytes(n)), "%s: optimizer %d: %d threads differ", k->isa,
                          kind, thread_counts[t]);
            guarded_free(&buffers[i]);
        }
        free(want);
        guarded_free(&grad);
    }
    for (int i = 0; i < 4; i++)
        guarded_free(&first[i]);
}

START_TEST(optimizers)
{
    static const int64_t sizes[] = {0, 1, 15, 16, 33, 1000, 40001};
    for (int k = 0; moru_kernels_at(k); k++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            check_optimizer(moru_kernels_at(k), _i, sizes[i], 0);
            check_optimizer(moru_kernels_at(k), _i, sizes[i], 0.1);
        }
}
END_TEST

/* A constant gradient makes the centered variance vanish; rounding must not make it negative. */
START_TEST(centered_rmsprop_stays_finite)
{
    for (int k = 0; moru_kernels_at(k); k++) {
        moru_real w[3] = {0}, v[3] = {0}, m[3] = {0}, a[3] = {0}, g[3] = {100, 3000, -77};
        for (int step = 0; step < 500; step++)
            moru_kernels_at(k)->rmsprop(3, w, g, v, m, a, 1e-3, 0.9, 0.5, 1e-7, 0, w, v, m, a, 1);
        ck_assert(isfinite(w[0]) && isfinite(w[1]) && isfinite(w[2]));
    }
}
END_TEST

START_TEST(finiteness)
{
    static const int64_t sizes[] = {0, 1, 15, 16, 17, 1000, 50001};
    uint64_t state = 2;
    for (int k = 0; moru_kernels_at(k); k++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            guarded x = guarded_random(&state, sizes[i]);
            moru_real *in = x.data;
            for (int t = 0; t < n_thread_counts(moru_kernels_at(k)); t++) {
                ck_assert(moru_kernels_at(k)->all_finite(in, sizes[i], thread_counts[t]));
                for (int trial = 0; trial < 6 && sizes[i] > 0; trial++) {
                    int64_t at = trial == 0 ? sizes[i] - 1 : random_int(&state, 0, sizes[i] - 1);
                    moru_real saved = in[at];
                    in[at] = trial % 3 == 0 ? NAN : trial % 3 == 1 ? INFINITY : -INFINITY;
                    ck_assert(!moru_kernels_at(k)->all_finite(in, sizes[i], thread_counts[t]));
                    in[at] = saved;
                }
            }
            guarded_free(&x);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels: copies, random numbers, rows, optimizers");
    TCase *tests = tcase_create("misc");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, permutations, 0, 6);
    tcase_add_test(tests, large_copies);
    tcase_add_test(tests, philox_known_answers);
    tcase_add_test(tests, sequences);
    tcase_add_test(tests, distributions);
    tcase_add_test(tests, rows_by_index);
    tcase_add_loop_test(tests, optimizers, 0, N_OPTIMIZERS);
    tcase_add_test(tests, centered_rmsprop_stays_finite);
    tcase_add_test(tests, finiteness);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
