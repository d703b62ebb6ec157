/* Reductions, softmax and cross entropy of every instruction set against plain loops in double. */
#include "kernel_test.h"

static const int thread_counts[] = {1, 2, 3, 8};

/* All of them for the best instruction set, the first two for the others: the cutting of work is the same source. */
static int n_thread_counts(const moru_kernels *k)
{
    return k == moru_kernels_at(0) ? 4 : 2;
}

typedef struct { int64_t outer, size, inner; } shape3;

static const shape3 shapes[] = {
    {0, 3, 4}, {3, 4, 0}, {1, 1, 1}, {1, 10, 1}, {7, 10, 1}, {128, 10, 1}, {5, 16, 1}, {3, 17, 1}, {2, 31, 1},
    {3, 63, 1}, {3, 64, 1}, {4, 65, 1}, {2, 1000, 1}, {1, 4099, 1}, {2, 70001, 1}, {1, 200003, 1}, {1, 5, 3},
    {1, 100, 10}, {1, 5000, 6}, {3, 777, 10}, {1, 40001, 3}, {1, 513, 16}, {2, 129, 33}, {1, 2100, 64}, {1, 300, 65},
    {2, 70, 127}, {1, 65, 200}, {3, 5, 513}, {1, 3, 9001}, {2, 700, 100}, {40, 3, 2}, {1, 20000, 8}, {1, 1, 77},
    {6, 2, 1}, {9, 50, 4}, {1, 1000, 300}};
#define N_SHAPES ((int)(sizeof shapes / sizeof shapes[0]))

static double reduced_value(moru_reduce_kind kind, const moru_real *x, shape3 s, double *scale)
{
    double y = kind == MORU_REDUCE_MAX ? -INFINITY : kind == MORU_REDUCE_MIN ? INFINITY : kind == MORU_REDUCE_PROD;
    *scale = 0;
    for (int64_t r = 0; r < s.size; r++) {
        double v = x[r * s.inner];
        *scale += v * v;
        switch (kind) {
        case MORU_REDUCE_MAX: y = fmax(y, v); break;
        case MORU_REDUCE_MIN: y = fmin(y, v); break;
        case MORU_REDUCE_PROD: y *= v; break;
        default: y += v;
        }
    }
    *scale = sqrt(*scale);
    return kind == MORU_REDUCE_MEAN ? y / (double)s.size : y;
}

static void check_reduce(const moru_kernels *k, moru_reduce_kind kind, shape3 s, uint64_t *state)
{
    int64_t n = s.outer * s.size * s.inner, n_out = s.outer * s.inner;
    guarded x = guarded_random(state, n), first = guarded_new((size_t)n_out * sizeof(moru_real));
    moru_real *in = x.data;
    for (int64_t i = 0; i < n && kind == MORU_REDUCE_PROD; i++)
        in[i] = (moru_real)exp(in[i] / 8);
    for (int t = 0; t < n_thread_counts(k); t++) {
        size_t bytes = k->reduce_workspace(kind, s.outer, s.size, s.inner, thread_counts[t]);
        guarded y = guarded_new((size_t)n_out * sizeof(moru_real)), workspace = guarded_workspace(bytes);
        k->reduce(kind, in, s.outer, s.size, s.inner, y.data, workspace.data, thread_counts[t]);
        if (t == 0)
            memcpy(first.data, y.data, (size_t)n_out * sizeof(moru_real));
        ck_assert_msg(!memcmp(first.data, y.data, (size_t)n_out * sizeof(moru_real)), "%s: kind %d: %d threads differ",
                      k->isa, kind, thread_counts[t]);
        guarded_free(&y);
        guarded_free(&workspace);
    }
    for (int64_t o = 0; o < s.outer; o++)
        for (int64_t i = 0; i < s.inner; i++) {
            double scale, want = reduced_value(kind, in + o * s.size * s.inner + i, s, &scale);
            double got = ((moru_real *)first.data)[o * s.inner + i];
            double allowed = kind == MORU_REDUCE_SUM    ? scale
                             : kind == MORU_REDUCE_MEAN ? scale / (double)s.size
                             : kind == MORU_REDUCE_PROD ? sqrt((double)s.size) * fabs(want)
                                                        : 0;
            allowed *= sizeof(moru_real) == 4 ? 1.2e-6 : 2e-15;
            ck_assert_msg(fabs(got - want) <= allowed, "%s: kind %d of [%lld,%lld,%lld]: %.9g, should be %.9g", k->isa,
                          kind, (long long)s.outer, (long long)s.size, (long long)s.inner, got, want);
        }
    guarded_free(&x);
    guarded_free(&first);
}

