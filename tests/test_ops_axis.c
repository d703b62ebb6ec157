/* Ops along an axis: values worked out by hand, what they refuse, and the same bits for any number of threads. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "tests/ops_test.h"

/* ---- resampling ---- */

START_TEST(resizing)
{
    moru_node *x = REALS(S(1, 1, 3, 1), 1, 2, 4), *square = REALS(S(1, 2, 2, 1), 1, 2, 3, 4);
    EXPECT(moru_resize2d(x, 1, 6, MORU_NEAREST, false), S(1, 1, 6, 1), 1, 1, 2, 2, 4, 4);
    EXPECT(moru_resize2d(x, 1, 2, MORU_NEAREST, false), S(1, 1, 2, 1), 1, 4);
    EXPECT(moru_resize2d(x, 1, 6, MORU_BILINEAR, false), S(1, 1, 6, 1), 1, 1.25, 1.75, 2.5, 3.5, 4);
    EXPECT(moru_resize2d(x, 1, 1, MORU_BILINEAR, false), S(1, 1, 1, 1), 2);
    EXPECT(moru_resize2d(x, 1, 1, MORU_BILINEAR, true), S(1, 1, 1, 1), (1 * 2 + 2 * 3 + 4 * 2) / 7.0);
    EXPECT(moru_resize2d(x, 2, 3, MORU_BICUBIC, false), S(1, 2, 3, 1), 1, 2, 4, 1, 2, 4);
    EXPECT(moru_resize2d(square, 1, 1, MORU_BILINEAR, false), S(1, 1, 1, 1), 2.5);
    EXPECT(moru_upsample2d(square, 1, 2, MORU_NEAREST), S(1, 2, 4, 1), 1, 1, 2, 2, 3, 3, 4, 4);
    EXPECT(moru_upsample2d(square, 1, 1, MORU_NEAREST), S(1, 2, 2, 1), 1, 2, 3, 4);
    EXPECT(moru_repeat(square, 2, 1), S(1, 4, 2, 1), 1, 2, 1, 2, 3, 4, 3, 4);
    EXPECT_EMPTY(moru_resize2d(noise(S(0, 2, 2, 1)), 3, 3, MORU_BILINEAR, false), S(0, 3, 3, 1));
    /* an infinity stays where its weight isn't 0 */
    moru_node *open = REALS(S(1, 1, 3, 1), 1, INFINITY, 4);
    EXPECT(moru_resize2d(open, 1, 3, MORU_LANCZOS3, true), S(1, 1, 3, 1), 1, INFINITY, 4);
    EXPECT(moru_resize2d(moru_resize2d(open, 1, 9, MORU_BILINEAR, false), 1, 3, MORU_NEAREST, false), S(1, 1, 3, 1), 1,
           INFINITY, 4);
}
END_TEST

START_TEST(resizing_refused)
{
    REFUSED(moru_resize2d(real(S(2, 3, 4)), 1, 1, MORU_NEAREST, false), MORU_ERR_SHAPE, "resize2d|[2,3,4]|[n,h,w,c]");
    REFUSED(moru_resize2d(real(S(1, 3, 4, 1)), 0, 1, MORU_NEAREST, false), MORU_ERR_ARGUMENT, "resample|size 0");
    REFUSED(moru_resize2d(real(S(1, 3, 4, 1)), 1, -2, MORU_NEAREST, false), MORU_ERR_ARGUMENT, "size -2");
    REFUSED(moru_resize2d(real(S(1, 3, 4, 1)), 1, 1, (moru_interpolation)5, false), MORU_ERR_ARGUMENT, "5");
    REFUSED(moru_resize2d(real(S(1, 0, 4, 1)), 1, 1, MORU_NEAREST, false), MORU_ERR_SHAPE, "[1,0,4,1]|is empty");
    REFUSED(moru_resize2d(INTS(S(1, 1, 1, 1), 1), 2, 2, MORU_NEAREST, false), MORU_ERR_SHAPE, "int32");
    REFUSED(moru_upsample2d(real(S(1, 3, 4, 1)), 0, 2, MORU_NEAREST), MORU_ERR_ARGUMENT, "size 0");
    REFUSED(moru_upsample2d(real(S(1, 3, 4, 1)), INT64_MAX, 2, MORU_NEAREST), MORU_ERR_MEMORY, "counted");
    REFUSED(moru_upsample2d(real(S(3, 4, 1)), 2, 2, MORU_NEAREST), MORU_ERR_SHAPE, "upsample2d|[3,4,1]");
    REFUSED(moru_adaptive_avg_pool2d(real(S(3, 4, 1)), 2, 2), MORU_ERR_SHAPE, "adaptive_avg_pool2d|[3,4,1]");
    REFUSED(moru_repeat(real(S(3, 4)), 2, 2), MORU_ERR_SHAPE, "axis 2");
    ck_assert_ptr_null(moru_resize2d(NULL, 1, 1, MORU_NEAREST, false));
}
END_TEST

