/* The moru command from outside: what it promises scripts. Failures are in tests/test_command_faults.c. */
#include <math.h>
#include <jansson.h>

#include "tests/command_test.h"

/* ---- the zoo ---- */

/* What `moru list` says of parameters is what the models have, built for data of the default's shape. */
START_TEST(list_tells_parameters)
{
    char listed[8192], *save = NULL, name[64] = "";
    int models = 0;
    RUNS("moru list");
    strcpy(listed, out);
    for (char *line = strtok_r(listed, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *comma = strstr(line, " parameters");
        if (*line != ' ')
            sscanf(line, "%63s", name);
        if (*line != ' ' || !comma)
            continue;
        while (comma > line && comma[-1] != ' ')
            comma--;
        RUNS("moru summary %s", name);
        char text[64];
        snprintf(text, sizeof text, "parameters: %lld,", atoll(comma));
        ck_assert_msg(strstr(out, text) != NULL, "%s: \"%s\" isn't in: %s", name, text, out);
        models++;
    }
    ck_assert_int_ge(models, 8);
}
END_TEST

START_TEST(tables_are_learnt)
{
    RUNS("moru train linear-regression --quiet");
    ck_assert_ptr_nonnull(strstr(out, "w = 10.00, b = 0.00\n"));
    ck_assert_str_eq(err, "");
    RUNS("moru train multiple-regression --quiet");
    ck_assert(printed("loss") < 0.01);
    RUNS("moru train perceptron --quiet");
    ck_assert_ptr_nonnull(strstr(out, "and  4 of 4 right"));
    ck_assert_ptr_nonnull(strstr(out, "or   4 of 4 right"));
    ck_assert_ptr_nonnull(strstr(out, "nand 4 of 4 right"));
    ck_assert_ptr_null(strstr(out, "xor  4 of 4 right"));
    RUNS("moru train xor-mlp --quiet");
    ck_assert(printed("accuracy") == 1);
}
END_TEST

static const char *const picture_models[] = {"softmax-regression", "mlp", "lenet", "cnn"};

/* A few steps, saved; the file goes on where the model stopped. */
START_TEST(pictures_are_learnt)
{
    const char *name = picture_models[_i];
    char path[128];
    RUNS("moru train %s --epochs 2 --batch 8 --save m.keras --log logs", name);
    ck_assert_ptr_nonnull(strstr(err, "epoch 2/2"));
    ck_assert_ptr_nonnull(strstr(err, "wrote m.keras"));
    ck_assert(printed("loss") > 0 && printed("accuracy") >= 0);
    double loss = printed("loss");
    snprintf(path, sizeof path, "logs/%s.predictions.png", name);
    ck_assert(there(path));
    snprintf(path, sizeof path, "logs/%s.history.png", name);
    ck_assert(there(path) && there("logs/history.csv"));
    RUNS("moru evaluate m.keras --data fashion-mnist:test --batch 8");
    ck_assert_double_eq_tol(printed("loss"), loss, 1e-5);
    RUNS("moru train m.keras --data fashion-mnist --epochs 1 --batch 8 --lr 0.001 --quiet");
    ck_assert_str_eq(err, "");
    ck_assert(there("m.history.png") && there("m.predictions.png"));
}
END_TEST

/* ---- training ---- */

static void assert_same_files(const char *a, const char *b)
{
    ck_assert_msg(run("cmp %s %s", a, b) == 0, "%s and %s differ", a, b);
}

START_TEST(bits_are_the_same)
{
    RUNS("moru train lenet --quiet --epochs 2 --batch 8 --save a.weights.h5 --threads 1");
    RUNS("moru train lenet --quiet --epochs 2 --batch 8 --save b.weights.h5 --threads 2");
    assert_same_files("a.weights.h5", "b.weights.h5");
    RUNS("moru train lenet --quiet --epochs 2 --batch 8 --save c.weights.h5 --seed 1");
    ck_assert_int_ne(run("cmp a.weights.h5 c.weights.h5"), 0);
}
END_TEST

/* With dropout and moving statistics; with a schedule; with neither. */
static const char *const resumed_models[] = {"cnn", "lenet", "xor-mlp"};

START_TEST(resuming_gives_the_same_bits)
{
    const char *name = resumed_models[_i];
    RUNS("moru train %s --quiet --epochs 3 --batch 8 --save a.weights.h5 --log a", name);
    RUNS("moru train %s --quiet --epochs 2 --batch 8 --checkpoint c --log b", name);
    RUNS("moru train %s --quiet --epochs 3 --batch 8 --checkpoint c --log b --resume --save b.weights.h5", name);
    assert_same_files("a.weights.h5", "b.weights.h5");
    RUNS("cut -d, -f1,3- a/history.csv >a.csv; cut -d, -f1,3- b/history.csv >b.csv");
    assert_same_files("a.csv", "b.csv");
    RUNS("moru train %s --quiet --epochs 3 --batch 8 --checkpoint c --resume --save d.weights.h5", name);
    assert_same_files("a.weights.h5", "d.weights.h5");
}
END_TEST

START_TEST(checkpoints_are_guarded)
{
    RUNS("moru train xor-mlp --quiet --epochs 2 --checkpoint c --resume");
    FAILS(1, "c/checkpoint.keras: ", "--resume", "moru train xor-mlp --quiet --epochs 3 --checkpoint c");
    FAILS(1, "c/run.json: ", "seed 0, this one 4", "moru train xor-mlp --quiet --checkpoint c --resume --seed 4");
    FAILS(1, "c/run.json: ", "lr null, this one 0.1", "moru train xor-mlp --quiet --checkpoint c --resume --lr 0.1");
    write_text("c/run.json", "[");
    FAILS(1, "c/run.json: ", "not a run's settings", "moru train xor-mlp --quiet --checkpoint c --resume");
    RUNS("rm c/run.json; moru train xor-mlp --quiet --epochs 1 --checkpoint d");
    RUNS("cp d/run.json c; head -c 1000 c/checkpoint.keras >d/checkpoint.keras");
    FAILS(1, "d/checkpoint.keras: ", "", "moru train xor-mlp --quiet --checkpoint d --resume");
}
END_TEST

START_TEST(options_count)
{
    RUNS("moru train lenet --epochs 1 --steps 2 --batch 8 --validation 0.25 --metric accuracy "
         "--metric sparse_top_k_categorical_accuracy --optimizer 'sgd(momentum=0.9)' --lr 0.25 --log l");
    ck_assert(printed("sparse_top_k_categorical_accuracy") >= printed("accuracy"));
    read_text("l/history.csv", out, sizeof out);
    ck_assert_ptr_eq(strstr(out, "epoch,seconds,learning_rate,loss,accuracy,sparse_top_k_categorical_accuracy,val_"),
                     out);
    ck_assert_ptr_nonnull(strstr(out, ",0.25,"));
    RUNS("moru train lenet --epochs 2 --batch 8 --validation mnist:data/fashion-mnist:test --log m --quiet "
         "--schedule 'exponential_decay(0.5, decay_steps=5, decay_rate=0.5)'");
    read_text("m/history.csv", out, sizeof out);
    ck_assert_ptr_nonnull(strstr(out, "\n2,"));
    ck_assert_ptr_nonnull(strstr(out, ",0.143587"));   /* 0.5 2^(-9/5), the rate of the tenth step */
}
END_TEST

START_TEST(weights_are_read)
{
    moru_tensor *x = moru_tensor_from(MORU_REAL, MORU_SHAPE(2, 2), (moru_real[]){0, 1, 1, 1});
    write_h5("in.h5", x, NULL);
    RUNS("moru train xor-mlp --quiet --epochs 9 --seed 5 --save m.keras");
    RUNS("moru train xor-mlp --quiet --epochs 9 --seed 5 --save m.weights.h5");
    RUNS("moru predict m.keras --input in.h5 --output a.h5");
    RUNS("moru predict xor-mlp --weights m.weights.h5 --input in.h5 --output b.h5 && cmp a.h5 b.h5");
    RUNS("moru predict xor-mlp --weights m.keras --input in.h5 --output b.h5 && cmp a.h5 b.h5");
    RUNS("moru predict xor-mlp --input in.h5 --output b.h5");
    ck_assert_int_ne(run("cmp a.h5 b.h5"), 0);
    FAILS(1, "m.weights.h5: ", "", "moru predict perceptron --weights m.weights.h5 --input in.h5 --output c.h5");
}
END_TEST

START_TEST(formats_are_converted)
{
    static const char *const whole[] = {"m.h5", "m2.keras"}, *const weights[] = {"w.weights.h5", "w.safetensors", "w.h5"};
    moru_h5_item item = {"x", moru_tensor_from(MORU_REAL, MORU_SHAPE(4, 2), (moru_real[]){0, 0, 0, 1, 1, 0, 1, 1})};
    OK(moru_h5_write("in.npy", &item, 1));
    moru_tensor_free((moru_tensor *)item.tensor);
    RUNS("moru train xor-mlp --quiet --epochs 9 --seed 5 --save m.keras");
    RUNS("moru predict m.keras --input in.npy --output a.npy");
    for (size_t k = 0; k < sizeof whole / sizeof *whole; k++) {
        RUNS("moru convert %s %s", k ? whole[k - 1] : "m.keras", whole[k]);
        RUNS("moru predict %s --input in.npy --output b.npy && cmp a.npy b.npy", whole[k]);
        RUNS("moru summary %s", whole[k]);
    }
    for (size_t k = 0; k < sizeof weights / sizeof *weights; k++) {
        RUNS("moru convert m.keras %s --weights-only", weights[k]);
        RUNS("moru predict xor-mlp --weights %s --input in.npy --output b.npy && cmp a.npy b.npy", weights[k]);
        RUNS("moru convert %s c.keras --model m.h5", weights[k]);
        RUNS("moru predict c.keras --input in.npy --output b.npy && cmp a.npy b.npy");
        RUNS("moru summary %s", weights[k]);
        ck_assert_ptr_nonnull(strstr(out, "elements: "));
        FAILS(1, weights[k], "not a whole model", "moru convert %s c2.keras", weights[k]);
        ck_assert(!there("c2.keras"));
    }
    FAILS(1, "w.h5: ", "doesn't fit the model", "moru predict perceptron --weights w.h5 --input in.npy --output b.npy");
    FAILS(2, "OUT: ", "ends in none of", "moru convert m.keras m.txt");
    FAILS(2, "OUT: ", "is missing", "moru convert m.keras");
    FAILS(2, "--weights-only: ", "whole model", "moru convert m.keras n.keras --weights-only");
}
END_TEST

START_TEST(tables_in_files)
{
    write_text("t.csv", "x;kind;y\n1;a;3\n2;b;5\n3;a;7\n4;b;9\n5;a;11\n6;b;13\n");
    RUNS("moru data 'csv:t.csv?target=y&sep=;'");
    ck_assert_ptr_nonnull(strstr(out, "6 samples"));
    RUNS("moru train multiple-regression --data 'csv:t.csv?target=y&sep=;' --epochs 500 --quiet --save t.keras");
    ck_assert(printed("loss") < 0.5);
    RUNS("moru evaluate t.keras --data 'csv:t.csv?target=y&sep=;'");
    ck_assert(printed("loss") < 0.5 && printed("mean_absolute_error") < 1);
}
END_TEST

/* ---- predictions and gradients ---- */

static moru_model *small_model(void)
{
    moru_model *m = moru_sequential("small",
        moru_input(28, 28, 1),
        moru_conv2d(.filters = 4, .kernel_size = {3, 3}, .activation = "relu"),
        moru_batch_normalization(),
        moru_max_pooling2d(),
        moru_flatten(),
        moru_dropout(.rate = 0.2),
        moru_dense(.units = 10, .activation = "softmax"));
    ck_assert_ptr_nonnull(m);
    return m;
}

/* Trained and used in this process, saved, used by another one: the same bits. */
START_TEST(predictions_survive_the_file)
{
    moru_model *m = small_model();
    moru_dataset *data;
    moru_tensor *x = random_images(37, 28, 28), *y, *again;
    OK(moru_dataset_open(&data, "fashion-mnist:train"));
    OK(moru_compile(m, .optimizer = moru_adam(), .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}));
    OK(moru_fit(m, data, .epochs = 2, .batch_size = 8));
    OK(moru_predict(m, &x, &y, 0, 0));
    OK(moru_save(m, "small.keras"));
    OK(moru_h5_write("in.h5", &(moru_h5_item){"x", x}, 1));
    RUNS("moru predict small.keras --input in.h5 --output out.h5");
    OK(moru_h5_read(&again, "out.h5", "y", MORU_REAL));
    ck_assert(moru_shape_equal(moru_tensor_shape(y), moru_tensor_shape(again)));
    ck_assert_mem_eq(moru_tensor_const_data(y), moru_tensor_const_data(again),
                     (size_t)moru_tensor_size(y) * sizeof(moru_real));
    RUNS("moru predict small.keras --input in.h5 --output out2.h5 --threads 2 && cmp out.h5 out2.h5");
    moru_tensor_free(x);
    moru_tensor_free(y);
    moru_tensor_free(again);
    moru_dataset_free(data);
    moru_model_free(m);
}
END_TEST

