/* The graph's inside: for core/ and for ops that need more than <moru/op.h>. */
#ifndef MORU_CORE_GRAPH_H
#define MORU_CORE_GRAPH_H

#include <moru/op.h>
#include <moru/program.h>
#include "core/arena.h"
#include "core/leaf.h"

typedef struct moru_call moru_call;

struct moru_node {            /* a value */
    moru_graph *graph;
    moru_call *call;
    int32_t id;               /* place in graph->nodes */
    int32_t output;           /* which output of call */
    moru_dtype dtype;
    moru_shape shape;
    moru_node *mask;          /* of a layer's output: 1 where a step counts, 0 where it is padding; NULL: all count */
};

struct moru_call {            /* one application of an op */
    const moru_op_def *op;
    int32_t id;               /* place in graph->calls; inputs come from calls of lesser id */
    int32_t n_inputs, n_outputs;
    moru_node **inputs, **outputs;
    void *attrs;
    size_t attr_size;
    const char *name;
    moru_tensor *tensor;      /* variables and constants */
};

struct moru_graph {
    moru_arena arena;         /* calls, nodes, names, attributes */
    moru_node **nodes;
    moru_call **calls;
    int32_t n_nodes, n_calls, cap_nodes, cap_calls;
    const char **symbols;     /* symbol k is the size -(k + 2) */
    int32_t n_symbols, cap_symbols;
    char scope[256];
    int16_t scope_ends[32];   /* length of scope before each push */
    int32_t n_scopes;
    void *owner;              /* the model, if one owns this graph */
    const moru_op_def **registered;
    int32_t n_registered;
    moru_tensor **owned;      /* tensors of variables and constants */
    int32_t n_owned, cap_owned;
    moru_node *inert;         /* what failed builders return */
    moru_status status;
    char error[1024];
};

/* Bit i of one of an op's sets of inputs. The last bit stands for all inputs from there on. */
static inline bool moru_op_bit(uint32_t set, int i) { return set >> (i < 31 ? i : 31) & 1; }

/* True for the value of a failed builder. */
bool moru_node_failed(const moru_node *node);
/* Keeps the graph's first error: "<op> "<name>": <message>"; returns the inert node. */
moru_node *moru_graph_fail(moru_graph *graph, moru_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* moru_apply_op() with attributes of a size of their own (fused chains). */
moru_node *moru_graph_call(moru_graph *graph, const moru_op_def *op, moru_node *const *inputs, int n, const void *attrs,
                           size_t attr_size);
/* The graph frees the tensor from now on; false (and nothing changed) without memory. */
bool moru_graph_own(moru_graph *graph, moru_tensor *tensor);
/* The graph of the first operand that has one; NULL if none does. For builders. */
moru_graph *moru_graph_of(moru_node *const *nodes, int n);

#endif
