/* Keras files that are damaged, don't fit, or say what can't be done: each ends in a status and a sentence, and leaves
 * models as they were. */
#include <hdf5.h>
#include <zip.h>

#include "formats/keras.h"
#include "tests/format_test.h"

static moru_model *small_model(int64_t units)
{
    moru_model *m = moru_sequential("small", moru_input(6, 6, 1),
                                    moru_conv2d(.filters = 2, .kernel_size = {3, 3}, .activation = "relu"),
                                    moru_batch_normalization(), moru_flatten(), moru_dense(.units = units));
    ck_assert_msg(moru_model_status(m) == MORU_OK, "%s", moru_model_error(m));
    OK(moru_compile(m, .optimizer = moru_adam(), .loss = "mse"));
    scramble(m, 1);
    m->training->iteration = 7;
    for (int k = 0; k < m->training->n_slots; k++)
        *(moru_real *)moru_tensor_data(m->training->slots[k]) = (moru_real)(k + 1);
    return m;
}

static void put(const char *path, const void *data, int64_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert(file && fwrite(data, 1, (size_t)size, file) == (size_t)size && fclose(file) == 0);
}

/* ---- round trip ---- */

START_TEST(test_round_trip_of_state)
{
    const char *path = scratch("state.keras");
    moru_model *m = small_model(3), *again = NULL;
    OK(moru_save(m, path));
    OK(moru_load(&again, path));
    ck_assert_uint_eq(fingerprint(again), fingerprint(m));
    ck_assert_int_eq(again->training->iteration, 7);
    moru_model_free(again);
    /* a rate that was changed, and a schedule, which has no rate in the file */
    moru_optimizer_set_learning_rate(moru_model_optimizer(m), 0.25);
    OK(moru_save(m, path));
    OK(moru_load(&again, path));
    ck_assert_double_eq(moru_optimizer_learning_rate(moru_model_optimizer(again), 0), 0.25);
    moru_model_free(again);
    OK(moru_optimizer_set_schedule(moru_model_optimizer(m), "exponential_decay(0.1, 10, 0.5)"));
    OK(moru_save(m, path));
    OK(moru_load(&again, path));
    ck_assert_double_eq_tol(moru_optimizer_learning_rate(moru_model_optimizer(again), 10), 0.05, 1e-8);
    ck_assert_uint_eq(fingerprint(again), fingerprint(m));
    moru_model_free(again);
    moru_model_free(m);
    clean_scratch();
}
END_TEST

/* A model without an optimizer, and another optimizer's state: weights are read all the same. */
START_TEST(test_weights_without_state)
{
    const char *path = scratch("state.weights.h5");
    moru_model *m = small_model(3);
    OK(moru_save(m, path));
    moru_model *plain = moru_sequential("other", moru_input(6, 6, 1),
                                        moru_conv2d(.filters = 2, .kernel_size = {3, 3}, .name = "a"),
                                        moru_batch_normalization(.name = "b"), moru_flatten(),
                                        moru_dense(.units = 3, .name = "c"));
    OK(moru_load_weights(plain, path));
    assert_same_bits(plain->layers[4]->weights[0].tensor, m->layers[4]->weights[0].tensor);
    OK(moru_compile(plain, .optimizer = moru_sgd(.momentum = 0.9), .loss = "mse"));
    OK(moru_load_weights(plain, path));
    ck_assert_int_eq(plain->training->iteration, 0);
    moru_model_free(plain);
    moru_model_free(m);
    clean_scratch();
}
END_TEST

