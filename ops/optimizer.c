/* Steps of SGD, Adam and Adagrad, as in Keras 3. */
#include <stdio.h>

#include "core/status.h"
#include "ops/optimizer.h"
#include "ops/shape_rules.h"

moru_status moru_infer_step(const moru_infer *in, int outputs, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(moru_infer_all_real(in));
    for (int k = 1; k <= outputs; k++)
        if (!moru_rule_same(&in->shapes[k], &in->shapes[0]))
            return moru_op_error(MORU_ERR_SHAPE, "the %s is %s where the parameter is %s",
                                 k == outputs ? "gradient" : "slot",
                                 MORU_TEXT(&in->shapes[k]), MORU_TEXT(&in->shapes[0]));
    for (int k = outputs + 1; k < in->n_inputs; k++)
        if (in->shapes[k].rank != 0)
            return moru_op_error(MORU_ERR_SHAPE, "input %d is %s where a scalar is wanted", k,
                                 MORU_TEXT(&in->shapes[k]));
    for (int k = 0; k < outputs; k++) {
        shapes[k] = in->shapes[0];
        dtypes[k] = MORU_REAL;
    }
    return MORU_OK;
}

double moru_step_scalar(const moru_run *run, int k)
{
    return *(const moru_real *)run->in[k]->data;
}

/* ---- SGD: param, [momentum slot], gradient, learning rate ---- */

typedef struct sgd_attrs {
    double momentum, weight_decay;
    int64_t nesterov;
} sgd_attrs;

static moru_status run_sgd(const moru_run *run)
{
    const sgd_attrs *attrs = run->attrs;
    bool slot = run->n_outputs == 2;
    run->kernels->sgd(run->out[0]->size, run->in[0]->data, run->in[1 + slot]->data, slot ? run->in[1]->data : NULL,
                      moru_step_scalar(run, 2 + slot), attrs->momentum, attrs->nesterov, attrs->weight_decay,
                      run->out[0]->data, slot ? run->out[1]->data : NULL, run->threads);
    return MORU_OK;
}

static void print_sgd(const void *attrs_, char *text, size_t size)
{
    const sgd_attrs *attrs = attrs_;
    snprintf(text, size, "momentum=%g%s weight_decay=%g", attrs->momentum, attrs->nesterov ? " nesterov" : "",
             attrs->weight_decay);
}

MORU_STEP_OP(sgd_step, "w' = w - lr g", 3, 1, sgd_attrs, run_sgd, print_sgd);
MORU_STEP_OP(sgd_momentum_step, "m' = momentum m - lr g, w' = w + m'; nesterov: w' = w + momentum m' - lr g", 4, 2,
             sgd_attrs, run_sgd, print_sgd);

moru_node *moru_sgd_step(moru_node *param, moru_node *grad, moru_node *momentum_slot, moru_node *lr, double momentum,
                         bool nesterov, double weight_decay)
{
    sgd_attrs attrs = {momentum, weight_decay, nesterov};
    moru_node *in[] = {param, momentum_slot, grad, lr}, *plain[] = {param, grad, lr};
    if (momentum_slot)
        return moru_apply_op(moru_graph_of(in, 4), &moru_op_sgd_momentum_step, in, 4, &attrs);
    attrs.momentum = 0;
    attrs.nesterov = 0;
    return moru_apply_op(moru_graph_of(plain, 3), &moru_op_sgd_step, plain, 3, &attrs);
}

/* ---- Adam: param, m, v, gradient, learning rate, step ---- */

typedef struct adam_attrs {
    double beta_1, beta_2, epsilon, weight_decay;
} adam_attrs;

static moru_status run_adam(const moru_run *run)
{
    const adam_attrs *attrs = run->attrs;
    moru_adam_args args = {.lr = moru_step_scalar(run, 4), .beta_1 = attrs->beta_1, .beta_2 = attrs->beta_2,
                           .epsilon = attrs->epsilon, .weight_decay = attrs->weight_decay,
                           .step = moru_step_scalar(run, 5)};
    run->kernels->adam(run->out[0]->size, run->in[0]->data, run->in[3]->data, run->in[1]->data, run->in[2]->data, &args,
                       run->out[0]->data, run->out[1]->data, run->out[2]->data, run->threads);
    return MORU_OK;
}

static void print_adam(const void *attrs_, char *text, size_t size)
{
    const adam_attrs *attrs = attrs_;
    snprintf(text, size, "beta_1=%g beta_2=%g epsilon=%g weight_decay=%g", attrs->beta_1, attrs->beta_2, attrs->epsilon,
             attrs->weight_decay);
}

MORU_STEP_OP(adam_step,
             "m' = b1 m + (1-b1) g, v' = b2 v + (1-b2) g^2, w' = w - lr sqrt(1-b2^t)/(1-b1^t) m'/(sqrt v' + e)", 6,
             3, adam_attrs, run_adam, print_adam);

moru_node *moru_adam_step(moru_node *param, moru_node *grad, moru_node *m, moru_node *v, moru_node *lr, moru_node *step,
                          double beta_1, double beta_2, double epsilon, double weight_decay)
{
    moru_node *in[] = {param, m, v, grad, lr, step};
    return moru_apply_op(moru_graph_of(in, 6), &moru_op_adam_step, in, 6,
                         &(adam_attrs){beta_1, beta_2, epsilon, weight_decay});
}

/* ---- Adagrad: param, accumulator, gradient, learning rate ---- */

typedef struct adagrad_attrs {
    double epsilon, weight_decay;
} adagrad_attrs;

static moru_status run_adagrad(const moru_run *run)
{
    const adagrad_attrs *attrs = run->attrs;
    run->kernels->adagrad(run->out[0]->size, run->in[0]->data, run->in[2]->data, run->in[1]->data,
                          moru_step_scalar(run, 3), attrs->epsilon, attrs->weight_decay, run->out[0]->data,
                          run->out[1]->data, run->threads);
    return MORU_OK;
}

static void print_adagrad(const void *attrs_, char *text, size_t size)
{
    const adagrad_attrs *attrs = attrs_;
    snprintf(text, size, "epsilon=%g weight_decay=%g", attrs->epsilon, attrs->weight_decay);
}

MORU_STEP_OP(adagrad_step, "a' = a + g^2, w' = w - lr g/sqrt(a' + epsilon)", 4, 2, adagrad_attrs, run_adagrad,
             print_adagrad);

moru_node *moru_adagrad_step(moru_node *param, moru_node *grad, moru_node *accumulator, moru_node *lr, double epsilon,
                             double weight_decay)
{
    moru_node *in[] = {param, accumulator, grad, lr};
    return moru_apply_op(moru_graph_of(in, 4), &moru_op_adagrad_step, in, 4, &(adagrad_attrs){epsilon, weight_decay});
}
