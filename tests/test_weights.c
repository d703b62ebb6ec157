/* Weights and models in other programs' files: the older .h5 of Keras 2 and 3, PyTorch's; what fits in part; damage. */
#include "formats/bundle.h"
#include "formats/keras.h"
#include "tests/format_test.h"

static const char *data(const char *name)
{
    static char paths[4][1024];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/tests/data/%s", getenv("srcdir") ? getenv("srcdir") : ".", name);
    return path;
}

static void put(const char *path, const void *bytes, int64_t n)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, (size_t)n, file), (size_t)n);
    fclose(file);
}

static void put_text(const char *path, const char *text)
{
    put(path, text, (int64_t)strlen(text));
}

static void assert_near(const moru_tensor *a, const moru_tensor *b)
{
    ck_assert(moru_shape_equal(moru_tensor_shape(a), moru_tensor_shape(b)));
    const moru_real *x = moru_tensor_const_data(a), *y = moru_tensor_const_data(b);
    for (int64_t k = 0; k < moru_tensor_size(a); k++)
        ck_assert_msg(fabs(x[k] - y[k]) <= 1e-5 * fmax(1, fabs(y[k])), "element %lld: %g, not %g", (long long)k, x[k], y[k]);
}

/* ---- Keras 2 ---- */

static void check_predictions(moru_model *model, const char *file)
{
    moru_tensor *x, *y, *got = NULL;
    OK(moru_h5_read(&x, data(file), "x", MORU_REAL));
    OK(moru_h5_read(&y, data(file), "y", MORU_REAL));
    OK(moru_predict(model, &x, &got, 4, 0));
    assert_near(got, y);
    moru_tensor_free(x), moru_tensor_free(y), moru_tensor_free(got);
}

static void check_keras2(moru_model *model)
{
    check_predictions(model, "keras2_data.h5");
}

/* An activation that changed its meaning: read as it was meant, and not written as what it isn't. */
START_TEST(test_keras2_hard_sigmoid)
{
    moru_model *model;
    OK(moru_load(&model, data("keras2_gates.h5")));
    check_predictions(model, "keras2_gates.io.h5");
    FAILS(moru_save(model, scratch("new.keras")), MORU_ERR_UNSUPPORTED, "lstm: hard_sigmoid of Keras 2");
    FAILS(moru_save(model, scratch("new.h5")), MORU_ERR_UNSUPPORTED, "dense: hard_sigmoid of Keras 2");
    moru_model_free(model);
    clean_scratch();
}
END_TEST

START_TEST(test_keras2_whole)
{
    moru_model *model;
    moru_tensor *x, *target, *losses;
    OK(moru_load(&model, data("keras2_whole.h5")));
    check_keras2(model);
    ck_assert_int_eq(model->training->iteration, 2);
    OK(moru_h5_read(&x, data("keras2_data.h5"), "x", MORU_REAL));
    OK(moru_h5_read(&target, data("keras2_data.h5"), "target", MORU_REAL));
    OK(moru_h5_read(&losses, data("keras2_data.h5"), "losses", MORU_REAL));
    for (int k = 0; k < 2; k++) { /* the second one tells whether the optimizer's state came over */
        double loss;
        OK(moru_train_on_batch(model, &x, &target, &loss));
        ck_assert_double_eq_tol(loss, ((moru_real *)moru_tensor_data(losses))[k], 1e-4);
    }
    moru_model_free(model);
    OK(moru_load_uncompiled(&model, data("keras2_whole.h5")));
    ck_assert_ptr_null(moru_model_optimizer(model));
    check_keras2(model);
    scramble(model, 2);
    OK(moru_load_weights(model, data("keras2_weights.h5")));
    check_keras2(model);
    scramble(model, 3);
    OK(moru_load_weights(model, data("keras2_forms.h5"))); /* texts of fixed length, float16, bfloat16, float64, gzip */
    check_keras2(model);
    scramble(model, 4);
    OK(moru_load_weights(model, data("keras2_whole.h5")));
    check_keras2(model);
    moru_tensor_free(x), moru_tensor_free(target), moru_tensor_free(losses);
    moru_model_free(model);
}
END_TEST