/* Operations between layers, a shared layer, two inputs and two outputs. */
START_TEST(test_functional_round_trip)
{
    const char *path = scratch("functional.keras");
    moru_model *m = moru_functional("two_ways"), *again = NULL;
    moru_node *a = moru_model_input(m, "a", (int64_t[]){4}, 1), *b = moru_model_input(m, "b", (int64_t[]){4}, 1);
    moru_layer *shared = moru_dense(.units = 4, .name = "shared");
    moru_node *x = moru_apply(shared, a), *y = moru_apply(shared, moru_leaky_relu(moru_sub(x, b), 0.1));
    moru_node *z = moru_add_scalar(moru_mul_scalar(moru_softmax(moru_mul(x, y), -1), 3), -0.5);
    z = moru_maximum(moru_pow_scalar(z, 2), moru_scalar(moru_node_graph(z), 0.125));
    moru_node *w = moru_apply(moru_dropout(.rate = 0.5), moru_tanh(moru_neg(y)));
    OK(moru_model_outputs(m, (moru_node *[]){moru_apply(moru_dense(.units = 2), z), w}, 2));
    OK(moru_save(m, path));
    OK(moru_load(&again, path));
    ck_assert_uint_eq(fingerprint(again), fingerprint(m));
    moru_tensor *inputs[] = {random_tensor(1, MORU_SHAPE(5, 4)), random_tensor(2, MORU_SHAPE(5, 4))}, *p[2], *q[2];
    OK(moru_predict(m, inputs, p, 0, 0));
    OK(moru_predict(again, inputs, q, 0, 0));
    for (int k = 0; k < 2; k++) {
        assert_same_bits(p[k], q[k]);
        moru_tensor_free(p[k]), moru_tensor_free(q[k]), moru_tensor_free(inputs[k]);
    }
    moru_model_free(m);
    moru_model_free(again);
    clean_scratch();
}
END_TEST

START_TEST(test_what_keras_has_no_word_for)
{
    moru_model *m = moru_functional("odd");
    moru_node *x = moru_model_input(m, "x", (int64_t[]){4}, 1);
    moru_graph_push_name(moru_node_graph(x), "first");
    moru_node *y = moru_mish(moru_squared_difference(x, x));
    moru_graph_pop_name(moru_node_graph(x));
    y = moru_add(y, moru_constant(moru_node_graph(x), MORU_REAL, MORU_SHAPE(2, 1), (moru_real[]){1, 2}));
    OK(moru_model_outputs(m, &y, 1));
    FAILS(moru_save(m, scratch("odd.keras")), MORU_ERR_UNSUPPORTED, "squared_difference \"first");
    FAILS(moru_save(m, scratch("odd.keras")), MORU_ERR_UNSUPPORTED, "mish");
    ck_assert_int_ne(access(scratch("odd.keras"), F_OK), 0);
    FAILS(moru_save(m, scratch("odd.txt")), MORU_ERR_ARGUMENT, "ends in .keras, .h5, .weights.h5 or .safetensors");
    FAILS(moru_save(m, scratch("odd.h5")), MORU_ERR_UNSUPPORTED, "mish");
    moru_model_free(m);
    m = moru_functional("unfinished");
    moru_model_input(m, "x", (int64_t[]){4}, 1);
    FAILS(moru_save(m, scratch("odd.keras")), MORU_ERR_STATE, "outputs aren't set");
    moru_model_free(m);
    clean_scratch();
}
END_TEST

/* ---- what doesn't fit ---- */

START_TEST(test_all_mismatches_are_listed)
{
    const char *path = scratch("three.weights.h5");
    moru_model *three = small_model(3), *four = small_model(4);
    uint64_t bits = fingerprint(four);
    OK(moru_save(three, path));
    FAILS(moru_load_weights(four, path), MORU_ERR_SHAPE,
          "doesn't fit the model: \"layers/dense/vars/0\" is [32,3] in the file and dense/kernel [32,4] in the model; "
          "\"layers/dense/vars/1\" is [3] in the file and dense/bias [4] in the model");
    ck_assert_uint_eq(fingerprint(four), bits);
    moru_model *other = moru_sequential("other", moru_input(6, 6, 1), moru_flatten(),
                                        moru_dense(.units = 3, .use_bias = false), moru_dense(.units = 3));
    bits = fingerprint(other);
    FAILS(moru_load_weights(other, path), MORU_ERR_SHAPE,
          "\"layers/dense/vars\" holds 2 variables and Dense \"dense\" has 1");
    FAILS(moru_load_weights(other, path), MORU_ERR_SHAPE, "\"layers/dense_1/vars\" is missing");
    FAILS(moru_load_weights(other, path), MORU_ERR_SHAPE, "\"layers/conv2d/vars\" is in the file only");
    ck_assert_uint_eq(fingerprint(other), bits);
    moru_model_free(three), moru_model_free(four), moru_model_free(other);
    clean_scratch();
}
END_TEST

static moru_model *attention_model(int64_t heads, bool bias)
{
    moru_model *m = moru_functional("m");
    moru_node *x = moru_model_input(m, "x", (const int64_t[]){3, 4}, 2);
    moru_layer *layer = moru_multi_head_attention(.num_heads = heads, .key_dim = 2, .use_bias = bias);
    moru_node *y = moru_apply_n(layer, (moru_node *[]){x, x}, 2);
    OK(moru_model_outputs(m, &y, 1));
    return m;
}

