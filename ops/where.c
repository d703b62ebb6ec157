/* y = c != 0 ? a : b, all three broadcast. */
#include "ops/broadcast.h"
#include "ops/elementwise.h"

static moru_status infer_where(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    dtypes[0] = MORU_REAL;
    moru_status status = moru_infer_all_real(in);
    if (status == MORU_OK)
        status = moru_broadcast_shapes(&in->shapes[1], &in->shapes[2], &shapes[0]);
    return status ? status : moru_broadcast_shapes(&in->shapes[0], &shapes[0], &shapes[0]);
}

/* da = c != 0 ? dy : 0, db = c != 0 ? 0 : dy */
static void vjp_where(const moru_vjp *v)
{
    moru_node *condition = v->inputs[0], *zero = moru_scalar(v->graph, 0);
    if (v->wanted[1])
        v->dx[1] = moru_where(condition, VJP_DY, zero);
    if (v->wanted[2])
        v->dx[2] = moru_where(condition, zero, VJP_DY);
}

typedef struct context {
    moru_real *y;
    const moru_real *x[3];
    const int *stride;
} context;

/* Both sides are read first: a branch on data would be mispredicted. y may be c, a or b, element by element. */
static inline __attribute__((always_inline)) void choose(moru_real *y, const moru_real *c, int sc, const moru_real *a,
                                                         int sa, const moru_real *b, int sb, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        moru_real yes = a[i * sa], no = b[i * sb];
        y[i] = c[i * sc] != 0 ? yes : no;
    }
}

/* The usual strides as constants, so that the compiler can make vectors of the loop. */
static void piece(const void *pointer, int64_t out, const int64_t *in, int64_t n)
{
    const context *k = pointer;
    const moru_real *c = k->x[0] + in[0], *a = k->x[1] + in[1], *b = k->x[2] + in[2];
    int sc = k->stride[0], sa = k->stride[1], sb = k->stride[2];
    moru_real *y = k->y + out;
    if (sc && sa && sb)
        choose(y, c, 1, a, 1, b, 1, n);
    else if (sc && sa)
        choose(y, c, 1, a, 1, b, 0, n);
    else if (sc && sb)
        choose(y, c, 1, a, 0, b, 1, n);
    else
        choose(y, c, sc, a, sa, b, sb, n);
}

static moru_status run_where(const moru_run *run)
{
    moru_broadcast plan;
    moru_broadcast_plan(&plan, &run->out[0]->shape, run->in, 3);
    context k = {run->out[0]->data, {run->in[0]->data, run->in[1]->data, run->in[2]->data}, plan.inner_strides};
    moru_broadcast_for(&plan, MORU_CHEAP, run->threads, piece, &k);
    return MORU_OK;
}

const moru_op_def moru_op_where = {
    .name = "where", .formula = "y = c != 0 ? a : b", .min_inputs = 3, .max_inputs = 3, .n_outputs = 1,
    .flags = MORU_OP_ELEMENTWISE, .in_place = 7, .infer = infer_where, .vjp = vjp_where, .run = run_where,
};

moru_node *moru_where(moru_node *condition, moru_node *a, moru_node *b)
{
    return moru_call_3(&moru_op_where, condition, a, b, NULL);
}
