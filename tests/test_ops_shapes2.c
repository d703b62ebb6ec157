/* Shape rules: what each builder refuses and how it says so; symbolic sizes, known only when a program is compiled. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru.h>

static moru_graph *g;

static void setup(void)
{
    g = moru_graph_new();
}

static void teardown(void)
{
    moru_graph_free(g);
}

#define S(...) MORU_SHAPE(__VA_ARGS__)

static moru_node *real(moru_shape shape)
{
    return moru_placeholder(g, "x", MORU_REAL, shape);
}

static moru_node *integer(moru_shape shape)
{
    return moru_placeholder(g, "i", MORU_INT32, shape);
}

static moru_node *scalar(void)
{
    return moru_scalar(g, 1);
}

/* y has failed as told, and the graph can be used for the next one. */
static void refused(moru_node *y, moru_status status, const char *words, int line)
{
    ck_assert_msg(moru_graph_status(g) == status, "line %d: status %s, \"%s\"", line,
                  moru_status_name(moru_graph_status(g)), moru_graph_error(g));
    for (const char *word = words; *word; word += strcspn(word, "|"), word += *word == '|') {
        char part[96];
        snprintf(part, sizeof part, "%.*s", (int)strcspn(word, "|"), word);
        ck_assert_msg(strstr(moru_graph_error(g), part), "line %d: \"%s\" lacks \"%s\"", line, moru_graph_error(g),
                      part);
    }
    ck_assert_ptr_eq(moru_identity(y), y); /* what is built on it is inert */
    teardown();
    setup();
}
#define REFUSED(y, status, words) refused((y), (status), (words), __LINE__)

static void has_shape(moru_node *y, moru_shape want, int line)
{
    char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
    ck_assert_msg(moru_graph_status(g) == MORU_OK, "line %d: %s", line, moru_graph_error(g));
    ck_assert_msg(moru_shape_equal(moru_node_shape(y), &want), "line %d: %s, not %s", line,
                  moru_shape_print(moru_node_shape(y), a, sizeof a), moru_shape_print(&want, b, sizeof b));
}
#define HAS_SHAPE(y, ...) has_shape((y), S(__VA_ARGS__), __LINE__)

/* ---- refusals ---- */

START_TEST(test_reshape)
{
    REFUSED(moru_reshape(real(S(2, 3)), (int64_t[]){4, 2}, 2), MORU_ERR_SHAPE, "reshape \"|[2,3]|[4,2]|6|8");
    REFUSED(moru_reshape(real(S(2, 3)), (int64_t[]){4, -1}, 2), MORU_ERR_SHAPE, "[2,3]|[4,?]|no multiple of 4");
    REFUSED(moru_reshape(real(S(2, 3)), (int64_t[]){-1, -1}, 2), MORU_ERR_SHAPE, "[2,3]|only one size");
    REFUSED(moru_reshape(real(S(0, 3)), (int64_t[]){0, -1}, 2), MORU_ERR_SHAPE, "size of 0");
    REFUSED(moru_reshape(real(S(2)), (int64_t[]){0}, 9), MORU_ERR_ARGUMENT, "not 9");
    REFUSED(moru_reshape(real(S(2)), NULL, 2), MORU_ERR_ARGUMENT, "reshape");
    REFUSED(moru_reshape(real(S(2)), (int64_t[]){INT64_MAX, INT64_MAX}, 2), MORU_ERR_MEMORY, "can be counted");
    REFUSED(moru_reshape_like(real(S(2, 3)), real(S(7))), MORU_ERR_SHAPE, "reshape_like|[2,3]|[7]");
    REFUSED(moru_flatten_from(real(S(2, 3)), 3), MORU_ERR_SHAPE, "flatten_from|axis 3|[2,3]");
    REFUSED(moru_expand_dims(real(S(2, 3)), 3), MORU_ERR_SHAPE, "expand_dims|axis 3|[2,3]");
    REFUSED(moru_expand_dims(real(S(2, 3)), -4), MORU_ERR_SHAPE, "axis -4");
    REFUSED(moru_expand_dims(real(S(1, 1, 1, 1, 1, 1, 1, 1)), 0), MORU_ERR_SHAPE, "8 axes");
    REFUSED(moru_squeeze(real(S(2, 3)), 1), MORU_ERR_SHAPE, "squeeze|[2,3]|size 3, not 1");
    REFUSED(moru_squeeze(real(S(2, 1)), 2), MORU_ERR_SHAPE, "axis 2");
    ck_assert_ptr_null(moru_reshape(NULL, (int64_t[]){1}, 1));
}
END_TEST

