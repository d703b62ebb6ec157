/* The arithmetic. One table of these functions per instruction set, all compiled from the same sources and chosen once
 * (moru_kernels_select()). No graph, no allocation, no state: scratch memory and the number of threads are arguments.
 *
 * Contract of every kernel: inputs const, outputs fully written and never read; any alignment of a multiple of
 * sizeof(moru_real) is accepted; work is cut into pieces by problem size only and partial sums are added in a fixed
 * order, so the bits of the result don't depend on `threads`. Sizes of 0 are legal everywhere. */
#ifndef MORU_KERNELS_H
#define MORU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <moru/tensor.h>

enum moru_unary_kernel {
#define MORU_UNARY(name) MORU_UNARY_##name,
#include "kernels/elementwise.def"
    MORU_UNARY_COUNT
};
enum moru_binary_kernel {
#define MORU_BINARY(name) MORU_BINARY_##name,
#include "kernels/elementwise.def"
    MORU_BINARY_COUNT
};

/* Work below this many elementary operations isn't worth starting threads for. */
#define MORU_PARALLEL_MIN 32768
/* The same for multiply-adds of products and convolutions: 2 us of one thread, where starting another costs 1. */
#define MORU_PARALLEL_MACS 98304

/* y[0..n) = f(x[0..n); p). y may be x. */
typedef void moru_unary_fn(moru_real *y, const moru_real *x, int64_t n, const double *p);
/* y[i] = f(a[i*sa], b[i*sb]; p), with sa, sb in {0, 1}. y may be a or b where its stride is 1. */
typedef void moru_binary_fn(moru_real *y, const moru_real *a, int sa, const moru_real *b, int sb, int64_t n,
                            const double *p);

/* c[m,n] = act(op(a)[m,k] op(b)[k,n] + bias[n]), for each of `batch` problems. Row-major; lda etc. are row strides of
 * the matrices as stored: a is [m,k], or [k,m] if trans_a; b is [k,n], or [n,k] if trans_b. Batch strides may be 0. */
typedef struct moru_gemm {
    int64_t m, n, k;
    const moru_real *a, *b;
    moru_real *c;
    int64_t lda, ldb, ldc;
    bool trans_a, trans_b;
    int64_t batch, stride_a, stride_b, stride_c;
    const moru_real *bias;     /* n numbers, or NULL */
    int activation;            /* 1 + unary kernel, 0: none */
    double params[3];
} moru_gemm;

/* How a convolution is computed: as is faster by its sizes; without Winograd; by Winograd wherever it is possible. */
enum { MORU_CONV_BY_COST, MORU_CONV_DIRECT, MORU_CONV_WINOGRAD };

/* Geometry of a 2-D convolution: NHWC, HWIO; or, if it is of volumes, of a 3-D one: NDHWC, DHWIO. */
typedef struct moru_conv2d {
    int64_t n, h, w, c;        /* input */
    int64_t kh, kw, filters;   /* weight [kh,kw,c/groups,filters] */
    int64_t oh, ow;
    int64_t sh, sw, dh, dw;    /* strides, dilation */
    int64_t top, left;         /* padding before; what comes after follows from oh, ow */
    int64_t groups;
    int method;                /* MORU_CONV_BY_COST ... */
    bool volume;
    int64_t d, kd, od, sd, dd, front; /* of a volume: size, kernel, output, stride, dilation, padding before */
} moru_conv2d;

typedef struct moru_pool2d {
    int64_t n, h, w, c, kh, kw, oh, ow, sh, sw, top, left;
    bool count_padding;
} moru_pool2d;

/* What is read outside of a picture: in the order of moru_fill_mode. */
enum { MORU_AFFINE_CONSTANT, MORU_AFFINE_REFLECT, MORU_AFFINE_WRAP, MORU_AFFINE_NEAREST };

