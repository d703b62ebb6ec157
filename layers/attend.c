/* Masks of attention, and attention of heads that are projected already, along any axes. */
#include <math.h>

#include "core/status.h"
#include "layers/attention.h"

/* ---- masks ---- */

moru_node *moru_named_mask(const moru_layer_call *c, const char *name, int k)
{
    moru_node *given = moru_layer_argument(c, name, 0);
    moru_node *mask = given ? given : k >= 0 ? c->inputs[k]->mask : NULL;
    return mask ? moru_as_real(mask) : NULL;
}

moru_node *moru_mask_and(moru_node *a, moru_node *b)
{
    return !a ? b : !b ? a : moru_logical_and(a, b);
}

/* Ones along one axis; only the shape of x counts. */
static moru_node *ones_along(moru_node *x, int axis)
{
    int axes[MORU_MAX_RANK], n = 0;
    for (int i = 0; !moru_node_failed(x) && i < x->shape.rank; i++)
        if (i != axis)
            axes[n++] = i;
    return moru_ones_like(moru_sum(x, axes, n, false));
}

moru_node *moru_ones_of_scores(moru_node *query, moru_node *value, int axis)
{
    return moru_mul(moru_expand_dims(ones_along(query, axis), 1), moru_expand_dims(ones_along(value, axis), 0));
}

moru_node *moru_masked_softmax(moru_node *scores, moru_node *kept, const int *axes, int n)
{
    moru_node *zero = moru_scalar(scores->graph, 0), *x = scores;
    if (kept)
        x = moru_where(kept, scores, moru_scalar(scores->graph, -1e9));
    if (n == 1)
        x = moru_softmax(x, axes[0]);
    else
        x = moru_exp(moru_sub(x, moru_logsumexp(x, axes, n, true)));
    return kept ? moru_where(kept, x, zero) : x;
}

/* ---- axes ---- */

/* How the axes of a projected value are sorted: those of the batch, those attended over, heads, dim. */
typedef struct layout {
    int rank, batch, order[MORU_MAX_RANK], back[MORU_MAX_RANK];
} layout;

static layout layout_of(const moru_attend *a, int rank)
{
    layout l = {.rank = rank, .batch = rank - 2 - a->n_axes};
    int n = 0;
    for (int i = 0; i < rank - 2; i++) {
        bool attended = false;
        for (int k = 0; k < a->n_axes; k++)
            attended = attended || a->axes[k] == i;
        if (!attended)
            l.order[n++] = i;
    }
    for (int k = 0; k < a->n_axes; k++)
        l.order[n++] = a->axes[k];
    l.order[n++] = rank - 2;
    l.order[n++] = rank - 1;
    for (int i = 0; i < rank; i++)
        l.back[l.order[i]] = i;
    return l;
}

static bool is_plain(const layout *l)
{
    return l->rank == 4 && l->batch == 1 && l->order[1] == 1;
}

/* The product of n sizes; -1 if one is open. */
static int64_t product(const int64_t *sizes, int n)
{
    int64_t all = 1;
    for (int i = 0; i < n; i++)
        if (sizes[i] < 0 || !moru_mul_ok(all, sizes[i], &all))
            return n == 1 ? sizes[i] : -1;
    return all;
}

/* [n, .., heads, dim] to [n .., T .., heads, dim]; sorted: the sizes between. */
static moru_node *fold(const layout *l, moru_node *x, moru_shape *sorted)
{
    if (moru_node_failed(x))
        return x;
    x = is_plain(l) ? x : moru_transpose(x, l->order);
    *sorted = *moru_node_shape(x);
    const int64_t *d = sorted->dims;
    int64_t dims[] = {product(d, l->batch), product(d + l->batch, l->rank - 2 - l->batch), d[l->rank - 2],
                      d[l->rank - 1]};
    return is_plain(l) ? x : moru_reshape(x, dims, 4);
}

