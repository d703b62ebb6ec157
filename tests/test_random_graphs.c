/* Random graphs: a program with all passes has to compute what a program for each single value computes without any. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>

#ifndef GRAPHS
#define GRAPHS 500
#endif

enum { BATCH = 3, POOL = 64, VARIABLES = 6, OUTPUTS = 5, LIMIT = 600, STEPS = 2 };

typedef struct world {
    moru_random random;
    moru_graph *graph;
    int64_t batch;                        /* a symbol, or BATCH */
    moru_node *inputs[3], *labels;        /* the last input is labels */
    moru_node *pool[POOL];
    moru_node *variables[VARIABLES];
    moru_node *outputs[OUTPUTS], *updated[VARIABLES], *values[VARIABLES];
    int n_pool, n_updates;
} world;

static int pick(world *w, int n)
{
    return (int)moru_random_below(&w->random, n);
}

/* The shape with BATCH for the symbol; false if other sizes are open, or for more than LIMIT elements. */
static bool real_shape(const world *w, const moru_node *node, moru_shape *shape)
{
    int64_t size;
    *shape = *moru_node_shape(node);
    for (int i = 0; i < shape->rank; i++)
        if (shape->dims[i] == w->batch)
            shape->dims[i] = BATCH;
        else if (shape->dims[i] < 0)
            return false;
    return moru_shape_size(shape, &size) == MORU_OK && size <= LIMIT;
}

static void put(world *w, moru_node *node)
{
    moru_shape shape;
    ck_assert_msg(moru_graph_status(w->graph) == MORU_OK, "%s", moru_graph_error(w->graph));
    if (w->n_pool < POOL && moru_node_dtype(node) == MORU_REAL && real_shape(w, node, &shape) && shape.rank <= 4)
        w->pool[w->n_pool++] = node;
}

static moru_node *any(world *w)
{
    return w->pool[pick(w, w->n_pool)];
}

/* One that broadcasts with a. */
static moru_node *partner(world *w, const moru_node *a)
{
    moru_shape x, y, out;
    real_shape(w, a, &x);
    for (int tries = 0; tries < 20; tries++) {
        moru_node *b = any(w);
        int64_t size;
        real_shape(w, b, &y);
        if (moru_broadcast_shapes(&x, &y, &out) == MORU_OK && moru_shape_size(&out, &size) == MORU_OK && size <= LIMIT)
            return b;
    }
    return moru_scalar(w->graph, 0.5);
}

static moru_node *unary(world *w, moru_node *x)
{
    static moru_node *(*const ops[])(moru_node *) = {
        moru_tanh, moru_sigmoid, moru_relu, moru_neg, moru_abs, moru_sin, moru_softplus, moru_gelu, moru_silu,
        moru_identity, moru_stop_gradient, moru_zeros_like, moru_ones_like, moru_erf, moru_hard_silu, moru_log_sigmoid};
    int k = pick(w, 20);
    if (k < 16)
        return ops[k](x);
    return k == 16 ? moru_mul_scalar(x, 0.7) : k == 17 ? moru_add_scalar(x, -0.3) : k == 18 ? moru_clip(x, -0.5, 0.5)
                                                                            : moru_leaky_relu(x, 0.1);
}

static moru_node *binary(world *w, moru_node *a)
{
    static moru_node *(*const ops[])(moru_node *, moru_node *) = {
        moru_add, moru_add, moru_sub, moru_mul, moru_mul, moru_maximum, moru_minimum, moru_squared_difference};
    moru_node *b = partner(w, a);
    int k = pick(w, 10);
    if (pick(w, 2)) {
        moru_node *swap = a;
        a = b;
        b = swap;
    }
    if (k < 8)
        return moru_tanh(ops[k](a, b));
    return k == 8 ? moru_where(moru_greater(a, moru_scalar(w->graph, 0.1)), a, b) : ops[0](a, b);
}

