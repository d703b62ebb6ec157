/* Attention of every instruction set against plain loops in double. */
#include "kernel_test.h"

static const moru_attention cases[] = {
    {1, 1, 1, 1, 1, 1, 1, false, 0, 0, 0, 0}, {2, 3, 5, 7, 4, 6, 0.5, false, 0, 0, 0, 0},
    {2, 2, 9, 9, 8, 8, 0.3, true, 0, 0, 0, 0}, {1, 4, 64, 64, 32, 32, 0.18, true, 0, 0, 0, 0},
    {1, 1, 130, 130, 17, 5, 0.2, true, 0, 0, 0, 0}, {1, 2, 70, 200, 16, 33, 0.25, false, 0, 0, 0, 0},
    {1, 1, 150, 65, 3, 70, 0.6, true, 0, 0, 0, 0}, {1, 1, 65, 150, 66, 1, 0.1, true, 0, 0, 0, 0},
    {2, 1, 1, 40, 20, 20, 0.2, false, 0, 0, 0, 0}, {2, 2, 11, 13, 5, 4, 0.4, false, 286, 143, 13, 0},
    {2, 2, 11, 13, 5, 4, -0.4, true, 13, 0, 0, 0}, {1, 3, 67, 70, 9, 9, 0.3, false, 0, 70, 0, 0},
    {2, 2, 5, 6, 3, 3, 0.5, true, 0, 0, 6, 0}, {1, 2, 3, 0, 4, 4, 0.5, false, 0, 0, 0, 0},
    {1, 2, 0, 3, 4, 4, 0.5, true, 0, 0, 0, 0}, {0, 2, 3, 3, 4, 4, 0.5, true, 0, 0, 0, 0},
    {1, 1, 3, 4, 0, 5, 0.5, false, 0, 0, 0, 0}, {1, 1, 3, 4, 5, 0, 0.5, true, 0, 0, 0, 0},
    {2, 2, 11, 13, 5, 4, 0.4, false, 286, 143, 13, MORU_KEEP_OR_MEAN},
    {2, 2, 11, 13, 5, 4, -0.4, true, 13, 0, 0, MORU_KEEP_OR_MEAN},
    {1, 3, 67, 70, 9, 9, 0.3, false, 0, 70, 0, MORU_KEEP_OR_ZERO},
    {2, 2, 5, 6, 3, 3, 0.5, true, 0, 0, 6, MORU_KEEP_OR_MEAN},
    {2, 2, 150, 140, 8, 9, 0.5, true, 21000, 0, 140, MORU_KEEP_OR_MEAN},
    {2, 2, 150, 140, 8, 9, 0.5, true, 21000, 0, 140, MORU_KEEP_OR_ZERO},
    {3, 1, 4, 1, 2, 70, 0.5, false, 4, 0, 1, MORU_KEEP_OR_MEAN},
    {3, 2, 65, 200, 16, 3, 0.5, false, 200, 0, 0, MORU_KEEP_OR_MEAN}};
#define N_CASES ((int)(sizeof cases / sizeof cases[0]))
enum { OUTPUTS = 5 };

static size_t bytes(int64_t n)
{
    return (size_t)n * sizeof(moru_real);
}

/* y, lse, dq, dk, dv */
static void sizes_of(const moru_attention *g, int64_t *sizes)
{
    sizes[0] = g->n * g->t * g->heads * g->value_dim;
    sizes[1] = g->n * g->heads * g->t;
    sizes[2] = g->n * g->t * g->heads * g->dim;
    sizes[3] = g->n * g->s * g->heads * g->dim;
    sizes[4] = g->n * g->s * g->heads * g->value_dim;
}

