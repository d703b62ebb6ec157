/* Batch normalization of every instruction set against plain loops in double. */
#include "kernel_test.h"

static const int thread_counts[] = {1, 2, 3, 8};

/* All of them for the best instruction set, the first two for the others: the cutting of work is the same source. */
static int n_thread_counts(const moru_kernels *k)
{
    return k == moru_kernels_at(0) ? 4 : 2;
}

typedef struct { int64_t rows, channels, inner; } shape3;
static const shape3 shapes[] = {
    {1, 1, 1}, {0, 3, 1}, {5, 1, 1}, {7, 3, 1}, {128, 6, 1}, {1000, 10, 1}, {33, 16, 1}, {5000, 16, 1}, {300, 17, 1},
    {2000, 64, 1}, {40, 65, 1}, {300, 127, 1}, {129, 128, 1}, {150, 129, 1}, {70, 300, 1}, {2, 512, 1}, {20011, 3, 1},
    {1, 3, 5}, {4, 3, 16}, {3, 5, 49}, {2, 2, 40000}, {6, 7, 2}, {1, 1, 70000}, {3, 0, 4}, {9, 33, 100},
    {70001, 1, 1}};
#define N_SHAPES ((int)(sizeof shapes / sizeof shapes[0]))

static size_t bytes(int64_t n)
{
    return (size_t)n * sizeof(moru_real);
}

typedef struct { double mean, variance, sum, product; } moments;

static moments naive(shape3 s, const moru_real *x, const moru_real *dy, int64_t c, double epsilon)
{
    moments m = {0};
    double count = (double)(s.rows * s.inner);
    for (int pass = 0; pass < 3; pass++)
        for (int64_t r = 0; r < s.rows; r++)
            for (int64_t i = 0; i < s.inner; i++) {
                int64_t at = (r * s.channels + c) * s.inner + i;
                if (pass == 0) {
                    m.mean += x[at] / count;
                } else if (pass == 1) {
                    m.variance += (x[at] - m.mean) * (x[at] - m.mean) / count;
                } else {
                    m.sum += dy[at];
                    m.product += dy[at] * (x[at] - m.mean) / sqrt(m.variance + epsilon);
                }
            }
    return m;
}

static void check_forward(const moru_kernels *k, shape3 s, const moru_real *x, const moru_real *gamma,
                          const moru_real *beta, int threads, moru_real *y, moru_real *mean, moru_real *variance)
{
    guarded workspace = guarded_workspace(k->batch_norm_workspace(s.rows, s.channels, s.inner, threads));
    guarded gy = guarded_new(bytes(s.rows * s.channels * s.inner));
    guarded gm = guarded_new(bytes(s.channels)), gv = guarded_new(bytes(s.channels));
    k->batch_norm_moments(x, s.rows, s.channels, s.inner, gm.data, gv.data, workspace.data, threads);
    memcpy(mean, gm.data, bytes(s.channels));
    memcpy(variance, gv.data, bytes(s.channels));
    k->batch_norm_apply(x, NULL, gamma, beta, mean, variance, s.rows, s.channels, s.inner, 1e-3, false, gy.data,
                        threads);
    memcpy(y, gy.data, bytes(s.rows * s.channels * s.inner));
    guarded_free(&workspace);
    guarded_free(&gy);
    guarded_free(&gm);
    guarded_free(&gv);
}

