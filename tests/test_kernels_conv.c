/* Convolution, both its gradients and its transpose, of every instruction set, against plain loops in double precision. */
#include "tests/kernel_test.h"

static const int thread_counts[] = {1, 2, 3, 8};

typedef struct problem {
    moru_conv2d g;
    guarded x, weight, bias, dy, x_bias;
    int64_t x_size, weight_size, y_size;
    double *y, *dx, *dw;             /* what is right */
    double *y_scale, *dx_scale, *dw_scale; /* sums of absolute values, for the tolerance */
    double most[4];                  /* the largest of each direction's */
} problem;

/* Adds the product x[ix] w[iw] of output iy to all three results. */
static void add_term(problem *p, int64_t ix, int64_t iw, int64_t iy)
{
    double x = (double)((moru_real *)p->x.data)[ix], w = (double)((moru_real *)p->weight.data)[iw];
    double dy = (double)((moru_real *)p->dy.data)[iy];
    p->y[iy] += x * w;
    p->dx[ix] += dy * w;
    p->dw[iw] += dy * x;
    p->y_scale[iy] += fabs(x * w);
    p->dx_scale[ix] += fabs(dy * w);
    p->dw_scale[iw] += fabs(dy * x);
}

/* from, to: images of x and y; kz: the tap between them */
static void add_pixel(problem *p, int64_t from, int64_t to, int64_t kz, int64_t oy, int64_t ox)
{
    const moru_conv2d *g = &p->g;
    int64_t depth = g->c / g->groups, per_group = g->filters / g->groups;
    for (int64_t ky = 0; ky < g->kh; ky++)
        for (int64_t kx = 0; kx < g->kw; kx++) {
            int64_t y = oy * g->sh - g->top + ky * g->dh, x = ox * g->sw - g->left + kx * g->dw;
            if (y < 0 || y >= g->h || x < 0 || x >= g->w)
                continue;
            for (int64_t f = 0; f < g->filters; f++)
                for (int64_t c = 0; c < depth; c++)
                    add_term(p, ((from * g->h + y) * g->w + x) * g->c + f / per_group * depth + c,
                             (((kz * g->kh + ky) * g->kw + kx) * depth + c) * g->filters + f,
                             ((to * g->oh + oy) * g->ow + ox) * g->filters + f);
        }
}

static void add_image(problem *p, int64_t from, int64_t to, int64_t kz)
{
    for (int64_t oy = 0; oy < p->g.oh; oy++)
        for (int64_t ox = 0; ox < p->g.ow; ox++)
            add_pixel(p, from, to, kz, oy, ox);
}

static void add_volume(problem *p, int64_t n)
{
    const moru_conv2d *g = &p->g;
    for (int64_t oz = 0; oz < g->od; oz++)
        for (int64_t kz = 0; kz < g->kd; kz++) {
            int64_t z = oz * g->sd - g->front + kz * g->dd;
            if (z >= 0 && z < g->d)
                add_image(p, n * g->d + z, n * g->od + oz, kz);
        }
}

static double *zeros(int64_t n)
{
    double *p = calloc((size_t)n + 1, sizeof(double));
    ck_assert_ptr_nonnull(p);
    return p;
}

static double largest(const double *p, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = p[i] > most ? p[i] : most;
    return most;
}

static problem problem_new(uint64_t *state, moru_conv2d g)
{
    problem p = {.g = g};
    p.x_size = g.n * g.h * g.w * g.c * (g.volume ? g.d : 1);
    p.weight_size = g.kh * g.kw * (g.c / g.groups) * g.filters * (g.volume ? g.kd : 1);
    p.y_size = g.n * g.oh * g.ow * g.filters * (g.volume ? g.od : 1);
    p.x = guarded_random(state, p.x_size);
    p.weight = guarded_random(state, p.weight_size);
    p.bias = guarded_random(state, g.filters);
    p.dy = guarded_random(state, p.y_size);
    p.x_bias = guarded_random(state, g.c);
    p.y = zeros(p.y_size);
    p.dx = zeros(p.x_size);
    p.dw = zeros(p.weight_size);
    p.y_scale = zeros(p.y_size);
    p.dx_scale = zeros(p.x_size);
    p.dw_scale = zeros(p.weight_size);
    for (int64_t n = 0; n < g.n; n++)
        if (g.volume)
            add_volume(&p, n);
        else
            add_image(&p, n, n, 0);
    p.most[0] = largest(p.y_scale, p.y_size);
    p.most[1] = largest(p.dx_scale, p.x_size);
    p.most[2] = largest(p.dw_scale, p.weight_size);
    p.most[3] = p.most[1];
    return p;
}

