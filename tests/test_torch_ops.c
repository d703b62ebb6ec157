/* Values and gradients of ops against those of PyTorch, computed in double there. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <moru/program.h>
#include "tests/torch_case.h"

static hid_t file;
static int ran;

/* ---- reading ---- */

bool torch_read(hid_t group, const char *path, torch_tensor *tensor)
{
    hsize_t dims[MORU_MAX_RANK];
    hid_t set = H5Dopen2(group, path, H5P_DEFAULT);
    if (set < 0)
        return false;
    hid_t space = H5Dget_space(set), type = H5Dget_type(set);
    bool integer = H5Tget_class(type) == H5T_INTEGER && H5Tget_size(type) > 1;
    tensor->shape.rank = H5Sget_simple_extent_dims(space, dims, NULL);
    tensor->size = 1;
    for (int k = 0; k < tensor->shape.rank; k++) {
        tensor->shape.dims[k] = (int64_t)dims[k];
        tensor->size *= (int64_t)dims[k];
    }
    tensor->dtype = integer ? MORU_INT32 : MORU_REAL;
    tensor->data = malloc((size_t)tensor->size * 4 + 4);
    bool fine = H5Dread(set, integer ? H5T_NATIVE_INT32 : H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                        tensor->data) >= 0;
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(set);
    return fine;
}

moru_node *torch_input(const torch_case *t, const char *name)
{
    for (int k = 0; k < t->n; k++)
        if (strcmp(t->inputs[k].name, name) == 0)
            return t->inputs[k].node;
    return NULL;
}

moru_node *torch_first(const torch_case *t)
{
    return t->inputs[0].node;
}

int torch_numbers(const torch_case *t, const char *name, double *values, int max)
{
    if (H5Aexists(t->group, name) <= 0)
        return 0;
    double all[16];
    hid_t attribute = H5Aopen(t->group, name, H5P_DEFAULT), space = H5Aget_space(attribute);
    int n = (int)H5Sget_simple_extent_npoints(space);
    ck_assert_int_le(n, 16);
    ck_assert_int_ge(H5Aread(attribute, H5T_NATIVE_DOUBLE, all), 0);
    H5Sclose(space);
    H5Aclose(attribute);
    for (int k = 0; k < n && k < max; k++)
        values[k] = all[k];
    return n;
}

double torch_number(const torch_case *t, const char *name, double otherwise)
{
    double value;
    return torch_numbers(t, name, &value, 1) ? value : otherwise;
}

bool torch_is(const torch_case *t, const char *name, const char *value)
{
    if (H5Aexists(t->group, name) <= 0)
        return false;
    char *text = NULL;
    hid_t attribute = H5Aopen(t->group, name, H5P_DEFAULT), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    bool same = H5Aread(attribute, type, &text) >= 0 && text && strcmp(text, value) == 0;
    H5free_memory(text);
    H5Tclose(type);
    H5Aclose(attribute);
    return same;
}

/* The name of member k of a group. */
static void member(hid_t group, const char *path, hsize_t k, char *name)
{
    ck_assert_int_gt(H5Lget_name_by_idx(group, path, H5_INDEX_NAME, H5_ITER_INC, k, name, TORCH_NAME, H5P_DEFAULT), 0);
}

static void open_case(torch_case *t, int k)
{
    H5G_info_t info;
    memset(t, 0, sizeof *t);
    member(file, ".", (hsize_t)k, t->name);
    strcpy(t->op, t->name);
    char *split = strstr(t->op, "__");
    ck_assert_ptr_nonnull(split);
    *split = '\0';
    t->variant = split + 2;
    t->group = H5Gopen2(file, t->name, H5P_DEFAULT);
    t->graph = moru_graph_new();
    H5Gget_info_by_name(t->group, "inputs", &info, H5P_DEFAULT);
    for (hsize_t i = 0; i < info.nlinks && i < TORCH_INPUTS; i++) {
        torch_tensor *in = &t->inputs[t->n++];
        char path[TORCH_NAME + 8];
        member(t->group, "inputs", i, in->name);
        snprintf(path, sizeof path, "inputs/%s", in->name);
        ck_assert(torch_read(t->group, path, in));
        in->node = moru_placeholder(t->graph, in->name, in->dtype, in->shape);
    }
}

static void close_case(torch_case *t)
{
    for (int k = 0; k < t->n; k++)
        free(t->inputs[k].data);
    moru_graph_free(t->graph);
    H5Gclose(t->group);
}

/* ---- comparing ---- */

static void compare(const torch_case *t, const char *path, const moru_tensor *tensor)
{
    torch_tensor expected;
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    ck_assert_msg(torch_read(t->group, path, &expected), "%s: no %s", t->name, path);
    ck_assert_msg(moru_shape_equal(moru_tensor_shape(tensor), &expected.shape) &&
                  moru_tensor_dtype(tensor) == expected.dtype,
                  "%s: %s is %s, PyTorch's %s", t->name, path,
                  moru_shape_print(moru_tensor_shape(tensor), a, sizeof a),
                  moru_shape_print(&expected.shape, b, sizeof b));
    double most = 1;
    for (int64_t i = 0; i < expected.size && expected.dtype == MORU_REAL; i++)
        most = fmax(most, fabs(((float *)expected.data)[i]));
    for (int64_t i = 0; i < expected.size; i++) {
        const void *data = moru_tensor_const_data(tensor);
        double x = expected.dtype == MORU_REAL ? (double)((const moru_real *)data)[i] : ((const int32_t *)data)[i];
        double y = expected.dtype == MORU_REAL ? (double)((float *)expected.data)[i] : ((int32_t *)expected.data)[i];
        ck_assert_msg(fabs(x - y) <= 1e-4 * fabs(y) + 1e-6 * most || x == y,
                      "%s: %s, element %lld: %.8g, PyTorch has %.8g",
                      t->name, path, (long long)i, x, y);
    }
    free(expected.data);
}

