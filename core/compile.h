/* Compiling: what the passes work on. One file per pass, pass_*.c, in the order they run. */
#ifndef MORU_CORE_COMPILE_H
#define MORU_CORE_COMPILE_H

#include "core/graph.h"
#include "core/tensor.h"

/* Storage shared by values: an output and its aliases, or what was computed in place. */
typedef struct moru_buffer {
    int64_t bytes, offset;    /* in the arena */
    int32_t first, last;      /* places in the order between which it is alive */
    void *fixed;              /* storage outside the arena: variables and constants */
    int32_t input;            /* 1 + index of the bound input it is; 0: none */
} moru_buffer;

typedef struct moru_compilation {
    const moru_program_options *options;
    moru_graph *graph;                    /* a private copy with concrete sizes */
    moru_node **inputs, **outputs;        /* as in options, in graph; an unused input is NULL */
    moru_node **update_variables, **update_values;
    int n_inputs, n_outputs, n_updates;
    int threads;
    moru_call **order;                    /* pass_order: the calls to run */
    int32_t n_order;
    moru_buffer *buffers;                 /* pass_plan */
    int32_t n_buffers;
    int32_t *buffer_of;                   /* by node id; -1: none */
    int64_t *workspace;                   /* by place in the order: buffer index, or -1 */
    int64_t arena_bytes, lower_bound;
} moru_compilation;

moru_status moru_pass_lower(moru_compilation *c); /* copies what is needed, with concrete sizes */
void moru_pass_direct(moru_compilation *c);       /* without MORU_PASS_WINOGRAD: no op may choose another algorithm */
moru_status moru_pass_fold(moru_compilation *c);  /* computes what depends on constants only */
moru_status moru_pass_share(moru_compilation *c); /* equal calls become one */
moru_status moru_pass_commute(moru_compilation *c); /* masks and sums go before the gradient of pooling */
moru_status moru_pass_normalize(moru_compilation *c); /* relu and residual go into batch normalization */
moru_status moru_pass_fuse(moru_compilation *c);  /* epilogues, then chains of elementwise calls */
moru_status moru_pass_order(moru_compilation *c); /* dead calls fall away; orders the rest for little memory */
moru_status moru_pass_plan(moru_compilation *c);  /* in place and aliases; offsets in one arena */

/* Puts map[i] in the place of value i wherever it is used (NULL: stays). */
void moru_compilation_replace(moru_compilation *c, moru_node **map);
/* How often each value is used by calls that are still needed, by node id; program outputs and updates count too.
 * NULL without memory; free() it. */
int32_t *moru_compilation_uses(const moru_compilation *c);
/* Marks what the marked calls need, by call id. */
void moru_mark_sources(const moru_graph *graph, bool *marked);
/* Which calls the outputs and updates need, by call id. NULL without memory; free() it. */
bool *moru_compilation_needed(const moru_compilation *c);
/* The shape rule's view of a call; shapes and dtypes have room for its inputs. */
moru_infer moru_call_infer(const moru_call *call, moru_shape *shapes, moru_dtype *dtypes);
/* Scratch bytes of a call. */
size_t moru_call_workspace(const moru_call *call, int threads);

#endif
