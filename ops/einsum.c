/* Einstein's sums, as transposes, sums and one product of matrices for each operand after the first. */
#include <ctype.h>
#include <string.h>

#include "core/status.h"
#include "ops/shape_rules.h"

/* Labels of axes: letters, and numbers below 32 for the axes that "..." stands for, counted from the last. */
typedef struct term {
    moru_node *x;
    int n;
    unsigned char labels[MORU_MAX_RANK];
} term;

static int find(const term *t, unsigned char label)
{
    for (int k = 0; k < t->n; k++)
        if (t->labels[k] == label)
            return k;
    return -1;
}

static moru_node *fail(moru_node *x, const char *equation, const char *what)
{
    return moru_graph_fail(x->graph, MORU_ERR_ARGUMENT, "einsum \"%.80s\": %s", equation, what);
}

/* Letters up to end, into t; "..." becomes as many labels as the operand has axes more. Gives what is wrong. */
static const char *read_labels(const char *text, const char *end, int rank, term *t)
{
    int named = 0;
    bool dots = false;
    for (const char *c = text; c < end; c++)
        named += isalpha((unsigned char)*c) != 0;
    t->n = 0;
    for (const char *c = text; c < end; c++) {
        if (isspace((unsigned char)*c))
            continue;
        if (*c == '.') {
            if (dots || end - c < 3 || strncmp(c, "...", 3) != 0)
                return "a point that isn't one of three";
            dots = true;
            c += 2;
            for (int k = rank - named; k > 0; k--) {
                if (t->n == MORU_MAX_RANK)
                    return "too many axes";
                t->labels[t->n++] = (unsigned char)k;
            }
            continue;
        }
        if (!isalpha((unsigned char)*c))
            return "something that isn't a letter";
        if (t->n == MORU_MAX_RANK)
            return "too many axes";
        if (find(t, (unsigned char)*c) >= 0)
            return "a letter twice in one operand";
        t->labels[t->n++] = (unsigned char)*c;
    }
    return t->n == rank ? NULL : "an operand with another number of axes";
}

/* Without "->": what occurs once, in the alphabet's order, after what "..." stands for. */
static void implied(const term *terms, int n, term *out)
{
    out->n = 0;
    for (int label = 31; label > 0; label--)
        for (int k = 0; k < n; k++)
            if (find(&terms[k], (unsigned char)label) >= 0 && find(out, (unsigned char)label) < 0)
                out->labels[out->n++] = (unsigned char)label;
    for (int label = 'A'; label <= 'z'; label++) {
        int count = 0;
        for (int k = 0; k < n; k++)
            count += find(&terms[k], (unsigned char)label) >= 0;
        if (count == 1 && out->n < MORU_MAX_RANK)
            out->labels[out->n++] = (unsigned char)label;
    }
}

/* Sums over the axes whose labels neither `keep` nor any of the n terms has. */
static void sum_away(term *t, const term *keep, const term *others, int n)
{
    int axes[MORU_MAX_RANK], gone = 0;
    term left = {.x = t->x};
    for (int k = 0; k < t->n; k++) {
        bool needed = find(keep, t->labels[k]) >= 0;
        for (int i = 0; i < n; i++)
            needed = needed || find(&others[i], t->labels[k]) >= 0;
        if (needed)
            left.labels[left.n++] = t->labels[k];
        else
            axes[gone++] = k;
    }
    if (gone > 0)
        left.x = moru_sum(t->x, axes, gone, false);
    *t = left;
}

/* Axes of t by the order of labels. */
static moru_node *arrange(const term *t, const unsigned char *labels, int n)
{
    int order[MORU_MAX_RANK];
    bool same = true;
    for (int k = 0; k < n; k++) {
        order[k] = find(t, labels[k]);
        same = same && order[k] == k;
    }
    return same || moru_node_failed(t->x) ? t->x : moru_transpose(t->x, order);
}

typedef struct group { int n; unsigned char labels[MORU_MAX_RANK]; } group;

static void add(group *g, unsigned char label)
{
    g->labels[g->n++] = label;
}

/* The size of a group's axes as one: -1 where it is open. */
static int64_t size_of(const term *t, const group *g)
{
    int64_t size = 1;
    for (int k = 0; k < g->n; k++) {
        int64_t dim = t->x->shape.dims[find(t, g->labels[k])];
        if (g->n == 1)
            return dim;
        if (dim < 0 || !moru_mul_ok(size, dim, &size))
            return -1;
    }
    return size;
}

/* [batch, one, two] with the axes of each group as one; without a batch a plain matrix, which more can be fused with. */
static moru_node *matrices(const term *t, const group *batch, const group *one, const group *two)
{
    const group *groups[] = {batch, one, two};
    int64_t dims[] = {size_of(t, batch), size_of(t, one), size_of(t, two)};
    unsigned char labels[3 * MORU_MAX_RANK];
    int n = 0, first = batch->n == 0;
    bool same = true;
    for (int g = first; g < 3; g++) {
        same = same && groups[g]->n == 1;
        for (int k = 0; k < groups[g]->n; k++)
            labels[n++] = groups[g]->labels[k];
    }
    moru_node *x = arrange(t, labels, n);
    return same ? x : moru_reshape(x, dims + first, 3 - first);
}

