/* The moru command given what it can't use: exit status, one line that names the place, and nothing written. */
#include <math.h>

#include "tests/command_test.h"

/* Nothing a failed run might have begun. */
static void assert_nothing_written(void)
{
    ck_assert_int_eq(run("ls | grep -v -e '^data$' -e '^in'"), 1);
    ck_assert_str_eq(out, "");
}
#define RESULTS "--save s.keras --log logs --checkpoint point"

/* ---- usage ---- */

static const struct { const char *line, *where, *what; } wrong[] = {
    {"moru", "COMMAND: ", "missing"},
    {"moru trian", "trian: ", "not a command"},
    {"moru train", "MODEL: ", "missing"},
    {"moru train alexnet", "MODEL: ", "\"alexnet\""},
    {"moru train xor-mlp lenet", "lenet: ", "too many"},
    {"moru list all", "all: ", "too many"},
    {"moru train xor-mlp --epoch3 1", "--epoch3: ", "no such option"},
    {"moru train xor-mlp -x", "-x: ", "no such option"},
    {"moru train xor-mlp --quiet=1", "--quiet: ", "no value"},
    {"moru train xor-mlp --epochs", "--epochs: ", "missing"},
    {"moru train xor-mlp --epochs ''", "--epochs: ", "empty"},
    {"moru train xor-mlp --epochs 2x", "--epochs: ", "\"2x\""},
    {"moru train xor-mlp --epochs -1", "--epochs: ", "\"-1\""},
    {"moru train xor-mlp --batch 0", "--batch: ", "from 1"},
    {"moru train xor-mlp --batch 99999999999999999999", "--batch: ", "whole number"},
    {"moru train xor-mlp --threads 0", "--threads: ", "from 1"},
    {"moru train xor-mlp --lr nan", "--lr: ", "\"nan\""},
    {"moru train xor-mlp --lr -1", "--lr: ", "\"-1\""},
    {"moru train xor-mlp --optimizer adma", "--optimizer: ", "adma"},
    {"moru train xor-mlp --optimizer 'sgd(0.1'", "--optimizer: ", "closed"},
    {"moru train xor-mlp --schedule 'cosine(1)'", "--schedule: ", "cosine"},
    {"moru train xor-mlp --loss entropy", "--loss: ", "entropy"},
    {"moru train xor-mlp --metric acuracy", "--metric: ", "acuracy"},
    {"moru train xor-mlp --data nosuch", "--data: ", "nosuch"},
    {"moru train xor-mlp --data csv:", "--data: ", "file"},
    {"moru train xor-mlp --validation 1.5", "--validation: ", "1.5"},
    {"moru train xor-mlp --validation nosuch", "--validation: ", "nosuch"},
    {"moru train xor-mlp --save s.txt", "--save: ", ".keras"},
    {"moru train xor-mlp --resume", "--resume: ", "--checkpoint"},
    {"moru evaluate xor-mlp", "--data: ", "needed"},
    {"moru predict xor-mlp --output y.h5", "--input: ", "needed"},
    {"moru gradients xor-mlp --input in.h5", "--output: ", "needed"},
    {"moru bench xor-mlp --mode both", "--mode: ", "\"both\""},
    {"moru graph xor-mlp --training", "--training: ", "--program"},
    {"moru data nosuch", "SPEC: ", "nosuch"},
};

START_TEST(wrong_usage)
{
    FAILS(2, wrong[_i].where, wrong[_i].what, "%s", wrong[_i].line);
    assert_nothing_written();
}
END_TEST

/* ---- places to write to: found before anything is computed ---- */

