/* A program's inside. */
#ifndef MORU_CORE_PROGRAM_H
#define MORU_CORE_PROGRAM_H

#include "core/compile.h"
#include "kernels/kernels.h"

typedef struct moru_program_copy { void *to; const void *from; size_t bytes; } moru_program_copy;

struct moru_program {
    moru_compilation c;        /* graph, order, plan */
    void *arena;
    moru_view *views;          /* by node id */
    int32_t *bound_from, *bound; /* values bound[bound_from[k] ..) lie in input k's storage */
    moru_run *runs;            /* by place in the order */
    const moru_view **operands; /* what runs' in and out point into */
    moru_tensor *outputs;
    moru_program_copy *copies; /* updates that could not be written in place */
    int n_copies;
    uint64_t step;
    bool check_finite, profile;
    double *seconds;
};

/* Flops of a call, by its op's rule. */
double moru_call_flops(const moru_call *call);

#endif