/* kept [.., T.., S..] as what broadcasts to [n .., heads, T .., S ..], folded as the scores are. */
static moru_node *fold_kept(const moru_attend *a, const layout *l, const moru_shape *q, const moru_shape *k,
                            moru_node *query, moru_node *key)
{
    int n = a->n_axes, rank = l->batch + 1 + 2 * n;
    moru_node *kept = moru_as_real(a->kept);
    if (moru_node_failed(kept))
        return kept;
    if (kept->shape.rank < 2 * n || kept->shape.rank > rank)
        return moru_graph_fail(kept->graph, MORU_ERR_SHAPE, "an attention mask of %d dimensions, not %d to %d",
                               kept->shape.rank, 2 * n, rank);
    int lead = kept->shape.rank - 2 * n;
    while (!moru_node_failed(kept) && kept->shape.rank < rank)
        kept = moru_expand_dims(kept, lead);
    if (moru_node_failed(kept) || (is_plain(l) && kept->shape.dims[3] == k->dims[1]))
        return kept;
    if (is_plain(l))
        return moru_logical_and(kept, moru_ones_of_scores(query, key, 1));
    /* ones [n, .., 1, T.., S..]: what is repeated has to be there before axes are joined */
    int64_t rows[MORU_MAX_RANK], columns[MORU_MAX_RANK], folded[4];
    for (int i = 0; i < rank; i++) {
        int along = i < l->batch ? i : i < l->batch + 1 + n ? i - 1 : i - 1 - n;
        rows[i] = i == l->batch || i > l->batch + n ? 1 : q->dims[along];
        columns[i] = i >= l->batch && i <= l->batch + n ? 1 : k->dims[along];
    }
    const int last[] = {-2, -1};
    query = moru_reshape(moru_sum(moru_transpose(query, l->order), last, 2, false), rows, rank);
    key = moru_reshape(moru_sum(moru_transpose(key, l->order), last, 2, false), columns, rank);
    kept = moru_logical_and(kept, moru_mul(moru_ones_like(query), moru_ones_like(key)));
    if (moru_node_failed(kept))
        return kept;
    folded[0] = product(q->dims, l->batch);
    folded[1] = kept->shape.dims[l->batch];
    folded[2] = product(q->dims + l->batch, n);
    folded[3] = product(k->dims + l->batch, n);
    return moru_reshape(kept, folded, 4);
}

/* ---- attention ---- */

/* By its scores, [n, heads, T, S]. */
static moru_node *by_scores(const moru_attend *a, moru_node *q, moru_node *k, moru_node *v, moru_node *kept,
                            moru_node **scores)
{
    const int swap[] = {0, 2, 1, 3}, last = -1;
    moru_node *queries = moru_transpose(moru_mul_scalar(q, a->scale), swap);
    moru_node *p = moru_matmul_t(queries, false, moru_transpose(k, swap), true);
    if (a->causal && kept)
        kept = moru_logical_and(kept, moru_causal_mask(moru_ones_of_scores(q, k, 1), 0));
    else if (a->causal)
        p = moru_causal_mask(p, -INFINITY);
    p = moru_masked_softmax(p, kept, &last, 1);
    if (scores)
        *scores = p;
    if (a->call->training && !a->call->trace->noiseless && a->dropout > 0)
        p = moru_dropout_op(p, a->dropout);
    return moru_transpose(moru_matmul(p, moru_transpose(v, swap)), swap);
}

moru_node *moru_attend_heads(const moru_attend *a, moru_node *q, moru_node *k, moru_node *v, moru_node **scores)
{
    moru_shape at_q, at_k, at_v;
    if (moru_node_failed(q) || moru_node_failed(k) || moru_node_failed(v))
        return a->call->graph->inert;
    layout l = layout_of(a, q->shape.rank);
    bool plain = is_plain(&l), noisy = a->call->training && !a->call->trace->noiseless && a->dropout > 0;
    moru_node *query = fold(&l, q, &at_q), *key = fold(&l, k, &at_k), *y;
    moru_node *kept = a->kept ? fold_kept(a, &l, &at_q, &at_k, q, k) : NULL;
    v = fold(&l, v, &at_v);
    if (scores || noisy)
        y = by_scores(a, query, key, v, kept, scores);
    else if (kept) /* Keras's own fused attention gives the mean to blind queries, its softmax of scores 0 */
        y = moru_attention_kept_op(query, key, v, kept, a->scale, a->causal, !plain || a->dropout > 0);
    else
        y = moru_attention_op(query, key, v, NULL, a->scale, a->causal);
    if (plain || moru_node_failed(y))
        return y;
    int64_t dims[MORU_MAX_RANK];
    for (int i = 0; i < l.rank - 2; i++)
        dims[i] = at_q.dims[i];
    dims[l.rank - 2] = at_q.dims[l.rank - 2];
    dims[l.rank - 1] = at_v.dims[l.rank - 1];
    y = moru_transpose(moru_reshape(y, dims, l.rank), l.back);
    if (!scores)
        return y;
    int n = 0;
    for (int i = 0; i < l.batch; i++)
        dims[n++] = at_q.dims[i];
    dims[n++] = at_q.dims[l.rank - 2];
    for (int i = l.batch; i < l.rank - 2; i++)
        dims[n++] = at_q.dims[i];
    for (int i = l.batch; i < l.rank - 2; i++)
        dims[n++] = at_k.dims[i];
    *scores = moru_reshape(*scores, dims, n);
    return y;
}
