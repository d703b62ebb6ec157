/* Rewritings of graphs that compiling does: they happen, and change no result. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>

enum { BATCH = 3, SIDE = 6, CHANNELS = 5, MOST = 8192, VALUES = 16 };

/* A graph from an image to some values */
typedef struct net {
    moru_graph *graph;
    moru_node *x, *values[VALUES];
    int n;
} net;

static moru_node *variable(moru_graph *g, const char *name, moru_shape shape, double low, double high)
{
    moru_node *v = moru_variable(g, name, shape);
    moru_real *data = moru_tensor_data(moru_node_tensor(v));
    int64_t n = moru_tensor_size(moru_node_tensor(v));
    for (int64_t i = 0; i < n; i++)
        data[i] = (moru_real)(low + (high - low) * (0.5 + 0.5 * sin((double)(37 * i + 11))));
    return v;
}

static net net_new(void)
{
    net n = {.graph = moru_graph_new()};
    n.x = moru_placeholder(n.graph, "x", MORU_REAL, MORU_SHAPE(BATCH, SIDE, SIDE, CHANNELS));
    return n;
}

/* The gradients of sum(y weights) for vs become values. */
static void add_gradients(net *n, moru_node *y, moru_node **vs, int count)
{
    moru_node *grads[VALUES], *ramp = variable(n->graph, "ramp", *moru_node_shape(y), -1, 1);
    moru_node *loss = moru_sum_all(moru_mul(y, ramp));
    ck_assert_msg(moru_gradients(loss, vs, count, grads) == MORU_OK, "%s", moru_last_error());
    n->values[n->n++] = loss;
    for (int i = 0; i < count; i++)
        n->values[n->n++] = grads[i];
}

static moru_program *compile(const net *n, int threads, uint32_t without)
{
    moru_program *p = NULL;
    moru_program_options o = {.inputs = &n->x, .n_inputs = 1, .outputs = n->values, .n_outputs = n->n,
                              .threads = threads, .without = without};
    ck_assert_msg(moru_program_new(&p, &o) == MORU_OK, "%s", moru_last_error());
    return p;
}

/* Calls of an op in the compiled program. */
static int count(const moru_program *p, const char *op)
{
    moru_program_call call;
    int found = 0;
    for (int k = 0; moru_program_call_at(p, k, &call); k++)
        found += strcmp(call.op, op) == 0;
    return found;
}

static void run(const net *n, moru_program *p, moru_real out[VALUES][MOST])
{
    static moru_real x[BATCH * SIDE * SIDE * CHANNELS];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (moru_real)sin((double)(13 * i + 5) * 0.7);
    moru_program_bind(p, 0, x);
    ck_assert_msg(moru_program_run(p) == MORU_OK, "%s", moru_last_error());
    for (int k = 0; k < n->n; k++) {
        const moru_tensor *t = moru_program_output(p, k);
        ck_assert_int_le(moru_tensor_size(t), MOST);
        memcpy(out[k], moru_tensor_const_data(t), (size_t)moru_tensor_size(t) * sizeof(moru_real));
    }
}

/* The same values with and without fusion, the same bits for one and three threads; the fused program comes back. */
static moru_program *check(const net *n)
{
    static moru_real plain[VALUES][MOST], fused[VALUES][MOST], threaded[VALUES][MOST];
    ck_assert_msg(moru_graph_status(n->graph) == MORU_OK, "%s", moru_graph_error(n->graph));
    moru_program *p = compile(n, 1, MORU_PASS_FUSE);
    run(n, p, plain);
    moru_program_free(p);
    p = compile(n, 3, 0);
    run(n, p, threaded);
    moru_program_free(p);
    p = compile(n, 1, 0);
    run(n, p, fused);
    for (int k = 0; k < n->n; k++) {
        int64_t size = moru_tensor_size(moru_program_output(p, k));
        double most = 0;
        for (int64_t i = 0; i < size; i++)
            most = fmax(most, fabs((double)plain[k][i]));
        ck_assert(most > 0);
        for (int64_t i = 0; i < size; i++)
            ck_assert_msg(fabs((double)plain[k][i] - (double)fused[k][i]) <= 2e-5 * most,
                          "value %d, element %d: %g without fusion, %g with", k, (int)i, (double)plain[k][i],
                          (double)fused[k][i]);
        ck_assert(memcmp(fused[k], threaded[k], (size_t)size * sizeof(moru_real)) == 0);
    }
    return p;
}

