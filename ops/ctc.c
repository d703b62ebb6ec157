/* Connectionist temporal classification; Graves et al., 2006: loss = -log of the probability, under softmax(logits) at
 * every step, of all paths that become the labels when repetitions are merged and blanks, class 0, dropped. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "ops/elementwise.h"
#include "ops/shape_rules.h"

/* Logits [n,t,c] and labels [n,l] at inputs z and z + 1. A path's states are blank, label, blank, ..., blank. */
static moru_status check_inputs(const moru_infer *in, int z)
{
    const moru_shape *logits = &in->shapes[z], *labels = &in->shapes[z + 1];
    MORU_TRY(moru_rule_dtype(in, z, MORU_REAL));
    MORU_TRY(moru_rule_dtype(in, z + 1, MORU_INT32));
    MORU_TRY(moru_rule_rank(in, z, 3, "[n,t,c]"));
    MORU_TRY(moru_rule_rank(in, z + 1, 2, "[n,l]"));
    if (!moru_rule_fits(logits->dims[0], labels->dims[0]) || logits->dims[2] == 0)
        return moru_op_error(MORU_ERR_SHAPE, "logits %s and labels %s: one row of labels a sample and at least one "
                             "class, the blank, are wanted", MORU_TEXT(logits), MORU_TEXT(labels));
    int64_t numbers, bytes;
    if (labels->dims[1] >= INT32_MAX || (moru_shape_known(logits) && moru_shape_known(labels)
        && (!moru_mul_ok(logits->dims[1] + 4, 2 * labels->dims[1] + 1, &numbers)
            || !moru_mul_ok(numbers + logits->dims[1], sizeof(double), &bytes))))
        return moru_op_error(MORU_ERR_MEMORY, "logits %s and labels %s are too large", MORU_TEXT(logits),
                             MORU_TEXT(labels));
    return MORU_OK;
}