START_TEST(gradients_by_file)
{
    moru_model *m = small_model();
    moru_tensor *t;
    OK(moru_save(m, "plain.keras"));
    OK(moru_compile(m, .loss = "sparse_categorical_crossentropy"));
    OK(moru_save(m, "compiled.keras"));
    write_h5("in.h5", random_images(6, 28, 28), random_labels(6, 10));
    RUNS("moru gradients compiled.keras --input in.h5 --output a.h5");
    RUNS("moru gradients plain.keras --input in.h5 --output b.h5 --loss sparse_categorical_crossentropy");
    assert_same_files("a.h5", "b.h5");
    RUNS("moru gradients plain.keras --input in.h5 --output c.h5 --loss "
         "'{\"class_name\": \"SparseCategoricalCrossentropy\", \"config\": {\"from_logits\": false}}'");
    RUNS("moru gradients compiled.keras --input in.h5 --output d.h5 --training");
    ck_assert_int_ne(run("cmp a.h5 d.h5"), 0);
    OK(moru_h5_read(&t, "c.h5", "loss", MORU_REAL));
    ck_assert_int_eq(moru_tensor_shape(t)->rank, 0);
    moru_tensor_free(t);
    OK(moru_h5_read(&t, "c.h5", "gradients/small/conv2d/kernel", MORU_REAL));
    ck_assert(moru_shape_equal(moru_tensor_shape(t), &MORU_SHAPE(3, 3, 1, 4)));
    moru_tensor_free(t);
    FAILS(2, "--loss: ", "plain.keras", "moru gradients plain.keras --input in.h5 --output e.h5");
    ck_assert(!there("e.h5"));
    moru_model_free(m);
}
END_TEST