static void run(const moru_kernels *k, const moru_attention *g, const moru_real *const in[5], int threads,
                moru_real *out[OUTPUTS])
{
    int64_t sizes[OUTPUTS];
    guarded b[OUTPUTS], forward = guarded_workspace(k->attention_workspace(g, threads)),
            backward = guarded_workspace(k->attention_grad_workspace(g, threads));
    sizes_of(g, sizes);
    for (int i = 0; i < OUTPUTS; i++)
        b[i] = guarded_new(bytes(sizes[i]));
    k->attention(g, in[0], in[1], in[2], in[3], b[0].data, b[1].data, forward.data, threads);
    k->attention_grad(g, in[4], in[0], in[1], in[2], in[3], b[1].data, b[2].data, b[3].data, b[4].data, backward.data,
                      threads);
    for (int i = 0; i < OUTPUTS; i++) {
        out[i] = malloc(bytes(sizes[i]) + 8);
        ck_assert_ptr_nonnull(out[i]);
        memcpy(out[i], b[i].data, bytes(sizes[i]));
        guarded_free(&b[i]);
    }
    guarded_free(&forward);
    guarded_free(&backward);
}

/* One query of one head: p, dp and what they add to the results. */
static void naive_query(const moru_attention *g, const moru_real *const in[5], int64_t n, int64_t h, int64_t i,
                        double *p, double *out[OUTPUTS])
{
    int64_t at = (n * g->t + i) * g->heads + h, seen = g->causal && i + 1 < g->s ? i + 1 : g->s;
    const moru_real *q = in[0] + at * g->dim, *dy = in[4] + at * g->value_dim;
    double most = -INFINITY, sum = 0, shared = 0, *dp = p + g->s;
    for (int64_t j = 0; j < seen; j++) {
        int64_t key = (n * g->s + j) * g->heads + h;
        p[j] = dp[j] = 0;
        for (int64_t d = 0; d < g->dim; d++)
            p[j] += g->scale * q[d] * in[1][key * g->dim + d];
        for (int64_t d = 0; d < g->value_dim; d++)
            dp[j] += (double)dy[d] * in[2][key * g->value_dim + d];
        moru_real mask = in[3] ? in[3][n * g->mask_n + h * g->mask_h + i * g->mask_t + j] : 0;
        p[j] = !in[3] || !g->keep ? p[j] + mask : mask ? p[j] : -INFINITY;
        most = fmax(most, p[j]);
    }
    if (g->keep && most == -INFINITY) {
        out[1][(n * g->heads + h) * g->t + i] = INFINITY;
        for (int64_t j = 0; j < g->s && g->keep == MORU_KEEP_OR_MEAN; j++)
            for (int64_t d = 0; d < g->value_dim; d++) {
                int64_t key = (n * g->s + j) * g->heads + h;
                out[0][at * g->value_dim + d] += in[2][key * g->value_dim + d] / (double)g->s;
                out[4][key * g->value_dim + d] += dy[d] / (double)g->s;
            }
        return;
    }
    for (int64_t j = 0; j < seen; j++)
        sum += exp(p[j] - most);
    out[1][(n * g->heads + h) * g->t + i] = most + log(sum);
    for (int64_t j = 0; j < seen; j++) {
        p[j] = exp(p[j] - most) / sum;
        shared += p[j] * dp[j];
    }
    for (int64_t j = 0; j < seen; j++) {
        int64_t key = (n * g->s + j) * g->heads + h;
        double ds = g->scale * p[j] * (dp[j] - shared);
        for (int64_t d = 0; d < g->dim; d++) {
            out[2][at * g->dim + d] += ds * in[1][key * g->dim + d];
            out[3][key * g->dim + d] += ds * q[d];
        }
        for (int64_t d = 0; d < g->value_dim; d++) {
            out[0][at * g->value_dim + d] += p[j] * in[2][key * g->value_dim + d];
            out[4][key * g->value_dim + d] += p[j] * dy[d];
        }
    }
}