START_TEST(test_keras2_refusals)
{
    static const struct { const char *layer, *text; } cases[] = {
        {"{\"class_name\":\"TFOpLambda\",\"config\":{\"name\":\"tf.odd\",\"trainable\":true,\"function\":"
         "\"__operators__.odd\"}}", "tf.odd: layer TFOpLambda (tf.__operators__.odd)"},
        {"{\"class_name\":\"LSTM\",\"config\":{\"name\":\"l\",\"trainable\":true,\"units\":2,\"time_major\":true}}",
         "l: option time_major of LSTM"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char config[1000];
        moru_hdf5 *file;
        void *bytes;
        int64_t size;
        moru_model *model;
        snprintf(config, sizeof config, "{\"class_name\":\"Sequential\",\"config\":{\"name\":\"s\",\"layers\":["
                 "{\"class_name\":\"InputLayer\",\"config\":{\"name\":\"in\",\"batch_input_shape\":[null,3,4]}},%s]}}",
                 cases[k].layer);
        OK(moru_hdf5_create(&file, "old.h5"));
        OK(moru_hdf5_write_text(file, "/", "model_config", config, false));
        OK(moru_hdf5_write_text(file, "/", "keras_version", "2.4.0", true));
        OK(moru_hdf5_image(file, &bytes, &size));
        moru_hdf5_close(file);
        put(scratch("old.h5"), bytes, size);
        free(bytes);
        FAILS(moru_load(&model, scratch("old.h5")), MORU_ERR_UNSUPPORTED, cases[k].text);
    }
    clean_scratch();
}
END_TEST

/* ---- written and read again ---- */

static moru_model *two_layers(const char *first, int64_t units, const char *second)
{
    moru_model *m = moru_sequential("m", moru_input(3), moru_dense(.units = units, .name = first),
                                    moru_dense(.units = 2, .name = second));
    ck_assert_msg(moru_model_status(m) == MORU_OK, "%s", moru_model_error(m));
    scramble(m, 1);
    return m;
}

/* More names than one attribute holds. */
START_TEST(test_names_in_chunks)
{
    enum { LAYERS = 700 };
    moru_layer *layers[LAYERS + 1] = {moru_input(2)};
    char name[128];
    moru_hdf5 *file;
    char **names;
    int64_t n;
    bool found;
    moru_model *again;
    for (int k = 0; k < LAYERS; k++) {
        snprintf(name, sizeof name, "a_layer_with_a_name_that_is_longer_than_most_are_so_that_their_list_goes_into_chunks_%d", k);
        layers[k + 1] = moru_dense(.units = 2, .name = name);
    }
    moru_model *m = moru_sequential_from("m", layers, LAYERS + 1);
    ck_assert_msg(moru_model_status(m) == MORU_OK, "%s", moru_model_error(m));
    *(moru_real *)moru_tensor_data(moru_layer_weight_at(moru_model_layer_at(m, LAYERS), 0, NULL)) = 17;
    OK(moru_save(m, scratch("long.h5")));
    OK(moru_hdf5_open(&file, scratch("long.h5")));
    OK(moru_hdf5_texts(file, "model_weights", "layer_names", &names, &n, &found));
    ck_assert_int_eq(n, LAYERS);
    ck_assert_str_eq(names[LAYERS - 1], name);
    moru_hdf5_free_texts(names, n);
    moru_hdf5_close(file);
    OK(moru_load(&again, scratch("long.h5")));
    ck_assert_double_eq(*(moru_real *)moru_tensor_data(moru_layer_weight_at(moru_model_layer_at(again, LAYERS), 0, NULL)), 17);
    moru_model_free(m);
    moru_model_free(again);
    clean_scratch();
}
END_TEST

static double weight(moru_model *m, int layer)
{
    return *(moru_real *)moru_tensor_data(moru_layer_weight_at(moru_model_layer_at(m, layer), 0, NULL));
}

static void check_options(const char *path)
{
    moru_model *m = two_layers("a", 4, "b"), *other = two_layers("b", 4, "c"), *wide = two_layers("a", 5, "b");
    char *skipped = NULL;
    int loaded = 0;
    moru_weights_options o = {.skipped = &skipped, .loaded = &loaded};
    OK(moru_save_weights(m, path, NULL));
    scramble(other, 8);
    FAILS(moru_load_weights(wide, path), MORU_ERR_SHAPE, "doesn't fit the model");
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "[3,4] in the file and a/kernel [3,5]"));
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "[4] in the file and a/bias [5]")); /* all of them */
    ck_assert_ptr_nonnull(strstr(moru_last_error(), "b/kernel [5,2] in the model"));
    OK(moru_load_weights_with(other, path, &o)); /* by place: names don't matter */
    ck_assert_int_eq(loaded, 4);
    ck_assert_ptr_null(skipped);
    ck_assert_double_eq(weight(other, 1), weight(m, 1));
    scramble(other, 8);
    double first = weight(other, 1), second = weight(other, 2);
    o.by_name = true; /* "b" is there of another shape; "a" only in the file */
    FAILS(moru_load_weights_with(other, path, &o), MORU_ERR_SHAPE, "b/kernel [3,4]");
    ck_assert_double_eq(weight(other, 1), first);
    o.skip_mismatch = true;
    OK(moru_load_weights_with(other, path, &o));
    ck_assert_ptr_nonnull(strstr(skipped, "b/kernel"));
    free(skipped);
    ck_assert_int_eq(loaded, 0);
    ck_assert_double_eq(weight(other, 2), second);
    o = (moru_weights_options){.skip_mismatch = true, .skipped = &skipped, .loaded = &loaded};
    scramble(wide, 9);
    OK(moru_load_weights_with(wide, path, &o));
    ck_assert_int_eq(loaded, 1); /* the last bias */
    free(skipped);
    moru_model_free(m);
    moru_model_free(other);
    moru_model_free(wide);
    clean_scratch();
}