/* ---- reports ---- */

START_TEST(bench_prints_json)
{
    static const struct { const char *name; json_type type; } members[] = {
        {"model", JSON_STRING}, {"batch", JSON_INTEGER}, {"mode", JSON_STRING}, {"threads", JSON_INTEGER},
        {"steps", JSON_INTEGER}, {"median_ms", JSON_REAL}, {"min_ms", JSON_REAL}, {"samples_per_s", JSON_REAL},
        {"gflops", JSON_REAL}, {"planned_bytes", JSON_INTEGER}};
    RUNS("moru train lenet --epochs 0 --quiet --save 'we\"ird\nname.keras'");
    static const char *const lines[] = {"moru bench lenet --batch 4 --mode train --seconds 0 --json --threads 1",
                                        "moru bench xor-mlp --batch 4 --mode infer --seconds 0 --json",
                                        "moru bench 'we\"ird\nname.keras' --batch 4 --mode train --seconds 0 --json",
                                        "moru bench 'we\"ird\nname.keras' --batch 4 --mode infer --seconds 0 --json"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        json_error_t error;
        RUNS("%s", lines[i]);
        json_t *json = json_loads(out, 0, &error);
        ck_assert_msg(json != NULL, "%s: %s", error.text, out);
        ck_assert_int_eq(json_object_size(json), sizeof members / sizeof *members);
        for (size_t k = 0; k < sizeof members / sizeof *members; k++) {
            const json_t *value = json_object_get(json, members[k].name);
            ck_assert_msg(value && json_typeof(value) == members[k].type, "%s: %s", members[k].name, out);
        }
        ck_assert_int_eq(json_integer_value(json_object_get(json, "batch")), 4);
        ck_assert_double_ge(json_real_value(json_object_get(json, "median_ms")),
                            json_real_value(json_object_get(json, "min_ms")));
        json_decref(json);
    }
    RUNS("moru bench xor-mlp --seconds 0 --profile");
    ck_assert_ptr_nonnull(strstr(out, "samples/s"));
    ck_assert_ptr_nonnull(strstr(out, "matmul"));
    ck_assert_ptr_nonnull(strstr(out, "matmul, "));
    ck_assert_ptr_nonnull(strstr(out, "total, "));
}
END_TEST

