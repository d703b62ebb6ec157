/* Rows of a table by index, and the gradient: sums of rows by index. */
#include "kernels/kernel.h"

void MORU_KERNEL(gather_rows)(const moru_real *table, int64_t width, const int32_t *index, int64_t rows, moru_real *out,
                              int threads)
{
    threads = kernel_threads(rows * width, threads);
    PARALLEL(threads, for (int64_t r = 0; r < rows; r++)
        memcpy(out + r * width, table + index[r] * width, (size_t)width * sizeof *out));
}

/* What one thread adds up: columns [from, to) of the table's rows [first, last). */
static void scatter_part(const moru_real *dy, int64_t width, const int32_t *index, int64_t rows, int64_t first,
                         int64_t last, int64_t from, int64_t to, moru_real *dtable)
{
    for (int64_t v = first; v < last && from < to; v++)
        memset(dtable + v * width + from, 0, (size_t)(to - from) * sizeof *dtable);
    for (int64_t r = 0; r < rows; r++) {
        if (index[r] < first || index[r] >= last)
            continue;
        const moru_real *d = dy + r * width;
        moru_real *t = dtable + index[r] * width;
        for (int64_t j = from; j < to; j++)
            t[j] += d[j];
    }
}

/* Threads own columns of the table, or rows where those are narrow: each sum is one thread's, in order of r. */
void MORU_KERNEL(scatter_rows)(const moru_real *dy, int64_t width, const int32_t *index, int64_t rows,
                               int64_t vocabulary, moru_real *dtable, int threads)
{
    threads = kernel_threads((rows + vocabulary) * width, threads);
    bool columns = width >= 16 * (int64_t)threads;
    PARALLEL(threads, for (int64_t t = 0; t < threads; t++) {
        int64_t total = columns ? width : vocabulary, start = total * t / threads, end = total * (t + 1) / threads;
        if (columns)
            scatter_part(dy, width, index, rows, 0, vocabulary, start, end, dtable);
        else
            scatter_part(dy, width, index, rows, start, end, 0, width, dtable);
    });
}