START_TEST(test_moving)
{
    REFUSED(moru_transpose(real(S(2, 3)), (int[]){0, 0}), MORU_ERR_ARGUMENT, "transpose|[2,3]|axis 0 twice");
    REFUSED(moru_transpose(real(S(2, 3)), (int[]){0, 2}), MORU_ERR_ARGUMENT, "axis 2 which");
    REFUSED(moru_broadcast_to(real(S(2, 3)), (int64_t[]){3, 2}, 2), MORU_ERR_SHAPE, "broadcast_to|[2,3]|[3,2]");
    REFUSED(moru_broadcast_to(real(S(2, 3)), (int64_t[]){3}, 1), MORU_ERR_SHAPE, "[2,3]|[3]");
    REFUSED(moru_broadcast_to(real(S(1)), (int64_t[]){-1}, 1), MORU_ERR_ARGUMENT, "negative");
    REFUSED(moru_broadcast_to(real(S(1)), (int64_t[]){1}, -1), MORU_ERR_ARGUMENT, "not -1");
    REFUSED(moru_broadcast_like(real(S(2, 3)), real(S(3, 2))), MORU_ERR_SHAPE, "broadcast_like|[2,3]|[3,2]");
    REFUSED(moru_slice(real(S(2, 3)), 2, 0, 1, 1), MORU_ERR_SHAPE, "slice|axis 2|[2,3]");
    REFUSED(moru_slice(real(S(2, 3)), 1, 0, 1, 0), MORU_ERR_ARGUMENT, "step of 0|[2,3]");
    REFUSED(moru_pad(real(S(2, 3)), (int64_t[]){0, -1}, (int64_t[]){0, 0}, 0), MORU_ERR_ARGUMENT, "pad|[2,3]|-1");
    REFUSED(moru_pad(real(S(2)), (int64_t[]){INT64_MAX}, (int64_t[]){0}, 0), MORU_ERR_MEMORY, "[2]");
    REFUSED(moru_pad(real(S(2)), NULL, (int64_t[]){0}, 0), MORU_ERR_ARGUMENT, "widths");
    REFUSED(moru_pad(integer(S(2)), (int64_t[]){1}, (int64_t[]){1}, 0.5), MORU_ERR_ARGUMENT, "int32|0.5");
    REFUSED(moru_pad(integer(S(2)), (int64_t[]){1}, (int64_t[]){1}, NAN), MORU_ERR_ARGUMENT, "int32");
    REFUSED(moru_cast(real(S(2)), (moru_dtype)7), MORU_ERR_ARGUMENT, "cast|data type 7");
}
END_TEST

START_TEST(test_joining)
{
    moru_node *x = real(S(2, 3));
    REFUSED(moru_concat((moru_node *[]){x, real(S(2, 4))}, 2, 0), MORU_ERR_SHAPE, "concat|[2,3]|[2,4]|part 1|axis 0");
    x = real(S(2, 3));
    REFUSED(moru_concat((moru_node *[]){x, real(S(2, 3, 1))}, 2, 0), MORU_ERR_SHAPE, "[2,3]|[2,3,1]");
    x = real(S(2, 3));
    REFUSED(moru_concat((moru_node *[]){x, integer(S(2, 3))}, 2, 0), MORU_ERR_SHAPE, "int32");
    x = real(S(2, 3));
    REFUSED(moru_concat(&x, 1, 2), MORU_ERR_SHAPE, "axis 2|[2,3]");
    x = scalar();
    REFUSED(moru_concat(&x, 1, 0), MORU_ERR_SHAPE, "axis 0");
    x = real(S(2, 3));
    REFUSED(moru_concat((moru_node *[]){x, NULL}, 2, 0), MORU_ERR_ARGUMENT, "operand 1 is missing");
    x = real(S(2, 3));
    REFUSED(moru_stack((moru_node *[]){x, real(S(2, 4))}, 2, 0), MORU_ERR_SHAPE, "stack|[2,3]|[2,4]|part 1");
    x = real(S(2, 3));
    REFUSED(moru_stack(&x, 1, 4), MORU_ERR_SHAPE, "axis 4");
    ck_assert_ptr_null(moru_concat(NULL, 0, 0));
    ck_assert_ptr_null(moru_stack(NULL, 0, 0));
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "nothing to join"));
}
END_TEST

