/* Plan: gives every value its storage. Aliases share their input's, calls that may work in place take over an input that
 * dies with them, new values of variables go straight into the variable; the rest is laid into one arena, largest first, each at
 * the lowest offset that is free while it lives. */
#include <stdlib.h>
#include <string.h>

#include "core/compile.h"
#include "core/status.h"

typedef struct planning {
    moru_compilation *c;
    int32_t *last_use;     /* by node id: place in the order after which its elements aren't read; n_order: never */
    int32_t *buffer_last;  /* by buffer: the same over all values in it */
    bool *lent;            /* by buffer: an update writes over it */
} planning;

static int64_t bytes_of(const moru_node *node)
{
    int64_t size = 0, bytes = 0;
    moru_tensor_bytes(node->dtype, &node->shape, &size, &bytes);
    return (bytes + MORU_ALIGNMENT - 1) / MORU_ALIGNMENT * MORU_ALIGNMENT;
}

static int32_t new_buffer(moru_compilation *c, int64_t bytes, int32_t first)
{
    c->buffers[c->n_buffers] = (moru_buffer){.bytes = bytes, .first = first, .last = first};
    return c->n_buffers++;
}

static void find_last_uses(planning *p)
{
    moru_compilation *c = p->c;
    memset(p->last_use, -1, ((size_t)c->graph->n_nodes + 1) * sizeof *p->last_use);
    for (int32_t t = 0; t < c->n_order; t++)
        for (int i = 0; i < c->order[t]->n_inputs; i++)
            if (!moru_op_bit(c->order[t]->op->shape_only, i))
                p->last_use[c->order[t]->inputs[i]->id] = t;
    for (int k = 0; k < c->n_outputs; k++)
        p->last_use[c->outputs[k]->id] = c->n_order;
    for (int32_t t = c->n_order - 1; t >= 0; t--) { /* what an alias needs, its source needs */
        const moru_call *call = c->order[t];
        if ((call->op->flags & MORU_OP_ALIAS) && p->last_use[call->outputs[0]->id] > p->last_use[call->inputs[0]->id])
            p->last_use[call->inputs[0]->id] = p->last_use[call->outputs[0]->id];
    }
}

static void plan_leaves(planning *p)
{
    moru_compilation *c = p->c;
    for (int32_t i = 0; i < c->graph->n_nodes; i++) {
        const moru_call *call = c->graph->nodes[i]->call;
        c->buffer_of[i] = -1;
        if (!moru_op_is_leaf(call->op))
            continue;
        int32_t b = c->buffer_of[i] = new_buffer(c, 0, 0);
        c->buffers[b].fixed = call->tensor ? call->tensor->data : NULL;
        for (int k = 0; k < c->n_inputs; k++)
            if (c->inputs[k] == c->graph->nodes[i])
                c->buffers[b].input = k + 1;
        c->buffers[b].last = c->n_order;
    }
}

/* Whether input i of call may be overwritten by its output: arena storage of the right size that dies here and that no
 * other operand looks at. */
static bool can_take(const planning *p, const moru_call *call, int i, int output, int32_t t)
{
    const moru_compilation *c = p->c;
    const moru_node *in = call->inputs[i], *out = call->outputs[output];
    int32_t b = c->buffer_of[in->id];
    if (b < 0 || c->buffers[b].fixed || c->buffers[b].input || moru_op_bit(call->op->shape_only, i))
        return false;
    int64_t in_size = 0, out_size = -1; /* in elements: buffers of different sizes may round to the same bytes */
    moru_shape_size(&in->shape, &in_size);
    moru_shape_size(&out->shape, &out_size);
    if (in->dtype != out->dtype || in_size != out_size || bytes_of(in) != c->buffers[b].bytes
        || bytes_of(out) != c->buffers[b].bytes
        || p->last_use[in->id] > t || p->buffer_last[b] > t)
        return false;
    for (int j = 0; j < call->n_inputs; j++)
        if (j != i && c->buffer_of[call->inputs[j]->id] == b
            && !(call->inputs[j] == in && (call->op->flags & MORU_OP_ELEMENTWISE)))
            return false;
    for (int k = 0; k < output; k++)
        if (c->buffer_of[call->outputs[k]->id] == b)
            return false;
    return true;
}