/* "output", or "output1" of several. */
static const char *numbered(const torch_case *t, const char *name, int k, char text[TORCH_NAME])
{
    snprintf(text, TORCH_NAME, t->n_more ? "%s%d" : "%s", name, k);
    return text;
}

/* What flows back into the outputs, as further inputs; returns how many there are. */
static int read_gradients(const torch_case *t, torch_tensor *dy, moru_node **nodes)
{
    char name[TORCH_NAME];
    int n = 1 + t->n_more;
    for (int k = 0; k < n; k++) {
        ck_assert_msg(torch_read(t->group, numbered(t, "grad_output", k, name), &dy[k]), "%s: no %s", t->name, name);
        nodes[k] = moru_placeholder(t->graph, name, MORU_REAL, dy[k].shape);
    }
    return n;
}

/* Builds gradients for the inputs under grads/ and runs everything. */
static void check_case(torch_case *t, moru_node *y)
{
    H5G_info_t info = {0};
    enum { MORE = 1 + TORCH_MORE };
    torch_tensor dy[MORE];
    moru_node *xs[TORCH_INPUTS], *outputs[MORE + TORCH_INPUTS] = {y}, *inputs[MORE + TORCH_INPUTS];
    char names[TORCH_INPUTS][TORCH_NAME + 8], name[TORCH_NAME];
    const void *data[MORE + TORCH_INPUTS];
    int n_xs = 0, n_dy = 0, n = 1 + t->n_more;
    for (int k = 0; k < t->n; k++) {
        inputs[k] = t->inputs[k].node;
        data[k] = t->inputs[k].data;
    }
    for (int k = 0; k < t->n_more; k++)
        outputs[1 + k] = t->more[k];
    if (H5Lexists(t->group, "grads", H5P_DEFAULT) > 0) {
        H5Gget_info_by_name(t->group, "grads", &info, H5P_DEFAULT);
        n_dy = read_gradients(t, dy, inputs + t->n);
    }
    for (int k = 0; k < n_dy; k++)
        data[t->n + k] = dy[k].data;
    for (hsize_t k = 0; k < info.nlinks; k++) {
        strcpy(names[k], "grads/");
        member(t->group, "grads", k, names[k] + 6);
        xs[n_xs++] = torch_input(t, names[k] + 6);
    }
    if (n_xs > 0)
        ck_assert_msg(moru_gradients_of(outputs, &inputs[t->n], n, xs, n_xs, outputs + n) == MORU_OK, "%s: %s", t->name,
                      moru_last_error());
    moru_program *program = NULL;
    moru_program_options options = {.inputs = inputs, .n_inputs = t->n + n_dy, .outputs = outputs,
                                    .n_outputs = n + n_xs, .threads = 2};
    ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s: %s", t->name, moru_last_error());
    for (int k = 0; k < t->n + n_dy; k++)
        ck_assert_int_eq(moru_program_bind(program, k, data[k]), MORU_OK);
    ck_assert_msg(moru_program_run(program) == MORU_OK, "%s: %s", t->name, moru_last_error());
    for (int k = 0; k < n; k++)
        compare(t, numbered(t, "output", k, name), moru_program_output(program, k));
    for (int k = 0; k < n_xs; k++)
        compare(t, names[k], moru_program_output(program, n + k));
    moru_program_free(program);
    for (int k = 0; k < n_dy; k++)
        free(dy[k].data);
}

START_TEST(agrees_with_torch)
{
    torch_case t;
    open_case(&t, _i);
    moru_node *y = torch_build(&t);
    ck_assert_msg(moru_graph_status(t.graph) == MORU_OK, "%s: %s", t.name, moru_graph_error(t.graph));
    ck_assert_msg(y != NULL, "%s: nothing builds it", t.name);
    check_case(&t, y);
    ran++;
    close_case(&t);
}
END_TEST

int main(void)
{
    char path[4096];
    const char *shared = getenv("MORU_SHARED"), *srcdir = getenv("srcdir");
    if (shared && *shared)
        snprintf(path, sizeof path, "%s/fixtures/torch_ops.h5", shared);
    else
        snprintf(path, sizeof path, "%s/../shared/fixtures/torch_ops.h5", srcdir ? srcdir : ".");
    H5G_info_t info;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0 || H5Gget_info(file, &info) < 0) {
        printf("skip: no readable %s\n", path);
        return 77;
    }
    Suite *suite = suite_create("ops against PyTorch");
    TCase *cases = tcase_create("cases");
    tcase_add_loop_test(cases, agrees_with_torch, 0, (int)info.nlinks);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the file and the counters are shared by all cases */
    srunner_run_all(runner, CK_NORMAL);
    int wrong = srunner_ntests_failed(runner);
    srunner_free(runner);
    H5Fclose(file);
    printf("%d cases of PyTorch compared\n", ran);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