START_TEST(test_indexing)
{
    REFUSED(moru_gather(real(S(2, 3)), real(S(2)), 0), MORU_ERR_SHAPE, "gather|input 1|[2]|int32");
    REFUSED(moru_gather(real(S(2, 3)), integer(S(2)), 2), MORU_ERR_SHAPE, "axis 2|[2,3]");
    REFUSED(moru_gather(real(S(1, 1, 1, 1, 1, 1, 1, 1)), integer(S(2, 2)), 0), MORU_ERR_SHAPE, "[2,2]|8 axes");
    REFUSED(moru_embedding_op(real(S(2, 3, 4)), integer(S(2))), MORU_ERR_SHAPE, "embedding|[2,3,4]|[vocabulary,width]");
    REFUSED(moru_embedding_op(real(S(2, 3)), real(S(2))), MORU_ERR_SHAPE, "input 1|int32");
    REFUSED(moru_embedding_op(integer(S(2, 3)), integer(S(2))), MORU_ERR_SHAPE, "input 0");
    REFUSED(moru_one_hot(real(S(2)), 3), MORU_ERR_SHAPE, "one_hot|int32");
    REFUSED(moru_one_hot(integer(S(2)), -1), MORU_ERR_ARGUMENT, "depth of -1");
    REFUSED(moru_one_hot(integer(S(1, 1, 1, 1, 1, 1, 1, 1)), 2), MORU_ERR_SHAPE, "8 axes");
}
END_TEST

START_TEST(test_matmul)
{
    REFUSED(moru_matmul(real(S(32, 784)), real(S(512, 10))), MORU_ERR_SHAPE,
            "matmul|[32,784] x [512,10]: inner sizes 784 and 512 differ");
    REFUSED(moru_matmul_t(real(S(3, 4)), true, real(S(4, 5)), false), MORU_ERR_SHAPE, "[3,4]^T x [4,5]|3 and 4");
    REFUSED(moru_matmul_t(real(S(3, 4)), false, real(S(4, 5)), true), MORU_ERR_SHAPE, "[3,4] x [4,5]^T|4 and 5");
    REFUSED(moru_matmul(real(S(3)), real(S(4))), MORU_ERR_SHAPE, "[3] x [4]");
    REFUSED(moru_matmul(scalar(), real(S(4))), MORU_ERR_SHAPE, "scalar");
    REFUSED(moru_matmul_t(real(S(4)), true, real(S(4, 2)), false), MORU_ERR_SHAPE, "vector");
    REFUSED(moru_matmul(real(S(2, 3, 4)), real(S(3, 4, 5))), MORU_ERR_SHAPE, "[2,3,4] x [3,4,5]|batches [2] and [3]");
    REFUSED(moru_matmul(integer(S(3, 4)), real(S(4, 5))), MORU_ERR_SHAPE, "int32");
}
END_TEST

START_TEST(test_conv2d_transpose)
{
    moru_conv2d_transpose_attrs two = {.groups = 2}, stride = {.strides = {1, -2}}, groups = {.groups = -1};
    moru_conv2d_transpose_attrs more = {.strides = {2, 2}, .output_padding = {0, 2}}, cut = {.pads = {3, 3, 0, 0}};
    moru_conv2d_transpose_attrs less = {.pads = {0, 0, -1, 0}}, many = {.groups = INT32_MAX};
    REFUSED(moru_conv2d_transpose_op(real(S(4, 4, 3)), real(S(3, 3, 8, 3)), NULL), MORU_ERR_SHAPE,
            "conv2d_transpose|[4,4,3]|[n,h,w,c]");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8)), NULL), MORU_ERR_SHAPE,
            "[3,3,8]|[kh,kw,filters/groups,c]");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 3, 8)), NULL), MORU_ERR_SHAPE,
            "3 channels|for 8");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8, 3)), &two), MORU_ERR_SHAPE,
            "3 channels|2 groups");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8, 3)), &groups), MORU_ERR_ARGUMENT, "-1 groups");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 0)), real(S(3, 3, INT64_MAX / 2, 0)), &many), MORU_ERR_MEMORY,
            "groups");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(0, 3, 8, 3)), NULL), MORU_ERR_ARGUMENT,
            "size 0|height");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8, 3)), &stride), MORU_ERR_ARGUMENT,
            "stride -2|width");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8, 3)), &more), MORU_ERR_ARGUMENT,
            "output padding of 2|width");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8, 3)), &less), MORU_ERR_ARGUMENT, "width|-1 and 0");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8, 3)), &cut), MORU_ERR_SHAPE, "height|4 pixels");
    REFUSED(moru_conv2d_transpose_op(real(S(1, 4, 0, 3)), real(S(3, 3, 8, 3)), NULL), MORU_ERR_SHAPE, "width|0 pixels");
    REFUSED(moru_conv2d_transpose_op(integer(S(1, 4, 4, 3)), real(S(3, 3, 8, 3)), NULL), MORU_ERR_SHAPE, "int32");
}
END_TEST

