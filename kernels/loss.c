/* Cross entropy of logits with class numbers: loss = log sum_j exp(z_j) - z_label. */
#include "kernels/softmax_row.h"

#define EXP_COST 4

void MORU_KERNEL(sparse_cross_entropy)(const moru_real *z, const int32_t *labels, int64_t rows, int64_t classes,
                                       moru_real *loss, int threads)
{
    threads = kernel_threads(EXP_COST * rows * classes, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++) {
        const moru_real *row = z + r * classes;
        vec max = row_max(row, classes), total = row_exp_sum(row, classes, max, NULL);
        loss[r] = (max[0] - row[labels[r]]) + vec_log(total)[0];
    });
}

/* dz = dloss (softmax(z) - onehot(label)) */
void MORU_KERNEL(sparse_cross_entropy_grad)(const moru_real *dloss, const moru_real *z, const int32_t *labels,
                                            int64_t rows, int64_t classes, moru_real *dz, int threads)
{
    threads = kernel_threads(EXP_COST * rows * classes, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++) {
        const moru_real *row = z + r * classes;
        moru_real *to = dz + r * classes;
        vec inverse = R(1) / row_exp_sum(row, classes, row_max(row, classes), to);
        moru_real label = to[labels[r]] * inverse[0];
        vec scale = inverse * dloss[r];
        ROW_MAP(to, to, classes, e, e * scale)
        to[labels[r]] = dloss[r] * (label - R(1));
    });
}