static moru_status infer_ctc(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(check_inputs(in, 0));
    shapes[0] = MORU_SHAPE(moru_rule_merge(in->shapes[0].dims[0], in->shapes[1].dims[0]));
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

static moru_status infer_ctc_grad(const moru_infer *in, moru_shape *shapes, moru_dtype *dtypes)
{
    MORU_TRY(check_inputs(in, 1));
    MORU_TRY(moru_rule_dtype(in, 0, MORU_REAL));
    if (in->shapes[0].rank != 1 || !moru_rule_fits(in->shapes[0].dims[0], in->shapes[1].dims[0]))
        return moru_op_error(MORU_ERR_SHAPE, "dloss %s and logits %s: one number a sample is wanted",
                             MORU_TEXT(&in->shapes[0]), MORU_TEXT(&in->shapes[1]));
    shapes[0] = in->shapes[1];
    dtypes[0] = MORU_REAL;
    return MORU_OK;
}

/* alpha [t, states], logarithms of sums [t], and two rows of beta. */
static size_t workspace_of(const moru_shape *logits, const moru_shape *labels)
{
    size_t t = (size_t)logits->dims[1], states = 2 * (size_t)labels->dims[1] + 1;
    return (t * states + t + 2 * states) * sizeof(double);
}

static size_t workspace_ctc(const moru_infer *in, const moru_shape *out, int threads)
{
    (void)out, (void)threads;
    return workspace_of(&in->shapes[0], &in->shapes[1]);
}

static size_t workspace_ctc_grad(const moru_infer *in, const moru_shape *out, int threads)
{
    (void)out, (void)threads;
    return workspace_of(&in->shapes[1], &in->shapes[2]);
}

typedef struct sample {
    const moru_real *logits;   /* [t, c] */
    const int32_t *labels;
    int64_t t, c, states;      /* states: 2 labels + 1 */
    double *alpha, *sums, *beta;
} sample;

static double log_add(double a, double b)
{
    double high = a > b ? a : b, low = a > b ? b : a;
    return isinf(low) ? high : high + log1p(exp(low - high));
}

static int32_t class_of(const sample *s, int64_t state)
{
    return state % 2 ? s->labels[state / 2] : 0;
}

/* Whether a path may go from state - 2 to state: over a blank between different labels. */
static bool may_skip(const sample *s, int64_t state)
{
    return state >= 2 && state % 2 && class_of(s, state) != class_of(s, state - 2);
}

static double log_probability(const sample *s, int64_t t, int64_t state)
{
    return (double)s->logits[t * s->c + class_of(s, state)] - s->sums[t];
}

static void log_sums(const sample *s)
{
    for (int64_t t = 0; t < s->t; t++) {
        const moru_real *z = s->logits + t * s->c;
        double most = (double)z[0], sum = 0;
        for (int64_t k = 1; k < s->c; k++)
            most = (double)z[k] > most ? (double)z[k] : most;
        for (int64_t k = 0; k < s->c; k++)
            sum += exp((double)z[k] - most);
        s->sums[t] = most + log(sum);
    }
}

/* alpha[t, state]: log of the probability of all beginnings that are in the state at t. Returns that of the labels. */
static double forward(const sample *s)
{
    log_sums(s);
    if (s->t == 0)
        return s->states == 1 ? 0 : -INFINITY;
    for (int64_t t = 0; t < s->t; t++) {
        const double *before = s->alpha + (t - 1) * s->states;
        double *now = s->alpha + t * s->states;
        for (int64_t k = 0; k < s->states; k++) {
            double sum = -INFINITY;
            if (t == 0)
                sum = k < 2 ? 0 : -INFINITY;
            for (int64_t from = k; t > 0 && from >= 0 && from >= k - 2; from--)
                if (from > k - 2 || may_skip(s, k))
                    sum = log_add(sum, before[from]);
            now[k] = sum + log_probability(s, t, k);
        }
    }
    const double *last = s->alpha + (s->t - 1) * s->states;
    return s->states > 1 ? log_add(last[s->states - 1], last[s->states - 2]) : last[0];
}

/* dz = dloss (softmax(z) - share of paths through the class); beta: log of the probability of all endings after t */
static void backward(const sample *s, double total, double dloss, moru_real *dz)
{
    double *after = s->beta, *now = s->beta + s->states;
    for (int64_t i = 0; i < s->t * s->c; i++)
        dz[i] = 0;
    for (int64_t t = s->t - 1; t >= 0 && !isinf(total); t--) {
        for (int64_t k = 0; k < s->states; k++) {
            double sum = -INFINITY;
            if (t == s->t - 1)
                sum = k >= s->states - 2 ? 0 : -INFINITY;
            for (int64_t to = k; t < s->t - 1 && to < s->states && to <= k + 2; to++)
                if (to < k + 2 || may_skip(s, to))
                    sum = log_add(sum, after[to] + log_probability(s, t + 1, to));
            now[k] = sum;
        }
        moru_real *row = dz + t * s->c;
        for (int64_t k = 0; k < s->c; k++)
            row[k] = (moru_real)(dloss * exp((double)s->logits[t * s->c + k] - s->sums[t]));
        for (int64_t k = 0; k < s->states; k++)
            row[class_of(s, k)] -= (moru_real)(dloss * exp(s->alpha[t * s->states + k] + now[k] - total));
        double *swapped = after;
        after = now;
        now = swapped;
    }
}

/* Sample i, whose labels are as many as aren't 0. */
static moru_status sample_at(const moru_run *run, int z, int64_t i, sample *s)
{
    const moru_view *logits = run->in[z], *labels = run->in[z + 1];
    int64_t l = labels->shape.dims[1], count = 0;
    s->t = logits->shape.dims[1];
    s->c = logits->shape.dims[2];
    s->logits = (const moru_real *)logits->data + i * s->t * s->c;
    s->labels = (const int32_t *)labels->data + i * l;
    for (int64_t k = 0; k < l; k++) {
        if (s->labels[k] < 0 || s->labels[k] >= s->c)
            return moru_op_error(MORU_ERR_RANGE, "label %" PRId32 " of sample %" PRId64 " is outside 0..%" PRId64,
                                 s->labels[k], i, s->c - 1);
        count += s->labels[k] != 0;
    }
    s->states = 2 * count + 1;
    s->alpha = run->workspace;
    s->sums = s->alpha + s->t * s->states;
    s->beta = s->sums + s->t;
    return MORU_OK;
}

static moru_status run_ctc(const moru_run *run)
{
    for (int64_t i = 0; i < run->out[0]->size; i++) {
        sample s;
        MORU_TRY(sample_at(run, 0, i, &s));
        ((moru_real *)run->out[0]->data)[i] = (moru_real)-forward(&s);
    }
    return MORU_OK;
}

static moru_status run_ctc_grad(const moru_run *run)
{
    for (int64_t i = 0; i < run->in[0]->size; i++) {
        sample s;
        MORU_TRY(sample_at(run, 1, i, &s));
        double total = forward(&s), dloss = (double)((const moru_real *)run->in[0]->data)[i];
        backward(&s, total, dloss, (moru_real *)run->out[0]->data + i * s.t * s.c);
    }
    return MORU_OK;
}

static void vjp_ctc(const moru_vjp *v)
{
    if (v->wanted[0])
        v->dx[0] = moru_call_3(&moru_op_ctc_grad, VJP_DY, VJP_A, VJP_B, NULL);
}

const moru_op_def moru_op_ctc = {
    .name = "ctc", .formula = "y = -log p(labels), over all alignments", .min_inputs = 2, .max_inputs = 2,
    .n_outputs = 1, .infer = infer_ctc, .vjp = vjp_ctc, .workspace = workspace_ctc, .run = run_ctc,
};

const moru_op_def moru_op_ctc_grad = {
    .name = "ctc_grad", .formula = "dz = dloss (softmax(z) - share of the paths)", .min_inputs = 3, .max_inputs = 3,
    .n_outputs = 1, .flags = MORU_OP_NO_GRADIENT, .infer = infer_ctc_grad, .workspace = workspace_ctc_grad,
    .run = run_ctc_grad,
};

moru_node *moru_ctc_loss(moru_node *logits, moru_node *labels)
{
    return moru_call_2(&moru_op_ctc, logits, labels, NULL);
}