START_TEST(test_conv2d)
{
    moru_conv2d_attrs two = {.groups = 2}, negative = {.strides = {-1, 1}}, what = {.padding = (moru_padding)5};
    moru_conv2d_attrs pads = {.padding = MORU_EXPLICIT, .pads = {0, -1, 0, 0}}, groups = {.groups = -1};
    REFUSED(moru_conv2d_op(real(S(4, 4, 3)), real(S(3, 3, 3, 8)), NULL), MORU_ERR_SHAPE, "conv2d|[4,4,3]|[n,h,w,c]");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 3)), real(S(3, 3, 8)), NULL), MORU_ERR_SHAPE,
            "[3,3,8]|[kh,kw,c/groups,filters]");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 3)), real(S(3, 3, 4, 8)), NULL), MORU_ERR_SHAPE,
            "[1,4,4,3]|[3,3,4,8]|3 channels|for 4");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 3)), real(S(3, 3, 1, 8)), &two), MORU_ERR_SHAPE, "3 channels|2 groups");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 4)), real(S(3, 3, 2, 7)), &two), MORU_ERR_SHAPE, "7 filters|2 groups");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 4)), real(S(3, 3, 2, 8)), &groups), MORU_ERR_ARGUMENT, "-1 groups");
    REFUSED(moru_conv2d_op(real(S(1, 2, 4, 3)), real(S(3, 3, 3, 8)), NULL), MORU_ERR_SHAPE, "window of 3|height of 2");
    REFUSED(moru_conv2d_op(real(S(1, 4, 2, 3)), real(S(3, 3, 3, 8)), NULL), MORU_ERR_SHAPE, "window of 3|width of 2");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 3)), real(S(0, 3, 3, 8)), NULL), MORU_ERR_ARGUMENT, "size 0|height");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 3)), real(S(3, 3, 3, 8)), &negative), MORU_ERR_ARGUMENT, "stride -1|height");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 3)), real(S(3, 3, 3, 8)), &what), MORU_ERR_ARGUMENT, "no padding 5");
    REFUSED(moru_conv2d_op(real(S(1, 4, 4, 3)), real(S(3, 3, 3, 8)), &pads), MORU_ERR_ARGUMENT, "height|0 and -1");
    REFUSED(moru_conv2d_op(integer(S(1, 4, 4, 3)), real(S(3, 3, 3, 8)), NULL), MORU_ERR_SHAPE, "int32");
}
END_TEST

START_TEST(test_pooling)
{
    moru_node *(*const pools[])(moru_node *x, const moru_pool2d_attrs *attrs) = {moru_max_pool2d, moru_avg_pool2d};
    moru_pool2d_attrs halves = {.size = {2, 2}}, wide = {.size = {2, 5}}, negative = {.size = {2, -2}};
    moru_pool2d_attrs pads = {.size = {2, 2}, .padding = MORU_EXPLICIT, .pads = {0, 0, 2, 0}};
    moru_pool2d_attrs bottom = {.size = {3, 2}, .padding = MORU_EXPLICIT, .pads = {2, 2, 0, 0}};
    for (int k = 0; k < 2; k++) {
        const char *name = k ? "avg_pool2d" : "max_pool2d";
        REFUSED(pools[k](real(S(4, 4, 3)), &halves), MORU_ERR_SHAPE, name);
        REFUSED(pools[k](real(S(1, 4, 4, 3)), &wide), MORU_ERR_SHAPE, "window of 5|width of 4");
        REFUSED(pools[k](real(S(1, 4, 4, 3)), &negative), MORU_ERR_ARGUMENT, "windows of 2,-2");
        REFUSED(pools[k](real(S(1, 4, 4, 3)), NULL), MORU_ERR_ARGUMENT, "windows of 0,0");
        REFUSED(pools[k](real(S(1, 4, 4, 3)), &pads), MORU_ERR_ARGUMENT, "2,2|padding alone");
        REFUSED(pools[k](real(S(1, 0, 4, 3)), &bottom), MORU_ERR_SHAPE, "nothing to pool");
        REFUSED(pools[k](integer(S(1, 4, 4, 3)), &halves), MORU_ERR_SHAPE, "int32");
    }
}
END_TEST

static moru_node *attend(moru_shape q, moru_shape k, moru_shape v, moru_shape mask, double scale)
{
    return moru_attention_op(real(q), real(k), real(v), mask.rank ? real(mask) : NULL, scale, false);
}

