/* Pooling and its gradients, of every instruction set, against plain loops in double precision. */
#include "tests/kernel_test.h"

typedef struct problem {
    moru_pool2d g;
    int64_t x_size, y_size;
    guarded x, dy, ddx, y;                         /* y: of the kernels, for their gradients */
    double *most, *max_dx, *pick, *average, *avg_dx; /* what is right */
} problem;

static double at(const guarded *b, int64_t i)
{
    return (double)((const moru_real *)b->data)[i];
}

static void add_window(problem *p, int64_t n, int64_t oy, int64_t ox, int64_t c)
{
    const moru_pool2d *g = &p->g;
    int64_t out = ((n * g->oh + oy) * g->ow + ox) * g->c + c, winner = -1, count = 0;
    double sum = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t ky = 0; ky < g->kh; ky++)
            for (int64_t kx = 0; kx < g->kw; kx++) {
                int64_t y = oy * g->sh - g->top + ky, x = ox * g->sw - g->left + kx;
                int64_t i = ((n * g->h + y) * g->w + x) * g->c + c;
                if (y < 0 || y >= g->h || x < 0 || x >= g->w)
                    continue;
                if (pass == 0) {
                    count++;
                    sum += at(&p->x, i);
                    if (winner < 0 || at(&p->x, i) > at(&p->x, winner))
                        winner = i;
                } else {
                    p->avg_dx[i] += at(&p->dy, out) / (double)(g->count_padding ? g->kh * g->kw : count);
                }
            }
    p->most[out] = winner < 0 ? -INFINITY : at(&p->x, winner);
    p->pick[out] = winner < 0 ? 0 : at(&p->ddx, winner);
    if (winner >= 0)
        p->max_dx[winner] += at(&p->dy, out);
    p->average[out] = count == 0 ? 0 : sum / (double)(g->count_padding ? g->kh * g->kw : count);
}

static double *zeros(int64_t n)
{
    double *p = calloc((size_t)n + 1, sizeof(double));
    ck_assert_ptr_nonnull(p);
    return p;
}

static problem problem_new(uint64_t *state, moru_pool2d g)
{
    problem p = {.g = g, .x_size = g.n * g.h * g.w * g.c, .y_size = g.n * g.oh * g.ow * g.c};
    p.x = guarded_random(state, p.x_size);
    for (int64_t i = 0; i < p.x_size; i++) /* few values, so that there are ties */
        ((moru_real *)p.x.data)[i] = (moru_real)(random_int(state, -3, 3));
    p.dy = guarded_random(state, p.y_size);
    p.ddx = guarded_random(state, p.x_size);
    p.most = zeros(p.y_size);
    p.pick = zeros(p.y_size);
    p.average = zeros(p.y_size);
    p.max_dx = zeros(p.x_size);
    p.avg_dx = zeros(p.x_size);
    for (int64_t n = 0; n < g.n; n++)
        for (int64_t oy = 0; oy < g.oh; oy++)
            for (int64_t ox = 0; ox < g.ow; ox++)
                for (int64_t c = 0; c < g.c; c++)
                    add_window(&p, n, oy, ox, c);
    return p;
}

static void problem_free(problem *p)
{
    guarded_free(&p->x);
    guarded_free(&p->dy);
    guarded_free(&p->ddx);
    double *all[] = {p->most, p->pick, p->average, p->max_dx, p->avg_dx};
    for (int i = 0; i < 5; i++)
        free(all[i]);
}

enum { MAX, MAX_GRAD, MAX_PICK, AVG, AVG_GRAD, KINDS };

static void run(const problem *p, const moru_kernels *k, int kind, void *out, int threads)
{
    const moru_pool2d *g = &p->g;
    if (kind == MAX)
        k->max_pool2d(g, p->x.data, out, threads);
    else if (kind == MAX_GRAD)
        k->max_pool2d_grad(g, p->dy.data, p->x.data, p->y.data, out, threads);
    else if (kind == MAX_PICK)
        k->max_pool2d_pick(g, p->ddx.data, p->x.data, p->y.data, out, threads);
    else if (kind == AVG)
        k->avg_pool2d(g, p->x.data, out, threads);
    else
        k->avg_pool2d_grad(g, p->dy.data, out, threads);
}