static void check_shape(const moru_kernels *k, shape3 s, double offset, bool affine, uint64_t *state)
{
    int64_t n = s.rows * s.channels * s.inner;
    guarded x = guarded_random(state, n), dy = guarded_random(state, n), gamma = guarded_random(state, s.channels),
            beta = guarded_random(state, s.channels);
    moru_real *in = x.data, *d = dy.data, *scale = affine ? gamma.data : NULL, *shift = affine ? beta.data : NULL;
    moru_real *y[2], *mean[2], *variance[2], *dx[2], *dgamma[2], *dbeta[2];
    for (int64_t i = 0; i < n; i++)
        in[i] += (moru_real)offset;
    for (int i = 0; i < 2; i++) {
        moru_real **all[] = {&y[i], &mean[i], &variance[i], &dx[i], &dgamma[i], &dbeta[i]};
        for (int j = 0; j < 6; j++) {
            *all[j] = malloc(bytes(j % 3 ? s.channels : n) + bytes(n) + 8);
            ck_assert_ptr_nonnull(*all[j]);
        }
    }
    for (int t = 0; t < n_thread_counts(k); t++) {
        int i = t > 0, threads = thread_counts[t];
        check_forward(k, s, in, scale, shift, threads, y[i], mean[i], variance[i]);
        guarded workspace = guarded_workspace(k->batch_norm_workspace(s.rows, s.channels, s.inner, threads));
        guarded gx = guarded_new(bytes(n)), gg = guarded_new(bytes(s.channels)), gb = guarded_new(bytes(s.channels));
        k->batch_norm_grad(d, in, scale, NULL, mean[i], variance[i], s.rows, s.channels, s.inner, 1e-3, false, gx.data,
                           gg.data, gb.data, workspace.data, threads);
        memcpy(dx[i], gx.data, bytes(n));
        memcpy(dgamma[i], gg.data, bytes(s.channels));
        memcpy(dbeta[i], gb.data, bytes(s.channels));
        guarded_free(&workspace);
        guarded_free(&gx);
        guarded_free(&gg);
        guarded_free(&gb);
        if (t > 0)
            ck_assert_msg(!memcmp(y[0], y[1], bytes(n)) && !memcmp(dx[0], dx[1], bytes(n)) &&
                              !memcmp(mean[0], mean[1], bytes(s.channels)) &&
                              !memcmp(variance[0], variance[1], bytes(s.channels)) &&
                              !memcmp(dgamma[0], dgamma[1], bytes(s.channels)) &&
                              !memcmp(dbeta[0], dbeta[1], bytes(s.channels)),
                          "%s: %d threads differ", k->isa, threads);
    }
    double count = (double)(s.rows * s.inner);
    for (int64_t c = 0; c < s.channels && n > 0; c++) {
        moments m = naive(s, in, d, c, 1e-3);
        double inverse = 1 / sqrt(m.variance + 1e-3), g = scale ? scale[c] : 1, root = sqrt(count);
        double shaky = fabs(offset) * inverse; /* x itself is rounded */
        check_close(mean[0][c], m.mean, fabs(m.mean), "mean", c);
        check_close(variance[0][c], m.variance, m.variance, "variance", c);
        check_close(dbeta[0][c], m.sum, root, "dbeta", c);
        check_close(dgamma[0][c], m.product, 2 * root + root * shaky * inverse, "dgamma", c);
        for (int64_t at = 0; at < n; at++) {
            if (at / s.inner % s.channels != c)
                continue;
            double hat = (in[at] - m.mean) * inverse;
            check_close(y[0][at], hat * g + (shift ? shift[c] : 0), fabs(hat) + shaky, "y", at);
            double want = g * inverse * (d[at] - m.sum / count - hat * m.product / count);
            check_close(dx[0][at], want, (4 + shaky) * inverse, "dx", at);
        }
    }
    for (int i = 0; i < 2; i++) {
        moru_real *all[] = {y[i], mean[i], variance[i], dx[i], dgamma[i], dbeta[i]};
        for (int j = 0; j < 6; j++)
            free(all[j]);
    }
    guarded_free(&x);
    guarded_free(&dy);
    guarded_free(&gamma);
    guarded_free(&beta);
}

START_TEST(against_naive)
{
    uint64_t state = 99;
    for (int k = 0; moru_kernels_at(k); k++) {
        check_shape(moru_kernels_at(k), shapes[_i], 0, true, &state);
        check_shape(moru_kernels_at(k), shapes[_i], 0.7, false, &state);
    }
}
END_TEST

/* Far from zero the textbook formula E[x^2] - E[x]^2 has no digit right. */
START_TEST(large_mean)
{
    uint64_t state = 4;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int64_t channels = 1; channels < 100; channels += 49) {
            int64_t n = 9000 * channels;
            guarded x = guarded_random(&state, n);
            moru_real mean[100], variance[100], *in = x.data;
            guarded workspace = guarded_workspace(moru_kernels_at(k)->batch_norm_workspace(9000, channels, 1, 2));
            for (int64_t i = 0; i < n; i++)
                in[i] = (moru_real)(4096 + round(in[i] * 1024) / 1024); /* exact in float */
            moru_kernels_at(k)->batch_norm_moments(in, 9000, channels, 1, mean, variance, workspace.data, 2);
            for (int64_t c = 0; c < channels; c++) {
                moments m = naive((shape3){9000, channels, 1}, in, in, c, 0);
                ck_assert_msg(fabs(variance[c] - m.variance) < 1e-5 * m.variance, "%s: variance %.9g, should be %.9g",
                              moru_kernels_at(k)->isa, (double)variance[c], m.variance);
                ck_assert(fabs(mean[c] - m.mean) < 5e-4);
            }
            guarded_free(&x);
            guarded_free(&workspace);
        }
}
END_TEST