static bool marked_in_place(const moru_op_def *op, int i, int output)
{
    return (output == 0 && moru_op_bit(op->in_place, i)) || (i == output && (uint32_t)output < op->in_place_pairs);
}

/* The variable that output becomes and may be written into at once, or NULL: all reads of the old value come before, or
 * happen element by element within this call. */
static const moru_node *update_target(const planning *p, const moru_call *call, int output, int32_t t)
{
    const moru_compilation *c = p->c;
    const moru_node *variable = NULL;
    for (int u = 0; u < c->n_updates; u++)
        if (c->update_values[u] == call->outputs[output]) {
            if (variable)
                return NULL; /* two variables get it */
            variable = c->update_variables[u];
        }
    if (!variable || (c->options->without & MORU_PASS_IN_PLACE) || p->last_use[call->outputs[output]->id] > t)
        return NULL;
    int32_t b = c->buffer_of[variable->id];
    if (p->buffer_last[b] > t || p->lent[b])
        return NULL;
    for (int i = 0; i < call->n_inputs; i++)
        if (c->buffer_of[call->inputs[i]->id] == b && !marked_in_place(call->op, i, output))
            return NULL;
    for (int u = 0; u < c->n_updates; u++) /* its old value may still be wanted as another's new one */
        if (c->buffer_of[c->update_values[u]->id] == b)
            return NULL;
    return variable;
}

static bool is_update(const moru_compilation *c, const moru_node *node)
{
    for (int u = 0; u < c->n_updates; u++)
        if (c->update_values[u] == node)
            return true;
    return false;
}

static void plan_output(planning *p, const moru_call *call, int k, int32_t t)
{
    moru_compilation *c = p->c;
    int32_t *buffer = &c->buffer_of[call->outputs[k]->id];
    if (moru_op_bit(call->op->optional_outputs, k) && p->last_use[call->outputs[k]->id] < 0
        && !is_update(c, call->outputs[k])) {
        *buffer = -1;
        return;
    }
    bool alias = k == 0 && (call->op->flags & MORU_OP_ALIAS);
    if (alias && c->buffer_of[call->inputs[0]->id] < 0) {
        *buffer = -1; /* of a value without storage, for its shape */
        return;
    }
    const moru_node *target = alias ? NULL : update_target(p, call, k, t);
    if (alias) {
        *buffer = c->buffer_of[call->inputs[0]->id];
    } else if (target) {
        *buffer = c->buffer_of[target->id];
        p->lent[*buffer] = true;
    } else {
        *buffer = -1;
        for (int i = 0; i < call->n_inputs && *buffer < 0 && !(c->options->without & MORU_PASS_IN_PLACE); i++)
            if (marked_in_place(call->op, i, k) && can_take(p, call, i, k, t))
                *buffer = c->buffer_of[call->inputs[i]->id];
        if (*buffer < 0)
            *buffer = new_buffer(c, bytes_of(call->outputs[k]), t);
    }
    if (c->buffers[*buffer].last < t)
        c->buffers[*buffer].last = t;
    int32_t last = p->last_use[call->outputs[k]->id];
    if (!target && is_update(c, call->outputs[k]))
        last = c->n_order; /* copied into its variable after the last call */
    if (last > p->buffer_last[*buffer])
        p->buffer_last[*buffer] = last;
    if (last > c->buffers[*buffer].last)
        c->buffers[*buffer].last = last;
}

static moru_status plan_workspace(planning *p, int32_t t, int64_t *scratch)
{
    moru_compilation *c = p->c;
    const moru_call *call = c->order[t];
    size_t bytes = moru_call_workspace(call, c->threads);
    if (bytes > SIZE_MAX / 64 || !moru_add_ok(*scratch, (int64_t)bytes, scratch) || *scratch > INT64_MAX / 8)
        return moru_fail(MORU_ERR_MEMORY, "%s \"%s\": its scratch memory can't be had", call->op->name, call->name);
    c->workspace[t] = bytes == 0 ? -1
                                 : new_buffer(c, ((int64_t)bytes + MORU_ALIGNMENT - 1) / MORU_ALIGNMENT * MORU_ALIGNMENT, t);
    return MORU_OK;
}

/* ---- offsets ---- */