START_TEST(test_normalization)
{
    REFUSED(moru_batch_norm(real(S(2, 3)), real(S(2)), NULL, -1, 1e-3), MORU_ERR_SHAPE, "batch_norm|input 1|[2]|[2,3]");
    REFUSED(moru_batch_norm(real(S(2, 3)), NULL, real(S(3, 1)), -1, 1e-3), MORU_ERR_SHAPE, "input 1|[3,1]");
    REFUSED(moru_batch_norm(real(S(2, 3)), NULL, NULL, 2, 1e-3), MORU_ERR_SHAPE, "[2,3]|axis 2");
    REFUSED(moru_batch_norm(real(S(2, 3)), NULL, NULL, -3, 1e-3), MORU_ERR_SHAPE, "[2,3]|axis -1");
    REFUSED(moru_batch_norm(real(S(3)), NULL, NULL, -1, 1e-3), MORU_ERR_SHAPE, "[3]");
    REFUSED(moru_batch_norm(real(S(2, 3)), NULL, NULL, -1, -1), MORU_ERR_ARGUMENT, "epsilon of -1");
    REFUSED(moru_batch_norm(integer(S(2, 3)), NULL, NULL, -1, 1e-3), MORU_ERR_SHAPE, "int32");
    moru_node *mean = real(S(3));
    REFUSED(moru_batch_norm_inference(real(S(2, 3)), NULL, NULL, mean, real(S(4)), -1, 1e-3), MORU_ERR_SHAPE,
            "batch_norm_inference|input 2|[4]|[2,3]");
    mean = real(S(3));
    REFUSED(moru_batch_norm_inference(real(S(2, 3)), NULL, NULL, mean, NULL, -1, 1e-3), MORU_ERR_ARGUMENT, "missing");
    REFUSED(moru_layer_norm(real(S(2, 3)), real(S(2)), NULL, 1, 1e-3), MORU_ERR_SHAPE, "layer_norm|input 1|[2]|[2,3]");
    REFUSED(moru_layer_norm(real(S(2, 3)), NULL, real(S(3)), 2, 1e-3), MORU_ERR_SHAPE, "input 1|[3]|[2,3]");
    REFUSED(moru_layer_norm(real(S(2, 3)), NULL, NULL, 0, 1e-3), MORU_ERR_SHAPE, "[2,3]|0 last axes");
    REFUSED(moru_layer_norm(real(S(2, 3)), NULL, NULL, 3, 1e-3), MORU_ERR_SHAPE, "[2,3]|3 last axes");
    REFUSED(moru_layer_norm(real(S(2, 3)), NULL, NULL, 1, -1), MORU_ERR_ARGUMENT, "epsilon of -1");
    REFUSED(moru_layer_norm(integer(S(2, 3)), NULL, NULL, 1, 1e-3), MORU_ERR_SHAPE, "int32");
    moru_node *stats = moru_node_output(moru_layer_norm(real(S(5, 4, 3)), NULL, NULL, 2, 1e-3), 1);
    has_shape(stats, S(5), __LINE__);
    REFUSED(attend(S(2, 3, 4), S(2, 3, 1, 4), S(2, 3, 1, 4), S(), 1), MORU_ERR_SHAPE,
            "attention|[2,3,4]|[n,t,heads,dim]");
    REFUSED(attend(S(2, 3, 1, 4), S(2, 5, 1, 3), S(2, 5, 1, 4), S(), 1), MORU_ERR_SHAPE, "[2,3,1,4]|[2,5,1,3]");
    REFUSED(attend(S(2, 3, 1, 4), S(2, 5, 1, 4), S(2, 6, 1, 4), S(), 1), MORU_ERR_SHAPE, "[2,5,1,4]|[2,6,1,4]");
    REFUSED(attend(S(2, 3, 1, 4), S(2, 5, 2, 4), S(2, 5, 1, 4), S(), 1), MORU_ERR_SHAPE, "[2,5,2,4]");
    REFUSED(attend(S(2, 3, 1, 4), S(1, 5, 1, 4), S(2, 5, 1, 4), S(), 1), MORU_ERR_SHAPE, "[1,5,1,4]");
    REFUSED(attend(S(2, 3, 1, 4), S(2, 5, 1, 4), S(2, 5, 1, 4), S(3, 1), 1), MORU_ERR_SHAPE, "mask [3,1]|[2,1,3,5]");
    REFUSED(attend(S(2, 3, 1, 4), S(2, 5, 1, 4), S(2, 5, 1, 4), S(2, 5), 1), MORU_ERR_SHAPE, "mask [2,5]|[2,1,3,5]");
    REFUSED(attend(S(2, 3, 1, 4), S(2, 5, 1, 4), S(2, 5, 1, 4), S(), INFINITY), MORU_ERR_ARGUMENT, "scale of inf");
    moru_node *attended = attend(S(2, 3, 4, 6), S(2, 5, 4, 6), S(2, 5, 4, 7), S(2, 1, 1, 5), 1);
    has_shape(attended, S(2, 3, 4, 7), __LINE__);
    has_shape(moru_node_output(attended, 1), S(2, 4, 3), __LINE__);
    REFUSED(moru_causal_mask(real(S(3)), 0), MORU_ERR_SHAPE, "band_mask|[3]");
    REFUSED(moru_causal_mask(integer(S(3, 3)), 0), MORU_ERR_SHAPE, "int32");
    REFUSED(moru_dropout_op(real(S(2)), 1), MORU_ERR_ARGUMENT, "dropout|rate of 1");
    REFUSED(moru_dropout_op(real(S(2)), -0.1), MORU_ERR_ARGUMENT, "rate of -0.1");
    REFUSED(moru_dropout_op(real(S(2)), NAN), MORU_ERR_ARGUMENT, "rate");
    REFUSED(moru_dropout_op(integer(S(2)), 0.5), MORU_ERR_SHAPE, "int32");
    REFUSED(moru_random_uniform_op(g, S(2, -1), 0, 1), MORU_ERR_ARGUMENT, "random_uniform|[2,?]");
    REFUSED(moru_random_uniform_op(g, S(2), 0, INFINITY), MORU_ERR_ARGUMENT, "finite");
    REFUSED(moru_random_normal_op(g, (moru_shape){.rank = 9}, 0, 1), MORU_ERR_ARGUMENT, "random_normal|not 9");
    REFUSED(moru_random_normal_op(g, S(2), NAN, 1), MORU_ERR_ARGUMENT, "finite");
    ck_assert_ptr_null(moru_random_normal_op(NULL, S(2), 0, 1));
    ck_assert_ptr_null(moru_random_normal_like(NULL, 0, 1));
    ck_assert_ptr_null(moru_dropout_op(NULL, 0.5));
}
END_TEST

