#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/graph.h"
#include "tests/gradcheck.h"

/* One case under way. */
typedef struct trial {
    const gradcheck_case *c;
    moru_graph *graph;
    int n, n_wanted;
    moru_node *x[GRADCHECK_MAX_INPUTS], *wanted[GRADCHECK_MAX_INPUTS];
    int place[GRADCHECK_MAX_INPUTS]; /* of a wanted input among all */
    moru_tensor *values[GRADCHECK_MAX_INPUTS];
    uint64_t random;
    char *message;
    size_t size;
} trial;

static bool failed(trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool failed(trial *t, const char *format, ...)
{
    int used = snprintf(t->message, t->size, "%s: ", t->c->name);
    va_list args;
    va_start(args, format);
    vsnprintf(t->message + used, t->size > (size_t)used ? t->size - (size_t)used : 0, format, args);
    va_end(args);
    return false;
}

/* ---- random inputs ---- */

static double uniform(trial *t)
{
    uint64_t z = (t->random += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static double draw(trial *t, const gradcheck_input *in)
{
    for (;;) {
        double x = in->low + (in->high - in->low) * uniform(t);
        bool clear = true;
        for (int k = 0; k < in->n_kinks; k++)
            clear &= fabs(x - in->kinks[k]) > 1e-2;
        if (clear)
            return x;
    }
}

/* Replaces all real values by evenly spaced ones in random order. */
static void make_distinct(trial *t)
{
    int64_t total = 0, at = 0;
    for (int i = 0; i < t->n; i++)
        total += t->c->in[i].dtype == MORU_REAL ? moru_tensor_size(t->values[i]) : 0;
    int64_t *order = malloc((size_t)(total + 1) * sizeof *order);
    for (int64_t k = 0; k < total; k++) { /* a shuffle that builds its list */
        int64_t j = (int64_t)(uniform(t) * (double)(k + 1));
        order[k] = order[j];
        order[j] = k;
    }
    for (int i = 0; i < t->n; i++) {
        double *x = moru_tensor_data(t->values[i]);
        for (int64_t k = 0; t->c->in[i].dtype == MORU_REAL && k < moru_tensor_size(t->values[i]); k++)
            x[k] = t->c->in[i].low
                   + (t->c->in[i].high - t->c->in[i].low) * ((double)order[at++] + 0.5) / (double)total;
    }
    free(order);
}

static void make_inputs(trial *t)
{
    while (t->n < GRADCHECK_MAX_INPUTS && t->c->in[t->n].low < t->c->in[t->n].high) {
        const gradcheck_input *in = &t->c->in[t->n];
        moru_tensor *value = t->values[t->n] = moru_tensor_new(in->dtype, in->shape);
        for (int64_t k = 0; k < moru_tensor_size(value); k++) {
            double x = draw(t, in);
            if (in->dtype == MORU_REAL)
                ((double *)moru_tensor_data(value))[k] = x;
            else
                ((int32_t *)moru_tensor_data(value))[k] = (int32_t)floor(x);
        }
        moru_node *node = moru_placeholder(t->graph, NULL, in->dtype, in->shape);
        if (in->dtype == MORU_REAL && !in->fixed) {
            t->place[t->n_wanted] = t->n;
            t->wanted[t->n_wanted++] = node;
        }
        t->x[t->n++] = node;
    }
    if (t->c->flags & GRADCHECK_DISTINCT)
        make_distinct(t);
}

static moru_node *random_constant(trial *t, const moru_shape *shape)
{
    int64_t n = 0;
    moru_shape_size(shape, &n);
    double *data = malloc((size_t)(n + 1) * sizeof *data);
    for (int64_t k = 0; k < n; k++)
        data[k] = 2 * uniform(t) - 1;
    moru_node *node = moru_constant(t->graph, MORU_REAL, *shape, data);
    free(data);
    return node;
}

/* ---- coverage ---- */

static int place_of(const moru_op_def *op)
{
    for (int k = 0; moru_op_at(k) && k < GRADCHECK_MAX_OPS; k++)
        if (moru_op_at(k) == op)
            return k;
    return -1;
}

/* Marks the inputs of calls that lie between the wanted values and y. */
static void cover(const trial *t, const moru_node *y, gradcheck_coverage *coverage)
{
    const moru_graph *g = t->graph;
    bool *from_x = calloc((size_t)g->n_nodes, sizeof(bool)), *to_y = calloc((size_t)g->n_nodes, sizeof(bool));
    for (int i = 0; i < t->n_wanted; i++)
        from_x[t->wanted[i]->id] = true;
    for (int32_t id = 0; id < g->n_nodes; id++)
        for (int i = 0; i < g->nodes[id]->call->n_inputs; i++)
            if (from_x[g->nodes[id]->call->inputs[i]->id] && !(g->nodes[id]->call->op->shape_only >> i & 1))
                from_x[id] = true;
    to_y[y->id] = true;
    for (int32_t id = g->n_calls - 1; id >= 0; id--) {
        const moru_call *call = g->calls[id];
        bool needed = false;
        for (int k = 0; k < call->n_outputs; k++)
            needed |= to_y[call->outputs[k]->id];
        int place = place_of(call->op);
        for (int i = 0; needed && i < call->n_inputs; i++) {
            to_y[call->inputs[i]->id] = true;
            if (place >= 0 && i < 32 && from_x[call->inputs[i]->id])
                coverage->inputs[place] |= 1u << i;
            if (place >= 0 && i < 32 && call->inputs[i]->dtype != MORU_REAL)
                coverage->integers[place] |= 1u << i;
        }
    }
    free(from_x);
    free(to_y);
}

int gradcheck_missing(const gradcheck_coverage *coverage, char *names, size_t size)
{
    int missing = 0;
    size_t used = 0;
    names[0] = '\0';
    for (int k = 0; moru_op_at(k) && k < GRADCHECK_MAX_OPS; k++) {
        const moru_op_def *op = moru_op_at(k);
        int n = op->min_inputs > 0 || op->max_inputs >= 0 ? op->min_inputs : 1;
        uint32_t wanted = ((1u << n) - 1) & ~op->shape_only & ~coverage->integers[k];
        uint32_t lacking = wanted & ~coverage->inputs[k];
        /* checked by running all programs with and without passes */
        bool made_by_passes = strcmp(op->name, "fused") == 0;
        if (made_by_passes || (op->flags & MORU_OP_NO_GRADIENT ? coverage->refused[k] : lacking == 0))
            continue;
        missing++;
        int more = snprintf(names + used, size - used, op->flags & MORU_OP_NO_GRADIENT ? "%s%s (its refusal)" : "%s%s",
                            used ? ", " : "", op->name);
        used += more > 0 && (size_t)more < size - used ? (size_t)more : 0;
        for (int i = 0; i < n && (coverage->inputs[k] & wanted); i++) /* some inputs were checked: say which weren't */
            if ((lacking >> i & 1) && used + 16 < size)
                used += (size_t)snprintf(names + used, size - used, " (input %d)", i);
    }
    return missing;
}

/* ---- values ---- */

static moru_program *compile(trial *t, moru_node *const *outputs, int n, uint32_t without)
{
    moru_program *program = NULL;
    moru_program_options options = {.inputs = t->x, .n_inputs = t->n, .outputs = outputs, .n_outputs = n, .threads = 1,
                                    .seed = 5, .without = without};
    if (moru_program_new(&program, &options) != MORU_OK)
        return NULL;
    for (int i = 0; i < t->n; i++)
        if (moru_program_bind(program, i, moru_tensor_const_data(t->values[i])) != MORU_OK)
            return NULL;
    return program;
}

static bool run(trial *t, moru_program *program)
{
    moru_program_set_step(program, 3);
    return moru_program_run(program) == MORU_OK || failed(t, "running: %s", moru_last_error());
}

static bool value(trial *t, moru_program *program, double *y)
{
    if (!run(t, program))
        return false;
    *y = *(const double *)moru_tensor_const_data(moru_program_output(program, 0));
    return true;
}

/* (s(x-2h) - 8 s(x-h) + 8 s(x+h) - s(x+2h)) / 12h */
static bool difference(trial *t, moru_program *program, double *x, double *slope)
{
    static const double steps[] = {-2, -1, 1, 2}, weights[] = {1, -8, 8, -1};
    double before = *x, h = 1e-4 * fmax(1, fabs(before)), y;
    *slope = 0;
    for (int k = 0; k < 4; k++) {
        *x = before + steps[k] * h;
        bool fine = value(t, program, &y);
        *x = before;
        if (!fine)
            return false;
        *slope += weights[k] * y / (12 * h);
    }
    return true;
}

static double largest(const moru_program *program, int from, int n)
{
    double most = 0;
    for (int k = from; k < from + n; k++) {
        const moru_tensor *tensor = moru_program_output(program, k);
        for (int64_t i = 0; i < moru_tensor_size(tensor); i++)
            most = fmax(most, fabs(((const double *)moru_tensor_const_data(tensor))[i]));
    }
    return most;
}

/* Outputs 1.. of `both` against differences of output 0 of `single`, for every element of every wanted input. */
static bool compare(trial *t, moru_program *single, moru_program *both, const char *what)
{
    double tolerance = t->c->tolerance > 0 ? t->c->tolerance : 1e-6, s, slope;
    if (!value(t, both, &s))
        return false;
    double floor = 0.1 * largest(both, 1, t->n_wanted) + 1e-2 * (1 + fabs(s));
    for (int i = 0; i < t->n_wanted; i++) {
        const moru_tensor *gradient = moru_program_output(both, 1 + i);
        double *x = moru_tensor_data(t->values[t->place[i]]);
        for (int64_t k = 0; k < moru_tensor_size(gradient); k++) {
            double g = ((const double *)moru_tensor_const_data(gradient))[k];
            if (!difference(t, single, &x[k], &slope))
                return false;
            if (!(fabs(g - slope) <= tolerance * (fmax(fabs(g), fabs(slope)) + floor)))
                return failed(t, "%s for input %d, element %lld: %.12g, differences say %.12g", what, t->place[i],
                              (long long)k, g, slope);
        }
    }
    return true;
}

/* Leaving out all passes must not change results beyond rounding. */
static bool same_without_passes(trial *t, moru_program *with, moru_node *const *outputs, int n)
{
    moru_program *bare = compile(t, outputs, n, ~0u);
    bool fine = bare ? run(t, bare) && run(t, with) : failed(t, "compiling without passes: %s", moru_last_error());
    for (int k = 0; fine && k < n; k++) {
        const double *a = moru_tensor_const_data(moru_program_output(with, k));
        const double *b = moru_tensor_const_data(moru_program_output(bare, k));
        double scale = largest(bare, k, 1);
        for (int64_t i = 0; fine && i < moru_tensor_size(moru_program_output(bare, k)); i++)
            if (!(fabs(a[i] - b[i]) <= 1e-11 * (1 + scale)) && !(isnan(a[i]) && isnan(b[i])))
                fine = failed(t, "output %d, element %lld: %.15g with compiler passes, %.15g without", k, (long long)i,
                              a[i], b[i]);
    }
    moru_program_free(bare);
    return fine;
}

/* s against its gradients; on success grads holds them. */
static bool check_order(trial *t, moru_node *s, moru_node **grads, const char *what)
{
    moru_node *outputs[1 + GRADCHECK_MAX_INPUTS] = {s};
    if (moru_gradients(s, t->wanted, t->n_wanted, grads) != MORU_OK)
        return failed(t, "%s: %s", what, moru_last_error());
    for (int i = 0; i < t->n_wanted; i++) {
        char a[MORU_SHAPE_TEXT], b[MORU_SHAPE_TEXT];
        if (!moru_shape_equal(moru_node_shape(grads[i]), moru_node_shape(t->wanted[i])))
            return failed(t, "%s for input %d has shape %s instead of %s", what, t->place[i],
                          moru_shape_print(moru_node_shape(grads[i]), a, sizeof a),
                          moru_shape_print(moru_node_shape(t->wanted[i]), b, sizeof b));
        outputs[1 + i] = grads[i];
    }
    moru_program *single = compile(t, outputs, 1, 0), *both = compile(t, outputs, 1 + t->n_wanted, 0);
    bool fine = single && both ? compare(t, single, both, what) : failed(t, "compiling: %s", moru_last_error());
    fine = fine && same_without_passes(t, both, outputs, 1 + t->n_wanted);
    moru_program_free(single);
    moru_program_free(both);
    return fine;
}

/* ---- cases ---- */

static bool check_refusal(trial *t, moru_node *y, gradcheck_coverage *coverage)
{
    moru_node *grads[GRADCHECK_MAX_INPUTS];
    const char *name = t->c->no_gradient_op;
    int place = -1;
    bool integers = true;
    for (int32_t id = 0; id < t->graph->n_calls; id++)
        if (strcmp(t->graph->calls[id]->op->name, name) == 0) {
            place = place_of(t->graph->calls[id]->op);
            for (int k = 0; k < t->graph->calls[id]->n_outputs; k++)
                integers &= t->graph->calls[id]->outputs[k]->dtype != MORU_REAL;
        }
    if (place < 0)
        return failed(t, "there is no op %s in the graph", name);
    moru_status status = moru_gradients(y, t->wanted, t->n_wanted, grads);
    if (integers) {
        if (status != MORU_OK)
            return failed(t, "gradients: %s", moru_last_error());
        moru_program *program = compile(t, grads, t->n_wanted, 0);
        bool zero = program && run(t, program) && largest(program, 0, t->n_wanted) == 0;
        moru_program_free(program);
        if (!zero)
            return failed(t, "a gradient gets through integers");
    } else if (status != MORU_ERR_GRADIENT || !strstr(moru_last_error(), name)) {
        return failed(t, "the gradient should be refused naming %s; status %d, \"%s\"", name, (int)status,
                      moru_last_error());
    }
    if (coverage)
        coverage->refused[place] = true;
    return true;
}

static bool check_gradients(trial *t, moru_node *y, gradcheck_coverage *coverage)
{
    moru_node *grads[GRADCHECK_MAX_INPUTS], *unused[GRADCHECK_MAX_INPUTS];
    const moru_shape shape = *moru_node_shape(y);
    moru_node *weight = moru_add(random_constant(t, &shape), moru_mul(random_constant(t, &shape), y));
    moru_node *s = moru_sum_all(moru_mul(y, weight));
    if (!check_order(t, s, grads, "gradient"))
        return false;
    if (coverage)
        cover(t, s, coverage);
    if (t->c->flags & GRADCHECK_FIRST_ORDER)
        return true;
    moru_node *s2 = moru_scalar(t->graph, 0);
    for (int i = 0; i < t->n_wanted; i++)
        s2 = moru_add(s2, moru_sum_all(moru_mul(grads[i], random_constant(t, moru_node_shape(grads[i])))));
    if (!check_order(t, s2, unused, "gradient of the gradient"))
        return false;
    if (coverage)
        cover(t, s2, coverage);
    return true;
}

bool gradcheck_run(const gradcheck_case *c, gradcheck_coverage *coverage, char *message, size_t size)
{
    trial t = {.c = c, .graph = moru_graph_new(), .random = 1, .message = message, .size = size};
    for (const char *p = c->name; *p; p++)
        t.random = t.random * 31 + (uint64_t)*p;
    message[0] = '\0';
    make_inputs(&t);
    moru_node *y = c->unary ? c->unary(t.x[0]) : c->binary ? c->binary(t.x[0], t.x[1]) : c->build(t.graph, t.x, c);
    bool fine;
    if (moru_graph_status(t.graph) != MORU_OK)
        fine = failed(&t, "building: %s", moru_graph_error(t.graph));
    else if (c->flags & GRADCHECK_NO_GRADIENT)
        fine = check_refusal(&t, y, coverage);
    else
        fine = check_gradients(&t, y, coverage);
    for (int i = 0; i < t.n; i++)
        moru_tensor_free(t.values[i]);
    moru_graph_free(t.graph);
    return fine;
}
