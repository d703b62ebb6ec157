/* Bidirectional: a recurrent layer in both directions, the outputs merged. */
#include <stdio.h>
#include <string.h>

#include "core/status.h"
#include "layers/recurrent.h"

static const moru_bidirectional_options defaults = {MORU_BIDIRECTIONAL_DEFAULTS};
static const moru_field fields[] = {
    MORU_FIELD(moru_bidirectional_options, merge_mode, MORU_FIELD_TEXT),
    MORU_FIELD(moru_bidirectional_options, layer, MORU_FIELD_LAYER),
    MORU_FIELD(moru_bidirectional_options, backward_layer, MORU_FIELD_LAYER),
};

enum { FORWARD, BACKWARD };

/* ---- building ---- */

static moru_status check_options(const moru_layer *layer, const moru_bidirectional_options *o)
{
    static const char *const modes[] = {"concat", "sum", "mul", "ave"}, *const needed[] = {
        "go_backwards", "return_sequences", "return_state", "stateful"};
    bool known = !o->merge_mode;
    for (size_t k = 0; k < sizeof modes / sizeof *modes && !known; k++)
        known = strcmp(o->merge_mode, modes[k]) == 0;
    if (!known)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "merge_mode must be concat, sum, mul, ave or none, not "
                                "\"%.40s\"", o->merge_mode);
    if (!o->layer)
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its layer is missing");
    for (size_t k = 0; k < sizeof needed / sizeof *needed; k++)
        if (!moru_layer_flag(o->layer, needed[k]) ||
            (o->backward_layer && !moru_layer_flag(o->backward_layer, needed[k])))
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its layers must be recurrent: %s isn't",
                                    moru_layer_flag(o->layer, needed[k]) ? o->backward_layer->class_->class_name
                                                                         : o->layer->class_->class_name);
    return MORU_OK;
}

static moru_status check_pair(const moru_layer *layer, const moru_bidirectional_options *o)
{
    static const char *const same[] = {"stateful", "return_sequences", "return_state"};
    if (*moru_layer_flag(o->layer, "go_backwards") == *moru_layer_flag(o->backward_layer, "go_backwards"))
        return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its layers must differ in go_backwards");
    for (size_t k = 0; k < sizeof same / sizeof *same; k++)
        if (*moru_layer_flag(o->layer, same[k]) != *moru_layer_flag(o->backward_layer, same[k]))
            return moru_layer_error(layer, MORU_ERR_ARGUMENT, "its layers differ in %s", same[k]);
    return MORU_OK;
}

/* direction + name, once. */
static moru_status name_layer(moru_layer *outer, moru_layer *layer, const char *direction)
{
    char name[256], snake[128];
    size_t n = strlen(direction);
    moru_snake(layer->class_->class_name, snake, sizeof snake);
    const char *own = layer->name ? layer->name : snake;
    snprintf(name, sizeof name, "%s%.200s", direction, strncmp(own, direction, n) == 0 ? own + n : own);
    layer->name = moru_arena_strdup(&layer->arena, name);
    return layer->name ? MORU_OK : moru_layer_error(outer, MORU_ERR_MEMORY, "no memory for its layers' names");
}

/* Both layers as Keras has them: the names, and zeros where steps are masked. */
static moru_status complete(moru_layer *layer, moru_bidirectional_options *o)
{
    if (!o->backward_layer) {
        moru_layer *copy = moru_layer_clone(o->layer);
        if (!copy)
            return moru_layer_error(layer, MORU_ERR_UNSUPPORTED, "%s", moru_last_error());
        o->backward_layer = copy;
        MORU_TRY(moru_layer_add_child(layer, copy));
        *moru_layer_flag(copy, "go_backwards") = !*moru_layer_flag(o->layer, "go_backwards");
        MORU_TRY(name_layer(layer, copy, "backward_"));
    } else if (!o->backward_layer->name) {
        MORU_TRY(name_layer(layer, o->backward_layer, ""));
    }
    MORU_TRY(name_layer(layer, o->layer, "forward_"));
    moru_layer *both[] = {o->layer, o->backward_layer};
    for (int k = 0; k < 2; k++) {
        bool *zeros = moru_layer_flag(both[k], "zero_output_for_mask");
        if (zeros)
            *zeros = *moru_layer_flag(both[k], "return_sequences");
    }
    return MORU_OK;
}

