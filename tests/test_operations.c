/* keras.ops in functional models: what is wrong with their options and arguments is said. That what is right gives
 * Keras's numbers is shown by the fixtures operations_*. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moru/formats.h>
#include <moru/model.h>

#define TENSOR(name) "{\"class_name\":\"__keras_tensor__\",\"config\":{\"keras_history\":[\"" name "\",0,0]}}"
#define INPUT(name, shape) "{\"class_name\":\"InputLayer\",\"name\":\"" name "\",\"config\":{\"name\":\"" name \
    "\",\"batch_shape\":[null," shape "]},\"inbound_nodes\":[]}"

typedef struct fault { const char *class_name, *config, *args, *text; } fault;

static const fault faults[] = {
    {"GetItem", "", TENSOR("x") ",0", "it takes one sample of the batch"},
    {"GetItem", "", TENSOR("x") ",[{\"class_name\":\"__slice__\",\"config\":{\"start\":1}}]", "some samples of the batch"},
    {"GetItem", "", TENSOR("x") ",[{\"class_name\":\"__ellipsis__\"},6]", "element 6 of 6"},
    {"GetItem", "", TENSOR("x") ",[null,{\"class_name\":\"__ellipsis__\"},1,1,1,1]", "too few"},
    {"GetItem", "", TENSOR("x") ",[{\"class_name\":\"__ellipsis__\"},\"a\"]", "neither a number nor a slice"},
    {"GetItem", "", TENSOR("x") "," TENSOR("x"), "it takes 1 input, not 2"},
    {"Sum", ",\"axis\":3", TENSOR("x"), "axis 3 doesn't exist"},
    {"Sum", ",\"axis\":\"one\"", TENSOR("x"), "must be an integer"},
    {"Argmax", ",\"axis\":null", TENSOR("x"), "needs one axis"},
    {"Norm", ",\"ord\":\"nuc\",\"axis\":[1,2]", TENSOR("x"), "ord \"nuc\""},
    {"Reshape", ",\"newshape\":\"flat\"", TENSOR("x"), "newshape must be an integer"},
    {"Transpose", ",\"axes\":[0,1]", TENSOR("x"), "2 axes for 3 dimensions"},
    {"ExpandDims", ",\"axis\":7", TENSOR("x"), "axis 7 of 4"},
    {"Squeeze", ",\"axis\":1", TENSOR("x"), "op"},
    {"Swapaxes", ",\"axis1\":[0,1],\"axis2\":2", TENSOR("x"), "2 axes to 1 places"},
    {"Roll", ",\"shift\":1,\"axis\":null", TENSOR("x"), "1 shifts along 0 axes"},
    {"Repeat", ",\"repeats\":1000,\"axis\":1", TENSOR("x"), "up to 256"},
    {"Tile", ",\"repeats\":0", TENSOR("x"), "0 copies"},
    {"Pad", ",\"pad_width\":1,\"mode\":\"odd\"", TENSOR("x"), "mode \"odd\""},
    {"Pad", ",\"pad_width\":[[0,0],[1,\"a\"]],\"mode\":\"constant\"", TENSOR("x"), "pad_width"},
    {"Split", ",\"indices_or_sections\":5,\"axis\":1", TENSOR("x"), "4 elements in 5 equal parts"},
    {"Split", ",\"indices_or_sections\":[1,\"b\"],\"axis\":1", TENSOR("x"), "indices_or_sections"},
    {"Split", ",\"indices_or_sections\":2,\"axis\":4", TENSOR("x"), "axis 4 doesn't exist"},
    {"Take", ",\"axis\":null", TENSOR("x") ",[0]", "needs an axis"},
    {"Cast", ",\"dtype\":\"string\"", TENSOR("x"), "dtype \"string\""},
    {"OneHot", ",\"num_classes\":3,\"axis\":0", TENSOR("x"), "only the last one"},
    {"Dot", "", TENSOR("x") "," TENSOR("x"), "a second value of 3 dimensions"},
    {"Matmul", "", TENSOR("x") ",[[1.0,2.0],[3.0]]", "rows have different lengths"},
    {"Matmul", "", TENSOR("x"), "it takes 2 inputs, not 1"},
    {"Where", "", TENSOR("x") ",1.0,\"a\"", "argument x2"},
    {"TopK", ",\"k\":7,\"sorted\":true", TENSOR("x"), "the 7 largest of 6"},
    {"Median", ",\"axis\":null", TENSOR("x"), "needs one axis"},
    {"Diagonal", ",\"offset\":0,\"axis1\":1,\"axis2\":-2", TENSOR("x"), "no matrices in axes 1 and -2"},
    {"Trace", ",\"offset\":0,\"axis1\":0,\"axis2\":1", TENSOR("x"), "known size"},
    {"Cumsum", ",\"axis\":3", TENSOR("x"), "axis 3"},
    {"Sort", ",\"axis\":99999999999", TENSOR("x"), "axis"},
    {"TakeAlongAxis", ",\"axis\":1", TENSOR("x") ",[[0,1]]", "don't fit"},
    {"Tensordot", ",\"axes\":[[1,2],[1]]", TENSOR("x") "," TENSOR("x"), "axes [[1,2],[1]]"},
    {"Tensordot", ",\"axes\":1", TENSOR("x") "," TENSOR("x"), "tensordot"},
    {"Einsum", ",\"subscripts\":null", TENSOR("x"), "no subscripts"},
    {"Cross", ",\"axis\":1", TENSOR("x") "," TENSOR("x"), "doesn't hold 3"},
    {"DepthToSpace", ",\"block_size\":2", TENSOR("x"), "pictures of known size"},
    {"RGBToGrayscale", ",\"data_format\":\"channels_first\"", TENSOR("x"), "channels last"},
    {"Normalize", ",\"axis\":null", TENSOR("x"), "needs an axis"},
    {"LayerNorm", ",\"axis\":3", TENSOR("x"), "axis 3 doesn't exist"},
    {"Wobble", "", TENSOR("x"), "layer Wobble"},
    {"Mean", ",\"axis\":1,\"odd\":3", TENSOR("x"), "option odd"},
};

static moru_status read_operation(const fault *f, moru_model **model)
{
    char json[4000];
    snprintf(json, sizeof json,
             "{\"class_name\":\"Functional\",\"config\":{\"name\":\"m\",\"layers\":[" INPUT("x", "4,6")
             ",{\"class_name\":\"%s\",\"module\":\"keras.src.ops.numpy\",\"name\":\"op\",\"config\":{\"name\":\"op\"%s},"
             "\"inbound_nodes\":[{\"args\":[%s],\"kwargs\":{}}]}],"
             "\"input_layers\":[\"x\",0,0],\"output_layers\":[\"op\",0,0]}}", f->class_name, f->config, f->args);
    return moru_model_from_json(model, json, "model");
}

START_TEST(test_faults)
{
    const fault *f = &faults[_i];
    moru_model *model = NULL;
    ck_assert_msg(read_operation(f, &model) != MORU_OK, "%s%s is taken", f->class_name, f->config);
    ck_assert_msg(strstr(moru_last_error(), f->text) != NULL, "%s: \"%s\" isn't in: %s", f->class_name, f->text,
                  moru_last_error());
    ck_assert_ptr_null(model);
}
END_TEST

/* The last axis of the result, as a sign of what was done. */
START_TEST(test_shapes)
{
    static const struct { fault f; int rank; int64_t last; } cases[] = {
        {{"GetItem", "", TENSOR("x") ",[{\"class_name\":\"__ellipsis__\"},-1]", NULL}, 2, 4},
        {{"Sum", ",\"axis\":[],\"keepdims\":false", TENSOR("x"), NULL}, 3, 6},
        {{"Transpose", ",\"axes\":[0,2,1]", TENSOR("x"), NULL}, 3, 4},
        {{"Squeeze", ",\"axis\":null", TENSOR("x"), NULL}, 3, 6},
        {{"Tile", ",\"repeats\":3", TENSOR("x"), NULL}, 3, 18},
        {{"BroadcastTo", ",\"shape\":[2,null,null,6]", TENSOR("x"), NULL}, 4, 6},
        {{"Pad", ",\"pad_width\":[[0,0],[1,2],[3,0]],\"mode\":\"reflect\"", TENSOR("x"), NULL}, 3, 9},
        {{"TopK", ",\"k\":2,\"sorted\":true", TENSOR("x"), NULL}, 3, 2},
        {{"Median", ",\"axis\":-1,\"keepdims\":true", TENSOR("x"), NULL}, 3, 1},
        {{"Einsum", ",\"subscripts\":\"bij,bkj->bik\"", TENSOR("x") "," TENSOR("x"), NULL}, 3, 4},
        {{"Take", ",\"axis\":-1", TENSOR("x") ",[[1,2],[3,4]]", NULL}, 4, 2},
        {{"Matmul", "", TENSOR("x") ",{\"class_name\":\"__numpy__\",\"config\":{\"value\":[[1],[1],[1],[1],[1],[1]],"
                    "\"dtype\":\"float32\"}}", NULL}, 3, 1},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        moru_model *model, *again;
        ck_assert_msg(read_operation(&cases[k].f, &model) == MORU_OK, "%s: %s", cases[k].f.class_name, moru_last_error());
        const moru_shape *shape = moru_node_shape(moru_model_output_at(model, 0));
        ck_assert_int_eq(shape->rank, cases[k].rank);
        ck_assert_int_eq(shape->dims[shape->rank - 1], cases[k].last);
        char *json = moru_model_to_json(model), *twice;
        ck_assert_msg(moru_model_from_json(&again, json, NULL) == MORU_OK, "%s", moru_last_error());
        twice = moru_model_to_json(again);
        ck_assert_str_eq(json, twice);
        free(json);
        free(twice);
        moru_model_free(model);
        moru_model_free(again);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operations");
    TCase *tests = tcase_create("operations");
    tcase_add_loop_test(tests, test_faults, 0, sizeof faults / sizeof *faults);
    tcase_add_test(tests, test_shapes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