static void check_kind(problem *p, const moru_kernels *k, int kind)
{
    static const char *const names[] = {"maximum", "gradient of the maximum", "pick", "average",
                                        "gradient of the average"};
    const double *const wants[] = {p->most, p->max_dx, p->pick, p->average, p->avg_dx};
    const moru_pool2d *g = &p->g;
    int64_t size = kind == MAX_GRAD || kind == AVG_GRAD ? p->x_size : p->y_size;
    char text[256];
    snprintf(text, sizeof text, "%s %s n %d %dx%dx%d windows %dx%d strides %d %d padding %d %d out %dx%d", k->isa,
             names[kind], (int)g->n, (int)g->h, (int)g->w, (int)g->c, (int)g->kh, (int)g->kw, (int)g->sh, (int)g->sw,
             (int)g->top, (int)g->left, (int)g->oh, (int)g->ow);
    guarded out[3];
    for (int t = 0; t < 3; t++) {
        out[t] = guarded_new((size_t)size * sizeof(moru_real));
        run(p, k, kind, out[t].data, t == 2 ? 8 : t + 1);
        ck_assert_msg(!memcmp(out[0].data, out[t].data, (size_t)size * sizeof(moru_real)), "%s: threads change bits",
                      text);
    }
    for (int64_t i = 0; i < size; i++)
        if (isfinite(wants[kind][i]))
            check_close(at(&out[0], i), wants[kind][i], 4, text, i);
        else
            ck_assert_msg(at(&out[0], i) == wants[kind][i], "%s [%d] should be infinite", text, (int)i);
    for (int t = 1; t < 3; t++)
        guarded_free(&out[t]);
    if (kind == MAX)
        p->y = out[0];
    else
        guarded_free(&out[0]);
}

static void check_problem(uint64_t *state, moru_pool2d g)
{
    problem p = problem_new(state, g);
    const moru_kernels *kernels;
    for (int k = 0; (kernels = moru_kernels_at(k)); k++) {
        for (int kind = 0; kind < KINDS; kind++)
            check_kind(&p, kernels, kind);
        guarded_free(&p.y);
    }
    problem_free(&p);
}

static moru_pool2d plain(int64_t n, int64_t h, int64_t w, int64_t c, int64_t size, int64_t stride)
{
    return (moru_pool2d){.n = n, .h = h, .w = w, .c = c, .kh = size, .kw = size,
                         .oh = h < size ? 0 : (h - size) / stride + 1,
                         .ow = w < size ? 0 : (w - size) / stride + 1, .sh = stride, .sw = stride};
}

START_TEST(test_plain)
{
    uint64_t state = 1;
    const moru_pool2d shapes[] = {
        plain(3, 28, 28, 6, 2, 2), plain(2, 26, 26, 32, 2, 2), plain(2, 11, 11, 64, 2, 2), plain(2, 9, 10, 17, 3, 2),
        plain(2, 9, 11, 5, 3, 3), plain(1, 7, 7, 100, 7, 1), plain(2, 8, 8, 3, 1, 2), plain(0, 4, 4, 4, 2, 2),
        plain(2, 4, 4, 0, 2, 2), plain(2, 2, 2, 3, 3, 1), plain(16, 14, 14, 16, 2, 2), plain(4, 13, 13, 70, 3, 2),
    };
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++)
        check_problem(&state, shapes[i]);
}
END_TEST

START_TEST(test_random)
{
    uint64_t state = 2;
    for (int i = 0; i < 100; i++) {
        moru_pool2d g = {
            .n = random_int(&state, 1, 3), .h = random_int(&state, 1, 12), .w = random_int(&state, 1, 12),
            .c = random_int(&state, 1, 40), .kh = random_int(&state, 1, 4), .kw = random_int(&state, 1, 4),
            .sh = random_int(&state, 1, 4), .sw = random_int(&state, 1, 4), .count_padding = i & 1,
        };
        g.top = random_int(&state, 0, g.kh - 1);
        g.left = random_int(&state, 0, g.kw - 1);
        int64_t y = g.h + g.top + random_int(&state, 0, g.kh - 1) - g.kh;
        int64_t x = g.w + g.left + random_int(&state, 0, g.kw - 1) - g.kw;
        g.oh = y < 0 ? 0 : y / g.sh + 1;
        g.ow = x < 0 ? 0 : x / g.sw + 1;
        check_problem(&state, g);
    }
}
END_TEST

START_TEST(test_not_a_number_wins)
{
    moru_real x[2 * 2 * 2] = {1, 2, 3, 4, 5, 6, 7, 8}, y[2];
    moru_pool2d g = plain(1, 2, 2, 2, 2, 2);
    const moru_kernels *kernels;
    for (int k = 0; (kernels = moru_kernels_at(k)); k++)
        for (int i = 0; i < 4; i++) {
            x[2 * i] = (moru_real)NAN;
            kernels->max_pool2d(&g, x, y, 1);
            ck_assert(isnan(y[0]) && y[1] == 8);
            x[2 * i] = (moru_real)(2 * i + 1);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels_pool");
    TCase *cases = tcase_create("pool");
    tcase_set_timeout(cases, 300);
    tcase_add_test(cases, test_plain);
    tcase_add_test(cases, test_random);
    tcase_add_test(cases, test_not_a_number_wins);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