START_TEST(outputs_that_cannot_be)
{
    write_text("in.txt", "");
    FAILS(1, "no/s.keras: ", "No such", "moru train mlp --epochs 1000 --save no/s.keras");
    FAILS(1, "in.keras: ", "directory", "mkdir in.keras; moru train mlp --epochs 1000 --save in.keras");
    FAILS(1, "no/logs: ", "No such", "moru train mlp --epochs 1000 --log no/logs");
    FAILS(1, "in.txt: ", "Not a directory", "moru train mlp --epochs 1000 --log in.txt");
    FAILS(1, "no/point: ", "No such", "moru train mlp --epochs 1000 --checkpoint no/point");
    FAILS(1, "no/y.h5: ", "No such", "moru predict mlp --input in.h5 --output no/y.h5");
    FAILS(1, "no/y.h5: ", "No such", "moru gradients mlp --input in.h5 --output no/y.h5");
    FAILS(1, "no/p.png: ", "No such", "moru data fashion-mnist --preview no/p.png");
    assert_nothing_written();
    write_h5("in.h5", random_images(3, 28, 28), NULL);
    if (there("/dev/full")) {
        FAILS(1, "standard output: ", "written", "moru list >/dev/full");
        FAILS(1, "standard output: ", "written", "moru graph xor-mlp >/dev/full");
        FAILS(1, "/dev/full: ", "No space", "moru predict mlp --input in.h5 --output /dev/full");
    }
    if (geteuid() != 0) {
        FAILS(1, "data/s.keras: ", "Permission", "chmod a-w data; moru train xor-mlp --epochs 1 --save data/s.keras");
        RUNS("chmod u+w data");
    }
}
END_TEST

/* ---- files to read ---- */

START_TEST(models_that_are_none)
{
    write_text("in.empty", "");
    FAILS(1, "no.keras: ", "opened", "moru train no.keras --data xor");
    FAILS(1, "data: ", "regular", "moru predict data --input in.h5 --output y.h5");
    FAILS(1, "in.empty: ", "", "moru summary in.empty");
    FAILS(1, "no.h5: ", "opened", "moru predict xor-mlp --input no.h5 --output y.h5");
    FAILS(1, "in.empty: ", "HDF5", "moru predict xor-mlp --input in.empty --output y.h5");
    FAILS(1, "no.weights.h5: ", "opened", "moru evaluate xor-mlp --data xor --weights no.weights.h5");
    RUNS("moru train xor-mlp --epochs 0 --quiet --save in.keras; head -c 2000 in.keras >in.cut");
    FAILS(1, "in.cut: ", "", "moru summary in.cut");
    FAILS(2, "--data: ", "needs", "moru train in.keras");
    FAILS(2, "--loss: ", "", "moru train in.keras --data xor --metric accuracy");
    assert_nothing_written();
}
END_TEST

START_TEST(arrays_that_do_not_fit)
{
    RUNS("moru train lenet --epochs 0 --quiet --save in.keras --log inlog");
    write_h5("in.h5", random_images(4, 28, 27), random_labels(4, 10));
    FAILS(1, "in.h5: ", "[28,27,1]", "moru predict in.keras --input in.h5 --output y.h5");
    FAILS(1, "in.h5: ", "[28,27,1]", "moru gradients in.keras --input in.h5 --output y.h5");
    FAILS(1, "in.h5: ", "[28,27,1]", "moru evaluate in.keras --data h5:in.h5");
    FAILS(1, "in.h5: ", "[28,27,1]", "moru train in.keras --data h5:in.h5 " RESULTS);
    write_h5("in.h5", random_images(4, 28, 28), random_labels(3, 10));
    FAILS(1, "in.h5: ", "3", "moru gradients in.keras --input in.h5 --output y.h5");
    FAILS(1, "in.h5: ", "", "moru train in.keras --data h5:in.h5 " RESULTS);
    write_h5("in.h5", random_images(40, 28, 28), random_labels(40, 12));
    FAILS(1, "", "label 1", "moru gradients in.keras --input in.h5 --output y.h5");
    FAILS(1, "", "the label 1", "moru train in.keras --data h5:in.h5 " RESULTS);
    write_h5("in.h5", random_images(4, 28, 28), NULL);
    FAILS(1, "in.h5: ", "target", "moru gradients in.keras --input in.h5 --output y.h5");
    FAILS(1, "in.h5: ", "target", "moru train in.keras --data h5:in.h5 " RESULTS);
    FAILS(1, "lenet: ", "images", "moru train lenet --data xor " RESULTS);
    FAILS(1, "xor-mlp: ", "2 numbers", "moru train xor-mlp --data study-time " RESULTS);
    assert_nothing_written();
}
END_TEST

