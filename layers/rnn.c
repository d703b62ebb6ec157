/* The loop of recurrent layers over steps; RNN, which runs it with any cell. */
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "layers/model.h"
#include "layers/recurrent.h"

const char *const moru_rnn_input_names[] = {"sequences", NULL};
const char *const moru_rnn_named_inputs[] = {"initial_state", "mask", NULL}; /* as Keras's call() has them */

/* ---- building ---- */

/* The batch size that the inputs of the layer's model have; -1: any. */
static int64_t batch_size(const moru_layer *layer)
{
    while (layer->parent)
        layer = layer->parent;
    const moru_model *model = layer->model;
    for (int k = 0; model && k < model->n_layers; k++)
        if (model->layers[k]->class_ == &moru_input_class) {
            const moru_input_options *o = model->layers[k]->options;
            if (o->batch_shape.dims[0] > 0)
                return o->batch_shape.dims[0];
        }
    return -1;
}

static moru_status make_states(moru_layer *layer, const moru_layer *cell)
{
    moru_shape shapes[MORU_MAX_STATES];
    int n = cell->class_->cell->states(cell, shapes);
    int64_t batch = batch_size(layer);
    if (layer->states)
        return MORU_OK;
    if (batch < 0)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "a stateful layer needs an input with a fixed batch size, "
                                "such as moru_input_batch(32, 10, 8)");
    layer->states = calloc((size_t)n, sizeof *layer->states);
    if (!layer->states)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its states");
    for (; layer->n_states < n; layer->n_states++) {
        moru_shape shape = {.rank = shapes[layer->n_states].rank + 1, .dims = {batch}};
        memcpy(shape.dims + 1, shapes[layer->n_states].dims, (size_t)(shape.rank - 1) * sizeof *shape.dims);
        layer->states[layer->n_states] = moru_tensor_new(MORU_REAL, shape);
        if (!layer->states[layer->n_states])
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory for its states");
    }
    return MORU_OK;
}

moru_status moru_rnn_build(moru_layer *layer, moru_layer *cell, const moru_rnn_flags *flags, const moru_shape *inputs,
                           const moru_dtype *dtypes, int n)
{
    moru_shape step = {.rank = inputs[0].rank - 1, .dims = {inputs[0].dims[0]}};
    char name[96];
    if (inputs[0].rank < 3)
        return moru_layer_rank(layer, &inputs[0], 3);
    memcpy(step.dims + 1, inputs[0].dims + 2, (size_t)(step.rank - 1) * sizeof *step.dims);
    (void)n;
    moru_snake(cell->class_->class_name, name, sizeof name);
    const char *prefix = cell->name ? cell->name : moru_arena_strdup(&layer->arena, name);
    if (!prefix)
        return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
    MORU_TRY(moru_layer_build_child(layer, cell, &step, dtypes, 1, "cell", prefix));
    return flags->stateful ? make_states(layer, cell) : MORU_OK;
}

int moru_rnn_output_count(const moru_layer *cell, const moru_rnn_flags *flags)
{
    return flags->return_state ? 1 + moru_cell_state_count(cell) : 1;
}

bool *moru_layer_flag(moru_layer *layer, const char *name)
{
    for (int k = 0; k < layer->class_->n_fields; k++) {
        const moru_field *field = &layer->class_->fields[k];
        if (field->kind == MORU_FIELD_BOOL && strcmp(field->name, name) == 0)
            return (bool *)((char *)layer->options + field->offset);
    }
    return NULL;
}

/* ---- states ---- */

static moru_node *state_variable(const moru_layer_call *call, int k)
{
    return moru_variable_from(call->graph, "rnn_state", call->layer->states[k]);
}

static bool states_are_given(const moru_layer_call *call)
{
    return moru_layer_argument(call, "initial_state", 0) != NULL;
}

/* Keras hands on the mask that came with x to a layer of one input only; with states besides it must be given by
 * name. */
static moru_node *mask_of(const moru_layer_call *call)
{
    moru_node *mask = states_are_given(call) ? moru_layer_argument(call, "mask", 0) : moru_layer_mask(call, 0);
    return mask ? moru_as_real(mask) : NULL;
}