static void done(net *n, moru_program *p)
{
    moru_program_free(p);
    moru_graph_free(n->graph);
}

/* ---- pooling ---- */

typedef moru_node *activation_fn(moru_node *x);

static net pooled(activation_fn *activation, int64_t stride)
{
    net n = net_new();
    moru_node *kernel = variable(n.graph, "kernel", MORU_SHAPE(3, 3, CHANNELS, 7), -0.3, 0.3);
    moru_node *bias = variable(n.graph, "bias", MORU_SHAPE(7), -0.2, 0.2), *vs[] = {n.x, kernel, bias};
    moru_node *y = activation(moru_add(moru_conv2d_op(n.x, kernel, &(moru_conv2d_attrs){.padding = MORU_SAME}), bias));
    y = moru_max_pool2d(y, &(moru_pool2d_attrs){.size = {2, 2}, .strides = {stride, stride}});
    add_gradients(&n, y, vs, 3);
    return n;
}

/* The mask is as large as what was pooled, and the bias is summed from that. */
START_TEST(masks_go_before_pooling)
{
    static activation_fn *const activations[] = {moru_relu, moru_tanh, moru_sigmoid};
    static const char *const names[] = {"relu_grad", "tanh_grad", "sigmoid_grad"};
    for (int64_t stride = 1; stride <= 2; stride++) {
        net n = pooled(activations[_i], stride);
        moru_program *p = check(&n);
        moru_program_call call;
        int masks = 0, sums = 0;
        for (int k = 0; moru_program_call_at(p, k, &call); k++) {
            bool mask = strcmp(call.op, names[_i]) == 0 || strcmp(call.op, "fused") == 0, sum = strcmp(call.op, "sum_to") == 0;
            ck_assert(!mask || call.shape.dims[1] == (stride == 2 ? 3 : 5));
            ck_assert(!sum || call.bytes < BATCH * SIDE * SIDE * 7 * sizeof(moru_real));
            masks += mask;
            sums += sum;
        }
        ck_assert_int_eq(masks, 1);
        ck_assert_int_eq(sums, 1);
        ck_assert_int_eq(count(p, "max_pool2d_grad"), 1);
        done(&n, p);
    }
}
END_TEST

/* Not where the gradient of pooling is wanted by itself, nor where the mask is another value's. */
START_TEST(other_masks_stay)
{
    net n = net_new();
    moru_node *other = variable(n.graph, "other", MORU_SHAPE(BATCH, SIDE, SIDE, CHANNELS), -1, 1);
    moru_node *y = moru_max_pool2d(moru_mul(moru_relu(n.x), moru_relu(other)), &(moru_pool2d_attrs){.size = {2, 2}});
    add_gradients(&n, y, (moru_node *[]){n.x, other}, 2);
    moru_node *r = moru_relu(moru_tanh(n.x)), *vs[] = {n.x, r};
    add_gradients(&n, moru_max_pool2d(r, &(moru_pool2d_attrs){.size = {2, 2}}), vs, 2);
    done(&n, check(&n));
}
END_TEST

/* ---- batch normalization ---- */

typedef struct block { bool affine, residual, projected, training; int axis; } block;

