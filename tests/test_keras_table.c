/* doc/keras.md, the table of what Keras has and is here, is made by this program (--write FILE) from the classes
 * themselves; as a test it checks that the file is up to date and that whatever is missing has a reason. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "layers/layer.h"
#include "train/metrics.h"
#include "train/optimizer.h"
#include "train/schedules.h"

#define AUGMENTATION "pictures are augmented where they are loaded, by other means"
#define LABELS "changes labels and pictures together; does nothing at inference"
#define PYTHON "holds Python code"
#define STRINGS "looks up or hashes words: text is turned into numbers where it is loaded"
#define SPECTRA "spectra are made where sound is loaded"

typedef struct row { const char *kind, *name, *reason; } row;
static const row rows[] = {
#define LAYER(name, reason) {"layer", name, reason},
#define ACTIVATION(name, reason) {"activation", name, reason},
#define INITIALIZER(name, reason) {"initializer", name, reason},
#define REGULARIZER(name, reason) {"regularizer", name, reason},
#define CONSTRAINT(name, reason) {"constraint", name, reason},
#define LOSS(name, reason) {"loss", name, reason},
#define METRIC(name, reason) {"metric", name, reason},
#define OPTIMIZER(name, reason) {"optimizer", name, reason},
#define SCHEDULE(name, reason) {"schedule", name, reason},
#include "doc/keras_names.def"
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static bool in_family(const char *family, const char *name)
{
    int n = 0;
    const moru_class *const *classes = moru_family(family, &n);
    for (int k = 0; k < n; k++)
        if (strcmp(classes[k]->class_name, name) == 0 || (classes[k]->alias && strcmp(classes[k]->alias, name) == 0))
            return true;
    return false;
}

/* Whatever else may be wrong with a bare name, the class is known unless it isn't supported. */
static bool is_known(const row *r)
{
    moru_arena arena = {0};
    moru_status status = MORU_OK;
    moru_loss loss;
    moru_metric metric;
    moru_schedule *schedule;
    moru_optimizer *optimizer = NULL;
    if (strcmp(r->kind, "layer") == 0)
        return moru_layer_class_find(r->name) != NULL;
    if (strcmp(r->kind, "loss") == 0)
        status = moru_loss_parse(&arena, r->name, "", &loss);
    else if (strcmp(r->kind, "metric") == 0)
        status = moru_metric_parse(&arena, r->name, "", &metric);
    else if (strcmp(r->kind, "schedule") == 0)
        status = moru_schedule_parse(&arena, r->name, "", &schedule);
    else if (strcmp(r->kind, "optimizer") == 0) {
        json_t *name = json_string(r->name);
        status = moru_optimizer_from_json(&optimizer, name, "");
        json_decref(name);
        moru_optimizer_free(optimizer);
    } else
        return in_family(r->kind, r->name);
    moru_arena_free(&arena);
    return status != MORU_ERR_UNSUPPORTED;
}

static void print(FILE *file, const char *kind, const char *title)
{
    int known = 0, all = 0;
    for (int k = 0; k < N_ROWS; k++)
        if (strcmp(rows[k].kind, kind) == 0) {
            all++;
            known += is_known(&rows[k]);
        }
    fprintf(file, "\n## %s: %d of %d\n\n| Keras | here |\n| --- | --- |\n", title, known, all);
    for (int k = 0; k < N_ROWS; k++) {
        if (strcmp(rows[k].kind, kind) != 0)
            continue;
        bool here = is_known(&rows[k]);
        fprintf(file, "| %s | %s%s |\n", rows[k].name, here ? "✓" : "no: ",
                here ? "" : rows[k].reason ? rows[k].reason : "not yet");
    }
}

static void print_operations(FILE *file)
{
    fprintf(file, "\n## Operations between layers\n\nBesides elementwise arithmetic and activations:");
    for (int k = 0; moru_layer_class_at(k); k++)
        if (moru_layer_class_at(k)->is_operation)
            fprintf(file, " %s", moru_layer_class_at(k)->class_name);
    fprintf(file, ".\n");
}

static char *table(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    fprintf(file, "# What of Keras is here\n\nMade from the code by `make keras-table`; names are Keras 3.15's. Options that "
                  "aren't supported are refused by name\nwhen a model is read.\n");
    print(file, "layer", "Layers");
    print_operations(file);
    print(file, "activation", "Activations");
    print(file, "initializer", "Initializers");
    print(file, "regularizer", "Regularizers");
    print(file, "constraint", "Constraints");
    print(file, "loss", "Losses");
    print(file, "metric", "Metrics");
    print(file, "optimizer", "Optimizers");
    print(file, "schedule", "Learning-rate schedules");
    fclose(file);
    return text;
}

START_TEST(test_the_table_is_up_to_date)
{
    char path[1200], *wanted = table(), *text = calloc(1, 1 << 20);
    const char *folder = getenv("srcdir");
    snprintf(path, sizeof path, "%s/doc/keras.md", folder ? folder : ".");
    FILE *file = fopen(path, "r");
    ck_assert_msg(file && text, "%s cannot be read", path);
    ck_assert(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    ck_assert_msg(strcmp(text, wanted) == 0, "doc/keras.md is out of date: make keras-table");
    free(text);
    free(wanted);
}
END_TEST

START_TEST(test_what_is_missing_has_a_reason)
{
    for (int k = 0; k < N_ROWS; k++)
        ck_assert_msg(is_known(&rows[k]) == !rows[k].reason, "%s %s: %s", rows[k].kind, rows[k].name,
                      rows[k].reason ? "is here in spite of a reason why not" : "isn't here, for no reason");
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        char *text = table();
        FILE *file = fopen(argv[2], "w");
        bool ok = file && text && fputs(text, file) >= 0;
        ok = file && fclose(file) == 0 && ok;
        free(text);
        return !ok;
    }
    Suite *suite = suite_create("keras_table");
    TCase *tests = tcase_create("keras_table");
    tcase_add_test(tests, test_the_table_is_up_to_date);
    tcase_add_test(tests, test_what_is_missing_has_a_reason);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
