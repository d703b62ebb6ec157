/* Streams of random ops. */
#ifndef MORU_OPS_RANDOM_STREAM_H
#define MORU_OPS_RANDOM_STREAM_H

#include "ops/op_table.h"

/* A stream for the next call of a graph: its own, and the same again when the same model is traced again. */
uint64_t moru_call_stream(const moru_graph *graph);

#endif