/* Open sizes get their number when the program is compiled. */
START_TEST(open_sizes)
{
    moru_node *x = real(S(moru_symbol(g, "n"), moru_symbol(g, "h"), 2, 1));
    moru_node *y = moru_resize2d(moru_upsample2d(x, 2, 1, MORU_NEAREST), 3, 2, MORU_NEAREST, false), *dx;
    int64_t before[] = {0, 1, 0, 0}, after[] = {0, 0, 1, 0};
    moru_node *outputs[] = {y, moru_pad_with(x, before, after, MORU_PAD_EDGE), NULL};
    ck_assert_int_eq(moru_gradients(y, &x, 1, &dx), MORU_OK);
    outputs[2] = dx;
    moru_program *program = NULL;
    moru_shape shape = S(1, 3, 2, 1);
    moru_program_options options = {.inputs = &x, .input_shapes = &shape, .n_inputs = 1, .outputs = outputs,
                                    .n_outputs = 3};
    ck_assert_msg(moru_program_new(&program, &options) == MORU_OK, "%s", moru_last_error());
    moru_real data[] = {1, 2, 3, 4, 5, 6};
    ck_assert_int_eq(moru_program_bind(program, 0, data), MORU_OK);
    ck_assert_int_eq(moru_program_run(program), MORU_OK);
    ck_assert(memcmp(moru_tensor_const_data(moru_program_output(program, 0)), data, sizeof data) == 0);
    moru_shape padded = S(1, 4, 3, 1);
    ck_assert(moru_shape_equal(moru_tensor_shape(moru_program_output(program, 1)), &padded));
    moru_program_free(program);
}
END_TEST

START_TEST(adaptive_means)
{
    moru_node *x = REALS(S(1, 1, 5, 1), 1, 2, 3, 4, 5);
    EXPECT(moru_adaptive_avg_pool2d(x, 1, 3), S(1, 1, 3, 1), 1.5, 3, 4.5);
    EXPECT(moru_adaptive_avg_pool2d(x, 2, 1), S(1, 2, 1, 1), 3, 3);
    EXPECT(moru_adaptive_avg_pool2d(x, 1, 5), S(1, 1, 5, 1), 1, 2, 3, 4, 5);
    EXPECT(gradient(moru_adaptive_avg_pool2d(x, 1, 3), x), S(1, 1, 5, 1), 0.5, 0.5 + 1.0 / 3, 1.0 / 3, 0.5 + 1.0 / 3, 0.5);
}
END_TEST