static void compare(const moru_attention *g, const moru_real *const in[5], moru_real *out[OUTPUTS])
{
    static const char *const names[] = {"y", "lse", "dq", "dk", "dv"};
    int64_t sizes[OUTPUTS];
    double *want[OUTPUTS], *p = malloc((size_t)(2 * g->s + 1) * sizeof *p);
    sizes_of(g, sizes);
    ck_assert_ptr_nonnull(p);
    for (int i = 0; i < OUTPUTS; i++)
        ck_assert_ptr_nonnull(want[i] = calloc((size_t)sizes[i] + 1, sizeof **want));
    for (int64_t q = 0; q < g->n * g->heads * g->t; q++)
        naive_query(g, in, q / g->t / g->heads, q / g->t % g->heads, q % g->t, p, want);
    for (int i = 0; i < OUTPUTS; i++) {
        for (int64_t j = 0; j < sizes[i]; j++)
            if ((g->s > 0 && !isinf(want[i][j])) || i != 1) /* without keys lse is -inf */
                check_close(out[i][j], want[i][j], 4 * fabs(want[i][j]) + 4, names[i], j);
        free(want[i]);
    }
    free(p);
}

static void check_case(const moru_kernels *k, const moru_attention *g, uint64_t *state)
{
    static const int thread_counts[] = {1, 2, 3, 8};
    int64_t sizes[OUTPUTS], mask = g->s;
    sizes_of(g, sizes);
    bool masked = g->mask_n || g->mask_h || g->mask_t;
    mask += masked ? g->mask_n * (g->n - 1) + g->mask_h * (g->heads - 1) + g->mask_t * (g->t - 1) : 0;
    guarded b[5] = {guarded_random(state, sizes[2]), guarded_random(state, sizes[3]), guarded_random(state, sizes[4]),
                    guarded_random(state, mask), guarded_random(state, sizes[0])};
    moru_real *kept = b[3].data;
    for (int64_t i = 0; i < mask && g->keep; i++) /* among them queries and entries of the batch that keep none */
        if (kept[i] < 0 || (g->mask_t && i / g->s % 3 == 0) || (g->mask_n && g->mask_n <= g->s && i < g->s))
            kept[i] = 0;
    const moru_real *in[5] = {b[0].data, b[1].data, b[2].data, masked ? b[3].data : NULL, b[4].data};
    moru_real *first[OUTPUTS], *out[OUTPUTS];
    run(k, g, in, 1, first);
    for (int t = 1; t < 4; t++) {
        run(k, g, in, thread_counts[t], out);
        for (int i = 0; i < OUTPUTS; i++) {
            ck_assert_msg(!memcmp(first[i], out[i], bytes(sizes[i])), "%s: %d threads differ", k->isa,
                          thread_counts[t]);
            free(out[i]);
        }
    }
    compare(g, in, first);
    for (int i = 0; i < OUTPUTS; i++) {
        free(first[i]);
        guarded_free(&b[i]);
    }
}

START_TEST(against_naive)
{
    uint64_t state = 77;
    for (int k = 0; moru_kernels_at(k); k++)
        check_case(moru_kernels_at(k), &cases[_i], &state);
}
END_TEST

/* Scores far from zero don't overflow, and what a mask forbids counts for nothing. */
START_TEST(large_scores)
{
    for (int k = 0; moru_kernels_at(k); k++) {
        moru_attention g = {1, 1, 2, 20, 1, 1, 1, false, 0, 0, 20, 0};
        moru_real q[2] = {300, -300}, keys[20], values[20], mask[40], y[2], lse[2];
        guarded workspace = guarded_workspace(moru_kernels_at(k)->attention_workspace(&g, 1));
        for (int j = 0; j < 20; j++) {
            keys[j] = (moru_real)j;
            values[j] = (moru_real)(j + 1);
            mask[j] = j == 19 ? (moru_real)-INFINITY : 0;
            mask[20 + j] = j == 0 ? (moru_real)-1e9 : 0;
        }
        moru_kernels_at(k)->attention(&g, q, keys, values, mask, y, lse, workspace.data, 1);
        ck_assert_msg(fabs(y[0] - 19.0) < 1e-5 && fabs(y[1] - 2.0) < 1e-5, "%s: %.9g, %.9g", moru_kernels_at(k)->isa,
                      (double)y[0], (double)y[1]);
        ck_assert(fabs(lse[0] - 5400) < 1e-2 && fabs(lse[1] + 300) < 1e-2);
        guarded_free(&workspace);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels: attention");
    TCase *tests = tcase_create("attention");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, against_naive, 0, N_CASES);
    tcase_add_test(tests, large_scores);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