static void problem_free(problem *p)
{
    guarded_free(&p->x);
    guarded_free(&p->weight);
    guarded_free(&p->bias);
    guarded_free(&p->dy);
    guarded_free(&p->x_bias);
    double *all[] = {p->y, p->dx, p->dw, p->y_scale, p->dx_scale, p->dw_scale};
    for (int i = 0; i < 6; i++)
        free(all[i]);
}

/* direction 0: y; 1: dx; 2: dw; 3: dx with a bias and an activation */
static guarded run(const problem *p, const moru_kernels *k, int direction, int activation, bool bias, int threads)
{
    const moru_conv2d *g = &p->g;
    int64_t sizes[] = {p->y_size, p->x_size, p->weight_size, p->x_size};
    guarded out = guarded_new((size_t)sizes[direction] * sizeof(moru_real));
    size_t bytes = direction == 0 ? k->conv2d_workspace(g, threads) :
                   direction == 2 ? k->conv2d_grad_weight_workspace(g, threads) :
                   k->conv2d_grad_input_workspace(g, threads);
    guarded workspace = guarded_workspace(bytes);
    if (direction == 0)
        k->conv2d(g, p->x.data, p->weight.data, bias ? p->bias.data : NULL, activation, NULL, out.data,
                  workspace.data, threads);
    else if (direction == 1)
        k->conv2d_grad_input(g, p->dy.data, p->weight.data, out.data, workspace.data, threads);
    else if (direction == 2)
        k->conv2d_grad_weight(g, p->dy.data, p->x.data, out.data, workspace.data, threads);
    else
        k->conv2d_transpose(g, p->dy.data, p->weight.data, bias ? p->x_bias.data : NULL, activation, NULL, out.data,
                            workspace.data, threads);
    guarded_free(&workspace);
    return out;
}

static void check_values(const problem *p, int direction, int activation, bool bias, const moru_real *out,
                         const char *text)
{
    int64_t sizes[] = {p->y_size, p->x_size, p->weight_size, p->x_size};
    const double *wants[] = {p->y, p->dx, p->dw, p->dx}, *want = wants[direction];
    const double *scales[] = {p->y_scale, p->dx_scale, p->dw_scale, p->dx_scale}, *scale = scales[direction];
    bool tail = direction == 0 || direction == 3;
    for (int64_t i = 0; i < sizes[direction]; i++) {
        double v = want[i];
        if (tail && bias)
            v += (double)(direction == 0 ? ((moru_real *)p->bias.data)[i % p->g.filters]
                                         : ((moru_real *)p->x_bias.data)[i % p->g.c]);
        if (tail && activation)
            v = activation == 1 + MORU_UNARY_relu ? (v > 0 ? v : 0) : tanh(v);
        /* a Winograd tile's error is as large as all of the tile asks, also where few taps are inside the image */
        double wide = p->g.method == MORU_CONV_WINOGRAD ? 2 * (scale[i] + p->most[direction]) : scale[i];
        check_close(out[i], v, wide + 1, text, i);
    }
}

static void check_direction(const problem *p, const moru_kernels *k, int direction, int variant)
{
    static const char *const names[] = {"forward", "gradient of the input", "gradient of the weights", "transpose"};
    static const int activations[] = {0, 1 + MORU_UNARY_relu, 1 + MORU_UNARY_tanh};
    const moru_conv2d *g = &p->g;
    int activation = activations[variant % 3];
    bool bias = variant & 1;
    char text[400];
    snprintf(text, sizeof text,
             "%s %s n %d %dx%dx%d kernel %dx%d filters %d out %dx%d strides %d %d dilation %d %d padding %d %d "
             "groups %d method %d activation %d; depth %d to %d, kernel %d stride %d dilation %d padding %d", k->isa, names[direction], (int)g->n, (int)g->h, (int)g->w, (int)g->c,
             (int)g->kh, (int)g->kw, (int)g->filters, (int)g->oh, (int)g->ow, (int)g->sh, (int)g->sw, (int)g->dh, (int)g->dw,
             (int)g->top, (int)g->left, (int)g->groups, g->method, activation, (int)g->d, (int)g->od, (int)g->kd,
             (int)g->sd, (int)g->dd, (int)g->front);
    guarded first = run(p, k, direction, activation, bias, 1);
    check_values(p, direction, activation, bias, first.data, text);
    int64_t sizes[] = {p->y_size, p->x_size, p->weight_size, p->x_size};
    int counts = p->y_size * p->weight_size < 4 * MORU_PARALLEL_MIN ? 2 : 4;
    for (int t = 1; t < counts; t++) {
        guarded other = run(p, k, direction, activation, bias, thread_counts[t]);
        ck_assert_msg(!memcmp(first.data, other.data, (size_t)sizes[direction] * sizeof(moru_real)),
                      "%s: %d threads give other bits", text, thread_counts[t]);
        guarded_free(&other);
    }
    guarded_free(&first);
}