/* Those given, those kept, or none (zeros). False: the wrong number of them. */
static bool find_states(const moru_layer_call *call, const moru_rnn_flags *flags, moru_loop *loop)
{
    int given = 0;
    while (given < MORU_MAX_STATES && moru_layer_argument(call, "initial_state", given))
        given++;
    if (given > 0 && given != loop->n_states) {
        moru_graph_fail(call->graph, MORU_ERR_ARGUMENT, "it has %d states, and %d are given", loop->n_states, given);
        return false;
    }
    for (int k = 0; k < loop->n_states; k++) {
        loop->states[k] = NULL;
        if (given > 0)
            loop->states[k] = moru_as_real(moru_layer_argument(call, "initial_state", k));
        else if (flags->stateful)
            loop->states[k] = moru_trace_state(call->trace, state_variable(call, k));
    }
    return true;
}

static void keep_states(const moru_layer_call *call, const moru_loop *loop)
{
    for (int k = 0; k < loop->n_states; k++)
        moru_trace_keep_state(call->trace, state_variable(call, k), loop->states[k]);
}

/* ---- the loop in plain ops ---- */

/* [n,t] at a position, to select among values of the rank. */
static moru_node *mask_at(moru_node *mask, int64_t p, int rank)
{
    moru_node *m = moru_slice(mask, 1, p, p + 1, 1);
    m = moru_not_equal(m, moru_zeros_like(m));
    for (int k = 2; k < rank; k++)
        m = moru_expand_dims(m, -1);
    return m;
}

/* One step, masked or not; *shown is the output so far where steps are masked. */
static moru_node *step(const moru_cell *cell, moru_loop *loop, moru_node *z, int64_t p, moru_node **shown)
{
    moru_node *before[MORU_MAX_STATES];
    memcpy(before, loop->states, sizeof before);
    moru_node *y = cell->call.layer->class_->cell->step(cell, moru_rnn_at(z, p), loop->states);
    if (!loop->mask || moru_node_failed(y))
        return y;
    y = moru_where(mask_at(loop->mask, p, y->shape.rank), y, *shown ? *shown : moru_zeros_like(y));
    if (!loop->zero_output)
        *shown = y;
    for (int k = 0; k < loop->n_states && !moru_node_failed(loop->states[k]); k++)
        loop->states[k] = moru_where(mask_at(loop->mask, p, loop->states[k]->shape.rank), loop->states[k], before[k]);
    return y;
}

static void run_steps(const moru_cell *cell, moru_loop *loop)
{
    const moru_layer *layer = cell->call.layer;
    moru_graph *graph = cell->call.graph;
    int64_t t = moru_node_failed(loop->x) ? -1 : loop->x->shape.dims[1];
    moru_shape shapes[MORU_MAX_STATES];
    moru_node *shown = NULL;
    loop->y = graph->inert;
    if (t < 1 || t > INT32_MAX) {
        if (!moru_node_failed(loop->x))
            moru_graph_fail(graph, MORU_ERR_UNSUPPORTED, t == 0 ? "a sequence of no steps" :
                            "activations other than the usual ones, recurrent_dropout and cells need a known number of "
                            "steps");
        return;
    }
    moru_node **ys = calloc((size_t)t, sizeof *ys);
    if (!ys) {
        moru_graph_fail(graph, MORU_ERR_MEMORY, "no memory for the steps");
        return;
    }
    layer->class_->cell->states(layer, shapes);
    for (int k = 0; k < loop->n_states; k++)
        if (!loop->states[k])
            loop->states[k] = moru_cell_zeros(loop->x, &shapes[k]);
    moru_node *z = layer->class_->cell->project(cell, loop->x, true);
    for (int64_t s = 0; s < t && graph->status == MORU_OK; s++)
        loop->y = ys[s] = step(cell, loop, z, loop->backwards ? t - 1 - s : s, &shown);
    if (loop->sequences && graph->status == MORU_OK)
        loop->y = moru_stack(ys, (int)t, 1);
    free(ys);
}