START_TEST(test_options_h5) { check_options(scratch("w.h5")); }
END_TEST

START_TEST(test_options_weights_h5) { check_options(scratch("w.weights.h5")); }
END_TEST

START_TEST(test_partial)
{
    moru_model *small = two_layers("a", 4, "b"), *large;
    char *skipped = NULL;
    moru_weights_options o = {.partial = true, .skipped = &skipped};
    large = moru_sequential("m", moru_input(3), moru_dense(.units = 4, .name = "a"), moru_dense(.units = 2, .name = "b"),
                            moru_dense(.units = 6, .name = "more"));
    OK(moru_save(small, scratch("p.weights.h5")));
    FAILS(moru_load_weights(large, scratch("p.weights.h5")), MORU_ERR_FORMAT, "layers/dense_2/vars\" is missing");
    OK(moru_load_weights_with(large, scratch("p.weights.h5"), &o));
    ck_assert_ptr_nonnull(strstr(skipped, "more"));
    free(skipped);
    ck_assert_double_eq(weight(large, 2), weight(small, 2));
    OK(moru_save(large, scratch("l.h5")));
    FAILS(moru_load_weights(small, scratch("l.h5")), MORU_ERR_SHAPE, "layer \"more\" is in the file only");
    OK(moru_load_weights_with(small, scratch("l.h5"), &o));
    free(skipped);
    moru_model_free(small);
    moru_model_free(large);
    clean_scratch();
}
END_TEST

/* ---- PyTorch ---- */