START_TEST(reductions)
{
    uint64_t state = 11;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int kind = MORU_REDUCE_SUM; kind <= MORU_REDUCE_PROD; kind++)
            check_reduce(moru_kernels_at(k), kind, shapes[_i], &state);
}
END_TEST

START_TEST(reductions_of_nothing)
{
    for (int k = 0; moru_kernels_at(k); k++) {
        moru_real y[6];
        moru_kernels_at(k)->reduce(MORU_REDUCE_SUM, y, 2, 0, 3, y, NULL, 2);
        ck_assert(y[0] == 0 && y[5] == 0);
        moru_kernels_at(k)->reduce(MORU_REDUCE_PROD, y, 2, 0, 3, y, NULL, 2);
        ck_assert(y[0] == 1 && y[5] == 1);
        moru_kernels_at(k)->reduce(MORU_REDUCE_MEAN, y, 2, 0, 3, y, NULL, 2);
        ck_assert(isnan(y[0]) && isnan(y[5]));
    }
}
END_TEST

/* A NaN anywhere makes every reduction NaN, and only its own. */
START_TEST(nan_spreads)
{
    const shape3 s = shapes[_i];
    uint64_t state = 5;
    if (s.outer * s.size * s.inner == 0 || s.size > 10000)
        return;
    guarded x = guarded_random(&state, s.outer * s.size * s.inner);
    guarded y = guarded_new((size_t)(s.outer * s.inner) * sizeof(moru_real));
    moru_real *in = x.data, *out = y.data;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int kind = MORU_REDUCE_SUM; kind <= MORU_REDUCE_PROD; kind++)
            for (int trial = 0; trial < 5; trial++) {
                int64_t at = random_int(&state, 0, s.outer * s.size * s.inner - 1);
                moru_real saved = in[at];
                in[at] = NAN;
                size_t bytes = moru_kernels_at(k)->reduce_workspace(kind, s.outer, s.size, s.inner, 2);
                guarded workspace = guarded_workspace(bytes);
                moru_kernels_at(k)->reduce(kind, in, s.outer, s.size, s.inner, out, workspace.data, 2);
                for (int64_t i = 0; i < s.outer * s.inner; i++)
                    ck_assert(!isnan(out[i]) == (i != at / (s.size * s.inner) * s.inner + at % s.inner));
                in[at] = saved;
                guarded_free(&workspace);
            }
    guarded_free(&x);
    guarded_free(&y);
}
END_TEST

/* Many equal terms: naive float summation would be off by percents. */
START_TEST(long_sums)
{
    const int64_t n = 3000000;
    guarded x = guarded_new((size_t)n * sizeof(moru_real));
    for (int64_t i = 0; i < n; i++)
        ((moru_real *)x.data)[i] = (moru_real)0.1;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int64_t inner = 1; inner <= 10; inner += 3) {
            moru_real y[10];
            double want = (double)(moru_real)0.1 * (double)(n / inner);
            size_t bytes = moru_kernels_at(k)->reduce_workspace(MORU_REDUCE_SUM, 1, n / inner, inner, 2);
            guarded workspace = guarded_workspace(bytes);
            moru_kernels_at(k)->reduce(MORU_REDUCE_SUM, x.data, 1, n / inner, inner, y, workspace.data, 2);
            for (int64_t i = 0; i < inner; i++)
                ck_assert_msg(fabs(y[i] - want) < 4e-6 * want, "%s: %.9g, should be %.9g", moru_kernels_at(k)->isa,
                              (double)y[i], want);
            guarded_free(&workspace);
        }
    guarded_free(&x);
}
END_TEST