/* Calls slowest first, shares that add up to one, numbers where numbers belong. */
START_TEST(profile_json)
{
    static const char *const modes[] = {"train", "infer"};
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        RUNS("moru bench xor-mlp --batch 4 --mode %s --seconds 0 --json --profile", modes[m]);
        json_t *json = json_loads(out, 0, NULL), *rows = json_object_get(json, "profile"), *row;
        ck_assert_msg(json_is_array(rows) && json_array_size(rows) > 1, "%s", out);
        double share = 0, last = INFINITY;
        size_t i;
        bool matmul = false;
        json_array_foreach(rows, i, row) {
            const char *const numbers[] = {"us", "share", "gflops", "gbytes_per_s"};
            for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
                ck_assert_msg(json_is_real(json_object_get(row, numbers[k])), "%s: %s", numbers[k], out);
            ck_assert(json_is_string(json_object_get(row, "op")) && json_is_string(json_object_get(row, "name")));
            ck_assert(json_is_array(json_object_get(row, "shape")));
            matmul |= strcmp(json_string_value(json_object_get(row, "op")), "matmul") == 0;
            share += json_real_value(json_object_get(row, "share"));
            ck_assert_double_le(json_real_value(json_object_get(row, "us")), last);
            last = json_real_value(json_object_get(row, "us"));
        }
        ck_assert(matmul);
        ck_assert_double_le(fabs(share - 1), 1e-3);
        json_decref(json);
    }
}
END_TEST

