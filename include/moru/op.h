/** @file
 * What an op is. The library's own ops (ops/) and a user's are the same struct.
 */
#ifndef MORU_OP_H
#define MORU_OP_H

#include <moru/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    MORU_OP_ELEMENTWISE = 1u << 0, /**< output i depends on input elements i only, with broadcasting */
    MORU_OP_NO_GRADIENT = 1u << 1, /**< has no vjp, and says so */
    MORU_OP_RANDOM      = 1u << 2, /**< its value changes from step to step: never folded */
    MORU_OP_COMMUTES    = 1u << 3, /**< two inputs may be exchanged */
    MORU_OP_ALIAS       = 1u << 4, /**< output 0 is input 0 under another shape: costs nothing when in place */
    MORU_OP_ADD         = 1u << 5, /**< plain addition, which an epilogue can absorb */
    MORU_OP_RESIZE      = 1u << 6  /**< the identity where output 0 has the shape of input 0 */
};

/** Everything infer() may look at. Shapes may hold symbolic (negative) sizes while the graph is built. */
typedef struct moru_infer {
    moru_graph *graph;        /**< for moru_infer_symbol() only */
    const void *attrs;
    int n_inputs;
    const moru_shape *shapes; /**< of the inputs */
    const moru_dtype *dtypes;
} moru_infer;

/** What vjp() reads and writes. dy[k] is NULL where no gradient reaches output k. dx[i] starts NULL: leaving it so means
 *  a gradient of zero. Wrong-shaped dx of a broadcast input is summed to that input's shape by the driver. */
typedef struct moru_vjp {
    moru_graph *graph;
    const void *attrs;
    int n_inputs, n_outputs;
    moru_node *const *inputs;
    moru_node *const *outputs;
    moru_node *const *dy;
    const bool *wanted; /**< whether dx[i] is needed at all */
    moru_node **dx;
} moru_vjp;

/** A tensor as a kernel sees it. */
typedef struct moru_view {
    void *data;
    int64_t size;      /**< elements */
    moru_dtype dtype;
    moru_shape shape;  /**< concrete */
} moru_view;

struct moru_kernels;

/** What run() gets. Contract: inputs are const, outputs uninitialised and never accumulated into, nothing allocated. */
typedef struct moru_run {
    const void *attrs;
    int n_inputs, n_outputs;
    const moru_view *const *in;
    const moru_view *const *out;
    void *workspace;     /**< as many bytes as workspace() asked for, 64-byte aligned */
    int threads;         /**< how many threads to use at most; must not change the result's bits */
    const struct moru_kernels *kernels;
    uint64_t seed, step; /**< random numbers are functions of (seed, attrs, step, index) */
} moru_run;

typedef struct moru_op_def {
    const char *name;
    const char *formula;             /**< one line, for documentation and listings */
    int min_inputs, max_inputs;      /**< max_inputs < 0: any number */
    int n_outputs;
    uint32_t flags;
    size_t attr_size;                /**< bytes of the op's attribute struct, plain data without pointers */
    uint32_t in_place;               /**< bit i: output 0 may lie in the storage of input i (same size); bit 31: 31 and on */
    uint32_t in_place_pairs;         /**< nonzero: output k may lie in the storage of input k, for k < this number */
    uint32_t optional_outputs;       /**< bit k: output k gets no storage (data NULL, size 0) where nothing reads it */
    uint32_t shape_only;             /**< bit i: of input i only the shape is read; bit 31: of input 31 and on */
    int unary_kernel, binary_kernel; /**< 1 + index in kernels/elementwise.def; 0: not fusable */
    int activation;                  /**< 1 + unary kernel index if usable as an epilogue's activation */
    size_t epilogue;                 /**< 1 + offset of a moru_epilogue in attrs; 0: has none */
    size_t method;                   /**< 1 + offset of an int64_t in attrs that is 0 where run() may choose a faster
                                      *   algorithm that rounds otherwise, 1 where it may not; 0: has none */
    /** Output shapes and dtypes, or an error made with moru_op_error() that holds the shapes. */
    moru_status (*infer)(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes);
    /** Appends gradient nodes; NULL only with MORU_OP_NO_GRADIENT. */
    void (*vjp)(const moru_vjp *v);
    /** Scratch bytes for concrete shapes; NULL: none. */
    size_t (*workspace)(const moru_infer *in, const moru_shape *out, int threads);
    moru_status (*run)(const moru_run *run);
    /** Attributes as text for listings and graphs ("strides=2,2"); NULL: none. */
    void (*print)(const void *attrs, char *text, size_t size);
    /** Multiply-adds count double; for reports. NULL: one flop an output element. */
    double (*flops)(const moru_infer *in, const moru_shape *out);
} moru_op_def;

/** Fused tail of matmul and convolution: out = activation(out + bias[channel]). The bias is input min_inputs. */
typedef struct moru_epilogue {
    int32_t has_bias;
    int32_t activation; /**< 1 + unary kernel index; 0: none */
    double params[3];   /**< of the activation */
} moru_epilogue;

/** Appends a call of op and returns its first output. attrs: op->attr_size bytes, copied (NULL: zeros). */
MORU_API moru_node *moru_apply_op(moru_graph *graph, const moru_op_def *op, moru_node *const *inputs, int n,
                                  const void *attrs);
/** Makes an op of the caller's known to a graph by name. The struct must outlive the graph. Checks it for sense:
 *  name not taken, run and infer there, and a vjp or MORU_OP_NO_GRADIENT. */
MORU_API moru_status moru_register_op(moru_graph *graph, const moru_op_def *op);
/** Appends a call of an op by its name: a built-in one or one registered with the graph. */
MORU_API moru_node *moru_apply_named(moru_graph *graph, const char *op, moru_node *const *inputs, int n,
                                     const void *attrs);
/** Built-in op k, in the order of ops.def; NULL past the end. */
MORU_API const moru_op_def *moru_op_at(int k);

/** For infer() and run(): sets the message and returns status. */
MORU_API moru_status moru_op_error(moru_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** For infer(): a fresh symbolic size, for one that can't be known before the real sizes are. */
MORU_API int64_t moru_infer_symbol(const moru_infer *in);
/** NumPy broadcasting of two shapes, symbolic sizes included. */
MORU_API moru_status moru_broadcast_shapes(const moru_shape *a, const moru_shape *b, moru_shape *out);
/** For the vjp of fused ops: differentiates an equivalent expression ys built from v->inputs, ys[k] standing for
 *  output k (NULL: not wanted), and fills v->dx. Second derivatives come for free this way. */
MORU_API void moru_vjp_through(const moru_vjp *v, moru_node *const *ys);

#ifdef __cplusplus
}
#endif
#endif