static void check_problem(uint64_t *state, moru_conv2d g, int variant)
{
    problem p = problem_new(state, g);
    const moru_kernels *kernels;
    for (int k = 0; (kernels = moru_kernels_at(k)); k++)
        for (int direction = 0; direction < 4; direction++)
            check_direction(&p, kernels, direction, variant);
    problem_free(&p);
}

/* after: what is padded behind; output sizes follow, and 0 where the kernel doesn't fit */
static moru_conv2d sized(moru_conv2d g, int64_t after_y, int64_t after_x)
{
    int64_t y = g.h + g.top + after_y - (g.kh - 1) * g.dh - 1, x = g.w + g.left + after_x - (g.kw - 1) * g.dw - 1;
    g.oh = y < 0 ? 0 : y / g.sh + 1;
    g.ow = x < 0 ? 0 : x / g.sw + 1;
    return g;
}

static moru_conv2d plain(int64_t n, int64_t size, int64_t c, int64_t kernel, int64_t filters, int64_t stride,
                         int64_t padding)
{
    moru_conv2d g = {.n = n, .h = size, .w = size, .c = c, .kh = kernel, .kw = kernel, .filters = filters, .sh = stride,
                     .sw = stride, .dh = 1, .dw = 1, .top = padding, .left = padding, .groups = 1};
    return sized(g, padding, padding);
}

START_TEST(test_network_shapes)
{
    uint64_t state = 1;
    const moru_conv2d shapes[] = {
        plain(3, 28, 1, 5, 6, 1, 2), plain(3, 14, 6, 5, 16, 1, 0), plain(2, 28, 1, 3, 32, 1, 0),
        plain(2, 13, 32, 3, 64, 1, 0), plain(2, 8, 16, 3, 16, 1, 1), plain(1, 8, 64, 3, 64, 1, 1),
        plain(2, 9, 3, 3, 16, 1, 1), plain(2, 16, 3, 7, 24, 2, 3), plain(2, 8, 16, 1, 32, 1, 0),
        plain(2, 8, 16, 1, 32, 2, 0), plain(2, 14, 32, 4, 16, 2, 1), plain(17, 5, 3, 3, 5, 1, 1),
        plain(40, 12, 4, 3, 8, 1, 1), plain(1, 60, 2, 3, 8, 1, 1), plain(2, 10, 130, 3, 70, 1, 1),
        plain(2, 17, 5, 3, 1, 1, 1), plain(2, 30, 2, 5, 2, 1, 2), plain(2, 16, 3, 3, 3, 1, 0),
        plain(2, 15, 3, 3, 7, 1, 1), plain(2, 32, 9, 2, 4, 1, 1), plain(2, 28, 1, 4, 64, 2, 1),
        plain(3, 30, 9, 5, 20, 2, 3), plain(1, 60, 17, 3, 8, 1, 1), plain(9, 5, 12, 7, 33, 1, 3),
        plain(2, 14, 4, 4, 24, 2, 1), plain(3, 17, 3, 5, 20, 2, 2), plain(2, 20, 1, 3, 16, 1, 0),
        plain(1, 40, 2, 5, 12, 3, 4), plain(2, 19, 1, 2, 13, 4, 0), plain(1, 9, 3, 3, 37, 1, 2),
    };
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++)
        check_problem(&state, shapes[i], i);
}
END_TEST

