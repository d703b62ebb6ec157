/* GEMM of every instruction set against a plain triple loop in double precision. */
#include "tests/kernel_test.h"

static const int thread_counts[] = {1, 2, 3, 8};

typedef struct problem {
    moru_gemm g;
    guarded a, b, bias, c[4];
    int64_t c_size;
} problem;

static int64_t stored(int64_t rows, int64_t columns, int64_t ld)
{
    return rows && columns ? (rows - 1) * ld + columns : 0;
}

static void describe(const moru_gemm *g, const char *isa, char *text, size_t size)
{
    snprintf(text, size, "%s m %lld n %lld k %lld%s%s batch %lld%s activation %d", isa, (long long)g->m,
             (long long)g->n, (long long)g->k, g->trans_a ? " a'" : "", g->trans_b ? " b'" : "", (long long)g->batch,
             g->bias ? " bias" : "", g->activation);
}

static double activated(const moru_gemm *g, double x)
{
    if (g->activation == 1 + MORU_UNARY_relu)
        return x > 0 ? x : 0;
    return g->activation == 1 + MORU_UNARY_tanh ? tanh(x) : x;
}

static void check_values(const problem *p, const char *text)
{
    const moru_gemm *g = &p->g;
    const moru_real *c = p->c[0].data, *bias = g->bias;
    for (int64_t s = 0; s < g->batch; s++)
        for (int64_t i = 0; i < g->m; i++)
            for (int64_t j = 0; j < g->n; j++) {
                const moru_real *a = g->a + s * g->stride_a, *b = g->b + s * g->stride_b;
                double sum = bias ? bias[j] : 0, size = fabs(sum);
                for (int64_t k = 0; k < g->k; k++) {
                    double x = (double)(g->trans_a ? a[k * g->lda + i] : a[i * g->lda + k]) *
                               (double)(g->trans_b ? b[j * g->ldb + k] : b[k * g->ldb + j]);
                    sum += x;
                    size += fabs(x);
                }
                int64_t at = s * g->stride_c + i * g->ldc + j;
                check_close(c[at], activated(g, sum), size, text, at);
            }
}

static void run(problem *p, const moru_kernels *kernels, const char *text)
{
    /* small problems aren't split */
    int counts = p->g.m * p->g.n * p->g.k * p->g.batch < MORU_PARALLEL_MIN ? 2 : 4;
    for (int t = 0; t < counts; t++) {
        p->c[t] = guarded_new((size_t)p->c_size * sizeof(moru_real));
        size_t bytes = kernels->gemm_workspace(&p->g, thread_counts[t]);
        guarded workspace = guarded_workspace(bytes);
        p->g.c = p->c[t].data;
        kernels->gemm(&p->g, workspace.data, thread_counts[t]);
        guarded_free(&workspace);
    }
    for (int t = 1; t < counts; t++)
        ck_assert_msg(!memcmp(p->c[0].data, p->c[t].data, (size_t)p->c_size * sizeof(moru_real)),
                      "%s: %d threads give other bits", text, thread_counts[t]);
    check_values(p, text);
    for (int t = 0; t < counts; t++)
        guarded_free(&p->c[t]);
}

static void check_problem(uint64_t *state, moru_gemm g)
{
    problem p = {.g = g};
    int64_t a_size = g.trans_a ? stored(g.k, g.m, g.lda) : stored(g.m, g.k, g.lda);
    int64_t b_size = g.trans_b ? stored(g.n, g.k, g.ldb) : stored(g.k, g.n, g.ldb);
    if (p.g.stride_a < 0)
        p.g.stride_a = a_size;
    if (p.g.stride_b < 0)
        p.g.stride_b = b_size;
    p.g.stride_c = stored(g.m, g.n, g.ldc);
    int64_t steps = g.batch > 0 ? g.batch - 1 : 0;
    p.a = guarded_random(state, p.g.stride_a * steps + a_size);
    p.b = guarded_random(state, p.g.stride_b * steps + b_size);
    p.bias = guarded_random(state, g.n);
    p.c_size = g.batch > 0 ? p.g.stride_c * g.batch : 0;
    p.g.a = p.a.data;
    p.g.b = p.b.data;
    if (g.bias)
        p.g.bias = p.bias.data;
    const moru_kernels *kernels;
    for (int k = 0; (kernels = moru_kernels_at(k)); k++) {
        char text[160];
        describe(&p.g, kernels->isa, text, sizeof text);
        run(&p, kernels, text);
    }
    guarded_free(&p.a);
    guarded_free(&p.b);
    guarded_free(&p.bias);
}