START_TEST(positions_of_extremes)
{
    const shape3 s = shapes[_i];
    uint64_t state = 23;
    if (s.size == 0)
        return;
    guarded x = guarded_random(&state, s.outer * s.size * s.inner);
    moru_real *in = x.data;
    for (int64_t i = 0; i < s.outer * s.size * s.inner; i++) {
        in[i] = (moru_real)round(in[i] * 20); /* ties */
        if (random_int(&state, 0, 300) == 0)
            in[i] = NAN;
    }
    for (int k = 0; moru_kernels_at(k); k++)
        for (int least = 0; least < 2; least++)
            for (int t = 0; t < n_thread_counts(moru_kernels_at(k)); t++) {
                guarded y = guarded_new((size_t)(s.outer * s.inner) * sizeof(int32_t));
                moru_kernels_at(k)->arg_reduce(least, in, s.outer, s.size, s.inner, y.data, thread_counts[t]);
                for (int64_t o = 0; o < s.outer * s.inner; o++) {
                    const moru_real *row = in + o / s.inner * s.size * s.inner + o % s.inner;
                    int64_t best = 0;
                    for (int64_t r = s.size - 1; r >= 0; r--) {
                        moru_real v = row[r * s.inner], b = row[best * s.inner];
                        if (r == s.size - 1 || isnan(v) || (!isnan(b) && (least ? v <= b : v >= b)))
                            best = r;
                    }
                    ck_assert_int_eq(((int32_t *)y.data)[o], best);
                }
                guarded_free(&y);
            }
    guarded_free(&x);
}
END_TEST

static void naive_softmax(bool log_, const moru_real *x, shape3 s, double *y)
{
    double max = -INFINITY, total = 0;
    for (int64_t r = 0; r < s.size; r++)
        max = fmax(max, x[r * s.inner]);
    for (int64_t r = 0; r < s.size; r++)
        total += exp(x[r * s.inner] - max);
    for (int64_t r = 0; r < s.size; r++)
        y[r] = log_ ? x[r * s.inner] - max - log(total) : exp(x[r * s.inner] - max) / total;
}

static void check_relative(double got, double want, int64_t index)
{
    ck_assert_msg(fabs(got - want) <= 2 * KERNEL_TOLERANCE * want + 1e-37, "softmax [%lld] = %.9g, should be %.9g",
                  (long long)index, got, want);
}

static void check_softmax(const moru_kernels *k, bool log_, shape3 s, uint64_t *state)
{
    int64_t n = s.outer * s.size * s.inner;
    guarded x = guarded_random(state, n), dy = guarded_random(state, n);
    guarded y = guarded_new((size_t)n * sizeof(moru_real)), dx = guarded_new((size_t)n * sizeof(moru_real));
    guarded y1 = guarded_new((size_t)n * sizeof(moru_real)), dx1 = guarded_new((size_t)n * sizeof(moru_real));
    double *want = malloc(sizeof *want * (size_t)(s.size + 1));
    ck_assert_ptr_nonnull(want);
    for (int64_t i = 0; i < n; i++)
        ((moru_real *)x.data)[i] *= 20;
    k->softmax(log_, x.data, s.outer, s.size, s.inner, y1.data, 1);
    k->softmax_grad(log_, dy.data, y1.data, s.outer, s.size, s.inner, dx1.data, 1);
    for (int t = 1; t < n_thread_counts(k); t++) {
        k->softmax(log_, x.data, s.outer, s.size, s.inner, y.data, thread_counts[t]);
        k->softmax_grad(log_, dy.data, y.data, s.outer, s.size, s.inner, dx.data, thread_counts[t]);
        ck_assert(!memcmp(y.data, y1.data, (size_t)n * sizeof(moru_real)));
        ck_assert(!memcmp(dx.data, dx1.data, (size_t)n * sizeof(moru_real)));
    }
    for (int64_t o = 0; o < s.outer * s.inner; o++) {
        int64_t at = o / s.inner * s.size * s.inner + o % s.inner;
        const moru_real *got = (moru_real *)y.data + at, *grad = (moru_real *)dx.data + at;
        const moru_real *d = (moru_real *)dy.data + at;
        naive_softmax(log_, (moru_real *)x.data + at, s, want);
        double dot = 0;
        for (int64_t r = 0; r < s.size; r++)
            dot += d[r * s.inner] * (log_ ? 1 : want[r]);
        for (int64_t r = 0; r < s.size; r++) {
            double slope = log_ ? d[r * s.inner] - exp(want[r]) * dot : want[r] * (d[r * s.inner] - dot);
            if (log_)
                check_close(got[r * s.inner], want[r], fabs(want[r]), "log softmax", r);
            else
                check_relative(got[r * s.inner], want[r], r);
            check_close(grad[r * s.inner], slope, fabs(slope) + (log_ ? 5 + sqrt((double)s.size) : 0),
                        "softmax gradient", r);
        }
    }
    free(want);
    guarded_free(&x);
    guarded_free(&dy);
    guarded_free(&y);
    guarded_free(&dx);
    guarded_free(&y1);
    guarded_free(&dx1);
}