/* The network of tests/make_torch_fixtures.py; with names, as its modules are called. */
static moru_model *torch_model(bool named)
{
#define NAME(text) (named ? (text) : NULL)
    moru_model *m = moru_functional("net");
    moru_node *x0 = moru_model_input(m, "x0", (int64_t[]){6, 6, 2}, 3);
    moru_node *x1 = moru_model_input_int(m, "x1", (int64_t[]){5}, 1);
    moru_node *x2 = moru_model_input(m, "x2", (int64_t[]){5, 6}, 2), *ys[4];
    moru_node *y = moru_apply(moru_conv2d(.filters = 3, .kernel_size = {3, 3}, .name = NAME("conv")), x0);
    y = moru_apply(moru_batch_normalization(.epsilon = 1e-5, .name = NAME("bn")), y);
    y = moru_apply(moru_flatten(), moru_apply(moru_activation(.activation = "relu"), y));
    ys[0] = moru_apply(moru_dense(.units = 5, .name = NAME("fc")), y);
    y = moru_apply(moru_embedding(.input_dim = 7, .output_dim = 3, .name = NAME("emb")), x1);
    y = moru_apply(moru_lstm(.units = 4, .return_sequences = true, .name = NAME("rnn")), y);
    y = moru_apply(moru_gru(.units = 4, .name = NAME("gru")), y);
    ys[1] = moru_apply(moru_dense(.units = 2, .use_bias = false, .name = NAME("head")), y);
    y = moru_apply_n(moru_multi_head_attention(.num_heads = 2, .key_dim = 3, .name = NAME("attention")),
                     (moru_node *[]){x2, x2}, 2);
    ys[2] = moru_apply(moru_layer_normalization(.epsilon = 1e-5, .name = NAME("norm")), y);
    ys[3] = moru_apply(moru_conv2d_transpose(.filters = 3, .kernel_size = {4, 4}, .strides = {2, 2}, .padding = "same",
                                             .name = NAME("up")), x0);
    OK(moru_model_outputs(m, ys, 4));
    return m;
}

static void check_torch(moru_model *m)
{
    moru_tensor *in[3], *out[4] = {NULL}, *wanted;
    char name[16];
    for (int k = 0; k < 3; k++) {
        snprintf(name, sizeof name, "x%d", k);
        OK(moru_h5_read(&in[k], data("torch_layers.npz"), name, MORU_INT32));
    }
    OK(moru_predict(m, in, out, 3, 0));
    for (int k = 0; k < 4; k++) {
        snprintf(name, sizeof name, "y%d", k);
        OK(moru_h5_read(&wanted, data("torch_layers.npz"), name, MORU_REAL));
        assert_near(out[k], wanted);
        moru_tensor_free(wanted), moru_tensor_free(out[k]);
    }
    for (int k = 0; k < 3; k++)
        moru_tensor_free(in[k]);
}

/* The same as an HDF5 file of a state_dict. */
static void write_statedict(const char *path)
{
    moru_bundle *bundle;
    moru_h5_item items[64];
    OK(moru_bundle_open(&bundle, data("torch_layers.safetensors")));
    for (int64_t k = 0; k < bundle->n; k++) {
        moru_tensor *t = moru_tensor_new(MORU_REAL, bundle->items[k].shape);
        OK(moru_bundle_read(bundle, &bundle->items[k], MORU_REAL, moru_tensor_data(t)));
        items[k] = (moru_h5_item){bundle->items[k].name, t};
    }
    OK(moru_h5_write(path, items, (int)bundle->n));
    for (int64_t k = 0; k < bundle->n; k++)
        moru_tensor_free((moru_tensor *)items[k].tensor);
    moru_bundle_free(bundle);
}

