/* The gradient check: every op of the table against differences of its values, in double, first and second order.
 *
 * A case's value y becomes the number s = sum(y (w + u y)) with random w and u. moru_gradients(s) is held against
 * five-point differences of s; then the gradient of a random-weighted sum of those gradients is held against
 * differences of that sum. Every program also runs with all compiler passes left out and has to agree. */
#ifndef MORU_TESTS_GRADCHECK_H
#define MORU_TESTS_GRADCHECK_H

#include <moru/op.h>
#include <moru/ops.h>
#include <moru/program.h>

enum {
    GRADCHECK_DISTINCT = 1u << 0,    /* no two elements of any inputs are equal or close (for max, pooling, sorting) */
    GRADCHECK_FIRST_ORDER = 1u << 1, /* leave out the gradient of the gradient; say why where the case stands */
    GRADCHECK_NO_GRADIENT = 1u << 2  /* moru_gradients() must answer MORU_ERR_GRADIENT and name no_gradient_op; for one
                                      * whose outputs are integers, where gradients end, it must give zeros */
};

#define GRADCHECK_MAX_INPUTS 6
#define GRADCHECK_MAX_OPS 512

/* Elements are uniform in [low, high), and at least 1e-2 away from each kink. The list ends at low == high. */
typedef struct gradcheck_input {
    moru_dtype dtype;  /* integers are drawn in [low, high) and not differentiated */
    moru_shape shape;
    double low, high;
    double kinks[4];
    int n_kinks;
    bool fixed;        /* real, but not differentiated */
} gradcheck_input;

/* One of unary, binary, build makes the value that is checked. Which ops a case covers is read from the graph: those
 * between the differentiated inputs and the value and, if second order is checked, those of its gradient. */
typedef struct gradcheck_case {
    const char *name;                /* "matmul/batched"; NULL ends a table */
    moru_node *(*unary)(moru_node *x);
    moru_node *(*binary)(moru_node *a, moru_node *b);
    moru_node *(*build)(moru_graph *graph, moru_node *const *x, const struct gradcheck_case *c);
    gradcheck_input in[GRADCHECK_MAX_INPUTS];
    double p[4];                     /* for build */
    int64_t n[8];                    /* for build */
    const char *no_gradient_op;      /* GRADCHECK_NO_GRADIENT: the op the message must name */
    unsigned flags;
    double tolerance;                /* relative; 0: 1e-6 */
} gradcheck_case;

/* Inputs of cases: GC_REAL(low, high, sizes...), GC_SCALAR(low, high), GC_INT(low, high, sizes...). */
#define GC_REAL(low_, high_, ...) {.dtype = MORU_REAL, .shape = MORU_SHAPE(__VA_ARGS__), .low = (low_), .high = (high_)}
#define GC_SCALAR(low_, high_) {.dtype = MORU_REAL, .low = (low_), .high = (high_)}
#define GC_INT(low_, high_, ...) {.dtype = MORU_INT32, .shape = MORU_SHAPE(__VA_ARGS__), .low = (low_), .high = (high_)}
#define GC_FIXED(low_, high_, ...) \
    {.dtype = MORU_REAL, .shape = MORU_SHAPE(__VA_ARGS__), .low = (low_), .high = (high_), .fixed = true}
#define GC_KINK(low_, high_, kink_, ...) \
    {.dtype = MORU_REAL, .shape = MORU_SHAPE(__VA_ARGS__), .low = (low_), .high = (high_), .kinks = {kink_}, \
     .n_kinks = 1}

/* Tables of cases, one file each, ended by a case without a name. */
extern const gradcheck_case gradcheck_cases_elementwise[], gradcheck_cases_reduce[], gradcheck_cases_linear[],
    gradcheck_cases_conv[], gradcheck_cases_shape[], gradcheck_cases_norm[], gradcheck_cases_transformer[],
    gradcheck_cases_rnn[], gradcheck_cases_axis[], gradcheck_cases_conv3d[], gradcheck_cases_made[];

/* Which ops of the table cases have checked, by place in it, and of which inputs the gradient was checked. An op is
 * covered when that is so for all its inputs but optional ones, integers and those of which only the shape is read. */
typedef struct gradcheck_coverage {
    bool refused[GRADCHECK_MAX_OPS];     /* shown to answer MORU_ERR_GRADIENT */
    uint32_t inputs[GRADCHECK_MAX_OPS], integers[GRADCHECK_MAX_OPS];
} gradcheck_coverage;

/* Checks one case; false with a sentence in message if a gradient is wrong. coverage may be NULL. */
bool gradcheck_run(const gradcheck_case *c, gradcheck_coverage *coverage, char *message, size_t size);
/* Names of ops that want a case and have none, "" if all have. Returns how many. */
int gradcheck_missing(const gradcheck_coverage *coverage, char *names, size_t size);

#endif