/* a and b as one: axes that both have and that are needed later are its batch, others that both have are summed over. */
static term multiply(const term *a, const term *b, const term *out, const term *later, int n_later)
{
    group batch = {0}, inner = {0}, left = {0}, right = {0};
    term y = {0};
    int64_t dims[3 * MORU_MAX_RANK];
    for (int k = 0; k < a->n; k++) {
        bool shared = find(b, a->labels[k]) >= 0, needed = find(out, a->labels[k]) >= 0;
        for (int i = 0; i < n_later; i++)
            needed = needed || find(&later[i], a->labels[k]) >= 0;
        add(!shared ? &left : needed ? &batch : &inner, a->labels[k]);
    }
    for (int k = 0; k < b->n; k++)
        if (find(a, b->labels[k]) < 0)
            add(&right, b->labels[k]);
    if (batch.n + left.n + right.n > MORU_MAX_RANK) {
        y.x = moru_graph_fail(a->x->graph, MORU_ERR_SHAPE, "einsum: more than %d axes", MORU_MAX_RANK);
        return y;
    }
    y.x = moru_matmul(matrices(a, &batch, &left, &inner), matrices(b, &batch, &inner, &right));
    const group *groups[] = {&batch, &left, &right};
    for (int g = 0; g < 3; g++)
        for (int k = 0; k < groups[g]->n; k++) {
            const term *from = g < 2 ? a : b;
            dims[y.n] = from->x->shape.dims[find(from, groups[g]->labels[k])];
            y.labels[y.n++] = groups[g]->labels[k];
        }
    if (batch.n > 1 || left.n != 1 || right.n != 1)
        y.x = moru_reshape(y.x, dims, y.n);
    return y;
}

static moru_node *contract(const char *equation, term *terms, int n, const term *out)
{
    for (int k = 0; k < out->n; k++) {
        bool known = false;
        for (int i = 0; i < n; i++)
            known = known || find(&terms[i], out->labels[k]) >= 0;
        if (!known)
            return fail(terms[0].x, equation, "an axis of the result that no operand has");
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            for (int k = 0; k < terms[i].n; k++) {
                int other = find(&terms[j], terms[i].labels[k]);
                if (other >= 0 && !moru_rule_fits(terms[i].x->shape.dims[k], terms[j].x->shape.dims[other]))
                    return moru_graph_fail(terms[0].x->graph, MORU_ERR_SHAPE,
                                           "einsum \"%.80s\": %s and %s differ in size along an axis of one name",
                                           equation, MORU_TEXT(&terms[j].x->shape), MORU_TEXT(&terms[i].x->shape));
            }
    term y = terms[0];
    sum_away(&y, out, terms + 1, n - 1);
    for (int i = 1; i < n && !moru_node_failed(y.x); i++) {
        term b = terms[i];
        terms[i] = y; /* in this place what is done so far stands beside the operands to come */
        sum_away(&b, out, terms + i, n - i);
        y = multiply(&y, &b, out, terms + i + 1, n - i - 1);
        if (!moru_node_failed(y.x))
            sum_away(&y, out, terms + i + 1, n - i - 1);
    }
    return moru_node_failed(y.x) ? y.x : arrange(&y, out->labels, out->n);
}

moru_node *moru_einsum(const char *equation, moru_node *const *xs, int n)
{
    enum { MOST = 16 };
    term terms[MOST], out = {0};
    moru_graph *graph = moru_graph_of(xs, n);
    if (!graph || !equation)
        return NULL;
    for (int k = 0; k < n; k++)
        if (moru_node_failed(xs[k]))
            return graph->inert;
    if (n > MOST)
        return fail(xs[0], equation, "more than 16 operands");
    const char *arrow = strstr(equation, "->"), *text = equation, *end = arrow ? arrow : equation + strlen(equation);
    int dots = 0;
    for (int k = 0; k < n; k++) {
        const char *comma = memchr(text, ',', (size_t)(end - text)), *stop = comma ? comma : end;
        if ((k + 1 < n) != (comma != NULL))
            return fail(xs[0], equation, "another number of operands");
        terms[k].x = xs[k];
        const char *wrong = read_labels(text, stop, xs[k]->shape.rank, &terms[k]);
        if (wrong)
            return fail(xs[0], equation, wrong);
        for (int i = 0; i < terms[k].n; i++)
            dots = terms[k].labels[i] < 32 && terms[k].labels[i] > dots ? terms[k].labels[i] : dots;
        text = comma ? comma + 1 : end;
    }
    if (!arrow) {
        implied(terms, n, &out);
        return contract(equation, terms, n, &out);
    }
    int named = 0;
    for (const char *c = arrow + 2; *c; c++)
        named += isalpha((unsigned char)*c) != 0;
    bool keeps = strstr(arrow, "...") != NULL;
    const char *wrong = read_labels(arrow + 2, equation + strlen(equation), named + (keeps ? dots : 0), &out);
    return wrong ? fail(xs[0], equation, wrong) : contract(equation, terms, n, &out);
}