START_TEST(test_torch_layers)
{
    for (int named = 0; named < 2; named++) { /* without names only one module fits each layer */
        moru_model *m = torch_model(named);
        scramble(m, 3);
        OK(moru_load_weights(m, data("torch_layers.safetensors")));
        check_torch(m);
        OK(moru_save(m, scratch("again.safetensors")));
        scramble(m, 3);
        OK(moru_load_weights(m, scratch("again.safetensors")));
        check_torch(m);
        scramble(m, 3);
        write_statedict(scratch("net.statedict.h5"));
        OK(moru_load_weights(m, scratch("net.statedict.h5")));
        check_torch(m);
        moru_model_free(m);
    }
    clean_scratch();
}
END_TEST

START_TEST(test_torch_mapping)
{
    moru_model *m = two_layers("a", 4, "b"), *swapped = moru_sequential("m", moru_input(3),
        moru_dense(.units = 3, .name = "x"), moru_dense(.units = 3, .name = "y"), moru_dense(.units = 2, .name = "z"));
    moru_model *other = moru_sequential("m", moru_input(3), moru_dense(.units = 3, .name = "x"),
                                        moru_dense(.units = 3, .name = "y"), moru_dense(.units = 2, .name = "z"));
    const char *path = scratch("m.safetensors"), *mapping = scratch("map.json");
    moru_weights_options o = {.mapping = mapping};
    put_text(mapping, "{\"x\": \"first\", \"y\": \"second\", \"z\": \"net.last\"}");
    scramble(swapped, 5);
    OK(moru_save_weights(swapped, path, mapping));
    FAILS(moru_load_weights(other, path), MORU_ERR_ARGUMENT, "layer \"x\" could be \"first\" or \"second\"");
    OK(moru_load_weights_with(other, path, &o));
    ck_assert_uint_eq(fingerprint(other), fingerprint(swapped));
    put_text(mapping, "{\"x\": \"first\", \"y\": \"second\", \"z/kernel\": {\"tensor\": \"net.last.weight\", "
                      "\"transpose\": [1, 0]}, \"z/bias\": \"net.last.bias\"}");
    scramble(other, 6);
    OK(moru_load_weights_with(other, path, &o));
    ck_assert_uint_eq(fingerprint(other), fingerprint(swapped));
    static const struct { const char *mapping; moru_status status; const char *text; } bad[] = {
        {"[1]", MORU_ERR_FORMAT, "JSON object"}, {"{", MORU_ERR_FORMAT, "map.json:1"},
        {"{\"q\": \"first\"}", MORU_ERR_ARGUMENT, "\"q\" is no layer"},
        {"{\"x\": \"first\", \"y\": \"nothing\"}", MORU_ERR_SHAPE, "\"nothing.weight\", for y/kernel"},
        {"{\"z/kernel\": \"net.last.weight\"}", MORU_ERR_ARGUMENT, "names 1 of the 2 weights of \"z\""},
        {"{\"z/kernel\": {\"tensor\": \"w\", \"transpose\": [0, 0]}, \"z/bias\": \"b\"}", MORU_ERR_FORMAT, "each axis once"},
    };
    uint64_t bits = fingerprint(other);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        put_text(mapping, bad[k].mapping);
        FAILS(moru_load_weights_with(other, path, &o), bad[k].status, bad[k].text);
        ck_assert_uint_eq(fingerprint(other), bits);
    }
    FAILS(moru_load_weights(m, path), MORU_ERR_SHAPE, "is in the file only");
    moru_model *gru = moru_sequential("g", moru_input(3, 2), moru_gru(.units = 2, .reset_after = false));
    FAILS(moru_save(gru, path), MORU_ERR_UNSUPPORTED, "reset_after=False");
    moru_model_free(gru);
    moru_model_free(m);
    moru_model_free(swapped);
    moru_model_free(other);
    clean_scratch();
}
END_TEST

/* ---- damage ---- */

typedef moru_status (*attempt)(const char *path, moru_model *m);

static moru_status try_model(const char *path, moru_model *m)
{
    moru_model *loaded = NULL;
    moru_status status = moru_load(&loaded, path);
    (void)m;
    ck_assert(status == MORU_OK || loaded == NULL);
    moru_model_free(loaded);
    return status;
}