static moru_node *along_axis(world *w, moru_node *x)
{
    moru_shape shape;
    real_shape(w, x, &shape);
    if (shape.rank == 0)
        return moru_expand_dims(x, 0);
    int axis = pick(w, shape.rank), order[MORU_MAX_RANK];
    int64_t widths[2][MORU_MAX_RANK] = {{0}};
    moru_node *twice[] = {x, moru_tanh(x)};
    switch (pick(w, 15)) {
    case 0: return moru_sum(x, &axis, 1, pick(w, 2));
    case 1: return moru_mean(x, &axis, 1, pick(w, 2));
    case 2: return moru_max(x, &axis, 1, pick(w, 2));
    case 3: return moru_softmax(x, axis);
    case 4: return moru_log_softmax(x, axis);
    case 5: return moru_concat(twice, 2, axis);
    case 6: return moru_stack(twice, 2, axis);
    case 7: return moru_slice(x, axis, 0, -1, 1);
    case 8: return moru_slice(x, axis, -1, MORU_SLICE_END, -1);
    case 9: return moru_expand_dims(x, axis);
    case 10: return moru_flatten_from(x, axis);
    case 11: return shape.dims[axis] == 1 ? moru_squeeze(x, axis) : moru_mean_all(x);
    case 12:
        widths[0][axis] = 1;
        return moru_pad(x, widths[0], widths[1], 0.25);
    case 13:
        for (int i = 0; i < shape.rank; i++)
            order[i] = (i + axis) % shape.rank;
        return moru_transpose(x, order);
    default: return moru_logsumexp(x, &axis, 1, true);
    }
}

static moru_node *linear(world *w, moru_node *x)
{
    moru_shape shape, other;
    real_shape(w, x, &shape);
    if (shape.rank == 0)
        return moru_tanh(x);
    for (int tries = 0; tries < 10; tries++) {
        moru_node *y = any(w);
        bool transpose = pick(w, 2);
        real_shape(w, y, &other);
        if (other.rank == 2 && other.dims[transpose] == shape.dims[shape.rank - 1])
            return moru_matmul_t(x, false, y, transpose);
    }
    return moru_matmul_t(x, false, x, shape.rank > 1);
}

/* matmul, perhaps with what fusion puts behind it */
static moru_node *dense(world *w, moru_node *x)
{
    moru_shape shape;
    real_shape(w, x, &shape);
    if (shape.rank < 1 || shape.rank > 2 || shape.dims[shape.rank - 1] != 4)
        return moru_tanh(x);
    moru_node *y = moru_matmul(x, w->variables[0]);
    if (pick(w, 3))
        y = pick(w, 2) ? moru_add(y, w->variables[1]) : moru_add(w->variables[1], y);
    return pick(w, 3) ? unary(w, y) : y;
}

static moru_node *special(world *w, moru_node *x)
{
    moru_shape shape;
    real_shape(w, x, &shape);
    switch (pick(w, 6)) {
    case 0: return moru_dropout_op(x, 0.4);
    case 1: return shape.rank > 1 ? moru_batch_norm(x, NULL, NULL, -1, 1e-2) : moru_exp(moru_clip(x, -1, 1));
    case 2: return shape.rank == 2 && shape.dims[0] == BATCH && shape.dims[1] == 4
                       ? moru_sparse_cross_entropy(x, w->labels) : moru_mean_all(x);
    case 3: return shape.rank > 0 && shape.dims[0] >= 4 ? moru_gather(x, w->labels, 0) : moru_square(moru_tanh(x));
    case 4: return moru_random_normal_like(x, 0, 0.5);
    default: return moru_one_hot(w->labels, 4);
    }
}

static void differentiate(world *w)
{
    moru_node *xs[3], *grads[3];
    for (int i = 0; i < 3; i++)
        xs[i] = i ? any(w) : w->variables[pick(w, VARIABLES)];
    moru_node *loss = moru_mean_all(moru_tanh(any(w)));
    ck_assert_msg(moru_gradients(loss, xs, 3, grads) == MORU_OK, "%s", moru_last_error());
    for (int i = 0; i < 3; i++)
        put(w, moru_tanh(grads[i]));
}

static void grow(world *w)
{
    for (int i = 0; i < 40 && w->n_pool < POOL; i++) {
        moru_node *x = any(w);
        switch (pick(w, 8)) {
        case 0: case 1: put(w, unary(w, x)); break;
        case 2: case 3: put(w, binary(w, x)); break;
        case 4: put(w, along_axis(w, x)); break;
        case 5: put(w, moru_mul_scalar(linear(w, x), 0.5)); break;
        case 6: put(w, dense(w, x)); break;
        default: put(w, special(w, x));
        }
        if (i == 20 || i == 30)
            differentiate(w);
    }
}

