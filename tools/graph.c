/* moru graph: Graphviz text. */
#include <stdlib.h>

#include "tools/batch.h"

static moru_status draw_graph(const source *src, char **text)
{
    moru_node *outputs[MORU_MAX_OUTPUTS];
    int n = moru_model_output_count(src->model);
    if (n > MORU_MAX_OUTPUTS)
        return moru_op_error(MORU_ERR_UNSUPPORTED, "%s: it has more than %d outputs", src->name, MORU_MAX_OUTPUTS);
    for (int k = 0; k < n; k++)
        outputs[k] = moru_model_output_at(src->model, k);
    *text = moru_graph_dot(outputs, n);
    return *text ? MORU_OK : MORU_ERR_MEMORY;
}

static moru_status draw_program(source *src, const settings *s, char **text)
{
    batch b = {.program = NULL};
    moru_status status = s->training ? source_compile(src, s, 1) : MORU_OK;
    if (status == MORU_OK)
        status = batch_make(&b, src, s->batch > 0 ? s->batch : 32, s->training);
    if (status == MORU_OK && !(*text = moru_program_dot(b.program)))
        status = MORU_ERR_MEMORY;
    batch_free(&b);
    return status;
}

static int run(const settings *s)
{
    source src = {0};
    char *text = NULL;
    if (s->training && !s->program)
        return usage("--training: it goes with --program");
    moru_status status = source_open(&src, s, s->training ? SOURCE_COMPILED : SOURCE_MODEL);
    if (status == MORU_OK)
        status = s->program ? draw_program(&src, s, &text) : draw_graph(&src, &text);
    int result = status == MORU_OK ? DONE : fail_last();
    if (status == MORU_OK)
        fputs(text, stdout);
    free(text);
    source_close(&src);
    return result;
}

const command command_graph = {
    .name = "graph", .argument = "MODEL", .summary = "Graphviz text of a model's graph, or of its program",
    .details = "As in: moru graph lenet | dot -Tsvg -o lenet.svg. With --program, --training shows the training step.",
    .options = (const char *const[]){"program", "training", "batch", "data", "loss", "threads", "no-winograd", NULL},
    .run = run,
};
