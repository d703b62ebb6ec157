/* One case of the PyTorch fixture: its inputs as placeholders, its arguments as attributes. */
#ifndef MORU_TESTS_TORCH_CASE_H
#define MORU_TESTS_TORCH_CASE_H

#include <hdf5.h>
#include "core/graph.h"
#include <moru/ops.h>

enum { TORCH_INPUTS = 24, TORCH_MORE = 3, TORCH_NAME = 96 };

typedef struct torch_tensor {
    char name[TORCH_NAME];
    moru_dtype dtype;     /* 64-bit integers are read as int32, bytes (masks) as real */
    moru_shape shape;
    int64_t size;
    void *data;
    moru_node *node;
} torch_tensor;

typedef struct torch_case {
    char name[TORCH_NAME], op[TORCH_NAME];
    const char *variant;
    hid_t group;
    moru_graph *graph;
    int n;
    torch_tensor inputs[TORCH_INPUTS];
    moru_node *more[TORCH_MORE];  /* outputs after the first, which torch_build() finds */
    int n_more;
} torch_case;

/* Reads a dataset below a group. */
bool torch_read(hid_t group, const char *path, torch_tensor *tensor);
/* An input by name; NULL if the case has none. */
moru_node *torch_input(const torch_case *t, const char *name);
/* The first input. */
moru_node *torch_first(const torch_case *t);
/* Numeric arguments: how many there are (0: not given), at most max are stored. */
int torch_numbers(const torch_case *t, const char *name, double *values, int max);
double torch_number(const torch_case *t, const char *name, double otherwise);
/* Whether a text argument has this value. */
bool torch_is(const torch_case *t, const char *name, const char *value);

/* The value a case computes, in PyTorch's layout; NULL for what this version doesn't have. */
moru_node *torch_build(torch_case *t);
moru_node *torch_rnn(torch_case *t);

#endif