START_TEST(test_optimizers)
{
    moru_node *w = real(S(2, 3)), *m = real(S(2, 3)), *lr = scalar();
    REFUSED(moru_sgd_step(w, real(S(3)), NULL, lr, 0, false, 0), MORU_ERR_SHAPE, "sgd_step|gradient is [3]|[2,3]");
    w = real(S(2, 3)), lr = scalar();
    REFUSED(moru_sgd_step(w, w, real(S(3)), lr, 0.9, false, 0), MORU_ERR_SHAPE, "sgd_momentum_step|slot is [3]|[2,3]");
    w = real(S(2, 3));
    REFUSED(moru_sgd_step(w, w, NULL, real(S(1)), 0, false, 0), MORU_ERR_SHAPE, "input 2|[1]|scalar");
    w = real(S(2, 3)), lr = scalar();
    REFUSED(moru_adam_step(w, w, w, real(S(2)), lr, lr, 0.9, 0.999, 1e-7, 0), MORU_ERR_SHAPE, "adam_step|slot is [2]");
    w = real(S(2, 3)), m = real(S(2, 3)), lr = scalar();
    REFUSED(moru_adam_step(w, w, m, m, lr, w, 0.9, 0.999, 1e-7, 0), MORU_ERR_SHAPE, "input 5|[2,3]|scalar");
    w = real(S(2, 3)), lr = scalar();
    REFUSED(moru_adam_step(w, w, w, NULL, lr, lr, 0.9, 0.999, 1e-7, 0), MORU_ERR_ARGUMENT, "missing");
    w = real(S(2, 3)), lr = scalar();
    REFUSED(moru_adagrad_step(w, integer(S(2, 3)), w, lr, 1e-7, 0), MORU_ERR_SHAPE, "adagrad_step|int32");
    w = real(S(2, 3)), lr = scalar();
    REFUSED(moru_rmsprop_step(w, w, real(S(1)), NULL, NULL, lr, 0.9, 0, 1e-7, 0), MORU_ERR_SHAPE,
            "rmsprop_step|slot is [1]");
    w = real(S(2, 3)), lr = scalar();
    REFUSED(moru_rmsprop_step(w, w, w, w, real(S(6)), lr, 0.9, 0.9, 1e-7, 0), MORU_ERR_SHAPE,
            "rmsprop_centered_momentum_step|slot is [6]");
}
END_TEST

/* ---- symbolic sizes ---- */

