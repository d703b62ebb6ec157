/* Programs: what passes and plans must not change, updates, the number of threads, memory, several graphs at once. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>
#include "core/program.h"
#include "kernels/kernels.h"
#include "tests/count_allocations.h"

/* A small convolutional network's training step, with everything passes work on: aliases, epilogues, chains, batch
 * statistics, dropout, several updates of one call. */
typedef struct network {
    moru_graph *graph;
    moru_node *inputs[2], *loss, *params[6], *updated[19], *values[19];
    int n_updates;
} network;

enum { BATCH = 8, CLASSES = 5 };

static moru_node *filled(moru_graph *g, const char *name, moru_shape shape, double scale)
{
    moru_node *v = moru_variable(g, name, shape);
    moru_tensor *t = moru_node_tensor(v);
    moru_random r = {11, moru_random_stream(name), 0};
    for (int64_t i = 0; i < moru_tensor_size(t); i++)
        ((moru_real *)moru_tensor_data(t))[i] = (moru_real)(scale * moru_random_normal(&r));
    return v;
}

static network build(void)
{
    network n = {.graph = moru_graph_new()};
    moru_graph *g = n.graph;
    int64_t batch = moru_symbol(g, "batch");
    moru_node *x = n.inputs[0] = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(batch, 12, 12, 3));
    moru_node *labels = n.inputs[1] = moru_placeholder(g, "labels", MORU_INT32, MORU_SHAPE(batch));
    moru_node **p = n.params;
    p[0] = filled(g, "conv/kernel", MORU_SHAPE(3, 3, 3, 16), 0.2);
    p[1] = filled(g, "conv/bias", MORU_SHAPE(16), 0.1);
    p[2] = filled(g, "bn/gamma", MORU_SHAPE(16), 1);
    p[3] = filled(g, "bn/beta", MORU_SHAPE(16), 0.1);
    p[4] = filled(g, "dense/kernel", MORU_SHAPE(6 * 6 * 16, CLASSES), 0.05);
    p[5] = filled(g, "dense/bias", MORU_SHAPE(CLASSES), 0.1);
    moru_node *mean = filled(g, "bn/moving_mean", MORU_SHAPE(16), 0.1);
    moru_node *h = moru_conv2d_op(x, p[0], &(moru_conv2d_attrs){.padding = MORU_SAME});
    h = moru_relu(moru_add(h, p[1]));
    h = moru_batch_norm(h, p[2], p[3], -1, 1e-3);
    n.updated[n.n_updates] = mean;
    n.values[n.n_updates++] = moru_add(moru_mul_scalar(mean, 0.9), moru_mul_scalar(moru_node_output(h, 1), 0.1));
    h = moru_max_pool2d(h, &(moru_pool2d_attrs){.size = {2, 2}});
    h = moru_dropout_op(moru_flatten_from(h, 1), 0.25);
    moru_node *logits = moru_add(moru_matmul(h, p[4]), p[5]);
    n.loss = moru_mean_all(moru_sparse_cross_entropy(logits, labels));
    moru_node *grads[6], *lr = moru_scalar(g, 0.01), *step = moru_scalar(g, 1);
    ck_assert_msg(moru_gradients(n.loss, p, 6, grads) == MORU_OK, "%s", moru_last_error());
    for (int i = 0; i < 6; i++) {
        moru_node *m = moru_variable(g, "m", *moru_node_shape(p[i])), *v = moru_variable(g, "v", *moru_node_shape(p[i]));
        moru_node *next = moru_adam_step(p[i], grads[i], m, v, lr, step, 0.9, 0.999, 1e-7, 0);
        moru_node *old[3] = {p[i], m, v};
        for (int k = 0; k < 3; k++) {
            n.updated[n.n_updates] = old[k];
            n.values[n.n_updates++] = moru_node_output(next, k);
        }
    }
    ck_assert_msg(moru_graph_status(g) == MORU_OK, "%s", moru_graph_error(g));
    return n;
}

typedef struct data { moru_real x[BATCH * 12 * 12 * 3]; int32_t labels[BATCH]; } data;

static void fill(data *d)
{
    moru_random r = {5, 5, 0};
    for (size_t i = 0; i < sizeof d->x / sizeof *d->x; i++)
        d->x[i] = (moru_real)moru_random_normal(&r);
    for (int i = 0; i < BATCH; i++)
        d->labels[i] = (int32_t)moru_random_below(&r, CLASSES);
}

