/* The C side of `make bench`: workloads on the public interface, driven over standard input by bench.py. */
#ifndef MORU_BENCH_H
#define MORU_BENCH_H

#include <moru.h>
#include <moru/train_step.h>

#define BENCH_CROSS_ENTROPY "sparse_categorical_crossentropy(from_logits=true)"

enum { BENCH_MAX_TENSORS = 512, BENCH_MAX_MODELS = 2 };

/* A workload as loaded: models with the driver's weights, the batch, and what one step is. */
typedef struct bench_run {
    const struct bench_workload *workload;
    bool training;
    int64_t batch;
    moru_tensor *tensors[BENCH_MAX_TENSORS]; /* as in the file: weights, then x and y */
    int n_tensors;
    moru_tensor *x, *y;                      /* the first `batch` samples */
    moru_model *models[BENCH_MAX_MODELS];
    moru_program *program;                   /* inference, or an op; belongs to the model or to `op` */
    moru_graph *graph;                       /* of a single op */
    moru_program *op;
    moru_train_step *step;                   /* a training step of the workload's own */
    double losses[2];
    int n_losses;
} bench_run;

/* A nameless one needs layers that this library doesn't have. models: the inference model first. Its weights, then the
 * others', are in the file in the order of their layers. */
typedef struct bench_workload {
    const char *name;
    const char *loss;
    moru_model *(*models[BENCH_MAX_MODELS])(void);
    moru_status (*step)(bench_run *run);     /* makes run->step; NULL: moru_train_on_batch() */
} bench_workload;

extern const bench_workload *const bench_workloads[];
extern const bench_workload bench_linear, bench_mlp, bench_mlp_small, bench_lenet, bench_cnn, bench_resnet20, bench_vgg,
    bench_lstm, bench_lstm512, bench_gru, bench_dcgan, bench_gpt;

moru_status bench_load(bench_run *run, const char *name, bool training, int64_t batch, const char *path);
/* The run's tensors are the operands of a single op. */
moru_status bench_load_op(bench_run *run, const char *name);
moru_status bench_step(bench_run *run);
void bench_free(bench_run *run);

/* Sets the thread's error message. */
moru_status bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *bench_message(void);

#endif