START_TEST(padding_modes)
{
    moru_node *x = REALS(S(3), 1, 2, 3);
    EXPECT(moru_pad_with(x, (int64_t[]){2}, (int64_t[]){1}, MORU_PAD_REFLECT), S(6), 3, 2, 1, 2, 3, 2);
    EXPECT(moru_pad_with(x, (int64_t[]){2}, (int64_t[]){3}, MORU_PAD_SYMMETRIC), S(8), 2, 1, 1, 2, 3, 3, 2, 1);
    EXPECT(moru_pad_with(x, (int64_t[]){2}, (int64_t[]){1}, MORU_PAD_EDGE), S(6), 1, 1, 1, 2, 3, 3);
    EXPECT(moru_pad_with(x, (int64_t[]){2}, (int64_t[]){1}, MORU_PAD_WRAP), S(6), 2, 3, 1, 2, 3, 1);
    EXPECT(moru_pad_with(x, (int64_t[]){0}, (int64_t[]){0}, MORU_PAD_WRAP), S(3), 1, 2, 3);
    EXPECT(gradient(moru_pad_with(x, (int64_t[]){2}, (int64_t[]){1}, MORU_PAD_REFLECT), x), S(3), 1, 3, 2);
    REFUSED(moru_pad_with(real(S(3)), (int64_t[]){3}, (int64_t[]){0}, MORU_PAD_REFLECT), MORU_ERR_SHAPE, "[3]|reflect");
    REFUSED(moru_pad_with(real(S(3)), (int64_t[]){0}, (int64_t[]){4}, MORU_PAD_SYMMETRIC), MORU_ERR_SHAPE, "symmetric");
    REFUSED(moru_pad_with(real(S(0)), (int64_t[]){1}, (int64_t[]){0}, MORU_PAD_EDGE), MORU_ERR_SHAPE, "[0]|edge");
    REFUSED(moru_pad_with(real(S(3)), (int64_t[]){-1}, (int64_t[]){0}, MORU_PAD_EDGE), MORU_ERR_ARGUMENT, "-1");
    REFUSED(moru_pad_with(real(S(3)), (int64_t[]){1}, (int64_t[]){0}, (moru_pad_mode)4), MORU_ERR_ARGUMENT, "mode");
    REFUSED(moru_pad_with(real(S(3)), NULL, (int64_t[]){0}, MORU_PAD_EDGE), MORU_ERR_ARGUMENT, "widths");
}
END_TEST

/* ---- along an axis ---- */

static moru_node *second(moru_node *y)
{
    return y->call->outputs[1];
}