static moru_program *compile(const network *n, int threads, uint32_t without, bool check)
{
    static const moru_shape shapes[2] = {{4, {BATCH, 12, 12, 3}}, {1, {BATCH}}};
    moru_program *p = NULL;
    moru_program_options o = {.inputs = n->inputs, .input_shapes = shapes, .n_inputs = 2, .outputs = &n->loss, .n_outputs = 1,
                              .update_variables = n->updated, .update_values = n->values, .n_updates = n->n_updates,
                              .threads = threads, .seed = 99, .without = without, .check_finite = check};
    ck_assert_msg(moru_program_new(&p, &o) == MORU_OK, "%s", moru_last_error());
    return p;
}

enum { STATE = 3 * 3 * 3 * 16 + 16 * 3 + 6 * 6 * 16 * CLASSES + CLASSES + 16 + 1 };

/* Loss of the last of some steps, then all parameters and the moving mean. */
static void train(const network *n, int threads, uint32_t without, int steps, moru_real state[STATE])
{
    data d;
    fill(&d);
    moru_program *p = compile(n, threads, without, false);
    moru_program_bind(p, 0, d.x);
    moru_program_bind(p, 1, d.labels);
    for (int i = 0; i < steps; i++)
        ck_assert_msg(moru_program_run(p) == MORU_OK, "%s", moru_last_error());
    int at = 0;
    state[at++] = *(const moru_real *)moru_tensor_const_data(moru_program_output(p, 0));
    moru_program_free(p);
    for (int i = 0; i < 7; i++) {
        moru_tensor *t = moru_node_tensor(i < 6 ? n->params[i] : n->updated[0]);
        memcpy(state + at, moru_tensor_data(t), (size_t)moru_tensor_size(t) * sizeof(moru_real));
        at += (int)moru_tensor_size(t);
    }
    ck_assert_int_eq(at, STATE);
}

START_TEST(test_same_bits_for_any_number_of_threads)
{
    static const int threads[4] = {1, 2, 3, 8};
    static moru_real first[STATE], state[STATE];
    for (int i = 0; i < 4; i++) {
        network n = build();
        train(&n, threads[i], 0, 5, state);
        moru_graph_free(n.graph);
        if (i == 0)
            memcpy(first, state, sizeof first);
        ck_assert_msg(memcmp(first, state, sizeof first) == 0, "%d threads give other bits than 1", threads[i]);
    }
    ck_assert(isfinite((double)first[0]));
}
END_TEST

START_TEST(test_passes_change_no_result)
{
    static moru_real plain[STATE], state[STATE];
    static const uint32_t without[] = {0, MORU_PASS_FOLD, MORU_PASS_SHARE, MORU_PASS_FUSE, MORU_PASS_ORDER,
                                       MORU_PASS_IN_PLACE, MORU_PASS_WINOGRAD};
    network n = build();
    train(&n, 2, MORU_PASS_FOLD | MORU_PASS_SHARE | MORU_PASS_FUSE | MORU_PASS_ORDER | MORU_PASS_IN_PLACE, 3, plain);
    moru_graph_free(n.graph);
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        n = build();
        train(&n, 2, without[i], 3, state);
        moru_graph_free(n.graph);
        for (int k = 0; k < STATE; k++)
            ck_assert_msg(fabs((double)(state[k] - plain[k])) < 2e-4, "without %u: element %d is %g, not %g",
                          (unsigned)without[i], k, (double)state[k], (double)plain[k]);
    }
}
END_TEST

START_TEST(test_a_step_allocates_nothing)
{
    data d;
    fill(&d);
    network n = build();
    moru_program *p = compile(&n, 2, 0, false);
    moru_program_bind(p, 0, d.x);
    moru_program_bind(p, 1, d.labels);
    ck_assert_int_eq(moru_program_run(p), MORU_OK); /* OpenMP makes its threads */
    moru_status status = MORU_OK;
    long before = count_allocations(); /* Check allocates, too: no assertion until the last count */
    for (int i = 0; i < 3 && status == MORU_OK; i++) {
        moru_program_bind(p, 0, d.x);
        status = moru_program_run(p);
    }
    long after = count_allocations();
    void *volatile one = malloc(1);
    long last = count_allocations();
    free(one);
    ck_assert_int_eq(status, MORU_OK);
    ck_assert_int_eq(after, before);
    ck_assert_int_eq(last, after + 1); /* the counter counts */
    moru_program_free(p);
    moru_graph_free(n.graph);
}
END_TEST