/* The same bits as by passes of their own: what is added, relu, and dy under its mask. */
static void check_tail(const moru_kernels *k, shape3 s, bool affine, uint64_t *state)
{
    int64_t n = s.rows * s.channels * s.inner;
    guarded x = guarded_random(state, n), more = guarded_random(state, n), dy = guarded_random(state, n);
    guarded gamma = guarded_random(state, s.channels), beta = guarded_random(state, s.channels);
    guarded mean = guarded_random(state, s.channels), variance = guarded_random(state, s.channels);
    guarded y = guarded_new(bytes(n)), got = guarded_new(bytes(n)), dx = guarded_new(bytes(n));
    guarded sums[4];
    moru_real *want = malloc(bytes(n) + 8), *masked = malloc(bytes(n) + 8);
    ck_assert(want && masked);
    for (int i = 0; i < 4; i++)
        sums[i] = guarded_new(bytes(s.channels));
    for (int64_t c = 0; c < s.channels; c++)
        ((moru_real *)variance.data)[c] = (moru_real)fabs((double)((moru_real *)variance.data)[c]);
    moru_real *scale = affine ? gamma.data : NULL, *shift = affine ? beta.data : NULL;
    const moru_real *plain = y.data, *added = more.data, *d = dy.data;
    k->batch_norm_apply(x.data, NULL, scale, shift, mean.data, variance.data, s.rows, s.channels, s.inner, 1e-3, false,
                        y.data, 1);
    for (int bits = 1; bits < 4; bits++) {
        const bool relu = bits & 1, residual = bits & 2;
        for (int64_t i = 0; i < n; i++) {
            want[i] = residual ? plain[i] + added[i] : plain[i];
            want[i] = relu && want[i] <= 0 ? 0 : want[i];
        }
        k->batch_norm_apply(x.data, residual ? added : NULL, scale, shift, mean.data, variance.data, s.rows, s.channels,
                            s.inner, 1e-3, relu, got.data, 2);
        ck_assert_msg(!memcmp(want, got.data, bytes(n)), "%s: another relu or residual", k->isa);
    }
    for (int64_t i = 0; i < n; i++)
        masked[i] = plain[i] > 0 ? d[i] : 0;
    guarded workspace = guarded_workspace(k->batch_norm_workspace(s.rows, s.channels, s.inner, 2));
    k->batch_norm_grad(masked, x.data, scale, NULL, mean.data, variance.data, s.rows, s.channels, s.inner, 1e-3, false,
                       dx.data, sums[0].data, sums[1].data, workspace.data, 2);
    k->batch_norm_grad(d, x.data, scale, shift, mean.data, variance.data, s.rows, s.channels, s.inner, 1e-3, true,
                       got.data, sums[2].data, sums[3].data, workspace.data, 2);
    ck_assert_msg(!memcmp(dx.data, got.data, bytes(n)) && !memcmp(sums[0].data, sums[2].data, bytes(s.channels))
                      && !memcmp(sums[1].data, sums[3].data, bytes(s.channels)), "%s: another mask", k->isa);
    free(want);
    free(masked);
    guarded *all[] = {&x, &more, &dy, &gamma, &beta, &mean, &variance, &y, &got, &dx, &workspace, &sums[0], &sums[1],
                      &sums[2], &sums[3]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        guarded_free(all[i]);
}

START_TEST(tails)
{
    uint64_t state = 5;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int affine = 0; affine < 2; affine++)
            check_tail(moru_kernels_at(k), shapes[_i], affine, &state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels: normalization");
    TCase *tests = tcase_create("normalization");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, against_naive, 0, N_SHAPES);
    tcase_add_loop_test(tests, tails, 0, N_SHAPES);
    tcase_add_test(tests, large_mean);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
