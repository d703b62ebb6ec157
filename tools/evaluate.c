/* moru evaluate: loss and metrics over a data set. */
#include "tools/source.h"

static moru_status evaluate(source *src, const settings *s)
{
    moru_logs logs;
    moru_status status = source_open(src, s, SOURCE_DATA | (s->loss ? 0 : SOURCE_COMPILED));
    if (status == MORU_OK)
        status = source_compile(src, s, 1);
    if (status == MORU_OK)
        status = moru_evaluate(src->model, src->data, &logs, .batch_size = s->batch > 0 ? s->batch : 128);
    for (int i = 0; status == MORU_OK && i < logs.n; i++)
        printf("%s %.6g\n", logs.names[i], logs.values[i]);
    return status;
}

static int run(const settings *s)
{
    source src = {0};
    int result = evaluate(&src, s) == MORU_OK ? DONE : fail_last();
    source_close(&src);
    return result;
}

const command command_evaluate = {
    .name = "evaluate", .argument = "MODEL", .summary = "loss and metrics of a model over a data set",
    .options = (const char *const[]){"data", "batch", "loss", "metric", "weights", "by-name", "partial", "skip-mismatch", "mapping", "threads", "no-winograd", NULL},
    .needed = (const char *const[]){"data", NULL}, .run = run,
};