static moru_status build(moru_layer *layer, const moru_shape *inputs, const moru_dtype *dtypes, int n)
{
    moru_bidirectional_options *o = layer->options;
    (void)n;
    MORU_TRY(check_options(layer, o));
    if (!layer->built)
        MORU_TRY(complete(layer, o));
    MORU_TRY(check_pair(layer, o));
    MORU_TRY(moru_layer_build_child(layer, o->layer, inputs, dtypes, 1, "forward_layer", o->layer->name));
    return moru_layer_build_child(layer, o->backward_layer, inputs, dtypes, 1, "backward_layer",
                                  o->backward_layer->name);
}

/* Of one direction, without the output. */
static int state_count(const moru_bidirectional_options *o)
{
    return moru_layer_output_count(o->layer) - 1;
}

static int output_count(const moru_layer *layer)
{
    const moru_bidirectional_options *o = layer->options;
    return (o->merge_mode ? 1 : 2) + 2 * state_count(o);
}

/* ---- a call ---- */

/* One direction: outputs[0] and the states behind it. False after a failure. */
static bool run(const moru_layer_call *call, moru_layer *layer, int direction, moru_node **outputs)
{
    const char *names[2 + MORU_MAX_STATES] = {NULL};
    moru_node *values[2 + MORU_MAX_STATES] = {call->inputs[0]}, *mask = moru_layer_argument(call, "mask", 0);
    int n = 1, given = 0;
    while (given < MORU_MAX_STATES && moru_layer_argument(call, "initial_state", given))
        given++;
    if (given % 2 != 0) {
        moru_graph_fail(call->graph, MORU_ERR_ARGUMENT, "%d states can't be shared out to two directions", given);
        return false;
    }
    for (int k = direction * given / 2; k < (direction + 1) * given / 2; k++, n++) {
        values[n] = moru_layer_argument(call, "initial_state", k);
        names[n] = "initial_state";
    }
    if (mask) {
        values[n] = mask;
        names[n++] = "mask";
    }
    moru_layer_run_child(call, layer, &(moru_inputs){.values = values, .names = names, .n = n}, outputs);
    return !moru_node_failed(outputs[0]);
}

static moru_node *merge(const char *mode, moru_node *a, moru_node *b)
{
    if (strcmp(mode, "concat") == 0)
        return moru_concat((moru_node *[]){a, b}, 2, -1);
    if (strcmp(mode, "mul") == 0)
        return moru_mul(a, b);
    moru_node *sum = moru_add(a, b);
    return strcmp(mode, "ave") == 0 ? moru_mul_scalar(sum, 0.5) : sum;
}

static moru_node *call(const moru_layer_call *c)
{
    const moru_bidirectional_options *o = c->layer->options;
    moru_node *ys[2][1 + MORU_MAX_STATES], **out = c->outputs;
    bool sequences = *moru_layer_flag(o->layer, "return_sequences");
    int states = state_count(o);
    if (!run(c, o->layer, FORWARD, ys[FORWARD]) || !run(c, o->backward_layer, BACKWARD, ys[BACKWARD]))
        return c->graph->inert;
    if (sequences)
        ys[BACKWARD][0] = moru_slice(ys[BACKWARD][0], 1, -1, MORU_SLICE_END, -1);
    out[0] = o->merge_mode ? merge(o->merge_mode, ys[FORWARD][0], ys[BACKWARD][0]) : ys[FORWARD][0];
    if (!o->merge_mode)
        out[1] = ys[BACKWARD][0];
    for (int k = 0; k < (o->merge_mode ? 1 : 2); k++)
        if (!moru_node_failed(out[k]))
            out[k]->mask = sequences ? moru_layer_mask(c, 0) : NULL;
    out += o->merge_mode ? 1 : 2;
    for (int d = 0; d < 2; d++)
        for (int k = 0; k < states; k++)
            *out++ = ys[d][1 + k];
    return c->outputs[0];
}

const moru_layer_class moru_bidirectional_class = {
    .class_name = "Bidirectional", .module = "keras.layers", .size = sizeof(moru_bidirectional_options),
    .defaults = &defaults, .fields = fields, .n_fields = sizeof fields / sizeof *fields,
    .input_names = moru_rnn_input_names,
    .named_inputs = moru_rnn_named_inputs, .min_inputs = 1, .max_inputs = 1, .masks = MORU_MASK_MADE, .build = build,
    .output_count = output_count, .call = call,
};

moru_layer *moru_bidirectional_new(const moru_bidirectional_options *options)
{
    return moru_layer_new(&moru_bidirectional_class, options);
}
