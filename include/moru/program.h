/** @file
 * Programs: a part of a graph, compiled for concrete shapes.
 *
 * Compiling copies what the outputs need, folds constants, shares equal nodes, drops dead ones, fuses, orders and plans
 * all memory into one arena. A run then allocates nothing, and its results are the same bits for any number of threads.
 */
#ifndef MORU_PROGRAM_H
#define MORU_PROGRAM_H

#include <moru/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moru_program moru_program;

/** Passes that can be left out, to see what they do and to test them against each other. */
enum {
    MORU_PASS_FOLD = 1u << 0, MORU_PASS_SHARE = 1u << 1, MORU_PASS_FUSE = 1u << 2,
    MORU_PASS_ORDER = 1u << 3, MORU_PASS_IN_PLACE = 1u << 4,
    /** Winograd's algorithm for 3x3 convolutions without strides, where it is faster: two to three times. Its results
     *  differ from the direct way's by one or two millionths of the largest one, twice or thrice a direct sum's error. */
    MORU_PASS_WINOGRAD = 1u << 5
};

typedef struct moru_program_options {
    moru_node *const *inputs;          /**< placeholders, in the order of moru_program_bind() */
    const moru_shape *input_shapes;    /**< concrete; NULL: the placeholders' own */
    int n_inputs;
    moru_node *const *outputs;         /**< values to compute and keep */
    int n_outputs;
    moru_node *const *update_variables; /**< at the end of a run variable k becomes update_values[k] */
    moru_node *const *update_values;
    int n_updates;
    int threads;                       /**< 0: as OpenMP would choose */
    uint64_t seed;                     /**< of dropout and the like */
    bool check_finite;                 /**< after each call look for NaN and infinity: MORU_ERR_NUMERIC names the node */
    uint32_t without;                  /**< MORU_PASS_* to leave out */
} moru_program_options;

MORU_API moru_status moru_program_new(moru_program **program, const moru_program_options *options);
MORU_API void moru_program_free(moru_program *program);
/** Gives input k its data for the next runs: dtype and shape as compiled, aligned as its elements are. Not copied. */
MORU_API moru_status moru_program_bind(moru_program *program, int k, const void *data);
/** One thread at a time may run a program, or programs that update the same variables. After a failure some variables may
 *  have their new values already, and outputs hold nothing of use. */
MORU_API moru_status moru_program_run(moru_program *program);
/** Output k: owned by the program, holds its value until the next run. */
MORU_API const moru_tensor *moru_program_output(const moru_program *program, int k);
/** The step number random nodes see; each run adds one. */
MORU_API void moru_program_set_step(moru_program *program, uint64_t step);
MORU_API uint64_t moru_program_step(const moru_program *program);

/** What was planned. */
typedef struct moru_program_info {
    int64_t arena_bytes;     /**< one arena for everything that lives within a run */
    int64_t lower_bound;     /**< largest set of bytes alive at once; no plan can be smaller */
    int64_t constant_bytes, variable_bytes;
    int32_t calls;           /**< left after the passes */
    double flops;            /**< of one run */
} moru_program_info;
MORU_API void moru_program_describe(const moru_program *program, moru_program_info *info);
/** Row k of a profile. Names belong to the program. */
typedef struct moru_program_call {
    const char *op, *name;
    moru_shape shape;   /**< of the first output */
    double seconds;     /**< in the last run made with profiling on */
    double flops, bytes;
} moru_program_call;
MORU_API bool moru_program_call_at(const moru_program *program, int k, moru_program_call *call);
MORU_API void moru_program_profile(moru_program *program, bool on);

/** Graphviz text of a compiled program, or of a graph's values that lead to n outputs; free() it. NULL on failure. */
MORU_API char *moru_program_dot(const moru_program *program);
MORU_API char *moru_graph_dot(moru_node *const *outputs, int n);

#ifdef __cplusplus
}
#endif
#endif