START_TEST(test_volumes)
{
    uint64_t state = 7;
    for (int i = 0; i < 90; i++) {
        bool strided = i % 2, dilated = i % 3 == 0, wide = i % 5 == 0;
        moru_conv2d g = {
            .n = random_int(&state, 1, 3), .h = random_int(&state, 1, 7), .w = random_int(&state, 1, 7),
            .c = random_int(&state, 1, wide ? 20 : 6), .kh = random_int(&state, 1, 3), .kw = random_int(&state, 1, 3),
            .filters = random_int(&state, 1, wide ? 40 : 9), .sh = strided ? random_int(&state, 1, 3) : 1,
            .sw = strided ? random_int(&state, 1, 3) : 1, .dh = dilated ? random_int(&state, 1, 3) : 1,
            .dw = dilated ? random_int(&state, 1, 3) : 1, .top = random_int(&state, 0, 3),
            .left = random_int(&state, 0, 3), .groups = 1, .volume = true, .d = random_int(&state, 1, 6),
            .kd = random_int(&state, 1, 4), .sd = strided ? random_int(&state, 1, 3) : 1,
            .dd = dilated ? random_int(&state, 1, 3) : 1, .front = random_int(&state, 0, 4),
        };
        if (i % 7 == 0) {
            g.groups = 2;
            g.c = 2 * g.c;
            g.filters = 2 * g.filters;
        }
        int64_t z = g.d + g.front + random_int(&state, 0, 4) - (g.kd - 1) * g.dd - 1;
        g.od = z < 0 ? 0 : z / g.sd + 1;
        check_problem(&state, sized(g, random_int(&state, 0, 3), random_int(&state, 0, 3)), i);
    }
}
END_TEST

START_TEST(test_random_shapes)
{
    uint64_t state = 2;
    for (int i = 0; i < 120; i++) {
        moru_conv2d g = {
            .n = random_int(&state, 1, 4), .h = random_int(&state, 1, 14), .w = random_int(&state, 1, 14),
            .c = random_int(&state, 1, 9), .kh = random_int(&state, 1, 5), .kw = random_int(&state, 1, 5),
            .filters = random_int(&state, 1, 20), .sh = random_int(&state, 1, 3), .sw = random_int(&state, 1, 3),
            .dh = random_int(&state, 1, 3), .dw = random_int(&state, 1, 3), .top = random_int(&state, 0, 5),
            .left = random_int(&state, 0, 5), .groups = 1,
        };
        if (i % 2)
            g.sh = g.sw = 1;
        if (i % 3)
            g.dh = g.dw = 1;
        check_problem(&state, sized(g, random_int(&state, 0, 5), random_int(&state, 0, 5)), i);
    }
}
END_TEST

/* Few channels under many filters */
START_TEST(test_narrow)
{
    uint64_t state = 6;
    for (int i = 0; i < 60; i++) {
        moru_conv2d g = {
            .n = random_int(&state, 1, 3), .h = random_int(&state, 1, 20), .w = random_int(&state, 1, 40),
            .c = random_int(&state, 1, 4), .kh = random_int(&state, 1, 5), .kw = random_int(&state, 1, 5),
            .filters = random_int(&state, 10, 40), .sh = random_int(&state, 1, 4), .sw = random_int(&state, 1, 4),
            .dh = random_int(&state, 1, 3), .dw = random_int(&state, 1, 3), .top = random_int(&state, 0, 6),
            .left = random_int(&state, 0, 6), .groups = 1,
        };
        check_problem(&state, sized(g, random_int(&state, 0, 5), random_int(&state, 0, 5)), i);
    }
}
END_TEST

START_TEST(test_groups)
{
    uint64_t state = 3;
    for (int i = 0; i < 60; i++) {
        int64_t groups = random_int(&state, 2, 5);
        moru_conv2d g = {
            .n = random_int(&state, 1, 3), .h = random_int(&state, 1, 10), .w = random_int(&state, 1, 10),
            .c = groups * random_int(&state, 1, 4), .kh = random_int(&state, 1, 3), .kw = random_int(&state, 1, 3),
            .filters = groups * random_int(&state, 1, 4), .sh = random_int(&state, 1, 2),
            .sw = random_int(&state, 1, 2),
            .dh = random_int(&state, 1, 2), .dw = random_int(&state, 1, 2), .top = random_int(&state, 0, 2),
            .left = random_int(&state, 0, 2), .groups = groups,
        };
        check_problem(&state, sized(g, random_int(&state, 0, 2), random_int(&state, 0, 2)), i);
    }
    for (int64_t stride = 1; stride <= 2; stride++) {
        moru_conv2d g = plain(2, 9, 22, 3, 36, stride, 1);
        g.groups = 2;
        check_problem(&state, g, 1);
    }
}
END_TEST

