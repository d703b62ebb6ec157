/* moru evaluate: loss and metrics over a data set. */
#include "tools/source.h"

static int run(const settings *s)
{
    source src;
    moru_logs logs;
    moru_status status = source_open(&src, s, true);
    if (status == MORU_OK)
        status = source_compile(&src, s, 1);
    if (status == MORU_OK)
        status = moru_evaluate(src.model, src.data, &logs, .batch_size = s->batch > 0 ? s->batch : 128);
    for (int i = 0; status == MORU_OK && i < logs.n; i++)
        printf("%s %.6g\n", logs.names[i], logs.values[i]);
    source_close(&src);
    return status == MORU_OK ? DONE : fail_last();
}

const command command_evaluate = {
    .name = "evaluate", .argument = "MODEL", .summary = "loss and metrics of a model over a data set",
    .options = (const char *const[]){"data", "batch", "loss", "metric", "threads", NULL}, .run = run,
};
