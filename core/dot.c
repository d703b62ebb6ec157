/* Graphviz text of graphs and programs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/program.h"
#include "core/status.h"

/* Names go into double-quoted strings. */
static void write_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

static void write_call(FILE *out, const moru_call *call)
{
    char shape[MORU_SHAPE_TEXT], attrs[256] = "";
    if (call->op->print)
        call->op->print(call->attrs, attrs, sizeof attrs);
    bool leaf = moru_op_is_leaf(call->op);
    fprintf(out, "  c%" PRId32 " [shape=%s%s,label=\"%s", call->id, leaf ? "ellipse" : "box",
            call->op == &moru_op_variable ? ",style=filled,fillcolor=lightyellow" : "", call->op->name);
    fputs("\\n", out);
    write_escaped(out, call->name);
    if (attrs[0]) {
        fputs("\\n", out);
        write_escaped(out, attrs);
    }
    fprintf(out, "\\n%s\"];\n", moru_shape_print(&call->outputs[0]->shape, shape, sizeof shape));
    for (int i = 0; i < call->n_inputs; i++)
        fprintf(out, "  c%" PRId32 " -> c%" PRId32 ";\n", call->inputs[i]->call->id, call->id);
}

/* Writes the marked calls; the text is the caller's to free. */
static char *write_dot(const moru_graph *graph, const bool *marked)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        moru_fail(MORU_ERR_MEMORY, "no memory for the graph's text");
        return NULL;
    }
    fputs("digraph moru {\n  rankdir=TB;\n  node [fontname=\"sans-serif\",fontsize=10];\n", out);
    for (int32_t id = 0; id < graph->n_calls; id++)
        if (marked[id])
            write_call(out, graph->calls[id]);
    fputs("}\n", out);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        moru_fail(MORU_ERR_MEMORY, "no memory for the graph's text");
        return NULL;
    }
    return text;
}

char *moru_program_dot(const moru_program *p)
{
    bool *needed = moru_compilation_needed(&p->c);
    char *text = needed ? write_dot(p->c.graph, needed) : NULL;
    free(needed);
    return text;
}

char *moru_graph_dot(moru_node *const *outputs, int n)
{
    moru_graph *graph = moru_graph_of(outputs, n);
    if (!graph || graph->status != MORU_OK) {
        moru_fail(graph ? graph->status : MORU_ERR_ARGUMENT, "%s", graph ? graph->error : "there is no graph to draw");
        return NULL;
    }
    bool *marked = calloc((size_t)graph->n_calls + 1, sizeof *marked);
    if (!marked) {
        moru_fail(MORU_ERR_MEMORY, "no memory for the graph's text");
        return NULL;
    }
    for (int i = 0; i < n; i++)
        if (outputs[i])
            marked[outputs[i]->call->id] = true;
    moru_mark_sources(graph, marked);
    char *text = write_dot(graph, marked);
    free(marked);
    return text;
}