START_TEST(reports)
{
    RUNS("moru summary lenet");
    ck_assert_ptr_nonnull(strstr(out, "conv2d_1 (Conv2D)"));
    ck_assert_ptr_nonnull(strstr(out, "inference, batch 32: "));
    ck_assert_ptr_nonnull(strstr(out, "training step, batch 32: "));
    RUNS("moru graph lenet");
    ck_assert_ptr_eq(strstr(out, "digraph"), out);
    RUNS("moru graph lenet --program --training");
    ck_assert_ptr_nonnull(strstr(out, "adam_step"));
    RUNS("moru data fashion-mnist:test --preview p.png");
    ck_assert_ptr_nonnull(strstr(out, "20 samples"));
    ck_assert_ptr_nonnull(strstr(out, "Ankle boot"));
    ck_assert(there("p.png"));
    RUNS("moru --version");
    ck_assert_ptr_eq(strstr(out, "moru " MORU_VERSION "\n"), out);
}
END_TEST

/* ---- help ---- */

/* Options of a command's --help as the manual page writes them must be in it, and the page's in some --help. */
START_TEST(manual_and_help_agree)
{
    static char page[1 << 17], options[4096];
    static const char *const commands[] = {"list", "train", "evaluate", "predict", "gradients", "summary", "graph",
                                           "convert", "bench", "data"};
    char path[4200], *source = getenv("srcdir");
    snprintf(path, sizeof path, "%s/doc/moru.1", source ? source : ".");
    if (!there(path)) {
        printf("skip: %s isn't there\n", path);
        return;
    }
    read_text(path, page, sizeof page);
    strcpy(options, " version help");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        RUNS("moru %s --help", commands[i]);
        for (const char *at = out; (at = strstr(at, "\n  --")) != NULL; at++) {
            char name[64], wanted[128];
            ck_assert_int_eq(sscanf(at, "\n  --%63s", name), 1);
            snprintf(wanted, sizeof wanted, "\\-\\-%s", name);
            ck_assert_msg(strstr(page, wanted) != NULL, "--%s of %s isn't in the manual page", name, commands[i]);
            strcat(strcat(options, " "), name);
        }
    }
    strcat(options, " ");
    for (const char *at = page; (at = strstr(at, "\\-\\-")) != NULL; at++) {
        char name[64], wanted[72];
        if (sscanf(at + 4, "%63[a-z-]", name) != 1)
            continue;
        snprintf(wanted, sizeof wanted, " %s ", name);
        ck_assert_msg(strstr(options, wanted) != NULL, "no command takes the manual page's --%s", name);
    }
}
END_TEST

int main(void)
{
    if (!getenv("MORU_COMMAND") || access(getenv("MORU_COMMAND"), X_OK) != 0) {
        printf("skip: MORU_COMMAND doesn't name the command to test\n");
        return 77;
    }
    Suite *s = suite_create("command");
    TCase *c = tcase_create("command");
    tcase_add_checked_fixture(c, enter_folder, leave_folder);
    tcase_add_test(c, list_tells_parameters);
    tcase_add_test(c, tables_are_learnt);
    tcase_add_loop_test(c, pictures_are_learnt, 0, sizeof picture_models / sizeof *picture_models);
    tcase_add_test(c, bits_are_the_same);
    tcase_add_loop_test(c, resuming_gives_the_same_bits, 0, sizeof resumed_models / sizeof *resumed_models);
    tcase_add_test(c, checkpoints_are_guarded);
    tcase_add_test(c, options_count);
    tcase_add_test(c, weights_are_read);
    tcase_add_test(c, formats_are_converted);
    tcase_add_test(c, tables_in_files);
    tcase_add_test(c, predictions_survive_the_file);
    tcase_add_test(c, gradients_by_file);
    tcase_add_test(c, bench_prints_json);
    tcase_add_test(c, profile_json);
    tcase_add_test(c, reports);
    tcase_add_test(c, manual_and_help_agree);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