START_TEST(test_depthwise)
{
    uint64_t state = 4;
    for (int i = 0; i < 60; i++) {
        int64_t c = random_int(&state, 2, 40);
        moru_conv2d g = {
            .n = random_int(&state, 1, 3), .h = random_int(&state, 1, 12), .w = random_int(&state, 1, 12), .c = c,
            .kh = random_int(&state, 1, 4), .kw = random_int(&state, 1, 4), .filters = i % 4 ? c : 2 * c,
            .sh = random_int(&state, 1, 3), .sw = random_int(&state, 1, 3), .dh = random_int(&state, 1, 2),
            .dw = random_int(&state, 1, 2), .top = random_int(&state, 0, 3), .left = random_int(&state, 0, 3),
            .groups = c,
        };
        check_problem(&state, sized(g, random_int(&state, 0, 3), random_int(&state, 0, 3)), i);
    }
}
END_TEST

/* By Winograd wherever it is possible, whatever is faster. */
static void check_winograd(uint64_t *state, moru_conv2d g, int64_t after_y, int64_t after_x, int variant)
{
    g.kh = g.kw = 3;
    g.sh = g.sw = g.dh = g.dw = g.groups = 1;
    g.method = MORU_CONV_WINOGRAD;
    check_problem(state, sized(g, after_y, after_x), variant);
}

START_TEST(test_winograd_maps)
{
    uint64_t state = 6;
    for (int h = 1; h <= 6; h++)
        for (int w = 1; w <= 6; w++)
            for (int pads = 0; pads < 4; pads++) {
                moru_conv2d g = {.n = pads == 3 ? 3 : 1, .h = h, .w = w, .c = 1 + (h + w) % 5,
                                 .filters = 1 + (h * w) % 7, .top = pads % 3, .left = (pads + h) % 3};
                check_winograd(&state, g, (pads + w) % 3, pads % 3, h + w);
            }
}
END_TEST

START_TEST(test_winograd_channels)
{
    uint64_t state = 7;
    static const int channels[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 40, 47, 48, 49, 63, 64, 65,
                                   70, 130};
    int count = (int)(sizeof channels / sizeof *channels);
    for (int i = 0; i < count; i++) {
        moru_conv2d g = {.n = 1 + i % 3, .h = 5 + i % 4, .w = 7 - i % 3, .c = channels[i],
                         .filters = channels[(i * 7 + 3) % count], .top = 1, .left = 1};
        check_winograd(&state, g, 1, 1, i);
    }
}
END_TEST

START_TEST(test_winograd_random)
{
    uint64_t state = 8;
    for (int i = 0; i < 60; i++) {
        moru_conv2d g = {
            .n = random_int(&state, 0, 4), .h = random_int(&state, 1, 24), .w = random_int(&state, 1, 45),
            .c = random_int(&state, 1, 20), .filters = random_int(&state, 1, 20), .top = random_int(&state, 0, 6),
            .left = random_int(&state, 0, 6),
        };
        check_winograd(&state, g, random_int(&state, 0, 6), random_int(&state, 0, 6), i);
    }
    for (int i = 0; i < 2; i++) { /* several blocks, chunks and groups of columns */
        moru_conv2d g = {.n = 20, .h = 13 + i, .w = 9, .c = 20, .filters = 70, .top = i, .left = 1};
        check_winograd(&state, g, i, 0, i);
    }
}
END_TEST

START_TEST(test_nothing)
{
    uint64_t state = 5;
    for (int i = 0; i < 5; i++) {
        moru_conv2d g = plain(2, 6, 3, 3, 4, 1, 1);
        int64_t *const sizes[] = {&g.n, &g.h, &g.w, &g.c, &g.filters};
        *sizes[i] = 0;
        check_problem(&state, sized(g, 1, 1), i);
    }
    check_problem(&state, plain(2, 3, 3, 5, 4, 1, 0), 0); /* a kernel that doesn't fit */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels_conv");
    TCase *cases = tcase_create("conv");
    tcase_set_timeout(cases, 300);
    tcase_add_test(cases, test_network_shapes);
    tcase_add_test(cases, test_volumes);
    tcase_add_test(cases, test_random_shapes);
    tcase_add_test(cases, test_narrow);
    tcase_add_test(cases, test_groups);
    tcase_add_test(cases, test_depthwise);
    tcase_add_test(cases, test_winograd_maps);
    tcase_add_test(cases, test_winograd_channels);
    tcase_add_test(cases, test_winograd_random);
    tcase_add_test(cases, test_nothing);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