/* Two buffers alive at the same time never overlap, and the arena isn't much larger than what is alive at once. */
START_TEST(test_plan)
{
    network n = build();
    moru_program *p = compile(&n, 2, 0, false);
    const moru_compilation *c = &p->c;
    for (int i = 0; i < c->n_buffers; i++)
        for (int j = 0; j < i; j++) {
            const moru_buffer *a = &c->buffers[i], *b = &c->buffers[j];
            if (a->fixed || b->fixed || a->input || b->input || !a->bytes || !b->bytes)
                continue;
            bool apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            bool meet = a->first <= b->last && b->first <= a->last;
            ck_assert_msg(apart || !meet, "buffers %d and %d overlap", i, j);
        }
    moru_program_info info;
    moru_program_describe(p, &info);
    ck_assert_int_ge(info.arena_bytes, info.lower_bound);
    ck_assert_double_le((double)info.arena_bytes, 1.25 * (double)info.lower_bound);
    ck_assert_int_gt(info.calls, 10);
    ck_assert_double_gt(info.flops, 1e6);
    int rows = 0;
    for (moru_program_call row; moru_program_call_at(p, rows, &row); rows++)
        ck_assert_ptr_nonnull(row.op);
    ck_assert_int_eq(rows, info.calls);
    moru_program_free(p);
    moru_graph_free(n.graph);
}
END_TEST

START_TEST(test_optimizer_writes_in_place)
{
    network n = build();
    moru_program *p = compile(&n, 2, 0, false);
    ck_assert_int_eq(p->n_copies, 0); /* all parameters, slots and moving statistics */
    moru_program_free(p);
    moru_graph_free(n.graph);
}
END_TEST

START_TEST(test_dropout_changes_by_step_and_repeats)
{
    moru_graph *g = moru_graph_new();
    moru_real ones[64];
    for (int i = 0; i < 64; i++)
        ones[i] = 1;
    moru_node *x = moru_constant(g, MORU_REAL, MORU_SHAPE(64), ones), *y = moru_dropout_op(x, 0.5);
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = &y, .n_outputs = 1, .seed = 3}), MORU_OK);
    moru_real first[64], second[64];
    const void *out = moru_tensor_const_data(moru_program_output(p, 0));
    ck_assert_uint_eq(moru_program_step(p), 0);
    moru_program_run(p);
    memcpy(first, out, sizeof first);
    moru_program_run(p);
    memcpy(second, out, sizeof second);
    ck_assert(memcmp(first, second, sizeof first) != 0);
    moru_program_set_step(p, 0);
    moru_program_run(p);
    ck_assert_mem_eq(first, out, sizeof first);
    ck_assert_uint_eq(moru_program_step(p), 1);
    moru_program_free(p);
    moru_graph_free(g);
}
END_TEST

static moru_real *value_of(moru_node *variable)
{
    return moru_tensor_data(moru_node_tensor(variable));
}

START_TEST(test_updates_see_old_values)
{
    moru_graph *g = moru_graph_new();
    moru_node *a = moru_variable(g, "a", MORU_SHAPE(3)), *b = moru_variable(g, "b", MORU_SHAPE(3));
    moru_node *c = moru_variable(g, "c", MORU_SHAPE(3));
    for (int i = 0; i < 3; i++) {
        value_of(a)[i] = (moru_real)(i + 1);
        value_of(b)[i] = (moru_real)(10 * i);
    }
    moru_node *sum = moru_add(a, b), *read = moru_mul_scalar(a, 2);
    moru_node *variables[3] = {a, b, c}, *values[3] = {b, a, sum}, *outputs[3] = {read, a, moru_reshape(b, (int64_t[]){3, 1}, 2)};
    moru_program *p; /* a and b change places */
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = outputs, .n_outputs = 3, .update_variables = variables,
                                                                  .update_values = values, .n_updates = 3}), MORU_OK);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(moru_program_run(p), MORU_OK);
        for (int i = 0; i < 3; i++) {
            moru_real one = (moru_real)(i + 1), two = (moru_real)(10 * i), old_a = round ? two : one, old_b = round ? one : two;
            ck_assert(value_of(a)[i] == old_b && value_of(b)[i] == old_a && value_of(c)[i] == one + two);
            ck_assert(((const moru_real *)moru_tensor_const_data(moru_program_output(p, 0)))[i] == 2 * old_a);
            ck_assert(((const moru_real *)moru_tensor_const_data(moru_program_output(p, 1)))[i] == old_a);
            ck_assert(((const moru_real *)moru_tensor_const_data(moru_program_output(p, 2)))[i] == old_b);
        }
    }
    moru_program_free(p);
    moru_graph_free(g);
}
END_TEST

