/* moru summary: layers, shapes, parameters, planned memory. */
#include <inttypes.h>
#include <string.h>

#include "tools/source.h"

static void print_rows(const moru_model *model)
{
    char shape[MORU_SHAPE_TEXT], left[160];
    printf("%-40s %-24s %14s\n", "layer (class)", "output", "parameters");
    moru_summary_row row;
    for (int k = 0; moru_model_summary_at(model, k, &row); k++) {
        snprintf(left, sizeof left, "%.90s (%.60s)", row.name, row.class_name);
        printf("%-40s %-24s %14" PRId64 "%s\n", left, moru_shape_print(&row.output, shape, sizeof shape), row.parameters,
               row.trainable || row.parameters == 0 ? "" : " (frozen)");
    }
    int64_t all = moru_model_parameter_count(model, false), trainable = moru_model_parameter_count(model, true);
    printf("parameters: %" PRId64 ", trainable: %" PRId64 "\n", all, trainable);
}

/* What was planned for a batch. */
static moru_status print_plan(source *src, bool training, int64_t size)
{
    batch b;
    moru_program *program = NULL;
    moru_program_info info;
    moru_status status = make_batch(src->model, src->data, size, &b);
    if (status == MORU_OK)
        status = moru_model_program(src->model, training, b.inputs, b.targets, &program);
    free_batch(&b);
    if (status != MORU_OK)
        return status;
    moru_program_describe(program, &info);
    printf("%s, batch %" PRId64 ": %" PRId64 " bytes planned (%" PRId64 " at least), %d calls, %.4g GFlop\n",
           training ? "training step" : "inference", size, info.arena_bytes, info.lower_bound, (int)info.calls,
           info.flops * 1e-9);
    return MORU_OK;
}

static int run(const settings *s)
{
    source src;
    int64_t size = s->batch > 0 ? s->batch : 32;
    moru_status status = source_open(&src, s, false);
    if (status == MORU_OK) {
        print_rows(src.model);
        status = print_plan(&src, false, size);
    }
    if (status == MORU_OK && src.data && (src.zoo || moru_model_optimizer(src.model)))
        if ((status = source_compile(&src, s, 1)) == MORU_OK)
            status = print_plan(&src, true, size);
    source_close(&src);
    return status == MORU_OK ? DONE : fail_last();
}

const command command_summary = {
    .name = "summary", .argument = "MODEL", .summary = "layers, output shapes, parameters, planned memory for a batch",
    .options = (const char *const[]){"data", "batch", "threads", NULL}, .run = run,
};
