/* What can go wrong with graphs and programs: memory that can't be had, operands that are missing, sizes without sense;
 * and values that play two parts at once. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include <moru.h>

/* ---- memory: each allocation fails once ---- */

static long until_failure = -1; /* allocations that still go well; negative: all do */

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static moru_status run_once(moru_node *x, moru_node *w, moru_node *outs[2], moru_node *next, double *value)
{
    moru_program *p;
    moru_real data[12];
    moru_status status = moru_program_new(&p, &(moru_program_options){
        .inputs = &x, .n_inputs = 1, .input_shapes = &MORU_SHAPE(3, 4), .outputs = outs, .n_outputs = 2,
        .update_variables = &w, .update_values = &next, .n_updates = 1, .threads = 1});
    if (status != MORU_OK)
        return status;
    for (int i = 0; i < 12; i++)
        data[i] = (moru_real)sin(i);
    for (int i = 0; i < 16; i++)
        ((moru_real *)moru_tensor_data(moru_node_tensor(w)))[i] = (moru_real)cos(i);
    moru_program_bind(p, 0, data);
    status = moru_program_run(p);
    *value = ((const moru_real *)moru_tensor_const_data(moru_program_output(p, 1)))[5]
             + ((const moru_real *)moru_tensor_const_data(moru_node_tensor(w)))[3];
    moru_program_free(p);
    return status;
}

/* Builds, differentiates twice, compiles and runs. */
static moru_status whole_life(double *value)
{
    moru_graph *g = moru_graph_new();
    int64_t batch = g ? moru_symbol(g, "batch") : -2;
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(batch, 4));
    moru_node *w = moru_variable(g, "w", MORU_SHAPE(4, 4)), *dx = NULL, *ddx = NULL;
    moru_node *b = moru_constant(g, MORU_REAL, MORU_SHAPE(4), (const moru_real[]){1, 2, 3, 4});
    moru_node *y = moru_batch_norm(moru_relu(moru_add(moru_matmul(x, w), b)), b, NULL, -1, 1e-3);
    y = moru_concat((moru_node *[]){y, moru_tanh(y)}, 2, 1);
    moru_node *loss = moru_mean_all(moru_square(moru_silu(moru_stack((moru_node *[]){y, y}, 2, 0))));
    moru_status status = loss ? moru_gradients(loss, &w, 1, &dx) : MORU_ERR_MEMORY;
    if (status == MORU_OK)
        status = moru_gradients(moru_sum_all(moru_sin(dx)), &w, 1, &ddx);
    if (status == MORU_OK)
        status = run_once(x, w, (moru_node *[]){b, ddx}, moru_sub(w, moru_add(dx, ddx)), value);
    moru_graph_free(g);
    return status;
}

START_TEST(test_memory)
{
    double want = 0;
    ck_assert_msg(whole_life(&want) == MORU_OK, "%s", moru_last_error());
    for (long n = 0;; n++) {
        double got = 0;
        until_failure = n;
        moru_status status = whole_life(&got);
        bool all = until_failure >= 0; /* there was no n-th allocation */
        until_failure = -1;
        if (status == MORU_OK) /* what is only tried, such as folding, may be left out */
            ck_assert_msg(fabs(got - want) <= 1e-5, "allocation %ld: %g instead of %g", n, got, want);
        else
            ck_assert_msg(status == MORU_ERR_MEMORY, "allocation %ld: %s", n, moru_last_error());
        if (all)
            break;
    }
}
END_TEST

/* ---- operands and sizes ---- */