/* Pictures x[n,h,w,c] transformed by eight numbers each, or all by the same. */
typedef struct moru_affine {
    int64_t n, h, w, c;
    bool shared;               /* one transform for all */
    bool bilinear;             /* between pixels; else the nearest one */
    int fill_mode;             /* MORU_AFFINE_... */
    double fill;
} moru_affine;
/* What attention's mask says: it is added to the scores, or which keys are kept (not 0). A query that keeps none then
 * gets the mean of all values, or 0, and an lse of +inf. */
typedef enum moru_keep { MORU_KEEP_ADDED, MORU_KEEP_OR_MEAN, MORU_KEEP_OR_ZERO } moru_keep;

/* Attention of q[n,t,heads,dim] to k[n,s,heads,dim] and v[n,s,heads,value_dim]. causal: query i sees keys 0..i only. */
typedef struct moru_attention {
    int64_t n, heads, t, s, dim, value_dim;
    double scale;
    bool causal;
    int64_t mask_n, mask_h, mask_t; /* strides of the mask, 0 where it is repeated; its rows are s numbers */
    moru_keep keep;
} moru_attention;

/* A recurrent layer over n sequences of t steps. x is [n,t,in]; step s reads position s, or t - 1 - s if backwards.
 * Weights as Keras has them: kernel [in,gates units], recurrent [units,gates units], gates side by side. What may be
 * NULL: absent inputs are zeros, absent outputs aren't wanted. y [n,t,units] is in the order of the steps; what the
 * gradient needs (gates, cells, before, all [n,t,..]) lies at the positions of x.
 *
 * Where mask [n,t], which lies at the positions of x, is 0, a sequence keeps its state, and y is that of the step
 * before (zeros before the first) or, with zero_output, zeros. */
typedef struct moru_rnn {
    int64_t n, t, in, units;
    bool backwards;
} moru_rnn;

/* LSTM, gates i, f, c, o. May be NULL: bias, h0, c0, all outputs. */
typedef struct moru_lstm_args {
    const moru_real *x, *kernel, *recurrent, *bias, *h0, *c0;
    moru_real *y, *last_h, *last_c;
    moru_real *gates, *cells, *before; /* after their activations [n,t,4 units]; c and the h before the step */
    const moru_real *mask;
    bool zero_output;
} moru_lstm_args;

/* May be NULL: c0, dy, dh, dc (gradients of y, last_h, last_c), dh0, dc0. dgates [n,t,4 units], the gradient of the
 * gates before their activations, may be gates. */
typedef struct moru_lstm_grad_args {
    const moru_real *gates, *cells, *recurrent, *c0, *dy, *dh, *dc;
    moru_real *dgates, *dh0, *dc0;
    const moru_real *mask;
    bool zero_output;
} moru_lstm_grad_args;

/* GRU, gates z, r, h. With reset_after bias is [2,3 units], for x and for h, and the reset gate weighs what comes
 * from h after the product, otherwise [3 units], and it weighs h. May be NULL: bias, h0, all outputs. */
typedef struct moru_gru_args {
    const moru_real *x, *kernel, *recurrent, *bias, *h0;
    bool reset_after;
    moru_real *y, *last_h;
    moru_real *gates, *inner, *before; /* after their activations [n,t,3 units]; what of h goes into gate h: before r
                                          weighs it (reset_after), or r h; h before the step */
    const moru_real *mask;
    bool zero_output;
} moru_gru_args;

/* May be NULL: dy, dh (gradients of y, last_h), dh0, dstate. dgates [n,t,3 units], the gradient of x kernel + bias, may
 * be gates; dstate, that of h recurrent + bias, is written with reset_after only (the same as dgates else). */
typedef struct moru_gru_grad_args {
    const moru_real *gates, *inner, *before, *recurrent, *dy, *dh;
    bool reset_after;
    moru_real *dgates, *dstate, *dh0;
    const moru_real *mask;
    bool zero_output;
} moru_gru_grad_args;

typedef enum moru_reduce_kind { MORU_REDUCE_SUM, MORU_REDUCE_MEAN, MORU_REDUCE_MAX, MORU_REDUCE_MIN, MORU_REDUCE_PROD } moru_reduce_kind;

