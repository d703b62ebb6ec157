/* moru graph: Graphviz text. */
#include <stdlib.h>

#include "tools/source.h"

static moru_status draw(source *src, const settings *s, char **text)
{
    if (!s->program) {
        moru_node *outputs[MORU_MAX_OUTPUTS];
        int n = moru_model_output_count(src->model);
        for (int k = 0; k < n && k < MORU_MAX_OUTPUTS; k++)
            outputs[k] = moru_model_output_at(src->model, k);
        *text = moru_graph_dot(outputs, n < MORU_MAX_OUTPUTS ? n : MORU_MAX_OUTPUTS);
        return *text ? MORU_OK : MORU_ERR_MEMORY;
    }
    batch b;
    moru_program *program = NULL;
    const bool training = s->training;
    moru_status status = training ? source_compile(src, s, 1) : MORU_OK;
    if (status == MORU_OK && training && !src->data)
        status = moru_op_error(MORU_ERR_ARGUMENT, "--data: a training step's shapes come from it");
    if (status != MORU_OK)
        return status;
    status = make_batch(src->model, src->data, s->batch > 0 ? s->batch : 32, &b);
    if (status == MORU_OK)
        status = moru_model_program(src->model, training, b.inputs, b.targets, &program);
    if (status == MORU_OK && !(*text = moru_program_dot(program)))
        status = MORU_ERR_MEMORY;
    free_batch(&b);
    return status;
}

static int run(const settings *s)
{
    source src;
    char *text = NULL;
    moru_status status = source_open(&src, s, false);
    if (status == MORU_OK)
        status = draw(&src, s, &text);
    if (text)
        fputs(text, stdout);
    free(text);
    source_close(&src);
    return status == MORU_OK ? DONE : fail_last();
}

const command command_graph = {
    .name = "graph", .argument = "MODEL", .summary = "Graphviz text of a model's graph, or of its program",
    .details = "As in: moru graph lenet | dot -Tsvg -o lenet.svg. --training (with --program) shows the training step.",
    .options = (const char *const[]){"program", "training", "data", "batch", "threads", NULL}, .run = run,
};