START_TEST(test_symbols_in_shapes)
{
    int64_t b = moru_symbol(g, "batch"), t = moru_symbol(g, "time");
    moru_node *x = real(S(b, 4, 6)), *y = real(S(b, t, 6));
    HAS_SHAPE(moru_reshape(x, (int64_t[]){b, -1}, 2), b, 24);
    HAS_SHAPE(moru_reshape(x, (int64_t[]){-1, 24}, 2), b, 24);
    HAS_SHAPE(moru_reshape(x, (int64_t[]){24, b}, 2), 24, b);
    HAS_SHAPE(moru_reshape(y, (int64_t[]){t, -1, 2, 3}, 4), t, b, 2, 3);
    HAS_SHAPE(moru_flatten_from(x, 1), b, 24);
    HAS_SHAPE(moru_reshape_like(moru_flatten_from(y, 0), y), b, t, 6);
    HAS_SHAPE(moru_transpose(y, (int[]){2, 1, 0}), 6, t, b);
    HAS_SHAPE(moru_slice(y, 1, 0, MORU_SLICE_END, 1), b, t, 6);
    HAS_SHAPE(moru_slice(y, 2, 0, 3, 1), b, t, 3);
    HAS_SHAPE(moru_expand_dims(y, 1), b, 1, t, 6);
    HAS_SHAPE(moru_pad(y, (int64_t[]){0, 0, 1}, (int64_t[]){0, 0, 1}, 0), b, t, 8);
    HAS_SHAPE(moru_concat((moru_node *[]){y, y}, 2, 2), b, t, 12);
    HAS_SHAPE(moru_gather(y, integer(S(3)), 2), b, t, 3);
    HAS_SHAPE(moru_broadcast_to(real(S(b, 1)), (int64_t[]){2, b, 5}, 3), 2, b, 5);
    HAS_SHAPE(moru_matmul(y, real(S(6, 5))), b, t, 5);
    HAS_SHAPE(moru_conv2d_op(real(S(b, 8, 8, 3)), real(S(3, 3, 3, 4)), NULL), b, 6, 6, 4);
    HAS_SHAPE(moru_conv2d_transpose_op(real(S(b, 6, 6, 4)), real(S(3, 3, 3, 4)), NULL), b, 8, 8, 3);
    HAS_SHAPE(moru_conv2d_op(real(S(b, t, t, 3)), real(S(3, 3, 3, 4)), &(moru_conv2d_attrs){.padding = MORU_SAME}), b,
              t, t,
              4);
    HAS_SHAPE(moru_max_pool2d(real(S(b, 8, 6, 3)), &(moru_pool2d_attrs){.size = {2, 2}}), b, 4, 3, 3);
    HAS_SHAPE(moru_node_output(moru_batch_norm(y, NULL, NULL, -1, 1e-3), 1), 6);
    HAS_SHAPE(moru_random_normal_like(y, 0, 1), b, t, 6);
    /* sizes that can't be named get a symbol of their own */
    ck_assert_int_lt(moru_node_shape(moru_flatten_from(y, 0))->dims[0], -1);
    ck_assert_int_lt(moru_node_shape(moru_slice(y, 1, 1, MORU_SLICE_END, 1))->dims[1], -1);
    ck_assert_int_lt(moru_node_shape(moru_concat((moru_node *[]){y, y}, 2, 1))->dims[1], -1);
    ck_assert_int_eq(moru_graph_status(g), MORU_OK);
    REFUSED(moru_reshape(real(S(moru_symbol(g, "b"), 4)), (int64_t[]){-1, -1}, 2), MORU_ERR_SHAPE, "[?,4]|only one");
    REFUSED(moru_broadcast_to(real(S(1, 4)), (int64_t[]){moru_symbol(g, "b"), 4}, 2), MORU_ERR_ARGUMENT,
            "broadcast_like");
    REFUSED(moru_random_normal_op(g, S(moru_symbol(g, "b"), 4), 0, 1), MORU_ERR_ARGUMENT, "_like");
}
END_TEST