/* The old value is still read after its new one was made: it must not be written over. */
START_TEST(test_update_read_later)
{
    moru_graph *g = moru_graph_new();
    moru_node *w = moru_variable(g, "w", MORU_SHAPE(2));
    value_of(w)[0] = 1;
    value_of(w)[1] = 2;
    moru_node *next = moru_add_scalar(w, 1), *late = moru_mul(next, w);
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = &late, .n_outputs = 1, .update_variables = &w,
                                                                  .update_values = &next, .n_updates = 1}), MORU_OK);
    moru_program_run(p);
    const moru_real *out = moru_tensor_const_data(moru_program_output(p, 0));
    ck_assert(out[0] == 2 && out[1] == 6 && value_of(w)[0] == 2 && value_of(w)[1] == 3);
    moru_program_free(p);
    moru_graph_free(g);
}
END_TEST

START_TEST(test_check_finite_names_the_node)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(2));
    moru_graph_push_name(g, "culprit");
    moru_node *y = moru_log(x);
    moru_graph_pop_name(g);
    y = moru_exp(y);
    moru_program *p;
    moru_program_options o = {.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1, .check_finite = true,
                              .without = MORU_PASS_FUSE};
    ck_assert_int_eq(moru_program_new(&p, &o), MORU_OK);
    ck_assert_int_eq(moru_program_run(p), MORU_ERR_STATE); /* nothing bound */
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "\"x\""));
    moru_real good[2] = {1, 2}, bad[2] = {1, -1};
    ck_assert_int_eq(moru_program_bind(p, 1, good), MORU_ERR_ARGUMENT);
    moru_program_bind(p, 0, good);
    ck_assert_int_eq(moru_program_run(p), MORU_OK);
    moru_program_bind(p, 0, bad);
    ck_assert_int_eq(moru_program_run(p), MORU_ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "log \"culprit\""));
    moru_program_free(p);
    moru_graph_free(g);
}
END_TEST

/* Leaving Winograd out reaches the convolution and both its gradients: each result is the direct kernel's, bit by bit,
 * and with Winograd another one, close by. */
START_TEST(test_winograd_is_left_out)
{
    enum { N = 4, SIZE = 8, C = 32, PIXELS = N * SIZE * SIZE * C, WEIGHTS = 9 * C * C };
    moru_graph *graph = moru_graph_new();
    moru_node *x = moru_placeholder(graph, "x", MORU_REAL, MORU_SHAPE(N, SIZE, SIZE, C));
    moru_node *w = moru_placeholder(graph, "w", MORU_REAL, MORU_SHAPE(3, 3, C, C));
    moru_node *y = moru_conv2d_op(x, w, &(moru_conv2d_attrs){.padding = MORU_SAME}), *wanted[] = {x, w}, *out[3] = {y};
    ck_assert_int_eq(moru_gradients(moru_sum(moru_square(y), NULL, 0, false), wanted, 2, out + 1), MORU_OK);
    moru_real *data = malloc((PIXELS + WEIGHTS) * sizeof *data);
    for (int i = 0; i < PIXELS + WEIGHTS; i++)
        data[i] = (moru_real)((i * 7919 % 1009) / 504.5 - 1);
    moru_program *programs[3];
    for (int k = 0; k < 3; k++) { /* with; without; without and on another number of threads */
        ck_assert_int_eq(moru_program_new(&programs[k], &(moru_program_options){
            .inputs = wanted, .n_inputs = 2, .outputs = out, .n_outputs = 3, .threads = k,
            .without = k ? MORU_PASS_WINOGRAD : 0}), MORU_OK);
        ck_assert_int_eq(moru_program_bind(programs[k], 0, data), MORU_OK);
        ck_assert_int_eq(moru_program_bind(programs[k], 1, data + PIXELS), MORU_OK);
        ck_assert_int_eq(moru_program_run(programs[k]), MORU_OK);
    }
    for (int i = 0; i < 3; i++) {
        const moru_tensor *with = moru_program_output(programs[0], i), *direct = moru_program_output(programs[1], i);
        const moru_real *a = moru_tensor_const_data(with), *b = moru_tensor_const_data(direct);
        size_t bytes = (size_t)moru_tensor_size(with) * sizeof(moru_real);
        ck_assert(memcmp(b, moru_tensor_const_data(moru_program_output(programs[2], i)), bytes) == 0);
        ck_assert_msg(memcmp(a, b, bytes) != 0, "output %d is the same bits with Winograd", i);
        double most = 0, apart = 0;
        for (int64_t k = 0; k < moru_tensor_size(with); k++) {
            most = fmax(most, fabs((double)b[k]));
            apart = fmax(apart, fabs((double)(a[k] - b[k])));
        }
        ck_assert_msg(apart < 1e-5 * most, "output %d is %g of the largest apart", i, apart / most);
    }
    moru_conv2d g = {.n = N, .h = SIZE, .w = SIZE, .c = C, .kh = 3, .kw = 3, .filters = C, .oh = SIZE, .ow = SIZE, .sh = 1,
                     .sw = 1, .dh = 1, .dw = 1, .top = 1, .left = 1, .groups = 1, .method = MORU_CONV_DIRECT};
    const moru_kernels *kernels = moru_kernels_select();
    void *workspace = aligned_alloc(64, (kernels->conv2d_workspace(&g, 1) + 127) / 64 * 64);
    moru_real *plain = malloc(PIXELS * sizeof *plain);
    kernels->conv2d(&g, data, data + PIXELS, NULL, 0, NULL, plain, workspace, 1);
    ck_assert(memcmp(plain, moru_tensor_const_data(moru_program_output(programs[1], 0)), PIXELS * sizeof *plain) == 0);
    free(workspace);
    free(plain);
    free(data);
    for (int k = 0; k < 3; k++)
        moru_program_free(programs[k]);
    moru_graph_free(graph);
}
END_TEST

