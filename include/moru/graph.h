/** @file
 * The graph: values and the calls that make them.
 *
 * A graph only grows. Builders (ops.h) append a call and hand back its value; they never crash and need no check
 * each: the first error is kept in the graph with op, name and shapes, everything built on a failed value is inert,
 * and compiling (program.h) returns that error. Graphs share nothing: several may be built and run in several
 * threads at once. One graph must not be built by two threads at the same time; compiled programs may run beside it.
 */
#ifndef MORU_GRAPH_H
#define MORU_GRAPH_H

#include <moru/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moru_graph moru_graph;
/** A value of a graph: one output of one call. Owned by its graph. */
typedef struct moru_node moru_node;

MORU_API moru_graph *moru_graph_new(void); /**< NULL when out of memory */
MORU_API void moru_graph_free(moru_graph *graph);
MORU_API moru_status moru_graph_status(const moru_graph *graph);
/** The graph's first error, "" when there is none. */
MORU_API const char *moru_graph_error(const moru_graph *graph);

/** A symbolic dimension, the same for the same name: the batch size, the length of a sequence. Negative. */
MORU_API int64_t moru_symbol(moru_graph *graph, const char *name);

/** A value given anew at each run. */
MORU_API moru_node *moru_placeholder(moru_graph *graph, const char *name, moru_dtype dtype, moru_shape shape);
/** A fixed value; data is copied. */
MORU_API moru_node *moru_constant(moru_graph *graph, moru_dtype dtype, moru_shape shape, const void *data);
/** A fixed scalar of type ::MORU_REAL. */
MORU_API moru_node *moru_scalar(moru_graph *graph, double value);
/** Trainable or other state that lives across runs: a tensor of zeros owned by the graph. The shape is concrete. */
MORU_API moru_node *moru_variable(moru_graph *graph, const char *name, moru_shape shape);
/** As moru_variable(), over a tensor of the caller's that outlives the graph and its programs. */
MORU_API moru_node *moru_variable_from(moru_graph *graph, const char *name, moru_tensor *tensor);
/** The tensor behind a variable or constant; NULL for other values. */
MORU_API moru_tensor *moru_node_tensor(const moru_node *node);

MORU_API moru_graph *moru_node_graph(const moru_node *node);
MORU_API const moru_shape *moru_node_shape(const moru_node *node);
MORU_API moru_dtype moru_node_dtype(const moru_node *node);
MORU_API const char *moru_node_name(const moru_node *node);
/** Output k of the call that made node (0 is the first); NULL if there is no such output. */
MORU_API moru_node *moru_node_output(moru_node *node, int k);

/** Names the calls made until moru_graph_pop_name(); scopes nest with '/'. Messages and profiles show them. */
MORU_API void moru_graph_push_name(moru_graph *graph, const char *name);
MORU_API void moru_graph_pop_name(moru_graph *graph);

/**
 * Appends the gradients of sum(y) with respect to n values xs to the graph, as ordinary nodes (so they can be
 * differentiated again), and puts them into grads, each of its value's shape. Zeros where y doesn't depend on xs[i].
 * An op on the path without a gradient is an error (MORU_ERR_GRADIENT) that names op and node.
 */
MORU_API moru_status moru_gradients(moru_node *y, moru_node *const *xs, int n, moru_node **grads);
/** As moru_gradients() for several ys, each weighted by a given gradient dys[i] (NULL: ones). */
MORU_API moru_status moru_gradients_of(moru_node *const *ys, moru_node *const *dys, int n_ys,
                                       moru_node *const *xs, int n_xs, moru_node **grads);

#ifdef __cplusplus
}
#endif
#endif