/* Any pointer says "with bias". */
static const moru_real with_bias;

static moru_gemm shaped(int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b)
{
    return (moru_gemm){.m = m, .n = n, .k = k, .trans_a = trans_a, .trans_b = trans_b, .lda = trans_a ? m : k,
                       .ldb = trans_b ? k : n, .ldc = n, .batch = 1};
}

START_TEST(test_random_shapes)
{
    uint64_t state = 1;
    for (int i = 0; i < 100; i++) {
        moru_gemm g = shaped(random_int(&state, 0, 40), random_int(&state, 0, 90), random_int(&state, 0, 50),
                             i & 1, i & 2);
        if (i % 5 == 0) {
            g.lda += random_int(&state, 0, 5);
            g.ldb += random_int(&state, 0, 5);
            g.ldc += random_int(&state, 0, 5);
        }
        if (g.lda == 0 || g.ldb == 0 || g.ldc == 0)
            g.lda++, g.ldb++, g.ldc++;
        g.bias = i % 3 ? &with_bias : NULL;
        g.activation = i % 4 == 1 ? 1 + MORU_UNARY_relu : i % 4 == 2 ? 1 + MORU_UNARY_tanh : 0;
        /* gaps between rows are not written: only dense results are compared as a whole */
        g.ldc = g.n ? g.n : 1;
        check_problem(&state, g);
    }
}
END_TEST

START_TEST(test_all_small_shapes)
{
    uint64_t state = 2;
    for (int64_t m = 0; m <= 3; m++)
        for (int64_t n = 0; n <= 3; n++)
            for (int64_t k = 0; k <= 3; k++)
                for (int t = 0; t < 8; t++) {
                    moru_gemm g = shaped(m, n, k, t & 1, t & 2);
                    g.bias = t & 4 ? &with_bias : NULL;
                    check_problem(&state, g);
                }
}
END_TEST

START_TEST(test_every_tile)
{
    uint64_t state = 3;
    for (int64_t m = 1; m <= 21; m++)
        for (int64_t n = 4; n <= 140; n += 16) {
            moru_gemm g = shaped(m, n - (m % 3), 5, m & 1, m & 2);
            g.activation = m & 4 ? 1 + MORU_UNARY_relu : 0;
            check_problem(&state, g);
        }
}
END_TEST

START_TEST(test_batches)
{
    uint64_t state = 4;
    for (int i = 0; i < 40; i++) {
        moru_gemm g = shaped(random_int(&state, 0, 20), random_int(&state, 0, 70), random_int(&state, 0, 30), i & 1,
                             i & 2);
        g.batch = random_int(&state, 0, 9);
        g.stride_a = i % 5 == 3 ? 0 : -1;
        g.stride_b = i % 7 == 3 ? 0 : -1;
        if (g.lda == 0 || g.ldb == 0 || g.ldc == 0)
            g.lda++, g.ldb++, g.ldc++;
        g.bias = i % 3 ? &with_bias : NULL;
        g.activation = i % 4 == 1 ? 1 + MORU_UNARY_relu : i % 4 == 2 ? 1 + MORU_UNARY_tanh : 0;
        check_problem(&state, g);
    }
}
END_TEST

START_TEST(test_long_sums)
{
    static const int64_t shapes[][3] = {{3, 5, 1100}, {7, 17, 4100}, {1, 1, 9001}, {9, 32, 20011}, {130, 70, 2500},
                                        {700, 20, 1030}, {150, 90, 4500}, {513, 66, 1030}, {1, 300, 1500}, {300, 1, 5000},
                                        {256, 40, 1100}, {384, 65, 700}, {300, 9, 1500}, {4, 100, 70}, {2, 33, 40},
                                        {90, 30, 1030}, {65, 7, 50}};
    uint64_t state = 5;
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++)
        for (int t = 0; t < 4; t++) {
            moru_gemm g = shaped(shapes[i][0], shapes[i][1], shapes[i][2], t & 1, t & 2);
            g.bias = i & 1 ? &with_bias : NULL;
            g.activation = t == 1 ? 1 + MORU_UNARY_tanh : t == 2 ? 1 + MORU_UNARY_relu : 0;
            check_problem(&state, g);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels_gemm");
    TCase *cases = tcase_create("gemm");
    tcase_set_timeout(cases, 300);
    tcase_add_test(cases, test_random_shapes);
    tcase_add_test(cases, test_all_small_shapes);
    tcase_add_test(cases, test_every_tile);
    tcase_add_test(cases, test_batches);
    tcase_add_test(cases, test_long_sums);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