START_TEST(softmaxes)
{
    uint64_t state = 3;
    for (int k = 0; moru_kernels_at(k); k++)
        for (int log_ = 0; log_ < 2; log_++)
            check_softmax(moru_kernels_at(k), log_, shapes[_i], &state);
}
END_TEST

START_TEST(softmax_of_extremes)
{
    const moru_real inf = INFINITY, x[4][3] = {{1000, 1000, -inf}, {-1000, -1001, -inf}, {-inf, 0, -inf}, {0, NAN, 0}};
    for (int k = 0; moru_kernels_at(k); k++)
        for (int wide = 0; wide < 2; wide++) {
            enum { N = 40 };
            for (int row = 0; row < 4; row++) {
                moru_real z[N], y[N], l[N];
                int n = wide ? N : 3;
                for (int i = 0; i < n; i++)
                    z[i] = i < 3 ? x[row][i] : -inf;
                moru_kernels_at(k)->softmax(false, z, 1, n, 1, y, 1);
                moru_kernels_at(k)->softmax(true, z, 1, n, 1, l, 1);
                double total = 0;
                for (int i = 0; i < n; i++)
                    total += y[i];
                if (row == 3) {
                    ck_assert(isnan(y[0]) && isnan(y[n - 1]) && isnan(l[0]));
                    continue;
                }
                ck_assert(fabs(total - 1) < 1e-6 && y[n - 1] == 0 && l[n - 1] == -inf);
                ck_assert(fabs(l[row == 2] - log(y[row == 2])) < 1e-6);
            }
        }
}
END_TEST

static void check_loss(const moru_kernels *k, int64_t rows, int64_t classes, uint64_t *state)
{
    guarded z = guarded_random(state, rows * classes), d = guarded_random(state, rows);
    guarded labels = guarded_new((size_t)rows * sizeof(int32_t));
    int32_t *label = labels.data;
    moru_real *in = z.data;
    double *p = malloc(sizeof *p * (size_t)(classes + 1));
    ck_assert_ptr_nonnull(p);
    for (int64_t i = 0; i < rows * classes; i++)
        in[i] *= 20;
    for (int64_t r = 0; r < rows; r++)
        label[r] = (int32_t)random_int(state, 0, classes - 1);
    for (int t = 0; t < n_thread_counts(k); t++) {
        guarded loss = guarded_new((size_t)rows * sizeof(moru_real));
        guarded dz = guarded_new((size_t)(rows * classes) * sizeof(moru_real));
        k->sparse_cross_entropy(in, label, rows, classes, loss.data, thread_counts[t]);
        k->sparse_cross_entropy_grad(d.data, in, label, rows, classes, dz.data, thread_counts[t]);
        for (int64_t r = 0; r < rows; r++) {
            naive_softmax(true, in + r * classes, (shape3){1, classes, 1}, p);
            check_close(((moru_real *)loss.data)[r], -p[label[r]], fabs(p[label[r]]), "loss", r);
            for (int64_t c = 0; c < classes; c++) {
                double want = ((moru_real *)d.data)[r] * (exp(p[c]) - (c == label[r]));
                check_close(((moru_real *)dz.data)[r * classes + c], want, c == label[r] ? 1 : fabs(want),
                            "loss gradient", c);
            }
        }
        guarded_free(&loss);
        guarded_free(&dz);
    }
    free(p);
    guarded_free(&z);
    guarded_free(&d);
    guarded_free(&labels);
}

START_TEST(cross_entropies)
{
    static const int64_t sizes[][2] = {{0, 3}, {1, 1}, {128, 10}, {7, 16}, {3, 17}, {200, 100}, {2, 5001}, {9000, 10}};
    uint64_t state = 77;
    for (int k = 0; moru_kernels_at(k); k++)
        check_loss(moru_kernels_at(k), sizes[_i][0], sizes[_i][1], &state);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels: reductions");
    TCase *tests = tcase_create("reductions");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, reductions, 0, N_SHAPES);
    tcase_add_loop_test(tests, nan_spreads, 0, N_SHAPES);
    tcase_add_loop_test(tests, positions_of_extremes, 0, N_SHAPES);
    tcase_add_loop_test(tests, softmaxes, 0, N_SHAPES);
    tcase_add_loop_test(tests, cross_entropies, 0, 8);
    tcase_add_test(tests, reductions_of_nothing);
    tcase_add_test(tests, long_sums);
    tcase_add_test(tests, softmax_of_extremes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
