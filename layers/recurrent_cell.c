/* What cells share: weights, dropout, a call by themselves. */
#include <string.h>

#include "core/status.h"
#include "layers/recurrent.h"

enum { KERNEL, RECURRENT, BIAS };

static moru_status check_options(const moru_layer *cell, const moru_recurrent *o, int gates)
{
    MORU_TRY(moru_layer_positive(cell, "units", &o->units, 1));
    if (o->units > INT64_MAX / gates)
        return moru_layer_error(cell, MORU_ERR_MEMORY, "%lld units", (long long)o->units);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return moru_layer_error(cell, MORU_ERR_ARGUMENT, "dropout must lie in [0, 1), not %g", o->dropout);
    if (!(o->recurrent_dropout >= 0 && o->recurrent_dropout < 1))
        return moru_layer_error(cell, MORU_ERR_ARGUMENT, "recurrent_dropout must lie in [0, 1), not %g",
                                o->recurrent_dropout);
    return MORU_OK;
}

moru_status moru_cell_build(moru_layer *cell, const moru_recurrent *o, const moru_shape *x, int gates,
                            moru_shape bias)
{
    MORU_TRY(check_options(cell, o, gates));
    MORU_TRY(moru_layer_rank(cell, x, 2));
    if (x->dims[1] < 0)
        return moru_layer_error(cell, MORU_ERR_SHAPE, "the number of features of its input must be known");
    MORU_TRY(moru_layer_add_weight(cell, "kernel", MORU_SHAPE(x->dims[1], gates * o->units), o->kernel_initializer,
                                   o->kernel_regularizer, true));
    MORU_TRY(moru_layer_add_weight(cell, "recurrent_kernel", MORU_SHAPE(o->units, gates * o->units),
                                   o->recurrent_initializer, o->recurrent_regularizer, true));
    return o->use_bias ? moru_layer_add_weight(cell, "bias", bias, o->bias_initializer, o->bias_regularizer, true)
                       : MORU_OK;
}

moru_node *moru_cell_zeros(moru_node *x, const moru_shape *shape)
{
    int axes[MORU_MAX_RANK];
    int64_t dims[MORU_MAX_RANK] = {-1, 1, 1, 1, 1, 1};
    if (moru_node_failed(x))
        return x;
    for (int k = 1; k < x->shape.rank; k++)
        axes[k - 1] = k;
    moru_node *zeros = moru_zeros_like(moru_sum(x, axes, x->shape.rank - 1, false));
    zeros = moru_reshape(zeros, dims, shape->rank + 1);
    dims[0] = x->shape.dims[0];
    memcpy(dims + 1, shape->dims, (size_t)shape->rank * sizeof *dims);
    return moru_broadcast_to(zeros, dims, shape->rank + 1);
}

moru_node *moru_flatten_time(moru_node *x)
{
    int64_t dims[MORU_MAX_RANK] = {-1};
    if (moru_node_failed(x))
        return x;
    memcpy(dims + 1, x->shape.dims + 2, (size_t)(x->shape.rank - 2) * sizeof *dims);
    return moru_reshape(x, dims, x->shape.rank - 1);
}

/* Of x only the shape is looked at. */
moru_node *moru_unfold_time(moru_node *y, moru_node *x)
{
    int64_t dims[MORU_MAX_RANK], ones[MORU_MAX_RANK] = {0};
    int axes[MORU_MAX_RANK];
    if (moru_node_failed(y) || moru_node_failed(x))
        return y;
    if (y->shape.rank >= MORU_MAX_RANK)
        return moru_graph_fail(y->graph, MORU_ERR_SHAPE, "its values have too many dimensions");
    for (int k = 0; k <= y->shape.rank; k++) {
        dims[k] = k < 2 ? x->shape.dims[k] : y->shape.dims[k - 1];
        ones[k] = k < 2 ? dims[k] : 1;
    }
    for (int k = 2; k < x->shape.rank; k++)
        axes[k - 2] = k;
    moru_node *like = moru_zeros_like(moru_sum(moru_as_real(x), axes, x->shape.rank - 2, false));
    like = moru_broadcast_to(moru_reshape(like, ones, y->shape.rank + 1), dims, y->shape.rank + 1);
    return moru_reshape_like(y, like);
}

moru_node *moru_cell_dropout(moru_node *like, double rate)
{
    return moru_dropout_op(moru_ones_like(like), rate);
}

