/* Keras's regularizers: l1 sum |w| + l2 sum w^2. */
#include <math.h>

#include "core/status.h"
#include "layers/layer.h"

typedef struct factors { double l1, l2; } factors;

static const moru_field fields[] = {MORU_FIELD(factors, l1, MORU_FIELD_REAL), MORU_FIELD(factors, l2, MORU_FIELD_REAL)};
static const factors l1_defaults = {0.01, 0}, l2_defaults = {0, 0.01}, none = {0, 0};

#define MODULE .module = "keras.regularizers", .size = sizeof(factors)
static const moru_class l1 = {.class_name = "L1", .alias = "l1", MODULE, .defaults = &l1_defaults, .fields = fields,
                              .n_fields = 1};
static const moru_class l2 = {.class_name = "L2", .alias = "l2", MODULE, .defaults = &l2_defaults, .fields = fields + 1,
                              .n_fields = 1};
static const moru_class l1l2 = {.class_name = "L1L2", .alias = "l1l2", MODULE, .defaults = &none, .fields = fields,
                                .n_fields = 2};

const moru_class *const moru_regularizer_classes[] = {&l1, &l2, &l1l2};
const int moru_regularizer_count = 3;

moru_status moru_regularizer_factors(const char *spec, const char *where, double *l1_factor, double *l2_factor)
{
    moru_arena arena = {0};
    const moru_class *class_;
    void *options;
    moru_status status = moru_spec_parse(&arena, spec, moru_regularizer_classes, moru_regularizer_count, where, &class_,
                                         &options);
    if (status == MORU_OK) {
        const factors *f = options;
        *l1_factor = f->l1;
        *l2_factor = f->l2;
        if (!(f->l1 >= 0 && f->l2 >= 0 && isfinite(f->l1 + f->l2)))
            status = moru_fail(MORU_ERR_ARGUMENT, "%s: a regularizer's factor must be a number of at least 0", where);
    }
    moru_arena_free(&arena);
    return status;
}