/* Sums along an axis: number i is that of weights[i width + k] x[first[i] + k], k < count[i] <= width. */
typedef struct moru_taps {
    int64_t n, width;
    const int64_t *first, *count;
    const moru_real *weights;
} moru_taps;

typedef struct moru_adam { double lr, beta_1, beta_2, epsilon, weight_decay, step; } moru_adam_args;

typedef struct moru_kernels {
    const char *isa;           /* "generic", "x86-64-v2", "x86-64-v3", "x86-64-v4" */
    int vector_bytes;
    moru_unary_fn *unary[MORU_UNARY_COUNT];
    moru_binary_fn *binary[MORU_BINARY_COUNT];

    size_t (*gemm_workspace)(const moru_gemm *g, int threads);
    void (*gemm)(const moru_gemm *g, void *workspace, int threads);

    /* y[n,oh,ow,filters] = act(conv(x, weight) + bias) */
    size_t (*conv2d_workspace)(const moru_conv2d *g, int threads);
    void (*conv2d)(const moru_conv2d *g, const moru_real *x, const moru_real *weight, const moru_real *bias, int activation,
                   const double *params, moru_real *y, void *workspace, int threads);
    /* dx[n,h,w,c] from dy[n,oh,ow,filters] */
    size_t (*conv2d_grad_input_workspace)(const moru_conv2d *g, int threads);
    void (*conv2d_grad_input)(const moru_conv2d *g, const moru_real *dy, const moru_real *weight, moru_real *dx,
                              void *workspace, int threads);
    /* y[n,h,w,c] = act(what x[n,oh,ow,filters] gives as a gradient of the input, + bias[c]): transposed convolution,
     * in the same workspace */
    void (*conv2d_transpose)(const moru_conv2d *g, const moru_real *x, const moru_real *weight, const moru_real *bias,
                             int activation, const double *params, moru_real *y, void *workspace, int threads);
    /* dweight[kh,kw,c/groups,filters] */
    size_t (*conv2d_grad_weight_workspace)(const moru_conv2d *g, int threads);
    void (*conv2d_grad_weight)(const moru_conv2d *g, const moru_real *dy, const moru_real *x, moru_real *dweight,
                               void *workspace, int threads);

    void (*max_pool2d)(const moru_pool2d *g, const moru_real *x, moru_real *y, int threads);
    /* the first maximum of each window gets dy */
    void (*max_pool2d_grad)(const moru_pool2d *g, const moru_real *dy, const moru_real *x, const moru_real *y, moru_real *dx,
                            int threads);
    /* dy of the above given ddx: picks ddx at each window's first maximum */
    void (*max_pool2d_pick)(const moru_pool2d *g, const moru_real *ddx, const moru_real *x, const moru_real *y, moru_real *out,
                            int threads);
    void (*avg_pool2d)(const moru_pool2d *g, const moru_real *x, moru_real *y, int threads);
    void (*avg_pool2d_grad)(const moru_pool2d *g, const moru_real *dy, moru_real *dx, int threads);

    /* y[outer,inner] = reduce of x[outer,reduced,inner] over the middle */
    size_t (*reduce_workspace)(moru_reduce_kind kind, int64_t outer, int64_t reduced, int64_t inner, int threads);
    void (*reduce)(moru_reduce_kind kind, const moru_real *x, int64_t outer, int64_t reduced, int64_t inner, moru_real *y,
                   void *workspace, int threads);
    /* index of the first largest (or, least = true, smallest) along the middle; a NaN counts as the largest and smallest */
    void (*arg_reduce)(bool least, const moru_real *x, int64_t outer, int64_t reduced, int64_t inner, int32_t *y, int threads);

    /* along the middle of [outer,size,inner] */
    void (*softmax)(bool log, const moru_real *x, int64_t outer, int64_t size, int64_t inner, moru_real *y, int threads);
    /* softmax: dx = y (dy - sum(dy y)); log: dx = dy - exp(y) sum(dy) */
    void (*softmax_grad)(bool log, const moru_real *dy, const moru_real *y, int64_t outer, int64_t size, int64_t inner,
                         moru_real *dx, int threads);
    /* loss[r] = logsumexp(z[r,:]) - z[r,label[r]]; labels were checked before */
    void (*sparse_cross_entropy)(const moru_real *z, const int32_t *labels, int64_t rows, int64_t classes, moru_real *loss,
                                 int threads);
    /* dz[r,:] = dloss[r] (softmax(z[r,:]) - onehot(label[r])) */
    void (*sparse_cross_entropy_grad)(const moru_real *dloss, const moru_real *z, const int32_t *labels, int64_t rows,
                                      int64_t classes, moru_real *dz, int threads);

    /* batch statistics of x[rows,channels,inner] over rows and inner: mean and biased variance, joined from chunks */
    size_t (*batch_norm_workspace)(int64_t rows, int64_t channels, int64_t inner, int threads);
    void (*batch_norm_moments)(const moru_real *x, int64_t rows, int64_t channels, int64_t inner, moru_real *mean,
                               moru_real *variance, void *workspace, int threads);
    /* y = (x - mean)/sqrt(variance + epsilon) gamma + beta + residual, or its relu; gamma, beta, residual may be NULL */
    void (*batch_norm_apply)(const moru_real *x, const moru_real *residual, const moru_real *gamma, const moru_real *beta,
                             const moru_real *mean, const moru_real *variance, int64_t rows, int64_t channels,
                             int64_t inner, double epsilon, bool relu, moru_real *y, int threads);
    /* through y only (not through mean and variance as inputs); relu: y is relu(x ... + beta), to be told by beta, which
     * doesn't count otherwise; dgamma, dbeta always written */
    void (*batch_norm_grad)(const moru_real *dy, const moru_real *x, const moru_real *gamma, const moru_real *beta,
                            const moru_real *mean, const moru_real *variance, int64_t rows, int64_t channels,
                            int64_t inner, double epsilon, bool relu, moru_real *dx, moru_real *dgamma, moru_real *dbeta,
                            void *workspace, int threads);

    /* y = (x - mean) rstd gamma + beta by row of x[rows,width], rstd = 1/sqrt(variance + epsilon); gamma and beta of
     * width numbers may be NULL */
    void (*layer_norm)(const moru_real *x, const moru_real *gamma, const moru_real *beta, int64_t rows, int64_t width,
                       double epsilon, moru_real *y, moru_real *mean, moru_real *rstd, int threads);
    /* through y only; dgamma, dbeta always written */
    size_t (*layer_norm_grad_workspace)(int64_t rows, int64_t width, int threads);
    void (*layer_norm_grad)(const moru_real *dy, const moru_real *x, const moru_real *gamma, const moru_real *mean,
                            const moru_real *rstd, int64_t rows, int64_t width, moru_real *dx, moru_real *dgamma,
                            moru_real *dbeta, void *workspace, int threads);

    /* y[n,t,heads,value_dim] = softmax(scale q k^T + mask) v, lse[n,heads,t] = log sum exp of each row of the softmax's
     * argument; mask may be NULL. Without keys y is 0. */
    size_t (*attention_workspace)(const moru_attention *g, int threads);
    void (*attention)(const moru_attention *g, const moru_real *q, const moru_real *k, const moru_real *v,
                      const moru_real *mask, moru_real *y, moru_real *lse, void *workspace, int threads);
    /* through y only */
    size_t (*attention_grad_workspace)(const moru_attention *g, int threads);
    void (*attention_grad)(const moru_attention *g, const moru_real *dy, const moru_real *q, const moru_real *k,
                           const moru_real *v, const moru_real *mask, const moru_real *lse, moru_real *dq,
                           moru_real *dk, moru_real *dv, void *workspace, int threads);

    /* y[n,i,j,:] = x at row (b0 j + b1 i + b2)/k, column (a0 j + a1 i + a2)/k, k = c0 j + c1 i + 1, the transform being
     * a0 a1 a2 b0 b1 b2 c0 c1; and the gradient of x */
    void (*affine)(const moru_affine *g, const moru_real *x, const moru_real *transform, moru_real *y, int threads);
    void (*affine_grad)(const moru_affine *g, const moru_real *dy, const moru_real *transform, moru_real *dx,
                        int threads);

    /* Strided copy: y is dense of shape dims[rank]; x is read at sum(i_k stride_k) (strides in elements, 0 and negative
     * allowed; x points at index 0). Elements of `bytes` = 4 or 8 bytes. */
    void (*copy_strided)(int rank, const int64_t *dims, const int64_t *strides, size_t bytes, const void *x, void *y, int threads);

    /* y[outer,t->n,inner] = the sums t of x[outer,size,inner] along its middle, and dx from dy */
    void (*resample)(const moru_taps *t, const moru_real *x, int64_t outer, int64_t size, int64_t inner, moru_real *y,
                     int threads);
    void (*resample_grad)(const moru_taps *t, const moru_real *dy, int64_t outer, int64_t size, int64_t inner,
                          moru_real *dx, int threads);

    /* y[i] = x[i] keep_i/(1 - rate), keep_i = bits(key, i) >= rate 2^32. */
    void (*dropout)(const moru_real *x, int64_t n, double rate, uint64_t seed, uint64_t stream, uint64_t step, moru_real *y, int threads);
    void (*random_uniform)(int64_t n, double low, double high, uint64_t seed, uint64_t stream, uint64_t step, moru_real *y, int threads);
    void (*random_normal)(int64_t n, double mean, double stddev, uint64_t seed, uint64_t stream, uint64_t step, moru_real *y, int threads);

    /* out[r,:] = table[index[r],:]; indices were checked before */
    void (*gather_rows)(const moru_real *table, int64_t width, const int32_t *index, int64_t rows, moru_real *out, int threads);
    /* dtable[v,:] = sum over r with index[r] = v of dy[r,:], in order of r */
    void (*scatter_rows)(const moru_real *dy, int64_t width, const int32_t *index, int64_t rows, int64_t vocabulary,
                         moru_real *dtable, int threads);

    size_t (*lstm_workspace)(const moru_rnn *g);
    void (*lstm)(const moru_rnn *g, const moru_lstm_args *a, void *workspace, int threads);
    size_t (*lstm_grad_workspace)(const moru_rnn *g);
    void (*lstm_grad)(const moru_rnn *g, const moru_lstm_grad_args *a, void *workspace, int threads);

    size_t (*gru_workspace)(const moru_rnn *g);
    void (*gru)(const moru_rnn *g, const moru_gru_args *a, void *workspace, int threads);
    size_t (*gru_grad_workspace)(const moru_rnn *g);
    void (*gru_grad)(const moru_rnn *g, const moru_gru_grad_args *a, void *workspace, int threads);

    /* Optimizers; new values may lie over the old ones. NULL slots are absent. */
    void (*sgd)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *m, double lr, double momentum, bool nesterov,
                double weight_decay, moru_real *new_w, moru_real *new_m, int threads);
    void (*adam)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *m, const moru_real *v,
                 const moru_adam_args *a, moru_real *new_w, moru_real *new_m, moru_real *new_v, int threads);
    void (*rmsprop)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *v, const moru_real *m, const moru_real *a,
                    double lr, double rho, double momentum, double epsilon, double weight_decay, moru_real *new_w,
                    moru_real *new_v, moru_real *new_m, moru_real *new_a, int threads);
    void (*adagrad)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *acc, double lr, double epsilon,
                    double weight_decay, moru_real *new_w, moru_real *new_acc, int threads);

    bool (*all_finite)(const moru_real *x, int64_t n, int threads);
} moru_kernels;

/* The best table this processor runs; the environment's MORU_ISA ("generic", "x86-64-v2", ...) may ask for a lesser one. */
const moru_kernels *moru_kernels_select(void);
/* Table k of those that this processor runs, best first; NULL past the end. For tests. */
const moru_kernels *moru_kernels_at(int k);

#endif