START_TEST(test_missing)
{
    moru_node *n = NULL;
    ck_assert_ptr_null(moru_placeholder(NULL, "x", MORU_REAL, MORU_SCALAR_SHAPE));
    ck_assert_ptr_null(moru_scalar(NULL, 1));
    ck_assert_ptr_null(moru_variable(NULL, "v", MORU_SCALAR_SHAPE));
    ck_assert_ptr_null(moru_add(n, n));
    ck_assert_ptr_null(moru_reshape(n, NULL, 0));
    ck_assert_ptr_null(moru_broadcast_to(n, NULL, 0));
    ck_assert_ptr_null(moru_pad(n, NULL, NULL, 0));
    ck_assert_ptr_null(moru_transpose(n, NULL));
    ck_assert_ptr_null(moru_concat(&n, 1, 0));
    ck_assert_ptr_null(moru_stack(&n, 1, 0));
    ck_assert_ptr_null(moru_variance(n, NULL, 0, false, 1));
    ck_assert_ptr_null(moru_logsumexp(n, NULL, 0, false));
    ck_assert_ptr_null(moru_conv2d_op(n, n, NULL));
    ck_assert_ptr_null(moru_max_pool2d(n, NULL));
    ck_assert_ptr_null(moru_batch_norm(n, n, n, -1, 1e-3));
    ck_assert_ptr_null(moru_batch_norm_inference(n, n, n, n, n, -1, 1e-3));
    ck_assert_ptr_null(moru_dropout_op(n, 0.5));
    ck_assert_ptr_null(moru_random_normal_like(n, 0, 1));
    ck_assert_ptr_null(moru_cross_entropy(n, n));
    ck_assert_ptr_null(moru_adam_step(n, n, n, n, n, n, 0.9, 0.999, 1e-7, 0));
    ck_assert_ptr_null(moru_rmsprop_step(n, n, n, n, n, n, 0.9, 0, 1e-7, 0));
    moru_graph *g = moru_graph_new();
    moru_node *failed = moru_constant(g, MORU_REAL, MORU_SHAPE(2), NULL);
    ck_assert_int_eq(moru_graph_status(g), MORU_ERR_ARGUMENT);
    failed = moru_pad(moru_batch_norm(failed, failed, n, -1, 1), (const int64_t[MORU_MAX_RANK]){0}, NULL, 0);
    failed = moru_reshape(moru_stack(&failed, 1, 0), (const int64_t[]){-1, -2}, 2);
    ck_assert_int_eq(moru_gradients(failed, &failed, 1, &n), MORU_ERR_ARGUMENT);
    moru_graph_free(g);
}
END_TEST

static void expect(moru_node *x, const moru_shape *shape, moru_node *y, moru_status status)
{
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){
        .inputs = &x, .input_shapes = shape, .n_inputs = x != NULL, .outputs = &y, .n_outputs = 1}), status);
    ck_assert_ptr_null(p);
}

START_TEST(test_huge)
{
    const int64_t huge = INT64_C(1) << 60;
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_placeholder(g, "x", MORU_REAL, MORU_SHAPE(2)), *y = moru_sin(x), *sum = moru_scalar(g, 0);
    expect(x, &(moru_shape){.rank = 1000}, y, MORU_ERR_SHAPE);
    moru_node *twice[] = {x, x};
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.inputs = twice, .n_inputs = 2, .outputs = &y,
                                                                 .n_outputs = 1}), MORU_ERR_ARGUMENT);
    for (int i = 0; i < 8; i++) /* each can be counted, all together can't */
        sum = moru_add(sum, moru_broadcast_to(moru_add_scalar(sum, i), &huge, 1));
    expect(NULL, NULL, sum, MORU_ERR_MEMORY);
    moru_node *image = moru_placeholder(g, "image", MORU_REAL, MORU_SHAPE(1, INT64_MAX - 5, 1, 1));
    moru_max_pool2d(image, &(moru_pool2d_attrs){.size = {8, 1}, .padding = MORU_EXPLICIT, .pads = {7, 7, 0, 0}});
    ck_assert_int_eq(moru_graph_status(g), MORU_ERR_MEMORY);
    moru_graph_free(g);
}
END_TEST

/* ---- two parts at once ---- */

static double at(const moru_program *p, int output, int k)
{
    return ((const moru_real *)moru_tensor_const_data(moru_program_output(p, output)))[k];
}

