/* StackedRNNCells: each cell takes the output of the one before. */
#include "core/status.h"
#include "core/graph.h"
#include "layers/model.h"
#include "layers/recurrent.h"

static const moru_stacked_rnn_cells_options defaults = {MORU_LAYER_DEFAULTS};
static const moru_field fields[] = {MORU_FIELD(moru_stacked_rnn_cells_options, cells, MORU_FIELD_LAYERS)};

static const moru_layers *cells_of(const moru_layer *layer)
{
    return &((const moru_stacked_rnn_cells_options *)layer->options)->cells;
}

static int states(const moru_layer *layer, moru_shape *shapes)
{
    const moru_layers *cells = cells_of(layer);
    int n = 0;
    for (int k = 0; k < cells->n; k++)
        n += cells->layers[k]->class_->cell->states(cells->layers[k], shapes ? shapes + n : NULL);
    return n;
}

/* What a cell gives: the shape of its first state. */
static moru_shape output_of(const moru_layer *cell)
{
    moru_shape shapes[MORU_MAX_STATES];
    cell->class_->cell->states(cell, shapes);
    return shapes[0];
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    const moru_layers *cells = cells_of(layer);
    moru_shape x = inputs[0];
    char group[192] = "cells/", name[96];
    (void)n;
    if (cells->n < 1 || cells->n > MORU_MAX_INNER_LAYERS)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "it takes 1 to %d cells, not %d", MORU_MAX_INNER_LAYERS,
                                cells->n);
    for (int k = 0; k < cells->n; k++) {
        moru_layer *cell = cells->layers[k];
        if (!cell || !cell->class_->cell || cell->class_ == layer->class_)
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, cell ? "a cell can't be a %s" : "a cell is missing%s",
                                    cell ? cell->class_->class_name : "");
        moru_layer_group(cells->layers, k, group + 6, sizeof group - 6);
        moru_snake(cell->class_->class_name, name, sizeof name);
        const char *kept = moru_arena_strdup(&layer->arena, group);
        const char *prefix = cell->name ? cell->name : moru_arena_strdup(&layer->arena, name);
        if (!kept || !prefix)
            return moru_layer_error(layer, MORU_ERR_MEMORY, "no memory to build it");
        MORU_TRY(moru_layer_build_child(layer, cell, &x, dtypes, 1, kept, prefix));
        moru_shape output = output_of(cell);
        x = MORU_SHAPE(x.dims[0], output.dims[0]);
    }
    return MORU_OK;
}

static bool begin(moru_cell *work, moru_node *x)
{
    const moru_layers *cells = cells_of(work->call.layer);
    work->inner = moru_arena_alloc(&work->call.graph->arena, (size_t)cells->n * sizeof *work->inner);
    if (!work->inner) {
        moru_graph_fail(work->call.graph, MORU_ERR_MEMORY, "no memory for the cells");
        return false;
    }
    for (int k = 0; k < cells->n; k++) {
        moru_shape before = k > 0 ? output_of(cells->layers[k - 1]) : (moru_shape){.rank = 0};
        if (!moru_cell_open(&work->inner[k], &work->call, cells->layers[k],
                            k > 0 ? moru_cell_zeros(x, &before) : x))
            return false;
    }
    return true;
}

static moru_node *project(const moru_cell *work, moru_node *x, bool sequence)
{
    const moru_layer *first = cells_of(work->call.layer)->layers[0];
    return first->class_->cell->project(&work->inner[0], x, sequence);
}

static moru_node *step(const moru_cell *work, moru_node *z, moru_node **all)
{
    const moru_layers *cells = cells_of(work->call.layer);
    moru_node *y = NULL;
    for (int k = 0; k < cells->n; k++) {
        const moru_cell_class *class_ = cells->layers[k]->class_->cell;
        y = class_->step(&work->inner[k], k > 0 ? class_->project(&work->inner[k], y, false) : z, all);
        all += class_->states(cells->layers[k], NULL);
    }
    return y;
}

static const moru_cell_class cell_class = {.states = states, .begin = begin, .project = project, .step = step};

const moru_layer_class moru_stacked_rnn_cells_class = {
    .class_name = "StackedRNNCells", .module = "keras.layers", .size = sizeof(moru_stacked_rnn_cells_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields, .min_inputs = 1,
    .max_inputs = 1, .input_names = moru_cell_input_names,
    .named_inputs = moru_cell_named_inputs, .cell = &cell_class, .build = build,
    .output_count = moru_cell_output_count, .call = moru_cell_call,
};

moru_layer *moru_stacked_rnn_cells_new(const moru_stacked_rnn_cells_options *options)
{
    return moru_layer_new(&moru_stacked_rnn_cells_class, options);
}
