/* Keras's regularizers: l1 sum |w| + l2 sum w^2, and the sum of the cosines between the rows or columns of a matrix. */
#include <math.h>
#include <string.h>

#include "core/status.h"
#include "layers/layer.h"

typedef struct factors { double l1, l2; } factors;
typedef struct orthogonal_options { double factor; const char *mode; } orthogonal_options;

static const moru_field fields[] = {MORU_FIELD(factors, l1, MORU_FIELD_REAL), MORU_FIELD(factors, l2, MORU_FIELD_REAL)};
static const moru_field orthogonal_fields[] = {MORU_FIELD(orthogonal_options, factor, MORU_FIELD_REAL),
                                               MORU_FIELD(orthogonal_options, mode, MORU_FIELD_TEXT)};
static const factors l1_defaults = {0.01, 0}, l2_defaults = {0, 0.01}, none = {0, 0};
static const orthogonal_options orthogonal_defaults = {0.01, "rows"};

#define MODULE .module = "keras.regularizers", .size = sizeof(factors)
static const moru_class l1 = {.class_name = "L1", .alias = "l1", MODULE, .defaults = &l1_defaults, .fields = fields,
                              .n_fields = 1};
static const moru_class l2 = {.class_name = "L2", .alias = "l2", MODULE, .defaults = &l2_defaults, .fields = fields + 1,
                              .n_fields = 1};
static const moru_class l1l2 = {.class_name = "L1L2", .alias = "l1_l2", MODULE, .defaults = &none, .fields = fields,
                                .n_fields = 2};
static const moru_class l1l2_short = {.class_name = "L1L2", .alias = "l1l2", MODULE, .defaults = &none,
                                      .fields = fields, .n_fields = 2};
static const moru_class orthogonal = {
    .class_name = "OrthogonalRegularizer", .alias = "orthogonal_regularizer", .module = "keras.regularizers",
    .size = sizeof(orthogonal_options), .defaults = &orthogonal_defaults, .fields = orthogonal_fields, .n_fields = 2};

const moru_class *const moru_regularizer_classes[] = {&l1, &l2, &l1l2, &l1l2_short, &orthogonal};
const int moru_regularizer_count = 5;

static moru_status read_orthogonal(const orthogonal_options *o, const char *where, moru_regularizer *out)
{
    bool rows = o->mode && strcmp(o->mode, "rows") == 0;
    if (!rows && (!o->mode || strcmp(o->mode, "columns") != 0))
        return moru_fail(MORU_ERR_ARGUMENT, "%s: a regularizer's mode must be rows or columns, not %.40s", where,
                         o->mode ? o->mode : "null");
    out->orthogonal = o->factor;
    out->columns = !rows;
    return MORU_OK;
}

moru_status moru_regularizer_parse(const char *spec, const char *where, moru_regularizer *out)
{
    moru_arena arena = {0};
    const moru_class *class_;
    void *options;
    *out = (moru_regularizer){0};
    moru_status status = moru_spec_parse(&arena, spec, moru_regularizer_classes, moru_regularizer_count, where, &class_,
                                         &options);
    if (status == MORU_OK && class_ == &orthogonal) {
        status = read_orthogonal(options, where, out);
    } else if (status == MORU_OK) { /* null: Keras's default */
        const factors *f = options, *usual = class_->defaults;
        out->l1 = isnan(f->l1) ? usual->l1 : f->l1;
        out->l2 = isnan(f->l2) ? usual->l2 : f->l2;
    }
    if (status == MORU_OK && !(out->l1 >= 0 && out->l2 >= 0 && out->orthogonal >= 0
                               && isfinite(out->l1 + out->l2 + out->orthogonal)))
        status = moru_fail(MORU_ERR_ARGUMENT, "%s: a regularizer's factor must be a number of at least 0", where);
    moru_arena_free(&arena);
    return status;
}

moru_node *moru_unit_length(moru_node *x, const int *axes, int n)
{
    moru_node *squares = moru_sum(moru_square(x), axes, n, true);
    return moru_mul(x, moru_rsqrt(moru_clip(squares, 1e-14, INFINITY)));
}

/* factor/2 sum |u u^T| off the diagonal, over the number of pairs; u: rows of length 1 */
static moru_node *orthogonality(const moru_regularizer *r, moru_node *w)
{
    int rows = r->columns ? 1 : 0, along = 1 - rows;
    int64_t n = w->shape.dims[rows];
    moru_node *unit = moru_unit_length(w, &along, 1);
    moru_node *product = moru_abs(moru_matmul_t(unit, r->columns, unit, !r->columns));
    moru_node *own = moru_sum_all(moru_square(unit)); /* the diagonal: squares of lengths */
    moru_node *total = moru_sub(moru_sum_all(product), own);
    return moru_mul_scalar(total, r->orthogonal * 0.5 / ((double)n * ((double)n - 1) / 2));
}

/* Of n samples in x: the mean over them; else the sum. */
static moru_node *total_of(moru_node *x, bool of_samples)
{
    return moru_sum_all(of_samples ? moru_mean(x, (int[]){0}, 1, false) : x);
}

moru_node *moru_regularization(const moru_regularizer *r, moru_node *x, bool of_samples)
{
    moru_node *loss = NULL;
    if (r->l1 > 0)
        loss = moru_mul_scalar(total_of(moru_abs(x), of_samples), r->l1);
    if (r->l2 > 0) {
        moru_node *squares = moru_mul_scalar(total_of(moru_square(x), of_samples), r->l2);
        loss = loss ? moru_add(loss, squares) : squares;
    }
    return r->orthogonal > 0 ? orthogonality(r, x) : loss;
}