/* relu(batch_norm(conv(x)) [+ shortcut]) twice, as in residual networks */
static net normalized(block b)
{
    net n = net_new();
    moru_node *h = n.x, *vs[VALUES] = {n.x}, *mean = NULL, *variance = NULL;
    int n_vs = 1;
    for (int i = 0; i < 2; i++) {
        moru_node *norms[2] = {NULL, h};
        for (int k = 0; k < 1 + (b.residual && b.projected); k++) {
            moru_node *kernel = vs[n_vs++] = variable(n.graph, "kernel", MORU_SHAPE(3, 3, CHANNELS, CHANNELS), -0.3, 0.3);
            moru_node *gamma = NULL, *beta = NULL;
            int64_t channels = b.axis == 3 ? CHANNELS : SIDE;
            if (b.affine) {
                gamma = vs[n_vs++] = variable(n.graph, "gamma", MORU_SHAPE(channels), 0.5, 1.5);
                beta = vs[n_vs++] = variable(n.graph, "beta", MORU_SHAPE(channels), -0.2, 0.2);
            }
            moru_node *y = moru_conv2d_op(norms[1], kernel, &(moru_conv2d_attrs){.padding = MORU_SAME});
            if (!b.training) {
                mean = variable(n.graph, "mean", MORU_SHAPE(channels), -0.1, 0.1);
                variance = variable(n.graph, "variance", MORU_SHAPE(channels), 0.5, 2);
            }
            norms[k] = b.training ? moru_batch_norm(y, gamma, beta, b.axis, 1e-3)
                                  : moru_batch_norm_inference(y, gamma, beta, mean, variance, b.axis, 1e-3);
        }
        h = moru_relu(b.residual ? moru_add(norms[i], norms[1 - i]) : norms[0]);
    }
    if (b.training)
        add_gradients(&n, h, vs, n_vs);
    else
        n.values[n.n++] = h;
    return n;
}

START_TEST(relu_and_residual_join_batch_normalization)
{
    for (int bits = 0; bits < 32; bits++) {
        block b = {bits & 1, bits & 2, bits & 4, bits & 8, bits & 16 ? 3 : 1};
        net n = normalized(b);
        moru_program *p = check(&n);
        int all = b.residual && b.projected ? 4 : 2, gone = b.residual ? 0 : 2;
        ck_assert_int_eq(count(p, "relu") + count(p, "add"), b.residual && b.training);
        ck_assert_int_eq(count(p, "batch_norm_inference"), b.training ? 2 : all);
        ck_assert_int_eq(count(p, "batch_norm_moments"), b.training ? 2 : 0);
        ck_assert_int_eq(count(p, "batch_norm"), b.training ? all - 2 : 0);
        ck_assert_int_eq(count(p, "batch_norm_grad"), b.training ? all : 0);
        if (b.training)
            ck_assert_int_eq(count(p, "relu_grad") + count(p, "fused"), 2 - gone);
        done(&n, p);
    }
}
END_TEST

/* A normalized value that is wanted by itself stays. */
START_TEST(shared_normalizations_stay)
{
    net n = net_new();
    moru_node *gamma = variable(n.graph, "gamma", MORU_SHAPE(CHANNELS), 0.5, 1.5);
    moru_node *y = moru_batch_norm(n.x, gamma, NULL, -1, 1e-3), *z = moru_mul(moru_relu(y), moru_tanh(y));
    moru_node *vs[] = {n.x, gamma};
    add_gradients(&n, z, vs, 2);
    moru_program *p = check(&n);
    ck_assert_int_eq(count(p, "batch_norm"), 1);
    ck_assert_int_eq(count(p, "batch_norm_inference"), 0);
    done(&n, p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fusion");
    TCase *tcase = tcase_create("fusion");
    tcase_add_loop_test(tcase, masks_go_before_pooling, 0, 3);
    tcase_add_test(tcase, other_masks_stay);
    tcase_add_test(tcase, relu_and_residual_join_batch_normalization);
    tcase_add_test(tcase, shared_normalizations_stay);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