START_TEST(test_bad_options)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(2)), *w = moru_variable(g, "w", MORU_SHAPE(2));
    moru_node *y = moru_add(x, w), *three = moru_sum_all(y), *none = NULL;
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){0}), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = &none, .n_outputs = 1}), MORU_ERR_ARGUMENT);
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = &y, .n_outputs = 1}), MORU_ERR_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "\"x\"")); /* needed, not an input */
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.inputs = &w, .n_inputs = 1, .outputs = &w, .n_outputs = 1}),
                     MORU_ERR_ARGUMENT);
    moru_program_options o = {.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1, .update_variables = &w,
                              .update_values = &three, .n_updates = 1};
    ck_assert_int_eq(moru_program_new(&p, &o), MORU_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "\"w\""));
    o.update_variables = &x;
    ck_assert_int_eq(moru_program_new(&p, &o), MORU_ERR_ARGUMENT);
    moru_program_free(NULL);
    moru_graph_free(g);
}
END_TEST

START_TEST(test_zero_sized_batch)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(moru_symbol(g, "batch"), 3));
    moru_node *w = moru_variable(g, "w", MORU_SHAPE(3, 2)), *y = moru_relu(moru_matmul(x, w)), *grad;
    ck_assert_int_eq(moru_gradients(moru_sum_all(y), &w, 1, &grad), MORU_OK);
    moru_node *outputs[2] = {y, grad};
    moru_program *p;
    ck_assert_msg(moru_program_new(&p, &(moru_program_options){.inputs = &x, .input_shapes = &MORU_SHAPE(0, 3), .n_inputs = 1,
                                                               .outputs = outputs, .n_outputs = 2}) == MORU_OK, "%s", moru_last_error());
    ck_assert_int_eq(moru_program_run(p), MORU_OK);
    ck_assert_int_eq(moru_tensor_size(moru_program_output(p, 0)), 0);
    for (int i = 0; i < 6; i++)
        ck_assert(((const moru_real *)moru_tensor_const_data(moru_program_output(p, 1)))[i] == 0);
    moru_program_free(p);
    moru_graph_free(g);
}
END_TEST

static void *train_alone(void *state)
{
    network n = build();
    train(&n, 1, 0, 3, state);
    moru_graph_free(n.graph);
    return NULL;
}

START_TEST(test_graphs_in_several_threads)
{
    static moru_real states[4][STATE], alone[STATE];
    pthread_t threads[4];
    train_alone(alone);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, train_alone, states[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++)
        ck_assert(memcmp(states[i], alone, sizeof alone) == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("program");
    TCase *tcase = tcase_create("program");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, test_same_bits_for_any_number_of_threads);
    tcase_add_test(tcase, test_passes_change_no_result);
    tcase_add_test(tcase, test_a_step_allocates_nothing);
    tcase_add_test(tcase, test_plan);
    tcase_add_test(tcase, test_optimizer_writes_in_place);
    tcase_add_test(tcase, test_dropout_changes_by_step_and_repeats);
    tcase_add_test(tcase, test_updates_see_old_values);
    tcase_add_test(tcase, test_update_read_later);
    tcase_add_test(tcase, test_check_finite_names_the_node);
    tcase_add_test(tcase, test_winograd_is_left_out);
    tcase_add_test(tcase, test_bad_options);
    tcase_add_test(tcase, test_zero_sized_batch);
    tcase_add_test(tcase, test_graphs_in_several_threads);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