/* ---- data that is damaged ---- */

START_TEST(damaged_idx)
{
    write_idx("in.cut", "train", 20, 0x803, 5, -1);
    write_idx("in.magic", "train", 20, 0x802, 0, -1);
    write_idx("in.label", "train", 20, 0x803, 0, 10);
    write_idx("in.ok", "train", 20, 0x803, 0, -1);
    FAILS(1, "in.cut/train-images-idx3-ubyte: ", "15675", "moru train lenet --data mnist:in.cut " RESULTS);
    FAILS(1, "in.magic/train-images-idx3-ubyte: ", "0x00000802", "moru train lenet --data mnist:in.magic " RESULTS);
    FAILS(1, "in.label/train-labels-idx1-ubyte: ", "label 10 at position 19",
          "moru train lenet --data mnist:in.label " RESULTS);
    FAILS(1, "in.no/train-images-idx3-ubyte: ", "No such", "moru train lenet --data mnist:in.no " RESULTS);
    FAILS(1, "in.ok/t10k-images-idx3-ubyte: ", "No such", "moru train lenet --data mnist:in.ok " RESULTS);
    FAILS(1, "in.cut/train-images-idx3-ubyte: ", "15675",
          "moru train lenet --data mnist:in.ok --validation mnist:in.cut:train " RESULTS);
    assert_nothing_written();
}
END_TEST

START_TEST(damaged_tables)
{
    write_text("in.text", "a,b,y\n1,2,3\n2,x,5\n3,1,4\n");
    write_text("in.nan", "a,b,y\n1,2,3\n2,4,5\n3,nan,4\n");
    write_text("in.short", "a,b,y\n1,2,3\n2,4\n3,1,4\n");
    FAILS(1, "in.text:3: ", "\"x\"",
          "moru train multiple-regression --data 'csv:in.text?target=y&numeric=a,b' " RESULTS);
    FAILS(1, "in.nan:4: ", "nan", "moru train multiple-regression --data 'csv:in.nan?target=y&numeric=a,b' " RESULTS);
    FAILS(1, "in.short:3: ", "", "moru train multiple-regression --data 'csv:in.short?target=y' " RESULTS);
    FAILS(1, "in.text: ", "\"z\"", "moru train multiple-regression --data 'csv:in.text?target=z' " RESULTS);
    FAILS(1, "in.no: ", "No such", "moru train multiple-regression --data 'csv:in.no' " RESULTS);
    FAILS(1, "data: ", "directory", "moru train multiple-regression --data 'csv:data' " RESULTS);
    assert_nothing_written();
}
END_TEST

START_TEST(numbers_that_are_none)
{
    moru_tensor *x = random_images(6, 28, 28), *target = random_labels(6, 10);
    ((moru_real *)moru_tensor_data(x))[5 * 784 + 3] = NAN;
    write_h5("in.h5", x, target);
    FAILS(1, "in.h5: ", "NaN in sample 5", "moru train lenet --data h5:in.h5 " RESULTS);
    FAILS(1, "fit: step ", "conv2d", "moru train lenet --batch 8 --lr 1e30 --quiet " RESULTS);
    assert_nothing_written();
}
END_TEST

int main(void)
{
    if (!getenv("MORU_COMMAND") || access(getenv("MORU_COMMAND"), X_OK) != 0) {
        printf("skip: MORU_COMMAND doesn't name the command to test\n");
        return 77;
    }
    Suite *s = suite_create("command faults");
    TCase *c = tcase_create("faults");
    tcase_add_checked_fixture(c, enter_folder, leave_folder);
    tcase_add_loop_test(c, wrong_usage, 0, sizeof wrong / sizeof *wrong);
    tcase_add_test(c, outputs_that_cannot_be);
    tcase_add_test(c, models_that_are_none);
    tcase_add_test(c, arrays_that_do_not_fit);
    tcase_add_test(c, damaged_idx);
    tcase_add_test(c, damaged_tables);
    tcase_add_test(c, numbers_that_are_none);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
