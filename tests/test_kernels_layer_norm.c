/* Layer normalization of every instruction set against plain loops in double. */
#include "kernel_test.h"

static const struct { int64_t rows, width; } shapes[] = {
    {1, 1}, {0, 3}, {3, 0}, {5, 1}, {1, 7}, {7, 3}, {9, 16}, {33, 17}, {300, 31}, {100, 64}, {768, 128}, {65, 129},
    {17, 512}, {3, 1040}, {2, 5001}, {1000, 2}};
#define N_SHAPES ((int)(sizeof shapes / sizeof shapes[0]))
enum { OUTPUTS = 6 };

static size_t bytes(int64_t n)
{
    return (size_t)n * sizeof(moru_real);
}

typedef struct { moru_real *y, *mean, *rstd, *dx, *dgamma, *dbeta; } results;

static void run(const moru_kernels *k, int64_t rows, int64_t width, const moru_real *x, const moru_real *dy,
                const moru_real *gamma, const moru_real *beta, double epsilon, int threads, results *r)
{
    const int64_t sizes[OUTPUTS] = {rows * width, rows, rows, rows * width, width, width};
    moru_real **to[OUTPUTS] = {&r->y, &r->mean, &r->rstd, &r->dx, &r->dgamma, &r->dbeta};
    guarded out[OUTPUTS], workspace = guarded_workspace(k->layer_norm_grad_workspace(rows, width, threads));
    for (int i = 0; i < OUTPUTS; i++)
        out[i] = guarded_new(bytes(sizes[i]));
    k->layer_norm(x, gamma, beta, rows, width, epsilon, out[0].data, out[1].data, out[2].data, threads);
    k->layer_norm_grad(dy, x, gamma, out[1].data, out[2].data, rows, width, out[3].data, out[4].data, out[5].data,
                       workspace.data, threads);
    for (int i = 0; i < OUTPUTS; i++) {
        *to[i] = malloc(bytes(sizes[i]) + 8);
        ck_assert_ptr_nonnull(*to[i]);
        memcpy(*to[i], out[i].data, bytes(sizes[i]));
        guarded_free(&out[i]);
    }
    guarded_free(&workspace);
}

static void free_results(results *r)
{
    moru_real *all[OUTPUTS] = {r->y, r->mean, r->rstd, r->dx, r->dgamma, r->dbeta};
    for (int i = 0; i < OUTPUTS; i++)
        free(all[i]);
}

typedef struct { double mean, rstd, sum, product; } row_moments;

/* sum and product: of d = dy gamma, and of d times the normalized row */
static row_moments naive(const moru_real *x, const moru_real *dy, const moru_real *gamma, int64_t width, double epsilon)
{
    row_moments m = {0};
    double variance = 0;
    for (int64_t i = 0; i < width; i++)
        m.mean += x[i] / (double)width;
    for (int64_t i = 0; i < width; i++)
        variance += (x[i] - m.mean) * (x[i] - m.mean) / (double)width;
    m.rstd = 1 / sqrt(variance + epsilon);
    for (int64_t i = 0; i < width; i++) {
        double d = dy[i] * (gamma ? gamma[i] : 1);
        m.sum += d;
        m.product += d * (x[i] - m.mean) * m.rstd;
    }
    return m;
}

static void compare(int64_t rows, int64_t width, const moru_real *x, const moru_real *dy, const moru_real *gamma,
                    const moru_real *beta, double epsilon, double shaky, const results *r)
{
    double *sums = calloc((size_t)width * 2 + 1, sizeof *sums), root = sqrt((double)rows);
    ck_assert_ptr_nonnull(sums);
    for (int64_t at = 0; at < rows * width; at++) {
        int64_t row = at / width, i = at % width;
        row_moments m = naive(x + row * width, dy + row * width, gamma, width, epsilon);
        double normal = (x[at] - m.mean) * m.rstd, d = dy[at] * (gamma ? gamma[i] : 1);
        if (i == 0) {
            check_close(r->mean[row], m.mean, fabs(m.mean) + shaky, "mean", row);
            check_close(r->rstd[row], m.rstd, m.rstd * (4 + shaky * m.rstd), "rstd", row);
        }
        check_close(r->y[at], normal * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0),
                    4 * fabs(normal) + shaky * m.rstd, "y", at);
        double want = m.rstd * (d - m.sum / (double)width - normal * m.product / (double)width);
        check_close(r->dx[at], want, (8 + 4 * shaky * m.rstd) * m.rstd, "dx", at);
        sums[i] += dy[at] * normal;
        sums[width + i] += dy[at];
    }
    for (int64_t i = 0; i < width; i++) {
        check_close(r->dgamma[i], sums[i], 4 * root + 40 * root * shaky, "dgamma", i);
        check_close(r->dbeta[i], sums[width + i], 2 * root, "dbeta", i);
    }
    free(sums);
}

