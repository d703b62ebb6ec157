#include "ops/broadcast.h"
#include "ops/elementwise.h"

moru_status moru_infer_unary(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return moru_infer_all_real(in);
}

moru_status moru_infer_binary(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    dtypes[0] = MORU_REAL;
    moru_status status = moru_infer_all_real(in);
    return status ? status : moru_broadcast_shapes(&in->shapes[0], &in->shapes[1], &shapes[0]);
}

moru_status moru_infer_same(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    char ta[MORU_SHAPE_TEXT], tb[MORU_SHAPE_TEXT];
    const moru_shape *a = &in->shapes[0], *b = &in->shapes[1];
    bool same = a->rank == b->rank;
    for (int k = 0; same && k < a->rank; k++)
        same = a->dims[k] == b->dims[k] || a->dims[k] < 0 || b->dims[k] < 0;
    if (!same)
        return moru_op_error(MORU_ERR_SHAPE, "%s and %s: the shapes differ", moru_shape_print(a, ta, sizeof ta),
                             moru_shape_print(b, tb, sizeof tb));
    shapes[0] = *a;
    for (int k = 0; k < a->rank; k++)
        if (b->dims[k] >= 0)
            shapes[0].dims[k] = b->dims[k];
    dtypes[0] = MORU_REAL;
    return moru_infer_all_real(in);
}

void moru_vjp_none(const moru_vjp *v)
{
    (void)v;
}

typedef struct context {
    moru_real *y;
    const moru_real *a, *b;
    int sa, sb;
    const double *p;
    moru_unary_fn *unary;
    moru_binary_fn *binary;
} context;

static const double no_params[3];

static void unary_piece(const void *pointer, int64_t out, const int64_t *in, int64_t n)
{
    const context *c = pointer;
    c->unary(c->y + out, c->a + in[0], n, c->p);
}

static void binary_piece(const void *pointer, int64_t out, const int64_t *in, int64_t n)
{
    const context *c = pointer;
    c->binary(c->y + out, c->a + in[0], c->sa, c->b + in[1], c->sb, n, c->p);
}

moru_status moru_run_unary(const moru_run *run, int kernel, int cost)
{
    moru_broadcast plan = {.n_inputs = 1, .rows = 1, .inner = run->out[0]->size, .inner_strides = {1}};
    context c = {.y = run->out[0]->data, .a = run->in[0]->data, .p = run->attrs ? run->attrs : no_params,
                 .unary = run->kernels->unary[kernel]};
    moru_broadcast_for(&plan, cost, run->threads, unary_piece, &c);
    return MORU_OK;
}

moru_status moru_run_binary(const moru_run *run, int kernel, int cost)
{
    moru_broadcast plan;
    moru_broadcast_plan(&plan, &run->out[0]->shape, run->in, 2);
    context c = {.y = run->out[0]->data, .a = run->in[0]->data, .b = run->in[1]->data, .sa = plan.inner_strides[0],
                 .sb = plan.inner_strides[1], .p = run->attrs ? run->attrs : no_params,
                 .binary = run->kernels->binary[kernel]};
    moru_broadcast_for(&plan, cost, run->threads, binary_piece, &c);
    return MORU_OK;
}