static int by_size(const void *a, const void *b)
{
    const moru_buffer *x = *(moru_buffer *const *)a, *y = *(moru_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first) : (x > y) - (x < y);
}

static bool in_arena(const moru_buffer *b)
{
    return b->bytes > 0 && !b->fixed && !b->input;
}

/* Lowest offset at which b meets no placed buffer that lives at the same time; placed is ordered by offset. */
static int64_t lowest_offset(const moru_buffer *b, moru_buffer *const *placed, int32_t n)
{
    int64_t offset = 0;
    for (int32_t i = 0; i < n; i++) {
        const moru_buffer *other = placed[i];
        if (other->last < b->first || b->last < other->first || other->offset + other->bytes <= offset)
            continue;
        if (other->offset >= offset + b->bytes)
            break;
        offset = other->offset + other->bytes;
    }
    return offset;
}

static moru_status place_buffers(moru_compilation *c)
{
    moru_buffer **sorted = malloc((size_t)(c->n_buffers + 1) * sizeof *sorted);
    moru_buffer **placed = malloc((size_t)(c->n_buffers + 1) * sizeof *placed);
    int64_t *live = calloc((size_t)c->n_order + 2, sizeof *live);
    int32_t n = 0, n_placed = 0;
    bool fits = sorted && placed && live;
    for (int32_t i = 0; fits && i < c->n_buffers; i++)
        if (in_arena(&c->buffers[i])) {
            sorted[n++] = &c->buffers[i];
            live[c->buffers[i].first] += c->buffers[i].bytes;
            live[c->buffers[i].last + 1] -= c->buffers[i].bytes;
        }
    if (fits)
        qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    c->arena_bytes = c->lower_bound = 0;
    for (int32_t i = 0; fits && i < n; i++) {
        moru_buffer *b = sorted[i];
        b->offset = lowest_offset(b, placed, n_placed);
        int32_t at = n_placed++;
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = b;
        if (__builtin_add_overflow(b->offset, b->bytes, &(int64_t){0}))
            fits = false;
        else if (b->offset + b->bytes > c->arena_bytes)
            c->arena_bytes = b->offset + b->bytes;
    }
    int64_t sum = 0;
    for (int32_t t = 0; fits && t <= c->n_order; t++) {
        sum += live[t];
        if (sum > c->lower_bound)
            c->lower_bound = sum;
    }
    free(sorted);
    free(placed);
    free(live);
    return fits ? MORU_OK : moru_fail(MORU_ERR_MEMORY, "no memory for the program's values");
}

moru_status moru_pass_plan(moru_compilation *c)
{
    size_t n_nodes = (size_t)c->graph->n_nodes + 1, n_buffers = n_nodes + (size_t)c->n_order + 1;
    c->buffers = calloc(n_buffers, sizeof *c->buffers);
    c->buffer_of = malloc(n_nodes * sizeof *c->buffer_of);
    c->workspace = malloc(((size_t)c->n_order + 1) * sizeof *c->workspace);
    planning p = {c, malloc(n_nodes * sizeof(int32_t)), malloc(n_buffers * sizeof(int32_t)), calloc(n_buffers, sizeof(bool))};
    moru_status status = MORU_OK;
    int64_t scratch = 0; /* of all calls, so that no sum overflows */
    if (c->buffers && c->buffer_of && c->workspace && p.last_use && p.buffer_last && p.lent) {
        find_last_uses(&p);
        memset(p.buffer_last, -1, n_buffers * sizeof(int32_t));
        plan_leaves(&p);
        for (int32_t i = 0; i < c->graph->n_nodes; i++)
            if (c->buffer_of[i] >= 0)
                p.buffer_last[c->buffer_of[i]] = p.last_use[i];
        for (int32_t t = 0; t < c->n_order && status == MORU_OK; t++) {
            for (int k = 0; k < c->order[t]->n_outputs; k++)
                plan_output(&p, c->order[t], k, t);
            status = plan_workspace(&p, t, &scratch);
        }
        if (status == MORU_OK)
            status = place_buffers(c);
    } else {
        status = moru_fail(MORU_ERR_MEMORY, "no memory to compile a program");
    }
    free(p.last_use);
    free(p.buffer_last);
    free(p.lent);
    return status;
}