/* A new value for a variable: from its old one, from another variable, or anything of its size. */
static moru_node *new_value(world *w, moru_node *variable)
{
    moru_shape want, have;
    real_shape(w, variable, &want);
    int64_t size, found;
    moru_shape_size(&want, &size);
    for (int tries = 0; tries < 60; tries++) {
        moru_node *x = any(w);
        real_shape(w, x, &have);
        moru_shape_size(&have, &found);
        if (moru_shape_equal(&want, &have))
            return pick(w, 3) ? x : moru_sub(variable, moru_mul_scalar(x, 0.1));
        if (found == size)
            return moru_reshape_like(x, variable);
    }
    return moru_tanh(moru_add_scalar(variable, 0.1));
}

static void choose_results(world *w)
{
    for (int i = 0; i < OUTPUTS; i++)
        w->outputs[i] = i == 4 ? w->outputs[pick(w, 4)] : any(w);
    for (int i = 0; i < VARIABLES; i++) {
        moru_node *v = w->variables[i];
        if (pick(w, 4) == 0)
            continue;
        if (i + 1 < VARIABLES && i >= 3 && pick(w, 2)) { /* 3, 4 and 5 are alike: a parameter and its slots */
            moru_node *g = moru_tanh(new_value(w, v)), *lr = moru_scalar(w->graph, 0.1);
            moru_node *next = moru_sgd_step(v, pick(w, 2) ? g : v, w->variables[i + 1], lr, 0.9, pick(w, 2), 0);
            for (int k = 0; k < 2; k++) {
                w->updated[w->n_updates] = w->variables[i + k];
                w->values[w->n_updates++] = moru_node_output(next, k);
            }
            i++;
            continue;
        }
        w->updated[w->n_updates] = v;
        w->values[w->n_updates++] = new_value(w, v);
    }
    ck_assert_msg(moru_graph_status(w->graph) == MORU_OK, "%s", moru_graph_error(w->graph));
}

static world build(uint64_t seed)
{
    world w = {.random = {seed, 3, 0}, .graph = moru_graph_new()};
    moru_graph *g = w.graph;
    ck_assert_ptr_nonnull(g);
    w.batch = pick(&w, 2) ? moru_symbol(g, "batch") : BATCH;
    w.inputs[0] = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(w.batch, 4));
    w.inputs[1] = moru_placeholder(g, "column", MORU_REAL, MORU_SHAPE(w.batch, 1));
    w.inputs[2] = w.labels = moru_placeholder(g, "labels", MORU_INT32, MORU_SHAPE(w.batch));
    const moru_shape shapes[VARIABLES] = {MORU_SHAPE(4, 4), MORU_SHAPE(4), MORU_SCALAR_SHAPE,
                                          MORU_SHAPE(BATCH, 4), MORU_SHAPE(BATCH, 4), MORU_SHAPE(BATCH, 4)};
    for (int i = 0; i < VARIABLES; i++)
        put(&w, w.variables[i] = moru_variable(g, "v", shapes[i]));
    put(&w, w.inputs[0]);
    put(&w, w.inputs[1]);
    put(&w, moru_scalar(g, 0.3));
    put(&w, moru_constant(g, MORU_REAL, MORU_SHAPE(4), (const moru_real[]){1, -1, 0, 0.5f}));
    grow(&w);
    choose_results(&w);
    return w;
}

/* What a run leaves behind: outputs, then variables. */
typedef struct results {
    moru_real numbers[OUTPUTS + VARIABLES][LIMIT];
    int64_t sizes[OUTPUTS + VARIABLES];
} results;

static void reset_variables(const world *w)
{
    moru_random r = {7, 7, 0};
    for (int i = 0; i < VARIABLES; i++) {
        moru_tensor *t = moru_node_tensor(w->variables[i]);
        for (int64_t k = 0; k < moru_tensor_size(t); k++)
            ((moru_real *)moru_tensor_data(t))[k] = (moru_real)(0.5 * moru_random_normal(&r));
    }
}

static void keep(results *r, int at, const moru_tensor *t)
{
    r->sizes[at] = moru_tensor_size(t);
    ck_assert_int_le(r->sizes[at], LIMIT);
    memcpy(r->numbers[at], moru_tensor_const_data(t), (size_t)r->sizes[at] * sizeof(moru_real));
}

