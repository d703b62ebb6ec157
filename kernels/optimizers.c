/* Optimizer steps with the formulas of Keras 3. Weight decay is decoupled: w -= lr decay w before the step. */
#include "kernels/vecmath.h"

#define PIECE 8192 /* elements of a piece of work */

KERNEL_INLINE int64_t lanes_at(int64_t left)
{
    return left < LANES ? left : LANES;
}

/* The body for every vector of the piece that starts at `start`; i and lanes are its place. */
#define FOR_VECTORS(start, n)                                                                         \
    for (int64_t i = (start), end_ = (n) - i < PIECE ? (n) : i + PIECE, lanes = lanes_at(end_ - i);   \
         i < end_; i += LANES, lanes = lanes_at(end_ - i))

KERNEL_INLINE vec load(const moru_real *p, int64_t i, int64_t lanes)
{
    return lanes == LANES ? vec_load(p + i) : vec_load_part(p + i, lanes);
}

KERNEL_INLINE void store(moru_real *p, int64_t i, int64_t lanes, vec v)
{
    if (lanes == LANES)
        vec_store(p + i, v);
    else
        vec_store_part(p + i, v, lanes);
}

/* v = momentum v - lr g; w += v, or with Nesterov w += momentum v - lr g */
static void sgd_piece(int64_t start, int64_t n, const moru_real *w, const moru_real *g, const moru_real *m,
                      moru_real lr, moru_real momentum, bool nesterov, moru_real decay, moru_real *new_w,
                      moru_real *new_m)
{
    FOR_VECTORS(start, n) {
        vec weight = load(w, i, lanes), step = load(g, i, lanes) * lr;
        weight -= weight * decay;
        if (m) {
            vec velocity = load(m, i, lanes) * momentum - step;
            store(new_m, i, lanes, velocity);
            weight += nesterov ? velocity * momentum - step : velocity;
        } else {
            weight -= step;
        }
        store(new_w, i, lanes, weight);
    }
}

void MORU_KERNEL(sgd)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *m, double lr, double momentum,
                      bool nesterov, double weight_decay, moru_real *new_w, moru_real *new_m, int threads)
{
    threads = kernel_threads(n, threads);
    PARALLEL(threads, for (int64_t start = 0; start < n; start += PIECE)
        sgd_piece(start, n, w, g, m, (moru_real)lr, (moru_real)momentum, nesterov, (moru_real)(lr * weight_decay),
                  new_w, new_m));
}

/* m += (1 - b1)(g - m); v += (1 - b2)(g^2 - v); w -= rate m/(sqrt v + epsilon) */
static void adam_piece(int64_t start, int64_t n, const moru_real *w, const moru_real *g, const moru_real *m,
                       const moru_real *v, moru_real rate, moru_real b1, moru_real b2, moru_real epsilon,
                       moru_real decay, moru_real *new_w, moru_real *new_m, moru_real *new_v)
{
    FOR_VECTORS(start, n) {
        vec weight = load(w, i, lanes), gradient = load(g, i, lanes);
        vec mean = load(m, i, lanes), square = load(v, i, lanes);
        mean += (gradient - mean) * b1;
        square += (gradient * gradient - square) * b2;
        weight -= weight * decay;
        weight -= mean * rate / (vec_sqrt(square) + epsilon);
        store(new_m, i, lanes, mean);
        store(new_v, i, lanes, square);
        store(new_w, i, lanes, weight);
    }
}

void MORU_KERNEL(adam)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *m, const moru_real *v,
                       const moru_adam_args *a, moru_real *new_w, moru_real *new_m, moru_real *new_v, int threads)
{
    double rate = a->lr * sqrt(1 - pow(a->beta_2, a->step)) / (1 - pow(a->beta_1, a->step));
    double decay = a->lr * a->weight_decay;
    threads = kernel_threads(n, threads);
    PARALLEL(threads, for (int64_t start = 0; start < n; start += PIECE)
        adam_piece(start, n, w, g, m, v, (moru_real)rate, (moru_real)(1 - a->beta_1), (moru_real)(1 - a->beta_2),
                   (moru_real)a->epsilon, (moru_real)decay, new_w, new_m, new_v));
}

/* v = rho v + (1 - rho) g^2; centered: a = rho a + (1 - rho) g, v less a^2 counts; step = lr g/sqrt(v + epsilon);
 * with momentum m = momentum m + step is what w loses */
static void rmsprop_piece(int64_t start, int64_t n, const moru_real *w, const moru_real *g, const moru_real *v,
                          const moru_real *m, const moru_real *a, moru_real lr, moru_real rho, moru_real rest,
                          moru_real momentum, moru_real epsilon, moru_real decay, moru_real *new_w, moru_real *new_v,
                          moru_real *new_m, moru_real *new_a)
{
    FOR_VECTORS(start, n) {
        vec weight = load(w, i, lanes), gradient = load(g, i, lanes);
        vec square = load(v, i, lanes) * rho + gradient * gradient * rest, variance = square;
        store(new_v, i, lanes, square);
        if (a) {
            vec mean = load(a, i, lanes) * rho + gradient * rest;
            store(new_a, i, lanes, mean);
            variance = vec_max(square - mean * mean, vec_zero() + R(0) * square); /* rounding can't make it negative */
        }
        vec step = gradient * lr / vec_sqrt(variance + epsilon);
        if (m) {
            step = load(m, i, lanes) * momentum + step;
            store(new_m, i, lanes, step);
        }
        weight -= weight * decay;
        store(new_w, i, lanes, weight - step);
    }
}

void MORU_KERNEL(rmsprop)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *v, const moru_real *m,
                          const moru_real *a, double lr, double rho, double momentum, double epsilon,
                          double weight_decay, moru_real *new_w, moru_real *new_v, moru_real *new_m, moru_real *new_a,
                          int threads)
{
    threads = kernel_threads(n, threads);
    PARALLEL(threads, for (int64_t start = 0; start < n; start += PIECE)
        rmsprop_piece(start, n, w, g, v, m, a, (moru_real)lr, (moru_real)rho, (moru_real)(1 - rho), (moru_real)momentum,
                      (moru_real)epsilon, (moru_real)(lr * weight_decay), new_w, new_v, new_m, new_a));
}

/* a += g^2; w -= lr g/sqrt(a + epsilon) */
static void adagrad_piece(int64_t start, int64_t n, const moru_real *w, const moru_real *g, const moru_real *acc,
                          moru_real lr, moru_real epsilon, moru_real decay, moru_real *new_w, moru_real *new_acc)
{
    FOR_VECTORS(start, n) {
        vec weight = load(w, i, lanes), gradient = load(g, i, lanes);
        vec sum = load(acc, i, lanes) + gradient * gradient;
        store(new_acc, i, lanes, sum);
        weight -= weight * decay;
        store(new_w, i, lanes, weight - gradient * lr / vec_sqrt(sum + epsilon));
    }
}

void MORU_KERNEL(adagrad)(int64_t n, const moru_real *w, const moru_real *g, const moru_real *acc, double lr,
                          double epsilon, double weight_decay, moru_real *new_w, moru_real *new_acc, int threads)
{
    threads = kernel_threads(n, threads);
    PARALLEL(threads, for (int64_t start = 0; start < n; start += PIECE)
        adagrad_piece(start, n, w, g, acc, (moru_real)lr, (moru_real)epsilon, (moru_real)(lr * weight_decay), new_w,
                      new_acc));
}