/* Status of compiling y for one input of the given shape; on success the output's shape. */
static moru_status compiled(moru_node *x, moru_node *y, moru_shape shape, moru_shape *result)
{
    moru_program *program = NULL;
    moru_program_options options = {.inputs = &x, .input_shapes = &shape, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
    ck_assert_msg(moru_graph_status(g) == MORU_OK, "%s", moru_graph_error(g));
    moru_status status = moru_program_new(&program, &options);
    if (status == MORU_OK)
        *result = *moru_tensor_shape(moru_program_output(program, 0));
    moru_program_free(program);
    return status;
}

#define COMPILES(x, y, shape, ...) \
    do { \
        moru_shape result_ = {0}; \
        ck_assert_msg(compiled((x), (y), (shape), &result_) == MORU_OK, "%s", moru_last_error()); \
        ck_assert_msg(moru_shape_equal(&result_, &S(__VA_ARGS__)), "line %d: another shape", __LINE__); \
    } while (0)
#define DOES_NOT_COMPILE(x, y, shape, words) \
    do { \
        moru_shape result_; \
        ck_assert_int_eq(compiled((x), (y), (shape), &result_), MORU_ERR_SHAPE); \
        ck_assert_msg(strstr(moru_last_error(), (words)), "line %d: %s", __LINE__, moru_last_error()); \
    } while (0)

START_TEST(test_symbols_compiled)
{
    int64_t b = moru_symbol(g, "batch"), t = moru_symbol(g, "time");
    moru_node *x = real(S(b, t, 6)), *y;
    y = moru_reshape(x, (int64_t[]){b, -1}, 2);
    COMPILES(x, y, S(3, 4, 6), 3, 24);
    COMPILES(x, y, S(1, 7, 6), 1, 42);
    y = moru_reshape(moru_flatten_from(x, 0), (int64_t[]){-1, 4}, 2);
    COMPILES(x, y, S(2, 2, 6), 6, 4);
    DOES_NOT_COMPILE(x, y, S(1, 1, 6), "no multiple of 4");
    y = moru_squeeze(x, 1);
    COMPILES(x, y, S(5, 1, 6), 5, 6);
    DOES_NOT_COMPILE(x, y, S(5, 2, 6), "size 2, not 1");
    y = moru_slice(x, 1, 1, -1, 1);
    COMPILES(x, y, S(2, 5, 6), 2, 3, 6);
    COMPILES(x, y, S(2, 1, 6), 2, 0, 6);
    y = moru_broadcast_to(x, (int64_t[]){2, b, t, 6}, 4);
    COMPILES(x, y, S(3, 4, 6), 2, 3, 4, 6);
    y = moru_matmul_t(x, false, x, true);
    COMPILES(x, y, S(2, 3, 6), 2, 3, 3);
    y = moru_concat((moru_node *[]){x, moru_slice(x, 1, 1, MORU_SLICE_END, 1)}, 2, 2);
    DOES_NOT_COMPILE(x, y, S(2, 3, 6), "[2,2,6]");
    y = moru_concat((moru_node *[]){x, moru_slice(x, 1, 1, MORU_SLICE_END, 1)}, 2, 1);
    COMPILES(x, y, S(2, 3, 6), 2, 5, 6);
}
END_TEST

/* Gradients where sizes are open, those of windows included, come out in the shape of the input. */
START_TEST(test_symbols_in_gradients)
{
    int64_t b = moru_symbol(g, "batch"), h = moru_symbol(g, "height"), w = moru_symbol(g, "width");
    moru_node *x = real(S(b, h, w, 2)), *weight = moru_variable(g, "w", S(3, 3, 2, 2)), *grads[2];
    moru_node *y = moru_conv2d_op(x, weight, &(moru_conv2d_attrs){.strides = {2, 2}});
    y = moru_max_pool2d(y, &(moru_pool2d_attrs){.size = {2, 2}, .strides = {1, 1}});
    y = moru_pad(moru_slice(y, 1, 0, -1, 1), (int64_t[]){0, 1, 0, 0}, (int64_t[]){0, 0, 0, 0}, 0);
    y = moru_concat((moru_node *[]){y, y, moru_slice(y, 1, 1, MORU_SLICE_END, 2)}, 3, 1);
    y = moru_batch_norm(moru_dropout_op(moru_flatten_from(moru_transpose(y, NULL), 2), 0.5), NULL, NULL, 0, 1e-3);
    ck_assert_msg(moru_gradients(y, (moru_node *[]){x, weight}, 2, grads) == MORU_OK, "%s", moru_last_error());
    HAS_SHAPE(grads[0], b, h, w, 2);
    HAS_SHAPE(grads[1], 3, 3, 2, 2);
    COMPILES(x, grads[0], S(2, 11, 9, 2), 2, 11, 9, 2);
    moru_node *again;
    ck_assert_msg(moru_gradients(moru_square(grads[1]), &x, 1, &again) == MORU_OK, "%s", moru_last_error());
    COMPILES(x, again, S(2, 9, 11, 2), 2, 9, 11, 2);
    DOES_NOT_COMPILE(x, y, S(1, 3, 9, 2), "doesn't fit into the height of 1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops_shapes2");
    TCase *tests = tcase_create("shapes");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_reshape);
    tcase_add_test(tests, test_moving);
    tcase_add_test(tests, test_joining);
    tcase_add_test(tests, test_indexing);
    tcase_add_test(tests, test_matmul);
    tcase_add_test(tests, test_conv2d);
    tcase_add_test(tests, test_conv2d_transpose);
    tcase_add_test(tests, test_pooling);
    tcase_add_test(tests, test_normalization);
    tcase_add_test(tests, test_optimizers);
    tcase_add_test(tests, test_symbols_in_shapes);
    tcase_add_test(tests, test_symbols_compiled);
    tcase_add_test(tests, test_symbols_in_gradients);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int wrong = srunner_ntests_failed(runner);
    srunner_free(runner);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