static moru_status try_weights(const char *path, moru_model *m)
{
    uint64_t bits = fingerprint(m);
    moru_status status = moru_load_weights(m, path);
    if (status != MORU_OK)
        ck_assert_uint_eq(fingerprint(m), bits);
    return status;
}

static moru_model *branches(void)
{
    moru_model *m = moru_sequential("d", moru_input(5, 5, 2), moru_conv2d(.filters = 3, .kernel_size = {3, 3}),
                                    moru_batch_normalization(), moru_flatten(), moru_dense(.units = 2));
    OK(moru_compile(m, .optimizer = moru_adam(), .loss = "mse"));
    scramble(m, 1);
    return m;
}

static void damage(const char *path, bool whole, attempt try, int seeds)
{
    moru_model *m = branches();
    void *bytes;
    int64_t size;
    if (whole)
        OK(moru_save(m, path));
    else
        OK(moru_save_weights(m, path, NULL));
    OK(moru_file_read(path, 1 << 24, &bytes, &size));
    for (int64_t n = 0; n < size; n += 1 + n / 12) {
        put(path, bytes, n);
        ck_assert_msg(try(path, m) != MORU_OK, "cut to %lld of %lld bytes", (long long)n, (long long)size);
    }
    uint8_t *copy = malloc((size_t)size + 1);
    for (int seed = 0; seed < seeds; seed++) {
        moru_random r = {(uint64_t)seed, 9, 0};
        memcpy(copy, bytes, (size_t)size);
        for (int64_t flips = 1 + moru_random_below(&r, 8); flips > 0; flips--)
            copy[moru_random_below(&r, seed % 2 || size < 4096 ? size : 4096)] = (uint8_t)moru_random_bits(&r);
        put(path, copy, size);
        try(path, m);
    }
    free(copy);
    free(bytes);
    moru_model_free(m);
    clean_scratch();
}

START_TEST(test_damaged_model) { damage(scratch("d.h5"), true, try_model, 600); }
END_TEST

START_TEST(test_damaged_weights) { damage(scratch("d.h5"), false, try_weights, 600); }
END_TEST

START_TEST(test_damaged_safetensors) { damage(scratch("d.safetensors"), false, try_weights, 1500); }
END_TEST

/* A file of Keras 2's, whose names lie in heaps. */
START_TEST(test_damaged_keras2)
{
    void *bytes;
    int64_t size;
    OK(moru_file_read(data("keras2_whole.h5"), 1 << 24, &bytes, &size));
    for (uint64_t seed = 0; seed < 300; seed++) {
        moru_random r = {seed, 5, 0};
        uint8_t *copy = malloc((size_t)size + 1);
        memcpy(copy, bytes, (size_t)size);
        for (int64_t flips = 1 + moru_random_below(&r, 30); flips > 0; flips--)
            copy[moru_random_below(&r, size)] = (uint8_t)moru_random_bits(&r);
        put(scratch("k.h5"), copy, size);
        free(copy);
        try_model(scratch("k.h5"), NULL);
    }
    free(bytes);
    clean_scratch();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights");
    TCase *tests = tcase_create("weights");
    tcase_add_test(tests, test_keras2_hard_sigmoid);
    tcase_add_test(tests, test_keras2_whole);
    tcase_add_test(tests, test_keras2_refusals);
    tcase_add_test(tests, test_names_in_chunks);
    tcase_add_test(tests, test_options_h5);
    tcase_add_test(tests, test_options_weights_h5);
    tcase_add_test(tests, test_partial);
    tcase_add_test(tests, test_torch_layers);
    tcase_add_test(tests, test_torch_mapping);
    tcase_add_test(tests, test_damaged_model);
    tcase_add_test(tests, test_damaged_weights);
    tcase_add_test(tests, test_damaged_safetensors);
    tcase_add_test(tests, test_damaged_keras2);
    tcase_set_timeout(tests, 300);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