START_TEST(elements_along_an_axis)
{
    moru_node *x = REALS(S(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_take_along_axis(x, INTS(S(2, 2), 2, 0, 1, 1), 1), S(2, 2), 3, 1, 5, 5);
    EXPECT(moru_take_along_axis(x, INTS(S(1, 2), 1, 0), 0), S(1, 2), 4, 2);
    EXPECT(moru_scatter_add(x, INTS(S(1, 3), 1, 1, 0), REALS(S(1, 3), 10, 20, 30), 0), S(2, 3), 1, 2, 33, 14, 25, 6);
    EXPECT(moru_scatter_add(x, INTS(S(2, 3), 0, 0, 0, 2, 2, 1), REALS(S(2, 3), 1, 1, 1, 1, 1, 1), 1), S(2, 3), 4, 2, 3, 4,
           6, 8);
    REFUSED(moru_take_along_axis(real(S(2, 3)), INTS(S(3), 0, 0, 0), 1), MORU_ERR_SHAPE, "[3]|[2,3]");
    REFUSED(moru_take_along_axis(real(S(2, 3)), INTS(S(3, 1), 0, 0, 0), 1), MORU_ERR_SHAPE, "[3,1]");
    REFUSED(moru_take_along_axis(real(S(2, 3)), real(S(2, 3)), 1), MORU_ERR_SHAPE, "int32");
    REFUSED(moru_take_along_axis(real(S(2)), INTS(S(1), 0), 1), MORU_ERR_SHAPE, "axis 1");
    REFUSED(moru_scatter_add(real(S(2, 3)), INTS(S(1, 1), 0), real(S(1, 2)), 1), MORU_ERR_SHAPE, "[1,2]|[1,1]");
}
END_TEST

START_TEST(order_along_an_axis)
{
    moru_node *x = REALS(S(2, 4), 3, 1, 2, 1, 0, NAN, -1, 7);
    EXPECT(moru_sort(x, 1, false), S(2, 4), 1, 1, 2, 3, -1, 0, 7, NAN);
    EXPECT(moru_sort(x, 1, true), S(2, 4), 3, 2, 1, 1, 7, 0, -1, NAN);
    EXPECT(moru_sort(REALS(S(3, 2), 3, 1, 2, 5, 1, 4), 0, false), S(3, 2), 1, 1, 2, 4, 3, 5);
    EXPECT_INTS(second(moru_sort(x, 1, false)), S(2, 4), 1, 3, 2, 0, 2, 0, 3, 1);
    EXPECT_INTS(moru_argsort(x, -1, true), S(2, 4), 0, 2, 1, 3, 3, 0, 2, 1);
    moru_node *places, *largest = moru_top_k(x, 2, 1, &places);
    EXPECT(largest, S(2, 2), 3, 2, 7, 0);
    EXPECT_INTS(places, S(2, 2), 0, 2, 3, 0);
    REFUSED(moru_sort(INTS(S(2), 1, 2), 0, false), MORU_ERR_SHAPE, "sort|int32");
    REFUSED(moru_sort(real(S(2)), 1, false), MORU_ERR_SHAPE, "axis 1");
    moru_node *wide = noise(S(7, 3001, 3));
    same_bits(moru_sort(wide, 1, false));
    same_bits(second(moru_sort(wide, 1, true)));
}
END_TEST

START_TEST(sums_and_products_along_an_axis)
{
    moru_node *x = REALS(S(2, 3), 1, 2, 3, 4, 0, 6);
    EXPECT(moru_cumsum(x, 1, false), S(2, 3), 1, 3, 6, 4, 4, 10);
    EXPECT(moru_cumsum(x, 0, true), S(2, 3), 5, 2, 9, 4, 0, 6);
    EXPECT(moru_cumprod(x, 1, false), S(2, 3), 1, 2, 6, 4, 0, 0);
    EXPECT(moru_cumprod(x, -1, true), S(2, 3), 6, 6, 3, 0, 0, 6);
    EXPECT(gradient(moru_cumprod(x, 1, false), x), S(2, 3), 1 + 2 + 6, 1 + 3, 2, 1, 4 + 4 * 6, 0);
    REFUSED(moru_cumsum(real(S(2)), -2, false), MORU_ERR_SHAPE, "axis -2");
    REFUSED(moru_cumprod(INTS(S(1), 1), 0, false), MORU_ERR_SHAPE, "int32");
    moru_node *wide = noise(S(40, 50, 60));
    same_bits(moru_cumsum(wide, 1, false));
    same_bits(gradient(moru_cumprod(wide, 1, false), wide));
}
END_TEST

START_TEST(parts_of_matrices)
{
    moru_node *x = REALS(S(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(moru_tril(x, 0), S(2, 3), 1, 0, 0, 4, 5, 0);
    EXPECT(moru_triu(x, 1), S(2, 3), 0, 2, 3, 0, 0, 6);
    EXPECT(moru_diagonal(x, 0), S(2), 1, 5);
    EXPECT(moru_diagonal(x, 2), S(1), 3);
    EXPECT(moru_diagonal(x, -1), S(1), 4);
    EXPECT_EMPTY(moru_diagonal(x, 3), S(0));
    EXPECT(moru_diag(REALS(S(2), 7, 8)), S(2, 2), 7, 0, 0, 8);
    REFUSED(moru_tril(real(S(3)), 0), MORU_ERR_SHAPE, "[3] holds no matrices");
    REFUSED(moru_diagonal(real(S(3)), 0), MORU_ERR_SHAPE, "diagonal|[3]");
    same_bits(moru_tril(noise(S(9, 70, 80)), 3));
}
END_TEST

START_TEST(groups_and_largest)
{
    moru_node *x = REALS(S(1, 2, 2), 1, 5, 3, 9), *y = REALS(S(1, 1, 5, 1), 1, 5, 2, 4, 3);
    EXPECT(moru_group_norm(x, NULL, NULL, 2, 0), S(1, 2, 2), -1, -1, 1, 1);
    EXPECT(moru_group_norm(x, REALS(S(2), 2, 1), REALS(S(2), 0, 1), 2, 0), S(1, 2, 2), -2, 0, 2, 2);
    EXPECT(moru_adaptive_max_pool2d(y, 1, 3), S(1, 1, 3, 1), 5, 5, 4);
    REFUSED(moru_group_norm(real(S(1, 2, 3)), NULL, NULL, 2, 0), MORU_ERR_SHAPE, "[1,2,3]|2 equal groups");
    REFUSED(moru_group_norm(real(S(3)), NULL, NULL, 1, 0), MORU_ERR_SHAPE, "group_norm|[3]");
    REFUSED(moru_adaptive_max_pool2d(real(S(1, 2, 3)), 1, 1), MORU_ERR_SHAPE, "[1,2,3]");
    REFUSED(moru_adaptive_max_pool2d(real(S(1, 2, 3, 1)), 0, 1), MORU_ERR_SHAPE, "size 2 can't get 0");
}
END_TEST

/* ---- einsum ---- */

/* The sum by its definition, for letters only: operands hold 1 + (i mod 7)/8. */
static void by_definition(const char *equation, const int64_t sizes[128], double *y)
{
    const char *arrow = strstr(equation, "->"), *out = arrow + 2;
    char letters[32] = "";
    int64_t all = 1, n = 1;
    for (const char *c = equation; *c; c++)
        if (*c >= 'a' && *c <= 'z' && !strchr(letters, *c)) {
            letters[strlen(letters)] = *c;
            all *= sizes[(int)*c];
        }
    for (const char *c = out; *c; c++)
        n *= sizes[(int)*c];
    memset(y, 0, (size_t)n * sizeof *y);
    for (int64_t i = 0; i < all; i++) {
        int64_t at[128] = {0}, rest = i, place = 0;
        double product = 1;
        for (const char *c = letters; *c; c++) {
            at[(int)*c] = rest % sizes[(int)*c];
            rest /= sizes[(int)*c];
        }
        for (const char *c = equation; c < arrow; c++) {
            for (place = 0; c < arrow && *c != ','; c++)
                place = place * sizes[(int)*c] + at[(int)*c];
            product *= 1 + (double)(place % 7) / 8;
        }
        for (place = 0, rest = 0; out[rest]; rest++)
            place = place * sizes[(int)out[rest]] + at[(int)out[rest]];
        y[place] += product;
    }
}

static moru_node *operand(const char *labels, int n, const int64_t sizes[128])
{
    moru_real data[4096];
    moru_shape shape = {.rank = n};
    int64_t size = 1;
    for (int k = 0; k < n; k++)
        size *= shape.dims[k] = sizes[(int)labels[k]];
    for (int64_t i = 0; i < size; i++)
        data[i] = (moru_real)(1 + (double)(i % 7) / 8);
    return moru_constant(g, MORU_REAL, shape, data);
}

START_TEST(einsum_by_definition)
{
    static const char *const equations[] = {
        "ij,jk->ik", "ij,jk->ki", "bij,bjk->bik", "bij,bkj->bik", "bqhd,bkhd->bhqk", "bhqk,bkhd->bqhd", "i,j->ij",
        "ij->ji", "ij->i", "ij->", "ij,ij->", "ij,ij->ij", "i,i->", "ijk,k->ij", "abc,cd->abd", "ab,bc,cd->ad",
        "ab,bc,ac->b", "ab,cb,cd->da", "ab,c->c", "abcd,dcef->abef", "i,ij,j->", "ijk->kji"};
    int64_t sizes[128] = {0};
    double want[4096];
    for (int c = 'a'; c <= 'z'; c++)
        sizes[c] = 2 + c % 3;
    for (size_t e = 0; e < sizeof equations / sizeof *equations; e++) {
        moru_node *xs[4];
        moru_shape shape = {0};
        int n = 0;
        int64_t size = 1;
        for (const char *c = equations[e]; *c && *c != '-'; c += strcspn(c, ",-"), c += *c == ',') {
            xs[n] = operand(c, (int)strcspn(c, ",-"), sizes);
            n++;
        }
        for (const char *c = strstr(equations[e], "->") + 2; *c; c++)
            size *= shape.dims[shape.rank++] = sizes[(int)*c];
        by_definition(equations[e], sizes, want);
        expect(moru_einsum(equations[e], xs, n), shape, want, size, MORU_REAL, (int)e);
    }
}
END_TEST

START_TEST(einsum_otherwise)
{
    moru_node *x = REALS(S(2, 2), 1, 2, 3, 4), *y = REALS(S(2), 10, 100), *z = REALS(S(1, 2, 2), 1, 0, 0, 1);
    EXPECT(moru_einsum("ij,j", (moru_node *[]){x, y}, 2), S(2), 210, 430);
    EXPECT(moru_einsum("ba", &x, 1), S(2, 2), 1, 3, 2, 4);
    EXPECT(moru_einsum("...j,j->...", (moru_node *[]){x, y}, 2), S(2), 210, 430);
    EXPECT(moru_einsum(" ... i j , ... j -> ... i ", (moru_node *[]){z, REALS(S(1, 2), 5, 6)}, 2), S(1, 2), 5, 6);
    REFUSED(moru_einsum("ii->i", (moru_node *[]){real(S(2, 2))}, 1), MORU_ERR_ARGUMENT, "einsum \"ii->i\"|twice");
    REFUSED(moru_einsum("ij->ik", (moru_node *[]){real(S(2, 2))}, 1), MORU_ERR_ARGUMENT, "no operand has");
    REFUSED(moru_einsum("ij->i", (moru_node *[]){real(S(2))}, 1), MORU_ERR_ARGUMENT, "another number of axes");
    REFUSED(moru_einsum("ij,j->i", (moru_node *[]){real(S(2, 2))}, 1), MORU_ERR_ARGUMENT, "another number of operands");
    REFUSED(moru_einsum("i1->i", (moru_node *[]){real(S(2, 2))}, 1), MORU_ERR_ARGUMENT, "isn't a letter");
    REFUSED(moru_einsum("i.->i", (moru_node *[]){real(S(2, 2))}, 1), MORU_ERR_ARGUMENT, "point");
    REFUSED(moru_einsum("ij,jk->ik", (moru_node *[]){real(S(2, 3)), real(S(2, 3))}, 2), MORU_ERR_SHAPE, "[2,3]");
}
END_TEST

START_TEST(activations_made_of_others)
{
    moru_node *x = REALS(S(1, 4), 0.5, 0.6, -1, 0.1);
    EXPECT(moru_sparsemax(x, 1), S(1, 4), 0.4333333333, 0.5333333333, 0, 0.0333333333);
    EXPECT(moru_glu(REALS(S(1, 4), 2, 3, 0, -1000), -1), S(1, 2), 1, 0);
    EXPECT(moru_threshold(x, 0.1, 7), S(1, 4), 0.5, 0.6, 7, 7);
    EXPECT(moru_soft_shrink(x, 0.3), S(1, 4), 0.2, 0.3, -0.7, 0);
    EXPECT(moru_hard_shrink(x, 0.5), S(1, 4), 0, 0.6, -1, 0);
    EXPECT(moru_celu(x, 2), S(1, 4), 0.5, 0.6, 2 * expm1(-0.5), 0.1);
    EXPECT(moru_squareplus(REALS(S(1), 1.5), 4), S(1), 2);
    REFUSED(moru_glu(real(S(1, 3)), 1), MORU_ERR_SHAPE, "glu|even");
    REFUSED(moru_sparsemax(real(S(1, 3)), 2), MORU_ERR_SHAPE, "sparsemax|axis 2");
}
END_TEST

START_TEST(any_number_of_threads)
{
    moru_node *x = noise(S(3, 41, 37, 5)), *wide = noise(S(1, 9, 700, 9));
    moru_node *y = moru_resize2d(x, 97, 53, MORU_LANCZOS3, true), *z = moru_resize2d(wide, 17, 300, MORU_BICUBIC, true);
    same_bits(y);
    same_bits(gradient(moru_square(y), x));
    same_bits(z);
    same_bits(gradient(moru_square(z), wide));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops along an axis");
    TCase *tests = tcase_create("axis");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, resizing);
    tcase_add_test(tests, resizing_refused);
    tcase_add_test(tests, open_sizes);
    tcase_add_test(tests, adaptive_means);
    tcase_add_test(tests, padding_modes);
    tcase_add_test(tests, elements_along_an_axis);
    tcase_add_test(tests, order_along_an_axis);
    tcase_add_test(tests, sums_and_products_along_an_axis);
    tcase_add_test(tests, parts_of_matrices);
    tcase_add_test(tests, groups_and_largest);
    tcase_add_test(tests, einsum_by_definition);
    tcase_add_test(tests, einsum_otherwise);
    tcase_add_test(tests, activations_made_of_others);
    tcase_add_test(tests, any_number_of_threads);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