/* Variables of layers inside a layer: each group is held against its own. */
START_TEST(test_layers_inside)
{
    const char *path = scratch("attention.weights.h5");
    moru_model *m = attention_model(2, true), *other = attention_model(3, true), *plain = attention_model(2, false);
    OK(moru_save(m, path));
    uint64_t bits = fingerprint(other);
    FAILS(moru_load_weights(other, path), MORU_ERR_SHAPE,
          "\"layers/multi_head_attention/output_dense/vars/0\" is [2,2,4] in the file and multi_head_attention/"
          "attention_output/kernel [3,2,4] in the model");
    ck_assert_uint_eq(fingerprint(other), bits);
    FAILS(moru_load_weights(plain, path), MORU_ERR_SHAPE,
          "\"layers/multi_head_attention/query_dense/vars\" holds 2 variables and MultiHeadAttention "
          "\"multi_head_attention\" has 1");
    scramble(m, 5);
    bits = fingerprint(m);
    OK(moru_save(m, path));
    scramble(m, 6);
    OK(moru_load_weights(m, path));
    ck_assert_uint_eq(fingerprint(m), bits);
    moru_model_free(m);
    moru_model_free(other);
    moru_model_free(plain);
    clean_scratch();
}
END_TEST

START_TEST(test_long_lists_end)
{
    enum { LAYERS = 200 };
    moru_layer *layers[LAYERS + 1] = {moru_input(2)};
    for (int k = 1; k <= LAYERS; k++)
        layers[k] = moru_dense(.units = 2);
    moru_model *m = moru_sequential_from("deep", layers, LAYERS + 1);
    moru_hdf5 *file = NULL;
    void *data;
    int64_t size;
    OK(moru_hdf5_create(&file, "empty"));
    OK(moru_hdf5_make_group(file, "layers", NULL));
    OK(moru_hdf5_image(file, &data, &size));
    moru_hdf5_close(file);
    put(scratch("empty.weights.h5"), data, size);
    free(data);
    FAILS(moru_load_weights(m, scratch("empty.weights.h5")), MORU_ERR_FORMAT, "; and 1");
    moru_model_free(m);
    clean_scratch();
}
END_TEST

/* Changes a weights file through HDF5, then expects it to be refused. */
static void refused_after(moru_model *m, const char *path, void (*change)(hid_t file), moru_status status,
                          const char *text)
{
    uint64_t bits = fingerprint(m);
    OK(moru_save(m, path));
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    change(file);
    H5Fclose(file);
    FAILS(moru_load_weights(m, path), status, text);
    ck_assert_uint_eq(fingerprint(m), bits);
}

