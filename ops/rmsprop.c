/* Steps of RMSprop, as in Keras 3: param, velocity, [momentum slot], [average gradient], gradient, learning rate. */
#include <stdio.h>

#include "ops/optimizer.h"

typedef struct rmsprop_attrs {
    double rho, momentum, epsilon, weight_decay;
} rmsprop_attrs;

static moru_status run_with(const moru_run *run, bool momentum, bool centered)
{
    const rmsprop_attrs *attrs = run->attrs;
    int average = 2 + momentum, gradient = run->n_outputs;
    run->kernels->rmsprop(run->out[0]->size, run->in[0]->data, run->in[gradient]->data, run->in[1]->data,
                          momentum ? run->in[2]->data : NULL, centered ? run->in[average]->data : NULL,
                          moru_step_scalar(run, gradient + 1), attrs->rho, attrs->momentum, attrs->epsilon,
                          attrs->weight_decay, run->out[0]->data, run->out[1]->data,
                          momentum ? run->out[2]->data : NULL, centered ? run->out[average]->data : NULL, run->threads);
    return MORU_OK;
}

static moru_status run_plain(const moru_run *run)
{
    return run_with(run, false, false);
}

static moru_status run_momentum(const moru_run *run)
{
    return run_with(run, true, false);
}

static moru_status run_centered(const moru_run *run)
{
    return run_with(run, false, true);
}

static moru_status run_both(const moru_run *run)
{
    return run_with(run, true, true);
}

static void print_rmsprop(const void *attrs_, char *text, size_t size)
{
    const rmsprop_attrs *attrs = attrs_;
    snprintf(text, size, "rho=%g momentum=%g epsilon=%g weight_decay=%g", attrs->rho, attrs->momentum, attrs->epsilon,
             attrs->weight_decay);
}

MORU_STEP_OP(rmsprop_step, "v' = rho v + (1-rho) g^2, w' = w - lr g/sqrt(v' + epsilon)", 4, 2, rmsprop_attrs, run_plain,
             print_rmsprop);
MORU_STEP_OP(rmsprop_momentum_step, "v' as rmsprop_step, m' = momentum m + lr g/sqrt(v' + epsilon), w' = w - m'", 5, 3,
             rmsprop_attrs, run_momentum, print_rmsprop);
MORU_STEP_OP(rmsprop_centered_step, "v', a' = rho a + (1-rho) g, w' = w - lr g/sqrt(v' - a'^2 + epsilon)", 5, 3,
             rmsprop_attrs, run_centered, print_rmsprop);
MORU_STEP_OP(rmsprop_centered_momentum_step, "v', a', m' = momentum m + lr g/sqrt(v' - a'^2 + epsilon), w' = w - m'",
             6, 4,
             rmsprop_attrs, run_both, print_rmsprop);

moru_node *moru_rmsprop_step(moru_node *param, moru_node *grad, moru_node *velocity, moru_node *momentum_slot,
                             moru_node *average_gradient, moru_node *lr, double rho, double momentum, double epsilon,
                             double weight_decay)
{
    rmsprop_attrs attrs = {rho, momentum_slot ? momentum : 0, epsilon, weight_decay};
    const moru_op_def *op = momentum_slot ? (average_gradient ? &moru_op_rmsprop_centered_momentum_step
                                                              : &moru_op_rmsprop_momentum_step)
                                          : (average_gradient ? &moru_op_rmsprop_centered_step : &moru_op_rmsprop_step);
    moru_node *in[6] = {param, velocity};
    int n = 2;
    if (momentum_slot)
        in[n++] = momentum_slot;
    if (average_gradient)
        in[n++] = average_gradient;
    in[n++] = grad;
    in[n++] = lr;
    return moru_apply_op(moru_graph_of(in, n), op, in, n, &attrs);
}