static void check_shape(const moru_kernels *k, int64_t rows, int64_t width, double offset, bool affine, uint64_t *state)
{
    static const int thread_counts[] = {1, 2, 3, 8};
    guarded x = guarded_random(state, rows * width), dy = guarded_random(state, rows * width),
            gamma = guarded_random(state, width), beta = guarded_random(state, width);
    moru_real *in = x.data, *scale = affine ? gamma.data : NULL, *shift = affine ? beta.data : NULL;
    results first;
    for (int64_t i = 0; i < rows * width; i++)
        in[i] += (moru_real)offset;
    run(k, rows, width, in, dy.data, scale, shift, 1e-3, 1, &first);
    for (int t = 1; t < 4; t++) {
        results r;
        run(k, rows, width, in, dy.data, scale, shift, 1e-3, thread_counts[t], &r);
        ck_assert_msg(!memcmp(first.y, r.y, bytes(rows * width)) && !memcmp(first.dx, r.dx, bytes(rows * width)) &&
                          !memcmp(first.mean, r.mean, bytes(rows)) && !memcmp(first.rstd, r.rstd, bytes(rows)) &&
                          !memcmp(first.dgamma, r.dgamma, bytes(width)) && !memcmp(first.dbeta, r.dbeta, bytes(width)),
                      "%s: %d threads differ", k->isa, thread_counts[t]);
        free_results(&r);
    }
    compare(rows, width, in, dy.data, scale, shift, 1e-3, fabs(offset), &first);
    free_results(&first);
    guarded_free(&x);
    guarded_free(&dy);
    guarded_free(&gamma);
    guarded_free(&beta);
}

START_TEST(against_naive)
{
    uint64_t state = 31;
    for (int k = 0; moru_kernels_at(k); k++) {
        check_shape(moru_kernels_at(k), shapes[_i].rows, shapes[_i].width, 0, true, &state);
        check_shape(moru_kernels_at(k), shapes[_i].rows, shapes[_i].width, 0.7, false, &state);
    }
}
END_TEST

/* Far from zero the textbook formula E[x^2] - E[x]^2 has no digit right. */
START_TEST(large_mean)
{
    uint64_t state = 4;
    for (int k = 0; moru_kernels_at(k); k++) {
        int64_t width = 3001;
        guarded x = guarded_random(&state, width), y = guarded_new(bytes(width));
        moru_real mean, rstd, *in = x.data;
        for (int64_t i = 0; i < width; i++)
            in[i] = (moru_real)(4096 + round(in[i] * 1024) / 1024); /* exact in float */
        moru_kernels_at(k)->layer_norm(in, NULL, NULL, 1, width, 0, y.data, &mean, &rstd, 1);
        row_moments m = naive(in, in, NULL, width, 0);
        ck_assert_msg(fabs(rstd - m.rstd) < 1e-5 * m.rstd, "%s: rstd %.9g, should be %.9g", moru_kernels_at(k)->isa,
                      (double)rstd, m.rstd);
        ck_assert_msg(fabs(mean - m.mean) < 5e-4, "%s: mean %.9g", moru_kernels_at(k)->isa, (double)mean);
        guarded_free(&x);
        guarded_free(&y);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels: layer normalization");
    TCase *tests = tcase_create("layer normalization");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, against_naive, 0, N_SHAPES);
    tcase_add_test(tests, large_mean);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