bool moru_cell_begin(moru_cell *cell, const moru_recurrent *o, moru_node *x, int gates, bool gate_masks)
{
    const moru_layer_call *call = &cell->call;
    bool drops = call->training && !call->trace->noiseless;
    moru_node *state = moru_cell_zeros(x, &MORU_SHAPE(o->units));
    cell->kernel = moru_layer_weight(call, KERNEL);
    cell->recurrent = moru_layer_weight(call, RECURRENT);
    cell->bias = o->use_bias ? moru_layer_weight(call, BIAS) : NULL;
    for (int k = 0; k < (gate_masks ? gates : 1); k++) {
        cell->input_dropout[k] = drops && o->dropout > 0 ? moru_cell_dropout(x, o->dropout) : NULL;
        cell->state_dropout[k] = drops && o->recurrent_dropout > 0 ? moru_cell_dropout(state, o->recurrent_dropout)
                                                                   : NULL;
    }
    return true;
}

static moru_node *dropped(moru_node *x, moru_node *mask, bool sequence)
{
    return moru_mul(x, sequence ? moru_expand_dims(mask, 1) : mask);
}

moru_node *moru_cell_dropped(const moru_cell *cell, moru_node *x)
{
    return cell->input_dropout[0] ? dropped(x, cell->input_dropout[0], true) : x;
}

moru_node *moru_cell_project(const moru_cell *cell, moru_node *x, bool sequence, moru_node *bias)
{
    moru_node *z, *parts[MORU_CELL_GATES];
    int gates = 0;
    while (gates < MORU_CELL_GATES && cell->input_dropout[gates])
        gates++;
    if (gates > 1) {
        int64_t units = cell->recurrent->shape.dims[0];
        for (int k = 0; k < gates; k++)
            parts[k] = moru_matmul(dropped(x, cell->input_dropout[k], sequence), moru_rnn_gate(cell->kernel, k, units));
        z = moru_concat(parts, gates, -1);
    } else {
        z = moru_matmul(gates ? dropped(x, cell->input_dropout[0], sequence) : x, cell->kernel);
    }
    return bias ? moru_add(z, bias) : z;
}

moru_node *moru_cell_recur(const moru_cell *cell, moru_node *h, int first, int last)
{
    int64_t units = cell->recurrent->shape.dims[0];
    moru_node *parts[MORU_CELL_GATES];
    if (!cell->state_dropout[1])
        return moru_matmul(cell->state_dropout[0] ? moru_mul(h, cell->state_dropout[0]) : h,
                           moru_rnn_gates(cell->recurrent, first, last, units));
    for (int k = first; k < last; k++)
        parts[k - first] = moru_matmul(moru_mul(h, cell->state_dropout[k]), moru_rnn_gate(cell->recurrent, k, units));
    return last - first > 1 ? moru_concat(parts, last - first, -1) : parts[0];
}

bool moru_cell_is(const char *spec, const char *name)
{
    return spec && strcmp(spec, name) == 0;
}

/* ---- a cell by itself ---- */

bool moru_cell_open(moru_cell *cell, const moru_layer_call *outer, moru_layer *layer, moru_node *x)
{
    *cell = (moru_cell){.call = {.layer = layer, .graph = outer->graph, .trace = outer->trace,
                                 .training = outer->training}};
    return layer->class_->cell->begin(cell, x);
}

const char *const moru_cell_input_names[] = {"inputs", NULL};
const char *const moru_cell_named_inputs[] = {"states", NULL};

int moru_cell_state_count(const moru_layer *cell)
{
    return cell->class_->cell->states(cell, NULL);
}

int moru_cell_output_count(const moru_layer *cell)
{
    return 1 + moru_cell_state_count(cell);
}

moru_node *moru_cell_call(const moru_layer_call *call)
{
    const moru_cell_class *class_ = call->layer->class_->cell;
    moru_node *x = moru_as_real(call->inputs[0]), *states[MORU_MAX_STATES];
    int n = moru_cell_state_count(call->layer);
    moru_cell cell;
    int named = 0;
    while (moru_layer_argument(call, "states", named))
        named++;
    if (named != n)
        return moru_graph_fail(call->graph, MORU_ERR_ARGUMENT, "%s: it has %d states, and %d are given",
                               call->layer->class_->class_name, n, named);
    if (!moru_cell_open(&cell, call, call->layer, x))
        return call->graph->inert;
    for (int k = 0; k < n; k++)
        states[k] = moru_layer_argument(call, "states", k);
    moru_node *y = class_->step(&cell, class_->project(&cell, x, false), states);
    for (int k = 0; k < n; k++)
        call->outputs[1 + k] = states[k] == y ? moru_identity(y) : states[k];
    return y;
}