moru_node *moru_loop_last(const moru_loop *loop, moru_node *h, bool began_with_zeros)
{
    if (!loop->mask || (began_with_zeros && !loop->zero_output))
        return h;
    moru_node *counts = moru_not_equal(loop->mask, moru_zeros_like(loop->mask));
    if (!loop->zero_output)
        counts = moru_max(counts, (int[]){1}, 1, true);
    else if (loop->backwards)
        counts = moru_slice(counts, 1, 0, 1, 1);
    else
        counts = moru_slice(counts, 1, -1, MORU_SLICE_END, 1);
    return moru_where(counts, h, moru_zeros_like(h));
}

/* ---- a call ---- */

/* States of another batch size are refused by name. */
static void fit_states(const moru_layer_call *call, const moru_layer *cell, moru_loop *loop)
{
    moru_shape shapes[MORU_MAX_STATES];
    if (!call->layer->states)
        return;
    cell->class_->cell->states(cell, shapes);
    for (int k = 0; k < loop->n_states; k++)
        loop->states[k] = moru_reshape_like(loop->states[k], moru_cell_zeros(loop->x, &shapes[k]));
}

moru_node *moru_rnn_call(const moru_layer_call *call, moru_layer *cell, const moru_rnn_flags *flags)
{
    const moru_cell_class *class_ = cell->class_->cell;
    moru_loop loop = {.x = moru_as_real(call->inputs[0]), .mask = mask_of(call),
                      .backwards = flags->go_backwards, .zero_output = flags->zero_output_for_mask,
                      .sequences = flags->return_sequences, .n_states = moru_cell_state_count(cell)};
    moru_cell work;
    if (moru_node_failed(loop.x) || !find_states(call, flags, &loop))
        return call->graph->inert;
    if (flags->stateful)
        fit_states(call, cell, &loop);
    if (!moru_cell_open(&work, call, cell, moru_sum(loop.x, (int[]){1}, 1, false)))
        return call->graph->inert;
    if (!class_->fused || !class_->fused(&work, &loop))
        run_steps(&work, &loop);
    if (call->graph->status != MORU_OK)
        return call->graph->inert;
    if (flags->stateful)
        keep_states(call, &loop);
    for (int k = 0; k < loop.n_states && flags->return_state; k++)
        call->outputs[1 + k] = loop.states[k] == loop.y ? moru_identity(loop.y) : loop.states[k];
    if (flags->return_sequences && !moru_node_failed(loop.y))
        loop.y->mask = moru_layer_mask(call, 0);
    return loop.y;
}

/* ---- RNN ---- */

static const moru_rnn_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {
    MORU_RNN_FIELDS(moru_rnn_options),
    MORU_FIELD(moru_rnn_options, cell, MORU_FIELD_LAYER),
};

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_rnn_options *o = layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    if (!o->cell || !o->cell->class_->cell)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, o->cell ? "its cell can't be a %s" : "its cell is missing%s",
                                o->cell ? o->cell->class_->class_name : "");
    return moru_rnn_build(layer, o->cell, &flags, inputs, dtypes, n);
}

static int output_count(const moru_layer *layer)
{
    const moru_rnn_options *o = layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    return moru_rnn_output_count(o->cell, &flags);
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_rnn_options *o = c->layer->options;
    const moru_rnn_flags flags = MORU_RNN_FLAGS_OF(o);
    return moru_rnn_call(c, o->cell, &flags);
}

const moru_layer_class moru_rnn_class = {
    .class_name = "RNN", .module = "keras.layers", .size = sizeof(moru_rnn_options), .defaults = &defaults,
    .fields = fields, .n_fields = sizeof fields / sizeof *fields, .input_names = moru_rnn_input_names,
    .named_inputs = moru_rnn_named_inputs,
    .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build, .output_count = output_count,
    .call = call,
};

moru_layer *moru_rnn_new(const moru_rnn_options *options)
{
    return moru_layer_new(&moru_rnn_class, options);
}