/* Inputs that aren't aligned to more than their element. */
static moru_program *compile(const world *w, moru_program_options o)
{
    static moru_real buffer[1 + BATCH * 5];
    static const int32_t labels[1 + BATCH] = {0, 2, 0, 3};
    const moru_shape shapes[] = {MORU_SHAPE(BATCH, 4), MORU_SHAPE(BATCH, 1), MORU_SHAPE(BATCH)};
    moru_program *p;
    o.inputs = w->inputs;
    o.input_shapes = shapes;
    o.n_inputs = 3;
    o.seed = 42;
    for (int i = 0; i <= BATCH * 5; i++)
        buffer[i] = (moru_real)sin(i);
    ck_assert_msg(moru_program_new(&p, &o) == MORU_OK, "%s", moru_last_error());
    moru_program_bind(p, 0, buffer + 1);
    moru_program_bind(p, 1, buffer + 1 + BATCH * 4);
    moru_program_bind(p, 2, labels + 1);
    return p;
}

static void run(moru_program *p, uint64_t step)
{
    moru_program_set_step(p, step);
    ck_assert_msg(moru_program_run(p) == MORU_OK, "%s", moru_last_error());
}

/* Each value by a program of its own; the new values are set when all are known. */
static void run_singly(const world *w, results *r)
{
    static moru_real fresh[VARIABLES][LIMIT];
    reset_variables(w);
    for (uint64_t step = 0; step < STEPS; step++) {
        for (int i = 0; i < OUTPUTS + w->n_updates; i++) {
            moru_node *value = i < OUTPUTS ? w->outputs[i] : w->values[i - OUTPUTS];
            moru_program *p = compile(w, (moru_program_options){.outputs = &value, .n_outputs = 1, .threads = 1,
                                                               .without = ~0u});
            run(p, step);
            const moru_tensor *t = moru_program_output(p, 0);
            if (i < OUTPUTS)
                keep(r, i, t);
            else
                memcpy(fresh[i - OUTPUTS], moru_tensor_const_data(t), (size_t)moru_tensor_size(t) * sizeof(moru_real));
            moru_program_free(p);
        }
        for (int i = 0; i < w->n_updates; i++) {
            moru_tensor *t = moru_node_tensor(w->updated[i]);
            memcpy(moru_tensor_data(t), fresh[i], (size_t)moru_tensor_size(t) * sizeof(moru_real));
        }
    }
    for (int i = 0; i < VARIABLES; i++)
        keep(r, OUTPUTS + i, moru_node_tensor(w->variables[i]));
}

static void run_together(const world *w, results *r, uint32_t without, int threads)
{
    moru_program *p = compile(w, (moru_program_options){
        .outputs = w->outputs, .n_outputs = OUTPUTS, .update_variables = w->updated, .update_values = w->values,
        .n_updates = w->n_updates, .threads = threads, .without = without});
    reset_variables(w);
    for (uint64_t step = 0; step < STEPS; step++)
        run(p, step);
    for (int i = 0; i < OUTPUTS; i++)
        keep(r, i, moru_program_output(p, i));
    for (int i = 0; i < VARIABLES; i++)
        keep(r, OUTPUTS + i, moru_node_tensor(w->variables[i]));
    moru_program_free(p);
}

static void compare(uint64_t seed, const char *what, const results *want, const results *got)
{
    for (int i = 0; i < OUTPUTS + VARIABLES; i++) {
        ck_assert_int_eq(want->sizes[i], got->sizes[i]);
        for (int64_t k = 0; k < want->sizes[i]; k++) {
            double a = want->numbers[i][k], b = got->numbers[i][k];
            bool same = a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-4 * (1 + fabs(a));
            if (!same)
                ck_abort_msg("seed %d, %s: %s %d, element %d: %g instead of %g", (int)seed, what,
                             i < OUTPUTS ? "output" : "variable", i < OUTPUTS ? i : i - OUTPUTS, (int)k, b, a);
        }
    }
}

START_TEST(test_passes)
{
    static results want, got, alone;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        world w = build(seed);
        run_singly(&w, &want);
        run_together(&w, &got, ~0u, 1);
        compare(seed, "without passes", &want, &got);
        run_together(&w, &got, 0, 2);
        compare(seed, "all passes", &want, &got);
        run_together(&w, &alone, 0, 1);
        for (int i = 0; i < OUTPUTS + VARIABLES; i++)
            ck_assert_msg(memcmp(alone.numbers[i], got.numbers[i], (size_t)got.sizes[i] * sizeof(moru_real)) == 0,
                          "seed %d: other bits by two threads than by one", (int)seed);
        uint32_t some = (uint32_t)pick(&w, 32);
        run_together(&w, &got, some, 1);
        compare(seed, "some passes", &want, &got);
        moru_graph_free(w.graph);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("random graphs");
    TCase *tcase = tcase_create("passes");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, test_passes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
