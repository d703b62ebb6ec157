/* moru summary: layers, shapes, parameters, planned memory. */
#include <inttypes.h>
#include <string.h>

#include "tools/batch.h"

static void print_rows(const moru_model *model)
{
    char shape[MORU_SHAPE_TEXT], left[160];
    printf("%-40s %-24s %14s\n", "layer (class)", "output", "parameters");
    moru_summary_row row;
    for (int k = 0; moru_model_summary_at(model, k, &row); k++) {
        snprintf(left, sizeof left, "%.90s (%.60s)", row.name, row.class_name);
        moru_shape_print(&row.output, shape, sizeof shape);
        printf("%-40s %-24s %14" PRId64 "%s\n", left, shape, row.parameters,
               row.trainable || row.parameters == 0 ? "" : " (frozen)");
    }
    int64_t all = moru_model_parameter_count(model, false), trainable = moru_model_parameter_count(model, true);
    printf("parameters: %" PRId64 ", trainable: %" PRId64 "\n", all, trainable);
}

/* What was planned for a batch. */
static moru_status print_plan(source *src, bool training, int64_t size)
{
    batch b;
    moru_program_info info;
    moru_status status = batch_make(&b, src, size, training);
    if (status == MORU_OK) {
        moru_program_describe(b.program, &info);
        printf("%s, batch %" PRId64 ": %" PRId64 " bytes planned, %.3f of the largest set alive, %d calls, %.4g GFlop\n",
               training ? "training step" : "inference", size, info.arena_bytes,
               info.lower_bound > 0 ? (double)info.arena_bytes / (double)info.lower_bound : 1, (int)info.calls,
               info.flops * 1e-9);
    }
    batch_free(&b);
    return status;
}

/* A file of weights has no layers, but arrays. */
static void print_array(void *user, const moru_array_info *array)
{
    int64_t *all = user, size = 0;
    char shape[MORU_SHAPE_TEXT];
    if (moru_shape_size(&array->shape, &size) == MORU_OK)
        *all += size;
    printf("%-60s %-10s %s\n", array->name, array->type, moru_shape_print(&array->shape, shape, sizeof shape));
}

static moru_status summarize_arrays(const char *path)
{
    int64_t all = 0;
    moru_status status = moru_arrays_list(path, print_array, &all);
    if (status == MORU_OK)
        printf("elements: %" PRId64 "\n", all);
    return status;
}

static bool holds_weights(const char *sentence)
{
    return strstr(sentence, "holds weights, not a whole model") != NULL;
}

static bool holds_arrays(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".npz") == 0 || strcmp(dot, ".npy") == 0);
}

static moru_status summarize(source *src, const settings *s)
{
    int64_t size = s->batch > 0 ? s->batch : 32;
    moru_status status = source_open(src, s, SOURCE_COMPILED);
    if (status != MORU_OK) { /* a file may be compiled with what isn't supported: its layers are there all the same */
        source_close(src);
        status = source_open(src, s, SOURCE_MODEL);
    }
    if (status != MORU_OK && (holds_weights(moru_last_error()) || holds_arrays(s->model)))
        return summarize_arrays(s->model);
    if (status != MORU_OK)
        return status;
    print_rows(src->model);
    status = print_plan(src, false, size);
    if (status == MORU_OK && (src->zoo || moru_model_optimizer(src->model)))
        status = source_compile(src, s, 1);
    if (status == MORU_OK && moru_model_optimizer(src->model))
        status = print_plan(src, true, size);
    return status;
}

static int run(const settings *s)
{
    source src = {0};
    int result = summarize(&src, s) == MORU_OK ? DONE : fail_last();
    source_close(&src);
    return result;
}

const command command_summary = {
    .name = "summary", .argument = "MODEL", .summary = "layers, output shapes, parameters, planned memory for a batch",
    .options = (const char *const[]){"batch", "data", "threads", NULL}, .run = run,
};
