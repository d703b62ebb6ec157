/* What softmax and the cross entropies need of one row of n numbers. */
#ifndef MORU_SOFTMAX_ROW_H
#define MORU_SOFTMAX_ROW_H

#include "kernels/vecmath.h"

/* The largest, in every lane; a NaN may be missed (its exp will tell). */
KERNEL_INLINE vec row_max(const moru_real *x, int64_t n)
{
    vec m = vec_set(R(-INFINITY));
    int64_t i = 0;
    for (; n - i >= LANES; i += LANES)
        m = vec_max(vec_load(x + i), m);
    if (i < n)
        m = vec_max(vec_load_filled(x + i, n - i, m), m);
    return vec_fold_max(m);
}

/* sum of exp(x - max), in every lane; the terms go to y unless that is NULL. */
KERNEL_INLINE vec row_exp_sum(const moru_real *x, int64_t n, vec max, moru_real *y)
{
    vec total = vec_zero();
    for (int64_t i = 0; i < n;) {
        vec block = vec_zero();
        for (int k = 0; k < 64 && i < n; k++, i += LANES) {
            bool whole = n - i >= LANES;
            vec e = vec_exp((whole ? vec_load(x + i) : vec_load_filled(x + i, n - i, vec_set(R(-INFINITY)))) - max);
            if (!whole)
                e = vec_where(vec_lane_numbers() < (moru_lane_int)(n - i), e);
            block += e;
            if (y && whole)
                vec_store(y + i, e);
            else if (y)
                vec_store_part(y + i, e, n - i);
        }
        total += block;
    }
    return vec_fold_sum(total);
}

/* y[i] = expression of x = x[i], for all i of a row */
#define ROW_MAP(y_, x_, n_, x, expression)                        \
    for (int64_t i_ = 0; i_ < (n_); i_ += LANES) {                \
        bool whole_ = (n_) - i_ >= LANES;                         \
        vec x = whole_ ? vec_load((x_) + i_) : vec_load_part((x_) + i_, (n_) - i_); \
        if (whole_)                                               \
            vec_store((y_) + i_, expression);                     \
        else                                                      \
            vec_store_part((y_) + i_, expression, (n_) - i_);     \
    }

#endif
