/* fused: a chain of elementwise calls in one pass over memory, y = f(inputs) block by block. Intermediate values of a block stay
 * in the first-level cache. Made by core/pass_fuse.c; its vjp is never asked for, as gradients come before passes. */
#include <stdio.h>

#include "kernels/kernels.h"
#include "ops/fused.h"
#include "ops/op_table.h"

enum { BLOCK = 512 }; /* elements: sixteen steps of it fit a first-level cache */

static moru_status infer(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    for (int i = 1; i < in->n_inputs; i++) {
        moru_status status = moru_broadcast_shapes(&shapes[0], &in->shapes[i], &shapes[0]);
        if (status != MORU_OK)
            return status;
    }
    return moru_infer_all_real(in);
}

static size_t workspace(const moru_infer *in, const moru_shape *out, int threads)
{
    (void)in;
    (void)out;
    return (size_t)threads * (MORU_FUSED_STEPS + MORU_FUSED_INPUTS) * BLOCK * sizeof(moru_real);
}

/* How an input runs along the output: dense, one number, or by strides. */
typedef struct operand {
    const moru_real *data;
    bool dense, scalar;
    int64_t strides[MORU_MAX_RANK];
} operand;

typedef struct chain_run {
    const moru_fused_attrs *attrs;
    const struct moru_kernels *kernels;
    operand inputs[MORU_FUSED_INPUTS];
    int n_inputs;
    moru_shape shape;
} chain_run;

static void set_operand(operand *o, const moru_view *in, const moru_shape *shape, int64_t size)
{
    int64_t stride = 1;
    o->data = in->data;
    o->dense = in->size == size;
    o->scalar = in->size == 1;
    for (int i = shape->rank - 1, j = in->shape.rank - 1; i >= 0; i--, j--) {
        int64_t dim = j >= 0 ? in->shape.dims[j] : 1;
        o->strides[i] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
}

/* Copies n elements of a broadcast input, from output element `first` on, into block. */
static void gather(const chain_run *c, const operand *o, int64_t first, int64_t n, moru_real *block)
{
    int64_t index[MORU_MAX_RANK], at = 0;
    int last = c->shape.rank - 1;
    for (int i = last; i >= 0; i--) {
        index[i] = first % c->shape.dims[i];
        first /= c->shape.dims[i];
        at += index[i] * o->strides[i];
    }
    for (int64_t done = 0; done < n;) {
        int64_t run = c->shape.dims[last] - index[last], step = o->strides[last];
        if (run > n - done)
            run = n - done;
        for (int64_t i = 0; i < run; i++)
            block[done + i] = o->data[at + i * step];
        done += run;
        at += run * step;
        index[last] += run;
        for (int i = last; i > 0 && index[i] == c->shape.dims[i]; i--) {
            at -= index[i] * o->strides[i];
            index[i] = 0;
            index[i - 1]++;
            at += o->strides[i - 1];
        }
    }
}

static void run_block(const chain_run *c, int64_t first, int64_t n, moru_real *y, moru_real *scratch)
{
    const moru_real *values[MORU_FUSED_INPUTS + MORU_FUSED_STEPS];
    int strides[MORU_FUSED_INPUTS + MORU_FUSED_STEPS];
    for (int i = 0; i < c->n_inputs; i++) {
        const operand *o = &c->inputs[i];
        strides[i] = !o->scalar || o->dense;
        values[i] = o->dense ? o->data + first : o->data;
        if (!o->dense && !o->scalar) {
            moru_real *block = scratch + (MORU_FUSED_STEPS + i) * BLOCK;
            gather(c, o, first, n, block);
            values[i] = block;
        }
    }
    for (int k = 0; k < c->attrs->n_steps; k++) {
        const moru_fused_step *s = &c->attrs->steps[k];
        moru_real *out = k == c->attrs->n_steps - 1 ? y + first : scratch + k * BLOCK;
        if (s->binary) {
            c->kernels->binary[s->binary - 1](out, values[s->a], strides[s->a], values[s->b], strides[s->b], n, s->params);
        } else if (strides[s->a]) {
            c->kernels->unary[s->unary - 1](out, values[s->a], n, s->params);
        } else {
            c->kernels->unary[s->unary - 1](out, values[s->a], 1, s->params);
            for (int64_t i = 1; i < n; i++)
                out[i] = out[0];
        }
        values[c->n_inputs + k] = out;
        strides[c->n_inputs + k] = 1;
    }
}

static moru_status run(const moru_run *r)
{
    chain_run c = {.attrs = r->attrs, .kernels = r->kernels, .n_inputs = r->n_inputs, .shape = r->out[0]->shape};
    int64_t size = r->out[0]->size, blocks = (size + BLOCK - 1) / BLOCK;
    for (int i = 0; i < r->n_inputs; i++)
        set_operand(&c.inputs[i], r->in[i], &c.shape, size);
    moru_real *y = r->out[0]->data, *workspace = r->workspace;
    const int64_t slot = (MORU_FUSED_STEPS + MORU_FUSED_INPUTS) * BLOCK;
    int threads = size * c.attrs->n_steps < MORU_PARALLEL_MIN ? 1 : r->threads;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int t = 0; t < threads; t++)
        for (int64_t b = blocks * t / threads; b < blocks * (t + 1) / threads; b++)
            run_block(&c, b * BLOCK, b == blocks - 1 ? size - b * BLOCK : BLOCK, y, workspace + t * slot);
    return MORU_OK;
}

static double flops(const moru_infer *in, const moru_shape *out)
{
    int64_t size = 0;
    moru_shape_size(out, &size);
    return (double)size * ((const moru_fused_attrs *)in->attrs)->n_steps;
}

static void print(const void *attrs, char *text, size_t size)
{
    static const char *const unary[] = {
#define MORU_UNARY(name) #name,
#include "kernels/elementwise.def"
    };
    static const char *const binary[] = {
#define MORU_BINARY(name) #name,
#include "kernels/elementwise.def"
    };
    const moru_fused_attrs *a = attrs;
    size_t used = 0;
    text[0] = '\0';
    for (int k = 0; k < a->n_steps && used + 1 < size; k++) {
        const char *name = a->steps[k].binary ? binary[a->steps[k].binary - 1] : unary[a->steps[k].unary - 1];
        int n = snprintf(text + used, size - used, k ? " %s" : "%s", name);
        used += n > 0 ? (size_t)n : 0;
    }
}

static void vjp(const moru_vjp *v)
{
    moru_graph_fail(v->graph, MORU_ERR_GRADIENT, "fused: a compiled chain isn't differentiated; its graph is");
}

const moru_op_def moru_op_fused = {
    .name = "fused", .formula = "a chain of elementwise ops, block by block",
    .min_inputs = 1, .max_inputs = MORU_FUSED_INPUTS, .n_outputs = 1,
    .flags = MORU_OP_ELEMENTWISE, .attr_size = sizeof(moru_fused_attrs), .in_place = 0xff,
    .infer = infer, .vjp = vjp, .workspace = workspace, .run = run, .print = print, .flops = flops,
};