/* silu_grad(x, x), whose gradient comes from an expression of both inputs. */
START_TEST(test_both_operands)
{
    moru_graph *g = moru_graph_new();
    moru_node *x = moru_variable(g, "x", MORU_SHAPE(1)), *y = moru_silu(x), *outs[2];
    double t = 0.7, s = 1 / (1 + exp(-t)), ds = s * (1 - s), slope = s + t * ds;
    *(moru_real *)moru_tensor_data(moru_node_tensor(x)) = (moru_real)t;
    ck_assert_int_eq(moru_gradients_of(&y, &x, 1, &x, 1, &outs[0]), MORU_OK);
    ck_assert_int_eq(moru_gradients(outs[0], &x, 1, &outs[1]), MORU_OK);
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = outs, .n_outputs = 2}), MORU_OK);
    ck_assert_int_eq(moru_program_run(p), MORU_OK);
    ck_assert_double_eq_tol(at(p, 0, 0), t * slope, 1e-5);
    ck_assert_double_eq_tol(at(p, 1, 0), slope + t * (2 * ds + t * ds * (1 - 2 * s)), 1e-5);
    moru_program_free(p);
    moru_graph_free(g);
}
END_TEST

START_TEST(test_foreign_weight)
{
    moru_graph *g = moru_graph_new(), *other = moru_graph_new();
    moru_node *x = moru_variable(g, "x", MORU_SHAPE(1)), *y = moru_identity(x), *grad;
    moru_node *weight = moru_variable(other, "weight", MORU_SHAPE(1));
    ck_assert_int_eq(moru_gradients_of(&y, &weight, 1, &x, 1, &grad), MORU_ERR_ARGUMENT);
    moru_graph_free(g);
    moru_graph_free(other);
}
END_TEST

/* More inputs than a set of 32 bits has places. */
START_TEST(test_many_inputs)
{
    enum { N = 70 };
    moru_graph *g = moru_graph_new();
    moru_node *xs[N], *grads[N];
    for (int i = 0; i < N; i++) {
        xs[i] = moru_variable(g, "x", MORU_SHAPE(2));
        ((moru_real *)moru_tensor_data(moru_node_tensor(xs[i])))[1] = (moru_real)i;
    }
    ck_assert_int_eq(moru_gradients(moru_square(moru_concat(xs, N, 0)), xs, N, grads), MORU_OK);
    moru_program *p;
    ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){.outputs = grads, .n_outputs = N}), MORU_OK);
    ck_assert_int_eq(moru_program_run(p), MORU_OK);
    for (int i = 0; i < N; i++)
        ck_assert_double_eq(at(p, i, 1), 2 * i);
    moru_program_free(p);
    moru_graph_free(g);
}
END_TEST

/* The new value is another value under another shape: its storage is not to be taken before the variable has it. */
START_TEST(test_update_through_alias)
{
    moru_graph *g = moru_graph_new();
    moru_node *w = moru_variable(g, "w", MORU_SHAPE(2, 2));
    moru_node *x = moru_constant(g, MORU_REAL, MORU_SHAPE(4), (const moru_real[]){1, 2, 3, 4});
    moru_node *next = moru_reshape(moru_transpose(moru_mul(x, x), NULL), (const int64_t[]){2, 2}, 2), *y = x;
    for (int i = 0; i < 6; i++)
        y = moru_transpose(moru_add_scalar(y, 1), NULL);
    moru_program *p;
    for (uint32_t without = 0; without < 32; without++) {
        ck_assert_int_eq(moru_program_new(&p, &(moru_program_options){
            .outputs = &y, .n_outputs = 1, .update_variables = &w, .update_values = &next, .n_updates = 1,
            .without = without | MORU_PASS_FOLD}), MORU_OK);
        ck_assert_int_eq(moru_program_run(p), MORU_OK);
        for (int k = 0; k < 4; k++)
            ck_assert_double_eq(((moru_real *)moru_tensor_data(moru_node_tensor(w)))[k], (k + 1) * (k + 1));
        moru_program_free(p);
    }
    moru_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults of graphs");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, test_memory);
    tcase_add_test(tcase, test_missing);
    tcase_add_test(tcase, test_huge);
    tcase_add_test(tcase, test_both_operands);
    tcase_add_test(tcase, test_foreign_weight);
    tcase_add_test(tcase, test_many_inputs);
    tcase_add_test(tcase, test_update_through_alias);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
