/* Streams of random ops. */
#ifndef MORU_OPS_RANDOM_STREAM_H
#define MORU_OPS_RANDOM_STREAM_H

#include "ops/op_table.h"

/* A stream for the next call of a graph: its own, and the same again when the same model is traced again. */
uint64_t moru_call_stream(const moru_graph *graph);
/* As moru_dropout_op(), moru_random_uniform_like(), moru_random_normal_like(), from a given stream. */
moru_node *moru_dropout_from(moru_node *x, double rate, uint64_t stream);
moru_node *moru_random_uniform_from(moru_node *x, double low, double high, uint64_t stream);
moru_node *moru_random_normal_from(moru_node *x, double mean, double stddev, uint64_t stream);

#endif