static void write_extra(hid_t file, const char *path)
{
    hid_t space = H5Screate(H5S_SCALAR);
    H5Dclose(H5Dcreate2(file, path, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
}

static void remove_group(hid_t file) { H5Ldelete(file, "layers/dense", H5P_DEFAULT); }
static void remove_weight(hid_t file) { H5Ldelete(file, "layers/dense/vars/1", H5P_DEFAULT); }
static void remove_layers(hid_t file) { H5Ldelete(file, "layers", H5P_DEFAULT); }
static void rename_weight(hid_t file)
{
    H5Lmove(file, "layers/dense/vars/1", file, "layers/dense/vars/2", H5P_DEFAULT, H5P_DEFAULT);
}
static void add_weight(hid_t file) { write_extra(file, "layers/flatten/vars/0"); }
static void link_weight(hid_t file)
{
    remove_weight(file);
    H5Lcreate_soft("/layers/dense/vars/0", file, "layers/dense/vars/1", H5P_DEFAULT, H5P_DEFAULT);
}
static void group_for_weight(hid_t file)
{
    remove_weight(file);
    H5Gclose(H5Gcreate2(file, "layers/dense/vars/1", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

START_TEST(test_groups_that_do_not_fit)
{
    const char *path = scratch("changed.weights.h5");
    moru_model *m = small_model(3);
    refused_after(m, path, remove_group, MORU_ERR_FORMAT, "\"layers/dense/vars\" is missing");
    refused_after(m, path, remove_weight, MORU_ERR_SHAPE,
                  "\"layers/dense/vars\" holds 1 variables and Dense \"dense\" has 2");
    refused_after(m, path, rename_weight, MORU_ERR_FORMAT, "\"layers/dense/vars/1\" is missing");
    refused_after(m, path, add_weight, MORU_ERR_SHAPE, "\"layers/flatten/vars\" holds 1 variables");
    refused_after(m, path, link_weight, MORU_ERR_UNSUPPORTED, "\"layers/dense/vars/1\" is a soft or external link");
    refused_after(m, path, group_for_weight, MORU_ERR_FORMAT, "\"layers/dense/vars/1\" is not a data set");
    refused_after(m, path, remove_layers, MORU_ERR_FORMAT, "holds no group \"layers\"");
    moru_model_free(m);
    clean_scratch();
}
END_TEST

/* ---- damage ---- */

typedef moru_status (*attempt)(const char *path, moru_model *m);

static moru_status try_weights(const char *path, moru_model *m)
{
    uint64_t bits = fingerprint(m);
    moru_status status = moru_load_weights(m, path);
    if (status != MORU_OK)
        ck_assert_uint_eq(fingerprint(m), bits);
    return status;
}

/* The archive's checksums leave no room for another number. */
static moru_status try_archive(const char *path, moru_model *m)
{
    moru_model *loaded = NULL;
    moru_status status = moru_load(&loaded, path);
    if (status == MORU_OK)
        ck_assert_uint_eq(fingerprint(loaded), fingerprint(m));
    else
        ck_assert_ptr_null(loaded);
    moru_model_free(loaded);
    return status;
}

static void damage(const char *path, attempt try, int seeds)
{
    moru_model *m = small_model(3);
    void *data;
    int64_t size;
    OK(moru_save(m, path));
    OK(moru_file_read(path, 1 << 24, &data, &size));
    for (int64_t n = 0; n < size; n += 1 + n / 12) {
        put(path, data, n);
        ck_assert_msg(try(path, m) != MORU_OK, "cut to %lld of %lld bytes", (long long)n, (long long)size);
    }
    put(path, data, size - 1);
    ck_assert_int_ne(try(path, m), MORU_OK);
    uint8_t *copy = malloc((size_t)size);
    for (int seed = 0; seed < seeds; seed++) {
        moru_random r = {(uint64_t)seed, 9, 0};
        memcpy(copy, data, (size_t)size);
        for (int64_t flips = 1 + moru_random_below(&r, 8); flips > 0; flips--)
            copy[moru_random_below(&r, seed % 2 ? size : 4096)] = (uint8_t)moru_random_bits(&r);
        put(path, copy, size);
        try(path, m);
    }
    free(copy);
    free(data);
    moru_model_free(m);
    clean_scratch();
}

START_TEST(test_damaged_weights) { damage(scratch("damaged.weights.h5"), try_weights, 400); }
END_TEST

START_TEST(test_damaged_archive) { damage(scratch("damaged.keras"), try_archive, 400); }
END_TEST

START_TEST(test_other_files)
{
    moru_model *m = small_model(3), *loaded;
    const char *path = scratch("other.keras");
    put(path, "", 0);
    FAILS(moru_load(&loaded, path), MORU_ERR_FORMAT, "neither a .keras nor an HDF5 file");
    put(path, "PK\3\4 and no archive", 20);
    FAILS(moru_load(&loaded, path), MORU_ERR_FORMAT, "not a zip archive");
    FAILS(moru_load(&loaded, scratch("none.keras")), MORU_ERR_IO, "none.keras: cannot be opened");
    FAILS(moru_load(&loaded, "/tmp"), MORU_ERR_IO, "/tmp: is not a regular file");
    FAILS(moru_load_weights(m, scratch("none.keras")), MORU_ERR_IO, "cannot be opened");
    OK(moru_save(m, scratch("weights.weights.h5")));
    FAILS(moru_load(&loaded, scratch("weights.weights.h5")), MORU_ERR_UNSUPPORTED, "not a whole model");
    FAILS(moru_load(NULL, path), MORU_ERR_ARGUMENT, "NULL");
    FAILS(moru_save(m, "/tmp/none/x.keras"), MORU_ERR_IO, "cannot be created");
    moru_model_free(m);
    clean_scratch();
}
END_TEST

/* An archive of one member. */
static void write_zip(const char *path, const char *name, const char *text, int64_t repeat)
{
    int error;
    size_t n = strlen(text);
    char *data = malloc(n * (size_t)repeat + 1);
    for (int64_t k = 0; k < repeat; k++)
        memcpy(data + n * (size_t)k, text, n);
    unlink(path);
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    zip_source_t *source = zip_source_buffer(zip, data, n * (size_t)repeat, 0);
    ck_assert_int_ge(zip_file_add(zip, name, source, 0), 0);
    ck_assert_int_eq(zip_close(zip), 0);
    free(data);
}

START_TEST(test_archives_of_other_things)
{
    const char *path = scratch("odd.keras");
    moru_model *m;
    write_zip(path, "readme.txt", "hello", 1);
    FAILS(moru_load(&m, path), MORU_ERR_FORMAT, "has no member \"config.json\"");
    write_zip(path, "config.json", "{\"class_name\":\n \"Sequential\"", 1);
    FAILS(moru_load(&m, path), MORU_ERR_FORMAT, "config.json:2:");
    write_zip(path, "config.json", "[1, 2]", 1);
    FAILS(moru_load(&m, path), MORU_ERR_FORMAT, "no class_name");
    write_zip(path, "config.json", "          ", 30 << 20); /* 300 MB of blanks */
    FAILS(moru_load(&m, path), MORU_ERR_FORMAT, "\"config.json\" claims 314572800 bytes");
    clean_scratch();
}
END_TEST

/* ---- configurations ---- */

#define INPUT "{\"class_name\":\"InputLayer\",\"config\":{\"name\":\"in\",\"batch_shape\":[null,4]},\"name\":\"in\"," \
              "\"inbound_nodes\":[]}"
#define TENSOR(layer) "{\"class_name\":\"__keras_tensor__\",\"config\":{\"keras_history\":[\"" layer "\",0,0]}}"
#define DENSE(name, from) "{\"class_name\":\"Dense\",\"config\":{\"name\":\"" name "\",\"units\":2}," \
                          "\"name\":\"" name "\",\"inbound_nodes\":[{\"args\":[" from "],\"kwargs\":{}}]}"
#define FUNCTIONAL(layers, in, out) "{\"class_name\":\"Functional\",\"config\":{\"name\":\"f\"," \
                                    "\"layers\":[" layers "],\"input_layers\":" in ",\"output_layers\":" out "}}"
#define OF_IN(layers, out) FUNCTIONAL(INPUT "," layers, "[\"in\",0,0]", out)
#define OUT_A "[\"a\",0,0]"
#define SEQUENTIAL(layers) "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"layers\":[" layers "]}}"

START_TEST(test_bad_configurations)
{
    static const struct { const char *json; moru_status status; const char *text; } cases[] = {
        {"", MORU_ERR_FORMAT, "where:1"},
        {"{\"class_name\":\"Sequential\",\"class_name\":\"Sequential\"}", MORU_ERR_FORMAT, "duplicate"},
        {"{\"class_name\":\"Bagel\"}", MORU_ERR_UNSUPPORTED, "a model of class Bagel"},
        {"{\"class_name\":\"Sequential\"}", MORU_ERR_FORMAT, "0 layers"},
        {"{\"class_name\":\"Functional\"}", MORU_ERR_FORMAT, "0 layers"},
        {SEQUENTIAL("{\"class_name\":\"Dense\",\"config\":{\"units\":2}}"), MORU_ERR_FORMAT, "shape is given nowhere"},
        {SEQUENTIAL("5"), MORU_ERR_FORMAT, "has no class_name"},
        {SEQUENTIAL(INPUT ",{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":\"two\"}}"), MORU_ERR_FORMAT,
         "d: units must be an integer"},
        {SEQUENTIAL(INPUT ",{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":-2}}"), MORU_ERR_ARGUMENT,
         "units must be positive"},
        {SEQUENTIAL(INPUT ",{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":1e300}}"), MORU_ERR_FORMAT,
         "units must be an integer"},
        {SEQUENTIAL(INPUT ",{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":9000000000000000}}"),
         MORU_ERR_MEMORY, "kernel"},
        {SEQUENTIAL(INPUT ",{\"class_name\":\"Dense\",\"config\":{\"name\":\"d\",\"units\":2,\"lora_rank\":4,"
                          "\"dtype\":\"int8_from_float32\",\"activation\":\"squish\"}},"
                          "{\"class_name\":\"Wobble\",\"config\":{\"name\":\"w\"}},"
                          "{\"class_name\":\"Dense\",\"module\":\"mine\",\"config\":{\"name\":\"x\",\"units\":2}},"
                          "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"inner\",\"layers\":[" INPUT
                          ",{\"class_name\":\"Wobble\",\"config\":{\"name\":\"y\"}}]}}"),
         MORU_ERR_UNSUPPORTED, "not supported: d: option lora_rank of Dense; d: option dtype of Dense; "
                               "w: layer Wobble; x: layer Dense; inner/y: layer Wobble"},
        {OF_IN(DENSE("a", TENSOR("b")) "," DENSE("b", TENSOR("a")), OUT_A), MORU_ERR_FORMAT, "the calls form a loop"},
        {OF_IN(DENSE("a", TENSOR("z")), OUT_A), MORU_ERR_FORMAT, "\"z\" doesn't exist"},
        {OF_IN(DENSE("a", TENSOR("in")) "," DENSE("a", TENSOR("in")), OUT_A), MORU_ERR_FORMAT, "stands twice"},
        {FUNCTIONAL(INPUT "," DENSE("a", TENSOR("in")), OUT_A, OUT_A), MORU_ERR_FORMAT, "isn't an InputLayer"},
        {FUNCTIONAL(INPUT "," DENSE("a", TENSOR("in")), "[]", "[\"a\",0,0]"), MORU_ERR_FORMAT, "input_layers must be"},
        {OF_IN(DENSE("a", TENSOR("in")), "[\"a\",5,0]"), MORU_ERR_FORMAT, "never called"},
        {OF_IN(DENSE("a", TENSOR("in")), "[\"a\",-1,0]"), MORU_ERR_FORMAT, "no call gives"},
        {OF_IN(DENSE("a", TENSOR("in")), "{\"a\":1}"), MORU_ERR_FORMAT, "output_layers"},
        {OF_IN(DENSE("a", TENSOR("in") ",{\"x\":1}"), OUT_A), MORU_ERR_UNSUPPORTED,
         "a: an argument more than it takes"},
        {OF_IN(DENSE("a", TENSOR("in") "," TENSOR("in")), OUT_A), MORU_ERR_UNSUPPORTED,
         "a: an argument more than it takes"},
        {OF_IN(DENSE("a", ""), OUT_A), MORU_ERR_FORMAT, "\"a\""},
        {OF_IN("{\"class_name\":\"Add\",\"module\":\"keras.src.ops.numpy\",\"config\":{\"name\":\"a\"},\"name\":\"a\","
               "\"inbound_nodes\":[{\"args\":[" TENSOR("in") "],\"kwargs\":{}}]}", OUT_A),
         MORU_ERR_FORMAT, "a wrong number of arguments"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        moru_model *m = NULL;
        FAILS(moru_model_from_json(&m, cases[k].json, "where"), cases[k].status, cases[k].text);
        ck_assert_ptr_null(m);
    }
}
END_TEST

/* Whatever byte of a configuration changes: a model or a sentence. */
START_TEST(test_damaged_configurations)
{
    moru_model *m = small_model(3), *read;
    char *json = moru_model_to_json(m);
    size_t n = strlen(json);
    ck_assert_ptr_nonnull(json);
    for (uint64_t seed = 0; seed < 1500; seed++) {
        static const char put_in[] = "0129-.[]{}\",:ntfe ";
        moru_random r = {seed, 4, 0};
        char *copy = strdup(json);
        for (int64_t flips = 1 + moru_random_below(&r, 3); flips > 0; flips--)
            copy[moru_random_below(&r, (int64_t)n)] = put_in[moru_random_below(&r, sizeof put_in - 1)];
        if (moru_model_from_json(&read, copy, "json") == MORU_OK)
            moru_model_free(read);
        else
            ck_assert_ptr_null(read);
        free(copy);
    }
    free(json);
    moru_model_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keras_faults");
    TCase *tests = tcase_create("keras_faults");
    tcase_add_test(tests, test_round_trip_of_state);
    tcase_add_test(tests, test_weights_without_state);
    tcase_add_test(tests, test_functional_round_trip);
    tcase_add_test(tests, test_what_keras_has_no_word_for);
    tcase_add_test(tests, test_all_mismatches_are_listed);
    tcase_add_test(tests, test_layers_inside);
    tcase_add_test(tests, test_long_lists_end);
    tcase_add_test(tests, test_groups_that_do_not_fit);
    tcase_add_test(tests, test_damaged_weights);
    tcase_add_test(tests, test_damaged_archive);
    tcase_add_test(tests, test_other_files);
    tcase_add_test(tests, test_archives_of_other_things);
    tcase_add_test(tests, test_bad_configurations);
    tcase_add_test(tests, test_damaged_configurations);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
