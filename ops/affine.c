/* Pictures transformed: rotated, moved, stretched. */
#include <inttypes.h>
#include <stdio.h>

#include "core/status.h"
#include "kernels/kernels.h"
#include "ops/shape_rules.h"

_Static_assert((int)MORU_FILL_REFLECT == MORU_AFFINE_REFLECT && (int)MORU_FILL_WRAP == MORU_AFFINE_WRAP &&
               (int)MORU_FILL_NEAREST == MORU_AFFINE_NEAREST, "fill modes of op and kernel");

typedef struct affine_attrs { int32_t bilinear, fill_mode; double fill; } affine_attrs;

/* x or dy [n,h,w,c], transform [n or 1, 8] */
static moru_status infer_affine(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    const affine_attrs *attrs = in->attrs;
    const moru_shape *transform = &in->shapes[1];
    MORU_TRY(moru_infer_all_real(in));
    MORU_TRY(moru_rule_rank(in, 0, 4, "[n,h,w,c]"));
    MORU_TRY(moru_rule_rank(in, 1, 2, "[n,8]"));
    if (!moru_rule_fits(transform->dims[1], 8) ||
        !(transform->dims[0] == 1 || moru_rule_fits(transform->dims[0], in->shapes[0].dims[0])))
        return moru_op_error(MORU_ERR_SHAPE, "%s for %s; it has to be [n,8] or [1,8]", MORU_TEXT(transform),
                             MORU_TEXT(&in->shapes[0]));
    if (attrs->fill_mode < MORU_FILL_CONSTANT || attrs->fill_mode > MORU_FILL_NEAREST)
        return moru_op_error(MORU_ERR_ARGUMENT, "there is no fill mode %d", (int)attrs->fill_mode);
    shapes[0] = in->shapes[0];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static moru_affine geometry(const moru_run *run)
{
    const affine_attrs *attrs = run->attrs;
    const moru_shape *x = &run->in[0]->shape;
    return (moru_affine){.n = x->dims[0], .h = x->dims[1], .w = x->dims[2], .c = x->dims[3],
                         .shared = run->in[1]->shape.dims[0] == 1, .bilinear = attrs->bilinear,
                         .fill_mode = attrs->fill_mode, .fill = attrs->fill};
}

static moru_status run_affine(const moru_run *run)
{
    moru_affine g = geometry(run);
    run->kernels->affine(&g, run->in[0]->data, run->in[1]->data, run->out[0]->data, run->threads);
    return MORU_OK;
}

static moru_status run_affine_grad(const moru_run *run)
{
    moru_affine g = geometry(run);
    run->kernels->affine_grad(&g, run->in[0]->data, run->in[1]->data, run->out[0]->data, run->threads);
    return MORU_OK;
}

/* The nearest pixel doesn't change with the transform but by jumps. */
static void vjp_transform(const moru_vjp *v)
{
    if (v->wanted[1] && ((const affine_attrs *)v->attrs)->bilinear)
        moru_graph_fail(v->graph, MORU_ERR_GRADIENT, "affine_transform: there is no gradient for the transform");
}

static void vjp_affine(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_affine_transform_grad, v->dy[0], v->inputs[1], v->attrs);
    vjp_transform(v);
}

/* It is linear in dy: the pictures' transform without anything filled in. */
static void vjp_affine_grad(const moru_vjp *v)
{
    affine_attrs attrs = *(const affine_attrs *)v->attrs;
    attrs.fill = 0;
    if (v->wanted[0])
        v->dx[0] = moru_call_2(&moru_op_affine_transform, v->dy[0], v->inputs[1], &attrs);
    vjp_transform(v);
}

static void print_affine(const void *attrs_, char *text, size_t size)
{
    static const char *const modes[] = {"constant", "reflect", "wrap", "nearest"};
    const affine_attrs *attrs = attrs_;
    snprintf(text, size, "%s fill=%s,%g", attrs->bilinear ? "bilinear" : "nearest", modes[attrs->fill_mode & 3],
             attrs->fill);
}

const moru_op_def moru_op_affine_transform = {
    .name = "affine_transform", .formula = "y[n,i,j,c] = x at (a0 j + a1 i + a2)/k, (b0 j + b1 i + b2)/k, "
    "k = c0 j + c1 i + 1", .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, .attr_size = sizeof(affine_attrs),
    .infer = infer_affine, .vjp = vjp_affine, .run = run_affine, .print = print_affine,
};

const moru_op_def moru_op_affine_transform_grad = {
    .name = "affine_transform_grad", .formula = "dx = what each pixel of affine_transform(x) got from x, given dy",
    .min_inputs = 2, .max_inputs = 2, .n_outputs = 1, .attr_size = sizeof(affine_attrs), .infer = infer_affine,
    .vjp = vjp_affine_grad, .run = run_affine_grad, .print = print_affine,
};

moru_node *moru_affine_transform(moru_node *x, moru_node *transform, bool bilinear, moru_fill_mode fill_mode,
                                 double fill)
{
    return moru_call_2(&moru_op_affine_transform, x, transform, &(affine_attrs){bilinear, fill_mode, fill});
}
